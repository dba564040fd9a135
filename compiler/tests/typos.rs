//! One slip of the finger in a policy that we ship gives one error, and nearly always the right
//! suggestion.

#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "what a test stands on is there, or the test fails"
)]

mod support;

use rustsocks_compiler::diagnostic::{Diagnostic, Level};
use rustsocks_compiler::load::Loaded;
use rustsocks_compiler::resolve::CODES;
use support::{files, folder, load_files, read};

/// A word of the language in a text: where it starts, and what it is.
struct Place {
    start: usize,
    word: String,
}

/// What a word of the language may be; names, hosts and numbers are not among them.
const WORDS: &[&str] = &[
    // statements
    "policy",
    "default",
    "include",
    "lint",
    "set",
    "ports",
    "group",
    "time",
    "client",
    "socks",
    "test",
    "never",
    "always",
    "pass",
    "block",
    "from",
    "except",
    // keys
    "to",
    "port",
    "command",
    "protocol",
    "proxyprotocol",
    "user",
    "clientmethod",
    "socksmethod",
    "listen",
    "cert",
    "expires",
    "log",
    "reply",
    "priority",
    "note",
    "zone",
    "resolves",
    // values
    "connect",
    "disconnect",
    "error",
    "bind",
    "udpassociate",
    "bindreply",
    "udpreply",
    "tcp",
    "udp",
    "socks4",
    "socks5",
    "http",
    "password",
    "pam.username",
    "pam.address",
    "certificate",
    "gssapi",
    "allow",
    "warn",
    "deny",
    "refused",
    "blocked",
    "drop",
    "literal",
    "strict",
];

#[test]
fn a_slip_gives_one_error_and_the_right_suggestion() {
    let mut seeded = 0_usize;
    let mut right = 0_usize;
    let mut wrong = Vec::new();
    let mut many = Vec::new();
    for (name, text) in texts() {
        for (at, place) in places(&text).into_iter().enumerate() {
            // Three of the eight kinds of slip at each place: all kinds come up many times.
            for kind in [at % 8, (at + 3) % 8, (at + 5) % 8] {
                let Some(slip) = slip(&place.word, kind, at + kind) else { continue };
                if WORDS.contains(&slip.as_str()) || CODES.contains(&slip.as_str()) {
                    continue;
                }
                let end = place.start + place.word.len();
                let changed = format!("{}{slip}{}", &text[..place.start], &text[end..]);
                let loaded = load_with_company(&name, &changed);
                let errors: Vec<&Diagnostic> =
                    loaded.diagnostics.iter().filter(|one| one.level == Level::Error).collect();
                let line = text[..place.start].matches('\n').count() + 1;
                let story = || {
                    format!("{name}:{line} `{}` typed `{slip}`:\n{}", place.word, support::render(&loaded))
                };
                seeded += 1;
                if errors.len() != 1 {
                    many.push(story());
                } else if suggests(&loaded, errors[0], &place.word) {
                    right += 1;
                } else {
                    wrong.push(story());
                }
            }
        }
    }
    assert!(seeded >= 100, "only {seeded} slips");
    assert!(many.is_empty(), "{} of {seeded} do not give one error:\n{}", many.len(), many.join("\n"));
    assert!(right * 100 >= seeded * 95, "{right} of {seeded}; wrong:\n{}", wrong.join("\n"));
}

/// Whether a finding names the word, or offers the text that was there.
fn suggests(loaded: &Loaded, one: &Diagnostic, word: &str) -> bool {
    let named = |text: &str| {
        text.contains(&format!("`{word}`"))
            || text.contains(&format!("`{word}:`"))
            || text.contains(&format!("`{word} "))
    };
    let help = one.help.as_deref().is_some_and(named) || named(&one.message);
    let fixed = one.fix.as_ref().is_some_and(|fix| fix.edits.iter().any(|edit| edit.text.contains(word)));
    // A name that is mistyped where it is defined is missed where it is used; both are shown.
    let shown = loaded.sources.text(one.primary.span).contains(word);
    help || fixed || (shown && one.help.is_some())
}

fn texts() -> Vec<(String, String)> {
    let mut texts = vec![("page.policy".to_owned(), read("golden/language/page.policy"))];
    for path in files(&folder("policies"), "policy") {
        let name = path.file_name().expect("a name").to_string_lossy().into_owned();
        texts.push((name, String::from_utf8(support::bytes(&path)).expect("text")));
    }
    texts
}

/// The files that the page names stand beside it.
fn load_with_company(name: &str, text: &str) -> Loaded {
    load_files(&[
        (name, text),
        ("teams/web.policy", "set extra { extra.example.com }\n"),
        ("lists/threat.cidr", "192.0.2.0/24\n"),
    ])
}

/// The words of the language in a text, outside of comments and quotes.
fn places(text: &str) -> Vec<Place> {
    let mut places = Vec::new();
    let mut offset = 0;
    for line in text.split_inclusive('\n') {
        let code = line.split('#').next().unwrap_or_default();
        for (at, part) in code.split('"').enumerate() {
            if at % 2 == 0 {
                let base = offset + (part.as_ptr() as usize - line.as_ptr() as usize);
                let is_end = |c: char| c.is_whitespace() || matches!(c, ',' | '{' | '}' | ':' | '(' | ')');
                for word in part.split(is_end).filter(|word| !word.is_empty()) {
                    let start = base + (word.as_ptr() as usize - part.as_ptr() as usize);
                    // Of references the part that can be mistyped is the name.
                    let bare = word.strip_prefix('@').unwrap_or(word);
                    let start = start + (word.len() - bare.len());
                    let days = matches!(bare, "mon-fri");
                    if WORDS.contains(&bare) || bare.len() < word.len() || days || bare.starts_with("RS0") {
                        places.push(Place { start, word: bare.to_owned() });
                    }
                }
            }
        }
        offset += line.len();
    }
    places
}

/// A slip of one finger; none where the word is too short for it or it would change nothing.
fn slip(word: &str, kind: usize, seed: usize) -> Option<String> {
    let mut letters: Vec<char> = word.chars().collect();
    let at = seed % letters.len();
    match kind {
        // A letter is left out.
        0 | 1 => {
            if letters.len() < 3 {
                return None;
            }
            letters.remove(at);
        }
        // Two letters change places.
        2..=4 => {
            let at = seed % letters.len().checked_sub(1).filter(|&most| most > 0)?;
            letters.swap(at, at + 1);
        }
        // A letter is typed twice.
        5 => letters.insert(at, letters[at]),
        // The key beside it is hit.
        6 => {
            if letters.len() < 4 {
                return None;
            }
            letters[at] = beside(letters[at]);
        }
        // So is the key beside it.
        _ => {
            if letters.len() < 3 {
                return None;
            }
            letters.insert(at, beside(letters[at]));
        }
    }
    let slip: String = letters.into_iter().collect();
    (slip != word).then_some(slip)
}

fn beside(letter: char) -> char {
    const ROWS: [&str; 4] = ["1234567890", "qwertyuiop", "asdfghjkl", "zxcvbnm"];
    for row in ROWS {
        if let Some(at) = row.find(letter) {
            return row[at + 1..].chars().next().unwrap_or('x');
        }
    }
    'x'
}
