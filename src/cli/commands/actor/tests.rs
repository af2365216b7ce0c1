use super::*;
use crate::snapshot::check_answer;

fn actor(path: &str, kind: &str, state: &str, restarts: u64) -> ActorInfo {
    let row = serde_json::json!({
        "path": path, "kind": kind, "state": state, "incarnation": 7, "restarts": restarts,
        "mailbox_messages": 3, "mailbox_bytes": 2048, "limit_messages": 10_000, "limit_bytes": 67_108_864,
        "oldest_message_age_ms": 1500, "handled": 12_345, "refused": 0, "dead_letters": 1, "arbiter": 2,
        "last_failure": (restarts > 0).then(|| serde_json::json!({"message": "Append", "reason": "disk"})),
        "current": null, "strategy": kind.eq("Supervisor").then_some("one_for_one"), "a_key_of_tomorrow": true
    });
    serde_json::from_value(row).unwrap()
}

fn tree() -> Vec<ActorInfo> {
    vec![
        actor("node", "Supervisor", "running", 0),
        actor("node/broker", "Supervisor", "running", 0),
        actor("node/broker/applier", "Broker", "running", 2),
        actor("node/broker/partitions", "Supervisor", "running", 0),
        actor("node/broker/partitions/orders-0", "PartitionLeader", "parked", 1),
        actor("node/gateway", "Supervisor", "gone", 0),
    ]
}

#[test]
fn a_list_of_actors() {
    check_answer("actor-list", &show::list(&tree()));
}

#[test]
fn a_tree_of_actors() {
    check_answer("actor-tree", &show::tree(&tree(), None));
    check_answer("actor-tree-depth", &show::tree(&tree(), Some(1)));
}

#[test]
fn a_long_row_of_siblings_is_cut_for_people_and_whole_for_programs() {
    let mut actors = vec![actor("node", "Supervisor", "running", 0)];
    actors.extend((0..60).map(|n| actor(&format!("node/c{n:02}"), "Connection", "running", 0)));
    let answer = show::tree(&actors, None);
    let text = answer.render(crate::arguments::Format::Table, crate::terminal::Look::PLAIN);
    assert_eq!(text.lines().count(), 1 + 1 + 50 + 1);
    assert!(text.contains("└─ and 10 more"), "{text}");
    let Doc::List(docs) = answer.doc() else { panic!("a list") };
    assert_eq!(docs.len(), 61);
}

#[test]
fn a_part_of_the_tree_is_found_by_its_path() {
    let part = below(tree(), Some("/node/broker/")).unwrap();
    assert_eq!(part.len(), 4);
    let fault = below(tree(), Some("node/brokre")).unwrap_err();
    assert_eq!(fault.hint.as_deref(), Some("did you mean 'node/broker'? callboard actor list shows all"));
}

#[test]
fn a_described_actor() {
    let mut described = actor("node/broker/coordinators/3", "Coordinator", "running", 1);
    described.shows = serde_json::from_value(serde_json::json!({"groups": "2", "epoch": "1"})).unwrap();
    described.parts =
        serde_json::from_value(serde_json::json!([{"name": "billing", "shows": {"state": "Stable"}}])).unwrap();
    check_answer("actor-describe", &show::describe(&described));
}

#[test]
fn dead_letters() {
    let answer = serde_json::json!({
        "total": 3, "by_reason": {"gone": 2, "stopped": 1, "poison": 0},
        "recent": [{"at_ms": 1_795_341_600_123_i64, "event": "dead_letter", "path": "node/x", "message": "Tick", "reason": "gone", "count": 2}]
    });
    check_answer("actor-deadletters", &show::dead_letters(&answer));
}
