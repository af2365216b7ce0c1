//! What was found: where, which rule, and what to do about it.

use std::fmt;

/// One place that breaks a rule.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Finding {
    /// Path from the root.
    pub(crate) file: String,
    /// Line from 1; 0 stands for the file as a whole.
    pub(crate) line: usize,
    /// The rule's name.
    pub(crate) rule: &'static str,
    /// What is wrong and what to do.
    pub(crate) advice: String,
    /// Whether it only warns.
    pub(crate) warning: bool,
}

/// Everything that was found.
#[derive(Debug)]
pub(crate) struct Findings {
    pub(crate) all: Vec<Finding>,
    files: usize,
}

impl Findings {
    pub(crate) fn new(files: usize) -> Self {
        Self { all: Vec::new(), files }
    }

    /// Breaks a rule.
    pub(crate) fn fail(&mut self, file: &str, line: usize, rule: &'static str, advice: impl Into<String>) {
        self.all.push(Finding { file: file.to_owned(), line, rule, advice: advice.into(), warning: false });
    }

    /// Should be looked at.
    pub(crate) fn warn(&mut self, file: &str, line: usize, rule: &'static str, advice: impl Into<String>) {
        self.all.push(Finding { file: file.to_owned(), line, rule, advice: advice.into(), warning: true });
    }

    pub(crate) fn sort(&mut self) {
        self.all.sort();
    }

    pub(crate) fn failed(&self) -> bool {
        self.all.iter().any(|finding| !finding.warning)
    }

    pub(crate) fn summary(&self) -> String {
        let warnings = self.all.iter().filter(|finding| finding.warning).count();
        format!("{} files, {} findings, {warnings} warnings", self.files, self.all.len() - warnings)
    }
}

impl fmt::Display for Findings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for finding in &self.all {
            let weight = if finding.warning { "warning: " } else { "" };
            match finding.line {
                0 => write!(f, "{}", finding.file)?,
                line => write!(f, "{}:{line}", finding.file)?,
            }
            writeln!(f, ": {}: {weight}{}", finding.rule, finding.advice)?;
        }
        Ok(())
    }
}
