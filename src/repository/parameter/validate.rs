//! Whether a value fits, by the `jsonschema` crate, and its answers as diagnostics at the place of what does not.

use super::Parameter;
use super::schema::{Additional, Format, Schema};
use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::document::{Node, Shape};
use crate::model::Value;
use jsonschema::error::ValidationErrorKind;
use serde_json::{Map, json};

/// A schema, ready to be asked.
pub(super) struct Validator(jsonschema::Validator);

/// How large the machine of one pattern may be, in bytes.
const PATTERN_BYTES_MAX: usize = 1 << 20;

impl Validator {
    /// Makes ready.
    pub fn new(schema: &Schema) -> Result<Validator, String> {
        let formats = [Format::Size, Format::Duration, Format::Cpu, Format::Path];
        let linear =
            jsonschema::PatternOptions::regex().size_limit(PATTERN_BYTES_MAX).dfa_size_limit(PATTERN_BYTES_MAX);
        let mut options = jsonschema::options().with_pattern_options(linear).should_validate_formats(true);
        for format in formats {
            options = options.with_format(format.as_str(), move |text: &str| format.amount(text).is_some());
        }
        options.build(&schema.to_json()).map(Validator).map_err(|error| error.to_string())
    }

    /// Whether a value fits the schema that this was made of.
    pub fn allows(&self, value: &Value, schema: &Schema) -> bool {
        let amount_fits = value.as_text().is_none_or(|text| schema.amount_mistake(text).is_none());
        amount_fits && serde_json::to_value(value).is_ok_and(|value| self.0.is_valid(&value))
    }
}

impl std::fmt::Debug for Validator {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Validator(…)")
    }
}

impl Schema {
    /// As JSON Schema.
    #[must_use]
    pub fn to_json(&self) -> serde_json::Value {
        let mut schema = Map::new();
        let mut put = |key: &str, value: Option<serde_json::Value>| {
            if let Some(value) = value {
                schema.insert(key.to_owned(), value);
            }
        };
        let whole = |bound: &Option<crate::document::Spanned<i64>>| bound.as_ref().map(|bound| json!(bound.value));
        put("type", self.ty.as_ref().map(|ty| json!(ty.value.as_str())));
        put("description", self.description.as_ref().map(|text| json!(text)));
        put("const", self.constant.as_ref().map(|value| json!(value.value)));
        put("enum", self.one_of.as_ref().map(|values| json!(values.value)));
        put("minimum", whole(&self.minimum));
        put("maximum", whole(&self.maximum));
        put("multipleOf", whole(&self.multiple_of));
        put("minLength", whole(&self.length_min));
        put("maxLength", whole(&self.length_max));
        put("pattern", self.pattern.as_ref().map(|pattern| json!(pattern.value)));
        put("format", self.format.as_ref().map(|format| json!(format.value.as_str())));
        put("formatMinimum", self.format_minimum.as_ref().map(|bound| json!(bound.value)));
        put("formatMaximum", self.format_maximum.as_ref().map(|bound| json!(bound.value)));
        put("items", self.items.as_ref().map(|items| items.to_json()));
        put("minItems", whole(&self.items_min));
        put("maxItems", whole(&self.items_max));
        put("uniqueItems", self.items_unique.as_ref().map(|unique| json!(unique.value)));
        if !self.properties.is_empty() {
            let properties = self.properties.iter().map(|(name, schema)| (name.clone(), schema.to_json()));
            put("properties", Some(serde_json::Value::Object(properties.collect())));
        }
        if !self.required.is_empty() {
            put("required", Some(json!(self.required)));
        }
        match &self.additional {
            Additional::Any => {}
            Additional::Nothing => put("additionalProperties", Some(json!(false))),
            Additional::As(schema) => put("additionalProperties", Some(schema.to_json())),
        }
        serde_json::Value::Object(schema)
    }
}

impl Parameter {
    /// Says what does not fit. `node` is where the value stands.
    pub fn check(&self, value: &Value, node: &Node, found: &mut Diagnostics) {
        if !value.pieces().is_empty() {
            return; // What it becomes is checked where it goes.
        }
        let Ok(json) = serde_json::to_value(value) else { return };
        let before = found.len();
        for error in self.validator.0.iter_errors(&json) {
            let pointer = error.instance_path().to_string();
            let (place, here) = (inside(node, &pointer), self.schema.at(&pointer));
            let what = format!("`{}`", pointer_name(&self.name.value, &pointer));
            let mistake = self.mistake(&error, &what, here).at(&place.place);
            found.push(mistake.related(&self.place, "what may be set stands here"));
        }
        if found.len() == before {
            found.extend(self.check_amounts(value, node));
        }
    }

    fn mistake(&self, error: &jsonschema::ValidationError<'_>, what: &str, here: Option<&Schema>) -> Diagnostic {
        let range =
            |code, wanted: String| Diagnostic::error(code, "parameter out of range", format!("{what} {wanted}"));
        match error.kind() {
            ValidationErrorKind::Minimum { limit } => range("out-of-range", format!("is at least {limit}")),
            ValidationErrorKind::Maximum { limit } => range("out-of-range", format!("is at most {limit}")),
            ValidationErrorKind::MinLength { limit } => {
                range("out-of-range", format!("has at least {limit} characters"))
            }
            ValidationErrorKind::MaxLength { limit } => {
                range("out-of-range", format!("has at most {limit} characters"))
            }
            ValidationErrorKind::MinItems { limit } => range("out-of-range", format!("has at least {limit} items")),
            ValidationErrorKind::MaxItems { limit } => range("out-of-range", format!("has at most {limit} items")),
            ValidationErrorKind::UniqueItems => range("out-of-range", "has each item once".to_owned()),
            ValidationErrorKind::MultipleOf { .. } => {
                let of = here.and_then(|schema| schema.multiple_of.as_ref()).map_or(1, |of| of.value);
                range("out-of-range", format!("is a multiple of {of}"))
            }
            ValidationErrorKind::Constant { expected_value } => {
                let detail = format!("{what} is fixed to {}", bare(expected_value));
                Diagnostic::error("fixed-parameter", "fixed parameter", detail)
            }
            ValidationErrorKind::Enum { options } => {
                let options = options.as_array().map(Vec::as_slice).unwrap_or_default();
                let words: Vec<String> = options.iter().map(|option| format!("`{}`", bare(option))).collect();
                let mistake =
                    Diagnostic::error("unknown-word", "unknown word", format!("{what} is {}", words.join(" or ")));
                let written = error.instance().as_str().unwrap_or_default();
                let known = options.iter().filter_map(serde_json::Value::as_str);
                crate::diagnostic::did_you_mean(written, known).into_iter().fold(mistake, Diagnostic::help)
            }
            ValidationErrorKind::Format { .. } => {
                let noun =
                    here.and_then(|schema| schema.format.as_ref()).map_or("of another format", |f| f.value.noun());
                Diagnostic::error("wrong-format", "wrong format", format!("{what} is {noun}"))
            }
            ValidationErrorKind::Pattern { pattern } => {
                Diagnostic::error("wrong-format", "wrong format", format!("{what} matches {pattern}"))
            }
            ValidationErrorKind::Type { .. } => {
                let noun = here.and_then(|schema| schema.ty.as_ref()).map_or("something else", |ty| ty.value.noun());
                Diagnostic::error("wrong-type", "wrong type", format!("{what} is {noun}"))
            }
            ValidationErrorKind::Required { property } => {
                let detail = format!("{what} needs `{}`", bare(property));
                Diagnostic::error("missing-key", "missing key", detail)
            }
            ValidationErrorKind::AdditionalProperties { unexpected } => {
                let detail = format!("{what} has no `{}`", unexpected.join("`, `"));
                Diagnostic::error("unknown-key", "unknown key", detail)
            }
            _ => Diagnostic::error("bad-parameter", "parameter does not fit", format!("{what}: {error}")),
        }
    }

    /// `formatMinimum` and `formatMaximum`, which JSON Schema itself does not know.
    fn check_amounts(&self, value: &Value, node: &Node) -> Diagnostics {
        let mut found = Diagnostics::new();
        self.schema.amounts(value, node, &mut |place_node, schema, text| {
            let Some(how) = schema.amount_mistake(text) else { return };
            let detail = format!("`{}` is {how}", self.name.value);
            let mistake = Diagnostic::error("out-of-range", "parameter out of range", detail).at(&place_node.place);
            found.push(mistake.related(&self.place, "what may be set stands here"));
        });
        found
    }
}

impl Schema {
    /// What is said of the value at a JSON pointer.
    fn at(&self, pointer: &str) -> Option<&Schema> {
        pointer.split('/').skip(1).try_fold(self, |schema, key| {
            let property = schema.properties.get(key);
            property.or(schema.items.as_deref()).or(match &schema.additional {
                Additional::As(schema) => Some(schema),
                _ => None,
            })
        })
    }

    /// How a text of a format is less than the least or more than the most.
    fn amount_mistake(&self, text: &str) -> Option<String> {
        let format = self.format.as_ref()?.value;
        let amount = format.amount(text)?;
        let bound = |bound: &Option<crate::document::Spanned<String>>| {
            bound.as_ref().and_then(|bound| Some((format.amount(&bound.value)?, bound.value.clone())))
        };
        match (bound(&self.format_minimum), bound(&self.format_maximum)) {
            (Some((least, text)), _) if amount < least => Some(format!("at least {text}")),
            (_, Some((most, text))) if amount > most => Some(format!("at most {text}")),
            _ => None,
        }
    }

    fn amounts(&self, value: &Value, node: &Node, see: &mut dyn FnMut(&Node, &Schema, &str)) {
        match (value, &node.shape) {
            (Value::Text(text), _) => see(node, self, text),
            (Value::List(items), Shape::List(nodes)) => {
                let Some(schema) = &self.items else { return };
                items.iter().zip(nodes).for_each(|(item, node)| schema.amounts(item, node, see));
            }
            (Value::Map(map), Shape::Map(nodes)) => {
                for (name, schema) in &self.properties {
                    if let (Some(value), Some(node)) = (map.get(name), nodes.get(name)) {
                        schema.amounts(value, node, see);
                    }
                }
            }
            _ => {}
        }
    }
}

/// The node at a JSON pointer, or the last one on the way to it.
fn inside<'n>(node: &'n Node, pointer: &str) -> &'n Node {
    pointer.split('/').skip(1).fold(node, |node, key| {
        let next = match &node.shape {
            Shape::Map(map) => map.get(key),
            Shape::List(items) => key.parse::<usize>().ok().and_then(|at| items.get(at)),
            Shape::Scalar(_) => None,
        };
        next.unwrap_or(node)
    })
}

fn pointer_name(name: &str, pointer: &str) -> String {
    format!("{name}{}", pointer.replace('/', "."))
}

/// A JSON value as a person writes it.
fn bare(value: &serde_json::Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}
