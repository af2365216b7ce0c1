//! MurmurHash2 as Kafka's Java client has it (`Utils.murmur2`): what decides the partition of a keyed record.

/// The hash of a key.
pub fn murmur2(bytes: &[u8]) -> i32 {
    const SEED: u32 = 0x9747_b28c;
    const M: u32 = 0x5bd1_e995;
    const R: u32 = 24;
    // Java's length is an int, so only its lower 32 bits count.
    let mut hash = SEED ^ bytes.len() as u32;
    let (chunks, rest) = bytes.as_chunks::<4>();
    for chunk in chunks {
        let mut k = u32::from_le_bytes(*chunk).wrapping_mul(M);
        k ^= k >> R;
        hash = hash.wrapping_mul(M) ^ k.wrapping_mul(M);
    }
    if !rest.is_empty() {
        for (at, byte) in rest.iter().enumerate() {
            hash ^= u32::from(*byte) << (8 * at);
        }
        hash = hash.wrapping_mul(M);
    }
    hash ^= hash >> 13;
    hash = hash.wrapping_mul(M);
    (hash ^ (hash >> 15)) as i32
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Printed by `org.apache.kafka.common.utils.Utils` of Kafka 4.3.1.
    const JAVA: &[(&str, i32, i32)] = &[
        ("", 275646681, 9),
        ("a", -1563381124, 4),
        ("ab", 316155434, 2),
        ("abc", 479470107, 3),
        ("abcd", -1323649548, 8),
        ("abcde", 461995741, 1),
        ("21", -973932308, 0),
        ("foobar", -790332482, 6),
        ("a-little-bit-long-string", -985981536, 8),
        ("a-little-bit-longer-string", -1486304829, 11),
        ("lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58897971, 5),
        ("äöü", -2070914556, 8),
        ("callboard", 1282926716, 8),
    ];

    #[test]
    fn hashes_are_those_of_the_java_client() {
        for (key, hash, of_twelve) in JAVA {
            assert_eq!(murmur2(key.as_bytes()), *hash, "{key:?}");
            assert_eq!(crate::producer::partitioner::keyed(key.as_bytes(), 12), *of_twelve, "{key:?}");
        }
        let all: Vec<u8> = (0..=255).collect();
        assert_eq!(murmur2(&all), -1948347274);
        assert_eq!(murmur2(&[0xff, 0x80, 0xfe]), 957058525);
    }
}
