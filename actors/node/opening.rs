//! What a node opens before its tree grows: ports, the data folder, the journal.

use std::net::TcpListener as StdListener;
use std::sync::Arc;

use callboard_model::{ClusterId, TopicId};
use callboard_settings::{HostPort, Settings};
use callboard_storage::{
    DataDir, DataDirOptions, MemoryMetadata, MemoryStorage, MetadataLog, Options as StorageOptions, RocksStorage,
    Storage,
};
use socket2::SockRef;

use super::NodeError;

/// Connections that may wait to be accepted; the system has the last word (`net.core.somaxconn`). All clients of a node
/// dial at once when it is back, and who finds no place waits for one, three and seven seconds.
const LISTEN_BACKLOG: i32 = 16_384;

pub(super) fn bind(key: &'static str, address: &HostPort) -> Result<Arc<StdListener>, NodeError> {
    let refused = |source| NodeError::Bind { key, address: address.to_string(), source };
    let listener = StdListener::bind((address.host(), address.port())).map_err(refused)?;
    listener.set_nonblocking(true).map_err(refused)?;
    // The standard library asks for 128.
    SockRef::from(&listener).listen(LISTEN_BACKLOG).map_err(refused)?;
    Ok(Arc::new(listener))
}

pub(super) type Opened = (Arc<dyn Storage>, Arc<dyn MetadataLog>, Option<DataDir>, ClusterId);

/// Opens what a node keeps, with `tables` files of the journal at most held open.
pub(super) fn open(settings: &Settings, tables: u32) -> Result<Opened, NodeError> {
    let fresh = ClusterId(TopicId(uuid::Uuid::new_v4()).to_string().into());
    if settings.storage.memory {
        let cluster = settings.node.cluster_id.clone().unwrap_or(fresh);
        return Ok((
            Arc::new(MemoryStorage::bounded(settings.storage.memory_max_bytes.get())),
            Arc::new(MemoryMetadata::new()),
            None,
            cluster,
        ));
    }
    let options = DataDirOptions {
        node_id: settings.node.id,
        cluster_id: settings.node.cluster_id.clone(),
        fresh_cluster_id: fresh,
        fresh_directory_id: uuid::Uuid::new_v4().to_string(),
    };
    let mut folder = DataDir::open(&settings.storage.data_dir, &options)?;
    let metadata = folder.open_metadata()?;
    let journal = folder.open_journal(&StorageOptions {
        generation_bytes: settings.storage.generation_bytes.get(),
        wal_bytes: settings.storage.wal_bytes.get(),
        memtables_bytes: settings.storage.memtables_total_bytes.as_usize(),
        disk_reserve_bytes: settings.storage.disk_reserve_bytes.get(),
        accept_data_loss: settings.storage.accept_data_loss,
        open_files: tables,
        ..StorageOptions::default()
    })?;
    tell_recovery(&journal);
    let cluster = folder.identity().cluster_id.clone();
    Ok((Arc::new(journal), Arc::new(metadata), Some(folder), cluster))
}

/// What opening the journal met, where an operator should know.
fn tell_recovery(journal: &RocksStorage) {
    let found = journal.recovery();
    if let Some(kept) = &found.kept {
        tracing::warn!(
            kept = %kept.display(), recovered = found.sequence, synced_before = found.floor,
            "data was lost and storage.accept_data_loss=true goes on with the rest; a copy of the damaged folder is kept"
        );
    } else if !found.created && !found.clean {
        tracing::info!(
            recovered = found.sequence,
            synced_before = found.floor,
            cut = found.cut,
            "recovered after a crash"
        );
    }
}
