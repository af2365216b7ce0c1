//! `callboard context`.

use crate::arguments::{ContextAdd, ContextCommand, ContextNoun};
use crate::contexts::{Context, Contexts};
use crate::fault::Fault;
use crate::output::{Answer, Cell, Column, Doc, Mood, Sheet, Table};
use crate::run::{Outcome, confirm};

pub(crate) fn run(noun: ContextNoun) -> Result<Outcome, Fault> {
    let mut contexts = Contexts::load()?;
    match noun.command {
        ContextCommand::List => {
            let current = contexts.current().map(str::to_owned);
            let all = contexts.names().into_iter().map(|name| contexts.get(&name).map(|context| (name, context)));
            Ok(Outcome::answer(list(&all.collect::<Result<Vec<_>, _>>()?, current.as_deref())))
        }
        ContextCommand::Add(add) => put(&mut contexts, add),
        ContextCommand::Use(asked) => {
            contexts.get(&asked.name)?;
            contexts.make_current(&asked.name);
            contexts.save()?;
            Ok(done(&asked.name, "is the current context"))
        }
        ContextCommand::Remove(asked) => {
            contexts.get(&asked.name)?;
            confirm(asked.danger.yes, &format!("Removing context '{}'", asked.name), &asked.name)?;
            contexts.remove(&asked.name);
            contexts.save()?;
            Ok(done(&asked.name, "is removed"))
        }
        ContextCommand::Current => {
            let Some(name) = contexts.current().map(str::to_owned) else {
                return Err(
                    Fault::not_found("no context is the current one").hint("callboard context use NAME chooses one")
                );
            };
            Ok(Outcome::answer(one(&name, &contexts.get(&name)?)))
        }
    }
}

fn put(contexts: &mut Contexts, add: ContextAdd) -> Result<Outcome, Fault> {
    if contexts.names().contains(&add.name) && !add.force {
        return Err(Fault::failed(format!("there is a context '{}' already", add.name)).hint("--force replaces it"));
    }
    if add.name.is_empty() || add.name.chars().any(char::is_control) {
        return Err(Fault::usage("a context's name has at least one letter and no control characters"));
    }
    let first = contexts.names().is_empty();
    contexts.put(&add.name, &Context { brokers: add.brokers, admin: add.admin, options: add.options });
    if add.make_current || first {
        contexts.make_current(&add.name);
    }
    contexts.save()?;
    let current = contexts.current() == Some(add.name.as_str());
    Ok(done(&add.name, if current { "is there, and is the current context" } else { "is there" }))
}

fn done(name: &str, what: &str) -> Outcome {
    let doc = Doc::map([("name", Doc::from(name)), ("result", Doc::from(what))]);
    Outcome::answer(Answer::One(Sheet::new(name, doc).line(Cell::mood(format!("context '{name}' {what}"), Mood::Good))))
}

fn doc(name: &str, context: &Context, current: bool) -> Doc {
    let options = Doc::map(context.options.iter().map(|(key, value)| (key.clone(), Doc::from(value.as_str()))));
    Doc::map([
        ("name", Doc::from(name)),
        ("current", Doc::from(current)),
        ("brokers", Doc::from(context.brokers.as_str())),
        ("admin", Doc::from(context.admin.clone())),
        ("options", options),
    ])
}

fn list(contexts: &[(String, Context)], current: Option<&str>) -> Answer {
    let columns = [
        Column::text("CURRENT"),
        Column::text("NAME"),
        Column::text("BROKERS"),
        Column::text("ADMIN"),
        Column::text("OPTIONS").wide(),
    ];
    let mut table = Table::new(columns, "no contexts; callboard context add NAME --brokers HOST:PORT makes one");
    for (name, context) in contexts {
        let is_current = current == Some(name);
        let options: Vec<String> = context.options.iter().map(|(key, value)| format!("{key}={value}")).collect();
        let cells = [
            Cell::from(if is_current { "*" } else { "" }),
            name.into(),
            (&context.brokers).into(),
            context.admin.clone().unwrap_or_default().into(),
            options.join(" ").into(),
        ];
        table.push(name, cells, doc(name, context, is_current));
    }
    Answer::Rows(table)
}

fn one(name: &str, context: &Context) -> Answer {
    let options = context.options.iter().map(|(key, value)| (key.clone(), Cell::from(value)));
    let sheet = Sheet::new(name, doc(name, context, true))
        .fact("name", name)
        .fact("brokers", &context.brokers)
        .fact("admin", context.admin.clone().unwrap_or_default());
    Answer::One(sheet.facts(options))
}
