//! How far a store had come, in a file beside its folder: written when it is opened, after every commit, and when it is
//! closed.
//!
//! sled takes what does not fit its checksums at the end of its log for a torn write, so a damaged database can open as an
//! older one, or as an empty one. This is no second log: it says a number that only a store which lost something falls
//! behind (RELIABILITY D14, THREATS T22 and T27). After a commit the number is handed to the system and not synced: that
//! costs no more than a call, a killed process loses nothing of it, and a power cut leaves at worst an older number.

use super::disk;
use super::error::OpenError;
use super::folder::beside;
use crate::contract::{Genesis, Serial};
use serde::{Deserialize, Serialize};
use std::fs::{File, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

/// How long what is written is, at least: more than a lineage and the largest number take.
const BYTES: usize = 256;

/// Where it is written, and of which life of the store.
#[derive(Debug)]
pub struct Witness {
    path: PathBuf,
    lineage: String,
    /// To write it in its place: there once it was checked.
    file: Option<File>,
}

#[derive(Serialize, Deserialize)]
struct Reached {
    lineage: String,
    serial: u64,
}

impl Witness {
    /// Of the store of a folder.
    pub fn of(folder: &Path, genesis: &Genesis) -> Witness {
        Witness { path: beside(folder, "reached"), lineage: genesis.lineage.clone(), file: None }
    }

    /// Refuses a store that ends before where it was, and writes down where it is. What cannot be read says nothing, and what
    /// cannot be written (a full disk) says less from then on.
    pub fn check(&mut self, found: Serial) -> Result<(), OpenError> {
        let said = std::fs::read(&self.path).ok().and_then(|bytes| serde_json::from_slice::<Reached>(&bytes).ok());
        match said.filter(|said| said.lineage == self.lineage) {
            Some(said) if said.serial > found.0 => {
                Err(OpenError::Behind { found: found.0, reached: said.serial, witness: self.path.clone() })
            }
            Some(said) if said.serial == found.0 => {
                self.open();
                Ok(())
            }
            _ => {
                // Whole and durable under its name before anything is written in its place.
                let _ = disk::write_file(&self.path, &self.text(found));
                self.open();
                Ok(())
            }
        }
    }

    fn open(&mut self) {
        self.file = OpenOptions::new().write(true).open(&self.path).ok();
    }

    /// Notes where it is, after a commit that is durable.
    pub fn note(&self, at: Serial) {
        if let Some(file) = &self.file {
            let _ = file.write_all_at(&self.text(at), 0);
        }
    }

    /// Notes where it ends, durably.
    pub fn close(&self, at: Serial) {
        self.note(at);
        if let Some(file) = &self.file {
            let _ = file.sync_data();
        }
    }

    /// Always of one length, so that it can be written over.
    fn text(&self, at: Serial) -> Vec<u8> {
        let reached = Reached { lineage: self.lineage.clone(), serial: at.0 };
        let mut text = crate::model::canonical_json(&reached);
        text.resize(text.len().max(BYTES), b' ');
        text
    }
}
