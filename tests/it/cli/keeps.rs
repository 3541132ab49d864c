//! What a server knows is saved as one file, and restored where there is nothing, with the real binary.

use super::person::{Person, until};

#[test]
fn a_backup_is_restored_where_nothing_is_and_nowhere_else() {
    let person = Person::new();
    person.service("shop", "requires: [ orders: postgres ]\n");
    assert_eq!(person.asks(&["apply", "shop", "--world", "sim"]).exit, 0);
    let saved = person.asks_with(&["backup", "../saved", "--with-keys"], "correct horse");
    assert_eq!(saved.exit, 0, "{}", saved.talk);
    assert!(saved.talk.starts_with("saved to ~/saved ("), "{}", saved.talk);
    assert_eq!(person.asks(&["backup", "../saved"]).exit, 2, "a file that is there is never written over");

    let refused = person.asks(&["restore", "../saved"]);
    assert_eq!(refused.exit, 1, "{}", refused.talk);
    assert!(refused.talk.contains("there is state in"), "{}", refused.talk);
    person.ends_server();
    assert!(until(|| person.server().is_none()));

    // Another machine has neither the state nor the keys.
    let other = Person::new();
    std::fs::copy(person.path("saved"), other.path("saved")).unwrap();
    let keyless = other.asks(&["restore", "../saved"]);
    assert_eq!(keyless.exit, 1, "{}", keyless.talk);
    assert!(keyless.talk.contains("--with-keys"), "{}", keyless.talk);
    let wrong = other.asks_with(&["restore", "../saved", "--with-keys"], "wrong horse");
    assert_eq!(wrong.exit, 1, "{}", wrong.talk);
    assert!(wrong.talk.contains("nothing was restored"), "{}", wrong.talk);
    let whole = std::fs::read(other.path("saved")).unwrap();
    std::fs::write(other.path("torn"), &whole[..whole.len() / 2]).unwrap();
    let torn = other.asks_with(&["restore", "../torn", "--with-keys"], "correct horse");
    assert_eq!(torn.exit, 1, "{}", torn.talk);
    assert!(torn.talk.contains("it is torn or no backup; nothing was restored"), "{}", torn.talk);
    let done = other.asks_with(&["restore", "../saved", "--with-keys"], "correct horse");
    assert_eq!(done.exit, 0, "{}", done.talk);
    assert!(done.talk.contains("with its keys"), "{}", done.talk);
    let status = other.asks(&["status", "--world", "sim"]);
    assert!(status.out.contains("shop"), "{}{}", status.out, status.talk);
}
