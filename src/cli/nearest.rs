//! The right word that a wrong one was most likely meant to be.

/// The nearest of a few words, if any is near enough to be worth naming. Capitals, `-`, `_` and `.` count for nothing.
pub(crate) fn nearest<'a>(wrong: &str, words: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let plain = normal(wrong);
    let near = |word: &str| {
        let word = normal(word);
        // A word begun or shortened is near, even if much is missing.
        let part = plain.len() >= 3 && (word.starts_with(&plain) || plain.starts_with(&word) && word.len() >= 3);
        edits(&plain, &word).min(if part { 2 } else { usize::MAX })
    };
    let (least, word) = words.into_iter().map(|word| (near(word), word)).min_by_key(|(cost, _)| *cost)?;
    (least <= (wrong.chars().count() / 3).max(1).max(usize::from(wrong.len() > 2) * 2)).then_some(word)
}

fn normal(name: &str) -> String {
    name.to_lowercase().replace(['-', '.'], "_")
}

/// How many letters must be put in, taken out, replaced or swapped with their neighbour (Damerau, restricted).
fn edits(from: &str, to: &str) -> usize {
    let (from, to): (Vec<char>, Vec<char>) = (from.chars().collect(), to.chars().collect());
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
    fn a_slip_leads_to_the_right_word_and_another_word_to_none() {
        let names = ["orders", "payments", "receipts"];
        assert_eq!(nearest("ordres", names), Some("orders"));
        assert_eq!(nearest("Orders", names), Some("orders"));
        assert_eq!(nearest("pay", names), Some("payments"));
        assert_eq!(nearest("shipments-eu", names), None);
        assert_eq!(nearest("orders", []), None);
    }
}
