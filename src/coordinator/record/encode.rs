//! Records to stored keys and values, in the versions that Kafka 4.3 writes.
//!
//! ```text
//! group:   key   2, group                       value 3, protocol type, generation, protocol?, leader?, since, [member]
//! offset:  key   1, group, topic, partition     value 4, offset, leader epoch, metadata, committed, tags{0: topic id}
//!                                               value 1, offset, metadata, committed, expires
//! ```

use bytes::{BufMut, Bytes, BytesMut};
use callboard_model::{Timestamp, TopicId};
use callboard_shard::KeyValue;

use super::{CommittedOffset, GroupMetadata, Record};

/// A record as it is stored.
pub(crate) fn encode(record: &Record) -> KeyValue {
    match record {
        Record::Group { group, value } => {
            let mut key = BytesMut::new();
            key.put_i16(2);
            put_text(&mut key, group.as_str());
            KeyValue { key: Some(key.freeze()), value: value.as_ref().map(encode_group) }
        }
        Record::Offset { group, topic, partition, value } => {
            let mut key = BytesMut::new();
            key.put_i16(1);
            put_text(&mut key, group.as_str());
            put_text(&mut key, topic);
            key.put_i32(partition.get());
            KeyValue { key: Some(key.freeze()), value: value.as_ref().map(encode_offset) }
        }
    }
}

/// Bytes that a record takes in a batch, at most; without writing it.
pub(crate) fn stored_size(record: &Record) -> usize {
    /// Lengths, times and headers of one record in a batch.
    const AROUND: usize = 128;
    /// Numbers and lengths in a key, in a value, and in a member of a group.
    const KEY: usize = 16;
    const VALUE: usize = 64;
    const MEMBER: usize = 32;
    match record {
        Record::Group { group, value } => {
            let value = value.as_ref().map_or(0, |value| {
                let texts = value.protocol_type.len()
                    + value.protocol.as_ref().map_or(0, |protocol| protocol.len())
                    + value.leader.as_ref().map_or(0, |leader| leader.as_str().len());
                let members = value.members.iter().map(|member| {
                    MEMBER
                        + member.member.as_str().len()
                        + member.instance.as_ref().map_or(0, |instance| instance.as_str().len())
                        + member.client_id.len()
                        + member.client_host.len()
                        + member.subscription.len()
                        + member.assignment.len()
                });
                VALUE + texts + members.sum::<usize>()
            });
            AROUND + KEY + group.as_str().len() + value
        }
        Record::Offset { group, topic, value, .. } => {
            let value = value.as_ref().map_or(0, |value| VALUE + value.metadata.len());
            AROUND + KEY + group.as_str().len() + topic.len() + value
        }
    }
}

fn put_text(out: &mut BytesMut, text: &str) {
    out.put_i16(i16::try_from(text.len()).expect("longer texts are refused where they come in"));
    out.put_slice(text.as_bytes());
}

fn put_nullable_text(out: &mut BytesMut, text: Option<&str>) {
    match text {
        Some(text) => put_text(out, text),
        None => out.put_i16(-1),
    }
}

fn put_blob(out: &mut BytesMut, blob: &[u8]) {
    out.put_i32(i32::try_from(blob.len()).expect("it came in a frame, whose length is such a number"));
    out.put_slice(blob);
}

fn put_varint(out: &mut BytesMut, mut value: u32) {
    while value >= 0x80 {
        out.put_u8(value as u8 | 0x80);
        value >>= 7;
    }
    out.put_u8(value as u8);
}

fn encode_group(value: &GroupMetadata) -> Bytes {
    let mut out = BytesMut::new();
    out.put_i16(3);
    put_text(&mut out, &value.protocol_type);
    out.put_i32(value.generation);
    put_nullable_text(&mut out, value.protocol.as_deref());
    put_nullable_text(&mut out, value.leader.as_ref().map(|leader| leader.as_str()));
    out.put_i64(value.state_since.unwrap_or(Timestamp::NONE).millis());
    out.put_i32(i32::try_from(value.members.len()).expect("their bytes came in frames"));
    for member in &value.members {
        put_text(&mut out, member.member.as_str());
        put_nullable_text(&mut out, member.instance.as_ref().map(|instance| instance.as_str()));
        put_text(&mut out, &member.client_id);
        put_text(&mut out, &member.client_host);
        out.put_i32(member.rebalance_timeout_ms);
        out.put_i32(member.session_timeout_ms);
        put_blob(&mut out, &member.subscription);
        put_blob(&mut out, &member.assignment);
    }
    out.freeze()
}

fn encode_offset(value: &CommittedOffset) -> Bytes {
    let mut out = BytesMut::with_capacity(64 + value.metadata.len());
    if let Some(expires) = value.expires {
        out.put_i16(1);
        out.put_i64(value.offset.get());
        put_text(&mut out, &value.metadata);
        out.put_i64(value.committed.millis());
        out.put_i64(expires.millis());
        return out.freeze();
    }
    out.put_i16(4);
    out.put_i64(value.offset.get());
    out.put_i32(value.leader_epoch.map_or(-1, |epoch| epoch.get()));
    put_varint(&mut out, u32::try_from(value.metadata.len() + 1).expect("of legal length"));
    out.put_slice(value.metadata.as_bytes());
    out.put_i64(value.committed.millis());
    if value.topic_id == TopicId::ZERO {
        put_varint(&mut out, 0);
    } else {
        put_varint(&mut out, 1);
        put_varint(&mut out, 0);
        put_varint(&mut out, 16);
        out.put_slice(value.topic_id.as_bytes());
    }
    out.freeze()
}
