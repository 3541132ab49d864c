//! Events as drafts: what happened, cut to what one event may hold.

use crate::contract::{EventDraft, ROW_BYTES_MAX};
use crate::model::{StackId, Wall, canonical_json};
use crate::state::{EventBody, Why};

/// The longest sentence of an event that is too long as a whole.
const SENTENCE_MAX: usize = 1000;

/// A draft of an event. One that does not fit loses details first, then the ends of its sentences: that it happened is
/// always told.
#[must_use]
pub fn draft(stack: &StackId, body: &EventBody, at: Wall) -> EventDraft {
    let mut bytes = canonical_json(body);
    if bytes.len() > ROW_BYTES_MAX {
        bytes = canonical_json(&shortened(body.clone()));
    }
    EventDraft { stack: Some(stack.clone()), at, body: bytes }
}

fn shortened(mut body: EventBody) -> EventBody {
    match &mut body {
        EventBody::Deployment { why: Some(why), .. } | EventBody::StepFailed { why, .. } => shorten_why(why),
        EventBody::StepWaiting { what, .. } | EventBody::Drifted { how: what, .. } => shorten(what),
        EventBody::StepDone { note: Some(note), .. } => shorten(note),
        _ => {}
    }
    body
}

fn shorten_why(why: &mut Why) {
    why.details.clear();
    shorten(&mut why.text);
    why.way_out.iter_mut().for_each(shorten);
}

fn shorten(text: &mut String) {
    if text.len() > SENTENCE_MAX {
        let end = (0..=SENTENCE_MAX).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
        text.truncate(end);
        text.push('…');
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Address, Name};
    use crate::state::WhyCode;

    #[test]
    fn a_long_event_is_cut_and_still_told() {
        let address = Address::parse("laptop/guestbook/users").unwrap();
        let why = Why::new(WhyCode::Other, "é".repeat(5000)).details(vec!["x".repeat(5000)]);
        let event =
            EventBody::StepFailed { identity: address.incarnation(1), act: "create".to_owned(), why, again: true };
        let stack = StackId::new(Name::fixed("laptop"), Name::fixed("guestbook"));
        let draft = draft(&stack, &event, Wall(1));
        assert!(draft.body.len() <= ROW_BYTES_MAX);
        let read: EventBody = serde_json::from_slice(&draft.body).unwrap();
        let EventBody::StepFailed { why, .. } = read else { panic!("another event: {read:?}") };
        assert!(why.text.ends_with("é…") && why.details.is_empty());
    }
}
