//! `Schema`: what a value may be.

use crate::diagnostic::Place;
use crate::document::Spanned;
use crate::model::{Bytes, MilliCpu, Milliseconds, Value};
use std::collections::{BTreeMap, BTreeSet};

/// What a value may be. What is not said is `None`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Schema {
    /// Where it stands.
    pub place: Place,
    /// `type`.
    pub ty: Option<Spanned<SchemaType>>,
    /// `description`.
    pub description: Option<String>,
    /// `const`: the one value.
    pub constant: Option<Spanned<Value>>,
    /// `enum`: the only values.
    pub one_of: Option<Spanned<Vec<Value>>>,
    /// `minimum`, or `exclusiveMinimum` and one more.
    pub minimum: Option<Spanned<i64>>,
    /// `maximum`, or `exclusiveMaximum` and one less.
    pub maximum: Option<Spanned<i64>>,
    /// `multipleOf`.
    pub multiple_of: Option<Spanned<i64>>,
    /// `minLength`, in characters.
    pub length_min: Option<Spanned<i64>>,
    /// `maxLength`, in characters.
    pub length_max: Option<Spanned<i64>>,
    /// `pattern`.
    pub pattern: Option<Spanned<String>>,
    /// `format`.
    pub format: Option<Spanned<Format>>,
    /// `formatMinimum`: the least text of that format.
    pub format_minimum: Option<Spanned<String>>,
    /// `formatMaximum`: the greatest.
    pub format_maximum: Option<Spanned<String>>,
    /// `items`.
    pub items: Option<Box<Schema>>,
    /// `minItems`.
    pub items_min: Option<Spanned<i64>>,
    /// `maxItems`.
    pub items_max: Option<Spanned<i64>>,
    /// `uniqueItems`, if it is true.
    pub items_unique: Option<Spanned<bool>>,
    /// `properties`.
    pub properties: BTreeMap<String, Schema>,
    /// `required`.
    pub required: BTreeSet<String>,
    /// `additionalProperties`.
    pub additional: Additional,
}

/// The types of values. There are no fractions.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SchemaType {
    /// `string`.
    Text,
    /// `integer`.
    Whole,
    /// `boolean`.
    Flag,
    /// `array`.
    List,
    /// `object`.
    Map,
}

/// What may stand beside `properties`.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub enum Additional {
    /// Anything.
    #[default]
    Any,
    /// Nothing.
    Nothing,
    /// What this says.
    As(Box<Schema>),
}

/// Formats of text.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Format {
    /// `size`: `10Gi`.
    Size,
    /// `duration`: `30s`.
    Duration,
    /// `cpu`: `500m`.
    Cpu,
    /// `path`: an absolute path without `..`.
    Path,
}

impl Schema {
    /// A schema that says nothing.
    #[must_use]
    pub fn anything(place: &Place) -> Schema {
        Schema {
            place: place.clone(),
            ty: None,
            description: None,
            constant: None,
            one_of: None,
            minimum: None,
            maximum: None,
            multiple_of: None,
            length_min: None,
            length_max: None,
            pattern: None,
            format: None,
            format_minimum: None,
            format_maximum: None,
            items: None,
            items_min: None,
            items_max: None,
            items_unique: None,
            properties: BTreeMap::new(),
            required: BTreeSet::new(),
            additional: Additional::Any,
        }
    }

    /// What it lets through, in few letters.
    pub(super) fn range(&self) -> Option<String> {
        if let Some(constant) = &self.constant {
            return Some(constant.value.to_text());
        }
        if let Some(words) = &self.one_of {
            return Some(words.value.iter().map(Value::to_text).collect::<Vec<_>>().join("|"));
        }
        let whole = |bound: &Option<Spanned<i64>>| bound.as_ref().map(|bound| bound.value.to_string());
        let text = |bound: &Option<Spanned<String>>| bound.as_ref().map(|bound| bound.value.clone());
        let least = whole(&self.minimum).or_else(|| text(&self.format_minimum));
        let most = whole(&self.maximum).or_else(|| text(&self.format_maximum));
        match (least, most) {
            (Some(least), Some(most)) => Some(format!("{least}-{most}")),
            (Some(least), None) => Some(format!("from {least}")),
            (None, Some(most)) => Some(format!("to {most}")),
            (None, None) => None,
        }
    }
}

impl SchemaType {
    /// The word of JSON Schema.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            SchemaType::Text => "string",
            SchemaType::Whole => "integer",
            SchemaType::Flag => "boolean",
            SchemaType::List => "array",
            SchemaType::Map => "object",
        }
    }

    /// What it is called in messages.
    #[must_use]
    pub fn noun(self) -> &'static str {
        match self {
            SchemaType::Text => "text",
            SchemaType::Whole => "a whole number",
            SchemaType::Flag => "true or false",
            SchemaType::List => "a list",
            SchemaType::Map => "a map",
        }
    }
}

impl Format {
    /// The word in files.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Format::Size => "size",
            Format::Duration => "duration",
            Format::Cpu => "cpu",
            Format::Path => "path",
        }
    }

    /// What it is called in messages.
    #[must_use]
    pub fn noun(self) -> &'static str {
        match self {
            Format::Size => "a whole number and Ki, Mi, Gi or Ti, as in 10Gi",
            Format::Duration => "a whole number and ms, s, m, h or d, as in 30s",
            Format::Cpu => "whole cores, or thousandths as in 500m",
            Format::Path => "an absolute path without `..`, as in /data",
        }
    }

    /// How much a text of that format is, to be compared with another; nothing if it is not of that format. Paths are
    /// all alike.
    #[must_use]
    pub fn amount(self, text: &str) -> Option<u64> {
        match self {
            Format::Size => text.parse::<Bytes>().ok().map(|bytes| bytes.0),
            Format::Duration => text.parse::<Milliseconds>().ok().map(|span| span.0),
            Format::Cpu => text.parse::<MilliCpu>().ok().filter(|cpu| cpu.0 > 0).map(|cpu| u64::from(cpu.0)),
            Format::Path => {
                let inside = text.strip_prefix('/')?;
                let fits = |part: &str| part != ".." && part != "." && !part.contains(char::is_control);
                inside.split('/').all(fits).then_some(0)
            }
        }
    }
}
