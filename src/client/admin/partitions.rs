//! What leaders of partitions are asked: offsets, deletion of records, producers; and elections of leaders.

use callboard_model::{BrokerId, LeaderEpoch};
use callboard_wire::ApiKey;
use callboard_wire::messages::{
    DeleteRecordsPartition, DeleteRecordsRequest, DeleteRecordsTopic, DescribeProducersRequest, ElectLeadersRequest,
    ListOffsetsPartition, ListOffsetsRequest, ListOffsetsTopic, Request, Response, describe_producers_request,
    elect_leaders_request,
};
use futures_util::future::join_all;
use tokio::time::Instant;

use super::asking::{Again, Outcomes, by_topic, other_kind, outcome, work_ms};
use super::{Admin, Each};
use crate::{ClientError, Target, TopicPartition};

/// Which offset of a partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum OffsetSpec {
    /// The first one there is.
    Earliest,
    /// The one that the next record gets; with `read_committed` the first of an open transaction.
    Latest,
    /// The first record whose time is this or later, in milliseconds since 1970.
    Timestamp(i64),
    /// The record with the latest time (KIP-734).
    MaxTimestamp,
    /// The first one on the broker's own disks (KIP-405).
    EarliestLocal,
    /// The last one that has been moved to tiered storage (KIP-1005).
    LatestTiered,
}

impl OffsetSpec {
    /// How the wire says it, and the version that can.
    fn to_wire(self) -> (i64, i16) {
        match self {
            Self::Timestamp(millis) => (millis.max(0), 1),
            Self::Latest => (-1, 1),
            Self::Earliest => (-2, 1),
            Self::MaxTimestamp => (-3, 7),
            Self::EarliestLocal => (-4, 8),
            Self::LatestTiered => (-5, 9),
        }
    }
}

/// What a leader says of an offset that was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ListedOffset {
    /// The offset; `None` if no record is so: later than all of them, or nothing in tiered storage.
    pub offset: Option<i64>,
    /// The record's time in milliseconds since 1970, where a record was looked for.
    pub timestamp: Option<i64>,
    /// The epoch of the leader that wrote it, if known.
    pub leader_epoch: LeaderEpoch,
}

/// A producer that a partition remembers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ActiveProducer {
    /// Its id.
    pub producer_id: i64,
    /// Its epoch.
    pub producer_epoch: i32,
    /// The number of its last record.
    pub last_sequence: i32,
    /// The time of its last batch, in milliseconds since 1970.
    pub last_timestamp: i64,
    /// Where its open transaction began, if it has one.
    pub transaction_start: Option<i64>,
}

/// Who may become leader.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ElectionType {
    /// The first replica of the list, if it is in sync.
    Preferred,
    /// Any replica, if none in sync is left; records may be lost.
    Unclean,
}

impl Admin {
    /// Offsets of partitions, as committed readers see them if `read_committed`.
    pub async fn list_offsets(
        &self,
        asked: &[(TopicPartition, OffsetSpec)],
        read_committed: bool,
    ) -> Each<TopicPartition, ListedOffset> {
        let deadline = self.deadline();
        let items = asked.iter().map(|(partition, _)| partition.clone()).collect();
        self.rounds(items, Again::Always, deadline, |open| async move {
            let (led, mut outcomes) = self.by_leader(open, deadline).await;
            let asking = led
                .into_iter()
                .map(|(broker, partitions)| self.list_offsets_at(broker, partitions, asked, read_committed, deadline));
            outcomes.extend(join_all(asking).await.into_iter().flatten());
            outcomes
        })
        .await
    }

    async fn list_offsets_at(
        &self,
        broker: BrokerId,
        partitions: Vec<TopicPartition>,
        asked: &[(TopicPartition, OffsetSpec)],
        read_committed: bool,
        deadline: Instant,
    ) -> Outcomes<TopicPartition, ListedOffset> {
        let key = ApiKey::ListOffsets;
        let spec = |partition: &TopicPartition| {
            asked.iter().find(|(of, _)| of == partition).map_or(OffsetSpec::Latest, |(_, spec)| *spec)
        };
        let needed = partitions.iter().map(|partition| spec(partition).to_wire().1).max().unwrap_or(1);
        let build = |version: i16| {
            let mut request = ListOffsetsRequest::default();
            request.replica_id = -1;
            request.isolation_level = i8::from(read_committed && version >= 2);
            let topics = by_topic(&partitions).into_iter().map(|(name, indexes)| {
                let mut topic = ListOffsetsTopic::default();
                topic.name = (&*name).into();
                let partition = |index: i32| {
                    let mut partition = ListOffsetsPartition::default();
                    partition.partition_index = index;
                    partition.current_leader_epoch = -1;
                    partition.timestamp = spec(&TopicPartition { topic: name.clone(), partition: index }).to_wire().0;
                    partition
                };
                topic.partitions = indexes.into_iter().map(partition).collect();
                topic
            });
            request.topics = topics.collect();
            if version >= 10 {
                request.timeout_ms = work_ms(self.cluster().request_deadline(deadline));
            }
            Request::ListOffsets(request)
        };
        let ask = async {
            let request_deadline = self.cluster().request_deadline(deadline);
            let connection = self.cluster().connection(Target::Broker(broker), request_deadline).await?;
            connection.version_from(key, needed)?;
            self.ask_one(Target::Broker(broker), key, deadline, build).await
        };
        let answer = match ask.await {
            Ok(Response::ListOffsets(answer)) => answer,
            Ok(_) => return Self::all_failed(partitions, &other_kind(key)),
            Err(error) => return Self::all_failed(partitions, &error),
        };
        let outcomes = answer.topics.iter().flat_map(|topic| {
            topic.partitions.iter().map(|one| {
                let place = TopicPartition { topic: topic.name.as_str().into(), partition: one.partition_index };
                let listed = ListedOffset {
                    offset: (one.offset >= 0).then_some(one.offset),
                    timestamp: (one.timestamp >= 0).then_some(one.timestamp),
                    leader_epoch: LeaderEpoch(one.leader_epoch),
                };
                let outcome = outcome(one.error_code, format!("offset of {place}"), None).map(|()| listed);
                (place, outcome)
            })
        });
        outcomes.collect()
    }

    /// Deletes the records before an offset, -1 for all there are. The outcome is the first offset that is left.
    pub async fn delete_records(&self, before: &[(TopicPartition, i64)]) -> Each<TopicPartition, i64> {
        let deadline = self.deadline();
        let items = before.iter().map(|(partition, _)| partition.clone()).collect();
        // Deleting up to the same offset twice is deleting once.
        self.rounds(items, Again::Always, deadline, |open| async move {
            let (led, mut outcomes) = self.by_leader(open, deadline).await;
            let asking = led
                .into_iter()
                .map(|(broker, partitions)| self.delete_records_at(broker, partitions, before, deadline));
            outcomes.extend(join_all(asking).await.into_iter().flatten());
            outcomes
        })
        .await
    }

    async fn delete_records_at(
        &self,
        broker: BrokerId,
        partitions: Vec<TopicPartition>,
        before: &[(TopicPartition, i64)],
        deadline: Instant,
    ) -> Outcomes<TopicPartition, i64> {
        let key = ApiKey::DeleteRecords;
        let build = |_| {
            let mut request = DeleteRecordsRequest::default();
            let topics = by_topic(&partitions).into_iter().map(|(name, indexes)| {
                let mut topic = DeleteRecordsTopic::default();
                topic.name = (&*name).into();
                let partition = |index: i32| {
                    let place = TopicPartition { topic: name.clone(), partition: index };
                    let mut partition = DeleteRecordsPartition::default();
                    partition.partition_index = index;
                    partition.offset = before.iter().find(|(of, _)| *of == place).map_or(0, |(_, offset)| *offset);
                    partition
                };
                topic.partitions = indexes.into_iter().map(partition).collect();
                topic
            });
            request.topics = topics.collect();
            request.timeout_ms = work_ms(self.cluster().request_deadline(deadline));
            Request::DeleteRecords(request)
        };
        let answer = match self.ask_one(Target::Broker(broker), key, deadline, build).await {
            Ok(Response::DeleteRecords(answer)) => answer,
            Ok(_) => return Self::all_failed(partitions, &other_kind(key)),
            Err(error) => return Self::all_failed(partitions, &error),
        };
        let outcomes = answer.topics.iter().flat_map(|topic| {
            topic.partitions.iter().map(|one| {
                let place = TopicPartition { topic: topic.name.as_str().into(), partition: one.partition_index };
                let outcome = outcome(one.error_code, format!("records of {place}"), None);
                (place, outcome.map(|()| one.low_watermark))
            })
        });
        outcomes.collect()
    }

    /// Producers that partitions remember.
    pub async fn describe_producers(&self, partitions: &[TopicPartition]) -> Each<TopicPartition, Vec<ActiveProducer>> {
        let deadline = self.deadline();
        self.rounds(partitions.to_vec(), Again::Always, deadline, |open| async move {
            let (led, mut outcomes) = self.by_leader(open, deadline).await;
            let asking = led.into_iter().map(|(broker, partitions)| self.producers_at(broker, partitions, deadline));
            outcomes.extend(join_all(asking).await.into_iter().flatten());
            outcomes
        })
        .await
    }

    async fn producers_at(
        &self,
        broker: BrokerId,
        partitions: Vec<TopicPartition>,
        deadline: Instant,
    ) -> Outcomes<TopicPartition, Vec<ActiveProducer>> {
        let key = ApiKey::DescribeProducers;
        let build = |_| {
            let mut request = DescribeProducersRequest::default();
            let topics = by_topic(&partitions).into_iter().map(|(name, indexes)| {
                let mut topic = describe_producers_request::TopicRequest::default();
                topic.name = (&*name).into();
                topic.partition_indexes = indexes;
                topic
            });
            request.topics = topics.collect();
            Request::DescribeProducers(request)
        };
        let answer = match self.ask_one(Target::Broker(broker), key, deadline, build).await {
            Ok(Response::DescribeProducers(answer)) => answer,
            Ok(_) => return Self::all_failed(partitions, &other_kind(key)),
            Err(error) => return Self::all_failed(partitions, &error),
        };
        let outcomes = answer.topics.iter().flat_map(|topic| {
            topic.partitions.iter().map(|one| {
                let place = TopicPartition { topic: topic.name.as_str().into(), partition: one.partition_index };
                let about = format!("producers of {place}");
                let producers = one.active_producers.iter().map(|producer| ActiveProducer {
                    producer_id: producer.producer_id,
                    producer_epoch: producer.producer_epoch,
                    last_sequence: producer.last_sequence,
                    last_timestamp: producer.last_timestamp,
                    transaction_start: Some(producer.current_txn_start_offset).filter(|offset| *offset >= 0),
                });
                let outcome = outcome(one.error_code, about, one.error_message.as_deref());
                (place, outcome.map(|()| producers.collect()))
            })
        });
        outcomes.collect()
    }

    /// Elects leaders, of these partitions or of all. A leader that already is who it should be has the outcome
    /// ELECTION_NOT_NEEDED; asked for all, brokers leave those out.
    pub async fn elect_leaders(
        &self,
        election: ElectionType,
        partitions: Option<&[TopicPartition]>,
    ) -> Result<Each<TopicPartition, ()>, ClientError> {
        let deadline = self.deadline();
        let key = ApiKey::ElectLeaders;
        let build = |version: i16| {
            let mut request = ElectLeadersRequest::default();
            if version >= 1 {
                request.election_type = i8::from(election == ElectionType::Unclean);
            }
            request.topic_partitions = partitions.map(|partitions| {
                let topics = by_topic(partitions).into_iter().map(|(name, indexes)| {
                    let mut topic = elect_leaders_request::TopicPartitions::default();
                    topic.topic = (&*name).into();
                    topic.partitions = indexes;
                    topic
                });
                topics.collect()
            });
            request.timeout_ms = work_ms(self.cluster().request_deadline(deadline));
            Request::ElectLeaders(request)
        };
        let Response::ElectLeaders(answer) = self.ask_controller(key, deadline, build).await? else {
            return Err(other_kind(key));
        };
        outcome(answer.error_code, "electing leaders", None)?;
        let outcomes = answer.replica_election_results.iter().flat_map(|topic| {
            topic.partition_result.iter().map(|one| {
                let place = TopicPartition { topic: topic.topic.as_str().into(), partition: one.partition_id };
                let about = format!("leader of {place}");
                (place, outcome(one.error_code, about, one.error_message.as_deref()))
            })
        });
        Ok(Each::new(outcomes.collect()))
    }
}
