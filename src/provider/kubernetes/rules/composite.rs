//! The kinds that a manifest is made of, and `kubernetes/manifests`.

use super::entrypoint::expand_entrypoint;
use super::rules;
use super::service::{expand_service, expand_task};
use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::graph::words::{entrypoint_fields, refuse_each, service_fields, task_fields, volume_fields};
use crate::graph::{
    Component, Create, Data, Expanded, Field, FieldType, KindRules, Lifecycle, Outputs, Replace, Role, WorldFields,
};
use crate::model::{FieldPath, Kind, Milliseconds, Name, Value};

pub(super) fn kinds() -> Vec<KindRules> {
    vec![service(), task(), entrypoint(), volume(), manifests()]
}

fn service() -> KindRules {
    KindRules {
        fields: service_fields(),
        outputs: Outputs::after_create(&["host", "port", "address", "url"], &[]),
        role: Role::Workload,
        makes: &[
            "kubernetes/cluster-service",
            "kubernetes/config-map",
            "kubernetes/deployment",
            "kubernetes/horizontal-pod-autoscaler",
            "kubernetes/image",
            "kubernetes/job",
            "kubernetes/secret",
        ],
        expand: expand_service,
        ..rules("kubernetes/service", "a service's Deployments")
    }
}

fn task() -> KindRules {
    KindRules {
        fields: task_fields(),
        lifecycle: Lifecycle::Once,
        role: Role::Task,
        makes: &["kubernetes/config-map", "kubernetes/cron-job", "kubernetes/image", "kubernetes/secret"],
        expand: expand_task,
        ..rules("kubernetes/task", "a command of a service, as a CronJob")
    }
}

fn entrypoint() -> KindRules {
    let mut fields = entrypoint_fields();
    fields.extend(KindRules::paths(&[("ingress_class", Field::fixed(FieldType::Text))]));
    KindRules {
        fields,
        outputs: Outputs::from_identity(&["url", "host"]),
        role: Role::Route,
        makes: &["kubernetes/ingress"],
        expand: expand_entrypoint,
        ..rules("kubernetes/entrypoint", "a way in from outside, as an Ingress")
    }
}

fn volume() -> KindRules {
    let mut fields = volume_fields();
    fields.extend(KindRules::paths(&[
        ("access", Field::fixed(FieldType::OneOf(&["ReadWriteOnce", "ReadWriteMany", "ReadOnlyMany"]))),
        ("storage_class", Field::fixed(FieldType::Text)),
    ]));
    KindRules {
        fields,
        outputs: Outputs::from_identity(&["path", "volume"]),
        data: Data::HoldsData,
        replace: Replace::Never,
        makes: &["kubernetes/persistent-volume-claim"],
        expand: expand_volume,
        ..rules("kubernetes/volume", "files that last, as a claim")
    }
}

fn expand_volume(component: &Component, _world: &WorldFields) -> (Expanded, Diagnostics) {
    let found = refuse_each(component);
    let mut claim = Component { kind: Kind::fixed("kubernetes/persistent-volume-claim"), ..component.clone() };
    let mount = component.field("mount").cloned().unwrap_or_else(|| Value::from("/data"));
    if let Value::Map(fields) = &mut claim.fields {
        // Where it is mounted is the Deployment's.
        fields.remove("mount");
        fields.remove("each");
        fields.entry("access".to_owned()).or_insert_with(|| Value::from("ReadWriteOnce"));
    }
    let mut expanded = Expanded::one(&claim, &["volume"]);
    expanded.outputs.insert(Name::fixed("path"), mount);
    (expanded, found)
}

fn manifests() -> KindRules {
    KindRules {
        fields: KindRules::paths(&[
            ("template", Field::in_place(FieldType::Text).required()),
            ("template_digest", Field::in_place(FieldType::Text)),
            ("values", Field::in_place(FieldType::Any)),
            ("ready", Field::in_place(FieldType::Any)),
            ("outputs", Field::in_place(FieldType::Any)),
        ]),
        outputs: Outputs::Declared,
        create: Create::Repeatable,
        usually: Milliseconds::seconds(60),
        within: Milliseconds::seconds(1800),
        expand: expand_manifests,
        ..rules("kubernetes/manifests", "objects of a template")
    }
}

fn expand_manifests(component: &Component, _world: &WorldFields) -> (Expanded, Diagnostics) {
    let mut expanded = Expanded::one(component, &[]);
    let declared = component.field("outputs").map(Value::entries).into_iter().flatten();
    let names = declared.filter_map(|(name, _)| Name::new(name).ok());
    expanded.outputs.extend(names.map(|name| (name.clone(), Value::output(component.address.clone(), name))));
    let place = component.places.get(&FieldPath::fixed("template")).cloned();
    let detail = "templates are not rendered yet: what they make is not checked";
    let warning = Diagnostic::warning("not-rendered-yet", "not rendered yet", detail);
    (expanded, Diagnostic { place, ..warning }.into())
}
