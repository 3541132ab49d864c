//! Bytes that people and their editors put into files, and that a case's folder could not keep: and any bytes at all.

use super::read;
use deployd::diagnostic::{Sources, render_text};
use deployd::manifest;
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Where each mistake is, and its summary.
fn mistakes(bytes: &[u8]) -> Vec<String> {
    let (_, found) = manifest::read(&"deployd.yaml".into(), 0, bytes);
    found
        .iter()
        .map(|mistake| {
            let place = mistake.place.as_ref().unwrap();
            format!("{}:{} {}", place.line, place.column, mistake.summary)
        })
        .collect()
}

#[test]
fn t12_a_byte_order_mark_and_windows_line_ends_are_read() {
    let text = "\u{feff}service: shop\r\nport: 8080\r\nenv:\r\n  A: |\r\n    one\r\n    two\r\nprot: 1\r\n";
    assert_eq!(mistakes(text.as_bytes()), ["7:1 unknown key"]);
    let (manifests, _) = read(text);
    assert_eq!(manifests[0].service.place.column, 10, "the mark is no column");
    assert_eq!(manifests[0].main.ports[0].number.value, 8080);
    let lines = manifests[0].env["A"].value.value.as_ref().unwrap();
    assert_eq!(lines.as_plain(), Some("one\ntwo\n"), "line ends are YAML's, not Windows'");
}

#[test]
fn t12_a_byte_order_mark_inside_is_refused() {
    assert_eq!(mistakes("service: shop\n\u{feff}port: 80\n".as_bytes()), ["2:1 character that cannot stand here"]);
}

#[test]
fn t12_nul_is_refused_wherever_it_is() {
    assert_eq!(mistakes(b"service: shop\nrun: ./a\0b\n"), ["2:9 character that cannot stand here"]);
    assert_eq!(mistakes(b"service: shop\nenv: { A: \"x\\0y\" }\n"), ["2:11 character that cannot stand here"]);
}

#[test]
fn t12_what_is_not_utf_8_is_refused_where_it_begins() {
    assert_eq!(mistakes(b"service: shop\ndescription: caf\xe9\n"), ["2:17 not UTF-8"]);
    assert_eq!(mistakes(&"service: shop".encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<_>>()).len(), 1);
}

#[test]
fn a_file_without_a_last_line_end_is_whole() {
    assert_eq!(mistakes(b"service: shop"), [""; 0]);
    assert_eq!(mistakes(b"service: shop\nrun: *"), ["2:6 not quoted"]);
}

/// Parts that make texts which come near to being manifests.
fn near_yaml() -> impl Strategy<Value = String> {
    let part = prop_oneof![
        Just("service: a\n".to_owned()),
        Just("---\n".to_owned()),
        Just("...\n".to_owned()),
        Just("env: ".to_owned()),
        Just("requires: [".to_owned()),
        Just("in: { laptop: ".to_owned()),
        Just("ports: ".to_owned()),
        Just("health: ".to_owned()),
        Just("&a ".to_owned()),
        Just("*a ".to_owned()),
        Just("<<: ".to_owned()),
        Just("${".to_owned()),
        Just("${a.b}".to_owned()),
        Just("$$".to_owned()),
        Just("! ".to_owned()),
        Just("? ".to_owned()),
        Just("%Y\n".to_owned()),
        Just("\"\\q".to_owned()),
        Just("* * ".to_owned()),
        Just("|\n ".to_owned()),
        "[a-z]{1,4}: ",
        "[a-z0-9]{1,4}\n",
        "[ \t]{1,6}",
        "[-{}\\[\\],:#'\"\n]{1,3}",
        "\\PC{1,3}",
    ];
    proptest::collection::vec(part, 0..40).prop_map(|parts| parts.concat())
}

fn read_and_show(bytes: &[u8]) {
    let file: Arc<str> = "deployd.yaml".into();
    let (manifests, found) = manifest::read(&file, 0, bytes);
    let sources = Sources(BTreeMap::from([(Arc::clone(&file), String::from_utf8_lossy(bytes).into())]));
    let shown = render_text(&found, &sources);
    assert!(shown.lines().all(|line| !line.contains(char::is_control)), "{shown:?}");
    let lines = bytes.iter().filter(|byte| matches!(byte, b'\n' | b'\r')).count() as u32 + 1;
    for mistake in found.iter() {
        let place = mistake.place.as_ref().expect("a mistake in a file has a place");
        assert!((1..=lines).contains(&place.line) && place.column >= 1 && place.length >= 1, "{mistake:?}");
    }
    for manifest in &manifests {
        for overlay in &manifest.overlays {
            let world = deployd::model::Name::new(overlay.when.to_string().replace(':', "-")).unwrap();
            let (_, found) = manifest.in_world(&world, &[]);
            let _ = render_text(&found, &sources);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes_are_read_without_a_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        read_and_show(&bytes);
    }

    #[test]
    fn any_text_that_is_nearly_a_manifest_is_read_without_a_panic(text in near_yaml()) {
        read_and_show(text.as_bytes());
    }
}

/// Every case of a manifest, cut short at any byte and with any one byte replaced.
#[test]
fn damaged_manifests_are_read_without_a_panic() {
    let path =
        std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases/manifest/formats-everything/deployd.yaml");
    let whole = std::fs::read(path).unwrap();
    for at in (0..whole.len()).step_by(29) {
        read_and_show(&whole[..at]);
        for replacement in [b'\t', b'{', b'\0', b'*', b':', 0xff] {
            let mut damaged = whole.clone();
            damaged[at] = replacement;
            read_and_show(&damaged);
        }
    }
}

/// The cases show each of these in full; here they stand in one table.
#[test]
fn t12_traps_of_yaml_are_errors_with_a_place() {
    for (line, wanted) in [
        ("port: 80\nport: 81", "3:1 duplicate key"),
        ("port: 0x50", "2:7 expected a whole number"),
        ("port: 010", "2:7 expected a whole number"),
        ("requires: [a: { use: b, shared: no }]", "2:33 expected true or false"),
        ("requires: [a: { use: b, shared: on }]", "2:33 expected true or false"),
        ("port: !!str 80", "2:7 tag"),
        ("run: !!python/object/apply:os.system [id]", "2:6 tag"),
        ("prot: 80", "2:1 unknown key"),
        ("scale:\n\treplicas: 2", "3:1 tab"),
        ("was: sh\u{043e}p", "2:6 not a name"),
        ("was: sh\u{200b}op", "2:6 not a name"),
        ("was: \"sh\u{202e}op\"", "2:6 not a name"),
        ("p\u{043e}rt: 80", "2:1 unknown key"),
    ] {
        let found = mistakes(format!("service: shop\n{line}\n").as_bytes());
        assert!(found.contains(&wanted.to_owned()), "{line}: {found:?}");
    }
    assert_eq!(mistakes(b"service: shop\nenv: { A: no, B: on, C: 010, D: 0x1f, E: 1.10, F: ~x }\n"), [""; 0]);
}

/// Symbolic links and names that differ in case only are for the source to judge: a manifest holds text.
#[test]
fn t13_paths_cannot_leave_their_source() {
    for path in ["../x", "a/../../x", "/etc/passwd", "~/x", "C:/x", "a\\b", ".git/config", "a/.GIT/x", "\"a\\0b\""] {
        for key in
            ["folder: PATH", "files: { a: { from: PATH } }", "build: { dockerfile: PATH }", "site: { folder: PATH }"]
        {
            let text = format!("service: shop\n{}\n", key.replace("PATH", path));
            let found = mistakes(text.as_bytes());
            assert!(found.iter().any(|mistake| mistake.contains("not a path of the repository")), "{text}: {found:?}");
        }
    }
    let (_, found) = manifest::read(&"deployd.yaml".into(), 1, b"service: shop\nfolder: ../x\n");
    assert!(found.is_empty(), "the root of the source is one folder above");
}
