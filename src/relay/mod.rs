//! Bytes and datagrams between a client and its target: the tunnel of CONNECT, the one peer of
//! BIND, the association of UDP ASSOCIATE.
//!
//! What is relayed is never looked at. Each wait has a deadline from the settings, and a peer that
//! does not read costs no more than one buffer.

mod association;
mod named;
mod pipe;
mod queue;
mod stream;
mod tunnel;

pub use association::{Association, AssociationLimits, Gate, Sockets};
pub use pipe::Pipes;
pub use stream::Stream;
pub(crate) use stream::keep_alive;
pub use tunnel::{Clocks, Tunnel};
