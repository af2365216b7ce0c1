//! A client that reads through sessions against one that asks for everything each time: both see the same.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

/// What is true of a partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Log {
    start: i64,
    end: i64,
    broken: bool,
}

/// What a reader knows of a partition: where it is, and what it was told last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct View {
    next: i64,
    told: Option<(i64, i64, bool)>,
    /// Set whenever what it wants has changed and was not yet sent.
    unsent: bool,
}

/// Reads a partition as a leader would: three records at most.
fn read(log: Log, offset: i64) -> (Seen, i64) {
    let records = if log.broken { 0 } else { (log.end - offset.max(log.start)).clamp(0, 3) };
    let seen = Seen { log_start: Offset(log.start), data: records > 0, error: log.broken, ..seen(log.end) };
    (seen, records)
}

#[derive(Clone, Debug)]
enum Step {
    Append(usize, i64),
    DeleteTo(usize, i64),
    Break(usize),
    Want(usize),
    Drop(usize),
    /// Fetches; with few bytes only so many partitions give records.
    Fetch(usize),
    /// An answer that never arrives, after which the client starts anew.
    Lose,
    /// Another client fills the table.
    Crowd(u64),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        4 => (0..6usize, 1..5i64).prop_map(|(p, n)| Step::Append(p, n)),
        1 => (0..6usize, 0..4i64).prop_map(|(p, n)| Step::DeleteTo(p, n)),
        1 => (0..6usize).prop_map(Step::Break),
        2 => (0..6usize).prop_map(Step::Want),
        1 => (0..6usize).prop_map(Step::Drop),
        8 => (1..7usize).prop_map(Step::Fetch),
        1 => Just(Step::Lose),
        1 => (1..200u64).prop_map(Step::Crowd),
    ];
    prop::collection::vec(step, 1..120)
}

struct Client {
    id: i32,
    epoch: i32,
    views: BTreeMap<i32, View>,
    forgotten: Vec<i32>,
}

impl Client {
    /// Makes the request that a client makes: everything, or what has changed.
    fn request(&mut self) -> (SessionRequest, Vec<Asked>, Vec<(TopicRef, PartitionIndex)>) {
        let full = self.epoch == 0;
        let asked_of = |(partition, view): (&i32, &mut View)| {
            let sent = full || std::mem::take(&mut view.unsent);
            view.unsent = false;
            sent.then(|| asked("t", *partition, view.next))
        };
        let wanted = self.views.iter_mut().filter_map(asked_of).collect();
        let forgotten = std::mem::take(&mut self.forgotten);
        let forgotten = forgotten.into_iter().filter(|_| !full).map(|p| (name("t"), PartitionIndex(p))).collect();
        (session(self.id, self.epoch), wanted, forgotten)
    }

    fn start_anew(&mut self) {
        self.epoch = 0;
        self.forgotten.clear();
    }

    /// Takes a row of an answer.
    fn take(&mut self, partition: i32, seen: Seen, records: i64) {
        let view = self.views.get_mut(&partition).expect("only what is wanted is answered");
        view.told = Some((seen.high_watermark.get(), seen.log_start.get(), seen.error));
        let next = if seen.error { view.next } else { view.next.max(seen.log_start.get()) + records };
        view.unsent |= next != view.next;
        view.next = next;
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 600, ..ProptestConfig::default() })]

    #[test]
    fn sessions_tell_what_full_fetches_tell(steps in steps()) {
        let mut table = FetchSessions::new(Bounds { slots: 2, bytes: 1 << 20 }, ALONE);
        let mut logs = [Log { start: 0, end: 0, broken: false }; 6];
        let mut client = Client { id: 0, epoch: 0, views: BTreeMap::new(), forgotten: Vec::new() };
        let mut now = Tick::ZERO;
        for step in steps {
            now = now.after(Duration::from_millis(100));
            match step {
                Step::Append(p, count) => logs[p].end += count,
                Step::DeleteTo(p, count) => logs[p].start = (logs[p].start + count).min(logs[p].end),
                Step::Break(p) => logs[p].broken = !logs[p].broken,
                Step::Want(p) => {
                    let partition = p as i32;
                    // The session still has it and would not tell again what it told.
                    if client.forgotten.contains(&partition) {
                        continue;
                    }
                    let view = View { next: logs[p].start, told: None, unsent: true };
                    client.views.entry(partition).or_insert(view);
                }
                Step::Drop(p) => {
                    if client.views.remove(&(p as i32)).is_some() {
                        client.forgotten.push(p as i32);
                    }
                }
                Step::Lose => {
                    let (request, asked, forgotten) = client.request();
                    table.begin(request, &asked, &forgotten, now);
                    client.start_anew();
                }
                Step::Crowd(seconds) => {
                    now = now.after(Duration::from_secs(seconds));
                    let many: Vec<Asked> = (0..9).map(|p| asked("crowd", p, 0)).collect();
                    table.create(3, false, many.iter().map(|asked| (asked, seen(0))), now);
                    prop_assert!(table.len() <= 2);
                }
                Step::Fetch(givers) => {
                    let (request, asked, forgotten) = client.request();
                    let begun = table.begin(request, &asked, &forgotten, now);
                    let (followup, reads) = match begun {
                        Begun::Refused(_) => {
                            client.start_anew();
                            continue;
                        }
                        Begun::Incremental(followup, reads) => (Some(followup), reads),
                        Begun::Full | Begun::Sessionless => (None, asked),
                    };
                    // What a session reads is what the client wants, from where it wants it.
                    let mut wanted: Vec<(i32, i64)> = reads.iter().map(|r| (r.partition.get(), r.offset.get())).collect();
                    wanted.sort_unstable();
                    let expected: Vec<(i32, i64)> = client.views.iter().map(|(p, view)| (*p, view.next)).collect();
                    prop_assert_eq!(wanted, expected);
                    let mut given = 0;
                    let rows: Vec<(Seen, i64)> = reads
                        .iter()
                        .map(|r| {
                            let (seen, records) = read(logs[r.partition.get() as usize], r.offset.get());
                            let records = if given < givers { records } else { 0 };
                            given += usize::from(records > 0);
                            (Seen { data: records > 0, ..seen }, records)
                        })
                        .collect();
                    let seen: Vec<Seen> = rows.iter().map(|(seen, _)| *seen).collect();
                    let news = match followup.map(|followup| table.finish(followup, &seen)) {
                        Some(Finished::Changed(news)) => {
                            client.epoch = next_epoch(client.epoch);
                            news
                        }
                        Some(other) => panic!("nobody else uses this session: {other:?}"),
                        None => {
                            let rows = reads.iter().zip(seen.iter().copied());
                            let full = request.epoch == 0;
                            client.id = if full { table.create(5, false, rows, now).unwrap_or(0) } else { 0 };
                            client.epoch = i32::from(client.id != 0);
                            client.forgotten.clear();
                            vec![true; seen.len()]
                        }
                    };
                    for ((asked, (seen, records)), is_news) in reads.iter().zip(&rows).zip(news) {
                        if is_news {
                            client.take(asked.partition.get(), *seen, *records);
                        } else {
                            prop_assert_eq!(*records, 0, "records are never held back");
                        }
                    }
                    for (partition, view) in &client.views {
                        let log = logs[*partition as usize];
                        prop_assert_eq!(view.told, Some((log.end, log.start, log.broken)), "{}", partition);
                    }
                }
            }
        }
        // Left alone, the client reads everything there is.
        for log in &mut logs {
            log.broken = false;
        }
        drain(&mut table, &mut client, &logs, now);
        for (partition, view) in &client.views {
            prop_assert_eq!(view.next, logs[*partition as usize].end, "{}", partition);
        }
    }
}

/// Fetches with room for one partition's records at a time until nothing moves.
fn drain(table: &mut FetchSessions, client: &mut Client, logs: &[Log; 6], now: Tick) {
    for _ in 0..2000 {
        let (request, asked, forgotten) = client.request();
        let (followup, reads) = match table.begin(request, &asked, &forgotten, now) {
            Begun::Refused(_) => {
                client.start_anew();
                continue;
            }
            Begun::Incremental(followup, reads) => (Some(followup), reads),
            Begun::Full | Begun::Sessionless => (None, asked),
        };
        let mut given = false;
        let rows: Vec<(Seen, i64)> = reads
            .iter()
            .map(|r| {
                let (seen, records) = read(logs[r.partition.get() as usize], r.offset.get());
                let records = if given { 0 } else { records };
                given |= records > 0;
                (Seen { data: records > 0, ..seen }, records)
            })
            .collect();
        let seen: Vec<Seen> = rows.iter().map(|(seen, _)| *seen).collect();
        if let Some(followup) = followup {
            table.finish(followup, &seen);
            client.epoch = next_epoch(client.epoch);
        } else {
            let full = request.epoch == 0;
            let rows = reads.iter().zip(seen.iter().copied());
            client.id = if full { table.create(5, false, rows, now).unwrap_or(0) } else { 0 };
            client.epoch = i32::from(client.id != 0);
        }
        for (asked, (seen, records)) in reads.iter().zip(&rows) {
            client.take(asked.partition.get(), *seen, *records);
        }
    }
}
