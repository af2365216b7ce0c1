//! Bytes of records: those that a real Kafka wrote, and hostile ones.
