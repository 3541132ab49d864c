//! The simulated room passes the suite, and does what only it does.

use super::suite::{self, Sample, Stage, create, identity, is_settled, look, order, query, until};
use async_trait::async_trait;
use deployd::clock::ManualClock;
use deployd::contract::{
    Clock, Failure, Filled, Freshness, Keep, ListScope, OrderAct, Outputs, Provider, Seal, SealBroken,
};
use deployd::model::{Digest, FieldPath, Identity, Kind, Milliseconds, Name, Value, Wall};
use deployd::provider::simulated::{Chance, Fault, Faults, Settings, SimulatedProvider, rules};
use deployd::state::{Condition, Handle, Owner, Presence, Recorded, RecordedOutput, Seen};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

/// Seals by digest only: what is sealed is never opened in these tests.
pub struct DigestOnly;

impl Seal for DigestOnly {
    fn seal(&self, _: &Identity, outputs: &Outputs) -> BTreeMap<Name, RecordedOutput> {
        let plain = outputs.plain.iter().map(|(name, value)| {
            (
                name.clone(),
                RecordedOutput { digest: Digest::of_json("output", value), value: Recorded::Plain(value.clone()) },
            )
        });
        plain.collect()
    }

    fn open(&self, _: &Identity, _: &Name, _: &RecordedOutput) -> Result<deployd::contract::Plain, SealBroken> {
        panic!("nothing is opened here")
    }
}

struct Simulated {
    provider: SimulatedProvider,
    clock: ManualClock,
}

impl Simulated {
    fn new(faults: Faults) -> Simulated {
        Simulated::at(Wall(1_700_000_000_000), faults, None)
    }

    /// One whose process begins then.
    fn at(wall: Wall, faults: Faults, file: Option<PathBuf>) -> Simulated {
        let clock = ManualClock::new(wall);
        let settings = Settings { instance: "suite".into(), latency: Milliseconds(0), faults, file };
        let shared: Arc<dyn Clock> = Arc::new(clock.clone());
        let provider = SimulatedProvider::new(settings, rules::kinds(), shared, Arc::new(DigestOnly)).unwrap();
        Simulated { provider, clock }
    }
}

#[async_trait]
impl Stage for Simulated {
    fn provider(&self) -> &dyn Provider {
        &self.provider
    }
    async fn restart(&mut self) {
        self.provider = self.provider.reconnect();
    }
    fn instance(&self) -> String {
        "suite".into()
    }
    async fn wait(&self) {
        assert!(self.clock.now().steady.0 < 7_200_000, "two hours are enough");
        self.clock.advance(Milliseconds::seconds(5));
    }
    fn samples(&self) -> Vec<Sample> {
        vec![
            Sample {
                kind: Kind::fixed("simulated/database"),
                fields: Value::from([("engine", Value::from("postgres")), ("storage", Value::Whole(20))]),
                changed: Some(Value::from([("engine", Value::from("postgres")), ("storage", Value::Whole(50))])),
                health: None,
                answers: &["host", "port"],
                logs: true,
                filled: Filled::default(),
            },
            Sample {
                kind: Kind::fixed("simulated/deployment"),
                fields: Value::from([("run", "serve"), ("image", "one")]),
                changed: Some(Value::from([("run", "serve"), ("image", "two")])),
                health: None,
                answers: &["address"],
                logs: true,
                filled: Filled::default(),
            },
        ]
    }
}

#[tokio::test]
async fn passes_the_suite() {
    let mut stage = Simulated::new(Faults::default());
    suite::lives_once(&stage).await;
    suite::changes_in_place(&stage).await;
    suite::touches_nothing_foreign(&stage).await;
    suite::answers_in_order(&stage).await;
    suite::preflight_changes_nothing(&stage).await;
    suite::tells_its_log(&stage).await;
    suite::survives_a_restart(&mut stage).await;
}

#[tokio::test]
async fn a_database_settles_for_ten_minutes_and_answers_late() {
    let stage = Simulated::new(Faults::default());
    let (users, sample) = (identity("sim/shop/users"), &stage.samples()[0]);
    let outcome = stage.provider.apply(&create(&stage, &users, sample), &Filled::default()).await.unwrap();
    assert!(matches!(outcome.condition, Condition::Settling(_)), "{:?}", outcome.condition);
    assert!(outcome.outputs.plain.is_empty(), "no address before it is ready");
    let asked = query(&users, sample, Some(outcome.handle));
    stage.clock.advance(Milliseconds::seconds(599));
    assert!(!is_settled(&look(&stage, &asked).await));
    stage.clock.advance(Milliseconds::seconds(1));
    let seen = look(&stage, &asked).await;
    assert!(is_settled(&seen) && seen.present().unwrap().outputs.contains_key("host"));
}

/// A world that lasts goes on where it was, whatever the next process counts its time from.
#[tokio::test]
async fn a_world_that_is_kept_goes_on_in_another_process() {
    let folder = tempfile::tempdir().unwrap();
    let begins = Wall(1_700_000_000_000);
    let at = |wall| Simulated::at(wall, Faults::default(), Some(folder.path().join("sim.json")));
    let stage = at(begins);
    stage.clock.advance(Milliseconds::seconds(5000));
    let (users, sample) = (identity("sim/shop/users"), &stage.samples()[0]);
    let outcome = stage.provider.apply(&create(&stage, &users, sample), &Filled::default()).await.unwrap();
    let asked = query(&users, sample, Some(outcome.handle));
    let later = at(begins.plus(Milliseconds::seconds(5500)));
    assert!(!is_settled(&look(&later, &asked).await), "500 of 600 s");
    later.clock.advance(Milliseconds::seconds(100));
    assert!(is_settled(&look(&later, &asked).await));
}

#[tokio::test]
async fn a_roller_fails_its_health_check_when_told() {
    let stage = Simulated::new(Faults::default());
    let mut sample = stage.samples().remove(1);
    sample.fields.put(&FieldPath::fixed("env.SIMULATED"), Value::from("unhealthy"));
    let web = identity("sim/shop/web");
    let handle = stage.provider.apply(&create(&stage, &web, &sample), &Filled::default()).await.unwrap().handle;
    stage.clock.advance(Milliseconds::seconds(60));
    let seen = look(&stage, &query(&web, &sample, Some(handle))).await;
    assert!(matches!(seen.present().unwrap().condition, Condition::Failed(_)), "{seen:?}");
}

#[tokio::test]
async fn a_group_waits_for_its_balancer_and_for_what_lingers() {
    let stage = Simulated::new(Faults::default());
    let sample = |kind, fields| Sample {
        kind: Kind::fixed(kind),
        fields,
        changed: None,
        health: None,
        answers: &[],
        logs: false,
        filled: Filled::default(),
    };
    let group = sample("simulated/group", Value::map());
    let (door, wall) = (identity("sim/shop/web.balancer"), identity("sim/shop/web.group"));
    let made = stage.provider.apply(&create(&stage, &wall, &group), &Filled::default()).await.unwrap();
    let balancer = sample("simulated/balancer", Value::from([("group", made.handle.0.as_str())]));
    let opened = stage.provider.apply(&create(&stage, &door, &balancer), &Filled::default()).await.unwrap();
    stage.clock.advance(Milliseconds::seconds(300));

    let delete = |identity: &Identity, sample: &Sample, handle: &Handle| {
        let act = OrderAct::Delete { handle: Some(handle.clone()), keep: Keep::Nothing };
        order(&stage, identity, sample, act, "delete")
    };
    let refused = stage.provider.apply(&delete(&wall, &group, &made.handle), &Filled::default()).await;
    let Err(Failure::Retry { why, .. }) = refused else { panic!("{refused:?}") };
    assert!(why.text.contains(&opened.handle.0), "says by whom: {why}");
    stage.provider.apply(&delete(&door, &balancer, &opened.handle), &Filled::default()).await.unwrap();
    until(&stage, &query(&door, &balancer, Some(opened.handle.clone())), Seen::is_absent).await;
    let refused = stage.provider.apply(&delete(&wall, &group, &made.handle), &Filled::default()).await;
    let Err(Failure::Retry { why, .. }) = refused else { panic!("{refused:?}") };
    assert!(why.text.contains("network interface"), "{why}");
    stage.clock.advance(Milliseconds::seconds(60));
    stage.provider.apply(&delete(&wall, &group, &made.handle), &Filled::default()).await.unwrap();
}

#[tokio::test]
async fn faults_do_what_they_are_called() {
    let script = |fault| Faults { script: BTreeMap::from([(1, fault)]), ..Faults::default() };
    let web = identity("sim/shop/web");
    let made = async |fault| {
        let stage = Simulated::new(script(fault));
        let sample = stage.samples().remove(1);
        let answer = stage.provider.apply(&create(&stage, &web, &sample), &Filled::default()).await;
        let there = stage.provider.with_world(|world| world.of(&web).len());
        stage.clock.advance(Milliseconds::seconds(60));
        (answer, there, stage.provider.with_world(|world| world.of(&web).len()))
    };
    let (answer, there, _) = made(Fault::Throttled).await;
    assert!(matches!(answer, Err(Failure::Retry { .. })) && there == 0);
    let (answer, there, _) = made(Fault::LostReply).await;
    assert!(matches!(answer, Err(Failure::Unclear { .. })) && there == 1);
    let (answer, there, later) = made(Fault::LateEffect(Milliseconds::seconds(30))).await;
    assert!(matches!(answer, Err(Failure::Unclear { .. })) && there == 0 && later == 1);
    let (answer, there, _) = made(Fault::Refused).await;
    assert!(matches!(answer, Err(Failure::Refused { .. })) && there == 0);
}

#[tokio::test]
async fn a_careless_repetition_of_a_create_at_most_once_makes_two() {
    let stage = Simulated::new(Faults::default());
    let sample = Sample { kind: Kind::fixed("simulated/group"), fields: Value::map(), ..stage.samples().remove(0) };
    let wall = identity("sim/shop/web.group");
    for _ in 0..2 {
        stage.provider.apply(&create(&stage, &wall, &sample), &Filled::default()).await.unwrap();
    }
    assert_eq!(
        stage.provider.with_world(|world| world.census()[&wall]),
        2,
        "the oracle must be able to see a duplicate"
    );
}

#[tokio::test]
async fn reads_that_are_late_show_what_was() {
    let faults = Faults {
        script: BTreeMap::from([
            (2, Fault::Stale(Milliseconds::seconds(20))),
            (3, Fault::Unreadable),
            (4, Fault::TornListing),
        ]),
        ..Faults::default()
    };
    let stage = Simulated::new(faults);
    stage.clock.advance(Milliseconds::seconds(100));
    let (web, sample) = (identity("sim/shop/web"), stage.samples().remove(1));
    let handle = stage.provider.apply(&create(&stage, &web, &sample), &Filled::default()).await.unwrap().handle;
    stage.clock.advance(Milliseconds::seconds(10));
    let asked = query(&web, &sample, Some(handle));
    let stale = look(&stage, &asked).await;
    assert!(stale.is_absent() && !stale.fresh, "made ten seconds ago, seen as of twenty: {stale:?}");
    assert!(matches!(look(&stage, &asked).await.presence, Presence::Unknown(_)));
    assert!(!stage.provider.list(&ListScope { stack: None }).await.complete);
    assert!(is_settled(&look(&stage, &asked).await));
}

#[tokio::test]
async fn a_stranger_with_our_name_is_held() {
    let stage = Simulated::new(Faults::default());
    let (web, sample) = (identity("sim/shop/web"), stage.samples().remove(1));
    let name = Handle(deployd::provider::simulated::name_of("suite", &web));
    let now = stage.clock.now().steady;
    stage.provider.with_world(|world| world.plant(name.clone(), sample.kind.clone(), Owner::Nobody, now));
    let findings = stage.provider.preflight(&[create(&stage, &web, &sample)]).await;
    assert!(findings[0].blocks, "{findings:?}");
    let answer = stage.provider.apply(&create(&stage, &web, &sample), &Filled::default()).await;
    let Err(Failure::Refused { why }) = answer else { panic!("{answer:?}") };
    assert!(why.way_out.unwrap().starts_with("deployd adopt web "));
    let act = OrderAct::Adopt { handle: name.clone() };
    stage.provider.apply(&order(&stage, &web, &sample, act, "adopt"), &Filled::default()).await.unwrap();
    assert!(matches!(look(&stage, &query(&web, &sample, Some(name))).await.present().unwrap().owner, Owner::Ours(_)));
}

#[tokio::test]
async fn the_same_seed_gives_the_same_log() {
    let run = async || {
        let chance = Chance {
            throttled: 200,
            lost_reply: 200,
            stale: 200,
            unreadable: 100,
            late_effect: 100,
            ..Chance::default()
        };
        let stage = Simulated::new(Faults { seed: 42, chance, ..Faults::default() });
        let sample = stage.samples().remove(1);
        for number in 0..50 {
            let web = identity(&format!("sim/shop{number}/web"));
            let _ = stage.provider.apply(&create(&stage, &web, &sample), &Filled::default()).await;
            let _ = stage.provider.observe(&[query(&web, &sample, None)], Freshness::Fresh).await;
            stage.clock.advance(Milliseconds(777));
        }
        stage.provider.with_world(|world| serde_json::to_string(&world.log).unwrap())
    };
    let log = run().await;
    assert_eq!(log, run().await);
    assert!(log.contains("lost_reply") && log.contains("throttled") && log.contains("stale"));
}
