//! The receiving end of a mailbox: owned by the cell, over all incarnations, so that a restart keeps the queue.

use std::sync::Arc;

use crate::{
    Message,
    queue::{Chunk, Parcel},
    record::Entry,
    reference::Door,
};

pub(crate) struct Inbox<M: Message> {
    door: Arc<Door<M>>,
    /// taken out of the queue, not handled yet
    chunk: Chunk<M>,
}

impl<M: Message> Inbox<M> {
    pub(crate) fn new(door: Arc<Door<M>>) -> Inbox<M> {
        Inbox { door, chunk: Chunk::new() }
    }

    /// The next message out of the chunk in hand.
    #[inline]
    pub(crate) fn next(&mut self) -> Option<Parcel<M>> {
        self.chunk.pop_front()
    }

    /// Takes the next chunk when the one in hand is used up. `true` when the queue has been emptied by it.
    #[inline]
    pub(crate) fn refill(&mut self) -> bool {
        self.door.queue().take(&mut self.chunk)
    }
}

impl<M: Message> Drop for Inbox<M> {
    /// Finds messages only when the arbiter went away, or never took the cell.
    fn drop(&mut self) {
        self.door.record().credits.close();
        let queued = self.door.queue().close();
        for parcel in self.chunk.drain(..).chain(queued) {
            self.door.bury(parcel);
        }
    }
}
