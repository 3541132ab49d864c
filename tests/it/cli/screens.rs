//! Screens as data: a case is `case.yaml` with what the API answers, and `expected.txt` with what a person reads.
//!
//! Every screen is drawn twice: plainly, and with colours, which must change nothing but the colour. No line of foreign
//! text may be obeyed by a terminal.

use crate::cases;
use deployd::cli::screen::{
    diff, down, found, history, lists, names::Files, other_worlds, plan, progress, questions, status, story, tokens,
    waiting,
};
use deployd::diagnostic::Look;
use deployd::model::Wall;
use deployd::server::api;
use jiff::tz::TimeZone;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::path::{Path, PathBuf};

/// What all cases may say.
#[derive(Deserialize)]
struct Case {
    /// Which screen.
    screen: String,
    /// Columns.
    #[serde(default = "eighty")]
    width: usize,
    /// What time it is.
    #[serde(default)]
    now: Option<api::words::Moment>,
    /// Where the files are.
    #[serde(default)]
    source: String,
    #[serde(default)]
    config: String,
    #[serde(flatten)]
    data: Value,
}

fn eighty() -> usize {
    80
}

#[test]
fn screens() {
    cases::each("cli", |folder| {
        let text = std::fs::read_to_string(folder.join("case.yaml")).unwrap();
        let mut value: serde_yaml::Value =
            serde_yaml::from_str(&with_digests(&text)).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
        value.apply_merge().unwrap();
        // From here on it is what the API would send.
        let case: Case = serde_json::from_value(serde_json::to_value(value).unwrap()).unwrap();
        let draw = |colour| screen(&case, Look { colour, width: case.width }, folder);
        let plain = draw(false);
        assert_eq!(anstream::adapter::strip_str(&draw(true)).to_string(), plain, "{}", folder.display());
        let obeyed = plain.chars().find(|letter| letter.is_control() && *letter != '\n');
        assert_eq!(obeyed, None, "{}", folder.display());
        plain
    });
}

/// Writes `@3f9c2a1` out as a digest that begins so.
fn with_digests(text: &str) -> String {
    let mut parts = text.split('@');
    let mut whole = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let letters = part.bytes().take_while(u8::is_ascii_hexdigit).count();
        match letters {
            0..2 => whole.push_str(&format!("@{part}")),
            _ => whole.push_str(&format!("{:0<64}{}", &part[..letters], &part[letters..])),
        }
    }
    whole
}

impl Case {
    fn get<T: DeserializeOwned>(&self, key: &str, folder: &Path) -> T {
        let value = self.data.get(key).cloned().unwrap_or(Value::Null);
        serde_json::from_value(value).unwrap_or_else(|error| panic!("{}: {key}: {error}", folder.display()))
    }

    fn now(&self) -> Wall {
        self.now.map_or(Wall(0), |now| now.0)
    }

    fn files(&self) -> Files {
        Files { source: self.source.clone(), config: self.config.clone() }
    }
}

fn screen(case: &Case, look: Look, folder: &Path) -> String {
    let zone = TimeZone::UTC;
    match case.screen.as_str() {
        "plan" => {
            let detail = match case.get::<Option<String>>("detail", folder).as_deref() {
                Some("fields") => plan::Detail::Fields { apply: "f00d123" },
                _ => plan::Detail::Names,
            };
            plan::plan(&case.get("plan", folder), detail, look)
        }
        "progress" => progress(case, look, folder),
        "status" => {
            let stacks: Vec<api::stack::Stack> = case.get("stacks", folder);
            status::stacks(&case.get("world", folder), &stacks, case.now(), look)
        }
        "explain" => questions::explanation(&case.get("explanation", folder), &case.files(), look),
        "explain-all" => {
            let all: Vec<api::question::Explanation> = case.get("explanations", folder);
            questions::explanations(&all, &case.files(), look)
        }
        "slugs" => questions::slugs(&case.get::<Vec<api::world::Slug>>("slugs", folder), look),
        "why-not" => questions::why_not(&case.get("answer", folder), &case.files(), look),
        "diagnostics" => {
            let all: Vec<api::problem::Diagnostic> = case.get("diagnostics", folder);
            found::diagnostics(&all, &case.files(), look)
        }
        "down" => {
            let held: Vec<api::deployment::Held> = case.get("held", folder);
            down::refusal(&case.get("stack", folder), &held, &[], look)
        }
        "verified" => {
            let kept: Option<Vec<String>> = case.get("kept", folder);
            down::verified(&case.get("world", folder), &case.get("stack", folder), &kept.unwrap_or_default(), look)
        }
        "gone-before" => down::gone_before(&case.get("world", folder), &case.get("stack", folder), look),
        "other-worlds" => {
            let [named, has, state] = ["named", "has", "state"].map(|key| case.get::<Option<PathBuf>>(key, folder));
            other_worlds::other_worlds(&named.unwrap(), has.as_deref(), &state.unwrap(), look)
        }
        "waits" => {
            let report: api::plan::Report = case.get("report", folder);
            let waits = waiting::waits(&report);
            let waits = if waits.is_empty() { waiting::idle(&report).into_iter().collect() } else { waits };
            waits.iter().map(|wait| wait.line(look)).collect()
        }
        "history" => {
            history::history(&case.get::<Vec<api::deployment::Deployment>>("deployments", folder), &zone, look)
        }
        "diff" => diff::diff(&case.get("diff", folder), look),
        "secrets" => {
            let secrets: Vec<api::secret::Secret> = case.get("secrets", folder);
            lists::secrets(&case.get("world", folder), &secrets, &zone, look)
        }
        "tokens" => tokens::list(&case.get::<Vec<api::token::Token>>("tokens", folder), &zone, look),
        "token-issued" => tokens::issued(&case.get("token", folder), &zone, look),
        "logs" => {
            let lines: Vec<api::event::LogLine> = case.get("lines", folder);
            lines.iter().map(|line| lists::log_line(line, &zone, look)).collect()
        }
        "world" => story::world(&case.get("world", folder), &case.source, true, look),
        "found-again" => story::found_again(&case.get::<Vec<api::stack::Stack>>("stacks", folder), look),
        "up" => {
            let stacks: Vec<api::stack::Stack> = case.get("stacks", folder);
            let started =
                stacks.iter().map(|stack| stack.name.clone()).filter(|name| name.as_str() != "before").collect();
            format!("{}{}", story::is_up(&stacks, look), story::goes_on(&stacks, &started, look))
        }
        "fell" => story::fell(&case.get("deployment", folder), &case.get("stack", folder), look),
        other => panic!("{}: no screen {other}", folder.display()),
    }
}

/// A deployment from its plan to its end, as a screen shows it that cannot move.
fn progress(case: &Case, look: Look, folder: &Path) -> String {
    #[derive(Deserialize)]
    struct Told {
        at: u64,
        #[serde(flatten)]
        body: deployd::state::EventBody,
    }
    let zone = TimeZone::UTC;
    let planned: api::plan::Plan = case.get("plan", folder);
    let labels = progress::Labels { brought: case.get("brought", folder), before: case.get("before", folder) };
    let mut text = String::new();
    let because: Option<String> = case.get("because", folder);
    match (&because, case.now) {
        (Some(because), Some(now)) => {
            text.push_str(&story::changed(now, because, &zone, look));
            text.push_str(&story::changes(&planned, &labels, because, look));
        }
        _ => text.push_str(&plan::plan(&planned, plan::Detail::Names, look)),
    }
    let mut going = progress::Progress::of(&planned, labels);
    let mut told = |going: &progress::Progress, moved: Vec<progress::Moved>| {
        for one in moved {
            text.push_str(&match one {
                progress::Moved::Started(row) => going.begins(row, look),
                progress::Moved::Ended(row) => going.ended(row, look),
            });
        }
    };
    for event in case.get::<Vec<Told>>("events", folder) {
        let moved = going.happened(&event.body, Wall(event.at));
        told(&going, moved);
    }
    if let Some(deployment) = case.get::<Option<api::deployment::Deployment>>("looked", folder) {
        going.looked(&deployment);
    }
    let moving: Vec<String> = going.going().into_iter().map(|row| going.moving(row, look)).collect();
    moving.iter().for_each(|line| text.push_str(&format!("  ⠋ {line}\n")));
    if let (Some(deployment), Some(stack)) = (case.get("deployment", folder), case.get("stack", folder)) {
        text.push_str(&story::fell(&deployment, &stack, look));
    }
    text
}
