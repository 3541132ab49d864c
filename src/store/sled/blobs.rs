//! Blobs as rows: a head that carries a small blob itself, or chunks of 4 KiB in batches of their own with the head last,
//! so that a head proves its chunks.

use super::contents::Contents;
use super::tables::Fatal;
use super::value::{self, BlobHead, table};
use crate::contract::{ROW_BYTES_MAX, Serial, StoreError};
use crate::model::Digest;
use std::collections::BTreeSet;

/// The largest blob that its head carries: with the head's own fields, it is no longer than a row.
const INLINE_BYTES_MAX: usize = ROW_BYTES_MAX - 64;
/// A batch of chunks is closed when it has so many bytes.
const BATCH_BYTES: usize = 400 * 1024;

impl Contents {
    /// Keeps a blob. Call it with the digest of the bytes.
    pub fn keep(&mut self, digest: Digest, bytes: &[u8]) -> Result<(), Fatal> {
        let kept = self.head.serial;
        let inline = (bytes.len() <= INLINE_BYTES_MAX).then(|| bytes.to_vec());
        let head = BlobHead { kept, size: bytes.len() as u64, inline };
        let found = self.head_of(digest)?;
        if found.as_ref().is_some_and(|found| *found == head) && self.blob(digest)?.is_ok() {
            return Ok(());
        }
        let has_chunks = found.is_some_and(|found| found.inline.is_none()) && self.blob(digest)?.is_ok();
        if head.inline.is_none() && !has_chunks {
            for (number, chunk) in (0..).zip(bytes.chunks(ROW_BYTES_MAX)) {
                let key = value::chunk_key(digest, number);
                let sealed = value::seal(&key, &[chunk]);
                self.tables.put(key, sealed);
                if self.tables.pending_bytes() >= BATCH_BYTES {
                    self.tables.apply()?;
                }
            }
            self.tables.apply()?;
        }
        let key = value::blob_key(digest);
        let sealed = value::blob_head(&key, &head);
        self.tables.put(key, sealed);
        Ok(())
    }

    /// The bytes of a blob, checked.
    pub fn blob(&self, digest: Digest) -> Result<Result<Vec<u8>, StoreError>, Fatal> {
        let corrupt = |why: String| Ok(Err(StoreError::Corrupt(format!("blob {}: {why}", digest.short()))));
        let key = value::blob_key(digest);
        let Some(found) = self.tables.get(&key)? else { return Ok(Err(StoreError::Missing(digest))) };
        let head = match value::blob_head_back(&key, &found) {
            Ok(head) => head,
            Err(damage) => return corrupt(damage.0),
        };
        let bytes = match head.inline {
            Some(bytes) => bytes,
            None => {
                let mut bytes = Vec::new();
                for (key, found) in
                    self.tables.range(value::chunk_key(digest, 0)..value::chunk_key(digest, u32::MAX), usize::MAX)?
                {
                    match value::open(&key, &found) {
                        Ok(chunk) => bytes.extend_from_slice(chunk),
                        Err(damage) => return corrupt(damage.0),
                    }
                }
                bytes
            }
        };
        if Digest::of(&bytes) == digest { Ok(Ok(bytes)) } else { corrupt("it is something else".to_owned()) }
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
        // The head first: chunks without a head are nobody's.
        self.tables.remove(key);
        self.tables.apply()?;
        for (key, _) in
            self.tables.range(value::chunk_key(digest, 0)..value::chunk_key(digest, u32::MAX), usize::MAX)?
        {
            self.tables.remove(key);
        }
        self.tables.apply()?;
        Ok(head.is_some())
    }

    /// A head that cannot be read says nothing of when it was kept; nobody can use its blob, so it may go.
    fn may_go(&self, key: &[u8], head: &[u8], before: Serial) -> bool {
        value::blob_head_back(key, head).map_or(true, |head| head.kept < before)
    }
}
