//! The right name that a wrong one was most likely meant to be.

use callboard_model::edits;

/// The nearest of a few names, if any is near enough to be worth naming.
pub(super) fn nearest(wrong: &str, names: impl Iterator<Item = &'static str>) -> Option<&'static str> {
    let plain = wrong.to_lowercase().replace(['_', '-'], ".");
    let (least, name) = names.map(|name| (edits(&plain, name), name)).min_by_key(|(cost, _)| *cost)?;
    (least <= (wrong.len() / 3).clamp(2, 5)).then_some(name)
}
