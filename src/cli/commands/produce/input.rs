//! Where records come from: standard input cut at a delimiter, lines of JSON, or whole files.

use std::collections::VecDeque;
use std::io::Read as _;
use std::path::PathBuf;

use bytes::{Bytes, BytesMut};
use callboard_client::Header;
use serde::Deserialize;
use tokio::sync::mpsc;

use crate::arguments::Produce;
use crate::fault::Fault;

/// Bytes of one record that is read without finding its end.
const RECORD_MAX: usize = 256 * 1024 * 1024;
/// Bytes that are read at once.
const PIECE: usize = 64 * 1024;

/// One record as it was given.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Taken {
    pub(super) key: Option<Bytes>,
    pub(super) value: Option<Bytes>,
    pub(super) headers: Vec<Header>,
    /// Milliseconds since 1970.
    pub(super) timestamp: Option<i64>,
}

/// Records, one after the other.
pub(super) enum Input {
    Files(VecDeque<PathBuf>),
    Pieces { pieces: mpsc::Receiver<std::io::Result<Bytes>>, cutter: Cutter, form: Form, number: u64 },
}

/// What a piece of the input is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Form {
    Value,
    /// Key and value with this between them.
    KeyAndValue(Vec<u8>),
    Json,
}

impl Input {
    pub(super) fn open(asked: &Produce) -> Result<Self, Fault> {
        if !asked.files.is_empty() {
            return Ok(Self::Files(asked.files.iter().cloned().collect()));
        }
        let form = match (&asked.key_delimiter, asked.json) {
            (_, true) => Form::Json,
            (Some(between), false) => Form::KeyAndValue(between.clone().into_bytes()),
            (None, false) => Form::Value,
        };
        let delimiter = if asked.json { "\n".to_owned() } else { asked.delimiter.clone() };
        // Standard input can only be waited for by a thread; it ends with the process.
        let (tell, pieces) = mpsc::channel(16);
        std::thread::spawn(move || {
            let mut input = std::io::stdin().lock();
            loop {
                let mut piece = vec![0; PIECE];
                let read = match input.read(&mut piece) {
                    Ok(0) => return,
                    Ok(read) => read,
                    Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
                    Err(error) => return drop(tell.blocking_send(Err(error))),
                };
                piece.truncate(read);
                if tell.blocking_send(Ok(piece.into())).is_err() {
                    return;
                }
            }
        });
        Ok(Self::Pieces { pieces, cutter: Cutter::new(delimiter.into_bytes()), form, number: 0 })
    }

    /// The next record; `None` at the end. May be cancelled without a loss.
    pub(super) async fn next(&mut self) -> Result<Option<Taken>, Fault> {
        match self {
            Self::Files(files) => {
                let Some(path) = files.pop_front() else { return Ok(None) };
                let read = std::fs::read(&path).map_err(|error| {
                    Fault::failed(format!("{} cannot be read", path.display())).because(error.to_string())
                })?;
                Ok(Some(Taken { value: Some(read.into()), ..Taken::default() }))
            }
            Self::Pieces { pieces, cutter, form, number } => {
                let piece = loop {
                    if let Some(piece) = cutter.next() {
                        break piece;
                    }
                    if cutter.held() > RECORD_MAX {
                        return Err(Fault::failed(format!("a record has more than {RECORD_MAX} bytes"))
                            .hint("-D says what stands between records"));
                    }
                    match pieces.recv().await {
                        Some(Ok(piece)) => cutter.push(&piece),
                        Some(Err(error)) => {
                            return Err(Fault::failed("standard input cannot be read").because(error.to_string()));
                        }
                        None => match cutter.rest() {
                            Some(piece) => break piece,
                            None => return Ok(None),
                        },
                    }
                };
                *number += 1;
                taken(form, piece).map(Some).map_err(|why| {
                    Fault::failed(format!("record {number} of the input is no record"))
                        .because(why)
                        .hint("callboard consume -J prints the form that is expected")
                })
            }
        }
    }
}

fn taken(form: &Form, piece: Bytes) -> Result<Taken, String> {
    match form {
        Form::Value => Ok(Taken { value: Some(piece), ..Taken::default() }),
        Form::KeyAndValue(between) => {
            let at = piece.windows(between.len()).position(|window| window == between);
            Ok(match at {
                Some(at) => Taken {
                    key: Some(piece.slice(..at)),
                    value: Some(piece.slice(at + between.len()..)),
                    ..Taken::default()
                },
                None => Taken { value: Some(piece), ..Taken::default() },
            })
        }
        Form::Json => from_json(&piece),
    }
}

#[derive(Deserialize)]
struct Document {
    #[serde(default)]
    key: Option<String>,
    #[serde(default)]
    key_encoding: Option<String>,
    #[serde(default)]
    value: Option<String>,
    #[serde(default)]
    value_encoding: Option<String>,
    #[serde(default)]
    headers: Vec<HeaderDocument>,
    #[serde(default)]
    timestamp: Option<i64>,
}

#[derive(Deserialize)]
struct HeaderDocument {
    name: String,
    #[serde(default)]
    value: Option<String>,
    #[serde(default)]
    value_encoding: Option<String>,
}

fn from_json(line: &[u8]) -> Result<Taken, String> {
    if !line.trim_ascii_start().starts_with(b"{") {
        return Err("an object is expected".to_owned());
    }
    let document: Document = serde_json::from_slice(line).map_err(|error| error.to_string())?;
    let bytes = |text: Option<String>, encoding: Option<String>| match (text, encoding.as_deref()) {
        (None, _) => Ok(None),
        (Some(text), None) => Ok(Some(Bytes::from(text))),
        (Some(text), Some("base64")) => decoded(&text).map(|bytes| Some(Bytes::from(bytes))),
        (Some(_), Some(other)) => Err(format!("the encoding '{other}' is not known, base64 is")),
    };
    let headers = document.headers.into_iter().map(|header| {
        let value = bytes(header.value, header.value_encoding)?;
        Ok(Header { key: header.name.into(), value })
    });
    let headers = headers.collect::<Result<_, String>>()?;
    Ok(Taken {
        headers,
        key: bytes(document.key, document.key_encoding)?,
        value: bytes(document.value, document.value_encoding)?,
        timestamp: document.timestamp,
    })
}

/// RFC 4648, with padding.
fn decoded(text: &str) -> Result<Vec<u8>, String> {
    let wrong = || format!("'{text}' is no base64");
    if !text.len().is_multiple_of(4) {
        return Err(wrong());
    }
    let plain = text.trim_end_matches('=');
    if text.len() - plain.len() > 2 {
        return Err(wrong());
    }
    let mut bytes = Vec::with_capacity(plain.len() * 3 / 4);
    let (mut held, mut bits) = (0u32, 0);
    for letter in plain.bytes() {
        let six = match letter {
            b'A'..=b'Z' => letter - b'A',
            b'a'..=b'z' => letter - b'a' + 26,
            b'0'..=b'9' => letter - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => return Err(wrong()),
        };
        held = held << 6 | u32::from(six);
        bits += 6;
        if bits >= 8 {
            bits -= 8;
            bytes.push((held >> bits) as u8);
            held &= (1 << bits) - 1;
        }
    }
    Ok(bytes)
}

/// Cuts a stream of bytes at a delimiter.
#[derive(Debug)]
pub(super) struct Cutter {
    delimiter: Vec<u8>,
    held: BytesMut,
    /// Up to here there is no delimiter.
    searched: usize,
}

impl Cutter {
    pub(super) fn new(delimiter: Vec<u8>) -> Self {
        Self { delimiter, held: BytesMut::new(), searched: 0 }
    }

    fn push(&mut self, piece: &[u8]) {
        self.held.extend_from_slice(piece);
    }

    fn held(&self) -> usize {
        self.held.len()
    }

    /// The next whole piece.
    fn next(&mut self) -> Option<Bytes> {
        let width = self.delimiter.len();
        let found = if width == 1 {
            self.held[self.searched..].iter().position(|byte| *byte == self.delimiter[0])
        } else {
            self.held[self.searched..].windows(width).position(|window| window == self.delimiter)
        };
        match found {
            Some(at) => {
                let piece = self.held.split_to(self.searched + at);
                let _delimiter = self.held.split_to(width);
                self.searched = 0;
                Some(piece.freeze())
            }
            None => {
                // The delimiter may have begun in the last bytes.
                self.searched = self.held.len().saturating_sub(width - 1);
                None
            }
        }
    }

    /// What is left at the end without a delimiter behind it.
    fn rest(&mut self) -> Option<Bytes> {
        self.searched = 0;
        (!self.held.is_empty()).then(|| self.held.split().freeze())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cut(delimiter: &str, pieces: &[&str]) -> Vec<String> {
        let mut cutter = Cutter::new(delimiter.as_bytes().to_vec());
        let mut found = Vec::new();
        for piece in pieces {
            cutter.push(piece.as_bytes());
            while let Some(record) = cutter.next() {
                found.push(String::from_utf8_lossy(&record).into_owned());
            }
        }
        found.extend(cutter.rest().map(|rest| String::from_utf8_lossy(&rest).into_owned()));
        found
    }

    #[test]
    fn a_stream_is_cut_wherever_its_pieces_end() {
        let text = "one--two-three----four";
        let expected = ["one", "two-three", "", "four"];
        for at in 0..text.len() {
            assert_eq!(cut("--", &[&text[..at], &text[at..]]), expected, "{at}");
        }
        assert_eq!(cut("\n", &["a\nb", "c\n"]), ["a", "bc"]);
        assert!(cut("\n", &[]).is_empty());
    }

    #[test]
    fn keys_stand_before_their_delimiter() {
        let form = Form::KeyAndValue(b"::".to_vec());
        let read = |text: &'static str| taken(&form, Bytes::from_static(text.as_bytes())).unwrap();
        assert_eq!((read("k::v::w").key.unwrap(), read("k::v::w").value.unwrap()), ("k".into(), "v::w".into()));
        assert_eq!((read("v").key, read("v").value.unwrap()), (None, "v".into()));
        assert_eq!(read("::v").key.unwrap(), "");
    }

    #[test]
    fn json_is_read_as_it_is_printed() {
        let line = r#"{"topic":"t","partition":1,"offset":5,"timestamp":7,"key":null,"value":"//4=","value_encoding":"base64",
                      "headers":[{"name":"a","value":"b"},{"name":"c","value":null}]}"#;
        let read = from_json(line.as_bytes()).unwrap();
        assert_eq!((read.key, read.value.as_deref(), read.timestamp), (None, Some(&[0xff, 0xfe][..]), Some(7)));
        assert_eq!(read.headers.len(), 2);
        for wrong in
            ["", "{", "[]", r#"{"value":"x","value_encoding":"rot13"}"#, r#"{"value":"=","value_encoding":"base64"}"#]
        {
            assert!(from_json(wrong.as_bytes()).is_err(), "{wrong}");
        }
        assert_eq!(decoded("Zm9vYmE=").unwrap(), b"fooba");
        assert_eq!(decoded("Zm9vYmFy").unwrap(), b"foobar");
    }
}
