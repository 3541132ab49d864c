//! Looking, as `engine/activate/sight` does it: at everything before a plan, and at what a step changes before it does.

use super::bed::{Bed, Cut};
use super::kinds::kinds;
use deployd::act::settled;
use deployd::model::Identity;
use deployd::plan::{Act, Plan, Step, StepId};
use deployd::state::{Owned, Phase};
use std::collections::BTreeSet;

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
        self.watched.look(&self.seen, self.now.steady);
        for owned in settled(&self.record, &self.seen, kinds(), self.now.wall) {
            self.write(|record| drop(record.owned.insert(owned.identity.clone(), owned)))?;
        }
        Ok(())
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
