//! Questions that may be repeated: the same key and the same question have the same answer, and nothing is done twice.
//!
//! The answer is written in the batch of what it answers, so there is no moment at which one is durable without the
//! other. What is answered to a key is for whoever asked under it alone.

use super::super::record::{Change, LoadError, Op, RecordError, StackRows, commit, read_row};
use super::super::rows::{OnceRow, encode, once_key};
use super::write::{Needs, SourceOf, not_recorded};
use super::{Accepted, DoorError, Engine};
use crate::contract::{Expected, Key, Scope};
use crate::model::{Digest, Milliseconds, Name, StackId, Wall};
use crate::state::{ConsentId, Principal, SourceId, Why, WhyCode};
use serde::Serialize;

/// How long an answer to an Idempotency-Key is kept: longer than any sender repeats itself.
const ONCE_KEPT: Milliseconds = Milliseconds::seconds(30 * 24 * 3600);

/// Answers that are over and go with a new one.
const ONCE_SWEPT: usize = 4;

/// Who asks, and under which Idempotency-Key if any: what a door needs that takes nothing else.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct By {
    /// Who.
    pub principal: Principal,
    /// An Idempotency-Key: asked again with the same key, it answers what it answered.
    pub once: Option<String>,
}

impl From<&Principal> for By {
    fn from(principal: &Principal) -> By {
        By { principal: principal.clone(), once: None }
    }
}

/// A question that may be repeated: by whom, under which key, and what was asked.
#[derive(Clone, Debug)]
pub(super) struct Once {
    key: Key,
    asked: Digest,
}

/// An answer that is kept under a key, and given again.
pub(super) trait Answer: Sized {
    /// What is kept of it: deployments that were accepted, and names of anything else.
    fn kept(&self) -> (Vec<Accepted>, Vec<String>);

    /// The answer that was kept; nothing where it is none of this kind.
    fn again(accepted: Vec<Accepted>, names: Vec<String>) -> Option<Self>;
}

/// What is known of a key before its question is answered.
pub(super) enum Before<T> {
    /// It was answered.
    Answered(T),
    /// It was not; these other answers are over.
    New(Vec<(Key, Expected)>),
}

impl Once {
    /// Of an Idempotency-Key, if there is one: another principal's same key is another key.
    pub(super) fn of<T: Serialize>(world: &Name, by: &Principal, key: Option<&str>, asked: &T) -> Option<Once> {
        let key = once_key(world, &format!("{by}\0{}", key?));
        Some(Once { key, asked: Digest::of_json("asked", asked) })
    }

    /// The part of it that is about one of several stacks.
    pub(super) fn about(&self, stack: &StackId) -> Once {
        let key = once_key(&stack.world, &format!("{}\0{stack}", self.key));
        Once { key, asked: self.asked }
    }

    /// Writes the answer with what it answers.
    pub(super) fn put(&self, change: &mut Change, answer: &impl Answer, now: Wall, over: Vec<(Key, Expected)>) {
        let (answer, names) = answer.kept();
        let row = OnceRow { asked: self.asked, answer, names, at: now };
        change.push(Op::World(self.key.clone(), Some(Expected::Absent), encode(&row)));
        over.into_iter().for_each(|(key, expected)| change.push(Op::NoWorld(key, Some(expected))));
    }
}

impl Engine {
    /// What was answered to a question, if it was asked before.
    ///
    /// # Errors
    /// When the same key was used for another question.
    pub(super) async fn answered<T: Answer>(&self, world: &Name, once: Option<&Once>) -> Result<Option<T>, DoorError> {
        let Some(once) = once else { return Ok(None) };
        match self.before(world, once).await? {
            Before::Answered(answer) => Ok(Some(answer)),
            Before::New(_) => Ok(None),
        }
    }

    pub(super) async fn before<T: Answer>(&self, world: &Name, once: &Once) -> Result<Before<T>, DoorError> {
        let id = once.key.table_and_id().map(|(_, id)| id).unwrap_or_default();
        // Some of the other answers come along: those that are over go with the new one, a few at a time.
        let beginning = id.get(..2).unwrap_or_default().to_owned();
        let scope = Scope::Table { world: world.clone(), table: "once".to_owned(), beginning };
        let (rows, _) = self.parts().store.load(&scope).await?;
        let now = self.shared.now().wall;
        let mut over = Vec::new();
        for row in rows {
            let is_it = row.key == once.key;
            match read_row::<OnceRow>(&*self.parts().store, &row).await {
                Ok(found) if is_it => return found.again(once).map(Before::Answered),
                Ok(found) if now.since(found.at) > ONCE_KEPT && over.len() < ONCE_SWEPT => {
                    over.push((row.key, Expected::Version(row.version)));
                }
                Ok(_) => {}
                Err(LoadError::Store(error)) => return Err(DoorError::Store(error)),
                Err(LoadError::Row(key, how)) if is_it => {
                    let text = format!("what was answered under this Idempotency-Key cannot be read ({key}: {how})");
                    return Err(DoorError::Refused(Why::new(WhyCode::NotReadable, text).way_out("take a new key")));
                }
                Err(LoadError::Row(..)) => {}
            }
        }
        Ok(Before::New(over))
    }

    /// Whether anything was answered under a key: then whatever the question says of what it was read from was so when it
    /// was answered.
    ///
    /// # Errors
    /// [`DoorError::Store`].
    pub async fn has_answered(&self, world: &Name, by: &By) -> Result<bool, DoorError> {
        let Some(once) = Once::of(world, &by.principal, by.once.as_deref(), &()) else { return Ok(false) };
        let id = once.key.table_and_id().map(|(_, id)| id).unwrap_or_default().to_owned();
        let scope = Scope::Table { world: world.clone(), table: "once".to_owned(), beginning: id };
        let (rows, _) = self.parts().store.load(&scope).await?;
        Ok(rows.iter().any(|row| row.key == once.key))
    }

    /// Keeps the answer that several writes have together, or one that another store than ours has made durable.
    pub(super) async fn keep_answer<T: Answer + Clone + Send + Sync>(
        &self,
        stack: &StackId,
        once: Option<&Once>,
        answer: &T,
    ) -> Result<(), DoorError> {
        let Some(once) = once else { return Ok(()) };
        let needs = Needs { once: Some(once), source: SourceOf::None };
        self.write_with(stack, needs, |_| Ok((Change::new(), answer.clone()))).await?;
        Ok(())
    }

    /// What a secret's version was answered under a key, where that is so.
    ///
    /// # Errors
    /// [`DoorError::KeyUsed`] when the key was used for another question.
    pub async fn set_before(&self, world: &Name, by: &By, asked: &impl Serialize) -> Result<Option<String>, DoorError> {
        let once = Once::of(world, &by.principal, by.once.as_deref(), asked);
        Ok(self.answered::<Named>(world, once.as_ref()).await?.map(|Named(version)| version))
    }

    /// Keeps what was answered to a question about a secret. The secret itself lies elsewhere: who asks again after a
    /// death between the two sets the same value once more.
    ///
    /// # Errors
    /// [`DoorError`].
    pub async fn keep_set(&self, world: &Name, by: &By, asked: &impl Serialize, answer: &str) -> Result<(), DoorError> {
        let Some(once) = Once::of(world, &by.principal, by.once.as_deref(), asked) else { return Ok(()) };
        let mut nobody = StackRows::none(StackId::new(world.clone(), Name::fixed("none")));
        let (mut change, now) = (Change::new(), self.shared.now().wall);
        once.put(&mut change, &Named(answer.to_owned()), now, Vec::new());
        match commit(&*self.parts().store, &mut nobody, None, change, now).await {
            // The same was asked twice at once, and answered.
            Ok(()) | Err(RecordError::Moved) => Ok(()),
            Err(error) => Err(not_recorded(error)),
        }
    }
}

impl OnceRow {
    /// What was answered, to whoever asks the same once more.
    fn again<T: Answer>(self, once: &Once) -> Result<T, DoorError> {
        if self.asked != once.asked {
            let why = Why::new(WhyCode::Refused, "this Idempotency-Key was used for another request");
            return Err(DoorError::KeyUsed(why.way_out("take a new key for a new request")));
        }
        T::again(self.answer, self.names).ok_or_else(|| {
            let why = Why::new(WhyCode::Other, "what was answered under this Idempotency-Key answers another question");
            DoorError::Refused(why.way_out("take a new key"))
        })
    }
}

/// A name that was answered.
#[derive(Clone)]
struct Named(String);

impl Answer for Named {
    fn kept(&self) -> (Vec<Accepted>, Vec<String>) {
        (Vec::new(), vec![self.0.clone()])
    }
    fn again(_: Vec<Accepted>, names: Vec<String>) -> Option<Named> {
        names.into_iter().next().map(Named)
    }
}

impl Answer for () {
    fn kept(&self) -> (Vec<Accepted>, Vec<String>) {
        (Vec::new(), Vec::new())
    }
    fn again(_: Vec<Accepted>, _: Vec<String>) -> Option<()> {
        Some(())
    }
}

impl Answer for Accepted {
    fn kept(&self) -> (Vec<Accepted>, Vec<String>) {
        (vec![self.clone()], Vec::new())
    }
    fn again(accepted: Vec<Accepted>, _: Vec<String>) -> Option<Accepted> {
        accepted.into_iter().next()
    }
}

impl Answer for Vec<Accepted> {
    fn kept(&self) -> (Vec<Accepted>, Vec<String>) {
        (self.clone(), Vec::new())
    }
    fn again(accepted: Vec<Accepted>, _: Vec<String>) -> Option<Vec<Accepted>> {
        Some(accepted)
    }
}

/// With the source that the world does not run any more: it was told so the first time.
impl Answer for (Accepted, Option<SourceId>) {
    fn kept(&self) -> (Vec<Accepted>, Vec<String>) {
        self.0.kept()
    }
    fn again(accepted: Vec<Accepted>, names: Vec<String>) -> Option<(Accepted, Option<SourceId>)> {
        Accepted::again(accepted, names).map(|accepted| (accepted, None))
    }
}

impl Answer for Vec<ConsentId> {
    fn kept(&self) -> (Vec<Accepted>, Vec<String>) {
        (Vec::new(), self.iter().map(|id| id.0.clone()).collect())
    }
    fn again(_: Vec<Accepted>, names: Vec<String>) -> Option<Vec<ConsentId>> {
        Some(names.into_iter().map(ConsentId).collect())
    }
}
