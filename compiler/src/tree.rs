//! The compiled policy. Immutable; shared between connections by `Arc`.

use crate::decision::Decision;
use crate::model::{Model, RuleId};
use crate::oracle::{self, Facts};
use crate::request::{Client, MethodSpec, Principal, Request};
use std::fmt;
use std::sync::Arc;

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
}

impl Policy {
    /// Compiles a model that has no errors.
    pub fn compile(model: Arc<Model>) -> Self {
        let digest = digest(&model);
        Self { model, digest }
    }

    /// The client stage: whether a client may speak to us at all.
    pub fn admit(&self, client: &Client<'_>) -> Decision {
        oracle::admit(&self.model, client)
    }

    /// The socks stage.
    pub fn decide(&self, request: &Request<'_>) -> Decision {
        oracle::decide(&self.model, request)
    }

    /// Whether a request of which only this much is known could still be passed: what is asked
    /// before a UDP association, whose targets come later.
    pub fn could_pass(&self, facts: &Facts<'_>) -> bool {
        oracle::could_pass(&self.model, facts)
    }

    /// The methods that could still lead to a pass for a client, in order of preference.
    pub fn offer(&self, client: &Client<'_>) -> Vec<MethodSpec> {
        oracle::offer(&self.model, client)
    }

    /// Classifies a user once, so that its requests are decided fast.
    pub fn principal(&self, user: Option<Arc<str>>, groups: Vec<Arc<str>>) -> Principal {
        Principal::new(user, groups)
    }

    /// What the policy is called by.
    pub fn digest(&self) -> &Digest {
        &self.digest
    }

    /// What it was made from.
    pub fn model(&self) -> &Arc<Model> {
        &self.model
    }

    /// What a rule is called in records; see [`Model::label`].
    pub fn label(&self, rule: Option<RuleId>) -> String {
        rule.map_or_else(|| "default".into(), |rule| self.model.label(rule))
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
