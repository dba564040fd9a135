//! The manual: the doc comment at the head of each code's file, as Markdown.

use super::{ALL, Grade, Lint};

/// The page of a code.
pub fn page(lint: &Lint) -> String {
    let lines = lint.text.lines().take_while(|line| line.starts_with("//!"));
    let mut page = String::new();
    for (at, line) in lines.enumerate() {
        let text = line.strip_prefix("//! ").unwrap_or_default();
        if at == 0 {
            page.push_str("# ");
        }
        page.push_str(text);
        page.push('\n');
        if at == 0 {
            page.push('\n');
            page.push_str(level(lint));
            page.push('\n');
        }
    }
    page
}

fn level(lint: &Lint) -> &'static str {
    match lint.grade {
        Grade::Error => "Error: a policy that has it is not loaded.",
        Grade::Deny => {
            "Denied by default: an error, unless `lint allow` or `--allow` says otherwise, with a reason."
        }
        Grade::Warning => "Warning by default.",
        Grade::Info => "Information by default: it does not fail a check.",
        Grade::Off => "Off by default: ask for it with `lint warn` or `--warn`.",
    }
}

/// The list of all codes, as Markdown.
pub fn index() -> String {
    let mut text = String::from(INTRODUCTION);
    let mut group = "";
    for lint in ALL {
        let number = lint.code.0;
        let next = GROUPS.iter().find(|(start, _)| number.starts_with(start)).map_or("", |(_, title)| title);
        if next != group {
            group = next;
            text.push_str("\n## ");
            text.push_str(group);
            text.push_str("\n\n| code | level | about |\n|---|---|---|\n");
        }
        let word = match lint.grade {
            Grade::Error => "error",
            Grade::Deny => "deny",
            Grade::Warning => "warning",
            Grade::Info => "info",
            Grade::Off => "off",
        };
        text.push_str(&format!("| [{number}]({number}.md) | {word} | {} |\n", lint.title()));
    }
    text
}

const GROUPS: [(&str, &str); 6] = [
    ("RS01", "Syntax and names"),
    ("RS02", "Meaning"),
    ("RS03", "Security"),
    ("RS04", "Cost"),
    ("RS05", "Style"),
    ("RS06", "Tests"),
];

const INTRODUCTION: &str = "# Diagnostics

What `rustsocks check` can say, by code. `rustsocks check --explain RS0203` prints a page.

A level is changed for a file with `lint allow RS0203 \"reason\"`, `lint warn RS0603` or
`lint deny RS0301`, for one rule with the comment `# rustsocks: allow(RS0203, \"reason\")` on it or
above it, and for one run with `--allow`, `--warn` and `--deny`. An `error` can not be changed.

An error or a warning makes `check` end with 1; an information does not. RS0304 is kept for address rules
behind an upstream proxy that resolves names itself: rules can not name an upstream yet.
";
