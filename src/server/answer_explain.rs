//! `explain`: one value, all values of one thing, or all.

use super::api::answers::Explanations;
use super::refusal::{Answer, Refusal};
use super::show;
use crate::resolve::{Offers, Resolved, explain, explain_all, explain_below};

/// Explains what is asked for.
///
/// # Errors
/// 404 with what is there, when nothing is called so.
pub fn explain_resolved(resolved: &Resolved, offers: &Offers, asked: Option<&str>) -> Answer<Explanations> {
    let all = |explanations: Vec<crate::resolve::Explanation>| Explanations {
        explanations: explanations.into_iter().map(show::explanation).collect(),
    };
    let Some(asked) = asked else { return Ok(all(explain_all(resolved, offers, None))) };
    let components = resolved.asked.components.iter().map(|asked| &asked.component.address);
    let named = components.into_iter().find(|address| address.short() == asked);
    if let Some(address) = named {
        return Ok(all(explain_all(resolved, offers, Some(address))));
    }
    match explain(resolved, offers, asked) {
        Ok(explanation) => Ok(all(vec![explanation])),
        Err(unknown) => {
            let below = explain_below(resolved, offers, asked);
            if !below.is_empty() {
                return Ok(all(below));
            }
            let near = unknown.help.first().cloned();
            Err(Refusal::not_found(unknown.detail.clone()).did_you_mean(near))
        }
    }
}
