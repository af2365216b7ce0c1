//! `callboard version`.

use crate::output::{Answer, Doc, Sheet};
use crate::run::Outcome;

pub(crate) fn run(root: &clap::Command) -> Outcome {
    let version = root.get_version().unwrap_or(env!("CARGO_PKG_VERSION"));
    let doc = Doc::map([
        ("version", Doc::from(version)),
        ("os", Doc::from(std::env::consts::OS)),
        ("arch", Doc::from(std::env::consts::ARCH)),
    ]);
    let line = format!("callboard {version} ({}, {})", std::env::consts::OS, std::env::consts::ARCH);
    Outcome::answer(Answer::One(Sheet::new(version, doc).line(line)))
}
