//! `deployd up`: run what a folder holds, tell how it goes, watch it, and stop it at the end.

use super::deploy::exit_of_run;
use super::questions::mode;
use crate::cli::arguments::{Common, Up};
use crate::cli::asking::Asking;
use crate::cli::exit::{Exit, Failure};
use crate::cli::folders::{self, Near};
use crate::cli::follow::{Follow, Outcome, Shows, Stopped};
use crate::cli::interrupt;
use crate::cli::out::Out;
use crate::cli::screen::names::Files;
use crate::cli::screen::{in_flight, story};
use crate::model::Name;
use crate::server::api::answers::AcceptedList;
use crate::server::api::asks::Run;
use crate::server::api::deployment::Accepted;
use crate::server::api::paths;
use crate::server::api::stack::Stack;
use crate::server::api::world::World;
use crate::state::{DeploymentState, StackState};
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// A server that has just begun has looked at what is there by then, or somebody does not answer.
const LOOKED_WITHIN: Duration = Duration::from_secs(3);
/// How often it is asked whether it has.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// So many servers in a row may be lost before they have told anything.
const LOST_MAX: u32 = 10;
/// After so long it is no server that was killed, but one that does not answer.
const LOST_WITHIN: Duration = Duration::from_secs(30);

/// What one `up` is about.
struct Upping<'u> {
    asked: &'u Up,
    out: &'u Out,
    folder: PathBuf,
    world: Name,
}

/// How one server's part of an `up` has ended.
enum Part {
    /// It is over.
    Over(Exit),
    /// The server has gone: what it ran goes on, and another one takes over.
    ServerGone,
}

/// `deployd up`.
pub(in crate::cli) async fn up(common: &Common, asked: &Up, out: &Out) -> Result<Exit, Failure> {
    let folder = folders::existing(&asked.folder)?;
    let world = common.world.clone().unwrap_or_else(|| Name::fixed(crate::cli::asking::WORLD));
    let upping = Upping { asked, out, folder, world };
    let (mut first, mut started, mut lost) = (true, BTreeSet::new(), 0);
    loop {
        let begun = Instant::now();
        let part = async {
            let asking = Asking::of_files(common, out, &Near::Files(upping.folder.clone())).await?;
            upping.with(&asking, first, &mut started).await
        };
        match part.await {
            Ok(Part::Over(exit)) => return Ok(exit),
            Ok(Part::ServerGone) => lost = 0,
            // It was killed while it was asked something: before it had told anything, say.
            Err(failure) if is_lost(common, &failure, begun) && lost < LOST_MAX => lost += 1,
            Err(failure) => return Err(failure),
        }
        out.talk("\nthe server has ended; nothing that it runs was stopped: starting another\n");
        first = false;
    }
}

/// Whether the server has gone while it was spoken to. One that was named is nobody's to start, and one that never answered
/// is not asked again for minutes.
fn is_lost(common: &Common, failure: &Failure, begun: Instant) -> bool {
    common.server.is_none() && failure.exit == Exit::Unreachable && begun.elapsed() < LOST_WITHIN
}

impl Upping<'_> {
    /// Everything that is done with one server. `started` are the stacks that did not run before this `up`.
    async fn with(&self, asking: &Asking, first: bool, started: &mut BTreeSet<Name>) -> Result<Part, Failure> {
        let files = asking.files(&self.folder)?;
        let world: World = asking.client().get(&paths::fill(paths::WORLD, &[&self.world])).await?;
        let before = asking.stacks(Some(&self.world)).await?;
        let look = self.out.talk_look();
        if first {
            let stand = folders::stand()?;
            let folder = folders::shown(&self.folder, &stand);
            self.out.talk(&story::world(&world, &folder, !self.asked.detach, look));
        }
        let mut follow = Follow::new(asking.client(), self.out, &self.world, &files).await?;
        follow.folder(self.folder.clone());
        follow.stops_when_held = self.asked.detach;
        follow.takes_in = !self.asked.detach && self.asked.services.is_empty();
        follow.streams = self.out.is_json() && !self.asked.detach;
        if !first {
            follow.shows = Shows::Changes;
        }
        let accepted = self.run(asking, &files).await?;
        let names: BTreeSet<Name> = accepted.iter().map(|one| one.stack.clone()).collect();
        let known: Vec<Stack> = before.into_iter().filter(|stack| names.contains(&stack.name)).collect();
        let ran = |name: &&Name| known.iter().any(|stack| stack.name == **name && runs(stack));
        started.extend(names.iter().filter(|name| !ran(name)).cloned());
        if asking.connection.after_unclean_stop {
            let found = self.looked_at(asking, &names).await?;
            self.out.talk(&story::found_again(&found, look));
            self.out.talk(&in_flight::looked_after(&known, look));
        }
        follow.tell_of(&known);
        let part = tokio::select! {
            biased;
            () = interrupt::asked() => self.interrupted(asking, &mut follow, &names, started).await,
            part = self.run_and_watch(&mut follow, &accepted, started) => part,
        };
        started.append(&mut follow.joined);
        part
    }

    /// These stacks once the server, which has just begun, has looked at what they have; or as they are after a while.
    async fn looked_at(&self, asking: &Asking, names: &BTreeSet<Name>) -> Result<Vec<Stack>, Failure> {
        let until = Instant::now() + LOOKED_WITHIN;
        loop {
            let mut stacks = asking.stacks(Some(&self.world)).await?;
            stacks.retain(|stack| names.contains(&stack.name));
            let is_seen = |stack: &Stack| stack.looked.is_some() || stack.resources.is_empty();
            if stacks.iter().all(is_seen) || Instant::now() >= until {
                return Ok(stacks);
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    async fn run(&self, asking: &Asking, files: &Files) -> Result<Vec<Accepted>, Failure> {
        let run = Run {
            folder: self.folder.display().to_string(),
            services: self.asked.services.iter().cloned().collect(),
            watch: true,
            mode: mode(self.asked.mode),
            because: Some("up".to_owned()),
        };
        let list = asking.client().post::<AcceptedList>(&paths::fill(paths::RUNS, &[&self.world]), &run).await;
        Ok(list.map_err(|failure| failure.in_files(files))?.accepted)
    }

    async fn run_and_watch(
        &self,
        follow: &mut Follow<'_>,
        accepted: &[Accepted],
        started: &BTreeSet<Name>,
    ) -> Result<Part, Failure> {
        let outcomes = match follow.until_ended(accepted).await? {
            Stopped::ServerGone => return Ok(Part::ServerGone),
            Stopped::Leave(why) if self.asked.detach => return Err(why),
            Stopped::Leave(why) => {
                self.out.failure(&why);
                Vec::new()
            }
            Stopped::Ended(outcomes) => outcomes,
        };
        self.told(follow, &outcomes, started)?;
        if self.asked.detach {
            return Ok(Part::Over(exit_of_run(&outcomes)?));
        }
        follow.shows = Shows::Changes;
        match follow.on().await? {
            Stopped::Ended(_) => {
                let names: Vec<Name> = accepted.iter().map(|one| one.stack.clone()).collect();
                follow.say(&story::nothing_to_watch(&names, self.out.talk_look()));
                Ok(Part::Over(Exit::Done))
            }
            Stopped::Leave(_) | Stopped::ServerGone => Ok(Part::ServerGone),
        }
    }

    /// Where everything is up, and what goes on.
    fn told(&self, follow: &Follow<'_>, outcomes: &[Outcome], started: &BTreeSet<Name>) -> Result<(), Failure> {
        let is_up = |outcome: &&Outcome| outcome.deployment.state == DeploymentState::Done;
        let up: Vec<Stack> = outcomes.iter().filter(is_up).filter_map(|outcome| outcome.stack.clone()).collect();
        if self.out.is_json() {
            let data = serde_json::json!({ "stacks": up });
            return self.out.object_with("up", Some(&self.world), &data, &follow.found);
        }
        if !up.is_empty() {
            follow.say("\n");
            follow.data(&story::is_up(&up, self.out.look()))?;
        }
        if !self.asked.detach {
            follow.say(&story::goes_on(&up, started, self.out.talk_look()));
        }
        Ok(())
    }

    /// Ctrl-c: what this `up` has started is stopped, gracefully, with its data, addresses and record kept. What ran
    /// before is another's, and goes on.
    async fn interrupted(
        &self,
        asking: &Asking,
        follow: &mut Follow<'_>,
        names: &BTreeSet<Name>,
        started: &BTreeSet<Name>,
    ) -> Result<Part, Failure> {
        if self.asked.detach {
            self.out.talk("\ninterrupted: the deployment goes on, deployd status shows how far it is\n");
            return Ok(Part::Over(Exit::Interrupted));
        }
        // What the watch has brought meanwhile is this `up`'s too.
        let started: BTreeSet<Name> = started.union(&follow.joined).cloned().collect();
        let others: Vec<Name> = names.difference(&started).cloned().collect();
        follow.say(&format!("\n{}", story::left_running(&others, self.out.talk_look())));
        if started.is_empty() {
            return Ok(Part::Over(Exit::Interrupted));
        }
        follow.say("stopping (ctrl-c again leaves it running)\n");
        follow.shows = Shows::Nothing;
        let mut stopping = Vec::new();
        for stack in started.iter().filter(|stack| !follow.is_over(stack)) {
            stopping.push(self.stop(asking, stack).await?);
        }
        let stopped = tokio::select! {
            biased;
            () = interrupt::asked() => return Ok(Part::Over(Exit::Interrupted)),
            stopped = follow.until_ended(&stopping) => stopped?,
        };
        if let Stopped::Ended(outcomes) = stopped {
            let is_stopped = |outcome: &&Outcome| {
                outcome.stack.as_ref().is_some_and(|stack| stack.state == Some(StackState::Stopped))
            };
            let mut names: Vec<Name> =
                outcomes.iter().filter(is_stopped).map(|outcome| outcome.deployment.stack.clone()).collect();
            names.sort();
            if !names.is_empty() {
                follow.say(&story::stopped(&names, self.out.talk_look()));
            }
        }
        Ok(Part::Over(Exit::Interrupted))
    }

    async fn stop(&self, asking: &Asking, stack: &Name) -> Result<Accepted, Failure> {
        asking.client().post(&paths::fill(paths::STOP, &[&self.world, stack]), &serde_json::json!({})).await
    }
}

/// Whether somebody wants it to run already.
fn runs(stack: &Stack) -> bool {
    use StackState::{Available, Broken, Creating, Migrating};
    matches!(stack.state, Some(Creating | Available | Migrating | Broken))
}
