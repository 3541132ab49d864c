//! `Change`: what is to be written of one stack, as typed operations. It becomes one batch, and once that is durable it
//! is done to the rows in memory too, so that nothing has to be loaded again.

use super::super::rows::{
    DeploymentRow, Encoded, Head, LifeRow, PlanRow, ReleaseRow, ResourceSpec, Table, encode, encode_owned, export_key,
    history_key, of_stack, owned_key,
};
use super::StackRows;
use super::events::draft;
use crate::contract::{Batch, Expected, Fence, Key, RowVersion};
use crate::model::{Address, Digest, Identity, StackId, Wall};
use crate::state::{Consent, ConsentId, EventBody, Export, Owned, Record, ReleaseId, Revision, RevisionId, Stack};
use std::collections::{BTreeMap, BTreeSet};

/// One operation.
#[derive(Clone, Debug)]
pub enum Op {
    /// Write the stack's row.
    Stack(Box<Stack>),
    /// Write one life.
    Owned(Box<Owned>),
    /// It is proved gone: its row goes.
    Forget(Identity),
    /// Raise the highest life of an address.
    Life(Address, u32),
    /// Write an export of this stack.
    Export(Address, Box<Export>),
    /// An export of this stack goes.
    NoExport(Address),
    /// Write a consent.
    Consent(ConsentId, Box<Consent>),
    /// A consent goes.
    NoConsent(ConsentId),
    /// Write a deployment; one that has ended goes to the history.
    Deployment(Box<DeploymentRow>),
    /// Keep a release.
    Release(ReleaseId, Box<ReleaseRow>),
    /// A release is not kept any longer.
    NoRelease(ReleaseId),
    /// Keep a revision.
    Revision(RevisionId, Box<Revision>),
    /// A revision is not kept any longer.
    NoRevision(RevisionId),
    /// Keep a plan.
    Plan(Digest, PlanRow),
    /// A plan is not kept any longer.
    NoPlan(Digest),
    /// Write what the source said.
    Head(Head),
    /// Write what the stack uses of others.
    Uses(BTreeSet<Address>),
    /// Write what a resource is made of.
    Resource(Box<ResourceSpec>),
    /// A row of the world, and what is expected of it, if anything is.
    World(Key, Option<Expected>, Encoded),
    /// A row of the world goes.
    NoWorld(Key, Option<Expected>),
}

/// What is to be written of one stack.
#[derive(Clone, Debug, Default)]
pub struct Change {
    ops: Vec<Op>,
    events: Vec<EventBody>,
    reads: Vec<Key>,
}

/// What one operation does to a row.
enum Written {
    Put(Key, Encoded),
    Remove(Key),
}

impl Change {
    /// Nothing yet.
    #[must_use]
    pub fn new() -> Change {
        Change::default()
    }

    /// Adds an operation.
    pub fn push(&mut self, op: Op) {
        self.ops.push(op);
    }

    /// Adds all of another change.
    pub fn join(&mut self, other: Change) {
        self.ops.extend(other.ops);
        self.events.extend(other.events);
        self.reads.extend(other.reads);
    }

    /// Adds an event that tells of it.
    pub fn tell(&mut self, event: EventBody) {
        self.events.push(event);
    }

    /// Makes it depend on a row that it does not write: it is refused when that row has moved.
    pub fn depend(&mut self, key: Key) {
        self.reads.push(key);
    }

    /// Makes it depend on the stack's row: on the wish, the target, the quarantine.
    pub fn depend_on_stack(&mut self, stack: &StackId) {
        self.depend(of_stack(stack, Table::Stack, "row"));
    }

    /// Makes it depend on a live deployment: that it was not cancelled or superseded meanwhile.
    pub fn depend_on_deployment(&mut self, stack: &StackId, number: u64) {
        self.depend(deployment_key(stack, number));
    }

    /// Whether there is nothing to write.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ops.is_empty() && self.events.is_empty()
    }

    /// Its operations, in order.
    #[cfg(test)]
    pub fn ops(&self) -> &[Op] {
        &self.ops
    }

    /// The batch, and the blobs that must be kept before it.
    #[must_use]
    pub fn batch(&self, rows: &StackRows, fence: Option<Fence>, now: Wall) -> (Batch, Vec<Vec<u8>>) {
        let mut batch = Batch { fence, ..Batch::default() };
        let mut expect: BTreeMap<Key, Expected> =
            self.reads.iter().map(|key| (key.clone(), rows.expected(key))).collect();
        // The last word on a row counts: an operation may write over an earlier one of the same change.
        let mut written: BTreeMap<Key, Option<Encoded>> = BTreeMap::new();
        for op in &self.ops {
            for (one, expected) in write(rows, op) {
                let (key, encoded) = match one {
                    Written::Put(key, encoded) => (key, Some(encoded)),
                    Written::Remove(key) => (key, None),
                };
                if let Some(expected) = expected {
                    expect.entry(key.clone()).or_insert(expected);
                }
                written.insert(key, encoded);
            }
        }
        let mut blobs = Vec::new();
        for (key, encoded) in written {
            match encoded {
                Some(encoded) => {
                    blobs.extend(encoded.blobs);
                    batch.put.push((key, encoded.bytes));
                }
                None => batch.remove.push(key),
            }
        }
        batch.expect = expect.into_iter().collect();
        batch.events = self.events.iter().map(|event| draft(&rows.id, event, now)).collect();
        (batch, blobs)
    }

    /// Does it to the rows in memory, once it is durable.
    pub fn apply(self, rows: &mut StackRows, batch: &Batch, version: RowVersion) {
        for (key, _) in &batch.put {
            rows.versions.insert(key.clone(), version);
        }
        for key in &batch.remove {
            rows.versions.remove(key);
        }
        self.ops.into_iter().for_each(|op| apply(rows, op));
    }
}

/// Which rows an operation writes, and what it expects of them.
fn write(rows: &StackRows, op: &Op) -> Vec<(Written, Option<Expected>)> {
    let stack = &rows.id;
    let put = |key: Key, encoded: Encoded| {
        let expected = Some(rows.expected(&key));
        vec![(Written::Put(key, encoded), expected)]
    };
    let remove = |key: Key| {
        let expected = Some(rows.expected(&key));
        vec![(Written::Remove(key), expected)]
    };
    let key = |table: Table, id: &str| of_stack(stack, table, id);
    match op {
        Op::Stack(row) => put(key(Table::Stack, "row"), encode(row)),
        Op::Owned(owned) => put(owned_key(&owned.identity), encode_owned(owned)),
        Op::Forget(identity) => remove(owned_key(identity)),
        Op::Life(address, life) => {
            put(key(Table::Life, &address.short()), encode(&LifeRow { address: address.clone(), life: *life }))
        }
        Op::Export(of, export) => put(export_key(of), encode(&(of, export))),
        Op::NoExport(of) => remove(export_key(of)),
        Op::Consent(id, consent) => put(key(Table::Consent, &id.0), encode(consent)),
        Op::NoConsent(id) => remove(key(Table::Consent, &id.0)),
        Op::Deployment(row) => write_deployment(rows, row),
        Op::Release(id, row) => put(key(Table::Release, &id.to_string()), encode(row)),
        Op::NoRelease(id) => remove(key(Table::Release, &id.to_string())),
        Op::Revision(id, row) => put(key(Table::Revision, &id.to_string()), encode(row)),
        Op::NoRevision(id) => remove(key(Table::Revision, &id.to_string())),
        Op::Plan(id, row) => put(key(Table::Plan, &id.to_string()), encode(row)),
        Op::NoPlan(id) => remove(key(Table::Plan, &id.to_string())),
        Op::Head(head) => put(key(Table::Head, "row"), encode(head)),
        Op::Uses(uses) => put(key(Table::Uses, "row"), encode(uses)),
        Op::Resource(spec) => put(key(Table::Resource, "row"), encode(spec)),
        Op::World(key, expected, encoded) => vec![(Written::Put(key.clone(), encoded.clone()), *expected)],
        Op::NoWorld(key, expected) => vec![(Written::Remove(key.clone()), *expected)],
    }
}

/// A live deployment lies with its stack; one that has ended, in the world's history.
fn write_deployment(rows: &StackRows, row: &DeploymentRow) -> Vec<(Written, Option<Expected>)> {
    let number = row.deployment.id.number;
    let live = deployment_key(&rows.id, number);
    let expected = rows.expected(&live);
    if !row.deployment.state.is_terminal() {
        return vec![(Written::Put(live, encode(row)), Some(expected))];
    }
    let over = (Written::Put(history_key(&rows.id, number), encode(row)), Some(Expected::Absent));
    match expected {
        // It was never live: it ended as it was accepted.
        Expected::Absent => vec![over],
        expected => vec![(Written::Remove(live), Some(expected)), over],
    }
}

fn deployment_key(stack: &StackId, number: u64) -> Key {
    of_stack(stack, Table::Deployment, &format!("{number:012}"))
}

fn apply(rows: &mut StackRows, op: Op) {
    match op {
        Op::Stack(stack) => match &mut rows.record {
            Some(record) => record.stack = *stack,
            None => rows.record = Some(Record::new(*stack)),
        },
        Op::Deployment(row) if row.deployment.state.is_terminal() => {
            rows.live.remove(&row.deployment.id.number);
        }
        Op::Deployment(row) => drop(rows.live.insert(row.deployment.id.number, *row)),
        Op::Release(id, row) => drop(rows.releases.insert(id, *row)),
        Op::NoRelease(id) => drop(rows.releases.remove(&id)),
        Op::Revision(id, row) => drop(rows.revisions.insert(id, *row)),
        Op::NoRevision(id) => drop(rows.revisions.remove(&id)),
        Op::Plan(id, row) => drop(rows.plans.insert(id, row)),
        Op::NoPlan(id) => drop(rows.plans.remove(&id)),
        Op::Head(head) => rows.head = Some(head),
        Op::Uses(uses) => rows.uses = uses,
        Op::Resource(spec) => rows.resource = Some(*spec),
        Op::World(..) | Op::NoWorld(..) => {}
        recorded => {
            let record = rows.record.as_mut().expect("a stack's row is written before what it owns");
            apply_recorded(record, recorded);
        }
    }
}

fn apply_recorded(record: &mut Record, op: Op) {
    match op {
        Op::Owned(owned) => drop(record.owned.insert(owned.identity.clone(), *owned)),
        Op::Forget(identity) => drop(record.owned.remove(&identity)),
        Op::Life(address, life) => drop(record.lives.insert(address, life)),
        Op::Export(of, export) => drop(record.exports.insert(of, *export)),
        Op::NoExport(of) => drop(record.exports.remove(&of)),
        Op::Consent(id, consent) => drop(record.consents.insert(id, *consent)),
        Op::NoConsent(id) => drop(record.consents.remove(&id)),
        _ => unreachable!("all others are done to the rows"),
    }
}
