//! `rustsocks settings`: what is in force, and why.

use super::{Exit, Failure, SettingsOptions, print};
use crate::settings::{Effective, Origin};
use serde_json::json;

/// Flags of `rustsocks settings`.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct Args {
    /// As JSON.
    #[arg(long)]
    json: bool,

    /// Only what is not the default.
    #[arg(long)]
    changed: bool,

    /// With what each setting is.
    #[arg(long, conflicts_with = "json")]
    explain: bool,

    #[command(flatten)]
    options: SettingsOptions,
}

/// Prints the effective settings.
///
/// # Errors
/// Where they can not be used.
pub fn run(args: &Args) -> Result<Exit, Failure> {
    let effective = args.options.resolve()?;
    print(if args.json { as_json(&effective, args) } else { as_text(&effective, args) });
    Ok(Exit::Ok)
}

fn as_text(effective: &Effective, args: &Args) -> String {
    let entries: Vec<_> = shown(effective, args).collect();
    let width = entries.iter().map(|entry| entry.path.len()).max().unwrap_or(0);
    let values = entries.iter().map(|entry| entry.value.len()).filter(|&length| length <= 40).max();
    let values = values.unwrap_or(0);
    let mut text = String::new();
    for entry in entries {
        let origin = match (&entry.origin, &effective.file) {
            (Origin::File, Some(file)) => file.display().to_string(),
            (origin, _) => origin.to_string(),
        };
        if args.explain {
            text += &format!("# {} ({})\n", entry.doc, entry.unit);
        }
        text += &format!("{:width$} = {:values$}  # {origin}\n", entry.path, entry.value);
    }
    text
}

fn as_json(effective: &Effective, args: &Args) -> String {
    let entries: serde_json::Map<String, serde_json::Value> = shown(effective, args)
        .map(|entry| {
            let value = json!({ "value": entry.json, "origin": entry.origin.to_string() });
            (entry.path, value)
        })
        .collect();
    format!("{:#}\n", serde_json::Value::Object(entries))
}

fn shown<'a>(
    effective: &'a Effective,
    args: &'a Args,
) -> impl Iterator<Item = crate::settings::Entry> + use<'a> {
    effective.entries().into_iter().filter(|entry| !args.changed || entry.origin != Origin::Default)
}
