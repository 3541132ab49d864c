//! An entrypoint as fields say it.

use super::process::Protocol;
use crate::graph::{Component, Node};
use crate::model::{Name, Value};

/// An entrypoint as its component's fields say it.
#[derive(Clone, PartialEq, Debug)]
pub struct EntrypointWords {
    /// The host that it answers for.
    pub host: String,
    /// The path that it answers for, with all below it; begins with `/`.
    pub path: String,
    /// What is spoken.
    pub protocol: Protocol,
    /// CIDR ranges that are let in; `None` is everybody.
    pub gates: Option<Vec<Value>>,
    /// The limit of one request.
    pub timeout: Option<Value>,
    /// The process that it forwards to; `None` is the main one.
    pub process: Option<Name>,
    /// The port's name.
    pub port: Name,
    /// The port's number, where the process has an address of its own.
    pub number: u16,
}

impl EntrypointWords {
    /// Reads an entrypoint's fields; nothing where one that `resolve` always writes is not there.
    #[must_use]
    pub fn read(component: &Component) -> Option<EntrypointWords> {
        let text = |key: &str| component.field(key).and_then(Value::as_text);
        let process = Name::new(text("process")?).ok()?;
        Some(EntrypointWords {
            host: text("host")?.to_owned(),
            path: text("path").unwrap_or("/").to_owned(),
            protocol: text("protocol").and_then(Protocol::of).unwrap_or(Protocol::Http),
            gates: component.field("gates").map(|gates| gates.items().to_vec()),
            timeout: component.field("timeout").cloned(),
            process: (process != component.address.stack).then_some(process),
            port: Name::new(text("port")?).ok()?,
            number: u16::try_from(component.field("number")?.as_whole()?).ok()?,
        })
    }

    /// The host and path (without a `/` at its end) that a node answers for, if it is a way in by name.
    #[must_use]
    pub fn way_of(node: &Node) -> Option<(String, String)> {
        let text = |key: &str| node.fields.get(key).and_then(Value::as_text);
        let protocol = text("protocol").and_then(Protocol::of)?;
        let way = (text("host")?.to_owned(), text("path")?.trim_end_matches('/').to_owned());
        (protocol != Protocol::Tcp).then_some(way)
    }

    /// Its path behind a host: nothing for `/`.
    #[must_use]
    pub fn path_behind_host(&self) -> &str {
        self.path.trim_end_matches('/')
    }
}
