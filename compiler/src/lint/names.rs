//! Patterns over names: what is inside what, and what has nothing in common.

use crate::model::{Name, NamePattern};

/// Whether every name that fits `inner` fits `outer`; `false` also where that is not known.
pub(crate) fn covers(outer: &NamePattern, inner: &NamePattern) -> bool {
    match (outer, inner) {
        (outer, NamePattern::Exact(name)) => outer.matches(name),
        (NamePattern::Tree(base), NamePattern::Tree(below) | NamePattern::Below(below))
        | (NamePattern::Below(base), NamePattern::Below(below)) => below.is_in(base),
        (NamePattern::Below(base), NamePattern::Tree(below)) => below.is_below(base),
        (NamePattern::Glob(one), NamePattern::Glob(other)) => one == other,
        (NamePattern::Below(base) | NamePattern::Tree(base), NamePattern::Glob(glob)) => {
            fixed_end(glob.as_str()).is_some_and(|end| end == base.as_str() || below(end, base.as_str()))
        }
        (NamePattern::Regex(one), NamePattern::Regex(other)) => one.as_str() == other.as_str(),
        _ => false,
    }
}

/// Whether no name fits both; `false` also where that is not known.
pub(crate) fn disjoint(one: &NamePattern, other: &NamePattern) -> bool {
    match (one, other) {
        (NamePattern::Exact(name), pattern) | (pattern, NamePattern::Exact(name)) => !pattern.matches(name),
        (NamePattern::Regex(_), _) | (_, NamePattern::Regex(_)) => false,
        _ => match (base(one), base(other)) {
            (Some(one), Some(other)) => one != other && !below(one, other) && !below(other, one),
            _ => false,
        },
    }
}

/// The name that every match ends in, whole labels.
pub(crate) fn base(pattern: &NamePattern) -> Option<&str> {
    match pattern {
        NamePattern::Below(base) | NamePattern::Tree(base) | NamePattern::Exact(base) => Some(base.as_str()),
        NamePattern::Glob(glob) => fixed_end(glob.as_str()),
        NamePattern::Regex(_) => None,
    }
}

/// A name that fits.
pub(crate) fn example(pattern: &NamePattern) -> Option<Name> {
    let text = match pattern {
        NamePattern::Exact(name) | NamePattern::Tree(name) => return Some(name.clone()),
        NamePattern::Below(base) => format!("www.{base}"),
        NamePattern::Glob(glob) => glob.as_str().replace("*.", "www.").replace('*', "x"),
        NamePattern::Regex(regex) => {
            let bare = regex.as_str().replace("(?i)", "");
            bare.chars().filter(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-')).collect()
        }
    };
    Name::parse(&text).ok().filter(|name| pattern.matches(name))
}

fn below(name: &str, base: &str) -> bool {
    name.strip_suffix(base).is_some_and(|rest| rest.ends_with('.'))
}

/// The labels of a glob behind its last `*`.
fn fixed_end(glob: &str) -> Option<&str> {
    let behind = match glob.rfind('*') {
        Some(star) => glob.get(star..)?,
        None => return Some(glob),
    };
    behind.split_once('.').map(|(_, rest)| rest).filter(|rest| !rest.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::TextPattern;

    fn name(text: &str) -> Name {
        Name::parse(text).unwrap()
    }

    #[test]
    fn names_are_compared_by_whole_labels() {
        let tree = NamePattern::Tree(name("example.com"));
        let below = NamePattern::Below(name("example.com"));
        let glob = NamePattern::Glob(TextPattern::new("web-*.example.com"));
        assert!(covers(&tree, &below) && !covers(&below, &tree) && covers(&below, &glob));
        assert!(disjoint(&tree, &NamePattern::Exact(name("evilexample.com"))));
        assert!(disjoint(&below, &NamePattern::Tree(name("example.org"))));
        assert!(!disjoint(&below, &NamePattern::Tree(name("com"))));
    }

    #[test]
    fn an_example_fits_its_pattern() {
        for pattern in [
            NamePattern::Glob(TextPattern::new("api.*.com")),
            NamePattern::Glob(TextPattern::new("*.web-*.example.com")),
            NamePattern::Below(name("example.com")),
        ] {
            assert!(pattern.matches(&example(&pattern).unwrap()), "{pattern}");
        }
    }
}
