//! What something costs each time, as the median of rounds.

use crate::allocator::{Count, so_far};

/// What one time costs, by rounds of several: the mean within a round, so that work which is put off and done for several
/// at once counts; the median of rounds, so that what happens beside it now and then does not.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Spread {
    /// Of the cheapest round.
    pub least: f64,
    /// Half of the rounds cost at most this.
    pub median: f64,
    /// Of the dearest round.
    pub most: f64,
}

impl Spread {
    fn of(mut means: Vec<f64>) -> Self {
        means.sort_by(f64::total_cmp);
        let at = |at: usize| means.get(at).copied().unwrap_or_default();
        Self { least: at(0), median: at(means.len() / 2), most: at(means.len().saturating_sub(1)) }
    }

    /// The same for a part of what was done.
    pub fn per(self, parts: f64) -> Self {
        Self { least: self.least / parts, median: self.median / parts, most: self.most / parts }
    }
}

/// Does something so many `times` in each of so many `rounds`; what one time costs in allocations, and in bytes.
pub fn rounds(rounds: usize, times: usize, mut once: impl FnMut()) -> (Spread, Spread) {
    let counts: Vec<Count> = (0..rounds)
        .map(|_| {
            let before = so_far();
            (0..times).for_each(|_| once());
            so_far().since(before)
        })
        .collect();
    let mean = |of: fn(&Count) -> u64| Spread::of(counts.iter().map(|count| of(count) as f64 / times as f64).collect());
    (mean(|count| count.allocations), mean(|count| count.bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_of_the_rounds_cost_at_most_the_median() {
        let spread = Spread::of(vec![7.0, 1.0, 100.0, 3.0, 2.0]);
        assert_eq!(spread, Spread { least: 1.0, median: 3.0, most: 100.0 });
        assert_eq!(spread.per(2.0), Spread { least: 0.5, median: 1.5, most: 50.0 });
    }
}
