//! Where ways in answer, for plans: what makes one knows its port only when it is made, and people want to know before.
//!
//! It is the port that ways in of the world have already, else the one that this machine will give: the one that its
//! worlds' files ask for, or the next that is free.

use super::serving::Serving;
use crate::engine::{OutputShown, Planned, StackShown};
use crate::model::{Capability, Kind, Value};
use crate::plan::Act;

/// The capability whose ways in are one process of this machine.
const LOCAL: &str = "deploy:local";
/// The thing that is a way in.
const WAY_IN: &str = "entrypoint";

/// The port of a world's ways in by name, as far as it is known; nothing where the plan has none of this machine.
pub async fn http_port(serving: &Serving, planned: &Planned) -> Option<u16> {
    let world = &planned.stack.world;
    if !serving.world(world).is_ok_and(|facts| facts.capabilities.contains_key(&Capability::fixed(LOCAL))) {
        return None;
    }
    if let Ok(stack) = serving.engine().stack(&planned.stack).await
        && let Some(port) = given(&stack)
    {
        return Some(port);
    }
    // All stacks are looked at only for a way in that is the first of its stack.
    let is_made = |step: &crate::plan::Step| step.act == Act::Create && is_way_in(&step.kind);
    if !planned.plan.steps.values().any(is_made) {
        return None;
    }
    let stacks = serving.engine().status(Some(world)).await.ok()?;
    stacks.iter().find_map(given).or_else(|| serving.machine().http_port())
}

/// The port that a stack's ways in by name were given.
fn given(stack: &StackShown) -> Option<u16> {
    stack.resources.iter().filter(|resource| is_way_in(&resource.kind) && is_http(&resource.fields)).find_map(
        |resource| match resource.outputs.get("port") {
            Some(OutputShown::Plain(port)) => u16::try_from(port.as_whole()?).ok(),
            _ => None,
        },
    )
}

fn is_way_in(kind: &Kind) -> bool {
    kind.provider() == "local" && kind.thing() == WAY_IN
}

/// Whether it is found by its name; a port of its own is given to what is not HTTP.
fn is_http(fields: &Value) -> bool {
    fields.get("protocol").and_then(Value::as_text).is_none_or(|protocol| protocol == "http")
}

/// Where something of a kind and with these fields answers, if it is a way in by name of this machine.
#[must_use]
pub fn url(kind: &Kind, fields: &Value, port: Option<u16>) -> Option<String> {
    let port = port.filter(|_| is_way_in(kind) && is_http(fields))?;
    let text = |key: &str| fields.get(key).and_then(Value::as_text);
    let (host, path) = (text("host")?, text("path").unwrap_or("/").trim_end_matches('/'));
    let port = if port == 80 { String::new() } else { format!(":{port}") };
    Some(format!("http://{host}{port}{path}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_way_in_answers_at_its_host_and_the_worlds_port() {
        let url = |kind, fields: serde_json::Value, port| {
            super::url(&Kind::fixed(kind), &serde_json::from_value(fields).unwrap(), port)
        };
        let web = serde_json::json!({ "host": "guestbook.localhost", "path": "/", "protocol": "http" });
        let api = serde_json::json!({ "host": "guestbook.localhost", "path": "/api/" });
        let tcp = serde_json::json!({ "host": "guestbook.localhost", "protocol": "tcp" });
        let at = |text: &str| Some(text.to_owned());
        assert_eq!(url("local/entrypoint", web.clone(), Some(8081)), at("http://guestbook.localhost:8081"));
        assert_eq!(url("local/entrypoint", api, Some(80)), at("http://guestbook.localhost/api"));
        assert_eq!(url("local/entrypoint", web.clone(), None), None);
        assert_eq!(url("local/entrypoint", tcp, Some(8081)), None);
        assert_eq!(url("kubernetes/entrypoint", web, Some(8081)), None);
    }
}
