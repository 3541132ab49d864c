//! Every list comes in pages of one shape.

use super::house::{Answer, House};
use deployd::server::document_text;
use serde_json::{Value as Json, json};

/// A service of that name.
fn service(name: &str) -> String {
    format!("service: {name}\nrun: serve\nport: 8080\n")
}

/// The lists of the API: their paths, and what their items stand under.
fn lists() -> Vec<(String, String)> {
    let document: Json = serde_json::from_str(&document_text()).unwrap();
    let mut lists = Vec::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        let parameters = item["get"]["parameters"].as_array().cloned().unwrap_or_default();
        if !parameters.iter().any(|parameter| parameter["name"] == "cursor") {
            continue;
        }
        assert!(parameters.iter().any(|parameter| parameter["name"] == "limit"), "{path}");
        let of = &item["get"]["responses"]["200"]["content"]["application/json"]["schema"]["$ref"];
        let schema = document.pointer(of.as_str().unwrap().trim_start_matches('#')).unwrap();
        let mut names: Vec<&String> = schema["properties"].as_object().unwrap().keys().collect();
        names.retain(|name| *name != "next");
        assert_eq!(names.len(), 1, "{path}: a list holds its items, and `next`");
        assert!(schema["properties"]["next"].is_object(), "{path}");
        lists.push((path.clone(), names[0].clone()));
    }
    lists
}

/// All of a list, by pages of so many.
async fn pages(house: &House, path: &str, name: &str, limit: usize) -> Vec<Json> {
    let (mut all, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = house.get(&format!("{path}?limit={limit}{cursor}")).await;
        assert_eq!(page.status, 200, "{page:#?}");
        let items = page.body[name].as_array().unwrap_or_else(|| panic!("{path}: {page:#?}"));
        assert!(items.len() <= limit, "{page:#?}");
        all.extend(items.iter().cloned());
        match page.body["next"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return all,
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_list_is_told_whole_by_pages_of_any_size() {
    let house = House::open().await;
    house.up(&house.source("hello", &[("deployd.yaml", &service("hello"))])).await;
    // What is only accepted is in lists too, and paused stacks stay as they are.
    house.post("/v1/worlds/sim/stacks/hello/pause", &json!({})).await;
    assert_eq!(house.post("/v1/worlds/sim/stacks/hello/deployments", &json!({})).await.status, 202);
    for name in ["many", "more", "most"] {
        let made = house.post("/v1/worlds/sim/resources", &json!({ "name": name, "slug": "volume" })).await;
        assert_eq!(made.status, 202, "{made:#?}");
        house.post("/v1/tokens", &json!({ "name": name, "scopes": ["read"] })).await;
        house.put(&format!("/v1/worlds/sim/secrets/{}", name.to_uppercase()), &json!({ "value": "x" })).await;
    }
    let lists = lists();
    let counts = [
        ("/v1/events/history", 3),
        ("/v1/repositories", 2),
        ("/v1/stacks", 4),
        ("/v1/tokens", 3),
        ("/v1/worlds", 3),
        ("/v1/worlds/{world}/capabilities", 1),
        ("/v1/worlds/{world}/exports", 0),
        ("/v1/worlds/{world}/resources", 3),
        ("/v1/worlds/{world}/secrets", 3),
        ("/v1/worlds/{world}/slugs", 3),
        ("/v1/worlds/{world}/stacks", 4),
        ("/v1/worlds/{world}/stacks/{stack}/deployments", 2),
        ("/v1/worlds/{world}/stacks/{stack}/releases", 1),
    ];
    let paths: Vec<&str> = lists.iter().map(|(path, _)| path.as_str()).collect();
    assert_eq!(paths, counts.map(|(path, _)| path), "a list that was not thought of");
    for ((path, name), (_, least)) in lists.iter().zip(counts) {
        let filled = path.replace("{world}", "sim").replace("{stack}", "hello");
        let ids = |all: &[Json]| -> Vec<String> { all.iter().map(id).collect() };
        let whole = ids(&pages(&house, &filled, name, 500).await);
        assert!(whole.len() >= least, "{path}: {whole:?}");
        for limit in [1, 2] {
            let by_pages = ids(&pages(&house, &filled, name, limit).await);
            // What happens goes on happening: looks are told of.
            assert_eq!(by_pages[..whole.len()], whole[..], "{path} by {limit}");
        }
        for bad in ["limit=0", "limit=501", "limit=x", "cursor=x", "cursor=WyJub3RoaW5nIiwxXQ"] {
            assert_eq!(house.get(&format!("{filled}?{bad}")).await.problem(), (400, "bad-parameter"), "{path} {bad}");
        }
    }
}

/// What tells one item of a list from the others.
fn id(item: &Json) -> String {
    let parts = ["id", "world", "number", "name", "slug", "address"].map(|key| &item[key]);
    parts.into_iter().filter(|part| !part.is_null()).map(Json::to_string).collect::<Vec<_>>().join(" ")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_goes_while_pages_are_turned_hides_nothing_else() {
    let house = House::open().await;
    for name in ["one", "two", "three"] {
        let folder = house.source(name, &[("deployd.yaml", &service(name))]);
        assert_eq!(house.post("/v1/worlds/sim/runs", &json!({ "folder": folder })).await.status, 202);
    }
    let names = |answer: &Answer| -> Vec<String> {
        let stacks = answer.body["stacks"].as_array().unwrap();
        stacks.iter().map(|stack| stack["name"].as_str().unwrap().to_owned()).collect()
    };
    let first = house.get("/v1/stacks?limit=2").await;
    assert_eq!(names(&first), ["one", "three"]);
    house.done(&house.post("/v1/worlds/sim/stacks/three/down", &json!({})).await).await;
    let rest = house.get(&format!("/v1/stacks?limit=2&cursor={}", first.body["next"].as_str().unwrap())).await;
    assert_eq!((names(&rest), &rest.body["next"]), (vec!["two".to_owned()], &Json::Null));
    assert!(names(&house.get("/v1/worlds/strict/stacks").await).is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn events_that_are_kept_are_those_that_were_streamed() {
    let house = House::open().await;
    house.up(&house.source("hello", &[("deployd.yaml", &service("hello"))])).await;
    let other = house.source("other", &[("deployd.yaml", &service("other"))]);
    house.post("/v1/worlds/strict/runs", &json!({ "folder": other })).await;
    let of = async |query: &str| {
        let page = house.get(&format!("/v1/events/history?limit=500{query}")).await;
        assert_eq!(page.body["next"], Json::Null, "{page:#?}");
        page.body["events"].as_array().unwrap().clone()
    };
    let sim = of("&world=sim").await;
    let states: Vec<&Json> =
        sim.iter().map(|event| &event["body"]).filter(|body| body["event"] == "deployment").collect();
    assert_eq!(states.first().unwrap()["state"], "QUEUED", "{sim:#?}");
    assert_eq!(states.last().unwrap()["state"], "DONE", "{sim:#?}");
    assert!(sim.iter().all(|event| event["world"] == "sim"));
    assert!(of("&world=strict&stack=other").await.iter().all(|event| event["stack"] == "other"));
    assert_eq!(of("&stack=nobody").await, Vec::<Json>::new());
    // Where the history ends, the stream goes on: after the last event's id nothing is told twice.
    let middle = sim[sim.len() / 2]["id"].as_str().unwrap();
    let stream = house.ask(reqwest::Method::GET, &format!("/v1/events?world=sim&after={middle}"));
    let mut stream = super::streams::Stream::open(stream).await;
    let next = stream.next().await.unwrap();
    assert_eq!(next.data(), &sim[sim.len() / 2 + 1]);
}
