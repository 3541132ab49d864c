//! A person's leave: approvals of a deployment's plan, consents to one act on one life, adoption of what is not ours.
//! Each is bound to what was shown, and is refused when that is not what would be done now.

use super::super::record::{Change, Op, StackRows};
use super::super::rows::DeploymentRow;
use super::once::Once;
use super::planning::Made;
use super::write::{Needs, Reading, SourceOf, audit};
use super::{AdoptAsk, ApproveAsk, ConsentAsk, DoorError, Engine};
use crate::model::{Digest, Wall};
use crate::plan::{NeedsConsent, Policy, PolicyAction, Verdict};
use crate::state::{
    Consent, ConsentAct, ConsentId, DeploymentState, EventBody, Mode, Owner, Principal, Why, WhyCode, Wish,
};

impl Engine {
    /// Approve the plan of a deployment that waits for it: never by who asked for it, but where only the limit of deletes
    /// asks.
    ///
    /// # Errors
    /// [`DoorError`].
    pub async fn approve(&self, ask: ApproveAsk) -> Result<(), DoorError> {
        let id = &ask.deployment;
        let once = Once::of(&id.stack.world, &ask.principal, ask.once.as_deref(), &("approve", id, ask.plan));
        if let Some(answer) = self.answered(&id.stack.world, once.as_ref()).await? {
            return Ok(answer);
        }
        let rows = self.known(&id.stack).await?;
        let planned = self.kept_plan(&rows, ask.plan).await?.map(|planned| planned.plan.verdict);
        let may_be_own = matches!(planned, Some(Verdict::AwaitApproval { by_limit: true, .. }));
        if let Some((shown, _)) = awaiting(&rows, &ask, may_be_own)?.shown
            && shown != ask.plan
        {
            let now = self.kept_plan(&rows, shown).await?;
            return Err(match now {
                Some(now) => self.changed(&rows, ask.plan, &now.plan).await?,
                None => DoorError::Stale(super::Changed { named: ask.plan, now: shown, moved: Vec::new() }),
            });
        }
        let needs = Needs { once: once.as_ref(), source: SourceOf::None };
        self.write_with(&id.stack, needs, |Reading { rows, .. }| {
            let row = awaiting(rows, &ask, may_be_own)?;
            if row.shown.is_none_or(|(shown, _)| shown != ask.plan) {
                let why = Why::new(WhyCode::Refused, format!("{id} waits with another plan now"));
                return Err(DoorError::Moved(why.way_out("look at it, then approve")));
            }
            let mut row = row.clone();
            row.deployment.approved = Some((ask.plan, ask.principal.clone()));
            let mut change = Change::new();
            change.push(Op::Deployment(Box::new(row)));
            audit(&mut change, "approve", &ask.principal);
            Ok((change, ()))
        })
        .await
    }

    /// Give leave for acts of the plan of now; each is used once, and is good for a while.
    ///
    /// # Errors
    /// [`DoorError`].
    pub async fn consent(&self, ask: ConsentAsk) -> Result<Vec<ConsentId>, DoorError> {
        if ask.acts.is_empty() {
            return Err(DoorError::Refused(Why::new(WhyCode::Missing, "no act is named to give leave for")));
        }
        if let Some((identity, _)) = ask.acts.iter().find(|(_, act)| *act == ConsentAct::Adopt) {
            let text = format!("{identity} is adopted by the name that its provider gives it, not by a plan");
            let way_out = format!("deployd adopt {} {} HANDLE", ask.stack.stack, identity.address.short());
            return Err(DoorError::Refused(Why::new(WhyCode::Refused, text).way_out(way_out)));
        }
        let asked = ("consent", &ask.stack, ask.plan, &ask.acts);
        let once = Once::of(&ask.stack.world, &ask.principal, ask.once.as_deref(), &asked);
        if let Some(answer) = self.answered(&ask.stack.world, once.as_ref()).await? {
            return Ok(answer);
        }
        let rows = self.known(&ask.stack).await?;
        let made = self.made_as_named(&rows, ask.plan).await?;
        let policy = self.facts(&ask.stack.world)?.policy.clone();
        let mut needs = Vec::with_capacity(ask.acts.len());
        for (identity, act) in &ask.acts {
            let asked = |one: &&NeedsConsent| one.identity == *identity && one.act == *act;
            let need = made.planned.report.needs_consent.iter().find(asked).ok_or_else(|| {
                let text = format!("plan {} asks for no leave to {} {identity}", ask.plan.short(), verb(*act));
                DoorError::Refused(Why::new(WhyCode::Refused, text).way_out("its report names what it asks for"))
            })?;
            refuse_own(&rows, &policy, need, &ask.principal)?;
            needs.push(need.clone());
        }
        self.put_consents(&rows, &needs, ask.plan, &ask.principal, once.as_ref()).await
    }

    /// Take over what is there and is not ours: only by the name that its provider gives it, and never what carries
    /// another's receipt.
    ///
    /// # Errors
    /// [`DoorError`].
    pub async fn adopt(&self, ask: AdoptAsk) -> Result<ConsentId, DoorError> {
        let stack = ask.address.stack_id();
        let asked = ("adopt", &ask.address, &ask.handle);
        let once = Once::of(&stack.world, &ask.principal, ask.once.as_deref(), &asked);
        if let Some(answer) = self.answered::<Vec<ConsentId>>(&stack.world, once.as_ref()).await? {
            return Ok(the_one(answer));
        }
        let rows = self.known(&stack).await?;
        for made in self.plans_of_now(&rows).await? {
            let is_asked = |one: &&NeedsConsent| one.act == ConsentAct::Adopt && one.identity.address == ask.address;
            let Some(need) = made.planned.report.needs_consent.iter().find(is_asked) else { continue };
            let handle = made.seen.get(&need.identity).and_then(|seen| seen.present()).map(|there| &there.handle);
            if handle != Some(&ask.handle) {
                let there = handle.map_or("nothing", |handle| handle.0.as_str());
                let text =
                    format!("at {} there is {there}, not {}: nothing else is adopted", ask.address, ask.handle.0);
                return Err(DoorError::Refused(Why::new(WhyCode::Refused, text)));
            }
            refuse_adopting_anothers(&made, need)?;
            let (need, plan) = (need.clone(), made.planned.plan.digest);
            return self.put_consents(&rows, &[need], plan, &ask.principal, once.as_ref()).await.map(the_one);
        }
        let text = format!("nothing that is not ours stands in the way of {}", ask.address);
        let way_out = format!("deployd plan {} shows what is held", stack.stack);
        Err(DoorError::NotFound(Why::new(WhyCode::Missing, text).way_out(way_out)))
    }

    async fn put_consents(
        &self,
        rows: &StackRows,
        needs: &[NeedsConsent],
        plan: Digest,
        principal: &Principal,
        once: Option<&Once>,
    ) -> Result<Vec<ConsentId>, DoorError> {
        let version = self.stack_version(rows);
        let good_for = self.parts().limits.consent_good_for;
        let needs_also = Needs { once, source: SourceOf::None };
        self.write_with(&rows.id, needs_also, |Reading { rows, now, .. }| {
            // What the plan was made for is what the stack is still to be.
            self.check_version(rows, version)?;
            let mut change = Change::new();
            change.depend_on_stack(&rows.id);
            let ids = needs.iter().map(|one| put_consent(&mut change, one, plan, principal, now.plus(good_for)));
            let ids = ids.collect();
            Ok((change, ids))
        })
        .await
    }

    /// The plan of now that has this digest: as the stack is, as its source would have it, or were it stopped or gone.
    async fn made_as_named(&self, rows: &StackRows, named: Digest) -> Result<Made, DoorError> {
        let mut nearest = None;
        for made in self.plans_of_now(rows).await? {
            if made.planned.plan.digest == named {
                return Ok(made);
            }
            nearest = Some(made);
        }
        for wish in [Wish::Gone, Wish::Stopped] {
            let made = self.plan_of_wish(rows, wish).await?;
            if made.planned.plan.digest == named {
                return Ok(made);
            }
        }
        let now = nearest.expect("a stack has a plan of now").planned;
        self.keep_planned(&now).await?;
        Err(self.changed(rows, named, &now.plan).await?)
    }

    /// The plans that may be meant by "the plan of now": of what is recorded, and of what the source holds. A source that
    /// cannot be read, or has mistakes, takes nothing from the first.
    async fn plans_of_now(&self, rows: &StackRows) -> Result<Vec<Made>, DoorError> {
        let mut plans = vec![self.plan_recorded(rows).await?];
        let runs = rows.stack().is_some_and(|stack| matches!(stack.wish, Wish::Run { .. }));
        if runs {
            match self.plan_of_stack(&rows.id, Mode::Evaluated).await {
                Ok(made) => plans.push(made),
                Err(DoorError::Store(error)) => return Err(DoorError::Store(error)),
                Err(_) => {}
            }
        }
        Ok(plans)
    }
}

/// The consent that was put where one was asked for.
fn the_one(ids: Vec<ConsentId>) -> ConsentId {
    ids.into_iter().next().expect("an adoption is one consent")
}

/// The deployment that waits for this approval, if this principal may give it.
fn awaiting<'r>(rows: &'r StackRows, ask: &ApproveAsk, may_be_own: bool) -> Result<&'r DeploymentRow, DoorError> {
    let id = &ask.deployment;
    let Some(row) = rows.live.get(&id.number) else {
        let has_been = rows.stack().is_some_and(|stack| id.number <= stack.deployments && id.number > 0);
        let text = if has_been { format!("{id} has ended") } else { format!("there is no deployment {id}") };
        let way_out = format!("deployd history {} shows what came of it", id.stack.stack);
        let why = Why::new(WhyCode::Missing, text).way_out(way_out);
        return Err(if has_been { DoorError::Refused(why) } else { DoorError::NotFound(why) });
    };
    let deployment = &row.deployment;
    if deployment.state != DeploymentState::AwaitingApproval || deployment.approved.is_some() {
        let text = match &deployment.approved {
            Some((_, by)) => format!("{id} was approved by {by}"),
            None => format!("{id} is {}: it waits for no approval", deployment.state),
        };
        let way_out = format!("deployd status {} shows what is waited for", id.stack.stack);
        return Err(DoorError::Refused(Why::new(WhyCode::Refused, text).way_out(way_out)));
    }
    // Behind what deployd does by itself stands who wished it.
    let asked_by_itself = !deployment.principal.is_somebody();
    let is_theirs = |principal: &Principal| person(principal) == person(&ask.principal);
    let wished = rows.stack().is_some_and(|stack| asked_by_itself && is_theirs(&stack.principal));
    if !may_be_own && (is_theirs(&deployment.principal) || wished) {
        let why = Why::new(WhyCode::Refused, format!("{} asked for {id}: nobody approves their own", ask.principal));
        return Err(DoorError::Forbidden(why.way_out("ask somebody else who may approve")));
    }
    Ok(row)
}

/// Where policy has deletes or replacements approved, whoever asks for them does not give the leave for them too.
fn refuse_own(rows: &StackRows, policy: &Policy, need: &NeedsConsent, by: &Principal) -> Result<(), DoorError> {
    let action = match need.act {
        ConsentAct::Delete => PolicyAction::Delete,
        ConsentAct::Replace => PolicyAction::Replace,
        ConsentAct::Shrink | ConsentAct::Adopt | ConsentAct::Recreate => return Ok(()),
    };
    let Some(record) = &rows.record else { return Ok(()) };
    let kind = record.owned.get(&need.identity).map(|owned| &owned.kind);
    let names = policy.approve.iter().any(|rule| {
        rule.actions.contains(&action) && (rule.kinds.is_empty() || kind.is_none_or(|kind| rule.kinds.contains(kind)))
    });
    if names && person(&record.stack.principal) == person(by) {
        let text = format!("{by} asked for it, and {} is approved by somebody else in this world", verb(need.act));
        return Err(DoorError::Forbidden(
            Why::new(WhyCode::Refused, text).way_out("ask somebody else who may approve"),
        ));
    }
    Ok(())
}

/// What carries the receipt of another identity or instance has an owner already.
fn refuse_adopting_anothers(made: &Made, need: &NeedsConsent) -> Result<(), DoorError> {
    if need.act != ConsentAct::Adopt {
        return Ok(());
    }
    let there = made.seen.get(&need.identity).and_then(|seen| seen.present());
    let Some(Owner::Another(receipt)) = there.map(|there| &there.owner) else { return Ok(()) };
    let text =
        format!("it carries the receipt of {} (deployd {}): it has an owner", receipt.identity, receipt.instance);
    let why = Why::new(WhyCode::Refused, text);
    Err(DoorError::Refused(why.way_out("have that one let it go first, or take another name for ours")))
}

/// Puts a consent, and tells of it.
pub(super) fn put_consent(
    change: &mut Change,
    need: &NeedsConsent,
    plan: Digest,
    principal: &Principal,
    expires: Wall,
) -> ConsentId {
    let NeedsConsent { identity, act, step } = need.clone();
    change.tell(EventBody::Audit {
        act: format!("consent to {}", verb(act)),
        address: Some(identity.address.clone()),
        principal: principal.0.clone(),
    });
    // The same leave given again is the same row, good for longer.
    let id = ConsentId(Digest::of_json("consent", &(&identity, act, step)).to_string());
    let consent = Consent { identity, act, step, plan, principal: principal.clone(), expires, used: None };
    change.push(Op::Consent(id.clone(), Box::new(consent)));
    id
}

/// The person behind a principal, by whichever door they came in: `cli:ann` and `browser:ann` are one.
fn person(principal: &Principal) -> &str {
    principal.0.split_once(':').map_or(principal.0.as_str(), |(_, who)| who)
}

fn verb(act: ConsentAct) -> &'static str {
    match act {
        ConsentAct::Delete => "delete",
        ConsentAct::Replace => "replace",
        ConsentAct::Shrink => "shrink",
        ConsentAct::Adopt => "adopt",
        ConsentAct::Recreate => "recreate",
    }
}
