//! Rotation of the encryption key: what was sealed stays readable, is sealed anew, and then the earlier key can go.

use super::{Given, guestbook, laptop, row_bytes, secret, value};
use deployd::contract::SecretFailure;
use deployd::model::Name;
use deployd::secrets::{KeyPlace, Keys};

async fn given() -> Given {
    let given = Given::new();
    for number in 0..3 {
        given.set(&laptop(), "API_KEY", &format!("value {number}")).await.unwrap();
    }
    given.set(&laptop(), "LONG", &"0123456789".repeat(6000)).await.unwrap();
    given.set(&Name::fixed("prod"), "API_KEY", "prod's").await.unwrap();
    given
}

/// How many rows name a key.
async fn rows_with(given: &Given, key: &str) -> usize {
    let names = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap().contains(&format!("1.{key}."));
    given.rows().await.iter().filter(|row| names(row_bytes(row))).count()
}

#[tokio::test]
async fn a_rotation_to_its_end() {
    let given = given().await;
    let old = given.keys.current();
    let versions = given.secrets.kept(&laptop(), &secret("API_KEY")).await.unwrap();
    let new = given.keys.rotate().unwrap();
    assert_eq!(given.value(&guestbook(), "API_KEY").await.unwrap(), "value 2");
    given.set(&laptop(), "LATER", "sealed with the new one").await.unwrap();

    let before = rows_with(&given, &old.0).await;
    assert_eq!((before, rows_with(&given, &new.0).await), (3 + 21 + 1, 1));
    assert_eq!(given.secrets.reseal(&laptop()).await, Ok(24));
    assert_eq!(rows_with(&given, &old.0).await, 1, "prod's is its own");
    assert_eq!(given.secrets.reseal(&Name::fixed("prod")).await, Ok(1));
    assert_eq!(given.secrets.reseal(&laptop()).await, Ok(0), "nothing needs the earlier key");
    assert_eq!(rows_with(&given, &old.0).await, 0);

    given.keys.forget(&old).unwrap();
    let loaded = Keys::load(&KeyPlace::Folder(given.home.path().join("keys")), "abc", &given.home.path().join("state"));
    let restarted = given.with_keys(loaded.unwrap());
    for (name, wanted) in [("API_KEY", "value 2".to_owned()), ("LONG", "0123456789".repeat(6000))] {
        assert_eq!(value(&restarted, &guestbook(), name).await.unwrap(), wanted);
    }
    assert_eq!(restarted.kept(&laptop(), &secret("API_KEY")).await.unwrap(), versions, "no version has changed");
}

#[tokio::test]
async fn a_key_that_was_forgotten_too_early_is_told() {
    let given = given().await;
    let old = given.keys.current();
    given.keys.rotate().unwrap();
    given.keys.forget(&old).unwrap();
    let had = given.value(&guestbook(), "API_KEY").await;
    assert!(matches!(&had, Err(SecretFailure::Sealed(why)) if why.contains(&*old.0)), "it names the key: {had:?}");
}

#[tokio::test]
async fn one_damaged_secret_keeps_no_other_from_being_sealed_anew() {
    let given = given().await;
    let old = given.keys.current();
    given.keys.rotate().unwrap();
    let row = given.row("/secret-value/API_KEY#2.000").await;
    given.put(&row.key, b"damaged").await;
    assert!(matches!(given.secrets.reseal(&laptop()).await, Err(SecretFailure::Sealed(_))));
    assert!(!given.keys.is_current(&sealed(&given, "/secret-value/API_KEY#3.000").await), "left as it was");
    assert!(given.keys.is_current(&sealed(&given, "/secret-value/LONG#1.000").await));
    assert_ne!(given.keys.current(), old);
}

async fn sealed(given: &Given, ends: &str) -> deployd::model::Sealed {
    String::from_utf8(row_bytes(&given.row(ends).await)).unwrap().parse().unwrap()
}

/// Versions of what lies outside the store, and digests of outputs, would all change if this one did.
#[tokio::test]
async fn the_digest_key_never_changes() {
    let given = given().await;
    let before = given.keys.digest_key().digest("x");
    given.keys.rotate().unwrap();
    assert_eq!(given.keys.digest_key().digest("x"), before);
}
