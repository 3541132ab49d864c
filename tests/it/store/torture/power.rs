//! Power cuts: a child runs under the shim, and its store is opened from what would be left at hundreds of moments of that
//! life. Then it lives on from one of these, so that cuts hit recoveries from cuts too.

use super::child::Orders;
use super::disk::{Cut, Disk};
use super::folder_under_the_shim;
use super::log::Log;
use super::trace::{Act, Harm, read, run};
use super::verify::{Acknowledged, verify_or_create};
use super::workload::{Blobs, Numbers};
use std::path::Path;

/// The lives of one store, and the cuts of each.
struct Lives {
    seed: u64,
    writers: u64,
    lives: u64,
    /// Steps that each writer makes in a life.
    steps: u64,
    cuts: u64,
    harm: Harm,
}

/// What came of it.
#[derive(Default, Debug)]
pub struct Outcome {
    /// Images that were opened.
    pub cuts: u64,
    /// Acknowledgements heard.
    pub acknowledged: u64,
    /// What was wrong, and where.
    pub wrong: Vec<String>,
}

fn cut_the_power(lives: &Lives) -> Outcome {
    let mut outcome = Outcome::default();
    let mut acknowledged = Acknowledged::default();
    let mut root = folder_under_the_shim();
    for life in 0..lives.lives {
        let orders =
            Orders { seed: lives.seed, writers: lives.writers, steps: (life + 1) * lives.steps, blobs: Blobs::Small };
        let traces = folder_under_the_shim();
        let trace = traces.path().join("trace");
        let mut disk = Disk::of(root.path());
        let mut log = Log::below(root.path());
        let output = run(root.path(), orders, &lives.harm, Some(&trace));
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let acts = read(&trace);
        let numbers = &mut Numbers::of(lives.seed, &[1 << 41, life]);
        let mut moments: Vec<usize> = (0..lives.cuts).map(|_| index(numbers, acts.len() + 1)).collect();
        moments.sort_unstable();
        let go_on_from = index(numbers, moments.len());
        let mut done = 0;
        let mut next_root = None;
        for (number, moment) in moments.iter().enumerate() {
            for act in &acts[done..*moment] {
                advance(&mut disk, &mut log, act, &mut acknowledged, &mut outcome);
            }
            done = *moment;
            let cut = match number % 3 {
                0 => Cut::Strict,
                1 => Cut::Names,
                _ => Cut::Torn(numbers.next()),
            };
            let image = folder_under_the_shim();
            disk.cut(cut, image.path());
            let place = format!("life {life}, {cut:?} before act {moment} of {}", acts.len());
            check(image.path(), orders, &acknowledged, &place, &mut outcome);
            if number == go_on_from {
                let image = folder_under_the_shim();
                disk.cut(cut, image.path());
                next_root = Some((image, acknowledged.clone()));
            }
        }
        outcome.acknowledged += acknowledged.count;
        (root, acknowledged) = next_root.expect("one of the moments is gone on from");
    }
    outcome
}

fn index(numbers: &mut Numbers, end: usize) -> usize {
    usize::try_from(numbers.below(end as u64)).unwrap()
}

/// Does what the child did, and hears what it said.
pub fn advance(disk: &mut Disk, log: &mut Log, act: &Act, acknowledged: &mut Acknowledged, outcome: &mut Outcome) {
    disk.act(act);
    if let Some(claim) = log.act(act) {
        outcome.wrong.push(claim);
    }
    if let Act::Said(line) = act {
        acknowledged.hear(line.trim_end());
    }
}

/// Opens and verifies an image; what is wrong is noted, so that one run tells all.
pub fn check(root: &Path, orders: Orders, acknowledged: &Acknowledged, place: &str, outcome: &mut Outcome) {
    outcome.cuts += 1;
    let mut acknowledged = acknowledged.clone();
    let checked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        verify_or_create(&root.join("store"), orders, &mut acknowledged);
    }));
    if let Err(panic) = checked {
        let text = panic.downcast_ref::<String>().map_or("", String::as_str);
        outcome.wrong.push(format!("{place}: {text}"));
    }
}

fn lives(seed: u64) -> Lives {
    Lives { seed, writers: 2, lives: 5, steps: 30, cuts: 80, harm: Harm::default() }
}

#[test]
fn power_cut_1() {
    let outcome = cut_the_power(&lives(11));
    assert!(outcome.wrong.is_empty(), "{:#?}", outcome.wrong);
    assert!(outcome.cuts >= 400 && outcome.acknowledged > 100, "{outcome:?}");
}

#[test]
fn power_cut_2() {
    let outcome = cut_the_power(&lives(12));
    assert!(outcome.wrong.is_empty(), "{:#?}", outcome.wrong);
    assert!(outcome.cuts >= 400 && outcome.acknowledged > 100, "{outcome:?}");
}

/// The same without our own syncs of the data: what sled calls flushed is lost, and this test sees it.
#[test]
fn without_our_sync_of_the_data_acknowledged_writes_are_lost() {
    let harm = Harm { drop: Some("data"), at: None };
    let outcome = cut_the_power(&Lives { lives: 1, cuts: 60, harm, ..lives(13) });
    assert!(outcome.wrong.iter().any(|wrong| wrong.contains("a write is lost")), "{outcome:#?}");
}

/// The same without syncs of folders: the store itself is lost with its name.
#[test]
fn without_our_sync_of_the_folders_acknowledged_writes_are_lost() {
    let harm = Harm { drop: Some("folder"), at: None };
    let outcome = cut_the_power(&Lives { lives: 1, cuts: 60, harm, ..lives(14) });
    assert!(outcome.wrong.iter().any(|wrong| wrong.contains("the store is gone")), "{outcome:#?}");
}
