//! Rules of compaction one by one, and random histories against a plain model.

mod against_model;
mod rules;
mod stage;
