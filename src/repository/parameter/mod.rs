//! Parameters: what a developer may set of a slug with `with:`, as JSON Schema.
//!
//! [`Schema`] holds the words of JSON Schema that can be compared: a child of a definition may fix, narrow, or give
//! another default, and never widen ([`Schema::wider_than`]). Values are typed by their schema ([`Schema::typed`]) and
//! then validated by the `jsonschema` crate ([`Parameter::check`]).

mod narrow;
mod read;
mod schema;
mod typed;
mod validate;

pub use narrow::Wider;
pub(crate) use read::Extent;
pub use schema::{Additional, Format, Schema, SchemaType};

use crate::diagnostic::Place;
use crate::document::{Node, Spanned};
use crate::model::Name;
use std::sync::Arc;

/// One parameter of a definition.
#[derive(Clone, Debug)]
pub struct Parameter {
    /// Its name, where it was first written.
    pub name: Spanned<Name>,
    /// What it may be.
    pub schema: Schema,
    /// What it is where nothing is set; `None` has to be set.
    pub default: Option<Node>,
    /// Where what is known of it was said last.
    pub place: Place,
    validator: Arc<validate::Validator>,
}

impl Parameter {
    /// Whether a child has fixed it: nothing else can be set.
    #[must_use]
    pub fn is_fixed(&self) -> bool {
        self.schema.constant.is_some()
    }

    /// What it may be, for a list of slugs: `20-500`, `64Mi-8Gi`, `a|b`; nothing where its type is all there is to say.
    #[must_use]
    pub fn range(&self) -> Option<String> {
        self.schema.range()
    }
}
