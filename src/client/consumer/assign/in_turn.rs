//! Round-robin: all partitions of all topics, dealt to the members in turn; who does not subscribe is passed over.

use super::{Assignments, Members, PartitionCounts, in_member_order, nobody_reads_anything};
use crate::consumer::TopicPartition;

pub(super) fn assign(topics: &PartitionCounts, members: &Members) -> Assignments {
    let mut assignments = nobody_reads_anything(members);
    let order = in_member_order(members.iter());
    let mut turn = 0;
    for (topic, count) in topics {
        for partition in 0..*count {
            while !members[&order[turn]].topics.contains(topic) {
                turn = (turn + 1) % order.len();
            }
            let own = TopicPartition::new(topic.clone(), partition);
            assignments.entry(order[turn].clone()).or_default().push(own);
            turn = (turn + 1) % order.len();
        }
    }
    assignments
}
