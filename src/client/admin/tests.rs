use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use callboard_model::{BrokerId, ErrorCode};
use callboard_wire::ApiKey;
use callboard_wire::messages::{
    CreatableTopicResult, CreateTopicsResponse, DeletableGroupResult, DeleteGroupsResponse, DescribeGroupsResponse,
    DescribedGroup, ListGroupsResponse, ListOffsetsPartitionResponse, ListOffsetsResponse, ListOffsetsTopicResponse,
    OffsetFetchResponse, OffsetFetchResponseGroup, OffsetFetchResponsePartitions, OffsetFetchResponseTopics, Request,
    Response,
};

use super::*;
use crate::TopicPartition;
use crate::net::fake::{Asked, FakeBroker, Reply, absent, metadata, topic};

async fn admin(fake: &FakeBroker) -> Admin {
    let mut options = ClusterOptions::new(&fake.address.to_string());
    options.default_api_timeout = Duration::from_secs(3);
    options.retry_backoff = Duration::from_millis(5);
    options.retry_backoff_max = Duration::from_millis(10);
    options.reconnect_backoff = Duration::from_millis(5);
    Admin::connect(options).await.expect("the fake listens")
}

fn answer(response: impl Into<Response>) -> Option<Reply> {
    Some(Reply::Answer(response.into()))
}

fn created(outcomes: &[(&str, ErrorCode)]) -> CreateTopicsResponse {
    let mut answer = CreateTopicsResponse::default();
    answer.topics = outcomes
        .iter()
        .map(|(name, code)| {
            let mut topic = CreatableTopicResult::default();
            (topic.name, topic.error_code, topic.num_partitions) = ((*name).into(), code.code(), 3);
            topic.error_message = (*code != ErrorCode::None).then(|| "the broker says why".into());
            topic
        })
        .collect();
    answer
}

#[tokio::test]
async fn each_topic_has_its_outcome_and_one_that_the_answer_leaves_out_is_told_of() {
    let fake = FakeBroker::start(|asked| match asked.key {
        ApiKey::CreateTopics => answer(created(&[("good", ErrorCode::None), ("there", ErrorCode::TopicAlreadyExists)])),
        _ => None,
    })
    .await;
    let topics = [NewTopic::new("good"), NewTopic::new("there"), NewTopic::new("lost"), NewTopic::new("good")];
    let outcomes = admin(&fake).await.create_topics(&topics, false).await;
    let names: Vec<&str> = outcomes.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["good", "there", "lost"]);
    assert_eq!(outcomes.get("good").unwrap().as_ref().unwrap().partitions, Some(3));
    let there = outcomes.get("there").unwrap().as_ref().unwrap_err();
    assert_eq!(there.kafka_code(), Some(ErrorCode::TopicAlreadyExists));
    assert!(there.to_string().contains("the broker says why"), "{there}");
    assert!(outcomes.get("lost").unwrap().as_ref().unwrap_err().to_string().contains("leaves it out"));
    assert_eq!(fake.count(ApiKey::CreateTopics), 1);
}

#[tokio::test]
async fn what_passes_is_asked_again_and_only_that() {
    let answers = Mutex::new(VecDeque::from([
        created(&[("a", ErrorCode::None), ("b", ErrorCode::ThrottlingQuotaExceeded)]),
        created(&[("b", ErrorCode::NotController)]),
        created(&[("b", ErrorCode::None)]),
    ]));
    let fake = FakeBroker::start(move |asked| match asked.key {
        ApiKey::CreateTopics => answer(answers.lock().unwrap().pop_front().expect("three times at most")),
        _ => None,
    })
    .await;
    let outcomes = admin(&fake).await.create_topics(&[NewTopic::new("a"), NewTopic::new("b")], false).await;
    assert!(outcomes.all().is_ok());
    let asked: Vec<usize> = fake
        .asked()
        .iter()
        .filter_map(|asked| match &asked.request {
            Some(Request::CreateTopics(request)) => Some(request.topics.len()),
            _ => None,
        })
        .collect();
    assert_eq!(asked, [2, 1, 1]);
}

#[tokio::test]
async fn a_creation_that_may_have_happened_is_not_sent_twice() {
    let fake = FakeBroker::start(|asked| (asked.key == ApiKey::CreateTopics).then_some(Reply::Close)).await;
    let outcomes = admin(&fake).await.create_topics(&[NewTopic::new("a")], false).await;
    let error = outcomes.only().unwrap_err();
    assert!(error.may_have_happened(), "{error}");
    assert_eq!(fake.count(ApiKey::CreateTopics), 1);
}

fn offsets(request: &callboard_wire::messages::ListOffsetsRequest, code: ErrorCode) -> ListOffsetsResponse {
    let mut answer = ListOffsetsResponse::default();
    answer.topics = request
        .topics
        .iter()
        .map(|topic| {
            let mut listed = ListOffsetsTopicResponse::default();
            listed.name = topic.name.clone();
            listed.partitions = topic
                .partitions
                .iter()
                .map(|partition| {
                    let mut one = ListOffsetsPartitionResponse::default();
                    one.partition_index = partition.partition_index;
                    (one.offset, one.timestamp) = (100 + i64::from(partition.partition_index), -1);
                    one.error_code = code.code();
                    one
                })
                .collect();
            listed
        })
        .collect();
    answer
}

#[tokio::test]
async fn partitions_are_asked_for_at_their_leaders_in_one_request_each() {
    let addresses: Arc<Mutex<Vec<SocketAddr>>> = Arc::default();
    let script = || {
        let addresses = addresses.clone();
        move |asked: &Asked| match &asked.request {
            Some(Request::Metadata(request)) => {
                let known = addresses.lock().unwrap().clone();
                let brokers: Vec<_> = (1..).zip(known).collect();
                let names = request.topics.iter().flatten().filter_map(|topic| topic.name.clone());
                let topics = names.map(|name| match name.as_str() {
                    "none" => absent("none", ErrorCode::UnknownTopicOrPartition),
                    name => {
                        let mut known = topic(name, 4, 1);
                        (known.partitions[1].leader_id, known.partitions[3].leader_id) = (2, -1);
                        known
                    }
                });
                answer(metadata(&brokers, topics.collect()))
            }
            Some(Request::ListOffsets(request)) => answer(offsets(request, ErrorCode::None)),
            _ => None,
        }
    };
    let (first, second) = (FakeBroker::start(script()).await, FakeBroker::start(script()).await);
    addresses.lock().unwrap().extend([first.address, second.address]);
    let asked: Vec<_> = ["t:0", "t:1", "t:2", "t:3", "t:9", "none:0"]
        .iter()
        .map(|text| text.split_once(':').unwrap())
        .map(|(name, index)| (TopicPartition::new(name, index.parse().unwrap()), OffsetSpec::Latest))
        .collect();
    let admin = admin(&first).await.with_timeout(Duration::from_millis(300));
    let outcomes = admin.list_offsets(&asked, false).await;
    let found = |name: &str, index| outcomes.get(&TopicPartition::new(name, index)).unwrap();
    for index in 0..3 {
        assert_eq!(found("t", index).as_ref().unwrap().offset, Some(100 + i64::from(index)));
    }
    assert!(matches!(found("t", 3), Err(ClientError::NoLeader { .. })), "{:?}", found("t", 3));
    assert!(matches!(found("t", 9), Err(ClientError::NoPartition { count: 4, .. })));
    assert_eq!(found("none", 0).as_ref().unwrap_err().kafka_code(), Some(ErrorCode::UnknownTopicOrPartition));
    assert_eq!((first.count(ApiKey::ListOffsets), second.count(ApiKey::ListOffsets)), (1, 1));
}

#[tokio::test]
async fn a_leader_that_moved_is_looked_up_again() {
    let refusals = Mutex::new(2);
    let fake = FakeBroker::start(move |asked| match &asked.request {
        Some(Request::ListOffsets(request)) => {
            let mut left = refusals.lock().unwrap();
            let code = if *left > 0 { ErrorCode::NotLeaderOrFollower } else { ErrorCode::None };
            *left -= 1;
            answer(offsets(request, code))
        }
        _ => None,
    })
    .await;
    let asked = [(TopicPartition::new("t", 1), OffsetSpec::Earliest)];
    let listed = admin(&fake).await.list_offsets(&asked, true).await.only().unwrap();
    assert_eq!(listed.offset, Some(101));
    assert_eq!(fake.count(ApiKey::ListOffsets), 3);
}

#[tokio::test]
async fn a_coordinator_that_moved_is_looked_for_again() {
    let refused = Mutex::new(false);
    let fake = FakeBroker::start(move |asked| match &asked.request {
        Some(Request::DeleteGroups(request)) => {
            let first = !std::mem::replace(&mut *refused.lock().unwrap(), true);
            let mut deleted = DeleteGroupsResponse::default();
            let result = |name: &callboard_wire::StrBytes| {
                let mut result = DeletableGroupResult::default();
                result.group_id = name.clone();
                result.error_code = match name.as_str() {
                    "busy" => ErrorCode::NonEmptyGroup.code(),
                    _ if first => ErrorCode::NotCoordinator.code(),
                    _ => 0,
                };
                result
            };
            deleted.results = request.groups_names.iter().map(result).collect();
            answer(deleted)
        }
        _ => None,
    })
    .await;
    let outcomes = admin(&fake).await.delete_groups(&["g", "busy"]).await;
    assert!(outcomes.get("g").unwrap().is_ok());
    assert_eq!(outcomes.get("busy").unwrap().as_ref().unwrap_err().kafka_code(), Some(ErrorCode::NonEmptyGroup));
    assert_eq!(fake.count(ApiKey::DeleteGroups), 2);
    assert_eq!(fake.count(ApiKey::FindCoordinator), 3, "once for each group, and again for the one that moved");
}

#[tokio::test]
async fn a_group_that_is_dead_does_not_exist() {
    let fake = FakeBroker::start(|asked| match &asked.request {
        Some(Request::DescribeGroups(request)) => {
            let mut described = DescribeGroupsResponse::default();
            let group = |name: &callboard_wire::StrBytes| {
                let mut group = DescribedGroup::default();
                (group.group_id, group.group_state) =
                    (name.clone(), if name.as_str() == "g" { "Empty" } else { "Dead" }.into());
                group
            };
            described.groups = request.groups.iter().map(group).collect();
            answer(described)
        }
        _ => None,
    })
    .await;
    let outcomes = admin(&fake).await.describe_groups(&["g", "gone"]).await;
    assert_eq!(outcomes.get("g").unwrap().as_ref().unwrap().state, "Empty");
    assert_eq!(outcomes.get("gone").unwrap().as_ref().unwrap_err().kafka_code(), Some(ErrorCode::GroupIdNotFound));
}

#[tokio::test]
async fn a_broker_that_cannot_say_its_groups_is_told_of_and_hides_no_others() {
    let fake = FakeBroker::start(|asked| match asked.key {
        ApiKey::ListGroups => {
            let mut listed = ListGroupsResponse::default();
            listed.error_code = ErrorCode::ClusterAuthorizationFailed.code();
            answer(listed)
        }
        _ => None,
    })
    .await;
    let listing = admin(&fake).await.list_groups().await.unwrap();
    assert!(listing.groups.is_empty());
    assert_eq!(listing.failures.len(), 1);
    assert_eq!(listing.failures[0].0, BrokerId(1));
    assert_eq!(listing.failures[0].1.kafka_code(), Some(ErrorCode::ClusterAuthorizationFailed));
}

#[tokio::test]
async fn offsets_that_a_group_does_not_have_are_left_out_and_errors_are_not() {
    let fake = FakeBroker::start(|asked| match &asked.request {
        Some(Request::OffsetFetch(request)) => {
            let mut group = OffsetFetchResponseGroup::default();
            group.group_id = request.groups[0].group_id.clone();
            let mut topic = OffsetFetchResponseTopics::default();
            topic.name = "t".into();
            let one = |index, offset, code: ErrorCode| {
                let mut one = OffsetFetchResponsePartitions::default();
                (one.partition_index, one.committed_offset, one.error_code) = (index, offset, code.code());
                one
            };
            topic.partitions = vec![
                one(2, 7, ErrorCode::None),
                one(0, -1, ErrorCode::None),
                one(1, -1, ErrorCode::TopicAuthorizationFailed),
            ];
            group.topics = vec![topic];
            let mut fetched = OffsetFetchResponse::default();
            fetched.groups = vec![group];
            answer(fetched)
        }
        _ => None,
    })
    .await;
    let offsets = admin(&fake).await.list_group_offsets("g", None).await.unwrap();
    let places: Vec<i32> = offsets.iter().map(|(place, _)| place.partition).collect();
    assert_eq!(places, [1, 2]);
    assert!(offsets.get(&TopicPartition::new("t", 1)).unwrap().is_err());
    assert_eq!(offsets.get(&TopicPartition::new("t", 2)).unwrap().as_ref().unwrap().offset, 7);
}

#[tokio::test]
async fn a_broker_that_says_nothing_ends_at_the_deadline_with_an_error_for_each() {
    let fake = FakeBroker::start(|asked| (asked.key == ApiKey::DescribeConfigs).then_some(Reply::Silence)).await;
    let admin = admin(&fake).await.with_timeout(Duration::from_millis(200));
    let resources = [ConfigResource::Topic("a".to_owned()), ConfigResource::Broker(BrokerId(1))];
    let outcomes = admin.describe_configs(&resources, None).await;
    assert_eq!(outcomes.len(), 2);
    assert!(outcomes.iter().all(|(_, outcome)| outcome.is_err()));
}
