//! The embedded store: its folder, its lock, its formats, and what it does when the disk fails it.

use super::export::fill;
use super::suite::{put, stack};
use deployd::contract::{
    AcquireError, Batch, CommitError, Cursor, EventsError, Expected, Fence, Genesis, KEY_BYTES_MAX, Key, ROW_BYTES_MAX,
    Reset, RowVersion, STORE_FORMAT, Scope, Serial, Store, StoreError,
};
use deployd::model::Wall;
use deployd::store::export::{Dump, Summary, keep_export};
use deployd::store::sled::{OpenError, Settings, SledStore, Start, restore};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

pub fn genesis() -> Genesis {
    Genesis {
        format: STORE_FORMAT,
        instance: "test-instance".to_owned(),
        lineage: "first-life".to_owned(),
        created: Wall(1_700_000_000_000),
        restored: None,
    }
}

/// The settings of a server, but that a broken store fails the test instead of aborting it.
pub fn settings() -> Settings {
    Settings { on_broken: Arc::new(|why| panic!("the store is broken: {why}")), ..Settings::of("a test") }
}

pub fn open(folder: &Path, start: Start) -> Result<SledStore, OpenError> {
    SledStore::open(folder, start, &settings())
}

pub fn create(folder: &Path) -> SledStore {
    open(folder, Start::OrCreate(genesis())).unwrap()
}

/// A folder for a store, below one that is removed with the test.
fn place() -> (tempfile::TempDir, PathBuf) {
    let parent = tempfile::tempdir().unwrap();
    let folder = parent.path().join("store");
    (parent, folder)
}

fn refused(folder: &Path, start: Start) -> OpenError {
    open(folder, start).err().expect("it must not open")
}

/// Changes what lies in the database, as a bug or a bad disk would.
fn tamper(folder: &Path, change: impl FnOnce(&sled::Db)) {
    let config = sled::Config::new().path(folder.join("rows")).flush_every_ms(None);
    let began = Instant::now();
    let db = loop {
        match config.open() {
            Ok(db) => break db,
            // Its threads may hold a database that was closed just before.
            Err(error) => assert!(began.elapsed() < Duration::from_secs(10), "{error}"),
        }
    };
    change(&db);
    db.flush().unwrap();
}

fn flip_last_bit(db: &sled::Db, key: &[u8]) {
    let mut value = db.get(key).unwrap().expect("it is there").to_vec();
    *value.last_mut().unwrap() ^= 1;
    db.insert(key, value).unwrap();
}

#[tokio::test]
async fn everything_is_there_after_a_reopen() {
    let (_parent, folder) = place();
    let store = create(&folder);
    fill(&store).await;
    let before = store.dump().await.unwrap();
    drop(store);
    for _ in 0..3 {
        let store = open(&folder, Start::OrCreate(other_genesis())).unwrap();
        assert_eq!(*store.genesis(), genesis(), "what is there is not created again");
        assert_eq!(store.dump().await.unwrap(), before);
    }
}

fn other_genesis() -> Genesis {
    Genesis { instance: "another-instance".to_owned(), lineage: "another-life".to_owned(), ..genesis() }
}

#[test]
fn t33_a_second_process_is_told_who_has_the_state() {
    let (_parent, folder) = place();
    let store = create(&folder);
    let error = refused(&folder, Start::Existing).to_string();
    let holder = format!("process {} (a test)", std::process::id());
    assert!(error.starts_with(&holder), "{error}");
    drop(store);
    drop(open(&folder, Start::Existing).unwrap());
}

#[test]
fn t22_a_lost_folder_is_no_first_start() {
    let (parent, folder) = place();
    assert!(matches!(refused(&folder, Start::Existing), OpenError::Missing(_)));
    drop(create(&folder));
    std::fs::remove_dir_all(&folder).unwrap();
    for start in [Start::Existing, Start::OrCreate(genesis())] {
        assert!(matches!(refused(&folder, start), OpenError::Lost { .. }));
    }
    let marker = parent.path().join("store.genesis");
    std::fs::remove_file(&marker).unwrap();
    let exports = parent.path().join("exports");
    let memory = deployd::store::memory::MemoryStore::new("test");
    keep_export(&memory.dump(), &exports, Wall(1), 1).unwrap();
    let error = refused(&folder, Start::OrCreate(genesis())).to_string();
    assert!(error.contains("exports") && error.contains("restore"), "{error}");
    std::fs::remove_dir_all(exports).unwrap();
    drop(create(&folder));
}

/// A database that lost its end opens: sled takes it for torn. An older one that was put in its place does too.
#[tokio::test]
async fn t22_t27_a_store_that_ends_before_where_it_was_is_refused() {
    let (parent, folder) = place();
    drop(create(&folder));
    let older = parent.path().join("older");
    copy_folder(&folder, &older);
    let store = open(&folder, Start::Existing).unwrap();
    let Serial(reached) = store.commit(put([("one", "one")])).await.unwrap();
    // Noted with each commit: a process that is killed says nothing at its end.
    let noted = std::fs::read(folder.with_extension("reached")).unwrap();
    let noted: serde_json::Value = serde_json::from_slice(&noted).unwrap();
    assert_eq!(noted["serial"], reached);
    drop(store);
    let newer = parent.path().join("newer");
    std::fs::rename(&folder, &newer).unwrap();
    std::fs::rename(&older, &folder).unwrap();
    let error = refused(&folder, Start::Existing);
    assert!(matches!(error, OpenError::Behind { reached: at, .. } if at == reached), "{error}");
    assert!(error.to_string().contains("restore an export"), "{error}");
    // The right one is put back; and another life of the instance begins where it begins.
    std::fs::remove_dir_all(&folder).unwrap();
    std::fs::rename(&newer, &folder).unwrap();
    drop(open(&folder, Start::Existing).unwrap());
    std::fs::remove_dir_all(&folder).unwrap();
    let empty = deployd::store::memory::MemoryStore::new("test-instance").dump();
    restore(&folder, &empty, "second-life", Wall(1), &settings()).unwrap();
    drop(open(&folder, Start::Existing).unwrap());
}

fn copy_folder(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap().map(Result::unwrap) {
        let (from, to) = (entry.path(), to.join(entry.file_name()));
        match from.is_dir() {
            true => copy_folder(&from, &to),
            false => assert!(std::fs::copy(&from, &to).is_ok()),
        }
    }
}

#[test]
fn t22_a_foreign_folder_is_refused() {
    let (parent, folder) = place();
    let (_other_parent, other_folder) = place();
    drop(create(&folder));
    drop(open(&other_folder, Start::OrCreate(other_genesis())).unwrap());
    // The whole folder comes from elsewhere.
    let aside = parent.path().join("aside");
    std::fs::rename(&folder, &aside).unwrap();
    std::fs::rename(&other_folder, &folder).unwrap();
    let error = refused(&folder, Start::Existing);
    assert!(matches!(error, OpenError::Foreign { .. }));
    assert!(error.to_string().contains("another-instance") && error.to_string().contains("test-instance"), "{error}");
    // The database within it does.
    std::fs::rename(folder.join("rows"), parent.path().join("rows")).unwrap();
    std::fs::remove_dir_all(&folder).unwrap();
    std::fs::rename(&aside, &folder).unwrap();
    std::fs::remove_dir_all(folder.join("rows")).unwrap();
    std::fs::rename(parent.path().join("rows"), folder.join("rows")).unwrap();
    assert!(matches!(refused(&folder, Start::Existing), OpenError::Foreign { .. }));
}

#[test]
fn t22_a_newer_format_is_refused_untouched() {
    let (_parent, folder) = place();
    drop(create(&folder));
    let path = folder.join("genesis");
    let newer = r#"{"format":2,"what_a_newer_one_writes":true}"#;
    std::fs::write(&path, newer).unwrap();
    let database = std::fs::read(folder.join("rows/db")).unwrap();
    let error = refused(&folder, Start::Existing);
    assert!(matches!(error, OpenError::Newer { found: 2, read: 1 }));
    assert!(error.to_string().contains("newer deployd"), "{error}");
    assert_eq!(std::fs::read_to_string(&path).unwrap(), newer);
    assert!(std::fs::read(folder.join("rows/db")).unwrap() == database);
}

#[test]
fn half_written_snapshots_and_stores_are_taken_away() {
    let (parent, folder) = place();
    drop(create(&folder));
    // sled itself would take this for its newest snapshot, and never open again.
    let snapshot = folder.join("rows/snap.FFFFFFFFFFFFFFFF.generating");
    std::fs::write(&snapshot, b"half").unwrap();
    let unfinished = parent.path().join("store.tmp-4711");
    std::fs::create_dir(&unfinished).unwrap();
    std::fs::write(unfinished.join("conf"), b"half").unwrap();
    drop(open(&folder, Start::Existing).unwrap());
    assert!(!snapshot.exists() && !unfinished.exists());
}

#[tokio::test]
async fn a_damaged_row_sets_no_other_aside() {
    let (_parent, folder) = place();
    let store = create(&folder);
    let (good, bad) = (Key::stack(&stack("good"), "t", "x"), Key::stack(&stack("bad"), "t", "x"));
    let rows = [good.clone(), bad.clone()].map(|key| (key, b"{}".to_vec()));
    store.commit(Batch { put: rows.into(), ..Batch::default() }).await.unwrap();
    drop(store);
    tamper(&folder, |db| flip_last_bit(db, b"rs/laptop/bad/t/x"));

    let store = open(&folder, Start::Existing).unwrap();
    let (rows, serial) = store.load(&Scope::Everything).await.unwrap();
    assert_eq!((rows.len(), serial), (2, Serial(1)));
    assert_eq!((&rows[0].key, rows[0].version), (&bad, RowVersion(0)));
    assert!(rows[0].bytes.as_ref().unwrap_err().0.contains("checksum"));
    assert_eq!(rows[1].bytes, Ok(b"{}".to_vec()));
    for expected in [Expected::Absent, Expected::Version(RowVersion(0)), Expected::Version(RowVersion(1))] {
        let batch = Batch { expect: vec![(bad.clone(), expected)], ..Batch::default() };
        assert_eq!(store.commit(batch).await, Err(CommitError::Moved(vec![bad.clone()])));
    }
    // It survives an export as what it is, and whoever writes it anew mends it.
    let dump = store.dump().await.unwrap();
    let mut told = Vec::new();
    let summary = deployd::store::export::write(&dump, &mut told).unwrap();
    assert_eq!(summary.unreadable.len(), 1);
    let (parent, other) = place();
    restore(&other, &dump, "restored", Wall(1), &settings()).unwrap();
    let restored = open(&other, Start::Existing).unwrap();
    assert_eq!(restored.load(&Scope::Everything).await.unwrap().0, rows);
    drop((restored, parent));
    store.commit(Batch { put: vec![(bad.clone(), b"1".to_vec())], ..Batch::default() }).await.unwrap();
    let (rows, _) = store.load(&Scope::Stack(stack("bad"))).await.unwrap();
    assert_eq!(rows[0].bytes, Ok(b"1".to_vec()));
}

#[tokio::test]
async fn other_damage_is_told_where_it_is() {
    let (_parent, folder) = place();
    let store = create(&folder);
    fill(&store).await;
    let large = store.keep(&vec![7; 50_000]).await.unwrap();
    drop(store);
    tamper(&folder, |db| {
        flip_last_bit(db, b"flaptop/guestbook");
        flip_last_bit(db, &[b"e", &2_u64.to_be_bytes()[..], &0_u16.to_be_bytes()].concat());
        flip_last_bit(db, &[b"b", &large.bytes()[..], &3_u32.to_be_bytes()].concat());
    });
    let store = open(&folder, Start::Existing).unwrap();
    let corrupt = store.acquire(&stack("guestbook")).await.unwrap_err();
    assert!(matches!(corrupt, AcquireError::Store(StoreError::Corrupt(_))));
    let fence = Fence { stack: stack("guestbook"), epoch: 1 };
    let fenced = Batch { fence: Some(fence), ..Batch::default() };
    assert_eq!(store.commit(fenced).await, Err(CommitError::Fenced), "nobody's fence can be proved");
    assert_eq!(store.acquire(&stack("hello")).await.unwrap().epoch, 3);

    let before = Cursor { serial: 1, number: u16::MAX };
    let Err(EventsError::Reset(Reset { next })) = store.events(before, 9).await else { panic!("a damaged event") };
    assert_eq!(next, Cursor { serial: 2, number: 0 }, "one goes on behind it");
    assert_eq!(store.events(next, 9).await.unwrap().events.len(), 1);

    assert!(matches!(store.blob(large).await, Err(StoreError::Corrupt(_))));
    assert_eq!(store.keep(&vec![7; 50_000]).await.unwrap(), large);
    assert_eq!(store.blob(large).await.unwrap(), vec![7; 50_000], "whoever keeps it anew mends it");
    let what: Vec<String> = summary(&store.dump().await.unwrap()).unreadable;
    assert_eq!(what.len(), 2, "{what:?}");
    drop(store);

    tamper(&folder, |db| flip_last_bit(db, b"ohead"));
    assert!(matches!(refused(&folder, Start::Existing), OpenError::Damaged(_)), "serials cannot be guessed");
}

fn summary(dump: &Dump) -> Summary {
    deployd::store::export::write(dump, &mut std::io::sink()).unwrap()
}

#[tokio::test]
async fn a_full_disk_takes_no_writes_and_gives_all_reads() {
    let (_parent, folder) = place();
    let store = create(&folder);
    fill(&store).await;
    let before = store.dump().await.unwrap();
    drop(store);
    let settings = Settings { room_bytes_min: u64::MAX, ..settings() };
    let store = SledStore::open(&folder, Start::Existing, &settings).unwrap();
    assert!(matches!(store.commit(put([("a", "9")])).await, Err(CommitError::Full(_))));
    assert!(matches!(store.keep(b"blob").await, Err(StoreError::Full(_))));
    let full = store.acquire(&stack("guestbook")).await.unwrap_err();
    assert!(matches!(full, AcquireError::Store(StoreError::Full(_))));
    assert_eq!(store.dump().await.unwrap(), before);
    let gone = store.sweep(&BTreeSet::new(), Serial(9), Cursor::default()).await.unwrap();
    assert_eq!(gone, 3, "a sweep makes room");
}

/// sled puts nodes over 128 KiB into files that it never syncs. No key and no value within the limits may lead there.
#[tokio::test]
async fn the_longest_keys_and_rows_stay_in_what_is_synced() {
    let (_parent, folder) = place();
    let store = create(&folder);
    let key = |n: u64| {
        let digest = deployd::model::Digest::of(n.to_be_bytes()).to_string();
        Key::from_text(format!("i/{digest}{}", digest.repeat(6)).chars().take(KEY_BYTES_MAX).collect())
    };
    for batch in 0..40 {
        let put = (0..100).map(|n| (key(batch * 100 + n), vec![1; ROW_BYTES_MAX - KEY_BYTES_MAX])).collect();
        store.commit(Batch { put, ..Batch::default() }).await.unwrap();
    }
    drop(store);
    assert_eq!(std::fs::read_dir(folder.join("rows/blobs")).unwrap().count(), 0);
    let store = open(&folder, Start::Existing).unwrap();
    assert_eq!(store.load(&Scope::Everything).await.unwrap().0.len(), 4000);
}
