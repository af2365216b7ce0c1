//! Which stretches of a file were verified since it was opened: written by this process, or read and found whole.

/// Stretches remembered; of more the oldest are verified anew when they are read again.
const STRETCHES_MAX: usize = 64;

/// Stretches that do not touch, in order.
#[derive(Debug, Default)]
pub(super) struct Verified(Vec<(u64, u64)>);

impl Verified {
    /// The bytes from `from` to before `to` are as they should be.
    pub(super) fn note(&mut self, from: u64, to: u64) {
        if from >= to {
            return;
        }
        let first = self.0.partition_point(|(_, end)| *end < from);
        let behind = self.0.partition_point(|(begin, _)| *begin <= to);
        let touched = &self.0[first..behind];
        let from = touched.first().map_or(from, |(begin, _)| from.min(*begin));
        let to = touched.last().map_or(to, |(_, end)| to.max(*end));
        self.0.splice(first..behind, [(from, to)]);
        if self.0.len() > STRETCHES_MAX {
            // What lies first was written first, mostly.
            self.0.remove(usize::from(first == 0));
        }
    }

    /// Whether all of this was.
    pub(super) fn holds(&self, from: u64, to: u64) -> bool {
        let at = self.0.partition_point(|(_, end)| *end < to);
        self.0.get(at).is_some_and(|(begin, _)| *begin <= from)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbours_become_one() {
        let mut verified = Verified::default();
        for (from, to) in [(0, 10), (20, 30), (10, 20), (40, 50), (35, 60), (7, 7)] {
            verified.note(from, to);
        }
        assert_eq!(verified.0, [(0, 30), (35, 60)]);
        assert!(verified.holds(0, 30) && verified.holds(9, 21) && verified.holds(59, 60));
        assert!(!verified.holds(29, 31) && !verified.holds(30, 36) && !verified.holds(59, 61));
    }

    #[test]
    fn what_is_too_much_is_forgotten_but_not_what_was_told_last() {
        let mut verified = Verified::default();
        for at in (0..200).rev().chain(0..200) {
            verified.note(at * 10, at * 10 + 5);
            assert!(verified.0.len() <= STRETCHES_MAX && verified.holds(at * 10, at * 10 + 5));
        }
    }

    #[test]
    fn it_holds_what_was_told_and_never_anything_else() {
        let mut random = 1_u64;
        let mut below = |limit: u64| {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (random >> 33) % limit
        };
        for _ in 0..300 {
            let (mut verified, mut told) = (Verified::default(), [false; 400]);
            for _ in 0..below(150) {
                let (from, len) = (below(300), below(40));
                verified.note(from, from + len);
                (from..from + len).for_each(|at| told[at as usize] = true);
                let (from, len) = (below(300), 1 + below(40));
                let all = (from..from + len).all(|at| told[at as usize]);
                // Never so many apart that one had to be forgotten.
                assert_eq!(verified.holds(from, from + len), all, "{from} and {len} in {verified:?}");
            }
        }
    }
}
