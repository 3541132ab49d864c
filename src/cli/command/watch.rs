//! How stacks are, and what their processes write: once, or as it goes on.

use crate::cli::arguments::{Common, Logs, Status};
use crate::cli::asking::Asking;
use crate::cli::client::Told;
use crate::cli::exit::{Exit, Failure};
use crate::cli::folders::Near;
use crate::cli::out::Out;
use crate::cli::screen::{lists, status as status_screen};
use crate::model::{Name, Wall};
use crate::server::api::event::LogLine;
use crate::server::api::paths;
use crate::server::api::stack::Stack;
use crate::state::StackState;
use jiff::tz::TimeZone;
use reqwest::Method;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// Events that come together are shown together.
const TOGETHER: Duration = Duration::from_millis(150);
/// How long the first look of a server is waited for. What takes longer is shown as not seen.
const LOOKED_WITHIN: Duration = Duration::from_secs(3);
/// Even when nothing happens, ages are shown anew.
const ANEW: Duration = Duration::from_secs(5);

/// `deployd status`.
pub(in crate::cli) async fn status(common: &Common, asked: &Status, out: &Out) -> Result<Exit, Failure> {
    let asking = Asking::new(common, out, &asked.stack.as_deref().map_or(Near::Nothing, Near::word)).await?;
    let wanted = match &asked.stack {
        Some(word) => Some(asking.stacks_meant(word).await?),
        None => None,
    };
    let view = View { asking: &asking, wanted };
    if !asked.watch {
        let shown = view.looked().await?;
        view.show(&shown)?;
        return Ok(Exit::Done);
    }
    view.watch().await
}

/// What of the worlds is looked at.
struct View<'v> {
    asking: &'v Asking,
    wanted: Option<(Name, Vec<Name>)>,
}

impl View<'_> {
    /// The stacks of now, once they were looked at: a server that has just started has not, for a moment.
    async fn looked(&self) -> Result<BTreeMap<Name, Vec<Stack>>, Failure> {
        let begun = Instant::now();
        loop {
            let worlds = self.now().await?;
            let is_looked_at =
                |stack: &Stack| stack.looked.is_some() || stack.set_aside.is_some() || stack.resources.is_empty();
            if worlds.values().flatten().all(is_looked_at) || begun.elapsed() > LOOKED_WITHIN {
                return Ok(worlds);
            }
            tokio::time::sleep(TOGETHER).await;
        }
    }

    /// The stacks of now, by world.
    async fn now(&self) -> Result<BTreeMap<Name, Vec<Stack>>, Failure> {
        let asking = self.asking;
        if let Some((world, stacks)) = &self.wanted {
            let mut found = Vec::new();
            for stack in stacks {
                found.push(asking.stack(world, stack).await?);
            }
            return Ok(BTreeMap::from([(world.clone(), found)]));
        }
        let mut worlds: BTreeMap<Name, Vec<Stack>> = BTreeMap::new();
        for stack in asking.stacks(asking.common.world.as_ref()).await? {
            if stack.state != Some(StackState::Deleted) || !stack.live.is_empty() {
                worlds.entry(stack.world.clone()).or_default().push(stack);
            }
        }
        if worlds.is_empty() {
            worlds.insert(asking.world(), Vec::new());
        }
        Ok(worlds)
    }

    fn show(&self, worlds: &BTreeMap<Name, Vec<Stack>>) -> Result<(), Failure> {
        let out = &self.asking.out;
        if out.is_json() {
            // Each stack says its world itself: where there are several, the object has none.
            let world = worlds.keys().next().filter(|_| worlds.len() == 1);
            let stacks: Vec<&Stack> = worlds.values().flatten().collect();
            return out.object("status", world.map(Name::as_str), &serde_json::json!({ "stacks": stacks }));
        }
        out.data(&self.text(worlds))
    }

    fn text(&self, worlds: &BTreeMap<Name, Vec<Stack>>) -> String {
        let now = Wall(u64::try_from(jiff::Timestamp::now().as_millisecond()).unwrap_or(0));
        let look = self.asking.out.look();
        let texts: Vec<String> =
            worlds.iter().map(|(world, stacks)| status_screen::stacks(world, stacks, now, look)).collect();
        texts.join("\n")
    }

    /// Shows it whenever something has happened.
    async fn watch(&self) -> Result<Exit, Failure> {
        let out = &self.asking.out;
        let mut events = self.asking.client().events(self.asking.common.world.as_ref()).await?;
        let mut before: Option<String> = None;
        loop {
            let worlds = if before.is_none() { self.looked().await? } else { self.now().await? };
            let text = self.text(&worlds);
            if before.as_ref() != Some(&text) {
                if out.is_terminal() {
                    // From the top, without flicker: what was there is overwritten and the rest cleared.
                    out.data(&format!("\u{1b}[H{}\u{1b}[J", text.replace('\n', "\u{1b}[K\n")))?;
                } else {
                    self.show(&worlds)?;
                }
                before = Some(text);
            }
            match tokio::time::timeout(ANEW, events.next()).await {
                Ok(Told::Ended) => return Err(Failure::new(Exit::Unreachable, "the server has ended")),
                Ok(_) => {
                    while tokio::time::timeout(TOGETHER, events.next()).await.is_ok_and(|told| told != Told::Ended) {}
                }
                Err(_) if out.is_terminal() => {}
                // Nothing has happened: nothing new is to be said where nothing moves.
                Err(_) => before = Some(self.text(&self.now().await?)),
            }
        }
    }
}

/// `deployd logs`.
pub(in crate::cli) async fn logs(common: &Common, asked: &Logs, out: &Out) -> Result<Exit, Failure> {
    let asking = Asking::new(common, out, &Near::word(&asked.of.stack)).await?;
    let (world, stack) = asking.stack_meant(&asked.of.stack).await?;
    let mut query = vec![("tail", asked.lines.to_string()), ("follow", asked.follow.to_string())];
    query.extend(asked.name.iter().map(|name| ("name", name.to_string())));
    query.extend(asked.revision.iter().map(|release| ("release", release.clone())));
    let path = crate::cli::client::with_query(&paths::fill(paths::LOGS, &[&world, &stack]), &query);
    let nothing: Option<&()> = None;
    let mut response = asking.client().stream(Method::GET, &path, nothing).await?;
    let zone = TimeZone::system();
    let (mut rest, mut all): (Vec<u8>, Vec<LogLine>) = (Vec::new(), Vec::new());
    while let Ok(Some(bytes)) = response.chunk().await {
        rest.extend_from_slice(&bytes);
        let whole = rest.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
        let lines: Vec<u8> = rest.drain(..whole).collect();
        for line in lines.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
            let line: LogLine = serde_json::from_slice(line)
                .map_err(|error| Failure::new(Exit::WentWrong, format!("a line of the log cannot be read: {error}")))?;
            match (out.is_json(), asked.follow) {
                (true, true) => out.object("log", Some(&world), &line)?,
                (true, false) => all.push(line),
                (false, _) => out.data(&lists::log_line(&line, &zone, out.look()))?,
            }
        }
    }
    if asked.follow {
        return Err(Failure::new(Exit::Unreachable, "the server has ended"));
    }
    if out.is_json() {
        out.object("logs", Some(&world), &serde_json::json!({ "stack": stack, "lines": all }))?;
    }
    Ok(Exit::Done)
}
