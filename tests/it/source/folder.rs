//! What counts as a service's files, and which trees are refused, by name and without waiting.

use super::{Tree, path};
use deployd::contract::{At, File, Source as _, SourceFailure, Whole};
use deployd::model::Digest;
use deployd::source::{FolderOptions, FolderSource};
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::net::UnixListener;

#[test]
fn files_have_their_bytes_sizes_and_modes() {
    let tree = Tree::new(&[("app.py", "print()"), ("bin/run", "#!"), ("empty", "")]);
    tree.mode("bin/run", 0o755);
    tree.link("current", "bin/run");
    let snapshot = tree.source().read_now().unwrap();
    let regular =
        |text: &str, executable| File::Regular { digest: Digest::of(text), size: text.len() as u64, executable };
    let expected = [
        (path("app.py"), regular("print()", false)),
        (path("bin/run"), regular("#!", true)),
        (path("current"), File::Link("bin/run".to_owned())),
        (path("empty"), regular("", false)),
    ];
    assert_eq!(snapshot.files, expected.into());
    assert_eq!(snapshot.whole, Whole::Whole);
}

#[test]
fn all_that_is_refused_is_told_at_once() {
    let tree = Tree::new(&[("app.py", ""), ("a", ""), ("A", ""), ("sub/b", "")]);
    tree.mode("sub/b", 0o666);
    let _socket = UnixListener::bind(tree.at("sub/x.sock")).unwrap();
    let why = tree.refused();
    for told in ["a differs from its neighbour", "sub/b may be changed by every user", "sub/x.sock is a socket"] {
        assert!(why.contains(told), "{told}: {why}");
    }
    assert!(why.ends_with("; mend or remove them, or ignore them in .gitignore"), "{why}");
    let tree = Tree::new(&[("app.py", "")]);
    for name in 0..12 {
        tree.link(&format!("out-{name}"), "../../outside");
    }
    let why = tree.refused();
    assert!(
        why.contains("out-0 is a link to ../../outside") && why.contains("; and 2 more; replace them by files"),
        "{why}"
    );
}

#[test]
fn the_pin_names_the_listing() {
    let pin = |files: &[(&str, &str)]| Tree::new(files).source().read_now().unwrap().pin.clone();
    assert_eq!(pin(&[("a", "1"), ("b", "2")]), pin(&[("b", "2"), ("a", "1")]));
    for other in [&[("a", "1")][..], &[("a", "2"), ("b", "1")], &[("a", "1"), ("b/b", "2")]] {
        assert_ne!(pin(&[("a", "1"), ("b", "2")]), pin(other));
    }
    let tree = Tree::new(&[("a", "1"), ("b", "2")]);
    let before = tree.source().read_now().unwrap().pin.clone();
    tree.mode("a", 0o755);
    assert_ne!(tree.source().read_now().unwrap().pin, before, "what may be executed counts");
}

#[test]
fn ignore_files_count_without_a_repository() {
    let tree = Tree::new(&[
        (".gitignore", "*.log\n/secret\nbuild/\n!keep.log\n"),
        ("app.py", ""),
        ("a.log", ""),
        ("keep.log", ""),
        ("secret", ""),
        ("sub/secret", ""),
        ("sub/.gitignore", "!b.log\nlocal\n"),
        ("sub/b.log", ""),
        ("sub/local", ""),
        ("build/out", ""),
        ("sub/build/out", ""),
    ]);
    assert_eq!(tree.paths(), [".gitignore", "app.py", "keep.log", "sub/.gitignore", "sub/b.log", "sub/secret"]);
}

#[test]
fn our_own_ignore_file_has_the_last_word() {
    let tree = Tree::new(&[
        (".gitignore", "*.log\n"),
        (".deploydignore", "tests/\n!keep.log\n"),
        ("app.py", ""),
        ("a.log", ""),
        ("keep.log", ""),
        ("tests/deployd.yaml", ""),
    ]);
    assert_eq!(tree.paths(), [".deploydignore", ".gitignore", "app.py", "keep.log"]);
}

#[test]
fn ignore_files_above_count_within_a_repository_only() {
    let tree = Tree::new(&[("web/app.py", ""), ("web/x.log", ""), (".gitignore", "*.log\n")]);
    let source = FolderSource::new(tree.at("web"), FolderOptions::default());
    assert!(source.read_now().unwrap().files.contains_key("x.log"), "a home folder's rules mean the home folder");
    fs::create_dir(tree.at(".git")).unwrap();
    let source = FolderSource::new(tree.at("web"), FolderOptions::default());
    assert!(!source.read_now().unwrap().files.contains_key("x.log"));
}

#[test]
fn history_our_folder_and_what_prepare_makes_are_left_out() {
    let tree = Tree::new(&[
        ("app.py", ""),
        (".git/config", ""),
        (".deployd/state", ""),
        ("sub/.git", "gitdir: elsewhere"),
        (".venv/bin/python", ""),
        ("node_modules/a/index.js", ""),
        ("sub/node_modules/b", ""),
        ("sub/__pycache__/x.pyc", ""),
        ("notes~", ""),
        (".app.py.swp", ""),
        // Files of these names are no folders that `prepare` makes.
        ("docs/node_modules", ""),
        // These may be a service's files.
        ("target/x", ""),
        ("dist/x", ""),
    ]);
    assert_eq!(tree.paths(), ["app.py", "dist/x", "docs/node_modules", "target/x"]);
}

#[test]
fn a_default_can_be_taken_back_in_and_history_cannot() {
    let tree = Tree::new(&[
        (".gitignore", "!node_modules/\n!.git\n!.deployd\n"),
        ("node_modules/a", ""),
        (".git/config", ""),
        (".deployd/x", ""),
    ]);
    assert_eq!(tree.paths(), [".gitignore", "node_modules/a"]);
}

#[test]
fn t13_links_stay_inside_or_are_refused() {
    let tree = Tree::new(&[("app.py", ""), ("lib/x.py", "")]);
    tree.link("run", "app.py");
    tree.link("lib/up", "../app.py");
    tree.link("folder", "lib");
    tree.link("made-later", ".venv/bin/python");
    assert_eq!(tree.paths(), ["app.py", "folder", "lib/up", "lib/x.py", "made-later", "run"]);

    for (target, why) in [
        ("/etc/passwd", "leads out"),
        ("../../etc/passwd", "leads out"),
        ("lib/../../app/app.py", "leads out"),
        ("bad", "circle"),
    ] {
        let tree = Tree::new(&[("app.py", ""), ("lib/x.py", "")]);
        tree.link("bad", target);
        let told = tree.refused();
        assert!(told.contains("bad is a link to ") && told.contains(why), "{told}");
    }
}

#[test]
fn t32_loops_of_links_and_folders_end() {
    let tree = Tree::new(&[("app.py", ""), ("a/b/x", "")]);
    // A folder that holds itself: links are listed, not followed.
    tree.link("a/b/again", "../../a");
    assert_eq!(tree.paths(), ["a/b/again", "a/b/x", "app.py"]);
    let tree = Tree::new(&[("app.py", "")]);
    tree.link("one", "two");
    tree.link("two", "one");
    assert!(tree.refused().contains("circle"), "{}", tree.refused());
}

#[test]
fn a_link_out_that_is_left_out_does_not_matter() {
    let tree = Tree::new(&[("app.py", ""), (".gitignore", "cache\n")]);
    tree.link("cache", "/var/cache");
    assert_eq!(tree.paths(), [".gitignore", "app.py"]);
}

#[test]
fn t32_pipes_sockets_and_devices_are_refused_by_name_at_once() {
    let tree = Tree::new(&[("app.py", "")]);
    let fifo = rustix::fs::FileType::Fifo;
    rustix::fs::mknodat(rustix::fs::CWD, tree.at("queue"), fifo, rustix::fs::Mode::RUSR, 0).unwrap();
    // Nobody writes to it: a reader that opened it would wait for ever.
    assert!(tree.refused().starts_with("queue is a named pipe"), "{}", tree.refused());
    tree.write(".gitignore", "queue\n");
    assert_eq!(tree.paths(), [".gitignore", "app.py"]);

    let tree = Tree::new(&[("app.py", "")]);
    let _listener = UnixListener::bind(tree.at("app.sock")).unwrap();
    assert!(tree.refused().starts_with("app.sock is a socket"), "{}", tree.refused());
}

#[test]
fn t32_a_pipe_as_ignore_file_is_never_waited_for() {
    let tree = Tree::new(&[("app.py", "")]);
    let fifo = rustix::fs::FileType::Fifo;
    rustix::fs::mknodat(rustix::fs::CWD, tree.at(".gitignore"), fifo, rustix::fs::Mode::RUSR, 0).unwrap();
    assert!(tree.refused().starts_with(".gitignore is a named pipe"), "{}", tree.refused());
}

#[test]
fn t13_names_that_are_one_file_elsewhere_are_refused() {
    for (one, other) in [("README", "readme"), ("Lib/a", "lib/b"), ("Ärger", "ärger")] {
        let tree = Tree::new(&[(one, ""), (other, "")]);
        assert!(tree.refused().contains("only in upper and lower case"), "{}", tree.refused());
    }
}

#[test]
fn names_that_are_no_text_are_refused_by_name() {
    let tree = Tree::new(&[("app.py", "")]);
    fs::write(tree.root().join(OsStr::from_bytes(b"caf\xe9\x1b[2J")), "").unwrap();
    let why = tree.refused();
    assert!(why.starts_with("caf\u{fffd}\\u{1b}[2J has a name that is not UTF-8"), "{why}");
    let tree = Tree::new(&[("app.py", ""), ("line\nbreak", "")]);
    assert!(tree.refused().contains(r#""line\nbreak""#), "{}", tree.refused());
}

#[test]
fn t32_what_others_may_write_to_is_refused() {
    for at in ["", "sub", "sub/x"] {
        let tree = Tree::new(&[("app.py", ""), ("sub/x", "")]);
        tree.mode(at, 0o777);
        let why = tree.refused();
        assert!(why.contains("every user of this machine (mode 777)"), "{why}");
        assert!(why.contains(&format!("chmod o-w {}", tree.at(at).canonicalize().unwrap().display())), "{why}");
    }
    let tree = Tree::new(&[("app.py", ""), (".gitignore", "open\n"), ("open/x", "")]);
    tree.mode("open", 0o777);
    assert_eq!(tree.paths(), [".gitignore", "app.py"], "what is left out does not count");
}

/// Only root can give a folder away: elsewhere the folder of a user that is not us is the one that root owns, and root's
/// are read.
#[test]
fn folders_of_other_users_are_refused_unless_named() {
    let tree = Tree::new(&[("app.py", "")]);
    if std::os::unix::fs::chown(tree.root(), Some(54_321), None).is_err() {
        assert_eq!(tree.paths(), ["app.py"]);
        return;
    }
    assert!(tree.refused().contains("belongs to another user (uid 54321"), "{}", tree.refused());
    // So is what is in a folder of ours: whoever owns a file that is run here has it run as us.
    let inside = Tree::new(&[("app.py", ""), ("sub/x", "")]);
    for at in ["sub/x", "sub"] {
        std::os::unix::fs::chown(inside.at(at), Some(54_321), None).unwrap();
        let why = inside.refused();
        assert!(why.contains(&format!("{at} belongs to another user (uid 54321")), "{why}");
    }
    let options = FolderOptions { owners: [54_321].into(), ..FolderOptions::default() };
    FolderSource::new(tree.root(), options).read_now().unwrap();
}

#[test]
fn nothing_is_never_a_snapshot() {
    let missing = |tree: &Tree| match tree.source().read_now() {
        Err(SourceFailure::Missing(what)) => what,
        other => panic!("{other:?}"),
    };
    let empty = Tree::new(&[]);
    assert!(missing(&empty).contains("a file that counts"), "{}", missing(&empty));
    fs::create_dir_all(empty.at("a/b")).unwrap();
    missing(&empty);
    let ignored = Tree::new(&[(".gitignore", "*\n"), ("app.py", "")]);
    assert!(missing(&ignored).contains("(2 entries are left out"), "{}", missing(&ignored));
    fs::remove_dir_all(ignored.root()).unwrap();
    assert!(missing(&ignored).starts_with("the folder "), "{}", missing(&ignored));
    let tree = Tree::new(&[("app.py", "")]);
    let file = FolderSource::new(tree.at("app.py"), FolderOptions::default());
    assert!(matches!(file.read_now(), Err(SourceFailure::Refused(why)) if why.contains("not a folder")));
}

#[test]
fn a_folder_that_goes_away_and_comes_back_is_read_anew() {
    let tree = Tree::new(&[("app.py", "1")]);
    let source = tree.source();
    let before = source.read_now().unwrap();
    let aside = tree.0.path().join("aside");
    fs::rename(tree.root(), &aside).unwrap();
    assert!(matches!(source.read_now(), Err(SourceFailure::Missing(_))));
    fs::create_dir(tree.root()).unwrap();
    assert!(matches!(source.read_now(), Err(SourceFailure::Missing(_))), "an empty one in its place");
    fs::remove_dir(tree.root()).unwrap();
    fs::rename(&aside, tree.root()).unwrap();
    assert_eq!(source.read_now().unwrap().pin, before.pin);
}

#[tokio::test]
async fn bytes_are_those_of_the_snapshot_or_an_error() {
    let tree = Tree::new(&[("app.py", "one"), ("lib/x", "x")]);
    let source = tree.source();
    let snapshot = source.read(&At::Now).await.unwrap();
    let bytes = async |at: &str| source.bytes(&path(at), &snapshot.files[at]).await;
    assert_eq!(bytes("app.py").await.unwrap(), b"one");
    assert_eq!(bytes("lib/x").await.unwrap(), b"x");
    tree.write("app.py", "two");
    assert!(matches!(bytes("app.py").await, Err(SourceFailure::Unreachable(why)) if why.contains("app.py changed")));
    tree.write("app.py", "one and more");
    assert!(matches!(bytes("app.py").await, Err(SourceFailure::Unreachable(_))));
    // The same bytes, but by a link in the place of a folder: not from there.
    fs::rename(tree.at("lib"), tree.0.path().join("lib")).unwrap();
    tree.link("lib", "../lib");
    assert!(matches!(bytes("lib/x").await, Err(SourceFailure::Unreachable(_))));
    fs::remove_file(tree.at("app.py")).unwrap();
    assert!(matches!(bytes("app.py").await, Err(SourceFailure::Unreachable(_))));
}

#[tokio::test]
async fn an_earlier_pin_is_not_there_any_more() {
    let tree = Tree::new(&[("app.py", "one")]);
    let source = tree.source();
    let snapshot = source.read(&At::Now).await.unwrap();
    let pinned = At::Pin(snapshot.pin.clone());
    assert_eq!(source.read(&pinned).await.unwrap(), snapshot);
    tree.write("app.py", "two");
    assert!(matches!(source.read(&pinned).await, Err(SourceFailure::Missing(_))));
}
