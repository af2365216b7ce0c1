//! The one layer that prints: a command yields rows or sheets, each with its document; the form is chosen here.
//!
//! Documents (`json`, `jsonl`, `yaml`) have snake_case keys and are a promise: keys are added, never renamed. Tables are
//! for people; piped, they become tab-separated lines without a header.

mod doc;
mod sheet;
mod table;
mod yaml;

pub(crate) use doc::Doc;
pub(crate) use sheet::Sheet;
pub(crate) use table::{Cell, Column, Table};

use crate::arguments::Format;
use crate::terminal::Look;

/// What a colour means; there are three, and each comes with a sign of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Mood {
    /// Nothing.
    #[default]
    Plain,
    /// ✓ as it should be.
    Good,
    /// ! works, but not as it should.
    Degraded,
    /// ✗ failed.
    Bad,
}

impl Mood {
    /// The sign that says the same without a colour.
    pub(crate) fn sign(self) -> &'static str {
        match self {
            Self::Plain => "",
            Self::Good => "✓",
            Self::Degraded => "!",
            Self::Bad => "✗",
        }
    }
}

/// A text in the colour of its meaning.
pub(crate) fn paint(text: &str, mood: Mood, colour: bool) -> String {
    let code = match mood {
        Mood::Good => "32",
        Mood::Degraded => "33",
        Mood::Bad => "31",
        Mood::Plain => return text.to_owned(),
    };
    if colour { format!("\u{1b}[{code}m{text}\u{1b}[0m") } else { text.to_owned() }
}

/// What a command answers.
#[derive(Debug, Clone)]
pub(crate) enum Answer {
    /// A list of like things.
    Rows(Table),
    /// One thing with its parts.
    One(Sheet),
    /// Several things with their parts.
    Many(Vec<Sheet>),
}

impl Answer {
    /// The answer in the form that was asked for, its last line break included.
    pub(crate) fn render(&self, format: Format, look: Look) -> String {
        match (self, format) {
            (Self::Rows(table), Format::Auto) if !look.terminal => table.tabbed(),
            (Self::Rows(table), Format::Auto | Format::Table) => table.aligned(false, look),
            (Self::Rows(table), Format::Wide) => table.aligned(true, look),
            (Self::One(sheet), Format::Auto | Format::Table) => sheet.text(false, look),
            (Self::One(sheet), Format::Wide) => sheet.text(true, look),
            (Self::Many(sheets), Format::Auto | Format::Table) => texts(sheets, false, look),
            (Self::Many(sheets), Format::Wide) => texts(sheets, true, look),
            (_, Format::Name) => self.names().iter().map(|name| format!("{name}\n")).collect(),
            (_, Format::Json) => format!("{}\n", self.doc().json_pretty()),
            (Self::One(sheet), Format::Jsonl) => format!("{}\n", sheet.doc.json_line()),
            (_, Format::Jsonl) => self.docs().iter().map(|doc| format!("{}\n", doc.json_line())).collect(),
            (_, Format::Yaml) => yaml::write(&self.doc()),
        }
    }

    /// The whole as one document.
    pub(crate) fn doc(&self) -> Doc {
        match self {
            Self::One(sheet) => sheet.doc.clone(),
            _ => Doc::List(self.docs()),
        }
    }

    fn docs(&self) -> Vec<Doc> {
        match self {
            Self::Rows(table) => table.rows.iter().map(|row| row.doc.clone()).collect(),
            Self::One(sheet) => vec![sheet.doc.clone()],
            Self::Many(sheets) => sheets.iter().map(|sheet| sheet.doc.clone()).collect(),
        }
    }

    fn names(&self) -> Vec<&str> {
        let mut names: Vec<&str> = match self {
            Self::Rows(table) => table.rows.iter().map(|row| row.name.as_str()).collect(),
            Self::One(sheet) => vec![sheet.name.as_str()],
            Self::Many(sheets) => sheets.iter().map(|sheet| sheet.name.as_str()).collect(),
        };
        names.dedup();
        names
    }
}

fn texts(sheets: &[Sheet], wide: bool, look: Look) -> String {
    sheets.iter().map(|sheet| sheet.text(wide, look)).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests;
