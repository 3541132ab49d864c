//! Digests of files, read once for each stamp.

use super::open::open_beneath;
use super::stamp::Stamp;
use crate::contract::FilePath;
use crate::model::Digest;
use rustix::fs::fstat;
use rustix::io::Errno;
use std::fs::File;
use std::io::Read as _;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

/// How much is read at a time.
const PIECE_BYTES: usize = 128 * 1024;
/// Under this many files another thread costs more than it saves.
const FILES_A_THREAD_MIN: usize = 64;
/// More threads than this wait for the disk together.
const THREADS_MAX: usize = 8;

/// Why a file has no digest.
#[derive(Debug)]
pub(super) enum Unread {
    /// It changed, by its path: look again.
    Moved(String),
    /// It cannot be read: why, by its path.
    Failed(String),
}

/// The digests of some files, in order; or the first that has none.
pub(super) fn digests(root: &OwnedFd, files: &[(&FilePath, &Stamp)]) -> Result<Vec<Digest>, Unread> {
    let threads = files.len().div_ceil(FILES_A_THREAD_MIN).min(THREADS_MAX);
    let threads = threads.min(std::thread::available_parallelism().map_or(1, usize::from));
    if threads <= 1 {
        let mut piece = vec![0; PIECE_BYTES];
        return files.iter().map(|(path, stamp)| digest(root.as_fd(), path, stamp, &mut piece)).collect();
    }
    let next = AtomicUsize::new(0);
    let done = Mutex::new(Vec::with_capacity(files.len()));
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                let mut mine = Vec::new();
                let mut piece = vec![0; PIECE_BYTES];
                while let Some((at, (path, stamp))) = {
                    let at = next.fetch_add(1, Ordering::Relaxed);
                    files.get(at).map(|file| (at, *file))
                } {
                    let digest = digest(root.as_fd(), path, stamp, &mut piece);
                    if digest.is_err() {
                        // The others need not go on.
                        next.store(files.len(), Ordering::Relaxed);
                    }
                    mine.push((at, digest));
                }
                done.lock().expect("no thread panics while it holds it").extend(mine);
            });
        }
    });
    let mut done = done.into_inner().expect("no thread panics while it holds it");
    done.sort_by_key(|(at, _)| *at);
    done.into_iter().map(|(_, digest)| digest).collect()
}

/// The digest of a file that has that stamp before and after it was read.
fn digest(root: BorrowedFd<'_>, path: &FilePath, stamp: &Stamp, piece: &mut [u8]) -> Result<Digest, Unread> {
    let moved = || Unread::Moved(path.to_string());
    let unread = |error: Errno| match error {
        Errno::NOENT | Errno::NOTDIR | Errno::LOOP | Errno::XDEV | Errno::NXIO | Errno::STALE | Errno::AGAIN => moved(),
        error => Unread::Failed(format!("{path}: {error}")),
    };
    let file = open_beneath(root, Path::new(path.as_str())).map_err(unread)?;
    let is_as_stamped = |file: &File| fstat(file).map(|stat| Stamp::of(&stat) == *stamp).map_err(unread);
    let mut file = File::from(file);
    if !is_as_stamped(&file)? {
        return Err(moved());
    }
    let mut hasher = blake3::Hasher::new();
    let mut size = 0;
    loop {
        let read = match file.read(piece) {
            Ok(0) => break,
            Ok(read) => read,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(Unread::Failed(format!("{path}: {error}"))),
        };
        hasher.update(&piece[..read]);
        size += read as u64;
        if size > stamp.size {
            return Err(moved());
        }
    }
    if size != stamp.size || !is_as_stamped(&file)? {
        return Err(moved());
    }
    Ok(Digest::from_bytes(*hasher.finalize().as_bytes()))
}
