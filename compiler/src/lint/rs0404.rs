//! RS0404: a long list within the policy
//!
//! A set has more than a hundred values in the text.
//!
//! ## Why it matters
//!
//! It hides the rules between which it stands. List files are read faster, are kept by other programs, and
//! `explain` names their line.
//!
//! ## Example
//!
//! ```policy
//! set long {
//!     10.0.0.0/28, 10.0.1.0/28, 10.0.2.0/28, 10.0.3.0/28, 10.0.4.0/28, 10.0.5.0/28,
//!     10.0.6.0/28, 10.0.7.0/28, 10.0.8.0/28, 10.0.9.0/28, 10.0.10.0/28, 10.0.11.0/28,
//!     10.0.12.0/28, 10.0.13.0/28, 10.0.14.0/28, 10.0.15.0/28, 10.0.16.0/28, 10.0.17.0/28,
//!     10.0.18.0/28, 10.0.19.0/28, 10.0.20.0/28, 10.0.21.0/28, 10.0.22.0/28, 10.0.23.0/28,
//!     10.0.24.0/28, 10.0.25.0/28, 10.0.26.0/28, 10.0.27.0/28, 10.0.28.0/28, 10.0.29.0/28,
//!     10.0.30.0/28, 10.0.31.0/28, 10.0.32.0/28, 10.0.33.0/28, 10.0.34.0/28, 10.0.35.0/28,
//!     10.0.36.0/28, 10.0.37.0/28, 10.0.38.0/28, 10.0.39.0/28, 10.0.40.0/28, 10.0.41.0/28,
//!     10.0.42.0/28, 10.0.43.0/28, 10.0.44.0/28, 10.0.45.0/28, 10.0.46.0/28, 10.0.47.0/28,
//!     10.0.48.0/28, 10.0.49.0/28, 10.0.50.0/28, 10.0.51.0/28, 10.0.52.0/28, 10.0.53.0/28,
//!     10.0.54.0/28, 10.0.55.0/28, 10.0.56.0/28, 10.0.57.0/28, 10.0.58.0/28, 10.0.59.0/28,
//!     10.0.60.0/28, 10.0.61.0/28, 10.0.62.0/28, 10.0.63.0/28, 10.0.64.0/28, 10.0.65.0/28,
//!     10.0.66.0/28, 10.0.67.0/28, 10.0.68.0/28, 10.0.69.0/28, 10.0.70.0/28, 10.0.71.0/28,
//!     10.0.72.0/28, 10.0.73.0/28, 10.0.74.0/28, 10.0.75.0/28, 10.0.76.0/28, 10.0.77.0/28,
//!     10.0.78.0/28, 10.0.79.0/28, 10.0.80.0/28, 10.0.81.0/28, 10.0.82.0/28, 10.0.83.0/28,
//!     10.0.84.0/28, 10.0.85.0/28, 10.0.86.0/28, 10.0.87.0/28, 10.0.88.0/28, 10.0.89.0/28,
//!     10.0.90.0/28, 10.0.91.0/28, 10.0.92.0/28, 10.0.93.0/28, 10.0.94.0/28, 10.0.95.0/28,
//!     10.0.96.0/28, 10.0.97.0/28, 10.0.98.0/28, 10.0.99.0/28, 10.0.100.0/28
//! }
//! client pass long { from: @long }
//! ```
//!
//! ## Better
//!
//! ```policy
//! set long {
//!     10.0.0.0/28, 10.0.1.0/28, 10.0.2.0/28, 10.0.3.0/28, 10.0.4.0/28
//! }
//! client pass long { from: @long }
//! ```
//!
//! ## Fix
//!
//! Put the values into a file, one a line, and write `set long from "long.txt"`.

use super::context::Context;
use super::{Grade, Lint};
use crate::diagnostic::Diagnostic;
use crate::model::SetBody;

/// The code.
pub(super) const LINT: Lint = Lint::new("RS0404", Grade::Info, include_str!("rs0404.rs"), check);

const LONG: usize = 100;

fn check(context: &Context<'_>, found: &mut Vec<Diagnostic>) {
    for set in &context.model.sets {
        if let SetBody::Expr(expr) = &set.body
            && expr.include.len() > LONG
        {
            found.push(
                LINT.at(set.span, format!("set `{}` has {} values", set.name, expr.include.len()))
                    .label("long lists hide the rules between them")
                    .help(format!(
                        "put them into a file, one a line: `set {} from \"{}.txt\"`",
                        set.name, set.name
                    )),
            );
        }
    }
}
