//! Fields of authorised operations (KIP-430): without an authoriser everybody may do everything.

/// "Was not asked for."
pub(super) const UNKNOWN: i32 = i32::MIN;

/// Kafka's numbers of operations, as the bits of a field.
const fn bits(operations: &[u32]) -> i32 {
    let mut bits = 0;
    let mut at = 0;
    while at < operations.len() {
        bits |= 1 << operations[at];
        at += 1;
    }
    bits
}

const READ: u32 = 3;
const WRITE: u32 = 4;
const CREATE: u32 = 5;
const DELETE: u32 = 6;
const ALTER: u32 = 7;
const DESCRIBE: u32 = 8;
const CLUSTER_ACTION: u32 = 9;
const DESCRIBE_CONFIGS: u32 = 10;
const ALTER_CONFIGS: u32 = 11;
const IDEMPOTENT_WRITE: u32 = 12;

/// All that can be done to a topic.
pub(super) const TOPIC: i32 = bits(&[READ, WRITE, CREATE, DELETE, ALTER, DESCRIBE, DESCRIBE_CONFIGS, ALTER_CONFIGS]);
/// All that can be done to a cluster.
pub(super) const CLUSTER: i32 =
    bits(&[CREATE, ALTER, DESCRIBE, CLUSTER_ACTION, DESCRIBE_CONFIGS, ALTER_CONFIGS, IDEMPOTENT_WRITE]);
/// All that can be done to a group.
pub(super) const GROUP: i32 = bits(&[READ, DELETE, DESCRIBE, DESCRIBE_CONFIGS, ALTER_CONFIGS]);

/// The field: all of them if they were asked for.
pub(super) fn if_asked(asked: bool, all: i32) -> i32 {
    if asked { all } else { UNKNOWN }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fields_are_those_of_a_kafka_without_authoriser() {
        assert_eq!((TOPIC, CLUSTER), (3576, 8096));
    }
}
