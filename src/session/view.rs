//! A record as the API, the command line and exports show it: plain JSON, one name per field.

use super::{Endpoint, SessionRecord, VerdictTaken};
use serde::{Deserialize, Serialize};
use std::fmt::Write;
use utoipa::ToSchema;

/// One session or attempt.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize, ToSchema)]
pub struct SessionView {
    /// UUIDv7: sorts by its time of birth.
    #[schema(format = "uuid")]
    pub id: String,
    /// `active`, `blocked`, `closed`, `failed` or `interrupted`.
    pub status: String,
    /// Why it ended, such as `client_closed` or `blocked_request`; null while it is active.
    pub close_reason: Option<String>,
    /// When the connection was accepted.
    #[schema(format = "date-time")]
    pub start: String,
    /// When it ended; null while it is active.
    #[schema(format = "date-time")]
    pub end: Option<String>,
    /// Seconds, by a monotonic clock.
    pub duration: f64,
    /// Address and port of the client.
    pub client: String,
    /// Name of the listener.
    pub listener: String,
    /// `socks4`, `socks5` or `http`.
    pub protocol: Option<String>,
    /// `connect`, `bind` or `udpassociate`.
    pub command: Option<String>,
    /// The user, if the method names one.
    pub user: Option<String>,
    /// Groups of the user that rules of the policy name.
    pub groups: Vec<String>,
    /// How the user was shown.
    pub method: Option<String>,
    /// Subject names of the client's certificate.
    pub certificate: Vec<String>,
    /// Host and port that were asked for.
    pub requested: Option<String>,
    /// Address and port that were dialled.
    pub target: Option<String>,
    /// Our own address towards the target.
    pub egress: Option<String>,
    /// The proxy that the session was passed on to; null for direct.
    pub upstream: Option<String>,
    /// Bytes from the client to the target.
    pub bytes_sent: u64,
    /// Bytes from the target to the client.
    pub bytes_received: u64,
    /// Datagrams from the client to targets.
    pub packets_sent: u64,
    /// Datagrams from targets to the client.
    pub packets_received: u64,
    /// `pass` or `block`; null if the policy was never asked.
    pub verdict: Option<String>,
    /// The deciding rule: its name, `file:line`, or `default`.
    pub rule: Option<String>,
    /// Its place as `file:line`; empty for the default.
    pub rule_place: Option<String>,
    /// BLAKE3 digest of the policy.
    pub policy: String,
}

impl From<&SessionRecord> for SessionView {
    fn from(record: &SessionRecord) -> Self {
        let strings = |texts: &[std::sync::Arc<str>]| texts.iter().map(ToString::to_string).collect();
        Self {
            id: record.id.to_string(),
            status: record.status.to_string(),
            close_reason: record.close_reason.map(|reason| reason.to_string()),
            start: record.start.to_string(),
            end: record.end.map(|end| end.to_string()),
            duration: record.duration.as_secs_f64(),
            client: record.client.to_string(),
            listener: record.listener.to_string(),
            protocol: record.protocol.map(|protocol| protocol.to_string()),
            command: record.command.map(|command| command.to_string()),
            user: record.user.as_ref().map(ToString::to_string),
            groups: strings(&record.groups),
            method: record.method.map(|method| method.to_string()),
            certificate: strings(&record.certificate),
            requested: record.requested.as_ref().map(Endpoint::to_string),
            target: record.target.map(|target| target.to_string()),
            egress: record.egress.map(|egress| egress.to_string()),
            upstream: record.upstream.as_ref().map(ToString::to_string),
            bytes_sent: record.bytes_sent,
            bytes_received: record.bytes_received,
            packets_sent: record.packets_sent,
            packets_received: record.packets_received,
            verdict: record.verdict.as_ref().map(|taken| verdict_word(taken).to_owned()),
            rule: record.verdict.as_ref().map(|taken| taken.rule.to_string()),
            rule_place: record.verdict.as_ref().map(|taken| taken.rule_place.to_string()),
            policy: record.policy.to_string(),
        }
    }
}

impl SessionView {
    /// One line of CSV (RFC 4180) without its line break, in the order of [`CSV_HEADER`].
    ///
    /// Control characters are written as `\u{..}` and a cell that a spreadsheet would take for a
    /// formula begins with an apostrophe: a stranger chooses user and host names.
    pub fn csv_line(&self) -> String {
        let text = |value: &Option<String>| value.clone().unwrap_or_default();
        let cells = [
            self.id.clone(),
            self.status.clone(),
            text(&self.close_reason),
            self.start.clone(),
            text(&self.end),
            format!("{:.6}", self.duration),
            self.client.clone(),
            self.listener.clone(),
            text(&self.protocol),
            text(&self.command),
            text(&self.user),
            self.groups.join(" "),
            text(&self.method),
            self.certificate.join(" "),
            text(&self.requested),
            text(&self.target),
            text(&self.egress),
            text(&self.upstream),
            self.bytes_sent.to_string(),
            self.bytes_received.to_string(),
            self.packets_sent.to_string(),
            self.packets_received.to_string(),
            text(&self.verdict),
            text(&self.rule),
            text(&self.rule_place),
            self.policy.clone(),
        ];
        let cells: Vec<String> = cells.iter().map(|cell| csv_cell(cell)).collect();
        cells.join(",")
    }
}

impl SessionView {
    /// Where it ended, for people: the name that was asked for, or the address.
    pub fn destination(&self) -> &str {
        self.requested.as_deref().or(self.target.as_deref()).unwrap_or("")
    }
}

fn verdict_word(taken: &VerdictTaken) -> &'static str {
    if taken.passed { "pass" } else { "block" }
}

fn csv_cell(text: &str) -> String {
    let mut cell = String::with_capacity(text.len() + 2);
    if text.starts_with(['=', '+', '-', '@']) {
        cell.push('\'');
    }
    for character in text.chars() {
        match character {
            '"' => cell.push_str("\"\""),
            control if control.is_control() => {
                // Writing to a `String` cannot fail.
                let _ = write!(cell, "\\u{{{:x}}}", u32::from(control));
            }
            plain => cell.push(plain),
        }
    }
    if text.contains(['"', ',', '\n', '\r']) { format!("\"{cell}\"") } else { cell }
}

/// Names of the columns of [`SessionView::csv_line`].
pub const CSV_HEADER: &str = "id,status,close_reason,start,end,duration,client,listener,protocol,command,\
user,groups,method,certificate,requested,target,egress,upstream,bytes_sent,bytes_received,packets_sent,\
packets_received,verdict,rule,rule_place,policy";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session::sample;

    #[test]
    fn csv_has_a_cell_for_each_name_and_no_way_out_of_a_cell() {
        let mut record = sample(1);
        record.user = Some("=cmd(),\"x\"\n\u{1b}[31m".into());
        let line = SessionView::from(&record).csv_line();
        assert!(line.contains(r#""'=cmd(),""x""\u{a}\u{1b}[31m""#), "{line}");
        assert!(!line.chars().any(char::is_control));
        let plain = SessionView::from(&sample(2)).csv_line();
        assert_eq!(plain.split(',').count(), CSV_HEADER.split(',').count());
    }

    #[test]
    fn json_names_are_the_columns() {
        let value = serde_json::to_value(SessionView::from(&sample(3))).expect("plain data");
        let names = value.as_object().expect("an object");
        assert_eq!(names.len(), CSV_HEADER.split(',').count());
        assert!(CSV_HEADER.split(',').all(|name| names.contains_key(name)));
    }
}
