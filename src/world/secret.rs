//! `secrets`: where a world's secrets come from. Values never stand in the file.

use super::keys::SECRET;
use crate::diagnostic::{Diagnostic, Diagnostics, SECRET_IN_FILE, did_you_mean};
use crate::document::{Entry, Map, Node, Spanned};
use crate::model::Name;

/// Where one secret comes from.
#[derive(Clone, Debug)]
pub struct SecretSource {
    /// Its name, where it is written.
    pub name: Spanned<String>,
    /// From where.
    pub from: SecretFrom,
    /// `key`: one field of a secret that is JSON.
    pub key: Option<Spanned<String>>,
    /// `for`: the services that may use it; `None` is all.
    pub only_for: Option<Vec<Spanned<Name>>>,
}

/// From where a secret comes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum SecretFrom {
    /// deployd's own store: `deployd secret set WORLD NAME`.
    Store,
    /// `env`: a variable of the server's environment.
    Env(Spanned<String>),
    /// `file`: a file of the server's machine.
    File(Spanned<String>),
    /// `aws`: AWS Secrets Manager, by name.
    Aws(Spanned<String>),
    /// `kubernetes`: a Secret of the world's namespace, by name.
    Kubernetes(Spanned<String>),
}

/// What people call the value where they write it down.
const VALUES: [&str; 2] = ["value", "text"];

/// The longest name of a secret: more cannot be a variable that anybody reads.
const NAME_LENGTH_MAX: usize = 128;

/// Whether a text names a secret: letters, digits, `_` and `-`, beginning with a letter or `_`.
#[must_use]
pub fn is_secret_name(text: &str) -> bool {
    let inside = text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-');
    inside && text.len() <= NAME_LENGTH_MAX && text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
}

impl SecretSource {
    pub(super) fn read(entry: &Entry, found: &mut Diagnostics) -> Option<SecretSource> {
        let name = read_name(&entry.key.clone().map(String::from), found);
        if entry.value.as_text().is_some_and(|text| !text.is_empty()) {
            found.push(stands_here(&entry.key.value, &entry.value));
            return None;
        }
        let map = entry.value.map("where a secret comes from", found)?;
        // What stands under a key that nobody knows may be the secret itself.
        let mut known: Map = map.clone();
        let has_answer = |key: &str| SECRET.answers.iter().any(|(known, _)| *known == key && !VALUES.contains(known));
        let is_value = |of: &Entry| {
            let key = &*of.key.value;
            of.value.as_text().is_some() && !SECRET.known.contains(&key) && !has_answer(key)
        };
        known.entries.retain(|entry| !is_value(entry));
        for value in map.entries.iter().filter(|entry| is_value(entry)) {
            let mut mistake = stands_here(&entry.key.value, &value.value);
            mistake.help.extend(did_you_mean(&value.key.value, SECRET.known.iter().copied()));
            found.push(mistake);
        }
        SECRET.check(&known, found);
        let written: Vec<&Entry> =
            ["env", "file", "aws", "kubernetes"].into_iter().filter_map(|key| map.entry(key)).collect();
        if let [first, second, ..] = written.as_slice() {
            let detail = "a secret comes from one place";
            let mistake = Diagnostic::error("one-of-them", "one of them", detail).at(&second.key.place);
            found.push(mistake.related(&first.key.place, "the other"));
        }
        let from = match written.first() {
            None => SecretFrom::Store,
            Some(entry) => read_from(entry, found)?,
        };
        let key = map.get("key").and_then(|node| Some(node.words("`key`", found)?.map(str::to_owned)));
        let only_for = map.get("for").and_then(|node| read_for(node, found));
        Some(SecretSource { name: name?, from, key, only_for })
    }
}

/// A value where only the place that it comes from can stand. It is never repeated.
fn stands_here(secret: &str, value: &Node) -> Diagnostic {
    let detail = "secret values never stand in a file";
    let mistake = Diagnostic::error(SECRET_IN_FILE, "secret in a file", detail).at(&value.place);
    mistake.help(format!("take it away, and once: deployd secret set WORLD {secret}"))
}

/// A secret's name, or a diagnostic.
pub(super) fn read_name(text: &Spanned<String>, found: &mut Diagnostics) -> Option<Spanned<String>> {
    if is_secret_name(&text.value) {
        return Some(text.clone());
    }
    let detail = "a secret's name is letters, digits, `_` and `-`, as in API_KEY";
    found.push(Diagnostic::error("bad-name", "not a name", detail).at(&text.place));
    None
}

fn read_from(entry: &Entry, found: &mut Diagnostics) -> Option<SecretFrom> {
    let what = format!("`{}`", entry.key.value);
    let text = entry.value.words(&what, found)?.map(str::to_owned);
    match &*entry.key.value {
        "env" => {
            let fits = |c: char| c.is_ascii_alphanumeric() || c == '_';
            if !text.value.chars().all(fits) || text.value.starts_with(|c: char| c.is_ascii_digit()) {
                let detail = "`env` names a variable of the server's environment, as in GITHUB_TOKEN";
                found.push(Diagnostic::error("bad-name", "not a name", detail).at(&text.place));
                return None;
            }
            Some(SecretFrom::Env(text))
        }
        "file" => {
            if !text.value.starts_with('/') || text.value.split('/').any(|part| part == "..") {
                let detail = "`file` is an absolute path of the server's machine, without `..`";
                found.push(Diagnostic::error("bad-path", "not such a path", detail).at(&text.place));
                return None;
            }
            Some(SecretFrom::File(text))
        }
        "aws" => Some(SecretFrom::Aws(text)),
        _ => Some(SecretFrom::Kubernetes(text)),
    }
}

fn read_for(node: &Node, found: &mut Diagnostics) -> Option<Vec<Spanned<Name>>> {
    let items = node.list("`for`", found)?;
    if items.is_empty() {
        let detail = "without `for` every service may use it; with none, nobody may";
        found.push(Diagnostic::error("empty-list", "empty list", detail).at(&node.place).help("leave it out"));
    }
    Some(items.iter().filter_map(|item| item.name("a service's name", found)).collect())
}
