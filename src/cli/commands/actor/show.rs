//! What `callboard actor` shows.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::Value;

use crate::admin_port::ActorInfo;
use crate::moment::{show_bytes, show_count, show_duration, show_time};
use crate::output::{Answer, Cell, Column, Doc, Mood, Sheet, Table};

fn mood(state: &str) -> Mood {
    match state {
        "running" => Mood::Good,
        "starting" | "stopping" | "parked" => Mood::Degraded,
        _ => Mood::Bad,
    }
}

/// Whether someone should look at it.
pub(super) fn is_troubled(actor: &ActorInfo) -> bool {
    actor.state != "running" || actor.restarts > 0 || actor.refused > 0
}

fn doc(actor: &ActorInfo) -> Doc {
    let json = |value: &Option<Value>| value.as_ref().map_or(Doc::Null, Doc::of_json);
    let mut pairs = vec![
        ("path", Doc::from(actor.path.as_str())),
        ("kind", Doc::from(actor.kind.as_str())),
        ("state", Doc::from(actor.state.as_str())),
        ("incarnation", Doc::from(actor.incarnation)),
        ("restarts", Doc::from(actor.restarts)),
        ("mailbox_messages", Doc::from(actor.mailbox_messages)),
        ("mailbox_bytes", Doc::from(actor.mailbox_bytes)),
        ("limit_messages", Doc::from(actor.limit_messages)),
        ("limit_bytes", Doc::from(actor.limit_bytes)),
        ("oldest_message_age_ms", Doc::from(actor.oldest_message_age_ms)),
        ("handled", Doc::from(actor.handled)),
        ("refused", Doc::from(actor.refused)),
        ("dead_letters", Doc::from(actor.dead_letters)),
        ("last_failure", json(&actor.last_failure)),
        ("current", json(&actor.current)),
        ("arbiter", Doc::from(actor.arbiter)),
        ("strategy", Doc::from(actor.strategy.clone())),
    ];
    if let Some(shows) = &actor.shows {
        pairs.push(("shows", Doc::of_json(&Value::Object(shows.clone()))));
    }
    if let Some(parts) = &actor.parts {
        let part = |part: &crate::admin_port::ActorPart| {
            Doc::map([
                ("name", Doc::from(part.name.as_str())),
                ("shows", Doc::of_json(&Value::Object(part.shows.clone()))),
            ])
        };
        pairs.push(("parts", Doc::list(parts.iter().map(part))));
    }
    Doc::map(pairs)
}

pub(super) fn list(actors: &[ActorInfo]) -> Answer {
    let columns = [
        Column::text("PATH"),
        Column::text("KIND"),
        Column::text("STATE"),
        Column::number("RESTARTS"),
        Column::number("MAILBOX"),
        Column::number("HANDLED"),
        Column::text("OLDEST").wide(),
        Column::number("REFUSED").wide(),
        Column::number("ARBITER").wide(),
    ];
    let mut table = Table::new(columns, "no actors match");
    for actor in actors {
        let restarts = if actor.restarts > 0 { Mood::Degraded } else { Mood::Plain };
        let cells = [
            Cell::from(&actor.path),
            (&actor.kind).into(),
            Cell::mood(&actor.state, mood(&actor.state)),
            Cell::mood(actor.restarts.to_string(), restarts),
            actor.mailbox_messages.into(),
            show_count(actor.handled).into(),
            actor.oldest_message_age_ms.map_or_else(String::new, |ms| show_duration(Duration::from_millis(ms))).into(),
            actor.refused.into(),
            actor.arbiter.into(),
        ];
        table.push(actor.path.clone(), cells, doc(actor));
    }
    Answer::Rows(table)
}

/// Children of one pool that are drawn; a node may have thousands of connections.
const CHILDREN_MAX: usize = 50;

/// The tree with lines. The document has every actor down to the depth, those too that a long row of siblings leaves out.
pub(super) fn tree(actors: &[ActorInfo], depth: Option<usize>) -> Answer {
    let columns = [
        Column::text("ACTOR"),
        Column::text("STATE"),
        Column::number("RESTARTS"),
        Column::number("MAILBOX"),
        Column::text("KIND"),
    ];
    let places: BTreeMap<&str, usize> =
        actors.iter().enumerate().map(|(at, actor)| (actor.path.as_str(), at)).collect();
    let mut children: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    let mut roots = Vec::new();
    for (at, actor) in actors.iter().enumerate() {
        let parent = actor.path.rsplit_once('/').and_then(|(parent, _)| places.get(parent));
        match parent {
            Some(parent) => children.entry(*parent).or_default().push(at),
            None => roots.push(at),
        }
    }
    let mut drawing = Drawing { actors, children, depth, table: Table::new(columns, "no actors"), docs: Vec::new() };
    for root in &roots {
        drawing.draw(*root, 0, &actors[*root].path, "");
    }
    let name = roots.first().map_or("", |root| actors[*root].path.as_str());
    Answer::One(Sheet::new(name, Doc::List(drawing.docs)).table("", drawing.table))
}

struct Drawing<'a> {
    actors: &'a [ActorInfo],
    children: BTreeMap<usize, Vec<usize>>,
    depth: Option<usize>,
    table: Table,
    docs: Vec<Doc>,
}

impl Drawing<'_> {
    /// An actor with its label, then those below it behind `indent`.
    fn draw(&mut self, at: usize, level: usize, label: &str, indent: &str) {
        let actor = &self.actors[at];
        let restarts = if actor.restarts > 0 { Mood::Degraded } else { Mood::Plain };
        let kind = match &actor.strategy {
            Some(strategy) => format!("{} {strategy}", actor.kind),
            None => actor.kind.clone(),
        };
        let cells = [
            Cell::from(label),
            Cell::mood(&actor.state, mood(&actor.state)),
            Cell::mood(actor.restarts.to_string(), restarts),
            actor.mailbox_messages.into(),
            kind.into(),
        ];
        self.table.push(actor.path.clone(), cells, Doc::Null);
        self.docs.push(doc(actor));
        if self.depth.is_some_and(|depth| level >= depth) {
            return;
        }
        let below = self.children.remove(&at).unwrap_or_default();
        let (drawn, left_out) = below.split_at(below.len().min(CHILDREN_MAX));
        for (number, child) in drawn.iter().enumerate() {
            let last = number + 1 == below.len();
            let name = self.actors[*child].path.rsplit('/').next().unwrap_or_default();
            let label = format!("{indent}{} {name}", if last { "└─" } else { "├─" });
            let further = format!("{indent}{}", if last { "   " } else { "│  " });
            self.draw(*child, level + 1, &label, &further);
        }
        if !left_out.is_empty() {
            let label = format!("{indent}└─ and {} more", left_out.len());
            self.table.push("", [Cell::from(label), "".into(), "".into(), "".into(), "".into()], Doc::Null);
            self.docs.extend(left_out.iter().map(|child| doc(&self.actors[*child])));
        }
    }
}

pub(super) fn describe(actor: &ActorInfo) -> Answer {
    let mailbox = format!(
        "{} of {} messages, {} of {}",
        show_count(actor.mailbox_messages),
        show_count(actor.limit_messages),
        show_bytes(actor.mailbox_bytes),
        show_bytes(actor.limit_bytes)
    );
    let mut sheet = Sheet::new(actor.path.as_str(), doc(actor))
        .fact("path", &actor.path)
        .fact("kind", &actor.kind)
        .fact("state", Cell::mood(&actor.state, mood(&actor.state)))
        .fact("incarnation", actor.incarnation)
        .fact("restarts", actor.restarts)
        .fact("mailbox", mailbox)
        .fact("handled", show_count(actor.handled))
        .fact("refused", actor.refused)
        .fact("dead letters", actor.dead_letters)
        .fact("arbiter", actor.arbiter);
    if let Some(strategy) = &actor.strategy {
        sheet = sheet.fact("strategy", strategy);
    }
    if let Some(age) = actor.oldest_message_age_ms {
        sheet = sheet.fact("oldest message", show_duration(Duration::from_millis(age)));
    }
    if let Some(current) = &actor.current {
        sheet = sheet.fact("in hand", plain(current));
    }
    if let Some(failure) = &actor.last_failure {
        sheet = sheet.fact("last failure", Cell::mood(plain(failure), Mood::Degraded));
    }
    for (name, value) in actor.shows.iter().flatten() {
        sheet = sheet.fact(name.clone(), plain(value));
    }
    if let Some(parts) = actor.parts.as_ref().filter(|parts| !parts.is_empty()) {
        let mut table = Table::new([Column::text("PART"), Column::text("SHOWS")], "");
        for part in parts {
            let shows: Vec<String> =
                part.shows.iter().map(|(name, value)| format!("{name}={}", plain(value))).collect();
            table.push(part.name.clone(), [Cell::from(&part.name), shows.join(" ").into()], Doc::Null);
        }
        sheet = sheet.table("", table);
    }
    Answer::One(sheet)
}

/// A value of JSON on one line, for a person.
fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Object(pairs) => {
            let pairs = pairs.iter().filter(|(_, value)| !value.is_null());
            pairs.map(|(name, value)| format!("{name}={}", plain(value))).collect::<Vec<_>>().join(" ")
        }
        Value::Array(items) => items.iter().map(plain).collect::<Vec<_>>().join(", "),
        other => other.to_string(),
    }
}

/// How many there have been, and the last ones.
pub(super) fn dead_letters(answer: &Value) -> Answer {
    let recent = answer.get("recent").and_then(Value::as_array).cloned().unwrap_or_default();
    let total = answer.get("total").and_then(Value::as_u64).unwrap_or(0);
    let columns = [
        Column::text("TIME"),
        Column::text("TO"),
        Column::text("MESSAGE"),
        Column::text("WHY"),
        Column::number("COUNT"),
    ];
    let mut table = Table::new(columns, "");
    for letter in &recent {
        let text = |name: &str| letter.get(name).map(plain).unwrap_or_default();
        let time = letter.get("at_ms").and_then(Value::as_i64).map(show_time).unwrap_or_default();
        let cells = [
            Cell::from(time),
            text("path").into(),
            text("message").into(),
            text("reason").into(),
            text("count").into(),
        ];
        table.push("", cells, Doc::Null);
    }
    let doc = Doc::map([
        ("total", Doc::from(total)),
        ("by_reason", answer.get("by_reason").map_or(Doc::Null, Doc::of_json)),
        ("recent", Doc::list(recent.iter().map(Doc::of_json))),
    ]);
    let mut sheet = Sheet::new(total.to_string(), doc).fact("dead letters", total);
    for (reason, count) in answer.get("by_reason").and_then(Value::as_object).into_iter().flatten() {
        sheet = sheet.fact(reason.clone(), plain(count));
    }
    Answer::One(sheet.table("", table))
}
