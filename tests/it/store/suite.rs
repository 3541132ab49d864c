//! What every store owes its callers. Each function takes an empty store; they run on memory, on sled and through the test
//! store.

use deployd::contract::{
    AcquireError, BATCH_OPERATIONS_MAX, Batch, CommitError, Cursor, EventDraft, EventsError, Expected, Fence, Key,
    ROW_BYTES_MAX, Row, RowVersion, Scope, Serial, Store, StoreError,
};
use deployd::model::{Digest, Name, StackId, Wall};
use futures::StreamExt;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// An empty store.
pub type Given = Arc<dyn Store>;

pub fn key(id: &str) -> Key {
    Key::instance("test", id)
}

pub fn stack(name: &'static str) -> StackId {
    StackId::new(Name::fixed("laptop"), Name::fixed(name))
}

/// A batch that writes these rows.
pub fn put<K: AsRef<str>>(rows: impl IntoIterator<Item = (K, &'static str)>) -> Batch {
    let put = rows.into_iter().map(|(id, text)| (key(id.as_ref()), text.as_bytes().to_vec())).collect();
    Batch { put, ..Batch::default() }
}

/// The texts of all rows by key, and the serial.
pub async fn texts(store: &dyn Store, scope: &Scope) -> (BTreeMap<String, String>, Serial) {
    let (rows, serial) = store.load(scope).await.unwrap();
    let text = |row: &Row| (row.key.to_string(), String::from_utf8(row.bytes.clone().unwrap()).unwrap());
    (rows.iter().map(text).collect(), serial)
}

fn map(rows: &[(&str, &str)]) -> BTreeMap<String, String> {
    rows.iter().map(|(key, text)| ((*key).to_owned(), (*text).to_owned())).collect()
}

fn event(body: &str) -> EventDraft {
    EventDraft { stack: Some(stack("guestbook")), at: Wall(7), body: body.as_bytes().to_vec() }
}

pub async fn a_batch_is_whole(store: Given) {
    let serial = store.commit(put([("a", "1"), ("b", "2")])).await.unwrap();
    assert_eq!(serial, Serial(1), "the first batch is number one");
    let batch = Batch { remove: vec![key("a")], ..put([("b", "3"), ("c", "4")]) };
    assert_eq!(store.commit(batch).await.unwrap(), Serial(2));
    let (rows, serial) = store.load(&Scope::Everything).await.unwrap();
    assert_eq!(serial, Serial(2));
    let versions: Vec<_> = rows.iter().map(|row| (row.key.as_str(), row.version)).collect();
    assert_eq!(versions, [("i/test/b", RowVersion(2)), ("i/test/c", RowVersion(2))]);
}

pub async fn what_moved_is_refused_whole(store: Given) {
    store.commit(put([("a", "1"), ("b", "1")])).await.unwrap();
    store.commit(put([("a", "2")])).await.unwrap();
    let expect = vec![
        (key("a"), Expected::Version(RowVersion(1))),
        (key("b"), Expected::Version(RowVersion(1))),
        (key("b"), Expected::Absent),
        (key("c"), Expected::Version(RowVersion(1))),
        (key("c"), Expected::Absent),
    ];
    let batch = Batch { expect, remove: vec![key("b")], events: vec![event("never")], ..put([("a", "3"), ("n", "1")]) };
    let moved = CommitError::Moved(vec![key("a"), key("b"), key("c")]);
    assert_eq!(store.commit(batch).await.unwrap_err(), moved);
    let rows = map(&[("i/test/a", "2"), ("i/test/b", "1")]);
    assert_eq!(texts(&*store, &Scope::Everything).await, (rows, Serial(2)), "nothing of it happened");
    assert!(store.events(Cursor::default(), 10).await.unwrap().events.is_empty());

    let expect = vec![(key("a"), Expected::Version(RowVersion(2))), (key("c"), Expected::Absent)];
    let batch = Batch { expect, ..put([("a", "3")]) };
    assert_eq!(store.commit(batch).await.unwrap(), Serial(3));
}

pub async fn a_removed_row_comes_back_with_another_version(store: Given) {
    store.commit(put([("a", "1")])).await.unwrap();
    store.commit(Batch { remove: vec![key("a"), key("never")], ..Batch::default() }).await.unwrap();
    store.commit(put([("a", "1")])).await.unwrap();
    let expect = vec![(key("a"), Expected::Version(RowVersion(1)))];
    let batch = Batch { expect, ..put([("a", "2")]) };
    assert_eq!(store.commit(batch).await.unwrap_err(), CommitError::Moved(vec![key("a")]));
}

pub async fn only_the_newest_fence_holds(store: Given) {
    let first = store.acquire(&stack("guestbook")).await.unwrap();
    let other = store.acquire(&stack("hello")).await.unwrap();
    let with = |fence: &Fence| Batch { fence: Some(fence.clone()), ..put([("a", "1")]) };
    store.commit(with(&first)).await.unwrap();
    let second = store.acquire(&stack("guestbook")).await.unwrap();
    assert!(second.epoch > first.epoch);
    assert_eq!(store.commit(with(&first)).await.unwrap_err(), CommitError::Fenced);
    store.commit(with(&second)).await.unwrap();
    store.commit(with(&other)).await.unwrap();
    let forged = Fence { stack: stack("never"), epoch: 0 };
    assert_eq!(store.commit(with(&forged)).await.unwrap_err(), CommitError::Fenced);
    let ahead = Fence { epoch: second.epoch + 1, ..second };
    assert_eq!(store.commit(with(&ahead)).await.unwrap_err(), CommitError::Fenced);
    assert_eq!(store.load(&Scope::Everything).await.unwrap().1, Serial(3), "to acquire is no batch");
}

pub async fn being_fenced_weighs_more_than_having_moved(store: Given) {
    let fence = store.acquire(&stack("guestbook")).await.unwrap();
    store.acquire(&stack("guestbook")).await.unwrap();
    let expect = vec![(key("a"), Expected::Version(RowVersion(9)))];
    let batch = Batch { fence: Some(fence), expect, ..Batch::default() };
    assert_eq!(store.commit(batch).await.unwrap_err(), CommitError::Fenced);
}

pub async fn a_scope_has_its_rows_and_no_others(store: Given) {
    let (laptop, staging) = (Name::fixed("laptop"), Name::fixed("staging"));
    let keys = [
        Key::instance("t", "x"),
        Key::stack(&stack("guestbook"), "t", "x"),
        Key::stack(&stack("guestbook-old"), "t", "x"),
        Key::stack(&StackId::new(Name::fixed("laptop-2"), Name::fixed("guestbook")), "t", "x"),
        Key::stack(&StackId::new(staging.clone(), Name::fixed("guestbook")), "t", "x"),
        Key::world(&laptop, "t", "x"),
        Key::world(&staging, "t", "x"),
    ];
    let put = keys.iter().map(|key| (key.clone(), b"{}".to_vec())).collect();
    store.commit(Batch { put, ..Batch::default() }).await.unwrap();
    let found = async |scope: Scope| {
        let (rows, _) = store.load(&scope).await.unwrap();
        rows.iter().map(|row| row.key.to_string()).collect::<Vec<_>>()
    };
    assert_eq!(found(Scope::Instance).await, ["i/t/x"]);
    assert_eq!(found(Scope::Stack(stack("guestbook"))).await, ["s/laptop/guestbook/t/x"]);
    let of_laptop = ["s/laptop/guestbook-old/t/x", "s/laptop/guestbook/t/x", "w/laptop/t/x"];
    assert_eq!(found(Scope::World(laptop)).await, of_laptop);
    let mut all: Vec<String> = keys.iter().map(Key::to_string).collect();
    all.sort();
    assert_eq!(found(Scope::Everything).await, all);
}

pub async fn limits_are_kept(store: Given) {
    let many = |count: usize| Batch { remove: (0..count).map(|n| key(&n.to_string())).collect(), ..Batch::default() };
    assert!(matches!(store.commit(many(BATCH_OPERATIONS_MAX + 1)).await, Err(CommitError::TooLarge(_))));
    assert_eq!(store.commit(many(BATCH_OPERATIONS_MAX)).await.unwrap(), Serial(1));
    let of = |bytes: Vec<u8>| Batch { put: vec![(key("large"), bytes)], ..Batch::default() };
    assert!(matches!(store.commit(of(vec![1; ROW_BYTES_MAX + 1])).await, Err(CommitError::TooLarge(_))));
    store.commit(of(vec![1; ROW_BYTES_MAX])).await.unwrap();
    let twice = Batch { remove: vec![key("large")], ..of(Vec::new()) };
    assert!(matches!(store.commit(twice).await, Err(CommitError::Malformed(_))));
    let (rows, serial) = store.load(&Scope::Everything).await.unwrap();
    assert_eq!((rows.len(), serial), (1, Serial(2)));
    assert_eq!(rows[0].bytes, Ok(vec![1; ROW_BYTES_MAX]));
    assert_eq!(store.commit(of(Vec::new())).await.unwrap(), Serial(3));
    assert_eq!(store.load(&Scope::Everything).await.unwrap().0[0].bytes, Ok(Vec::new()), "an empty row is a row");
}

/// The most that one batch may hold.
pub async fn the_largest_batch_is_one_batch(store: Given) {
    let put = |byte: u8| Batch {
        put: (0..BATCH_OPERATIONS_MAX).map(|n| (key(&format!("{n:03}")), vec![byte; ROW_BYTES_MAX])).collect(),
        ..Batch::default()
    };
    for byte in 1..=3 {
        store.commit(put(byte)).await.unwrap();
        let (rows, _) = store.load(&Scope::Everything).await.unwrap();
        assert_eq!(rows.len(), BATCH_OPERATIONS_MAX);
        assert!(rows.iter().all(|row| row.bytes.as_ref().is_ok_and(|bytes| bytes.iter().all(|b| *b == byte))));
    }
}

pub async fn events_come_in_order_and_are_paged(store: Given) {
    let events = |bodies: &[&str]| Batch { events: bodies.iter().map(|b| event(b)).collect(), ..Batch::default() };
    store.commit(events(&["a", "b"])).await.unwrap();
    store.commit(put([("silent", "1")])).await.unwrap();
    store.commit(events(&["c"])).await.unwrap();
    let mut after = Cursor::default();
    let mut seen = Vec::new();
    loop {
        let page = store.events(after, 2).await.unwrap();
        seen.extend(page.events.iter().map(|event| (event.cursor.to_string(), event.draft.clone())));
        if page.events.is_empty() {
            assert_eq!(page.next, after, "an empty page does not move");
            break;
        }
        after = page.next;
    }
    let wanted = [("1-0", "a"), ("1-1", "b"), ("3-0", "c")].map(|(at, body)| (at.to_owned(), event(body)));
    assert_eq!(seen, wanted);
    store.commit(events(&["d"])).await.unwrap();
    let page = store.events(after, 2).await.unwrap();
    assert_eq!(page.events.len(), 1, "one goes on where one was");
}

pub async fn swept_events_are_told_as_a_reset(store: Given) {
    for body in ["a", "b", "c"] {
        let events = vec![event(body), event(body)];
        store.commit(Batch { events, ..Batch::default() }).await.unwrap();
    }
    let cursor = |serial, number| Cursor { serial, number };
    store.sweep(&BTreeSet::new(), Serial(0), cursor(2, 1)).await.unwrap();
    let reset = |error: EventsError| match error {
        EventsError::Reset(reset) => reset.next,
        EventsError::Store(error) => panic!("{error}"),
    };
    let next = reset(store.events(Cursor::default(), 9).await.unwrap_err());
    assert_eq!(reset(store.events(cursor(1, 1), 9).await.unwrap_err()), next);
    let page = store.events(next, 9).await.unwrap();
    let found: Vec<Cursor> = page.events.iter().map(|event| event.cursor).collect();
    assert_eq!(found, [cursor(2, 1), cursor(3, 0), cursor(3, 1)]);
    assert_eq!(store.events(cursor(2, 0), 9).await.unwrap().events.len(), 3, "this cursor lost nothing");
    // A sweep does not go back, and not beyond what was.
    store.sweep(&BTreeSet::new(), Serial(0), cursor(1, 0)).await.unwrap();
    store.sweep(&BTreeSet::new(), Serial(0), cursor(99, 0)).await.unwrap();
    store.commit(Batch { events: vec![event("d")], ..Batch::default() }).await.unwrap();
    let next = reset(store.events(next, 9).await.unwrap_err());
    assert_eq!(store.events(next, 9).await.unwrap().events[0].cursor, cursor(4, 0));
    // A cursor of another life of the store.
    let next = reset(store.events(cursor(77, 0), 9).await.unwrap_err());
    assert!(store.events(next, 9).await.unwrap().events.is_empty());
}

pub async fn blobs_are_what_was_kept(store: Given) {
    for size in [0, 1, 4000, 4096, 4097, 100_000, 1_000_000] {
        let blob: Vec<u8> = (0..size).map(|n: u32| (n.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
        let digest = store.keep(&blob).await.unwrap();
        assert_eq!(digest, Digest::of(&blob));
        assert_eq!(store.keep(&blob).await.unwrap(), digest);
        assert!(store.blob(digest).await.unwrap() == blob, "{size} bytes");
    }
    let never = Digest::of("never kept");
    assert_eq!(store.blob(never).await.unwrap_err(), StoreError::Missing(never));
    let too_large = vec![0; deployd::contract::BLOB_BYTES_MAX + 1];
    assert!(matches!(store.keep(&too_large).await, Err(StoreError::TooLarge(_))));
    let (rows, serial) = store.load(&Scope::Everything).await.unwrap();
    assert_eq!((rows.len(), serial), (0, Serial(0)), "blobs are no rows, and to keep is no batch");
}

pub async fn a_sweep_takes_what_is_old_and_unnamed(store: Given) {
    let large = vec![5; 50_000];
    let named = store.keep(b"named").await.unwrap();
    let unnamed = store.keep(&large).await.unwrap();
    let again = store.keep(b"kept again").await.unwrap();
    store.commit(put([("a", "1")])).await.unwrap();
    store.commit(put([("a", "2")])).await.unwrap();
    store.keep(b"kept again").await.unwrap();
    let young = store.keep(b"its row is not written yet").await.unwrap();
    let names = BTreeSet::from([named]);
    assert_eq!(store.sweep(&names, Serial(0), Cursor::default()).await.unwrap(), 0, "nothing is that old");
    assert_eq!(store.sweep(&names, Serial(2), Cursor::default()).await.unwrap(), 1);
    assert_eq!(store.blob(unnamed).await.unwrap_err(), StoreError::Missing(unnamed));
    for digest in [named, again, young] {
        store.blob(digest).await.unwrap();
    }
    assert_eq!(store.keep(&large).await.unwrap(), unnamed, "what was swept can be kept anew");
    assert_eq!(store.blob(unnamed).await.unwrap(), large);
    assert_eq!(store.sweep(&BTreeSet::new(), Serial(3), Cursor::default()).await.unwrap(), 4);
}

pub async fn watchers_hear_of_every_row(store: Given) {
    store.commit(put([("before", "1")])).await.unwrap();
    let mut late = store.watch(Serial(0));
    let mut watch = store.watch(Serial(1));
    assert_eq!(late.next().await, Some(Key::everything()), "a moment that has passed");
    store.commit(Batch { remove: vec![key("before")], ..put([("a", "1"), ("b", "1")]) }).await.unwrap();
    let refused = Batch { expect: vec![(key("a"), Expected::Absent)], ..put([("never", "1")]) };
    store.commit(refused).await.unwrap_err();
    store.commit(put([("c", "1")])).await.unwrap();
    for stream in [&mut watch, &mut late] {
        let heard: BTreeSet<Key> = stream.take(4).collect().await;
        assert_eq!(heard, ["a", "b", "before", "c"].map(key).into());
    }
}

pub async fn a_slow_watcher_is_told_to_look_at_everything(store: Given) {
    let mut watch = store.watch(Serial(0));
    for _ in 0..1500 {
        store.commit(put([("a", "1")])).await.unwrap();
    }
    assert_eq!(watch.next().await, Some(Key::everything()));
    assert_eq!(watch.next().await, Some(key("a")), "and hears what comes");
}

pub async fn a_watch_ends_with_its_store(store: Given) {
    let watch = store.watch(Serial(0));
    drop(store);
    assert_eq!(watch.count().await, 0);
}

pub async fn acquiring_is_never_refused_to_the_only_process(store: Given) {
    for epoch in 1..=3 {
        match store.acquire(&stack("guestbook")).await {
            Ok(fence) => assert_eq!(fence, Fence { stack: stack("guestbook"), epoch }),
            Err(AcquireError::Busy { by }) => panic!("busy by {by}"),
            Err(AcquireError::Store(error)) => panic!("{error}"),
        }
    }
}

/// Many writers that read and write by expectation: none loses the other's word.
pub async fn writers_do_not_lose_each_other(store: Given) {
    const WRITERS: usize = 16;
    const ROUNDS: usize = 20;
    store.commit(put([("counter", "0")])).await.unwrap();
    let writers: Vec<_> = (0..WRITERS).map(|_| tokio::spawn(count_up(Arc::clone(&store), ROUNDS))).collect();
    let mut serials = Vec::new();
    for writer in writers {
        serials.extend(writer.await.unwrap());
    }
    let (rows, serial) = texts(&*store, &Scope::Everything).await;
    assert_eq!(rows["i/test/counter"], (WRITERS * ROUNDS).to_string());
    serials.sort_unstable();
    let every: Vec<Serial> = (2..=serial.0).map(Serial).collect();
    assert_eq!(serials, every, "serials grow by one with every batch and never repeat");
}

/// Adds one to the counter, so many times; the serials at which it did.
async fn count_up(store: Arc<dyn Store>, rounds: usize) -> Vec<Serial> {
    let mut serials = Vec::new();
    while serials.len() < rounds {
        let (rows, read_at) = store.load(&Scope::Everything).await.unwrap();
        assert!(serials.last().is_none_or(|own| *own <= read_at), "a load sees one's own writes");
        let row = &rows[0];
        let value: usize = std::str::from_utf8(row.bytes.as_ref().unwrap()).unwrap().parse().unwrap();
        let batch = Batch {
            expect: vec![(row.key.clone(), Expected::Version(row.version))],
            put: vec![(row.key.clone(), (value + 1).to_string().into_bytes())],
            ..Batch::default()
        };
        match store.commit(batch).await {
            Ok(serial) => serials.push(serial),
            Err(CommitError::Moved(_)) => {}
            Err(error) => panic!("{error}"),
        }
        tokio::task::yield_now().await;
    }
    serials
}

/// Every load is the state after some batch, whole: two rows that are always written together are never seen apart, and
/// time does not go back.
pub async fn loads_are_consistent_under_writers(store: Given) {
    store.commit(put([("x", "0"), ("y", "0")])).await.unwrap();
    let writer = |store: Given| async move {
        for n in 1..200 {
            let row = |id| (key(id), n.to_string().into_bytes());
            store.commit(Batch { put: vec![row("x"), row("y")], ..Batch::default() }).await.unwrap();
            tokio::task::yield_now().await;
        }
    };
    let writers = [tokio::spawn(writer(Arc::clone(&store))), tokio::spawn(writer(Arc::clone(&store)))];
    let mut last = Serial(0);
    while !writers.iter().all(tokio::task::JoinHandle::is_finished) {
        let (rows, serial) = store.load(&Scope::Everything).await.unwrap();
        assert_eq!(rows[0].version, rows[1].version);
        assert_eq!(rows[0].bytes, rows[1].bytes);
        assert_eq!(rows[0].version.0, serial.0, "every batch here writes both");
        assert!(serial >= last);
        last = serial;
        tokio::task::yield_now().await;
    }
    for writer in writers {
        writer.await.unwrap();
    }
}
