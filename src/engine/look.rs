//! Looks: asking every provider of a world about lives, and about all that carries our receipt.
//!
//! What cannot be asked is unknown, never absent.

use super::discreet;
use super::shared::Shared;
use crate::contract::{Found, Freshness, ListScope, Listing, Provider, Query};
use crate::graph::{DesiredGraph, Node};
use crate::model::{Address, Capability, Identity, Name, StackId};
use crate::state::{Observation, Owned, Phase, Presence, Record, Seen, Why, WhyCode};
use futures::future::join_all;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// What has to be looked at to plan a stack: every life that is recorded, and of what is wanted and has no life yet, the
/// life that it would have.
#[must_use]
pub fn queries(record: &Record, desired: &DesiredGraph) -> Vec<Query> {
    let owned = record.owned.values().filter(|owned| !matches!(owned.phase, Phase::Done(_)));
    let owned = owned.map(|owned| look_at(owned, desired));
    let has_life: BTreeSet<&Address> = record.owned.keys().map(|identity| &identity.address).collect();
    let wanted = desired.nodes.values().filter(|node| !has_life.contains(&node.address));
    owned.chain(wanted.map(|node| first_look(record, node))).collect()
}

/// The question about a life that is recorded.
#[must_use]
pub fn look_at(owned: &Owned, desired: &DesiredGraph) -> Query {
    Query {
        identity: owned.identity.clone(),
        kind: owned.kind.clone(),
        handle: owned.handle.clone(),
        health: desired.nodes.get(&owned.identity.address).and_then(|node| node.health.clone()),
        fields: owned.fields.clone(),
    }
}

/// The life that a node would have.
fn first_look(record: &Record, node: &Node) -> Query {
    let last = record.lives.get(&node.address).copied().unwrap_or(0);
    Query {
        identity: node.address.incarnation(last.saturating_add(1)),
        kind: node.kind.clone(),
        handle: None,
        health: node.health.clone(),
        fields: node.fields.clone(),
    }
}

/// Asks the providers of a world.
pub async fn look(shared: &Shared, world: &Name, asked: Vec<Query>, freshness: Freshness) -> Observation {
    let providers = shared.parts.rooms.providers(world);
    let mut by_maker: BTreeMap<Option<Capability>, Vec<Query>> = BTreeMap::new();
    for query in asked {
        by_maker.entry(shared.parts.rooms.maker(world, &query.kind)).or_default().push(query);
    }
    let asks = by_maker.into_iter().map(|(maker, queries)| {
        let provider = maker.and_then(|maker| providers.get(&maker)).cloned();
        ask(shared, provider, queries, freshness)
    });
    join_all(asks).await.into_iter().flatten().collect()
}

async fn ask(
    shared: &Shared,
    provider: Option<Result<Arc<dyn Provider>, Why>>,
    queries: Vec<Query>,
    freshness: Freshness,
) -> Vec<(Identity, Seen)> {
    let unknown = |why: Why| Seen { looked: shared.now().wall, fresh: false, presence: Presence::Unknown(why) };
    let answers = match provider {
        Some(Ok(provider)) => provider.observe(&queries, freshness).await,
        Some(Err(why)) => vec![unknown(why); queries.len()],
        None => {
            let why = |query: &Query| Why::new(WhyCode::Missing, format!("this world cannot make {} now", query.kind));
            queries.iter().map(|query| unknown(why(query))).collect()
        }
    };
    // A provider that answers fewer has not answered the rest.
    let rest = std::iter::repeat_with(|| unknown(Why::new(WhyCode::NotReadable, "it was not answered")));
    let answers = queries.into_iter().zip(answers.into_iter().chain(rest));
    let secrets = &*shared.parts.secrets;
    let discreet = answers.map(|(query, seen)| async move {
        let seen = discreet::of_seen(secrets, &query, seen).await;
        (query.identity, seen)
    });
    join_all(discreet).await
}

/// Everything of a world, or of one stack of it, that carries our receipt; complete only if every provider's is.
pub async fn list(shared: &Shared, world: &Name, stack: Option<&StackId>) -> Listing {
    let scope = ListScope { stack: stack.cloned() };
    let providers = shared.parts.rooms.providers(world);
    let listings = join_all(providers.into_values().map(|provider| {
        let scope = &scope;
        async move {
            match provider {
                Ok(provider) => provider.list(scope).await,
                Err(_) => Listing { found: Vec::new(), complete: false },
            }
        }
    }))
    .await;
    let mut all = Listing { found: Vec::new(), complete: true };
    for listing in listings {
        all.complete &= listing.complete;
        all.found.extend(listing.found);
    }
    all.found.retain(|found| is_of(shared, world, found));
    all
}

fn is_of(shared: &Shared, world: &Name, found: &Found) -> bool {
    found.receipt.instance == shared.parts.store.genesis().instance && found.receipt.identity.address.world == *world
}
