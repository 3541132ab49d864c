//! What doors, activations and the loop share: the parts, the catalogue of now, who was nudged, and what was seen last.
//!
//! Everything behind a lock here is small, is held for a few instructions and never across a wait. None of it is needed
//! after a crash: it is found again by loading and looking.

use super::catalogue::{Catalogue, WorldFacts};
use super::offers::WorldOffers;
use super::parts::Parts;
use super::rows::SourceRow;
use super::sources::SourceRead;
use crate::contract::Found;
use crate::graph::DesiredGraph;
use crate::model::{Capability, Digest, Identity, Milliseconds, Name, Now, SecretName, StackId, Wall};
use crate::plan::Report;
use crate::resolve::{Offering, Others};
use crate::state::{Observation, SourceId, Why};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::{Notify, watch};

/// What doors, activations and the loop share.
pub struct Shared {
    /// What the engine is made of.
    pub parts: Parts,
    /// Rings when something was put into the inbox.
    pub bell: Notify,
    catalogue: Mutex<(u64, Arc<dyn Catalogue>)>,
    inbox: Mutex<Inbox>,
    glances: Mutex<BTreeMap<StackId, Arc<Glance>>>,
    sources: Mutex<BTreeMap<SourceId, Arc<SourceRead>>>,
    runs: Mutex<BTreeMap<SourceId, BTreeMap<Name, SourceRow>>>,
    running: watch::Sender<BTreeSet<SourceId>>,
    imports: Mutex<Imports>,
    compiled_with: Mutex<BTreeMap<StackId, (BTreeSet<Name>, Digest)>>,
    awaited: Mutex<BTreeMap<SourceId, BTreeSet<StackId>>>,
    found: Mutex<BTreeMap<StackId, Vec<Found>>>,
    unrecorded: Mutex<BTreeMap<StackId, BTreeSet<Identity>>>,
    offers: Mutex<BTreeMap<Name, WorldOffers>>,
    highest_wall: Mutex<Wall>,
    secrets: Mutex<SecretsKnown>,
}

/// Which stack uses which secrets, and how often one was set.
#[derive(Default)]
struct SecretsKnown {
    generation: u64,
    used: BTreeMap<StackId, BTreeSet<SecretName>>,
}

/// Who uses what others offer, from both sides.
#[derive(Default)]
struct Imports {
    of: BTreeMap<StackId, BTreeSet<StackId>>,
    users: BTreeMap<StackId, BTreeSet<StackId>>,
}

/// Who was nudged since the loop looked last.
#[derive(Debug, Default)]
pub struct Inbox {
    /// In the order of their first nudge.
    order: VecDeque<StackId>,
    stacks: BTreeMap<StackId, Nudge>,
    /// Sources that are to be read.
    pub sources: BTreeSet<SourceId>,
    /// Worlds that have to be looked at as a whole: their resources, hints and orphans.
    pub worlds: BTreeSet<Name>,
}

/// What a nudge asks for beyond a look at what is recorded.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub struct Nudge {
    /// Rows were written by somebody else: load them again.
    pub reload: bool,
    /// Look at everything of it, even if nothing seems to have changed.
    pub look: bool,
}

/// What was seen of a stack at its last activation: for doors.
#[derive(Clone, Debug, Default)]
pub struct Glance {
    /// When.
    pub looked: Option<Wall>,
    /// What is waited for, held, kept and noted.
    pub report: Report,
    /// When that was so.
    pub reported: Wall,
    /// What was there.
    pub seen: Arc<Observation>,
    /// For how long what is on its way had been so then, and how long its health check gives it.
    pub settling: BTreeMap<Identity, (Milliseconds, Milliseconds)>,
    /// Why the stack is set aside.
    pub set_aside: Option<Why>,
}

impl Shared {
    /// Around the parts.
    #[must_use]
    pub fn new(parts: Parts) -> Shared {
        Shared {
            bell: Notify::new(),
            catalogue: Mutex::new((1, Arc::clone(&parts.catalogue))),
            inbox: Mutex::default(),
            glances: Mutex::default(),
            sources: Mutex::default(),
            runs: Mutex::default(),
            running: watch::Sender::default(),
            imports: Mutex::default(),
            compiled_with: Mutex::default(),
            awaited: Mutex::default(),
            found: Mutex::default(),
            unrecorded: Mutex::default(),
            offers: Mutex::default(),
            highest_wall: Mutex::default(),
            secrets: Mutex::default(),
            parts,
        }
    }

    /// What time it is; the wall clock is never before the highest moment that was read from a row or written to one.
    #[must_use]
    pub fn now(&self) -> Now {
        let mut now = self.parts.clock.now();
        let mut highest = lock(&self.highest_wall);
        *highest = (*highest).max(now.wall);
        now.wall = *highest;
        now
    }

    /// A row speaks of that moment.
    pub fn saw_wall(&self, wall: Wall) {
        let mut highest = lock(&self.highest_wall);
        *highest = (*highest).max(wall);
    }

    /// The catalogue of now, and its number.
    #[must_use]
    pub fn catalogue(&self) -> (u64, Arc<dyn Catalogue>) {
        let held = lock(&self.catalogue);
        (held.0, Arc::clone(&held.1))
    }

    /// Puts another catalogue in its place, and nudges the stacks whose graphs depend on what it has otherwise.
    pub fn replace_catalogue(&self, catalogue: Arc<dyn Catalogue>) {
        let before = {
            let mut held = lock(&self.catalogue);
            held.0 += 1;
            std::mem::replace(&mut held.1, Arc::clone(&catalogue))
        };
        let worlds: BTreeSet<Name> = before.worlds().into_keys().chain(catalogue.worlds().into_keys()).collect();
        // What is wrong with the files changes no graph, and each stack of the world tells it.
        let otherwise_mistaken: BTreeSet<&Name> =
            worlds.iter().filter(|world| before.mistakes_of(world) != catalogue.mistakes_of(world)).collect();
        let set_otherwise = set_otherwise(&before.worlds(), &catalogue.worlds());
        let moved: Vec<StackId> = {
            let compiled_with = lock(&self.compiled_with);
            let differs = |(stack, (slugs, digest)): &(&StackId, &(BTreeSet<Name>, Digest))| {
                otherwise_mistaken.contains(&stack.world) || catalogue.inputs(&stack.world, slugs) != *digest
            };
            compiled_with.iter().filter(differs).map(|(stack, _)| stack.clone()).collect()
        };
        moved.iter().for_each(|stack| self.nudge(stack, Nudge::default()));
        // What is there may have changed with how its room is set: where it answers, for one.
        let concerned: Vec<StackId> = {
            let compiled_with = lock(&self.compiled_with);
            compiled_with.keys().filter(|stack| set_otherwise.contains(&stack.world)).cloned().collect()
        };
        concerned.iter().for_each(|stack| self.nudge(stack, Nudge { reload: false, look: true }));
        // Their own resources, and policies that no graph depends on.
        worlds.iter().for_each(|world| self.ask_world(world));
    }

    /// A stack was compiled with these slugs, whose definitions had this digest together.
    pub fn compiled_with(&self, stack: &StackId, slugs: BTreeSet<Name>, inputs: Digest) {
        lock(&self.compiled_with).insert(stack.clone(), (slugs, inputs));
    }

    /// Grows with every secret that is set: what was gathered before is gathered again.
    #[must_use]
    pub fn secrets_generation(&self) -> u64 {
        lock(&self.secrets).generation
    }

    /// A stack was composed with these secrets.
    pub fn composed_with(&self, stack: &StackId, secrets: BTreeSet<SecretName>) {
        lock(&self.secrets).used.insert(stack.clone(), secrets);
    }

    /// Which stacks of a world use which secrets, as they were composed last.
    #[must_use]
    pub fn secret_users(&self, world: &Name) -> BTreeMap<SecretName, BTreeSet<Name>> {
        let mut users: BTreeMap<SecretName, BTreeSet<Name>> = BTreeMap::new();
        for (stack, used) in lock(&self.secrets).used.iter().filter(|(stack, _)| stack.world == *world) {
            for secret in used {
                users.entry(secret.clone()).or_default().insert(stack.stack.clone());
            }
        }
        users
    }

    /// A secret of a world was set: nudges who uses it.
    pub fn secret_moved(&self, world: &Name, secret: &SecretName) {
        let users: Vec<StackId> = {
            let mut secrets = lock(&self.secrets);
            secrets.generation += 1;
            let uses =
                |(stack, used): &(&StackId, &BTreeSet<SecretName>)| stack.world == *world && used.contains(secret);
            secrets.used.iter().filter(uses).map(|(stack, _)| stack.clone()).collect()
        };
        users.iter().for_each(|stack| self.nudge(stack, Nudge::default()));
    }

    /// Nudges a stack.
    pub fn nudge(&self, stack: &StackId, nudge: Nudge) {
        lock(&self.inbox).put(stack, nudge);
        self.bell.notify_one();
    }

    /// Whether somebody nudged a stack since its activation began: a good moment to begin anew.
    #[must_use]
    pub fn is_nudged(&self, stack: &StackId) -> bool {
        lock(&self.inbox).stacks.contains_key(stack)
    }

    /// Asks for a source to be read.
    pub fn ask_source(&self, source: &SourceId) {
        lock(&self.inbox).sources.insert(source.clone());
        self.bell.notify_one();
    }

    /// Asks for a source to be read, for a stack that waits for it.
    pub fn await_source(&self, source: &SourceId, stack: &StackId) {
        lock(&self.awaited).entry(source.clone()).or_default().insert(stack.clone());
        self.ask_source(source);
    }

    /// A source was read: who waits for it goes on.
    pub fn source_awaited(&self, source: &SourceId) {
        let who = lock(&self.awaited).remove(source).unwrap_or_default();
        who.iter().for_each(|stack| self.nudge(stack, Nudge::default()));
    }

    /// Hands over what a listing found of a stack.
    pub fn found(&self, stack: &StackId, found: Vec<Found>) {
        lock(&self.found).insert(stack.clone(), found);
        self.nudge(stack, Nudge::default());
    }

    /// Takes what a listing found of a stack.
    #[must_use]
    pub fn take_found(&self, stack: &StackId) -> Vec<Found> {
        lock(&self.found).remove(stack).unwrap_or_default()
    }

    /// Of a stack of which no row is known, things that carry our receipt: what is newer than the backup that was restored.
    pub fn unrecorded(&self, stack: &StackId, found: BTreeSet<Identity>) {
        match found.is_empty() {
            true => drop(lock(&self.unrecorded).remove(stack)),
            false => drop(lock(&self.unrecorded).insert(stack.clone(), found)),
        }
    }

    /// All of these, of a world or of all.
    #[must_use]
    pub fn all_unrecorded(&self, world: Option<&Name>) -> BTreeMap<StackId, BTreeSet<Identity>> {
        let all = lock(&self.unrecorded);
        let of_world = all.iter().filter(|(stack, _)| world.is_none_or(|world| stack.world == *world));
        of_world.map(|(stack, found)| (stack.clone(), found.clone())).collect()
    }

    /// What the stacks of a world offer each other.
    #[must_use]
    pub fn others(&self, world: &Name) -> Arc<Others> {
        Arc::clone(lock(&self.offers).entry(world.clone()).or_default().together())
    }

    /// A stack has this graph now; none when it is gone. Who waits for what it offers is nudged.
    pub fn offers(&self, stack: &StackId, graph: Option<&Arc<DesiredGraph>>) {
        let has_moved = lock(&self.offers).entry(stack.world.clone()).or_default().put(stack, graph);
        if has_moved {
            self.exports_moved(stack, []);
        }
    }

    /// What a stack will offer, beside what it offers by its graph, once others offer what it waits for; none when that is
    /// not known any more. Two that share something with each other would wait for ever without it.
    pub fn will_offer(&self, stack: &StackId, to_come: Option<&Offering>) {
        let has_moved = lock(&self.offers).entry(stack.world.clone()).or_default().put_to_come(stack, to_come);
        if has_moved {
            self.exports_moved(stack, []);
        }
    }

    /// Whether a stack's graph is known.
    #[must_use]
    pub fn has_offered(&self, stack: &StackId) -> bool {
        lock(&self.offers).get(&stack.world).is_some_and(|offers| offers.knows(stack))
    }

    /// Asks for a world to be looked at as a whole.
    pub fn ask_world(&self, world: &Name) {
        lock(&self.inbox).worlds.insert(world.clone());
        self.bell.notify_one();
    }

    /// The inbox, for the loop.
    pub fn inbox(&self) -> MutexGuard<'_, Inbox> {
        lock(&self.inbox)
    }

    /// What was seen of a stack last.
    #[must_use]
    pub fn glance(&self, stack: &StackId) -> Arc<Glance> {
        lock(&self.glances).get(stack).cloned().unwrap_or_default()
    }

    /// Writes down what was seen.
    pub fn glanced(&self, stack: &StackId, glance: Glance) {
        lock(&self.glances).insert(stack.clone(), Arc::new(glance));
    }

    /// The last read of a source.
    #[must_use]
    pub fn source(&self, source: &SourceId) -> Option<Arc<SourceRead>> {
        lock(&self.sources).get(source).cloned()
    }

    /// A source was read.
    pub fn source_read(&self, source: &SourceId, read: Arc<SourceRead>) {
        lock(&self.sources).insert(source.clone(), read);
    }

    /// In which worlds a source runs, and how.
    #[must_use]
    pub fn runs_of(&self, source: &SourceId) -> BTreeMap<Name, SourceRow> {
        lock(&self.runs).get(source).cloned().unwrap_or_default()
    }

    /// Whether a source runs in a stack's world, for that stack too.
    #[must_use]
    pub fn runs_in(&self, source: &SourceId, stack: &StackId) -> bool {
        let runs = lock(&self.runs);
        let row = runs.get(source).and_then(|worlds| worlds.get(&stack.world));
        row.is_some_and(|row| row.services.is_empty() || row.services.contains(&stack.stack))
    }

    /// Every source that runs somewhere.
    #[must_use]
    pub fn sources_running(&self) -> Vec<SourceId> {
        lock(&self.runs).keys().cloned().collect()
    }

    /// A source runs in a world from now on.
    pub fn runs(&self, world: &Name, row: SourceRow) {
        let mut runs = lock(&self.runs);
        runs.entry(row.source.clone()).or_default().insert(world.clone(), row);
        self.running.send_replace(runs.keys().cloned().collect());
    }

    /// A source does not run in a world any longer.
    pub fn runs_no_more(&self, world: &Name, source: &SourceId) {
        let mut runs = lock(&self.runs);
        if let Some(worlds) = runs.get_mut(source) {
            worlds.remove(world);
            if worlds.is_empty() {
                runs.remove(source);
            }
        }
        self.running.send_replace(runs.keys().cloned().collect());
    }

    /// The sources that run somewhere, now and whenever that changes.
    #[must_use]
    pub fn follow_sources(&self) -> watch::Receiver<BTreeSet<SourceId>> {
        self.running.subscribe()
    }

    /// The sources that run in a world and may hold a service of that name.
    #[must_use]
    pub fn sources_of(&self, stack: &StackId) -> Vec<SourceRow> {
        let runs = lock(&self.runs);
        let rows = runs.values().filter_map(|worlds| worlds.get(&stack.world));
        rows.filter(|row| row.services.is_empty() || row.services.contains(&stack.stack)).cloned().collect()
    }

    /// A stack uses what these others offer: they nudge it when that changes.
    pub fn imports(&self, stack: &StackId, of: &BTreeSet<StackId>) {
        let mut imports = lock(&self.imports);
        if imports.of.get(stack).map_or(of.is_empty(), |before| before == of) {
            return;
        }
        let before = imports.of.insert(stack.clone(), of.clone()).unwrap_or_default();
        for other in before.difference(of) {
            if let Some(users) = imports.users.get_mut(other) {
                users.remove(stack);
            }
        }
        for other in of {
            imports.users.entry(other.clone()).or_default().insert(stack.clone());
        }
    }

    /// What a stack offers has changed: nudges who uses it, and who waits for it.
    pub fn exports_moved(&self, stack: &StackId, users: impl IntoIterator<Item = StackId>) {
        let mut who = lock(&self.imports).users.get(stack).cloned().unwrap_or_default();
        who.extend(users);
        who.remove(stack);
        who.iter().for_each(|user| self.nudge(user, Nudge { reload: true, look: false }));
    }
}

impl Inbox {
    fn put(&mut self, stack: &StackId, nudge: Nudge) {
        match self.stacks.get_mut(stack) {
            Some(held) => *held = Nudge { reload: held.reload | nudge.reload, look: held.look | nudge.look },
            None => {
                self.stacks.insert(stack.clone(), nudge);
                self.order.push_back(stack.clone());
            }
        }
    }

    /// The next stack in order that may be activated now; the others keep their places.
    pub fn next(&mut self, may: impl Fn(&StackId) -> bool) -> Option<(StackId, Nudge)> {
        let at = self.order.iter().position(may)?;
        let stack = self.order.remove(at)?;
        let nudge = self.stacks.remove(&stack)?;
        Some((stack, nudge))
    }
}

/// A panic of one activation must not take the others' memory with it: what a lock guards here is whole between calls.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The worlds whose rooms are set otherwise than before. Rooms may be shared: where one world's capability is, that
/// concerns every world that has it.
fn set_otherwise(before: &BTreeMap<Name, Arc<WorldFacts>>, after: &BTreeMap<Name, Arc<WorldFacts>>) -> BTreeSet<Name> {
    let settings = |facts: Option<&Arc<WorldFacts>>, capability: &Capability| {
        facts.and_then(|facts| facts.capabilities.get(capability)).cloned()
    };
    let mut differs: BTreeSet<&Capability> = BTreeSet::new();
    for (world, facts) in before.iter().chain(after) {
        for capability in facts.capabilities.keys() {
            if settings(before.get(world), capability) != settings(after.get(world), capability) {
                differs.insert(capability);
            }
        }
    }
    let has = |facts: &WorldFacts| facts.capabilities.keys().any(|capability| differs.contains(capability));
    after.iter().filter(|(_, facts)| has(facts)).map(|(world, _)| world.clone()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stack(name: &'static str) -> StackId {
        StackId::new(Name::fixed("laptop"), Name::fixed(name))
    }

    #[test]
    fn nudges_coalesce_and_keep_their_order() {
        let mut inbox = Inbox::default();
        inbox.put(&stack("a"), Nudge::default());
        inbox.put(&stack("b"), Nudge { reload: true, look: false });
        inbox.put(&stack("a"), Nudge { reload: false, look: true });
        assert_eq!(inbox.next(|id| *id != stack("a")), Some((stack("b"), Nudge { reload: true, look: false })));
        assert_eq!(inbox.next(|_| true), Some((stack("a"), Nudge { reload: false, look: true })));
        assert_eq!(inbox.next(|_| true), None);
    }
}
