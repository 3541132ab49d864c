//! What a plan is asked with, where nobody says anything but which graph: shared by the benches that plan.

use deployd::graph::{DesiredGraph, KindSet};
use deployd::model::{Address, Digest, Identity, Milliseconds, Now, SecretName, SecretVersion, StackId, Wall};
use deployd::plan::{Foreign, Inputs, Policy};
use deployd::state::{From, Mode, Observation, Principal, Record, SourceId, Stack, Why, Wish};
use std::collections::{BTreeMap, BTreeSet};

/// What is recorded of a stack that is to run, before anything was done for it.
pub fn record(stack: StackId) -> Record {
    let wish = Wish::Run { source: SourceId("bench".to_owned()) };
    Record::new(Stack::new(stack, wish, From::File, Principal("bench".to_owned()), Wall(1)))
}

/// All that may be said of a plan, unsaid.
pub struct Unsaid {
    policy: Policy,
    secrets: BTreeMap<SecretName, SecretVersion>,
    secrets_missing: BTreeMap<SecretName, Why>,
    foreign: BTreeMap<Address, Foreign>,
    settling: BTreeMap<Identity, Milliseconds>,
    approved: BTreeSet<Digest>,
    now: Now,
}

impl Unsaid {
    /// Nothing is said, and everything may be deleted.
    pub fn new() -> Unsaid {
        Unsaid {
            policy: Policy { deletes_max: u32::MAX, ..Policy::default() },
            secrets: BTreeMap::new(),
            secrets_missing: BTreeMap::new(),
            foreign: BTreeMap::new(),
            settling: BTreeMap::new(),
            approved: BTreeSet::new(),
            now: Now::default(),
        }
    }

    /// What a plan is asked with.
    pub fn inputs<'i>(
        &'i self,
        kinds: &'i KindSet,
        desired: &'i DesiredGraph,
        good: Option<&'i DesiredGraph>,
        record: &'i Record,
        seen: &'i Observation,
    ) -> Inputs<'i> {
        Inputs {
            desired,
            release: Some(Digest::of("bench")),
            good,
            record,
            seen,
            kinds,
            policy: &self.policy,
            secret_versions: &self.secrets,
            secrets_missing: &self.secrets_missing,
            foreign: &self.foreign,
            settling: &self.settling,
            deployment: None,
            mode: Mode::Evaluated,
            goes_back: false,
            approved: &self.approved,
            now: &self.now,
        }
    }
}
