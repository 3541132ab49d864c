//! Questions about files, worlds and what was done before: they change nothing.

use crate::cli::arguments::{Check, Common, Diff, Explain, History, Of, Plan};
use crate::cli::asking::{Asking, Meant, folder_of};
use crate::cli::client::PAGE;
use crate::cli::exit::{Exit, Failure};
use crate::cli::folders::{self, Near};
use crate::cli::out::Out;
use crate::cli::screen::names::Files;
use crate::cli::screen::{
    diff as diff_screen, found, history as history_screen, plan as plan_screen, questions as screens,
};
use crate::diagnostic::Severity;
use crate::model::Name;
use crate::server::api::answers::{Explanations, Plans, Repositories, Slugs, Worlds};
use crate::server::api::asks::{self, AskWhyNot, Files as OfFiles, MakePlan, PlanOf};
use crate::server::api::deployment::{Deployment, Deployments, Diff as Differs};
use crate::server::api::paths;
use crate::server::api::problem::Diagnostic;
use crate::server::api::question::{Checked, ServiceFits, WhyNot};
use jiff::tz::TimeZone;
use serde_json::json;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// What was asked of is a folder of files.
pub(in crate::cli) fn of_folder(folder: &Path) -> OfFiles {
    OfFiles::Folder(folder.display().to_string())
}

/// `deployd check`: every mistake of a folder's files, and of the worlds and repositories.
pub(in crate::cli) async fn check(common: &Common, of: &Check, out: &Out) -> Result<Exit, Failure> {
    let folder = folders::existing(&of.folder)?;
    let asking = Asking::of_files(common, out, &Near::Files(folder.clone())).await?;
    let files = asking.files(&folder)?;
    let worlds = match of.all_worlds {
        true => BTreeSet::new(),
        false => asking.worlds_of(&folder).await?,
    };
    let ask = asks::Check { of: of_folder(&folder), worlds };
    let mut checked = match asking.client().post::<Checked>(paths::CHECK, &ask).await {
        Ok(checked) => checked,
        // A folder of worlds and repositories has no services, and is checked as what it is.
        Err(failure) if failure.is_not_found() && folder.join("worlds").is_dir() => {
            let all = asks::Check { of: of_folder(&folder), worlds: BTreeSet::new() };
            match asking.client().post::<Checked>(paths::CHECK, &all).await {
                Err(failure) if failure.is_not_found() => nothing(),
                checked => checked.map_err(|failure| failure.in_files(&files))?,
            }
        }
        Err(failure) => return Err(failure.in_files(&files)),
    };
    let of_systems = systems_mistakes(&asking).await?;
    let new: Vec<Diagnostic> = of_systems.into_iter().filter(|one| !checked.diagnostics.contains(one)).collect();
    checked.diagnostics.extend(new);
    checked.diagnostics.sort_by(|a, b| (&a.place, &a.code, &a.detail).cmp(&(&b.place, &b.code, &b.detail)));
    checked.has_errors = checked.diagnostics.iter().any(|one| one.severity == Severity::Error);
    if out.is_json() {
        let data = json!({
            "services": checked.services, "worlds": checked.worlds, "files": checked.files,
            "has_errors": checked.has_errors,
        });
        out.object_with("check", common.world.as_deref(), &data, &checked.diagnostics)?;
    } else {
        out.data(&found::some(&checked.diagnostics, &files, out.look()))?;
        out.talk(&summary(&checked));
    }
    Ok(if checked.has_errors { Exit::Mistakes } else { Exit::Done })
}

fn nothing() -> Checked {
    Checked { diagnostics: Vec::new(), services: Vec::new(), worlds: Vec::new(), files: 0, has_errors: false }
}

/// What is wrong with worlds and repositories themselves.
async fn systems_mistakes(asking: &Asking) -> Result<Vec<Diagnostic>, Failure> {
    let worlds: Worlds = asking.client().all(paths::WORLDS).await?;
    let repositories: Repositories = asking.client().all(paths::REPOSITORIES).await?;
    let mut all: Vec<Diagnostic> = worlds.worlds.into_iter().flat_map(|world| world.diagnostics).collect();
    for one in repositories.repositories.into_iter().flat_map(|repository| repository.diagnostics) {
        if !all.contains(&one) {
            all.push(one);
        }
    }
    Ok(all)
}

fn summary(checked: &Checked) -> String {
    let names = |names: &[Name]| names.iter().map(Name::as_str).collect::<Vec<_>>().join(", ");
    let errors = checked.diagnostics.iter().filter(|one| one.severity == Severity::Error).count();
    let found = match errors {
        0 => "no mistakes".to_owned(),
        1 => "1 mistake".to_owned(),
        errors => format!("{errors} mistakes"),
    };
    let gap = if checked.diagnostics.is_empty() { "" } else { "\n" };
    match (checked.services.is_empty(), checked.worlds.is_empty()) {
        (true, _) => format!("{gap}{found}\n"),
        (false, true) => format!("{gap}{}: {found}\n", names(&checked.services)),
        (false, false) => {
            format!("{gap}{}, for {}: {found}\n", names(&checked.services), names(&checked.worlds))
        }
    }
}

/// `deployd plan`: what would be done, field by field.
pub(in crate::cli) async fn plan(common: &Common, asked: &Plan, out: &Out) -> Result<Exit, Failure> {
    let asking = Asking::of_files(common, out, &Near::word(&asked.of.stack)).await?;
    let (world, of, files) = plan_of(&asking, &asked.of.stack).await?;
    let is_folder = matches!(of, PlanOf::Folder { .. });
    let make = MakePlan { of, mode: mode(asked.mode) };
    let made: Plans = asking
        .client()
        .post(&paths::fill(paths::PLANS, &[&world]), &make)
        .await
        .map_err(|failure| failure.in_files(&files))?;
    if out.is_json() {
        out.object("plan", Some(&world), &made)?;
    } else {
        let known: BTreeSet<Name> = match is_folder {
            true => asking.stacks(Some(&world)).await?.into_iter().map(|stack| stack.name).collect(),
            false => made.plans.iter().map(|plan| plan.stack.clone()).collect(),
        };
        for (index, plan) in made.plans.iter().enumerate() {
            let mut apply = if known.contains(&plan.stack) { plan.digest.short() } else { asked.of.stack.clone() };
            apply.extend(common.world.iter().map(|world| format!(" --world {world}")));
            let gap = if index > 0 { "\n" } else { "" };
            let text = plan_screen::plan(plan, plan_screen::Detail::Fields { apply: &apply }, out.look());
            out.data(&format!("{gap}{text}"))?;
        }
    }
    let is_idle = made.plans.iter().all(|plan| plan.steps.is_empty() && plan.report.needs_consent.is_empty());
    Ok(if asked.exit_code && !is_idle { Exit::SomethingToDo } else { Exit::Done })
}

/// Of what a plan is made that a word means: of what a folder holds, or of what a known stack's source holds.
async fn plan_of(asking: &Asking, word: &str) -> Result<(Name, PlanOf, Files), Failure> {
    match asking.meant(word).await? {
        Meant::Folder(folder) => {
            let files = asking.files(&folder)?;
            let of = PlanOf::Folder { folder: folder.display().to_string(), services: BTreeSet::new() };
            Ok((asking.world(), of, files))
        }
        Meant::Stack(stack) => {
            let world = asking.world_of(&stack).await?;
            match asking.stack(&world, &stack).await {
                Ok(known) => {
                    let files = folder_of(&known).map(|folder| asking.files(&folder)).transpose()?.unwrap_or_default();
                    Ok((world, PlanOf::Stack { stack }, files))
                }
                // It is not there yet: what it is elsewhere is planned here.
                Err(failure) if failure.is_not_found() => {
                    let folder = folder_elsewhere(asking, &stack).await?.ok_or(failure)?;
                    let services = BTreeSet::from([stack]);
                    let of = PlanOf::Folder { folder: folder.display().to_string(), services };
                    Ok((world, of, asking.files(&folder)?))
                }
                Err(failure) => Err(failure),
            }
        }
    }
}

/// The folder from which a stack of that name runs in some world.
pub(super) async fn folder_elsewhere(asking: &Asking, stack: &Name) -> Result<Option<PathBuf>, Failure> {
    let all = asking.stacks(None).await?;
    Ok(all.iter().filter(|one| one.name == *stack).find_map(folder_of))
}

/// How it is run, as the API says it.
pub(in crate::cli) fn mode(mode: crate::cli::arguments::Mode) -> crate::state::Mode {
    match (mode.quick, mode.full) {
        (true, _) => crate::state::Mode::Quick,
        (_, true) => crate::state::Mode::Full,
        _ => crate::state::Mode::Evaluated,
    }
}

/// `deployd explain`: who set a value.
pub(in crate::cli) async fn explain(common: &Common, asked: &Explain, out: &Out) -> Result<Exit, Failure> {
    let asking = Asking::new(common, out, &Near::word(&asked.stack)).await?;
    let (world, explained, files) = explained(&asking, asked).await?;
    if out.is_json() {
        out.object("explain", Some(&world), &explained)?;
        return Ok(Exit::Done);
    }
    match explained.explanations.as_slice() {
        [one] => out.data(&screens::explanation(one, &files, out.look()))?,
        all => out.data(&screens::explanations(all, &files, out.look()))?,
    }
    Ok(Exit::Done)
}

async fn explained(asking: &Asking, asked: &Explain) -> Result<(Name, Explanations, Files), Failure> {
    let (world, folder, service) = match asking.meant(&asked.stack).await? {
        Meant::Folder(folder) => (asking.world(), folder, None),
        Meant::Stack(stack) => {
            let world = asking.world_of(&stack).await?;
            match asking.stack(&world, &stack).await {
                Ok(known) => {
                    let path = paths::fill(paths::EXPLAIN, &[&world, &stack]);
                    let query: Vec<(&str, String)> = asked.value.iter().map(|value| ("value", value.clone())).collect();
                    let files = folder_of(&known).map(|folder| asking.files(&folder)).transpose()?.unwrap_or_default();
                    let answer = asking.client().get_with(&path, &query).await;
                    return Ok((world, answer.map_err(|failure| failure.in_files(&files))?, files));
                }
                Err(failure) if failure.is_not_found() => {
                    let folder = folder_elsewhere(asking, &stack).await?.ok_or(failure)?;
                    (world, folder, Some(stack))
                }
                Err(failure) => return Err(failure),
            }
        }
    };
    let files = asking.files(&folder)?;
    let ask = asks::Explain { of: of_folder(&folder), service, value: asked.value.clone() };
    let answer = asking.client().post(&paths::fill(paths::EXPLAIN_FILES, &[&world]), &ask).await;
    Ok((world, answer.map_err(|failure| failure.in_files(&files))?, files))
}

/// `deployd slugs`: what a world can be asked for.
pub(in crate::cli) async fn slugs(common: &Common, out: &Out) -> Result<Exit, Failure> {
    let asking = Asking::new(common, out, &Near::Nothing).await?;
    let world = asking.world();
    let answer: Slugs = asking.client().all(&paths::fill(paths::SLUGS, &[&world])).await?;
    match out.is_json() {
        true => out.object("slugs", Some(&world), &answer)?,
        false => out.data(&screens::slugs(&answer.slugs, out.look()))?,
    }
    Ok(Exit::Done)
}

/// `deployd why-not`: why services cannot go to a world.
pub(in crate::cli) async fn why_not(common: &Common, of: &Of, out: &Out) -> Result<Exit, Failure> {
    let folder = folders::existing(&of.folder)?;
    let asking = Asking::of_files(common, out, &Near::Files(folder.clone())).await?;
    let (world, files) = (asking.world(), asking.files(&folder)?);
    let ask = AskWhyNot { of: of_folder(&folder), services: BTreeSet::new() };
    let answer = asking.client().post::<WhyNot>(&paths::fill(paths::WHY_NOT, &[&world]), &ask).await;
    let answer = answer.map_err(|failure| failure.in_files(&files))?;
    match out.is_json() {
        true => out.object("why-not", Some(&world), &answer)?,
        false => out.data(&screens::why_not(&answer, &files, out.look()))?,
    }
    Ok(fits(&answer))
}

/// What is in the way is in the files, or in the world.
fn fits(answer: &WhyNot) -> Exit {
    let is_error = |one: &Diagnostic| one.severity == Severity::Error;
    let mistaken = |one: &ServiceFits| !one.misfits.is_empty() || one.diagnostics.iter().any(is_error);
    match () {
        () if answer.services.iter().all(|service| service.fits) => Exit::Done,
        () if answer.services.iter().any(mistaken) => Exit::Mistakes,
        () => Exit::WentWrong,
    }
}

/// `deployd history`: the deployments of a stack, newest first.
pub(in crate::cli) async fn history(common: &Common, asked: &History, out: &Out) -> Result<Exit, Failure> {
    let asking = Asking::new(common, out, &Near::word(&asked.of.stack)).await?;
    let (world, stack) = asking.stack_meant(&asked.of.stack).await?;
    let path = paths::fill(paths::DEPLOYMENTS, &[&world, &stack]);
    let mut all: Vec<Deployment> = Vec::new();
    let mut next: Option<String> = None;
    while all.len() < asked.limit {
        let limit = (asked.limit - all.len()).min(PAGE);
        let mut query = vec![("limit", limit.to_string())];
        query.extend(next.map(|next| ("cursor", next)));
        let page: Deployments = asking.client().get_with(&path, &query).await?;
        all.extend(page.deployments);
        next = page.next;
        if next.is_none() {
            break;
        }
    }
    match out.is_json() {
        true => out.object("history", Some(&world), &Deployments { deployments: all, next })?,
        false => out.data(&history_screen::history(&all, &TimeZone::system(), out.look()))?,
    }
    Ok(Exit::Done)
}

/// `deployd diff`: what differs between two releases.
pub(in crate::cli) async fn diff(common: &Common, asked: &Diff, out: &Out) -> Result<Exit, Failure> {
    let asking = Asking::new(common, out, &Near::word(&asked.of.stack)).await?;
    let (world, stack) = asking.stack_meant(&asked.of.stack).await?;
    let named = [("from", &asked.from), ("to", &asked.to)];
    let query: Vec<(&str, String)> =
        named.into_iter().filter_map(|(key, release)| Some((key, release.clone()?))).collect();
    let answer: Differs = asking.client().get_with(&paths::fill(paths::DIFF, &[&world, &stack]), &query).await?;
    match out.is_json() {
        true => out.object("diff", Some(&world), &answer)?,
        false => out.data(&diff_screen::diff(&answer, out.look()))?,
    }
    Ok(Exit::Done)
}
