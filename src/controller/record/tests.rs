use super::*;
use proptest::prelude::*;

fn id(number: u128) -> TopicId {
    TopicId(uuid::Uuid::from_u128(number))
}

/// One of each kind, with everything that is optional set.
fn one_of_each() -> Vec<Record> {
    let broker = BrokerId(3);
    let partition = PartitionIndex(5);
    vec![
        Record::RegisterBroker {
            broker,
            incarnation: IncarnationId(uuid::Uuid::from_u128(7)),
            epoch: BrokerEpoch(11),
            endpoints: vec![Endpoint { listener: "PLAINTEXT".into(), host: "node-3".into(), port: 9092 }],
            rack: Some("a".into()),
            fenced: true,
        },
        Record::BrokerRestarted { broker },
        Record::Topic { id: id(1), name: TopicName::new("orders").expect("legal") },
        Record::Partition {
            topic: id(1),
            partition,
            replicas: vec![broker, BrokerId(4)],
            isr: vec![broker],
            leader: Some(broker),
            leader_epoch: LeaderEpoch(2),
            partition_epoch: PartitionEpoch(9),
        },
        Record::PartitionChange {
            topic: id(1),
            partition,
            replicas: Some(vec![BrokerId(4)]),
            isr: Some(vec![BrokerId(4)]),
            leader: LeaderChange::Elect(BrokerId(4)),
        },
        Record::RemoveTopic { id: id(1) },
        Record::TopicConfig { topic: id(1), key: "retention.ms".into(), value: Some("1".into()) },
        Record::BrokerConfig { broker: Some(broker), key: "message.max.bytes".into(), value: Some("1".into()) },
        Record::ProducerIds { next: ProducerId(1000) },
    ]
}

/// One of each kind, with everything that is optional left out.
fn one_of_each_bare() -> Vec<Record> {
    let partition = PartitionIndex(0);
    vec![
        Record::RegisterBroker {
            broker: BrokerId(0),
            incarnation: IncarnationId(uuid::Uuid::nil()),
            epoch: BrokerEpoch(0),
            endpoints: Vec::new(),
            rack: None,
            fenced: false,
        },
        Record::Partition {
            topic: id(1),
            partition,
            replicas: Vec::new(),
            isr: Vec::new(),
            leader: None,
            leader_epoch: LeaderEpoch(0),
            partition_epoch: PartitionEpoch(0),
        },
        Record::PartitionChange { topic: id(1), partition, replicas: None, isr: None, leader: LeaderChange::Keep },
        Record::PartitionChange { topic: id(1), partition, replicas: None, isr: None, leader: LeaderChange::Nobody },
        Record::TopicConfig { topic: id(1), key: String::new(), value: None },
        Record::BrokerConfig { broker: None, key: String::new(), value: None },
    ]
}

#[test]
fn every_kind_survives_its_bytes() {
    for record in one_of_each().into_iter().chain(one_of_each_bare()) {
        assert_eq!(Record::decode(&record.encode()), Ok(record));
    }
}

#[test]
fn the_list_of_kinds_is_complete_and_in_order() {
    let bytes: Vec<Bytes> = one_of_each().iter().map(Record::encode).collect();
    let kinds: Vec<&str> = bytes.iter().map(|bytes| kind(&bytes[1..]).expect("a short name")).collect();
    assert_eq!(kinds, KINDS);
}

#[test]
fn the_bytes_on_disk_stay_as_they_are() {
    let hex = |record: &Record| record.encode().iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let records = one_of_each();
    assert_eq!(hex(&records[1]), "0181a2627281a16203");
    assert_eq!(hex(&records[2]), "0181a17482a169c41000000000000000000000000000000001a16ea66f7264657273");
    assert_eq!(
        hex(&records[3]),
        "0181a17087a174c41000000000000000000000000000000001a17005a172920304a1739103a16c03a16502a17609"
    );
}

#[test]
fn what_a_newer_release_wrote_is_told_apart() {
    let unknown_kind = [&[FORMAT, 0x81, 0xa2][..], b"zz", &[0x80]].concat();
    assert_eq!(Record::decode(&unknown_kind), Err(DecodeError::UnknownKind("zz".into())));
    let unknown_field = [FORMAT, 0x81, 0xa2, b'b', b'r', 0x82, 0xa1, b'b', 3, 0xa1, b'z', 1];
    assert!(matches!(Record::decode(&unknown_field), Err(DecodeError::Malformed(_))));
    assert_eq!(Record::decode(&[9, 0x80]), Err(DecodeError::Format { given: 9, known: FORMAT }));
}

#[test]
fn bytes_after_a_record_are_an_error() {
    let bytes = [&one_of_each()[1].encode()[..], &[0, 0]].concat();
    assert_eq!(Record::decode(&bytes), Err(DecodeError::Trailing { extra: 2 }));
    assert_eq!(Record::decode(&[]), Err(DecodeError::Empty));
    let long = vec![FORMAT; RECORD_LEN_MAX + 1];
    assert!(matches!(Record::decode(&long), Err(DecodeError::TooLong { .. })));
}

#[test]
fn every_cut_record_is_an_error() {
    for record in one_of_each() {
        let bytes = record.encode();
        for cut in 0..bytes.len() {
            assert!(Record::decode(&bytes[..cut]).is_err(), "{record:?} cut at {cut}");
        }
    }
}

#[test]
fn impossible_counts_and_lengths_are_errors() {
    let huge: [&[u8]; 4] = [
        // A list, a text, bytes and a map, each of 4,294,967,295 elements.
        &[0xdd, 0xff, 0xff, 0xff, 0xff, 1],
        &[0xdb, 0xff, 0xff, 0xff, 0xff, b'x'],
        &[0xc6, 0xff, 0xff, 0xff, 0xff, 0],
        &[0xdf, 0xff, 0xff, 0xff, 0xff, 0xa1, b'p', 0],
    ];
    for field in [b't', b'p', b'r', b's', b'l', b'e', b'v'] {
        for value in huge {
            let bytes = [&[FORMAT, 0x81, 0xa1, b'p', 0x87, 0xa1, field][..], value].concat();
            assert!(matches!(Record::decode(&bytes), Err(DecodeError::Malformed(_))), "{bytes:02x?}");
        }
    }
    let deep = [&[FORMAT, 0x81, 0xa1, b'p', 0x81, 0xa1, b'r'][..], &[0x91; 100_000]].concat();
    assert!(matches!(Record::decode(&deep), Err(DecodeError::Malformed(_))));
}

#[test]
fn an_entry_is_all_its_records_or_an_error() {
    let records = one_of_each();
    let bytes = encode_all(&records);
    assert_eq!(decode_all(&bytes), Ok(records.clone()));
    assert_eq!(decode_all(&[]), Ok(Vec::new()));
    let ends: Vec<usize> = records
        .iter()
        .scan(0, |end, record| {
            *end += 4 + record.encode().len();
            Some(*end)
        })
        .collect();
    for cut in (1..bytes.len()).filter(|cut| !ends.contains(cut)) {
        assert!(matches!(decode_all(&bytes[..cut]), Err(DecodeError::Truncated { .. })), "{cut}");
    }
}

proptest! {
    #[test]
    fn arbitrary_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = Record::decode(&bytes);
        let _ = decode_all(&bytes);
        let mut framed = vec![FORMAT];
        framed.extend_from_slice(&bytes);
        let _ = Record::decode(&framed);
    }

    #[test]
    fn what_is_read_from_a_damaged_record_is_a_record(
        which in 0..9usize,
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
    ) {
        let mut bytes = one_of_each()[which].encode().to_vec();
        for (at, byte) in damage {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        if let Ok(record) = Record::decode(&bytes) {
            prop_assert_eq!(Record::decode(&record.encode()), Ok(record));
        }
    }
}
