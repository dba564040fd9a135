//! What the policy in force says to a request in words, and why.

use super::{ExplainAsk, ExplainRequest};
use rustsocks_compiler::explain::{self, Form, Words};
use rustsocks_compiler::model::Timestamp;
use serde_json::{Value, json};

/// The verdict on a request, the rule behind it, its place, and the reasons. Nothing is resolved:
/// a name whose address matters and is not given needs it.
///
/// # Errors
/// Names what in the request cannot be read, or contradicts itself.
pub fn explain(ask: &ExplainAsk) -> Result<Value, String> {
    let ExplainAsk { policy, request, now } = ask;
    let words = words(request);
    let mut sample = words.read(policy.model()).map_err(|mistake| mistake.to_string())?;
    if let Some(why) = words.contradiction(policy.model(), &sample, Form::Fields) {
        return Err(why);
    }
    if request.time.is_none() {
        sample.time = Timestamp(now.0 / 1_000_000);
    }
    let explanation = explain::explain(policy, &sample);
    let mut value = serde_json::to_value(&explanation).map_err(|error| error.to_string())?;
    if let Some(object) = value.as_object_mut() {
        let model = policy.model();
        let rule = explanation.by.as_ref().and_then(|by| {
            let found = model.rules.iter().find(|rule| Some(rule.span) == by.span)?;
            Some((model.line(found.head), found.note.as_deref()))
        });
        object.insert("rule".into(), explanation.by.as_ref().map(|by| by.label.clone()).into());
        object.insert("rule_place".into(), rule.as_ref().map(|(place, _)| place.clone()).into());
        object.insert("note".into(), json!(rule.and_then(|(_, note)| note)));
    }
    Ok(value)
}

fn words(request: &ExplainRequest) -> Words {
    Words {
        user: request.user.clone(),
        groups: request.groups.clone(),
        from: request.from.clone(),
        to: request.to.clone(),
        port: request.port,
        addresses: request.address.iter().chain(&request.addresses).cloned().collect(),
        command: request.command.clone(),
        method: request.method.clone(),
        client_method: request.clientmethod.clone(),
        proxy_protocol: request.protocol.clone(),
        listener: request.listener.clone(),
        certificate: request.cert.clone(),
        time: request.time.clone(),
    }
}
