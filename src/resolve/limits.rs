//! What a world does not give to one service.

use super::fields::Fields;
use crate::diagnostic::{Diagnostic, Diagnostics, Place};
use crate::graph::words::{Process, Replicas};
use crate::manifest::Manifest;
use crate::model::{Bytes, FieldPath, Name, Value};
use crate::world::World;

/// Says what is more than the world gives.
pub(super) fn check(manifest: &Manifest, fields: &Fields, world: &World, found: &mut Diagnostics) {
    check_root(fields, world, found);
    let limits = &world.policy.limits;
    let processes = processes(fields);
    let place = |key: &str| -> Place {
        let said = fields.places.get(&FieldPath::root().join(key));
        said.or(manifest.main.scale.place.as_ref()).unwrap_or(&manifest.service.place).clone()
    };
    let replicas = |process: &Process| match process.replicas {
        Replicas::Fixed(count) | Replicas::Between(_, count, _) => u64::from(count),
    };
    if let Some(limit) = &limits.replicas {
        let asked: u64 = processes.iter().map(replicas).sum();
        if asked > u64::from(limit.value) {
            let detail = format!("{asked} replicas are more than world {} gives: {}", world.name.value, limit.value);
            let mistake = Diagnostic::error("over-limit", "more than the limit", detail).at(&place("replicas"));
            found.push(mistake.related(&limit.place, "the limit"));
        }
    }
    if let Some(limit) = &limits.memory {
        let of = |process: &Process| -> u64 {
            let memory = process.memory.as_ref().and_then(Value::as_text).and_then(|text| text.parse::<Bytes>().ok());
            memory.map_or(0, |memory| memory.0.saturating_mul(replicas(process)))
        };
        let asked = processes.iter().map(of).fold(0_u64, u64::saturating_add);
        if asked > limit.value.0 {
            let (asked, given) = (Bytes(asked), limit.value);
            let detail = format!("{asked} of memory are more than world {} gives: {given}", world.name.value);
            let mistake = Diagnostic::error("over-limit", "more than the limit", detail).at(&place("memory"));
            found.push(mistake.related(&limit.place, "the limit"));
        }
    }
}

fn processes(fields: &Fields) -> Vec<Process> {
    let further = fields.value.get("processes").into_iter().flat_map(Value::entries);
    let further = further.map(|(name, process)| Process::read(Name::new(name).ok(), process));
    std::iter::once(Process::read(None, &fields.value)).chain(further).collect()
}

fn check_root(fields: &Fields, world: &World, found: &mut Diagnostics) {
    let is_root = match fields.value.get("user") {
        Some(Value::Whole(number)) => *number == 0,
        Some(Value::Text(name)) => name == "root",
        _ => false,
    };
    if is_root && !world.allows("root") {
        let detail = format!("world {} lets nothing run as root", world.name.value);
        let mut mistake = Diagnostic::error("not-allowed", "not allowed here", detail);
        mistake.place = fields.places.get(&FieldPath::fixed("user")).cloned();
        found.push(mistake.help(format!("write another user, or let {} say allow: [root]", world.file)));
    }
}
