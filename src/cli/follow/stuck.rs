//! What waiting does not help with: somebody has to give leave, set a secret, or deploy another stack first. A command
//! that deploys once ends there, and says what to do.

use super::Follow;
use crate::cli::exit::{Exit, Failure};
use crate::cli::screen::names::called;
use crate::model::{Address, Name};
use crate::server::api::plan::{Line, Report};
use crate::server::api::stack::Stack;
use crate::state::StackState;
use std::collections::{BTreeMap, BTreeSet};

/// Codes of what is held until somebody does something.
const FOR_GOOD: [&str; 5] = [SECRET_MISSING, STILL_USED, "not_ours", "protected", "renamed"];
/// Codes of what somebody has to give leave for, or to ask for otherwise.
const REFUSED: [&str; 5] = [STILL_USED, "not_ours", "protected", "refused", "renamed"];
/// The code of what something else uses.
const STILL_USED: &str = "still_used";
/// The code of a secret that is not set: nobody has to give leave for that.
const SECRET_MISSING: &str = "secret_missing";
/// The code of what waits for another thing of its stack.
const NEEDS_ANOTHER: &str = "needs_another";
/// Codes of what waits for another stack.
const OTHER_STACKS: [&str; 2] = ["needs_stack", NOT_OFFERED];
/// The code of what another stack does not offer, or not any more.
const NOT_OFFERED: &str = "not_offered";

impl Follow<'_> {
    /// Why nothing of a stack goes on before somebody has done something; nothing where waiting may help. Where it was
    /// `quiet` for long, whatever is held is so for good: a release that falls by it would have fallen by then.
    pub(super) async fn stuck_by(&self, report: &Report, quiet: bool) -> Option<Vec<Line>> {
        let mut others: BTreeMap<Name, Option<Stack>> = BTreeMap::new();
        let mut open: Vec<Name> = stacks_of(report);
        while let Some(name) = open.pop() {
            if others.contains_key(&name) {
                continue;
            }
            // What cannot be had now is looked at again.
            let other = self.stack(&name).await.ok()?;
            open.extend(other.iter().flat_map(|other| stacks_of(&other.report)));
            others.insert(name, other);
        }
        stuck(report, quiet, &others, &BTreeSet::new())
    }
}

/// The stacks that something waits for.
fn stacks_of(report: &Report) -> Vec<Name> {
    report.waiting.iter().filter_map(needed).map(|needed| needed.stack.clone()).collect()
}

/// The lines for which waiting does not help, if there are no others; `others` are the stacks that are waited for, from
/// one to the next, and `before` those that wait for this one: of a circle each may go on.
fn stuck(
    report: &Report,
    quiet: bool,
    others: &BTreeMap<Name, Option<Stack>>,
    before: &BTreeSet<&Name>,
) -> Option<Vec<Line>> {
    let mut lines = if quiet || is_held(report) { report.held.clone() } else { Vec::new() };
    // What is to be let go of is let go of by what is held.
    let by_held = |line: &Line| quiet && is_held(report) && line.code == STILL_USED;
    for line in report.waiting.iter().filter(|line| line.code != NEEDS_ANOTHER && !by_held(line)) {
        let needed = needed(line)?;
        let other = others.get(&needed.stack)?.as_ref();
        let is_settled = |other: &&Stack| quiet && other.live.is_empty() && other.state == Some(StackState::Available);
        let further = match other.filter(|other| may_come(other)) {
            // It is there, and does not share that: its files have to say so.
            Some(_) if line.code == NOT_OFFERED && other.filter(is_settled).is_some() => vec![line.clone()],
            None => vec![not_deployed(line, needed, other)],
            Some(_) if before.contains(&needed.stack) => return None,
            Some(other) => {
                let before = before.iter().copied().chain([&needed.stack]).collect();
                let lines = stuck(&other.report, quiet, others, &before)?;
                lines.into_iter().map(|line| further_on(&needed.stack, line)).collect()
            }
        };
        for line in further {
            if lines.iter().all(|told| (&told.at, &told.code) != (&line.at, &line.code)) {
                lines.push(line);
            }
        }
    }
    (!lines.is_empty()).then_some(lines)
}

/// Whether something is held for good.
fn is_held(report: &Report) -> bool {
    report.held.iter().any(|line| FOR_GOOD.contains(&line.code.as_str()))
}

/// What of another stack a line waits for.
fn needed(line: &Line) -> Option<&Address> {
    OTHER_STACKS.contains(&line.code.as_str()).then(|| line.on.as_ref().unwrap_or(&line.at))
}

/// Whether what a stack lacks may come without anybody's doing.
fn may_come(stack: &Stack) -> bool {
    !stack.live.is_empty() || !matches!(stack.state, None | Some(StackState::Stopped | StackState::Deleted))
}

/// The line, with how the other stack is and what to do about it.
fn not_deployed(line: &Line, needed: &Address, other: Option<&Stack>) -> Line {
    let mut line = Line { at: needed.clone(), on: None, ..line.clone() };
    if other.is_some_and(|other| other.state == Some(StackState::Stopped)) {
        line.why.text = format!("{} is stopped", needed.stack);
    }
    line.why.way_out = Some(format!("deploy {} too: deployd up FOLDER, the one with its deployd.yaml", needed.stack));
    line
}

/// A line about the stack that is waited for, told of the one that waits.
fn further_on(other: &Name, mut line: Line) -> Line {
    line.why.text = format!("{other} waits: {}", line.why.text);
    line
}

/// Why what was asked for does not go on, and what somebody has to do first.
pub(super) fn held_up(stuck: &[(Name, Vec<Line>)]) -> Failure {
    let mut told: Vec<String> = Vec::new();
    let mut ways: Vec<String> = Vec::new();
    let lines = stuck.iter().flat_map(|(stack, held)| held.iter().map(move |line| (stack, line)));
    for (stack, line) in lines {
        let text = match called(&line.at) {
            own if own == **stack || line.at.stack != *stack => format!("{stack}: {}", line.why.text),
            part => format!("{stack}: {part}: {}", line.why.text),
        };
        if !told.contains(&text) {
            told.push(text);
        }
        ways.extend(line.why.way_out.iter().filter(|way| !ways.contains(*way)).cloned().collect::<Vec<_>>());
    }
    let lacks_leave = stuck.iter().flat_map(|(_, held)| held).any(|line| REFUSED.contains(&line.code.as_str()));
    let exit = if lacks_leave { Exit::Refused } else { Exit::WentWrong };
    ways.push("what was asked for is recorded, and goes on by itself then".to_owned());
    Failure { ways_out: ways, ..Failure::new(exit, told.join("\n")) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::server::api::words::Why;

    fn line(at: &str, code: &str, text: &str, way_out: Option<&str>) -> Line {
        let why = crate::state::Why::new(crate::state::WhyCode::Missing, text);
        let why = Why::from(crate::state::Why { way_out: way_out.map(str::to_owned), ..why });
        let at = crate::model::Address::parse(at).unwrap();
        Line { at, code: code.to_owned(), why, since: None, usually: None, on: None }
    }

    fn stuck_of(report: &Report, others: &BTreeMap<Name, Option<Stack>>) -> Option<Vec<Line>> {
        stuck(report, false, others, &BTreeSet::new())
    }

    /// A stack whose deployment runs, with what it waits for.
    fn running(name: &str, report: &Report) -> (Name, Option<Stack>) {
        let deployment = serde_json::json!({
            "world": "laptop", "stack": name, "number": 1, "state": "RUNNING", "mode": "evaluated",
            "principal": "cli:ann", "because": "up", "accepted": "2026-11-20T12:15:50Z",
        });
        let stack = serde_json::json!({
            "world": "laptop", "name": name, "state": "CREATING", "live": [deployment], "resources": [],
            "report": report,
        });
        (Name::new(name).unwrap(), Some(serde_json::from_value::<Stack>(stack).unwrap()))
    }

    #[test]
    fn who_is_waited_for_may_wait_for_somebody_too() {
        let waits = |of: &str| {
            let line = line(&format!("laptop/{of}/{of}"), "needs_stack", &format!("{of} is not in laptop yet"), None);
            Report { waiting: vec![line], ..Report::default() }
        };
        let chain = BTreeMap::from([running("accounts", &waits("mail")), (Name::fixed("mail"), None)]);
        let failure = held_up(&[(Name::fixed("shop"), stuck_of(&waits("accounts"), &chain).unwrap())]);
        assert_eq!(failure.what, "shop: accounts waits: mail is not in laptop yet");
        assert!(failure.ways_out[0].starts_with("deploy mail too"), "{:?}", failure.ways_out);
        let goes_on = BTreeMap::from([running("accounts", &Report::default())]);
        assert_eq!(stuck_of(&waits("accounts"), &goes_on), None);
        let circle = BTreeMap::from([running("accounts", &waits("mail")), running("mail", &waits("accounts"))]);
        assert_eq!(stuck_of(&waits("accounts"), &circle), None);
    }

    #[test]
    fn what_is_held_for_good_is_not_waited_for() {
        let secret = |at: &str| {
            line(at, SECRET_MISSING, "the secret KEY is not set in laptop", Some("deployd secret set laptop KEY"))
        };
        let held = vec![secret("laptop/shop/shop.1"), secret("laptop/shop/shop.2")];
        let follows = line("laptop/shop/web", NEEDS_ANOTHER, "shop is not ready", None);
        let goes = line("laptop/shop/users", "settling", "starting", None);
        let report = Report { held: held.clone(), waiting: vec![follows.clone()], ..Report::default() };
        assert_eq!(stuck_of(&report, &BTreeMap::new()), Some(held.clone()));
        let goes_on = Report { waiting: vec![follows, goes], ..report.clone() };
        assert_eq!(stuck_of(&goes_on, &BTreeMap::new()), None);
        let refused = Report { held: vec![line("laptop/shop/users", "refused", "x", None)], ..report };
        assert_eq!(stuck_of(&refused, &BTreeMap::new()), None);
        let (nobody, first) = (BTreeMap::new(), BTreeSet::new());
        let lines = stuck(&refused, true, &nobody, &first).unwrap();
        assert_eq!(
            held_up(&[(Name::fixed("shop"), lines)]).exit,
            Exit::Refused,
            "the release would have fallen by then"
        );
        assert_eq!(stuck(&goes_on, true, &nobody, &first), None);
        let failure = held_up(&[(Name::fixed("shop"), held)]);
        assert_eq!(
            (failure.exit, failure.what.as_str()),
            (Exit::WentWrong, "shop: the secret KEY is not set in laptop")
        );
        assert_eq!(failure.ways_out.first().map(String::as_str), Some("deployd secret set laptop KEY"));
        let used = line("laptop/shop/users", "still_used", "needed by cart", Some("take cart down first"));
        let failure = held_up(&[(Name::fixed("shop"), vec![used])]);
        assert_eq!((failure.exit, failure.what.as_str()), (Exit::Refused, "shop: users: needed by cart"));
    }

    #[test]
    fn another_stack_is_waited_for_while_it_may_come() {
        let missing = line("laptop/accounts/accounts", "needs_stack", "accounts is not in laptop yet", None);
        let user = Line {
            on: Some(missing.at.clone()),
            ..line("laptop/shop/shop.1", "needs_stack", "waits for accounts/accounts", None)
        };
        let report = Report { waiting: vec![missing, user], ..Report::default() };
        let accounts = |state: Option<StackState>, is_live: bool| {
            let deployment = serde_json::json!({
                "world": "laptop", "stack": "accounts", "number": 1, "state": "RUNNING", "mode": "evaluated",
                "principal": "cli:ann", "because": "up", "accepted": "2026-11-20T12:15:50Z",
            });
            let live: Vec<serde_json::Value> = is_live.then_some(deployment).into_iter().collect();
            let stack = serde_json::json!({
                "world": "laptop", "name": "accounts", "state": state, "live": live, "resources": [],
                "report": { "unchanged": 0 },
            });
            BTreeMap::from([(Name::fixed("accounts"), Some(serde_json::from_value::<Stack>(stack).unwrap()))])
        };
        let nobody = BTreeMap::from([(Name::fixed("accounts"), None)]);
        let lines = stuck_of(&report, &nobody).unwrap();
        let failure = held_up(&[(Name::fixed("shop"), lines)]);
        assert_eq!((failure.exit, failure.what.as_str()), (Exit::WentWrong, "shop: accounts is not in laptop yet"));
        let stopped = stuck_of(&report, &accounts(Some(StackState::Stopped), false)).unwrap();
        assert_eq!(stopped.iter().map(|line| line.why.text.as_str()).collect::<Vec<_>>(), ["accounts is stopped"]);
        assert_eq!(stuck_of(&report, &accounts(Some(StackState::Available), false)), None);
        assert_eq!(stuck_of(&report, &accounts(Some(StackState::Stopped), true)), None);
    }
}
