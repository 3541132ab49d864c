//! `local/postgres`: a PostgreSQL server of this machine's programs, with its own data folder, port, user and password.
//!
//! It never runs as root, listens on 127.0.0.1 only and on no socket file, and its major version is fixed by its data.
//! Its superuser may not connect at all: the service's user owns the database, and no more.

mod lock;
mod outside;
mod programs;
mod setup;

use super::room::{Room, leaving, settling, unwritable};
use super::thing::{self, Thing};
use super::write;
use crate::contract::{Failure, Filled, Keep, Order, Outcome};
use crate::keeper::{self, Ask, Environment, Found, Limits, LogLimits, Phase, Restart, Spec, State, User};
use crate::model::{Digest, Milliseconds, Value};
use crate::state::{Condition, Settling, Why, WhyCode};
use outside::Outside;
use programs::Programs;
use setup::Asked;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// A clean shutdown writes everything that is dirty first.
const GRACE: Milliseconds = Milliseconds::seconds(60);
/// How long one call waits for a shutdown before it asks to be called again.
const SHUTDOWN_PATIENCE: Duration = Duration::from_secs(5);
/// How often it may end soon after a start before that counts as a failure.
const RESTARTS_MAX: u32 = 3;
/// A run that was shorter ended soon.
const STAYS_UP: Milliseconds = Milliseconds::seconds(30);

impl Room {
    pub(super) async fn create_postgres(
        &self,
        order: &Order,
        fields: &Value,
        asked: Digest,
        filled: &Filled,
    ) -> Result<Outcome, Failure> {
        let (name, folder) = self.place(order);
        let mut thing = self.begin(&folder, order, fields, asked, None)?;
        let wanted = fields.get("version").and_then(Value::as_whole);
        let data = match thing.note("data") {
            Some(data) => PathBuf::from(data),
            None => self.new_data_folder(&name, &folder)?,
        };
        let programs = programs::find(self.search_path(), setup::version_of(&data).or(wanted))?;
        self.give_ports(&mut thing, [&"postgres".to_owned()].into_iter())?;
        thing.notes.insert("data".to_owned(), data.display().to_string());
        thing.notes.insert("version".to_owned(), programs.version.clone());
        self.keep_postgres(&thing, &name, &folder)?;
        if !matches!(keeper::find(&folder), Found::Starting | Found::Running(_)) {
            let filled = fill(fields, filled)?;
            free(&data)?;
            setup::make(&programs, &data, &Asked::read(&filled)?, programs::runs_as()?.as_ref()).await?;
            self.start_postgres(&folder, &thing, &programs, &filled, order).await?;
        }
        Ok(Outcome { note: Some(ready_note(&thing)), ..settling(name, "starting", outputs(&thing)) })
    }

    /// Settings and password hold from the next start: it is stopped cleanly and started again.
    pub(super) async fn update_postgres(
        &self,
        order: &Order,
        fields: &Value,
        asked: Digest,
        filled: &Filled,
    ) -> Result<Outcome, Failure> {
        let (name, folder) = self.place(order);
        let Some(mut thing) = self.ours(&folder, order)? else {
            return Err(Failure::Refused { why: Why::new(WhyCode::Missing, format!("there is no {name}")) });
        };
        let data = PathBuf::from(thing.note("data").unwrap_or_default());
        let programs = programs::find(self.search_path(), setup::version_of(&data))?;
        let filled = fill(fields, filled)?;
        self.stop_postgres(&folder).await?;
        free(&data)?;
        setup::set_password(&programs, &data, &Asked::read(&filled)?, programs::runs_as()?.as_ref()).await?;
        (thing.fields, thing.asked, thing.leaving) = (thing::without_expressions(fields), asked, None);
        self.keep_postgres(&thing, &name, &folder)?;
        self.start_postgres(&folder, &thing, &programs, &filled, order).await?;
        Ok(Outcome { note: Some(ready_note(&thing)), ..settling(name, "starting", outputs(&thing)) })
    }

    /// Stops it cleanly, saves its data where that is asked for, and takes it away.
    pub(super) async fn remove_postgres(
        &self,
        folder: &Path,
        mut thing: Thing,
        keep: Keep,
    ) -> Result<Outcome, Failure> {
        let name = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
        self.stop_postgres(folder).await?;
        let data = PathBuf::from(thing.note("data").unwrap_or_default());
        let saved = self.remove_data(&thing, data, keep).await?;
        Outside::of(&self.settings.instance).forget(&name).map_err(|error| unwritable(folder, &error))?;
        thing.gone = Some(self.clock.now().wall);
        thing.keep(folder).map_err(|error| unwritable(folder, &error))?;
        Ok(leaving(name, saved))
    }

    async fn stop_postgres(&self, folder: &Path) -> Result<(), Failure> {
        self.end_process(folder)?;
        let patience = tokio::time::Instant::now() + SHUTDOWN_PATIENCE;
        while matches!(keeper::find(folder), Found::Starting | Found::Running(_) | Found::Unknown(_)) {
            if tokio::time::Instant::now() >= patience {
                let why = Why::new(WhyCode::TooLong, "PostgreSQL is still shutting down");
                return Err(Failure::Retry { after: Milliseconds(500), why });
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Ok(())
    }

    async fn start_postgres(
        &self,
        folder: &Path,
        thing: &Thing,
        programs: &Programs,
        fields: &Value,
        order: &Order,
    ) -> Result<(), Failure> {
        let port = thing.ports.get("postgres").copied().unwrap_or_default();
        let data = thing.note("data").unwrap_or_default().to_owned();
        if !matches!(keeper::find(folder), Found::NotStarted) {
            keeper::clear(folder).map_err(|error| super::room::keeper_failed(&error))?;
        }
        let mut command = vec![programs.postgres().display().to_string()];
        command.extend(["-D".to_owned(), data.clone(), "-p".to_owned(), port.to_string()]);
        for (key, value) in fields.get("settings").into_iter().flat_map(Value::entries) {
            let value = value.as_text().map_or_else(|| value.as_whole().unwrap_or_default().to_string(), str::to_owned);
            command.extend(["-c".to_owned(), format!("{key}={value}")]);
        }
        let spec = Spec {
            format: keeper::FORMAT,
            command,
            directory: PathBuf::from(&data),
            user: programs::runs_as()?.map(|user| User { user: user.user, group: user.group }),
            restart: Restart::SERVICE,
            // "Now, and cleanly"; SIGTERM would be "when all clients have gone".
            ask: Ask::Interrupt,
            grace: GRACE,
            limits: Limits::default(),
            log: LogLimits::default(),
            receipt: order.identity.to_string(),
        };
        let environment = Environment::new(setup::environment()).expect("these are variables");
        self.start(folder, spec, environment).await.map(drop)
    }

    /// How a server stands.
    pub(super) async fn look_at_postgres(&self, folder: &Path, thing: &Thing) -> Result<Option<Condition>, String> {
        let state = match keeper::find(folder) {
            Found::Unknown(why) => return Err(why),
            Found::Starting => return Ok(Some(Condition::Settling(Settling("starting".to_owned())))),
            Found::Running(state) => state,
            Found::NotStarted | Found::Ended(_) | Found::Dead(_) => return Ok(self.at_rest(thing)),
        };
        if self.is_going(&thing.receipt.identity) {
            return Ok(Some(Condition::Leaving));
        }
        let port = thing.ports.get("postgres").copied().unwrap_or_default();
        Ok(Some(match is_serving(port, thing).await {
            Ok(()) => Condition::Ready,
            Err(why) => not_serving(&state, why),
        }))
    }

    /// Nothing runs. Where its data is, it is there all the same: it only has to be started (the machine was started
    /// anew, say), and must never be taken for gone.
    fn at_rest(&self, thing: &Thing) -> Option<Condition> {
        let data = Path::new(thing.note("data")?);
        if !data.join("PG_VERSION").exists() {
            return None;
        }
        if self.is_going(&thing.receipt.identity) {
            return Some(Condition::Leaving);
        }
        Some(Condition::AtRest(Why::new(WhyCode::Exited, "PostgreSQL is not running; its data is there")))
    }

    fn search_path(&self) -> &str {
        self.settings.environment.get("PATH").map(String::as_str).unwrap_or_default()
    }

    /// Where the data of a new one is to lie: in its own folder; for root, who must not run it, where another user can reach
    /// it. Whatever is there already is not this one's.
    fn new_data_folder(&self, name: &str, folder: &Path) -> Result<PathBuf, Failure> {
        let data = match programs::runs_as()? {
            None => folder.join("data"),
            Some(_) => Outside::of(&self.settings.instance).data(name),
        };
        if !data.exists() {
            return Ok(data);
        }
        let text = match self.elsewhere.get(name) {
            Some(state) => in_other_hands(state),
            None => format!("{} is there already, and what made it is not written down here", data.display()),
        };
        let way_out = "put the state folder back that it belongs to; or, if nobody needs it, move it away".to_owned();
        Err(Failure::Refused { why: Why::new(WhyCode::Refused, text).way_out(way_out) })
    }

    /// Where data of that name may lie.
    pub(super) fn postgres_places(&self, name: &str, folder: &Path) -> [PathBuf; 2] {
        [folder.join("data"), Outside::of(&self.settings.instance).data(name)]
    }

    /// Writes down what a server is: in its folder, and beside data that lies elsewhere.
    fn keep_postgres(&self, thing: &Thing, name: &str, folder: &Path) -> Result<(), Failure> {
        thing.keep(folder).map_err(|error| unwritable(folder, &error))?;
        let outside = Outside::of(&self.settings.instance);
        outside.put_label(name, thing, &self.settings.state).map_err(|error| unwritable(folder, &error))
    }
}

/// It is kept, and does not answer as it should. One that ended once comes back by itself; one that ends soon after every
/// start does not.
fn not_serving(state: &State, why: String) -> Condition {
    let Some(last) = &state.last else { return Condition::Settling(Settling(why)) };
    if state.restarts >= RESTARTS_MAX && last.ended.since(last.started) < STAYS_UP {
        let text = format!("PostgreSQL does not stay up: it {}", last.exit);
        return Condition::Failed(Why::new(WhyCode::Exited, text).details(last.lines.clone()));
    }
    match state.phase {
        Phase::BackingOff { .. } => Condition::Settling(Settling(format!("it {}, and is started again", last.exit))),
        _ => Condition::Settling(Settling(why)),
    }
}

/// What is said of data that another state folder has in its hands.
pub(super) fn in_other_hands(state: &Path) -> String {
    format!("its data is in the hands of the deployd whose state is in {}", state.display())
}

/// No keeper has a server on that folder: what a server that is gone has left does not hold back the next.
fn free(data: &Path) -> Result<(), Failure> {
    if lock::remove_stale(data).map_err(|error| unwritable(data, &error))? {
        return Ok(());
    }
    let text = format!("another PostgreSQL still works in {}", data.display());
    Err(Failure::Retry { after: Milliseconds::seconds(1), why: Why::new(WhyCode::Refused, text) })
}

fn fill(fields: &Value, filled: &Filled) -> Result<Value, Failure> {
    filled.fill(fields, &|_| None).map_err(|unfilled| super::process::unknown_piece(&unfilled.0))
}

/// `PostgreSQL 15.18 is ready`: what is said when it takes connections.
fn ready_note(thing: &Thing) -> String {
    let version = thing.note("version").map(|version| format!(" {version}")).unwrap_or_default();
    format!("PostgreSQL{version} is ready")
}

/// What a server answers. User, database and password are the graph's own values.
pub(super) fn outputs(thing: &Thing) -> Vec<(String, Value)> {
    let port = thing.ports.get("postgres").copied().unwrap_or_default();
    vec![
        ("host".to_owned(), Value::from("127.0.0.1")),
        ("port".to_owned(), Value::Whole(i64::from(port))),
        ("address".to_owned(), Value::Text(format!("127.0.0.1:{port}"))),
        ("version".to_owned(), Value::from(thing.note("version").unwrap_or_default())),
    ]
}

/// Whether the server takes connections: it asks for a password when it does, and says "starting up" (57P03) until then.
/// <https://www.postgresql.org/docs/current/protocol-flow.html>
async fn is_serving(port: u16, thing: &Thing) -> Result<(), String> {
    let text = |key| thing.fields.get(key).and_then(Value::as_text).unwrap_or("deployd").to_owned();
    let asking = async {
        let mut stream = tokio::net::TcpStream::connect(("127.0.0.1", port)).await?;
        let mut parameters = 196_608_u32.to_be_bytes().to_vec();
        for text in ["user", &text("username"), "database", &text("database"), ""] {
            parameters.extend(text.as_bytes());
            parameters.push(0);
        }
        let length = u32::try_from(parameters.len() + 4).expect("two names are short");
        stream.write_all(&[&length.to_be_bytes()[..], &parameters].concat()).await?;
        let mut answer = vec![0; 512];
        let count = stream.read(&mut answer).await?;
        answer.truncate(count);
        Ok::<Vec<u8>, std::io::Error>(answer)
    };
    let answer = match tokio::time::timeout(Duration::from_secs(2), asking).await {
        Ok(Ok(answer)) => answer,
        Ok(Err(error)) if error.kind() == std::io::ErrorKind::ConnectionRefused => return Err("starting".to_owned()),
        Ok(Err(error)) => return Err(error.to_string()),
        Err(_) => return Err("no answer within 2 s".to_owned()),
    };
    match answer.first() {
        Some(b'R') => Ok(()),
        Some(b'E') => {
            let fields = answer.get(5..).unwrap_or_default().split(|byte| *byte == 0);
            let message = fields.filter_map(|field| field.strip_prefix(b"M")).next().unwrap_or(b"an error");
            Err(String::from_utf8_lossy(message).into_owned())
        }
        _ => Err("it does not speak as PostgreSQL does".to_owned()),
    }
}

/// The fields that `write` reads for everybody.
fn text_of(fields: &Value, key: &str) -> Result<String, Failure> {
    write::text(fields, key)
}

/// Why a server of that version cannot be made here, if it cannot.
pub(super) fn missing(search_path: &str, version: Option<i64>) -> Option<Why> {
    let found = programs::find(search_path, version).map(drop).and_then(|()| programs::runs_as().map(drop));
    let mut why = found.err()?.why().clone();
    // Nothing waits for it yet.
    why.way_out = why.way_out.map(|way| way.trim_end_matches(programs::GOES_ON).to_owned());
    Some(why)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Wall;

    #[test]
    fn who_ended_once_comes_back_and_who_ends_at_every_start_does_not() {
        let run = |lasted: u64| {
            let exit = keeper::Exit::Signal(9);
            keeper::Run { started: Wall(0), ended: Wall(lasted), exit, ended_for: None, lines: vec!["last".into()] }
        };
        let state = |phase, restarts, last| State {
            format: keeper::FORMAT,
            keeper: keeper::ProcessId::of(std::process::id()).unwrap().unwrap(),
            service: None,
            pipes: Vec::new(),
            receipt: String::new(),
            phase,
            started: None,
            restarts,
            last,
        };
        let starting = || Condition::Settling(Settling("starting".into()));
        let judge = |state: State| not_serving(&state, "starting".into());
        assert_eq!(judge(state(Phase::Running, 0, None)), starting());
        assert_eq!(judge(state(Phase::Running, 1, Some(run(5)))), starting());
        let Condition::Settling(told) = judge(state(Phase::BackingOff { until: Wall(9) }, 1, Some(run(5)))) else {
            panic!("it is about to be started again")
        };
        assert!(told.0.contains("is started again"), "{}", told.0);
        let Condition::Failed(why) = judge(state(Phase::Running, RESTARTS_MAX, Some(run(5)))) else { panic!("a loop") };
        assert_eq!(why.details, ["last"]);
        let after_days = STAYS_UP.0 + 1;
        assert_eq!(judge(state(Phase::Running, RESTARTS_MAX, Some(run(after_days)))), starting());
    }
}
