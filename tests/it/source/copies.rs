//! Copies of contents: what they show, and where they are not made.

use super::{Memory, expected, names, path, shown};
use deployd::contract::{ContentFailure, Contents as _};
use deployd::model::Digest;
use deployd::source::FolderContents;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use tempfile::TempDir;

struct Kept {
    home: TempDir,
    contents: FolderContents,
    source: Memory,
    content: Digest,
}

impl Kept {
    async fn new(source: Memory) -> Kept {
        let home = tempfile::tempdir().unwrap();
        let contents = FolderContents::open(&home.path().join("contents")).unwrap();
        let content = contents.keep(&source.snapshot(), &source, "").await.unwrap();
        fs::create_dir(home.path().join("copies")).unwrap();
        Kept { home, contents, source, content }
    }

    fn place(&self, name: &str) -> PathBuf {
        self.home.path().join("copies").join(name)
    }
}

fn source() -> Memory {
    Memory::new(&[("app.py", "print()"), ("a/b/c", "deep"), ("a.b", ""), ("empty", "")])
        .executable("bin/run", "#!/bin/sh")
        .link("a/up", "../bin/run")
        .link("later", "made/by/prepare")
}

#[tokio::test]
async fn a_copy_shows_what_was_kept() {
    let kept = Kept::new(source()).await;
    kept.contents.materialise(kept.content, &kept.place("1")).await.unwrap();
    assert_eq!(shown(&kept.place("1")), expected(&kept.source));
    assert_eq!(fs::metadata(kept.place("1")).unwrap().permissions().mode() & 0o7777, 0o755);
    assert_eq!(names(&kept.home.path().join("copies")), ["1"], "nothing else is left there");
}

#[tokio::test]
async fn a_large_copy_shows_what_was_kept() {
    let large = "0123456789abcdef".repeat(200_000);
    let many: Vec<_> = (0..300).map(|number| (format!("d{}/f{number}", number % 9), number.to_string())).collect();
    let many: Vec<_> = many.iter().map(|(path, text)| (path.as_str(), text.as_str())).collect();
    let kept = Kept::new(Memory::new(&many).executable("large", &large)).await;
    kept.contents.materialise(kept.content, &kept.place("1")).await.unwrap();
    assert_eq!(shown(&kept.place("1")), expected(&kept.source));
}

#[tokio::test]
async fn a_change_of_a_copy_changes_no_content_and_no_other_copy() {
    let kept = Kept::new(source()).await;
    kept.contents.materialise(kept.content, &kept.place("1")).await.unwrap();
    let file = kept.place("1").join("app.py");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
    fs::write(&file, "changed").unwrap();
    fs::write(kept.place("1").join("a/new"), "made there").unwrap();
    assert_eq!(kept.contents.bytes(kept.content, &path("app.py")).await.unwrap(), b"print()");
    kept.contents.materialise(kept.content, &kept.place("2")).await.unwrap();
    assert_eq!(shown(&kept.place("2")), expected(&kept.source));
}

#[tokio::test]
async fn a_taken_place_stays_as_it_is() {
    let kept = Kept::new(source()).await;
    fs::write(kept.place("file"), "mine").unwrap();
    fs::create_dir(kept.place("folder")).unwrap();
    std::os::unix::fs::symlink("nowhere", kept.place("link")).unwrap();
    let before = shown(&kept.home.path().join("copies"));
    for name in ["file", "folder", "link"] {
        let failure = kept.contents.materialise(kept.content, &kept.place(name)).await.unwrap_err();
        assert!(matches!(&failure, ContentFailure::Refused(why) if why.contains("is taken already")), "{failure}");
    }
    assert_eq!(shown(&kept.home.path().join("copies")), before);
}

#[tokio::test]
async fn places_that_cannot_be_are_failures_and_leave_nothing() {
    let kept = Kept::new(source()).await;
    let long = "n".repeat(250);
    let refused = [kept.place(&long), PathBuf::from("/")];
    for place in refused {
        let failure = kept.contents.materialise(kept.content, &place).await.unwrap_err();
        assert!(matches!(failure, ContentFailure::Refused(_)), "{}: {failure}", place.display());
    }
    let failure = kept.contents.materialise(kept.content, &kept.place("nowhere/1")).await.unwrap_err();
    assert!(matches!(failure, ContentFailure::Unreachable(_)), "{failure}");
    assert_eq!(names(&kept.home.path().join("copies")), [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_who_make_one_place_one_does() {
    let kept = Kept::new(source()).await;
    let place = kept.place("1");
    let tries = (0..8).map(|_| {
        let (contents, content, place) = (kept.contents.clone(), kept.content, place.clone());
        tokio::spawn(async move { contents.materialise(content, &place).await })
    });
    let done = futures::future::join_all(tries).await.into_iter().map(Result::unwrap);
    let refused = |done: &Result<(), ContentFailure>| matches!(done, Err(ContentFailure::Refused(_)));
    let (good, bad): (Vec<_>, Vec<_>) = done.partition(Result::is_ok);
    assert!(good.len() == 1 && bad.iter().all(refused), "{good:?} {bad:?}");
    assert_eq!(shown(&place), expected(&kept.source));
    assert_eq!(names(&kept.home.path().join("copies")), ["1"]);
}
