//! The doors, asked while the engine runs on a simulated world: what they answer, refuse, and leave behind.

mod changes;
mod leave;
mod questions;
mod threats;
mod wishes;

use crate::engine::bed::{Bed, Running, catalogue, folder_id, stack, world_name};
use deployd::contract::{Batch, Key};
use deployd::engine::{Accepted, DoorError, DownAsk, Engine, PlanAsk, PlanOf, Planned, RunAsk};
use deployd::model::{Milliseconds, Name, StackId};
use deployd::provider::simulated::Faults;
use deployd::state::{DeploymentId, DeploymentState, From, Mode, Principal};
use futures::FutureExt as _;
use std::collections::BTreeSet;
use std::future::Future;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

/// Milliseconds that a door may take: it asks a provider that needs three for each answer.
const DOOR_MAX: u32 = 20_000;

const HELLO: &str = "service: hello\nrun: serve\nport: 8080\n";

/// A service with a database, and files that last.
const SHOP: &str = "service: shop\nrun: serve\nport: 8080\nrequires:\n  - users: postgres\n  - uploads: volume\n";

fn by(name: &str) -> Principal {
    Principal(format!("cli:{name}"))
}

fn name(text: &str) -> Name {
    Name::new(text).unwrap()
}

/// A bed, an engine in it, and the folder `one` with a manifest.
fn with(manifest: &str) -> (Bed, Running) {
    let bed = Bed::new(Faults::default());
    let folder = bed.folder("one");
    folder.write("deployd.yaml", manifest);
    folder.write("app.py", "one");
    let running = bed.start(None);
    (bed, running)
}

/// The same in a world whose file says more.
fn in_world(says: &str, manifest: &str) -> (Bed, Running) {
    let (mut bed, _) = with(manifest);
    let world = format!("world: sim\ncapabilities:\n  deploy:simulated: {{ plays: [deploy:local] }}\n{says}");
    bed.catalogue = catalogue(&[("worlds/sim.yaml", &world)]);
    let running = bed.start(None);
    (bed, running)
}

impl Running {
    /// Asks a door something while the engine runs and time goes on.
    fn asks<T>(&mut self, door: impl AsyncFnOnce(Engine) -> T) -> T {
        let mut door = pin!(door(self.life.engine.clone()));
        for _ in 0..DOOR_MAX {
            if let Poll::Ready(answer) = door.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
                return answer;
            }
            self.life.run_for(Milliseconds(1));
        }
        panic!("a door does not answer");
    }

    fn run(&mut self, ask: RunAsk) -> Result<Vec<Accepted>, DoorError> {
        self.asks(async |engine| engine.run_source(ask).await)
    }

    fn down(&mut self, ask: DownAsk) -> Result<deployd::engine::DownAnswer, DoorError> {
        self.asks(async |engine| engine.down(ask).await)
    }

    fn plan(&mut self, of: PlanOf) -> Result<Vec<Planned>, DoorError> {
        let ask = PlanAsk { world: world_name(), of, mode: Mode::Evaluated };
        self.asks(async |engine| engine.plan_now(ask).await)
    }

    fn state_of(&mut self, id: &DeploymentId) -> DeploymentState {
        let shown = self.asks(async |engine| engine.deployment(id).await).unwrap();
        shown.deployment.state
    }
}

fn run_ask(folder: &str) -> RunAsk {
    RunAsk {
        world: world_name(),
        source: folder_id(folder),
        services: BTreeSet::new(),
        follow: true,
        from: From::File,
        mode: Mode::Evaluated,
        principal: by("alice"),
        because: "up".to_owned(),
        once: None,
    }
}

fn down_ask(of: &str) -> DownAsk {
    DownAsk {
        stack: stack(of),
        keep_data: false,
        delete: BTreeSet::new(),
        principal: by("alice"),
        once: None,
        only_if: None,
    }
}

/// A bed in which a service runs.
fn running(manifest: &str, service: &str) -> (Bed, Running, StackId) {
    let (bed, mut running) = with(manifest);
    up(&bed, &mut running);
    (bed, running, stack(service))
}

/// Runs the folder `one`, until it is up.
fn up(bed: &Bed, running: &mut Running) -> Vec<Accepted> {
    let accepted = running.run(run_ask("one")).unwrap();
    bed.settle(running, "up");
    for one in &accepted {
        assert_eq!(running.state_of(&one.deployment), DeploymentState::Done, "{}", bed.told());
    }
    accepted
}

/// The sentence of a refusal and its way out.
fn refused<T: std::fmt::Debug>(answer: Result<T, DoorError>) -> String {
    let why = match answer {
        Err(DoorError::Refused(why)) => why,
        other => panic!("it is not refused: {other:?}"),
    };
    format!("{} | {}", why.text, why.way_out.unwrap_or_default())
}

fn forbidden<T: std::fmt::Debug>(answer: Result<T, DoorError>) -> String {
    match answer {
        Err(DoorError::Forbidden(why)) => why.text,
        other => panic!("it is not forbidden: {other:?}"),
    }
}

/// Writes bytes over a row of a stack, as a disk that lies would.
fn write_row(bed: &Bed, id: &StackId, table: &str, row: &str, bytes: &[u8]) {
    let put = vec![(Key::stack(id, table, row), bytes.to_vec())];
    bed.store.commit(Batch { put, ..Batch::default() }).now_or_never().unwrap().unwrap();
}
