//! What every pod of a service is made of: image, environment, files, mounts.
//!
//! What is plain stands in the pod. What is filled in (outputs, secrets) goes through a Secret, since a pod's fields can
//! be read by many; the pod names the Secret's version, so that it is replaced when that changes.

use crate::graph::words::{Process, ServiceWords, fill_own};
use crate::graph::{Component, Data, Need, Node};
use crate::model::{Address, Kind, Name, Value};
use std::collections::{BTreeMap, BTreeSet};

/// Where a file is found that says nothing about it.
const FILES: &str = "/etc/deployd/files";

/// What all pods of one service share.
pub(super) struct Pods<'c> {
    pub component: &'c Component,
    pub words: &'c ServiceWords,
    /// The image that everything runs from.
    pub image: Value,
    /// The name of the Secret that opens its registry.
    pub pull_secret: Option<Value>,
}

/// One pod's fields, and the Secret and ConfigMap that it takes them from.
pub(super) struct Pod {
    pub fields: BTreeMap<String, Value>,
    pub nodes: Vec<Node>,
}

impl Pods<'_> {
    /// The pod of a process, or of something that runs once. `part` makes the addresses of what belongs to it.
    pub fn pod(&self, process: Option<&Process>, run: Option<Value>, part: &dyn Fn(&str) -> Address) -> Pod {
        let words = self.words;
        let env = match process {
            Some(process) => words.env_of(process),
            None => words.env_of_task(),
        };
        let mut plain = BTreeMap::new();
        let mut secret = BTreeMap::new();
        for (name, value) in env {
            match self.own_in(process, &value) {
                known @ Value::Expr(_) => secret.insert(name, known),
                known => plain.insert(name, Value::from(known.to_text())),
            };
        }
        let mut config = BTreeMap::new();
        let mut files = BTreeMap::new();
        for (name, file) in &words.files {
            let text = file.get("text").map(|text| self.own_in(process, text)).unwrap_or_default();
            let (of, data) = match &text {
                Value::Expr(_) => ("secret", &mut secret),
                _ => ("config", &mut config),
            };
            data.insert(file_key(name), text);
            files.insert(name.clone(), Value::from([("at", self.file_path(name)), ("of", Value::from(of))]));
        }
        let mut pod = Pod { fields: BTreeMap::new(), nodes: Vec::new() };
        let mut fields = vec![
            ("image", Some(self.image.clone())),
            ("run", run),
            ("env", map(plain)),
            ("files", map(files)),
            ("mounts", self.mounts()),
            ("pull_secret", self.pull_secret.clone()),
            ("user", words.user.clone()),
            ("labels", words.labels.clone()),
            ("content", self.component.content.map(|content| Value::from(content.to_string()))),
        ];
        for (key, version, kind, data) in [
            ("secret", "secret_version", "kubernetes/secret", secret),
            ("config", "config_version", "kubernetes/config-map", config),
        ] {
            let Some(data) = map(data) else { continue };
            let address = part(key);
            pod.nodes.push(node(address.clone(), kind, Value::from([("data", data)]), BTreeSet::new()));
            fields.push((key, Some(Value::output(address.clone(), Name::fixed("name")))));
            fields.push((version, Some(Value::output(address, Name::fixed("version")))));
        }
        pod.fields = fields.into_iter().filter_map(|(key, value)| Some((key.to_owned(), value?))).collect();
        pod
    }

    fn mounts(&self) -> Option<Value> {
        let mounts = self.words.mounts.iter().map(|(name, mount)| {
            let at = mount.at.clone().unwrap_or_else(|| Value::from("/data"));
            (name.to_string(), Value::from([("at", at), ("volume", mount.volume.clone())]))
        });
        map(mounts.collect())
    }

    fn file_path(&self, name: &str) -> Value {
        let said = self.words.files.get(name).and_then(|file| file.get("at"));
        said.cloned().unwrap_or_else(|| Value::from(format!("{FILES}/{name}")))
    }

    /// A pod has an address of its own: its ports and files are known beforehand, and so is what the outside calls it.
    fn own_in(&self, process: Option<&Process>, value: &Value) -> Value {
        fill_own(value, &|name| match name.split_once('.')? {
            ("ports", port) => process?.port(port).map(|port| Value::Whole(i64::from(port.number))),
            ("files", file) => Some(self.file_path(file)),
            _ => None,
        })
    }
}

/// A file's key inside a Secret or ConfigMap: variables and files share one.
fn file_key(name: &str) -> String {
    format!("file.{name}")
}

fn map(entries: BTreeMap<String, Value>) -> Option<Value> {
    (!entries.is_empty()).then_some(Value::Map(entries))
}

/// A node of which nothing special is to be said.
pub(super) fn node(address: Address, kind: &'static str, fields: Value, needs: BTreeSet<Need>) -> Node {
    Node {
        address,
        kind: Kind::fixed(kind),
        fields,
        needs,
        health: None,
        once_for: None,
        data: Data::Stateless,
        update: None,
        was: None,
    }
}
