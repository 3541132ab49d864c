//! The keys of every map of a repository's files, and the answers to keys that people bring from elsewhere.

use crate::document::Answer::{Means, NotBuilt, Refused, Write};
use crate::document::Keys;

pub(super) const FILE: Keys = Keys {
    of: "a file of a repository",
    known: &["repository", "inherits", "definitions", "gates", "description"],
    answers: &[
        ("name", Means("repository")),
        ("extends", Means("inherits")),
        ("include", Means("inherits")),
        ("definition", Means("definitions")),
        ("slugs", Means("definitions")),
        ("resources", Means("definitions")),
        ("firewall", Means("gates")),
        ("gate", Means("gates")),
        ("world", Write("a world has a file of its own: worlds/<name>.yaml")),
        ("capabilities", Write("capabilities are a world's: worlds/<name>.yaml")),
        ("version", Write("a repository has no version: leave it out")),
    ],
};

pub(super) const DEFINITION: Keys = Keys {
    of: "a definition",
    known: &[
        "description",
        "inherits",
        "parameters",
        "exports",
        "choose",
        "fields",
        "secrets",
        "holds_data",
        "requires",
    ],
    answers: &[
        ("extends", Means("inherits")),
        ("from", Means("inherits")),
        ("params", Means("parameters")),
        ("inputs", Means("parameters")),
        ("variables", Means("parameters")),
        ("outputs", Means("exports")),
        ("output", Means("exports")),
        ("export", Means("exports")),
        ("kind", Write("write choose: [ { kind: aws/rds } ]")),
        ("kinds", Means("choose")),
        ("choices", Means("choose")),
        ("with", Write("what a definition sets stands under `fields`; what a developer may set, under `parameters`")),
        ("values", Means("fields")),
        ("field", Means("fields")),
        ("secret", Means("secrets")),
        ("depends_on", Means("requires")),
        ("stateful", Means("holds_data")),
        ("protected", Means("holds_data")),
        ("slug", Write("a definition's slug is its key")),
        ("capabilities", Write("a kind says which capability it needs: leave it out")),
        ("deprecated", NotBuilt),
    ],
};

pub(super) const CHOICE: Keys = Keys {
    of: "a choice",
    known: &["kind", "fields"],
    answers: &[
        ("use", Means("kind")),
        ("type", Means("kind")),
        ("with", Means("fields")),
        ("values", Means("fields")),
        ("when", Refused("the first choice whose kind the world can make is taken: a world's file says what it can")),
        ("if", Refused("the first choice whose kind the world can make is taken: a world's file says what it can")),
    ],
};

pub(super) const SECRET: Keys = Keys {
    of: "a definition's secret",
    known: &["generate"],
    answers: &[
        ("length", Means("generate")),
        ("value", Refused("secret values never stand in a file: a world's secret is `${secrets.NAME}`")),
    ],
};

pub(super) const GATE: Keys = Keys {
    of: "a gate",
    known: &["allow", "description"],
    answers: &[
        ("deny", Refused("a gate lets in what it allows, and nothing else")),
        ("rules", Means("allow")),
        ("from", Write("write allow: [ { from: 203.0.113.0/24 } ]")),
    ],
};

pub(super) const RULE: Keys = Keys {
    of: "a rule of a gate",
    known: &["from", "ports"],
    answers: &[("cidr", Means("from")), ("source", Means("from")), ("port", Means("ports")), ("to", Means("ports"))],
};

/// A repository that lies in git.
pub(super) const GIT: Keys =
    Keys { of: "a repository in git", known: &["git", "ref", "path"], answers: &[("branch", Means("ref"))] };

/// A parameter's schema: the words of JSON Schema that can be compared, so that a child is known never to widen.
pub(super) const SCHEMA: Keys = Keys {
    of: "a parameter",
    known: &[
        "type",
        "description",
        "title",
        "default",
        "const",
        "enum",
        "examples",
        "minimum",
        "maximum",
        "exclusiveMinimum",
        "exclusiveMaximum",
        "multipleOf",
        "minLength",
        "maxLength",
        "pattern",
        "format",
        "formatMinimum",
        "formatMaximum",
        "items",
        "minItems",
        "maxItems",
        "uniqueItems",
        "properties",
        "required",
        "additionalProperties",
    ],
    answers: &[
        ("min", Means("minimum")),
        ("max", Means("maximum")),
        ("values", Means("enum")),
        ("fixed", Means("const")),
        ("$ref", COMPARED),
        ("anyOf", COMPARED),
        ("oneOf", COMPARED),
        ("allOf", COMPARED),
        ("not", COMPARED),
        ("if", COMPARED),
        ("patternProperties", COMPARED),
        ("dependentSchemas", COMPARED),
    ],
};

const COMPARED: crate::document::Answer =
    Refused("a child may only narrow a parameter, and this word of JSON Schema cannot be compared");
