//! Replacing backends under load: no request fails, and what is drained can be stopped at once.

use super::harness::{Service, Wire, World, get, route, soon, text, until};
use deployd::model::Milliseconds;
use deployd::proxy::{Listen, Protocol};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::{Request, Response};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

const REPLACEMENTS: usize = 50;
/// Answered under each backend before it is replaced, so that every one of them is replaced under load.
const ANSWERS_EACH: u64 = 40;

/// Reads the body, works for a few turns of the scheduler, and answers with its name and some kilobytes.
async fn busy(name: &str) -> Service {
    let own = name.to_owned();
    Service::answering(name, move |request: Request<Incoming>| {
        let own = own.clone();
        async move {
            let body = request.into_body().collect().await.map(|b| b.to_bytes().len()).unwrap_or(0);
            for _ in 0..20 {
                tokio::task::yield_now().await;
            }
            Response::new(text(format!("{own} {body} {}", "x".repeat(8000))))
        }
    })
    .await
}

#[derive(Default)]
struct Load {
    over: AtomicBool,
    answered: AtomicU64,
    failed: AtomicU64,
}

impl Load {
    /// Asks again and again over one connection; a `POST` every other time.
    async fn ask(self: Arc<Load>, address: SocketAddr, host: &'static str) {
        let mut wire = Wire::open(address).await;
        let mut post = false;
        while !self.over.load(Ordering::SeqCst) {
            post = !post;
            let request = match post {
                true => format!("POST / HTTP/1.1\r\nHost: {host}\r\nContent-Length: 2000\r\n\r\n{}", "y".repeat(2000)),
                false => format!("GET / HTTP/1.1\r\nHost: {host}\r\n\r\n"),
            };
            wire.send(request).await;
            let reply = wire.reply().await;
            let whole = reply.text().ends_with(&"x".repeat(8000));
            if reply.status != 200 || !whole {
                self.failed.fetch_add(1, Ordering::SeqCst);
                println!("{} {}", reply.status, reply.text());
            }
            self.answered.fetch_add(1, Ordering::SeqCst);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fifty_replacements_under_load_fail_no_request() {
    let world = World::new().await;
    let mut current = busy("replica 0").await;
    let entrypoint = world.entrypoint("a", &[&current]).await;
    let stable = world.stable("stable", Protocol::Http, &[&current]).await;
    let load = Arc::new(Load::default());
    let mut clients = JoinSet::new();
    for number in 0..6 {
        let (address, host) = if number % 2 == 0 { (entrypoint, "a") } else { (stable, "localhost") };
        clients.spawn(Arc::clone(&load).ask(address, host));
    }
    for number in 1..=REPLACEMENTS {
        let enough = load.answered.load(Ordering::SeqCst) + ANSWERS_EACH;
        until("it was asked", async || load.answered.load(Ordering::SeqCst) >= enough).await;
        let next = busy(&format!("replica {number}")).await;
        world.put(&route("stable", Listen::stable(Protocol::Http), &[&next])).await;
        world.put(&route("a", Listen::host("a"), &[&next])).await;
        assert!(world.client.wait_drained(&current.name, Milliseconds::seconds(30)).await.unwrap());
        assert_eq!(current.state.in_flight.load(Ordering::SeqCst), 0, "drained means that it has nothing to do");
        std::mem::replace(&mut current, next).stop().await;
    }
    load.over.store(true, Ordering::SeqCst);
    while let Some(ended) = clients.join_next().await {
        ended.unwrap();
    }
    assert_eq!(load.failed.load(Ordering::SeqCst), 0, "of {}", load.answered.load(Ordering::SeqCst));
    assert!(load.answered.load(Ordering::SeqCst) >= ANSWERS_EACH * REPLACEMENTS as u64);
    let stats = world.client.stats().await.unwrap();
    assert_eq!(stats.backends.keys().collect::<Vec<_>>(), [&current.name]);
}

#[tokio::test]
async fn what_is_in_flight_ends_where_it_began_and_holds_its_backend() {
    let world = World::new().await;
    let go = Arc::new(Semaphore::new(0));
    let held = Arc::clone(&go);
    let old = Service::answering("old", move |_| {
        let held = Arc::clone(&held);
        async move {
            let _ = held.acquire().await;
            Response::new(text("old"))
        }
    })
    .await;
    let new = Service::named("new").await;
    let address = world.entrypoint("a", &[&old]).await;
    let mut waiting = Vec::new();
    for _ in 0..5 {
        let mut wire = Wire::open(address).await;
        wire.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
        waiting.push(wire);
    }
    until("five are in flight", async || old.begun() == 5).await;
    assert_eq!(world.client.stats().await.unwrap().backends["old"].requests, 5);
    world.put(&route("a", Listen::host("a"), &[&new])).await;
    assert_eq!(get(address, "a", "/").await.text(), "new", "from the answer to the put on");
    let stats = world.client.stats().await.unwrap();
    assert_eq!((stats.backends["old"].requests, stats.drained("old"), stats.drained("new")), (5, false, false));
    assert!(stats.backends["old"].retired.is_some());
    assert!(!world.client.wait_drained("old", Milliseconds(50)).await.unwrap());
    let client = world.client.clone();
    let drained = tokio::spawn(async move { client.wait_drained("old", Milliseconds::seconds(30)).await.unwrap() });
    go.add_permits(5);
    for mut wire in waiting {
        assert_eq!(wire.reply().await.text(), "old");
    }
    assert!(soon(drained).await.unwrap());
    assert!(world.client.stats().await.unwrap().drained("old"));
}

#[tokio::test]
async fn connections_that_idle_at_a_backend_are_closed_when_no_route_names_it() {
    let world = World::new().await;
    let (old, new) = (Service::named("old").await, Service::named("new").await);
    let address = world.entrypoint("a", &[&old]).await;
    assert_eq!(get(address, "a", "/").await.text(), "old");
    assert_eq!(get(address, "a", "/").await.text(), "old");
    assert_eq!(old.state.connections.load(Ordering::SeqCst), 1, "it is kept for the next request");
    until("it is open", async || connections_to(old.address) == 1).await;
    world.put(&route("a", Listen::host("a"), &[&new])).await;
    until("it is closed", async || connections_to(old.address) == 0).await;
}

/// Established connections on loopback whose far end is that address, from the kernel's own table.
fn connections_to(address: SocketAddr) -> usize {
    let table = std::fs::read_to_string("/proc/net/tcp").unwrap();
    let far = format!(":{:04X}", address.port());
    let lines = table.lines().skip(1).map(|line| line.split_ascii_whitespace().collect::<Vec<_>>());
    lines.filter(|fields| fields[2].ends_with(&far) && fields[3] == "01").count()
}

#[tokio::test]
async fn a_service_that_closes_idle_connections_costs_no_request() {
    let world = World::new().await;
    // It answers one request on each connection as if more could follow, and closes it.
    let web = Service::raw("web", |mut stream| async move {
        use tokio::io::{AsyncReadExt, AsyncWriteExt};
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            if stream.read_buf(&mut head).await.unwrap_or(0) == 0 {
                return;
            }
        }
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").await;
    })
    .await;
    let address = world.entrypoint("a", &[&web]).await;
    let mut wire = Wire::open(address).await;
    for _ in 0..200 {
        wire.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
        assert_eq!(wire.reply().await.text(), "ok");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replica_that_is_killed_costs_at_most_what_it_held() {
    let world = World::new().await;
    let (dying, living) = (busy("dying").await, busy("living").await);
    let address = world.entrypoint("a", &[&dying, &living]).await;
    let over = Arc::new(AtomicBool::new(false));
    let mut clients = JoinSet::new();
    for _ in 0..4 {
        let over = Arc::clone(&over);
        clients.spawn(async move {
            let (mut wire, mut asked) = (Wire::open(address).await, 0_u64);
            while !over.load(Ordering::SeqCst) || asked < 20 {
                wire.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
                let head = String::from_utf8(wire.until(b"\r\n\r\n").await).unwrap();
                assert!(head.starts_with("HTTP/1.1 200"), "a GET is asked again elsewhere: {head}");
                let length = head.to_ascii_lowercase().split("content-length: ").nth(1).unwrap().to_owned();
                let length = length.lines().next().unwrap().parse().unwrap();
                wire.exactly(length).await;
                asked += 1;
            }
        });
    }
    until("both serve", async || dying.begun() > 20 && living.begun() > 20).await;
    dying.stop().await;
    let more = living.begun() + 100;
    until("the other one serves on", async || living.begun() > more).await;
    over.store(true, Ordering::SeqCst);
    while let Some(ended) = clients.join_next().await {
        ended.unwrap();
    }
}

/// One that is not well is asked last: its answer is better than none.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_is_not_well_is_avoided_while_another_is_well() {
    let world = World::new().await;
    let (first, second) = (Service::named("first").await, Service::named("second").await);
    let address = world.entrypoint("a", &[&first, &second]).await;
    let answers = async || {
        let mut seen = std::collections::BTreeSet::new();
        for _ in 0..6 {
            seen.insert(get(address, "a", "/").await.text());
        }
        seen.into_iter().collect::<Vec<_>>()
    };
    let avoid = async |backends: &[(&str, u64)]| {
        let spans = backends.iter().map(|(id, seconds)| ((*id).to_owned(), Milliseconds::seconds(*seconds)));
        world.client.avoid(&spans.collect()).await.unwrap()
    };
    assert_eq!(answers().await, ["first", "second"]);
    assert!(avoid(&[("first", 60)]).await);
    assert_eq!(answers().await, ["second"]);
    assert!(world.client.stats().await.unwrap().backends["first"].avoided);
    assert!(avoid(&[("second", 60)]).await);
    assert_eq!(answers().await, ["first", "second"], "none is well: all are asked");
    assert!(avoid(&[("first", 0)]).await);
    assert_eq!(answers().await, ["first"]);
    assert!(!avoid(&[("nobody", 60)]).await);
}
