//! How doors write: one batch that expects every row that it was decided by, decided again when one of them has moved.
//!
//! No fence: a door is not the one that acts for a stack. What the engine has in memory is loaded again after a nudge.

use super::super::record::{Change, LoadError, Op, RecordError, StackRows, commit, load_stack, read_row};
use super::super::rows::{OnceRow, SourceRow, encode, once_key, source_key};
use super::super::shared::Nudge;
use super::{Accepted, DoorError, Engine};
use crate::contract::{Expected, Key, Row, Scope, StoreError};
use crate::model::{Digest, Milliseconds, Name, StackId, Wall};
use crate::state::{EventBody, Principal, SourceId, Stack, StackState, Why, WhyCode, Wish};
use serde::Serialize;
use std::collections::BTreeMap;

/// Tries of a write whose rows move while it is decided: the engine writes many times a second while it acts.
const TRIES_MAX: u32 = 64;

/// How long an answer to an Idempotency-Key is kept: longer than any sender repeats itself.
const ONCE_KEPT: Milliseconds = Milliseconds::seconds(30 * 24 * 3600);

/// Answers that are over and go with a new one.
const ONCE_SWEPT: usize = 4;

/// A question that may be repeated: by whom, under which key, and what was asked.
#[derive(Clone, Debug)]
pub(super) struct Once {
    key: Key,
    asked: Digest,
}

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

enum Before {
    Answered(Vec<Accepted>),
    New(Vec<(Key, Expected)>),
}

/// What came of a write.
pub(super) enum Written<T> {
    /// It was written now.
    Now(T),
    /// It was written before, under the same Idempotency-Key.
    Before(Vec<Accepted>),
}

/// What a write needs beyond its stack's rows.
#[derive(Clone, Copy)]
pub(super) struct Needs<'a, T> {
    /// Whether it may be asked again, and how its answer is kept then.
    pub once: Option<(&'a Once, fn(&T) -> Vec<Accepted>)>,
    /// Which source.
    pub source: SourceOf<'a>,
}

impl Once {
    /// Of an Idempotency-Key, if there is one: another principal's same key is another key.
    pub(super) fn of<T: Serialize>(world: &Name, by: &Principal, key: Option<&str>, asked: &T) -> Option<Once> {
        let key = once_key(world, &format!("{by}\0{}", key?));
        Some(Once { key, asked: Digest::of_json("asked", asked) })
    }

    /// The part of it that is about one of several stacks.
    pub(super) fn about(&self, stack: &StackId) -> Once {
        let key = once_key(&stack.world, &format!("{}\0{stack}", self.key));
        Once { key, asked: self.asked }
    }

    fn put(&self, change: &mut Change, answer: Vec<Accepted>, now: Wall, over: Vec<(Key, Expected)>) {
        let row = OnceRow { asked: self.asked, answer, at: now };
        change.push(Op::World(self.key.clone(), Some(Expected::Absent), encode(&row)));
        over.into_iter().for_each(|(key, expected)| change.push(Op::NoWorld(key, Some(expected))));
    }
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

    /// Writes what is decided by a stack's rows, and nudges it.
    ///
    /// # Errors
    /// What `decide` refuses; or why it was not recorded.
    pub(super) async fn write<T: Send>(
        &self,
        stack: &StackId,
        mut decide: impl FnMut(&StackRows, Wall) -> Result<(Change, T), DoorError> + Send,
    ) -> Result<T, DoorError> {
        let answer = self.write_quietly(stack, &mut decide).await?;
        self.shared.nudge(stack, Nudge { reload: true, look: false });
        Ok(answer)
    }

    /// The same without the nudge: for what the engine does not act upon.
    ///
    /// # Errors
    /// As [`Engine::write`].
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

    /// Writes what is decided by a stack's rows and what else is needed, and nudges the stack.
    ///
    /// # Errors
    /// What `decide` refuses; or why it was not recorded.
    pub(super) async fn write_with<T: Send>(
        &self,
        stack: &StackId,
        needs: Needs<'_, T>,
        mut decide: impl FnMut(&Reading) -> Result<(Change, T), DoorError> + Send,
    ) -> Result<Written<T>, DoorError> {
        for _ in 0..TRIES_MAX {
            let over = match needs.once {
                None => Vec::new(),
                Some((once, _)) => match self.before(&stack.world, once).await? {
                    Before::Answered(answer) => return Ok(Written::Before(answer)),
                    Before::New(over) => over,
                },
            };
            let rows = self.load(stack).await?;
            let source = self.source_at(stack, &rows, needs.source).await?;
            let mut reading = Reading { rows, source, now: self.shared.now().wall };
            let (mut change, answer) = decide(&reading)?;
            if let Some((once, accepted)) = needs.once {
                once.put(&mut change, accepted(&answer), reading.now, over);
            }
            match commit(&*self.parts().store, &mut reading.rows, None, change, reading.now).await {
                Ok(()) => {
                    self.shared.nudge(stack, Nudge { reload: true, look: false });
                    return Ok(Written::Now(answer));
                }
                Err(RecordError::Moved) => {}
                Err(error) => return Err(not_recorded(error)),
            }
        }
        Err(moves_too_much(stack))
    }

    /// What was answered to a question, if it was asked before.
    ///
    /// # Errors
    /// When the same key was used for another question.
    pub(super) async fn answered(&self, world: &Name, once: Option<&Once>) -> Result<Option<Vec<Accepted>>, DoorError> {
        let Some(once) = once else { return Ok(None) };
        match self.before(world, once).await? {
            Before::Answered(answer) => Ok(Some(answer)),
            Before::New(_) => Ok(None),
        }
    }

    async fn before(&self, world: &Name, once: &Once) -> Result<Before, DoorError> {
        let id = once.key.table_and_id().map(|(_, id)| id).unwrap_or_default();
        // Some of the other answers come along: those that are over go with the new one, a few at a time.
        let beginning = id.get(..2).unwrap_or_default().to_owned();
        let scope = Scope::Table { world: world.clone(), table: "once".to_owned(), beginning };
        let (rows, _) = self.parts().store.load(&scope).await?;
        let now = self.shared.now().wall;
        let mut over = Vec::new();
        for row in rows {
            let is_it = row.key == once.key;
            match read_row::<OnceRow>(&*self.parts().store, &row).await {
                Ok(found) if is_it && found.asked == once.asked => return Ok(Before::Answered(found.answer)),
                Ok(_) if is_it => {
                    let why = Why::new(WhyCode::Refused, "this Idempotency-Key was used for another request");
                    return Err(DoorError::KeyUsed(why.way_out("take a new key for a new request")));
                }
                Ok(found) if now.since(found.at) > ONCE_KEPT && over.len() < ONCE_SWEPT => {
                    over.push((row.key, Expected::Version(row.version)));
                }
                Ok(_) => {}
                Err(LoadError::Store(error)) => return Err(DoorError::Store(error)),
                Err(LoadError::Row(key, how)) if is_it => {
                    let text = format!("what was answered under this Idempotency-Key cannot be read ({key}: {how})");
                    return Err(DoorError::Refused(Why::new(WhyCode::NotReadable, text).way_out("take a new key")));
                }
                Err(LoadError::Row(..)) => {}
            }
        }
        Ok(Before::New(over))
    }

    /// Keeps the answer that several writes have together.
    pub(super) async fn keep_answer(
        &self,
        stack: &StackId,
        once: Option<&Once>,
        answer: &[Accepted],
    ) -> Result<(), DoorError> {
        let Some(once) = once else { return Ok(()) };
        let needs = Needs { once: Some((once, |answer: &Vec<Accepted>| answer.clone())), source: SourceOf::None };
        self.write_with(stack, needs, |_| Ok((Change::new(), answer.to_vec()))).await?;
        Ok(())
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

fn not_recorded(error: RecordError) -> DoorError {
    match error {
        RecordError::Unavailable(error) => DoorError::Store(error),
        RecordError::Broken(why) => DoorError::Store(StoreError::Broken(why)),
        RecordError::Bug(why) => DoorError::Stopped(Why::new(WhyCode::Other, format!("a bug of deployd: {why}"))),
        error @ (RecordError::Moved | RecordError::Fenced) => {
            DoorError::Stopped(Why::new(WhyCode::Other, error.to_string()))
        }
    }
}
