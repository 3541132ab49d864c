//! The local room passes the suite with real processes, a real proxy and a real PostgreSQL, and does what only it does.

use super::simulated::DigestOnly;
use super::suite::{self, Sample, Stage, create, identity, is_settled, look, order, query, until};
use async_trait::async_trait;
use deployd::clock::SystemClock;
use deployd::contract::{At, Contents, Failure, Filled, Freshness, Keep, LogFrom, OrderAct, Plain, Provider, Source};
use deployd::graph::{HealthCheck, Probe};
use deployd::keeper;
use deployd::model::{Digest, FieldPath, Identity, Kind, Milliseconds, Piece, SecretName, Value};
use deployd::provider::local::{LocalProvider, Settings};
use deployd::proxy;
use deployd::source::{FolderContents, FolderOptions, FolderSource};
use deployd::state::{Condition, Handle, Presence, Recorded, Seen};
use futures::StreamExt;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// Longer than anything here takes on a machine that does other things too.
const PATIENCE: Duration = Duration::from_secs(300);

struct Local {
    state: tempfile::TempDir,
    instance: String,
    contents: Arc<FolderContents>,
    provider: LocalProvider,
    until: tokio::time::Instant,
}

impl Local {
    fn new() -> Local {
        let state = tempfile::tempdir().unwrap();
        // A folder for root's PostgreSQL lies outside of the state folder: another instance for every test.
        let instance = format!("test-{}", Digest::of(state.path().display().to_string()).short());
        let contents = Arc::new(FolderContents::open(&state.path().join("contents")).unwrap());
        let provider = provider(state.path(), &instance, &contents);
        Local { state, instance, contents, provider, until: tokio::time::Instant::now() + PATIENCE }
    }

    /// Keeps some files as a content.
    async fn content(&self, files: &[(&str, &str)]) -> Digest {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in files {
            let path = folder.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        let source = FolderSource::new(folder.path().to_owned(), FolderOptions::default());
        let snapshot = source.read(&At::Now).await.unwrap();
        self.contents.keep(&snapshot, &source, "").await.unwrap()
    }

    async fn make(&self, identity: &Identity, sample: &Sample) -> Handle {
        let made = self.provider.apply(&create(self, identity, sample), &sample.filled).await;
        made.unwrap_or_else(|failure| panic!("{identity}: {failure:?}")).handle
    }

    async fn made(&self, name: &str, sample: &Sample) -> (Identity, BTreeMap<String, Value>) {
        let identity = identity(name);
        let handle = self.make(&identity, sample).await;
        let seen = until(self, &query(&identity, sample, Some(handle)), is_settled).await;
        (identity, outputs(&seen))
    }

    async fn delete(&self, identity: &Identity, sample: &Sample, keep: Keep) -> Option<String> {
        let act = OrderAct::Delete { handle: None, keep };
        let order = order(self, identity, sample, act, "delete");
        loop {
            match self.provider.apply(&order, &Filled::default()).await {
                Ok(outcome) if look(self, &query(identity, sample, None)).await.is_absent() => return outcome.note,
                Ok(_) | Err(Failure::Retry { .. }) => self.wait().await,
                Err(failure) => panic!("{identity}: {failure:?}"),
            }
        }
    }

    fn thing(&self, kind: &str) -> PathBuf {
        let mut folders: Vec<PathBuf> = std::fs::read_dir(self.state.path().join("local").join(kind))
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .collect();
        assert_eq!(folders.len(), 1, "{folders:?}");
        folders.remove(0)
    }
}

impl Drop for Local {
    fn drop(&mut self) {
        let things = self.state.path().join("local");
        for kind in std::fs::read_dir(things).into_iter().flatten().flatten() {
            for thing in std::fs::read_dir(kind.path()).into_iter().flatten().flatten() {
                let _ = keeper::request_stop(&thing.path(), keeper::Stop::AtOnce);
            }
        }
        let state = self.state.path().to_owned();
        let stopped = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(proxy::stop(&state, Milliseconds(0))).is_ok()
        });
        let _ = stopped.join();
        let _ = std::fs::remove_dir_all(Path::new("/var/lib/deployd").join(&self.instance));
    }
}

fn provider(state: &Path, instance: &str, contents: &Arc<FolderContents>) -> LocalProvider {
    let variable = |name: &str| Some((name.to_owned(), std::env::var(name).ok()?));
    let settings = Settings {
        instance: instance.to_owned(),
        state: state.to_owned(),
        program: PathBuf::from(env!("CARGO_BIN_EXE_deployd")),
        proxy: proxy::Settings { http_port: 18_080, ..proxy::Settings::default() },
        environment: ["PATH", "HOME", "LANG"].into_iter().filter_map(variable).collect(),
    };
    let clock = Arc::new(SystemClock::start().unwrap());
    LocalProvider::new(settings, Arc::clone(contents) as Arc<dyn Contents>, clock, Arc::new(DigestOnly)).unwrap()
}

fn outputs(seen: &Seen) -> BTreeMap<String, Value> {
    let present = seen.present().unwrap();
    let plain = present.outputs.iter().map(|(name, output)| match &output.value {
        Recorded::Plain(value) => (name.to_string(), value.clone()),
        Recorded::Sealed(_) => (name.to_string(), Value::from("sealed")),
    });
    plain.collect()
}

fn value(json: serde_json::Value) -> Value {
    serde_json::from_value(json).unwrap()
}

fn sample(kind: &'static str, fields: serde_json::Value) -> Sample {
    Sample {
        kind: Kind::fixed(kind),
        fields: value(fields),
        changed: None,
        health: None,
        answers: &[],
        logs: false,
        filled: Filled::default(),
    }
}

fn checked(probe: Probe) -> Option<HealthCheck> {
    let within = Milliseconds::seconds(30);
    Some(HealthCheck { probe, port: None, within, every: Milliseconds::seconds(10), restart_after: None })
}

/// A server in a line of Python that answers with its environment and folder.
const SERVER: &str = r"
import http.server, json, os
class Answer(http.server.BaseHTTPRequestHandler):
    protocol_version = 'HTTP/1.1'
    def do_GET(self):
        body = json.dumps(dict(os.environ, CWD=os.getcwd())).encode()
        self.send_response(500 if self.path == '/broken' else 200)
        self.send_header('Content-Length', str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def log_message(self, *_): print('asked', self.path, flush=True)
print('listening', flush=True)
http.server.ThreadingHTTPServer(('127.0.0.1', int(os.environ['PORT'])), Answer).serve_forever()
";

fn server(env: serde_json::Value) -> Sample {
    let fields = serde_json::json!({
        "run": ["python3", "-c", SERVER], "env": env, "ports": { "http": { "port": 8080, "protocol": "http" } }, "first": "http", "stop": "5s",
    });
    let health = checked(Probe::Http("/healthz".into()));
    Sample { health, answers: &["address", "address-http", "pid"], logs: true, ..sample("local/process", fields) }
}

fn postgres() -> Sample {
    let mut fields = value(serde_json::json!({ "database": "book", "username": "book" }));
    let name = SecretName("suite/users.password".into());
    fields.put(
        &FieldPath::fixed("password"),
        Value::Expr(vec![Piece::Secret { name: name.clone(), key: None, encode: false }]),
    );
    let mut filled = Filled::default();
    filled.secrets.insert(name, Plain::new("it's 50% s3cret".into()));
    Sample {
        fields,
        filled,
        answers: &["host", "port", "address", "version"],
        logs: true,
        ..sample("local/postgres", serde_json::json!({}))
    }
}

#[async_trait]
impl Stage for Local {
    fn provider(&self) -> &dyn Provider {
        &self.provider
    }
    async fn restart(&mut self) {
        self.provider = provider(self.state.path(), &self.instance, &self.contents);
    }
    fn instance(&self) -> String {
        self.instance.clone()
    }
    async fn wait(&self) {
        assert!(tokio::time::Instant::now() < self.until, "patience is at its end");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    fn samples(&self) -> Vec<Sample> {
        let ports =
            |protocol: &str| serde_json::json!({ "ports": { "http": { "protocol": protocol } }, "first": "http" });
        vec![
            Sample { answers: &["path"], ..sample("local/folder", serde_json::json!({ "size": "1Gi" })) },
            Sample {
                changed: Some(value(ports("tcp"))),
                answers: &["address", "address-http", "url", "host", "port"],
                ..sample("local/address", ports("http"))
            },
            server(serde_json::json!({ "LEVEL": "info" })),
            postgres(),
        ]
    }
}

#[tokio::test]
async fn passes_the_suite() {
    let mut stage = Local::new();
    suite::lives_once(&stage).await;
    suite::changes_in_place(&stage).await;
    suite::touches_nothing_foreign(&stage).await;
    suite::answers_in_order(&stage).await;
    suite::preflight_changes_nothing(&stage).await;
    suite::tells_its_log(&stage).await;
    suite::survives_a_restart(&mut stage).await;
}

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

#[tokio::test]
async fn a_copy_is_prepared_once_for_its_inputs() {
    let stage = Local::new();
    let prepare = serde_json::json!({ "run": [["sh", "-c", "mkdir made; cat input.txt > made/out; date +%N >> made/out"]], "inputs": ["input.txt"] });
    let copy = async |app: &str, input: &str| {
        let content = stage.content(&[("app.txt", app), ("input.txt", input)]).await;
        let fields = serde_json::json!({ "content": content.to_string(), "prepare": prepare });
        let name =
            format!("suite/shop/shop.copy#{}", u32::from_be_bytes(content.bytes()[..4].try_into().unwrap()) % 1000 + 2);
        let (_, outputs) = stage.made(&name, &sample("local/copy", fields)).await;
        let path = PathBuf::from(outputs["path"].as_text().unwrap());
        (
            std::fs::read_to_string(path.join("app.txt")).unwrap(),
            std::fs::read_to_string(path.join("made/out")).unwrap(),
        )
    };
    let (first_app, first_made) = copy("one", "a").await;
    let (second_app, second_made) = copy("two", "a").await;
    let (_, third_made) = copy("two", "b").await;
    assert_eq!((first_app.as_str(), second_app.as_str()), ("one", "two"));
    assert!(first_made.starts_with('a'));
    assert_eq!(first_made, second_made, "the same inputs are prepared once");
    assert!(third_made.starts_with('b'), "other inputs are prepared anew");
}

#[tokio::test]
async fn t41_a_prepare_that_fails_says_why() {
    let stage = Local::new();
    let content = stage.content(&[("app.txt", "one")]).await;
    let fields = serde_json::json!({ "content": content.to_string(), "prepare": { "run": [["sh", "-c", "echo no such package; exit 7"], ["true"]] } });
    let sample = sample("local/copy", fields);
    let shop = identity("suite/shop/shop.copy");
    let handle = stage.make(&shop, &sample).await;
    let asked = query(&shop, &sample, Some(handle));
    loop {
        let seen = look(&stage, &asked).await;
        if let Condition::Failed(why) = &seen.present().unwrap().condition {
            assert_eq!(why.text, "prepare failed: it ended with code 7");
            assert!(why.details.iter().any(|line| line.contains("no such package")), "{why:?}");
            break;
        }
        stage.wait().await;
    }
    let lines = stage.provider.logs(&asked, &LogFrom { tail: 100, follow: false }).await.unwrap();
    let lines: Vec<String> = lines.map(|line| line.text).collect().await;
    assert!(lines.iter().any(|line| line.starts_with("+ echo no such package")), "{lines:?}");
}

#[tokio::test]
async fn a_test_runs_once_and_tells_its_end() {
    let stage = Local::new();
    let content = stage.content(&[("app.txt", "one")]).await;
    let (_, copy) = stage
        .made("suite/shop/shop.copy", &sample("local/copy", serde_json::json!({ "content": content.to_string() })))
        .await;
    let fields = serde_json::json!({ "run": [["sh", "-c", "cat app.txt; echo ran >> ran; test \"$(wc -l < ran)\" -eq 1"]], "folder": copy["path"] });
    let sample = sample("local/test", fields);
    let test = identity("suite/shop/shop.test");
    for _ in 0..3 {
        stage.make(&test, &sample).await;
    }
    let seen = until(&stage, &query(&test, &sample, None), is_settled).await;
    let Condition::Finished(exit) = &seen.present().unwrap().condition else { panic!("{seen:?}") };
    assert_eq!(exit.code, 0, "{exit:?}");
}

#[tokio::test]
async fn postgres_keeps_what_is_written_and_saves_it_before_it_goes() {
    let mut stage = Local::new();
    let sample = postgres();
    let (users, outputs) = stage.made("suite/shop/users", &sample).await;
    let port = u16::try_from(outputs["port"].as_whole().unwrap()).unwrap();
    let connect = async |user: &str, password: &str| {
        let mut config = tokio_postgres::Config::new();
        config.host("127.0.0.1").port(port).user(user).password(password).dbname("book");
        let (client, connection) = config.connect(tokio_postgres::NoTls).await?;
        tokio::spawn(connection);
        Ok::<_, tokio_postgres::Error>(client)
    };
    let client = connect("book", "it's 50% s3cret").await.unwrap();
    client.batch_execute("CREATE TABLE guests (name text); INSERT INTO guests VALUES ('Ada')").await.unwrap();
    assert!(connect("book", "wrong").await.is_err(), "a password is needed");
    assert!(connect("deployd", "it's 50% s3cret").await.is_err(), "the superuser is let in from nowhere");
    let row = client.query_one("SELECT rolsuper FROM pg_roles WHERE rolname = 'book'", &[]).await.unwrap();
    assert!(!row.get::<_, bool>(0), "the service's user is no superuser");
    drop(client);

    // Server and room start anew; then PostgreSQL itself is killed: the data is there.
    stage.restart().await;
    let asked = query(&users, &sample, None);
    assert!(is_settled(&look(&stage, &asked).await));
    let keeper::Found::Running(state) = keeper::find(&stage.thing("postgres")) else { panic!("it runs") };
    assert_ne!(user_of(state.service.as_ref().unwrap().pid), 0, "PostgreSQL never runs as root");
    let pid = rustix::process::Pid::from_raw(i32::try_from(state.service.unwrap().pid).unwrap()).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
    let back = async || loop {
        match connect("book", "it's 50% s3cret").await {
            Ok(client) => return client,
            Err(_) => stage.wait().await,
        }
    };
    let row = back().await.query_one("SELECT name FROM guests", &[]).await.unwrap();
    assert_eq!(row.get::<_, String>(0), "Ada");

    let note = stage.delete(&users, &sample, Keep::Final).await.expect("it says where it was saved");
    assert!(note.starts_with("saved to backups/users-") && note.contains(".tar.zst"), "{note}");
    let backups: Vec<_> = std::fs::read_dir(stage.state.path().join("backups")).unwrap().collect();
    assert_eq!(backups.len(), 1);
}

/// The real user of a process.
fn user_of(pid: u32) -> u32 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find(|line| line.starts_with("Uid:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

#[tokio::test]
async fn a_folders_files_last_and_are_saved() {
    let mut stage = Local::new();
    let sample = sample("local/folder", serde_json::json!({}));
    let (uploads, outputs) = stage.made("suite/shop/uploads", &sample).await;
    let path = PathBuf::from(outputs["path"].as_text().unwrap());
    std::fs::write(path.join("photo"), "pixels").unwrap();
    stage.restart().await;
    stage.make(&uploads, &sample).await;
    assert_eq!(std::fs::read_to_string(path.join("photo")).unwrap(), "pixels");
    let note = stage.delete(&uploads, &sample, Keep::Final).await.unwrap();
    assert!(note.starts_with("saved to backups/uploads-"), "{note}");
    assert!(!path.exists());
}

#[tokio::test]
async fn what_cannot_be_read_is_unknown_and_not_absent() {
    let stage = Local::new();
    let sample = sample("local/folder", serde_json::json!({}));
    let (uploads, _) = stage.made("suite/shop/uploads", &sample).await;
    std::fs::write(stage.thing("folder").join("thing.json"), "{").unwrap();
    let seen = look(&stage, &query(&uploads, &sample, None)).await;
    assert!(matches!(seen.presence, Presence::Unknown(_)), "{seen:?}");
    let listing = stage.provider.list(&deployd::contract::ListScope { stack: None }).await;
    assert!(!listing.complete, "a listing that cannot read everything proves no absence");
}

#[tokio::test]
async fn what_ends_is_hinted_at() {
    let stage = Local::new();
    let mut hints = stage.provider.hints();
    let first = tokio::spawn(async move { hints.next().await });
    let fields = serde_json::json!({ "run": ["sleep", "600"] });
    let (shop, _) = stage.made("suite/shop/shop.1", &sample("local/process", fields)).await;
    let hint = tokio::time::timeout(PATIENCE, first).await.unwrap().unwrap().unwrap();
    assert_eq!(hint.stack, Some(shop.address.stack_id()));
    let seen = stage.provider.observe(&[], Freshness::Cached(Milliseconds(1))).await;
    assert!(seen.is_empty());
}
