//! Adding partitions to topics, and checking replicas that somebody chose by hand.

use callboard_model::{BrokerId, ErrorCode, PartitionIndex};

use super::topics::{check_count, unknown_topic};
use super::{ApiError, Controller, Intent, Outcome, occurrences};
use crate::Image;
use crate::placement::Placer;
use crate::record::Record;

/// Who keeps one partition of a new topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReplicaAssignment {
    /// The partition's number.
    pub partition: PartitionIndex,
    /// Its replicas; the first is preferred to lead.
    pub brokers: Vec<BrokerId>,
}

/// A topic that somebody wants to have more partitions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CreatePartitions {
    /// The topic's name.
    pub name: String,
    /// How many it is to have in all.
    pub count: i32,
    /// The replicas of each new one; none lets the controller choose.
    pub assignments: Option<Vec<Vec<BrokerId>>>,
}

impl Controller {
    /// Adds partitions. One result per request, in order.
    pub fn create_partitions(
        &self,
        requests: &[CreatePartitions],
        intent: Intent,
    ) -> Outcome<Vec<Result<(), ApiError>>> {
        let counts = occurrences(requests.iter().map(|request| &request.name));
        let mut records = Vec::new();
        let mut reply = Vec::with_capacity(requests.len());
        let mut taken = 0;
        for request in requests {
            reply.push(if counts[&request.name] > 1 {
                Err(ApiError::new(ErrorCode::InvalidRequest, "Duplicate topic name."))
            } else {
                self.grow_topic(request, &mut taken, &mut records)
            });
        }
        intent.outcome(records, reply)
    }

    fn grow_topic(
        &self,
        request: &CreatePartitions,
        taken: &mut i64,
        records: &mut Vec<Record>,
    ) -> Result<(), ApiError> {
        let topic = self.image.topic(&request.name).ok_or_else(unknown_topic)?;
        let (has, wants) = (topic.partition_count(), request.count);
        if wants <= has {
            let message = if wants == has {
                format!("Topic already has {has} partition(s).")
            } else {
                let name = &request.name;
                format!("The topic {name} currently has {has} partition(s); {wants} would not be an increase.")
            };
            return Err(ApiError::new(ErrorCode::InvalidPartitions, message));
        }
        let more = wants - has;
        check_count(*taken, i64::from(more))?;
        let replicas: Vec<Vec<BrokerId>> = match &request.assignments {
            Some(assignments) if assignments.len() as i64 != i64::from(more) => {
                let given = assignments.len();
                let message = format!(
                    "Attempted to add {more} additional partition(s), but only {given} assignment(s) were specified."
                );
                return Err(ApiError::new(ErrorCode::InvalidReplicaAssignment, message));
            }
            Some(assignments) => {
                for (number, brokers) in (has..).zip(assignments) {
                    check_brokers(&self.image, PartitionIndex(number), brokers, Some(topic.replication_factor()))?;
                }
                assignments.clone()
            }
            None => {
                let factor = i16::try_from(topic.replication_factor()).unwrap_or(i16::MAX);
                let placer = Placer::new(self.image.brokers().map(|broker| &**broker), factor, topic.id)?;
                (has..wants).map(|partition| placer.place(partition)).collect()
            }
        };
        *taken += i64::from(more);
        records.extend((has..).zip(replicas).map(|(number, replicas)| self.new_partition(topic.id, number, replicas)));
        Ok(())
    }
}

/// Checks replicas that somebody chose: known, each once, as many as the partitions before have, one of them live.
pub(super) fn check_brokers(
    image: &Image,
    partition: PartitionIndex,
    brokers: &[BrokerId],
    factor: Option<usize>,
) -> Result<(), ApiError> {
    let wrong = |message: String| Err(ApiError::new(ErrorCode::InvalidReplicaAssignment, message));
    if brokers.is_empty() {
        return wrong("The manual partition assignment includes an empty replica list.".to_owned());
    }
    let mut sorted = brokers.to_vec();
    sorted.sort_unstable();
    if let Some(id) = sorted.iter().find(|id| image.broker(**id).is_none()) {
        return wrong(format!(
            "The manual partition assignment includes broker {id}, but no such broker is registered."
        ));
    }
    if let Some(pair) = sorted.windows(2).find(|pair| pair[0] == pair[1]) {
        let id = pair[0];
        return wrong(format!("The manual partition assignment includes the broker {id} more than once."));
    }
    if let Some(factor) = factor
        && factor != brokers.len()
    {
        return wrong(format!(
            "The manual partition assignment includes a partition with {} replica(s), but this is not consistent with \
             previous partitions, which have {factor} replica(s).",
            brokers.len()
        ));
    }
    if brokers.iter().all(|id| image.broker(*id).is_some_and(|broker| broker.fenced)) {
        return wrong(format!(
            "All brokers specified in the manual partition assignment for partition {partition} are fenced."
        ));
    }
    Ok(())
}
