//! Plans: stories with their plan and report after each action, and the laws of DESIGN.md 6.2 on each of them and on
//! generated graphs.

mod bed;
mod generate;
mod kinds;
mod laws;
mod properties;
mod show;
mod sight;
mod story;
mod text;
mod world;

use super::cases;
use story::Story;

#[test]
fn stories() {
    cases::each("plan", |folder| Story::read(folder).tell());
}

/// The laws on every story: before each of its runs.
#[test]
fn laws_of_stories() {
    let mut wrong = Vec::new();
    for folder in cases::folders("plan") {
        let story = Story::read(&folder);
        let name = folder.file_name().unwrap().to_string_lossy().into_owned();
        let mut bed = bed::Bed::new();
        for (number, action) in story.actions.iter().enumerate() {
            if action == "run" {
                let mut broken = laws::converges(bed.clone(), false);
                broken.extend(laws::survives(&bed, usize::MAX));
                broken.extend(laws::is_not_blind(&bed));
                wrong.extend(broken.into_iter().map(|law| format!("{name}, action {}: {law}", number + 1)));
            }
            story.act(&mut bed, action);
        }
    }
    assert!(wrong.is_empty(), "{} laws are broken\n{}", wrong.len(), wrong.join("\n"));
}
