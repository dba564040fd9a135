//! Requests in words that contradict themselves: no client can ask so.

use super::Words;
use crate::model::{Model, Test};
use crate::request::{Command, ProxyProtocol};
use crate::sample::Sample;

/// How those who ask call the parts of a request.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Form {
    /// Fields of an object: `to`.
    Fields,
    /// Flags of a command: `--to`.
    Flags,
}

impl Form {
    fn name(self, part: &str) -> String {
        match self {
            Self::Fields => format!("`{part}`"),
            Self::Flags => format!("`--{part}`"),
        }
    }

    fn says(self, part: &str, value: &str) -> String {
        match self {
            Self::Fields => format!("`{part}: {value}`"),
            Self::Flags => format!("`--{part} {value}`"),
        }
    }
}

impl Words {
    /// What in a request contradicts itself, if anything does; `sample` is what was read of it.
    pub fn contradiction(&self, model: &Model, sample: &Sample, form: Form) -> Option<String> {
        self.two_ports(sample, form)
            .or_else(|| self.address_of_no_name(sample, form))
            .or_else(|| not_carried(sample))
            .or_else(|| self.user_and_method(sample, form))
            .or_else(|| self.group_of_the_policy(model, form))
    }

    fn two_ports(&self, sample: &Sample, form: Form) -> Option<String> {
        let (port, to) = (self.port?, self.to.as_deref()?);
        (port != sample.port).then(|| {
            let (to, name) = (form.says("to", to), form.name("port"));
            format!("{to} has the port {} and {name} says {port}; say one of them", sample.port)
        })
    }

    fn address_of_no_name(&self, sample: &Sample, form: Form) -> Option<String> {
        if self.addresses.is_empty() || sample.name().is_some() {
            return None;
        }
        let to = match &self.to {
            Some(to) => form.says("to", to),
            None => format!("no {}", form.name("to")),
        };
        let address = form.name("address");
        Some(format!("{address} says what a name resolves to, and {to} is no name; leave it out"))
    }

    fn user_and_method(&self, sample: &Sample, form: Form) -> Option<String> {
        let method = sample.method.to_string();
        let says = form.says("method", &method);
        match (&self.user, sample.method.method.names_a_user()) {
            (Some(user), false) => {
                Some(format!("{says} tells no user, so nobody is `{user}` by it; leave one of them out"))
            }
            (None, true) => Some(format!("{says} tells who the user is; say {} as well", form.name("user"))),
            _ => None,
        }
    }

    /// A group of the system may be called as one of the policy, but then a rule asks for it.
    fn group_of_the_policy(&self, model: &Model, form: Form) -> Option<String> {
        let asked = |group: &str| {
            model.has_test(|test| match test {
                Test::Group(names) => names.iter().any(|name| &**name == group),
                _ => false,
            })
        };
        let group = self.groups.iter().find(|name| !asked(name)).and_then(|name| model.group(name))?;
        let member = group.members.first().map_or("NAME", |member| &**member);
        let part = match form {
            Form::Fields => "groups",
            Form::Flags => "group",
        };
        Some(format!(
            "`{}` is a group of the policy: its members are those that the policy names, such as {}; \
             {} is for groups of the system",
            group.name,
            form.says("user", member),
            form.name(part)
        ))
    }
}

fn not_carried(sample: &Sample) -> Option<String> {
    let carried = match sample.proxy_protocol {
        ProxyProtocol::Socks5 => true,
        ProxyProtocol::Socks4 => !matches!(sample.command, Command::UdpAssociate | Command::UdpReply),
        ProxyProtocol::Http => sample.command == Command::Connect,
    };
    (!carried).then(|| {
        let (protocol, command) = (sample.proxy_protocol, sample.command);
        format!("there is no `{command}` in `{protocol}`: SOCKS 4 has no datagrams, HTTP only `connect`")
    })
}
