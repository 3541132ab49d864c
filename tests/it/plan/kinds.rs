//! The kinds of the stories: every real one, and a table of small ones that have one peculiarity each.

use deployd::diagnostic::Diagnostics;
use deployd::graph::{
    Component, Create, Data, Expanded, Field, FieldType, KindRules, KindSet, Lifecycle, Outputs, Replace, Role,
    Rollout, WorldFields,
};
use deployd::model::{Kind, Milliseconds};
use std::sync::OnceLock;

const OUTPUTS: &[&str] = &["url", "id", "path", "address", "host"];

/// The rules of all kinds.
pub fn kinds() -> &'static KindSet {
    static KINDS: OnceLock<KindSet> = OnceLock::new();
    KINDS.get_or_init(|| KindSet::new(deployd::wiring::kinds().iter().cloned().chain(table())))
}

fn one(component: &Component, _: &WorldFields) -> (Expanded, Diagnostics) {
    (Expanded::one(component, OUTPUTS), Diagnostics::new())
}

/// What runs once or is kept, is so for its content.
fn for_content(component: &Component, world: &WorldFields) -> (Expanded, Diagnostics) {
    let (mut expanded, found) = one(component, world);
    expanded.nodes[0].once_for = component.content;
    (expanded, found)
}

fn rules(kind: &'static str) -> KindRules {
    KindRules {
        fields: KindRules::paths(&[
            ("engine", Field::fixed(FieldType::Text)),
            ("storage", Field::grow_only(FieldType::Whole(0, 1_000_000))),
            ("*", Field::in_place(FieldType::Any)),
        ]),
        outputs: Outputs::after_create(OUTPUTS, &[]),
        expand: one,
        ..KindRules::new(kind, "deploy:simulated", "a kind of the stories")
    }
}

fn table() -> Vec<KindRules> {
    let once = |kind| KindRules { lifecycle: Lifecycle::Once, role: Role::Task, expand: for_content, ..rules(kind) };
    let data = |kind| KindRules { data: Data::HoldsData, ..rules(kind) };
    let grace = Milliseconds::seconds(120);
    vec![
        rules("t/thing"),
        KindRules { replace: Replace::CreateFirst, ..rules("t/pair") },
        KindRules { create: Create::AtMostOnce { grace }, ..rules("t/single-shot") },
        KindRules { outputs: Outputs::from_identity(OUTPUTS), ..rules("t/named") },
        data("t/data"),
        KindRules { replace: Replace::Never, ..data("t/vault") },
        KindRules {
            lifecycle: Lifecycle::Kept(2),
            replace: Replace::CreateFirst,
            expand: for_content,
            ..rules("t/copy")
        },
        once("t/test"),
        once("t/migration"),
        KindRules {
            role: Role::Workload,
            rollout: Rollout::BySuccessor,
            replace: Replace::CreateFirst,
            ..rules("t/process")
        },
        KindRules { role: Role::Workload, create: Create::Repeatable, ..rules("t/deployment") },
        KindRules { role: Role::Route, create: Create::Repeatable, usually: Milliseconds(10), ..rules("t/route") },
    ]
}

/// The rules of a kind of a story.
pub fn rules_of(kind: &Kind) -> &'static KindRules {
    kinds().get(kind).unwrap_or_else(|| panic!("no kind {kind}"))
}
