//! Bytes of records: those that a real Kafka wrote, those that we write, and hostile ones.

use bytes::{BufMut, Bytes, BytesMut};
use callboard_model::{LeaderEpoch, Offset, PartitionIndex, Timestamp, TopicId};
use callboard_shard::{KeyValue, RecordFault};
use proptest::prelude::*;

use super::*;

mod fixtures;

fn unhex(text: &str) -> Bytes {
    let digits: Vec<char> = text.chars().filter(char::is_ascii_hexdigit).collect();
    let byte = |pair: &[char]| u8::from_str_radix(&pair.iter().collect::<String>(), 16).expect("two digits");
    digits.chunks(2).map(byte).collect()
}

fn stored((key, value): (&str, Option<&str>)) -> KeyValue {
    KeyValue { key: Some(unhex(key)), value: value.map(unhex) }
}

fn decoded(fixture: (&str, Option<&str>)) -> Record {
    decode(&stored(fixture)).expect("a record").expect("one that means something")
}

#[test]
fn what_kafka_wrote_is_read_and_written_again_byte_for_byte() {
    for fixture in fixtures::ALL {
        let stored = stored(fixture);
        let record = decode(&stored).expect("a record").expect("one that means something");
        assert_eq!(encode(&record), stored, "{record:?}");
        assert!(stored_size(&record) >= callboard_shard::stored_size(&stored), "what is said beforehand is enough");
    }
}

#[test]
fn a_new_group_has_no_protocol_type() {
    let Record::Group { group, value: Some(value) } = decoded(fixtures::A_NEW_GROUP) else { panic!("a group") };
    assert_eq!((group.as_str(), &*value.protocol_type, value.generation), ("st1", "", 0));
    assert_eq!((value.protocol, value.leader, value.members), (None, None, vec![]));
}

#[test]
fn members_are_read_in_full() {
    let Record::Group { value: Some(value), .. } = decoded(fixtures::A_GROUP_OF_TWO_STATIC_MEMBERS) else {
        panic!("a group")
    };
    assert_eq!((&*value.protocol_type, value.generation, value.protocol.as_deref()), ("consumer", 1, Some("range")));
    assert_eq!(value.leader.as_ref(), Some(&value.members[1].member));
    let first = &value.members[0];
    assert_eq!(first.instance, Some("ia".into()));
    assert_eq!((&*first.client_id, &*first.client_host), ("raw0", "/127.0.0.1"));
    assert_eq!((first.rebalance_timeout_ms, first.session_timeout_ms), (10_000, 10_000));
    assert_eq!(&first.assignment[..], b"A7d");
}

#[test]
fn positions_are_read_in_full() {
    let Record::Offset { group, topic, partition, value: Some(value) } =
        decoded(fixtures::A_POSITION_WITH_A_LEADER_EPOCH)
    else {
        panic!("a position")
    };
    assert_eq!((group.as_str(), &*topic, partition), ("fresh", "t", PartitionIndex(1)));
    assert_eq!((value.offset, value.leader_epoch), (Offset(42), Some(LeaderEpoch(3))));
    assert_eq!((&*value.metadata, value.expires), ("hé", None));
    assert_ne!(value.topic_id, TopicId::ZERO);
    let Record::Offset { value: Some(value), .. } = decoded(fixtures::A_POSITION_WITH_A_TIME_OF_ITS_OWN) else {
        panic!("a position")
    };
    assert_eq!(value.expires, Some(Timestamp(value.committed.millis() + 60_000)));
    assert_eq!((value.leader_epoch, value.topic_id), (None, TopicId::ZERO));
}

fn value(write: impl FnOnce(&mut BytesMut)) -> Option<Bytes> {
    let mut out = BytesMut::new();
    write(&mut out);
    Some(out.freeze())
}

fn text(out: &mut BytesMut, text: &str) {
    out.put_i16(text.len() as i16);
    out.put_slice(text.as_bytes());
}

fn position_key(version: i16) -> Option<Bytes> {
    value(|out| {
        out.put_i16(version);
        text(out, "g");
        text(out, "t");
        out.put_i32(5);
    })
}

#[test]
fn positions_of_old_versions_are_read() {
    for (key, version) in [(0, 0), (1, 0), (1, 1), (1, 2), (1, 3)] {
        let value = value(|out| {
            out.put_i16(version);
            out.put_i64(7);
            if version == 3 {
                out.put_i32(9);
            }
            text(out, "m");
            out.put_i64(100);
            if version == 1 {
                out.put_i64(-1);
            }
        });
        let record = decode(&KeyValue { key: position_key(key), value }).expect("a record");
        let epoch = (version == 3).then_some(LeaderEpoch(9));
        let Some(Record::Offset { value: Some(value), .. }) = record else { panic!("a position") };
        assert_eq!((value.offset, value.leader_epoch, value.expires), (Offset(7), epoch, None), "version {version}");
        assert_eq!((&*value.metadata, value.committed), ("m", Timestamp(100)));
    }
}

#[test]
fn groups_of_old_versions_are_read() {
    for version in 0..=3 {
        let value = value(|out| {
            out.put_i16(version);
            text(out, "consumer");
            out.put_i32(4);
            text(out, "range");
            text(out, "m");
            if version >= 2 {
                out.put_i64(-1);
            }
            out.put_i32(1);
            text(out, "m");
            if version >= 3 {
                out.put_i16(-1);
            }
            text(out, "c");
            text(out, "/h");
            if version >= 1 {
                out.put_i32(70);
            }
            out.put_i32(30);
            out.put_i32(1);
            out.put_slice(b"s");
            out.put_i32(1);
            out.put_slice(b"a");
        });
        let key = value_key_of_group();
        let Some(Record::Group { value: Some(value), .. }) = decode(&KeyValue { key, value }).expect("a record") else {
            panic!("a group")
        };
        let member = &value.members[0];
        assert_eq!(member.rebalance_timeout_ms, if version == 0 { 30 } else { 70 }, "version {version}");
        assert_eq!((member.session_timeout_ms, value.state_since), (30, None));
    }
}

fn value_key_of_group() -> Option<Bytes> {
    value(|out| {
        out.put_i16(2);
        text(out, "g");
    })
}

#[test]
fn the_flexible_version_of_a_group_is_read() {
    let value = value(|out| {
        out.put_i16(4);
        out.put_slice(b"\x09consumer");
        out.put_i32(4);
        out.put_slice(b"\x06range\x02m");
        out.put_i64(77);
        out.put_slice(b"\x02\x02m\x00\x02c\x03/h");
        out.put_i32(70);
        out.put_i32(30);
        out.put_slice(b"\x02s\x02a");
        out.put_slice(b"\x01\x05\x02??"); // a tagged field of a later version
        out.put_slice(b"\x00");
    });
    let Some(Record::Group { value: Some(value), .. }) =
        decode(&KeyValue { key: value_key_of_group(), value }).expect("a record")
    else {
        panic!("a group")
    };
    assert_eq!((value.generation, value.state_since), (4, Some(Timestamp(77))));
    assert_eq!((&*value.members[0].client_host, &value.members[0].assignment[..]), ("/h", &b"a"[..]));
}

#[test]
fn types_that_are_not_ours_are_named() {
    for number in [3, 5, 6, 7, 8, 10, 16, 23, 99, -1] {
        let key = value(|out| {
            out.put_i16(number);
            text(out, "g");
        });
        assert_eq!(decode(&KeyValue { key, value: None }), Err(RecordFault::UnknownType(number)));
    }
    let key = value(|out| {
        out.put_i16(4);
        text(out, "g");
    });
    assert_eq!(decode(&KeyValue { key, value: None }), Ok(None), "nobody reads it any more");
}

#[test]
fn hostile_bytes_are_faults() {
    let group =
        |value: &[u8]| decode(&KeyValue { key: value_key_of_group(), value: Some(Bytes::copy_from_slice(value)) });
    let is_corrupt = |result: Result<Option<Record>, RecordFault>| matches!(result, Err(RecordFault::Corrupt(_)));
    assert!(is_corrupt(decode(&KeyValue { key: None, value: None })), "no key");
    assert!(is_corrupt(group(b"")));
    assert!(is_corrupt(group(b"\0\x05")), "a later version");
    assert!(is_corrupt(group(b"\0\x03\x7f\xff")), "a text that is not there");
    assert!(is_corrupt(group(b"\0\x03\0\x01\xff")), "no text");
    assert!(
        is_corrupt(group(b"\0\x03\0\0\0\0\0\0\xff\xff\xff\xff\0\0\0\0\0\0\0\0\x7f\xff\xff\xff")),
        "members not there"
    );
    // Two members of one name; members without a protocol.
    let Record::Group { value: Some(mut twice), .. } = decoded(fixtures::A_GROUP_OF_ONE) else { panic!("a group") };
    let without = GroupMetadata { protocol: None, ..twice.clone() };
    twice.members.push(twice.members[0].clone());
    for wrong in [twice, without] {
        let stored = encode(&Record::Group { group: "g".into(), value: Some(wrong) });
        assert!(is_corrupt(decode(&stored)), "{stored:?}");
    }
}

fn any_position() -> impl Strategy<Value = Record> {
    let value =
        (any::<i64>(), proptest::option::of(0..i32::MAX), ".{0,9}", 0..i64::MAX, proptest::option::of(0..i64::MAX));
    let value =
        (value, any::<[u8; 16]>()).prop_map(|((offset, epoch, metadata, committed, expires), id)| CommittedOffset {
            offset: Offset(offset),
            leader_epoch: epoch.map(LeaderEpoch).filter(|_| expires.is_none()),
            metadata: metadata.into(),
            committed: Timestamp(committed),
            expires: expires.map(Timestamp),
            topic_id: if expires.is_some() { TopicId::ZERO } else { TopicId::from_bytes(id) },
        });
    (".{0,9}", ".{0,9}", any::<i32>(), proptest::option::of(value)).prop_map(|(group, topic, partition, value)| {
        Record::Offset { group: group.into(), topic: topic.into(), partition: PartitionIndex(partition), value }
    })
}

fn any_group() -> impl Strategy<Value = Record> {
    let member = (".{0,9}", ".{0,9}", 0..i32::MAX, 0..i32::MAX, proptest::collection::vec(any::<u8>(), 0..9));
    let members = proptest::collection::vec(member, 0..4).prop_map(|members| {
        let member = |(at, (client, host, rebalance, session, bytes)): (usize, (String, String, i32, i32, Vec<u8>))| {
            MemberMetadata {
                member: format!("m{at}").into(),
                instance: (at % 2 == 0).then(|| format!("i{at}").into()),
                client_id: client.into(),
                client_host: host.into(),
                rebalance_timeout_ms: rebalance,
                session_timeout_ms: session,
                subscription: bytes.clone().into(),
                assignment: bytes.into(),
            }
        };
        members.into_iter().enumerate().map(member).collect::<Vec<_>>()
    });
    (".{0,9}", proptest::option::of((members, any::<i32>(), proptest::option::of(0..i64::MAX)))).prop_map(
        |(group, value)| {
            let value = value.map(|(members, generation, since)| GroupMetadata {
                protocol_type: "consumer".into(),
                generation,
                protocol: (!members.is_empty()).then(|| "range".into()),
                leader: members.first().map(|member: &MemberMetadata| member.member.clone()),
                state_since: since.map(Timestamp),
                members,
            });
            Record::Group { group: group.into(), value }
        },
    )
}

proptest! {
    #[test]
    fn what_is_written_is_read_again(record in prop_oneof![any_position(), any_group()]) {
        let stored = encode(&record);
        prop_assert!(stored_size(&record) >= callboard_shard::stored_size(&stored));
        prop_assert_eq!(decode(&stored), Ok(Some(record)));
    }

    #[test]
    fn no_bytes_panic(at in 0..fixtures::ALL.len(), cut in 0..400usize, change in proptest::collection::vec((0..400usize, any::<u8>()), 0..4)) {
        let KeyValue { key, value } = stored(fixtures::ALL[at]);
        let spoil = |bytes: Bytes| {
            let mut bytes = bytes.to_vec();
            bytes.truncate(cut.max(2));
            for (at, byte) in &change {
                if let Some(place) = bytes.get_mut(*at) {
                    *place = *byte;
                }
            }
            Bytes::from(bytes)
        };
        let _ = decode(&KeyValue { key: key.clone(), value: value.clone().map(spoil) });
        let _ = decode(&KeyValue { key: key.map(spoil), value });
    }
}
