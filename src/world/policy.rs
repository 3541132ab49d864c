//! `policy`: what needs a second person, what is protected, and how much at once is too much.

use super::keys::{APPROVE, LIMITS, POLICY};
use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::document::{Choice, Node, Shape, Spanned};
use crate::model::{Bytes, Kind};
use crate::plan::{ApproveRule, Policy, PolicyAction};
use std::collections::BTreeSet;

/// `policy` of a world's file.
#[derive(Clone, Debug, Default)]
pub struct PolicyFile {
    /// `approve`, in the order of the file.
    pub approve: Vec<ApproveWord>,
    /// `protect`: kinds beyond those that hold data.
    pub protect: Vec<Spanned<Kind>>,
    /// `limits`.
    pub limits: Limits,
}

/// One entry of `approve`.
#[derive(Clone, Debug)]
pub struct ApproveWord {
    /// What is done.
    pub actions: Vec<Spanned<PolicyAction>>,
    /// To which kinds; empty is all.
    pub kinds: Vec<Spanned<Kind>>,
}

/// `limits`: what stops and asks, or is refused.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Limits {
    /// Deletes of standing things in one plan; `None` is 3.
    pub deletes: Option<Spanned<u32>>,
    /// Replicas of one service, all its processes together; `None` is no limit.
    pub replicas: Option<Spanned<u32>>,
    /// Memory of one service, all its replicas together; `None` is no limit.
    pub memory: Option<Spanned<Bytes>>,
}

/// The words of `approve`.
pub(super) const ACTIONS: [Choice<PolicyAction>; 7] = [
    ("deploy", PolicyAction::Deploy),
    ("create", PolicyAction::Create),
    ("update", PolicyAction::Update),
    ("replace", PolicyAction::Replace),
    ("delete", PolicyAction::Delete),
    ("migrate", PolicyAction::Migrate),
    ("run", PolicyAction::Run),
];

/// No world has more replicas of one service than this, whatever its file says: it is a typing mistake.
const REPLICAS_MAX: i64 = 10_000;

impl PolicyFile {
    pub(super) fn read(node: &Node, found: &mut Diagnostics) -> PolicyFile {
        let Some(map) = node.map("`policy`", found) else { return PolicyFile::default() };
        POLICY.check(map, found);
        PolicyFile {
            approve: map.get("approve").map(|node| read_approve(node, found)).unwrap_or_default(),
            protect: map.get("protect").map(|node| read_kinds(node, "`protect`", found)).unwrap_or_default(),
            limits: map.get("limits").map(|node| Limits::read(node, found)).unwrap_or_default(),
        }
    }

    /// As plans read it.
    #[must_use]
    pub fn policy(&self) -> Policy {
        let standard = Policy::default();
        let rule = |word: &ApproveWord| ApproveRule {
            actions: word.actions.iter().map(|action| action.value).collect(),
            kinds: word.kinds.iter().map(|kind| kind.value.clone()).collect(),
        };
        // Words without kinds are one rule: `[delete, replace]` is asked about once.
        let (plain, special): (Vec<&ApproveWord>, Vec<&ApproveWord>) =
            self.approve.iter().partition(|word| word.kinds.is_empty());
        let actions: BTreeSet<PolicyAction> =
            plain.iter().flat_map(|word| &word.actions).map(|action| action.value).collect();
        let mut approve: Vec<ApproveRule> = special.into_iter().map(rule).collect();
        if !actions.is_empty() {
            approve.insert(0, ApproveRule { actions, kinds: BTreeSet::new() });
        }
        Policy {
            approve,
            protect: self.protect.iter().map(|kind| kind.value.clone()).collect(),
            deletes_max: self.limits.deletes.as_ref().map_or(standard.deletes_max, |deletes| deletes.value),
            ..standard
        }
    }
}

impl Limits {
    fn read(node: &Node, found: &mut Diagnostics) -> Limits {
        let Some(map) = node.map("`limits`", found) else { return Limits::default() };
        LIMITS.check(map, found);
        let mut count = |key: &str, what: &str, least: i64| {
            let number = map.get(key)?.whole(what, least..=REPLICAS_MAX, found)?;
            Some(number.map(|number| u32::try_from(number).expect("the range fits")))
        };
        Limits {
            deletes: count("deletes", "the limit of deletes", 0),
            replicas: count("replicas", "the limit of replicas", 1),
            memory: map.get("memory").and_then(|node| node.size("the limit of memory", found)),
        }
    }
}

fn read_approve(node: &Node, found: &mut Diagnostics) -> Vec<ApproveWord> {
    let Some(items) = node.list("`approve`", found) else { return Vec::new() };
    items.iter().filter_map(|item| read_approve_item(item, found)).collect()
}

fn read_approve_item(item: &Node, found: &mut Diagnostics) -> Option<ApproveWord> {
    let Shape::Map(map) = &item.shape else {
        let action = item.choice("what `approve` asks about", &ACTIONS, found)?;
        return Some(ApproveWord { actions: vec![action], kinds: Vec::new() });
    };
    APPROVE.check(map, found);
    let Some(actions) = map.get("actions") else {
        if APPROVE.lack(map, "actions") {
            let detail = "`approve` needs to know of what, as in { actions: [update], kinds: [aws/rds] }";
            found.push(Diagnostic::error("missing-key", "missing key", detail).at(&item.place));
        }
        return None;
    };
    let read = |node: &Node, found: &mut Diagnostics| node.choice("an action of `approve`", &ACTIONS, found);
    let items = actions.list("`actions`", found)?;
    let actions: Vec<Spanned<PolicyAction>> = items.iter().filter_map(|item| read(item, found)).collect();
    let kinds = map.get("kinds").map(|node| read_kinds(node, "`kinds`", found)).unwrap_or_default();
    // Nothing left of it was mended by a mistake that is told; a rule about nothing would be a rule about all.
    (!actions.is_empty() && map.get("kinds").is_some() != kinds.is_empty()).then_some(ApproveWord { actions, kinds })
}

fn read_kinds(node: &Node, what: &str, found: &mut Diagnostics) -> Vec<Spanned<Kind>> {
    let Some(items) = node.list(what, found) else { return Vec::new() };
    let mut kinds = Vec::with_capacity(items.len());
    for item in items {
        let Some(text) = item.words("a kind", found) else { continue };
        match Kind::new(text.value) {
            Ok(kind) => kinds.push(item.spanned(kind)),
            Err(_) => {
                let detail = "a kind is a provider and a thing, as in aws/rds";
                found.push(Diagnostic::error("bad-kind", "not a kind", detail).at(&item.place));
            }
        }
    }
    kinds
}
