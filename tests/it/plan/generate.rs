//! Generated pairs of graphs, as text: what is deployed first and what follows, in any mixture of kinds, with whatever
//! happens in between. Small numbers, so that what is wrong shrinks to something that can be read.

use proptest::prelude::*;
use std::fmt::Write;

/// What a position of a graph may be. Its lines are made by [`Spec::lines`].
#[derive(Clone, Debug)]
pub struct Spec {
    kind: Sort,
    /// What is changed where it stands; 3 is bad.
    size: u8,
    engine: u8,
    storage: u8,
    content: u8,
    replicas: u8,
    update: u8,
    refers: Vec<u8>,
    needs: Vec<u8>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Sort {
    Thing,
    Pair,
    SingleShot,
    Data,
    Vault,
    Copy,
    Test,
    Migration,
    Deployment,
    Process,
    Route,
}

/// Something that happens between two runs, to the node at a position.
#[derive(Clone, Debug)]
pub enum Event {
    Meddle(&'static str, u8),
    Restart,
}

/// Two graphs, and what happens after each was deployed.
#[derive(Clone, Debug)]
pub struct Tale {
    pub first: Vec<String>,
    pub second: Vec<String>,
    pub between: Vec<Event>,
}

const POSITIONS: usize = 6;

fn sort() -> impl Strategy<Value = Sort> {
    use Sort::{Copy, Data, Deployment, Migration, Pair, Process, Route, SingleShot, Test, Thing, Vault};
    prop_oneof![
        3 => Just(Thing), 1 => Just(Pair), 1 => Just(SingleShot), 1 => Just(Data), 1 => Just(Vault), 2 => Just(Copy),
        1 => Just(Test), 1 => Just(Migration), 1 => Just(Deployment), 4 => Just(Process), 2 => Just(Route),
    ]
}

fn spec() -> impl Strategy<Value = Spec> {
    let edges = || prop::collection::vec(0..POSITIONS as u8, 0..3);
    let size = prop_oneof![20 => 0..3_u8, 1 => Just(3)];
    (sort(), size, 0..2_u8, 0..3_u8, 0..3_u8, 1..4_u8, 0..4_u8, edges(), edges()).prop_map(
        |(kind, size, engine, storage, content, replicas, update, refers, needs)| Spec {
            kind,
            size,
            engine,
            storage,
            content,
            replicas,
            update,
            refers,
            needs,
        },
    )
}

/// The same position later: mostly the same, a little changed, another, or gone.
fn later(before: Option<Spec>) -> impl Strategy<Value = Option<Spec>> {
    let other = prop::option::weighted(0.8, spec());
    (0..10_u8, other, spec()).prop_map(move |(how, other, news)| match (how, &before) {
        (0..4, _) => before.clone(),
        (4..8, Some(before)) => Some(Spec {
            size: news.size,
            engine: if how == 4 { news.engine } else { before.engine },
            storage: if how == 5 { news.storage } else { before.storage },
            content: news.content,
            replicas: if how == 6 { news.replicas } else { before.replicas },
            refers: if how == 7 { news.refers } else { before.refers.clone() },
            ..before.clone()
        }),
        _ => other,
    })
}

fn event() -> impl Strategy<Value = Event> {
    let what = prop::sample::select(vec![
        "vanish",
        "drift",
        "fails",
        "restarts",
        "leaves",
        "refuse",
        "retry",
        "unreachable",
        "happens",
        "lost",
    ]);
    prop_oneof![8 => (what, 0..POSITIONS as u8).prop_map(|(what, at)| Event::Meddle(what, at)), 1 => Just(Event::Restart)]
}

/// Any two graphs and what happens between them.
pub fn tale() -> impl Strategy<Value = Tale> {
    let pair = prop::option::weighted(0.8, spec()).prop_flat_map(|first| (Just(first.clone()), later(first)));
    let events = prop::collection::vec(event(), 0..4);
    (prop::collection::vec(pair, 1..=POSITIONS), events).prop_map(|(pairs, between)| {
        let (first, second): (Vec<_>, Vec<_>) = pairs.into_iter().unzip();
        Tale { first: Spec::lines(&first), second: Spec::lines(&second), between }
    })
}

impl Spec {
    /// The lines of a graph: each position refers to and needs only those before it, so there are no circles.
    fn lines(specs: &[Option<Spec>]) -> Vec<String> {
        let mut lines = Vec::new();
        for (at, spec) in specs.iter().enumerate() {
            if let Some(spec) = spec {
                spec.put(at, specs, &mut lines);
            }
        }
        lines
    }

    fn names(&self, at: usize) -> Vec<String> {
        match self.kind {
            Sort::Process => (1..=self.replicas).map(|replica| format!("n{at}.{replica}")).collect(),
            _ => vec![format!("n{at}")],
        }
    }

    fn put(&self, at: usize, specs: &[Option<Spec>], lines: &mut Vec<String>) {
        let before = |edges: &[u8]| -> Vec<(usize, Spec)> {
            let there = edges.iter().filter_map(|edge| {
                let edge = usize::from(*edge);
                let spec = specs.get(edge).filter(|_| edge < at)?.clone()?;
                Some((edge, spec))
            });
            there.collect()
        };
        let answers = |spec: &Spec| !matches!(spec.kind, Sort::Test | Sort::Migration);
        let refers = before(&self.refers).into_iter().filter(|(_, spec)| answers(spec));
        let refers: Vec<String> = refers.flat_map(|(edge, spec)| spec.names(edge)).collect();
        let needs: Vec<String> = before(&self.needs).into_iter().flat_map(|(edge, spec)| spec.names(edge)).collect();
        for name in self.names(at) {
            lines.push(format!("{name} {}", self.line(&refers, &needs)));
        }
    }

    fn line(&self, refers: &[String], needs: &[String]) -> String {
        let kind = match self.kind {
            Sort::Thing => "t/thing",
            Sort::Pair => "t/pair",
            Sort::SingleShot => "t/single-shot",
            Sort::Data => "t/data",
            Sort::Vault => "t/vault",
            Sort::Copy => "t/copy",
            Sort::Test => "t/test",
            Sort::Migration => "t/migration",
            Sort::Deployment => "t/deployment",
            Sort::Process => "t/process",
            Sort::Route => "t/route",
        };
        let mut line = format!("{kind} size={}", if self.size == 3 { "bad".to_owned() } else { self.size.to_string() });
        let is_several = matches!(self.kind, Sort::Copy | Sort::Test | Sort::Migration);
        if !is_several {
            write!(line, " engine=e{} storage={}", self.engine, self.storage).unwrap();
        }
        if self.kind == Sort::Migration {
            line.push_str(" mode=before");
        }
        if !refers.is_empty() {
            let refers: Vec<String> = refers.iter().map(|name| format!("${{{name}.url}}")).collect();
            write!(line, " to=[{}]", refers.join(",")).unwrap();
        }
        if !needs.is_empty() {
            write!(line, " ; needs {}", needs.join(" ")).unwrap();
        }
        if is_several {
            write!(line, " ; content c{}", self.content).unwrap();
        }
        if self.kind == Sort::Process {
            let update = ["rolling 1", "rolling 2", "blue-green", "stop-first"][usize::from(self.update)];
            write!(line, " ; update {update}").unwrap();
        }
        line
    }
}
