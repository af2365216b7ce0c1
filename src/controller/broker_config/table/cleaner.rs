//! Compaction of logs.

use super::reasons::ONE_CLEANER;
use super::row::{ANY, NATURAL, NO_BOUND, POSITIVE, cluster_wide, fixed};
use crate::broker_config::BrokerConfig;
use crate::config_value::ConfigType::{Boolean, Double, Int, Long};
use crate::config_value::Valid;

pub(super) const ROWS: &[BrokerConfig] = &[
    cluster_wide("log.cleaner.backoff.ms", Long, Some("15000"), NATURAL)
        .doc("The pause when there is nothing to compact."),
    cluster_wide("log.cleaner.dedupe.buffer.size", Long, Some("134217728"), ANY)
        .doc("Memory for the keys of one compaction; with more of them it covers the older part of the log."),
    cluster_wide("log.cleaner.delete.retention.ms", Long, Some("86400000"), NATURAL)
        .doc("The default of the topic config delete.retention.ms."),
    fixed("log.cleaner.enable", Boolean, Some("true"), ANY).doc("Whether logs are compacted."),
    cluster_wide("log.cleaner.io.buffer.load.factor", Double, Some("0.9"), ANY)
        .refused(ONE_CLEANER)
        .doc("How full the memory for keys may get."),
    cluster_wide("log.cleaner.io.buffer.size", Int, Some("524288"), NATURAL)
        .refused(ONE_CLEANER)
        .doc("Memory for reading and writing while compacting."),
    cluster_wide("log.cleaner.io.max.bytes.per.second", Double, Some("1.7976931348623157E308"), ANY)
        .doc("How many bytes a second compaction may read and write."),
    cluster_wide("log.cleaner.max.compaction.lag.ms", Long, Some(NO_BOUND), POSITIVE)
        .doc("The default of the topic config max.compaction.lag.ms."),
    cluster_wide("log.cleaner.min.cleanable.ratio", Double, Some("0.5"), Valid::Ratio)
        .doc("The default of the topic config min.cleanable.dirty.ratio."),
    cluster_wide("log.cleaner.min.compaction.lag.ms", Long, Some("0"), NATURAL)
        .doc("The default of the topic config min.compaction.lag.ms."),
    cluster_wide("log.cleaner.threads", Int, Some("1"), NATURAL).refused(ONE_CLEANER).doc("Threads that compact."),
];
