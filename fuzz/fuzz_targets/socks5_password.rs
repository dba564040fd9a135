//! The password dialogue of SOCKS5 (RFC 1929).

#![no_main]

use rustsocks_codec_fuzz::socks::v5;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| rustsocks_codec_fuzz::incremental(bytes, v5::password));
