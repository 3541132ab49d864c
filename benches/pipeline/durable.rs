//! Goal 6: what it takes to record durably that N things which do nothing are made, on the store of a server. Goal 10:
//! a restart over what stands.

use crate::bed::{Bed, INSTANCE, THINGS_OF_A_SERVICE, up};
use crate::idle::{Standing, standing};
use crate::told::{Told, Took, Watch, both, ratio, seconds};
use deployd::clock::SystemClock;
use deployd::contract::{Genesis, STORE_FORMAT, Scope, Store};
use deployd::engine::Engine;
use deployd::model::{Digest, Wall};
use deployd::store::sled::{Settings, SledStore, Start, restore};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::Runtime;

/// What terraform took for 2,000 things of a provider that does nothing, by PERFORMANCE.md: on another machine.
const TERRAFORM: f64 = 76.6;

/// So often is looked whether it is over.
const GLANCE: Duration = Duration::from_millis(2);

/// What takes longer hangs.
const LONGEST: Duration = Duration::from_secs(60);

fn runtime() -> Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap()
}

fn open(folder: &Path) -> Arc<dyn Store> {
    let genesis = Genesis {
        format: STORE_FORMAT,
        instance: INSTANCE.to_owned(),
        lineage: "bench".to_owned(),
        created: Wall(0),
        restored: None,
    };
    Arc::new(SledStore::open(folder, Start::OrCreate(genesis), &Settings::of("a bench")).unwrap())
}

pub fn bookkeeping(sizes: &[usize], folder: &Path) {
    let mut told = Told::of("goal 6: durable bookkeeping of resources that do nothing, on the sled store");
    let mut first = None;
    for things in sizes {
        for (shape, services) in [("stacks of 4", things / THINGS_OF_A_SERVICE), ("one stack", 0)] {
            let took = made(*things, services, &folder.join(format!("{things}-{services}")));
            let what = format!("{things} resources, {shape}");
            told.row(&what, &both(took, *things));
            if *things == 2_000 {
                let times = TERRAFORM / took.wall.as_secs_f64();
                told.row("  against terraform elsewhere (not run here)", &format!("{times:.0} times as fast"));
                told.gate("500 times terraform", times >= 500.0);
            }
            if services == 0 {
                let each = took.wall.as_secs_f64() / *things as f64;
                let smallest = *first.get_or_insert(each);
                told.gate("linear (at most 1.5 times the smallest, each)", each <= smallest * 1.5);
            }
        }
    }
}

/// Makes so many things: as services, or all in one stack.
fn made(things: usize, services: usize, folder: &Path) -> Took {
    let bed = Bed::new(Arc::new(SystemClock::start().unwrap()));
    match services {
        0 => bed.one_service(things),
        services => bed.services(services),
    }
    let runtime = runtime();
    std::fs::create_dir(folder).unwrap();
    let engine = bed.engine(open(&folder.join("store")));
    runtime.spawn({
        let engine = engine.clone();
        async move { engine.run(std::future::pending()).await.unwrap() }
    });
    let watch = Watch::start();
    runtime.block_on(async {
        let accepted = engine.run_source(up()).await.unwrap();
        for one in accepted {
            // To look at the rows of a large stack takes of what is measured: not before all is there.
            while bed.provider.count() < things || !is_over(&engine, &one.stack).await {
                let shown = || format!("{} things are there", bed.provider.count());
                assert!(watch.took().wall < LONGEST, "{} does not end: {}", one.stack, shown());
                tokio::time::sleep(GLANCE).await;
            }
        }
    });
    assert_eq!(bed.provider.count(), things);
    watch.took()
}

async fn is_over(engine: &Engine, stack: &deployd::model::StackId) -> bool {
    let (rows, _) = engine.parts().store.load(&Scope::Stack(stack.clone())).await.unwrap();
    rows.iter().all(|row| row.key.table_and_id().is_none_or(|(table, _)| table != "deployment"))
}

pub fn restart(things: usize, folder: &Path) {
    let (standing, _) = standing(things / THINGS_OF_A_SERVICE);
    let mut told = Told::of(&format!("goal 10: restart with {things} resources, on the sled store"));
    let state = folder.join(format!("restart-{things}"));
    std::fs::create_dir(&state).unwrap();
    let dump = standing.store.dump();
    restore(&state.join("store"), &dump, "bench", Wall(0), &Settings::of("a bench")).unwrap();
    drop(dump);
    let runtime = runtime();
    let bytes: Vec<u8> = {
        let store = open(&state.join("store"));
        let (rows, _) = runtime.block_on(store.load(&Scope::Everything)).unwrap();
        rows.into_iter().flat_map(|row| row.bytes.unwrap()).collect()
    };
    let bare = state.join("bare");
    std::fs::write(&bare, &bytes).unwrap();
    let length = bytes.len();
    drop(bytes);
    let watch = Watch::start();
    let digest = Digest::of(std::fs::read(&bare).unwrap());
    let read = watch.took();
    told.row(
        "reading and hashing the same bytes",
        &format!("{}, {length} bytes ({})", seconds(read.cpu), digest.short()),
    );

    let bed = standing.bed.at(Arc::new(SystemClock::start().unwrap()));
    let Standing { hand, store, .. } = standing;
    drop((hand, store));
    let watch = Watch::start();
    let store = open(&state.join("store"));
    let opened = watch.took();
    let rows = runtime.block_on(store.load(&Scope::Everything)).unwrap().0;
    let loaded = watch.took();
    told.row("store opened", &both(opened, things));
    told.row("  and every row loaded and checked", &both(loaded, things));
    drop((rows, store));

    let watch = Watch::start();
    let engine = bed.engine(open(&state.join("store")));
    runtime.spawn({
        let engine = engine.clone();
        async move { engine.run(std::future::pending()).await.unwrap() }
    });
    runtime.block_on(async {
        while looked_at(&bed) < things as u64 {
            tokio::time::sleep(GLANCE).await;
        }
    });
    let looked = watch.took();
    told.row("opened, loaded, decoded, all looked at", &both(looked, things));
    let times = ratio(loaded, read);
    told.row("store against read and hash", &format!("{times:.1} times"));
    told.gate("5 times read and hash (store)", times <= 5.0);
    let times = ratio(looked, read);
    told.row("all looked at against read and hash", &format!("{times:.1} times"));
    told.gate("5 times read and hash (all looked at)", times <= 5.0);
}

fn looked_at(bed: &Bed) -> u64 {
    let [fresh, cached, ..] = bed.provider.counts();
    fresh + cached
}
