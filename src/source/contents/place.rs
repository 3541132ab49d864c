//! `Place`: the folder itself. Opening it, and reading what lies in it.

use super::disk::{Disk, on};
use super::kept;
use super::uses::Uses;
use crate::contract::{ContentFailure, ContentListing, File as Listed, FilePath, follow};
use crate::model::Digest;
use rustix::fs::OFlags;
use std::collections::VecDeque;
use std::fmt;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, PoisonError};

/// What the file `format` holds.
const FORMAT: &str = "deployd contents 1\n";
/// Everything that lies in the folder, but for `format`.
const NAMES: [&str; 5] = ["lock", "files", "listings", "drafts", "damaged"];
/// Listings that were read and found good are remembered: a copy asks for them once a file.
const LISTINGS_REMEMBERED: usize = 4;

/// Why a folder of contents was not opened.
#[derive(Debug)]
pub enum ContentsProblem {
    /// Another process has it open.
    InUse(PathBuf),
    /// It is not a folder of contents, a newer deployd wrote it, or others may change it: why.
    Refused(String),
    /// It could not be read or made.
    Io {
        /// Which file or folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

/// The folder of contents.
pub(super) struct Place {
    pub(super) disk: Disk,
    folder: PathBuf,
    /// Opened before anything is written, for syncs of the whole file system.
    pub(super) opened: File,
    pub(super) uses: Arc<Uses>,
    pub(super) drafts_made: AtomicU64,
    remembered: Mutex<VecDeque<(Digest, Arc<ContentListing>)>>,
    /// Held as long as the folder is used.
    _lock: File,
}

impl Place {
    pub(super) fn open(disk: Disk, folder: &Path) -> Result<Place, ContentsProblem> {
        let io = |path: &Path| {
            let path = path.to_owned();
            |source| ContentsProblem::Io { path, source }
        };
        make_with_above(&disk, folder).map_err(io(folder))?;
        check_ours(folder)?;
        let opened = File::open(folder).map_err(io(folder))?;
        let lock = take_lock(folder)?;
        check_format(folder)?;
        for name in &NAMES[1..] {
            let path = folder.join(name);
            if !path.is_dir() {
                disk.make_folder(&path, 0o700).map_err(io(&path))?;
            }
        }
        let place = Place {
            disk,
            folder: folder.to_owned(),
            opened,
            uses: Arc::default(),
            drafts_made: AtomicU64::default(),
            remembered: Mutex::default(),
            _lock: lock,
        };
        place.begin().map_err(io(folder))?;
        Ok(place)
    }

    /// Takes away what was half written, and makes sure of the names that an earlier process may have left unsynced.
    fn begin(&self) -> io::Result<()> {
        for draft in fs::read_dir(self.drafts())? {
            let draft = draft?;
            if draft.file_type()?.is_dir() {
                self.disk.remove_folder(&draft.path())?;
            } else {
                self.disk.remove(&draft.path())?;
            }
        }
        self.disk.sync_folder(&self.files())?;
        self.disk.sync_folder(&self.listings())?;
        let format = self.folder.join("format");
        if !format.exists() {
            let draft = self.drafts().join("format");
            let mut file = self.disk.create(&draft)?;
            self.disk.write(&mut file, &draft, FORMAT.as_bytes())?;
            self.disk.sync(&file, &draft)?;
            self.disk.rename(&draft, &format)?;
            self.disk.sync_folder(&self.folder)?;
        }
        Ok(())
    }

    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    pub(super) fn files(&self) -> PathBuf {
        self.folder.join("files")
    }

    pub(super) fn listings(&self) -> PathBuf {
        self.folder.join("listings")
    }

    pub(super) fn drafts(&self) -> PathBuf {
        self.folder.join("drafts")
    }

    pub(super) fn damaged(&self) -> PathBuf {
        self.folder.join("damaged")
    }

    pub(super) fn file_path(&self, file: Digest) -> PathBuf {
        self.files().join(file.to_string())
    }

    pub(super) fn listing_path(&self, content: Digest) -> PathBuf {
        self.listings().join(content.to_string())
    }

    /// The files of a content. What it names stays only as long as the caller holds the content.
    pub(super) fn listing(&self, content: Digest) -> Result<Arc<ContentListing>, ContentFailure> {
        let mut remembered = self.remembered.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, listing)) = remembered.iter().find(|(of, _)| *of == content) {
            return Ok(Arc::clone(listing));
        }
        let listing = Arc::new(self.read_listing(content)?);
        remembered.push_front((content, Arc::clone(&listing)));
        remembered.truncate(LISTINGS_REMEMBERED);
        Ok(listing)
    }

    /// The same, from the disk.
    pub(super) fn read_listing(&self, content: Digest) -> Result<ContentListing, ContentFailure> {
        let path = self.listing_path(content);
        match fs::read(&path) {
            Ok(bytes) => kept::read(content, &bytes),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Err(ContentFailure::Missing(content)),
            Err(error) => Err(on(&path)(error)),
        }
    }

    pub(super) fn forget(&self, content: Digest) {
        self.remembered.lock().unwrap_or_else(PoisonError::into_inner).retain(|(of, _)| *of != content);
    }

    pub(super) fn bytes(&self, content: Digest, path: &FilePath) -> Result<Vec<u8>, ContentFailure> {
        let _used = self.uses.hold(vec![content]);
        let listing = self.listing(content)?;
        let real = follow(&listing, path)
            .map_err(|stray| ContentFailure::Refused(format!("{path} is no file of this content: {stray}")))?;
        let Some(Listed::Regular { digest, size, .. }) = listing.get(&real) else {
            return Err(ContentFailure::Refused(format!("{path} is no file of this content")));
        };
        let mut bytes = Vec::with_capacity(usize::try_from(*size).unwrap_or(0) + 1);
        let mut file = self.open_file(&real, *digest)?;
        let read = (&mut file).take(*size + 1).read_to_end(&mut bytes);
        read.map_err(on(&self.file_path(*digest)))?;
        if bytes.len() as u64 != *size || Digest::of(&bytes) != *digest {
            return Err(self.set_aside(&real, *digest));
        }
        Ok(bytes)
    }

    /// Opens the bytes of a file that a listing names.
    pub(super) fn open_file(&self, path: &FilePath, digest: Digest) -> Result<File, ContentFailure> {
        let at = self.file_path(digest);
        let flags = i32::try_from((OFlags::NOFOLLOW | OFlags::NONBLOCK).bits()).expect("they are small numbers");
        match OpenOptions::new().read(true).custom_flags(flags).open(&at) {
            Ok(file) => Ok(file),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                Err(ContentFailure::Corrupt(format!("{path}: its bytes are gone")))
            }
            Err(error) => Err(on(&at)(error)),
        }
    }

    /// Sets bytes aside that are no longer what they were, so that the next `keep` writes them anew. The failure.
    pub(super) fn set_aside(&self, path: &FilePath, digest: Digest) -> ContentFailure {
        let aside = self.damaged().join(digest.to_string());
        let done =
            self.disk.rename(&self.file_path(digest), &aside).and_then(|()| self.disk.sync_folder(&self.files()));
        let told = match done {
            Ok(()) => "set aside; deploy it again to have it written anew".to_owned(),
            Err(error) => format!("and it cannot be set aside: {error}"),
        };
        ContentFailure::Corrupt(format!("{path}: its bytes have changed ({told})"))
    }
}

fn make_with_above(disk: &Disk, folder: &Path) -> io::Result<()> {
    if folder.is_dir() {
        return Ok(());
    }
    if let Some(above) = folder.parent().filter(|above| !above.as_os_str().is_empty()) {
        make_with_above(disk, above)?;
        disk.make_folder(folder, 0o700)?;
        return disk.sync_folder(above);
    }
    disk.make_folder(folder, 0o700)
}

/// Whoever may change what lies here may change what is run.
fn check_ours(folder: &Path) -> Result<(), ContentsProblem> {
    let io = |source| ContentsProblem::Io { path: folder.to_owned(), source };
    let metadata = fs::symlink_metadata(folder).map_err(io)?;
    let (shown, us) = (folder.display(), rustix::process::geteuid().as_raw());
    let why = match metadata.mode() {
        _ if !metadata.is_dir() => format!("{shown} is not a folder"),
        _ if metadata.uid() != us => format!("{shown} belongs to another user (uid {})", metadata.uid()),
        mode if mode & 0o022 != 0 => {
            format!("{shown} may be changed by others (mode {:o}); close it: chmod go-w {shown}", mode & 0o7777)
        }
        _ => return Ok(()),
    };
    Err(ContentsProblem::Refused(why))
}

fn take_lock(folder: &Path) -> Result<File, ContentsProblem> {
    let path = folder.join("lock");
    let io = |source| ContentsProblem::Io { path: path.clone(), source };
    let lock = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(&path).map_err(io)?;
    match lock.try_lock() {
        Ok(()) => Ok(lock),
        Err(TryLockError::WouldBlock) => Err(ContentsProblem::InUse(folder.to_owned())),
        Err(TryLockError::Error(error)) => Err(io(error)),
    }
}

/// Another's folder is never taken for ours, nor a newer one read as if we knew it.
fn check_format(folder: &Path) -> Result<(), ContentsProblem> {
    let format = folder.join("format");
    let shown = folder.display();
    match fs::read_to_string(&format) {
        Ok(text) if text == FORMAT => Ok(()),
        Ok(text) => {
            let found = text.lines().next().unwrap_or_default().escape_debug().to_string();
            Err(ContentsProblem::Refused(format!("{shown} has the format {found:?}, which this deployd does not know")))
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let io = |source| ContentsProblem::Io { path: folder.to_owned(), source };
            for entry in fs::read_dir(folder).map_err(io)? {
                let name = entry.map_err(io)?.file_name();
                let is_ours = NAMES.iter().any(|ours| name == *ours);
                let is_used = matches!(name.to_str(), Some("files" | "listings"))
                    && fs::read_dir(folder.join(&name)).map_err(io)?.next().is_some();
                if !is_ours || is_used {
                    let name = name.display();
                    return Err(ContentsProblem::Refused(format!(
                        "{shown} holds {name}, and is no folder of contents"
                    )));
                }
            }
            Ok(())
        }
        Err(source) => Err(ContentsProblem::Io { path: format, source }),
    }
}

impl fmt::Display for ContentsProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ContentsProblem::InUse(folder) => write!(f, "{} is in use by another process", folder.display()),
            ContentsProblem::Refused(why) => f.write_str(why),
            ContentsProblem::Io { path, .. } => write!(f, "{} cannot be used for contents", path.display()),
        }
    }
}

impl std::error::Error for ContentsProblem {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            ContentsProblem::Io { source, .. } => Some(source),
            ContentsProblem::InUse(_) | ContentsProblem::Refused(_) => None,
        }
    }
}
