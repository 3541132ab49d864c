//! The laws on generated graphs.

use super::bed::{Bed, End};
use super::generate::{Event, Tale, tale};
use super::laws;
use super::story::Story;
use super::text::graph;
use deployd::plan::Report;
use deployd::state::Wish;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

/// How many tales of each property are told: what a minute has room for on two slow cores.
fn many(cases: u32) -> TestRunner {
    let config = Config {
        cases,
        failure_persistence: None,
        max_shrink_iters: 4_000,
        max_shrink_time: 60_000,
        ..Config::default()
    };
    let seed = proptest::test_runner::TestRng::deterministic_rng(proptest::test_runner::RngAlgorithm::ChaCha);
    match std::env::var("PLAN_SEEDS").ok().and_then(|seeds| seeds.parse().ok()) {
        // More than a gate has time for, and others each time.
        Some(cases) => TestRunner::new(Config { cases, ..config }),
        None => TestRunner::new_with_rng(config, seed),
    }
}

/// So many cuts of one tale are tried, evenly spread over all moments at which it can be cut.
const CUTS_MAX: usize = 24;

fn tell(cases: u32, laws: impl Fn(&Tale) -> Vec<String>) {
    let told = many(cases).run(&tale(), |tale| {
        let broken = laws(&tale);
        if broken.is_empty() {
            return Ok(());
        }
        Err(TestCaseError::fail(broken.join("\n")))
    });
    if let Err(error) = told {
        panic!("{error}");
    }
}

fn deploy(bed: &mut Bed, name: &str, lines: &[String]) {
    let release = bed.release(name, graph(lines));
    bed.begin(Some(release));
}

fn bed() -> Bed {
    let mut bed = Bed::new();
    bed.policy.deletes_max = 100;
    bed
}

/// The first graph is deployed; the world may be meddled with; the second is about to be.
fn on_the_way(tale: &Tale, meddle: bool) -> Bed {
    let mut bed = bed();
    deploy(&mut bed, "first", &tale.first);
    bed.run().expect("it is not cut");
    if meddle {
        tale.between.iter().for_each(|event| happen(&mut bed, event));
    }
    deploy(&mut bed, "second", &tale.second);
    bed
}

fn happen(bed: &mut Bed, event: &Event) {
    let story = Story { graphs: std::collections::BTreeMap::new(), actions: Vec::new() };
    let (what, at) = match event {
        Event::Restart => return bed.restart(),
        Event::Meddle(what, at) => (*what, format!("n{at}")),
    };
    let there = bed.world.things.keys().find(|identity| *identity.address.name == *at).cloned();
    let is_fault = matches!(what, "refuse" | "retry" | "unreachable" | "happens" | "lost");
    let name = match there {
        Some(there) => there.address.short(),
        None if is_fault => at,
        None => return,
    };
    let action = match what {
        "drift" => format!("drift {name} size=drifted"),
        "fails" => format!("fails {name} it broke"),
        what => format!("{what} {name}"),
    };
    story.act(bed, &action);
}

/// It is done, or says what a person has to do about it.
fn comes_to_an_end(bed: &mut Bed) -> Vec<String> {
    let end = bed.run().expect("it is not cut");
    bed.look().expect("it is not cut");
    let (plan, report) = bed.plan();
    let mut broken = std::mem::take(&mut bed.world.broken);
    if end == End::Endless {
        broken.push("law 9: it goes on for ever".to_owned());
    } else if end == End::Waits && !needs_a_person(&report) {
        let steps: Vec<String> = plan.steps.keys().map(ToString::to_string).collect();
        broken.push(format!("law 9: it waits, and nobody can help: {:?}\n{}", report, steps.join("\n")));
    }
    broken
}

fn needs_a_person(report: &Report) -> bool {
    !report.held.is_empty() || !report.noted.is_empty()
}

#[test]
fn calm_deployments_keep_the_laws() {
    tell(200, |tale| {
        let mut bed = bed();
        deploy(&mut bed, "first", &tale.first);
        let mut broken = laws::converges(bed.clone(), true);
        broken.extend(comes_to_an_end(&mut bed));
        deploy(&mut bed, "second", &tale.second);
        broken.extend(laws::converges(bed.clone(), true));
        broken.extend(comes_to_an_end(&mut bed));
        deploy(&mut bed, "first", &tale.first);
        broken.extend(comes_to_an_end(&mut bed));
        bed.record.stack.wish = Wish::Stopped;
        broken.extend(comes_to_an_end(&mut bed));
        broken.extend(laws::withdrawn(bed));
        broken
    });
}

#[test]
fn cuts_change_nothing() {
    tell(40, |tale| laws::survives(&on_the_way(tale, false), CUTS_MAX));
}

#[test]
fn what_cannot_be_read_is_left_alone() {
    tell(80, |tale| laws::is_not_blind(&on_the_way(tale, false)));
}

#[test]
fn meddling_is_put_right_or_told() {
    tell(200, |tale| {
        let mut bed = on_the_way(tale, true);
        let mut broken = comes_to_an_end(&mut bed);
        broken.extend(laws::withdrawn(bed));
        broken
    });
}
