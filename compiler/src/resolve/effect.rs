//! What a rule does beside its verdict: `log`, `note`, `priority`, `reply`.

use super::{Resolver, silent};
use crate::model::{Log, Reply, Rule, Verdict};
use crate::syntax::ast::{Entry, Word};

impl<'a> Resolver<'a> {
    pub(super) fn effect(&mut self, rule: &mut Rule, entry: &'a Entry) {
        let words = &entry.values.include;
        match &*entry.key.text {
            "log" => rule.log = self.log(entry),
            "note" => rule.note = self.single(entry).and_then(|word| self.plain(word, "note")),
            "priority" => rule.priority = self.priority(entry).unwrap_or(0),
            "reply" => {
                let reply = |text: &str| match text {
                    "blocked" => Some(Reply::Blocked),
                    "drop" => Some(Reply::Drop),
                    "refused" => Some(Reply::Refused),
                    _ => None,
                };
                self.single(entry);
                let replies = self.choices(
                    words.get(..1).unwrap_or_default(),
                    "reply",
                    &["blocked", "drop", "refused"],
                    reply,
                );
                rule.reply = replies.first().copied().unwrap_or_default();
                if rule.verdict == Verdict::Pass {
                    self.error("RS0108", entry.key.span, "`reply` is a key of block rules")
                        .help("a client that is passed gets the answer of its target");
                }
            }
            _ => {}
        }
    }

    /// The value of a key that has one.
    pub(super) fn single(&mut self, entry: &'a Entry) -> Option<&'a Word> {
        if let Some(second) = entry.values.iter().nth(1) {
            let key = &*entry.key.text;
            self.error("RS0101", second.span, format!("`{key}` has one value")).help(if key == "note" {
                "put the text in quotes"
            } else {
                "drop the rest"
            });
        }
        entry.values.include.first().filter(|word| !silent(word))
    }

    pub(super) fn priority(&mut self, entry: &'a Entry) -> Option<i16> {
        let word = self.single(entry)?;
        let number = word.text.parse::<i16>().ok().filter(|number| (-1000..=1000).contains(number));
        if number.is_none() {
            self.error("RS0106", word.span, format!("`{}` is no priority", word.text))
                .help("a priority is a number from -1000 to 1000; the higher is named first");
        }
        number
    }

    pub(super) fn log(&mut self, entry: &'a Entry) -> Option<Log> {
        if let Some(but) = entry.values.but {
            self.error("RS0101", but, "an `except` that `log` cannot have")
                .help("write what is to be logged");
        }
        let known = ["connect", "data", "disconnect", "error", "none"];
        let read = |text: &str| known.iter().copied().find(|&name| name == text);
        let words = self.choices(&entry.values.include, "log event", &known, read);
        if words.contains(&"none") && words.len() > 1 {
            self.error("RS0106", entry.span, "`none` beside other events").help("write `log: none` alone");
        }
        let said = |event: &str| words.contains(&event);
        Some(Log {
            connect: said("connect"),
            data: said("data"),
            disconnect: said("disconnect"),
            error: said("error"),
        })
    }
}
