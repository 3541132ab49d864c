//! `with:`: what a developer sets of a slug, and what stands where nothing is set.

use super::evaluate::{self, Names};
use crate::diagnostic::{Diagnostic, Diagnostics, Place, did_you_mean};
use crate::document::{Map, Node, Spanned};
use crate::manifest::Text;
use crate::model::{Name, Value};
use crate::repository::Definition;
use std::collections::BTreeMap;

/// The parameters of one requirement.
#[derive(Clone, Debug, Default)]
pub struct With {
    /// Each parameter's value.
    pub values: BTreeMap<Name, Set>,
}

/// The value of one parameter.
#[derive(Clone, Debug)]
pub struct Set {
    /// The value.
    pub value: Value,
    /// Where it was written.
    pub place: Place,
    /// By whom.
    pub by: SetBy,
}

/// Who said what a parameter is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SetBy {
    /// Who required the slug.
    With,
    /// Nobody: it is the default.
    Default,
    /// The definition: it is fixed.
    Fixed,
}

impl With {
    /// Reads what is set, checks it, and fills in defaults. `names` is what references in it mean, `slug` where the
    /// requirement stands.
    pub(super) fn read(
        definition: &Definition,
        slug: &Spanned<Name>,
        written: &Map,
        names: &dyn Names,
        found: &mut Diagnostics,
    ) -> With {
        for entry in &written.entries {
            if !definition.parameters.contains_key(&*entry.key.value) {
                found.push(unknown(definition, &entry.key));
            }
        }
        let mut with = With::default();
        for (name, parameter) in &definition.parameters {
            let said = written.get(name).filter(|node| !node.is_null());
            let (node, by) = match (said, &parameter.default) {
                (Some(node), _) => (node, SetBy::With),
                (None, Some(default)) if parameter.is_fixed() => (default, SetBy::Fixed),
                (None, Some(default)) => (default, SetBy::Default),
                (None, None) => {
                    let detail = format!("`{}` has to know `{name}`", slug.value);
                    let mistake = Diagnostic::error("parameter-missing", "parameter missing", detail).at(&slug.place);
                    let help = format!("write with: {{ {name}: ... }}");
                    found.push(mistake.related(&parameter.place, "it has no default").help(help));
                    continue;
                }
            };
            let mut refers = |node: &Node, found: &mut Diagnostics| {
                evaluate::text(&Text::read(node, names.scope(), found), names, found)
            };
            let before = found.len();
            let Some(value) = parameter.schema.typed(node, &mut refers, found) else { continue };
            if by == SetBy::With {
                parameter.check(&value, node, found);
            }
            if found.len() > before {
                continue; // What does not fit goes nowhere, so that it is told once.
            }
            with.values.insert(name.clone(), Set { value, place: node.place.clone(), by });
        }
        with
    }

    /// The same for an ancestor that stands in: what it has too, as it is set; nothing else.
    pub(super) fn for_stand_in(&self, ancestor: &Definition) -> With {
        let mut with = With::default();
        for (name, parameter) in &ancestor.parameters {
            let own = || {
                let node = parameter.default.as_ref()?;
                let mut refers = |_: &Node, _: &mut Diagnostics| None;
                let value = parameter.schema.typed(node, &mut refers, &mut Diagnostics::new())?;
                let by = if parameter.is_fixed() { SetBy::Fixed } else { SetBy::Default };
                Some(Set { value, place: node.place.clone(), by })
            };
            let fixed_here = parameter.is_fixed();
            let set = self.values.get(name).filter(|_| !fixed_here).cloned().or_else(own);
            with.values.extend(set.map(|set| (name.clone(), set)));
        }
        with
    }

    /// What `${with.a.b}` is.
    pub(super) fn at(&self, path: &[String]) -> Option<&Value> {
        let (name, inside) = path.split_first()?;
        let set = self.values.get(name.as_str())?;
        inside.iter().try_fold(&set.value, |value, key| value.get(key))
    }
}

fn unknown(definition: &Definition, key: &Spanned<Box<str>>) -> Diagnostic {
    let detail = format!("`{}` has no parameter `{}`", definition.slug, key.value);
    let mut mistake = Diagnostic::error("unknown-parameter", "unknown parameter", detail).at(&key.place);
    let free: Vec<&str> = definition
        .parameters
        .values()
        .filter(|parameter| !parameter.is_fixed())
        .map(|parameter| parameter.name.value.as_str())
        .collect();
    let is_field = definition.choices.iter().any(|choice| choice.fields.get(&key.value).is_some());
    mistake.help.extend(match did_you_mean(&key.value, free.iter().copied()) {
        Some(near) => Some(near),
        None if is_field => {
            Some(format!("it belongs to repository {}, which may let you set it", definition.repository))
        }
        None if free.is_empty() => Some("there is nothing that you may set of it".to_owned()),
        None => Some(format!("you may set {}", free.join(", "))),
    });
    mistake
}
