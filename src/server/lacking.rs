//! What a world lacks for now to make what files ask for, as something to be told of these files: it is found out before
//! anything is made.

use super::refusal::Answer;
use crate::diagnostic::{Diagnostic, Diagnostics, Place};
use crate::engine::{Compiled, Engine};
use crate::model::{Address, FieldPath};
use crate::resolve::Resolved;
use crate::state::Why;

/// What is told of each thing that cannot be made for now. Files are not wrong for that: it is a warning.
///
/// # Errors
/// The store does not answer.
pub async fn lacking(engine: &Engine, compiled: &Compiled) -> Answer<Diagnostics> {
    let mut told = Diagnostics::new();
    let Some(graph) = &compiled.graph else { return Ok(told) };
    for (address, why) in engine.foreseen(&graph.stack, graph).await? {
        told.push(lacks(compiled, &address, why));
    }
    Ok(told)
}

/// What is told where a service would need a room that this deployd does not have yet.
///
/// # Errors
/// The store does not answer.
pub async fn not_built(engine: &Engine, compiled: &Compiled) -> Answer<Option<Diagnostic>> {
    let Some(graph) = &compiled.graph else { return Ok(None) };
    let found = engine.not_built(&graph.stack, graph).await?;
    Ok(found.map(|(address, why)| lacks(compiled, &address, why)))
}

fn lacks(compiled: &Compiled, address: &Address, why: Why) -> Diagnostic {
    let detail = format!("{} cannot be made in {} for now: {}", address.short(), address.world, why.text);
    let mut one = Diagnostic::warning("world-lacks", "the world lacks something", detail);
    one.place = compiled.resolved.as_ref().and_then(|resolved| place_of(resolved, address));
    one.help.extend(why.way_out);
    one
}

/// Where something is asked for.
fn place_of(resolved: &Resolved, address: &Address) -> Option<Place> {
    let whole = address.whole();
    let required = resolved.about.get(&whole).and_then(|about| about.asked.as_ref());
    if let Some(asked) = required {
        return Some(asked.slug.place.clone());
    }
    let components = resolved.asked.components.iter().map(|asked| &asked.component);
    components.into_iter().find(|one| one.address == whole)?.places.get(&FieldPath::root()).cloned()
}
