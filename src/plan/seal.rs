//! The seal: the step digests that a deployment may run.

use super::types::{Plan, StepId};
use crate::model::Digest;
use std::collections::BTreeSet;

/// The digests of a plan's steps.
#[must_use]
pub fn seal(plan: &Plan) -> BTreeSet<Digest> {
    plan.steps.values().map(|step| step.digest).collect()
}

/// The steps of a plan that a seal does not cover: they need a new one.
#[must_use]
pub fn unsealed<'p>(plan: &'p Plan, seal: &BTreeSet<Digest>) -> Vec<&'p StepId> {
    plan.steps.iter().filter(|(_, step)| !seal.contains(&step.digest)).map(|(id, _)| id).collect()
}
