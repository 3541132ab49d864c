//! Plans: stories with their plan and report after each action, and the laws of DESIGN.md 6.2 on each of them and on
//! generated graphs.

mod act;
mod bed;
mod kinds;
mod show;
mod story;
mod text;
mod world;

use super::cases;
use story::Story;

#[test]
fn stories() {
    cases::each("plan", |folder| Story::read(folder).tell());
}
