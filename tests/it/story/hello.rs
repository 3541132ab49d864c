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

/// DESIGN section 8: ctrl-c stops what that `up` has started.
#[tokio::test(flavor = "multi_thread")]
async fn a_second_up_leaves_what_the_first_one_runs() {
    let home = Home::new();
    let mut first = home.start(&["up", "examples/hello"]);
    let url = url(&first.says(" is up ").await);
    let mut second = home.start(&["up", "examples/hello"]);
    second.says("ctrl-c leaves it running, as it was before").await;
    second.interrupt();
    second.says("hello ran before this, and goes on").await;
    assert_eq!(second.ended().await, 130);
    let answer = client(&url).get(&url).send().await.unwrap();
    assert_eq!(answer.status(), 200);

    // Who watches something that others end hears so, and is not left watching nothing.
    home.ends(&["down", "hello"], 0).await;
    first.says("hello was stopped by another command: there is nothing left to watch").await;
    assert_eq!(first.ended().await, 0);
    home.is_empty().await;
}

/// A service that comes into the folder is brought by the watch, told of, and stopped with the others.
#[tokio::test(flavor = "multi_thread")]
async fn a_service_that_comes_is_told_of_and_stopped_too() {
    let home = Home::new();
    let mut up = home.start(&["up", "examples/hello"]);
    up.says(" is up ").await;
    std::fs::create_dir(home.file("examples/hello/more")).unwrap();
    let manifest = "service: more\nrun: python3 -m http.server --bind 127.0.0.1 $PORT\nport: 8080\n";
    home.write("examples/hello/more/deployd.yaml", manifest);
    up.says("more is up ").await;
    up.interrupt();
    up.says("hello and more are stopped").await;
    assert_eq!(up.ended().await, 130);
    home.ends(&["down", "hello"], 0).await;
    home.ends(&["down", "more"], 0).await;
    home.is_empty().await;
}

/// DESIGN section 8: `apply` deploys once, `up` is apply and watch.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_applied_is_not_watched() {
    let home = Home::new();
    let mut serve = home.start(&["serve", "--listen", "127.0.0.1:0", "--state", home.state().to_str().unwrap()]);
    serve.says("serving at").await;
    home.ends(&["apply", "examples/hello"], 0).await;
    let page = home.read("examples/hello/public/index.html");
    home.write("examples/hello/public/index.html", &page.replace("ello", "allo"));
    let plan = home.ends(&["plan", "examples/hello"], 0).await.out;
    assert!(!plan.contains("nothing to do"), "what was saved is still to be deployed: {plan}");
    home.ends(&["apply", "hello"], 0).await;
    let history = home.ends(&["history", "hello"], 0).await.out;
    assert!(history.contains("apply") && !history.contains("watch"), "{history}");
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
