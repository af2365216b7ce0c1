//! Memory for the answers to fetches, of all connections: a share is taken before anything is read and held until the
//! client has taken the last byte.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use callboard_gateway::{Ledger, Place, Wish};
use tokio::sync::oneshot;

/// The bound in bytes, shared by clones.
#[derive(Clone, Debug)]
pub(crate) struct Answers {
    state: Arc<Mutex<State>>,
}

#[derive(Debug)]
struct State {
    ledger: Ledger,
    waiting: BTreeMap<Place, oneshot::Sender<AnswerShare>>,
}

/// Bytes that an answer may have, given back when dropped.
#[derive(Debug)]
pub(crate) struct AnswerShare {
    answers: Answers,
    bytes: usize,
}

/// A place in the line for a share; left when dropped.
#[derive(Debug)]
pub(super) struct Waiting {
    answers: Answers,
    place: Place,
    granted: oneshot::Receiver<AnswerShare>,
}

impl Answers {
    /// A bound of `bytes` for all answers together.
    pub(crate) fn new(bytes: usize) -> Self {
        Self { state: Arc::new(Mutex::new(State { ledger: Ledger::new(bytes), waiting: BTreeMap::new() })) }
    }

    /// A share at once, or a place in the line.
    pub(super) fn ask(&self, wish: Wish) -> Result<AnswerShare, Waiting> {
        let mut state = self.state();
        match state.ledger.ask(wish) {
            Ok(bytes) => Ok(AnswerShare { answers: self.clone(), bytes }),
            Err(place) => {
                let (grant, granted) = oneshot::channel();
                state.waiting.insert(place, grant);
                Err(Waiting { answers: self.clone(), place, granted })
            }
        }
    }

    /// Whether somebody waits for what others hold.
    pub(super) fn is_short(&self) -> bool {
        self.state().ledger.waiting() > 0
    }

    /// Bytes that answers hold.
    #[cfg(test)]
    fn held(&self) -> usize {
        self.state().ledger.taken()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn give_back(&self, bytes: usize) {
        if bytes == 0 {
            return;
        }
        self.serve(|ledger| ledger.give_back(bytes));
    }

    /// Hands out what a change of the ledger lets others have.
    fn serve(&self, change: impl FnOnce(&mut Ledger) -> Vec<(Place, usize)>) {
        let granted: Vec<_> = {
            let mut state = self.state();
            let given = change(&mut state.ledger);
            given.into_iter().map(|(place, bytes)| (state.waiting.remove(&place), bytes)).collect()
        };
        for (waiting, bytes) in granted {
            // Who has gone meanwhile gives it back by dropping it.
            let share = AnswerShare { answers: self.clone(), bytes };
            drop(waiting.map(|waiting| waiting.send(share)));
        }
    }
}

impl AnswerShare {
    /// Bytes that it stands for.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Makes it what the answer really holds: less than was asked for mostly, more if its first batch is a large one.
    pub(super) fn set(&mut self, bytes: usize) {
        let before = std::mem::replace(&mut self.bytes, bytes);
        if bytes > before {
            self.answers.state().ledger.exceed(bytes - before);
        } else {
            self.answers.give_back(before - bytes);
        }
    }
}

impl Drop for AnswerShare {
    fn drop(&mut self) {
        self.answers.give_back(self.bytes);
    }
}

impl Waiting {
    /// Waits for the share; none when the node ends.
    pub(super) async fn share(mut self) -> Option<AnswerShare> {
        (&mut self.granted).await.ok()
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        let grant = self.answers.state().waiting.remove(&self.place);
        if grant.is_some() {
            self.answers.serve(|ledger| ledger.leave(self.place));
        }
        // A share that was granted and not taken is given back when the channel is dropped.
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const ALL: Wish = Wish { most: 100, least: 100 };

    #[tokio::test]
    async fn who_waits_is_given_what_another_gives_back() {
        let answers = Answers::new(100);
        let held = answers.ask(ALL).expect("all is there");
        let waiting = answers.ask(ALL).expect_err("nothing is left");
        assert!(answers.is_short());
        drop(held);
        let share = tokio::time::timeout(Duration::from_secs(5), waiting.share()).await.expect("in time");
        assert_eq!((share.map(|share| share.bytes()), answers.is_short()), (Some(100), false));
        assert_eq!(answers.held(), 0);
    }

    #[test]
    fn who_stops_waiting_holds_nobody_up_and_keeps_nothing() {
        let answers = Answers::new(100);
        let held = answers.ask(ALL).expect("all is there");
        let (gone, late) = (answers.ask(ALL).expect_err("none"), answers.ask(ALL).expect_err("none"));
        drop(gone);
        drop(held);
        assert_eq!(answers.held(), 100, "the second has it");
        drop(late);
        assert_eq!((answers.held(), answers.is_short()), (0, false));
    }

    #[test]
    fn who_leaves_the_line_lets_those_behind_have_what_is_there() {
        let answers = Answers::new(100);
        let held = answers.ask(Wish { most: 80, least: 80 }).expect("all is there");
        let large = answers.ask(Wish { most: 90, least: 90 }).expect_err("too little");
        let mut small = answers.ask(Wish { most: 40, least: 40 }).expect_err("too little");
        let mut other = held;
        other.set(50);
        drop(large);
        assert_eq!(small.granted.try_recv().map(|share| share.bytes()), Ok(40));
    }

    #[test]
    fn a_share_becomes_what_is_held() {
        let answers = Answers::new(100);
        let mut share = answers.ask(ALL).expect("all is there");
        share.set(40);
        assert_eq!(answers.held(), 40);
        share.set(140);
        assert_eq!(answers.held(), 140);
        drop(share);
        assert_eq!(answers.held(), 0);
    }
}
