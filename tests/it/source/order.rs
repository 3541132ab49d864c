//! What reaches the disk before what: a power cut keeps only what was synced, so names come after bytes, listings after
//! files, and files go after listings.

use super::{Memory, reopen, reopen_on};
use deployd::contract::{Contents as _, content_digest};
use deployd::source::{Disk, Step};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

type Trace = Vec<(Step, PathBuf)>;

/// A disk that writes down what is done to it.
fn traced() -> (Disk, impl Fn() -> Trace) {
    let trace = Arc::new(Mutex::new(Trace::new()));
    let hears = Arc::clone(&trace);
    let disk = Disk::watched(move |step, path| {
        hears.lock().unwrap().push((step, path.to_owned()));
        Ok(())
    });
    (disk, move || std::mem::take(&mut *trace.lock().unwrap()))
}

/// Where it was done last, or `None`.
fn last(trace: &Trace, step: Step, is_it: impl Fn(&Path) -> bool) -> Option<usize> {
    trace.iter().rposition(|(done, path)| *done == step && is_it(path))
}

fn first(trace: &Trace, step: Step, is_it: impl Fn(&Path) -> bool) -> Option<usize> {
    trace.iter().position(|(done, path)| *done == step && is_it(path))
}

fn few() -> Memory {
    Memory::new(&[("app.py", "1"), ("lib/x", "2"), ("lib/y/z", "3")])
}

/// So many that they are synced together.
fn many() -> Memory {
    let files: Vec<_> = (0..200).map(|number| (format!("lib/{}/{number}", number % 3), number.to_string())).collect();
    Memory::new(&files.iter().map(|(path, text)| (path.as_str(), text.as_str())).collect::<Vec<_>>())
}

#[tokio::test]
async fn bytes_then_names_then_the_listing() {
    for source in [few(), many()] {
        let home = tempfile::tempdir().unwrap();
        let folder = home.path().join("contents");
        let (disk, trace) = traced();
        let contents = reopen_on(&disk, &folder).unwrap();
        trace();
        contents.keep(&source.snapshot(), &source, "").await.unwrap();
        let trace = trace();
        let (files, listings) = (folder.join("files"), folder.join("listings"));
        let renamed: Vec<_> = trace
            .iter()
            .enumerate()
            .filter(|(_, (step, path))| *step == Step::Rename && path.starts_with(&files))
            .collect();
        assert_eq!(renamed.len(), source.files.len());
        for (at, (_, path)) in &renamed {
            let is_it = |other: &Path| other.file_name() == path.file_name();
            let written = last(&trace, Step::Write, is_it).unwrap();
            let synced = last(&trace, Step::Sync, is_it).or_else(|| last(&trace, Step::SyncAll, |_| true)).unwrap();
            assert!(written < synced && synced < *at, "{path:?}");
        }
        let files_synced = last(&trace, Step::SyncFolder, |path| path == files).unwrap();
        assert!(renamed.last().unwrap().0 < files_synced);
        let listed = last(&trace, Step::Rename, |path| path.starts_with(&listings)).unwrap();
        let listing_synced = last(&trace, Step::Sync, |path| path.ends_with("listing")).unwrap();
        assert!(files_synced < listed && listing_synced < listed);
        assert!(listed < last(&trace, Step::SyncFolder, |path| path == listings).unwrap());
    }
}

/// Another life may have ended between a name and its sync: who finds the name makes sure of it before it says so.
#[tokio::test]
async fn what_is_found_is_synced_before_it_is_said_to_be_kept() {
    let home = tempfile::tempdir().unwrap();
    let folder = home.path().join("contents");
    let (disk, trace) = traced();
    let contents = reopen_on(&disk, &folder).unwrap();
    let source = few();
    contents.keep(&source.snapshot(), &source, "").await.unwrap();
    trace();
    contents.keep(&source.snapshot(), &source, "").await.unwrap();
    let found = trace();
    for name in ["files", "listings"] {
        assert!(last(&found, Step::SyncFolder, |path| path.ends_with(name)).is_some(), "{name}: {found:?}");
    }
    // Its files are there, its listing is not.
    contents.keep(&source.snapshot(), &source, "other").await.unwrap();
    let found = trace();
    let listed = last(&found, Step::Rename, |path| path.starts_with(folder.join("listings"))).unwrap();
    assert!(last(&found, Step::SyncFolder, |path| path.ends_with("files")).unwrap() < listed);
}

#[tokio::test]
async fn a_copy_has_its_name_when_all_of_it_is_on_disk() {
    for source in [few(), many()] {
        let home = tempfile::tempdir().unwrap();
        let (disk, trace) = traced();
        let contents = reopen_on(&disk, &home.path().join("contents")).unwrap();
        let content = contents.keep(&source.snapshot(), &source, "").await.unwrap();
        trace();
        let into = home.path().join("copy");
        contents.materialise(content, &into).await.unwrap();
        let trace = trace();
        let named = last(&trace, Step::Rename, |path| path == into).unwrap();
        let made: Vec<_> = trace
            .iter()
            .filter(|(step, _)| matches!(step, Step::Create | Step::Link | Step::MakeFolder))
            .map(|(_, path)| path)
            .collect();
        assert!(made.len() > source.files.len());
        for path in made {
            let (last_change, _) = trace
                .iter()
                .enumerate()
                .rfind(|(_, (step, at))| at == path && !matches!(step, Step::Sync | Step::SyncFolder))
                .unwrap();
            let itself = last(&trace, Step::Sync, |at| at == path).or(last(&trace, Step::SyncFolder, |at| at == path));
            let synced = itself.or_else(|| last(&trace, Step::SyncAll, |_| true)).unwrap();
            assert!(last_change < synced && synced < named, "{path:?}");
        }
        assert!(named < last(&trace, Step::SyncFolder, |path| path == home.path()).unwrap());
    }
}

#[tokio::test]
async fn files_go_when_no_listing_can_come_back() {
    let home = tempfile::tempdir().unwrap();
    let folder = home.path().join("contents");
    let (disk, trace) = traced();
    let source = few();
    reopen(&folder).keep(&source.snapshot(), &source, "").await.unwrap();
    let contents = reopen_on(&disk, &folder).unwrap();
    trace();
    assert_eq!(contents.sweep(&BTreeSet::new(), Duration::ZERO).await, Ok(1));
    let trace = trace();
    let content = content_digest(&source.listing(), "").to_string();
    let unlisted = first(&trace, Step::Remove, |path| path.ends_with(&content)).unwrap();
    let synced = first(&trace, Step::SyncFolder, |path| path.ends_with("listings")).unwrap();
    let gone = first(&trace, Step::Remove, |path| path.starts_with(folder.join("files"))).unwrap();
    assert!(unlisted < synced && synced < gone);
}
