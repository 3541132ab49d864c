//! A value that nobody else has is set, made, rotated and failed with in every way; then it is looked for everywhere that
//! it must not be: rows, events, the files of the store, and everything that can be printed.

use super::{Given, ann, guestbook, laptop, mapped, plain, secret};

use deployd::contract::{Filled, Genesis, Outputs, Plain, STORE_FORMAT, Seal, Secrets as _, Store};
use deployd::model::{Identity, Name, Wall};
use deployd::secrets::{Redactor, SecretPlace};
use deployd::store::export::Record;
use deployd::store::memory::MemoryStore;
use deployd::store::sled::{Settings, SledStore, Start};
use std::path::Path;
use std::sync::Arc;

const CANARY: &str = "kanarienvogel-7f3a9c-im-bergwerk";

/// Whether the canary is in some bytes, in any form that it can be recognised in.
fn sings(bytes: &[u8]) -> bool {
    let canary = plain(CANARY);
    let redactor = Redactor::new([&canary]);
    let text = String::from_utf8_lossy(bytes);
    // As `Debug` shows bytes.
    let listed = format!("{:?}", &CANARY.as_bytes()[..8]);
    matches!(redactor.redact(&text), std::borrow::Cow::Owned(_)) || text.contains(listed.trim_matches(['[', ']']))
}

/// Everything that is done with secrets, with the canary as their value.
async fn live(given: &Given) -> Vec<String> {
    let mut printed = Vec::new();
    let version = given.set(&laptop(), "API_KEY", CANARY).await.unwrap();
    given.set(&laptop(), "API_KEY", CANARY).await.unwrap();
    given.set(&laptop(), "LONG", &CANARY.repeat(1500)).await.unwrap();
    given.set(&laptop(), "JSON", &format!("{{\"a\": \"{CANARY}\"}}")).await.unwrap();
    given.environment.lock().unwrap().insert("SONG".to_owned(), CANARY.to_owned());
    given.secrets.map([(laptop(), [(secret("MAPPED"), mapped(SecretPlace::Env("SONG".to_owned())))].into())].into());
    printed.push(format!("{:?}", given.secrets.versions(&guestbook(), &[secret("MAPPED"), secret("API_KEY")]).await));
    printed.push(format!("{:?}", given.secrets.list_mapped(&laptop())));
    let wanted = [(secret("API_KEY"), version)].into();
    let opened = given.secrets.open(&guestbook(), &wanted).await.unwrap();
    assert_eq!(opened[&secret("API_KEY")].expose(), CANARY, "it is there for who may have it");
    printed.push(format!("{opened:?} {:?}", Filled { secrets: opened.clone(), ..Filled::default() }));

    let too_long = plain(&CANARY.repeat(9000));
    for bad in [too_long, plain(&format!("{CANARY}\0"))] {
        let failure = given.secrets.set(&laptop(), &secret("BAD"), &bad, &ann()).await.unwrap_err();
        printed.push(format!("{failure} {failure:?} {bad:?}"));
    }
    let identity = Identity::parse("laptop/guestbook/users").unwrap();
    let outputs = Outputs { secret: [(Name::fixed("password"), plain(CANARY))].into(), ..Outputs::default() };
    let recorded = Seal::seal(&*given.keys, &identity, &outputs);
    printed.push(format!("{outputs:?} {recorded:?} {}", serde_json::to_string(&recorded).unwrap()));

    given.keys.rotate().unwrap();
    given.secrets.reseal(&laptop()).await.unwrap();
    given.secrets.remove(&laptop(), &secret("LONG"), &ann()).await.unwrap();
    printed.push(format!("{:?} {:?}", given.keys, given.secrets.list(&laptop()).await));
    let damaged = given.row("/secret-value/API_KEY#2.000").await;
    given.put(&damaged.key, &super::row_bytes(&damaged)[1..]).await;
    printed.push(format!("{:?}", given.value(&guestbook(), "API_KEY").await));
    printed
}

#[test]
fn the_canary_would_be_heard() {
    for form in [CANARY.to_owned(), format!("x{CANARY}y"), format!("{:?}", CANARY), format!("{:?}", CANARY.as_bytes())]
    {
        assert!(sings(form.as_bytes()), "{form}");
    }
    use base64::Engine as _;
    assert!(sings(base64::engine::general_purpose::STANDARD.encode(format!("..{CANARY}..")).as_bytes()));
    assert!(!sings(b"kanarienvogel"));
}

#[tokio::test]
async fn t26_the_canary_is_in_no_row_event_or_message() {
    let store = Arc::new(MemoryStore::new("abc"));
    let given = Given::over(Arc::clone(&store) as Arc<dyn Store>);
    let printed = live(&given).await;
    for text in &printed {
        assert!(!sings(text.as_bytes()), "{text}");
    }
    let rows = given.rows().await;
    assert!(rows.len() > 4);
    for row in rows {
        assert!(!sings(row.key.as_str().as_bytes()) && !sings(&super::row_bytes(&row)), "{}", row.key.as_str());
    }
    let mut events = 0;
    for record in store.dump().records {
        match record {
            Record::Event(event) => {
                events += 1;
                assert!(!sings(&event.draft.body), "{event:?}");
            }
            Record::Blob { bytes, .. } => assert!(!sings(&bytes)),
            Record::Row(_) | Record::Fence { .. } | Record::Unreadable { .. } => {}
        }
    }
    assert!(events > 4, "{events} events were listened to");
}

#[tokio::test]
async fn t26_the_canary_is_in_no_file_of_the_store_or_of_the_keys() {
    let home = tempfile::tempdir().unwrap();
    let folder = home.path().join("store");
    let genesis = Genesis {
        format: STORE_FORMAT,
        instance: "abc".to_owned(),
        lineage: "first".to_owned(),
        created: Wall(0),
        restored: None,
    };
    let store = Arc::new(SledStore::open(&folder, Start::OrCreate(genesis), &Settings::of("a test")).unwrap());
    let given = Given::over(store);
    live(&given).await;
    let mut bytes = 0;
    for root in [home.path(), given.home.path()] {
        bytes += listen(root);
    }
    assert!(bytes > 10_000, "{bytes} bytes were listened to");
}

/// Listens to every file below a folder; how many bytes those were.
fn listen(folder: &Path) -> usize {
    let mut bytes = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            bytes += listen(&path);
        } else {
            let held = std::fs::read(&path).unwrap();
            assert!(!sings(&held), "{}", path.display());
            bytes += held.len();
        }
    }
    bytes
}

/// Both halves of one value that lies in two rows are as secret as the whole.
#[tokio::test]
async fn t26_no_long_piece_of_a_value_is_in_a_row() {
    let given = Given::new();
    let long: String = (0..600).map(|number| format!("piece{number:05}")).collect();
    given.set(&laptop(), "LONG", &long).await.unwrap();
    let pieces: Vec<Plain> = (0..600).map(|number| plain(&format!("piece{number:05}"))).collect();
    let redactor = Redactor::new(&pieces);
    for row in given.rows().await {
        let bytes = super::row_bytes(&row);
        let text = String::from_utf8_lossy(&bytes);
        assert_eq!(redactor.redact(&text), text, "{}", row.key.as_str());
    }
}
