//! `callboard config get|diff|set|unset`.

use std::collections::BTreeMap;

use callboard_client::model::{BrokerId, ErrorCode};
use callboard_client::{Admin, ConfigChange, ConfigEntry, ConfigResource};

use super::topic::show::{config_doc, value};
use crate::admin_port::AdminPort;
use crate::arguments::{ConfigCommand, ConfigDiff, ConfigGet, Link};
use crate::connection::{Place, unknown_name};
use crate::fault::{Exit, Fault};
use crate::nearest::nearest;
use crate::output::{Answer, Cell, Column, Doc, Mood, Table};
use crate::run::{Outcome, ReadFile};

pub(crate) async fn run(command: ConfigCommand, read_file: ReadFile) -> Result<Outcome, Fault> {
    match command {
        ConfigCommand::Get(asked) => get(&asked).await,
        ConfigCommand::Diff(ConfigDiff { config: Some(file), link, admin, .. }) => {
            // The file first: what is wrong with it needs no node to be told.
            let wrong =
                |reason| Fault::new(Exit::BadConfig, format!("{} is not legal", file.display())).because(reason);
            let in_file = read_file(&file).map_err(wrong)?;
            let place = Place::find(&link, admin.admin.as_deref())?;
            let in_node = AdminPort::new(&place)?.settings().await?;
            Ok(Outcome::answer(settings_that_differ(in_file, in_node)))
        }
        ConfigCommand::Diff(asked) => diff(&asked).await,
        ConfigCommand::Set(asked) => {
            let set = |(key, value): (String, String)| ConfigChange::Set(key, value);
            alter(&asked.link, &asked.resource, asked.pairs.into_iter().map(set).collect(), asked.dry_run).await
        }
        ConfigCommand::Unset(asked) => {
            let changes = asked.keys.into_iter().map(ConfigChange::Delete).collect();
            alter(&asked.link, &asked.resource, changes, asked.dry_run).await
        }
    }
}

/// `topic/NAME`, `broker/ID`, `brokers`, `group/NAME`.
fn resource(text: &str) -> Result<ConfigResource, Fault> {
    let wrong = || {
        Fault::usage(format!("'{text}' is nothing that has configs"))
            .hint("write topic/NAME, broker/ID, brokers or group/NAME")
    };
    match text.split_once('/') {
        None if text == "brokers" => Ok(ConfigResource::AllBrokers),
        Some(("topic", name)) if !name.is_empty() => Ok(ConfigResource::Topic(name.to_owned())),
        Some(("group", name)) if !name.is_empty() => Ok(ConfigResource::Group(name.to_owned())),
        Some(("broker", id)) => {
            id.parse().ok().filter(|id| *id >= 0).map(|id| ConfigResource::Broker(BrokerId(id))).ok_or_else(wrong)
        }
        other => {
            let kind = other.map_or(text, |(kind, _)| kind);
            Err(match nearest(kind, ["topic", "broker", "brokers", "group"]) {
                Some("brokers") => wrong().hint("did you mean 'brokers'?"),
                Some(near) => wrong().hint(format!("did you mean '{near}/NAME'?")),
                None => wrong(),
            })
        }
    }
}

async fn read(place: &Place, admin: &Admin, resource: &ConfigResource) -> Result<Vec<ConfigEntry>, Fault> {
    let found = admin.describe_configs(std::slice::from_ref(resource), None).await.only();
    match (found, resource) {
        (Err(error), ConfigResource::Topic(name)) if error.kafka_code() == Some(ErrorCode::UnknownTopicOrPartition) => {
            let known = admin.list_topics().await.map(|listed| super::topic::names(&listed)).unwrap_or_default();
            Err(unknown_name("topic", name, &known, "callboard topic list")
                .kafka(ErrorCode::UnknownTopicOrPartition.name()))
        }
        (Err(callboard_client::ClientError::NoBroker(_)), ConfigResource::Broker(id)) => {
            Err(Fault::not_found(format!("there is no broker {}", id.0)).hint("callboard cluster nodes shows all"))
        }
        (found, _) => {
            let mut entries = found.map_err(|error| place.fault(&error))?;
            entries.sort_by(|a, b| a.name.cmp(&b.name));
            Ok(entries)
        }
    }
}

async fn get(asked: &ConfigGet) -> Result<Outcome, Fault> {
    let place = Place::find(&asked.link, None)?;
    let resource = resource(&asked.resource)?;
    let admin = place.admin().await?;
    let entries = read(&place, &admin, &resource).await?;
    let known: Vec<&str> = entries.iter().map(|entry| entry.name.as_str()).collect();
    let mut faults = Vec::new();
    for key in asked.keys.iter().filter(|key| !known.contains(&key.as_str())) {
        let fault = Fault::not_found(format!("{resource} has no config '{key}'"));
        faults.push(match nearest(key, known.iter().copied()) {
            Some(near) => fault.hint(format!("did you mean '{near}'?")),
            None => fault.hint(format!("callboard config get {resource} shows all")),
        });
    }
    let shown = entries.iter().filter(|entry| asked.keys.is_empty() || asked.keys.contains(&entry.name));
    Ok(Outcome::answer(listed(shown)).faults(faults))
}

fn listed<'a>(entries: impl Iterator<Item = &'a ConfigEntry>) -> Answer {
    let columns =
        [Column::text("CONFIG"), Column::text("VALUE"), Column::text("SOURCE"), Column::text("READ ONLY").wide()];
    let mut table = Table::new(columns, "no configs");
    for entry in entries {
        let read_only = if entry.read_only { "yes" } else { "no" };
        let cells = [Cell::from(&entry.name), value(entry).into(), entry.source.name().into(), read_only.into()];
        table.push(entry.name.clone(), cells, config_doc(entry));
    }
    Answer::Rows(table)
}

async fn diff(asked: &ConfigDiff) -> Result<Outcome, Fault> {
    let place = Place::find(&asked.link, None)?;
    let one = resource(asked.resource.as_deref().unwrap_or_default())?;
    let other = asked.other.as_deref().map(resource).transpose()?;
    let admin = place.admin().await?;
    let entries = read(&place, &admin, &one).await?;
    let Some(other) = other else {
        return Ok(Outcome::answer(listed(entries.iter().filter(|entry| entry.is_own_of(&one)))));
    };
    let others = read(&place, &admin, &other).await?;
    Ok(Outcome::answer(differences(&one, &entries, &other, &others)))
}

fn differences(
    one: &ConfigResource,
    entries: &[ConfigEntry],
    other: &ConfigResource,
    others: &[ConfigEntry],
) -> Answer {
    let by_name = |entries: &[ConfigEntry]| -> BTreeMap<String, String> {
        entries.iter().map(|entry| (entry.name.clone(), value(entry))).collect()
    };
    let (left, right) = (by_name(entries), by_name(others));
    let mut names: Vec<&String> = left.keys().chain(right.keys()).collect();
    names.sort_unstable();
    names.dedup();
    let columns = [Column::text("CONFIG"), Column::text("FIRST"), Column::text("SECOND")];
    let mut table = Table::new(columns, "no differences");
    for name in names.into_iter().filter(|name| left.get(*name) != right.get(*name)) {
        let (first, second) = (left.get(name).cloned(), right.get(name).cloned());
        let doc = Doc::map([
            ("name", Doc::from(name.as_str())),
            ("first", Doc::from(first.clone())),
            ("first_resource", Doc::from(one.to_string())),
            ("second", Doc::from(second.clone())),
            ("second_resource", Doc::from(other.to_string())),
        ]);
        let cells = [
            Cell::from(name),
            first.unwrap_or_else(|| "-".to_owned()).into(),
            second.unwrap_or_else(|| "-".to_owned()).into(),
        ];
        table.push(name.clone(), cells, doc);
    }
    Answer::Rows(table)
}

/// A key that only one side knows is one of another version.
fn settings_that_differ(in_file: Vec<(String, String)>, in_node: Vec<(String, String)>) -> Answer {
    let mut keys: Vec<String> = in_file.iter().map(|(key, _)| key.clone()).collect();
    keys.extend(
        in_node.iter().map(|(key, _)| key.clone()).filter(|key| !in_file.iter().any(|(known, _)| known == key)),
    );
    let (left, right): (BTreeMap<_, _>, BTreeMap<_, _>) =
        (in_file.into_iter().collect(), in_node.into_iter().collect());
    let columns = [Column::text("SETTING"), Column::text("FILE"), Column::text("NODE")];
    let mut table = Table::new(columns, "the node runs with what the file says");
    for key in keys.into_iter().filter(|key| left.get(key) != right.get(key)) {
        let (file, node) = (left.get(&key).cloned(), right.get(&key).cloned());
        let doc = Doc::map([
            ("key", Doc::from(key.as_str())),
            ("file", Doc::from(file.clone())),
            ("node", Doc::from(node.clone())),
        ]);
        let shown = |value: Option<String>| Cell::from(value.unwrap_or_else(|| "-".to_owned()));
        table.push(key.clone(), [Cell::from(&key), shown(file), shown(node)], doc);
    }
    Answer::Rows(table)
}

async fn alter(link: &Link, resource_text: &str, changes: Vec<ConfigChange>, dry_run: bool) -> Result<Outcome, Fault> {
    let place = Place::find(link, None)?;
    let resource = resource(resource_text)?;
    let admin = place.admin().await?;
    preview(&place, &admin, &[(resource, changes)], dry_run).await
}

/// Makes changes, or has them checked, and shows each config before and after.
pub(crate) async fn preview(
    place: &Place,
    admin: &Admin,
    changes: &[(ConfigResource, Vec<ConfigChange>)],
    dry_run: bool,
) -> Result<Outcome, Fault> {
    let resources: Vec<ConfigResource> = changes.iter().map(|(resource, _)| resource.clone()).collect();
    let before = admin.describe_configs(&resources, None).await;
    let altered = admin.alter_configs(changes, dry_run).await;
    let after = if dry_run { None } else { Some(admin.describe_configs(&resources, None).await) };
    let columns = [
        Column::text("RESOURCE"),
        Column::text("CONFIG"),
        Column::text("BEFORE"),
        Column::text("AFTER"),
        Column::text("RESULT"),
    ];
    let mut table = Table::new(columns, "");
    let mut faults = Vec::new();
    for (resource, outcome) in &altered {
        let own = || changes.iter().filter(|(of, _)| of == resource).flat_map(|(_, changes)| changes);
        if let Err(error) = outcome {
            let mut fault = place.fault(error);
            let known = before.get(resource).and_then(|known| known.as_ref().ok());
            if error.kafka_code() == Some(ErrorCode::InvalidConfig)
                && let Some(hint) = known.and_then(|known| nearest_of(known, own().map(key)))
            {
                fault = fault.hint(hint);
            }
            faults.push(fault);
            continue;
        }
        let shown = |entries: Option<&Vec<ConfigEntry>>, key: &str| {
            entries.and_then(|entries| entries.iter().find(|entry| entry.name == key)).map(value)
        };
        for change in own() {
            let key = key(change);
            let was = shown(before.get(resource).and_then(|found| found.as_ref().ok()), key);
            let is = match (&after, change) {
                (Some(after), _) => shown(after.get(resource).and_then(|found| found.as_ref().ok()), key),
                (None, ConfigChange::Set(_, value)) => Some(value.clone()),
                (None, _) => Some("(default)".to_owned()),
            };
            let doc = Doc::map([
                ("resource", Doc::from(resource.to_string())),
                ("name", Doc::from(key)),
                ("before", Doc::from(was.clone())),
                ("after", Doc::from(is.clone())),
                ("dry_run", Doc::from(dry_run)),
            ]);
            let result = if dry_run { "would change" } else { "changed" };
            let cells = [
                Cell::from(resource),
                key.into(),
                was.unwrap_or_else(|| "-".to_owned()).into(),
                is.unwrap_or_else(|| "-".to_owned()).into(),
                Cell::mood(result, Mood::Good),
            ];
            table.push(format!("{resource}:{key}"), cells, doc);
        }
    }
    if table.rows.is_empty() && !faults.is_empty() {
        return Ok(Outcome::default().faults(faults));
    }
    Ok(Outcome::answer(Answer::Rows(table)).faults(faults))
}

fn key(change: &ConfigChange) -> &str {
    match change {
        ConfigChange::Set(key, _) | ConfigChange::Append(key, _) | ConfigChange::Subtract(key, _) => key,
        ConfigChange::Delete(key) => key,
    }
}

/// The config that an unknown name was most likely meant to be.
fn nearest_of<'a>(known: &[ConfigEntry], keys: impl Iterator<Item = &'a str>) -> Option<String> {
    let names: Vec<&str> = known.iter().map(|entry| entry.name.as_str()).collect();
    let mut unknown = keys.filter(|key| !names.contains(key));
    let near = unknown.find_map(|key| nearest(key, names.iter().copied()))?;
    Some(format!("did you mean '{near}'?"))
}

/// The same for a topic that does not exist yet: any topic has the same configs.
pub(crate) async fn nearest_config<'a>(admin: &Admin, keys: impl Iterator<Item = &'a str>) -> Option<String> {
    let listed = admin.list_topics().await.ok()?;
    let any = ConfigResource::Topic(listed.topics().next()?.name.to_string());
    let known = admin.describe_configs(&[any], None).await.only().ok()?;
    nearest_of(&known, keys)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_and_a_node_are_compared_key_by_key_in_the_order_of_the_file() {
        let of = |pairs: &[(&str, &str)]| pairs.iter().map(|(key, value)| ((*key).into(), (*value).into())).collect();
        let file =
            of(&[("node.id", "1"), ("kafka.listen", "\"a:1\""), ("kafka.newer", "7"), ("admin.listen", "\"a:2\"")]);
        let node =
            of(&[("node.id", "1"), ("kafka.older", "3"), ("kafka.listen", "\"b:1\""), ("admin.listen", "\"a:2\"")]);
        crate::snapshot::check_answer("config-diff-file", &settings_that_differ(file, node));
        let same: Vec<(String, String)> = of(&[("node.id", "1")]);
        crate::snapshot::check_answer("config-diff-file-same", &settings_that_differ(same.clone(), same));
    }

    #[test]
    fn resources_are_read_and_a_slip_is_named() {
        assert_eq!(resource("topic/orders").unwrap().to_string(), "topic/orders");
        assert_eq!(resource("broker/1").unwrap(), ConfigResource::Broker(BrokerId(1)));
        assert_eq!(resource("brokers").unwrap(), ConfigResource::AllBrokers);
        assert_eq!(resource("topci/a").unwrap_err().hint.as_deref(), Some("did you mean 'topic/NAME'?"));
        assert!(resource("broker/x").is_err());
        assert!(resource("topic/").is_err());
    }
}
