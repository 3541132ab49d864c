//! What holds data, and what is hinted at and not known.

use super::*;

#[tokio::test]
async fn postgres_keeps_what_is_written_and_saves_it_before_it_goes() {
    let mut stage = Local::new();
    let sample = postgres();
    let (users, outputs) = stage.made("suite/shop/users", &sample).await;
    let port = u16::try_from(outputs["port"].as_whole().unwrap()).unwrap();
    let connect = async |user: &str, password: &str| {
        let mut config = tokio_postgres::Config::new();
        config.host("127.0.0.1").port(port).user(user).password(password).dbname("book");
        let (client, connection) = config.connect(tokio_postgres::NoTls).await?;
        tokio::spawn(connection);
        Ok::<_, tokio_postgres::Error>(client)
    };
    let client = connect("book", "it's 50% s3cret").await.unwrap();
    client.batch_execute("CREATE TABLE guests (name text); INSERT INTO guests VALUES ('Ada')").await.unwrap();
    assert!(connect("book", "wrong").await.is_err(), "a password is needed");
    assert!(connect("deployd", "it's 50% s3cret").await.is_err(), "the superuser is let in from nowhere");
    let row = client.query_one("SELECT rolsuper FROM pg_roles WHERE rolname = 'book'", &[]).await.unwrap();
    assert!(!row.get::<_, bool>(0), "the service's user is no superuser");
    drop(client);

    // Server and room start anew; then PostgreSQL itself is killed: the data is there.
    stage.restart().await;
    let asked = query(&users, &sample, None);
    assert!(is_settled(&look(&stage, &asked).await));
    let keeper::Found::Running(state) = keeper::find(&stage.thing("postgres")) else { panic!("it runs") };
    assert_ne!(user_of(state.service.as_ref().unwrap().pid), 0, "PostgreSQL never runs as root");
    let pid = rustix::process::Pid::from_raw(i32::try_from(state.service.unwrap().pid).unwrap()).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
    let back = async || loop {
        match connect("book", "it's 50% s3cret").await {
            Ok(client) => return client,
            Err(_) => stage.wait().await,
        }
    };
    let row = back().await.query_one("SELECT name FROM guests", &[]).await.unwrap();
    assert_eq!(row.get::<_, String>(0), "Ada");

    let note = stage.delete(&users, &sample, Keep::Final).await.expect("it says where it was saved");
    assert!(note.contains("/backups/users-") && note.contains(".tar.zst"), "{note}");
    let backups: Vec<_> = std::fs::read_dir(stage.state.path().join("backups")).unwrap().collect();
    assert_eq!(backups.len(), 1);
}

/// The machine is started anew: nothing runs any more, and the number in PostgreSQL's lock file is another process's.
#[tokio::test]
async fn postgres_is_brought_back_after_a_reboot() {
    let mut stage = Local::new();
    let sample = postgres();
    let (users, before) = stage.made("suite/shop/users", &sample).await;
    let keeper::Found::Running(state) = keeper::find(&stage.thing("postgres")) else { panic!("it runs") };
    let service = state.service.unwrap().pid;
    for process in [state.keeper.pid, service] {
        end(process);
    }
    let asked = query(&users, &sample, None);
    // While it dies, a look may not be able to tell.
    let is_at_rest =
        |seen: &Seen| seen.present().is_some_and(|present| matches!(present.condition, Condition::AtRest(_)));
    until(&stage, &asked, is_at_rest).await;
    stage.restart().await;

    // Its lock file names a process that runs: this one.
    let data = stage.thing("postgres").join("data");
    let data = if data.exists() { data } else { stage.outside().join("data") };
    std::fs::write(data.join("postmaster.pid"), format!("{}\n", std::process::id())).unwrap();
    let act = OrderAct::Update {
        handle: until(&stage, &asked, is_at_rest).await.present().unwrap().handle.clone(),
        from: sample.fields.clone(),
        fields: sample.fields.clone(),
        asked: Digest::of_json("asked", &sample.fields),
        health: None,
    };
    let order = order(&stage, &users, &sample, act, "bring back");
    stage.provider.apply(&order, &sample.filled).await.unwrap();
    let seen = until(&stage, &asked, is_settled).await;
    assert_eq!(before["port"], outputs(&seen)["port"], "who knows its port need not be told another");
}

/// Ends a process as a power cut does.
pub fn end(process: u32) {
    let pid = rustix::process::Pid::from_raw(i32::try_from(process).unwrap()).unwrap();
    // It may have ended with the one before.
    let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
}

/// The real user of a process.
fn user_of(pid: u32) -> u32 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find(|line| line.starts_with("Uid:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

#[tokio::test]
async fn a_folders_files_last_and_are_saved() {
    let mut stage = Local::new();
    let sample = sample("local/folder", serde_json::json!({}));
    let (uploads, outputs) = stage.made("suite/shop/uploads", &sample).await;
    let path = PathBuf::from(outputs["path"].as_text().unwrap());
    std::fs::write(path.join("photo"), "pixels").unwrap();
    stage.restart().await;
    stage.make(&uploads, &sample).await;
    assert_eq!(std::fs::read_to_string(path.join("photo")).unwrap(), "pixels");
    let note = stage.delete(&uploads, &sample, Keep::Final).await.unwrap();
    assert!(note.contains("/backups/uploads-"), "{note}");
    assert!(!path.exists());
}

#[tokio::test]
async fn what_cannot_be_read_is_unknown_and_not_absent() {
    let stage = Local::new();
    let sample = sample("local/folder", serde_json::json!({}));
    let (uploads, _) = stage.made("suite/shop/uploads", &sample).await;
    std::fs::write(stage.thing("folder").join("thing.json"), "{").unwrap();
    let seen = look(&stage, &query(&uploads, &sample, None)).await;
    assert!(matches!(seen.presence, Presence::Unknown(_)), "{seen:?}");
    let listing = stage.provider.list(&deployd::contract::ListScope { stack: None }).await;
    assert!(!listing.complete, "a listing that cannot read everything proves no absence");
}

#[tokio::test]
async fn what_ends_is_hinted_at() {
    let stage = Local::new();
    let mut hints = stage.provider.hints();
    let first = tokio::spawn(async move { hints.next().await });
    let fields = serde_json::json!({ "run": ["sleep", "600"] });
    let (shop, _) = stage.made("suite/shop/shop.1", &sample("local/process", fields)).await;
    let hint = tokio::time::timeout(PATIENCE, first).await.unwrap().unwrap().unwrap();
    assert_eq!(hint.stack, Some(shop.address.stack_id()));
    let seen = stage.provider.observe(&[], Freshness::Cached(Milliseconds(1))).await;
    assert!(seen.is_empty());
}

/// As after a restore of a backup that is older than it: nothing of it is made anew.
#[tokio::test]
async fn what_carries_our_receipt_is_taken_back_and_nothing_else() {
    let stage = Local::new();
    let files = sample("local/folder", serde_json::json!({ "size": "1Mi" }));
    let identity = identity("suite/shop/files");
    let adopt = |handle: &Handle| order(&stage, &identity, &files, OrderAct::Adopt { handle: handle.clone() }, "adopt");
    let handle = stage.make(&identity, &files).await;
    let adopted = stage.provider.apply(&adopt(&handle), &Filled::default()).await.unwrap();
    assert_eq!(adopted.handle, handle);
    until(&stage, &query(&identity, &files, Some(handle.clone())), is_settled).await;
    stage.delete(&identity, &files, Keep::Nothing).await;
    let gone = stage.provider.apply(&adopt(&handle), &Filled::default()).await;
    assert!(matches!(gone, Err(Failure::Refused { .. })), "{gone:?}");
}

/// A server wrote down that a thing goes, and died before anything else was done. The next one is asked what there is, and
/// is told again to take it away; or to bring it back.
#[tokio::test]
async fn a_delete_that_was_cut_is_not_believed_to_go_on() {
    let mut stage = Local::new();
    let sample = sample("local/folder", serde_json::json!({ "size": "1Mi" }));
    let (files, _) = stage.made("suite/shop/files", &sample).await;
    let place = stage.thing("folder");
    std::fs::write(place.join("data/file"), "kept").unwrap();
    let cut = || {
        let text = std::fs::read_to_string(place.join("thing.json")).unwrap();
        let mut thing: serde_json::Value = serde_json::from_str(&text).unwrap();
        thing["leaving"] = serde_json::json!([1, "final"]);
        std::fs::write(place.join("thing.json"), thing.to_string()).unwrap();
    };
    cut();
    stage.restart().await;
    let asked = query(&files, &sample, None);
    assert!(is_settled(&look(&stage, &asked).await), "its data is whole");

    // It is asked for again: what was written down is over.
    stage.make(&files, &sample).await;
    assert!(!std::fs::read_to_string(place.join("thing.json")).unwrap().contains("final"));
    cut();
    stage.restart().await;
    let note = stage.delete(&files, &sample, Keep::Final).await.expect("it says where it was saved");
    assert!(note.contains("/backups/files-"), "{note}");
    assert!(!place.join("data").exists() && !place.join("data.gone").exists());
}

/// The name of the data was taken away, and the server died before the rest was: the next one does that.
#[tokio::test]
async fn what_a_delete_has_left_is_cleaned_up() {
    let mut stage = Local::new();
    let sample = sample("local/folder", serde_json::json!({ "size": "1Mi" }));
    let (files, _) = stage.made("suite/shop/files", &sample).await;
    let place = stage.thing("folder");
    std::fs::rename(place.join("data"), place.join("data.gone")).unwrap();
    let text = std::fs::read_to_string(place.join("thing.json")).unwrap();
    let mut thing: serde_json::Value = serde_json::from_str(&text).unwrap();
    thing["leaving"] = serde_json::json!([1, "nothing"]);
    std::fs::write(place.join("thing.json"), thing.to_string()).unwrap();
    stage.restart().await;
    assert_eq!(look(&stage, &query(&files, &sample, None)).await.presence, Presence::Absent);
    assert!(!place.join("data.gone").exists());
}

/// A process that was written down to go is told to, although the server that was about to tell it has died.
#[tokio::test]
async fn a_process_that_was_to_go_is_told_again() {
    let mut stage = Local::new();
    let sample = server(serde_json::json!({}));
    let (web, _) = stage.made("suite/shop/web.1", &sample).await;
    let place = stage.thing("process");
    let text = std::fs::read_to_string(place.join("thing.json")).unwrap();
    let mut thing: serde_json::Value = serde_json::from_str(&text).unwrap();
    thing["leaving"] = serde_json::json!([1, "nothing"]);
    std::fs::write(place.join("thing.json"), thing.to_string()).unwrap();
    stage.restart().await;
    until(&stage, &query(&web, &sample, None), |seen| seen.presence == Presence::Absent).await;
}
