//! Values on the command line: pairs, durations, moments, positions.

use std::time::Duration;

use crate::moment;

/// A stretch of time as it is written on a command line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Span(pub(crate) Duration);

impl Default for Span {
    fn default() -> Self {
        Self(Duration::from_secs(15))
    }
}

/// `KEY=VALUE`.
pub(crate) fn key_value(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.trim().is_empty() => Ok((key.trim().to_owned(), value.to_owned())),
        _ => Err("KEY=VALUE is expected".to_owned()),
    }
}

/// `500ms`, `10s`, `1m30s`, `2h`, `7d`.
pub(crate) fn duration(text: &str) -> Result<Span, String> {
    moment::parse_duration(text).map(Span)
}

/// `2`, `0.5`, or a duration with its unit.
pub(crate) fn seconds(text: &str) -> Result<Span, String> {
    let span = match text.parse::<f64>() {
        Ok(number) => Duration::try_from_secs_f64(number).map_err(|_| format!("'{text}' is no number of seconds"))?,
        Err(_) => moment::parse_duration(text)?,
    };
    if span < Duration::from_millis(100) {
        return Err("at least 0.1 seconds are expected".to_owned());
    }
    Ok(Span(span))
}

/// A moment as milliseconds since 1970, or a stretch before now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum When {
    /// Milliseconds since 1970, UTC.
    At(i64),
    /// So long before now.
    Ago(Duration),
}

impl When {
    /// As milliseconds since 1970.
    pub(crate) fn millis(self, now_ms: i64) -> i64 {
        match self {
            Self::At(millis) => millis,
            Self::Ago(span) => now_ms.saturating_sub(i64::try_from(span.as_millis()).unwrap_or(i64::MAX)),
        }
    }
}

/// `2026-11-22T10:00:00Z`, `2026-11-22`, `1795341600000` (milliseconds), `-15m` or `15m` ago.
pub(crate) fn when(text: &str) -> Result<When, String> {
    if let Some(millis) = text.parse::<i64>().ok().filter(|millis| *millis >= 0) {
        return Ok(When::At(millis));
    }
    if let Some(millis) = moment::parse_time(text) {
        return Ok(When::At(millis));
    }
    let ago = text.strip_prefix('-').unwrap_or(text);
    moment::parse_duration(ago).map(When::Ago).map_err(|_| {
        format!("'{text}' is no moment: write 2026-11-22T10:00:00Z, milliseconds since 1970, or -15m for a while ago")
    })
}

/// Partitions: `3`, `0,2`, `4-7`.
pub(crate) fn partitions(text: &str) -> Result<Vec<i32>, String> {
    const MOST: i32 = 100_000;
    let number = |part: &str| {
        let number = part.trim().parse::<i32>().ok().filter(|number| (0..MOST).contains(number));
        number.ok_or_else(|| format!("'{part}' is no partition: write 3, 0,2 or 4-7"))
    };
    let mut all = Vec::new();
    for part in text.split(',') {
        match part.split_once('-') {
            Some((from, to)) => all.extend(number(from)?..=number(to)?),
            None => all.push(number(part)?),
        }
    }
    all.sort_unstable();
    all.dedup();
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn partitions_are_numbers_lists_and_ranges() {
        assert_eq!(partitions("3"), Ok(vec![3]));
        assert_eq!(partitions("2,0"), Ok(vec![0, 2]));
        assert_eq!(partitions("4-6,5"), Ok(vec![4, 5, 6]));
        assert!(partitions("0-99999999").is_err());
        assert!(partitions("x").is_err());
    }

    #[test]
    fn spans_and_pairs_are_read() {
        assert_eq!(seconds("0.5"), Ok(Span(Duration::from_millis(500))));
        assert!(seconds("0").is_err());
        assert!(seconds("nan").is_err());
        assert!(key_value("a").is_err());
        assert_eq!(key_value("a=b=c"), Ok(("a".to_owned(), "b=c".to_owned())));
    }
}
