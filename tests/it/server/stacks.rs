//! A service from its folder to its end, as a client sees it: runs, plans, deployments, releases, and the way back.

use super::house::{Answer, House};
use reqwest::Method;
use serde_json::{Value as Json, json};

const HELLO: &str = "service: hello\nrun: serve\nport: 8080\n";
const STACK: &str = "/v1/worlds/sim/stacks/hello";

fn run(folder: &str) -> Json {
    json!({ "folder": folder, "because": "up" })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_folder_holds_runs_stops_and_goes() {
    let house = House::open().await;
    let folder = house.source("hello", &[("deployd.yaml", HELLO), ("app.py", "one")]);
    let with_key =
        |body: &Json| house.ask(Method::POST, "/v1/worlds/sim/runs").header("idempotency-key", "k").json(body);
    let first = Answer::of(with_key(&run(&folder))).await;
    assert_eq!((first.status.as_u16(), &first.body["accepted"][0]["number"]), (202, &json!(1)), "{first:#?}");
    assert_eq!(Answer::of(with_key(&run(&folder))).await.body, first.body, "the same key, the same answer");
    let other = json!({ "folder": folder, "mode": "full" });
    assert_eq!(Answer::of(with_key(&other)).await.problem(), (422, "key-used"));

    let done = house.until(&format!("{STACK}/deployments/1"), House::is_over).await;
    assert_eq!((&done.body["state"], &done.body["because"]), (&json!("DONE"), &json!("up")), "{done:#?}");
    assert!(done.body["steps"].as_array().unwrap().iter().all(|step| step["condition"]["is"] == "done"), "{done:#?}");
    let stack = house.get(STACK).await;
    assert_eq!((&stack.body["state"], &stack.body["principal"]), (&json!("AVAILABLE"), &json!("cli:ann")));
    assert_eq!(stack.body["etag"], stack.header("etag"));

    let stopped = house.post(&format!("{STACK}/stop"), &json!({})).await;
    house.done(&stopped).await;
    assert_eq!(house.get(STACK).await.body["state"], "STOPPED");
    let old = house.ask(Method::DELETE, STACK).header("if-match", stack.header("etag"));
    assert_eq!(Answer::of(old).await.problem(), (412, "moved"));
    house.done(&house.post(&format!("{STACK}/down"), &json!({})).await).await;
    let gone = house.get(STACK).await;
    assert_eq!((&gone.body["state"], &gone.body["resources"]), (&json!("DELETED"), &Json::Null), "{gone:#?}");
    assert_eq!(house.get("/v1/stacks").await.body["stacks"], json!([]));
    let again = house.post(&format!("{STACK}/down"), &json!({})).await;
    assert_eq!((again.status.as_u16(), &again.body), (200, &json!({})));
    assert_eq!(house.post(&format!("{STACK}/stop"), &json!({})).await.problem(), (409, "refused"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_plan_that_was_looked_at_is_applied_and_no_other() {
    let house = House::open().await;
    let folder = house.source("hello", &[("deployd.yaml", HELLO), ("app.py", "one")]);
    let plan = async |of: Json| house.post("/v1/worlds/sim/plans", &json!({ "of": of })).await;
    // Of what nobody runs yet, and nothing is done for it.
    let before = plan(json!({ "is": "folder", "folder": folder })).await;
    assert_eq!(before.status, 201, "{before:#?}");
    let steps = before.body["plans"][0]["steps"].as_array().unwrap();
    assert!(steps.len() >= 4 && steps.iter().all(|step| step["act"] == "create"), "{before:#?}");
    assert_eq!(house.get(STACK).await.problem(), (404, "not-found"));
    house.up(&folder).await;
    let nothing = plan(json!({ "is": "stack", "stack": "hello" })).await;
    assert_eq!(nothing.body["plans"][0]["verdict"], json!({ "is": "done" }), "{nothing:#?}");

    // Somebody wants to look before it happens: the folder is not followed meanwhile.
    assert_eq!(house.post(&format!("{STACK}/pause"), &json!({})).await.status, 204);
    house.source("hello", &[("app.py", "two")]);
    let shown = plan(json!({ "is": "stack", "stack": "hello" })).await;
    let digest = shown.body["plans"][0]["digest"].as_str().unwrap().to_owned();
    let kept = house.get(&format!("{STACK}/plans/{digest}")).await;
    assert_eq!((kept.status.as_u16(), &kept.body["steps"]), (200, &shown.body["plans"][0]["steps"]));
    house.source("hello", &[("app.py", "three")]);
    let deployments = format!("{STACK}/deployments");
    let stale = house.post(&deployments, &json!({ "plan": digest })).await;
    assert_eq!(stale.problem(), (412, "stale-plan"));
    let changed = &stale.body["changed"];
    assert_eq!(changed["named"], digest, "{stale:#?}");
    assert!(!changed["moved"].as_array().unwrap().is_empty(), "{stale:#?}");
    // The plan of now is kept, to be looked at before it is asked for.
    let now = changed["now"].as_str().unwrap();
    assert_eq!(house.get(&format!("{STACK}/plans/{now}")).await.status, 200);
    let accepted = house.post(&deployments, &json!({ "plan": now })).await;
    assert_eq!(house.post(&format!("{STACK}/resume"), &json!({})).await.status, 204);
    house.done(&accepted).await;
    let gone = house.post("/v1/worlds/sim/plans", &json!({ "of": { "is": "stack", "stack": "nobody" } })).await;
    assert_eq!(gone.problem(), (404, "not-found"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn history_differences_and_the_way_back() {
    let house = House::open().await;
    let folder = house.source("hello", &[("deployd.yaml", HELLO), ("app.py", "one")]);
    house.up(&folder).await;
    // The timer that finds what was missed must not find it first.
    assert_eq!(house.post(&format!("{STACK}/pause"), &json!({})).await.status, 204);
    house.source("hello", &[("app.py", "two")]);
    let accepted = house.post(&format!("{STACK}/deployments"), &json!({})).await;
    assert_eq!(house.post(&format!("{STACK}/resume"), &json!({})).await.status, 204);
    house.done(&accepted).await;

    let page = house.get(&format!("{STACK}/deployments?limit=1")).await;
    assert_eq!(page.body["deployments"][0]["number"], 2, "{page:#?}");
    let second = page.body["deployments"][0].clone();
    let next = page.body["next"].as_str().unwrap();
    let page = house.get(&format!("{STACK}/deployments?limit=1&cursor={next}")).await;
    let first = page.body["deployments"][0].clone();
    assert_eq!((&first["number"], &page.body["next"]), (&json!(1), &Json::Null), "{page:#?}");
    let label = |deployment: &Json| deployment["label"].as_str().unwrap().to_owned();
    let (old, new) = (label(&first), label(&second));

    let release = house.get(&format!("{STACK}/releases/{old}")).await;
    assert_eq!((&release.body["id"], &release.body["label"]), (&first["release"], &json!(old)), "{release:#?}");
    assert!(!release.body["nodes"].as_array().unwrap().is_empty());
    let diff = house.get(&format!("{STACK}/diff")).await;
    assert_eq!(
        (&diff.body["from"]["label"], &diff.body["to"]["label"], &diff.body["files"]),
        (&json!(old), &json!(new), &json!(["app.py"])),
        "{diff:#?}"
    );
    let listed = house.get(&format!("{STACK}/releases")).await;
    let listed = listed.body["releases"].as_array().unwrap();
    let of = |release: &Json| (label(release), release["serves"].clone(), release["is_target"].clone());
    let expected = [(new.clone(), json!(true), json!(true)), (old.clone(), json!(false), json!(false))];
    assert_eq!(listed.iter().map(of).collect::<Vec<_>>(), expected, "newest first: {listed:#?}");
    assert!(listed.iter().all(|release| release["good"].is_string()), "{listed:#?}");
    let same = house.get(&format!("{STACK}/diff?from={old}&to={old}")).await;
    assert_eq!(same.body["differs"], json!([]), "{same:#?}");
    assert_eq!(house.get(&format!("{STACK}/diff?from=abcdef0")).await.problem(), (404, "not-found"));

    house.done(&house.post(&format!("{STACK}/rollback"), &json!({ "to": old })).await).await;
    let stack = house.get(STACK).await;
    assert_eq!((&stack.body["label"], &stack.body["good"]), (&json!(old), &first["release"]), "{stack:#?}");
    assert_eq!(
        house.post(&format!("{STACK}/rollback"), &json!({ "to": "abcdef0" })).await.problem(),
        (404, "not-found")
    );

    let explained = house.get(&format!("{STACK}/explain")).await;
    assert_eq!(explained.status, 200, "{explained:#?}");
    assert!(!explained.body["explanations"].as_array().unwrap().is_empty(), "{explained:#?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_paused_stack_waits_and_a_deployment_is_cancelled() {
    let house = House::open().await;
    let folder = house.source("hello", &[("deployd.yaml", HELLO), ("app.py", "one")]);
    house.up(&folder).await;
    assert_eq!(house.post(&format!("{STACK}/pause"), &json!({})).await.status, 204);
    assert!(house.get(STACK).await.body["conditions"]["paused"]["text"].as_str().unwrap().contains("cli:ann"));
    house.source("hello", &[("app.py", "two")]);
    let accepted = house.post(&format!("{STACK}/deployments"), &json!({})).await;
    assert_eq!(accepted.status, 202);
    let at = accepted.header("location").to_owned();
    assert_eq!(house.get(&at).await.body["state"], "QUEUED");
    assert_eq!(house.post(&format!("{at}/cancel"), &json!({})).await.status, 204);
    assert_eq!(house.post(&format!("{STACK}/resume"), &json!({})).await.status, 204);
    assert_eq!(house.until(&at, House::is_over).await.body["state"], "CANCELLED");
    assert_eq!(house.post(&format!("{at}/cancel"), &json!({})).await.problem(), (409, "refused"));
    assert_eq!(house.get(&format!("{STACK}/deployments/99")).await.problem(), (404, "not-found"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn mistakes_are_all_told_with_their_lines_and_nothing_is_written() {
    let house = House::open().await;
    let wrong = "service: hello\nrun: serve\nport: 8080\nrequires:\n  - cache: rediss\n  - db: postgress\n";
    let folder = house.source("hello", &[("deployd.yaml", wrong)]);
    for (path, body) in [
        ("/v1/worlds/sim/runs", run(&folder)),
        ("/v1/worlds/sim/plans", json!({ "of": { "is": "folder", "folder": folder } })),
    ] {
        let refused = house.post(path, &body).await;
        assert_eq!(refused.problem(), (422, "unknown-slug"), "{refused:#?}");
        let lines: Vec<&str> =
            refused.body["diagnostics"].as_array().unwrap().iter().map(|one| one["line"].as_str().unwrap()).collect();
        assert_eq!(lines, ["  - cache: rediss", "  - db: postgress"], "{refused:#?}");
    }
    assert_eq!(house.get("/v1/stacks").await.body["stacks"], json!([]));
    let nowhere = house.post("/v1/worlds/sims/runs", &run(&folder)).await;
    assert_eq!(nowhere.problem(), (404, "not-found"));
    assert_eq!(nowhere.body["way_out"], "did you mean `sim`?");
}

/// What was taken down and is asked for again is there again, also while it waits for another stack.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_gone_and_is_asked_for_again_is_shown_as_coming() {
    let house = House::open().await;
    let folder = house.source("hello", &[("deployd.yaml", HELLO), ("app.py", "one")]);
    house.up(&folder).await;
    house.done(&house.post(&format!("{STACK}/down"), &json!({})).await).await;
    house.source("hello", &[("deployd.yaml", &format!("{HELLO}requires: [{{ orders: {{ of: shop.orders }} }}]\n"))]);
    assert_eq!(house.post("/v1/worlds/sim/runs", &run(&folder)).await.status, 202);
    let says = |answer: &Answer| answer.body["report"]["waiting"][0]["code"] == "not_offered";
    let coming = house.until(STACK, says).await;
    assert_eq!(coming.body["state"], "CREATING", "{coming:#?}");
    let listed = house.get("/v1/stacks").await;
    assert_eq!(listed.body["stacks"][0]["state"], "CREATING", "{listed:#?}");
}
