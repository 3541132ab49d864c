//! Wishes that nothing runs: `stop`, and `down`, which never takes what holds data without being told to.

use super::super::queue::New;
use super::super::record::{Change, StackRows};
use super::super::rows::Aim;
use super::consents::put_consent;
use super::once::Once;
use super::owner::no_stack;
use super::run::{wished, withdraw_leave};
use super::status::unrecorded;
use super::write::{Needs, Reading, SourceOf, audit};
use super::{Accepted, By, DoorError, DownAnswer, DownAsk, Engine, HeldData};
use crate::contract::Query;
use crate::diagnostic::did_you_mean;
use crate::graph::Data;
use crate::model::{Bytes, Name, StackId};
use crate::plan::NeedsConsent;
use crate::state::{ConsentAct, Mode, Owned, Principal, Recorded, SourceId, StackState, Why, WhyCode, Wish};

impl Engine {
    /// Processes end gracefully; data, addresses and record stay. `Ctrl-C` of `up`.
    ///
    /// # Errors
    /// [`DoorError`].
    pub async fn stop(&self, stack: &StackId, by: impl Into<By> + Send) -> Result<Accepted, DoorError> {
        let By { principal, once } = by.into();
        let once = Once::of(&stack.world, &principal, once.as_deref(), &("stop", stack));
        let needs = Needs { once: once.as_ref(), source: SourceOf::Wish };
        let written = self
            .write_with(stack, needs, |reading| {
                let rows = &reading.rows;
                let Some(before) = rows.stack() else { return Err(no_stack(stack)) };
                if matches!(before.wish, Wish::Gone) {
                    let why = Why::new(WhyCode::Refused, format!("{stack} is being taken down, or was"));
                    return Err(DoorError::Refused(why.way_out("deployd up runs it again")));
                }
                let mut change = Change::new();
                let left = leave(reading, &mut change);
                let new = to_target(rows, &principal, "stop");
                let row = wished(rows, Wish::Stopped, None, &principal, reading.now);
                let accepted = self.accept(rows, row, new, reading.now, &mut change)?;
                audit(&mut change, "stop", &principal);
                Ok((change, (accepted, left)))
            })
            .await?;
        Ok(self.left(stack, written))
    }

    /// Take a stack away, or a resource without a service. `deleted` is said only after an independent fresh look. What
    /// holds data and is named is deleted after a backup: naming it is the consent, and where policy has deletes
    /// approved, another person's approval is needed too.
    ///
    /// # Errors
    /// [`DoorError`].
    pub async fn down(&self, ask: DownAsk) -> Result<DownAnswer, DoorError> {
        let asked = ("down", &ask.stack, ask.keep_data, &ask.delete);
        let once = Once::of(&ask.stack.world, &ask.principal, ask.once.as_deref(), &asked);
        if let Some(answer) = self.answered::<Accepted>(&ask.stack.world, once.as_ref()).await? {
            return Ok(DownAnswer::Accepted(answer));
        }
        let rows = self.load(&ask.stack).await?;
        self.check_version(&rows, ask.only_if)?;
        if is_nothing(&rows) {
            self.refuse_unrecorded(&ask.stack)?;
            // What never was is no stack that is gone: its name may be mistyped.
            return rows.record.map_or_else(|| Err(no_stack(&ask.stack)), |_| Ok(DownAnswer::Nothing));
        }
        rows.stack().map_or(Ok(()), |stack| self.refuse_asked_for(stack))?;
        let plan = self.plan_of_wish(&rows, Wish::Gone).await?.planned;
        let protected: Vec<NeedsConsent> =
            plan.report.needs_consent.iter().filter(|one| one.act == ConsentAct::Delete).cloned().collect();
        self.refuse_unknown(&ask, &rows, &protected)?;
        let (named, other): (Vec<_>, Vec<_>) =
            protected.into_iter().partition(|one| ask.delete.contains(&one.identity.address.name));
        if !ask.keep_data && !other.is_empty() {
            let mut all = Vec::with_capacity(other.len());
            for one in &other {
                all.extend(self.held(&rows, one).await);
            }
            return Ok(DownAnswer::HoldsData(all));
        }
        let needs = Needs { once: once.as_ref(), source: SourceOf::Wish };
        let good_for = self.parts().limits.consent_good_for;
        let written = self
            .write_with(&ask.stack, needs, |reading| {
                let rows = &reading.rows;
                self.check_version(rows, ask.only_if)?;
                let mut change = Change::new();
                let left = leave(reading, &mut change);
                let row = wished(rows, Wish::Gone, None, &ask.principal, reading.now);
                let new = to_target(rows, &ask.principal, "down");
                let accepted = self.accept(rows, row, new, reading.now, &mut change)?;
                if ask.keep_data {
                    withdraw_leave(rows, &mut change);
                }
                for one in &named {
                    put_consent(&mut change, one, plan.plan.digest, &ask.principal, reading.now.plus(good_for));
                }
                audit(&mut change, "down", &ask.principal);
                Ok((change, (accepted, left)))
            })
            .await?;
        Ok(DownAnswer::Accepted(self.left(&ask.stack, written)))
    }

    /// Refuses to say that nothing is left of what is there, and is not recorded: as after the restore of an older backup.
    fn refuse_unrecorded(&self, stack: &StackId) -> Result<(), DoorError> {
        match self.shared.all_unrecorded(Some(&stack.world)).get(stack) {
            None => Ok(()),
            Some(found) => Err(DoorError::Refused(unrecorded(stack, found))),
        }
    }

    /// What holds data, as people are told of it.
    async fn held(&self, rows: &StackRows, one: &NeedsConsent) -> Option<HeldData> {
        let owned = rows.record.as_ref()?.owned.get(&one.identity)?;
        let size = match self.holds(owned).await {
            Some(bytes) => Some(bytes.for_people()),
            None => owned.outputs.get("size").and_then(|output| match &output.value {
                Recorded::Plain(value) => Some(value.to_text()),
                Recorded::Sealed(_) => None,
            }),
        };
        Some(HeldData { identity: one.identity.clone(), kind: owned.kind.clone(), size, act: one.act })
    }

    /// How much data a life holds, as far as its room can tell.
    async fn holds(&self, owned: &Owned) -> Option<Bytes> {
        let (world, rooms) = (&owned.identity.address.world, &self.parts().rooms);
        let maker = rooms.maker(world, &owned.kind)?;
        let provider = rooms.providers(world).remove(&maker)?.ok()?;
        let query = Query {
            identity: owned.identity.clone(),
            kind: owned.kind.clone(),
            handle: owned.handle.clone(),
            health: None,
            fields: owned.fields.clone(),
        };
        provider.holds(&query).await
    }

    /// The world does not run the source any more, if this was the last stack that ran it.
    fn left(&self, stack: &StackId, (accepted, left): (Accepted, Option<SourceId>)) -> Accepted {
        if let Some(source) = &left {
            self.shared.runs_no_more(&stack.world, source);
        }
        accepted
    }
}

/// Takes a stack out of those that run a source; the source, if it goes with it.
fn leave(reading: &Reading, change: &mut Change) -> Option<SourceId> {
    let at = reading.source.as_ref()?;
    at.leave(change).then(|| at.id.clone())
}

/// A deployment of the stack's target as it is: the wish makes of it what is asked for.
fn to_target(rows: &StackRows, principal: &Principal, because: &str) -> New {
    New {
        aim: Aim::Target,
        source: None,
        revision: None,
        release: rows.stack().and_then(|stack| stack.target),
        mode: Mode::Evaluated,
        principal: principal.clone(),
        because: because.to_owned(),
    }
}

/// Whether there is nothing of a stack, and nothing on its way.
fn is_nothing(rows: &StackRows) -> bool {
    let Some(record) = &rows.record else { return true };
    let is_gone = record.stack.state == StackState::Deleted && matches!(record.stack.wish, Wish::Gone);
    is_gone && record.owned.is_empty() && rows.live.is_empty()
}

impl Engine {
    /// Names in `--delete` that hold no data are a mistake: nothing is done by half. One that leave was given for before
    /// is none.
    fn refuse_unknown(&self, ask: &DownAsk, rows: &StackRows, protected: &[NeedsConsent]) -> Result<(), DoorError> {
        let owned = || rows.record.iter().flat_map(|record| record.owned.values());
        let holds_data = |kind| self.parts().kinds.get(kind).is_none_or(|rules| rules.data == Data::HoldsData);
        let holds = |name: &&Name| {
            protected.iter().any(|one| one.identity.address.name == **name)
                || owned().any(|one| one.identity.address.name == **name && holds_data(&one.kind))
        };
        match ask.delete.iter().find(|name| !holds(name)) {
            None => Ok(()),
            Some(unknown) => Err(not_held(unknown, ask, rows, protected)),
        }
    }
}

fn not_held(unknown: &Name, ask: &DownAsk, rows: &StackRows, protected: &[NeedsConsent]) -> DoorError {
    let names: Vec<&str> = protected.iter().map(|one| one.identity.address.name.as_str()).collect();
    let is_ours = rows.record.iter().flat_map(|record| record.owned.keys()).any(|one| one.address.name == *unknown);
    let text = match is_ours {
        true => format!("{unknown} of {} holds no data: it goes with the rest", ask.stack),
        false => format!("{} has nothing called {unknown} that holds data", ask.stack),
    };
    let why = Why::new(WhyCode::Missing, text);
    let near = did_you_mean(unknown, names.iter().copied());
    DoorError::Refused(match (near, names.is_empty()) {
        (Some(near), _) => why.way_out(near),
        (None, false) => why.way_out(format!("what holds data: {}", names.join(", "))),
        (None, true) => why.way_out(format!("deployd down {} takes all of it away", ask.stack.stack)),
    })
}
