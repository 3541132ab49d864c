//! Which blobs rows name: all others may be swept.

use super::super::rows::{Opened, open};
use crate::contract::{Row, Store, StoreError};
use crate::model::Digest;
use std::collections::BTreeSet;

/// Every digest that stands anywhere in some rows, and in the rows that lie in blobs. More than the blobs that are named
/// is harmless; one less would lose what is still needed, so no table is left out, whatever it holds.
///
/// # Errors
/// [`StoreError`]: nothing may be swept then.
pub async fn blobs_named(store: &dyn Store, rows: &[Row]) -> Result<BTreeSet<Digest>, StoreError> {
    let mut named = BTreeSet::new();
    for bytes in rows.iter().filter_map(|row| row.bytes.as_ref().ok()) {
        named.extend(digests_in(bytes));
        if let Ok(Opened::InBlob(blob)) = open::<serde_json::Value>(bytes) {
            match store.blob(blob).await {
                Ok(bytes) => named.extend(digests_in(&bytes)),
                // Its row cannot be read, and its stack is set aside for that: what it named cannot be known.
                Err(StoreError::Missing(_) | StoreError::Corrupt(_)) => {}
                Err(error) => return Err(error),
            }
        }
    }
    Ok(named)
}

/// Digests are the only texts of 64 hexadecimal letters.
fn digests_in(bytes: &[u8]) -> Vec<Digest> {
    let text = String::from_utf8_lossy(bytes);
    text.split('"').filter(|part| part.len() == 64).filter_map(|part| part.parse().ok()).collect()
}
