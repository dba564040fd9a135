//! A name server of a few lines, for answers that no honest one would give.

use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};

/// It answers questions for addresses as it is told to; for AAAA it has none of IPv4.
pub struct Server {
    /// Where it is.
    pub address: SocketAddr,
    asked: Arc<AtomicUsize>,
    ttl: Arc<AtomicU32>,
}

impl Server {
    /// `answer` gets the name and how often addresses of IPv4 were asked for before. No address:
    /// the name does not exist.
    pub fn start(answer: impl Fn(&str, usize) -> Vec<IpAddr> + Send + 'static) -> Self {
        Self::start_at("127.0.0.1:0", answer)
    }

    /// At an address of one's choice.
    pub fn start_at(at: &str, answer: impl Fn(&str, usize) -> Vec<IpAddr> + Send + 'static) -> Self {
        let socket = UdpSocket::bind(at).unwrap();
        let address = socket.local_addr().unwrap();
        let (asked, ttl) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicU32::new(0)));
        let (count, lifetime) = (Arc::clone(&asked), Arc::clone(&ttl));
        std::thread::spawn(move || {
            let mut buffer = [0; 1500];
            let mut turn = 0;
            while let Ok((length, from)) = socket.recv_from(&mut buffer) {
                let (name, end) = question(&buffer[..length]);
                let v4 = buffer[end..end + 2] == [0, 1];
                let addresses = answer(&name, turn);
                turn += usize::from(v4);
                count.fetch_add(1, Ordering::SeqCst);
                let reply = reply(&buffer[..end + 4], &addresses, v4, lifetime.load(Ordering::SeqCst));
                socket.send_to(&reply, from).unwrap();
            }
        });
        Self { address, asked, ttl }
    }

    /// How long its answers live.
    pub fn with_ttl(self, seconds: u32) -> Self {
        self.ttl.store(seconds, Ordering::SeqCst);
        self
    }

    /// How often it was asked.
    pub fn questions(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }
}

/// The name that is asked for, and where it ends.
fn question(message: &[u8]) -> (String, usize) {
    let (mut labels, mut at) = (Vec::new(), 12);
    while message[at] != 0 {
        let length = usize::from(message[at]);
        labels.push(String::from_utf8_lossy(&message[at + 1..=at + length]).to_lowercase());
        at += length + 1;
    }
    (labels.join("."), at + 1)
}

fn reply(asked: &[u8], addresses: &[IpAddr], v4: bool, ttl: u32) -> Vec<u8> {
    let fitting: Vec<&IpAddr> = addresses.iter().filter(|address| address.is_ipv4() == v4).collect();
    let code = if addresses.is_empty() { 3 } else { 0 };
    let mut reply = asked.to_vec();
    reply[2..4].copy_from_slice(&[0x85, 0x80 | code]);
    let authorities = u8::from(fitting.is_empty());
    reply[6..12].copy_from_slice(&[0, u8::try_from(fitting.len()).unwrap(), 0, authorities, 0, 0]);
    for address in fitting {
        reply.extend([0xc0, 12, 0, if v4 { 1 } else { 28 }, 0, 1]);
        reply.extend(ttl.to_be_bytes());
        match address {
            IpAddr::V4(address) => reply.extend([&[0, 4][..], &address.octets()].concat()),
            IpAddr::V6(address) => reply.extend([&[0, 16][..], &address.octets()].concat()),
        }
    }
    if authorities == 1 {
        // A start of authority (RFC 2308): how long the lack of an answer is kept.
        reply.extend([0xc0, 12, 0, 6, 0, 1]);
        reply.extend(ttl.to_be_bytes());
        reply.extend([0, 22, 0, 0]);
        for number in [1, 60, 60, 60, ttl] {
            reply.extend(number.to_be_bytes());
        }
    }
    reply
}
