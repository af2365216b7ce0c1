//! `deploy/config/node.toml`: every key with its meaning and its default, rendered from the table of keys.

use std::fmt::Write;

use crate::{Key, SECTIONS, Settings};

const WIDTH: usize = 110;

const HEAD: &str = "\
# Settings of a Callboard node. Every key is here with its meaning and its default; take the `#` away to change one.
#
# Stronger than this file: a variable (named beside each key), and stronger than that: a flag of the command line.
# An unknown key is an error. Look before a start:  callboard config check --config FILE
# Sizes take KiB, MiB, GiB, TiB; times take ms, s, m, h, d.
#
# This file is rendered from the table of settings, and a test keeps it so.
";

/// The settings file with everything in it, each key commented out.
pub fn render_node_toml() -> String {
    let defaults = Settings::default();
    let mut text = HEAD.to_owned();
    for (section, purpose, keys) in SECTIONS {
        write!(text, "\n# {}\n[{section}]\n", purpose.trim()).expect("a string takes every write");
        for key in *keys {
            text.push('\n');
            text.push_str(&entry(key, &defaults));
        }
    }
    text
}

fn entry(key: &Key, defaults: &Settings) -> String {
    let mut text = String::new();
    let doc: Vec<&str> = key.doc_lines().collect();
    for line in wrapped(&doc.join(" ")) {
        writeln!(text, "# {line}").expect("a string takes every write");
    }
    for line in wrapped(&facts(key)) {
        writeln!(text, "# {line}").expect("a string takes every write");
    }
    writeln!(text, "#{} = {}", key.short_name(), (key.show)(defaults)).expect("a string takes every write");
    text
}

fn facts(key: &Key) -> String {
    let mut facts = format!("Takes {}", key.expects);
    if let Some((low, high)) = key.range {
        write!(facts, ", {low} to {high}").expect("a string takes every write");
    }
    facts.push('.');
    if let Some(kafka) = key.kafka {
        write!(facts, " Kafka: {kafka}.").expect("a string takes every write");
    }
    write!(facts, " Variable: {}", key.variable()).expect("a string takes every write");
    facts
}

fn wrapped(text: &str) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        let line = lines.last_mut().expect("there is always a line");
        if !line.is_empty() && line.len() + 1 + word.len() > WIDTH {
            lines.push(word.to_owned());
        } else {
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(word);
        }
    }
    lines
}
