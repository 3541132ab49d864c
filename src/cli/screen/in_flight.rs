//! What was under way when a server ended without saying so, and what it came to.

use super::names::{count, listed};
use super::page::{Page, Text};
use crate::diagnostic::Look;
use crate::server::api::deployment::Condition;
use crate::server::api::stack::Stack;

/// The steps that were under way: they are looked at before anything is done.
#[must_use]
pub fn looked_after(stacks: &[Stack], look: Look) -> String {
    let mut page = Page::new(look);
    let steps = stacks.iter().flat_map(|stack| &stack.live).flat_map(|deployment| &deployment.steps);
    let asked: Vec<String> = steps
        .filter(|step| matches!(step.condition, Condition::Asked))
        .map(|step| format!("{}, {}", step.identity.address.short(), step.act))
        .collect();
    if !asked.is_empty() {
        let was = if asked.len() == 1 { "was" } else { "were" };
        let steps = count(asked.len(), "step", "steps");
        let text = format!("{steps} {was} in flight ({}): it is looked at before anything is done", listed(&asked));
        page.folded(0, &Text::plain(text));
    }
    page.text()
}
