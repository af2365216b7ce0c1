//! What the gateway decides: memory for answers, fetch sessions, pages of topics, answers to elections, quotas and
//! deletions. Values in, values out.
//!
//! Invariant: no request makes a table here grow past its bounds.
//! Deliberately absent: bytes on the wire, actors, locks, clocks; replication, which does not come through the gateway,
//! so no session is privileged over another.

pub mod deletion;
pub mod election;
mod fetch_session;
mod ledger;
pub mod page;
pub mod quota;
pub mod reassignment;

pub use fetch_session::{
    Asked, Begun, Bounds, FetchSessions, Finished, Followup, IdSpace, Seen, SessionRequest, TopicRef,
};
pub use ledger::{Ledger, Place, Wish};
