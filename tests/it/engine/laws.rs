//! Law 4 and law 5 of DESIGN.md 6.2, on the engine itself: the stories, each cut at every moment.

use super::cuts::{Lives, Story, cut_everywhere};
use super::story::{Act, SERVICE};
use deployd::model::Milliseconds;

fn text(path: &'static str, text: &'static str) -> Act {
    Act::Write("shop", path, text)
}

/// What takes a stack away, whatever was on its way: what comes to hold data meanwhile is asked for again.
fn away(name: &'static str) -> Vec<Act> {
    vec![Act::Away(name), Act::Settle, Act::Away(name), Act::Settle]
}

/// The first release of a manifest, until it serves, then other acts.
fn after_up(manifest: &'static str, then: &[Act]) -> Story {
    let mut acts = vec![text("deployd.yaml", manifest), text("app.py", "one"), Act::Up("shop"), Act::Settle];
    acts.extend_from_slice(then);
    Story { acts, withdraw: away("shop"), lives: Lives::Same }
}

const WITH_DATA: &str = "service: shop\nrun: serve\nport: 8080\nrequires: [users: postgres]\n";

#[test]
fn a_deploy_a_change_and_an_end() {
    cut_everywhere(&after_up(SERVICE, &[text("app.py", "two"), Act::Settle, Act::Down("shop", &[]), Act::Settle]));
}

#[test]
fn what_holds_data_is_made_once_and_goes_with_leave() {
    cut_everywhere(&after_up(WITH_DATA, &[Act::Down("shop", &["users"]), Act::Settle]));
}

#[test]
fn a_database_that_takes_ten_minutes() {
    let manifest = "service: shop\nrun: serve\nport: 8080\nrequires: [store: slow]\n";
    cut_everywhere(&after_up(manifest, &[]));
}

#[test]
fn replicas_that_are_rolled_one_by_one() {
    let manifest = "service: shop\nrun: serve\nport: 8080\nscale: { replicas: 2 }\n";
    cut_everywhere(&after_up(manifest, &[text("app.py", "two"), Act::Settle]));
}

#[test]
fn replicas_that_change_colour() {
    let manifest = "service: shop\nrun: serve\nport: 8080\nscale: { replicas: 2 }\nupdate: blue-green\n";
    cut_everywhere(&after_up(manifest, &[text("app.py", "two"), Act::Settle]));
}

const BAD: &str = "service: shop\nrun: serve\nport: 8080\nenv: { SIMULATED: unhealthy }\n";

#[test]
fn a_change_that_fails_and_is_rolled_back() {
    cut_everywhere(&after_up(SERVICE, &[text("deployd.yaml", BAD), Act::Settle]));
}

#[test]
fn a_first_release_that_fails() {
    cut_everywhere(&after_up(BAD, &[]));
}

#[test]
fn a_migration_runs_once() {
    let manifest = "service: shop\nrun: serve\nport: 8080\nrequires: [users: postgres]\nmigrate: [{ for: users, run: \
                    ./migrate up, mode: before, when: db/** }]\n";
    let change = [text("db/1.sql", "create"), Act::Settle];
    cut_everywhere(&after_up(manifest, &change));
}

#[test]
fn a_way_in_whose_parts_go_in_order() {
    let manifest = "service: shop\nrun: serve\nport: 8080\nentrypoints: { web: { host: shop.example.com } }\n";
    let text = |path, text| Act::Write("cloud/shop", path, text);
    cut_everywhere(&Story {
        acts: vec![
            text("deployd.yaml", manifest),
            text("app.py", "one"),
            Act::Up("cloud/shop"),
            Act::Settle,
            Act::Down("cloud/shop", &[]),
            Act::Settle,
        ],
        withdraw: away("cloud/shop"),
        lives: Lives::Same,
    });
}

#[test]
fn a_newer_state_of_the_files_supersedes_a_running_deployment() {
    let slowly = "service: shop\nrun: serve\nport: 8080\nenv: { SIMULATED: 9s }\n";
    let story = after_up(
        slowly,
        &[text("app.py", "two"), Act::Pass(Milliseconds(4_000)), text("app.py", "three"), Act::Settle],
    );
    cut_everywhere(&Story { lives: Lives::MayDiffer, ..story });
}

#[test]
fn a_person_goes_back() {
    let back = [text("app.py", "two"), Act::Settle, Act::Rollback("shop"), Act::Settle];
    cut_everywhere(&after_up(SERVICE, &back));
}

#[test]
fn a_stop_and_a_new_start() {
    let again = [Act::Stop("shop"), Act::Settle, Act::Up("shop"), Act::Settle];
    cut_everywhere(&after_up(WITH_DATA, &again));
}
