//! Rows that somebody changed, swapped, took away or put back: refused by name, and every other secret stays good.

use super::{Given, guestbook, laptop, row_bytes, secret, value};
use deployd::contract::{Key, SecretFailure};
use deployd::model::{Name, StackId};
use deployd::secrets::{KeyPlace, Keys};

/// Neither a value nor "there is none": it says that something is wrong.
fn is_found_out(had: &Result<String, SecretFailure>) -> bool {
    matches!(had, Err(SecretFailure::Sealed(_)))
}

async fn given() -> Given {
    let given = Given::new();
    given.set(&laptop(), "API_KEY", "the first value").await.unwrap();
    given.set(&laptop(), "API_KEY", "the second value").await.unwrap();
    given.set(&laptop(), "OTHER", "another value").await.unwrap();
    given
}

const HEAD: &str = "/secret/API_KEY";
const FIRST: &str = "/secret-value/API_KEY#1.000";
const SECOND: &str = "/secret-value/API_KEY#2.000";
const OTHER: &str = "/secret-value/OTHER#1.000";

async fn others_are_good(given: &Given) {
    assert_eq!(given.value(&guestbook(), "OTHER").await.unwrap(), "another value");
}

#[tokio::test]
async fn t27_a_changed_bit_anywhere_in_a_value_is_found_out() {
    let given = given().await;
    let row = given.row(SECOND).await;
    let good = row_bytes(&row);
    for at in 0..good.len() {
        let mut bad = good.clone();
        bad[at] ^= 1;
        given.put(&row.key, &bad).await;
        let had = given.value(&guestbook(), "API_KEY").await;
        // The last letter of base64 has bits that mean nothing: such a text is no base64 at all.
        assert!(is_found_out(&had), "byte {at}: {had:?}");
    }
    for bad in [&good[..good.len() - 1], &good[..0], &[0xff, 0xfe]] {
        given.put(&row.key, bad).await;
        assert!(is_found_out(&given.value(&guestbook(), "API_KEY").await));
    }
    others_are_good(&given).await;
    given.put(&row.key, &good).await;
    assert_eq!(given.value(&guestbook(), "API_KEY").await.unwrap(), "the second value");
}

#[tokio::test]
async fn t27_a_changed_head_is_found_out() {
    let given = given().await;
    let row = given.row(HEAD).await;
    let good = String::from_utf8(row_bytes(&row)).unwrap();
    let changes = [
        ("\"latest\":2", "\"latest\":3"),
        ("\"ann\"", "\"bob\""),
        ("\"number\":2", "\"number\":1"),
        ("\"format\":1", "\"format\":2"),
    ];
    for (from, to) in changes {
        assert!(good.contains(from), "{good}");
        given.put(&row.key, good.replacen(from, to, 1).as_bytes()).await;
        assert!(is_found_out(&given.value(&guestbook(), "API_KEY").await), "{to}");
        let set = given.set(&laptop(), "API_KEY", "over it").await;
        assert!(matches!(set, Err(SecretFailure::Sealed(_))), "what was tampered with is not written over: {set:?}");
        let listed = given.secrets.list(&laptop()).await.unwrap();
        assert!(listed.iter().any(|stored| stored.name == secret("API_KEY") && stored.kept.is_err()), "it is shown");
        others_are_good(&given).await;
    }
}

#[tokio::test]
async fn t27_swapped_rows_are_found_out() {
    for (one, other) in [(FIRST, SECOND), (SECOND, OTHER)] {
        let given = given().await;
        let (one, other) = (given.row(one).await, given.row(other).await);
        given.put(&one.key, &row_bytes(&other)).await;
        given.put(&other.key, &row_bytes(&one)).await;
        assert!(is_found_out(&given.value(&guestbook(), "API_KEY").await), "{}", one.key.as_str());
    }
    let given = given().await;
    let (one, other) = (given.row(HEAD).await, given.row("/secret/OTHER").await);
    given.put(&one.key, &row_bytes(&other)).await;
    assert!(is_found_out(&given.value(&guestbook(), "API_KEY").await), "another's head");
}

#[tokio::test]
async fn t27_rows_of_another_world_are_found_out() {
    let given = given().await;
    let prod = Name::fixed("prod");
    for row in given.rows().await.into_iter().filter(|row| row.key.as_str().contains("API_KEY")) {
        let key = Key::from_text(row.key.as_str().replace("w/laptop/", "w/prod/"));
        given.put(&key, &row_bytes(&row)).await;
    }
    assert!(is_found_out(&given.value(&StackId::new(prod, Name::fixed("guestbook")), "API_KEY").await));
    assert_eq!(given.value(&guestbook(), "API_KEY").await.unwrap(), "the second value");
}

#[tokio::test]
async fn t27_rows_that_are_put_back_are_found_out() {
    let given = Given::new();
    given.set(&laptop(), "API_KEY", "the first value").await.unwrap();
    let (head, first) = (given.row(HEAD).await, given.row(FIRST).await);
    given.set(&laptop(), "API_KEY", "the second value").await.unwrap();
    let now = given.row(HEAD).await;

    given.put(&head.key, &row_bytes(&head)).await;
    assert!(is_found_out(&given.at(&guestbook(), "API_KEY", &super::SecretVersion("1".to_owned())).await));
    let set = given.set(&laptop(), "API_KEY", "a third").await;
    assert!(matches!(&set, Err(SecretFailure::Sealed(why)) if why.contains("put back")), "{set:?}");
    given.take_away(&head.key).await;
    let set = given.set(&laptop(), "API_KEY", "a third").await;
    assert!(matches!(&set, Err(SecretFailure::Sealed(why)) if why.contains("taken away")), "{set:?}");

    given.put(&now.key, &row_bytes(&now)).await;
    let second = given.row(SECOND).await;
    given.put(&second.key, &row_bytes(&first)).await;
    assert!(is_found_out(&given.value(&guestbook(), "API_KEY").await), "an old value under the new number");
    given.take_away(&second.key).await;
    let had = given.value(&guestbook(), "API_KEY").await;
    assert!(matches!(&had, Err(SecretFailure::Sealed(why)) if why.contains("is missing")), "{had:?}");
}

#[tokio::test]
async fn t27_parts_of_a_long_value_cannot_be_shuffled_or_cut() {
    let given = Given::new();
    let long = format!("{}{}", "a".repeat(2900), "b".repeat(2900));
    given.set(&laptop(), "LONG", &long).await.unwrap();
    let parts = [given.row("LONG#1.000").await, given.row("LONG#1.001").await];
    given.put(&parts[0].key, &row_bytes(&parts[1])).await;
    given.put(&parts[1].key, &row_bytes(&parts[0])).await;
    assert!(is_found_out(&given.value(&guestbook(), "LONG").await));
    given.put(&parts[0].key, &row_bytes(&parts[0])).await;
    given.take_away(&parts[1].key).await;
    assert!(is_found_out(&given.value(&guestbook(), "LONG").await));
}

#[tokio::test]
async fn t27_another_instance_with_its_own_keys_opens_nothing() {
    let given = given().await;
    let home = tempfile::tempdir().unwrap();
    let place = KeyPlace::Folder(home.path().join("keys"));
    let foreign = given.with_keys(Keys::create(&place, "abc", &home.path().join("state")).unwrap());
    assert!(is_found_out(&value(&foreign, &guestbook(), "API_KEY").await));
}
