//! What the machine waits for.

use crate::{GroupId, MemberId};

/// A timer of the groups of one partition.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Timer {
    /// A member must have been heard of.
    Session(GroupId, MemberId),
    /// Members must have joined, or the initial delay is over.
    Join(GroupId),
    /// Members must have asked for their assignment.
    Sync(GroupId),
    /// Look for positions that nobody wants any more.
    Retention,
    /// Go on with forgetting what was committed for topics that are gone.
    Purge,
}
