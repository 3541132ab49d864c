//! THREATS.md T41: what hangs, forks, floods or fills the disk is ended as a whole, and only that.

use super::*;
use deployd::keeper::EndedFor;
use deployd::model::Bytes;

fn limited(text: &str, limits: Limits) -> Spec {
    Spec { limits, grace: Milliseconds(50), ..script(text) }
}

#[test]
fn t41_one_that_hangs_is_ended_with_its_children() {
    let mark = unique();
    let text = format!("sh -c 'while :; do sleep 1; done' {mark} & echo started; wait");
    let kept = Kept::started(&limited(&text, Limits { time: Some(Milliseconds(150)), ..Limits::default() }));
    let state = kept.ended();
    let run = state.last.unwrap();
    assert_eq!((state.phase, run.exit, run.ended_for), (Phase::Exited, Exit::Signal(15), Some(EndedFor::Time)));
    assert!(run.ended.since(run.started) >= Milliseconds(150));
    assert_eq!(run.lines, ["started"]);
    until_gone(&[&mark]);
}

#[test]
fn t41_one_that_forks_without_end_is_ended_as_a_whole() {
    let mark = unique();
    // Each child in a session of its own, so that no group holds them.
    let text = format!("while :; do setsid sleep 1000.{} & done", mark.len());
    let text = format!("{text} # {mark}");
    let kept = Kept::started(&limited(&text, Limits { processes: Some(20), ..Limits::default() }));
    let run = kept.last_run();
    assert_eq!(run.ended_for, Some(EndedFor::Processes));
    until_gone(&[&mark, &format!("sleep 1000.{}", mark.len())]);
}

#[test]
fn t41_one_that_floods_its_log_is_ended() {
    let kept = Kept::started(&limited("yes flood", Limits { output: Some(Bytes(1 << 20)), ..Limits::default() }));
    let run = kept.last_run();
    assert_eq!((run.exit, run.ended_for), (Exit::Signal(9), Some(EndedFor::Output)));
}

#[test]
fn t41_one_that_fills_the_memory_is_ended() {
    // `tail` holds what it may have to show.
    let text = "head -c 2000000000 /dev/zero | tail -c 1000000000 | wc -c";
    let kept = Kept::started(&limited(text, Limits { memory: Some(Bytes(64 << 20)), ..Limits::default() }));
    assert_eq!(kept.last_run().ended_for, Some(EndedFor::Memory));
}

#[test]
fn t41_one_that_runs_while_the_disk_fills_is_ended() {
    let kept = Kept::started(&limited("sleep 1000", Limits { disk_free: Some(Bytes(u64::MAX)), ..Limits::default() }));
    assert_eq!(kept.last_run().ended_for, Some(EndedFor::DiskFree));
    let kept = Kept::started(&limited("sleep 0.5", Limits { disk_free: Some(Bytes(1)), ..Limits::default() }));
    by_itself(&kept.last_run(), &Exit::Code(0));
}

#[test]
fn the_kernel_is_told_its_limits() {
    let limits = Limits {
        open_files: Some(64),
        file_size: Some(Bytes(1 << 20)),
        core_size: Some(Bytes(0)),
        ..Limits::default()
    };
    // The last is beyond what we may give: the limit is the narrower of the two.
    let kept = Kept::started(&limited("ulimit -n; ulimit -f; ulimit -Hc; grep -c . /proc/self/limits", limits));
    let run = kept.last_run();
    by_itself(&run, &Exit::Code(0));
    assert_eq!(run.lines[..3], ["64", "2048", "0"]);
    let all = Limits { open_files: Some(u64::MAX - 1), ..Limits::default() };
    by_itself(&Kept::started(&limited("true", all)).last_run(), &Exit::Code(0));
}
