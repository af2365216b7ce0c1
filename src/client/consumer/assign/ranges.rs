//! Range: each topic by itself, contiguous, the first members get one more.
//!
//! Members stand in the same order for every topic, so equally sized topics with the same members are co-partitioned.

use super::{Assignments, Members, PartitionCounts, in_member_order, nobody_reads_anything};
use crate::consumer::TopicPartition;

pub(super) fn assign(topics: &PartitionCounts, members: &Members) -> Assignments {
    let mut assignments = nobody_reads_anything(members);
    for (topic, count) in topics {
        let readers = in_member_order(members.iter().filter(|(_, member)| member.topics.contains(topic)));
        let Some(share) = count.checked_div(readers.len() as i32) else {
            continue;
        };
        let with_one_more = count % readers.len() as i32;
        let mut next = 0;
        for (at, reader) in readers.iter().enumerate() {
            let end = next + share + i32::from((at as i32) < with_one_more);
            let own = (next..end).map(|partition| TopicPartition::new(topic.clone(), partition));
            assignments.entry(reader.clone()).or_default().extend(own);
            next = end;
        }
    }
    assignments
}
