//! Events and logs, as they are streamed: whole, in order, and resumable without loss.

use super::house::{House, WITHIN};
use reqwest::{Method, RequestBuilder, Response};
use serde_json::{Value as Json, json};

const HELLO: &str = "service: hello\nrun: serve\nport: 8080\n";

/// One server-sent event.
#[derive(Clone, PartialEq, Debug)]
pub struct Told {
    id: Option<String>,
    event: String,
    data: Json,
}

impl Told {
    /// What is told.
    pub fn data(&self) -> &Json {
        &self.data
    }
}

/// A stream of them.
pub struct Stream {
    response: Response,
    text: String,
}

impl Stream {
    /// Opens one, and hears that it stands.
    pub async fn open(request: RequestBuilder) -> Stream {
        let response = request.send().await.unwrap();
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        let mut stream = Stream { response, text: String::new() };
        let first = stream.next().await.unwrap();
        assert_eq!(first.event, "open", "{first:?}");
        stream
    }

    /// The next one; signs of life are passed over. Nothing at its end.
    pub async fn next(&mut self) -> Option<Told> {
        loop {
            while let Some((one, rest)) = self.text.split_once("\n\n") {
                let (one, rest) = (one.to_owned(), rest.to_owned());
                self.text = rest;
                let field = |name: &str| one.lines().find_map(|line| line.strip_prefix(name)).map(str::to_owned);
                if let (Some(event), Some(data)) = (field("event: "), field("data: ")) {
                    return Some(Told { id: field("id: "), event, data: serde_json::from_str(&data).unwrap() });
                }
            }
            let chunk = tokio::time::timeout(WITHIN, self.response.chunk()).await.expect("something comes");
            self.text.push_str(std::str::from_utf8(&chunk.unwrap()?).unwrap());
        }
    }

    /// All until a deployment has come to its end.
    async fn until_over(&mut self, number: u64) -> Vec<Told> {
        let mut told = Vec::new();
        loop {
            let next = self.next().await.expect("the stream goes on");
            let body = next.data["body"].clone();
            told.push(next);
            let is_it = body["event"] == "deployment" && body["id"].as_str().unwrap().ends_with(&format!("/{number}"));
            if is_it && ["DONE", "FAILED"].contains(&body["state"].as_str().unwrap()) {
                return told;
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn events_go_on_after_the_last_one_that_was_heard() {
    let house = House::open().await;
    let mut live = Stream::open(house.ask(Method::GET, "/v1/events")).await;
    let folder = house.source("hello", &[("deployd.yaml", HELLO)]);
    house.up(&folder).await;
    let told = live.until_over(1).await;
    assert!(told.len() > 6, "{told:?}");
    assert!(told.iter().all(|one| one.event == "happened" && one.id.is_some()), "{told:?}");
    let states: Vec<&Json> = told
        .iter()
        .filter(|one| one.data["body"]["event"] == "deployment")
        .map(|one| &one.data["body"]["state"])
        .collect();
    assert_eq!(states, ["QUEUED", "TRIGGERED", "AVAILABLE", "RUNNING", "DONE"]);
    assert!(told.iter().all(|one| one.data["stack"] == "hello" && one.data["world"] == "sim"), "{told:?}");

    // Who comes again says where it was, as browsers do; that counts more than the address that it came to first.
    let middle = told[told.len() / 2].id.clone().unwrap();
    let later = &told[told.len() / 2 + 1..];
    let again = house.ask(Method::GET, "/v1/events?after=0-0").header("last-event-id", &middle);
    assert_eq!(Stream::open(again).await.until_over(1).await, later);
    let by_address = house.ask(Method::GET, &format!("/v1/events?after={middle}"));
    assert_eq!(Stream::open(by_address).await.until_over(1).await, later);
    let all = house.ask(Method::GET, "/v1/events?after=0-0&world=sim&stack=hello");
    assert_eq!(Stream::open(all).await.until_over(1).await, told);

    // Of another world nothing is told, and the stream stays open for what comes.
    let mut other = Stream::open(house.ask(Method::GET, "/v1/events?after=0-0&world=strict")).await;
    let second = house.source("second", &[("deployd.yaml", "service: second\nrun: serve\n")]);
    let accepted = house.post("/v1/worlds/strict/runs", &json!({ "folder": second })).await;
    assert_eq!(accepted.status, 202, "{accepted:#?}");
    let first = other.next().await.unwrap();
    assert_eq!((&first.data["world"], &first.data["stack"]), (&json!("strict"), &json!("second")), "{first:?}");

    for bad in ["/v1/events?after=x", "/v1/events?after=-1", "/v1/events?world=No%20World"] {
        assert_eq!(house.get(bad).await.problem(), (400, "bad-parameter"), "{bad}");
    }
    let bad = house.ask(Method::GET, "/v1/events").header("last-event-id", "yesterday");
    assert_eq!(super::house::Answer::of(bad).await.problem(), (400, "bad-parameter"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn logs_come_as_json_lines_or_as_events() {
    let house = House::open().await;
    let folder = house.source("hello", &[("deployd.yaml", HELLO)]);
    house.up(&folder).await;
    let path = "/v1/worlds/sim/stacks/hello/logs";
    let lines = house.ask(Method::GET, path).send().await.unwrap();
    assert_eq!(lines.headers()["content-type"], "application/x-ndjson");
    let text = lines.text().await.unwrap();
    let lines: Vec<Json> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let of_process = |line: &&Json| line["identity"] == "sim/hello/hello.1";
    assert_eq!(lines.iter().find(of_process).unwrap()["text"], "made", "{text}");
    let ats: Vec<&str> = lines.iter().map(|line| line["at"].as_str().unwrap()).collect();
    assert!(ats.is_sorted(), "{ats:?}");

    let one = house.ask(Method::GET, &format!("{path}?tail=1")).send().await.unwrap().text().await.unwrap();
    assert_eq!(one.lines().count(), 1, "{one}");
    let events = house.ask(Method::GET, &format!("{path}?name=hello")).header("accept", "text/event-stream");
    let text = events.send().await.unwrap().text().await.unwrap();
    assert!(text.starts_with("event: line\ndata: {") && text.ends_with("\n\n"), "{text}");
    for (bad, problem) in [
        ("?name=nothing", (404, "not-found")),
        ("?release=abcdef0", (404, "not-found")),
        ("?tail=100001", (400, "bad-parameter")),
        ("?tail=-1", (400, "bad-parameter")),
    ] {
        assert_eq!(house.get(&format!("{path}{bad}")).await.problem(), problem, "{bad}");
    }
    assert_eq!(house.get("/v1/worlds/sim/stacks/nobody/logs").await.problem(), (404, "not-found"));
}
