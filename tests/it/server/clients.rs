//! What authors of clients rely on: problems that say where and what to do, statuses that say whether to ask again, a
//! document that generators of clients can read.

use super::house::{Answer, House};
use deployd::server::document_text;
use reqwest::Method;
use serde_json::{Value as Json, json};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_problem_has_a_reason_and_a_way_out_and_says_which_part_is_meant() {
    let house = House::open().await;
    house.post("/v1/worlds/sim/resources", &json!({ "name": "uploads", "slug": "volume" })).await;
    let over = "/v1/worlds/sim/stacks/uploads/deployments/1";
    house.until(over, House::is_over).await;
    let plan = json!("0".repeat(64));
    let of_body = json!({ "slug": "volume", "more": 1 });
    let nowhere = json!({ "of": { "is": "folder", "folder": "/nowhere/at/all" } });
    for (method, path, body, problem, at) in [
        ("GET", "/v1/worlds/sim/stacks?limit=0", json!({}), (400, "bad-parameter"), Some("limit")),
        ("GET", "/v1/worlds/sim/stacks?limit=x", json!({}), (400, "bad-parameter"), Some("limit")),
        ("GET", "/v1/worlds/sim/stacks?limt=1", json!({}), (400, "bad-parameter"), None),
        ("GET", "/v1/worlds/sim/stacks/uploads/logs?tail=-1", json!({}), (400, "bad-parameter"), Some("tail")),
        ("GET", "/v1/worlds/sim/stacks/uploads/deployments/x", json!({}), (400, "bad-parameter"), Some("number")),
        ("POST", "/v1/worlds/sim/resources", json!({}), (422, "bad-body"), Some("name")),
        ("PUT", "/v1/worlds/sim/resources/uploads", of_body, (422, "bad-body"), Some("more")),
        ("POST", "/v1/worlds/sim/plans", json!({ "of": { "is": "odd" } }), (422, "bad-body"), Some("of.is")),
        ("POST", "/v1/worlds/sim/plans", nowhere, (404, "not-found"), None),
        ("POST", "/v1/worlds/sim/runs", json!({ "folder": "/nowhere/at/all" }), (404, "not-found"), None),
        ("POST", "/v1/worlds/sim/runs", json!({ "folder": "here" }), (400, "bad-parameter"), Some("folder")),
        ("POST", "/v1/worlds/sim/resources", json!({ "name": "uploads", "slug": "volume" }), (409, "refused"), None),
        ("POST", "/v1/worlds/sim/stacks/uploads/stop?x=1", json!({}), (400, "bad-parameter"), None),
        ("POST", "/v1/worlds/sim/stacks/nobody/stop", json!({}), (404, "not-found"), None),
        ("POST", "/v1/worlds/sim/stacks/uploads/deployments/1/cancel", json!({}), (409, "refused"), None),
        ("POST", "/v1/worlds/sim/stacks/uploads/deployments/9/cancel", json!({}), (404, "not-found"), None),
        (
            "POST",
            "/v1/worlds/sim/stacks/uploads/deployments/1/approve",
            json!({ "plan": plan }),
            (409, "refused"),
            None,
        ),
        ("POST", "/v1/worlds/sim/stacks/uploads/deployments", json!({ "plan": plan }), (412, "stale-plan"), None),
        ("DELETE", "/v1/worlds/sim/stacks/uploads", json!({}), (403, "holds-data"), None),
        ("PATCH", "/v1/worlds/sim", json!({}), (405, "no-such-method"), None),
        ("GET", "/v1/nothing", json!({}), (404, "no-such-path"), None),
    ] {
        let refused = Answer::of(house.ask(method.parse().unwrap(), path).json(&body)).await;
        assert_eq!(refused.problem(), problem, "{method} {path} {body}");
        assert_eq!(refused.body["at"].as_str(), at, "{method} {path} {body}: {refused:#?}");
        for part in ["title", "detail"] {
            assert!(refused.body[part].as_str().is_some_and(|text| !text.is_empty()), "{method} {path}: no {part}");
        }
        let is_folder_not_there = problem == (404, "not-found") && body.to_string().contains("/nowhere/");
        assert!(refused.body["way_out"].is_string() || is_folder_not_there, "{method} {path} {body}: {refused:#?}");
    }
    let near = house.get("/v1/worlds/sim/stacks?limt=1").await;
    assert_eq!(near.body["way_out"], "did you mean `limit`?");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_condition_that_is_not_met_is_412_and_changes_nothing() {
    let house = House::open().await;
    let uploads = "/v1/worlds/sim/resources/uploads";
    let put = async |name: &str, value: &str, size: &str| {
        let body = json!({ "slug": "volume", "with": { "size": size } });
        Answer::of(house.ask(Method::PUT, uploads).header(name, value).json(&body)).await
    };
    assert_eq!(put("if-none-match", "*", "2Gi").await.status, 202);
    let again = put("if-none-match", "*", "3Gi").await;
    assert_eq!(again.problem(), (412, "moved"), "there is one already");
    assert!(again.body["way_out"].is_string(), "{again:#?}");
    for bad in ["1", "\"1", "x"] {
        let refused = put("if-match", bad, "3Gi").await;
        assert_eq!((refused.problem(), &refused.body["at"]), ((400, "bad-parameter"), &json!("if-match")), "{bad}");
    }
    assert_eq!(house.get(uploads).await.body["with"]["size"], "2Gi");
}

#[test]
fn generated_models_have_names_of_their_own() {
    // Generators name what stands inside a schema after it and its property: `World.resources` is `WorldResources`.
    let document: Json = serde_json::from_str(&document_text()).unwrap();
    let schemas = document["components"]["schemas"].as_object().unwrap();
    let mut wrong = Vec::new();
    for (name, schema) in schemas {
        inside(schema, name, &mut |made, is_own| {
            if schemas.contains_key(made) {
                wrong.push(format!("{made} is a schema, and is made of a property of {name}"));
            }
            if !is_own {
                wrong.push(format!("{made}: an object within a choice has no name that generators agree on"));
            }
        });
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Tells of the objects that stand inside a schema: how generators call each, and whether that name is its own.
fn inside(schema: &Json, name: &str, tell: &mut dyn FnMut(&str, bool)) {
    let capital = |text: &str| text.split('_').map(|word| word[..1].to_uppercase() + &word[1..]).collect::<String>();
    let objects = |schema: &Json| -> Vec<String> {
        let properties = schema["properties"].as_object().cloned().unwrap_or_default();
        let is_object = |property: &Json| property["type"] == "object" || property["additionalProperties"].is_object();
        properties.iter().filter(|(_, property)| is_object(property)).map(|(key, _)| capital(key)).collect()
    };
    objects(schema).iter().for_each(|key| tell(&format!("{name}{key}"), true));
    for choice in schema["oneOf"].as_array().into_iter().flatten() {
        objects(choice).iter().for_each(|key| tell(&format!("{name}{key}"), false));
    }
}
