//! Last backups: a data folder as a compressed archive, durable and read back before anything is deleted.

use super::thing::make_folder;
use crate::model::{Name, Wall};
use std::fs::{self, File};
use std::io::{self, BufReader, BufWriter};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// Compression that keeps up with a disk.
const LEVEL: i32 = 3;

/// `users-2026-11-20T12-31-07.tar.zst`.
pub(super) fn name_of(name: &Name, at: Wall) -> String {
    let seconds = i64::try_from(at.0 / 1000).unwrap_or_default();
    let time = jiff::Timestamp::from_second(seconds).unwrap_or_default();
    format!("{name}-{}.tar.zst", time.strftime("%Y-%m-%dT%H-%M-%S"))
}

/// Saves a folder; answers the file and its size. A half-written one never has the name.
pub(super) fn save(folder: &Path, into: &Path, name: &str) -> io::Result<(PathBuf, u64)> {
    make_folder(into)?;
    let (draft, path) = (into.join(format!("{name}.draft")), into.join(name));
    let file = fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&draft)?;
    let mut archive = tar::Builder::new(zstd::Encoder::new(BufWriter::new(file), LEVEL)?);
    archive.follow_symlinks(false);
    archive.append_dir_all(".", folder)?;
    let file = archive.into_inner()?.finish()?.into_inner()?;
    file.sync_all()?;
    let size = file.metadata()?.len();
    let (wanted, found) = (count(folder)?, count_saved(&draft)?);
    if wanted != found {
        return Err(io::Error::other(format!("the backup holds {found} files and folders of {wanted}")));
    }
    fs::rename(&draft, &path)?;
    File::open(into)?.sync_all()?;
    Ok((path, size))
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

/// Files and folders in a folder, itself among them.
fn count(folder: &Path) -> io::Result<u64> {
    let mut total = 1;
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        total += if entry.file_type()?.is_dir() { count(&entry.path())? } else { 1 };
    }
    Ok(total)
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
}
