//! Memory for records in pieces: a batch of any size takes what it needs, and what is done serves the next.
//!
//! Pieces grow with their batch, so that a small one leaves little empty and a large one has few: each costs a count up and
//! down for every hand it goes through, and a place in the write.

use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::Bytes;

/// Bytes of the pieces of a batch, in order; all that follow are like the last. Each is at most as large as those before it
/// together, so a batch has at most twice the memory that it fills, and the first two make one of Kafka's `batch.size`.
const SIZES: [usize; 5] = [8 << 10, 8 << 10, 16 << 10, 32 << 10, 64 << 10];

/// Kinds of pieces: the first two are of one kind.
const KINDS: usize = SIZES.len() - 1;

/// So many bytes are summed at once: few enough to be in the processor's nearest cache still, enough to be worth it.
const SUMMED: usize = 8 << 10;

const fn size_of_kind(kind: usize) -> usize {
    SIZES[kind + 1]
}

/// The kind of the piece that follows `count` others.
fn kind_after(count: usize) -> usize {
    count.saturating_sub(1).min(KINDS - 1)
}

/// Pieces that nobody uses, up to a bound.
#[derive(Debug)]
pub(crate) struct Pool {
    free: Mutex<[Free; KINDS]>,
    /// Bytes of all of them, at most.
    most: usize,
}

/// Those of one kind.
#[derive(Debug, Default)]
struct Free {
    pieces: Vec<Vec<u8>>,
    /// The fewest that there were since the last trim: so many were not needed.
    least: usize,
}

impl Free {
    fn pop(&mut self) -> Option<Vec<u8>> {
        let piece = self.pieces.pop();
        self.least = self.least.min(self.pieces.len());
        piece
    }
}

impl Pool {
    /// Keeps up to `bytes` of free pieces.
    pub(crate) fn new(bytes: usize) -> Self {
        Self { free: Mutex::default(), most: bytes }
    }

    fn free(&self) -> MutexGuard<'_, [Free; KINDS]> {
        self.free.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take(&self, kind: usize) -> Vec<u8> {
        let size = size_of_kind(kind);
        let mut free = self.free();
        if let Some(piece) = free[kind].pop() {
            return piece;
        }
        // What lies idle of other kinds makes room for it: together they take no more than the records at their most.
        let mut given_up = Vec::new();
        let mut wanted = size;
        for other in (0..KINDS).rev() {
            while wanted > 0
                && let Some(piece) = free[other].pop()
            {
                wanted = wanted.saturating_sub(piece.capacity());
                given_up.push(piece);
            }
        }
        drop((free, given_up));
        Vec::with_capacity(size)
    }

    /// Takes pieces back that nobody else holds any more.
    pub(crate) fn recycle(&self, pieces: Vec<Bytes>) {
        let mut free = self.free();
        let mut bytes: usize = free.iter().enumerate().map(|(kind, free)| free.pieces.len() * size_of_kind(kind)).sum();
        for piece in pieces {
            let Ok(mut piece) = piece.try_into_mut() else { continue };
            piece.clear();
            let piece = Vec::from(piece);
            bytes += piece.capacity();
            if bytes > self.most {
                return;
            }
            // What a codec made has another size.
            match (0..KINDS).find(|kind| size_of_kind(*kind) == piece.capacity()) {
                Some(kind) => free[kind].pieces.push(piece),
                None => bytes -= piece.capacity(),
            }
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.free().iter().all(|free| free.pieces.is_empty())
    }

    /// Gives up what was not needed since the last time. Whether anything is left.
    pub(crate) fn trim(&self) -> bool {
        let mut all = self.free();
        let unused = all.each_mut().map(|free| {
            let left = free.pieces.len() - free.least;
            let unused = free.pieces.split_off(left);
            free.least = left;
            if left == 0 {
                free.pieces = Vec::new();
            }
            unused
        });
        let any_left = all.iter().any(|free| !free.pieces.is_empty());
        drop((all, unused));
        any_left
    }
}

/// Bytes in pieces, written at the end only.
#[derive(Debug, Default)]
pub(crate) struct Chunks {
    pieces: Vec<Vec<u8>>,
    len: usize,
    /// Of all but the last bytes of the last piece, and how many those are.
    crc: u32,
    unsummed: usize,
}

impl Chunks {
    /// Bytes so far.
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// Writes at the end.
    pub(crate) fn put(&mut self, mut bytes: &[u8], pool: &Pool) {
        self.len += bytes.len();
        while !bytes.is_empty() {
            let room = self.pieces.last().map_or(0, |last| last.capacity() - last.len());
            if room == 0 {
                self.pieces.push(pool.take(kind_after(self.pieces.len())));
                continue;
            }
            let (now, later) = bytes.split_at(room.min(bytes.len()));
            self.pieces.last_mut().expect("it has room").extend_from_slice(now);
            self.unsummed += now.len();
            if self.unsummed >= SUMMED || now.len() == room {
                (self.crc, self.unsummed) = (self.crc(), 0);
            }
            bytes = later;
        }
    }

    /// The CRC-32C of all of it.
    pub(crate) fn crc(&self) -> u32 {
        let last = self.pieces.last().map_or(&[][..], |last| &last[last.len() - self.unsummed..]);
        crc32c::crc32c_append(self.crc, last)
    }

    /// All of it in one piece.
    pub(crate) fn concat(&self) -> Vec<u8> {
        self.pieces.concat()
    }

    /// The pieces, to be shared.
    pub(crate) fn into_pieces(self) -> Vec<Bytes> {
        self.pieces.into_iter().map(Bytes::from).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filled(bytes: usize, pool: &Pool) -> Chunks {
        let mut chunks = Chunks::default();
        chunks.put(&vec![1; bytes], pool);
        chunks
    }

    fn count(pool: &Pool) -> [usize; KINDS] {
        pool.free().each_ref().map(|free| free.pieces.len())
    }

    #[test]
    fn what_is_put_comes_out_in_pieces_that_grow() {
        let pool = Pool::new(1 << 20);
        let all: Vec<u8> = (0..300_000u32).map(|at| at as u8).collect();
        for step in [1, 777, 8192, 100_000] {
            let mut chunks = Chunks::default();
            for part in all.chunks(step) {
                chunks.put(part, &pool);
                let memory: usize = chunks.pieces.iter().map(Vec::capacity).sum();
                assert!(memory <= (2 * chunks.len()).max(SIZES[0]), "{memory} for {}", chunks.len());
                if step > 1 || chunks.len().is_multiple_of(997) {
                    assert_eq!(chunks.crc(), crc32c::crc32c(&all[..chunks.len()]));
                }
            }
            assert_eq!((chunks.len(), chunks.concat()), (all.len(), all.clone()));
            let pieces = chunks.into_pieces();
            assert_eq!(pieces.concat(), all);
            let sizes: Vec<_> = pieces[..pieces.len() - 1].iter().map(|piece| piece.len() >> 10).collect();
            assert_eq!(sizes, [8, 8, 16, 32, 64, 64, 64]);
        }
    }

    #[test]
    fn free_pieces_are_kept_up_to_the_bound_and_those_in_use_are_not_taken() {
        let pool = Pool::new(24 << 10);
        let pieces = filled(32 << 10, &pool).into_pieces();
        let held = pieces[0].clone();
        pool.recycle(pieces);
        assert_eq!(count(&pool), [1, 1, 0, 0]);
        assert!(held.iter().all(|byte| *byte == 1), "a piece that someone holds is left alone");
        assert_eq!((pool.take(0).len(), pool.take(0).capacity()), (0, 8 << 10));
        pool.recycle(filled(64 << 10, &Pool::new(0)).into_pieces());
        assert_eq!(count(&pool), [2, 0, 0, 0], "no more than 24 KiB");
    }

    #[test]
    fn pieces_of_other_kinds_make_room_for_one_that_is_missing() {
        let pool = Pool::new(1 << 20);
        pool.recycle(filled(64 << 10, &pool).into_pieces());
        assert_eq!(count(&pool), [2, 1, 1, 0]);
        assert_eq!(pool.take(3).capacity(), 64 << 10);
        assert!(pool.is_empty());
        pool.recycle(filled(64 << 10, &pool).into_pieces());
        let taken = [pool.take(0), pool.take(0), pool.take(0)];
        assert_eq!(count(&pool), [0, 1, 0, 0], "one of 32 KiB went for the third of 8");
        drop(taken);
    }

    #[test]
    fn pieces_that_were_not_needed_for_a_while_go_back() {
        let pool = Pool::new(1 << 20);
        pool.recycle(filled(256 << 10, &pool).into_pieces());
        assert!(pool.trim(), "they came only now");
        pool.recycle(filled(128 << 10, &pool).into_pieces());
        assert!(pool.trim());
        assert_eq!(count(&pool), [2, 1, 1, 1], "these are needed again and again");
        assert!(!pool.trim() && pool.is_empty());
    }
}
