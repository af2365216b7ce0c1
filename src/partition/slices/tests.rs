use super::*;
use crate::rig::{Made, WALL, at};

fn slice() -> Slice {
    Slice {
        start: Offset(5),
        end: Offset(9),
        max: MaxBatch { timestamp: Timestamp(WALL), base_offset: Offset(7) },
        bytes_before: 1000,
        bytes: 70,
        appended: Timestamp(WALL + 1),
    }
}

#[test]
fn a_slice_is_stored_as_drawn_and_reads_back() {
    let (key, value) = (slice().key(), slice().encode());
    assert_eq!((key.len(), value.len(), value[0]), (8, 49, 1));
    assert_eq!(
        (&value[1..9], &value[25..33], &value[33..41]),
        (&9i64.to_be_bytes()[..], &1000u64.to_be_bytes()[..], &70u64.to_be_bytes()[..])
    );
    assert_eq!(Slice::decode(&key, &value), Ok(slice()));
}

#[test]
fn a_broken_entry_is_an_error_and_never_a_panic() {
    let (key, value) = (slice().key(), slice().encode());
    for end in 0..value.len() {
        let error = Slice::decode(&key, &value[..end]).expect_err("cut");
        assert!(matches!(error, StateError::Length { kind: "index", .. }), "cut at {end}: {error}");
    }
    assert!(Slice::decode(&key, &[&value[..], &[0]].concat()).is_err());
    assert!(Slice::decode(&[255; 8], &value).is_err());
    let with = |change: fn(&mut Slice)| {
        let mut slice = slice();
        change(&mut slice);
        Slice::decode(&slice.key(), &slice.encode())
    };
    assert!(with(|slice| slice.end = slice.start).is_err());
    assert!(with(|slice| slice.bytes_before = u64::MAX).is_err());
    assert!(with(|slice| slice.bytes = i64::MAX as u64).is_err());
}

#[test]
fn a_slice_without_times_is_as_old_as_its_last_append() {
    let mut slice = slice();
    assert_eq!(slice.retention_time(), Timestamp(WALL));
    slice.max.timestamp = Timestamp::NONE;
    assert_eq!(slice.retention_time(), Timestamp(WALL + 1));
}

#[test]
fn a_slice_stays_open_for_a_sixteenth_of_the_retention_at_most() {
    let mut slices = Slices::recovered(None, None, Offset(0), None);
    let config = |retention: Option<u64>, segment, delete| LogConfig {
        retention: retention.map(Duration::from_secs),
        segment: Duration::from_secs(segment),
        cleanup_policy: callboard_model::CleanupPolicy { delete, compact: !delete },
        ..LogConfig::default()
    };
    assert_eq!(slices.close_deadline(&config(Some(160), 900, true)), None, "nothing in it");
    slices.add(Made::of(1, WALL).batch().header(), at(5000).tick, at(5000).wall);
    slices.add(Made::of(1, WALL).batch().header(), at(9000).tick, at(9000).wall);
    let deadline = |config| slices.close_deadline(&config).map(|tick| tick.0.as_secs());
    assert_eq!(deadline(config(Some(160), 900, true)), Some(5 + 10));
    assert_eq!(deadline(config(Some(160), 7, true)), Some(5 + 7));
    assert_eq!(deadline(config(Some(3), 900, true)), Some(5 + 1), "a second at least");
    assert_eq!(deadline(config(None, 900, true)), Some(5 + 900));
    assert_eq!(deadline(config(Some(160), 900, false)), Some(5 + 900), "nothing is deleted");
}

#[test]
fn bytes_are_counted_from_the_oldest_slice_on() {
    let mut slices = Slices::recovered(None, None, Offset(0), None);
    let mut writes = Vec::new();
    let batch = Made::of(1, WALL).batch();
    let len = batch.len() as u64;
    let mut ends = Vec::new();
    for offset in 1..=3 {
        slices.add(batch.header(), at(0).tick, at(0).wall);
        assert!(slices.close(Offset(offset), &mut writes));
        ends.push(offset);
    }
    assert!(!slices.close(Offset(3), &mut writes), "an empty slice is none");
    slices.add(batch.header(), at(0).tick, at(0).wall);
    assert_eq!(slices.bytes(), 4 * len);
    let Oldest::Known(first) = slices.oldest else { panic!("{:?}", slices.oldest) };
    assert_eq!((first.start, first.end, first.bytes_before, first.bytes), (Offset(0), Offset(1), 0, len));
    slices.drop_oldest(&first, &mut writes);
    assert_eq!((slices.bytes(), slices.oldest), (3 * len, Oldest::Unread(Offset(1))));
    let stored: Vec<Slice> = writes
        .iter()
        .filter_map(|write| match write {
            LogWrite::Put { key, value, .. } => Some(Slice::decode(key, value).expect("readable")),
            _ => None,
        })
        .collect();
    slices.drop_oldest(&stored[1], &mut writes);
    slices.drop_oldest(&stored[2], &mut writes);
    assert_eq!((slices.bytes(), slices.oldest), (len, Oldest::None));
}
