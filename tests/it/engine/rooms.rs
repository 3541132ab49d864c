//! What real rooms need a disk for: a source and contents in memory. And a provider that dies where it is told to.

use async_trait::async_trait;
use deployd::contract::{
    At, ContentFailure, ContentListing, Contents, Failure, File, FilePath, Filled, Finding, Freshness, Hint, ListScope,
    Listing, LogFrom, LogStream, Order, Outcome, Provider, Query, Snapshot, Source, SourceFailure, Whole,
    content_digest,
};
use deployd::engine::Rooms;
use deployd::model::{Capability, Digest, Identity, Kind, Name};
use deployd::state::{Presence, Seen, SourceId, Why, WhyCode};
use futures::StreamExt as _;
use futures::stream::BoxStream;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::watch;

/// A folder in memory. Clones are the same folder.
#[derive(Clone)]
pub struct Folder(Arc<FolderInner>);

struct FolderInner {
    state: Mutex<FolderState>,
    changed: watch::Sender<u64>,
    /// How many reads have begun.
    reads: watch::Sender<u64>,
    /// Whether reads wait before they answer.
    held: watch::Sender<bool>,
}

#[derive(Default)]
struct FolderState {
    files: BTreeMap<FilePath, (File, Vec<u8>)>,
    mood: Mood,
}

/// What a read of the folder meets.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub enum Mood {
    /// It is read as it is.
    #[default]
    Whole,
    /// It changes while it is read: half of the files are seen, and that is told.
    Torn,
    /// It is not there.
    Missing,
    /// It cannot be read now.
    Unreadable,
}

impl Folder {
    pub fn new() -> Folder {
        Folder::of(FolderState::default())
    }

    fn of(state: FolderState) -> Folder {
        Folder(Arc::new(FolderInner {
            state: Mutex::new(state),
            changed: watch::Sender::new(0),
            reads: watch::Sender::new(0),
            held: watch::Sender::new(false),
        }))
    }

    fn copy(&self) -> Folder {
        let state = self.0.state.lock().unwrap();
        Folder::of(FolderState { files: state.files.clone(), mood: state.mood })
    }

    /// Writes a file, as an editor would: whoever watches is told.
    pub fn write(&self, path: &str, text: &str) {
        let bytes = text.as_bytes().to_vec();
        let file = File::Regular { digest: Digest::of(&bytes), size: bytes.len() as u64, executable: false };
        self.0.state.lock().unwrap().files.insert(FilePath::new(path).unwrap(), (file, bytes));
        self.touch();
    }

    pub fn remove(&self, path: &str) {
        self.0.state.lock().unwrap().files.remove(path);
        self.touch();
    }

    /// Takes everything away, and answers what was there.
    pub fn clear(&self) -> BTreeMap<String, Vec<u8>> {
        let files = std::mem::take(&mut self.0.state.lock().unwrap().files);
        self.touch();
        files.into_iter().map(|(path, (_, bytes))| (path.to_string(), bytes)).collect()
    }

    pub fn mood(&self, mood: Mood) {
        self.0.state.lock().unwrap().mood = mood;
        self.touch();
    }

    /// Reads take their time: what they answer was there when they began, and they answer once they are let go.
    pub fn hold(&self, held: bool) {
        self.0.held.send_replace(held);
    }

    /// How many reads have begun.
    pub fn reads(&self) -> u64 {
        *self.0.reads.borrow()
    }

    fn touch(&self) {
        self.0.changed.send_modify(|count| *count += 1);
    }

    fn now(&self) -> Result<Snapshot, SourceFailure> {
        let state = self.0.state.lock().unwrap();
        let mut files: BTreeMap<FilePath, File> =
            state.files.iter().map(|(path, (file, _))| (path.clone(), file.clone())).collect();
        let whole = match state.mood {
            Mood::Missing => return Err(SourceFailure::Missing("the folder".to_owned())),
            Mood::Unreadable => return Err(SourceFailure::Unreachable("the disk does not answer".to_owned())),
            Mood::Whole => Whole::Whole,
            Mood::Torn => {
                let half = files.len() / 2;
                files = files.into_iter().take(half).collect();
                Whole::Torn("it was being emptied".to_owned())
            }
        };
        Ok(Snapshot { pin: pin(&files), files, whole, left_out: Default::default() })
    }
}

#[async_trait]
impl Source for Folder {
    async fn read(&self, _: &At) -> Result<Snapshot, SourceFailure> {
        self.0.reads.send_modify(|count| *count += 1);
        let snapshot = self.now();
        let mut held = self.0.held.subscribe();
        drop(held.wait_for(|held| !held).await);
        snapshot
    }

    async fn bytes(&self, path: &FilePath, file: &File) -> Result<Vec<u8>, SourceFailure> {
        let state = self.0.state.lock().unwrap();
        let gone = || SourceFailure::Unreachable(format!("{path} changed meanwhile"));
        let (there, bytes) = state.files.get(path).ok_or_else(gone)?;
        if there == file { Ok(bytes.clone()) } else { Err(gone()) }
    }

    fn hints(&self) -> BoxStream<'static, ()> {
        let changed = self.0.changed.subscribe();
        futures::stream::unfold(changed, |mut changed| async move {
            changed.changed().await.ok()?;
            Some(((), changed))
        })
        .boxed()
    }
}

/// What names a listing.
fn pin(files: &BTreeMap<FilePath, File>) -> String {
    let mut listed = Vec::new();
    for (path, file) in files {
        listed.extend_from_slice(path.as_str().as_bytes());
        listed.push(0);
        listed.extend(file.digest().iter().flat_map(Digest::bytes));
    }
    Digest::of(listed).to_string()
}

/// Contents in memory: they outlive the engine, as a disk would.
#[derive(Default)]
pub struct Kept(Mutex<BTreeMap<Digest, KeptContent>>);

struct KeptContent {
    listing: ContentListing,
    bytes: BTreeMap<FilePath, Vec<u8>>,
    /// It was kept since the last sweep: the row that names it may not be written yet.
    is_young: bool,
}

impl Kept {
    pub fn count(&self) -> usize {
        self.0.lock().unwrap().len()
    }
}

#[async_trait]
impl Contents for Kept {
    async fn keep(&self, snapshot: &Snapshot, source: &dyn Source, adds: &str) -> Result<Digest, ContentFailure> {
        let mut bytes = BTreeMap::new();
        for (path, file) in &snapshot.files {
            let read = source.bytes(path, file).await.map_err(|error| ContentFailure::Torn(error.to_string()))?;
            bytes.insert(path.clone(), read);
        }
        let digest = content_digest(&snapshot.files, adds);
        let content = KeptContent { listing: snapshot.files.clone(), bytes, is_young: true };
        self.0.lock().unwrap().insert(digest, content);
        Ok(digest)
    }

    async fn listing(&self, content: Digest) -> Result<ContentListing, ContentFailure> {
        let kept = self.0.lock().unwrap();
        kept.get(&content).map(|kept| kept.listing.clone()).ok_or(ContentFailure::Missing(content))
    }

    async fn bytes(&self, content: Digest, path: &FilePath) -> Result<Vec<u8>, ContentFailure> {
        let kept = self.0.lock().unwrap();
        let bytes = kept.get(&content).and_then(|kept| kept.bytes.get(path));
        bytes.cloned().ok_or(ContentFailure::Missing(content))
    }

    async fn materialise(&self, _: Digest, _: &Path) -> Result<(), ContentFailure> {
        panic!("a simulated world copies nothing")
    }

    async fn sweep(&self, kept: &BTreeSet<Digest>, _: Duration) -> Result<usize, ContentFailure> {
        let mut all = self.0.lock().unwrap();
        let before = all.len();
        all.retain(|digest, content| content.is_young || kept.contains(digest));
        all.values_mut().for_each(|content| content.is_young = false);
        Ok(before - all.len())
    }
}

/// One world with one provider, and folders by their ids.
pub struct OneWorld {
    pub provider: Arc<dyn Provider>,
    pub folders: Folders,
}

/// Folders by their ids.
#[derive(Clone, Default)]
pub struct Folders(Arc<Mutex<BTreeMap<SourceId, Folder>>>);

impl Folders {
    /// Other folders that hold the same.
    pub fn copy(&self) -> Folders {
        let folders = self.0.lock().unwrap();
        Folders(Arc::new(Mutex::new(folders.iter().map(|(id, folder)| (id.clone(), folder.copy())).collect())))
    }

    /// The folder of that id; made at the first call.
    pub fn get(&self, id: &SourceId) -> Folder {
        self.0.lock().unwrap().entry(id.clone()).or_insert_with(Folder::new).clone()
    }
}

/// The capability that makes everything here.
fn maker() -> Capability {
    Capability::fixed("deploy:simulated")
}

impl Rooms for OneWorld {
    fn providers(&self, _: &Name) -> BTreeMap<Capability, Result<Arc<dyn Provider>, Why>> {
        BTreeMap::from([(maker(), Ok(Arc::clone(&self.provider)))])
    }

    fn maker(&self, _: &Name, _: &Kind) -> Option<Capability> {
        Some(maker())
    }

    fn source(&self, id: &SourceId) -> Result<Arc<dyn Source>, Why> {
        match id.0.starts_with("folder:") || id.0.starts_with("git:") {
            true => Ok(Arc::new(self.folders.get(id))),
            false => Err(Why::new(WhyCode::Missing, format!("there is no source {}", id.0))),
        }
    }
}

/// Where the process dies, or what is seen of each call: wraps a provider.
pub struct Mortal {
    inner: Arc<dyn Provider>,
    state: Mutex<MortalState>,
    dead: watch::Sender<bool>,
    /// Called as the process dies, so that nothing else of it lives on.
    on_death: Box<dyn Fn() + Send + Sync>,
    /// Whether something else has ended the process.
    is_dead: Box<dyn Fn() -> bool + Send + Sync>,
}

#[derive(Default)]
struct MortalState {
    /// Each call so far: whether it changes something.
    calls: Vec<bool>,
    cut: Option<(u64, Side)>,
    ails: BTreeMap<String, Ail>,
}

/// What is wrong with one thing, until it is well again.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Ail {
    /// Nobody makes, changes or deletes it now.
    Unreachable,
    /// Nobody can say how it is.
    Unreadable,
    /// The room has a bug: to look at it panics.
    Panics,
}

/// On which side of a call's effect the process dies.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Side {
    Before,
    After,
}

impl Mortal {
    pub fn new(
        inner: Arc<dyn Provider>,
        on_death: impl Fn() + Send + Sync + 'static,
        is_dead: impl Fn() -> bool + Send + Sync + 'static,
    ) -> Mortal {
        Mortal {
            inner,
            state: Mutex::default(),
            dead: watch::Sender::new(false),
            on_death: Box::new(on_death),
            is_dead: Box::new(is_dead),
        }
    }

    /// Dies at the n-th call, from 1.
    pub fn cut(&self, call: u64, side: Side) {
        self.state.lock().unwrap().cut = Some((call, side));
    }

    /// Each call so far: whether it changes something.
    pub fn log(&self) -> Vec<bool> {
        self.state.lock().unwrap().calls.clone()
    }

    /// Something is wrong with an address from now on; nothing makes it well again.
    pub fn ail(&self, address: &str, ail: Option<Ail>) {
        let ails = &mut self.state.lock().unwrap().ails;
        match ail {
            Some(ail) => drop(ails.insert(address.to_owned(), ail)),
            None => drop(ails.remove(address)),
        }
    }

    fn ails(&self, identity: &Identity) -> Option<Ail> {
        self.state.lock().unwrap().ails.get(&identity.address.to_string()).copied()
    }

    async fn begin(&self, changes: bool) -> bool {
        if *self.dead.borrow() || (self.is_dead)() {
            std::future::pending::<()>().await;
        }
        let cut = {
            let mut state = self.state.lock().unwrap();
            state.calls.push(changes);
            let number = state.calls.len() as u64;
            state.cut.filter(|(call, _)| *call == number).map(|(_, side)| side)
        };
        match cut {
            Some(Side::Before) => self.die().await,
            Some(Side::After) => true,
            None => false,
        }
    }

    async fn end(&self, dies: bool) {
        if dies {
            self.die().await;
        }
    }

    async fn die(&self) -> bool {
        self.dead.send_replace(true);
        (self.on_death)();
        std::future::pending().await
    }
}

#[async_trait]
impl Provider for Mortal {
    async fn observe(&self, ask: &[Query], freshness: Freshness) -> Vec<Seen> {
        let dies = self.begin(false).await;
        let mut answer = self.inner.observe(ask, freshness).await;
        for (query, seen) in ask.iter().zip(&mut answer) {
            match self.ails(&query.identity) {
                Some(Ail::Panics) => panic!("a bug of a room"),
                Some(Ail::Unreadable) => {
                    seen.fresh = false;
                    seen.presence = Presence::Unknown(Why::new(WhyCode::NotReadable, "nobody answers"));
                }
                Some(Ail::Unreachable) | None => {}
            }
        }
        self.end(dies).await;
        answer
    }

    async fn list(&self, scope: &ListScope) -> Listing {
        let dies = self.begin(false).await;
        let answer = self.inner.list(scope).await;
        self.end(dies).await;
        answer
    }

    async fn preflight(&self, orders: &[Order]) -> Vec<Finding> {
        let dies = self.begin(false).await;
        let answer = self.inner.preflight(orders).await;
        self.end(dies).await;
        answer
    }

    async fn apply(&self, order: &Order, secrets: &Filled) -> Result<Outcome, Failure> {
        let dies = self.begin(true).await;
        let answer = match self.ails(&order.identity) {
            Some(Ail::Unreachable) => {
                Err(Failure::Unreachable { why: Why::new(WhyCode::NotReadable, "nobody is there") })
            }
            _ => self.inner.apply(order, secrets).await,
        };
        self.end(dies).await;
        answer
    }

    fn hints(&self) -> BoxStream<'static, Hint> {
        self.inner.hints()
    }

    async fn logs(&self, of: &Query, from: &LogFrom) -> Result<LogStream, Failure> {
        self.inner.logs(of, from).await
    }
}
