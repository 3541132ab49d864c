//! Reading sources: once for all the services in them, whole or not at all. What cannot be read, is torn or is empty
//! becomes a reason, never "there are no files".

use super::catalogue::{Catalogue, ManifestFound, Manifests};
use super::shared::Shared;
use crate::contract::{At, File, FilePath, Snapshot, Source, SourceFailure, Whole};
use crate::model::{Name, Wall};
use crate::state::{SourceId, Why, WhyCode};
use async_trait::async_trait;
use futures::stream::BoxStream;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, OnceLock};

/// The largest manifest: a hundred times what a person writes, and far below what a reader's budgets stop at.
const MANIFEST_BYTES_MAX: u64 = 1024 * 1024;

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
    pub manifests: Manifests,
    /// The paths of all its files, once they were asked for: each of many services asks.
    paths: OnceLock<BTreeSet<String>>,
}

impl Held {
    /// The paths of all its files.
    pub fn paths(&self) -> &BTreeSet<String> {
        self.paths.get_or_init(|| self.snapshot.files.keys().map(ToString::to_string).collect())
    }
}

/// Reads a source. `before` is the read before this one: what is still the same is no news to anybody.
pub async fn read(shared: &Shared, id: &SourceId, before: Option<&SourceRead>) -> SourceRead {
    let at = shared.now().wall;
    let (_, catalogue) = shared.catalogue();
    let held = hold(shared, id, &*catalogue).await;
    let pin = |held: &Result<Held, Trouble>| held.as_ref().ok().map(|held| held.snapshot.pin.clone());
    let is_same = before.and_then(|before| pin(&before.held)).is_some_and(|was| pin(&held) == Some(was));
    let number = before.map_or(0, |before| before.number) + u64::from(!is_same);
    SourceRead { number, at, held }
}

async fn hold(shared: &Shared, id: &SourceId, catalogue: &dyn Catalogue) -> Result<Held, Trouble> {
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
    let mut manifests = BTreeMap::new();
    for (path, file) in snapshot.files.iter().filter(|(path, _)| catalogue.is_manifest(path)) {
        if let File::Regular { size, .. } = file
            && *size > MANIFEST_BYTES_MAX
        {
            let text = format!("{path} has {size} bytes; a manifest has at most {MANIFEST_BYTES_MAX}");
            return Err(Trouble { why: Why::new(WhyCode::Refused, text), passes: false });
        }
        manifests.insert(path.clone(), source.bytes(path, file).await.map_err(trouble)?);
    }
    let manifests = catalogue.manifests(&manifests);
    Ok(Held { source, snapshot, manifests, paths: OnceLock::new() })
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
    let services = |read: &SourceRead| read.held.as_ref().map(|held| &held.manifests.found).ok().cloned();
    let (old, new) = (before.and_then(services).unwrap_or_default(), services(after).unwrap_or_default());
    let all: BTreeSet<Name> = old.keys().chain(new.keys()).cloned().collect();
    let (Some(Ok(was)), Ok(is)) = (before.map(|read| &read.held), &after.held) else { return all };
    let changed = crate::contract::changed_paths(&was.snapshot.files, &is.snapshot.files);
    let differs = |service: &Name| match (old.get(service), new.get(service)) {
        (Some(old), Some(new)) => old != new || changed.iter().any(|path| belongs(path, new)),
        _ => true,
    };
    all.into_iter().filter(differs).collect()
}

/// Whether a file may be part of a service: it lies in its folder, or in its manifest's.
fn belongs(path: &FilePath, manifest: &ManifestFound) -> bool {
    let beside = manifest.path.as_str().rsplit_once('/').map_or("", |(folder, _)| folder);
    [manifest.folder.as_str(), beside].iter().any(|folder| {
        folder.is_empty() || path.as_str().strip_prefix(*folder).is_some_and(|rest| rest.starts_with('/'))
    })
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
