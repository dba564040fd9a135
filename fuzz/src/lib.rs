//! What the fuzz targets hold every parser to.

use rustsocks::socks::Parsed;

/// A message is taken once it is whole and not before, what follows it is not touched, and an
/// error stays one whatever comes after it.
pub fn incremental<T>(bytes: &[u8], parse: impl Fn(&[u8]) -> Parsed<T>) {
    let mut settled = None;
    for end in 0..=bytes.len() {
        let now = match parse(&bytes[..end]) {
            Ok(None) => None,
            Ok(Some((_, taken))) => {
                assert!(taken <= end, "more is taken than has come");
                Some(Ok(taken))
            }
            Err(_) => Some(Err(())),
        };
        if let Some(before) = settled {
            assert_eq!(Some(before), now, "more bytes change what was settled");
        }
        settled = settled.or(now);
    }
}
