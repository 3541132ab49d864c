//! What `up` and its like say around plan and progress: where one is, what changed, what came of it.

use super::group::{Group, Mark, groups, is_of_files};
use super::names::{count, listed, short, time_of_day};
use super::page::{Page, Text, Tone};
use super::plan::nothing_to_do;
use super::progress::Labels;
use crate::diagnostic::{Look, nearest};
use crate::model::Name;
use crate::server::api::deployment::{Condition, Deployment};
use crate::server::api::event::LogLine;
use crate::server::api::plan::Plan;
use crate::server::api::stack::{Resource, Stack};
use crate::server::api::words::{Moment, Why};
use crate::server::api::world::World;
use crate::state::{DeploymentState, StackState};
use jiff::tz::TimeZone;
use std::collections::{BTreeMap, BTreeSet};

/// `world laptop: local processes · watching examples/guestbook`
#[must_use]
pub fn world(world: &World, folder: &str, watches: bool, look: Look) -> String {
    let mut page = Page::new(look);
    let makes = world.capabilities.iter().map(|capability| makes(capability));
    let makes = makes.collect::<Vec<_>>().join(", ");
    let watching = if watches { "watching" } else { "from" };
    page.line(
        0,
        &[
            Text::plain("world "),
            Text::new(Tone::Strong, &world.name),
            Text::plain(format!(": {makes} · {watching} {folder}")),
        ],
    );
    page.gap();
    page.text()
}

/// A capability as people say it.
fn makes(capability: &str) -> &str {
    match capability {
        "deploy:local" => "local processes",
        "deploy:docker" => "containers",
        "deploy:kubernetes" => "Kubernetes",
        "deploy:simulated" => "simulated",
        other => other,
    }
}

/// What was found of stacks when a server began, after it had ended without saying so.
#[must_use]
pub fn found_again(stacks: &[Stack], look: Look) -> String {
    let found: Vec<String> = stacks.iter().flat_map(found_of).collect();
    let mut page = Page::new(look);
    if !found.is_empty() {
        let text = format!("found again after an unclean stop: {}", found.join(", "));
        page.folded(0, &Text::plain(text));
    }
    page.text()
}

fn found_of(stack: &Stack) -> Vec<String> {
    let mut by_name: BTreeMap<&Name, Vec<&Resource>> = BTreeMap::new();
    for resource in stack.resources.iter().filter(|resource| resource.condition == Condition::Ready) {
        by_name.entry(&resource.identity.address.name).or_default().push(resource);
    }
    let mut found = Vec::new();
    let processes = by_name.remove(&stack.name).unwrap_or_default();
    let processes = processes.iter().filter(|one| is_numbered(one)).count();
    if processes > 0 {
        found.push(format!("{} ({}, still serving)", stack.name, count(processes, "process", "processes")));
    }
    let lasting = by_name.iter().filter(|(name, resources)| {
        let is_asked_for = stack.about.get(name.as_str()).is_some_and(|about| about.slug.is_some());
        is_asked_for || resources.iter().any(|one| one.holds_data || is_numbered(one))
    });
    found.extend(lasting.map(|(name, _)| name.to_string()));
    found
}

fn is_numbered(resource: &Resource) -> bool {
    let part = resource.identity.address.part.as_deref().unwrap_or_default();
    !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit())
}

/// `12:04:11 app.py changed`
#[must_use]
pub fn changed(at: Moment, because: &str, zone: &TimeZone, look: Look) -> String {
    let mut page = Page::new(look);
    page.gap();
    page.line(0, &[Text::new(Tone::Quiet, time_of_day(at, zone)), Text::plain(format!(" {because}"))]);
    page.text()
}

/// What a plan does to a stack that runs already, a line for each name.
#[must_use]
pub fn changes(plan: &Plan, labels: &Labels, because: &str, look: Look) -> String {
    let mut page = Page::new(look);
    let groups = groups(plan);
    let shown: Vec<&Group> = groups.iter().filter(|group| group.mark != Mark::Keep).collect();
    if shown.is_empty() && plan.report.held.is_empty() {
        // What was saved changes nothing of what runs: never silent.
        page.line(2, &[Text::new(Tone::Quiet, nothing_to_do(plan))]);
    }
    let width = shown.iter().map(|group| group.name.len()).max().unwrap_or(0);
    for group in shown {
        let tone = match group.mark {
            Mark::Create => Tone::Good,
            Mark::Change | Mark::Keep | Mark::Held => Tone::Warn,
            Mark::Replace | Mark::Delete => Tone::Bad,
        };
        let front =
            [Text::new(tone, format!("{} ", group.mark.sign())), Text::plain(format!("{:<width$}  ", group.name))];
        page.beside(2, &front, &Text::plain(what(group, labels, because)));
    }
    page.text()
}

fn what(group: &Group, labels: &Labels, because: &str) -> String {
    let kind = group.kind.as_ref().map(ToString::to_string).unwrap_or_default();
    let note = group.note();
    let with_note = |text: String| if note.is_empty() { text } else { format!("{text}  {note}") };
    match group.mark {
        Mark::Create | Mark::Delete | Mark::Keep | Mark::Held => with_note(kind),
        Mark::Replace => format!("replaced: {}", reasons(group)),
        Mark::Change if group.replaced() > 0 => {
            let number = group.replaced();
            let label = labels.brought.as_deref().map(|label| format!("revision {label}: ")).unwrap_or_default();
            let processes = count(number, "process", "processes");
            format!("{label}replaces {processes}{} ({})", group.pace(), causes(group, because))
        }
        Mark::Change => format!("changed: {}", reasons(group)),
    }
}

/// Why something changes: more or fewer processes, fields, else the plan's own words.
fn reasons(group: &Group) -> String {
    let fields: Vec<String> = group.fields().into_iter().map(|(path, _)| path).collect();
    let reasons = if fields.is_empty() { group.reasons() } else { group.scaling().into_iter().chain(fields).collect() };
    if !reasons.is_empty() {
        return reasons.join(", ");
    }
    group.mains().next().map(|step| step.because.text.clone()).unwrap_or_default()
}

/// What made a service give its processes successors: its files, or fields.
fn causes(group: &Group, because: &str) -> String {
    let mut fields: BTreeSet<&str> =
        group.mains().flat_map(|step| &step.changes).map(|change| change.path.as_str()).collect();
    let has_files = fields.iter().any(|field| is_of_files(field));
    fields.retain(|field| !is_of_files(field));
    let files = because.strip_suffix(" changed");
    let files = match (files, has_files || fields.is_empty()) {
        (Some(files), true) => Some(format!("files changed: {files}")),
        (Some(_), false) => None,
        // Somebody asked for it: that says more than what it comes to.
        (None, _) => return because.to_owned(),
    };
    let fields = (!fields.is_empty()).then(|| fields.into_iter().collect::<Vec<_>>().join(", "));
    files.into_iter().chain(fields).collect::<Vec<_>>().join("; ")
}

/// The end of the first deployment of `up`: where everything answers, and what goes on.
#[must_use]
pub fn is_up(stacks: &[Stack], look: Look) -> String {
    let mut page = Page::new(look);
    let up = |stack: &&Stack| stack.state == Some(StackState::Available);
    let width = stacks.iter().filter(up).map(|stack| stack.name.len() + IS_UP.len()).max().unwrap_or(0);
    for stack in stacks.iter().filter(up) {
        let mut texts = vec![Text::new(Tone::Strong, format!("{}{IS_UP}", stack.name))];
        if !stack.urls.is_empty() {
            let gap = width - (stack.name.len() + IS_UP.len()) + 3;
            texts.extend([Text::plain(" ".repeat(gap)), Text::new(Tone::Accent, stack.urls.join("  "))]);
        }
        page.line(0, &texts);
    }
    page.text()
}

const IS_UP: &str = " is up";

/// What goes on after it is up. Ctrl-c stops what this `up` has started, and nothing else.
#[must_use]
pub fn goes_on(stacks: &[Stack], started: &BTreeSet<Name>, look: Look) -> String {
    let mut page = Page::new(look);
    let width = stacks.iter().map(|stack| stack.name.len() + IS_UP.len()).max().unwrap_or(0);
    page.line(0, &[Text::plain(format!("{:<width$}   ", "the world")), Text::new(Tone::Accent, "deployd status")]);
    let (ours, others): (Vec<&Stack>, Vec<&Stack>) = stacks.iter().partition(|stack| started.contains(&stack.name));
    let names = |stacks: &[&Stack]| listed(&stacks.iter().map(|stack| stack.name.to_string()).collect::<Vec<_>>());
    let stops = match (ours.as_slice(), others.as_slice()) {
        ([_], []) => "stops it and keeps its data".to_owned(),
        (_, []) => "stops them and keeps their data".to_owned(),
        ([], [_]) => "leaves it running, as it was before".to_owned(),
        ([], _) => "leaves them running, as they were before".to_owned(),
        _ => format!("stops {} and keeps the data; {} ran before", names(&ours), names(&others)),
    };
    page.folded(0, &Text::new(Tone::Quiet, format!("watching for changes · ctrl-c {stops}")));
    page.text()
}

/// What came of a deployment that did not end well, for people: what keeps serving, and what to do.
#[must_use]
pub fn fell(deployment: &Deployment, stack: &Stack, look: Look) -> String {
    let mut page = Page::new(look);
    let bad = deployment.label.clone().or_else(|| deployment.revision.as_ref().map(short));
    match deployment.state {
        DeploymentState::RolledBack => {
            let bad = bad.unwrap_or_else(|| "the new revision".to_owned());
            let retry = format!("{bad} is quarantined until the next change, or: deployd retry {}", stack.name);
            page.folded(0, &Text::plain(format!("{} · {retry}", keeps(stack))));
        }
        DeploymentState::Superseded => page.line(0, &[Text::plain("a newer change takes its place")]),
        DeploymentState::Cancelled => page.line(0, &[Text::plain(format!("{} was cancelled", stack.name))]),
        DeploymentState::Failed if stack.state == Some(StackState::Broken) => {
            let text =
                format!("{} is broken: there is nothing good to return to; its data and logs are kept", stack.name);
            page.folded(0, &Text::new(Tone::Bad, text));
            let way = format!("mend it and save, or: deployd retry {}", stack.name);
            page.folded(0, &Text::plain(way));
        }
        _ => page.folded(0, &Text::plain(keeps(stack))),
    }
    page.text()
}

/// `guestbook keeps serving 81d0b77`
#[must_use]
pub fn keeps(stack: &Stack) -> String {
    match (&stack.label, stack.state) {
        (Some(label), Some(StackState::Available | StackState::Migrating)) => {
            format!("{} keeps serving {label}", stack.name)
        }
        (_, Some(state)) => format!("{} is {state}", stack.name),
        (_, None) => format!("{} is set aside", stack.name),
    }
}

/// Why something did not come about, where no step of it is shown.
#[must_use]
pub fn reason(name: &Name, label: Option<&str>, why: &Why, look: Look) -> String {
    let mut page = Page::new(look);
    let text = match (label, why.text.strip_prefix("it ")) {
        (Some(label), Some(rest)) => format!("{label} {rest}"),
        _ => why.text.clone(),
    };
    page.beside(2, &[Text::new(Tone::Bad, "✗ "), Text::plain(format!("{name}  "))], &Text::plain(text));
    why.details.iter().for_each(|detail| page.folded(6, &Text::new(Tone::Quiet, detail)));
    why.way_out.iter().for_each(|way| page.way_out(6, way));
    page.text()
}

/// The last words of what was not well, unless they are `told` already; what of its environment it may have meant; and
/// how to read all of it.
#[must_use]
pub fn last_words(words: &[LogLine], told: bool, environment: &BTreeSet<String>, all: &str, look: Look) -> String {
    let mut page = Page::new(look);
    let complains = words.iter().any(|line| line.is_error);
    let says_something = |line: &&LogLine| line.text.chars().any(char::is_alphanumeric) && !is_keepers(&line.text);
    let said: Vec<&LogLine> = words.iter().filter(|line| line.is_error == complains).filter(says_something).collect();
    let last = &said[said.len().saturating_sub(LAST_WORDS)..];
    // Where its end is told with its last lines, that is enough of them.
    for line in last.iter().filter(|_| !told) {
        page.folded(6, &Text::new(Tone::Quiet, &line.text));
    }
    if let Some(meant) = meant(&said, environment) {
        page.folded(6, &Text::plain(format!("its environment has {meant}; did you mean that?")));
    }
    page.way_out(6, all);
    page.text()
}

/// Whether a keeper wrote it into the log when its process had ended.
fn is_keepers(text: &str) -> bool {
    KEEPERS_WORDS.iter().any(|word| text.starts_with(word))
}

/// So begins what a keeper writes.
const KEEPERS_WORDS: [&str; 2] = ["ended with ", "was ended by signal "];

/// So many lines say what is wrong.
const LAST_WORDS: usize = 4;

/// A name of the environment that is nearly one that was spoken of and is not there.
fn meant<'e>(told: &[&LogLine], environment: &'e BTreeSet<String>) -> Option<&'e str> {
    let is_letter = |letter: char| letter.is_ascii_uppercase() || letter.is_ascii_digit() || letter == '_';
    let names = told.iter().rev().flat_map(|line| line.text.split(move |letter| !is_letter(letter)));
    let unknown = names.filter(|name| name.len() > 3 && name.contains('_') && !environment.contains(*name));
    unknown.into_iter().find_map(|name| nearest(name, environment.iter().map(String::as_str)))
}

/// What ctrl-c left.
#[must_use]
pub fn stopped(stacks: &[Name], look: Look) -> String {
    let mut page = Page::new(look);
    let names: Vec<String> = stacks.iter().map(ToString::to_string).collect();
    let (is, its) = if stacks.len() == 1 { ("is", "its") } else { ("are", "their") };
    page.folded(0, &Text::plain(format!("{} {is} stopped; {its} data and addresses are kept", listed(&names))));
    page.text()
}

/// What ran before this `up`, and goes on after it.
#[must_use]
pub fn left_running(stacks: &[Name], look: Look) -> String {
    let mut page = Page::new(look);
    for stack in stacks {
        page.folded(0, &Text::plain(format!("{stack} ran before this, and goes on · deployd down {stack} ends it")));
    }
    page.text()
}

/// What ends an `up` that nothing is left of.
#[must_use]
pub fn nothing_to_watch(stacks: &[Name], look: Look) -> String {
    let mut page = Page::new(look);
    let names: Vec<String> = stacks.iter().map(ToString::to_string).collect();
    let (was, it) = if stacks.len() == 1 { ("was", "it") } else { ("were", "them") };
    let text = format!("{} {was} stopped by another command: there is nothing left to watch", listed(&names));
    page.folded(0, &Text::plain(text));
    page.folded(0, &Text::new(Tone::Quiet, format!("deployd up starts {it} again")));
    page.text()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Identity, Wall};

    #[test]
    fn the_last_words_say_what_was_meant() {
        let line = |text: &str, is_error: bool| LogLine {
            at: Moment(Wall(0)),
            identity: Identity::parse("laptop/guestbook/guestbook.1#2").unwrap(),
            is_error,
            text: text.to_owned(),
        };
        let words = [
            line("GET /healthz 500", false),
            line("  File \"app.py\", line 31, in do_GET", true),
            line("KeyError: 'DATABASE_URI'", true),
            line("----------", true),
            line("ended with code 0 (it was asked to stop)", true),
            line("was ended by signal 15 (it was asked to stop)", true),
        ];
        let environment = ["DATABASE_URL", "PORT"].map(str::to_owned).into();
        let look = Look { colour: false, width: 80 };
        let text = last_words(&words, false, &environment, "deployd logs guestbook --revision 9aa01c2", look);
        assert!(text.contains("KeyError: 'DATABASE_URI'"), "{text}");
        assert!(text.contains("its environment has DATABASE_URL; did you mean that?"), "{text}");
        assert!(text.contains("deployd logs guestbook --revision 9aa01c2"), "{text}");
        assert!(!text.contains("GET /healthz") && !text.contains("asked to stop") && !text.contains("---"), "{text}");
    }
}
