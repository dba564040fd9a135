//! The header of a SOCKS5 datagram.

#![no_main]

use rustsocks_codec_fuzz::socks::v5;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    if let Ok((_, start)) = v5::datagram(bytes) {
        assert!(start <= bytes.len(), "a payload starts inside its datagram");
    }
});
