//! Keeps the house in order: `cargo run -p callboard-tidy` tells every place that breaks a rule, and what to do there.
//!
//! Reads files and nothing else; needs no crate, so it runs before anything is built. The rules' tables are in `house.rs`.

mod blank;
mod findings;
mod house;
mod manifest;
mod manifest_rules;
mod source_rules;
mod tree_rules;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use findings::Findings;

fn main() -> ExitCode {
    let root = std::env::args_os().nth(1).map_or_else(workspace_root, PathBuf::from);
    let findings = match inspect(&root) {
        Ok(findings) => findings,
        Err(error) => {
            eprintln!("tidy: cannot read {}: {error}", root.display());
            return ExitCode::FAILURE;
        }
    };
    print!("{findings}");
    println!("tidy: {}", findings.summary());
    if findings.failed() { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

/// Two folders above this crate when cargo starts us, else where we stand.
fn workspace_root() -> PathBuf {
    let crate_folder = std::env::var_os("CARGO_MANIFEST_DIR").map(PathBuf::from);
    crate_folder.and_then(|folder| Some(folder.parent()?.parent()?.to_owned())).unwrap_or_else(|| PathBuf::from("."))
}

/// Applies every rule to the tree below `root`.
fn inspect(root: &Path) -> std::io::Result<Findings> {
    let files = tree_rules::files(root)?;
    let mut findings = Findings::new(files.len());
    tree_rules::check(root, &files, &mut findings)?;
    manifest_rules::check(root, &files, &mut findings)?;
    source_rules::check(root, &files, &mut findings)?;
    findings.sort();
    Ok(findings)
}

#[cfg(test)]
mod tests;
