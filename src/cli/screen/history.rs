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
            let detail = telling(&why.details).map(|detail| format!(": {detail}")).unwrap_or_default();
            page.folded(4, &Text::new(Tone::Bad, format!("{}{detail}", why.text)));
        }
    });
    let kept = kept(deployments);
    if let Some(first) = deployments.first().filter(|_| !kept.is_empty()) {
        page.gap();
        let stack = &first.stack;
        page.folded(
            0,
            &Text::plain(format!("kept to go back to: {} (deployd rollback {stack} --to …)", kept.join(", "))),
        );
    }
    page.text()
}

/// The releases that one can go back to, newest first: those that were good and are kept, but for the newest of these.
fn kept(deployments: &[Deployment]) -> Vec<String> {
    let mut good: Vec<(String, bool)> = Vec::new();
    for one in deployments.iter().filter(|one| one.state == DeploymentState::Done) {
        let label = label(one);
        if !label.is_empty() && good.iter().all(|(known, _)| *known != label) {
            good.push((label, one.kept));
        }
    }
    good.into_iter().skip(1).filter_map(|(label, kept)| kept.then_some(label)).collect()
}

/// The line of its last words that says what was wrong: the last one that speaks of an error, else the last that is no
/// mere notice.
#[must_use]
pub fn telling(lines: &[String]) -> Option<&str> {
    let lines = || lines.iter().map(|line| line.trim()).filter(|line| !line.is_empty());
    let says = |line: &str, words: &[&str]| {
        let line = line.to_ascii_lowercase();
        words.iter().any(|word| line.contains(word))
    };
    let is_notice = |line: &&str| says(line, &NOTICES);
    let told = || lines().filter(|line| !is_notice(line));
    told().rfind(|line| says(line, &ERRORS)).or_else(|| told().next_back()).or_else(|| lines().next_back())
}

/// So programs begin what is no reason: pip's `[notice] A new release of pip is available`, npm's `npm notice`.
const NOTICES: [&str; 4] = ["[notice]", "warning", "npm notice", "deprecat"];
/// So they speak of what is wrong.
const ERRORS: [&str; 6] = ["error", "failed", "fatal", "cannot", "not found", "no such"];

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reason_is_the_line_that_tells_of_an_error() {
        let lines = |lines: &[&str]| lines.iter().map(|line| (*line).to_owned()).collect::<Vec<_>>();
        let pip = lines(&[
            "Collecting no-such-thing",
            "ERROR: No matching distribution found for no-such-thing==1",
            "",
            "[notice] A new release of pip is available: 24.0 -> 26.1",
            "[notice] To update, run: pip install --upgrade pip",
        ]);
        assert_eq!(telling(&pip), Some("ERROR: No matching distribution found for no-such-thing==1"));
        assert_eq!(telling(&lines(&["x", "it is over", "WARNING: old"])), Some("it is over"));
        assert_eq!(telling(&lines(&["[notice] only that"])), Some("[notice] only that"));
        assert_eq!(telling(&[]), None);
    }
}
