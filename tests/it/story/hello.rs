//! `hello`: needs nothing but what is on every machine, and shows an entrypoint with a gate.

use super::home::{Home, url};
use super::load::client;

/// TOUR section 4: who was away hears what is still there.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_found_again_after_a_kill_is_told() {
    let home = Home::new();
    let mut up = home.start(&["up", "examples/hello"]);
    up.says(" is up ").await;
    home.kill_server();
    up.says("found again after an unclean stop: hello (1 process, still serving)").await;
    up.interrupt();
    up.says("hello is stopped").await;
    assert_eq!(up.ended().await, 130);
    home.ends(&["down", "hello"], 0).await;
    home.is_empty().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn hello_is_up_and_stops() {
    let home = Home::new();
    let mut up = home.start(&["up", "examples/hello"]);
    let said = up.says(" is up ").await;
    assert!(said.contains("3 to create") || said.contains("2 to create"), "{said}");
    let url = url(&said);
    let page = client(&url).get(&url).send().await.unwrap().text().await.unwrap();
    assert!(page.contains("ello"), "{page}");

    let page = home.read("examples/hello/public/index.html");
    home.write("examples/hello/public/index.html", &page.replace("ello", "allo"));
    up.says("✓ hello").await;
    let page = client(&url).get(&url).send().await.unwrap().text().await.unwrap();
    assert!(page.contains("allo"), "{page}");

    up.interrupt();
    up.says("hello is stopped").await;
    assert_eq!(up.ended().await, 130);
    let status = home.ends(&["status", "hello"], 0).await.out;
    assert!(!status.contains("http://"), "nobody answers there any more: {status}");
    home.ends(&["down", "hello"], 0).await;
    home.is_empty().await;
}
