//! Keys in their folder, file or command: who may read them, which one is missing, whose they are.

use super::Given;
use deployd::secrets::{Before, KeyFailure, KeyPlace, Keys, before};
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

fn mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

fn load(given: &Given) -> Result<Keys, KeyFailure> {
    let root = given.home.path();
    Keys::load(&KeyPlace::Folder(root.join("keys")), "abc", &root.join("state"))
}

#[test]
fn keys_are_their_owners_alone() {
    let given = Given::new();
    let bits = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(bits(&given.key_folder()), 0o700);
    for file in ["encryption", "digest", "state-folder"] {
        assert_eq!(bits(&given.key_folder().join(file)), 0o600, "{file}");
    }
    load(&given).unwrap();
    for (file, open) in
        [("encryption", 0o640), ("digest", 0o604), ("encryption", 0o620), ("", 0o750), ("", 0o701), ("..", 0o770)]
    {
        let path = given.key_folder().join(file);
        let closed = bits(&path);
        mode(&path, open);
        match load(&given) {
            Err(KeyFailure::TooOpen { mode, chmod, .. }) => {
                assert_eq!(mode, open);
                assert!(chmod.starts_with("chmod "), "{chmod}");
            }
            other => panic!("{file} {open:o}: {other:?}"),
        }
        mode(&path, closed);
    }
    load(&given).unwrap();
}

#[test]
fn a_missing_key_is_named_and_none_is_made_in_its_place() {
    for which in ["encryption", "digest"] {
        for emptied in [false, true] {
            let given = Given::new();
            let file = given.key_folder().join(which);
            if emptied {
                fs::write(&file, "# nothing\n").unwrap()
            } else {
                fs::remove_file(&file).unwrap()
            }
            let root = given.home.path();
            let place = KeyPlace::Folder(root.join("keys"));
            for loaded in [load(&given), Keys::load_or_create(&place, "abc", &root.join("state"))] {
                let failure = loaded.unwrap_err();
                assert!(matches!(&failure, KeyFailure::Missing { which: named, .. } if *named == which), "{failure}");
                let told = failure.to_string();
                assert!(told.contains(&format!("the {which} key of instance abc")), "{told}");
                assert!(told.contains(&file.display().to_string()), "{told}");
            }
        }
    }
    let given = Given::new();
    fs::remove_dir_all(given.key_folder()).unwrap();
    let failure = load(&given).unwrap_err();
    assert!(matches!(failure, KeyFailure::Missing { which: "encryption and digest", .. }), "{failure}");
}

#[test]
fn links_and_damaged_files_are_no_keys() {
    let given = Given::new();
    let file = given.key_folder().join("digest");
    let aside = given.home.path().join("digest");
    fs::rename(&file, &aside).unwrap();
    std::os::unix::fs::symlink(&aside, &file).unwrap();
    assert!(matches!(load(&given), Err(KeyFailure::Broken { .. })));
    fs::remove_file(&file).unwrap();

    let good = fs::read_to_string(&aside).unwrap();
    let key = good.split_whitespace().last().unwrap();
    let damaged = good.replace(key, &key.chars().rev().collect::<String>());
    fs::write(&file, damaged).unwrap();
    mode(&file, 0o600);
    let failure = load(&given).unwrap_err();
    assert!(matches!(failure, KeyFailure::Broken { .. }), "{failure}");
    assert!(!failure.to_string().contains(key), "no key in a message");
}

#[test]
fn keys_are_not_made_twice() {
    let given = Given::new();
    let place = KeyPlace::Folder(given.home.path().join("keys"));
    let again = Keys::create(&place, "abc", &given.home.path().join("state"));
    assert!(matches!(again, Err(KeyFailure::Exists(_))), "{again:?}");
    assert_eq!(load(&given).unwrap().ids(), given.keys.ids());
}

#[test]
fn t22_a_lost_state_folder_is_no_first_start() {
    let given = Given::new();
    let (root, state) = (given.home.path().join("keys"), given.home.path().join("state"));
    assert_eq!(before(&root, &state).unwrap(), Before::Unfinished("abc".to_owned()), "a start that was cut goes on");
    given.keys.settle().unwrap();
    given.keys.settle().unwrap();
    assert_eq!(before(&root, &state).unwrap(), Before::Lost(vec!["abc".to_owned()]));
    assert_eq!(before(&root, &given.home.path().join("elsewhere")).unwrap(), Before::Nothing);
    assert_eq!(before(&given.home.path().join("no-keys"), &state).unwrap(), Before::Nothing);
}

#[test]
fn a_moved_state_folder_keeps_its_keys_and_a_copy_gets_none() {
    let given = Given::new();
    let (root, state) = (given.home.path().join("keys"), given.home.path().join("state"));
    let place = KeyPlace::Folder(root.clone());
    fs::create_dir(&state).unwrap();
    let other = given.home.path().join("other");
    fs::create_dir(&other).unwrap();
    let failure = Keys::load(&place, "abc", &other).unwrap_err();
    assert!(matches!(failure, KeyFailure::OtherStateFolder { .. }), "{failure}");

    fs::remove_dir(&other).unwrap();
    fs::rename(&state, &other).unwrap();
    Keys::load(&place, "abc", &other).unwrap();
    given.keys.settle().unwrap();
    assert_eq!(before(&root, &other).unwrap(), Before::Lost(vec!["abc".to_owned()]), "the new place is noted");
}

#[test]
fn an_operators_file_gives_keys_and_is_never_changed() {
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("keys.txt");
    fs::write(&file, Keys::new_text("abc").unwrap().as_str()).unwrap();
    mode(&file, 0o640);
    let place = KeyPlace::File(file.clone());
    let load = |instance: &str| Keys::load(&place, instance, home.path());
    let keys = load("abc").unwrap();
    assert_eq!(load("abc").unwrap().ids(), keys.ids());
    assert!(matches!(load("abd"), Err(KeyFailure::OtherInstance { .. })));
    assert!(matches!(keys.rotate(), Err(KeyFailure::Refused(_))));
    assert!(matches!(Keys::create(&place, "abc", home.path()), Err(KeyFailure::Refused(_))));
    mode(&file, 0o644);
    assert!(matches!(load("abc"), Err(KeyFailure::TooOpen { .. })));
    fs::remove_file(&file).unwrap();
    assert!(matches!(load("abc"), Err(KeyFailure::Missing { .. })));
}

#[test]
fn a_command_gives_keys_or_a_reason_without_them() {
    let home = tempfile::tempdir().unwrap();
    let run =
        |script: String| Keys::load(&KeyPlace::Command(vec!["sh".into(), "-c".into(), script]), "abc", home.path());
    let text = Keys::new_text("abc").unwrap();
    let keys = run(format!("cat <<'END'\n{}END\n", text.as_str())).unwrap();
    assert_eq!(keys.instance(), "abc");
    let failing = run(format!("cat <<'END'\n{}END\nexit 3", text.as_str())).unwrap_err();
    assert!(matches!(failing, KeyFailure::Unreachable { .. }), "what it printed is not used: {failing}");
    let line = text.lines().find(|line| line.starts_with("encryption")).unwrap();
    let half = run(format!("echo '{line}'")).unwrap_err();
    assert!(matches!(half, KeyFailure::Missing { which: "digest", .. }), "{half}");
    let endless = run("yes".to_owned()).unwrap_err();
    assert!(matches!(endless, KeyFailure::Unreachable { .. }), "{endless}");
    let secret = line.split(' ').next_back().unwrap();
    for shown in [format!("{failing:?}"), format!("{half:?} {half}"), format!("{keys:?}")] {
        assert!(!shown.contains(secret), "{shown}");
    }
}
