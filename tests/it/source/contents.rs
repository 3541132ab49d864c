//! What is kept, and what is refused: `keep`, `listing`, `bytes`, and the folder itself.

use super::{Memory, Tree, names, path, reopen, reopen_on};
use async_trait::async_trait;
use deployd::contract::{
    At, ContentFailure, Contents as _, File, FilePath, Snapshot, Source, SourceFailure, Whole, content_digest,
};
use deployd::source::{ContentsProblem, Disk, FolderContents};
use futures::stream::BoxStream;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::time::Duration;

#[tokio::test]
async fn a_content_is_kept_and_read_back() {
    let home = tempfile::tempdir().unwrap();
    let contents = FolderContents::open(&home.path().join("contents")).unwrap();
    let source = Memory::new(&[("app.py", "print()"), ("lib/x", "x")]).executable("run", "#!").link("go", "lib/../run");
    let content = contents.keep(&source.snapshot(), &source, "prepare: make").await.unwrap();
    assert_eq!(content, content_digest(&source.listing(), "prepare: make"));
    assert_eq!(contents.listing(content).await.unwrap(), source.listing());
    assert_eq!(contents.bytes(content, &path("lib/x")).await.unwrap(), b"x");
    assert_eq!(contents.bytes(content, &path("go")).await.unwrap(), b"#!", "links are followed");
    for other in ["lib", "nothing", "lib/x/y"] {
        let failure = contents.bytes(content, &path(other)).await.unwrap_err();
        assert!(matches!(&failure, ContentFailure::Refused(why) if why.starts_with(other)), "{failure}");
    }
}

#[tokio::test]
async fn what_is_kept_outlives_the_process_and_the_source() {
    let home = tempfile::tempdir().unwrap();
    let folder = home.path().join("state/contents");
    let tree = Tree::new(&[("app.py", "one"), ("lib/x", "x")]);
    let source = tree.source();
    let snapshot = source.read(&At::Now).await.unwrap();
    let content = reopen(&folder).keep(&snapshot, &source, "").await.unwrap();
    tree.write("app.py", "two");
    fs::remove_dir_all(tree.root()).unwrap();
    assert_eq!(reopen(&folder).bytes(content, &path("app.py")).await.unwrap(), b"one");
}

#[tokio::test]
async fn the_same_bytes_are_read_and_kept_once() {
    let home = tempfile::tempdir().unwrap();
    let folder = home.path().join("contents");
    let contents = FolderContents::open(&folder).unwrap();
    let source = Memory::new(&[("a", "same"), ("b/c", "same"), ("d", "other")]).executable("e", "same");
    let content = contents.keep(&source.snapshot(), &source, "").await.unwrap();
    assert_eq!(source.taken().len(), 2);
    assert_eq!(names(&folder.join("files")).len(), 2);

    assert_eq!(contents.keep(&source.snapshot(), &source, "").await.unwrap(), content);
    let added = contents.keep(&source.snapshot(), &source, "test: make").await.unwrap();
    assert_ne!(added, content, "what the caller adds is part of what names it");
    assert!(source.taken().is_empty(), "what is there is not read again");

    let next = Memory::new(&[("a", "same"), ("d", "changed")]);
    contents.keep(&next.snapshot(), &next, "").await.unwrap();
    assert_eq!(next.taken(), ["d"]);
    assert_eq!(names(&folder.join("drafts")), [""; 0]);
}

#[tokio::test]
async fn many_files_and_large_ones_are_kept() {
    let home = tempfile::tempdir().unwrap();
    let contents = FolderContents::open(&home.path().join("contents")).unwrap();
    let many: Vec<_> = (0..700).map(|number| (format!("d{}/f{number}", number % 9), number.to_string())).collect();
    let many: Vec<_> = many.iter().map(|(path, text)| (path.as_str(), text.as_str())).collect();
    let large = "0123456789abcdef".repeat(600_000);
    let source = Memory::new(&many).executable("large", &large).executable("larger", &format!("{large}!"));
    let content = contents.keep(&source.snapshot(), &source, "").await.unwrap();
    assert_eq!(source.taken().len(), 702);
    assert_eq!(contents.bytes(content, &path("d3/f3")).await.unwrap(), b"3");
    assert_eq!(contents.bytes(content, &path("larger")).await.unwrap().len(), large.len() + 1);
}

/// A service whose folder holds its manifest alone has no files of its own: it is made and run as any other.
#[tokio::test]
async fn a_content_without_files_is_one_too() {
    let home = tempfile::tempdir().unwrap();
    let contents = FolderContents::open(&home.path().join("contents")).unwrap();
    let empty = Memory::default();
    let content = contents.keep(&empty.snapshot(), &empty, "run").await.unwrap();
    assert_ne!(content, contents.keep(&empty.snapshot(), &empty, "another").await.unwrap());
    assert!(contents.listing(content).await.unwrap().is_empty());
    let copy = home.path().join("copy");
    contents.materialise(content, &copy).await.unwrap();
    assert_eq!(names(&copy), [""; 0]);
    drop(contents);
    let again = reopen(&home.path().join("contents"));
    assert!(again.listing(content).await.unwrap().is_empty());
}

#[tokio::test]
async fn what_is_not_whole_is_not_kept() {
    let home = tempfile::tempdir().unwrap();
    let folder = home.path().join("contents");
    let contents = FolderContents::open(&folder).unwrap();
    let source = Memory::new(&[("a", "1")]);
    let torn = Snapshot { whole: Whole::Torn("a changed".to_owned()), ..source.snapshot() };
    assert_eq!(contents.keep(&torn, &source, "").await, Err(ContentFailure::Torn("a changed".to_owned())));
    for link in ["/etc/passwd", "../x", "out"] {
        let source = Memory::new(&[("a", "1")]).link("out", link);
        let failure = contents.keep(&source.snapshot(), &source, "").await.unwrap_err();
        assert!(matches!(&failure, ContentFailure::Refused(why) if why.contains("out is a link")), "{failure}");
    }
    // What lies beneath a link would be written where it leads.
    let source = Memory::new(&[("b/x", "1"), ("c/y", "2")]).link("b", "c");
    let failure = contents.keep(&source.snapshot(), &source, "").await.unwrap_err();
    assert!(matches!(&failure, ContentFailure::Refused(why) if why.contains("b is a file")), "{failure}");
    assert_eq!(names(&folder.join("listings")), [""; 0]);
    assert_eq!(names(&folder.join("files")), [""; 0]);
}

#[tokio::test]
async fn a_source_that_changed_since_its_snapshot_is_torn() {
    let home = tempfile::tempdir().unwrap();
    let folder = home.path().join("contents");
    let contents = FolderContents::open(&folder).unwrap();
    for (before, after) in [("one", "two"), ("one", "longer"), ("one", "")] {
        // A source that does not keep its promise to check.
        let snapshot = Memory::new(&[("a", "1"), ("app.py", before)]).snapshot();
        let now = Memory::new(&[("a", "1"), ("app.py", after)]);
        let failure = contents.keep(&snapshot, &now, "").await.unwrap_err();
        assert!(matches!(&failure, ContentFailure::Torn(why) if why.contains("app.py")), "{failure}");
    }
    let snapshot = Memory::new(&[("a", "1"), ("app.py", "one")]).snapshot();
    let gone = Memory::new(&[("a", "1")]);
    assert!(matches!(contents.keep(&snapshot, &gone, "").await, Err(ContentFailure::Torn(_))));

    let tree = Tree::new(&[("app.py", "one")]);
    let source = tree.source();
    let snapshot = source.read(&At::Now).await.unwrap();
    tree.write("app.py", "two");
    assert!(matches!(contents.keep(&snapshot, &source, "").await, Err(ContentFailure::Torn(_))));
    assert_eq!(names(&folder.join("listings")), [""; 0], "nothing is kept");
    assert_eq!(names(&folder.join("drafts")), [""; 0], "nothing is left");
}

/// A source that is dropped in the middle of a `keep`.
struct Endless(Memory);

#[async_trait]
impl Source for Endless {
    async fn read(&self, at: &At) -> Result<Snapshot, SourceFailure> {
        self.0.read(at).await
    }

    async fn bytes(&self, _: &FilePath, _: &File) -> Result<Vec<u8>, SourceFailure> {
        std::future::pending().await
    }

    fn hints(&self) -> BoxStream<'static, ()> {
        self.0.hints()
    }
}

#[tokio::test]
async fn a_keep_that_is_dropped_leaves_nothing() {
    let home = tempfile::tempdir().unwrap();
    let folder = home.path().join("contents");
    let contents = FolderContents::open(&folder).unwrap();
    let source = Endless(Memory::new(&[("a", "1")]));
    let snapshot = source.0.snapshot();
    let kept = tokio::time::timeout(Duration::from_millis(20), contents.keep(&snapshot, &source, "")).await;
    assert!(kept.is_err(), "it cannot end");
    assert_eq!(names(&folder.join("listings")), [""; 0]);
    assert_eq!(names(&folder.join("drafts")), [""; 0]);
    contents.keep(&snapshot, &source.0, "").await.unwrap();
}

#[tokio::test]
async fn what_was_never_kept_is_missing() {
    let home = tempfile::tempdir().unwrap();
    let contents = FolderContents::open(&home.path().join("contents")).unwrap();
    let content = content_digest(&Memory::new(&[("a", "1")]).listing(), "");
    let missing = ContentFailure::Missing(content);
    assert_eq!(contents.listing(content).await, Err(missing.clone()));
    assert_eq!(contents.bytes(content, &path("a")).await, Err(missing.clone()));
    assert_eq!(contents.materialise(content, &home.path().join("copy")).await, Err(missing));
}

#[test]
fn the_folder_is_ours_alone() {
    let home = tempfile::tempdir().unwrap();
    let folder = home.path().join("deep/contents");
    drop(FolderContents::open(&folder).unwrap());
    for name in ["", "files", "listings", "drafts", "damaged"] {
        assert_eq!(fs::metadata(folder.join(name)).unwrap().permissions().mode() & 0o777, 0o700, "{name}");
    }
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o770)).unwrap();
    let problem = reopen_on(&Disk::default(), &folder).err().unwrap().to_string();
    assert!(problem.contains("chmod go-w"), "{problem}");
}

#[test]
fn one_process_at_a_time() {
    let home = tempfile::tempdir().unwrap();
    let folder = home.path().join("contents");
    let contents = FolderContents::open(&folder).unwrap();
    assert!(matches!(FolderContents::open(&folder), Err(ContentsProblem::InUse(_))));
    drop(contents);
    reopen(&folder);
}

#[test]
fn a_folder_of_something_else_or_newer_is_not_touched() {
    let home = tempfile::tempdir().unwrap();
    fs::write(home.path().join("thesis.tex"), "").unwrap();
    fs::set_permissions(home.path(), fs::Permissions::from_mode(0o700)).unwrap();
    let problem = FolderContents::open(home.path()).err().unwrap().to_string();
    assert!(problem.contains("thesis.tex"), "{problem}");

    let folder = home.path().join("contents");
    drop(FolderContents::open(&folder).unwrap());
    fs::write(folder.join("format"), "deployd contents 2\n").unwrap();
    let problem = reopen_on(&Disk::default(), &folder).err().unwrap().to_string();
    assert!(problem.contains("\"deployd contents 2\""), "{problem}");
}
