//! Which blobs rows name: all others may be swept.

use super::super::rows::{Opened, Table, open};
use super::LoadError;
use crate::contract::{Row, Store, StoreError};
use crate::model::Digest;
use crate::state::Revision;
use serde::de::IgnoredAny;
use std::collections::BTreeSet;

/// Every digest that stands anywhere in some rows, and in the rows that lie in blobs. More than the blobs that are named
/// is harmless; one less would lose what is still needed, so no table is left out, whatever it holds.
///
/// # Errors
/// [`StoreError`], also for one row that cannot be read: what it named cannot be known, and nothing may be swept.
pub async fn blobs_named(store: &dyn Store, rows: &[Row]) -> Result<BTreeSet<Digest>, StoreError> {
    let mut named = BTreeSet::new();
    for row in rows {
        let unreadable = |how: &dyn std::fmt::Display| StoreError::Corrupt(format!("{}: {how}", row.key));
        let bytes = row.bytes.as_ref().map_err(|unreadable_row| unreadable(&unreadable_row.0))?;
        named.extend(digests_in(bytes));
        if let Opened::InBlob(blob) = open::<IgnoredAny>(bytes).map_err(|how| unreadable(&how))? {
            named.extend(digests_in(&store.blob(blob).await?));
        }
    }
    Ok(named)
}

/// Every content that revisions are made of: their files, and what their manifests read.
///
/// # Errors
/// As [`blobs_named`].
pub async fn contents_named(store: &dyn Store, rows: &[Row]) -> Result<BTreeSet<Digest>, StoreError> {
    let mut named = BTreeSet::new();
    let is_revision = |row: &&Row| row.key.table_and_id().is_some_and(|(table, _)| table == Table::Revision.name());
    for row in rows.iter().filter(is_revision) {
        let revision: Revision = match super::read_row(store, row).await {
            Ok(revision) => revision,
            Err(LoadError::Store(error)) => return Err(error),
            Err(LoadError::Row(key, how)) => return Err(StoreError::Corrupt(format!("{key}: {how}"))),
        };
        named.extend(digests_in(&store.blob(revision.manifest).await?));
        named.extend(revision.content);
    }
    Ok(named)
}

/// Digests are the only texts of 64 hexadecimal letters.
fn digests_in(bytes: &[u8]) -> Vec<Digest> {
    let texts = bytes.split(|byte| *byte == b'"').filter(|part| part.len() == 64);
    texts.filter_map(|part| std::str::from_utf8(part).ok()?.parse().ok()).collect()
}
