//! The suite of the provider contract. A room's stage says what it makes; the suite says how that must behave.

use async_trait::async_trait;
use deployd::contract::{
    Failure, Filled, Freshness, Keep, ListScope, LogFrom, Order, OrderAct, Outcome, Provider, Query,
};
use deployd::graph::HealthCheck;
use deployd::model::{Digest, Identity, Kind, Milliseconds, Value};
use deployd::state::{Condition, Handle, IntentId, Owner, Presence, Present, Receipt, Seen, Token};

/// One kind of a room, with fields to make it of and fields to change it to.
pub struct Sample {
    pub kind: Kind,
    pub fields: Value,
    /// Changed where it stands; none where the kind never is.
    pub changed: Option<Value>,
    pub health: Option<HealthCheck>,
    /// Which output must be there once it is ready.
    pub answers: &'static [&'static str],
    /// Whether it writes a log.
    pub logs: bool,
    /// What fills its expressions.
    pub filled: Filled,
}

/// Where a room is tried.
#[async_trait]
pub trait Stage: Send + Sync {
    fn provider(&self) -> &dyn Provider;
    /// The same room after its process was killed: a new client on the same world.
    async fn restart(&mut self);
    fn instance(&self) -> String;
    /// Lets time pass until something may have changed; panics when patience is at its end.
    async fn wait(&self);
    fn samples(&self) -> Vec<Sample>;
}

pub fn identity(text: &str) -> Identity {
    Identity::parse(text).unwrap()
}

pub fn query(identity: &Identity, sample: &Sample, handle: Option<Handle>) -> Query {
    Query {
        identity: identity.clone(),
        kind: sample.kind.clone(),
        handle,
        health: sample.health.clone(),
        fields: sample.fields.clone(),
    }
}

pub fn order(stage: &dyn Stage, identity: &Identity, sample: &Sample, act: OrderAct, purpose: &str) -> Order {
    let token = Token(Digest::of_json("suite-token", &(identity, purpose)).to_string());
    Order {
        intent: IntentId(token.0.clone()),
        token,
        identity: identity.clone(),
        kind: sample.kind.clone(),
        receipt: Receipt { instance: stage.instance(), identity: identity.clone() },
        limit: Milliseconds::seconds(60),
        act,
    }
}

pub fn create(stage: &dyn Stage, identity: &Identity, sample: &Sample) -> Order {
    let asked = Digest::of_json("asked", &sample.fields);
    let act = OrderAct::Create { fields: sample.fields.clone(), asked, health: sample.health.clone() };
    order(stage, identity, sample, act, "create")
}

pub async fn look(stage: &dyn Stage, query: &Query) -> Seen {
    let mut seen = stage.provider().observe(std::slice::from_ref(query), Freshness::Fresh).await;
    assert_eq!(seen.len(), 1, "one answer a query");
    seen.remove(0)
}

pub async fn until(stage: &dyn Stage, query: &Query, wanted: impl Fn(&Seen) -> bool) -> Seen {
    loop {
        let seen = look(stage, query).await;
        if wanted(&seen) {
            return seen;
        }
        if let Some(Condition::Failed(why)) = seen.present().map(|present| &present.condition) {
            panic!("{} failed: {why} {:?}", query.identity, why.details);
        }
        stage.wait().await;
    }
}

pub fn is_settled(seen: &Seen) -> bool {
    seen.present().is_some_and(|present| matches!(present.condition, Condition::Ready | Condition::Finished(_)))
}

fn present(seen: &Seen) -> &Present {
    seen.present().unwrap_or_else(|| panic!("it should be there: {seen:?}"))
}

async fn make(stage: &dyn Stage, identity: &Identity, sample: &Sample) -> Outcome {
    let made = stage.provider().apply(&create(stage, identity, sample), &sample.filled).await;
    made.unwrap_or_else(|failure| panic!("{identity} was not made: {failure:?}"))
}

async fn remove(stage: &dyn Stage, identity: &Identity, sample: &Sample, handle: &Handle) {
    let act = OrderAct::Delete { handle: Some(handle.clone()), keep: Keep::Nothing };
    let order = order(stage, identity, sample, act, "delete");
    loop {
        match stage.provider().apply(&order, &Filled::default()).await {
            Ok(_) => break,
            Err(Failure::Retry { .. }) => stage.wait().await,
            Err(failure) => panic!("{identity} was not deleted: {failure:?}"),
        }
    }
    until(stage, &query(identity, sample, Some(handle.clone())), Seen::is_absent).await;
}

async fn found(stage: &dyn Stage, identity: &Identity) -> usize {
    let scope = ListScope { stack: Some(identity.address.stack_id()) };
    let listing = stage.provider().list(&scope).await;
    assert!(listing.complete, "nothing disturbs this listing");
    listing.found.iter().filter(|found| found.receipt.identity == *identity).count()
}

/// Made, seen as ours, settled with its outputs; made again, it is still one; gone, it is proved gone, twice.
pub async fn lives_once(stage: &dyn Stage) {
    for (number, sample) in stage.samples().iter().enumerate() {
        let identity = identity(&format!("suite/life{number}/thing"));
        assert!(look(stage, &query(&identity, sample, None)).await.is_absent(), "{}: nothing there yet", sample.kind);
        let outcome = make(stage, &identity, sample).await;
        let asked = query(&identity, sample, Some(outcome.handle.clone()));
        let seen = until(stage, &asked, is_settled).await;
        let Owner::Ours(receipt) = &present(&seen).owner else { panic!("{}: not ours: {seen:?}", sample.kind) };
        assert_eq!(receipt.identity, identity);
        for name in sample.answers {
            assert!(present(&seen).outputs.contains_key(*name), "{} answers {name}: {seen:?}", sample.kind);
        }
        let again = make(stage, &identity, sample).await;
        assert_eq!(again.handle, outcome.handle, "{}: the same order makes nothing twice", sample.kind);
        assert_eq!(found(stage, &identity).await, 1, "{}: one of it", sample.kind);
        let by_name = look(stage, &query(&identity, sample, None)).await;
        assert_eq!(present(&by_name).handle, outcome.handle, "{}: found without its handle", sample.kind);
        remove(stage, &identity, sample, &outcome.handle).await;
        assert_eq!(found(stage, &identity).await, 0, "{}: nothing left", sample.kind);
        remove(stage, &identity, sample, &outcome.handle).await;
    }
}

/// Changed where it stands: the same handle, the new fields, ready again.
pub async fn changes_in_place(stage: &dyn Stage) {
    for (number, sample) in stage.samples().iter().enumerate() {
        let Some(changed) = &sample.changed else { continue };
        let identity = identity(&format!("suite/change{number}/thing"));
        let handle = make(stage, &identity, sample).await.handle;
        until(stage, &query(&identity, sample, Some(handle.clone())), is_settled).await;
        let act = OrderAct::Update {
            handle: handle.clone(),
            from: sample.fields.clone(),
            fields: changed.clone(),
            asked: Digest::of_json("asked", changed),
            health: sample.health.clone(),
        };
        let order = order(stage, &identity, sample, act, "update");
        for _ in 0..2 {
            let outcome = stage.provider().apply(&order, &sample.filled).await.unwrap();
            assert_eq!(outcome.handle, handle);
        }
        let mut asked = query(&identity, sample, Some(handle.clone()));
        asked.fields = changed.clone();
        let seen = until(stage, &asked, is_settled).await;
        for (key, value) in present(&seen).fields.entries() {
            if let (Some(wanted), false) = (changed.get(key), matches!(value, Value::Expr(_))) {
                assert_eq!(value, wanted, "{}: {key} reads back as it was asked", sample.kind);
            }
        }
        remove(stage, &identity, sample, &handle).await;
    }
}

/// What carries another receipt is neither changed nor deleted.
pub async fn touches_nothing_foreign(stage: &dyn Stage) {
    for (number, sample) in stage.samples().iter().enumerate() {
        let owner = identity(&format!("suite/mine{number}/thing"));
        let stranger = identity(&format!("suite/yours{number}/thing"));
        let handle = make(stage, &owner, sample).await.handle;
        until(stage, &query(&owner, sample, Some(handle.clone())), is_settled).await;
        let delete = OrderAct::Delete { handle: Some(handle.clone()), keep: Keep::Nothing };
        let update = OrderAct::Update {
            handle: handle.clone(),
            from: sample.fields.clone(),
            fields: sample.changed.clone().unwrap_or_else(|| sample.fields.clone()),
            asked: Digest::of("x"),
            health: None,
        };
        for act in [delete, update] {
            let order = order(stage, &stranger, sample, act, "foreign");
            let answer = stage.provider().apply(&order, &sample.filled).await;
            assert!(matches!(answer, Err(Failure::Refused { .. })), "{}: {answer:?}", sample.kind);
        }
        let seen = look(stage, &query(&owner, sample, Some(handle.clone()))).await;
        assert!(is_settled(&seen), "{}: {seen:?}", sample.kind);
        remove(stage, &owner, sample, &handle).await;
    }
}

/// Answers come one a query and in order, also for what is not there.
pub async fn answers_in_order(stage: &dyn Stage) {
    let samples = stage.samples();
    let there = identity("suite/order/there");
    let handle = make(stage, &there, &samples[0]).await.handle;
    let missing = identity("suite/order/missing");
    let ask = [
        query(&missing, &samples[0], None),
        query(&there, &samples[0], Some(handle.clone())),
        query(&missing, &samples[0], None),
    ];
    let seen = stage.provider().observe(&ask, Freshness::Fresh).await;
    let kinds: Vec<bool> = seen.iter().map(Seen::is_absent).collect();
    assert_eq!(kinds, [true, false, true]);
    assert!(stage.provider().observe(&[], Freshness::Fresh).await.is_empty());
    remove(stage, &there, &samples[0], &handle).await;
}

/// A look before the first order changes nothing.
pub async fn preflight_changes_nothing(stage: &dyn Stage) {
    for (number, sample) in stage.samples().iter().enumerate() {
        let identity = identity(&format!("suite/preflight{number}/thing"));
        let findings = stage.provider().preflight(&[create(stage, &identity, sample)]).await;
        assert!(findings.iter().all(|finding| !finding.blocks), "{}: {findings:?}", sample.kind);
        assert_eq!(found(stage, &identity).await, 0, "{}: preflight made something", sample.kind);
    }
}

/// What was made is found again by a room that starts anew, and nothing of it stopped meanwhile.
pub async fn survives_a_restart(stage: &mut dyn Stage) {
    let samples = stage.samples();
    let mut made = Vec::new();
    for (number, sample) in samples.iter().enumerate() {
        let identity = identity(&format!("suite/restart{number}/thing"));
        let handle = make(stage, &identity, sample).await.handle;
        until(stage, &query(&identity, sample, Some(handle.clone())), is_settled).await;
        made.push((identity, handle));
    }
    stage.restart().await;
    for ((identity, handle), sample) in made.iter().zip(&samples) {
        let seen = look(stage, &query(identity, sample, Some(handle.clone()))).await;
        assert!(is_settled(&seen), "{}: {seen:?}", sample.kind);
        assert!(matches!(seen.presence, Presence::Present(_)));
        remove(stage, identity, sample, handle).await;
    }
}

/// What says that it logs, does.
pub async fn tells_its_log(stage: &dyn Stage) {
    use futures::StreamExt;
    for (number, sample) in stage.samples().iter().enumerate().filter(|(_, sample)| sample.logs) {
        let identity = identity(&format!("suite/log{number}/thing"));
        let handle = make(stage, &identity, sample).await.handle;
        let asked = query(&identity, sample, Some(handle.clone()));
        until(stage, &asked, is_settled).await;
        let lines = stage.provider().logs(&asked, &LogFrom { tail: 10, follow: false }).await.unwrap();
        let lines: Vec<_> = lines.collect().await;
        assert!(!lines.is_empty(), "{} wrote nothing", sample.kind);
        assert!(lines.len() <= 10 && lines.iter().all(|line| line.identity == identity));
        remove(stage, &identity, sample, &handle).await;
    }
}
