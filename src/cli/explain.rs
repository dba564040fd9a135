//! `rustsocks explain`: why a request is passed or blocked, and what would change that.

use super::excerpt::Excerpt;
use super::source::{Source, SourceOptions};
use super::{Exit, Failure, complain, is_colored, print};
use crate::policy::{PolicySource, Rejected};
use crate::resolve::Resolver;
use crate::session::{SessionId, SessionView, UnixMicros};
use rustsocks_compiler::Policy;
use rustsocks_compiler::explain::{self, Explanation, Form, Holds, Outcome, Words};
use rustsocks_compiler::model::{Model, Test, Timestamp};
use rustsocks_compiler::sample::Sample;
use rustsocks_compiler::source::Span;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

/// Flags of `rustsocks explain`.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// A session on record, instead of a request: judged by the policy that was in force then.
    #[arg(value_name = "ID", conflicts_with_all = ["to", "last", "policy"])]
    id: Option<String>,

    /// The last blocked sessions, instead of a request; `--user` and `--from` narrow them down.
    #[arg(long, value_name = "COUNT", num_args = 0..=1, default_missing_value = "1", value_parser = clap::value_parser!(u32).range(1..), conflicts_with_all = ["to", "policy"])]
    last: Option<u32>,

    /// The user.
    #[arg(long)]
    user: Option<String>,

    /// A system group of the user; may be repeated.
    #[arg(long)]
    group: Vec<String>,

    /// Address of the client; 127.0.0.1 if not said.
    #[arg(long, value_name = "ADDRESS")]
    from: Option<String>,

    /// What is asked for, such as `example.com:443`; without it only the client stage is asked.
    #[arg(long, value_name = "HOST[:PORT]")]
    to: Option<String>,

    /// The port, if `--to` has none; 443 if not said.
    #[arg(long)]
    port: Option<u16>,

    /// An address that the name resolves to, instead of asking DNS; may be repeated.
    #[arg(long, value_name = "ADDRESS")]
    address: Vec<String>,

    /// `connect`, `bind`, `udpassociate`, `bindreply` or `udpreply`.
    #[arg(long)]
    command: Option<String>,

    /// `none`, `password`, `pam.username` and the like.
    #[arg(long)]
    method: Option<String>,

    /// How the client was known at accept: `none`, `pam.address` or `certificate`.
    #[arg(long, value_name = "METHOD")]
    clientmethod: Option<String>,

    /// `socks5`, `socks4` or `http`.
    #[arg(long, value_name = "PROTOCOL")]
    proxyprotocol: Option<String>,

    /// The name of the listener; `main` if not said.
    #[arg(long, value_name = "NAME")]
    listen: Option<String>,

    /// A subject name of the client's certificate; may be repeated.
    #[arg(long, value_name = "NAME")]
    cert: Vec<String>,

    /// `"mon 09:30"`, `"2026-01-07 09:30"` or RFC 3339; now if not said.
    #[arg(long)]
    time: Option<String>,

    /// The policy instead of that of the settings.
    #[arg(long, value_name = "FILE")]
    policy: Option<PathBuf>,

    /// Asks DNS for nothing, also where the verdict needs the address.
    #[arg(long)]
    offline: bool,

    /// Asks DNS for the addresses of the name, also where the verdict is settled without.
    #[arg(long, conflicts_with = "offline")]
    resolve: bool,

    /// As JSON.
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    source: SourceOptions,
}

/// Explains a request, a session, or the last blocked ones.
///
/// # Errors
/// Words that cannot be read; a policy or records that cannot be had.
pub fn run(args: &Args) -> Result<Exit, Failure> {
    match (&args.id, args.last) {
        (Some(id), _) => {
            if id.parse::<SessionId>().is_err() {
                let why = "is no id of a session; write one as records have it, or ask with `--to`";
                return Err(Failure::usage(format!("`{id}` {why}")));
            }
            let source = args.source.open()?;
            let session = source.one(id)?;
            past(args, &source, &session)
        }
        (None, Some(count)) => last(args, count),
        (None, None) => hypothetical(args),
    }
}

fn hypothetical(args: &Args) -> Result<Exit, Failure> {
    let Some(policy) = load(args.policy.as_ref(), &args.source)? else { return Ok(Exit::Config) };
    let words = Words {
        user: args.user.clone(),
        groups: args.group.clone(),
        from: args.from.clone(),
        to: args.to.clone(),
        port: args.port,
        addresses: args.address.clone(),
        command: args.command.clone(),
        method: args.method.clone(),
        client_method: args.clientmethod.clone(),
        proxy_protocol: args.proxyprotocol.clone(),
        listener: args.listen.clone(),
        certificate: args.cert.clone(),
        time: args.time.clone(),
    };
    let mut sample = words.read(policy.model()).map_err(Failure::usage)?;
    if let Some(why) = words.contradiction(policy.model(), &sample, Form::Flags) {
        return Err(Failure::usage(why));
    }
    if let Some(listener) = args.listen.as_deref().filter(|name| !is_named(policy.model(), name))
        && !args.source.resolve()?.listeners.iter().any(|one| one.name == listener)
    {
        complain(format_args!(
            "rustsocks: note: neither the settings nor the policy have a listener `{listener}`"
        ));
    }
    if args.time.is_none() {
        sample.time = Timestamp(UnixMicros::now().0 / 1_000_000);
    }
    if sample.to.is_none() {
        complain("rustsocks: no `--to`: only the client stage is asked");
    }
    let needed = args.resolve || explain::answer(&policy, &sample) == Outcome::NeedsAddress;
    if sample.name().is_some() && sample.addresses.is_empty() && needed && !args.offline {
        resolve(args, &mut sample)?;
    }
    Ok(show(args, &policy, &sample, None))
}

/// Whether a rule of the policy names a listener.
fn is_named(model: &Model, listener: &str) -> bool {
    model.has_test(|test| match test {
        Test::Listen(names) => names.iter().any(|name| &**name == listener),
        _ => false,
    })
}

/// The policy of a file or of the settings; `None` after its errors have been told.
pub(super) fn load(path: Option<&PathBuf>, source: &SourceOptions) -> Result<Option<Arc<Policy>>, Failure> {
    let mut settings = source.resolve()?;
    if let Some(path) = path {
        if !path.exists() {
            return Err(Failure::usage(format!("there is no policy `{}`", path.display())));
        }
        settings.policy.path = Some(path.clone());
    }
    // What breaks its own tests can be explained all the same.
    match PolicySource::new(&settings).for_questions().load(None).0 {
        Ok(loaded) => Ok(Some(loaded.policy)),
        Err(rejected) => {
            tell(&rejected);
            Ok(None)
        }
    }
}

fn tell(rejected: &Rejected) {
    rejected.lines().iter().for_each(complain);
    complain("rustsocks: the policy is wrong and says nothing; mend what stands above");
}

fn resolve(args: &Args, sample: &mut Sample) -> Result<(), Failure> {
    let Some(name) = sample.name().cloned() else { return Ok(()) };
    let settings = args.source.resolve()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Failure::config(format!("DNS cannot be asked: {error}")))?;
    match runtime.block_on(async { Resolver::new(&settings.resolver).addresses(&name).await }) {
        Ok(addresses) => sample.addresses = addresses,
        Err(error) => complain(format_args!("rustsocks: `{name}` is not resolved: {error}")),
    }
    Ok(())
}

fn last(args: &Args, count: u32) -> Result<Exit, Failure> {
    let source = args.source.open()?;
    let mut pairs = vec![("status".to_owned(), "blocked".to_owned())];
    pairs.extend(args.user.clone().map(|user| ("user".to_owned(), user)));
    pairs.extend(args.from.clone().map(|from| ("client".to_owned(), from)));
    let mut sessions = Vec::new();
    source.each(&pairs, usize::try_from(count).ok(), |session| {
        sessions.push(session);
        Ok(())
    })?;
    if sessions.is_empty() {
        return Err(Failure::missing("no blocked session is on record that fits"));
    }
    for (at, session) in sessions.iter().enumerate() {
        if at > 0 && !args.json {
            print("\n");
        }
        past(args, &source, session)?;
    }
    Ok(Exit::Findings)
}

/// Explains a session by the policy that was in force.
fn past(args: &Args, source: &Source, session: &SessionView) -> Result<Exit, Failure> {
    let (policy, caveat) = revision(args, source, &session.policy)?;
    let words = words_of(session);
    let mut sample = words.read(policy.model()).map_err(Failure::unreachable)?;
    if let Ok(start) = session.start.parse::<UnixMicros>() {
        sample.time = Timestamp(start.0 / 1_000_000);
    }
    let reason = session.close_reason.as_deref().unwrap_or("under way");
    let mut notes = vec![format!("session {}  {}, {reason}, {}", session.id, session.status, session.start)];
    notes.push(on_record(session));
    notes.extend(caveat);
    // A name whose addresses were all blocked was never dialled: the record has no address.
    let needed = sample.addresses.is_empty() && explain::answer(&policy, &sample) == Outcome::NeedsAddress;
    if sample.name().is_some() && needed && !args.offline {
        resolve(args, &mut sample)?;
        if !sample.addresses.is_empty() {
            notes.push("the record has no address: these are what the name has now".into());
        }
    }
    Ok(show(args, &policy, &sample, Some(notes)))
}

/// What the record says of the verdict.
fn on_record(session: &SessionView) -> String {
    let Some(verdict) = &session.verdict else {
        return "the policy was not asked for a verdict in that session".into();
    };
    let (rule, place) = (session.rule.as_deref(), session.rule_place.as_deref().unwrap_or_default());
    let by = match rule {
        Some(rule) if !place.is_empty() => format!("`{rule}`  {place}"),
        _ => "the default".into(),
    };
    format!("on record  {verdict} by {by}")
}

/// The words of a request that was made.
fn words_of(session: &SessionView) -> Words {
    let address = |text: &str| text.parse::<SocketAddr>().ok().map(|address| address.ip().to_string());
    let asked = session.requested.clone();
    let is_name = asked.as_deref().is_some_and(|asked| asked.parse::<SocketAddr>().is_err());
    let target = session.target.as_deref().and_then(address).filter(|_| is_name);
    Words {
        user: session.user.clone(),
        groups: session.groups.clone(),
        from: address(&session.client),
        to: asked,
        addresses: target.into_iter().collect(),
        command: session.command.clone(),
        method: session.method.clone(),
        proxy_protocol: session.protocol.clone(),
        listener: Some(session.listener.clone()),
        certificate: session.certificate.clone(),
        ..Words::default()
    }
}

/// The policy of a digest, and what keeps it from being quite the same.
fn revision(args: &Args, source: &Source, digest: &str) -> Result<(Arc<Policy>, Option<String>), Failure> {
    let kept = source.revision(digest);
    let texts = match kept {
        Ok(texts) => texts,
        Err(failure) => {
            // Without the revision only the policy of now can be asked, and only if it is the same.
            return match load(None, &args.source)? {
                Some(policy) if policy.digest().to_string() == digest => Ok((policy, None)),
                _ => Err(failure),
            };
        }
    };
    let settings = args.source.resolve()?;
    let policy = PolicySource::new(&settings).for_questions().of_texts(texts).map_err(|rejected| {
        tell(&rejected);
        Failure::config("the policy of then is not one for this version, or lacks a list")
    })?;
    let same = policy.digest().to_string() == digest;
    let caveat = "a list of the policy has changed since: it is read as it is now";
    Ok((policy, (!same).then(|| caveat.to_owned())))
}

fn show(args: &Args, policy: &Policy, sample: &Sample, notes: Option<Vec<String>>) -> Exit {
    let explanation = explain::explain(policy, sample);
    if args.json {
        let mut value = serde_json::to_value(&explanation).unwrap_or_default();
        if let (Some(object), Some(notes)) = (value.as_object_mut(), notes) {
            object.insert("notes".into(), notes.into());
        }
        print(format_args!("{value:#}\n"));
    } else {
        for note in notes.into_iter().flatten() {
            print(format_args!("{note}\n"));
        }
        print(&explanation);
        if let Some(drawn) = draw(policy, &explanation) {
            print(format_args!("\n{drawn}"));
        }
    }
    match explanation.outcome {
        Outcome::Pass => Exit::Ok,
        Outcome::Block | Outcome::NeedsAddress => Exit::Findings,
    }
}

/// The deciding rule with its conditions marked.
fn draw(policy: &Policy, explanation: &Explanation) -> Option<String> {
    let by = explanation.by.as_ref()?;
    let span = by.span?;
    let source = policy.model().sources.file(span.file)?;
    let terms =
        || explanation.conditions.iter().filter_map(|term| term.span).filter(|one| one.file == span.file);
    let spans: Vec<Span> = if terms().next().is_some() { terms().collect() } else { vec![span] };
    let excerpt = Excerpt::new(&policy.model().sources, span.file, source.text(), &spans);
    let labels = explanation.conditions.iter().filter_map(|term| {
        let span = term.span.filter(|one| one.file == span.file)?;
        let word = match (&term.through, term.holds) {
            (Some(through), Holds::Yes) => format!("{} {} by {}", term.holds.mark(), term.has, through.value),
            _ => format!("{} {}", term.holds.mark(), term.has),
        };
        Some(miette::LabeledSpan::new_with_span(Some(word), excerpt.place(span)))
    });
    let mut labels: Vec<miette::LabeledSpan> = labels.collect();
    if labels.is_empty() {
        let word = "it has no condition".into();
        labels.push(miette::LabeledSpan::new_with_span(Some(word), excerpt.place(span)));
    }
    let report = miette::MietteDiagnostic::new(format!("{} by {}", by.verdict, by.label))
        .with_severity(miette::Severity::Advice)
        .with_labels(labels);
    let report = miette::Report::new(report).with_source_code(excerpt);
    let theme = if is_colored() {
        miette::GraphicalTheme::unicode()
    } else {
        miette::GraphicalTheme::unicode_nocolor()
    };
    let mut drawn = String::new();
    let handler = miette::GraphicalReportHandler::new_themed(theme).with_width(100);
    handler.render_report(&mut drawn, report.as_ref()).ok()?;
    Some(drawn)
}
