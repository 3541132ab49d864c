//! The role `deployd proxy FOLDER`: its start and its end, seen from inside.

use super::access::{Log, Rotation};
use super::control::Control;
use super::home::Home;
use super::kept::{Kept, Loaded, write_whole};
use super::process::{self, Process};
use super::socket;
use super::traffic::Traffic;
use rustix::process::{Resource, getrlimit, setrlimit};
use std::ffi::OsString;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};
use std::sync::Arc;
use std::time::Duration;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// What the launcher prints once the proxy answers.
pub(super) const READY: &str = "ready";
/// What it prints when another process is the proxy of this folder.
pub(super) const BUSY: &str = "busy";

/// More threads than this are of no use to loopback traffic, and each costs memory.
const THREADS_MAX: usize = 4;
/// Changes that wait their turn; who finds the queue full waits.
const ORDERS_WAITING_MAX: usize = 256;
/// How often it looks whether its folder is still there.
const LOOK_FOR_FOLDER: Duration = Duration::from_secs(2);

/// Runs the role with what follows `proxy` on the command line: `FOLDER` runs the proxy of that state folder in the
/// foreground, `FOLDER --launch` starts it in a session of its own and ends when it answers.
#[must_use]
pub fn role(arguments: impl Iterator<Item = OsString>) -> ExitCode {
    let arguments: Vec<OsString> = arguments.collect();
    let done = match arguments.as_slice() {
        [state] => serve(Path::new(state), Standing::Foreground),
        [state, how] if how == "--launch" => launch(Path::new(state)),
        [state, how] if how == "--detached" => serve(Path::new(state), Standing::Detached),
        _ => Err("usage: deployd proxy FOLDER".to_owned()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            // Nobody may read it any more; there is nothing else to do about that.
            let _ = writeln!(std::io::stderr(), "deployd proxy: {why}");
            ExitCode::FAILURE
        }
    }
}

/// How this process stands to whoever started it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Standing {
    Foreground,
    Detached,
}

/// Starts the proxy as a grandchild in a new session, and passes on its first word.
fn launch(state: &Path) -> Result<(), String> {
    rustix::process::setsid().map_err(|e| format!("a new session cannot be begun: {e}"))?;
    let home = Home::of(state);
    home.make().map_err(|e| format!("{}: {e}", home.folder().display()))?;
    let log = home.open_own_log().map_err(|e| format!("{}: {e}", home.own_log().display()))?;
    let program = std::env::current_exe().map_err(|e| format!("this program cannot be found: {e}"))?;
    let mut command = Command::new(program);
    command.arg("proxy").arg(state).arg("--detached").env_clear().current_dir("/");
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(log);
    let mut child = command.spawn().map_err(|e| format!("the proxy cannot be started: {e}"))?;
    let said = child.stdout.take().expect("stdout was piped");
    let mut word = String::new();
    BufReader::new(said).read_line(&mut word).map_err(|e| format!("the proxy cannot be heard: {e}"))?;
    match word.trim() {
        said if said == READY || said == BUSY => {
            writeln!(std::io::stdout(), "{said}").map_err(|e| format!("nobody listens: {e}"))
        }
        _ => Err(format!("it ended before it was ready: {}", last_line(&home))),
    }
}

/// What it said last, for whoever waits for it.
fn last_line(home: &Home) -> String {
    let log = std::fs::read(home.own_log()).unwrap_or_default();
    String::from_utf8_lossy(&log).lines().last().unwrap_or("it said nothing").to_owned()
}

/// Runs the proxy until it is told to end, or until its folder is gone.
fn serve(state: &Path, standing: Standing) -> Result<(), String> {
    let home = Home::of(state);
    let at_home = |e: io::Error| format!("{}: {e}", home.folder().display());
    home.make().map_err(at_home)?;
    if standing == Standing::Detached {
        // A session of its own even within the launcher's, so that no signal to a group or terminal finds it.
        rustix::process::setsid().map_err(|e| format!("a new session cannot be begun: {e}"))?;
    }
    let Some(lock) = process::lock(&home).map_err(at_home)? else {
        return match standing {
            Standing::Detached => say(BUSY),
            Standing::Foreground => Err(format!("another process is the proxy of {}", home.folder().display())),
        };
    };
    let this = Process::this().map_err(|e| format!("this process is unknown to itself: {e}"))?;
    let text = serde_json::to_vec(&this).map_err(|e| e.to_string())?;
    write_whole(&home.process(), &text).map_err(at_home)?;
    let kept = match Kept::load(&home).map_err(|e| format!("{}: {e}", home.table().display()))? {
        Loaded::Kept(kept) => kept,
        Loaded::SetAside { to, why } => {
            note(&format!(
                "the table cannot be read ({why}); it is set aside as {}, and all begins anew",
                to.display()
            ));
            Kept::default()
        }
    };
    let socket = socket::open(&home).map_err(|e| format!("the control socket cannot be opened: {e}"))?;
    let descriptors = raise_descriptors();
    let rotation = Rotation { bytes: kept.settings.log_bytes.0, files: kept.settings.log_files };
    let log = Log::open(home.access_log(), rotation).map_err(|e| format!("{}: {e}", home.access_log().display()))?;
    let threads = std::thread::available_parallelism().map_or(1, usize::from).min(THREADS_MAX);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(threads)
        .enable_all()
        .build()
        .map_err(|e| format!("no runtime can be built: {e}"))?;
    let ended = runtime.block_on(live(&home, &lock, kept, log.clone(), socket, descriptors));
    // What did not end within the limit ends now.
    runtime.shutdown_background();
    log.close();
    ended
}

async fn live(
    home: &Home,
    lock: &File,
    kept: Kept,
    log: Log,
    socket: std::os::unix::net::UnixListener,
    descriptors: u64,
) -> Result<(), String> {
    let socket = tokio::net::UnixListener::from_std(socket).map_err(|e| format!("the control socket: {e}"))?;
    let mut asked_to_end = Asked::listen().map_err(|e| format!("signals cannot be heard: {e}"))?;
    let traffic = Traffic::new(kept.settings.clone(), log, descriptors);
    let control = Control::start(home.clone(), kept, Arc::clone(&traffic)).await;
    let (orders, taken) = tokio::sync::mpsc::channel(ORDERS_WAITING_MAX);
    traffic.tasks.spawn(control.run(taken));
    traffic.tasks.spawn(socket::serve(socket, Arc::clone(&traffic), orders));
    say(READY)?;
    let mut look = tokio::time::interval(LOOK_FOR_FOLDER);
    loop {
        tokio::select! {
            biased;
            () = asked_to_end.by_signal() => break,
            // Tests and users remove folders; a proxy that nobody can reach any more must not stay for ever.
            _ = look.tick() => if !process::still_there(home, lock) { break },
        }
    }
    traffic.ending.cancel();
    traffic.tasks.close();
    // Closed first, so that none is kept after this.
    traffic.table.load().upstreams().for_each(|upstream| upstream.let_go());
    let drain = traffic.limits().drain.duration();
    if tokio::time::timeout(drain, traffic.tasks.wait()).await.is_err() {
        note(&format!("{} connections did not end within {} s and are cut", traffic.seats.taken(), drain.as_secs()));
    }
    if process::still_there(home, lock) {
        // Whoever comes next finds nobody at once, instead of a socket that does not answer.
        let _ = home.socket().map(|path| std::fs::remove_file(path.as_ref()));
    }
    Ok(())
}

/// Signals that ask for an end.
struct Asked {
    term: Signal,
    int: Signal,
}

impl Asked {
    fn listen() -> io::Result<Asked> {
        Ok(Asked { term: signal(SignalKind::terminate())?, int: signal(SignalKind::interrupt())? })
    }

    async fn by_signal(&mut self) {
        tokio::select! {
            _ = self.term.recv() => {}
            _ = self.int.recv() => {}
        }
    }
}

/// Lets this process open as many descriptors as it may, and says how many those are.
fn raise_descriptors() -> u64 {
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    // If it may not be raised, fewer connections are let in.
    let _ = setrlimit(Resource::Nofile, limit);
    getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX)
}

/// One word to the launcher, or to whoever runs it in the foreground.
fn say(word: &str) -> Result<(), String> {
    let mut out = io::stdout();
    writeln!(out, "{word}").and_then(|()| out.flush()).map_err(|e| format!("nobody listens: {e}"))
}

/// A line in its own log.
fn note(text: &str) {
    let now = jiff::Timestamp::now();
    // There is nowhere else to say it.
    let _ = writeln!(io::stderr(), "{now:.0} {text}");
}
