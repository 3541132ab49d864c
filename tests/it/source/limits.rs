//! Limits of a folder, each by its name.

use super::Tree;
use deployd::contract::SourceFailure;
use deployd::model::Bytes;
use deployd::source::{FolderLimits, FolderOptions, FolderSource};

fn over(tree: &Tree, limits: FolderLimits) -> Option<String> {
    let options = FolderOptions { limits, ..FolderOptions::default() };
    match FolderSource::new(tree.root(), options).read_now() {
        Ok(_) => None,
        Err(SourceFailure::Refused(why)) => Some(why),
        Err(other) => panic!("{other:?}"),
    }
}

/// What is just allowed, and what is one more.
fn holds(tree: &Tree, name: &str, allowed: FolderLimits, less: FolderLimits) {
    assert_eq!(over(tree, allowed), None);
    let why = over(tree, less).unwrap();
    assert!(why.contains(&format!("over the limit `{name}` (")), "{why}");
}

#[test]
fn each_limit_is_told_by_its_name() {
    let tree = Tree::new(&[("a", "12345"), ("b", "123"), ("c/d/e", "1")]);
    let limits = FolderLimits::default;
    holds(&tree, "files", FolderLimits { files: 3, ..limits() }, FolderLimits { files: 2, ..limits() });
    // Two files at the top, two folders, one file within them.
    holds(&tree, "entries", FolderLimits { entries: 5, ..limits() }, FolderLimits { entries: 4, ..limits() });
    holds(&tree, "file", FolderLimits { file: Bytes(5), ..limits() }, FolderLimits { file: Bytes(4), ..limits() });
    holds(&tree, "total", FolderLimits { total: Bytes(9), ..limits() }, FolderLimits { total: Bytes(8), ..limits() });
    holds(&tree, "depth", FolderLimits { depth: 2, ..limits() }, FolderLimits { depth: 1, ..limits() });
}

#[test]
fn one_large_file_is_named() {
    let tree = Tree::new(&[("a", "1"), ("data/dump.sql", "123456")]);
    let why = over(&tree, FolderLimits { file: Bytes(5), ..FolderLimits::default() }).unwrap();
    assert!(why.contains("data/dump.sql has 6 bytes"), "{why}");
}

#[test]
fn what_is_left_out_counts_as_an_entry_only() {
    let tree = Tree::new(&[(".gitignore", "data\n"), ("a", "1"), ("data/dump.sql", "123456")]);
    let tight = FolderLimits { files: 2, entries: 3, file: Bytes(5), total: Bytes(6), depth: 0 };
    assert_eq!(over(&tree, tight.clone()), None);
    assert!(over(&tree, FolderLimits { entries: 2, ..tight }).is_some());
}

#[test]
fn a_sparse_file_is_judged_before_it_is_read() {
    let tree = Tree::new(&[("a", "1")]);
    std::fs::File::create(tree.at("sparse")).unwrap().set_len(1 << 42).unwrap();
    assert!(over(&tree, FolderLimits::default()).unwrap().contains("over the limit `file` (512Mi)"));
}
