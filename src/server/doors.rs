//! `Doors`: what the server opens. The engine answers most of it; secrets and backups have doors of their own, which
//! `wiring` puts in.

use crate::contract::{Plain, SecretFailure};
use crate::engine::Engine;
use crate::model::{Name, SecretName, SecretVersion, Wall};
use crate::state::{Principal, Why};
use async_trait::async_trait;
use axum::body::Bytes;
use futures::stream::BoxStream;
use std::sync::Arc;

/// What the server opens.
#[derive(Clone)]
pub struct Doors {
    /// The engine.
    pub engine: Engine,
    /// Whose state it keeps.
    pub instance: String,
    /// The secrets of worlds.
    pub secrets: Arc<dyn SecretDoor>,
    /// Backups of the store.
    pub backups: Arc<dyn BackupDoor>,
    /// What only this machine and its files tell.
    pub machine: Arc<dyn MachineDoor>,
}

/// The secrets of worlds, as people set them. There is no way to read one back.
#[async_trait]
pub trait SecretDoor: Send + Sync {
    /// Sets a secret, durably.
    ///
    /// # Errors
    /// [`SecretFailure::Refused`] for what cannot be set here, and the reason.
    async fn set(
        &self,
        world: &Name,
        name: &SecretName,
        value: &Plain,
        by: &Principal,
    ) -> Result<SecretVersion, SecretFailure>;

    /// Removes a secret with all its versions, durably.
    ///
    /// # Errors
    /// [`SecretFailure::Missing`] when there is none.
    async fn remove(&self, world: &Name, name: &SecretName, by: &Principal) -> Result<(), SecretFailure>;

    /// The secrets of a world, sorted by name: those of the store, and those that its file takes from elsewhere.
    ///
    /// # Errors
    /// [`SecretFailure`] when the store cannot be read; one damaged secret fails alone.
    async fn list(&self, world: &Name) -> Result<Vec<SecretShown>, SecretFailure>;
}

/// One secret, without its value.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SecretShown {
    /// Its name.
    pub name: SecretName,
    /// Where it is: `store`, or what the world's file says: `env:API_KEY`.
    pub place: String,
    /// Its version now, or why it cannot be had.
    pub version: Result<SecretVersion, SecretFailure>,
    /// When it was set last and by whom, where it is in the store.
    pub set: Option<(Wall, Principal)>,
}

/// What only this machine and its files tell.
#[async_trait]
pub trait MachineDoor: Send + Sync {
    /// The port at which ways in by name answer on this machine, or will.
    fn http_port(&self) -> Option<u16>;

    /// Reads worlds and repositories as they are now: who asks right after a save is answered by what was saved, and not
    /// by what was seen of it so far.
    async fn read_catalogue(&self);
}

/// Backups of everything that the store holds.
#[async_trait]
pub trait BackupDoor: Send + Sync {
    /// Takes one: everything of one moment, verified before its first byte is given out. With a passphrase, the keys of
    /// the instance are in it, protected by that.
    ///
    /// # Errors
    /// Why there is none: nothing was left behind then.
    async fn backup(&self, passphrase: Option<&Plain>) -> Result<Backup, Why>;
}

/// A backup that was taken.
pub struct Backup {
    /// How many bytes it has.
    pub bytes: u64,
    /// The bytes.
    pub content: BoxStream<'static, std::io::Result<Bytes>>,
}
