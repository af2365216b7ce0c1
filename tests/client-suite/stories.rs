//! Stories of the client, each against whatever cluster `CALLBOARD_BOOTSTRAP` names. `run` starts one and tells them all.

mod admin;
mod consumer;
mod producer;
