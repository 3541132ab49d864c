//! Services: what they see, how they are checked and replaced, and what is said when they end.

use super::*;

async fn get(address: &str, path: &str) -> reqwest::Response {
    reqwest::get(format!("http://{address}{path}")).await.unwrap()
}

#[tokio::test]
async fn t39_a_service_sees_what_was_declared_and_nothing_of_the_servers() {
    let stage = Local::new();
    let (_, outputs) = stage.made("suite/shop/shop.1", &server(serde_json::json!({ "LEVEL": "info" }))).await;
    let address = outputs["address"].as_text().unwrap();
    let seen: BTreeMap<String, String> = serde_json::from_str(&get(address, "/").await.text().await.unwrap()).unwrap();
    assert_eq!(seen["LEVEL"], "info");
    assert_eq!(seen["PORT"], seen["HTTP_PORT"]);
    assert!(address.ends_with(&seen["PORT"]));
    assert!(seen["TMPDIR"].starts_with(stage.state.path().to_str().unwrap()));
    let known = [
        "PATH",
        "HOME",
        "LANG",
        "TMPDIR",
        "PORT",
        "HTTP_PORT",
        "LEVEL",
        "CWD",
        "LC_CTYPE",
        "PWD",
        "SHLVL",
        "_",
        "OLDPWD",
    ];
    let python = |name: &String| name.contains("PYENV") || name.starts_with("PYTHON") || name.starts_with("__CF");
    let leaked: Vec<&String> = seen.keys().filter(|name| !known.contains(&name.as_str()) && !python(name)).collect();
    assert!(leaked.is_empty(), "the server's environment leaks: {leaked:?}");
}

#[tokio::test]
async fn t39_secrets_reach_a_service_and_no_file() {
    let stage = Local::new();
    let mut sample = server(serde_json::json!({}));
    let name = SecretName("API_KEY".into());
    let key = Value::Expr(vec![Piece::Secret { name: name.clone(), key: None, encode: false }]);
    sample.fields.put(&FieldPath::fixed("env.API_KEY"), key);
    sample.filled.secrets.insert(name, Plain::new("canary-4711-canary".into()));
    let (_, outputs) = stage.made("suite/shop/shop.1", &sample).await;
    let answer = get(outputs["address"].as_text().unwrap(), "/").await.text().await.unwrap();
    assert!(answer.contains("canary-4711-canary"), "the service has it");
    let mut folders = vec![stage.state.path().to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap().flatten() {
            let kind = entry.file_type().unwrap();
            if kind.is_dir() {
                folders.push(entry.path());
            } else if kind.is_file() {
                let bytes = std::fs::read(entry.path()).unwrap();
                let found = bytes.windows(18).any(|window| window == b"canary-4711-canary");
                assert!(!found, "{} holds a secret", entry.path().display());
            }
        }
    }
}

#[tokio::test]
async fn an_unhealthy_service_says_what_it_answered() {
    let stage = Local::new();
    let mut sample = server(serde_json::json!({}));
    sample.health = checked(Probe::Http("/broken".into()));
    let shop = identity("suite/shop/shop.1");
    let handle = stage.make(&shop, &sample).await;
    let asked = query(&shop, &sample, Some(handle));
    let said = |seen: &Seen| match &seen.present().unwrap().condition {
        Condition::Settling(what) => what.0.clone(),
        other => panic!("{other:?}"),
    };
    until(&stage, &asked, |seen| said(seen) == "GET /broken: answered 500").await;
}

#[tokio::test]
async fn a_service_that_ends_at_once_says_its_last_words() {
    let stage = Local::new();
    let fields = serde_json::json!({ "run": ["sh", "-c", "echo KeyError: DATABASE_URI >&2; exit 3"] });
    let sample = Sample { health: checked(Probe::Stays(Milliseconds::seconds(10))), ..sample("local/process", fields) };
    let shop = identity("suite/shop/shop.1");
    let handle = stage.make(&shop, &sample).await;
    let asked = query(&shop, &sample, Some(handle));
    loop {
        let seen = look(&stage, &asked).await;
        if let Condition::Failed(why) = &seen.present().unwrap().condition {
            assert_eq!(why.text, "it ended with code 3");
            assert!(why.details.iter().any(|line| line.contains("KeyError: DATABASE_URI")), "{why:?}");
            break;
        }
        stage.wait().await;
    }
}

#[tokio::test]
async fn a_service_that_listens_elsewhere_is_told_so() {
    let stage = Local::new();
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let mut sample = server(serde_json::json!({}));
    let fixed = SERVER.replace("int(os.environ['PORT'])", &free.to_string());
    sample.fields.put(&FieldPath::fixed("run"), Value::from(vec!["python3", "-c", &fixed]));
    let shop = identity("suite/shop/shop.1");
    let handle = stage.make(&shop, &sample).await;
    let asked = query(&shop, &sample, Some(handle));
    loop {
        let seen = look(&stage, &asked).await;
        if let Condition::Failed(why) = &seen.present().unwrap().condition {
            assert!(why.text.starts_with(&format!("it listens on {free}, and not on ")), "{why}");
            break;
        }
        stage.wait().await;
    }
}

/// A service behind its address and an entrypoint, replaced under load: no request fails, and the old one is drained.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replica_is_replaced_without_a_failed_request() {
    let stage = Local::new();
    let standing =
        sample("local/address", serde_json::json!({ "ports": { "http": { "protocol": "http" } }, "first": "http" }));
    let (_, address) = stage.made("suite/shop/shop.address", &standing).await;
    let address = address["address"].as_text().unwrap().to_owned();
    let (old, first) = stage.made("suite/shop/shop.1", &server(serde_json::json!({ "REVISION": "one" }))).await;
    let route = |to: &Value| {
        let fields = serde_json::json!({ "address": { "http": address }, "to": { "http": [to] } });
        sample("local/route", fields)
    };
    let before = route(&first["address"]);
    let (routed, _) = stage.made("suite/shop/shop.route", &before).await;
    let way_in =
        sample("local/entrypoint", serde_json::json!({ "host": "shop.localhost", "path": "/", "service": address }));
    let (_, entry) = stage.made("suite/shop/web", &way_in).await;
    assert!(entry["url"].as_text().unwrap().starts_with("http://shop.localhost:"), "{entry:?}");
    let port = entry["port"].as_whole().unwrap();

    let done = Arc::new(std::sync::atomic::AtomicBool::new(false));
    let load: Vec<_> = [format!("http://{address}/"), format!("http://127.0.0.1:{port}/")]
        .into_iter()
        .map(|url| {
            let done = Arc::clone(&done);
            tokio::spawn(async move {
                let client = reqwest::Client::new();
                let (mut count, mut failed) = (0, Vec::new());
                while !done.load(std::sync::atomic::Ordering::Relaxed) {
                    let answer = client.get(&url).header("host", "shop.localhost").send().await;
                    match answer {
                        Ok(answer) if answer.status() == 200 => drop(answer.bytes().await),
                        other => failed.push(format!("{other:?}")),
                    }
                    count += 1;
                }
                (count, failed)
            })
        })
        .collect();

    let (new, second) = stage.made("suite/shop/shop.1#2", &server(serde_json::json!({ "REVISION": "two" }))).await;
    let after = route(&second["address"]);
    let act = OrderAct::Update {
        handle: Handle(String::new()),
        from: before.fields.clone(),
        fields: after.fields.clone(),
        asked: Digest::of("after"),
        health: None,
    };
    let mut moved = order(&stage, &routed, &after, act, "move");
    let handle = look(&stage, &query(&routed, &before, None)).await.present().unwrap().handle.clone();
    let OrderAct::Update { handle: there, .. } = &mut moved.act else { unreachable!() };
    *there = handle;
    stage.provider.apply(&moved, &Filled::default()).await.unwrap();
    let replica = server(serde_json::json!({}));
    until(&stage, &query(&old, &replica, None), |seen| seen.present().is_some_and(|present| present.is_drained()))
        .await;
    stage.delete(&old, &replica, Keep::Nothing).await;
    let answer = get(&address, "/").await.text().await.unwrap();
    assert!(answer.contains("two"), "{answer}");
    done.store(true, std::sync::atomic::Ordering::Relaxed);
    for load in load {
        let (count, failed) = load.await.unwrap();
        assert!(count > 0 && failed.is_empty(), "{} of {count} failed: {:?}", failed.len(), failed.first());
    }
    let seen = look(&stage, &query(&new, &replica, None)).await;
    assert!(!seen.present().unwrap().is_drained(), "what serves is not drained");
    assert_eq!(look(&stage, &query(&routed, &after, None)).await.present().unwrap().fields, after.fields, "read back");
}

/// A client that holds on to what it has begun holds nothing up: it gets as long as the replica has to stop.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_client_that_never_leaves_does_not_hold_a_replica_up() {
    let stage = Local::new();
    let standing =
        sample("local/address", serde_json::json!({ "ports": { "http": { "protocol": "http" } }, "first": "http" }));
    let (_, address) = stage.made("suite/shop/shop.address", &standing).await;
    let address = address["address"].as_text().unwrap().to_owned();
    let mut replica = server(serde_json::json!({ "REVISION": "one" }));
    let endless =
        SERVER.replace("self.end_headers()", "self.end_headers(); self.wfile.write(b'begun'); time.sleep(600)");
    replica
        .fields
        .put(&FieldPath::fixed("run"), Value::from(vec!["python3", "-c", &format!("import time\n{endless}")]));
    replica.fields.put(&FieldPath::fixed("stop"), Value::from("1s"));
    replica.health = checked(Probe::Tcp);
    let (old, first) = stage.made("suite/shop/shop.1", &replica).await;
    let to = |replicas: Vec<&Value>| {
        sample("local/route", serde_json::json!({ "address": { "http": address }, "to": { "http": replicas } }))
    };
    let before = to(vec![&first["address"]]);
    let (routed, _) = stage.made("suite/shop/shop.route", &before).await;
    let mut held = reqwest::get(format!("http://{address}/")).await.unwrap();
    assert_eq!(held.chunk().await.unwrap().unwrap(), "begun", "its answer has begun, and does not end");
    let asked = query(&old, &replica, None);
    let seen = look(&stage, &asked).await;
    assert_eq!(seen.present().unwrap().in_flight, Some(1));

    stage.delete(&routed, &before, Keep::Nothing).await;
    until(&stage, &asked, |seen| seen.present().is_some_and(|present| present.is_drained())).await;
    stage.delete(&old, &replica, Keep::Nothing).await;
    let rest = held.chunk().await;
    assert!(matches!(rest, Err(_) | Ok(None)), "what was left is closed: {rest:?}");
}

/// Nobody asks for anything: who watches the room brings its proxy back, on the same port, with all that it routes.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_proxy_that_dies_is_brought_back() {
    let stage = Local::new();
    let standing =
        sample("local/address", serde_json::json!({ "ports": { "http": { "protocol": "http" } }, "first": "http" }));
    let (_, address) = stage.made("suite/shop/shop.address", &standing).await;
    let address = address["address"].as_text().unwrap().to_owned();
    let (_, replica) = stage.made("suite/shop/shop.1", &server(serde_json::json!({ "REVISION": "one" }))).await;
    let fields = serde_json::json!({ "address": { "http": address }, "to": { "http": [replica["address"]] } });
    stage.made("suite/shop/shop.route", &sample("local/route", fields)).await;
    assert!(get(&address, "/").await.text().await.unwrap().contains("one"));

    let mut hints = stage.provider.hints();
    let watching = tokio::spawn(async move { while hints.next().await.is_some() {} });
    let process = std::fs::read(stage.state.path().join("proxy/process.json")).unwrap();
    let process: serde_json::Value = serde_json::from_slice(&process).unwrap();
    super::data::end(u32::try_from(process["pid"].as_u64().unwrap()).unwrap());
    loop {
        match reqwest::get(format!("http://{address}/")).await {
            Ok(answer) if answer.status() == 200 => break,
            _ => stage.wait().await,
        }
    }
    watching.abort();
}

/// FORMATS, "Health": it takes a replica out of traffic, and lets it in again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replica_that_is_not_well_any_more_is_out_of_traffic_until_it_is() {
    let stage = Local::new();
    let standing =
        sample("local/address", serde_json::json!({ "ports": { "http": { "protocol": "http" } }, "first": "http" }));
    let (_, address) = stage.made("suite/shop/shop.address", &standing).await;
    let address = address["address"].as_text().unwrap().to_owned();
    let folder = tempfile::tempdir().unwrap();
    let sick = folder.path().join("sick");
    let program = SERVER.replace(
        "self.path == '/broken'",
        "self.path == '/healthz' and os.path.exists(os.environ.get('SICK', '/none'))",
    );
    let mut stable = server(serde_json::json!({ "REVISION": "stable" }));
    let mut moody = server(serde_json::json!({ "REVISION": "moody", "SICK": sick.display().to_string() }));
    for replica in [&mut stable, &mut moody] {
        replica.fields.put(&FieldPath::fixed("run"), Value::from(vec!["python3", "-c", &program]));
        replica.health.as_mut().unwrap().every = deployd::model::Milliseconds(100);
    }
    let (_, first) = stage.made("suite/shop/shop.1", &stable).await;
    let (unwell, second) = stage.made("suite/shop/shop.2", &moody).await;
    let to =
        serde_json::json!({ "address": { "http": address }, "to": { "http": [first["address"], second["address"]] } });
    stage.made("suite/shop/shop.route", &sample("local/route", to)).await;
    let answers = async || {
        let mut seen = std::collections::BTreeSet::new();
        for _ in 0..6 {
            let answer = get(&address, "/").await.text().await.unwrap();
            seen.insert(if answer.contains("moody") { "moody" } else { "stable" });
        }
        seen.into_iter().collect::<Vec<_>>()
    };
    let mut hints = stage.provider.hints();
    let watching = tokio::spawn(async move { while hints.next().await.is_some() {} });
    assert_eq!(answers().await, ["moody", "stable"]);
    std::fs::write(&sick, "").unwrap();
    while answers().await != ["stable"] {
        stage.wait().await;
    }
    let seen = look(&stage, &query(&unwell, &moody, None)).await;
    let Condition::Settling(what) = &seen.present().unwrap().condition else { panic!("{seen:?}") };
    assert_eq!(what.0, "GET /healthz: answered 500");
    std::fs::remove_file(&sick).unwrap();
    while answers().await != ["moody", "stable"] {
        stage.wait().await;
    }
    watching.abort();
}

/// Nobody has asked for a way in on this machine yet: what it will answer at is known all the same.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_service_knows_its_own_url_before_its_way_in_is_there() {
    let stage = Local::new();
    let mut replica = server(serde_json::json!({}));
    let way = value(serde_json::json!({ "host": "shop.localhost", "path": "/app" }));
    replica.fields.put(&FieldPath::fixed("entrypoints.web"), way);
    let own = Value::expr(vec![deployd::model::Piece::Own("entrypoints.web.url".to_owned())]);
    replica.fields.put(&FieldPath::fixed("env.SELF"), own);
    let (_, first) = stage.made("suite/shop/shop.1", &replica).await;
    let answer = get(first["address"].as_text().unwrap(), "/").await.json::<serde_json::Value>().await.unwrap();
    let standing =
        sample("local/address", serde_json::json!({ "ports": { "http": { "protocol": "http" } }, "first": "http" }));
    let (_, address) = stage.made("suite/shop/shop.address", &standing).await;
    let fields = serde_json::json!({ "host": "shop.localhost", "path": "/app", "service": address["address"] });
    let (_, entry) = stage.made("suite/shop/web", &sample("local/entrypoint", fields)).await;
    assert_eq!(answer["SELF"].as_str(), entry["url"].as_text());
}

/// What opens another of its ports first is not ended for it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_service_may_open_its_other_ports_first() {
    let stage = Local::new();
    let mut replica = server(serde_json::json!({}));
    let others = "import socket, time\nheld = [socket.create_server(('127.0.0.1', int(os.environ['RAW_PORT']))), \
                  socket.create_server(('127.0.0.1', 0))]\ntime.sleep(0.6)\n";
    let program = SERVER.replace("print('listening', flush=True)", others);
    replica.fields.put(&FieldPath::fixed("run"), Value::from(vec!["python3", "-c", &program]));
    replica.fields.put(&FieldPath::fixed("ports.raw"), value(serde_json::json!({ "port": 1883, "protocol": "tcp" })));
    let (_, first) = stage.made("suite/shop/shop.1", &replica).await;
    assert_eq!(get(first["address"].as_text().unwrap(), "/").await.status(), 200);
}

/// Who is absent to whoever looks is absent to whoever lists: its row would be found anew again and again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replica_without_its_keeper_is_in_no_list() {
    let stage = Local::new();
    let replica = server(serde_json::json!({}));
    let (first, _) = stage.made("suite/shop/shop.1", &replica).await;
    let folder = stage.thing("process");
    let listed = async || {
        let listing = stage.provider.list(&deployd::contract::ListScope { stack: None }).await;
        listing.found.iter().map(|found| found.receipt.identity.clone()).collect::<Vec<_>>()
    };
    assert_eq!(listed().await, std::slice::from_ref(&first));
    let keeper::Found::Running(state) = keeper::find(&folder) else { panic!("it does not run") };
    let kill = |pid: i32| {
        rustix::process::kill_process(rustix::process::Pid::from_raw(pid).unwrap(), rustix::process::Signal::KILL)
    };
    kill(state.keeper.pid.cast_signed()).unwrap();
    until(&stage, &query(&first, &replica, None), Seen::is_absent).await;
    assert_eq!(listed().await, [] as [Identity; 0]);

    // With a later life in its place it is cleaned up; its log stays.
    let later = first.address.incarnation(2);
    let handle = stage.make(&later, &replica).await;
    until(&stage, &query(&later, &replica, Some(handle)), is_settled).await;
    drop(provider(stage.state.path(), &stage.instance, &stage.contents));
    assert_eq!(listed().await, [later]);
    let thing: serde_json::Value = serde_json::from_slice(&std::fs::read(folder.join("thing.json")).unwrap()).unwrap();
    assert!(thing["gone"].is_number(), "{thing}");
}

/// Gates that let nobody in are not the same as no gates.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn gates_that_let_nobody_in_let_nobody_in() {
    let stage = Local::new();
    let ports = serde_json::json!({ "http": { "protocol": "http" } });
    let standing = sample("local/address", serde_json::json!({ "ports": ports, "first": "http" }));
    let (_, address) = stage.made("suite/shop/shop.address", &standing).await;
    let (_, replica) = stage.made("suite/shop/shop.1", &server(serde_json::json!({}))).await;
    let to = serde_json::json!({ "address": { "http": address["address"] }, "to": { "http": [replica["address"]] } });
    stage.made("suite/shop/shop.route", &sample("local/route", to)).await;
    let way_in = async |name: &str, more: serde_json::Value| {
        let mut fields = serde_json::json!({ "host": format!("{name}.localhost"), "service": address["address"] });
        fields.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let (_, entry) = stage.made(&format!("suite/shop/{name}"), &sample("local/entrypoint", fields)).await;
        entry
    };
    let status = async |name: &str, more: serde_json::Value| {
        let port = way_in(name, more).await["port"].as_whole().unwrap();
        let asked = reqwest::Client::new().get(format!("http://127.0.0.1:{port}/"));
        asked.header("host", format!("{name}.localhost")).send().await.unwrap().status().as_u16()
    };
    assert_eq!(status("open", serde_json::json!({})).await, 200);
    assert_eq!(status("home", serde_json::json!({ "gates": ["127.0.0.0/8"] })).await, 200);
    assert_eq!(status("away", serde_json::json!({ "gates": ["203.0.113.0/24"] })).await, 403);
    assert_eq!(status("shut", serde_json::json!({ "gates": [] })).await, 403);
    let port = way_in("raw", serde_json::json!({ "gates": [], "protocol": "tcp" })).await["port"].as_whole().unwrap();
    let asked = reqwest::get(format!("http://127.0.0.1:{port}/")).await;
    assert!(asked.is_err(), "{asked:?}");
}
