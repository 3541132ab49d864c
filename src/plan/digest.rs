//! Shapes, `asked`, and the digests of steps and plans (docs/decisions/0002).

use super::types::{Act, Base, Foreign, Plan, Step};
use crate::model::{Address, Digest, Identity, Name, Piece, SecretName, SecretVersion, Value};
use crate::state::{Phase, Record};
use std::collections::{BTreeMap, BTreeSet};

/// Which lives references mean, where what they refer to is rolled or kept in several lives, or where the one in charge is
/// not the newest.
pub type Pins = BTreeMap<Address, u32>;

/// The digest of fields, pins and what it is for, with references unresolved: what steps start from and lead to.
#[must_use]
pub fn shape_of(fields: &Value, pins: &Pins, once_for: Option<Digest>) -> Digest {
    Digest::of_json("shape", &(fields, pins, once_for))
}

/// What answers references: recorded outputs, secret versions, what other stacks offer.
#[derive(Clone, Copy, Debug)]
pub struct Known<'k> {
    /// What is recorded of the stack.
    pub record: &'k Record,
    /// The secrets that exist, by version.
    pub secret_versions: &'k BTreeMap<SecretName, SecretVersion>,
    /// What other stacks offer.
    pub foreign: &'k BTreeMap<Address, Foreign>,
}

/// The digest of fields with the versions of what fills their references; nothing while one of these is not known.
#[must_use]
pub fn asked_of(fields: &Value, pins: &Pins, once_for: Option<Digest>, known: &Known<'_>) -> Option<Digest> {
    asked_as(shape_of(fields, pins, once_for), fields, pins, known)
}

/// The same for a shape that is known already.
pub(super) fn asked_as(shape: Digest, fields: &Value, pins: &Pins, known: &Known<'_>) -> Option<Digest> {
    let mut filled_by: BTreeSet<(String, String)> = BTreeSet::new();
    for piece in fields.pieces() {
        match piece {
            Piece::Text(_) | Piece::Own(_) => {}
            Piece::Output { of, name, .. } => {
                let digest = known.output(of, name, pins)?;
                filled_by.insert((format!("{of}:{name}"), digest.to_string()));
            }
            Piece::Secret { name, .. } => {
                let version = known.secret_versions.get(name)?;
                filled_by.insert((format!("secret:{}", name.0), version.0.clone()));
            }
        }
    }
    Some(Digest::of_json("asked", &(shape, filled_by)))
}

impl Known<'_> {
    /// The keyed digest of an output, if it is known.
    #[must_use]
    pub fn output(&self, of: &Address, name: &Name, pins: &Pins) -> Option<Digest> {
        if of.stack_id() != self.record.stack.id {
            return self.foreign.get(of)?.outputs.get(name).copied();
        }
        let life = match pins.get(of) {
            Some(life) => self.record.owned.get(&of.incarnation(*life))?,
            None => self.record.lives_of(of).rev().find(|owned| !matches!(owned.phase, Phase::Leaving(_)))?,
        };
        life.outputs.get(name).map(|output| output.digest)
    }
}

/// The digest of a step: never of time, generation, reason or another step's result.
#[must_use]
pub fn step_digest(
    act: Act,
    identity: &Identity,
    target: &Value,
    once_for: Option<Digest>,
    pins: &Pins,
    base: &Base,
) -> Digest {
    Digest::of_json("step", &(act, identity, target, once_for, pins, base))
}

/// The digest of a whole plan: stack, release and steps with their order.
#[must_use]
pub(super) fn plan_digest(plan: &Plan) -> Digest {
    let steps: Vec<_> = plan.steps.iter().map(|(id, step)| (id, step.digest, &step.after)).collect();
    Digest::of_json("plan", &(&plan.stack, &plan.release, steps))
}

/// The digest that a step ought to have.
#[must_use]
pub(super) fn digest_of(step: &Step) -> Digest {
    step_digest(step.act, &step.identity, &step.target, step.once_for, &step.pins, &step.base)
}
