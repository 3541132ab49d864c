//! Exports: the same contents give the same bytes, every damage is found, and what is restored is what was exported.

use super::sled::{create, genesis, open, settings};
use super::suite::{Given, key, put, stack};
use deployd::contract::{Batch, Cursor, EventDraft, Restored, Scope, Serial, Store};
use deployd::model::Wall;
use deployd::store::export::{Dump, ExportError, ExportFile, Summary, exports, keep_export, read, write};
use deployd::store::memory::MemoryStore;
use deployd::store::sled::{OpenError, Start, restore};
use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

/// A little of everything.
pub async fn fill(store: &dyn Store) {
    let event = |stack, body: &[u8]| EventDraft { stack, at: Wall(7), body: body.to_vec() };
    store.commit(Batch { events: vec![event(None, b"swept")], ..put([("gone", "1")]) }).await.unwrap();
    let events = vec![event(Some(stack("guestbook")), b"{\"what\":\"created\"}"), event(None, &[0xff, 0])];
    let fence = store.acquire(&stack("guestbook")).await.unwrap();
    store.acquire(&stack("hello")).await.unwrap();
    store.acquire(&stack("hello")).await.unwrap();
    let rows = put([("a", "{\"a\":1}"), ("b", "\u{fc}ber\n"), ("empty", "")]);
    let binary = (key("binary"), vec![0xff; 100]);
    let put = rows.put.into_iter().chain([binary]).collect();
    store
        .commit(Batch { fence: Some(fence), put, remove: vec![key("gone")], events, ..Batch::default() })
        .await
        .unwrap();
    store.keep(b"a small blob").await.unwrap();
    store.keep(&(0..200_000_u32).map(|n| (n * 7 % 251) as u8).collect::<Vec<u8>>()).await.unwrap();
    store.keep(&vec![0; 100_000]).await.unwrap();
    store.sweep(&BTreeSet::new(), Serial(0), Cursor { serial: 2, number: 0 }).await.unwrap();
}

fn bytes(dump: &Dump) -> (Vec<u8>, Summary) {
    let mut out = Vec::new();
    let summary = write(dump, &mut out).unwrap();
    (out, summary)
}

#[tokio::test]
async fn the_same_contents_give_the_same_bytes() {
    let parent = tempfile::tempdir().unwrap();
    let sled = create(&parent.path().join("store"));
    let memory = MemoryStore::new("test-instance");
    fill(&sled).await;
    fill(&memory).await;
    let (of_sled, summary) = bytes(&sled.dump().await.unwrap());
    let of_memory = Dump { genesis: genesis(), ..memory.dump() };
    assert_eq!(String::from_utf8(of_sled.clone()).unwrap(), String::from_utf8(bytes(&of_memory).0).unwrap());
    assert_eq!(summary.unreadable, Vec::<String>::new());
    // Golden: a change here is another format of exports, and the old one must stay readable.
    assert_eq!(summary.digest.to_string(), GOLDEN);

    let (dump, found) = read(&mut of_sled.as_slice()).unwrap();
    assert_eq!(found, summary);
    assert_eq!(dump, sled.dump().await.unwrap());
    let again = MemoryStore::of(dump);
    assert_eq!(bytes(&again.dump()).0, of_sled);
}

const GOLDEN: &str = "3ac5414a117d33d105e8c3f59fc1927b08f0d4173ff10ffe616484253212424a";

#[tokio::test]
async fn t27_every_damaged_missing_or_swapped_line_is_found() {
    let memory = MemoryStore::new("test");
    fill(&memory).await;
    let (whole, _) = bytes(&memory.dump());
    let lines: Vec<&[u8]> = whole.split_inclusive(|byte| *byte == b'\n').collect();
    let refused = |bytes: &[u8], why: &str| {
        let error = read(&mut &*bytes).expect_err(why);
        assert!(matches!(error, ExportError::Damaged { .. } | ExportError::NotAnExport(_)), "{why}: {error}");
    };
    for n in 0..lines.len() {
        let without: Vec<u8> =
            lines.iter().enumerate().filter(|(m, _)| *m != n).flat_map(|(_, line)| *line).copied().collect();
        refused(&without, &format!("without line {n}"));
        let cut: Vec<u8> = lines[..n].concat();
        refused(&cut, &format!("cut before line {n}"));
        let mut swapped = lines.clone();
        swapped.swap(n, (n + 1) % lines.len());
        refused(&swapped.concat(), &format!("line {n} swapped"));
        let twice = [&lines[..=n], &lines[n..]].concat().concat();
        refused(&twice, &format!("line {n} twice"));
        let start: usize = lines[..n].iter().map(|line| line.len()).sum();
        for at in [start, start + 20, start + lines[n].len() / 2, start + lines[n].len() - 2] {
            let mut flipped = whole.clone();
            flipped[at] ^= 4;
            refused(&flipped, &format!("a bit in line {n}"));
        }
    }
    let damaged = |bytes: Vec<u8>| match read(&mut bytes.as_slice()).unwrap_err() {
        ExportError::Damaged { line, .. } => line,
        other => panic!("{other}"),
    };
    let mut flipped = whole.clone();
    flipped[lines[0].len() + lines[1].len() + 30] ^= 1;
    assert_eq!(damaged(flipped), 3, "the line is named");
    let newer = String::from_utf8(whole).unwrap().replacen("\"deployd_export\":1", "\"deployd_export\":2", 1);
    refused(newer.as_bytes(), "a newer format");
}

#[tokio::test]
async fn what_is_restored_is_what_was_exported() {
    let parent = tempfile::tempdir().unwrap();
    let folder = parent.path().join("store");
    let store = create(&folder);
    fill(&store).await;
    let file = keep_export(&store.dump().await.unwrap(), &parent.path().join("exports"), Wall(5), 3).unwrap();
    store.commit(put([("later", "not in the export")])).await.unwrap();
    let (dump, summary) = ExportFile::read(&file.path).unwrap();
    assert!(matches!(restore_into(&folder, &dump), Err(OpenError::Locked { .. })));
    drop(store);
    assert!(matches!(restore_into(&folder, &dump), Err(OpenError::Exists(_))), "nothing is ever overwritten");

    std::fs::remove_dir_all(&folder).unwrap();
    assert!(matches!(open(&folder, Start::OrCreate(genesis())), Err(OpenError::Lost { .. })));
    let restored = restore_into(&folder, &dump).unwrap();
    assert_eq!(restored.instance, genesis().instance);
    assert_eq!(restored.restored, Some(Restored { lineage: genesis().lineage, serial: 2 }));
    let store = open(&folder, Start::Existing).unwrap();
    assert_eq!(*store.genesis(), restored);
    let found = store.dump().await.unwrap();
    assert_eq!(found.records, dump.records);
    assert_eq!(bytes(&found).1.contents, summary.contents, "but for whose it is, it is the same");
    // It lives on: serials, epochs and events continue.
    assert_eq!(store.commit(put([("a", "2")])).await.unwrap(), Serial(3));
    assert_eq!(store.acquire(&stack("hello")).await.unwrap().epoch, 3);
    assert_eq!(store.events(Cursor { serial: 1, number: u16::MAX }, 9).await.unwrap().events.len(), 2);
}

fn restore_into(folder: &Path, dump: &Dump) -> Result<deployd::contract::Genesis, OpenError> {
    restore(folder, dump, "second-life", Wall(9), &settings())
}

#[tokio::test]
async fn another_instances_state_is_not_restored_over_a_lost_one() {
    let parent = tempfile::tempdir().unwrap();
    let folder = parent.path().join("store");
    drop(create(&folder));
    std::fs::remove_dir_all(&folder).unwrap();
    let foreign = MemoryStore::new("another-instance").dump();
    assert!(matches!(restore_into(&folder, &foreign), Err(OpenError::Foreign { .. })));
    assert!(!folder.exists());
}

#[tokio::test]
async fn only_the_newest_exports_are_kept() {
    let parent = tempfile::tempdir().unwrap();
    let folder = parent.path().join("exports");
    let memory = MemoryStore::new("test");
    let mut written = Vec::new();
    for now in [9, 10, 100, 1_000_000_000_000] {
        memory.commit(put([("a", "1")])).await.unwrap();
        written.push(keep_export(&memory.dump(), &folder, Wall(now), 2).unwrap().path);
    }
    let found: BTreeSet<_> = exports(&folder).unwrap().into_iter().collect();
    assert_eq!(found, written.split_off(2).into_iter().collect());
    assert_eq!(ExportFile::read(found.last().unwrap()).unwrap().1.serial, Serial(4));
    let mut bytes = std::fs::read(found.last().unwrap()).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(found.last().unwrap(), bytes).unwrap();
    assert!(ExportFile::read(found.last().unwrap()).is_err());
}

/// An export is one moment, whoever writes meanwhile.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_export_is_one_moment() {
    let parent = tempfile::tempdir().unwrap();
    let store = Arc::new(create(&parent.path().join("store")));
    let writer = {
        let store: Given = Arc::clone(&store) as Given;
        tokio::spawn(async move {
            for n in 0..100_u32 {
                let row = |id: &str| (key(id), n.to_string().into_bytes());
                store.commit(Batch { put: vec![row("x"), row("y")], ..Batch::default() }).await.unwrap();
            }
        })
    };
    let mut moments = BTreeSet::new();
    while !writer.is_finished() {
        let dump = store.dump().await.unwrap();
        let memory = MemoryStore::of(dump);
        let (rows, serial) = memory.load(&Scope::Everything).await.unwrap();
        moments.insert(serial);
        assert!(rows.windows(2).all(|pair| pair[0].bytes == pair[1].bytes));
        assert!(rows.iter().all(|row| row.version.0 == serial.0));
    }
    writer.await.unwrap();
    assert!(moments.len() > 1, "{moments:?}");
}
