//! Names from the cluster for a shell that completes a word; silent, and never longer than the budget.

use std::time::Duration;

use clap_complete::engine::{ArgValueCompleter, CompletionCandidate};

use crate::arguments::{Link, Span};
use crate::connection::Place;
use crate::contexts::Contexts;

/// How long a shell waits for names.
const BUDGET: Duration = Duration::from_millis(300);

pub(crate) fn topics() -> ArgValueCompleter {
    from(|place| async move {
        let listed = place.admin().await.ok()?.list_topics().await.ok()?;
        Some(listed.topics().map(|topic| topic.name.to_string()).collect())
    })
}

pub(crate) fn groups() -> ArgValueCompleter {
    from(|place| async move {
        let listed = place.admin().await.ok()?.list_groups().await.ok()?;
        Some(listed.groups.into_iter().map(|group| group.group).collect())
    })
}

pub(crate) fn resources() -> ArgValueCompleter {
    from(|place| async move {
        let listed = place.admin().await.ok()?.list_topics().await.ok()?;
        let brokers = listed.brokers().map(|broker| format!("broker/{}", broker.id.0));
        let topics = listed.topics().map(|topic| format!("topic/{}", topic.name));
        Some(brokers.chain(["brokers".to_owned()]).chain(topics).collect())
    })
}

pub(crate) fn actors() -> ArgValueCompleter {
    from(|place| async move {
        let actors = crate::admin_port::AdminPort::new(&place).ok()?.actors().await.ok()?;
        Some(actors.into_iter().map(|actor| actor.path).collect())
    })
}

pub(crate) fn contexts() -> ArgValueCompleter {
    ArgValueCompleter::new(|current: &std::ffi::OsStr| {
        candidates(current, Contexts::load().map(|all| all.names()).ok())
    })
}

fn from<F>(names: fn(Place) -> F) -> ArgValueCompleter
where
    F: Future<Output = Option<Vec<String>>> + 'static,
{
    ArgValueCompleter::new(move |current: &std::ffi::OsStr| {
        let ask = || {
            let place = Place::find(&link_of_words(), None).ok()?;
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().ok()?;
            let asked = runtime.block_on(async { tokio::time::timeout(BUDGET, names(place)).await });
            runtime.shutdown_background();
            asked.ok()?
        };
        candidates(current, ask())
    })
}

fn candidates(current: &std::ffi::OsStr, names: Option<Vec<String>>) -> Vec<CompletionCandidate> {
    let begun = current.to_string_lossy();
    let names = names.unwrap_or_default().into_iter().filter(|name| name.starts_with(begun.as_ref()));
    names.map(CompletionCandidate::new).collect()
}

/// Where the cluster is, as far as the words before say it.
fn link_of_words() -> Link {
    let words: Vec<String> = std::env::args().collect();
    let after = |flags: &[&str]| {
        let pair = words.windows(2).find(|pair| flags.contains(&pair[0].as_str()))?;
        Some(pair[1].clone())
    };
    Link {
        brokers: after(&["-b", "--brokers"]),
        context: after(&["--context"]),
        options: Vec::new(),
        timeout: Span(BUDGET),
    }
}
