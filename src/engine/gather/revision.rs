//! Manifests to revisions, and revisions to graphs.

use super::super::catalogue::{Catalogue, CompileAsk, Compiled, ManifestFound};
use super::super::shared::Shared;
use super::super::sources::{Held, Trouble, Within, part, trouble};
use super::{Kept, KeptManifest, NoRelease};
use crate::contract::{ContentFailure, Snapshot, Store, StoreError};
use crate::diagnostic::{Diagnostic, SECRET_IN_FILE};
use crate::model::{Digest, Name, StackId, Value, canonical_json};
use crate::resolve::Others;
use crate::state::{Revision, Why, WhyCode};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Keeps what a service is, and names it. `named` are blobs that rows name: these are kept already.
///
/// # Errors
/// [`NoRelease`].
pub async fn revise(
    shared: &Shared,
    held: &Held,
    service: &Name,
    named: &BTreeSet<Digest>,
) -> Result<Revision, NoRelease> {
    let Some(manifest) = held.manifests.found.get(service) else {
        if held.manifests.mistakes.has_errors() {
            return Err(NoRelease::Mistakes(held.manifests.mistakes.clone()));
        }
        let why = Why::new(WhyCode::Missing, format!("no manifest says `service: {service}` any more"))
            .way_out(format!("deployd down {service} takes it away"));
        return Err(Trouble { why, passes: false }.into());
    };
    // What holds a secret is not kept: the store, its backups and whoever reads them would have it too.
    let in_file = |one: &Diagnostic| one.place.as_ref().is_some_and(|place| *place.file == *manifest.path.as_str());
    if held.manifests.mistakes.iter().any(|one| one.code.0 == SECRET_IN_FILE && in_file(one)) {
        let mut found = held.manifests.mistakes.clone();
        found.retain(in_file);
        return Err(NoRelease::Mistakes(found));
    }
    let missing = manifest.missing_files(&held.snapshot.files);
    if !missing.is_empty() {
        let mut found = held.manifests.mistakes.clone();
        missing.into_iter().for_each(|one| found.push(one));
        return Err(NoRelease::Mistakes(found.sorted()));
    }
    let content = keep_content(shared, held, manifest).await?;
    let kept = keep_manifest(shared, held, manifest).await?;
    let blob = keep_blob_unless(&*shared.parts.store, &kept, named).await?;
    Ok(Revision { content: Some(content), manifest: blob, pin: Some(held.snapshot.pin.clone()) })
}

/// Keeps a service's files. Manifests are no part of them: changing a scale rebuilds nothing.
async fn keep_content(shared: &Shared, held: &Held, manifest: &ManifestFound) -> Result<Digest, NoRelease> {
    let (_, catalogue) = shared.catalogue();
    let mut files = part(&held.snapshot, &manifest.folder).map_err(trouble)?;
    files.files.retain(|path, _| !catalogue.is_manifest(path));
    let within = Within { source: Arc::clone(&held.source), folder: manifest.folder.clone() };
    Ok(shared.parts.contents.keep(&files, &within, &manifest.adds).await.map_err(of_content)?)
}

async fn keep_manifest(shared: &Shared, held: &Held, manifest: &ManifestFound) -> Result<Kept, NoRelease> {
    let (_, catalogue) = shared.catalogue();
    let reads = catalogue.reads(manifest, &held.snapshot.files);
    let files = reads.iter().filter_map(|path| held.snapshot.files.get_key_value(path.as_str()));
    let files: BTreeMap<_, _> = files.map(|(path, file)| (path.clone(), file.clone())).collect();
    let kept = match files.is_empty() {
        true => None,
        false => {
            let Snapshot { pin, whole, .. } = &held.snapshot;
            let files = Snapshot { pin: pin.clone(), files, whole: whole.clone(), left_out: BTreeSet::new() };
            Some(shared.parts.contents.keep(&files, &*held.source, "manifest").await.map_err(of_content)?)
        }
    };
    Ok(Kept::Manifest(Box::new(KeptManifest {
        service: manifest.service.clone(),
        path: manifest.path.clone(),
        document: manifest.document,
        text: String::from_utf8_lossy(&manifest.file.bytes).into_owned(),
        folder: manifest.folder.clone(),
        adds: manifest.adds.clone(),
        written: manifest.written,
        reads: kept,
    })))
}

/// Keeps what a resource without a service is.
///
/// # Errors
/// [`StoreError`].
pub async fn resource(store: &dyn Store, slug: &Name, with: &Value) -> Result<Revision, StoreError> {
    let kept = Kept::Resource { slug: slug.clone(), with: with.clone() };
    Ok(Revision { content: None, manifest: keep_blob(store, &kept).await?, pin: None })
}

/// Keeps a value as canonical JSON.
///
/// # Errors
/// [`StoreError`].
pub async fn keep_blob<T: serde::Serialize>(store: &dyn Store, value: &T) -> Result<Digest, StoreError> {
    store.keep(&canonical_json(value)).await
}

/// The same for what rows may name already: if they do, and it can be read, nothing is written.
///
/// # Errors
/// [`StoreError`].
pub async fn keep_blob_unless<T: serde::Serialize>(
    store: &dyn Store,
    value: &T,
    named: &BTreeSet<Digest>,
) -> Result<Digest, StoreError> {
    let bytes = canonical_json(value);
    let digest = Digest::of(&bytes);
    // One that is damaged is mended by being kept.
    if named.contains(&digest) && store.blob(digest).await.is_ok() {
        return Ok(digest);
    }
    store.keep(&bytes).await
}

/// Compiles a revision with the catalogue of now.
///
/// # Errors
/// [`NoRelease`]; mistakes are in what was compiled.
pub async fn compile(shared: &Shared, stack: &StackId, revision: &Revision) -> Result<Compiled, NoRelease> {
    let kept = read_kept(shared, revision).await?;
    let (_, catalogue) = shared.catalogue();
    // Held across a wait, what others offer would be copied whole by whoever changes it meanwhile.
    let compiled = compile_kept(&*catalogue, stack, revision, &kept, &shared.others(&stack.world));
    shared.compiled_with(stack, compiled.slugs.clone(), catalogue.inputs(&stack.world, &compiled.slugs));
    Ok(compiled)
}

/// Compiles a revision with the catalogue of now and what is offered by others, without remembering that it was: for
/// questions.
///
/// # Errors
/// [`NoRelease`]; mistakes are in what was compiled.
pub async fn compile_with(
    shared: &Shared,
    stack: &StackId,
    revision: &Revision,
    others: &Others,
) -> Result<Compiled, NoRelease> {
    let kept = read_kept(shared, revision).await?;
    let (_, catalogue) = shared.catalogue();
    Ok(compile_kept(&*catalogue, stack, revision, &kept, others))
}

/// What a revision was made of, and the files that its graph is made of beyond its manifest.
async fn read_kept(shared: &Shared, revision: &Revision) -> Result<(Kept, BTreeMap<String, Vec<u8>>), NoRelease> {
    let bytes = shared.parts.store.blob(revision.manifest).await?;
    let kept: Kept = serde_json::from_slice(&bytes)
        .map_err(|error| StoreError::Corrupt(format!("the manifest of a revision: {error}")))?;
    let files = match &kept {
        Kept::Resource { .. } => BTreeMap::new(),
        Kept::Manifest(kept) => read_files(shared, kept).await?,
    };
    Ok((kept, files))
}

/// The file in which a revision's manifest stands, if it has one.
pub async fn manifest_of(shared: &Shared, revision: &Revision) -> Option<String> {
    let bytes = shared.parts.store.blob(revision.manifest).await.ok()?;
    match serde_json::from_slice(&bytes).ok()? {
        Kept::Manifest(kept) => Some(kept.path.to_string()),
        Kept::Resource { .. } => None,
    }
}

fn compile_kept(
    catalogue: &dyn Catalogue,
    stack: &StackId,
    revision: &Revision,
    (kept, files): &(Kept, BTreeMap<String, Vec<u8>>),
    others: &Others,
) -> Compiled {
    match kept {
        Kept::Resource { slug, with } => catalogue.compile_resource(stack, slug, with, others),
        Kept::Manifest(kept) => {
            let content = revision.content.unwrap_or_else(|| Digest::of(""));
            let manifest = kept.found();
            catalogue.compile(&stack.world, &CompileAsk { manifest: &manifest, content, files, others })
        }
    }
}

async fn read_files(shared: &Shared, kept: &KeptManifest) -> Result<BTreeMap<String, Vec<u8>>, NoRelease> {
    let Some(content) = kept.reads else { return Ok(BTreeMap::new()) };
    let contents = &shared.parts.contents;
    let mut files = BTreeMap::new();
    for path in contents.listing(content).await.map_err(of_content)?.keys() {
        files.insert(path.to_string(), contents.bytes(content, path).await.map_err(of_content)?);
    }
    Ok(files)
}

/// What a content's failure means for those who wait for it.
fn of_content(failure: ContentFailure) -> Trouble {
    let (code, passes) = match &failure {
        ContentFailure::Torn(_) | ContentFailure::Unreachable(_) => (WhyCode::NotReadable, true),
        ContentFailure::Full(_) => (WhyCode::Other, true),
        ContentFailure::Missing(_) | ContentFailure::Corrupt(_) => (WhyCode::Missing, false),
        ContentFailure::Refused(_) => (WhyCode::Refused, false),
    };
    Trouble { why: Why::new(code, failure.to_string()), passes }
}
