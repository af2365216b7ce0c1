//! Producer, consumer and admin client for Rust programs, over Kafka's protocol: for Callboard and for any Apache Kafka.
//!
//! Decisions are pure machines in here (batches, sequence numbers, assignment, positions); thin tasks own the sockets.
//! Deliberately absent: C code, transactions (they come with the broker's), TLS and SASL (the same).
