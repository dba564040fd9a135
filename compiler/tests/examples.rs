//! Every example of the grammar's README and of the book loads, or fails where it says so.

mod support;

use rustsocks_compiler::load::load;
use rustsocks_compiler::model::HostFacts;
use rustsocks_compiler::source::{LoadError, Loader};
use std::path::PathBuf;
use std::sync::Arc;
use support::{bytes, files, folder, render};

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

/// An example, and beside it every file that it names; what is said to fail stands alone.
struct Company<'a> {
    text: &'a str,
    alone: bool,
}

impl Loader for Company<'_> {
    fn read(&self, name: &str) -> Result<Arc<[u8]>, LoadError> {
        match name {
            "example.policy" => Ok(self.text.as_bytes().into()),
            _ if self.alone => Err(LoadError::Missing),
            _ if name.ends_with(".policy") => Ok(b"# Nothing more.\n"[..].into()),
            _ => Ok(b"192.0.2.0/24\n||tracker.example.net^\n"[..].into()),
        }
    }

    fn glob(&self, _: &str) -> Result<Vec<String>, LoadError> {
        Ok(vec!["beside.policy".into()])
    }
}

#[test]
fn examples_load_or_fail_as_they_say() {
    let examples = examples();
    assert!(examples.len() >= 20, "only {} examples", examples.len());
    let mut wrong = Vec::new();
    for example in &examples {
        let company = Company { text: &example.text, alone: example.fails };
        let loaded = load("example.policy", &company, &HostFacts::default(), None);
        if loaded.has_errors() != example.fails {
            wrong.push(format!("{}:{}\n{}", example.page.display(), example.line, render(&loaded)));
        }
    }
    assert!(wrong.is_empty(), "{} of {} examples:\n{}", wrong.len(), examples.len(), wrong.join("\n"));
}
