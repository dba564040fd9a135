//! Every example of the grammar's README and of the book loads, or fails where it says so.

mod support;

use rustsocks_compiler::load::Loaded;
use std::path::PathBuf;
use support::{bytes, files, folder, load_files, render};

/// A code block of a page.
struct Example {
    page: PathBuf,
    line: usize,
    fails: bool,
    text: String,
}

fn pages() -> Vec<PathBuf> {
    let mut pages = vec![folder("README.md"), folder("grammar/README.md")];
    pages.extend(files(&folder("docs"), "md"));
    pages.retain(|page| page.exists());
    pages
}

fn examples() -> Vec<Example> {
    let mut examples: Vec<Example> = Vec::new();
    for page in pages() {
        let text = String::from_utf8_lossy(&bytes(&page)).into_owned();
        let mut inside = None;
        for (at, line) in text.lines().enumerate() {
            match (inside.take(), line.trim_start().strip_prefix("```")) {
                (None, Some(mark)) if mark == "policy" || mark.starts_with("policy,") => {
                    let fails = mark.ends_with(",fails");
                    inside = Some(Example { page: page.clone(), line: at + 1, fails, text: String::new() });
                }
                (Some(example), Some(_)) => examples.push(example),
                (Some(mut example), None) => {
                    example.text.push_str(line);
                    example.text.push('\n');
                    inside = Some(example);
                }
                (None, _) => {}
            }
        }
    }
    examples
}

/// The files that examples name stand beside them.
fn load(example: &Example) -> Loaded {
    load_files(&[
        ("example.policy", &example.text),
        ("teams/web.policy", "set extra { extra.example.com }\n"),
        ("lists/threat.cidr", "192.0.2.0/24\n"),
        ("lists/ads.txt", "||tracker.example.net^\n"),
    ])
}

#[test]
fn examples_load_or_fail_as_they_say() {
    let examples = examples();
    assert!(examples.len() >= 20, "only {} examples", examples.len());
    for example in &examples {
        let loaded = load(example);
        let place = format!("{}:{}", example.page.display(), example.line);
        assert_eq!(loaded.has_errors(), example.fails, "{place}\n{}", render(&loaded));
    }
}
