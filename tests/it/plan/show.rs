//! A plan and its report as the stories show them: every step, why, and what it waits for.

use super::bed::short;
use deployd::plan::{Act, After, Is, Line, Plan, Reason, Report, Step, Verdict};
use std::fmt::Write;

/// The whole plan and its report.
pub fn plan(plan: &Plan, report: &Report) -> String {
    let mut out = format!("  {}\n", verdict(&plan.verdict));
    for (id, step) in &plan.steps {
        // A row is forgotten when what it tells of is gone: that is only worth a line where nothing else is done.
        let is_shown = step.act != Act::Forget || !ends(plan, step);
        if is_shown {
            let after: Vec<String> = step.after.iter().map(after).collect();
            let after = if after.is_empty() { String::new() } else { format!(" · after {}", after.join(", ")) };
            let id = id.0.replace("w/s/", "");
            writeln!(out, "  {id}: {}{}{after}", reason(&step.because), consent(step)).unwrap();
        }
    }
    if report.unchanged > 0 {
        writeln!(out, "  {} as asked", report.unchanged).unwrap();
    }
    lines(&mut out, "waiting", &report.waiting);
    lines(&mut out, "held", &report.held);
    lines(&mut out, "kept", &report.kept);
    lines(&mut out, "noted", &report.noted);
    for needs in &report.needs_consent {
        writeln!(out, "  consent would {:?} {}", needs.act, short(&needs.identity)).unwrap();
    }
    out
}

fn ends(plan: &Plan, forgotten: &Step) -> bool {
    let ends = |step: &Step| matches!(step.act, Act::Delete | Act::Retire) && step.identity == forgotten.identity;
    plan.steps.values().any(ends)
}

fn verdict(verdict: &Verdict) -> String {
    match verdict {
        Verdict::Proceed => "proceed".to_owned(),
        Verdict::Done => "done".to_owned(),
        Verdict::AwaitApproval { steps, why, .. } => {
            let steps: Vec<String> = steps.iter().map(|step| step.0.replace("w/s/", "")).collect();
            format!("await approval of {}: {why}", steps.join(", "))
        }
        Verdict::RollBack { why, .. } => format!("roll back: {why}"),
        Verdict::Fail(why) => format!("fail: {why}"),
    }
}

fn consent(step: &Step) -> &'static str {
    if step.consent.is_some() { " (with consent)" } else { "" }
}

fn after(after: &After) -> String {
    match after {
        After::Step(id) => id.0.replace("w/s/", ""),
        After::Brought => "all serves".to_owned(),
        After::Is(address, life, is) => {
            let name = if address.stack.as_str() == "s" {
                address.short()
            } else {
                format!("{}/{}", address.stack, address.short())
            };
            let life = life.filter(|life| *life > 1).map(|life| format!("#{life}")).unwrap_or_default();
            let is = match is {
                Is::Ready => "ready",
                Is::Known => "known",
                Is::Gone => "gone",
                Is::Drained => "drained",
            };
            format!("{name}{life} {is}")
        }
    }
}

fn reason(reason: &Reason) -> String {
    let list =
        |paths: &[deployd::model::FieldPath]| paths.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    match reason {
        Reason::NotThere => "not there".to_owned(),
        Reason::NotLookedAt => "not looked at".to_owned(),
        Reason::FieldsChanged(paths) => format!("changed {}", list(paths)),
        Reason::InputsChanged(inputs) => format!("inputs changed: {}", inputs.join(", ")),
        Reason::FixedFieldChanged(path) if path.is_root() => "another kind".to_owned(),
        Reason::FixedFieldChanged(path) => format!("fixed {path} changed"),
        Reason::SuccessorInCharge(address) => format!("successor of {}", address.short()),
        Reason::Drifted(paths) => format!("drifted {}", list(paths)),
        Reason::Vanished => "vanished".to_owned(),
        Reason::Failed(why) => format!("failed: {why}"),
        Reason::NoLongerDeclared => "no longer declared".to_owned(),
        Reason::StackGone => "stack gone".to_owned(),
        Reason::StackStopped => "stack stopped".to_owned(),
        Reason::BeyondRetention => "beyond retention".to_owned(),
        Reason::OursAlready => "ours already".to_owned(),
        Reason::Asked => "asked".to_owned(),
        Reason::Unfinished => "unfinished".to_owned(),
    }
}

fn lines(out: &mut String, title: &str, lines: &[Line]) {
    for line in lines {
        let way_out = line.why.way_out.as_ref().map(|way_out| format!(" → {way_out}")).unwrap_or_default();
        let since = line.since.map(|since| format!(" ({since})")).unwrap_or_default();
        writeln!(out, "  {title} {}: {}{since}{way_out}", line.at.short(), line.why.text).unwrap();
    }
}
