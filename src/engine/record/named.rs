//! Which digests rows name: blobs and contents that none of them names may be swept.

use crate::model::Digest;
use std::collections::{BTreeMap, BTreeSet};

/// Every digest that stands anywhere in some rows, and in the blobs that they name, and so on. More than what is needed is
/// harmless; one less would lose what is needed, so nothing is left out, whatever it holds.
#[must_use]
pub fn named<'b>(rows: impl IntoIterator<Item = &'b [u8]>, blobs: &BTreeMap<Digest, &'b [u8]>) -> BTreeSet<Digest> {
    let mut named = BTreeSet::new();
    let mut open: Vec<&[u8]> = rows.into_iter().collect();
    while let Some(bytes) = open.pop() {
        for digest in digests_in(bytes) {
            if named.insert(digest)
                && let Some(blob) = blobs.get(&digest)
            {
                open.push(blob);
            }
        }
    }
    named
}

/// Digests are the only texts of 64 hexadecimal letters.
fn digests_in(bytes: &[u8]) -> Vec<Digest> {
    let text = String::from_utf8_lossy(bytes);
    text.split('"').filter(|part| part.len() == 64).filter_map(|part| part.parse().ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_named_by_what_is_named_is_named() {
        let (manifest, files, other) = (Digest::of("manifest"), Digest::of("files"), Digest::of("other"));
        let blob = format!("{{\"reads\":\"{files}\"}}");
        let unused = format!("{{\"reads\":\"{other}\"}}");
        let blobs = BTreeMap::from([(manifest, blob.as_bytes()), (Digest::of("unused"), unused.as_bytes())]);
        let row = format!("{{\"format\":1,\"row\":{{\"manifest\":\"{manifest}\"}}}}");
        assert_eq!(named([row.as_bytes()], &blobs), BTreeSet::from([manifest, files]));
    }
}
