//! What the proxy's tests are made with: a proxy in a folder of its own, services behind it, and clients before it.

use deployd::model::Digest;
use deployd::proxy::{self, Backend, Client, Limits, Listen, Protocol, Put, Route, Settings, Start};
use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, AtomicU64, Ordering};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// Nothing here takes a second; a loaded machine gets many.
pub const DEADLINE: Duration = Duration::from_secs(30);

/// A proxy that is gone with its test.
pub struct World {
    pub folder: tempfile::TempDir,
    pub client: Client,
    pub settings: Settings,
}

impl World {
    pub async fn new() -> World {
        World::with(|_| {}).await
    }

    pub async fn limited(limits: Limits) -> World {
        World::with(|settings| settings.limits = limits).await
    }

    pub async fn with(change: impl FnOnce(&mut Settings)) -> World {
        let folder = tempfile::tempdir().unwrap();
        let mut settings = Settings { http_port: free_http_port(), ..Settings::default() };
        change(&mut settings);
        let client = proxy::ensure_running(&start(folder.path().to_owned(), settings.clone())).await.unwrap();
        World { folder, client, settings }
    }

    pub fn start(&self) -> Start {
        start(self.folder.path().to_owned(), self.settings.clone())
    }

    pub fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join("proxy").join(name)
    }

    pub async fn put(&self, route: &Route) -> Put {
        self.client.put(route).await.unwrap()
    }

    /// An entrypoint at that host with these backends.
    pub async fn entrypoint(&self, host: &str, services: &[&Service]) -> SocketAddr {
        self.put(&route(host, Listen::host(host), services)).await.address
    }

    /// A stable local address with these backends.
    pub async fn stable(&self, id: &str, protocol: Protocol, services: &[&Service]) -> SocketAddr {
        self.put(&route(id, Listen::stable(protocol), services)).await.address
    }

    pub async fn pid(&self) -> u32 {
        self.client.version().await.unwrap().pid
    }

    /// The proxy's process, whether it answers or not.
    pub fn recorded_pid(&self) -> Option<u32> {
        let text = std::fs::read(self.file("process.json")).ok()?;
        let process: serde_json::Value = serde_json::from_slice(&text).ok()?;
        u32::try_from(process["pid"].as_u64()?).ok()
    }

    /// `kill -9`, and waits until it is gone.
    pub async fn kill(&self) {
        let pid = self.recorded_pid().unwrap();
        signal(pid, rustix::process::Signal::KILL);
        until("the proxy is gone", async || !lives(pid)).await;
    }
}

impl Drop for World {
    fn drop(&mut self) {
        let Some(pid) = self.recorded_pid() else { return };
        let command = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        let folder = self.folder.path().to_string_lossy().into_owned();
        if String::from_utf8_lossy(&command).contains(&folder) {
            signal(pid, rustix::process::Signal::KILL);
        }
    }
}

pub fn start(state: PathBuf, settings: Settings) -> Start {
    Start { state, program: PathBuf::from(env!("CARGO_BIN_EXE_deployd")), settings }
}

pub fn signal(pid: u32, signal: rustix::process::Signal) {
    let pid = rustix::process::Pid::from_raw(i32::try_from(pid).unwrap()).unwrap();
    let _ = rustix::process::kill_process(pid, signal);
}

/// Whether a process runs; one that only waits to be collected does not.
pub fn lives(pid: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit(')').next().is_some_and(|rest| !rest.is_empty() && !rest.trim_start().starts_with('Z'))
}

/// Tests run side by side, some in other processes: each asks for another port, and passes over those that somebody has.
pub fn free_http_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    loop {
        let step = u32::from(NEXT.fetch_add(1, Ordering::Relaxed));
        let port = u16::try_from(10_000 + (std::process::id() * 131 + step * 7) % 9_000).unwrap();
        if std::net::TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}

pub fn route(id: &str, listen: Listen, services: &[&Service]) -> Route {
    let backends = services.iter().map(|service| service.backend()).collect();
    Route::to(id, &format!("receipt of {id}"), Digest::of("shape"), listen, backends)
}

/// Looks again until something is so.
pub async fn until(what: &str, mut is_so: impl AsyncFnMut() -> bool) {
    let deadline = tokio::time::Instant::now() + DEADLINE;
    while !is_so().await {
        assert!(tokio::time::Instant::now() < deadline, "still not so: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// Fails instead of hanging.
pub async fn soon<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(DEADLINE, future).await.expect("this takes too long")
}

/// What a test's service answers with.
pub type Body = http_body_util::combinators::BoxBody<Bytes, std::io::Error>;

pub fn text(text: impl Into<Bytes>) -> Body {
    Full::new(text.into()).map_err(|never| match never {}).boxed()
}

/// One replica of a service.
pub struct Service {
    pub name: String,
    pub address: SocketAddr,
    pub state: Arc<ServiceState>,
    serving: JoinHandle<()>,
}

#[derive(Default)]
pub struct ServiceState {
    /// Requests whose head arrived.
    pub begun: AtomicU64,
    /// Requests that are being answered.
    pub in_flight: AtomicU64,
    /// Connections that were accepted.
    pub connections: AtomicU64,
}

impl Service {
    /// Answers every request with its own name.
    pub async fn named(name: &str) -> Service {
        let own = name.to_owned();
        Service::answering(name, move |_| {
            let own = own.clone();
            async move { Response::new(text(own)) }
        })
        .await
    }

    /// Answers with the head that it got, one line a header.
    pub async fn mirror(name: &str) -> Service {
        Service::answering(name, |request: Request<Incoming>| async move {
            let mut lines = vec![format!("{} {}", request.method(), request.uri())];
            lines.extend(
                request.headers().iter().map(|(n, v)| format!("{n}: {}", String::from_utf8_lossy(v.as_bytes()))),
            );
            Response::new(text(lines.join("\n")))
        })
        .await
    }

    pub async fn answering<F, A>(name: &str, answer: F) -> Service
    where
        F: Fn(Request<Incoming>) -> A + Send + Sync + 'static,
        A: Future<Output = Response<Body>> + Send + 'static,
    {
        let answer = Arc::new(answer);
        let state = Arc::new(ServiceState::default());
        let seen = Arc::clone(&state);
        Service::raw_with(name, Arc::clone(&state), move |stream| {
            let (answer, seen) = (Arc::clone(&answer), Arc::clone(&seen));
            async move {
                let service = service_fn(move |request| {
                    let (answer, seen) = (Arc::clone(&answer), Arc::clone(&seen));
                    seen.begun.fetch_add(1, Ordering::SeqCst);
                    seen.in_flight.fetch_add(1, Ordering::SeqCst);
                    async move {
                        let answered = answer(request).await;
                        seen.in_flight.fetch_sub(1, Ordering::SeqCst);
                        Ok::<_, Infallible>(answered)
                    }
                });
                let connection =
                    hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service);
                let _ = connection.await;
            }
        })
        .await
    }

    /// Does as it likes with each connection.
    pub async fn raw<F, A>(name: &str, serve: F) -> Service
    where
        F: Fn(TcpStream) -> A + Send + 'static,
        A: Future<Output = ()> + Send + 'static,
    {
        Service::raw_with(name, Arc::default(), serve).await
    }

    async fn raw_with<F, A>(name: &str, state: Arc<ServiceState>, serve: F) -> Service
    where
        F: Fn(TcpStream) -> A + Send + 'static,
        A: Future<Output = ()> + Send + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let seen = Arc::clone(&state);
        let serving = tokio::spawn(async move {
            let mut connections = tokio::task::JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                seen.connections.fetch_add(1, Ordering::SeqCst);
                stream.set_nodelay(true).unwrap();
                connections.spawn(serve(stream));
            }
        });
        Service { name: name.to_owned(), address, state, serving }
    }

    /// Echoes bytes.
    pub async fn echo(name: &str) -> Service {
        Service::raw(name, |mut stream| async move {
            let (mut read, mut write) = stream.split();
            let _ = tokio::io::copy(&mut read, &mut write).await;
        })
        .await
    }

    pub fn backend(&self) -> Backend {
        Backend { id: self.name.clone(), address: self.address }
    }

    pub fn begun(&self) -> u64 {
        self.state.begun.load(Ordering::SeqCst)
    }

    /// Stops at once: its listener and every connection are closed.
    pub async fn stop(mut self) {
        self.serving.abort();
        let _ = (&mut self.serving).await;
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

/// An answer, whole.
#[derive(Debug)]
pub struct Reply {
    pub status: u16,
    pub head: String,
    pub body: Vec<u8>,
}

impl Reply {
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        let line = self.head.lines().find(|line| line.to_ascii_lowercase().starts_with(&format!("{name}:")))?;
        line.split_once(':').map(|(_, value)| value.trim())
    }
}

/// A connection of a client that writes what it likes and reads what comes.
pub struct Wire {
    pub stream: TcpStream,
    read: Vec<u8>,
}

impl Wire {
    pub async fn open(address: SocketAddr) -> Wire {
        let stream = soon(TcpStream::connect(address)).await.unwrap();
        stream.set_nodelay(true).unwrap();
        Wire { stream, read: Vec::new() }
    }

    pub async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        soon(self.stream.write_all(bytes.as_ref())).await.unwrap();
    }

    /// Reads until these bytes were seen, and gives back all up to them.
    pub async fn until(&mut self, mark: &[u8]) -> Vec<u8> {
        loop {
            if let Some(at) = self.read.windows(mark.len()).position(|window| window == mark) {
                let rest = self.read.split_off(at + mark.len());
                return std::mem::replace(&mut self.read, rest);
            }
            let more = soon(self.stream.read_buf(&mut self.read)).await.unwrap();
            assert!(more > 0, "it closed after {:?}", String::from_utf8_lossy(&self.read));
        }
    }

    pub async fn exactly(&mut self, count: usize) -> Vec<u8> {
        while self.read.len() < count {
            assert!(soon(self.stream.read_buf(&mut self.read)).await.unwrap() > 0, "it closed early");
        }
        let rest = self.read.split_off(count);
        std::mem::replace(&mut self.read, rest)
    }

    /// One answer with a `Content-Length` or in chunks.
    pub async fn reply(&mut self) -> Reply {
        let head = String::from_utf8(self.until(b"\r\n\r\n").await).unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        let mut reply = Reply { status, head, body: Vec::new() };
        if let Some(length) = reply.header("content-length") {
            let length = length.parse().unwrap();
            reply.body = self.exactly(length).await;
        } else if reply.header("transfer-encoding").is_some() {
            loop {
                let size = self.until(b"\r\n").await;
                let size = usize::from_str_radix(std::str::from_utf8(&size).unwrap().trim(), 16).unwrap();
                let piece = self.exactly(size + 2).await;
                if size == 0 {
                    break;
                }
                reply.body.extend(&piece[..size]);
            }
        }
        reply
    }

    /// Everything until it is closed; a reset counts as closed.
    pub async fn rest(&mut self) -> Vec<u8> {
        while let Ok(more) = soon(self.stream.read_buf(&mut self.read)).await {
            if more == 0 {
                break;
            }
        }
        std::mem::take(&mut self.read)
    }
}

/// One GET over a connection of its own.
pub async fn get(address: SocketAddr, host: &str, path: &str) -> Reply {
    get_with(address, host, path, "").await
}

/// The same with more header lines, each with its end.
pub async fn get_with(address: SocketAddr, host: &str, path: &str, headers: &str) -> Reply {
    let mut wire = Wire::open(address).await;
    wire.send(format!("GET {path} HTTP/1.1\r\nHost: {host}\r\n{headers}\r\n")).await;
    wire.reply().await
}
