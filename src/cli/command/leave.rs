//! Leave: approving plans, giving consent to what would be lost, adopting what is not ours.

use super::deploy::{Waiting, exit, to_the_end};
use crate::cli::arguments::{Adopt, Approve, Common, Stack as OfStack};
use crate::cli::ask_person;
use crate::cli::asking::Asking;
use crate::cli::exit::{Exit, Failure};
use crate::cli::folders::Near;
use crate::cli::follow::Shows;
use crate::cli::out::Out;
use crate::cli::screen::names::Files;
use crate::cli::screen::plan as plan_screen;
use crate::model::Name;
use crate::server::api::answers::{Consents, Plans};
use crate::server::api::asks::{self, ConsentTo, GiveConsent, MakePlan, PlanOf};
use crate::server::api::deployment::{Accepted, Deployment};
use crate::server::api::paths;
use crate::server::api::plan::Plan;
use crate::server::api::stack::{Stack, Wish};
use crate::state::{ConsentAct, DeploymentState};
use reqwest::Method;

/// `deployd approve`: give leave for what a plan asks it for. The plan is looked at first: it is named, or shown and asked
/// about.
pub(in crate::cli) async fn approve(common: &Common, asked: &Approve, out: &Out) -> Result<Exit, Failure> {
    let asking = Asking::new(common, out, &Near::word(&asked.of.stack)).await?;
    let (world, stack) = asking.stack_meant(&asked.of.stack).await?;
    let known = asking.stack(&world, &stack).await?;
    let waits = known.live.iter().find(|one| one.state == DeploymentState::AwaitingApproval);
    let plan = shown_plan(&asking, &world, &known, waits).await?;
    if waits.is_none() && !plan_screen::needs_leave(&plan) {
        match out.is_json() {
            true => out.object("approved", Some(&world), &serde_json::json!({ "stack": stack, "plan": null }))?,
            false => out.talk(&format!("nothing of {stack} needs leave\n")),
        }
        return Ok(Exit::Done);
    }
    looked_at(asked, &plan, out)?;
    let live = waits.or(known.live.last()).map(|one| Accepted {
        world: world.clone(),
        stack: stack.clone(),
        number: one.number,
    });
    let ask = async || {
        give(&asking, &world, &stack, waits, &plan).await?;
        Ok(live.into_iter().collect())
    };
    let files = Files::default();
    let waiting = Waiting { world: &world, files: &files, folder: None, shows: Shows::Nothing, within: None };
    let outcomes = to_the_end(&asking, &waiting, ask).await?.outcomes;
    match out.is_json() {
        true => out.object("approved", Some(&world), &serde_json::json!({ "stack": stack, "plan": plan.digest }))?,
        false if outcomes.is_empty() => out.talk(&given(&plan)),
        false => {}
    }
    Ok(exit(&outcomes))
}

/// The plan that leave is asked for: the one that waits for approval, else the plan of now.
async fn shown_plan(asking: &Asking, world: &Name, known: &Stack, waits: Option<&Deployment>) -> Result<Plan, Failure> {
    if let Some(digest) = waits.and_then(|waits| waits.plan) {
        return asking.client().get(&paths::fill(paths::PLAN, &[world, &known.name, &digest.to_string()])).await;
    }
    let stack = known.name.clone();
    let of = match known.wish {
        Some(Wish::Gone) => PlanOf::Gone { stack },
        Some(Wish::Stopped) => PlanOf::Stopped { stack },
        _ => PlanOf::Stack { stack },
    };
    let make = MakePlan { of, mode: crate::state::Mode::Evaluated };
    let mut made: Plans = asking.client().post(&paths::fill(paths::PLANS, &[world]), &make).await?;
    match made.plans.len() {
        1 => Ok(made.plans.remove(0)),
        number => Err(Failure::new(Exit::WentWrong, format!("{number} plans were made of one stack"))),
    }
}

/// Leave is given for what was looked at, and for nothing else.
fn looked_at(asked: &Approve, plan: &Plan, out: &Out) -> Result<(), Failure> {
    let digest = plan.digest.to_string();
    let word = asked.of.stack.as_str();
    match &asked.plan {
        Some(named) if named.len() >= 7 && digest.starts_with(&named.to_ascii_lowercase()) => Ok(()),
        Some(named) => {
            Err(Failure::new(Exit::Refused, format!("the plan of now is {}, not {named}", plan.digest.short()))
                .way_out(format!("look at it: deployd plan {word}")))
        }
        None => {
            let detail = plan_screen::Detail::Fields { apply: word };
            out.talk(&plan_screen::plan(plan, detail, out.talk_look()));
            match ask_person::yes_or_no("give leave for this?") {
                Some(true) => Ok(()),
                Some(false) => Err(Failure::new(Exit::Refused, "no leave was given")),
                None => Err(Failure::new(Exit::Refused, "nobody is there to be asked").way_out(format!(
                    "name the plan that you have looked at: deployd approve {word} {}",
                    plan.digest.short()
                ))),
            }
        }
    }
}

/// What follows from leave that no deployment waited for: a stack that runs is brought there at once.
fn given(plan: &Plan) -> String {
    let to_delete = plan.report.needs_consent.iter().filter(|one| one.act == ConsentAct::Delete);
    let names: Vec<&str> = to_delete.map(|one| one.identity.address.name.as_str()).collect();
    match names.as_slice() {
        [] => format!("leave is given, and used at once: deployd status {}\n", plan.stack),
        names => format!(
            "leave is given, and used at once: {} {} deleted, after a backup · deployd history {}\n",
            names.join(", "),
            if names.len() == 1 { "is" } else { "are" },
            plan.stack
        ),
    }
}

/// A deployment that waits for approval gets that and no more: a consent is good for any deployment of the same step, so one
/// that is left behind when the approval is refused would be spent by another.
async fn give(
    asking: &Asking,
    world: &Name,
    stack: &Name,
    waits: Option<&Deployment>,
    plan: &Plan,
) -> Result<(), Failure> {
    if let Some(waits) = waits {
        let path = paths::fill(paths::APPROVE, &[world, stack, &waits.number.to_string()]);
        return asking.client().tell(Method::POST, &path, Some(&asks::Approve { plan: plan.digest })).await;
    }
    // What is not ours is adopted by its id, with a command of its own.
    let needs = plan.report.needs_consent.iter().filter(|one| one.act != ConsentAct::Adopt);
    let acts = needs.map(|one| ConsentTo { identity: one.identity.clone(), act: one.act }).collect();
    let body = GiveConsent { plan: plan.digest, acts };
    asking.client().post::<Consents>(&paths::fill(paths::CONSENTS, &[world, stack]), &body).await?;
    Ok(())
}

/// `deployd pause` and `deployd resume`: change nothing of a stack, and go on.
pub(in crate::cli) async fn pause(common: &Common, of: &OfStack, out: &Out, pauses: bool) -> Result<Exit, Failure> {
    let asking = Asking::new(common, out, &Near::word(&of.stack)).await?;
    let (world, stack) = asking.stack_meant(&of.stack).await?;
    let path = paths::fill(if pauses { paths::PAUSE } else { paths::RESUME }, &[&world, &stack]);
    let nothing: Option<&()> = None;
    asking.client().tell(Method::POST, &path, nothing).await?;
    let kind = if pauses { "paused" } else { "resumed" };
    match (out.is_json(), pauses) {
        (true, _) => out.object(kind, Some(&world), &serde_json::json!({ "stack": stack }))?,
        (false, true) => {
            out.talk(&format!("{stack} is paused: nothing of it is changed until deployd resume {stack}\n"))
        }
        (false, false) => out.talk(&format!("{stack} goes on · deployd status {stack}\n")),
    }
    Ok(Exit::Done)
}

/// `deployd adopt`: take over what is there and is not ours.
pub(in crate::cli) async fn adopt(common: &Common, asked: &Adopt, out: &Out) -> Result<Exit, Failure> {
    let asking = Asking::new(common, out, &Near::Nothing).await?;
    let world = asking.world_of(&asked.stack).await?;
    let body = asks::Adopt { name: asked.name.clone(), handle: asked.handle.clone() };
    let path = paths::fill(paths::ADOPTIONS, &[&world, &asked.stack]);
    let given: Consents = asking.client().post(&path, &body).await?;
    match out.is_json() {
        true => out.object("adopted", Some(&world), &given)?,
        false => out.talk(&format!("{} will be taken over as {}\n", asked.handle, asked.name)),
    }
    Ok(Exit::Done)
}
