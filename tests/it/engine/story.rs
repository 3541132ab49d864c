//! What people do, act by act. An act can be done again after a crash: its request carries a key.

use super::bed::{Bed, Running, folder_id, stack, world_name};
use super::life::Went;
use super::rooms::Mood;
use deployd::engine::{ConsentAsk, DoorError, DownAnswer, DownAsk, PlanAsk, PlanOf, RollbackAsk, RunAsk};
use deployd::model::{Milliseconds, Name};
use deployd::state::{From, Mode, Principal};
use std::collections::BTreeSet;

/// One thing that a person does, or waits for.
#[derive(Clone, Debug)]
pub enum Act {
    /// A file of a folder is saved.
    Write(&'static str, &'static str, &'static str),
    /// Reads of a folder meet this from now on.
    Mood(&'static str, Mood),
    /// `deployd up FOLDER`.
    Up(&'static str),
    /// `deployd down STACK`, with the names of what holds data and is deleted too; all else that holds data is kept.
    Down(&'static str, &'static [&'static str]),
    /// `Ctrl-C` of `up`.
    Stop(&'static str),
    /// `deployd rollback STACK`.
    Rollback(&'static str),
    /// Leave for everything that the plan of now would need leave for.
    Consent(&'static str),
    /// Until nothing is under way.
    Settle,
    /// So long.
    Pass(Milliseconds),
}

/// A file of a service that runs and listens.
pub const SERVICE: &str = "service: shop\nrun: serve\nport: 8080\n";

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
            Act::Mood(folder, mood) => {
                bed.folder(folder).mood(*mood);
                Went::On
            }
            Act::Settle => bed.settle(self, "the end of what is under way"),
            Act::Pass(span) => self.life.run_for(*span),
            door => self.door(number, door),
        }
    }

    fn door(&mut self, number: usize, act: &Act) -> Went {
        let engine = self.life.engine.clone();
        let once = Some(format!("act-{number}"));
        let answer = match act {
            Act::Up(folder) => self.life.ask(async move { engine.run_source(up(folder, once)).await.map(drop) }),
            Act::Down(name, delete) => {
                let ask = DownAsk {
                    stack: stack(name),
                    keep_data: true,
                    only_if: None,
                    delete: delete.iter().map(|name| Name::new(name).unwrap()).collect(),
                    principal: person(),
                    once,
                };
                self.life.ask(async move {
                    let answer = engine.down(ask).await?;
                    assert!(!matches!(answer, DownAnswer::HoldsData(_)), "{answer:?}");
                    Ok(())
                })
            }
            Act::Stop(name) => {
                let id = stack(name);
                self.life.ask(async move { engine.stop(&id, &person()).await.map(drop) })
            }
            Act::Rollback(name) => {
                let ask = RollbackAsk { stack: stack(name), to: None, principal: person(), once };
                self.life.ask(async move { engine.rollback(ask).await.map(drop) })
            }
            Act::Consent(name) => {
                let name = *name;
                self.life.ask(async move {
                    let ask = PlanAsk {
                        world: world_name(),
                        of: PlanOf::Stack(Name::new(name).unwrap()),
                        mode: Mode::default(),
                    };
                    let planned = engine.plan_now(ask).await?.remove(0);
                    let needed = &planned.report.needs_consent;
                    let acts = needed.iter().map(|one| (one.identity.clone(), one.act)).collect();
                    let ask = ConsentAsk { stack: stack(name), plan: planned.plan.digest, acts, principal: person() };
                    engine.consent(ask).await.map(drop)
                })
            }
            Act::Write(..) | Act::Mood(..) | Act::Settle | Act::Pass(_) => unreachable!("no door"),
        };
        match answer {
            None => Went::Dead,
            Some(Ok(())) => Went::On,
            Some(Err(error)) => panic!("{act:?}: {}", told(&error)),
        }
    }
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
        world: world_name(),
        source: folder_id(folder),
        services: BTreeSet::new(),
        from: From::File,
        mode: Mode::default(),
        principal: person(),
        because: "up".to_owned(),
        once,
    }
}

/// Does all acts in one life.
pub fn tell(bed: &mut Bed, running: &mut Running, acts: &[Act]) {
    for act in acts {
        bed.acts += 1;
        assert_eq!(running.act(bed, bed.acts, act), Went::On, "{act:?}");
    }
}
