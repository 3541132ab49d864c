//! Lines of a stack's processes: what the rooms have of all of its lives, also of those that are over. Who follows gets
//! those of lives that come later too.

use super::super::record::StackRows;
use super::{DoorError, Engine, LogsAsk};
use crate::contract::{Failure, Key, LogFrom, LogLine, LogStream, Query, Serial};
use crate::graph::DesiredGraph;
use crate::model::{Address, Identity, Kind, Value, Wall};
use crate::plan::{Act, shape_of};
use crate::state::{ReleaseId, Why, WhyCode};
use futures::stream::{self, BoxStream, SelectAll, StreamExt};
use std::collections::{BTreeMap, BTreeSet};

/// Lives of an address before its newest whose lines are looked for: the others were swept by their rooms.
const LIVES_BACK: u32 = 5;

/// Everything of a life that began while somebody follows.
const ALL: u32 = u32::MAX;

/// The streams of some lives, by life.
type Opened = Vec<(Identity, LogStream)>;

impl Engine {
    /// Lines of all of a stack's processes, or of one, in the order in which they were written.
    ///
    /// # Errors
    /// [`DoorError`].
    pub async fn logs(&self, ask: LogsAsk) -> Result<LogStream, DoorError> {
        let asked = self.lives_asked(&ask).await?;
        if asked.is_empty() && ask.name.is_some() {
            let name = ask.name.map(|name| name.to_string()).unwrap_or_default();
            let why = Why::new(WhyCode::Missing, format!("{} has nothing called {name}", ask.stack));
            return Err(DoorError::NotFound(why));
        }
        // Hints from before the first look: what begins meanwhile is not missed.
        let hints = self.parts().store.watch(Serial(u64::MAX));
        let tail = LogFrom { follow: false, ..ask.from.clone() };
        let lines = together(self.open(&asked, &tail).await?, ask.from.tail).await;
        let first = stream::iter(lines.clone());
        if !ask.from.follow {
            return Ok(first.boxed());
        }
        let (emitted, tail_max) = (Emitted::of(&lines), ask.from.tail);
        let mut following =
            Following { engine: self.clone(), ask, hints, lives: BTreeMap::new(), lines: SelectAll::new() };
        // The last lines are read once more with what follows them, and those that were told already are left out.
        for (identity, more) in self.open(&asked, &LogFrom { follow: true, ..tail }).await? {
            let told = emitted.get(&identity).cloned().unwrap_or_default();
            let begins = told.followed();
            following.add(identity, begins, told.skip(more, tail_max));
        }
        let more = stream::unfold(following, |mut following| async move {
            let line = following.next().await?;
            Some((line, following))
        });
        Ok(first.chain(more).boxed())
    }

    /// The lives that are meant.
    async fn lives_asked(&self, ask: &LogsAsk) -> Result<Vec<Query>, DoorError> {
        let rows = self.known(&ask.stack).await?;
        let target = self.graph(&rows, rows.stack().and_then(|stack| stack.target)).await?;
        let release = match ask.release {
            Some(release) => Some((release, self.graph(&rows, Some(release)).await?)),
            None => None,
        };
        let mut asked = lives(&rows, &target, release.as_ref().map(|(_, graph)| &**graph));
        if let Some(name) = &ask.name {
            // As the manifest names it, or as a screen names a part of a service: `migrate-users`.
            let is_part = |address: &Address| address.part.as_deref() == Some(name.as_str());
            let is_it =
                |address: &Address| address.name == *name || address.short() == name.as_str() || is_part(address);
            asked.retain(|query| is_it(&query.identity.address));
        }
        if let Some((release, graph)) = &release {
            let started = self.started_for(&rows, *release, graph).await?;
            asked.retain(|query| started.contains(&query.identity));
        }
        Ok(asked)
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
            let Some(planned) = self.plan_if_kept(blob).await? else { continue };
            if planned.plan.release == Some(release) {
                let makes = |act: Act| matches!(act, Act::Create | Act::Update | Act::Adopt);
                let steps = planned.plan.steps.values().filter(|step| makes(step.act));
                started.extend(steps.map(|step| step.identity.clone()));
            }
        }
        Ok(started)
    }

    /// Opens the logs of some lives. What has none is left out; what cannot be asked is told only if that leaves nothing.
    async fn open(&self, asked: &[Query], from: &LogFrom) -> Result<Opened, DoorError> {
        let (mut opened, mut unreachable) = (Vec::new(), None);
        for query in asked {
            match self.open_one(query, from).await {
                Ok(Some(lines)) => opened.push((query.identity.clone(), lines)),
                Ok(None) => {}
                Err(why) => drop(unreachable.get_or_insert(why)),
            }
        }
        match unreachable {
            Some(why) if opened.is_empty() => Err(DoorError::Source(why)),
            _ => Ok(opened),
        }
    }

    /// One life's log; nothing if its kind has none, or its room none of that life any more.
    async fn open_one(&self, query: &Query, from: &LogFrom) -> Result<Option<LogStream>, Why> {
        let (world, rooms) = (&query.identity.address.world, &self.parts().rooms);
        let maker = rooms.maker(world, &query.kind);
        let Some(provider) = maker.and_then(|maker| rooms.providers(world).remove(&maker)) else { return Ok(None) };
        match provider?.logs(query, from).await {
            Ok(lines) => Ok(Some(lines)),
            Err(Failure::Refused { .. }) => Ok(None),
            Err(failure) => Err(failure.why().clone()),
        }
    }
}

/// Lines as they come, also of lives that begin later.
struct Following {
    engine: Engine,
    ask: LogsAsk,
    hints: BoxStream<'static, Key>,
    lives: BTreeMap<Identity, Followed>,
    lines: SelectAll<BoxStream<'static, Said>>,
}

/// How far a life is followed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Followed {
    /// Its stream is open, and nothing of it was told yet.
    Silent,
    /// Something of it was told: its stream is the only one that it gets, whether it has ended or not.
    Heard,
    /// Its stream has ended before anything was told: it was opened before the life was made, and is opened once more.
    Ended,
}

/// What a stream says.
enum Said {
    Line(LogLine),
    End(Identity),
}

impl Following {
    fn add(&mut self, identity: Identity, how: Followed, lines: LogStream) {
        self.lives.insert(identity.clone(), how);
        let end = stream::once(std::future::ready(Said::End(identity)));
        self.lines.push(lines.map(Said::Line).chain(end).boxed());
    }

    /// The next line; nothing when the store has ended.
    async fn next(&mut self) -> Option<LogLine> {
        loop {
            tokio::select! {
                biased;
                Some(said) = self.lines.next(), if !self.lines.is_empty() => match said {
                    Said::Line(line) => {
                        self.lives.insert(line.identity.clone(), Followed::Heard);
                        return Some(line);
                    }
                    Said::End(identity) => {
                        let silent = self.lives.get_mut(&identity).filter(|how| **how == Followed::Silent);
                        silent.into_iter().for_each(|how| *how = Followed::Ended);
                    }
                },
                hint = self.hints.next() => self.look(&hint?).await,
            }
        }
    }

    /// A row was written: if it is of a life that is not followed yet, it is from now on.
    async fn look(&mut self, key: &Key) {
        let is_everything = *key == Key::everything();
        let is_owned = key.table_and_id().is_some_and(|(table, _)| table == "owned");
        let is_ours = is_owned && key.stack_id().as_ref() == Some(&self.ask.stack);
        if !(is_everything || is_ours) {
            return;
        }
        // A stack that cannot be loaded now is looked at again with its next row.
        let Ok(asked) = self.engine.lives_asked(&self.ask).await else { return };
        let is_it = |identity: &Identity| is_everything || super::super::rows::owned_key(identity) == *key;
        for query in asked.iter().filter(|query| is_it(&query.identity)) {
            if self.lives.get(&query.identity).is_some_and(|how| *how != Followed::Ended) {
                continue;
            }
            let all = LogFrom { tail: ALL, follow: true };
            if let Ok(Some(lines)) = self.engine.open_one(query, &all).await {
                self.add(query.identity.clone(), Followed::Silent, lines);
            }
        }
    }
}

/// The last lines of one life that were told: those of its last moment.
#[derive(Clone, Default)]
struct Emitted {
    at: Wall,
    texts: Vec<String>,
}

impl Emitted {
    fn of(lines: &[LogLine]) -> BTreeMap<Identity, Emitted> {
        let mut emitted: BTreeMap<Identity, Emitted> = BTreeMap::new();
        for line in lines {
            let last = emitted.entry(line.identity.clone()).or_default();
            if line.at > last.at {
                *last = Emitted { at: line.at, texts: Vec::new() };
            }
            last.texts.push(line.text.clone());
        }
        emitted
    }

    /// How a life is followed of which these lines were told.
    fn followed(&self) -> Followed {
        if self.texts.is_empty() { Followed::Silent } else { Followed::Heard }
    }

    /// The lines after those that were told. Only what a stream begins with can have been told, so that a clock that went
    /// back silences nobody.
    fn skip(mut self, lines: LogStream, mut begins_with: u32) -> LogStream {
        let is_new = move |line: &LogLine| {
            if begins_with == 0 {
                return true;
            }
            begins_with -= 1;
            if line.at != self.at {
                return line.at > self.at;
            }
            let told = self.texts.iter().position(|text| *text == line.text);
            told.map(|told| self.texts.remove(told)).is_none()
        };
        let mut is_new = is_new;
        lines.filter(move |line| std::future::ready(is_new(line))).boxed()
    }
}

/// The last lines of all of them together, in the order in which they were written.
async fn together(opened: Opened, tail: u32) -> Vec<LogLine> {
    let mut all = Vec::new();
    for (_, lines) in opened {
        all.extend(lines.collect::<Vec<_>>().await);
    }
    // Lines of one moment of one life stay in their order.
    all.sort_by(|one, other| (one.at, &one.identity).cmp(&(other.at, &other.identity)));
    let first = all.len().saturating_sub(tail as usize);
    all.split_off(first)
}

/// Everything that may have written something: what is recorded, and the lives before.
fn lives(rows: &StackRows, target: &DesiredGraph, release: Option<&DesiredGraph>) -> Vec<Query> {
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
    let kind_of = |address: &Address| -> Option<Kind> {
        let node = target.nodes.get(address).or_else(|| release?.nodes.get(address));
        let recorded = || record.lives_of(address).next_back().map(|owned| owned.kind.clone());
        node.map(|node| node.kind.clone()).or_else(recorded)
    };
    for (address, last) in &record.lives {
        let Some(kind) = kind_of(address) else { continue };
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
