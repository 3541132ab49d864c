//! Secrets of worlds over real stores and keys in real folders: what is set is had, what was tampered with is refused,
//! and no value is anywhere that it can be read.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod canary;
mod keys;
mod mapping;
mod rotation;
mod stored;
mod tamper;

use deployd::clock::ManualClock;
use deployd::contract::{Batch, Key, Plain, Row, Scope, SecretFailure, Secrets as _, Store};
use deployd::model::{Name, SecretName, SecretVersion, StackId, Wall};
use deployd::secrets::{KeyPlace, Keys, SecretMapping, SecretPlace, WorldSecrets};
use deployd::state::Principal;
use deployd::store::memory::MemoryStore;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use tempfile::TempDir;

/// Secrets of an instance, with everything beneath them.
struct Given {
    home: TempDir,
    store: Arc<dyn Store>,
    keys: Arc<Keys>,
    environment: Arc<Mutex<BTreeMap<String, String>>>,
    secrets: WorldSecrets,
}

impl Given {
    fn new() -> Given {
        Given::over(Arc::new(MemoryStore::new("abc")))
    }

    fn over(store: Arc<dyn Store>) -> Given {
        let home = tempfile::tempdir().unwrap();
        let place = KeyPlace::Folder(home.path().join("keys"));
        let keys = Arc::new(Keys::create(&place, "abc", &home.path().join("state")).unwrap());
        let environment = Arc::<Mutex<BTreeMap<String, String>>>::default();
        let secrets = secrets(&store, &keys, &environment);
        Given { home, store, keys, environment, secrets }
    }

    /// The same state, as a server that starts with these keys sees it.
    fn with_keys(&self, keys: Keys) -> WorldSecrets {
        secrets(&self.store, &Arc::new(keys), &self.environment)
    }

    fn key_folder(&self) -> PathBuf {
        self.home.path().join("keys/abc")
    }

    async fn set(&self, world: &Name, name: &str, value: &str) -> Result<SecretVersion, SecretFailure> {
        self.secrets.set(world, &secret(name), &plain(value), &ann()).await
    }

    /// The current value, as the engine has it for a stack.
    async fn value(&self, of: &StackId, name: &str) -> Result<String, SecretFailure> {
        value(&self.secrets, of, name).await
    }

    async fn at(&self, of: &StackId, name: &str, version: &SecretVersion) -> Result<String, SecretFailure> {
        open(&self.secrets, of, name, version).await
    }

    async fn rows(&self) -> Vec<Row> {
        self.store.load(&Scope::Everything).await.unwrap().0
    }

    /// The row of a table of `laptop`, by what its key ends with.
    async fn row(&self, ends: &str) -> Row {
        let mut rows = self.rows().await;
        rows.retain(|row| row.key.as_str().ends_with(ends));
        assert_eq!(rows.len(), 1, "{ends}");
        rows.remove(0)
    }

    /// Writes what nobody of ours would write.
    async fn put(&self, key: &Key, bytes: &[u8]) {
        let batch = Batch { put: vec![(key.clone(), bytes.to_vec())], ..Batch::default() };
        self.store.commit(batch).await.unwrap();
    }

    async fn take_away(&self, key: &Key) {
        self.store.commit(Batch { remove: vec![key.clone()], ..Batch::default() }).await.unwrap();
    }
}

fn secrets(
    store: &Arc<dyn Store>,
    keys: &Arc<Keys>,
    environment: &Arc<Mutex<BTreeMap<String, String>>>,
) -> WorldSecrets {
    let environment = Arc::clone(environment);
    let clock = Arc::new(ManualClock::new(Wall(1_700_000_000_000)));
    let look = move |name: &str| environment.lock().unwrap().get(name).cloned();
    WorldSecrets::new(Arc::clone(store), Arc::clone(keys), clock, Box::new(look))
}

async fn value(secrets: &WorldSecrets, of: &StackId, name: &str) -> Result<String, SecretFailure> {
    let version = secrets.versions(of, &[secret(name)]).await.remove(&secret(name)).unwrap()?;
    open(secrets, of, name, &version).await
}

async fn open(
    secrets: &WorldSecrets,
    of: &StackId,
    name: &str,
    version: &SecretVersion,
) -> Result<String, SecretFailure> {
    let wanted = [(secret(name), version.clone())].into();
    let opened = secrets.open(of, &wanted).await.map_err(|(failed, failure)| {
        assert_eq!(failed, secret(name));
        failure
    })?;
    Ok(opened[&secret(name)].expose().to_owned())
}

fn laptop() -> Name {
    Name::fixed("laptop")
}

fn guestbook() -> StackId {
    StackId::new(laptop(), Name::fixed("guestbook"))
}

fn secret(name: &str) -> SecretName {
    SecretName(name.to_owned())
}

fn plain(text: &str) -> Plain {
    Plain::new(text.to_owned())
}

fn ann() -> Principal {
    Principal("ann".to_owned())
}

fn row_bytes(row: &Row) -> Vec<u8> {
    row.bytes.as_ref().unwrap().to_vec()
}

/// A mapping to a place, for all stacks.
fn mapped(place: SecretPlace) -> SecretMapping {
    SecretMapping { place, key: None, stacks: None }
}
