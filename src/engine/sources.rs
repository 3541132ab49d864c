//! Reading sources: once for all the services in them, whole or not at all. What cannot be read, is torn or is empty
//! becomes a reason, never "there are no files".

use super::catalogue::{Catalogue, ManifestFile, ManifestFound, Manifests};
use super::shared::Shared;
use crate::contract::{At, File, FilePath, Snapshot, Source, SourceFailure, Whole};
use crate::model::{Name, Wall};
use crate::state::{SourceId, Why, WhyCode};
use async_trait::async_trait;
use futures::stream::BoxStream;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// What came of reading a source.
pub struct SourceRead {
    /// Grows with every read of this process that finds something else than the one before.
    pub number: u64,
    /// When the read began: what was accepted before is answered by it.
    pub at: Wall,
    /// What it holds, or why that is not known.
    pub held: Result<Held, Trouble>,
}

/// Why it is not known what a source holds.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Trouble {
    /// Why.
    pub why: Why,
    /// Whether it is worth looking again soon by itself: files that were being written, a host that did not answer.
    pub passes: bool,
}

/// What a source holds.
pub struct Held {
    /// The source.
    pub source: Arc<dyn Source>,
    /// Its files.
    pub snapshot: Snapshot,
    /// The services that its manifests speak of.
    pub manifests: Arc<Manifests>,
    /// The files of these manifests.
    files: BTreeMap<FilePath, ManifestFile>,
    /// The number of the catalogue that found the services in them.
    catalogue: u64,
}

/// Reads a source. `before` is a read before this one: what is still the same is neither read again nor news to anybody.
pub async fn read(shared: &Shared, id: &SourceId, before: Option<&SourceRead>) -> SourceRead {
    let at = shared.now().wall;
    let held = hold(shared, id, before.and_then(|before| before.held.as_ref().ok())).await;
    let pin = |held: &Result<Held, Trouble>| held.as_ref().ok().map(|held| held.snapshot.pin.clone());
    let is_same = before.and_then(|before| pin(&before.held)).is_some_and(|was| pin(&held) == Some(was));
    let number = before.map_or(0, |before| before.number) + u64::from(!is_same);
    SourceRead { number, at, held }
}

async fn hold(shared: &Shared, id: &SourceId, before: Option<&Held>) -> Result<Held, Trouble> {
    let source = shared.parts.rooms.source(id).map_err(|why| Trouble { why, passes: false })?;
    let snapshot = source.read(&At::Now).await.map_err(trouble)?;
    if let Whole::Torn(how) = &snapshot.whole {
        let text = format!("{} changed while it was read: {how}", id.0);
        return Err(Trouble { why: Why::new(WhyCode::NotReadable, text), passes: true });
    }
    if snapshot.files.is_empty() {
        let why = Why::new(WhyCode::Missing, format!("{} is empty", id.0));
        return Err(Trouble { why, passes: false });
    }
    let (number, catalogue) = shared.catalogue();
    let files = manifest_files(&*source, &snapshot, &*catalogue, before).await?;
    let manifests = match before {
        Some(before) if before.catalogue == number && before.files == files => Arc::clone(&before.manifests),
        _ => Arc::new(catalogue.manifests(&files)),
    };
    Ok(Held { source, snapshot, manifests, files, catalogue: number })
}

/// The files of a snapshot's manifests. Only those are read that were not read before with the same digest.
async fn manifest_files(
    source: &dyn Source,
    snapshot: &Snapshot,
    catalogue: &dyn Catalogue,
    before: Option<&Held>,
) -> Result<BTreeMap<FilePath, ManifestFile>, Trouble> {
    let mut files = BTreeMap::new();
    for (path, file) in snapshot.files.iter().filter(|(path, _)| catalogue.speaks(path)) {
        let known =
            before.and_then(|before| before.files.get(path)).filter(|known| file.digest() == Some(known.digest));
        let read = match known.cloned().or_else(|| ManifestFile::too_long(file)) {
            Some(known) => known,
            None => ManifestFile::of(source.bytes(path, file).await.map_err(trouble)?),
        };
        files.insert(path.clone(), read);
    }
    Ok(files)
}

/// What a source's failure means for those who wait for it.
pub fn trouble(failure: SourceFailure) -> Trouble {
    let (code, passes) = match &failure {
        SourceFailure::Missing(_) => (WhyCode::Missing, false),
        SourceFailure::Unreachable(_) => (WhyCode::NotReadable, true),
        SourceFailure::Refused(_) => (WhyCode::Refused, false),
    };
    Trouble { why: Why::new(code, failure.to_string()), passes }
}

/// The services of a source that two reads do not have alike. What could not be read concerns all of them: each says so.
#[must_use]
pub fn concerned(before: Option<&SourceRead>, after: &SourceRead) -> BTreeSet<Name> {
    let (was, is) = (before.and_then(|before| before.held.as_ref().ok()), after.held.as_ref().ok());
    let (Some(was), Some(is)) = (was, is) else {
        return was.into_iter().chain(is).flat_map(|held| held.manifests.found.keys()).cloned().collect();
    };
    let (old, new) = (&was.manifests.found, &is.manifests.found);
    let changed = crate::contract::changed_paths(&was.snapshot.files, &is.snapshot.files);
    let stirred = folders_above(&changed);
    let is_same = |old: &Arc<ManifestFound>, new: &Arc<ManifestFound>| Arc::ptr_eq(old, new) || old == new;
    let differs = |(name, new): &(&Name, &Arc<ManifestFound>)| {
        old.get(*name).is_none_or(|old| !is_same(old, new)) || folders_of(new).iter().any(|of| stirred.contains(of))
    };
    let new_or_other = new.iter().filter(differs).map(|(name, _)| name);
    new_or_other.chain(old.keys().filter(|name| !new.contains_key(*name))).cloned().collect()
}

/// The folders that any of these files lies in, however deep; the empty one is the whole source.
fn folders_above(paths: &[FilePath]) -> BTreeSet<&str> {
    paths.iter().flat_map(|path| std::iter::successors(folder_above(path.as_str()), |at| folder_above(at))).collect()
}

fn folder_above(path: &str) -> Option<&str> {
    if path.is_empty() { None } else { Some(path.rsplit_once('/').map_or("", |(folder, _)| folder)) }
}

/// The folders whose files may be part of a service: its own, and its manifest's.
fn folders_of(manifest: &ManifestFound) -> [&str; 2] {
    [manifest.folder.as_str(), folder_above(manifest.path.as_str()).unwrap_or_default()]
}

/// A folder of a source, as a source: paths begin in that folder.
pub struct Within {
    /// The whole.
    pub source: Arc<dyn Source>,
    /// The folder; empty is the whole.
    pub folder: String,
}

impl Within {
    fn whole(&self, path: &FilePath) -> Result<FilePath, SourceFailure> {
        if self.folder.is_empty() {
            return Ok(path.clone());
        }
        let text = format!("{}/{path}", self.folder);
        FilePath::new(&text).map_err(|error| SourceFailure::Refused(error.to_string()))
    }
}

#[async_trait]
impl Source for Within {
    async fn read(&self, at: &At) -> Result<Snapshot, SourceFailure> {
        part(&self.source.read(at).await?, &self.folder)
    }

    async fn bytes(&self, path: &FilePath, file: &File) -> Result<Vec<u8>, SourceFailure> {
        self.source.bytes(&self.whole(path)?, file).await
    }

    fn hints(&self) -> BoxStream<'static, ()> {
        self.source.hints()
    }
}

/// The part of a snapshot beneath a folder; empty is the whole.
pub fn part(snapshot: &Snapshot, folder: &str) -> Result<Snapshot, SourceFailure> {
    if folder.is_empty() {
        return Ok(snapshot.clone());
    }
    let folder = FilePath::new(folder).map_err(|error| SourceFailure::Refused(error.to_string()))?;
    snapshot.beneath(&folder)
}
