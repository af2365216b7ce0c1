//! Opening: what may be missing, what must not, and what was recovered against what had been synced.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use callboard_model::LogId;
use rocksdb::{DB, IteratorMode, Options as RocksOptions, WriteBatch, WriteOptions};

use super::catalogue::{Catalogue, Generation, Generations, Log, Range};
use super::families::{self, DEFAULT, Families, LOGS, RANGES};
use super::floor::{Floor, take_clean_mark};
use super::keys::{
    CatalogueEntry, FORMAT_KEY, GenerationEntry, NEXT_GENERATION_KEY, NEXT_LOG_KEY, generation_key, payload_key,
    read_batch_key, read_generation_name, read_u32, read_u64,
};
use super::leaving::Leaving;
use super::payload::Payloads;
use super::space::SpaceGate;
use super::wal::{self, Kind, Replayed, Wal};
use super::{Recovery, RocksStorage, Writer, damage};
use crate::disk::sync_dir;
use crate::{Opening, Options, StorageError};

pub(super) const DB_FOLDER: &str = "db";
/// Batches lie beside the database, and the write-ahead log is our own.
const FORMAT: u32 = 3;
/// Generations of full size that spare files may take as much as.
const SPARES: u64 = 2;

pub(super) fn open(folder: &Path, opening: Opening, options: &Options) -> Result<RocksStorage, StorageError> {
    let path = folder.join(DB_FOLDER);
    if opening == Opening::CreateIfMissing {
        fs::create_dir_all(folder).map_err(|error| StorageError::io("create folder", folder, error))?;
    }
    // Consumed before anything is loaded.
    let clean_at = if folder.exists() { take_clean_mark(folder)? } else { None };
    let floor = match Floor::read(folder) {
        Err(_) if options.accept_data_loss => None,
        read => read?,
    };
    // The floor is written before the journal is listed as made: without it nobody could tell what is missing.
    if opening == Opening::MustExist && floor.is_none() && holds_data(&path) && !options.accept_data_loss {
        return Err(StorageError::Damaged { file: folder.join("floor"), detail: "it does not exist".into() });
    }
    let must_exist = opening == Opening::MustExist || floor.is_some() || holds_data(&path);
    let begun = opening == Opening::MustExist || floor.is_some();
    let opener = Opener { folder, path: &path, options, families: Families::new(options), must_exist, begun };
    let payloads = Payloads::of(folder, options.generation_bytes * SPARES);
    let opened = opener.open(&payloads, floor.unwrap_or(0))?;
    let Opened { db, replayed, kept } = opened;
    let sequence = replayed.sequence;
    let recovery = Recovery {
        created: !must_exist,
        clean: clean_at == Some(sequence) && kept.is_none() && replayed.torn.is_none(),
        sequence,
        floor: floor.unwrap_or(0),
        cut: replayed.torn.is_some(),
        kept,
    };
    let lossy = options.accept_data_loss && (recovery.kept.is_some() || sequence < recovery.floor);
    let loaded = Loader { db: &db, path: &path, payloads: &payloads, lossy }.load()?;
    let lost = |error| StorageError::io("tidy the batches in", folder, error);
    for gone in payloads.generations().map_err(lost)? {
        if loaded.generations.get(gone).is_none() {
            payloads.remove(gone).map_err(lost)?;
        }
    }
    if !must_exist {
        sync_dir(&path).map_err(|error| StorageError::io("sync", path.clone(), error))?;
    }
    let storage = RocksStorage {
        folder: folder.to_owned(),
        options: options.clone(),
        families: opener.families,
        catalogue: loaded.catalogue,
        generations: loaded.generations,
        writer: Mutex::new(loaded.writer),
        upkeep: Mutex::default(),
        wal: Wal::begin(folder, options.wal_bytes, &replayed)?,
        // The log has just synced it; a loss that was accepted lowers what must be there.
        floor: Floor::begin(folder, sequence)?,
        space: SpaceGate::new(folder, options.disk_reserve_bytes),
        leaving: Leaving::of(folder),
        payloads,
        writing_out: Mutex::default(),
        checkpoint_wanted: false.into(),
        closed: false.into(),
        recovery,
        db,
    };
    if lossy {
        // What was given up must not come back by another replay.
        storage.checkpoint()?;
    }
    Ok(storage)
}

fn holds_data(path: &Path) -> bool {
    fs::read_dir(path).is_ok_and(|files| {
        files.flatten().any(|file| {
            let name = file.file_name();
            let name = name.to_string_lossy();
            name == "CURRENT" || name.starts_with("MANIFEST-") || name.ends_with(".sst") || name.ends_with(".log")
        })
    })
}

struct Opened {
    db: DB,
    replayed: Replayed,
    kept: Option<PathBuf>,
}

struct Opener<'a> {
    folder: &'a Path,
    path: &'a Path,
    options: &'a Options,
    families: Families,
    must_exist: bool,
    /// Whether it was once opened to its end.
    begun: bool,
}

impl Opener<'_> {
    /// Opens the database and replays the log into it. Nothing is lost silently, and nothing is changed by failing: what
    /// is replayed is in memory, or stands where it did before.
    fn open(&self, payloads: &Payloads, floor: u64) -> Result<Opened, StorageError> {
        let error = match self.open_whole(payloads, floor) {
            Ok((db, replayed)) => return Ok(Opened { db, replayed, kept: None }),
            Err(error) => error,
        };
        let lost = matches!(error, StorageError::Damaged { .. } | StorageError::UncleanLoss { .. });
        if !lost || !self.options.accept_data_loss {
            return Err(error);
        }
        let kept = Some(self.keep_copy()?);
        if let Ok(db) = self.open_db() {
            check_format(&db, self.path)?;
            if let Ok(replayed) = self.replay(&db, payloads) {
                return Ok(Opened { db, replayed, kept });
            }
        }
        // The log speaks of families by numbers that a repaired database may have given to others.
        Ok(Opened { db: self.salvage()?, replayed: Replayed::begin_behind(self.folder, floor)?, kept })
    }

    fn open_whole(&self, payloads: &Payloads, floor: u64) -> Result<(DB, Replayed), StorageError> {
        let db = self.open_db()?;
        check_format(&db, self.path)?;
        let replayed = self.replay(&db, payloads)?;
        if self.begun && !replayed.found {
            let detail = "it does not exist".into();
            return Err(StorageError::Damaged { file: wal::checkpoint_path(self.folder), detail });
        }
        if replayed.sequence >= floor {
            return Ok((db, replayed));
        }
        if let Some((file, at)) = replayed.torn {
            let detail = format!("the record at byte {at} is damaged, and {floor} of them were synced").into();
            return Err(StorageError::Damaged { file, detail });
        }
        Err(StorageError::UncleanLoss { folder: self.folder.to_owned(), recovered: replayed.sequence, floor })
    }

    fn replay(&self, db: &DB, payloads: &Payloads) -> Result<Replayed, StorageError> {
        let names = DB::list_cf(&RocksOptions::default(), self.path).map_err(|error| damage(self.path, &error))?;
        let there: BTreeSet<u32> = names.iter().filter_map(|name| Some(read_generation_name(name)?.1)).collect();
        let mut options = WriteOptions::default();
        options.disable_wal(true);
        // Of generations that were dropped since.
        options.set_ignore_missing_column_families(true);
        let mut beside = BTreeSet::new();
        let replayed = wal::replay(self.folder, |record| {
            for (piece, batches) in record.pieces.iter().filter(|(piece, _)| there.contains(&piece.generation)) {
                let io = |doing, error| StorageError::io(doing, payloads.path(piece.generation), error);
                match piece.kind {
                    Kind::Within => payloads
                        .restore(piece.generation, piece.position, batches)
                        .map_err(|error| io("restore batches in", error))?,
                    Kind::Written => {
                        let crc = payloads.crc(piece.generation, piece.position, piece.len);
                        if crc.map_err(|error| io("read", error))? != Some(piece.crc) {
                            return Ok(None);
                        }
                        beside.insert(piece.generation);
                    }
                    Kind::Synced => {}
                }
            }
            let change = WriteBatch::from_data(record.change);
            let memory = wal::memory_of(&change);
            db.write_opt(change, &options)
                .map_err(|error| StorageError::engine("replay the write-ahead log", &error))?;
            Ok(Some(memory))
        })?;
        // The log will be synced; what it counts on goes before it.
        for seq in beside {
            payloads.sync(seq).map_err(|error| StorageError::io("sync", payloads.path(seq), error))?;
        }
        Ok(replayed)
    }

    fn names(&self, db: &RocksOptions) -> Result<Vec<String>, StorageError> {
        let mut names: Vec<String> = families::fixed().map(str::to_owned).collect();
        if self.must_exist {
            let found = DB::list_cf(db, self.path).map_err(|error| self.damaged(&error))?;
            names.extend(found.into_iter().filter(|name| !families::fixed().any(|fixed| fixed == name)));
        }
        Ok(names)
    }

    fn open_db(&self) -> Result<DB, StorageError> {
        let mut db = families::database(self.options);
        db.create_if_missing(!self.must_exist);
        db.create_missing_column_families(true);
        let descriptors = self.names(&db)?.into_iter().map(|name| self.families.descriptor(&name));
        DB::open_cf_descriptors(&db, self.path, descriptors).map_err(|error| self.damaged(&error))
    }

    fn damaged(&self, error: &rocksdb::Error) -> StorageError {
        let text = error.as_ref();
        // RocksDB speaks of an option here; what is wrong is that the file is gone.
        if text.contains("does not exist") && text.contains("create_if_missing") {
            return StorageError::Damaged { file: self.path.join("CURRENT"), detail: "it does not exist".into() };
        }
        damage(self.path, error)
    }

    /// Keeps the damaged database beside the one that goes on: table files by a second name, they never change; the
    /// small files as copies.
    fn keep_copy(&self) -> Result<PathBuf, StorageError> {
        let free = (1u32..).map(|n| self.folder.join(format!("db.damaged-{n}"))).find(|path| !path.exists());
        let kept = free.expect("there are more numbers than folders");
        let io = |error| StorageError::io("copy the damaged database to", kept.clone(), error);
        fs::create_dir_all(&kept).map_err(io)?;
        let Ok(files) = fs::read_dir(self.path) else { return Ok(kept) };
        for file in files.flatten().filter(|file| file.path().is_file()) {
            let to = kept.join(file.file_name());
            if file.path().extension().is_some_and(|extension| extension == "sst") {
                fs::hard_link(file.path(), to).map_err(io)?;
            } else {
                fs::copy(file.path(), to).map(|_| ()).map_err(io)?;
            }
        }
        Payloads::of(self.folder, 0).link_all(&kept).map_err(io)?;
        wal::copy(self.folder, &kept).map_err(io)?;
        sync_dir(&kept).map_err(io)?;
        Ok(kept)
    }

    /// Opens what a repair makes of the files that are left; else a new, empty database.
    fn salvage(&self) -> Result<DB, StorageError> {
        let mut repairing = families::database(self.options);
        repairing.create_if_missing(true);
        if DB::repair(&repairing, self.path).is_ok()
            && let Ok(db) = self.open_db()
        {
            check_format(&db, self.path)?;
            return Ok(db);
        }
        let io = |error| StorageError::io("remove the damaged database", self.path, error);
        if self.path.exists() {
            fs::remove_dir_all(self.path).map_err(io)?;
        }
        let empty = Opener { must_exist: false, families: self.families.clone(), ..*self };
        let db = empty.open_db()?;
        check_format(&db, self.path)?;
        Ok(db)
    }
}

/// Whether the database is of our format; a new one becomes so.
fn check_format(db: &DB, path: &Path) -> Result<(), StorageError> {
    let stored = db.get(FORMAT_KEY).map_err(|error| damage(path, &error))?;
    match stored.as_deref().map(read_u32) {
        Some(Some(FORMAT)) => Ok(()),
        None => {
            let mut options = WriteOptions::default();
            options.disable_wal(true);
            let written = db.put_opt(FORMAT_KEY, FORMAT.to_be_bytes(), &options).and_then(|()| db.flush());
            written.map_err(|error| StorageError::engine("write format", &error))
        }
        Some(found) => {
            Err(StorageError::Format { folder: path.to_owned(), found: found.unwrap_or(u32::MAX), expected: FORMAT })
        }
    }
}

/// A key and its value.
type Pair = (Box<[u8]>, Box<[u8]>);

struct Loaded {
    catalogue: Catalogue,
    generations: Generations,
    writer: Writer,
}

/// Rebuilds what is known in memory: two scans over small families, nothing per log.
struct Loader<'a> {
    db: &'a DB,
    path: &'a Path,
    payloads: &'a Payloads,
    /// Loss was accepted: what points nowhere is given up instead of refused.
    lossy: bool,
}

impl Loader<'_> {
    fn load(&self) -> Result<Loaded, StorageError> {
        let (generations, open) = self.generations()?;
        let mut next_generation = self.number(NEXT_GENERATION_KEY)?;
        if let Some(newest) = generations.all().last() {
            next_generation = next_generation.max(newest.seq + 1);
        }
        let mut ranges = self.ranges(&generations)?;
        let mut next_log = self.number(NEXT_LOG_KEY)?;
        let catalogue = Catalogue::default();
        for item in self.scan(LOGS) {
            let (key, value) = item?;
            let log = read_u32(&key).map(LogId);
            let (Some(log), Some(entry)) = (log, CatalogueEntry::read(&value)) else {
                return Err(self.nonsense(LOGS, &key));
            };
            let ranges = ranges.remove(&log).unwrap_or_default();
            let end = ranges.is_empty().then_some(entry.start);
            next_log = next_log.max(log.0 + 1);
            catalogue.insert(Log::new(log, entry, ranges, end));
        }
        if self.lossy {
            next_log = next_log.max(self.highest_log(&generations)? + 1);
        }
        let writer = Writer { open, next_log, next_generation };
        Ok(Loaded { catalogue, generations, writer })
    }

    fn number(&self, key: &[u8]) -> Result<u32, StorageError> {
        match self.db.get(key).map_err(|error| damage(self.path, &error))? {
            None => Ok(0),
            Some(value) => read_u32(&value).ok_or_else(|| self.nonsense(DEFAULT, key)),
        }
    }

    fn scan(&self, family: &str) -> impl Iterator<Item = Result<Pair, StorageError>> {
        let handle = self.db.cf_handle(family).expect("fixed families are created on opening");
        let path = self.path;
        self.db.iterator_cf(&handle, IteratorMode::Start).map(move |item| item.map_err(|error| damage(path, &error)))
    }

    /// All generations, and for each class the newest if it still takes appends.
    fn generations(
        &self,
    ) -> Result<(Generations, HashMap<crate::RetentionClass, std::sync::Arc<Generation>>), StorageError> {
        let generations = Generations::default();
        let mut open: HashMap<_, std::sync::Arc<Generation>> = HashMap::new();
        let names = DB::list_cf(&RocksOptions::default(), self.path).map_err(|error| damage(self.path, &error))?;
        let mut found: Vec<_> = names.iter().filter_map(|name| read_generation_name(name)).collect();
        found.sort_unstable_by_key(|(_, seq)| *seq);
        for (class, seq) in found {
            let key = generation_key(seq);
            let entry = match self.db.get(&key).map_err(|error| damage(self.path, &error))? {
                None => GenerationEntry::default(),
                Some(value) => GenerationEntry::read(&value).ok_or_else(|| self.nonsense(DEFAULT, &key))?,
            };
            let generation = generations.insert(Generation::new(class, seq, entry, 0));
            let handle = self.db.cf_handle(&generation.name).expect("listed families were opened");
            let files = self.db.get_column_family_metadata_cf(&handle).size;
            let memory = self.db.property_int_value_cf(&handle, rocksdb::properties::CUR_SIZE_ALL_MEM_TABLES);
            let memory = memory.ok().flatten().unwrap_or(0);
            let payload = self.payload(seq)?;
            generation.payload.store(payload, std::sync::atomic::Ordering::Relaxed);
            generation.bytes.store(files + memory + payload, std::sync::atomic::Ordering::Relaxed);
            if let Some(older) = open.remove(&class) {
                older.seal();
            }
            if !generation.sealed() {
                open.insert(class, generation);
            }
        }
        Ok((generations, open))
    }

    /// Where a generation's own file ends: behind the last place, or behind all that a copy may need. That some bytes are
    /// missing is a loss like that of a table.
    fn payload(&self, seq: u32) -> Result<u64, StorageError> {
        let key = payload_key(seq);
        let noted = match self.db.get(&key).map_err(|error| damage(self.path, &error))? {
            None => 0,
            Some(value) => read_u64(&value).ok_or_else(|| self.nonsense(DEFAULT, &key))?,
        };
        let file = self.payloads.path(seq);
        let found = self.payloads.len(seq).map_err(|error| StorageError::io("look at", file.clone(), error))?;
        if found < noted && !self.lossy {
            let detail = format!("it has {found} of {noted} bytes").into();
            return Err(StorageError::Damaged { file, detail });
        }
        if found <= noted {
            return Ok(noted);
        }
        self.payloads.note_longer(seq);
        let shared = self.payloads.is_shared(seq).map_err(|error| StorageError::io("look at", file, error))?;
        Ok(if shared { found } else { noted })
    }

    fn ranges(&self, generations: &Generations) -> Result<BTreeMap<LogId, Vec<Range>>, StorageError> {
        let mut ranges: BTreeMap<LogId, Vec<Range>> = BTreeMap::new();
        let mut given_up = WriteBatch::default();
        for item in self.scan(RANGES) {
            let (key, value) = item?;
            let (Some((log, first)), Some(generation)) = (read_batch_key(&key), read_u32(&value)) else {
                return Err(self.nonsense(RANGES, &key));
            };
            if generations.get(generation).is_none() {
                if self.lossy {
                    let handle = self.db.cf_handle(RANGES).expect("fixed families are created on opening");
                    given_up.delete_cf(&handle, &key);
                    continue;
                }
                let detail = format!("log {log} has records from {first} on in generation {generation}, which is gone");
                return Err(StorageError::Damaged { file: self.path.to_owned(), detail: detail.into() });
            }
            ranges.entry(log).or_default().push(Range { first, generation });
        }
        if !given_up.is_empty() {
            let mut options = WriteOptions::default();
            options.disable_wal(true);
            let written = self.db.write_opt(given_up, &options);
            written.map_err(|error| StorageError::engine("give up lost records", &error))?;
        }
        Ok(ranges)
    }

    /// The highest log number that any stored batch has: numbers must not come back with old batches under them.
    fn highest_log(&self, generations: &Generations) -> Result<u32, StorageError> {
        let mut highest = 0;
        for generation in generations.all() {
            let Some(handle) = self.db.cf_handle(&generation.name) else { continue };
            let mut iterator = self.db.raw_iterator_cf(&handle);
            iterator.seek_to_last();
            if let Some((log, _)) = iterator.key().and_then(read_batch_key) {
                highest = highest.max(log.0);
            }
        }
        Ok(highest)
    }

    fn nonsense(&self, family: &str, key: &[u8]) -> StorageError {
        let detail = format!("family {family} has an entry that is none of ours at key {key:02x?}");
        StorageError::Damaged { file: self.path.to_owned(), detail: detail.into() }
    }
}
