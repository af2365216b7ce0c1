//! Log compaction (`cleanup.policy=compact`): of every key the newest record stays, offsets never change.
//!
//! ```text
//! leader: candidate -> plan (is it time, how far) -> round: index the dirty part, then filter the log from its start
//!                                                    -> chunk by chunk to the leader, which has it written
//! ```
//! What Kafka calls a segment is a slice here: the open slice is never compacted, and `segment.ms` (and 1 MiB, which is
//! at most `segment.bytes`) bound how long it is open. What a round goes by:
//!
//! - It covers the log from its start to the end of the dirty part that is closed, committed and old enough. If the
//!   dirty part has more keys than the map may hold, it covers a prefix.
//! - A record goes if a newer one of its key is in the dirty part. So does a record without a key: such were there
//!   before the topic was compacted (Kafka drops them too).
//! - A tombstone stays until its batch's delete horizon (KIP-534), which the first round that meets it sets. As in
//!   Kafka nothing but a round drops it, and a round takes place when enough is dirty.
//! - A batch that loses nothing is kept byte by byte, and where nothing at all is lost nothing is written. A batch that
//!   loses some keeps its offsets, sequence numbers, epoch, codec and time type.
//! - The last batch of every producer that the leader remembers stays, without records if need be, and so does the
//!   last batch of the round: a reader of the log alone finds the same end and the same sequence numbers.
//! - Control batches and those of transactions stay as they are, and shadow nothing: whether they were committed
//!   cannot be told here.
//!
//! Deliberately absent: reading and writing the log, codecs, clocks, and the choice between partitions.

mod key_map;
mod plan;
mod replacing;
mod round;
mod survivors;

#[cfg(test)]
mod tests;

pub use plan::{Candidate, Plan, plan};
pub use replacing::{Chunk, Compacted, Dirtiness, ReplaceError};
pub(crate) use replacing::{Replacing, read_checkpoint};
pub use round::{Figures, Round, RoundError, Wanted};
pub use survivors::{BatchFault, Codec};
