//! Counts what a request costs in allocations, so that a copy or an allocation too many on the hot path fails a test.
//!
//! Times flake, counts do not: `requests/` starts a node in its process, whose allocator is [`Counting`], speaks to it in
//! frames encoded beforehand, one request in flight, and holds allocations and allocated bytes per request to the bounds
//! of one table. Deliberately absent: times, instructions, what RocksDB allocates in C++ (it does not pass Rust's
//! allocator), and what a request costs while others wait beside it (that is `tests/load`).

mod allocator;
mod frames;
mod link;
mod rounds;

pub use allocator::{Count, Counting, leave_this_thread_out, so_far};
pub use frames::{Appended, batch, fetch, produce, read_fetch, read_produce};
pub use link::Link;
pub use rounds::{Spread, rounds};
