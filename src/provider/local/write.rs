//! An order's filled fields to what this room acts by. Pure.

use crate::contract::Failure;
use crate::model::{Bytes, Milliseconds, Value};
use crate::state::{Why, WhyCode};
use std::collections::BTreeMap;

/// How long a process may take to end where nobody says.
pub(super) const STOP_DEFAULT: Milliseconds = Milliseconds::seconds(30);

/// One replica, as it is asked for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct ProcessAsked {
    pub(super) run: Vec<String>,
    pub(super) env: BTreeMap<String, String>,
    /// The copy that it runs in; without one an empty folder of its own.
    pub(super) folder: Option<String>,
    pub(super) first: Option<String>,
    pub(super) files: BTreeMap<String, String>,
    pub(super) stop: Milliseconds,
    pub(super) memory: Option<Bytes>,
}

/// A command that runs once, as it is asked for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct OnceAsked {
    pub(super) commands: Vec<Vec<String>>,
    pub(super) env: BTreeMap<String, String>,
    pub(super) folder: String,
    pub(super) files: BTreeMap<String, String>,
}

/// `prepare`, as it is asked for.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct PrepareAsked {
    pub(super) commands: Vec<Vec<String>>,
    pub(super) inputs: Vec<String>,
}

/// The names of the ports that a process or an address has, with the protocol of each.
pub(super) fn ports(fields: &Value) -> BTreeMap<String, String> {
    let ports = fields.get("ports").into_iter().flat_map(Value::entries);
    let protocol = |port: &Value| port.get("protocol").and_then(Value::as_text).unwrap_or("http").to_owned();
    ports.map(|(name, port)| (name.clone(), protocol(port))).collect()
}

/// The first port's name: the one that is said, or the first in order.
pub(super) fn first_port(fields: &Value) -> Option<String> {
    let said = fields.get("first").and_then(Value::as_text).map(str::to_owned);
    said.or_else(|| ports(fields).into_keys().next())
}

/// How long a process may take to end.
pub(super) fn stop(fields: &Value) -> Result<Milliseconds, Failure> {
    Ok(optional(fields, "stop", str::parse)?.unwrap_or(STOP_DEFAULT))
}

pub(super) fn process(fields: &Value) -> Result<ProcessAsked, Failure> {
    Ok(ProcessAsked {
        run: words(fields.get("run").unwrap_or(&Value::Null))?,
        env: variables(fields.get("env").unwrap_or(&Value::Null))?,
        folder: fields.get("folder").and_then(scalar),
        first: first_port(fields),
        files: files(fields)?,
        stop: stop(fields)?,
        memory: optional(fields, "memory", str::parse)?,
    })
}

pub(super) fn once(fields: &Value) -> Result<OnceAsked, Failure> {
    Ok(OnceAsked {
        commands: commands(fields.get("run").unwrap_or(&Value::Null))?,
        env: variables(fields.get("env").unwrap_or(&Value::Null))?,
        folder: text(fields, "folder")?,
        files: files(fields)?,
    })
}

/// The texts of files, by name.
fn files(fields: &Value) -> Result<BTreeMap<String, String>, Failure> {
    let files = fields.get("files").into_iter().flat_map(Value::entries);
    files.map(|(name, file)| Ok((name.clone(), text(file, "text")?))).collect()
}

pub(super) fn prepare(fields: &Value) -> Result<PrepareAsked, Failure> {
    let Some(prepare) = fields.get("prepare") else { return Ok(PrepareAsked::default()) };
    let inputs = prepare.get("inputs").map(words).transpose()?.unwrap_or_default();
    Ok(PrepareAsked { commands: commands(prepare.get("run").unwrap_or(&Value::Null))?, inputs })
}

/// Several commands as one script: each is said before it runs, and the first that fails ends it.
pub(super) fn script(commands: &[Vec<String>]) -> String {
    let mut script = String::from("set -e\n");
    for words in commands {
        let line = line_of(words);
        let said = quoted(&format!("+ {}", words_for_people(words)));
        script.push_str(&format!("printf '%s\\n' {said}\n{line}\n"));
    }
    script
}

/// Words as one line that a shell splits into the same words.
fn line_of(words: &[String]) -> String {
    words.iter().map(|word| quoted(word)).collect::<Vec<_>>().join(" ")
}

/// A command as people write it: `sh -c text` is the text.
pub(super) fn words_for_people(words: &[String]) -> String {
    match words {
        [sh, flag, text] if sh == "sh" && flag == "-c" => text.clone(),
        words => words.join(" "),
    }
}

/// One word that a shell takes as it is.
fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '/' | ':' | '=' | '@' | ',' | '+');
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

pub(super) fn words(value: &Value) -> Result<Vec<String>, Failure> {
    let words = value.items().iter().map(|word| scalar(word).ok_or_else(|| misfit("a command is a list of words")));
    let words: Vec<String> = words.collect::<Result<_, Failure>>()?;
    if words.is_empty() { Err(misfit("a command has at least one word")) } else { Ok(words) }
}

fn commands(value: &Value) -> Result<Vec<Vec<String>>, Failure> {
    value.items().iter().map(words).collect()
}

fn variables(value: &Value) -> Result<BTreeMap<String, String>, Failure> {
    let entries = value.entries().filter(|(_, value)| **value != Value::Null);
    let text = |value: &Value| scalar(value).ok_or_else(|| misfit("a variable's value is text"));
    entries.map(|(name, value)| Ok((name.clone(), text(value)?))).collect()
}

pub(super) fn text(fields: &Value, key: &str) -> Result<String, Failure> {
    fields.get(key).and_then(scalar).ok_or_else(|| misfit(&format!("{key} is missing")))
}

fn optional<T, E>(fields: &Value, key: &str, parse: impl Fn(&str) -> Result<T, E>) -> Result<Option<T>, Failure> {
    let Some(text) = fields.get(key).and_then(scalar) else { return Ok(None) };
    parse(&text).map(Some).map_err(|_| misfit(&format!("{key}: {text} is not understood")))
}

fn scalar(value: &Value) -> Option<String> {
    match value {
        Value::Text(text) => Some(text.clone()),
        Value::Whole(number) => Some(number.to_string()),
        Value::Flag(flag) => Some(flag.to_string()),
        _ => None,
    }
}

/// Fields that `rules` should not have let through: said clearly all the same.
fn misfit(what: &str) -> Failure {
    Failure::Refused { why: Why::new(WhyCode::Other, format!("the order cannot be carried out: {what}")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_read() {
        let fields: Value = serde_json::from_value(serde_json::json!({
            "run": ["python3", "app.py"], "env": { "A": "b", "N": 1, "GONE": null }, "folder": "/x",
            "ports": { "admin": { "protocol": "http" }, "http": { "port": 8080 } }, "first": "http",
            "stop": "5s", "memory": "64Mi", "files": { "settings": { "at": "/etc/x", "text": "a=1" } },
        }))
        .unwrap();
        let asked = process(&fields).unwrap();
        assert_eq!(asked.env, BTreeMap::from([("A".into(), "b".into()), ("N".into(), "1".into())]));
        assert_eq!(asked.first.as_deref(), Some("http"));
        assert_eq!(asked.stop, Milliseconds::seconds(5));
        assert_eq!(asked.files["settings"], "a=1");
        assert!(process(&Value::map()).is_err());
    }

    #[test]
    fn commands_become_a_script_that_means_the_same() {
        let commands = vec![
            vec!["pip".into(), "install".into(), "it's".into()],
            vec!["sh".into(), "-c".into(), "echo $HOME > x".into()],
        ];
        let script = script(&commands);
        assert!(script.contains(r"pip install 'it'\''s'"), "{script}");
        assert!(script.contains("sh -c 'echo $HOME > x'"), "{script}");
        assert!(script.contains("printf '%s\\n' '+ echo $HOME > x'"), "{script}");
    }
}
