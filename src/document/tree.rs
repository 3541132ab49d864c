//! The tree: nodes, maps and scalars, each with its place.

use super::trap::Mended;
use crate::diagnostic::Place;
use std::sync::Arc;

/// One document of a file.
#[derive(Clone, Debug)]
pub struct Document {
    /// What it holds. An empty document holds a scalar of style [`Style::Nothing`].
    pub root: Node,
    /// Whether all of it could be read. Of a document that is not whole, what is missing says nothing: readers report
    /// no missing keys then, since the mistake that hides them is told already.
    pub whole: bool,
    /// What was mended so that reading could go on, of the whole file.
    pub(super) mended: Arc<[Mended]>,
}

/// A value and where it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spanned<T> {
    /// The value.
    pub value: T,
    /// Where it stands.
    pub place: Place,
}

/// A value of the tree.
#[derive(Clone, Debug)]
pub struct Node {
    /// Where it stands; of a list or map that fills several lines, its first line.
    pub place: Place,
    /// What it is.
    pub shape: Shape,
}

/// The three shapes of YAML.
#[derive(Clone, Debug)]
pub enum Shape {
    /// Text that no schema has given a type yet.
    Scalar(Scalar),
    /// Values in order.
    List(Vec<Node>),
    /// Values by key, in the order of the file.
    Map(Map),
}

/// A scalar as it was written.
#[derive(Clone, Debug)]
pub struct Scalar {
    /// The text, without quotes, escapes resolved.
    pub text: Box<str>,
    /// How it was written.
    pub style: Style,
    /// Where each `${` of the text stands, if there is one: escapes, folding and indentation make that uncomputable
    /// later. Empty when the text has none.
    pub marks: Box<[Place]>,
}

/// How a scalar was written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Style {
    /// Not at all: `key:` with nothing behind it.
    Nothing,
    /// Without quotes: the only style that can be null, a flag or a number.
    Plain,
    /// In `'` or `"`.
    Quoted,
    /// As a block, `|` or `>`.
    Block,
}

/// A map: entries in the order of the file, each key once.
#[derive(Clone, Debug, Default)]
pub struct Map {
    /// The entries.
    pub entries: Vec<Entry>,
}

/// A key and its value.
#[derive(Clone, Debug)]
pub struct Entry {
    /// The key's text.
    pub key: Spanned<Box<str>>,
    /// The value.
    pub value: Node,
}

impl<T> Spanned<T> {
    /// Puts the two together.
    pub fn new(value: T, place: &Place) -> Spanned<T> {
        Spanned { value, place: place.clone() }
    }

    /// Another value at the same place.
    pub fn map<U>(self, change: impl FnOnce(T) -> U) -> Spanned<U> {
        Spanned { value: change(self.value), place: self.place }
    }
}

impl<T> std::ops::Deref for Spanned<T> {
    type Target = T;
    fn deref(&self) -> &T {
        &self.value
    }
}

impl Node {
    /// The scalar, if it is one.
    #[must_use]
    pub fn as_scalar(&self) -> Option<&Scalar> {
        match &self.shape {
            Shape::Scalar(scalar) => Some(scalar),
            _ => None,
        }
    }

    /// The scalar's text, if it is one and is not null.
    #[must_use]
    pub fn as_text(&self) -> Option<&str> {
        self.as_scalar().filter(|scalar| !scalar.is_null()).map(|scalar| &*scalar.text)
    }

    /// The items, if it is a list.
    #[must_use]
    pub fn as_list(&self) -> Option<&[Node]> {
        match &self.shape {
            Shape::List(items) => Some(items),
            _ => None,
        }
    }

    /// The map, if it is one.
    #[must_use]
    pub fn as_map(&self) -> Option<&Map> {
        match &self.shape {
            Shape::Map(map) => Some(map),
            _ => None,
        }
    }

    /// Whether it is null: `null`, `~`, or nothing behind the key.
    #[must_use]
    pub fn is_null(&self) -> bool {
        self.as_scalar().is_some_and(Scalar::is_null)
    }

    /// What it is, for messages: `a list`, `nothing`, `text`.
    #[must_use]
    pub fn noun(&self) -> &'static str {
        match &self.shape {
            Shape::List(_) => "a list",
            Shape::Map(_) => "a map",
            Shape::Scalar(scalar) if scalar.style == Style::Nothing => "nothing",
            Shape::Scalar(scalar) if scalar.is_null() => "null",
            Shape::Scalar(scalar) if scalar.flag().is_some() => "true or false",
            Shape::Scalar(scalar) if scalar.whole().is_some() => "a number",
            Shape::Scalar(_) => "text",
        }
    }

    /// A value at this node's place.
    pub fn spanned<T>(&self, value: T) -> Spanned<T> {
        Spanned::new(value, &self.place)
    }
}

impl Scalar {
    /// Text that we make ourselves, as if it had been written without quotes.
    #[must_use]
    pub fn plain(text: &str) -> Scalar {
        Scalar { text: text.into(), style: Style::Plain, marks: Box::default() }
    }

    /// Whether it is YAML's null. Quoted text never is.
    #[must_use]
    pub fn is_null(&self) -> bool {
        match self.style {
            Style::Nothing => true,
            Style::Plain => matches!(&*self.text, "~" | "null" | "Null" | "NULL"),
            Style::Quoted | Style::Block => false,
        }
    }

    /// The flag, if it is one of YAML 1.2's core words. `yes` and `on` are text.
    #[must_use]
    pub fn flag(&self) -> Option<bool> {
        match (self.style, &*self.text) {
            (Style::Plain, "true" | "True" | "TRUE") => Some(true),
            (Style::Plain, "false" | "False" | "FALSE") => Some(false),
            _ => None,
        }
    }

    /// The whole number, if it is one in canonical form: no leading zero, no `+`, no `_`, no other base. So its text
    /// can always be had back from it.
    #[must_use]
    pub fn whole(&self) -> Option<i64> {
        if self.style != Style::Plain {
            return None;
        }
        let digits = self.text.strip_prefix('-').unwrap_or(&self.text);
        let canonical = match digits.as_bytes() {
            [b'0'] => self.text.len() == 1,
            [b'1'..=b'9', rest @ ..] => rest.iter().all(u8::is_ascii_digit),
            _ => false,
        };
        if canonical { self.text.parse().ok() } else { None }
    }
}

impl Map {
    /// The value of a key.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Node> {
        self.entry(key).map(|entry| &entry.value)
    }

    /// The entry of a key: where a mistake is in the key itself.
    #[must_use]
    pub fn entry(&self, key: &str) -> Option<&Entry> {
        self.entries.iter().find(|entry| &*entry.key.value == key)
    }

    /// The keys in order.
    pub fn keys(&self) -> impl Iterator<Item = &str> {
        self.entries.iter().map(|entry| &*entry.key.value)
    }
}
