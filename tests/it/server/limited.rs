//! Tokens that are limited to worlds: what is of another is neither shown nor done (THREATS.md T24).

use super::house::{Answer, House};
use super::streams::Stream;
use deployd::server::document_text;
use reqwest::Method;
use serde_json::{Value as Json, json};

/// Somebody who may do everything, in the world `sim`.
struct Bob<'h> {
    house: &'h House,
    token: String,
}

impl Bob<'_> {
    async fn of(house: &House) -> Bob<'_> {
        let body = json!({ "name": "bob", "scopes": ["read", "deploy", "approve", "admin"], "worlds": ["sim"] });
        let issued = house.post("/v1/tokens", &body).await;
        assert_eq!((issued.status.as_u16(), &issued.body["worlds"]), (201, &json!(["sim"])), "{issued:#?}");
        Bob { house, token: issued.body["token"].as_str().unwrap().to_owned() }
    }

    fn request(&self, method: Method, path: &str) -> reqwest::RequestBuilder {
        self.house.bare(method, path).bearer_auth(&self.token)
    }

    async fn get(&self, path: &str) -> Answer {
        Answer::of(self.request(Method::GET, path)).await
    }

    async fn post(&self, path: &str, body: &Json) -> Answer {
        Answer::of(self.request(Method::POST, path).json(body)).await
    }
}

/// The items of a list, by one of their facts.
fn facts(answer: &Answer, list: &str, fact: &str) -> Vec<String> {
    let items = answer.body[list].as_array().unwrap_or_else(|| panic!("{answer:#?}"));
    items.iter().map(|item| item[fact].as_str().unwrap_or_default().to_owned()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t24_what_is_of_another_world_is_refused_whether_it_is_there_or_not() {
    let house = House::open().await;
    let bob = Bob::of(&house).await;
    let document: Json = serde_json::from_str(&document_text()).unwrap();
    let mut refused = 0;
    for (path, item) in document["paths"].as_object().unwrap() {
        let methods = ["get", "put", "post", "delete"].into_iter().filter(|method| item.get(*method).is_some());
        for method in methods.filter(|_| path.contains("{world}")) {
            let path = path.replace("{stack}", "x").replace("{number}", "1").replace("{secret}", "X");
            let path = path.replace("{slug}", "redis").replace("{resource}", "x");
            let path = path.replace("{plan}", &"0".repeat(64)).replace("{release}", "x");
            let ask = async |world: &str| {
                let method = method.to_uppercase().parse().unwrap();
                Answer::of(bob.request(method, &path.replace("{world}", world)).json(&json!({}))).await
            };
            for other in ["strict", "nowhere", "%73trict", "No%20World"] {
                let answer = ask(other).await;
                assert_eq!(answer.problem(), (403, "world-missing"), "{method} {path} of {other}");
                assert_eq!(answer.body["worlds"], json!(["sim"]), "it says which it may");
            }
            for own in ["sim", "%73im"] {
                assert_ne!(ask(own).await.body["type"], "/problems/world-missing", "{method} {path} of {own}");
            }
            refused += 1;
        }
    }
    assert!(refused > 30, "{refused} operations were asked for");
    // What is of everything is of other worlds too.
    for path in ["/v1/backup", "/v1/sign-in-links"] {
        assert_eq!(bob.post(path, &json!({})).await.problem(), (403, "world-missing"), "{path}");
    }
    assert_eq!(bob.get("/v1/nothing").await.problem(), (404, "no-such-path"));
    // A scope that is missing is told first, as to everybody.
    let body = json!({ "name": "eve", "scopes": ["read"], "worlds": ["sim"] });
    let eve = house.post("/v1/tokens", &body).await.body["token"].as_str().unwrap().to_owned();
    let stop = house.bare(Method::POST, "/v1/worlds/strict/stacks/x/stop").bearer_auth(eve);
    assert_eq!(Answer::of(stop).await.problem(), (403, "scope-missing"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t24_lists_and_streams_tell_of_its_worlds_alone() {
    let house = House::open().await;
    let bob = Bob::of(&house).await;
    for (world, name) in [("sim", "ours"), ("strict", "theirs")] {
        let folder = house.source(name, &[("deployd.yaml", &format!("service: {name}\nrun: serve\n"))]);
        let accepted = house.post(&format!("/v1/worlds/{world}/runs"), &json!({ "folder": folder })).await;
        assert_eq!(accepted.status, 202, "{accepted:#?}");
    }
    house.until("/v1/worlds/strict/stacks/theirs", |stack| stack.status == 200).await;
    let who = bob.get("/v1/server").await;
    assert_eq!((&who.body["principal"], &who.body["worlds"]), (&json!("token:bob"), &json!(["sim"])));
    assert_eq!(house.get("/v1/server").await.body["worlds"], Json::Null, "the user's own is for all");
    assert_eq!(facts(&bob.get("/v1/worlds").await, "worlds", "name"), ["sim"]);
    assert_eq!(facts(&bob.get("/v1/stacks").await, "stacks", "name"), ["ours"]);
    assert_eq!(facts(&house.get("/v1/stacks").await, "stacks", "name"), ["ours", "theirs"]);
    let kept = facts(&bob.get("/v1/events/history").await, "events", "stack");
    assert!(!kept.is_empty() && kept.iter().all(|stack| stack == "ours"), "{kept:?}");
    assert_eq!(bob.get("/v1/events/history?world=strict").await.problem(), (403, "world-missing"));
    assert_eq!(bob.get("/v1/events?world=strict").await.problem(), (403, "world-missing"));
    let mut stream = Stream::open(bob.request(Method::GET, "/v1/events?after=0-0")).await;
    for _ in 0..5 {
        assert_eq!(stream.next().await.unwrap().data()["world"], "sim");
    }
    // Files are checked for its worlds, also where the manifest may go to others.
    let files = json!({ "files": { "deployd.yaml": "service: x\nrun: serve\nworlds: [sim, strict]\n" } });
    let checked = bob.post("/v1/check", &json!({ "of": files })).await;
    assert_eq!(checked.body["worlds"], json!(["sim"]), "{checked:#?}");
    let other = bob.post("/v1/check", &json!({ "of": files, "worlds": ["strict"] })).await;
    assert_eq!(other.problem(), (403, "world-missing"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t24_nobody_issues_sees_or_revokes_beyond_their_worlds() {
    let house = House::open().await;
    let bob = Bob::of(&house).await;
    assert_eq!(
        house.post("/v1/tokens", &json!({ "name": "all", "scopes": ["read"] })).await.body["worlds"],
        Json::Null
    );
    for (worlds, problem) in
        [(json!(["sims"]), (422, "bad-body")), (json!([]), (422, "bad-body")), (json!(["No World"]), (422, "bad-body"))]
    {
        let refused = house.post("/v1/tokens", &json!({ "name": "x", "scopes": ["read"], "worlds": worlds })).await;
        assert_eq!(refused.problem(), problem, "{worlds}");
        assert_eq!(refused.body["way_out"] == "did you mean `sim`?", worlds == json!(["sims"]), "{refused:#?}");
    }
    let own = bob.post("/v1/tokens", &json!({ "name": "own", "scopes": ["read"] })).await;
    assert_eq!((own.status.as_u16(), &own.body["worlds"]), (201, &json!(["sim"])), "no more than who issues it has");
    let wider = json!({ "name": "wider", "scopes": ["read"], "worlds": ["sim", "strict"] });
    assert_eq!(bob.post("/v1/tokens", &wider).await.problem(), (403, "world-missing"));
    assert_eq!(facts(&bob.get("/v1/tokens").await, "tokens", "name"), ["bob", "own"]);
    assert_eq!(facts(&house.get("/v1/tokens").await, "tokens", "name"), ["all", "bob", "own"]);
    let revoke = async |name: &str| Answer::of(bob.request(Method::DELETE, &format!("/v1/tokens/{name}"))).await;
    assert_eq!(revoke("all").await.problem(), (404, "not-found"), "it is not told that there is one");
    assert_eq!(revoke("own").await.status, 204);
    assert_eq!(facts(&house.get("/v1/tokens").await, "tokens", "name"), ["all", "bob"]);
}
