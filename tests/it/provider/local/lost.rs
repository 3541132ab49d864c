//! The state folder was lost, and what this room had written down with it.

use super::*;

/// Root's databases lie outside of the state folder: they are found again with their data, and nothing is made on top of
/// them. Other users' lie in it: they are gone, and so is what ran.
#[tokio::test]
async fn data_outlives_the_state_folder_where_it_lies_outside() {
    let mut stage = Local::new();
    let sample = postgres();
    let (users, before) = stage.made("suite/shop/users", &sample).await;
    let keeper::Found::Running(state) = keeper::find(&stage.thing("postgres")) else { panic!("it runs") };
    std::fs::remove_dir_all(stage.state.path().join("local")).unwrap();
    stage.restart().await;
    let seen = look(&stage, &query(&users, &sample, None)).await;
    if !rustix::process::geteuid().is_root() {
        assert!(seen.is_absent(), "{seen:?}");
        return;
    }
    assert!(matches!(seen.present().unwrap().condition, Condition::AtRest(_)), "{seen:?}");
    let listing = stage.provider.list(&deployd::contract::ListScope { stack: None }).await;
    assert_eq!(listing.found.iter().map(|found| &found.receipt.identity).collect::<Vec<_>>(), [&users]);

    // The server that nobody could ask any more ends by itself; until then there is no second one.
    let act = OrderAct::Update {
        handle: seen.present().unwrap().handle.clone(),
        from: sample.fields.clone(),
        fields: sample.fields.clone(),
        asked: Digest::of_json("asked", &sample.fields),
        health: None,
    };
    let order = order(&stage, &users, &sample, act, "bring back");
    while let Err(failure) = stage.provider.apply(&order, &sample.filled).await {
        assert!(matches!(failure, Failure::Retry { .. }), "{failure:?}");
        stage.wait().await;
    }
    assert!(!state.keeper.is_alive().unwrap() && !state.service.unwrap().is_alive().unwrap());
    let seen = until(&stage, &query(&users, &sample, None), is_settled).await;
    assert_eq!(before["port"], outputs(&seen)["port"]);

    stage.delete(&users, &sample, Keep::Nothing).await;
    assert!(!Path::new("/var/lib/deployd").join(&stage.instance).exists(), "nothing of it is left");
}

/// Two state folders of one instance, as when a backup is restored beside what it was taken of: the data is one's alone.
#[tokio::test]
async fn data_in_other_hands_is_left_alone() {
    let stage = Local::new();
    let sample = postgres();
    let (users, _) = stage.made("suite/shop/users", &sample).await;
    if !rustix::process::geteuid().is_root() {
        return;
    }
    let state = tempfile::tempdir().unwrap();
    let other = provider(state.path(), &stage.instance, &stage.contents);
    let seen = other.observe(&[query(&users, &sample, None)], Freshness::Fresh).await.remove(0);
    let Presence::Unknown(why) = seen.presence else { panic!("{seen:?}") };
    assert!(why.text.contains(&stage.state.path().display().to_string()), "{why}");
    let made = other.apply(&create(&stage, &users, &sample), &sample.filled).await;
    assert!(matches!(made, Err(Failure::Refused { .. })), "{made:?}");
    assert!(is_settled(&look(&stage, &query(&users, &sample, None)).await));
}

/// Data that nobody has written anything of, as of an older deployd: nothing is made on top of it.
#[tokio::test]
async fn nothing_is_made_on_top_of_data_that_is_there() {
    let stage = Local::new();
    let sample = postgres();
    let (users, _) = stage.made("suite/shop/users", &sample).await;
    stage.delete(&users, &sample, Keep::Nothing).await;
    let place = stage.thing("postgres");
    let is_root = rustix::process::geteuid().is_root();
    let home = Path::new("/var/lib/deployd").join(&stage.instance);
    let data = if is_root { home.join(place.file_name().unwrap()).join("data") } else { place.join("data") };
    std::fs::create_dir_all(&data).unwrap();
    std::fs::write(data.join("PG_VERSION"), "15\n").unwrap();
    let made = stage.provider.apply(&create(&stage, &users, &sample), &sample.filled).await;
    let Err(Failure::Refused { why }) = made else { panic!("{made:?}") };
    assert!(why.text.contains("is there already") && why.way_out.is_some(), "{why}");
    std::fs::remove_dir_all(&data).unwrap();
    stage.made("suite/shop/users", &sample).await;
}

/// The file that says whose data is was lost: that is no absence, nothing is made on top of it, and nobody else waits for it.
#[tokio::test]
async fn data_without_its_word_is_no_absence_and_holds_up_nobody() {
    let stage = Local::new();
    let files = sample("local/folder", serde_json::json!({}));
    let (uploads, outputs) = stage.made("suite/shop/uploads", &files).await;
    std::fs::write(PathBuf::from(outputs["path"].as_text().unwrap()).join("photo"), "pixels").unwrap();
    let word = stage.thing("folder").join("thing.json");
    let kept = std::fs::read(&word).unwrap();
    for damage in [None, Some("")] {
        match damage {
            None => std::fs::remove_file(&word).unwrap(),
            Some(text) => std::fs::write(&word, text).unwrap(),
        }
        let seen = look(&stage, &query(&uploads, &files, None)).await;
        let Presence::Unknown(why) = seen.presence else { panic!("{seen:?}") };
        assert!(why.text.contains("thing.json"), "{why}");
        let made = stage.provider.apply(&create(&stage, &uploads, &files), &files.filled).await;
        assert!(made.is_err(), "{made:?}");
        // Another one that needs a port and a listing.
        let web = identity(if damage.is_none() { "suite/other/web.1" } else { "suite/other/web.2" });
        stage.make(&web, &server(serde_json::json!({}))).await;
    }
    std::fs::write(&word, kept).unwrap();
    assert!(is_settled(&look(&stage, &query(&uploads, &files, None)).await));
}

#[tokio::test]
async fn a_server_that_runs_without_its_word_is_no_absence() {
    let stage = Local::new();
    let sample = postgres();
    let (users, _) = stage.made("suite/shop/users", &sample).await;
    let word = stage.thing("postgres").join("thing.json");
    let kept = std::fs::read(&word).unwrap();
    std::fs::remove_file(&word).unwrap();
    let seen = look(&stage, &query(&users, &sample, None)).await;
    assert!(matches!(seen.presence, Presence::Unknown(_)), "{seen:?}");
    std::fs::write(&word, kept).unwrap();
    assert!(is_settled(&look(&stage, &query(&users, &sample, None)).await));
}
