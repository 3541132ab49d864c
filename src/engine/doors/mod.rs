//! The doors: the one API that server, intake and command line call.
//!
//! Every call that changes something is durable when it returns, then nudges. None waits for what it asked for: follow
//! the events. A door decides nothing about the world; it writes what a person wants, and refuses what contradicts
//! itself, has moved, or lacks a leave.

mod asks;
mod changes;
mod compile;
mod conditions;
mod consents;
mod error;
mod follow;
mod foresee;
mod kept;
mod leaving;
mod logs;
mod once;
mod owner;
mod planning;
mod plans;
mod run;
mod shown;
mod status;
mod write;

pub use asks::{
    AdoptAsk, ApplyAsk, ApproveAsk, ConsentAsk, DownAsk, LogsAsk, PlanAsk, PlanOf, ResourceAsk, RollbackAsk, RunAsk,
};
pub use error::{Changed, DoorError};
pub use once::By;
pub use shown::{
    Accepted, DeploymentShown, DownAnswer, EventStream, ExportShown, Followed, HeldData, HistoryPage, KeptRelease,
    OutputShown, Planned, ReleaseKnown, ResourceCondition, ResourceShown, StackShown, StepShown,
};

use super::handle::Engine;
