//! Stories of one node in this process, told by a client on a socket.

mod admin;
mod calls;
mod codecs;
mod compacting;
mod group_rules;
mod groups;
mod hostile;
mod internal;
mod keeping;
mod reading;
mod rig;
mod sessions;
mod tools;
mod topic_ids;
mod topics;
mod writing;
