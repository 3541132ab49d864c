//! Keys in a folder for each instance, as we make and keep them.

use super::super::files::{self, Closed, FileProblem, make_folder, read_closed, same_folder, sync_folder};
use super::super::random;
use super::failure::KeyFailure;
use super::place::KEY_TEXT_BYTES_MAX;
use super::text::{self, KeyBytes, KeyText};
use crate::model::KeyId;
use rustix::fs::Mode;
use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

const ENCRYPTION: &str = "encryption";
const DIGEST: &str = "digest";
/// Names the state folder that the keys belong to.
const STATE_FOLDER: &str = "state-folder";
/// There until a store with the instance's genesis exists.
const UNUSED: &str = "unused";
/// Folders that are being made begin so.
const IN_THE_MAKING: &str = ".new-";
/// A folder that is still being made after this long was left by a crash: making one takes milliseconds.
const LEFTOVER_AGE: Duration = Duration::from_secs(3600);

/// What the keys say of a state folder in which there is no store.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Before {
    /// No instance names it: a first start.
    Nothing,
    /// A first start of this instance was cut before its store existed: go on with its keys.
    Unfinished(String),
    /// These instances had their state there: it was lost, or another folder was mounted over it. Never a first start.
    Lost(Vec<String>),
}

/// Looks among the keys for instances whose state folder this is. Ask it where a state folder holds no store.
///
/// # Errors
/// [`KeyFailure`] when the keys cannot be looked through: then nothing is known, and nothing may be made.
pub fn before(root: &Path, state_folder: &Path) -> Result<Before, KeyFailure> {
    let mut unfinished = None;
    let mut lost = Vec::new();
    for instance in instances(root)? {
        let folder = root.join(&instance);
        let Some(named) = named_state_folder(&folder, &instance)? else { continue };
        if !is_same_place(&named, state_folder) {
            continue;
        }
        match folder.join(UNUSED).try_exists().map_err(KeyFailure::io(&folder))? {
            true => unfinished = Some(instance),
            false => lost.push(instance),
        }
    }
    lost.sort();
    Ok(match unfinished {
        _ if !lost.is_empty() => Before::Lost(lost),
        Some(instance) => Before::Unfinished(instance),
        None => Before::Nothing,
    })
}

/// Whether the instance has a folder of keys.
pub(super) fn has(root: &Path, instance: &str) -> Result<bool, KeyFailure> {
    let folder = root.join(instance);
    folder.try_exists().map_err(KeyFailure::io(&folder))
}

/// Whether a store was ever made with some keys.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Use {
    /// No: they are drawn for a first start.
    Unused,
    /// Yes: they come back from an export.
    Used,
}

/// Makes an instance's folder of keys, durably, whole or not at all.
pub(super) fn create(
    root: &Path,
    instance: &str,
    state_folder: &Path,
    keys: &KeyText,
    used: Use,
) -> Result<(), KeyFailure> {
    make_folder(root).map_err(KeyFailure::io(root))?;
    sweep_leftovers(root);
    let making = root.join(format!("{IN_THE_MAKING}{}", random::word(16).as_str()));
    let folder = root.join(instance);
    let made = fill(&making, state_folder, keys, used).and_then(|()| {
        // A rename never replaces a folder that has anything in it.
        std::fs::rename(&making, &folder)?;
        sync_folder(root)
    });
    made.map_err(|error| {
        // What is half made is of no use to anybody; a leftover is swept by the next that makes one.
        let _ = std::fs::remove_dir_all(&making);
        match error.kind() {
            io::ErrorKind::AlreadyExists | io::ErrorKind::DirectoryNotEmpty => KeyFailure::Exists(folder.clone()),
            _ => KeyFailure::io(&folder)(error),
        }
    })
}

/// Reads an instance's keys, and notes where its state folder was moved to.
pub(super) fn load(root: &Path, instance: &str, state_folder: &Path) -> Result<KeyText, KeyFailure> {
    let folder = root.join(instance);
    let both = "encryption and digest";
    // Who may write to the folder above may put another in its place.
    files::check_folder(root, 0o022).map_err(|problem| match problem {
        FileProblem::Missing => KeyFailure::of_file(&folder, both, instance, FileProblem::Missing),
        problem => KeyFailure::of_file(root, both, instance, problem),
    })?;
    files::check_folder(&folder, 0o077).map_err(|problem| KeyFailure::of_file(&folder, both, instance, problem))?;
    let encryption = read_one(&folder, ENCRYPTION, instance)?;
    let digest = read_one(&folder, DIGEST, instance)?;
    if encryption.digest.is_some() || !digest.encryption.is_empty() {
        let why = "the two files hold each other's keys".to_owned();
        return Err(KeyFailure::Broken { looked: folder.display().to_string(), why });
    }
    check_state_folder(&folder, instance, state_folder)?;
    Ok(KeyText { instance: None, encryption: encryption.encryption, digest: digest.digest })
}

/// Writes the encryption keys anew, durably.
pub(super) fn write_encryption(root: &Path, instance: &str, keys: &[(KeyId, KeyBytes)]) -> Result<(), KeyFailure> {
    let path = root.join(instance).join(ENCRYPTION);
    files::replace(&path, text::encryption_file(keys).as_bytes()).map_err(KeyFailure::io(&path))
}

/// Takes away the mark of keys that no store uses yet.
pub(super) fn settle(root: &Path, instance: &str) -> Result<(), KeyFailure> {
    let folder = root.join(instance);
    match std::fs::remove_file(folder.join(UNUSED)) {
        Ok(()) => sync_folder(&folder).map_err(KeyFailure::io(&folder)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(KeyFailure::io(&folder)(error)),
    }
}

fn fill(making: &Path, state_folder: &Path, keys: &KeyText, used: Use) -> io::Result<()> {
    rustix::fs::mkdir(making, Mode::RWXU)?;
    let digest = keys.digest.as_ref().expect("keys that are made have a digest key");
    files::write_new(&making.join(ENCRYPTION), text::encryption_file(&keys.encryption).as_bytes())?;
    files::write_new(&making.join(DIGEST), text::digest_file(digest).as_bytes())?;
    files::write_new(&making.join(STATE_FOLDER), &path_bytes(state_folder))?;
    if used == Use::Unused {
        files::write_new(&making.join(UNUSED), b"There until a store with this instance exists.\n")?;
    }
    sync_folder(making)
}

fn read_one(folder: &Path, which: &'static str, instance: &str) -> Result<KeyText, KeyFailure> {
    let path = folder.join(which);
    let bytes = read_closed(&path, Closed::OwnerOnly, KEY_TEXT_BYTES_MAX)
        .map_err(|problem| KeyFailure::of_file(&path, which, instance, problem))?;
    let keys = text::read(&bytes).map_err(|why| KeyFailure::Broken { looked: path.display().to_string(), why })?;
    if keys.encryption.is_empty() && keys.digest.is_none() {
        return Err(KeyFailure::Missing { which, instance: instance.to_owned(), looked: path.display().to_string() });
    }
    Ok(keys)
}

/// A state folder that was moved keeps its keys; one that was copied does not get them too.
fn check_state_folder(folder: &Path, instance: &str, asked: &Path) -> Result<(), KeyFailure> {
    let file = folder.join(STATE_FOLDER);
    let named = named_state_folder(folder, instance)?;
    match named {
        Some(named) if is_same_place(&named, asked) => Ok(()),
        Some(named) if named.try_exists().map_err(KeyFailure::io(&named))? => {
            Err(KeyFailure::OtherStateFolder { named, asked: absolute(asked), file })
        }
        _ => files::replace(&file, &path_bytes(asked)).map_err(KeyFailure::io(&file)),
    }
}

fn named_state_folder(folder: &Path, instance: &str) -> Result<Option<PathBuf>, KeyFailure> {
    let path = folder.join(STATE_FOLDER);
    match read_closed(&path, Closed::OwnerOnly, KEY_TEXT_BYTES_MAX) {
        Ok(bytes) => {
            let line = bytes.strip_suffix(b"\n").unwrap_or(&bytes).to_vec();
            Ok(Some(PathBuf::from(std::ffi::OsString::from_vec(line))))
        }
        Err(FileProblem::Missing) => Ok(None),
        Err(problem) => Err(KeyFailure::of_file(&path, "encryption and digest", instance, problem)),
    }
}

fn instances(root: &Path) -> Result<Vec<String>, KeyFailure> {
    let entries = match std::fs::read_dir(root) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(KeyFailure::io(root)(error)),
    };
    let names = entries.map(|entry| entry.map(|entry| entry.file_name()));
    let names = names.collect::<io::Result<Vec<_>>>().map_err(KeyFailure::io(root))?;
    // What has no instance's name is not ours to judge: an editor's file, a folder in the making.
    Ok(names
        .iter()
        .filter_map(|name| name.to_str())
        .filter(|name| super::check_instance(name).is_ok())
        .map(str::to_owned)
        .collect())
}

fn sweep_leftovers(root: &Path) {
    let old = |path: &Path| {
        let changed = std::fs::symlink_metadata(path).and_then(|metadata| metadata.modified());
        changed.is_ok_and(|at| SystemTime::now().duration_since(at).is_ok_and(|age| age > LEFTOVER_AGE))
    };
    for entry in std::fs::read_dir(root).into_iter().flatten().flatten() {
        if entry.file_name().as_bytes().starts_with(IN_THE_MAKING.as_bytes()) && old(&entry.path()) {
            // Sweeping is not what was asked: the next that makes one tries again.
            let _ = std::fs::remove_dir_all(entry.path());
        }
    }
}

fn is_same_place(named: &Path, asked: &Path) -> bool {
    named == absolute(asked) || same_folder(named, asked)
}

fn absolute(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}

fn path_bytes(path: &Path) -> Vec<u8> {
    let mut bytes = OsStr::as_bytes(absolute(path).as_os_str()).to_vec();
    bytes.push(b'\n');
    bytes
}
