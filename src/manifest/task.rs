//! `tasks`: commands that run at their time, or when they are asked for.

use super::keys::TASK;
use super::reading::Reading;
use super::{Command, Scale, schedule};
use crate::diagnostic::Diagnostic;
use crate::document::{Entry, Node, Spanned};
use crate::model::Name;

/// A command that runs at its time, or when it is asked for.
#[derive(Clone, Debug)]
pub struct Task {
    /// Its name, where it is written.
    pub name: Spanned<Name>,
    /// `run`.
    pub run: Spanned<Command>,
    /// `schedule`: five fields of cron, in UTC.
    pub schedule: Option<Spanned<String>>,
    /// `scale`: only `cpu` and `memory`.
    pub scale: Scale,
}

impl Task {
    pub(super) fn read(entry: &Entry, cx: &mut Reading<'_>) -> Option<Task> {
        let name = entry.key.free_name("a task's name", cx.found);
        let map = entry.value.map("a task", cx.found)?;
        TASK.check(map, cx.found);
        let schedule = map.get("schedule").and_then(|node| read_schedule(node, cx));
        let scale = map.get("scale").map(|node| Scale::read_sizes(node, cx)).unwrap_or_default();
        let Some(run) = map.get("run") else {
            if TASK.lack(map, "run") {
                let detail = format!("task `{}` needs a command: run: ./cleanup", entry.key.value);
                cx.push(Diagnostic::error("missing-key", "missing key", detail).at(&entry.key.place));
            }
            return None;
        };
        let run = cx.command(run, "`run`")?;
        Some(Task { name: name?, run, schedule, scale })
    }
}

/// Five fields of cron: minute, hour, day of the month, month, day of the week.
fn read_schedule(node: &Node, cx: &mut Reading<'_>) -> Option<Spanned<String>> {
    let text = cx.text(node, "`schedule`")?;
    let Some(detail) = schedule::mistake(&text) else { return Some(text) };
    cx.push(Diagnostic::error("bad-schedule", "not a schedule", detail).at(&node.place));
    None
}
