//! Starting: once to a folder, from wherever; with a clean environment and nothing inherited.

use super::*;
use deployd::keeper::{ProcessId, StartError, User, clear, read_log};
use std::os::fd::AsFd;

fn already(found: Found) -> Started {
    Started::Already(Box::new(found))
}

/// A service that says when it is there.
const WAITS: &str = "echo ready; exec sleep 1000";

#[test]
fn a_second_start_finds_the_first() {
    let kept = Kept::with(&service(WAITS, Restart::SERVICE));
    assert_eq!(kept.find(), Found::NotStarted);
    let Started::Now(process) = kept.start().unwrap() else { panic!("it was not started") };
    let first = kept.running();
    assert_eq!(first.service.as_ref(), Some(&process));
    assert_eq!((first.phase, first.receipt.as_str(), first.restarts), (Phase::Running, "a receipt", 0));
    kept.line_with("ready");
    // Another client, as after a restart of the server.
    let another = Keepers::new(env!("CARGO_BIN_EXE_deployd"));
    let again = another.start(&kept.folder(), &environment(&[])).unwrap();
    assert_eq!(again, already(Found::Running(first.clone())));
    assert_eq!(kept.running(), first);
    let lines = read_log(&kept.folder(), LogPlace::default(), 100).unwrap().lines;
    assert_eq!(lines.iter().filter(|line| line.text == "ready").count(), 1);
    let [_, group, session] = relatives(process.pid);
    assert_eq!((group, session), (process.pid, process.pid), "a group and a session of its own");
    assert_ne!(relatives(first.keeper.pid)[2], relatives(std::process::id())[2], "the keeper left our session");
}

#[test]
fn of_many_starts_at_once_one_starts() {
    let kept = Kept::with(&script("echo ran"));
    let outcomes: Vec<_> = std::thread::scope(|scope| {
        let starts: Vec<_> = (0..8).map(|_| scope.spawn(|| kept.start().unwrap())).collect();
        starts.into_iter().map(|start| start.join().unwrap()).collect()
    });
    assert_eq!(outcomes.iter().filter(|outcome| matches!(outcome, Started::Now(_))).count(), 1, "{outcomes:?}");
    by_itself(&kept.last_run(), &Exit::Code(0));
    // Nor does one that comes after the end: a command that runs once runs once.
    assert_eq!(kept.start().unwrap(), already(kept.find()));
    let lines = read_log(&kept.folder(), LogPlace::default(), 100).unwrap().lines;
    assert_eq!(lines.iter().filter(|line| line.text == "ran").count(), 1);
}

#[test]
fn a_cleared_folder_starts_again_and_its_log_goes_on() {
    let kept = Kept::started(&script("echo ran"));
    kept.ended();
    clear(&kept.folder()).unwrap();
    assert_eq!(kept.find(), Found::NotStarted);
    assert!(matches!(kept.start().unwrap(), Started::Now(_)));
    kept.ended();
    let lines = read_log(&kept.folder(), LogPlace::default(), 100).unwrap().lines;
    assert_eq!(lines.iter().filter(|line| line.text == "ran").count(), 2);
}

#[test]
fn a_folder_in_use_is_neither_cleared_nor_given_another_spec() {
    let spec = service(WAITS, Restart::SERVICE);
    let kept = Kept::started(&spec);
    assert_eq!(clear(&kept.folder()).unwrap_err().kind(), std::io::ErrorKind::ResourceBusy);
    write_spec(&kept.folder(), &spec).unwrap();
    let another = Spec { grace: Milliseconds(1), ..spec.clone() };
    assert_eq!(write_spec(&kept.folder(), &another).unwrap_err().kind(), std::io::ErrorKind::AlreadyExists);
    assert_eq!(deployd::keeper::read_spec(&kept.folder()).unwrap(), Some(spec));
}

#[test]
fn it_finds_exactly_the_environment_that_was_given() {
    let kept = Kept::with(&once(&["/usr/bin/env", "-0"]));
    let given = [("LANG", "C"), ("SECRET", "s3cr=t\nline"), ("EMPTY", "")];
    kept.keepers.start(&kept.folder(), &environment(&given)).unwrap();
    by_itself(&kept.last_run(), &Exit::Code(0));
    let lines = read_log(&kept.folder(), LogPlace::default(), 100).unwrap().lines;
    let texts = lines.iter().filter(|line| line.stream == deployd::keeper::Stream::Out).map(|line| line.text.as_str());
    let text = texts.collect::<Vec<_>>().join("\n");
    let mut variables: Vec<_> = text.split_terminator('\0').collect();
    variables.sort_unstable();
    assert_eq!(variables, ["EMPTY=", "LANG=C", "PATH=/usr/local/bin:/usr/bin:/bin", "SECRET=s3cr=t\nline"]);
}

#[test]
fn the_environment_touches_no_disk() {
    let kept = Kept::with(&service(WAITS, Restart::SERVICE));
    kept.keepers.start(&kept.folder(), &environment(&[("TOKEN", "canary-7e57")])).unwrap();
    let state = kept.stop(Stop::AtOnce);
    assert!(state.last.is_some());
    let mut folders = vec![kept.folder()];
    let mut files = 0;
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap().flatten() {
            if entry.file_type().unwrap().is_dir() {
                folders.push(entry.path());
            } else if entry.file_type().unwrap().is_file() {
                files += 1;
                let text = fs::read(entry.path()).unwrap();
                assert!(!String::from_utf8_lossy(&text).contains("canary"), "{}", entry.path().display());
            }
        }
    }
    assert!(files >= 4, "spec, state, lock, stop and a log are there");
}

#[test]
fn t39_nothing_is_inherited() {
    // As a careless library or a script's `exec 7>file` would leave it: open for every child.
    let leak = tempfile::NamedTempFile::new().unwrap();
    rustix::io::fcntl_setfd(leak.as_fd(), rustix::io::FdFlags::empty()).unwrap();
    let kept = Kept::started(&script("echo ready; exec sleep 1000"));
    kept.line_with("ready");
    let state = kept.running();
    let service = state.service.unwrap().pid;
    let leads: Vec<_> = descriptors(service).iter().map(|to| to.to_string_lossy().into_owned()).collect();
    assert_eq!(leads.len(), 3, "standard input, output and error: {leads:?}");
    assert!(leads.contains(&"/dev/null".to_owned()));
    assert_eq!(leads.iter().filter(|to| to.starts_with("pipe:")).count(), 2, "{leads:?}");
    let guard = relatives(state.keeper.pid)[0];
    for ours in [state.keeper.pid, guard] {
        assert!(!descriptors(ours).contains(&leak.path().to_owned()), "{:?}", descriptors(ours));
        let environment = fs::read(format!("/proc/{ours}/environ")).unwrap();
        assert_eq!(environment, b"", "the server's environment is not the keeper's");
    }
}

#[test]
fn nothing_stays_ignored_or_blocked() {
    // As under nohup, or after a shell's `&`.
    let kept = Kept::with(&script("cat /proc/self/status"));
    let line = "trap '' HUP INT QUIT TERM USR1 USR2 CHLD PIPE TSTP; exec \"$0\" keeper \"$1\" < /dev/null";
    let mut server = std::process::Command::new("/bin/sh");
    server.args(["-c", line, env!("CARGO_BIN_EXE_deployd")]).arg(kept.folder());
    assert!(server.output().unwrap().status.success());
    by_itself(&kept.last_run(), &Exit::Code(0));
    let lines = read_log(&kept.folder(), LogPlace::default(), 100).unwrap().lines;
    for what in ["SigBlk:", "SigIgn:"] {
        let line = lines.iter().find_map(|line| line.text.strip_prefix(what)).unwrap();
        // Beyond 31 are those that the C library keeps for itself.
        let standard = u64::from_str_radix(line.trim(), 16).unwrap() & ((1 << 31) - 1);
        assert_eq!(standard, 0, "{what}{line}");
    }
}

#[test]
fn what_cannot_start_says_why() {
    let missing = once(&["no-such-program", "x"]);
    let folder = Spec { directory: PathBuf::from("/no/such/folder"), ..script("true") };
    let data = once(&["/etc/passwd"]);
    let nothing = once(&[]);
    let cases = [
        (missing, "cannot run no-such-program: No such file or directory"),
        (folder, "cannot enter /no/such/folder: No such file or directory"),
        (data, "cannot run /etc/passwd: Permission denied"),
        (nothing, "the command is empty"),
    ];
    for (spec, expected) in cases {
        for restart in [Restart::Never, Restart::SERVICE] {
            let kept = Kept::with(&Spec { restart, ..spec.clone() });
            let Err(StartError::CouldNotStart(why)) = kept.start() else { panic!("{:?} started", spec.command) };
            assert!(why.starts_with(expected), "{why}");
            let state = kept.ended();
            assert_eq!(state.phase, Phase::Exited);
            by_itself(&state.last.unwrap(), &Exit::CouldNotStart(why));
        }
    }
    let kept = Kept::new();
    let error = kept.start().unwrap_err();
    assert!(matches!(&error, StartError::Failed(_)), "{error:?}");
    assert_eq!(kept.find(), Found::NotStarted);
}

#[test]
fn it_runs_as_the_user_that_was_asked_for() {
    let script = script("id -u; id -G; echo opened > /dev/stdout");
    if rustix::process::geteuid().is_root() {
        let nobody = User { user: 65_534, group: 65_534 };
        let kept = Kept::started(&Spec { user: Some(nobody), ..script });
        let run = kept.last_run();
        by_itself(&run, &Exit::Code(0));
        assert_eq!(run.lines, ["65534", "65534", "opened"]);
    } else {
        // Nobody becomes somebody else who is not root, least of all root.
        let kept = Kept::with(&Spec { user: Some(User { user: 0, group: 0 }), ..script });
        assert!(matches!(kept.start(), Err(StartError::CouldNotStart(_))));
    }
}

#[test]
fn a_number_that_somebody_else_has_is_not_believed() {
    let kept = Kept::started(&service(WAITS, Restart::SERVICE));
    let state = kept.folder().join("state.json");
    let written = read_json(&state);
    kept.stop(Stop::AtOnce);
    until("the keeper is gone", || clear(&kept.folder()).ok());
    // The state of a keeper that vanished, whose number is ours by now.
    let mut forged = written.clone();
    forged["keeper"]["pid"] = std::process::id().into();
    forged["service"]["pid"] = std::process::id().into();
    write_json(&state, &forged);
    assert!(matches!(kept.find(), Found::Dead(_)), "{:?}", kept.find());
    // Even with our start time: no lock is held.
    let us = ProcessId::of(std::process::id()).unwrap().unwrap();
    forged["keeper"] = serde_json::to_value(us).unwrap();
    write_json(&state, &forged);
    assert!(matches!(kept.find(), Found::Dead(_)), "{:?}", kept.find());
    // After the machine was started anew.
    let mut old = written;
    old["keeper"]["boot"] = "another start".into();
    write_json(&state, &old);
    assert!(matches!(kept.find(), Found::Dead(_)), "{:?}", kept.find());
}

#[test]
fn clearing_kills_no_stranger() {
    let kept = Kept::started(&service(WAITS, Restart::SERVICE));
    let state = kept.folder().join("state.json");
    let mut forged = read_json(&state);
    kept.stop(Stop::AtOnce);
    until("the keeper is gone", || clear(&kept.folder()).ok());
    // Somebody else's process, with a session of the number that the dead process had, later than it.
    let mut stranger = std::process::Command::new("setsid").args(["sleep", "1000"]).spawn().unwrap();
    until("it has its session", || (relatives(stranger.id())[2] == stranger.id()).then_some(()));
    forged["service"]["pid"] = stranger.id().into();
    write_json(&state, &forged);
    assert!(matches!(kept.find(), Found::Dead(_)), "{:?}", kept.find());
    clear(&kept.folder()).unwrap();
    assert!(is_alive(stranger.id()));
    stranger.kill().unwrap();
    stranger.wait().unwrap();
}

#[test]
fn a_change_is_told_without_asking() {
    let kept = Kept::with(&service(WAITS, Restart::SERVICE));
    let mut changes = deployd::keeper::Changes::new().unwrap();
    changes.watch(&kept.folder()).unwrap();
    assert!(changes.next(Duration::ZERO).unwrap().is_empty());
    kept.start().unwrap();
    let expected = [kept.folder()].into();
    assert_eq!(changes.next(PATIENCE).unwrap(), expected);
    request_stop(&kept.folder(), Stop::AtOnce).unwrap();
    until("its end is told", || {
        let told = changes.next(PATIENCE).unwrap() == expected;
        (told && matches!(kept.find(), Found::Ended(_))).then_some(())
    });
}

#[test]
fn a_held_lock_with_a_stranger_in_the_state_is_unknown() {
    let kept = Kept::started(&service(WAITS, Restart::SERVICE));
    let path = kept.folder().join("state.json");
    let honest = fs::read(&path).unwrap();
    let mut forged = read_json(&path);
    forged["keeper"]["pid"] = std::process::id().into();
    write_json(&path, &forged);
    assert!(matches!(kept.find(), Found::Unknown(_)), "{:?}", kept.find());
    for unreadable in [&b"{\"format\":1,"[..], b"{\"format\":2}", b""] {
        fs::write(&path, unreadable).unwrap();
        assert!(matches!(kept.find(), Found::Unknown(_)), "{:?}", kept.find());
    }
    fs::write(&path, honest).unwrap();
    assert_eq!(kept.running().phase, Phase::Running);
}
