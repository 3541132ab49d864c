//! What a service needs, and does not run itself.

use crate::diagnostic::Place;
use crate::document::{Map, Spanned};
use crate::model::Name;

/// One entry of `requires`.
#[derive(Clone, Debug)]
pub struct Requirement {
    /// What it is called in this service; of a slug or service that is given no name, that one's.
    pub name: Spanned<Name>,
    /// What is wanted.
    pub wants: Wants,
    /// `was`: its former name.
    pub was: Option<Spanned<Name>>,
    /// `wait`: whether it must be well before this service first starts; `None` is yes.
    pub wait: Option<Spanned<bool>>,
    /// Where the entry stands.
    pub place: Place,
}

/// What a requirement wants.
#[derive(Clone, Debug)]
pub enum Wants {
    /// `use`, or the short form: something new, made for this service.
    Slug {
        /// The slug.
        slug: Spanned<Name>,
        /// `with`: what the developer sets. Values keep the text that was written, since the slug's parameters give
        /// them their types; `${...}` in them is checked, and read with [`super::Text::read`].
        with: Map,
        /// `shared`: whether others of this world may use it; `None` is no.
        shared: Option<Spanned<bool>>,
    },
    /// `of`: what another service shares, or the world has.
    Of(Spanned<Of>),
    /// `service`: another service of the same world.
    Service(Spanned<Name>),
}

/// What exists already and is used: `shop.orders`, or `kafka` of the world.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Of {
    /// The service that shares it, or the world's resource.
    pub stack: Name,
    /// The requirement of that service that made it; `None` is a resource of the world itself.
    pub requirement: Option<Name>,
}

impl std::fmt::Display for Of {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.requirement {
            Some(requirement) => write!(f, "{}.{requirement}", self.stack),
            None => write!(f, "{}", self.stack),
        }
    }
}
