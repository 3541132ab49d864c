//! Finds the server of a state folder, or starts one for as long as somebody needs it.
//!
//! It ends by itself when the last command has ended; neither its end nor its death stops a service.

use super::arguments::Common;
use super::client::Client;
use super::exit::{Exit, Failure};
use super::folders::{self, Near};
use super::out::Out;
use super::server_files;
use crate::server::api::answers::ServerInfo;
use crate::server::api::paths;
use reqwest::{Method, Response};
use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, SeekFrom};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use zeroize::Zeroizing;

/// A server, and how it was found.
pub(super) struct Connection {
    /// Its API.
    pub client: Client,
    /// Whether the one before it ended without saying so.
    pub after_unclean_stop: bool,
    /// Whether this command has started it.
    pub is_ours: bool,
    /// The folder of worlds and repositories that it has, where that is known.
    pub config: Option<PathBuf>,
    /// Keeps a server that was started for its callers alone: open as long as this lives.
    session: tokio::task::JoinHandle<()>,
}

/// How long a server may take to be ready. A large store is read whole before that.
const READY_WITHIN: Duration = Duration::from_secs(60);
/// How often it is looked for meanwhile.
const LOOK_EVERY: Duration = Duration::from_millis(20);
/// How long one that is ending may take: its orders come to their ends first.
const ENDS_WITHIN: Duration = Duration::from_secs(15);
/// How long one that was killed may take to be gone: what it had in memory is given back first.
const DIES_WITHIN: Duration = Duration::from_secs(1);
/// How often another is started while one that ends still has the state.
const TRY_EVERY: Duration = Duration::from_millis(150);
/// How a server ends that was started for its callers, and found that another has the state.
pub(super) const LOCKED: Exit = Exit::TooLong;
/// So many servers may be killed by others while they start.
const KILLED_MAX: u32 = 5;
/// After so long it is said that it takes long.
const QUIET_FOR: Duration = Duration::from_secs(3);
/// Descriptors from here on are nobody's standard ones.
const FIRST_AFTER_STANDARD: i32 = 3;
/// The log of a server that no terminal shows.
const LOG_FILE: &str = "server.log";
/// More of a log is not shown when a server does not start.
const LOG_SHOWN: usize = 2000;
/// The variable that holds the token of a server elsewhere.
const TOKEN_VARIABLE: &str = "DEPLOYD_TOKEN";

impl Drop for Connection {
    fn drop(&mut self) {
        self.session.abort();
    }
}

/// The server that a command speaks to: the one that is named, the one that runs, or one that is started now. One that is
/// just ending is waited for, and the next is started.
///
/// # Errors
/// The named one does not answer, or none can be started: why, in its own words.
pub(super) async fn connect(common: &Common, near: &Near, out: &Out) -> Result<Connection, Failure> {
    if let Some(address) = &common.server {
        let client = Client::new(&of_loopback(address)?, token_of_variable()?)?;
        client.get::<ServerInfo>(paths::SERVER).await?;
        return held(client, None).await;
    }
    let state = folders::state(common)?;
    let begun = Instant::now();
    loop {
        let (client, started, config) = match running(&state).await? {
            Some(client) => (client, None, server_files::config(&state)),
            None => {
                let was_killed = was_killed(&state).await;
                let config = folders::config(common, near)?;
                (start(&state, config.as_deref(), out).await?, Some(was_killed), config)
            }
        };
        match held(client, started).await {
            // It has answered, and then begun to end.
            Err(failure) if failure.exit == Exit::Unreachable && begun.elapsed() < ENDS_WITHIN => {
                tokio::time::sleep(LOOK_EVERY).await;
            }
            Ok(mut connection) => {
                connection.config = config;
                return Ok(connection);
            }
            Err(failure) => return Err(failure),
        }
    }
}

/// Whether the server that does not answer was killed: one that ends takes its files away, they are left by one that was
/// killed. One that is just being killed answers nobody any more, and lives for a moment yet.
async fn was_killed(state: &Path) -> bool {
    let begun = Instant::now();
    loop {
        match server_files::pid(state) {
            None => return false,
            Some(pid) if !server_files::lives(pid) => return true,
            Some(_) if begun.elapsed() > DIES_WITHIN => return false,
            Some(_) => tokio::time::sleep(LOOK_EVERY).await,
        }
        // Another command has started the next one meanwhile.
        if matches!(running(state).await, Ok(Some(_))) {
            return false;
        }
    }
}

/// Only this machine is spoken to in plain text.
fn of_loopback(address: &str) -> Result<String, Failure> {
    let rest = address.strip_prefix("http://").unwrap_or(address);
    let host = rest.trim_end_matches('/');
    let is_loopback = ["127.0.0.1", "localhost", "[::1]"]
        .iter()
        .any(|name| host.strip_prefix(name).is_some_and(|rest| rest.is_empty() || rest.starts_with(':')));
    match is_loopback && !address.starts_with("https://") {
        true => Ok(format!("http://{host}")),
        false => Err(Failure::new(Exit::Usage, "a server of another machine is not built yet: it needs https")
            .way_out("a tunnel makes it one of this machine: ssh -L 7070:127.0.0.1:7070 HOST")),
    }
}

fn token_of_variable() -> Result<Zeroizing<String>, Failure> {
    let token = std::env::var(TOKEN_VARIABLE).map(Zeroizing::new);
    token.map_err(|_| Failure::new(Exit::Refused, format!("{TOKEN_VARIABLE} holds no token for that server")))
}

/// Holds a session open. `started` is whether this command has started the server, and if, whether the one before was killed.
async fn held(client: Client, started: Option<bool>) -> Result<Connection, Failure> {
    let nothing: Option<&()> = None;
    let session = match client.stream(Method::GET, paths::SESSION, nothing).await {
        Ok(session) => tokio::spawn(listen(session)),
        // Whoever may only look keeps no server from ending: it was named, and is another's.
        Err(failure) if started.is_none() && failure.lacks_scope() => tokio::spawn(async {}),
        Err(failure) => return Err(failure),
    };
    let after_unclean_stop = started == Some(true);
    Ok(Connection { client, after_unclean_stop, is_ours: started.is_some(), config: None, session })
}

/// Reads what a session says, which is only that it is open.
async fn listen(mut session: Response) {
    while let Ok(Some(_)) = session.chunk().await {}
}

/// The server that runs over a state folder, if there is one and it is ours.
async fn running(state: &Path) -> Result<Option<Client>, Failure> {
    let Some((address, token)) = server_files::of(state)? else { return Ok(None) };
    let client = Client::new(&address, token)?;
    match client.get::<ServerInfo>(paths::SERVER).await {
        Ok(_) => Ok(Some(client)),
        // Killed: its address is left, and nothing or something else answers there.
        Err(failure) if matches!(failure.exit, Exit::Unreachable | Exit::Refused) => Ok(None),
        Err(failure) => Err(failure),
    }
}

/// Starts one and waits until it answers. Whoever starts another at the same moment gets the same one; where another still
/// has the state, because it is ending, the next is started when it has.
async fn start(state: &Path, config: Option<&Path>, out: &Out) -> Result<Client, Failure> {
    let mut started = Started::new(state, config)?;
    let begun = Instant::now();
    let (mut told, mut killed) = (false, 0);
    loop {
        if let Some(client) = running(state).await? {
            return Ok(client);
        }
        if let Some(ended) = started.ended() {
            // Somebody has killed it, which says nothing of the next one.
            if ended.code().is_none() && killed < KILLED_MAX {
                killed += 1;
                started = Started::new(state, config)?;
                continue;
            }
            if !is_locked_out(ended) {
                return Err(started.why(ended));
            }
            if begun.elapsed() > READY_WITHIN {
                return Err(started.why(ended).way_out("another deployd has the state: is it stopped, or stuck?"));
            }
            // Its owner is about to answer, or about to end: one of the two is soon seen.
            tokio::time::sleep(TRY_EVERY).await;
            if running(state).await?.is_none() {
                started = Started::new(state, config)?;
            }
            continue;
        }
        if begun.elapsed() > READY_WITHIN {
            let what = format!("the server was not ready within {} s", READY_WITHIN.as_secs());
            return Err(Failure::new(Exit::Unreachable, what).way_out(format!("see {}", started.log.display())));
        }
        if begun.elapsed() > QUIET_FOR && !told {
            told = true;
            out.talk("the server is starting\n");
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// Whether a server that was started did not start because another has the state.
fn is_locked_out(ended: std::process::ExitStatus) -> bool {
    ended.code() == Some(i32::from(LOCKED.code()))
}

/// A server that this command has started.
struct Started {
    child: Child,
    log: PathBuf,
    /// Where its own words begin in the log.
    from: u64,
}

impl Started {
    fn new(state: &Path, config: Option<&Path>) -> Result<Started, Failure> {
        let log = state.join(LOG_FILE);
        let failed = |what: &str, error: &std::io::Error| Failure::new(Exit::WentWrong, format!("{what}: {error}"));
        std::fs::DirBuilder::new()
            .recursive(true)
            .create(state)
            .map_err(|error| failed(&format!("the state folder {} cannot be made", state.display()), &error))?;
        let file = OpenOptions::new().append(true).create(true).mode(0o600).open(&log);
        let file = file.map_err(|error| failed(&format!("{} cannot be written", log.display()), &error))?;
        let from = file.metadata().map(|about| about.len()).unwrap_or(0);
        let copy = file.try_clone().map_err(|error| failed("the log cannot be opened twice", &error))?;
        let program = std::env::current_exe().map_err(|error| failed("this program cannot be found", &error))?;
        let mut command = Command::new(program);
        command.arg("serve").arg("--until-idle").arg("--state").arg(state);
        if let Some(config) = config {
            command.arg("--config").arg(config);
        }
        // Whoever waits for the end of something that we have inherited does not wait for the server's.
        close_fds::set_fds_cloexec(FIRST_AFTER_STANDARD, &[]);
        // Where it was started from may be deleted while it runs.
        command.current_dir(state).stdin(Stdio::null()).stdout(copy).stderr(file);
        let child = command.spawn().map_err(|error| failed("the server cannot be started", &error))?;
        Ok(Started { child, log, from })
    }

    fn ended(&mut self) -> Option<std::process::ExitStatus> {
        self.child.try_wait().ok().flatten()
    }

    /// Why it did not start.
    fn why(&self, ended: std::process::ExitStatus) -> Failure {
        let said = self.said();
        let exit = match ended.code() {
            Some(code) if code == i32::from(Exit::Mistakes.code()) => Exit::Mistakes,
            Some(code) if code == i32::from(Exit::Usage.code()) => Exit::Usage,
            _ => Exit::WentWrong,
        };
        let what = if said.is_empty() { format!("the server does not start: {ended}") } else { said };
        Failure::new(exit, what)
    }

    /// Its last words, without the word that we say ourselves.
    fn said(&self) -> String {
        let read = || -> std::io::Result<String> {
            let mut file = File::open(&self.log)?;
            file.seek(SeekFrom::Start(self.from))?;
            let mut text = Vec::new();
            file.read_to_end(&mut text)?;
            Ok(String::from_utf8_lossy(&text).into_owned())
        };
        let text = read().unwrap_or_default();
        // A line of its own: an error may be told within another one's words.
        let begins =
            |text: &str| text.rmatch_indices("error: ").map(|(at, _)| at).find(|at| text[..*at].ends_with('\n'));
        let marked = format!("\n{text}");
        let text = begins(&marked).map_or(text.as_str(), |at| &marked[at + "error: ".len()..]).trim();
        let from = text.len().saturating_sub(LOG_SHOWN);
        let from = (from..text.len()).find(|at| text.is_char_boundary(*at)).unwrap_or(text.len());
        text[from..].lines().map(str::trim).collect::<Vec<_>>().join("\n")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A process that does nothing until it is killed, as the server of a state folder.
    fn server(state: &Path) -> Child {
        let child = Command::new("cat").stdin(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
        std::fs::write(state.join(crate::server::place::PID_FILE), child.id().to_string()).unwrap();
        child
    }

    #[tokio::test]
    async fn one_that_is_just_being_killed_was_killed() {
        let state = tempfile::tempdir().unwrap();
        assert!(!was_killed(state.path()).await);
        let mut child = server(state.path());
        let kill = async { child.kill().and_then(|()| child.wait()).unwrap() };
        assert!(tokio::join!(was_killed(state.path()), kill).0);
    }

    #[tokio::test]
    async fn one_that_takes_its_files_away_ends_by_itself() {
        let state = tempfile::tempdir().unwrap();
        let mut child = server(state.path());
        let end = async { std::fs::remove_file(state.path().join(crate::server::place::PID_FILE)).unwrap() };
        assert!(!tokio::join!(was_killed(state.path()), end).0);
        child.kill().and_then(|()| child.wait()).unwrap();
    }

    #[test]
    fn a_token_is_sent_to_this_machine_alone() {
        assert_eq!(of_loopback("http://127.0.0.1:7070/").unwrap(), "http://127.0.0.1:7070");
        assert_eq!(of_loopback("localhost:7070").unwrap(), "http://localhost:7070");
        for other in
            ["https://127.0.0.1", "http://example.com", "http://127.0.0.1.example.com", "http://localhost.io:1"]
        {
            assert_eq!(of_loopback(other).unwrap_err().exit, Exit::Usage, "{other}");
        }
    }
}
