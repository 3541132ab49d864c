//! Machines ask too: every command prints one object with `kind`, `world`, `data` and `diagnostics`, with the same facts.

use super::person::Person;
use serde_json::Value as Json;

fn one(person: &Person, words: &[&str]) -> Json {
    let (exit, mut objects) = person.asks_json(words);
    assert_eq!((exit, objects.len()), (0, 1), "{words:?}: {objects:?}");
    let object = objects.remove(0);
    for key in ["kind", "world", "data", "diagnostics"] {
        assert!(object.get(key).is_some(), "{words:?}: no {key}: {object}");
    }
    object
}

#[test]
fn every_question_is_answered_with_one_object() {
    let person = Person::new();
    person.service("guestbook", "requires: [ users: postgres ]\n");
    // What is done is told as it goes, and what came of it at the end.
    let (exit, told) = person.asks_json(&["apply", "guestbook", "--world", "sim"]);
    assert_eq!(exit, 0, "{told:?}");
    let kinds: Vec<&str> = told.iter().filter_map(|object| object["kind"].as_str()).collect();
    assert!(kinds.contains(&"plan") && kinds.contains(&"event"), "{kinds:?}");
    assert_eq!(kinds.last(), Some(&"ended"), "{kinds:?}");

    let kind = |words: &[&str], kind: &str, fact: &str| {
        let object = one(&person, words);
        assert_eq!(object["kind"], kind, "{words:?}");
        assert!(object["data"].to_string().contains(fact), "{words:?}: no {fact}: {object}");
    };
    kind(&["status"], "status", "\"state\":\"AVAILABLE\"");
    kind(&["status", "guestbook"], "status", "guestbook");
    kind(&["check", "guestbook", "--world", "sim"], "check", "\"has_errors\":false");
    kind(&["plan", "guestbook"], "plan", "\"steps\":[]");
    kind(&["explain", "guestbook", "users.database"], "explain", "guestbook/users");
    kind(&["slugs", "--world", "sim"], "slugs", "postgres");
    kind(&["why-not", "guestbook", "--world", "sim"], "why-not", "\"fits\":true");
    kind(&["history", "guestbook"], "history", "\"because\":\"apply\"");
    kind(&["secret", "list", "sim"], "secrets", "guestbook/users.password");
    let backup = person.path("backup").display().to_string();
    kind(&["backup", &backup], "backup", "bytes");
    let (exit, told) = person.asks_json(&["down", "guestbook", "--delete", "users"]);
    let last = told.last().unwrap();
    assert_eq!((exit, last["kind"].as_str(), last["data"]["left"].to_string().as_str()), (0, Some("down"), "[]"));
}

#[test]
fn a_refusal_is_an_object_with_its_exit_and_its_ways_out() {
    let person = Person::new();
    person.service("guestbook", "requires: [ users: postgres ]\n");
    assert_eq!(person.asks(&["apply", "guestbook", "--world", "sim"]).exit, 0);
    let (exit, objects) = person.asks_json(&["down", "guestbook"]);
    assert_eq!((exit, objects.last().unwrap()["kind"].as_str()), (4, Some("failure")));
    let data = &objects.last().unwrap()["data"];
    assert_eq!(data["exit"], "refused");
    assert_eq!(data["problem"]["held"][0]["identity"], "sim/guestbook/users");
    let (exit, objects) = person.asks_json(&["history", "nobody"]);
    assert_eq!((exit, objects[0]["data"]["exit"].as_str()), (2, Some("usage")));
}

#[test]
fn no_secret_is_shown_by_any_command() {
    let person = Person::new();
    person.service("guestbook", "requires: [ users: postgres ]\nenv: { URL: \"${users.url}\" }\n");
    assert_eq!(person.asks(&["apply", "guestbook", "--world", "sim"]).exit, 0);
    let mut seen = 0;
    for words in [
        &["plan", "guestbook"][..],
        &["explain", "guestbook"],
        &["status"],
        &["history", "guestbook"],
        &["secret", "list", "sim"],
    ] {
        let (_, objects) = person.asks_json(words);
        let text = serde_json::to_string(&objects).unwrap();
        // A URL of a database holds its password, or the place where it is put in.
        let passwords = text.split("postgres://guestbook:").skip(1);
        passwords.for_each(|rest| {
            seen += 1;
            assert!(rest.starts_with("${secrets."), "{words:?}: {rest}");
        });
    }
    assert!(seen > 0, "the URL is shown somewhere");
}
