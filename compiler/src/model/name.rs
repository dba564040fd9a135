//! Host names, the patterns over them, and the many ways of writing an address as a name.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

/// Why a text is no host.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum HostError {
    /// No bytes, or nothing but a dot.
    #[error("a name needs at least one character")]
    Empty,
    /// A NUL, a control character, a space or another one that no name has.
    #[error("a name has no character like {0:?}")]
    Character(char),
    /// An empty label, one that begins or ends with a hyphen, or invalid IDNA.
    #[error("a part of the name is not a valid label")]
    Label,
    /// A label of more than 63 bytes (RFC 1035 §2.3.4).
    #[error("a part of the name is longer than 63 bytes")]
    LongLabel,
    /// More than 253 bytes.
    #[error("the name is longer than 253 bytes")]
    LongName,
    /// It ends in a number, so it must be an IPv4 address, and is none.
    #[error("the name ends in a number but is no IPv4 address")]
    NotAnAddress,
    /// Not UTF-8.
    #[error("the name is not UTF-8")]
    NotText,
}

/// A host name in its one form: lower case, IDNA A-labels (UTS 46), no trailing dot.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Name(Arc<str>);

impl Name {
    /// Reads a name that is no address.
    ///
    /// # Errors
    /// Says what is wrong with it.
    pub fn parse(text: &str) -> Result<Self, HostError> {
        match Host::parse(text)? {
            Host::Name(name) => Ok(name),
            Host::Address(_) => Err(HostError::Label),
        }
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it is `base` or, at any depth, below it. Labels are compared whole.
    pub fn is_in(&self, base: &Self) -> bool {
        self == base || self.is_below(base)
    }

    /// Whether it is below `base`, at any depth.
    pub fn is_below(&self, base: &Self) -> bool {
        self.0.strip_suffix(&*base.0).is_some_and(|rest| rest.ends_with('.'))
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What a client asks for: a name or an address.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub enum Host {
    /// An address; [`super::canonical`].
    Address(IpAddr),
    /// A name.
    Name(Name),
}

impl Host {
    /// Reads a host. A text that ends in a number is an address in any of the forms that
    /// `inet_aton` knows (`127.1`, `0x7f000001`, `2130706433`), or an error: never a name.
    ///
    /// # Errors
    /// Says what is wrong with it. Nothing is ever cut off.
    pub fn parse(text: &str) -> Result<Self, HostError> {
        let bracketed = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
        if let Ok(v6) = bracketed.unwrap_or(text).parse::<Ipv6Addr>() {
            return Ok(Self::Address(super::canonical(v6.into())));
        }
        let ascii = to_ascii(text)?;
        let name = ascii.strip_suffix('.').unwrap_or(&ascii);
        if let Some(last) = name.rsplit('.').next().filter(|last| is_number(last)) {
            debug_assert!(!last.is_empty());
            return inet_aton(name).map(|v4| Self::Address(v4.into())).ok_or(HostError::NotAnAddress);
        }
        check_labels(name)?;
        Ok(Self::Name(Name(name.into())))
    }

    /// Reads a host from the bytes of a request.
    ///
    /// # Errors
    /// As [`Host::parse`]; bytes that are no UTF-8 are refused.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, HostError> {
        Self::parse(std::str::from_utf8(bytes).map_err(|_| HostError::NotText)?)
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(address) => address.fmt(f),
            Self::Name(name) => name.fmt(f),
        }
    }
}

fn to_ascii(text: &str) -> Result<String, HostError> {
    if text.is_empty() || text == "." {
        return Err(HostError::Empty);
    }
    if text.is_ascii() {
        return Ok(text.to_ascii_lowercase());
    }
    if text.len() > 1024 {
        return Err(HostError::LongName);
    }
    idna::domain_to_ascii(text).map_err(|_| HostError::Label)
}

fn check_labels(name: &str) -> Result<(), HostError> {
    if name.len() > 253 {
        return Err(HostError::LongName);
    }
    for label in name.split('.') {
        if let Some(bad) = label.chars().find(|c| !matches!(c, 'a'..='z' | '0'..='9' | '-' | '_')) {
            return Err(HostError::Character(bad));
        }
        if label.is_empty() || label.starts_with('-') || label.ends_with('-') {
            return Err(HostError::Label);
        }
        if label.len() > 63 {
            return Err(HostError::LongLabel);
        }
    }
    Ok(())
}

/// WHATWG URL, "ends in a number".
fn is_number(label: &str) -> bool {
    match label.strip_prefix("0x") {
        Some(hex) => hex.bytes().all(|byte| byte.is_ascii_hexdigit()),
        None => !label.is_empty() && label.bytes().all(|byte| byte.is_ascii_digit()),
    }
}

fn inet_aton(text: &str) -> Option<Ipv4Addr> {
    let parts: Vec<u64> = text.split('.').map(number).collect::<Option<_>>()?;
    let (&last, heads) = parts.split_last()?;
    if heads.len() > 3 || heads.iter().any(|&part| part > 255) {
        return None;
    }
    let room = 8 * (4 - heads.len());
    if last >= 1 << room {
        return None;
    }
    let high = heads.iter().enumerate().map(|(at, &part)| part << (24 - 8 * at)).sum::<u64>();
    u32::try_from(high + last).ok().map(Ipv4Addr::from_bits)
}

fn number(part: &str) -> Option<u64> {
    let (digits, radix) = match part.strip_prefix("0x") {
        Some("") => return Some(0),
        Some(hex) => (hex, 16),
        None if part.len() > 1 && part.starts_with('0') => (part, 8),
        None => (part, 10),
    };
    if digits.len() > 16 || digits.starts_with('+') {
        return None;
    }
    u64::from_str_radix(digits, radix).ok()
}

/// Names that a policy speaks of.
#[derive(Clone, Debug)]
pub enum NamePattern {
    /// `*.example.com`: every name below, not the name itself.
    Below(Name),
    /// `example.com`: that name alone.
    Exact(Name),
    /// `api.*.com`, `web-*.example.com`: a `*` stands for any run of characters of one label, and
    /// a leading `*.` for one label or more.
    Glob(TextPattern),
    /// `/regex/`: the whole name.
    Regex(Arc<regex::Regex>),
    /// `.example.com`: the name itself and every name below.
    Tree(Name),
}

impl NamePattern {
    /// Whether a name is among them.
    pub fn matches(&self, name: &Name) -> bool {
        match self {
            Self::Below(base) => name.is_below(base),
            Self::Exact(exact) => name == exact,
            Self::Glob(glob) => glob.matches_name(name.as_str()),
            Self::Regex(regex) => regex.is_match(name.as_str()),
            Self::Tree(base) => name.is_in(base),
        }
    }
}

impl fmt::Display for NamePattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Below(base) => write!(f, "*.{base}"),
            Self::Exact(name) => name.fmt(f),
            Self::Glob(glob) => f.write_str(glob.as_str()),
            Self::Regex(regex) => write!(f, "/{}/", bare(regex.as_str())),
            Self::Tree(base) => write!(f, ".{base}"),
        }
    }
}

/// The regex as the policy wrote it, without the anchors that the resolver put around it.
fn bare(anchored: &str) -> &str {
    anchored.strip_prefix("^(?:").and_then(|rest| rest.strip_suffix(")$")).unwrap_or(anchored)
}

/// A lower-case text in which `*` stands for any run of characters.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct TextPattern(Arc<str>);

impl TextPattern {
    /// A pattern; letters are compared without regard to case.
    pub fn new(text: &str) -> Self {
        Self(lower(text).collect::<String>().into())
    }

    /// The pattern.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether the whole text fits, `*` standing for anything.
    pub fn matches(&self, text: &str) -> bool {
        fits(self.0.chars(), lower(text))
    }

    /// Whether a name fits label by label: a `*` never reaches over a dot, but a leading `*.`
    /// stands for one label or more. The name is lower case.
    pub fn matches_name(&self, name: &str) -> bool {
        if let Some(rest) = self.0.strip_prefix("*.") {
            let depth = rest.split('.').count();
            let labels = name.split('.').count();
            let tail = name.split('.').skip(labels.saturating_sub(depth));
            return labels > depth && labels_fit(rest.split('.'), tail);
        }
        labels_fit(self.0.split('.'), name.split('.'))
    }
}

fn labels_fit<'a>(
    mut patterns: impl Iterator<Item = &'a str>,
    mut labels: impl Iterator<Item = &'a str>,
) -> bool {
    loop {
        match (patterns.next(), labels.next()) {
            (None, None) => return true,
            (Some(pattern), Some(label)) if fits(pattern.chars(), label.chars()) => {}
            _ => return false,
        }
    }
}

/// Letter by letter, without memory of its own.
fn lower(text: &str) -> impl Iterator<Item = char> + Clone {
    text.chars().flat_map(char::to_lowercase)
}

/// Constant in space, at worst quadratic in time: the last `*` alone is ever tried again.
fn fits<P, T>(mut pattern: P, mut text: T) -> bool
where
    P: Iterator<Item = char> + Clone,
    T: Iterator<Item = char> + Clone,
{
    let mut again: Option<(P, T)> = None;
    loop {
        let (mut next_pattern, mut next_text) = (pattern.clone(), text.clone());
        match (next_pattern.next(), next_text.next()) {
            (Some('*'), _) => {
                again = Some((next_pattern.clone(), text.clone()));
                pattern = next_pattern;
            }
            (Some(want), Some(got)) if want == got => {
                pattern = next_pattern;
                text = next_text;
            }
            (None, None) => return true,
            _ => {
                let Some((rest, from)) = &mut again else { return false };
                if from.next().is_none() {
                    return false;
                }
                pattern = rest.clone();
                text = from.clone();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_an_address_or_an_error_never_a_name() {
        let home: IpAddr = Ipv4Addr::LOCALHOST.into();
        for text in
            ["127.1", "0x7f000001", "2130706433", "0177.0.0.1", "0x7f.1", "127.0.0.1.", "[::ffff:7f00:1]"]
        {
            assert_eq!(Host::parse(text), Ok(Host::Address(home)), "{text}");
        }
        for text in ["256.0.0.1", "1.2.3.4.5", "09.0.0.1", "example.123"] {
            assert!(!matches!(Host::parse(text), Ok(Host::Name(_))), "{text}");
        }
    }

    #[test]
    fn a_name_has_one_form() {
        for text in ["BÜCHER.example", "bücher.example.", "xn--bcher-kva.EXAMPLE"] {
            assert_eq!(Name::parse(text).map(|name| name.to_string()), Ok("xn--bcher-kva.example".into()));
        }
        for text in ["", ".", "a..b", "-a.b", "a\0.b", "localhost\0.evil", "a b", "a.b..", "[::1", "::1]"] {
            assert!(Host::parse(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn patterns_take_labels_whole() {
        let name = |text| Name::parse(text).expect("a name");
        let base = name("example.com");
        assert!(name("a.b.example.com").is_below(&base));
        assert!(!name("evilexample.com").is_in(&base));
        let glob = TextPattern::new("api.*.com");
        assert!(glob.matches_name("api.x.com") && !glob.matches_name("api.x.y.com"));
        let deep = TextPattern::new("*.api-*.com");
        assert!(deep.matches_name("a.b.api-1.com") && !deep.matches_name("api-1.com"));
    }
}
