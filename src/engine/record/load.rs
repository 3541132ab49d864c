//! Rows to a stack, consistently. One row that cannot be read fails the load of that stack, and names itself.

use super::super::rows::{DeploymentRow, NotARow, Opened, OwnedRow, PlanRow, Table, decode_whole, export_key, open};
use super::StackRows;
use crate::contract::{Key, Row, Scope, Store, StoreError};
use crate::model::{Address, Digest, StackId};
use crate::state::{Consent, ConsentId, Export, Owned, Record, Stack};
use serde::de::DeserializeOwned;
use std::fmt;

/// Why a stack could not be loaded.
#[derive(Debug)]
pub enum LoadError {
    /// The store did not do it: try again.
    Store(StoreError),
    /// This row cannot be read: the stack is set aside, until somebody mends or removes the row.
    Row(Key, String),
}

/// Loads a stack.
///
/// # Errors
/// [`LoadError`]; never reads as "there is none".
pub async fn load_stack(store: &dyn Store, id: &StackId) -> Result<StackRows, LoadError> {
    let (rows, _) = store.load(&Scope::Stack(id.clone())).await.map_err(LoadError::Store)?;
    load_rows(store, id, rows).await
}

/// Makes a stack of its rows, as one load has given them.
///
/// # Errors
/// [`LoadError`].
pub async fn load_rows(store: &dyn Store, id: &StackId, rows: Vec<Row>) -> Result<StackRows, LoadError> {
    let mut loaded = StackRows::none(id.clone());
    // The stack's own row comes first: the others lie in its record.
    let head = rows.iter().find(|row| row.key.table_and_id().is_some_and(|(table, _)| table == Table::Stack.name()));
    if let Some(row) = head {
        loaded.record = Some(Record::new(read_row::<Stack>(store, row).await?));
    }
    for row in &rows {
        take(store, &mut loaded, row).await?;
        loaded.versions.insert(row.key.clone(), row.version);
    }
    load_exports(store, &mut loaded).await?;
    Ok(loaded)
}

/// What the stack offers lies with the world. Only the stack's own batches change who it is; users come and go by
/// themselves, so every batch that depends on them expects the row.
async fn load_exports(store: &dyn Store, loaded: &mut StackRows) -> Result<(), LoadError> {
    let Some(record) = &mut loaded.record else { return Ok(()) };
    let scope = Scope::Table {
        world: loaded.id.world.clone(),
        table: "export".to_owned(),
        beginning: format!("{}/", loaded.id.stack),
    };
    let (rows, _) = store.load(&scope).await.map_err(LoadError::Store)?;
    for row in &rows {
        let (of, export) = read_row::<(Address, Export)>(store, row).await?;
        if export_key(&of) != row.key {
            return Err(LoadError::Row(row.key.clone(), format!("it speaks of {of}")));
        }
        record.exports.insert(of, export);
        loaded.versions.insert(row.key.clone(), row.version);
    }
    Ok(())
}

async fn take(store: &dyn Store, loaded: &mut StackRows, row: &Row) -> Result<(), LoadError> {
    let damaged = |how: &str| LoadError::Row(row.key.clone(), how.to_owned());
    let Some((table, id)) = row.key.table_and_id() else { return Err(damaged("its key has no table")) };
    // A table that we do not know was written by a newer deployd: what it means is not ours to guess.
    let table = Table::named(table).ok_or_else(|| damaged("a newer deployd wrote it: its table is not known"))?;
    let digest = || id.parse::<Digest>().map_err(|_| damaged("its name is no digest"));
    match table {
        Table::Stack => return Ok(()),
        Table::Head => loaded.head = Some(read_row(store, row).await?),
        Table::Uses => loaded.uses = read_row(store, row).await?,
        Table::Resource => loaded.resource = Some(read_row(store, row).await?),
        Table::Release => drop(loaded.releases.insert(digest()?, read_row(store, row).await?)),
        Table::Revision => drop(loaded.revisions.insert(digest()?, read_row(store, row).await?)),
        Table::Plan => drop(loaded.plans.insert(digest()?, read_row::<PlanRow>(store, row).await?)),
        Table::Deployment => {
            let found = read_row::<DeploymentRow>(store, row).await?;
            loaded.live.insert(found.deployment.id.number, found);
        }
        Table::Owned | Table::Life | Table::Consent => {
            let Some(record) = &mut loaded.record else { return Err(damaged("its stack has no row of its own")) };
            take_recorded(store, record, row, table, id).await?;
        }
    }
    Ok(())
}

async fn take_recorded(
    store: &dyn Store,
    record: &mut Record,
    row: &Row,
    table: Table,
    id: &str,
) -> Result<(), LoadError> {
    match table {
        Table::Owned => {
            let owned = read_owned(store, row).await?;
            record.owned.insert(owned.identity.clone(), owned);
        }
        Table::Life => {
            let life = read_row::<super::super::rows::LifeRow>(store, row).await?;
            record.lives.insert(life.address, life.life);
        }
        _ => drop(record.consents.insert(ConsentId(id.to_owned()), read_row::<Consent>(store, row).await?)),
    }
    Ok(())
}

/// Reads a row of a type, from its blob if it lies in one.
///
/// # Errors
/// [`LoadError`].
pub async fn read_row<T: DeserializeOwned>(store: &dyn Store, row: &Row) -> Result<T, LoadError> {
    let bad = |error: NotARow| LoadError::Row(row.key.clone(), error.to_string());
    let bytes = row.bytes.as_ref().map_err(|unreadable| LoadError::Row(row.key.clone(), unreadable.0.clone()))?;
    match open(bytes).map_err(bad)? {
        Opened::Here(found) => Ok(found),
        Opened::InBlob(blob) => decode_whole(&read_blob(store, row, blob).await?).map_err(bad),
    }
}

async fn read_owned(store: &dyn Store, row: &Row) -> Result<Owned, LoadError> {
    let OwnedRow { mut owned, fields } = read_row(store, row).await?;
    if let Some(blob) = fields {
        let bytes = read_blob(store, row, blob).await?;
        owned.fields =
            serde_json::from_slice(&bytes).map_err(|error| LoadError::Row(row.key.clone(), error.to_string()))?;
    }
    Ok(owned)
}

/// A blob that a row names. That it is not there, or is something else, is the row's trouble; that the store cannot be
/// reached is not.
async fn read_blob(store: &dyn Store, row: &Row, blob: Digest) -> Result<Vec<u8>, LoadError> {
    store.blob(blob).await.map_err(|error| match error {
        StoreError::Corrupt(_) | StoreError::Missing(_) => LoadError::Row(row.key.clone(), error.to_string()),
        other => LoadError::Store(other),
    })
}

impl fmt::Display for LoadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            LoadError::Store(_) => f.write_str("the stack's rows cannot be loaded now"),
            LoadError::Row(key, how) => write!(f, "the row {key} cannot be read: {how}"),
        }
    }
}

impl std::error::Error for LoadError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            LoadError::Store(error) => Some(error),
            LoadError::Row(..) => None,
        }
    }
}
