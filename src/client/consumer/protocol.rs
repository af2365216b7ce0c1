//! What members tell each other through the coordinator: subscriptions and assignments, versions 0 to 3.
//!
//! ```text
//! subscription: version i16 | topics [string] | user data bytes or null | owned [topic string, partitions [i32]] (1+)
//!               | generation i32 (2+) | rack string or null (3+)
//! assignment:   version i16 | [topic string, partitions [i32]] | user data bytes or null
//! sticky:       [topic string, partitions [i32]] | generation i32          cooperative-sticky: generation i32
//! ```
//! All of it comes from other programs: nothing is allocated from a declared count, fields of newer versions are passed
//! over (Kafka: `ConsumerProtocol`, KIP-429, KIP-792, KIP-881).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bytes::{BufMut, Bytes, BytesMut};

use super::TopicPartition;
use super::assign::{Assignor, MemberSubscription};

/// The protocol type of consumer groups.
pub(crate) const PROTOCOL_TYPE: &str = "consumer";
/// The version that is written; every reader takes what it knows of it.
const VERSION: i16 = 3;

/// Bytes that are no subscription or assignment.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProtocolError {
    /// The bytes end too early.
    #[error("the bytes end inside {0}")]
    Truncated(&'static str),
    /// A length or count below zero.
    #[error("{what} declares a length of {declared}")]
    Length {
        /// The field.
        what: &'static str,
        /// The impossible number.
        declared: i32,
    },
    /// Text that is not UTF-8.
    #[error("{0} is not UTF-8")]
    Text(&'static str),
    /// A version below zero.
    #[error("version {0} is none")]
    Version(i16),
}

/// What a member wants and has.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Subscription {
    pub(crate) topics: BTreeSet<Arc<str>>,
    pub(crate) user_data: Option<Bytes>,
    pub(crate) owned: Vec<TopicPartition>,
    pub(crate) generation: Option<i32>,
    pub(crate) rack: Option<Arc<str>>,
}

impl Subscription {
    /// The metadata that a member joins with under one assignor.
    pub(crate) fn for_assignor(
        assignor: Assignor,
        topics: &BTreeSet<Arc<str>>,
        owned: &[TopicPartition],
        before: Option<(i32, &[TopicPartition])>,
    ) -> Self {
        let user_data = match (assignor, before) {
            (Assignor::Sticky, Some((generation, assigned))) => Some(sticky_data(assigned, generation)),
            (Assignor::CooperativeSticky, before) => {
                let generation = before.map_or(-1, |(generation, _)| generation);
                Some(Bytes::copy_from_slice(&generation.to_be_bytes()))
            }
            _ => None,
        };
        let generation = before.map(|(generation, _)| generation);
        Self { topics: topics.clone(), user_data, owned: owned.to_vec(), generation, rack: None }
    }

    pub(crate) fn encode(&self) -> Bytes {
        self.encode_as(VERSION)
    }

    fn encode_as(&self, version: i16) -> Bytes {
        let mut out = BytesMut::new();
        out.put_i16(version);
        out.put_i32(self.topics.len() as i32);
        self.topics.iter().for_each(|topic| put_text(&mut out, topic));
        put_data(&mut out, self.user_data.as_deref());
        if version >= 1 {
            put_partitions(&mut out, &self.owned);
        }
        if version >= 2 {
            out.put_i32(self.generation.unwrap_or(-1));
        }
        if version >= 3 {
            match &self.rack {
                Some(rack) => put_text(&mut out, rack),
                None => out.put_i16(-1),
            }
        }
        out.freeze()
    }

    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, ProtocolError> {
        let mut from = Reader(bytes);
        let version = from.version()?;
        let topics = from.array("topics", |from| from.text("topic"))?.into_iter().collect();
        let user_data = from.data("user data")?;
        let owned = if version >= 1 { from.partitions()? } else { Vec::new() };
        let generation = if version >= 2 { Some(from.i32("generation")?).filter(|known| *known >= 0) } else { None };
        let rack = if version >= 3 { from.nullable_text("rack")? } else { None };
        Ok(Self { topics, user_data, owned, generation, rack })
    }

    /// What the assignor makes of it: the sticky one trusts its user data alone, since its members own nothing while they
    /// join; the cooperative one the fields, and its user data for the generation of old members.
    pub(crate) fn seen_by(self, assignor: Assignor, instance: Option<Arc<str>>) -> MemberSubscription {
        let (owned, generation) = match assignor {
            Assignor::Sticky => self.user_data.as_deref().and_then(read_sticky_data).unwrap_or_default(),
            Assignor::CooperativeSticky => {
                let told = || self.user_data.as_deref().and_then(|data| Reader(data).i32("generation").ok());
                (self.owned, self.generation.or_else(told).filter(|known| *known >= 0))
            }
            Assignor::Range | Assignor::RoundRobin => (self.owned, self.generation),
        };
        MemberSubscription { instance, topics: self.topics, owned, generation }
    }
}

/// The user data of the sticky assignor, version 1.
fn sticky_data(assigned: &[TopicPartition], generation: i32) -> Bytes {
    let mut out = BytesMut::new();
    put_partitions(&mut out, assigned);
    out.put_i32(generation);
    out.freeze()
}

fn read_sticky_data(data: &[u8]) -> Option<(Vec<TopicPartition>, Option<i32>)> {
    let mut from = Reader(data);
    let owned = from.partitions().ok()?;
    // Version 0 has no generation.
    Some((owned, from.i32("generation").ok().filter(|known| *known >= 0)))
}

/// The bytes of what one member is to read.
pub(crate) fn encode_assignment(partitions: &[TopicPartition]) -> Bytes {
    let mut out = BytesMut::new();
    out.put_i16(VERSION);
    put_partitions(&mut out, partitions);
    put_data(&mut out, None);
    out.freeze()
}

/// What one member is to read. No bytes at all stand for nothing, as some leaders leave members out.
pub(crate) fn decode_assignment(bytes: &[u8]) -> Result<Vec<TopicPartition>, ProtocolError> {
    if bytes.is_empty() {
        return Ok(Vec::new());
    }
    let mut from = Reader(bytes);
    from.version()?;
    from.partitions()
}

fn put_text(out: &mut BytesMut, text: &str) {
    // Topic names and racks are far shorter than 32 KiB; a longer one could not have come from a broker.
    out.put_i16(text.len() as i16);
    out.put_slice(text.as_bytes());
}

fn put_data(out: &mut BytesMut, data: Option<&[u8]>) {
    out.put_i32(data.map_or(-1, |data| data.len() as i32));
    out.put_slice(data.unwrap_or_default());
}

fn put_partitions(out: &mut BytesMut, partitions: &[TopicPartition]) {
    let mut by_topic: BTreeMap<&str, Vec<i32>> = BTreeMap::new();
    for one in partitions {
        by_topic.entry(&one.topic).or_default().push(one.partition);
    }
    out.put_i32(by_topic.len() as i32);
    for (topic, numbers) in by_topic {
        put_text(out, topic);
        out.put_i32(numbers.len() as i32);
        numbers.into_iter().for_each(|number| out.put_i32(number));
    }
}

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, len: usize, what: &'static str) -> Result<&'a [u8], ProtocolError> {
        let (head, rest) = self.0.split_at_checked(len).ok_or(ProtocolError::Truncated(what))?;
        self.0 = rest;
        Ok(head)
    }

    fn i16(&mut self, what: &'static str) -> Result<i16, ProtocolError> {
        let bytes = self.take(2, what)?;
        Ok(i16::from_be_bytes([bytes[0], bytes[1]]))
    }

    fn i32(&mut self, what: &'static str) -> Result<i32, ProtocolError> {
        let bytes = self.take(4, what)?;
        Ok(i32::from_be_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]))
    }

    fn version(&mut self) -> Result<i16, ProtocolError> {
        let version = self.i16("version")?;
        if version < 0 { Err(ProtocolError::Version(version)) } else { Ok(version) }
    }

    fn nullable_text(&mut self, what: &'static str) -> Result<Option<Arc<str>>, ProtocolError> {
        let declared = self.i16(what)?;
        if declared == -1 {
            return Ok(None);
        }
        let wrong = |_| ProtocolError::Length { what, declared: i32::from(declared) };
        let bytes = self.take(usize::try_from(declared).map_err(wrong)?, what)?;
        std::str::from_utf8(bytes).map(|text| Some(text.into())).map_err(|_| ProtocolError::Text(what))
    }

    fn text(&mut self, what: &'static str) -> Result<Arc<str>, ProtocolError> {
        self.nullable_text(what)?.ok_or(ProtocolError::Length { what, declared: -1 })
    }

    fn data(&mut self, what: &'static str) -> Result<Option<Bytes>, ProtocolError> {
        match self.i32(what)? {
            -1 => Ok(None),
            declared => {
                let len = usize::try_from(declared).map_err(|_| ProtocolError::Length { what, declared })?;
                self.take(len, what).map(|bytes| Some(Bytes::copy_from_slice(bytes)))
            }
        }
    }

    fn array<T>(
        &mut self,
        what: &'static str,
        mut element: impl FnMut(&mut Self) -> Result<T, ProtocolError>,
    ) -> Result<Vec<T>, ProtocolError> {
        let declared = self.i32(what)?;
        let count = usize::try_from(declared).map_err(|_| ProtocolError::Length { what, declared })?;
        // Grows as elements are read: every one takes bytes, so a lying count ends soon.
        let mut values = Vec::new();
        for _ in 0..count {
            values.push(element(self)?);
        }
        Ok(values)
    }

    fn partitions(&mut self) -> Result<Vec<TopicPartition>, ProtocolError> {
        let by_topic = self.array("partitions by topic", |from| {
            let topic = from.text("topic")?;
            let numbers = from.array("partitions", |from| from.i32("partition"))?;
            Ok(numbers.into_iter().map(move |number| TopicPartition::new(topic.clone(), number)).collect::<Vec<_>>())
        })?;
        Ok(by_topic.into_iter().flatten().collect())
    }
}

#[cfg(test)]
mod tests;
