//! Bytes that are no longer what was kept: nothing of them is used, the file is named, and the next `keep` mends them.

use super::{Memory, expected, names, path, reopen, shown};
use deployd::contract::{ContentFailure, Contents as _};
use deployd::model::Digest;
use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::time::Duration;

fn large() -> String {
    "0123456789abcdef".repeat(100_000)
}

fn source() -> Memory {
    Memory::new(&[("app.py", "print()"), ("lib/x", "x")]).executable("large", &large())
}

fn overwrite(file: &Path, bytes: &[u8]) {
    fs::set_permissions(file, fs::Permissions::from_mode(0o600)).unwrap();
    fs::write(file, bytes).unwrap();
}

/// What may become of a file.
fn rotten(bytes: &[u8]) -> [Option<Vec<u8>>; 4] {
    let mut flipped = bytes.to_vec();
    flipped[bytes.len() / 2] ^= 1;
    [Some(flipped), Some(bytes[1..].to_vec()), Some([bytes, b"!"].concat()), None]
}

#[tokio::test]
async fn a_rotten_file_is_named_never_used_and_mended() {
    for at in ["app.py", "large"] {
        let source = source();
        let bytes = &source.files[&path(at)].0;
        for rot in rotten(bytes) {
            let home = tempfile::tempdir().unwrap();
            let folder = home.path().join("contents");
            let contents = reopen(&folder);
            let content = contents.keep(&source.snapshot(), &source, "").await.unwrap();
            let file = folder.join("files").join(Digest::of(bytes).to_string());
            match &rot {
                Some(rot) => overwrite(&file, rot),
                None => fs::remove_file(&file).unwrap(),
            }
            let copy = home.path().join("copy");
            // Whichever looks first finds it, and then the other.
            let made = contents.materialise(content, &copy).await.unwrap_err();
            assert!(matches!(&made, ContentFailure::Corrupt(why) if why.starts_with(at)), "{made}");
            let read = contents.bytes(content, &path(at)).await.unwrap_err();
            assert!(matches!(&read, ContentFailure::Corrupt(why) if why.starts_with(at)), "{read}");
            assert_eq!(names(home.path()), ["contents"], "no copy, and no half of one");
            assert_eq!(contents.bytes(content, &path("lib/x")).await.unwrap(), b"x");

            source.taken();
            assert_eq!(contents.keep(&source.snapshot(), &source, "").await.unwrap(), content);
            assert_eq!(source.taken(), [at]);
            contents.materialise(content, &copy).await.unwrap();
            assert_eq!(shown(&copy), expected(&source));
        }
    }
}

#[tokio::test]
async fn bytes_are_checked_when_they_are_read_alone() {
    let source = source();
    let home = tempfile::tempdir().unwrap();
    let folder = home.path().join("contents");
    let contents = reopen(&folder);
    let content = contents.keep(&source.snapshot(), &source, "").await.unwrap();
    overwrite(&folder.join("files").join(Digest::of("print()").to_string()), b"evil()");
    let read = contents.bytes(content, &path("app.py")).await;
    assert!(matches!(&read, Err(ContentFailure::Corrupt(why)) if why.starts_with("app.py")), "{read:?}");
    contents.sweep(&BTreeSet::from([content]), Duration::ZERO).await.unwrap();
    assert_eq!(names(&folder.join("damaged")), [""; 0], "what was set aside goes with a sweep");
}

#[tokio::test]
async fn a_changed_listing_is_never_used_and_mended() {
    let source = source();
    let home = tempfile::tempdir().unwrap();
    let folder = home.path().join("contents");
    let content = reopen(&folder).keep(&source.snapshot(), &source, "").await.unwrap();
    let listing = folder.join("listings").join(content.to_string());
    let good = fs::read_to_string(&listing).unwrap();
    for bad in [good.replace("app.py", "evil.py"), good[..good.len() - 9].to_owned(), String::new()] {
        overwrite(&listing, bad.as_bytes());
        let contents = reopen(&folder);
        assert!(matches!(contents.listing(content).await, Err(ContentFailure::Corrupt(_))));
        assert!(matches!(contents.bytes(content, &path("app.py")).await, Err(ContentFailure::Corrupt(_))));
        let copy = home.path().join("copy");
        assert!(matches!(contents.materialise(content, &copy).await, Err(ContentFailure::Corrupt(_))));
        assert!(!copy.exists());
        // Nobody knows which files it names: all of them stay.
        let swept = contents.sweep(&BTreeSet::from([content]), Duration::ZERO).await;
        assert!(matches!(swept, Err(ContentFailure::Corrupt(_))), "{swept:?}");
        assert_eq!(names(&folder.join("files")).len(), 3);
        contents.keep(&source.snapshot(), &source, "").await.unwrap();
        assert_eq!(contents.listing(content).await.unwrap(), source.listing());
    }
}

/// Whoever can write into the folder could put a link there: it is not followed.
#[tokio::test]
async fn a_link_in_the_place_of_a_file_is_not_followed() {
    let source = source();
    let home = tempfile::tempdir().unwrap();
    let folder = home.path().join("contents");
    let contents = reopen(&folder);
    let content = contents.keep(&source.snapshot(), &source, "").await.unwrap();
    let file = folder.join("files").join(Digest::of("print()").to_string());
    let aside = home.path().join("aside");
    fs::rename(&file, &aside).unwrap();
    std::os::unix::fs::symlink(&aside, &file).unwrap();
    assert!(contents.bytes(content, &path("app.py")).await.is_err());
    contents.keep(&source.snapshot(), &source, "").await.unwrap();
    assert_eq!(contents.bytes(content, &path("app.py")).await.unwrap(), b"print()");
}
