//! Events and log lines, as they are streamed.

use super::schema;
use super::words::Moment;
use crate::model::{Identity, Name};
use crate::state::EventBody;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The `event:` of a server-sent event that tells what happened; its data is an [`Event`].
pub const HAPPENED: &str = "happened";

/// The `event:` that comes first: the stream stands, and tells everything after its `id`. Its data is `{}`.
pub const OPEN: &str = "open";

/// The `event:` that says: events cannot be read now; the stream goes on by itself. Its data is a [`StreamReset`].
pub const TROUBLE: &str = "trouble";

/// The `event:` that says: some events are gone, load the state anew; the stream goes on from this `id`. Its data is a
/// [`StreamReset`].
pub const RESET: &str = "reset";

/// The `event:` that says: the server is ending; connect again later. Its data is `{}`.
pub const ENDING: &str = "ending";

/// The `event:` of a log's line; its data is a [`LogLine`].
pub const LINE: &str = "line";

/// What happened. The `id` of its server-sent event goes into `Last-Event-ID` to go on after it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct Event {
    /// Its id: a stream begins after it with `after`, or with `Last-Event-ID`.
    #[serde(default)]
    pub id: String,
    /// When.
    pub at: Moment,
    /// In which world, if it is of a stack.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<schema::Name>)]
    pub world: Option<Name>,
    /// In which stack.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<schema::Name>)]
    pub stack: Option<Name>,
    /// What: `{"event": "step_done", ...}`.
    #[schema(value_type = schema::Fields)]
    pub body: EventBody,
}

/// Why a stream does not go on as it did.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct StreamReset {
    /// Why, for people.
    pub why: String,
}

/// One line that a process wrote.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct LogLine {
    /// When.
    pub at: Moment,
    /// Who wrote it.
    #[schema(value_type = schema::Identity)]
    pub identity: Identity,
    /// Whether to standard error.
    pub is_error: bool,
    /// The line, without its end. It comes from outside: screens must not trust it.
    pub text: String,
}
