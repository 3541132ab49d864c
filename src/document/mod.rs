//! A tree of values with the place of each: how every file that a person wrote is first read.
//!
//! [`read`] turns bytes into [`Document`]s and [`Diagnostics`](crate::diagnostic::Diagnostics). A scalar keeps its text
//! and style until the reader of a format asks for a type (`NO`, `010` and `1.10` stay what they are), through the
//! accessors on [`Node`], which say what is wrong and go on. Everything foreign is read within a [`Budget`].
//!
//! This module must never know what a key means, do IO, or stop at the first mistake.
//!
//! ```
//! use deployd::{diagnostic::Diagnostics, document::{self, Budget}};
//! let (documents, mut found) = document::read(&"x.yaml".into(), b"port: 8080\n", &Budget::default());
//! let map = documents[0].root.map("a service", &mut found).expect("it is a map");
//! let port = map.get("port").and_then(|node| node.whole("a port", 1..=65535, &mut found));
//! assert_eq!(port.map(|port| port.value), Some(8080));
//! assert!(found.is_empty());
//! ```

mod accessor;
mod budget;
mod build;
mod keys;
mod line;
mod merge;
mod open;
mod read;
mod secret;
mod template;
mod trap;
mod tree;
mod written;

pub use accessor::Choice;
pub use budget::Budget;
pub use keys::{Answer, Keys, not_built, refused};
pub use merge::merge;
pub use read::read;
pub use secret::{refuse_keys, refuse_keys_in};
pub use template::{Part, Reference, Template};
pub use tree::{Document, Entry, Map, Node, Scalar, Shape, Spanned, Style};
pub use written::{as_written, value_of};
