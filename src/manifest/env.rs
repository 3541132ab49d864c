//! What a process is given: variables, secrets and files.

use super::{RelativePath, Text};
use crate::document::Spanned;
use crate::model::Name;

/// A variable of `env`.
#[derive(Clone, Debug)]
pub struct Variable {
    /// Its name, where it is written.
    pub name: Spanned<String>,
    /// Its value; `None` is `null`, which takes away a variable that would arrive.
    pub value: Spanned<Option<Text>>,
}

/// A secret of the world that arrives in a variable.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SecretUse {
    /// The variable, where it is written.
    pub variable: Spanned<String>,
    /// The secret's name in the world; the variable's unless it is said.
    pub secret: Spanned<String>,
    /// `key`: one field of a secret that is JSON.
    pub key: Option<Spanned<String>>,
}

/// A file that a process is given.
#[derive(Clone, Debug)]
pub struct File {
    /// Its name, where it is written.
    pub name: Spanned<Name>,
    /// What stands in it.
    pub content: FileContent,
    /// `at`: where it is found, an absolute path; `None` is wherever `${files.NAME}` says.
    pub at: Option<Spanned<String>>,
}

/// What stands in a file.
#[derive(Clone, Debug)]
pub enum FileContent {
    /// `from`: a file of the service. `${...}` in it is filled in.
    From(Spanned<RelativePath>),
    /// `text`.
    Text(Spanned<Text>),
}
