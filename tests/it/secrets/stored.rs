//! Stored secrets: set, opened by version, listed without values, removed, made once; also by several at once, and over
//! a store that answers as stores may.

use super::{Given, ann, guestbook, laptop, plain, secret};
use deployd::contract::{SecretFailure, Secrets as _};
use deployd::model::{Name, SecretVersion, StackId};
use deployd::secrets::SECRET_BYTES_MAX;
use deployd::store::memory::MemoryStore;
use deployd::store::test_store::{Fault, Point, TestStore};
use std::sync::Arc;

#[tokio::test]
async fn a_version_stands_for_one_value_for_ever() {
    let given = Given::new();
    let one = given.set(&laptop(), "API_KEY", "first value").await.unwrap();
    let two = given.set(&laptop(), "API_KEY", "second value").await.unwrap();
    assert_ne!(one, two);
    assert_eq!(given.value(&guestbook(), "API_KEY").await.unwrap(), "second value");
    assert_eq!(given.at(&guestbook(), "API_KEY", &one).await.unwrap(), "first value", "a rollback needs it");
    // The same value set again is another version: somebody meant it.
    assert_ne!(given.set(&laptop(), "API_KEY", "second value").await.unwrap(), two);
    assert_eq!(given.at(&guestbook(), "API_KEY", &SecretVersion("99".to_owned())).await, Err(SecretFailure::Changed));
    assert_eq!(given.at(&guestbook(), "API_KEY", &SecretVersion("x".to_owned())).await, Err(SecretFailure::Changed));
}

#[tokio::test]
async fn the_last_ten_are_kept_and_older_values_are_gone_from_the_store() {
    let given = Given::new();
    let mut versions = Vec::new();
    for number in 0..13 {
        versions.push(given.set(&laptop(), "API_KEY", &format!("value {number}")).await.unwrap());
    }
    assert_eq!(given.secrets.kept(&laptop(), &secret("API_KEY")).await.unwrap().len(), 10);
    assert_eq!(given.at(&guestbook(), "API_KEY", &versions[3]).await.unwrap(), "value 3");
    assert_eq!(given.at(&guestbook(), "API_KEY", &versions[2]).await, Err(SecretFailure::Changed));
    assert_eq!(given.rows().await.len(), 11, "a head and ten values");
}

#[tokio::test]
async fn worlds_and_names_do_not_mix() {
    let given = Given::new();
    let prod = Name::fixed("prod");
    given.set(&laptop(), "API", "laptop's").await.unwrap();
    given.set(&laptop(), "API_KEY", "another").await.unwrap();
    given.set(&prod, "API", "prod's").await.unwrap();
    assert_eq!(given.value(&guestbook(), "API").await.unwrap(), "laptop's");
    assert_eq!(given.value(&StackId::new(prod.clone(), Name::fixed("guestbook")), "API").await.unwrap(), "prod's");
    given.secrets.remove(&laptop(), &secret("API"), &ann()).await.unwrap();
    assert_eq!(given.value(&guestbook(), "API_KEY").await.unwrap(), "another");
    assert_eq!(given.value(&StackId::new(prod, Name::fixed("guestbook")), "API").await.unwrap(), "prod's");
}

#[tokio::test]
async fn a_removed_secret_is_gone_and_its_numbers_never_come_back() {
    let given = Given::new();
    let before = given.set(&laptop(), "API_KEY", "before").await.unwrap();
    given.secrets.remove(&laptop(), &secret("API_KEY"), &ann()).await.unwrap();
    let missing = |failure: &SecretFailure| matches!(failure, SecretFailure::Missing(how) if how == "deployd secret set laptop API_KEY");
    assert!(missing(&given.value(&guestbook(), "API_KEY").await.unwrap_err()));
    assert!(missing(&given.at(&guestbook(), "API_KEY", &before).await.unwrap_err()));
    assert!(missing(&given.secrets.remove(&laptop(), &secret("API_KEY"), &ann()).await.unwrap_err()));
    assert!(given.secrets.list(&laptop()).await.unwrap().is_empty());
    assert!(given.rows().await.iter().all(|row| !row.key.as_str().contains("secret-value")));

    let after = given.set(&laptop(), "API_KEY", "after").await.unwrap();
    assert_ne!(after, before);
    assert_eq!(given.at(&guestbook(), "API_KEY", &before).await, Err(SecretFailure::Changed));
}

#[tokio::test]
async fn lists_tell_who_and_when() {
    let given = Given::new();
    given.set(&laptop(), "B", "b").await.unwrap();
    given.set(&laptop(), "A", "a").await.unwrap();
    given.set(&laptop(), "A", "a2").await.unwrap();
    let listed = given.secrets.list(&laptop()).await.unwrap();
    let shown: Vec<_> = listed
        .iter()
        .map(|stored| {
            let kept = stored.kept.as_ref().unwrap();
            (stored.name.0.as_str(), kept.len(), kept.last().unwrap().by.0.as_str(), kept.last().unwrap().at.0)
        })
        .collect();
    assert_eq!(shown, [("A", 2, "ann", 1_700_000_000_000), ("B", 1, "ann", 1_700_000_000_000)]);
}

#[tokio::test]
async fn long_values_and_all_characters_come_back() {
    let given = Given::new();
    let certificate = "-----BEGIN-----\näöü ₿ 𝄞\t\r\n".repeat(SECRET_BYTES_MAX / 40);
    for value in [certificate, "x".repeat(SECRET_BYTES_MAX), "ä".repeat(SECRET_BYTES_MAX / 2), " ".to_owned()] {
        given.set(&laptop(), "CERTIFICATE", &value).await.unwrap();
        assert_eq!(given.value(&guestbook(), "CERTIFICATE").await.unwrap(), value);
    }
}

#[tokio::test]
async fn what_cannot_be_a_secret_is_refused() {
    let given = Given::new();
    for (name, value, why) in [
        ("API_KEY", String::new(), "an empty text"),
        ("API_KEY", "x".repeat(SECRET_BYTES_MAX + 1), "at most 65536"),
        ("API_KEY", "a\0b".to_owned(), "NUL"),
        ("", "x".to_owned(), "is not a secret's name"),
        ("a b", "x".to_owned(), "is not a secret's name"),
        ("a#1.000", "x".to_owned(), "is not a secret's name"),
    ] {
        match given.set(&laptop(), name, &value).await {
            Err(SecretFailure::BadName(told)) if value == "x" => assert!(told.contains(why), "{told}"),
            Err(SecretFailure::BadValue(told)) => assert!(told.contains(why), "{told}"),
            other => panic!("{other:?}"),
        }
    }
    assert!(given.rows().await.is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn several_who_set_one_secret_lose_no_version() {
    let given = Arc::new(Given::new());
    let setters = (0..6).map(|who| {
        let given = Arc::clone(&given);
        tokio::spawn(async move {
            let value = format!("of {who}");
            let version = given.set(&laptop(), "API_KEY", &value).await.unwrap();
            assert_eq!(given.at(&guestbook(), "API_KEY", &version).await.unwrap(), value);
            version
        })
    });
    let mut versions: Vec<_> =
        futures::future::join_all(setters).await.into_iter().map(|version| version.unwrap().0).collect();
    versions.sort();
    assert_eq!(versions, ["1", "2", "3", "4", "5", "6"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_secret_is_made_once() {
    let given = Arc::new(Given::new());
    let name = "guestbook/users.password";
    let makers = (0..6).map(|_| {
        let given = Arc::clone(&given);
        tokio::spawn(async move { given.secrets.make(&guestbook(), &secret(name), 32).await.unwrap() })
    });
    for version in futures::future::join_all(makers).await {
        assert_eq!(version.unwrap(), SecretVersion("1".to_owned()));
    }
    let made = given.value(&guestbook(), name).await.unwrap();
    assert_eq!(made.len(), 32);
    assert!(made.chars().all(|c| c.is_ascii_alphanumeric()));
    given.secrets.make(&guestbook(), &secret(name), 64).await.unwrap();
    assert_eq!(given.value(&guestbook(), name).await.unwrap(), made, "it is kept as it is");

    given.set(&laptop(), "TOKEN", "mine").await.unwrap();
    given.secrets.make(&guestbook(), &secret("TOKEN"), 32).await.unwrap();
    assert_eq!(given.value(&guestbook(), "TOKEN").await.unwrap(), "mine", "a person's is never replaced");
    for length in [0, 7, 1025] {
        let made = given.secrets.make(&guestbook(), &secret("SHORT"), length).await;
        assert!(matches!(made, Err(SecretFailure::Refused(_))), "{length}");
    }
}

#[tokio::test]
async fn what_was_made_for_a_stack_is_forgotten_with_it_and_what_people_set_stays() {
    let given = Given::new();
    let accounts = StackId::new(laptop(), Name::fixed("accounts"));
    for name in ["guestbook/users.password", "guestbook/changed"] {
        given.secrets.make(&guestbook(), &secret(name), 24).await.unwrap();
    }
    given.secrets.make(&accounts, &secret("accounts/key"), 24).await.unwrap();
    given.set(&laptop(), "guestbook/changed", "a person's own").await.unwrap();
    given.set(&laptop(), "guestbook/mine", "a person's own").await.unwrap();
    for _ in 0..2 {
        given.secrets.forget(&guestbook()).await.unwrap();
        let left = given.secrets.list(&laptop()).await.unwrap();
        let left: Vec<_> = left.into_iter().map(|stored| stored.name.0).collect();
        assert_eq!(left, ["accounts/key", "guestbook/changed", "guestbook/mine"]);
    }
    let again = given.secrets.make(&guestbook(), &secret("guestbook/users.password"), 24).await.unwrap();
    assert_eq!(again, SecretVersion("2".to_owned()), "a number is never used again");
}

/// Whatever a commit is answered, one call sets one version, or none and says so.
#[tokio::test]
async fn a_store_that_answers_unclear_sets_once() {
    for fault in [Fault::UnclearDone, Fault::UnclearUndone, Fault::Moved, Fault::Full, Fault::Unreachable] {
        let store = Arc::new(TestStore::new(Arc::new(MemoryStore::new("abc"))));
        let given = Given::over(Arc::clone(&store) as _);
        store.arm(Point::Write(1), fault.clone());
        let set = given.set(&laptop(), "API_KEY", "a value").await;
        assert_eq!(store.struck().len(), 1, "{fault:?}");
        match set {
            Ok(version) => {
                assert_eq!(given.at(&guestbook(), "API_KEY", &version).await.unwrap(), "a value");
                assert_eq!(given.secrets.kept(&laptop(), &secret("API_KEY")).await.unwrap().len(), 1, "{fault:?}");
            }
            Err(failure) => {
                assert!(matches!(failure, SecretFailure::Unreachable(_)), "{fault:?}: {failure}");
                assert!(given.rows().await.is_empty(), "{fault:?}");
            }
        }
    }
}

/// A removal that is cut leaves no value that could come back.
#[tokio::test]
async fn a_removal_that_is_cut_can_be_ended() {
    for at in 1..=2 {
        let store = Arc::new(TestStore::new(Arc::new(MemoryStore::new("abc"))));
        let given = Given::over(Arc::clone(&store) as _);
        given.set(&laptop(), "API_KEY", "a value").await.unwrap();
        store.arm(Point::Write(store.writes() + at), Fault::Full);
        let removed = given.secrets.remove(&laptop(), &secret("API_KEY"), &ann()).await;
        assert!(store.unstruck().is_empty() && matches!(removed, Err(SecretFailure::Unreachable(_))), "{removed:?}");
        given.secrets.remove(&laptop(), &secret("API_KEY"), &ann()).await.unwrap();
        assert!(given.rows().await.iter().all(|row| !row.key.as_str().contains("secret-value")));
        given.secrets.set(&laptop(), &secret("API_KEY"), &plain("new"), &ann()).await.unwrap();
        assert_eq!(given.value(&guestbook(), "API_KEY").await.unwrap(), "new");
    }
}
