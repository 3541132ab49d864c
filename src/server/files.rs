//! Files that a question is asked about, read once: a folder of the server's machine, or what the body holds. What is
//! compiled here is for answers alone; nothing of it is kept.

use super::api::asks::Files;
use super::api::problem::Diagnostic;
use super::refusal::{Answer, Refusal};
use super::show;
use crate::contract::{At, ContentListing, File, FilePath, Snapshot, Source, SourceFailure, Whole, content_digest};
use crate::diagnostic::{Diagnostics, did_you_mean};
use crate::engine::{Catalogue, CompileAsk, Compiled, DoorError, Engine, ManifestFile, ManifestFound, Manifests};
use crate::model::{Digest, Name, StackId};
use crate::resolve::Others;
use crate::state::{SourceId, Why, WhyCode};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Component, Path};
use std::sync::Arc;

/// The largest file that is read for an answer: a manifest, or what `files:` takes in.
const FILE_BYTES_MAX: u64 = 1024 * 1024;
/// Files that one body may hold.
const FILES_MAX: usize = 1000;

/// Files, and the services that their manifests speak of.
pub struct Gathered {
    /// The worlds and repositories of the moment.
    pub catalogue: Arc<dyn Catalogue>,
    /// The services.
    pub manifests: Manifests,
    listing: ContentListing,
    left_out: BTreeSet<String>,
    source: Option<Arc<dyn Source>>,
    texts: BTreeMap<FilePath, Vec<u8>>,
}

/// The source that a folder is.
///
/// # Errors
/// 400 when it is not a whole path without `.` and `..`.
pub fn folder_source(folder: &str) -> Answer<SourceId> {
    let path = Path::new(folder);
    let plain = |part: Component<'_>| matches!(part, Component::RootDir | Component::Normal(_));
    if !path.is_absolute() || !path.components().all(plain) || folder.chars().any(char::is_control) {
        let detail = format!("{folder:?} is no whole path: it begins with `/` and has no `..`");
        return Err(Refusal::bad_parameter(format!("folder: {detail}")));
    }
    // One spelling of a folder is one source: without `//`, `/./` and `/` at the end.
    let one = path.components().collect::<std::path::PathBuf>();
    Ok(SourceId(format!("folder:{}", one.display())))
}

/// Reads files, and the manifests among them.
///
/// # Errors
/// They cannot be read, or not whole.
pub async fn gather(engine: &Engine, of: &Files) -> Answer<Gathered> {
    let catalogue = engine.catalogue();
    let mut gathered = match of {
        Files::Folder(folder) => {
            let id = folder_source(folder)?;
            let source = engine.parts().rooms.source(&id).map_err(|why| Refusal::unavailable("source", TITLE, why))?;
            let snapshot = source.read(&At::Now).await.map_err(|failure| unread(folder, failure))?;
            let left_out = snapshot.left_out.clone();
            let listing = whole(folder, snapshot)?;
            Gathered { left_out, ..Gathered::new(catalogue, listing, Some(source), BTreeMap::new()) }
        }
        Files::Files(files) => {
            let texts = sent(files)?;
            let listing = texts.iter().map(|(path, bytes)| {
                let (digest, size) = (Digest::of(bytes), bytes.len() as u64);
                (path.clone(), File::Regular { digest, size, executable: false })
            });
            Gathered::new(catalogue, listing.collect(), None, texts)
        }
    };
    let manifests: Vec<FilePath> =
        gathered.listing.keys().filter(|path| gathered.catalogue.speaks(path)).cloned().collect();
    let (too_long, manifests): (Vec<_>, Vec<_>) = manifests
        .into_iter()
        .map(|path| (gathered.listing.get(&path).and_then(ManifestFile::too_long), path))
        .partition(|(too_long, _)| too_long.is_some());
    let manifests: Vec<FilePath> = manifests.into_iter().map(|(_, path)| path).collect();
    gathered.load(&manifests).await?;
    let bytes = manifests.into_iter().filter_map(|path| gathered.texts.get_key_value(&path));
    let files = bytes.map(|(path, bytes)| (path.clone(), ManifestFile::of(bytes.clone())));
    let too_long = too_long.into_iter().filter_map(|(too_long, path)| Some((path, too_long?)));
    gathered.manifests = gathered.catalogue.manifests(&files.chain(too_long).collect());
    Ok(gathered)
}

const TITLE: &str = "the files cannot be read";

impl Gathered {
    fn new(
        catalogue: Arc<dyn Catalogue>,
        listing: ContentListing,
        source: Option<Arc<dyn Source>>,
        texts: BTreeMap<FilePath, Vec<u8>>,
    ) -> Gathered {
        let (manifests, left_out) = (Manifests::default(), BTreeSet::new());
        Gathered { catalogue, manifests, listing, left_out, source, texts }
    }

    /// How many files there are.
    #[must_use]
    pub fn count(&self) -> u32 {
        u32::try_from(self.listing.len()).unwrap_or(u32::MAX)
    }

    /// The only service, or the one that is named.
    ///
    /// # Errors
    /// 404 when there is none of that name, 400 when there are several and none is named, 422 with the mistakes when none
    /// could be read.
    pub fn one(&self, service: Option<&Name>) -> Answer<&Arc<ManifestFound>> {
        let found = &self.manifests.found;
        let names = || found.keys().map(Name::as_str).collect::<Vec<_>>();
        match service {
            Some(name) => found.get(name).ok_or_else(|| match self.manifests.mistakes.has_errors() {
                true => Refusal::mistakes(self.shown(&self.manifests.mistakes)),
                false => Refusal::not_found(format!("no manifest says `service: {name}`"))
                    .did_you_mean(did_you_mean(name, names())),
            }),
            None if found.len() > 1 => {
                Err(Refusal::bad_parameter(format!("there are several services, say which: {}", names().join(", "))))
            }
            None => found.values().next().ok_or_else(|| match self.manifests.mistakes.is_empty() {
                true => Refusal::not_found("there is no deployd.yaml among the files")
                    .way_out("write one; if there is one, .gitignore leaves it out"),
                false => Refusal::mistakes(self.shown(&self.manifests.mistakes)),
            }),
        }
    }

    /// Compiles a service for a world, for an answer.
    ///
    /// # Errors
    /// A file that it is made of cannot be read.
    pub async fn compile(&mut self, engine: &Engine, world: &Name, service: &Name) -> Answer<Compiled> {
        self.compile_with(world, service, &engine.others(world)).await
    }

    async fn compile_with(&mut self, world: &Name, service: &Name, others: &Others) -> Answer<Compiled> {
        let Some(manifest) = self.manifests.found.get(service).cloned() else { return Ok(Compiled::default()) };
        let reads = self.catalogue.reads(&manifest, &self.listing);
        let paths: Vec<FilePath> = self.listing.keys().filter(|path| reads.contains(path.as_str())).cloned().collect();
        self.load(&paths).await?;
        let read = paths.iter().filter_map(|path| Some((path.to_string(), self.texts.get(path)?.clone())));
        let files = read.collect();
        let ask = CompileAsk { manifest: &manifest, content: self.content(&manifest), files: &files, others };
        let mut compiled = self.catalogue.compile(world, &ask);
        for missing in manifest.missing_files(&self.listing) {
            compiled.said.push(missing);
            compiled.graph = None;
        }
        manifest.left_out(&self.listing, &self.left_out).into_iter().for_each(|one| compiled.said.push(one));
        Ok(compiled)
    }

    /// Compiles services for a world together: what one of them offers, the others may use.
    ///
    /// # Errors
    /// As [`Gathered::compile`].
    pub async fn compile_all(&mut self, engine: &Engine, world: &Name, services: &[Name]) -> Answer<Vec<Compiled>> {
        let mut others = (*engine.others(world)).clone();
        let mut done: BTreeMap<&Name, Compiled> = BTreeMap::new();
        // One that asks for what another offers is compiled again once that one is, or is known to come: each moves twice
        // at most.
        for _ in 0..=2 * services.len() {
            let mut gained = false;
            for service in services {
                if done.get(service).is_some_and(|compiled| compiled.graph.is_some()) {
                    continue;
                }
                let compiled = self.compile_with(world, service, &others).await?;
                let stack = StackId::new(world.clone(), service.clone());
                if let Some(offering) = compiled.offering()
                    && others.of_stack(&stack) != Some(&offering)
                {
                    others.set(stack, offering);
                    gained = true;
                }
                done.insert(service, compiled);
            }
            if !gained {
                break;
            }
        }
        Ok(done.into_values().collect())
    }

    /// Diagnostics with the lines that they are about.
    #[must_use]
    pub fn shown(&self, found: &Diagnostics) -> Vec<Diagnostic> {
        show::diagnostics_with(found, &|file| self.text(file))
    }

    fn text(&self, file: &str) -> Option<Arc<str>> {
        let of_files = self.texts.get(file).map(|bytes| Arc::from(String::from_utf8_lossy(bytes)));
        of_files.or_else(|| self.catalogue.text(file))
    }

    /// What names a service's files. It stands for itself in an answer: nothing is compared by it.
    fn content(&self, manifest: &ManifestFound) -> Digest {
        let beneath =
            |path: &FilePath| manifest.folder.is_empty() || path.as_str().starts_with(&format!("{}/", manifest.folder));
        let files = self.listing.iter().filter(|(path, _)| beneath(path) && !self.catalogue.is_manifest(path));
        content_digest(&files.map(|(path, file)| (path.clone(), file.clone())).collect(), &manifest.adds)
    }

    async fn load(&mut self, paths: &[FilePath]) -> Answer<()> {
        for path in paths {
            let (Some(file), Some(source)) = (self.listing.get(path), &self.source) else { continue };
            if self.texts.contains_key(path) {
                continue;
            }
            if let File::Regular { size, .. } = file
                && *size > FILE_BYTES_MAX
            {
                let detail = format!("{path} has {size} bytes; what a service reads has at most {FILE_BYTES_MAX}");
                return Err(Refusal::of_folder(Why::new(WhyCode::Refused, detail)));
            }
            let bytes = source.bytes(path, file).await.map_err(|failure| unread(path.as_str(), failure))?;
            self.texts.insert(path.clone(), bytes);
        }
        Ok(())
    }
}

fn sent(files: &BTreeMap<String, String>) -> Answer<BTreeMap<FilePath, Vec<u8>>> {
    if files.len() > FILES_MAX {
        return Err(Refusal::bad_body(format!("a body has at most {FILES_MAX} files")));
    }
    let read = |(path, text): (&String, &String)| match FilePath::new(path) {
        Ok(path) => Ok((path, text.clone().into_bytes())),
        Err(error) => Err(Refusal::bad_body(error.to_string())),
    };
    files.iter().map(read).collect()
}

fn whole(folder: &str, snapshot: Snapshot) -> Answer<ContentListing> {
    match snapshot.whole {
        Whole::Whole => Ok(snapshot.files),
        Whole::Torn(how) => {
            let text = format!("{folder} changed while it was read: {how}");
            Err(Refusal::unavailable("source", TITLE, Why::new(WhyCode::NotReadable, text)))
        }
    }
}

fn unread(what: &str, failure: SourceFailure) -> Refusal {
    let text = format!("{what}: {failure}");
    match failure {
        SourceFailure::Missing(_) => Refusal::not_found(text),
        SourceFailure::Refused(_) => Refusal::of_folder(Why::new(WhyCode::Refused, text)),
        SourceFailure::Unreachable(_) => Refusal::unavailable("source", TITLE, Why::new(WhyCode::NotReadable, text)),
    }
}

/// Which services of which folder were asked about, in which world.
pub struct AskedOf<'a> {
    /// The world.
    pub world: &'a Name,
    /// The folder.
    pub folder: &'a str,
    /// The services; all without one.
    pub services: &'a BTreeSet<Name>,
}

/// What a door refused: every mistake of the services that were asked about, since a door stops at the first kind of
/// them, with the lines of the files.
pub async fn all_mistakes(engine: &Engine, of: &AskedOf<'_>, error: DoorError) -> Refusal {
    let mut found = match error {
        DoorError::Mistakes(found) => found,
        DoorError::Source(why) => return Refusal::of_folder(why),
        other => return other.into(),
    };
    let Ok(mut files) = gather(engine, &Files::Folder(of.folder.to_owned())).await else {
        // They are told without lines then.
        return DoorError::Mistakes(found).into();
    };
    let services: Vec<Name> = files.manifests.found.keys().cloned().collect();
    for service in services.iter().filter(|service| of.services.is_empty() || of.services.contains(*service)) {
        if let Ok(compiled) = files.compile(engine, of.world, service).await {
            found.extend(compiled.said);
        }
    }
    found.extend(files.catalogue.mistakes_of(of.world));
    Refusal::mistakes(files.shown(&found.sorted()))
}
