//! What nothing names any more is taken away: blobs, events that are old, and files of revisions that are let go.
//!
//! It must never take away what may be named in a moment: only what was kept before the sweep before this one, and nothing
//! at all while any row cannot be read.

use super::record::{blobs_named, contents_named};
use super::shared::Shared;
use crate::contract::{Cursor, Scope, Serial, StoreError};
use std::time::Duration;

/// Batches whose events are kept: a follower that was away for a day of work goes on where it was.
const EVENTS_OF: u64 = 20_000;

/// Files are kept at least that long after they were used last: whoever keeps them names them within seconds.
const FILES_FOR: Duration = Duration::from_secs(3600);

/// Takes away what nothing names and what was kept before a serial; the serial before which the next sweep may.
///
/// # Errors
/// [`StoreError`]: what was not taken away is taken away by the next one.
pub async fn sweep(shared: &Shared, before: Option<Serial>) -> Result<Serial, StoreError> {
    let store = &*shared.parts.store;
    let (rows, serial) = store.load(&Scope::Everything).await?;
    let Some(before) = before else { return Ok(serial) };
    let named = blobs_named(store, &rows).await?;
    let contents = contents_named(store, &rows).await?;
    let events = Cursor { serial: before.0.saturating_sub(EVENTS_OF), number: 0 };
    let blobs = store.sweep(&named, before, events).await?;
    // Rows name contents too, as what copies are made of: more than what is named is harmless.
    let kept = named.into_iter().chain(contents).collect();
    match shared.parts.contents.sweep(&kept, FILES_FOR).await {
        Ok(files) => tracing::debug!(blobs, files, "swept"),
        Err(error) => tracing::warn!(%error, "files that nothing names could not be taken away"),
    }
    Ok(serial)
}
