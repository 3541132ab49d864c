//! How far a store had come, in a file beside its folder: written when it is opened and when it is closed.
//!
//! sled takes what does not fit its checksums at the end of its log for a torn write, so a damaged database can open as an
//! older one, or as an empty one. This is no second log: it says a number that only a store which lost something falls
//! behind (RELIABILITY D14, THREATS T22 and T27).

use super::disk;
use super::error::OpenError;
use super::folder::beside;
use crate::contract::{Genesis, Serial};
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

/// Where it is written, and of which life of the store.
#[derive(Clone, Debug)]
pub struct Witness {
    path: PathBuf,
    lineage: String,
}

#[derive(Serialize, Deserialize)]
struct Reached {
    lineage: String,
    serial: u64,
}

impl Witness {
    /// Of the store of a folder.
    pub fn of(folder: &Path, genesis: &Genesis) -> Witness {
        Witness { path: beside(folder, "reached"), lineage: genesis.lineage.clone() }
    }

    /// Refuses a store that ends before where it was, and writes down where it is. What cannot be read says nothing, and what
    /// cannot be written (a full disk) says less from then on.
    pub fn check(&self, found: Serial) -> Result<(), OpenError> {
        let said = std::fs::read(&self.path).ok().and_then(|bytes| serde_json::from_slice::<Reached>(&bytes).ok());
        match said.filter(|said| said.lineage == self.lineage) {
            Some(said) if said.serial > found.0 => {
                Err(OpenError::Behind { found: found.0, reached: said.serial, witness: self.path.clone() })
            }
            Some(said) if said.serial == found.0 => Ok(()),
            _ => {
                self.write(found);
                Ok(())
            }
        }
    }

    /// Writes down where it is.
    pub fn write(&self, at: Serial) {
        let reached = Reached { lineage: self.lineage.clone(), serial: at.0 };
        let _ = disk::write_file(&self.path, &crate::model::canonical_json(&reached));
    }
}
