//! The store's rows of PERFORMANCE.md: `cargo bench --bench store [FOLDER]`. It measures and prints; it judges nothing.
//!
//! FOLDER says where the state lies (default: the system's temporary folder): the numbers are those of its disk.

#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a program for people, that stops where it cannot go on")]

use deployd::contract::{Batch, EventDraft, Genesis, Key, STORE_FORMAT, Scope, Store};
use deployd::model::{Digest, Name, StackId, Wall};
use deployd::store::export::ExportFile;
use deployd::store::sled::{Settings, SledStore, Start, restore, verdict};
use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::runtime::Runtime;

const SPAN: Duration = Duration::from_secs(3);
const RECORDS: usize = 100_000;
const RECORD_BYTES: usize = 984;

fn main() {
    let wanted = std::env::args().skip(1).find(|argument| !argument.starts_with('-'));
    let parent = wanted.map_or_else(std::env::temp_dir, PathBuf::from);
    let folder = tempfile::tempdir_in(parent).unwrap();
    println!("on {}", verdict(folder.path()).unwrap());
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).build().unwrap();
    let synced = syncs_per_second(folder.path());
    println!("{:>12.0} /s   bare append of 350 bytes and fdatasync, one writer", synced);
    for writers in [1, 64, 256] {
        let commits = commits_per_second(&runtime, folder.path(), writers, 1);
        println!("{commits:>12.0} /s   commits of one row and one event, {writers} writers");
    }
    for writers in [1, 8] {
        let commits = commits_per_second(&runtime, folder.path(), writers, 32);
        println!("{:>12.0} /s   rows, 32 a commit, {writers} writers", commits * 32.0);
    }
    restart(&runtime, folder.path());
    churn(&runtime, folder.path());
}

fn syncs_per_second(folder: &Path) -> f64 {
    let mut file = File::create(folder.join("bare")).unwrap();
    let began = Instant::now();
    let mut count = 0;
    while began.elapsed() < SPAN {
        file.write_all(&[7; 350]).unwrap();
        file.sync_data().unwrap();
        count += 1;
    }
    f64::from(count) / began.elapsed().as_secs_f64()
}

fn open(folder: &Path) -> SledStore {
    let genesis = Genesis {
        format: STORE_FORMAT,
        instance: "bench".to_owned(),
        lineage: "bench".to_owned(),
        created: Wall(0),
        restored: None,
    };
    SledStore::open(folder, Start::OrCreate(genesis), &Settings::of("a bench")).unwrap()
}

fn fresh(folder: &Path, name: &str) -> PathBuf {
    let state = folder.join(name);
    std::fs::create_dir(&state).unwrap();
    state.join("store")
}

fn stack(writer: usize) -> StackId {
    StackId::new(Name::fixed("laptop"), Name::new(format!("s{writer}")).unwrap())
}

/// A batch of some rows of a stack, and an event: what the engine writes when steps start or end.
fn batch(writer: usize, n: usize, rows: usize) -> Batch {
    let stack = stack(writer);
    let row = |row: usize| (Key::stack(&stack, "owned", &format!("{}", (n * rows + row) % 400)), vec![b'x'; 300]);
    let event = EventDraft { stack: Some(stack.clone()), at: Wall(0), body: vec![b'e'; 100] };
    Batch { put: (0..rows).map(row).collect(), events: vec![event], ..Batch::default() }
}

fn commits_per_second(runtime: &Runtime, folder: &Path, writers: usize, rows: usize) -> f64 {
    let store: Arc<dyn Store> = Arc::new(open(&fresh(folder, &format!("commits-{writers}-{rows}"))));
    let began = Instant::now();
    let write = |writer: usize| {
        let store = Arc::clone(&store);
        runtime.spawn(async move {
            let mut n = 0;
            while began.elapsed() < SPAN {
                store.commit(batch(writer, n, rows)).await.unwrap();
                n += 1;
            }
            n
        })
    };
    let tasks: Vec<_> = (0..writers).map(write).collect();
    let total: usize = tasks.into_iter().map(|task| runtime.block_on(task).unwrap()).sum();
    total as f64 / began.elapsed().as_secs_f64()
}

/// Opening and reading 100,000 rows, against reading and hashing the same bytes; and their export and restore.
fn restart(runtime: &Runtime, folder: &Path) {
    let state = fresh(folder, "restart");
    let store = open(&state);
    let content =
        |n: usize| Digest::of(n.to_be_bytes()).to_string().repeat(RECORD_BYTES / 64 + 1)[..RECORD_BYTES].to_owned();
    let mut plain = Vec::new();
    for first in (0..RECORDS).step_by(100) {
        let row =
            |n: usize| (Key::stack(&stack(n % 1000), "owned", &format!("users.instance#{n}")), content(n).into_bytes());
        let put: Vec<_> = (first..first + 100).map(row).collect();
        put.iter().for_each(|(_, bytes)| plain.extend_from_slice(bytes));
        runtime.block_on(store.commit(Batch { put, ..Batch::default() })).unwrap();
    }
    drop(store);
    let bare = folder.join("records");
    std::fs::write(&bare, plain).unwrap();
    let took = |what: &str, began: Instant| println!("{:>12.3} s    {what}", began.elapsed().as_secs_f64());

    let began = Instant::now();
    let digest = Digest::of(std::fs::read(&bare).unwrap());
    took(&format!("bare read and hash of {RECORDS} records of {RECORD_BYTES} bytes ({})", digest.short()), began);
    let began = Instant::now();
    let store = open(&state);
    took("open", began);
    let read = Instant::now();
    let (rows, _) = runtime.block_on(store.load(&Scope::Everything)).unwrap();
    assert_eq!(rows.len(), RECORDS);
    took("load of everything, each row checked", read);
    took("both: the restart", began);
    let again = Instant::now();
    drop(runtime.block_on(store.load(&Scope::Everything)).unwrap());
    took("load of everything again", again);

    let began = Instant::now();
    let dump = runtime.block_on(store.dump()).unwrap();
    let export = ExportFile::write(&dump, &folder.join("all.export")).unwrap();
    took(&format!("export, verified ({} MB)", std::fs::metadata(&export.path).unwrap().len() / 1_000_000), began);
    drop(dump);
    let began = Instant::now();
    let (dump, _) = ExportFile::read(&export.path).unwrap();
    let restored = fresh(folder, "restored");
    restore(&restored, &dump, "restored", Wall(0), &Settings::of("a bench")).unwrap();
    took("restore of it, read back", began);
}

/// How the file grows while a few rows are written again and again.
fn churn(runtime: &Runtime, folder: &Path) {
    let state = fresh(folder, "churn");
    let store = Arc::new(open(&state));
    let size = || std::fs::metadata(state.join("rows/db")).unwrap().len() / 1_000;
    let mut sizes = Vec::new();
    for _ in 0..5 {
        let write = |writer: usize| {
            let store = Arc::clone(&store);
            runtime.spawn(async move {
                for n in 0..500 {
                    store.commit(Batch { events: Vec::new(), ..batch(writer, n % 20, 4) }).await.unwrap();
                }
            })
        };
        let tasks: Vec<_> = (0..32).map(write).collect();
        tasks.into_iter().for_each(|task| runtime.block_on(task).unwrap());
        sizes.push(size().to_string());
    }
    println!("{:>12} kB   the file after each 16,000 commits to the same 2,560 rows of 300 bytes", sizes.join(" "));
}
