//! Where each value comes from: the chain of file, line and column from manifest to repository to parent to world to
//! default.
//!
//! Nothing is kept for each value but its place ([`Component::places`](crate::graph::Component::places)): the chain is
//! found again from the layers of the definition, which all components share. So origins cost nothing until somebody
//! asks.

use super::Offers;
use super::with::{SetBy, With};
use crate::diagnostic::Place;
use crate::document::{Node, Shape, Spanned};
use crate::graph::Component;
use crate::manifest::{Named, Scope, Text};
use crate::model::{FieldPath, Kind, Name};
use crate::repository::{Definition, Layer};
use serde::Serialize;
use std::collections::BTreeSet;
use std::sync::Arc;

/// What a component was made of.
#[derive(Clone, Debug)]
pub struct About {
    /// What is made.
    pub kind: Kind,
    /// The requirement, if it is one; a service, task or entrypoint is none.
    pub asked: Option<Asked>,
    /// The definition that was asked for, if it is not the one that is used.
    pub asked_definition: Option<Arc<Definition>>,
    /// The definition that is used.
    pub definition: Option<Arc<Definition>>,
    /// The kind of its choice, as it is written.
    pub choice: Kind,
    /// The slug that it stands in for.
    pub stands_in_for: Option<Name>,
    /// What is set of it.
    pub with: With,
    /// The variables of its environment that arrive from requirements and secrets.
    pub arrived: BTreeSet<String>,
}

/// A requirement as it was asked.
#[derive(Clone, Debug)]
pub struct Asked {
    /// The slug, where it is required.
    pub slug: Spanned<Name>,
    /// What it is called there.
    pub requirement: Name,
}

/// One link of the chain of where a value comes from.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Link {
    /// What it has to do with the value.
    pub how: How,
    /// Where it stands.
    pub place: Option<Place>,
    /// Who says it: a slug of a repository, a parameter, a world, a kind.
    pub who: String,
    /// What stands there, where that is not the value itself.
    pub value: Option<String>,
}

/// What a link has to do with the value.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum How {
    /// It is said here.
    Set,
    /// It was said here, and something above said otherwise.
    Over,
    /// A parameter that it is made of was set here.
    With,
    /// Nobody set the parameter that it is made of: its default stands here.
    Default,
    /// A definition fixed the parameter that it is made of here.
    Fixed,
    /// The world's file says it.
    World,
    /// It is made of what this requirement answers.
    Arrives,
    /// Nobody said it: the kind makes it of what it is asked for.
    Made,
    /// The slug was asked for here.
    Asked,
}

impl How {
    /// The word of screens.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            How::Set => "set",
            How::Over => "over",
            How::With => "with",
            How::Default => "default",
            How::Fixed => "fixed",
            How::World => "world",
            How::Arrives => "arrives",
            How::Made => "made",
            How::Asked => "asked",
        }
    }
}

/// The chain of one value, from who said it last.
pub(super) fn chain(component: &Component, about: Option<&About>, offers: &Offers, path: &FieldPath) -> Vec<Link> {
    let mut links = Vec::new();
    let place = component.places.get(path);
    // What was set of a parameter is told behind the field that is made of it.
    let by_parameter = about
        .is_some_and(|about| about.with.values.values().any(|set| set.by == SetBy::With && Some(&set.place) == place));
    if let Some(place) = place
        && offers.library.repository_of(&place.file).is_none()
        && !by_parameter
    {
        links.push(of_place(component, about, offers, path, place));
    }
    if let Some(about) = about
        && let Some(definition) = &about.definition
    {
        for (index, (layer, node)) in said(definition, about, path).into_iter().enumerate() {
            let how = if index == 0 && links.is_empty() { How::Set } else { How::Over };
            links.push(of_layer(how, layer, node));
            if how == How::Set {
                links.extend(of_parameters(node, &about.with));
            }
        }
    }
    if links.is_empty() {
        // Nobody said it, and the kind has to know it.
        links.push(Link { how: How::Default, place: None, who: component.kind.to_string(), value: None });
    }
    links.extend(about.and_then(asked));
    links
}

/// The chain of what nobody said.
pub(super) fn chain_of_made(component: &Component, about: Option<&About>) -> Vec<Link> {
    let made = Link { how: How::Made, place: None, who: component.kind.to_string(), value: None };
    std::iter::once(made).chain(about.and_then(asked)).collect()
}

/// Where the slug was asked for.
fn asked(about: &About) -> Option<Link> {
    let asked = about.asked.as_ref()?;
    let who = format!("{}: {}", asked.requirement, asked.slug.value);
    Some(Link { how: How::Asked, place: Some(asked.slug.place.clone()), who, value: None })
}

/// What was said last, in a file that is no repository's.
fn of_place(component: &Component, about: Option<&About>, offers: &Offers, path: &FieldPath, place: &Place) -> Link {
    let link = |how, who| Link { how, place: Some(place.clone()), who, value: None };
    if *place.file == *offers.world.file {
        return link(How::World, format!("world {}", offers.world.name.value));
    }
    if let [env, variable] = path.keys()
        && env == "env"
        && about.is_some_and(|about| about.arrived.contains(variable))
    {
        let value = component.fields.at(path).map(super::explain::shown).unwrap_or_default();
        return link(How::Arrives, value);
    }
    link(How::Set, format!("{} in {}", component.address.stack, place.file))
}

/// Where a definition says something of a field. What takes a manifest's words is looked up by these.
fn said<'d>(definition: &'d Definition, about: &About, path: &FieldPath) -> Vec<(&'d Layer, &'d Node)> {
    let spellings = match about.choice.provider() {
        "deploy" => spellings(path.keys()),
        _ => vec![path.keys().to_vec()],
    };
    spellings
        .iter()
        .map(|spelling| definition.said(about.choice.as_str(), spelling))
        .find(|said| !said.is_empty())
        .unwrap_or_default()
}

/// How a field of a service may be spelled in a manifest's words.
fn spellings(keys: &[String]) -> Vec<Vec<String>> {
    let mut spellings = vec![keys.to_vec()];
    if let Some((last, before)) = keys.split_last() {
        let with = |words: &[&str]| {
            let words = words.iter().map(|word| (*word).to_owned());
            before.iter().cloned().chain(words).collect::<Vec<String>>()
        };
        spellings.push(with(&["scale", last]));
        if last == "port" || last == "protocol" {
            spellings.push(before.to_vec()); // `ports: { http: 8080 }`
            spellings
                .push(before.iter().take(before.len().saturating_sub(2)).cloned().chain(["port".to_owned()]).collect());
        }
    }
    spellings
}

fn of_layer(how: How, layer: &Layer, node: &Node) -> Link {
    let value = match &node.shape {
        Shape::Scalar(scalar) => scalar.text.to_string(),
        Shape::List(_) => "[…]".to_owned(),
        Shape::Map(_) => "{…}".to_owned(),
    };
    Link { how, place: Some(node.place.clone()), who: layer.slug.value.to_string(), value: Some(value) }
}

/// The parameters that what is written is made of.
fn of_parameters(node: &Node, with: &With) -> Vec<Link> {
    // What is no reference at all was told with its layer.
    let text = Text::read(node, Scope::Definition, &mut crate::diagnostic::Diagnostics::new());
    let parameters = text.named().filter_map(|named| match &named.value {
        Named::With(path) => path.first(),
        _ => None,
    });
    let links = parameters.filter_map(|parameter| {
        let set = with.values.get(parameter.as_str())?;
        let how = match set.by {
            SetBy::With => How::With,
            SetBy::Default => How::Default,
            SetBy::Fixed => How::Fixed,
        };
        let value = Some(super::explain::shown(&set.value));
        Some(Link { how, place: Some(set.place.clone()), who: parameter.clone(), value })
    });
    links.collect()
}
