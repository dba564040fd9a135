//! The wire codecs, and what the fuzz targets hold each of them to.

/// The codecs of the server, by themselves: they know nothing of the rest, and so the fuzz targets
/// build in seconds and need none of its libraries.
#[path = "../../src/socks/mod.rs"]
pub mod socks;

use socks::Parsed;

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
