//! What must be there after a crash: every step that was acknowledged, at most one more of each writer, each of them whole.

use super::child::Orders;
use super::workload::{Blobs, State, Step, progress_key, stack, step};
use crate::store::sled::{genesis, settings};
use deployd::contract::{Cursor, EventsError, Row, RowVersion, Scope, Store};
use deployd::model::Digest;
use deployd::store::memory::MemoryStore;
use deployd::store::sled::{SledStore, Start};
use std::collections::BTreeMap;
use std::path::Path;

/// What a child has said, over all of its lives.
#[derive(Default, Clone)]
pub struct Acknowledged {
    steps: BTreeMap<u64, u64>,
    epochs: BTreeMap<u64, u64>,
    /// What the rows of a writer are after so many steps: kept, so that no check begins from the first step.
    states: BTreeMap<u64, (u64, State)>,
    /// Acknowledgements heard.
    pub count: u64,
}

impl Acknowledged {
    /// Hears a line of the child. What it finds when it starts must be no less than what was acknowledged before.
    pub fn hear(&mut self, line: &str) {
        let words: Vec<&str> = line.split(' ').collect();
        let ["found" | "fence" | "ack", writer, number] = words[..] else { return };
        let (writer, number) = (writer.parse::<u64>().unwrap(), number.parse::<u64>().unwrap());
        match words[0] {
            "found" => self.found(writer, number, "the child finds"),
            "fence" => {
                let before = self.epochs.insert(writer, number);
                assert!(before.is_none_or(|before| before < number), "epoch {number} after {before:?}");
            }
            _ => {
                self.count += 1;
                self.steps.insert(writer, number + 1);
            }
        }
    }

    /// How many steps of a writer are owed: acknowledged, or found.
    pub fn steps(&self, writer: u64) -> u64 {
        self.steps.get(&writer).copied().unwrap_or(0)
    }

    /// Hears how many steps an opened store has. What was found once must be found ever after, acknowledged or not.
    fn found(&mut self, writer: u64, found: u64, who: &str) {
        let owed = self.steps(writer);
        assert!(found >= owed, "{who} {found} steps of writer {writer} where {owed} are owed: a write is lost");
        assert!(
            found <= owed + 1,
            "{who} {found} steps of writer {writer} where {owed} are owed and one was in flight"
        );
        self.steps.insert(writer, found);
    }

    /// The rows of a writer after so many steps.
    fn state_after(&mut self, orders: Orders, writer: u64, steps: u64) -> &State {
        let (done, state) = self.states.entry(writer).or_default();
        if *done > steps {
            (*done, *state) = (0, State::new());
        }
        for n in *done..steps {
            step(orders.seed, orders.blobs, writer, n).apply(state);
        }
        *done = steps;
        state
    }
}

/// Opens the store and checks everything.
pub fn verify(folder: &Path, orders: Orders, acknowledged: &mut Acknowledged) {
    let store = SledStore::open(folder, Start::Existing, &settings())
        .unwrap_or_else(|error| panic!("unopenable: {error}: {error:?}"));
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(verify_open(&store, orders, acknowledged));
    drop(store);
    let blobs = folder.join("rows/blobs");
    assert_eq!(std::fs::read_dir(&blobs).unwrap().count(), 0, "sled put a node into a file that it never syncs");
}

/// The same for a store that may not have been there yet: where nothing was acknowledged, it is created.
pub fn verify_or_create(folder: &Path, orders: Orders, acknowledged: &mut Acknowledged) {
    if !folder.exists() {
        assert_eq!(acknowledged.epochs.len(), 0, "the store is gone");
        let store = SledStore::open(folder, Start::OrCreate(genesis()), &settings());
        drop(store.unwrap_or_else(|error| panic!("cannot be created: {error}: {error:?}")));
    }
    verify(folder, orders, acknowledged);
}

async fn verify_open(store: &dyn Store, orders: Orders, acknowledged: &mut Acknowledged) {
    let (rows, serial) = store.load(&Scope::Everything).await.unwrap();
    let mut steps_there = 0;
    for writer in 0..orders.writers {
        let steps = verify_writer(&rows, orders, writer, acknowledged);
        verify_epoch(store, writer, acknowledged).await;
        steps_there += steps;
    }
    assert_eq!(serial.0, steps_there, "a serial for every step, and for nothing else");
    assert!(rows.iter().all(|row| row.version <= RowVersion(serial.0)));
    let of_blob = |row: &&Row| row.key.table_and_id().is_some_and(|(table, _)| table == "blob");
    for row in rows.iter().filter(of_blob) {
        let digest: Digest = std::str::from_utf8(row.bytes.as_ref().unwrap()).unwrap().parse().unwrap();
        store.blob(digest).await.unwrap_or_else(|error| panic!("{} names it: {error}", row.key));
    }
    verify_events(store, serial.0).await;
}

/// The rows of a writer are those after all of its acknowledged steps, or after one more.
fn verify_writer(rows: &[Row], orders: Orders, writer: u64, acknowledged: &mut Acknowledged) -> u64 {
    let of_writer = |row: &&Row| row.key.stack_id() == Some(stack(writer));
    let found: State = rows.iter().filter(of_writer).map(|row| (row.key.clone(), row.bytes.clone().unwrap())).collect();
    let steps =
        found.get(&progress_key(writer)).map_or(0, |n| std::str::from_utf8(n).unwrap().parse::<u64>().unwrap() + 1);
    acknowledged.found(writer, steps, "the parent finds");
    let wanted = acknowledged.state_after(orders, writer, steps);
    let differs = |key| found.get(key) != wanted.get(key);
    let differing: Vec<_> = found.keys().chain(wanted.keys()).filter(|key| differs(*key)).collect();
    assert!(differing.is_empty(), "writer {writer}: half a batch after {steps} steps: {differing:?}");
    steps
}

async fn verify_epoch(store: &dyn Store, writer: u64, acknowledged: &mut Acknowledged) {
    let fence = store.acquire(&stack(writer)).await.unwrap();
    let before = acknowledged.epochs.insert(writer, fence.epoch);
    assert!(before.is_none_or(|before| before < fence.epoch), "epoch {} after {before:?}", fence.epoch);
}

/// Every batch since the last sweep has its event, in order and once.
async fn verify_events(store: &dyn Store, serial: u64) {
    let mut after = match store.events(Cursor::default(), 1).await {
        Ok(_) => Cursor::default(),
        Err(EventsError::Reset(reset)) => reset.next,
        Err(EventsError::Store(error)) => panic!("{error}"),
    };
    let mut wanted = after.successor().serial.max(1);
    loop {
        let page = store.events(after, 500).await.unwrap();
        for event in &page.events {
            assert_eq!(event.cursor, Cursor { serial: wanted, number: 0 }, "an event is missing");
            wanted += 1;
        }
        if page.events.is_empty() {
            break;
        }
        after = page.next;
    }
    assert_eq!(wanted, serial + 1, "the last event is missing");
}

/// The proof that this check can fail: what a store that loses, halves or forgets would be told.
#[test]
fn what_is_lost_or_half_is_seen() {
    let orders = Orders { seed: 41, writers: 1, steps: 12, blobs: Blobs::Small };
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let written = |change: fn(u64, &mut Step)| {
        let store = MemoryStore::new("test");
        runtime.block_on(async {
            let fence = store.acquire(&stack(0)).await.unwrap();
            for n in 0..orders.steps {
                let mut step = step(orders.seed, orders.blobs, 0, n);
                if let Some(blob) = &step.blob {
                    store.keep(blob).await.unwrap();
                }
                change(n, &mut step);
                store.commit(step.batch(fence.clone())).await.unwrap();
            }
        });
        store
    };
    let complaint = |change, acknowledged_steps: u64| {
        let store = written(change);
        let mut acknowledged = Acknowledged::default();
        (0..acknowledged_steps).for_each(|n| acknowledged.hear(&format!("ack 0 {n}")));
        let checked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            runtime.block_on(verify_open(&store, orders, &mut acknowledged));
        }));
        checked.err().map(|panic| panic.downcast::<String>().map_or(String::new(), |text| *text))
    };
    assert_eq!(complaint(|_, _| {}, 12), None);
    assert_eq!(complaint(|_, _| {}, 11), None, "one may have been in flight");
    let told = |change, acknowledged_steps, why: &str| {
        let complaint = complaint(change, acknowledged_steps).expect(why);
        assert!(complaint.contains(why), "{complaint}");
    };
    told(|_, _| {}, 13, "a write is lost");
    told(|_, _| {}, 10, "one was in flight");
    told(without_a_row, 12, "half a batch");
    told(with_a_changed_row, 12, "half a batch");
    told(without_its_event, 12, "an event is missing");
}

/// The last step loses every row but the one that counts.
fn without_a_row(n: u64, step: &mut Step) {
    if n == 11 {
        step.put.retain(|(key, _)| *key == progress_key(0));
    }
}

fn with_a_changed_row(n: u64, step: &mut Step) {
    let is_other = |(key, _): &&mut (_, Vec<u8>)| *key != progress_key(0);
    if n == 11 {
        step.put.iter_mut().find(is_other).unwrap().1.push(0);
    }
}

fn without_its_event(n: u64, step: &mut Step) {
    if n == 5 {
        step.events.clear();
    }
}
