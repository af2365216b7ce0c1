//! Each rule by itself, with a log that does at once what it is told or that is told to wait.

use super::*;
use crate::KeyValue;
use crate::counter::Fact;

struct Rig {
    host: Host<Counters, u32>,
    log: Log,
    effects: Vec<Effect<Counters, u32>>,
    /// Appends that the log has not done yet.
    appends: VecDeque<(Append, Offset, BytesMut)>,
    answers: Vec<(u32, Result<Answer, Refusal>)>,
    moves: Vec<Offset>,
    faults: Vec<(Offset, String)>,
    loads: Vec<String>,
    now: u64,
}

impl Rig {
    fn new(policy: SnapshotPolicy) -> Self {
        Self::on(Log::default(), policy)
    }

    fn on(log: Log, policy: SnapshotPolicy) -> Self {
        let mut rig = Self {
            host: Host::new(policy, Counters::default),
            log,
            effects: Vec::new(),
            appends: VecDeque::new(),
            answers: Vec::new(),
            moves: Vec::new(),
            faults: Vec::new(),
            loads: Vec::new(),
            now: 0,
        };
        rig.host.lead(LeaderEpoch(1), &mut rig.effects);
        rig.perform();
        rig
    }

    fn perform(&mut self) {
        while !self.effects.is_empty() {
            for effect in std::mem::take(&mut self.effects) {
                let now = at(self.now);
                match effect {
                    Effect::Answer { waiter, result } => self.answers.push((waiter, result)),
                    Effect::Append { append, expected_end, batch } => {
                        self.appends.push_back((append, expected_end, batch));
                    }
                    Effect::Load { load, reason } => {
                        self.loads.push(reason);
                        self.host.begin(load, self.log.load_point(), now, &mut self.effects);
                    }
                    Effect::Read { load, from, until } => {
                        let slice = self.log.read(from, until, 1);
                        self.host.replay(load, slice, now, &mut self.effects);
                    }
                    Effect::PassedOver { offset, fault } => self.faults.push((offset, fault.to_string())),
                    Effect::Loaded => {}
                    Effect::MoveStart { to } => {
                        self.log.move_start(to);
                        self.moves.push(to);
                    }
                }
            }
        }
    }

    fn ask(&mut self, waiter: u32, command: Ask) {
        self.host.command(command, waiter, at(self.now), &mut self.effects);
        self.perform();
    }

    fn add(&mut self, waiter: u32, by: i64) {
        self.ask(waiter, Ask::Add { name: 1, by });
    }

    fn park(&mut self, waiter: u32, key: u16, millis: u64) {
        self.ask(waiter, Ask::Park { key, after: Duration::from_millis(millis) });
    }

    /// The log does the oldest append.
    fn commit(&mut self) -> bool {
        let Some((append, expected_end, batch)) = self.appends.pop_front() else { return false };
        let result = self.log.append(expected_end, batch);
        self.host.appended(append, result, at(self.now), &mut self.effects);
        self.perform();
        true
    }

    fn commit_all(&mut self) {
        while self.commit() {}
    }

    /// The log does not do the oldest append.
    fn fail(&mut self) {
        let (append, ..) = self.appends.pop_front().expect("an append under way");
        self.host.appended(append, Err("no".to_owned()), at(self.now), &mut self.effects);
        self.perform();
    }

    fn reload(&mut self) {
        self.host.reload("again".to_owned(), &mut self.effects);
        self.perform();
    }

    fn pass(&mut self, millis: u64) {
        self.now += millis;
        self.host.expire(at(self.now), &mut self.effects);
        self.perform();
    }

    fn answered(&mut self) -> Vec<(u32, Result<Answer, Refusal>)> {
        std::mem::take(&mut self.answers)
    }

    fn state(&self) -> (u64, i64) {
        let shard = self.host.shard().expect("in office");
        (shard.version, shard.sum())
    }
}

fn state(version: u64, sum: i64) -> Result<Answer, Refusal> {
    Ok(Answer::State { version, sum })
}

fn not_appended(reason: &str) -> Result<Answer, Refusal> {
    Err(Refusal::NotAppended(reason.to_owned()))
}

const KEYED: SnapshotPolicy = SnapshotPolicy::ByKey;

#[test]
fn an_answer_waits_until_its_records_are_committed() {
    let mut rig = Rig::new(KEYED);
    rig.add(1, 5);
    assert_eq!(rig.answered(), []);
    rig.commit();
    assert_eq!(rig.answered(), [(1, state(1, 5))]);
}

#[test]
fn an_answer_without_records_waits_for_what_it_may_have_seen() {
    let mut rig = Rig::new(KEYED);
    rig.ask(1, Ask::Get);
    assert_eq!(rig.answered(), [(1, state(0, 0))]);
    rig.add(2, 5); // under way
    rig.ask(3, Ask::Get); // has seen 2's record
    rig.add(4, 6); // gathers
    rig.ask(5, Ask::Get);
    assert_eq!(rig.answered(), []);
    rig.commit();
    assert_eq!(rig.answered(), [(2, state(1, 5)), (3, state(1, 5))]);
    rig.commit();
    assert_eq!(rig.answered(), [(4, state(2, 11)), (5, state(2, 11))]);
}

#[test]
fn one_append_is_under_way_and_the_rest_gathers_in_the_next_batch() {
    let mut rig = Rig::new(KEYED);
    (1..=5).for_each(|waiter| rig.add(waiter, 1));
    assert_eq!(rig.appends.len(), 1);
    rig.commit_all();
    assert_eq!(rig.log.batches.iter().map(|(header, _)| header.count).collect::<Vec<_>>(), [1, 4]);
    assert_eq!(rig.answered().len(), 5);
}

#[test]
fn an_outcome_is_never_split_and_no_batch_is_larger_than_the_log_takes() {
    let mut rig = Rig::new(KEYED);
    rig.add(0, 1);
    (1..=4).for_each(|waiter| rig.ask(waiter, Ask::AddToAll { names: 8 }));
    rig.commit_all();
    let counts: Vec<_> = rig.log.batches.iter().map(|(header, _)| header.count).collect();
    assert_eq!(counts.iter().sum::<i32>(), 33);
    assert!(counts.len() > 2 && counts[1..].iter().all(|count| count % 8 == 0), "{counts:?}");
}

#[test]
fn a_decision_that_does_not_fit_is_refused_and_the_shard_is_read_again() {
    let mut rig = Rig::new(KEYED);
    rig.add(1, 5);
    rig.park(2, 9, 9000);
    rig.ask(3, Ask::Pad { bytes: BATCH_MAX });
    let answers = rig.answered();
    assert!(matches!(answers[0], (3, Err(Refusal::TooLarge { given, max })) if given > BATCH_MAX && max < BATCH_MAX));
    assert!(answers[1..].iter().all(|(_, result)| matches!(result, Err(Refusal::NotAppended(_)))));
    assert_eq!(answers[1..].iter().map(|(waiter, _)| *waiter).collect::<Vec<_>>(), [1, 2]);
    assert_eq!(rig.loads.len(), 2);
    // 1's append was under way when the log was read: it comes late, and makes the next one fail.
    let late = rig.appends.pop_front().expect("under way");
    rig.log.append(late.1, late.2).expect("nothing came between");
    rig.add(4, 1);
    rig.commit();
    assert!(matches!(rig.answered()[..], [(4, Err(Refusal::NotAppended(_)))]));
    rig.add(5, 1);
    rig.commit();
    assert_eq!(rig.answered(), [(5, state(2, 6))]);
}

#[test]
fn a_failed_append_refuses_everyone_and_the_state_is_the_logs_again() {
    let mut rig = Rig::new(KEYED);
    rig.add(1, 5);
    rig.commit();
    rig.park(2, 9, 9000);
    rig.add(3, 10);
    rig.add(4, 20);
    rig.answered();
    rig.fail();
    assert_eq!(rig.answered(), [(3, not_appended("no")), (4, not_appended("no")), (2, not_appended("no"))]);
    assert_eq!((rig.state(), rig.host.snapshot().waiting), ((1, 5), 0));
    assert!(rig.appends.is_empty());
}

#[test]
fn an_append_of_an_earlier_life_is_fenced_where_it_would_land() {
    let mut rig = Rig::new(KEYED);
    rig.add(1, 5);
    let late = rig.appends[0].2.clone();
    rig.fail();
    rig.add(2, 7);
    rig.commit();
    assert_eq!(rig.log.append(Offset(0), late), Err("ends at 1 and not at 0".to_owned()));
    assert_eq!(rig.state(), (1, 7));
}

#[test]
fn the_answer_to_an_append_of_an_earlier_load_means_nothing() {
    let mut rig = Rig::new(KEYED);
    rig.add(1, 5);
    let (append, ..) = rig.appends[0];
    rig.fail();
    rig.add(2, 7);
    rig.answered();
    rig.host.appended(append, Ok(Offset(0)), at(0), &mut rig.effects);
    rig.perform();
    assert_eq!((rig.answered(), rig.loads.len()), (vec![], 2));
}

#[test]
fn commands_are_refused_while_the_log_is_read_and_where_it_is_not_hosted() {
    let mut host: Host<Counters, u32> = Host::new(KEYED, Counters::default);
    let mut effects = Vec::new();
    host.command(Ask::Get, 1, at(0), &mut effects);
    host.lead(LeaderEpoch(1), &mut effects);
    host.command(Ask::Get, 2, at(0), &mut effects);
    let [
        Effect::Answer { waiter: 1, result: Err(Refusal::NotHosted) },
        Effect::Load { load, .. },
        Effect::Answer { waiter: 2, result: Err(Refusal::Loading) },
    ] = effects[..]
    else {
        panic!("{effects:?}")
    };
    let point = LoadPoint { start: Offset(0), end: Offset(3), epoch: LeaderEpoch(1), max_batch_bytes: BATCH_MAX };
    effects.clear();
    host.begin(load, point, at(0), &mut effects);
    host.command(Ask::Get, 3, at(0), &mut effects);
    assert!(matches!(
        effects[..],
        [
            Effect::Read { from: Offset(0), until: Offset(3), .. },
            Effect::Answer { waiter: 3, result: Err(Refusal::Loading) }
        ]
    ));
    assert_eq!(host.role(), Role::Loading);
}

#[test]
fn whoever_waits_is_sent_elsewhere_when_the_leadership_ends() {
    let mut rig = Rig::new(KEYED);
    rig.park(1, 9, 9000);
    rig.add(2, 1);
    rig.add(3, 1);
    rig.host.resign(&mut rig.effects);
    rig.perform();
    let not_hosted = Err(Refusal::NotHosted);
    assert_eq!(rig.answered(), [2, 3, 1].map(|waiter| (waiter, not_hosted.clone())));
    rig.commit(); // too late
    rig.ask(4, Ask::Get);
    assert_eq!(rig.answered(), [(4, not_hosted)]);
    rig.host.lead(LeaderEpoch(2), &mut rig.effects);
    rig.perform();
    // What was under way has been committed after all.
    assert_eq!((rig.host.role(), rig.state()), (Role::InOffice, (1, 1)));
}

#[test]
fn a_newer_leadership_loads_again_and_an_older_one_does_not() {
    let mut rig = Rig::new(KEYED);
    rig.add(1, 1);
    rig.host.lead(LeaderEpoch(1), &mut rig.effects);
    rig.perform();
    assert_eq!((rig.loads.len(), rig.answered()), (1, vec![]));
    rig.host.lead(LeaderEpoch(2), &mut rig.effects);
    rig.perform();
    assert_eq!((rig.loads.len(), rig.answered()), (2, vec![(1, not_appended("leader epoch 2 begins"))]));
}

#[test]
fn a_timer_is_a_command_of_its_own_and_starting_it_again_replaces_it() {
    let mut rig = Rig::new(KEYED);
    rig.park(1, 3, 100);
    rig.pass(60);
    rig.park(2, 3, 100);
    assert_eq!(rig.answered(), [(1, Ok(Answer::Woken))]);
    rig.pass(99);
    assert_eq!((rig.answered(), rig.appends.len()), (vec![], 0));
    assert_eq!(rig.host.next_deadline(), Some(at(160).tick));
    rig.pass(1);
    assert_eq!(rig.answered(), []);
    rig.commit();
    assert_eq!(rig.answered(), [(2, Ok(Answer::Fired { version: 1, sum: 1000 }))]);
    rig.pass(1000);
    assert_eq!(rig.appends.len(), 0);
}

#[test]
fn a_cancelled_timer_does_not_fire() {
    let mut rig = Rig::new(KEYED);
    rig.park(1, 3, 100);
    rig.ask(2, Ask::Wake { key: 3 });
    assert_eq!(rig.answered(), [(1, Ok(Answer::Woken)), (2, Ok(Answer::Woken))]);
    rig.pass(1000);
    assert_eq!(rig.appends.len(), 0);
}

#[test]
fn many_timers_are_decided_in_bounded_steps() {
    let mut rig = Rig::new(KEYED);
    for key in 0..1000 {
        rig.park(key.into(), key, 1);
    }
    rig.pass(1);
    assert_eq!(rig.state().0, AT_ONCE as u64);
    let mut steps = 1;
    while rig.host.next_deadline().is_some_and(|deadline| deadline <= at(rig.now).tick) {
        rig.pass(0);
        steps += 1;
    }
    assert_eq!((rig.state().0, steps), (1000, 4));
}

#[test]
fn a_caller_that_has_gone_is_forgotten_by_the_shard_too() {
    let mut rig = Rig::new(KEYED);
    rig.park(1, 3, 100);
    rig.park(2, 4, 100);
    rig.host.sweep(at(0), |waiter| *waiter == 1, &mut rig.effects);
    rig.perform();
    assert_eq!(rig.host.snapshot().waiting, 1);
    rig.pass(100);
    rig.commit();
    assert_eq!(rig.answered(), [(2, Ok(Answer::Fired { version: 1, sum: 1000 }))]);
}

#[test]
fn a_stored_record_that_cannot_be_replayed_is_named_and_passed_over() {
    let mut rig = Rig::new(KEYED);
    rig.add(1, 5);
    rig.commit();
    let mut writing = Writing::new(Timestamp(1));
    for key in [&[0, 1][..], &[77]] {
        let stored = KeyValue { key: Some(bytes::Bytes::copy_from_slice(key)), value: Some(vec![1].into()) };
        writing.push(&stored, Timestamp(1), false);
    }
    rig.log.append(Offset(1), writing.finish()).expect("appended");
    rig.add(2, 6);
    rig.commit();
    assert_eq!(rig.faults, [(Offset(1), "[1]".to_owned()), (Offset(2), "record type 77 is unknown".to_owned())]);
    let numbers = rig.host.snapshot();
    assert_eq!((numbers.replayed, numbers.passed_over, rig.state()), (1, 2, (1, 5)));
}

#[test]
fn a_log_without_batches_at_its_end_is_loaded_up_to_its_end() {
    let mut log = Log::default();
    for by in 0..3 {
        let mut writing = Writing::new(Timestamp(1));
        writing.push(&Counters::encode(&Fact::Added { name: 1, by }), Timestamp(1), false);
        log.append(Offset(by), writing.finish()).expect("appended");
    }
    let mut rig = Rig::on(log, KEYED);
    assert_eq!(rig.state(), (3, 3));
    let end = rig.log.end();
    rig.log.batches.pop(); // as compaction might
    rig.host.reload("again".to_owned(), &mut rig.effects);
    let Some(Effect::Load { load, .. }) = rig.effects.pop() else { panic!("no load") };
    rig.host.begin(load, LoadPoint { end, ..rig.log.load_point() }, at(0), &mut rig.effects);
    rig.perform();
    assert_eq!((rig.state(), rig.host.snapshot().end), ((2, 1), Some(end)));
}

#[test]
fn a_snapshot_makes_what_was_before_it_superfluous_while_commands_wait() {
    let mut rig = Rig::new(SnapshotPolicy::After { records: 3 });
    (1..=3).for_each(|waiter| rig.add(waiter, 1));
    rig.add(4, 1); // waits: a snapshot is due
    assert_eq!((rig.host.snapshot().held, rig.host.next_deadline()), (1, None));
    rig.commit();
    rig.commit();
    assert_eq!(rig.answered().len(), 3);
    assert_eq!(rig.host.snapshot().held, 1);
    rig.commit_all();
    assert_eq!(rig.answered(), [(4, state(4, 4))]);
    assert_eq!((rig.moves.clone(), rig.log.start), (vec![Offset(3)], 3));
    rig.reload();
    assert_eq!(rig.state(), (4, 4));
    // The version, one count, and 4's record.
    assert_eq!(rig.host.snapshot().replayed, 3);
}

#[test]
fn a_snapshot_without_its_end_never_happened() {
    let mut rig = Rig::new(SnapshotPolicy::After { records: 3 });
    (1..=3).for_each(|waiter| rig.add(waiter, 1));
    rig.commit();
    rig.commit();
    rig.commit(); // its beginning
    rig.commit(); // its records
    rig.fail(); // its end; then the next life begins one of its own
    assert_eq!((rig.state(), rig.moves.clone()), ((3, 3), vec![]));
    rig.commit(); // its beginning
    rig.fail();
    rig.add(5, 1);
    rig.commit_all();
    assert_eq!((rig.state(), rig.moves.len(), rig.faults.len()), ((4, 4), 1, 0));
    rig.reload();
    assert_eq!((rig.state(), rig.faults.len()), ((4, 4), 0));
}

#[test]
fn a_start_that_was_not_moved_in_time_is_moved_after_the_load() {
    let mut rig = Rig::new(SnapshotPolicy::After { records: 3 });
    (1..=3).for_each(|waiter| rig.add(waiter, 1));
    rig.commit_all();
    let log = Log { start: 0, batches: std::mem::take(&mut rig.log.batches) };
    let rig = Rig::on(log, SnapshotPolicy::After { records: 3 });
    assert_eq!((rig.moves.clone(), rig.state()), (vec![Offset(3)], (3, 3)));
}

#[test]
fn a_snapshot_that_does_not_fit_is_not_begun() {
    let mut rig = Rig::new(SnapshotPolicy::After { records: 2 });
    (1..=2).for_each(|waiter| rig.ask(waiter, Ask::Pad { bytes: 600 }));
    rig.commit_all();
    assert_eq!(rig.answered().len(), 2);
    rig.add(3, 1);
    rig.commit_all();
    assert_eq!((rig.answered(), rig.log.batches.len()), (vec![(3, state(3, 1))], 3));
}

#[test]
fn commands_beyond_a_bound_are_refused_while_others_wait() {
    let mut rig = Rig::new(SnapshotPolicy::After { records: 1 });
    rig.add(0, 1);
    for waiter in 1..=HELD_MAX as u32 {
        rig.ask(waiter, Ask::Get);
    }
    rig.ask(u32::MAX, Ask::Get);
    assert_eq!(rig.answered(), [(u32::MAX, Err(Refusal::Loading))]);
    rig.commit_all();
    while rig.host.next_deadline() == Some(Tick::ZERO) {
        rig.pass(0);
    }
    assert_eq!(rig.answered().len(), HELD_MAX + 1);
}
