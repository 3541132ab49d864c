//! Commands that run once, each under a keeper: `local/test`, `local/task`, and the `prepare` of copies. They have a time
//! limit, an output limit and a limit of processes, and are ended as a group.

use super::process::{unknown_piece, write_files};
use super::room::{Room, settling, unwritable};
use super::thing::{Thing, make_folder};
use super::write::{self, script};
use crate::contract::{Failure, Filled, Order, Outcome};
use crate::keeper::{self, EndedFor, Environment, Found, Limits, LogLimits, Restart, Spec, State};
use crate::model::{Bytes, Digest, Milliseconds, Value};
use crate::state::{Condition, Exit, Settling, Why, WhyCode};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Half an hour: longer than any download or test suite that somebody waits for.
const TIME: Milliseconds = Milliseconds::seconds(1800);
/// What `pip` and `npm` say at their most talkative, a hundred times over.
const OUTPUT: Bytes = Bytes(64 << 20);
/// Many for a build; few for a fork bomb.
const PROCESSES: u32 = 512;
/// What must stay free on the disk.
const DISK_FREE: Bytes = Bytes(256 << 20);
/// From SIGTERM to SIGKILL.
const GRACE: Milliseconds = Milliseconds::seconds(5);

impl Room {
    pub(super) async fn create_once(
        &self,
        order: &Order,
        fields: &Value,
        asked: Digest,
        filled: &Filled,
    ) -> Result<Outcome, Failure> {
        let (name, folder) = self.place(order);
        let thing = self.begin(&folder, order, fields, asked, None)?;
        thing.keep(&folder).map_err(|error| unwritable(&folder, &error))?;
        let files = self.files_folder(&folder, &name, fields);
        let entry_port = self.entry_port(fields).await?;
        let filled = filled
            .fill(fields, &|own| self.own(own, &thing, fields, &files, entry_port))
            .map_err(|unfilled| unknown_piece(&unfilled.0))?;
        let once = write::once(&filled)?;
        write_files(&files, &once.files)?;
        self.run_once(&folder, &script(&once.commands), Path::new(&once.folder), &once.folder, once.env, order).await?;
        Ok(settling(name, "running", Vec::new()))
    }

    /// Starts a script under a keeper, unless it was started before: it runs once.
    pub(super) async fn run_once(
        &self,
        folder: &Path,
        script: &str,
        directory: &Path,
        copy: &str,
        env: BTreeMap<String, String>,
        order: &Order,
    ) -> Result<(), Failure> {
        if !matches!(keeper::find(folder), Found::NotStarted) {
            return Ok(());
        }
        let scratch = folder.join("tmp");
        make_folder(&scratch).map_err(|error| unwritable(&scratch, &error))?;
        let mut variables = self.base_environment(copy);
        variables.insert("TMPDIR".to_owned(), scratch.display().to_string());
        variables.extend(env);
        let environment = Environment::new(variables).map_err(|bad| Failure::Refused {
            why: Why::new(WhyCode::Refused, format!("{} cannot be a variable of the environment", bad.name)),
        })?;
        let limits = Limits {
            time: Some(TIME),
            output: Some(OUTPUT),
            processes: Some(PROCESSES),
            disk_free: Some(DISK_FREE),
            ..Limits::default()
        };
        let spec = Spec {
            format: keeper::FORMAT,
            command: vec!["/bin/sh".to_owned(), "-c".to_owned(), script.to_owned()],
            directory: PathBuf::from(directory),
            user: None,
            restart: Restart::Never,
            ask: keeper::Ask::default(),
            grace: GRACE,
            limits,
            log: LogLimits::default(),
            receipt: order.identity.to_string(),
        };
        self.start(folder, spec, environment).await.map(drop)
    }
}

/// How a command that runs once stands: what it waits for, or how it ended.
pub(super) enum Once {
    NotStarted,
    Running(Settling),
    Ended(Exit, Option<String>),
    /// Something from outside ended it: the machine was shut down, or its keeper was killed with it. That says nothing of
    /// what it ran for.
    Cut(Why),
    Unknown(String),
}

pub(super) fn look_at_once(folder: &Path) -> Once {
    match keeper::find(folder) {
        Found::NotStarted => Once::NotStarted,
        Found::Unknown(why) => Once::Unknown(why),
        Found::Starting => Once::Running(Settling("starting".to_owned())),
        Found::Running(state) => {
            let doing = if matches!(state.phase, keeper::Phase::Ending) { "being ended" } else { "running" };
            Once::Running(Settling(doing.to_owned()))
        }
        Found::Ended(state) => ended(&state),
        Found::Dead(state) => {
            let lines = state.last.map(|last| last.lines).unwrap_or_default();
            Once::Cut(Why::new(WhyCode::Exited, "it was killed together with its keeper").details(lines))
        }
    }
}

fn ended(state: &State) -> Once {
    let Some(last) = &state.last else {
        return Once::Cut(Why::new(WhyCode::Exited, "it was stopped before it ran"));
    };
    if last.ended_for == Some(EndedFor::Stop) {
        return Once::Cut(Why::new(WhyCode::Exited, "it was stopped before its end").details(last.lines.clone()));
    }
    let code = match &last.exit {
        keeper::Exit::Code(code) => *code,
        keeper::Exit::Signal(signal) => 128 + signal,
        keeper::Exit::CouldNotStart(_) => 127,
        keeper::Exit::NeverStarted => 143,
    };
    let why = match (&last.ended_for, &last.exit) {
        (Some(reason), _) => Some(reason.to_string()),
        (None, keeper::Exit::CouldNotStart(why)) => Some(why.clone()),
        (None, keeper::Exit::Code(_)) => None,
        (None, exit) => Some(format!("it {exit}")),
    };
    Once::Ended(Exit { code, last_lines: last.lines.clone() }, why)
}

/// The condition of `local/test` and `local/task`.
pub(super) fn condition(folder: &Path, thing: &Thing) -> Result<Option<Condition>, String> {
    Ok(match look_at_once(folder) {
        Once::Unknown(why) => return Err(why),
        Once::NotStarted => None,
        Once::Running(_) if thing.leaving.is_some() => Some(Condition::Leaving),
        Once::Running(what) => Some(Condition::Settling(what)),
        Once::Ended(..) | Once::Cut(_) if thing.leaving.is_some() => None,
        Once::Cut(why) => Some(Condition::AtRest(why)),
        Once::Ended(mut exit, why) => {
            exit.last_lines.extend(why);
            Some(Condition::Finished(exit))
        }
    })
}
