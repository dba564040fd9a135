//! Values as text: RON, and the shorter ways that an environment variable or a flag is written.

use super::nearest;
use ron::extensions::Extensions;
use serde::de::DeserializeOwned;

/// RON as our settings have it: `Some(…)` may be left out.
pub(super) fn options() -> ron::Options {
    ron::Options::default().with_default_extension(Extensions::IMPLICIT_SOME)
}

/// Reads a value from one line of text. What is not RON is taken for a string without its
/// quotes, or for a list with commas and without brackets: `a, b`. `none` is `None`.
pub(super) fn parse<T: DeserializeOwned>(value: &str) -> Result<T, String> {
    let value = value.trim();
    let quoted = |text: &str| format!("{:?}", text.trim());
    let items: Vec<&str> = value.split(',').map(str::trim).filter(|item| !item.is_empty()).collect();
    let bare = format!("[{}]", items.join(","));
    let list = format!("[{}]", items.iter().map(|item| quoted(item)).collect::<Vec<_>>().join(","));
    let none = if value.eq_ignore_ascii_case("none") { "None" } else { value };
    let first = match options().from_str(none) {
        Ok(value) => return Ok(value),
        Err(error) => in_words(&error.code),
    };
    let second = match options().from_str(&quoted(value)) {
        Ok(value) => return Ok(value),
        Err(error) => in_words(&error.code),
    };
    if let Ok(value) = options().from_str(&bare) {
        return Ok(value);
    }
    let third = match options().from_str(&list) {
        Ok(value) => return Ok(value),
        Err(error) => in_words(&error.code),
    };
    let is_plain = !value.starts_with(['(', '[', '{', '"']);
    let wants_list = second.starts_with("Expected opening `[`");
    if is_plain && wants_list && !third.starts_with("Expected") {
        return Err(format!("{third}; several are written with commas between them"));
    }
    Err(if is_plain && !second.starts_with("Expected") { second } else { first })
}

/// What RON finds wrong, in our words.
pub(super) fn in_words(error: &ron::Error) -> String {
    match error {
        ron::Error::NoSuchStructField { expected, found, .. } => {
            let nearest = nearest(found, expected.iter().copied());
            format!("there is no setting `{found}` here{}", or_list(nearest, expected))
        }
        ron::Error::NoSuchEnumVariant { expected, found, .. } => {
            let nearest = nearest(found, expected.iter().copied());
            format!("`{found}` is no value of this setting{}", or_list(nearest, expected))
        }
        ron::Error::Message(message) if message == "invalid socket address syntax" => {
            "an address has its port behind it, such as `192.0.2.53:53` or `[2001:db8::53]:53`".into()
        }
        other => other.to_string(),
    }
}

fn or_list(nearest: Option<&str>, expected: &[&str]) -> String {
    match nearest {
        Some(_) => suggestion(nearest),
        None => format!("; there are `{}`", expected.join("`, `")),
    }
}

/// "Did you mean", where there is something to mean.
pub(super) fn suggestion(nearest: Option<&str>) -> String {
    nearest.map(|nearest| format!("; did you mean `{nearest}`?")).unwrap_or_default()
}
