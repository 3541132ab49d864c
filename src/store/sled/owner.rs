//! The one thread that touches sled: it takes what is asked in order, lets many writes share one batch and one sync
//! (group commit), and answers only when what it answers with is durable.
//!
//! Any error of sled or of the disk, and any panic, poisons the store: everybody who waits, and everybody who asks later,
//! is told that it is broken, and the process is to be aborted (`Settings::on_broken`). Nothing is tried again: after a
//! failed fsync the kernel may have dropped the pages and call the next one a success.

use super::contents::Contents;
use super::tables::Fatal;
use super::value::Head;
use super::witness::Witness;
use crate::contract::{BATCH_BYTES_MAX, Key, Serial};
use crate::store::watch::Watchers;
use std::panic::AssertUnwindSafe;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use tokio::sync::{mpsc, oneshot};

/// Requests that may wait: beyond it, callers wait in turn.
const WAITING_MAX: usize = 1024;
/// Requests that share one sync, so that nobody waits for long behind others.
const GROUP_MAX: usize = 512;
/// A group's batch is closed when the next request would bring it beyond this. One batch of the contract is always let in,
/// so that sled never sees more than twice this at once.
const GROUP_BYTES_MAX: usize = BATCH_BYTES_MAX;

/// What is told once the group is durable.
type Answer = Box<dyn FnOnce() + Send>;
type Work = Box<dyn FnOnce(&mut Contents, &mut Group) -> Result<Answer, Fatal> + Send>;

struct Request {
    /// How many bytes it may write.
    bytes: usize,
    work: Work,
}

/// What a group has done so far.
pub struct Group {
    has_room: bool,
    changed: Vec<Key>,
}

impl Group {
    /// Notes rows that are written or removed, for those who watch.
    pub fn changes(&mut self, keys: impl IntoIterator<Item = Key>) {
        self.changed.extend(keys);
    }
}

/// The owner, as the rest of the process sees it.
pub struct Owner {
    requests: Option<mpsc::Sender<Request>>,
    thread: Option<std::thread::JoinHandle<()>>,
    shared: Arc<Shared>,
}

/// What the owner's thread tells without being asked.
pub struct Shared {
    /// The last serial that is durable.
    pub serial: AtomicU64,
    /// Who hears of changed rows.
    pub watchers: Watchers,
    /// Why the store is broken, once it is.
    broken: OnceLock<String>,
}

/// What to do when the store is broken.
pub type OnBroken = Arc<dyn Fn(&str) + Send + Sync>;

/// The store is broken, or its owner has ended.
pub struct Broken(pub String);

impl Owner {
    /// Starts the thread. `witness` is told each serial that is durable; `guard` is held until the database is closed.
    pub fn start<G: Send + 'static>(
        contents: Contents,
        on_broken: OnBroken,
        witness: Option<Witness>,
        guard: G,
    ) -> Result<Owner, std::io::Error> {
        let (requests, waiting) = mpsc::channel(WAITING_MAX);
        let shared = Arc::new(Shared {
            serial: AtomicU64::new(contents.head.serial.0),
            watchers: Watchers::default(),
            broken: OnceLock::new(),
        });
        let thread = std::thread::Builder::new().name("store".to_owned()).spawn({
            let shared = Arc::clone(&shared);
            move || {
                own(contents, waiting, &shared, &on_broken, witness.as_ref());
                drop(guard);
            }
        })?;
        Ok(Owner { requests: Some(requests), thread: Some(thread), shared })
    }

    /// Asks the owner to do something, and waits until what came of it is durable. Dropping the future does not take the
    /// request back.
    pub async fn ask<T, F>(&self, work: F) -> Result<T, Broken>
    where
        T: Send + 'static,
        F: FnOnce(&mut Contents, &mut Group) -> Result<T, Fatal> + Send + 'static,
    {
        self.request(0, work).await
    }

    async fn request<T, F>(&self, bytes: usize, work: F) -> Result<T, Broken>
    where
        T: Send + 'static,
        F: FnOnce(&mut Contents, &mut Group) -> Result<T, Fatal> + Send + 'static,
    {
        let (reply, answer) = oneshot::channel();
        let work: Work = Box::new(move |contents, group| {
            let done = work(contents, group)?;
            // Whoever asked may have gone.
            Ok(Box::new(move || drop(reply.send(done))) as Answer)
        });
        let sender = self.requests.as_ref().expect("only `drop` takes the sender");
        sender.send(Request { bytes, work }).await.map_err(|_| self.broken())?;
        answer.await.map_err(|_| self.broken())
    }

    /// The same for what writes at most so many bytes, and needs room for it; `None` where there is none: then nothing was
    /// done.
    pub async fn write<T, F>(&self, bytes: usize, work: F) -> Result<Option<T>, Broken>
    where
        T: Send + 'static,
        F: FnOnce(&mut Contents, &mut Group) -> Result<T, Fatal> + Send + 'static,
    {
        let if_room = move |contents: &mut Contents, group: &mut Group| {
            if group.has_room { work(contents, group).map(Some) } else { Ok(None) }
        };
        self.request(bytes, if_room).await
    }

    /// What the thread tells.
    pub fn shared(&self) -> &Shared {
        &self.shared
    }

    /// Why nobody answers. The thread drops what it was asked before it says why, so this waits for its word.
    fn broken(&self) -> Broken {
        Broken(self.shared.broken.wait().clone())
    }
}

impl Drop for Owner {
    fn drop(&mut self) {
        drop(self.requests.take());
        if let Some(thread) = self.thread.take() {
            // A panic was caught on the thread and told as broken.
            let _ = thread.join();
        }
    }
}

/// The life of the thread.
fn own(
    mut contents: Contents,
    mut waiting: mpsc::Receiver<Request>,
    shared: &Shared,
    on_broken: &OnBroken,
    witness: Option<&Witness>,
) {
    let served = std::panic::catch_unwind(AssertUnwindSafe(|| serve(&mut contents, &mut waiting, shared, witness)));
    let why = match served {
        Ok(Ok(())) => {
            let last = contents.head.serial;
            contents.tables.close();
            witness.inspect(|witness| witness.close(last));
            return;
        }
        Ok(Err(Fatal(why))) => why,
        Err(panic) => format!("its thread panicked: {}", panic_text(&*panic)),
    };
    let why = shared.broken.get_or_init(|| why);
    waiting.close();
    while waiting.try_recv().is_ok() {}
    on_broken(why);
    // Only a test comes here. sled panics when it is dropped after an error.
    let _ = std::panic::catch_unwind(AssertUnwindSafe(|| drop(contents)));
}

fn panic_text(panic: &(dyn std::any::Any + Send)) -> &str {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("without a text")
}

/// Serves until nobody can ask any more.
fn serve(
    contents: &mut Contents,
    waiting: &mut mpsc::Receiver<Request>,
    shared: &Shared,
    witness: Option<&Witness>,
) -> Result<(), Fatal> {
    let mut carried = None;
    while let Some(first) = carried.take().or_else(|| waiting.blocking_recv()) {
        carried = serve_group(first, contents, waiting, shared, witness)?;
    }
    Ok(())
}

/// Serves one request and those that wait behind it, as far as they share a batch. Returns the one that does not.
fn serve_group(
    first: Request,
    contents: &mut Contents,
    waiting: &mut mpsc::Receiver<Request>,
    shared: &Shared,
    witness: Option<&Witness>,
) -> Result<Option<Request>, Fatal> {
    let mut group = Group { has_room: contents.tables.has_room()?, changed: Vec::new() };
    let mut answers = Vec::new();
    let mut next = Some(first);
    let mut carried = None;
    while let Some(request) = next {
        answers.push((request.work)(contents, &mut group)?);
        next = if answers.len() < GROUP_MAX { waiting.try_recv().ok() } else { None };
        carried = next.take_if(|request| contents.tables.pending_bytes() + request.bytes > GROUP_BYTES_MAX);
    }
    if contents.tables.finish()? {
        let Head { serial: Serial(serial), .. } = contents.head;
        // Before anybody hears that it is durable: whoever heard of it must not lose it unnoticed.
        witness.inspect(|witness| witness.note(Serial(serial)));
        // The serial first: a watcher that begins in between asks for a moment that has passed.
        shared.serial.store(serial, Ordering::SeqCst);
        shared.watchers.tell(group.changed.into());
    }
    answers.into_iter().for_each(|answer| answer());
    Ok(carried)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::sled::Settings;
    use crate::store::sled::folder::open_sled;
    use std::sync::Mutex;
    use std::sync::mpsc::sync_channel;

    type Told = Arc<Mutex<Vec<String>>>;

    fn owner(folder: &std::path::Path) -> (Owner, Told) {
        let tables = open_sled(folder, &Settings::of("a test")).unwrap();
        let told = Told::default();
        let hears = Arc::clone(&told);
        let on_broken: OnBroken = Arc::new(move |why| hears.lock().unwrap().push(why.to_owned()));
        (Owner::start(Contents::new(tables).unwrap(), on_broken, None, ()).unwrap(), told)
    }

    /// Waits until so many requests wait behind the one that is being served.
    async fn until_waiting(owner: &Owner, count: usize) {
        let requests = owner.requests.as_ref().unwrap();
        while requests.max_capacity() - requests.capacity() < count {
            tokio::task::yield_now().await;
        }
    }

    /// Lets a work fail between one that is done and others that wait, and asks once more after it.
    fn break_with(fail: impl FnOnce() -> Fatal + Send + 'static) {
        let folder = tempfile::tempdir().unwrap();
        let (owner, told) = owner(folder.path());
        let owner = Arc::new(owner);
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).build().unwrap();
        let (go, wait) = sync_channel::<()>(0);
        let (begins, has_begun) = oneshot::channel();
        let asked = |owner: Arc<Owner>| async move { owner.write(1, |_, _| Ok(())).await };
        runtime.block_on(async {
            // The first keeps the thread busy until all others wait in its group.
            let holding = move |_: &mut Contents, _: &mut Group| {
                begins.send(()).unwrap();
                wait.recv().unwrap();
                Ok(())
            };
            let first = tokio::spawn({
                let owner = Arc::clone(&owner);
                async move { owner.ask(holding).await }
            });
            has_begun.await.unwrap();
            let failing = tokio::spawn({
                let owner = Arc::clone(&owner);
                async move { owner.ask(move |_, _| Err::<(), Fatal>(fail())).await }
            });
            until_waiting(&owner, 1).await;
            let waiting: Vec<_> = (0..10).map(|_| tokio::spawn(asked(Arc::clone(&owner)))).collect();
            until_waiting(&owner, 11).await;
            go.send(()).unwrap();
            // The first shares the group: what it has done was never made durable.
            for answer in [first, failing] {
                assert!(answer.await.unwrap().is_err());
            }
            for waiting in waiting {
                assert!(waiting.await.unwrap().is_err());
            }
            let Err(Broken(why)) = asked(Arc::clone(&owner)).await else { panic!("it serves on") };
            assert!(why.contains("on purpose"), "{why}");
        });
        drop(owner);
        let told = told.lock().unwrap();
        assert_eq!(told.len(), 1, "the process is to be stopped once: {told:?}");
        assert!(told[0].contains("on purpose"));
    }

    #[test]
    fn an_error_breaks_the_store_for_everybody() {
        break_with(|| Fatal("failed on purpose".to_owned()));
    }

    #[test]
    fn a_panic_breaks_the_store_for_everybody() {
        break_with(|| panic!("panicked on purpose"));
    }
}
