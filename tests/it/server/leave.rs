//! Tokens of others and what each may do (THREATS.md T24); approvals by another person (T25).

use super::house::{Answer, House, WITHIN};
use reqwest::{Method, RequestBuilder};
use serde_json::{Value as Json, json};

const HELLO: &str = "service: hello\nrun: serve\nport: 8080\n";

/// Issues a token, as the user who runs the server.
async fn issue(house: &House, name: &str, scopes: &[&str]) -> String {
    let issued = house.post("/v1/tokens", &json!({ "name": name, "scopes": scopes })).await;
    assert_eq!(issued.status, 201, "{issued:#?}");
    assert_eq!(issued.header("location"), format!("/v1/tokens/{name}"));
    issued.body["token"].as_str().unwrap().to_owned()
}

fn by(house: &House, token: &str, method: Method, path: &str) -> RequestBuilder {
    house.bare(method, path).bearer_auth(token)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t24_a_token_gives_what_it_was_issued_for_until_it_is_revoked() {
    let house = House::open().await;
    let (reads, deploys) = (issue(&house, "reads", &["read"]).await, issue(&house, "deploys", &["deploy"]).await);
    let folder = house.source("hello", &[("deployd.yaml", HELLO)]);
    house.up(&folder).await;

    let get = async |token: &str, path: &str| Answer::of(by(&house, token, Method::GET, path)).await;
    let post =
        async |token: &str, path: &str, body: Json| Answer::of(by(&house, token, Method::POST, path).json(&body)).await;
    assert_eq!(get(&reads, "/v1/stacks").await.status, 200);
    let who = get(&reads, "/v1/server").await;
    assert_eq!((&who.body["principal"], &who.body["scopes"]), (&json!("token:reads"), &json!(["read"])));
    assert_eq!(get(&deploys, "/v1/stacks").await.problem(), (403, "scope-missing"));

    // What it may not do is the same answer whether there is such a thing or not.
    let stop = |stack: &str| format!("/v1/worlds/sim/stacks/{stack}/stop");
    let (there, not_there) =
        (post(&reads, &stop("hello"), json!({})).await, post(&reads, &stop("nobody"), json!({})).await);
    assert_eq!(there.problem(), (403, "scope-missing"));
    assert_eq!(there.body, not_there.body);
    let forbidden = [
        (&reads, Method::POST, "/v1/worlds/sim/runs"),
        (&reads, Method::DELETE, "/v1/worlds/sim/stacks/hello"),
        (&reads, Method::PUT, "/v1/worlds/sim/resources/db"),
        (&reads, Method::PUT, "/v1/worlds/sim/secrets/API_KEY"),
        (&reads, Method::POST, "/v1/worlds/sim/stacks/hello/deployments/1/approve"),
        (&reads, Method::POST, "/v1/backup"),
        (&reads, Method::GET, "/v1/tokens"),
        (&reads, Method::POST, "/v1/sign-in-links"),
        (&deploys, Method::POST, "/v1/tokens"),
        (&deploys, Method::POST, "/v1/worlds/sim/stacks/hello/consents"),
        (&deploys, Method::POST, "/v1/worlds/sim/stacks/hello/adoptions"),
    ];
    for (token, method, path) in forbidden {
        let answer = Answer::of(by(&house, token, method.clone(), path).json(&json!({}))).await;
        assert_eq!(answer.problem(), (403, "scope-missing"), "{method} {path}");
    }
    // To name data for deletion is the leave for it.
    let down = post(&deploys, "/v1/worlds/sim/stacks/hello/down", json!({ "delete": ["users"] })).await;
    assert_eq!(down.problem(), (403, "scope-missing"));
    for path in ["/v1/worlds/sim/stacks/hello?delete=users", "/v1/worlds/sim/resources/db?delete=db"] {
        let answer = Answer::of(by(&house, &deploys, Method::DELETE, path)).await;
        assert!(matches!(answer.problem(), (403, "scope-missing") | (404, _)), "{answer:#?}");
    }
    assert_eq!(house.get("/v1/worlds/sim/stacks/hello").await.body["state"], "AVAILABLE", "nothing was done");
    assert_eq!(post(&deploys, &stop("hello"), json!({})).await.status, 202);

    let listed = house.get("/v1/tokens").await;
    let names: Vec<&Json> = listed.body["tokens"].as_array().unwrap().iter().map(|token| &token["name"]).collect();
    assert_eq!(names, ["deploys", "reads"]);
    assert!(!listed.body.to_string().contains(&reads["deployd_".len()..]), "a token is shown once");
    let kept = std::fs::read_to_string(house.state().join("tokens")).unwrap();
    assert!(!kept.contains(&reads["deployd_".len()..]) && kept.contains("cli:ann"), "{kept}");

    let mut listening = house.bare(Method::GET, "/v1/events").bearer_auth(&reads).send().await.unwrap();
    let mut others = house.ask(Method::GET, "/v1/events").send().await.unwrap();
    let heard = async |stream: &mut reqwest::Response| {
        let chunk = tokio::time::timeout(WITHIN, stream.chunk()).await.expect("something comes").unwrap();
        chunk.map(|chunk| String::from_utf8(chunk.to_vec()).unwrap())
    };
    for stream in [&mut listening, &mut others] {
        assert!(heard(stream).await.unwrap().contains("event: open"));
    }
    let revoke = |name: &str| house.ask(Method::DELETE, &format!("/v1/tokens/{name}"));
    assert_eq!(Answer::of(revoke("reads")).await.status, 204);
    assert_eq!(get(&reads, "/v1/stacks").await.problem(), (401, "bad-token"));
    assert_eq!(Answer::of(revoke("reads")).await.problem(), (404, "not-found"));
    // What was opened with it ends, and nobody else's does.
    let mut last = String::new();
    while let Some(chunk) = heard(&mut listening).await {
        last = chunk;
    }
    assert!(last.ends_with("event: ending\ndata: {}\n\n"), "{last}");
    for _ in 0..3 {
        assert!(!heard(&mut others).await.unwrap().contains("ending"), "it goes on");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t24_nobody_issues_more_than_they_have_or_for_longer_than_is_allowed() {
    let house = House::open().await;
    let admin = issue(&house, "operator", &["admin", "read"]).await;
    let ask =
        async |token: &str, body: Json| Answer::of(by(&house, token, Method::POST, "/v1/tokens").json(&body)).await;
    let more = ask(&admin, json!({ "name": "more", "scopes": ["admin", "deploy"] })).await;
    assert_eq!(more.problem(), (403, "scope-missing"));
    assert_eq!(ask(&admin, json!({ "name": "same", "scopes": ["read"], "days": 90 })).await.status, 201);
    assert_eq!(ask(&admin, json!({ "name": "same", "scopes": ["read"] })).await.problem(), (409, "refused"));
    for bad in [
        json!({ "name": "a", "scopes": [] }),
        json!({ "name": "a", "scopes": ["all"] }),
        json!({ "name": "a", "scopes": ["read"], "days": 0 }),
        json!({ "name": "a", "scopes": ["read"], "days": 91 }),
        json!({ "name": "No Name", "scopes": ["read"] }),
    ] {
        assert_eq!(ask(&admin, bad.clone()).await.problem(), (422, "bad-body"), "{bad}");
    }
    // A browser may do everything, so a link for one is only for who may already.
    let link = Answer::of(by(&house, &admin, Method::POST, "/v1/sign-in-links")).await;
    assert_eq!(link.problem(), (403, "scope-missing"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t25_a_plan_is_approved_by_another_person_whichever_door_they_came_in_by() {
    let house = House::open().await;
    let folder = house.source("hello", &[("deployd.yaml", HELLO)]);
    let accepted = house.post("/v1/worlds/strict/runs", &json!({ "folder": folder })).await;
    assert_eq!(accepted.status, 202, "{accepted:#?}");
    let at = "/v1/worlds/strict/stacks/hello/deployments/1";
    let waits = house.until(at, |answer| answer.body["state"] == "AWAITING_APPROVAL").await;
    let approve = format!("{at}/approve");
    let body = json!({ "plan": waits.body["plan"] });

    let own = house.post(&approve, &body).await;
    assert_eq!(own.problem(), (403, "leave-missing"));
    assert!(own.body["detail"].as_str().unwrap().contains("nobody approves their own"), "{own:#?}");
    let link = house.post("/v1/sign-in-links", &json!({})).await;
    let url = link.body["url"].as_str().unwrap().strip_prefix(&house.address).unwrap().to_owned();
    let signed_in = Answer::of(house.bare(Method::GET, &url)).await;
    let csrf = signed_in.header("location").strip_prefix("/#csrf=").unwrap().to_owned();
    let cookie = signed_in.header("set-cookie").split(';').next().unwrap().to_owned();
    let browser = house.bare(Method::POST, &approve).header("cookie", cookie).header("x-deployd-csrf", csrf);
    assert_eq!(Answer::of(browser.json(&body)).await.problem(), (403, "leave-missing"), "the same person");

    let bob = issue(&house, "bob", &["approve"]).await;
    let stale = by(&house, &bob, Method::POST, &approve).json(&json!({ "plan": "0".repeat(64) }));
    assert_eq!(Answer::of(stale).await.problem(), (412, "stale-plan"));
    assert_eq!(house.get(at).await.body["state"], "AWAITING_APPROVAL", "nothing was approved so far");
    assert_eq!(Answer::of(by(&house, &bob, Method::POST, &approve).json(&body)).await.status, 204);
    let done = house.until(at, House::is_over).await;
    assert_eq!((&done.body["state"], &done.body["approved_by"]), (&json!("DONE"), &json!("token:bob")), "{done:#?}");
    assert_eq!(Answer::of(by(&house, &bob, Method::POST, &approve).json(&body)).await.problem(), (409, "refused"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t19_nothing_is_adopted_that_does_not_stand_in_the_way() {
    let house = House::open().await;
    let folder = house.source("hello", &[("deployd.yaml", HELLO)]);
    house.up(&folder).await;
    let adoptions = "/v1/worlds/sim/stacks/hello/adoptions";
    let nothing = house.post(adoptions, &json!({ "name": "hello.route", "handle": "somebodys" })).await;
    assert_eq!(nothing.problem(), (404, "not-found"));
    assert!(nothing.body["way_out"].as_str().unwrap().contains("deployd plan hello"), "{nothing:#?}");
}
