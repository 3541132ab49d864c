//! Whether a batch may be applied: one answer for every store. Pure.

use crate::contract::{Batch, CommitError, Expected, Fence, Key, RowVersion};

/// Checks a batch's limits, its fence, then its expectations, against what the store holds now. `version` gives a row's
/// version, `epoch` the newest epoch of the fence's stack.
pub fn judge<E: From<CommitError>>(
    batch: &Batch,
    epoch: impl FnOnce(&Fence) -> Result<Option<u64>, E>,
    mut version: impl FnMut(&Key) -> Result<Option<RowVersion>, E>,
) -> Result<(), E> {
    batch.check_limits()?;
    if let Some(fence) = &batch.fence
        && epoch(fence)? != Some(fence.epoch)
    {
        return Err(CommitError::Fenced.into());
    }
    let mut moved = Vec::new();
    for (key, expected) in &batch.expect {
        let holds = match (version(key)?, expected) {
            (None, Expected::Absent) => true,
            (Some(found), Expected::Version(wanted)) => found == *wanted && found != RowVersion::default(),
            _ => false,
        };
        if !holds {
            moved.push(key.clone());
        }
    }
    if moved.is_empty() { Ok(()) } else { Err(CommitError::Moved(moved).into()) }
}
