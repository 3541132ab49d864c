//! The fields of the composite kinds, alike in every room.

use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::graph::{Component, Field, FieldType, KindRules};
use crate::model::{FieldPath, Value};
use std::collections::BTreeMap;

/// What is spoken on a port.
const PROTOCOLS: &[&str] = &["http", "grpc", "tcp"];

/// The fields of `<room>/service`.
#[must_use]
pub fn service_fields() -> BTreeMap<FieldPath, Field> {
    let mut fields = started();
    fields.extend(KindRules::paths(&[
        ("prepare", Field::in_place(FieldType::Any)),
        ("test", Field::in_place(FieldType::List(Box::new(words())))),
        ("ports.*.port", Field::in_place(FieldType::Whole(1, 65_535))),
        ("ports.*.protocol", Field::in_place(FieldType::OneOf(PROTOCOLS))),
        ("first", Field::in_place(FieldType::Text)),
        ("variables.*", Field::in_place(FieldType::Text)),
        ("health", Field::in_place(FieldType::Any)),
        ("replicas", Field::in_place(FieldType::Any)),
        ("stop", Field::in_place(FieldType::Duration)),
        ("processes", Field::in_place(FieldType::Any)),
        ("migrate", Field::in_place(FieldType::Any)),
        ("update", Field::in_place(FieldType::Any)),
        ("labels.*", Field::in_place(FieldType::Text)),
    ]));
    fields
}

/// The fields of `<room>/task`.
#[must_use]
pub fn task_fields() -> BTreeMap<FieldPath, Field> {
    let mut fields = started();
    fields.extend(KindRules::paths(&[
        ("run", Field::in_place(words()).required()),
        ("schedule", Field::in_place(FieldType::Text)),
    ]));
    fields
}

/// The fields of `<room>/entrypoint`.
#[must_use]
pub fn entrypoint_fields() -> BTreeMap<FieldPath, Field> {
    KindRules::paths(&[
        ("host", Field::in_place(FieldType::Text).required()),
        ("path", Field::in_place(FieldType::Text)),
        ("protocol", Field::in_place(FieldType::OneOf(PROTOCOLS))),
        ("gates", Field::in_place(FieldType::List(Box::new(FieldType::Text)))),
        ("timeout", Field::in_place(FieldType::Duration)),
        ("process", Field::in_place(FieldType::Text).required()),
        ("port", Field::in_place(FieldType::Text).required()),
        ("number", Field::in_place(FieldType::Whole(1, 65535)).required()),
    ])
}

/// The fields of `<room>/volume`.
#[must_use]
pub fn volume_fields() -> BTreeMap<FieldPath, Field> {
    KindRules::paths(&[
        ("size", Field::grow_only(FieldType::Size)),
        ("mount", Field::in_place(FieldType::Text)),
        ("each", Field::fixed(FieldType::Flag)),
    ])
}

/// A volume for each replica is not made by any room yet.
#[must_use]
pub fn refuse_each(component: &Component) -> Diagnostics {
    if component.field("each") != Some(&Value::Flag(true)) {
        return Diagnostics::new();
    }
    let mut refusal = Diagnostic::not_built("`each` of a volume");
    refusal.place = component.places.get(&FieldPath::fixed("each")).cloned();
    refusal.into()
}

/// What everything that starts a service's own code has.
fn started() -> BTreeMap<FieldPath, Field> {
    KindRules::paths(&[
        ("run", Field::in_place(words())),
        ("image", Field::in_place(FieldType::Text)),
        ("build", Field::in_place(FieldType::Any)),
        ("user", Field::in_place(FieldType::Any)),
        ("env.*", Field::in_place(FieldType::Text)),
        ("files.*.at", Field::in_place(FieldType::Text)),
        ("files.*.text", Field::in_place(FieldType::Text)),
        ("entrypoints.*.host", Field::in_place(FieldType::Text)),
        ("entrypoints.*.path", Field::in_place(FieldType::Text)),
        ("cpu", Field::in_place(FieldType::Text)),
        ("memory", Field::in_place(FieldType::Size)),
        ("mounts", Field::in_place(FieldType::Any)),
    ])
}

fn words() -> FieldType {
    FieldType::List(Box::new(FieldType::Text))
}
