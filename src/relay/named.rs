//! The names that a client of UDP has sent to: what was settled of each holds for a few seconds.
//! It is kept by name, apart from what was said of addresses, for a rule may speak of the one or of
//! the other: an address that a name leads to is no address that the client may name itself.

use rustsocks_compiler::Permit;
use rustsocks_compiler::model::Name;
use std::collections::HashMap;
use tokio::time::Instant;

/// Names that are remembered.
const MOST: usize = 256;

/// Names with what was settled of them.
#[derive(Debug, Default)]
pub(super) struct Names {
    known: HashMap<(Name, u16), Named>,
}

/// What was settled of a name.
#[derive(Debug)]
pub(super) struct Named {
    /// The rights to send to its addresses, those to be preferred first; none if it is blocked.
    permits: Vec<Permit>,
    /// The one that was sent to last.
    at: usize,
    holds: Instant,
}

impl Names {
    /// What is known of a name now.
    pub(super) fn of(&mut self, name: &Name, port: u16, now: Instant) -> Option<&mut Named> {
        self.known.get_mut(&(name.clone(), port)).filter(|named| named.holds > now)
    }

    /// Remembers a name until `holds`.
    pub(super) fn keep(&mut self, name: Name, port: u16, permits: Vec<Permit>, holds: Instant) {
        if self.known.len() >= MOST {
            self.known.clear();
        }
        self.known.insert((name, port), Named { permits, at: 0, holds });
    }

    /// Forgets everything.
    pub(super) fn clear(&mut self) {
        self.known.clear();
    }
}

impl Named {
    /// The permits in the order in which they are to be tried, each with its place: the one that
    /// was good last time comes first.
    pub(super) fn in_turn(&self) -> impl Iterator<Item = (usize, &Permit)> {
        let (before, after) = self.permits.split_at(self.at.min(self.permits.len()));
        let after = after.iter().enumerate().map(|(place, permit)| (before.len() + place, permit));
        after.chain(before.iter().enumerate())
    }

    /// Whether it is blocked.
    pub(super) fn is_blocked(&self) -> bool {
        self.permits.is_empty()
    }

    /// Notes the place of the permit that was good.
    pub(super) fn was_good(&mut self, place: usize) {
        self.at = place;
    }

    /// The permit that was sent with last, or would be next.
    pub(super) fn current(&self) -> Option<&Permit> {
        self.permits.get(self.at)
    }
}
