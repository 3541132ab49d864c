//! Resources of a world without any service, as a client makes, reads, changes and deletes them: the same engine, the
//! same care for what holds data.

use super::house::{Answer, House};
use reqwest::Method;
use serde_json::{Value as Json, json};

const RESOURCES: &str = "/v1/worlds/sim/resources";
const UPLOADS: &str = "/v1/worlds/sim/resources/uploads";

async fn delete(house: &House, path: &str) -> Answer {
    Answer::of(house.ask(Method::DELETE, path)).await
}

async fn change(house: &House, if_match: &str, body: &Json) -> Answer {
    Answer::of(house.ask(Method::PUT, UPLOADS).header("if-match", if_match).json(body)).await
}

async fn etag(house: &House) -> String {
    let shown = house.get(UPLOADS).await;
    assert_eq!(shown.status, 200, "{shown:#?}");
    assert_eq!(shown.header("etag"), shown.body["stack"]["etag"], "the header and the body say the same");
    shown.header("etag").to_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_resource_is_made_read_changed_and_deleted_without_a_service() {
    let house = House::open().await;
    let slug = house.get("/v1/worlds/sim/slugs/volume").await;
    let size = slug.body["parameters"].as_array().unwrap().iter().find(|one| one["name"] == "size").unwrap();
    assert_eq!((&size["default"], &size["range"]), (&json!("1Gi"), &json!("from 1Mi")), "{slug:#?}");
    assert_eq!(house.get(UPLOADS).await.problem(), (404, "not-found"));

    let body = json!({ "name": "uploads", "slug": "volume", "with": { "size": "2Gi" } });
    let made = house.post(RESOURCES, &body).await;
    house.done(&made).await;
    assert_eq!(house.post(RESOURCES, &body).await.problem(), (409, "refused"), "it is there already");
    let shown = house.get(UPLOADS).await;
    assert_eq!((&shown.body["slug"], &shown.body["with"]), (&json!("volume"), &json!({ "size": "2Gi" })), "{shown:#?}");
    let resource = &shown.body["stack"]["resources"][0];
    assert_eq!((&resource["kind"], &resource["holds_data"]), (&json!("local/folder"), &json!(true)), "{shown:#?}");
    assert_eq!(resource["condition"]["is"], "ready");
    let listed = house.get(RESOURCES).await;
    assert_eq!(listed.body["resources"].as_array().unwrap().len(), 1);
    assert_eq!(listed.body["resources"][0]["name"], "uploads");

    // What holds data is not replaced by something else.
    let other = house.put(UPLOADS, &json!({ "slug": "postgres" })).await;
    assert_eq!(other.problem(), (409, "refused"), "{other:#?}");
    assert!(other.body["way_out"].as_str().unwrap().contains("--delete uploads"), "{other:#?}");
    assert_eq!(house.get(UPLOADS).await.body["slug"], "volume");

    // It stands among the stacks too, and its wish says where it is from.
    let stack = house.get("/v1/worlds/sim/stacks/uploads").await;
    assert_eq!((&stack.body["from"], &stack.body["state"]), (&json!("rest"), &json!("AVAILABLE")), "{stack:#?}");

    house.done(&delete(&house, &format!("{UPLOADS}?delete=uploads")).await).await;
    house.until(UPLOADS, |answer| answer.status == 404).await;
    assert_eq!(house.get(RESOURCES).await.body["resources"], json!([]));
    let again = delete(&house, UPLOADS).await;
    assert_eq!((again.status.as_u16(), &again.body), (200, &json!({})), "deleting twice is deleting once");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_service_is_no_resource_and_keeps_its_name() {
    let house = House::open().await;
    let folder = house.source("hello", &[("deployd.yaml", "service: hello\nrun: serve\n")]);
    house.up(&folder).await;
    let hello = "/v1/worlds/sim/resources/hello";
    assert_eq!(house.get(hello).await.problem(), (404, "not-found"));
    assert_eq!(house.put(hello, &json!({ "slug": "volume" })).await.problem(), (409, "refused"));
    let refused = delete(&house, &format!("{hello}?keep_data=true")).await;
    assert_eq!(refused.problem(), (404, "not-found"), "{refused:#?}");
    assert_eq!(house.get("/v1/worlds/sim/stacks/hello").await.body["state"], "AVAILABLE");
    let reserved = house.post(RESOURCES, &json!({ "name": "env", "slug": "volume" })).await;
    assert_eq!(reserved.problem(), (422, "bad-body"), "{reserved:#?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_changes_what_somebody_else_changed_meanwhile() {
    let house = House::open().await;
    let two = json!({ "slug": "volume", "with": { "size": "2Gi" } });
    let (three, four) = (
        json!({ "slug": "volume", "with": { "size": "3Gi" } }),
        json!({ "slug": "volume", "with": { "size": "4Gi" } }),
    );
    assert_eq!(change(&house, "*", &two).await.problem(), (412, "moved"), "there is nothing to change");
    let new = house.ask(Method::PUT, UPLOADS).header("if-none-match", "*").json(&two);
    house.done(&Answer::of(new).await).await;
    let new = house.ask(Method::PUT, UPLOADS).header("if-none-match", "*").json(&three);
    assert_eq!(Answer::of(new).await.problem(), (412, "moved"), "there is one already");

    let read = etag(&house).await;
    house.done(&change(&house, &read, &three).await).await;
    assert_eq!(change(&house, &read, &four).await.problem(), (412, "moved"));
    let gone = house.ask(Method::DELETE, &format!("{UPLOADS}?delete=uploads")).header("if-match", &read);
    assert_eq!(Answer::of(gone).await.problem(), (412, "moved"));
    assert_eq!(house.get(UPLOADS).await.body["with"]["size"], "3Gi");
    let read = etag(&house).await;
    house.done(&change(&house, &format!("\"1\", {read}"), &four).await).await;
    assert_eq!(house.get(UPLOADS).await.body["with"]["size"], "4Gi");
    // Without a condition, the last one is heard.
    house.done(&house.put(UPLOADS, &json!({ "slug": "volume", "with": { "size": "5Gi" } })).await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_holds_data_goes_only_when_that_is_said() {
    let house = House::open().await;
    let made = house.post(RESOURCES, &json!({ "name": "uploads", "slug": "volume" })).await;
    house.done(&made).await;
    let refused = delete(&house, UPLOADS).await;
    assert_eq!(refused.problem(), (403, "holds-data"));
    assert_eq!(refused.body["held"][0]["identity"], "sim/uploads/uploads", "{refused:#?}");
    assert_eq!(delete(&house, &format!("{UPLOADS}?delete=upload")).await.problem(), (409, "refused"));
    assert_eq!(house.get(UPLOADS).await.body["stack"]["state"], "AVAILABLE", "nothing was done");

    // Kept: it waits for whoever wants it again.
    house.done(&delete(&house, &format!("{UPLOADS}?keep_data=true")).await).await;
    let kept = house.until("/v1/worlds/sim/stacks/uploads", |stack| stack.body["state"] == "STOPPED").await;
    assert_eq!(kept.body["resources"].as_array().unwrap().len(), 1, "{kept:#?}");

    // Leave that is given afterwards, for what the plan shows, and for that alone.
    let plans = house.post("/v1/worlds/sim/plans", &json!({ "of": { "is": "gone", "stack": "uploads" } })).await;
    assert_eq!(plans.status, 201, "{plans:#?}");
    let plan = &plans.body["plans"][0];
    let needs = &plan["report"]["needs_consent"][0];
    assert_eq!((&needs["identity"], &needs["act"]), (&json!("sim/uploads/uploads"), &json!("delete")), "{plan:#?}");
    let consents = "/v1/worlds/sim/stacks/uploads/consents";
    let acts = |act: &str| json!([{ "identity": "sim/uploads/uploads", "act": act }]);
    let other = house.post(consents, &json!({ "plan": plan["digest"], "acts": acts("replace") })).await;
    assert_eq!(other.problem(), (409, "refused"));
    let stale = house.post(consents, &json!({ "plan": "0".repeat(64), "acts": acts("delete") })).await;
    assert_eq!(stale.problem(), (412, "stale-plan"));
    let given = house.post(consents, &json!({ "plan": plan["digest"], "acts": acts("delete") })).await;
    assert_eq!((given.status.as_u16(), given.body["consents"].as_array().unwrap().len()), (201, 1), "{given:#?}");
    house.until("/v1/worlds/sim/stacks/uploads", |stack| stack.body["state"] == "DELETED").await;
    assert_eq!(house.get(UPLOADS).await.problem(), (404, "not-found"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_same_key_is_the_same_request() {
    let house = House::open().await;
    let with_key = |body: Json| house.ask(Method::POST, RESOURCES).header("idempotency-key", "k-1").json(&body);
    let body = json!({ "name": "uploads", "slug": "volume" });
    let first = Answer::of(with_key(body.clone())).await;
    house.done(&first).await;
    let again = Answer::of(with_key(body)).await;
    assert_eq!((again.status, &again.body), (first.status, &first.body));
    // Also while the first one is under way.
    let many = |number: usize| {
        let key = format!("many-{number}");
        let body = json!({ "name": format!("many-{number}"), "slug": "volume" });
        let asked = (0..12).map(|_| {
            Answer::of(house.ask(Method::POST, RESOURCES).header("idempotency-key", key.as_str()).json(&body))
        });
        futures::future::join_all(asked.collect::<Vec<_>>())
    };
    for number in 0..5 {
        let answers = many(number).await;
        let same = |answer: &Answer| (answer.status, &answer.body) == (answers[0].status, &answers[0].body);
        assert!(answers[0].status == 202 && answers.iter().all(same), "{answers:#?}");
    }
    let other = Answer::of(with_key(json!({ "name": "uploads", "slug": "postgres" }))).await;
    assert_eq!(other.problem(), (422, "key-used"));
    let deployments = house.get("/v1/worlds/sim/stacks/uploads/deployments").await;
    assert_eq!(deployments.body["deployments"].as_array().unwrap().len(), 1, "{deployments:#?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn mistakes_are_told_before_anything_is_written() {
    let house = House::open().await;
    let ask = async |body: Json| house.post(RESOURCES, &body).await;
    let slug = ask(json!({ "name": "uploads", "slug": "volumee" })).await;
    assert_eq!(slug.problem(), (422, "unknown-slug"));
    assert!(slug.body["diagnostics"][0]["help"].as_str().unwrap().contains("did you mean `volume`?"), "{slug:#?}");
    let value = ask(json!({ "name": "uploads", "slug": "volume", "with": { "size": "much" } })).await;
    assert_eq!(value.status, 422, "{value:#?}");
    assert!(!value.body["diagnostics"].as_array().unwrap().is_empty(), "{value:#?}");
    let unknown = ask(json!({ "name": "uploads", "slug": "volume", "with": { "sise": "1Gi" } })).await;
    assert_eq!(unknown.status, 422, "{unknown:#?}");
    assert!(unknown.body.to_string().contains("did you mean `size`?"), "{unknown:#?}");
    assert_eq!(ask(json!({ "name": "No Name", "slug": "volume" })).await.problem(), (422, "bad-body"));
    assert_eq!(house.get(RESOURCES).await.body["resources"], json!([]));
    assert_eq!(house.get("/v1/stacks").await.body["stacks"], json!([]));

    // A service's name is taken, also by what is no service.
    let folder = house.source("hello", &[("deployd.yaml", "service: hello\nrun: serve\nport: 8080\n")]);
    house.up(&folder).await;
    assert_eq!(ask(json!({ "name": "hello", "slug": "volume" })).await.problem(), (409, "refused"));
    let elsewhere = house.get("/v1/worlds/sim/resources/hello").await;
    assert_eq!(elsewhere.problem(), (404, "not-found"));
    assert_eq!(elsewhere.body["way_out"], "it is at /v1/worlds/sim/stacks/hello");
}
