//! `${...}` in text: where references stand, and what they spell. What they mean is for the format's reader to say.

use super::tree::{Node, Scalar};
use crate::diagnostic::{Diagnostic, Diagnostics, Place};

/// Text with references in it.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Template {
    /// Its parts in order. Two texts never follow each other, and none is empty.
    pub parts: Vec<Part>,
}

/// A part of a template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Part {
    /// Text as it is; `$$` has become `$`.
    Text(String),
    /// `${a.b.c}`.
    Reference(Reference),
}

/// A reference as it is spelled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reference {
    /// The words between the dots; at least one, none empty: letters, digits, `-` and `_`.
    pub words: Vec<Box<str>>,
    /// From the `$` to the `}`.
    pub place: Place,
}

impl Template {
    /// Reads the references of a scalar. Null and what is no scalar have none.
    pub fn read(node: &Node, found: &mut Diagnostics) -> Template {
        match node.as_scalar() {
            Some(scalar) if !scalar.is_null() => Template::of(scalar, &node.place, found),
            _ => Template::default(),
        }
    }

    /// Reads the references of a scalar that stands at a place.
    fn of(scalar: &Scalar, place: &Place, found: &mut Diagnostics) -> Template {
        let mut template = Template::default();
        let mut rest = &*scalar.text;
        let mut marks = scalar.marks.iter();
        while let Some(at) = rest.find('$') {
            let (before, from) = rest.split_at(at);
            template.push_text(before);
            if let Some(after) = from.strip_prefix("$$") {
                template.push_text("$");
                if after.starts_with('{') {
                    marks.next();
                }
                rest = after;
            } else if let Some(inside) = from.strip_prefix("${") {
                let mark = marks.next().unwrap_or(place);
                let Some(end) = inside.find('}') else {
                    found.push(unclosed(mark));
                    return template;
                };
                match read_words(&inside[..end]) {
                    Ok(words) => template.parts.push(Part::Reference(Reference { words, place: mark.clone() })),
                    Err(mistake) => found.push((*mistake).at(mark)),
                }
                // A reference inside a reference has a mark of its own, which is passed over with it.
                (0..inside[..end].matches("${").count()).for_each(|_| {
                    marks.next();
                });
                rest = &inside[end + 1..];
            } else {
                template.push_text("$");
                rest = &from[1..];
            }
        }
        template.push_text(rest);
        template
    }

    /// The reference, if the whole is one: such a value keeps its type.
    #[must_use]
    pub fn as_reference(&self) -> Option<&Reference> {
        match self.parts.as_slice() {
            [Part::Reference(reference)] => Some(reference),
            _ => None,
        }
    }

    /// The text, if there is no reference in it.
    #[must_use]
    pub fn as_text(&self) -> Option<&str> {
        match self.parts.as_slice() {
            [] => Some(""),
            [Part::Text(text)] => Some(text),
            _ => None,
        }
    }

    /// The references in order.
    pub fn references(&self) -> impl Iterator<Item = &Reference> {
        self.parts.iter().filter_map(|part| match part {
            Part::Reference(reference) => Some(reference),
            Part::Text(_) => None,
        })
    }

    fn push_text(&mut self, text: &str) {
        match self.parts.last_mut() {
            _ if text.is_empty() => {}
            Some(Part::Text(before)) => before.push_str(text),
            _ => self.parts.push(Part::Text(text.to_owned())),
        }
    }
}

impl std::fmt::Display for Reference {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "${{{}}}", self.words.join("."))
    }
}

fn unclosed(mark: &Place) -> Diagnostic {
    Diagnostic::error("open-reference", "reference without an end", "there is no `}` behind this `${`")
        .at(mark)
        .help("close it, or write `$$` for a dollar sign")
}

fn read_words(inside: &str) -> Result<Vec<Box<str>>, Box<Diagnostic>> {
    let bad =
        |detail: String, help: &str| Box::new(Diagnostic::error("bad-reference", "not a reference", detail).help(help));
    let escape = "write `$$` for a dollar sign that is meant as it is";
    if inside.is_empty() {
        return Err(bad("nothing stands between `${` and `}`".to_owned(), escape));
    }
    if let Some((name, _)) = inside.split_once(":-").or_else(|| inside.split_once(":=")) {
        let detail = format!("a reference has no default of its own: `${{{name}}}` is there or is an error");
        return Err(bad(detail, escape));
    }
    let is_word =
        |word: &str| !word.is_empty() && word.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b));
    if inside.trim() != inside && inside.trim().split('.').all(is_word) {
        return Err(bad("spaces cannot stand in a reference".to_owned(), &format!("write `${{{}}}`", inside.trim())));
    }
    if !inside.split('.').all(is_word) {
        let detail = "a reference is names with dots between them, as in `${users.url}`".to_owned();
        return Err(bad(detail, escape));
    }
    Ok(inside.split('.').map(Box::from).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::Shape;

    fn read(text: &str) -> (Template, Diagnostics) {
        let node = Node { place: Place::new(&"t".into(), 1, 1, 1), shape: Shape::Scalar(Scalar::plain(text)) };
        let mut found = Diagnostics::new();
        (Template::read(&node, &mut found), found)
    }

    #[test]
    fn references_are_found_and_dollars_escaped() {
        let (template, found) = read("a ${users.url} $$ $${x} $HOME $");
        assert!(found.is_empty(), "{found:?}");
        let spelled: Vec<String> = template.references().map(ToString::to_string).collect();
        assert_eq!(spelled, ["${users.url}"]);
        assert_eq!(template.parts[2], Part::Text(" $ ${x} $HOME $".to_owned()));
        assert_eq!(read("${a.b-c.d_e}").0.as_reference().unwrap().words.len(), 3);
        assert_eq!(read("plain").0.as_text(), Some("plain"));
    }

    #[test]
    fn what_is_no_reference_is_said() {
        for bad in ["${", "${}", "${a", "${a..b}", "${A:-b}", "${ a.b }", "${a b}", "${a/b}", "${.a}"] {
            assert_eq!(read(bad).1.len(), 1, "{bad}");
        }
    }
}
