//! Letting go of contents that nobody names.

use super::disk::on;
use super::place::Place;
use super::uses::Sweeping;
use crate::contract::{ContentFailure, File as Listed};
use crate::model::Digest;
use std::collections::BTreeSet;
use std::path::Path;
use std::time::{Duration, SystemTime};

impl Place {
    pub(super) fn sweep(&self, named: &BTreeSet<Digest>, spared: Duration) -> Result<usize, ContentFailure> {
        let Some(sweeping) = self.uses.sweep() else {
            return Err(ContentFailure::Unreachable("another sweep goes on".to_owned()));
        };
        let mut gone = 0;
        let mut stay = Vec::new();
        for content in digests_in(&self.listings())? {
            if !named.contains(&content) && self.is_old(content, spared)? {
                let path = self.listing_path(content);
                if let Some(removed) = sweeping.unless_used(content, || self.disk.remove(&path)) {
                    removed.map_err(on(&path))?;
                    self.forget(content);
                    gone += 1;
                    continue;
                }
            }
            stay.push(content);
        }
        // A listing must not come back after its files are gone.
        self.disk.sync_folder(&self.listings()).map_err(on(&self.listings()))?;
        self.sweep_files(&stay, &sweeping)?;
        Ok(gone)
    }

    /// Takes away the files that no content names, and the damaged ones. One listing that cannot be read keeps all.
    fn sweep_files(&self, contents: &[Digest], sweeping: &Sweeping) -> Result<(), ContentFailure> {
        let mut used = BTreeSet::new();
        for content in contents {
            let digests = self.read_listing(*content)?.into_values().filter_map(|file| match file {
                Listed::Regular { digest, .. } => Some(digest),
                Listed::Link(_) => None,
            });
            used.extend(digests);
        }
        for file in digests_in(&self.files())?.into_iter().filter(|file| !used.contains(file)) {
            let path = self.file_path(file);
            sweeping.unless_used(file, || self.disk.remove(&path)).transpose().map_err(on(&path))?;
        }
        for file in digests_in(&self.damaged())? {
            let path = self.damaged().join(file.to_string());
            self.disk.remove(&path).map_err(on(&path))?;
        }
        Ok(())
    }

    /// Whether a content was last kept longer ago than that. One of the future (the clock was set back) was not.
    fn is_old(&self, content: Digest, spared: Duration) -> Result<bool, ContentFailure> {
        let path = self.listing_path(content);
        let modified = path.symlink_metadata().and_then(|metadata| metadata.modified()).map_err(on(&path))?;
        Ok(SystemTime::now().duration_since(modified).is_ok_and(|age| age >= spared))
    }
}

/// The digests that are names in a folder. What has another name is not ours, and stays.
fn digests_in(folder: &Path) -> Result<Vec<Digest>, ContentFailure> {
    let mut digests = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(on(folder))? {
        let name = entry.map_err(on(folder))?.file_name();
        digests.extend(name.to_str().and_then(|name| name.parse::<Digest>().ok()));
    }
    digests.sort();
    Ok(digests)
}
