//! The bytes are Java's, and no bytes do harm.

use proptest::prelude::*;

use super::*;

/// Made by the Java client's `ConsumerProtocol`.
const JAVA: &str = include_str!("../assign/java-vectors.txt");

fn java(name: &str, version: i16) -> Vec<u8> {
    let wanted = format!("{name} {version} ");
    let hex = JAVA.lines().find_map(|line| line.strip_prefix(&wanted)).expect("a vector");
    let digits = |at| u8::from_str_radix(&hex[at..at + 2], 16).expect("hexadecimal");
    (0..hex.len()).step_by(2).map(digits).collect()
}

fn owned() -> Vec<TopicPartition> {
    [("alpha", 0), ("alpha", 2), ("beta", 1)].map(TopicPartition::from).to_vec()
}

fn full() -> Subscription {
    Subscription {
        topics: ["alpha", "beta"].map(Arc::from).into(),
        user_data: Some(Bytes::from_static(&[1, 2, 3])),
        owned: owned(),
        generation: Some(7),
        rack: Some("rack-1".into()),
    }
}

#[test]
fn subscriptions_of_every_version_are_java_s() {
    let bare = Subscription { topics: ["alpha".into()].into(), ..Subscription::default() };
    for version in 0..=VERSION {
        assert_eq!(full().encode_as(version), java("subscription", version), "version {version}");
        assert_eq!(bare.encode_as(version), java("subscription-bare", version), "version {version}");
        let mut expected = full();
        if version < 1 {
            expected.owned = Vec::new();
        }
        if version < 2 {
            expected.generation = None;
        }
        if version < 3 {
            expected.rack = None;
        }
        assert_eq!(Subscription::decode(&java("subscription", version)), Ok(expected));
        assert_eq!(Subscription::decode(&java("subscription-bare", version)), Ok(bare.clone()));
    }
}

#[test]
fn assignments_of_every_version_are_java_s() {
    assert_eq!(encode_assignment(&owned()), java("assignment-bare", VERSION));
    for version in 0..=VERSION {
        assert_eq!(decode_assignment(&java("assignment", version)), Ok(owned()));
    }
    assert_eq!(decode_assignment(&[]), Ok(Vec::new()));
}

#[test]
fn what_the_sticky_assignors_remember_is_java_s() {
    let topics = BTreeSet::from(["alpha".into()]);
    let sticky = Subscription::for_assignor(Assignor::Sticky, &topics, &[], Some((7, &owned())));
    assert_eq!(sticky.user_data.as_deref(), Some(&java("sticky-data", 7)[..]));
    let seen = sticky.seen_by(Assignor::Sticky, None);
    assert_eq!((seen.owned, seen.generation), (owned(), Some(7)));
    let cooperative = Subscription::for_assignor(Assignor::CooperativeSticky, &topics, &owned(), Some((7, &[])));
    assert_eq!(cooperative.user_data.as_deref(), Some(&java("cooperative-data", 7)[..]));
}

#[test]
fn a_cooperative_member_of_version_1_tells_its_generation_in_its_user_data() {
    let mut old = Subscription::decode(&java("subscription", 1)).expect("Java's");
    old.user_data = Some(Bytes::from(java("cooperative-data", 7)));
    let seen = old.seen_by(Assignor::CooperativeSticky, None);
    assert_eq!((seen.owned, seen.generation), (owned(), Some(7)));
}

#[test]
fn a_newer_version_is_read_as_far_as_it_is_known() {
    let mut newer = java("subscription", 3);
    newer[1] = 9;
    newer.extend_from_slice(b"more");
    assert_eq!(Subscription::decode(&newer), Ok(full()));
}

#[test]
fn a_count_that_lies_is_an_error_and_costs_nothing() {
    let mut lying = vec![0, 0];
    lying.extend_from_slice(&i32::MAX.to_be_bytes());
    assert_eq!(Subscription::decode(&lying), Err(ProtocolError::Truncated("topic")));
    assert_eq!(decode_assignment(&lying), Err(ProtocolError::Truncated("topic")));
    let negative = [0, 0, 255, 255, 255, 254];
    assert_eq!(decode_assignment(&negative), Err(ProtocolError::Length { what: "partitions by topic", declared: -2 }));
}

proptest! {
    #[test]
    fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = Subscription::decode(&bytes);
        let _ = decode_assignment(&bytes);
        let _ = read_sticky_data(&bytes);
    }

    #[test]
    fn every_cut_of_a_subscription_is_an_error(at in 0usize..80) {
        let whole = java("subscription", 3);
        prop_assert!(at >= whole.len() || Subscription::decode(&whole[..at]).is_err());
    }
}
