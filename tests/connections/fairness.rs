//! How evenly the server served its connections.

/// Jain's index of what each got: 1 when all got the same, 1/n when one got everything. 1 for nobody and for nothing.
pub(crate) fn jain(shares: &[u64]) -> f64 {
    let sum: f64 = shares.iter().map(|share| *share as f64).sum();
    let squares: f64 = shares.iter().map(|share| (*share as f64).powi(2)).sum();
    if squares == 0.0 { 1.0 } else { sum * sum / (shares.len() as f64 * squares) }
}

/// What the slowest got of what the fastest got: 1 at best, 0 if somebody got nothing.
pub(crate) fn slowest_of_fastest(shares: &[u64]) -> f64 {
    match (shares.iter().min(), shares.iter().max()) {
        (Some(least), Some(most)) if *most > 0 => *least as f64 / *most as f64,
        _ => 1.0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn even_shares_are_one_and_a_single_winner_is_one_nth() {
        assert_eq!(jain(&[7; 1000]), 1.0);
        assert!((jain(&[0, 0, 0, 9]) - 0.25).abs() < 1e-12);
        assert_eq!(jain(&[]), 1.0);
        assert_eq!(jain(&[0, 0]), 1.0);
    }

    #[test]
    fn the_index_is_that_of_the_textbook() {
        // (1 + 2 + 3)² / (3 · (1 + 4 + 9))
        assert!((jain(&[1, 2, 3]) - 36.0 / 42.0).abs() < 1e-12);
    }

    #[test]
    fn whoever_starves_makes_the_slowest_share_zero() {
        assert_eq!(slowest_of_fastest(&[10, 0, 10]), 0.0);
        assert_eq!(slowest_of_fastest(&[5, 10]), 0.5);
        assert_eq!(slowest_of_fastest(&[]), 1.0);
        assert_eq!(slowest_of_fastest(&[0, 0]), 1.0);
    }
}
