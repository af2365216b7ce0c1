//! The machine around a shard: loads it from its log, lets it decide, has its records appended, answers once they are
//! committed, throws it away when the log may differ from what it believes.
//!
//! ```text
//!            lead                begin, replay*             appended: failed, or a decision too large
//!   Away ──────────▶ Loading ──────────────────▶ InOffice ────────────────────────────────────▶ Loading
//!     ◀──────────────────────── resign ──────────────
//! ```
//! One append is under way at a time; what is decided meanwhile gathers in the next batch. An append names the end that
//! it expects the log to have, so one of an earlier life that lands late is either seen by the load, or fenced, or makes
//! the next append of this life fail, which loads again. Records are replayed right after the decision; answers wait until
//! everything decided before them is committed.

use std::collections::{BTreeMap, VecDeque};

use callboard_model::{LeaderEpoch, Offset, Tick};

use crate::effect::{Append, Effect, Load, LoadPoint};
use crate::stored::{Slice, Writing, room, stored_size};
use crate::timers::Timers;
use crate::{Caller, Now, Outcome, Refusal, Shard, TimerChange};

mod load;
mod snapshot;

use load::Loading;
pub use snapshot::SnapshotPolicy;
use snapshot::Snapshots;

/// Bytes decided and not yet handed to the log beyond which commands wait: a few batches, each of which is one append.
const GATHERED_MAX: usize = 4 << 20;
/// Commands that wait at most; more are refused with a retriable error.
const HELD_MAX: usize = 65_536;
/// Held commands, or timers, decided at one go.
const AT_ONCE: usize = 256;

/// The host of one shard. `W` is the shell's reply handle.
pub struct Host<S: Shard, W> {
    make: Box<dyn Fn() -> S>,
    policy: SnapshotPolicy,
    phase: Phase<S, W>,
    epoch: LeaderEpoch,
    load: Load,
    next_caller: u64,
    next_append: u64,
    /// Records replayed by the last load, and those passed over.
    replayed: u64,
    passed_over: u64,
}

enum Phase<S: Shard, W> {
    Away,
    /// The log's ends are being asked for.
    Asking,
    Loading(Box<Loading<S>>),
    InOffice(Box<Office<S, W>>),
}

/// A shard that decides.
struct Office<S: Shard, W> {
    shard: S,
    /// Where the log ends once the append under way is done.
    end: Offset,
    room: usize,
    waiting: BTreeMap<Caller, W>,
    under_way: Option<UnderWay<S, W>>,
    gathered: VecDeque<Batch<S, W>>,
    gathered_bytes: usize,
    held: VecDeque<(S::Command, W)>,
    timers: Timers<S::Timer>,
    snapshots: Snapshots,
}

/// What is decided and not yet appended: whole outcomes only.
struct Batch<S: Shard, W> {
    writing: Writing,
    answers: Vec<(W, S::Reply)>,
}

/// The append under way.
struct UnderWay<S: Shard, W> {
    append: Append,
    base: Offset,
    answers: Vec<(W, S::Reply)>,
}

/// What a host is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Not hosted here.
    Away,
    /// The log is being read.
    Loading,
    /// Deciding.
    InOffice,
}

impl Role {
    /// For people.
    pub fn name(self) -> &'static str {
        match self {
            Self::Away => "away",
            Self::Loading => "loading",
            Self::InOffice => "in office",
        }
    }
}

/// A host's numbers, for people and for metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HostSnapshot {
    /// What it is doing.
    pub role: Role,
    /// The leadership that it is loaded under.
    pub epoch: LeaderEpoch,
    /// Records replayed by the last load, so far.
    pub replayed: u64,
    /// Stored records that the last load passed over.
    pub passed_over: u64,
    /// Loads so far.
    pub loads: u64,
    /// Callers without an answer.
    pub waiting: usize,
    /// Commands that wait to be decided.
    pub held: usize,
    /// Timers that are set.
    pub timers: usize,
    /// The log's end as far as this shard has written it.
    pub end: Option<Offset>,
}

impl<S: Shard, W> Host<S, W> {
    /// A host that is away. `make` gives a shard without any state.
    pub fn new(policy: SnapshotPolicy, make: impl Fn() -> S + 'static) -> Self {
        Self {
            make: Box::new(make),
            policy,
            phase: Phase::Away,
            epoch: LeaderEpoch::NONE,
            load: Load::default(),
            next_caller: 0,
            next_append: 0,
            replayed: 0,
            passed_over: 0,
        }
    }

    /// This node leads the partition in this epoch. A newer one than before loads the shard again.
    pub fn lead(&mut self, epoch: LeaderEpoch, effects: &mut Vec<Effect<S, W>>) {
        if matches!(self.phase, Phase::Away) || epoch > self.epoch {
            self.epoch = epoch;
            self.reload(format!("leader epoch {epoch} begins"), effects);
        }
    }

    /// This node leads the partition no longer: everyone who waits is sent elsewhere.
    pub fn resign(&mut self, effects: &mut Vec<Effect<S, W>>) {
        if let Phase::InOffice(office) = std::mem::replace(&mut self.phase, Phase::Away) {
            office.refuse_all(&Refusal::NotHosted, &Refusal::NotHosted, effects);
        }
    }

    /// Throws the shard away and loads it again; for a shell that cannot say how an append went, too.
    pub fn reload(&mut self, reason: String, effects: &mut Vec<Effect<S, W>>) {
        if let Phase::InOffice(office) = std::mem::replace(&mut self.phase, Phase::Asking) {
            office.refuse_all(&Refusal::NotAppended(reason.clone()), &Refusal::Loading, effects);
        }
        self.load.0 += 1;
        effects.push(Effect::Load { load: self.load, reason });
    }

    /// The log's ends are known: its records come next.
    pub fn begin(&mut self, load: Load, at: LoadPoint, now: Now, effects: &mut Vec<Effect<S, W>>) {
        if load == self.load && matches!(self.phase, Phase::Asking) {
            self.epoch = self.epoch.max(at.epoch);
            (self.replayed, self.passed_over) = (0, 0);
            self.phase = Phase::Loading(Box::new(Loading::new((self.make)(), at)));
            self.go_on_loading(at.start, now, effects);
        }
    }

    /// A piece of the log has been read and decoded.
    pub fn replay(&mut self, load: Load, slice: Slice<S::Record>, now: Now, effects: &mut Vec<Effect<S, W>>) {
        let Phase::Loading(loading) = &mut self.phase else { return };
        if load != self.load {
            return;
        }
        // Behind the last batch, or compacted away up to the end: nothing more to read.
        let next = if slice.next > loading.next { slice.next } else { loading.at.end };
        for entry in slice.entries {
            match loading.replay(entry, &self.make) {
                Ok(records) => self.replayed += records,
                Err((offset, fault)) => {
                    self.passed_over += 1;
                    effects.push(Effect::PassedOver { offset, fault });
                }
            }
        }
        self.go_on_loading(next, now, effects);
    }

    fn go_on_loading(&mut self, next: Offset, now: Now, effects: &mut Vec<Effect<S, W>>) {
        let Phase::Loading(loading) = &mut self.phase else { return };
        loading.next = next;
        let LoadPoint { start, end, max_batch_bytes, .. } = loading.at;
        if next < end {
            return effects.push(Effect::Read { load: self.load, from: next, until: end });
        }
        let Phase::Loading(loading) = std::mem::replace(&mut self.phase, Phase::Away) else { return };
        let Loading { shard, snapshots, .. } = *loading;
        let snapshot_start = snapshots.start().filter(|begin| *begin > start);
        self.phase = Phase::InOffice(Box::new(Office {
            shard,
            end,
            room: room(max_batch_bytes),
            waiting: BTreeMap::new(),
            under_way: None,
            gathered: VecDeque::new(),
            gathered_bytes: 0,
            held: VecDeque::new(),
            timers: Timers::new(),
            snapshots,
        }));
        effects.push(Effect::Loaded);
        effects.extend(snapshot_start.map(|to| Effect::MoveStart { to }));
        self.decide(None, now, effects, |shard, outcome| shard.loaded(now, outcome));
        self.pump(now, effects);
    }

    /// Decides on a command, now or when what waits before it is done.
    pub fn command(&mut self, command: S::Command, waiter: W, now: Now, effects: &mut Vec<Effect<S, W>>) {
        let refusal = match &mut self.phase {
            Phase::Away => Refusal::NotHosted,
            Phase::Asking | Phase::Loading(_) => Refusal::Loading,
            Phase::InOffice(office) if office.held.len() >= HELD_MAX => Refusal::Loading,
            Phase::InOffice(office) => {
                if office.must_hold(&self.policy) || !office.held.is_empty() {
                    office.held.push_back((command, waiter));
                } else {
                    self.decide_command(command, waiter, now, effects);
                }
                return self.pump(now, effects);
            }
        };
        effects.push(Effect::Answer { waiter, result: Err(refusal) });
    }

    fn decide_command(&mut self, command: S::Command, waiter: W, now: Now, effects: &mut Vec<Effect<S, W>>) {
        let Phase::InOffice(office) = &mut self.phase else { return };
        let caller = Caller(self.next_caller);
        self.next_caller += 1;
        office.waiting.insert(caller, waiter);
        self.decide(Some(caller), now, effects, |shard, outcome| shard.decide(command, caller, now, outcome));
    }

    /// Does what time asks for, a bounded part of it at once; see [`Self::next_deadline`].
    pub fn expire(&mut self, now: Now, effects: &mut Vec<Effect<S, W>>) {
        for _ in 0..AT_ONCE {
            let Phase::InOffice(office) = &mut self.phase else { return };
            if office.must_hold(&self.policy) {
                break;
            }
            let Some(timer) = office.timers.pop_due(now.tick) else { break };
            self.decide(None, now, effects, |shard, outcome| shard.expired(timer, now, outcome));
        }
        self.pump(now, effects);
    }

    /// When [`Self::expire`] has something to do; may be early, never late. It can lie in the past.
    pub fn next_deadline(&self) -> Option<Tick> {
        match &self.phase {
            // The end of the append under way goes on with both.
            Phase::InOffice(office) if office.must_hold(&self.policy) => None,
            Phase::InOffice(office) if !office.held.is_empty() => Some(Tick::ZERO),
            Phase::InOffice(office) => office.timers.next_deadline(),
            _ => None,
        }
    }

    /// An append is committed, with the offset of its first record; or it is not, or nobody knows.
    pub fn appended(
        &mut self,
        append: Append,
        result: Result<Offset, String>,
        now: Now,
        effects: &mut Vec<Effect<S, W>>,
    ) {
        let Phase::InOffice(office) = &mut self.phase else { return };
        let Some(under_way) = office.under_way.take_if(|under_way| under_way.append == append) else { return };
        match result {
            Ok(base) if base == under_way.base => {
                let answer = |(waiter, reply)| Effect::Answer { waiter, result: Ok(reply) };
                effects.extend(under_way.answers.into_iter().map(answer));
                if let Some(to) = office.snapshots.committed(office.end) {
                    effects.push(Effect::MoveStart { to });
                }
                self.pump(now, effects);
            }
            result => {
                office.under_way = Some(under_way);
                let reason = match result {
                    Ok(base) => format!("records were appended at {base} and not where they were expected to be"),
                    Err(reason) => reason,
                };
                self.reload(reason, effects);
            }
        }
    }

    /// Looks for callers that have gone; the shard forgets those that it keeps.
    pub fn sweep(&mut self, now: Now, has_gone: impl Fn(&W) -> bool, effects: &mut Vec<Effect<S, W>>) {
        let Phase::InOffice(office) = &mut self.phase else { return };
        office.held.retain(|(_, waiter)| !has_gone(waiter));
        if office.must_hold(&self.policy) {
            return; // the next sweep finds them as well
        }
        let gone: Vec<Caller> =
            office.waiting.iter().filter(|(_, waiter)| has_gone(waiter)).map(|(caller, _)| *caller).collect();
        for caller in gone {
            let Phase::InOffice(office) = &mut self.phase else { return };
            // An answer to another may have answered this one.
            if office.waiting.remove(&caller).is_some() {
                self.decide(None, now, effects, |shard, outcome| shard.abandoned(caller, now, outcome));
            }
        }
        self.pump(now, effects);
    }

    /// The shard, while it is in office: for showing it.
    pub fn shard(&self) -> Option<&S> {
        if let Phase::InOffice(office) = &self.phase { Some(&office.shard) } else { None }
    }

    /// What it is doing.
    pub fn role(&self) -> Role {
        match self.phase {
            Phase::Away => Role::Away,
            Phase::Asking | Phase::Loading(_) => Role::Loading,
            Phase::InOffice(_) => Role::InOffice,
        }
    }

    /// Its numbers now.
    pub fn snapshot(&self) -> HostSnapshot {
        let office = if let Phase::InOffice(office) = &self.phase { Some(office) } else { None };
        HostSnapshot {
            role: self.role(),
            epoch: self.epoch,
            replayed: self.replayed,
            passed_over: self.passed_over,
            loads: self.load.0,
            waiting: office.map_or(0, |office| office.waiting.len() + office.pending_answers()),
            held: office.map_or(0, |office| office.held.len()),
            timers: office.map_or(0, |office| office.timers.len()),
            end: office.map(|office| office.end),
        }
    }

    /// Lets the shard decide once, and takes over what it decided.
    fn decide(
        &mut self,
        asker: Option<Caller>,
        now: Now,
        effects: &mut Vec<Effect<S, W>>,
        step: impl FnOnce(&mut S, &mut Outcome<S>),
    ) {
        let Phase::InOffice(office) = &mut self.phase else { return };
        let mut outcome = Outcome::new(office.room);
        step(&mut office.shard, &mut outcome);
        if let Err(given) = office.take(outcome, now, effects) {
            // The shard may have noted what will not be in the log.
            let refusal = Refusal::TooLarge { given: given.bytes, max: office.room };
            for waiter in asker.into_iter().chain(given.callers).filter_map(|caller| office.waiting.remove(&caller)) {
                effects.push(Effect::Answer { waiter, result: Err(refusal.clone()) });
            }
            self.reload(format!("a decision was not taken: {refusal}"), effects);
        }
    }

    /// Hands over the next batch, begins a snapshot that is due, decides on what was held.
    fn pump(&mut self, now: Now, effects: &mut Vec<Effect<S, W>>) {
        for decided in 0.. {
            let Phase::InOffice(office) = &mut self.phase else { return };
            office.begin_snapshot_if_due(&self.policy, now);
            if office.under_way.is_none()
                && let Some(batch) = office.gathered.pop_front()
            {
                let append = Append(self.next_append);
                self.next_append += 1;
                effects.push(office.hand_over(batch, append));
            }
            if decided == AT_ONCE || office.must_hold(&self.policy) {
                return;
            }
            let Some((command, waiter)) = office.held.pop_front() else { return };
            self.decide_command(command, waiter, now, effects);
        }
    }
}

/// A decision that does not fit into a batch.
struct TooLarge {
    bytes: usize,
    callers: Vec<Caller>,
}

impl<S: Shard, W> Office<S, W> {
    /// Whether nothing may be decided just now.
    fn must_hold(&self, policy: &SnapshotPolicy) -> bool {
        self.gathered_bytes >= GATHERED_MAX || self.snapshots.must_hold(policy)
    }

    fn take(&mut self, outcome: Outcome<S>, now: Now, effects: &mut Vec<Effect<S, W>>) -> Result<(), TooLarge> {
        let Outcome { records, replies, timers, .. } = outcome;
        if !records.is_empty() {
            let stored: Vec<_> = records.iter().map(S::encode).collect();
            let bytes: usize = stored.iter().map(stored_size).sum();
            if bytes > self.room {
                return Err(TooLarge { bytes, callers: replies.into_iter().map(|(caller, _)| caller).collect() });
            }
            let batch = self.batch_with_room(bytes, now);
            let before = batch.writing.records_len();
            for stored in &stored {
                batch.writing.push(stored, now.wall, false);
            }
            let more = batch.writing.records_len() - before;
            self.gathered_bytes += more;
            self.snapshots.note(records.len() as u64);
            for record in &records {
                self.shard.replay(record, now.wall);
            }
        }
        for (caller, reply) in replies {
            let Some(waiter) = self.waiting.remove(&caller) else { continue };
            match (self.gathered.back_mut(), &mut self.under_way) {
                (Some(batch), _) => batch.answers.push((waiter, reply)),
                (None, Some(under_way)) => under_way.answers.push((waiter, reply)),
                (None, None) => effects.push(Effect::Answer { waiter, result: Ok(reply) }),
            }
        }
        for change in timers {
            match change {
                TimerChange::Start(timer, after) => self.timers.start(timer, now.tick.after(after)),
                TimerChange::Cancel(timer) => self.timers.cancel(&timer),
            }
        }
        Ok(())
    }

    /// The last batch that is gathered, or a new one behind it.
    fn batch_with_room(&mut self, bytes: usize, now: Now) -> &mut Batch<S, W> {
        let fits = self.gathered.back().is_some_and(|batch| batch.writing.records_len() + bytes <= self.room);
        if !fits {
            self.gathered.push_back(Batch { writing: Writing::new(now.wall), answers: Vec::new() });
        }
        self.gathered.back_mut().expect("one was just made sure of")
    }

    fn hand_over(&mut self, batch: Batch<S, W>, append: Append) -> Effect<S, W> {
        let Batch { writing, answers } = batch;
        self.gathered_bytes = self.gathered_bytes.saturating_sub(writing.records_len());
        let expected_end = self.end;
        self.end = self.end.plus(writing.count());
        self.under_way = Some(UnderWay { append, base: expected_end, answers });
        Effect::Append { append, expected_end, batch: writing.finish() }
    }

    fn pending_answers(&self) -> usize {
        let gathered: usize = self.gathered.iter().map(|batch| batch.answers.len()).sum();
        gathered + self.under_way.as_ref().map_or(0, |under_way| under_way.answers.len())
    }

    /// Refuses everyone: those whose commands may have done something, and those whose commands were only held.
    fn refuse_all(self, decided: &Refusal, held: &Refusal, effects: &mut Vec<Effect<S, W>>) {
        let under_way = self.under_way.into_iter().flat_map(|under_way| under_way.answers);
        let gathered = self.gathered.into_iter().flat_map(|batch| batch.answers);
        let answered = under_way.chain(gathered).map(|(waiter, _)| waiter);
        for waiter in answered.chain(self.waiting.into_values()) {
            effects.push(Effect::Answer { waiter, result: Err(decided.clone()) });
        }
        for (_, waiter) in self.held {
            effects.push(Effect::Answer { waiter, result: Err(held.clone()) });
        }
    }
}

impl<S: Shard, W> std::fmt::Debug for Host<S, W> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Host").field("shard", &self.shard()).field("numbers", &self.snapshot()).finish()
    }
}

#[cfg(test)]
mod tests;
