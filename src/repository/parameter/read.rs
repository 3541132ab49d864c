//! From the map of a parameter to its schema.

use super::schema::{Additional, Format, Schema, SchemaType};
use super::{Parameter, validate};
use crate::diagnostic::{Diagnostic, Diagnostics, Place};
use crate::document::{Choice, Map, Node, Spanned, merge};
use crate::model::{Name, Value};
use crate::repository::keys::SCHEMA;
use std::sync::Arc;

const TYPES: [Choice<SchemaType>; 5] = [
    ("string", SchemaType::Text),
    ("integer", SchemaType::Whole),
    ("boolean", SchemaType::Flag),
    ("array", SchemaType::List),
    ("object", SchemaType::Map),
];

const FORMATS: [Choice<Format>; 4] =
    [("size", Format::Size), ("duration", Format::Duration), ("cpu", Format::Cpu), ("path", Format::Path)];

/// How much of a schema is read.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Extent {
    /// All of it, merged.
    Whole,
    /// What one layer says of it: what it needs beside that may stand below, and nulls take away.
    Layer,
}

/// The longest pattern: it is matched in linear time, and this bounds the machine that does it.
const PATTERN_LENGTH_MAX: usize = 500;

impl Parameter {
    /// Reads a parameter, merged over all that it inherits. `last` is what was said of it last, and where. Nothing where it
    /// cannot be used.
    pub(crate) fn read(
        name: &Spanned<Name>,
        node: &Node,
        last: &Spanned<Map>,
        found: &mut Diagnostics,
    ) -> Option<Parameter> {
        let before = found.len();
        let what = format!("parameter `{}`", name.value);
        let schema = Schema::read(node, &what, Extent::Whole, found)?;
        // What is fixed is what it is, whatever default it had before.
        let default = node.as_map().and_then(|map| map.get("const").or_else(|| map.get("default"))).cloned();
        if found.len() > before {
            return None;
        }
        let validator = match validate::Validator::new(&schema) {
            Ok(validator) => Arc::new(validator),
            Err(why) => {
                found.push(Diagnostic::error("bad-schema", "not a schema", why).at(&last.place));
                return None;
            }
        };
        let parameter = Parameter { name: name.clone(), schema, default, place: last.place.clone(), validator };
        parameter.check_default(last, found);
        Some(parameter)
    }

    /// A default is a value like any other.
    fn check_default(&self, last: &Spanned<Map>, found: &mut Diagnostics) {
        let Some(default) = &self.default else { return };
        let mut refers = |node: &Node, found: &mut Diagnostics| {
            let detail = "a default is a value: references stand in `fields`";
            found.push(Diagnostic::error("no-reference-here", "no reference here", detail).at(&node.place));
            None
        };
        let mut mistakes = Diagnostics::new();
        if let Some(value) = self.schema.typed(default, &mut refers, &mut mistakes) {
            self.check(&value, default, &mut mistakes);
        }
        let says_it = ["default", "const"].iter().any(|key| last.value.get(key).is_some());
        for mistake in mistakes {
            if says_it {
                found.push(mistake);
                continue;
            }
            // Who narrows it below the default that was there has to give another one.
            let detail = format!("its default does not fit any more: {}", mistake.detail);
            let narrowed = Diagnostic::error("default-missing", "default missing", detail).at(&self.place);
            found.push(narrowed.related(&default.place, "the default").help("give it another `default`"));
        }
    }
}

impl Schema {
    /// Reads a schema.
    pub(crate) fn read(node: &Node, what: &str, extent: Extent, found: &mut Diagnostics) -> Option<Schema> {
        let map = node.map(what, found)?;
        SCHEMA.check(map, found);
        let without_nulls = merge(&Map::default(), map);
        let map = if extent == Extent::Layer { &without_nulls } else { map };
        let mut schema = Schema::anything(&node.place);
        schema.ty = read_type(map, found);
        schema.description = map.get("description").and_then(Node::as_text).map(str::to_owned);
        schema.read_numbers(map, found);
        schema.read_text(map, extent, found);
        schema.read_list(map, extent, found);
        schema.read_properties(map, extent, found);
        schema.read_values(map, found);
        if extent == Extent::Whole {
            schema.check_bounds(found);
        }
        Some(schema)
    }

    fn read_numbers(&mut self, map: &Map, found: &mut Diagnostics) {
        let mut number = |key: &str, least: i64| map.get(key)?.whole(&format!("`{key}`"), least..=i64::MAX, found);
        let above = number("exclusiveMinimum", i64::MIN).map(|bound| bound.map(|bound| bound.saturating_add(1)));
        let below = number("exclusiveMaximum", i64::MIN).map(|bound| bound.map(|bound| bound.saturating_sub(1)));
        self.minimum = number("minimum", i64::MIN).into_iter().chain(above).max_by_key(|bound| bound.value);
        self.maximum = number("maximum", i64::MIN).into_iter().chain(below).min_by_key(|bound| bound.value);
        self.multiple_of = number("multipleOf", 1);
        self.length_min = number("minLength", 0);
        self.length_max = number("maxLength", 0);
        self.items_min = number("minItems", 0);
        self.items_max = number("maxItems", 0);
    }

    fn read_text(&mut self, map: &Map, extent: Extent, found: &mut Diagnostics) {
        self.pattern = map.get("pattern").and_then(|node| {
            let pattern = node.words("`pattern`", found)?.map(str::to_owned);
            if pattern.value.len() > PATTERN_LENGTH_MAX {
                let detail = format!("a pattern has at most {PATTERN_LENGTH_MAX} characters");
                found.push(Diagnostic::error("too-long", "too long", detail).at(&node.place));
                return None;
            }
            Some(pattern)
        });
        self.format = map.get("format").and_then(|node| node.choice("`format`", &FORMATS, found));
        let mut bound = |key: &str| {
            let node = map.get(key)?;
            let text = node.words(&format!("`{key}`"), found)?.map(str::to_owned);
            let Some(format) = &self.format else {
                if extent == Extent::Layer {
                    return None;
                }
                let detail = format!("`{key}` needs a `format`, as in format: size");
                found.push(Diagnostic::error("missing-key", "missing key", detail).at(&node.place));
                return None;
            };
            if format.value == Format::Path || format.value.amount(&text.value).is_none() {
                let detail = format!("`{key}` is {}", format.value.noun());
                found.push(Diagnostic::error("wrong-format", "wrong format", detail).at(&node.place));
                return None;
            }
            Some(text)
        };
        let (least, most) = (bound("formatMinimum"), bound("formatMaximum"));
        (self.format_minimum, self.format_maximum) = (least, most);
    }

    fn read_list(&mut self, map: &Map, extent: Extent, found: &mut Diagnostics) {
        self.items = map.get("items").and_then(|node| Schema::read(node, "`items`", extent, found)).map(Box::new);
        let unique = map.get("uniqueItems").and_then(|node| node.flag("`uniqueItems`", found));
        self.items_unique = unique.filter(|unique| unique.value);
    }

    fn read_properties(&mut self, map: &Map, extent: Extent, found: &mut Diagnostics) {
        if let Some(properties) = map.get("properties").and_then(|node| node.map("`properties`", found)) {
            for entry in &properties.entries {
                let what = format!("property `{}`", entry.key.value);
                let Some(schema) = Schema::read(&entry.value, &what, extent, found) else { continue };
                self.properties.insert(entry.key.value.to_string(), schema);
            }
        }
        if let Some(items) = map.get("required").and_then(|node| node.list("`required`", found)) {
            let names = items.iter().filter_map(|item| item.words("a name of `required`", found));
            self.required = names.map(|name| name.value.to_owned()).collect();
        }
        if let Some(node) = map.get("additionalProperties") {
            self.additional = match node.as_scalar().and_then(|scalar| scalar.flag()) {
                Some(true) => Additional::Any,
                Some(false) => Additional::Nothing,
                None => match Schema::read(node, "`additionalProperties`", extent, found) {
                    Some(schema) => Additional::As(Box::new(schema)),
                    None => Additional::Any,
                },
            };
        }
    }

    fn read_values(&mut self, map: &Map, found: &mut Diagnostics) {
        let mut refers = |node: &Node, found: &mut Diagnostics| {
            let detail = "a schema is taken as it is written";
            found.push(Diagnostic::error("no-reference-here", "no reference here", detail).at(&node.place));
            None
        };
        if let Some(node) = map.get("const") {
            self.constant = self.typed(node, &mut refers, found).map(|value| node.spanned(value));
        }
        if let Some(node) = map.get("enum") {
            let items = node.list("`enum`", found).unwrap_or_default();
            if items.is_empty() {
                let detail = "`enum` lists the values that may be set";
                found.push(Diagnostic::error("empty-list", "empty list", detail).at(&node.place));
            }
            let values: Vec<Value> = items.iter().filter_map(|item| self.typed(item, &mut refers, found)).collect();
            self.one_of = Some(node.spanned(values));
        }
    }

    /// Bounds between which nothing lies.
    fn check_bounds(&self, found: &mut Diagnostics) {
        let mut check = |least: Option<u64>, most: Option<u64>, place: Option<&Place>| {
            if let (Some(least), Some(most), Some(place)) = (least, most, place)
                && least > most
            {
                let detail = "nothing can be set: the least is more than the most";
                found.push(Diagnostic::error("empty-range", "empty range", detail).at(place));
            }
        };
        // Shifted so that all numbers compare in one type.
        let shift = |bound: &Option<Spanned<i64>>| bound.as_ref().map(|bound| bound.value.abs_diff(i64::MIN));
        check(shift(&self.minimum), shift(&self.maximum), self.maximum.as_ref().map(|bound| &bound.place));
        check(shift(&self.length_min), shift(&self.length_max), self.length_max.as_ref().map(|bound| &bound.place));
        check(shift(&self.items_min), shift(&self.items_max), self.items_max.as_ref().map(|bound| &bound.place));
        let amount = |bound: &Option<Spanned<String>>| self.format.as_ref()?.value.amount(&bound.as_ref()?.value);
        let place = self.format_maximum.as_ref().map(|bound| &bound.place);
        check(amount(&self.format_minimum), amount(&self.format_maximum), place);
    }
}

fn read_type(map: &Map, found: &mut Diagnostics) -> Option<Spanned<SchemaType>> {
    let node = map.get("type")?;
    if node.as_text() == Some("number") {
        let mistake = Diagnostic::error("unknown-word", "unknown word", "there are no fractions here");
        found.push(mistake.at(&node.place).help("write type: integer, or type: string"));
        return None;
    }
    node.choice("`type`", &TYPES, found)
}
