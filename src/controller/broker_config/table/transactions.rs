//! Transactions: not served yet.

use super::reasons::NO_TRANSACTIONS;
use super::row::{ANY, NATURAL, POSITIVE, cluster_wide, fixed};
use crate::broker_config::BrokerConfig;
use crate::config_value::ConfigType::{Boolean, Int, Short};

pub(super) const ROWS: &[BrokerConfig] = &[
    fixed("add.partitions.to.txn.retry.backoff.max.ms", Int, Some("100"), NATURAL)
        .refused(NO_TRANSACTIONS)
        .doc("The longest wait of a broker for a transaction that is still completing."),
    fixed("add.partitions.to.txn.retry.backoff.ms", Int, Some("20"), POSITIVE)
        .refused(NO_TRANSACTIONS)
        .doc("The pause before a broker looks again whether a transaction has completed."),
    fixed("transaction.abort.timed.out.transaction.cleanup.interval.ms", Int, Some("10000"), POSITIVE)
        .refused(NO_TRANSACTIONS)
        .doc("How often transactions beyond their timeout are looked for."),
    fixed("transaction.max.timeout.ms", Int, Some("900000"), POSITIVE)
        .refused(NO_TRANSACTIONS)
        .doc("The longest timeout that a transaction may ask for."),
    cluster_wide("transaction.partition.verification.enable", Boolean, Some("true"), ANY)
        .refused(NO_TRANSACTIONS)
        .doc("Whether a partition asks the coordinator before it takes a transaction's first record."),
    fixed("transaction.remove.expired.transaction.cleanup.interval.ms", Int, Some("3600000"), POSITIVE)
        .refused(NO_TRANSACTIONS)
        .doc("How often expired transactional ids are looked for."),
    fixed("transaction.state.log.load.buffer.size", Int, Some("5242880"), POSITIVE)
        .refused(NO_TRANSACTIONS)
        .doc("The most bytes that are read at once when the state of transactions is loaded."),
    fixed("transaction.state.log.min.isr", Int, Some("2"), POSITIVE)
        .refused(NO_TRANSACTIONS)
        .doc("The replicas that must have a change of a transaction's state."),
    fixed("transaction.state.log.num.partitions", Int, Some("50"), POSITIVE)
        .refused(NO_TRANSACTIONS)
        .doc("The partitions of the topic that holds the state of transactions."),
    fixed("transaction.state.log.replication.factor", Short, Some("3"), POSITIVE)
        .refused(NO_TRANSACTIONS)
        .doc("The replicas of the topic that holds the state of transactions."),
    fixed("transaction.state.log.segment.bytes", Int, Some("104857600"), POSITIVE)
        .refused(NO_TRANSACTIONS)
        .doc("The segment.bytes of the topic that holds the state of transactions."),
    fixed("transaction.two.phase.commit.enable", Boolean, Some("false"), ANY)
        .refused(NO_TRANSACTIONS)
        .doc("Whether a transaction may be prepared and committed later."),
    fixed("transactional.id.expiration.ms", Int, Some("604800000"), POSITIVE)
        .refused(NO_TRANSACTIONS)
        .doc("How long a transactional id without transactions is remembered."),
];
