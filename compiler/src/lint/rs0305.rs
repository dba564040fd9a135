//! RS0305: a block that leaves the name itself open
//!
//! `*.example.com` is every name below, not `example.com`. A request for that one passes.
//!
//! ## Why it matters
//!
//! In other languages the same text means both.
//!
//! ## Example
//!
//! ```policy
//! socks block inside { to: @private, @loopback, @link-local, @metadata, literal }
//! socks block tracker { to: *.tracker.example }
//! socks pass web { from: 10.0.0.0/8  port: 443 }
//! ```
//!
//! ## Better
//!
//! ```policy
//! socks block inside { to: @private, @loopback, @link-local, @metadata, literal }
//! socks block tracker { to: .tracker.example }
//! socks pass web { from: 10.0.0.0/8  port: 443 }
//! ```
//!
//! ## Fix
//!
//! Write `.example.com` for the name and all below it.

use super::context::Context;
use super::witness::Sample;
use super::{Grade, Lint};
use crate::diagnostic::{Diagnostic, Edit, Safety};
use crate::model::{Conditions, NamePattern, SetBody, SetExpr, SetItemKind, Stage, Test, Verdict};

/// The code.
pub(super) const LINT: Lint = Lint::new("RS0305", Grade::Warning, include_str!("rs0305.rs"), check);

fn check(context: &Context<'_>, found: &mut Vec<Diagnostic>) {
    for (_, rule, _) in context.those(Stage::Socks, Verdict::Block) {
        for term in rule.when.terms.iter().filter(|term| !term.negated) {
            let Test::To(expr) = &term.test else { continue };
            let terms = rule.when.terms.iter().filter(|one| !matches!(one.test, Test::To(_))).cloned();
            let rest = Conditions { terms: terms.collect(), span: None };
            values(context, expr, &rest, found);
            for item in &expr.include {
                if let SetItemKind::Set(id) = item.kind
                    && let Some(SetBody::Expr(inner)) = context.model.set(id).map(|set| &set.body)
                {
                    values(context, inner, &rest, found);
                }
            }
        }
    }
}

fn values(context: &Context<'_>, expr: &SetExpr, rest: &Conditions, found: &mut Vec<Diagnostic>) {
    for item in &expr.include {
        let SetItemKind::Name(NamePattern::Below(base)) = &item.kind else { continue };
        let start = Sample { name: Some(base.clone()), ..Sample::default() };
        let mut passes = context.those(Stage::Socks, Verdict::Pass).map(|(_, pass, _)| pass).take(32);
        let sample = passes.find_map(|pass| {
            let fits = |sample: &Sample| {
                sample.name.as_ref() == Some(base) && context.verdict(sample) == Some(Verdict::Pass)
            };
            context.reach(&[rest, &pass.when], &start, fits)
        });
        let Some(sample) = sample else { continue };
        found.push(
            LINT.at(item.span, format!("`*.{base}` leaves `{base}` itself open"))
                .label("every name below it, not the name")
                .help(format!("write `.{base}` for both"))
                .fix(
                    format!("block `{base}` too"),
                    Safety::Unsafe,
                    vec![Edit { span: item.span, text: format!(".{base}") }],
                )
                .witness(context.show(&sample)),
        );
    }
}
