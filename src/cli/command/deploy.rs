//! Commands that deploy once and wait for the end: `apply`, `rollback`, `retry`, `down`.

use super::questions::{folder_elsewhere, mode};
use crate::cli::arguments::{Apply, Common, Down, Rollback, Stack as OfStack};
use crate::cli::asking::{Asking, Meant};
use crate::cli::exit::{Exit, Failure};
use crate::cli::folders::Near;
use crate::cli::follow::{Follow, Outcome, Shows, Stopped};
use crate::cli::out::Out;
use crate::cli::screen::names::Files;
use crate::cli::screen::{down as down_screen, story};
use crate::model::{Digest, Milliseconds, Name};
use crate::server::api::answers::{AcceptedList, Plans};
use crate::server::api::asks::{self, MakePlan, PlanOf, Run, TakeDown};
use crate::server::api::deployment::{Accepted, Condition, Down as WentDown};
use crate::server::api::paths;
use crate::server::api::problem::Diagnostic;
use crate::server::api::stack::Stack;
use crate::state::{DeploymentState, StackState};
use std::collections::BTreeSet;
use std::path::Path;

/// What is followed to its end, and how.
pub(in crate::cli) struct Waiting<'w> {
    pub world: &'w Name,
    pub files: &'w Files,
    /// The folder that is looked at when its files have mistakes.
    pub folder: Option<&'w Path>,
    pub shows: Shows,
    pub within: Option<Milliseconds>,
}

/// What came of deployments that were followed to their ends.
pub(in crate::cli) struct Ended {
    pub outcomes: Vec<Outcome>,
    /// What was found wrong with files.
    pub found: Vec<Diagnostic>,
}

/// Asks for deployments and tells of them until they have ended. What is asked for is asked while it is listened.
pub(in crate::cli) async fn to_the_end<F>(asking: &Asking, waiting: &Waiting<'_>, ask: F) -> Result<Ended, Failure>
where
    F: AsyncFnOnce() -> Result<Vec<Accepted>, Failure>,
{
    let before = asking.stacks(Some(waiting.world)).await?;
    let mut follow = Follow::new(asking.client(), &asking.out, waiting.world, waiting.files).await?;
    follow.shows = waiting.shows;
    follow.stops_when_held = true;
    waiting.folder.iter().for_each(|folder| follow.folder(folder.to_path_buf()));
    let accepted = ask().await.map_err(|failure| failure.in_files(waiting.files))?;
    let concerned: BTreeSet<&Name> = accepted.iter().map(|one| &one.stack).collect();
    let known: Vec<Stack> = before.into_iter().filter(|stack| concerned.contains(&stack.name)).collect();
    follow.tell_of(&known);
    let ended = follow.until_ended(&accepted);
    let stopped = match waiting.within {
        None => ended.await?,
        Some(within) => match tokio::time::timeout(within.duration(), ended).await {
            Ok(stopped) => stopped?,
            Err(_) => {
                follow.tell_waits().await;
                let what = format!("it has not ended within {within}; it goes on");
                return Err(Failure::new(Exit::TooLong, what).way_out("deployd status shows how far it is"));
            }
        },
    };
    match stopped {
        Stopped::Ended(outcomes) => Ok(Ended { outcomes, found: follow.found }),
        Stopped::Leave(why) => Err(why),
        Stopped::ServerGone => {
            let failure = Failure::new(Exit::Unreachable, "the server has ended before the deployment has");
            Err(failure.way_out("what was asked for is recorded: deployd status goes on with it"))
        }
    }
}

/// How a command ends whose deployments have ended so.
pub(in crate::cli) fn exit(outcomes: &[Outcome]) -> Exit {
    let is_done = |outcome: &Outcome| outcome.deployment.state == DeploymentState::Done;
    let mistaken =
        |outcome: &Outcome| outcome.stack.as_ref().is_some_and(|stack| stack.conditions.contains_key("mistaken"));
    match () {
        () if outcomes.iter().all(is_done) => Exit::Done,
        () if outcomes.iter().any(|outcome| !is_done(outcome) && mistaken(outcome)) => Exit::Mistakes,
        () => Exit::WentWrong,
    }
}

/// Prints what came of deployments: where everything is up, or as objects.
fn told(asking: &Asking, world: &Name, ended: &Ended) -> Result<Exit, Failure> {
    let (out, outcomes) = (&asking.out, ended.outcomes.as_slice());
    if out.is_json() {
        let deployments: Vec<_> = outcomes.iter().map(|outcome| &outcome.deployment).collect();
        let stacks: Vec<_> = outcomes.iter().filter_map(|outcome| outcome.stack.as_ref()).collect();
        let data = serde_json::json!({ "deployments": deployments, "stacks": stacks });
        out.object_with("ended", Some(world), &data, &ended.found)?;
    } else {
        let done = outcomes.iter().filter(|outcome| outcome.deployment.state == DeploymentState::Done);
        let up: Vec<Stack> = done.filter_map(|outcome| outcome.stack.clone()).collect();
        let text = story::is_up(&up, out.look());
        if !text.is_empty() {
            out.talk("\n");
        }
        out.data(&text)?;
    }
    exit_of_run(outcomes)
}

/// How a command ends whose services are to run afterwards.
///
/// # Errors
/// Somebody else took one of them down.
pub(in crate::cli) fn exit_of_run(outcomes: &[Outcome]) -> Result<Exit, Failure> {
    let over: Vec<&str> =
        outcomes.iter().filter(|outcome| is_over(outcome)).map(|one| one.deployment.stack.as_str()).collect();
    if let ([_, ..], Exit::Done) = (over.as_slice(), exit(outcomes)) {
        let was = if over.len() == 1 { "was" } else { "were" };
        let what = format!("{} {was} taken down by another command meanwhile", over.join(", "));
        return Err(Failure::new(Exit::WentWrong, what));
    }
    Ok(exit(outcomes))
}

/// Whether what was to run does not: somebody else took it down, and that was done.
fn is_over(outcome: &Outcome) -> bool {
    let state = outcome.stack.as_ref().map_or(Some(StackState::Deleted), |stack| stack.state);
    matches!(state, Some(StackState::Stopped | StackState::Deleting | StackState::Deleted))
}

/// `deployd apply`: deploy once and wait.
pub(in crate::cli) async fn apply(common: &Common, asked: &Apply, out: &Out) -> Result<Exit, Failure> {
    let asking = Asking::of_files(common, out, &Near::word(&asked.what)).await?;
    let (world, what) = applied(&asking, &asked.what).await?;
    let (files, folder) = match &what {
        What::Folder(folder, _) => (asking.files(folder)?, Some(folder.clone())),
        What::Stack(stack, _) => {
            let known = asking.stack(&world, stack).await?;
            let folder = crate::cli::asking::folder_of(&known);
            (folder.as_deref().map(|folder| asking.files(folder)).transpose()?.unwrap_or_default(), folder)
        }
    };
    let shows = Shows::Table;
    let waiting = Waiting { world: &world, files: &files, folder: folder.as_deref(), shows, within: asked.within };
    let ended = to_the_end(&asking, &waiting, async || send(&asking, &world, &what, asked).await).await?;
    told(&asking, &world, &ended)
}

/// What `apply` was given.
enum What {
    /// A folder, and which of its services: all when none is named.
    Folder(std::path::PathBuf, BTreeSet<Name>),
    /// A known stack, and the plan that has to be the plan of now.
    Stack(Name, Option<Digest>),
}

async fn send(asking: &Asking, world: &Name, what: &What, asked: &Apply) -> Result<Vec<Accepted>, Failure> {
    match what {
        What::Folder(folder, services) => {
            let run = Run {
                folder: folder.display().to_string(),
                services: services.clone(),
                watch: false,
                mode: mode(asked.mode),
                because: Some("apply".to_owned()),
            };
            let list: AcceptedList = asking.client().post(&paths::fill(paths::RUNS, &[world]), &run).await?;
            Ok(list.accepted)
        }
        What::Stack(stack, plan) => {
            let apply = asks::Apply { plan: *plan, mode: mode(asked.mode), because: Some("apply".to_owned()) };
            let path = paths::fill(paths::DEPLOYMENTS, &[world, stack]);
            Ok(vec![asking.client().post(&path, &apply).await?])
        }
    }
}

/// What is meant by a word: a stack, a folder, or a plan of now.
async fn applied(asking: &Asking, word: &str) -> Result<(Name, What), Failure> {
    if looks_like_a_plan(word) && !Path::new(word).exists() {
        let known = asking.stacks(asking.common.world.as_ref()).await?;
        if !known.iter().any(|stack| *stack.name == *word) {
            return planned(asking, word, &known).await;
        }
    }
    match asking.meant(word).await? {
        Meant::Folder(folder) => Ok((asking.world(), What::Folder(folder, BTreeSet::new()))),
        Meant::Stack(stack) => {
            let world = asking.world_of(&stack).await?;
            // It is not there yet: what it is elsewhere is deployed here.
            let what = match asking.stack(&world, &stack).await {
                Err(failure) if failure.is_not_found() => {
                    let folder = folder_elsewhere(asking, &stack).await?.ok_or(failure)?;
                    What::Folder(folder, BTreeSet::from([stack]))
                }
                _ => What::Stack(stack, None),
            };
            Ok((world, what))
        }
    }
}

/// The first letters of a digest.
fn looks_like_a_plan(word: &str) -> bool {
    (7..=64).contains(&word.len()) && word.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// The stack whose plan of now is that one.
async fn planned(asking: &Asking, word: &str, known: &[Stack]) -> Result<(Name, What), Failure> {
    let word = word.to_ascii_lowercase();
    for stack in known.iter().filter(|stack| stack.state != Some(StackState::Deleted)) {
        if let Some(digest) = plan_of_now(asking, &stack.world, &stack.name).await?
            && digest.to_string().starts_with(&word)
        {
            return Ok((stack.world.clone(), What::Stack(stack.name.clone(), Some(digest))));
        }
    }
    let failure =
        Failure::new(Exit::Refused, format!("{word} is no plan of now: something has moved, or nothing has it"));
    Err(failure.way_out("look at the plan of now: deployd plan STACK"))
}

/// The plan of a stack, as it is now; nothing where none can be made.
async fn plan_of_now(asking: &Asking, world: &Name, stack: &Name) -> Result<Option<Digest>, Failure> {
    let make = MakePlan { of: PlanOf::Stack { stack: stack.clone() }, mode: crate::state::Mode::Evaluated };
    match asking.client().post::<Plans>(&paths::fill(paths::PLANS, &[world]), &make).await {
        Ok(plans) => Ok(plans.plans.first().map(|plan| plan.digest)),
        // It has mistakes, or its files are gone: its plan is not the one that is looked for.
        Err(failure) if failure.problem.is_some() => Ok(None),
        Err(failure) => Err(failure),
    }
}

/// `deployd rollback`: back to an earlier release.
pub(in crate::cli) async fn rollback(common: &Common, asked: &Rollback, out: &Out) -> Result<Exit, Failure> {
    let asking = Asking::new(common, out, &Near::word(&asked.of.stack)).await?;
    let (world, stack) = asking.stack_meant(&asked.of.stack).await?;
    let body = asks::Rollback { to: asked.to.clone() };
    let path = paths::fill(paths::ROLLBACK, &[&world, &stack]);
    let files = Files::default();
    let waiting = Waiting { world: &world, files: &files, folder: None, shows: Shows::Table, within: asked.within };
    let ended = to_the_end(&asking, &waiting, async || Ok(vec![asking.client().post(&path, &body).await?])).await?;
    told(&asking, &world, &ended)
}

/// `deployd retry`: try again what is quarantined.
pub(in crate::cli) async fn retry(common: &Common, of: &OfStack, out: &Out) -> Result<Exit, Failure> {
    let asking = Asking::new(common, out, &Near::word(&of.stack)).await?;
    let (world, stack) = asking.stack_meant(&of.stack).await?;
    let path = paths::fill(paths::RETRY, &[&world, &stack]);
    let files = Files::default();
    let waiting = Waiting { world: &world, files: &files, folder: None, shows: Shows::Table, within: None };
    let nothing = serde_json::json!({});
    let ended = to_the_end(&asking, &waiting, async || Ok(vec![asking.client().post(&path, &nothing).await?])).await?;
    told(&asking, &world, &ended)
}

/// `deployd down`: take stacks away, and prove that they are gone.
pub(in crate::cli) async fn down(common: &Common, asked: &Down, out: &Out) -> Result<Exit, Failure> {
    let asking = Asking::new(common, out, &Near::word(&asked.of.stack)).await?;
    let (world, stacks) = asking.stacks_meant(&asked.of.stack).await?;
    let out = &asking.out;
    let files = Files::default();
    let shows = Shows::Nothing;
    let waiting = Waiting { world: &world, files: &files, folder: None, shows, within: asked.within };
    let body = TakeDown { keep_data: asked.keep_data, delete: asked.delete.iter().cloned().collect() };
    // Together: one of them may be what another is needed by.
    let (mut before, mut refused) = (BTreeSet::new(), Vec::new());
    let ask = async || {
        let mut accepted = Vec::new();
        for stack in &stacks {
            let path = paths::fill(paths::DOWN, &[&world, stack]);
            match asking.client().post::<WentDown>(&path, &body).await {
                Ok(WentDown { accepted: Some(one) }) => accepted.push(one),
                // It was taken away before, or this name was never there: that was asked already.
                Ok(WentDown { accepted: None }) => drop(before.insert(stack)),
                Err(failure) => {
                    let failure = refusal(&asking, stack, &asked.delete, failure);
                    out.talks_of(&failure);
                    refused.push(failure);
                }
            }
        }
        Ok(accepted)
    };
    let outcomes = to_the_end(&asking, &waiting, ask).await?.outcomes;
    let done = outcomes.iter().filter(|outcome| outcome.deployment.state == DeploymentState::Done);
    let gone: Vec<(&Name, Vec<String>)> =
        done.map(|outcome| (&outcome.deployment.stack, left(outcome.stack.as_ref()))).collect();
    let exit = refused.last().map_or_else(|| exit(&outcomes), |failure| failure.exit);
    if out.is_json() {
        went_down(out, &world, &before, &gone, &refused)?;
        return Ok(not_deleted(&gone, &asked.delete).map_or(exit, |failure| failure.exit));
    }
    before.iter().try_for_each(|stack| out.data(&down_screen::gone_before(&world, stack, out.look())))?;
    gone.iter().try_for_each(|(stack, left)| out.data(&down_screen::verified(&world, stack, left, out.look())))?;
    if let Some(failure) = not_deleted(&gone, &asked.delete) {
        out.talks_of(&failure);
        return Ok(Exit::WentWrong);
    }
    Ok(exit)
}

/// What was to be deleted with its data, and is still there all the same.
fn not_deleted(gone: &[(&Name, Vec<String>)], named: &[Name]) -> Option<Failure> {
    let is_named = |name: &&String| named.iter().any(|named| named.as_str() == name.as_str());
    let (stack, name) = gone.iter().find_map(|(stack, left)| Some((stack, left.iter().find(is_named)?)))?;
    let failure = Failure::new(Exit::WentWrong, format!("{name} of {stack} was to be deleted, and is still there"));
    Some(failure.way_out(format!("deployd status {stack} says why; deployd down {stack} --delete {name} tries again")))
}

/// What came of `down` as one object: of each stack what was kept, and what was refused.
fn went_down(
    out: &Out,
    world: &Name,
    before: &BTreeSet<&Name>,
    gone: &[(&Name, Vec<String>)],
    refused: &[Failure],
) -> Result<(), Failure> {
    if let ([failure], true) = (refused, before.is_empty() && gone.is_empty()) {
        out.failure(failure);
        return Ok(());
    }
    let of = |stack: &Name, left: &[String]| serde_json::json!({ "stack": stack, "left": left });
    let before = before.iter().map(|stack| of(stack, &[]));
    let stacks: Vec<serde_json::Value> = before.chain(gone.iter().map(|(stack, left)| of(stack, left))).collect();
    let refused: Vec<serde_json::Value> = refused.iter().map(Failure::as_json).collect();
    out.object("down", Some(world), &serde_json::json!({ "stacks": stacks, "refused": refused }))
}

/// What holds data and was kept, by name: not what has run on it.
fn left(stack: Option<&Stack>) -> Vec<String> {
    let resources = stack.map(|stack| stack.resources.as_slice()).unwrap_or_default();
    let kept = resources.iter().filter(|resource| resource.condition != Condition::Done);
    let names: BTreeSet<String> = kept.map(|resource| resource.identity.address.name.to_string()).collect();
    names.into_iter().collect()
}

/// The refusal of what holds data, with the two ways.
fn refusal(asking: &Asking, stack: &Name, named: &[Name], failure: Failure) -> Failure {
    match failure.problem.as_deref() {
        Some(problem) if problem.code() == "holds-data" && !asking.out.is_json() => {
            asking.out.talk(&down_screen::refusal(stack, &problem.held, named, asking.out.talk_look()));
            Failure::said(Exit::Refused)
        }
        _ => failure,
    }
}
