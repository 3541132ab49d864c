//! `WorldSecrets`: the secrets of all worlds, from the store and from where world files say.

use super::head::Kept;
use super::keys::Keys;
use super::mapping::{self, Environment, SecretMapping, SecretMappings, SecretPlace};
use super::stored::{Stored, StoredSecret, check_name, not_set};
use crate::contract::{Clock, Plain, SecretFailure, Secrets, Store};
use crate::model::{Name, SecretName, SecretVersion, StackId};
use crate::state::Principal;
use async_trait::async_trait;
use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};

/// The secrets of all worlds. Doors set and list them; the engine asks through [`Secrets`], for one stack.
///
/// A stack is refused what is not meant for it: secrets with `for:` that does not name it, and secrets that deployd made
/// for another stack (`accounts/users.password`).
pub struct WorldSecrets {
    stored: Stored,
    mappings: RwLock<Arc<SecretMappings>>,
    environment: Environment,
}

/// A secret that a world's file maps to a place, as lists show it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct MappedSecret {
    /// Its name.
    pub name: SecretName,
    /// What the file says.
    pub mapping: SecretMapping,
    /// Its version now, or why it cannot be had.
    pub version: Result<SecretVersion, SecretFailure>,
}

impl WorldSecrets {
    /// Secrets over a store. No world maps anything until [`WorldSecrets::map`] is called.
    #[must_use]
    pub fn new(
        store: Arc<dyn Store>,
        keys: Arc<Keys>,
        clock: Arc<dyn Clock>,
        environment: Environment,
    ) -> WorldSecrets {
        WorldSecrets { stored: Stored { store, keys, clock }, mappings: RwLock::default(), environment }
    }

    /// What the files of all worlds say, whenever one changed: replaces what was said before.
    pub fn map(&self, mappings: SecretMappings) {
        *self.mappings.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(mappings);
    }

    /// Sets a secret of a world, durably. The version of this setting; the last ten are kept.
    ///
    /// # Errors
    /// [`SecretFailure::BadName`], [`SecretFailure::BadValue`] for an empty or too long one, and
    /// [`SecretFailure::Refused`] for a secret that the world's file maps elsewhere: what is set here would never be used.
    pub async fn set(
        &self,
        world: &Name,
        name: &SecretName,
        value: &Plain,
        by: &Principal,
    ) -> Result<SecretVersion, SecretFailure> {
        if let Some(place) = self.mapping(world, name).and_then(|mapping| mapping.place.shown()) {
            let why = format!("worlds/{world}.yaml says that it comes from {place}: set it there, or remove that line");
            return Err(SecretFailure::Refused(why));
        }
        self.stored.set(world, name, value, by).await.map(|number| SecretVersion(number.to_string()))
    }

    /// Removes a secret of a world with all its versions, durably. May be repeated after a failure.
    ///
    /// # Errors
    /// [`SecretFailure::Missing`] when there is none.
    pub async fn remove(&self, world: &Name, name: &SecretName, by: &Principal) -> Result<(), SecretFailure> {
        self.stored.remove(world, name, by).await
    }

    /// The stored secrets of a world, sorted by name: versions, when and by whom, never values.
    ///
    /// # Errors
    /// [`SecretFailure`] when the store cannot be read; one damaged row fails alone.
    pub async fn list(&self, world: &Name) -> Result<Vec<StoredSecret>, SecretFailure> {
        let heads = self.stored.heads(world).await?;
        let listed = heads.into_iter().map(|(name, head)| StoredSecret { name, kept: head.map(|head| head.kept) });
        Ok(listed.filter(|secret| !secret.kept.as_ref().is_ok_and(Vec::is_empty)).collect())
    }

    /// The secrets that a world's file maps, sorted by name, and whether each can be had now.
    pub fn list_mapped(&self, world: &Name) -> Vec<MappedSecret> {
        let mappings = self.mappings();
        let of_world = mappings.get(world).into_iter().flatten();
        let elsewhere = of_world.filter_map(|(name, mapping)| {
            let read = mapping::read(&mapping.place, &self.environment)?;
            let version = read.and_then(|whole| self.version_of(world, name, mapping, &whole));
            Some(MappedSecret { name: name.clone(), mapping: mapping.clone(), version })
        });
        elsewhere.collect()
    }

    /// What is kept of one stored secret, in order; the last is the current one.
    ///
    /// # Errors
    /// [`SecretFailure::Missing`] when there is none.
    pub async fn kept(&self, world: &Name, name: &SecretName) -> Result<Vec<Kept>, SecretFailure> {
        let head = self.stored.heads(world).await?.remove(name).ok_or_else(|| not_set(world, name))??;
        if head.kept.is_empty() { Err(not_set(world, name)) } else { Ok(head.kept) }
    }

    /// Seals the stored secrets of a world that an earlier key sealed with the key that seals now. How many rows that
    /// were. When it answers 0 for every world, and no recorded output needs it either, the earlier key can go.
    ///
    /// # Errors
    /// [`SecretFailure`]; what was done by then is done.
    pub async fn reseal(&self, world: &Name) -> Result<usize, SecretFailure> {
        self.stored.reseal(world).await
    }

    fn version(
        &self,
        of: &StackId,
        name: &SecretName,
        heads: &Result<BTreeMap<SecretName, Result<super::head::Head, SecretFailure>>, SecretFailure>,
    ) -> Result<SecretVersion, SecretFailure> {
        let mapping = self.allowed(of, name)?;
        let read = mapping.as_ref().and_then(|mapping| mapping::read(&mapping.place, &self.environment));
        if let (Some(mapping), Some(whole)) = (&mapping, read) {
            return self.version_of(&of.world, name, mapping, &whole?);
        }
        let heads = heads.as_ref().map_err(Clone::clone)?;
        let head = heads.get(name).ok_or_else(|| not_set(&of.world, name))?.as_ref().map_err(Clone::clone)?;
        let kept = head.current().ok_or_else(|| not_set(&of.world, name))?;
        let key = mapping.and_then(|mapping| mapping.key);
        Ok(SecretVersion(with_key(&kept.number.to_string(), key.as_deref())))
    }

    async fn open_one(&self, of: &StackId, name: &SecretName, wanted: &SecretVersion) -> Result<Plain, SecretFailure> {
        let mapping = self.allowed(of, name)?;
        let key = mapping.as_ref().and_then(|mapping| mapping.key.clone());
        let read = mapping.as_ref().and_then(|mapping| mapping::read(&mapping.place, &self.environment));
        if let (Some(mapping), Some(whole)) = (&mapping, read) {
            let whole = whole?;
            if self.version_of(&of.world, name, mapping, &whole)? != *wanted {
                return Err(SecretFailure::Changed);
            }
            return part(whole, key.as_deref());
        }
        let number = wanted.0.split('/').next().and_then(|number| number.parse().ok()).ok_or(SecretFailure::Changed)?;
        if with_key(&u64::to_string(&number), key.as_deref()) != wanted.0 {
            return Err(SecretFailure::Changed);
        }
        part(self.stored.open(&of.world, name, number).await?, key.as_deref())
    }

    /// What the world's file says of a secret; refused, if it is not for this stack.
    fn allowed(&self, of: &StackId, name: &SecretName) -> Result<Option<SecretMapping>, SecretFailure> {
        check_name(name)?;
        if let Some((owner, _)) = name.0.split_once('/')
            && owner != of.stack.as_str()
        {
            return Err(SecretFailure::Refused(format!("deployd made it for {owner}, not for {}", of.stack)));
        }
        let mapping = self.mapping(&of.world, name);
        match mapping.as_ref().and_then(|mapping| mapping.stacks.as_ref()) {
            Some(stacks) if !stacks.contains(&of.stack) => {
                let stacks: Vec<_> = stacks.iter().map(Name::as_str).collect();
                let world = &of.world;
                let why =
                    format!("worlds/{world}.yaml says that it is for {}, not for {}", stacks.join(", "), of.stack);
                Err(SecretFailure::Refused(why))
            }
            _ => Ok(mapping),
        }
    }

    /// The version of what lies outside the store: a keyed digest of the value, since nothing counts its settings.
    fn version_of(
        &self,
        world: &Name,
        name: &SecretName,
        mapping: &SecretMapping,
        whole: &Plain,
    ) -> Result<SecretVersion, SecretFailure> {
        let value = match &mapping.key {
            Some(key) => &mapping::field(whole, key)?,
            None => whole,
        };
        let bound = [b"secret version\0", world.as_bytes(), &[0], name.0.as_bytes(), &[0]].concat();
        let digest = self.stored.keys.digest_key().digest([&bound, value.expose().as_bytes()].concat());
        Ok(SecretVersion(format!("at-{}", &digest.to_string()[..16])))
    }

    fn mapping(&self, world: &Name, name: &SecretName) -> Option<SecretMapping> {
        self.mappings().get(world)?.get(name).cloned()
    }

    fn mappings(&self) -> Arc<SecretMappings> {
        Arc::clone(&self.mappings.read().unwrap_or_else(PoisonError::into_inner))
    }
}

#[async_trait]
impl Secrets for WorldSecrets {
    async fn versions(
        &self,
        of: &StackId,
        names: &[SecretName],
    ) -> BTreeMap<SecretName, Result<SecretVersion, SecretFailure>> {
        let heads = if names.is_empty() { Ok(BTreeMap::new()) } else { self.stored.heads(&of.world).await };
        let mut versions = BTreeMap::new();
        for name in names {
            versions.insert(name.clone(), self.version(of, name, &heads));
        }
        versions
    }

    async fn open(
        &self,
        of: &StackId,
        wanted: &BTreeMap<SecretName, SecretVersion>,
    ) -> Result<BTreeMap<SecretName, Plain>, (SecretName, SecretFailure)> {
        let mut opened = BTreeMap::new();
        for (name, version) in wanted {
            let value = self.open_one(of, name, version).await.map_err(|failure| (name.clone(), failure))?;
            opened.insert(name.clone(), value);
        }
        Ok(opened)
    }

    async fn make(&self, of: &StackId, name: &SecretName, length: u32) -> Result<SecretVersion, SecretFailure> {
        let mapping = self.allowed(of, name)?;
        if let Some(place) = mapping.and_then(|mapping| mapping.place.shown()) {
            return Err(SecretFailure::Refused(format!("deployd makes it, but the world's file maps it to {place}")));
        }
        let by = maker(of);
        let number = self.stored.make(&of.world, name, length, &by).await?;
        Ok(SecretVersion(number.to_string()))
    }

    async fn forget(&self, of: &StackId) -> Result<(), SecretFailure> {
        let by = maker(of);
        for (name, head) in self.stored.heads(&of.world).await? {
            // One that cannot be read is nobody's to remove.
            let Ok(head) = head else { continue };
            if !head.kept.is_empty() && head.kept.iter().all(|kept| kept.by == by) {
                match self.stored.remove(&of.world, &name, &by).await {
                    Ok(()) | Err(SecretFailure::Missing(_)) => {}
                    Err(failure) => return Err(failure),
                }
            }
        }
        Ok(())
    }
}

/// Who makes the secrets of a stack.
fn maker(of: &StackId) -> Principal {
    Principal(format!("deployd for {}", of.stack))
}

impl SecretPlace {
    /// How messages call a place outside the store.
    fn shown(&self) -> Option<String> {
        match self {
            SecretPlace::Store => None,
            SecretPlace::Env(variable) => Some(format!("the server's variable {variable}")),
            SecretPlace::File(path) => Some(path.display().to_string()),
            SecretPlace::NotBuilt(place) => Some(format!("`{place}:`")),
        }
    }
}

fn with_key(number: &str, key: Option<&str>) -> String {
    key.map_or_else(|| number.to_owned(), |key| format!("{number}/{key}"))
}

fn part(whole: Plain, key: Option<&str>) -> Result<Plain, SecretFailure> {
    match key {
        Some(key) => mapping::field(&whole, key),
        None => Ok(whole),
    }
}
