//! One thing with its parts: facts, then tables.

use std::fmt::Write as _;

use super::table::columns_of;
use super::{Cell, Doc, Table, paint};
use crate::terminal::Look;

/// One thing with its parts.
#[derive(Debug, Clone)]
pub(crate) struct Sheet {
    /// What `-O name` prints.
    pub(crate) name: String,
    facts: Vec<(String, Cell)>,
    tables: Vec<(String, Table)>,
    lines: Vec<Cell>,
    pub(crate) doc: Doc,
}

impl Sheet {
    pub(crate) fn new(name: impl Into<String>, doc: Doc) -> Self {
        Self { name: name.into(), facts: Vec::new(), tables: Vec::new(), lines: Vec::new(), doc }
    }

    pub(crate) fn fact(mut self, label: impl Into<String>, value: impl Into<Cell>) -> Self {
        self.facts.push((label.into(), value.into()));
        self
    }

    pub(crate) fn facts(mut self, facts: impl IntoIterator<Item = (String, Cell)>) -> Self {
        self.facts.extend(facts);
        self
    }

    pub(crate) fn table(mut self, title: impl Into<String>, table: Table) -> Self {
        self.tables.push((title.into(), table));
        self
    }

    /// A whole line of its own, after the facts.
    pub(crate) fn line(mut self, line: impl Into<Cell>) -> Self {
        self.lines.push(line.into());
        self
    }

    pub(super) fn text(&self, wide: bool, look: Look) -> String {
        let mut text = String::new();
        let width = self.facts.iter().map(|(label, _)| columns_of(label)).max().unwrap_or(0);
        for (label, cell) in &self.facts {
            let fill = " ".repeat(width - columns_of(label));
            let line = format!("{label}{fill}  {}", paint(&cell.shown(), cell.mood, look.colour));
            writeln!(text, "{}", line.trim_end()).expect("a string takes every write");
        }
        for line in &self.lines {
            writeln!(text, "{}", paint(&line.shown(), line.mood, look.colour)).expect("a string takes every write");
        }
        for (title, table) in &self.tables {
            let shown = table.aligned(wide, look);
            if !shown.is_empty() {
                let space = if text.is_empty() { "" } else { "\n" };
                let title = if title.is_empty() { String::new() } else { format!("{title}\n") };
                write!(text, "{space}{title}{shown}").expect("a string takes every write");
            }
        }
        text
    }
}
