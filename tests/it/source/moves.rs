//! Folders that are written to while they are read: a whole snapshot is always one that was there at some moment; and
//! folders that are not: they are not read again.

use super::{PATIENCE, Tree};
use deployd::contract::{File, Snapshot, Whole};
use deployd::model::Digest;
use rustix::fs::inotify;
use std::collections::BTreeMap;
use std::fs;
use std::io::{Seek as _, Write as _};
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Instant;

/// The files that a writer writes, one after the other, in this order; sorted otherwise, so that no walk has its order.
const WRITTEN: [&str; 6] = ["m/1", "a", "z", "b/c/d", "b/a", "n"];
/// How many states a writer comes to at most.
const STATES_MAX: u64 = 20_000;

/// After so many states the writer rests: they take longer than one look, so that looks fall into them.
const STATES_AT_ONCE: u64 = 100;

/// The same length in every state: only bytes and times tell them apart.
fn text(name: &str, state: u64) -> String {
    format!("{name} in state {state:08}")
}

/// What a writer and a reader tell each other.
#[derive(Default)]
struct Talk {
    /// How many changes the writer has made.
    changes: AtomicU64,
    /// How many snapshots the reader has taken.
    reads: AtomicU64,
    over: AtomicBool,
}

impl Talk {
    fn is_over(&self) -> bool {
        self.over.load(Ordering::SeqCst)
    }

    /// The writer rests until the reader has taken so many more snapshots: whole ones come from then.
    fn rest(&self, reads: u64) {
        let until = self.reads.load(Ordering::SeqCst) + reads;
        while self.reads.load(Ordering::SeqCst) < until && !self.is_over() {
            std::thread::yield_now();
        }
    }

    fn changed(&self) {
        self.changes.fetch_add(1, Ordering::SeqCst);
    }
}

/// Ends the writer, also when a judgement fails: nobody waits for a reader that is gone.
struct Ends<'a>(&'a Talk);

impl Drop for Ends<'_> {
    fn drop(&mut self) {
        self.0.over.store(true, Ordering::SeqCst);
    }
}

/// Reads while somebody writes, until it has seen enough of both kinds: whole snapshots, and reads that were written
/// into. Each whole one is judged.
fn read_under(tree: &Tree, write: impl FnOnce(&Tree, &Talk) + Send, judge: impl Fn(&Snapshot)) {
    let talk = Arc::new(Talk::default());
    std::thread::scope(|scope| {
        let writer = scope.spawn({
            let talk = Arc::clone(&talk);
            move || write(tree, &talk)
        });
        let ends = Ends(&talk);
        let source = tree.source();
        let (mut whole, mut written_into) = (0, 0);
        let began = Instant::now();
        while (whole < 25 || written_into < 25) && !writer.is_finished() {
            assert!(began.elapsed() < PATIENCE, "{whole} whole, {written_into} written into");
            let before = talk.changes.load(Ordering::SeqCst);
            let snapshot = source.read_now().unwrap();
            written_into += u32::from(talk.changes.load(Ordering::SeqCst) != before);
            talk.reads.fetch_add(1, Ordering::SeqCst);
            match &snapshot.whole {
                Whole::Whole => {
                    whole += 1;
                    judge(&snapshot);
                }
                Whole::Torn(_) => assert!(snapshot.files.is_empty(), "nothing of a torn one can be used"),
            }
        }
        drop(ends);
        writer.join().unwrap();
        assert!(whole >= 25 && written_into >= 25, "{whole} whole, {written_into} written into");
    });
}

fn write_in_place(tree: &Tree, talk: &Talk) {
    let mut files: Vec<_> =
        WRITTEN.iter().map(|name| fs::OpenOptions::new().write(true).open(tree.at(name)).unwrap()).collect();
    for state in 1..STATES_MAX {
        for (name, file) in WRITTEN.iter().zip(&mut files) {
            file.rewind().unwrap();
            file.write_all(text(name, state).as_bytes()).unwrap();
            talk.changed();
        }
        if state % STATES_AT_ONCE == 0 {
            talk.rest(2);
        }
        if talk.is_over() {
            return;
        }
    }
}

fn write_by_rename(tree: &Tree, talk: &Talk) {
    let next = tree.0.path().join("next");
    for state in 1..STATES_MAX {
        for name in WRITTEN {
            fs::write(&next, text(name, state)).unwrap();
            fs::rename(&next, tree.at(name)).unwrap();
            talk.changed();
        }
        if state % STATES_AT_ONCE == 0 {
            talk.rest(2);
        }
        if talk.is_over() {
            return;
        }
    }
}

/// At any moment the writer has come to some file in some state: those before it are one state ahead.
fn judge_states() -> impl Fn(&Snapshot) {
    let states: BTreeMap<Digest, u64> =
        (0..STATES_MAX).flat_map(|state| WRITTEN.map(|name| (Digest::of(text(name, state)), state))).collect();
    move |snapshot| {
        let state = |name: &&str| match &snapshot.files[*name] {
            File::Regular { digest, .. } => *states.get(digest).expect("it has the bytes of some state"),
            File::Link(_) => panic!("{name} is a link"),
        };
        let found: Vec<u64> = WRITTEN.iter().map(state).collect();
        let is_a_moment = found.is_sorted_by(|one, other| one >= other) && found[0] - found[WRITTEN.len() - 1] <= 1;
        assert!(is_a_moment, "mixed: {found:?}");
    }
}

fn tree_in_state_0() -> Tree {
    let tree = Tree::new(&[]);
    WRITTEN.iter().for_each(|name| tree.write(name, &text(name, 0)));
    tree
}

#[test]
fn t32_files_written_in_place_are_never_mixed() {
    read_under(&tree_in_state_0(), write_in_place, judge_states());
}

#[test]
fn files_replaced_by_rename_are_never_mixed() {
    read_under(&tree_in_state_0(), write_by_rename, judge_states());
}

#[test]
fn a_file_that_moves_between_folders_is_seen_in_one_of_them() {
    let tree = Tree::new(&[("a/stays", ""), ("b/stays", ""), ("c/stays", ""), ("a/token", "x")]);
    let write = |tree: &Tree, talk: &Talk| {
        let folders = ["a", "b", "c"];
        for state in 0..1_000_000 {
            let (from, to) = (folders[state % 3], folders[(state + 1) % 3]);
            fs::rename(tree.at(from).join("token"), tree.at(to).join("token")).unwrap();
            talk.changed();
            if state % 3000 == 0 {
                talk.rest(2);
            }
            if talk.is_over() {
                return;
            }
        }
    };
    read_under(&tree, write, |snapshot| {
        let paths: Vec<_> = snapshot.files.keys().filter(|path| path.as_str().ends_with("token")).collect();
        assert_eq!(paths.len(), 1, "{paths:?}");
    });
}

#[test]
fn what_is_left_out_may_come_and_go() {
    let tree = Tree::new(&[(".gitignore", "*.journal\n"), ("app.py", "x")]);
    let write = |tree: &Tree, talk: &Talk| {
        while !talk.is_over() {
            tree.write("db.journal", "x");
            fs::remove_file(tree.at("db.journal")).unwrap();
            talk.changed();
        }
    };
    read_under(&tree, write, |snapshot| assert_eq!(snapshot.files.len(), 2));
}

#[test]
fn a_change_is_seen_however_it_was_made() {
    let tree = Tree::new(&[("app.py", "one"), ("lib/x.py", "x")]);
    let source = tree.source();
    let mut pins = vec![source.read_now().unwrap().pin.clone()];
    let mut changed = |how: &str| {
        let pin = source.read_now().unwrap().pin.clone();
        assert!(!pins.contains(&pin), "{how}");
        pins.push(pin);
    };
    tree.write("app.py", "two");
    changed("bytes of the same length");
    let times = fs::metadata(tree.at("app.py")).unwrap().modified().unwrap();
    tree.write("app.py", "six");
    fs::File::options().write(true).open(tree.at("app.py")).unwrap().set_modified(times).unwrap();
    changed("bytes of the same length, and the time put back");
    tree.mode("app.py", 0o755);
    changed("its mode");
    fs::rename(tree.at("lib/x.py"), tree.at("lib/y.py")).unwrap();
    changed("a name");
    tree.write("lib/new/z.py", "z");
    changed("a new folder");
    tree.link("run", "app.py");
    changed("a link");
    fs::remove_file(tree.at("run")).unwrap();
    tree.link("run", "lib/y.py");
    changed("where it leads");
    tree.write(".gitignore", "lib/new/\n");
    changed("what is left out");
    fs::remove_dir_all(tree.at("lib")).unwrap();
    fs::remove_file(tree.at("run")).unwrap();
    changed("a folder that is gone");
}

#[test]
fn rules_above_are_watched_too() {
    let tree = Tree::new(&[("web/app.py", ""), ("web/x.log", "")]);
    fs::create_dir(tree.at(".git")).unwrap();
    let source = deployd::source::FolderSource::new(tree.at("web"), deployd::source::FolderOptions::default());
    assert_eq!(source.read_now().unwrap().files.len(), 2);
    tree.write(".gitignore", "*.log\n");
    assert_eq!(source.read_now().unwrap().files.len(), 1);
    fs::remove_file(tree.at(".gitignore")).unwrap();
    assert_eq!(source.read_now().unwrap().files.len(), 2);
}

/// Sees which files are opened, by anybody.
struct Opens {
    inotify: OwnedFd,
    names: BTreeMap<i32, String>,
}

impl Opens {
    fn of(tree: &Tree, names: &[&str]) -> Opens {
        let inotify = inotify::init(inotify::CreateFlags::NONBLOCK | inotify::CreateFlags::CLOEXEC).unwrap();
        let watch = |name: &str| inotify::add_watch(&inotify, tree.at(name), inotify::WatchFlags::OPEN).unwrap();
        let names = names.iter().map(|name| (watch(name), (*name).to_owned())).collect();
        Opens { inotify, names }
    }

    /// The files that were opened since this was asked last.
    fn since(&self) -> Vec<&str> {
        let mut buffer = [std::mem::MaybeUninit::uninit(); 4096];
        let mut events = inotify::Reader::new(&self.inotify, &mut buffer);
        let mut opened = Vec::new();
        loop {
            match events.next() {
                Ok(event) => opened.push(self.names[&event.wd()].as_str()),
                Err(rustix::io::Errno::AGAIN) => return opened,
                Err(error) => panic!("{error}"),
            }
        }
    }
}

#[test]
fn an_unchanged_folder_is_not_read_again_and_a_changed_one_only_where_it_changed() {
    let tree = Tree::new(&[(".gitignore", "x\n"), ("a", "1"), ("sub/b", "2"), ("sub/c", "3")]);
    let opens = Opens::of(&tree, &[".gitignore", "a", "sub", "sub/b", "sub/c"]);
    let source = tree.source();
    let first = source.read_now().unwrap();
    assert!(opens.since().contains(&"a"), "what is watched would be seen");

    let again = source.read_now().unwrap();
    assert!(Arc::ptr_eq(&first, &again), "the same snapshot, shared");
    assert_eq!(opens.since(), [""; 0], "stats only: no file, no folder, no rules");

    tree.write("sub/b", "4");
    opens.since();
    let changed = source.read_now().unwrap();
    assert_eq!(changed.files["sub/b"], File::Regular { digest: Digest::of("4"), size: 1, executable: false });
    let opened = opens.since();
    assert!(opened.contains(&"sub/b") && !opened.contains(&"a") && !opened.contains(&"sub/c"), "{opened:?}");
}
