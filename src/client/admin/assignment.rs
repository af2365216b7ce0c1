//! Reads which partitions a member of a group has, as consumers write it into their assignment.

use bytes::{Buf, Bytes};

use crate::TopicPartition;

/// The partitions in a consumer's assignment (`ConsumerProtocolAssignment`); `None` if the bytes are something else.
///
/// Memory follows the bytes that are there, not the counts that they declare.
pub fn member_partitions(assignment: &Bytes) -> Option<Vec<TopicPartition>> {
    let mut bytes = assignment.clone();
    if bytes.is_empty() {
        return Some(Vec::new());
    }
    let version = bytes.try_get_i16().ok()?;
    if version < 0 {
        return None;
    }
    let mut partitions = Vec::new();
    for _ in 0..bytes.try_get_i32().ok()? {
        let length = usize::try_from(bytes.try_get_i16().ok()?).ok()?;
        let name = (bytes.len() >= length).then(|| bytes.split_to(length))?;
        let topic: std::sync::Arc<str> = std::str::from_utf8(&name).ok()?.into();
        for _ in 0..bytes.try_get_i32().ok()? {
            partitions.push(TopicPartition { topic: topic.clone(), partition: bytes.try_get_i32().ok()? });
        }
    }
    partitions.sort_unstable();
    Some(partitions)
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::{BufMut, BytesMut};

    fn assignment() -> Bytes {
        let mut bytes = BytesMut::new();
        bytes.put_i16(1);
        bytes.put_i32(1);
        bytes.put_i16(6);
        bytes.put_slice(b"orders");
        bytes.put_i32(2);
        bytes.put_i32(3);
        bytes.put_i32(0);
        bytes.put_i32(-1);
        bytes.freeze()
    }

    #[test]
    fn partitions_are_read_in_order() {
        let partitions = member_partitions(&assignment()).unwrap();
        assert_eq!(partitions.iter().map(ToString::to_string).collect::<Vec<_>>(), ["orders-0", "orders-3"]);
        assert_eq!(member_partitions(&Bytes::new()), Some(Vec::new()));
    }

    #[test]
    fn bytes_that_end_early_or_declare_too_much_are_no_assignment() {
        let whole = assignment();
        // Without the last four bytes, the user data, everything has been read.
        for end in 1..whole.len() - 4 {
            assert_eq!(member_partitions(&whole.slice(..end)), None, "{end} bytes");
        }
        assert_eq!(member_partitions(&Bytes::from_static(&[0, 0, 0x7f, 0xff, 0xff, 0xff])), None);
        assert_eq!(member_partitions(&Bytes::from_static(&[0, 0, 0, 0, 0, 1, 0xff, 0xff])), None);
    }
}
