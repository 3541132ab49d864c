//! Backups: everything that the store holds, the contents of revisions, and, under a passphrase, the keys: one file.
//!
//! ```text
//! tar.zst: backup.json      what it is, and of which instance
//!          keys             the keys under the passphrase, if one was given
//!          store.export     the store's verified export
//!          contents/...     files and listings, by digest
//! ```
//!
//! The store is taken before the contents: what its rows name was kept before them. What is secret stays sealed. Data of
//! databases and volumes is no part of it: that is the providers'.

use super::settings::Settings;
use super::state::{StateFailure, draw, store_folder};
use crate::clock::{NoBootId, SystemClock};
use crate::contract::{Clock, Plain};
use crate::secrets::{KeyFailure, Keys};
use crate::server::{Backup, BackupDoor};
use crate::source::{ContentsProblem, FolderContents};
use crate::state::{Why, WhyCode};
use crate::store::export::{ExportError, ExportFile, Summary};
use crate::store::sled::{OpenError, Settings as StoreSettings, SledStore, restore as restore_store};
use async_trait::async_trait;
use futures::stream::StreamExt;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio_util::io::ReaderStream;
use zeroize::Zeroizing;

/// The format that this deployd writes and reads.
const FORMAT: u32 = 1;
const ABOUT: &str = "backup.json";
const KEYS: &str = "keys";
const EXPORT: &str = "store.export";
const CONTENTS: &str = "contents";
/// Says who wrote the contents.
const CONTENTS_FORMAT: &str = "format";
/// What of the folder of contents counts; the rest is on its way, or damaged. Listings last: they name the files.
const KEPT: [&str; 2] = ["files", "listings"];
/// The longest of the small entries.
const SMALL_BYTES_MAX: u64 = 64 * 1024;
/// A level that takes a third of the time of writing the rest.
const ZSTD_LEVEL: i32 = 1;

/// What a backup says of itself.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
struct About {
    deployd_backup: u32,
    instance: String,
}

/// Why there is no backup, or why it was not restored: then nothing was changed, but that keys may have been put in
/// their place.
#[derive(Debug)]
pub enum BackupFailure {
    /// The export of the store.
    Export(ExportError),
    /// The store itself.
    Store(OpenError),
    /// The contents of revisions.
    Contents(ContentsProblem),
    /// The keys.
    Keys(KeyFailure),
    /// A file.
    Io {
        /// Which.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// It is no backup, or of another format: why.
    NotABackup(String),
    /// No randomness could be had.
    NoChance(StateFailure),
    /// The machine's clock.
    Clock(NoBootId),
}

/// What was restored.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RestoreDone {
    /// Whose state it is.
    pub instance: String,
    /// What the store holds now, and what of the backup could not be read.
    pub summary: Summary,
    /// Whether the keys came with it.
    pub with_keys: bool,
}

/// Takes backups of a running server.
pub(super) struct BackupRoom {
    store: Arc<SledStore>,
    keys: Arc<Keys>,
    state: PathBuf,
}

impl BackupRoom {
    pub(super) fn new(store: Arc<SledStore>, keys: Arc<Keys>, state: PathBuf) -> BackupRoom {
        BackupRoom { store, keys, state }
    }

    async fn take(&self, passphrase: Option<&Plain>) -> Result<File, BackupFailure> {
        let dump = self.store.dump().await.map_err(|error| BackupFailure::NotABackup(error.to_string()))?;
        let (keys, state, passphrase) = (Arc::clone(&self.keys), self.state.clone(), passphrase.cloned());
        let taken = tokio::task::spawn_blocking(move || {
            let keys = passphrase.map(|passphrase| keys.export(&passphrase)).transpose();
            let keys = keys.map_err(BackupFailure::Keys)?;
            let folder = Draft::new(&state)?;
            ExportFile::write(&dump, &folder.0.join(EXPORT)).map_err(BackupFailure::Export)?;
            let about = About { deployd_backup: FORMAT, instance: dump.genesis.instance.clone() };
            let path = folder.0.join("backup");
            write(&path, &about, keys.as_deref(), &folder.0.join(EXPORT), &state.join(CONTENTS)).map_err(at(&path))?;
            check(&path)?;
            // The file goes with its folder; who has it open reads it to its end.
            File::open(&path).map_err(at(&path))
        });
        taken.await.unwrap_or_else(|panic| std::panic::resume_unwind(panic.into_panic()))
    }
}

#[async_trait]
impl BackupDoor for BackupRoom {
    async fn backup(&self, passphrase: Option<&Plain>) -> Result<Backup, Why> {
        let why = |error: BackupFailure| match &error {
            BackupFailure::Keys(KeyFailure::Refused(text)) => Why::new(WhyCode::Refused, text.clone()),
            _ => Why::new(WhyCode::Other, error.in_full()),
        };
        let file = self.take(passphrase).await.map_err(why)?;
        let bytes = file.metadata().map_err(|error| Why::new(WhyCode::NotReadable, error.to_string()))?.len();
        Ok(Backup { bytes, content: ReaderStream::new(tokio::fs::File::from_std(file)).boxed() })
    }
}

/// Restores a backup into the state folder, where no server may run and no store may be. Blocking: seconds for 100,000
/// rows. The keys of the instance have to be there, or in the backup, and then the passphrase is needed.
///
/// # Errors
/// [`BackupFailure`]; there is no store then.
pub fn restore(
    settings: &Settings,
    backup: &Path,
    passphrase: Option<&Plain>,
    clock: &dyn Clock,
) -> Result<RestoreDone, BackupFailure> {
    let state = &settings.state;
    let draft = Draft::new(state)?;
    let about = unpack(backup, &draft.0)?;
    let (dump, summary) = ExportFile::read(&draft.0.join(EXPORT)).map_err(BackupFailure::Export)?;
    if dump.genesis.instance != about.instance {
        return Err(BackupFailure::NotABackup("its parts are of two instances".to_owned()));
    }
    let store_settings = StoreSettings::of(&settings.holder);
    // Before anything is put in its place.
    if store_folder(state).exists() {
        return Err(BackupFailure::Store(OpenError::Exists(store_folder(state))));
    }
    let keys = draft.0.join(KEYS);
    let with_keys = match (passphrase, keys.exists()) {
        (Some(passphrase), true) => {
            let text = fs::read_to_string(&keys).map_err(at(&keys))?;
            Keys::import(&settings.keys, state, &text, passphrase).map_err(BackupFailure::Keys)?;
            true
        }
        _ => {
            Keys::load(&settings.keys, &about.instance, state).map_err(BackupFailure::Keys)?;
            false
        }
    };
    put_contents(&draft.0.join(CONTENTS), &state.join(CONTENTS))?;
    let lineage = draw(12).map_err(BackupFailure::NoChance)?;
    restore_store(&store_folder(state), &dump, &lineage, clock.now().wall, &store_settings)
        .map_err(BackupFailure::Store)?;
    Ok(RestoreDone { instance: about.instance, summary, with_keys })
}

/// As [`restore`], now, by the machine's clock.
///
/// # Errors
/// As [`restore`].
pub fn restore_now(
    settings: &Settings,
    backup: &Path,
    passphrase: Option<Zeroizing<String>>,
) -> Result<RestoreDone, BackupFailure> {
    let clock = SystemClock::start().map_err(BackupFailure::Clock)?;
    restore(settings, backup, passphrase.map(|mut text| Plain::new(std::mem::take(&mut *text))).as_ref(), &clock)
}

/// A folder that goes with whoever made it.
struct Draft(PathBuf);

impl Draft {
    fn new(state: &Path) -> Result<Draft, BackupFailure> {
        use std::os::unix::fs::DirBuilderExt;
        let name = draw(8).map_err(BackupFailure::NoChance)?;
        let path = state.join(format!("backup.tmp-{name}"));
        fs::DirBuilder::new().recursive(true).mode(0o700).create(&path).map_err(at(&path))?;
        Ok(Draft(path))
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.0) {
            tracing::warn!("{} stays, and can be removed: {error}", self.0.display());
        }
    }
}

fn write(path: &Path, about: &About, keys: Option<&str>, export: &Path, contents: &Path) -> io::Result<()> {
    let encoder = zstd::Encoder::new(File::create_new(path)?, ZSTD_LEVEL)?;
    let mut tar = tar::Builder::new(encoder);
    small(&mut tar, ABOUT, &serde_json::to_vec(about)?)?;
    if let Some(keys) = keys {
        small(&mut tar, KEYS, keys.as_bytes())?;
    }
    tar.append_path_with_name(export, EXPORT)?;
    small(&mut tar, &format!("{CONTENTS}/{CONTENTS_FORMAT}"), &fs::read(contents.join(CONTENTS_FORMAT))?)?;
    for kind in KEPT {
        let mut names: Vec<_> = fs::read_dir(contents.join(kind))?.collect::<io::Result<_>>()?;
        names.sort_by_key(fs::DirEntry::file_name);
        for entry in names {
            let name = Path::new(CONTENTS).join(kind).join(entry.file_name());
            match tar.append_path_with_name(entry.path(), name) {
                // It was swept meanwhile: no row that was taken names it, or it was never named again.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                done => done?,
            }
        }
    }
    tar.into_inner()?.finish()?.sync_all()
}

fn small<W: io::Write>(tar: &mut tar::Builder<W>, name: &str, bytes: &[u8]) -> io::Result<()> {
    let mut header = tar::Header::new_gnu();
    header.set_size(bytes.len() as u64);
    header.set_mode(0o600);
    header.set_cksum();
    tar.append_data(&mut header, name, bytes)
}

/// Reads a backup to its end: every file of the contents is held against the digest that names it.
fn check(path: &Path) -> Result<(), BackupFailure> {
    let mut tar = tar::Archive::new(zstd::Decoder::new(File::open(path).map_err(at(path))?).map_err(at(path))?);
    for entry in tar.entries().map_err(at(path))? {
        let mut entry = entry.map_err(at(path))?;
        let name = entry.path().map_err(at(path))?.into_owned();
        let is_file = name.starts_with(Path::new(CONTENTS).join("files"));
        let mut hasher = blake3::Hasher::new();
        io::copy(&mut entry, &mut hasher).map_err(at(path))?;
        let digest = hasher.finalize().to_hex();
        if is_file && !name.ends_with(digest.as_str()) {
            return Err(BackupFailure::NotABackup(format!("{} is not what its name says", name.display())));
        }
    }
    Ok(())
}

/// Unpacks the entries that a backup has, and nothing else (THREATS.md T16).
fn unpack(backup: &Path, into: &Path) -> Result<About, BackupFailure> {
    check(backup)?;
    let file = File::open(backup).map_err(at(backup))?;
    let mut tar = tar::Archive::new(zstd::Decoder::new(file).map_err(at(backup))?);
    let mut about = None;
    for entry in tar.entries().map_err(at(backup))? {
        let mut entry = entry.map_err(at(backup))?;
        let name = entry.path().map_err(at(backup))?.into_owned();
        let strange = || BackupFailure::NotABackup(format!("{} is no part of a backup", name.display()));
        if entry.header().entry_type() != tar::EntryType::Regular {
            return Err(strange());
        }
        let parts: Vec<&str> = name.iter().map(|part| part.to_str().unwrap_or("..")).collect();
        match parts.as_slice() {
            [ABOUT] => {
                let mut text = Vec::new();
                entry.by_ref().take(SMALL_BYTES_MAX).read_to_end(&mut text).map_err(at(backup))?;
                about = Some(read_about(&text)?);
            }
            [KEYS | EXPORT] | [CONTENTS, CONTENTS_FORMAT] => unpack_file(&mut entry, &into.join(&name))?,
            [CONTENTS, kind, file] if KEPT.contains(kind) && file.bytes().all(|b| b.is_ascii_hexdigit()) => {
                unpack_file(&mut entry, &into.join(&name))?;
            }
            _ => return Err(strange()),
        }
    }
    about.ok_or_else(|| BackupFailure::NotABackup(format!("it has no {ABOUT}")))
}

fn read_about(text: &[u8]) -> Result<About, BackupFailure> {
    let about: About =
        serde_json::from_slice(text).map_err(|error| BackupFailure::NotABackup(format!("{ABOUT}: {error}")))?;
    if about.deployd_backup != FORMAT {
        let why = format!("another deployd wrote it (format {}, this one reads {FORMAT})", about.deployd_backup);
        return Err(BackupFailure::NotABackup(why));
    }
    Ok(about)
}

fn unpack_file(entry: &mut impl Read, path: &Path) -> Result<(), BackupFailure> {
    use std::os::unix::fs::OpenOptionsExt;
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).map_err(at(folder))?;
    }
    let mut file = File::options().write(true).create_new(true).mode(0o600).open(path).map_err(at(path))?;
    io::copy(entry, &mut file).map_err(at(path))?;
    file.sync_all().map_err(at(path))
}

/// Puts files, then the listings that name them, where they are not there already.
fn put_contents(from: &Path, to: &Path) -> Result<(), BackupFailure> {
    use std::os::unix::fs::PermissionsExt;
    // Made where there is none, and ours alone meanwhile.
    let _open = FolderContents::open(to).map_err(BackupFailure::Contents)?;
    let format = |folder: &Path| fs::read(folder.join(CONTENTS_FORMAT)).map_err(at(folder));
    if format(from)? != format(to)? {
        return Err(BackupFailure::NotABackup("another deployd wrote its contents".to_owned()));
    }
    for kind in KEPT {
        let (from, to) = (from.join(kind), to.join(kind));
        if !from.exists() {
            continue;
        }
        for entry in fs::read_dir(&from).map_err(at(&from))? {
            let entry = entry.map_err(at(&from))?;
            let place = to.join(entry.file_name());
            if !place.exists() {
                fs::set_permissions(entry.path(), fs::Permissions::from_mode(0o400)).map_err(at(&place))?;
                fs::rename(entry.path(), &place).map_err(at(&place))?;
            }
        }
        File::open(&to).and_then(|folder| folder.sync_all()).map_err(at(&to))?;
    }
    Ok(())
}

fn at(path: &Path) -> impl FnOnce(io::Error) -> BackupFailure {
    let path = path.to_owned();
    |source| BackupFailure::Io { path, source }
}

impl BackupFailure {
    /// With what lies beneath it, on one line.
    #[must_use]
    pub fn in_full(&self) -> String {
        let mut text = self.to_string();
        let mut beneath = std::error::Error::source(self);
        while let Some(error) = beneath {
            text = format!("{text}: {error}");
            beneath = error.source();
        }
        text
    }
}

impl fmt::Display for BackupFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            BackupFailure::Export(error) => write!(f, "{error}"),
            BackupFailure::Store(error) => write!(f, "{error}"),
            BackupFailure::Keys(error) => write!(f, "{error}"),
            BackupFailure::Contents(problem) => write!(f, "{problem}"),
            BackupFailure::Io { path, .. } => write!(f, "{} cannot be read or written", path.display()),
            BackupFailure::NotABackup(why) => write!(f, "it is no backup: {why}"),
            BackupFailure::NoChance(failure) => write!(f, "{failure}"),
            BackupFailure::Clock(_) => f.write_str("the machine does not tell which start of it this is"),
        }
    }
}

impl std::error::Error for BackupFailure {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            // Their own words are ours already.
            BackupFailure::Export(error) => error.source(),
            BackupFailure::Store(error) => error.source(),
            BackupFailure::Keys(error) => error.source(),
            BackupFailure::Contents(problem) => problem.source(),
            BackupFailure::NoChance(failure) => failure.source(),
            BackupFailure::Io { source, .. } => Some(source),
            BackupFailure::NotABackup(_) | BackupFailure::Clock(_) => None,
        }
    }
}
