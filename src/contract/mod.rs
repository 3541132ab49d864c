//! The traits between meaning and the rooms, and the types that cross them. No SDK's type stands here.
//!
//! Every trait is dyn-safe and `Send`, and async where it waits. Everything that crosses but what is secret can be
//! serialised, so that orders, outcomes and queries round-trip through bytes (a test holds that), and a room could live
//! in another process.

mod clock;
mod contents;
mod link;
mod provider;
mod redact;
mod secrets;
mod source;
mod store;

pub use clock::Clock;
pub use contents::{ContentFailure, ContentListing, Contents, changed_paths, content_digest, covers};
pub use link::{Stray, follow};
pub use provider::{
    Failure, Finding, Found, Freshness, Hint, Keep, ListScope, Listing, LogFrom, LogLine, LogStream, Order, OrderAct,
    Outcome, Outputs, Provider, Query, Seal,
};
pub use redact::{REDACTED, REDACTED_BYTES_MIN, Redactor};
pub use secrets::{Filled, Plain, SealBroken, SecretFailure, Secrets, Unfilled};
pub use source::{
    At, File, FilePath, NotAFilePath, Snapshot, Source, SourceFailure, Watched, Whole, check_links, together,
};
pub use store::{
    AcquireError, BATCH_BYTES_MAX, BATCH_OPERATIONS_MAX, BLOB_BYTES_MAX, Batch, CommitError, Cursor, Event, EventDraft,
    EventsError, Expected, Fence, Genesis, KEY_BYTES_MAX, Key, Page, ROW_BYTES_MAX, Reset, Restored, Row, RowVersion,
    Rows, STORE_FORMAT, Scope, Serial, Store, StoreError, Unreadable,
};
