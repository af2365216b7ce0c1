use super::*;
use crate::counter::{Counters, Fact};

fn decode(bytes: &[u8]) -> Vec<Entry<Fact>> {
    decode_slice::<Counters>(bytes, Offset(100), |_, _| Err("packed with something unknown".to_owned())).entries
}

fn batch(facts: &[Fact], of_snapshot: bool) -> Vec<u8> {
    let mut writing = Writing::new(Timestamp(5));
    for fact in facts {
        writing.push(&Counters::encode(fact), Timestamp(7), of_snapshot);
    }
    writing.finish().to_vec()
}

fn added(name: u8, by: i64) -> Fact {
    Fact::Added { name, by }
}

#[test]
fn records_are_read_back_as_they_were_written() {
    let mut bytes = batch(&[added(1, 2), added(3, 4)], false);
    let mut second = batch(&[added(5, 6)], true);
    second[..8].copy_from_slice(&10i64.to_be_bytes());
    bytes.extend(second);
    let entry = |offset, fact, of_snapshot| Entry {
        offset: Offset(offset),
        written: Timestamp(7),
        of_snapshot,
        what: What::Record(fact),
    };
    let expected = [entry(0, added(1, 2), false), entry(1, added(3, 4), false), entry(10, added(5, 6), true)];
    assert_eq!(decode(&bytes), expected);
}

#[test]
fn marks_of_a_snapshot_are_read_back() {
    let mut bytes = Writing::snapshot_begin(Timestamp(1)).finish().to_vec();
    bytes.extend(Writing::snapshot_end(Offset(8), 3, Timestamp(1)).finish());
    let what: Vec<_> = decode(&bytes).into_iter().map(|entry| entry.what).collect();
    assert_eq!(what, [What::SnapshotBegin, What::SnapshotEnd { begin: Offset(8), count: 3 }]);
}

#[test]
fn what_cannot_be_decoded_is_a_fault_where_it_stands_and_the_rest_goes_on() {
    let stored = |key: &'static [u8], value: &'static [u8]| KeyValue {
        key: Some(bytes::Bytes::from_static(key)),
        value: Some(bytes::Bytes::from_static(value)),
    };
    let mut writing = Writing::new(Timestamp(5));
    writing.push(&Counters::encode(&added(1, 2)), Timestamp(7), false);
    writing.push(&stored(&[0, 1], b"short"), Timestamp(7), false);
    writing.push(&stored(&[99], b""), Timestamp(7), false);
    writing.push(&KeyValue { key: Some(bytes::Bytes::from_static(&[0, 1])), value: None }, Timestamp(7), false);
    writing.push(&Counters::encode(&added(1, 3)), Timestamp(7), false);
    let entries = decode(&writing.finish());
    let shown: Vec<_> = entries
        .iter()
        .map(|entry| match &entry.what {
            What::Record(_) => (entry.offset.get(), "record".to_owned()),
            What::Fault(fault) => (entry.offset.get(), fault.to_string()),
            _ => (entry.offset.get(), "nothing".to_owned()),
        })
        .collect();
    let expected = [
        (0, "record"),
        (1, "[115, 104, 111, 114, 116]"),
        (2, "record type 99 is unknown"),
        (3, "nothing"),
        (4, "record"),
    ];
    assert_eq!(shown, expected.map(|(offset, what)| (offset, what.to_owned())));
}

#[test]
fn a_batch_that_cannot_be_unpacked_is_one_fault() {
    let mut packed = batch(&[added(1, 2)], false);
    packed[22] |= 1; // gzip, says the header
    let mut next = batch(&[added(1, 3)], false);
    next[..8].copy_from_slice(&1i64.to_be_bytes());
    packed.extend(next);
    let entries = decode(&packed);
    assert_eq!(entries.len(), 2);
    assert!(matches!(&entries[0], Entry { offset: Offset(0), what: What::Fault(_), .. }));
    assert!(matches!(&entries[1], Entry { offset: Offset(1), what: What::Record(_), .. }));
}

#[test]
fn no_bytes_at_all_make_it_panic() {
    let bytes = batch(&[added(1, 2), added(3, 4)], true);
    for at in 0..bytes.len() {
        for value in [0, 1, 0x7f, 0x80, 0xff] {
            let mut bad = bytes.clone();
            bad[at] = value;
            decode(&bad);
            decode(&bad[..at]);
        }
    }
}
