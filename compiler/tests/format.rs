//! Whatever stands where in a text that can be read: what is written of it says the same, and is
//! written so again.

use rustsocks_compiler::format::{FormatError, format};

/// What is put at each place of a text.
const PIECES: [&str; 10] =
    ["# c, d\n", " # c\n", "\n# c\n\n\n# d\n", "\n\n\n", "\r\n", "\r", ",", "\u{A0}", " except ", " not "];

/// Every form that a statement has.
const STATEMENTS: [&str; 28] = [
    "policy 1",
    "default block",
    "default { client: pass  socks: block  log: error }",
    "include \"a.policy\"",
    "include a\\\\b.policy",
    "set a from lists/a",
    "lint allow RS0302, RS0303 \"for a reason\"",
    "set a { 10.0.0.0/8, .a.com except 10.0.0.1, 10.0.0.2 }",
    "set a {\n  10.0.0.0/8,\n\n  .a.com\n  except\n  10.0.0.1\n}",
    "set a from \"list\"",
    "set a {}",
    "ports a { 80, 8000-8999 except 8080 }",
    "group a { alice, @b except bob }",
    "time a { mon-fri 08:00-18:00, sat  zone: Europe/Berlin }",
    "socks pass a { to: .a.com, 10.0.0.0/8 except b.a.com  not port: 80, 443 }",
    "client block \"a b\" {\n  from: 10.0.0.1,\n  10.0.0.2\n\n  except { from: 10.0.0.3 }\n}",
    "socks block a { to: any  except { to: .a.com  port: 80 } except {} }",
    "pass { from: 0/0 to: 0/0 port = 80 command: connect }",
    "socks pass a { to: /x\\/y#{/  note: \"#\"  time: mon-fri 08:00-18:00, sat }",
    "socks block a {}",
    "socks pass a { user: b, c  group: d except e  from: any }",
    "socks pass a { user: redirect, to: a.com }",
    "never pass { to: @private  command: bind }",
    "always block { user: none }",
    "test \"t\" { pass a { to: a.com  port: 80 }  block { to: b.com } }",
    "test { block {} }",
    "socksmethod: username none",
    "log: connect disconnect",
];

fn fault(text: &str) -> Option<String> {
    let once = match format(text) {
        Ok(once) => once,
        Err(FormatError::Broken(_)) => return None,
        Err(FormatError::Unfaithful) => return Some(format!("not faithful: {text:?}")),
    };
    match format(&once) {
        Ok(twice) if twice == once => None,
        Ok(twice) => Some(format!("not a fixed point: {text:?}\n{once}\n->\n{twice}")),
        Err(_) => Some(format!("written so that it can not be read: {text:?}\n{once}")),
    }
}

#[test]
fn whatever_is_put_wherever_it_is_written_faithfully_and_so_again() {
    for statement in STATEMENTS {
        assert!(format(statement).is_ok(), "{statement}");
        for (at, _) in statement.char_indices().chain([(statement.len(), ' ')]) {
            for piece in PIECES {
                let (before, after) = statement.split_at(at);
                let text = format!("default block\n{before}{piece}{after}\npolicy 1\n");
                assert_eq!(fault(&text), None);
            }
        }
    }
}

#[test]
fn a_quote_in_a_path_stays_one() {
    // Found by fuzzing: the word ends with its brace, quotes and all.
    assert_eq!(fault("set feed from ${lists/broken.t8t\"n.t8@feed }\n"), None);
}

#[test]
fn days_and_hours_stay_on_one_line() {
    // Found by fuzzing: on the next line the hours would be values of nothing.
    for days in (20..60).step_by(5) {
        let (all, many) = ("mon tue wed 08:00-12:00, ".repeat(3), "thu ".repeat(days));
        assert_eq!(
            fault(&format!("socks pass a {{ to: b.com  time: {all}{many}20:00-21:00, sun }}\n")),
            None
        );
    }
}

#[test]
fn what_dante_has_two_words_for_is_written_once() {
    for (text, written) in [
        ("log: iooperation data\n", "log: data\n"),
        ("log: connect, data, ioop # c\n", "log: connect, data  # c\n"),
        (
            "socks pass a { to: any  log: data iooperation connect }\n",
            "socks pass a { to: any  log: data, connect }\n",
        ),
    ] {
        assert_eq!(format(text).as_deref().ok(), Some(written), "{text}");
    }
}
