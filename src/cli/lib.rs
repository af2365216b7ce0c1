//! The command line: every command that talks to a running cluster, and how its answers are shown.
//!
//! Deliberately absent: starting a node (`dev`, `server`), which links the storage and belongs to the binary itself.
