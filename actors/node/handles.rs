//! How the files that the system lets this process open are divided: storage first, the rest is for clients.

use crate::node_error::NodeError;

/// What a node keeps open beside its tables and its clients: metadata, write-ahead logs, files being written, the files
/// of batches beside the database (64 at most), the arbiters' own, the admin port.
const OWN: u64 = 256;
/// Tables of the journal that are held open where there is no shortage.
const TABLES_MAX: u64 = 512;
/// The smallest limit that a node starts with: it leaves 128 tables and 128 clients.
const LIMIT_MIN: u64 = 512;

/// The division.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Handles {
    /// Tables of the journal that may be open.
    pub(crate) tables: u32,
    /// Clients that may be connected.
    pub(crate) clients: usize,
}

impl Handles {
    /// Divides a limit, or refuses one that is too small.
    pub(crate) fn divide(limit: u64) -> Result<Self, NodeError> {
        if limit < LIMIT_MIN {
            return Err(NodeError::FileLimit { limit, needed: LIMIT_MIN });
        }
        let tables = TABLES_MAX.min((limit - OWN) / 2);
        let clients = usize::try_from(limit - OWN - tables).unwrap_or(usize::MAX);
        Ok(Self { tables: tables as u32, clients })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn storage_keeps_what_it_needs_and_clients_get_the_rest() {
        let divided = |limit| Handles::divide(limit).map(|handles| (handles.tables, handles.clients)).ok();
        assert_eq!(divided(511), None);
        assert_eq!(divided(512), Some((128, 128)));
        assert_eq!(divided(600), Some((172, 172)));
        assert_eq!(divided(65_536), Some((512, 64_768)));
        assert!(divided(u64::MAX).is_some_and(|(tables, _)| tables == 512));
    }
}
