//! Rows and columns: aligned for people, tab-separated for programs.

use super::{Doc, Mood, paint};
use crate::terminal::Look;

/// One field of a row.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Cell {
    pub(crate) text: String,
    pub(crate) mood: Mood,
}

impl Cell {
    /// A text that means something; people see it with a sign before it.
    pub(crate) fn mood(text: impl Into<String>, mood: Mood) -> Self {
        Self { text: text.into(), mood }
    }

    /// As a person sees it.
    pub(super) fn shown(&self) -> String {
        if self.mood == Mood::Plain { self.text.clone() } else { format!("{} {}", self.mood.sign(), self.text) }
    }
}

impl<T: ToString> From<T> for Cell {
    fn from(it: T) -> Self {
        Self { text: it.to_string(), mood: Mood::Plain }
    }
}

/// What one column shows.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Column {
    pub(crate) title: &'static str,
    /// Only with `-O wide`.
    pub(crate) wide: bool,
    /// Numbers stand at the right.
    pub(crate) right: bool,
}

impl Column {
    pub(crate) const fn text(title: &'static str) -> Self {
        Self { title, wide: false, right: false }
    }

    pub(crate) const fn number(title: &'static str) -> Self {
        Self { title, wide: false, right: true }
    }

    /// The same, with `-O wide` only.
    pub(crate) const fn wide(self) -> Self {
        Self { wide: true, ..self }
    }
}

/// One thing of a list.
#[derive(Debug, Clone)]
pub(crate) struct Row {
    /// What `-O name` prints.
    pub(crate) name: String,
    pub(crate) cells: Vec<Cell>,
    pub(crate) doc: Doc,
}

/// A list of like things.
#[derive(Debug, Clone, Default)]
pub(crate) struct Table {
    pub(crate) columns: Vec<Column>,
    pub(crate) rows: Vec<Row>,
    /// Said to a person when there are no rows.
    pub(crate) empty: &'static str,
}

impl Table {
    pub(crate) fn new(columns: impl Into<Vec<Column>>, empty: &'static str) -> Self {
        Self { columns: columns.into(), rows: Vec::new(), empty }
    }

    pub(crate) fn push(&mut self, name: impl Into<String>, cells: impl IntoIterator<Item = Cell>, doc: Doc) {
        let cells: Vec<Cell> = cells.into_iter().collect();
        debug_assert_eq!(cells.len(), self.columns.len(), "a cell for every column");
        self.rows.push(Row { name: name.into(), cells, doc });
    }

    fn shown(&self, wide: bool) -> Vec<usize> {
        (0..self.columns.len()).filter(|at| wide || !self.columns[*at].wide).collect()
    }

    /// A header and columns of equal width, for a person.
    pub(super) fn aligned(&self, wide: bool, look: Look) -> String {
        if self.rows.is_empty() {
            return if self.empty.is_empty() { String::new() } else { format!("{}\n", self.empty) };
        }
        let shown = self.shown(wide);
        let width = |at: &usize| {
            let cells = self.rows.iter().map(|row| columns_of(&row.cells[*at].shown()));
            cells.chain([columns_of(self.columns[*at].title)]).max().unwrap_or(0)
        };
        let widths: Vec<usize> = shown.iter().map(width).collect();
        let line = |cells: Vec<(String, Mood)>| {
            let mut line = String::new();
            for (place, (text, mood)) in cells.iter().enumerate() {
                let fill = " ".repeat(widths[place].saturating_sub(columns_of(text)));
                let (before, after) =
                    if self.columns[shown[place]].right { (fill.as_str(), "") } else { ("", fill.as_str()) };
                line.push_str(before);
                line.push_str(&paint(text, *mood, look.colour));
                line.push_str(after);
                line.push_str("  ");
            }
            format!("{}\n", line.trim_end())
        };
        let mut text = line(shown.iter().map(|at| (self.columns[*at].title.to_owned(), Mood::Plain)).collect());
        for row in &self.rows {
            text += &line(shown.iter().map(|at| (row.cells[*at].shown(), row.cells[*at].mood)).collect());
        }
        text
    }

    /// Tab-separated, without a header, every column that the plain table has.
    pub(super) fn tabbed(&self) -> String {
        let shown = self.shown(false);
        let clean = |text: &str| text.replace(['\t', '\n', '\r'], " ");
        let line = |row: &Row| shown.iter().map(|at| clean(&row.cells[*at].text)).collect::<Vec<_>>().join("\t") + "\n";
        self.rows.iter().map(line).collect()
    }
}

/// Places that a text takes on a terminal, as far as this program prints: one for each character.
pub(super) fn columns_of(text: &str) -> usize {
    text.chars().count()
}
