//! A change to a durable batch, and what to do when it was not.

use super::{Change, StackRows};
use crate::contract::{Batch, CommitError, Fence, Row, RowVersion, Scope, Store, StoreError};
use crate::model::Wall;
use std::fmt;

/// Why a change was not recorded, named by what to do.
#[derive(Debug)]
pub enum RecordError {
    /// Rows have moved, or it could not be told whether they have: load again, decide again.
    Moved,
    /// Another acts for this stack now: stop acting for it.
    Fenced,
    /// The store did not do it: nothing is to be done before it does; try again later.
    Unavailable(StoreError),
    /// The store cannot be trusted any more: stop the process.
    Broken(String),
    /// Our bug: stop acting for this stack, and say so.
    Bug(String),
}

/// Keeps the blobs, commits the batch, and does the change to the rows in memory. What is not clear is read back: the
/// rows tell whether it happened, since every batch writes at least one row that no other batch writes alike.
///
/// # Errors
/// [`RecordError`]; the rows in memory are then as they were.
pub async fn commit(
    store: &dyn Store,
    rows: &mut StackRows,
    fence: Option<Fence>,
    change: Change,
    now: Wall,
) -> Result<(), RecordError> {
    if change.is_empty() {
        return Ok(());
    }
    let (batch, blobs) = change.batch(rows, fence, now);
    for blob in &blobs {
        store.keep(blob).await.map_err(from_store)?;
    }
    let version = match store.commit(batch.clone()).await {
        Ok(serial) => RowVersion(serial.0),
        Err(CommitError::Unclear(_)) => read_back(store, rows, &batch).await?,
        Err(CommitError::Moved(_)) => return Err(RecordError::Moved),
        Err(CommitError::Fenced) => return Err(RecordError::Fenced),
        Err(CommitError::Full(why)) => return Err(RecordError::Unavailable(StoreError::Full(why))),
        Err(CommitError::Broken(why)) => return Err(RecordError::Broken(why)),
        Err(CommitError::TooLarge(why) | CommitError::Malformed(why)) => return Err(RecordError::Bug(why)),
    };
    change.apply(rows, &batch, version);
    Ok(())
}

/// Whether a batch whose answer was lost is there: the version of its rows if it is, `Moved` if it is not. What was not
/// written then can still be written later only if nothing else has been (the batch expects what it read), so deciding
/// again is safe.
async fn read_back(store: &dyn Store, rows: &StackRows, batch: &Batch) -> Result<RowVersion, RecordError> {
    let of_stack = batch.put.iter().find(|(key, _)| key.stack_id().is_some());
    let Some((key, bytes)) = of_stack.or(batch.put.first()) else { return Err(RecordError::Moved) };
    let scope = match key.stack_id() {
        Some(stack) => Scope::Stack(stack),
        None => Scope::World(rows.id.world.clone()),
    };
    let (found, _) = store.load(&scope).await.map_err(from_store)?;
    let before = rows.version(key);
    let wrote = |row: &&Row| &row.key == key && row.bytes.as_ref().is_ok_and(|there| there == bytes);
    match found.iter().find(wrote) {
        Some(row) if Some(row.version) != before => Ok(row.version),
        _ => Err(RecordError::Moved),
    }
}

/// What a store's answer to a blob or a load asks for.
pub fn from_store(error: StoreError) -> RecordError {
    match error {
        StoreError::Broken(why) => RecordError::Broken(why),
        StoreError::TooLarge(why) => RecordError::Bug(why),
        other => RecordError::Unavailable(other),
    }
}

impl fmt::Display for RecordError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RecordError::Moved => f.write_str("what it depends on has changed meanwhile"),
            RecordError::Fenced => f.write_str("another engine acts for this stack now"),
            RecordError::Unavailable(_) => f.write_str("it cannot be recorded now"),
            RecordError::Broken(why) => write!(f, "the store cannot be trusted any more: {why}"),
            RecordError::Bug(why) => write!(f, "a batch of ours was refused: {why}"),
        }
    }
}

impl std::error::Error for RecordError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            RecordError::Unavailable(error) => Some(error),
            _ => None,
        }
    }
}
