//! Stores and exports of every format that was ever released, as files: they open for ever. A fixture is written once (with
//! `BLESS=1`, when a format is new) and never again.

use super::export::fill;
use super::sled::{create, genesis, open};
use super::suite::{key, put};
use deployd::contract::{STORE_FORMAT, Serial, Store};
use deployd::store::export::ExportFile;
use deployd::store::sled::Start;
use std::path::{Path, PathBuf};

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/store/fixtures").join(name)
}

/// Writes the fixtures of today's format, if there are none.
async fn bless(folder: &Path, export: &Path) {
    assert!(std::env::var_os("BLESS").is_some(), "{} is missing: BLESS=1 writes it", folder.display());
    let parent = tempfile::tempdir().unwrap();
    let store = create(&parent.path().join("store"));
    fill(&store).await;
    ExportFile::write(&store.dump().await.unwrap(), export).unwrap();
    drop(store);
    std::fs::remove_file(parent.path().join("store.lock")).unwrap();
    let file = zstd::Encoder::new(std::fs::File::create(folder).unwrap(), 19).unwrap().auto_finish();
    tar::Builder::new(file).append_dir_all(".", parent.path()).unwrap();
}

fn unpack(folder: &Path, into: &Path) {
    let file = zstd::Decoder::new(std::fs::File::open(folder).unwrap()).unwrap();
    tar::Archive::new(file).unpack(into).unwrap();
}

#[tokio::test]
async fn every_format_opens_for_ever() {
    for format in 1..=STORE_FORMAT {
        let folder = fixture(&format!("format-{format}.tar.zst"));
        let export = fixture(&format!("format-{format}.export"));
        if format == STORE_FORMAT && !folder.exists() {
            bless(&folder, &export).await;
        }
        let parent = tempfile::tempdir().unwrap();
        unpack(&folder, parent.path());
        let (wanted, _) = ExportFile::read(&export).unwrap();
        assert_eq!(wanted.genesis.instance, genesis().instance);
        for life in 0..2 {
            let store = open(&parent.path().join("store"), Start::Existing).unwrap();
            let found = store.dump().await.unwrap();
            let is_old = |record: &&_| wanted.records.contains(record);
            assert_eq!(found.records.iter().filter(is_old).count(), wanted.records.len());
            assert_eq!(found.serial, Serial(wanted.serial.0 + life));
            // It can be written too, and read by the next life.
            store.commit(put([(format!("new-{life}"), "1")])).await.unwrap();
            store.keep(format!("new {life}").as_bytes()).await.unwrap();
            assert!(
                store.load(&deployd::contract::Scope::Instance).await.unwrap().0.iter().any(|row| row.key == key("a"))
            );
        }
    }
}
