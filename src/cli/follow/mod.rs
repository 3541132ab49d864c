//! `Follow`: deployments from their acceptance to their end, told as they go.
//!
//! Events say that something happened; what it came to is asked for. So an event that is missed costs a line and never
//! the end.

mod stuck;
mod told;
mod waiting;

use super::client::{Client, Events, Told};
use super::exit::Failure;
use super::moving::Moving;
use super::out::Out;
use super::screen::names::Files;
use super::screen::plan::{Detail, nothing_to_do, plan as plan_screen};
use super::screen::progress::{Labels, Moved, Progress};
use super::screen::{history, story};
use crate::model::{Name, Wall};
use crate::server::api::deployment::{Accepted, Deployment, Deployments};
use crate::server::api::event::Event;
use crate::server::api::paths;
use crate::server::api::plan::Plan;
use crate::server::api::problem::Diagnostic;
use crate::server::api::stack::Stack;
use crate::state::{DeploymentState, EventBody, StackState};
use jiff::tz::TimeZone;
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::time::Duration;
use waiting::Patience;

/// How often what moves is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(700);

/// How plans are shown before they are carried out.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Shows {
    /// As a table, since nobody knows what is coming.
    Table,
    /// In a line for each name, since it runs already.
    Changes,
    /// Not at all: the person said what is to be done.
    Nothing,
}

/// Deployments of some stacks of a world.
pub(super) struct Follow<'c> {
    client: &'c Client,
    out: Out,
    world: Name,
    files: Files,
    /// The folder that is looked at when its files have mistakes.
    folder: Option<PathBuf>,
    zone: TimeZone,
    events: Events,
    moving: Moving<(Name, usize)>,
    stacks: BTreeMap<Name, One>,
    /// When it is said what is waited for, and what was said already.
    patience: Patience,
    /// Stacks that somebody has stopped or taken down.
    over: BTreeSet<Name>,
    /// Stacks whose files have mistakes that were told.
    mistaken: BTreeSet<Name>,
    /// Stacks whose files could not be read, as was told.
    missing: BTreeSet<Name>,
    /// A deployment needs a person's approval.
    leave: Option<Failure>,
    /// How plans are shown before they are carried out.
    pub shows: Shows,
    /// Whether it stops where waiting does not help: somebody has to do something first.
    pub stops_when_held: bool,
    /// Whether what happens is printed as objects, one a line. A command that ends prints one object, at its end.
    pub streams: bool,
    /// What was found wrong with files, for that object.
    pub found: Vec<Diagnostic>,
    /// Whether services that come into the folder later are told of too.
    pub takes_in: bool,
    /// Those that came.
    pub joined: BTreeSet<Name>,
}

/// What is known of one stack.
#[derive(Default)]
struct One {
    /// The deployment that is told of, if one is under way.
    going: Option<Going>,
    /// The last one that was told of.
    last: u64,
    /// What served when it began.
    label: Option<String>,
}

struct Going {
    number: u64,
    because: String,
    progress: Option<Progress>,
}

/// Whether there is nothing to do, and nothing in the way of it.
fn is_idle(plan: &Plan) -> bool {
    plan.report.held.is_empty() && plan.report.waiting.is_empty() && plan.report.needs_consent.is_empty()
}

/// How a deployment that was followed has ended.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Outcome {
    /// The deployment.
    pub deployment: Deployment,
    /// Its stack at that moment; nothing when it is gone without a trace.
    pub stack: Option<Stack>,
}

/// Why following stops.
#[derive(Clone, PartialEq, Debug)]
pub(super) enum Stopped {
    /// All that was waited for has ended.
    Ended(Vec<Outcome>),
    /// A person must do something first, approve one of them, say: why, and how.
    Leave(Failure),
    /// The server has gone: it has to be found again.
    ServerGone,
}

impl<'c> Follow<'c> {
    /// Begins to listen. What happens from now on is heard.
    ///
    /// # Errors
    /// The server's.
    pub async fn new(client: &'c Client, out: &Out, world: &Name, files: &Files) -> Result<Follow<'c>, Failure> {
        Ok(Follow {
            client,
            out: out.clone(),
            world: world.clone(),
            files: files.clone(),
            folder: None,
            zone: TimeZone::system(),
            events: client.events(Some(world)).await?,
            moving: Moving::new(out),
            stacks: BTreeMap::new(),
            patience: Patience::default(),
            over: BTreeSet::new(),
            mistaken: BTreeSet::new(),
            missing: BTreeSet::new(),
            leave: None,
            shows: Shows::Table,
            stops_when_held: false,
            streams: false,
            found: Vec::new(),
            takes_in: false,
            joined: BTreeSet::new(),
        })
    }

    /// The folder that is looked at when its files have mistakes.
    pub fn folder(&mut self, folder: PathBuf) {
        self.folder = Some(folder);
    }

    /// Says something beside what moves.
    pub fn say(&self, text: &str) {
        self.moving.say(text);
    }

    /// Prints data beside what moves.
    ///
    /// # Errors
    /// As [`Out::data`].
    pub fn data(&self, text: &str) -> Result<(), Failure> {
        self.moving.data(text)
    }

    /// From now on these stacks are told of; `before` is how they were.
    pub fn tell_of(&mut self, before: &[Stack]) {
        for stack in before {
            let one = self.stacks.entry(stack.name.clone()).or_default();
            one.label.clone_from(&stack.label);
        }
    }

    /// Tells of these deployments until all have ended.
    ///
    /// # Errors
    /// The server's, or standard output's.
    pub async fn until_ended(&mut self, accepted: &[Accepted]) -> Result<Stopped, Failure> {
        let mut waiting: BTreeMap<Name, u64> = BTreeMap::new();
        for one in accepted {
            waiting.insert(one.stack.clone(), one.number);
            self.begin(one.stack.clone(), one.number).await?;
        }
        let mut outcomes = Vec::new();
        // What happened before it was listened to is found by asking.
        for (stack, number) in waiting.clone() {
            if let Some(outcome) = self.look(&stack, number).await?
                && let Some(outcome) = self.in_the_end(outcome).await?
            {
                waiting.remove(&stack);
                outcomes.push(outcome);
            }
        }
        while !waiting.is_empty() {
            match self.next().await? {
                None => return Ok(Stopped::ServerGone),
                Some(ended) => {
                    for outcome in ended {
                        let stack = outcome.deployment.stack.clone();
                        let is_meant = |number: &u64| outcome.deployment.number >= *number;
                        if !waiting.get(&stack).is_some_and(is_meant) {
                            continue;
                        }
                        if let Some(outcome) = self.in_the_end(outcome).await? {
                            waiting.remove(&stack);
                            outcomes.push(outcome);
                        }
                    }
                }
            }
            if let Some(leave) = self.leave.take() {
                return Ok(Stopped::Leave(leave));
            }
        }
        Ok(Stopped::Ended(outcomes))
    }

    /// Whether somebody has stopped a stack, or taken it down, while it was told of.
    pub fn is_over(&self, stack: &Name) -> bool {
        self.over.contains(stack)
    }

    /// What came of a deployment: of one whose place a newer one took, what came of that; nothing while that is on its way.
    async fn in_the_end(&self, outcome: Outcome) -> Result<Option<Outcome>, Failure> {
        if outcome.deployment.state != DeploymentState::Superseded {
            return Ok(Some(outcome));
        }
        if outcome.stack.as_ref().is_some_and(|stack| !stack.live.is_empty()) {
            return Ok(None);
        }
        let path = paths::fill(paths::DEPLOYMENTS, &[&self.world, &outcome.deployment.stack]);
        let newest: Deployments = self.client.get_with(&path, &[("limit", "1".to_owned())]).await?;
        let newest = newest.deployments.into_iter().next().filter(|one| one.state.is_terminal());
        Ok(Some(Outcome { deployment: newest.unwrap_or(outcome.deployment), stack: outcome.stack }))
    }

    /// Tells of whatever happens to the stacks, until the server goes, or nothing of them runs any more.
    ///
    /// # Errors
    /// As [`Follow::until_ended`].
    pub async fn on(&mut self) -> Result<Stopped, Failure> {
        self.told_late(self.stacks.keys().cloned().collect()).await?;
        loop {
            if self.stacks.keys().all(|stack| self.over.contains(stack)) {
                return Ok(Stopped::Ended(Vec::new()));
            }
            let Some(ended) = self.next().await? else { return Ok(Stopped::ServerGone) };
            self.told_first(&ended);
            let done = ended.iter().filter(|outcome| outcome.deployment.state == DeploymentState::Done);
            self.told_late(done.map(|outcome| outcome.deployment.stack.clone()).collect()).await?;
            if let Some(leave) = self.leave.take() {
                self.moving.suspend(|| self.out.failure(&leave));
            }
        }
    }

    /// Where a service answers that has come while it was watched.
    fn told_first(&mut self, ended: &[Outcome]) {
        for outcome in ended.iter().filter(|outcome| outcome.deployment.state == DeploymentState::Done) {
            if let Some(stack) = outcome.stack.as_ref().filter(|stack| self.joined.contains(&stack.name))
                && outcome.deployment.number == 1
            {
                self.moving.say(&story::is_up(std::slice::from_ref(stack), self.out.talk_look()));
            }
        }
    }

    /// Takes the next word in. What has ended by it; nothing when the server has gone.
    async fn next(&mut self) -> Result<Option<Vec<Outcome>>, Failure> {
        let mut look = tokio::time::interval(LOOK_EVERY);
        look.tick().await;
        let mut quiet = tokio::time::interval(waiting::LOOK_EVERY);
        quiet.tick().await;
        loop {
            tokio::select! {
                biased;
                told = self.events.next() => return match told {
                    Told::Happened(event) => self.happened(*event).await.map(Some),
                    Told::Reset => self.look_at_all().await.map(Some),
                    Told::Ended => Ok(None),
                },
                _ = look.tick(), if self.moving.moves() => self.look_at_moving().await,
                _ = quiet.tick() => {
                    self.look_at_waiting().await;
                    if self.leave.is_some() {
                        return Ok(Some(Vec::new()));
                    }
                }
            }
        }
    }

    async fn happened(&mut self, event: Event) -> Result<Vec<Outcome>, Failure> {
        let Some(name) = event.stack.clone() else { return Ok(Vec::new()) };
        if !self.stacks.contains_key(&name) && !self.joins(&name, &event.body).await? {
            return Ok(Vec::new());
        }
        if self.streams {
            self.out.object("event", Some(&self.world), &event)?;
        }
        match &event.body {
            EventBody::Deployment { id, state, .. } => {
                if id.number > self.stacks[&name].last {
                    self.begin(name.clone(), id.number).await?;
                }
                if *state == DeploymentState::AwaitingApproval {
                    self.leave = self.leave_needed(&name, id.number).await?;
                }
                if state.is_terminal() {
                    return Ok(self.look(&name, id.number).await?.into_iter().collect());
                }
            }
            EventBody::Planned { id, .. } => self.planned(&name, id.number).await?,
            EventBody::Stack { conditions, .. } => self.conditions(&name, conditions).await?,
            body => self.step(&name, body, event.at.0),
        }
        Ok(Vec::new())
    }

    /// Whether a stack that is new is a service of the folder that is watched: then it is told of from now on.
    async fn joins(&mut self, stack: &Name, body: &EventBody) -> Result<bool, Failure> {
        let is_of_now = matches!(body, EventBody::Deployment { .. });
        if !self.takes_in || !is_of_now {
            return Ok(false);
        }
        let folder = self.stack(stack).await?.as_ref().and_then(crate::cli::asking::folder_of);
        let is_of_folder = folder.is_some() && folder == self.folder;
        if is_of_folder {
            self.stacks.insert(stack.clone(), One::default());
            self.joined.insert(stack.clone());
        }
        Ok(is_of_folder)
    }

    /// A deployment begins to be told of.
    async fn begin(&mut self, stack: Name, number: u64) -> Result<(), Failure> {
        let deployment = self.deployment(&stack, number).await?;
        let one = self.stacks.entry(stack).or_default();
        if number <= one.last {
            return Ok(());
        }
        one.last = number;
        one.going = Some(Going { number, because: deployment.because.clone(), progress: None });
        self.patience.begins_anew();
        if self.shows == Shows::Changes {
            let text = story::changed(deployment.accepted, &deployment.because, &self.zone, self.out.talk_look());
            self.moving.say(&text);
        }
        Ok(())
    }

    /// A plan was made: what is going to be done.
    async fn planned(&mut self, stack: &Name, number: u64) -> Result<(), Failure> {
        let is_told = self.stacks[stack].going.as_ref().is_some_and(|going| going.number == number);
        let deployment = self.deployment(stack, number).await?;
        let Some(digest) = deployment.plan.filter(|_| is_told) else { return Ok(()) };
        let path = paths::fill(paths::PLAN, &[&self.world, stack, &digest.to_string()]);
        // A plan that was replaced already is not kept: the next word tells of the newer one.
        let Ok(plan) = self.client.get::<Plan>(&path).await else { return Ok(()) };
        let brought = Some(history::label(&deployment)).filter(|label| !label.is_empty());
        let brought = brought.or_else(|| plan.revision.as_ref().map(crate::model::Digest::short));
        let before = self.stacks[stack].label.clone();
        let labels = Labels { brought, before };
        let look = self.out.talk_look();
        let shows = self.shows;
        let one = self.stacks.get_mut(stack).expect("it is told of");
        let going = one.going.as_mut().expect("it is told of");
        match &mut going.progress {
            Some(progress) => {
                progress.add(&plan);
                if deployment.why.is_some() {
                    progress.fell();
                }
            }
            None => {
                let text = match shows {
                    // What is held or waited for is told by itself.
                    Shows::Table if plan.steps.is_empty() => match is_idle(&plan) {
                        true => format!("{}\n", nothing_to_do(&plan)),
                        false => String::new(),
                    },
                    Shows::Table => format!("{}\n", plan_screen(&plan, Detail::Names, look)),
                    Shows::Changes => story::changes(&plan, &labels, &going.because, look),
                    Shows::Nothing => String::new(),
                };
                going.progress = Some(Progress::of(&plan, labels));
                self.moving.say(&text);
                // A plan without steps is not shown: what holds it back is told by itself.
                if shows == Shows::Table && !plan.steps.is_empty() {
                    self.patience.told(&plan.report.held);
                }
                if self.streams {
                    self.out.object("plan", Some(&self.world), &plan)?;
                }
            }
        }
        Ok(())
    }

    fn step(&mut self, stack: &Name, body: &EventBody, at: Wall) {
        let moved = match self.progress(stack) {
            Some(progress) => progress.happened(body, at),
            None => return,
        };
        self.tell(stack, &moved);
    }

    fn progress(&mut self, stack: &Name) -> Option<&mut Progress> {
        self.stacks.get_mut(stack)?.going.as_mut()?.progress.as_mut()
    }

    fn tell(&mut self, stack: &Name, moved: &[Moved]) {
        let look = self.out.talk_look();
        let Some(progress) = self.stacks.get(stack).and_then(|one| one.going.as_ref()?.progress.as_ref()) else {
            return;
        };
        for one in moved {
            match *one {
                Moved::Started(row) => {
                    self.moving.start((stack.clone(), row), &progress.moving(row, look), &progress.begins(row, look));
                }
                Moved::Ended(row) => self.moving.end(&(stack.clone(), row), &progress.ended(row, look)),
            }
        }
    }

    /// Looks at one deployment; what it has come to, if it has ended and that was not told yet.
    async fn look(&mut self, stack: &Name, number: u64) -> Result<Option<Outcome>, Failure> {
        let deployment = self.deployment(stack, number).await?;
        if !deployment.state.is_terminal() {
            if deployment.plan.is_some() && self.progress(stack).is_none() {
                self.planned(stack, number).await?;
            }
            return Ok(None);
        }
        let one = self.stacks.entry(stack.clone()).or_default();
        let is_told = one.going.as_ref().is_some_and(|going| going.number == number);
        if !is_told {
            return Ok(None);
        }
        let at = deployment.ended.map_or(deployment.accepted.0, |ended| ended.0);
        let is_done = deployment.state == DeploymentState::Done;
        let moved = self.progress(stack).map(|progress| {
            if !is_done {
                progress.fell();
            }
            progress.finish(at)
        });
        let moved = moved.unwrap_or_default();
        self.tell(stack, &moved);
        let now = self.stack(stack).await?;
        if let Some(now) = &now {
            self.told_end(&deployment, now).await?;
        }
        match now.as_ref().map_or(Some(StackState::Deleted), |now| now.state) {
            Some(StackState::Stopped | StackState::Deleted) => self.over.insert(stack.clone()),
            _ => self.over.remove(stack),
        };
        let one = self.stacks.get_mut(stack).expect("it is told of");
        one.label = now.as_ref().and_then(|now| now.label.clone());
        one.going = None;
        Ok(Some(Outcome { deployment, stack: now }))
    }

    /// Some events are gone: everything under way is looked at.
    async fn look_at_all(&mut self) -> Result<Vec<Outcome>, Failure> {
        let going: Vec<(Name, u64)> =
            self.stacks.iter().filter_map(|(name, one)| Some((name.clone(), one.going.as_ref()?.number))).collect();
        let mut outcomes = Vec::new();
        for (stack, number) in going {
            outcomes.extend(self.look(&stack, number).await?);
        }
        Ok(outcomes)
    }

    async fn stack(&self, stack: &Name) -> Result<Option<Stack>, Failure> {
        match self.client.get(&paths::fill(paths::STACK, &[&self.world, stack])).await {
            Ok(stack) => Ok(Some(stack)),
            Err(failure) if failure.is_not_found() => Ok(None),
            Err(failure) => Err(failure),
        }
    }

    async fn deployment(&self, stack: &Name, number: u64) -> Result<Deployment, Failure> {
        self.client.get(&paths::fill(paths::DEPLOYMENT, &[&self.world, stack, &number.to_string()])).await
    }
}
