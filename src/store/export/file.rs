//! Exports as files: written beside their place, read back and verified, then renamed; the oldest go.

use super::{Dump, ExportError, Summary, read, write};
use crate::model::Wall;
use std::fs::File;
use std::io::{BufReader, BufWriter};
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// What the name of a whole export ends with. It is compressed (`zstd -dc` shows it).
pub const EXPORT_ENDS: &str = ".export";
/// A level that takes a third of the time of writing the rest.
const ZSTD_LEVEL: i32 = 1;

/// A verified export on the disk.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ExportFile {
    /// Where it lies.
    pub path: PathBuf,
    /// What it holds.
    pub summary: Summary,
}

impl ExportFile {
    /// Writes an export into a new file, durably, and reads it back. Blocking.
    ///
    /// # Errors
    /// [`ExportError`]; then there is no such file.
    pub fn write(dump: &Dump, path: &Path) -> Result<ExportFile, ExportError> {
        let beside = path.with_added_extension("new");
        let written = write_verified(dump, &beside);
        if written.is_err() {
            // What is half written must not take up the room that was missing.
            let _ = std::fs::remove_file(&beside);
        }
        let summary = written?;
        std::fs::rename(&beside, path).map_err(ExportError::Io)?;
        let folder = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        File::open(folder).and_then(|folder| folder.sync_all()).map_err(ExportError::Io)?;
        Ok(ExportFile { path: path.to_owned(), summary })
    }

    /// Reads an export's file and verifies all of it. Blocking.
    ///
    /// # Errors
    /// [`ExportError`].
    pub fn read(path: &Path) -> Result<(Dump, Summary), ExportError> {
        let file = File::open(path).map_err(ExportError::Io)?;
        let decoder = zstd::Decoder::new(file).map_err(ExportError::Io)?;
        read(&mut BufReader::new(decoder))
    }
}

fn write_verified(dump: &Dump, path: &Path) -> Result<Summary, ExportError> {
    let file = File::options().write(true).create(true).truncate(true).open(path).map_err(ExportError::Io)?;
    let mut encoder = zstd::Encoder::new(BufWriter::new(file), ZSTD_LEVEL).map_err(ExportError::Io)?;
    let summary = write(dump, &mut encoder).map_err(ExportError::Io)?;
    let file = encoder.finish().and_then(|buffer| Ok(buffer.into_inner()?)).map_err(ExportError::Io)?;
    file.sync_all().map_err(ExportError::Io)?;
    let (found, found_summary) = ExportFile::read(path)?;
    if found_summary == summary && found == *dump {
        Ok(summary)
    } else {
        Err(ExportError::NotAnExport("what was read back is not what was written".to_owned()))
    }
}

/// Writes an export into a folder of them, named by the time so that they sort, and keeps the newest few. Blocking.
///
/// # Errors
/// [`ExportError`]; the older exports stay as they were.
pub fn keep_export(dump: &Dump, folder: &Path, now: Wall, keep: usize) -> Result<ExportFile, ExportError> {
    // What is in it is in clear, but for secrets: it is its owner's alone. One that was made before is closed too.
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(ExportError::Io)?;
    std::fs::set_permissions(folder, std::fs::Permissions::from_mode(0o700)).map_err(ExportError::Io)?;
    let name = format!("{:015}-{}{EXPORT_ENDS}", now.0, dump.serial.0);
    let written = ExportFile::write(dump, &folder.join(name))?;
    let mut all = exports(folder).map_err(ExportError::Io)?;
    all.sort();
    for old in &all[..all.len().saturating_sub(keep.max(1))] {
        std::fs::remove_file(old).map_err(ExportError::Io)?;
    }
    Ok(written)
}

/// The whole exports in a folder, in no order.
pub fn exports(folder: &Path) -> std::io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.file_name().is_some_and(|name| name.to_string_lossy().ends_with(EXPORT_ENDS)) {
            found.push(path);
        }
    }
    Ok(found)
}
