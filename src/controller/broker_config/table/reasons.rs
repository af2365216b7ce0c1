//! Why configs are refused: each says what is not done, and where there is one, what to do instead.

pub(super) const CHECKPOINTS: &str =
    "such points lie in the journal and are written with the records themselves, not from time to time";
pub(super) const CONNECTIONS: &str =
    "connections are bounded by their number alone: set max.connections, or kafka.max_connections";
pub(super) const COORDINATORS: &str = "coordinators write each change at once and size their buffers by themselves";
pub(super) const INTERNAL: &str = "it is for the tests of Apache Kafka itself";
pub(super) const METRICS: &str = "metrics are read from the admin port, /metrics at admin.listen; nothing samples them";
pub(super) const NO_CLASSES: &str = "no Java class can be loaded here";
pub(super) const NO_NEW_GROUPS: &str =
    "the consumer group protocol of KIP-848 is not served yet; for classic groups see [groups] in the settings";
pub(super) const NO_PURGATORY: &str =
    "a request that waits is cleared away when it is answered, not after a number of others";
pub(super) const NO_QUOTAS: &str = "there are no quotas yet";
pub(super) const NO_SECURITY: &str = "there is no authentication and no TLS yet; the listener speaks PLAINTEXT";
pub(super) const NO_SHARE_GROUPS: &str = "share groups are not served";
pub(super) const NO_STREAMS_GROUPS: &str = "streams groups are not served; Kafka Streams uses the classic protocol";
pub(super) const NO_TELEMETRY: &str = "clients are not asked for their metrics";
pub(super) const NO_TIERS: &str = "there is no tiered storage; all data stays on the node";
pub(super) const NO_TRANSACTIONS: &str = "transactions are not served yet";
pub(super) const ONE_CLEANER: &str =
    "one log is compacted at a time, a megabyte at a time; log.cleaner.io.max.bytes.per.second bounds its rate";
pub(super) const ONE_FOLDER: &str = "a node keeps all of its data in one folder: storage.data_dir";
pub(super) const ONE_LISTENER: &str = "a node has one listener for clients, and it speaks PLAINTEXT: kafka.listen";
pub(super) const ONE_NODE: &str =
    "a cluster has one node in this release, which is broker and controller in one process";
pub(super) const ONE_REPLICA: &str = "every partition has one replica in this release, so nothing is copied or moved";
pub(super) const PAGES: &str = "the size of one page is fixed, and a client that wants more asks for the next";
pub(super) const PROTOCOLS: &str = "the classic protocol is served, and what a client may use is in ApiVersions";
pub(super) const QUEUE: &str = "waiting requests are bounded by their bytes: set kafka.in_flight_max_bytes";
pub(super) const RETENTION: &str = "what is beyond its retention is looked for whenever the journal closes a slice";
pub(super) const SNAPSHOTS: &str =
    "metadata snapshots are written after a number of changes, and the log before them goes";
pub(super) const SYSTEM_SOCKETS: &str = "the operating system sizes the queues and buffers of sockets";
pub(super) const THREADS: &str = "threads are not set by kind of work: set runtime.data_arbiters";
