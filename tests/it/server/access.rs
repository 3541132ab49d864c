//! Who is let in, and from where: THREATS.md T7, T8, T24, T28, T30, T34, T36 and T37.

use super::house::{Answer, House};
use super::raw::{connect, head, rest, send, status};
use reqwest::Method;
use serde_json::json;
use std::os::unix::fs::MetadataExt as _;
use std::time::Duration;
use tokio::io::AsyncWriteExt as _;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t37_nobody_is_let_in_without_the_token_that_only_the_user_can_read() {
    let house = House::open().await;
    let file = house.state().join("token");
    assert_eq!(std::fs::metadata(&file).unwrap().mode() & 0o777, 0o600);
    assert_eq!(std::fs::read_to_string(&file).unwrap().trim(), house.token);

    let path = "/v1/worlds";
    assert_eq!(house.get(path).await.status, 200);
    let without = Answer::of(house.bare(Method::GET, path)).await;
    assert_eq!(without.problem(), (401, "token-missing"));
    assert_eq!(without.header("www-authenticate"), "Bearer");
    for wrong in ["deployd_wrong", "", "x y"] {
        let wrong = Answer::of(house.bare(Method::GET, path).bearer_auth(wrong)).await;
        assert_eq!(wrong.problem(), (401, "bad-token"));
    }
    let basic = Answer::of(house.bare(Method::GET, path).basic_auth("ann", Some(&house.token))).await;
    assert_eq!(basic.problem(), (401, "bad-token"));
    // What is not there is not told to strangers either.
    let unknown = Answer::of(house.bare(Method::GET, "/v1/nothing")).await;
    assert_eq!(unknown.problem(), (401, "token-missing"));
    assert_eq!(house.get("/v1/nothing").await.problem(), (404, "no-such-path"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t37_a_link_signs_a_browser_in_once() {
    let house = House::open().await;
    let made = house.post("/v1/sign-in-links", &json!({})).await;
    assert_eq!(made.status, 201, "{made:#?}");
    let url = made.body["url"].as_str().unwrap();
    let path = url.strip_prefix(&house.address).unwrap();
    assert!(path.starts_with("/?once="));

    let signed_in = Answer::of(house.bare(Method::GET, path)).await;
    assert_eq!(signed_in.status, 303);
    let csrf = signed_in.header("location").strip_prefix("/#csrf=").unwrap().to_owned();
    let cookie = signed_in.header("set-cookie").to_owned();
    for part in ["HttpOnly", "SameSite=Strict", "Path=/", "Max-Age="] {
        assert!(cookie.contains(part), "{cookie}");
    }
    assert!(!cookie.contains(&house.token), "the token itself never reaches a browser");
    assert_eq!(Answer::of(house.bare(Method::GET, path)).await.problem(), (403, "bad-link"), "it is used up");

    let cookie = cookie.split(';').next().unwrap();
    let browser = |method, path: &str| house.bare(method, path).header("cookie", cookie);
    let who = Answer::of(browser(Method::GET, "/v1/server")).await;
    assert_eq!(who.body["principal"], "browser:ann");
    assert_eq!(Answer::of(house.bare(Method::GET, "/v1/server").header("cookie", "deployd-1=x")).await.status, 401);

    // What changes something needs what only our own page has: browsers send cookies to other ports of the host too.
    let stop = "/v1/worlds/sim/stacks/guestbook/stop";
    assert_eq!(Answer::of(browser(Method::POST, stop)).await.problem(), (403, "csrf"));
    let wrong = browser(Method::POST, stop).header("x-deployd-csrf", "1");
    assert_eq!(Answer::of(wrong).await.problem(), (403, "csrf"));
    let ours = browser(Method::POST, stop).header("x-deployd-csrf", &csrf);
    assert_ne!(Answer::of(ours).await.problem().1, "csrf");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t36_pages_of_others_reach_nothing() {
    let house = House::open().await;
    let port = house.address.rsplit(':').next().unwrap();
    let ours = format!("127.0.0.1:{port}");
    let ask = async |line: &str, headers: &[(&str, &str)]| send(&house, head(&house, line, headers).as_bytes()).await;

    assert_eq!(status(&ask("GET /v1/worlds", &[("Host", &ours)]).await), 200);
    // A name that was made to point at the loopback address, with the token and without.
    for host in ["evil.example", &format!("evil.example:{port}"), "127.0.0.1", &format!("127.0.0.1.nip.io:{port}")] {
        let answer = ask("GET /v1/worlds", &[("Host", host)]).await;
        assert_eq!(status(&answer), 403, "{host}: {answer}");
        assert!(answer.contains("/problems/foreign-host"), "{answer}");
        assert_eq!(status(&ask("GET /healthz", &[("Host", host)]).await), 403, "{host}");
    }
    let absolute = format!("GET http://evil.example:{port}/v1/worlds");
    assert_eq!(status(&ask(&absolute, &[("Host", &ours)]).await), 403);
    assert_eq!(status(&ask("GET /v1/worlds", &[]).await), 400);

    // Cross-site requests: forms, scripts, EventSource, images; a service that is deployed here is another origin too.
    for origin in ["https://evil.example", "null", "http://127.0.0.1:1", "http://guestbook.localhost:8080"] {
        for line in
            ["POST /v1/worlds/sim/stacks/guestbook/stop", "GET /v1/events", "GET /v1/worlds", "OPTIONS /v1/worlds"]
        {
            let answer = ask(line, &[("Host", &ours), ("Origin", origin)]).await;
            assert_eq!(status(&answer), 403, "{origin} {line}: {answer}");
            assert!(answer.contains("/problems/foreign-origin"), "{answer}");
            assert!(!answer.to_ascii_lowercase().contains("access-control-allow"), "there is no CORS: {answer}");
        }
    }
    for site in ["cross-site", "same-site"] {
        let answer = ask("GET /v1/events", &[("Host", &ours), ("Sec-Fetch-Site", site)]).await;
        assert_eq!(status(&answer), 403, "{answer}");
    }
    // An upgrade is an ordinary request here.
    let upgrade = [("Host", ours.as_str()), ("Upgrade", "websocket"), ("Origin", "https://evil.example")];
    assert_eq!(status(&ask("GET /v1/events", &upgrade).await), 403);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t36_a_body_says_that_it_is_json() {
    let house = House::open().await;
    let path = "/v1/worlds/sim/runs";
    for kind in
        ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "application/jsonx"]
    {
        let request = house.ask(Method::POST, path).header("content-type", kind).body("{\"folder\":\"/\"}");
        assert_eq!(Answer::of(request).await.problem(), (415, "not-json"), "{kind}");
    }
    let silent = house.ask(Method::POST, path).body("{}");
    assert_eq!(Answer::of(silent).await.problem(), (415, "not-json"));
    let pressed = house.ask(Method::POST, path).header("content-encoding", "gzip").json(&json!({}));
    assert_eq!(Answer::of(pressed).await.problem(), (415, "content-encoding"));
    let with_charset =
        house.ask(Method::POST, path).header("content-type", "application/json; charset=utf-8").body("{}");
    assert_eq!(Answer::of(with_charset).await.problem(), (422, "bad-body"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t7_large_and_endless_bodies_are_cut_before_and_after_the_token() {
    let house = House::open_with(|settings| settings.limits.body_within = Duration::from_millis(300)).await;
    let host = house.address.strip_prefix("http://").unwrap().to_owned();
    let json = ("Content-Type", "application/json");
    let line = "POST /v1/check";
    let large = ["Content-Length", "99999999999"];
    let told = head(&house, line, &[("Host", &host), json, (large[0], large[1])]);
    assert_eq!(status(&send(&house, told.as_bytes()).await), 413, "what says that it is too large is not read");

    // Without a token nothing of the body is read.
    let stranger =
        format!("{line} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\nContent-Length: 99999999999\r\n\r\n");
    assert_eq!(status(&send(&house, stranger.as_bytes()).await), 401);

    let chunked = head(&house, line, &[("Host", &host), json, ("Transfer-Encoding", "chunked")]);
    let mut stream = connect(&house).await;
    stream.write_all(chunked.as_bytes()).await.unwrap();
    let chunk = format!("10000\r\n{}\r\n", " ".repeat(0x10000));
    for _ in 0..64 {
        if stream.write_all(chunk.as_bytes()).await.is_err() {
            break;
        }
    }
    assert_eq!(status(&rest(stream).await), 413);

    let slow = head(&house, line, &[("Host", &host), json, ("Content-Length", "100")]) + "{";
    assert_eq!(status(&send(&house, slow.as_bytes()).await), 408);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t30_heads_are_small_and_come_in_time() {
    let house = House::open_with(|settings| {
        settings.limits.head_within = Duration::from_millis(300);
        settings.limits.connections_max = 4;
    })
    .await;
    let host = house.address.strip_prefix("http://").unwrap().to_owned();
    let bomb = head(&house, "GET /v1/worlds", &[("Host", &host), ("X-Bomb", &"x".repeat(64 * 1024))]);
    assert_eq!(status(&send(&house, bomb.as_bytes()).await), 431);

    // More idle and half-sent connections than there is room for: they go, and the next one is served.
    let mut idle = Vec::new();
    for _ in 0..8 {
        let mut stream = connect(&house).await;
        let _ = stream.write_all(b"GET /v1/worlds HTTP/1.1\r\nHost: ").await;
        idle.push(stream);
    }
    assert_eq!(house.get("/healthz").await.status, 200);
    for stream in idle {
        assert!(!rest(stream).await.starts_with("HTTP/1.1 200"));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t30_more_at_once_than_there_is_room_for_is_refused() {
    let house = House::open_with(|settings| settings.limits.streams_max = 2).await;
    let open = async || house.ask(Method::GET, "/v1/events").send().await.unwrap();
    let (first, _second) = (open().await, open().await);
    let refused = Answer::of(house.ask(Method::GET, "/v1/events")).await;
    assert_eq!(refused.problem(), (503, "busy"));
    assert_eq!(refused.header("retry-after"), "1");
    drop(first);
    // The place is free again as soon as the server has seen that nobody listens.
    let begun = std::time::Instant::now();
    while open().await.status() != 200 {
        assert!(begun.elapsed() < super::house::WITHIN);
        tokio::task::yield_now().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t34_what_is_open_to_everybody_tells_nothing() {
    let house = House::open().await;
    for path in ["/healthz", "/readyz", "/"] {
        let answer = Answer::of(house.bare(Method::GET, path)).await;
        assert_eq!(answer.status, 200, "{answer:#?}");
        let told = format!("{:?} {:?}", answer.headers, answer.body);
        for secret in [env!("CARGO_PKG_VERSION"), "tested", "sim", "ann", "hyper", "axum"] {
            assert!(!told.contains(secret), "{path} tells {secret}: {told}");
        }
    }
    let health = Answer::of(house.bare(Method::GET, "/healthz")).await;
    assert_eq!(health.body, json!({ "status": "ok" }));
    let root = Answer::of(house.bare(Method::GET, "/")).await;
    assert!(root.body.as_str().unwrap().contains("deployd status"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_answer_is_guarded_in_browsers() {
    let house = House::open().await;
    for path in ["/", "/v1/worlds", "/v1/nothing", "/v1/worlds/no_such", "/healthz"] {
        let answer = house.get(path).await;
        assert_eq!(answer.header("x-content-type-options"), "nosniff", "{path}");
        assert_eq!(answer.header("x-frame-options"), "DENY");
        assert!(answer.header("content-security-policy").starts_with("default-src 'none'"));
        assert_eq!(answer.header("referrer-policy"), "no-referrer");
        assert_eq!(answer.header("cache-control"), "no-store");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn methods_that_a_path_does_not_know_are_problems() {
    let house = House::open().await;
    let answer = Answer::of(house.ask(Method::PATCH, "/v1/worlds")).await;
    assert_eq!(answer.problem(), (405, "no-such-method"));
    assert!(answer.header("allow").contains("GET"));
}
