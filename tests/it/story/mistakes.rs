//! A world's file that is saved with a mistake while services run: everything goes on serving, the mistake is told
//! wherever a person looks, and mending it ends it.

use super::home::{Home, url};
use super::load::client;

const WORLD: &str = "worlds/laptop.yaml";

async fn page(url: &str) -> String {
    client(url).get(url).send().await.unwrap().text().await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mistake_in_a_world_file_is_told_with_its_place_and_stops_nothing() {
    let home = Home::new();
    let mut up = home.start(&["up", "examples/hello"]);
    let url = url(&up.says(" is up ").await);
    let (good, serving) = (home.read(WORLD), home.running("http.server"));
    assert!(page(&url).await.contains("ello"));

    let line = good.lines().count() + 1;
    home.write(WORLD, &format!("{good}polcy: {{ approve: [create] }}\n"));
    let place = format!("{WORLD}:{line}:1");
    up.says(&place).await;
    let status = home.run(&["status", "hello"]).await;
    assert!(status.out.contains(&place), "{status:?}");
    let check = home.ends(&["check", "examples/hello"], 3).await;
    assert!(check.out.contains(&place) || check.err.contains(&place), "{check:?}");
    assert!(page(&url).await.contains("ello"));
    assert_eq!(home.running("http.server"), serving, "nothing was started or stopped");

    // What the world said last is what still holds: the service itself goes on changing by it.
    let index = home.read("examples/hello/public/index.html");
    home.write("examples/hello/public/index.html", &index.replace("ello", "allo"));
    up.says("✓ hello").await;
    assert!(page(&url).await.contains("allo"));

    home.write(WORLD, &good);
    home.until_said(&["status", "hello"], |said| !said.out.contains(WORLD)).await;
    home.ends(&["check", "examples/hello"], 0).await;
    assert!(page(&url).await.contains("allo"));

    up.interrupt();
    up.says("hello is stopped").await;
    assert_eq!(up.ended().await, 130);
    home.ends(&["down", "hello"], 0).await;
    home.is_empty().await;
}
