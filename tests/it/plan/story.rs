//! Stories: graphs as text, and what happens, one action a line. The expected text shows plan and report after each.

use super::bed::{Bed, End};
use super::show;
use super::text::{address, graph};
use super::world::{Fault, Thing, ours};
use deployd::graph::DesiredGraph;
use deployd::model::{Address, Digest, Identity, Kind, Milliseconds, Name, SecretName, SecretVersion, StackId, Value};
use deployd::plan::{ApproveRule, Foreign, PolicyAction, Verdict};
use deployd::state::{Condition, Export, Mode, Owner, Phase, Receipt, SourceId, StackCondition, Why, WhyCode, Wish};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::path::Path;

/// A story as it was read.
#[derive(Clone)]
pub struct Story {
    pub graphs: BTreeMap<String, DesiredGraph>,
    pub actions: Vec<String>,
}

impl Story {
    pub fn read(folder: &Path) -> Story {
        Story::parse(&std::fs::read_to_string(folder.join("story")).unwrap())
    }

    pub fn parse(text: &str) -> Story {
        let mut lines: BTreeMap<String, Vec<String>> = BTreeMap::new();
        let (mut here, mut actions) = (String::new(), Vec::new());
        for line in text.lines().filter(|line| !line.starts_with('#') && !line.trim().is_empty()) {
            if let Some(action) = line.strip_prefix("> ") {
                actions.push(action.to_owned());
            } else if let Some(head) = line.strip_prefix("graph ") {
                // `graph b as a` begins with the lines of a; a line of the same name takes its place.
                let (name, base) = head.split_once(" as ").unwrap_or((head, ""));
                here = name.to_owned();
                let base = lines.get(base).cloned().unwrap_or_default();
                lines.insert(here.clone(), base);
            } else {
                let name = |line: &str| line.split_whitespace().next().unwrap_or_default().to_owned();
                let graph = lines.get_mut(&here).unwrap_or_else(|| panic!("{line}: no graph yet"));
                let line = line.trim();
                match line.strip_prefix("- ") {
                    Some(gone) => graph.retain(|before| name(before) != gone),
                    None => {
                        graph.retain(|before| name(before) != name(line) || line.starts_with("import"));
                        graph.push(line.to_owned());
                    }
                }
            }
        }
        let graphs = lines.into_iter().map(|(name, lines)| (name, graph(&lines))).collect();
        Story { graphs, actions }
    }

    /// Tells it.
    pub fn tell(&self) -> String {
        let mut bed = Bed::new();
        let mut out = String::new();
        for action in &self.actions {
            writeln!(out, "> {action}").unwrap();
            let end = self.act(&mut bed, action);
            for line in std::mem::take(&mut bed.log) {
                writeln!(out, "  {line}").unwrap();
            }
            for step in std::mem::take(&mut bed.resealed) {
                writeln!(out, "  (not in the first seal: {})", step.replace("w/s/", "")).unwrap();
            }
            if end.as_ref() == Some(&End::Endless) {
                writeln!(out, "  ENDLESS").unwrap();
            }
            bed.look().expect("it is not cut");
            let (plan, report) = bed.plan();
            out.push_str(&show::plan(&plan, &report));
            for law in std::mem::take(&mut bed.world.broken) {
                writeln!(out, "  BROKEN {law}").unwrap();
            }
        }
        out
    }

    /// Does one action; says how a run has ended.
    pub fn act(&self, bed: &mut Bed, action: &str) -> Option<End> {
        let words: Vec<&str> = action.split_whitespace().collect();
        match words.as_slice() {
            ["deploy", name, how @ ..] => {
                let graph = self.graphs.get(*name).unwrap_or_else(|| panic!("no graph {name}"));
                let release = bed.release(name, graph.clone());
                bed.mode = match how {
                    ["quick"] => Mode::Quick,
                    _ => Mode::Evaluated,
                };
                bed.record.stack.wish = run();
                bed.goes_back = false;
                bed.begin(Some(release));
            }
            ["rollback", name] => {
                let release = bed.release(name, self.graphs[*name].clone());
                bed.goes_back = true;
                bed.begin(Some(release));
            }
            ["retry"] => {
                bed.record.stack.quarantine.clear();
                let target = bed.record.stack.target;
                bed.begin(target);
            }
            ["run"] => return Some(bed.run().expect("it is not cut")),
            ["round"] => {
                bed.look().expect("it is not cut");
                let (plan, _) = bed.plan();
                if bed.react(&plan).expect("it is not cut").is_none() {
                    bed.round(&plan).expect("it is not cut");
                }
            }
            ["settle"] => {
                bed.world.settle();
            }
            ["wait", seconds] => bed.pass(Milliseconds::seconds(seconds.parse().unwrap())),
            ["restart"] => bed.restart(),
            ["wish", wish] => {
                bed.record.stack.wish = match *wish {
                    "stopped" => Wish::Stopped,
                    "gone" => Wish::Gone,
                    _ => run(),
                };
                let target = bed.record.stack.target;
                bed.begin(target);
            }
            ["consent"] => {
                bed.look().expect("it is not cut");
                let (plan, report) = bed.plan();
                bed.consent_all(&plan, &report);
            }
            ["approve"] => {
                bed.look().expect("it is not cut");
                let (plan, _) = bed.plan();
                let Verdict::AwaitApproval { steps, .. } = &plan.verdict else { panic!("nothing awaits approval") };
                bed.approved.extend(steps.iter().map(|id| plan.steps[id].digest));
            }
            ["condition", which] => {
                let why = Why::new(WhyCode::Other, "as the story has it");
                drop(bed.record.stack.conditions.insert(condition(which), why));
            }
            ["no-condition", which] => drop(bed.record.stack.conditions.remove(&condition(which))),
            ["secret", name, version] => {
                bed.secrets.insert(SecretName((*name).to_owned()), SecretVersion((*version).to_owned()));
            }
            ["policy", rules @ ..] => policy(bed, rules),
            ["offer", what, rest @ ..] => offer(bed, what, rest),
            ["users", of, users @ ..] => {
                let user = |user: &&str| StackId::new(Name::fixed("w"), Name::new(user).unwrap());
                let export = Export { users: users.iter().map(user).collect(), ..Export::default() };
                bed.record.exports.insert(address(of), export);
            }
            _ => meddle(bed, &words),
        }
        None
    }
}

fn run() -> Wish {
    Wish::Run { source: SourceId("test".to_owned()) }
}

fn condition(which: &str) -> StackCondition {
    match which {
        "paused" => StackCondition::Paused,
        "source-missing" => StackCondition::SourceMissing,
        _ => panic!("no condition {which}"),
    }
}

fn policy(bed: &mut Bed, rules: &[&str]) {
    for rule in rules {
        let (key, value) = rule.split_once('=').unwrap_or_else(|| panic!("{rule} is not KEY=VALUE"));
        match key {
            "deletes" => bed.policy.deletes_max = value.parse().unwrap(),
            "in-flight" => bed.policy.in_flight_max = value.parse().unwrap(),
            "protect" => drop(bed.policy.protect.insert(kind(value))),
            "approve" => {
                let action: PolicyAction = serde_json::from_value(value.into()).unwrap();
                bed.policy.approve.push(ApproveRule { actions: [action].into(), kinds: BTreeSet::new() });
            }
            _ => panic!("no policy {key}"),
        }
    }
}

fn kind(text: &str) -> Kind {
    serde_json::from_value(text.into()).unwrap()
}

fn offer(bed: &mut Bed, what: &str, rest: &[&str]) {
    let outputs =
        ["url", "host", "address"].map(|name| (Name::fixed(name), Digest::of(format!("{what}{name}{rest:?}"))));
    let foreign = Foreign { outputs: outputs.into(), ready: !rest.contains(&"unready") };
    bed.foreign.insert(address(what), foreign);
}

/// The newest life of `app.1`, or the one that `app.1#2` says.
fn life(bed: &Bed, text: &str) -> Identity {
    if text.contains('#') {
        return Identity::parse(&format!("w/s/{text}")).unwrap();
    }
    let at: Address = address(text);
    let newest = bed.world.things.keys().rev().find(|identity| identity.address == at);
    newest.cloned().unwrap_or_else(|| at.incarnation(bed.record.lives.get(&at).copied().unwrap_or(0) + 1))
}

/// What the world, and other people in it, do.
fn meddle(bed: &mut Bed, words: &[&str]) {
    match words {
        ["vanish", what] => drop(bed.world.things.remove(&life(bed, what))),
        ["drift", what, field] => {
            let (key, value) = field.split_once('=').unwrap();
            let path = key.split('.').fold(deployd::model::FieldPath::root(), |path, key| path.join(key));
            thing(bed, what).fields.put(&path, Value::from(value));
        }
        ["fails", what, text @ ..] => {
            thing(bed, what).condition = Condition::Failed(Why::new(WhyCode::Other, text.join(" ")));
        }
        ["rests", what, text @ ..] => {
            thing(bed, what).condition = Condition::AtRest(Why::new(WhyCode::Exited, text.join(" ")));
        }
        ["heals", what] => thing(bed, what).condition = Condition::Ready,
        ["restarts", what] => {
            thing(bed, what).condition = Condition::Settling(deployd::state::Settling("starting again".to_owned()));
        }
        ["leaves", what] => thing(bed, what).condition = Condition::Leaving,
        ["busy", what, count] => thing(bed, what).in_flight = Some(count.parse().unwrap()),
        ["tag", what, "nobody"] => thing(bed, what).owner = Owner::Nobody,
        ["tag", what, "another"] => {
            let identity = life(bed, what);
            thing(bed, what).owner = Owner::Another(Receipt { instance: "theirs".to_owned(), identity });
        }
        ["tag", what, "ours"] => {
            let identity = life(bed, what);
            thing(bed, what).owner = ours(&identity);
        }
        ["stranger", what, kind_of] => {
            let stranger = Thing {
                kind: kind(kind_of),
                owner: Owner::Nobody,
                fields: Value::map(),
                asked: None,
                condition: Condition::Ready,
                in_flight: None,
                made: 1,
            };
            drop(bed.world.things.insert(life(bed, what), stranger));
        }
        ["unreadable", what] => drop(bed.world.unreadable.insert((*what).to_owned())),
        ["readable", what] => drop(bed.world.unreadable.remove(*what)),
        ["stale", what] => drop(bed.world.stale.insert((*what).to_owned())),
        ["unstale", what] => drop(bed.world.stale.remove(*what)),
        ["slow", what] => drop(bed.world.slow.insert((*what).to_owned())),
        ["quick", what] => drop(bed.world.slow.remove(*what)),
        [fault @ ("refuse" | "retry" | "unreachable" | "happens" | "lost" | "late"), what] => {
            let fault = match *fault {
                "refuse" => Fault::Refused,
                "retry" => Fault::Retry,
                "unreachable" => Fault::Unreachable,
                "happens" => Fault::Happened,
                "late" => Fault::Late,
                _ => Fault::Lost,
            };
            bed.world.faults.entry((*what).to_owned()).or_default().push(fault);
        }
        ["agree", what] => drop(bed.world.faults.remove(*what)),
        ["cut", after] => {
            bed.cut_after = Some(after.parse().unwrap());
            assert!(bed.run().is_err(), "it was over before it was cut");
            bed.restart();
        }
        ["found", what, kind_of] => found(bed, what, kind_of),
        _ => panic!("what is {words:?}?"),
    }
}

fn thing<'b>(bed: &'b mut Bed, what: &str) -> &'b mut Thing {
    let identity = life(bed, what);
    bed.world.things.get_mut(&identity).unwrap_or_else(|| panic!("there is no {identity}"))
}

/// A listing found a thing of ours that no row knows: it gets one.
fn found(bed: &mut Bed, what: &str, kind_of: &str) {
    let identity = Identity::parse(&format!("w/s/{what}")).unwrap();
    let kind = kind(kind_of);
    bed.world.things.insert(
        identity.clone(),
        Thing {
            kind: kind.clone(),
            owner: ours(&identity),
            fields: Value::map(),
            asked: None,
            condition: Condition::Ready,
            in_flight: None,
            made: 1,
        },
    );
    let row = deployd::state::Owned {
        identity: identity.clone(),
        kind: kind.clone(),
        handle: None,
        needs: BTreeSet::new(),
        fields: Value::Null,
        once_for: None,
        pins: BTreeMap::new(),
        shape: Digest::of("found"),
        asked: Digest::of("found"),
        outputs: BTreeMap::new(),
        protection: super::kinds::rules_of(&kind).data,
        phase: Phase::Standing,
        trouble: None,
        tries: 0,
        ready_since: None,
    };
    bed.record.owned.insert(identity, row);
}
