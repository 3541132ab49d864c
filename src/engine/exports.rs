//! What a stack offers to others, as a row that they read: outputs over its own nodes, filled in and sealed anew under
//! the export's own name, so that nobody needs to know what it is made of.

use super::filled::filled;
use super::shared::Shared;
use crate::act::{Answers, export_identity};
use crate::contract::{Outputs, Plain, Scope, StoreError};
use crate::graph::{DesiredGraph, ExportedOutputs};
use crate::model::{Address, Digest, Name, SecretName, SecretVersion, StackId, Value};
use crate::plan::Foreign;
use crate::state::{Condition, Exit, Export, Observation, Owned, Phase, Record, RecordedOutput, StackState};
use std::collections::{BTreeMap, BTreeSet};

/// What a stack offers by now. One whose outputs are not all known yet is there with those that are: who needs only a
/// name goes on with it. What `before` has and did not change keeps its bytes.
pub async fn offered(
    shared: &Shared,
    record: &Record,
    desired: &DesiredGraph,
    seen: &Observation,
    versions: &BTreeMap<SecretName, SecretVersion>,
) -> BTreeMap<Address, Export> {
    let mut offered = BTreeMap::new();
    for (of, outputs) in &desired.exports {
        let before = record.exports.get(of).cloned().unwrap_or_default();
        let ready = record.stack.state != StackState::Stopped && is_ready(record, desired, seen, of);
        let mut export = Export { ready, ..before };
        export.outputs.retain(|name, _| outputs.contains_key(name));
        for (name, output) in answers(shared, record, desired, of, outputs, versions).await {
            // Sealing gives other bytes each time; the keyed digest tells whether the value is the same.
            if export.outputs.get(&name).is_none_or(|before| before.digest != output.digest) {
                export.outputs.insert(name, output);
            }
        }
        offered.insert(of.clone(), export);
    }
    offered
}

/// The outputs that are known now, sealed as the export's.
async fn answers(
    shared: &Shared,
    record: &Record,
    desired: &DesiredGraph,
    of: &Address,
    outputs: &ExportedOutputs,
    versions: &BTreeMap<SecretName, SecretVersion>,
) -> BTreeMap<Name, RecordedOutput> {
    let none = BTreeMap::new();
    let referred = outputs.values().flat_map(Value::references);
    let pins = referred.filter_map(|address| Some((address.clone(), in_charge(record, desired, address)?))).collect();
    let answers = Answers { record, exports: &none, pins: &pins };
    let mut known = Outputs::default();
    for (name, value) in outputs {
        let plain = answers.fill(value);
        if plain.pieces().is_empty() {
            known.plain.insert(name.clone(), plain);
            continue;
        }
        let stack = &record.stack.id;
        let (secrets, seal) = (&*shared.parts.secrets, &*shared.parts.seal);
        let Ok(filled) = filled(stack, &plain, &answers, versions, secrets, seal).await else { continue };
        if let Ok(Value::Text(text)) = filled.fill(&plain, &|_| None) {
            known.secret.insert(name.clone(), Plain::new(text));
        }
    }
    shared.parts.seal.seal(&export_identity(of), &known)
}

/// The life that answers for an address: the newest of the kind that is asked for. One of another kind may be kept beside
/// it.
fn in_charge(record: &Record, desired: &DesiredGraph, address: &Address) -> Option<u32> {
    let node = desired.nodes.get(address)?;
    let mut lives = record.lives_of(address).rev().filter(|owned| !matches!(owned.phase, Phase::Leaving(_)));
    lives.find(|owned| owned.kind == node.kind).map(|owned| owned.identity.incarnation)
}

/// Whether what stands behind an export is ready: every node of that name, and all whose outputs it gives.
pub fn is_ready(record: &Record, desired: &DesiredGraph, seen: &Observation, of: &Address) -> bool {
    let referred: BTreeSet<&Address> =
        desired.exports.get(of).into_iter().flat_map(BTreeMap::values).flat_map(Value::references).collect();
    let mut behind = desired.nodes.keys().filter(|address| address.whole() == *of || referred.contains(address));
    behind.all(|address| is_node_ready(record, seen, address))
}

fn is_node_ready(record: &Record, seen: &Observation, address: &Address) -> bool {
    let lives = record.lives_of(address);
    // While one life takes over from another, either serves.
    lives.into_iter().any(|owned| is_life_ready(owned, seen))
}

fn is_life_ready(owned: &Owned, seen: &Observation) -> bool {
    match &owned.phase {
        Phase::Done(Exit { code, .. }) => *code == 0,
        Phase::Leaving(_) => false,
        _ => {
            let present = seen.get(&owned.identity).and_then(|seen| seen.present());
            present.is_some_and(|present| matches!(present.condition, Condition::Ready))
        }
    }
}

/// What a graph uses of other stacks, as they offer it now.
///
/// # Errors
/// [`StoreError`].
pub async fn imported(shared: &Shared, desired: &DesiredGraph) -> Result<BTreeMap<Address, Loaded>, StoreError> {
    let stacks: BTreeSet<StackId> = desired.imports.iter().map(|import| import.of.stack_id()).collect();
    let mut imported = BTreeMap::new();
    for stack in stacks {
        for (of, loaded) in load(shared, &stack).await? {
            if desired.imports.iter().any(|import| import.of == of) {
                imported.insert(of, loaded);
            }
        }
    }
    Ok(imported)
}

/// An export of another stack, and the version of its row.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// What it offers.
    pub export: Export,
    /// The row's version.
    pub version: crate::contract::RowVersion,
}

/// The exports of one stack. One that cannot be read is as good as none for others: its own stack is set aside for it.
///
/// # Errors
/// [`StoreError`].
pub async fn load(shared: &Shared, stack: &StackId) -> Result<BTreeMap<Address, Loaded>, StoreError> {
    let beginning = format!("{}/", stack.stack);
    let scope = Scope::Table { world: stack.world.clone(), table: "export".to_owned(), beginning };
    let (rows, _) = shared.parts.store.load(&scope).await?;
    let mut exports = BTreeMap::new();
    for row in rows {
        match super::record::read_row::<(Address, Export)>(&*shared.parts.store, &row).await {
            Ok((of, export)) => drop(exports.insert(of, Loaded { export, version: row.version })),
            Err(super::record::LoadError::Row(..)) => {}
            Err(super::record::LoadError::Store(error)) => return Err(error),
        }
    }
    Ok(exports)
}

/// As plans take it.
#[must_use]
pub fn foreign(imported: &BTreeMap<Address, Loaded>) -> BTreeMap<Address, Foreign> {
    let digests = |export: &Export| -> BTreeMap<Name, Digest> {
        export.outputs.iter().map(|(name, output)| (name.clone(), output.digest)).collect()
    };
    imported
        .iter()
        .map(|(of, loaded)| (of.clone(), Foreign { outputs: digests(&loaded.export), ready: loaded.export.ready }))
        .collect()
}
