//! Any bytes: a tree, findings at places of the text, and the same tree again.
#![no_main]

use libfuzzer_sys::fuzz_target;
use rustsocks_compiler::source::{FileId, Sources};
use rustsocks_compiler::syntax;

fuzz_target!(|bytes: &[u8]| {
    let text = syntax::text_of(bytes);
    let mut sources = Sources::default();
    let id = sources.add("fuzz.policy", text.clone());
    let mut found = Vec::new();
    let file = syntax::parse(id, &text, &mut found);
    for one in &found {
        let span = one.primary.span;
        assert!(text.get(span.start as usize..span.end as usize).is_some(), "{one:?}");
        for edit in one.fix.iter().flat_map(|fix| &fix.edits) {
            assert!(text.get(edit.span.start as usize..edit.span.end as usize).is_some(), "{one:?}");
        }
    }
    let mut end = 0;
    for statement in &file.statements {
        assert!(statement.span.start >= end, "statements are in order and apart");
        end = statement.span.end;
    }
    for comment in &file.comments {
        assert!(sources.text(comment.span).starts_with('#'));
    }
    let again = syntax::parse(FileId(0), &text, &mut Vec::new());
    assert!(file.same_as(&again));
});
