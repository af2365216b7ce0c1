//! `callboard actor`: talks to a node's admin port.

mod show;
#[cfg(test)]
mod tests;

use super::pattern::matches;
use crate::admin_port::{ActorInfo, AdminPort};
use crate::arguments::{ActorCommand, ActorNoun, ActorOrder, ActorTouch};
use crate::connection::{Place, unknown_name};
use crate::fault::{Exit, Fault};
use crate::output::{Answer, Cell, Doc, Mood, Sheet};
use crate::run::{Outcome, confirm, watch};

pub(crate) async fn run(noun: ActorNoun) -> Result<Outcome, Fault> {
    let place = Place::find(&noun.link, noun.admin.admin.as_deref())?;
    let port = AdminPort::new(&place)?;
    let (port, shown) = (&port, &noun.shown);
    match noun.command {
        ActorCommand::Tree(asked) => {
            let asked = &asked;
            let gather = || async move {
                let actors = below(port.actors().await?, asked.path.as_deref())?;
                Ok(Outcome::answer(show::tree(&actors, asked.depth)))
            };
            watch(shown, &asked.watching, gather, |_| false).await
        }
        ActorCommand::List(asked) => {
            let asked = &asked;
            let gather = || async move {
                let mut actors = port.actors().await?;
                actors.retain(|actor| {
                    asked.pattern.as_ref().is_none_or(|pattern| matches(pattern, &actor.path))
                        && asked.kind.as_ref().is_none_or(|kind| kind.eq_ignore_ascii_case(&actor.kind))
                        && (!asked.troubled || show::is_troubled(actor))
                });
                sort(&mut actors, asked.sort);
                Ok(Outcome::answer(show::list(&actors)))
            };
            watch(shown, &asked.watching, gather, |_| false).await
        }
        ActorCommand::Describe(asked) => {
            let asked = &asked;
            let gather = || async move {
                let actor = match port.actor(&asked.path).await {
                    Err(fault) if fault.exit == Exit::NotFound => return Err(unknown(port, &asked.path, fault).await),
                    other => other?,
                };
                Ok(Outcome::answer(show::describe(&actor)))
            };
            watch(shown, &asked.watching, gather, |_| false).await
        }
        ActorCommand::Restart(asked) => touch(port, &asked, "restart", "Restarting", "is being restarted").await,
        ActorCommand::Kill(asked) => touch(port, &asked, "kill", "Killing", "is made to fail").await,
        ActorCommand::DeadLetters(asked) => {
            let gather = || async move { Ok(Outcome::answer(show::dead_letters(&port.dead_letters().await?))) };
            watch(shown, &asked.watching, gather, |_| false).await
        }
    }
}

/// An actor and everything below it.
fn below(actors: Vec<ActorInfo>, path: Option<&str>) -> Result<Vec<ActorInfo>, Fault> {
    let Some(path) = path.map(|path| path.trim_matches('/')) else { return Ok(actors) };
    if !actors.iter().any(|actor| actor.path == path) {
        let known: Vec<String> = actors.into_iter().map(|actor| actor.path).collect();
        return Err(unknown_name("actor", path, &known, "callboard actor list"));
    }
    let under = format!("{path}/");
    Ok(actors.into_iter().filter(|actor| actor.path == path || actor.path.starts_with(&under)).collect())
}

fn sort(actors: &mut [ActorInfo], order: ActorOrder) {
    match order {
        // As they come.
        ActorOrder::Path => {}
        ActorOrder::Mailbox => {
            actors.sort_by_key(|actor| std::cmp::Reverse((actor.mailbox_messages, actor.mailbox_bytes)))
        }
        ActorOrder::Restarts => actors.sort_by_key(|actor| std::cmp::Reverse(actor.restarts)),
        ActorOrder::Handled => actors.sort_by_key(|actor| std::cmp::Reverse(actor.handled)),
    }
}

async fn unknown(port: &AdminPort, path: &str, refused: Fault) -> Fault {
    match port.actors().await {
        Ok(actors) if actors.iter().any(|actor| actor.path == path) => refused,
        Ok(actors) => {
            let known: Vec<String> = actors.into_iter().map(|actor| actor.path).collect();
            unknown_name("actor", path, &known, "callboard actor list")
        }
        Err(_) => refused,
    }
}

async fn touch(port: &AdminPort, asked: &ActorTouch, what: &str, doing: &str, done: &str) -> Result<Outcome, Fault> {
    confirm(asked.danger.yes, &format!("{doing} actor '{}'", asked.path), &asked.path)?;
    match port.touch(&asked.path, what).await {
        Err(fault) if fault.exit == Exit::NotFound => return Err(unknown(port, &asked.path, fault).await),
        other => other?,
    }
    let doc = Doc::map([("path", Doc::from(asked.path.as_str())), ("result", Doc::from(what))]);
    let line = Cell::mood(format!("actor '{}' {done}", asked.path), Mood::Good);
    Ok(Outcome::answer(Answer::One(Sheet::new(asked.path.as_str(), doc).line(line)))
        .note(format!("callboard actor describe {} shows what came of it", asked.path)))
}
