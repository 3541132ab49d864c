//! THREATS T30, T36 and T40: what is refused, cut off and stripped.

use super::harness::{Service, Wire, World, get, get_with, route, soon, text, until};
use deployd::model::{Bytes as Size, Milliseconds};
use deployd::proxy::{Limits, Listen, Protocol};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::{Request, Response, StatusCode};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// A service that counts the requests whose bodies arrived whole.
async fn counting() -> (Service, Arc<AtomicU64>) {
    let whole = Arc::new(AtomicU64::new(0));
    let counted = Arc::clone(&whole);
    let service = Service::answering("web", move |request: Request<Incoming>| {
        let counted = Arc::clone(&counted);
        async move {
            if request.into_body().collect().await.is_ok() {
                counted.fetch_add(1, Ordering::SeqCst);
            }
            Response::new(text("answered"))
        }
    })
    .await;
    (service, whole)
}

#[tokio::test]
async fn t40_requests_that_can_be_read_in_two_ways_are_refused_and_end_the_connection() {
    let world = World::new().await;
    let (web, whole) = counting().await;
    let address = world.entrypoint("a", &[&web]).await;
    let smuggled = "GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n";
    for (what, head, rest) in [
        (
            "both lengths",
            "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n",
            "0\r\n\r\n",
        ),
        (
            "both lengths, turned",
            "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nContent-Length: 6\r\n\r\n",
            "0\r\n\r\n",
        ),
        ("two lengths", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", "ab"),
        ("a list of lengths", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1, 1\r\n\r\n", "a"),
        ("a signed length", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: +1\r\n\r\n", "a"),
        ("a negative length", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n", ""),
        ("a huge length", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999999999999999\r\n\r\n", ""),
        ("another encoding", "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: identity\r\n\r\n", "0\r\n\r\n"),
        ("chunked not last", "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked, identity\r\n\r\n", "0\r\n\r\n"),
        ("almost chunked", "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: xchunked\r\n\r\n", "0\r\n\r\n"),
        ("a control character", "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: \x0bchunked\r\n\r\n", "0\r\n\r\n"),
        ("chunks in HTTP/1.0", "POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n", "0\r\n\r\n"),
        ("a folded line", "GET / HTTP/1.1\r\nHost: a\r\nX: y\r\n z\r\n\r\n", ""),
        ("a folded first line", "GET / HTTP/1.1\r\n X: y\r\nHost: a\r\n\r\n", ""),
        ("a space before the colon", "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding : chunked\r\n\r\n", "0\r\n\r\n"),
        ("no colon", "GET / HTTP/1.1\r\nHost: a\r\nX\r\n\r\n", ""),
        ("a zero in a value", "GET / HTTP/1.1\r\nHost: a\r\nX: \0\r\n\r\n", ""),
        ("bare line ends", "GET / HTTP/1.1\nHost: a\n\n", ""),
        ("one bare line end", "GET / HTTP/1.1\r\nHost: a\nX: y\r\n\r\n", ""),
        ("two hosts", "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", ""),
        ("no host", "GET / HTTP/1.1\r\nX: y\r\n\r\n", ""),
        ("two different hosts", "GET http://b/ HTTP/1.1\r\nHost: a\r\n\r\n", ""),
        ("two spaces", "GET  / HTTP/1.1\r\nHost: a\r\n\r\n", ""),
        ("no such version", "GET / HTTP/2.0\r\nHost: a\r\n\r\n", ""),
    ] {
        let mut wire = Wire::open(address).await;
        wire.send(format!("{head}{rest}{smuggled}")).await;
        let answered = String::from_utf8(wire.rest().await).unwrap();
        let (first, more) = answered.split_once("\r\n").unwrap_or((&answered, ""));
        assert!(first.is_empty() || first.contains(" 400 ") || first.contains(" 501 "), "{what}: {answered}");
        assert!(!more.contains("HTTP/1.1"), "{what}: it answered what was smuggled: {answered}");
    }
    assert_eq!((web.begun(), whole.load(Ordering::SeqCst)), (0, 0), "none of it reached the service");
    assert_eq!(get(address, "a", "/").await.status, 200);
}

#[tokio::test]
async fn t40_broken_chunks_never_become_a_whole_body() {
    let world = World::new().await;
    let (web, whole) = counting().await;
    let address = world.entrypoint("a", &[&web]).await;
    let head = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
    for chunks in [
        "zz\r\nab\r\n0\r\n\r\n",
        "-1\r\nab\r\n0\r\n\r\n",
        "0x2\r\nab\r\n0\r\n\r\n",
        "FFFFFFFFFFFFFFFFF\r\nab\r\n0\r\n\r\n",
        "2\nab\r\n0\r\n\r\n",
        "2;x\ny\r\nab\r\n0\r\n\r\n",
        "2\r\nabc\r\n0\r\n\r\n",
        "3\r\nab\r\n0\r\n\r\n",
        "\r\n0\r\n\r\n",
    ] {
        let mut wire = Wire::open(address).await;
        wire.send(format!("{head}{chunks}GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n")).await;
        let answered = String::from_utf8(wire.rest().await).unwrap();
        assert!(answered.is_empty() || answered.starts_with("HTTP/1.1 400 "), "{chunks:?}: {answered}");
        assert_eq!(
            answered.matches("HTTP/1.1").count().min(1),
            answered.matches("HTTP/1.1").count(),
            "{chunks:?}: {answered}"
        );
    }
    assert_eq!(whole.load(Ordering::SeqCst), 0);
    let mut wire = Wire::open(address).await;
    wire.send(format!("{head}2;a=b\r\nab\r\n0\r\n\r\n")).await;
    assert_eq!(wire.reply().await.status, 200);
    assert_eq!(whole.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn t40_what_is_of_one_hop_ends_here_and_we_say_where_a_request_comes_from() {
    let world = World::new().await;
    let web = Service::mirror("web").await;
    let address = world.entrypoint("a", &[&web]).await;
    let headers = "Connection: close, X-Hop, X-Forwarded-For\r\nX-Hop: 1\r\nKeep-Alive: 5\r\nProxy-Authorization: x\r\n\
                   Proxy-Connection: close\r\nTE: gzip\r\nX_Forwarded_For: 10.0.0.1\r\nCookie: kept\r\n";
    let told = get_with(address, "a:81", "/", headers).await.text();
    let mut lines: Vec<&str> = told.lines().skip(1).collect();
    lines.sort_unstable();
    assert_eq!(
        lines,
        [
            "cookie: kept",
            "forwarded: for=127.0.0.1;host=\"a:81\";proto=http",
            "host: a:81",
            "x-forwarded-for: 127.0.0.1",
            "x-forwarded-host: a:81",
            "x-forwarded-proto: http",
        ]
    );
}

#[tokio::test]
async fn t40_headers_of_an_answer_that_are_of_one_hop_end_here_too() {
    let world = World::new().await;
    let web = Service::raw("web", |mut stream| async move {
        use tokio::io::{AsyncReadExt, AsyncWriteExt};
        let mut head = [0; 1024];
        let _ = stream.read(&mut head).await;
        let answer = "HTTP/1.1 200 OK\r\nConnection: close, X-Hop\r\nX-Hop: 1\r\nKeep-Alive: 5\r\nX-Kept: 1\r\nContent-Length: 2\r\n\r\nok";
        let _ = stream.write_all(answer.as_bytes()).await;
    })
    .await;
    let address = world.entrypoint("a", &[&web]).await;
    let mut wire = Wire::open(address).await;
    for _ in 0..2 {
        wire.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
        let reply = wire.reply().await;
        assert_eq!((reply.text().as_str(), reply.header("x-kept")), ("ok", Some("1")));
        assert_eq!((reply.header("x-hop"), reply.header("keep-alive"), reply.header("connection")), (None, None, None));
    }
}

#[tokio::test]
async fn t40_only_websockets_upgrade_and_only_if_both_sides_agree() {
    let world = World::new().await;
    let mirror = Service::mirror("mirror").await;
    let address = world.entrypoint("a", &[&mirror]).await;
    for upgrade in ["h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__", "websocket, h2c", "tls/1.0"] {
        let asks = format!("Connection: Upgrade, HTTP2-Settings\r\nUpgrade: {upgrade}\r\n");
        let told = get_with(address, "a", "/", &asks).await.text();
        assert!(!told.contains("upgrade") && !told.contains("http2"), "{told}");
    }
    let unasked = Service::raw("unasked", |mut stream| async move {
        use tokio::io::{AsyncReadExt, AsyncWriteExt};
        let _ = stream.read(&mut [0; 1024]).await;
        let _ = stream
            .write_all(b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n")
            .await;
        std::future::pending::<()>().await;
    })
    .await;
    world.put(&route("a", Listen::host("a"), &[&unasked])).await;
    assert_eq!(get(address, "a", "/").await.status, 502);
    let mut wire = Wire::open(address).await;
    wire.send("CONNECT a:80 HTTP/1.1\r\nHost: a:80\r\n\r\n").await;
    assert!(String::from_utf8(wire.rest().await).unwrap().starts_with("HTTP/1.1 405 "));
}

#[tokio::test]
async fn t30_large_heads_are_refused() {
    let world = World::new().await;
    let (web, _) = counting().await;
    let address = world.entrypoint("a", &[&web]).await;
    let under = format!("X: {}\r\n", "x".repeat(15 * 1024));
    assert_eq!(get_with(address, "a", "/", &under).await.status, 200);
    let over = format!("X: {}\r\n", "x".repeat(17 * 1024));
    let mut wire = Wire::open(address).await;
    wire.send(format!("GET / HTTP/1.1\r\nHost: a\r\n{over}\r\n")).await;
    assert!(String::from_utf8(wire.rest().await).unwrap().starts_with("HTTP/1.1 431 "));
    let many: String = (0..200).map(|number| format!("X{number}: y\r\n")).collect();
    assert_eq!(get_with(address, "a", "/", &many).await.status, 431);
    let mut endless = Wire::open(address).await;
    endless.send(format!("GET /{} ", "x".repeat(20 * 1024))).await;
    let answered = String::from_utf8(endless.rest().await).unwrap();
    assert!(answered.is_empty() || answered.starts_with("HTTP/1.1 4"), "{answered}");
    assert_eq!(web.begun(), 1);
}

#[tokio::test]
async fn t30_bodies_have_a_limit_whatever_they_say() {
    let world = World::new().await;
    let (web, whole) = counting().await;
    let mut small = route("a", Listen::host("a"), &[&web]);
    small.body_limit = Size(1000);
    let address = world.put(&small).await.address;
    let mut wire = Wire::open(address).await;
    wire.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1001\r\nExpect: 100-continue\r\n\r\n").await;
    assert_eq!(wire.reply().await.status, 413, "no 100 comes first: the body is not asked for");
    assert_eq!(web.begun(), 0);
    let mut wire = Wire::open(address).await;
    wire.send("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n").await;
    for _ in 0..11 {
        wire.send(format!("64\r\n{}\r\n", "x".repeat(100))).await;
    }
    assert_eq!(wire.reply().await.status, 413);
    assert_eq!(whole.load(Ordering::SeqCst), 0, "the service never took it for whole");
    let mut wire = Wire::open(address).await;
    wire.send(format!("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\n{}", "x".repeat(1000))).await;
    assert_eq!(wire.reply().await.status, 200);
}

#[tokio::test]
async fn t30_slow_heads_and_bodies_are_cut() {
    let short = Limits { header_read: Milliseconds(300), body_read: Milliseconds(300), ..Limits::default() };
    let world = World::limited(short).await;
    let (web, whole) = counting().await;
    let address = world.entrypoint("a", &[&web]).await;
    let mut silent = Wire::open(address).await;
    let mut dripping = Wire::open(address).await;
    silent.send("GET / HTTP/1.1\r\nHo").await;
    let drip = async {
        // One byte at a time never ends the head, and never lets a timer between bytes run out.
        loop {
            let closed = tokio::time::timeout(Duration::from_millis(20), dripping.stream.readable()).await.is_ok();
            if closed || tokio::io::AsyncWriteExt::write_all(&mut dripping.stream, b"x").await.is_err() {
                return;
            }
        }
    };
    soon(drip).await;
    assert_eq!(silent.rest().await, b"");
    assert_eq!(web.begun(), 0);
    let mut stalled = Wire::open(address).await;
    stalled.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nabc").await;
    assert!(String::from_utf8(stalled.rest().await).unwrap().starts_with("HTTP/1.1 408 "));
    assert_eq!(whole.load(Ordering::SeqCst), 0);
    until("nothing is in flight", async || world.client.stats().await.unwrap().backends["web"].requests == 0).await;
}

#[tokio::test]
async fn t30_connections_are_counted_and_capped() {
    let world = World::limited(Limits { connections: 2, ..Limits::default() }).await;
    let web = Service::named("web").await;
    let address = world.entrypoint("a", &[&web]).await;
    let ask = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
    let (mut one, mut two) = (Wire::open(address).await, Wire::open(address).await);
    for wire in [&mut one, &mut two] {
        wire.send(ask).await;
        assert_eq!(wire.reply().await.status, 200);
    }
    assert_eq!(world.client.stats().await.unwrap().connections, 2);
    let mut three = Wire::open(address).await;
    three.send(ask).await;
    let answered = tokio::time::timeout(Duration::from_millis(200), three.reply()).await;
    assert!(answered.is_err(), "there is no seat for a third");
    drop(one);
    assert_eq!(soon(three.reply()).await.status, 200);
}

#[tokio::test]
async fn a_service_that_does_not_answer_does_not_hold_a_client_for_ever() {
    let world = World::new().await;
    let mute = Service::raw("mute", |stream| async move {
        let _held = stream;
        std::future::pending::<()>().await;
    })
    .await;
    let mut slow = route("a", Listen::host("a"), &[&mute]);
    slow.timeout = Milliseconds(200);
    let address = world.put(&slow).await.address;
    let late = get(address, "a", "/").await;
    assert_eq!(late.status, StatusCode::GATEWAY_TIMEOUT.as_u16());
    let mut quiet = route("tcp", Listen::stable(Protocol::Tcp), &[&mute]);
    quiet.idle = Milliseconds(200);
    let address = world.put(&quiet).await.address;
    assert_eq!(Wire::open(address).await.rest().await, b"", "nothing moved on it");
    until("nothing is in flight", async || {
        let stats = world.client.stats().await.unwrap();
        stats.backends["mute"].requests + stats.backends["mute"].connections == 0
    })
    .await;
}

#[tokio::test]
async fn what_may_have_been_read_is_not_sent_twice() {
    let world = World::new().await;
    let seen = Arc::new(AtomicU64::new(0));
    let counted = Arc::clone(&seen);
    let rude = Service::raw("rude", move |mut stream| {
        let counted = Arc::clone(&counted);
        async move {
            use tokio::io::AsyncReadExt;
            let mut head = [0; 4096];
            if stream.read(&mut head).await.unwrap_or(0) > 0 {
                counted.fetch_add(1, Ordering::SeqCst);
            }
        }
    })
    .await;
    let good = Service::named("good").await;
    let address = world.entrypoint("a", &[&rude]).await;
    let mut wire = Wire::open(address).await;
    wire.send("POST /pay HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n10").await;
    assert_eq!(wire.reply().await.status, 502);
    assert_eq!(seen.load(Ordering::SeqCst), 1, "once, and no more");
    world.put(&route("a", Listen::host("a"), &[&rude, &good])).await;
    for _ in 0..4 {
        assert_eq!(get(address, "a", "/").await.text(), "good", "a GET may be asked again, elsewhere");
    }
    assert!(seen.load(Ordering::SeqCst) > 1);
}
