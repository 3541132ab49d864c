//! What arrives in a service's environment: outputs of what it requires, secrets, and what `env` says.

use super::fields::Fields;
use super::names::{Answered, Required, SERVICE_OUTPUTS, secret};
use super::words::port_variable;
use crate::diagnostic::{Diagnostic, Diagnostics, Place};
use crate::document::Spanned;
use crate::manifest::Manifest;
use crate::model::{FieldPath, Name, Value};
use crate::world::World;
use std::collections::{BTreeMap, BTreeSet};

/// What `env` says: values, and variables that it takes away.
pub(super) type Said = BTreeMap<String, Spanned<Option<Value>>>;

/// Puts the environment of a service together. `said` wins over what arrives; two that arrive under one name are told.
/// Returns the variables that arrived.
pub(super) fn put(
    fields: &mut Fields,
    manifest: &Manifest,
    world: &World,
    stack: &Name,
    required: &BTreeMap<Name, Required>,
    said: Said,
    found: &mut Diagnostics,
) -> BTreeSet<String> {
    let mut arriving: BTreeMap<String, Arrival> = BTreeMap::new();
    for (requirement, required) in required {
        for output in arrives(required) {
            let variable = format!("{}_{}", requirement.as_variable(), output.as_variable());
            let value = Value::output(required.address.clone(), output.clone());
            let arrival = Arrival { value, place: required.place.clone(), of: format!("{requirement}.{output}") };
            add(&mut arriving, variable, arrival, &said, found);
        }
    }
    for (variable, used) in &manifest.secrets {
        let name = Spanned::new(used.secret.value.as_str(), &used.secret.place);
        let key = used.key.as_ref().map(|key| key.value.clone());
        let Some(value) = secret(world, stack, &name, key, found) else { continue };
        let arrival = Arrival { value, place: used.variable.place.clone(), of: format!("secret {}", name.value) };
        add(&mut arriving, variable.clone(), arrival, &said, found);
    }
    check_ports(manifest, &arriving, &said, found);
    let env = FieldPath::root().join("env");
    arriving.retain(|variable, _| !said.contains_key(variable));
    let arrived = arriving.keys().cloned().collect();
    for (variable, arrival) in arriving {
        fields.put(env.join(&variable), arrival.value, &arrival.place);
    }
    for (variable, value) in said {
        let path = env.join(&variable);
        match value.value {
            Some(known) => fields.put(path, known, &value.place),
            None => take_away(fields, &variable),
        }
    }
    arrived
}

struct Arrival {
    value: Value,
    place: Place,
    of: String,
}

/// The outputs that arrive: of a service the address of its first port, of anything else all.
fn arrives(required: &Required) -> Vec<Name> {
    match &required.outputs {
        Answered::Untold => Vec::new(),
        Answered::AsService => SERVICE_OUTPUTS.iter().map(|output| Name::fixed(output)).collect(),
        // What is answered for each port by name is there to be referred to.
        Answered::Known(known) if required.is_service => {
            known.iter().filter(|name| SERVICE_OUTPUTS.contains(&name.as_str())).cloned().collect()
        }
        Answered::Known(known) => known.iter().cloned().collect(),
    }
}

fn add(
    arriving: &mut BTreeMap<String, Arrival>,
    variable: String,
    arrival: Arrival,
    said: &Said,
    found: &mut Diagnostics,
) {
    if let Some(first) = arriving.get(&variable)
        && !said.contains_key(&variable)
    {
        found.push(collision(&variable, &first.of, &first.place, &arrival.of, &arrival.place));
    }
    arriving.insert(variable, arrival);
}

fn collision(variable: &str, first: &str, first_place: &Place, second: &str, place: &Place) -> Diagnostic {
    let detail = format!("{first} and {second} would both arrive as {variable}");
    let mistake = Diagnostic::error("same-variable", "two of one variable", detail).at(place);
    let help = format!("give one of them another name, or say which it is: env: {{ {variable}: ... }}");
    mistake.related(first_place, "the other").help(help)
}

/// The variables that tell a process its ports are its own.
fn check_ports(manifest: &Manifest, arriving: &BTreeMap<String, Arrival>, said: &Said, found: &mut Diagnostics) {
    for process in manifest.all_processes() {
        for port in &process.ports {
            let variable = port_variable(&port.name.value);
            if let Some(arrival) = arriving.get(&variable).filter(|_| !said.contains_key(&variable)) {
                let port = format!("port {}", port.name.value);
                found.push(collision(&variable, &arrival.of, &arrival.place, &port, &process.name.place));
            }
        }
    }
}

/// `NAME: null`: also what a process would be told of its own ports.
pub(super) fn take_away(fields: &mut Fields, variable: &str) {
    fields.remove(&FieldPath::root().join("env").join(variable));
    fields.remove(&FieldPath::root().join("variables").join(variable));
    let processes: Vec<String> =
        fields.value.get("processes").into_iter().flat_map(Value::entries).map(|(name, _)| name.clone()).collect();
    for process in processes {
        let path = FieldPath::root().join("processes").join(&process).join("variables").join(variable);
        fields.remove(&path);
    }
}
