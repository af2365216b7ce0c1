//! Rules on source files, line by line.

use std::fs;
use std::path::Path;

use crate::blank::blank;
use crate::findings::Findings;
use crate::house::{LINES_MAX, LINES_WARN, MACHINES, NOT_IN_MACHINES, NOT_IN_MACHINES_BUT_TESTS};

pub(crate) fn check(root: &Path, files: &[String], findings: &mut Findings) -> std::io::Result<()> {
    for file in files.iter().filter(|file| file.ends_with(".rs")) {
        let source = fs::read_to_string(root.join(file))?;
        header(file, &source, findings);
        length(file, &source, findings);
        let code = blank(&source);
        let first_test = test_code_starts(file, &code);
        for (at, line) in code.lines().enumerate() {
            let in_test = at >= first_test;
            leftovers(file, at + 1, line, findings);
            machine(file, at + 1, line, in_test, findings);
            public_address(file, at + 1, line, findings);
            if !in_test && line.contains(".unwrap()") {
                findings.warn(file, at + 1, "unwrap", "say why it cannot fail: `expect(\"…\")`, or return the error");
            }
        }
    }
    Ok(())
}

/// The line (from 0) from which on everything is test code.
fn test_code_starts(file: &str, code: &str) -> usize {
    let parts: Vec<&str> = file.split('/').collect();
    let is_test =
        parts.first() == Some(&"tests") || parts[1..].iter().any(|part| matches!(*part, "tests" | "tests.rs"));
    if is_test {
        return 0;
    }
    let lines: Vec<&str> = code.lines().collect();
    let starts = |at: usize| {
        lines[at].trim() == "#[cfg(test)]"
            && lines.get(at + 1).is_some_and(|next| next.trim_start().starts_with("mod "))
    };
    (0..lines.len()).find(|at| starts(*at)).unwrap_or(usize::MAX)
}

fn header(file: &str, source: &str, findings: &mut Findings) {
    if file.ends_with("/tests.rs") {
        // The tests of the module whose folder it lies in: the name says it.
        return;
    }
    let told =
        source.lines().next().and_then(|line| line.strip_prefix("//!")).is_some_and(|job| !job.trim().is_empty());
    if !told {
        findings.fail(file, 1, "header", "open the file with a `//!` line that says its job");
    }
}

fn length(file: &str, source: &str, findings: &mut Findings) {
    let lines = source.lines().count();
    if lines > LINES_MAX {
        findings.fail(file, lines, "length", format!("{lines} lines, at most {LINES_MAX}: split it by role"));
    } else if lines > LINES_WARN {
        findings.warn(file, lines, "length", format!("{lines} lines: is it two files?"));
    }
}

fn leftovers(file: &str, at: usize, line: &str, findings: &mut Findings) {
    for word in ["todo!", "unimplemented!", "dbg!"] {
        if has_word(line, word) {
            findings.fail(file, at, "leftovers", format!("`{word}` does not stay: finish it or take it out"));
        }
    }
    if line.trim_start().starts_with("#[ignore") {
        findings.fail(file, at, "leftovers", "a test that is ignored tells nothing: repair it or delete it");
    }
}

fn machine(file: &str, at: usize, line: &str, in_test: bool, findings: &mut Findings) {
    if !MACHINES.iter().any(|room| file.strip_prefix(room).is_some_and(|rest| rest.starts_with('/'))) {
        return;
    }
    let words = NOT_IN_MACHINES.iter().chain(NOT_IN_MACHINES_BUT_TESTS.iter().filter(|_| !in_test));
    for (word, advice) in words {
        if has_word(line, word) {
            findings.fail(file, at, "machines", format!("`{word}`: {advice}"));
        }
    }
}

/// Actors are named, not held: an address is a thing of the runtime.
fn public_address(file: &str, at: usize, line: &str, findings: &mut Findings) {
    let outside = file.starts_with("actors/") && !file.starts_with("actors/runtime/");
    if outside && line.trim_start().starts_with("pub ") && has_word(line, "Addr<") {
        findings.fail(file, at, "addresses", "no `Addr` in a public signature: hand out an ActorRef of the runtime");
    }
}

/// Whether the line holds the word, not merely as the end of a longer one.
fn has_word(line: &str, word: &str) -> bool {
    line.match_indices(word).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        !before.is_some_and(|letter| letter.is_alphanumeric() || letter == '_')
    })
}
