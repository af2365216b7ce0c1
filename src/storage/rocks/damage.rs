//! RocksDB's words turned into errors that name the file.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::StorageError;

/// An error while opening or reading a database folder.
pub(crate) fn damage(folder: &Path, error: &rocksdb::Error) -> StorageError {
    let text = error.as_ref();
    if text.contains("lock ") && text.contains("LOCK") {
        return StorageError::Engine { doing: "lock database", detail: Arc::from(text) };
    }
    StorageError::Damaged { file: named_file(folder, text), detail: Arc::from(text) }
}

/// Whether an error says that the disk is full.
pub(super) fn is_no_space(error: &rocksdb::Error) -> bool {
    let text = error.as_ref();
    text.contains("No space left on device") || text.contains("Space limit reached") || text.contains("Disk quota")
}

/// The database file that a message speaks of, or the folder.
pub(super) fn named_file(folder: &Path, text: &str) -> PathBuf {
    let mut words = text.split(|c: char| c.is_whitespace() || matches!(c, ':' | ',' | ';' | '"' | '\'' | '(' | ')'));
    let is_file = |name: &str| {
        let numbered = |suffix: &str| {
            name.strip_suffix(suffix).is_some_and(|stem| !stem.is_empty() && stem.bytes().all(|b| b.is_ascii_digit()))
        };
        name == "CURRENT" || name.starts_with("MANIFEST-") || numbered(".sst") || numbered(".log")
    };
    let named = words.find_map(|word| word.rsplit('/').next().filter(|name| is_file(name)));
    if let Some(name) = named {
        return folder.join(name);
    }
    // "Corruption: ... in file number 12" and the like.
    let number = |marker: &str| {
        let rest = text.split(marker).nth(1)?;
        let digits: String = rest.trim_start_matches([' ', '#']).chars().take_while(char::is_ascii_digit).collect();
        digits.parse::<u64>().ok()
    };
    if let Some(file) = number("file number") {
        return folder.join(format!("{file:06}.sst"));
    }
    if let Some(file) = number("log number").or_else(|| number("WAL")).or_else(|| number("log file")) {
        return folder.join(format!("{file:06}.log"));
    }
    folder.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_names_its_file() {
        let folder = Path::new("/data");
        for (text, file) in [
            ("IO error: No such file or directory: While open a file: /data/000012.sst: No such", "/data/000012.sst"),
            ("Corruption: Can't access /000012.sst: IO error", "/data/000012.sst"),
            ("Corruption: CURRENT file does not end with newline", "/data/CURRENT"),
            ("IO error: while reading /data/MANIFEST-000005", "/data/MANIFEST-000005"),
            ("Corruption: missing WAL with log number: 7", "/data"),
            ("Corruption: missing WAL with log number 7", "/data/000007.log"),
            ("Corruption: something else", "/data"),
        ] {
            assert_eq!(named_file(folder, text), Path::new(file), "{text}");
        }
    }
}
