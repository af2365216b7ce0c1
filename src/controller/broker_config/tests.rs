use super::*;
use crate::topic_config;

#[test]
fn the_table_has_each_config_of_kafka_once_and_its_defaults_are_served() {
    // Apache Kafka 4.3.1 shows 340 and keeps 20 and three rates to itself; log.flush.mode is ours.
    assert_eq!(all().iter().filter(|config| !config.hidden).count(), 340 + 1);
    assert_eq!(all().iter().filter(|config| config.hidden).count(), 20 + 3);
    assert!(all().is_sorted_by(|one, other| one.name < other.name), "no name twice");
    for config in all() {
        assert_eq!(find(config.name), Some(*config));
        assert!(config.documentation.ends_with('.'), "{}", config.name);
        if let Some(default) = config.default {
            assert_eq!(config.check(default).map(|value| value.render()), Ok(default.to_owned()), "{}", config.name);
        }
    }
}

#[test]
fn every_synonym_of_a_topic_config_is_a_broker_config_with_the_same_default() {
    for topic in topic_config::ALL {
        for (rank, synonym) in topic.synonyms.iter().enumerate() {
            let broker = find(synonym.name).unwrap_or_else(|| panic!("{} is missing", synonym.name));
            assert_eq!(broker.update == Update::ClusterWide, rank == 0, "{}", synonym.name);
            assert_eq!(broker.status(), topic.status);
            if let Some(default) = broker.default_value() {
                assert_eq!(synonym.unit.convert(default), topic.default_value(), "{}", synonym.name);
            }
        }
    }
}

#[test]
fn what_a_topic_may_not_have_no_broker_may_give_it() {
    for topic in topic_config::ALL {
        let topic_config::Status::HonouredBut { refused, .. } = topic.status else { continue };
        for synonym in topic.synonyms {
            assert!(find(synonym.name).expect("known").check(refused[0]).is_err(), "{}", synonym.name);
        }
    }
    assert!(find("log.retention.hours").expect("known").check("-1").is_ok());
    assert!(find("log.retention.hours").expect("known").check("0").is_err());
}

#[test]
fn what_is_not_served_is_refused_with_what_to_do() {
    let message = |name: &str, value: &str| find(name).expect("known").check(value).expect_err("refused").to_string();
    assert_eq!(
        message("num.io.threads", "16"),
        "num.io.threads=16 is not served: threads are not set by kind of work: set runtime.data_arbiters"
    );
    assert_eq!(find("num.io.threads").expect("known").check("8").map(|value| value.render()), Ok("8".to_owned()));
    assert!(message("num.io.threads", "0").contains("Value must be at least 1"), "an illegal value is that first");
    let secret = message("ssl.keystore.password", "hunter2");
    assert!(secret.contains("=[hidden] is not served") && !secret.contains("hunter2"), "{secret}");
}
