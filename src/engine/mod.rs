//! Gathers, plans, acts and records: one activation for each stack that was nudged.
//!
//! Level, not edge: webhooks, watchers, timers, the API and the command line all write a wish or nudge a stack; what is
//! done follows from what is recorded and seen, never from what the nudge seemed to say. The intent is durable before
//! any effect, the outcome after it; after a crash the engine observes first.
//!
//! It must never import a room (they come in by [`Parts`]), decide what [`crate::plan`] decides, spawn anything, or
//! read another clock than the one it was given: under simulation it runs on one thread, and a crash is dropping its
//! future and keeping the store.

mod activate;
mod alarms;
mod catalogue;
mod discreet;
mod doors;
mod exports;
mod filled;
mod gather;
mod handle;
mod look;
mod offers;
mod parts;
mod queue;
mod record;
mod rows;
mod run;
mod shared;
mod sources;
mod sweep;

pub use catalogue::{
    Catalogue, CatalogueRead, CatalogueReader, CompileAsk, Compiled, ConfigFile, ConfigFiles, FileCatalogue,
    FolderRead, ManifestFile, ManifestFound, Manifests, Trust, WorldFacts,
};
pub use doors::{
    Accepted, AdoptAsk, ApplyAsk, ApproveAsk, By, Changed, ConsentAsk, DeploymentShown, DoorError, DownAnswer, DownAsk,
    EventStream, ExportShown, Followed, HeldData, HistoryPage, KeptRelease, LogsAsk, OutputShown, PlanAsk, PlanOf,
    Planned, ReleaseKnown, ResourceAsk, ResourceCondition, ResourceShown, RollbackAsk, RunAsk, StackShown, StepShown,
};
pub use handle::Engine;
pub use parts::{Limits, Parts, Rooms};
