//! Lists of a million entries: scanning, looking up, memory. `cargo bench --bench list`.

use rustsocks_benches::{Dice, Times, in_a_row, processor_ms};
use rustsocks_compiler::list::List;
use rustsocks_compiler::model::Name;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

const MILLION: usize = 1_000_000;
const QUERIES: usize = 300_000;

fn main() {
    println!("half of the entries asked for are found; ns");
    println!("                      scan    bytes each       p50       p99     p99.9  in a row");
    names();
    v4();
    v6();
}

fn scan(kind: &str, text: &str) -> List {
    let mut best = f64::MAX;
    let mut list = None;
    for _ in 0..3 {
        let start = processor_ms();
        let scan = List::scan(kind, text.as_bytes());
        best = best.min(processor_ms() - start);
        assert_eq!(scan.bad_count, 0, "{:?}", scan.bad);
        list = Some(scan.list);
    }
    let list = list.expect("a list");
    print!("{kind:<16} {best:>6.0} ms {:>10.1}    ", list.bytes() as f64 / list.len() as f64);
    list
}

fn report<T>(queries: &[T], touch: impl FnMut(&T), mut look_up: impl FnMut(&T) -> Option<u32>) {
    let single = Times::of(queries, touch, &mut look_up).columns();
    println!("{single} {:>9.0}", in_a_row(queries, look_up));
}

fn names() {
    let mut dice = Dice(1);
    const WORDS: [&str; 16] = [
        "ads", "track", "metrics", "pixel", "cdn", "stat", "click", "beacon", "promo", "spy", "log", "tag",
        "bid", "rtb", "sync", "push",
    ];
    const ENDS: [&str; 8] = ["com", "net", "org", "io", "co.uk", "de", "info", "ru"];
    let name = |dice: &mut Dice| {
        let word = WORDS[dice.throw(16) as usize];
        format!("{word}{}.{}", dice.throw(40_000_000), ENDS[dice.throw(8) as usize])
    };
    let all: std::collections::HashSet<String> =
        std::iter::from_fn(|| Some(name(&mut dice))).take(MILLION).collect();
    let mut all: Vec<String> = all.into_iter().collect();
    all.sort();
    let text: String = all.iter().map(|name| format!(".{name}\n")).collect();
    let list = scan("names", &text);
    let mut dice = Dice(2);
    let queries: Vec<Name> = (0..QUERIES)
        .map(|at| {
            let base = if at % 2 == 0 {
                all[dice.throw(all.len() as u64) as usize].clone()
            } else {
                name(&mut dice)
            };
            let text = if dice.percent(50) { format!("www{}.{base}", dice.throw(1000)) } else { base };
            Name::parse(&text).expect("a name")
        })
        .collect();
    let touch = |name: &Name| _ = std::hint::black_box(name.as_str().bytes().map(u32::from).sum::<u32>());
    report(&queries, touch, |name| list.name_line(name));
}

fn v4() {
    let mut dice = Dice(3);
    let prefixes: Vec<(u32, u64)> = (0..MILLION)
        .map(|_| {
            let length = [24, 24, 24, 32, 32, 28, 22][dice.throw(7) as usize];
            let bits = (0x0100_0000 + dice.throw(0xdf00_0000)) as u32;
            (bits & !u32::MAX.checked_shr(length).unwrap_or(0), length.into())
        })
        .collect();
    let text: String =
        prefixes.iter().map(|&(bits, length)| format!("{}/{length}\n", Ipv4Addr::from_bits(bits))).collect();
    let list = scan("IPv4 prefixes", &text);
    let queries: Vec<IpAddr> = (0..QUERIES)
        .map(|at| {
            let bits = if at % 2 == 0 {
                prefixes[dice.throw(MILLION as u64) as usize].0
            } else {
                dice.throw(1 << 32) as u32
            };
            Ipv4Addr::from_bits(bits).into()
        })
        .collect();
    report(&queries, |_| (), |&address| list.address_line(address));
}

fn v6() {
    let mut dice = Dice(4);
    let prefixes: Vec<u128> = (0..MILLION)
        .map(|_| {
            let top = [0x2001u128, 0x2600, 0x2a00, 0x2a02, 0x2a0e, 0x2400][dice.throw(6) as usize];
            top << 112 | u128::from(dice.throw(1 << 32)) << 80
        })
        .collect();
    let text: String = prefixes.iter().map(|&bits| format!("{}/48\n", Ipv6Addr::from_bits(bits))).collect();
    let list = scan("IPv6 prefixes", &text);
    let queries: Vec<IpAddr> = (0..QUERIES)
        .map(|at| {
            let bits = if at % 2 == 0 {
                prefixes[dice.throw(MILLION as u64) as usize] | u128::from(dice.throw(1 << 60))
            } else {
                0x2001u128 << 112 | u128::from(dice.throw(u64::MAX)) << 40
            };
            Ipv6Addr::from_bits(bits).into()
        })
        .collect();
    report(&queries, |_| (), |&address| list.address_line(address));
}
