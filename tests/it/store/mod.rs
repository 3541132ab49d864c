//! The stores: one suite for all of them, crashes, power cuts, exports.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod export;
mod golden;
mod sled;
mod suite;
mod test_store;
mod torture;

use deployd::contract::Store;
use deployd::store::memory::MemoryStore;
use deployd::store::test_store::TestStore;
use std::sync::Arc;

/// Runs every function of the suite on a store.
macro_rules! suite {
    ($module:ident, $given:expr, [$($case:ident),* $(,)?]) => {
        mod $module {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $case() {
                let (store, _keep) = $given;
                super::suite::$case(store).await;
            })*
        }
    };
}

macro_rules! suite_on {
    ($module:ident, $given:expr) => {
        suite!(
            $module,
            $given,
            [
                a_batch_is_whole,
                what_moved_is_refused_whole,
                a_removed_row_comes_back_with_another_version,
                only_the_newest_fence_holds,
                being_fenced_weighs_more_than_having_moved,
                a_scope_has_its_rows_and_no_others,
                limits_are_kept,
                the_largest_batch_is_one_batch,
                events_come_in_order_and_are_paged,
                swept_events_are_told_as_a_reset,
                blobs_are_what_was_kept,
                a_sweep_takes_what_is_old_and_unnamed,
                watchers_hear_of_every_row,
                a_slow_watcher_is_told_to_look_at_everything,
                a_watch_ends_with_its_store,
                acquiring_is_never_refused_to_the_only_process,
                writers_do_not_lose_each_other,
                loads_are_consistent_under_writers,
            ]
        );
    };
}

suite_on!(memory, super::in_memory());
suite_on!(wrapped, super::wrapped());
suite_on!(embedded, super::embedded());

fn in_memory() -> (Arc<dyn Store>, ()) {
    (Arc::new(MemoryStore::new("test")), ())
}

fn embedded() -> (Arc<dyn Store>, tempfile::TempDir) {
    let parent = tempfile::tempdir().unwrap();
    (Arc::new(sled::create(&parent.path().join("store"))), parent)
}

fn wrapped() -> (Arc<dyn Store>, ()) {
    (Arc::new(TestStore::new(in_memory().0)), ())
}
