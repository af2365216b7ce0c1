//! Memory for records in pieces of one size: a batch of any size takes what it needs, and what is done serves the next.

use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::Bytes;

/// Bytes of a piece. Half of Kafka's `batch.size`, so that little stays empty, and few enough pieces for one write.
pub(crate) const CHUNK: usize = 8 * 1024;

/// Pieces that nobody uses, up to a bound.
#[derive(Debug)]
pub(crate) struct Pool {
    free: Mutex<Free>,
    most: usize,
}

#[derive(Debug, Default)]
struct Free {
    pieces: Vec<Vec<u8>>,
    /// The fewest that there were since the last trim: so many were not needed.
    least: usize,
}

impl Pool {
    /// Keeps up to `bytes` of free pieces.
    pub(crate) fn new(bytes: usize) -> Self {
        Self { free: Mutex::default(), most: bytes / CHUNK }
    }

    fn free(&self) -> MutexGuard<'_, Free> {
        self.free.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take(&self) -> Vec<u8> {
        let mut free = self.free();
        let piece = free.pieces.pop();
        free.least = free.least.min(free.pieces.len());
        drop(free);
        piece.unwrap_or_else(|| Vec::with_capacity(CHUNK))
    }

    /// Takes pieces back that nobody else holds any more.
    pub(crate) fn recycle(&self, pieces: Vec<Bytes>) {
        let mut free = self.free();
        for piece in pieces {
            if free.pieces.len() >= self.most {
                return;
            }
            let Ok(mut piece) = piece.try_into_mut() else { continue };
            piece.clear();
            let piece = Vec::from(piece);
            // What a codec made has another size.
            if piece.capacity() == CHUNK {
                free.pieces.push(piece);
            }
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.free().pieces.is_empty()
    }

    /// Gives up what was not needed since the last time. Whether anything is left.
    pub(crate) fn trim(&self) -> bool {
        let mut free = self.free();
        let left = free.pieces.len() - free.least;
        let unused = free.pieces.split_off(left);
        free.least = left;
        if left == 0 {
            free.pieces = Vec::new();
        }
        drop((free, unused));
        left > 0
    }
}

/// Bytes in pieces, written at the end only.
#[derive(Debug, Default)]
pub(crate) struct Chunks {
    pieces: Vec<Vec<u8>>,
    len: usize,
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
            let room = self.pieces.last().map_or(0, |last| CHUNK - last.len());
            if room == 0 {
                self.pieces.push(pool.take());
                continue;
            }
            let (now, later) = bytes.split_at(room.min(bytes.len()));
            self.pieces.last_mut().expect("it has room").extend_from_slice(now);
            bytes = later;
        }
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

    #[test]
    fn what_is_put_comes_out_in_pieces_of_one_size() {
        let pool = Pool::new(CHUNK * 2);
        let mut chunks = Chunks::default();
        let all: Vec<u8> = (0..50_000u32).map(|at| at as u8).collect();
        for part in all.chunks(777) {
            chunks.put(part, &pool);
        }
        assert_eq!((chunks.len(), chunks.concat()), (all.len(), all.clone()));
        let pieces = chunks.into_pieces();
        assert_eq!(pieces.concat(), all);
        assert!(pieces[..pieces.len() - 1].iter().all(|piece| piece.len() == CHUNK));
    }

    #[test]
    fn free_pieces_are_kept_up_to_the_bound_and_those_in_use_are_not_taken() {
        let pool = Pool::new(CHUNK * 2);
        let mut chunks = Chunks::default();
        chunks.put(&[1; CHUNK * 4], &pool);
        let pieces = chunks.into_pieces();
        let held = pieces[0].clone();
        pool.recycle(pieces);
        assert_eq!(pool.free().pieces.len(), 2);
        assert!(held.iter().all(|byte| *byte == 1), "a piece that someone holds is left alone");
        assert_eq!((pool.take().len(), pool.take().capacity()), (0, CHUNK));
    }

    #[test]
    fn pieces_that_were_not_needed_for_a_while_go_back() {
        let pool = Pool::new(CHUNK * 8);
        let mut chunks = Chunks::default();
        chunks.put(&[1; CHUNK * 6], &pool);
        pool.recycle(chunks.into_pieces());
        assert!(pool.trim(), "they came only now");
        let mut chunks = Chunks::default();
        chunks.put(&[1; CHUNK * 2], &pool);
        pool.recycle(chunks.into_pieces());
        assert!(pool.trim());
        assert_eq!(pool.free().pieces.len(), 2, "two are needed again and again");
        assert!(!pool.trim() && pool.is_empty());
    }
}
