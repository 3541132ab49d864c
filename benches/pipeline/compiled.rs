//! Parsing, resolving and planning N services, each in a file of its own: nothing may be worse than linear times a
//! logarithm.

use crate::bed::{KINDS, catalogue, world};
use crate::planning::{Unsaid, record};
use crate::told::{Told, Watch, seconds};
use deployd::contract::FilePath;
use deployd::engine::{Catalogue as _, CompileAsk, ManifestFile};
use deployd::graph::DesiredGraph;
use deployd::model::Digest;
use deployd::plan::plan;
use deployd::resolve::{Offering, Others};
use deployd::state::Observation;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// What a service costs more at ten times as many, if it is n log n from one hundred on: log 10,000 / log 100, and half
/// as much again for caches that get too small.
const AT_MOST: f64 = 3.0;

struct Took {
    parse: Duration,
    resolve: Duration,
    plan: Duration,
    nodes: usize,
    steps: usize,
}

pub fn sizes(sizes: &[usize]) {
    let mut told = Told::of("parse, resolve and plan N services from nothing (one thread, its time of the processors)");
    let mut first: Option<f64> = None;
    for services in sizes {
        // The best of some: the others tell of the machine.
        let tries = if *services < 1_000 { 5 } else { 2 };
        let took = (0..tries).map(|_| once(*services)).min_by_key(Took::all).unwrap();
        let all = took.all();
        told.row(
            &format!("{services} services, {} nodes, {} steps", took.nodes, took.steps),
            &format!(
                "{}, {:.2} µs each (parse {}, resolve and compile {}, plan {})",
                seconds(all),
                all.as_secs_f64() * 1e6 / *services as f64,
                seconds(took.parse),
                seconds(took.resolve),
                seconds(took.plan)
            ),
        );
        let each = all.as_secs_f64() / *services as f64;
        if *services >= 100 {
            let smallest = *first.get_or_insert(each);
            told.gate("linear times a logarithm", each <= smallest * AT_MOST);
        }
    }
}

impl Took {
    fn all(&self) -> Duration {
        self.parse + self.resolve + self.plan
    }
}

fn manifests(services: usize) -> BTreeMap<FilePath, ManifestFile> {
    let manifest = |number: usize| {
        let uses = match number % 10 {
            0 if number > 0 => format!("  - {{ service: s{} }}\n", number - 1),
            _ => String::new(),
        };
        let text = format!(
            "service: s{number}\nrun: ./serve --port $PORT\nport: 8080\nenv:\n  LOG: info\n  DATA: ${{data.path}}\n\
             entrypoints:\n  web: {{ host: s{number}.example.com }}\nrequires:\n  - data: {{ use: volume, with: {{ size: 1Gi }} }}\n{uses}"
        );
        (FilePath::new(&format!("s{number}/deployd.yaml")).unwrap(), ManifestFile::of(text.into_bytes()))
    };
    (0..services).map(manifest).collect()
}

fn once(services: usize) -> Took {
    let (catalogue, files) = (catalogue(), manifests(services));
    let watch = Watch::start();
    let read = catalogue.manifests(&files);
    let parse = watch.took().cpu;
    assert!(!read.mistakes.has_errors(), "{:?}", read.mistakes.iter().next());

    let watch = Watch::start();
    let (mut others, mut graphs) = (Others::default(), Vec::with_capacity(services));
    // As the engine does it: what asks for what is not offered yet is compiled again.
    let mut open: Vec<_> = read.found.values().collect();
    while !open.is_empty() {
        let before = open.len();
        open.retain(|manifest| {
            let none = BTreeMap::new();
            let content = Digest::of(manifest.service.as_str());
            let ask = CompileAsk { manifest, content, files: &none, others: &others };
            let compiled = catalogue.compile(&world(), &ask);
            let Some(graph) = compiled.graph else { return true };
            others.set(graph.stack.clone(), Offering::of(&graph));
            graphs.push(graph);
            false
        });
        assert!(open.len() < before, "all of them compile");
    }
    let resolve = watch.took().cpu;

    let watch = Watch::start();
    let steps = graphs.iter().map(steps).sum();
    let plan = watch.took().cpu;
    Took { parse, resolve, plan, nodes: graphs.iter().map(|graph| graph.nodes.len()).sum(), steps }
}

fn steps(graph: &Arc<DesiredGraph>) -> usize {
    let (record, seen, unsaid) = (record(graph.stack.clone()), Observation::new(), Unsaid::new());
    plan(&unsaid.inputs(&KINDS, graph, None, &record, &seen)).0.steps.len()
}
