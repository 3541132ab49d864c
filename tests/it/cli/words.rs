//! The command line's words: what is asked for in the wrong way is answered with exit 2, and commands that come later by
//! their name.

use std::process::{Command, Output};

fn deployd(words: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_deployd")).args(words).env("NO_COLOR", "1").output().unwrap()
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn commands_that_come_later_are_told_by_name() {
    for word in ["init", "run", "deploy", "upload", "audit", "iam-policy", "login", "world", "simulate", "export"] {
        let output = deployd(&[word, "anything", "--flag"]);
        assert_eq!(output.status.code(), Some(2), "{word}");
        assert_eq!(said(&output), format!("error: `deployd {word}` is not built yet\n"));
        assert!(output.stdout.is_empty());
    }
}

#[test]
fn an_unknown_command_has_a_near_one() {
    let output = deployd(&["statsu"]);
    assert_eq!(output.status.code(), Some(2));
    assert_eq!(said(&output), "error: `statsu` is no command of deployd\n  did you mean `status`?\n");
}

#[test]
fn a_wrong_option_is_exit_2_and_help_is_0() {
    assert_eq!(deployd(&["status", "--no-such"]).status.code(), Some(2));
    let help = deployd(&["--help"]);
    assert_eq!(help.status.code(), Some(0));
    let text = String::from_utf8_lossy(&help.stdout);
    for command in ["up", "plan", "explain", "why-not", "rollback", "secret"] {
        assert!(text.lines().any(|line| line.trim_start().starts_with(&format!("{command} "))), "{command}\n{text}");
    }
    assert!(text.contains("Exit codes:"), "{text}");
    assert_eq!(deployd(&["--version"]).status.code(), Some(0));
}

#[test]
fn failures_are_objects_under_json() {
    let output = deployd(&["login", "--json"]);
    assert_eq!(output.status.code(), Some(2));
    let output = deployd(&["--json", "login"]);
    let object: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((object["kind"].as_str(), object["data"]["exit"].as_str()), (Some("failure"), Some("usage")));
    assert!(output.stderr.is_empty());
}

#[test]
fn completions_are_made_of_the_commands_themselves() {
    let output = deployd(&["completions", "bash"]);
    assert_eq!(output.status.code(), Some(0));
    assert!(String::from_utf8_lossy(&output.stdout).contains("why-not"));
}
