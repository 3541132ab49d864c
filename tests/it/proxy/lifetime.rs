//! How it is started, killed, found again and ended; what it keeps; who may speak to it.

use super::harness::{Service, Wire, World, free_http_port, get, lives, route, signal, soon, start, text, until};
use deployd::model::{Bytes as Size, Milliseconds};
use deployd::proxy::{self, Failure, Listen, Protocol, Refusal, Settings, Start};
use hyper::Response;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::sync::Arc;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::UnixStream;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

fn mode(path: std::path::PathBuf) -> u32 {
    std::fs::metadata(path).unwrap().permissions().mode() & 0o7777
}

#[tokio::test]
async fn killed_and_started_again_it_has_the_same_ports_and_routes() {
    let world = World::new().await;
    let (web, echo) = (Service::named("web").await, Service::echo("echo").await);
    let host = world.entrypoint("a.localhost", &[&web]).await;
    let http = world.stable("laptop/a/http", Protocol::Http, &[&web]).await;
    let tcp = world.stable("laptop/a/mqtt", Protocol::Tcp, &[&echo]).await;
    let before = world.client.list().await.unwrap();
    let pid = world.pid().await;
    let mut held = Wire::open(host).await;
    held.send("GET / HTTP/1.1\r\nHost: a.localhost\r\n\r\n").await;
    assert_eq!(held.reply().await.text(), "web");
    world.kill().await;
    until("nobody answers", async || matches!(world.client.list().await, Err(Failure::Unreachable { .. }))).await;
    assert_eq!(held.rest().await, b"");
    let client = proxy::ensure_running(&world.start()).await.unwrap();
    assert_ne!(client.version().await.unwrap().pid, pid);
    assert_eq!(client.list().await.unwrap(), before);
    assert_eq!(before.len(), 3);
    assert_eq!(get(host, "a.localhost", "/").await.text(), "web");
    assert_eq!(get(http, "localhost", "/").await.text(), "web");
    let mut wire = Wire::open(tcp).await;
    wire.send("x").await;
    assert_eq!(wire.exactly(1).await, b"x");
    assert!(!world.put(&route("laptop/a/http", Listen::stable(Protocol::Http), &[&web])).await.changed);
}

#[tokio::test]
async fn a_hundred_kills_lose_no_answered_put() {
    let world = World::new().await;
    let web = Service::named("web").await;
    for round in 0..20 {
        let mut puts = JoinSet::new();
        for number in 0..5 {
            let client = world.client.clone();
            let route = route(&format!("{round}-{number}"), Listen::stable(Protocol::Http), &[&web]);
            puts.spawn(async move { client.put(&route).await.ok().map(|put| (route, put.address)) });
        }
        // Killed while some are answered and some are not.
        let mut kept: Vec<_> = puts.join_next().await.unwrap().unwrap().into_iter().collect();
        world.kill().await;
        while let Some(put) = puts.join_next().await {
            kept.extend(put.unwrap());
        }
        assert!(!kept.is_empty());
        proxy::ensure_running(&world.start()).await.unwrap();
        let standing = world.client.list().await.unwrap();
        for (route, address) in kept {
            let found = standing.iter().find(|s| s.route.id == route.id).expect("it was answered");
            assert_eq!((&found.route, found.address), (&route, address));
            assert_eq!(get(address, "localhost", "/").await.text(), "web");
        }
    }
}

#[tokio::test]
async fn only_one_however_many_start_it() {
    let folder = tempfile::tempdir().unwrap();
    let settings = Settings { http_port: free_http_port(), ..Settings::default() };
    let mut starts = JoinSet::new();
    for _ in 0..6 {
        let start = start(folder.path().to_owned(), settings.clone());
        starts.spawn(async move { proxy::ensure_running(&start).await.unwrap().version().await.unwrap().pid });
    }
    let mut pids = Vec::new();
    while let Some(pid) = soon(starts.join_next()).await {
        pids.push(pid.unwrap());
    }
    pids.dedup();
    assert_eq!(pids.len(), 1, "{pids:?}");
    let foreground =
        tokio::process::Command::new(env!("CARGO_BIN_EXE_deployd")).arg("proxy").arg(folder.path()).output();
    let refused = soon(foreground).await.unwrap();
    assert!(!refused.status.success());
    assert!(String::from_utf8_lossy(&refused.stderr).contains("another process is the proxy"), "{refused:?}");
    assert!(proxy::stop(folder.path(), Milliseconds::seconds(5)).await.unwrap());
    assert!(!lives(pids[0]));
    assert!(!proxy::stop(folder.path(), Milliseconds::seconds(5)).await.unwrap(), "there is none to stop");
    assert!(matches!(proxy::connect(folder.path()).await, Err(Failure::Unreachable { .. })));
}

#[tokio::test]
async fn it_is_nobodys_child_and_inherits_nothing() {
    let world = World::new().await;
    let pid = world.pid().await;
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split_ascii_whitespace().collect();
    assert_ne!(fields[1], std::process::id().to_string(), "its parent");
    assert_eq!(fields[3], pid.to_string(), "it leads a session of its own");
    assert_eq!(std::fs::read(format!("/proc/{pid}/environ")).unwrap(), b"", "no key or token came along");
    assert_eq!(std::fs::read_link(format!("/proc/{pid}/cwd")).unwrap(), std::path::Path::new("/"));
    for entry in std::fs::read_dir(format!("/proc/{pid}/fd")).unwrap() {
        let Ok(target) = std::fs::read_link(entry.unwrap().path()) else { continue };
        let target = target.to_string_lossy().into_owned();
        let own = ["socket:", "pipe:", "anon_inode:", "/dev/null"].iter().any(|kind| target.starts_with(kind));
        let in_folder = target.starts_with(&*world.folder.path().canonicalize().unwrap().to_string_lossy());
        assert!(own || in_folder, "it holds {target}");
    }
}

#[tokio::test]
async fn only_this_user_may_speak_to_it() {
    let world = World::new().await;
    assert_eq!(mode(world.folder.path().join("proxy")), 0o700);
    assert!(std::fs::metadata(world.file("control.sock")).unwrap().file_type().is_socket());
    for name in ["control.sock", "process.json", "lock", "access.log", "proxy.log"] {
        assert_eq!(mode(world.file(name)), 0o600, "{name}");
    }
    world.put(&route("r", Listen::stable(Protocol::Tcp), &[])).await;
    assert_eq!(mode(world.file("table.json")), 0o600);
}

#[tokio::test]
async fn what_is_no_question_is_refused_and_the_next_one_is_answered() {
    let world = World::new().await;
    let mut stream = UnixStream::connect(world.file("control.sock")).await.unwrap();
    let (read, mut write) = stream.split();
    let mut lines = BufReader::new(read).lines();
    for bad in ["", "{}", "nonsense", "{\"put\":{\"id\":\"r\"}}", "{\"remove\":1}", "\"shutdown\""] {
        write.write_all(format!("{bad}\n").as_bytes()).await.unwrap();
        let answer = soon(lines.next_line()).await.unwrap().unwrap();
        assert!(answer.starts_with("{\"refused\":{\"bad\":"), "{bad}: {answer}");
    }
    write.write_all(b"\"version\"\n").await.unwrap();
    assert!(soon(lines.next_line()).await.unwrap().unwrap().starts_with("{\"version\":{\"version\":"));
    // A line without end is cut off; it may be refused before it is written to its end.
    let _ = write.write_all(&vec![b'x'; 300 * 1024]).await;
    while let Ok(Some(answer)) = soon(lines.next_line()).await {
        assert!(answer.contains("at most"), "{answer}");
    }
    assert!(world.client.version().await.is_ok());
}

#[tokio::test]
async fn a_folder_deeper_than_a_sockets_path_may_be() {
    let outer = tempfile::tempdir().unwrap();
    let state = outer.path().join("d".repeat(100)).join("e".repeat(100));
    std::fs::create_dir_all(&state).unwrap();
    let settings = Settings { http_port: free_http_port(), ..Settings::default() };
    let client = proxy::ensure_running(&start(state.clone(), settings)).await.unwrap();
    let web = Service::named("web").await;
    let put = client.put(&route("a", Listen::stable(Protocol::Http), &[&web])).await.unwrap();
    assert_eq!(get(put.address, "localhost", "/").await.text(), "web");
    assert!(std::fs::metadata(state.join("proxy/control.sock")).unwrap().file_type().is_socket());
    assert!(proxy::stop(&state, Milliseconds::seconds(5)).await.unwrap());
}

#[tokio::test]
async fn asked_to_end_it_finishes_what_is_in_flight() {
    let world = World::new().await;
    let go = Arc::new(Semaphore::new(0));
    let held = Arc::clone(&go);
    let web = Service::answering("web", move |_| {
        let held = Arc::clone(&held);
        async move {
            let _ = held.acquire().await;
            Response::new(text("finished"))
        }
    })
    .await;
    let address = world.entrypoint("a", &[&web]).await;
    let mut idle = Wire::open(address).await;
    let mut wire = Wire::open(address).await;
    wire.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    until("it is in flight", async || web.begun() == 1).await;
    let pid = world.pid().await;
    signal(pid, rustix::process::Signal::TERM);
    assert_eq!(idle.rest().await, b"", "who has nothing in flight is let go");
    until("it takes nothing new", async || tokio::net::TcpStream::connect(address).await.is_err()).await;
    assert!(lives(pid));
    go.add_permits(1);
    let reply = wire.reply().await;
    assert_eq!((reply.text().as_str(), reply.header("connection")), ("finished", Some("close")));
    until("it has ended", async || !lives(pid)).await;
    assert!(std::fs::read_to_string(world.file("access.log")).unwrap().contains("\"status\":200"));
    let again = proxy::ensure_running(&world.start()).await.unwrap();
    assert_eq!(again.list().await.unwrap().len(), 1);
}

#[tokio::test]
async fn stop_does_not_wait_for_ever() {
    let world = World::new().await;
    let mute = Service::raw("mute", |stream| async move {
        let _held = stream;
        std::future::pending::<()>().await;
    })
    .await;
    let address = world.entrypoint("a", &[&mute]).await;
    let mut wire = Wire::open(address).await;
    wire.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    until("it is in flight", async || world.client.stats().await.unwrap().backends["mute"].requests == 1).await;
    let pid = world.pid().await;
    assert!(soon(proxy::stop(world.folder.path(), Milliseconds(100))).await.unwrap());
    assert!(!lives(pid));
}

#[tokio::test]
async fn a_proxy_whose_folder_is_gone_ends_itself() {
    let world = World::new().await;
    let pid = world.pid().await;
    std::fs::remove_dir_all(world.folder.path()).unwrap();
    until("it has ended", async || !lives(pid)).await;
}

#[tokio::test]
async fn a_table_that_cannot_be_written_changes_nothing() {
    let world = World::new().await;
    let (web, other) = (Service::named("web").await, Service::named("other").await);
    let address = world.entrypoint("a", &[&web]).await;
    let before = world.client.list().await.unwrap();
    // In the way of the new file; a full disk cannot be had here.
    std::fs::create_dir(world.file("table.new")).unwrap();
    for route in [route("a", Listen::host("a"), &[&other]), route("b", Listen::stable(Protocol::Http), &[&other])] {
        assert!(matches!(world.client.put(&route).await, Err(Failure::Refused(Refusal::NotKept { .. }))));
    }
    assert!(matches!(world.client.remove("a").await, Err(Failure::Refused(Refusal::NotKept { .. }))));
    assert_eq!(world.client.list().await.unwrap(), before);
    assert_eq!(get(address, "a", "/").await.text(), "web");
    std::fs::remove_dir(world.file("table.new")).unwrap();
    assert!(world.put(&route("a", Listen::host("a"), &[&other])).await.changed);
    assert_eq!(get(address, "a", "/").await.text(), "other");
}

#[tokio::test]
async fn a_broken_table_is_set_aside_and_said() {
    let world = World::new().await;
    world.put(&route("r", Listen::stable(Protocol::Tcp), &[])).await;
    let address = world.client.list().await.unwrap()[0].address;
    world.kill().await;
    std::fs::write(world.file("table.json"), "{\"format\":1,").unwrap();
    let client = proxy::ensure_running(&world.start()).await.unwrap();
    assert_eq!(client.list().await.unwrap(), []);
    assert!(std::fs::read_to_string(world.file("proxy.log")).unwrap().contains("set aside"));
    assert!(world.file("table.broken").exists());
    assert_eq!(world.stable("r", Protocol::Tcp, &[]).await, address, "where an id points is where it pointed");
    world.kill().await;
    std::fs::write(world.file("table.json"), "{\"format\":999}").unwrap();
    match proxy::ensure_running(&world.start()).await {
        Err(Failure::Lifetime { why }) => assert!(why.contains("a newer deployd wrote it"), "{why}"),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_port_that_was_lost_while_it_was_away_is_told_and_got_back() {
    let world = World::new().await;
    let web = Service::named("web").await;
    let address = world.stable("r", Protocol::Http, &[&web]).await;
    world.kill().await;
    let mut thief = None;
    until("the port is free", async || {
        thief = std::net::TcpListener::bind(address).ok();
        thief.is_some()
    })
    .await;
    let client = proxy::ensure_running(&world.start()).await.unwrap();
    let standing = client.list().await.unwrap();
    assert_eq!(standing[0].address, address);
    assert!(standing[0].not_listening.as_ref().unwrap().contains("cannot be listened on"), "{standing:?}");
    let same = route("r", Listen::stable(Protocol::Http), &[&web]);
    assert!(matches!(client.put(&same).await, Err(Failure::Refused(Refusal::PortTaken { .. }))), "it is not moved");
    drop(thief);
    until("it listens again", async || client.list().await.unwrap()[0].not_listening.is_none()).await;
    assert_eq!(get(address, "localhost", "/").await.text(), "web");
}

#[tokio::test]
async fn settings_are_kept_and_a_new_preferred_port_is_moved_to() {
    let world = World::new().await;
    let web = Service::named("web").await;
    let address = world.entrypoint("a", &[&web]).await;
    let settings = Settings { http_port: free_http_port(), log_bytes: Size(5000), ..world.settings.clone() };
    let moved = Start { settings: settings.clone(), ..world.start() };
    let client = proxy::ensure_running(&moved).await.unwrap();
    let port = client.version().await.unwrap().http_port.unwrap();
    assert!(port >= settings.http_port && port != address.port(), "{port}");
    assert!(tokio::net::TcpStream::connect(address).await.is_err());
    assert_eq!(client.list().await.unwrap()[0].address.port(), port);
    assert!(!client.configure(&settings).await.unwrap(), "they are as they were");
    world.kill().await;
    let client = proxy::ensure_running(&moved).await.unwrap();
    assert_eq!(client.version().await.unwrap().http_port, Some(port));
    let no_port = Settings { http_port: 0, ..settings };
    assert!(matches!(client.configure(&no_port).await, Err(Failure::Refused(Refusal::Bad { .. }))));
}

#[tokio::test]
async fn the_access_log_is_one_line_a_request_and_bounded() {
    let world = World::with(|settings| {
        settings.log_bytes = Size(3000);
        settings.log_files = 2;
    })
    .await;
    let web = Service::named("web").await;
    let address = world.entrypoint("a", &[&web]).await;
    get(address, "a", "/first?token=hush").await;
    get(address, "a", "/quo\"te").await;
    until("both are told", async || std::fs::read_to_string(world.file("access.log")).unwrap().lines().count() == 2)
        .await;
    let text = std::fs::read_to_string(world.file("access.log")).unwrap();
    let lines: Vec<serde_json::Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!((&lines[0]["path"], &lines[0]["status"]), (&"/first".into(), &200.into()));
    assert_eq!((&lines[0]["route"], &lines[0]["backend"], &lines[0]["out"]), (&"a".into(), &"web".into(), &3.into()));
    assert!(lines[1]["path"] == "/quo\"te" && !text.contains("hush"), "{text}");
    assert_eq!(get(address, "nowhere\u{1b}[31m", "/").await.status, 400);
    until("it is told", async || std::fs::read_to_string(world.file("access.log")).unwrap().contains("not HTTP/1.1"))
        .await;
    assert!(!std::fs::read_to_string(world.file("access.log")).unwrap().contains('\u{1b}'));
    let mut wire = Wire::open(address).await;
    for number in 0..100 {
        wire.send(format!("GET /{number} HTTP/1.1\r\nHost: a\r\n\r\n")).await;
        wire.reply().await;
    }
    until("the last is told", async || std::fs::read_to_string(world.file("access.log")).unwrap().contains("\"/99\""))
        .await;
    assert!(world.file("access.log.2").exists() && !world.file("access.log.3").exists());
    assert!(
        ["access.log", "access.log.1", "access.log.2"]
            .iter()
            .all(|name| std::fs::metadata(world.file(name)).unwrap().len() < 3400)
    );
    assert_eq!(world.client.stats().await.unwrap().log_lines_lost, 0);
}
