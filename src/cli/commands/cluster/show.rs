//! What `callboard cluster` shows.

use callboard_client::{Quorum, QuorumReplica};

use super::{NodeFacts, Picture};
use crate::moment::{self, show_bytes};
use crate::output::{Answer, Cell, Column, Doc, Mood, Sheet, Table};

/// Free space below which a disk is worth a word, in hundredths.
const DISK_LOW: u64 = 10;

/// What is not as it should be.
fn problems(picture: &Picture) -> Vec<(Mood, String)> {
    let mut problems = Vec::new();
    for node in picture.nodes.iter().filter(|node| node.fenced) {
        problems.push((Mood::Bad, format!("node {} is fenced: registered, but not serving", node.id.0)));
    }
    if picture.cluster.controller.is_none() {
        problems.push((Mood::Bad, "there is no controller".to_owned()));
    }
    for topic in &picture.topics {
        for partition in &topic.partitions {
            let name = format!("{}-{}", topic.name, partition.index);
            if partition.leader.is_none() {
                problems.push((Mood::Bad, format!("partition {name} has no leader")));
            } else if partition.isr.len() < partition.replicas.len() {
                let (there, all) = (partition.isr.len(), partition.replicas.len());
                problems.push((Mood::Degraded, format!("partition {name} has {there} of {all} replicas in sync")));
            }
        }
    }
    for node in &picture.nodes {
        if let (Some(free), Some(total)) = (node.disk_free, node.disk_total)
            && total > 0
            && free.saturating_mul(100) / total < DISK_LOW
        {
            let text = format!("node {} has {} free of {}", node.id.0, show_bytes(free), show_bytes(total));
            problems.push((Mood::Degraded, text));
        }
    }
    problems
}

fn word(problems: &[(Mood, String)]) -> (Mood, &'static str) {
    if problems.iter().any(|(mood, _)| *mood == Mood::Bad) {
        (Mood::Bad, "unhealthy")
    } else if problems.is_empty() {
        (Mood::Good, "healthy")
    } else {
        (Mood::Degraded, "degraded")
    }
}

/// The word on the whole.
pub(super) fn health_word(picture: &Picture) -> &'static str {
    word(&problems(picture)).1
}

fn counts(picture: &Picture) -> (usize, usize, usize, usize) {
    let partitions = || picture.topics.iter().flat_map(|topic| &topic.partitions);
    (
        picture.topics.iter().filter(|topic| !topic.internal).count(),
        partitions().count(),
        partitions().filter(|partition| partition.leader.is_none()).count(),
        partitions().filter(|partition| partition.isr.len() < partition.replicas.len()).count(),
    )
}

/// How many problems a person sees at once.
const SHOWN: usize = 20;

pub(super) fn status(picture: &Picture) -> Answer {
    let problems = problems(picture);
    let (mood, health) = word(&problems);
    let (topics, partitions, leaderless, under_replicated) = counts(picture);
    let groups: usize = picture.groups.values().sum();
    let states = picture.groups.iter().map(|(state, count)| format!("{count} {}", state.to_lowercase()));
    let states = states.collect::<Vec<_>>().join(", ");
    let doc = Doc::map([
        ("cluster_id", Doc::from(picture.cluster.cluster_id.as_str())),
        ("health", Doc::from(health)),
        ("controller", Doc::from(picture.cluster.controller.map(|id| id.0))),
        ("topics", Doc::from(topics)),
        ("partitions", Doc::from(partitions)),
        ("partitions_without_leader", Doc::from(leaderless)),
        ("partitions_under_replicated", Doc::from(under_replicated)),
        ("groups", Doc::map(picture.groups.iter().map(|(state, count)| (state.clone(), Doc::from(*count))))),
        ("problems", Doc::list(problems.iter().map(|(_, text)| text.as_str()))),
        ("nodes", Doc::list(picture.nodes.iter().map(node_doc))),
    ]);
    let mut sheet = Sheet::new(&picture.cluster.cluster_id, doc)
        .fact("cluster", &picture.cluster.cluster_id)
        .fact("health", Cell::mood(health, mood))
        .fact("nodes", picture.nodes.len())
        .fact("controller", picture.cluster.controller.map_or_else(|| "none".to_owned(), |id| id.0.to_string()))
        .fact("topics", format!("{topics} with {partitions} partitions, internal ones among them"))
        .fact("groups", if groups == 0 { "0".to_owned() } else { format!("{groups} ({states})") });
    for (mood, text) in problems.iter().take(SHOWN) {
        sheet = sheet.line(Cell::mood(text, *mood));
    }
    if problems.len() > SHOWN {
        sheet = sheet.line(format!("and {} more", problems.len() - SHOWN));
    }
    let Answer::Rows(nodes) = nodes(&picture.nodes) else { unreachable!("nodes are rows") };
    Answer::One(sheet.table("", nodes))
}

pub(super) fn health(picture: &Picture) -> (Answer, bool) {
    let problems = problems(picture);
    let (mood, health) = word(&problems);
    let (_, partitions, leaderless, under_replicated) = counts(picture);
    let doc = Doc::map([
        ("health", Doc::from(health)),
        ("nodes", Doc::from(picture.nodes.len())),
        ("partitions", Doc::from(partitions)),
        ("partitions_without_leader", Doc::from(leaderless)),
        ("partitions_under_replicated", Doc::from(under_replicated)),
        ("problems", Doc::list(problems.iter().map(|(_, text)| text.as_str()))),
    ]);
    let text = format!("{health}: {} nodes, {partitions} partitions", picture.nodes.len());
    let mut sheet = Sheet::new(health, doc).line(Cell::mood(text, mood));
    for (mood, text) in problems.iter().take(SHOWN) {
        sheet = sheet.line(Cell::mood(text, *mood));
    }
    if problems.len() > SHOWN {
        sheet = sheet.line(format!("and {} more", problems.len() - SHOWN));
    }
    (Answer::One(sheet), mood == Mood::Good)
}

fn node_doc(node: &NodeFacts) -> Doc {
    Doc::map([
        ("id", Doc::from(node.id.0)),
        ("address", Doc::from(node.address.as_str())),
        ("rack", Doc::from(node.rack.clone())),
        ("controller", Doc::from(node.controller)),
        ("fenced", Doc::from(node.fenced)),
        ("leaders", Doc::from(node.leaders)),
        ("replicas", Doc::from(node.replicas)),
        ("log_bytes", Doc::from(node.log_bytes)),
        ("disk_total_bytes", Doc::from(node.disk_total)),
        ("disk_free_bytes", Doc::from(node.disk_free)),
    ])
}

pub(super) fn nodes(nodes: &[NodeFacts]) -> Answer {
    let columns = [
        Column::number("NODE"),
        Column::text("ADDRESS"),
        Column::text("STATE"),
        Column::number("LEADERS"),
        Column::number("REPLICAS"),
        Column::number("LOGS"),
        Column::number("DISK FREE"),
        Column::text("RACK").wide(),
    ];
    let mut table = Table::new(columns, "no nodes");
    let bytes = |bytes: Option<u64>| bytes.map_or_else(|| "?".to_owned(), show_bytes);
    for node in nodes {
        let state = match (node.fenced, node.controller) {
            (true, _) => Cell::mood("fenced", Mood::Bad),
            (false, true) => Cell::mood("controller", Mood::Good),
            (false, false) => Cell::mood("serving", Mood::Good),
        };
        let cells = [
            Cell::from(node.id.0),
            (&node.address).into(),
            state,
            node.leaders.into(),
            node.replicas.into(),
            bytes(node.log_bytes).into(),
            bytes(node.disk_free).into(),
            node.rack.clone().unwrap_or_default().into(),
        ];
        table.push(node.id.0.to_string(), cells, node_doc(node));
    }
    Answer::Rows(table)
}

pub(super) fn quorum(quorum: &Quorum, now_ms: i64) -> Answer {
    let columns = [
        Column::number("NODE"),
        Column::text("ROLE"),
        Column::number("LOG END"),
        Column::number("LAG"),
        Column::text("LAST FETCH"),
        Column::text("CAUGHT UP"),
    ];
    let mut table = Table::new(columns, "");
    let end = quorum.voters.iter().map(|voter| voter.log_end_offset).max().unwrap_or(quorum.high_watermark);
    let ago = |millis: Option<i64>| {
        let span = |millis: i64| std::time::Duration::from_millis(u64::try_from(now_ms - millis).unwrap_or(0));
        millis.map_or_else(|| "?".to_owned(), |millis| format!("{} ago", moment::show_duration(span(millis))))
    };
    let doc_of = |replica: &QuorumReplica, role: &str| {
        Doc::map([
            ("node", Doc::from(replica.id.0)),
            ("role", Doc::from(role)),
            ("log_end_offset", Doc::from(replica.log_end_offset)),
            ("lag", Doc::from(end - replica.log_end_offset)),
            ("last_fetch_ms", Doc::from(replica.last_fetch_ms)),
            ("last_caught_up_ms", Doc::from(replica.last_caught_up_ms)),
        ])
    };
    let mut docs = Vec::new();
    let voters = quorum.voters.iter().map(|replica| (replica, "voter"));
    for (replica, role) in voters.chain(quorum.observers.iter().map(|replica| (replica, "observer"))) {
        let leads = quorum.leader == Some(replica.id) && role == "voter";
        let role = if leads { "leader" } else { role };
        let cells = [
            Cell::from(replica.id.0),
            if leads { Cell::mood(role, Mood::Good) } else { role.into() },
            replica.log_end_offset.into(),
            (end - replica.log_end_offset).into(),
            if leads { "-".to_owned() } else { ago(replica.last_fetch_ms) }.into(),
            if leads { "-".to_owned() } else { ago(replica.last_caught_up_ms) }.into(),
        ];
        docs.push(doc_of(replica, role));
        table.push(replica.id.0.to_string(), cells, Doc::Null);
    }
    let leader = quorum.leader.map(|id| id.0);
    let doc = Doc::map([
        ("leader", Doc::from(leader)),
        ("epoch", Doc::from(quorum.epoch)),
        ("high_watermark", Doc::from(quorum.high_watermark)),
        ("replicas", Doc::List(docs)),
    ]);
    let shown = match leader {
        Some(id) => Cell::mood(id.to_string(), Mood::Good),
        None => Cell::mood("none", Mood::Bad),
    };
    let sheet = Sheet::new(leader.map_or_else(|| "none".to_owned(), |id| id.to_string()), doc)
        .fact("leader", shown)
        .fact("epoch", quorum.epoch)
        .fact("committed", quorum.high_watermark);
    Answer::One(sheet.table("", table))
}
