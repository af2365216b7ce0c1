//! The form of a record: what one write did to the database, and batches on their way to their files.
//!
//! ```text
//! 0  magic "CBWL"      8  crc32c of what follows        16  sequence u64    28  pieces u32
//! 4  body bytes u32   12  change bytes u32              24  epoch u32
//! 32 pieces: generation u32 | kind u32 | crc32c u32 | position u64 | bytes u64 each
//!    change: a RocksDB write batch
//!    the batches of the pieces that are within, one after another
//! ```
//! All numbers are big-endian. The checksum begins with the log's *salt*, a number that only its folder knows: what a client
//! puts into its batches is never taken for a record, wherever a crash leaves it.

use bytes::Bytes;

/// Bytes before the pieces.
pub(super) const HEADER_LEN: usize = 32;
/// Bytes of what is said about one piece.
const PIECE_LEN: usize = 28;
const MAGIC: [u8; 4] = *b"CBWL";
/// Where the checksum begins to count.
const SUMMED_FROM: usize = 12;

/// Where the batches of a piece are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::rocks) enum Kind {
    /// In the record; the file has them too, synced or not.
    Within,
    /// In their file only, synced before the record was written.
    Synced,
    /// In their file only, not known to be synced.
    Written,
}

/// Batches that lie in a generation's file together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::rocks) struct Piece {
    pub(in crate::rocks) generation: u32,
    pub(in crate::rocks) kind: Kind,
    /// CRC-32C of the batches, for those that were only written; otherwise 0.
    pub(in crate::rocks) crc: u32,
    pub(in crate::rocks) position: u64,
    pub(in crate::rocks) len: u64,
}

/// The fixed part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) body_len: u32,
    pub(super) crc: u32,
    pub(super) change_len: u32,
    pub(super) sequence: u64,
    pub(super) epoch: u32,
    pub(super) pieces: u32,
}

impl Header {
    /// `None` if this is no header of ours.
    pub(super) fn read(bytes: &[u8; HEADER_LEN]) -> Option<Self> {
        let (magic, rest) = bytes.split_first_chunk::<4>()?;
        let (words, _) = rest.as_chunks::<4>();
        let word = |at: usize| u32::from_be_bytes(words[at]);
        let sequence = u64::from(word(3)) << 32 | u64::from(word(4));
        let (body_len, crc, change_len, epoch, pieces) = (word(0), word(1), word(2), word(5), word(6));
        (*magic == MAGIC).then_some(Self { body_len, crc, change_len, sequence, epoch, pieces })
    }

    /// Whether this is the header of a body, and neither has changed.
    pub(super) fn vouches_for(&self, salt: u32, head: &[u8; HEADER_LEN], body: &[u8]) -> bool {
        let crc = crc32c::crc32c_append(crc32c::crc32c_append(salt, &head[SUMMED_FROM..]), body);
        crc == self.crc && body.len() == self.body_len as usize
    }

    fn to_bytes(self) -> [u8; HEADER_LEN] {
        let mut out = [0; HEADER_LEN];
        out[..4].copy_from_slice(&MAGIC);
        out[4..8].copy_from_slice(&self.body_len.to_be_bytes());
        out[8..12].copy_from_slice(&self.crc.to_be_bytes());
        out[12..16].copy_from_slice(&self.change_len.to_be_bytes());
        out[16..24].copy_from_slice(&self.sequence.to_be_bytes());
        out[24..28].copy_from_slice(&self.epoch.to_be_bytes());
        out[28..].copy_from_slice(&self.pieces.to_be_bytes());
        out
    }
}

/// A whole record as it was read.
#[derive(Debug)]
pub(in crate::rocks) struct Record<'a> {
    pub(in crate::rocks) change: &'a [u8],
    /// With the batches of those that are within.
    pub(in crate::rocks) pieces: Vec<(Piece, &'a [u8])>,
}

impl Record<'_> {
    /// `None` if the body is not what its header promises.
    pub(super) fn read<'a>(header: &Header, body: &'a [u8]) -> Option<Record<'a>> {
        let (table, rest) = body.split_at_checked((header.pieces as usize).checked_mul(PIECE_LEN)?)?;
        let (change, mut within) = rest.split_at_checked(header.change_len as usize)?;
        let mut pieces = Vec::with_capacity(table.len() / PIECE_LEN);
        for entry in table.as_chunks::<PIECE_LEN>().0 {
            let piece = read_piece(entry)?;
            let len = if piece.kind == Kind::Within { usize::try_from(piece.len).ok()? } else { 0 };
            let (batches, rest) = within.split_at_checked(len)?;
            within = rest;
            pieces.push((piece, batches));
        }
        within.is_empty().then_some(Record { change, pieces })
    }
}

fn read_piece(entry: &[u8; PIECE_LEN]) -> Option<Piece> {
    let (words, _) = entry.as_chunks::<4>();
    let word = |at: usize| u32::from_be_bytes(words[at]);
    let long = |at: usize| u64::from(word(at)) << 32 | u64::from(word(at + 1));
    let kind = match word(1) {
        0 => Kind::Within,
        1 => Kind::Synced,
        2 => Kind::Written,
        _ => return None,
    };
    Some(Piece { generation: word(0), kind, crc: word(2), position: long(3), len: long(5) })
}

/// What all records of one opening have in common.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Origin {
    pub(super) salt: u32,
    pub(super) epoch: u32,
}

/// The bytes before a record's change; `None` if it would be too long. `within` are all batches of the pieces that are.
pub(super) fn front<'a>(
    origin: Origin,
    sequence: u64,
    pieces: impl ExactSizeIterator<Item = Piece>,
    change: &[u8],
    within: impl Iterator<Item = &'a Bytes> + Clone,
) -> Option<Vec<u8>> {
    let batches: usize = within.clone().map(Bytes::len).sum();
    let header = Header {
        body_len: u32::try_from(pieces.len() * PIECE_LEN + change.len() + batches).ok()?,
        crc: 0,
        change_len: u32::try_from(change.len()).ok()?,
        sequence,
        epoch: origin.epoch,
        pieces: u32::try_from(pieces.len()).ok()?,
    };
    let mut front = Vec::with_capacity(HEADER_LEN + pieces.len() * PIECE_LEN);
    front.extend_from_slice(&header.to_bytes());
    for piece in pieces {
        front.extend_from_slice(&piece.generation.to_be_bytes());
        front.extend_from_slice(&(piece.kind as u32).to_be_bytes());
        front.extend_from_slice(&piece.crc.to_be_bytes());
        front.extend_from_slice(&piece.position.to_be_bytes());
        front.extend_from_slice(&piece.len.to_be_bytes());
    }
    let crc = crc32c::crc32c_append(crc32c::crc32c_append(origin.salt, &front[SUMMED_FROM..]), change);
    let crc = within.fold(crc, |crc, batch| crc32c::crc32c_append(crc, batch));
    front[8..12].copy_from_slice(&crc.to_be_bytes());
    Some(front)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn piece(kind: Kind, len: u64) -> Piece {
        Piece { generation: 7, kind, crc: 3, position: 1 << 40, len }
    }

    fn whole() -> (Vec<u8>, [Piece; 3]) {
        let pieces = [piece(Kind::Within, 5), piece(Kind::Written, 9), piece(Kind::Within, 2)];
        let within = [Bytes::from_static(b"ab"), Bytes::from_static(b"cde"), Bytes::from_static(b"fg")];
        let front =
            front(Origin { salt: 99, epoch: 4 }, 1 << 33, pieces.into_iter(), b"change", within.iter()).expect("short");
        let rest = within.iter().flat_map(|batch| batch.to_vec());
        (front.into_iter().chain(*b"change").chain(rest).collect(), pieces)
    }

    fn read(bytes: &[u8]) -> Option<(Header, Record<'_>)> {
        let (head, body) = bytes.split_first_chunk::<HEADER_LEN>()?;
        let header = Header::read(head)?;
        let whole = header.vouches_for(99, head, body);
        Some((header, Record::read(&header, body).filter(|_| whole)?))
    }

    #[test]
    fn a_record_reads_back_as_it_was_written() {
        let (bytes, pieces) = whole();
        let (header, record) = read(&bytes).expect("whole");
        assert_eq!((header.sequence, header.epoch), (1 << 33, 4));
        assert_eq!(record.change, b"change");
        assert_eq!(record.pieces, [(pieces[0], &b"abcde"[..]), (pieces[1], &b""[..]), (pieces[2], &b"fg"[..])]);
    }

    #[test]
    fn every_changed_bit_and_every_missing_byte_is_noticed() {
        let (bytes, _) = whole();
        for at in 0..bytes.len() {
            assert!(read(&bytes[..at]).is_none(), "{at} bytes");
            for bit in 0..8 {
                let mut other = bytes.clone();
                other[at] ^= 1 << bit;
                assert!(read(&other).is_none(), "bit {bit} of byte {at}");
            }
        }
    }
}
