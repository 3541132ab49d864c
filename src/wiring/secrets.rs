//! Secrets between their room, the worlds' files, and the server's door.

use crate::contract::{Plain, SecretFailure};
use crate::model::{Name, SecretName, SecretVersion};
use crate::secrets::{MappedSecret, SecretMapping, SecretMappings, SecretPlace, StoredSecret, WorldSecrets};
use crate::server::{SecretDoor, SecretShown};
use crate::state::Principal;
use crate::world::{SecretFrom, SecretSource, World};
use async_trait::async_trait;
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;

/// The mappings of all worlds.
pub(super) fn mappings<'w>(worlds: impl IntoIterator<Item = &'w Arc<World>>) -> SecretMappings {
    let of_world = |world: &Arc<World>| {
        let lines = world.secrets.values().map(|line| (SecretName(line.name.value.clone()), mapping(line)));
        (world.name.value.clone(), lines.collect())
    };
    worlds.into_iter().map(of_world).collect()
}

fn mapping(line: &SecretSource) -> SecretMapping {
    let place = match &line.from {
        SecretFrom::Store => SecretPlace::Store,
        SecretFrom::Env(variable) => SecretPlace::Env(variable.value.clone()),
        SecretFrom::File(path) => SecretPlace::File(PathBuf::from(&path.value)),
        SecretFrom::Aws(_) => SecretPlace::NotBuilt("aws".to_owned()),
        SecretFrom::Kubernetes(_) => SecretPlace::NotBuilt("kubernetes".to_owned()),
    };
    let stacks = line.only_for.as_ref();
    let stacks = stacks.map(|stacks| stacks.iter().map(|stack| stack.value.clone()).collect::<BTreeSet<Name>>());
    SecretMapping { place, key: line.key.as_ref().map(|key| key.value.clone()), stacks }
}

/// The secrets of worlds, as the server's door takes them.
pub struct SecretRoom(pub Arc<WorldSecrets>);

#[async_trait]
impl SecretDoor for SecretRoom {
    async fn set(
        &self,
        world: &Name,
        name: &SecretName,
        value: &Plain,
        by: &Principal,
    ) -> Result<SecretVersion, SecretFailure> {
        self.0.set(world, name, value, by).await
    }

    async fn remove(&self, world: &Name, name: &SecretName, by: &Principal) -> Result<(), SecretFailure> {
        self.0.remove(world, name, by).await
    }

    async fn list(&self, world: &Name) -> Result<Vec<SecretShown>, SecretFailure> {
        let stored = self.0.list(world).await?.into_iter().map(stored);
        let mapped = self.0.list_mapped(world).into_iter().map(mapped);
        // What the file maps elsewhere is what is used, also where the store has one of that name.
        let by_name: BTreeMap<SecretName, SecretShown> =
            stored.chain(mapped).map(|shown| (shown.name.clone(), shown)).collect();
        Ok(by_name.into_values().collect())
    }
}

fn stored(secret: StoredSecret) -> SecretShown {
    let last = secret.kept.map(|kept| kept.into_iter().last());
    let (version, set) = match last {
        Ok(Some(last)) => (Ok(SecretVersion(last.number.to_string())), Some((last.at, last.by))),
        Ok(None) => (Err(SecretFailure::Missing("nothing of it is kept".to_owned())), None),
        Err(failure) => (Err(failure), None),
    };
    SecretShown { name: secret.name, place: "store".to_owned(), version, set }
}

fn mapped(secret: MappedSecret) -> SecretShown {
    let place = match &secret.mapping.place {
        SecretPlace::Store => "store".to_owned(),
        SecretPlace::Env(variable) => format!("env:{variable}"),
        SecretPlace::File(path) => format!("file:{}", path.display()),
        SecretPlace::NotBuilt(place) => place.clone(),
    };
    SecretShown { name: secret.name, place, version: secret.version, set: None }
}
