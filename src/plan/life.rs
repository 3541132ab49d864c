//! How one life stands: what is recorded of it and what was seen, taken together once, so that nothing else has to.

use super::types::Inputs;
use crate::graph::{KindRules, Lifecycle};
use crate::model::{Address, Identity, Milliseconds};
use crate::state::{Condition, Exit, IntentAct, Owned, Owner, Phase, Presence, Present, Why, WhyCode};

/// How a life stands.
#[derive(Clone, Debug)]
pub(super) enum Standing<'i> {
    /// The end of an order is not recorded, and this is what it was to do.
    Unfinished(IntentAct),
    /// It could not be read.
    Unknown(Why),
    /// It is proved that it is not there.
    Absent,
    /// Something is there, and it is not ours.
    NotOurs(&'i Present),
    /// On its way.
    Settling(&'i str),
    /// As it should be.
    Ready,
    /// It will not get ready by waiting.
    Failed(Why),
    /// It ran and ended.
    Ended(&'i Exit),
    /// It is going, or is to be gone.
    Leaving,
}

/// One life of an address.
#[derive(Clone, Copy, Debug)]
pub(super) struct Life<'i> {
    pub(super) owned: &'i Owned,
    pub(super) rules: Option<&'i KindRules>,
    inputs: &'i Inputs<'i>,
}

impl<'i> Life<'i> {
    pub(super) fn new(inputs: &'i Inputs<'i>, owned: &'i Owned) -> Life<'i> {
        Life { owned, rules: inputs.kinds.get(&owned.kind), inputs }
    }

    pub(super) fn identity(&self) -> &'i Identity {
        &self.owned.identity
    }

    pub(super) fn address(&self) -> &'i Address {
        &self.owned.identity.address
    }

    pub(super) fn number(&self) -> u32 {
        self.owned.identity.incarnation
    }

    /// What was seen of it, if it is there.
    pub(super) fn present(&self) -> Option<&'i Present> {
        self.inputs.seen.get(self.identity())?.present()
    }

    /// Whether a fresh look proved that it is not there.
    pub(super) fn is_proved_absent(&self) -> bool {
        self.inputs.seen.get(self.identity()).is_some_and(|seen| seen.fresh && seen.is_absent())
    }

    pub(super) fn is_leaving(&self) -> bool {
        matches!(self.owned.phase, Phase::Leaving(_))
    }

    /// Whether it was to be made or adopted, and nobody recorded that it was.
    pub(super) fn is_unmade(&self) -> bool {
        matches!(&self.owned.phase, Phase::Intended(intent) if intent.act != IntentAct::Update)
    }

    /// Whether it ran for once, and that is all that there is to say.
    pub(super) fn done(&self) -> Option<&'i Exit> {
        match &self.owned.phase {
            Phase::Done(exit) => Some(exit),
            _ => None,
        }
    }

    /// Whether it is whole and only does not run, or was cut by something that says nothing of it.
    pub(super) fn is_at_rest(&self) -> bool {
        self.present().is_some_and(|present| matches!(present.condition, Condition::AtRest(_)))
    }

    pub(super) fn was_ready(&self) -> bool {
        self.owned.ready_since.is_some()
    }

    pub(super) fn standing(&self) -> Standing<'i> {
        let intended = match &self.owned.phase {
            Phase::Done(exit) => return Standing::Ended(exit),
            Phase::Leaving(_) => return Standing::Leaving,
            Phase::Intended(intent) => Some(intent.act),
            Phase::Standing | Phase::Parked => None,
        };
        let Some(seen) = self.inputs.seen.get(self.identity()) else { return Standing::Unknown(not_looked()) };
        match &seen.presence {
            Presence::Unknown(why) => Standing::Unknown(why.clone()),
            // What a cache did not find may have been made since.
            Presence::Absent if !seen.fresh => {
                Standing::Unknown(Why::new(WhyCode::NotReadable, "an old look did not find it"))
            }
            Presence::Absent => match intended {
                Some(act @ (IntentAct::Create | IntentAct::Adopt)) => Standing::Unfinished(act),
                _ => Standing::Absent,
            },
            Presence::Present(present) if !self.is_ours(present) => Standing::NotOurs(present),
            // What was seen cannot tell whether the order has had its effect.
            Presence::Present(present) => match intended {
                Some(act) => Standing::Unfinished(act),
                None => self.condition(&present.condition),
            },
        }
    }

    fn condition(&self, condition: &'i Condition) -> Standing<'i> {
        match condition {
            Condition::Settling(what) if self.is_overdue() => Standing::Failed(self.overdue(&what.0)),
            Condition::Settling(what) => Standing::Settling(&what.0),
            Condition::Ready => Standing::Ready,
            Condition::Failed(why) | Condition::AtRest(why) => Standing::Failed(why.clone()),
            Condition::Finished(exit) if self.runs_once() => Standing::Ended(exit),
            Condition::Finished(exit) => {
                let text = format!("it ended with exit code {}", exit.code);
                Standing::Failed(Why::new(WhyCode::Exited, text).details(exit.last_lines.clone()))
            }
            Condition::Leaving => Standing::Leaving,
        }
    }

    fn is_ours(&self, present: &Present) -> bool {
        matches!(&present.owner, Owner::Ours(receipt) if receipt.identity == *self.identity())
    }

    pub(super) fn lifecycle(&self) -> Lifecycle {
        self.rules.map_or(Lifecycle::Standing, |rules| rules.lifecycle)
    }

    pub(super) fn runs_once(&self) -> bool {
        self.lifecycle() == Lifecycle::Once
    }

    /// Whether it changes what others hold, and so is never ended half way: what says in which mode it runs.
    pub(super) fn is_migration(&self) -> bool {
        self.runs_once() && self.owned.fields.get("mode").is_some()
    }

    /// Whether the release that is being brought in has made or changed it. Then a failure of it is the release's; else
    /// it is drift, and no reason to go back.
    pub(super) fn is_of_release(&self) -> bool {
        let inputs = self.inputs;
        if inputs.release.is_none() || inputs.release == inputs.record.stack.good {
            return false;
        }
        let before = inputs.good.and_then(|good| good.nodes.get(self.address()));
        before.is_none_or(|node| {
            node.kind != self.owned.kind
                || node.fields != self.owned.fields
                || (self.lifecycle() != Lifecycle::Standing && node.once_for != self.owned.once_for)
        })
    }

    /// How long it may settle: as its health check says, or its kind. One that was ready once only heals, unless it was
    /// changed since.
    pub(super) fn within(&self) -> Option<Milliseconds> {
        if self.was_ready() && !self.is_of_release() {
            return None;
        }
        let node = self.inputs.desired.nodes.get(self.address());
        let health = node.and_then(|node| node.health.as_ref()).map(|health| health.within);
        health.or_else(|| self.rules.map(|rules| rules.within))
    }

    fn is_overdue(&self) -> bool {
        let watched = self.inputs.settling.get(self.identity()).copied().unwrap_or_default();
        self.within().is_some_and(|within| watched > within)
    }

    fn overdue(&self, what: &str) -> Why {
        let within = self.within().unwrap_or_default();
        Why::new(WhyCode::NotHealthy, format!("it was not ready within {within}: {what}"))
    }
}

fn not_looked() -> Why {
    Why::new(WhyCode::NotReadable, "it was not looked at yet")
}
