//! When reading is done: after so many records, or at an offset in every partition.

use std::collections::BTreeMap;

use callboard_client::TopicPartition;
use callboard_client::consumer::ConsumerRecord;

/// From an offset to before another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Span {
    pub(super) from: i64,
    pub(super) to: i64,
}

/// What is still to come.
#[derive(Debug, Default)]
pub(super) struct Until {
    most: Option<u64>,
    taken: u64,
    /// Partition -> the offset before which it ends. Empty: no end is watched.
    ends: BTreeMap<TopicPartition, i64>,
    open: usize,
    watches: bool,
    /// Other members may read some partitions, so that quiet counts as the end once what comes here is read.
    shared: bool,
    quiet: u32,
}

impl Until {
    pub(super) fn new(most: Option<u64>) -> Self {
        Self { most, ..Self::default() }
    }

    /// One more partition with an end. One that has nothing to read is done at once.
    pub(super) fn watch_end(&mut self, partition: TopicPartition, span: Span) {
        self.watches = true;
        if span.from < span.to {
            self.open += 1;
            self.ends.insert(partition, span.to);
        } else {
            self.ends.insert(partition, i64::MIN);
        }
    }

    pub(super) fn in_group(&mut self) {
        self.shared = true;
    }

    pub(super) fn count(&self) -> u64 {
        self.taken
    }

    /// Whether a record is still wanted; it counts then.
    pub(super) fn takes(&mut self, record: &ConsumerRecord) -> bool {
        self.quiet = 0;
        if self.most.is_some_and(|most| self.taken >= most) {
            return false;
        }
        let partition = TopicPartition::new(record.topic.clone(), record.partition);
        let wanted = match self.ends.get(&partition) {
            Some(end) => record.offset < *end,
            None => true,
        };
        self.reach(&partition, record.offset + 1);
        self.taken += u64::from(wanted);
        wanted
    }

    fn reach(&mut self, partition: &TopicPartition, next: i64) {
        if let Some(end) = self.ends.get_mut(partition)
            && *end != i64::MIN
            && next >= *end
        {
            *end = i64::MIN;
            self.open -= 1;
        }
    }

    /// Where reading stands when nothing comes.
    pub(super) fn note_positions(&mut self, position: impl FnMut(&TopicPartition) -> Option<i64>) {
        let mut position = position;
        let open: Vec<TopicPartition> =
            self.ends.iter().filter(|(_, end)| **end != i64::MIN).map(|(partition, _)| partition.clone()).collect();
        let mut known = 0;
        for partition in open {
            if let Some(next) = position(&partition) {
                known += 1;
                self.reach(&partition, next);
            }
        }
        // None of what is open is read here: others do.
        self.quiet = if known == 0 { self.quiet + 1 } else { 0 };
    }

    pub(super) fn is_reached(&self) -> bool {
        let enough = self.most.is_some_and(|most| self.taken >= most);
        // Twenty quiet looks are five seconds: a rebalance of the group is over by then.
        enough || self.watches && (self.open == 0 || self.shared && self.quiet > 20)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use callboard_client::model::{Timestamp, TimestampType};

    use super::*;

    fn record(partition: i32, offset: i64) -> ConsumerRecord {
        ConsumerRecord {
            topic: Arc::from("t"),
            partition,
            offset,
            leader_epoch: None,
            timestamp: Timestamp(0),
            timestamp_type: TimestampType::CreateTime,
            key: None,
            value: None,
            headers: Vec::new(),
        }
    }

    #[test]
    fn it_ends_after_so_many_records() {
        let mut until = Until::new(Some(2));
        assert!(until.takes(&record(0, 0)) && !until.is_reached());
        assert!(until.takes(&record(0, 1)) && until.is_reached());
        assert!(!until.takes(&record(0, 2)));
    }

    #[test]
    fn it_ends_when_every_partition_has_ended_and_takes_nothing_behind_an_end() {
        let mut until = Until::new(None);
        until.watch_end(TopicPartition::new("t", 0), Span { from: 3, to: 5 });
        until.watch_end(TopicPartition::new("t", 1), Span { from: 0, to: 10 });
        until.watch_end(TopicPartition::new("t", 2), Span { from: 7, to: 7 });
        assert!(until.takes(&record(0, 4)) && !until.takes(&record(0, 5)));
        assert!(!until.is_reached());
        // The last records of partition 1 were compacted away: only the position tells.
        until.note_positions(|partition| (partition.partition == 1).then_some(10));
        assert!(until.is_reached());
        assert_eq!(until.count(), 1);
    }

    #[test]
    fn without_an_end_it_goes_on() {
        let mut until = Until::new(None);
        assert!(until.takes(&record(0, 0)));
        until.note_positions(|_| None);
        assert!(!until.is_reached());
    }
}
