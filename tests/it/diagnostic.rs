//! How diagnostics look, and how machines read them: TOUR sections 2 and 5.

use deployd::diagnostic::{Diagnostic, Diagnostics, Look, Owner, Place, SECRET_IN_FILE, Sources, render, render_text};
use std::collections::BTreeMap;
use std::sync::Arc;

const FILE: &str = "examples/guestbook/deployd.yaml";

fn sources(text: &str) -> Sources {
    Sources(BTreeMap::from([(FILE.into(), text.into())]))
}

fn place(line: u32, column: u32, length: u32) -> Place {
    Place::new(&FILE.into(), line, column, length)
}

/// The mistake of TOUR section 2.
fn unknown_slug() -> Diagnostic {
    Diagnostic::error("unknown-slug", "unknown slug", "no repository of world laptop offers this")
        .at(&place(12, 12, 6))
        .help("did you mean `redis`? (repositories/builtin/redis.yaml:4)")
        .help("`deployd slugs` lists what laptop offers")
}

fn twelve_lines() -> Sources {
    sources(&format!("{}  - cache: rediss\n", "#\n".repeat(11)))
}

#[test]
fn a_mistake_looks_as_in_the_tour() {
    let shown = render_text(&unknown_slug().into(), &twelve_lines());
    let tour = "\
error: unknown slug
   ╭─ examples/guestbook/deployd.yaml:12:12
12 │   - cache: rediss
   │            ^^^^^^ no repository of world laptop offers this
   ╰─ did you mean `redis`? (repositories/builtin/redis.yaml:4)
      you can fix this · `deployd slugs` lists what laptop offers
";
    assert_eq!(shown, tour);
}

#[test]
fn the_owner_is_named() {
    let of = |owner: Owner| {
        let mistake = Diagnostic::error("x", "it is wrong", "why").at(&place(1, 1, 1)).owned_by(owner);
        render_text(&mistake.into(), &sources("x")).lines().last().unwrap().to_owned()
    };
    assert_eq!(of(Owner::Developer), "  ╰─ you can fix this");
    assert_eq!(of(Owner::World("prod".into())), "  ╰─ the systems engineer of world prod can fix this");
    assert_eq!(of(Owner::Repository("acme".into())), "  ╰─ the systems engineer of repository acme can fix this");
}

#[test]
fn related_places_of_other_files_stand_below_each_with_its_line() {
    let other: Arc<str> = "repositories/acme/a.yaml".into();
    let mut sources = sources("service: a\n");
    sources.0.insert(Arc::clone(&other), format!("{}slug: b\n", "#\n".repeat(99)).into());
    let mistake = Diagnostic::error("x", "offered twice", "here")
        .at(&place(1, 10, 1))
        .related(&Place::new(&other, 100, 1, 4), "and here")
        .related(&Place::new(&"gone.yaml".into(), 3, 1, 4), "and in a file that is not at hand");
    let wanted = "\
error: offered twice
    ╭─ examples/guestbook/deployd.yaml:1:10
  1 │ service: a
    │          ^ here
    ├─ repositories/acme/a.yaml:100:1
100 │ slug: b
    │ ---- and here
    ├─ gone.yaml:3:1
    │ and in a file that is not at hand
    ╰─ you can fix this
";
    assert_eq!(render_text(&mistake.into(), &sources), wanted);
}

#[test]
fn what_was_typed_has_no_place() {
    let mistake = Diagnostic::error("bad-name", "not a name", "`A` is none").help("write `a`");
    let wanted = "error: not a name\n  │ `A` is none\n  ╰─ write `a`\n     you can fix this\n";
    assert_eq!(render_text(&mistake.into(), &Sources::default()), wanted);
}

#[test]
fn several_stand_apart_and_notes_need_nobody() {
    let note = Diagnostic::note("n", "a note", "worth knowing").at(&place(1, 1, 1));
    let warning = Diagnostic::warning("w", "a warning", "surprising").at(&place(1, 1, 1));
    let mut both = Diagnostics::from(warning);
    both.push(note);
    let wanted = "\
warning: a warning
  ╭─ examples/guestbook/deployd.yaml:1:1
1 │ x
  │ ^ surprising
  ╰─ you can fix this

note: a note
  ╭─ examples/guestbook/deployd.yaml:1:1
1 │ x
  │ ^ worth knowing
";
    assert_eq!(render_text(&both, &sources("x")), wanted);
}

#[test]
fn carets_stand_under_wide_characters_and_tabs() {
    let mistake = Diagnostic::error("x", "wide", "here").at(&place(1, 5, 2));
    let shown = render_text(&mistake.into(), &sources("\t名: 値段 x"));
    let lines: Vec<&str> = shown.lines().collect();
    assert_eq!(lines[2], "1 │     名: 値段 x");
    assert_eq!(lines[3], "  │         ^^^^ here", "two wide characters are four columns");
}

/// T28: nothing foreign reaches the terminal as a command.
#[test]
fn t28_foreign_text_is_escaped_everywhere() {
    let file: Arc<str> = "a\u{1b}]0;x\u{7}.yaml".into();
    let mistake = Diagnostic::error("x", "foreign", "`\u{1b}[31m` \u{202e}is here\r\n")
        .at(&Place::new(&file, 1, 1, 3))
        .help("\u{9b}2J")
        .related(&Place::new(&file, 1, 2, 1), "\u{8}back")
        .owned_by(Owner::World("\u{1b}c".into()));
    let sources = Sources(BTreeMap::from([(file, "\u{1b}[2J\u{200b}x\u{2028}\u{0}".into())]));
    let shown = render_text(&mistake.into(), &sources);
    assert!(
        shown.chars().all(|c| c == '\n' || (!c.is_control() && !('\u{200b}'..='\u{202e}').contains(&c))),
        "{shown:?}"
    );
    assert!(shown.contains("<U+001B>[2J<U+200B>x<U+2028><U+0000>"), "{shown}");
}

/// T26: a secret that was found in a file is not shown again, in this diagnostic or in any other of the same line.
#[test]
fn t26_secrets_are_never_shown() {
    let secret = Diagnostic::error(SECRET_IN_FILE, "secret in a file", "a secret").at(&place(1, 6, 7));
    let other =
        Diagnostic::error("x", "other", "of the same line").at(&place(1, 1, 3)).related(&place(1, 15, 1), "this");
    let mut both = Diagnostics::from(other);
    both.push(secret);
    let shown = render_text(&both, &sources("KEY: hunter2 # hunter3"));
    assert!(!shown.contains("hunter"), "{shown}");
    assert_eq!(shown.matches("KEY: ••••••••\n").count(), 3, "{shown}");
}

#[test]
fn colours_say_nothing_that_is_not_said_without_them() {
    let look = Look { colour: true, ..Look::default() };
    let coloured = render(&unknown_slug().into(), &twelve_lines(), look);
    assert!(coloured.contains("\u{1b}["));
    let plain = anstream::adapter::strip_str(&coloured).to_string();
    assert_eq!(plain, render_text(&unknown_slug().into(), &twelve_lines()));
}

#[test]
fn lines_fit_the_screen() {
    let words = "many words that explain at some length what is wrong with this line of a file ".repeat(3);
    let long = format!("{}PROBLEM{}", "before ".repeat(30), " behind".repeat(30));
    let mistake = Diagnostic::error("x", "long", words.trim()).at(&place(1, 211, 7)).help(words.trim()).help("short");
    for width in [60, 80, 120] {
        let shown = render(&mistake.clone().into(), &sources(&long), Look { width, ..Look::default() });
        assert!(shown.lines().all(|line| line.chars().count() <= width), "{width}\n{shown}");
        assert!(shown.contains("PROBLEM"), "{shown}");
    }
}

#[test]
fn machines_read_the_same_facts() {
    let json = serde_json::to_value(unknown_slug()).unwrap();
    let wanted = serde_json::json!({
        "code": "unknown-slug",
        "severity": "error",
        "place": { "file": FILE, "line": 12, "column": 12, "length": 6 },
        "summary": "unknown slug",
        "detail": "no repository of world laptop offers this",
        "help": "did you mean `redis`? (repositories/builtin/redis.yaml:4)\n`deployd slugs` lists what laptop offers",
        "owner": "developer",
    });
    assert_eq!(json, wanted);
    let bare = Diagnostic::note("n", "a note", "why")
        .related(&place(1, 1, 1), "here")
        .owned_by(Owner::Repository("acme".into()));
    let wanted = serde_json::json!({
        "code": "n", "severity": "note", "summary": "a note", "detail": "why",
        "related": [ { "place": { "file": FILE, "line": 1, "column": 1, "length": 1 }, "what": "here" } ],
        "owner": { "repository": "acme" },
    });
    assert_eq!(serde_json::to_value(bare).unwrap(), wanted);
}
