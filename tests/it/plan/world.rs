//! A small world for plans: things with receipts, which do what they are asked, settle, and are meddled with.
//!
//! It holds the line that no plan may cross: what breaks a law is written down the moment it happens.

use super::kinds::rules_of;
use deployd::contract::{self, Failure, Keep, Order, OrderAct, Outcome};
use deployd::graph::{Create, Lifecycle, Outputs};
use deployd::model::{Digest, Identity, Kind, Milliseconds, Name, Value, Wall};
use deployd::state::{
    Condition, Exit, Handle, Owner, Presence, Present, Receipt, Recorded, RecordedOutput, Seen, Settling, Why, WhyCode,
};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Ours.
pub const INSTANCE: &str = "ours";

/// One thing of the world.
#[derive(Clone, Debug)]
pub struct Thing {
    pub kind: Kind,
    pub owner: Owner,
    /// What it was filled with.
    pub fields: Value,
    pub asked: Option<Digest>,
    pub condition: Condition,
    pub in_flight: Option<u32>,
    /// How often it was made: twice is once too often where nothing protects it.
    pub made: u32,
}

/// What an order comes to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fault {
    Refused,
    Retry,
    Unreachable,
    /// Nobody knows, and it happened.
    Happened,
    /// Nobody knows, and it did not.
    Lost,
    /// Nobody knows, and it happens when time passes.
    Late,
}

#[derive(Clone, Debug, Default)]
pub struct World {
    pub things: BTreeMap<Identity, Thing>,
    /// Failures that wait for the next order to an address, by its short name.
    pub faults: BTreeMap<String, Vec<Fault>>,
    /// What cannot be read, by short name; `*` is everything.
    pub unreadable: BTreeSet<String>,
    /// What is seen as it was before it was made: absent, and not freshly.
    pub stale: BTreeSet<String>,
    /// What does not settle by itself, by short name.
    pub slow: BTreeSet<String>,
    /// Orders whose effect is still to come.
    late: Vec<(Order, bool)>,
    /// The laws that were broken.
    pub broken: Vec<String>,
    /// How often each life was made, whatever became of it.
    pub made: BTreeMap<Identity, u32>,
}

impl World {
    /// What is seen of a life.
    pub fn look(&self, identity: &Identity, now: Wall) -> Seen {
        let short = identity.address.short();
        let is = |set: &BTreeSet<String>| set.contains(&short) || set.contains("*");
        let unreadable = Presence::Unknown(Why::new(WhyCode::NotReadable, "it does not answer"));
        let (fresh, presence) = match self.things.get(identity) {
            _ if is(&self.unreadable) => (false, unreadable),
            _ if is(&self.stale) => (false, Presence::Absent),
            None => (true, Presence::Absent),
            Some(thing) => (true, Presence::Present(Arc::new(self.present(identity, thing)))),
        };
        Seen { looked: now, fresh, presence }
    }

    fn present(&self, identity: &Identity, thing: &Thing) -> Present {
        Present {
            handle: handle(identity),
            owner: thing.owner.clone(),
            fields: thing.fields.clone(),
            asked: thing.asked,
            condition: thing.condition.clone(),
            outputs: recorded(outputs(identity, thing)),
            in_flight: thing.in_flight,
        }
    }

    /// Does an order. `has_consent` is whether a person gave leave for it.
    pub fn apply(&mut self, order: &Order, has_consent: bool) -> Result<Outcome, Failure> {
        let short = order.identity.address.short();
        let fault = self.faults.get_mut(&short).and_then(|faults| match faults.first() {
            // What is refused is refused again, until somebody agrees.
            Some(Fault::Refused) => Some(Fault::Refused),
            Some(_) => Some(faults.remove(0)),
            None => None,
        });
        let why = |text: &str| Why::new(WhyCode::Other, text);
        match fault {
            Some(Fault::Refused) => return Err(Failure::Refused { why: why("it may not be so") }),
            Some(Fault::Retry) => {
                return Err(Failure::Retry { after: Milliseconds::seconds(1), why: why("too many requests") });
            }
            Some(Fault::Unreachable) => return Err(Failure::Unreachable { why: why("no answer") }),
            Some(Fault::Lost) => return Err(Failure::Unclear { why: why("the connection broke") }),
            Some(Fault::Late) => {
                self.late.push((order.clone(), has_consent));
                return Err(Failure::Unclear { why: why("no answer in time") });
            }
            Some(Fault::Happened) => {
                drop(self.act(order, has_consent));
                return Err(Failure::Unclear { why: why("the connection broke") });
            }
            None => {}
        }
        let condition = self.act(order, has_consent).map_err(|text| Failure::Refused { why: why(&text) })?;
        let there = self.things.get(&order.identity);
        let plain = there.map(|thing| outputs(&order.identity, thing)).unwrap_or_default();
        let outputs = contract::Outputs { plain, ..contract::Outputs::default() };
        Ok(Outcome { handle: handle(&order.identity), outputs, condition, note: None })
    }

    fn act(&mut self, order: &Order, has_consent: bool) -> Result<Condition, String> {
        let identity = &order.identity;
        let is_ours = |thing: &Thing| matches!(&thing.owner, Owner::Ours(receipt) if receipt.identity == *identity);
        let there = self.things.get(identity).map(is_ours);
        match (&order.act, there) {
            (OrderAct::Create { .. }, Some(false)) => return Err("the name is taken".to_owned()),
            (OrderAct::Update { .. } | OrderAct::Delete { .. }, Some(false)) => {
                self.broken.push(format!("law 7: {:?} of {identity}, which is not ours", order.act));
                return Err("not yours".to_owned());
            }
            (OrderAct::Update { .. } | OrderAct::Adopt { .. }, None) => return Err("there is no such thing".to_owned()),
            (OrderAct::Delete { .. }, None) => return Ok(Condition::Leaving),
            _ => {}
        }
        self.is_named_right(order);
        match &order.act {
            OrderAct::Create { fields, asked, .. } => self.make(order, fields, *asked),
            OrderAct::Update { fields, asked, .. } => {
                let thing = self.things.get_mut(identity).expect("it is there");
                (thing.fields, thing.asked) = (fields.clone(), Some(*asked));
                thing.condition = first(&order.kind, &thing.fields);
                Ok(thing.condition.clone())
            }
            OrderAct::Adopt { .. } => {
                let thing = self.things.get_mut(identity).expect("it is there");
                thing.owner = Owner::Ours(order.receipt.clone());
                thing.condition = first(&order.kind, &thing.fields);
                Ok(thing.condition.clone())
            }
            OrderAct::Delete { keep, .. } => {
                if *keep == Keep::Final && !has_consent {
                    self.broken.push(format!("law 7: the end of {identity}, which holds data"));
                }
                let thing = self.things.get_mut(identity).expect("it is there");
                thing.condition = Condition::Leaving;
                Ok(Condition::Leaving)
            }
        }
    }

    /// What is asked for by its handle is asked for by its own.
    fn is_named_right(&mut self, order: &Order) {
        let named = match &order.act {
            OrderAct::Create { .. } => None,
            OrderAct::Update { handle, .. } | OrderAct::Adopt { handle } => Some(handle),
            OrderAct::Delete { handle, .. } => handle.as_ref(),
        };
        if let Some(named) = named.filter(|named| **named != handle(&order.identity)) {
            self.broken.push(format!("an order to {} is addressed to `{}`", order.identity, named.0));
        }
    }

    fn make(&mut self, order: &Order, fields: &Value, asked: Digest) -> Result<Condition, String> {
        let identity = &order.identity;
        let condition = first(&order.kind, fields);
        let protects = !matches!(rules_of(&order.kind).create, Create::AtMostOnce { .. });
        if let Some(thing) = self.things.get_mut(identity) {
            if !protects {
                thing.made += 1;
                self.broken.push(format!("law 4: {identity} was made twice"));
            }
            (thing.fields, thing.asked) = (fields.clone(), Some(asked));
            return Ok(thing.condition.clone());
        }
        let count = self.made.entry(identity.clone()).or_default();
        *count += 1;
        if *count > 1 {
            self.broken.push(format!("law 4: {identity} was made again after it was gone"));
        }
        self.alone(order);
        let is_workload = rules_of(&order.kind).role == deployd::graph::Role::Workload;
        let thing = Thing {
            kind: order.kind.clone(),
            owner: Owner::Ours(order.receipt.clone()),
            fields: fields.clone(),
            asked: Some(asked),
            condition: condition.clone(),
            in_flight: is_workload.then_some(0),
            made: 1,
        };
        self.things.insert(identity.clone(), thing);
        Ok(condition)
    }

    /// Where a kind does not stand beside itself, there is one life at a time.
    fn alone(&mut self, order: &Order) {
        let rules = rules_of(&order.kind);
        let may_stand_beside = rules.is_rolled()
            || rules.lifecycle != Lifecycle::Standing
            || rules.replace == deployd::graph::Replace::CreateFirst;
        let address = &order.identity.address;
        let other = self.things.iter().find(|(identity, thing)| {
            identity.address == *address && matches!(thing.owner, Owner::Ours(_)) && thing.kind == order.kind
        });
        if let Some((other, _)) = other.filter(|_| !may_stand_beside) {
            self.broken.push(format!("S1: {} is made beside {other}", order.identity));
        }
    }

    /// Time passes: what is on its way arrives, what is leaving goes. Whether anything did.
    pub fn settle(&mut self) -> bool {
        let late = std::mem::take(&mut self.late);
        let mut moved = !late.is_empty();
        for (order, has_consent) in late {
            drop(self.act(&order, has_consent));
        }
        let mut gone = Vec::new();
        for (identity, thing) in &mut self.things {
            if self.slow.contains(&identity.address.short()) {
                continue;
            }
            match &thing.condition {
                Condition::Settling(what) if what.0 != SLOW => {
                    thing.condition = last(&thing.kind, &thing.fields);
                    moved = true;
                }
                Condition::Leaving => gone.push(identity.clone()),
                _ => {}
            }
        }
        moved |= !gone.is_empty();
        gone.iter().for_each(|identity| drop(self.things.remove(identity)));
        moved
    }
}

pub fn ours(identity: &Identity) -> Owner {
    Owner::Ours(Receipt { instance: INSTANCE.to_owned(), identity: identity.clone() })
}

/// What something with `slow` in its fields says for ever.
pub const SLOW: &str = "connection refused";

fn has(fields: &Value, word: &str) -> bool {
    let mut found = false;
    fields.visit(&mut |_, leaf| found |= leaf.as_text() == Some(word));
    found
}

/// How something is right after it was asked for.
fn first(kind: &Kind, fields: &Value) -> Condition {
    let rules = rules_of(kind);
    match rules.lifecycle {
        _ if has(fields, "slow") => Condition::Settling(Settling(SLOW.to_owned())),
        Lifecycle::Standing if rules.usually <= Milliseconds(10) => last(kind, fields),
        _ => Condition::Settling(Settling("on its way".to_owned())),
    }
}

/// How something is once it has settled. What has `bad` in its fields does not get well.
fn last(kind: &Kind, fields: &Value) -> Condition {
    let is_bad = has(fields, "bad");
    match rules_of(kind).lifecycle {
        Lifecycle::Once => {
            let last_lines = if is_bad { vec!["it is bad".to_owned()] } else { Vec::new() };
            Condition::Finished(Exit { code: i32::from(is_bad), last_lines })
        }
        _ if is_bad => Condition::Failed(Why::new(WhyCode::NotHealthy, "GET /healthz answered 500")),
        _ => Condition::Ready,
    }
}

/// What a thing is called.
fn handle(identity: &Identity) -> Handle {
    Handle(format!("thing-{identity}"))
}

/// What a life answers: late where its kind says so, and never the same as another life.
fn outputs(identity: &Identity, thing: &Thing) -> BTreeMap<Name, Value> {
    let Outputs::Fixed(all) = &rules_of(&thing.kind).outputs else { return BTreeMap::new() };
    let is_late =
        matches!(thing.condition, Condition::Settling(_)) && rules_of(&thing.kind).usually > Milliseconds::seconds(60);
    let named = all.keys().flat_map(|name| [name.clone(), Name::new(format!("{name}-http")).unwrap()]);
    let text = |name: &Name| format!("{}#{}:{name}", identity.address.short(), identity.incarnation);
    named.filter(|_| !is_late).map(|name| (name.clone(), Value::from(text(&name)))).collect()
}

/// Answers as they are recorded: nothing is secret here.
pub fn recorded(outputs: BTreeMap<Name, Value>) -> BTreeMap<Name, RecordedOutput> {
    let recorded = |value: Value| RecordedOutput { digest: Digest::of(value.to_text()), value: Recorded::Plain(value) };
    outputs.into_iter().map(|(name, value)| (name, recorded(value))).collect()
}
