//! How the stacks of a world are.

use super::names::{age, count, short, span};
use super::page::{Page, Text, Tone};
use super::plan::{once, report_line};
use super::table::{Layout, Table};
use super::waiting::waits;
use crate::diagnostic::Look;
use crate::model::{Milliseconds, Name, Wall};
use crate::server::api::deployment::{Condition, Deployment};
use crate::server::api::stack::{Resource, Stack};
use crate::server::api::words::Why;
use crate::state::{DeploymentState, StackState};
use std::collections::BTreeMap;

/// How all stacks of a world are.
#[must_use]
pub fn stacks(world: &Name, stacks: &[Stack], now: Wall, look: Look) -> String {
    let mut page = Page::new(look);
    let mut head = vec![Text::plain("world "), Text::new(Tone::Strong, world)];
    head.push(Text::plain(format!(" · {}", counted(stacks.len()))));
    if !stacks.is_empty() {
        head.extend([Text::plain(" · "), settled(stacks)]);
    }
    page.line(0, &head);
    if stacks.is_empty() {
        page.line(2, &[Text::plain("run a folder's services: "), Text::new(Tone::Accent, "deployd up FOLDER")]);
        return page.text();
    }
    let mut table = Table::new();
    let heads = ["STACK", "STATE", "REVISION", "SINCE", "WHERE"];
    table.row(heads.iter().map(|head| Text::new(Tone::Quiet, head)).collect());
    stacks.iter().for_each(|stack| table.row(row(stack, now)));
    // Two columns of what is below a stack stand under the stack's own.
    let below: Vec<Vec<(Name, String, String, Tone)>> = stacks.iter().map(parts).collect();
    table.align(0, below.iter().flatten().map(|(name, ..)| name.len() + 2).max().unwrap_or(0));
    table.align(1, below.iter().flatten().map(|(_, state, ..)| state.len()).max().unwrap_or(0));
    let Layout { widths, between } = table.layout(look.width.saturating_sub(2));
    let between = " ".repeat(between);
    table.put_with(&mut page, 2, |page, index| {
        let Some(index) = index.checked_sub(1) else { return };
        for (name, state, rest, tone) in &below[index] {
            let front = [
                Text::plain(format!("  {name:<width$}{between}", width = widths[0] - 2)),
                Text::new(*tone, format!("{state:<width$}", width = widths[1])),
                Text::plain(&between),
            ];
            page.beside(2, &front, &Text::plain(rest));
        }
        said(page, &stacks[index], now);
    });
    page.text()
}

fn counted(stacks: usize) -> String {
    if stacks == 0 { "no stacks".to_owned() } else { count(stacks, "stack", "stacks") }
}

/// One word about all of them.
fn settled(stacks: &[Stack]) -> Text {
    let unwell = stacks.iter().filter(|stack| is_unwell(stack)).count();
    let moving = stacks.iter().filter(|stack| !stack.live.is_empty()).count();
    match (unwell, moving) {
        (0, 0) => Text::new(Tone::Good, "settled"),
        (0, moving) => Text::new(Tone::Warn, format!("{moving} changing")),
        (unwell, 0) => Text::new(Tone::Bad, format!("{unwell} to look at")),
        (unwell, moving) => Text::new(Tone::Bad, format!("{unwell} to look at · {moving} changing")),
    }
}

fn is_unwell(stack: &Stack) -> bool {
    stack.set_aside.is_some()
        || stack.state == Some(StackState::Broken)
        || is_down(stack)
        || stack.conditions.keys().any(|condition| condition != "waiting" && condition != "paused")
        || !stack.report.held.is_empty()
        || stack.resources.iter().any(|resource| is_bad(&resource.condition))
        // Nothing brings it about, and yet it is not there: a replica that is not well any more.
        || (stack.live.is_empty() && stack.resources.iter().any(|one| matches!(one.condition, Condition::Settling { .. })))
}

/// It was good, and nothing of it runs now.
fn is_down(stack: &Stack) -> bool {
    stack.state == Some(StackState::Available) && stack.serves == Some(false)
}

fn is_bad(condition: &Condition) -> bool {
    matches!(condition, Condition::Failed { .. } | Condition::Unknown { .. } | Condition::NotOurs)
}

fn row(stack: &Stack, now: Wall) -> Vec<Text> {
    let state = match stack.state {
        _ if is_down(stack) => "unavailable".to_owned(),
        Some(state) => state.to_string(),
        None => "set aside".to_owned(),
    };
    let tone = match stack.state {
        _ if is_down(stack) => Tone::Bad,
        Some(StackState::Available) => Tone::Good,
        Some(StackState::Broken) | None => Tone::Bad,
        Some(StackState::Stopped | StackState::Deleted) => Tone::Plain,
        Some(_) => Tone::Warn,
    };
    let since = stack.since.map(|since| age(now.since(since.0))).unwrap_or_default();
    vec![
        Text::new(Tone::Strong, &stack.name),
        Text::new(tone, state),
        Text::plain(stack.label.as_deref().unwrap_or_default()),
        Text::plain(since),
        Text::new(Tone::Accent, stack.urls.join(" ")),
    ]
}

/// What a stack consists of beside its service: what it requires, and what is not well.
fn parts(stack: &Stack) -> Vec<(Name, String, String, Tone)> {
    let mut by_name: BTreeMap<&Name, Vec<&Resource>> = BTreeMap::new();
    for resource in &stack.resources {
        by_name.entry(&resource.identity.address.name).or_default().push(resource);
    }
    let line = |(name, resources): (&Name, Vec<&Resource>)| {
        let about = stack.about.get(name.as_str());
        let is_asked_for = about.is_some_and(|about| about.slug.is_some());
        let holds_data = resources.iter().any(|resource| resource.holds_data);
        let worst = resources.iter().copied().max_by_key(|resource| badness(&resource.condition))?;
        if !is_asked_for && !holds_data && badness(&worst.condition) < BAD {
            return None;
        }
        let main = resources.iter().find(|resource| resource.holds_data || resource.identity.address.part.is_none());
        let main = main.copied().unwrap_or(worst);
        let mut rest = vec![main.kind.to_string()];
        rest.extend(about.and_then(|about| about.stands_in_for.as_ref()).map(|slug| format!("stands in for {slug}")));
        if holds_data {
            rest.push("holds data: protected".to_owned());
        }
        let (word, more, tone) = condition(&worst.condition);
        rest.extend(more);
        Some((name.clone(), word.to_owned(), rest.join(", "), tone))
    };
    by_name.into_iter().filter_map(line).collect()
}

/// From here on a condition is shown whatever it is of.
const BAD: u8 = 3;

fn badness(condition: &Condition) -> u8 {
    match condition {
        Condition::Ready | Condition::Done => 0,
        Condition::Waiting { .. }
        | Condition::NotSeen
        | Condition::Parked
        | Condition::AtRest { .. }
        | Condition::Leaving
        | Condition::Absent => 1,
        Condition::Asked | Condition::Settling { .. } => 2,
        Condition::NotOurs | Condition::Unknown { .. } => BAD,
        Condition::Failed { .. } => BAD + 1,
    }
}

/// A condition in a word, what is to be said beside it, and its tone.
#[must_use]
pub fn condition(condition: &Condition) -> (&'static str, Option<String>, Tone) {
    match condition {
        Condition::Asked => ("asked", None, Tone::Warn),
        Condition::Settling { what } => ("settling", Some(what.clone()), Tone::Warn),
        Condition::Ready => ("ready", None, Tone::Good),
        Condition::Done => ("done", None, Tone::Good),
        Condition::Failed { why } => ("failed", Some(why.text.clone()), Tone::Bad),
        Condition::AtRest { why } => ("at rest", Some(why.text.clone()), Tone::Plain),
        Condition::Leaving => ("leaving", None, Tone::Warn),
        Condition::Absent => ("absent", None, Tone::Plain),
        Condition::Unknown { why } => ("unknown", Some(why.text.clone()), Tone::Bad),
        Condition::Parked => ("parked", Some("kept from a release that failed".to_owned()), Tone::Plain),
        Condition::NotOurs => ("not ours", Some("something of that name is there already".to_owned()), Tone::Bad),
        Condition::NotSeen => ("not seen", None, Tone::Plain),
        Condition::Waiting { what } => ("waiting", Some(what.clone()), Tone::Warn),
    }
}

/// What else is to be said of a stack: deployments on their way, conditions, what is waited for and held.
fn said(page: &mut Page, stack: &Stack, now: Wall) {
    if let Some(why) = &stack.set_aside {
        reason(page, "set aside", Tone::Bad, why);
    }
    stack.live.iter().for_each(|deployment| live(page, deployment, now));
    for (condition, why) in stack.conditions.iter().filter(|(condition, _)| *condition != "waiting") {
        reason(page, &condition.replace('_', " "), Tone::Warn, why);
    }
    waits(&stack.report).iter().for_each(|wait| wait.put(page, 4));
    once(&stack.report.held).for_each(|line| report_line(page, 4, "held", Tone::Warn, line));
    stack.report.kept.iter().for_each(|line| report_line(page, 4, "kept", Tone::Plain, line));
    once(&stack.report.noted).for_each(|line| report_line(page, 4, "note", Tone::Plain, line));
}

fn reason(page: &mut Page, word: &str, tone: Tone, why: &Why) {
    page.beside(4, &[Text::new(tone, word), Text::plain("  ")], &Text::plain(&why.text));
    why.details.iter().for_each(|detail| page.folded(6, &Text::new(Tone::Quiet, detail)));
    why.way_out.iter().for_each(|way| page.way_out(6, way));
}

fn live(page: &mut Page, deployment: &Deployment, now: Wall) {
    let label = deployment.label.clone().or_else(|| deployment.revision.as_ref().map(short)).unwrap_or_default();
    let label = if label.is_empty() { String::new() } else { format!(" to {label}") };
    let time = span(Milliseconds(now.since(deployment.accepted.0).0));
    let text =
        format!("deployment {}{label}: {}, {} ({time})", deployment.number, deployment.state, deployment.because);
    let tone = if deployment.state == DeploymentState::AwaitingApproval { Tone::Warn } else { Tone::Plain };
    page.folded(4, &Text::new(tone, text));
}
