//! The rules, kind by kind.

use super::CAPABILITY;
use super::service::{expand_entrypoint, expand_service, expand_task};
use crate::diagnostic::Diagnostics;
use crate::graph::words::{entrypoint_fields, refuse_each, service_fields, task_fields, volume_fields};
use crate::graph::{
    Create, Data, Expanded, Field, FieldType, KindRules, Known, Lifecycle, Output, Outputs, Replace, Role, Rollout,
};
use crate::model::{Milliseconds, Name};

/// How many images of a service are kept: the running one, the good one, and one to go back to.
const IMAGES_KEPT: u32 = 3;

/// The rules of every kind of this room.
#[must_use]
pub fn kinds() -> Vec<KindRules> {
    vec![service(), task(), entrypoint(), volume(), image(), container(), address(), route(), network()]
}

fn text() -> FieldType {
    FieldType::Text
}

fn words() -> FieldType {
    FieldType::List(Box::new(FieldType::Text))
}

fn rules(kind: &'static str, description: &'static str) -> KindRules {
    KindRules::new(kind, CAPABILITY, description)
}

fn service() -> KindRules {
    KindRules {
        fields: service_fields(),
        outputs: Outputs::after_create(&["host", "port", "address", "url"], &[]),
        role: Role::Workload,
        makes: &["docker/address", "docker/container", "docker/image", "docker/route", "docker/task"],
        expand: expand_service,
        ..rules("docker/service", "a service's containers")
    }
}

/// Composite and node: a migration is one, and so is a manifest's task when it runs.
fn task() -> KindRules {
    let mut fields = task_fields();
    fields.extend(KindRules::paths(&[
        ("mode", Field::fixed(FieldType::OneOf(&["before", "downtime", "parallel", "after"]))),
        ("undo", Field::fixed(words())),
    ]));
    KindRules {
        fields,
        lifecycle: Lifecycle::Once,
        role: Role::Task,
        usually: Milliseconds::seconds(5),
        within: Milliseconds::seconds(3600),
        makes: &["docker/image"],
        expand: expand_task,
        ..rules("docker/task", "a command of a service in a container, run once")
    }
}

fn entrypoint() -> KindRules {
    let mut fields = entrypoint_fields();
    fields.extend(KindRules::paths(&[("service", Field::in_place(text()))]));
    KindRules {
        fields,
        outputs: Outputs::after_create(&["url", "host", "port"], &[]),
        role: Role::Route,
        create: Create::Repeatable,
        usually: Milliseconds(10),
        expand: expand_entrypoint,
        ..rules("docker/entrypoint", "a way in from outside, by name on the engine's proxy")
    }
}

/// Docker gives a volume no size: what is asked is kept, and told.
fn volume() -> KindRules {
    KindRules {
        fields: volume_fields(),
        outputs: Outputs::from_identity(&["path", "volume"]),
        data: Data::HoldsData,
        replace: Replace::Never,
        usually: Milliseconds(100),
        expand: |component, _| {
            let mut expanded = Expanded::one(component, &["volume"]);
            let mount = component.field("mount").cloned().unwrap_or_else(|| "/data".into());
            expanded.outputs.insert(Name::fixed("path"), mount);
            (expanded, refuse_each(component))
        },
        ..rules("docker/volume", "a volume of the engine, whose files last")
    }
}

fn image() -> KindRules {
    KindRules {
        fields: KindRules::paths(&[
            ("content", Field::fixed(text()).required()),
            ("build", Field::fixed(FieldType::Any).required()),
        ]),
        outputs: Outputs::after_create(&["reference"], &[]),
        lifecycle: Lifecycle::Kept(IMAGES_KEPT),
        replace: Replace::CreateFirst,
        usually: Milliseconds::seconds(60),
        within: Milliseconds::seconds(3600),
        ..rules("docker/image", "an image built from a service's Dockerfile")
    }
}

/// A container cannot be changed: each change is a successor. Names are unique in an engine, so a create that was
/// repeated fails by name (409), and is looked up.
fn container() -> KindRules {
    KindRules {
        fields: KindRules::paths(&[
            ("image", Field::in_place(text()).required()),
            ("run", Field::in_place(words())),
            ("env.*", Field::in_place(text())),
            ("files.*.at", Field::in_place(text())),
            ("files.*.text", Field::in_place(text())),
            ("ports.*.port", Field::in_place(FieldType::Whole(1, 65_535))),
            ("ports.*.protocol", Field::in_place(text())),
            ("first", Field::in_place(text())),
            ("mounts.*.at", Field::in_place(text())),
            ("mounts.*.volume", Field::in_place(text())),
            ("labels.*", Field::in_place(text())),
            ("user", Field::in_place(FieldType::Any)),
            ("health", Field::in_place(FieldType::Text)),
            ("stop", Field::in_place(FieldType::Duration)),
            ("cpu", Field::in_place(text())),
            ("memory", Field::in_place(FieldType::Size)),
            ("content", Field::in_place(text())),
        ]),
        outputs: Outputs::after_create(&["address", "id"], &[]),
        role: Role::Workload,
        rollout: Rollout::BySuccessor,
        replace: Replace::CreateFirst,
        usually: Milliseconds::seconds(2),
        within: Milliseconds::seconds(120),
        ..rules("docker/container", "one replica of a service")
    }
}

/// An alias on the world's network: a function of the identity, so nobody waits for it.
fn address() -> KindRules {
    let known = |ty| Output { secret: false, ty, known: Known::FromIdentity };
    let outputs = [
        ("host", known(FieldType::Text)),
        ("port", known(FieldType::Whole(1, 65_535))),
        ("address", known(FieldType::Text)),
        ("url", known(FieldType::Text)),
    ];
    KindRules {
        fields: KindRules::paths(&[
            ("ports.*.port", Field::in_place(FieldType::Whole(1, 65_535))),
            ("ports.*.protocol", Field::in_place(text())),
            ("first", Field::in_place(text())),
        ]),
        outputs: Outputs::Fixed(outputs.into_iter().map(|(name, output)| (Name::fixed(name), output)).collect()),
        usually: Milliseconds(10),
        ..rules("docker/address", "a service's own name on the world's network, which stays")
    }
}

fn route() -> KindRules {
    KindRules {
        fields: KindRules::paths(&[("address.*", Field::in_place(text())), ("to.*", Field::in_place(words()))]),
        role: Role::Route,
        create: Create::Repeatable,
        usually: Milliseconds(10),
        ..rules("docker/route", "which containers stand behind a service's name")
    }
}

/// Docker lets two networks have one name: nothing protects a create but a look.
fn network() -> KindRules {
    KindRules {
        fields: KindRules::paths(&[
            ("driver", Field::fixed(FieldType::OneOf(&["bridge", "overlay"]))),
            ("internal", Field::fixed(FieldType::Flag)),
            ("subnet", Field::fixed(text())),
        ]),
        outputs: Outputs::after_create(&["id", "network"], &[]),
        create: Create::AtMostOnce { grace: Milliseconds::seconds(120) },
        usually: Milliseconds(200),
        expand: |component, _| (Expanded::one(component, &["id", "network"]), Diagnostics::new()),
        ..rules("docker/network", "a network of the engine")
    }
}
