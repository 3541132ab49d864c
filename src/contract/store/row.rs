//! Rows and the keys that they lie under.

use crate::model::{Name, StackId};
use serde::{Deserialize, Serialize};
use std::fmt;

/// The most bytes of a key. A world, a stack, a table and an identity need about 270; more than 384 would let sled's inner
/// nodes outgrow what it syncs (`store/sled/value.rs` has the arithmetic).
pub const KEY_BYTES_MAX: usize = 384;

/// A row's key: text with `/` between its parts, so that one stack's rows, and one world's, lie together.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Key(String);

/// How many batches had been committed: the order of everything.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Serial(pub u64);

/// The serial of the batch that wrote a row last.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RowVersion(pub u64);

/// One row.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Row {
    /// Its key.
    pub key: Key,
    /// When it was written last.
    pub version: RowVersion,
    /// What it holds, at most [`ROW_BYTES_MAX`](super::ROW_BYTES_MAX) bytes; the store never looks inside. A damaged
    /// row is told here and fails no load: its stack is set aside, the others go on, and it never reads as "no row".
    pub bytes: Result<Vec<u8>, Unreadable>,
}

/// Why a row cannot be read: what lies there is not what was written. Its version is 0, so that no expectation of it
/// holds; a write or a remove without one replaces it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Unreadable(pub String);

/// Rows sorted by key.
pub type Rows = Vec<Row>;

/// Which rows to load, consistently.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Scope {
    /// The rows of the instance itself.
    Instance,
    /// The rows of a world and of all its stacks.
    World(Name),
    /// The rows of one stack.
    Stack(StackId),
    /// The rows of one table of a world whose ids begin with a text: what a room keeps there, without all the rest.
    Table {
        /// The world.
        world: Name,
        /// The table.
        table: String,
        /// The beginning of the ids; empty is all.
        beginning: String,
    },
    /// Everything, for `backup` and for the start.
    Everything,
}

impl Key {
    /// A row of the instance.
    #[must_use]
    pub fn instance(table: &str, id: &str) -> Key {
        Key(format!("i/{table}/{id}"))
    }

    /// A row of a world.
    #[must_use]
    pub fn world(world: &Name, table: &str, id: &str) -> Key {
        Key(format!("w/{world}/{table}/{id}"))
    }

    /// A row of a stack.
    #[must_use]
    pub fn stack(stack: &StackId, table: &str, id: &str) -> Key {
        Key(format!("s/{}/{}/{table}/{id}", stack.world, stack.stack))
    }

    /// What a slow watcher gets.
    #[must_use]
    pub fn everything() -> Key {
        Key(String::new())
    }

    /// A key as it was written in a store or a backup.
    #[must_use]
    pub fn from_text(text: String) -> Key {
        Key(text)
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The stack whose row it is.
    #[must_use]
    pub fn stack_id(&self) -> Option<StackId> {
        let rest = self.0.strip_prefix("s/")?;
        let mut parts = rest.splitn(3, '/');
        let (world, stack) = (parts.next()?, parts.next()?);
        Some(StackId { world: Name::new(world).ok()?, stack: Name::new(stack).ok()? })
    }

    /// The table, and the id within it.
    #[must_use]
    pub fn table_and_id(&self) -> Option<(&str, &str)> {
        let skipped = match self.0.as_bytes().first()? {
            b'i' => 1,
            b'w' => 2,
            _ => 3,
        };
        let mut rest = self.0.as_str();
        for _ in 0..skipped {
            rest = rest.split_once('/')?.1;
        }
        rest.split_once('/')
    }
}

impl Scope {
    /// The beginnings of the keys in this scope; `""` is all.
    #[must_use]
    pub fn prefixes(&self) -> Vec<String> {
        match self {
            Scope::Instance => vec!["i/".to_owned()],
            Scope::World(world) => vec![format!("s/{world}/"), format!("w/{world}/")],
            Scope::Stack(id) => vec![format!("s/{}/{}/", id.world, id.stack)],
            Scope::Table { world, table, beginning } => vec![format!("w/{world}/{table}/{beginning}")],
            Scope::Everything => vec![String::new()],
        }
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
