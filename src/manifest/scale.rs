//! `scale`: how many replicas, and how large.

use super::keys::{REPLICAS, SCALE, TASK_SCALE};
use super::reading::Reading;
use crate::diagnostic::{Diagnostic, Place};
use crate::document::{Map, Node, Shape, Spanned};
use crate::model::{Bytes, MilliCpu};

/// How many, and how large.
#[derive(Clone, Debug, Default)]
pub struct Scale {
    /// Where `scale` is written, if it is.
    pub place: Option<Place>,
    /// `replicas`; `None` is one.
    pub replicas: Option<Spanned<Replicas>>,
    /// `cpu` of each replica.
    pub cpu: Option<Spanned<MilliCpu>>,
    /// `memory` of each replica.
    pub memory: Option<Spanned<Bytes>>,
}

/// How many replicas.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Replicas {
    /// That many.
    Fixed(u32),
    /// As many as keep the processors that busy.
    Between {
        /// `min`.
        min: Spanned<u32>,
        /// `max`.
        max: Spanned<u32>,
        /// `cpu`, in percent.
        cpu: Spanned<u8>,
    },
}

/// More replicas of one service are a mistake of a digit. Worlds have limits of their own below it.
const REPLICAS_MAX: i64 = 1_000;

impl Scale {
    pub(super) fn read(node: &Node, cx: &mut Reading<'_>) -> Scale {
        let Some(map) = read_map(node, cx) else { return Scale::default() };
        SCALE.check(map, cx.found);
        let replicas = map.get("replicas").and_then(|node| Replicas::read(node, cx));
        Scale { replicas, ..Scale::sizes(node, map, cx) }
    }

    /// The scale of what has no replicas.
    pub(super) fn read_sizes(node: &Node, cx: &mut Reading<'_>) -> Scale {
        let Some(map) = read_map(node, cx) else { return Scale::default() };
        TASK_SCALE.check(map, cx.found);
        Scale::sizes(node, map, cx)
    }

    fn sizes(node: &Node, map: &Map, cx: &mut Reading<'_>) -> Scale {
        Scale {
            place: Some(node.place.clone()),
            replicas: None,
            cpu: map.get("cpu").and_then(|node| node.cpu("`cpu`", cx.found)),
            memory: map.get("memory").and_then(|node| node.size("`memory`", cx.found)),
        }
    }
}

fn read_map<'n>(node: &'n Node, cx: &mut Reading<'_>) -> Option<&'n Map> {
    if let Some(number) = node.as_scalar().and_then(|scalar| scalar.whole()) {
        let mistake = node.mistake("expected-map", "expected a map", "`scale`", "a map of keys and values");
        cx.push(mistake.help(format!("write scale: {{ replicas: {number} }}")));
        return None;
    }
    node.map("`scale`", cx.found)
}

impl Replicas {
    fn read(node: &Node, cx: &mut Reading<'_>) -> Option<Spanned<Replicas>> {
        let Shape::Map(map) = &node.shape else {
            return Some(read_count(node, "`replicas`", 0, cx)?.map(Replicas::Fixed));
        };
        REPLICAS.check(map, cx.found);
        let mut count = |key: &str, what: &str| map.get(key).and_then(|node| read_count(node, what, 1, cx));
        let (min, max) = (count("min", "`min`"), count("max", "`max`"));
        let cpu = map.get("cpu").and_then(|node| node.percent("`cpu`", cx.found));
        let missing: Vec<&str> = ["min", "max", "cpu"].into_iter().filter(|key| REPLICAS.lack(map, key)).collect();
        if !missing.is_empty() {
            let detail = format!("replicas between two numbers need {} too", missing.join(" and "));
            let mistake = Diagnostic::error("missing-key", "missing key", detail).at(&node.place);
            cx.push(mistake.help("write replicas: { min: 3, max: 12, cpu: 70% }"));
        }
        let (min, max, cpu) = (min?, max?, cpu?);
        if min.value > max.value {
            let detail = format!("`min` is {} and `max` is {}", min.value, max.value);
            cx.push(Diagnostic::error("out-of-range", "number out of range", detail).at(&min.place));
            return None;
        }
        Some(node.spanned(Replicas::Between { min, max, cpu }))
    }
}

fn read_count(node: &Node, what: &str, least: i64, cx: &mut Reading<'_>) -> Option<Spanned<u32>> {
    let count = node.whole(what, least..=REPLICAS_MAX, cx.found)?;
    Some(count.map(|count| u32::try_from(count).expect("the range was checked")))
}
