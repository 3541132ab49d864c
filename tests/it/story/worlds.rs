//! Several worlds of one machine, and a world's file that changes: there is one proxy, and nobody is told an address at
//! which nothing answers.

use super::home::{Home, url};
use super::load::client;

/// A port that nothing has now.
fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

#[tokio::test(flavor = "multi_thread")]
async fn another_port_in_the_worlds_file_moves_what_answers_and_what_is_told() {
    let home = Home::new();
    let mut up = home.start(&["up", "examples/hello"]);
    let before = url(&up.says(" is up ").await);
    let port = free_port();
    home.edit("worlds/laptop.yaml", "http: 8080", &format!("http: {port}"));
    let after = format!("http://hello.localhost:{port}");
    loop {
        let status = home.ends(&["status"], 0).await.out;
        if status.contains(&after) {
            break;
        }
        assert!(status.contains(&before), "{status}");
        tokio::task::yield_now().await;
    }
    assert_eq!(client(&after).get(&after).send().await.unwrap().status(), 200);
    up.interrupt();
    up.ended().await;
    home.ends(&["down", "hello"], 0).await;
    home.is_empty().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_worlds_share_the_proxy_and_a_host_is_given_once() {
    let home = Home::new();
    let mut up = home.start(&["up", "examples/hello"]);
    let first = url(&up.says(" is up ").await);
    let port = first.rsplit(':').next().unwrap().trim_end_matches('/').to_owned();
    let second = "world: second\ncapabilities:\n  deploy:local: { http: 8095 }\nrepositories: [acme]\n";
    home.write("worlds/second.yaml", second);
    let refused = home.ends(&["apply", "hello", "--world", "second"], 1).await.err;
    assert!(refused.contains("hello.localhost leads to laptop/hello/web"), "{refused}");
    let status = home.ends(&["status", "--world", "second"], 0).await.out;
    assert!(!status.contains("hello"), "nothing was begun: {status}");

    home.write("worlds/second.yaml", &format!("{second}domain: second.localhost\n"));
    let address = format!("http://hello.second.localhost:{port}");
    let plan = home.ends(&["plan", "hello", "--world", "second"], 0).await.out;
    assert!(plan.contains(&address) && plan.contains("deployd apply hello --world second"), "{plan}");
    let applied = home.ends(&["apply", "hello", "--world", "second"], 0).await.out;
    assert_eq!(url(&applied), address);
    assert_eq!(client(&address).get(&address).send().await.unwrap().status(), 200);
    assert_eq!(client(&first).get(&first).send().await.unwrap().status(), 200);
    home.ends(&["down", "hello", "--world", "second"], 0).await;
    up.interrupt();
    up.ended().await;
    home.ends(&["down", "hello", "--world", "laptop"], 0).await;
    home.is_empty().await;
}
