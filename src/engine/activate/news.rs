//! What is new: the source holds something else, a secret was set, the catalogue has changed. News becomes a deployment;
//! the same again is none.

use super::super::gather::{NoRelease, manifest_of, revise};
use super::super::queue::{New, accept};
use super::super::record::{Change, Op};
use super::super::rows::{Aim, DeploymentRow, Head};
use super::memory::Gathered;
use super::trigger::{Target, mistaken};
use super::{Activation, Halt, later};
use crate::act::set;
use crate::model::{Milliseconds, Steady};
use crate::state::{DeploymentState, Mode, Principal, Revision, RevisionId, SourceId, StackCondition, Why, Wish};
use std::collections::BTreeMap;

/// What passes (files that are being written, a host that does not answer) is looked at again after that long.
const AGAIN: Milliseconds = Milliseconds(2_000);

/// So many deployments in a row may take the place of one that is under way: who saves three times means the third.
const OVERTAKEN_MAX: u32 = 3;
/// From then on one is let through first, as long as most deployments take.
const KEPT_BACK: Milliseconds = Milliseconds::seconds(30);

/// So often in a row before what passes is told.
const TRIES_UNTOLD: u32 = 3;

impl Activation {
    /// By what another gathering could give something else: the source's read, the catalogue, the secrets.
    pub(super) fn stamp(&self, read: u64) -> (u64, u64, u64) {
        (read, self.shared.catalogue().0, self.shared.secrets_generation())
    }

    /// Gathers again if something may have changed, and accepts a deployment if it has.
    pub(super) async fn take_news(&mut self) -> Result<(), Halt> {
        let Some(source) = self.source() else { return Ok(()) };
        // One that reads the source when its turn comes is the news.
        if self.rows().live.values().any(|row| row.aim == Aim::Source && row.deployment.release.is_none()) {
            return Ok(());
        }
        let watched = self.is_watched(&source);
        let read = self.shared.source(&source).filter(|_| watched);
        if watched && read.is_none() {
            self.shared.await_source(&source, &self.id);
        }
        let from = self.stamp(read.as_ref().map_or(0, |read| read.number));
        let is_through = self.memory.held_news && self.rows().live.is_empty();
        let is_due = is_through || self.memory.retry_at.is_some_and(|at| at <= self.now().steady);
        if self.memory.gathered.as_ref().is_some_and(|gathered| gathered.from == from) && !is_due {
            return Ok(());
        }
        (self.memory.retry_at, self.memory.held_news) = (None, false);
        let revision = match (self.pseudo_source(&source).await?, &read) {
            (Some(revision), _) => Some(revision),
            (None, Some(read)) => Some(match &read.held {
                Ok(held) => revise(&self.shared, held, &self.id.stack, &self.rows().blobs()).await,
                Err(trouble) => Err(trouble.clone().into()),
            }),
            (None, None) => None,
        };
        self.memory.gathered = Some(Gathered { from, revision: None, release: None, missing: BTreeMap::new() });
        let told = match revision {
            Some(Err(no)) => self.no_news(no).await,
            Some(Ok(revision)) => self.weigh_news(source, Some(revision)).await,
            None => self.weigh_news(source, None).await,
        };
        if told.is_err() {
            // What was not recorded is still news.
            self.memory.gathered = None;
        }
        told
    }

    /// What is wrong with the world's own file and the repositories: what they said last stands, and it is told.
    pub(super) fn mistaken_catalogue(&self) -> Option<Why> {
        let found = self.shared.catalogue().1.mistakes_of(&self.id.world);
        found.has_errors().then(|| mistaken(&found))
    }

    /// Whether this stack follows its source. What was deployed once stays as it was deployed.
    fn is_watched(&self, source: &SourceId) -> bool {
        self.shared.runs_in(source, &self.id)
    }

    async fn weigh_news(&mut self, source: SourceId, read: Option<Revision>) -> Result<(), Halt> {
        self.memory.source_tries = 0;
        let head = self.rows().head.clone();
        let Some((id, revision)) = self.revision_to_compile(head.as_ref(), read.as_ref()) else { return Ok(()) };
        let moved = read.as_ref().is_some_and(|read| head.as_ref().is_none_or(|head| head.revision != read.id()));
        let target = match self.release_of(id, revision).await {
            Ok(target) => target,
            Err(no) => return self.no_news(no).await,
        };
        let release = target.release.as_ref().map(|(id, _)| *id);
        if let Some(gathered) = &mut self.memory.gathered {
            (gathered.revision, gathered.release) = (Some(id), release);
        }
        let is_news = release != head.as_ref().and_then(|head| head.release);
        if is_news { self.accept_news(source, target, moved).await } else { self.old_news(head, read).await }
    }

    /// What the source holds; or, where that is what it held before, what a person went back to.
    fn revision_to_compile(&self, head: Option<&Head>, read: Option<&Revision>) -> Option<(RevisionId, Revision)> {
        let kept = |id: RevisionId| self.rows().revisions.get(&id).map(|revision| (id, revision.clone()));
        match (read, head) {
            (Some(read), Some(head)) if read.id() == head.revision => {
                head.held.and_then(kept).or_else(|| Some((read.id(), read.clone())))
            }
            (Some(read), _) => Some((read.id(), read.clone())),
            (None, Some(head)) => kept(head.held.unwrap_or(head.revision)),
            (None, None) => None,
        }
    }

    async fn accept_news(&mut self, source: SourceId, target: Target, moved: bool) -> Result<(), Halt> {
        let (Some((revision, _)), Some((release, _))) = (&target.revision, &target.release) else { return Ok(()) };
        if let Some(until) = self.keeps_back(moved) {
            (self.memory.retry_at, self.memory.held_news) = (Some(until), true);
            self.wake_at(until);
            return Ok(());
        }
        let (revision, release) = (*revision, *release);
        let because =
            if moved { self.what_changed(&target).await } else { "what it is made of has changed".to_owned() };
        let new = New {
            aim: Aim::Revision(revision),
            source: Some(source),
            revision: Some(revision),
            release: Some(release),
            mode: Mode::Evaluated,
            principal: Principal(if moved { Principal::WATCH } else { Principal::DEPLOYD }.to_owned()),
            because,
        };
        let mut change = Change::new();
        let mut stack = self.stack().clone();
        let limits = &self.shared.parts.limits;
        if let Err(why) = accept(self.rows(), &mut stack, new, self.now().wall, limits, &mut change) {
            return self.condition(StackCondition::Waiting, Some(why)).await;
        }
        set(&mut stack, StackCondition::SourceMissing, None);
        set(&mut stack, StackCondition::Mistaken, self.mistaken_catalogue());
        self.put_stack(&mut change, stack);
        self.keep_release(&mut change, &target, Aim::Revision(revision));
        let held = self.rows().head.as_ref().filter(|_| !moved).and_then(|head| head.held);
        let newest = self.rows().head.as_ref().filter(|_| held.is_some()).map_or(revision, |head| head.revision);
        change.push(Op::Head(Head { revision: newest, release: Some(release), held }));
        self.commit(change).await
    }

    /// Until when a change of the source is kept back, if it is: a source that does not stand still would have each
    /// deployment take the place of the one before, and none come through. A few may; then one is let through first, for a
    /// while: it may be the one that waits for this very change.
    fn keeps_back(&mut self, moved: bool) -> Option<Steady> {
        if !moved {
            return None;
        }
        let under_way = |row: &&DeploymentRow| row.deployment.state != DeploymentState::AwaitingApproval;
        let newest = self.rows().live.values().filter(under_way).map(|row| row.deployment.accepted).max();
        let Some(newest) = newest else {
            self.memory.overtaken = 0;
            return None;
        };
        let now = self.now();
        let passed = now.wall.since(newest);
        if self.memory.overtaken < OVERTAKEN_MAX || passed >= KEPT_BACK {
            self.memory.overtaken = self.memory.overtaken.saturating_add(1);
            return None;
        }
        Some(now.steady.plus(Milliseconds(KEPT_BACK.0 - passed.0)))
    }

    /// `app.py changed`, `3 files changed`: what people read in the history.
    async fn what_changed(&self, target: &Target) -> String {
        let before = self.rows().head.as_ref().and_then(|head| self.rows().revisions.get(&head.revision));
        let after = target.revision.as_ref().map(|(_, revision)| revision);
        let (Some(before), Some(after)) = (before, after) else { return "first seen".to_owned() };
        let contents = &self.shared.parts.contents;
        if let (Some(old), Some(new)) = (before.content, after.content)
            && old != new
            && let (Ok(old), Ok(new)) = (contents.listing(old).await, contents.listing(new).await)
        {
            let paths = crate::contract::changed_paths(&old, &new);
            match paths.as_slice() {
                [] => {}
                [one] => return format!("{one} changed"),
                [one, two] => return format!("{one} and {two} changed"),
                [one, rest @ ..] => return format!("{one} and {} more files changed", rest.len()),
            }
        }
        match manifest_of(&self.shared, after).await {
            Some(path) => format!("{path} changed"),
            None => "its manifest changed".to_owned(),
        }
    }

    /// What was gathered is what was gathered before: a comment, a place, another commit of the same files.
    async fn old_news(&mut self, head: Option<Head>, read: Option<Revision>) -> Result<(), Halt> {
        let mut change = Change::new();
        if let (Some(head), Some(read)) = (&head, &read)
            && head.revision != read.id()
        {
            let id = read.id();
            if !self.rows().revisions.contains_key(&id) {
                change.push(Op::Revision(id, Box::new(read.clone())));
            }
            change.push(Op::Head(Head { revision: id, ..head.clone() }));
        }
        if read.is_some() {
            let mut stack = self.stack().clone();
            set(&mut stack, StackCondition::SourceMissing, None);
            set(&mut stack, StackCondition::Mistaken, self.mistaken_catalogue());
            self.put_stack(&mut change, stack);
        }
        self.commit(change).await
    }

    /// What is there is offered to others from the start, also where the files that it came from cannot be read any more or
    /// have mistakes, where it is stopped or paused: nothing else would tell of it then.
    pub(super) async fn offer_what_is_there(&mut self) -> Result<(), Halt> {
        let is_wanted = !matches!(self.stack().wish, Wish::Gone);
        let target = self.stack().target.filter(|_| is_wanted && !self.shared.has_offered(&self.id));
        if let Some(target) = target {
            let graph = self.graph(Some(target)).await?;
            self.shared.offers(&self.id, Some(&graph));
        }
        Ok(())
    }

    /// Nothing is decided by what could not be read or has mistakes; it is told.
    async fn no_news(&mut self, no: NoRelease) -> Result<(), Halt> {
        match no {
            NoRelease::Store(error) => Err(later(&error)),
            // They could be read, so they are there.
            NoRelease::Mistakes(mistakes) => self.trouble(None, Some(mistaken(&mistakes))).await,
            NoRelease::Waits(..) => {
                self.memory.gathered = None;
                self.trouble(None, self.mistaken_catalogue()).await?;
                self.told_waits(&no).await
            }
            NoRelease::Source(trouble) => {
                // Gathered again when it may have passed, although nothing else has changed by then.
                if trouble.passes {
                    let at = self.now().steady.plus(AGAIN);
                    self.memory.retry_at = Some(at);
                    self.wake_at(at);
                    self.memory.source_tries += 1;
                    if self.memory.source_tries <= TRIES_UNTOLD {
                        // An editor that saves several files: nothing that anybody has to know.
                        return Ok(());
                    }
                }
                let why: Why = trouble.why;
                // What was wrong with files that are not there is nothing that anybody can mend.
                self.trouble(Some(why), self.mistaken_catalogue()).await
            }
        }
    }

    /// What is wrong with the files now, in place of what was.
    pub(super) async fn trouble(&mut self, missing: Option<Why>, mistaken: Option<Why>) -> Result<(), Halt> {
        let mut stack = self.stack().clone();
        set(&mut stack, StackCondition::SourceMissing, missing);
        set(&mut stack, StackCondition::Mistaken, mistaken);
        if stack.conditions == self.stack().conditions {
            return Ok(());
        }
        let mut change = Change::new();
        self.put_stack(&mut change, stack);
        self.commit(change).await
    }
}
