//! Upkeep: every hour the store is exported, and the export is read back and verified. Should the store ever be lost, the
//! newest export is what is restored.

use crate::contract::Clock;
use crate::model::Milliseconds;
use crate::store::export::{exports, keep_export};
use crate::store::exports_folder;
use crate::store::sled::SledStore;
use std::path::PathBuf;
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

/// The first time so long after a start: a server that lives for one command has other things to do.
const FIRST: Milliseconds = Milliseconds::seconds(60);
/// From then on.
const EVERY: Milliseconds = Milliseconds::seconds(3600);
/// A day of them.
const EXPORTS_KEPT: usize = 24;

/// Who does it.
pub(super) struct Upkeep {
    pub store: Arc<SledStore>,
    pub state: PathBuf,
    pub clock: Arc<dyn Clock>,
}

impl Upkeep {
    /// Goes on until it is told to end. What fails is told, and tried again the next time.
    pub(super) async fn run(self, until: CancellationToken) {
        let mut at = self.clock.now().steady.plus(FIRST);
        loop {
            tokio::select! {
                biased;
                () = until.cancelled() => return,
                () = self.clock.until(at) => {}
            }
            if let Err(why) = self.once().await {
                tracing::warn!("the hourly export did not come about: {why}");
            }
            at = self.clock.now().steady.plus(EVERY);
        }
    }

    /// One time; where nothing was written since the last one, that one is good.
    async fn once(&self) -> Result<(), String> {
        let dump = self.store.dump().await.map_err(|error| error.to_string())?;
        let (folder, now) = (exports_folder(&self.state), self.clock.now().wall);
        let export = move || {
            let ends = format!("-{}.export", dump.serial.0);
            let has_it = |path: &PathBuf| path.to_string_lossy().ends_with(&ends);
            if exports(&folder).is_ok_and(|all| all.iter().any(has_it)) {
                return Ok(());
            }
            keep_export(&dump, &folder, now, EXPORTS_KEPT).map(drop).map_err(|error| error.to_string())
        };
        tokio::task::spawn_blocking(export).await.map_err(|panic| panic.to_string())?
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::SystemClock;
    use crate::contract::{Batch, Genesis, Key, STORE_FORMAT, Store};
    use crate::model::{Name, StackId, Wall};
    use crate::store::export::ExportFile;
    use crate::store::sled::{Settings, Start};
    use std::os::unix::fs::PermissionsExt;

    #[tokio::test]
    async fn what_was_written_is_exported_once() {
        let folder = tempfile::tempdir().unwrap();
        let state = folder.path().to_owned();
        let genesis = Genesis {
            format: STORE_FORMAT,
            instance: "i".to_owned(),
            lineage: "l".to_owned(),
            created: Wall(0),
            restored: None,
        };
        let opened = SledStore::open(&crate::store::folder(&state), Start::OrCreate(genesis), &Settings::of("a test"));
        let store = Arc::new(opened.unwrap());
        let clock: Arc<dyn Clock> = Arc::new(SystemClock::start().unwrap());
        let upkeep = Upkeep { store: Arc::clone(&store), state: state.clone(), clock };
        let stack = StackId::new(Name::fixed("laptop"), Name::fixed("shop"));
        for (number, exported) in [(1, 1), (2, 2)] {
            let row = (Key::stack(&stack, "revision", "1"), format!("{{\"number\":{number}}}").into_bytes());
            store.commit(Batch { put: vec![row], ..Batch::default() }).await.unwrap();
            upkeep.once().await.unwrap();
            upkeep.once().await.unwrap();
            let all = exports(&exports_folder(&state)).unwrap();
            assert_eq!(all.len(), exported);
            let mode = std::fs::metadata(exports_folder(&state)).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o700, "what is in it is its owner's alone");
            all.iter().for_each(|path| drop(ExportFile::read(path).unwrap()));
        }
    }
}
