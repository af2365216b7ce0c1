//! Who does it: the actors of a Callboard node, each the thin shell of a machine in `src/`.
//!
//! `node` draws the tree. Every folder pairs with the room of the same name in `src/`. Deliberately absent: decisions
//! (a shell receives, calls the machine, performs its effects) and `actix` in any signature (`runtime` hides it).

mod admin;
mod broker;
mod clock;
mod controller;
mod gateway;
mod node;
mod node_config;
mod node_error;
mod partition;
mod shard;
mod storage;
mod telling;

pub use callboard_runtime as runtime;
pub use node::{Node, NodeError};
