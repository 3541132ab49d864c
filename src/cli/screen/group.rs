//! `Group`: the steps of a plan by what a person calls it. A service is copied, tested, started twice and routed; its
//! developer asked for one thing.

use super::names::count;
use crate::model::{Kind, Name};
use crate::plan::Act;
use crate::server::api::plan::{About, FieldChange, Plan, Step};
use std::collections::{BTreeMap, BTreeSet};

/// What happens to one thing that the manifest names.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Mark {
    /// It is made.
    Create,
    /// It is changed, or its processes get successors.
    Change,
    /// It is taken away and made anew.
    Replace,
    /// It is taken away.
    Delete,
    /// It stays as it is.
    Keep,
    /// It would be made, and is held.
    Held,
}

/// What a plan does to one thing that the manifest names.
#[derive(Clone, Debug)]
pub struct Group<'p> {
    /// What the manifest calls it.
    pub name: Name,
    /// What stands for it: the kind of what does its work.
    pub kind: Option<Kind>,
    /// What happens to it.
    pub mark: Mark,
    /// What is known of it.
    pub about: Option<&'p About>,
    /// Its steps, in the plan's order.
    pub steps: Vec<&'p Step>,
}

impl Mark {
    /// Its sign in the first column.
    #[must_use]
    pub fn sign(self) -> &'static str {
        match self {
            Mark::Create | Mark::Held => "+",
            Mark::Change => "~",
            Mark::Replace => "±",
            Mark::Delete => "-",
            Mark::Keep => "=",
        }
    }
}

/// What a plan does, by name: in the order in which it is done, then what is kept.
#[must_use]
pub fn groups(plan: &Plan) -> Vec<Group<'_>> {
    let mut steps: BTreeMap<&str, Vec<&Step>> = BTreeMap::new();
    for step in &plan.steps {
        steps.entry(&step.identity.address.name).or_default().push(step);
    }
    let mut groups: Vec<Group> =
        steps.iter().map(|(name, steps)| of_steps(plan.about.get(*name), steps.clone())).collect();
    // A service's files are copied before its database is there: what counts is when its work begins.
    let begins = |group: &Group| {
        let main = group.mains().next().or(group.steps.first().copied());
        plan.steps.iter().position(|step| main.is_some_and(|main| main.id == step.id))
    };
    groups.sort_by_key(begins);
    for (name, about) in plan.about.iter().filter(|(name, _)| !steps.contains_key(name.as_str())) {
        let Ok(name) = Name::new(name) else { continue };
        // What exists elsewhere is made by nobody, and never held.
        let is_made = about.kind.as_ref().is_none_or(|kind| kind.as_str() != "existing");
        let is_held = about.missing && is_made && !plan.report.held.is_empty();
        let mark = if is_held { Mark::Held } else { Mark::Keep };
        groups.push(Group { name, kind: about.kind.clone(), mark, about: Some(about), steps: Vec::new() });
    }
    groups
}

fn of_steps<'p>(about: Option<&'p About>, steps: Vec<&'p Step>) -> Group<'p> {
    let kind = main_kind(about, &steps);
    let mark = mark(&steps, kind.as_ref());
    let name = steps.first().expect("a group of steps has one").identity.address.name.clone();
    let mut group = Group { name, kind, mark, about, steps };
    if group.mark == Mark::Delete && group.replicas().is_some_and(|left| left > 0) {
        group.mark = Mark::Change;
    }
    group
}

impl Group<'_> {
    /// What it runs once on data, by name.
    pub fn migrations(&self) -> impl Iterator<Item = (&str, &Step)> {
        let made = self.steps.iter().filter(|step| step.act == Act::Create);
        made.filter_map(|step| {
            let part = step.identity.address.part.as_deref()?;
            part.starts_with(MIGRATION).then_some((part, *step))
        })
    }

    /// Whether a step is of something that holds data and is a part of this: a volume of a definition's own, say.
    #[must_use]
    pub fn is_data_part(&self, step: &Step) -> bool {
        step.holds_data && step.identity.address.part.is_some() && Some(&step.kind) != self.kind.as_ref()
    }

    /// Whether it runs anything once on data.
    #[must_use]
    pub fn migrates(&self) -> bool {
        self.migrations().next().is_some()
    }
}

/// The part of what leads to a service's replicas.
const ROUTE: &str = "route";

/// So ends what says that a step waits for the end of something.
const GONE: &str = " is gone";

/// So begins the part of what runs once on data.
const MIGRATION: &str = "migrate";

/// The kind of what does the work: what is numbered (the replicas of a service), else what the name itself stands for.
fn main_kind(about: Option<&About>, steps: &[&Step]) -> Option<Kind> {
    let numbered = |step: &&&Step| step.identity.address.part.as_deref().is_some_and(is_number);
    let itself = |step: &&&Step| step.identity.address.part.is_none();
    let found = steps.iter().find(numbered).or_else(|| steps.iter().find(itself));
    let known = about.and_then(|about| about.kind.clone());
    found.map(|step| step.kind.clone()).or(known).or_else(|| steps.first().map(|step| step.kind.clone()))
}

/// Whether a part is a replica.
#[must_use]
pub fn is_number(part: &str) -> bool {
    !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit())
}

/// What the steps together do. What matters is what does the work: a new copy of a service's files makes no new service.
fn mark(steps: &[&Step], kind: Option<&Kind>) -> Mark {
    let of_kind: Vec<&Step> = steps.iter().copied().filter(|step| Some(&step.kind) == kind).collect();
    let mains = if of_kind.is_empty() { steps } else { &of_kind };
    let does = |wanted: &[Act]| mains.iter().any(|step| wanted.contains(&step.act));
    let made = does(&[Act::Create]);
    match () {
        // Old lives are let go, and what stands stays as it is.
        () if steps.iter().all(|step| step.because.code == LET_GO) => Mark::Keep,
        () if does(&[Act::Replace]) || is_made_anew(mains) => Mark::Replace,
        () if does(&[Act::Update, Act::Adopt, Act::Retire]) || (made && stands(mains, steps)) => Mark::Change,
        () if made => Mark::Create,
        () if mains.iter().all(|step| matches!(step.act, Act::Delete | Act::Forget)) => Mark::Delete,
        () => Mark::Change,
    }
}

/// Whether one address is emptied and filled again.
fn is_made_anew(mains: &[&Step]) -> bool {
    let at = |act: Act| mains.iter().filter(move |step| step.act == act).map(|step| &step.identity.address);
    at(Act::Create).any(|made| at(Act::Delete).any(|gone| gone == made))
}

/// Whether something of it is there when it is made: how often it was there before says nothing, since lives are counted
/// on after everything is gone.
fn stands(mains: &[&Step], steps: &[&Step]) -> bool {
    let is_changed = |step: &&Step| matches!(step.act, Act::Update | Act::Retire);
    steps.iter().any(is_changed) || mains.iter().any(|step| step.act == Act::Delete || was_lost(step))
}

fn was_lost(step: &Step) -> bool {
    step.act == Act::Create && LOST.contains(&step.because.code.as_str())
}

/// Reasons of what was there, and has to be made again.
const LOST: [&str; 2] = ["vanished", "failed"];
/// The reason of what newer lives took the place of.
const LET_GO: &str = "beyond_retention";

/// Reasons that follow from what else is shown: the fields that change, and the order in which that is done.
const SAID: [&str; 5] = ["not_there", "not_looked_at", "fields_changed", "successor_in_charge", LET_GO];

/// Whether a step belongs to the upkeep of its name: an old copy of files, the record of an old test, what is left of a
/// service that has stopped. Nobody waits for its end, or asked about it.
#[must_use]
pub fn is_upkeep(step: &Step, group: &Group<'_>) -> bool {
    let ends = matches!(step.act, Act::Delete | Act::Retire | Act::Forget);
    // Where nothing is left but such things, they are what is taken away.
    ends && !step.holds_data && Some(&step.kind) != group.kind.as_ref() && group.mains().next().is_some()
}

/// Fields that say where files are, which follows from what they are.
const OF_FILES: [&str; 2] = ["content", "folder"];

/// What changes of one name: fields each once, by the words of the manifest. What several of its parts have alike is told
/// once; that its files are others is one change.
#[must_use]
pub fn fields<'c>(parts: impl Iterator<Item = (Option<&'c str>, &'c FieldChange)>) -> Vec<(String, &'c FieldChange)> {
    let mut told: Vec<(String, &FieldChange)> = Vec::new();
    // Where files are follows from what they are.
    for (part, change) in parts.filter(|(_, change)| change.path != "folder") {
        let is_told = |(_, known): &(String, &FieldChange)| {
            (&known.path, &known.from, &known.to) == (&change.path, &change.from, &change.to)
        };
        if told.iter().any(is_told) {
            continue;
        }
        let called = match part {
            _ if change.path == "content" => "files".to_owned(),
            // What a test or a migration runs is not what the service runs.
            Some(part) if !is_number(part) && part != "copy" => match change.path.as_str() {
                "run" => part.to_owned(),
                path => format!("{part}.{path}"),
            },
            _ => change.path.clone(),
        };
        told.push((called, change));
    }
    told
}

/// Whether a field only follows from the files of a service.
#[must_use]
pub fn is_of_files(path: &str) -> bool {
    OF_FILES.contains(&path)
}

impl Group<'_> {
    /// What changes of it, each field once.
    #[must_use]
    pub fn fields(&self) -> Vec<(String, &FieldChange)> {
        // What does its work says it first; of what follows from it, only what is another thing.
        let (mains, others): (Vec<&Step>, Vec<&Step>) =
            self.steps.iter().copied().partition(|step| Some(&step.kind) == self.kind.as_ref());
        // To whom a route leads follows from how many replicas there are.
        let others = others.into_iter().filter(|step| step.identity.address.part.as_deref() != Some(ROUTE));
        let all = mains.into_iter().chain(others);
        fields(
            all.flat_map(|step| step.changes.iter().map(move |change| (step.identity.address.part.as_deref(), change))),
        )
    }

    /// The steps of what does the work.
    pub fn mains(&self) -> impl Iterator<Item = &Step> {
        self.steps.iter().copied().filter(|step| Some(&step.kind) == self.kind.as_ref())
    }

    /// How many replicas it has after the plan, where its kind is one of numbered ones and the plan does something to them.
    #[must_use]
    pub fn replicas(&self) -> Option<usize> {
        let at = |ends: bool| -> BTreeSet<_> {
            let numbered = self.mains().filter(|step| step.identity.address.part.as_deref().is_some_and(is_number));
            let does = |step: &&Step| matches!(step.act, Act::Delete | Act::Retire | Act::Forget) == ends;
            numbered.filter(does).map(|step| &step.identity.address).collect()
        };
        let (stay, end) = (at(false), at(true));
        if stay.is_empty() && end.is_empty() {
            return None;
        }
        let Some(before) = self.replicas_before() else { return (!stay.is_empty()).then_some(stay.len()) };
        let is_made = |step: &&Step| step.act == Act::Create;
        let made: BTreeSet<_> = self.mains().filter(is_made).map(|step| &step.identity.address).collect();
        // Who gives way to a successor, or is made anew, is counted already.
        let (more, fewer) = (made.difference(&end).count(), end.difference(&stay).count());
        Some((before + more).saturating_sub(fewer))
    }

    /// How many replicas there were when the plan was made.
    fn replicas_before(&self) -> Option<usize> {
        self.about.and_then(|about| about.replicas).map(|replicas| replicas as usize)
    }

    /// From how many replicas to how many it goes, where it only gets more or fewer of them.
    #[must_use]
    pub fn scaled(&self) -> Option<(usize, usize)> {
        let (before, after) = (self.replicas_before()?, self.replicas()?);
        (self.replaced() == 0 && before != after && after > 0).then_some((before, after))
    }

    /// How many of its replicas give way to successors.
    #[must_use]
    pub fn replaced(&self) -> usize {
        self.mains().filter(|step| step.act == Act::Retire).count()
    }

    /// How its processes are replaced, where there are several: ` one at a time`, ` 2 at a time`, ` at once`. Those of the
    /// first batch wait for no other one to be gone.
    #[must_use]
    pub fn pace(&self) -> String {
        let made: Vec<&Step> = self.mains().filter(|step| step.act == Act::Create).collect();
        let waits = |step: &&&Step| {
            let (own, whole) = (step.identity.address.to_string(), format!("{}.", step.identity.address.whole()));
            let gone = step.after.iter().filter_map(|after| after.strip_suffix(GONE));
            gone.filter(|life| life.starts_with(&whole)).any(|life| life.split('#').next() != Some(own.as_str()))
        };
        let first = made.iter().filter(|step| !waits(step)).count();
        match (self.replaced(), first) {
            (0 | 1, _) => String::new(),
            // The rest of what another deployment began.
            _ if made.len() < 2 => String::new(),
            (_, 0 | 1) => " one at a time".to_owned(),
            (_, first) if first < made.len() => format!(" {first} at a time"),
            _ => " at once".to_owned(),
        }
    }

    /// How many of its processes there will be more or fewer: `1 process more`.
    #[must_use]
    pub fn scaling(&self) -> Option<String> {
        let numbered = |act: Act| {
            let of_act = self.mains().filter(move |step| step.act == act);
            let numbered = of_act.filter(|step| step.identity.address.part.as_deref().is_some_and(is_number));
            numbered.map(|step| &step.identity.address).collect::<BTreeSet<_>>()
        };
        let (made, retired, gone) = (numbered(Act::Create), numbered(Act::Retire), numbered(Act::Delete));
        let lost =
            |at: &&&crate::model::Address| self.mains().any(|step| step.identity.address == ***at && was_lost(step));
        let more = made.iter().filter(|at| !retired.contains(**at) && !gone.contains(**at) && !lost(at)).count();
        let fewer = gone.iter().filter(|at| !made.contains(**at)).count();
        let said =
            |number: usize, how: &str| (number > 0).then(|| format!("{} {how}", count(number, "process", "processes")));
        said(more, "more").or_else(|| said(fewer, "fewer"))
    }

    /// Why it changes, as far as its fields do not say it.
    #[must_use]
    pub fn reasons(&self) -> Vec<String> {
        let mut reasons: Vec<String> = self.scaling().into_iter().collect();
        for step in self.steps.iter().filter(|step| !SAID.contains(&step.because.code.as_str())) {
            if !reasons.contains(&step.because.text) {
                reasons.push(step.because.text.clone());
            }
        }
        reasons
    }

    /// What is to be known of it at one glance.
    #[must_use]
    pub fn note(&self) -> String {
        let mut notes: Vec<String> = Vec::new();
        if let Some(slug) = self.about.and_then(|about| about.stands_in_for.as_ref()) {
            notes.push(format!("stands in for {slug}"));
        }
        notes.extend(match (self.replicas_before(), self.replicas()) {
            (_, Some(0)) | (_, None) => None,
            (Some(before), Some(after)) if before != after => Some(format!("{before} → {}", replicas(after))),
            (_, Some(after)) => Some(replicas(after)),
        });
        let url = self.about.and_then(|about| about.url.clone());
        notes.extend(url.or_else(|| self.mains().find_map(way_in)));
        if self.mark == Mark::Held {
            notes.push("held".to_owned());
        }
        // What holds data is told, whatever it is a part of.
        notes.extend(self.steps.iter().filter(|step| self.is_data_part(step)).map(|step| {
            let sign = match step.act {
                Act::Create | Act::Adopt => Mark::Create.sign(),
                Act::Delete | Act::Retire | Act::Forget => Mark::Delete.sign(),
                Act::Update => Mark::Change.sign(),
                Act::Replace => Mark::Replace.sign(),
            };
            format!("{sign} {}, holds data", step.identity.address.short())
        }));
        if matches!(self.mark, Mark::Delete) {
            notes.extend(self.steps.first().map(|step| step.because.text.clone()));
        }
        notes.join(" · ")
    }
}

fn replicas(number: usize) -> String {
    count(number, "replica", "replicas")
}

/// Where a way in answers, as far as that is known before it is made.
fn way_in(step: &Step) -> Option<String> {
    let field = |key: &str| step.fields.as_ref()?.get(key)?.as_str();
    let (host, protocol) = (field("host")?, field("protocol").unwrap_or("http"));
    if step.kind.provider() == "local" && protocol != "http" {
        return Some(format!("{protocol}, a port of its own"));
    }
    let path = field("path").unwrap_or("/").trim_end_matches('/');
    Some(format!("{protocol}://{host}{path}"))
}
