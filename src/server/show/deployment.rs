//! Deployments, releases, and what differs between two of these.

use super::value::{changes, json};
use crate::engine::{self, DeploymentShown, KeptRelease, ReleaseKnown, ResourceCondition};
use crate::model::{FieldPath, Value};
use crate::plan::Act;
use crate::server::api::deployment::{
    Accepted, Condition, Deployment, Diff, Difference, KnownRelease, Node, Release, StepOnItsWay,
};

/// A deployment that was accepted.
#[must_use]
pub fn accepted(accepted: engine::Accepted) -> Accepted {
    let engine::Accepted { stack, deployment } = accepted;
    Accepted { world: stack.world, stack: stack.stack, number: deployment.number }
}

/// A deployment.
#[must_use]
pub fn deployment(shown: DeploymentShown) -> Deployment {
    let DeploymentShown { deployment, label, kept, plan, steps } = shown;
    let step = |step: engine::StepShown| StepOnItsWay {
        act: step.act,
        identity: step.identity,
        kind: step.kind,
        condition: condition(step.condition),
    };
    Deployment {
        world: deployment.id.stack.world,
        stack: deployment.id.stack.stack,
        number: deployment.id.number,
        state: deployment.state,
        mode: deployment.mode,
        source: deployment.source.map(|source| source.0),
        revision: deployment.revision,
        release: deployment.release,
        label,
        kept,
        plan,
        approved_by: deployment.approved.map(|(_, who)| who.0),
        principal: deployment.principal.0,
        because: deployment.because,
        accepted: deployment.accepted.into(),
        ended: deployment.ended.map(Into::into),
        why: deployment.why.map(Into::into),
        steps: steps.into_iter().map(step).collect(),
    }
}

/// A release, as lists show it.
#[must_use]
pub fn known_release(known: ReleaseKnown) -> KnownRelease {
    KnownRelease {
        id: known.id,
        label: known.label,
        revision: known.revision,
        made: known.made.into(),
        good: known.good.map(Into::into),
        serves: known.serves,
        is_target: known.is_target,
        quarantined: known.quarantined.map(Into::into),
    }
}

/// How something is.
#[must_use]
pub fn condition(condition: ResourceCondition) -> Condition {
    match condition {
        ResourceCondition::Asked => Condition::Asked,
        ResourceCondition::Settling { what } => Condition::Settling { what },
        ResourceCondition::Ready => Condition::Ready,
        ResourceCondition::Done => Condition::Done,
        ResourceCondition::Failed { why } => Condition::Failed { why: why.into() },
        ResourceCondition::AtRest { why } => Condition::AtRest { why: why.into() },
        ResourceCondition::Leaving => Condition::Leaving,
        ResourceCondition::Absent => Condition::Absent,
        ResourceCondition::Unknown { why } => Condition::Unknown { why: why.into() },
        ResourceCondition::Parked => Condition::Parked,
        ResourceCondition::NotOurs => Condition::NotOurs,
        ResourceCondition::NotSeen => Condition::NotSeen,
        ResourceCondition::Waiting { what } => Condition::Waiting { what },
    }
}

/// A release that is kept.
#[must_use]
pub fn release(kept: &KeptRelease) -> Release {
    let node = |node: &crate::graph::Node| Node {
        address: node.address.clone(),
        kind: node.kind.clone(),
        fields: json(&node.fields),
    };
    let secrets = kept.release.secrets.iter().map(|(name, version)| (name.0.clone(), version.0.clone()));
    Release {
        id: kept.id,
        label: kept.label.clone(),
        revision: kept.release.revision,
        content: kept.revision.content,
        pin: kept.revision.pin.clone(),
        secrets: secrets.collect(),
        nodes: kept.graph.nodes.values().map(node).collect(),
    }
}

/// What is asked of a node: its fields, and how it is waited for and replaced.
fn asked(node: &crate::graph::Node) -> Value {
    let mut fields = node.fields.clone();
    if let Some(health) = &node.health {
        let told = format!("{}, within {}", health.in_words().to_text(), health.within);
        fields.put(&FieldPath::fixed("health"), Value::from(told));
    }
    if let Some(update) = &node.update {
        fields.put(&FieldPath::fixed("update"), Value::from(update.in_words()));
    }
    fields
}

/// What differs between two releases, and the files that do.
#[must_use]
pub fn diff(from: &KeptRelease, to: &KeptRelease, files: Vec<String>) -> Diff {
    let mut addresses: Vec<_> = from.graph.nodes.keys().chain(to.graph.nodes.keys()).collect();
    addresses.sort();
    addresses.dedup();
    let difference = |address| {
        let (before, after) = (from.graph.nodes.get(address), to.graph.nodes.get(address));
        let node = after.or(before)?;
        let act = match (before, after) {
            (None, _) => Act::Create,
            (_, None) => Act::Delete,
            (Some(before), Some(after)) if before == after => return None,
            (Some(before), Some(after)) if before.kind != after.kind => Act::Replace,
            _ => Act::Update,
        };
        let fields = |node: Option<&'_ crate::graph::Node>| node.map_or(Value::Null, asked);
        let fields = changes(&fields(before), &fields(after));
        Some(Difference { address: address.clone(), kind: node.kind.clone(), act, fields })
    };
    Diff {
        from: release(from),
        to: release(to),
        differs: addresses.into_iter().filter_map(difference).collect(),
        files,
    }
}
