//! Under which keys rows lie.

use crate::contract::Key;
use crate::model::{Address, Digest, Identity, Name, StackId};
use crate::state::SourceId;

/// The tables of a stack. What is here is loaded with the stack; what grows without end lies with the world.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Table {
    /// `state::Stack`: one row.
    Stack,
    /// What the source said last: one row.
    Head,
    /// What a resource without a service is made of: one row.
    Resource,
    /// What the stack uses of others: one row, so that it can be given back.
    Uses,
    /// `state::Owned` by identity.
    Owned,
    /// The highest life of each address.
    Life,
    /// `state::Consent` by name.
    Consent,
    /// Deployments that have not ended, by number.
    Deployment,
    /// Releases that are kept.
    Release,
    /// Revisions that are kept.
    Revision,
    /// Plans that are kept to be applied by digest.
    Plan,
}

impl Table {
    const ALL: [Table; 11] = [
        Table::Stack,
        Table::Head,
        Table::Resource,
        Table::Uses,
        Table::Owned,
        Table::Life,
        Table::Consent,
        Table::Deployment,
        Table::Release,
        Table::Revision,
        Table::Plan,
    ];

    /// Its name in keys. It never changes.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Table::Stack => "stack",
            Table::Head => "head",
            Table::Resource => "resource",
            Table::Uses => "uses",
            Table::Owned => "owned",
            Table::Life => "life",
            Table::Consent => "consent",
            Table::Deployment => "deployment",
            Table::Release => "release",
            Table::Revision => "revision",
            Table::Plan => "plan",
        }
    }

    /// The table of that name.
    #[must_use]
    pub fn named(name: &str) -> Option<Table> {
        Table::ALL.into_iter().find(|table| table.name() == name)
    }
}

/// A row of a stack.
#[must_use]
pub fn of_stack(stack: &StackId, table: Table, id: &str) -> Key {
    Key::stack(stack, table.name(), id)
}

/// The row of one life: its id is `users.instance#2`.
#[must_use]
pub fn owned_key(identity: &Identity) -> Key {
    let id = format!("{}#{}", identity.address.short(), identity.incarnation);
    of_stack(&identity.address.stack_id(), Table::Owned, &id)
}

/// The row of what a stack offers under one name. It lies with the world, so that others read it without the rest.
#[must_use]
pub fn export_key(of: &Address) -> Key {
    Key::world(&of.world, "export", &format!("{}/{}", of.stack, of.short()))
}

/// The row of a deployment that has ended. Numbers are padded, so that they sort.
#[must_use]
pub fn history_key(stack: &StackId, number: u64) -> Key {
    Key::world(&stack.world, "history", &format!("{}/{number:012}", stack.stack))
}

/// The row of a source that a world runs. A source's name may be longer than a key, so its digest stands there.
#[must_use]
pub fn source_key(world: &Name, source: &SourceId) -> Key {
    Key::world(world, "source", &Digest::of(&source.0).to_string())
}

/// The row of what was answered to an Idempotency-Key.
#[must_use]
pub fn once_key(world: &Name, once: &str) -> Key {
    Key::world(world, "once", &Digest::of(once).to_string())
}
