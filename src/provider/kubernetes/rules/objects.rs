//! The objects of a cluster, kind by kind. Applying one twice is applying it once (server-side apply), so creates are
//! repeatable; what runs to its end is known by its name.

use super::rules;
use crate::graph::{Create, Data, Field, FieldType, KindRules, Known, Lifecycle, Output, Outputs, Replace, Role};
use crate::model::{Milliseconds, Name};
use std::collections::BTreeMap;

/// How many images of a service are kept: the running one, the good one, and one to go back to.
const IMAGES_KEPT: u32 = 3;

pub(super) fn kinds() -> Vec<KindRules> {
    vec![
        image(),
        deployment(),
        cluster_service(),
        config_map(),
        secret(),
        job(),
        cron_job(),
        ingress(),
        scaler(),
        claim(),
    ]
}

fn text() -> FieldType {
    FieldType::Text
}

fn words() -> FieldType {
    FieldType::List(Box::new(FieldType::Text))
}

/// What every pod is made of.
fn pod_fields() -> Vec<(&'static str, Field)> {
    vec![
        ("image", Field::in_place(text()).required()),
        ("run", Field::in_place(words())),
        ("env.*", Field::in_place(text())),
        ("secret", Field::in_place(text())),
        ("secret_version", Field::in_place(text())),
        ("config", Field::in_place(text())),
        ("config_version", Field::in_place(text())),
        ("files.*.at", Field::in_place(text())),
        ("files.*.of", Field::in_place(FieldType::OneOf(&["config", "secret"]))),
        ("mounts.*.at", Field::in_place(text())),
        ("mounts.*.volume", Field::in_place(text())),
        ("pull_secret", Field::in_place(text())),
        ("user", Field::in_place(FieldType::Any)),
        ("cpu", Field::in_place(text())),
        ("memory", Field::in_place(FieldType::Size)),
        ("health", Field::in_place(FieldType::Text)),
        ("stop", Field::in_place(FieldType::Duration)),
        ("labels.*", Field::in_place(text())),
        ("content", Field::in_place(text())),
    ]
}

fn image() -> KindRules {
    KindRules {
        fields: KindRules::paths(&[
            ("content", Field::fixed(text()).required()),
            ("build", Field::fixed(FieldType::Any).required()),
            ("registry", Field::fixed(text()).required()),
        ]),
        outputs: Outputs::after_create(&["reference"], &[]),
        lifecycle: Lifecycle::Kept(IMAGES_KEPT),
        replace: Replace::CreateFirst,
        usually: Milliseconds::seconds(90),
        within: Milliseconds::seconds(3600),
        ..rules("kubernetes/image", "an image built from a service's Dockerfile, in the world's registry")
    }
}

/// It rolls by itself; its selector is its name, which never changes.
fn deployment() -> KindRules {
    let mut fields = pod_fields();
    fields.extend([
        ("replicas", Field::in_place(FieldType::Whole(0, 10_000))),
        ("ports.*.port", Field::in_place(FieldType::Whole(1, 65_535))),
        ("ports.*.protocol", Field::in_place(text())),
        ("strategy", Field::in_place(FieldType::OneOf(&["RollingUpdate", "Recreate"]))),
        ("at_once", Field::in_place(FieldType::Whole(1, 1_000))),
    ]);
    KindRules {
        fields: KindRules::paths(&fields),
        outputs: Outputs::from_identity(&["name"]),
        role: Role::Workload,
        create: Create::Repeatable,
        usually: Milliseconds::seconds(15),
        within: Milliseconds::seconds(600),
        ..rules("kubernetes/deployment", "replicas of a service that roll by themselves")
    }
}

fn cluster_service() -> KindRules {
    let known = |ty| Output { secret: false, ty, known: Known::FromIdentity };
    let outputs = [
        ("name", known(FieldType::Text)),
        ("host", known(FieldType::Text)),
        ("port", known(FieldType::Whole(1, 65_535))),
        ("address", known(FieldType::Text)),
        ("url", known(FieldType::Text)),
    ];
    let outputs: BTreeMap<Name, Output> =
        outputs.into_iter().map(|(name, output)| (Name::fixed(name), output)).collect();
    KindRules {
        fields: KindRules::paths(&[
            ("ports.*.port", Field::in_place(FieldType::Whole(1, 65_535))),
            ("ports.*.protocol", Field::in_place(text())),
            ("first", Field::in_place(text())),
            ("selects", Field::in_place(text()).required()),
        ]),
        outputs: Outputs::Fixed(outputs),
        create: Create::Repeatable,
        usually: Milliseconds::seconds(1),
        ..rules("kubernetes/cluster-service", "a service's own name in the cluster, which stays")
    }
}

fn config_map() -> KindRules {
    KindRules {
        fields: KindRules::paths(&[("data.*", Field::in_place(text()))]),
        outputs: with_version(),
        create: Create::Repeatable,
        usually: Milliseconds::seconds(1),
        ..rules("kubernetes/config-map", "files that a service is given")
    }
}

fn secret() -> KindRules {
    KindRules {
        fields: KindRules::paths(&[
            ("type", Field::fixed(FieldType::OneOf(&["Opaque", "kubernetes.io/dockerconfigjson"]))),
            ("registry", Field::in_place(text())),
            ("data.*", Field::in_place(text()).secret()),
        ]),
        outputs: with_version(),
        create: Create::Repeatable,
        usually: Milliseconds::seconds(1),
        ..rules("kubernetes/secret", "what a service is given that is filled in")
    }
}

/// The name is known beforehand; the version, by which pods notice a change, once it is applied.
fn with_version() -> Outputs {
    let output = |known| Output { secret: false, ty: FieldType::Text, known };
    let outputs = [("name", output(Known::FromIdentity)), ("version", output(Known::AfterCreate))];
    Outputs::Fixed(outputs.into_iter().map(|(name, output)| (Name::fixed(name), output)).collect())
}

fn job() -> KindRules {
    let fixed = pod_fields().into_iter().map(|(path, field)| {
        let change = crate::graph::Change::Fixed;
        (path, Field { change, ..field })
    });
    let mut fields: Vec<(&'static str, Field)> = fixed.collect();
    fields.extend([
        ("mode", Field::fixed(FieldType::OneOf(&["before", "downtime", "parallel", "after"]))),
        ("undo", Field::fixed(words())),
    ]);
    KindRules {
        fields: KindRules::paths(&fields),
        lifecycle: Lifecycle::Once,
        role: Role::Task,
        usually: Milliseconds::seconds(20),
        within: Milliseconds::seconds(3600),
        ..rules("kubernetes/job", "a command of a service, run once")
    }
}

fn cron_job() -> KindRules {
    let mut fields = pod_fields();
    fields.push(("schedule", Field::in_place(text()).required()));
    KindRules {
        fields: KindRules::paths(&fields),
        outputs: Outputs::from_identity(&["name"]),
        role: Role::Task,
        create: Create::Repeatable,
        usually: Milliseconds::seconds(1),
        ..rules("kubernetes/cron-job", "a command of a service that runs at its time")
    }
}

fn ingress() -> KindRules {
    KindRules {
        fields: KindRules::paths(&[
            ("host", Field::in_place(text()).required()),
            ("path", Field::in_place(text())),
            ("protocol", Field::in_place(text())),
            ("service", Field::in_place(text()).required()),
            ("number", Field::in_place(FieldType::Whole(1, 65_535)).required()),
            ("gates", Field::in_place(words())),
            ("timeout", Field::in_place(FieldType::Duration)),
            ("ingress_class", Field::fixed(text())),
        ]),
        outputs: Outputs::after_create(&["address"], &[]),
        role: Role::Route,
        create: Create::Repeatable,
        usually: Milliseconds::seconds(30),
        within: Milliseconds::seconds(900),
        ..rules("kubernetes/ingress", "a way in from outside")
    }
}

fn scaler() -> KindRules {
    KindRules {
        fields: KindRules::paths(&[
            ("target", Field::fixed(text()).required()),
            ("min", Field::in_place(FieldType::Whole(1, 10_000)).required()),
            ("max", Field::in_place(FieldType::Whole(1, 10_000)).required()),
            ("cpu", Field::in_place(FieldType::Whole(1, 100)).required()),
        ]),
        create: Create::Repeatable,
        usually: Milliseconds::seconds(1),
        ..rules("kubernetes/horizontal-pod-autoscaler", "how many replicas, by how busy they are")
    }
}

/// A claim's class and access cannot be changed, and its size only grows, where its class lets it.
fn claim() -> KindRules {
    KindRules {
        fields: KindRules::paths(&[
            ("size", Field::grow_only(FieldType::Size).required()),
            ("access", Field::fixed(FieldType::OneOf(&["ReadWriteOnce", "ReadWriteMany", "ReadOnlyMany"]))),
            ("storage_class", Field::fixed(text())),
        ]),
        outputs: Outputs::from_identity(&["volume"]),
        data: Data::HoldsData,
        create: Create::Repeatable,
        replace: Replace::Never,
        usually: Milliseconds::seconds(10),
        within: Milliseconds::seconds(600),
        ..rules("kubernetes/persistent-volume-claim", "storage whose files last")
    }
}
