//! What processes wrote, line by line.

use super::text::{self, EVENT_STREAM};
use super::{Next, Paced, body};
use crate::contract::{LogLine, LogStream};
use crate::server::access::Caller;
use crate::server::api::event as api;
use crate::server::refusal::Answer;
use crate::server::serving::Serving;
use axum::response::Response;
use std::sync::Arc;

/// In which shape lines are told.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Shape {
    /// One JSON object a line; an empty line says that the stream is alive.
    Lines,
    /// Server-sent events.
    Events,
}

/// The media type of JSON lines.
const JSON_LINES: &str = "application/x-ndjson";

/// Streams the lines of a log.
///
/// # Errors
/// 503 when too many streams are open.
pub fn logs(serving: &Arc<Serving>, caller: Caller, lines: LogStream, shape: Shape) -> Answer<Response> {
    let paced = Paced::new(lines, serving, caller)?;
    let chunks = futures::stream::unfold(Some(paced), move |paced| async move {
        let mut paced = paced?;
        match paced.next().await {
            Next::Item(line) => Some((shape.line(line), Some(paced))),
            Next::Tick => Some((shape.alive(), Some(paced))),
            Next::Ending => Some((shape.ending(), None)),
            Next::End => None,
        }
    });
    Ok(body(shape.media_type(), chunks))
}

impl Shape {
    fn media_type(self) -> &'static str {
        match self {
            Shape::Lines => JSON_LINES,
            Shape::Events => EVENT_STREAM,
        }
    }

    fn line(self, line: LogLine) -> String {
        let LogLine { at, identity, is_error, text } = line;
        let line = api::LogLine { at: at.into(), identity, is_error, text };
        match self {
            Shape::Lines => serde_json::to_string(&line).expect("a line is JSON") + "\n",
            Shape::Events => text::event(None, api::LINE, &line),
        }
    }

    fn alive(self) -> String {
        match self {
            Shape::Lines => "\n".to_owned(),
            Shape::Events => text::alive(None),
        }
    }

    fn ending(self) -> String {
        match self {
            Shape::Lines => String::new(),
            Shape::Events => text::ending(),
        }
    }
}
