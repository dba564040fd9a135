//! The explanation as text, one fact a line.

use super::{Explanation, Holds, Judged, Miss, Outcome, RuleView, TermView, plan};
use crate::request::Command;
use crate::sample::Sample;
use std::fmt;

/// A request in one line.
pub(super) fn request(sample: &Sample) -> String {
    let who = sample.principal.user().map_or_else(|| "nobody".to_owned(), ToString::to_string);
    let groups: Vec<&str> = sample.principal.groups().iter().map(|group| &**group).collect();
    let groups = if groups.is_empty() { String::new() } else { format!(" ({})", groups.join(", ")) };
    let time = jiff::Timestamp::from_second(sample.time.0)
        .map_or_else(|_| String::new(), |time| format!("  {time}"));
    let from = format!("{} on {}", sample.from, sample.listener);
    let Some(to) = &sample.to else { return format!("a client from {from}{time}") };
    let to = match to {
        crate::model::Host::Address(std::net::IpAddr::V6(v6)) => format!("[{v6}]"),
        other => other.to_string(),
    };
    let verb = match sample.command {
        Command::Connect => "to".to_owned(),
        other => format!("{other} to"),
    };
    format!(
        "{who}{groups} from {from}  {verb} {to}:{}  {}, {}{time}",
        sample.port, sample.proxy_protocol, sample.method
    )
}

impl fmt::Display for RuleView {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.place {
            Some(place) if self.label.contains(':') && place.starts_with(&self.label) => write!(f, "{place}"),
            Some(place) => write!(f, "`{}`  {place}", self.label),
            None => f.write_str("the default"),
        }
    }
}

impl fmt::Display for TermView {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}: {}", self.holds.mark(), self.key, self.wants)?;
        match (&self.through, self.holds) {
            (Some(through), _) => {
                write!(f, "    {} by {}", self.has, through.value)?;
                through.place.as_ref().map_or(Ok(()), |place| write!(f, "  {place}"))
            }
            (None, Holds::Unknown) => write!(f, "    {}, its address is not known", self.has),
            (None, _) => write!(f, "    {}", self.has),
        }
    }
}

impl fmt::Display for Miss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let more =
            if self.failing > 1 { format!("  (and {} more)", self.failing - 1) } else { String::new() };
        if self.excepted {
            write!(f, "{}  ✗ except {}: {}    {}{more}", self.rule, self.on.key, self.on.wants, self.on.has)
        } else {
            write!(f, "{}  {}{more}", self.rule, self.on)
        }
    }
}

fn word(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Block => "block",
        Outcome::NeedsAddress => "needs the address",
        Outcome::Pass => "pass",
    }
}

impl fmt::Display for Judged {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.by {
            Some(rule) => write!(f, "{} by {rule}", word(self.outcome)),
            None => f.write_str(word(self.outcome)),
        }
    }
}

impl Explanation {
    /// The verdict in one line.
    pub fn headline(&self) -> String {
        let verdict = match self.outcome {
            Outcome::Block => "BLOCK",
            Outcome::NeedsAddress => "NEEDS ADDRESS",
            Outcome::Pass => "PASS",
        };
        let by = self.by.as_ref().map(|rule| format!("  by {rule}")).unwrap_or_default();
        let listed = self.conditions.iter().find_map(|term| {
            let through = term.through.as_ref().filter(|through| through.value.contains("through line "))?;
            through.place.as_ref().map(|place| format!("  list {place}"))
        });
        let policy: String = self.policy.chars().take(12).collect();
        format!("{verdict}{by}{}  policy {policy}", listed.unwrap_or_default())
    }
}

fn line(f: &mut fmt::Formatter<'_>, head: &str, text: impl fmt::Display) -> fmt::Result {
    writeln!(f, "  {head:<10} {text}")
}

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.headline())?;
        line(f, "request", &self.request)?;
        line(f, "client", &self.client)?;
        self.target(f)?;
        for (at, term) in self.conditions.iter().enumerate() {
            line(f, if at == 0 { "because" } else { "" }, term)?;
        }
        for (at, rule) in self.also.iter().enumerate() {
            line(f, if at == 0 { "also" } else { "" }, rule)?;
        }
        for (at, miss) in self.close.iter().enumerate() {
            line(f, if at == 0 { "close" } else { "" }, miss)?;
        }
        self.otherwise(f)
    }
}

impl Explanation {
    fn target(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(name) = &self.name {
            line(f, "name", name)?;
            if self.addresses.is_empty() {
                let why = match name.outcome {
                    Outcome::Block => "not asked for: a name that is blocked is never looked up",
                    Outcome::NeedsAddress => "not known",
                    Outcome::Pass => "not asked for: it passes whatever it resolves to",
                };
                return line(f, "address", why);
            }
        }
        for one in &self.addresses {
            line(f, "address", format_args!("{}  {}", one.address, one.judged))?;
        }
        Ok(())
    }

    fn otherwise(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(then) = &self.flip.then {
            let verb = then.verdict.as_str();
            let if_not = match (self.outcome, self.flip.in_the_way.len()) {
                (Outcome::Block, 0 | 1) => "without that block",
                (Outcome::Block, _) => "without all those blocks",
                _ => "without that rule",
            };
            line(f, "otherwise", format_args!("{verb} by {then}, {if_not}"))?;
        }
        if let Some(judged) = &self.flip.beyond {
            line(f, "beyond", plan::beyond(judged))?;
        }
        let mut head = "change";
        if self.flip.changes.len() > 1 {
            line(f, head, "all of:")?;
            head = "";
        }
        for change in &self.flip.changes {
            line(f, head, change)?;
            head = "";
        }
        Ok(())
    }
}
