//! Each rule by itself.

use std::time::Duration;

use callboard_model::{CleanupPolicy, CompactionConfig, Compression, LogConfig, Offset, Timestamp};

use super::stage::{Found, PLAIN, Put, Stage, Stamp, config, headers, records};
use crate::compaction::{BatchFault, ReplaceError};
use crate::rig::{WALL, at};
use crate::slices::Oldest;
use crate::{Effect, ListAnswer, ListOffset, WriteError};

const DAY: u64 = 86_400_000;

fn put<'a>(key: &'a [u8], value: &'a [u8]) -> Put<'a> {
    (Some(key), Some(value), 0)
}

fn gone(key: &[u8]) -> Put<'_> {
    (Some(key), None, 0)
}

fn seen(offset: i64, key: &[u8], value: Option<&[u8]>) -> Found {
    (offset, key.to_vec(), value.map(<[u8]>::to_vec), 0)
}

#[test]
fn of_each_key_the_newest_record_stays_at_its_offset() {
    let mut stage = Stage::new(config(DAY));
    stage.append(&[put(b"a", b"1"), put(b"b", b"1"), put(b"c", b"1")], PLAIN);
    stage.append(&[put(b"a", b"2"), put(b"b", b"2")], PLAIN);
    stage.roll();
    stage.append(&[put(b"a", b"3")], PLAIN);
    stage.roll();
    let figures = stage.compact().expect("all of it is dirty");
    let expected = [seen(2, b"c", Some(b"1")), seen(4, b"b", Some(b"2")), seen(5, b"a", Some(b"3"))];
    assert_eq!(records(&stage.rig.disk), expected);
    assert_eq!((figures.records, figures.dropped, figures.keys), (6, 3, 3));
    let spans: Vec<_> = headers(&stage.rig.disk).iter().map(|h| (h.base_offset.0, h.last_offset().0)).collect();
    assert_eq!(spans, [(0, 2), (3, 4), (5, 5)], "batches keep their span");
    assert_eq!(stage.compact(), None, "nothing is dirty");
}

#[test]
fn the_open_slice_and_what_is_not_committed_stay_as_they_are() {
    let mut stage = Stage::new(config(DAY));
    stage.append(&[put(b"a", b"1")], PLAIN);
    stage.roll();
    stage.append(&[put(b"a", b"2")], PLAIN);
    stage.rig.settle();
    stage.compact().expect("one slice is closed");
    assert_eq!(records(&stage.rig.disk).len(), 2, "the open slice shadows nothing");
    // Closed by the machine, and not yet on the disk: the high watermark is below.
    stage.rig.now = at(5000);
    stage.rig.call(|leader, now, effects| leader.expire(now, effects));
    stage.append(&[put(b"a", b"3")], PLAIN);
    let candidate = stage.rig.leader.compaction_candidate().expect("compacted");
    assert!(candidate.bound <= stage.rig.leader.snapshot().high_watermark);
}

#[test]
fn a_batch_that_loses_nothing_is_the_same_bytes_and_nothing_is_written() {
    let mut stage = Stage::new(config(DAY));
    stage.append(&[put(b"a", b"1"), put(b"b", b"1")], PLAIN);
    stage.append(&[put(b"c", b"1")], PLAIN);
    stage.roll();
    let before = stage.rig.disk.batches.clone();
    let figures = stage.compact().expect("dirty");
    assert_eq!((figures.written_bytes, figures.dropped), (0, 0));
    assert_eq!(stage.rig.disk.batches, before);
    // Another round drops from one batch only.
    stage.append(&[put(b"a", b"2"), put(b"x", b"2"), put(b"y", b"2")], PLAIN);
    stage.roll();
    stage.compact().expect("half is dirty");
    assert_eq!(stage.rig.disk.batches[&Offset(2)], before[&Offset(2)]);
    assert_ne!(stage.rig.disk.batches[&Offset(0)], before[&Offset(0)]);
}

#[test]
fn a_rewritten_batch_keeps_its_times_codec_epoch_and_producer() {
    const LOG_APPEND_TIME: i16 = 8;
    for (attributes, codec) in [(0, Compression::None), (0, Compression::Zstd), (LOG_APPEND_TIME, Compression::Zstd)] {
        let mut stage = Stage::new(config(DAY));
        let stamp = Stamp { producer: Some((9, 3, 40)), attributes, compression: codec };
        stage.append(&[(Some(b"a"), Some(b"1"), 50), (Some(b"b"), Some(b"2"), 20), (Some(b"c"), None, 30)], stamp);
        stage.append(&[(Some(b"a"), Some(b"9"), 60)], PLAIN);
        stage.roll();
        let before = headers(&stage.rig.disk)[0];
        stage.compact().expect("dirty");
        let after = headers(&stage.rig.disk)[0];
        assert_eq!((after.base_offset, after.last_offset_delta), (before.base_offset, before.last_offset_delta));
        assert_eq!((after.producer_id, after.producer_epoch), (before.producer_id, before.producer_epoch));
        assert_eq!((after.base_sequence, after.last_sequence()), (40, 42));
        assert_eq!((after.compression(), after.leader_epoch), (Ok(codec), before.leader_epoch));
        assert_eq!(after.is_log_append_time(), attributes != 0);
        assert_eq!(after.count, 2);
        let times: Vec<_> = records(&stage.rig.disk).iter().map(|found| found.3).collect();
        let max = after.max_timestamp.0 - WALL;
        match attributes {
            0 => assert_eq!((&times[..], max), (&[20, 30, 60][..], 30)),
            _ => assert_eq!((&times[..], max), (&[50, 50, 60][..], 50), "the broker's time is the batch's"),
        }
    }
}

#[test]
fn a_tombstone_goes_after_its_horizon_and_the_round_after_that() {
    let mut stage = Stage::new(config(10_000));
    stage.append(&[put(b"a", b"1"), put(b"b", b"1")], PLAIN);
    stage.append(&[gone(b"a")], PLAIN);
    stage.roll();
    let first = stage.rig.now.wall;
    stage.compact().expect("dirty");
    assert_eq!(records(&stage.rig.disk), [seen(1, b"b", Some(b"1")), seen(2, b"a", None)]);
    let horizon = |stage: &Stage| headers(&stage.rig.disk)[1].delete_horizon();
    assert_eq!(horizon(&stage), Some(Timestamp(first.0 + 10_000)), "KIP-534");
    // Further rounds before it leave horizon and tombstone alone.
    stage.append(&[put(b"c", b"1"), put(b"d", b"1"), put(b"e", b"1")], PLAIN);
    stage.roll();
    stage.compact().expect("dirty");
    assert_eq!(horizon(&stage), Some(Timestamp(first.0 + 10_000)));
    stage.rig.now = at(12_000);
    assert_eq!(stage.compact(), None, "as in Kafka nothing but a round drops it");
    stage.append(&[(Some(b"f"), Some(&[7; 500]), 0)], PLAIN);
    stage.roll();
    stage.compact().expect("dirty");
    let keys: Vec<_> = records(&stage.rig.disk).into_iter().map(|found| found.1).collect();
    assert_eq!(keys, [b"b", b"c", b"d", b"e", b"f"]);
}

#[test]
fn a_tombstone_that_is_overwritten_goes_at_once_and_one_shadows_what_came_before() {
    let mut stage = Stage::new(config(DAY));
    stage.append(&[put(b"a", b"1"), gone(b"a"), put(b"a", b"2"), gone(b"b")], PLAIN);
    stage.append(&[put(b"z", b"")], PLAIN);
    stage.roll();
    stage.compact().expect("dirty");
    let expected = [seen(2, b"a", Some(b"2")), seen(3, b"b", None), seen(4, b"z", Some(b""))];
    assert_eq!(records(&stage.rig.disk), expected, "an empty value is a value");
}

#[test]
fn the_last_batch_of_a_producer_stays_without_records_and_its_repeat_is_recognised() {
    let mut stage = Stage::new(config(DAY));
    let by = |sequence| Stamp { producer: Some((5, 1, sequence)), ..PLAIN };
    stage.append(&[put(b"a", b"1")], by(0));
    stage.append(&[put(b"a", b"2"), put(b"b", b"2")], by(1));
    stage.append(&[put(b"a", b"3"), put(b"b", b"3")], PLAIN);
    stage.roll();
    stage.compact().expect("dirty");
    let kept = headers(&stage.rig.disk);
    let spans: Vec<_> = kept.iter().map(|h| (h.base_offset.0, h.count)).collect();
    assert_eq!(spans, [(1, 0), (3, 2)]);
    assert_eq!((kept[0].producer_id.0, kept[0].last_sequence(), kept[0].last_offset()), (5, 2, Offset(2)));
    assert_eq!((kept[0].base_timestamp, kept[0].delete_horizon()), (Timestamp(-1), None));
    // A producer that went on leaves its earlier batches behind.
    stage.append(&[put(b"c", b"1")], by(3));
    stage.roll();
    stage.compact().expect("dirty");
    let bases: Vec<_> = headers(&stage.rig.disk).iter().map(|h| h.base_offset.0).collect();
    assert_eq!(bases, [3, 5]);
}

#[test]
fn the_log_s_last_offset_survives_and_recovery_finds_the_same_log() {
    let mut stage = Stage::new(config(0));
    stage.append(&[put(b"a", b"1")], PLAIN);
    stage.append(&[gone(b"a")], PLAIN);
    stage.roll();
    stage.compact().expect("dirty");
    stage.append(&[(Some(b"a"), None, 0)], PLAIN);
    stage.roll();
    stage.rig.now = at(60_000);
    stage.compact().expect("dirty");
    let spans = |stage: &Stage| headers(&stage.rig.disk).iter().map(|h| (h.base_offset.0, h.count)).collect::<Vec<_>>();
    assert_eq!(spans(&stage), [(2, 1)], "the newest tombstone was met just now");
    stage.append(&[gone(b"b")], PLAIN);
    stage.roll();
    stage.rig.now = at(120_000);
    stage.compact().expect("dirty");
    stage.append(&[gone(b"b")], PLAIN);
    stage.roll();
    stage.rig.now = at(180_000);
    stage.compact().expect("dirty");
    assert_eq!(spans(&stage), [(4, 1)]);
    let before = stage.rig.leader.snapshot();
    let again = Stage { rig: stage.rig.again(1), map_bytes: 1 << 20 };
    let after = again.rig.leader.snapshot();
    assert_eq!((after.start, after.end, after.size_bytes), (before.start, before.end, before.size_bytes));
    assert_eq!(again.rig.leader.dirtiness().expect("compacted").dirty_bytes, 0, "how far it came was not forgotten");
}

#[test]
fn records_without_a_key_go_as_in_kafka() {
    let mut stage = Stage::new(config(DAY));
    stage.append(&[(None, Some(b"1"), 0), put(b"a", b"1")], PLAIN);
    stage.append(&[put(b"b", b"1")], PLAIN);
    stage.roll();
    stage.compact().expect("dirty");
    let offsets = |stage: &Stage| records(&stage.rig.disk).iter().map(|found| found.0).collect::<Vec<_>>();
    assert_eq!(offsets(&stage), [1, 2]);
    // Where one of them is the last of the log, its batch stays without it.
    stage.append(&[(None, Some(b"2"), 0)], PLAIN);
    stage.roll();
    stage.compact().expect("dirty");
    assert_eq!(offsets(&stage), [1, 2]);
    let last = headers(&stage.rig.disk).pop().expect("there");
    assert_eq!((last.base_offset, last.count, stage.rig.disk.end), (Offset(3), 0, Offset(4)));
    let again = Stage { rig: stage.rig.again(1), map_bytes: 1 << 20 };
    assert_eq!(again.rig.leader.snapshot().end, Offset(4));
}

#[test]
fn control_batches_and_transactions_stay_and_shadow_nothing() {
    let mut stage = Stage::new(config(DAY));
    let (transactional, control) = (Stamp { attributes: 16, ..PLAIN }, Stamp { attributes: 48, ..PLAIN });
    stage.append(&[put(b"a", b"1")], PLAIN);
    stage.append(&[put(b"a", b"2")], transactional);
    stage.append(&[put(b"a", b"marker")], control);
    stage.append(&[put(b"b", b"1")], PLAIN);
    stage.append(&[put(b"b", b"2")], PLAIN);
    stage.roll();
    stage.compact().expect("dirty");
    let offsets: Vec<_> = records(&stage.rig.disk).iter().map(|found| found.0).collect();
    assert_eq!(offsets, [0, 1, 2, 4]);
}

#[test]
fn a_round_is_due_when_more_than_the_ratio_is_dirty() {
    let half = CompactionConfig::default();
    let mut stage = Stage::new(LogConfig { compaction: half, ..config(DAY) });
    let value = [1; 1000];
    for key in 0..4u8 {
        stage.append(&[put(&[key], &value)], PLAIN);
    }
    stage.roll();
    stage.compact().expect("all is dirty");
    for key in 4..8u8 {
        stage.append(&[put(&[key], &value)], PLAIN);
        stage.roll();
        assert!(stage.plan().is_none(), "at most half");
    }
    stage.append(&[put(&[9], &value)], PLAIN);
    stage.roll();
    let plan = stage.plan().expect("five of nine");
    assert!((555_000..557_000).contains(&plan.dirty_millionths), "{}", plan.dirty_millionths);
}

#[test]
fn lags_hold_records_back_and_push_them_on() {
    let lag = |min, max: Option<u64>| LogConfig {
        compaction: CompactionConfig {
            min_lag: Duration::from_millis(min),
            max_lag: max.map(Duration::from_millis),
            min_dirty_millionths: 900_000,
            ..CompactionConfig::default()
        },
        ..config(DAY)
    };
    let mut stage = Stage::new(lag(10_000, None));
    stage.append(&[put(b"a", b"1")], PLAIN);
    stage.roll();
    stage.append(&[(Some(b"a"), Some(b"2"), 8000)], PLAIN);
    stage.roll();
    assert_eq!(stage.plan(), None, "too young");
    stage.rig.now = at(10_000);
    assert_eq!(stage.plan().expect("one slice is old enough").slices.len(), 1);
    stage.rig.now = at(18_000);
    assert_eq!(stage.plan().expect("both are").slices.len(), 2);

    let mut stage = Stage::new(lag(0, Some(60_000)));
    for _ in 0..4 {
        stage.append(&[(Some(b"b"), Some(&[1; 3000]), 0)], PLAIN);
    }
    stage.roll();
    stage.compact().expect("all is dirty");
    stage.append(&[(Some(b"a"), Some(b"1"), 2000)], PLAIN);
    stage.roll();
    assert_eq!(stage.plan(), None, "little is dirty");
    stage.rig.now = at(62_001);
    assert!(stage.plan().is_some(), "however little it is");
}

#[test]
fn a_map_that_is_full_ends_the_round_at_a_slice() {
    let mut stage = Stage::new(config(DAY));
    stage.map_bytes = 300;
    for slice in 0..4u8 {
        for key in 0..5u8 {
            stage.append(&[put(&[key, slice % 2], &[slice])], PLAIN);
        }
        stage.roll();
    }
    let mut rounds = 0;
    while stage.compact().is_some() {
        rounds += 1;
        assert!(rounds < 10, "each goes further");
    }
    assert!(rounds >= 3, "{rounds}");
    assert_eq!(records(&stage.rig.disk).iter().map(|found| found.0).collect::<Vec<_>>(), (10..20).collect::<Vec<_>>());
}

#[test]
fn retention_and_compaction_go_together() {
    let mut both = config(DAY);
    both.cleanup_policy = CleanupPolicy { delete: true, compact: true };
    both.retention = Some(Duration::from_secs(100));
    let mut stage = Stage::new(both);
    for n in 0..3 {
        stage.append(&[put(b"a", &[n]), (Some(&[n]), Some(b"x"), i64::from(n) * 50_000)], PLAIN);
        stage.roll();
    }
    stage.compact().expect("dirty");
    assert_eq!(records(&stage.rig.disk).len(), 4);
    let size = stage.rig.leader.snapshot().size_bytes;
    assert_eq!(size, stage.rig.disk.batches.values().map(|batch| batch.bytes.len() as u64).sum::<u64>());
    stage.rig.now = at(250_000);
    while let Some(query) = stage.rig.leader.retention_query(stage.rig.now) {
        let entries = stage.rig.disk.index_from(&query.from_key, 10);
        stage.rig.call(|leader, now, effects| {
            leader.apply_retention(&query, &entries, now, effects).expect("readable");
        });
        stage.rig.settle();
    }
    assert_eq!((stage.rig.disk.start, stage.rig.leader.snapshot().size_bytes), (Offset(6), 0));
}

#[test]
fn retention_waits_for_survivors_under_way_and_forgets_what_it_read_before() {
    let mut both = config(DAY);
    both.cleanup_policy = CleanupPolicy { delete: true, compact: true };
    both.retention = Some(Duration::from_secs(100));
    let mut stage = Stage::new(both);
    for n in 0..3 {
        stage.append(&[put(b"a", &[n])], PLAIN);
        stage.roll();
    }
    let mut round = stage.begin().expect("dirty");
    let chunk = loop {
        if let (Some(chunk), _) = stage.step(&mut round, 1) {
            break chunk;
        }
    };
    stage.rig.now = at(200_000);
    let query = stage.rig.leader.retention_query(stage.rig.now).expect("all is old");
    let entries = stage.rig.disk.index_from(&query.from_key, 10);
    stage.replace(chunk.clone());
    assert_eq!(stage.rig.leader.retention_query(stage.rig.now), None);
    let apply = |stage: &mut Stage| {
        let applied = |leader: &mut crate::Leader<u32>, now, effects: &mut Vec<_>| {
            leader.apply_retention(&query, &entries, now, effects).expect("readable");
        };
        stage.rig.call(applied)
    };
    apply(&mut stage);
    stage.rig.settle();
    apply(&mut stage);
    assert_eq!(stage.rig.journal.len(), 0, "the entries are not those of before");
    let Oldest::Known(oldest) = stage.rig.leader.slices.oldest else { panic!("there is one") };
    assert_eq!((oldest.start, oldest.end), (Offset(0), Offset(3)));
    let again = stage.replace(chunk);
    assert!(matches!(&again[..], [Effect::Replaced { result: Ok(()), .. }] | []), "{again:?}");
}

#[test]
fn what_cannot_be_written_leaves_all_as_it_was_and_the_leader_in_office() {
    let mut stage = Stage::new(config(DAY));
    stage.append(&[put(b"a", b"1")], PLAIN);
    stage.append(&[put(b"a", b"2")], PLAIN);
    stage.roll();
    let mut round = stage.begin().expect("dirty");
    let chunk = loop {
        if let (Some(chunk), _) = stage.step(&mut round, 9) {
            break chunk;
        }
    };
    let size = stage.rig.leader.snapshot().size_bytes;
    assert_eq!(stage.replace(chunk.clone()), []);
    let twice = stage.replace(chunk.clone());
    let overtaken = ReplaceError::Overtaken { from: Offset(0), until: Offset(2) };
    assert_eq!(twice, [Effect::Replaced { waiter: 7, result: Err(overtaken) }]);
    let (ticket, _) = stage.rig.journal.pop_front().expect("asked for");
    let failed = stage.rig.call(|leader, _, effects| leader.write_failed(ticket, WriteError::Full, effects));
    assert_eq!(failed, [Effect::Replaced { waiter: 7, result: Err(ReplaceError::Write(WriteError::Full)) }]);
    assert_eq!(stage.rig.leader.snapshot().size_bytes, size);
    stage.append(&[put(b"b", b"1")], PLAIN);
    stage.rig.settle();
    assert_eq!(stage.replace(chunk), []);
    assert_eq!(stage.rig.settle(), [Effect::Replaced { waiter: 7, result: Ok(()) }]);
}

#[test]
fn a_topic_that_is_compacted_no_more_takes_no_survivors() {
    let mut stage = Stage::new(config(DAY));
    stage.append(&[put(b"a", b"1")], PLAIN);
    stage.append(&[put(b"a", b"2")], PLAIN);
    stage.roll();
    let mut round = stage.begin().expect("dirty");
    let chunk = loop {
        if let (Some(chunk), _) = stage.step(&mut round, 9) {
            break chunk;
        }
    };
    stage.rig.call(|leader, _, effects| leader.configure(LogConfig::default(), effects));
    assert_eq!(stage.replace(chunk.clone()), [Effect::Replaced { waiter: 7, result: Err(ReplaceError::Policy) }]);
    assert_eq!(stage.rig.leader.dirtiness(), None);
    stage.rig.call(|leader, _, effects| leader.configure(config(DAY), effects));
    assert_eq!(stage.replace(chunk.clone()), []);
    let answers = stage.rig.call(|leader, _, effects| leader.resign(effects));
    assert_eq!(answers, [Effect::Replaced { waiter: 7, result: Err(ReplaceError::NotLeading) }]);
    assert_eq!(stage.replace(chunk), [Effect::Replaced { waiter: 7, result: Err(ReplaceError::NotLeading) }]);
}

#[test]
fn a_batch_that_cannot_be_read_is_named() {
    let mut stage = Stage::new(config(DAY));
    stage.append(&[put(b"a", b"1")], PLAIN);
    stage.append(&[put(b"a", b"2")], Stamp { compression: Compression::Zstd, ..PLAIN });
    stage.roll();
    let mut round = stage.begin().expect("dirty");
    let broken = stage.rig.disk.batches[&Offset(1)].bytes.clone();
    let mut bytes = bytes::BytesMut::from(&broken[..]);
    let end = bytes.len() - 3;
    bytes[end] ^= 0x55;
    let error = round.feed(&bytes.freeze(), Offset(2), &super::stage::Turned).expect_err("unreadable");
    assert_eq!(error.offset, Offset(1));
    assert!(matches!(error.fault, BatchFault::Record(_)), "{error}");
}

#[test]
fn a_broken_checkpoint_is_an_error_and_never_a_panic() {
    let read = |key: &[u8], value: &[u8]| crate::compaction::read_checkpoint(&(key.to_vec(), value.to_vec()));
    let value = [&[1][..], &7i64.to_be_bytes()].concat();
    assert_eq!(read(b"checkpoint", &value), Ok(Offset(7)));
    assert!(read(b"elsewhere", &value).is_err());
    (0..value.len()).for_each(|end| assert!(read(b"checkpoint", &value[..end]).is_err(), "cut at {end}"));
    assert!(read(b"checkpoint", &[&value[..], &[0]].concat()).is_err());
    assert!(read(b"checkpoint", &[&[2][..], &7i64.to_be_bytes()].concat()).is_err());
    assert!(read(b"checkpoint", &[&[1][..], &(-7i64).to_be_bytes()].concat()).is_err());
}

#[test]
fn times_are_found_where_records_are_left() {
    let mut stage = Stage::new(config(DAY));
    for n in 0..4 {
        stage.append(&[(Some(b"a"), Some(b"x"), n * 100)], PLAIN);
        stage.roll();
    }
    stage.append(&[(Some(b"b"), Some(b"x"), 50)], PLAIN);
    stage.roll();
    stage.compact().expect("dirty");
    let query = ListOffset {
        timestamp: Timestamp(WALL + 100),
        isolation: crate::Isolation::ReadUncommitted,
        current_leader_epoch: None,
    };
    let found = stage.rig.leader.list_offset(query).expect("known");
    assert!(matches!(found, ListAnswer::SearchTime { from: Offset(0), until: Offset(5), .. }), "{found:?}");
    let Oldest::Known(slice) = stage.rig.leader.slices.oldest else { panic!("there is one") };
    assert_eq!((slice.start, slice.end, slice.max.base_offset), (Offset(0), Offset(5), Offset(3)));
    assert_eq!(slice.max.timestamp, Timestamp(WALL + 300));
}
