//! Stories of the consumer, each with the rule that it comes from. README.md lists them all.

mod compacted;
mod groups;
mod network;
mod positions;
mod reading;
mod rig;
mod together;
