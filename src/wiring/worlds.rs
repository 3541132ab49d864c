//! The last good files of worlds, kept in the state folder: what a world allows and asks for must not depend on whether its
//! file can be read when a server starts.

use crate::contract::{Scope, Store};
use crate::intake::WorldMemory;
use crate::model::Name;
use async_trait::async_trait;
use std::collections::BTreeMap;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

const ENDING: &str = "yaml";
/// What a stack has is in these rows.
const OWNED: &str = "owned";

/// The files, in `worlds/` of the state folder.
pub(super) struct KeptWorlds {
    folder: PathBuf,
    store: Arc<dyn Store>,
}

impl KeptWorlds {
    pub(super) fn new(state: &Path, store: Arc<dyn Store>) -> KeptWorlds {
        KeptWorlds { folder: state.join("worlds"), store }
    }

    /// What was kept. One that cannot be read is none: it is told, and its world's own file counts.
    pub(super) fn all(&self) -> BTreeMap<Name, Arc<[u8]>> {
        let mut kept = BTreeMap::new();
        for path in files(&self.folder) {
            let Some(name) = name_of(&path) else { continue };
            match fs::read(&path) {
                Ok(bytes) => drop(kept.insert(name, Arc::from(bytes))),
                Err(error) => tracing::warn!(%error, path = %path.display(), "what a world said last cannot be read"),
            }
        }
        kept
    }

    fn settle(folder: &Path, worlds: &BTreeMap<Name, Arc<[u8]>>) -> io::Result<()> {
        if !worlds.is_empty() {
            DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
        }
        let mut moved = false;
        for path in files(folder).filter(|path| name_of(path).is_some_and(|name| !worlds.contains_key(&name))) {
            fs::remove_file(path)?;
            moved = true;
        }
        for (name, bytes) in worlds {
            let path = folder.join(format!("{name}.{ENDING}"));
            if fs::read(&path).is_ok_and(|kept| *kept == **bytes) {
                continue;
            }
            let draft = folder.join(format!("{name}.draft"));
            let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&draft)?;
            file.write_all(bytes)?;
            file.sync_all()?;
            fs::rename(&draft, &path)?;
            moved = true;
        }
        if moved { File::open(folder)?.sync_all() } else { Ok(()) }
    }
}

fn files(folder: &Path) -> impl Iterator<Item = PathBuf> {
    fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path())
}

fn name_of(path: &Path) -> Option<Name> {
    let is_kept = path.extension().is_some_and(|ending| ending == ENDING);
    Name::new(path.file_stem()?.to_str()?).ok().filter(|_| is_kept)
}

#[async_trait]
impl WorldMemory for KeptWorlds {
    async fn is_used(&self, world: &Name) -> bool {
        let rows = self.store.load(&Scope::World(world.clone())).await;
        rows.map_or(true, |(rows, _)| rows.iter().any(|row| row.key.table_and_id().is_some_and(|(of, _)| of == OWNED)))
    }

    async fn keep(&self, worlds: &BTreeMap<Name, Arc<[u8]>>) {
        let (folder, worlds) = (self.folder.clone(), worlds.clone());
        let kept = tokio::task::spawn_blocking(move || KeptWorlds::settle(&folder, &worlds)).await;
        if let Err(error) = kept.unwrap_or_else(|panic| std::panic::resume_unwind(panic.into_panic())) {
            tracing::warn!(%error, "what the worlds say cannot be kept");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::memory::MemoryStore;

    #[tokio::test]
    async fn worlds_are_kept_and_forgotten() {
        let state = tempfile::tempdir().unwrap();
        let kept = || KeptWorlds::new(state.path(), Arc::new(MemoryStore::new("me")));
        let world = |name: &str, text: &str| (Name::new(name).unwrap(), Arc::<[u8]>::from(text.as_bytes()));
        let both = BTreeMap::from([world("edge", "world: edge"), world("laptop", "world: laptop")]);
        kept().keep(&both).await;
        assert_eq!(kept().all(), both);
        let one = BTreeMap::from([world("edge", "world: edge # another")]);
        kept().keep(&one).await;
        assert_eq!(kept().all(), one);
        assert!(!kept().is_used(&Name::fixed("edge")).await);
        kept().keep(&BTreeMap::new()).await;
        assert_eq!(kept().all(), BTreeMap::new());
    }
}
