//! Upkeep: every hour the store is exported and the export is verified; what nothing names any more is swept: blobs,
//! contents of files, old events.
//!
//! It must never take away what a row names, nor what was kept so lately that its row may still be on its way. Where a row
//! cannot be read, what it names is not known, and nothing is swept.

use crate::contract::{Clock, Contents, Cursor, Serial, Store};
use crate::engine::named;
use crate::model::{Digest, Milliseconds};
use crate::store::export::{Dump, Record, exports, keep_export};
use crate::store::exports_folder;
use crate::store::sled::SledStore;
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// The first time so long after a start: a server that lives for one command has other things to do.
const FIRST: Milliseconds = Milliseconds::seconds(60);
/// From then on.
const EVERY: Milliseconds = Milliseconds::seconds(3600);
/// A day of them.
const EXPORTS_KEPT: usize = 24;
/// Contents that were kept less long ago stay, named or not.
const SPARED: Duration = Duration::from_secs(24 * 3600);
/// So many batches back events can be listened to again.
const EVENTS_KEPT: u64 = 20_000;

/// Who does it.
pub(super) struct Upkeep {
    pub store: Arc<SledStore>,
    pub contents: Arc<dyn Contents>,
    pub state: PathBuf,
    pub clock: Arc<dyn Clock>,
}

impl Upkeep {
    /// Goes on until it is told to end. What fails is told, and tried again the next time.
    pub(super) async fn run(self, until: CancellationToken) {
        let mut at = self.clock.now().steady.plus(FIRST);
        // What was kept before the time before is old enough to go.
        let mut before = Serial::default();
        loop {
            tokio::select! {
                biased;
                () = until.cancelled() => return,
                () = self.clock.until(at) => {}
            }
            match self.once(before).await {
                Ok(serial) => before = serial,
                Err(why) => tracing::warn!("the hourly export and clean-up did not come about: {why}"),
            }
            at = self.clock.now().steady.plus(EVERY);
        }
    }

    /// One time. Answers how far the store was then.
    async fn once(&self, before: Serial) -> Result<Serial, String> {
        let dump = self.store.dump().await.map_err(|error| error.to_string())?;
        let (folder, now) = (exports_folder(&self.state), self.clock.now().wall);
        let export = move || {
            let ends = format!("-{}.export", dump.serial.0);
            let has_it = |path: &PathBuf| path.to_string_lossy().ends_with(&ends);
            let is_done = exports(&folder).is_ok_and(|all| all.iter().any(has_it));
            if !is_done {
                keep_export(&dump, &folder, now, EXPORTS_KEPT).map_err(|error| error.to_string())?;
            }
            Ok((dump.serial, needed(&dump)))
        };
        let exported: Result<_, String> =
            tokio::task::spawn_blocking(export).await.map_err(|panic| panic.to_string())?;
        let (serial, needed) = exported?;
        let needed = needed.ok_or("a row cannot be read, so nothing is swept")?;
        let events_before = Cursor { serial: serial.0.saturating_sub(EVENTS_KEPT), ..Cursor::default() };
        self.store.sweep(&needed, before, events_before).await.map_err(|error| error.to_string())?;
        self.contents.sweep(&needed, SPARED).await.map_err(|error| error.to_string())?;
        Ok(serial)
    }
}

/// Everything that is named by rows, directly or not; nothing where a row cannot be read.
fn needed(dump: &Dump) -> Option<BTreeSet<Digest>> {
    let mut blobs: BTreeMap<Digest, &[u8]> = BTreeMap::new();
    let mut rows: Vec<&[u8]> = Vec::new();
    for record in &dump.records {
        match record {
            Record::Row(row) => rows.push(row.bytes.as_ref().ok()?),
            Record::Blob { digest, bytes, .. } => drop(blobs.insert(*digest, bytes)),
            Record::Unreadable { .. } => return None,
            Record::Fence { .. } | Record::Event(_) => {}
        }
    }
    Some(named(rows, &blobs))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::SystemClock;
    use crate::contract::{Batch, Genesis, Key};
    use crate::model::{Name, StackId};
    use crate::source::FolderContents;
    use crate::store::export::ExportFile;
    use crate::store::sled::{Settings, Start};

    #[tokio::test]
    async fn what_is_named_stays_and_an_export_is_there() {
        let folder = tempfile::tempdir().unwrap();
        let state = folder.path().to_owned();
        let genesis = Genesis {
            format: crate::contract::STORE_FORMAT,
            instance: "i".to_owned(),
            lineage: "l".to_owned(),
            created: crate::model::Wall(0),
            restored: None,
        };
        let settings = Settings::of("a test");
        let store =
            Arc::new(SledStore::open(&crate::store::folder(&state), Start::OrCreate(genesis), &settings).unwrap());
        let contents = Arc::new(FolderContents::open(&state.join("contents")).unwrap());
        let clock: Arc<dyn Clock> = Arc::new(SystemClock::start().unwrap());
        let upkeep = Upkeep { store: Arc::clone(&store), contents, state: state.clone(), clock };

        let (kept, unused) = (store.keep(b"kept").await.unwrap(), store.keep(b"unused").await.unwrap());
        let stack = StackId::new(Name::fixed("laptop"), Name::fixed("shop"));
        let row = (Key::stack(&stack, "revision", "1"), format!("{{\"manifest\":\"{kept}\"}}").into_bytes());
        let serial = store.commit(Batch { put: vec![row], ..Batch::default() }).await;
        assert!(serial.is_ok(), "{serial:?}");

        let serial = upkeep.once(Serial::default()).await.unwrap();
        assert!(store.blob(unused).await.is_ok(), "it may be about to be named");
        upkeep.once(Serial(serial.0 + 1)).await.unwrap();
        assert!(store.blob(unused).await.is_err());
        assert_eq!(store.blob(kept).await.unwrap(), b"kept");
        let all = exports(&exports_folder(&state)).unwrap();
        assert_eq!(all.len(), 1, "nothing was written in between: {all:?}");
        ExportFile::read(&all[0]).unwrap();
    }
}
