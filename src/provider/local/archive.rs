//! Last backups: a data folder as a compressed archive, durable and read back before anything is deleted.

use super::thing::make_folder;
use crate::model::{Name, Wall};
use std::fs::{self, File};
use std::io::{self, BufReader, BufWriter};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// Compression that keeps up with a disk.
const LEVEL: i32 = 3;

/// What a backup ends with.
const ARCHIVE: &str = ".tar.zst";
/// What ends the name of one that is not whole yet.
const DRAFT: &str = ".draft";

/// `users-2026-11-20T12-31-07`.
pub(super) fn name_of(name: &Name, at: Wall) -> String {
    let seconds = i64::try_from(at.0 / 1000).unwrap_or_default();
    let time = jiff::Timestamp::from_second(seconds).unwrap_or_default();
    format!("{name}-{}", time.strftime("%Y-%m-%dT%H-%M-%S"))
}

/// Saves a folder; answers the file and its size. A half-written one never has the name, and one that is there is never
/// written over: things of one name in several stacks may go in the same second, and are numbered then.
pub(super) fn save(folder: &Path, into: &Path, name: &str) -> io::Result<(PathBuf, u64)> {
    make_folder(into)?;
    let (draft, file) = Draft::new(into, name)?;
    let mut archive = tar::Builder::new(zstd::Encoder::new(BufWriter::new(file), LEVEL)?);
    archive.follow_symlinks(false);
    archive.append_dir(".", folder)?;
    let saved = append(&mut archive, folder, Path::new("."))?;
    let file = archive.into_inner()?.finish()?.into_inner()?;
    file.sync_all()?;
    let size = file.metadata()?.len();
    let (wanted, found) = (1 + saved, count_saved(&draft.draft)?);
    if wanted != found {
        return Err(io::Error::other(format!("the backup holds {found} files and folders of {wanted}")));
    }
    fs::rename(&draft.draft, &draft.path)?;
    File::open(into)?.sync_all()?;
    Ok((draft.path.clone(), size))
}

/// Takes away what was being written when a server ended. Nobody may save at the same time: for the start of a room.
pub(super) fn clear_drafts(folder: &Path) -> io::Result<()> {
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        entries => entries?,
    };
    for entry in entries {
        let path = entry?.path();
        if path.to_string_lossy().ends_with(&format!("{ARCHIVE}{DRAFT}")) {
            fs::remove_file(&path)?;
        }
    }
    Ok(())
}

/// A backup that is being written: it has its name for itself, and is taken away unless it came to its end.
struct Draft {
    draft: PathBuf,
    path: PathBuf,
}

impl Draft {
    fn new(into: &Path, name: &str) -> io::Result<(Draft, File)> {
        for number in 1..=u32::MAX {
            let numbered = if number == 1 { name.to_owned() } else { format!("{name}-{number}") };
            let path = into.join(format!("{numbered}{ARCHIVE}"));
            let draft = into.join(format!("{numbered}{ARCHIVE}{DRAFT}"));
            match fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&draft) {
                // Whoever has the draft has the name: one that is there already came to its end before.
                Ok(file) => {
                    let made = Draft { draft, path };
                    if !made.path.exists() {
                        return Ok((made, file));
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(error),
            }
        }
        Err(io::Error::other("there are too many backups of that name"))
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        // Renamed, it is not there any more.
        drop(fs::remove_file(&self.draft));
    }
}

/// The bytes of all files in a folder. What goes while it is looked at counts no more.
pub(super) fn size(folder: &Path) -> io::Result<u64> {
    let mut total = 0;
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        total += match entry.metadata() {
            Ok(found) if found.is_dir() => size(&entry.path()).or_else(gone)?,
            Ok(found) => found.len(),
            Err(error) => gone(error)?,
        };
    }
    Ok(total)
}

fn gone(error: io::Error) -> io::Result<u64> {
    if error.kind() == io::ErrorKind::NotFound { Ok(0) } else { Err(error) }
}

/// Puts what is in a folder into an archive, and says how many files and folders that is. Sockets, pipes and devices are
/// left out: they hold nothing once their program has ended.
fn append<W: io::Write>(archive: &mut tar::Builder<W>, folder: &Path, named: &Path) -> io::Result<u64> {
    let mut saved = 0;
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let (path, named, is) = (entry.path(), named.join(entry.file_name()), entry.file_type()?);
        if !is.is_dir() && !is.is_file() && !is.is_symlink() {
            continue;
        }
        saved += 1;
        if is.is_dir() {
            archive.append_dir(&named, &path)?;
            saved += append(archive, &path, &named)?;
        } else {
            archive.append_path_with_name(&path, &named)?;
        }
    }
    Ok(saved)
}

/// Entries of an archive, each read to its end.
fn count_saved(path: &Path) -> io::Result<u64> {
    let mut archive = tar::Archive::new(zstd::Decoder::new(BufReader::new(File::open(path)?))?);
    let mut total = 0;
    for entry in archive.entries()? {
        io::copy(&mut entry?, &mut io::sink())?;
        total += 1;
    }
    Ok(total)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn what_is_saved_can_be_read_back() {
        let place = tempfile::tempdir().unwrap();
        let data = place.path().join("data");
        fs::create_dir_all(data.join("deep/deeper")).unwrap();
        fs::write(data.join("deep/file"), "text").unwrap();
        std::os::unix::fs::symlink("file", data.join("deep/link")).unwrap();
        let name = name_of(&Name::fixed("users"), Wall(1_795_000_000_000));
        let (path, size) = save(&data, &place.path().join("backups"), &name).unwrap();
        assert!(path.ends_with("users-2026-11-18T11-06-40.tar.zst"), "{}", path.display());
        assert!(size > 0);
        assert_eq!(super::size(&data).unwrap(), 8, "a file of four letters, and a link of as many");
        let mut archive = tar::Archive::new(zstd::Decoder::new(BufReader::new(File::open(&path).unwrap())).unwrap());
        let restored = place.path().join("restored");
        archive.unpack(&restored).unwrap();
        assert_eq!(fs::read_to_string(restored.join("deep/link")).unwrap(), "text");
    }

    #[test]
    fn what_was_saved_is_never_written_over() {
        let place = tempfile::tempdir().unwrap();
        let backups = place.path().join("backups");
        let name = name_of(&Name::fixed("users"), Wall(1_795_000_000_000));
        let saved = ["one", "two"].map(|text| {
            let data = place.path().join(text);
            fs::create_dir_all(&data).unwrap();
            fs::write(data.join("file"), text).unwrap();
            (text, save(&data, &backups, &name).unwrap().0)
        });
        assert!(saved[1].1.ends_with("users-2026-11-18T11-06-40-2.tar.zst"), "{}", saved[1].1.display());
        for (text, path) in saved {
            let mut archive = tar::Archive::new(zstd::Decoder::new(File::open(&path).unwrap()).unwrap());
            let to = place.path().join(format!("{text}-again"));
            archive.unpack(&to).unwrap();
            assert_eq!(fs::read_to_string(to.join("file")).unwrap(), text);
        }
    }

    #[test]
    fn what_did_not_come_to_its_end_leaves_nothing() {
        let place = tempfile::tempdir().unwrap();
        let backups = place.path().join("backups");
        save(&place.path().join("missing"), &backups, "users").unwrap_err();
        assert_eq!(fs::read_dir(&backups).unwrap().count(), 0);
        for name in ["users-1.tar.zst.draft", "users-1.tar.zst", "note.draft"] {
            fs::write(backups.join(name), "x").unwrap();
        }
        clear_drafts(&backups).unwrap();
        let mut left: Vec<_> = fs::read_dir(&backups).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        left.sort();
        assert_eq!(left, ["note.draft", "users-1.tar.zst"]);
        clear_drafts(&place.path().join("missing")).unwrap();
    }

    #[test]
    fn what_a_program_leaves_beside_its_data_hinders_no_backup() {
        let place = tempfile::tempdir().unwrap();
        let data = place.path().join("data");
        fs::create_dir_all(data.join("deep")).unwrap();
        fs::write(data.join("deep/file"), "text").unwrap();
        let _socket = std::os::unix::net::UnixListener::bind(data.join("deep/socket")).unwrap();
        rustix::fs::mkfifoat(rustix::fs::CWD, data.join("pipe"), rustix::fs::Mode::RUSR).unwrap();
        let (path, _) = save(&data, &place.path().join("backups"), "users").unwrap();
        let mut archive = tar::Archive::new(zstd::Decoder::new(File::open(&path).unwrap()).unwrap());
        let names = archive.entries().unwrap().map(|entry| entry.unwrap().path().unwrap().display().to_string());
        let names: BTreeSet<String> = names.collect();
        assert!(names.contains("deep/file") && !names.contains("deep/socket") && !names.contains("pipe"), "{names:?}");
    }
}
