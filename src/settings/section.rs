//! How a section of the settings is written down: once, as a list of fields with default, unit and
//! doc. Everything else (defaults, the file, the environment, `--set`, the printed table and the
//! reference) follows from that list.

use super::text;
use serde::Serialize;

/// One field as people read about it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Field {
    /// Its name inside its section.
    pub name: &'static str,
    /// What it is, in one sentence or two.
    pub doc: &'static str,
    /// What its number counts, or the form of its text.
    pub unit: &'static str,
}

/// A group of fields, such as `timeouts`.
pub trait Section {
    /// Its fields in the order they are written down.
    const FIELDS: &'static [Field];

    /// Sets one field from text, as the environment and `--set` give it.
    ///
    /// # Errors
    /// `None`: there is no such field; else what is wrong with the text.
    fn set(&mut self, field: &str, value: &str) -> Result<(), Option<String>>;

    /// A field as RON; `None` where there is no such field.
    fn show(&self, field: &str) -> Option<String>;

    /// A field as JSON; `None` where there is no such field.
    fn json(&self, field: &str) -> Option<serde_json::Value>;
}

/// A value as one line of RON.
pub(super) fn show<T: Serialize>(value: &T) -> String {
    text::options().to_string(value).unwrap_or_default()
}

/// A value as JSON.
pub(super) fn json<T: Serialize>(value: &T) -> serde_json::Value {
    serde_json::to_value(value).unwrap_or_default()
}

/// Declares a section: `/// doc` then `name: Type = default, "unit";` for each field.
macro_rules! section {
    (
        $(#[doc = $about:literal])+
        $section:ident {
            $( $(#[doc = $doc:literal])+ $name:ident: $type:ty = $default:expr, $unit:literal; )+
        }
    ) => {
        $(#[doc = $about])+
        #[derive(Clone, Debug, PartialEq, serde::Deserialize, serde::Serialize)]
        #[serde(default, deny_unknown_fields)]
        pub struct $section {
            $( $(#[doc = $doc])+ #[doc = concat!("\n\n(", $unit, ")")] pub $name: $type, )+
        }

        impl Default for $section {
            fn default() -> Self {
                Self { $( $name: $default, )+ }
            }
        }

        impl $crate::settings::Section for $section {
            const FIELDS: &'static [$crate::settings::Field] = &[
                $( $crate::settings::Field {
                    name: stringify!($name),
                    doc: concat!($($doc),+).trim_ascii(),
                    unit: $unit,
                }, )+
            ];

            fn set(&mut self, field: &str, value: &str) -> Result<(), Option<String>> {
                match field {
                    $( stringify!($name) => {
                        self.$name = $crate::settings::text::parse(value).map_err(Some)?;
                    } )+
                    _ => return Err(None),
                }
                Ok(())
            }

            fn show(&self, field: &str) -> Option<String> {
                match field {
                    $( stringify!($name) => Some($crate::settings::section::show(&self.$name)), )+
                    _ => None,
                }
            }

            fn json(&self, field: &str) -> Option<serde_json::Value> {
                match field {
                    $( stringify!($name) => Some($crate::settings::section::json(&self.$name)), )+
                    _ => None,
                }
            }
        }
    };
}
pub(super) use section;
