//! Machines ask too: every command prints one object with `kind`, `world`, `data` and `diagnostics`, with the same facts.

use super::person::{Person, until};
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
    let applied = one(&person, &["apply", "guestbook", "--world", "sim"]);
    assert_eq!((applied["kind"].as_str(), applied["world"].as_str()), (Some("ended"), Some("sim")), "{applied}");

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
    kind(&["logs", "guestbook"], "logs", "\"lines\":[");
    kind(&["history", "guestbook"], "history", "\"because\":\"apply\"");
    kind(&["secret", "list", "sim"], "secrets", "guestbook/users.password");
    let backup = person.path("backup").display().to_string();
    kind(&["backup", &backup], "backup", "bytes");
    // Of several worlds it is one object too; each stack says its own.
    person.write(
        "project/worlds/other.yaml",
        "world: other\ncapabilities:\n  deploy:simulated: { plays: [deploy:local] }\n",
    );
    person.service("cart", "");
    assert_eq!(one(&person, &["apply", "cart", "--world", "other"])["kind"], "ended");
    let status = one(&person, &["status"]);
    let stacks = status["data"]["stacks"].as_array().unwrap();
    let mut of: Vec<_> =
        stacks.iter().map(|one| (one["world"].as_str().unwrap(), one["name"].as_str().unwrap())).collect();
    of.sort_unstable();
    assert_eq!((status["world"].as_str(), of), (None, vec![("other", "cart"), ("sim", "guestbook")]), "{status}");
    let down = one(&person, &["down", "guestbook", "--delete", "users"]);
    let stacks = serde_json::json!([{ "stack": "guestbook", "left": [] }]);
    assert_eq!((&down["kind"], &down["data"]["stacks"]), (&"down".into(), &stacks), "{down}");
}

#[test]
fn what_is_done_is_told_in_objects() {
    let person = Person::new();
    let last = |words: &[&str], exit: i32, kind: &str| {
        let (ended, mut objects) = person.asks_json(words);
        let object = objects.pop().unwrap_or_else(|| panic!("{words:?}: nothing is said"));
        assert_eq!((ended, object["kind"].as_str()), (exit, Some(kind)), "{words:?}: {object}");
        for key in ["kind", "world", "data", "diagnostics"] {
            assert!(object.get(key).is_some(), "{words:?}: no {key}: {object}");
        }
        object
    };
    person.service("shop", "env: { LEVEL: one }\n");
    last(&["apply", "shop", "--world", "sim"], 0, "ended");
    person.service("shop", "env: { LEVEL: two }\n");
    last(&["apply", "shop"], 0, "ended");

    let diff = last(&["diff", "shop"], 0, "diff");
    let fields = diff["data"]["differs"][0]["fields"].to_string();
    assert!(fields.contains("env.LEVEL") && fields.contains("one") && fields.contains("two"), "{diff}");
    let back = last(&["rollback", "shop"], 0, "ended");
    assert_eq!(back["data"]["deployments"][0]["state"], "DONE", "{back}");
    assert!(back["data"]["deployments"][0]["because"].as_str().unwrap().starts_with("rollback to"), "{back}");

    person.service("bad", "env: { SIMULATED: crash }\n");
    last(&["apply", "bad", "--world", "sim"], 1, "ended");
    let again = last(&["retry", "bad"], 1, "ended");
    assert_eq!(again["data"]["deployments"][0]["state"], "FAILED", "{again}");
    assert!(again["data"]["deployments"][0]["why"]["text"].is_string(), "{again}");

    last(&["pause", "shop"], 0, "paused");
    let paused = last(&["status", "shop"], 0, "status");
    assert!(paused.to_string().contains("deployd resume shop"), "{paused}");
    last(&["resume", "shop"], 0, "resumed");
    assert!(!last(&["status", "shop"], 0, "status").to_string().contains("paused"));

    let nothing = last(&["approve", "shop"], 0, "approved");
    assert_eq!(nothing["data"]["stack"], "shop", "{nothing}");
    let refused = last(&["adopt", "shop", "users", "db-0123"], 2, "failure");
    assert!(refused["data"]["what"].as_str().is_some_and(|what| !what.is_empty()), "{refused}");

    let set = person.asks_with(&["secret", "set", "sim", "KEY", "--json"], "hunter2hunter2");
    let set: Json = serde_json::from_str(&set.out).unwrap();
    assert_eq!((set["kind"].as_str(), set["data"]["name"].as_str()), (Some("secret"), Some("KEY")), "{set}");
    assert!(!set.to_string().contains("hunter2"), "{set}");
    last(&["secret", "list", "sim"], 0, "secrets");
    last(&["secret", "list", "--world", "sim"], 0, "secrets");
    let removed = last(&["secret", "remove", "sim", "KEY"], 0, "secret-removed");
    assert_eq!(removed["data"]["name"], "KEY", "{removed}");
}

#[test]
fn leave_is_given_in_objects_too() {
    let person = Person::new();
    person.write(
        "project/worlds/strict.yaml",
        "world: strict\ncapabilities:\n  deploy:simulated: { plays: [deploy:local] }\npolicy: { limits: { deletes: 0 } }\n",
    );
    person.service("shop", "requires: [ cache: volume ]\n");
    let (exit, _) = person.asks_json(&["apply", "shop", "--world", "strict"]);
    assert_eq!(exit, 0);
    person.service("shop", "");
    let planned = || {
        let (_, told) = person.asks_json(&["plan", "shop", "--world", "strict"]);
        let plan = told[0]["data"]["plans"][0].clone();
        assert_eq!(plan["report"]["needs_consent"][0]["act"], "delete", "{plan}");
        plan["digest"].as_str().unwrap().to_owned()
    };
    planned();
    // Nobody is there to be asked: the plan has to be named.
    let (exit, told) = person.asks_json(&["approve", "shop", "--world", "strict"]);
    assert_eq!((exit, told[0]["data"]["exit"].as_str()), (4, Some("refused")), "{told:?}");
    // The watch brings the same: until it has, the plan of now moves.
    let mut said = Vec::new();
    let is_given = until(|| {
        let digest = planned();
        let (exit, mut told) = person.asks_json(&["approve", "shop", &digest[..7], "--world", "strict"]);
        said.extend(told.pop());
        exit == 0 && said.last().is_some_and(|last| last["data"]["plan"] == digest.as_str())
    });
    assert!(is_given, "{said:#?}");
    assert_eq!(said.last().unwrap()["kind"], "approved");
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
