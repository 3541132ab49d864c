//! The guestbook: deployed, written into, changed under load, given a second requirement, broken, rolled back, orphaned
//! by its server, taken down. Nobody's request fails, and no message is lost.

use super::home::{Home, url};
use super::load::{Load, client};

const MANIFEST: &str = "examples/guestbook/deployd.yaml";
const APP: &str = "examples/guestbook/app.py";

pub struct Visitor {
    url: String,
    client: reqwest::Client,
}

impl Visitor {
    pub fn new(url: &str) -> Visitor {
        Visitor { url: url.to_owned(), client: client(url) }
    }

    pub async fn page(&self) -> String {
        self.client.get(&self.url).send().await.unwrap().text().await.unwrap()
    }

    pub async fn writes(&self, text: &str) {
        let body = serde_json::json!({ "text": text });
        let answer = self.client.post(&self.url).json(&body).send().await.unwrap();
        assert_eq!(answer.status(), 201);
    }

    pub async fn reads(&self) -> Vec<String> {
        let url = format!("{}/messages", self.url.trim_end_matches('/'));
        let messages: serde_json::Value = self.client.get(url).send().await.unwrap().json().await.unwrap();
        messages.as_array().unwrap().iter().map(|one| one["text"].as_str().unwrap().to_owned()).collect()
    }
}

async fn is_under_way(home: &Home) -> bool {
    let status = home.ends(&["status", "--json"], 0).await;
    let status: serde_json::Value = serde_json::from_str(&status.out).unwrap();
    let live = &status["data"]["stacks"][0]["live"];
    live.as_array().is_some_and(|live| !live.is_empty())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_guestbook_lives_through_everything() {
    let home = Home::new().with_wheels();
    // Up: a plan, a database of its own, a URL that answers.
    let mut up = home.start(&["up", "examples/guestbook"]);
    let said = up.says(" is up ").await;
    assert!(said.contains("3 to create · nothing to change · nothing to delete"), "{said}");
    assert!(said.contains("stands in for"), "{said}");
    let url = url(&said);
    let visitor = Visitor::new(&url);
    visitor.writes("the first").await;
    assert!(visitor.page().await.contains("<h1>Guestbook</h1>"));
    let database = home.running("bin/postgres -D");
    assert_eq!(database.len(), 1);
    let load = Load::start(&url, 4);

    // A change: the new version serves, and no request is dropped.
    home.edit(APP, "TITLE = \"Guestbook\"", "TITLE = \"Visitors\"");
    up.says("✓ guestbook").await;
    assert!(visitor.page().await.contains("<h1>Visitors</h1>"));

    // A second requirement, of which the service learns.
    home.edit(MANIFEST, "users: postgres-rds-highmem", "users: postgres-rds-highmem\n  - uploads: volume");
    home.edit(MANIFEST, "within: 30s", "within: 3s");
    home.edit(APP, "f\"<h1>{TITLE}</h1>", "f\"<h1>{TITLE} {os.path.isdir(os.environ.get('UPLOADS_PATH', ''))}</h1>");
    let page = async || visitor.page().await;
    for _ in 0..3_000 {
        if page().await.contains("<h1>Visitors True</h1>") {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    // All replicas are of it before it is broken: it is the one to return to.
    while is_under_way(&home).await {}
    assert!(page().await.contains("<h1>Visitors True</h1>"), "{}", up.said());

    // A broken version: it never takes over, and it is said why.
    home.edit(APP, "self.answer(200, b\"ok\\n\"", "self.answer(500, b\"not well\\n\"");
    let said = up.says("guestbook keeps serving").await;
    assert!(said.contains("✗ guestbook") && said.contains("500"), "{said}");
    assert!(page().await.contains("<h1>Visitors True</h1>"));
    // A mistake in the manifest: the place is named.
    home.edit(MANIFEST, "uploads: volume", "uploads: volumes");
    let said = up.says("guestbook keeps serving").await;
    assert!(said.contains(" examples/guestbook/deployd.yaml has a mistake\n"), "{said}");
    assert!(said.contains("deployd.yaml:16:14") && said.contains("did you mean `volume`?"), "{said}");

    // Back to an older release, by its name in the history.
    let history = home.ends(&["history", "guestbook", "--json"], 0).await;
    let history: serde_json::Value = serde_json::from_str(&history.out).unwrap();
    let done = history["data"]["deployments"].as_array().unwrap().iter().filter(|one| one["state"] == "DONE");
    let labels: Vec<&str> = done.map(|one| one["label"].as_str().unwrap()).collect();
    let first = labels.last().unwrap();
    home.ends(&["rollback", "guestbook", "--to", first], 0).await;
    assert!(page().await.contains("<h1>Guestbook</h1>"));
    assert_eq!(visitor.reads().await, ["the first"]);

    // The server dies under load; its processes, its database and the proxy do not notice.
    let processes = home.running("python3 app.py");
    assert_eq!(processes.len(), 2);
    home.kill_server();
    let before = load.answered();
    home.until("requests are answered without a server", || load.answered() > before + 200).await;
    visitor.writes("nobody minds").await;
    let status = home.ends(&["status", "--json"], 0).await;
    assert!(status.out.contains("\"AVAILABLE\""), "{}", status.out);
    assert_eq!(home.running("python3 app.py"), processes);
    assert_eq!(home.running("bin/postgres -D"), database);

    let (answered, failed) = load.end().await;
    assert!(failed.is_empty(), "{} of {answered} failed: {:#?}", failed.len(), &failed[..failed.len().min(5)]);
    assert_eq!(visitor.reads().await, ["nobody minds", "the first"]);
    drop(up);

    // Down: data is protected until somebody says so.
    let refused = home.ends(&["down", "guestbook"], 4).await;
    assert!(refused.err.contains("Nothing was done") || refused.out.contains("Nothing was done"), "{refused:?}");
    assert!(refused.err.contains(" MB)") && refused.err.contains("deployd down guestbook --keep-data"), "{refused:?}");
    assert_eq!(visitor.reads().await.len(), 2);
    // Of all its lives together the last lines are told, in the order in which they were written.
    let lines = home.ends(&["logs", "guestbook", "-n", "7", "--json"], 0).await;
    let logs: serde_json::Value = serde_json::from_str(&lines.out).unwrap();
    let lines = logs["data"]["lines"].as_array().unwrap();
    let times: Vec<&str> = lines.iter().map(|line| line["at"].as_str().unwrap()).collect();
    assert!(times.len() == 7 && times.is_sorted(), "{times:?}");
    let gone = home.ends(&["down", "guestbook", "--delete", "users", "--delete", "uploads"], 0).await;
    let said = gone.out.clone() + &gone.err;
    assert!(said.contains("verified: nothing of guestbook is left"), "{said}");
    let saved = said.split_whitespace().find(|word| word.contains("/backups/users-")).expect("it says where it saved");
    let saved = home.home().join(saved.strip_prefix("~/").unwrap());
    assert!(saved.is_file(), "{}", saved.display());
    let secrets = home.ends(&["secret", "list", "laptop"], 0).await.out;
    assert!(!secrets.contains("guestbook"), "what was made for it goes with it: {secrets}");
    home.is_empty().await;
}
