//! `kill -9` at random moments: under load, while the store is opened, and while it is created.

use super::child::{Orders, command};
use super::verify::{Acknowledged, verify};
use super::workload::{Blobs, Numbers};
use crate::store::sled::settings;
use deployd::store::sled::{OpenError, SledStore, Start};
use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, ChildStdout};
use std::time::{Duration, Instant};

/// When a life ends.
#[derive(Clone, Copy, Debug)]
enum End {
    /// So long after it was started: while the process starts, opens, creates, or writes its first steps.
    After(Duration),
    /// So long after so many acknowledgements.
    AfterAcks(u64, Duration),
}

/// Starts a child, kills it, and hears what it had said.
fn live_and_die(folder: &Path, orders: Orders, end: End, acknowledged: &mut Acknowledged) {
    let mut child = command(folder, orders).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap());
    if let End::AfterAcks(acks, _) = end {
        hear_acks(&mut lines, acks, acknowledged, &mut child);
    }
    let (End::After(wait) | End::AfterAcks(_, wait)) = end;
    wait_precisely(wait);
    child.kill().unwrap();
    hear_rest(&mut lines, acknowledged);
    let status = child.wait().unwrap();
    let mut complaint = String::new();
    child.stderr.take().unwrap().read_to_string(&mut complaint).unwrap();
    assert!(status.code().is_none(), "the child ended by itself with {status}: {complaint}");
}

fn hear_acks(lines: &mut BufReader<ChildStdout>, acks: u64, acknowledged: &mut Acknowledged, child: &mut Child) {
    let wanted = acknowledged.count + acks;
    while acknowledged.count < wanted {
        let mut line = String::new();
        if lines.read_line(&mut line).unwrap() == 0 {
            let mut complaint = String::new();
            child.stderr.take().unwrap().read_to_string(&mut complaint).unwrap();
            panic!("the child ended by itself: {complaint}");
        }
        acknowledged.hear(line.trim_end());
    }
}

/// What the dead had written to the pipe is still in it.
fn hear_rest(lines: &mut BufReader<ChildStdout>, acknowledged: &mut Acknowledged) {
    let mut rest = String::new();
    lines.read_to_string(&mut rest).unwrap();
    rest.split_inclusive('\n').filter_map(|line| line.strip_suffix('\n')).for_each(|line| acknowledged.hear(line));
}

/// A sleep is coarser than the moments that matter here.
fn wait_precisely(wait: Duration) {
    let began = Instant::now();
    while began.elapsed() < wait {
        std::hint::spin_loop();
    }
}

/// Kills a child so many times on one store, looking at it now and then (a look is a clean open, and crashes during the
/// recovery from crashes matter more).
fn kill_under_load(seed: u64, kills: u64) -> Acknowledged {
    let parent = tempfile::tempdir().unwrap();
    let folder = parent.path().join("store");
    let orders = Orders { seed, writers: 4, steps: u64::MAX, blobs: Blobs::Small };
    let mut acknowledged = Acknowledged::default();
    for kill in 0..kills {
        let mut numbers = Numbers::of(seed, &[1 << 40, kill]);
        let end = if numbers.below(3) == 0 {
            End::After(Duration::from_micros(numbers.below(60_000)))
        } else {
            End::AfterAcks(1 + numbers.below(40), Duration::from_micros(numbers.below(2_000)))
        };
        live_and_die(&folder, orders, end, &mut acknowledged);
        if folder.exists() && numbers.below(4) == 0 {
            verify(&folder, orders, &mut acknowledged);
        }
    }
    verify(&folder, orders, &mut acknowledged);
    acknowledged
}

#[test]
fn killed_under_load_1() {
    assert!(kill_under_load(1, 100).count > 1_000);
}

#[test]
fn killed_under_load_2() {
    assert!(kill_under_load(2, 100).count > 1_000);
}

/// Kills a child again and again while it creates its store and opens it for the first time.
#[test]
fn killed_at_its_creation() {
    for store in 0..25 {
        let parent = tempfile::tempdir().unwrap();
        let folder = parent.path().join("store");
        let orders = Orders { seed: 100 + store, writers: 2, steps: u64::MAX, blobs: Blobs::Small };
        let mut acknowledged = Acknowledged::default();
        for kill in 0..4 {
            let wait = Numbers::of(orders.seed, &[kill]).below(40_000);
            live_and_die(&folder, orders, End::After(Duration::from_micros(wait)), &mut acknowledged);
        }
        live_and_die(&folder, orders, End::AfterAcks(3, Duration::ZERO), &mut acknowledged);
        verify(&folder, orders, &mut acknowledged);
    }
}

/// Two servers on one state: the second is refused and told who has it, at once, for as long as the first lives.
#[test]
fn a_state_that_another_process_uses_is_refused() {
    let parent = tempfile::tempdir().unwrap();
    let folder = parent.path().join("store");
    let orders = Orders { seed: 31, writers: 2, steps: u64::MAX, blobs: Blobs::Small };
    let mut acknowledged = Acknowledged::default();
    let mut child = command(&folder, orders).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap());
    hear_acks(&mut lines, 5, &mut acknowledged, &mut child);
    let refused = SledStore::open(&folder, Start::Existing, &settings()).err();
    let Some(OpenError::Locked { by, .. }) = refused else { panic!("{refused:?}") };
    assert_eq!(by, format!("process {} (a torture child)", child.id()));
    // Being refused has done it no harm.
    hear_acks(&mut lines, 5, &mut acknowledged, &mut child);
    child.kill().unwrap();
    hear_rest(&mut lines, &mut acknowledged);
    child.wait().unwrap();
    verify(&folder, orders, &mut acknowledged);
}
