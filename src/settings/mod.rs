//! The settings of the server: defaults, a RON file, the environment and flags, in rising order of
//! precedence.
//!
//! A field is written down once, in [`sections`]; a section once more, in [`Settings`]. From there
//! follow the file (`timeouts: (handshake: "5s")`), the environment
//! (`RUSTSOCKS_TIMEOUTS_HANDSHAKE=5s`), `--set timeouts.handshake=5s` and `rustsocks settings`.

mod layers;
mod nearest;
mod section;
pub mod sections;
mod text;
pub mod value;

pub use layers::{Effective, Entry, Layers, Origin, SettingsError};
pub use nearest::nearest;
pub use section::{Field, Section};

use sections::{
    Api, Auth, Bind, Limits, Listener, Log, Metrics, Policy, Privileges, Relay, Resolver, Runtime, Store,
    Timeouts, Udp,
};

/// Declares the whole: the list of listeners and one field for each section.
macro_rules! settings {
    ($( $(#[doc = $doc:literal])+ $name:ident: $section:ty, )+) => {
        /// All settings.
        #[derive(Clone, Debug, PartialEq, serde::Deserialize, serde::Serialize)]
        #[serde(default, deny_unknown_fields)]
        pub struct Settings {
            /// Where clients are served.
            pub listeners: Vec<Listener>,
            $( $(#[doc = $doc])+ pub $name: $section, )+
        }

        impl Default for Settings {
            fn default() -> Self {
                Self { listeners: vec![Listener::default()], $( $name: Default::default(), )+ }
            }
        }

        impl Settings {
            /// The sections with their fields, in the order they are written down.
            pub const SECTIONS: &'static [(&'static str, &'static [Field])] =
                &[$( (stringify!($name), <$section as Section>::FIELDS), )+];

            /// One section.
            pub fn section(&self, name: &str) -> Option<&dyn Show> {
                match name {
                    $( stringify!($name) => Some(&self.$name), )+
                    _ => None,
                }
            }

            fn section_mut(&mut self, name: &str) -> Option<&mut dyn Change> {
                match name {
                    $( stringify!($name) => Some(&mut self.$name), )+
                    _ => None,
                }
            }
        }
    };
}

settings! {
    /// The HTTP API.
    api: Api,
    /// The policy.
    policy: Policy,
    /// The record of sessions.
    store: Store,
    /// How long we wait for others.
    timeouts: Timeouts,
    /// How much we take on.
    limits: Limits,
    /// UDP ASSOCIATE.
    udp: Udp,
    /// BIND.
    bind: Bind,
    /// How bytes are moved.
    relay: Relay,
    /// Names to addresses.
    resolver: Resolver,
    /// Who clients are.
    auth: Auth,
    /// What the process may do.
    privileges: Privileges,
    /// The log.
    log: Log,
    /// What Prometheus reads.
    metrics: Metrics,
    /// The machinery below.
    runtime: Runtime,
}

/// Reads one field of any section.
pub trait Show {
    /// A field as RON.
    fn show(&self, field: &str) -> Option<String>;
    /// A field as JSON.
    fn json(&self, field: &str) -> Option<serde_json::Value>;
}

impl<S: Section> Show for S {
    fn show(&self, field: &str) -> Option<String> {
        Section::show(self, field)
    }

    fn json(&self, field: &str) -> Option<serde_json::Value> {
        Section::json(self, field)
    }
}

trait Change {
    fn set(&mut self, field: &str, value: &str) -> Result<(), Option<String>>;
}

impl<S: Section> Change for S {
    fn set(&mut self, field: &str, value: &str) -> Result<(), Option<String>> {
        Section::set(self, field, value)
    }
}
