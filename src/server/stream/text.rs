//! The text of server-sent events.

use serde::Serialize;
use std::fmt::Display;

/// The media type.
pub const EVENT_STREAM: &str = "text/event-stream";

/// One event. JSON has no line breaks of its own, so its data is one line.
pub fn event<T: Serialize>(id: Option<&dyn Display>, name: &str, data: &T) -> String {
    let data = serde_json::to_string(data).expect("what is streamed is JSON");
    let id = id.map(|id| format!("id: {id}\n")).unwrap_or_default();
    format!("{id}event: {name}\ndata: {data}\n\n")
}

/// The first event: the stream stands.
pub fn open(id: Option<&dyn Display>) -> String {
    let again = "retry: 1000\n";
    format!("{again}{}", event(id, crate::server::api::event::OPEN, &serde_json::json!({})))
}

/// Nothing happened. An `id` alone moves the place from which a client goes on, and tells it nothing else.
pub fn alive(id: Option<&dyn Display>) -> String {
    match id {
        Some(id) => format!("id: {id}\n\n"),
        None => ":\n\n".to_owned(),
    }
}

/// The server ends.
pub fn ending() -> String {
    event(None, crate::server::api::event::ENDING, &serde_json::json!({}))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_lines() {
        assert_eq!(event(Some(&"7-2"), "line", &"a\nb"), "id: 7-2\nevent: line\ndata: \"a\\nb\"\n\n");
        assert_eq!(open(None), "retry: 1000\nevent: open\ndata: {}\n\n");
        assert_eq!((alive(Some(&"7-2")), alive(None)), ("id: 7-2\n\n".into(), ":\n\n".into()));
    }
}
