//! What should be: nodes, what they need, and the rules of their kinds.
//!
//! A desired graph holds no places (they live in `resolve`'s origins) and nothing that depends on the moment: the same
//! files, world and secret versions give the same bytes and the same digest. This module knows no files.

mod answer;
mod check;
mod component;
mod existing;
mod expand;
mod node;
mod rules;
pub mod words;

pub use existing::existing;
pub use expand::{Asked, StackAsked, WorldSays, compile};
pub use node::{DesiredGraph, ExportedOutputs, GraphDigest, HealthCheck, Import, Need, Node, Probe, Update};
pub use rules::{
    Change, Component, Create, Data, Expanded, Field, FieldType, KindRules, KindSet, Known, Lifecycle, Output, Outputs,
    Replace, Role, Rollout, WorldFields,
};
