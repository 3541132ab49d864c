//! What is recorded, and what seems to be: stacks, releases, deployments, what we own, observations, consents, events.
//!
//! Plain data; how it becomes rows is the engine's business, how it becomes text the doors'. No secret stands here but
//! sealed.

mod consent;
mod deployment;
mod event;
mod observed;
mod owned;
mod release;
mod stack;
mod why;

pub use consent::{Consent, ConsentAct, ConsentId};
pub use deployment::{Deployment, DeploymentId, DeploymentState, Mode, NotADeploymentId, Principal};
pub use event::EventBody;
pub use observed::{Condition, Exit, Handle, Observation, Owner, Presence, Present, Receipt, Seen, Settling};
pub use owned::{Intent, IntentAct, IntentId, Owned, Phase, Recorded, RecordedOutput, Token, Trouble};
pub use release::{Release, ReleaseId, Revision, RevisionId};
pub use stack::{Export, From, Record, SourceId, Stack, StackCondition, StackState, Wish};
pub use why::{Move, Why, WhyCode};
