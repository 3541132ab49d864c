//! Requests and what is answered to them, as data: `tests/cases/server/<case>/request.txt` and `expected.txt`.

use super::house::{Answer, House};
use crate::cases;
use std::fmt::Write as _;
use std::path::Path;

/// Headers that are part of what an answer says.
const SHOWN: &[&str] = &["content-type", "allow", "etag", "location", "retry-after", "www-authenticate"];

#[test]
fn requests_are_answered_as_the_cases_say() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let house = runtime.block_on(House::open());
    cases::each("server", |folder| runtime.block_on(answer(&house, folder)));
    let mut house = house;
    runtime.block_on(house.close());
}

async fn answer(house: &House, folder: &Path) -> String {
    let text = std::fs::read_to_string(folder.join("request.txt")).unwrap();
    let (head, body) = text.split_once("\n\n").unwrap_or((text.trim_end(), ""));
    let mut lines = head.lines();
    let (method, path) = lines.next().unwrap().split_once(' ').unwrap();
    let mut request = house.bare(method.parse().unwrap(), path).body(body.trim_end().to_owned());
    let mut is_known = true;
    for line in lines {
        let (name, value) = line.split_once(": ").unwrap();
        is_known &= name != "Stranger";
        request = request.header(name, value);
    }
    let answer = Answer::of(if is_known { request.bearer_auth(&house.token) } else { request }).await;
    let mut shown = format!("{}\n", answer.status);
    for name in SHOWN.iter().filter(|name| !answer.header(name).is_empty()) {
        writeln!(shown, "{name}: {}", answer.header(name)).unwrap();
    }
    let body = serde_json::to_string_pretty(&answer.body).unwrap();
    writeln!(shown, "\n{body}").unwrap();
    // What differs from run to run.
    shown
        .replace(&house.address, "http://127.0.0.1:PORT")
        .replace(&house.folder.path().display().to_string(), "/FOLDER")
}
