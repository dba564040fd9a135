//! Hash tables of the compiler. What they hold is written by whoever writes the policy, so they need
//! speed, not the strength that the tables of the standard library have against chosen keys.

use foldhash::fast::{FixedState, RandomState};
use std::hash::{BuildHasher, Hash};

/// A map with a fast hash.
pub(crate) type HashMap<K, V> = std::collections::HashMap<K, V, RandomState>;
/// A set with a fast hash.
pub(crate) type HashSet<K> = std::collections::HashSet<K, RandomState>;

/// The hash of a value, the same in every run.
pub(crate) fn hash_of(value: impl Hash) -> u64 {
    FixedState::default().hash_one(value)
}
