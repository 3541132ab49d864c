//! Blobs as rows: a head that carries a small blob itself, or chunks of 4 KiB with the head in the last of their batches, so
//! that a head proves its chunks.

use super::contents::Contents;
use super::tables::{Fatal, Raw};
use super::value::{self, BlobHead, table};
use crate::contract::{ROW_BYTES_MAX, Serial, StoreError};
use crate::model::Digest;
use std::collections::BTreeSet;
use std::ops::Range;

/// The largest blob that its head carries: with the head's own fields, it is no longer than a row.
const INLINE_BYTES_MAX: usize = ROW_BYTES_MAX - 64;
/// A batch of chunks is closed when it has so many bytes.
const BATCH_BYTES: usize = 400 * 1024;

impl Contents {
    /// Keeps a blob, as of now. Call it with the digest of the bytes.
    pub fn keep(&mut self, digest: Digest, bytes: &[u8]) -> Result<(), Fatal> {
        let kept = self.head.serial;
        // What is there is read back: a damaged blob is mended by whoever keeps it anew.
        let is_whole = self.blob(digest)?.is_ok();
        match self.head_of(digest)? {
            Some(head) if is_whole && head.kept == kept => Ok(()),
            Some(head) if is_whole => {
                self.put_head(digest, &BlobHead { kept, ..head });
                Ok(())
            }
            _ => self.put_blob(digest, bytes, kept),
        }
    }

    /// Writes a blob, its head last.
    pub fn put_blob(&mut self, digest: Digest, bytes: &[u8], kept: Serial) -> Result<(), Fatal> {
        let inline = (bytes.len() <= INLINE_BYTES_MAX).then(|| bytes.to_vec());
        if inline.is_none() {
            for (number, chunk) in (0..).zip(bytes.chunks(ROW_BYTES_MAX)) {
                let key = value::chunk_key(digest, number);
                let sealed = value::seal(&key, &[chunk]);
                self.tables.put(key, sealed);
                if self.tables.pending_bytes() >= BATCH_BYTES {
                    self.tables.apply()?;
                }
            }
        }
        self.put_head(digest, &BlobHead { kept, size: bytes.len() as u64, inline });
        Ok(())
    }

    fn put_head(&mut self, digest: Digest, head: &BlobHead) {
        let key = value::blob_key(digest);
        let sealed = value::blob_head(&key, head);
        self.tables.put(key, sealed);
    }

    /// The bytes of a blob, checked.
    pub fn blob(&self, digest: Digest) -> Result<Result<Vec<u8>, StoreError>, Fatal> {
        let Some(head) = self.tables.get(&value::blob_key(digest))? else {
            return Ok(Err(StoreError::Missing(digest)));
        };
        let read = read_blob(digest, &head, || self.tables.range(chunk_keys(digest), usize::MAX))?;
        let corrupt = |why| StoreError::Corrupt(format!("blob {}: {why}", digest.short()));
        Ok(read.map(|(_, bytes)| bytes).map_err(corrupt))
    }

    fn head_of(&self, digest: Digest) -> Result<Option<BlobHead>, Fatal> {
        let key = value::blob_key(digest);
        let found = self.tables.get(&key)?;
        Ok(found.and_then(|found| value::blob_head_back(&key, &found).ok()))
    }

    /// The digests whose blobs a sweep may take: last kept before a serial, and not named; and chunks without a head,
    /// which a crash left.
    pub fn sweepable(&self, named: &BTreeSet<Digest>, before: Serial) -> Result<Vec<Digest>, Fatal> {
        let mut found = BTreeSet::new();
        let mut standing = None;
        for (key, value) in self.tables.prefix(&[table::BLOB])? {
            let (digest, is_head) = value::blob_key_back(&key).map_err(|damage| Fatal(damage.0))?;
            if is_head {
                standing = Some(digest);
                if self.may_go(&key, &value, before) && !named.contains(&digest) {
                    found.insert(digest);
                }
            } else if standing != Some(digest) {
                found.insert(digest);
            }
        }
        Ok(found.into_iter().collect())
    }

    /// Takes a blob away if it still was last kept before a serial. Says whether there was one.
    pub fn take_away(&mut self, digest: Digest, before: Serial) -> Result<bool, Fatal> {
        let key = value::blob_key(digest);
        let head = self.tables.get(&key)?;
        if head.as_ref().is_some_and(|found| !self.may_go(&key, found, before)) {
            return Ok(false);
        }
        self.tables.remove(key);
        for (key, _) in self.tables.range(chunk_keys(digest), usize::MAX)? {
            self.tables.remove(key);
        }
        Ok(head.is_some())
    }

    /// A head that cannot be read says nothing of when it was kept; nobody can use its blob, so it may go.
    fn may_go(&self, key: &[u8], head: &[u8], before: Serial) -> bool {
        value::blob_head_back(key, head).map_or(true, |head| head.kept < before)
    }
}

fn chunk_keys(digest: Digest) -> Range<Vec<u8>> {
    value::chunk_key(digest, 0)..value::chunk_key(digest, u32::MAX)
}

/// A blob from the value of its head and, where they are needed, the records of its chunks: when it was kept, and its
/// bytes; or why they are not the bytes of that digest.
pub fn read_blob(
    digest: Digest,
    head: &[u8],
    chunks: impl FnOnce() -> Result<Vec<Raw>, Fatal>,
) -> Result<Result<(Serial, Vec<u8>), String>, Fatal> {
    let BlobHead { kept, inline, size } = match value::blob_head_back(&value::blob_key(digest), head) {
        Ok(head) => head,
        Err(damage) => return Ok(Err(damage.0)),
    };
    let bytes = match inline {
        Some(bytes) => bytes,
        None => {
            let mut bytes = Vec::new();
            for (key, found) in chunks()? {
                match value::open(&key, &found) {
                    Ok(chunk) => bytes.extend_from_slice(chunk),
                    Err(damage) => return Ok(Err(damage.0)),
                }
            }
            bytes
        }
    };
    let is_right = bytes.len() as u64 == size && Digest::of(&bytes) == digest;
    Ok(if is_right { Ok((kept, bytes)) } else { Err("it is something else than was kept".to_owned()) })
}
