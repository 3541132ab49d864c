//! `update`: how a new release takes over.

use super::keys::{APPEND_ONLY, BLUE_GREEN, ROLLING, UPDATE};
use super::reading::Reading;
use crate::diagnostic::Diagnostic;
use crate::document::{Map, Node, Shape, Spanned, not_built};
use crate::model::Milliseconds;

/// How a new release takes over.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Update {
    /// Replica by replica.
    Rolling {
        /// `at_once`: how many replicas are replaced together; `None` is one.
        at_once: Option<Spanned<u32>>,
    },
    /// All new replicas beside the old ones, then one switch.
    BlueGreen {
        /// `keep`: how long the old ones stay after the switch; `None` is until their last request.
        keep: Option<Spanned<Milliseconds>>,
    },
    /// Old releases stay reachable beside the new one.
    AppendOnly {
        /// `keep`: how many old releases stay; `None` is all.
        keep: Option<Spanned<u32>>,
    },
}

/// How many replicas or releases one update may speak of.
const COUNT_MAX: i64 = 1_000;

impl Update {
    pub(super) fn read(node: &Node, cx: &mut Reading<'_>) -> Option<Spanned<Update>> {
        if let Shape::Map(map) = &node.shape {
            return Update::read_long(node, map, cx);
        }
        if node.as_text() == Some("canary") {
            cx.push(not_built("`canary`").at(&node.place));
            return None;
        }
        let choices = [("rolling", 0), ("blue-green", 1), ("append-only", 2)];
        Some(node.choice("`update`", &choices, cx.found)?.map(|chosen| match chosen {
            0 => Update::Rolling { at_once: None },
            1 => Update::BlueGreen { keep: None },
            _ => Update::AppendOnly { keep: None },
        }))
    }

    fn read_long(node: &Node, map: &Map, cx: &mut Reading<'_>) -> Option<Spanned<Update>> {
        UPDATE.check(map, cx.found);
        let [entry] = map.entries.as_slice() else {
            let detail = "`update` is one way with its parameters, as in update: { rolling: { at_once: 2 } }";
            cx.push(Diagnostic::error("one-of-them", "one of them", detail).at(&node.place));
            return None;
        };
        if !UPDATE.known.contains(&&*entry.key.value) {
            return None;
        }
        let parameters = entry.value.map("what an update takes", cx.found)?;
        let update = match &*entry.key.value {
            "rolling" => {
                ROLLING.check(parameters, cx.found);
                Update::Rolling { at_once: read_count(parameters, "at_once", cx) }
            }
            "blue-green" => {
                BLUE_GREEN.check(parameters, cx.found);
                Update::BlueGreen { keep: parameters.get("keep").and_then(|keep| keep.duration("`keep`", cx.found)) }
            }
            "append-only" => {
                APPEND_ONLY.check(parameters, cx.found);
                Update::AppendOnly { keep: read_count(parameters, "keep", cx) }
            }
            _ => return None,
        };
        Some(node.spanned(update))
    }
}

fn read_count(map: &Map, key: &str, cx: &mut Reading<'_>) -> Option<Spanned<u32>> {
    let count = map.get(key)?.whole(&format!("`{key}`"), 1..=COUNT_MAX, cx.found)?;
    Some(count.map(|count| u32::try_from(count).expect("the range was checked")))
}
