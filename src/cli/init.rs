//! `rustsocks init`: a policy to start from.

use super::{Exit, Failure, complain, print};
use std::fs::OpenOptions;
use std::io::{ErrorKind, Write};
use std::path::PathBuf;

/// Flags of `rustsocks init`.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct Args {
    /// What the proxy is for; without it the situations are listed.
    #[arg(value_enum, value_name = "SITUATION")]
    situation: Option<Situation>,

    /// Writes a file instead of standard output; one that is there is left alone.
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
}

/// What a proxy is for.
#[derive(Clone, Copy, Debug, Eq, PartialEq, clap::ValueEnum)]
pub enum Situation {
    /// A jump host: administrators reach servers inside, and nothing else.
    Bastion,
    /// A fleet of crawlers: the whole web, and never the inside.
    Crawler,
    /// A lab or a class: reached by name, by hours, within limits.
    Lab,
    /// One machine for its own programs.
    Laptop,
    /// A company's way to the web, with users and groups.
    Office,
}

impl Situation {
    /// All, by name.
    pub const ALL: [Self; 5] = [Self::Bastion, Self::Crawler, Self::Lab, Self::Laptop, Self::Office];

    /// Its policy.
    pub fn policy(self) -> &'static str {
        match self {
            Self::Bastion => include_str!("../../policies/bastion.policy"),
            Self::Crawler => include_str!("../../policies/crawler.policy"),
            Self::Lab => include_str!("../../policies/lab.policy"),
            Self::Laptop => include_str!("../../policies/laptop.policy"),
            Self::Office => include_str!("../../policies/office.policy"),
        }
    }

    fn line(self) -> &'static str {
        match self {
            Self::Bastion => "bastion   a jump host: administrators reach servers inside, and nothing else",
            Self::Crawler => "crawler   a fleet of crawlers: the whole web, and never the inside",
            Self::Lab => "lab       a lab or a class: named sites, by hours",
            Self::Laptop => "laptop    one machine for its own programs",
            Self::Office => "office    a company's way to the web, with users and groups",
        }
    }
}

/// Writes a policy.
///
/// # Errors
/// Where the file is there already or can not be written.
pub fn run(args: &Args) -> Result<Exit, Failure> {
    let Some(situation) = args.situation else {
        let lines = Situation::ALL.map(Situation::line).join("\n");
        print(format_args!("{lines}\n\nrustsocks init SITUATION -o FILE\n"));
        return Ok(Exit::Ok);
    };
    let Some(path) = &args.output else {
        print(situation.policy());
        return Ok(Exit::Ok);
    };
    let failed = |error: std::io::Error| match error.kind() {
        ErrorKind::AlreadyExists => {
            Failure::usage(format!("`{}` is there already, and is left alone", path.display()))
        }
        _ => Failure::config(format!("`{}` can not be written: {error}", path.display())),
    };
    let mut file = OpenOptions::new().write(true).create_new(true).open(path).map_err(failed)?;
    file.write_all(situation.policy().as_bytes()).and_then(|()| file.sync_all()).map_err(failed)?;
    complain(format_args!(
        "wrote `{0}`; change what it says of your networks, then: rustsocks check {0}",
        path.display()
    ));
    Ok(Exit::Ok)
}
