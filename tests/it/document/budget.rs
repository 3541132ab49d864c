//! T11: what is larger than anything that a person writes is refused while it is read, in little memory.

use deployd::document::{self, Budget};
use std::fmt::Write;

/// The details of what is wrong.
fn mistakes(text: &str, budget: &Budget) -> Vec<String> {
    let (_, found) = document::read(&"x.yaml".into(), text.as_bytes(), budget);
    found.iter().map(|mistake| mistake.detail.clone()).collect()
}

#[test]
fn t11_an_alias_bomb_is_refused() {
    // Nine levels of nine aliases each: 387 million values in half a kilobyte.
    let mut bomb = "a: &a [x, x, x, x, x, x, x, x, x]\n".to_owned();
    for (before, name) in ('a'..='i').zip('b'..='j') {
        let aliases = vec![format!("*{before}"); 9].join(", ");
        writeln!(bomb, "{name}: &{name} [{aliases}]").unwrap();
    }
    assert_eq!(mistakes(&bomb, &Budget::default()), ["aliases repeat at most 10000 values"]);
}

#[test]
fn t11_a_merge_bomb_is_refused() {
    let mut bomb = "a: &a { k: 1 }\n".to_owned();
    for (before, name) in ('a'..='y').zip('b'..='z') {
        writeln!(bomb, "{name}: &{name} {{ x: *{before}, y: *{before}, <<: [*{before}, *{before}] }}").unwrap();
    }
    assert_eq!(mistakes(&bomb, &Budget::default()), ["aliases repeat at most 10000 values"]);
}

#[test]
fn t11_nested_anchors_are_counted_since_each_is_kept() {
    let budget = Budget { nodes_max: 1_000, ..Budget::default() };
    let mut text = String::new();
    for depth in 0..50 {
        writeln!(text, "{}- &a{depth}", " ".repeat(depth)).unwrap();
    }
    writeln!(text, "{}- [{}]", " ".repeat(50), vec!["x"; 100].join(", ")).unwrap();
    assert_eq!(mistakes(&text, &budget), ["a file has at most 1000 values"]);
}

#[test]
fn t11_a_million_documents_are_refused() {
    let text = "---\na\n".repeat(100_000);
    let (documents, found) = document::read(&"x.yaml".into(), text.as_bytes(), &Budget::default());
    assert_eq!(
        found.iter().map(|mistake| mistake.detail.as_str()).collect::<Vec<_>>(),
        ["a file has at most 1000 documents"]
    );
    assert_eq!(documents.len(), 1_000, "what was read before is kept");
}

#[test]
fn t11_depth_is_limited_in_flow_and_in_block() {
    let flow = format!("a: {}", "[".repeat(10_000));
    let mut block = String::new();
    for depth in 0..500 {
        writeln!(block, "{}a:", " ".repeat(depth)).unwrap();
    }
    for text in [flow, block, "- ".repeat(10_000), "? ".repeat(10_000), "{a: ".repeat(10_000)] {
        let found = mistakes(&text, &Budget::default());
        assert_eq!(found, ["lists and maps go at most 64 deep"], "{}", &text[..20]);
    }
}

#[test]
fn t11_a_large_file_is_not_looked_at() {
    let text = format!("a: {}", "x".repeat(2 << 20));
    assert_eq!(mistakes(&text, &Budget::default()), ["the file has 2097155 bytes; at most 1048576 are read"]);
}

#[test]
fn t11_many_values_are_refused() {
    let text = "- x\n".repeat(150_000);
    assert_eq!(mistakes(&text, &Budget::default()), ["a file has at most 100000 values"]);
}

#[test]
fn t11_many_keys_in_one_map_take_no_square_of_time() {
    // 50,000 keys: comparing each with each would be a thousand million comparisons.
    let text: String = (0..49_000).map(|number| format!("k{number}: v\n")).collect();
    assert_eq!(mistakes(&text, &Budget::default()), [""; 0]);
    let twice = format!("{text}k7: again\n");
    assert_eq!(mistakes(&twice, &Budget::default()), ["`k7` stands here twice"]);
}

#[test]
fn t11_many_mistakes_are_told_up_to_a_number() {
    let text: String = (0..5_000).map(|number| format!("k{number}: *y\n")).collect();
    let found = mistakes(&text, &Budget::default());
    assert_eq!(found.len(), 101);
    assert_eq!(found[100], "100 mistakes are told; there may be more");
}

#[test]
fn t11_every_budget_can_be_lowered() {
    let text = "a: &a [1, 2]\nb: *a\n---\nc: d\n";
    assert_eq!(mistakes(text, &Budget::default()), [""; 0]);
    let lower = Budget { repeated_max: 2, ..Budget::default() };
    assert_eq!(mistakes(text, &lower), ["aliases repeat at most 2 values"]);
    let lower = Budget { documents_max: 1, ..Budget::default() };
    assert_eq!(mistakes(text, &lower), ["a file has at most 1 documents"]);
    let lower = Budget { depth_max: 1, ..Budget::default() };
    assert_eq!(mistakes(text, &lower), ["lists and maps go at most 1 deep"]);
    let lower = Budget { bytes_max: 10, ..Budget::default() };
    assert_eq!(mistakes(text, &lower).len(), 1);
}

#[test]
fn t11_the_largest_tree_is_small() {
    use deployd::document::Entry;
    // A map holds half as many entries as it has keys and values; each has two texts of their own, which take 32 bytes
    // of the allocator; a growing list holds up to twice what it needs, and is copied once more.
    let entry = std::mem::size_of::<Entry>();
    let most = Budget::default().nodes_max / 2 * (2 * entry + 2 * 32);
    assert!(most < 20 << 20, "{} bytes", most);
    assert!(entry <= 160, "an entry takes {entry} bytes");
}
