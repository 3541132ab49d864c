//! What stands in the way of making things, asked of their rooms before anything is made: a program that is not on the
//! machine, a thing of that name that is not ours. Asking changes nothing.

use super::super::shared::Shared;
use super::{DoorError, Engine};
use crate::contract::{Finding, Order, OrderAct};
use crate::graph::{DesiredGraph, Node};
use crate::model::{Address, Capability, Digest, Identity, Kind, Milliseconds, Name, StackId, Value};
use crate::plan::{Act, Line, LineCode, Plan};
use crate::state::{IntentId, Receipt, Record, Token, Why, WhyCode};
use futures::future::join_all;
use std::collections::{BTreeMap, BTreeSet};

/// How long asking may take: a look at the machine, or one call.
const LIMIT: Milliseconds = Milliseconds::seconds(10);

/// One thing that is to be made.
struct Making<'m> {
    identity: Identity,
    kind: &'m Kind,
    fields: &'m Value,
    node: Option<&'m Node>,
}

impl Engine {
    /// What a stack would be made of, and cannot be made here for now: of each thing that is not there yet, why.
    ///
    /// # Errors
    /// [`DoorError`].
    pub async fn foreseen(&self, stack: &StackId, graph: &DesiredGraph) -> Result<Vec<(Address, Why)>, DoorError> {
        let rows = self.load(stack).await?;
        Ok(foreseen(&self.shared, &stack.world, rows.record.as_ref(), graph).await)
    }

    /// What a stack would be made of first by something that this deployd cannot do at all, and why.
    ///
    /// # Errors
    /// [`DoorError`].
    pub async fn not_built(&self, stack: &StackId, graph: &DesiredGraph) -> Result<Option<(Address, Why)>, DoorError> {
        let rows = self.load(stack).await?;
        Ok(not_built(&self.shared, &stack.world, rows.record.as_ref(), graph))
    }

    /// Refuses to begin what lacks something on its way: what would be made before it is found out would be for nothing.
    pub(super) async fn refuse_lacking(
        &self,
        world: &Name,
        record: Option<&Record>,
        graph: &DesiredGraph,
    ) -> Result<(), DoorError> {
        let not_built = not_built(&self.shared, world, record, graph);
        let found = foreseen(&self.shared, world, record, graph).await;
        match not_built.or(found.into_iter().next()) {
            None => Ok(()),
            Some((address, why)) => {
                let text = format!("{} cannot be made in {world}: {}", address.short(), why.text);
                Err(DoorError::Lacking(Why { text, ..why }))
            }
        }
    }

    /// The lines about steps of a plan that could not be done.
    pub(super) async fn lacking(&self, world: &Name, plan: &Plan, graph: &DesiredGraph) -> Vec<Line> {
        let creates = plan.steps.values().filter(|step| step.act == Act::Create);
        let making = creates.map(|step| Making {
            identity: step.identity.clone(),
            kind: &step.kind,
            fields: &step.target,
            node: graph.nodes.get(&step.identity.address),
        });
        let found = ask(&self.shared, world, making.collect()).await;
        found.into_iter().map(|one| Line::new(one.identity.address, LineCode::Other, one.why)).collect()
    }
}

/// The nodes of a graph that were never made.
fn missing<'g>(record: Option<&Record>, graph: &'g DesiredGraph) -> Vec<&'g Node> {
    let owned = record.iter().flat_map(|record| record.owned.keys());
    let has_life: BTreeSet<&Address> = owned.map(|identity| &identity.address).collect();
    graph.nodes.values().filter(|node| !has_life.contains(&node.address)).collect()
}

/// What is to be made by something that this deployd cannot do at all. A plan of it can be shown, and says that it is not
/// looked at; begun, it would wait for ever.
fn not_built(shared: &Shared, world: &Name, record: Option<&Record>, graph: &DesiredGraph) -> Option<(Address, Why)> {
    let rooms = &shared.parts.rooms;
    let providers = rooms.providers(world);
    missing(record, graph).into_iter().find_map(|node| match providers.get(&rooms.maker(world, &node.kind)?)? {
        Err(why) if why.code == WhyCode::Missing => {
            let way_out = "it can be planned; to run it, choose another world: --world NAME";
            Some((node.address.clone(), why.clone().way_out(way_out)))
        }
        _ => None,
    })
}

/// Of each thing of a graph that was never made, why it cannot be made for now.
async fn foreseen(shared: &Shared, world: &Name, record: Option<&Record>, graph: &DesiredGraph) -> Vec<(Address, Why)> {
    let making = missing(record, graph).into_iter().map(|node| {
        let last = record.and_then(|record| record.lives.get(&node.address)).copied().unwrap_or(0);
        let identity = node.address.incarnation(last.saturating_add(1));
        Making { identity, kind: &node.kind, fields: &node.fields, node: Some(node) }
    });
    let found = ask(shared, world, making.collect()).await;
    // What is there and is not ours is held by the plan, where it can be adopted.
    let lacks = found.into_iter().filter(|one| one.why.code == WhyCode::Missing);
    lacks.map(|one| (one.identity.address, one.why)).collect()
}

/// Asks the rooms. One that cannot be asked says nothing: what it makes is not looked at before it is made.
async fn ask(shared: &Shared, world: &Name, making: Vec<Making<'_>>) -> Vec<Finding> {
    let rooms = &shared.parts.rooms;
    let instance = shared.parts.store.genesis().instance.clone();
    let mut by_maker: BTreeMap<Capability, Vec<Order>> = BTreeMap::new();
    for one in &making {
        if let Some(maker) = rooms.maker(world, one.kind) {
            by_maker.entry(maker).or_default().push(order(one, &instance));
        }
    }
    if by_maker.is_empty() {
        return Vec::new();
    }
    let providers = rooms.providers(world);
    let asks = by_maker.iter().filter_map(|(maker, orders)| match providers.get(maker) {
        Some(Ok(provider)) => Some(provider.preflight(orders)),
        _ => None,
    });
    let mut found: Vec<Finding> = join_all(asks).await.into_iter().flatten().filter(|one| one.blocks).collect();
    found.sort_by(|one, other| one.identity.cmp(&other.identity));
    found
}

/// The order that would be given. No intent stands behind it, and it never goes out.
fn order(making: &Making<'_>, instance: &str) -> Order {
    let health = making.node.and_then(|node| node.health.clone());
    Order {
        intent: IntentId("preflight".to_owned()),
        token: Token("preflight".to_owned()),
        identity: making.identity.clone(),
        kind: making.kind.clone(),
        receipt: Receipt { instance: instance.to_owned(), identity: making.identity.clone() },
        limit: LIMIT,
        act: OrderAct::Create { fields: making.fields.clone(), asked: Digest::of("preflight"), health },
    }
}
