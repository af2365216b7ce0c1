//! Key -> offset of its newest record in the dirty part, within a bound of memory.

use std::collections::HashMap;

use callboard_model::Offset;

/// Bytes that an entry takes beside its key: the boxed key and the offset in a table that is three quarters full on
/// average, and the allocation's own.
const ENTRY_BYTES: usize = 64;

/// The map. Keys are kept whole: two keys can never be taken for one.
#[derive(Debug)]
pub(crate) struct KeyMap {
    newest: HashMap<Box<[u8]>, Offset>,
    bytes: usize,
    max_bytes: usize,
}

impl KeyMap {
    /// An empty map that is full at so many bytes.
    pub(crate) fn new(max_bytes: usize) -> Self {
        Self { newest: HashMap::new(), bytes: 0, max_bytes }
    }

    /// Notes a record; offsets come in order.
    pub(crate) fn note(&mut self, key: &[u8], offset: Offset) {
        match self.newest.get_mut(key) {
            Some(newest) => *newest = offset,
            None => {
                self.bytes += key.len() + ENTRY_BYTES;
                self.newest.insert(key.into(), offset);
            }
        }
    }

    /// Whether a record is the newest of its key, as far as the map knows.
    pub(crate) fn is_newest(&self, key: &[u8], offset: Offset) -> bool {
        self.newest.get(key).is_none_or(|newest| *newest <= offset)
    }

    /// Whether no more should be noted.
    pub(crate) fn is_full(&self) -> bool {
        self.bytes > self.max_bytes
    }

    pub(crate) fn len(&self) -> usize {
        self.newest.len()
    }
}
