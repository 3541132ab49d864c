//! Answers to questions about files: who set a value, what a world offers, why a service cannot go there.

use super::names::{Files, listed};
use super::page::{Page, Text, Tone};
use super::table::Table;
use crate::diagnostic::{Look, Owner};
use crate::model::Name;
use crate::server::api::question::{Explanation, Link, Misfit, WhyNot};
use crate::server::api::world::{Parameter, Slug};

/// Where one value comes from.
#[must_use]
pub fn explanation(explained: &Explanation, files: &Files, look: Look) -> String {
    let mut page = Page::new(look);
    let value = [Text::new(Tone::Strong, &explained.path), Text::plain(" = "), Text::plain(&explained.value)];
    let mut of = format!("{}, {}", explained.address, explained.kind);
    if let Some(slug) = &explained.stands_in_for {
        of.push_str(&format!(", stands in for {slug}"));
    }
    let used: usize = value.iter().map(Text::width).sum();
    if used + 2 + of.len() <= look.width {
        let gap = Text::plain(" ".repeat(VALUE_COLUMN.saturating_sub(used).max(2)));
        page.line(0, &[&value[..], &[gap, Text::new(Tone::Quiet, of)]].concat());
    } else {
        page.beside(0, &value[..2], &value[2]);
        page.line(2, &[Text::new(Tone::Quiet, of)]);
    }
    let mut table = Table::new();
    explained.chain.iter().for_each(|link| table.row(link_row(link, files)));
    table.put(&mut page, 2);
    page.folded(2, &Text::plain(may_set(explained)));
    page.text()
}

/// The column at which it is said whose value it is, where there is room.
const VALUE_COLUMN: usize = 39;

/// All values of a stack, each with the place that has the last word.
#[must_use]
pub fn explanations(all: &[Explanation], files: &Files, look: Look) -> String {
    let mut page = Page::new(look);
    let mut rest = all;
    while let Some(first) = rest.first() {
        let (of_one, others) = rest.split_at(rest.iter().take_while(|one| one.address == first.address).count());
        rest = others;
        let mut head = format!("{}, {}", first.address, first.kind);
        if let Some(slug) = &first.stands_in_for {
            head.push_str(&format!(", stands in for {slug}"));
        }
        page.line(0, &[Text::new(Tone::Strong, head)]);
        let mut table = Table::new();
        for one in of_one {
            let link = one.chain.first();
            let place = link.and_then(|link| link.place.as_ref());
            let from = place.map(|place| files.place(place)).or_else(|| link.map(said_by));
            table.row(vec![
                Text::plain(&one.path),
                Text::plain(&one.value),
                Text::new(Tone::Quiet, from.unwrap_or_default()),
            ]);
        }
        table.put(&mut page, 2);
        if !rest.is_empty() {
            page.gap();
        }
    }
    page.text()
}

fn link_row(link: &Link, files: &Files) -> Vec<Text> {
    let place = link.place.as_ref().map(|place| files.place(place)).unwrap_or_default();
    vec![Text::new(Tone::Accent, &link.how), Text::plain(place), Text::plain(said_by(link))]
}

fn said_by(link: &Link) -> String {
    match &link.value {
        Some(value) => format!("{}: {value}", link.who),
        None => link.who.clone(),
    }
}

/// What the reader may set, and whose the value is.
fn may_set(explained: &Explanation) -> String {
    let path = &explained.path;
    let whose = match &explained.owner {
        Owner::Developer => return format!("you may set {path}"),
        Owner::World(world) => format!("{path} belongs to world {world}"),
        Owner::Repository(repository) => format!("{path} belongs to repository {repository}"),
    };
    let names: Vec<String> = explained.may_set.iter().map(ToString::to_string).collect();
    if names.is_empty() { whose } else { format!("you may set {} (with:); {whose}", listed(&names)) }
}

/// What a world can be asked for.
#[must_use]
pub fn slugs(slugs: &[Slug], look: Look) -> String {
    let mut page = Page::new(look);
    let mut table = Table::new();
    let heads = ["SLUG", "WHAT", "YOU MAY SET", "OUTPUTS"];
    table.row(heads.iter().map(|head| Text::new(Tone::Quiet, head)).collect());
    let mut before: Option<Vec<&Name>> = None;
    for slug in slugs {
        let outputs: Vec<&Name> = slug.outputs.iter().collect();
        let same = before.as_ref() == Some(&outputs) && outputs.len() > 1;
        let names = outputs.iter().map(|output| output.as_str()).collect::<Vec<_>>().join(" ");
        table.row(vec![
            Text::new(if slug.kind.is_some() && !slug.broken { Tone::Strong } else { Tone::Quiet }, &slug.slug),
            Text::plain(what(slug)),
            Text::plain(slug.parameters.iter().map(parameter).collect::<Vec<_>>().join(", ")),
            Text::plain(if same { "the same".to_owned() } else { names }),
        ]);
        before = Some(outputs);
    }
    table.put(&mut page, 2);
    page.text()
}

fn what(slug: &Slug) -> String {
    let mut what = slug.what.clone().unwrap_or_default();
    let mut add = |text: String| {
        if !what.is_empty() {
            what.push(' ');
        }
        what.push_str(&text);
    };
    match (&slug.kind, &slug.stand_in) {
        _ if slug.broken => add("(has mistakes: deployd check)".to_owned()),
        (Some(kind), Some(_)) => add(format!("(stands in: {kind})")),
        (Some(_), None) => {}
        (None, _) if slug.needs.is_empty() => add("(not here)".to_owned()),
        (None, _) => add(format!("(not here: needs {})", slug.needs.join(" or "))),
    }
    what
}

fn parameter(parameter: &Parameter) -> String {
    let range = parameter.range.as_ref().map(|range| format!(" {range}")).unwrap_or_default();
    let must = if parameter.required { " (must be set)" } else { "" };
    format!("{}{range}{must}", parameter.name)
}

/// Why services cannot go to a world.
#[must_use]
pub fn why_not(answer: &WhyNot, files: &Files, look: Look) -> String {
    let mut page = Page::new(look);
    for (index, service) in answer.services.iter().enumerate() {
        if index > 0 {
            page.gap();
        }
        let (name, world) = (Text::new(Tone::Strong, &service.service), &answer.world);
        if service.fits {
            page.line(0, &[name, Text::plain(format!(" can go to {world}"))]);
            continue;
        }
        page.line(0, &[name, Text::plain(format!(" cannot go to {world}:"))]);
        service.misfits.iter().for_each(|misfit| put_misfit(&mut page, misfit, world, files));
        if !service.diagnostics.is_empty() {
            let drawn = super::found::diagnostics(&service.diagnostics, files, look);
            drawn.lines().for_each(|line| page.drawn(line));
        }
    }
    page.text()
}

fn put_misfit(page: &mut Page, misfit: &Misfit, world: &Name, files: &Files) {
    let needs: Vec<String> = misfit.needs.iter().map(|need| format!("`{need}`")).collect();
    let needs = if needs.is_empty() { "what no capability gives".to_owned() } else { needs.join(" or ") };
    let defined = format!("{}:{}", files.name(&misfit.defined.file), misfit.defined.line);
    let has = has(misfit);
    let sentence = format!("{} needs {needs} ({}, {defined}); {world} has {has}", misfit.requirement, misfit.slug);
    page.folded(2, &Text::plain(sentence));
    for (index, nearest) in misfit.nearest.iter().enumerate() {
        let front = if index == 0 { "nearest: " } else { "or " };
        page.beside(2, &[Text::plain(front)], &Text::new(Tone::Accent, nearest));
    }
}

fn has(misfit: &Misfit) -> String {
    let lacks: Vec<String> = misfit.lacks.iter().map(ToString::to_string).collect();
    let lacks =
        if lacks.is_empty() { String::new() } else { format!("; what could stand in offers no {}", listed(&lacks)) };
    format!("{}{lacks}", misfit.has.join(", "))
}
