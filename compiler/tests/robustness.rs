//! Whatever a file holds: findings, never a panic, a hang or a policy that lacks a part.

#![expect(clippy::expect_used, reason = "what a test stands on is there, or the test fails")]

mod support;

use proptest::prelude::*;
use rustsocks_compiler::diagnostic::Level;
use rustsocks_compiler::load::Loaded;
use rustsocks_compiler::source::{FileId, Span};
use rustsocks_compiler::syntax::ast::File;
use support::{files, folder, load_bytes, load_text, read, render};

fn load(bytes: impl Into<Vec<u8>>) -> Loaded {
    let loaded = load_bytes(&[("test.policy", bytes.into())]);
    assert_eq!(loaded.model.is_none(), loaded.has_errors(), "a model exactly where nothing is wrong");
    for one in &loaded.diagnostics {
        let span = one.primary.span;
        let text = loaded.sources.file(span.file).expect("a file").text();
        assert!(text.get(span.start as usize..span.end as usize).is_some(), "a place in the text: {one:?}");
    }
    if !loaded.has_errors() {
        loaded.files.iter().for_each(|file| covers(&loaded, file));
    }
    loaded
}

/// A text without an error is in statements and comments, all of it: nothing was passed over.
fn covers(loaded: &Loaded, file: &File) {
    let mut spans: Vec<Span> = file.statements.iter().map(|one| one.span).collect();
    spans.extend(file.comments.iter().map(|one| one.span));
    spans.sort();
    let mut end = 0;
    let text = |start, end| loaded.sources.text(Span { file: file.id, start, end });
    for span in spans {
        if span.start > end {
            let between = text(end, span.start);
            assert!(between.trim_matches('\u{FEFF}').trim().is_empty(), "passed over: {between:?}");
        }
        end = end.max(span.end);
    }
    assert!(text(end, file.span.end).trim().is_empty(), "passed over at the end");
}

fn codes(loaded: &Loaded) -> Vec<&'static str> {
    loaded.diagnostics.iter().map(|one| one.code.0).collect()
}

const GOOD: &str = "policy 1\nsocks pass web { to: example.com  port: 443 }\ndefault block\n";

#[test]
fn a_nul_is_an_error_wherever_it_stands() {
    for at in 0..=GOOD.len() {
        let mut bytes = GOOD.as_bytes().to_vec();
        bytes.insert(at, 0);
        assert_eq!(codes(&load(bytes)), ["RS0112"], "at {at}");
    }
}

#[test]
fn a_byte_order_mark_is_named_and_harmless() {
    let loaded = load(format!("\u{FEFF}{GOOD}"));
    assert_eq!(codes(&loaded), ["RS0112"]);
    assert_eq!(loaded.model.expect("a model").rules.len(), 1);
}

#[test]
fn line_ends_of_windows_mean_the_same() {
    let loaded = load(GOOD.replace('\n', "\r\n") + "# a comment\r\n");
    assert_eq!(codes(&loaded), [""; 0]);
    assert_eq!(loaded.model.expect("a model").rules.len(), 1);
}

#[test]
fn a_carriage_return_alone_is_an_error_wherever_it_stands() {
    let text = format!("{GOOD}# a comment\n");
    for at in 0..=text.len() {
        let mut bytes = text.clone().into_bytes();
        bytes.insert(at, b'\r');
        let harmless = text.as_bytes().get(at) == Some(&b'\n');
        assert_eq!(codes(&load(bytes)), if harmless { &[][..] } else { &["RS0112"] }, "at {at}");
    }
}

#[test]
fn a_comment_stands_before_and_behind_any_value_and_comma() {
    let values = ["a.com", ",", "b.com", "except", "c.b.com", ",", "d.b.com"];
    for at in 0..=values.len() {
        let (before, after) = values.split_at(at);
        let text = format!(
            "socks pass web {{ to: {} # a note\n {} port: 80 }}\n",
            before.join(" "),
            after.join(" ")
        );
        let model = load_text(&text).model;
        let model = model.unwrap_or_else(|| panic!("{text}{}", render(&load_text(&text))));
        assert_eq!(model.rules[0].when.terms.len(), 2, "{text}");
    }
}

#[test]
fn values_behind_except_are_parted_by_commas_too() {
    let loaded = load(GOOD.replace("to: example.com", "to: example.com except a.example.com b.example.com"));
    assert_eq!(codes(&loaded), ["RS0101"], "{}", render(&loaded));
}

#[test]
fn a_pasted_no_break_space_is_named_and_separates() {
    let loaded = load(GOOD.replace("socks pass", "socks\u{A0}pass").replace("  port", "\u{A0}\u{A0}port"));
    assert_eq!(codes(&loaded), ["RS0112"; 3]);
    assert_eq!(loaded.model.expect("a model").rules[0].when.terms.len(), 2);
}

#[test]
fn an_invisible_character_in_a_word_is_an_error() {
    let loaded = load(GOOD.replace("example", "exam\u{200B}ple"));
    assert!(loaded.has_errors(), "{}", render(&loaded));
    assert_eq!(codes(&loaded), ["RS0112"]);
}

#[test]
fn bytes_that_are_no_utf8_are_an_error() {
    for bad in [&b"\xff"[..], b"\xc3", b"\xe2\x80", b"\xf0\x9f\x92", b"\xc0\xaf"] {
        let mut bytes = GOOD.as_bytes().to_vec();
        bytes.extend_from_slice(b"# ");
        bytes.extend_from_slice(bad);
        bytes.push(b'\n');
        assert_eq!(codes(&load(bytes)), ["RS0101"], "{bad:?}");
    }
}

#[test]
fn long_lines_and_many_braces_end_in_findings() {
    const MANY: usize = 100_000;
    let million = 1 << 20;
    for (what, text) in [
        ("open braces", "{".repeat(MANY)),
        ("closing braces", "}".repeat(MANY)),
        ("pairs of braces", "{}".repeat(MANY / 2)),
        ("named pairs of braces", "a{} ".repeat(MANY / 20)),
        ("open braces with names", "a {".repeat(MANY)),
        ("rules in rules", "socks pass a { ".repeat(MANY / 10)),
        ("excepts in excepts", format!("socks pass a {{ {}", "except { ".repeat(MANY / 10))),
        ("a line of words", "word ".repeat(million / 5)),
        ("a word", "w".repeat(million)),
        ("a line of quotes", "\"".repeat(million / 32)),
        ("an open text", format!("set a {{ \"{}", "x".repeat(million))),
        ("slashes", "/ /a ".repeat(million / 128)),
        ("commas", format!("set a {{ {} }}", ",".repeat(MANY / 20))),
        ("colons", ":".repeat(million / 16)),
        ("keys without values", format!("socks pass a {{ {} }}", "to: ".repeat(2000))),
        ("hashes in a line", "#".repeat(million)),
        ("heads without end", "set\n".repeat(MANY / 20)),
        ("nots", format!("socks pass a {{ {} }}", "not ".repeat(MANY / 20))),
        ("spaces", " ".repeat(million)),
        ("equals", format!("socks pass a {{ to {} }}", "= ".repeat(MANY / 20))),
    ] {
        let loaded = load(text);
        assert!(loaded.has_errors(), "{what}");
    }
}

#[test]
fn a_long_honest_line_is_read_whole() {
    let names: Vec<String> = (0..20_000).map(|number| format!("host-{number}.example.com")).collect();
    let loaded = load(format!("set many {{ {} }}\nsocks block a {{ to: @many }}\n", names.join(", ")));
    let model = loaded.model.expect("a model");
    let rustsocks_compiler::model::SetBody::Expr(expr) = &model.sets[0].body else {
        panic!("a set of values")
    };
    assert_eq!(expr.include.len(), 20_000);
}

#[test]
fn limits_are_said() {
    let large = format!("# {}\n{GOOD}", "x".repeat(rustsocks_compiler::syntax::MAX_FILE));
    assert_eq!(codes(&load(large)), ["RS0117"]);
    let deep: Vec<(String, Vec<u8>)> = (0..40)
        .map(|at| {
            (
                format!("{at}.policy"),
                format!("include \"{}.policy\"\n{GOOD}", at + 1)
                    .replace("web", &format!("web{at}"))
                    .into_bytes(),
            )
        })
        .collect();
    let files: Vec<(&str, Vec<u8>)> =
        deep.iter().map(|(name, bytes)| (name.as_str(), bytes.clone())).collect();
    let loaded = load_bytes(&files);
    assert!(codes(&loaded).contains(&"RS0117"), "{}", render(&loaded));
}

#[test]
fn files_beyond_the_limit_are_refused() {
    use rustsocks_compiler::load::MAX_FILES;
    for (files, told) in [(MAX_FILES, &[][..]), (MAX_FILES + 1, &["RS0117"])] {
        let mut texts = vec![("0.policy".to_owned(), b"include \"*.policy\"\ndefault block\n".to_vec())];
        texts.extend((1..files).map(|at| (format!("{at}.policy"), b"socks block { to: 10.0.0.1 }".to_vec())));
        let texts: Vec<(&str, Vec<u8>)> =
            texts.iter().map(|(name, text)| (name.as_str(), text.clone())).collect();
        let loaded = load_bytes(&texts);
        assert_eq!(codes(&loaded), told, "{files} files");
        assert_eq!(loaded.model.is_some(), told.is_empty());
    }
}

#[test]
fn a_broken_statement_hides_no_other() {
    let text = "sokcs pass a { to: any }\nset office { 10.0.0.0/33 }\nports web { 80, 70000 }\n\
                socks pass b { from: @office  port: @web  tp: any }\nthis is nothing\n\
                socks block c { to: @nowhere }\ntest \"t\" { pas b { to: example.com } }\n";
    let loaded = load_text(text);
    let lines: Vec<u32> =
        loaded.diagnostics.iter().map(|one| loaded.sources.place(one.primary.span).line).collect();
    assert_eq!(lines, [1, 2, 3, 4, 5, 6, 7], "{}", render(&loaded));
}

/// A cheap generator of numbers, the same in each run.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % sides.max(1) as u64).expect("a small number")
    }
}

#[test]
fn mutations_of_policies_give_findings_or_policies() {
    let mut texts = vec![read("golden/language/page.policy")];
    for folder_of in ["policies", "golden/diagnostics"] {
        let paths = files(&folder(folder_of), "policy");
        texts.extend(paths.iter().map(|path| String::from_utf8_lossy(&support::bytes(path)).into_owned()));
    }
    let mut dice = Dice(0x9E37_79B9_7F4A_7C15);
    const PIECES: [&str; 24] = [
        "{",
        "}",
        "\"",
        "/",
        ":",
        ",",
        "#",
        "@",
        "\n",
        " ",
        "except",
        "not",
        "socks",
        "pass",
        "to:",
        "port = 80",
        "\\",
        "0/0",
        "=",
        "(",
        "\u{A0}",
        "é",
        "policy 1",
        "*",
    ];
    for _ in 0..250 {
        let mut text: Vec<char> = texts[dice.roll(texts.len())].chars().collect();
        for _ in 0..=dice.roll(4) {
            let at = dice.roll(text.len() + 1);
            let piece = PIECES[dice.roll(PIECES.len())];
            match dice.roll(4) {
                0 => drop(text.drain(at..(at + dice.roll(12)).min(text.len()))),
                1 => text.truncate(at),
                _ => drop(text.splice(at..at, piece.chars()).collect::<Vec<_>>()),
            }
        }
        load(text.into_iter().collect::<String>());
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, ..ProptestConfig::default() })]

    #[test]
    fn any_text_is_read_without_a_panic(text in "\\PC{0,200}") {
        load(text);
    }

    #[test]
    fn any_bytes_are_read_without_a_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        load(bytes);
    }

    #[test]
    fn words_of_the_language_in_any_order_are_read_without_a_panic(
        words in proptest::collection::vec(proptest::sample::select(SOUP), 0..60)
    ) {
        let text = words.concat();
        let loaded = load(text.clone());
        // Reading is a function of the text.
        let mut found = Vec::new();
        let again = rustsocks_compiler::syntax::parse(FileId(0), &text, &mut found);
        prop_assert!(again.same_as(&loaded.files[0]) || loaded.files.len() > 1);
        prop_assert!(found.iter().filter(|one| one.level == Level::Error).count() <= loaded.diagnostics.len());
    }
}

const SOUP: &[&str] = &[
    "socks ",
    "client ",
    "pass ",
    "block ",
    "set ",
    "office ",
    "{ ",
    "} ",
    "\n",
    "to: ",
    "from: ",
    "port: ",
    "user: ",
    "10.0.0.0/8 ",
    "example.com ",
    ", ",
    "except ",
    "not ",
    "@office ",
    "@private ",
    "\"text\" ",
    "\"",
    "# note\n",
    "80 ",
    "8000-8999 ",
    "any ",
    "0/0 ",
    "port = 80 ",
    "/a.c/ ",
    "/",
    "test ",
    "never ",
    "default ",
    "policy 1\n",
    "group ",
    "ports ",
    "time ",
    "mon-fri 08:00-18:00 ",
    "zone: ",
    "include ",
    "lint deny RS0302 ",
    "socksmethod: ",
    "none ",
    ":",
    "=",
    "log: ",
    "connect ",
    "expires: 2027-01-01 ",
    "*.example.com ",
    "[::1]:443 ",
    "2001:db8::/32 ",
];
