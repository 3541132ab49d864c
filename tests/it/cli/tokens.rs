//! Tokens for others, with the real binary: shown once, limited, listed, revoked.

use super::person::Person;

#[test]
fn a_token_is_shown_once_lets_one_in_where_it_says_and_is_revoked() {
    let person = Person::new();
    let issued = person.asks(&["token", "issue", "ci", "--scope", "deploy,read", "--worlds", "sim", "--days", "7"]);
    assert_eq!(issued.exit, 0, "{}", issued.talk);
    // The token alone is data: `TOKEN=$(deployd token issue ci)`.
    let token = issued.out.trim_end();
    assert!(token.starts_with("deployd_") && !token.contains(char::is_whitespace), "{}", issued.out);
    assert!(issued.talk.starts_with("ci may read, deploy in sim, until 20"), "{}", issued.talk);
    assert!(issued.talk.contains("it is shown this once"), "{}", issued.talk);

    let listed = person.asks(&["token", "list"]);
    assert!(
        listed.out.contains("ci") && listed.out.contains("read, deploy") && listed.out.contains("sim"),
        "{}",
        listed.out
    );
    let (exit, objects) = person.asks_json(&["token", "list"]);
    assert_eq!((exit, objects[0]["kind"].as_str()), (0, Some("tokens")), "{objects:?}");
    assert_eq!(objects[0]["data"]["tokens"][0]["worlds"], serde_json::json!(["sim"]));
    assert!(!format!("{}{objects:?}", listed.out).contains(token), "it is shown once");

    // A world that is named as for every other command limits it too, and reading is the least that one may do.
    let (exit, objects) = person.asks_json(&["token", "issue", "reader", "--world", "sim"]);
    assert_eq!(exit, 0, "{objects:?}");
    assert_eq!(objects[0]["data"]["worlds"], serde_json::json!(["sim"]));
    assert_eq!(objects[0]["data"]["scopes"], serde_json::json!(["read"]));
    let wrong = person.asks(&["token", "issue", "x", "--worlds", "sims"]);
    assert_eq!(wrong.exit, 2, "{}", wrong.talk);
    assert!(wrong.talk.contains("did you mean `sim`?"), "{}", wrong.talk);
    assert_eq!(person.asks(&["token", "issue", "x", "--scope", "all"]).exit, 2);
    assert_eq!(person.asks(&["token", "issue", "x", "--days", "91"]).exit, 2);

    let revoked = person.asks(&["token", "revoke", "ci"]);
    assert_eq!((revoked.exit, revoked.talk.as_str()), (0, "ci is revoked: nobody is let in by it any more\n"));
    let again = person.asks(&["token", "revoke", "ci"]);
    assert_eq!(again.exit, 2, "{}", again.talk);
    assert!(!person.asks(&["token", "list"]).out.contains("ci "));
}

#[test]
fn whoever_may_only_look_looks_at_their_worlds() {
    let person = Person::new();
    person.service("shop", "");
    assert_eq!(person.asks(&["apply", "shop", "--world", "sim"]).exit, 0);
    // It lives for as long as somebody needs it: whoever runs it does.
    let mut following = person.begins(&["status", "--watch"]);
    let reader = person.asks(&["token", "issue", "reader", "--worlds", "sim"]);
    let token = reader.out.trim_end().to_owned();
    let status = person.asks_by(&token, &["status", "--world", "sim"]);
    assert_eq!(status.exit, 0, "{}", status.talk);
    assert!(status.out.contains("shop"), "{}", status.out);
    let elsewhere = person.asks_by(&token, &["slugs", "--world", "laptop"]);
    assert_eq!(elsewhere.exit, 4, "{}", elsewhere.talk);
    assert!(elsewhere.talk.contains("for world sim, and not for `laptop`"), "{}", elsewhere.talk);
    assert!(elsewhere.talk.contains("deployd token issue NAME --worlds laptop"), "{}", elsewhere.talk);
    let stop = person.asks_by(&token, &["down", "shop", "--world", "sim"]);
    assert_eq!(stop.exit, 4, "{}", stop.talk);
    following.kill().unwrap();
    following.wait().unwrap();
}
