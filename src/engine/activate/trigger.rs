//! A deployment's turn: its files are read and kept, its release is compiled.

use super::super::gather;
use super::super::gather::{NoRelease, compile, reasons, release, revise};
use super::super::queue::move_to;
use super::super::record::{Change, Op};
use super::super::rows::{Aim, Head, ReleaseRow};
use super::super::sources::Trouble;
use super::memory::Gathered;
use super::{Activation, Halt, Round, later};
use crate::act::set;
use crate::diagnostic::Diagnostics;
use crate::graph::DesiredGraph;
use crate::model::{Address, Milliseconds, SecretName, SecretVersion};
use crate::state::{
    DeploymentState, Release, ReleaseId, Revision, RevisionId, SourceId, StackCondition, Why, WhyCode, Wish,
};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Looks again so soon when files were being written, or a host did not answer.
const AGAIN: Milliseconds = Milliseconds(300);

/// So often in a row before a source that does not pass is given up for this deployment.
const TRIES_MAX: u32 = 20;

/// What a deployment is to bring about.
pub(super) struct Target {
    pub(super) revision: Option<(RevisionId, Revision)>,
    pub(super) release: Option<(ReleaseId, Release)>,
}

impl Activation {
    /// Reads, keeps and compiles what a deployment aims at.
    pub(super) async fn trigger(&mut self, number: u64) -> Result<Round, Halt> {
        let row = self.deployment(number).clone();
        let target = match row.aim {
            Aim::Target => Ok(Target { revision: None, release: None }),
            Aim::Release(id) => self.release_again(id).await,
            Aim::Revision(id) => match self.rows().revisions.get(&id).cloned() {
                Some(revision) => self.release_of(id, revision).await,
                None => Err(not_kept(id).into()),
            },
            Aim::Source => match self.read_source(&row.deployment.source, row.deployment.accepted).await? {
                None => return Ok(Round::Waits),
                Some(revision) => match revision {
                    Ok(revision) => self.release_of(revision.id(), revision).await,
                    Err(no) => Err(no),
                },
            },
        };
        match target {
            Ok(target) => self.triggered(number, target).await,
            Err(no) => self.not_triggered(number, no).await,
        }
    }

    /// What the source holds since a deployment was accepted; nothing while that is being read.
    async fn read_source(
        &mut self,
        source: &Option<SourceId>,
        since: crate::model::Wall,
    ) -> Result<Option<Result<Revision, NoRelease>>, Halt> {
        let Some(source) = source else { return Ok(Some(Err(no_source().into()))) };
        if let Some(revision) = self.pseudo_source(source).await? {
            return Ok(Some(revision));
        }
        match self.shared.source(source).filter(|read| read.at >= since) {
            None => {
                self.shared.await_source(source, &self.id);
                Ok(None)
            }
            Some(read) => {
                // What it gives is gathered with this: it is no news afterwards.
                let from = self.stamp(read.number);
                self.memory.gathered = Some(Gathered { from, revision: None, release: None, missing: BTreeMap::new() });
                Ok(Some(match &read.held {
                    Ok(held) => revise(&self.shared, held, &self.id.stack, &self.rows().blobs()).await,
                    Err(trouble) => Err(trouble.clone().into()),
                }))
            }
        }
    }

    /// The revision of a resource without a service: nothing for what comes from files. What comes from where the world
    /// trusts nobody is refused here, also if its trust was withdrawn after the deployment was accepted.
    pub(super) async fn pseudo_source(
        &mut self,
        source: &SourceId,
    ) -> Result<Option<Result<Revision, NoRelease>>, Halt> {
        let (_, catalogue) = self.shared.catalogue();
        let facts = catalogue.worlds().get(&self.id.world).cloned();
        if let Some(why) = facts.as_ref().and_then(|facts| facts.trust.refusal(&facts.name, source)) {
            return Ok(Some(Err(Trouble { why, passes: false }.into())));
        }
        let spec = if source.0 == "rest" {
            self.rows().resource.as_ref().map(|spec| (spec.slug.clone(), spec.with.clone()))
        } else if source.0.starts_with("world:") {
            facts.and_then(|facts| facts.resources.get(&self.id.stack).cloned())
        } else {
            return Ok(None);
        };
        let Some((slug, with)) = spec else {
            let text = format!("the world's file names no resource `{}` any more", self.id.stack);
            let why = Why::new(WhyCode::Missing, text).way_out(format!("deployd down {} takes it away", self.id.stack));
            return Ok(Some(Err(Trouble { why, passes: false }.into())));
        };
        let store = &*self.shared.parts.store;
        Ok(Some(gather::resource(store, &slug, &with).await.map_err(NoRelease::Store)))
    }

    /// Compiles a revision and looks its secrets up.
    pub(super) async fn release_of(&mut self, id: RevisionId, revision: Revision) -> Result<Target, NoRelease> {
        let compiled = compile(&self.shared, &self.id, &revision).await?;
        if !compiled.not_offered.is_empty() {
            self.import_from(compiled.not_offered.iter());
        }
        let has_mistakes = compiled.has_mistakes();
        let Some(graph) = compiled.graph else {
            self.shared.will_offer(&self.id, compiled.to_come.as_ref());
            return Err(match has_mistakes {
                false if !compiled.not_offered.is_empty() => NoRelease::Waits(compiled.said, compiled.not_offered),
                _ => NoRelease::Mistakes(compiled.said),
            });
        };
        self.memory.not_offered.clear();
        self.shared.offers(&self.id, Some(&graph));
        let made = self.compose(id, graph).await?;
        Ok(Target { revision: Some((id, revision)), release: Some((made.id(), made)) })
    }

    /// A release that is kept, with the secrets of now: old versions of secrets are not brought back.
    async fn release_again(&mut self, id: ReleaseId) -> Result<Target, NoRelease> {
        let Some(row) = self.rows().releases.get(&id).cloned() else { return Err(not_kept(id).into()) };
        let revision = self.rows().revisions.get(&row.release.revision).cloned();
        let graph = match self.graph(Some(id)).await {
            Ok(graph) => graph,
            Err(_) => return Err(not_kept(id).into()),
        };
        let made = self.compose(row.release.revision, graph).await?;
        Ok(Target {
            revision: revision.map(|revision| (row.release.revision, revision)),
            release: Some((made.id(), made)),
        })
    }

    async fn compose(&mut self, revision: RevisionId, graph: Arc<DesiredGraph>) -> Result<Release, NoRelease> {
        let (before, named) = (self.versions_in_use(), self.rows().blobs());
        let made = release(&self.shared, &self.id, revision, graph, &before, &named).await?;
        let secrets = made.release.secrets.keys().chain(made.missing.keys()).cloned().collect();
        self.shared.composed_with(&self.id, secrets);
        self.memory.remember_graph(made.release.graph, Arc::clone(&made.graph));
        if let Some(gathered) = &mut self.memory.gathered {
            gathered.missing = reasons(&self.id.world, &made.missing);
        }
        Ok(made.release)
    }

    /// The versions of secrets that the target uses.
    fn versions_in_use(&self) -> BTreeMap<SecretName, SecretVersion> {
        let target = self.stack().target.and_then(|target| self.rows().releases.get(&target));
        target.map(|row| row.release.secrets.clone()).unwrap_or_default()
    }

    async fn triggered(&mut self, number: u64, target: Target) -> Result<Round, Halt> {
        let row = self.deployment(number).clone();
        let mut change = Change::new();
        let mut stack = self.stack().clone();
        let mut next = row.clone();
        if let Some((id, release)) = &target.release {
            if stack.quarantine.contains_key(id) && !matches!(row.aim, Aim::Target) {
                return self.quarantined(number, *id).await;
            }
            next.deployment.release = Some(*id);
            self.keep_release(&mut change, &target, row.aim);
            next.deployment.revision = Some(release.revision);
            if matches!(row.aim, Aim::Source | Aim::Revision(_)) {
                self.put_head(&mut change, release.revision, *id, row.aim);
            }
            set(&mut stack, StackCondition::SourceMissing, None);
            set(&mut stack, StackCondition::Mistaken, self.mistaken_catalogue());
        } else {
            next.deployment.release = stack.target;
        }
        self.put_stack(&mut change, stack);
        move_to(next, DeploymentState::Triggered, None, self.now().wall, &mut change);
        change.depend_on_stack(&self.id);
        self.commit(change).await?;
        self.memory.source_tries = 0;
        Ok(Round::Moved)
    }

    /// What the source said now stands in the head. Reading the source anew ends what a rollback holds.
    fn put_head(&self, change: &mut Change, revision: RevisionId, release: ReleaseId, aim: Aim) {
        let before = self.rows().head.as_ref();
        let head = match (before, aim) {
            // A change of other inputs was compiled with the revision that is held: the source still says what it said.
            (Some(before), Aim::Revision(_)) if before.held == Some(revision) => {
                Head { release: Some(release), ..before.clone() }
            }
            _ => Head { revision, release: Some(release), held: None },
        };
        if before != Some(&head) {
            change.push(Op::Head(head));
        }
    }

    /// Keeps a release and its revision, unless they are kept.
    pub(super) fn keep_release(&self, change: &mut Change, target: &Target, aim: Aim) {
        if let Some((id, revision)) = &target.revision
            && !self.rows().revisions.contains_key(id)
        {
            change.push(Op::Revision(*id, Box::new(revision.clone())));
        }
        let Some((id, release)) = &target.release else { return };
        if let Some(row) = self.rows().releases.get(id) {
            // What the source asks for again comes after what served meanwhile: a rollback leads there.
            let is_anew = matches!(aim, Aim::Source | Aim::Revision(_)) && self.stack().good != Some(*id);
            if is_anew && row.good.is_some() {
                change.push(Op::Release(*id, Box::new(ReleaseRow { made: self.now().wall, ..row.clone() })));
            }
        } else {
            let of_revision = self.rows().releases.values().filter(|row| row.release.revision == release.revision);
            let nth = of_revision.map(|row| row.nth).max().unwrap_or(0) + 1;
            let row = ReleaseRow { release: release.clone(), nth, made: self.now().wall, good: None };
            change.push(Op::Release(*id, Box::new(row)));
        }
    }

    async fn quarantined(&mut self, number: u64, release: ReleaseId) -> Result<Round, Halt> {
        let why = self.stack().quarantine.get(&release).cloned();
        let text = why.map_or_else(|| "it failed before".to_owned(), |why| format!("it failed before: {}", why.text));
        let why = Why::new(WhyCode::Refused, text).way_out(format!("deployd retry {}", self.id.stack));
        self.bring(number, DeploymentState::Triggered, None, |row| row.deployment.release = Some(release)).await?;
        self.bring(number, DeploymentState::Failed, Some(why), |_| ()).await?;
        Ok(Round::Moved)
    }

    /// There is no release: what passes is waited for, all else ends this deployment and leaves the stack as it is.
    async fn not_triggered(&mut self, number: u64, no: NoRelease) -> Result<Round, Halt> {
        let (which, why) = match no {
            NoRelease::Store(error) => return Err(later(&error)),
            NoRelease::Source(trouble) if trouble.passes && self.memory.source_tries < TRIES_MAX => {
                self.memory.source_tries += 1;
                if let Some(source) = self.deployment(number).deployment.source.clone() {
                    self.shared.await_source(&source, &self.id);
                }
                return Err(Halt::Later(AGAIN, trouble.why));
            }
            NoRelease::Waits(..) => {
                // It may come: whoever offers it nudges us then.
                self.told_waits(&no).await?;
                return Ok(Round::Waits);
            }
            NoRelease::Source(trouble) => (StackCondition::SourceMissing, trouble.why),
            NoRelease::Mistakes(mistakes) => (StackCondition::Mistaken, mistaken(&mistakes)),
        };
        self.memory.source_tries = 0;
        self.bring(number, DeploymentState::Triggered, None, |_| ()).await?;
        self.bring(number, DeploymentState::Failed, Some(why.clone()), |_| ()).await?;
        match which {
            StackCondition::Mistaken => self.trouble(None, Some(why)).await?,
            _ => self.trouble(Some(why), self.mistaken_catalogue()).await?,
        }
        Ok(Round::Moved)
    }

    /// Tells what others do not offer yet.
    pub(super) async fn told_waits(&mut self, no: &NoRelease) -> Result<(), Halt> {
        let NoRelease::Waits(said, of) = no else { return Ok(()) };
        self.memory.not_offered.clone_from(of);
        self.condition(StackCondition::Waiting, Some(mistaken(said))).await
    }

    /// We are nudged when what these stacks offer has moved.
    pub(super) fn import_from<'a>(&self, addresses: impl Iterator<Item = &'a Address>) {
        self.shared.imports(&self.id, &addresses.map(Address::stack_id).collect());
    }

    /// Whether the wish is to run, and from where.
    pub(super) fn source(&self) -> Option<SourceId> {
        match &self.stack().wish {
            Wish::Run { source } => Some(source.clone()),
            Wish::Stopped | Wish::Gone => None,
        }
    }
}

/// Mistakes as a condition: how many, and the first ones in one line each.
pub(super) fn mistaken(mistakes: &Diagnostics) -> Why {
    let errors: Vec<String> = mistakes
        .clone()
        .sorted()
        .iter()
        .filter(|one| one.severity == crate::diagnostic::Severity::Error)
        .map(|one| {
            let place = one.place.as_ref().map(|place| format!("{place}: ")).unwrap_or_default();
            format!("{place}{}: {}", one.summary, one.detail)
        })
        .collect();
    match errors.as_slice() {
        [only] => Why::new(WhyCode::Other, only.clone()),
        _ => {
            let text = format!("the files have {} mistakes", errors.len());
            Why::new(WhyCode::Other, text).details(errors.into_iter().take(20).collect())
        }
    }
}

fn not_kept(digest: crate::model::Digest) -> Trouble {
    Trouble { why: Why::new(WhyCode::Missing, format!("{} is not kept any more", digest.short())), passes: false }
}

fn no_source() -> Trouble {
    Trouble { why: Why::new(WhyCode::Missing, "it has no source"), passes: false }
}
