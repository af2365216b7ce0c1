//! Names, aliases, values, and what is wrong with them.

use super::*;

fn set(name: &str, value: &str) -> Result<ConsumerOptions, OptionError> {
    let mut options = ConsumerOptions::default();
    options.set(name, value).map(|()| options)
}

#[test]
fn kafka_s_and_librdkafka_s_names_are_taken() {
    assert_eq!(set("group.id", "g").expect("known").group_id.as_deref(), Some("g"));
    assert_eq!(set("queued.max.messages.kbytes", "64").expect("known").queued_max_bytes, 65_536);
    assert_eq!(set("fetch.message.max.bytes", "5").expect("known").max_partition_fetch_bytes, 5);
    assert_eq!(set("client.id", "me").expect("the cluster's").cluster.client_id, "me");
    let java = set("partition.assignment.strategy", "org.apache.kafka.clients.consumer.StickyAssignor, range");
    assert_eq!(java.expect("known").partition_assignment_strategy, [Assignor::Sticky, Assignor::Range]);
}

#[test]
fn every_reset_policy_is_understood_kip_1106() {
    let policy = |value: &str| set("auto.offset.reset", value).map(|options| options.auto_offset_reset);
    assert_eq!(policy("earliest"), Ok(OffsetReset::Earliest));
    assert_eq!(policy("smallest"), Ok(OffsetReset::Earliest));
    assert_eq!(policy("none"), Ok(OffsetReset::None));
    for (text, seconds) in [("P1D", 86_400.0), ("PT1H30M", 5_400.0), ("P1DT0.5S", 86_400.5), ("PT0S", 0.0)] {
        let age = Duration::from_secs_f64(seconds);
        assert_eq!(policy(&format!("by_duration:{text}")), Ok(OffsetReset::ByDuration(age)), "{text}");
    }
    for wrong in [
        "",
        "first",
        "by_duration:",
        "by_duration:P",
        "by_duration:PT",
        "by_duration:1D",
        "by_duration:P-1D",
        "by_duration:P1DT",
        "by_duration:PT1M1H",
    ] {
        assert!(matches!(policy(wrong), Err(OptionError::Value { .. })), "{wrong}");
    }
}

#[test]
fn a_wrong_name_names_the_nearest_right_one() {
    let told = set("auto.ofset.reset", "earliest").expect_err("misspelt").to_string();
    assert!(told.contains("auto.offset.reset"), "{told}");
    let told = set("partition.assignment.strategy", "rnage").expect_err("none").to_string();
    assert!(told.contains("range, roundrobin, sticky, cooperative-sticky"), "{told}");
    assert!(set("group.protocol", "classic").is_ok());
    assert!(set("group.protocol", "consumer").is_err());
}

#[test]
fn options_that_exclude_each_other_are_refused() {
    let mut options = ConsumerOptions::in_group("localhost", "g");
    options.check().expect("the defaults");
    options.heartbeat_interval = options.session_timeout;
    assert!(options.check().is_err());
    let options = ConsumerOptions { group_instance_id: Some("one".to_owned()), ..ConsumerOptions::default() };
    assert!(options.check().is_err());
}
