//! Backups: everything that a server knows as one file, and back.

use super::serve::settings;
use crate::cli::arguments::{Backup, Common, Restore, Serve};
use crate::cli::ask_person;
use crate::cli::asking::Asking;
use crate::cli::exit::{Exit, Failure};
use crate::cli::folders::{Near, for_people};
use crate::cli::out::Out;
use crate::model::Bytes;
use crate::server::api::asks::MakeBackup;
use crate::server::api::paths;
use crate::server::api::secret::SecretValue;
use crate::wiring::{self, BackupFailure};
use reqwest::Method;
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// `deployd backup`.
pub(in crate::cli) async fn backup(common: &Common, asked: &Backup, out: &Out) -> Result<Exit, Failure> {
    if asked.file.exists() {
        return Err(Failure::new(Exit::Usage, format!("{} is there already", asked.file.display())));
    }
    let passphrase = match asked.with_keys {
        true => Some(SecretValue::new(ask_person::passphrase(true)?.to_string())),
        false => None,
    };
    let asking = Asking::new(common, out, &Near::Nothing).await?;
    let mut response = asking.client().stream(Method::POST, paths::BACKUP, Some(&MakeBackup { passphrase })).await?;
    let mut part = Part::new(&asked.file)?;
    loop {
        let chunk = response.chunk().await.map_err(|error| {
            Failure::new(Exit::WentWrong, format!("the backup has ended before it was whole: {error}"))
        })?;
        match chunk {
            Some(bytes) => part.write(&bytes)?,
            None => break,
        }
    }
    let bytes = part.finish(&asked.file)?;
    match out.is_json() {
        true => out.object("backup", None, &serde_json::json!({ "file": asked.file, "bytes": bytes }))?,
        false => out.talk(&format!("saved to {} ({})\n", for_people(&asked.file), Bytes(bytes).for_people())),
    }
    Ok(Exit::Done)
}

/// `deployd restore`: into a state folder that has no store, and that no server uses.
///
/// # Errors
/// Why nothing was restored; then there is no store.
pub(in crate::cli) fn restore(common: &Common, asked: &Restore, out: &Out) -> Result<Exit, Failure> {
    let passphrase = match asked.with_keys {
        true => Some(ask_person::passphrase(false)?),
        false => None,
    };
    let settings = settings(common, &Serve::default())?;
    let restored = wiring::restore_now(&settings, &asked.file, passphrase);
    let done = restored.map_err(|failure| not_restored(&failure, asked))?;
    if out.is_json() {
        let unreadable = &done.summary.unreadable;
        out.object(
            "restore",
            None,
            &serde_json::json!({ "instance": done.instance, "records": done.summary.records, "unreadable": unreadable }),
        )?;
        return Ok(Exit::Done);
    }
    let keys = if done.with_keys { ", with its keys" } else { "" };
    out.talk(&format!(
        "restored {} records of {} from {}{keys}\n",
        done.summary.records,
        done.instance,
        asked.file.display()
    ));
    for what in &done.summary.unreadable {
        out.talk(&format!("  could not be read: {what}\n"));
    }
    out.talk(
        "what runs may be newer than the backup: deployd status shows it, and nothing newer is taken away by itself\n",
    );
    Ok(Exit::Done)
}

fn not_restored(failure: &BackupFailure, asked: &Restore) -> Failure {
    let told = Failure::new(Exit::WentWrong, failure.in_full());
    match failure {
        BackupFailure::Keys(_) if !asked.with_keys => {
            told.way_out("a backup that was made --with-keys has them: deployd restore FILE --with-keys")
        }
        BackupFailure::Store(_) => {
            told.way_out("stop the server, and move the folder away if it is not needed any more")
        }
        BackupFailure::Io { path, source } if *path == asked.file && source.kind() != std::io::ErrorKind::NotFound => {
            told.way_out("it is torn or no backup; nothing was restored: take another one")
        }
        BackupFailure::Export(_) | BackupFailure::Contents(_) | BackupFailure::NotABackup(_) => {
            told.way_out("nothing was restored: take another backup")
        }
        BackupFailure::Keys(_) => {
            told.way_out("nothing was restored: ask again with its passphrase, or take another backup")
        }
        _ => told,
    }
}

/// A file that is not there before it is whole.
struct Part {
    path: PathBuf,
    file: File,
    bytes: u64,
}

impl Part {
    fn new(of: &Path) -> Result<Part, Failure> {
        let mut name = of.file_name().unwrap_or_default().to_owned();
        name.push(".part");
        let path = of.with_file_name(name);
        let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path);
        let file = file.map_err(|error| failed(&path, &error))?;
        Ok(Part { path, file, bytes: 0 })
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        self.bytes += bytes.len() as u64;
        self.file.write_all(bytes).map_err(|error| failed(&self.path, &error))
    }

    /// Gives it its name, durably, unless another file took that meanwhile.
    fn finish(self, to: &Path) -> Result<u64, Failure> {
        self.file.sync_all().map_err(|error| failed(&self.path, &error))?;
        std::fs::hard_link(&self.path, to).map_err(|error| failed(to, &error))?;
        let folder = to.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        File::open(folder).and_then(|folder| folder.sync_all()).map_err(|error| failed(folder, &error))?;
        Ok(self.bytes)
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        // Whole or not: under this name it is of no use any more.
        let _ = std::fs::remove_file(&self.path);
    }
}

fn failed(path: &Path, error: &std::io::Error) -> Failure {
    Failure::new(Exit::WentWrong, format!("{} cannot be written: {error}", path.display()))
}
