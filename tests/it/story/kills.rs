//! The real server is killed with -9 a hundred times under load, with changes and accepted deployments in flight: no
//! accepted deployment is lost, nothing runs twice, nothing is orphaned, no request fails.

use super::home::{Home, url};
use super::load::{Load, client};
use std::time::{Duration, Instant};

/// How often.
const KILLS: u32 = 100;

const MANIFEST: &str = "service: shop
run: exec python3 -m http.server --bind 127.0.0.1 --directory public $PORT
port: 8080
health: { http: /, within: 60s }
scale: { replicas: 2 }
requires:
  - orders: postgres
entrypoints:
  web: {}
";

/// From a seed, so that a failure can be had again.
struct Dice(u64);

impl Dice {
    fn below(&mut self, limit: u64) -> u64 {
        // SplitMix64 (Steele et al., 2014).
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % limit
    }
}

/// The server that runs, asked as a machine would ask it.
struct Api {
    address: String,
    token: String,
    client: reqwest::Client,
}

impl Api {
    async fn of(home: &Home) -> Api {
        let read = |name: &str| std::fs::read_to_string(home.state().join(name)).unwrap_or_default().trim().to_owned();
        home.until("the server says where it is", || !read("server.address").is_empty()).await;
        Api { address: read("server.address"), token: read("token"), client: reqwest::Client::new() }
    }

    /// Asks for a deployment of the folder; its number, once it was accepted.
    async fn deploy(&self, home: &Home) -> Option<u64> {
        let ask = serde_json::json!({ "folder": home.file("shop"), "because": "a test" });
        let url = format!("{}/v1/worlds/laptop/runs", self.address);
        let answer = self.client.post(url).bearer_auth(&self.token).json(&ask).send().await.ok()?;
        assert_eq!(answer.status(), 202, "{}", answer.text().await.unwrap());
        let accepted: serde_json::Value = answer.json().await.ok()?;
        accepted["accepted"][0]["number"].as_u64()
    }

    /// All that it says of the stack, for whoever reads a failure.
    async fn tells(&self) -> String {
        let url = format!("{}/v1/worlds/laptop/stacks/shop", self.address);
        let asked = self.client.get(url).bearer_auth(&self.token).timeout(Duration::from_secs(20)).send().await;
        match asked {
            Ok(answer) => answer.text().await.unwrap_or_default(),
            Err(error) => format!("{error:?}"),
        }
    }

    async fn knows(&self, number: u64) -> bool {
        let url = format!("{}/v1/worlds/laptop/stacks/shop/deployments/{number}", self.address);
        self.client.get(url).bearer_auth(&self.token).send().await.unwrap().status() == 200
    }
}

fn serve(home: &Home) -> super::home::Going {
    // With its state on its command line, it is told from other homes' servers.
    home.start(&["serve", "--listen", "127.0.0.1:0", "--state", home.state().to_str().unwrap()])
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_kills_of_the_server_lose_nothing() {
    let home = Home::new();
    std::fs::create_dir_all(home.file("shop/public")).unwrap();
    home.write("shop/deployd.yaml", MANIFEST);
    home.write("shop/public/index.html", "version 0");
    let up = home.ends(&["up", "shop", "--detach"], 0).await;
    let url = url(&(up.out + &up.err));
    home.until("the server of the first command has ended", || home.server().is_none()).await;
    let database = home.running("bin/postgres -D");
    assert_eq!(database.len(), 1);
    let load = Load::start(&url, 2);
    let mut dice = Dice(20_261_120);
    // What the server has said yes to, newest last: each has a number, and the version that it was to bring.
    let mut accepted: Vec<(u64, u32)> = Vec::new();
    for kill in 1..=KILLS {
        let mut server = serve(&home);
        server.says("serving at").await;
        let api = Api::of(&home).await;
        if let Some((number, _)) = accepted.last() {
            assert!(api.knows(*number).await, "deployment {number} was accepted, and is lost after kill {kill}");
        }
        home.write("shop/public/index.html", &format!("version {kill}"));
        // From before it was accepted to after it has come to its end.
        let moment = Duration::from_millis(dice.below(900));
        let asked = tokio::time::timeout(moment, api.deploy(&home)).await;
        if let Ok(Some(number)) = asked {
            accepted.push((number, kill));
            tokio::time::sleep(Duration::from_millis(dice.below(900))).await;
        }
        home.kill_server();
        assert_eq!(server.ended().await, -1);
        assert_eq!(home.running("bin/postgres -D"), database, "kill {kill}: one database, the same as ever");
    }
    assert!(accepted.len() > 50, "most were accepted before the kill: {}", accepted.len());

    // What was accepted last comes to its end with the next server, though nobody asks again.
    let mut server = serve(&home);
    server.says("serving at").await;
    let api = Api::of(&home).await;
    let (_, version) = *accepted.last().unwrap();
    let page = async || client(&url).get(&url).send().await.unwrap().text().await.unwrap();
    let is_served = async || page().await.strip_prefix("version ").unwrap().parse::<u32>().unwrap() >= version;
    let begun = Instant::now();
    while !is_served().await {
        if begun.elapsed() > Duration::from_secs(120) {
            panic!("{} is served, not {version}\n{}\n{}", page().await, api.tells().await, server.said());
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    home.until("the replicas are as many as asked", || home.running("http.server").len() == 2).await;
    let (answered, failed) = load.end().await;
    assert!(failed.is_empty(), "{} of {answered} failed: {:#?}", failed.len(), &failed[..failed.len().min(5)]);
    home.ends(&["down", "shop", "--delete", "orders"], 0).await;
    drop(server);
    home.is_empty().await;
}
