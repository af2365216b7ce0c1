//! Which partition of `__consumer_offsets` keeps a group.

use callboard_model::PartitionIndex;

/// The partition of a group: Java's `hashCode` of its name, as every Kafka broker and tool counts. The number of partitions
/// must be positive, and may never change while groups are kept.
pub fn partition_of(group: &str, partitions: i32) -> PartitionIndex {
    let hash = group.encode_utf16().fold(0i32, |hash, unit| hash.wrapping_mul(31).wrapping_add(i32::from(unit)));
    // Kafka's `Utils.abs`: the one number without an opposite counts as zero.
    let positive = hash.checked_abs().unwrap_or(0);
    PartitionIndex(positive.checked_rem(partitions).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_lie_where_kafka_puts_them() {
        // hashCode: "" 0, "abc" 96354, "polygenelubricants" -2^31, "billing" -109829509.
        let placed = ["", "abc", "polygenelubricants", "billing"].map(|group| partition_of(group, 50).get());
        assert_eq!(placed, [0, 4, 0, 9]);
    }

    #[test]
    fn names_beyond_the_basic_plane_count_as_java_s_two_halves() {
        // hashCode 1772899: 0xd83d * 31 + 0xde00.
        assert_eq!(partition_of("\u{1f600}", 1_000_000).get(), 772_899);
    }
}
