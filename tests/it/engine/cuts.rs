//! The process dies before and after every write of the store and every call of the provider; it is started again on
//! what the store kept and the world has become. The end is the same, nothing was made twice, nothing is left over. And
//! when the wish is withdrawn at that moment instead: nothing is left.

use super::bed::{Bed, Cut, stacks};
use super::film::Frame;
use super::life::Went;
use super::rooms::Side;
use super::story::{Act, SERVICE};
use deployd::model::FieldPath;
use deployd::provider::simulated::Faults;
use deployd::state::{Owner, StackState};
use std::collections::BTreeMap;

/// A story that is told again and again, each time with another end of its first life.
pub struct Story {
    pub acts: Vec<Act>,
    /// What takes everything away, when the wish is withdrawn.
    pub withdraw: Vec<Act>,
    /// Whether what was cut has to have the same lives in the end. It need not where it depends on the moment whether
    /// something was begun at all before a newer wish came.
    pub lives: Lives,
}

/// What has to be the same of the lives in the end.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Lives {
    Same,
    MayDiffer,
}

/// How a story ended.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct End {
    /// What is there.
    pub there: Vec<String>,
    /// What runs: by address, the content and the variable that it was started with.
    pub runs: BTreeMap<String, String>,
    /// Each stack's state.
    pub states: BTreeMap<String, StackState>,
    /// How often each life was made.
    pub made: BTreeMap<String, usize>,
}

/// Tells a story, and goes on in another way from each moment in which its process could have died.
pub fn cut_everywhere(story: &Story) {
    let (end, frames) = whole(story);
    for (number, frame) in frames.iter().enumerate() {
        withdrawn(story, frame, number);
        let mut resumed = resumed(story, frame);
        if story.lives == Lives::MayDiffer {
            resumed.there.clone_from(&end.there);
        }
        assert_eq!(resumed.there, end.there, "frame {number} of {} (act {})", frames.len(), frame.act);
        assert_eq!(resumed.runs, end.runs, "frame {number}");
        assert_eq!(resumed.states, end.states, "frame {number}");
        assert!(resumed.made.values().all(|count| *count == 1), "frame {number}: {:?}", resumed.made);
    }
}

/// The story in one life, and all that it could have left behind.
fn whole(story: &Story) -> (End, Vec<Frame>) {
    let mut bed = Bed::new(Faults::default());
    let (mut running, film) = bed.start_filmed();
    for (number, act) in story.acts.iter().enumerate() {
        film.act(number);
        assert_eq!(running.act(&mut bed, number, act), Went::On);
    }
    let (frames, moments) = film.develop();
    let calls = running.store.writes() + running.provider.log().len() as u64;
    assert!(moments as u64 >= 2 * calls && frames.len() > 20, "{moments} moments of {calls} calls");
    (end(&bed), frames)
}

/// What another life makes of what was left behind.
fn resumed(story: &Story, frame: &Frame) -> End {
    let mut bed = Bed::thaw(frame);
    let mut running = bed.start(None);
    for (number, act) in story.acts.iter().enumerate().skip(frame.act) {
        assert_eq!(running.act(&mut bed, number, act), Went::On);
    }
    end(&bed)
}

/// What is left when the wish is withdrawn at once.
fn withdrawn(story: &Story, frame: &Frame, number: usize) {
    let mut bed = Bed::thaw(frame);
    let mut running = bed.start(None);
    for (number, act) in (1000..).zip(&story.withdraw) {
        assert_eq!(running.act(&mut bed, number, act), Went::On);
    }
    assert_eq!(bed.there(), [""; 0], "frame {number}: something is left\n{}", bed.told());
    let end = end(&bed);
    let is_gone = |state: &StackState| *state == StackState::Deleted;
    assert!(end.states.values().all(is_gone), "frame {number}: {:?}\n{}", end.states, bed.told());
    assert!(end.made.values().all(|count| *count == 1), "frame {number}: {:?}", end.made);
}

/// How it is now.
pub fn end(bed: &Bed) -> End {
    let mut made: BTreeMap<String, usize> = BTreeMap::new();
    for call in bed.log() {
        if call.effect.is_some_and(|effect| effect.starts_with("made ")) {
            *made.entry(call.identity.unwrap().to_string()).or_default() += 1;
        }
    }
    let states = stacks(bed).into_iter().map(|stack| (stack.id.to_string(), stack.state)).collect();
    End { there: bed.there(), runs: runs(bed), states, made }
}

/// What runs, each address once: which life it is says nothing.
fn runs(bed: &Bed) -> BTreeMap<String, String> {
    let content = FieldPath::fixed("content");
    let variable = FieldPath::fixed("env").join("SIMULATED");
    bed.with_world(|world| {
        let there = world.objects.values().filter(|object| object.leaving.is_none());
        let processes = there.filter(|object| object.kind.as_str() == "local/process");
        let of = |object: &deployd::provider::simulated::Object| {
            let Owner::Ours(receipt) = &object.owner else { panic!("{object:?} is nobody's") };
            let said = |path| object.fields.at(path).map(deployd::model::Value::to_text).unwrap_or_default();
            (receipt.identity.address.to_string(), format!("{} {}", said(&content), said(&variable)))
        };
        processes.map(of).collect()
    })
}

/// The same with the engine's own future dropped in the middle of a call, instead of a picture of what that leaves.
#[test]
fn a_process_that_is_dropped_leaves_what_the_film_shows() {
    let text = |path, text| Act::Write("shop", path, text);
    let acts = [text("deployd.yaml", SERVICE), text("app.py", "one"), Act::Up("shop"), Act::Settle];
    let life = |cut: Option<Cut>| -> (Vec<String>, u64, u64) {
        let mut bed = Bed::new(Faults::default());
        let mut running = bed.start(cut);
        let mut deaths = 0;
        let mut calls = (0, 0);
        for (number, act) in acts.iter().enumerate() {
            while running.act(&mut bed, number, act) == Went::Dead {
                deaths += 1;
                running = bed.start(None);
            }
            calls = (running.store.writes(), running.provider.log().len() as u64);
        }
        assert_eq!(deaths, usize::from(cut.is_some()), "{cut:?} was not met");
        assert!(end(&bed).made.values().all(|count| *count == 1), "{cut:?}");
        (bed.there(), calls.0, calls.1)
    };
    let (there, writes, calls) = life(None);
    for side in [Side::Before, Side::After] {
        for write in (1..=writes).step_by(7) {
            assert_eq!(life(Some(Cut::Store(write, side))).0, there);
        }
        for call in (1..=calls).step_by(7) {
            assert_eq!(life(Some(Cut::Provider(call, side))).0, there);
        }
    }
}
