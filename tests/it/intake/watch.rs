//! Watching real folders: what is told, how soon, and what is not told.

use deployd::contract::Source;
use deployd::intake::watch::{FolderWatch, Ground, WatchSettings};
use deployd::source::{FolderOptions, FolderSource};
use deployd::state::SourceId;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How long a test waits for what must come: far longer than it takes, since machines are loaded.
const PATIENCE: Duration = Duration::from_secs(20);
/// How long nothing must come for it to count as nothing: many times what is told takes.
const SILENCE: Duration = Duration::from_millis(300);

struct Bed {
    _home: tempfile::TempDir,
    root: PathBuf,
    watch: FolderWatch,
}

fn ground(name: &str) -> Ground {
    Ground::Source(SourceId(name.to_owned()))
}

fn source(root: &Path) -> Arc<dyn Source> {
    Arc::new(FolderSource::new(root.to_owned(), FolderOptions::default()))
}

/// Never reads anew by itself: what is told is told by an event.
fn by_events() -> WatchSettings {
    let never = Duration::from_secs(3600);
    WatchSettings { read_every: never, read_unwatched_every: never, ..WatchSettings::default() }
}

impl Bed {
    /// A watched folder with these files.
    async fn of(files: &[&str]) -> Bed {
        let home = tempfile::tempdir().unwrap();
        // Links in the way of a temporary folder are not what is tried here.
        let root = home.path().canonicalize().unwrap().join("app");
        fs::create_dir_all(&root).unwrap();
        for file in files {
            write(&root.join(file), "first");
        }
        let mut bed = Bed { _home: home, watch: FolderWatch::new(by_events()), root };
        bed.watch.follow([(ground("app"), source(&bed.root))].into());
        bed.settled().await;
        bed
    }

    /// Lets everything be told that is on its way.
    async fn settled(&mut self) {
        while tokio::time::timeout(SILENCE, self.watch.next()).await.is_ok() {}
    }

    async fn told(&mut self, what: &str) -> Duration {
        let began = Instant::now();
        let told = tokio::time::timeout(PATIENCE, self.watch.next()).await;
        assert_eq!(told.ok(), Some([ground("app")].into()), "{what} is told");
        let took = began.elapsed();
        self.settled().await;
        took
    }

    async fn silent(&mut self, what: &str) {
        let told = tokio::time::timeout(SILENCE, self.watch.next()).await;
        assert!(told.is_err(), "{what} is not told");
    }
}

fn write(path: &Path, text: &str) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

#[tokio::test]
async fn every_way_to_save_is_told_at_once() {
    let mut bed = Bed::of(&["app.py", "lib/util.py"]).await;
    let app = bed.root.join("app.py");
    let mut times = Vec::new();

    fs::write(&app, "second").unwrap();
    times.push(bed.told("truncate and write").await);

    let beside = bed.root.join(".app.py.swp");
    fs::write(&beside, "third").unwrap();
    bed.silent("an editor's swap file").await;
    fs::rename(&beside, &app).unwrap();
    times.push(bed.told("a rename over it").await);

    // vim: the old one aside, a new one in its place, the old one away.
    fs::rename(&app, bed.root.join("app.py~")).unwrap();
    fs::write(&app, "fourth").unwrap();
    fs::remove_file(bed.root.join("app.py~")).unwrap();
    times.push(bed.told("a backup and a new file").await);

    use std::io::Write;
    fs::OpenOptions::new().append(true).open(&app).unwrap().write_all(b"!").unwrap();
    times.push(bed.told("an append").await);

    use std::os::unix::fs::PermissionsExt;
    fs::set_permissions(&app, fs::Permissions::from_mode(0o755)).unwrap();
    times.push(bed.told("that it may be executed").await);

    fs::remove_file(bed.root.join("lib/util.py")).unwrap();
    times.push(bed.told("that it is gone").await);
    // Reported by the bench; here only that it is no polling.
    assert!(times.iter().any(|took| *took < Duration::from_millis(500)), "{times:?}");
}

#[tokio::test]
async fn what_is_left_out_is_not_told() {
    let mut bed = Bed::of(&["app.py", "node_modules/x/index.js", "build/out.o", ".git/HEAD"]).await;
    write(&bed.root.join(".gitignore"), "build/\n*.log\n");
    bed.told("other rules").await;
    for quiet in ["node_modules/x/index.js", "node_modules/y/index.js", "build/out.o", "debug.log", ".git/index", "x~"]
    {
        write(&bed.root.join(quiet), "second");
        bed.silent(quiet).await;
    }
    for reading in ["app.py", ".gitignore"] {
        fs::read(bed.root.join(reading)).unwrap();
    }
    bed.silent("reading").await;
    fs::remove_dir_all(bed.root.join("node_modules")).unwrap();
    bed.silent("the end of what is left out").await;
    // What the rules take back in is watched from then on.
    write(&bed.root.join(".gitignore"), "*.log\n");
    bed.told("other rules").await;
    write(&bed.root.join("build/out.o"), "third");
    bed.told("a file that counts now").await;
}

#[tokio::test]
async fn new_folders_are_watched() {
    let mut bed = Bed::of(&["app.py"]).await;
    fs::create_dir_all(bed.root.join("a/b/c")).unwrap();
    bed.settled().await;
    write(&bed.root.join("a/b/c/deep.py"), "first");
    bed.told("a file in a new folder").await;
    // One that comes with all that is in it.
    let beside = bed.root.parent().unwrap().join("beside");
    write(&beside.join("x/y.py"), "first");
    bed.silent("what lies beside").await;
    fs::rename(&beside, bed.root.join("moved")).unwrap();
    bed.told("a folder that moved in").await;
    write(&bed.root.join("moved/x/y.py"), "second");
    bed.told("a file of it").await;
    fs::rename(bed.root.join("moved"), bed.root.join("again")).unwrap();
    bed.told("another name").await;
    write(&bed.root.join("again/x/y.py"), "third");
    bed.told("a file under the other name").await;
}

#[tokio::test]
async fn a_folder_that_is_deleted_and_made_again_is_watched_again() {
    let mut bed = Bed::of(&["app.py", "lib/util.py"]).await;
    for round in 0..3 {
        fs::remove_dir_all(&bed.root).unwrap();
        bed.told("that it is gone").await;
        write(&bed.root.join("app.py"), &format!("round {round}"));
        bed.told("that it is there again").await;
        write(&bed.root.join("app.py"), &format!("round {round}, saved"));
        bed.told("a file of it").await;
        write(&bed.root.join("lib/util.py"), "first");
        bed.told("a folder of it").await;
        write(&bed.root.join("lib/util.py"), "second");
        bed.told("a file of that").await;
    }
    // Also with the folders above it.
    let above = bed.root.parent().unwrap().to_owned();
    fs::remove_dir_all(&above).unwrap();
    bed.told("that all is gone").await;
    write(&bed.root.join("app.py"), "back");
    bed.told("that all is there again").await;
    write(&bed.root.join("app.py"), "back, saved");
    bed.told("a file of it").await;
}

#[tokio::test]
async fn a_folder_that_another_takes_the_place_of_is_watched_below_too() {
    let mut bed = Bed::of(&["app.py", "deep/deeper/file"]).await;
    let aside = bed.root.with_file_name("aside");
    // A moved folder takes what is below it along, and nothing is said of that.
    fs::rename(&bed.root, &aside).unwrap();
    for file in ["app.py", "deep/deeper/file"] {
        write(&bed.root.join(file), "second");
    }
    bed.told("another folder").await;
    bed.settled().await;
    write(&bed.root.join("deep/deeper/file"), "third");
    bed.told("a save far below").await;
}

#[tokio::test]
async fn a_folder_that_is_not_there_yet_is_waited_for() {
    let home = tempfile::tempdir().unwrap();
    let root = home.path().canonicalize().unwrap().join("not/there/yet");
    let mut watch = FolderWatch::new(by_events());
    watch.follow([(ground("app"), source(&root))].into());
    let mut bed = Bed { _home: home, watch, root };
    bed.settled().await;
    write(&bed.root.join("app.py"), "first");
    bed.told("that it is there").await;
    write(&bed.root.join("app.py"), "second");
    bed.told("a file of it").await;
}

/// How Kubernetes changes a mounted folder: `..data` is a link that is swapped.
#[tokio::test]
async fn a_swap_of_a_link_is_told() {
    use std::os::unix::fs::symlink;
    let mut bed = Bed::of(&["..2026_1/staging.yaml", "..2026_2/staging.yaml"]).await;
    symlink("..2026_1", bed.root.join("..data")).unwrap();
    symlink("..data/staging.yaml", bed.root.join("staging.yaml")).unwrap();
    bed.told("links").await;
    symlink("..2026_2", bed.root.join("..data_tmp")).unwrap();
    fs::rename(bed.root.join("..data_tmp"), bed.root.join("..data")).unwrap();
    bed.told("the swap").await;
}

#[tokio::test]
async fn several_roots_are_told_apart_and_let_go() {
    let home = tempfile::tempdir().unwrap();
    let home = home.path().canonicalize().unwrap();
    let (one, two) = (home.join("one"), home.join("one/two"));
    write(&one.join("a.py"), "first");
    write(&two.join("b.py"), "first");
    let mut watch = FolderWatch::new(by_events());
    let both: BTreeMap<Ground, Arc<dyn Source>> = [(ground("one"), source(&one)), (ground("two"), source(&two))].into();
    watch.follow(both.clone());
    let settle = async |watch: &mut FolderWatch| {
        let mut all = BTreeSet::new();
        while let Ok(told) = tokio::time::timeout(SILENCE, watch.next()).await {
            all.extend(told);
        }
        all
    };
    assert_eq!(settle(&mut watch).await, [ground("one"), ground("two")].into(), "each is told once when it is watched");
    write(&one.join("a.py"), "second");
    assert_eq!(settle(&mut watch).await, [ground("one")].into());
    write(&two.join("b.py"), "second");
    assert_eq!(settle(&mut watch).await, [ground("one"), ground("two")].into(), "one lies in the other");
    watch.follow([(ground("two"), source(&two))].into());
    write(&one.join("a.py"), "third");
    assert_eq!(settle(&mut watch).await, BTreeSet::new());
    write(&two.join("b.py"), "third");
    assert_eq!(settle(&mut watch).await, [ground("two")].into());
    watch.follow(both);
    assert_eq!(settle(&mut watch).await, [ground("one")].into(), "only the new one");
}

/// Where not every folder can be watched, or events are lost, reading anew finds what happened.
#[tokio::test]
async fn what_cannot_be_watched_is_read() {
    let home = tempfile::tempdir().unwrap();
    let root = home.path().canonicalize().unwrap().join("app");
    for folder in ["a", "b", "c", "d"] {
        write(&root.join(folder).join("x.py"), "first");
    }
    let often = Duration::from_millis(50);
    let settings = WatchSettings { folders_max: 2, read_unwatched_every: often, ..by_events() };
    let mut bed = Bed { watch: FolderWatch::new(settings), _home: home, root };
    bed.watch.follow([(ground("app"), source(&bed.root))].into());
    bed.settled().await;
    for folder in ["a", "b", "c", "d"] {
        write(&bed.root.join(folder).join("x.py"), "second");
        bed.told(folder).await;
    }
}

/// A burst is told once it is over, or in between, and never forgotten.
#[tokio::test]
async fn a_burst_of_changes_is_told_few_times() {
    let mut bed = Bed::of(&["app.py"]).await;
    let root = bed.root.clone();
    let writing = std::thread::spawn(move || {
        for round in 0..20_000 {
            fs::write(root.join(format!("{}.py", round % 50)), format!("{round}")).unwrap();
        }
    });
    let mut told = 0;
    let mut last_told = Instant::now();
    while !writing.is_finished() || last_told.elapsed() < SILENCE {
        if tokio::time::timeout(SILENCE, bed.watch.next()).await.is_ok() {
            (told, last_told) = (told + 1, Instant::now());
        }
    }
    writing.join().unwrap();
    assert!((1..1_000).contains(&told), "{told} times for 20,000 changes");
    write(&bed.root.join("app.py"), "after");
    bed.told("a change after it").await;
}
