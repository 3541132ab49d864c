//! Ending: by itself, when asked, with everything that was started; and starting again.

use super::*;
use deployd::keeper::{Asked, EndedFor, clear, read_log};

#[test]
fn code_signal_and_last_lines_are_kept() {
    let kept = Kept::started(&script("seq 1 50; echo why >&2; exit 7"));
    let run = kept.last_run();
    by_itself(&run, &Exit::Code(7));
    assert_eq!(run.lines.len(), 20);
    assert!(run.lines.contains(&"why".to_owned()) && run.lines.contains(&"50".to_owned()), "{:?}", run.lines);
    assert!(run.started <= run.ended);
    let kept = Kept::started(&script("printf 'half a line'; kill -SEGV $$"));
    let run = kept.last_run();
    by_itself(&run, &Exit::Signal(11));
    assert_eq!(run.lines, ["half a line"]);
    assert!(!run.exit.is_success());
}

#[test]
fn asked_to_stop_it_has_time_to_end_well() {
    let kept = Kept::started(&service(
        "trap 'echo ending; exit 3' TERM; echo ready; while :; do sleep 1000 & wait; done",
        Restart::SERVICE,
    ));
    kept.line_with("ready");
    let state = kept.stop(Stop::Gracefully);
    let run = state.last.unwrap();
    assert_eq!((run.exit, run.ended_for), (Exit::Code(3), Some(EndedFor::Stop)));
    assert_eq!(run.lines, ["ready", "ending"]);
    assert_eq!(state.service, None);
}

#[test]
fn its_children_have_the_same_time() {
    // The shell ends at once; its child, which nobody waits for any more, ends well a little later.
    let mark = unique();
    let child = format!("trap 'echo {mark} ended well; exit' TERM; echo ready; while :; do sleep 1000 & wait; done");
    let kept = Kept::started(&service(&format!("sh -c \"{child}\" & trap 'exit 0' TERM; wait"), Restart::SERVICE));
    kept.line_with("ready");
    let run = kept.stop(Stop::Gracefully).last.unwrap();
    assert_eq!(run.lines.last().unwrap(), &format!("{mark} ended well"));
    until_gone(&[&mark]);
}

#[test]
fn who_left_the_group_is_asked_once_it_is_alone() {
    // Were it asked with the group, it would say so before the first, which takes its time.
    let mark = unique();
    let lonely = "trap 'echo alone; exit' TERM; echo ready; while :; do sleep 1000 & wait; done";
    let first = "trap 'sleep 0.2; echo first; exit' TERM";
    let text = format!("{first}; setsid sh -c \"{lonely}\" {mark} & while :; do sleep 1000 & wait; done");
    let kept = Kept::started(&service(&text, Restart::SERVICE));
    kept.line_with("ready");
    let run = kept.stop(Stop::Gracefully).last.unwrap();
    assert_eq!(run.lines, ["ready", "first", "alone"]);
    until_gone(&[&mark]);
}

#[test]
fn it_is_asked_by_the_signal_that_it_wants() {
    // A shell's background child ignores both: it is asked by SIGTERM once the shell has ended.
    for (ask, signal, code) in [(Ask::Interrupt, "INT", 4), (Ask::Quit, "QUIT", 5)] {
        let text = format!("trap 'exit {code}' {signal}; echo ready; while :; do sleep 1000 & wait; done");
        let kept = Kept::started(&Spec { ask, ..service(&text, Restart::SERVICE) });
        kept.line_with("ready");
        assert_eq!(kept.stop(Stop::Gracefully).last.unwrap().exit, Exit::Code(code));
    }
}

#[test]
fn who_hears_no_request_is_killed_with_everything_it_started() {
    let mark = unique();
    // One in its group, one in a group and a session of its own, and one whose parent left it.
    let text = format!(
        "trap '' TERM
         sh -c \"trap '' TERM; while :; do sleep 1; done\" {mark} &
         setsid sh -c \"trap '' TERM; while :; do sleep 1; done\" {mark} &
         sh -c \"setsid sh -c 'echo ready; while :; do sleep 1; done' {mark} &\"
         while :; do sleep 1; done"
    );
    let spec = Spec { grace: Milliseconds(50), ..service(&text, Restart::SERVICE) };
    let kept = Kept::started(&spec);
    kept.line_with("ready");
    until("all three run", || (processes_with(&mark).len() >= 4).then_some(()));
    let run = kept.stop(Stop::Gracefully).last.unwrap();
    assert_eq!((run.exit, run.ended_for), (Exit::Signal(9), Some(EndedFor::Stop)));
    until_gone(&[&mark, &kept.folder().to_string_lossy()]);
}

#[test]
fn at_once_overtakes_grace() {
    let kept = Kept::started(&service("trap '' TERM; echo ready; while :; do sleep 1; done", Restart::SERVICE));
    kept.line_with("ready");
    assert_eq!(request_stop(&kept.folder(), Stop::Gracefully).unwrap(), Asked::Keeper);
    until("it is being ended", || (kept.running().phase == Phase::Ending).then_some(()));
    let run = kept.stop(Stop::AtOnce).last.unwrap();
    assert_eq!(run.exit, Exit::Signal(9));
}

#[test]
fn what_it_leaves_behind_ends_with_it() {
    let mark = unique();
    let text = format!("setsid sh -c 'while :; do sleep 1; done' {mark} & echo $!; exit 5");
    let kept = Kept::started(&script(&text));
    by_itself(&kept.last_run(), &Exit::Code(5));
    until_gone(&[&mark]);
}

#[test]
fn a_request_before_the_start_holds() {
    let kept = Kept::with(&script("echo ran"));
    assert_eq!(request_stop(&kept.folder(), Stop::Gracefully).unwrap(), Asked::Nobody);
    assert_eq!(kept.find(), Found::NotStarted);
    let Started::Already(_) = kept.start().unwrap() else { panic!("it was started") };
    let state = kept.ended();
    assert_eq!(state.phase, Phase::Stopped);
    assert_eq!(state.last.unwrap().exit, Exit::NeverStarted);
    assert_eq!(read_log(&kept.folder(), LogPlace::default(), 100).unwrap().lines, []);
    clear(&kept.folder()).unwrap();
    assert!(matches!(kept.start().unwrap(), Started::Now(_)));
    assert_eq!(kept.ended().phase, Phase::Exited);
    // Nobody is there any more: the request stands, and changes nothing.
    request_stop(&kept.folder(), Stop::Gracefully).unwrap();
    assert_eq!(kept.ended().phase, Phase::Exited);
}

#[test]
fn a_keeper_that_is_terminated_stops_gently() {
    let kept = Kept::started(&service(
        "trap 'exit 3' TERM; echo ready; while :; do sleep 1000 & wait; done",
        Restart::SERVICE,
    ));
    kept.line_with("ready");
    signal(kept.running().keeper.pid, rustix::process::Signal::TERM);
    let state = kept.ended();
    assert_eq!((state.phase, state.last.unwrap().exit), (Phase::Stopped, Exit::Code(3)));
}

#[test]
fn a_crash_loop_slows_down() {
    let restart =
        Restart::Always { first: Milliseconds(10), longest: Milliseconds(40), settled: Milliseconds::seconds(3_600) };
    let kept = Kept::started(&service("echo once more; exit 1", restart));
    let mut pauses = Vec::new();
    let mut follow = Follow::new(&kept.folder(), LogPlace::default());
    until("it crashed five times", || {
        for line in follow.next(100, Duration::from_millis(100)).unwrap().lines {
            pauses.extend(line.text.strip_prefix("ended with code 1; it is started again in ").map(str::to_owned));
        }
        (pauses.len() >= 5).then_some(())
    });
    assert_eq!(pauses[..5], ["0.01 s", "0.02 s", "0.04 s", "0.04 s", "0.04 s"]);
    let state = kept.stop(Stop::Gracefully);
    assert!(state.restarts >= 4, "{}", state.restarts);
}

#[test]
fn between_two_runs_it_says_so_and_can_be_stopped() {
    let hour = Milliseconds::seconds(3_600);
    let kept = Kept::started(&service("exit 4", Restart::Always { first: hour, longest: hour, settled: hour }));
    let state = until("it backs off", || match kept.find() {
        Found::Running(state) if matches!(state.phase, Phase::BackingOff { .. }) => Some(state),
        _ => None,
    });
    let Phase::BackingOff { until } = state.phase else { unreachable!() };
    let last = state.last.unwrap();
    assert!(until >= last.ended.plus(Milliseconds::seconds(3_500)));
    by_itself(&last, &Exit::Code(4));
    assert_eq!(state.service, None);
    let state = kept.stop(Stop::Gracefully);
    assert_eq!((state.restarts, state.last), (0, Some(last)));
}

#[test]
fn whose_folder_is_removed_ends_with_everything_it_started() {
    let mark = unique();
    let kept = Kept::started(&service(
        &format!("sh -c 'while :; do sleep 1; done' {mark} & echo ready; wait"),
        Restart::SERVICE,
    ));
    kept.line_with("ready");
    let state = kept.running();
    fs::rename(kept.folder(), kept.home.path().join("moved")).unwrap();
    fs::rename(kept.home.path().join("moved"), kept.folder()).unwrap();
    assert!(matches!(kept.find(), Found::Running(_)), "what was moved is there");
    fs::remove_dir_all(kept.folder()).unwrap();
    until("it ends", || (!state.keeper.is_alive().unwrap()).then_some(()));
    until_gone(&[&mark]);
}
