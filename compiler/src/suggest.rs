//! "Did you mean …?": the nearest of the words that there are.

/// The candidate that a mistyped word most likely meant; none if nothing is near.
pub fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let word: Vec<char> = word.chars().take(MOST + 1).flat_map(char::to_lowercase).collect();
    if word.len() > MOST || word.is_empty() {
        return None;
    }
    let rank = |candidate: &'a str| {
        let other: Vec<char> = candidate.chars().take(MOST + 1).flat_map(char::to_lowercase).collect();
        let bound = allowed(word.len().max(other.len()));
        let far = distance(&word, &other, bound).filter(|&far| far <= bound);
        let begun = word.len() >= 3 && other.starts_with(&word);
        match far {
            Some(far) => Some((far, other.len().abs_diff(word.len()), candidate)),
            None if begun => Some((bound + 1, other.len() - word.len(), candidate)),
            None => None,
        }
    };
    candidates.into_iter().filter_map(rank).min().map(|(_, _, candidate)| candidate)
}

/// A help line for the nearest candidate.
pub fn did_you_mean(nearest: &str) -> String {
    format!("did you mean `{nearest}`?")
}

/// How many edits a word of that length may be away.
fn allowed(length: usize) -> usize {
    match length {
        0..=4 => 1,
        5..=7 => 2,
        _ => 3,
    }
}

/// Damerau–Levenshtein in its restricted form (no text is edited twice), or none if the lengths
/// alone say that it is over the bound.
pub fn distance(left: &[char], right: &[char], bound: usize) -> Option<usize> {
    if left.len().abs_diff(right.len()) > bound {
        return None;
    }
    let mut before: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=right.len()).collect();
    for (row, &a) in left.iter().enumerate() {
        let mut next = Vec::with_capacity(last.len());
        next.push(row + 1);
        for (column, &b) in right.iter().enumerate() {
            let at = |line: &[usize], at: usize| line.get(at).copied().unwrap_or(usize::MAX - 1);
            let mut best = (at(&last, column) + usize::from(a != b))
                .min(at(&last, column + 1) + 1)
                .min(at(&next, column) + 1);
            let swapped =
                row > 0 && column > 0 && left.get(row - 1) == Some(&b) && right.get(column - 1) == Some(&a);
            if swapped {
                best = best.min(at(&before, column - 1) + 1);
            }
            next.push(best);
        }
        before = std::mem::replace(&mut last, next);
    }
    last.last().copied()
}

/// Longer words are not compared.
const MOST: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_word_is_found() {
        let words = ["bind", "bindreply", "connect", "udpassociate", "udpreply"];
        for (typed, meant) in [
            ("conect", Some("connect")),
            ("conenct", Some("connect")),
            ("udpasociate", Some("udpassociate")),
            ("udpa", Some("udpassociate")),
            ("bnd", Some("bind")),
            ("CONNECT", Some("connect")),
            ("frobnicate", None),
            ("", None),
        ] {
            assert_eq!(nearest(typed, words), meant, "{typed}");
        }
    }

    #[test]
    fn a_swap_is_one_edit() {
        let chars = |text: &str| text.chars().collect::<Vec<_>>();
        assert_eq!(distance(&chars("form"), &chars("from"), 3), Some(1));
        assert_eq!(distance(&chars("kitten"), &chars("sitting"), 3), Some(3));
    }
}
