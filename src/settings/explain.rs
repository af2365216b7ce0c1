//! What `callboard config explain`, `print` and `check` show.

use std::collections::BTreeMap;
use std::fmt::Write;

use crate::error::{Problem, SettingsError};
use crate::nearest::nearest;
use crate::{Loaded, Origin, SECTIONS, Settings, key, keys};

/// One key: what it means, what it may be, what it is and who set it.
pub fn explain(loaded: &Loaded, name: &str) -> Result<String, SettingsError> {
    let Some(key) = key(name) else {
        let nearest = nearest(name).map(|key| key.name.to_owned());
        return Err(Problem::UnknownKey { key: name.to_owned(), origin: Origin::Flag, nearest }.into());
    };
    let mut text = format!("{}\n", key.name);
    let mut line = |text_line: &str| writeln!(text, "  {text_line}").expect("a string takes every write");
    key.doc_lines().for_each(&mut line);
    line("");
    let mut fact = |what: &str, is: &str| line(&format!("{what:<9} {is}"));
    fact("takes", key.expects);
    if let Some((low, high)) = key.range {
        fact("range", &format!("{low} to {high}"));
    }
    if !key.unit.is_empty() {
        fact("unit", key.unit);
    }
    fact("default", &(key.show)(&Settings::default()));
    if let Some(kafka) = key.kafka {
        fact("Kafka", kafka);
    }
    fact("variable", &key.variable());
    fact("value", &format!("{} (from: {})", (key.show)(&loaded.settings), loaded.origin(key.name)));
    Ok(text.lines().map(|line| format!("{}\n", line.trim_end())).collect())
}

/// The settings in force as TOML, each with who set it; it can be used as a settings file.
pub fn print(loaded: &Loaded) -> String {
    let mut text = String::new();
    for (section, _, keys) in SECTIONS {
        if !text.is_empty() {
            text.push('\n');
        }
        writeln!(text, "[{section}]").expect("a string takes every write");
        for key in *keys {
            let value = (key.show)(&loaded.settings);
            writeln!(text, "{} = {value} # {}", key.short_name(), one_line(&loaded.origin(key.name)))
                .expect("a string takes every write");
        }
    }
    text
}

/// Every key with its value as TOML, in the order in which they are shown.
pub fn values(settings: &Settings) -> impl Iterator<Item = (&'static str, String)> + use<'_> {
    keys().map(|key| (key.name, (key.show)(settings)))
}

/// One line on legal settings: how many keys each layer set.
pub fn check(loaded: &Loaded) -> String {
    let mut layers: BTreeMap<usize, (String, usize)> = BTreeMap::new();
    for key in keys() {
        let origin = loaded.origin(key.name);
        let (rank, name) = match &origin {
            Origin::Default | Origin::DevDefault => (3, "by default".to_owned()),
            Origin::File(path) => (0, format!("in {}", path.display())),
            Origin::Variable(_) => (1, "by variables".to_owned()),
            Origin::Flag => (2, "on the command line".to_owned()),
        };
        layers.entry(rank).or_insert((name, 0)).1 += 1;
    }
    let parts: Vec<String> = layers.into_values().map(|(name, count)| format!("{count} {name}")).collect();
    format!("settings are legal: {}", parts.join(", "))
}

/// A path may contain a line break, a comment may not.
fn one_line(origin: &Origin) -> String {
    origin.to_string().chars().map(|c| if c.is_control() { '?' } else { c }).collect()
}
