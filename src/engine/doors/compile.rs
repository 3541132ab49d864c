//! What a source holds now, compiled: for questions, and so that mistakes are answered before anything is written.

use super::super::catalogue::{Compiled, WorldFacts};
use super::super::gather::{NoRelease, Versions, compile_with, keep_blob, reasons, resource, revise, versions};
use super::super::record::StackRows;
use super::super::sources::{self, Held};
use super::owner::REST;
use super::{DoorError, Engine};
use crate::diagnostic::{Diagnostics, did_you_mean};
use crate::graph::DesiredGraph;
use crate::model::{Digest, Name, SecretName, SecretVersion, StackId, Value, canonical_json};
use crate::resolve::Offering;
use crate::state::{Release, Revision, RevisionId, SourceId, Why, WhyCode};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Reads of a source that is torn: saving a few files takes a moment.
const READS_MAX: u32 = 3;

/// The version of a secret that deployd will make when it is needed: a plan makes none.
const TO_BE_MADE: &str = "to be made";

/// A service or a resource as it would be now.
pub(super) struct Would {
    pub stack: StackId,
    pub revision: Revision,
    pub compiled: Compiled,
}

impl Engine {
    /// A world.
    pub(super) fn facts(&self, world: &Name) -> Result<Arc<WorldFacts>, DoorError> {
        let (_, catalogue) = self.shared.catalogue();
        let worlds = catalogue.worlds();
        worlds.get(world).cloned().ok_or_else(|| {
            let why = Why::new(WhyCode::Missing, format!("there is no world {world}"));
            let near = did_you_mean(world, worlds.keys().map(Name::as_str));
            DoorError::NotFound(match near {
                Some(near) => why.way_out(near),
                None => why,
            })
        })
    }

    /// Refuses what a world does not run: what comes from where it trusts nobody.
    pub(super) fn check_trust(&self, world: &Name, source: &SourceId) -> Result<(), DoorError> {
        let facts = self.facts(world)?;
        facts.trust.refusal(world, source).map_or(Ok(()), |why| Err(DoorError::Forbidden(why)))
    }

    /// What a source holds now, whole.
    pub(super) async fn hold(&self, source: &SourceId) -> Result<Held, DoorError> {
        let mut reads = 0;
        loop {
            reads += 1;
            let before = self.shared.source(source);
            match sources::read(&self.shared, source, before.as_deref()).await.held {
                Ok(held) => return Ok(held),
                Err(trouble) if trouble.passes && reads < READS_MAX => {}
                Err(trouble) => return Err(DoorError::Source(trouble.why)),
            }
        }
    }

    /// Which services of a source are meant: those that are named, or all that may go to a world.
    pub(super) fn chosen(
        &self,
        world: &Name,
        source: &SourceId,
        held: &Held,
        named: &BTreeSet<Name>,
    ) -> Result<BTreeSet<Name>, DoorError> {
        let found = &held.manifests.found;
        let may_go = |name: &Name| {
            found.get(name).is_some_and(|one| one.worlds.as_ref().is_none_or(|worlds| worlds.contains(world)))
        };
        if held.manifests.mistakes.has_errors() {
            return Err(DoorError::Mistakes(held.manifests.mistakes.clone()));
        }
        for name in named {
            if !found.contains_key(name) {
                let why = Why::new(WhyCode::Missing, format!("no manifest in {} says `service: {name}`", source.0));
                let near = did_you_mean(name, found.keys().map(Name::as_str));
                return Err(DoorError::NotFound(match near {
                    Some(near) => why.way_out(near),
                    None => why,
                }));
            }
            if !may_go(name) {
                let why = Why::new(WhyCode::Refused, format!("{name} does not go to {world}: its `worlds` are others"));
                return Err(DoorError::Refused(why.way_out(format!("add {world} to its `worlds`"))));
            }
        }
        let chosen: BTreeSet<Name> = match named.is_empty() {
            true => found.keys().filter(|name| may_go(name)).cloned().collect(),
            false => named.clone(),
        };
        if chosen.is_empty() {
            if found.is_empty() {
                let text = format!("there is no manifest in {}", source.0);
                let way_out =
                    "write a deployd.yaml that says `service: NAME`; if there is one, .gitignore leaves it out";
                return Err(DoorError::NotFound(Why::new(WhyCode::Missing, text).way_out(way_out)));
            }
            let text = format!("no service in {} goes to {world}", source.0);
            let way_out = format!("add {world} to the `worlds` of one");
            return Err(DoorError::Refused(Why::new(WhyCode::Missing, text).way_out(way_out)));
        }
        Ok(chosen)
    }

    /// Compiles services of a source, each with what the others offer.
    ///
    /// # Errors
    /// The mistakes of all of them together. That something is not offered yet is none.
    pub(super) async fn compile_all(
        &self,
        world: &Name,
        held: &Held,
        services: &BTreeSet<Name>,
    ) -> Result<Vec<Would>, DoorError> {
        let mut revised = Vec::new();
        for service in services {
            let revision = revise(&self.shared, held, service, &BTreeSet::new()).await.map_err(no_release)?;
            revised.push((StackId::new(world.clone(), service.clone()), revision));
        }
        let mut would = self.compile_new(world, revised).await?;
        for one in &mut would {
            let Some(manifest) = held.manifests.found.get(&one.stack.stack) else { continue };
            let left_out = manifest.left_out(&held.snapshot.files, &held.snapshot.left_out);
            left_out.into_iter().for_each(|one_left| one.compiled.said.push(one_left));
        }
        Ok(would)
    }

    /// Compiles what is asked for now. What the world's file said last stands for what runs; who asks for something new may
    /// mean what it says now, so its mistakes are theirs.
    async fn compile_new(&self, world: &Name, revised: Vec<(StackId, Revision)>) -> Result<Vec<Would>, DoorError> {
        let of_world = self.shared.catalogue().1.mistakes_in_file(world);
        let of_world = of_world.map(|found| (*found).clone()).unwrap_or_default();
        match self.compile_revised(world, revised).await {
            Ok(would) if !of_world.has_errors() => Ok(would),
            Ok(_) => Err(DoorError::Mistakes(of_world)),
            Err(DoorError::Mistakes(mut found)) => {
                found.extend(of_world);
                Err(DoorError::Mistakes(found.sorted()))
            }
            Err(other) => Err(other),
        }
    }

    async fn compile_revised(&self, world: &Name, revised: Vec<(StackId, Revision)>) -> Result<Vec<Would>, DoorError> {
        // Copied once one of them offers something else than is known of it: most changes are of a file.
        let mut others = self.shared.others(world);
        let mut done: BTreeMap<StackId, Would> = BTreeMap::new();
        // One that asks for what another of them offers is compiled again once that one is, or is known to come: each moves
        // twice at most.
        for _ in 0..=2 * revised.len() {
            let open: Vec<_> = revised
                .iter()
                .filter(|(stack, _)| done.get(stack).is_none_or(|would| waits(&would.compiled)))
                .cloned()
                .collect();
            let mut gained = false;
            for (stack, revision) in open {
                let compiled = compile_with(&self.shared, &stack, &revision, &others).await.map_err(no_release)?;
                if let Some(offering) = with_before(&compiled, others.of_stack(&stack))
                    && others.of_stack(&stack) != Some(&offering)
                {
                    Arc::make_mut(&mut others).set(stack.clone(), offering);
                    gained = true;
                }
                done.insert(stack.clone(), Would { stack, revision, compiled });
            }
            if !gained {
                break;
            }
        }
        let mut mistakes = Diagnostics::new();
        for would in done.values().filter(|would| would.compiled.has_mistakes()) {
            mistakes.extend(would.compiled.said.clone());
        }
        if mistakes.has_errors() {
            return Err(DoorError::Mistakes(mistakes.sorted()));
        }
        Ok(done.into_values().collect())
    }

    /// A resource of a slug, as it would be now.
    pub(super) async fn compile_slug(&self, stack: &StackId, slug: &Name, with: &Value) -> Result<Would, DoorError> {
        // What is refused is not kept: it may hold anything.
        let (_, catalogue) = self.shared.catalogue();
        let would = catalogue.compile_resource(stack, slug, with, &self.shared.others(&stack.world));
        if would.has_mistakes() {
            return Err(DoorError::Mistakes(would.said));
        }
        let revision = resource(&*self.parts().store, slug, with).await?;
        let would = self.compile_new(&stack.world, vec![(stack.clone(), revision)]).await?;
        Ok(would.into_iter().next().expect("one was asked for"))
    }

    /// A known stack as its source has it now. `source` is its own.
    pub(super) async fn compile_stack(&self, rows: &StackRows, source: &SourceId) -> Result<Would, DoorError> {
        let stack = &rows.id;
        if source.0 == REST {
            let spec = rows.resource.clone().ok_or_else(|| {
                DoorError::Source(Why::new(WhyCode::Missing, format!("what {stack} is made of is not kept any more")))
            })?;
            return self.compile_slug(stack, &spec.slug, &spec.with).await;
        }
        if source.0.starts_with("world:") {
            let facts = self.facts(&stack.world)?;
            let Some((slug, with)) = facts.resources.get(&stack.stack) else {
                let text = format!("the file of {} names no resource `{}` any more", stack.world, stack.stack);
                return Err(DoorError::Source(Why::new(WhyCode::Missing, text)));
            };
            return self.compile_slug(stack, slug, with).await;
        }
        self.check_trust(&stack.world, source)?;
        let held = self.hold(source).await?;
        let service = BTreeSet::from([stack.stack.clone()]);
        if let (false, true) = (held.manifests.found.contains_key(&stack.stack), held.manifests.mistakes.has_errors()) {
            return Err(DoorError::Mistakes(held.manifests.mistakes.clone()));
        }
        let would = self.compile_all(&stack.world, &held, &service).await?;
        Ok(would.into_iter().next().expect("one was asked for"))
    }

    /// A revision that is kept, as it would be now.
    pub(super) async fn compile_kept(&self, stack: &StackId, revision: &Revision) -> Result<Would, DoorError> {
        let would = self.compile_revised(&stack.world, vec![(stack.clone(), revision.clone())]).await?;
        Ok(would.into_iter().next().expect("one was asked for"))
    }

    /// The secrets of a graph, by version. None is made: one that would be has a version that says so.
    pub(super) async fn secrets_of(
        &self,
        stack: &StackId,
        graph: &DesiredGraph,
        before: &BTreeMap<SecretName, SecretVersion>,
    ) -> Result<SecretsOf, DoorError> {
        let found = versions(&self.shared, stack, graph, before).await;
        let Versions { mut known, missing } = found.map_err(|trouble| DoorError::Source(trouble.why))?;
        let reasons = reasons(&stack.world, &missing);
        let made = missing.into_keys().filter(|name| graph.generate.contains_key(name));
        known.extend(made.map(|name| (name, SecretVersion(TO_BE_MADE.to_owned()))));
        Ok((known, reasons))
    }
}

/// The versions of secrets, and why others cannot be had.
pub(super) type SecretsOf = (BTreeMap<SecretName, SecretVersion>, BTreeMap<SecretName, Why>);

/// What a stack offers; while something of others is missing, beside what it offered before.
pub(super) fn with_before(compiled: &Compiled, before: Option<&Offering>) -> Option<Offering> {
    match (&compiled.to_come, before) {
        (Some(to_come), Some(before)) => Some(before.with(to_come.clone())),
        _ => compiled.offering(),
    }
}

/// Whether only what others do not offer yet keeps it from a graph.
fn waits(compiled: &Compiled) -> bool {
    compiled.graph.is_none() && !compiled.has_mistakes()
}

/// The release of a graph with these secrets, as gathering it would name it.
pub(super) fn release_of(
    revision: RevisionId,
    graph: &DesiredGraph,
    secrets: BTreeMap<SecretName, SecretVersion>,
) -> Release {
    Release { revision, graph: Digest::of(canonical_json(graph)), secrets }
}

/// Why there is nothing to compile.
pub(super) fn no_release(no: NoRelease) -> DoorError {
    match no {
        NoRelease::Source(trouble) => DoorError::Source(trouble.why),
        NoRelease::Mistakes(mistakes) => DoorError::Mistakes(mistakes),
        NoRelease::Waits(said, _) => DoorError::Mistakes(said),
        NoRelease::Store(error) => DoorError::Store(error),
    }
}

impl Engine {
    /// Keeps a value as a blob.
    pub(super) async fn keep<T: serde::Serialize + Sync>(&self, value: &T) -> Result<Digest, DoorError> {
        Ok(keep_blob(&*self.parts().store, value).await?)
    }
}
