//! Each way in which a command ends has its exit code, with the real binary and a real server (TOUR section 5).

use super::person::{Person, until};
use std::io::{BufRead, BufReader};

/// A service with a database, as most are.
const WITH_DATA: &str = "requires: [ users: postgres ]\n";

#[test]
fn done_is_0_and_something_to_do_is_10_where_it_is_asked() {
    let person = Person::new();
    person.service("hello", "");
    let status = person.asks(&["status", "--world", "sim"]);
    assert_eq!((status.exit, status.out.lines().next()), (0, Some("world sim · no stacks")), "{}", status.talk);
    assert_eq!(person.asks(&["check", "hello", "--world", "sim"]).exit, 0);
    assert_eq!(person.asks(&["plan", "hello", "--world", "sim"]).exit, 0);
    assert_eq!(person.asks(&["plan", "hello", "--world", "sim", "--exit-code"]).exit, 10);
    let applied = person.asks(&["apply", "hello", "--world", "sim"]);
    assert_eq!((applied.exit, applied.out.as_str()), (0, "hello is up\n"), "{}", applied.talk);
    let plan = person.asks(&["plan", "hello", "--exit-code"]);
    assert_eq!(plan.exit, 0, "{}", plan.out);
    assert!(plan.out.starts_with("nothing to do: hello is as asked"), "{}", plan.out);
}

#[test]
fn what_goes_wrong_in_the_world_is_1_and_what_takes_too_long_is_5() {
    let person = Person::new();
    person.service("bad", "env: { SIMULATED: crash }\n");
    person.service("slow", "env: { SIMULATED: 2m }\n");
    let bad = person.asks(&["apply", "bad", "--world", "sim"]);
    assert_eq!(bad.exit, 1, "{}", bad.talk);
    assert!(bad.talk.contains("bad is broken: there is nothing good to return to"), "{}", bad.talk);
    let slow = person.asks(&["apply", "slow", "--world", "sim", "--within", "100ms"]);
    assert_eq!(slow.exit, 5, "{}", slow.talk);
    assert!(slow.talk.contains("it has not ended within 100ms; it goes on"), "{}", slow.talk);
}

#[test]
fn mistakes_in_files_are_3_with_all_of_them() {
    let person = Person::new();
    person.service("shop", "requires: [ users: postgrs ]\nenv: { URL: \"${usrs.url}\" }\n");
    person.service("cart", "scale: 2\nenv: { A: b }\n");
    let explained = person.asks(&["explain", "cart", "env.A", "--world", "sim"]);
    assert_eq!((explained.exit, explained.out.as_str()), (3, ""), "{}", explained.talk);
    assert!(explained.talk.contains("cart/deployd.yaml:3:8"), "{}", explained.talk);
    for command in ["check", "plan", "apply"] {
        let said = person.asks(&[command, "shop", "--world", "sim"]);
        assert_eq!(said.exit, 3, "{command}: {}{}", said.out, said.talk);
        let text = format!("{}{}", said.out, said.talk);
        assert!(text.contains("did you mean `postgres`?"), "{command}: {text}");
        assert!(text.contains("shop/deployd.yaml:3:20"), "{command}: {text}");
        assert!(text.contains("no requirement `usrs`"), "{command}: {text}");
    }
    let (exit, objects) = person.asks_json(&["check", "shop", "--world", "sim"]);
    assert_eq!((exit, objects.len()), (3, 1));
    let codes: Vec<_> = objects[0]["diagnostics"].as_array().unwrap().iter().map(|one| one["code"].as_str()).collect();
    assert_eq!(codes, [Some("unknown-slug"), Some("unknown-name")]);
}

#[test]
fn what_holds_data_is_refused_with_4_and_what_is_gone_is_gone() {
    let person = Person::new();
    person.service("guestbook", WITH_DATA);
    assert_eq!(person.asks(&["apply", "guestbook", "--world", "sim"]).exit, 0);
    let refused = person.asks(&["down", "guestbook"]);
    assert_eq!(refused.exit, 4, "{}", refused.talk);
    assert!(refused.talk.contains("Nothing was done."), "{}", refused.talk);
    assert!(refused.talk.contains("deployd down guestbook --keep-data"), "{}", refused.talk);
    assert!(refused.talk.contains("deployd down guestbook --delete users"), "{}", refused.talk);

    // An unknown name is a mistake of the command line, with the name that was meant.
    let unknown = person.asks(&["down", "guestbok", "--world", "sim"]);
    let (exit, objects) = person.asks_json(&["plan", "--wrold", "sim"]);
    let said = &objects[0]["data"];
    assert_eq!((exit, objects[0]["kind"].as_str()), (2, Some("failure")), "{objects:?}");
    assert!(said["what"].as_str().is_some_and(|what| what.contains("--wrold")), "{objects:?}");
    assert!(said["ways_out"].to_string().contains("--world"), "{objects:?}");
    assert_eq!(unknown.exit, 2, "{}", unknown.talk);
    assert_eq!(unknown.talk, "error: there is no guestbok in sim\n  did you mean `guestbook`?\n");

    let down = person.asks(&["down", "guestbook", "--delete", "users"]);
    assert_eq!((down.exit, down.out.as_str()), (0, "verified: nothing of guestbook is left in sim\n"), "{}", down.talk);
    for again in
        [&["down", "guestbook", "--world", "sim"][..], &["down", "guestbook", "--world", "sim", "--delete", "users"]]
    {
        let said = person.asks(again);
        assert_eq!(said.exit, 0, "{again:?}: {}", said.talk);
        assert_eq!(said.out, "nothing of guestbook is left in sim: it was taken away before\n", "{again:?}");
    }
}

#[test]
fn a_server_that_was_named_and_does_not_answer_is_6() {
    let person = Person::new();
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let address = format!("http://{free}");
    let refused = person.asks(&["status", "--server", &address]);
    assert_eq!(refused.exit, 4, "no token is given: {}", refused.talk);
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_deployd"));
    let output = command.args(["status", "--server", &address]).env("DEPLOYD_TOKEN", "x").output().unwrap();
    assert_eq!(output.status.code(), Some(6));
    let talk = String::from_utf8_lossy(&output.stderr);
    assert!(talk.starts_with(&format!("error: the server at {address} cannot be reached: ")), "{talk}");
}

#[test]
fn ctrl_c_is_130() {
    let person = Person::new();
    let mut watching = person.begins(&["status", "--watch", "--world", "sim"]);
    // What it shows says that it watches.
    let mut first = String::new();
    BufReader::new(watching.stdout.take().unwrap()).read_line(&mut first).unwrap();
    assert_eq!(first, "world sim · no stacks\n");
    let pid = rustix::process::Pid::from_raw(i32::try_from(watching.id()).unwrap()).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
    assert_eq!(watching.wait().unwrap().code(), Some(130));
}

#[test]
fn a_command_that_meets_a_server_at_its_end_waits_for_it_and_asks_the_next() {
    let person = Person::new();
    assert_eq!(person.asks(&["status", "--world", "sim"]).exit, 0);
    let before = person.server().unwrap();
    person.ends_server();
    // Its files, its port and its lock go one after the other: whichever is met, the answer comes.
    for _ in 0..3 {
        let said = person.asks(&["status", "--world", "sim"]);
        assert_eq!((said.exit, said.talk.as_str()), (0, ""));
    }
    assert_ne!(person.server().unwrap(), before);
}

#[test]
fn a_server_keeps_its_worlds_wherever_the_next_question_comes_from() {
    let person = Person::new();
    person.service("hello", "");
    person.write(
        "elsewhere/worlds/other.yaml",
        "world: other\ncapabilities:\n  deploy:simulated: { plays: [deploy:local] }\n",
    );
    person.write("elsewhere/shop/deployd.yaml", "service: shop\nrun: ./serve\n");
    assert_eq!(person.asks(&["apply", "hello", "--world", "sim"]).exit, 0);
    person.ends_server();
    assert!(until(|| person.server().is_none()));

    let status = person.asks_from(&person.path("elsewhere"), &["status", "--world", "sim"]);
    assert_eq!(status.exit, 0, "{}", status.talk);
    assert!(status.out.contains("hello"), "{}", status.out);

    // Files beside other worlds are told which worlds they are read with.
    let plan = person.asks_from(&person.path("elsewhere"), &["plan", "shop", "--world", "sim"]);
    assert_eq!(plan.exit, 0, "{}", plan.talk);
    let note = plan.talk.split_whitespace().collect::<Vec<_>>().join(" ");
    let (has, named) = (person.path("project"), person.path("elsewhere"));
    let wanted = format!("those of {}, not {}", has.display(), named.display());
    assert!(note.contains(&wanted), "{}", plan.talk);

    // Who names other files takes their worlds, once the server has ended.
    person.ends_server();
    assert!(until(|| person.server().is_none()));
    let plan = person.asks_from(&person.path("elsewhere"), &["plan", "shop", "--world", "other"]);
    assert_eq!((plan.exit, plan.talk.as_str()), (0, ""), "{}", plan.out);
}
