//! Who is told when partitions come and go.

use futures_util::future::BoxFuture;

use super::{Consumer, TopicPartition};

/// Told of rebalances, within the program's own polls: no record is handed out meanwhile.
///
/// The consumer that is passed in can commit, seek, pause; it must not be polled.
pub trait RebalanceListener: Send {
    /// These are about to go to others: the last moment to commit what was read of them.
    fn revoked<'a>(&'a mut self, consumer: &'a mut Consumer, partitions: &'a [TopicPartition]) -> BoxFuture<'a, ()> {
        let _ = (consumer, partitions);
        Box::pin(std::future::ready(()))
    }

    /// These are new; with a cooperative assignor those that stayed are not among them.
    fn assigned<'a>(&'a mut self, consumer: &'a mut Consumer, partitions: &'a [TopicPartition]) -> BoxFuture<'a, ()> {
        let _ = (consumer, partitions);
        Box::pin(std::future::ready(()))
    }

    /// These may have other readers already, because the group took this member for dead: nothing can be committed.
    fn lost<'a>(&'a mut self, consumer: &'a mut Consumer, partitions: &'a [TopicPartition]) -> BoxFuture<'a, ()> {
        self.revoked(consumer, partitions)
    }
}
