//! The kinds of this room as data, and how one of them becomes several things.
//!
//! Compiled without the SDK and under no feature, so that `check` and `explain` work anywhere. What protects a create from
//! being done twice is what AWS itself documents for each call: a unique name where there is one.

mod balancer;
mod bucket;
mod rds;

use crate::graph::{Field, FieldType, KindRules};
use crate::model::{FieldPath, Value};
use std::collections::BTreeMap;

/// The capability of this room.
pub const CAPABILITY: &str = "aws";

/// The rules of every kind of this room.
#[must_use]
pub fn kinds() -> Vec<KindRules> {
    [rds::kinds(), balancer::kinds(), bucket::kinds()].into_iter().flatten().collect()
}

fn rules(kind: &'static str, description: &'static str) -> KindRules {
    KindRules::new(kind, CAPABILITY, description)
}

/// Fields of a kind, with the region, which every kind has: the world's unless it is said.
fn fields(list: &[(&'static str, Field)]) -> BTreeMap<FieldPath, Field> {
    let mut fields = KindRules::paths(list);
    fields.extend(KindRules::paths(&[("region", Field::fixed(FieldType::Text))]));
    fields
}

fn text() -> FieldType {
    FieldType::Text
}

fn texts() -> FieldType {
    FieldType::List(Box::new(FieldType::Text))
}

/// The entries that are there.
fn kept<const N: usize>(entries: [(&str, Option<Value>); N]) -> Value {
    Value::Map(entries.into_iter().filter_map(|(key, value)| Some((key.to_owned(), value?))).collect())
}
