use super::*;
use crate::rig::{Made, Rig, append, at, fetch, memory, produced, stored, tick, waiting};
use crate::tail::ENTRY_BYTES;
use crate::{Acks, FetchData, Fetched, invariant};
use callboard_model::{CheckedBatch, StateFamily, StoredBatch};

const T: i64 = crate::rig::WALL;

fn rig() -> Rig {
    Rig::new(LogConfig::default())
}

fn begin(recovered: Recovered, epoch: i32, effects: &mut Vec<Effect<u32>>) -> Result<Leader<u32>, RecoverError> {
    let limits = PartitionLimits::default();
    Leader::begin(LogId(7), recovered, LeaderEpoch(epoch), LogConfig::default(), limits, at(0), effects)
}

#[test]
fn a_leadership_writes_its_epoch_s_start_before_any_record() {
    let mut effects = Vec::new();
    begin(Recovered::default(), 3, &mut effects).expect("an empty log");
    let writes = vec![LogWrite::Put {
        family: StateFamily::Epochs,
        key: vec![0, 0, 0, 3],
        value: vec![1, 0, 0, 0, 0, 0, 0, 0, 0],
    }];
    assert_eq!(effects, [Effect::Write { ticket: Ticket(0), durability: Durability::Synced, writes }]);
}

#[test]
fn an_append_is_one_write_of_the_batch_with_offset_and_epoch_assigned() {
    let mut leader = begin(Recovered::default(), 3, &mut Vec::new()).expect("an empty log");
    let mut effects = Vec::new();
    let made = Made::of(2, T);
    leader.append(append(1, Acks::All, made.batch()), at(0), &mut effects);
    leader.append(append(2, Acks::All, made.batch()), at(0), &mut effects);
    let write = |ticket, base| {
        let batch = CheckedBatch::new(bytes::BytesMut::from(&stored(&made, base, 3)[..])).expect("whole");
        let batch = StoredBatch { header: *batch.header(), bytes: stored(&made, base, 3) };
        let writes = vec![LogWrite::Append(batch)];
        Effect::Write { ticket: Ticket(ticket), durability: Durability::Synced, writes }
    };
    assert_eq!(effects, [write(1, 0), write(2, 2)]);
    assert_eq!((leader.snapshot().end, leader.snapshot().high_watermark), (Offset(4), Offset(0)));
}

#[test]
fn flush_mode_async_asks_for_no_sync() {
    let config = LogConfig { flush_mode: FlushMode::Async, ..LogConfig::default() };
    let mut rig = Rig::new(config);
    let mut effects = Vec::new();
    rig.leader.append(append(1, Acks::All, Made::of(1, T).batch()), at(0), &mut effects);
    assert!(matches!(effects[..], [Effect::Write { durability: Durability::Written, .. }]), "{effects:?}");
}

#[test]
fn nobody_is_answered_and_nothing_is_visible_before_the_disk_has_it() {
    let mut rig = rig();
    assert_eq!(rig.append(1, Acks::All, &Made::of(1, T)), []);
    assert_eq!(rig.append(2, Acks::Leader, &Made::of(1, T)), []);
    assert_eq!(rig.append(3, Acks::None, &Made::of(1, T)), []);
    assert_eq!(rig.read(0).data, FetchData::Empty);
    assert_eq!(rig.write_one(), Some(vec![produced(1, 0)]));
    assert_eq!(memory(&rig.read(0)), [stored(&Made::of(1, T), 0, 0)]);
    assert_eq!(rig.settle(), [produced(2, 1)]);
    assert_eq!(rig.leader.snapshot().high_watermark, Offset(3));
}

#[test]
fn acks_all_waits_for_followers_where_acks_one_does_not() {
    let mut rig = rig();
    let follower = callboard_model::BrokerId(2);
    rig.leader.replicas = ReplicaSet::with_followers(Offset(0), [(follower, true)]);
    rig.append(1, Acks::All, &Made::of(1, T));
    rig.append(2, Acks::Leader, &Made::of(1, T));
    assert_eq!(rig.settle(), [produced(2, 1)]);
    rig.leader.replicas.acknowledge(follower, Offset(1));
    let config = rig.leader.config().clone();
    assert_eq!(rig.call(|leader, _, effects| leader.configure(config, effects)), [produced(1, 0)]);
    assert_eq!(rig.leader.snapshot().high_watermark, Offset(1), "record 1 is on one replica only");
}

#[test]
fn too_few_replicas_in_sync_refuse_acks_all_before_the_append() {
    let mut rig = Rig::new(LogConfig { min_insync_replicas: 2, ..LogConfig::default() });
    let follower = callboard_model::BrokerId(2);
    rig.leader.replicas = ReplicaSet::with_followers(Offset(0), [(follower, false)]);
    let result = Err(ProduceError::NotEnoughReplicas { in_sync: 1, wanted: 2 });
    assert_eq!(rig.append(1, Acks::All, &Made::of(1, T)), [Effect::Produced { waiter: 1, result }]);
    rig.append(2, Acks::Leader, &Made::of(1, T));
    assert_eq!(rig.settle(), [produced(2, 0)]);
    assert_eq!(rig.leader.snapshot().high_watermark, Offset(0), "frozen below the minimum (KAFKA-15583)");
}

#[test]
fn a_failed_write_fails_all_in_flight_and_asks_for_a_rebuild() {
    let mut rig = rig();
    rig.append(1, Acks::All, &Made::of(1, T));
    rig.settle();
    rig.append(2, Acks::All, &Made::of(1, T));
    rig.append(3, Acks::Leader, &Made::of(1, T));
    rig.call(|leader, _, effects| leader.delete_records(Offset(1), 4, effects));
    rig.fetch(waiting(5, 1, 1, 500));
    let error = WriteError::Failed("no".into());
    let ticket = rig.journal[0].0;
    let effects = rig.call(|leader, _, effects| leader.write_failed(ticket, error.clone(), effects));
    let refused = |waiter| Effect::Produced { waiter, result: Err(ProduceError::Storage(error.clone())) };
    let empty = Fetched {
        high_watermark: Offset(1),
        last_stable: Offset(1),
        log_start: Offset(1),
        aborted: vec![],
        diverging: None,
        data: FetchData::Empty,
    };
    let reason = "a write to log 7 failed: writing to storage failed: no".to_owned();
    assert_eq!(
        effects,
        [
            refused(3),
            refused(2),
            Effect::Deleted { waiter: 4, result: Err(DeleteError::Storage(error.clone())) },
            Effect::Fetched { waiter: 5, result: Ok(empty) },
            Effect::Rebuild { reason },
        ]
    );
    // R26: refused at once, and later reports of the journal change nothing.
    assert_eq!(rig.append(6, Acks::All, &Made::of(1, T)), [refused(6)]);
    assert_eq!(rig.call(|leader, _, effects| leader.written(ticket, effects)), []);
    assert_eq!(rig.call(|leader, _, effects| leader.write_failed(ticket, error.clone(), effects)), []);
    assert_eq!(rig.fetch(waiting(7, 1, 1, 500)).len(), 1, "nothing more comes, so nobody waits for it");
    assert_eq!(rig.leader.snapshot().high_watermark, Offset(1));
}

#[test]
fn a_write_that_overtook_another_counts_once_both_are_done() {
    let mut rig = rig();
    rig.append(1, Acks::All, &Made::of(1, T));
    rig.append(2, Acks::All, &Made::of(1, T));
    let tickets = [rig.journal[0].0, rig.journal[1].0];
    assert_eq!(rig.call(|leader, _, effects| leader.written(tickets[1], effects)), []);
    assert_eq!(rig.leader.snapshot().high_watermark, Offset(0));
    let effects = rig.call(|leader, _, effects| leader.written(tickets[0], effects));
    assert_eq!(effects, [produced(1, 0), produced(2, 1)]);
}

#[test]
fn a_journal_that_reports_what_is_not_in_flight_is_not_believed() {
    for (ticket, is_first) in [(Ticket(0), true), (Ticket(9), true), (Ticket(2), false)] {
        let mut rig = rig();
        rig.append(1, Acks::All, &Made::of(1, T));
        rig.append(2, Acks::All, &Made::of(1, T));
        if !is_first {
            rig.call(|leader, _, effects| leader.written(ticket, effects));
        }
        let effects = rig.call(|leader, _, effects| leader.written(ticket, effects));
        assert!(matches!(effects.last(), Some(Effect::Rebuild { .. })), "{effects:?}");
        assert_eq!(rig.leader.snapshot().high_watermark, Offset(0));
    }
}

#[test]
fn a_producer_that_expires_does_not_come_back_with_the_headers() {
    const DAY: u64 = 24 * 60 * 60 * 1000;
    let mut rig = Rig::new(LogConfig { retention: None, ..LogConfig::default() });
    rig.append(1, Acks::All, &Made::of(1, T).by(4, 0, 0));
    rig.settle();
    assert_eq!(rig.leader.next_deadline(), Some(tick(DAY)));
    rig.now = at(DAY);
    rig.call(|leader, now, effects| leader.expire(now, effects));
    rig.settle();
    assert_eq!(rig.leader.snapshot().producers, 0);
    assert_eq!(rig.again(1).leader.snapshot().producers, 0);
}

#[test]
fn producers_are_held_to_a_shorter_time_from_the_moment_that_it_is_set() {
    let mut rig = Rig::new(LogConfig { retention: None, ..LogConfig::default() });
    rig.append(1, Acks::All, &Made::of(1, T).by(4, 0, 0));
    rig.settle();
    rig.now = at(60_000);
    rig.append(1, Acks::All, &Made::of(1, T).by(5, 0, 0));
    rig.settle();
    let config = LogConfig { producer_expiration: Duration::from_secs(30), ..rig.leader.config().clone() };
    rig.call(|leader, _, effects| leader.configure(config.clone(), effects));
    assert!(rig.leader.next_deadline().is_some_and(|deadline| deadline <= at(60_000).tick), "at once");
    rig.call(|leader, now, effects| leader.expire(now, effects));
    assert_eq!(rig.leader.snapshot().producers, 1, "one was silent for a minute");
    let next = rig.leader.next_deadline();
    rig.call(|leader, _, effects| leader.configure(config, effects));
    assert_eq!(rig.leader.next_deadline(), next, "nothing has changed");
}

#[test]
fn resigning_sends_every_waiter_to_the_new_leader() {
    let mut rig = rig();
    rig.append(1, Acks::All, &Made::of(1, T));
    rig.append(2, Acks::Leader, &Made::of(1, T));
    rig.fetch(waiting(3, 0, 0, 500));
    let effects = rig.call(|leader, _, effects| leader.resign(effects));
    let codes: Vec<_> = effects
        .iter()
        .map(|effect| match effect {
            Effect::Produced { waiter, result: Err(error) } => (*waiter, error.code().name()),
            Effect::Fetched { waiter, result: Err(error) } => (*waiter, error.code().name()),
            other => panic!("{other:?}"),
        })
        .collect();
    const NOT_LEADER: &str = "NOT_LEADER_OR_FOLLOWER";
    assert_eq!(codes, [(2, NOT_LEADER), (1, NOT_LEADER), (3, NOT_LEADER)]);
    let effects = rig.append(4, Acks::All, &Made::of(1, T));
    assert_eq!(effects, [Effect::Produced { waiter: 4, result: Err(ProduceError::NotLeader) }]);
    let effects = rig.fetch(fetch(5, 0));
    assert!(matches!(&effects[..], [Effect::Fetched { result: Err(error), .. }] if error.code().name() == NOT_LEADER));
    assert_eq!(rig.settle(), [], "what the journal still does concerns nobody");
    assert_eq!(rig.leader.next_deadline(), None);
}

#[test]
fn a_log_is_settled_once_all_that_it_had_is_committed() {
    let mut rig = rig();
    let settle = |rig: &mut Rig, waiter| rig.call(|leader, _, effects| leader.settle(waiter, effects));
    let settled = |waiter, end| Effect::Settled {
        waiter,
        result: Ok(Settled {
            start: Offset(0),
            end: Offset(end),
            epoch: LeaderEpoch(0),
            max_message_bytes: LogConfig::default().max_message_bytes,
        }),
    };
    assert_eq!(settle(&mut rig, 1), [settled(1, 0)]);
    rig.append(2, Acks::All, &Made::of(2, T));
    assert_eq!(settle(&mut rig, 3), []);
    rig.append(4, Acks::All, &Made::of(3, T));
    assert_eq!(settle(&mut rig, 5), []);
    // What was appended after the question is none of its business.
    assert_eq!(rig.write_one(), Some(vec![produced(2, 0), settled(3, 2)]));
    assert_eq!(rig.write_one(), Some(vec![produced(4, 2), settled(5, 5)]));
}

#[test]
fn who_waits_for_a_log_to_settle_is_told_that_it_will_not() {
    let mut rig = rig();
    rig.append(1, Acks::None, &Made::of(2, T));
    rig.call(|leader, _, effects| leader.settle(2, effects));
    let error = WriteError::Failed("gone".to_owned());
    let effects = rig.call(|leader, _, effects| leader.write_failed(Ticket(1), error.clone(), effects));
    let refused = |waiter, error| Effect::Settled { waiter, result: Err(error) };
    assert_eq!(effects[0], refused(2, SettleError::Storage(error.clone())));
    let effects = rig.call(|leader, _, effects| leader.settle(3, effects));
    assert_eq!(effects, [refused(3, SettleError::Storage(error))]);

    let mut rig = self::rig();
    rig.append(1, Acks::None, &Made::of(2, T));
    rig.call(|leader, _, effects| leader.settle(2, effects));
    let effects = rig.call(|leader, _, effects| {
        leader.resign(effects);
        leader.settle(3, effects);
    });
    assert_eq!(effects, [refused(2, SettleError::NotLeader), refused(3, SettleError::NotLeader)]);
}

#[test]
fn a_produce_past_its_deadline_is_told_so_and_stored_all_the_same() {
    let mut rig = rig();
    rig.append(1, Acks::All, &Made::of(1, T));
    let mut late = append(2, Acks::Leader, Made::of(1, T).batch());
    late.deadline = tick(100);
    rig.call(|leader, now, effects| leader.append(late, now, effects));
    assert_eq!(rig.leader.next_deadline(), Some(tick(100)));
    rig.now = at(99);
    assert_eq!(rig.call(|leader, now, effects| leader.expire(now, effects)), []);
    rig.now = at(100);
    let timed_out = Effect::Produced { waiter: 2, result: Err(ProduceError::TimedOut) };
    assert_eq!(rig.call(|leader, now, effects| leader.expire(now, effects)), [timed_out]);
    assert_eq!(rig.leader.next_deadline(), Some(tick(30_000)));
    assert_eq!(rig.settle(), [produced(1, 0)]);
    assert_eq!(rig.leader.snapshot().high_watermark, Offset(2));
}

#[test]
fn an_idle_leader_has_no_deadline() {
    assert_eq!(rig().leader.next_deadline(), None);
}

#[test]
fn a_full_slice_is_closed_in_the_write_that_fills_it() {
    let mut rig = rig();
    let made = Made::of(1, T).by(5, 0, 0).sized(600_000);
    rig.append(1, Acks::All, &made);
    assert_eq!(rig.journal[0].1.len(), 1);
    rig.append(2, Acks::All, &Made::of(1, T).by(5, 0, 1).sized(600_000));
    let writes = &rig.journal[1].1;
    let families: Vec<_> = writes
        .iter()
        .map(|write| match write {
            LogWrite::Append(_) => "append",
            LogWrite::Put { family, .. } => family.name(),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(families, ["append", "index", "producers"]);
    rig.append(3, Acks::All, &made.by(6, 0, 0));
    assert_eq!(rig.journal[2].1.len(), 1, "a new slice begins");
    rig.settle();
    assert_eq!(rig.disk.recover().headers.len(), 1, "recovery reads what is behind the closed slice only");
}

#[test]
fn a_slice_is_closed_when_it_is_old_with_or_without_another_append() {
    // 7 days / 16
    const AGE: u64 = 37_800_000;
    for append_closes in [true, false] {
        let mut rig = rig();
        rig.append(1, Acks::All, &Made::of(1, T));
        rig.settle();
        assert_eq!(rig.leader.next_deadline(), Some(tick(AGE)));
        rig.now = at(AGE);
        if append_closes {
            rig.append(1, Acks::All, &Made::of(1, T));
        } else {
            rig.call(|leader, now, effects| leader.expire(now, effects));
        }
        rig.settle();
        assert_eq!((rig.disk.index.len(), rig.leader.next_deadline()), (1, None));
    }
}

#[test]
fn a_new_leadership_on_the_same_log_goes_on_where_it_ended() {
    let mut rig = rig();
    rig.append(1, Acks::All, &Made::of(3, T));
    rig.settle();
    let mut rig = rig.again(1);
    assert_eq!(
        rig.read(0).data,
        FetchData::Disk { from: Offset(0), until: Offset(3), max_bytes: 1 << 20, min_one: true }
    );
    rig.append(2, Acks::All, &Made::of(1, T));
    assert_eq!(rig.settle(), [produced(2, 3)]);
    assert_eq!(memory(&rig.read(3)), [stored(&Made::of(1, T), 3, 1)]);
    assert_eq!(rig.leader.epoch_at(Offset(2)), Some(LeaderEpoch(0)));
    assert_eq!(rig.leader.epoch_at(Offset(3)), Some(LeaderEpoch(1)));
}

#[test]
fn an_unreported_write_lost_in_a_crash_leaves_the_log_as_the_disk_has_it() {
    let mut rig = rig();
    rig.append(1, Acks::All, &Made::of(1, T).by(9, 0, 0));
    rig.settle();
    rig.append(2, Acks::All, &Made::of(1, T).by(9, 0, 1));
    let mut rig = rig.again(1);
    assert_eq!(rig.leader.snapshot().end, Offset(1));
    rig.append(3, Acks::All, &Made::of(1, T).by(9, 0, 1));
    assert_eq!(rig.settle(), [produced(3, 1)], "the retry is new, its first try is gone");
}

#[test]
fn the_snapshot_has_the_leader_s_numbers() {
    let mut rig = rig();
    let len = Made::of(2, T).batch().len();
    rig.append(1, Acks::All, &Made::of(2, T).by(4, 0, 0));
    rig.settle();
    rig.append(1, Acks::All, &Made::of(2, T));
    rig.fetch(waiting(3, 2, 2, 500));
    let wanted = LeaderSnapshot {
        epoch: LeaderEpoch(0),
        start: Offset(0),
        high_watermark: Offset(2),
        last_stable: Offset(2),
        end: Offset(4),
        size_bytes: 2 * len as u64,
        producers: 1,
        delayed_fetches: 1,
        delayed_produces: 1,
        tail_bytes: 2 * (len + ENTRY_BYTES),
        in_flight: 1,
    };
    assert_eq!(rig.leader.snapshot(), wanted);
    rig.leader.shrink_tail(0, rig.now.tick);
    assert_eq!(rig.leader.tail_bytes(), len + ENTRY_BYTES, "what is not written stays in memory");
}

#[test]
fn the_invariants_notice_a_high_watermark_past_the_disk() {
    let mut rig = rig();
    rig.append(1, Acks::All, &Made::of(2, T));
    rig.leader.high_watermark = Offset(2);
    let violation = invariant::check(&rig.leader).expect_err("nothing is durable");
    assert_eq!(violation.to_string(), "high watermark 2 passes durable end 0");
}

mod against_model;
