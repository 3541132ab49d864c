//! The folder of a store: how it comes to be whole or not at all, and what is checked before sled may open it.
//!
//! ```text
//! STATE/store.lock       who holds it
//! STATE/store.genesis    says that there is a store, and which: a missing folder is then a loss, not a first start
//! STATE/store/genesis    the genesis record, readable without sled, whatever the format of the rest
//! STATE/store/rows/      sled's own: conf, db, snap.*, blobs/ (which stays empty)
//! STATE/store.tmp-PID/   a store that is not whole yet: taken away at the next start
//! STATE/exports/         verified exports, if the server keeps them there
//! ```

use super::disk::{self, Disk, DiskError, on};
use super::tables::Tables;
use super::value::{self, ENVELOPE_FORMAT, GENESIS, HEAD, Head};
use super::watchdog::Watchdog;
use super::{OpenError, Settings};
use crate::contract::{Genesis, STORE_FORMAT};
use crate::model::canonical_json;
use crate::store::export::exports;
use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// The oldest format that this binary reads.
const STORE_FORMAT_OLDEST: u32 = 1;
/// How long sled may take to let go of its own lock when a database was closed just before.
const SLED_LOCK_PATIENCE: Duration = Duration::from_secs(10);

const _: () = assert!(STORE_FORMAT == ENVELOPE_FORMAT as u32, "rows are of the format that the genesis names");

/// A path beside the store's folder: `STATE/store` and `lock` give `STATE/store.lock`.
pub fn beside(folder: &Path, what: &str) -> PathBuf {
    folder.with_added_extension(what)
}

/// Makes the folder that the store's folder lies in, for its owner only.
pub fn make_parent(folder: &Path) -> Result<(), DiskError> {
    let parent = parent(folder);
    DirBuilder::new().recursive(true).mode(0o700).create(parent).map_err(on("create", parent))
}

fn parent(folder: &Path) -> &Path {
    folder.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Takes away stores that a crash left unfinished. Only under the lock.
pub fn remove_unfinished(folder: &Path) -> Result<(), DiskError> {
    let parent = parent(folder);
    let begins = beside(folder, "tmp-");
    let begins = begins.file_name().unwrap_or_default().as_encoded_bytes().to_owned();
    for entry in std::fs::read_dir(parent).map_err(on("list", parent))? {
        let path = entry.map_err(on("list", parent))?.path();
        if path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(&begins)) {
            std::fs::remove_dir_all(&path).map_err(on("remove", &path))?;
        }
    }
    Ok(())
}

/// Creates a store, filled by `fill`, whole or not at all. Only under the lock.
pub fn create(
    folder: &Path,
    genesis: &Genesis,
    settings: &Settings,
    fill: impl FnOnce(Tables) -> Result<Tables, OpenError>,
) -> Result<(), OpenError> {
    let unfinished = beside(folder, &format!("tmp-{}", std::process::id()));
    DirBuilder::new().mode(0o700).create(&unfinished).map_err(on("create", &unfinished))?;
    let mut tables = open_sled(&unfinished.join("rows"), settings)?;
    tables.put(GENESIS.to_vec(), value::seal(GENESIS, &[&canonical_json(genesis)]));
    tables.put(HEAD.to_vec(), value::head(Head::default()));
    let mut tables = fill(tables)?;
    tables.apply()?;
    tables.close();
    let file = unfinished.join("genesis");
    std::fs::write(&file, canonical_json(genesis)).map_err(on("write", &file))?;
    disk::sync_tree(&unfinished)?;
    std::fs::rename(&unfinished, folder).map_err(on("rename to", folder))?;
    disk::sync_folder(parent(folder))?;
    mark(folder, genesis)
}

/// Writes beside the folder that there is a store, if nothing says so yet.
pub fn mark(folder: &Path, genesis: &Genesis) -> Result<(), OpenError> {
    let marker = beside(folder, "genesis");
    if !exists(&marker)? {
        disk::write_file(&marker, &canonical_json(genesis))?;
    }
    Ok(())
}

/// Writes beside the folder that another life of the same instance begins. Before that life is there: a crash in between
/// then leaves a store that is missing, and to be restored again, never one that seems to be another's.
pub fn mark_anew(folder: &Path, genesis: &Genesis) -> Result<(), OpenError> {
    let marker = beside(folder, "genesis");
    if exists(&marker)? {
        let marked = read_genesis(&marker)?;
        if marked.instance != genesis.instance {
            let (genesis, marked) = (Box::new(genesis.clone()), Box::new(marked));
            return Err(OpenError::Foreign { folder: folder.to_owned(), marker, genesis, marked });
        }
    }
    Ok(disk::write_file(&marker, &canonical_json(genesis))?)
}

/// What there is of a store.
pub enum Found {
    /// Nothing, and nothing says that there was something.
    Nothing,
    /// A store.
    Store(Genesis),
    /// No store, but something says that there was one.
    Lost {
        /// What says so.
        witness: PathBuf,
    },
}

/// Looks at what there is, without opening it.
pub fn find(folder: &Path) -> Result<Found, OpenError> {
    let marker = beside(folder, "genesis");
    if exists(folder)? {
        let genesis = read_genesis(&folder.join("genesis"))?;
        check_format(&genesis)?;
        if exists(&marker)? {
            let marked = read_genesis(&marker)?;
            if marked.lineage != genesis.lineage || marked.instance != genesis.instance {
                let (genesis, marked) = (Box::new(genesis), Box::new(marked));
                return Err(OpenError::Foreign { folder: folder.to_owned(), marker, genesis, marked });
            }
        }
        return Ok(Found::Store(genesis));
    }
    if exists(&marker)? {
        return Ok(Found::Lost { witness: marker });
    }
    match newest_export(&parent(folder).join("exports"))? {
        Some(witness) => Ok(Found::Lost { witness }),
        None => Ok(Found::Nothing),
    }
}

fn exists(path: &Path) -> Result<bool, DiskError> {
    path.try_exists().map_err(on("look at", path))
}

fn newest_export(folder: &Path) -> Result<Option<PathBuf>, DiskError> {
    if !exists(folder)? {
        return Ok(None);
    }
    Ok(exports(folder).map_err(on("list", folder))?.into_iter().max())
}

fn read_genesis(path: &Path) -> Result<Genesis, OpenError> {
    let bytes = std::fs::read(path).map_err(on("read", path))?;
    // A newer format may have other fields, so its number is read first and on its own.
    #[derive(serde::Deserialize)]
    struct Format {
        format: u32,
    }
    let not_ours = |error: serde_json::Error| OpenError::Damaged(format!("{}: {error}", path.display()));
    let Format { format } = serde_json::from_slice(&bytes).map_err(not_ours)?;
    if format > STORE_FORMAT {
        return Err(OpenError::Newer { found: format, read: STORE_FORMAT });
    }
    serde_json::from_slice(&bytes).map_err(not_ours)
}

fn check_format(genesis: &Genesis) -> Result<(), OpenError> {
    match genesis.format {
        newer if newer > STORE_FORMAT => Err(OpenError::Newer { found: newer, read: STORE_FORMAT }),
        older if older < STORE_FORMAT_OLDEST => Err(OpenError::Older { found: older, read: STORE_FORMAT_OLDEST }),
        _ => Ok(()),
    }
}

/// Opens the database of a store that was found.
pub fn open(folder: &Path, genesis: &Genesis, settings: &Settings) -> Result<Tables, OpenError> {
    let rows = folder.join("rows");
    remove_generating(&rows)?;
    // Before sled writes anything, so that no failed write-back is hidden from us.
    let disk = Disk::open(&rows)?.with_room_min(settings.room_bytes_min);
    // What a killed process has written may be in the kernel only, and sled strikes out what it has replaced.
    disk.sync()?;
    let (db, watchdog) = start_sled(&rows, settings)?;
    // sled has written a snapshot and put torn ends right.
    disk.sync()?;
    let tables = Tables::new(db, watchdog, disk);
    let found = tables.get(GENESIS)?.ok_or_else(|| OpenError::Damaged("it has no genesis record".to_owned()))?;
    let found: Genesis = serde_json::from_slice(value::open(GENESIS, &found)?)
        .map_err(|error| OpenError::Damaged(format!("the genesis record: {error}")))?;
    if found != *genesis {
        let marker = folder.join("genesis");
        let (genesis, marked) = (Box::new(found), Box::new(genesis.clone()));
        return Err(OpenError::Foreign { folder: rows, marker, genesis, marked });
    }
    Ok(tables)
}

/// A snapshot that a crash left half written would be taken for the newest one, and the database could never be opened
/// again (sled#1527).
fn remove_generating(rows: &Path) -> Result<(), DiskError> {
    for entry in std::fs::read_dir(rows).map_err(on("list", rows))? {
        let path = entry.map_err(on("list", rows))?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if name.starts_with("snap.") && name.ends_with(".generating") {
            std::fs::remove_file(&path).map_err(on("remove", &path))?;
        }
    }
    Ok(())
}

/// Opens a database in a folder that nobody has to find again after a crash.
pub fn open_sled(path: &Path, settings: &Settings) -> Result<Tables, OpenError> {
    let (db, watchdog) = start_sled(path, settings)?;
    Ok(Tables::new(db, watchdog, Disk::open(path)?))
}

/// Starts sled's own database in a folder, watched from the first call on.
fn start_sled(path: &Path, settings: &Settings) -> Result<(sled::Db, Watchdog), OpenError> {
    // No flushing thread of sled's own: the owner's is the only one. Every setting that changes the bytes is fixed.
    let config = sled::Config::new()
        .path(path)
        .mode(sled::Mode::LowSpace)
        .flush_every_ms(None)
        .cache_capacity(settings.cache_bytes);
    let watchdog = Watchdog::start(config.clone(), Arc::clone(&settings.on_broken))
        .map_err(|error| OpenError::Thread(error.to_string()))?;
    let began = Instant::now();
    loop {
        match watchdog.during(|| config.open()) {
            Ok(db) => return Ok((db, watchdog)),
            // sled's threads may hold the file of a database that was closed just before; we hold the lock that counts.
            Err(sled::Error::Io(error)) if is_lock(&error) && began.elapsed() < SLED_LOCK_PATIENCE => {
                std::thread::sleep(Duration::from_millis(5));
            }
            Err(error) => return Err(OpenError::Sled { path: path.to_owned(), why: error.to_string() }),
        }
    }
}

fn is_lock(error: &std::io::Error) -> bool {
    error.to_string().contains("could not acquire lock")
}
