//! Rules on the tree: what stands at the top, what files are called, what no text may hold.

use std::fs;
use std::path::Path;

use crate::findings::Findings;
use crate::house::{EMPTY_NAMES, TOP_LEVEL};

/// Dotted folders that belong to the house.
const DOTTED: [&str; 4] = [".ci", ".cargo", ".config", ".github"];

/// Every file of the house, as a path from the root with `/`, in order. Build results and version control are left out.
pub(crate) fn files(root: &Path) -> std::io::Result<Vec<String>> {
    let mut files = Vec::new();
    walk(root, "", &ignored(root), &mut files)?;
    files.sort();
    Ok(files)
}

fn walk(folder: &Path, prefix: &str, ignored: &[String], files: &mut Vec<String>) -> std::io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let path = format!("{prefix}{name}");
        if entry.file_type()?.is_dir() {
            let foreign = name == "target" || name == "__pycache__" || ignored.contains(&path);
            if !foreign && (!name.starts_with('.') || DOTTED.contains(&name.as_str())) {
                walk(&entry.path(), &format!("{path}/"), ignored, files)?;
            }
        } else if !ignored.contains(&path) {
            files.push(path);
        }
    }
    Ok(())
}

/// What `.gitignore` names at the root: `/target`.
fn ignored(root: &Path) -> Vec<String> {
    let text = fs::read_to_string(root.join(".gitignore")).unwrap_or_default();
    text.lines()
        .filter_map(|line| line.trim().strip_prefix('/'))
        .map(|name| name.trim_end_matches('/').to_owned())
        .collect()
}

pub(crate) fn check(root: &Path, files: &[String], findings: &mut Findings) -> std::io::Result<()> {
    top_level(root, findings)?;
    for file in files {
        names(file, findings);
        if let Ok(text) = fs::read_to_string(root.join(file)) {
            home_paths(file, &text, findings);
        }
    }
    Ok(())
}

/// Exactly what the plan names, nothing missing, nothing more.
fn top_level(root: &Path, findings: &mut Findings) -> std::io::Result<()> {
    let ignored = ignored(root);
    let mut seen = Vec::new();
    for entry in fs::read_dir(root)? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        if !name.starts_with('.') && !ignored.contains(&name) {
            seen.push(name);
        }
    }
    for name in seen.iter().filter(|name| !TOP_LEVEL.contains(&name.as_str())) {
        findings.fail(name, 0, "top level", "does not belong here: move it into a room, or give it a dotted name");
    }
    for name in TOP_LEVEL.iter().filter(|name| !seen.iter().any(|there| there == *name)) {
        findings.fail(name, 0, "top level", "is missing");
    }
    Ok(())
}

fn names(file: &str, findings: &mut Findings) {
    for part in file.split('/') {
        let stem = part.split('.').next().unwrap_or(part).to_lowercase();
        if let Some(word) = stem.split(['_', '-']).find(|word| EMPTY_NAMES.contains(word)) {
            findings.fail(file, 0, "names", format!("`{word}` names nothing: call it by what it does"));
        }
    }
}

/// A path below someone's home is right on one machine only.
fn home_paths(file: &str, text: &str, findings: &mut Findings) {
    // Put together here, so that this file does not find itself.
    let homes = ["home", "root", "Users"].map(|folder| format!("/{folder}/"));
    for (at, line) in text.lines().enumerate() {
        for home in &homes {
            let absolute = |at: usize| {
                let before = line[..at].chars().next_back();
                !before.is_some_and(|letter| {
                    letter.is_alphanumeric() || matches!(letter, '.' | '_' | '-' | '}' | '/' | '$')
                })
            };
            if line.match_indices(home.as_str()).any(|(found, _)| absolute(found)) {
                findings.fail(
                    file,
                    at + 1,
                    "home paths",
                    format!("`{home}…` exists on one machine only: take it from the environment"),
                );
            }
        }
    }
}
