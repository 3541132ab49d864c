//! A disk that fails, and deaths at exactly chosen calls: every call of a small life in turn. Whatever happens, the child
//! must not acknowledge what is not there, must not hang, and the store must open again once the disk works.

use super::child::Orders;
use super::folder_under_the_shim;
use super::trace::{Act, Harm, read, run};
use super::verify::{Acknowledged, verify_or_create};
use super::workload::Blobs;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;

const ORDERS: Orders = Orders { seed: 21, writers: 2, steps: 12, blobs: Blobs::Small };
const SIGABRT: i32 = 6;
const SIGKILL: i32 = 9;

/// How many calls a life makes that can fail.
fn calls_of_a_life(orders: Orders, root: &Path) -> u64 {
    let traces = folder_under_the_shim();
    let trace = traces.path().join("trace");
    let output = run(root, orders, &Harm::default(), Some(&trace));
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    read(&trace).len() as u64
}

/// What a child that was harmed left behind.
struct Left {
    signal: Option<i32>,
    succeeded: bool,
    complaint: String,
    acknowledged: Acknowledged,
}

fn harm(root: &Path, orders: Orders, at: u64, how: &str, before: &Acknowledged) -> Left {
    let output = run(root, orders, &Harm { drop: None, at: Some(format!("{at}:{how}")) }, None);
    let mut acknowledged = before.clone();
    let said = String::from_utf8(output.stdout).unwrap();
    said.lines().for_each(|line| acknowledged.hear(line));
    Left {
        signal: output.status.signal(),
        succeeded: output.status.success(),
        complaint: String::from_utf8_lossy(&output.stderr).into_owned(),
        acknowledged,
    }
}

/// Harms every `stride`-th call of a first life, beginning with its `first`, and checks what is left.
fn harm_every_call(how: &str, first: u64, stride: usize, check: impl Fn(u64, &Left)) {
    let given = folder_under_the_shim();
    let calls = calls_of_a_life(ORDERS, given.path());
    assert!(calls > 100, "{calls} calls");
    for at in (first..calls).step_by(stride) {
        let root = folder_under_the_shim();
        let mut left = harm(root.path(), ORDERS, at, how, &Acknowledged::default());
        check(at, &left);
        verify_or_create(&root.path().join("store"), ORDERS, &mut left.acknowledged);
    }
}

fn killed(at: u64, left: &Left) {
    assert!(left.signal == Some(SIGKILL) || left.succeeded, "call {at}: {}", left.complaint);
}

#[test]
fn killed_before_every_even_call() {
    harm_every_call("kill", 2, 2, killed);
}

#[test]
fn killed_before_every_odd_call() {
    harm_every_call("kill", 1, 2, killed);
}

/// It aborts and says why, or it did not even open. Only what fails after the last acknowledgement may stay unseen.
fn stopped(at: u64, left: &Left) {
    let is_told =
        left.complaint.contains("the store is broken") || left.complaint.contains("called `Result::unwrap()`");
    assert!(left.succeeded || is_told, "call {at}: {:?} {}", left.signal, left.complaint);
    assert!(left.signal.is_none_or(|signal| signal == SIGABRT), "call {at}: {:?}", left.signal);
}

#[test]
fn a_disk_that_fails_from_any_call_on_stops_the_process() {
    harm_every_call("eio", 1, 3, stopped);
}

#[test]
fn a_disk_that_is_full_from_any_call_on_stops_the_process() {
    harm_every_call("enospc", 2, 7, stopped);
}

#[test]
fn a_short_write_is_no_error() {
    harm_every_call("short", 3, 11, |at, left| assert!(left.succeeded, "call {at}: {}", left.complaint));
}

/// A server that dies while it opens its state is started again and dies again, at the same call and at the next: nothing
/// may ever be lost by that, and it must open in the end.
#[test]
fn killed_again_and_again_at_every_call_of_an_open() {
    let given = folder_under_the_shim();
    let mut acknowledged = Acknowledged::default();
    for at in 1..=45 {
        let orders = Orders { steps: ORDERS.steps * at, ..ORDERS };
        for at in [at, at, at + 1] {
            let left = harm(given.path(), orders, at, "kill", &acknowledged);
            killed(at, &left);
            acknowledged = left.acknowledged;
        }
        let output = run(given.path(), orders, &Harm::default(), None);
        assert!(output.status.success(), "call {at}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap().lines().for_each(|line| acknowledged.hear(line));
    }
    verify_or_create(&given.path().join("store"), Orders { steps: 0, ..ORDERS }, &mut acknowledged);
    assert_eq!(acknowledged.steps(0), ORDERS.steps * 45);
}

/// Group commit: writers that wait together share a sync.
#[test]
fn many_writers_share_a_sync() {
    let traces = folder_under_the_shim();
    let root = folder_under_the_shim();
    let trace = traces.path().join("trace");
    let output = run(
        root.path(),
        Orders { seed: 5, writers: 32, steps: 20, blobs: Blobs::Small },
        &Harm::default(),
        Some(&trace),
    );
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let acts = read(&trace);
    let acknowledged = acts.iter().filter(|act| matches!(act, Act::Said(line) if line.starts_with("ack"))).count();
    let synced = acts.iter().filter(|act| matches!(act, Act::Sync { .. })).count();
    assert_eq!(acknowledged, 640);
    assert!(synced < acknowledged, "{synced} syncs of data and folder for {acknowledged} commits");
}
