//! A decision asks for no memory.
#![expect(unsafe_code, reason = "an allocator that counts can only be written so")]

use rustsocks_compiler::model::{Host, HostFacts, Name, Timestamp};
use rustsocks_compiler::oracle::Facts;
use rustsocks_compiler::request::{Client, Command, Method, Principal, ProxyProtocol, Request, Target};
use rustsocks_compiler::{Answer, Policy};
use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::collections::BTreeMap;

thread_local! {
    static COUNT: Cell<u64> = const { Cell::new(0) };
}

struct Counting;

// SAFETY: every call is handed on to the system's allocator as it came.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // At the end of a thread there is nothing to count any more.
        let _ended = COUNT.try_with(|count| count.set(count.get() + 1));
        // SAFETY: the caller keeps the contract of `alloc`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, place: *mut u8, layout: Layout) {
        // SAFETY: the caller keeps the contract of `dealloc`, and `place` is from `System`.
        unsafe { System.dealloc(place, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

const POLICY: &str = r#"policy 1
socksmethod: pam.username(sshd), password, none
set feed from "feed.txt"
set long from "long.txt"
time work { mon-fri 08:00-18:00  zone: "Europe/Warsaw" }
group oncall { alice, bob }
client pass office { from: 10.0.0.0/8 }
socks block feed { to: @feed, @long }
socks block globs { to: api.*.example, /ads[0-9]+\..*/ }
socks block inside { to: @private  except { group: developers  to: 10.20.0.0/16 } }
socks pass certified { cert: "*@example.com"  to: .certified.example }
socks pass work { user: @oncall  to: .example.com except vault.example.com  time: @work  port: 443 }
socks pass udp { command: udpassociate  to: any  proxyprotocol: socks5  listen: main }
socks pass wheel { group: wheel  to: 203.0.113.5:22, host.example:22  expires: 2100-01-01 }
"#;

fn policy() -> Option<Policy> {
    let mut long = String::from("evil.example\n198.51.100.0/24\n");
    (0..5000).for_each(|number| long.push_str(&format!("filler{number}.example\n")));
    let texts = BTreeMap::from([
        ("a.policy".to_owned(), POLICY.to_owned()),
        ("feed.txt".to_owned(), "bad.example\n192.0.2.0/24\n".to_owned()),
        ("long.txt".to_owned(), long),
    ]);
    let host = HostFacts { listeners: Some(vec!["main".into()]), ..HostFacts::default() };
    rustsocks_compiler::load("a.policy", &texts, &host, None).policy()
}

#[test]
fn a_decision_asks_for_no_memory() {
    let policy = policy().expect("a policy without errors");
    let targets = [
        "www.example.com",
        "vault.example.com",
        "api.x.example",
        "ads7.example",
        "q.certified.example",
        "evil.example",
        "host.example",
        "203.0.113.5",
        "10.20.3.4",
        "198.51.100.7",
        "2001:db8::1",
    ];
    let hosts: Vec<Host> = targets.iter().map(|text| Host::parse(text).expect("a host")).collect();
    let wheel = vec!["wheel".into(), "developers".into()];
    let principals: Vec<Principal> = vec![
        policy.principal(Some("alice".into()), Vec::new()),
        policy.principal(Some("eve".into()), wheel.clone()),
        // As another policy would have it: found out on the spot.
        Principal::new(Some("bob".into()), wheel),
        Principal::nobody(),
    ];
    let certificate: Vec<Box<str>> = vec!["Alice@Example.COM".into(), "straße".into()];
    let client = Client {
        address: [10, 1, 2, 3].into(),
        listener: "main",
        time: Timestamp(1_767_609_000),
        method: Method::Certificate,
        certificate: &certificate,
    };
    let (mut answers, mut asked) = ([0u32; 3], 0);
    let before = COUNT.get();
    for host in &hosts {
        for principal in &principals {
            for command in Command::ALL {
                for address in [None, Some([203, 0, 113, 9].into())] {
                    let (name, address): (Option<&Name>, _) = match host {
                        Host::Address(literal) => (None, Some(*literal)),
                        Host::Name(name) => (Some(name), address),
                    };
                    let request = Request {
                        client,
                        principal,
                        method: Method::Password,
                        service: Some("sshd"),
                        command,
                        proxy_protocol: ProxyProtocol::Socks5,
                        target: Target { name, address, port: [22, 443][asked % 2] },
                    };
                    let decision = policy.decide(&request);
                    answers[match decision.answer() {
                        Answer::Block => 0,
                        Answer::NeedsAddress => 1,
                        Answer::Pass => 2,
                    }] += 1;
                    let mut facts = Facts::from(&request);
                    facts.target = None;
                    std::hint::black_box((policy.admit(&client).answer(), policy.could_pass(&facts)));
                    asked += 1;
                }
            }
        }
    }
    assert_eq!(COUNT.get() - before, 0, "of {asked} decisions");
    assert!(answers.iter().all(|&count| count > 10), "each answer was among them: {answers:?}");
}
