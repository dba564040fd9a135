//! Pairs of the parser → keys, values and words.

use super::ast::{Entry, Form, Values, Word};
use super::build::Builder;
use super::{Rule, blame, dante};
use crate::diagnostic::Edit;
use crate::source::Span;
use pest::iterators::Pair;

impl<'t> Builder<'t, '_> {
    pub(super) fn entry(&mut self, pair: Pair<'t, Rule>) -> Option<Entry> {
        self.entries(pair).into_iter().next()
    }

    /// One entry, and a second where Dante's `port = …` stands behind an address.
    pub(super) fn entries(&mut self, pair: Pair<'t, Rule>) -> Vec<Entry> {
        let span = self.span(&pair);
        let mut not = None;
        let mut key = None;
        let mut values = Values::default();
        let mut clause = None;
        for inner in pair.into_inner() {
            match inner.as_rule() {
                Rule::kw_not => not = Some(self.span(&inner)),
                Rule::key => key = Some(dante::key(self.bare(&inner))),
                Rule::values => {
                    let of = key.as_ref().map_or("", |key: &Word| &key.text).to_owned();
                    clause = self.values(&of, inner, &mut values);
                }
                _ => {}
            }
        }
        let Some(key) = key else { return Vec::new() };
        if values.include.is_empty() {
            self.no_value(&key, values.but);
            values.include.push(Word { text: "".into(), span: key.span.at_end(), form: Form::Broken });
        }
        let end = values.iter().last().map_or(key.span, |last| last.span);
        if let Some((clause, ..)) = &clause
            && !key.is("to")
            && !key.is("from")
        {
            let at = key.span.to(*clause);
            return vec![self.port_of_another(&key, at)];
        }
        if key.is("log") {
            once_each(&mut values);
        }
        let span = Span { end: end.end.max(key.span.end), ..span };
        let entry = Entry { not, key, values, span, dante: false };
        let second = clause.and_then(|(span, op, word)| dante::port_entry(&entry, span, &op, word, self));
        std::iter::once(entry).chain(second).collect()
    }

    pub(super) fn values(
        &mut self,
        key: &str,
        pair: Pair<'t, Rule>,
        values: &mut Values,
    ) -> Option<(Span, Word, Word)> {
        let mut clause: Option<(Span, Word, Word)> = None;
        let mut end: Option<u32> = None;
        let mut inners = pair.into_inner().peekable();
        while let Some(inner) = inners.next() {
            let at = self.span(&inner);
            if inner.as_rule() == Rule::COMMENT {
                continue;
            }
            if values.include.is_empty() && inner.as_str() == "not" {
                let next = inners.peek().map(|next| self.span(next));
                if let Some(next) = next.filter(|next| !self.between(at.end, next.start).contains(',')) {
                    self.not_behind(key, at, next, values);
                    return clause;
                }
            }
            let spaced = end.is_some_and(|end| !self.between(end, at.start).contains(','));
            end = Some(at.end);
            match inner.as_rule() {
                Rule::word if self.semicolon(inner.as_str(), at) => {}
                Rule::word if spaced && self.mask(key, inner.as_str(), at, values) => {}
                Rule::but => self.excluded(key, inner, values),
                Rule::port_clause => {
                    let mut words = inner.into_inner().filter_map(|inner| match inner.as_rule() {
                        Rule::port_op | Rule::word => Some(self.bare(&inner)),
                        _ => None,
                    });
                    let (first, second) = (words.next(), words.next());
                    if let Some((before, ..)) = &clause {
                        let before = *before;
                        self.second_port(before, at);
                        continue;
                    }
                    clause = match (first, second) {
                        (Some(word), None) => {
                            Some((at, Word { text: "=".into(), span: at.at_start(), form: Form::Bare }, word))
                        }
                        (Some(op), Some(word)) => Some((at, op, word)),
                        _ => None,
                    };
                }
                Rule::word if spaced && (self.joint(key, &inner, at) || self.stray(key, &inner, at)) => {
                    let text = inner.as_str();
                    values.include.push(Word { text: text.into(), span: at, form: Form::Broken });
                    // What follows belongs to the word that could not be read.
                    return clause;
                }
                Rule::word | Rule::regex | Rule::string if spaced && matches!(key, "from" | "to") => {
                    self.missing_comma(at, values);
                }
                _ => self.value(key, inner, values),
            }
        }
        clause
    }

    /// `to: not 9.9.9.9`, which other languages have.
    fn not_behind(&mut self, key: &str, at: Span, next: Span, values: &mut Values) {
        let value = self.under(next).to_owned();
        self.report("RS0101", at, "a `not` behind its key")
            .help_last(format!("it stands before: `not {key}: {value}`"));
        values.include.push(Word { text: "not".into(), span: at, form: Form::Broken });
    }

    /// `a or b`, `a and b`. If it is one of these it is reported.
    pub(super) fn joint(&mut self, key: &str, pair: &Pair<'t, Rule>, at: Span) -> bool {
        let text = pair.as_str();
        let help = match text {
            "or" | "|" | "||" => "values are parted by commas, and one of them must hold",
            "and" | "&" | "&&" => {
                "values are parted by commas, and one of them must hold; what must hold beside it has a key of its own"
            }
            _ => return false,
        };
        if key == "note" {
            return false;
        }
        self.report("RS0101", at, format!("expected `,` behind a value, found `{text}`")).help_last(help);
        true
    }

    /// What stands behind `except`.
    fn excluded(&mut self, key: &str, pair: Pair<'t, Rule>, values: &mut Values) {
        let whole = self.span(&pair);
        values.but = Some(whole);
        let mut nested = Values::default();
        let mut end: Option<u32> = None;
        for inner in pair.into_inner() {
            let at = self.span(&inner);
            let spaced = end.is_some_and(|end| !self.between(end, at.start).contains(','));
            match inner.as_rule() {
                Rule::COMMENT => {}
                Rule::kw_except => values.but = Some(at),
                Rule::word if spaced && self.joint(key, &inner, at) => {
                    let text = inner.as_str();
                    nested.include.push(Word { text: text.into(), span: at, form: Form::Broken });
                    break;
                }
                Rule::word | Rule::regex | Rule::string if spaced && matches!(key, "from" | "to") => {
                    end = Some(at.end);
                    self.missing_comma(at, &mut nested);
                }
                _ => {
                    end = Some(at.end);
                    self.value(key, inner, &mut nested);
                }
            }
        }
        if nested.include.is_empty() {
            self.report("RS0101", whole, "expected a value after `except`")
                .help_last("keys of an exception stand in braces: `except { to: example.com }`");
        }
        values.exclude = nested.include;
    }

    /// `;` alone, where a value or nothing should stand. If so it is reported.
    pub(super) fn semicolon(&mut self, text: &str, at: Span) -> bool {
        if text != ";" {
            return false;
        }
        self.report("RS0101", at, "a `;` that ends nothing")
            .help_last("keys are parted by spaces or lines, values by commas, and nothing is ended by a mark")
            .fix_last("drop it", Edit { span: at, text: String::new() });
        true
    }

    /// `10.0.0.0 netmask 255.0.0.0`, `10.0.0.0 255.0.0.0` and `10.0.0.1 - 10.0.0.9`. If it is one of
    /// these it is reported, once; the address stands for the whole.
    fn mask(&mut self, key: &str, text: &str, at: Span, values: &mut Values) -> bool {
        if !matches!(key, "from" | "to") {
            return false;
        }
        let word = matches!(text, "netmask" | "mask");
        let Some(before) = values.include.last() else { return false };
        if before.form == Form::Broken && self.under(before.span) == "-" {
            return true;
        }
        if text == "-" {
            self.report("RS0101", at, "a range with spaces")
                .help_last("write it as one word: `10.0.0.5-10.0.0.9`");
            values.include.push(Word { text: text.into(), span: at, form: Form::Broken });
            return true;
        }
        if before.form == Form::Broken && matches!(self.under(before.span), "netmask" | "mask") {
            return text.parse::<std::net::Ipv4Addr>().is_ok();
        }
        let address = before.text.parse::<std::net::IpAddr>().is_ok();
        // The mask, and where it ends.
        let rest = self.text.get(at.end as usize..).unwrap_or_default();
        let next = rest.split_whitespace().next().unwrap_or_default();
        let (bits, end) = match word {
            true => (dante::mask(next), at.end as usize + rest.find(next).unwrap_or(0) + next.len()),
            false => (dante::mask(text), at.end as usize),
        };
        if !address || !word && bits.is_none() {
            return false;
        }
        let address = before.text.clone();
        let whole = Span { end: u32::try_from(end).unwrap_or(at.end), ..before.span };
        let report = self.report("RS0116", at, "a network mask behind an address");
        match bits.map(|bits| format!("{address}/{bits}")) {
            Some(text) => {
                report
                    .help_last(format!("write the prefix: `{text}`"))
                    .fix_last(format!("write `{text}`"), Edit { span: whole, text });
            }
            None => _ = report.help_last("write the prefix, as in `10.0.0.0/8`"),
        }
        values.include.push(Word { text: text.into(), span: at, form: Form::Broken });
        true
    }

    /// `internal: eth0 port = 1080`, and other keys that have no port.
    fn port_of_another(&mut self, key: &Word, at: Span) -> Entry {
        let name = &key.text;
        let (message, help) = match &**name {
            "internal" => (
                "`internal` is Dante's, and not part of a policy".to_owned(),
                "listeners are in the settings: `--listen ADDRESS:PORT` or `listeners` in the settings file",
            ),
            _ => (
                format!("a port behind `{name}`"),
                "a port stands behind the addresses of `to:`, or in `port:`",
            ),
        };
        self.report("RS0116", at, message).help_last(help);
        let word = Word { text: "".into(), span: at, form: Form::Broken };
        let values = Values { include: vec![word.clone()], ..Values::default() };
        Entry { not: None, key: word, values, span: at, dante: false }
    }

    /// `port = 80 port = 443`, or a port behind each of several addresses: the clause speaks of all
    /// addresses of the key, so that a second one has no meaning of its own.
    fn second_port(&mut self, before: Span, at: Span) {
        if self.between(before.end, at.start).contains(',') {
            self.report("RS0115", at, "a second `port` behind addresses")
                .help_last(
                    "a port of its own stands with its address, as in `to: 192.0.2.1:80, 192.0.2.2:90`; \
                     Dante's `port` is for all addresses of the key",
                )
                .related_last(before, "the first is here");
        } else {
            self.report("RS0115", at, "a second `port` behind one address")
                .help_last(
                    "list the ports behind one key, as in `port: 80, 443`; what lies between two numbers is \
                     a range, as in `port: 1023-2000`, and what is left out stands behind `not port:`",
                )
                .related_last(before, "the first is here");
        }
    }

    fn missing_comma(&mut self, at: Span, values: &mut Values) {
        let before = values.include.last().map_or(at.at_start(), |word| word.span.at_end());
        self.report("RS0101", at, "expected `,` between two values")
            .fix_last("put the comma", Edit { span: before, text: ",".into() });
        values.include.push(Word { text: self.under(at).into(), span: at, form: Form::Broken });
    }

    /// Whether a word that stands behind a value without a comma is a word of the language that
    /// went wrong: a key without its colon, a mistyped `except` or `not`. If so it is reported.
    pub(super) fn stray(&mut self, key: &str, pair: &Pair<'t, Rule>, at: Span) -> bool {
        let text = pair.as_str();
        if blame::KEYS.contains(&text) {
            self.report("RS0101", at, format!("expected `:` after `{text}`"))
                .help_last(format!("write `{text}:`, or `, {text}` if it is one more value"));
            return true;
        }
        let free = matches!(key, "cert" | "from" | "group" | "listen" | "note" | "to" | "user");
        let Some(meant) = blame::mark(text).filter(|_| free) else { return self.mistyped_key(key, text, at) };
        self.report("RS0101", at, format!("expected `,` or `{meant}` behind a value, found `{text}`"))
            .help_last(crate::suggest::did_you_mean(meant))
            .fix_last(format!("write `{meant}`"), Edit { span: at, text: meant.into() });
        true
    }

    /// A key with a slip and without its colon, behind a value of `from` or `to`.
    fn mistyped_key(&mut self, key: &str, text: &str, at: Span) -> bool {
        let plain = matches!(key, "from" | "to") && text.len() > 2 && !text.contains(['.', ':']);
        let Some(meant) = crate::suggest::nearest(text, blame::KEYS).filter(|_| plain) else { return false };
        self.report("RS0101", at, format!("expected a key or `,`, found `{}`", blame::shorten(text)))
            .help_last(format!("did you mean `{meant}:`?"))
            .fix_last(format!("write `{meant}:`"), Edit { span: at, text: format!("{meant}:") });
        true
    }

    pub(super) fn value(&mut self, key: &str, pair: Pair<'t, Rule>, values: &mut Values) {
        let at = self.span(&pair);
        match pair.as_rule() {
            Rule::hole => self.hole(at),
            Rule::port_clause | Rule::op => {
                let text = pair.as_str();
                self.report("RS0101", at, format!("expected a value, found `{text}`"));
                values.include.push(Word { text: text.into(), span: at, form: Form::Broken });
            }
            _ => {
                if let Some(word) = self.word(pair) {
                    values.include.push(dante::value(key, word));
                }
            }
        }
    }

    pub(super) fn name(&mut self, pair: Pair<'t, Rule>) -> Option<Word> {
        pair.into_inner().find_map(|inner| self.word(inner))
    }

    pub(super) fn word(&mut self, pair: Pair<'t, Rule>) -> Option<Word> {
        let span = self.span(&pair);
        match pair.as_rule() {
            Rule::word | Rule::label | Rule::verdict => Some(self.unended(self.bare(&pair))),
            Rule::string => {
                let mut text = String::new();
                let mut form = Form::Quoted;
                for inner in pair.into_inner() {
                    match inner.as_rule() {
                        Rule::text => text = unescape(inner.as_str()),
                        Rule::unclosed => {
                            form = Form::Broken;
                            let open = Span { end: span.start + 1, ..span };
                            self.report("RS0118", open, "a text without its closing quote")
                                .label_last("opened here")
                                .help_last("a text ends with a `\"` on the same line");
                        }
                        _ => {}
                    }
                }
                Some(Word { text: text.into(), span, form })
            }
            Rule::regex => {
                let text = pair.into_inner().find(|inner| inner.as_rule() == Rule::pattern)?;
                Some(Word { text: text.as_str().replace("\\/", "/").into(), span, form: Form::Regex })
            }
            _ => None,
        }
    }

    /// The word without a `;` that other languages would have behind it; that is reported.
    pub(super) fn unended(&mut self, word: Word) -> Word {
        let bare = word.text.trim_end_matches(';');
        if bare.len() == word.text.len() || bare.is_empty() {
            return word;
        }
        let length = u32::try_from(bare.len()).unwrap_or(0);
        let split = word.span.start + length;
        self.semicolon(";", Span { start: split, ..word.span });
        Word { text: bare.into(), span: Span { end: split, ..word.span }, ..word }
    }

    pub(super) fn hole(&mut self, at: Span) {
        let comma = Span { end: at.start + 1, ..at };
        self.report("RS0101", comma, "expected a value between the commas")
            .fix_last("drop the comma", Edit { span: comma, text: String::new() });
    }

    pub(super) fn no_value(&mut self, key: &Word, but: Option<Span>) {
        let text = self.under(key.span).to_owned();
        let message = match but {
            Some(_) => format!("expected a value between `{text}:` and `except`"),
            None => format!("expected a value after `{text}:`"),
        };
        self.report("RS0101", key.span, message);
    }
}

/// Each value once: Dante has two words for `data`.
fn once_each(values: &mut Values) {
    let mut seen: Vec<Box<str>> = Vec::new();
    values.include.retain(|word| {
        let first = !seen.contains(&word.text);
        seen.push(word.text.clone());
        first
    });
}

fn unescape(text: &str) -> String {
    if !text.contains('\\') {
        return text.to_owned();
    }
    let mut plain = String::with_capacity(text.len());
    let mut characters = text.chars().peekable();
    while let Some(character) = characters.next() {
        match (character, characters.peek()) {
            ('\\', Some(&next @ ('\\' | '"'))) => {
                plain.push(next);
                characters.next();
            }
            _ => plain.push(character),
        }
    }
    plain
}
