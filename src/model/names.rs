//! Legal names, and the internal topics that carry the platform's own state.

use serde::{Deserialize, Serialize};
use std::borrow::Borrow;
use std::fmt;
use std::sync::Arc;

use crate::limits::TOPIC_NAME_LEN_MAX;

/// The topic that keeps consumer groups and the offsets that they commit.
pub const CONSUMER_OFFSETS: &str = "__consumer_offsets";

/// A legal topic name: 1 to 249 of `[a-zA-Z0-9._-]`, neither `.` nor `..`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct TopicName(Arc<str>);

/// Why a text is no topic name (Kafka: `Topic.validate`).
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TopicNameError {
    /// Nothing at all.
    #[error("the empty string is not a topic name")]
    Empty,
    /// `.` or `..`.
    #[error("'{0}' is not a topic name")]
    Dots(String),
    /// Longer than the limit.
    #[error("a topic name has at most {max} characters, this one has {given}")]
    TooLong {
        /// Characters given.
        given: usize,
        /// Characters allowed.
        max: usize,
    },
    /// A character outside the legal set.
    #[error("topic name '{name}' contains '{character}', only letters, digits, '.', '_' and '-' of ASCII are legal")]
    Character {
        /// The name, cut to a printable length.
        name: String,
        /// The first illegal character.
        character: char,
    },
}

impl TopicName {
    /// Checks a text against Kafka's rules.
    pub fn new(name: &str) -> Result<Self, TopicNameError> {
        if name.is_empty() {
            return Err(TopicNameError::Empty);
        }
        if name == "." || name == ".." {
            return Err(TopicNameError::Dots(name.to_owned()));
        }
        if name.len() > TOPIC_NAME_LEN_MAX {
            return Err(TopicNameError::TooLong { given: name.chars().count(), max: TOPIC_NAME_LEN_MAX });
        }
        let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
        if let Some(character) = name.chars().find(|c| !legal(*c)) {
            return Err(TopicNameError::Character { name: name.to_owned(), character });
        }
        Ok(Self(name.into()))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether the platform itself writes this topic, so that clients may not (Kafka: `Topic.isInternal`).
    pub fn is_internal(&self) -> bool {
        matches!(self.as_str(), CONSUMER_OFFSETS | "__transaction_state" | "__share_group_state")
    }

    /// Whether both names give the same metric name, since `.` and `_` are one there (Kafka: `Topic.hasCollision`).
    pub fn collides_with(&self, other: &Self) -> bool {
        let same = |(a, b): (u8, u8)| a == b || (matches!(a, b'.' | b'_') && matches!(b, b'.' | b'_'));
        self.0.len() == other.0.len() && self.0.bytes().zip(other.0.bytes()).all(same)
    }
}

impl TryFrom<String> for TopicName {
    type Error = TopicNameError;

    fn try_from(name: String) -> Result<Self, TopicNameError> {
        Self::new(&name)
    }
}

impl From<TopicName> for String {
    fn from(name: TopicName) -> Self {
        name.0.as_ref().to_owned()
    }
}

impl Borrow<str> for TopicName {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for TopicName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for TopicName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&*self.0, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn legal_names_are_taken_as_they_are() {
        for name in ["a", "orders", "a.b_c-D9", "...", &"x".repeat(249)] {
            assert_eq!(TopicName::new(name).map(|n| n.as_str().to_owned()), Ok(name.to_owned()));
        }
    }

    #[test]
    fn illegal_names_say_why() {
        assert_eq!(TopicName::new(""), Err(TopicNameError::Empty));
        assert_eq!(TopicName::new(".."), Err(TopicNameError::Dots("..".into())));
        assert_eq!(TopicName::new(&"x".repeat(250)), Err(TopicNameError::TooLong { given: 250, max: 249 }));
        for wrong in ["a b", "ä", "a/b", "a\n", "a\0"] {
            assert!(matches!(TopicName::new(wrong), Err(TopicNameError::Character { .. })), "{wrong:?}");
        }
    }

    #[test]
    fn names_that_give_one_metric_name_collide() {
        let name = |n| TopicName::new(n).expect("legal");
        assert!(name("a.b").collides_with(&name("a_b")));
        assert!(!name("a.b").collides_with(&name("a-b")));
        assert!(!name("a.b").collides_with(&name("a.bc")));
    }
}
