//! The request of SOCKS4 and 4a.

#![no_main]

use rustsocks_codec_fuzz::socks::v4;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| rustsocks_codec_fuzz::incremental(bytes, v4::request));
