//! Who and what: every identifier its own type.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::sync::Arc;

use crate::TopicName;

macro_rules! number_id {
    ($(#[$doc:meta])* $name:ident($int:ty)) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub $int);

        impl $name {
            /// The bare number.
            pub fn get(self) -> $int {
                self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

number_id!(
    /// A node's id in the cluster; never negative for a real broker.
    BrokerId(i32)
);
number_id!(
    /// A partition's number within its topic, from 0.
    PartitionIndex(i32)
);
number_id!(
    /// An idempotent or transactional producer's id; `-1` when a batch has none (KIP-98).
    ProducerId(i64)
);
number_id!(
    /// A node's own number for one partition replica's log: the key prefix in its storage, never reused.
    LogId(u32)
);

impl ProducerId {
    /// A batch that no idempotent producer sent.
    pub const NONE: Self = Self(-1);
}

/// A topic's identity across renames and re-creation (KIP-516): 16 random bytes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct TopicId(pub uuid::Uuid);

/// Text that is no topic id.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("'{0}' is not a topic id: 22 characters of URL-safe base64 are expected")]
pub struct TopicIdError(pub String);

const BASE64: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

impl TopicId {
    /// "No id": all zero, as Kafka writes it on the wire.
    pub const ZERO: Self = Self(uuid::Uuid::nil());

    /// Takes the id from its 16 bytes.
    pub fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(uuid::Uuid::from_bytes(bytes))
    }

    /// The 16 bytes, most significant first.
    pub fn as_bytes(&self) -> &[u8; 16] {
        self.0.as_bytes()
    }

    /// Reads Kafka's text form: URL-safe base64 without padding, 22 characters.
    pub fn parse(text: &str) -> Result<Self, TopicIdError> {
        let wrong = || TopicIdError(text.chars().take(64).collect());
        if text.len() != 22 {
            return Err(wrong());
        }
        let mut bits: u128 = 0;
        for (at, letter) in text.bytes().enumerate() {
            let six = BASE64.iter().position(|b| *b == letter).ok_or_else(wrong)? as u128;
            if at < 21 {
                bits = (bits << 6) | six;
            } else {
                // 22 letters carry 132 bits; the last four must be zero.
                if six & 0b1111 != 0 {
                    return Err(wrong());
                }
                bits = (bits << 2) | (six >> 4);
            }
        }
        Ok(Self(uuid::Uuid::from_u128(bits)))
    }
}

impl fmt::Display for TopicId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bits = self.0.as_u128();
        let mut text = String::with_capacity(22);
        for at in 0..21 {
            text.push(BASE64[(bits >> (122 - 6 * at)) as usize & 63] as char);
        }
        text.push(BASE64[(bits << 4) as usize & 63] as char);
        f.write_str(&text)
    }
}

impl fmt::Debug for TopicId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The cluster's identity, made once when its first node formats its data; shown to clients.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ClusterId(pub Arc<str>);

impl fmt::Display for ClusterId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A partition by its topic's name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct TopicPartition {
    /// The topic's name.
    pub topic: TopicName,
    /// The partition's number within it.
    pub partition: PartitionIndex,
}

impl fmt::Display for TopicPartition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.topic, self.partition)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_topic_id_survives_its_text_form() {
        for bits in [0u128, 1, u128::MAX, 0x0123_4567_89ab_cdef_0011_2233_4455_6677] {
            let id = TopicId(uuid::Uuid::from_u128(bits));
            assert_eq!(TopicId::parse(&id.to_string()), Ok(id));
        }
    }

    #[test]
    fn kafka_s_zero_id_has_its_known_text() {
        assert_eq!(TopicId::ZERO.to_string(), "AAAAAAAAAAAAAAAAAAAAAA");
    }

    #[test]
    fn a_wrong_topic_id_is_named_in_the_error() {
        for wrong in ["", "AAAA", "AAAAAAAAAAAAAAAAAAAAA!", "AAAAAAAAAAAAAAAAAAAAAB"] {
            assert_eq!(TopicId::parse(wrong), Err(TopicIdError(wrong.to_owned())));
        }
    }
}
