//! THREATS.md T26: a secret that nobody else has is set, made and used; then every answer of the API, every event, every
//! log line, every row and every file is searched for it.

use super::house::{Answer, House};
use deployd::contract::Scope;
use deployd::model::{Name, SecretName, StackId};
use reqwest::Method;
use serde_json::{Value as Json, json};
use std::path::Path;

const CANARY: &str = "kanarienvogel-7f3a9c-im-bergwerk";

const SHOP: &str = "service: shop\nrun: serve\nport: 8080\nsecrets: [API_KEY]\nrequires:\n  - users: postgres\n\
                    entrypoints:\n  web: {}\n";

/// The texts that must be nowhere: what was set, and what deployd made.
async fn secrets(house: &House) -> Vec<String> {
    let shop = StackId::new(Name::fixed("sim"), Name::fixed("shop"));
    let made = SecretName("shop/users.password".to_owned());
    let parts = house.engine.parts();
    let versions = parts.secrets.versions(&shop, std::slice::from_ref(&made)).await;
    let wanted = [(made.clone(), versions[&made].clone().unwrap())].into();
    let opened = parts.secrets.open(&shop, &wanted).await.unwrap();
    let made = opened[&made].expose().to_owned();
    assert!(made.len() >= 16, "it was really made");
    vec![CANARY.to_owned(), made]
}

fn silent(secrets: &[String], at: &str, text: &str) {
    for secret in secrets {
        assert!(!text.contains(secret.as_str()), "{at} tells a secret: {text}");
    }
}

/// Every path that is only read, with what there is in the place of its parameters.
fn reads(document: &Json, release: &str, plan: &str) -> Vec<String> {
    let paths = document["paths"].as_object().unwrap().iter();
    let read = paths.filter(|(path, item)| !item["get"].is_null() && *path != "/v1/events" && *path != "/v1/session");
    let fill = |path: &str| {
        let path = path.replace("{world}", "sim").replace("{stack}", "shop").replace("{number}", "1");
        let path = path.replace("{release}", release).replace("{plan}", plan).replace("{slug}", "postgres");
        path.replace("{resource}", "nothing").replace("{repository}", "builtin").replace("{token}", "nobody")
    };
    read.map(|(path, _)| fill(path)).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t26_a_secret_is_in_no_answer_event_row_or_file() {
    let house = House::open().await;
    let set = house.put("/v1/worlds/sim/secrets/API_KEY", &json!({ "value": CANARY })).await;
    assert_eq!(set.status, 200, "{set:#?}");
    let folder = house.source("shop", &[("deployd.yaml", SHOP)]);
    house.up(&folder).await;
    let secrets = secrets(&house).await;
    let deployment = house.get("/v1/worlds/sim/stacks/shop/deployments/1").await;
    assert_eq!(deployment.body["state"], "DONE");
    let (release, plan) = (deployment.body["release"].as_str().unwrap(), deployment.body["plan"].as_str().unwrap());
    let mut told = 0;
    for path in reads(&house.get("/openapi.json").await.body, release, plan) {
        let answer = house.get(&path).await;
        told += usize::from(answer.status == 200);
        silent(&secrets, &path, &format!("{:?} {}", answer.headers, answer.body));
    }
    assert!(told > 20, "{told} answers were listened to");
    for of in [json!({ "is": "stack", "stack": "shop" }), json!({ "is": "folder", "folder": folder })] {
        let planned = house.post("/v1/worlds/sim/plans", &json!({ "of": of })).await;
        silent(&secrets, "plan", &planned.body.to_string());
    }
    let page = house.engine.events(Default::default(), 1000).await.unwrap();
    assert!(page.events.len() > 6);
    for event in page.events {
        silent(&secrets, "an event", &String::from_utf8_lossy(&event.draft.body));
    }
    let store = &house.engine.parts().store;
    let mut rows = 0;
    for scope in [Scope::Instance, Scope::World(Name::fixed("sim"))] {
        for row in store.load(&scope).await.unwrap().0 {
            rows += 1;
            let bytes = row.bytes.unwrap();
            let text = String::from_utf8_lossy(&bytes);
            silent(&secrets, row.key.as_str(), &text);
            let blob = serde_json::from_slice::<Json>(&bytes).ok().and_then(|row| row["blob"].as_str()?.parse().ok());
            if let Some(blob) = blob {
                silent(&secrets, "a blob", &String::from_utf8_lossy(&store.blob(blob).await.unwrap()));
            }
        }
    }
    assert!(rows > 10, "{rows} rows were listened to");
    listen(&secrets, house.folder.path());
}

/// Listens to every file below a folder.
fn listen(secrets: &[String], folder: &Path) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => listen(secrets, &path),
            false => {
                silent(secrets, &path.display().to_string(), &String::from_utf8_lossy(&std::fs::read(&path).unwrap()))
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t26_what_is_refused_is_not_told_back() {
    let house = House::open().await;
    let number = "918273645546372";
    let secrets = [CANARY.to_owned(), number.to_owned()];
    let path = "/v1/worlds/sim/secrets/API_KEY";
    for body in [
        format!("{{\"value\": {number}}}"),
        format!("{{\"value\": -{number}}}"),
        format!("{{\"value\": {number}.5}}"),
        format!("{{\"value\": [\"{CANARY}\"]}}"),
        format!("{{\"value\": {{\"{CANARY}\": 1}}}}"),
        format!("{{\"value\": \"{CANARY}\", \"value\": 1}}"),
        format!("{{\"value\": \"{CANARY}\", \"more\": 1}}"),
        format!("{{\"valu\": \"{CANARY}\"}}"),
        format!("{{\"value\": \"{CANARY}"),
        format!("{{\"value\": \"{CANARY}\\u0000\"}}"),
        format!("{{\"value\": \"{}\"}}", CANARY.repeat(9000)),
    ] {
        let request = house.ask(Method::PUT, path).header("content-type", "application/json").body(body);
        let refused = Answer::of(request).await;
        assert!(refused.status.is_client_error(), "{refused:#?}");
        silent(&secrets, "a refusal", &refused.body.to_string());
    }
    assert_eq!(Answer::of(house.ask(Method::DELETE, path)).await.problem(), (404, "not-found"), "nothing was set");

    // A key that stands in a file is refused with the line to write instead, and not shown.
    let key = "ghp_16C7e42F292c6912E7710c838347Ae178B4a";
    let manifest = format!("service: shop\nrun: serve\nport: 8080\nenv:\n  GITHUB: {key}\n");
    let folder = house.source("shop", &[("deployd.yaml", &manifest)]);
    for (path, body) in [
        ("/v1/check", json!({ "of": { "folder": folder } })),
        ("/v1/worlds/sim/runs", json!({ "folder": folder })),
        ("/v1/worlds/sim/plans", json!({ "of": { "is": "folder", "folder": folder } })),
        ("/v1/worlds/sim/why-not", json!({ "of": { "folder": folder } })),
    ] {
        let refused = house.post(path, &body).await;
        let text = refused.body.to_string();
        assert!(text.contains("secret-in-file") && text.contains("deployd secret set WORLD GITHUB"), "{path}: {text}");
        silent(&[key.to_owned()], path, &text);
    }
    assert_eq!(house.get("/v1/stacks").await.body["stacks"], json!([]), "nothing was deployed with it");
    let events = house.engine.events(Default::default(), 1000).await.unwrap();
    events
        .events
        .iter()
        .for_each(|event| silent(&[key.to_owned()], "an event", &String::from_utf8_lossy(&event.draft.body)));
}
