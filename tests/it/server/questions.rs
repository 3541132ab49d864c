//! Questions about a folder of the server's machine.

use super::house::House;
use serde_json::json;

const GUESTBOOK: &str = "service: guestbook\nrun: python3 app.py\nport: 8080\nrequires:\n  - users: highmem\n";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_folder_is_checked_as_it_is_now() {
    let house = House::open().await;
    let folder = house.source("guestbook", &[("deployd.yaml", GUESTBOOK), ("app.py", "print()")]);
    let ask = json!({ "of": { "folder": folder }, "worlds": ["sim"] });
    let good = house.post("/v1/check", &ask).await;
    assert_eq!(good.status, 200, "{good:#?}");
    assert_eq!(good.body["has_errors"], false, "{good:#?}");
    assert_eq!((good.body["services"].clone(), good.body["files"].clone()), (json!(["guestbook"]), json!(2)));

    house.source("guestbook", &[("deployd.yaml", &GUESTBOOK.replace("highmem", "highmemm"))]);
    let bad = house.post("/v1/check", &ask).await;
    let mistake = &bad.body["diagnostics"][0];
    assert_eq!(mistake["code"], "unknown-slug", "{bad:#?}");
    assert_eq!(mistake["place"], json!({ "file": "deployd.yaml", "line": 5, "column": 12, "length": 8 }));
    assert_eq!(mistake["line"], "  - users: highmemm");
    assert!(mistake["help"].as_str().unwrap().contains("did you mean `highmem`?"));

    std::fs::remove_dir_all(&folder).unwrap();
    assert_eq!(house.post("/v1/check", &ask).await.problem(), (404, "not-found"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_folder_that_others_may_write_to_is_not_read() {
    use std::os::unix::fs::PermissionsExt as _;
    let house = House::open().await;
    let folder = house.source("open", &[("deployd.yaml", GUESTBOOK)]);
    std::fs::set_permissions(&folder, std::fs::Permissions::from_mode(0o777)).unwrap();
    let answer = house.post("/v1/check", &json!({ "of": { "folder": folder } })).await;
    assert_eq!(answer.problem(), (409, "bad-source"));
}
