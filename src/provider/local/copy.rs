//! `local/copy`: a content made into a folder, with `prepare` run in it.
//!
//! Where `prepare` names its inputs, it runs in a folder of its own that holds just these (a *layer*), kept by their
//! digest: copies with the same inputs share what it made, by links, and a change of other files costs no `prepare`.
//! A layer's path never changes, since interpreters write it into what they install.

use super::once::{Once, look_at_once};
use super::room::{Room, settling, unreadable, unwritable};
use super::thing::{self, Thing, make_folder};
use super::write::{self, PrepareAsked, script};
use crate::contract::{ContentFailure, ContentListing, Failure, FilePath, Order, Outcome, covers};
use crate::model::{Digest, Kind, Milliseconds, Value};
use crate::state::{Condition, Settling, Why, WhyCode};
use std::collections::BTreeMap;
use std::fs;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// Written into a layer when `prepare` has ended well in it.
const PREPARED: &str = ".deployd-prepared";
/// The variable by which a layer's script knows the copy that it is for.
const COPY: &str = "DEPLOYD_COPY";

impl Room {
    pub(super) async fn create_copy(&self, order: &Order, fields: &Value, asked: Digest) -> Result<Outcome, Failure> {
        let (name, folder) = self.place(order);
        let mut thing = self.begin(&folder, order, fields, asked, None)?;
        let content: Digest =
            write::text(fields, "content")?.parse().map_err(|_| refused("it has no content".into()))?;
        let prepare = write::prepare(fields)?;
        let files = folder.join("files");
        let layer = self.layer_of(&prepare, content).await?;
        if let Some((key, _)) = &layer {
            thing.notes.insert("layer".to_owned(), key.to_string());
        }
        thing.keep(&folder).map_err(|error| unwritable(&folder, &error))?;
        if !files.exists() {
            self.contents.materialise(content, &files).await.map_err(|failure| content_failed(&failure))?;
        }
        let outcome = settling(name, "preparing", vec![("path".to_owned(), path_of(&folder))]);
        let copy = files.display().to_string();
        match layer {
            None if prepare.commands.is_empty() => {}
            None => self.run_once(&folder, &script(&prepare.commands), &files, &copy, BTreeMap::new(), order).await?,
            Some((key, inputs)) => {
                let place = self.places.layer(&key);
                self.begin_layer(&place, content, &inputs, &folder).await?;
                let script = layer_script(&prepare, &inputs);
                let env = BTreeMap::from([(COPY.to_owned(), copy)]);
                self.run_once(&folder, &script, &place, &place.display().to_string(), env, order).await?;
            }
        }
        Ok(outcome)
    }

    /// What keys a layer, and the input files, if `prepare` names inputs.
    async fn layer_of(
        &self,
        prepare: &PrepareAsked,
        content: Digest,
    ) -> Result<Option<(Digest, ContentListing)>, Failure> {
        if prepare.inputs.is_empty() || prepare.commands.is_empty() {
            return Ok(None);
        }
        let listing = self.contents.listing(content).await.map_err(|failure| content_failed(&failure))?;
        let is_input = |path: &FilePath| prepare.inputs.iter().any(|input| covers(input, path.as_str()));
        let inputs: ContentListing = listing.into_iter().filter(|(path, _)| is_input(path)).collect();
        if inputs.is_empty() {
            return Err(refused(format!("none of prepare's inputs is there: {}", prepare.inputs.join(", "))));
        }
        let path = self.settings.environment.get("PATH");
        Ok(Some((Digest::of_json("prepare-layer", &(&prepare.commands, &inputs, path)), inputs)))
    }

    /// Makes a layer's folder with its inputs, unless `prepare` has ended well there. One copy at a time prepares it.
    async fn begin_layer(
        &self,
        place: &Path,
        content: Digest,
        inputs: &ContentListing,
        ours: &Path,
    ) -> Result<(), Failure> {
        if place.join(PREPARED).exists() {
            return Ok(());
        }
        let copies = thing::of_kind(&self.places, &Kind::fixed("local/copy"))
            .map_err(|error| unreadable(&self.places.things(), &error))?
            .things;
        let busy = copies.iter().find(|(folder, _)| {
            folder != ours && self.is_in_layer(folder, place) && matches!(look_at_once(folder), Once::Running(_))
        });
        if let Some((_, other)) = busy {
            return Err(Failure::Retry {
                after: Milliseconds::seconds(1),
                why: Why::new(WhyCode::Refused, format!("{} prepares the same already", other.receipt.identity)),
            });
        }
        if !matches!(look_at_once(ours), Once::NotStarted) {
            return Ok(());
        }
        if place.exists() {
            fs::remove_dir_all(place).map_err(|error| unwritable(place, &error))?;
        }
        make_folder(place).map_err(|error| unwritable(place, &error))?;
        for path in inputs.keys() {
            let bytes = self.contents.bytes(content, path).await.map_err(|failure| content_failed(&failure))?;
            let to = place.join(path.as_str());
            make_folder(to.parent().expect("it lies in the layer")).map_err(|error| unwritable(&to, &error))?;
            let executable = matches!(&inputs[path], crate::contract::File::Regular { executable: true, .. });
            write_new(&to, &bytes, executable).map_err(|error| unwritable(&to, &error))?;
        }
        Ok(())
    }

    fn is_in_layer(&self, folder: &Path, place: &Path) -> bool {
        let key = Thing::read(folder).ok().flatten().and_then(|thing| thing.note("layer")?.parse::<Digest>().ok());
        key.is_some_and(|key| self.places.layer(&key) == place)
    }

    /// Takes away the layers that no copy uses.
    pub(super) fn sweep_layers(&self) -> std::io::Result<()> {
        let layers = self.places.things().join("prepared");
        let Ok(entries) = fs::read_dir(&layers) else { return Ok(()) };
        let listed = thing::of_kind(&self.places, &Kind::fixed("local/copy"))?;
        if !listed.unreadable.is_empty() {
            return Ok(());
        }
        let copies = listed.things;
        let used: Vec<PathBuf> = copies
            .iter()
            .filter(|(_, thing)| thing.gone.is_none())
            .filter_map(|(_, thing)| Some(self.places.layer(&thing.note("layer")?.parse().ok()?)))
            .collect();
        for entry in entries {
            let path = entry?.path();
            if !used.contains(&path) {
                fs::remove_dir_all(&path)?;
            }
        }
        Ok(())
    }
}

/// Runs `prepare` unless that was done, then links what it made into the copy. Links stand once: a file of the content
/// is not covered.
fn layer_script(prepare: &PrepareAsked, inputs: &ContentListing) -> String {
    let tops: std::collections::BTreeSet<&str> =
        inputs.keys().map(|path| path.as_str().split('/').next().unwrap_or_default()).collect();
    let known = tops.iter().map(|top| format!("'{}'", top.replace('\'', r"'\''"))).collect::<Vec<_>>().join("|");
    format!(
        "{prepare}\nif [ ! -e {PREPARED} ]; then run_prepare; : > {PREPARED}; else echo 'prepared before, from the same inputs'; fi\n\
         for made in * .*; do case \"$made\" in .|..|{PREPARED}|{known}) continue;; esac\n\
         if [ -e \"$made\" ] && [ ! -e \"${COPY}/$made\" ]; then ln -s \"$PWD/$made\" \"${COPY}/$made\"; fi; done\n",
        prepare = function_of(&script(&prepare.commands)),
    )
}

/// A script as a function, so that its first failure ends the whole: `set -e` holds inside.
fn function_of(script: &str) -> String {
    format!("set -e\nrun_prepare() {{\n{script}}}")
}

pub(super) fn path_of(folder: &Path) -> Value {
    Value::Text(folder.join("files").display().to_string())
}

/// How a copy stands.
pub(super) fn condition(folder: &Path, thing: &Thing) -> Result<Option<Condition>, String> {
    if thing.leaving.is_some() || !folder.join("files").exists() {
        return Ok(None);
    }
    let prepares =
        thing.fields.get("prepare").and_then(|prepare| prepare.get("run")).is_some_and(|run| !run.items().is_empty());
    Ok(Some(match look_at_once(folder) {
        Once::Unknown(why) => return Err(why),
        Once::NotStarted if prepares => Condition::Settling(Settling("to be prepared".to_owned())),
        Once::NotStarted => Condition::Ready,
        Once::Running(_) => Condition::Settling(Settling(doing(thing))),
        Once::Cut(why) => Condition::AtRest(Why { text: format!("prepare: {}", why.text), ..why }),
        Once::Ended(exit, _) if exit.code == 0 => Condition::Ready,
        Once::Ended(exit, why) => {
            let what = why.unwrap_or_else(|| format!("it ended with code {}", exit.code));
            Condition::Failed(
                Why::new(WhyCode::CommandFailed, format!("prepare failed: {what}")).details(exit.last_lines),
            )
        }
    }))
}

/// The command that runs in `prepare`, for people; of several, the last is the one that takes long.
fn doing(thing: &Thing) -> String {
    let run = thing.fields.get("prepare").and_then(|prepare| prepare.get("run")).map(Value::items).unwrap_or_default();
    run.last()
        .and_then(|words| write::words(words).ok())
        .map_or_else(|| "preparing".into(), |words| write::words_for_people(&words))
}

fn write_new(path: &Path, bytes: &[u8], executable: bool) -> std::io::Result<()> {
    let mode = if executable { 0o700 } else { 0o600 };
    fs::OpenOptions::new().write(true).create(true).truncate(true).mode(mode).open(path)?.write_all(bytes)
}

fn refused(text: String) -> Failure {
    Failure::Refused { why: Why::new(WhyCode::Other, text) }
}

fn content_failed(failure: &ContentFailure) -> Failure {
    let why = Why::new(WhyCode::Other, failure.to_string());
    match failure {
        ContentFailure::Unreachable(_) | ContentFailure::Full(_) | ContentFailure::Torn(_) => {
            Failure::Retry { after: Milliseconds::seconds(2), why }
        }
        ContentFailure::Missing(_) | ContentFailure::Corrupt(_) | ContentFailure::Refused(_) => {
            Failure::Refused { why }
        }
    }
}
