use super::*;
use std::time::Duration;

mod against_full_fetches;

const ALONE: IdSpace = IdSpace { rest: 0, of: 1 };

fn table(slots: usize) -> FetchSessions {
    FetchSessions::new(Bounds { slots, bytes: 1 << 20 }, ALONE)
}

fn at(seconds: u64) -> Tick {
    Tick(Duration::from_secs(seconds))
}

fn name(topic: &str) -> TopicRef {
    TopicRef::Name(topic.into())
}

fn asked(topic: &str, partition: i32, offset: i64) -> Asked {
    Asked {
        topic: name(topic),
        name: None,
        partition: PartitionIndex(partition),
        offset: Offset(offset),
        max_bytes: 1000,
        current_leader_epoch: LeaderEpoch::NONE,
        last_fetched_epoch: LeaderEpoch::NONE,
    }
}

fn seen(high_watermark: i64) -> Seen {
    Seen {
        high_watermark: Offset(high_watermark),
        last_stable: Offset(high_watermark),
        log_start: Offset(0),
        data: false,
        error: false,
        notice: false,
    }
}

const NOTHING: &[(TopicRef, PartitionIndex)] = &[];

fn session(id: i32, epoch: i32) -> SessionRequest {
    SessionRequest { id, epoch, by_id: false }
}

/// A session of these partitions, each told that its high watermark is 10.
fn made(table: &mut FetchSessions, partitions: &[Asked], now: Tick) -> Option<i32> {
    assert_eq!(table.begin(session(0, 0), partitions, NOTHING, now), Begun::Full);
    let candidate = now.0.as_secs() as u32 * 100 + table.len() as u32;
    table.create(candidate, false, partitions.iter().map(|asked| (asked, seen(10))), now)
}

fn topics(partitions: &[Asked]) -> Vec<(TopicRef, i32, i64)> {
    partitions.iter().map(|p| (p.topic.clone(), p.partition.get(), p.offset.get())).collect()
}

fn continued(table: &mut FetchSessions, request: SessionRequest, partitions: &[Asked]) -> (Followup, Vec<Asked>) {
    match table.begin(request, partitions, NOTHING, at(1)) {
        Begun::Incremental(followup, partitions) => (followup, partitions),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_request_without_session_has_none_and_closes_what_it_names() {
    let mut table = table(10);
    assert_eq!(table.begin(session(0, -1), &[asked("t", 0, 0)], NOTHING, at(0)), Begun::Sessionless);
    let id = made(&mut table, &[asked("t", 0, 0)], at(0)).expect("room");
    assert_eq!(table.begin(session(id, -1), &[], NOTHING, at(0)), Begun::Sessionless);
    assert!(table.is_empty());
    assert_eq!(table.partitions(), 0);
}

#[test]
fn a_full_request_closes_the_session_that_it_names_before_it_gets_another() {
    let mut table = table(10);
    let id = made(&mut table, &[asked("t", 0, 0)], at(0)).expect("room");
    assert_eq!(table.begin(session(id, 0), &[asked("t", 0, 0)], NOTHING, at(0)), Begun::Full);
    assert!(table.is_empty());
}

#[test]
fn epochs_count_up_and_any_other_is_refused_without_a_change() {
    let mut table = table(10);
    let id = made(&mut table, &[asked("t", 0, 0)], at(0)).expect("room");
    let wrong = Begun::Refused(ErrorCode::InvalidFetchSessionEpoch);
    for epoch in [2, 3, -2, i32::MAX] {
        assert_eq!(table.begin(session(id, epoch), &[asked("u", 0, 0)], NOTHING, at(0)), wrong);
    }
    assert_eq!(table.partitions(), 1);
    continued(&mut table, session(id, 1), &[]);
    assert_eq!(table.begin(session(id, 1), &[], NOTHING, at(0)), wrong, "a repeated request");
    continued(&mut table, session(id, 2), &[]);
}

#[test]
fn after_the_last_epoch_comes_the_first() {
    assert_eq!((next_epoch(1), next_epoch(i32::MAX - 1), next_epoch(i32::MAX)), (2, i32::MAX, 1));
}

#[test]
fn an_unknown_session_is_refused() {
    let mut table = table(10);
    let unknown = Begun::Refused(ErrorCode::FetchSessionIdNotFound);
    assert_eq!(table.begin(session(99, 1), &[], NOTHING, at(0)), unknown);
    assert_eq!(table.begin(session(0, 1), &[], NOTHING, at(0)), unknown);
}

#[test]
fn a_session_of_names_is_not_continued_with_ids() {
    let mut table = table(10);
    let id = made(&mut table, &[asked("t", 0, 0)], at(0)).expect("room");
    let by_id = SessionRequest { by_id: true, ..session(id, 1) };
    assert_eq!(table.begin(by_id, &[], NOTHING, at(0)), Begun::Refused(ErrorCode::FetchSessionTopicIdError));
    continued(&mut table, session(id, 1), &[]);
}

#[test]
fn an_empty_request_reads_all_partitions_of_the_session_where_they_were_asked_for_last() {
    let mut table = table(10);
    let id = made(&mut table, &[asked("t", 0, 5), asked("u", 1, 6)], at(0)).expect("room");
    let (_, read) = continued(&mut table, session(id, 1), &[asked("t", 0, 8)]);
    assert_eq!(topics(&read), vec![(name("t"), 0, 8), (name("u"), 1, 6)]);
    let (_, read) = continued(&mut table, session(id, 2), &[]);
    assert_eq!(topics(&read), vec![(name("t"), 0, 8), (name("u"), 1, 6)]);
}

#[test]
fn partitions_join_at_the_end_and_leave_when_forgotten() {
    let mut table = table(10);
    let id = made(&mut table, &[asked("t", 0, 0), asked("t", 1, 0)], at(0)).expect("room");
    let (_, read) = continued(&mut table, session(id, 1), &[asked("a", 0, 0)]);
    assert_eq!(topics(&read), vec![(name("t"), 0, 0), (name("t"), 1, 0), (name("a"), 0, 0)]);
    let forgotten = [(name("t"), PartitionIndex(0)), (name("never"), PartitionIndex(0))];
    let Begun::Incremental(_, read) = table.begin(session(id, 2), &[asked("b", 0, 0)], &forgotten, at(1)) else {
        panic!("it goes on");
    };
    assert_eq!(topics(&read), vec![(name("t"), 1, 0), (name("a"), 0, 0), (name("b"), 0, 0)]);
    assert_eq!(table.partitions(), 3);
}

#[test]
fn a_session_that_forgets_its_last_partition_is_closed_and_answered_without_one() {
    let mut table = table(10);
    let id = made(&mut table, &[asked("t", 0, 0)], at(0)).expect("room");
    let forgotten = [(name("t"), PartitionIndex(0))];
    assert_eq!(table.begin(session(id, 1), &[], &forgotten, at(0)), Begun::Sessionless);
    assert!(table.is_empty());
}

#[test]
fn the_name_that_an_id_stood_for_first_is_kept() {
    let mut table = table(10);
    let by_id = |epoch, id| SessionRequest { id, epoch, by_id: true };
    let topic = TopicRef::Id(TopicId::from_bytes([3; 16]));
    let with = |name: Option<&str>| Asked {
        topic: topic.clone(),
        name: name.map(|name| TopicName::new(name).expect("legal")),
        ..asked("", 0, 0)
    };
    assert_eq!(table.begin(by_id(0, 0), &[with(Some("t"))], NOTHING, at(0)), Begun::Full);
    let first = with(Some("t"));
    let id = table.create(1, true, [(&first, seen(1))].into_iter(), at(0)).expect("room");
    // Later the id stands for nothing any more: the topic was deleted.
    let (_, read) = continued(&mut table, by_id(1, id), &[with(None)]);
    assert_eq!(read[0].name.as_ref().map(TopicName::as_str), Some("t"));
}

#[test]
fn only_what_has_changed_is_answered() {
    let mut table = table(10);
    let partitions: Vec<Asked> = (0..6).map(|partition| asked("t", partition, 10)).collect();
    let id = made(&mut table, &partitions, at(0)).expect("room");
    let mut told = vec![seen(10); 6];
    told[0].high_watermark = Offset(11);
    told[1].last_stable = Offset(9);
    told[2].log_start = Offset(1);
    told[3].error = true;
    told[4].notice = true;
    let (followup, _) = continued(&mut table, session(id, 1), &[]);
    assert_eq!(table.finish(followup, &told), Finished::Changed(vec![true, true, true, true, true, false]));
    // The same again: an error and a notice are told each time, the rest is known by now.
    let (followup, _) = continued(&mut table, session(id, 2), &[]);
    assert_eq!(table.finish(followup, &told), Finished::Changed(vec![false, false, false, true, true, false]));
    // The error is over.
    told[3].error = false;
    told[4].notice = false;
    let (followup, _) = continued(&mut table, session(id, 3), &[]);
    assert_eq!(table.finish(followup, &told), Finished::Changed(vec![false, false, false, true, false, false]));
    let (followup, _) = continued(&mut table, session(id, 4), &[]);
    assert_eq!(table.finish(followup, &told), Finished::Changed(vec![false; 6]));
}

#[test]
fn a_partition_that_joins_is_answered_even_if_nothing_is_there() {
    let mut table = table(10);
    let id = made(&mut table, &[asked("t", 0, 0)], at(0)).expect("room");
    let (followup, _) = continued(&mut table, session(id, 1), &[asked("t", 1, 0)]);
    assert_eq!(table.finish(followup, &[seen(10), seen(0)]), Finished::Changed(vec![false, true]));
}

#[test]
fn partitions_that_gave_data_go_behind_the_others_so_that_all_get_their_turn() {
    let mut table = table(10);
    let partitions: Vec<Asked> = (0..4).map(|partition| asked("t", partition, 10)).collect();
    let id = made(&mut table, &partitions, at(0)).expect("room");
    let mut first = Vec::new();
    for epoch in 1..=8 {
        let (followup, read) = continued(&mut table, session(id, epoch), &[]);
        first.push(read[0].partition.get());
        // The byte limit lets only the first one give something.
        let told: Vec<Seen> = (0..4).map(|place| Seen { data: place == 0, ..seen(10) }).collect();
        table.finish(followup, &told);
    }
    assert_eq!(first, vec![0, 1, 2, 3, 0, 1, 2, 3]);
}

#[test]
fn reading_twice_before_the_answer_changes_nothing() {
    let mut table = table(10);
    let id = made(&mut table, &[asked("t", 0, 0), asked("t", 1, 0)], at(0)).expect("room");
    let (_, read) = continued(&mut table, session(id, 1), &[]);
    // The first try found too little and waited; only what is answered counts.
    let (followup, again) = continued(&mut table, session(id, 2), &[]);
    assert_eq!(read, again);
    assert_eq!(table.finish(followup, &[seen(12), seen(10)]), Finished::Changed(vec![true, false]));
}

#[test]
fn an_answer_overtaken_by_a_newer_request_is_refused() {
    let mut table = table(10);
    let id = made(&mut table, &[asked("t", 0, 0)], at(0)).expect("room");
    let (slow, _) = continued(&mut table, session(id, 1), &[]);
    let (quick, _) = continued(&mut table, session(id, 2), &[]);
    assert_eq!(table.finish(slow, &[seen(11)]), Finished::Refused(ErrorCode::InvalidFetchSessionEpoch));
    assert_eq!(table.finish(quick, &[seen(11)]), Finished::Changed(vec![true]));
}

#[test]
fn an_answer_of_a_session_that_is_gone_meanwhile_holds_everything() {
    let mut table = table(10);
    let id = made(&mut table, &[asked("t", 0, 0)], at(0)).expect("room");
    let (followup, _) = continued(&mut table, session(id, 1), &[]);
    table.begin(session(id, -1), &[], NOTHING, at(2));
    assert_eq!(table.finish(followup, &[seen(10)]), Finished::Gone);
    assert_eq!(table.begin(session(id, 2), &[], NOTHING, at(2)), Begun::Refused(ErrorCode::FetchSessionIdNotFound));
}

#[test]
fn a_full_table_gives_no_session_while_all_in_it_are_young() {
    let mut table = table(2);
    assert!(made(&mut table, &[asked("t", 0, 0)], at(0)).is_some());
    assert!(made(&mut table, &[asked("t", 0, 0)], at(0)).is_some());
    let large: Vec<Asked> = (0..50).map(|partition| asked("t", partition, 0)).collect();
    assert_eq!(made(&mut table, &large, at(100)), None);
    assert_eq!((table.len(), table.evicted()), (2, 0));
    assert_eq!(made(&mut self::table(0), &large, at(0)), None);
}

#[test]
fn who_is_silent_for_two_minutes_makes_room_for_anyone() {
    let mut table = table(2);
    let large: Vec<Asked> = (0..50).map(|partition| asked("t", partition, 0)).collect();
    let silent = made(&mut table, &large, at(0)).expect("room");
    let busy = made(&mut table, &large, at(50)).expect("room");
    assert_eq!(made(&mut table, &[asked("t", 0, 0)], at(120)), None);
    assert!(made(&mut table, &[asked("t", 0, 0)], at(121)).is_some());
    assert_eq!(table.evicted(), 1);
    let gone = Begun::Refused(ErrorCode::FetchSessionIdNotFound);
    assert_eq!(table.begin(session(silent, 1), &[], NOTHING, at(121)), gone);
    assert!(matches!(table.begin(session(busy, 1), &[], NOTHING, at(121)), Begun::Incremental(..)));
}

#[test]
fn a_session_older_than_two_minutes_makes_room_for_a_larger_one_only() {
    let mut table = table(1);
    let two = [asked("t", 0, 0), asked("t", 1, 0)];
    let id = made(&mut table, &two, at(0)).expect("room");
    // It is in use all the time, and becomes evictable with the first request after two minutes.
    assert!(matches!(table.begin(session(id, 1), &[], NOTHING, at(119)), Begun::Incremental(..)));
    let three = [asked("u", 0, 0), asked("u", 1, 0), asked("u", 2, 0)];
    assert_eq!(made(&mut table, &three, at(125)), None, "it has not been touched since");
    assert!(matches!(table.begin(session(id, 2), &[], NOTHING, at(130)), Begun::Incremental(..)));
    assert_eq!(made(&mut table, &two, at(131)), None, "no larger than it");
    assert!(made(&mut table, &three, at(131)).is_some());
    assert_eq!((table.len(), table.evicted()), (1, 1));
}

#[test]
fn the_bytes_of_all_sessions_are_bounded() {
    let mut table = FetchSessions::new(Bounds { slots: 1000, bytes: 20_000 }, ALONE);
    let long: Vec<Asked> = (0..2).map(|partition| asked(&"x".repeat(4000), partition, 0)).collect();
    assert!(made(&mut table, &long, at(0)).is_some());
    let id = made(&mut table, &long, at(0)).expect("room for two");
    assert_eq!(made(&mut table, &long, at(0)), None);
    assert_eq!(table.len(), 2);
    // A session that grows past the bound is closed; its client starts anew.
    let more: Vec<Asked> = (2..9).map(|partition| asked(&"x".repeat(4000), partition, 0)).collect();
    let refused = Begun::Refused(ErrorCode::FetchSessionIdNotFound);
    assert_eq!(table.begin(session(id, 1), &more, NOTHING, at(0)), refused);
    assert_eq!(table.len(), 1);
    // Those that nobody uses make room here, too.
    assert!(made(&mut table, &long, at(500)).is_some());
    assert!(made(&mut table, &long, at(500)).is_some());
    assert_eq!(table.evicted(), 1);
}

#[test]
fn tables_that_share_the_ids_never_give_out_the_same() {
    let mut ids = Vec::new();
    for rest in 0..8 {
        let mut table = FetchSessions::new(Bounds { slots: 100, bytes: 1 << 20 }, IdSpace { rest, of: 8 });
        for candidate in [0, 0, 1, u32::MAX, i32::MAX as u32, 1 << 28, (1 << 28) - 1] {
            let one = asked("t", 0, 0);
            let id = table.create(candidate, false, [(&one, seen(1))].into_iter(), at(0)).expect("room");
            assert!(id > 0, "{id}");
            assert_eq!(id as u32 % 8, rest);
            ids.push(id);
        }
    }
    let given = ids.len();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), given);
}

#[test]
fn the_same_partition_twice_in_a_request_is_one() {
    let mut table = table(10);
    let twice = [asked("t", 0, 3), asked("t", 0, 4)];
    let id = made(&mut table, &twice, at(0)).expect("room");
    let (_, read) = continued(&mut table, session(id, 1), &[]);
    assert_eq!(topics(&read), vec![(name("t"), 0, 4)]);
}
