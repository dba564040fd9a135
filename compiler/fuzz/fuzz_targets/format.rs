//! Any text that can be read: what is written of it says the same, and is written so again.
#![no_main]

use libfuzzer_sys::fuzz_target;
use rustsocks_compiler::format::{FormatError, format};

fuzz_target!(|text: &str| {
    match format(text) {
        Ok(formatted) => {
            let again = format(&formatted).expect("what was written can be read");
            assert_eq!(again, formatted, "written the same again");
        }
        Err(FormatError::Broken(_)) => {}
        Err(FormatError::Unfaithful) => panic!("what would be written does not say the same"),
    }
});
