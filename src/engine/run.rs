//! The loop: nudges coalesce, one activation per stack at a time, many stacks beside each other, in the order of their
//! nudges. Everything happens inside one future: nothing is spawned, so a crash is dropping it.
//!
//! A stack's panic stays with that stack; a store that is broken ends the loop.

use super::activate::{Activation, Ended, Memory};
use super::alarms::Alarms;
use super::look::list;
use super::shared::{Glance, Nudge, Shared};
use super::sources::{self, SourceRead, concerned};
use super::sweep::sweep;
use crate::contract::{Found, Hint, Scope, Serial, StoreError};
use crate::model::{Milliseconds, Name, StackId, Steady};
use crate::state::{SourceId, Why, WhyCode};
use futures::FutureExt as _;
use futures::future::BoxFuture;
use futures::stream::{BoxStream, FuturesUnordered, SelectAll, StreamExt as _, select_all};
use std::collections::{BTreeMap, BTreeSet};
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// A source that could not be read for something that passes is read again after that long.
const SOURCE_AGAIN: Milliseconds = Milliseconds(300);

/// One that is not there, or is refused, is looked for again after that long: nothing tells when it is back.
const SOURCE_LATER: Milliseconds = Milliseconds(60_000);

/// A store that does not answer at the start is asked again after that long.
const STORE_AGAIN: Milliseconds = Milliseconds(2_000);

/// A stack whose activation panicked is left alone that long.
const AFTER_PANIC: Milliseconds = Milliseconds(60_000);

/// What a hint points at.
enum Pointer {
    Stack(StackId),
    World(Name),
    Source(SourceId),
}

/// What one of the loop's futures has come to.
enum Work {
    Stack(Box<Ended>),
    Panicked(StackId, String),
    Source(SourceId, Option<Arc<SourceRead>>, Arc<SourceRead>),
    World(Name, Vec<Found>),
    Swept(Result<Serial, StoreError>),
}

/// When something is looked at again.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Alarm {
    Stack(StackId),
    Source(SourceId),
    Relist,
    Sweep,
}

/// The loop.
pub(super) struct Loop {
    shared: Arc<Shared>,
    stopping: Arc<AtomicBool>,
    memories: BTreeMap<StackId, Memory>,
    active: BTreeSet<StackId>,
    reading: BTreeSet<SourceId>,
    /// Sources that were asked for while they were being read: what changed since is seen by another read.
    read_again: BTreeSet<SourceId>,
    listing: BTreeSet<Name>,
    alarms: Alarms<Alarm>,
    work: FuturesUnordered<BoxFuture<'static, Work>>,
    hints: SelectAll<BoxStream<'static, Pointer>>,
    hinted_worlds: BTreeSet<Name>,
    hinted_sources: BTreeSet<SourceId>,
    /// What was kept before that serial and is not named now is not about to be.
    swept: Option<Serial>,
    broken: Option<String>,
}

impl Loop {
    pub(super) fn new(shared: Arc<Shared>) -> Loop {
        Loop {
            shared,
            stopping: Arc::default(),
            memories: BTreeMap::new(),
            active: BTreeSet::new(),
            reading: BTreeSet::new(),
            read_again: BTreeSet::new(),
            listing: BTreeSet::new(),
            alarms: Alarms::new(),
            work: FuturesUnordered::new(),
            hints: select_all([futures::stream::pending().boxed()]),
            hinted_worlds: BTreeSet::new(),
            hinted_sources: BTreeSet::new(),
            swept: None,
            broken: None,
        }
    }

    /// Runs until `until`, then until what is on its way is recorded.
    pub(super) async fn run(mut self, until: impl Future<Output = ()> + Send) -> Result<(), StoreError> {
        let mut until = Box::pin(until.fuse());
        while let Err(error) = self.begin().await {
            if !matches!(error, StoreError::Unreachable(_)) {
                return Err(error);
            }
            tracing::warn!(%error, "the store cannot be read: it is asked again");
            let clock = Arc::clone(&self.shared.parts.clock);
            let again = clock.now().steady.plus(STORE_AGAIN);
            tokio::select! {
                biased;
                () = &mut until => return Ok(()),
                () = clock.until(again) => {}
            }
        }
        while self.broken.is_none() {
            let is_stopping = self.stopping.load(Ordering::Relaxed);
            if is_stopping && self.work.is_empty() {
                return Ok(());
            }
            if !is_stopping {
                self.take_inbox();
            }
            let clock = Arc::clone(&self.shared.parts.clock);
            let next = self.alarms.next();
            let alarm = async move {
                match next {
                    Some(at) => clock.until(at).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                biased;
                Some(work) = self.work.next(), if !self.work.is_empty() => self.finish(work),
                () = &mut until, if !is_stopping => self.stopping.store(true, Ordering::Relaxed),
                () = self.shared.bell.notified(), if !is_stopping => {}
                Some(pointer) = self.hints.next(), if !is_stopping => self.point(pointer),
                () = alarm, if !is_stopping => self.ring(),
            }
        }
        Err(StoreError::Broken(self.broken.unwrap_or_default()))
    }

    /// After a start nothing is known: every stack is looked at, every source is read, everything is listed.
    async fn begin(&mut self) -> Result<(), StoreError> {
        let (rows, _) = self.shared.parts.store.load(&Scope::Everything).await?;
        let mut by_stack: BTreeMap<StackId, Vec<crate::contract::Row>> = BTreeMap::new();
        for row in rows {
            match row.key.stack_id() {
                Some(stack) => by_stack.entry(stack).or_default().push(row),
                None => self.take_world_row(&row).await?,
            }
        }
        for (stack, rows) in by_stack {
            self.memories.insert(stack.clone(), Memory { raw: Some(rows), ..Memory::default() });
            self.shared.nudge(&stack, Nudge { reload: false, look: true });
        }
        for world in self.shared.catalogue().1.worlds().into_keys() {
            self.shared.ask_world(&world);
        }
        for source in self.shared.sources_running() {
            self.shared.ask_source(&source);
        }
        let now = self.shared.parts.clock.now().steady;
        let (relist, sweep) = (self.shared.parts.limits.relist_every, self.shared.parts.limits.sweep_every);
        self.wake(now.plus(relist), Alarm::Relist);
        self.wake(now.plus(sweep), Alarm::Sweep);
        Ok(())
    }

    /// Sources that a world runs. One whose row cannot be read is not followed; its stacks go on with what they have.
    async fn take_world_row(&mut self, row: &crate::contract::Row) -> Result<(), StoreError> {
        let Some(("source", _)) = row.key.table_and_id() else { return Ok(()) };
        let world = row.key.as_str().strip_prefix("w/").and_then(|rest| rest.split('/').next());
        let Some(world) = world.and_then(|world| Name::new(world).ok()) else { return Ok(()) };
        match super::record::read_row(&*self.shared.parts.store, row).await {
            Ok(source) => self.shared.runs(&world, source),
            Err(super::record::LoadError::Row(key, how)) => {
                tracing::error!(row = %key, how, "a source's row cannot be read: it is not followed");
            }
            Err(super::record::LoadError::Store(error)) => return Err(error),
        }
        Ok(())
    }

    /// Begins what was asked for, as far as there is room.
    fn take_inbox(&mut self) {
        let (sources, worlds) = {
            let mut inbox = self.shared.inbox();
            (std::mem::take(&mut inbox.sources), std::mem::take(&mut inbox.worlds))
        };
        sources.into_iter().for_each(|source| self.read_source(source));
        worlds.into_iter().for_each(|world| self.list_world(world));
        while self.active.len() < self.shared.parts.limits.activations_max {
            let next = {
                let active = &self.active;
                self.shared.inbox().next(|stack| !active.contains(stack))
            };
            let Some((stack, nudge)) = next else { break };
            self.activate(stack, nudge);
        }
    }

    fn activate(&mut self, stack: StackId, nudge: Nudge) {
        let memory = self.memories.remove(&stack).unwrap_or_default();
        self.alarms.clear(&Alarm::Stack(stack.clone()));
        self.active.insert(stack.clone());
        let activation = Activation {
            shared: Arc::clone(&self.shared),
            id: stack.clone(),
            memory,
            nudge,
            stopping: Arc::clone(&self.stopping),
            wake: None,
            looked_this_time: false,
            has_committed: false,
        };
        let guarded = AssertUnwindSafe(activation.run()).catch_unwind();
        let work = guarded.map(move |ended| match ended {
            Ok(ended) => Work::Stack(Box::new(ended)),
            Err(panic) => Work::Panicked(stack, panic_text(&*panic)),
        });
        self.work.push(work.boxed());
    }

    fn read_source(&mut self, source: SourceId) {
        if !self.reading.insert(source.clone()) {
            self.read_again.insert(source);
            return;
        }
        let shared = Arc::clone(&self.shared);
        let before = shared.source(&source);
        self.work.push(
            async move {
                let read = sources::read(&shared, &source, before.as_deref()).await;
                Work::Source(source, before, Arc::new(read))
            }
            .boxed(),
        );
    }

    /// Hints of a world's providers, its own resources, and what carries our receipt without a row.
    fn list_world(&mut self, world: Name) {
        if self.hinted_worlds.insert(world.clone()) {
            for provider in self.shared.parts.rooms.providers(&world).into_values().flatten() {
                let world = world.clone();
                let point = move |hint: Hint| match hint.stack {
                    Some(stack) => Pointer::Stack(stack),
                    None => Pointer::World(world.clone()),
                };
                self.hints.push(provider.hints().map(point).boxed());
            }
        }
        let facts = self.shared.catalogue().1.worlds().get(&world).cloned();
        for resource in facts.iter().flat_map(|facts| facts.resources.keys()) {
            self.shared.nudge(&StackId::new(world.clone(), resource.clone()), Nudge::default());
        }
        if !self.listing.insert(world.clone()) {
            return;
        }
        let shared = Arc::clone(&self.shared);
        self.work.push(
            async move {
                let listing = list(&shared, &world, None).await;
                Work::World(world, listing.found)
            }
            .boxed(),
        );
    }

    fn finish(&mut self, work: Work) {
        match work {
            Work::Stack(ended) => self.ended(*ended),
            Work::Panicked(stack, what) => {
                tracing::error!(%stack, what, "an activation panicked: the stack is set aside");
                self.active.remove(&stack);
                let why = Why::new(WhyCode::Other, format!("a bug of deployd: {what}"));
                self.shared.glanced(&stack, Glance { set_aside: Some(why), ..Glance::default() });
                self.wake(self.shared.parts.clock.now().steady.plus(AFTER_PANIC), Alarm::Stack(stack));
            }
            Work::Source(source, before, read) => self.was_read(source, before, read),
            Work::World(world, found) => {
                self.listing.remove(&world);
                self.take_found(&world, found);
            }
            Work::Swept(Ok(serial)) => self.swept = Some(serial),
            Work::Swept(Err(error)) => tracing::warn!(%error, "what nothing names could not be taken away"),
        }
    }

    fn ended(&mut self, ended: Ended) {
        self.active.remove(&ended.id);
        if let Some(why) = ended.broken {
            self.broken = Some(why);
            return;
        }
        if ended.again {
            self.shared.nudge(&ended.id, Nudge::default());
        }
        if let Some(at) = ended.wake {
            self.wake(at, Alarm::Stack(ended.id.clone()));
        }
        self.memories.insert(ended.id, ended.memory);
    }

    /// What a source holds now concerns the services that it has otherwise than before.
    fn was_read(&mut self, source: SourceId, before: Option<Arc<SourceRead>>, read: Arc<SourceRead>) {
        self.reading.remove(&source);
        self.alarms.clear(&Alarm::Source(source.clone()));
        if self.read_again.remove(&source) {
            self.shared.ask_source(&source);
        }
        if let Err(trouble) = &read.held
            && (trouble.passes || !self.shared.runs_of(&source).is_empty())
        {
            let after = if trouble.passes { SOURCE_AGAIN } else { SOURCE_LATER };
            let at = self.shared.parts.clock.now().steady.plus(after);
            self.wake(at, Alarm::Source(source.clone()));
        }
        if let Ok(held) = &read.held
            && self.hinted_sources.insert(source.clone())
        {
            let named = source.clone();
            self.hints.push(held.source.hints().map(move |()| Pointer::Source(named.clone())).boxed());
        }
        let services = concerned(before.as_deref(), &read);
        self.shared.source_read(&source, Arc::clone(&read));
        for (world, row) in self.shared.runs_of(&source) {
            let wanted = services.iter().filter(|name| row.services.is_empty() || row.services.contains(*name));
            wanted.for_each(|name| self.shared.nudge(&StackId::new(world.clone(), name.clone()), Nudge::default()));
        }
        // Who asked for it waits for it, whether or not it holds something else.
        self.shared.source_awaited(&source);
    }

    /// Hands what carries our receipt, and what no row is known of, to the stacks that it says it is of.
    fn take_found(&mut self, world: &Name, found: Vec<Found>) {
        let mut by_stack: BTreeMap<StackId, Vec<Found>> = BTreeMap::new();
        for one in found {
            let identity = &one.receipt.identity;
            let stack = identity.address.stack_id();
            let is_known = self.memories.get(&stack).is_some_and(|memory| memory.owns(identity));
            if !is_known {
                by_stack.entry(stack).or_default().push(one);
            }
        }
        // What was there, and is in no list any more, is not told any more.
        for (stack, _) in self.shared.all_unrecorded(Some(world)) {
            if !by_stack.contains_key(&stack) {
                self.shared.unrecorded(&stack, BTreeSet::new());
            }
        }
        for (stack, found) in by_stack {
            self.shared.found(&stack, found);
        }
    }

    fn point(&mut self, pointer: Pointer) {
        match pointer {
            Pointer::Stack(stack) => self.shared.nudge(&stack, Nudge { reload: false, look: true }),
            Pointer::World(world) => self.look_at_world(&world),
            Pointer::Source(source) => self.shared.ask_source(&source),
        }
    }

    fn look_at_world(&self, world: &Name) {
        let of_world = |stack: &&StackId| stack.world == *world;
        let known: Vec<&StackId> = self.memories.keys().chain(&self.active).filter(of_world).collect();
        known.into_iter().for_each(|stack| self.shared.nudge(stack, Nudge { reload: false, look: true }));
    }

    /// The alarms whose moment has come.
    fn ring(&mut self) {
        let now = self.shared.parts.clock.now().steady;
        while let Some(alarm) = self.alarms.pop(now) {
            match alarm {
                Alarm::Stack(stack) => self.shared.nudge(&stack, Nudge::default()),
                Alarm::Source(source) => self.shared.ask_source(&source),
                Alarm::Relist => self.relist(now),
                Alarm::Sweep => self.sweep(now),
            }
        }
    }

    /// What was missed is found: everything is looked at, read and listed again.
    fn relist(&mut self, now: Steady) {
        self.wake(now.plus(self.shared.parts.limits.relist_every), Alarm::Relist);
        let worlds = self.shared.catalogue().1.worlds();
        worlds.keys().for_each(|world| self.look_at_world(world));
        worlds.keys().for_each(|world| self.shared.ask_world(world));
        self.shared.sources_running().iter().for_each(|source| self.shared.ask_source(source));
    }

    /// What nothing names any more is taken away.
    fn sweep(&mut self, now: Steady) {
        self.wake(now.plus(self.shared.parts.limits.sweep_every), Alarm::Sweep);
        let (shared, before) = (Arc::clone(&self.shared), self.swept);
        self.work.push(async move { Work::Swept(sweep(&shared, before).await) }.boxed());
    }

    fn wake(&mut self, at: Steady, alarm: Alarm) {
        self.alarms.set(at, alarm);
    }
}

fn panic_text(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "it panicked".to_owned())
}
