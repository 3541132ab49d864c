//! Questions about files: what is wrong with them, who set a value, why not there. Nothing is kept and nothing is done.

use super::Shared;
use super::paths::OfWorld;
use crate::diagnostic::Diagnostics;
use crate::engine::Compiled;
use crate::model::Name;
use crate::server::access::Caller;
use crate::server::answer_explain::explain_resolved;
use crate::server::api::answers::Explanations;
use crate::server::api::asks::{AskWhyNot, Check, Explain};
use crate::server::api::paths;
use crate::server::api::question::{Checked, ServiceFits, WhyNot};
use crate::server::extract::{Named, Sent};
use crate::server::files::{Gathered, gather};
use crate::server::lacking::{lacking, not_built};
use crate::server::refusal::{Answer, Refusal};
use crate::server::show;
use axum::Json;
use axum::extract::State;
use std::collections::{BTreeMap, BTreeSet};

/// Whether files have mistakes
///
/// All of them at once: of the manifests, and of what they ask of each world, each with its place, the line, the reason,
/// what to do and who can do it.
#[utoipa::path(post, path = paths::CHECK, operation_id = "check", tag = "questions", request_body = Check, security(("token" = ["read"])), responses(
    (status = 200, description = "What was found; mistakes are no failure of the question.", body = Checked),
))]
pub async fn check(State(serving): Shared, caller: Caller, Sent(sent): Sent<Check>) -> Answer<Json<Checked>> {
    sent.worlds.iter().try_for_each(|world| Refusal::unless_has(&caller.worlds, world))?;
    serving.read_anew().await;
    sent.worlds.iter().try_for_each(|world| serving.world(world).map(drop))?;
    let engine = serving.engine();
    let mut files = gather(engine, &sent.of).await?;
    // What they are checked against may be wrong itself.
    let mut found = match if sent.worlds.is_empty() { caller.worlds.only() } else { Some(&sent.worlds) } {
        None => files.catalogue.mistakes(),
        Some(worlds) => {
            let mut of_worlds = Diagnostics::new();
            worlds.iter().for_each(|world| of_worlds.extend(files.catalogue.mistakes_of(world)));
            of_worlds
        }
    };
    if files.manifests.found.is_empty() && files.manifests.mistakes.is_empty() && !found.has_errors() {
        return Err(Refusal::not_found("there is no deployd.yaml among the files")
            .way_out("write one; if there is one, .gitignore leaves it out"));
    }
    let services: Vec<Name> = files.manifests.found.keys().cloned().collect();
    found.extend(files.manifests.mistakes.clone());
    let mut by_world: BTreeMap<Name, Vec<Name>> = BTreeMap::new();
    for service in &services {
        for world in asked_worlds(&files, service, &sent.worlds).into_iter().filter(|world| caller.worlds.has(world)) {
            by_world.entry(world).or_default().push(service.clone());
        }
    }
    for (world, services) in &by_world {
        for compiled in files.compile_all(engine, world, services).await? {
            found.extend(lacking(engine, &compiled).await?);
            found.extend(compiled.said);
        }
    }
    let found = found.sorted();
    Ok(Json(Checked {
        diagnostics: files.shown(&found),
        services,
        worlds: by_world.into_keys().collect(),
        files: files.count(),
        has_errors: found.has_errors(),
    }))
}

/// The worlds that a service is checked for: those that are named, else those that it says it may go to, else all.
fn asked_worlds(files: &Gathered, service: &Name, named: &BTreeSet<Name>) -> Vec<Name> {
    if !named.is_empty() {
        return named.iter().cloned().collect();
    }
    let may_go = files.manifests.found.get(service).and_then(|manifest| manifest.worlds.as_ref());
    let known = files.catalogue.worlds().into_keys();
    known.filter(|world| may_go.is_none_or(|may_go| may_go.contains(world))).collect()
}

/// Who set the values of a service, in a world where it need not run
#[utoipa::path(post, path = paths::EXPLAIN_FILES, operation_id = "explain_files", tag = "questions", params(OfWorld), request_body = Explain, security(("token" = ["read"])), responses(
    (status = 200, description = "Each value with its chain, from who said it last.", body = Explanations),
))]
pub async fn explain(
    State(serving): Shared,
    Named(of): Named<OfWorld>,
    Sent(sent): Sent<Explain>,
) -> Answer<Json<Explanations>> {
    serving.read_anew().await;
    let offers = serving.offers(&of.world)?;
    let mut files = gather(serving.engine(), &sent.of).await?;
    let (service, path) = {
        let manifest = files.one(sent.service.as_ref())?;
        (manifest.service.clone(), manifest.path.clone())
    };
    // What a mistake stands in is no value of anything: the rest would be told as if it were all.
    let mut in_manifest = files.manifests.mistakes.clone();
    in_manifest.retain(|one| one.place.as_ref().is_some_and(|place| *place.file == *path.as_str()));
    if in_manifest.has_errors() {
        return Err(Refusal::mistakes(files.shown(&in_manifest)));
    }
    let compiled = files.compile(serving.engine(), &of.world, &service).await?;
    match &compiled.resolved {
        Some(resolved) => explain_resolved(resolved, &offers, sent.value.as_deref()).map(Json),
        None => Err(Refusal::mistakes(files.shown(&compiled.said))),
    }
}

/// Why services cannot go to a world, and the nearest change that would do
#[utoipa::path(post, path = paths::WHY_NOT, operation_id = "why_not", tag = "questions", params(OfWorld), request_body = AskWhyNot, security(("token" = ["read"])), responses(
    (status = 200, description = "Each service: whether it can, and what is in the way.", body = WhyNot),
))]
pub async fn why_not(
    State(serving): Shared,
    Named(of): Named<OfWorld>,
    Sent(sent): Sent<AskWhyNot>,
) -> Answer<Json<WhyNot>> {
    serving.read_anew().await;
    let offers = serving.offers(&of.world)?;
    let mut files = gather(serving.engine(), &sent.of).await?;
    for service in &sent.services {
        files.one(Some(service))?;
    }
    let wanted: Vec<Name> = match sent.services.is_empty() {
        true => files.manifests.found.keys().cloned().collect(),
        false => sent.services.into_iter().collect(),
    };
    if wanted.is_empty() {
        files.one(None)?;
    }
    let mut services = Vec::with_capacity(wanted.len());
    // Together: what one of them shares, the others may use.
    let all: Vec<Name> = files.manifests.found.keys().cloned().collect();
    let compiled = files.compile_all(serving.engine(), &of.world, &all).await?;
    let mut by_name: BTreeMap<Name, Compiled> = all.into_iter().zip(compiled).collect();
    // By what the world's file said last it may fit; nothing is deployed by that.
    let of_world = files.catalogue.mistakes_in_file(&of.world).map(|found| (*found).clone()).unwrap_or_default();
    for service in wanted {
        let compiled = by_name.remove(&service).unwrap_or_default();
        let misfits = compiled.resolved.as_ref().map(|resolved| resolved.misfits.as_slice()).unwrap_or_default();
        // What is there to be had, and not on this machine, is in the way too.
        let mut lacks = lacking(serving.engine(), &compiled).await?;
        not_built(serving.engine(), &compiled).await?.into_iter().for_each(|one| lacks.push(one));
        let fits = !compiled.said.has_errors() && lacks.is_empty() && !of_world.has_errors();
        let mut told = others(&compiled);
        told.extend(of_world.clone());
        told.extend(lacks);
        services.push(ServiceFits {
            fits,
            misfits: misfits.iter().map(|misfit| show::misfit(misfit, &offers.world)).collect(),
            diagnostics: files.shown(&told.sorted()),
            service,
        });
    }
    Ok(Json(WhyNot { world: of.world, services }))
}

/// What is wrong beside the misfits, which are told as such.
fn others(compiled: &Compiled) -> Diagnostics {
    let mut said = compiled.said.clone();
    said.retain(|found| found.code.0 != "cannot-be-made");
    said
}
