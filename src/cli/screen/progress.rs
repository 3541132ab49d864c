//! `Progress`: how far each thing of a deployment is, by what the manifest names. A fold over the plan and the events:
//! it knows no clock and no terminal.

use super::group::{Group, Mark, groups, is_upkeep};
use super::names::{self, count, span};
use super::page::{Page, Text, Tone};
use crate::diagnostic::Look;
use crate::model::{Address, Identity, Milliseconds, Wall};
use crate::plan::Act;
use crate::server::api::deployment::{Condition, Deployment};
use crate::server::api::plan::{Plan, Step};
use crate::state::{EventBody, Why};
use std::collections::{BTreeMap, BTreeSet};

/// How far everything of a deployment is.
#[derive(Clone, Debug, Default)]
pub struct Progress {
    /// What people call what is brought, and what served before it.
    labels: Labels,
    rows: Vec<Row>,
    /// What no row waits for: old copies that are let go.
    upkeep: BTreeSet<Identity>,
    /// What was brought has failed.
    fallen: bool,
}

/// What people call what a deployment brings, and what it takes the place of.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Labels {
    /// What is brought.
    pub brought: Option<String>,
    /// What served before.
    pub before: Option<String>,
}

/// One line of the progress: what the steps of one name do.
#[derive(Clone, Debug)]
struct Row {
    name: String,
    /// What it does while it does it: `pip install -r requirements.txt`.
    title: String,
    tasks: BTreeMap<Identity, Task>,
    /// The steps with which it begins: those that do the work. What is made ready before them takes no time of its own.
    begins_with: BTreeSet<Identity>,
    /// What its end says, where no room says it.
    ends: Ends,
    note: Option<String>,
    started: Option<Wall>,
    ended: Option<Wall>,
    failed: Option<Why>,
    /// It was under way when what it is part of fell.
    let_go: bool,
    /// Why it is not over yet: `waiting for GET /healthz, 3 of 30 s: connection refused`.
    what: Option<String>,
}

/// What a step has come to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Task {
    Ahead,
    Going,
    Over,
}

/// The end of what held data.
const DELETED: &str = "deleted";

/// What the end of a row says.
#[derive(Clone, PartialEq, Eq, Debug)]
enum Ends {
    /// These words.
    With(String),
    /// So many replicas are healthy.
    Healthy(usize),
    /// Another revision serves.
    Serves,
}

/// What of a row has come about with an event.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Moved {
    /// It has begun.
    Started(usize),
    /// It has come to its end, well or not.
    Ended(usize),
}

impl Progress {
    /// The progress of a plan of which nothing is done yet.
    #[must_use]
    pub fn of(plan: &Plan, labels: Labels) -> Progress {
        let mut progress = Progress { labels, ..Progress::default() };
        progress.add(plan);
        progress
    }

    /// Takes in the steps of a plan that was made anew.
    pub fn add(&mut self, plan: &Plan) {
        for group in groups(plan).iter().filter(|group| group.mark != Mark::Keep) {
            for step in &group.steps {
                if is_upkeep(step, group) {
                    self.upkeep.insert(step.identity.clone());
                    continue;
                }
                let (name, title) = line_of(step, group);
                let index = self.rows.iter().position(|row| row.name == name).unwrap_or_else(|| {
                    self.rows.push(Row::new(name, title, group));
                    self.rows.len() - 1
                });
                let row = &mut self.rows[index];
                row.tasks.entry(step.identity.clone()).or_insert(Task::Ahead);
                if Some(&step.kind) == group.kind.as_ref() || row.name != *group.name {
                    row.begins_with.insert(step.identity.clone());
                }
            }
        }
    }

    /// Takes an event in.
    pub fn happened(&mut self, event: &EventBody, at: Wall) -> Vec<Moved> {
        match event {
            EventBody::StepStarted { identity, .. } => self.started(identity, at),
            EventBody::StepWaiting { identity, what } => {
                self.row_of(identity, |row| row.what = row.waits_for(what));
                Vec::new()
            }
            EventBody::StepDone { identity, note, .. } => self.over(identity, note.clone(), at),
            EventBody::StepFailed { identity, why, again: true, .. } => {
                self.row_of(identity, |row| row.what = Some(format!("tried again: {}", why.text)));
                Vec::new()
            }
            EventBody::StepFailed { identity, why, again: false, .. } => self.failed(identity, why, at),
            _ => Vec::new(),
        }
    }

    /// Takes in what a look at the deployment told of its steps: what each waits for now.
    pub fn looked(&mut self, deployment: &Deployment) {
        for step in &deployment.steps {
            self.row_of(&step.identity, |row| match &step.condition {
                Condition::Settling { what } => row.what = row.waits_for(what),
                Condition::Unknown { why } => row.what = Some(format!("it cannot be read now: {}", why.text)),
                _ => {}
            });
        }
    }

    /// What was brought has failed: what it had under way is let go, and does not come to a good end.
    pub fn fell(&mut self) {
        self.fallen = true;
    }

    /// Everything has come to its end: what was begun and not told is over too.
    pub fn finish(&mut self, at: Wall) -> Vec<Moved> {
        let fallen = self.fallen;
        let going = |row: &Row| row.started.is_some() && row.ended.is_none();
        let mut moved = Vec::new();
        for (index, row) in self.rows.iter_mut().enumerate().filter(|(_, row)| going(row)) {
            row.ended = Some(at);
            row.let_go = fallen;
            moved.push(Moved::Ended(index));
        }
        moved
    }

    /// Whether the line of an address is under way.
    #[must_use]
    pub fn is_going(&self, at: &Address) -> bool {
        let is_of = |row: &Row| row.name == *at.name || row.tasks.keys().any(|identity| identity.address == *at);
        self.rows.iter().any(|row| is_of(row) && row.started.is_some() && row.ended.is_none())
    }

    /// Whether anything has failed.
    #[must_use]
    pub fn has_failed(&self) -> bool {
        self.rows.iter().any(|row| row.failed.is_some())
    }

    /// Whether what has failed was told with the last lines that it wrote.
    #[must_use]
    pub fn has_told_last_lines(&self) -> bool {
        self.rows.iter().any(|row| row.failed.as_ref().is_some_and(|why| !why.details.is_empty()))
    }

    /// The rows that have begun and not ended.
    #[must_use]
    pub fn going(&self) -> Vec<usize> {
        let going = |(_, row): &(usize, &Row)| row.started.is_some() && row.ended.is_none();
        self.rows.iter().enumerate().filter(going).map(|(index, _)| index).collect()
    }

    /// A row that is under way, for a terminal: its name, and what it waits for.
    #[must_use]
    pub fn moving(&self, index: usize, look: Look) -> String {
        let row = &self.rows[index];
        let text = row.what.as_ref().unwrap_or(&row.title);
        let name = format!("{:<width$}  ", row.name, width = self.width());
        let mut page = Page::new(look);
        page.line(0, &[Text::plain(name), Text::new(Tone::Quiet, text)]);
        page.text().trim_end().to_owned()
    }

    /// A row that begins, where nothing can move.
    #[must_use]
    pub fn begins(&self, index: usize, look: Look) -> String {
        let row = &self.rows[index];
        let mut page = Page::new(look);
        page.line(2, &[Text::plain(format!("… {:<width$}  {}", row.name, row.title, width = self.width()))]);
        page.text()
    }

    /// A row that has ended: how, and how long it took; nothing of one that was let go.
    #[must_use]
    pub fn ended(&self, index: usize, look: Look) -> String {
        let row = &self.rows[index];
        if row.let_go {
            return String::new();
        }
        let took = row.started.zip(row.ended).map(|(from, to)| span(Milliseconds(to.since(from).0)));
        let took = Text::new(Tone::Quiet, took.unwrap_or_default());
        let name = format!("{:<width$}  ", row.name, width = self.width());
        let mut page = Page::new(look);
        match &row.failed {
            None => {
                let line = |end: String| [Text::new(Tone::Good, "✓ "), Text::plain(&name), Text::plain(end)];
                page.with_end(2, &line(self.end_of(row)), &took);
                if row.note.is_some() && row.ends == Ends::With(DELETED.to_owned()) {
                    // What was saved of it before is one thing, that it is gone another.
                    page.line(2, &line(DELETED.to_owned()));
                }
            }
            Some(why) => {
                let front = [Text::new(Tone::Bad, "✗ "), Text::plain(name)];
                page.beside(2, &front, &Text::plain(self.named(&why.text)));
                why.details.iter().for_each(|detail| page.folded(6, &Text::new(Tone::Quiet, detail)));
                why.way_out.iter().for_each(|way| page.way_out(6, way));
            }
        }
        page.text()
    }

    /// `it was not ready ...` with what people call it.
    fn named(&self, text: &str) -> String {
        match (&self.labels.brought, text.strip_prefix("it ")) {
            (Some(label), Some(rest)) => format!("{label} {rest}"),
            _ => text.to_owned(),
        }
    }

    fn end_of(&self, row: &Row) -> String {
        if let Some(note) = &row.note {
            return note.clone();
        }
        let brought = self.labels.brought.as_deref().unwrap_or("the new revision");
        match (&row.ends, &self.labels.before) {
            (Ends::With(text), _) => text.clone(),
            (Ends::Healthy(replicas), _) => format!("{replicas} of {replicas} healthy"),
            (Ends::Serves, Some(before)) if Some(before) != self.labels.brought.as_ref() => {
                format!("{brought} serves; {before} stopped after its last request")
            }
            (Ends::Serves, _) => format!("{brought} serves"),
        }
    }

    fn width(&self) -> usize {
        self.rows.iter().map(|row| row.name.len()).max().unwrap_or(0)
    }

    fn index_of(&self, identity: &Identity) -> Option<usize> {
        if self.upkeep.contains(identity) {
            return None;
        }
        let of_identity = self.rows.iter().position(|row| row.tasks.contains_key(identity));
        // A plan that was made anew may have steps that were not shown: they belong to what they are called.
        of_identity.or_else(|| self.rows.iter().position(|row| row.name == *identity.address.name))
    }

    fn row_of(&mut self, identity: &Identity, change: impl FnOnce(&mut Row)) {
        if let Some(index) = self.index_of(identity) {
            change(&mut self.rows[index]);
        }
    }

    fn started(&mut self, identity: &Identity, at: Wall) -> Vec<Moved> {
        let Some(index) = self.index_of(identity) else { return Vec::new() };
        let row = &mut self.rows[index];
        row.tasks.insert(identity.clone(), Task::Going);
        row.what = None;
        let begins = row.begins_with.is_empty() || row.begins_with.contains(identity);
        if row.started.is_some() || !begins {
            return Vec::new();
        }
        row.started = Some(at);
        vec![Moved::Started(index)]
    }

    fn over(&mut self, identity: &Identity, note: Option<String>, at: Wall) -> Vec<Moved> {
        let Some(index) = self.index_of(identity) else { return Vec::new() };
        let row = &mut self.rows[index];
        row.tasks.insert(identity.clone(), Task::Over);
        row.note = note.or(row.note.take());
        row.what = None;
        if row.ended.is_some() || row.tasks.values().any(|task| *task != Task::Over) {
            return Vec::new();
        }
        row.started.get_or_insert(at);
        row.ended = Some(at);
        row.let_go = self.fallen;
        vec![Moved::Ended(index)]
    }

    fn failed(&mut self, identity: &Identity, why: &Why, at: Wall) -> Vec<Moved> {
        let Some(index) = self.index_of(identity) else { return Vec::new() };
        let row = &mut self.rows[index];
        if row.ended.is_some() {
            return Vec::new();
        }
        row.ended = Some(at);
        row.failed = Some(why.clone());
        vec![Moved::Ended(index)]
    }
}

impl Row {
    /// What it is told to wait for, in words: `starting`, `waiting for GET /healthz, 3 of 30 s`. Nothing where that says no
    /// more than its title.
    fn waits_for(&self, what: &str) -> Option<String> {
        match what {
            "running" => None,
            what if what == self.title => None,
            // One word says what it does, and not what it waits for.
            what if !what.contains(' ') => Some(what.to_owned()),
            // A sentence of its own.
            what if what.starts_with("it ") => Some(what.to_owned()),
            what => Some(format!("waiting for {what}")),
        }
    }

    fn new(name: String, title: String, group: &Group) -> Row {
        let ends = ends(&name, group);
        let (tasks, begins_with) = (BTreeMap::new(), BTreeSet::new());
        Row {
            name,
            title,
            tasks,
            begins_with,
            ends,
            note: None,
            started: None,
            ended: None,
            failed: None,
            let_go: false,
            what: None,
        }
    }
}

/// On which line a step is told, and what is done there. Preparing, testing and migrating have lines of their own.
fn line_of(step: &Step, group: &Group) -> (String, String) {
    let part = step.identity.address.part.as_deref().unwrap_or_default();
    let command = |key: &[&str]| last_command(step, key);
    if group.is_data_part(step) {
        let kind = &step.kind;
        let title = match step.act {
            Act::Create | Act::Adopt => kind.to_string(),
            Act::Update => format!("changes {kind}"),
            Act::Replace => format!("replaces {kind}"),
            Act::Delete | Act::Retire | Act::Forget => format!("takes {kind} away"),
        };
        return (step.identity.address.short(), title);
    }
    match part {
        // What goes with its service is told with it.
        _ if matches!(step.act, Act::Delete | Act::Retire | Act::Forget) => (group.name.to_string(), title(group)),
        "copy" if command(&["prepare", "run"]).is_some() => {
            ("prepare".to_owned(), command(&["prepare", "run"]).unwrap_or_default())
        }
        "test" => ("test".to_owned(), command(&["run"]).unwrap_or_default()),
        _ if part.starts_with("migrate") => (part.to_owned(), command(&["run"]).unwrap_or_default()),
        _ => (group.name.to_string(), title(group)),
    }
}

fn title(group: &Group) -> String {
    let kind = group.kind.as_ref().map(ToString::to_string).unwrap_or_default();
    match (group.mark, group.replicas()) {
        (Mark::Create, Some(replicas)) => count(replicas, "replica", "replicas"),
        (Mark::Create, None) => kind,
        (Mark::Change, _) if group.scaled().is_some() => {
            let (before, after) = group.scaled().unwrap_or_default();
            format!("{before} → {}", count(after, "replica", "replicas"))
        }
        (Mark::Change, _) if group.replaced() > 0 => {
            format!("replaces {}{}", count(group.replaced(), "process", "processes"), group.pace())
        }
        (Mark::Change | Mark::Keep | Mark::Held, _) => format!("changes {kind}"),
        (Mark::Replace, _) => format!("replaces {kind}"),
        (Mark::Delete, _) => format!("takes {kind} away"),
    }
}

/// The last command of a list of commands: the one that takes long.
fn last_command(step: &Step, key: &[&str]) -> Option<String> {
    let commands = key.iter().try_fold(step.fields.as_ref()?, |value, key| value.get(key))?.as_array()?;
    commands.last().and_then(names::commands)
}

/// What the end of a line says where no room says it.
fn ends(name: &str, group: &Group) -> Ends {
    let mut data = group.steps.iter().filter(|step| group.is_data_part(step));
    if let Some(step) = data.find(|step| step.identity.address.short() == *name) {
        let word = match step.act {
            Act::Create | Act::Adopt => "ready",
            Act::Update => "changed",
            Act::Replace => "replaced",
            Act::Delete | Act::Retire | Act::Forget => DELETED,
        };
        return Ends::With(word.to_owned());
    }
    if *name != *group.name {
        let command = group.steps.iter().map(|step| line_of(step, group)).find(|(line, _)| line == name);
        let passed = if name == "test" { "passed: " } else { "" };
        return Ends::With(format!("{passed}{}", command.map(|(_, title)| title).unwrap_or_default()));
    }
    match (group.mark, group.replicas()) {
        (Mark::Create, Some(replicas)) => Ends::Healthy(replicas),
        (Mark::Create, None) => Ends::With(open_to(group).unwrap_or_else(|| "ready".to_owned())),
        (Mark::Change, Some(replicas)) if group.scaled().is_some() => Ends::Healthy(replicas),
        (Mark::Change, _) if group.mains().any(|step| step.act == Act::Create) => Ends::Serves,
        (Mark::Change | Mark::Keep | Mark::Held, _) => {
            Ends::With(open_to(group).unwrap_or_else(|| "changed".to_owned()))
        }
        (Mark::Replace, _) => Ends::With("replaced".to_owned()),
        (Mark::Delete, _) if group.mains().any(|step| step.holds_data) => Ends::With(DELETED.to_owned()),
        (Mark::Delete, _) => Ends::With("stopped".to_owned()),
    }
}

/// Who is let in, for ways in.
fn open_to(group: &Group) -> Option<String> {
    let step = group.mains().find(|step| step.fields.as_ref().is_some_and(|fields| fields.get("host").is_some()))?;
    let gates = step.fields.as_ref()?.get("gates").and_then(|gates| gates.as_array());
    Some(match gates {
        None if step.kind.provider() == "local" => "open to 127.0.0.1".to_owned(),
        None => "open to everybody".to_owned(),
        Some(gates) if gates.is_empty() => "closed to everybody".to_owned(),
        Some(gates) => {
            let ranges = gates.iter().filter_map(|gate| gate.as_str());
            format!("open to {}", ranges.map(|range| range.trim_end_matches("/32")).collect::<Vec<_>>().join(", "))
        }
    })
}
