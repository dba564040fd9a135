//! RS0307: a pass over a public suffix
//!
//! The names below `com`, `co.uk` or `github.io` belong to many, and anybody may have one.
//!
//! ## Why it matters
//!
//! A pass over such a suffix passes whatever somebody registers this afternoon.
//!
//! ## Example
//!
//! ```policy
//! socks block inside { to: @private, @loopback, @link-local, @metadata }
//! socks pass vendor { to: *.co.uk  port: 443 }
//! ```
//!
//! ## Better
//!
//! ```policy
//! socks block inside { to: @private, @loopback, @link-local, @metadata }
//! socks pass vendor { to: .vendor.co.uk  port: 443 }
//! ```
//!
//! ## Fix
//!
//! Name the domains that are meant.

use super::context::Context;
use super::{Grade, Lint};
use crate::diagnostic::Diagnostic;
use crate::model::{NamePattern, SetBody, SetExpr, SetItemKind, Stage, Test, Verdict};

/// The code.
pub(super) const LINT: Lint = Lint::new("RS0307", Grade::Warning, include_str!("rs0307.rs"), check);

fn check(context: &Context<'_>, found: &mut Vec<Diagnostic>) {
    for (_, rule, _) in context.those(Stage::Socks, Verdict::Pass) {
        for term in rule.when.terms.iter().filter(|term| !term.negated) {
            let Test::To(expr) = &term.test else { continue };
            values(context, expr, found);
            for item in &expr.include {
                if let SetItemKind::Set(id) = item.kind
                    && let Some(SetBody::Expr(inner)) = context.model.set(id).map(|set| &set.body)
                {
                    values(context, inner, found);
                }
            }
        }
    }
}

fn values(context: &Context<'_>, expr: &SetExpr, found: &mut Vec<Diagnostic>) {
    for item in &expr.include {
        let (SetItemKind::Name(NamePattern::Below(base)) | SetItemKind::Name(NamePattern::Tree(base))) = &item.kind
        else {
            continue;
        };
        if is_public(base.as_str()) {
            let text = context.model.sources.text(item.span);
            found.push(
                LINT.at(item.span, format!("`{text}` is open to whoever registers a name"))
                    .label(format!("`{base}` is a public suffix: its names belong to many"))
                    .help("name the domains that are meant"),
            );
        }
    }
}

/// Top-level names that belong to nobody else, and suffixes of two labels under which anybody may
/// have a name.
fn is_public(base: &str) -> bool {
    if base.contains('.') {
        return SHARED.contains(&base);
    }
    !OWN.contains(&base)
}

const OWN: [&str; 16] = [
    "alt", "arpa", "corp", "example", "home", "internal", "intranet", "invalid", "lan", "local", "localdomain",
    "localhost", "mail", "onion", "private", "test",
];

const SHARED: [&str; 48] = [
    "ac.uk", "appspot.com", "azurewebsites.net", "blogspot.com", "cloudfront.net", "co.in", "co.jp", "co.kr",
    "co.nz", "co.uk", "co.za", "com.ar", "com.au", "com.br", "com.cn", "com.hk", "com.mx", "com.my", "com.pl",
    "com.sg", "com.tr", "com.tw", "com.ua", "edu.au", "edu.pl", "firebaseapp.com", "fly.dev", "github.io",
    "gitlab.io", "gov.uk", "herokuapp.com", "myshopify.com", "ne.jp", "net.au", "net.pl", "netlify.app", "ngrok.io",
    "or.jp", "org.au", "org.pl", "org.uk", "pages.dev", "r2.dev", "s3.amazonaws.com", "vercel.app", "waw.pl",
    "web.app", "workers.dev",
];
