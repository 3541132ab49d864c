//! Deaths: of the keeper, its guard, the server; and a hundred of them without a trace.

use super::*;
use deployd::keeper::clear;
use std::os::unix::process::CommandExt as _;
use std::process::{Command, Stdio};

/// A service whose children hide from its group; all of them have `mark` in their command line.
fn family(mark: &str) -> Spec {
    let child = format!("while :; do sleep 1; done # {mark}");
    service(&format!("setsid sh -c '{child}' & sh -c '{child}' & echo ready; wait # {mark}"), Restart::SERVICE)
}

fn started_family(mark: &str) -> (Kept, State) {
    let kept = Kept::started(&family(mark));
    kept.line_with("ready");
    until("the family is there", || (processes_with(mark).len() >= 3).then_some(()));
    let state = kept.running();
    (kept, state)
}

fn dead(kept: &Kept) -> State {
    until("it is known to be dead", || match kept.find() {
        Found::Dead(state) => Some(state),
        // For a moment its last word stands, then what it had started is ended.
        Found::Running(_) | Found::Unknown(_) => None,
        other => panic!("it is {other:?}"),
    })
}

#[test]
fn with_its_keeper_dies_a_process_and_all_that_it_started() {
    let mark = unique();
    let (kept, state) = started_family(&mark);
    kill(state.keeper.pid);
    assert_eq!(dead(&kept), state, "its last word stands");
    // Dead is said when nothing is left, not before.
    assert_eq!(processes_with(&mark), []);
    assert_eq!(
        kept.start().unwrap(),
        Started::Already(Box::new(Found::Dead(state))),
        "dead is no leave to start again"
    );
    clear(&kept.folder()).unwrap();
    assert!(matches!(kept.start().unwrap(), Started::Now(_)));
    kept.stop(Stop::AtOnce);
    until_gone(&[&mark]);
}

#[test]
fn without_its_guard_a_keeper_goes_on() {
    let mark = unique();
    let (kept, state) = started_family(&mark);
    let guard = relatives(state.keeper.pid)[0];
    kill(guard);
    until("the guard is gone", || (!is_alive(guard)).then_some(()));
    assert_eq!(kept.running(), state);
    assert!(matches!(kept.start().unwrap(), Started::Already(found) if matches!(*found, Found::Running(_))));
    kept.stop(Stop::AtOnce);
    until_gone(&[&mark]);
}

#[test]
fn with_both_dies_at_least_the_process_itself_and_clearing_ends_the_rest() {
    let mark = unique();
    let child = format!("while :; do sleep 1; done # {mark}");
    let text = format!("sh -c '{child}' & echo ready; while :; do sleep 1; done");
    let kept = Kept::started(&service(&text, Restart::SERVICE));
    kept.line_with("ready");
    until("the child is there", || (!processes_with(&mark).is_empty()).then_some(()));
    let state = kept.running();
    let guard = relatives(state.keeper.pid)[0];
    // Stopped first, so that neither can see the other die.
    for pid in [guard, state.keeper.pid] {
        signal(pid, rustix::process::Signal::STOP);
    }
    for pid in [guard, state.keeper.pid] {
        kill(pid);
    }
    assert_eq!(dead(&kept), state);
    let service = state.service.unwrap();
    until("the process is gone", || (!service.is_alive().unwrap()).then_some(()));
    assert_ne!(processes_with(&mark), [], "nobody was left to end its child");
    clear(&kept.folder()).unwrap();
    assert_eq!(processes_with(&mark), []);
    assert_eq!(kept.find(), Found::NotStarted);
}

#[test]
fn a_server_that_is_killed_takes_nothing_along() {
    let kept = Kept::with(&service("echo ready; exec sleep 1000", Restart::SERVICE));
    // What `start` does, done by a process that is then killed, with its whole group, like a server at a terminal.
    let line = "\"$0\" keeper \"$1\" < /dev/null > \"$2\" & echo > \"$3\"; wait";
    let answer = kept.home.path().join("answer");
    let mut server = Command::new("/bin/sh")
        .args(["-c", line, env!("CARGO_BIN_EXE_deployd")])
        .args([kept.folder(), answer.clone(), PathBuf::from("/dev/null")])
        .stderr(Stdio::null())
        .process_group(0)
        .spawn()
        .unwrap();
    kept.line_with("ready");
    until("it has answered", || fs::read_to_string(&answer).unwrap().contains("Started").then_some(()));
    let state = kept.running();
    let group = rustix::process::Pid::from_raw(i32::try_from(server.id()).unwrap()).unwrap();
    rustix::process::kill_process_group(group, rustix::process::Signal::KILL).unwrap();
    server.wait().unwrap();
    assert_eq!(kept.running(), state, "it is found again as it was");
    assert!(state.service.unwrap().is_alive().unwrap());
    assert!(matches!(kept.start().unwrap(), Started::Already(found) if matches!(*found, Found::Running(_))));
    let run = kept.stop(Stop::Gracefully).last.unwrap();
    assert_eq!(run.exit, Exit::Signal(15));
}

#[test]
fn a_hundred_starts_and_deaths_leave_nothing() {
    let mark = unique();
    let kept = Kept::with(&Spec { grace: Milliseconds(20), ..family(&mark) });
    let folder = kept.folder();
    let mut guards = Vec::new();
    for round in 0..100 {
        let Started::Now(service) = kept.start().unwrap() else { panic!("round {round} did not start") };
        let keeper = relatives(service.pid)[0];
        let guard = relatives(keeper)[0];
        guards.push(guard);
        match round % 5 {
            0 => drop(kept.stop(Stop::Gracefully)),
            1 => drop(kept.stop(Stop::AtOnce)),
            2 => kill(keeper),
            3 => {
                kill(guard);
                kept.stop(Stop::AtOnce);
            }
            _ => {
                kill(service.pid);
                kept.stop(Stop::Gracefully);
            }
        }
        until("it is over", || match kept.find() {
            Found::Ended(_) | Found::Dead(_) => clear(&folder).ok(),
            _ => None,
        });
        assert_eq!(processes_with(&mark), [], "after round {round}");
    }
    until_gone(&[&mark, &folder.to_string_lossy()]);
    until("every guard was waited for", || {
        kept.keepers.reap();
        guards.iter().all(|guard| !Path::new(&format!("/proc/{guard}")).exists()).then_some(())
    });
}
