//! The right name that a wrong one was most likely meant to be.

/// The nearest of a few names, if any is near enough to be worth naming.
pub(super) fn nearest(wrong: &str, names: impl Iterator<Item = &'static str>) -> Option<&'static str> {
    let plain = wrong.to_lowercase().replace(['_', '-'], ".");
    let (least, name) = names.map(|name| (edits(&plain, name), name)).min_by_key(|(cost, _)| *cost)?;
    (least <= (wrong.len() / 3).clamp(2, 5)).then_some(name)
}

/// How many letters must be put in, taken out, replaced or swapped with their neighbour (Damerau, restricted).
fn edits(from: &str, to: &str) -> usize {
    let (from, to): (Vec<char>, Vec<char>) = (from.chars().take(128).collect(), to.chars().collect());
    let mut older: Vec<usize> = Vec::new();
    let mut above: Vec<usize> = (0..=to.len()).collect();
    for (row, letter) in from.iter().enumerate() {
        let mut line = vec![row + 1];
        for (column, other) in to.iter().enumerate() {
            let replaced = above[column] + usize::from(letter != other);
            let mut least = replaced.min(above[column + 1] + 1).min(line[column] + 1);
            if row > 0 && column > 0 && *letter == to[column - 1] && from[row - 1] == *other {
                least = least.min(older[column - 1] + 1);
            }
            line.push(least);
        }
        older = std::mem::replace(&mut above, line);
    }
    above[to.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn single_slips_cost_one() {
        for (from, to, cost) in
            [("linger", "linger", 0), ("lniger", "linger", 1), ("linge", "linger", 1), ("", "abc", 3)]
        {
            assert_eq!(edits(from, to), cost, "{from} {to}");
        }
    }
}
