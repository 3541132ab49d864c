//! The verdict is the only reaction: one commit to the stack's row. The next round plans the target that it names.

use super::super::queue::move_to;
use super::super::record::{Change, Op};
use super::super::rows::{ReleaseRow, encode};
use super::inputs::Planning;
use super::{Activation, Halt, Round};
use crate::act::{broken, ended, gone_back, parked, unparked};
use crate::graph::{DesiredGraph, Role};
use crate::model::{Address, Digest, Identity, Milliseconds};
use crate::state::{
    Consent, ConsentAct, DeploymentState, Export, Owned, ReleaseId, RevisionId, Stack, StackState, Why, WhyCode, Wish,
};
use std::collections::BTreeSet;

/// Releases and revisions that are let go in one batch.
const LET_GO_AT_ONCE: usize = 8;

/// Rows that are put in one batch.
const ROWS_AT_ONCE: usize = 30;

/// Secrets that cannot be removed now are removed after that long.
const AGAIN: Milliseconds = Milliseconds(2_000);

impl Activation {
    /// Everything is as it should be.
    pub(super) async fn done(&mut self, number: u64, planning: &Planning) -> Result<Round, Halt> {
        if matches!(self.stack().wish, Wish::Gone) && !self.is_proved_gone().await? {
            return Ok(Round::Waits);
        }
        if self.look_fresh(&planning.desired, &self.serving(planning)).await? {
            // What was ready a minute ago need not be ready now.
            return Ok(Round::Moved);
        }
        self.give_exports_back(planning).await?;
        self.unpark(planning).await?;
        let row = self.deployment(number).clone();
        let (stack, state) = ended(self.record(), row.deployment.why.is_some());
        let mut change = Change::new();
        let has_arrived = state == DeploymentState::Done && matches!(stack.wish, Wish::Run { .. });
        if has_arrived && let Some(target) = stack.target {
            self.stamp_good(&mut change, target);
            self.let_go(&mut change, &stack, number);
        }
        if stack.state == StackState::Deleted {
            self.forget_secrets().await?;
            self.record().exports.keys().for_each(|of| change.push(Op::NoExport(of.clone())));
        }
        self.spend_consents(&planning.desired, &mut change);
        self.put_stack(&mut change, stack);
        move_to(row, state, None, self.now().wall, &mut change);
        change.depend_on_stack(&self.id);
        // Who hears of the end asks at once how everything is.
        self.glance(None);
        self.commit(change).await?;
        if matches!(self.stack().wish, Wish::Gone) {
            // Its hosts are free, nobody waits for what it shared, and it uses no secret.
            self.shared.offers(&self.id, None);
            self.shared.composed_with(&self.id, BTreeSet::new());
        }
        Ok(Round::Moved)
    }

    /// Nothing is left of the stack: what was made for it alone goes too.
    async fn forget_secrets(&self) -> Result<(), Halt> {
        let gone = self.shared.parts.secrets.forget(&self.id).await;
        gone.map_err(|failure| Halt::Later(AGAIN, Why::new(WhyCode::NotReadable, failure.to_string())))
    }

    /// What has to be well for a release to be good, as far as that can change by itself from one moment to the next.
    fn serving(&self, planning: &Planning) -> BTreeSet<Identity> {
        let kinds = &self.shared.parts.kinds;
        let serves = |owned: &&Owned| {
            let rules = kinds.get(&owned.kind);
            rules.is_some_and(|rules| matches!(rules.role, Role::Workload | Role::Route))
                && planning.desired.nodes.contains_key(&owned.identity.address)
        };
        let rows = self.record().owned.values().filter(serves);
        rows.map(|owned| owned.identity.clone()).collect()
    }

    /// A release failed its check: the last good one is the target again, and the bad one is not tried by itself.
    pub(super) async fn go_back(
        &mut self,
        number: u64,
        bad: ReleaseId,
        to: ReleaseId,
        why: Why,
    ) -> Result<Round, Halt> {
        let good = self.graph(Some(to)).await?;
        // First: cut off between the two, it would be taken for something that nobody wants any more.
        self.put_rows(&parked(self.record(), &good, &self.shared.parts.kinds)).await?;
        let stack = gone_back(self.stack(), bad, to, &why);
        self.fall(number, stack, why).await
    }

    /// What was parked and is used by the release that is good now stands.
    async fn unpark(&mut self, planning: &Planning) -> Result<(), Halt> {
        self.put_rows(&unparked(self.record(), &planning.desired)).await
    }

    async fn put_rows(&mut self, rows: &[Owned]) -> Result<(), Halt> {
        for some in rows.chunks(ROWS_AT_ONCE) {
            let mut change = Change::new();
            some.iter().for_each(|owned| change.push(Op::Owned(Box::new(owned.clone()))));
            self.commit(change).await?;
        }
        Ok(())
    }

    /// A release failed, and nothing good is there to return to: its processes are stopped, logs and data are kept.
    pub(super) async fn fail(&mut self, number: u64, why: Why) -> Result<Round, Halt> {
        let row = self.deployment(number).clone();
        if let Some(stack) = broken(self.stack(), row.deployment.why.is_some(), &why) {
            return self.fall(number, stack, why).await;
        }
        let mut change = Change::new();
        move_to(row, DeploymentState::Failed, None, self.now().wall, &mut change);
        self.commit(change).await?;
        Ok(Round::Moved)
    }

    async fn fall(&mut self, number: u64, mut stack: Stack, why: Why) -> Result<Round, Halt> {
        // Only what is kept can be tried again, so nothing else has to be remembered as bad.
        let kept: BTreeSet<ReleaseId> = self.rows().releases.keys().copied().collect();
        stack.quarantine.retain(|release, _| kept.contains(release));
        let mut row = self.deployment(number).clone();
        row.deployment.why = Some(why);
        let mut change = Change::new();
        self.put_stack(&mut change, stack);
        change.push(Op::Deployment(Box::new(row)));
        self.commit(change).await?;
        Ok(Round::Moved)
    }

    fn stamp_good(&self, change: &mut Change, release: ReleaseId) {
        if let Some(row) = self.rows().releases.get(&release) {
            let row = ReleaseRow { good: Some(self.now().wall), ..row.clone() };
            change.push(Op::Release(release, Box::new(row)));
        }
    }

    /// Lets go of the oldest releases beyond those that are kept, and of revisions that nothing is made of any more.
    fn let_go(&self, change: &mut Change, stack: &Stack, ending: u64) {
        let rows = self.rows();
        let live = rows.live.values().filter(|row| row.deployment.id.number != ending);
        let mut used: BTreeSet<ReleaseId> = live.clone().filter_map(|row| row.deployment.release).collect();
        used.extend(stack.target.iter().chain(&stack.good).chain(stack.quarantine.keys()));
        used.extend(rows.head.iter().filter_map(|head| head.release));
        let mut spare: Vec<(&ReleaseId, &ReleaseRow)> =
            rows.releases.iter().filter(|(id, _)| !used.contains(id)).collect();
        spare.sort_by_key(|(_, row)| std::cmp::Reverse(row.good.unwrap_or(row.made)));
        let over: Vec<ReleaseId> = spare
            .into_iter()
            .skip(self.shared.parts.limits.releases_kept)
            .take(LET_GO_AT_ONCE)
            .map(|(id, _)| *id)
            .collect();
        let mut needed: BTreeSet<RevisionId> =
            rows.releases.iter().filter(|(id, _)| !over.contains(id)).map(|(_, row)| row.release.revision).collect();
        needed.extend(live.filter_map(|row| row.deployment.revision));
        needed.extend(rows.head.iter().flat_map(|head| [Some(head.revision), head.held]).flatten());
        over.into_iter().for_each(|id| change.push(Op::NoRelease(id)));
        let unneeded = rows.revisions.keys().filter(|id| !needed.contains(id)).take(LET_GO_AT_ONCE);
        unneeded.for_each(|id| change.push(Op::NoRevision(*id)));
    }

    /// Consents that were used or have expired are over, and those for what is not to be done any more.
    fn spend_consents(&self, desired: &DesiredGraph, change: &mut Change) {
        let now = self.now().wall;
        // Leave to delete what is asked for again would be used when nobody thinks of it any more.
        let is_void = |one: &Consent| {
            let is_asked_for = desired.nodes.contains_key(&one.identity.address);
            one.act == ConsentAct::Delete && is_asked_for && matches!(self.stack().wish, Wish::Run { .. })
        };
        let consents = self.record().consents.iter();
        let over = consents.filter(|(_, one)| one.used.is_some() || one.expires <= now || is_void(one));
        over.take(LET_GO_AT_ONCE).for_each(|(id, _)| change.push(Op::NoConsent(id.clone())));
    }

    /// What is used no more is let go by its owners.
    async fn give_exports_back(&mut self, planning: &Planning) -> Result<(), Halt> {
        let used: BTreeSet<Address> = match self.stack().wish {
            Wish::Gone => BTreeSet::new(),
            _ => planning.desired.imports.iter().map(|import| import.of.clone()).collect(),
        };
        while self.rows().uses.difference(&used).next().is_some() {
            self.release_exports(&used).await?;
        }
        Ok(())
    }

    /// Writes what the stack offers, if that is another thing than before.
    pub(super) async fn offer(&mut self, planning: &Planning) -> Result<(), Halt> {
        let key = self.offer_key(planning);
        if self.memory.exported == Some(key) {
            return Ok(());
        }
        let record = self.record();
        let offered = super::super::exports::offered(
            &self.shared,
            record,
            &planning.desired,
            &self.memory.seen,
            &planning.secret_versions,
        )
        .await;
        let changed: Vec<(Address, Export)> =
            offered.into_iter().filter(|(of, export)| record.exports.get(of) != Some(export)).collect();
        let unused =
            |of: &Address, export: &Export| !planning.desired.exports.contains_key(of) && export.users.is_empty();
        let over: Vec<Address> =
            record.exports.iter().filter(|(of, export)| unused(of, export)).map(|(of, _)| of.clone()).collect();
        let mut users = BTreeSet::new();
        let mut writes = changed.into_iter().map(|(of, export)| (of, Some(export))).collect::<Vec<_>>();
        writes.extend(over.into_iter().map(|of| (of, None)));
        for some in writes.chunks(LET_GO_AT_ONCE) {
            let mut change = Change::new();
            for (of, export) in some {
                match export {
                    Some(export) => {
                        users.extend(export.users.iter().cloned());
                        self.keep_blobs(&encode(&(of, export)).blobs).await?;
                        change.push(Op::Export(of.clone(), Box::new(export.clone())));
                    }
                    None => change.push(Op::NoExport(of.clone())),
                }
            }
            self.commit(change).await?;
        }
        if !writes.is_empty() {
            self.shared.exports_moved(&self.id, users);
        }
        self.memory.exported = Some(key);
        Ok(())
    }

    /// By what the exports would be others: the graph, the outputs, the secrets, and who is ready.
    fn offer_key(&self, planning: &Planning) -> Digest {
        let record = self.record();
        let outputs: Vec<_> = record
            .owned
            .iter()
            .flat_map(|(identity, owned)| {
                owned.outputs.iter().map(move |(name, output)| (identity, name, output.digest))
            })
            .collect();
        let ready: Vec<_> = planning
            .desired
            .exports
            .keys()
            .map(|of| super::super::exports::is_ready(record, &planning.desired, &self.memory.seen, of))
            .collect();
        let offered: Vec<_> = record.exports.keys().collect();
        Digest::of_json(
            "offer",
            &(planning.release, &outputs, &planning.secret_versions, ready, offered, record.stack.state),
        )
    }

    async fn keep_blobs(&self, blobs: &[Vec<u8>]) -> Result<(), Halt> {
        for blob in blobs {
            self.shared.parts.store.keep(blob).await.map_err(|error| super::later(&error))?;
        }
        Ok(())
    }
}
