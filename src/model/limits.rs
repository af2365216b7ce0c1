//! Every compiled-in bound, with its unit and its reason. What an operator may change lives in the settings.

/// Characters in a topic name. Kafka's own bound: 255 of a file name, less `-` and five digits of a partition.
pub const TOPIC_NAME_LEN_MAX: usize = 249;

/// Batches remembered per producer for recognising a repeat; clients keep at most five in flight (KIP-98).
pub const PRODUCER_BATCHES_MAX: usize = 5;

/// Bytes reserved for a frame before any of it has arrived; beyond that the buffer grows as bytes come in. The largest
/// request of clients with their defaults, 1 MB and its head, is received without being moved.
pub const FRAME_RESERVE_MAX: usize = 1024 * 1024 + 64 * 1024;

/// Bytes that one batch may expand to when records are looked at (time lookup in compressed batches).
pub const DECOMPRESSED_BATCH_MAX: usize = 64 * 1024 * 1024;

/// Partitions that one CreateTopics or CreatePartitions request may ask for in all. Kafka: `max.partitions.per.request`-like guard.
pub const PARTITIONS_PER_REQUEST_MAX: i32 = 100_000;

/// Bytes that the body of a request other than Produce may have: 100,000 topics of 40 letters. Decoded values are larger than
/// their bytes, up to 40 times in arrays of empty names, so this bounds what one request costs.
pub const CONTROL_REQUEST_MAX: usize = 4 * 1024 * 1024;

/// Elements that one array of a request other than Produce and Fetch may have.
pub const CONTROL_ARRAY_MAX: usize = 100_000;

/// Elements that all arrays of one Produce or Fetch request may have together. A frame may have 100 MiB and an element three
/// bytes, so without it one hostile frame would cost gigabytes.
pub const HOT_ELEMENTS_MAX: usize = 200_000;
