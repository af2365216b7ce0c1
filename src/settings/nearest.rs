//! The right key that a wrong one was most likely meant to be.

use callboard_model::edits;

use crate::{Key, keys};

/// The key nearest to `wrong`, if any is near enough to be worth naming.
///
/// Kafka's own spelling (`num.partitions`) and a key in the wrong section count as near.
pub(crate) fn nearest(wrong: &str) -> Option<&'static Key> {
    let plain = normal(wrong);
    let last = normal(wrong.rsplit('.').next().unwrap_or(wrong));
    let cost = |key: &Key| {
        let full = edits(&plain, &normal(key.name));
        // The right word in the wrong place costs one; Kafka's word nothing.
        let short = edits(&last, &normal(key.short_name())) + 1;
        let kafka = key.kafka.map(normal).filter(|kafka| plain.ends_with(kafka.as_str())).map_or(usize::MAX, |_| 0);
        full.min(short).min(kafka)
    };
    let (least, key) = keys().map(|key| (cost(key), key)).min_by_key(|(cost, _)| *cost)?;
    (least <= (last.len() / 3).max(2)).then_some(key)
}

/// The nearest of a few words.
pub(crate) fn nearest_word<'a>(wrong: &str, words: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let (least, word) = words.map(|word| (edits(wrong, word), word)).min_by_key(|(cost, _)| *cost)?;
    (least <= (wrong.len() / 3).max(2)).then_some(word)
}

fn normal(name: &str) -> String {
    name.to_lowercase().replace(['.', '-'], "_")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_kafka_s_name_and_a_wrong_section_lead_to_the_right_key() {
        let name = |wrong| nearest(wrong).map(|key| key.name);
        assert_eq!(name("kafka.num_partition"), Some("kafka.num_partitions"));
        assert_eq!(name("num.partitions"), Some("kafka.num_partitions"));
        assert_eq!(name("storage.max_connections"), Some("kafka.max_connections"));
        assert_eq!(name("log.dirs"), Some("storage.data_dir"));
        assert_eq!(name("kafka.quite_another_thing"), None);
    }
}
