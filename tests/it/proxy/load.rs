//! What the proxy costs, measured against a direct connection in the same run, interleaved. Nothing is asserted about
//! time: the numbers are printed (`--nocapture`), and say most about a release build.

use super::harness::{Service, Wire, World};
use std::net::SocketAddr;
use std::time::{Duration, Instant};
use tokio::task::JoinSet;

/// Pairs of a direct and a proxied run.
const PAIRS: usize = 5;
const REQUESTS_ONE_BY_ONE: usize = 300;
const CONNECTIONS: usize = 16;
const REQUESTS_EACH: usize = 100;

const REQUEST: &str = "GET /some/path HTTP/1.1\r\nHost: a\r\nUser-Agent: measure\r\nAccept: */*\r\n\r\n";

/// How long each of a row of requests over one connection takes.
async fn one_by_one(address: SocketAddr) -> Vec<Duration> {
    let mut wire = Wire::open(address).await;
    let mut took = Vec::with_capacity(REQUESTS_ONE_BY_ONE);
    for _ in 0..REQUESTS_ONE_BY_ONE {
        let begun = Instant::now();
        wire.send(REQUEST).await;
        assert_eq!(wire.reply().await.status, 200);
        took.push(begun.elapsed());
    }
    took
}

/// Requests a second over several connections at once.
async fn at_once(address: SocketAddr) -> f64 {
    let begun = Instant::now();
    let mut clients = JoinSet::new();
    for _ in 0..CONNECTIONS {
        clients.spawn(async move {
            let mut wire = Wire::open(address).await;
            for _ in 0..REQUESTS_EACH {
                wire.send(REQUEST).await;
                assert_eq!(wire.reply().await.status, 200);
            }
        });
    }
    while let Some(ended) = clients.join_next().await {
        ended.unwrap();
    }
    (CONNECTIONS * REQUESTS_EACH) as f64 / begun.elapsed().as_secs_f64()
}

fn percentile(took: &mut [Duration], hundredths: usize) -> Duration {
    took.sort_unstable();
    took[(took.len() * hundredths / 100).min(took.len() - 1)]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_it_adds_is_reported() {
    let world = World::new().await;
    let web = Service::named("web").await;
    let proxied = world.entrypoint("a", &[&web]).await;
    let (mut direct_took, mut proxied_took) = (Vec::new(), Vec::new());
    let (mut direct_rate, mut proxied_rate) = (Vec::new(), Vec::new());
    for _ in 0..PAIRS {
        direct_took.extend(one_by_one(web.address).await);
        proxied_took.extend(one_by_one(proxied).await);
        direct_rate.push(at_once(web.address).await);
        proxied_rate.push(at_once(proxied).await);
    }
    let asked = PAIRS * (REQUESTS_ONE_BY_ONE + CONNECTIONS * REQUESTS_EACH);
    assert_eq!(web.begun(), 2 * asked as u64);
    assert_eq!(world.client.stats().await.unwrap().backends["web"].total, asked as u64);
    for (what, took, rate) in
        [("direct", &mut direct_took, &mut direct_rate), ("proxied", &mut proxied_took, &mut proxied_rate)]
    {
        rate.sort_unstable_by(f64::total_cmp);
        let (half, most) = (percentile(took, 50), percentile(took, 99));
        println!(
            "{what}: p50 {half:?}, p99 {most:?}; {:.0} requests/s over {CONNECTIONS} connections",
            rate[PAIRS / 2]
        );
    }
    let status = std::fs::read_to_string(format!("/proc/{}/status", world.pid().await)).unwrap();
    status
        .lines()
        .filter(|line| line.starts_with("VmRSS") || line.starts_with("VmHWM"))
        .for_each(|line| println!("{line}"));
}
