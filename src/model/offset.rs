//! Positions in a partition's log.

use serde::{Deserialize, Serialize};

/// A record's position in its partition; an *end* offset is exclusive, one past the last record.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Offset(pub i64);

impl Offset {
    /// The first offset of an empty log.
    pub const ZERO: Self = Self(0);
    /// "Not known", as Kafka writes it on the wire.
    pub const NONE: Self = Self(-1);

    /// The bare number.
    pub fn get(self) -> i64 {
        self.0
    }

    /// This offset moved up by `count` records; saturates at the end of the number range.
    pub fn plus(self, count: i64) -> Self {
        Self(self.0.saturating_add(count))
    }

    /// How many offsets lie between `earlier` and this one; negative if `earlier` is later.
    pub fn since(self, earlier: Self) -> i64 {
        self.0.saturating_sub(earlier.0)
    }
}

impl std::fmt::Display for Offset {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}
