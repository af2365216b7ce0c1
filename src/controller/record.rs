//! The durable facts of the cluster, one enum; their bytes; and decoding that trusts none of them.
//!
//! ```text
//! record:  format u8 | MessagePack {kind: {field: value, ...}}       kinds and fields have short names
//! entry:   (length u32 big-endian | record)*                         what one decision appends, all or nothing
//! ```
//! A kind or a field that this release does not know is an error and never skipped: whoever replays half of a fact
//! has a different cluster from everybody else.

use bytes::{BufMut, Bytes, BytesMut};
use callboard_model::{BrokerId, LeaderEpoch, PartitionEpoch, PartitionIndex, ProducerId, TopicId, TopicName};
use serde::{Deserialize, Serialize};

mod bounded;

/// The version of the byte format; raised when old bytes mean something else.
const FORMAT: u8 = 1;

/// Bytes of one record; the longest legal one is a config value of 64 KiB, the rest is room for many replicas.
pub const RECORD_LEN_MAX: usize = 1024 * 1024;

/// Nested levels that decoding follows; the deepest record has five.
const DEPTH_MAX: usize = 16;

/// Which run of a broker's process: new on every start (KIP-631).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct IncarnationId(pub uuid::Uuid);

/// Fences an older registration of the same broker: the metadata index that it was decided for (KIP-631).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct BrokerEpoch(pub i64);

/// Where a broker can be reached.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Endpoint {
    /// The listener's name, such as `PLAINTEXT`.
    #[serde(rename = "l")]
    pub listener: String,
    /// The host that clients are told.
    #[serde(rename = "h")]
    pub host: String,
    /// The port that clients are told.
    #[serde(rename = "p")]
    pub port: u16,
}

/// What a [`Record::PartitionChange`] does to the leadership.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum LeaderChange {
    /// The same leader in the same epoch.
    #[default]
    #[serde(rename = "k")]
    Keep,
    /// Nobody leads; the epoch goes up.
    #[serde(rename = "n")]
    Nobody,
    /// This broker leads, be it the same as before; the epoch goes up.
    #[serde(rename = "e")]
    Elect(BrokerId),
}

/// One durable fact. Replayed in order, they are the cluster's metadata.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub enum Record {
    /// A broker is part of the cluster, or came with another incarnation, address or rack.
    #[serde(rename = "rb")]
    RegisterBroker {
        /// Its id.
        #[serde(rename = "b")]
        broker: BrokerId,
        /// Which run of its process.
        #[serde(rename = "i")]
        incarnation: IncarnationId,
        /// Fences its older registrations.
        #[serde(rename = "v")]
        epoch: BrokerEpoch,
        /// Where it is reached.
        #[serde(rename = "e", deserialize_with = "bounded::grow")]
        endpoints: Vec<Endpoint>,
        /// Its failure domain.
        #[serde(rename = "r", default, skip_serializing_if = "Option::is_none")]
        rack: Option<String>,
        /// Whether it may not lead yet.
        #[serde(rename = "f", default, skip_serializing_if = "std::ops::Not::not")]
        fenced: bool,
    },
    /// A broker's process was started anew: the epoch of every partition that it leads goes up by one, so that
    /// whatever was still under way from before is fenced. One record however many partitions.
    #[serde(rename = "br")]
    BrokerRestarted {
        /// Its id.
        #[serde(rename = "b")]
        broker: BrokerId,
    },
    /// A topic exists; its partitions follow.
    #[serde(rename = "t")]
    Topic {
        /// Its identity.
        #[serde(rename = "i")]
        id: TopicId,
        /// Its name.
        #[serde(rename = "n")]
        name: TopicName,
    },
    /// A partition exists. Within a topic they come in order, from 0.
    #[serde(rename = "p")]
    Partition {
        /// Of which topic.
        #[serde(rename = "t")]
        topic: TopicId,
        /// Its number.
        #[serde(rename = "p")]
        partition: PartitionIndex,
        /// Who keeps a copy; the first is preferred to lead.
        #[serde(rename = "r", deserialize_with = "bounded::grow")]
        replicas: Vec<BrokerId>,
        /// Who of them is in sync.
        #[serde(rename = "s", deserialize_with = "bounded::grow")]
        isr: Vec<BrokerId>,
        /// Who leads.
        #[serde(rename = "l", default, skip_serializing_if = "Option::is_none")]
        leader: Option<BrokerId>,
        /// Counts leaderships.
        #[serde(rename = "e")]
        leader_epoch: LeaderEpoch,
        /// Counts changes.
        #[serde(rename = "v")]
        partition_epoch: PartitionEpoch,
    },
    /// A partition's replicas, in-sync set or leader changed; the partition epoch goes up by one.
    #[serde(rename = "pc")]
    PartitionChange {
        /// Of which topic.
        #[serde(rename = "t")]
        topic: TopicId,
        /// Its number.
        #[serde(rename = "p")]
        partition: PartitionIndex,
        /// The new replicas, if they change.
        #[serde(
            rename = "r",
            default,
            skip_serializing_if = "Option::is_none",
            deserialize_with = "bounded::grow_option"
        )]
        replicas: Option<Vec<BrokerId>>,
        /// The new in-sync set, if it changes.
        #[serde(
            rename = "s",
            default,
            skip_serializing_if = "Option::is_none",
            deserialize_with = "bounded::grow_option"
        )]
        isr: Option<Vec<BrokerId>>,
        /// The leadership.
        #[serde(rename = "l", default)]
        leader: LeaderChange,
    },
    /// A topic is gone, with its partitions and its configs.
    #[serde(rename = "rt")]
    RemoveTopic {
        /// Its identity.
        #[serde(rename = "i")]
        id: TopicId,
    },
    /// A topic's own value of a config; none removes it.
    #[serde(rename = "tc")]
    TopicConfig {
        /// Of which topic.
        #[serde(rename = "t")]
        topic: TopicId,
        /// The config's name.
        #[serde(rename = "k")]
        key: String,
        /// Its value.
        #[serde(rename = "v", default, skip_serializing_if = "Option::is_none")]
        value: Option<String>,
    },
    /// A dynamic broker config; no value removes it.
    #[serde(rename = "bc")]
    BrokerConfig {
        /// Of which broker; none is the default of all brokers.
        #[serde(rename = "b", default, skip_serializing_if = "Option::is_none")]
        broker: Option<BrokerId>,
        /// The config's name.
        #[serde(rename = "k")]
        key: String,
        /// Its value.
        #[serde(rename = "v", default, skip_serializing_if = "Option::is_none")]
        value: Option<String>,
    },
    /// Every producer id below this one is taken.
    #[serde(rename = "pi")]
    ProducerIds {
        /// The first free one.
        #[serde(rename = "n")]
        next: ProducerId,
    },
}

/// The kinds in this release, as they stand in the bytes.
const KINDS: [&str; 9] = ["rb", "br", "t", "p", "pc", "rt", "tc", "bc", "pi"];

/// Why bytes are no record of this release.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// Nothing at all.
    #[error("a metadata record is empty")]
    Empty,
    /// Longer than any record.
    #[error("a metadata record has {given} bytes, at most {max} are legal")]
    TooLong {
        /// Bytes given.
        given: usize,
        /// Bytes allowed.
        max: usize,
    },
    /// Another byte format, so most likely a newer release's.
    #[error("metadata record format {given} is not known, this release writes and reads format {known}")]
    Format {
        /// As written.
        given: u8,
        /// Ours.
        known: u8,
    },
    /// A kind of record that this release does not have.
    #[error("metadata record kind '{0}' is not known; a newer release wrote it")]
    UnknownKind(String),
    /// The kind is known, its fields are not as they should be.
    #[error("a metadata record cannot be read: {0}")]
    Malformed(String),
    /// Bytes after the record.
    #[error("{extra} bytes follow a metadata record")]
    Trailing {
        /// Surplus bytes.
        extra: usize,
    },
    /// An entry that ends inside a record.
    #[error("a metadata entry ends inside record {record}")]
    Truncated {
        /// Which record, from 0.
        record: usize,
    },
}

impl Record {
    /// Its bytes.
    pub fn encode(&self) -> Bytes {
        let mut bytes = vec![FORMAT];
        rmp_serde::encode::write_named(&mut bytes, self).expect("writing to memory cannot fail");
        debug_assert!(bytes.len() <= RECORD_LEN_MAX, "a record within its bound");
        bytes.into()
    }

    /// Reads one record that fills `bytes` exactly.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        if bytes.len() > RECORD_LEN_MAX {
            return Err(DecodeError::TooLong { given: bytes.len(), max: RECORD_LEN_MAX });
        }
        let (format, body) = bytes.split_first().ok_or(DecodeError::Empty)?;
        if *format != FORMAT {
            return Err(DecodeError::Format { given: *format, known: FORMAT });
        }
        if let Some(kind) = kind(body)
            && !KINDS.contains(&kind)
        {
            return Err(DecodeError::UnknownKind(kind.to_owned()));
        }
        let mut reader = rmp_serde::Deserializer::new(std::io::Cursor::new(body));
        reader.set_max_depth(DEPTH_MAX);
        let record = Self::deserialize(&mut reader).map_err(|error| DecodeError::Malformed(error.to_string()))?;
        let read = usize::try_from(reader.position()).expect("a position within the body");
        match body.len() - read {
            0 => Ok(record),
            extra => Err(DecodeError::Trailing { extra }),
        }
    }
}

/// The kind that a body names: a MessagePack map of one entry whose key is a short text.
fn kind(body: &[u8]) -> Option<&str> {
    let [0x81, marker, rest @ ..] = body else { return None };
    if marker & 0xe0 != 0xa0 {
        return None;
    }
    std::str::from_utf8(rest.get(..usize::from(marker & 0x1f))?).ok()
}

/// The bytes of records that are appended together.
pub fn encode_all(records: &[Record]) -> Bytes {
    let mut bytes = BytesMut::new();
    for record in records {
        let record = record.encode();
        bytes.put_u32(u32::try_from(record.len()).expect("records are bounded"));
        bytes.extend_from_slice(&record);
    }
    bytes.freeze()
}

/// Reads records that were appended together.
pub fn decode_all(mut bytes: &[u8]) -> Result<Vec<Record>, DecodeError> {
    let mut records = Vec::new();
    while !bytes.is_empty() {
        let truncated = DecodeError::Truncated { record: records.len() };
        let Some((length, rest)) = bytes.split_first_chunk::<4>() else { return Err(truncated) };
        let length = u32::from_be_bytes(*length) as usize;
        if length > rest.len() {
            return Err(truncated);
        }
        let (record, rest) = rest.split_at(length);
        records.push(Record::decode(record)?);
        bytes = rest;
    }
    Ok(records)
}

#[cfg(test)]
mod tests;
