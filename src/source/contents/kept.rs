//! How a listing is written, and which listings can be made into a folder.

use crate::contract::{ContentFailure, ContentListing, content_digest};
use crate::model::Digest;
use serde::{Deserialize, Serialize};

/// The longest name of one file or folder, in bytes, on the file systems that we know.
const NAME_BYTES_MAX: usize = 255;
/// The format that we write.
const FORMAT: u8 = 1;

#[derive(Serialize)]
struct Written<'a> {
    format: u8,
    adds: &'a str,
    files: &'a ContentListing,
}

#[derive(Deserialize)]
struct Read {
    format: u8,
    adds: String,
    files: ContentListing,
}

/// A listing's file.
pub(super) fn written(files: &ContentListing, adds: &str) -> Vec<u8> {
    serde_json::to_vec(&Written { format: FORMAT, adds, files }).expect("a listing can be serialised")
}

/// Reads a listing's file, and holds it against the content that it should be.
pub(super) fn read(content: Digest, bytes: &[u8]) -> Result<ContentListing, ContentFailure> {
    let corrupt = |why: &str| ContentFailure::Corrupt(format!("the listing of content {}: {why}", content.short()));
    let read: Read = serde_json::from_slice(bytes).map_err(|_| corrupt("it cannot be read"))?;
    if read.format != FORMAT {
        return Err(corrupt("a newer deployd wrote it"));
    }
    if content_digest(&read.files, &read.adds) != content {
        return Err(corrupt("it was changed"));
    }
    Ok(read.files)
}

/// Checks that a listing can be made into a folder: no file or link where a folder must be, no name that is too long.
/// Were a link in the place of a folder, what lies beneath would be written where it leads.
pub(super) fn check_can_be_made(files: &ContentListing) -> Result<(), ContentFailure> {
    for path in files.keys() {
        let text = path.as_str();
        if text.split('/').any(|part| part.len() > NAME_BYTES_MAX) {
            return Err(ContentFailure::Refused(format!("{path}: a name has at most {NAME_BYTES_MAX} bytes")));
        }
        let mut folders = text.match_indices('/').map(|(at, _)| &text[..at]);
        if let Some(folder) = folders.find(|folder| files.contains_key(*folder)) {
            return Err(ContentFailure::Refused(format!("{folder} is a file, and {path} needs it to be a folder")));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contract::{File, FilePath};

    fn listing(paths: &[&str]) -> ContentListing {
        let file = File::Regular { digest: Digest::of("x"), size: 1, executable: false };
        paths.iter().map(|path| (FilePath::new(path).unwrap(), file.clone())).collect()
    }

    #[test]
    fn listings_read_back_and_no_other_passes_for_one() {
        let files = listing(&["a", "b/c"]);
        let content = content_digest(&files, "prepare: make");
        let bytes = written(&files, "prepare: make");
        assert_eq!(read(content, &bytes).unwrap(), files);
        let others = [
            written(&files, "prepare: evil"),
            written(&listing(&["a"]), "prepare: make"),
            bytes[..bytes.len() / 2].to_vec(),
            Vec::new(),
            String::from_utf8(bytes.clone()).unwrap().replace("\"format\":1", "\"format\":2").into_bytes(),
            String::from_utf8(bytes).unwrap().replace("b/c", "../c").into_bytes(),
        ];
        for other in others {
            assert!(matches!(read(content, &other), Err(ContentFailure::Corrupt(_))), "{other:?}");
        }
    }

    #[test]
    fn what_cannot_be_made_is_refused() {
        check_can_be_made(&listing(&["a", "a-b", "a.b", "b/a", "b/c/d"])).unwrap();
        for bad in [&["a", "a/b"][..], &["x/y", "x/y/z/w"], &[&"n".repeat(256)]] {
            assert!(matches!(check_can_be_made(&listing(bad)), Err(ContentFailure::Refused(_))), "{bad:?}");
        }
    }
}
