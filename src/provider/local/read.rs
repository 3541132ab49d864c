//! What was found to what is observed. Pure.

use super::postgres;
use super::thing::Thing;
use super::{copy, folder, process};
use crate::model::Value;
use crate::proxy::Standing;
use crate::state::{Owner, Receipt};
use std::collections::BTreeMap;
use std::path::Path;

/// Whose a thing is, as an identity of an instance asks.
pub(super) fn owner(thing: &Thing, asking: &Receipt) -> Owner {
    if thing.receipt == *asking { Owner::Ours(thing.receipt.clone()) } else { Owner::Another(thing.receipt.clone()) }
}

/// What a thing answers.
pub(super) fn outputs(thing: &Thing, place: &Path, routes: &BTreeMap<String, Standing>) -> Vec<(String, Value)> {
    match thing.kind.as_str() {
        "local/process" => process::outputs(thing, place),
        "local/copy" => vec![("path".to_owned(), copy::path_of(place))],
        "local/folder" => folder::outputs(place),
        "local/postgres" => postgres::outputs(thing),
        "local/address" => {
            let found = super::write::ports(&thing.fields).into_iter().filter_map(|(port, protocol)| {
                let standing = routes.get(&super::routes::port_id(thing, &port))?;
                Some((port, (standing.address, protocol)))
            });
            super::routes::address_outputs(&found.collect(), super::write::first_port(&thing.fields).as_deref())
        }
        "local/entrypoint" => {
            let standing = routes.get(&thing.receipt.identity.to_string());
            standing.map(|s| super::routes::entrypoint_outputs(&s.route.listen, s.address)).unwrap_or_default()
        }
        _ => Vec::new(),
    }
}

/// The fields as they are: as they were asked for, but for who really stands behind a route.
pub(super) fn fields(thing: &Thing, routes: &BTreeMap<String, Standing>) -> Value {
    let mut fields = thing.fields.clone();
    if thing.kind.as_str() != "local/route" {
        return fields;
    }
    let Some(Value::Map(addresses)) = thing.fields.get("address") else { return fields };
    for (port, address) in addresses {
        let standing = routes.values().find(|s| Some(s.address.to_string().as_str()) == address.as_text());
        if let Some(standing) = standing {
            let behind = standing.route.backends.iter().map(|backend| Value::Text(backend.address.to_string()));
            fields.put(&crate::model::FieldPath::fixed("to").join(port), Value::List(behind.collect()));
        }
    }
    fields
}
