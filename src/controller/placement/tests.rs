use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;
use crate::{BrokerEpoch, IncarnationId};

fn broker(id: i32, rack: Option<&str>, fenced: bool) -> BrokerImage {
    BrokerImage {
        id: BrokerId(id),
        incarnation: IncarnationId(uuid::Uuid::nil()),
        epoch: BrokerEpoch(0),
        endpoints: Vec::new(),
        rack: rack.map(str::to_owned),
        fenced,
    }
}

fn topic(seed: u32) -> TopicId {
    TopicId(uuid::Uuid::from_u128(u128::from(seed) << 96))
}

fn place(brokers: &[BrokerImage], factor: i16, seed: u32, partitions: i32) -> Vec<Vec<BrokerId>> {
    let placer = Placer::new(brokers.iter(), factor, topic(seed)).expect("enough brokers");
    (0..partitions).map(|partition| placer.place(partition)).collect()
}

fn ids(numbers: &[i32]) -> Vec<BrokerId> {
    numbers.iter().copied().map(BrokerId).collect()
}

#[test]
fn one_broker_keeps_everything() {
    assert_eq!(place(&[broker(7, None, false)], 1, 5, 3), [ids(&[7]), ids(&[7]), ids(&[7])]);
}

#[test]
fn partitions_are_striped_over_the_brokers() {
    let brokers = [broker(1, None, false), broker(2, None, false), broker(3, None, false)];
    assert_eq!(place(&brokers, 2, 0, 4), [ids(&[1, 2]), ids(&[2, 3]), ids(&[3, 1]), ids(&[1, 3])]);
}

#[test]
fn topics_start_at_different_brokers() {
    let brokers = [broker(1, None, false), broker(2, None, false), broker(3, None, false)];
    let leaders: BTreeSet<BrokerId> = (0..3).map(|seed| place(&brokers, 1, seed, 1)[0][0]).collect();
    assert_eq!(leaders.len(), 3);
}

#[test]
fn partitions_that_are_added_later_continue_the_stripe() {
    let brokers: Vec<BrokerImage> = (0..5).map(|id| broker(id, None, false)).collect();
    let whole = place(&brokers, 3, 9, 10);
    let placer = Placer::new(brokers.iter(), 3, topic(9)).expect("enough brokers");
    let added: Vec<Vec<BrokerId>> = (6..10).map(|partition| placer.place(partition)).collect();
    assert_eq!(whole[6..], added);
}

#[test]
fn too_few_brokers_and_none_to_lead_are_told_apart() {
    let two = [broker(1, None, false), broker(2, None, true)];
    let error = Placer::new(two.iter(), 3, topic(0)).err().map(|error| error.to_string());
    let text = "Unable to replicate the partition 3 time(s): The target replication factor of 3 cannot be reached \
                because only 2 broker(s) are registered.";
    assert_eq!(error.as_deref(), Some(text));
    let fenced = [broker(2, None, true)];
    assert_eq!(Placer::new(fenced.iter(), 1, topic(0)).err(), Some(PlacementError::AllFenced { wanted: 1 }));
    assert!(Placer::new([].iter(), -1, topic(0)).is_err());
}

#[test]
fn the_partitions_of_one_leader_have_different_followers() {
    for racks in [vec![None; 6], vec![Some("a"), Some("a"), Some("b"), Some("b"), Some("c"), Some("c")]] {
        let brokers: Vec<BrokerImage> = (0..6).zip(racks).map(|(id, rack)| broker(id, rack, false)).collect();
        let placed = place(&brokers, 3, 0, 60);
        let of_zero = placed.iter().filter(|replicas| replicas[0] == BrokerId(0));
        let followers: BTreeSet<&[BrokerId]> = of_zero.map(|replicas| &replicas[1..]).collect();
        assert!(followers.len() > 1, "{followers:?}");
    }
}

fn cluster() -> impl Strategy<Value = Vec<BrokerImage>> {
    prop::collection::vec((0..4u8, prop::bool::weighted(0.2)), 1..12).prop_map(|brokers| {
        let racks = [None, Some("a"), Some("b"), Some("c")];
        let brokers = (0..).zip(brokers);
        brokers.map(|(id, (rack, fenced))| broker(id, racks[usize::from(rack)], fenced)).collect()
    })
}

proptest! {
    #[test]
    fn every_placement_is_legal(brokers in cluster(), factor in 1..6i16, seed: u32, partitions in 1..40i32) {
        let Ok(placer) = Placer::new(brokers.iter(), factor, topic(seed)) else {
            let fenced = brokers.iter().all(|broker| broker.fenced);
            prop_assert!(fenced || factor as usize > brokers.len());
            return Ok(());
        };
        for partition in 0..partitions {
            let replicas = placer.place(partition);
            prop_assert_eq!(replicas.len(), factor as usize);
            prop_assert_eq!(replicas.iter().collect::<BTreeSet<_>>().len(), replicas.len(), "each once");
            let by_id = |id: &BrokerId| &brokers[id.0 as usize];
            prop_assert!(!by_id(&replicas[0]).fenced, "the first can lead");
            let racks: BTreeSet<_> = brokers.iter().map(|broker| &broker.rack).collect();
            let used: BTreeSet<_> = replicas.iter().map(|id| &by_id(id).rack).collect();
            prop_assert_eq!(used.len(), racks.len().min(replicas.len()), "as many racks as can be");
        }
    }

    #[test]
    fn leaders_are_even_where_racks_are(racks in 1..4usize, each in 1..5usize, seed: u32, rounds in 1..4usize) {
        let names = [Some("a"), Some("b"), Some("c")];
        let count = racks * each;
        let brokers: Vec<BrokerImage> = (0..count).map(|id| broker(id as i32, names[id % racks], false)).collect();
        let placed = place(&brokers, 1, seed, (count * rounds) as i32);
        for id in 0..count {
            let led = placed.iter().filter(|replicas| replicas[0] == BrokerId(id as i32)).count();
            prop_assert_eq!(led, rounds);
        }
    }
}
