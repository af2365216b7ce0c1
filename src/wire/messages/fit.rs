//! Drops from an answer what its version cannot say.
//!
//! The codec refuses a set field that the version lacks unless Kafka's schema calls it ignorable; a handler fills in all it
//! knows and should not care. The test over every (API, version) with a filled answer finds a rule that is missing here.

use super::*;

/// An answer that can be cut down to a version.
pub(super) trait Fit {
    fn fit(&mut self, version: i16);
}

macro_rules! nothing_to_drop {
    ($($response:ident),* $(,)?) => {
        $(impl Fit for $response {
            fn fit(&mut self, _: i16) {}
        })*
    };
}

mod groups;

nothing_to_drop!(
    CreateTopicsResponse,
    DeleteRecordsResponse,
    OffsetForLeaderEpochResponse,
    DescribeConfigsResponse,
    AlterConfigsResponse,
    CreatePartitionsResponse,
    IncrementalAlterConfigsResponse,
    DescribeAclsResponse,
    CreateAclsResponse,
    DeleteAclsResponse,
    AlterReplicaLogDirsResponse,
    DescribeLogDirsResponse,
    ListPartitionReassignmentsResponse,
    DescribeClientQuotasResponse,
    AlterClientQuotasResponse,
    DescribeUserScramCredentialsResponse,
    DescribeProducersResponse,
    ListConfigResourcesResponse,
    DescribeTopicPartitionsResponse,
);

/// "Not asked for", in fields of authorized operations.
const NO_OPERATIONS: i32 = i32::MIN;

impl Fit for ListOffsetsResponse {
    fn fit(&mut self, version: i16) {
        if version < 4 {
            for partition in self.topics.iter_mut().flat_map(|topic| &mut topic.partitions) {
                partition.leader_epoch = -1;
            }
        }
    }
}

impl Fit for MetadataResponse {
    fn fit(&mut self, version: i16) {
        if !(8..=10).contains(&version) {
            self.cluster_authorized_operations = NO_OPERATIONS;
        }
        for topic in &mut self.topics {
            if version < 8 {
                topic.topic_authorized_operations = NO_OPERATIONS;
            }
            if version < 12 {
                topic.name.get_or_insert_default();
            }
        }
    }
}

impl Fit for ApiVersionsResponse {
    fn fit(&mut self, version: i16) {
        if version < 4 {
            // Older clients take a lowest level of 0 for a fault (KAFKA-17011).
            self.supported_features.retain(|feature| feature.min_version > 0);
        }
    }
}

impl Fit for DeleteTopicsResponse {
    fn fit(&mut self, version: i16) {
        if version < 6 {
            for topic in &mut self.responses {
                topic.name.get_or_insert_default();
            }
        }
    }
}

impl Fit for InitProducerIdResponse {
    fn fit(&mut self, version: i16) {
        if version < 6 {
            self.ongoing_txn_producer_id = -1;
            self.ongoing_txn_producer_epoch = -1;
        }
    }
}

impl Fit for ElectLeadersResponse {
    fn fit(&mut self, version: i16) {
        if version < 1 {
            self.error_code = 0;
        }
    }
}

impl Fit for AlterPartitionReassignmentsResponse {
    fn fit(&mut self, version: i16) {
        if version < 1 {
            self.allow_replication_factor_change = true;
        }
    }
}

impl Fit for DescribeQuorumResponse {
    fn fit(&mut self, version: i16) {
        if version < 2 {
            self.nodes.clear();
            for partition in self.topics.iter_mut().flat_map(|topic| &mut topic.partitions) {
                for replica in partition.current_voters.iter_mut().chain(&mut partition.observers) {
                    replica.replica_directory_id = Uuid::ZERO;
                }
            }
        }
    }
}

impl Fit for DescribeClusterResponse {
    fn fit(&mut self, version: i16) {
        if version < 1 {
            self.endpoint_type = 1;
        }
        if version < 2 {
            for broker in &mut self.brokers {
                broker.is_fenced = false;
            }
        }
    }
}
