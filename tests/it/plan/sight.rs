//! Looking, as `engine/activate/sight` does it: at everything before a plan, and at what a step changes before it does.

use super::act::settled;
use super::bed::{Bed, Cut};
use super::kinds::kinds;
use deployd::model::{Identity, Milliseconds};
use deployd::plan::{Act, Plan, Step, StepId};
use deployd::state::{Condition, Owned, Phase, Presence};
use std::collections::{BTreeMap, BTreeSet};

impl Bed {
    /// Looks at everything, and records what the look settles.
    pub fn look(&mut self) -> Result<(), Cut> {
        let desired = self.graph(self.record.stack.target);
        let is_asked =
            |owned: &&Owned| !matches!(owned.phase, Phase::Done(_)) || self.looked_at.contains(&owned.identity);
        let rows = self.record.owned.values().filter(is_asked);
        let mut ask: BTreeSet<Identity> = rows.map(|owned| owned.identity.clone()).collect();
        for address in desired.nodes.keys() {
            let last = self.record.lives.get(address).copied().unwrap_or(0);
            // As when the step's own life is looked at freshly before it starts.
            ask.insert(address.incarnation(last + 1));
        }
        self.seen = ask.iter().map(|identity| (identity.clone(), self.world.look(identity, self.now.wall))).collect();
        self.watch();
        for owned in settled(&self.record, &self.seen, kinds(), self.now.wall) {
            self.write(|record| drop(record.owned.insert(owned.identity.clone(), owned)))?;
        }
        Ok(())
    }

    fn watch(&mut self) {
        let steady = self.now.steady.0;
        let on_its_way = |presence: &Presence| matches!(presence, Presence::Present(present) if matches!(present.condition, Condition::Settling(_)));
        let settling: BTreeSet<&Identity> =
            self.seen.iter().filter(|(_, seen)| on_its_way(&seen.presence)).map(|(identity, _)| identity).collect();
        self.since.retain(|identity, _| settling.contains(identity));
        for identity in settling {
            self.since.entry(identity.clone()).or_insert(steady);
        }
    }

    /// For how long each has been watched on its way.
    pub fn settling(&self) -> BTreeMap<Identity, Milliseconds> {
        let now = self.now.steady.0;
        self.since.iter().map(|(identity, since)| (identity.clone(), Milliseconds(now - since))).collect()
    }

    /// What was not looked at yet is before a step changes it. Whether it is otherwise than it was taken to be.
    pub fn look_before(&mut self, plan: &Plan, next: &[StepId]) -> bool {
        let identities = next.iter().map(|id| &plan.steps[id].identity);
        let unseen: BTreeSet<Identity> = identities.filter(|one| !self.seen.contains_key(one)).cloned().collect();
        let mut is_otherwise = false;
        for identity in unseen {
            let seen = self.world.look(&identity, self.now.wall);
            is_otherwise |= !seen.is_absent();
            self.seen.insert(identity.clone(), seen);
            self.looked_at.insert(identity);
        }
        is_otherwise
    }

    /// Whether what a step changes was seen fresh.
    pub fn is_sure(&self, step: &Step) -> bool {
        step.act == Act::Forget || self.seen.get(&step.identity).is_some_and(|seen| seen.fresh)
    }
}
