//! How a record is printed: kcat's templates, and one JSON document.

use std::io::Write as _;

use callboard_client::consumer::ConsumerRecord;

use crate::moment;
use crate::output::Doc;

/// A part of a template.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Text(Vec<u8>),
    Topic,
    Partition,
    Offset,
    Key,
    Value,
    KeySize,
    ValueSize,
    Headers,
    Time,
    TimeInWords,
}

/// A template, ready to be filled in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Template {
    parts: Vec<Part>,
    /// What stands for null.
    null: &'static [u8],
}

impl Template {
    /// `%t`, `%p`, `%o`, `%k`, `%v`, `%s`, `%S`, `%K`, `%h`, `%T`, `%D`, `%%`, `\n`, `\t`, `\xHH`.
    pub(super) fn parse(text: &str, show_null: bool) -> Result<Self, String> {
        let mut parts = Vec::new();
        let mut plain: Vec<u8> = Vec::new();
        let mut letters = text.chars();
        while let Some(letter) = letters.next() {
            let part = match letter {
                '%' => match letters.next() {
                    Some('t') => Part::Topic,
                    Some('p') => Part::Partition,
                    Some('o') => Part::Offset,
                    Some('k') => Part::Key,
                    Some('v' | 's') => Part::Value,
                    Some('S') => Part::ValueSize,
                    Some('K') => Part::KeySize,
                    Some('h') => Part::Headers,
                    Some('T') => Part::Time,
                    Some('D') => Part::TimeInWords,
                    Some('%') => {
                        plain.push(b'%');
                        continue;
                    }
                    Some(other) => return Err(format!("'%{other}' is not known")),
                    None => return Err("a single '%' at the end: write %% for a percent sign".to_owned()),
                },
                '\\' => {
                    plain.push(escaped(&mut letters)?);
                    continue;
                }
                other => {
                    plain.extend_from_slice(other.encode_utf8(&mut [0; 4]).as_bytes());
                    continue;
                }
            };
            if !plain.is_empty() {
                parts.push(Part::Text(std::mem::take(&mut plain)));
            }
            parts.push(part);
        }
        if !plain.is_empty() {
            parts.push(Part::Text(plain));
        }
        Ok(Self { parts, null: if show_null { b"NULL" } else { b"" } })
    }

    /// A text as a part of a template that stands for itself.
    pub(super) fn escape(text: &str) -> String {
        text.replace('\\', "\\\\").replace('%', "%%")
    }

    /// Fills the template in.
    pub(super) fn write(&self, record: &ConsumerRecord, out: &mut Vec<u8>) {
        let size = |bytes: &Option<bytes::Bytes>| bytes.as_ref().map_or(-1, |bytes| bytes.len() as i64);
        for part in &self.parts {
            let written = match part {
                Part::Text(text) => out.write_all(text),
                Part::Topic => out.write_all(record.topic.as_bytes()),
                Part::Partition => write!(out, "{}", record.partition),
                Part::Offset => write!(out, "{}", record.offset),
                Part::Key => out.write_all(record.key.as_deref().unwrap_or(self.null)),
                Part::Value => out.write_all(record.value.as_deref().unwrap_or(self.null)),
                Part::KeySize => write!(out, "{}", size(&record.key)),
                Part::ValueSize => write!(out, "{}", size(&record.value)),
                Part::Headers => {
                    for (at, header) in record.headers.iter().enumerate() {
                        out.extend_from_slice(if at == 0 { b"" } else { b"," });
                        out.extend_from_slice(header.key.as_bytes());
                        out.push(b'=');
                        out.extend_from_slice(header.value.as_deref().unwrap_or(self.null));
                    }
                    Ok(())
                }
                Part::Time => write!(out, "{}", record.timestamp.0),
                Part::TimeInWords => out.write_all(moment::show_time(record.timestamp.0).as_bytes()),
            };
            written.expect("memory takes every write");
        }
    }
}

fn escaped(letters: &mut std::str::Chars<'_>) -> Result<u8, String> {
    match letters.next() {
        Some('n') => Ok(b'\n'),
        Some('r') => Ok(b'\r'),
        Some('t') => Ok(b'\t'),
        Some('0') => Ok(0),
        Some('\\') => Ok(b'\\'),
        Some('x') => {
            let digits: String = letters.by_ref().take(2).collect();
            let hex = digits.len() == 2 && digits.bytes().all(|digit| digit.is_ascii_hexdigit());
            let byte = hex.then(|| u8::from_str_radix(&digits, 16).ok()).flatten();
            byte.ok_or_else(|| format!("'\\x{digits}' is no byte"))
        }
        Some(other) => Err(format!("'\\{other}' is not known")),
        None => Err("a single '\\' at the end".to_owned()),
    }
}

/// A record as a document. Bytes that are no text come as base64, and a key beside says so.
pub(super) fn json(record: &ConsumerRecord) -> Doc {
    let mut pairs = vec![
        ("topic".to_owned(), Doc::from(&*record.topic)),
        ("partition".to_owned(), Doc::from(record.partition)),
        ("offset".to_owned(), Doc::from(record.offset)),
        ("timestamp".to_owned(), Doc::from(record.timestamp.0)),
    ];
    let mut bytes = |name: &str, value: Option<&[u8]>| match value.map(std::str::from_utf8) {
        None => pairs.push((name.to_owned(), Doc::Null)),
        Some(Ok(text)) => pairs.push((name.to_owned(), Doc::from(text))),
        Some(Err(_)) => {
            pairs.push((name.to_owned(), Doc::from(base64(value.unwrap_or_default()))));
            pairs.push((format!("{name}_encoding"), Doc::from("base64")));
        }
    };
    bytes("key", record.key.as_deref());
    bytes("value", record.value.as_deref());
    let header = |header: &callboard_client::Header| {
        let mut pairs = vec![("name".to_owned(), Doc::from(header.key.as_str()))];
        match header.value.as_deref().map(std::str::from_utf8) {
            None => pairs.push(("value".to_owned(), Doc::Null)),
            Some(Ok(text)) => pairs.push(("value".to_owned(), Doc::from(text))),
            Some(Err(_)) => {
                pairs.push(("value".to_owned(), Doc::from(base64(header.value.as_deref().unwrap_or_default()))));
                pairs.push(("value_encoding".to_owned(), Doc::from("base64")));
            }
        }
        Doc::Map(pairs)
    };
    pairs.push(("headers".to_owned(), Doc::list(record.headers.iter().map(header))));
    Doc::Map(pairs)
}

/// RFC 4648, with padding.
fn base64(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for three in bytes.chunks(3) {
        let group = three.iter().fold(0u32, |group, byte| group << 8 | u32::from(*byte)) << (8 * (3 - three.len()));
        for place in 0..4 {
            let letter = LETTERS[(group >> (18 - 6 * place) & 63) as usize];
            text.push(if place <= three.len() { char::from(letter) } else { '=' });
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use bytes::Bytes;
    use callboard_client::Header;
    use callboard_client::model::{Timestamp, TimestampType};

    use super::*;

    fn record(key: Option<&'static [u8]>, value: Option<&'static [u8]>) -> ConsumerRecord {
        ConsumerRecord {
            topic: Arc::from("orders"),
            partition: 2,
            offset: 47,
            leader_epoch: Some(1),
            timestamp: Timestamp(1_795_341_600_123),
            timestamp_type: TimestampType::CreateTime,
            key: key.map(Bytes::from_static),
            value: value.map(Bytes::from_static),
            headers: vec![Header::new("trace", "7"), Header::new("b", Bytes::from_static(&[0xff]))],
        }
    }

    fn filled(template: &str, show_null: bool, record: &ConsumerRecord) -> String {
        let mut out = Vec::new();
        Template::parse(template, show_null).unwrap().write(record, &mut out);
        String::from_utf8_lossy(&out).into_owned()
    }

    #[test]
    fn every_letter_of_a_template_is_filled_in() {
        let full = record(Some(b"k"), Some(b"value"));
        let template = "%t[%p] %o %k=%v|%s %K %S %h %T %D 100%%\\n\\x41";
        let expected =
            "orders[2] 47 k=value|value 1 5 trace=7,b=\u{fffd} 1795341600123 2026-11-22T10:00:00.123Z 100%\nA";
        assert_eq!(filled(template, false, &full), expected);
        assert_eq!(filled("%k:%v:%S", true, &record(None, None)), "NULL:NULL:-1");
        assert_eq!(filled("%k:%v", false, &record(None, Some(b""))), ":");
        assert_eq!(filled(&format!("%v{}", Template::escape("%\\")), false, &full), "value%\\");
    }

    #[test]
    fn a_wrong_template_is_told_of() {
        for wrong in ["%q", "%", "\\q", "\\x4", "\\xzz", "\\"] {
            assert!(Template::parse(wrong, false).is_err(), "{wrong}");
        }
    }

    #[test]
    fn bytes_that_are_no_text_are_base64_in_json() {
        let text = json(&record(None, Some(&[0xff, 0xfe]))).json_line();
        let expected = "{\"topic\":\"orders\",\"partition\":2,\"offset\":47,\"timestamp\":1795341600123,\"key\":null,\
                        \"value\":\"//4=\",\"value_encoding\":\"base64\",\"headers\":[{\"name\":\"trace\",\"value\":\"7\"},\
                        {\"name\":\"b\",\"value\":\"/w==\",\"value_encoding\":\"base64\"}]}";
        assert_eq!(text, expected);
        assert_eq!(base64(b"foobar"), "Zm9vYmFy");
        assert_eq!(base64(b"fooba"), "Zm9vYmE=");
        assert_eq!(base64(b""), "");
    }
}
