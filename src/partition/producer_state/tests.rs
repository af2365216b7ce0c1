use super::*;
use crate::rig::{Made, WALL, at};
use callboard_model::LeaderEpoch;

const DAY: u64 = 24 * 60 * 60 * 1000;

fn states() -> ProducerStates {
    ProducerStates::decode(&[], Duration::from_millis(DAY), Duration::from_secs(600)).expect("nothing to read")
}

fn header(id: i64, sequence: i32, offset: i64) -> BatchHeader {
    let prefix = callboard_model::Prefix { base_offset: Offset(offset), leader_epoch: LeaderEpoch(0) };
    Made::of(1, 7).by(id, 2, sequence).batch().assign(prefix).0
}

fn puts(writes: Vec<LogWrite>) -> Vec<(Vec<u8>, Vec<u8>)> {
    let put = |write| if let LogWrite::Put { key, value, .. } = write { (key, value) } else { panic!("{write:?}") };
    writes.into_iter().map(put).collect()
}

#[test]
fn only_what_changed_is_stored_and_reads_back() {
    let mut states = states();
    for sequence in 0..7 {
        states.note(&header(9, sequence, i64::from(sequence)), at(5));
    }
    states.note(&header(4, 0, 7), at(6));
    let mut writes = Vec::new();
    states.store(&mut writes);
    let stored = puts(writes);
    assert_eq!(stored.iter().map(|(key, _)| key[7]).collect::<Vec<_>>(), [9, 4], "in the order of change");
    assert_eq!(stored[0].1.len(), 12 + 5 * BATCH_LEN);
    let read = ProducerStates::decode(&stored, states.expiration, states.check_interval).expect("readable");
    assert_eq!(read.by_id(), states.by_id());
    let mut writes = Vec::new();
    states.store(&mut writes);
    assert_eq!(writes, []);
    states.note(&header(4, 1, 8), at(6));
    states.store(&mut writes);
    assert_eq!(puts(writes).len(), 1);
}

#[test]
fn the_stored_layout_is_the_one_drawn() {
    let mut states = states();
    states.note(&header(9, 3, 5), at(0));
    let mut writes = Vec::new();
    states.store(&mut writes);
    let mut value = vec![1, 0, 2];
    value.extend_from_slice(&WALL.to_be_bytes());
    value.push(1);
    value.extend_from_slice(&[0, 0, 0, 3, 0, 0, 0, 0]);
    value.extend_from_slice(&[0, 0, 0, 0, 0, 0, 0, 5, 0, 0, 0, 0, 0, 0, 0, 7]);
    assert_eq!(puts(writes), [(vec![0, 0, 0, 0, 0, 0, 0, 9], value)]);
}

#[test]
fn a_broken_entry_is_an_error_and_never_a_panic() {
    let mut states = states();
    (0..3).for_each(|sequence| states.note(&header(9, sequence, i64::from(sequence)), at(0)));
    let mut writes = Vec::new();
    states.store(&mut writes);
    let (key, value) = puts(writes).remove(0);
    let read = |key: &[u8], value: &[u8]| {
        let stored = [(key.to_vec(), value.to_vec())];
        ProducerStates::decode(&stored, Duration::ZERO, Duration::ZERO).map(|_| ())
    };
    for end in 0..value.len() {
        assert!(read(&key, &value[..end]).is_err(), "cut at {end}");
    }
    assert!(read(&key, &[&value[..], &[0]].concat()).is_err());
    assert!(read(&[255; 8], &value).is_err() && read(&key[1..], &value).is_err());
    for at in 0..value.len() {
        for byte in 0..=255 {
            let mut bad = value.clone();
            bad[at] = byte;
            let _ = read(&key, &bad);
        }
    }
}

#[test]
fn a_producer_expires_by_when_it_was_seen_and_not_by_its_records_time() {
    let mut states = states();
    // The records are of 1970.
    states.note(&header(9, 0, 0), at(0));
    states.note(&header(4, 0, 1), at(60_000));
    assert_eq!(states.next_check(), Some(at(DAY).tick));
    let mut writes = Vec::new();
    assert!(!states.expire(at(DAY - 1), &mut writes));
    assert_eq!(writes, []);
    assert!(states.expire(at(DAY), &mut writes), "it was never stored");
    assert_eq!(writes, [LogWrite::Delete { family: StateFamily::Producers, key: vec![0, 0, 0, 0, 0, 0, 0, 9] }]);
    assert_eq!(states.next_check(), Some(at(DAY + 600_000).tick), "not before ten minutes are over");
    writes.clear();
    states.store(&mut writes);
    assert_eq!(puts(writes).len(), 1, "the expired one is not stored");
    assert!(!states.expire(at(DAY + 600_000), &mut Vec::new()));
    assert_eq!((states.by_id().len(), states.next_check()), (0, None));
}

#[test]
fn an_expired_producer_is_as_good_as_new() {
    let mut states = states();
    states.note(&header(9, 0, 0), at(0));
    assert!(states.judge(&header(9, 50, 0)).is_err());
    states.expire(at(DAY), &mut Vec::new());
    assert_eq!(states.judge(&header(9, 50, 0)), Ok(None));
}

#[test]
fn a_clock_that_goes_back_expires_nobody() {
    let mut states = states();
    states.note(&header(9, 0, 0), at(DAY));
    assert!(!states.expire(Now { tick: at(5 * DAY).tick, wall: Timestamp(WALL - 1) }, &mut Vec::new()));
    assert_eq!(states.by_id().len(), 1);
}
