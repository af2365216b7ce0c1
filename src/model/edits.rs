//! How far two names are from each other, for messages that name what was most likely meant.

/// Characters of the first name that are looked at; the cost is the product of both lengths.
const LOOKED_AT: usize = 128;

/// How many letters must be put in, taken out, replaced or swapped with their neighbour to come from one name to the
/// other (Damerau's distance, restricted to one edit per letter). Of a name from outside no more than 128 characters count.
pub fn edits(from: &str, to: &str) -> usize {
    let (from, to): (Vec<char>, Vec<char>) = (from.chars().take(LOOKED_AT).collect(), to.chars().collect());
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
        let cases = [
            ("linger", "linger", 0),
            ("lniger", "linger", 1),
            ("linge", "linger", 1),
            ("lingers", "linger", 1),
            ("", "abc", 3),
            ("abc", "", 3),
        ];
        for (from, to, cost) in cases {
            assert_eq!(edits(from, to), cost, "{from} {to}");
        }
    }
}
