//! What differs between two releases, by the names of the manifest: files first, then fields.

use super::group::{fields, is_number};
use super::names::count;
use super::page::{Page, Text, Tone};
use super::plan::value_of;
use super::table::Table;
use crate::diagnostic::Look;
use crate::model::Name;
use crate::plan::Act;
use crate::server::api::deployment::{Diff, Difference, Release};

/// More files than these are counted.
const FILES_MAX: usize = 20;

/// What differs of one name.
struct Differs<'d> {
    name: &'d Name,
    parts: Vec<&'d Difference>,
    act: Act,
}

/// What differs between two releases.
#[must_use]
pub fn diff(diff: &Diff, look: Look) -> String {
    let mut page = Page::new(look);
    let named = |release: &Release| Text::new(Tone::Strong, &release.label);
    page.line(0, &[named(&diff.from), Text::plain(" → "), named(&diff.to)]);
    let secrets = secrets(diff);
    if diff.differs.is_empty() && diff.files.is_empty() && secrets.is_empty() {
        page.line(2, &[Text::plain("nothing differs")]);
        return page.text();
    }
    let differs = by_name(diff);
    let mut table = Table::new();
    differs.iter().for_each(|one| table.row(row(one)));
    table.put_with(&mut page, 2, |page, index| told(page, &differs[index], diff));
    if !differs.iter().any(has_files) && !diff.files.is_empty() {
        page.beside(2, &[Text::plain("files  ")], &Text::plain(files(diff)));
    }
    if !secrets.is_empty() {
        page.beside(2, &[Text::plain("secrets  ")], &Text::plain(secrets.join(", ")));
    }
    page.text()
}

/// The secrets that both use, and that say something else in the newer one: by their names. Those that only one of them uses
/// are told by the fields that use them.
fn secrets(diff: &Diff) -> Vec<&str> {
    let (from, to) = (&diff.from.secrets, &diff.to.secrets);
    let moved = to.iter().filter(|(name, version)| from.get(*name).is_some_and(|before| before != *version));
    moved.map(|(name, _)| name.as_str()).collect()
}

fn by_name(diff: &Diff) -> Vec<Differs<'_>> {
    let mut all: Vec<(&Name, Vec<&Difference>)> = Vec::new();
    for one in &diff.differs {
        let name = &one.address.name;
        match all.iter_mut().find(|(known, _)| *known == name) {
            Some((_, parts)) => parts.push(one),
            None => all.push((name, vec![one])),
        }
    }
    let had = |release: &Release, name: &Name| release.nodes.iter().any(|node| node.address.name == *name);
    let act = |name: &Name, parts: &[&Difference]| match () {
        () if parts.iter().all(|one| one.act == Act::Create) && !had(&diff.from, name) => Act::Create,
        () if parts.iter().all(|one| one.act == Act::Delete) && !had(&diff.to, name) => Act::Delete,
        () => Act::Update,
    };
    all.into_iter().map(|(name, parts)| Differs { act: act(name, &parts), name, parts }).collect()
}

/// What does the work of a name: its replicas, else what the name itself stands for.
fn mains<'d>(one: &Differs<'d>) -> Vec<&'d Difference> {
    let numbered: Vec<&Difference> = one.parts.iter().copied().filter(|part| is_replica(part)).collect();
    if !numbered.is_empty() {
        return numbered;
    }
    let itself = one.parts.iter().copied().find(|part| part.address.part.is_none());
    itself.or(one.parts.first().copied()).into_iter().collect()
}

fn is_replica(part: &Difference) -> bool {
    part.address.part.as_deref().is_some_and(is_number)
}

fn row(one: &Differs) -> Vec<Text> {
    let (sign, tone) = match one.act {
        Act::Create => ("+", Tone::Good),
        Act::Delete => ("-", Tone::Bad),
        _ => ("~", Tone::Warn),
    };
    let kind = mains(one).first().map(|main| main.kind.to_string()).unwrap_or_default();
    vec![Text::new(tone, format!("{sign} {}", one.name)), Text::plain(kind)]
}

/// What differs of a name, below it.
fn told(page: &mut Page, one: &Differs, diff: &Diff) {
    if one.act == Act::Delete {
        return;
    }
    scaling(one).iter().for_each(|text| page.line(6, &[Text::plain(text)]));
    let mains = mains(one);
    let others = one.parts.iter().copied().filter(|part| !mains.iter().any(|main| main.address == part.address));
    // What is made is told by what does its work; of what is changed, a part may change alone.
    let of_made = one.act == Act::Create;
    let is_told = |part: &&Difference| of_made || !matches!(part.act, Act::Create | Act::Delete);
    let told = mains.iter().copied().chain(others.filter(|_| !of_made)).filter(is_told);
    let all = told.flat_map(|part| part.fields.iter().map(move |field| (part.address.part.as_deref(), field)));
    let mut table = Table::new();
    for (path, change) in fields(all) {
        let text = match one.act {
            _ if change.path == "content" && !diff.files.is_empty() => files(diff),
            Act::Create => value_of(&change.path, change.to.as_ref()),
            _ => {
                let [from, to] = [&change.from, &change.to].map(|side| value_of(&change.path, side.as_ref()));
                format!("{from} → {to}")
            }
        };
        table.row(vec![Text::plain(path), Text::plain(text)]);
    }
    table.put(page, 6);
}

fn has_files(one: &Differs) -> bool {
    one.parts.iter().any(|part| part.fields.iter().any(|field| field.path == "content"))
}

/// `1 process more`
fn scaling(one: &Differs) -> Option<String> {
    let number = |act: Act| one.parts.iter().filter(|part| is_replica(part) && part.act == act).count();
    match (one.act, number(Act::Create), number(Act::Delete)) {
        (Act::Update, more @ 1.., _) => Some(format!("{} more", count(more, "process", "processes"))),
        (Act::Update, _, fewer @ 1..) => Some(format!("{} fewer", count(fewer, "process", "processes"))),
        _ => None,
    }
}

/// `app.py templates/index.html`
fn files(diff: &Diff) -> String {
    let shown = diff.files.iter().take(FILES_MAX).cloned().collect::<Vec<_>>().join(" ");
    match diff.files.len().saturating_sub(FILES_MAX) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}
