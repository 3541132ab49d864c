//! Where a world's secrets come from, as its file says: `API_KEY: { env: API_KEY, key: value, for: [guestbook] }`.
//! What no line names comes from the store.

use super::files::{Closed, FileProblem, read_closed};
use crate::contract::{Plain, SecretFailure};
use crate::model::{Name, SecretName};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// The longest secret, in bytes: certificates with their chain fit, files do not.
pub const SECRET_BYTES_MAX: usize = 64 * 1024;

/// Where one secret comes from.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum SecretPlace {
    /// The store, as if no line named it.
    Store,
    /// A variable of the server's own environment.
    Env(String),
    /// A file of the server's machine, by its whole path; read anew each time.
    File(PathBuf),
    /// A place that this binary cannot ask yet, by its name in the file: `aws`, `kubernetes`.
    NotBuilt(String),
}

/// One line of a world's `secrets:`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SecretMapping {
    /// Where it comes from.
    pub place: SecretPlace,
    /// One field of a JSON object that is found there.
    pub key: Option<String>,
    /// The stacks that may use it; all of the world without it.
    pub stacks: Option<BTreeSet<Name>>,
}

/// The lines of all worlds.
pub type SecretMappings = BTreeMap<Name, BTreeMap<SecretName, SecretMapping>>;

/// How variables of the server's environment are looked up: an argument, so that nothing here reads a global.
pub type Environment = Box<dyn Fn(&str) -> Option<String> + Send + Sync>;

/// Reads what a mapping names outside the store; nothing for [`SecretPlace::Store`].
pub(super) fn read(place: &SecretPlace, environment: &Environment) -> Option<Result<Plain, SecretFailure>> {
    match place {
        SecretPlace::Store => None,
        SecretPlace::Env(variable) => Some(environment(variable).map(Plain::new).ok_or_else(|| {
            SecretFailure::NotThere(format!("the environment of the server has no variable {variable}"))
        })),
        SecretPlace::File(path) => Some(read_file(path)),
        SecretPlace::NotBuilt(place) => {
            Some(Err(SecretFailure::Refused(format!("secrets from `{place}:` are not built yet"))))
        }
    }
}

/// One field of a JSON object: its text, or the JSON of what is no text.
pub(super) fn field(whole: &Plain, key: &str) -> Result<Plain, SecretFailure> {
    let not_json = || SecretFailure::NotThere(format!("it is not a JSON object, so it has no field `{key}`"));
    let fields: serde_json::Map<String, serde_json::Value> =
        serde_json::from_str(whole.expose()).map_err(|_| not_json())?;
    match fields.get(key) {
        Some(serde_json::Value::String(text)) => Ok(Plain::new(text.clone())),
        Some(other) => Ok(Plain::new(other.to_string())),
        None => Err(SecretFailure::NotThere(format!("it has no field `{key}`"))),
    }
}

fn read_file(path: &Path) -> Result<Plain, SecretFailure> {
    let shown = path.display();
    if !path.is_absolute() {
        return Err(SecretFailure::Refused(format!("{shown} is not a whole path")));
    }
    let bytes = read_closed(path, Closed::NoOthers, SECRET_BYTES_MAX as u64).map_err(|problem| match problem {
        FileProblem::Missing => SecretFailure::NotThere(format!("there is no file {shown}")),
        FileProblem::Unreadable(error) => SecretFailure::Unreachable(format!("{shown}: {error}")),
        problem => SecretFailure::Refused(format!("{shown}: {problem}")),
    })?;
    let text = std::str::from_utf8(&bytes).map_err(|_| SecretFailure::Refused(format!("{shown} is not text")))?;
    // Editors and `echo` end a file with a newline that nobody means.
    let text = text.strip_suffix('\n').map_or(text, |text| text.strip_suffix('\r').unwrap_or(text));
    Ok(Plain::new(text.to_owned()))
}
