//! The world itself: its objects and how they change with time. Pure but for what callers hand in.

use super::client::Rules;
use super::faults::Faults;
use crate::contract::{Filled, Order};
use crate::graph::{HealthCheck, Lifecycle, Role};
use crate::model::{Digest, FieldPath, Identity, Kind, Milliseconds, Name, Steady, Value, Wall};
use crate::state::{Handle, Owner, Receipt, Why};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A variable of a service's environment that tells the simulated world how it behaves: `unhealthy` never gets ready,
/// `crash` fails at once, a duration settles that long.
pub const SETTLE_ENV: &str = "SIMULATED";

/// How long a request that is in flight goes on after its service left the routes.
pub(super) const DRAIN: Milliseconds = Milliseconds(2_000);

/// How long something of a deleted balancer still uses its group.
pub(super) const LINGER: Milliseconds = Milliseconds(45_000);

/// One object.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Object {
    /// What it is called here.
    pub handle: Handle,
    /// What it is.
    pub kind: Kind,
    /// Whose it is.
    pub owner: Owner,
    /// Its fields as they were asked for, expressions unfilled: nothing secret is kept here.
    pub fields: Value,
    /// The digest that was written on it.
    pub asked: Option<Digest>,
    /// The token of the order that made it.
    pub token: String,
    /// How its health was to be told.
    pub health: Option<HealthCheck>,
    /// When it was made or changed last.
    pub changed: Steady,
    /// When it is ready.
    pub ready: Steady,
    /// Why it never will be.
    pub failed: Option<Why>,
    /// When it is gone, if it is leaving.
    pub leaving: Option<Steady>,
    /// Until when it has requests in flight once no route names it.
    pub drained: Option<Steady>,
    /// What was done with it.
    pub log: Vec<(Wall, String)>,
    /// How the world was at earlier moments: for reads that are late. (Moment, fields, ready.)
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub history: Vec<(Steady, Value)>,
    /// When it was made.
    pub made: Steady,
}

/// One call, for the oracles.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CallRecord {
    /// Its number, from 1.
    pub number: u64,
    /// When it came.
    pub at: Steady,
    /// `create`, `update`, `delete`, `adopt`, `observe`, `list`, `preflight`.
    pub verb: String,
    /// On what; none for a listing.
    pub identity: Option<Identity>,
    /// With which token.
    pub token: Option<String>,
    /// What went wrong with it, if anything.
    pub fault: Option<super::Fault>,
    /// What it changed: nothing, if it changed nothing.
    pub effect: Option<String>,
}

/// A world that exists only here.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct SimulatedWorld {
    /// What is there, by handle.
    pub objects: BTreeMap<Handle, Object>,
    /// What is gone, and when: for reads that are late.
    #[serde(default)]
    pub ghosts: BTreeMap<Handle, (Steady, Object)>,
    /// Things that still use others although nobody sees them: (what they use, until when).
    #[serde(default)]
    pub lingering: Vec<(String, Steady)>,
    /// What time it was here, and by the calendar, when it was written down: another process counts its steady time anew,
    /// and goes on from there.
    #[serde(default)]
    pub(super) kept: (Steady, Wall),
    /// How many calls there were.
    pub calls: u64,
    /// How many objects were ever made.
    pub made: u64,
    /// What goes wrong.
    pub faults: Faults,
    /// What was called.
    #[serde(skip)]
    pub log: Vec<CallRecord>,
    /// What takes effect later. Lost with the process, as the process in between would be.
    #[serde(skip)]
    pub(super) late: Vec<(Steady, Order, Filled)>,
    /// Health that is made to fail, by address as text: for stories.
    #[serde(default)]
    pub unhealthy: BTreeMap<String, Why>,
}

impl SimulatedWorld {
    /// Lets time pass: late effects take effect, what was leaving is gone.
    pub(super) fn advance(&mut self, rooms: &Rules, now: Steady, wall: Wall) {
        let due: Vec<_> = {
            let (due, later) = std::mem::take(&mut self.late).into_iter().partition(|(at, ..)| *at <= now);
            self.late = later;
            due
        };
        for (at, order, filled) in due {
            // A late effect that cannot happen any more just does not happen: nobody waits for its answer.
            let _ = super::write::apply(self, rooms, &order, &filled, at, wall);
        }
        let gone: Vec<Handle> = self
            .objects
            .iter()
            .filter(|(_, object)| object.leaving.is_some_and(|at| at <= now))
            .map(|(handle, _)| handle.clone())
            .collect();
        for handle in gone {
            if let Some(object) = self.objects.remove(&handle) {
                self.ghosts.insert(handle, (object.leaving.unwrap_or(now), object));
            }
        }
        self.lingering.retain(|(_, until)| *until > now);
        let in_traffic: Vec<Handle> =
            self.objects.keys().filter(|handle| self.is_routed(rooms, handle)).cloned().collect();
        for (handle, object) in &mut self.objects {
            if in_traffic.contains(handle) {
                object.drained = None;
            } else if object.drained.is_none() {
                object.drained = Some(now.plus(DRAIN));
            }
        }
    }

    /// The world as it was then: for reads that are late.
    pub(super) fn as_of(&self, then: Steady) -> SimulatedWorld {
        let mut objects: BTreeMap<Handle, Object> = self
            .objects
            .iter()
            .filter(|(_, object)| object.made <= then)
            .map(|(h, o)| (h.clone(), o.clone()))
            .collect();
        for (handle, (gone, object)) in &self.ghosts {
            if *gone > then && object.made <= then {
                objects.entry(handle.clone()).or_insert_with(|| object.clone());
            }
        }
        for object in objects.values_mut() {
            // The oldest change after that moment holds the fields as they were before it.
            if let Some((_, before)) = object.history.iter().find(|(at, _)| *at > then) {
                object.fields = before.clone();
            }
            object.leaving = object.leaving.filter(|_| object.changed <= then);
        }
        SimulatedWorld { objects, ..SimulatedWorld::default() }
    }

    /// Whether a route names this object's address.
    fn is_routed(&self, rooms: &Rules, handle: &Handle) -> bool {
        let routes = self.objects.values().filter(|object| {
            rooms.get(&object.kind).is_some_and(|rules| rules.role == Role::Route) && object.leaving.is_none()
        });
        routes.into_iter().any(|route| mentions(&route.fields, &handle.0))
    }

    /// Who uses this object: others whose fields mention it, and what lingers.
    pub(super) fn users_of(&self, handle: &Handle, rooms: &Rules, now: Steady) -> Vec<String> {
        let has_ended = |object: &Object| object.ready <= now && rooms.get(&object.kind).is_some_and(Object::runs_once);
        let others = self
            .objects
            .iter()
            .filter(|(other, object)| *other != handle && mentions(&object.fields, &handle.0) && !has_ended(object));
        let lingering = self.lingering.iter().filter(|(used, until)| used == &handle.0 && *until > now);
        let lingering = lingering.map(|_| "a network interface of a deleted balancer".to_owned());
        others.map(|(other, _)| other.0.clone()).chain(lingering).collect()
    }

    /// The objects that carry this receipt, leaving ones too.
    #[must_use]
    pub fn of(&self, identity: &Identity) -> Vec<&Object> {
        let ours = |object: &&Object| matches!(&object.owner, Owner::Ours(receipt) if receipt.identity == *identity);
        self.objects.values().filter(ours).collect()
    }

    /// The objects that carry the receipt of this life and of this deployd, leaving ones too. Another deployd in the
    /// same world may have a life of the same name.
    pub(super) fn owned_by(&self, instance: &str, identity: &Identity) -> impl Iterator<Item = &Object> {
        self.of(identity)
            .into_iter()
            .filter(move |object| matches!(&object.owner, Owner::Ours(receipt) if receipt.instance == instance))
    }

    /// A person changes a field behind our back.
    pub fn edit(&mut self, identity: &Identity, path: &FieldPath, value: Value) {
        for object in self.objects.values_mut() {
            if matches!(&object.owner, Owner::Ours(receipt) if receipt.identity == *identity) {
                object.fields.put(path, value.clone());
            }
        }
    }

    /// A person deletes it behind our back.
    pub fn vanish(&mut self, identity: &Identity) {
        self.objects
            .retain(|_, object| !matches!(&object.owner, Owner::Ours(receipt) if receipt.identity == *identity));
    }

    /// Somebody else's object of that name.
    pub fn plant(&mut self, handle: Handle, kind: Kind, owner: Owner, now: Steady) {
        let object = Object {
            handle: handle.clone(),
            kind,
            owner,
            fields: Value::map(),
            asked: None,
            token: String::new(),
            health: None,
            changed: now,
            ready: now,
            failed: None,
            leaving: None,
            drained: None,
            log: Vec::new(),
            history: Vec::new(),
            made: now,
        };
        self.objects.insert(handle, object);
    }

    /// Everything that carries a receipt of this instance, for the oracles: identity → how many objects.
    #[must_use]
    pub fn census(&self) -> BTreeMap<Identity, usize> {
        let mut census = BTreeMap::new();
        for object in self.objects.values().filter(|object| object.leaving.is_none()) {
            if let Owner::Ours(Receipt { identity, .. }) = &object.owner {
                *census.entry(identity.clone()).or_default() += 1;
            }
        }
        census
    }
}

impl Object {
    /// What a variable of its environment says, if that is known text.
    pub(super) fn variable(&self, name: &str) -> Option<&str> {
        let path = FieldPath::root().join("env").join(name);
        self.fields.at(&path).and_then(Value::as_text)
    }

    /// How long it takes to be ready.
    pub(super) fn settles_in(&self, usually: Milliseconds) -> Milliseconds {
        match self.variable(SETTLE_ENV).and_then(|text| text.parse().ok()) {
            Some(said) => said,
            None => usually,
        }
    }

    /// Whether it runs once.
    pub(super) fn runs_once(rules: &crate::graph::KindRules) -> bool {
        rules.lifecycle == Lifecycle::Once
    }
}

/// Whether a text stands anywhere in the known texts of a value.
pub(super) fn mentions(value: &Value, text: &str) -> bool {
    match value {
        Value::Text(here) => here.contains(text),
        Value::List(items) => items.iter().any(|item| mentions(item, text)),
        Value::Map(map) => map.values().any(|item| mentions(item, text)),
        Value::Expr(pieces) => {
            pieces.iter().any(|piece| matches!(piece, crate::model::Piece::Text(here) if here.contains(text)))
        }
        _ => false,
    }
}

/// The name of an output as our own code writes it.
pub(super) fn output(name: &'static str) -> Name {
    Name::fixed(name)
}
