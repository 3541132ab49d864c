//! What a sweep lets go of, and what it never does, also while others keep and copy.

use super::{Memory, expected, memory_home, names, path, reopen, shown};
use deployd::contract::{ContentFailure, Contents as _};
use std::collections::BTreeSet;
use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime};

const HOUR: Duration = Duration::from_secs(3600);

#[tokio::test]
async fn unnamed_contents_go_with_the_files_that_only_they_had() {
    let home = memory_home();
    let folder = home.path().join("contents");
    let contents = reopen(&folder);
    let one = Memory::new(&[("a", "one"), ("b", "shared")]);
    let other = Memory::new(&[("a", "other"), ("b", "shared")]);
    let gone = contents.keep(&one.snapshot(), &one, "").await.unwrap();
    let named = contents.keep(&other.snapshot(), &other, "").await.unwrap();
    contents.listing(gone).await.unwrap();
    assert_eq!(contents.sweep(&BTreeSet::from([named]), Duration::ZERO).await, Ok(1));
    assert_eq!(contents.listing(gone).await, Err(ContentFailure::Missing(gone)), "not remembered either");
    assert_eq!(contents.bytes(named, &path("b")).await.unwrap(), b"shared");
    assert_eq!(names(&folder.join("files")).len(), 2);
    assert_eq!(contents.sweep(&BTreeSet::from([named]), Duration::ZERO).await, Ok(0));
    contents.keep(&one.snapshot(), &one, "").await.unwrap();
    assert_eq!(contents.bytes(gone, &path("a")).await.unwrap(), b"one");
}

#[tokio::test]
async fn what_was_kept_lately_is_spared() {
    let home = memory_home();
    let folder = home.path().join("contents");
    let contents = reopen(&folder);
    let source = Memory::new(&[("a", "1")]);
    let content = contents.keep(&source.snapshot(), &source, "").await.unwrap();
    let listing = folder.join("listings").join(content.to_string());
    let last_kept = |at: SystemTime| fs::File::open(&listing).unwrap().set_modified(at).unwrap();
    let sweep = async || contents.sweep(&BTreeSet::new(), HOUR).await.unwrap();

    assert_eq!(sweep().await, 0, "its row may not be written yet");
    last_kept(SystemTime::now() - 2 * HOUR);
    contents.keep(&source.snapshot(), &source, "").await.unwrap();
    assert_eq!(sweep().await, 0, "it was kept again");
    last_kept(SystemTime::now() + 2 * HOUR);
    assert_eq!(sweep().await, 0, "the clock was set back");
    last_kept(SystemTime::now() - 2 * HOUR);
    assert_eq!(sweep().await, 1);
    assert_eq!(names(&folder.join("files")), [""; 0]);
}

#[tokio::test]
async fn what_is_not_ours_stays() {
    let home = memory_home();
    let folder = home.path().join("contents");
    let contents = reopen(&folder);
    for name in ["files/README", "listings/README", "files/.nfs000"] {
        fs::write(folder.join(name), "").unwrap();
    }
    assert_eq!(contents.sweep(&BTreeSet::new(), Duration::ZERO).await, Ok(0));
    assert_eq!(names(&folder.join("files")), [".nfs000", "README"]);
}

/// Several keep and copy contents that share files, while another sweeps all that it can. A content may be swept before
/// it is copied; it is never in part there, and nobody is told that it is rotten.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn sweeps_never_take_what_is_in_use() {
    let home = memory_home();
    let contents = reopen(&home.path().join("contents"));
    let is_over = Arc::new(AtomicBool::new(false));
    let sweeper = tokio::spawn({
        let (contents, is_over) = (contents.clone(), Arc::clone(&is_over));
        async move {
            let mut gone = 0;
            while !is_over.load(Ordering::SeqCst) {
                gone += contents.sweep(&BTreeSet::new(), Duration::ZERO).await.unwrap();
            }
            gone
        }
    });
    let keepers = (0..3).map(|keeper| {
        let (contents, copies) = (contents.clone(), home.path().join(keeper.to_string()));
        fs::create_dir(&copies).unwrap();
        tokio::spawn(async move {
            let (mut copied, mut swept) = (0, 0);
            for round in 0..150 {
                let own = format!("{round} of {keeper}");
                let both = format!("{}", round % 5);
                let source = Memory::new(&[("own", &own), ("both", &both), ("all", "all")]);
                let content = contents.keep(&source.snapshot(), &source, "").await.unwrap();
                let into = copies.join(round.to_string());
                match contents.materialise(content, &into).await {
                    Ok(()) => {
                        assert_eq!(shown(&into), expected(&source));
                        copied += 1;
                    }
                    Err(ContentFailure::Missing(missing)) if missing == content => swept += 1,
                    Err(failure) => panic!("{failure}"),
                }
            }
            (copied, swept)
        })
    });
    let mut copied = 0;
    for done in futures::future::join_all(keepers).await {
        copied += done.unwrap().0;
    }
    is_over.store(true, Ordering::SeqCst);
    let gone = sweeper.await.unwrap();
    assert!(copied > 0 && gone > 0, "{copied} copied, {gone} swept");
}
