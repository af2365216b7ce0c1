//! The topics that consumers subscribe to, read from the embedded consumer protocol.
//!
//! ```text
//! version int16, topics [string], user data bytes, ...
//! ```
//! Every version begins like version 0, so the rest is not looked at (Kafka: `ConsumerProtocol`).

use std::collections::BTreeSet;
use std::sync::Arc;

/// Adds the topics of one subscription. `None` if the bytes are not of this layout.
pub(crate) fn add_topics(mut subscription: &[u8], topics: &mut BTreeSet<Arc<str>>) -> Option<()> {
    let _version = take::<2>(&mut subscription)?;
    let count = i32::from_be_bytes(take::<4>(&mut subscription)?);
    for _ in 0..usize::try_from(count).ok()? {
        let length = usize::try_from(i16::from_be_bytes(take::<2>(&mut subscription)?)).ok()?;
        let (topic, rest) = subscription.split_at_checked(length)?;
        subscription = rest;
        let topic = std::str::from_utf8(topic).ok()?;
        if !topics.contains(topic) {
            topics.insert(topic.into());
        }
    }
    // The user data; nothing at all where a client leaves the field away is not the layout, as in Kafka.
    let length = i32::from_be_bytes(take::<4>(&mut subscription)?);
    if length >= 0 {
        subscription.split_at_checked(usize::try_from(length).ok()?)?;
    }
    Some(())
}

fn take<const N: usize>(bytes: &mut &[u8]) -> Option<[u8; N]> {
    let (head, rest) = bytes.split_first_chunk::<N>()?;
    *bytes = rest;
    Some(*head)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn topics(subscription: &[u8]) -> Option<Vec<String>> {
        let mut topics = BTreeSet::new();
        add_topics(subscription, &mut topics)?;
        Some(topics.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn topics_are_read_from_every_version() {
        let v0 = [&[0, 0, 0, 0, 0, 2, 0, 1][..], b"b", &[0, 1], b"a", &[0xff, 0xff, 0xff, 0xff]].concat();
        assert_eq!(topics(&v0), Some(vec!["a".into(), "b".into()]));
        let v3 = [&[0, 3, 0, 0, 0, 1, 0, 1][..], b"a", &[0, 0, 0, 1, 9], &[0, 0, 0, 0, 0, 0, 0, 7]].concat();
        assert_eq!(topics(&v3), Some(vec!["a".into()]));
    }

    #[test]
    fn bytes_of_another_layout_are_no_subscription() {
        for wrong in [&b""[..], b"\0", b"\0\0", b"\0\0\0\0\0\x01", b"\0\0\0\0\0\x01\0\x05ab", b"\0\0\x7f\xff\xff\xff"] {
            assert_eq!(topics(wrong), None, "{wrong:?}");
        }
        assert_eq!(topics(b"\0\0\xff\xff\xff\xff"), None, "no array");
    }
}
