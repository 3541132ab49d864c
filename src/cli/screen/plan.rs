//! The plan: what would be done, by what the manifest names; where asked for, field by field, with what is held and what
//! would need leave.

use super::group::{Group, Mark, groups};
use super::names::{age, called, commands, count, line_of, short};
use super::page::{Page, Text, Tone};
use super::table::Table;
use super::waiting::waits;
use crate::diagnostic::Look;
use crate::model::Milliseconds;
use crate::server::api::plan::{Line, Plan, Step, Verdict};
use crate::state::ConsentAct;
use serde_json::Value as Json;

/// How much of a plan is shown.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Detail<'d> {
    /// What happens, a line for each name: before it is done.
    Names,
    /// Fields, reasons, what is held, and how to do it: `deployd plan`.
    Fields {
        /// What `deployd apply` is to be told to do it.
        apply: &'d str,
    },
}

/// The code of what is not planned before another stack offers it.
const NOT_OFFERED: &str = "not_offered";

/// A plan as a person reads it.
#[must_use]
pub fn plan(plan: &Plan, detail: Detail<'_>, look: Look) -> String {
    let mut page = Page::new(look);
    let groups = groups(plan);
    if plan.report.waiting.iter().any(|line| line.code == NOT_OFFERED) {
        let text = format!("{} cannot be planned yet: it stays as it is", plan.stack);
        page.line(0, &[Text::plain(text)]);
    } else if plan.steps.is_empty() && plan.report.held.is_empty() && plan.report.needs_consent.is_empty() {
        page.line(0, &[Text::plain(nothing_to_do(plan))]);
    } else {
        heading(&mut page, plan);
        match detail {
            Detail::Names => names(&mut page, &groups),
            Detail::Fields { .. } => fields(&mut page, &groups),
        }
        page.line(2, &[Text::plain(counted(&groups))]);
    }
    report(&mut page, plan, detail);
    if let Detail::Fields { apply } = detail {
        leave(&mut page, plan);
        ways_on(&mut page, plan, apply);
    }
    page.text()
}

/// `nothing to do: guestbook is as asked (checked 14 things)`
#[must_use]
pub fn nothing_to_do(plan: &Plan) -> String {
    let checked = count(plan.report.unchanged as usize, "thing", "things");
    format!("nothing to do: {} is as asked (checked {checked})", plan.stack)
}

/// The tone of what happens to something.
fn tone(mark: Mark) -> Tone {
    match mark {
        Mark::Create => Tone::Good,
        Mark::Change => Tone::Warn,
        Mark::Replace | Mark::Delete => Tone::Bad,
        Mark::Keep | Mark::Held => Tone::Quiet,
    }
}

fn heading(page: &mut Page, plan: &Plan) {
    let mut texts = vec![Text::new(Tone::Strong, &plan.stack)];
    texts.extend(plan.revision.as_ref().map(|revision| Text::plain(format!(", revision {}", short(revision)))));
    page.line(0, &texts);
}

/// A line for each name, but what is kept.
fn names(page: &mut Page, groups: &[Group]) {
    let mut table = Table::new();
    let told: Vec<&Group> = groups.iter().filter(|group| group.mark != Mark::Keep || group.migrates()).collect();
    told.iter().for_each(|group| table.row(row(group)));
    table.put_with(page, 2, |page, index| migrations(page, told[index]));
}

/// What runs once on data, and may not be taken back: nobody hears of it only when it has run.
fn migrations(page: &mut Page, group: &Group) {
    for (name, step) in group.migrations() {
        let run = step.fields.as_ref().and_then(|fields| fields.get("run")?.as_array()?.last());
        let command = run.and_then(commands).unwrap_or_default();
        page.folded(6, &Text::plain(format!("runs {name}: {command}")));
    }
}

fn row(group: &Group) -> Vec<Text> {
    let place = group.about.and_then(|about| about.place.as_ref()).map(line_of).unwrap_or_default();
    let name = format!("{} {}", group.mark.sign(), group.name);
    let kind = group.kind.as_ref().map(ToString::to_string).unwrap_or_default();
    let quiet = if matches!(group.mark, Mark::Keep | Mark::Held) { Tone::Quiet } else { Tone::Plain };
    vec![
        Text::new(tone(group.mark), name),
        Text::new(quiet, kind),
        Text::new(quiet, group.note()),
        Text::new(Tone::Quiet, place),
    ]
}

/// All names, and under each that is changed its fields and why.
fn fields(page: &mut Page, groups: &[Group]) {
    let mut table = Table::new();
    groups.iter().for_each(|group| table.row(row(group)));
    table.put_with(page, 2, |page, index| {
        migrations(page, &groups[index]);
        changes(page, &groups[index]);
    });
}

/// Why, and which fields, each with its place.
fn changes(page: &mut Page, group: &Group) {
    if matches!(group.mark, Mark::Create | Mark::Keep | Mark::Held) {
        return;
    }
    if group.mark != Mark::Delete {
        group.reasons().iter().for_each(|reason| page.folded(6, &Text::new(Tone::Quiet, reason)));
    }
    let mut table = Table::new();
    for (path, change) in group.fields() {
        let place = change.place.as_ref().map(line_of).unwrap_or_default();
        let [from, to] = [&change.from, &change.to].map(|side| value_of(&change.path, side.as_ref()));
        table.row(vec![Text::plain(path), Text::plain(format!("{from} → {to}")), Text::new(Tone::Quiet, place)]);
    }
    table.put(page, 6);
}

/// The value of a field: commands as people write them.
#[must_use]
pub fn value_of(path: &str, shown: Option<&Json>) -> String {
    let is_command = path == "run" || path.ends_with(".run");
    shown.filter(|_| is_command).and_then(commands).unwrap_or_else(|| value(shown))
}

/// A digest as text, and what is shown of it.
const DIGEST_LETTERS: usize = 64;
const SHORT: usize = 7;

/// A value as a person reads it.
#[must_use]
pub fn value(value: Option<&Json>) -> String {
    match value {
        None => "(not set)".to_owned(),
        Some(Json::String(text)) if text.is_empty() => "\"\"".to_owned(),
        // A digest: its first letters tell it from another.
        Some(Json::String(text))
            if text.len() == DIGEST_LETTERS && text.bytes().all(|letter| letter.is_ascii_hexdigit()) =>
        {
            text[..SHORT].to_owned()
        }
        Some(Json::String(text)) => text.clone(),
        Some(Json::Array(items)) => {
            let items: Vec<String> = items.iter().map(|item| self::value(Some(item))).collect();
            format!("[{}]", items.join(", "))
        }
        Some(other) => other.to_string(),
    }
}

/// `3 to create · nothing to change · nothing to delete`
fn counted(groups: &[Group]) -> String {
    let of = |mark: Mark| groups.iter().filter(|group| group.mark == mark).count();
    let said = |number: usize, act: &str| match number {
        0 => format!("nothing to {act}"),
        number => format!("{number} to {act}"),
    };
    let mut parts = vec![said(of(Mark::Create), "create"), said(of(Mark::Change), "change")];
    if of(Mark::Replace) > 0 {
        parts.push(said(of(Mark::Replace), "replace"));
    }
    parts.push(said(of(Mark::Delete), "delete"));
    if let held @ 1.. = of(Mark::Held) {
        parts.push(format!("{held} held"));
    }
    parts.join(" · ")
}

/// What is waited for, held, kept and noted.
fn report(page: &mut Page, plan: &Plan, detail: Detail<'_>) {
    let report = &plan.report;
    let mut lines: Vec<(&str, Tone, &Line)> = Vec::new();
    lines.extend(once(&report.held).map(|line| ("held", Tone::Warn, line)));
    if detail != Detail::Names {
        lines.extend(report.kept.iter().map(|line| ("kept", Tone::Plain, line)));
    }
    lines.extend(report.noted.iter().map(|line| ("note", Tone::Plain, line)));
    let waits = if detail == Detail::Names { Vec::new() } else { waits(report) };
    if lines.is_empty() && waits.is_empty() {
        return;
    }
    page.gap();
    waits.iter().for_each(|wait| wait.put(page, 2));
    lines.iter().for_each(|(word, tone, line)| report_line(page, 2, word, *tone, line));
}

/// Lines of which several replicas have the same are said once.
pub(super) fn once(lines: &[Line]) -> impl Iterator<Item = &Line> {
    let same = |one: &Line, other: &Line| called(&one.at) == called(&other.at) && one.why == other.why;
    lines
        .iter()
        .enumerate()
        .filter(move |(index, line)| !lines[..*index].iter().any(|before| same(before, line)))
        .map(|(_, line)| line)
}

/// One line of a report on its own.
#[must_use]
pub fn line(word: &str, line: &Line, look: Look) -> String {
    let mut page = Page::new(look);
    report_line(&mut page, 2, word, if word == "held" { Tone::Warn } else { Tone::Plain }, line);
    page.text()
}

/// `held     users: storage cannot shrink from 50 to 20`, and the way out below it.
pub(super) fn report_line(page: &mut Page, indent: usize, word: &str, tone: Tone, line: &Line) {
    let since = line.since.map(|since| format!(" ({})", age(Milliseconds(since)))).unwrap_or_default();
    let text = format!("{}: {}{since}", called(&line.at), line.why.text);
    page.beside(indent, &[Text::new(tone, format!("{word:<7}")), Text::plain("  ")], &Text::plain(text));
    line.why.way_out.iter().for_each(|way| page.way_out(indent + 9, way));
}

/// What would be done with a person's leave.
fn leave(page: &mut Page, plan: &Plan) {
    if !needs_leave(plan) {
        return;
    }
    page.gap();
    page.line(2, &[Text::new(Tone::Warn, "would need your consent")]);
    let mut table = Table::new();
    for needs in plan.report.needs_consent.iter().filter(|needs| needs.act != ConsentAct::Adopt) {
        let address = &needs.identity.address;
        let step = plan.steps.iter().find(|step| step.identity == needs.identity);
        let what = step.map(kind_of).unwrap_or_default();
        table.row(vec![
            Text::plain(format!("{} {}", consent(needs.act), address.short())),
            Text::plain(what),
            Text::new(Tone::Quiet, loses(needs.act)),
        ]);
    }
    table.put(page, 4);
}

/// Whether leave for the plan would do something. What is not ours is adopted by its id, with a command of its own.
#[must_use]
pub fn needs_leave(plan: &Plan) -> bool {
    plan.report.needs_consent.iter().any(|needs| needs.act != ConsentAct::Adopt)
}

fn kind_of(step: &Step) -> String {
    step.kind.to_string()
}

/// The verb of a consent.
#[must_use]
pub fn consent(act: ConsentAct) -> &'static str {
    match act {
        ConsentAct::Delete => "delete",
        ConsentAct::Replace => "replace",
        ConsentAct::Shrink => "shrink",
        ConsentAct::Adopt => "adopt",
        ConsentAct::Recreate => "make anew",
    }
}

fn loses(act: ConsentAct) -> &'static str {
    match act {
        ConsentAct::Delete => "after a backup",
        ConsentAct::Replace => "what it holds is lost",
        ConsentAct::Shrink => "what does not fit is lost",
        ConsentAct::Adopt => "it is deployd's from then on",
        ConsentAct::Recreate => "an empty one, in place of one that is gone",
    }
}

/// Whether nothing of it could be looked at: a world whose rooms are not built, or do not answer.
fn is_unseen(plan: &Plan) -> bool {
    !plan.steps.is_empty() && plan.steps.iter().all(|step| step.because.code == "not_looked_at")
}

/// What to do with the plan.
fn ways_on(page: &mut Page, plan: &Plan, apply: &str) {
    let digest = short(&plan.digest);
    let way = |page: &mut Page, what: &str, command: String| {
        page.line(0, &[Text::plain(what), Text::new(Tone::Accent, command)]);
    };
    match &plan.verdict {
        Verdict::AwaitApproval { why, .. } => {
            page.gap();
            page.folded(0, &Text::new(Tone::Warn, format!("needs approval: {}", why.text)));
            way(page, "approve it   ", format!("deployd approve {} {digest}", plan.stack));
        }
        _ if needs_leave(plan) => {
            page.gap();
            way(page, "give leave   ", format!("deployd approve {} {digest}", plan.stack));
        }
        _ if is_unseen(plan) => {
            page.gap();
            page.folded(
                0,
                &Text::plain(format!("plan {digest} · nothing of it could be looked at, so nothing would be done yet")),
            );
        }
        _ if !plan.steps.is_empty() => {
            page.gap();
            way(page, &format!("plan {digest} · deploy it: "), format!("deployd apply {apply}"));
        }
        _ => {}
    }
}
