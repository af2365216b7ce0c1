//! `callboard completions`.

use clap_complete::env::Shells;

use crate::arguments::Completions;
use crate::fault::Fault;
use crate::run::{Outcome, emit};

pub(crate) fn run(asked: &Completions, mut root: clap::Command) -> Result<Outcome, Fault> {
    let mut script = Vec::new();
    let name = asked.shell.to_string();
    match Shells::builtins().completer(&name) {
        Some(shell) if !asked.fixed => {
            let written = shell.write_registration("COMPLETE", "callboard", "callboard", "callboard", &mut script);
            written.map_err(|error| Fault::failed("the script cannot be written").because(error.to_string()))?;
        }
        _ => clap_complete::generate(asked.shell, &mut root, "callboard", &mut script),
    }
    emit(&String::from_utf8_lossy(&script))?;
    Ok(Outcome::default())
}
