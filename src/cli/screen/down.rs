//! Taking a stack away: what is refused, with the two ways, and the proof at the end.

use super::names::listed;
use super::page::{Page, Text, Tone};
use crate::diagnostic::Look;
use crate::model::Name;
use crate::server::api::deployment::Held;
use std::collections::BTreeSet;

/// The refusal, with the two ways: nothing was done. `named` is what was said to be deleted.
#[must_use]
pub fn refusal(stack: &Name, held: &[Held], named: &[Name], look: Look) -> String {
    let mut page = Page::new(look);
    let names: Vec<String> = held.iter().map(one).collect();
    let text = match held {
        [only] => format!("{} holds data ({}). Nothing was done.", only.identity.address.short(), kind_and_size(only)),
        _ => format!("{} hold data. Nothing was done.", listed(&names)),
    };
    page.folded(0, &Text::plain(text));
    let deletes = |name: &Name| format!(" --delete {name}");
    let before: String = named.iter().map(deletes).collect();
    // Several things of one name are one word.
    let held_names: BTreeSet<&Name> = held.iter().map(|one| &one.identity.address.name).collect();
    let delete: String = held_names.into_iter().filter(|name| !named.contains(name)).map(deletes).collect();
    let too = if held.len() == 1 { "delete it too, after a backup" } else { "delete them too, after a backup" };
    let keep = if held.len() == 1 { "stop the rest and keep it" } else { "stop the rest and keep them" };
    let width = keep.len().max(too.len()) + 4;
    way(&mut page, keep, width, format!("deployd down {stack}{before} --keep-data"));
    way(&mut page, too, width, format!("deployd down {stack}{before}{delete}"));
    page.text()
}

/// What a command does, and the command: whole, since it is copied.
fn way(page: &mut Page, what: &str, width: usize, command: String) {
    let command = Text::new(Tone::Accent, command);
    if 2 + width + command.width() <= page.look().width {
        page.line(2, &[Text::plain(format!("{what:<width$}")), command]);
    } else {
        page.line(2, &[Text::plain(what)]);
        page.line(6, &[command]);
    }
}

/// `users (local/postgres, 31 MB)`
fn one(held: &Held) -> String {
    format!("{} ({})", held.identity.address.short(), kind_and_size(held))
}

fn kind_and_size(held: &Held) -> String {
    let size = held.size.as_ref().map(|size| format!(", {size}")).unwrap_or_default();
    format!("{}{size}", held.kind)
}

/// There was nothing to be done: it was taken away before.
#[must_use]
pub fn gone_before(world: &Name, stack: &Name, look: Look) -> String {
    let mut page = Page::new(look);
    page.folded(0, &Text::plain(format!("nothing of {stack} is left in {world}: it was taken away before")));
    page.text()
}

/// The proof: said only after an independent, fresh look.
#[must_use]
pub fn verified(world: &Name, stack: &Name, kept: &[String], look: Look) -> String {
    let mut page = Page::new(look);
    let text = match kept {
        [] => format!("nothing of {stack} is left in {world}"),
        [one] => format!("nothing of {stack} is left in {world} but {one}, which is kept with its data"),
        kept => format!("nothing of {stack} is left in {world} but {}, which are kept with their data", listed(kept)),
    };
    page.beside(0, &[Text::new(Tone::Good, "verified"), Text::plain(": ")], &Text::plain(text));
    page.text()
}
