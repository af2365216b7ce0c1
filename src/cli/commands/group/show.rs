//! What `callboard group` shows.

use callboard_client::ListedGroup;

use super::{GroupPicture, Standing};
use crate::output::{Answer, Cell, Column, Doc, Mood, Sheet, Table};

fn mood(state: &str) -> Mood {
    match state {
        "Stable" => Mood::Good,
        "PreparingRebalance" | "CompletingRebalance" => Mood::Degraded,
        "Dead" => Mood::Bad,
        _ => Mood::Plain,
    }
}

/// Kafka's words in ours: `PreparingRebalance` is `preparing-rebalance`.
fn state(kafka: &str) -> String {
    let mut text = String::new();
    for (at, letter) in kafka.chars().enumerate() {
        if letter.is_uppercase() && at > 0 {
            text.push('-');
        }
        text.extend(letter.to_lowercase());
    }
    text
}

pub(super) fn list(groups: &[ListedGroup]) -> Answer {
    let columns = [
        Column::text("GROUP"),
        Column::text("STATE"),
        Column::text("PROTOCOL"),
        Column::number("COORDINATOR"),
        Column::text("TYPE").wide(),
    ];
    let mut table = Table::new(columns, "no groups; callboard consume TOPIC --group NAME makes one");
    for group in groups {
        let doc = Doc::map([
            ("group", Doc::from(group.group.as_str())),
            ("state", Doc::from(state(&group.state))),
            ("protocol_type", Doc::from(group.protocol_type.as_str())),
            ("type", Doc::from(group.group_type.to_lowercase())),
            ("coordinator", Doc::from(group.coordinator.0)),
        ]);
        let cells = [
            Cell::from(&group.group),
            Cell::mood(state(&group.state), mood(&group.state)),
            (&group.protocol_type).into(),
            group.coordinator.0.into(),
            group.group_type.to_lowercase().into(),
        ];
        table.push(group.group.clone(), cells, doc);
    }
    Answer::Rows(table)
}

fn number(offset: Option<i64>) -> Cell {
    offset.map_or_else(|| "-".into(), Cell::from)
}

fn standing_doc(standing: &Standing) -> Doc {
    Doc::map([
        ("topic", Doc::from(&*standing.partition.topic)),
        ("partition", Doc::from(standing.partition.partition)),
        ("committed_offset", Doc::from(standing.committed)),
        ("start_offset", Doc::from(standing.start)),
        ("end_offset", Doc::from(standing.end)),
        ("lag", Doc::from(standing.lag())),
        ("member", Doc::from(standing.member.as_ref().map(|(id, _, _)| id.as_str()))),
    ])
}

pub(super) fn describe(picture: &GroupPicture) -> Sheet {
    let group = &picture.group;
    let mut partitions = Table::new(
        [
            Column::text("TOPIC"),
            Column::number("PARTITION"),
            Column::number("COMMITTED"),
            Column::number("END"),
            Column::number("LAG"),
            Column::text("CLIENT"),
            Column::text("HOST"),
            Column::text("MEMBER").wide(),
        ],
        "",
    );
    for standing in &picture.standings {
        let (member, client, host) = standing.member.clone().unwrap_or_default();
        let cells = [
            Cell::from(&standing.partition.topic),
            standing.partition.partition.into(),
            number(standing.committed),
            number(standing.end),
            number(standing.lag()),
            client.into(),
            host.into(),
            member.into(),
        ];
        partitions.push("", cells, Doc::Null);
    }
    let columns = [
        Column::text("MEMBER"),
        Column::text("CLIENT"),
        Column::text("HOST"),
        Column::number("PARTITIONS"),
        Column::text("INSTANCE").wide(),
    ];
    let mut members = Table::new(columns, "");
    for member in &group.members {
        let count = member.partitions.as_ref().map_or_else(|| "?".to_owned(), |all| all.len().to_string());
        let cells = [
            Cell::from(&member.member_id),
            (&member.client_id).into(),
            (&member.host).into(),
            count.into(),
            member.group_instance_id.clone().unwrap_or_default().into(),
        ];
        members.push("", cells, Doc::Null);
    }
    let member_doc = |member: &callboard_client::GroupMember| {
        let partitions = member.partitions.as_ref().map(|all| Doc::list(all.iter().map(ToString::to_string)));
        Doc::map([
            ("member_id", Doc::from(member.member_id.as_str())),
            ("group_instance_id", Doc::from(member.group_instance_id.clone())),
            ("client_id", Doc::from(member.client_id.as_str())),
            ("host", Doc::from(member.host.as_str())),
            ("partitions", partitions.unwrap_or(Doc::Null)),
        ])
    };
    let doc = Doc::map([
        ("group", Doc::from(group.group.as_str())),
        ("state", Doc::from(state(&group.state))),
        ("protocol_type", Doc::from(group.protocol_type.as_str())),
        ("protocol", Doc::from(group.protocol.as_str())),
        ("coordinator", Doc::from(group.coordinator.0)),
        ("lag", Doc::from(picture.lag())),
        ("members", Doc::list(group.members.iter().map(member_doc))),
        ("partitions", Doc::list(picture.standings.iter().map(standing_doc))),
    ]);
    Sheet::new(&group.group, doc)
        .fact("group", &group.group)
        .fact("state", Cell::mood(state(&group.state), mood(&group.state)))
        .fact("protocol", &group.protocol)
        .fact("coordinator", group.coordinator.0)
        .fact("members", group.members.len())
        .fact("lag", picture.lag())
        .table("", members)
        .table("", partitions)
}

pub(super) fn lag(pictures: &[GroupPicture]) -> Answer {
    let columns = [
        Column::text("GROUP"),
        Column::text("STATE"),
        Column::number("MEMBERS"),
        Column::number("PARTITIONS"),
        Column::number("LAG"),
        Column::number("LARGEST").wide(),
    ];
    let mut table = Table::new(columns, "no groups");
    for picture in pictures {
        let group = &picture.group;
        let largest = picture.standings.iter().filter_map(Standing::lag).max().unwrap_or(0);
        let doc = Doc::map([
            ("group", Doc::from(group.group.as_str())),
            ("state", Doc::from(state(&group.state))),
            ("members", Doc::from(group.members.len())),
            ("partitions", Doc::from(picture.standings.len())),
            ("lag", Doc::from(picture.lag())),
            ("largest_lag", Doc::from(largest)),
        ]);
        let cells = [
            Cell::from(&group.group),
            Cell::mood(state(&group.state), mood(&group.state)),
            group.members.len().into(),
            picture.standings.len().into(),
            picture.lag().into(),
            largest.into(),
        ];
        table.push(group.group.clone(), cells, doc);
    }
    Answer::Rows(table)
}

pub(super) fn lag_of_partitions(pictures: &[GroupPicture]) -> Answer {
    let columns = [
        Column::text("GROUP"),
        Column::text("TOPIC"),
        Column::number("PARTITION"),
        Column::number("COMMITTED"),
        Column::number("END"),
        Column::number("LAG"),
    ];
    let mut table = Table::new(columns, "no offsets");
    for picture in pictures {
        for standing in &picture.standings {
            let Doc::Map(mut doc) = standing_doc(standing) else { unreachable!("a standing is a map") };
            doc.insert(0, ("group".to_owned(), Doc::from(picture.group.group.as_str())));
            let cells = [
                Cell::from(&picture.group.group),
                (&standing.partition.topic).into(),
                standing.partition.partition.into(),
                number(standing.committed),
                number(standing.end),
                number(standing.lag()),
            ];
            table.push(format!("{}:{}", picture.group.group, standing.partition), cells, Doc::Map(doc));
        }
    }
    Answer::Rows(table)
}
