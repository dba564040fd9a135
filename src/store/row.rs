//! One record as it lies on disk: postcard, with numbers of our own for every enum.

use crate::session::{CloseReason, Endpoint, SessionId, SessionRecord, Status, UnixMicros, VerdictTaken};
use rustsocks_compiler::Digest;
use rustsocks_compiler::request::{Command, Method, ProxyProtocol};
use serde::{Deserialize, Serialize};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

/// Version 1 of a row. INVARIANT: fields are never changed; a change is a new version beside it.
#[derive(Debug, Deserialize, Serialize)]
pub(super) struct Row<'a> {
    pub id: [u8; 16],
    pub status: u8,
    close_reason: u8,
    start: i64,
    /// Microseconds from the start; `None` without an end.
    ended_after: Option<i64>,
    duration: u64,
    pub client: SocketAddr,
    listener: &'a str,
    protocol: u8,
    command: u8,
    pub user: Option<&'a str>,
    #[serde(borrow)]
    groups: Vec<&'a str>,
    method: u8,
    #[serde(borrow)]
    certificate: Vec<&'a str>,
    requested: Option<(&'a str, u16)>,
    target: Option<SocketAddr>,
    egress: Option<IpAddr>,
    upstream: Option<&'a str>,
    bytes_sent: u64,
    bytes_received: u64,
    packets_sent: u64,
    packets_received: u64,
    verdict: Option<(bool, &'a str, &'a str)>,
    policy: [u8; 32],
}

impl<'a> Row<'a> {
    /// The row of a record.
    pub fn of(record: &'a SessionRecord) -> Self {
        Self {
            id: *record.id.0.as_bytes(),
            status: status_code(record.status),
            close_reason: record.close_reason.map_or(0, CloseReason::code),
            start: record.start.0,
            ended_after: record.end.map(|end| end.0.saturating_sub(record.start.0)),
            duration: u64::try_from(record.duration.as_micros()).unwrap_or(u64::MAX),
            client: record.client,
            listener: &record.listener,
            protocol: record.protocol.map_or(0, protocol_code),
            command: record.command.map_or(0, command_code),
            user: record.user.as_deref(),
            groups: record.groups.iter().map(AsRef::as_ref).collect(),
            method: record.method.map_or(0, method_code),
            certificate: record.certificate.iter().map(AsRef::as_ref).collect(),
            requested: record.requested.as_ref().map(|endpoint| (&*endpoint.host, endpoint.port)),
            target: record.target,
            egress: record.egress,
            upstream: record.upstream.as_deref(),
            bytes_sent: record.bytes_sent,
            bytes_received: record.bytes_received,
            packets_sent: record.packets_sent,
            packets_received: record.packets_received,
            verdict: record.verdict.as_ref().map(|taken| (taken.passed, &*taken.rule, &*taken.rule_place)),
            policy: *record.policy.as_bytes(),
        }
    }

    /// The record of the row.
    pub fn into_record(self) -> SessionRecord {
        let strings = |texts: Vec<&str>| texts.into_iter().map(Arc::from).collect();
        SessionRecord {
            id: SessionId(uuid::Uuid::from_bytes(self.id)),
            status: named(&Status::ALL, status_code, self.status).unwrap_or(Status::Failed),
            close_reason: CloseReason::of_code(self.close_reason),
            start: UnixMicros(self.start),
            end: self.end(),
            duration: Duration::from_micros(self.duration),
            client: self.client,
            listener: self.listener.into(),
            protocol: named(&PROTOCOLS, protocol_code, self.protocol),
            command: named(&Command::ALL, command_code, self.command),
            user: self.user.map(Arc::from),
            groups: strings(self.groups),
            method: named(&Method::ALL, method_code, self.method),
            certificate: strings(self.certificate),
            requested: self.requested.map(|(host, port)| Endpoint { host: host.into(), port }),
            target: self.target,
            egress: self.egress,
            upstream: self.upstream.map(Arc::from),
            bytes_sent: self.bytes_sent,
            bytes_received: self.bytes_received,
            packets_sent: self.packets_sent,
            packets_received: self.packets_received,
            verdict: self.verdict.map(|(passed, rule, place)| VerdictTaken {
                passed,
                rule: rule.into(),
                rule_place: place.into(),
            }),
            policy: Digest::from_bytes(self.policy),
        }
    }

    /// When it ended.
    pub fn end(&self) -> Option<UnixMicros> {
        self.ended_after.map(|after| UnixMicros(self.start.saturating_add(after)))
    }

    /// The host that was asked for.
    pub fn host(&self) -> Option<&'a str> {
        self.requested.map(|(host, _)| host)
    }

    /// The address that was dialled, or else asked for.
    pub fn address(&self) -> Option<IpAddr> {
        let asked = || self.host().filter(|host| looks_numeric(host)).and_then(|host| host.parse().ok());
        self.target.map(|target| target.ip()).or_else(asked)
    }

    /// The rule that decided.
    pub fn rule(&self) -> Option<&'a str> {
        self.verdict.map(|(_, rule, _)| rule)
    }
}

fn looks_numeric(host: &str) -> bool {
    host.contains(':') || host.starts_with(|first: char| first.is_ascii_digit())
}

pub(super) fn status_code(status: Status) -> u8 {
    match status {
        Status::Active => 1,
        Status::Blocked => 2,
        Status::Closed => 3,
        Status::Failed => 4,
        Status::Interrupted => 5,
    }
}

fn protocol_code(protocol: ProxyProtocol) -> u8 {
    match protocol {
        ProxyProtocol::Http => 1,
        ProxyProtocol::Socks4 => 2,
        ProxyProtocol::Socks5 => 3,
    }
}

fn command_code(command: Command) -> u8 {
    match command {
        Command::Bind => 1,
        Command::BindReply => 2,
        Command::Connect => 3,
        Command::UdpAssociate => 4,
        Command::UdpReply => 5,
    }
}

fn method_code(method: Method) -> u8 {
    match method {
        Method::Certificate => 1,
        Method::Gssapi => 2,
        Method::None => 3,
        Method::PamAddress => 4,
        Method::PamUsername => 5,
        Method::Password => 6,
    }
}

fn named<T: Copy>(all: &[T], code_of: fn(T) -> u8, code: u8) -> Option<T> {
    all.iter().copied().find(|&value| code_of(value) == code)
}

const PROTOCOLS: [ProxyProtocol; 3] = [ProxyProtocol::Http, ProxyProtocol::Socks4, ProxyProtocol::Socks5];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session::sample;
    use proptest::prelude::*;

    #[test]
    fn a_record_survives_the_way_to_disk_and_back() {
        for seed in 0..100 {
            let mut record = sample(seed);
            record.certificate = vec!["CN=alice".into()];
            record.upstream = Some("socks5 [::1]:9".into());
            record.egress = "2001:db8::1".parse().ok();
            let bytes = postcard::to_stdvec(&Row::of(&record)).expect("plain data");
            let row: Row<'_> = postcard::from_bytes(&bytes).expect("what was written");
            assert_eq!(row.into_record(), record);
        }
    }

    #[test]
    fn every_enum_comes_back() {
        let mut record = sample(1);
        for status in Status::ALL {
            for reason in CloseReason::ALL {
                record.status = status;
                record.close_reason = Some(reason);
                let row = Row::of(&record).into_record();
                assert_eq!((row.status, row.close_reason), (status, Some(reason)));
            }
        }
        for method in Method::ALL {
            record.method = Some(method);
            assert_eq!(Row::of(&record).into_record().method, Some(method));
        }
        for command in Command::ALL {
            record.command = Some(command);
            assert_eq!(Row::of(&record).into_record().command, Some(command));
        }
        for protocol in PROTOCOLS {
            record.protocol = Some(protocol);
            assert_eq!(Row::of(&record).into_record().protocol, Some(protocol));
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_a_row_or_an_error(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            if let Ok(row) = postcard::from_bytes::<Row<'_>>(&bytes) {
                row.into_record();
            }
        }
    }
}
