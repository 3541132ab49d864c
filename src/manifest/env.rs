//! What a process is given: variables, secrets and files.

use super::keys::{FILE, SECRET};
use super::reading::{Reading, plain_of};
use super::{RelativePath, Text, secret_text};
use crate::diagnostic::Diagnostic;
use crate::document::{Entry, Map, Node, Shape, Spanned, Style};
use crate::model::Name;
use std::collections::BTreeMap;

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

/// The longest name of a variable.
const VARIABLE_LENGTH_MAX: usize = 256;

/// The name of a variable, as shells know it.
fn read_variable(key: &Spanned<Box<str>>, cx: &mut Reading<'_>) -> Option<Spanned<String>> {
    let text = &*key.value;
    let is_variable = !text.is_empty()
        && text.len() <= VARIABLE_LENGTH_MAX
        && !text.starts_with(|c: char| c.is_ascii_digit())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    if is_variable {
        return Some(Spanned::new(text.to_owned(), &key.place));
    }
    let detail = "a variable's name is made of letters, digits and `_`, and begins with no digit";
    let mut mistake = Diagnostic::error("bad-variable", "not a variable's name", detail).at(&key.place);
    let underscored = text.replace(['-', '.', ' '], "_");
    let could_be = !underscored.starts_with(|c: char| c.is_ascii_digit())
        && underscored.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    if !underscored.is_empty() && could_be {
        mistake = mistake.help(format!("write {underscored}"));
    }
    cx.push(mistake);
    None
}

impl Variable {
    pub(super) fn read_all(node: &Node, cx: &mut Reading<'_>) -> BTreeMap<String, Variable> {
        if node.as_list().is_some() {
            let mistake = node.mistake("expected-map", "expected a map", "`env`", "a map of names and values");
            cx.push(mistake.help("write env: { LOG_LEVEL: info }"));
            return BTreeMap::new();
        }
        let Some(map) = node.map("`env`", cx.found) else { return BTreeMap::new() };
        let variables = map.entries.iter().filter_map(|entry| Variable::read(entry, cx));
        variables.map(|variable| (variable.name.value.clone(), variable)).collect()
    }

    fn read(entry: &Entry, cx: &mut Reading<'_>) -> Option<Variable> {
        let name = read_variable(&entry.key, cx);
        let node = &entry.value;
        let value = match node.as_scalar() {
            Some(scalar) if scalar.style == Style::Nothing => {
                let detail = format!("nothing stands behind `{}`", entry.key.value);
                let mistake = Diagnostic::error("no-value", "no value", detail).at(&entry.key.place);
                cx.push(mistake.help("write \"\" for empty text, or null to take the variable away"));
                return None;
            }
            Some(scalar) if scalar.is_null() => node.spanned(None),
            Some(_) => cx.filled(node, "a variable")?.map(Some),
            None => {
                cx.push(node.mistake("expected-text", "expected text", "a variable", "text"));
                return None;
            }
        };
        if let Some(plain) = value.value.as_ref().and_then(plain_of)
            && let Some(mistake) = secret_text::check(&entry.key.value, plain, &node.place)
        {
            cx.push(mistake);
        }
        Some(Variable { name: name?, value })
    }
}

impl SecretUse {
    /// A list of names and of maps, or one map.
    pub(super) fn read_all(node: &Node, cx: &mut Reading<'_>) -> BTreeMap<String, SecretUse> {
        let mut secrets = BTreeMap::new();
        match &node.shape {
            Shape::Map(map) => SecretUse::read_map(map, &mut secrets, cx),
            Shape::List(items) => {
                for item in items {
                    match &item.shape {
                        Shape::Map(map) => SecretUse::read_map(map, &mut secrets, cx),
                        _ => SecretUse::read_name(item, &mut secrets, cx),
                    }
                }
            }
            Shape::Scalar(_) => {
                let mut mistake = node.mistake("expected-list", "expected a list", "`secrets`", "a list of names");
                if let Some(text) = node.as_text() {
                    mistake = mistake.help(format!("write secrets: [{text}]"));
                }
                cx.push(mistake);
            }
        }
        secrets
    }

    fn read_name(item: &Node, secrets: &mut BTreeMap<String, SecretUse>, cx: &mut Reading<'_>) {
        let Some(text) = cx.text(item, "a secret's name") else { return };
        if let Some((name, _)) = text.split_once(['=', ':']) {
            // `secrets: ["API_KEY=..."]`: the value is a secret, and is not repeated.
            let mistake =
                Diagnostic::error(crate::diagnostic::SECRET_IN_FILE, "secret in a file", "only its name stands here");
            let help = format!("write secrets: [{name}], and once: deployd secret set WORLD {name}");
            cx.push(mistake.at(&item.place).help(help));
            return;
        }
        let key = Spanned::new(Box::from(text.value.as_str()), &item.place);
        let Some(variable) = read_variable(&key, cx) else { return };
        let secret = variable.clone();
        SecretUse { variable, secret, key: None }.add_to(secrets, cx);
    }

    fn read_map(map: &Map, secrets: &mut BTreeMap<String, SecretUse>, cx: &mut Reading<'_>) {
        for entry in &map.entries {
            let variable = read_variable(&entry.key, cx);
            if entry.value.as_text().is_some() {
                let detail = format!("`{}` takes a secret's name, and one field of it", entry.key.value);
                let mistake = Diagnostic::error(crate::diagnostic::SECRET_IN_FILE, "secret in a file", detail);
                let help = format!("write {}: {{ secret: NAME }}", entry.key.value);
                cx.push(mistake.at(&entry.value.place).help(help));
                continue;
            }
            let Some(map) = entry.value.map("a secret", cx.found) else { continue };
            SECRET.check(map, cx.found);
            let secret = map.get("secret").map(|node| cx.text(node, "`secret`"));
            let key = map.get("key").and_then(|node| cx.text(node, "`key`"));
            let Some(variable) = variable else { continue };
            let secret = match secret {
                None => variable.clone(),
                Some(None) => continue,
                Some(Some(secret)) => secret,
            };
            SecretUse { variable, secret, key }.add_to(secrets, cx);
        }
    }

    fn add_to(self, secrets: &mut BTreeMap<String, SecretUse>, cx: &mut Reading<'_>) {
        if let Some(first) = secrets.get(&self.variable.value) {
            let detail = format!("`{}` stands here twice", self.variable.value);
            let mistake = Diagnostic::error("duplicate-name", "duplicate name", detail).at(&self.variable.place);
            cx.push(mistake.related(&first.variable.place, "first here"));
            return;
        }
        secrets.insert(self.variable.value.clone(), self);
    }
}

impl File {
    pub(super) fn read(entry: &Entry, cx: &mut Reading<'_>) -> Option<File> {
        let name = entry.key.name("a file's name", cx.found);
        let map = entry.value.map("a file", cx.found)?;
        FILE.check(map, cx.found);
        let at = map.get("at").and_then(|node| read_target(node, cx));
        let content = match (map.entry("from"), map.entry("text")) {
            (Some(from), None) => FileContent::From(cx.path(&from.value, "`from`")?),
            (None, Some(text)) => {
                let filled = cx.filled(&text.value, "`text`")?;
                let plain = text.value.as_text().unwrap_or_default();
                if let Some(mistake) = secret_text::check(&entry.key.value, plain, &text.value.place) {
                    cx.push(mistake);
                }
                FileContent::Text(filled)
            }
            (from, _) => {
                let detail = "a file has `from` or `text`: what stands in it";
                let mut mistake = Diagnostic::error("one-of-them", "one of them", detail).at(&entry.key.place);
                if let (Some(from), Some(text)) = (from, map.entry("text")) {
                    mistake = mistake.at(&text.key.place).related(&from.key.place, "the other");
                }
                cx.push(mistake);
                return None;
            }
        };
        Some(File { name: name?, content, at })
    }
}

/// Where a file is found: an absolute path that names one file.
fn read_target(node: &Node, cx: &mut Reading<'_>) -> Option<Spanned<String>> {
    let at = cx.text(node, "`at`")?;
    let names_a_file = at.starts_with('/') && !at.ends_with('/') && !at.contains(|c: char| c.is_control());
    if names_a_file && !at.split('/').skip(1).any(|part| matches!(part, "" | "." | "..")) {
        return Some(at);
    }
    let detail = "`at` is an absolute path of one file, as in /etc/guestbook/settings.yml";
    cx.push(Diagnostic::error("bad-path", "not an absolute path", detail).at(&node.place));
    None
}
