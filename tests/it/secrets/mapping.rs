//! Secrets that a world's file takes from elsewhere, and for whom they are.

use super::{Given, guestbook, laptop, mapped, secret};
use deployd::contract::{SecretFailure, Secrets as _};
use deployd::model::{Name, StackId};
use deployd::secrets::{SecretMapping, SecretPlace};
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

fn map(given: &Given, lines: &[(&str, SecretMapping)]) {
    let lines = lines.iter().map(|(name, mapping)| (secret(name), mapping.clone())).collect();
    given.secrets.map([(laptop(), lines)].into());
}

fn env(name: &str) -> SecretPlace {
    SecretPlace::Env(name.to_owned())
}

fn file(given: &Given, name: &str, text: &str, mode: u32) -> SecretPlace {
    let path = given.home.path().join(name);
    fs::write(&path, text).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
    SecretPlace::File(path)
}

fn set_env(given: &Given, name: &str, value: &str) {
    given.environment.lock().unwrap().insert(name.to_owned(), value.to_owned());
}

async fn refused(given: &Given, of: &StackId, name: &str) -> String {
    match given.value(of, name).await {
        Err(SecretFailure::Refused(why)) => why,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_variable_is_read_anew_each_time() {
    let given = Given::new();
    map(&given, &[("API_KEY", mapped(env("THE_KEY")))]);
    let missing = given.value(&guestbook(), "API_KEY").await;
    assert!(matches!(&missing, Err(SecretFailure::NotThere(why)) if why.contains("THE_KEY")), "{missing:?}");
    set_env(&given, "THE_KEY", "one");
    let one = given.secrets.versions(&guestbook(), &[secret("API_KEY")]).await[&secret("API_KEY")].clone().unwrap();
    assert_eq!(given.value(&guestbook(), "API_KEY").await.unwrap(), "one");
    set_env(&given, "THE_KEY", "two");
    assert_eq!(given.at(&guestbook(), "API_KEY", &one).await, Err(SecretFailure::Changed), "never another's value");
    assert_eq!(given.value(&guestbook(), "API_KEY").await.unwrap(), "two");
    set_env(&given, "THE_KEY", "one");
    assert_eq!(given.at(&guestbook(), "API_KEY", &one).await.unwrap(), "one", "a version is its value's");
    assert!(!one.0.contains("one"));
}

#[tokio::test]
async fn a_mapped_secret_is_set_where_it_comes_from() {
    let given = Given::new();
    given.set(&laptop(), "API_KEY", "stored").await.unwrap();
    map(&given, &[("API_KEY", mapped(env("THE_KEY")))]);
    set_env(&given, "THE_KEY", "mapped");
    assert_eq!(given.value(&guestbook(), "API_KEY").await.unwrap(), "mapped");
    let set = given.set(&laptop(), "API_KEY", "never used").await;
    assert!(matches!(&set, Err(SecretFailure::Refused(why)) if why.contains("THE_KEY")), "{set:?}");
    let made = given.secrets.make(&guestbook(), &secret("API_KEY"), 32).await;
    assert!(matches!(made, Err(SecretFailure::Refused(_))));
    let listed = given.secrets.list_mapped(&laptop());
    assert!(listed.len() == 1 && listed[0].version.is_ok(), "{listed:?}");
    given.secrets.map([].into());
    assert_eq!(given.value(&guestbook(), "API_KEY").await.unwrap(), "stored");
}

#[tokio::test]
async fn files_are_read_if_they_are_closed_to_others() {
    let given = Given::new();
    let good = [("text", "a value", "a value"), ("ends", "a value\n", "a value"), ("lines", "a\r\nb\r\n", "a\r\nb")];
    for (name, text, wanted) in good {
        for mode in [0o600, 0o400, 0o640] {
            let _ = fs::remove_file(given.home.path().join(name));
            map(&given, &[("S", mapped(file(&given, name, text, mode)))]);
            assert_eq!(given.value(&guestbook(), "S").await.unwrap(), wanted);
        }
    }
    for mode in [0o644, 0o602, 0o620] {
        map(&given, &[("S", mapped(file(&given, "text", "a value", mode)))]);
        let why = refused(&given, &guestbook(), "S").await;
        assert!(why.contains("chmod 6"), "{why}");
    }
    // As Kubernetes mounts them.
    file(&given, "real", "by a link", 0o600);
    std::os::unix::fs::symlink("real", given.home.path().join("link")).unwrap();
    map(&given, &[("S", mapped(SecretPlace::File(given.home.path().join("link"))))]);
    assert_eq!(given.value(&guestbook(), "S").await.unwrap(), "by a link");
}

#[tokio::test]
async fn what_is_no_file_of_a_secret_is_told_and_never_waited_for() {
    let given = Given::new();
    let home = given.home.path();
    rustix::fs::mknodat(rustix::fs::CWD, home.join("pipe"), rustix::fs::FileType::Fifo, rustix::fs::Mode::RUSR, 0)
        .unwrap();
    file(&given, "large", &"x".repeat(64 * 1024 + 1), 0o600);
    fs::write(home.join("bytes"), [0xff, 0xfe]).unwrap();
    fs::set_permissions(home.join("bytes"), fs::Permissions::from_mode(0o600)).unwrap();
    for (path, why) in [
        (home.join("pipe"), "not a regular file"),
        (home.to_owned(), "not a regular file"),
        (home.join("large"), "too large"),
        (home.join("bytes"), "is not text"),
        (Path::new("relative").to_owned(), "is not a whole path"),
    ] {
        map(&given, &[("S", mapped(SecretPlace::File(path)))]);
        let told = refused(&given, &guestbook(), "S").await;
        assert!(told.contains(why), "{told}");
    }
    map(&given, &[("S", mapped(SecretPlace::File(home.join("gone"))))]);
    assert!(matches!(given.value(&guestbook(), "S").await, Err(SecretFailure::NotThere(_))));
    map(&given, &[("S", mapped(SecretPlace::NotBuilt("aws".to_owned())))]);
    assert!(refused(&given, &guestbook(), "S").await.contains("`aws:` are not built yet"));
}

#[tokio::test]
async fn one_field_of_a_json_object() {
    let given = Given::new();
    let of = |place, key: &str| SecretMapping { place, key: Some(key.to_owned()), stacks: None };
    set_env(&given, "DB", r#"{"user": "app", "port": 5432, "password": "hunter2"}"#);
    given.set(&laptop(), "STORED", r#"{"password": "stored one"}"#).await.unwrap();
    map(
        &given,
        &[
            ("PASSWORD", of(env("DB"), "password")),
            ("PORT", of(env("DB"), "port")),
            ("NONE", of(env("DB"), "none")),
            ("STORED", of(SecretPlace::Store, "password")),
        ],
    );
    assert_eq!(given.value(&guestbook(), "PASSWORD").await.unwrap(), "hunter2");
    assert_eq!(given.value(&guestbook(), "PORT").await.unwrap(), "5432");
    assert_eq!(given.value(&guestbook(), "STORED").await.unwrap(), "stored one");
    let none = given.value(&guestbook(), "NONE").await.unwrap_err();
    assert!(matches!(&none, SecretFailure::NotThere(why) if why == "it has no field `none`"), "{none}");

    let versions = given.secrets.versions(&guestbook(), &[secret("PASSWORD")]).await;
    set_env(&given, "DB", r#"{"user": "another", "port": 1, "password": "hunter2"}"#);
    let now = given.secrets.versions(&guestbook(), &[secret("PASSWORD")]).await;
    assert_eq!(versions, now, "other fields do not count");
    set_env(&given, "DB", "not json, hunter2");
    let failure = given.value(&guestbook(), "PASSWORD").await.unwrap_err();
    assert!(!failure.to_string().contains("hunter2"), "{failure}");
}

#[tokio::test]
async fn a_secret_is_refused_to_stacks_that_it_is_not_for() {
    let given = Given::new();
    let accounts = StackId::new(laptop(), Name::fixed("accounts"));
    let only = SecretMapping { stacks: Some([Name::fixed("guestbook")].into()), ..mapped(SecretPlace::Store) };
    let version = given.set(&laptop(), "API_KEY", "a value").await.unwrap();
    map(&given, &[("API_KEY", only)]);
    assert_eq!(given.value(&guestbook(), "API_KEY").await.unwrap(), "a value");
    assert!(refused(&given, &accounts, "API_KEY").await.contains("is for guestbook, not for accounts"));
    let opened = given.at(&accounts, "API_KEY", &version).await;
    assert!(matches!(opened, Err(SecretFailure::Refused(_))), "nor by a version that was guessed: {opened:?}");

    let made = "guestbook/users.password";
    given.secrets.make(&guestbook(), &secret(made), 24).await.unwrap();
    assert!(refused(&given, &accounts, made).await.contains("made it for guestbook"));
    let making = given.secrets.make(&accounts, &secret(made), 24).await;
    assert!(matches!(making, Err(SecretFailure::Refused(_))), "{making:?}");
}

#[tokio::test]
async fn all_that_were_asked_or_the_first_that_failed() {
    let given = Given::new();
    let one = given.set(&laptop(), "A", "a").await.unwrap();
    let wanted = [(secret("A"), one.clone()), (secret("B"), one)].into();
    let (name, failure) = given.secrets.open(&guestbook(), &wanted).await.unwrap_err();
    assert!(name == secret("B") && matches!(failure, SecretFailure::Missing(_)), "{failure}");
    let versions = given.secrets.versions(&guestbook(), &[secret("A"), secret("B"), secret("b b")]).await;
    let good: Vec<_> = versions.values().map(Result::is_ok).collect();
    assert_eq!(good, [true, false, false], "one answer a name");
}
