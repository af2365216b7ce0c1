//! The actor tree as JSON: what the runtime knows of every actor, and what coordinators show of themselves and their groups.

use std::time::Duration;

use callboard_runtime::{ActorInfo, Path, System};
use futures_util::future::join_all;
use serde_json::{Map, Value};

/// How long an actor may take to show itself; the page comes without what is late.
const DEADLINE: Duration = Duration::from_millis(500);

/// Every actor; those below `detailed` with `shows` and `parts`.
pub(super) async fn tree(system: &System, detailed: &Path) -> Result<Vec<u8>, serde_json::Error> {
    let rows = system.tree().into_iter().map(|actor| async move {
        let mut row = serde_json::to_value(&actor)?;
        if actor.path.parent().as_ref() == Some(detailed)
            && let Some(row) = row.as_object_mut()
        {
            show(system, &actor.path, row).await?;
        }
        Ok(row)
    });
    let rows: Vec<Value> = join_all(rows).await.into_iter().collect::<Result<_, serde_json::Error>>()?;
    serde_json::to_vec(&rows)
}

/// One actor, with what it shows of itself and what it keeps.
pub(super) async fn one(system: &System, actor: &ActorInfo) -> Result<Vec<u8>, serde_json::Error> {
    let mut row = serde_json::to_value(actor)?;
    if let Some(row) = row.as_object_mut() {
        show(system, &actor.path, row).await?;
    }
    serde_json::to_vec(&row)
}

async fn show(system: &System, path: &Path, row: &mut Map<String, Value>) -> Result<(), serde_json::Error> {
    let both = async { (system.snapshot(path).await, system.parts(path).await) };
    let Ok((shows, parts)) = tokio::time::timeout(DEADLINE, both).await else { return Ok(()) };
    if let Some(shows) = shows {
        row.insert("shows".to_owned(), fields(shows));
    }
    let parts: Vec<Value> = parts
        .unwrap_or_default()
        .into_iter()
        .map(|part| {
            let mut shown = Map::new();
            shown.insert("name".to_owned(), Value::String(part.name));
            shown.insert("shows".to_owned(), fields(part.fields));
            Value::Object(shown)
        })
        .collect();
    row.insert("parts".to_owned(), Value::Array(parts));
    Ok(())
}

fn fields(fields: Vec<(&'static str, String)>) -> Value {
    Value::Object(fields.into_iter().map(|(name, value)| (name.to_owned(), Value::String(value))).collect())
}
