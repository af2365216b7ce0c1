//! A node's data folder: one process at a time, and a file that says whose it is.
//!
//! ```text
//! callboard.json   format, cluster, node, folder ids, and which databases were made here
//! lock             held while a process uses the folder
//! journal/         the journal (see RocksStorage)
//! metadata/        the metadata log (see MetadataStore)
//! ```

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use callboard_model::{BrokerId, ClusterId};
use serde::{Deserialize, Serialize};

use crate::disk::write_atomically;
use crate::{DiskSpace, MetadataStore, Opening, Options, RocksStorage, StorageError};

/// The version of the folder's layout that this program reads and writes.
const FORMAT: u32 = 1;
const IDENTITY: &str = "callboard.json";
const LOCK: &str = "lock";
const JOURNAL: &str = "journal";
const METADATA: &str = "metadata";

/// Whose data a folder holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Identity {
    /// Version of the folder's layout.
    pub format: u32,
    /// The cluster that its data belongs to.
    pub cluster_id: ClusterId,
    /// The node that its data belongs to.
    pub node_id: BrokerId,
    /// This folder's own id, made when it was first used: another folder of the same node is not this one.
    pub directory_id: String,
    /// The databases that were made in it, and so must be there.
    #[serde(default)]
    pub databases: Vec<String>,
}

/// The identity file's first field, readable whatever the version.
#[derive(Deserialize)]
struct AnyIdentity {
    format: u32,
}

/// Why a data folder is not opened.
#[derive(Debug, thiserror::Error)]
pub enum DataDirError {
    /// Another process has it.
    #[error("data folder {folder} is in use by another process; stop that one or give another folder", folder = .0.display())]
    Locked(PathBuf),
    /// A file operation failed.
    #[error(
        "{doing} {path}: {source}; name a folder in storage.data_dir that this process may create and write",
        path = path.display()
    )]
    Io {
        /// What was tried.
        doing: &'static str,
        /// On which file.
        path: PathBuf,
        /// The system's error.
        source: std::io::Error,
    },
    /// The identity file is not what we write.
    #[error(
        "{file} is unreadable: {detail}; restore it from a backup, or, if the data may go, remove the whole folder",
        file = file.display()
    )]
    Unreadable {
        /// The identity file.
        file: PathBuf,
        /// What is wrong.
        detail: String,
    },
    /// Data without an identity file.
    #[error(
        "{file} is missing, but {database} holds data; restore the file from a backup, or, if the data may go, remove \
         the whole folder",
        file = file.display(), database = database.display()
    )]
    Missing {
        /// The identity file.
        file: PathBuf,
        /// A folder with data.
        database: PathBuf,
    },
    /// Written by another version.
    #[error(
        "{file} has format {found}, this version reads {expected}; start it with the version that wrote it",
        file = file.display()
    )]
    Format {
        /// The identity file.
        file: PathBuf,
        /// As stored.
        found: u32,
        /// As this version writes.
        expected: u32,
    },
    /// Another node's data.
    #[error(
        "{file} belongs to node {found}, this is node {given}; set node.id={found} or give another data folder",
        file = file.display()
    )]
    OtherNode {
        /// The identity file.
        file: PathBuf,
        /// As stored.
        found: BrokerId,
        /// As started.
        given: BrokerId,
    },
    /// Another cluster's data.
    #[error(
        "{file} belongs to cluster {found}, this node was told {given}; set node.cluster_id={found} or give another data folder",
        file = file.display()
    )]
    OtherCluster {
        /// The identity file.
        file: PathBuf,
        /// As stored.
        found: ClusterId,
        /// As started.
        given: ClusterId,
    },
    /// Not even the start has room.
    #[error("the disk of {folder} has {free} bytes free, starting needs {needed}", folder = folder.display())]
    NoSpace {
        /// The data folder.
        folder: PathBuf,
        /// Bytes free.
        free: u64,
        /// Bytes needed.
        needed: u64,
    },
}

/// Who opens a data folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DataDirOptions {
    /// This node.
    pub node_id: BrokerId,
    /// The cluster that it is to belong to; `None` takes the folder's.
    pub cluster_id: Option<ClusterId>,
    /// Ids for a folder that has none yet. Random; the folder's caller makes them.
    pub fresh_cluster_id: ClusterId,
    /// See [`Identity::directory_id`].
    pub fresh_directory_id: String,
}

/// Bytes without which a node cannot even write that it started.
const START_BYTES: u64 = 1 << 20;

/// A node's data folder, held until dropped.
#[derive(Debug)]
pub struct DataDir {
    path: PathBuf,
    identity: Identity,
    created: bool,
    /// Released when the file is closed, also by a killed process.
    _lock: File,
}

impl DataDir {
    /// Creates the folder if it is missing, takes its lock, checks or writes its identity. Changes nothing on error
    /// but for the folder itself and its lock file.
    pub fn open(path: &Path, options: &DataDirOptions) -> Result<Self, DataDirError> {
        let io = |doing, path: &Path| {
            let path = path.to_owned();
            move |source| DataDirError::Io { doing, path, source }
        };
        fs::create_dir_all(path).map_err(io("create data folder", path))?;
        let path = fs::canonicalize(path).map_err(io("find data folder", path))?;
        let lock_path = path.join(LOCK);
        let lock = File::options().create(true).truncate(false).write(true).open(&lock_path);
        let lock = lock.map_err(io("open lock file", &lock_path))?;
        match rustix::fs::flock(&lock, rustix::fs::FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {}
            Err(rustix::io::Errno::WOULDBLOCK) => return Err(DataDirError::Locked(path)),
            Err(errno) => return Err(io("lock", &lock_path)(errno.into())),
        }
        let space = DiskSpace::of(&path).map_err(io("look at the disk of", &path))?;
        if space.free < START_BYTES {
            return Err(DataDirError::NoSpace { folder: path, free: space.free, needed: START_BYTES });
        }
        let file = path.join(IDENTITY);
        let stored = match fs::read(&file) {
            Ok(text) => Some(read_identity(&file, &text)?),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
            Err(error) => return Err(io("read", &file)(error)),
        };
        if let Some(identity) = stored {
            check_identity(&file, &identity, options)?;
            return Ok(Self { path, identity, created: false, _lock: lock });
        }
        for database in [JOURNAL, METADATA] {
            let database = path.join(database);
            if fs::read_dir(&database).is_ok_and(|mut files| files.next().is_some()) {
                return Err(DataDirError::Missing { file, database });
            }
        }
        let identity = Identity {
            format: FORMAT,
            cluster_id: options.cluster_id.clone().unwrap_or_else(|| options.fresh_cluster_id.clone()),
            node_id: options.node_id,
            directory_id: options.fresh_directory_id.clone(),
            databases: Vec::new(),
        };
        let opened = Self { path, identity, created: true, _lock: lock };
        opened.write_identity()?;
        Ok(opened)
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whose data it holds.
    pub fn identity(&self) -> &Identity {
        &self.identity
    }

    /// Whether it was empty before.
    pub fn is_new(&self) -> bool {
        self.created
    }

    /// Opens the journal. From its first opening on it must be there.
    pub fn open_journal(&mut self, options: &Options) -> Result<RocksStorage, DataDirOpenError> {
        let journal = RocksStorage::open(&self.path.join(JOURNAL), self.opening(JOURNAL), options)?;
        self.made(JOURNAL)?;
        Ok(journal)
    }

    /// Opens the metadata log. From its first opening on it must be there.
    pub fn open_metadata(&mut self) -> Result<MetadataStore, DataDirOpenError> {
        let metadata = MetadataStore::open(&self.path.join(METADATA), self.opening(METADATA))?;
        self.made(METADATA)?;
        Ok(metadata)
    }

    fn opening(&self, database: &str) -> Opening {
        if self.identity.databases.iter().any(|made| made == database) {
            Opening::MustExist
        } else {
            Opening::CreateIfMissing
        }
    }

    fn made(&mut self, database: &str) -> Result<(), DataDirError> {
        if self.opening(database) == Opening::MustExist {
            return Ok(());
        }
        self.identity.databases.push(database.to_owned());
        self.write_identity()
    }

    fn write_identity(&self) -> Result<(), DataDirError> {
        let file = self.path.join(IDENTITY);
        let mut text = serde_json::to_vec_pretty(&self.identity).expect("texts, numbers and lists always serialise");
        text.push(b'\n');
        write_atomically(&file, &text).map_err(|source| DataDirError::Io { doing: "write", path: file, source })
    }
}

/// Why a database of a data folder is not opened.
#[derive(Debug, thiserror::Error)]
pub enum DataDirOpenError {
    /// The folder.
    #[error(transparent)]
    Folder(#[from] DataDirError),
    /// The database.
    #[error(transparent)]
    Storage(#[from] StorageError),
}

fn read_identity(file: &Path, text: &[u8]) -> Result<Identity, DataDirError> {
    let unreadable =
        |error: serde_json::Error| DataDirError::Unreadable { file: file.to_owned(), detail: error.to_string() };
    let AnyIdentity { format } = serde_json::from_slice(text).map_err(unreadable)?;
    if format != FORMAT {
        return Err(DataDirError::Format { file: file.to_owned(), found: format, expected: FORMAT });
    }
    serde_json::from_slice(text).map_err(unreadable)
}

fn check_identity(file: &Path, stored: &Identity, options: &DataDirOptions) -> Result<(), DataDirError> {
    let file = file.to_owned();
    if stored.node_id != options.node_id {
        return Err(DataDirError::OtherNode { file, found: stored.node_id, given: options.node_id });
    }
    match &options.cluster_id {
        Some(given) if *given != stored.cluster_id => {
            Err(DataDirError::OtherCluster { file, found: stored.cluster_id.clone(), given: given.clone() })
        }
        _ => Ok(()),
    }
}

/// Raises this process's limit of open files to what the system allows; gives the limit then in force. Callers compare
/// it with what they need and say so in one line.
pub fn raise_open_file_limit() -> u64 {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    if limit.current != limit.maximum {
        // Not being allowed to is no error: the limit read afterwards tells.
        let _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum });
    }
    getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;
