//! Rules on manifests: who uses whom.

use std::fs;
use std::path::Path;

use crate::findings::Findings;
use crate::house::{ROOMS, WALLS};
use crate::manifest::Manifest;

const PREFIX: &str = "callboard-";

pub(crate) fn check(root: &Path, files: &[String], findings: &mut Findings) -> std::io::Result<()> {
    let manifests: Vec<&String> = files.iter().filter(|file| file.rsplit('/').next() == Some("Cargo.toml")).collect();
    let members = match fs::read_to_string(root.join("Cargo.toml")) {
        Ok(text) => Manifest::parse(&text).members,
        Err(_) => {
            findings.fail("Cargo.toml", 0, "members", "is missing: the root is a package and the workspace's map");
            return Ok(());
        }
    };
    for file in manifests {
        let manifest = Manifest::parse(&fs::read_to_string(root.join(file))?);
        let folder = file.strip_suffix("/Cargo.toml").unwrap_or(".");
        if folder != "." && manifest.is_workspace {
            // A workspace of its own, kept out of ours on purpose: comparisons, fuzzing.
            continue;
        }
        if folder != "." && !members.iter().any(|member| member == folder) {
            let advice =
                format!("{folder} is no member: add it to the list in the root, or give it a [workspace] of its own");
            findings.fail(file, 0, "members", advice);
        }
        if !manifest.takes_lints {
            findings.fail(file, 0, "lints", "add `[lints]` with `workspace = true`, so that the house's lints apply");
        }
        inner(file, folder, &manifest, findings);
        outer(file, folder, &manifest, findings);
    }
    Ok(())
}

/// Rooms use only what the plan allows them.
fn inner(file: &str, folder: &str, manifest: &Manifest, findings: &mut Findings) {
    let Some((_, allowed)) = ROOMS.iter().find(|(room, _)| *room == folder) else {
        findings.fail(file, 0, "plan", format!("room {folder} is not on the plan: enter it in tests/tidy/house.rs"));
        return;
    };
    for (name, line) in &manifest.dependencies {
        if folder == "tests/tidy" {
            findings.fail(
                file,
                *line,
                "layers",
                format!("tidy uses no crate, so that it runs before anything is built: take {name} out"),
            );
        } else if let Some(room) = name.strip_prefix(PREFIX).filter(|room| !allowed.contains(room)) {
            let may = if allowed.is_empty() { "nothing".to_owned() } else { allowed.join(", ") };
            let advice = format!("{folder} may not use {room}; of the house it may use {may}: hand values in instead");
            findings.fail(file, *line, "layers", advice);
        }
    }
}

/// Crates of the outer world stay behind their walls.
fn outer(file: &str, folder: &str, manifest: &Manifest, findings: &mut Findings) {
    for (name, line) in &manifest.dependencies {
        let plain = name.replace('_', "-");
        let Some((_, rooms)) = WALLS.iter().find(|(wall, _)| *wall == plain) else {
            continue;
        };
        if !rooms.contains(&folder) {
            let at_home = if rooms.is_empty() { "nowhere".to_owned() } else { format!("only in {}", rooms.join(", ")) };
            let advice = format!("{name} is used {at_home}: go through that room, or move this code there");
            findings.fail(file, *line, "walls", advice);
        }
    }
}
