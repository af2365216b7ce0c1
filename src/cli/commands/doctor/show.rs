//! What `callboard doctor` shows: one line per check.

use super::Finding;
use crate::output::{Answer, Cell, Column, Doc, Mood, Sheet, Table};

fn word(mood: Mood) -> &'static str {
    match mood {
        Mood::Good | Mood::Plain => "ok",
        Mood::Degraded => "warning",
        Mood::Bad => "wrong",
    }
}

pub(super) fn findings(findings: &[Finding]) -> Answer {
    let docs = findings.iter().map(|finding| {
        Doc::map([
            ("check", Doc::from(finding.check)),
            ("result", Doc::from(word(finding.mood))),
            ("message", Doc::from(finding.text.as_str())),
            ("hint", Doc::from(finding.remedy.clone())),
        ])
    });
    let worst =
        [Mood::Bad, Mood::Degraded].into_iter().find(|mood| findings.iter().any(|finding| finding.mood == *mood));
    let verdict = word(worst.unwrap_or(Mood::Good));
    let doc = Doc::map([("result", Doc::from(verdict)), ("checks", Doc::list(docs))]);
    let mut sheet = Sheet::new(verdict, doc);
    for finding in findings {
        sheet = sheet.line(Cell::mood(finding.text.as_str(), finding.mood));
        if let Some(remedy) = &finding.remedy {
            sheet = sheet.line(format!("  → {remedy}"));
        }
    }
    Answer::One(sheet.table("", Table::new([Column::text("")], "")))
}
