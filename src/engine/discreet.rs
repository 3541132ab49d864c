//! Secrets out of what rooms and the things that they made say (THREATS.md T26): a provider's words may repeat what it was
//! given, and a process that cannot start prints the URL that it could not open. Such texts are recorded and shown, so
//! the secrets that they were given are taken out first.
//!
//! What cannot be searched is not kept: where a secret cannot be opened now, the lines beside the sentence go.

use crate::contract::{Failure, Filled, Outcome, Plain, Query, Redactor, Secrets};
use crate::model::SecretName;
use crate::state::{Condition, Presence, Seen, Settling, Why};
use std::sync::Arc;

/// An answer to an order, without what filled the order.
pub fn of_answer(answer: Result<Outcome, Failure>, filled: &Filled) -> Result<Outcome, Failure> {
    let redactor = Redactor::new(filled.secrets.values().chain(filled.outputs.values()));
    match answer {
        Ok(mut outcome) => {
            outcome.note = outcome.note.map(|note| redactor.redact(&note).into_owned());
            of_condition(&mut outcome.condition, &redactor);
            Ok(outcome)
        }
        Err(mut failure) => {
            let (Failure::Retry { why, .. }
            | Failure::Refused { why }
            | Failure::Unreachable { why }
            | Failure::Unclear { why }) = &mut failure;
            of_why(why, &redactor);
            Err(failure)
        }
    }
}

/// What was seen of something, without the secrets that its fields refer to.
pub async fn of_seen(secrets: &dyn Secrets, query: &Query, mut seen: Seen) -> Seen {
    let Presence::Present(present) = &mut seen.presence else { return seen };
    if !says_something(&present.condition) {
        return seen;
    }
    let names: Vec<SecretName> = query.fields.secrets().into_iter().cloned().collect();
    if names.is_empty() {
        return seen;
    }
    match open(secrets, query, &names).await {
        Some(values) => of_condition(&mut Arc::make_mut(present).condition, &Redactor::new(&values)),
        None => without_lines(&mut Arc::make_mut(present).condition),
    }
    seen
}

async fn open(secrets: &dyn Secrets, query: &Query, names: &[SecretName]) -> Option<Vec<Plain>> {
    let stack = query.identity.address.stack_id();
    let versions = secrets.versions(&stack, names).await;
    let wanted = versions.into_iter().map(|(name, version)| Some((name, version.ok()?))).collect::<Option<_>>()?;
    let opened = secrets.open(&stack, &wanted).await.ok()?;
    Some(opened.into_values().collect())
}

fn says_something(condition: &Condition) -> bool {
    match condition {
        Condition::Failed(_) | Condition::AtRest(_) => true,
        Condition::Finished(exit) => !exit.last_lines.is_empty(),
        Condition::Settling(_) | Condition::Ready | Condition::Leaving => false,
    }
}

fn of_condition(condition: &mut Condition, redactor: &Redactor) {
    match condition {
        Condition::Failed(why) | Condition::AtRest(why) => of_why(why, redactor),
        Condition::Finished(exit) => of_lines(&mut exit.last_lines, redactor),
        Condition::Settling(Settling(what)) => *what = redactor.redact(what).into_owned(),
        Condition::Ready | Condition::Leaving => {}
    }
}

fn of_why(why: &mut Why, redactor: &Redactor) {
    why.text = redactor.redact(&why.text).into_owned();
    of_lines(&mut why.details, redactor);
    why.way_out = why.way_out.take().map(|way_out| redactor.redact(&way_out).into_owned());
}

fn of_lines(lines: &mut [String], redactor: &Redactor) {
    lines.iter_mut().for_each(|line| *line = redactor.redact(line).into_owned());
}

fn without_lines(condition: &mut Condition) {
    match condition {
        Condition::Failed(why) | Condition::AtRest(why) => why.details.clear(),
        Condition::Finished(exit) => exit.last_lines.clear(),
        Condition::Settling(_) | Condition::Ready | Condition::Leaving => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::{Exit, WhyCode};

    const SECRET: &str = "kanarienvogel-7f3a9c";

    fn filled() -> Filled {
        let value = Plain::new(SECRET.to_owned());
        Filled { secrets: [(SecretName("KEY".to_owned()), value)].into(), ..Filled::default() }
    }

    #[test]
    fn t26_a_providers_words_do_not_repeat_what_it_was_given() {
        let why = || {
            let why = Why::new(WhyCode::Refused, format!("postgres://app:{SECRET}@db: no"));
            why.details(vec![format!("PASSWORD={SECRET}"), "and more".to_owned()]).way_out(format!("not {SECRET}"))
        };
        let failures = [
            Failure::Retry { after: crate::model::Milliseconds(1), why: why() },
            Failure::Refused { why: why() },
            Failure::Unreachable { why: why() },
            Failure::Unclear { why: why() },
        ];
        for failure in failures {
            let said = of_answer(Err(failure.clone()), &filled()).unwrap_err();
            assert!(!format!("{said:?}").contains("kanarienvogel"), "{said:?}");
            assert!(said.why().text.starts_with("postgres://app:") && said.why().details[1] == "and more", "{said:?}");
            assert_eq!(std::mem::discriminant(&said), std::mem::discriminant(&failure));
        }
        let mut finished = Condition::Finished(Exit { code: 7, last_lines: vec![format!("key {SECRET} refused")] });
        of_condition(&mut finished, &Redactor::new(filled().secrets.values()));
        let Condition::Finished(exit) = finished else { unreachable!("it is what it was") };
        assert_eq!((exit.code, exit.last_lines), (7, vec!["key ••• refused".to_owned()]));
    }
}
