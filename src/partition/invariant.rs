//! What holds for a leader between any two events, written once: for tests, simulation and debug builds.

use callboard_model::Offset;
use callboard_model::limits::PRODUCER_BATCHES_MAX;

use crate::leader::{Leader, Standing};
use crate::slices::Oldest;

/// A broken invariant.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Violation(pub String);

macro_rules! hold {
    ($holds:expr, $($text:tt)+) => {
        if !$holds {
            return Err(Violation(format!($($text)+)));
        }
    };
}

/// All invariants; looks at everything that the leader keeps.
pub fn check<W>(leader: &Leader<W>) -> Result<(), Violation> {
    check_positions(leader)?;
    check_tail(leader)?;
    check_writes(leader)?;
    check_waiting(leader)?;
    check_state(leader)
}

/// The positions' order: cheap enough for every event.
pub(crate) fn check_positions<W>(leader: &Leader<W>) -> Result<(), Violation> {
    let (start, end, high) = (leader.start, leader.end, leader.high_watermark);
    let durable = leader.replicas.own_durable_end();
    hold!(Offset::ZERO <= start && start <= high, "start {start} lies past high watermark {high}");
    hold!(high <= durable, "high watermark {high} passes durable end {durable}");
    hold!(durable <= end, "durable end {durable} passes end {end}");
    let stable = leader.marks().last_stable;
    hold!(stable <= high, "last stable offset {stable} passes high watermark {high}");
    let open = leader.slices.open;
    hold!((open.bytes == 0) == (open.start == end), "open slice from {} has {} bytes", open.start, open.bytes);
    hold!(open.max.is_some() == (open.bytes > 0), "open slice's largest timestamp");
    hold!(leader.history.newest() == Some(leader.epoch), "newest epoch is not the leader's {}", leader.epoch);
    let last = leader.tail.batches().back();
    hold!(last.is_none_or(|last| last.end == end), "tail does not end with the log at {end}");
    let written = leader.in_flight.back().map(|last| last.end);
    let leading = leader.standing == Standing::Leading;
    hold!(!leading || written.unwrap_or(durable) == end, "end {end} is in no write");
    Ok(())
}

fn check_tail<W>(leader: &Leader<W>) -> Result<(), Violation> {
    let batches = leader.tail.batches();
    let bytes: usize = batches.iter().map(|batch| batch.held()).sum();
    hold!(bytes == leader.tail.bytes(), "tail has {bytes} bytes, not {}", leader.tail.bytes());
    for (one, next) in batches.iter().zip(batches.iter().skip(1)) {
        hold!(one.base < one.end && one.end == next.base, "tail has a gap at {}", one.end);
    }
    let durable = leader.replicas.own_durable_end();
    let first = batches.front().map_or(leader.end, |first| first.base);
    hold!(first <= durable, "batches between {durable} and {first} are neither durable nor in memory");
    Ok(())
}

fn check_writes<W>(leader: &Leader<W>) -> Result<(), Violation> {
    let mut earlier = leader.replicas.own_durable_end();
    for (at, write) in leader.in_flight.iter().enumerate() {
        let ticket = leader.next_ticket - (leader.in_flight.len() - at) as u64;
        hold!(write.ticket.0 == ticket, "write {} in flight instead of {ticket}", write.ticket.0);
        hold!(earlier <= write.end, "write {ticket} takes the end back");
        earlier = write.end;
    }
    let ended = leader.standing != Standing::Leading;
    hold!(!ended || leader.in_flight.is_empty(), "a leader that ended waits for writes");
    hold!(leader.in_flight.front().is_none_or(|oldest| !oldest.done), "the oldest write in flight is done");
    let is_awaited = |ticket| leader.in_flight.iter().any(|write| write.ticket == ticket);
    hold!(leader.start_ticket.is_none_or(is_awaited), "the start's write is not in flight");
    hold!(leader.deletes.iter().all(|delete| is_awaited(delete.ticket)), "a deletion waits for no write");
    Ok(())
}

fn check_waiting<W>(leader: &Leader<W>) -> Result<(), Violation> {
    let safe = [leader.replicas.own_durable_end(), leader.high_watermark];
    for (acks, safe) in [&leader.leader_acks, &leader.all_acks].into_iter().zip(safe) {
        let mut earlier = safe;
        for (at, produce) in acks.iter().enumerate() {
            let grows = if at == 0 { safe < produce.end } else { earlier <= produce.end };
            hold!(grows, "a produce waits for {} though {earlier} is reached", produce.end);
            hold!(produce.end <= leader.end, "a produce waits for {}, past the end", produce.end);
            hold!(acks.earliest().is_some_and(|tick| tick <= produce.deadline), "a produce's deadline is forgotten");
            earlier = produce.end;
        }
    }
    for (beyond, delayed) in leader.fetches.iter() {
        hold!(leader.high_watermark <= beyond, "a fetch waits for {beyond} though it is passed");
        hold!(leader.start <= delayed.fetch.offset, "a fetch waits below the start");
        let earliest = leader.fetches.earliest();
        hold!(earliest.is_some_and(|tick| tick <= delayed.until), "a fetch's deadline is forgotten");
    }
    let mut earlier = leader.high_watermark;
    for (at, (end, _)) in leader.settling.iter().enumerate() {
        let grows = if at == 0 { earlier < *end } else { earlier <= *end };
        hold!(grows && *end <= leader.end, "somebody waits for {end} to be committed though {earlier} is");
        earlier = *end;
    }
    hold!(leader.standing == Standing::Leading || leader.waiting() == 0, "somebody waits for a leader that ended");
    Ok(())
}

fn check_state<W>(leader: &Leader<W>) -> Result<(), Violation> {
    let entries = leader.history.entries();
    for pair in entries.windows(2) {
        hold!(pair[0].0 < pair[1].0 && pair[0].1 < pair[1].1, "epoch history does not grow: {entries:?}");
        hold!(leader.start < pair[1].1, "epoch {} lies below the start", pair[0].0);
    }
    let open = leader.slices.open.start;
    match &leader.slices.oldest {
        Oldest::None => hold!(leader.start >= open, "records from {} are in no slice", leader.start),
        Oldest::Known(slice) => hold!(slice.end <= open, "the oldest slice passes the open one's start {open}"),
        Oldest::Unread(from) => hold!(*from < open, "the oldest slice is not closed"),
    }
    let mut dirty: Vec<_> = leader.producers.dirty().to_vec();
    dirty.sort_unstable();
    let flagged = leader.producers.by_id().iter().filter(|(_, state)| state.dirty).map(|(id, _)| *id);
    hold!(flagged.eq(dirty.iter().copied()), "changed producers are not those listed: {dirty:?}");
    hold!(dirty.is_empty() || leader.slices.open.bytes > 0, "producers changed in an empty slice");
    hold!(leader.producers.by_id().is_empty() || leader.producers.next_check().is_some(), "producers never expire");
    for (id, state) in leader.producers.by_id() {
        let batches = state.batches();
        hold!((1..=PRODUCER_BATCHES_MAX).contains(&batches.len()), "producer {id} has {} batches", batches.len());
        for pair in batches.windows(2) {
            hold!(pair[0].next_sequence() == pair[1].base_sequence, "producer {id} has a gap in its sequence");
            hold!(pair[0].end_offset() <= pair[1].base_offset, "producer {id} went back");
        }
        let last = batches.last().map(|batch| batch.end_offset());
        hold!(last.is_some_and(|last| last <= leader.end), "producer {id} is past the end {}", leader.end);
    }
    Ok(())
}

impl<W> Leader<W> {
    fn waiting(&self) -> usize {
        self.leader_acks.len() + self.all_acks.len() + self.fetches.len() + self.deletes.len() + self.settling.len()
    }
}
