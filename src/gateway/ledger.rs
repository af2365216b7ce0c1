//! Who may hold how much memory for answers: a bound for all connections, shared out in pieces that shrink as it runs short.
//!
//! A reader that takes nothing keeps its piece. So nobody is given more than an eighth of what is left: a few that read
//! slowly leave room for everyone else, whose answers are smaller for it, and only very many of them make others wait.

use std::collections::VecDeque;

/// No piece is larger than this part of what is left, unless less would be too little for it.
const PART: usize = 8;

/// A place among those that wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place(u64);

/// What somebody asks for, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wish {
    /// As much as there is use for.
    pub most: usize,
    /// Less than this is of no use.
    pub least: usize,
}

/// The bytes that are given out.
#[derive(Debug)]
pub struct Ledger {
    bytes: usize,
    /// Can be more than `bytes`: what turns out larger than expected is counted though it is not there.
    taken: usize,
    next: u64,
    waiting: VecDeque<(Place, Wish)>,
}

impl Ledger {
    /// A bound of `bytes`.
    pub fn new(bytes: usize) -> Self {
        Self { bytes: bytes.max(1), taken: 0, next: 0, waiting: VecDeque::new() }
    }

    /// Bytes given out.
    pub fn taken(&self) -> usize {
        self.taken
    }

    /// How many wait.
    pub fn waiting(&self) -> usize {
        self.waiting.len()
    }

    /// Gives bytes at once, or a place among those that wait. Who wants little is served before those that wait for more
    /// than there is.
    pub fn ask(&mut self, wish: Wish) -> Result<usize, Place> {
        match self.piece(wish) {
            Some(piece) => {
                self.taken += piece;
                Ok(piece)
            }
            None => {
                let place = Place(self.next);
                self.next += 1;
                self.waiting.push_back((place, wish));
                Err(place)
            }
        }
    }

    /// Takes bytes back, and says who of those that waited is given how many now.
    pub fn give_back(&mut self, bytes: usize) -> Vec<(Place, usize)> {
        self.taken = self.taken.saturating_sub(bytes);
        self.serve()
    }

    /// Who of those that wait is given how many now, in order.
    fn serve(&mut self) -> Vec<(Place, usize)> {
        let mut given = Vec::new();
        while let Some((place, wish)) = self.waiting.front().copied()
            && let Some(piece) = self.piece(wish)
        {
            self.waiting.pop_front();
            self.taken += piece;
            given.push((place, piece));
        }
        given
    }

    /// Counts bytes that are held already.
    pub fn exceed(&mut self, bytes: usize) {
        self.taken += bytes;
    }

    /// Forgets one that waits, and says who of those behind it is given how many now: it may have wanted more than they do.
    pub fn leave(&mut self, place: Place) -> Vec<(Place, usize)> {
        self.waiting.retain(|(waiting, _)| *waiting != place);
        self.serve()
    }

    /// What a wish is given now. One for more than the whole is granted once nothing is taken, else it never would be.
    fn piece(&self, wish: Wish) -> Option<usize> {
        let left = self.bytes.saturating_sub(self.taken);
        let least = wish.least.min(self.bytes);
        (left >= least && left > 0).then(|| wish.most.min(left / PART).max(wish.least))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn wish(most: usize, least: usize) -> Wish {
        Wish { most, least }
    }

    #[test]
    fn pieces_shrink_as_it_runs_short_and_small_ones_are_served_whole() {
        let mut ledger = Ledger::new(800);
        assert_eq!(ledger.ask(wish(1_000, 10)), Ok(100));
        assert_eq!(ledger.ask(wish(1_000, 10)), Ok(87));
        assert_eq!(ledger.ask(wish(50, 10)), Ok(50));
        assert_eq!(ledger.ask(wish(1_000, 300)), Ok(300), "not less than is of use");
        assert_eq!(ledger.taken(), 537);
    }

    #[test]
    fn who_wants_more_than_there_is_waits_and_who_wants_little_does_not() {
        let mut ledger = Ledger::new(100);
        assert_eq!(ledger.ask(wish(90, 90)), Ok(90));
        let place = ledger.ask(wish(50, 50)).expect_err("too little is left");
        assert_eq!(ledger.ask(wish(5, 5)), Ok(5));
        assert_eq!(ledger.give_back(5), []);
        assert_eq!(ledger.give_back(90), [(place, 50)]);
        assert_eq!((ledger.taken(), ledger.waiting()), (50, 0));
    }

    #[test]
    fn those_that_wait_are_served_in_the_order_in_which_they_came() {
        let mut ledger = Ledger::new(100);
        assert_eq!(ledger.ask(wish(100, 100)), Ok(100));
        let places: Vec<_> = (0..3).map(|_| ledger.ask(wish(40, 40)).expect_err("none is left")).collect();
        assert_eq!(ledger.leave(places[0]), []);
        assert_eq!(ledger.give_back(100), [(places[1], 40), (places[2], 40)]);
    }

    #[test]
    fn who_leaves_no_longer_holds_up_those_that_want_less() {
        let mut ledger = Ledger::new(100);
        assert_eq!(ledger.ask(wish(80, 80)), Ok(80));
        let large = ledger.ask(wish(90, 90)).expect_err("too little is left");
        let small = ledger.ask(wish(40, 40)).expect_err("too little is left");
        assert_eq!(ledger.give_back(30), [], "the first in the line is served first");
        assert_eq!(ledger.leave(large), [(small, 40)]);
        assert_eq!((ledger.taken(), ledger.waiting()), (90, 0));
    }

    #[test]
    fn what_is_larger_than_the_whole_is_given_alone() {
        let mut ledger = Ledger::new(100);
        assert_eq!(ledger.ask(wish(1_000, 1_000)), Ok(1_000));
        let place = ledger.ask(wish(1, 1)).expect_err("nothing is left");
        assert_eq!(ledger.give_back(1_000), [(place, 1)]);
    }

    #[test]
    fn what_turned_out_larger_makes_others_wait() {
        let mut ledger = Ledger::new(100);
        assert_eq!(ledger.ask(wish(10, 10)), Ok(10));
        ledger.exceed(200);
        assert!(ledger.ask(wish(1, 1)).is_err());
        assert_eq!(ledger.give_back(150).len(), 1);
    }

    proptest! {
        #[test]
        fn what_is_given_out_stays_within_the_bound_and_all_comes_back(
            wishes in prop::collection::vec((1usize..2_000, 1usize..500, any::<bool>()), 1..100),
        ) {
            let mut ledger = Ledger::new(1_000);
            let mut held = VecDeque::new();
            for (most, least, give) in wishes {
                held.extend(ledger.ask(wish(most, least)).ok());
                if give && let Some(piece) = held.pop_front() {
                    held.extend(ledger.give_back(piece).into_iter().map(|(_, piece)| piece));
                }
                prop_assert!(ledger.taken() <= 1_000);
                prop_assert_eq!(ledger.taken(), held.iter().sum::<usize>());
            }
            while let Some(piece) = held.pop_front() {
                held.extend(ledger.give_back(piece).into_iter().map(|(_, piece)| piece));
            }
            prop_assert_eq!((ledger.taken(), ledger.waiting()), (0, 0));
        }
    }
}
