//! A disk that fails, and deaths at exactly chosen calls: every call of a small life in turn. Whatever happens, the child
//! must not acknowledge what is not there, must not hang, and the store must open again once the disk works.

use super::child::Orders;
use super::trace::{Harm, read, run};
use super::verify::{Acknowledged, verify_or_create};
use std::os::unix::process::ExitStatusExt;
use std::path::Path;

const ORDERS: Orders = Orders { seed: 21, writers: 2, steps: 12 };
const SIGABRT: i32 = 6;
const SIGKILL: i32 = 9;

/// How many calls a life makes that can fail.
fn calls_of_a_life(orders: Orders, root: &Path) -> u64 {
    let traces = tempfile::tempdir().unwrap();
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

/// Harms every `stride`-th call of a first life, and checks what is left.
fn harm_every_call(how: &str, stride: usize, check: impl Fn(u64, &Left)) {
    let given = tempfile::tempdir().unwrap();
    let calls = calls_of_a_life(ORDERS, given.path());
    assert!(calls > 100, "{calls} calls");
    for at in (1..calls).step_by(stride) {
        let root = tempfile::tempdir().unwrap();
        let mut left = harm(root.path(), ORDERS, at, how, &Acknowledged::default());
        check(at, &left);
        verify_or_create(&root.path().join("store"), ORDERS, &mut left.acknowledged);
    }
}

#[test]
fn killed_before_every_call_of_its_creation_and_after() {
    harm_every_call("kill", 3, |at, left| {
        assert!(left.signal == Some(SIGKILL) || left.succeeded, "call {at}: {}", left.complaint);
    });
}

#[test]
fn a_disk_that_fails_from_any_call_on_stops_the_process() {
    harm_every_call("eio", 3, |at, left| {
        // It aborts, or it does not even open; a failure after the last acknowledgement may stay unseen.
        let is_told =
            left.complaint.contains("the store is broken") || left.complaint.contains("called `Result::unwrap()`");
        assert!(left.succeeded || is_told, "call {at}: {:?} {}", left.signal, left.complaint);
        assert!(left.signal.is_none_or(|signal| signal == SIGABRT), "call {at}: {:?}", left.signal);
    });
}
