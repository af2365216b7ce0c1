//! Moments and stretches of time as people write and read them. UTC only: what is printed here is true everywhere.

use std::time::Duration;

/// `2026-11-22T10:00:00.123Z` of milliseconds since 1970; the number itself where a calendar does not reach.
pub(crate) fn show_time(millis: i64) -> String {
    let (days, rest) = (millis.div_euclid(86_400_000), millis.rem_euclid(86_400_000));
    if !(-719_162..2_932_897).contains(&days) {
        return millis.to_string();
    }
    let (year, month, day) = civil(days);
    let (seconds, fraction) = (rest / 1000, rest % 1000);
    let (hour, minute, second) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{fraction:03}Z")
}

/// Milliseconds since 1970 of `2026-11-22`, `2026-11-22T10:00`, `2026-11-22T10:00:00.5Z`, `…+02:00`. No zone means UTC.
pub(crate) fn parse_time(text: &str) -> Option<i64> {
    let (date, time) = match text.split_once(['T', 't', ' ']) {
        Some((date, time)) => (date, Some(time)),
        None => (text, None),
    };
    let mut parts = date.split('-').map(digits);
    let (year, month, day) = (parts.next()??, parts.next()??, parts.next()??);
    if parts.next().is_some() || !(1..=9999).contains(&year) || !(1..=12).contains(&month) || day < 1 {
        return None;
    }
    let days = days(year, month, day);
    if civil(days) != (year, month, day) {
        return None;
    }
    let within = time.map_or(Some(0), time_of_day)?;
    Some(days * 86_400_000 + within)
}

fn time_of_day(text: &str) -> Option<i64> {
    let (clock, zone_ms) = match text.strip_suffix(['Z', 'z']) {
        Some(clock) => (clock, 0),
        None => match text.rfind(['+', '-']) {
            Some(at) => {
                let (hours, minutes) = text[at + 1..].split_once(':')?;
                let (hours, minutes) = (digits(hours)?, digits(minutes)?);
                let ahead = if text.as_bytes()[at] == b'+' { 1 } else { -1 };
                (
                    (hours < 24 && minutes < 60).then_some(()).map(|()| &text[..at])?,
                    ahead * (hours * 60 + minutes) * 60_000,
                )
            }
            None => (text, 0),
        },
    };
    let mut parts = clock.split(':');
    let (hour, minute) = (digits(parts.next()?)?, digits(parts.next()?)?);
    let (second, millis) = match parts.next() {
        Some(second) => match second.split_once('.') {
            Some((whole, fraction)) if !fraction.is_empty() && fraction.len() <= 9 => {
                let scaled: String = fraction.chars().chain("000".chars()).take(3).collect();
                digits(fraction)?;
                (digits(whole)?, digits(&scaled)?)
            }
            Some(_) => return None,
            None => (digits(second)?, 0),
        },
        None => (0, 0),
    };
    if parts.next().is_some() || hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    Some(((hour * 60 + minute) * 60 + second) * 1000 + millis - zone_ms)
}

/// Milliseconds since 1970 of an HTTP date, `Sun, 22 Nov 2026 10:00:00 GMT` (RFC 9110, IMF-fixdate).
pub(crate) fn parse_http_date(text: &str) -> Option<i64> {
    const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let mut words = text.split_once(", ")?.1.split(' ');
    let day = words.next()?;
    let month = words.next()?;
    let month = MONTHS.iter().position(|name| *name == month)? + 1;
    let (year, time) = (words.next()?, words.next()?);
    (words.next()? == "GMT").then(|| parse_time(&format!("{year}-{month:02}-{day}T{time}Z")))?
}

fn digits(text: &str) -> Option<i64> {
    (!text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())).then(|| text.parse().ok()).flatten()
}

/// Days since 1970 of a date of the Gregorian calendar (Hinnant, "chrono-compatible low-level date algorithms").
fn days(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let of_era = year.rem_euclid(400);
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

/// The date of a number of days since 1970.
fn civil(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let of_era = days.rem_euclid(146_097);
    let year = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let shifted = (5 * of_year + 2) / 153;
    let day = of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    (year + era * 400 + i64::from(month <= 2), month, day)
}

/// `500ms`, `10s`, `1m30s`, `2h`, `7d`.
pub(crate) fn parse_duration(text: &str) -> Result<Duration, String> {
    let wrong = || format!("'{text}' is no stretch of time: write 500ms, 10s, 1m30s, 2h or 7d");
    let mut total = Duration::ZERO;
    let mut rest = text.trim();
    if rest.is_empty() {
        return Err(wrong());
    }
    while !rest.is_empty() {
        let number_end = rest.find(|c: char| !c.is_ascii_digit()).ok_or_else(wrong)?;
        let unit_end = rest[number_end..].find(|c: char| c.is_ascii_digit()).map_or(rest.len(), |at| at + number_end);
        let millis: u64 = match &rest[number_end..unit_end] {
            "ms" => 1,
            "s" => 1000,
            "m" | "min" => 60_000,
            "h" => 3_600_000,
            "d" => 86_400_000,
            _ => return Err(wrong()),
        };
        let number: u64 = rest[..number_end].parse().map_err(|_| wrong())?;
        let part = number.checked_mul(millis).filter(|millis| *millis <= 3_155_760_000_000).ok_or_else(wrong)?;
        total += Duration::from_millis(part);
        rest = &rest[unit_end..];
    }
    Ok(total)
}

/// `350ms`, `4.2s`, `3m10s`, `5h02m`, `3d04h`.
pub(crate) fn show_duration(span: Duration) -> String {
    let millis = span.as_millis();
    let seconds = span.as_secs();
    match millis {
        0..1000 => format!("{millis}ms"),
        1000..60_000 => format!("{:.1}s", span.as_secs_f64()),
        60_000..3_600_000 => format!("{}m{:02}s", seconds / 60, seconds % 60),
        3_600_000..86_400_000 => format!("{}h{:02}m", seconds / 3600, seconds / 60 % 60),
        _ => format!("{}d{:02}h", seconds / 86_400, seconds / 3600 % 24),
    }
}

/// `512 B`, `1.5 KiB`, `3.2 GiB`.
pub(crate) fn show_bytes(bytes: u64) -> String {
    let mut size = bytes as f64;
    if bytes < 1024 {
        return format!("{bytes} B");
    }
    for unit in ["KiB", "MiB", "GiB", "TiB"] {
        size /= 1024.0;
        if size < 1024.0 || unit == "TiB" {
            return format!("{size:.1} {unit}");
        }
    }
    unreachable!("the last unit takes every size")
}

/// `1 234 567`.
pub(crate) fn show_count(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(' ');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_read_back_as_they_are_shown() {
        for millis in [0, 1, 1_795_341_600_123, -62_135_596_800_000, 951_782_400_000, 253_402_300_799_999] {
            assert_eq!(parse_time(&show_time(millis)), Some(millis), "{}", show_time(millis));
        }
        assert_eq!(show_time(1_795_341_600_123), "2026-11-22T10:00:00.123Z");
        assert_eq!(show_time(i64::MAX), i64::MAX.to_string());
        assert_eq!(parse_time("2026-11-22"), Some(1_795_305_600_000));
        assert_eq!(parse_time("2026-11-22T12:00+02:00"), Some(1_795_341_600_000));
        assert_eq!(parse_time("2026-11-22 10:00:00.5"), Some(1_795_341_600_500));
    }

    #[test]
    fn http_dates_are_read() {
        assert_eq!(parse_http_date("Sun, 22 Nov 2026 10:00:00 GMT"), Some(1_795_341_600_000));
        assert_eq!(parse_http_date("22 Nov 2026"), None);
    }

    #[test]
    fn what_no_calendar_has_is_no_moment() {
        for wrong in
            ["", "2026-02-30", "2026-13-01", "2026-11-22T24:00", "2026-11-22T10", "yesterday", "2026-11-22T10:00:00."]
        {
            assert_eq!(parse_time(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn stretches_are_read_and_shown() {
        assert_eq!(parse_duration("1m30s"), Ok(Duration::from_secs(90)));
        assert_eq!(parse_duration("500ms"), Ok(Duration::from_millis(500)));
        assert!(parse_duration("10").is_err());
        assert!(parse_duration("10x").is_err());
        assert!(parse_duration("99999999999999d").is_err());
        assert_eq!(show_duration(Duration::from_secs(3723)), "1h02m");
        assert_eq!(show_duration(Duration::from_millis(4210)), "4.2s");
        assert_eq!(show_bytes(1536), "1.5 KiB");
        assert_eq!(show_count(1_234_567), "1 234 567");
        assert_eq!(show_count(12), "12");
    }
}
