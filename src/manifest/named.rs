//! What `${...}` names: references by meaning, still without a world.

use crate::diagnostic::{Diagnostic, Diagnostics, nearest};
use crate::document::{Node, Part, Reference, Spanned, Template};
use crate::model::Name;

/// What a reference names.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Named {
    /// `NAME.OUTPUT`, or `NAME.PORT.OUTPUT` of another service: what a requirement answers.
    Output {
        /// The requirement.
        requirement: Name,
        /// A service's port; `None` is its first.
        port: Option<Name>,
        /// The output.
        output: Name,
    },
    /// `ports.NAME`: the number that the process is to listen on.
    Port(Name),
    /// `entrypoints.NAME.url`.
    EntrypointUrl(Name),
    /// `entrypoints.NAME.host`.
    EntrypointHost(Name),
    /// `files.NAME`: the file's real path.
    File(Name),
    /// `secrets.NAME`: a secret of the world.
    Secret(String),
    /// `world`: its name.
    World,
    /// `service`: its name.
    Service,
    /// `with.X`, of a definition: a parameter, or what stands inside one.
    With(Vec<String>),
    /// `self.X`, of a definition: what the kind answers.
    Own(Name),
    /// `secret.X`, of a definition: a secret that was made for it.
    Made(Name),
    /// `name`, of a definition: the name that external things get.
    Name,
}

/// Where a reference stands: what it may name depends on that.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Scope {
    /// In a manifest.
    Manifest,
    /// In a definition of a repository.
    Definition,
}

/// Text with references in it.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Text {
    /// Its parts in order. Two texts never follow each other, and none is empty.
    pub parts: Vec<TextPart>,
}

/// A part of a text.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum TextPart {
    /// As it is.
    Plain(String),
    /// What a reference names, and where the reference stands.
    Named(Spanned<Named>),
}

impl Text {
    /// Reads the text and the references of a scalar; of anything else the text is empty.
    pub fn read(node: &Node, scope: Scope, found: &mut Diagnostics) -> Text {
        let template = Template::read(node, found);
        let mut parts = Vec::with_capacity(template.parts.len());
        for part in template.parts {
            match part {
                Part::Text(text) => parts.push(TextPart::Plain(text)),
                Part::Reference(reference) => match Named::read(&reference, scope) {
                    Ok(named) => parts.push(TextPart::Named(Spanned { value: named, place: reference.place })),
                    Err(mistake) => found.push(*mistake),
                },
            }
        }
        Text { parts }
    }

    /// What is named, if the whole is one reference: such a value keeps its type.
    #[must_use]
    pub fn as_named(&self) -> Option<&Spanned<Named>> {
        match self.parts.as_slice() {
            [TextPart::Named(named)] => Some(named),
            _ => None,
        }
    }

    /// The text, if nothing is named in it.
    #[must_use]
    pub fn as_plain(&self) -> Option<&str> {
        match self.parts.as_slice() {
            [] => Some(""),
            [TextPart::Plain(text)] => Some(text),
            _ => None,
        }
    }

    /// Everything that is named, in order.
    pub fn named(&self) -> impl Iterator<Item = &Spanned<Named>> {
        self.parts.iter().filter_map(|part| match part {
            TextPart::Named(named) => Some(named),
            TextPart::Plain(_) => None,
        })
    }
}

impl Named {
    /// What a reference names.
    ///
    /// # Errors
    /// A diagnostic at the reference, when it can name nothing in that scope.
    pub fn read(reference: &Reference, scope: Scope) -> Result<Named, Box<Diagnostic>> {
        let words: Vec<&str> = reference.words.iter().map(|word| &**word).collect();
        let bad = |detail: String| {
            Box::new(Diagnostic::error("bad-reference", "not a reference", detail).at(&reference.place))
        };
        let name = |text: &str| Name::new(text).map_err(|why| bad(format!("{why}")));
        match (scope, words.as_slice()) {
            (_, ["world"]) => Ok(Named::World),
            (_, ["service"]) => Ok(Named::Service),
            (_, ["ports", port]) => Ok(Named::Port(name(port)?)),
            (_, ["files", file]) => Ok(Named::File(name(file)?)),
            (_, ["secrets", secret]) => Ok(Named::Secret((*secret).to_owned())),
            (_, ["entrypoints", entrypoint, "url"]) => Ok(Named::EntrypointUrl(name(entrypoint)?)),
            (_, ["entrypoints", entrypoint, "host"]) => Ok(Named::EntrypointHost(name(entrypoint)?)),
            (Scope::Definition, ["name"]) => Ok(Named::Name),
            (Scope::Definition, ["with", path @ ..]) if !path.is_empty() => {
                Ok(Named::With(path.iter().map(|&word| word.to_owned()).collect()))
            }
            (Scope::Definition, ["self", output]) => Ok(Named::Own(name(output)?)),
            (Scope::Definition, ["secret", made]) => Ok(Named::Made(name(made)?)),
            (_, [root, ..]) if is_root(root) => Err(explain_root(root, scope, &bad)),
            (_, [requirement, output]) => {
                Ok(Named::Output { requirement: name(requirement)?, port: None, output: name(output)? })
            }
            (_, [requirement, port, output]) => {
                Ok(Named::Output { requirement: name(requirement)?, port: Some(name(port)?), output: name(output)? })
            }
            (_, [word]) => Err(explain_word(word, &bad)),
            _ => Err(bad("a reference has at most three names: `${accounts.grpc.address}`".to_owned())),
        }
    }
}

const ROOTS: [&str; 9] = ["ports", "entrypoints", "files", "secrets", "env", "with", "self", "secret", "name"];

fn is_root(word: &str) -> bool {
    ROOTS.contains(&word) || word == "world" || word == "service"
}

/// What is wrong with a reference that begins with a word of ours.
fn explain_root(root: &str, scope: Scope, bad: &dyn Fn(String) -> Box<Diagnostic>) -> Box<Diagnostic> {
    match (root, scope) {
        ("world" | "service", _) => bad(format!("`${{{root}}}` is a name: nothing stands behind it")),
        ("ports", _) => bad("a port is written `${ports.http}`".to_owned()),
        ("files", _) => bad("a file is written `${files.settings}`".to_owned()),
        ("secrets", _) => bad("a secret is written `${secrets.API_KEY}`".to_owned()),
        ("entrypoints", _) => {
            bad("of an entrypoint `${entrypoints.web.url}` and `${entrypoints.web.host}` are known".to_owned())
        }
        ("env", _) => {
            helped(bad("variables do not refer to each other".to_owned()), "write its value out, or its source")
        }
        (_, Scope::Definition) => bad(format!("`{root}` takes one name, as in `${{{root}.x}}`")),
        (_, Scope::Manifest) => bad(format!("`{root}` is known in the definitions of a repository only")),
    }
}

/// What is wrong with a reference of one word.
fn explain_word(word: &str, bad: &dyn Fn(String) -> Box<Diagnostic>) -> Box<Diagnostic> {
    let mistake = bad(format!("`${{{word}}}` names nothing: a reference is `${{NAME.OUTPUT}}` of a requirement"));
    match nearest(word, ["world", "service"]) {
        Some(near) => helped(mistake, format!("did you mean `${{{near}}}`?")),
        None => helped(mistake, "write `$$` for a dollar sign that is meant as it is"),
    }
}

fn helped(mut mistake: Box<Diagnostic>, help: impl Into<String>) -> Box<Diagnostic> {
    mistake.help.push(help.into());
    mistake
}

impl std::fmt::Display for Named {
    /// As it is written, without `${` and `}`.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Named::Output { requirement, port: None, output } => write!(f, "{requirement}.{output}"),
            Named::Output { requirement, port: Some(port), output } => write!(f, "{requirement}.{port}.{output}"),
            Named::Port(name) => write!(f, "ports.{name}"),
            Named::EntrypointUrl(name) => write!(f, "entrypoints.{name}.url"),
            Named::EntrypointHost(name) => write!(f, "entrypoints.{name}.host"),
            Named::File(name) => write!(f, "files.{name}"),
            Named::Secret(name) => write!(f, "secrets.{name}"),
            Named::World => f.write_str("world"),
            Named::Service => f.write_str("service"),
            Named::With(path) => write!(f, "with.{}", path.join(".")),
            Named::Own(name) => write!(f, "self.{name}"),
            Named::Made(name) => write!(f, "secret.{name}"),
            Named::Name => f.write_str("name"),
        }
    }
}
