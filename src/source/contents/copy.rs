//! Making a copy of a content: all of it beside the place where it shall be, on disk, then the name in one step.

use super::disk::on;
use super::keep::SYNCED_ONE_BY_ONE_MAX;
use super::place::Place;
use crate::contract::{ContentFailure, ContentListing, File as Listed, FilePath};
use crate::model::Digest;
use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, Read as _, Seek as _};
use std::path::{Path, PathBuf};

/// The mode of a file in a copy. Its processes may run as another user.
const FILE_MODE: u32 = 0o444;
/// The same for one that may be executed.
const EXECUTABLE_MODE: u32 = 0o555;
/// Folders may be written by their owner: processes make new files beside those of the content.
const FOLDER_MODE: u32 = 0o755;
/// From this size on a file is copied by the kernel, which may share its blocks; under it, reading and writing is
/// cheaper, and the bytes pass by to be held against their digest.
const COPIED_BY_KERNEL_MIN: u64 = 1024 * 1024;

impl Place {
    pub(super) fn materialise(&self, content: Digest, into: &Path) -> Result<(), ContentFailure> {
        let _used = self.uses.hold(vec![content]);
        let listing = self.listing(content)?;
        let shown = into.display();
        let (Some(above), Some(name)) = (into.parent(), into.file_name()) else {
            return Err(ContentFailure::Refused(format!("{shown} is no place for a copy")));
        };
        let _making = self
            .uses
            .make(into)
            .ok_or_else(|| ContentFailure::Refused(format!("{shown} is being made by somebody else")))?;
        match into.symlink_metadata() {
            Ok(_) => return Err(ContentFailure::Refused(format!("{shown} is taken already"))),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(on(into)(error)),
        }
        let above_opened = File::open(above).map_err(on(above))?;
        // The name is known before, so that whoever tries again finds what a cut attempt left.
        let draft = above.join(format!(".{}.draft", name.display()));
        self.disk.remove_folder(&draft).map_err(on(&draft))?;
        let made = self.make(&listing, &draft, above, &above_opened);
        let named = made.and_then(|()| self.disk.rename_new(&draft, into).map_err(on(into)));
        if named.is_err() {
            // The failure that is told is the first one; who tries again takes the rest away.
            let _ = self.disk.remove_folder(&draft);
            return named;
        }
        let synced = self.disk.sync_folder(above).map_err(on(above));
        if synced.is_err() {
            // It is ours, and may be gone after a power cut: then it shall not be there now.
            let _ = self.disk.remove_folder(into);
        }
        synced
    }

    fn make(&self, listing: &ContentListing, draft: &Path, above: &Path, opened: &File) -> Result<(), ContentFailure> {
        self.disk.make_folder(draft, FOLDER_MODE).map_err(on(draft))?;
        let mut folders = BTreeSet::from([draft.to_owned()]);
        let mut buffer = Vec::new();
        let one_by_one = listing.len() <= SYNCED_ONE_BY_ONE_MAX;
        for (path, file) in listing {
            let to = draft.join(path.as_str());
            self.make_folders(&to, &mut folders)?;
            match file {
                Listed::Link(target) => self.disk.link(target, &to).map_err(on(&to))?,
                Listed::Regular { digest, size, executable } => {
                    let mode = if *executable { EXECUTABLE_MODE } else { FILE_MODE };
                    let made = self.copy_file(path, (*digest, *size), &to, &mut buffer)?;
                    self.disk.set_mode(&made, &to, mode).map_err(on(&to))?;
                    if one_by_one {
                        self.disk.sync(&made, &to).map_err(on(&to))?;
                    }
                }
            }
        }
        if one_by_one {
            folders.iter().try_for_each(|folder| self.disk.sync_folder(folder).map_err(on(folder)))
        } else {
            self.disk.sync_all(opened, above).map_err(on(above))
        }
    }

    /// Makes the folders above a path that are not there yet.
    fn make_folders(&self, path: &Path, made: &mut BTreeSet<PathBuf>) -> Result<(), ContentFailure> {
        let missing: Vec<&Path> = path.ancestors().skip(1).take_while(|folder| !made.contains(*folder)).collect();
        for folder in missing.into_iter().rev() {
            self.disk.make_folder(folder, FOLDER_MODE).map_err(on(folder))?;
            made.insert(folder.to_owned());
        }
        Ok(())
    }

    /// Copies one file, and holds what was written against its digest.
    fn copy_file(
        &self,
        path: &FilePath,
        (digest, size): (Digest, u64),
        to: &Path,
        buffer: &mut Vec<u8>,
    ) -> Result<File, ContentFailure> {
        let from_path = self.file_path(digest);
        let mut from = self.open_file(path, digest)?;
        let there = from.metadata().map_err(on(&from_path))?.len();
        if there != size {
            return Err(self.set_aside(path, digest));
        }
        let mut made = self.disk.create(to).map_err(on(to))?;
        let (found, length) = if size < COPIED_BY_KERNEL_MIN {
            buffer.clear();
            (&mut from).take(size + 1).read_to_end(buffer).map_err(on(&from_path))?;
            self.disk.write(&mut made, to, buffer).map_err(on(to))?;
            (Digest::of(&*buffer), buffer.len() as u64)
        } else {
            self.disk.copy(&mut from, &mut made, to, size).map_err(on(to))?;
            made.rewind().and_then(|()| digest_of(&mut made)).map_err(on(to))?
        };
        if found != digest || length != size {
            return Err(self.set_aside(path, digest));
        }
        Ok(made)
    }
}

/// The digest of the rest of a file, and how many bytes that were.
fn digest_of(file: &mut File) -> io::Result<(Digest, u64)> {
    let mut hasher = blake3::Hasher::new();
    let length = io::copy(file, &mut hasher)?;
    Ok((Digest::from_bytes(*hasher.finalize().as_bytes()), length))
}
