//! The process ends, or a call fails, before each single change of the disk in turn: what was kept stays, what was being
//! kept or copied is whole or not there, and everything can be done again.

use super::{Memory, expected, memory_home, names, reopen, reopen_on, shown};
use deployd::contract::{ContentFailure, Contents as _, content_digest};
use deployd::model::Digest;
use deployd::source::{Disk, FolderContents, Step};
use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tempfile::TempDir;

/// What happens at a chosen change.
#[derive(Clone, Copy, PartialEq, Debug)]
enum Harm {
    /// The process ends: nothing is changed from there on.
    Death,
    /// This one call fails, as on a disk that is full.
    Full,
    /// This one call fails, as on a disk that breaks.
    Broken,
}

/// Whether the harm was done.
#[derive(Clone)]
struct Reached(Arc<AtomicUsize>, usize);

impl Reached {
    fn is(&self) -> bool {
        self.0.load(Ordering::SeqCst) > self.1
    }
}

fn harmed(harm: Harm, at: usize) -> (Disk, Reached) {
    let reached = Reached(Arc::default(), at);
    let count = Arc::clone(&reached.0);
    let disk = Disk::watched(move |_: Step, _: &Path| {
        let now = count.fetch_add(1, Ordering::SeqCst);
        match harm {
            Harm::Death if now >= at => Err(io::Error::other("the process has ended")),
            Harm::Full if now == at => Err(io::Error::from(io::ErrorKind::StorageFull)),
            Harm::Broken if now == at => Err(io::Error::other("the disk is broken")),
            _ => Ok(()),
        }
    });
    (disk, reached)
}

/// A home with one kept content, and another that is still to be kept. They share a file.
struct World {
    home: TempDir,
    old: Memory,
    new: Memory,
}

impl World {
    async fn new() -> World {
        let home = memory_home();
        let old = Memory::new(&[("app.py", "old"), ("lib/shared", "shared"), ("only-old", "x")]);
        let new = Memory::new(&[("app.py", "new"), ("lib/shared", "shared"), ("lib/y/z", "z")]).link("run", "app.py");
        let world = World { home, old, new };
        world.keep(&reopen(&world.folder()), &world.old).await.unwrap();
        std::fs::create_dir(world.copies()).unwrap();
        world
    }

    fn folder(&self) -> PathBuf {
        self.home.path().join("contents")
    }

    fn copies(&self) -> PathBuf {
        self.home.path().join("copies")
    }

    async fn keep(&self, contents: &FolderContents, source: &Memory) -> Result<Digest, ContentFailure> {
        contents.keep(&source.snapshot(), source, "").await
    }

    /// A copy of a content shows what was kept, all of it.
    async fn is_whole(&self, contents: &FolderContents, source: &Memory, place: &str) {
        let into = self.copies().join(place);
        contents.materialise(content_digest(&source.listing(), ""), &into).await.unwrap();
        assert_eq!(shown(&into), expected(source));
        std::fs::remove_dir_all(into).unwrap();
    }

    /// The content is whole or not there; whether it is there.
    async fn is_whole_or_missing(&self, contents: &FolderContents, source: &Memory) -> bool {
        let content = content_digest(&source.listing(), "");
        match contents.listing(content).await {
            Ok(_) => self.is_whole(contents, source, "check").await,
            Err(failure) => {
                assert_eq!(failure, ContentFailure::Missing(content));
                return false;
            }
        }
        true
    }

    /// After whatever happened: the old content is whole, the new one can be kept and copied, nothing is left over.
    async fn all_is_well(&self) {
        let contents = reopen(&self.folder());
        assert_eq!(names(&self.folder().join("drafts")), [""; 0]);
        self.is_whole(&contents, &self.old, "old").await;
        self.keep(&contents, &self.new).await.unwrap();
        self.is_whole(&contents, &self.new, "new").await;
        contents.sweep(&BTreeSet::new(), Duration::ZERO).await.unwrap();
        assert_eq!(names(&self.folder().join("files")), [""; 0]);
        assert_eq!(names(&self.copies()), [""; 0]);
    }
}

/// Runs a life under harm at each of its changes in turn, until it lives through. How many changes it made.
async fn at_every_change(harm: Harm, life: impl AsyncFn(&World, Disk, &Reached)) {
    let mut at = 0;
    loop {
        let world = World::new().await;
        let (disk, reached) = harmed(harm, at);
        life(&world, disk, &reached).await;
        world.all_is_well().await;
        if !reached.is() {
            break;
        }
        at += 1;
    }
    assert!(at > 5, "{at} changes");
}

const HARMS: [Harm; 3] = [Harm::Death, Harm::Full, Harm::Broken];

#[tokio::test]
async fn keep_is_whole_or_not_at_all() {
    for harm in HARMS {
        at_every_change(harm, async |world, disk, reached| {
            let Ok(contents) = reopen_on(&disk, &world.folder()) else { return };
            let kept = world.keep(&contents, &world.new).await;
            match (&kept, harm) {
                (Err(failure), Harm::Full) => assert!(matches!(failure, ContentFailure::Full(_)), "{failure}"),
                (Err(failure), _) => assert!(matches!(failure, ContentFailure::Unreachable(_)), "{failure}"),
                (Ok(_), _) => {}
            }
            assert!(kept.is_ok() || reached.is(), "{kept:?}");
            drop(contents);
            let contents = reopen(&world.folder());
            let is_there = world.is_whole_or_missing(&contents, &world.new).await;
            assert!(is_there || kept.is_err(), "it was said to be kept");
        })
        .await;
    }
}

#[tokio::test]
async fn a_copy_is_whole_or_not_at_all() {
    for harm in HARMS {
        at_every_change(harm, async |world, disk, reached| {
            world.keep(&reopen(&world.folder()), &world.new).await.unwrap();
            let Ok(contents) = reopen_on(&disk, &world.folder()) else { return };
            let into = world.copies().join("1");
            let content = content_digest(&world.new.listing(), "");
            let made = contents.materialise(content, &into).await;
            assert!(made.is_ok() || reached.is(), "{made:?}");
            // Only a process that has ended cannot take back a copy that may not be durable.
            assert!(made.is_ok() == into.exists() || harm == Harm::Death, "{made:?}");
            if into.exists() {
                assert_eq!(shown(&into), expected(&world.new));
                std::fs::remove_dir_all(&into).unwrap();
            }
            drop(contents);
            reopen(&world.folder()).materialise(content, &into).await.unwrap();
            assert_eq!(shown(&into), expected(&world.new));
            std::fs::remove_dir_all(&into).unwrap();
        })
        .await;
    }
}

#[tokio::test]
async fn a_sweep_leaves_contents_whole_or_not_at_all() {
    for harm in HARMS {
        at_every_change(harm, async |world, disk, reached| {
            world.keep(&reopen(&world.folder()), &world.new).await.unwrap();
            let Ok(contents) = reopen_on(&disk, &world.folder()) else { return };
            let named = BTreeSet::from([content_digest(&world.old.listing(), "")]);
            let swept = contents.sweep(&named, Duration::ZERO).await;
            assert!(swept == Ok(1) || reached.is(), "{swept:?}");
            drop(contents);
            let contents = reopen(&world.folder());
            let is_there = world.is_whole_or_missing(&contents, &world.new).await;
            assert!(!is_there || swept.is_err(), "it was said to be gone");
            world.is_whole(&contents, &world.old, "old").await;
        })
        .await;
    }
}

#[tokio::test]
async fn a_first_opening_that_is_cut_can_be_done_again() {
    for harm in HARMS {
        let mut at = 0;
        loop {
            let home = memory_home();
            let folder = home.path().join("state/contents");
            let (disk, reached) = harmed(harm, at);
            let opened = reopen_on(&disk, &folder);
            assert!(opened.is_ok() || reached.is());
            drop(opened);
            let source = Memory::new(&[("a", "1")]);
            reopen(&folder).keep(&source.snapshot(), &source, "").await.unwrap();
            if !reached.is() {
                break;
            }
            at += 1;
        }
        assert!(at > 5, "{at} changes");
    }
}
