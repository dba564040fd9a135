//! RS0405: sets within sets that multiply
//!
//! Sets that hold each other, with `except`, come to more than a decision may take, or stand in each other more
//! than 64 deep.
//!
//! ## Why it matters
//!
//! A set that takes out a set that takes out a set has to be looked at once for each. Ten lines of that could
//! come to millions of steps for each request.
//!
//! ## Example
//!
//! ```policy,fails
//! set s0 { 10.0.0.0/8, .example.com }
//! set t0 { 10.1.0.0/16, example.org }
//! set s1 { @s0, a*1.example.net except @t0 }
//! set t1 { @s0, b*1.example.net, 192.168.1.0/24 except @s0 }
//! set s2 { @s1, a*2.example.net except @t1 }
//! set t2 { @s1, b*2.example.net, 192.168.2.0/24 except @s1 }
//! set s3 { @s2, a*3.example.net except @t2 }
//! set t3 { @s2, b*3.example.net, 192.168.3.0/24 except @s2 }
//! set s4 { @s3, a*4.example.net except @t3 }
//! set t4 { @s3, b*4.example.net, 192.168.4.0/24 except @s3 }
//! set s5 { @s4, a*5.example.net except @t4 }
//! set t5 { @s4, b*5.example.net, 192.168.5.0/24 except @s4 }
//! set s6 { @s5, a*6.example.net except @t5 }
//! set t6 { @s5, b*6.example.net, 192.168.6.0/24 except @s5 }
//! set s7 { @s6, a*7.example.net except @t6 }
//! set t7 { @s6, b*7.example.net, 192.168.7.0/24 except @s6 }
//! set s8 { @s7, a*8.example.net except @t7 }
//! set t8 { @s7, b*8.example.net, 192.168.8.0/24 except @s7 }
//! set s9 { @s8, a*9.example.net except @t8 }
//! set t9 { @s8, b*9.example.net, 192.168.9.0/24 except @s8 }
//! socks block odd { to: @s9, @t9 }
//! socks block inside { to: @private, @loopback, @link-local, @metadata }
//! socks pass rest { to: .example.com, .example.net }
//! ```
//!
//! ## Better
//!
//! ```policy
//! set office { 10.0.0.0/8, .example.com }
//! socks block office { to: @office except wiki.example.com }
//! ```
//!
//! ## Fix
//!
//! Write names and addresses into sets of their own, and take out values rather than sets that take out others.

use super::{Grade, Lint};

/// The code.
pub(super) const LINT: Lint = Lint::page("RS0405", Grade::Error, include_str!("rs0405.rs"));
