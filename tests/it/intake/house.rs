//! Everything of one server together: opened, backed up, restored.

use deployd::clock::SystemClock;
use deployd::contract::{Clock, Plain};
use deployd::model::{Capability, Kind, Name, SecretName};
use deployd::state::{Principal, SourceId};
use deployd::wiring::{House, Settings, restore};
use futures::StreamExt;
use std::path::{Path, PathBuf};

fn settings(home: &Path, config: Option<&Path>) -> Settings {
    let variable = |name: &str| (name == "HOME").then(|| home.as_os_str().to_owned());
    let program = PathBuf::from(env!("CARGO_BIN_EXE_deployd"));
    let mut settings = Settings::of_environment(program, "a test", None, &variable).unwrap();
    settings.config = config.map(Path::to_owned);
    settings
}

fn write(path: &Path, text: &str) {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, text).unwrap();
}

const STAGE: &str = "world: stage\ncapabilities: { deploy:simulated: { plays: [deploy:kubernetes, aws], seed: 7 } }\n";
const FAR: &str = "world: far\ncapabilities: { deploy:kubernetes: { namespace: apps } }\n";

#[tokio::test]
async fn each_capability_has_its_provider_or_a_reason() {
    let home = tempfile::tempdir().unwrap();
    let config = home.path().join("config");
    write(&config.join("worlds/stage.yaml"), STAGE);
    write(&config.join("worlds/far.yaml"), FAR);
    let house = House::open(&settings(home.path(), Some(&config))).await.unwrap();
    let parts = house.engine.parts();
    assert!(!parts.catalogue.mistakes().has_errors(), "{:?}", parts.catalogue.mistakes());
    let name = |text| Name::new(text).unwrap();
    let capabilities = |world| {
        let providers = parts.rooms.providers(&name(world));
        providers.into_iter().map(|(one, provider)| (one.to_string(), provider.is_ok())).collect::<Vec<_>>()
    };
    assert_eq!(capabilities("laptop"), [("deploy:local".to_owned(), true)]);
    assert_eq!(capabilities("stage"), [("deploy:simulated".to_owned(), true)]);
    assert_eq!(capabilities("far"), [("deploy:kubernetes".to_owned(), false)]);
    assert_eq!(capabilities("nowhere"), []);
    let why = parts.rooms.providers(&name("far")).into_values().next().unwrap().err().unwrap();
    assert!(why.text.contains("deploy:kubernetes is not built yet"), "{why}");
    let maker = |world, kind| parts.rooms.maker(&name(world), &Kind::new(kind).unwrap());
    assert_eq!(maker("stage", "aws/rds"), Some(Capability::fixed("deploy:simulated")));
    assert_eq!(maker("laptop", "local/process"), Some(Capability::fixed("deploy:local")));
    assert_eq!(maker("laptop", "aws/rds"), None);
    // The same provider as long as the world says the same: it holds watches and caches.
    let one = parts.rooms.providers(&name("laptop")).into_values().next().unwrap().unwrap();
    let again = parts.rooms.providers(&name("laptop")).into_values().next().unwrap().unwrap();
    assert!(std::sync::Arc::ptr_eq(&one, &again));
    let folder = SourceId(format!("folder:{}", home.path().display()));
    assert!(parts.rooms.source(&folder).is_ok());
    for none in ["folder:relative", "git:x", "rest"] {
        assert!(parts.rooms.source(&SourceId(none.to_owned())).is_err(), "{none}");
    }
}

#[tokio::test]
async fn a_backup_is_restored_elsewhere_with_its_keys() {
    let home = tempfile::tempdir().unwrap();
    let house = House::open(&settings(home.path(), None)).await.unwrap();
    let world = Name::fixed("laptop");
    let (secret, by) = (SecretName("API_KEY".to_owned()), Principal("ann".to_owned()));
    let plain = |text: &str| Plain::new(text.to_owned());
    house.doors.secrets.set(&world, &secret, &plain("canary-4711"), &by).await.unwrap();
    let service = home.path().join("app");
    write(&service.join("app.py"), "print('hello')");
    let source = house.engine.parts().rooms.source(&SourceId(format!("folder:{}", service.display()))).unwrap();
    let snapshot = source.read(&deployd::contract::At::Now).await.unwrap();
    let content = house.engine.parts().contents.keep(&snapshot, &*source, "").await.unwrap();
    let passphrase = plain("correct horse battery");
    let backup = house.doors.backups.backup(Some(&passphrase)).await.unwrap();
    let pieces: Vec<_> = backup.content.collect().await;
    let bytes: Vec<u8> = pieces.into_iter().flat_map(|piece| piece.unwrap().to_vec()).collect();
    assert_eq!(bytes.len() as u64, backup.bytes);
    let instance = house.doors.instance.clone();
    drop(house);
    let left: Vec<_> = std::fs::read_dir(home.path().join(".local/state/deployd"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.starts_with("backup"))
        .collect();
    assert!(left.is_empty(), "{left:?}");

    let there = tempfile::tempdir().unwrap();
    let (file, clock) = (there.path().join("deployd.backup"), SystemClock::start().unwrap());
    std::fs::write(&file, &bytes).unwrap();
    let to = settings(there.path(), None);
    let refused = restore(&to, &file, None, &clock).unwrap_err().in_full();
    assert!(refused.contains("key of instance"), "without its keys nothing could be read: {refused}");
    let refused = restore(&to, &file, Some(&plain("another passphrase")), &clock).unwrap_err().in_full();
    assert!(refused.contains("do not open"), "{refused}");
    let done = restore(&to, &file, Some(&passphrase), &clock).unwrap();
    assert_eq!((done.instance.as_str(), done.with_keys), (instance.as_str(), true));
    assert!(restore(&to, &file, Some(&passphrase), &clock).unwrap_err().to_string().contains("there is state in"));

    let house = House::open(&to).await.unwrap();
    let shown = house.doors.secrets.list(&world).await.unwrap();
    assert_eq!(shown.iter().map(|one| one.name.0.as_str()).collect::<Vec<_>>(), ["API_KEY"]);
    let parts = house.engine.parts();
    let stack = deployd::model::StackId::new(world, Name::fixed("app"));
    let versions = parts.secrets.versions(&stack, std::slice::from_ref(&secret)).await;
    let opened = parts.secrets.open(&stack, &[(secret.clone(), versions[&secret].clone().unwrap())].into()).await;
    assert_eq!(opened.unwrap()[&secret].expose(), "canary-4711");
    let text = parts.contents.bytes(content, &deployd::contract::FilePath::new("app.py").unwrap()).await.unwrap();
    assert_eq!(text, b"print('hello')");
    assert!(parts.store.genesis().restored.is_some());
    assert!(!bytes.windows(11).any(|window| window == b"canary-4711"), "no secret lies open in a backup");
    let _: &dyn Clock = &*parts.clock;
}

#[tokio::test]
async fn what_is_no_backup_is_not_restored() {
    let home = tempfile::tempdir().unwrap();
    let (to, clock) = (settings(home.path(), None), SystemClock::start().unwrap());
    let file = home.path().join("x");
    let tar = |entries: &[(&str, &str)]| {
        let mut tar = tar::Builder::new(zstd::Encoder::new(Vec::new(), 1).unwrap());
        for (name, text) in entries {
            let mut header = tar::Header::new_gnu();
            header.set_size(text.len() as u64);
            header.set_mode(0o600);
            // Written as it is: `set_path` refuses what an attacker writes.
            header.as_gnu_mut().unwrap().name[..name.len()].copy_from_slice(name.as_bytes());
            header.set_cksum();
            tar.append(&header, text.as_bytes()).unwrap();
        }
        tar.into_inner().unwrap().finish().unwrap()
    };
    let about = ("backup.json", "{\"deployd_backup\":1,\"instance\":\"abc\"}");
    for (bytes, says) in [
        (b"not a backup at all".to_vec(), "cannot be read"),
        (tar(&[]), "it has no backup.json"),
        (tar(&[("backup.json", "{\"deployd_backup\":9,\"instance\":\"abc\"}")]), "format 9"),
        (tar(&[about, ("../escaped", "x")]), "no part of a backup"),
        (tar(&[about, ("contents/files/../../../escaped", "x")]), "not what its name says"),
        (tar(&[about, ("contents/files/abcd", "x")]), "not what its name says"),
        (tar(&[about, ("etc/passwd", "x")]), "no part of a backup"),
        (tar(&[about]), "cannot be read"),
    ] {
        std::fs::write(&file, bytes).unwrap();
        let refused = restore(&to, &file, None, &clock).unwrap_err().in_full();
        assert!(refused.contains(says), "{refused:?} does not say {says:?}");
        assert!(!to.state.join("store").exists() && !home.path().join("escaped").exists());
    }
}
