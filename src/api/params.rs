//! Parameters of a query string, read one by one so that each mistake is named.

use super::problem::Problem;
use crate::session::{Status, UnixMicros};
use crate::store::Query;
use ipnet::IpNet;
use std::net::IpAddr;
use std::str::FromStr;
use std::time::Duration;

/// The parameters of one request.
#[derive(Clone, Debug, Default)]
pub struct Params(Vec<(String, String)>);

impl Params {
    /// From what stood behind the question mark.
    pub fn new(pairs: Vec<(String, String)>) -> Self {
        Self(pairs)
    }

    /// Refuses parameters that are not known or are given twice.
    ///
    /// # Errors
    /// Names the first of them.
    pub fn only(&self, known: &[&str]) -> Result<(), Problem> {
        for (at, (name, _)) in self.0.iter().enumerate() {
            if !known.contains(&name.as_str()) {
                return Err(Problem::bad_request(format!("there is no parameter `{}`", name.escape_debug())));
            }
            if self.0.iter().take(at).any(|(earlier, _)| earlier == name) {
                return Err(Problem::bad_request(format!("`{name}` is given twice")));
            }
        }
        Ok(())
    }

    /// A parameter as text; an empty one counts as absent.
    pub fn text(&self, name: &str) -> Option<&str> {
        let found = self.0.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.as_str()).filter(|value| !value.is_empty())
    }

    /// A parameter as anything that can be read from text.
    ///
    /// # Errors
    /// It is not what it has to be.
    pub fn parsed<T: FromStr>(&self, name: &str, what: &str) -> Result<Option<T>, Problem> {
        let parse =
            |value: &str| value.parse().map_err(|_| Problem::bad_request(format!("`{name}` is not {what}")));
        self.text(name).map(parse).transpose()
    }

    /// A number within bounds.
    ///
    /// # Errors
    /// It is none, or lies outside.
    pub fn number(&self, name: &str, range: std::ops::RangeInclusive<u64>) -> Result<Option<u64>, Problem> {
        let what = format!("a whole number from {} to {}", range.start(), range.end());
        let number = self.parsed::<u64>(name, &what)?;
        match number {
            Some(number) if !range.contains(&number) => {
                Err(Problem::bad_request(format!("`{name}` is not {what}")))
            }
            number => Ok(number),
        }
    }

    /// An address or network.
    fn net(&self, name: &str) -> Result<Option<IpNet>, Problem> {
        let Some(text) = self.text(name) else { return Ok(None) };
        let net = text.parse::<IpNet>().ok().or_else(|| text.parse::<IpAddr>().ok().map(IpNet::from));
        match net {
            Some(net) => Ok(Some(net.trunc())),
            None => Err(Problem::bad_request(format!("`{name}` is not an address or network"))),
        }
    }

    /// The question for records that they make up.
    ///
    /// # Errors
    /// Names the first that is wrong.
    pub fn query(&self, now: UnixMicros) -> Result<Query, Problem> {
        let (from, to) = self.window(now)?;
        Ok(Query {
            user: self.text("user").map(ToOwned::to_owned),
            dest_host: self.text("dest_host").map(|host| host.trim_start_matches('*').to_owned()),
            dest_ip: self.net("dest_ip")?,
            client: self.net("client")?,
            status: self.status()?,
            rule: self.text("rule").map(ToOwned::to_owned),
            from,
            to,
            limit: usize::try_from(self.number("limit", 1..=MOST)?.unwrap_or(50)).unwrap_or(50),
            cursor: self.parsed("cursor", "a cursor that an earlier page gave")?,
        })
    }

    fn status(&self) -> Result<Option<Status>, Problem> {
        let Some(name) = self.text("status") else { return Ok(None) };
        let known = Status::named(name);
        known.map(Some).ok_or_else(|| {
            Problem::bad_request("`status` is not `active`, `blocked`, `closed`, `failed` or `interrupted`")
        })
    }

    /// `hours`, or `from` and `to`.
    ///
    /// # Errors
    /// Names the first that is wrong.
    pub fn window(&self, now: UnixMicros) -> Result<(Option<UnixMicros>, Option<UnixMicros>), Problem> {
        let from = self.parsed::<UnixMicros>("from", "a time such as 2026-11-28T09:30:00Z")?;
        let to = self.parsed::<UnixMicros>("to", "a time such as 2026-11-28T09:30:00Z")?;
        match (self.number("hours", 1..=HOURS)?, from, to) {
            (Some(hours), None, None) => Ok((Some(now.before(Duration::from_secs(hours * 3_600))), None)),
            (Some(_), _, _) => Err(Problem::bad_request("`hours` goes with neither `from` nor `to`")),
            (None, Some(from), Some(to)) if from >= to => {
                Err(Problem::bad_request("`from` is not before `to`"))
            }
            (None, from, to) => Ok((from, to)),
        }
    }
}

/// Most records in one answer.
const MOST: u64 = 1_000;
/// Ten years.
const HOURS: u64 = 87_600;

#[cfg(test)]
mod tests {
    use super::*;

    fn params(text: &str) -> Params {
        let pairs = text.split('&').filter_map(|pair| pair.split_once('='));
        Params::new(pairs.map(|(name, value)| (name.into(), value.into())).collect())
    }

    #[test]
    fn each_mistake_is_named() {
        let now = UnixMicros(0);
        for (text, name) in [
            ("hours=1e9", "hours"),
            ("hours=1000000000", "hours"),
            ("limit=0", "limit"),
            ("limit=-1", "limit"),
            ("from=yesterday", "from"),
            ("dest_ip=example.com", "dest_ip"),
            ("client=10.0.0.0/33", "client"),
            ("status=open", "status"),
            ("cursor=%00", "cursor"),
            ("hours=1&from=2026-11-28T09:30:00Z", "hours"),
            ("from=2026-11-28T09:30:00Z&to=2026-11-28T09:30:00Z", "from"),
        ] {
            let problem = params(text).query(now).unwrap_err();
            assert!(problem.detail.contains(name), "{text}: {}", problem.detail);
        }
        assert!(params("a=1").only(&["b"]).is_err());
        assert!(params("b=1&b=2").only(&["b"]).is_err());
    }

    #[test]
    fn a_question_is_made_of_its_parameters() {
        let now = UnixMicros(7_200_000_000);
        let query =
            params("user=alice&dest_ip=10.1.2.3/8&dest_host=*.example.com&hours=1").query(now).unwrap();
        assert_eq!(query.user.as_deref(), Some("alice"));
        assert_eq!(query.dest_ip, "10.0.0.0/8".parse().ok());
        assert_eq!(query.dest_host.as_deref(), Some(".example.com"));
        assert_eq!((query.from, query.to, query.limit), (Some(UnixMicros(3_600_000_000)), None, 50));
    }
}
