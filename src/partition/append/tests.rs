use super::*;
use crate::rig::{Made, Rig, WALL, append, produced};
use callboard_model::{BatchHeader, LogConfig, ProducerEpoch, ProducerId};

const T: i64 = WALL;

fn rig() -> Rig {
    Rig::new(LogConfig::default())
}

fn refusal(effects: &[Effect<u32>]) -> &ProduceError {
    match effects {
        [Effect::Produced { result: Err(error), .. }] => error,
        other => panic!("no refusal but {other:?}"),
    }
}

#[test]
fn a_repeated_batch_gets_its_first_offset_and_is_not_stored_again() {
    let mut rig = rig();
    let made = Made::of(2, T).by(7, 0, 0);
    rig.append(1, Acks::All, &made);
    rig.settle();
    assert_eq!(rig.append(2, Acks::All, &made), [produced(2, 0)]);
    assert_eq!((rig.journal.len(), rig.leader.snapshot().end), (0, Offset(2)));
}

#[test]
fn a_repeated_batch_waits_as_long_as_the_first_try() {
    let mut rig = rig();
    let made = Made::of(2, T).by(7, 0, 0);
    rig.append(1, Acks::All, &made);
    rig.append(9, Acks::All, &Made::of(1, T));
    for (waiter, acks) in [(2, Acks::All), (3, Acks::Leader)] {
        assert_eq!(rig.append(waiter, acks, &made), [], "not durable yet");
    }
    assert_eq!(rig.write_one(), Some(vec![produced(3, 0), produced(1, 0), produced(2, 0)]));
    assert_eq!(rig.settle(), [produced(9, 2)]);
}

#[test]
fn the_last_five_batches_of_a_producer_are_recognised_and_no_older_one() {
    let mut rig = rig();
    let batch = |sequence| Made::of(1, T).by(7, 0, sequence);
    for sequence in 0..6 {
        rig.append(sequence as u32, Acks::All, &batch(sequence));
    }
    rig.settle();
    for sequence in 1..6 {
        assert_eq!(rig.append(9, Acks::All, &batch(sequence)), [produced(9, i64::from(sequence))]);
    }
    let effects = rig.append(9, Acks::All, &batch(0));
    let wanted = ProduceError::OutOfOrder { producer: ProducerId(7), epoch: ProducerEpoch(0), given: 0, expected: 6 };
    assert_eq!(*refusal(&effects), wanted);
}

#[test]
fn a_batch_of_other_length_is_no_repeat() {
    let mut rig = rig();
    rig.append(1, Acks::All, &Made::of(2, T).by(7, 0, 0));
    rig.settle();
    let effects = rig.append(2, Acks::All, &Made::of(3, T).by(7, 0, 0));
    assert_eq!(refusal(&effects).code().name(), "OUT_OF_ORDER_SEQUENCE_NUMBER");
}

#[test]
fn an_unknown_producer_may_begin_anywhere_and_leaves_no_gap_after() {
    let mut rig = rig();
    rig.append(1, Acks::All, &Made::of(2, T).by(7, 3, 40));
    rig.append(2, Acks::All, &Made::of(1, T).by(7, 3, 42));
    assert_eq!(rig.settle(), [produced(1, 0), produced(2, 2)]);
    let effects = rig.append(3, Acks::All, &Made::of(1, T).by(7, 3, 44));
    let wanted = ProduceError::OutOfOrder { producer: ProducerId(7), epoch: ProducerEpoch(3), given: 44, expected: 43 };
    assert_eq!(*refusal(&effects), wanted);
    assert_eq!(rig.leader.snapshot().end, Offset(3));
}

#[test]
fn sequence_numbers_wrap_to_zero() {
    let mut rig = rig();
    let last = Made::of(3, T).by(7, 0, i32::MAX - 1);
    rig.append(1, Acks::All, &last);
    rig.append(2, Acks::All, &Made::of(1, T).by(7, 0, 1));
    assert_eq!(rig.settle(), [produced(1, 0), produced(2, 3)]);
    assert_eq!(rig.append(3, Acks::All, &last), [produced(3, 0)], "recognised across the wrap");
    let mut rig = self::rig();
    rig.append(1, Acks::All, &Made::of(1, T).by(7, 0, i32::MAX));
    rig.append(2, Acks::All, &Made::of(1, T).by(7, 0, 0));
    assert_eq!(rig.settle(), [produced(1, 0), produced(2, 1)]);
}

#[test]
fn a_new_epoch_begins_at_zero_and_fences_the_older() {
    let mut rig = rig();
    rig.append(1, Acks::All, &Made::of(1, T).by(7, 0, 0));
    rig.settle();
    let effects = rig.append(2, Acks::All, &Made::of(1, T).by(7, 1, 1));
    let wanted = ProduceError::OutOfOrder { producer: ProducerId(7), epoch: ProducerEpoch(1), given: 1, expected: 0 };
    assert_eq!(*refusal(&effects), wanted);
    rig.append(3, Acks::All, &Made::of(1, T).by(7, 1, 0));
    assert_eq!(rig.settle(), [produced(3, 1)]);
    let effects = rig.append(4, Acks::All, &Made::of(1, T).by(7, 0, 1));
    let (given, current) = (ProducerEpoch(0), ProducerEpoch(1));
    assert_eq!(*refusal(&effects), ProduceError::ProducerFenced { producer: ProducerId(7), given, current });
    assert_eq!(refusal(&effects).code().code(), 47);
}

#[test]
fn a_refused_batch_changes_nothing_and_acks_zero_hears_nothing() {
    let mut rig = rig();
    rig.append(1, Acks::All, &Made::of(1, T).by(7, 0, 0));
    rig.settle();
    let before = rig.leader.snapshot();
    assert_eq!(rig.append(2, Acks::None, &Made::of(1, T).by(7, 0, 5)), []);
    assert_eq!((rig.leader.snapshot(), rig.journal.len()), (before, 0));
}

#[test]
fn log_append_time_is_the_broker_s_and_is_told_also_for_a_repeat() {
    let mut rig = Rig::new(LogConfig { timestamp_type: TimestampType::LogAppendTime, ..LogConfig::default() });
    let made = Made::of(2, 5).by(7, 0, 0);
    rig.now = crate::rig::at(1000);
    rig.append(1, Acks::All, &made);
    let time = Some(Timestamp(WALL + 1000));
    let answer = |waiter| {
        let result = Ok(Produced { base_offset: Offset(0), log_append_time: time, log_start: Offset(0) });
        Effect::Produced { waiter, result }
    };
    assert_eq!(rig.settle(), [answer(1)]);
    let header: BatchHeader = rig.disk.batches[&Offset(0)].header;
    assert!(header.is_log_append_time());
    assert_eq!(Some(header.max_timestamp), time);
    assert_eq!(BatchHeader::read(&rig.disk.batches[&Offset(0)].bytes), Ok(header));
    rig.now = crate::rig::at(5000);
    assert_eq!(rig.append(2, Acks::All, &made), [answer(2)]);
}

#[test]
fn the_platform_s_own_batches_are_held_to_no_client_s_rule() {
    let mut rig = rig();
    let control = Made { attributes: 0b11_0000, ..Made::of(1, T).by(7, 0, -1) };
    let effects = rig.append(1, Acks::All, &control);
    assert_eq!(*refusal(&effects), ProduceError::Control);
    let mut own = append(2, Acks::All, control.batch());
    own.internal = true;
    rig.call(|leader, now, effects| leader.append(own, now, effects));
    assert_eq!(rig.settle(), [produced(2, 0)]);
    assert_eq!(rig.leader.snapshot().producers, 0, "a control batch has no place in a sequence");
}

#[test]
fn a_batch_for_another_end_is_refused_before_it_is_looked_at_and_changes_nothing() {
    let mut rig = rig();
    rig.append(1, Acks::All, &Made::of(2, T));
    for (waiter, expected) in [(2, 0), (3, 1), (4, 3)] {
        let mut own = append(waiter, Acks::All, Made::of(1, T).batch());
        own.expected_end = Some(Offset(expected));
        let effects = rig.call(|leader, now, effects| leader.append(own, now, effects));
        let (expected, end) = (Offset(expected), Offset(2));
        assert_eq!(*refusal(&effects), ProduceError::UnexpectedEnd { expected, end });
    }
    let mut own = append(5, Acks::All, Made::of(1, T).batch());
    own.expected_end = Some(Offset(2));
    rig.call(|leader, now, effects| leader.append(own, now, effects));
    assert_eq!(rig.settle(), [produced(1, 0), produced(5, 2)]);
}

#[test]
fn a_producer_s_answer_tells_where_the_log_starts_now() {
    let mut rig = rig();
    rig.append(1, Acks::All, &Made::of(2, T));
    rig.settle();
    rig.append(2, Acks::All, &Made::of(1, T));
    rig.call(|leader, _, effects| leader.delete_records(Offset(1), 3, effects));
    let result = Ok(Produced { base_offset: Offset(2), log_append_time: None, log_start: Offset(1) });
    assert_eq!(rig.write_one(), Some(vec![Effect::Produced { waiter: 2, result }]));
}
