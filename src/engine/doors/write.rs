//! How doors write: one batch that expects every row that it was decided by, decided again when one of them has moved.
//!
//! No fence: a door is not the one that acts for a stack. What the engine has in memory is loaded again after a nudge.

use super::super::record::{Change, LoadError, Op, RecordError, StackRows, commit, load_stack, read_row};
use super::super::rows::{SourceRow, encode, source_key};
use super::super::shared::Nudge;
use super::once::{Answer, Before, Once};
use super::{DoorError, Engine};
use crate::contract::{Expected, Key, Row, Scope, StoreError};
use crate::model::{Name, StackId, Wall};
use crate::state::{EventBody, Principal, SourceId, Stack, StackState, Why, WhyCode, Wish};
use std::collections::BTreeMap;

/// Tries of a write whose rows move while it is decided: the engine writes many times a second while it acts.
const TRIES_MAX: u32 = 64;

/// Which source's row a write needs.
#[derive(Clone, Copy, Debug)]
pub(super) enum SourceOf<'a> {
    /// None.
    None,
    /// This one's.
    Named(&'a SourceId),
    /// The one that the stack runs.
    Wish,
}

/// What a write is decided by, read at one moment.
pub(super) struct Reading {
    /// The stack's rows.
    pub rows: StackRows,
    /// The source that was asked for.
    pub source: Option<SourceAt>,
    /// Now.
    pub now: Wall,
}

/// A source in a world.
pub(super) struct SourceAt {
    /// Which.
    pub id: SourceId,
    /// That the world runs it, if it does.
    pub row: Option<SourceRow>,
    /// Whether another stack of the world runs what it holds.
    pub others_run: bool,
    key: Key,
    /// Nothing is expected of a row that cannot be read: writing it is how it is mended.
    expected: Option<Expected>,
}

/// What a write needs beyond its stack's rows.
#[derive(Clone, Copy)]
pub(super) struct Needs<'a> {
    /// The key under which it may be asked again.
    pub once: Option<&'a Once>,
    /// Which source.
    pub source: SourceOf<'a>,
}

impl SourceAt {
    /// The world runs it from now on.
    pub(super) fn run(&self, change: &mut Change, row: &SourceRow) {
        change.push(Op::World(self.key.clone(), self.expected, encode(row)));
    }

    /// One stack does not run it any more: the world does not follow it for nothing. Whether its row goes.
    pub(super) fn leave(&self, change: &mut Change) -> bool {
        match &self.row {
            None => false,
            // Written again as it is, so that two stacks that leave at once do not each count on the other.
            Some(row) if self.others_run => {
                self.run(change, row);
                false
            }
            Some(_) => {
                change.push(Op::NoWorld(self.key.clone(), self.expected));
                true
            }
        }
    }
}

impl Engine {
    /// A stack's rows.
    ///
    /// # Errors
    /// When the store does not answer, or the stack is set aside for a row that cannot be read.
    pub(super) async fn load(&self, stack: &StackId) -> Result<StackRows, DoorError> {
        let rows = load_stack(&*self.parts().store, stack).await.map_err(|error| not_loaded(stack, &error))?;
        self.shared.saw_wall(rows.latest_wall());
        Ok(rows)
    }

    /// Writes what is decided by a stack's rows, without a nudge: for what the engine does not act upon.
    ///
    /// # Errors
    /// What `decide` refuses; or why it was not recorded.
    pub(super) async fn write_quietly<T: Send>(
        &self,
        stack: &StackId,
        mut decide: impl FnMut(&StackRows, Wall) -> Result<(Change, T), DoorError> + Send,
    ) -> Result<T, DoorError> {
        for _ in 0..TRIES_MAX {
            let mut rows = self.load(stack).await?;
            let now = self.shared.now().wall;
            let (change, answer) = decide(&rows, now)?;
            match commit(&*self.parts().store, &mut rows, None, change, now).await {
                Ok(()) => return Ok(answer),
                Err(RecordError::Moved) => {}
                Err(error) => return Err(not_recorded(error)),
            }
        }
        Err(moves_too_much(stack))
    }

    /// Writes what is decided by a stack's rows and what else is needed, and nudges the stack. What was answered under the
    /// same Idempotency-Key is answered again, and nothing is written.
    ///
    /// # Errors
    /// What `decide` refuses; or why it was not recorded.
    pub(super) async fn write_with<T: Answer + Send>(
        &self,
        stack: &StackId,
        needs: Needs<'_>,
        mut decide: impl FnMut(&Reading) -> Result<(Change, T), DoorError> + Send,
    ) -> Result<T, DoorError> {
        for _ in 0..TRIES_MAX {
            let over = match needs.once {
                None => Vec::new(),
                Some(once) => match self.before(&stack.world, once).await? {
                    Before::Answered(answer) => return Ok(answer),
                    Before::New(over) => over,
                },
            };
            let rows = self.load(stack).await?;
            let source = self.source_at(stack, &rows, needs.source).await?;
            let mut reading = Reading { rows, source, now: self.shared.now().wall };
            let (mut change, answer) = decide(&reading)?;
            if let Some(once) = needs.once {
                once.put(&mut change, &answer, reading.now, over);
            }
            match commit(&*self.parts().store, &mut reading.rows, None, change, reading.now).await {
                Ok(()) => {
                    self.shared.nudge(stack, Nudge { reload: true, look: false });
                    return Ok(answer);
                }
                Err(RecordError::Moved) => {}
                Err(error) => return Err(not_recorded(error)),
            }
        }
        Err(moves_too_much(stack))
    }

    async fn source_at(
        &self,
        stack: &StackId,
        rows: &StackRows,
        of: SourceOf<'_>,
    ) -> Result<Option<SourceAt>, DoorError> {
        let id = match (of, rows.stack().map(|stack| &stack.wish)) {
            (SourceOf::Named(id), _) => id.clone(),
            (SourceOf::Wish, Some(Wish::Run { source })) => source.clone(),
            _ => return Ok(None),
        };
        let key = source_key(&stack.world, &id);
        let beginning = key.table_and_id().map(|(_, id)| id.to_owned()).unwrap_or_default();
        let scope = Scope::Table { world: stack.world.clone(), table: "source".to_owned(), beginning };
        let (found, _) = self.parts().store.load(&scope).await?;
        let (row, expected) = match found.first() {
            None => (None, Some(Expected::Absent)),
            Some(row) => match read_row::<SourceRow>(&*self.parts().store, row).await {
                Ok(read) => (Some(read), Some(Expected::Version(row.version))),
                Err(LoadError::Store(error)) => return Err(DoorError::Store(error)),
                Err(LoadError::Row(..)) => (None, None),
            },
        };
        let others_run = match (of, &row) {
            (SourceOf::Wish, Some(_)) => {
                let stacks = self.stack_rows(&stack.world).await?;
                let runs = |other: &Stack| matches!(&other.wish, Wish::Run { source } if *source == id);
                stacks.values().any(|other| other.id != *stack && runs(other))
            }
            _ => false,
        };
        Ok(Some(SourceAt { id, row, others_run, key, expected }))
    }

    /// The row of a source that a world runs, if it does.
    pub(super) async fn source_row(&self, world: &Name, source: &SourceId) -> Result<Option<SourceRow>, DoorError> {
        let nobody = StackId::new(world.clone(), Name::fixed("none"));
        let none = StackRows::none(nobody.clone());
        Ok(self.source_at(&nobody, &none, SourceOf::Named(source)).await?.and_then(|at| at.row))
    }

    /// The stacks' own rows in a world, as far as they can be read.
    pub(super) async fn stack_rows(&self, world: &Name) -> Result<BTreeMap<StackId, Stack>, DoorError> {
        let (rows, _) = self.parts().store.load(&Scope::World(world.clone())).await?;
        let is_stack = |row: &&Row| row.key.table_and_id().is_some_and(|(table, _)| table == "stack");
        let mut stacks = BTreeMap::new();
        for row in rows.iter().filter(|row| row.key.stack_id().is_some()).filter(is_stack) {
            match read_row::<Stack>(&*self.parts().store, row).await {
                Ok(stack) => drop(stacks.insert(stack.id.clone(), stack)),
                Err(LoadError::Store(error)) => return Err(DoorError::Store(error)),
                Err(LoadError::Row(..)) => {}
            }
        }
        Ok(stacks)
    }
}

/// Puts a stack's row, and tells of it if people see the difference.
pub(super) fn put_stack(change: &mut Change, before: Option<&Stack>, stack: Stack) {
    let seen = |stack: &Stack| -> (StackState, Vec<_>) { (stack.state, stack.conditions.keys().copied().collect()) };
    if before.map(seen) != Some(seen(&stack)) {
        let (state, conditions) = seen(&stack);
        change.tell(EventBody::Stack { stack: stack.id.clone(), state, conditions });
    }
    change.push(Op::Stack(Box::new(stack)));
}

/// Tells who did what, for whoever asks later.
pub(super) fn audit(change: &mut Change, act: &str, principal: &Principal) {
    change.tell(EventBody::Audit { act: act.to_owned(), address: None, principal: principal.0.clone() });
}

fn moves_too_much(stack: &StackId) -> DoorError {
    let text = format!("{stack} changed again and again while this was decided");
    DoorError::Stopped(Why::new(WhyCode::Other, text).way_out("ask again"))
}

fn not_loaded(stack: &StackId, error: &LoadError) -> DoorError {
    match error {
        LoadError::Store(error) => DoorError::Store(error.clone()),
        LoadError::Row(key, how) => DoorError::Refused(set_aside(stack, key, how)),
    }
}

/// Why a stack is set aside.
pub(super) fn set_aside(stack: &StackId, key: &Key, how: &str) -> Why {
    let text = format!("{stack} is set aside: its row {key} cannot be read: {how}");
    Why::new(WhyCode::NotReadable, text).way_out("restore a backup, or remove the row; the other stacks go on")
}

/// Why it was not written.
pub(super) fn not_recorded(error: RecordError) -> DoorError {
    match error {
        RecordError::Unavailable(error) => DoorError::Store(error),
        RecordError::Broken(why) => DoorError::Store(StoreError::Broken(why)),
        RecordError::Bug(why) => DoorError::Stopped(Why::new(WhyCode::Other, format!("a bug of deployd: {why}"))),
        error @ (RecordError::Moved | RecordError::Fenced) => {
            DoorError::Stopped(Why::new(WhyCode::Other, error.to_string()))
        }
    }
}
