//! How a server begins and ends.

use super::house::{Answer, House, WITHIN};
use deployd::server::{Ends, Reach, Settings, place};
use futures::StreamExt as _;
use reqwest::Method;
use std::collections::BTreeSet;
use std::time::Duration;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_tells_where_it_is_for_as_long_as_it_runs() {
    let mut house = House::open().await;
    let state = house.state();
    assert_eq!(place::address(&state).unwrap().as_deref(), Some(house.address.as_str()));
    let pid = std::fs::read_to_string(state.join("server.pid")).unwrap();
    assert_eq!(pid.trim(), std::process::id().to_string());
    house.close().await;
    assert_eq!(place::address(&state).unwrap(), None);
    assert!(!state.join("server.pid").exists());
    assert_eq!(place::token(&state).unwrap().as_deref().map(String::as_str), Some(house.token.as_str()), "it stays");
    assert!(house.ask(Method::GET, "/healthz").send().await.is_err(), "nobody listens any more");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn streams_end_with_a_word_when_the_server_ends() {
    let mut house = House::open().await;
    let response = house.ask(Method::GET, "/v1/events").send().await.unwrap();
    let mut chunks = response.bytes_stream();
    let first = chunks.next().await.unwrap().unwrap();
    assert!(String::from_utf8_lossy(&first).contains("event: open"), "{first:?}");
    house.close().await;
    let mut last = String::new();
    while let Some(Ok(chunk)) = chunks.next().await {
        last.push_str(&String::from_utf8_lossy(&chunk));
    }
    assert!(last.ends_with("event: ending\ndata: {}\n\n"), "{last}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_of_its_callers_ends_with_the_last_of_them() {
    let mut house =
        House::open_with(|settings| settings.ends = Ends::AfterLastSession(Duration::from_millis(200))).await;
    let open = async || {
        let mut response = house.ask(Method::GET, "/v1/session").send().await.unwrap();
        let first = response.chunk().await.unwrap().unwrap();
        assert!(String::from_utf8_lossy(&first).contains("event: open"));
        response
    };
    let (first, second) = (open().await, open().await);
    drop(first);
    // Longer than the grace, by the stream's own signs of life.
    let mut second = second;
    for _ in 0..10 {
        second.chunk().await.unwrap().unwrap();
    }
    assert_eq!(house.get("/healthz").await.status, 200, "one is still there");
    drop(second);
    house.ended().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_port_that_is_taken_is_refused_or_another_is_found() {
    let house = House::open().await;
    let taken = house.address.strip_prefix("http://").unwrap().parse().unwrap();
    let other = House::open_with(|settings| {
        settings.listen = taken;
        settings.or_next = true;
    })
    .await;
    assert_ne!(other.address, house.address);
    assert_eq!(other.get("/v1/server").await.body["address"], other.address.as_str());
    // Each has a token of its own.
    let wrong = other.bare(Method::GET, "/v1/server").bearer_auth(&house.token);
    assert_eq!(Answer::of(wrong).await.status, 401);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn others_reach_it_only_when_that_is_said() {
    let house = House::open().await;
    let everywhere = "0.0.0.0:0".parse().unwrap();
    let refused = house.another(|settings: &mut Settings| settings.listen = everywhere).await;
    assert_eq!(refused.unwrap_err(), "the API cannot listen on 0.0.0.0:0");
    let told = house.another(|settings: &mut Settings| {
        settings.listen = everywhere;
        settings.reach = Reach::Beyond { hosts: BTreeSet::from(["deployd.example.com".to_owned()]) };
    });
    assert!(told.await.is_ok());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_come_to_their_ends_when_the_server_ends() {
    let mut house = House::open().await;
    let folder = house.source("hello", &[("deployd.yaml", "service: hello\nrun: python3 app.py\nport: 8080\n")]);
    let body = serde_json::json!({ "of": { "folder": folder } });
    let request = house.ask(Method::POST, "/v1/check").json(&body).build().unwrap();
    let client = reqwest::Client::new();
    let asking = tokio::spawn(async move { client.execute(request).await });
    house.close().await;
    // It was either heard, and then answered whole, or never heard.
    match tokio::time::timeout(WITHIN, asking).await.unwrap().unwrap() {
        Ok(response) => assert!(response.json::<serde_json::Value>().await.is_ok()),
        Err(error) => assert!(error.is_connect() || error.is_request(), "{error:?}"),
    }
}
