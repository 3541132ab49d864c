//! One activation of one stack: load, gather what is new, see whose turn it is, look, plan, verify, act, record; again
//! until there is nothing that can be done now. It takes no input but the stack's name: what is to be done follows from
//! what is recorded and seen.
//!
//! It must never act on what is unknown, on a plan that breaks a rule, or before its intent is durable.

mod commit;
mod drive;
mod gone;
mod idle;
mod inputs;
mod memory;
mod news;
mod sight;
mod start;
mod steps;
mod trigger;
mod verdict;
mod weigh;

pub use memory::Memory;

use super::queue::{Turn, turn};
use super::record::{LoadError, RecordError, StackRows, load_rows, load_stack};
use super::shared::{Glance, Nudge, Shared};
use crate::contract::{AcquireError, StoreError};
use crate::graph::Role;
use crate::model::{Identity, Milliseconds, Now, StackId, Steady};
use crate::plan::{Report, not_offered};
use crate::state::{Owned, Phase, StackCondition, Why, WhyCode};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Rounds of one activation before it makes room for others: a plan of many waves takes several.
const ROUNDS_MAX: u32 = 64;

/// An activation whose rounds came to nothing is not begun anew before that.
const AGAIN_IDLY: Milliseconds = Milliseconds(1_000);

/// How every room's rules name the part of a service that is a migration: `guestbook.migrate-users`.
pub const MIGRATION: &str = "migrate";

/// One activation.
pub struct Activation {
    pub(super) shared: Arc<Shared>,
    pub(super) id: StackId,
    pub(super) memory: Memory,
    pub(super) nudge: Nudge,
    pub(super) stopping: Arc<AtomicBool>,
    pub(super) wake: Option<Steady>,
    /// Everything was looked at once in this activation.
    pub(super) looked_this_time: bool,
    /// Something was recorded in this activation.
    pub(super) has_committed: bool,
}

/// How an activation ended.
pub struct Ended {
    /// Which stack.
    pub id: StackId,
    /// What is remembered of it.
    pub memory: Memory,
    /// When it is activated again without a nudge.
    pub wake: Option<Steady>,
    /// It is not done: activate it again when it is its turn.
    pub again: bool,
    /// The store cannot be trusted any more: stop the process.
    pub broken: Option<String>,
}

/// Why an activation cannot go on.
#[derive(Debug)]
pub enum Halt {
    /// What it depends on has moved: begin anew.
    Again,
    /// Something does not answer now: try again after that long.
    Later(Milliseconds, Why),
    /// Another engine acts for this stack.
    Fenced,
    /// The store cannot be trusted any more.
    Broken(String),
    /// Nothing is to be done with this stack until somebody looks: a row that cannot be read, a rule that a plan of ours
    /// breaks.
    SetAside(Why),
}

/// What a round has done.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Round {
    /// Something: look whose turn it is now.
    Moved,
    /// Nothing can be done before something else changes.
    Waits,
}

impl Activation {
    /// Runs it to its end.
    pub async fn run(mut self) -> Ended {
        let mut again = false;
        let mut broken = None;
        let mut aside = None;
        match self.rounds().await {
            Ok(unfinished) => again = unfinished,
            Err(Halt::Again) => {
                self.memory.forget_rows();
                again = true;
            }
            Err(Halt::Later(after, why)) => {
                self.wake_after(after);
                self.memory.report.waiting.push(self.line(why));
            }
            Err(Halt::Fenced) => {
                self.memory = Memory::default();
                aside = Some(Why::new(WhyCode::Other, "another engine acts for this stack now"));
            }
            Err(Halt::Broken(why)) => broken = Some(why),
            Err(Halt::SetAside(why)) => {
                self.memory.forget_rows();
                self.wake_after(self.shared.parts.limits.relist_every);
                aside = Some(why);
            }
        }
        self.glance(aside);
        Ended { id: self.id, memory: self.memory, wake: self.wake, again, broken }
    }

    /// Whether there is more to do at once.
    async fn rounds(&mut self) -> Result<bool, Halt> {
        if self.nudge.reload {
            self.memory.forget_rows();
        }
        for _ in 0..ROUNDS_MAX {
            self.load().await?;
            if !self.exists().await? {
                return Ok(false);
            }
            self.offer_what_is_there().await?;
            if self.is_paused() {
                return Ok(false);
            }
            self.take_in_found().await?;
            self.take_news().await?;
            let round = match turn(self.rows(), self.in_migration()) {
                Turn::Idle => self.hold().await?,
                Turn::Trigger(number) => self.trigger(number).await?,
                Turn::Weigh(number) => self.weigh(number).await?,
                Turn::Start(number) => self.start(number).await?,
                Turn::Drive(number) => self.drive(number).await?,
                Turn::End(number, state) => self.end(number, state).await?,
            };
            if round == Round::Waits || self.is_stopping() {
                return Ok(false);
            }
            if self.shared.is_nudged(&self.id) {
                // The nudge is in the inbox: the loop begins anew.
                return Ok(false);
            }
        }
        if !self.has_committed {
            // It goes round without doing anything: a bug of ours, which is not to take the machine with it.
            self.wake_after(AGAIN_IDLY);
            return Ok(false);
        }
        Ok(true)
    }

    async fn load(&mut self) -> Result<(), Halt> {
        if self.memory.rows.is_some() { Ok(()) } else { self.reload().await }
    }

    /// Loads the rows anew.
    pub(super) async fn reload(&mut self) -> Result<(), Halt> {
        let store = &*self.shared.parts.store;
        let loaded = match self.memory.raw.take() {
            Some(rows) => load_rows(store, &self.id, rows).await,
            None => load_stack(store, &self.id).await,
        };
        let rows = loaded.map_err(|error| match error {
            LoadError::Store(error) => later(&error),
            LoadError::Row(..) => {
                let why = Why::new(WhyCode::NotReadable, error.to_string());
                Halt::SetAside(why.way_out("restore a backup, or remove the row; the other stacks go on"))
            }
        })?;
        self.shared.saw_wall(rows.latest_wall());
        self.memory.rows = Some(rows);
        Ok(())
    }

    /// The fence under which everything is written. It is acquired once, and good until somebody else acquires it.
    pub(super) async fn fence(&mut self) -> Result<crate::contract::Fence, Halt> {
        if let Some(fence) = &self.memory.fence {
            return Ok(fence.clone());
        }
        let fence = self.shared.parts.store.acquire(&self.id).await.map_err(|error| match error {
            AcquireError::Busy { .. } => Halt::Fenced,
            AcquireError::Store(error) => later(&error),
        })?;
        self.memory.fence = Some(fence.clone());
        Ok(fence)
    }

    fn is_paused(&self) -> bool {
        let stack = self.rows().stack();
        stack.is_some_and(|stack| stack.conditions.contains_key(&StackCondition::Paused))
    }

    /// Whether a migration is on its way: nothing takes a deployment's place then.
    fn in_migration(&self) -> bool {
        let Some(record) = &self.rows().record else { return false };
        let kinds = &self.shared.parts.kinds;
        let is_migration = |owned: &&Owned| {
            let is_task = kinds.get(&owned.kind).is_some_and(|rules| rules.role == Role::Task);
            let part = owned.identity.address.part.as_deref();
            is_task && part.is_some_and(|part| part.starts_with(MIGRATION))
        };
        let is_open = |owned: &&Owned| matches!(owned.phase, Phase::Intended(_) | Phase::Standing);
        record.owned.values().filter(is_migration).any(|owned| is_open(&owned))
    }

    pub(super) fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Relaxed)
    }

    pub(super) fn rows(&self) -> &StackRows {
        self.memory.rows.as_ref().expect("rows are loaded before anything is decided")
    }

    pub(super) fn now(&self) -> Now {
        self.shared.now()
    }

    /// Activates it again after that long, or sooner.
    pub(super) fn wake_after(&mut self, after: Milliseconds) {
        self.wake_at(self.now().steady.plus(after));
    }

    /// Activates it again at that moment, or sooner.
    pub(super) fn wake_at(&mut self, at: Steady) {
        self.wake = Some(self.wake.map_or(at, |before| before.min(at)));
    }

    fn line(&self, why: Why) -> crate::plan::Line {
        let at = self.id.address(self.id.stack.clone());
        crate::plan::Line::new(at, crate::plan::LineCode::Other, why)
    }

    /// What is waited for and held, as of now.
    fn reported(&mut self, report: Report) {
        self.memory.reported = self.now().wall;
        self.memory.report = report;
    }

    /// Writes down for doors what was seen.
    pub(super) fn glance(&self, set_aside: Option<Why>) {
        let mut report = self.memory.report.clone();
        report.waiting.extend(not_offered(&self.memory.not_offered));
        self.shared.glanced(
            &self.id,
            Glance {
                looked: self.memory.looked.map(|(wall, _)| wall),
                report,
                reported: self.memory.reported,
                seen: Arc::new(self.memory.seen.clone()),
                settling: self.settling_within(),
                set_aside,
            },
        );
    }

    /// For how long each replica on its way has been so, and how long its health check gives it.
    fn settling_within(&self) -> BTreeMap<Identity, (Milliseconds, Milliseconds)> {
        let rows = self.memory.rows.as_ref();
        let release = rows.and_then(|rows| rows.releases.get(&rows.stack()?.target?));
        let Some(graph) = release.and_then(|row| self.memory.graphs.get(&row.release.graph)) else {
            return BTreeMap::new();
        };
        let within = |(identity, watched): (Identity, Milliseconds)| {
            let health = graph.nodes.get(&identity.address)?.health.as_ref()?;
            Some((identity, (watched, health.within)))
        };
        self.memory.watched.spans().into_iter().filter_map(within).collect()
    }
}

/// A store that does not answer: nothing is done before it does.
pub(super) fn later(error: &StoreError) -> Halt {
    match error {
        StoreError::Broken(why) => Halt::Broken(why.clone()),
        StoreError::Corrupt(_) | StoreError::Missing(_) => {
            Halt::SetAside(Why::new(WhyCode::NotReadable, error.to_string()))
        }
        StoreError::Unreachable(_) | StoreError::Full(_) | StoreError::TooLarge(_) => {
            Halt::Later(Milliseconds(2_000), Why::new(WhyCode::NotReadable, error.to_string()))
        }
    }
}

impl From<RecordError> for Halt {
    fn from(error: RecordError) -> Halt {
        match error {
            RecordError::Moved => Halt::Again,
            RecordError::Fenced => Halt::Fenced,
            RecordError::Unavailable(error) => later(&error),
            RecordError::Broken(why) => Halt::Broken(why),
            RecordError::Bug(why) => Halt::SetAside(Why::new(WhyCode::Other, format!("a bug of deployd: {why}"))),
        }
    }
}
