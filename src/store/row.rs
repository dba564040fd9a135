//! One record as it lies on disk: postcard, with numbers of our own for every enum.

use crate::session::{CloseReason, Endpoint, SessionId, SessionRecord, Status, UnixMicros, VerdictTaken};
use rustsocks_compiler::Digest;
use rustsocks_compiler::request::{Command, Method, ProxyProtocol};
use serde::{Deserialize, Serialize};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

/// A row. INVARIANT: fields are never changed; a change is a new version beside it.
#[derive(Debug, Deserialize, Serialize)]
pub(super) struct Row<'a> {
    pub id: [u8; 16],
    #[serde(borrow)]
    pub context: Context<'a>,
    pub start: i64,
    /// Microseconds from the start; `None` without an end.
    pub ended_after: Option<i64>,
    pub duration: u64,
    pub client: SocketAddr,
    pub user: Option<&'a str>,
    pub requested: Option<(&'a str, u16)>,
    pub target: Option<SocketAddr>,
    pub bytes_sent: u64,
    pub bytes_received: u64,
    pub packets_sent: u64,
    pub packets_received: u64,
}

/// What a row has in common with many others: how it came, what was said of it, how it ended.
#[derive(Debug, Deserialize, Eq, PartialEq, Serialize)]
pub(super) struct Context<'a> {
    pub status: u8,
    close_reason: u8,
    protocol: u8,
    command: u8,
    method: u8,
    listener: &'a str,
    #[serde(borrow)]
    groups: Vec<&'a str>,
    #[serde(borrow)]
    certificate: Vec<&'a str>,
    egress: Option<IpAddr>,
    upstream: Option<&'a str>,
    verdict: Option<(bool, &'a str, &'a str)>,
    policy: [u8; 32],
}

impl<'a> Context<'a> {
    fn of(record: &'a SessionRecord) -> Self {
        Self {
            status: status_code(record.status),
            close_reason: record.close_reason.map_or(0, CloseReason::code),
            protocol: record.protocol.map_or(0, protocol_code),
            command: record.command.map_or(0, command_code),
            method: record.method.map_or(0, method_code),
            listener: &record.listener,
            groups: record.groups.iter().map(AsRef::as_ref).collect(),
            certificate: record.certificate.iter().map(AsRef::as_ref).collect(),
            egress: record.egress,
            upstream: record.upstream.as_deref(),
            verdict: record.verdict.as_ref().map(|taken| (taken.passed, &*taken.rule, &*taken.rule_place)),
            policy: *record.policy.as_bytes(),
        }
    }
}

impl<'a> Row<'a> {
    /// The row of a record.
    pub fn of(record: &'a SessionRecord) -> Self {
        Self {
            id: *record.id.0.as_bytes(),
            context: Context::of(record),
            start: record.start.0,
            ended_after: record.end.map(|end| end.0.saturating_sub(record.start.0)),
            duration: u64::try_from(record.duration.as_micros()).unwrap_or(u64::MAX),
            client: record.client,
            user: record.user.as_deref(),
            requested: record.requested.as_ref().map(|endpoint| (&*endpoint.host, endpoint.port)),
            target: record.target,
            bytes_sent: record.bytes_sent,
            bytes_received: record.bytes_received,
            packets_sent: record.packets_sent,
            packets_received: record.packets_received,
        }
    }

    /// The record of the row.
    pub fn into_record(self) -> SessionRecord {
        let strings = |texts: Vec<&str>| texts.into_iter().map(Arc::from).collect();
        let end = self.end();
        let context = self.context;
        SessionRecord {
            id: SessionId(uuid::Uuid::from_bytes(self.id)),
            status: named(&Status::ALL, status_code, context.status).unwrap_or(Status::Failed),
            close_reason: CloseReason::of_code(context.close_reason),
            start: UnixMicros(self.start),
            end,
            duration: Duration::from_micros(self.duration),
            client: self.client,
            listener: context.listener.into(),
            protocol: named(&PROTOCOLS, protocol_code, context.protocol),
            command: named(&Command::ALL, command_code, context.command),
            user: self.user.map(Arc::from),
            groups: strings(context.groups),
            method: named(&Method::ALL, method_code, context.method),
            certificate: strings(context.certificate),
            requested: self.requested.map(|(host, port)| Endpoint { host: host.into(), port }),
            target: self.target,
            egress: context.egress,
            upstream: context.upstream.map(Arc::from),
            bytes_sent: self.bytes_sent,
            bytes_received: self.bytes_received,
            packets_sent: self.packets_sent,
            packets_received: self.packets_received,
            verdict: context.verdict.map(|(passed, rule, place)| VerdictTaken {
                passed,
                rule: rule.into(),
                rule_place: place.into(),
            }),
            policy: Digest::from_bytes(context.policy),
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
        self.context.verdict.map(|(_, rule, _)| rule)
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
