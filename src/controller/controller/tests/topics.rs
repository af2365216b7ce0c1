//! Creating, growing and deleting topics.

use super::*;

fn assignment(partition: i32, brokers: &[i32]) -> ReplicaAssignment {
    let brokers = brokers.iter().copied().map(BrokerId).collect();
    ReplicaAssignment { partition: PartitionIndex(partition), brokers }
}

fn by_hand(name: &str, assignments: &[(i32, &[i32])]) -> CreateTopic {
    let assignments = assignments.iter().map(|(partition, brokers)| assignment(*partition, brokers)).collect();
    CreateTopic { assignments, ..plain(name) }
}

#[test]
fn a_topic_without_numbers_takes_the_broker_s_defaults() {
    let mut bench = Bench::new(&[("num.partitions", "6"), ("default.replication.factor", "2")]);
    bench.register(1, 1);
    bench.register(2, 1);
    let created = bench.create(plain("orders")).expect("created");
    assert_eq!((created.partitions, created.replication_factor), (6, 2));
    let orders = bench.image().topic("orders").expect("there");
    assert_eq!((orders.id, orders.partition_count()), (created.id, 6));
    for (_, image) in orders.partitions() {
        assert_eq!(image.leader, Some(image.replicas[0]));
        assert_eq!(image.isr, image.replicas);
        assert_eq!((image.leader_epoch.0, image.partition_epoch.0), (0, 0));
    }
}

#[test]
fn numbers_that_no_topic_can_have_are_refused_in_kafka_s_words() {
    let mut bench = Bench::with_brokers(1);
    let mut numbers = |partitions, replication_factor| {
        error(bench.create(CreateTopic { partitions, replication_factor, ..plain("t") }))
    };
    let positive = "Number of partitions was set to an invalid non-positive value.";
    for partitions in [0, -2, i32::MIN] {
        assert_eq!(numbers(partitions, 1), (ErrorCode::InvalidPartitions, positive.to_owned()));
    }
    let larger = "Replication factor must be larger than 0, or -1 to use the default value.";
    for factor in [0, -2, i16::MIN] {
        assert_eq!(numbers(1, factor), (ErrorCode::InvalidReplicationFactor, larger.to_owned()));
    }
    let (code, message) = numbers(1, 3);
    assert_eq!(code, ErrorCode::InvalidReplicationFactor);
    assert!(message.starts_with("Unable to replicate the partition 3 time(s): The target replication factor of 3"));
    assert_eq!(numbers(i32::MAX, 1).0, ErrorCode::PolicyViolation);
    assert_eq!(bench.image().topic_count(), 0);
}

#[test]
fn a_request_is_bounded_in_all_its_topics_together() {
    let mut bench = Bench::with_brokers(1);
    let wide = |name: &str| CreateTopic { partitions: 60_000, ..plain(name) };
    let results = bench.create_all(vec![wide("a"), wide("b"), plain("c")], Intent::ValidateOnly);
    let codes: Vec<_> = results.into_iter().map(|result| result.map_err(|error| error.code).map(|_| ())).collect();
    assert_eq!(codes, [Ok(()), Err(ErrorCode::PolicyViolation), Ok(())]);
}

#[test]
fn names_are_checked_as_kafka_checks_them() {
    let mut bench = Bench::with_brokers(1);
    bench.create(plain("a.b")).expect("created");
    assert_eq!(
        error(bench.create(plain("a.b"))),
        (ErrorCode::TopicAlreadyExists, "Topic 'a.b' already exists.".into())
    );
    let collides = "Topic 'a_b' collides with existing topic: a.b";
    assert_eq!(error(bench.create(plain("a_b"))), (ErrorCode::InvalidTopicException, collides.into()));
    for name in ["", ".", "..", "a b", "ä", &"x".repeat(250)] {
        assert_eq!(code(bench.create(plain(name))), ErrorCode::InvalidTopicException, "{name}");
    }
    let prohibited = "Creation of internal topic __cluster_metadata is prohibited.";
    assert_eq!(error(bench.create(plain("__cluster_metadata"))), (ErrorCode::InvalidRequest, prohibited.into()));
    assert!(bench.create(plain("__consumer_offsets")).is_ok(), "as Kafka allows it");
}

#[test]
fn every_topic_of_a_request_has_its_own_result() {
    let mut bench = Bench::with_brokers(1);
    let requests = ["a", "twice", "b.c", "twice", "b_c", "no way", "d"].map(plain).to_vec();
    let results = bench.create_all(requests, Intent::Perform);
    let codes: Vec<_> = results.into_iter().map(|result| result.map(|topic| topic.name.to_string())).collect();
    let codes: Vec<_> = codes.into_iter().map(|result| result.map_err(|error| error.code)).collect();
    let duplicate = Err(ErrorCode::InvalidRequest);
    let name = Err(ErrorCode::InvalidTopicException);
    let expected = [Ok("a".into()), duplicate.clone(), Ok("b.c".into()), duplicate, name.clone(), name, Ok("d".into())];
    assert_eq!(codes, expected);
    let names: Vec<&str> = bench.image().topics().map(|topic| topic.name.as_str()).collect();
    assert_eq!(names, ["a", "b.c", "d"]);
}

#[test]
fn validating_says_what_would_come_of_it_and_does_nothing() {
    let mut bench = Bench::with_brokers(1);
    let results = bench.create_all(vec![plain("a"), CreateTopic { partitions: 0, ..plain("b") }], Intent::ValidateOnly);
    let first = results[0].as_ref().expect("possible");
    assert_eq!((first.partitions, first.id), (1, TopicId::ZERO));
    assert!(results[1].is_err());
    assert_eq!(bench.image().topic_count(), 0);
}

#[test]
fn a_taken_topic_id_is_never_used_again() {
    let mut bench = Bench::with_brokers(1);
    let first = bench.create(plain("a")).expect("created").id;
    let mut ids = [TopicId::ZERO, first, TopicId(Uuid::from_u128(77))].into_iter();
    let outcome = bench
        .controller
        .create_topics(vec![plain("b")], Intent::Perform, &mut || ids.next().expect("three are enough"));
    assert_eq!(bench.commit(outcome)[0].as_ref().map(|topic| topic.id), Ok(TopicId(Uuid::from_u128(77))));
    let stuck = bench.controller.create_topics(vec![plain("c")], Intent::Perform, &mut || first);
    assert_eq!(code(stuck.reply[0].clone()), ErrorCode::UnknownServerError);
}

#[test]
fn replicas_chosen_by_hand_are_kept() {
    let mut bench = Bench::with_brokers(3);
    let created = bench.create(by_hand("t", &[(1, &[3, 1]), (0, &[2, 3])])).expect("created");
    assert_eq!((created.partitions, created.replication_factor), (2, 2));
    let topic = bench.image().topic("t").expect("there");
    let replicas: Vec<Vec<i32>> =
        topic.partitions().map(|(_, image)| image.replicas.iter().map(|id| id.0).collect()).collect();
    assert_eq!(replicas, [[2, 3], [3, 1]]);
}

#[test]
fn replicas_chosen_wrongly_are_refused_in_kafka_s_words() {
    let mut bench = Bench::with_brokers(2);
    let mut refused = |assignments: &[(i32, &[i32])]| error(bench.create(by_hand("t", assignments)));
    let wrong = |message: &str| (ErrorCode::InvalidReplicaAssignment, message.to_owned());
    assert_eq!(
        refused(&[(0, &[7])]),
        wrong("The manual partition assignment includes broker 7, but no such broker is registered.")
    );
    assert_eq!(
        refused(&[(0, &[1, 1])]),
        wrong("The manual partition assignment includes the broker 1 more than once.")
    );
    assert_eq!(refused(&[(0, &[])]), wrong("The manual partition assignment includes an empty replica list."));
    assert_eq!(refused(&[(0, &[1]), (0, &[2])]), wrong("Found multiple manual partition assignments for partition 0"));
    for gaps in [&[(1, &[1][..])][..], &[(0, &[1]), (2, &[1])], &[(-1, &[1]), (0, &[1])]] {
        assert_eq!(refused(gaps), wrong("partitions should be a consecutive 0-based integer sequence"));
    }
    let (code, message) = refused(&[(0, &[1, 2]), (1, &[1])]);
    assert_eq!(code, ErrorCode::InvalidReplicaAssignment);
    assert!(message.contains("a partition with 1 replica(s)") && message.contains("which have 2 replica(s)"));
    let both = CreateTopic { partitions: 1, ..by_hand("t", &[(0, &[1])]) };
    assert_eq!(super::code(bench.create(both)), ErrorCode::InvalidRequest);
    let both = CreateTopic { replication_factor: 1, ..by_hand("t", &[(0, &[1])]) };
    assert_eq!(super::code(bench.create(both)), ErrorCode::InvalidRequest);
}

#[test]
fn without_a_broker_no_topic_can_be_created() {
    let mut bench = Bench::new(&[]);
    assert_eq!(code(bench.create(plain("t"))), ErrorCode::InvalidReplicationFactor);
}

#[test]
fn a_fenced_broker_gets_replicas_that_are_neither_in_sync_nor_lead() {
    let mut bench = Bench::with_brokers(2);
    fence(&mut bench, 2);
    bench.create(by_hand("hand", &[(0, &[2, 1])])).expect("one of them is live");
    bench.create(CreateTopic { replication_factor: 2, ..plain("chosen") }).expect("one of them is live");
    for name in ["hand", "chosen"] {
        let topic = bench.image().topic(name).expect("there");
        let image = topic.partition(PartitionIndex(0)).expect("there");
        assert_eq!((image.replicas.len(), &*image.isr, image.leader), (2, &[BrokerId(1)][..], Some(BrokerId(1))));
    }
    let message = "All brokers specified in the manual partition assignment for partition 0 are fenced.";
    let refused = error(bench.create(by_hand("t", &[(0, &[2])])));
    assert_eq!(refused, (ErrorCode::InvalidReplicaAssignment, message.into()));
    fence(&mut bench, 1);
    let message = "Unable to replicate the partition 1 time(s): All brokers are currently fenced.";
    assert_eq!(error(bench.create(plain("t"))), (ErrorCode::InvalidReplicationFactor, message.into()));
}

#[test]
fn configs_of_a_new_topic_are_checked_stored_and_told() {
    let mut bench = Bench::with_brokers(1);
    let created = bench.create(with_configs("t", &[("retention.ms", Some("9"))])).expect("created");
    let entry = created.configs.iter().find(|entry| entry.name == "retention.ms").expect("told");
    assert_eq!((entry.value.as_deref(), entry.source), (Some("9"), ConfigSource::DynamicTopic));
    assert_eq!(created.configs.len(), topic_config::ALL.len());
    assert_eq!(bench.image().topic("t").map(|topic| topic.configs()["retention.ms"].clone()), Some("9".into()));
    type Given<'a> = &'a [(&'a str, Option<&'a str>)];
    let cases: [(Given<'_>, &str); 5] = [
        (
            &[("retention.ms", Some("abc"))],
            "Invalid value abc for configuration retention.ms: Not a number of type LONG",
        ),
        (&[("nope", Some("1"))], "Unknown topic config name: nope"),
        (
            &[("retention.ms", None), ("segment.ms", None)],
            "Null value not supported for topic configs: retention.ms,segment.ms",
        ),
        (
            &[("min.compaction.lag.ms", Some("10")), ("max.compaction.lag.ms", Some("5"))],
            "conflict topic config setting min.compaction.lag.ms (10) > max.compaction.lag.ms (5)",
        ),
        (
            &[("flush.mode", Some("async")), ("flush.messages", Some("1"))],
            "flush.mode=async syncs at no promised moment, which contradicts flush.messages",
        ),
    ];
    for (configs, message) in cases {
        assert_eq!(error(bench.create(with_configs("u", configs))), (ErrorCode::InvalidConfig, message.into()));
    }
    let twice = with_configs("u", &[("segment.ms", Some("1")), ("segment.ms", Some("1"))]);
    assert_eq!(code(bench.create(twice)), ErrorCode::InvalidRequest);
}

#[test]
fn topics_are_deleted_by_name_and_by_id() {
    let mut bench = Bench::with_brokers(1);
    let ids: Vec<TopicId> = ["a", "b", "c"].map(|name| bench.create(plain(name)).expect("created").id).to_vec();
    let unknown = TopicId(Uuid::from_u128(999));
    let requests = [
        DeleteTopic::Name("a".into()),
        DeleteTopic::Id(ids[1]),
        DeleteTopic::Name("z".into()),
        DeleteTopic::Id(unknown),
        DeleteTopic::Name("c".into()),
        DeleteTopic::Id(ids[2]),
    ];
    let outcome = bench.controller.delete_topics(&requests);
    let reply = bench.commit(outcome);
    let results: Vec<_> = reply.iter().map(|one| one.result.as_ref().map_err(|error| error.code).copied()).collect();
    let twice = Err(ErrorCode::InvalidRequest);
    let expected =
        [Ok(()), Ok(()), Err(ErrorCode::UnknownTopicOrPartition), Err(ErrorCode::UnknownTopicId), twice, twice];
    assert_eq!(results, expected);
    assert_eq!((reply[1].name.as_deref(), reply[1].id), (Some("b"), ids[1]));
    assert_eq!((reply[3].name.as_deref(), reply[3].id), (None, unknown));
    assert_eq!(bench.image().topics().map(|topic| topic.name.as_str()).collect::<Vec<_>>(), ["c"]);
    assert!(bench.create(plain("a")).is_ok(), "the name is free again");
}

#[test]
fn deletion_can_be_turned_off() {
    let mut bench = Bench::new(&[("delete.topic.enable", "false")]);
    bench.register(1, 1);
    bench.create(plain("a")).expect("created");
    let outcome = bench.controller.delete_topics(&[DeleteTopic::Name("a".into())]);
    assert_eq!(outcome.reply[0].result.as_ref().map_err(|error| error.code), Err(ErrorCode::TopicDeletionDisabled));
    assert!(outcome.records.is_empty());
}

#[test]
fn a_topic_grows_and_never_shrinks() {
    let mut bench = Bench::with_brokers(2);
    bench.create(CreateTopic { partitions: 2, replication_factor: 2, ..plain("t") }).expect("created");
    let mut grow = |name: &str, count, assignments: Option<&[&[i32]]>, intent| {
        let assignments =
            assignments.map(|all| all.iter().map(|one| one.iter().copied().map(BrokerId).collect()).collect());
        let request = CreatePartitions { name: name.into(), count, assignments };
        let outcome = bench.controller.create_partitions(&[request], intent);
        (bench.commit(outcome).remove(0).map_err(|error| (error.code, error.message)), bench.image().clone())
    };
    let refused = |code, message: &str| Err((code, message.to_owned()));
    let perform = Intent::Perform;
    let few = ErrorCode::InvalidPartitions;
    assert_eq!(grow("t", 2, None, perform).0, refused(few, "Topic already has 2 partition(s)."));
    for count in [1, 0, -1, i32::MIN] {
        let message = format!("The topic t currently has 2 partition(s); {count} would not be an increase.");
        assert_eq!(grow("t", count, None, perform).0, refused(few, &message));
    }
    assert_eq!(grow("z", 3, None, perform).0.map_err(|error| error.0), Err(ErrorCode::UnknownTopicOrPartition));
    assert_eq!(grow("t", i32::MAX, None, perform).0.map_err(|error| error.0), Err(ErrorCode::PolicyViolation));
    let message = "Attempted to add 2 additional partition(s), but only 1 assignment(s) were specified.";
    let wrong = ErrorCode::InvalidReplicaAssignment;
    assert_eq!(grow("t", 4, Some(&[&[1, 2]]), perform).0, refused(wrong, message));
    assert_eq!(grow("t", 3, Some(&[&[1]]), perform).0.map_err(|error| error.0), Err(wrong));
    let (result, image) = grow("t", 9, None, Intent::ValidateOnly);
    assert_eq!((result, image.topic("t").map(|topic| topic.partition_count())), (Ok(()), Some(2)));
    assert_eq!(grow("t", 3, Some(&[&[2, 1]]), perform).0, Ok(()));
    let (result, image) = grow("t", 5, None, perform);
    assert_eq!(result, Ok(()));
    let topic = image.topic("t").expect("there");
    assert_eq!(topic.partition_count(), 5);
    assert_eq!(&*topic.partition(PartitionIndex(2)).expect("there").replicas, [BrokerId(2), BrokerId(1)]);
    assert!(topic.partitions().all(|(_, image)| image.replicas.len() == 2));
}

#[test]
fn a_topic_named_twice_does_not_grow() {
    let mut bench = Bench::with_brokers(1);
    bench.create(plain("t")).expect("created");
    let request = |count| CreatePartitions { name: "t".into(), count, assignments: None };
    let outcome = bench.controller.create_partitions(&[request(2), request(3)], Intent::Perform);
    assert!(
        outcome.reply.iter().all(|result| result.as_ref().is_err_and(|error| error.code == ErrorCode::InvalidRequest))
    );
    assert!(outcome.records.is_empty());
}
