//! DescribeTopicPartitions: which partitions one answer names, and where the next goes on (KIP-966; Kafka:
//! `KRaftMetadataCache.describeTopicResponse`).

use std::ops::Range;

/// Partitions that one answer names at most, whatever the client asks for (Kafka: `max.request.partition.size.limit`).
pub const PARTITIONS_MAX: i32 = 2000;

/// Where an answer ended, and the next begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cursor {
    /// The topic.
    pub topic: String,
    /// The first partition not told.
    pub partition: i32,
}

/// One page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page<'a> {
    /// Topics with the partitions to tell; an unknown topic has none.
    pub topics: Vec<(&'a str, Range<i32>)>,
    /// Where the next page begins, if there is one.
    pub next: Option<Cursor>,
}

/// Cuts a page out of topics that are ordered by name, each with its number of partitions, none if it does not exist.
/// Unknown topics take no room. A limit below 1 is 1, else nobody would ever get on.
pub fn page<'a>(topics: impl Iterator<Item = (&'a str, Option<i32>)>, from: Option<&Cursor>, limit: i32) -> Page<'a> {
    let mut left = limit.clamp(1, PARTITIONS_MAX);
    let mut page = Page { topics: Vec::new(), next: None };
    let behind = |topic: &str| from.is_some_and(|from| topic < from.topic.as_str());
    for (topic, count) in topics.skip_while(|(topic, _)| behind(topic)) {
        if left == 0 {
            page.next = Some(Cursor { topic: topic.to_owned(), partition: 0 });
            return page;
        }
        let count = count.unwrap_or(0);
        let first = from.filter(|from| from.topic == topic).map_or(0, |from| from.partition).clamp(0, count);
        let end = count.min(first.saturating_add(left));
        page.topics.push((topic, first..end));
        left -= end - first;
        if end < count {
            page.next = Some(Cursor { topic: topic.to_owned(), partition: end });
            return page;
        }
    }
    page
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOPICS: &[(&str, Option<i32>)] = &[("nix", None), ("ta", Some(3)), ("tb", Some(2)), ("uu", None)];

    type Cut = (Vec<(&'static str, Range<i32>)>, Option<(String, i32)>);

    fn cut(from: Option<(&str, i32)>, limit: i32) -> Cut {
        let from = from.map(|(topic, partition)| Cursor { topic: topic.to_owned(), partition });
        let page = page(TOPICS.iter().copied(), from.as_ref(), limit);
        (page.topics, page.next.map(|next| (next.topic, next.partition)))
    }

    fn next(topic: &str, partition: i32) -> Option<(String, i32)> {
        Some((topic.to_owned(), partition))
    }

    #[test]
    fn a_page_ends_where_the_limit_is_reached() {
        assert_eq!(cut(None, 2000), (vec![("nix", 0..0), ("ta", 0..3), ("tb", 0..2), ("uu", 0..0)], None));
        assert_eq!(cut(None, 4), (vec![("nix", 0..0), ("ta", 0..3), ("tb", 0..1)], next("tb", 1)));
        assert_eq!(cut(None, 3), (vec![("nix", 0..0), ("ta", 0..3)], next("tb", 0)));
        assert_eq!(cut(None, 2), (vec![("nix", 0..0), ("ta", 0..2)], next("ta", 2)));
    }

    #[test]
    fn a_cursor_goes_on_where_the_page_ended() {
        assert_eq!(cut(Some(("ta", 2)), 3), (vec![("ta", 2..3), ("tb", 0..2)], next("uu", 0)));
        assert_eq!(cut(Some(("tb", 0)), 9), (vec![("tb", 0..2), ("uu", 0..0)], None));
        assert_eq!(cut(Some(("uu", 0)), 1), (vec![("uu", 0..0)], None));
    }

    #[test]
    fn a_cursor_of_a_topic_that_is_gone_goes_on_behind_it() {
        assert_eq!(cut(Some(("taa", 7)), 9), (vec![("tb", 0..2), ("uu", 0..0)], None));
        assert_eq!(cut(Some(("zz", 0)), 9), (vec![], None));
    }

    #[test]
    fn a_cursor_beyond_a_topic_s_end_tells_none_of_it() {
        assert_eq!(cut(Some(("ta", 9)), 9), (vec![("ta", 3..3), ("tb", 0..2), ("uu", 0..0)], None));
        assert_eq!(cut(Some(("ta", -9)), 1), (vec![("ta", 0..1)], next("ta", 1)));
    }

    #[test]
    fn a_limit_below_one_is_one_and_a_large_one_is_cut() {
        for limit in [1, 0, -5, i32::MIN] {
            assert_eq!(cut(None, limit), (vec![("nix", 0..0), ("ta", 0..1)], next("ta", 1)));
        }
        let large = [("big", Some(5000))];
        assert_eq!(page(large.into_iter(), None, i32::MAX).topics, vec![("big", 0..2000)]);
    }

    #[test]
    fn following_the_cursor_tells_every_partition_once() {
        for limit in 1..7 {
            let (mut told, mut from) = (Vec::new(), None);
            for _ in 0..20 {
                let page = page(TOPICS.iter().copied(), from.as_ref(), limit);
                told.extend(page.topics.iter().flat_map(|(topic, range)| range.clone().map(move |n| (*topic, n))));
                from = page.next;
                if from.is_none() {
                    break;
                }
            }
            assert_eq!(told, vec![("ta", 0), ("ta", 1), ("ta", 2), ("tb", 0), ("tb", 1)], "limit {limit}");
        }
    }
}
