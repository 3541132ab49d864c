//! Lines of a stack's processes: what the rooms have of all of its lives, also of those that are over.

use super::super::record::StackRows;
use super::{DoorError, Engine, LogsAsk};
use crate::contract::{Failure, LogFrom, LogLine, LogStream, Query};
use crate::graph::DesiredGraph;
use crate::model::{Address, Identity, Kind, Value};
use crate::plan::{Act, shape_of};
use crate::state::{ReleaseId, Why, WhyCode};
use futures::stream::{self, StreamExt, select_all};
use std::collections::{BTreeMap, BTreeSet};

/// Lives of an address before its newest whose lines are looked for: the others were swept by their rooms.
const LIVES_BACK: u32 = 5;

impl Engine {
    /// Lines of all of a stack's processes, or of one.
    ///
    /// # Errors
    /// [`DoorError`].
    pub async fn logs(&self, ask: LogsAsk) -> Result<LogStream, DoorError> {
        let rows = self.known(&ask.stack).await?;
        let mut graphs = vec![self.graph(&rows, rows.stack().and_then(|stack| stack.target)).await?];
        if let Some(release) = ask.release {
            graphs.push(self.graph(&rows, Some(release)).await?);
        }
        let mut asked = lives(&rows, &graphs.iter().map(|graph| &**graph).collect::<Vec<_>>());
        if let Some(name) = &ask.name {
            asked.retain(|query| {
                query.identity.address.name == *name || query.identity.address.short() == name.as_str()
            });
            if asked.is_empty() {
                let text = format!("{} has nothing called {name}", ask.stack);
                return Err(DoorError::NotFound(Why::new(WhyCode::Missing, text)));
            }
        }
        if let Some(release) = ask.release {
            let started = self.started_for(&rows, release, &graphs[1]).await?;
            asked.retain(|query| started.contains(&query.identity));
        }
        self.read(asked, &ask.from).await
    }

    /// The lives that were started for a release: those that stand as it has them, and those that its plans made.
    async fn started_for(
        &self,
        rows: &StackRows,
        release: ReleaseId,
        graph: &DesiredGraph,
    ) -> Result<BTreeSet<Identity>, DoorError> {
        let owned = rows.record.iter().flat_map(|record| record.owned.values());
        let stands = owned.filter(|owned| {
            let node = graph.nodes.get(&owned.identity.address);
            node.is_some_and(|node| shape_of(&node.fields, &owned.pins, node.once_for) == owned.shape)
        });
        let mut started: BTreeSet<Identity> = stands.map(|owned| owned.identity.clone()).collect();
        let ended = self.ended(&rows.id, None).await?;
        let of_release = ended.iter().chain(rows.live.values()).filter(|row| row.deployment.release == Some(release));
        let mut blobs: BTreeSet<_> = of_release.filter_map(|row| row.deployment.plan).collect();
        blobs.extend(rows.plans.values().map(|row| row.blob));
        for blob in blobs {
            // One that was swept made nothing that is still to be read.
            let Ok(planned) = self.planned(blob).await else { continue };
            if planned.plan.release == Some(release) {
                let makes = |act: Act| matches!(act, Act::Create | Act::Update | Act::Adopt);
                let steps = planned.plan.steps.values().filter(|step| makes(step.act));
                started.extend(steps.map(|step| step.identity.clone()));
            }
        }
        Ok(started)
    }

    async fn read(&self, asked: Vec<Query>, from: &LogFrom) -> Result<LogStream, DoorError> {
        let mut streams = Vec::new();
        let mut unreachable: Option<Why> = None;
        for query in asked {
            let world = &query.identity.address.world;
            let rooms = &self.parts().rooms;
            let Some(maker) = rooms.maker(world, &query.kind) else { continue };
            let provider = match rooms.providers(world).remove(&maker) {
                Some(Ok(provider)) => provider,
                Some(Err(why)) => {
                    unreachable.get_or_insert(why);
                    continue;
                }
                None => continue,
            };
            match provider.logs(&query, from).await {
                Ok(lines) => streams.push(lines),
                // It has no log, or none of that life any more.
                Err(Failure::Refused { .. }) => {}
                Err(failure) => drop(unreachable.get_or_insert(failure.why().clone())),
            }
        }
        match unreachable {
            Some(why) if streams.is_empty() => Err(DoorError::Source(why)),
            _ if from.follow => Ok(select_all(streams).boxed()),
            _ => Ok(stream::iter(together(streams, from.tail).await).boxed()),
        }
    }
}

/// The last lines of all of them together, in the order in which they were written.
async fn together(streams: Vec<LogStream>, tail: u32) -> Vec<LogLine> {
    let mut all = Vec::new();
    for lines in streams {
        all.extend(lines.collect::<Vec<_>>().await);
    }
    // Lines of one moment of one life stay in their order.
    all.sort_by(|one, other| (one.at, &one.identity).cmp(&(other.at, &other.identity)));
    let first = all.len().saturating_sub(tail as usize);
    all.split_off(first)
}

/// Everything that may have written something: what is recorded, and the lives before.
fn lives(rows: &StackRows, graphs: &[&DesiredGraph]) -> Vec<Query> {
    let Some(record) = &rows.record else { return Vec::new() };
    let mut asked: BTreeMap<Identity, Query> = BTreeMap::new();
    for owned in record.owned.values() {
        let query = Query {
            identity: owned.identity.clone(),
            kind: owned.kind.clone(),
            handle: owned.handle.clone(),
            health: None,
            fields: owned.fields.clone(),
        };
        asked.insert(owned.identity.clone(), query);
    }
    for (address, last) in &record.lives {
        let Some(kind) = kind_of(address, rows, graphs) else { continue };
        for life in last.saturating_sub(LIVES_BACK).max(1)..=*last {
            let identity = address.incarnation(life);
            asked.entry(identity.clone()).or_insert_with(|| Query {
                identity,
                kind: kind.clone(),
                handle: None,
                health: None,
                fields: Value::Null,
            });
        }
    }
    asked.into_values().collect()
}

fn kind_of(address: &Address, rows: &StackRows, graphs: &[&DesiredGraph]) -> Option<Kind> {
    let in_graph = graphs.iter().find_map(|graph| graph.nodes.get(address)).map(|node| node.kind.clone());
    in_graph.or_else(|| rows.record.as_ref()?.lives_of(address).next_back().map(|owned| owned.kind.clone()))
}
