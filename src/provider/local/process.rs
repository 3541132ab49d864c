//! `local/process`: one replica, kept by its keeper.

use super::asked::Command;
use super::health::{Asking, Health, ask};
use super::listening::ports_of_session;
use super::room::{Room, keeper_failed, settling, unwritable};
use super::thing::{Thing, make_folder, write_durably};
use super::user::{self, Own};
use super::write::{self, ProcessAsked};
use crate::contract::{Failure, Filled, Order, Outcome};
use crate::graph::{HealthCheck, Probe};
use crate::keeper::{self, Environment, Found, Limits, LogLimits, Restart, Spec, State};
use crate::model::{Digest, Milliseconds, Piece, Value, Wall};
use crate::state::{Condition, Settling, Why, WhyCode};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// A replica that was never ready and ended this often will not get ready by being started again.
const RESTARTS_MAX: u32 = 2;

/// How long a replica may take to open the port that it was told, after it has opened another one.
const ELSEWHERE_AFTER: Milliseconds = Milliseconds::seconds(3);

/// Descriptors of one replica: enough for a busy server, and a limit all the same.
const OPEN_FILES: u64 = 65_536;

/// Files in memory, on the systems that have it.
const MEMORY: &str = "/dev/shm";

/// How a replica stands.
pub(super) enum Standing {
    Absent,
    Here(Condition),
    Unknown(String),
}

impl Room {
    pub(super) async fn create_process(
        &self,
        order: &Order,
        fields: &Value,
        asked: Digest,
        health: Option<&HealthCheck>,
        filled: &Filled,
    ) -> Result<Outcome, Failure> {
        if let Some(why) = self.refuse_user(order, fields) {
            return Err(Failure::Refused { why });
        }
        let (name, folder) = self.place(order);
        let mut thing = self.begin(&folder, order, fields, asked, health)?;
        let ports = write::ports(fields);
        self.give_ports(&mut thing, ports.keys())?;
        thing.keep(&folder).map_err(|error| unwritable(&folder, &error))?;
        if matches!(keeper::find(&folder), Found::Starting | Found::Running(_)) {
            return Ok(settling(name, "starting", outputs(&thing, &folder)));
        }

        let files = self.files_folder(&folder, &name, fields);
        let entry_port = self.entry_port(fields).await?;
        let own = |own: &str| self.own(own, &thing, fields, &files, entry_port);
        let filled = filled.fill(fields, &own).map_err(|unfilled| unknown_piece(&unfilled.0))?;
        let asked = write::process(&filled)?;
        let (scratch, work) = (folder.join("tmp"), folder.join("work"));
        let directory = asked.folder.as_ref().map_or(work, PathBuf::from);
        for own in [&scratch, &directory] {
            make_folder(own).map_err(|error| unwritable(own, &error))?;
        }
        write_files(&files, &asked.files)?;
        let environment = self.environment_of(&asked, &thing, &scratch, &directory)?;
        if !matches!(keeper::find(&folder), Found::NotStarted) {
            keeper::clear(&folder).map_err(|error| keeper_failed(&error))?;
        }
        self.start(&folder, spec_of(&asked, &directory, order), environment).await?;
        Ok(settling(name, "starting", outputs(&thing, &folder)))
    }

    /// Why nothing can run here as the user that is asked for.
    pub(super) fn refuse_user(&self, order: &Order, fields: &Value) -> Option<Why> {
        let environment = &self.settings.environment;
        let name = environment.get("USER").or_else(|| environment.get("LOGNAME")).map(String::as_str);
        let own = Own { number: rustix::process::geteuid().as_raw(), name };
        user::refusal(fields.get("user"), &own, &order.identity.address.world)
    }

    /// Ends a replica gracefully. It is gone when its keeper says so.
    pub(super) fn end_process(&self, folder: &Path) -> Result<(), Failure> {
        match keeper::find(folder) {
            Found::NotStarted | Found::Ended(_) | Found::Dead(_) => Ok(()),
            Found::Starting | Found::Running(_) | Found::Unknown(_) => {
                keeper::request_stop(folder, keeper::Stop::Gracefully).map(drop).map_err(|error| keeper_failed(&error))
            }
        }
    }

    /// How a replica is. Asks it if `check` says so.
    pub(super) async fn look_at_process(&self, folder: &Path, thing: &Thing, now: Wall) -> Standing {
        let state = match keeper::find(folder) {
            Found::NotStarted | Found::Ended(_) | Found::Dead(_) => return Standing::Absent,
            Found::Unknown(why) => return Standing::Unknown(why),
            Found::Starting => return Standing::Here(Condition::Settling(Settling("starting".to_owned()))),
            Found::Running(state) => state,
        };
        if thing.leaving.is_some() {
            self.commands.forget(&thing.receipt.identity);
            return Standing::Here(Condition::Leaving);
        }
        if !matches!(state.phase, keeper::Phase::Running) {
            return Standing::Here(not_running(&state, thing));
        }
        let Some(check) = &thing.health else { return Standing::Here(Condition::Ready) };
        let copy = thing.fields.get("folder").and_then(Value::as_text).unwrap_or("/").to_owned();
        let first = write::first_port(&thing.fields);
        let asking = Asking {
            check,
            ports: &thing.ports,
            first: first.as_deref(),
            state: &state,
            folder: Path::new(&copy),
            now,
        };
        let health = match &check.probe {
            Probe::Command(words) => {
                let command = || Command::of(words, check, state.service.as_ref(), Path::new(&copy));
                self.commands.ask(&thing.receipt.identity, command).await
            }
            _ => ask(&asking).await,
        };
        let condition = match health {
            // Somebody else may answer on that port: the first time it is looked whose it is.
            Health::Well if thing.note("was-ready").is_none() => {
                listens_elsewhere(&state, thing, now).unwrap_or(Condition::Ready)
            }
            Health::Well => Condition::Ready,
            Health::NotWell(why) if why.ends_with("connection refused") => {
                listens_elsewhere(&state, thing, now).unwrap_or(Condition::Settling(Settling(why)))
            }
            Health::NotWell(why) => Condition::Settling(Settling(why)),
        };
        Standing::Here(condition)
    }

    /// What a replica finds in its environment: little of the server's, what its ports are, and what was declared.
    fn environment_of(
        &self,
        asked: &ProcessAsked,
        thing: &Thing,
        scratch: &Path,
        directory: &Path,
    ) -> Result<Environment, Failure> {
        let mut variables = self.base_environment(&directory.display().to_string());
        variables.insert("TMPDIR".to_owned(), scratch.display().to_string());
        variables.extend(port_variables(&thing.ports, asked.first.as_deref()));
        variables.extend(asked.env.clone());
        Environment::new(variables).map_err(|bad| Failure::Refused {
            why: Why::new(WhyCode::Refused, format!("{} cannot be a variable of the environment", bad.name)),
        })
    }

    /// What this room fills in itself.
    pub(super) fn own(
        &self,
        own: &str,
        thing: &Thing,
        fields: &Value,
        files: &Path,
        entry_port: Option<u16>,
    ) -> Option<String> {
        if let Some(port) = own.strip_prefix("ports.") {
            return thing.ports.get(port).map(u16::to_string);
        }
        if let Some(file) = own.strip_prefix("files.") {
            return Some(files.join(file).display().to_string());
        }
        let (name, what) = own.strip_prefix("entrypoints.")?.split_once('.')?;
        let way = fields.get("entrypoints")?.get(name)?;
        let host = way.get("host")?.as_text()?;
        let path = way.get("path").and_then(Value::as_text).unwrap_or("/").trim_end_matches('/');
        match what {
            "host" => Some(host.to_owned()),
            "url" => Some(format!("http://{host}:{}{path}", entry_port?)),
            _ => None,
        }
    }

    /// The port of entrypoints, where something wants to know its own: it is given here if there is none yet, since ways in
    /// are made after what they lead to.
    pub(super) async fn entry_port(&self, fields: &Value) -> Result<Option<u16>, Failure> {
        if fields.get("entrypoints").is_none() {
            return Ok(None);
        }
        let port = self.proxy().await?.claim_http_port().await;
        port.map(Some).map_err(|failure| super::room::proxy_failed(&failure))
    }

    /// Where the files of something lie: in memory where the system has such a place, if they hold secrets.
    pub(super) fn files_folder(&self, folder: &Path, name: &str, fields: &Value) -> PathBuf {
        let has_secrets = fields.get("files").is_some_and(|files| !files.pieces().is_empty());
        if has_secrets && Path::new(MEMORY).is_dir() {
            return self.secret_files(name);
        }
        folder.join("files")
    }

    /// The place in memory for the files of a replica.
    pub(super) fn secret_files(&self, name: &str) -> PathBuf {
        let user = rustix::process::geteuid().as_raw();
        Path::new(MEMORY).join(format!("deployd-{user}")).join(&self.settings.instance).join(name)
    }
}

/// What a text speaks of, and nobody can tell: a field of a secret, or a mistake of ours.
pub(super) fn unknown_piece(piece: &Piece) -> Failure {
    let what = match piece {
        Piece::Own(own) => format!("`${{{own}}}`"),
        Piece::Output { of, name, .. } => format!("{name} of {of}"),
        Piece::Secret { name, key: Some(key), .. } => {
            let text = format!("the secret {} is no JSON with a field `{key}`", name.0);
            let way_out = format!("set it again: deployd secret set WORLD {}", name.0);
            return Failure::Refused { why: Why::new(WhyCode::Missing, text).way_out(way_out) };
        }
        _ => "a part of a text".to_owned(),
    };
    Failure::Refused { why: Why::new(WhyCode::Other, format!("nobody knows what {what} is")) }
}

pub(super) fn write_files(folder: &Path, files: &BTreeMap<String, String>) -> Result<(), Failure> {
    if files.is_empty() {
        return Ok(());
    }
    make_folder(folder).map_err(|error| unwritable(folder, &error))?;
    files.iter().try_for_each(|(name, text)| {
        let path = folder.join(name);
        write_durably(&path, text.as_bytes(), 0o600).map_err(|error| unwritable(&path, &error))
    })
}

fn spec_of(asked: &ProcessAsked, directory: &Path, order: &Order) -> Spec {
    Spec {
        format: keeper::FORMAT,
        command: asked.run.clone(),
        directory: directory.to_owned(),
        user: None,
        restart: Restart::SERVICE,
        ask: keeper::Ask::default(),
        grace: asked.stop,
        limits: Limits { memory: asked.memory, open_files: Some(OPEN_FILES), ..Limits::default() },
        log: LogLimits::default(),
        receipt: order.identity.to_string(),
    }
}

/// `PORT` for the first, `<NAME>_PORT` for each.
fn port_variables(ports: &BTreeMap<String, u16>, first: Option<&str>) -> BTreeMap<String, String> {
    let variable = |name: &str| format!("{}_PORT", name.to_ascii_uppercase().replace('-', "_"));
    let mut variables: BTreeMap<String, String> =
        ports.iter().map(|(name, port)| (variable(name), port.to_string())).collect();
    if let Some(port) = first.and_then(|first| ports.get(first)) {
        variables.insert("PORT".to_owned(), port.to_string());
    }
    variables
}

/// What a replica answers.
pub(super) fn outputs(thing: &Thing, folder: &Path) -> Vec<(String, Value)> {
    let mut outputs = Vec::new();
    let first = write::first_port(&thing.fields);
    for (name, port) in &thing.ports {
        let address = Value::Text(format!("127.0.0.1:{port}"));
        if first.as_deref() == Some(name) {
            outputs.push(("address".to_owned(), address.clone()));
        }
        outputs.push((format!("address-{name}"), address));
    }
    if let Found::Running(State { service: Some(service), .. }) = keeper::find(folder) {
        outputs.push(("pid".to_owned(), Value::Whole(i64::from(service.pid))));
    }
    outputs
}

/// It is kept, and does not run right now.
fn not_running(state: &State, thing: &Thing) -> Condition {
    let Some(last) = &state.last else { return Condition::Settling(Settling("starting".to_owned())) };
    let why = Why::new(WhyCode::Exited, format!("it {}", last.exit)).details(last.lines.clone());
    if state.restarts >= RESTARTS_MAX && thing.note("was-ready").is_none() {
        return Condition::Failed(why);
    }
    Condition::Settling(Settling(format!("it {}, and is started again", last.exit)))
}

/// A replica that listens, but not where it was told to, will not get well by waiting: once it had the time to open more
/// than the port of its metrics, or of a debugger.
fn listens_elsewhere(state: &State, thing: &Thing, now: Wall) -> Option<Condition> {
    let (first, service) = (write::first_port(&thing.fields)?, state.service.as_ref()?);
    let port = thing.ports.get(&first)?;
    let found = ports_of_session(service.pid);
    if found.contains(port) {
        return None;
    }
    // Those that it was given too are no other ports than it was told.
    let found: Vec<String> =
        found.iter().filter(|found| !thing.ports.values().any(|given| given == *found)).map(u16::to_string).collect();
    if found.is_empty() {
        return None;
    }
    let text = format!("it listens on {}, and not on {port} as the variable PORT tells it", found.join(", "));
    if state.started.is_none_or(|started| now.since(started) < ELSEWHERE_AFTER) {
        return Some(Condition::Settling(Settling(text)));
    }
    Some(Condition::Failed(Why::new(WhyCode::NotHealthy, text).way_out("let it listen on the port that PORT names")))
}
