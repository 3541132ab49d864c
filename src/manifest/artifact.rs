//! What a service is made into: `build`, `image`, `site`, and `prepare`.

use super::keys::{BUILD, PREPARE, SITE};
use super::reading::Reading;
use super::{Command, RelativePath};
use crate::diagnostic::Diagnostic;
use crate::document::{Map, Node, Shape, Spanned};
use std::collections::BTreeMap;

/// What a service is made into.
#[derive(Clone, Debug)]
pub enum Artifact {
    /// `build`: an image from a Dockerfile.
    Build(Spanned<Build>),
    /// `image`: an image that is there already.
    Image(Spanned<String>),
    /// `site`: files that an entrypoint serves.
    Site(Spanned<Site>),
}

/// How an image is built.
#[derive(Clone, Debug)]
pub struct Build {
    /// `context`, or the short form's folder.
    pub context: Spanned<RelativePath>,
    /// `dockerfile`, relative to the manifest; `None` is `Dockerfile` in the context.
    pub dockerfile: Option<Spanned<RelativePath>>,
    /// `target`: the stage.
    pub target: Option<Spanned<String>>,
    /// `args`.
    pub args: BTreeMap<String, Spanned<String>>,
    /// `secrets` of the world that the build may use, by name.
    pub secrets: Vec<Spanned<String>>,
    /// `platform`, as in `linux/amd64`.
    pub platform: Option<Spanned<String>>,
}

/// Files that an entrypoint serves.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Site {
    /// `folder`, or the short form's.
    pub folder: Spanned<RelativePath>,
    /// `fallback`: the file that answers for paths that no file has.
    pub fallback: Option<Spanned<RelativePath>>,
}

/// What makes the files of a copy ready to run.
#[derive(Clone, Debug)]
pub struct Prepare {
    /// The commands, in order.
    pub run: Vec<Spanned<Command>>,
    /// `inputs`: the files whose content says whether it has to run again; empty is all files.
    pub inputs: Vec<Spanned<RelativePath>>,
}

impl Artifact {
    /// Reads `build`, `image` or `site` of a service; more than one of them is a mistake.
    pub(super) fn read(top: &Map, cx: &mut Reading<'_>) -> Option<Artifact> {
        let written: Vec<_> = ["build", "image", "site"].into_iter().filter_map(|key| top.entry(key)).collect();
        if let [first, second, ..] = written.as_slice() {
            let detail = format!("a service has `{}` or `{}`, not both", first.key.value, second.key.value);
            let place = &second.key.place;
            cx.push(
                Diagnostic::error("one-of-them", "one of them", detail)
                    .at(place)
                    .related(&first.key.place, "the other"),
            );
        }
        // All of them are read, for the mistakes in them.
        let build = top.get("build").and_then(|node| Build::read(node, cx)).map(Artifact::Build);
        let image = top.get("image").and_then(|node| read_image(node, cx)).map(Artifact::Image);
        let site = top.get("site").and_then(|node| Site::read(node, cx)).map(Artifact::Site);
        build.or(image).or(site)
    }
}

impl Build {
    fn read(node: &Node, cx: &mut Reading<'_>) -> Option<Spanned<Build>> {
        if node.as_text().is_some() {
            let context = cx.path(node, "the folder of `build`")?;
            let build = Build {
                context,
                dockerfile: None,
                target: None,
                args: BTreeMap::new(),
                secrets: Vec::new(),
                platform: None,
            };
            return Some(node.spanned(build));
        }
        let map = node.map("`build`", cx.found)?;
        BUILD.check(map, cx.found);
        let here = node.spanned(RelativePath::default());
        let mut args = BTreeMap::new();
        if let Some(map) = map.get("args").and_then(|node| node.map("`args`", cx.found)) {
            for entry in &map.entries {
                let Some(text) = cx.text(&entry.value, "an argument of the build") else { continue };
                if let Some(mistake) = super::secret_text::check(&entry.key.value, &text.value, &text.place) {
                    cx.push(mistake);
                }
                args.insert(entry.key.value.to_string(), text);
            }
        }
        let mut secrets = Vec::new();
        if let Some(items) = map.get("secrets").and_then(|node| node.list("`secrets` of a build", cx.found)) {
            secrets.extend(items.iter().filter_map(|item| cx.text(item, "a secret's name")));
        }
        Some(node.spanned(Build {
            context: map.get("context").and_then(|node| cx.path(node, "`context`")).unwrap_or(here),
            dockerfile: map.get("dockerfile").and_then(|node| cx.path(node, "`dockerfile`")),
            target: map.get("target").and_then(|node| cx.text(node, "`target`")),
            args,
            secrets,
            platform: map.get("platform").and_then(|node| read_platform(node, cx)),
        }))
    }
}

fn read_platform(node: &Node, cx: &mut Reading<'_>) -> Option<Spanned<String>> {
    let platform = cx.text(node, "`platform`")?;
    let is_word = |word: &str| !word.is_empty() && word.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
    if (2..=3).contains(&platform.split('/').count()) && platform.split('/').all(is_word) {
        return Some(platform);
    }
    let detail = "`platform` is an operating system and an architecture, as in linux/amd64";
    cx.push(Diagnostic::error("bad-platform", "not a platform", detail).at(&node.place));
    None
}

fn read_image(node: &Node, cx: &mut Reading<'_>) -> Option<Spanned<String>> {
    let image = cx.text(node, "`image`")?;
    let is_image = image.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_./:@".contains(&b))
        && image.starts_with(|c: char| c.is_ascii_alphanumeric())
        && image.ends_with(|c: char| c.is_ascii_alphanumeric() || c == '_');
    if is_image && !image.contains("://") {
        return Some(image);
    }
    let detail = "`image` is a name in a registry, as in registry.example.com/acme/web:1.2";
    cx.push(Diagnostic::error("bad-image", "not an image", detail).at(&node.place));
    None
}

impl Site {
    fn read(node: &Node, cx: &mut Reading<'_>) -> Option<Spanned<Site>> {
        if node.as_text().is_some() {
            let folder = cx.path(node, "the folder of `site`")?;
            return Some(node.spanned(Site { folder, fallback: None }));
        }
        let map = node.map("`site`", cx.found)?;
        SITE.check(map, cx.found);
        let fallback = map.get("fallback").and_then(|node| cx.path(node, "`fallback`"));
        let Some(folder) = map.get("folder") else {
            if SITE.lack(map, "folder") {
                let detail = "`site` needs a folder, as in site: { folder: dist }";
                cx.push(Diagnostic::error("missing-key", "missing key", detail).at(&node.place));
            }
            return None;
        };
        let folder = cx.path(folder, "`folder`")?;
        Some(node.spanned(Site { folder, fallback }))
    }
}

impl Prepare {
    /// One command, a list of commands, or the long form.
    pub(super) fn read(node: &Node, cx: &mut Reading<'_>) -> Option<Spanned<Prepare>> {
        let Shape::Map(map) = &node.shape else {
            let run = read_commands(node, cx);
            return Some(node.spanned(Prepare { run, inputs: Vec::new() }));
        };
        PREPARE.check(map, cx.found);
        let inputs = map.get("inputs").map(|node| cx.paths(node, "a file of `inputs`")).unwrap_or_default();
        let Some(run) = map.get("run") else {
            if PREPARE.lack(map, "run") {
                let detail = "`prepare` needs commands, as in prepare: { run: [npm ci], inputs: [package-lock.json] }";
                cx.push(Diagnostic::error("missing-key", "missing key", detail).at(&node.place));
            }
            return None;
        };
        let run = read_commands(run, cx);
        Some(node.spanned(Prepare { run, inputs }))
    }
}

fn read_commands(node: &Node, cx: &mut Reading<'_>) -> Vec<Spanned<Command>> {
    cx.items(node, "`prepare`").iter().filter_map(|item| cx.command(item, "a command of `prepare`")).collect()
}
