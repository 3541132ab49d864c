//! The planner alone, over more and more nodes of one stack: `cargo bench --bench plan [NODES...]`. It measures and prints; it
//! judges nothing. What is worse than linear times a logarithm shows in the last column, which then grows with the nodes.

#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a program for people, that stops where it cannot go on")]

#[path = "pipeline/planning.rs"]
mod planning;

use deployd::graph::{
    Asked, Component, DesiredGraph, KindSet, Lifecycle, Outputs, StackAsked, WorldFields, WorldSays, compile,
};
use deployd::model::{Address, Capability, Digest, Kind, Name, StackId, Value, Wall};
use deployd::plan::{Known, Pins, asked_of, frontier, plan, shape_of, verify};
use deployd::state::{
    Condition, Handle, Observation, Owned, Owner, Phase, Presence, Present, Receipt, Record, Recorded, RecordedOutput,
    Seen,
};
use planning::Unsaid;
use std::collections::{BTreeMap, BTreeSet};
use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How many nodes a service of [`graph`] has, with the folder that it uses.
const NODES_OF_A_SERVICE: usize = 7;
/// Each measure is repeated for about so long, and its best time is told: the others tell of the machine.
const SPAN: Duration = Duration::from_millis(1500);

fn main() {
    let kinds = KindSet::new(deployd::wiring::kinds().iter().cloned());
    println!("{:>7} {:<28} {:>8} {:>12} {:>14}", "nodes", "what", "steps", "ms", "µs a node");
    let wanted: Vec<usize> = std::env::args().skip(1).filter_map(|argument| argument.parse().ok()).collect();
    let sizes = if wanted.is_empty() { vec![1, 100, 1_000, 10_000] } else { wanted };
    for nodes in sizes {
        let first = graph(&kinds, nodes, "v1");
        let second = graph(&kinds, nodes, "v2");
        let bare = Bench::new(&kinds, planning::record(stack()));
        bare.measure("make everything", &first, None);
        let standing = Bench::new(&kinds, record(&kinds, &first));
        standing.measure("nothing to do", &first, Some(&first));
        standing.measure("roll everything", &second, Some(&first));
        let empty = DesiredGraph::empty(stack());
        standing.measure("take everything away", &empty, Some(&first));
    }
}

fn stack() -> StackId {
    StackId::new(Name::fixed("laptop"), Name::fixed("bench"))
}

/// Services with two replicas, an entrypoint and a folder each; every tenth uses the folder of the first too.
fn graph(kinds: &KindSet, nodes: usize, content: &str) -> DesiredGraph {
    let mut components = Vec::new();
    for number in 0..nodes.div_ceil(NODES_OF_A_SERVICE) {
        components.push(component(&format!("files{number}"), "local/folder", "{}", None));
        if nodes < NODES_OF_A_SERVICE {
            break;
        }
        let name = format!("s{number}");
        let shared = if number % 10 == 0 { 0 } else { number };
        let fields = format!(
            r#"{{ "run": ["serve"], "replicas": 2, "first": "http", "ports": {{ "http": {{ "port": 8080, "protocol": "http" }} }},
                "env": {{ "FILES": {{ "$": [{{ "output": {{ "of": "laptop/bench/files{shared}", "name": "path" }} }}] }} }} }}"#
        );
        components.push(component(&name, "local/service", &fields, Some(Digest::of(content))));
        let way_in =
            format!(r#"{{ "host": "{name}.localhost", "process": "{name}", "port": "http", "number": 8080 }}"#);
        components.push(component(&format!("web{number}"), "local/entrypoint", &way_in, None));
    }
    let asked = StackAsked {
        stack: stack(),
        components,
        imports: BTreeSet::new(),
        generate: BTreeMap::new(),
        unmade: BTreeSet::new(),
    };
    let capability = Capability::fixed("deploy:local");
    let world = WorldFields {
        domain: "localhost".to_owned(),
        capabilities: vec![capability.clone()],
        ..WorldFields::default()
    };
    let says: WorldSays = BTreeMap::from([(capability, world)]);
    let (graph, found) = compile(&asked, kinds, &says);
    assert!(!found.has_errors(), "{found:?}");
    graph
}

fn component(name: &str, kind: &str, fields: &str, content: Option<Digest>) -> Asked {
    let kind: Kind = serde_json::from_value(kind.into()).unwrap();
    let component = Component {
        address: stack().address(Name::new(name).unwrap()),
        data: deployd::graph::Data::Stateless,
        kind,
        fields: serde_json::from_str(fields).unwrap(),
        places: BTreeMap::new(),
        after: Vec::new(),
        health: None,
        update: None,
        content,
        was: None,
    };
    Asked { component, exports: None, shared: false }
}

/// What is recorded once a graph was deployed.
fn record(kinds: &KindSet, graph: &DesiredGraph) -> Record {
    let mut record = planning::record(stack());
    for node in graph.nodes.values() {
        let identity = node.address.incarnation(1);
        let is_pinned = |address: &Address| {
            let rules = graph.nodes.get(address).and_then(|node| kinds.get(&node.kind));
            rules.is_some_and(|rules| rules.is_rolled() || matches!(rules.lifecycle, Lifecycle::Kept(_)))
        };
        let references = node.fields.references().into_iter().filter(|address| is_pinned(address));
        let owned = Owned {
            identity: identity.clone(),
            kind: node.kind.clone(),
            handle: Some(Handle(format!("thing {identity}"))),
            needs: node.needs.clone(),
            fields: node.fields.clone(),
            once_for: node.once_for,
            pins: references.map(|address| (address.clone(), 1)).collect(),
            shape: Digest::of(""),
            asked: Digest::of(""),
            outputs: outputs(kinds, graph, &node.address),
            protection: node.data,
            phase: Phase::Standing,
            trouble: None,
            tries: 0,
            ready_since: Some(Wall(1)),
        };
        record.lives.insert(node.address.clone(), 1);
        record.owned.insert(identity, owned);
    }
    let (secrets, foreign) = (BTreeMap::new(), BTreeMap::new());
    let known = Known { record: &record, secret_versions: &secrets, foreign: &foreign };
    let digests: Vec<_> = record
        .owned
        .values()
        .map(|owned| {
            let pins: &Pins = &owned.pins;
            let shape = shape_of(&owned.fields, pins, owned.once_for);
            (owned.identity.clone(), shape, asked_of(&owned.fields, pins, owned.once_for, &known).unwrap())
        })
        .collect();
    for (identity, shape, asked) in digests {
        let owned = record.owned.get_mut(&identity).unwrap();
        (owned.shape, owned.asked) = (shape, asked);
    }
    record
}

/// All outputs of a node that any node refers to.
fn outputs(kinds: &KindSet, graph: &DesiredGraph, of: &Address) -> BTreeMap<Name, RecordedOutput> {
    let Outputs::Fixed(fixed) = &kinds.get(&graph.nodes[of].kind).unwrap().outputs else { return BTreeMap::new() };
    let ports = fixed.keys().map(|name| Name::new(format!("{name}-http")).unwrap());
    let output = |name: Name| {
        let text = format!("{of}:{name}");
        (name, RecordedOutput { digest: Digest::of(&text), value: Recorded::Plain(Value::from(text)) })
    };
    fixed.keys().cloned().chain(ports).map(output).collect()
}

fn seen(record: &Record) -> Observation {
    let seen = |owned: &Owned| {
        let present = Present {
            handle: owned.handle.clone().unwrap(),
            owner: Owner::Ours(Receipt { instance: "bench".to_owned(), identity: owned.identity.clone() }),
            fields: Value::map(),
            asked: Some(owned.asked),
            condition: Condition::Ready,
            outputs: owned.outputs.clone(),
            in_flight: Some(0),
        };
        let presence = Presence::Present(Arc::new(present));
        (owned.identity.clone(), Seen { looked: Wall(2), fresh: true, presence })
    };
    record.owned.values().map(seen).collect()
}

/// A stack as it is recorded and seen.
struct Bench<'b> {
    kinds: &'b KindSet,
    record: Record,
    seen: Observation,
}

impl<'b> Bench<'b> {
    fn new(kinds: &'b KindSet, record: Record) -> Bench<'b> {
        Bench { kinds, seen: seen(&record), record }
    }

    fn measure(&self, what: &str, desired: &DesiredGraph, good: Option<&DesiredGraph>) {
        let unsaid = Unsaid::new();
        let inputs = unsaid.inputs(self.kinds, desired, good, &self.record, &self.seen);
        let nodes = desired.nodes.len().max(self.record.owned.len());
        let (made, _) = plan(&inputs);
        let steps = made.steps.len();
        row(nodes, what, steps, best(|| drop(black_box(plan(&inputs)))));
        row(nodes, "  verify", steps, best(|| drop(black_box(verify(&inputs, &made)))));
        row(nodes, "  frontier", steps, best(|| drop(black_box(frontier(&made, &inputs)))));
    }
}

fn best(mut what: impl FnMut()) -> Duration {
    let (began, mut best) = (Instant::now(), Duration::MAX);
    while began.elapsed() < SPAN {
        let once = Instant::now();
        what();
        best = best.min(once.elapsed());
    }
    best
}

fn row(nodes: usize, what: &str, steps: usize, span: Duration) {
    let ms = span.as_secs_f64() * 1e3;
    println!("{nodes:>7} {what:<28} {steps:>8} {ms:>12.3} {:>14.2}", ms * 1e3 / nodes as f64);
}
