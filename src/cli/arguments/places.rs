//! Places in a log and separators, as kcat and we write them.

use super::{When, when};

/// Where reading begins, and perhaps ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    /// The log's start.
    Start,
    /// The log's end.
    End,
    /// This offset.
    Offset(i64),
    /// So many records before the end.
    BeforeEnd(i64),
    /// So many records after the start.
    AfterStart(i64),
    /// The first record at or after a moment.
    Time(When),
    /// Where the group had read to.
    Stored,
}

/// From where to where.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Reach {
    /// The first record.
    pub(crate) from: Place,
    /// The record before which it ends.
    pub(crate) to: Option<Place>,
}

/// `start`, `end`, `47`, `-5`, `+2`, `@TIME`, `FROM:TO`, and kcat's `beginning`, `s@TIME`, `e@TIME`.
pub(crate) fn reach(text: &str) -> Result<Reach, String> {
    if let Some(time) = text.strip_prefix("s@") {
        return Ok(Reach { from: Place::Time(when(time)?), to: None });
    }
    if let Some(time) = text.strip_prefix("e@") {
        return Ok(Reach { from: Place::Start, to: Some(Place::Time(when(time)?)) });
    }
    if let Some(times) = text.strip_prefix('@') {
        // `@TIME` or `@TIME:@TIME`; a moment may itself hold colons.
        return match times.split_once(":@") {
            Some((from, to)) => Ok(Reach { from: Place::Time(when(from)?), to: Some(Place::Time(when(to)?)) }),
            None => Ok(Reach { from: Place::Time(when(times)?), to: None }),
        };
    }
    match text.split_once(':') {
        Some((from, to)) => Ok(Reach { from: place(from)?, to: Some(place(to)?) }),
        None => Ok(Reach { from: place(text)?, to: None }),
    }
}

fn place(text: &str) -> Result<Place, String> {
    if let Some(time) = text.strip_prefix('@') {
        return Ok(Place::Time(when(time)?));
    }
    let number = |digits: &str| digits.parse::<i64>().ok().filter(|number| *number >= 0);
    let found = match text {
        "start" | "beginning" | "earliest" => Some(Place::Start),
        "end" | "latest" => Some(Place::End),
        "stored" => Some(Place::Stored),
        _ => match (text.strip_prefix('-'), text.strip_prefix('+')) {
            (Some(back), _) => number(back).map(Place::BeforeEnd),
            (_, Some(on)) => number(on).map(Place::AfterStart),
            _ => number(text).map(Place::Offset),
        },
    };
    found.ok_or_else(|| match crate::nearest::nearest(text, ["start", "end", "stored", "beginning"]) {
        Some(word) => format!("'{text}' is no place in a log; did you mean '{word}'?"),
        None => format!("'{text}' is no place in a log: write start, end, 47, -5, +2, @TIME or FROM:TO"),
    })
}

/// A separator: one or more characters, `\n` `\t` `\\` `\0` `\xHH` understood.
pub(crate) fn separator(text: &str) -> Result<String, String> {
    let mut plain = String::new();
    let mut rest = text.chars();
    while let Some(letter) = rest.next() {
        if letter != '\\' {
            plain.push(letter);
            continue;
        }
        match rest.next() {
            Some('n') => plain.push('\n'),
            Some('r') => plain.push('\r'),
            Some('t') => plain.push('\t'),
            Some('0') => plain.push('\0'),
            Some('\\') => plain.push('\\'),
            Some('x') => {
                let digits: String = rest.by_ref().take(2).collect();
                let code = u8::from_str_radix(&digits, 16).ok().filter(u8::is_ascii);
                plain.push(char::from(code.ok_or_else(|| format!("'\\x{digits}' is no character of ASCII"))?));
            }
            other => {
                return Err(format!("'\\{}' is not known: write \\n, \\t, \\0, \\\\ or \\xHH", other.unwrap_or(' ')));
            }
        }
    }
    if plain.is_empty() { Err("at least one character is expected".to_owned()) } else { Ok(plain) }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn places_in_a_log_are_read_in_our_words_and_in_kcat_s() {
        let only = |from| Ok(Reach { from, to: None });
        assert_eq!(reach("start"), only(Place::Start));
        assert_eq!(reach("beginning"), only(Place::Start));
        assert_eq!(reach("-5"), only(Place::BeforeEnd(5)));
        assert_eq!(reach("+2"), only(Place::AfterStart(2)));
        assert_eq!(reach("47"), only(Place::Offset(47)));
        assert_eq!(reach("10:20"), Ok(Reach { from: Place::Offset(10), to: Some(Place::Offset(20)) }));
        assert_eq!(reach("@1000"), only(Place::Time(When::At(1000))));
        assert_eq!(reach("s@1000"), only(Place::Time(When::At(1000))));
        assert_eq!(reach("e@1000"), Ok(Reach { from: Place::Start, to: Some(Place::Time(When::At(1000))) }));
        assert_eq!(
            reach("@1970-01-01T00:00:01Z:@2000"),
            Ok(Reach { from: Place::Time(When::At(1000)), to: Some(Place::Time(When::At(2000))) })
        );
        assert_eq!(reach("@-15m"), only(Place::Time(When::Ago(Duration::from_secs(900)))));
        assert!(reach("strat").unwrap_err().contains("did you mean 'start'"));
        assert!(reach("--").is_err());
    }

    #[test]
    fn separators_are_read_with_their_signs() {
        assert_eq!(separator("\\t"), Ok("\t".to_owned()));
        assert_eq!(separator("\\x2c|"), Ok(",|".to_owned()));
        assert!(separator("").is_err());
        assert!(separator("\\q").is_err());
    }
}
