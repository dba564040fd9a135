//! The compiled policy. Immutable; shared between connections by `Arc`.

pub(crate) mod addresses;
mod emit;
pub(crate) mod names;
mod naming;
pub(crate) mod patterns;
pub(crate) mod principals;
pub(crate) mod sets;
pub(crate) mod space;
mod statistics;
pub(crate) mod walk;

use crate::compile::{self, Compiled, Grown, Ranks};
use crate::decision::{Answer, Decision};
use crate::model::{Model, RuleId, Stage, Verdict};
use crate::oracle::{self, Facts};
use crate::request::{Client, Command, Method, MethodSpec, Principal, Request};
use naming::Names;
pub use naming::RuleName;
use space::{Seen, command_class};
pub use statistics::Statistics;
use std::fmt;
use std::sync::Arc;
use walk::Found;

/// Names a policy by its content: BLAKE3 of its texts and lists.
#[derive(Clone, Copy, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Digest([u8; 32]);

impl Digest {
    /// The digest of these bytes, as [`Digest::as_bytes`] gave them.
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The bytes.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// The first 12 hexadecimal digits: enough to tell policies apart by eye.
    pub fn short(&self) -> String {
        let mut text = self.to_string();
        text.truncate(12);
        text
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl std::str::FromStr for Digest {
    type Err = NoDigest;

    fn from_str(text: &str) -> Result<Self, NoDigest> {
        let mut bytes = [0; 32];
        if text.len() != 64 || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(NoDigest);
        }
        for (byte, at) in bytes.iter_mut().zip((0..).step_by(2)) {
            let digits = text.get(at..at + 2).ok_or(NoDigest)?;
            *byte = u8::from_str_radix(digits, 16).map_err(|_| NoDigest)?;
        }
        Ok(Self(bytes))
    }
}

/// A text is not 64 hexadecimal digits.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("not a digest of 64 hexadecimal digits")]
pub struct NoDigest;

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A policy that can decide.
#[derive(Debug)]
pub struct Policy {
    model: Arc<Model>,
    digest: Digest,
    compiled: Compiled,
    methods: Vec<MethodSpec>,
    names: Names,
    /// The verdict at the client stage where no rule matches.
    client_default: Verdict,
    /// The verdict at the socks stage where no rule matches, by command.
    defaults: [Verdict; Command::ALL.len()],
}

impl Policy {
    /// Compiles a model that has no errors.
    pub fn compile(model: Arc<Model>) -> Self {
        let digest = digest(&model);
        let compiled = compile::compile(&model);
        let mut defaults = [model.defaults.socks; Command::ALL.len()];
        for command in Command::ALL.into_iter().filter(|command| command.is_reply()) {
            if let Some(default) = defaults.get_mut(command_class(command) as usize) {
                *default = oracle::default_for(&model, command);
            }
        }
        let client_default = model.default_of(Stage::Client);
        let (methods, names) = (model.socks_methods(), Names::new(model.rules.len()));
        Self { digest, compiled, methods, names, client_default, defaults, model }
    }

    /// The client stage: whether a client may speak to us at all.
    pub fn admit(&self, client: &Client<'_>) -> Decision {
        let seen = self.compiled.space.see_client(client, client.method, None);
        let found = self.find(&self.compiled.admit, &seen, self.client_default);
        let (answer, rule) = answer(found, &self.compiled.client, self.client_default);
        Decision::new(answer, rule)
    }

    /// The socks stage. It takes no lock, asks for no memory and cannot fail.
    pub fn decide(&self, request: &Request<'_>) -> Decision {
        let facts = Facts::from(request);
        let seen = self.compiled.space.see(&facts);
        let tree = match request.target.address {
            Some(_) => &self.compiled.whole,
            None => &self.compiled.by_name,
        };
        let default = self.default_for(request.command);
        let found = self.find(tree, &seen, default);
        let (answer, rule) = answer(found, &self.compiled.socks, default);
        Decision::new(answer, rule).with_permit(request.target.address, request.target.port, request.command)
    }

    /// Whether a request of which only this much is known could still be passed: what is asked
    /// before a UDP association, whose targets come later.
    pub fn could_pass(&self, facts: &Facts<'_>) -> bool {
        let known = (facts.method, facts.principal, facts.command, facts.proxy_protocol, facts.target);
        let (tree, command) = match known {
            (Some(_), Some(_), Some(command), Some(_), target) => match target {
                Some(target) if target.address.is_some() => (&self.compiled.whole, Some(command)),
                Some(_) => (&self.compiled.by_name, Some(command)),
                None => (&self.compiled.before_target, Some(command)),
            },
            (Some(_), None, None, None, None) => (&self.compiled.offer, None),
            // Nobody asks so; the answer is right all the same.
            _ => return oracle::could_pass(&self.model, facts),
        };
        let default = command.map_or(self.model.defaults.socks, |command| self.default_for(command));
        let seen = self.compiled.space.see(facts);
        let found = self.find(tree, &seen, default);
        answer(found, &self.compiled.socks, default).0 != Answer::Block
    }

    /// The methods that could still lead to a pass for a client, in order of preference.
    pub fn offer(&self, client: &Client<'_>) -> Vec<MethodSpec> {
        let useful = |spec: &&MethodSpec| self.foresee(client, spec).answer() != Answer::Block;
        self.methods.iter().filter(useful).cloned().collect()
    }

    /// The block that nothing which a client may ask for gets past, if no method is left that could
    /// lead to a pass: that of the method which the policy prefers.
    pub fn shuts_out(&self, client: &Client<'_>) -> Option<Decision> {
        let mut foreseen = self.methods.iter().map(|spec| self.foresee(client, spec));
        let first = foreseen.next()?;
        let all = first.answer() == Answer::Block && foreseen.all(|one| one.answer() == Answer::Block);
        all.then_some(first)
    }

    /// What can be said of a client before it shows who it is, by a method.
    fn foresee(&self, client: &Client<'_>, spec: &MethodSpec) -> Decision {
        let method: Method = spec.method;
        let seen = self.compiled.space.see_client(client, method, spec.service.as_deref());
        let tree = match method.names_a_user() {
            true => &self.compiled.offer,
            false => &self.compiled.nameless,
        };
        let default = self.model.defaults.socks;
        let found = self.find(tree, &seen, default);
        let (answer, rule) = answer(found, &self.compiled.socks, default);
        Decision::new(answer, rule)
    }

    /// Classifies a user once, so that its requests are decided fast.
    pub fn principal(&self, user: Option<Arc<str>>, groups: Vec<Arc<str>>) -> Principal {
        let mut principal = Principal::new(user, groups);
        principal.class = Some(self.compiled.space.principals.classify(&principal));
        principal
    }

    fn find(&self, grown: &Grown, seen: &Seen<'_>, default: Verdict) -> Found {
        self.compiled.forest.find(grown.tree, &self.compiled.space, seen, default == Verdict::Pass)
    }

    fn default_for(&self, command: Command) -> Verdict {
        let class = command_class(command) as usize;
        self.defaults.get(class).copied().unwrap_or(Verdict::Block)
    }

    /// What the policy is called by.
    pub fn digest(&self) -> &Digest {
        &self.digest
    }

    pub(crate) fn compiled(&self) -> &Compiled {
        &self.compiled
    }

    /// What it was made from.
    pub fn model(&self) -> &Arc<Model> {
        &self.model
    }

    /// What a rule is called in records; the default for `None`.
    pub fn name(&self, rule: Option<RuleId>) -> &RuleName {
        self.names.of(&self.model, rule)
    }
}

fn answer(found: Found, ranks: &Ranks, default: Verdict) -> (Answer, Option<RuleId>) {
    let rule = ranks.rule(found.rank);
    let passes = default == Verdict::Pass;
    if rule.is_some() && found.rank < ranks.blocks {
        (Answer::Block, rule)
    } else if found.may_block && (passes || rule.is_some() || found.may_pass) {
        (Answer::NeedsAddress, None)
    } else if rule.is_some() {
        (Answer::Pass, rule)
    } else if passes {
        (Answer::Pass, None)
    } else if found.may_pass {
        (Answer::NeedsAddress, None)
    } else {
        (Answer::Block, None)
    }
}

fn digest(model: &Model) -> Digest {
    let mut hasher = blake3::Hasher::new();
    for (_, source) in model.sources.iter() {
        hasher.update(&(source.name().len() as u64).to_le_bytes());
        hasher.update(source.name().as_bytes());
        hasher.update(&(source.text().len() as u64).to_le_bytes());
        hasher.update(source.text().as_bytes());
    }
    for set in &model.sets {
        if let crate::model::SetBody::List(list) = &set.body {
            hasher.update(list.digest());
        }
    }
    Digest(*hasher.finalize().as_bytes())
}
