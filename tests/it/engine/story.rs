//! What people do, act by act. An act can be done again after a crash: its request carries a key.

use super::bed::{Bed, Running, folder_id, stack, world_of};
use super::life::Went;
use deployd::engine::{
    ConsentAsk, DoorError, DownAnswer, DownAsk, Engine, PlanAsk, PlanOf, RollbackAsk, RunAsk, StackShown,
};
use deployd::model::{Milliseconds, Name};
use deployd::provider::simulated::Faults;
use deployd::state::{DeploymentState, From, Mode, Principal};
use std::collections::BTreeSet;

/// One thing that a person does, or waits for. Stacks and folders are named by paths: `shop`, `cloud/shop`.
#[derive(Clone, Debug)]
pub enum Act {
    /// A file of a folder is saved.
    Write(&'static str, &'static str, &'static str),
    /// `deployd up FOLDER`.
    Up(&'static str),
    /// `deployd down STACK`, with the names of what holds data and is deleted too; all else that holds data is kept.
    Down(&'static str, &'static [&'static str]),
    /// `deployd down STACK`, and again with all that it then says holds data.
    Away(&'static str),
    /// `Ctrl-C` of `up`.
    Stop(&'static str),
    /// `deployd rollback STACK`.
    Rollback(&'static str),
    /// `deployd retry STACK`.
    Retry(&'static str),
    /// `deployd pause STACK`.
    Pause(&'static str),
    /// `deployd resume STACK`.
    Resume(&'static str),
    /// Leave for everything that the plan of now would need leave for.
    Consent(&'static str),
    /// Until nothing is under way.
    Settle,
    /// So long.
    Pass(Milliseconds),
}

/// A file of a service that runs and listens.
pub const SERVICE: &str = "service: shop\nrun: serve\nport: 8080\n";

/// So often is a door asked again whose store did not answer.
const TRIES: u32 = 5;

pub fn person() -> Principal {
    Principal("cli:ann".to_owned())
}

impl Running {
    /// Does one act. The number tells it from all others, so that it can be done again.
    pub fn act(&mut self, bed: &mut Bed, number: usize, act: &Act) -> Went {
        match act {
            Act::Write(folder, path, text) => {
                bed.folder(folder).write(path, text);
                Went::On
            }
            Act::Settle => bed.settle(self, "the end of what is under way"),
            Act::Pass(span) => self.life.run_for(*span),
            door => self.door(number, door),
        }
    }

    /// How a stack is shown to people.
    pub fn shown(&mut self, path: &str) -> StackShown {
        let engine = self.life.engine.clone();
        let id = stack(path);
        self.life.ask(async move { engine.stack(&id).await }).expect("the process lives").unwrap()
    }

    /// The states of a stack's deployments, oldest first.
    pub fn deployments(&mut self, path: &str) -> Vec<DeploymentState> {
        let engine = self.life.engine.clone();
        let id = stack(path);
        let page = self.life.ask(async move { engine.history(&id, None, 100).await });
        let page = page.expect("the process lives").unwrap();
        page.deployments.iter().rev().map(|shown| shown.deployment.state).collect()
    }

    fn door(&mut self, number: usize, act: &Act) -> Went {
        for _ in 0..TRIES {
            let engine = self.life.engine.clone();
            match self.life.ask(ask(engine, number, act)) {
                None => return Went::Dead,
                Some(Ok(())) => return Went::On,
                // The store did not answer: a person asks again.
                Some(Err(DoorError::Store(_))) => drop(self.life.run_for(Milliseconds(100))),
                // It never came to be.
                Some(Err(DoorError::NotFound(_))) if matches!(act, Act::Away(..)) => return Went::On,
                Some(Err(error)) => panic!("{act:?}: {}", told(&error)),
            }
        }
        panic!("{act:?}: the store never answers");
    }
}

async fn ask(engine: Engine, number: usize, act: &Act) -> Result<(), DoorError> {
    let once = Some(format!("act-{number}"));
    match act {
        Act::Up(folder) => engine.run_source(up(folder, once)).await.map(drop),
        Act::Down(name, delete) => {
            let delete = delete.iter().map(|name| Name::new(name).unwrap()).collect();
            let answer = engine.down(down(name, true, delete, once)).await?;
            assert!(!matches!(answer, DownAnswer::HoldsData(_)), "{answer:?}");
            Ok(())
        }
        Act::Away(name) => {
            let DownAnswer::HoldsData(held) = engine.down(down(name, false, BTreeSet::new(), once)).await? else {
                return Ok(());
            };
            let delete: BTreeSet<Name> = held.into_iter().map(|held| held.identity.address.name).collect();
            // Asked again after a fault it may hold less by now: that is another request.
            let once = format!("act-{number}-{}", delete.iter().map(ToString::to_string).collect::<String>());
            engine.down(down(name, false, delete, Some(once))).await.map(drop)
        }
        Act::Stop(name) => engine.stop(&stack(name), &person()).await.map(drop),
        Act::Rollback(name) => {
            let ask = RollbackAsk { stack: stack(name), to: None, principal: person(), once };
            engine.rollback(ask).await.map(drop)
        }
        Act::Retry(name) => engine.retry(&stack(name), &person()).await.map(drop),
        Act::Pause(name) => engine.pause(&stack(name), &person()).await,
        Act::Resume(name) => engine.resume(&stack(name), &person()).await,
        Act::Consent(name) => consent(&engine, name).await,
        Act::Write(..) | Act::Settle | Act::Pass(_) => unreachable!("no door"),
    }
}

async fn consent(engine: &Engine, name: &str) -> Result<(), DoorError> {
    let id = stack(name);
    let ask = PlanAsk { world: world_of(name), of: PlanOf::Stack(id.stack.clone()), mode: Mode::default() };
    let planned = engine.plan_now(ask).await?.remove(0);
    let needed = &planned.report.needs_consent;
    let acts = needed.iter().map(|one| (one.identity.clone(), one.act)).collect();
    let ask = ConsentAsk { stack: id, plan: planned.plan.digest, acts, principal: person(), once: None };
    engine.consent(ask).await.map(drop)
}

fn told(error: &DoorError) -> String {
    match error {
        DoorError::Mistakes(mistakes) => format!("{mistakes:#?}"),
        other => other.to_string(),
    }
}

/// What `deployd up FOLDER` asks.
pub fn up(folder: &str, once: Option<String>) -> RunAsk {
    RunAsk {
        world: world_of(folder),
        source: folder_id(folder),
        services: BTreeSet::new(),
        follow: true,
        from: From::File,
        mode: Mode::default(),
        principal: person(),
        because: "up".to_owned(),
        once,
    }
}

/// What `deployd down STACK` asks.
pub fn down(name: &str, keep_data: bool, delete: BTreeSet<Name>, once: Option<String>) -> DownAsk {
    DownAsk { stack: stack(name), keep_data, only_if: None, delete, principal: person(), once }
}

/// The files of a service `shop`.
pub fn files(manifest: &'static str) -> [Act; 2] {
    [Act::Write("shop", "deployd.yaml", manifest), Act::Write("shop", "app.py", "one")]
}

/// That service, deployed in a bed of its own until nothing is under way.
pub fn serving(manifest: &'static str) -> (Bed, Running) {
    let mut bed = Bed::new(Faults::default());
    let running = serving_in(&mut bed, manifest);
    (bed, running)
}

/// The same, in a bed that is there.
pub fn serving_in(bed: &mut Bed, manifest: &'static str) -> Running {
    let mut running = bed.start(None);
    tell(bed, &mut running, &files(manifest));
    tell(bed, &mut running, &[Act::Up("shop"), Act::Settle]);
    running
}

/// Does all acts in one life.
pub fn tell(bed: &mut Bed, running: &mut Running, acts: &[Act]) {
    for act in acts {
        bed.acts += 1;
        assert_eq!(running.act(bed, bed.acts, act), Went::On, "{act:?}");
    }
}
