use std::time::Duration;

use super::*;

#[derive(Clone, Debug, PartialEq, Eq)]
struct Some3(u32, Instant);

impl Payload for Some3 {
    fn count(&self) -> u32 {
        self.0
    }
    fn created(&self) -> Instant {
        self.1
    }
    fn split(&self) -> Option<[Self; 2]> {
        (self.0 > 1).then(|| [Self(self.0 / 2, self.1), Self(self.0 - self.0 / 2, self.1)])
    }
}

struct Rig {
    pipeline: Pipeline<Some3>,
    start: Instant,
}

impl Rig {
    fn new() -> Self {
        let mut pipeline = Pipeline::new(true, u32::MAX);
        pipeline.adopt(identity(7, 0));
        pipeline.introduced = true;
        Self { pipeline, start: Instant::now() }
    }

    /// Admits and sends a batch; its key and number.
    fn sent(&mut self, count: u32) -> (u64, i32) {
        assert!(self.pipeline.wants_new());
        self.pipeline.admit(Some3(count, self.start));
        self.send().expect("to be sent")
    }

    fn send(&mut self) -> Option<(u64, i32)> {
        self.pipeline.send(self.start).map(|(key, _, sequenced)| (key, sequenced.expect("numbered").base_sequence))
    }

    fn answer(&mut self, key: u64, outcome: Outcome) -> Option<Effect<Some3>> {
        self.pipeline.answered(key, outcome, self.start, self.start)
    }

    fn epoch(&self) -> i16 {
        self.pipeline.identity.expect("known").epoch.0
    }
}

fn identity(id: i64, epoch: i16) -> Identity {
    Identity { id: ProducerId(id), epoch: ProducerEpoch(epoch) }
}

fn error(code: ErrorCode) -> ClientError {
    ClientError::from_code(code.code(), "t-0", None).expect("no success")
}

fn refusal(code: ErrorCode) -> Outcome {
    Outcome::of_refusal(code, error(code))
}

fn lost() -> Outcome {
    Outcome::Retry { error: error(ErrorCode::NetworkException), uncertain: true }
}

fn acked() -> Outcome {
    Outcome::Acked(Acknowledged { base_offset: Some(0), log_append_time: None })
}

#[test]
fn numbers_follow_each_other_and_wrap_after_the_largest() {
    let mut rig = Rig::new();
    assert_eq!(rig.sent(3), (0, 0));
    assert_eq!(rig.sent(2), (1, 3));
    rig.pipeline.next_sequence = i32::MAX - 1;
    assert_eq!(rig.sent(3).1, i32::MAX - 1);
    assert_eq!(rig.sent(1).1, 1, "2147483646, 2147483647, 0 are taken");
}

#[test]
fn no_more_than_five_batches_are_unresolved_kip_98() {
    let mut rig = Rig::new();
    let first = rig.sent(1);
    for _ in 1..5 {
        rig.sent(1);
    }
    assert!(!rig.pipeline.wants_new());
    assert!(matches!(rig.answer(first.0, acked()), Some(Effect::Acked(..))));
    assert!(rig.pipeline.wants_new());
}

#[test]
fn the_first_batch_of_an_id_goes_out_alone() {
    let mut rig = Rig::new();
    rig.pipeline.introduced = false;
    let first = rig.sent(1);
    assert!(!rig.pipeline.wants_new());
    rig.answer(first.0, lost());
    assert_eq!(rig.send(), Some(first));
    rig.answer(first.0, acked());
    rig.sent(1);
    assert!(rig.pipeline.wants_new());
}

#[test]
fn after_a_cut_everything_is_repeated_in_order_with_the_same_numbers() {
    let mut rig = Rig::new();
    let sent: Vec<_> = (0..3).map(|_| rig.sent(2)).collect();
    for (key, _) in sent.iter().rev() {
        assert!(rig.answer(*key, lost()).is_none());
    }
    assert!(!rig.pipeline.wants_new(), "nothing new before what is to be repeated");
    let again: Vec<_> = (0..3).map(|_| rig.send().expect("to be repeated")).collect();
    assert_eq!(again, sent);
    assert_eq!(rig.epoch(), 0);
}

#[test]
fn a_batch_behind_a_failed_one_is_refused_and_follows_it_without_a_pause_of_its_own() {
    let mut rig = Rig::new();
    let (first, second) = (rig.sent(1), rig.sent(1));
    let later = rig.start + Duration::from_millis(100);
    rig.pipeline.answered(first.0, refusal(ErrorCode::NotLeaderOrFollower), rig.start, later);
    rig.pipeline.answered(second.0, refusal(ErrorCode::OutOfOrderSequenceNumber), rig.start, later);
    assert_eq!(rig.pipeline.sendable_at(rig.start), Some(later));
    assert_eq!(rig.send(), None);
    rig.start = later;
    assert_eq!((rig.send(), rig.send()), (Some(first), Some(second)));
    assert_eq!(rig.epoch(), 0, "there is no hole");
}

#[test]
fn after_a_refused_batch_the_epoch_rises_once_all_is_answered_kip_360() {
    let mut rig = Rig::new();
    let (first, second) = (rig.sent(3), rig.sent(4));
    let failed = rig.answer(first.0, refusal(ErrorCode::InvalidRecord));
    assert!(matches!(failed, Some(Effect::Failed(Some3(3, _), _))));
    assert!(!rig.pipeline.wants_new() && rig.send().is_none());
    rig.answer(second.0, refusal(ErrorCode::OutOfOrderSequenceNumber));
    assert_eq!(rig.epoch(), 1);
    assert_eq!(rig.send(), Some((second.0, 0)));
    assert_eq!(rig.sent(1).1, 4);
}

#[test]
fn an_expired_batch_that_may_be_in_the_log_keeps_the_epoch_until_the_next_tells() {
    for next_is_in_the_log in [true, false] {
        let mut rig = Rig::new();
        let (first, second) = (rig.sent(3), rig.sent(4));
        rig.answer(first.0, lost());
        rig.answer(second.0, lost());
        rig.pipeline.entries[1].batch = Some(Some3(4, rig.start + Duration::from_secs(9)));
        let expired = rig.pipeline.expire(rig.start, rig.start);
        assert!(matches!(&expired[..], [Effect::Expired { sent: true, last: Some(_), .. }]), "{expired:?}");
        assert_eq!(rig.send(), Some(second), "the old number asks whether it is there");
        let outcome = if next_is_in_the_log { acked() } else { refusal(ErrorCode::OutOfOrderSequenceNumber) };
        rig.answer(second.0, outcome);
        if next_is_in_the_log {
            assert_eq!((rig.epoch(), rig.sent(1).1), (0, 7));
        } else {
            assert_eq!((rig.epoch(), rig.send()), (0, None), "what was lost may still arrive");
            rig.start += LATE_ARRIVAL;
            assert_eq!((rig.send(), rig.epoch()), (Some((second.0, 0)), 1));
        }
    }
}

#[test]
fn a_batch_that_expires_in_flight_is_told_at_once_and_its_answer_still_counts() {
    let mut rig = Rig::new();
    let first = rig.sent(3);
    assert!(matches!(&rig.pipeline.expire(rig.start, rig.start)[..], [Effect::Expired { sent: true, .. }]));
    assert!(rig.pipeline.expire(rig.start, rig.start).is_empty(), "only once");
    assert_eq!(rig.pipeline.in_flight(), 1);
    assert!(rig.answer(first.0, acked()).is_none());
    assert_eq!((rig.epoch(), rig.sent(1).1), (0, 3), "it is in the log after all");
    let second = rig.pipeline.next_key - 1;
    rig.pipeline.expire(rig.start, rig.start);
    assert!(rig.answer(second, lost()).is_none());
    assert_eq!(rig.pipeline.sendable_at(rig.start), Some(rig.start + LATE_ARRIVAL));
    rig.pipeline.settle(rig.start + LATE_ARRIVAL);
    assert_eq!((rig.epoch(), rig.sent(1).1), (1, 0), "whether it is in the log is not known");
}

#[test]
fn a_broker_that_has_lost_track_gets_the_batch_in_a_new_epoch_kip_360() {
    for code in [ErrorCode::OutOfOrderSequenceNumber, ErrorCode::UnknownProducerId] {
        let mut rig = Rig::new();
        let done = rig.sent(3);
        rig.answer(done.0, acked());
        let (first, second) = (rig.sent(1), rig.sent(1));
        assert!(rig.answer(first.0, refusal(code)).is_none());
        assert_eq!(rig.send(), None, "the second is not answered yet");
        assert!(rig.answer(second.0, refusal(code)).is_none());
        assert_eq!((rig.epoch(), rig.send(), rig.send()), (1, Some((first.0, 0)), Some((second.0, 1))));
    }
}

#[test]
fn when_epochs_are_used_up_or_fenced_another_id_is_waited_for() {
    let mut rig = Rig::new();
    rig.pipeline.identity = Some(identity(7, i16::MAX));
    let key = rig.sent(1).0;
    rig.answer(key, refusal(ErrorCode::InvalidRecord));
    assert!(rig.pipeline.lacks_identity() && rig.pipeline.used_up() == Some(ProducerId(7)));
    rig.pipeline.adopt(identity(7, 0));
    assert!(rig.pipeline.lacks_identity(), "that is the id which is used up");
    rig.pipeline.adopt(identity(8, 0));
    let key = rig.sent(2).0;
    rig.answer(key, refusal(ErrorCode::InvalidProducerEpoch));
    assert!(rig.pipeline.lacks_identity() && rig.send().is_none());
    rig.pipeline.adopt(identity(9, 0));
    assert_eq!(rig.send(), Some((key, 0)), "the fenced batch goes out under the new id");
}

#[test]
fn a_batch_that_is_too_large_is_halved_with_the_same_numbers_kip_126() {
    let mut rig = Rig::new();
    let (first, second) = (rig.sent(3), rig.sent(1));
    assert!(rig.answer(first.0, refusal(ErrorCode::MessageTooLarge)).is_none());
    rig.answer(second.0, refusal(ErrorCode::OutOfOrderSequenceNumber));
    let numbers: Vec<_> = (0..3).map(|_| rig.send().expect("to be sent").1).collect();
    assert_eq!(numbers, [0, 1, 3]);
    assert_eq!(rig.epoch(), 0);
    let half = rig.pipeline.entries[0].key;
    assert!(matches!(rig.answer(half, refusal(ErrorCode::MessageTooLarge)), Some(Effect::Failed(Some3(1, _), _))));
}

#[test]
fn duplicate_is_success_without_an_offset() {
    let mut rig = Rig::new();
    let key = rig.sent(1).0;
    let told = rig.answer(key, refusal(ErrorCode::DuplicateSequenceNumber));
    assert!(matches!(told, Some(Effect::Acked(_, Acknowledged { base_offset: None, .. }))), "{told:?}");
}

#[test]
fn retries_are_counted() {
    let mut rig = Rig::new();
    rig.pipeline.retries = 2;
    let key = rig.sent(1).0;
    assert!(rig.answer(key, lost()).is_none());
    rig.send();
    assert!(rig.answer(key, lost()).is_none());
    rig.send();
    assert!(matches!(rig.answer(key, lost()), Some(Effect::Failed(..))));
}

#[test]
fn without_idempotence_there_are_no_numbers_and_no_holes() {
    let now = Instant::now();
    let mut pipeline = Pipeline::new(false, u32::MAX);
    for _ in 0..9 {
        assert!(pipeline.wants_new());
        pipeline.admit(Some3(1, now));
        assert!(matches!(pipeline.send(now), Some((_, _, None))));
    }
    assert!(matches!(pipeline.answered(0, refusal(ErrorCode::InvalidRecord), now, now), Some(Effect::Failed(..))));
    assert!(pipeline.answered(1, lost(), now, now).is_none());
    assert!(!pipeline.wants_new(), "the one to be repeated goes first");
    assert_eq!(pipeline.drain().len(), 8);
}
