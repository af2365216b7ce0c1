//! The right word that a wrong one was most likely meant to be.

use callboard_client::model::edits;

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
