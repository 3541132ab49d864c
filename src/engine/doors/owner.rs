//! Who owns a stack: one owner, and a second one is refused by name.

use super::super::record::StackRows;
use super::super::rows::DeploymentRow;
use super::{DoorError, Engine};
use crate::contract::Scope;
use crate::model::{Name, StackId};
use crate::plan::{Line, LineCode};
use crate::state::{From, SourceId, Stack, Why, WhyCode, Wish};
use std::path::Path;

/// The source of a resource that was made by the REST API.
pub(super) const REST: &str = "rest";

impl Engine {
    /// Where a stack comes from: its wish says it while it runs; of one that is stopped, its last deployment from a
    /// source does.
    pub(super) async fn source_of(&self, rows: &StackRows) -> Result<Option<SourceId>, DoorError> {
        let Some(stack) = rows.stack() else { return Ok(None) };
        if let Wish::Run { source } = &stack.wish {
            return Ok(Some(source.clone()));
        }
        let live = rows.live.values().rev().find_map(|row| row.deployment.source.clone());
        if live.is_some() {
            return Ok(live);
        }
        let ended = self.ended(&stack.id, None).await?;
        Ok(ended.into_iter().rev().find_map(|row| row.deployment.source))
    }

    /// Ended deployments of a stack, by number; only that one if it is named. One whose row cannot be read is told in the
    /// log and left out: the others are history too.
    pub(super) async fn ended(&self, stack: &StackId, number: Option<u64>) -> Result<Vec<DeploymentRow>, DoorError> {
        let key = super::super::rows::history_key(stack, number.unwrap_or_default());
        let id = key.table_and_id().map(|(_, id)| id).unwrap_or_default();
        let beginning = match number {
            Some(_) => id.to_owned(),
            None => format!("{}/", stack.stack),
        };
        let scope = Scope::Table { world: stack.world.clone(), table: "history".to_owned(), beginning };
        let (rows, _) = self.parts().store.load(&scope).await?;
        let mut ended = Vec::with_capacity(rows.len());
        for row in &rows {
            match super::super::record::read_row::<DeploymentRow>(&*self.parts().store, row).await {
                Ok(found) => ended.push(found),
                Err(super::super::record::LoadError::Store(error)) => return Err(DoorError::Store(error)),
                Err(super::super::record::LoadError::Row(key, how)) => {
                    tracing::error!(row = %key, how, "an ended deployment cannot be read: history is without it");
                }
            }
        }
        Ok(ended)
    }

    /// Refuses a second owner. What was taken down belongs to nobody, also where its data was kept.
    pub(super) fn check_owner(
        &self,
        id: &StackId,
        owned: Option<(&Stack, Option<&SourceId>)>,
        from: From,
        source: &SourceId,
    ) -> Result<(), DoorError> {
        let is_worlds_own = source.0.starts_with("world:");
        let (_, catalogue) = self.shared.catalogue();
        let facts = catalogue.worlds().get(&id.world).cloned();
        if !is_worlds_own && facts.is_some_and(|facts| facts.resources.contains_key(&id.stack)) {
            let text = format!("{} is a resource of the world {} itself: its file owns it", id.stack, id.world);
            return Err(DoorError::Refused(Why::new(WhyCode::Refused, text).way_out("take another name")));
        }
        let Some((stack, last)) = owned else { return Ok(()) };
        let same = stack.from == from && last.is_none_or(|last| last == source);
        if matches!(stack.wish, Wish::Gone) || same {
            return Ok(());
        }
        let (name, world) = (&id.stack, &id.world);
        if let Some(last) = last.filter(|last| is_within(last, source)) {
            let text = format!(
                "{name} in {world} {}, of which {} is a part",
                owned_so(stack.from, Some(last)),
                place_of(source)
            );
            let way_out = format!(
                "go on with it there: deployd up {}; or let it go first and keep its data: deployd down {name} --keep-data",
                place_of(last)
            );
            return Err(DoorError::Refused(Why::new(WhyCode::Refused, text).way_out(way_out)));
        }
        let text = format!("{name} in {world} {}; {}", owned_so(stack.from, last), second(name, source));
        let way_out = format!(
            "give one of the two another name; or let that one go and keep its data: deployd down {name} --keep-data"
        );
        Err(DoorError::Refused(Why::new(WhyCode::Refused, text).way_out(way_out)))
    }
}

impl Engine {
    /// What is to be told where the world's own file asks for a resource under the name of a stack that another owns: the
    /// file's is not made.
    pub(super) fn named_twice(&self, stack: &Stack) -> Option<Line> {
        let owner = match &stack.wish {
            Wish::Run { source } if !source.0.starts_with("world:") => Some(source),
            Wish::Stopped if stack.from != From::File => None,
            Wish::Run { .. } | Wish::Stopped | Wish::Gone => return None,
        };
        let id = &stack.id;
        let (slug, _) = self.shared.catalogue().1.worlds().get(&id.world)?.resources.get(&id.stack).cloned()?;
        let owned = owned_so(stack.from, owner);
        let text = format!(
            "the file of {} asks for a {slug} of this name: it is not made, since {} {owned}",
            id.world, id.stack
        );
        let way_out = format!(
            "name it otherwise there; or let this one go and keep its data: deployd down {} --keep-data",
            id.stack
        );
        Some(Line::new(
            id.address(id.stack.clone()),
            LineCode::Other,
            Why::new(WhyCode::Refused, text).way_out(way_out),
        ))
    }

    /// Refuses to take away what the world's own file asks for: it would be made again.
    pub(super) fn refuse_asked_for(&self, stack: &Stack) -> Result<(), DoorError> {
        let id = &stack.id;
        let is_of_file = matches!(&stack.wish, Wish::Run { source } if source.0.starts_with("world:"));
        let facts = self.shared.catalogue().1.worlds().get(&id.world).cloned();
        if !is_of_file || facts.is_none_or(|facts| !facts.resources.contains_key(&id.stack)) {
            return Ok(());
        }
        let text = format!("{id} is asked for by the file of {}: it would be made again", id.world);
        let way_out = format!("take it out of `resources` there; then: deployd down {}", id.stack);
        Err(DoorError::Refused(Why::new(WhyCode::Refused, text).way_out(way_out)))
    }
}

/// How a stack came to be, in words.
fn owned_so(from: From, source: Option<&SourceId>) -> String {
    let place = source.filter(|source| source.0 != REST).map(place_of);
    match (from, place) {
        (From::Rest, _) => "is a resource that a person made, without a service".to_owned(),
        (From::Project, Some(place)) => format!("is deployed by a project, from {place}"),
        (From::Project, None) => "is deployed by a project".to_owned(),
        (From::File, Some(place)) => format!("is deployed from {place}"),
        (From::File, None) => "is deployed from files".to_owned(),
    }
}

/// Who asks for a name that is taken.
fn second(name: &Name, source: &SourceId) -> String {
    if source.0 == REST {
        return "a resource cannot have its name".to_owned();
    }
    format!("{} has a service {name} too", place_of(source))
}

/// A source as people know it: a folder by its path.
fn place_of(source: &SourceId) -> &str {
    source.0.strip_prefix("folder:").unwrap_or(&source.0)
}

/// Whether a folder lies below another: then it is most likely one service, and no second one of its name.
fn is_within(outer: &SourceId, inner: &SourceId) -> bool {
    fn folder(source: &SourceId) -> Option<&Path> {
        source.0.strip_prefix("folder:").map(Path::new)
    }
    match (folder(outer), folder(inner)) {
        (Some(outer), Some(inner)) => inner != outer && inner.starts_with(outer),
        _ => false,
    }
}

/// There is no such stack.
pub(super) fn no_stack(id: &StackId) -> DoorError {
    let text = format!("there is no {} in {}", id.stack, id.world);
    DoorError::NotFound(Why::new(WhyCode::Missing, text).way_out("deployd status shows what there is"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_of_a_source_is_a_part_of_it() {
        let within = |outer: &str, inner: &str| is_within(&SourceId(outer.to_owned()), &SourceId(inner.to_owned()));
        assert!(within("folder:/srv/shop", "folder:/srv/shop/cart"));
        assert!(!within("folder:/srv/shop", "folder:/srv/shop"));
        assert!(!within("folder:/srv/shop", "folder:/srv/shopping"));
        assert!(!within("folder:/srv/shop/cart", "folder:/srv/shop"));
        assert!(!within("rest", "folder:/srv/shop"));
    }
}
