//! Stored keys and values, as Kafka of any version wrote them, to records.

use std::collections::BTreeSet;

use bytes::Bytes;
use callboard_model::{LeaderEpoch, Offset, PartitionIndex, Timestamp, TopicId};
use callboard_shard::{KeyValue, RecordFault};

use super::fields::Fields;
use super::{CommittedOffset, GroupMetadata, MemberMetadata, Record};
use crate::MemberId;

/// Types of records (Kafka: `CoordinatorRecordType`): the number that a key begins with.
const LEGACY_OFFSET_COMMIT: i16 = 0;
const OFFSET_COMMIT: i16 = 1;
const GROUP_METADATA: i16 = 2;
/// A consumer group's copy of its topics' partitions; Kafka itself no longer reads it.
const CONSUMER_GROUP_PARTITION_METADATA: i16 = 4;

/// The version from which values have compact lengths and tags.
const FLEXIBLE: i16 = 4;

/// A stored record; `None` for one that means nothing any more. Types that are not ours (3 to 8 and 16 are KIP-848's
/// groups, 10 to 15 share groups, 17 to 23 streams groups) are unknown here until those groups are.
pub(crate) fn decode(stored: &KeyValue) -> Result<Option<Record>, RecordFault> {
    let key = stored.key.as_ref().ok_or_else(|| RecordFault::Corrupt("a record without a key".to_owned()))?;
    let mut fields = Fields::new(key, "key");
    match fields.int16()? {
        LEGACY_OFFSET_COMMIT | OFFSET_COMMIT => {
            let group = (&*fields.text()?).into();
            let topic = fields.text()?;
            let partition = PartitionIndex(fields.int32()?);
            let value = stored.value.as_ref().map(offset).transpose()?;
            Ok(Some(Record::Offset { group, topic, partition, value }))
        }
        GROUP_METADATA => {
            let group = (&*fields.text()?).into();
            let value = stored.value.as_ref().map(group_metadata).transpose()?;
            Ok(Some(Record::Group { group, value }))
        }
        CONSUMER_GROUP_PARTITION_METADATA => Ok(None),
        other => Err(RecordFault::UnknownType(other)),
    }
}

fn begin(value: &Bytes, what: &'static str) -> Result<(Fields, i16), RecordFault> {
    let mut fields = Fields::new(value, what);
    let version = fields.int16()?;
    if !(0..=FLEXIBLE).contains(&version) {
        return Err(fields.fault(format_args!("version {version} is unknown")));
    }
    fields.flexible = version >= FLEXIBLE;
    Ok((fields, version))
}

fn time(millis: i64) -> Option<Timestamp> {
    (millis != Timestamp::NONE.millis()).then_some(Timestamp(millis))
}

fn offset(value: &Bytes) -> Result<CommittedOffset, RecordFault> {
    let (mut fields, version) = begin(value, "offset commit")?;
    let offset = Offset(fields.int64()?);
    let leader_epoch = if version >= 3 { fields.int32()? } else { -1 };
    let metadata = fields.text()?;
    let committed = Timestamp(fields.int64()?);
    let expires = if version == 1 { time(fields.int64()?) } else { None };
    let mut topic_id = TopicId::ZERO;
    fields.tags(|tag, mut field| {
        if tag == 0 {
            topic_id = TopicId::from_bytes(field.bytes16()?);
        }
        Ok(())
    })?;
    let leader_epoch = (leader_epoch >= 0).then_some(LeaderEpoch(leader_epoch));
    Ok(CommittedOffset { offset, leader_epoch, metadata, committed, expires, topic_id })
}

fn group_metadata(value: &Bytes) -> Result<GroupMetadata, RecordFault> {
    let (mut fields, version) = begin(value, "group metadata")?;
    let protocol_type = fields.text()?;
    let generation = fields.int32()?;
    let protocol = fields.nullable_text()?;
    let leader = fields.nullable_text()?.map(|id| MemberId::from(&*id));
    let state_since = if version >= 2 { time(fields.int64()?) } else { None };
    let mut members = Vec::new();
    for _ in 0..fields.count(7)? {
        members.push(member(&mut fields, version)?);
    }
    fields.tags(|_, _| Ok(()))?;
    let (mut ids, mut instances) = (BTreeSet::new(), BTreeSet::new());
    if !members.iter().all(|member: &MemberMetadata| ids.insert(&member.member)) {
        return Err(fields.fault("two members have one id"));
    }
    if !members.iter().filter_map(|member| member.instance.as_ref()).all(|instance| instances.insert(instance)) {
        return Err(fields.fault("two members have one instance id"));
    }
    if protocol.is_none() && !members.is_empty() {
        return Err(fields.fault("members without a protocol"));
    }
    Ok(GroupMetadata { protocol_type, generation, protocol, leader, state_since, members })
}

fn member(fields: &mut Fields, version: i16) -> Result<MemberMetadata, RecordFault> {
    let member = (&*fields.text()?).into();
    let instance = if version >= 3 { fields.nullable_text()?.map(|id| (&*id).into()) } else { None };
    let client_id = fields.text()?;
    let client_host = fields.text()?;
    let rebalance_timeout_ms = if version >= 1 { fields.int32()? } else { -1 };
    let session_timeout_ms = fields.int32()?;
    let subscription = fields.blob()?;
    let assignment = fields.blob()?;
    fields.tags(|_, _| Ok(()))?;
    // Version 0 knows one timeout for both.
    let rebalance_timeout_ms = if rebalance_timeout_ms == -1 { session_timeout_ms } else { rebalance_timeout_ms };
    Ok(MemberMetadata {
        member,
        instance,
        client_id,
        client_host,
        rebalance_timeout_ms,
        session_timeout_ms,
        subscription,
        assignment,
    })
}
