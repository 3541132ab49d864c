//! What was done before.

use super::names::{day_and_time, short, span};
use super::page::{Page, Text, Tone};
use super::table::Table;
use crate::diagnostic::Look;
use crate::server::api::deployment::Deployment;
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
            let detail = why.details.last().map(|detail| format!(": {}", detail.trim())).unwrap_or_default();
            page.folded(4, &Text::new(Tone::Bad, format!("{}{detail}", why.text)));
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
