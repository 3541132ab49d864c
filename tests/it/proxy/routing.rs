//! Which route a request takes, and what is answered where there is none.

use super::harness::{Service, Wire, World, get, get_with, route, soon};
use deployd::proxy::{Backend, Failure, Listen, Protocol, Refusal};
use std::net::{IpAddr, Ipv6Addr, SocketAddr};

fn at(host: &str, path: &str) -> Listen {
    Listen::Host { host: host.to_owned(), path: path.to_owned() }
}

#[tokio::test]
async fn by_host_then_by_the_longest_path() {
    let world = World::new().await;
    let (web, api, other) = (Service::named("web").await, Service::mirror("api").await, Service::named("other").await);
    let address = world.entrypoint("shop.localhost", &[&web]).await;
    world.put(&route("api", at("shop.localhost", "/api"), &[&api])).await;
    world.put(&route("other", at("other.localhost", "/"), &[&other])).await;
    assert_eq!(get(address, "shop.localhost", "/").await.text(), "web");
    assert_eq!(get(address, "SHOP.localhost:9999", "/apis").await.text(), "web");
    assert_eq!(get(address, "shop.localhost.", "/x/api").await.text(), "web");
    assert_eq!(get(address, "other.localhost", "/api").await.text(), "other");
    let mirrored = get(address, "shop.localhost", "/api/x?y=%20z").await.text();
    assert!(mirrored.starts_with("GET /api/x?y=%20z\n"), "nothing is stripped: {mirrored}");
    assert!(get(address, "shop.localhost", "/api").await.text().starts_with("GET /api\n"));
    let over_v6 = SocketAddr::new(IpAddr::V6(Ipv6Addr::LOCALHOST), address.port());
    assert_eq!(get(over_v6, "shop.localhost", "/").await.text(), "web");
}

/// A service that speaks no HTTP is there, and is not well: 502 and not 503. One that does takes its requests.
#[tokio::test]
async fn what_is_no_answer_is_told_as_that() {
    let world = World::new().await;
    let garbage = Service::raw("garbage", |mut stream| async move {
        use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
        let mut request = [0; 16];
        let _ = stream.read(&mut request).await;
        let _ = stream.write_all(b"\0\x01 no HTTP at all\r\n\r\n").await;
    })
    .await;
    let address = world.entrypoint("shop.localhost", &[&garbage]).await;
    assert_eq!(get(address, "shop.localhost", "/").await.status, 502);
    let web = Service::named("web").await;
    world.entrypoint("shop.localhost", &[&garbage, &web]).await;
    for _ in 0..4 {
        assert_eq!(get(address, "shop.localhost", "/").await.text(), "web");
    }
}

#[tokio::test]
async fn nobody_there_is_said_plainly() {
    let world = World::new().await;
    let web = Service::named("web").await;
    let address = world.entrypoint("shop.localhost", &[&web]).await;
    world.put(&route("empty", at("empty.localhost", "/"), &[])).await;
    world.put(&route("deep", at("deep.localhost", "/deep"), &[&web])).await;
    let unknown = get(address, "localhost", "/").await;
    assert_eq!(unknown.status, 404);
    assert!(unknown.text().contains(&format!("http://shop.localhost:{}/", address.port())), "{}", unknown.text());
    let stranger = get(address, "evil.example.com", "/").await;
    assert_eq!(stranger.status, 404);
    assert!(!stranger.text().contains("shop"), "a name from elsewhere learns nothing: {}", stranger.text());
    assert_eq!(get(address, "deep.localhost", "/other").await.status, 404);
    let empty = get(address, "empty.localhost", "/").await;
    assert_eq!((empty.status, empty.header("retry-after")), (503, Some("1")));
    let dead = world.put(&route("dead", at("dead.localhost", "/"), &[])).await;
    assert!(dead.changed);
    let gone = Service::named("gone").await;
    world.put(&route("dead", at("dead.localhost", "/"), &[&gone])).await;
    gone.stop().await;
    let nobody = get(address, "dead.localhost", "/").await;
    assert_eq!((nobody.status, nobody.header("retry-after")), (503, Some("1")));
}

#[tokio::test]
async fn a_path_that_can_be_read_in_two_ways_does_not_go_around_a_gate() {
    let world = World::new().await;
    let (web, admin) = (Service::mirror("web").await, Service::named("admin").await);
    let address = world.entrypoint("shop.localhost", &[&web]).await;
    let mut gated = route("admin", at("shop.localhost", "/admin"), &[&admin]);
    gated.gates = vec!["10.0.0.0/8".parse().unwrap()];
    world.put(&gated).await;
    assert_eq!(get(address, "shop.localhost", "/admin").await.status, 403);
    for path in ["/x/../admin", "/%61dmin", "//admin", "/x/%2e%2e/admin", "/x/..;/admin"] {
        assert_eq!(get(address, "shop.localhost", path).await.status, 400, "{path}");
    }
    assert_eq!(get(address, "shop.localhost", "/caf%C3%A9/x%2Fy").await.status, 200);
    assert_eq!((web.begun(), admin.begun()), (1, 0));
}

#[tokio::test]
async fn each_service_has_a_stable_address_of_its_own() {
    let world = World::new().await;
    let (a, b, echo) = (Service::named("a").await, Service::named("b").await, Service::echo("echo").await);
    let address = world.stable("laptop/shop/http", Protocol::Http, &[&a]).await;
    assert!(deployd::proxy::ports_of_services().contains(&address.port()), "{address}");
    let second = world.stable("laptop/shop/grpc", Protocol::Http, &[&a]).await;
    assert_ne!(address, second);
    for host in ["localhost", "127.0.0.1", "[::1]", "shop.localhost", "127.0.0.1:1"] {
        assert_eq!(get(address, host, "/").await.text(), "a", "{host}");
    }
    assert_eq!(
        world.stable("laptop/shop/http", Protocol::Http, &[&b]).await,
        address,
        "another backend, the same address"
    );
    assert_eq!(get(address, "localhost", "/").await.text(), "b");
    let tcp = world.stable("laptop/shop/mqtt", Protocol::Tcp, &[&echo]).await;
    let mut wire = Wire::open(tcp).await;
    wire.send("anything\0\n").await;
    assert_eq!(wire.exactly(10).await, b"anything\0\n");
    assert!(world.client.remove("laptop/shop/http").await.unwrap());
    assert!(!world.client.remove("laptop/shop/http").await.unwrap());
    assert!(tokio::net::TcpStream::connect(address).await.is_err(), "nobody listens after it was removed");
    assert_eq!(world.stable("laptop/shop/http", Protocol::Http, &[&a]).await, address, "it comes back to its own port");
}

#[tokio::test]
async fn a_port_that_is_asked_for_is_got_or_refused() {
    let world = World::new().await;
    let echo = Service::echo("echo").await;
    let held = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = held.local_addr().unwrap().port();
    let mut wanted = route("mqtt", Listen::Port { port: Some(port), protocol: Protocol::Tcp }, &[&echo]);
    match world.client.put(&wanted).await {
        Err(Failure::Refused(Refusal::PortTaken { port: told, .. })) => assert_eq!(told, port),
        other => panic!("{other:?}"),
    }
    assert_eq!(world.client.list().await.unwrap(), []);
    drop(held);
    assert_eq!(world.put(&wanted).await.address.port(), port);
    wanted.id = "other".to_owned();
    match world.client.put(&wanted).await {
        Err(Failure::Refused(Refusal::Taken { by })) => assert_eq!(by, "mqtt"),
        other => panic!("{other:?}"),
    }
    let twice = [route("web", Listen::host("h.localhost"), &[]), route("more", Listen::host("h.localhost"), &[])];
    world.put(&twice[0]).await;
    assert!(matches!(world.client.put(&twice[1]).await, Err(Failure::Refused(Refusal::Taken { by })) if by == "web"));
}

#[tokio::test]
async fn the_next_port_for_entrypoints_if_the_preferred_one_is_taken() {
    let held = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = held.local_addr().unwrap().port();
    let world = World::with(|settings| settings.http_port = taken).await;
    let web = Service::named("web").await;
    let address = world.entrypoint("shop.localhost", &[&web]).await;
    assert!(address.port() > taken && address.port() <= taken.saturating_add(100), "{address}");
    assert_eq!(world.client.version().await.unwrap().http_port, Some(address.port()));
    drop(held);
    let again = world.put(&route("api", at("shop.localhost", "/api"), &[&web])).await;
    assert_eq!(again.address, address, "what was given is kept, though the preferred one is free now");
}

#[tokio::test]
async fn what_cannot_be_is_refused_and_changes_nothing() {
    let world = World::new().await;
    let web = Service::named("web").await;
    let address = world.entrypoint("shop.localhost", &[&web]).await;
    let before = world.client.list().await.unwrap();
    let mut itself = route("loop", at("loop.localhost", "/"), &[]);
    itself.backends = vec![Backend { id: "itself".to_owned(), address }];
    for bad in [route("bad", at("Bad.localhost", "/"), &[]), route("bad", at("bad.localhost", "/a/../b"), &[]), itself]
    {
        assert!(matches!(world.client.put(&bad).await, Err(Failure::Refused(Refusal::Bad { .. }))), "{bad:?}");
    }
    assert_eq!(world.client.list().await.unwrap(), before);
}

#[tokio::test]
async fn the_same_put_again_touches_nothing() {
    let world = World::new().await;
    let web = Service::named("web").await;
    let wanted = route("shop", Listen::host("shop.localhost"), &[&web]);
    assert!(world.put(&wanted).await.changed);
    let table = std::fs::metadata(world.file("table.json")).unwrap();
    let again = world.put(&wanted).await;
    assert!(!again.changed);
    let after = std::fs::metadata(world.file("table.json")).unwrap();
    assert_eq!(std::os::unix::fs::MetadataExt::ino(&table), std::os::unix::fs::MetadataExt::ino(&after));
    let standing = world.client.list().await.unwrap();
    assert_eq!((&standing[0].route, standing[0].address, &standing[0].not_listening), (&wanted, again.address, &None));
}

#[tokio::test]
async fn requests_go_to_living_replicas_only() {
    let world = World::new().await;
    let (a, b, dead) = (Service::named("a").await, Service::named("b").await, Service::named("dead").await);
    let address = world.entrypoint("shop.localhost", &[&a, &dead, &b]).await;
    dead.stop().await;
    let mut wire = Wire::open(address).await;
    for _ in 0..30 {
        wire.send("POST / HTTP/1.1\r\nHost: shop.localhost\r\nContent-Length: 4\r\n\r\nbody").await;
        assert_eq!(wire.reply().await.status, 200);
    }
    assert_eq!((a.begun() + b.begun(), a.begun() > 5, b.begun() > 5), (30, true, true), "{} {}", a.begun(), b.begun());
}

#[tokio::test]
async fn gates_judge_the_peer_and_not_what_it_says() {
    let world = World::new().await;
    let web = Service::mirror("web").await;
    let mut gated = route("shop", Listen::host("shop.localhost"), &[&web]);
    gated.gates = vec!["10.0.0.0/8".parse().unwrap()];
    let address = world.put(&gated).await.address;
    assert_eq!(get(address, "shop.localhost", "/").await.status, 403);
    let forged = "X-Forwarded-For: 10.0.0.1\r\nForwarded: for=10.0.0.1\r\nX-Real-IP: 10.0.0.1\r\n";
    assert_eq!(get_with(address, "shop.localhost", "/", forged).await.status, 403);
    gated.gates.push("127.0.0.0/8".parse().unwrap());
    world.put(&gated).await;
    let told = get_with(address, "shop.localhost", "/", forged).await;
    assert_eq!(told.status, 200);
    assert!(
        told.text().contains("x-forwarded-for: 127.0.0.1\n") && !told.text().contains("10.0.0.1"),
        "{}",
        told.text()
    );
    let over_v6 = SocketAddr::new(IpAddr::V6(Ipv6Addr::LOCALHOST), address.port());
    assert_eq!(get(over_v6, "shop.localhost", "/").await.status, 403);

    let mut trusting = world.settings.clone();
    trusting.trusted = vec!["127.0.0.1/32".parse().unwrap()];
    gated.gates = vec!["10.0.0.0/8".parse().unwrap()];
    world.put(&gated).await;
    assert!(world.client.configure(&trusting).await.unwrap());
    assert_eq!(get_with(address, "shop.localhost", "/", "X-Forwarded-For: 10.0.0.1\r\n").await.status, 200);
    assert_eq!(get_with(address, "shop.localhost", "/", "X-Forwarded-For: 10.0.0.1, 8.8.8.8\r\n").await.status, 403);
    assert_eq!(get_with(address, "shop.localhost", "/", "X-Forwarded-For: what\r\n").await.status, 400);
}

#[tokio::test]
async fn a_tcp_route_has_gates_too() {
    let world = World::new().await;
    let echo = Service::echo("echo").await;
    let mut gated = route("mqtt", Listen::stable(Protocol::Tcp), &[&echo]);
    gated.gates = vec!["10.0.0.0/8".parse().unwrap()];
    let address = world.put(&gated).await.address;
    assert_eq!(Wire::open(address).await.rest().await, b"");
    gated.gates.clear();
    world.put(&gated).await;
    let mut wire = Wire::open(address).await;
    wire.send("x").await;
    assert_eq!(soon(wire.exactly(1)).await, b"x");
}

#[tokio::test]
async fn a_name_that_others_can_point_here_does_not_reach_services() {
    let world = World::new().await;
    let web = Service::named("web").await;
    let address = world.stable("laptop/shop/http", Protocol::Http, &[&web]).await;
    assert_eq!(get(address, "evil.example.com", "/").await.status, 421);
    assert_eq!(web.begun(), 0);
    world.entrypoint("shop.example.com", &[&web]).await;
    assert_eq!(get(address, "shop.example.com", "/").await.status, 200, "a host of an entrypoint is meant");
}
