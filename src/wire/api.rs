//! Which APIs and versions are served: the one table that everything else asks.
//!
//! Lower bounds are Apache Kafka 4's (KIP-896). Every range must keep containing the exact versions by which librdkafka
//! up to 2.11.0 recognises features: Produce 0, 3, 7; Fetch 4, 10; ListOffsets 1; InitProducerId 0; ApiVersions 0;
//! OffsetCommit 2; OffsetFetch 1; 0 of FindCoordinator, JoinGroup, SyncGroup, Heartbeat and LeaveGroup (kafka-go's
//! low-level client has the same numbers built in). Upper bounds stop below what is not built: Produce 12 needs the
//! second transaction protocol, OffsetCommit and OffsetFetch 9 the consumer group protocol of KIP-848. Fetch 18 says to a
//! leader what its follower's high watermark is, which no client does.

use std::ops::RangeInclusive;

use callboard_model::limits::CONTROL_REQUEST_MAX;

macro_rules! api_keys {
    ($($(#[$doc:meta])* $name:ident = $key:literal;)*) => {
        /// An API that is served.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(i16)]
        pub enum ApiKey {
            $($(#[$doc])* $name = $key,)*
        }

        impl ApiKey {
            /// All of them, by number.
            pub const ALL: &'static [Self] = &[$(Self::$name),*];

            /// The API of a number, if it is served.
            pub fn from_code(key: i16) -> Option<Self> {
                match key {
                    $($key => Some(Self::$name),)*
                    _ => None,
                }
            }

            /// Kafka's name.
            pub fn name(self) -> &'static str {
                match self {
                    $(Self::$name => stringify!($name),)*
                }
            }
        }
    };
}

api_keys! {
    /// Appends batches.
    Produce = 0;
    /// Reads batches.
    Fetch = 1;
    /// Offsets by time.
    ListOffsets = 2;
    /// Brokers, topics, leaders.
    Metadata = 3;
    /// Remembers how far a group has read.
    OffsetCommit = 8;
    /// How far a group has read.
    OffsetFetch = 9;
    /// Who coordinates a group.
    FindCoordinator = 10;
    /// Makes a client a member of a group.
    JoinGroup = 11;
    /// Keeps a member in its group.
    Heartbeat = 12;
    /// Takes members out of their group.
    LeaveGroup = 13;
    /// Hands out what each member reads.
    SyncGroup = 14;
    /// Groups with their members.
    DescribeGroups = 15;
    /// Groups by name.
    ListGroups = 16;
    /// This table.
    ApiVersions = 18;
    /// Creates topics.
    CreateTopics = 19;
    /// Deletes topics.
    DeleteTopics = 20;
    /// Moves the start of logs up.
    DeleteRecords = 21;
    /// An id for an idempotent producer.
    InitProducerId = 22;
    /// Where an epoch ended.
    OffsetForLeaderEpoch = 23;
    /// Access rules.
    DescribeAcls = 29;
    /// Adds access rules.
    CreateAcls = 30;
    /// Removes access rules.
    DeleteAcls = 31;
    /// Configs with their sources.
    DescribeConfigs = 32;
    /// Replaces all configs of a resource.
    AlterConfigs = 33;
    /// Moves replicas between directories of a broker.
    AlterReplicaLogDirs = 34;
    /// What is on the disks.
    DescribeLogDirs = 35;
    /// Adds partitions to topics.
    CreatePartitions = 37;
    /// Deletes groups that have no members.
    DeleteGroups = 42;
    /// Makes preferred replicas lead.
    ElectLeaders = 43;
    /// Changes single configs.
    IncrementalAlterConfigs = 44;
    /// Moves replicas between brokers.
    AlterPartitionReassignments = 45;
    /// Replicas that are being moved.
    ListPartitionReassignments = 46;
    /// Forgets how far a group has read in some topics.
    OffsetDelete = 47;
    /// Quotas of users and clients.
    DescribeClientQuotas = 48;
    /// Changes quotas.
    AlterClientQuotas = 49;
    /// Users that log in with SCRAM.
    DescribeUserScramCredentials = 50;
    /// The metadata quorum.
    DescribeQuorum = 55;
    /// Brokers without topics.
    DescribeCluster = 60;
    /// Producers that a partition remembers.
    DescribeProducers = 61;
    /// Who can have configs.
    ListConfigResources = 74;
    /// Topics, page by page.
    DescribeTopicPartitions = 75;
}

struct Spec {
    /// What ApiVersions says.
    advertised: (i16, i16),
    /// The first version that is not refused in spite of being advertised.
    served_from: i16,
    /// The first version with compact lengths and tagged fields.
    flexible_from: i16,
}

/// For an API without a flexible version.
const NEVER: i16 = i16::MAX;

const fn spec(min: i16, max: i16, flexible_from: i16) -> Spec {
    Spec { advertised: (min, max), served_from: min, flexible_from }
}

impl ApiKey {
    const fn spec(self) -> Spec {
        match self {
            // 0-2 carry the old message formats and are refused. They are listed because librdkafka before 2.11.1 stops
            // compressing if the range does not start at 0 (KAFKA-18659).
            Self::Produce => Spec { advertised: (0, 11), served_from: 3, flexible_from: 9 },
            Self::Fetch => spec(4, 17, 12),
            Self::ListOffsets => spec(1, 11, 6),
            Self::Metadata => spec(0, 13, 9),
            Self::OffsetCommit => spec(2, 8, 8),
            Self::OffsetFetch => spec(1, 8, 6),
            Self::FindCoordinator => spec(0, 4, 3),
            Self::JoinGroup => spec(0, 9, 6),
            Self::Heartbeat => spec(0, 4, 4),
            Self::LeaveGroup => spec(0, 5, 4),
            Self::SyncGroup => spec(0, 5, 4),
            Self::DescribeGroups => spec(0, 6, 5),
            Self::ListGroups => spec(0, 5, 3),
            Self::ApiVersions => spec(0, 4, 3),
            Self::CreateTopics => spec(2, 7, 5),
            Self::DeleteTopics => spec(1, 6, 4),
            Self::DeleteRecords => spec(0, 2, 2),
            Self::InitProducerId => spec(0, 4, 2),
            Self::OffsetForLeaderEpoch => spec(2, 4, 4),
            Self::DescribeAcls => spec(1, 3, 2),
            Self::CreateAcls => spec(1, 3, 2),
            Self::DeleteAcls => spec(1, 3, 2),
            Self::DescribeConfigs => spec(1, 4, 4),
            Self::AlterConfigs => spec(0, 2, 2),
            Self::AlterReplicaLogDirs => spec(1, 2, 2),
            Self::DescribeLogDirs => spec(1, 5, 2),
            Self::CreatePartitions => spec(0, 3, 2),
            Self::DeleteGroups => spec(0, 2, 2),
            Self::ElectLeaders => spec(0, 2, 2),
            Self::IncrementalAlterConfigs => spec(0, 1, 1),
            Self::AlterPartitionReassignments => spec(0, 1, 0),
            Self::ListPartitionReassignments => spec(0, 0, 0),
            Self::OffsetDelete => spec(0, 0, NEVER),
            Self::DescribeClientQuotas => spec(0, 1, 1),
            Self::AlterClientQuotas => spec(0, 1, 1),
            Self::DescribeUserScramCredentials => spec(0, 0, 0),
            Self::DescribeQuorum => spec(0, 2, 0),
            Self::DescribeCluster => spec(0, 2, 0),
            Self::DescribeProducers => spec(0, 0, 0),
            Self::ListConfigResources => spec(0, 1, 0),
            Self::DescribeTopicPartitions => spec(0, 0, 0),
        }
    }

    /// The number on the wire.
    pub fn code(self) -> i16 {
        self as i16
    }

    /// Whether a version has compact lengths and tagged fields (KIP-482).
    pub fn is_flexible(self, version: i16) -> bool {
        version >= self.spec().flexible_from
    }

    /// Version of the header before a request: 1, or 2 with tagged fields.
    pub fn request_header_version(self, version: i16) -> i16 {
        if self.is_flexible(version) { 2 } else { 1 }
    }

    /// Version of the header before a response: 0, or 1 with tagged fields. That of ApiVersions is always 0, since the
    /// client does not know yet what the broker speaks (KIP-511).
    pub fn response_header_version(self, version: i16) -> i16 {
        i16::from(self != Self::ApiVersions && self.is_flexible(version))
    }

    /// Bytes that a request's body may have after its header.
    pub fn body_max(self) -> usize {
        match self {
            Self::Produce => usize::MAX, // the frame limit bounds it
            _ => CONTROL_REQUEST_MAX,
        }
    }
}

/// Versions that ApiVersions lists.
pub fn range(key: ApiKey) -> RangeInclusive<i16> {
    let (min, max) = key.spec().advertised;
    min..=max
}

/// Versions that are answered: those of [`range`] less Produce 0-2.
pub fn served_range(key: ApiKey) -> RangeInclusive<i16> {
    let spec = key.spec();
    spec.served_from..=spec.advertised.1
}

/// Whether a request of this version is answered. One that is not closes the connection, ApiVersions excepted.
pub fn served(key: ApiKey, version: i16) -> bool {
    served_range(key).contains(&version)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_api_is_found_by_its_number_and_they_rise() {
        for key in ApiKey::ALL {
            assert_eq!(ApiKey::from_code(key.code()), Some(*key));
        }
        assert!(ApiKey::ALL.windows(2).all(|pair| pair[0].code() < pair[1].code()));
        assert_eq!(ApiKey::from_code(-1), None);
        assert_eq!(ApiKey::from_code(4), None);
    }

    #[test]
    fn the_exact_versions_that_old_librdkafka_asks_for_are_listed() {
        let wanted = [
            (ApiKey::Produce, &[0, 3, 7][..]),
            (ApiKey::Fetch, &[4, 10]),
            (ApiKey::ListOffsets, &[1]),
            (ApiKey::OffsetCommit, &[2]),
            (ApiKey::OffsetFetch, &[1]),
            (ApiKey::FindCoordinator, &[0]),
            (ApiKey::JoinGroup, &[0]),
            (ApiKey::Heartbeat, &[0]),
            (ApiKey::LeaveGroup, &[0]),
            (ApiKey::SyncGroup, &[0]),
            (ApiKey::InitProducerId, &[0]),
            (ApiKey::ApiVersions, &[0]),
        ];
        for (key, versions) in wanted {
            for version in versions {
                assert!(range(key).contains(version), "{} {version}", key.name());
            }
        }
    }

    #[test]
    fn old_message_formats_are_listed_but_refused() {
        for version in 0..3 {
            assert!(range(ApiKey::Produce).contains(&version));
            assert!(!served(ApiKey::Produce, version));
        }
        assert!(served(ApiKey::Produce, 3));
        assert!(!served(ApiKey::Produce, 12));
    }

    #[test]
    fn the_response_header_of_api_versions_never_has_tags() {
        assert_eq!(ApiKey::ApiVersions.response_header_version(4), 0);
        assert_eq!(ApiKey::ApiVersions.request_header_version(3), 2);
        assert_eq!(ApiKey::Metadata.response_header_version(9), 1);
        assert_eq!(ApiKey::Metadata.response_header_version(8), 0);
    }
}
