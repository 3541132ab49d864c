//! `deleted` is said only after an independent fresh look: a listing of everything that carries our receipt, and a fresh
//! look at every life that is recorded.

use super::super::look::{list, look};
use super::{Activation, Halt};
use crate::contract::{Freshness, Query};
use crate::model::{Identity, Milliseconds, Value};
use crate::state::{Presence, Seen};
use std::collections::BTreeSet;

/// A listing that is not complete, or still shows what is going, is asked for again after that long.
const AGAIN: Milliseconds = Milliseconds(2_000);

impl Activation {
    /// Whether nothing of the stack is left but what holds data and is kept. What a listing finds and no row knows gets a
    /// row, and is taken away by the plan.
    pub(super) async fn is_proved_gone(&mut self) -> Result<bool, Halt> {
        let listing = list(&self.shared, &self.id.world.clone(), Some(&self.id)).await;
        if !listing.complete {
            self.wake_after(AGAIN);
            return Ok(false);
        }
        let owned = &self.record().owned;
        let (known, strange): (Vec<_>, Vec<_>) =
            listing.found.into_iter().partition(|found| owned.contains_key(&found.receipt.identity));
        let strange_lives: Vec<Query> = strange
            .iter()
            .map(|found| Query {
                identity: found.receipt.identity.clone(),
                kind: found.kind.clone(),
                handle: Some(found.handle.clone()),
                health: None,
                fields: Value::Null,
            })
            .collect();
        drop(known);
        if strange_lives.is_empty() {
            return Ok(true);
        }
        // A listing may lag behind: what is proved absent by a look of its own is gone.
        let seen = look(&self.shared, &self.id.world.clone(), strange_lives, Freshness::Fresh).await;
        let is_gone = |seen: &Seen| seen.fresh && seen.presence == Presence::Absent;
        let left: BTreeSet<Identity> =
            seen.into_iter().filter(|(_, seen)| !is_gone(seen)).map(|(identity, _)| identity).collect();
        if left.is_empty() {
            return Ok(true);
        }
        self.memory.found = strange.into_iter().filter(|found| left.contains(&found.receipt.identity)).collect();
        self.wake_after(AGAIN);
        self.take_in_found().await?;
        Ok(false)
    }
}
