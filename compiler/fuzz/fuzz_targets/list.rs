//! Any bytes as a list file: entries, or lines that are none; what is an entry is found again.
#![no_main]

use libfuzzer_sys::fuzz_target;
use rustsocks_compiler::list::List;
use rustsocks_compiler::model::Name;
use std::net::IpAddr;

fuzz_target!(|bytes: &[u8]| {
    let scan = List::scan("fuzz.txt", bytes);
    let lines = bytes.iter().filter(|&&byte| byte == b'\n').count() + 1;
    assert!(scan.bad.len() <= 5 && scan.bad.len() <= scan.bad_count && scan.bad_count <= lines);
    assert_eq!(scan.list.is_empty(), scan.list.len() == 0);
    for (at, line) in bytes.split(|&byte| byte == b'\n').enumerate().take(64) {
        let Ok(text) = std::str::from_utf8(line) else { continue };
        let text = text.trim();
        if let Ok(address) = text.parse::<IpAddr>() {
            let address = rustsocks_compiler::model::canonical(address);
            let found = scan.list.address_line(address).expect("an address of the list");
            assert!(found as usize <= at + 1);
        } else if !text.contains(['#', '!', '*', '|', '/', ' ', '-'])
            && !text.starts_with('.')
            && let Ok(name) = Name::parse(text)
        {
            assert!(scan.list.name_line(&name).is_some(), "{text:?}");
        }
    }
});
