//! Copies of files, prepared once for what they are prepared of; tests that run once.

use super::*;

#[tokio::test]
async fn a_copy_is_prepared_once_for_its_inputs() {
    let stage = Local::new();
    let prepare = serde_json::json!({ "run": [["sh", "-c", "mkdir made; cat input.txt > made/out; date +%N >> made/out"]], "inputs": ["input.txt"] });
    let copy = async |app: &str, input: &str| {
        let content = stage.content(&[("app.txt", app), ("input.txt", input)]).await;
        let fields = serde_json::json!({ "content": content.to_string(), "prepare": prepare });
        let name =
            format!("suite/shop/shop.copy#{}", u32::from_be_bytes(content.bytes()[..4].try_into().unwrap()) % 1000 + 2);
        let (_, outputs) = stage.made(&name, &sample("local/copy", fields)).await;
        let path = PathBuf::from(outputs["path"].as_text().unwrap());
        (
            std::fs::read_to_string(path.join("app.txt")).unwrap(),
            std::fs::read_to_string(path.join("made/out")).unwrap(),
        )
    };
    let (first_app, first_made) = copy("one", "a").await;
    let (second_app, second_made) = copy("two", "a").await;
    let (_, third_made) = copy("two", "b").await;
    assert_eq!((first_app.as_str(), second_app.as_str()), ("one", "two"));
    assert!(first_made.starts_with('a'));
    assert_eq!(first_made, second_made, "the same inputs are prepared once");
    assert!(third_made.starts_with('b'), "other inputs are prepared anew");
}

#[tokio::test]
async fn t41_a_prepare_that_fails_says_why() {
    let stage = Local::new();
    let content = stage.content(&[("app.txt", "one")]).await;
    let fields = serde_json::json!({ "content": content.to_string(), "prepare": { "run": [["sh", "-c", "echo no such package; exit 7"], ["true"]] } });
    let sample = sample("local/copy", fields);
    let shop = identity("suite/shop/shop.copy");
    let handle = stage.make(&shop, &sample).await;
    let asked = query(&shop, &sample, Some(handle));
    loop {
        let seen = look(&stage, &asked).await;
        if let Condition::Failed(why) = &seen.present().unwrap().condition {
            assert_eq!(why.text, "prepare failed: it ended with code 7");
            assert!(why.details.iter().any(|line| line.contains("no such package")), "{why:?}");
            break;
        }
        stage.wait().await;
    }
    let lines = stage.provider.logs(&asked, &LogFrom { tail: 100, follow: false }).await.unwrap();
    let lines: Vec<String> = lines.map(|line| line.text).collect().await;
    assert!(lines.iter().any(|line| line.starts_with("+ echo no such package")), "{lines:?}");
}

#[tokio::test]
async fn a_test_runs_once_and_tells_its_end() {
    let stage = Local::new();
    let content = stage.content(&[("app.txt", "one")]).await;
    let (_, copy) = stage
        .made("suite/shop/shop.copy", &sample("local/copy", serde_json::json!({ "content": content.to_string() })))
        .await;
    let fields = serde_json::json!({ "run": [["sh", "-c", "cat app.txt; echo ran >> ran; test \"$(wc -l < ran)\" -eq 1"]], "folder": copy["path"] });
    let sample = sample("local/test", fields);
    let test = identity("suite/shop/shop.test");
    for _ in 0..3 {
        stage.make(&test, &sample).await;
    }
    let seen = until(&stage, &query(&test, &sample, None), is_settled).await;
    let Condition::Finished(exit) = &seen.present().unwrap().condition else { panic!("{seen:?}") };
    assert_eq!(exit.code, 0, "{exit:?}");
}
