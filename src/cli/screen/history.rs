//! What was done before, and what differs between two releases.

use super::names::{day_and_time, short, span};
use super::page::{Page, Text, Tone};
use super::plan::value;
use super::table::Table;
use crate::diagnostic::Look;
use crate::plan::Act;
use crate::server::api::deployment::{Deployment, Diff, Difference, Release};
use crate::state::DeploymentState;
use jiff::tz::TimeZone;

/// The deployments of a stack, newest first.
#[must_use]
pub fn history(deployments: &[Deployment], zone: &TimeZone, look: Look) -> String {
    let mut page = Page::new(look);
    if deployments.is_empty() {
        page.line(0, &[Text::plain("nothing was deployed yet")]);
        return page.text();
    }
    let mut table = Table::new();
    let heads = ["#", "WHEN", "REVISION", "STATE", "TOOK", "WHY", "BY"];
    table.row(heads.iter().map(|head| Text::new(Tone::Quiet, head)).collect());
    for one in deployments {
        let took = one.ended.map(|ended| span(ended.0.since(one.accepted.0))).unwrap_or_default();
        table.row(vec![
            Text::plain(one.number.to_string()),
            Text::plain(day_and_time(one.accepted, zone)),
            Text::plain(label(one)),
            Text::new(tone(one.state), one.state.to_string()),
            Text::plain(took),
            Text::plain(&one.because),
            Text::new(Tone::Quiet, &one.principal),
        ]);
    }
    let shown = |index: usize| deployments.get(index).and_then(|one| one.why.as_ref());
    table.put_with(&mut page, 0, |page, index| {
        if let Some(why) = index.checked_sub(1).and_then(shown) {
            page.folded(4, &Text::new(Tone::Bad, &why.text));
        }
    });
    page.text()
}

/// What people call what a deployment brings.
#[must_use]
pub fn label(deployment: &Deployment) -> String {
    deployment.label.clone().or_else(|| deployment.revision.as_ref().map(short)).unwrap_or_default()
}

fn tone(state: DeploymentState) -> Tone {
    match state {
        DeploymentState::Done => Tone::Good,
        DeploymentState::Failed | DeploymentState::RolledBack => Tone::Bad,
        DeploymentState::Superseded | DeploymentState::Cancelled => Tone::Quiet,
        _ => Tone::Warn,
    }
}

/// What differs between two releases.
#[must_use]
pub fn diff(diff: &Diff, look: Look) -> String {
    let mut page = Page::new(look);
    let named = |release: &Release| Text::new(Tone::Strong, &release.label);
    page.line(0, &[named(&diff.from), Text::plain(" → "), named(&diff.to)]);
    if diff.differs.is_empty() && diff.files.is_empty() {
        page.line(2, &[Text::plain("nothing differs")]);
        return page.text();
    }
    let mut table = Table::new();
    diff.differs.iter().for_each(|one| table.row(row(one)));
    table.put_with(&mut page, 2, |page, index| fields(page, &diff.differs[index]));
    if !diff.files.is_empty() {
        page.beside(2, &[Text::plain("files  ")], &Text::plain(diff.files.join(" ")));
    }
    page.text()
}

fn row(one: &Difference) -> Vec<Text> {
    let (sign, tone) = match one.act {
        Act::Create => ("+", Tone::Good),
        Act::Delete => ("-", Tone::Bad),
        _ => ("~", Tone::Warn),
    };
    vec![Text::new(tone, format!("{sign} {}", one.address.short())), Text::plain(one.kind.to_string())]
}

fn fields(page: &mut Page, one: &Difference) {
    if one.act == Act::Delete {
        return;
    }
    let mut table = Table::new();
    for change in &one.fields {
        let text = match one.act {
            Act::Create => value(change.to.as_ref()),
            _ => format!("{} → {}", value(change.from.as_ref()), value(change.to.as_ref())),
        };
        table.row(vec![Text::plain(&change.path), Text::plain(text)]);
    }
    table.put(page, 6);
}
