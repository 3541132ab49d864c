//! What passes through: bodies of any size in both directions, piece by piece, and connections of any bytes.

use super::harness::{Body, Service, Wire, World, get, get_with, route, soon, text, until};
use deployd::proxy::{Listen, Protocol};
use futures::StreamExt;
use http_body_util::{BodyExt, StreamBody};
use hyper::body::{Bytes, Frame, Incoming};
use hyper::{Request, Response};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::mpsc;

/// A body of pieces that a test sends when it likes.
fn pieces() -> (mpsc::UnboundedSender<&'static str>, Body) {
    let (send, receive) = mpsc::unbounded_channel();
    let stream = futures::stream::unfold(receive, |mut receive: mpsc::UnboundedReceiver<&'static str>| async move {
        let piece = receive.recv().await?;
        Some((Ok(Frame::data(Bytes::from_static(piece.as_bytes()))), receive))
    });
    (send, BodyExt::boxed(StreamBody::new(stream)))
}

fn megabytes(count: usize) -> Vec<u8> {
    (0..count << 20).map(|at| (at % 251) as u8).collect()
}

#[tokio::test]
async fn server_sent_events_arrive_as_they_are_sent() {
    let world = World::new().await;
    let (send, body) = pieces();
    let body = Arc::new(std::sync::Mutex::new(Some(body)));
    let web = Service::answering("web", move |_| {
        let body = body.lock().unwrap().take().unwrap();
        async move { Response::builder().header("content-type", "text/event-stream").body(body).unwrap() }
    })
    .await;
    let address = world.entrypoint("a", &[&web]).await;
    let mut wire = Wire::open(address).await;
    wire.send("GET /events HTTP/1.1\r\nHost: a\r\nAccept: text/event-stream\r\n\r\n").await;
    let head = String::from_utf8(wire.until(b"\r\n\r\n").await).unwrap();
    assert!(head.starts_with("HTTP/1.1 200 OK"), "the head comes before any event: {head}");
    for event in ["data: 1\n\n", "data: 2\n\n"] {
        send.send(event).unwrap();
        wire.until(event.as_bytes()).await;
    }
    let stats = world.client.stats().await.unwrap();
    assert_eq!(stats.backends["web"].requests, 1, "it is in flight until its body ends");
    drop(send);
    wire.until(b"0\r\n\r\n").await;
    until("it has ended", async || world.client.stats().await.unwrap().backends["web"].requests == 0).await;
}

#[tokio::test]
async fn a_client_that_leaves_takes_its_request_along() {
    let world = World::new().await;
    let (_send, body) = pieces();
    let body = Arc::new(std::sync::Mutex::new(Some(body)));
    let web = Service::answering("web", move |_| {
        let body = body.lock().unwrap().take().unwrap();
        async move { Response::new(body) }
    })
    .await;
    let address = world.entrypoint("a", &[&web]).await;
    let mut wire = Wire::open(address).await;
    wire.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    wire.until(b"\r\n\r\n").await;
    assert_eq!(world.client.stats().await.unwrap().backends["web"].requests, 1);
    drop(wire);
    until("it is not in flight", async || world.client.stats().await.unwrap().backends["web"].requests == 0).await;
    until("it is told", async || {
        std::fs::read_to_string(world.file("access.log")).unwrap().contains("the client left before the end")
    })
    .await;
}

#[tokio::test]
async fn ten_megabytes_up_and_down_without_being_gathered() {
    let world = World::new().await;
    let web = Service::answering("web", |request: Request<Incoming>| async move {
        match request.uri().path() {
            "/up" => {
                let body = request.into_body().collect().await.unwrap().to_bytes();
                Response::new(text(format!("{} {}", body.len(), *body == megabytes(10))))
            }
            _ => Response::new(text(megabytes(10))),
        }
    })
    .await;
    let address = world.entrypoint("a", &[&web]).await;
    let before = peak_of(&world).await;
    let sent = megabytes(10);
    let mut wire = Wire::open(address).await;
    wire.send(format!("POST /up HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n\r\n", sent.len())).await;
    wire.send(&sent).await;
    assert_eq!(wire.reply().await.text(), format!("{} true", sent.len()));
    wire.send("POST /up HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n").await;
    for piece in sent.chunks(100_000) {
        wire.send(format!("{:x}\r\n", piece.len())).await;
        wire.send(piece).await;
        wire.send("\r\n").await;
    }
    wire.send("0\r\n\r\n").await;
    assert_eq!(wire.reply().await.text(), format!("{} true", sent.len()));
    assert!(get(address, "a", "/down").await.body == sent);
    let grown = peak_of(&world).await - before;
    println!("after three transfers of 10 MB its peak is {grown} kB higher");
    assert!(grown < 9_000, "a body was gathered: {grown} kB");
}

/// The most memory that the proxy has had so far, in kB.
async fn peak_of(world: &World) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", world.pid().await)).unwrap();
    let peak = status.lines().find(|line| line.starts_with("VmHWM")).unwrap();
    peak.split_ascii_whitespace().nth(1).unwrap().parse().unwrap()
}

#[tokio::test]
async fn an_upload_reaches_the_service_while_it_is_sent() {
    let world = World::new().await;
    let (seen, mut pieces) = mpsc::unbounded_channel();
    let web = Service::answering("web", move |request: Request<Incoming>| {
        let seen = seen.clone();
        async move {
            let mut body = request.into_body().into_data_stream();
            while let Some(Ok(piece)) = body.next().await {
                seen.send(piece).unwrap();
            }
            Response::new(text("done"))
        }
    })
    .await;
    let address = world.entrypoint("a", &[&web]).await;
    let mut wire = Wire::open(address).await;
    wire.send("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n").await;
    for _ in 0..3 {
        wire.send("3\r\nabc\r\n").await;
        assert_eq!(soon(pieces.recv()).await.unwrap(), "abc");
    }
    wire.send("0\r\n\r\n").await;
    assert_eq!(wire.reply().await.text(), "done");
}

#[tokio::test]
async fn continue_trailers_head_and_bodies_of_a_get() {
    let world = World::new().await;
    let web = Service::answering("web", |request: Request<Incoming>| async move {
        if request.method() == "HEAD" {
            return Response::builder().header("content-length", "12345").body(text("")).unwrap();
        }
        let collected = request.into_body().collect().await.unwrap();
        let trailer = collected.trailers().and_then(|t| t.get("x-sum")).map(|v| v.to_str().unwrap().to_owned());
        let told = format!("{} {trailer:?}", String::from_utf8_lossy(&collected.to_bytes()));
        let frames = [
            Ok(Frame::data(Bytes::from(told))),
            Ok(Frame::trailers([("x-end".parse().unwrap(), "7".parse().unwrap())].into_iter().collect())),
        ];
        let body = StreamBody::new(futures::stream::iter(frames));
        Response::builder().header("trailer", "x-end").body(BodyExt::boxed(body)).unwrap()
    })
    .await;
    let address = world.entrypoint("a", &[&web]).await;
    let mut wire = Wire::open(address).await;
    wire.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n").await;
    assert_eq!(wire.until(b"\r\n\r\n").await, b"HTTP/1.1 100 Continue\r\n\r\n");
    wire.send("body").await;
    assert_eq!(wire.reply().await.text(), "body None");
    for method in ["PUT", "GET"] {
        let head = format!(
            "{method} / HTTP/1.1\r\nHost: a\r\nTE: trailers\r\nTrailer: X-Sum\r\nTransfer-Encoding: chunked\r\n\r\n"
        );
        wire.send(format!("{head}4\r\nbody\r\n0\r\nX-Sum: 42\r\n\r\n")).await;
        wire.until(b"body Some(\"42\")\r\n0\r\nx-end: 7\r\n\r\n").await;
    }
    wire.send("HEAD / HTTP/1.1\r\nHost: a\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    let head = String::from_utf8(wire.until(b"\r\n\r\n").await).unwrap();
    assert!(head.contains("content-length: 12345\r\n"), "{head}");
    assert_eq!(wire.reply().await.text(), " None", "the next answer follows at once: a HEAD has no body");
    assert_eq!(get_with(address, "a", "/", "Expect: miracles\r\n").await.status, 417);
}

#[tokio::test]
async fn old_clients_and_services_that_only_close() {
    let world = World::new().await;
    let web = Service::raw("web", |mut stream| async move {
        let mut head = [0; 1024];
        let _ = stream.read(&mut head).await;
        let _ = stream.write_all(b"HTTP/1.0 200 OK\r\nContent-Type: text/plain\r\n\r\nuntil the end").await;
    })
    .await;
    let address = world.entrypoint("a", &[&web]).await;
    assert_eq!(get(address, "a", "/").await.text(), "until the end");
    let mut wire = Wire::open(address).await;
    wire.send("GET / HTTP/1.0\r\nHost: a\r\n\r\n").await;
    let answered = String::from_utf8(wire.rest().await).unwrap();
    assert!(answered.starts_with("HTTP/1.0 200") && answered.ends_with("\r\n\r\nuntil the end"), "{answered}");
}

#[tokio::test]
async fn an_answer_that_breaks_off_is_not_made_whole() {
    let world = World::new().await;
    let web = Service::raw("web", |mut stream| async move {
        let mut head = [0; 1024];
        let _ = stream.read(&mut head).await;
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n").await;
    })
    .await;
    let address = world.entrypoint("a", &[&web]).await;
    let mut wire = Wire::open(address).await;
    wire.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    let answered = String::from_utf8(wire.rest().await).unwrap();
    assert!(answered.starts_with("HTTP/1.1 200") && !answered.contains("\r\n0\r\n"), "{answered}");
}

/// A service that agrees to a websocket and sends back every byte.
async fn websocket() -> Service {
    Service::raw("web", |mut stream| async move {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            if stream.read_buf(&mut head).await.unwrap_or(0) == 0 {
                return;
            }
        }
        let head = String::from_utf8(head).unwrap().to_ascii_lowercase();
        assert!(head.contains("upgrade: websocket") && head.contains("connection: upgrade") && head.contains("sec-websocket-key: k"));
        let agreed = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: s\r\n\r\n";
        let _ = stream.write_all(agreed.as_bytes()).await;
        let (mut read, mut write) = stream.split();
        let _ = tokio::io::copy(&mut read, &mut write).await;
    })
    .await
}

const ASK_WEBSOCKET: &str = "GET /live HTTP/1.1\r\nHost: a\r\nConnection: keep-alive, Upgrade\r\nUpgrade: WebSocket\r\n\
                             Sec-WebSocket-Key: k\r\nSec-WebSocket-Version: 13\r\n\r\n";

#[tokio::test]
async fn a_websocket_echoes_and_outlives_its_route() {
    let world = World::new().await;
    let web = websocket().await;
    let address = world.entrypoint("a", &[&web]).await;
    let mut wire = Wire::open(address).await;
    wire.send(ASK_WEBSOCKET).await;
    let head = String::from_utf8(wire.until(b"\r\n\r\n").await).unwrap();
    assert!(head.starts_with("HTTP/1.1 101 ") && head.contains("sec-websocket-accept: s"), "{head}");
    let frame = b"\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58\nGET / HTTP/1.1\nContent-Length: 1\r\n\r\n";
    wire.send(frame).await;
    assert_eq!(wire.exactly(frame.len()).await, frame, "bytes are bytes, whatever they look like");
    let stats = world.client.stats().await.unwrap();
    assert_eq!((stats.backends["web"].requests, stats.backends["web"].connections, stats.connections), (0, 1, 1));
    let other = Service::named("other").await;
    world.put(&route("a", Listen::host("a"), &[&other])).await;
    assert_eq!(get(address, "a", "/").await.text(), "other");
    wire.send("still here").await;
    assert_eq!(wire.exactly(10).await, b"still here");
    assert!(!world.client.stats().await.unwrap().drained("web"));
    drop(wire);
    assert!(world.client.wait_drained("web", deployd::model::Milliseconds::seconds(30)).await.unwrap());
    until("its seat is free", async || world.client.stats().await.unwrap().connections == 0).await;
}

#[tokio::test]
async fn bytes_that_are_sent_with_the_request_for_a_websocket_are_not_lost() {
    let world = World::new().await;
    let web = websocket().await;
    let address = world.entrypoint("a", &[&web]).await;
    let mut wire = Wire::open(address).await;
    wire.send(format!("{ASK_WEBSOCKET}early")).await;
    wire.until(b"\r\n\r\n").await;
    assert_eq!(wire.exactly(5).await, b"early");
}

#[tokio::test]
async fn a_service_may_decline_a_websocket() {
    let world = World::new().await;
    let web = Service::answering("web", |_| async {
        Response::builder().status(426).header("upgrade", "websocket").body(text("no")).unwrap()
    })
    .await;
    let address = world.entrypoint("a", &[&web]).await;
    let mut wire = Wire::open(address).await;
    wire.send(ASK_WEBSOCKET).await;
    let reply = wire.reply().await;
    assert_eq!((reply.status, reply.text().as_str()), (426, "no"));
    wire.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    assert_eq!(wire.reply().await.status, 426, "the connection is as before");
    assert_eq!(web.state.connections.load(Ordering::SeqCst), 1, "so is the one to the service");
}

#[tokio::test]
async fn tcp_is_carried_with_its_half_closes() {
    let world = World::new().await;
    let web = Service::raw("db", |mut stream| async move {
        let mut asked = Vec::new();
        stream.read_to_end(&mut asked).await.unwrap();
        stream.write_all(format!("{} bytes", asked.len()).as_bytes()).await.unwrap();
    })
    .await;
    let address = world.stable("db", Protocol::Tcp, &[&web]).await;
    let mut wire = Wire::open(address).await;
    wire.send(megabytes(2)).await;
    until("it is in flight", async || world.client.stats().await.unwrap().backends["db"].connections == 1).await;
    wire.stream.shutdown().await.unwrap();
    assert_eq!(wire.rest().await, format!("{} bytes", 2 << 20).as_bytes());
    until("it is not in flight", async || world.client.stats().await.unwrap().backends["db"].connections == 0).await;
}
