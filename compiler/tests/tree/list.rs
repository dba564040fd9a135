//! The scanner of lists held against one that is written as plainly as can be.

use proptest::prelude::*;
use proptest::sample::select;
use rustsocks_compiler::list::{List, MAX_LINE};
use rustsocks_compiler::model::{AddressRange, Name, canonical};
use std::net::IpAddr;

/// What a line says, in the order of precedence: the words of the documentation.
#[derive(Debug)]
enum Entry {
    Addresses(AddressRange),
    /// Names with whether they speak of themselves and of what is below.
    Names(Vec<(Name, bool, bool)>),
}

fn parse(line: &str) -> Option<Option<Entry>> {
    let entry = line.split(['#', '!']).next().unwrap_or_default().trim();
    if entry.is_empty() {
        return Some(None);
    }
    if line.len() > MAX_LINE {
        return None;
    }
    let address = |text: &str| text.trim().parse::<IpAddr>().ok().map(canonical);
    if let Some((first, names)) = entry.split_once(char::is_whitespace) {
        first.parse::<IpAddr>().ok()?;
        let name = |name| Name::parse(name).ok().map(|name| (name, true, false));
        return names
            .split_whitespace()
            .map(name)
            .collect::<Option<_>>()
            .map(|names| Some(Entry::Names(names)));
    }
    if let Some((Some(first), Some(last))) =
        entry.split_once('-').map(|(first, last)| (address(first), address(last)))
    {
        return AddressRange::new(first, last).map(|range| Some(Entry::Addresses(range)));
    }
    if let Ok(net) = entry.parse::<ipnet::IpNet>() {
        return Some(Some(Entry::Addresses(AddressRange::prefix(net))));
    }
    if let Some(address) = address(entry) {
        return Some(Some(Entry::Addresses(AddressRange::one(address))));
    }
    let closed = entry.strip_prefix("||").and_then(|rest| rest.strip_suffix('^'));
    let (base, itself, below) = match (closed.or_else(|| entry.strip_prefix('.')), entry.strip_prefix("*.")) {
        (Some(base), _) => (base, true, true),
        (None, Some(base)) => (base, false, true),
        (None, None) => (entry, true, false),
    };
    Name::parse(base).ok().map(|name| Some(Entry::Names(vec![(name, itself, below)])))
}

fn line() -> impl Strategy<Value = String> {
    let name = select(
        &["a.com", "b.a.com", "c.b.a.com", "com", "A.Com", "bücher.example", "x-1.org", "web7", "a.com."][..],
    );
    let whole = select(
        &[
            "10.0.0.1",
            "10.0.0.0/8",
            "10.0.0.77/24",
            "10.0.0.5-10.1.0.9",
            "10.0.0.9-10.0.0.5",
            "0.0.0.0/0",
            "0.0.0.0",
            "010.0.0.1",
            "10.0.0.1/33",
            "10.0.0.1/08",
            "1.2.3",
            "1.2.3.4.5",
            "256.1.1.1",
            "2001:db8::/32",
            "::1",
            "::ffff:10.0.0.1",
            "2001:db8::5-2001:db8::9",
            "-a.com",
            "a-.com",
            "a..com",
            "0xf",
            "a.0xf",
            "a.b/c",
            "||a.com",
            "a.com^",
            "*.",
            ".",
            "0.0.0.0 a.com b.a.com # two",
            "127.0.0.1 com",
            "127.0.0.1 ",
            "0.0.0.0 0.0.0.0",
            "::1\tb.a.com",
            "nothing a.com",
            "",
            "# comment",
            "! comment",
            "  ",
        ][..],
    )
    .prop_map(String::from);
    let form =
        select(&["{}", "*.{}", ".{}", "||{}^", "0.0.0.0 {}", "127.0.0.1 {}", " {} ", "{}#c", "{} # c"][..]);
    prop_oneof![
        2 => (name, form).prop_map(|(name, form)| form.replace("{}", name)),
        1 => whole,
        1 => "[a-c.*|^0-9/ -]{0,9}",
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_list_says_what_its_lines_say(
        lines in prop::collection::vec(line(), 0..40),
        end in select(&["\n", "\r\n"][..]),
        last: bool,
    ) {
        let mut text = lines.join(end);
        if last {
            text.push_str(end);
        }
        let scan = List::scan("list", text.as_bytes());
        let parsed: Vec<_> = lines.iter().map(|line| parse(line)).collect();
        let bad: Vec<u32> = (1..).zip(&parsed).filter(|(_, entry)| entry.is_none()).map(|(line, _)| line).collect();
        prop_assert_eq!(scan.bad_count, bad.len());
        let named: Vec<u32> = scan.bad.iter().map(|bad| bad.line).collect();
        prop_assert_eq!(&named[..], &bad[..bad.len().min(5)]);
        let entries: Vec<(u32, &Entry)> =
            (1..).zip(&parsed).filter_map(|(line, entry)| Some((line, entry.as_ref()?.as_ref()?))).collect();
        for text in ["a.com", "b.a.com", "z.c.b.a.com", "com", "net", "xn--bcher-kva.example", "x-1.org", "web7"] {
            let name = Name::parse(text).expect("a name");
            let mut fits: Vec<(usize, u32)> = Vec::new();
            for (line, entry) in &entries {
                let Entry::Names(names) = entry else { continue };
                for (base, itself, below) in names {
                    if (*itself && name == *base) || (*below && name.is_below(base)) {
                        fits.push((usize::MAX - base.as_str().split('.').count(), *line));
                    }
                }
            }
            fits.sort_unstable();
            prop_assert_eq!(scan.list.name_line(&name), fits.first().map(|fit| fit.1), "{}", text);
            let walked = scan.list.names().any(|pattern| pattern.matches(&name));
            prop_assert_eq!(walked, !fits.is_empty(), "{}", text);
        }
        for text in ["10.0.0.1", "10.0.0.7", "10.1.0.9", "9.9.9.9", "0.0.0.0", "2001:db8::7", "::1", "::2"] {
            let address: IpAddr = text.parse().expect("an address");
            let holds = |entry: &Entry| matches!(entry, Entry::Addresses(range) if range.contains(address));
            let wanted = entries.iter().find(|(_, entry)| holds(entry)).map(|(line, _)| *line);
            prop_assert_eq!(scan.list.address_line(address), wanted, "{}", text);
            prop_assert_eq!(scan.list.ranges().any(|range| range.contains(address)), wanted.is_some());
        }
    }
}

#[test]
fn a_long_line_is_no_entry() {
    let text = format!("a.com\n{}\nb.com\n", "x".repeat(MAX_LINE + 1));
    let scan = List::scan("list", text.as_bytes());
    assert_eq!((scan.list.len(), scan.bad_count), (2, 1));
    assert_eq!(scan.bad[0].text.len(), 80);
    assert_eq!(scan.list.name_line(&Name::parse("b.com").expect("a name")), Some(3));
}

#[test]
fn an_address_that_holds_another_is_found_as_the_one_inside() {
    let text =
        "2002:7f00:1::1\n64:ff9b::10.0.0.0/104\n::ffff:192.0.2.1\n2002::/16\n::ffff:0:0/96\n2001:db8::/32\n";
    let scan = List::scan("list", text.as_bytes());
    assert_eq!((scan.list.len(), scan.bad_count), (6, 0), "{:?}", scan.bad);
    let line = |text: &str| scan.list.address_line(canonical(text.parse().expect("an address")));
    for (address, wanted) in [
        ("127.0.0.1", Some(1)),
        ("2002:7f00:1::2", Some(1)),
        ("10.1.2.3", Some(2)),
        ("::ffff:10.1.2.3", Some(2)),
        ("192.0.2.1", Some(3)),
        ("8.8.8.8", None),
        ("2002:808:808::1", None),
        ("2001:db8::1", Some(6)),
    ] {
        assert_eq!(line(address), wanted, "{address}");
    }
}

#[test]
fn of_many_names_each_is_found_by_its_first_line() {
    const MANY: u32 = 20_000;
    let name = |at: u32| format!("n{at}.example{}.com", at % 7);
    let below = (0..MANY).map(|at| format!("*.{}\n", name(at)));
    let both = (0..MANY).rev().map(|at| format!(".{}\n", name(at)));
    let again = (0..MANY).map(|at| format!("{}\n", name(at)));
    let text: String = below.chain(both).chain(again).collect();
    let list = List::scan("list", text.as_bytes()).list;
    assert_eq!(list.len(), 2 * MANY as usize, "what is said again is not kept");
    for at in 0..MANY {
        let line = |text: String| list.name_line(&Name::parse(&text).expect("a name"));
        assert_eq!(line(format!("www.{}", name(at))), Some(at + 1));
        assert_eq!(line(name(at)), Some(2 * MANY - at));
        assert_eq!(line(format!("x{}", name(at))), None);
    }
}
