//! What references mean: in a manifest, and in a definition.

use super::entrypoint::Way;
use super::evaluate::Names;
use super::with::{SetBy, With};
use crate::diagnostic::{Diagnostic, Diagnostics, Place, did_you_mean};
use crate::document::{Node, Spanned};
use crate::graph::Component;
use crate::manifest::{Named, Protocol, Scope};
use crate::model::{Address, Name, Piece, SecretName, Value};
use crate::world::World;
use std::collections::{BTreeMap, BTreeSet};

/// Something that is required, as references see it.
#[derive(Clone, Debug)]
pub(super) struct Required {
    /// Where it stands.
    pub address: Address,
    /// What it answers.
    pub outputs: Answered,
    /// Where it is required.
    pub place: Place,
    /// Whether it is a service, which answers for each of its ports.
    pub is_service: bool,
}

/// What something answers.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Answered {
    /// These.
    Known(BTreeSet<Name>),
    /// What a service answers; its ports are not known here.
    AsService,
    /// It could not be resolved, or is not there yet: the mistake is told, and whoever refers to it made none.
    Untold,
}

/// What a service answers of its first port, and of each port as `address-grpc`.
pub(super) const SERVICE_OUTPUTS: [&str; 4] = ["host", "port", "address", "url"];

impl Required {
    /// The value of one output, or the mistake.
    fn output(
        &self,
        requirement: &Name,
        port: Option<&Name>,
        output: &Name,
        place: &Place,
        found: &mut Diagnostics,
    ) -> Option<Value> {
        let name = match port {
            None => output.clone(),
            Some(port) => Name::new(format!("{output}-{port}")).ok()?,
        };
        let known = match &self.outputs {
            Answered::Untold => return None,
            Answered::Known(known) => known.contains(&name),
            Answered::AsService => SERVICE_OUTPUTS.contains(&output.as_str()),
        };
        if known {
            return Some(Value::output(self.address.clone(), name));
        }
        let detail = match port {
            Some(port) => format!("`{requirement}` has no port `{port}` that answers `{output}`"),
            None => format!("`{requirement}` answers no `{output}`"),
        };
        let mut mistake = Diagnostic::error("unknown-output", "unknown output", detail).at(place);
        let names: Vec<&str> = match &self.outputs {
            Answered::Known(known) => known.iter().map(Name::as_str).collect(),
            _ => SERVICE_OUTPUTS.to_vec(),
        };
        mistake.help.extend(match did_you_mean(&name, names.iter().copied()) {
            Some(near) => Some(near),
            None if names.is_empty() => None,
            None => Some(format!("it answers {}", names.join(", "))),
        });
        found.push(mistake);
        None
    }
}

/// A secret of the world, used by a service. A secret that is meant for others is told.
pub(super) fn secret(
    world: &World,
    stack: &Name,
    name: &Spanned<&str>,
    key: Option<String>,
    found: &mut Diagnostics,
) -> Option<Value> {
    if let Some(source) = world.secrets.get(name.value)
        && let Some(services) = &source.only_for
        && !services.iter().any(|service| service.value == *stack)
    {
        let detail = format!("`{}` is not meant for {stack}", name.value);
        let mistake = Diagnostic::error("secret-of-others", "secret of others", detail).at(&name.place);
        let help = format!("world {} says for whom it is, with `for`", world.name.value);
        found.push(mistake.related(&source.name.place, "it is said here").help(help));
        return None;
    }
    if !crate::world::is_secret_name(name.value) {
        let detail = "a secret's name is letters, digits, `_` and `-`, as in API_KEY";
        found.push(Diagnostic::error("bad-name", "not a name", detail).at(&name.place));
        return None;
    }
    Some(Value::Expr(vec![Piece::Secret { name: SecretName(name.value.to_owned()), key, encode: false }]))
}

/// The references of a manifest.
pub(super) struct ManifestNames<'r> {
    pub world: &'r World,
    pub stack: &'r Name,
    pub required: &'r BTreeMap<Name, Required>,
    pub ways: &'r BTreeMap<Name, Way>,
    /// Whether the value goes to one of the service's own processes: only they know their ports and files.
    pub of_process: bool,
}

impl Names for ManifestNames<'_> {
    fn scope(&self) -> Scope {
        Scope::Manifest
    }

    fn value(&self, named: &Spanned<Named>, found: &mut Diagnostics) -> Option<Value> {
        let place = &named.place;
        match &named.value {
            Named::World => Some(Value::from(self.world.name.value.as_str())),
            Named::Service => Some(Value::from(self.stack.as_str())),
            Named::Secret(name) => secret(self.world, self.stack, &Spanned::new(name.as_str(), place), None, found),
            // A name that this manifest does not have was told when it was read.
            Named::Output { requirement, port, output } => {
                self.required.get(requirement)?.output(requirement, port.as_ref(), output, place, found)
            }
            Named::EntrypointHost(name) => self.ways.get(name).map(|way| Value::from(way.host.as_str())),
            Named::EntrypointUrl(name) => {
                let way = self.ways.get(name)?;
                match &way.url {
                    Some(url) => Some(Value::from(url.as_str())),
                    // It is given a port of its own when it is made, after the processes that it leads to.
                    None if way.protocol != Protocol::Http => {
                        let mut refusal = Diagnostic::not_built(&format!(
                            "`entrypoints.{name}.url` of a {} port",
                            way.protocol.as_str()
                        ));
                        refusal.place = Some(place.clone());
                        found.push(refusal);
                        None
                    }
                    None => own(self.of_process, format!("entrypoints.{name}.url"), named, found),
                }
            }
            Named::Port(name) => own(self.of_process, format!("ports.{name}"), named, found),
            Named::File(name) => own(self.of_process, format!("files.{name}"), named, found),
            // Words of definitions were refused when the manifest was read.
            Named::With(_) | Named::Own(_) | Named::Made(_) | Named::Name => None,
        }
    }
}

/// What only a process's own room knows.
fn own(of_process: bool, name: String, named: &Spanned<Named>, found: &mut Diagnostics) -> Option<Value> {
    if of_process {
        return Some(Value::Expr(vec![Piece::Own(name)]));
    }
    let detail = format!("`${{{}}}` is known to this service's own processes only", named.value);
    let mistake = Diagnostic::error("only-in-process", "known in a process only", detail).at(&named.place);
    found.push(mistake.help("it stands in `env` and `files`"));
    None
}

/// The references of a definition.
pub(super) struct DefinitionNames<'r> {
    pub world: &'r World,
    /// What is made.
    pub component: &'r Component,
    pub with: &'r With,
    pub parts: &'r BTreeMap<Name, Required>,
    /// Whether the value goes to a process.
    pub of_process: bool,
}

impl Names for DefinitionNames<'_> {
    fn scope(&self) -> Scope {
        Scope::Definition
    }

    fn set_at(&self, node: &Node) -> Option<Place> {
        let parameter = node.as_text()?.strip_prefix("${with.")?.strip_suffix('}')?;
        let set = self.with.values.get(parameter)?;
        (set.by == SetBy::With).then(|| set.place.clone())
    }

    fn value(&self, named: &Spanned<Named>, found: &mut Diagnostics) -> Option<Value> {
        let place = &named.place;
        let stack = &self.component.address.stack;
        match &named.value {
            Named::World => Some(Value::from(self.world.name.value.as_str())),
            Named::Service => Some(Value::from(stack.as_str())),
            Named::Secret(name) => secret(self.world, stack, &Spanned::new(name.as_str(), place), None, found),
            Named::Output { requirement, port, output } => {
                // A part that the definition does not have was told with it.
                self.parts.get(requirement)?.output(requirement, port.as_ref(), output, place, found)
            }
            Named::With(path) => self.with_value(path, named, found),
            Named::Own(output) => Some(Value::output(self.component.address.clone(), output.clone())),
            Named::Made(key) => Some(Value::Expr(vec![self.component.made_secret_piece(key, false)])),
            Named::Name => Some(Value::Expr(vec![Piece::Own("name".to_owned())])),
            Named::Port(name) => own(self.of_process, format!("ports.{name}"), named, found),
            Named::File(name) => own(self.of_process, format!("files.{name}"), named, found),
            Named::EntrypointUrl(_) | Named::EntrypointHost(_) => {
                let detail = "a definition has no entrypoints: a manifest has";
                found.push(Diagnostic::error("bad-reference", "not a reference", detail).at(place));
                None
            }
        }
    }
}

impl DefinitionNames<'_> {
    fn with_value(&self, path: &[String], named: &Spanned<Named>, found: &mut Diagnostics) -> Option<Value> {
        if let Some(value) = self.with.at(path) {
            return Some(value.clone());
        }
        // A parameter that is missing, or that there is none of, was told.
        if path.len() > 1 && self.with.at(&path[..1]).is_some() {
            let detail = format!("nothing stands at `{}`", named.value);
            found.push(Diagnostic::error("unknown-name", "unknown name", detail).at(&named.place));
        }
        None
    }
}
