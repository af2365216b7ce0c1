//! An image as the fewest records that rebuild it, so that the log before it can go.

use bytes::{BufMut, Bytes, BytesMut};
use callboard_model::ProducerId;

use super::{Image, SnapshotError};
use crate::Delta;
use crate::record::{Record, decode_all, encode_all};

impl Image {
    /// The records that rebuild this image, brokers first, then configs, then each topic with all that is its.
    pub fn to_records(&self) -> Vec<Record> {
        let mut records = Vec::new();
        records.extend(self.brokers().map(|broker| Record::RegisterBroker {
            broker: broker.id,
            incarnation: broker.incarnation,
            epoch: broker.epoch,
            endpoints: broker.endpoints.clone(),
            rack: broker.rack.clone(),
            fenced: broker.fenced,
        }));
        for (broker, configs) in self.broker_configs.iter() {
            records.extend(configs.iter().map(|(key, value)| Record::BrokerConfig {
                broker: *broker,
                key: key.clone(),
                value: Some(value.clone()),
            }));
        }
        if self.next_producer_id != ProducerId(0) {
            records.push(Record::ProducerIds { next: self.next_producer_id });
        }
        for topic in self.topics() {
            records.push(Record::Topic { id: topic.id, name: topic.name.clone() });
            records.extend(topic.configs().iter().map(|(key, value)| Record::TopicConfig {
                topic: topic.id,
                key: key.clone(),
                value: Some(value.clone()),
            }));
            records.extend(topic.partitions().map(|(partition, image)| Record::Partition {
                topic: topic.id,
                partition,
                replicas: image.replicas.to_vec(),
                isr: image.isr.to_vec(),
                leader: image.leader,
                leader_epoch: image.leader_epoch,
                partition_epoch: image.partition_epoch,
            }));
        }
        records
    }

    /// The image that `records` of [`Self::to_records`] stand for, as of the index `applied`.
    pub fn from_records(applied: u64, records: &[Record]) -> Result<Self, super::ApplyError> {
        let mut image = Self::default();
        let mut delta = Delta::default();
        for record in records {
            image.replay(record, &mut delta)?;
        }
        image.applied = applied;
        Ok(image)
    }

    /// The snapshot's bytes: the applied index, then the records.
    pub fn to_bytes(&self) -> Bytes {
        let mut bytes = BytesMut::new();
        bytes.put_u64(self.applied);
        bytes.extend_from_slice(&encode_all(&self.to_records()));
        bytes.freeze()
    }

    /// Reads a snapshot's bytes.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, SnapshotError> {
        let (applied, records) = bytes.split_first_chunk::<8>().ok_or(SnapshotError::Short { given: bytes.len() })?;
        Ok(Self::from_records(u64::from_be_bytes(*applied), &decode_all(records)?)?)
    }
}
