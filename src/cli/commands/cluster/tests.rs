use callboard_client::model::{ErrorCode, LeaderEpoch, TopicId};
use callboard_client::{DescribedBroker, Partition, Quorum, QuorumReplica};

use super::*;
use crate::snapshot::check_answer;

fn node(id: i32, fenced: bool, free: Option<u64>) -> NodeFacts {
    NodeFacts {
        id: BrokerId(id),
        address: format!("node-{id}:9092"),
        rack: Some("east".to_owned()),
        fenced,
        controller: id == 1,
        leaders: 3,
        replicas: 6,
        log_bytes: Some(1_234_567),
        disk_total: free.map(|_| 1 << 40),
        disk_free: free,
    }
}

fn picture(isr: &[i32], leader: Option<i32>, nodes: Vec<NodeFacts>) -> Picture {
    let ids = |ids: &[i32]| ids.iter().copied().map(BrokerId).collect();
    let partition = Partition {
        index: 0,
        leader: leader.map(BrokerId),
        leader_epoch: LeaderEpoch(0),
        replicas: ids(&[1, 2]),
        isr: ids(isr),
        offline: Vec::new(),
        error: ErrorCode::None,
    };
    let broker = |node: &NodeFacts| DescribedBroker {
        id: node.id,
        host: "node".to_owned(),
        port: 9092,
        rack: None,
        fenced: node.fenced,
    };
    let brokers = nodes.iter().map(broker).collect();
    Picture {
        cluster: ClusterDescription { cluster_id: "abc".to_owned(), controller: Some(BrokerId(1)), brokers },
        topics: vec![Arc::new(Topic::new("orders", TopicId::from_bytes([7; 16]), false, vec![partition]))],
        groups: BTreeMap::from([("Stable".to_owned(), 2), ("Empty".to_owned(), 1)]),
        nodes,
    }
}

#[test]
fn a_healthy_cluster() {
    let picture = picture(&[1, 2], Some(1), vec![node(1, false, Some(1 << 39)), node(2, false, None)]);
    check_answer("cluster-status", &show::status(&picture));
    check_answer("cluster-nodes", &show::nodes(&picture.nodes));
    let (answer, healthy) = show::health(&picture);
    assert!(healthy);
    check_answer("cluster-health", &answer);
}

#[test]
fn an_unhealthy_cluster_names_what_is_wrong() {
    let picture = picture(&[], None, vec![node(1, false, Some(1 << 30)), node(2, true, None)]);
    let (answer, healthy) = show::health(&picture);
    assert!(!healthy);
    check_answer("cluster-health-unhealthy", &answer);
    check_answer("cluster-status-unhealthy", &show::status(&picture));
}

#[test]
fn replicas_that_are_behind_are_a_degraded_cluster() {
    let (answer, healthy) = show::health(&picture(&[1], Some(1), vec![node(1, false, None)]));
    assert!(!healthy);
    check_answer("cluster-health-degraded", &answer);
}

#[test]
fn a_quorum() {
    let replica = |id, end, fetched| QuorumReplica {
        id: BrokerId(id),
        log_end_offset: end,
        last_fetch_ms: fetched,
        last_caught_up_ms: fetched,
    };
    let quorum = Quorum {
        leader: Some(BrokerId(1)),
        epoch: 9,
        high_watermark: 120,
        voters: vec![replica(1, 123, None), replica(2, 120, Some(1_000))],
        observers: vec![replica(4, 100, None)],
    };
    check_answer("cluster-quorum", &show::quorum(&quorum, 4_210));
}
