//! Loads and commits against the memory store and the test store.

use super::super::rows::{Table, encode, of_stack, owned_key};
use super::*;
use crate::contract::{Batch, Key, Scope, Store};
use crate::model::{Name, Value};
use crate::state::{EventBody, From, Owned, Principal, StackState, Wish};
use crate::store::memory::MemoryStore;
use crate::store::test_store::{Fault, Point, TestStore};
use std::sync::Arc;

fn id() -> StackId {
    StackId::new(Name::fixed("laptop"), Name::fixed("guestbook"))
}

fn stack() -> Stack {
    Stack::new(id(), Wish::Stopped, From::Rest, Principal("test".to_owned()), Wall(1))
}

fn owned() -> Owned {
    super::super::rows::golden_owned()
}

fn first() -> Change {
    let mut change = Change::new();
    change.push(Op::Stack(Box::new(stack())));
    change.push(Op::Owned(Box::new(owned())));
    change.push(Op::Life(owned().identity.address, 2));
    change.tell(EventBody::Stack { stack: id(), state: StackState::Creating, conditions: Vec::new() });
    change
}

fn wrapped() -> TestStore {
    TestStore::new(Arc::new(MemoryStore::new("test")))
}

#[tokio::test]
async fn what_was_committed_is_loaded_again_and_was_done_in_memory() {
    let store = wrapped();
    {
        let mut rows = load_stack(&store, &id()).await.unwrap();
        assert!(rows.record.is_none());
        commit(&store, &mut rows, None, first(), Wall(2)).await.unwrap();
        let loaded = load_stack(&store, &id()).await.unwrap();
        assert_eq!(loaded.record, rows.record);
        assert_eq!(loaded.versions, rows.versions);
        assert_eq!(store.events(Default::default(), 10).await.unwrap().events.len(), 1);
    }
}

#[tokio::test]
async fn two_who_read_the_same_do_not_both_write() {
    let store = wrapped();
    {
        let mut one = load_stack(&store, &id()).await.unwrap();
        let mut other = one.clone();
        commit(&store, &mut one, None, first(), Wall(2)).await.unwrap();
        let refused = commit(&store, &mut other, None, first(), Wall(2)).await;
        assert!(matches!(refused, Err(RecordError::Moved)));
        assert!(other.record.is_none(), "what was refused is not done in memory");
    }
}

#[tokio::test]
async fn an_unclear_commit_is_read_back() {
    for (fault, happened) in [(Fault::UnclearDone, true), (Fault::UnclearUndone, false)] {
        let store = wrapped();
        store.arm(Point::Write(1), fault);
        {
            let mut rows = load_stack(&store, &id()).await.unwrap();
            let committed = commit(&store, &mut rows, None, first(), Wall(2)).await;
            assert_eq!(committed.is_ok(), happened);
            assert!(store.unstruck().is_empty());
            let loaded = load_stack(&store, &id()).await.unwrap();
            assert_eq!(loaded.record, rows.record);
            assert_eq!(loaded.versions, rows.versions, "the next batch must expect what is there");
        }
    }
}

#[tokio::test]
async fn fields_and_rows_that_do_not_fit_come_back_whole() {
    let store = wrapped();
    let mut large = owned();
    large.fields = Value::from([("script", Value::from("x".repeat(10_000)))]);
    large.needs =
        (0..200).map(|n| crate::graph::Need::Name(large.identity.address.with_part(&format!("p{n}")))).collect();
    let mut change = first();
    change.push(Op::Owned(Box::new(large.clone())));
    {
        let mut rows = load_stack(&store, &id()).await.unwrap();
        commit(&store, &mut rows, None, change, Wall(2)).await.unwrap();
        let loaded = load_stack(&store, &id()).await.unwrap();
        assert_eq!(loaded.record.unwrap().owned[&large.identity], large);
        // A sweep spares what is named, also by a row that lies in a blob itself.
        let (all, serial) = store.load(&Scope::Everything).await.unwrap();
        let named = blobs_named(&store, &all).await.unwrap();
        assert_eq!(named.len(), 3, "two blobs, and a digest that is no blob: {named:?}");
        let later = crate::contract::Serial(serial.0 + 1);
        assert_eq!(store.sweep(&named, later, Default::default()).await.unwrap(), 0);
    }
}

#[tokio::test]
async fn one_row_that_cannot_be_read_fails_its_stack_and_names_itself() {
    let key = owned_key(&owned().identity);
    let newer = br#"{"format":9,"row":{"x":1}}"#.to_vec();
    let stranger = (of_stack(&id(), Table::Stack, "x").to_string().replace("/stack/", "/fancy/"), encode(&1).bytes);
    let blobless =
        br#"{"format":1,"blob":"0000000000000000000000000000000000000000000000000000000000000000"}"#.to_vec();
    let bad = [
        (key.clone(), b"not a row".to_vec(), "damaged"),
        (key.clone(), newer, "newer deployd"),
        (Key::from_text(stranger.0), stranger.1, "newer deployd"),
        (key.clone(), blobless, "no blob"),
    ];
    for (key, bytes, says) in bad {
        let store = wrapped();
        {
            let mut rows = load_stack(&store, &id()).await.unwrap();
            commit(&store, &mut rows, None, first(), Wall(2)).await.unwrap();
            store.commit(Batch { put: vec![(key.clone(), bytes)], ..Batch::default() }).await.unwrap();
            let Err(LoadError::Row(named, how)) = load_stack(&store, &id()).await else { panic!("it was loaded") };
            assert_eq!(named, key);
            assert!(how.contains(says), "{how}");
        }
    }
    let store = wrapped();
    {
        let mut rows = load_stack(&store, &id()).await.unwrap();
        commit(&store, &mut rows, None, first(), Wall(2)).await.unwrap();
        store.spoil(key.clone());
        assert!(matches!(load_stack(&store, &id()).await, Err(LoadError::Row(named, _)) if named == key));
    }
}

#[tokio::test]
async fn a_store_that_cannot_be_reached_is_not_an_empty_one() {
    for read in 1..=2 {
        let store = wrapped();
        {
            let mut rows = load_stack(&store, &id()).await.unwrap();
            commit(&store, &mut rows, None, first(), Wall(2)).await.unwrap();
        }
        let store = TestStore::new(store.inner());
        store.arm(Point::Read(read), Fault::Unreachable);
        assert!(matches!(load_stack(&store, &id()).await, Err(LoadError::Store(_))));
        assert!(store.unstruck().is_empty());
    }
}
