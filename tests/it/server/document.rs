//! The OpenAPI document: checked in, whole, and true.

use super::house::{Answer, House};
use deployd::server::document_text;
use reqwest::Method;
use serde_json::{Value as Json, json};
use std::path::Path;

const METHODS: &[&str] = &["get", "put", "post", "delete"];

fn document() -> Json {
    serde_json::from_str(&document_text()).unwrap()
}

/// Every operation with its path and method.
fn operations(document: &Json) -> Vec<(String, Method, Json)> {
    let paths = document["paths"].as_object().unwrap();
    let of = |(path, item): (&String, &Json)| {
        let methods = METHODS.iter().filter_map(|method| Some((*method, item.get(*method)?.clone())));
        methods
            .map(|(method, operation)| (path.clone(), method.to_uppercase().parse().unwrap(), operation))
            .collect::<Vec<_>>()
    };
    paths.iter().flat_map(of).collect()
}

#[test]
fn the_document_is_what_is_checked_in() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("openapi/openapi.json");
    let now = document_text();
    if std::env::var_os("BLESS").is_some() {
        std::fs::write(&file, &now).unwrap();
    }
    let checked_in = std::fs::read_to_string(&file).unwrap_or_default();
    assert!(checked_in == now, "openapi/openapi.json is not what the routes say (BLESS=1 rewrites it)");
}

#[test]
fn the_document_is_whole() {
    let document = document();
    assert_eq!(document["openapi"], "3.1.0");
    let mut wrong = Vec::new();
    let mut ids = Vec::new();
    for (path, method, operation) in operations(&document) {
        let at = format!("{method} {path}");
        ids.push(operation["operationId"].as_str().unwrap_or_default().to_owned());
        if operation["summary"].as_str().is_none_or(str::is_empty) {
            wrong.push(format!("{at}: no summary"));
        }
        let responses = operation["responses"].as_object().unwrap();
        for (status, response) in responses {
            let response = match response["$ref"].as_str() {
                Some(to) => document.pointer(to.trim_start_matches('#')).unwrap(),
                None => response,
            };
            if response["description"].as_str().is_none_or(str::is_empty) {
                wrong.push(format!("{at}: {status} has no description"));
            }
            let is_problem = status.starts_with('4') || status.starts_with('5');
            if is_problem && response["content"]["application/problem+json"]["schema"].is_null() {
                wrong.push(format!("{at}: {status} is no problem"));
            }
        }
        if !responses.keys().any(|status| status.starts_with('2')) {
            wrong.push(format!("{at}: no success"));
        }
        for parameter in operation["parameters"].as_array().into_iter().flatten() {
            if parameter["description"].as_str().is_none_or(str::is_empty) {
                wrong.push(format!("{at}: {} has no description", parameter["name"]));
            }
        }
        for named in path.split('{').skip(1).map(|rest| rest.split('}').next().unwrap()) {
            let has = |it: &Json| it["name"] == named && it["in"] == "path" && it["required"] == true;
            if !operation["parameters"].as_array().is_some_and(|all| all.iter().any(has)) {
                wrong.push(format!("{at}: {named} is not described"));
            }
        }
    }
    ids.sort();
    let count = ids.len();
    ids.dedup();
    assert_eq!(ids.len(), count, "operations have names of their own");
    limits(&document, "", &mut wrong);
    references(&document, &document, &mut wrong);
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Every integer has a maximum: clients in languages with other integers must know.
fn limits(json: &Json, at: &str, wrong: &mut Vec<String>) {
    match json {
        Json::Object(map) => {
            let kind = map.get("type");
            let is_integer = kind.is_some_and(|kind| {
                kind == "integer" || kind.as_array().is_some_and(|all| all.contains(&json!("integer")))
            });
            if is_integer && !map.contains_key("maximum") {
                wrong.push(format!("{at}: an integer without a maximum"));
            }
            map.iter().for_each(|(key, value)| limits(value, &format!("{at}/{key}"), wrong));
        }
        Json::Array(items) => items.iter().for_each(|item| limits(item, at, wrong)),
        _ => {}
    }
}

/// Every reference leads somewhere.
fn references(json: &Json, document: &Json, wrong: &mut Vec<String>) {
    match json {
        Json::Object(map) => {
            if let Some(Json::String(to)) = map.get("$ref")
                && document.pointer(to.trim_start_matches('#')).is_none()
            {
                wrong.push(format!("{to} is not there"));
            }
            map.values().for_each(|value| references(value, document, wrong));
        }
        Json::Array(items) => items.iter().for_each(|item| references(item, document, wrong)),
        _ => {}
    }
}

#[test]
fn the_document_holds_schemas_that_can_be_used() {
    let document = document();
    for (name, schema) in document["components"]["schemas"].as_object().unwrap() {
        let mut whole = schema.clone();
        whole["components"] = document["components"].clone();
        if let Err(error) = jsonschema::draft202012::options().build(&whole) {
            panic!("{name}: {error}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_documented_operation_is_there_and_is_guarded_as_it_says() {
    let house = House::open().await;
    let served = house.get("/openapi.json").await;
    assert_eq!(served.body, document());
    for (path, method, operation) in operations(&document()) {
        let filled = filled(&path);
        let at = format!("{method} {filled}");
        let bare = house.bare(method.clone(), &filled).send().await.unwrap();
        let is_open = operation["security"] == json!([{}]);
        assert_eq!(bare.status() == 401, !is_open, "{at}: {}", bare.status());
        let request = house.ask(method, &filled);
        let response = if operation["requestBody"].is_null() { request } else { request.json(&json!({})) };
        let response = response.send().await.unwrap();
        let status = response.status();
        let kind = response.headers()["content-type"].to_str().unwrap_or_default().to_owned();
        assert!(
            operation["responses"].get(status.as_str()).is_some(),
            "{at} answers {status}, which is not documented"
        );
        if !status.is_success() {
            assert_eq!(kind, "application/problem+json", "{at}");
            let problem = response.json::<Json>().await.unwrap();
            assert!(
                !matches!(problem["type"].as_str().unwrap(), "/problems/no-such-path" | "/problems/bug"),
                "{at}: {problem}"
            );
        }
    }
}

/// A path with something in the place of each parameter.
fn filled(path: &str) -> String {
    let filled = path.replace("{world}", "sim").replace("{stack}", "nobody").replace("{number}", "1");
    let digest = "0".repeat(64);
    let filled = filled.replace("{plan}", &digest).replace("{release}", &digest).replace("{secret}", "NOT_THERE");
    filled
        .replace("{slug}", "postgres")
        .replace("{resource}", "nothing")
        .replace("{repository}", "builtin")
        .replace("{token}", "nobody")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn answers_are_what_the_document_says() {
    let house = House::open().await;
    let document = document();
    for path in [
        "/v1/server",
        "/v1/worlds",
        "/v1/worlds/{world}",
        "/v1/worlds/{world}/capabilities",
        "/v1/worlds/{world}/slugs",
    ] {
        let answer = house.get(&filled(path)).await;
        assert_eq!(answer.status, 200, "{answer:#?}");
        let mut schema =
            document["paths"][path]["get"]["responses"]["200"]["content"]["application/json"]["schema"].clone();
        schema["components"] = document["components"].clone();
        let validator = jsonschema::draft202012::options().build(&schema).unwrap();
        let wrong: Vec<String> = validator.iter_errors(&answer.body).map(|error| error.to_string()).collect();
        assert!(wrong.is_empty(), "{path}: {wrong:?}");
    }
    let problem = Answer::of(house.ask(Method::GET, "/v1/worlds/nowhere")).await;
    let mut schema = document["components"]["schemas"]["Problem"].clone();
    schema["components"] = document["components"].clone();
    let validator = jsonschema::draft202012::options().build(&schema).unwrap();
    assert!(validator.is_valid(&problem.body), "{}", problem.body);
}
