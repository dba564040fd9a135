//! The head of an HTTP CONNECT request.

#![no_main]

use rustsocks_codec_fuzz::socks::http;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| rustsocks_codec_fuzz::incremental(bytes, http::request));
