//! `callboard man`: one page for each command.

use std::path::Path;

use crate::fault::Fault;
use crate::output::{Answer, Cell, Column, Doc, Table};
use crate::run::Outcome;

pub(crate) fn run(dir: &Path, mut root: clap::Command) -> Result<Outcome, Fault> {
    let failed = |path: &Path, error: std::io::Error| {
        Fault::failed(format!("{} cannot be written", path.display())).because(error.to_string())
    };
    std::fs::create_dir_all(dir).map_err(|error| failed(dir, error))?;
    root.build();
    let mut table = Table::new([Column::text("PAGE")], "");
    let mut pages = Vec::new();
    gather(&root, "callboard", &mut pages);
    for (name, command) in pages {
        let path = dir.join(format!("{name}.1"));
        let mut page = Vec::new();
        // The page of `topic list` is `callboard-topic-list`, as git's are.
        let leaked: &'static str = Box::leak(name.into_boxed_str());
        let man = clap_mangen::Man::new(command.name(leaked));
        man.render(&mut page).and_then(|()| std::fs::write(&path, &page)).map_err(|error| failed(&path, error))?;
        let shown = path.display().to_string();
        table.push(shown.clone(), [Cell::from(&shown)], Doc::map([("page", Doc::from(shown.as_str()))]));
    }
    Ok(Outcome::answer(Answer::Rows(table)))
}

fn gather(command: &clap::Command, name: &str, to: &mut Vec<(String, clap::Command)>) {
    to.push((name.to_owned(), command.clone()));
    for below in command.get_subcommands().filter(|below| below.get_name() != "help") {
        gather(below, &format!("{name}-{}", below.get_name()), to);
    }
}
