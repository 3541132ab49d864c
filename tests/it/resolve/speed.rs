//! What it costs to read, resolve and compile grows with what is written, and not faster.
//!
//! Nothing here is held to a time of the clock. Something is done with much of a thing, and with a tenth of it, in the
//! time that this thread had of a processor: what is linear takes ten times as long, what is n log n a little longer,
//! what is quadratic a hundred times as long.

use super::Bed;
use deployd::diagnostic::{Diagnostics, render_text};
use deployd::resolve::{self, Offering, Others};
use std::collections::BTreeMap;
use std::fmt::Write;
use std::time::{Duration, Instant};

/// How many of a thing are much.
const MANY: usize = 500;
/// So many times as long each of them may take when they are ten times as many. Far from one, for a machine that is busy
/// with other things too; far from ten.
const AT_MOST: f64 = 4.0;
const HEAD: &str = "service: a\nrun: ./a\nport: 80\n";

/// Much of a thing.
struct Thing {
    name: &'static str,
    /// Whether each of them is a mistake.
    wrong: bool,
    /// The definitions of the world's repository, for so many.
    definitions: fn(usize) -> String,
    /// The manifests, for so many.
    manifests: fn(usize) -> String,
}

const THINGS: [Thing; 11] = [
    written("variables", |n| {
        lines(n, &format!("{HEAD}requires: [ db: postgres ]\nenv:\n"), |i| {
            format!("  V{i}: x${{db.url}}y${{db.host}}\n")
        })
    }),
    written("requirements", |n| lines(n, &format!("{HEAD}requires:\n"), |i| format!("  - r{i}: postgres\n"))),
    written("processes", |n| {
        lines(n, &format!("{HEAD}processes:\n"), |i| format!("  p{i}: {{ run: ./b, port: {} }}\n", 1000 + i))
    }),
    written("entrypoints", |n| {
        lines(n, &format!("{HEAD}entrypoints:\n"), |i| format!("  w{i}: {{ host: h{i}.example.com }}\n"))
    }),
    written("volumes", |n| {
        lines(n, &format!("{HEAD}requires:\n"), |i| {
            format!("  - v{i}: {{ use: volume, with: {{ size: 1Gi, mount: /v/{i} }} }}\n")
        })
    }),
    written("keys of an overlay", |n| {
        lines(n, &format!("{HEAD}in:\n  laptop:\n    env:\n"), |i| format!("      V{i}: x\n"))
    }),
    Thing {
        wrong: true,
        ..written("mistakes", |n| lines(n, &format!("{HEAD}tasks:\n"), |i| format!("  t{i}: {{ run: ./b }}\n")))
    },
    Thing {
        wrong: true,
        ..written("slugs that are not there", |n| {
            lines(n, &format!("{HEAD}requires:\n"), |i| format!("  - r{i}: {{ use: postgrs{i} }}\n"))
        })
    },
    Thing {
        definitions: |n| {
            let parameters =
                lines(n, "  thing:\n    parameters:\n", |i| format!("      p{i}: {{ type: integer, default: 1 }}\n"));
            let fields = "    choose:\n      - kind: local/postgres\n        fields:\n          settings:\n";
            parameters + &lines(n, fields, |i| format!("            s{i}: \"${{with.p{i}}}\"\n"))
        },
        ..written("parameters", |n| {
            let requires = "requires:\n  - t:\n      use: thing\n      with:\n";
            lines(n, &format!("{HEAD}{requires}"), |i| format!("        p{i}: {i}\n"))
        })
    },
    Thing {
        definitions: |n| {
            lines(n, "", |i| {
                let narrowed = format!("allocated_storage: {{ maximum: {} }}", 100 + i % 100);
                format!("  d{i}: {{ inherits: postgres, parameters: {{ {narrowed} }} }}\n")
            })
        },
        ..written("definitions", |n| lines(n, &format!("{HEAD}requires:\n"), |i| format!("  - r{i}: d{i}\n")))
    },
    written("services", |n| {
        lines(n - 1, "service: s0\nrun: ./a\nport: 80\n", |i| {
            let head = format!("---\nservice: s{}\nrun: ./a\nport: 80\n", i + 1);
            format!(
                "{head}entrypoints: {{ web: {{ host: s{i}.example.com }} }}\nrequires: [ {{ service: s{} }} ]\n",
                i / 2
            )
        })
    }),
];

/// A thing of manifests; the repository has a definition of its own, so that it is one.
const fn written(name: &'static str, manifests: fn(usize) -> String) -> Thing {
    Thing { name, wrong: false, definitions: |_| "  own: { inherits: postgres }\n".to_owned(), manifests }
}

fn lines(n: usize, before: &str, line: impl Fn(usize) -> String) -> String {
    (0..n).fold(before.to_owned(), |text, i| text + &line(i))
}

#[test]
fn ten_times_as_much_costs_ten_times_as_much() {
    let mut worse = String::new();
    for thing in &THINGS {
        let (few, many) = (thing.cheapest(MANY / 10), thing.cheapest(MANY));
        let times = many.as_secs_f64() / few.as_secs_f64() / 10.0;
        println!("{:24} {few:>10.1?} {many:>10.1?} {times:>6.1}", thing.name);
        if times > AT_MOST {
            writeln!(worse, "ten times as many {} cost {:.0} times as much", thing.name, times * 10.0).unwrap();
        }
    }
    assert!(worse.is_empty(), "{worse}");
}

impl Thing {
    /// The least that it took of some tries: whatever disturbs one only adds.
    fn cheapest(&self, n: usize) -> Duration {
        let world = "world: laptop\ncapabilities: { deploy:local: }\nrepositories: [own]\nstand_ins: true\n";
        let definitions = format!("repository: own\ninherits: [builtin]\ndefinitions:\n{}", (self.definitions)(n));
        let mut config = builtin();
        config.insert("worlds/laptop.yaml".to_owned(), world.as_bytes().to_vec());
        config.insert("repositories/own/own.yaml".to_owned(), definitions.into_bytes());
        let files = BTreeMap::from([("deployd.yaml".to_owned(), (self.manifests)(n).into_bytes())]);
        // The kernel counts in ticks of some milliseconds: what is short is done more than once.
        let often = if n == MANY { 1 } else { 3 };
        let tries = (0..2).map(|_| {
            let began = Processor::now();
            (0..often).for_each(|_| self.once(&config, &files));
            began.until_now() / often
        });
        tries.min().unwrap()
    }

    /// From bytes to graphs. Each is compiled twice: before the others are known, and when all are there.
    fn once(&self, config: &BTreeMap<String, Vec<u8>>, files: &BTreeMap<String, Vec<u8>>) {
        let bed = Bed::new(config.clone(), files.clone());
        let (offers, mut found) = bed.offers("laptop");
        let offers = offers.unwrap();
        found.extend(offers.mistakes());
        let (manifests, of_manifests) = bed.manifests();
        found.extend(of_manifests);
        let mut others = Others::default();
        for _ in 0..2 {
            for manifest in &manifests {
                let (resolved, of_resolve) = resolve::resolve(&manifest.service(), &offers, &others);
                let (graph, of_graph) = resolve::compile(&resolved, &offers, &others);
                others.set(graph.stack.clone(), Offering::of(&graph));
                found.extend(of_resolve);
                found.extend(of_graph);
            }
        }
        let told = |found: Diagnostics| render_text(&found.sorted(), &bed.sources);
        assert!(!manifests.is_empty());
        assert_eq!(found.has_errors(), self.wrong, "{}", told(found));
    }
}

fn builtin() -> BTreeMap<String, Vec<u8>> {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("repositories/builtin");
    let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let shown = |path: &std::path::Path| format!("repositories/builtin/{}", path.file_name().unwrap().display());
    files.map(|path| (shown(&path), std::fs::read(&path).unwrap())).collect()
}

/// A moment of this thread, in time that it had of a processor where the kernel tells it.
struct Processor(Option<u64>, Instant);

impl Processor {
    fn now() -> Processor {
        let told = std::fs::read_to_string("/proc/thread-self/schedstat").ok();
        let nanoseconds = told.and_then(|told| told.split(' ').next()?.parse().ok());
        Processor(nanoseconds, Instant::now())
    }

    fn until_now(&self) -> Duration {
        match (self.0, Processor::now().0) {
            (Some(before), Some(now)) => Duration::from_nanos(now - before),
            _ => self.1.elapsed(),
        }
    }
}
