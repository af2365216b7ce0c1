//! Reading the log from its checkpoint to its end, wherever that is.

use std::fs::File;
use std::io::{self, BufReader, Read};
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};

use super::files::{Checkpoint, Folder};
use super::next_page;
pub(in crate::rocks) use super::record::Record;
use super::record::{HEADER_LEN, Header};
use crate::StorageError;

const BUFFER: usize = 1 << 20;

/// What was found in a log.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::rocks) struct Replayed {
    pub(super) checkpoint: Checkpoint,
    /// Of the last record.
    pub(in crate::rocks) sequence: u64,
    pub(super) epoch: u32,
    /// Where the next record goes.
    pub(super) number: u64,
    pub(super) position: u64,
    /// Bytes of records behind the checkpoint.
    pub(super) bytes: u64,
    /// What their changes take in memory, about.
    pub(super) memory: u64,
    /// The file, and the byte in it, of a record at which it ended although its number is the next.
    pub(in crate::rocks) torn: Option<(PathBuf, u64)>,
    /// Whether there was a log.
    pub(in crate::rocks) found: bool,
}

impl Replayed {
    /// As if nothing were there, but with numbers and epochs that nothing there has.
    pub(in crate::rocks) fn begin_behind(folder: &Path, floor: u64) -> Result<Self, StorageError> {
        let files = Folder::of(folder);
        let before = files.checkpoint().ok().flatten();
        let numbers = files.numbers().map_err(|error| StorageError::io("look at", files.path(), error))?;
        let number = numbers.last().map_or(0, |last| last + 1);
        let mut checkpoint = before.unwrap_or_default();
        checkpoint.sequence = checkpoint.sequence.max(floor);
        (checkpoint.number, checkpoint.position) = (number, 0);
        let Checkpoint { epoch, sequence, .. } = checkpoint;
        Ok(Self { checkpoint, sequence, epoch, number, found: before.is_some(), ..Self::default() })
    }
}

/// What came of one look for a record.
enum Next {
    Record(Header),
    /// The record with the next number is not whole.
    Torn,
    /// Something else, or nothing, or the file ends in it.
    End,
}

struct Reader {
    file: BufReader<File>,
    /// Where it stands, and where the file ends.
    at: u64,
    len: u64,
    head: [u8; HEADER_LEN],
    body: Vec<u8>,
}

impl Reader {
    fn open(path: &Path) -> io::Result<Self> {
        let file = File::open(path)?;
        let len = file.metadata()?.len();
        Ok(Self { file: BufReader::with_capacity(BUFFER, file), at: 0, len, head: [0; HEADER_LEN], body: Vec::new() })
    }

    /// Reads the record with this number, where one may begin.
    fn read(&mut self, position: u64, salt: u32, sequence: u64, epochs: RangeInclusive<u32>) -> io::Result<Next> {
        let left = self.len.saturating_sub(position);
        if left < HEADER_LEN as u64 {
            return Ok(Next::End);
        }
        self.file.seek_relative(position.wrapping_sub(self.at).cast_signed())?;
        self.file.read_exact(&mut self.head)?;
        self.at = position + HEADER_LEN as u64;
        let header = Header::read(&self.head).filter(|header| header.sequence == sequence);
        let Some(header) = header.filter(|header| epochs.contains(&header.epoch)) else { return Ok(Next::End) };
        if left - (HEADER_LEN as u64) < u64::from(header.body_len) {
            return Ok(Next::End);
        }
        self.body.resize(header.body_len as usize, 0);
        self.file.read_exact(&mut self.body)?;
        self.at += u64::from(header.body_len);
        Ok(if header.vouches_for(salt, &self.head, &self.body) { Next::Record(header) } else { Next::Torn })
    }
}

/// Gives every record behind the checkpoint to `take`, in order, until it says no; with what its change takes in memory.
///
/// Errors if a file that must be there is not.
pub(in crate::rocks) fn replay(
    folder: &Path,
    mut take: impl FnMut(&Record<'_>) -> Result<Option<u64>, StorageError>,
) -> Result<Replayed, StorageError> {
    let files = Folder::of(folder);
    let Some(checkpoint) = files.checkpoint()? else { return Ok(Replayed::default()) };
    let mut end = Replayed {
        checkpoint,
        sequence: checkpoint.sequence,
        epoch: checkpoint.epoch,
        number: checkpoint.number,
        position: checkpoint.position,
        found: true,
        ..Replayed::default()
    };
    let io = |path: &Path, error: io::Error| match error.kind() {
        io::ErrorKind::NotFound => StorageError::Damaged { file: path.to_owned(), detail: "it does not exist".into() },
        _ => StorageError::io("read", path, error),
    };
    let last = files.numbers().map_err(|error| io(&files.path(), error))?.pop();
    // A log in which nothing was ever written has no segment.
    if last.is_none() && (checkpoint.number, checkpoint.position) == (0, 0) {
        return Ok(end);
    }
    let (mut number, mut position, mut epoch) = (checkpoint.number, checkpoint.position, 0);
    loop {
        let path = files.segment(number);
        let mut reader = Reader::open(&path).map_err(|error| io(&path, error))?;
        let before = end.sequence;
        loop {
            // A record follows at once, or on the next page.
            let (mut began, mut next) = (position, Next::End);
            for may_begin in [position, next_page(position)] {
                let read = reader.read(may_begin, checkpoint.salt, end.sequence + 1, epoch..=checkpoint.epoch);
                match read.map_err(|error| io(&path, error))? {
                    Next::End => continue,
                    found => (began, next) = (may_begin, found),
                }
                if matches!(next, Next::Record(_)) {
                    break;
                }
            }
            let record = match &next {
                Next::Record(header) => Record::read(header, &reader.body),
                Next::Torn | Next::End => None,
            };
            let taken = record.map_or(Ok(None), |record| take(&record))?;
            let (Next::Record(header), Some(memory)) = (&next, taken) else {
                // Unless it goes on in the next segment: this one may have had no space for it.
                if !matches!(next, Next::End) {
                    end.torn = Some((path.clone(), began));
                }
                break;
            };
            end.torn = None;
            end.bytes += reader.at - position;
            end.memory += memory;
            end.sequence = header.sequence;
            epoch = header.epoch;
            position = reader.at;
            (end.number, end.position) = (number, position);
        }
        // The next segment goes on where this one ended, if it has anything.
        let went_on = number == checkpoint.number || end.sequence > before;
        if !went_on || last.is_none_or(|last| number >= last) {
            return Ok(end);
        }
        (number, position) = (number + 1, 0);
    }
}
