//! Every fencing number, each its own type.

use serde::{Deserialize, Serialize};

macro_rules! epoch {
    ($(#[$doc:meta])* $name:ident($int:ty)) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub $int);

        impl $name {
            /// "Not known", as Kafka writes it on the wire.
            pub const NONE: Self = Self(-1);

            /// The bare number.
            pub fn get(self) -> $int {
                self.0
            }

            /// Whether this is a real epoch and not [`Self::NONE`].
            pub fn is_known(self) -> bool {
                self.0 >= 0
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

epoch!(
    /// Counts the leaderships of one partition; stamped into every batch (KIP-101, KIP-320).
    LeaderEpoch(i32)
);
epoch!(
    /// Counts the changes of one partition's replica state at the controller (KIP-497).
    PartitionEpoch(i32)
);
epoch!(
    /// Fences an older incarnation of the same producer id (KIP-98, KIP-360).
    ProducerEpoch(i16)
);

impl LeaderEpoch {
    /// The epoch of the next leadership.
    pub fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}
