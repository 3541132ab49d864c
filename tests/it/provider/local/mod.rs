//! The local room passes the suite with real processes, a real proxy and a real PostgreSQL, and does what only it does.

mod copies;
mod data;
mod lost;
mod services;

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

    /// Where the only PostgreSQL of root has its data: where root's other users can reach it.
    fn outside(&self) -> PathBuf {
        let folder = Path::new("/var/lib/deployd").join(&self.instance);
        let mut entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
        entries.find(|path| path.is_dir()).unwrap()
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
        proxy: Arc::new(arc_swap::ArcSwap::from_pointee(proxy::Settings {
            http_port: 18_080,
            ..proxy::Settings::default()
        })),
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
