//! The child: it opens the store, or creates it, goes on where it finds itself, and says on standard output, a line each:
//! `open`, `found WRITER N` (N steps are there), `fence WRITER EPOCH`, `ack WRITER N` (step N is acknowledged), `end`.

use super::verify::{Acknowledged, verify};
use super::workload::{Blobs, progress_key, stack, step};
use crate::store::sled::genesis;
use deployd::contract::{Cursor, Fence, Row, Scope, Serial, Store};
use deployd::model::Digest;
use deployd::store::sled::{Settings, SledStore, Start};
use std::collections::BTreeSet;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};
use tokio::sync::RwLock;

/// What a child is told.
#[derive(Clone, Copy, Debug)]
pub struct Orders {
    pub seed: u64,
    pub writers: u64,
    /// How many steps each writer makes at most, counted from the first.
    pub steps: u64,
    pub blobs: Blobs,
}

const FOLDER: &str = "STORE_TORTURE_FOLDER";
const ORDERS: &str = "STORE_TORTURE_ORDERS";

/// The command that starts a child on a store's folder.
pub fn command(folder: &Path, orders: Orders) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "store::torture::child::the_workload_runs_to_its_end", "--nocapture", "--test-threads=1"]);
    command.env(FOLDER, folder);
    command.env(ORDERS, format!("{} {} {} {}", orders.seed, orders.writers, orders.steps, orders.blobs as u64));
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

fn orders_of_environment() -> Option<(PathBuf, Orders)> {
    let folder = std::env::var_os(FOLDER)?;
    let text = std::env::var(ORDERS).unwrap();
    let numbers: Vec<u64> = text.split(' ').map(|number| number.parse().unwrap()).collect();
    let blobs = if numbers[3] == Blobs::Large as u64 { Blobs::Large } else { Blobs::Small };
    Some((folder.into(), Orders { seed: numbers[0], writers: numbers[1], steps: numbers[2], blobs }))
}

/// Where a child says what it says.
type Says = Arc<dyn Fn(&str) + Send + Sync>;

/// As a child: works as it is told. As a test: the same work, uninterrupted, is all there after a reopen.
#[test]
fn the_workload_runs_to_its_end() {
    if let Some((folder, orders)) = orders_of_environment() {
        work(&folder, orders, Arc::new(say));
        return;
    }
    let parent = tempfile::tempdir().unwrap();
    let folder = parent.path().join("store");
    let mut acknowledged = Acknowledged::default();
    for steps in [20, 60] {
        let orders = Orders { seed: 3, writers: 3, steps, blobs: Blobs::Small };
        let said = Arc::new(Mutex::new(Vec::new()));
        let hears = Arc::clone(&said);
        work(&folder, orders, Arc::new(move |line| hears.lock().unwrap().push(line.to_owned())));
        said.lock().unwrap().iter().for_each(|line| acknowledged.hear(line));
        assert!((0..3).all(|writer| acknowledged.steps(writer) == steps));
        verify(&folder, orders, &mut acknowledged);
    }
}

fn work(folder: &Path, orders: Orders, says: Says) {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    // The settings of a server: a broken store aborts.
    let store = SledStore::open(folder, Start::OrCreate(genesis()), &Settings::of("a torture child")).unwrap();
    runtime.block_on(write_all(Arc::new(store), orders, says));
}

/// A line is one write, so that a kill leaves whole lines.
fn say(line: &str) {
    let mut out = std::io::stdout();
    out.write_all(format!("{line}\n").as_bytes()).and_then(|()| out.flush()).unwrap();
}

async fn write_all(store: Arc<dyn Store>, orders: Orders, says: Says) {
    says("open");
    let (rows, _) = store.load(&Scope::Everything).await.unwrap();
    // Whoever keeps a blob and then names it holds this for reading; who sweeps, for writing.
    let sweeping = Arc::new(RwLock::new(()));
    let mut tasks = Vec::new();
    for writer in 0..orders.writers {
        let done = steps_done(&rows, writer);
        says(&format!("found {writer} {done}"));
        let fence = store.acquire(&stack(writer)).await.unwrap();
        says(&format!("fence {writer} {}", fence.epoch));
        let (store, says, sweeping) = (Arc::clone(&store), Arc::clone(&says), Arc::clone(&sweeping));
        tasks.push(tokio::spawn(async move {
            for n in done..orders.steps {
                if n % 25 == 24 {
                    let _alone = sweeping.write().await;
                    sweep(&*store).await;
                }
                let _shared = sweeping.read().await;
                write(&*store, orders, writer, n, fence.clone()).await;
                says(&format!("ack {writer} {n}"));
            }
        }));
    }
    for task in tasks {
        task.await.unwrap();
    }
    says("end");
}

fn steps_done(rows: &[Row], writer: u64) -> u64 {
    let row = rows.iter().find(|row| row.key == progress_key(writer));
    row.map_or(0, |row| std::str::from_utf8(row.bytes.as_ref().unwrap()).unwrap().parse::<u64>().unwrap() + 1)
}

async fn write(store: &dyn Store, orders: Orders, writer: u64, n: u64, fence: Fence) {
    let step = step(orders.seed, orders.blobs, writer, n);
    if let Some(blob) = &step.blob {
        store.keep(blob).await.unwrap();
    }
    store.commit(step.batch(fence)).await.unwrap();
}

/// Takes away the blobs that no row names, and all but the newest events.
async fn sweep(store: &dyn Store) {
    let (rows, serial) = store.load(&Scope::Everything).await.unwrap();
    let of_blob = |row: &&Row| row.key.table_and_id().is_some_and(|(table, _)| table == "blob");
    let digest = |row: &Row| std::str::from_utf8(row.bytes.as_ref().unwrap()).unwrap().parse::<Digest>().unwrap();
    let named: BTreeSet<Digest> = rows.iter().filter(of_blob).map(digest).collect();
    let events_before = Cursor { serial: serial.0.saturating_sub(40), number: 0 };
    store.sweep(&named, Serial(serial.0 + 1), events_before).await.unwrap();
}
