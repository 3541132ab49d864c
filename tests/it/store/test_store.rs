//! That the test store does the harm that it promises, and no other.

use super::suite::{key, put, stack, texts};
use super::torture::workload::Numbers;
use deployd::contract::{Batch, CommitError, Expected, Key, RowVersion, Scope, Serial, Store, StoreError};
use deployd::store::memory::MemoryStore;
use deployd::store::test_store::{Call, Fault, Point, TestStore};
use futures::FutureExt;
use std::collections::BTreeSet;
use std::future::Future;
use std::sync::Arc;

fn given() -> TestStore {
    TestStore::new(Arc::new(MemoryStore::new("test")))
}

async fn serial(store: &dyn Store) -> Serial {
    store.load(&Scope::Everything).await.unwrap().1
}

/// Runs it until the cut, which must come.
async fn is_cut(store: &TestStore, engine: impl Future<Output = ()>) {
    tokio::select! {
        biased;
        () = store.cut() => {}
        () = engine => panic!("it went on to its end"),
    }
}

#[tokio::test]
async fn a_cut_before_leaves_nothing_and_a_cut_after_leaves_it() {
    for (fault, left) in [(Fault::CutBefore, Serial(1)), (Fault::CutAfter, Serial(2))] {
        let store = given();
        store.arm(Point::Write(2), fault.clone());
        let engine = async {
            for text in ["1", "2", "3"] {
                store.commit(put([("a", text)])).await.unwrap();
            }
        };
        is_cut(&store, engine).await;
        assert_eq!(serial(&*store.inner()).await, left);
        assert_eq!(store.struck(), [(Point::Write(2), fault)]);
        assert!(store.commit(put([("a", "4")])).now_or_never().is_none(), "the dead write no more");
        assert!(store.load(&Scope::Everything).now_or_never().is_none(), "nor read");
        assert_eq!(serial(&*store.inner()).await, left);
    }
}

#[tokio::test]
async fn a_cut_strikes_reads_and_refused_commits_too() {
    let store = given();
    store.arm(Point::Read(1), Fault::CutAfter);
    is_cut(&store, async { drop(store.load(&Scope::Everything).await) }).await;
    let store = given();
    store.arm(Point::Write(1), Fault::CutAfter);
    let batch = Batch { expect: vec![(key("a"), Expected::Version(RowVersion(1)))], ..put([("a", "1")]) };
    is_cut(&store, async { drop(store.commit(batch).await) }).await;
}

#[tokio::test]
async fn unclear_hides_what_happened() {
    for (fault, left) in [(Fault::UnclearDone, Serial(1)), (Fault::UnclearUndone, Serial(0))] {
        let store = given();
        store.arm(Point::Write(1), fault.clone());
        assert!(matches!(store.commit(put([("a", "1")])).await, Err(CommitError::Unclear(_))));
        assert_eq!(serial(&store).await, left);
        store.arm(Point::Write(2), fault.clone());
        assert!(matches!(store.keep(b"blob").await, Err(StoreError::Unreachable(_))));
        assert_eq!(store.blob(deployd::model::Digest::of("blob")).await.is_ok(), fault == Fault::UnclearDone);
    }
}

#[tokio::test]
async fn fenced_is_real_and_moved_strikes_only_what_expects() {
    let store = given();
    let fence = store.acquire(&stack("guestbook")).await.unwrap();
    let fenced = Batch { fence: Some(fence), ..put([("a", "1")]) };
    store.arm(Point::Write(2), Fault::Fenced);
    assert_eq!(store.commit(fenced.clone()).await, Err(CommitError::Fenced));
    assert_eq!(store.commit(fenced).await, Err(CommitError::Fenced), "the fence is lost for good");

    store.arm(Point::Write(4), Fault::Moved);
    store.commit(put([("a", "1")])).await.unwrap();
    assert_eq!(store.unstruck(), [(Point::Write(4), Fault::Moved)], "it expected nothing");
    store.arm(Point::Write(5), Fault::Moved);
    let batch = Batch { expect: vec![(key("b"), Expected::Absent)], ..put([("b", "1")]) };
    assert_eq!(store.commit(batch.clone()).await, Err(CommitError::Moved(vec![key("b")])));
    store.commit(batch).await.unwrap();
    let expects = Call::Commit { fenced: false, expects: true };
    assert_eq!(store.calls()[5], (Point::Write(6), expects));
    assert_eq!(store.writes(), 6);
}

#[tokio::test]
async fn somebody_else_writes_first() {
    let store = given();
    store.arm(Point::Write(1), Fault::After(put([("a", "theirs")])));
    let batch = Batch { expect: vec![(key("a"), Expected::Absent)], ..put([("a", "ours")]) };
    assert_eq!(store.commit(batch).await, Err(CommitError::Moved(vec![key("a")])));
    assert_eq!(texts(&store, &Scope::Everything).await.0["i/test/a"], "theirs");
}

#[tokio::test]
async fn a_spoiled_row_is_told_and_can_be_replaced() {
    let store = given();
    store.commit(put([("a", "1"), ("b", "1")])).await.unwrap();
    store.spoil(key("a"));
    let (rows, _) = store.load(&Scope::Everything).await.unwrap();
    assert!(rows[0].bytes.is_err(), "it is damaged, not absent");
    assert_eq!(rows[0].version, RowVersion(0));
    assert_eq!(rows[1].bytes, Ok(b"1".to_vec()), "the others are read");
    for expected in [Expected::Absent, Expected::Version(RowVersion(0)), Expected::Version(RowVersion(1))] {
        let batch = Batch { expect: vec![(key("a"), expected)], ..Batch::default() };
        assert_eq!(store.commit(batch).await, Err(CommitError::Moved(vec![key("a")])));
    }
    store.commit(put([("a", "2")])).await.unwrap();
    assert_eq!(texts(&store, &Scope::Everything).await.0["i/test/a"], "2");
    assert_eq!(store.calls().len(), 7);
    assert_ne!(Key::everything(), key("a"));
}

#[tokio::test]
async fn a_copy_of_the_memory_store_lives_its_own_life() {
    let store = MemoryStore::new("test");
    store.commit(put([("a", "1")])).await.unwrap();
    let copy = store.copy();
    store.commit(put([("a", "2")])).await.unwrap();
    assert_eq!(texts(&copy, &Scope::Everything).await.0["i/test/a"], "1");
    assert_eq!(serial(&copy).await, Serial(1));
    copy.commit(put([("a", "3")])).await.unwrap();
    assert_eq!(texts(&store, &Scope::Everything).await.0["i/test/a"], "2");
}

/// Writers that behave as the engine must: by expectation, under a fence, with an intent's id by which to read back what
/// is not clear. Whatever the store answers, every intent happens once. Gives back the faults that struck: which ones, in
/// one run, depends on the order of tasks.
async fn intents_happen_once(inner: Arc<dyn Store>, seed: u64) -> BTreeSet<String> {
    const WRITERS: u64 = 4;
    const INTENTS: u64 = 30;
    let store = Arc::new(TestStore::new(Arc::clone(&inner)));
    let faults = faults();
    let mut numbers = Numbers::of(seed, &[]);
    for number in 1..400 {
        let fault = faults[usize::try_from(numbers.below(6)).unwrap()].clone();
        match numbers.below(6) {
            0 => store.arm(Point::Write(number), fault),
            1 => store.arm(Point::Read(number), Fault::Unreachable),
            _ => {}
        }
    }
    let writers: Vec<_> = (0..WRITERS)
        .map(|writer| {
            let store = Arc::clone(&store);
            tokio::spawn(async move {
                for n in 0..INTENTS {
                    happen(&*store, writer, n).await;
                }
            })
        })
        .collect();
    for writer in writers {
        writer.await.unwrap();
    }
    let (texts, _) = texts(&*inner, &Scope::Everything).await;
    assert_eq!(texts["i/test/counter"], (WRITERS * INTENTS).to_string());
    let happened: Vec<_> = texts.keys().filter(|key| key.starts_with("i/test/intent-")).collect();
    assert_eq!(happened.len() as u64, WRITERS * INTENTS);
    store.struck().iter().map(|(_, fault)| format!("{fault:?}")).collect()
}

fn faults() -> [Fault; 6] {
    [Fault::Moved, Fault::Fenced, Fault::UnclearDone, Fault::UnclearUndone, Fault::Unreachable, Fault::Full]
}

/// That nothing went wrong says something only of what struck.
fn assert_all_struck(struck: &BTreeSet<String>) {
    assert_eq!(*struck, faults().iter().map(|fault| format!("{fault:?}")).collect());
}

/// Makes one intent happen: adds one to the counter and writes the intent's row, in one batch.
async fn happen(store: &dyn Store, writer: u64, n: u64) {
    let intent = key(&format!("intent-{writer}-{n}"));
    let of_writer = ["w0", "w1", "w2", "w3"][usize::try_from(writer).unwrap()];
    let mut fence = None;
    loop {
        tokio::task::yield_now().await;
        let Ok((rows, _)) = store.load(&Scope::Everything).await else { continue };
        if rows.iter().any(|row| row.key == intent) {
            return;
        }
        if fence.is_none() {
            fence = store.acquire(&stack(of_writer)).await.ok();
        }
        let counter = rows.iter().find(|row| row.key == key("counter"));
        let value: u64 =
            counter.map_or(0, |row| std::str::from_utf8(row.bytes.as_ref().unwrap()).unwrap().parse().unwrap());
        let expected = counter.map_or(Expected::Absent, |row| Expected::Version(row.version));
        let batch = Batch {
            fence: fence.clone(),
            expect: vec![(key("counter"), expected), (intent.clone(), Expected::Absent)],
            put: vec![(key("counter"), (value + 1).to_string().into_bytes()), (intent.clone(), Vec::new())],
            ..Batch::default()
        };
        match store.commit(batch).await {
            Ok(_) => return,
            Err(CommitError::Fenced) => fence = None,
            Err(CommitError::Moved(_) | CommitError::Unclear(_) | CommitError::Full(_)) => {}
            Err(error) => panic!("{error}"),
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_memory_answers_an_intent_happens_once() {
    let mut struck = BTreeSet::new();
    for seed in 0..20 {
        struck.append(&mut intents_happen_once(Arc::new(MemoryStore::new("test")), seed).await);
    }
    assert_all_struck(&struck);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_sled_answers_an_intent_happens_once() {
    let parent = tempfile::tempdir().unwrap();
    let mut struck = BTreeSet::new();
    for seed in 0..5 {
        let store = super::sled::create(&parent.path().join(seed.to_string()).join("store"));
        struck.append(&mut intents_happen_once(Arc::new(store), seed).await);
    }
    assert_all_struck(&struck);
}
