//! What changes something may be asked again: the same key and the same request have the same answer, and nothing is done
//! twice.

use super::house::{Answer, House};
use deployd::server::document_text;
use reqwest::Method;
use serde_json::{Value as Json, json};

const HELLO: &str = "service: hello\nrun: serve\nport: 8080\n";
const STACK: &str = "/v1/worlds/sim/stacks/hello";

/// Asks under a key, as the user who runs the server.
async fn ask(house: &House, key: &str, method: Method, path: &str, body: Json) -> Answer {
    Answer::of(house.ask(method, path).header("idempotency-key", key).json(&body)).await
}

async fn post(house: &House, key: &str, path: &str, body: Json) -> Answer {
    ask(house, key, Method::POST, path, body).await
}

/// A house in which `hello` runs.
async fn with_hello() -> House {
    let house = House::open().await;
    let folder = house.source("hello", &[("deployd.yaml", HELLO), ("app.py", "one")]);
    house.up(&folder).await;
    house
}

/// How many deployments there were.
async fn deployments(house: &House) -> usize {
    house.get(&format!("{STACK}/deployments")).await.body["deployments"].as_array().unwrap().len()
}

#[test]
fn whatever_changes_something_takes_a_key_or_has_a_reason() {
    // Their answers are shown once, and kept by nobody; a token that is revoked twice is revoked.
    const WITHOUT: &[&str] = &["issue_token", "revoke_token", "sign_in_link"];
    // Questions: they are asked with POST for their bodies, and change nothing but what is kept by its digest.
    const QUESTIONS: &[&str] = &["plan", "check", "explain_files", "why_not", "backup"];
    let document: Json = serde_json::from_str(&document_text()).unwrap();
    for item in document["paths"].as_object().unwrap().values() {
        for operation in ["put", "post", "delete"].iter().filter_map(|method| item.get(*method)) {
            let id = operation["operationId"].as_str().unwrap();
            let parameters = operation["parameters"].as_array().cloned().unwrap_or_default();
            let takes = parameters.iter().any(|parameter| parameter["name"] == "idempotency-key");
            assert_eq!(takes, !WITHOUT.contains(&id) && !QUESTIONS.contains(&id), "{id}");
            assert!(!takes || operation["responses"]["422"].is_object(), "{id}: another request is refused");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn wishes_are_heard_once() {
    let house = with_hello().await;
    for act in ["stop", "retry", "stop"] {
        let (path, before) = (format!("{STACK}/{act}"), deployments(&house).await);
        let key = format!("{act}-{before}");
        let first = post(&house, &key, &path, json!({})).await;
        house.done(&first).await;
        let again = post(&house, &key, &path, json!({})).await;
        assert_eq!((again.status, &again.body), (first.status, &first.body), "{act}");
        assert_eq!(again.header("location"), first.header("location"), "{act}");
        assert_eq!(deployments(&house).await, before + 1, "{act} is done once");
        let other = if act == "stop" { "retry" } else { "stop" };
        let refused = post(&house, &key, &format!("{STACK}/{other}"), json!({})).await;
        assert_eq!(refused.problem(), (422, "key-used"));
        assert!(refused.body["way_out"].as_str().unwrap().contains("a new key"), "{refused:#?}");
    }
    // Another person's same key is another key.
    let issued = house.post("/v1/tokens", &json!({ "name": "bob", "scopes": ["deploy"] })).await;
    let bob = house.bare(Method::POST, &format!("{STACK}/retry")).bearer_auth(issued.body["token"].as_str().unwrap());
    let before = deployments(&house).await;
    assert_eq!(Answer::of(bob.header("idempotency-key", "stop-1")).await.status, 202);
    assert_eq!(deployments(&house).await, before + 1);
    for bad in ["", "with blank", &"x".repeat(129)] {
        assert_eq!(post(&house, bad, &format!("{STACK}/stop"), json!({})).await.problem(), (400, "bad-parameter"));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_undone_since_is_not_done_again() {
    let house = with_hello().await;
    let paused = async || house.get(STACK).await.body["conditions"]["paused"].is_object();
    assert_eq!(post(&house, "p", &format!("{STACK}/pause"), json!({})).await.status, 204);
    assert!(paused().await);
    assert_eq!(post(&house, "r", &format!("{STACK}/resume"), json!({})).await.status, 204);
    assert_eq!(post(&house, "p", &format!("{STACK}/pause"), json!({})).await.status, 204, "it was done");
    assert!(!paused().await, "and is not done again");
    assert_eq!(post(&house, "p", &format!("{STACK}/resume"), json!({})).await.problem(), (422, "key-used"));

    house.post(&format!("{STACK}/pause"), &json!({})).await;
    house.source("hello", &[("app.py", "two")]);
    let waits = house.post(&format!("{STACK}/deployments"), &json!({})).await;
    let cancel = format!("{}/cancel", waits.header("location"));
    for _ in 0..2 {
        assert_eq!(post(&house, "c", &cancel, json!({})).await.status, 204);
        house.until(waits.header("location"), |answer| answer.body["state"] == "CANCELLED").await;
        house.post(&format!("{STACK}/resume"), &json!({})).await;
    }
    assert_eq!(
        house.post(&cancel, &json!({})).await.problem(),
        (409, "refused"),
        "without the key it is another request"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn leave_is_given_once() {
    let house = House::open().await;
    let folder = house.source("hello", &[("deployd.yaml", HELLO)]);
    house.post("/v1/worlds/strict/runs", &json!({ "folder": folder })).await;
    let at = "/v1/worlds/strict/stacks/hello/deployments/1";
    let waits = house.until(at, |answer| answer.body["state"] == "AWAITING_APPROVAL").await;
    let issued = house.post("/v1/tokens", &json!({ "name": "bob", "scopes": ["approve"] })).await;
    let bob = issued.body["token"].as_str().unwrap();
    let approve = async |key: &str, plan: &Json| {
        let request =
            house.bare(Method::POST, &format!("{at}/approve")).bearer_auth(bob).header("idempotency-key", key);
        Answer::of(request.json(&json!({ "plan": plan }))).await
    };
    assert_eq!(approve("a", &waits.body["plan"]).await.status, 204);
    house.until(at, House::is_over).await;
    assert_eq!(approve("a", &waits.body["plan"]).await.status, 204, "the answer that was lost");
    assert_eq!(approve("a", &json!("0".repeat(64))).await.problem(), (422, "key-used"));
    assert_eq!(approve("b", &waits.body["plan"]).await.problem(), (409, "refused"));

    house.done(&house.post("/v1/worlds/sim/resources", &json!({ "name": "uploads", "slug": "volume" })).await).await;
    house.done(&house.post("/v1/worlds/sim/stacks/uploads/down", &json!({ "keep_data": true })).await).await;
    let plans = house.post("/v1/worlds/sim/plans", &json!({ "of": { "is": "gone", "stack": "uploads" } })).await;
    let acts = |act: &str| {
        json!({ "plan": plans.body["plans"][0]["digest"],
        "acts": [{ "identity": "sim/uploads/uploads", "act": act }] })
    };
    let consents = "/v1/worlds/sim/stacks/uploads/consents";
    let given = post(&house, "g", consents, acts("delete")).await;
    assert_eq!(given.status, 201, "{given:#?}");
    house.until("/v1/worlds/sim/stacks/uploads", |stack| stack.body["state"] == "DELETED").await;
    let again = post(&house, "g", consents, acts("delete")).await;
    assert_eq!((again.status, &again.body), (given.status, &given.body), "though its plan is not the plan of now");
    assert_eq!(post(&house, "g", consents, acts("replace")).await.problem(), (422, "key-used"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t26_a_secret_is_set_once_and_its_value_is_not_in_what_is_kept_of_the_request() {
    let house = House::open().await;
    let path = "/v1/worlds/sim/secrets/API_KEY";
    let set = async |key: &str, value: &str| ask(&house, key, Method::PUT, path, json!({ "value": value })).await;
    let first = set("s", "canary-in-a-mine").await;
    assert_eq!((first.status.as_u16(), &first.body["version"]), (200, &json!("1")), "{first:#?}");
    assert_eq!(set("s", "canary-in-a-mine").await.body, first.body);
    assert_eq!(set("s", "another").await.problem(), (422, "key-used"));
    assert_eq!(set("t", "another").await.body["version"], "2");
    assert_eq!(set("s", "canary-in-a-mine").await.body, first.body, "what it was then");
    let store = &house.engine.parts().store;
    let scope = deployd::contract::Scope::World(deployd::model::Name::fixed("sim"));
    let plain = deployd::model::Digest::of("canary-in-a-mine").to_string();
    for row in store.load(&scope).await.unwrap().0 {
        let text = String::from_utf8_lossy(&row.bytes.unwrap()).into_owned();
        assert!(!text.contains("canary") && !text.contains(&plain), "{text}");
    }
    let remove = async |key: &str| Answer::of(house.ask(Method::DELETE, path).header("idempotency-key", key)).await;
    assert_eq!(remove("d").await.status, 204);
    assert_eq!(remove("d").await.status, 204, "the answer that was lost");
    assert_eq!(remove("e").await.problem(), (404, "not-found"));
}

/// RELIABILITY.md S15: an answer that was lost on the way is had again, whatever the question said of what was there.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_there_is_asked_once_too() {
    const UPLOADS: &str = "/v1/worlds/sim/resources/uploads";
    let house = House::open().await;
    let send = async |method: Method, path: &str, key: &str, of: (&str, &str), body: &Json| {
        let ask = house.ask(method, path).header("idempotency-key", key).header(of.0, of.1);
        Answer::of(ask.json(body)).await
    };
    let etag = async || house.get(UPLOADS).await.header("etag").to_owned();
    let small = json!({ "slug": "volume", "with": { "size": "1Gi" } });
    let large = json!({ "slug": "volume", "with": { "size": "2Gi" } });

    let none = ("if-none-match", "*");
    let made = send(Method::PUT, UPLOADS, "make", none, &small).await;
    house.done(&made).await;
    let again = send(Method::PUT, UPLOADS, "make", none, &small).await;
    assert_eq!((again.status, &again.body), (made.status, &made.body));
    assert_eq!(send(Method::PUT, UPLOADS, "other", none, &small).await.status, 412, "another question is another");
    assert_eq!(send(Method::PUT, UPLOADS, "make", none, &large).await.problem(), (422, "key-used"));

    let read = etag().await;
    let changed = send(Method::PUT, UPLOADS, "change", ("if-match", &read), &large).await;
    house.done(&changed).await;
    let again = send(Method::PUT, UPLOADS, "change", ("if-match", &read), &large).await;
    assert_eq!((again.status, &again.body), (changed.status, &changed.body));

    let (read, path) = (etag().await, format!("{UPLOADS}?delete=uploads"));
    let gone = send(Method::DELETE, &path, "delete", ("if-match", &read), &json!({})).await;
    house.done(&gone).await;
    let again = send(Method::DELETE, &path, "delete", ("if-match", &read), &json!({})).await;
    assert_eq!((again.status, &again.body), (gone.status, &gone.body));
}
