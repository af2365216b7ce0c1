//! Members of one group: sharing out, coming and going, commits that hold, who is thrown out.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use callboard_client::TopicPartition;
use callboard_client::consumer::ConsumerError;
use callboard_client::model::ErrorCode;

use crate::consumer::rig::*;

/// Three members come and go one after the other. Rebalances are graceful and commits are made before partitions leave, so
/// every record is handed out exactly once.
async fn members_come_and_go(assignor: &str) {
    let Some(rig) = Rig::new().await else { return };
    let topic = rig.topic("shared", 6, &[]).await;
    let group = rig.stage.name("shared");
    let set = [("partition.assignment.strategy", assignor), ("auto.commit.interval.ms", "50")];
    let mut written = 0;
    let mut seen = BTreeMap::new();
    let write = async |count: usize| {
        for partition in 0..6 {
            rig.write(&topic, partition, &values(count)).await;
        }
    };
    let mut first = rig.consumer(Some(&group), &set).await;
    first.subscribe([topic.clone()]).expect("a group");
    write(20).await;
    written += 20;
    poll_until(&mut [&mut first], &mut seen, |members, _| shared_out(members, 6, 6)).await;
    let mut second = rig.consumer(Some(&group), &set).await;
    second.subscribe([topic.clone()]).expect("a group");
    write(20).await;
    written += 20;
    poll_until(&mut [&mut first, &mut second], &mut seen, |members, _| shared_out(members, 6, 3)).await;
    let mut third = rig.consumer(Some(&group), &set).await;
    third.subscribe([topic.clone()]).expect("a group");
    write(20).await;
    written += 20;
    poll_until(&mut [&mut first, &mut second, &mut third], &mut seen, |members, _| shared_out(members, 6, 2)).await;
    first.close(PATIENCE).await.expect("closed");
    write(20).await;
    written += 20;
    poll_until(&mut [&mut second, &mut third], &mut seen, |members, _| shared_out(members, 6, 3)).await;
    third.close(PATIENCE).await.expect("closed");
    write(20).await;
    written += 20;
    poll_until(&mut [&mut second], &mut seen, |members, seen| shared_out(members, 6, 6) && seen.len() == 6 * written)
        .await;
    let expected: BTreeMap<_, _> =
        (0..6).flat_map(|partition| (0..written as i64).map(move |offset| ((partition, offset), 1))).collect();
    let wrong: Vec<_> = seen.iter().filter(|(at, times)| expected.get(at) != Some(times)).collect();
    assert!(wrong.is_empty(), "{assignor}: handed out more than once: {wrong:?}");
    second.close(PATIENCE).await.expect("closed");
    for partition in 0..6 {
        let committed = rig.committed(&group, &TopicPartition::new(topic.clone(), partition)).await;
        assert_eq!(committed, Some(written as i64));
    }
}

#[tokio::test]
async fn range_members_come_and_go_and_every_record_is_handed_out_once() {
    members_come_and_go("range").await;
}

#[tokio::test]
async fn round_robin_members_come_and_go_and_every_record_is_handed_out_once() {
    members_come_and_go("roundrobin").await;
}

#[tokio::test]
async fn sticky_members_come_and_go_and_every_record_is_handed_out_once() {
    members_come_and_go("sticky").await;
}

#[tokio::test]
async fn cooperative_members_come_and_go_and_every_record_is_handed_out_once() {
    members_come_and_go("cooperative-sticky").await;
}

/// KIP-429: only what moves is revoked, in a second round.
#[tokio::test]
async fn a_cooperative_member_keeps_what_it_keeps() {
    let Some(rig) = Rig::new().await else { return };
    let topic = rig.topic("keeps", 4, &[]).await;
    let group = rig.stage.name("keeps");
    let set = [("partition.assignment.strategy", "cooperative-sticky")];
    let all: BTreeSet<_> = (0..4).map(|partition| TopicPartition::new(topic.clone(), partition)).collect();
    let ear = Ear::default();
    let mut first = rig.consumer(Some(&group), &set).await;
    first.set_listener(ear.clone());
    first.subscribe([topic.clone()]).expect("a group");
    let mut seen = BTreeMap::new();
    poll_until(&mut [&mut first], &mut seen, |members, _| shared_out(members, 4, 4)).await;
    let mut second = rig.consumer(Some(&group), &set).await;
    second.subscribe([topic.clone()]).expect("a group");
    poll_until(&mut [&mut first, &mut second], &mut seen, |members, _| shared_out(members, 4, 2)).await;
    let heard = ear.heard();
    assert_eq!(heard[0], Heard::Assigned(all.clone()));
    let revoked: Vec<_> = heard
        .iter()
        .filter_map(|heard| match heard {
            Heard::Revoked(partitions) => Some(partitions.clone()),
            Heard::Lost(partitions) => panic!("{partitions:?} were lost"),
            Heard::Assigned(_) => None,
        })
        .collect();
    assert_eq!(revoked, [second.assignment()], "what moved, once");
    assert!(heard[1..].iter().all(|heard| !matches!(heard, Heard::Assigned(new) if !new.is_empty())), "{heard:?}");
}

/// An eager member hears of everything at every rebalance.
#[tokio::test]
async fn an_eager_member_gives_everything_up_and_gets_its_part_back() {
    let Some(rig) = Rig::new().await else { return };
    let topic = rig.topic("eager", 4, &[]).await;
    let group = rig.stage.name("eager");
    let ear = Ear::default();
    let mut first = rig.consumer(Some(&group), &[]).await;
    first.set_listener(ear.clone());
    first.subscribe([topic.clone()]).expect("a group");
    let mut seen = BTreeMap::new();
    poll_until(&mut [&mut first], &mut seen, |members, _| shared_out(members, 4, 4)).await;
    let all = first.assignment();
    let mut second = rig.consumer(Some(&group), &[]).await;
    second.subscribe([topic.clone()]).expect("a group");
    poll_until(&mut [&mut first, &mut second], &mut seen, |members, _| shared_out(members, 4, 2)).await;
    let heard = ear.heard();
    assert_eq!(heard[..2], [Heard::Assigned(all.clone()), Heard::Revoked(all)]);
    assert_eq!(heard.last(), Some(&Heard::Assigned(first.assignment())));
}

/// KIP-345: a static member that comes back within its session gets its partitions back, and nobody else notices.
#[tokio::test]
async fn a_static_member_restarts_without_a_rebalance() {
    let Some(rig) = Rig::new().await else { return };
    let topic = rig.topic("static", 4, &[]).await;
    let group = rig.stage.name("static");
    let named = |name: &'static str| [("group.instance.id", name), ("auto.commit.interval.ms", "50")];
    let mut first = rig.consumer(Some(&group), &named("one")).await;
    first.subscribe([topic.clone()]).expect("a group");
    let mut second = rig.consumer(Some(&group), &named("two")).await;
    second.subscribe([topic.clone()]).expect("a group");
    let mut seen = BTreeMap::new();
    poll_until(&mut [&mut first, &mut second], &mut seen, |members, _| shared_out(members, 4, 2)).await;
    let (had, others) = (first.assignment(), second.assignment());
    let (_, generation) = second.group_membership().expect("in a generation");
    first.close(PATIENCE).await.expect("closed");
    // Heartbeats go on, and tell of no rebalance.
    poll_for(&mut second, Duration::from_secs(1)).await;
    assert_eq!(second.group_membership().expect("still").1, generation);
    let mut first = rig.consumer(Some(&group), &named("one")).await;
    first.subscribe([topic.clone()]).expect("a group");
    poll_until(&mut [&mut first, &mut second], &mut seen, |members, _| shared_out(members, 4, 2)).await;
    assert_eq!((first.assignment(), second.assignment()), (had, others));
    poll_for(&mut second, Duration::from_secs(1)).await;
    assert_eq!(second.group_membership().expect("still").1, generation);
}

async fn poll_for(member: &mut callboard_client::consumer::Consumer, time: Duration) {
    let until = tokio::time::Instant::now() + time;
    while tokio::time::Instant::now() < until {
        member.poll(Duration::from_millis(50)).await.expect("no error");
    }
}

/// KIP-345: of two with the same instance id the older one is fenced, for good.
#[tokio::test]
async fn an_older_member_with_the_same_instance_id_is_fenced() {
    let Some(rig) = Rig::new().await else { return };
    let topic = rig.topic("fenced", 2, &[]).await;
    let group = rig.stage.name("fenced");
    let set = [("group.instance.id", "same")];
    let mut older = rig.consumer(Some(&group), &set).await;
    older.subscribe([topic.clone()]).expect("a group");
    let mut seen = BTreeMap::new();
    poll_until(&mut [&mut older], &mut seen, |members, _| shared_out(members, 2, 2)).await;
    let mut newer = rig.consumer(Some(&group), &set).await;
    newer.subscribe([topic.clone()]).expect("a group");
    poll_until(&mut [&mut newer], &mut seen, |members, _| shared_out(members, 2, 2)).await;
    for _ in 0..2 {
        let told = error(&mut older).await;
        assert_eq!(told.kafka_code(), Some(ErrorCode::FencedInstanceId), "{told}");
        assert!(!told.is_retriable());
    }
}

#[tokio::test]
async fn a_group_goes_on_where_it_committed() {
    let Some(rig) = Rig::new().await else { return };
    let topic = rig.topic("goes-on", 1, &[]).await;
    rig.write(&topic, 0, &values(10)).await;
    let group = rig.stage.name("goes-on");
    let by_hand = [("enable.auto.commit", "false")];
    let mut consumer = rig.consumer(Some(&group), &by_hand).await;
    consumer.subscribe([topic.clone()]).expect("a group");
    assert_eq!(take(&mut consumer, 3).await, ["v0", "v1", "v2"]);
    consumer.commit().await.expect("committed");
    take(&mut consumer, 2).await;
    let later = consumer.commit_later().expect("a group");
    take(&mut consumer, 2).await;
    later.await.expect("committed");
    consumer.close(PATIENCE).await.expect("closed");
    let mut again = rig.consumer(Some(&group), &by_hand).await;
    again.subscribe([topic.clone()]).expect("a group");
    assert_eq!(next(&mut again).await, (5, "v5".to_owned()));
    // Dropped without a close it leaves all the same, and commits nothing.
    drop(again);
    let mut third = rig.consumer(Some(&group), &by_hand).await;
    third.subscribe([topic.clone()]).expect("a group");
    let start = tokio::time::Instant::now();
    assert_eq!(next(&mut third).await, (5, "v5".to_owned()));
    assert!(start.elapsed() < Duration::from_secs(20), "it did not have to wait for the session to end");
}

/// KIP-62: `max.poll.interval.ms`. Who handles a record for too long is out, its commit is refused, and it comes back.
#[tokio::test]
async fn who_polls_too_rarely_is_thrown_out_and_comes_back() {
    let Some(rig) = Rig::new().await else { return };
    let topic = rig.topic("slow", 2, &[]).await;
    for partition in 0..2 {
        rig.write(&topic, partition, &values(5)).await;
    }
    let group = rig.stage.name("slow");
    let set = [("max.poll.interval.ms", "1500"), ("enable.auto.commit", "false"), ("session.timeout.ms", "10000")];
    let ear = Ear::default();
    let mut slow = rig.consumer(Some(&group), &set).await;
    slow.set_listener(ear.clone());
    slow.subscribe([topic.clone()]).expect("a group");
    next(&mut slow).await;
    assert_eq!(slow.assignment().len(), 2);
    let mut quick = rig.consumer(Some(&group), &set).await;
    quick.subscribe([topic.clone()]).expect("a group");
    // The slow one does not poll meanwhile, so the quick one gets everything.
    let mut seen = BTreeMap::new();
    poll_until(&mut [&mut quick], &mut seen, |members, seen| shared_out(members, 2, 2) && seen.len() == 10).await;
    let told = slow.commit().await.expect_err("too late");
    assert!(matches!(told, ConsumerError::CommitFailed { .. }), "{told}");
    poll_until(&mut [&mut slow, &mut quick], &mut seen, |members, _| shared_out(members, 2, 1)).await;
    assert!(ear.heard().iter().any(|heard| matches!(heard, Heard::Lost(lost) if lost.len() == 2)), "{:?}", ear.heard());
}

/// The leader of a group watches its topics: new partitions are shared out without anyone's doing.
#[tokio::test]
async fn partitions_and_topics_that_come_later_are_read_too() {
    let Some(rig) = Rig::new().await else { return };
    let prefix = rig.stage.name("later");
    let topic = rig.topic(&prefix, 1, &[]).await;
    let group = rig.stage.name("later");
    let mut consumer = rig.consumer(Some(&group), &[("metadata.max.age.ms", "200")]).await;
    consumer.subscribe_matching(&format!("{prefix}-.*")).expect("a pattern");
    let mut seen = BTreeMap::new();
    poll_until(&mut [&mut consumer], &mut seen, |members, _| shared_out(members, 1, 1)).await;
    rig.admin.create_partitions(&[(&topic, 3)], false).await.all().expect("more partitions");
    poll_until(&mut [&mut consumer], &mut seen, |members, _| shared_out(members, 3, 3)).await;
    let another = rig.topic(&prefix, 2, &[]).await;
    poll_until(&mut [&mut consumer], &mut seen, |members, _| shared_out(members, 5, 5)).await;
    assert_eq!(consumer.subscription(), [topic, another].into());
}

#[tokio::test]
async fn a_subscription_can_change_and_end() {
    let Some(rig) = Rig::new().await else { return };
    let one = rig.topic("change-one", 2, &[]).await;
    let two = rig.topic("change-two", 1, &[]).await;
    let group = rig.stage.name("change");
    let mut consumer = rig.consumer(Some(&group), &[]).await;
    let mut seen = BTreeMap::new();
    consumer.subscribe([one.clone()]).expect("a group");
    poll_until(&mut [&mut consumer], &mut seen, |members, _| shared_out(members, 2, 2)).await;
    consumer.subscribe([one.clone(), two.clone()]).expect("a group");
    poll_until(&mut [&mut consumer], &mut seen, |members, _| shared_out(members, 3, 3)).await;
    consumer.subscribe([two.clone()]).expect("a group");
    poll_until(&mut [&mut consumer], &mut seen, |members, _| shared_out(members, 1, 1)).await;
    consumer.unsubscribe().await;
    assert!(consumer.assignment().is_empty());
    consumer.assign([(one, 0)]).expect("nothing is subscribed");
    assert_eq!(consumer.assignment().len(), 1);
}
