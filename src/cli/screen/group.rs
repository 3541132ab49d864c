//! `Group`: the steps of a plan by what a person calls it. A service is copied, tested, started twice and routed; its
//! developer asked for one thing.

use super::names::count;
use crate::model::{Kind, Name};
use crate::plan::Act;
use crate::server::api::plan::{About, Plan, Step};
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
            Mark::Create => "+",
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
        groups.push(Group { name, kind: about.kind.clone(), mark: Mark::Keep, about: Some(about), steps: Vec::new() });
    }
    groups
}

fn of_steps<'p>(about: Option<&'p About>, steps: Vec<&'p Step>) -> Group<'p> {
    let kind = main_kind(about, &steps);
    let mark = mark(&steps, kind.as_ref());
    let name = steps.first().expect("a group of steps has one").identity.address.name.clone();
    Group { name, kind, mark, about, steps }
}

/// The kind of what does the work: what is numbered (the replicas of a service), else what the name itself stands for.
fn main_kind(about: Option<&About>, steps: &[&Step]) -> Option<Kind> {
    let numbered = |step: &&&Step| step.identity.address.part.as_deref().is_some_and(is_number);
    let itself = |step: &&&Step| step.identity.address.part.is_none();
    let found = steps.iter().find(numbered).or_else(|| steps.iter().find(itself));
    let known = about.and_then(|about| about.kind.clone());
    found.map(|step| step.kind.clone()).or(known).or_else(|| steps.first().map(|step| step.kind.clone()))
}

fn is_number(part: &str) -> bool {
    !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit())
}

/// What the steps together do. What matters is what does the work: a new copy of a service's files makes no new service.
fn mark(steps: &[&Step], kind: Option<&Kind>) -> Mark {
    let of_kind: Vec<&Step> = steps.iter().copied().filter(|step| Some(&step.kind) == kind).collect();
    let mains = if of_kind.is_empty() { steps } else { &of_kind };
    let does = |wanted: &[Act]| mains.iter().any(|step| wanted.contains(&step.act));
    let made = does(&[Act::Create]);
    let first_life = mains.iter().all(|step| step.act != Act::Create || step.identity.incarnation == 1);
    match () {
        () if does(&[Act::Replace]) || (made && does(&[Act::Delete])) => Mark::Replace,
        () if does(&[Act::Update, Act::Adopt, Act::Retire]) || (made && !first_life) => Mark::Change,
        () if made => Mark::Create,
        () if mains.iter().all(|step| matches!(step.act, Act::Delete | Act::Forget)) => Mark::Delete,
        () => Mark::Change,
    }
}

impl Group<'_> {
    /// The steps of what does the work.
    pub fn mains(&self) -> impl Iterator<Item = &Step> {
        self.steps.iter().copied().filter(|step| Some(&step.kind) == self.kind.as_ref())
    }

    /// How many replicas it has after the plan, where its kind is one of numbered ones.
    #[must_use]
    pub fn replicas(&self) -> Option<usize> {
        let stays = |step: &&Step| !matches!(step.act, Act::Delete | Act::Retire | Act::Forget);
        let numbered =
            self.mains().filter(stays).filter(|step| step.identity.address.part.as_deref().is_some_and(is_number));
        let addresses: BTreeSet<_> = numbered.map(|step| &step.identity.address).collect();
        (!addresses.is_empty()).then_some(addresses.len())
    }

    /// How many of its replicas give way to successors.
    #[must_use]
    pub fn replaced(&self) -> usize {
        self.mains().filter(|step| step.act == Act::Retire).count()
    }

    /// What is to be known of it at one glance.
    #[must_use]
    pub fn note(&self) -> String {
        let mut notes: Vec<String> = Vec::new();
        if let Some(slug) = self.about.and_then(|about| about.stands_in_for.as_ref()) {
            notes.push(format!("stands in for {slug}"));
        }
        notes.extend(self.replicas().map(|number| count(number, "replica", "replicas")));
        notes.extend(self.mains().find_map(way_in));
        if matches!(self.mark, Mark::Delete) {
            notes.extend(self.steps.first().map(|step| step.because.text.clone()));
        }
        notes.join(" · ")
    }
}

/// Where a way in answers, as far as that is known before it is made.
fn way_in(step: &Step) -> Option<String> {
    let field = |key: &str| step.fields.as_ref()?.get(key)?.as_str();
    let (host, protocol) = (field("host")?, field("protocol").unwrap_or("http"));
    let path = field("path").unwrap_or("/").trim_end_matches('/');
    Some(format!("{protocol}://{host}{path}"))
}
