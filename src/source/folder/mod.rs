//! `FolderSource`: a folder of the same user, as developers edit it; folders of worlds and repositories too.
//!
//! What it reads is one moment of the folder, or it says that it is torn: every file and folder is stamped, read, and
//! stamped again after all were read; if nothing moved in between, the listing shows the moment at which the second look
//! began. What
//! it read once it reads again only when its stamp changed; an unchanged folder costs one `stat` an entry.
//!
//! It never follows a link out of the folder (none that leads out is let in), never waits for a pipe, never opens a
//! device, and never takes an empty folder for a service without files. Folders hold no files of their own in a snapshot:
//! an empty one is not there. A program that writes through a memory map is seen when the system notes it, not before.

mod hash;
mod ignored;
mod open;
mod options;
mod stamp;
mod walk;
mod watched;

pub use options::{FolderLimits, FolderOptions, LEFT_OUT_BY_DEFAULT};

use super::blocking::blocking;
use crate::contract::{At, File, FilePath, Snapshot, Source, SourceFailure, Watched, Whole, check_links};
use crate::model::Digest;
use async_trait::async_trait;
use futures::stream::BoxStream;
use hash::Unread;
use open::{open_beneath, open_root, read_opened};
use rustix::io::Errno;
use stamp::{Stamp, wait_for_a_tick};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::os::fd::{AsFd as _, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use walk::{Found, Stop, Tree, unchanged, walk};

/// How often a folder that changes while it is read is read anew before it is called torn. A `git checkout` or a build
/// takes longer than all of them: the watcher nudges again when it is over.
const TRIES_MAX: u32 = 6;
/// After so many tries that found the same files in folders that changed, the files are believed: two looks each.
const STIRRED_TRIES_MIN: u32 = 4;
/// How long is waited before another try; it doubles.
const PAUSE: Duration = Duration::from_millis(2);

/// A folder of the same user. Clones share what they know of it. Reading runs on the runtime's threads for blocking
/// work, so it needs a tokio runtime.
#[derive(Clone)]
pub struct FolderSource(Arc<Folder>);

struct Folder {
    path: PathBuf,
    options: FolderOptions,
    known: Mutex<Known>,
}

/// What was read before.
#[derive(Default)]
struct Known {
    /// Digests by file, with the stamp that they hold for.
    digests: HashMap<(u64, u64), (Stamp, Digest)>,
    /// The last whole look, if its stamps were old enough to be trusted, and what it showed.
    last: Option<(Tree, Arc<Snapshot>)>,
    /// What has to be watched, as the last look found it.
    watched: Option<Watched>,
}

impl FolderSource {
    /// A folder. Nothing is read yet.
    #[must_use]
    pub fn new(path: PathBuf, options: FolderOptions) -> FolderSource {
        FolderSource(Arc::new(Folder { path, options, known: Mutex::default() }))
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.0.path
    }

    /// Reads it now, on this thread. An unchanged folder gives the same snapshot, shared.
    ///
    /// # Errors
    /// [`SourceFailure`].
    pub fn read_now(&self) -> Result<Arc<Snapshot>, SourceFailure> {
        self.0.read()
    }
}

#[async_trait]
impl Source for FolderSource {
    async fn read(&self, at: &At) -> Result<Snapshot, SourceFailure> {
        let folder = Arc::clone(&self.0);
        let snapshot = blocking(move || folder.read()).await?;
        match at {
            At::Pin(pin) if snapshot.pin != *pin => {
                let path = self.path().display();
                Err(SourceFailure::Missing(format!("an earlier state of {path} (a folder keeps none)")))
            }
            _ => Ok(Snapshot::clone(&snapshot)),
        }
    }

    async fn bytes(&self, path: &FilePath, file: &File) -> Result<Vec<u8>, SourceFailure> {
        let (folder, path, file) = (Arc::clone(&self.0), path.clone(), file.clone());
        blocking(move || folder.bytes(&path, &file)).await
    }

    /// None, and the stream ends at once: folders are watched by `intake`.
    fn hints(&self) -> BoxStream<'static, ()> {
        Box::pin(futures::stream::empty())
    }

    fn watched(&self) -> Option<Watched> {
        let known = self.0.known.lock().unwrap_or_else(PoisonError::into_inner);
        Some(known.watched.clone().unwrap_or_else(|| watched::nothing(&self.0.path)))
    }
}

impl Folder {
    fn read(&self) -> Result<Arc<Snapshot>, SourceFailure> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((tree, snapshot)) = &known.last
            && unchanged(&self.path, tree).is_ok()
        {
            return Ok(Arc::clone(snapshot));
        }
        known.last = None;
        let mut moved = String::new();
        let mut stirred = Stirred::default();
        for tried in 0..TRIES_MAX {
            if tried > 0 {
                std::thread::sleep(PAUSE * 2_u32.pow(tried));
            }
            match self.try_read(&mut known, &mut stirred) {
                Ok(snapshot) => return Ok(snapshot),
                Err(Stop::Moved(what)) => moved = what,
                Err(Stop::Failed(failure)) => return Err(failure),
                Err(Stop::Refused(what, _)) => return Err(SourceFailure::Refused(what)),
            }
        }
        let why = format!("{moved} changed while the folder was read, {TRIES_MAX} times");
        Ok(Arc::new(Snapshot {
            pin: String::new(),
            files: BTreeMap::new(),
            whole: Whole::Torn(why),
            left_out: BTreeSet::new(),
        }))
    }

    /// One try. The moment that it shows is the one at which the second look begins: what was not fresh at the first
    /// look is the same from there to the second, and what was fresh is read after the tick, and is the same from the
    /// second look on.
    fn try_read(&self, known: &mut Known, stirred: &mut Stirred) -> Result<Arc<Snapshot>, Stop> {
        let (root, first) = walk(&self.path, &self.options)?;
        let (fresh, old): (Vec<_>, Vec<_>) = regular(&first).partition(|(_, stamp)| stamp.is_fresh(first.look));
        known.learn(&root, &old)?;
        let fresh_rules =
            first.rules.iter().filter_map(|(_, stamp)| stamp.as_ref()).filter(|stamp| stamp.is_fresh(first.look));
        let fresh_folders = first.folders.iter().map(|(_, stamp)| stamp).filter(|stamp| stamp.is_fresh(first.look));
        let fresh_stamps: Vec<_> =
            fresh.iter().map(|(_, stamp)| *stamp).chain(fresh_rules).chain(fresh_folders).collect();
        if !fresh_stamps.is_empty() {
            wait_for_a_tick(first.look, fresh_stamps.iter().any(|stamp| stamp.counts_seconds()));
        }
        let (root_again, second) = walk(&self.path, &self.options)?;
        known.watched = Some(watched::of(&self.path, &second));
        if let Some(what) = difference(&first, &second) {
            return Err(Stop::Moved(what));
        }
        if first.folders != second.folders && !stirred.is_settled(&second) {
            return Err(Stop::Moved(format!("a folder of {}", self.path.display())));
        }
        if let Some((path, _)) = fresh.iter().find(|(_, stamp)| stamp.is_fresh(second.look)) {
            return Err(Stop::Moved(path.to_string()));
        }
        known.learn(&root_again, &fresh)?;
        let snapshot = Arc::new(self.snapshot(&second, known)?);
        known.keep(second, &snapshot);
        Ok(snapshot)
    }

    fn snapshot(&self, tree: &Tree, known: &Known) -> Result<Snapshot, Stop> {
        if tree.files.is_empty() {
            let (path, left_out) = (self.path.display(), tree.left_out);
            let what =
                format!("a file that counts in {path} ({left_out} entries are left out by .gitignore or by default)");
            return Err(Stop::Failed(SourceFailure::Missing(what)));
        }
        let mut files = BTreeMap::new();
        for (path, found) in &tree.files {
            let file = match found {
                Found::Link(_, target) => File::Link(target.clone()),
                Found::Regular(stamp) => {
                    let digest = known.digest(stamp).ok_or_else(|| Stop::Moved(path.to_string()))?;
                    File::Regular { digest, size: stamp.size, executable: stamp.is_executable() }
                }
            };
            files.insert(path.clone(), file);
        }
        check_links(&files).map_err(Stop::Failed)?;
        Ok(Snapshot { pin: pin(&files), files, whole: Whole::Whole, left_out: tree.named_left_out.clone() })
    }

    fn bytes(&self, path: &FilePath, file: &File) -> Result<Vec<u8>, SourceFailure> {
        let File::Regular { digest, size, .. } = file else {
            return Err(SourceFailure::Refused(format!("{path} is a link: it has no bytes of its own")));
        };
        let unread = |error: Errno| SourceFailure::Unreachable(format!("{path}: {error}"));
        let root = open_root(&self.path).map_err(unread)?;
        let opened = open_beneath(root.as_fd(), Path::new(path.as_str())).map_err(unread)?;
        match read_opened(opened, *size) {
            Ok(read) if Digest::of(&read.bytes) == *digest => Ok(read.bytes),
            Ok(_) | Err(Errno::FBIG | Errno::INVAL) => {
                Err(SourceFailure::Unreachable(format!("{path} changed since the folder was read")))
            }
            Err(error) => Err(unread(error)),
        }
    }
}

impl Known {
    /// Reads those files that are not known by their stamp.
    fn learn(&mut self, root: &OwnedFd, files: &[(&FilePath, &Stamp)]) -> Result<(), Stop> {
        let unknown: Vec<_> = files.iter().copied().filter(|(_, stamp)| self.digest(stamp).is_none()).collect();
        let digests = hash::digests(root, &unknown).map_err(|unread| match unread {
            Unread::Moved(what) => Stop::Moved(what),
            Unread::Failed(why) => Stop::Failed(SourceFailure::Unreachable(why)),
        })?;
        for ((_, stamp), digest) in unknown.iter().zip(digests) {
            self.digests.insert(stamp.file(), (**stamp, digest));
        }
        Ok(())
    }

    fn digest(&self, stamp: &Stamp) -> Option<Digest> {
        self.digests.get(&stamp.file()).filter(|(known, _)| known == stamp).map(|(_, digest)| *digest)
    }

    /// Keeps a whole look for the next time, and forgets files that it does not have.
    fn keep(&mut self, tree: Tree, snapshot: &Arc<Snapshot>) {
        let mut digests = HashMap::with_capacity(tree.files.len());
        for (_, stamp) in regular(&tree) {
            if let Some(digest) = self.digest(stamp) {
                digests.insert(stamp.file(), (*stamp, digest));
            }
        }
        self.digests = digests;
        let folders_are_old = tree.folders.iter().all(|(_, stamp)| !stamp.is_fresh(tree.look));
        self.last = folders_are_old.then(|| (tree, Arc::clone(snapshot)));
    }
}

fn regular(tree: &Tree) -> impl Iterator<Item = (&FilePath, &Stamp)> {
    tree.files.iter().filter_map(|(path, found)| match found {
        Found::Regular(stamp) => Some((path, stamp)),
        Found::Link(..) => None,
    })
}

/// Tries in which folders changed, but none of the files that count: something that is left out comes and goes (a
/// journal, a log), or a file was away at the one moment and at the other.
#[derive(Default)]
struct Stirred {
    files: BTreeMap<FilePath, Found>,
    tries: u32,
}

impl Stirred {
    /// Whether so many looks in a row found the same that it is the former.
    fn is_settled(&mut self, tree: &Tree) -> bool {
        if self.files == tree.files {
            self.tries += 1;
        } else {
            *self = Stirred { files: tree.files.clone(), tries: 1 };
        }
        self.tries >= STIRRED_TRIES_MIN
    }
}

/// What two looks do not have alike, but for folders.
fn difference(first: &Tree, second: &Tree) -> Option<String> {
    if first.rules != second.rules {
        return Some(ignored::IGNORE_FILES[0].to_owned());
    }
    let gone_or_other = first.files.iter().find(|(path, found)| second.files.get(*path) != Some(*found));
    let new = || second.files.iter().find(|(path, _)| !first.files.contains_key(*path));
    gone_or_other.or_else(new).map(|(path, _)| path.to_string())
}

/// What names a listing: like its content's digest, but of the folder alone.
fn pin(files: &BTreeMap<FilePath, File>) -> String {
    let mut hasher = blake3::Hasher::new();
    let mut feed = |bytes: &[u8]| {
        hasher.update(&(bytes.len() as u64).to_le_bytes());
        hasher.update(bytes);
    };
    for (path, file) in files {
        feed(path.as_str().as_bytes());
        match file {
            File::Regular { digest, executable, .. } => {
                feed(if *executable { b"x" } else { b"f" });
                feed(digest.bytes());
            }
            File::Link(target) => {
                feed(b"l");
                feed(target.as_bytes());
            }
        }
    }
    Digest::from_bytes(*hasher.finalize().as_bytes()).to_string()
}
