//! Opening the state of an instance: which instance it is, its keys, and its store. What looks like a loss is never
//! taken for a first start (THREATS.md T22).

use super::settings::{FileSystems, Settings};
use crate::contract::{Clock, Genesis, STORE_FORMAT, Store};
use crate::secrets::{Before, KeyFailure, KeyPlace, Keys, before};
use crate::store::sled::{DiskError, OpenError, Settings as StoreSettings, SledStore, Start, Verdict, verdict};
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The state of an instance, open: nobody else has it.
pub struct State {
    /// Rows, blobs and events.
    pub store: Arc<SledStore>,
    /// The keys of the instance.
    pub keys: Arc<Keys>,
    /// What a person should know of it.
    pub warnings: Vec<String>,
}

/// Why the state cannot be opened. Nothing was changed.
#[derive(Debug)]
pub enum StateFailure {
    /// There is no store, but instances have keys that were used with this state folder: it was lost, or another folder
    /// lies over it.
    Lost {
        /// The state folder.
        state: PathBuf,
        /// Whose state it was.
        instances: Vec<String>,
        /// Where their keys lie.
        keys: String,
    },
    /// Its file system may lose what was written.
    FileSystem {
        /// The state folder.
        state: PathBuf,
        /// What is known of it.
        verdict: Verdict,
    },
    /// The store.
    Store(OpenError),
    /// The keys.
    Keys(KeyFailure),
    /// The folder itself.
    Disk(DiskError),
    /// No randomness could be had for a new instance.
    NoChance(String),
}

/// Letters of an instance: `[a-z2-7]`, so that it can stand in every name of the world.
const LETTERS: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";
/// Letters of an instance: 60 bits, more than a user will ever have instances.
const INSTANCE_LENGTH: usize = 12;

impl State {
    /// Opens the state, or makes it at a first start. Blocking: a second for 100,000 rows.
    ///
    /// # Errors
    /// [`StateFailure`] says what is there instead, and the way out.
    pub fn open(settings: &Settings, clock: &dyn Clock) -> Result<State, StateFailure> {
        let warnings = check_file_system(settings)?;
        let store_settings = StoreSettings::of(&settings.holder);
        let folder = store_folder(&settings.state);
        let opened = match SledStore::open(&folder, Start::Existing, &store_settings) {
            Err(OpenError::Missing(_)) => first_start(settings, clock, &folder, &store_settings),
            Err(error) => Err(StateFailure::Store(error)),
            Ok(store) => {
                // A key that is missing closes the store again before anything was read of it.
                let keys = Keys::load(&settings.keys, &store.genesis().instance, &settings.state);
                keys.map(|keys| (store, keys)).map_err(StateFailure::Keys)
            }
        };
        let (store, keys) = opened?;
        keys.settle().map_err(StateFailure::Keys)?;
        Ok(State { store: Arc::new(store), keys: Arc::new(keys), warnings })
    }

    /// Which instance it is.
    #[must_use]
    pub fn instance(&self) -> &str {
        self.keys.instance()
    }
}

/// Where the store lies in a state folder.
#[must_use]
pub(super) fn store_folder(state: &Path) -> PathBuf {
    state.join("store")
}

/// A word of chance for names that nobody has yet.
pub(super) fn draw(length: usize) -> Result<String, StateFailure> {
    let mut bytes = vec![0; length];
    getrandom::fill(&mut bytes).map_err(|error| StateFailure::NoChance(error.to_string()))?;
    // 32 letters: every byte's low five bits are as likely as any.
    Ok(bytes.iter().map(|byte| char::from(LETTERS[usize::from(byte & 31)])).collect())
}

fn check_file_system(settings: &Settings) -> Result<Vec<String>, StateFailure> {
    let found = verdict(&settings.state).map_err(StateFailure::Disk)?;
    let told = format!("{} lies on {found}", settings.state.display());
    match (&found, &settings.file_systems) {
        (Verdict::Sound { .. }, _) => Ok(Vec::new()),
        (Verdict::ThrowAway { .. }, _) | (_, FileSystems::Told) => Ok(vec![told]),
        (_, FileSystems::Refused(let_in)) if let_in.contains(found.kind()) => Ok(vec![told]),
        (_, FileSystems::Refused(_)) => Err(StateFailure::FileSystem { state: settings.state.clone(), verdict: found }),
    }
}

/// There is no store: either nothing ever was, or it was lost. The keys know.
fn first_start(
    settings: &Settings,
    clock: &dyn Clock,
    folder: &Path,
    store_settings: &StoreSettings,
) -> Result<(SledStore, Keys), StateFailure> {
    let keys = match &settings.keys {
        KeyPlace::Folder(root) => match before(root, &settings.state).map_err(StateFailure::Keys)? {
            Before::Lost(instances) => {
                let (state, keys) = (settings.state.clone(), settings.keys.to_string());
                return Err(StateFailure::Lost { state, instances, keys });
            }
            Before::Unfinished(instance) => Keys::load(&settings.keys, &instance, &settings.state),
            Before::Nothing => Keys::create(&settings.keys, &draw(INSTANCE_LENGTH)?, &settings.state),
        },
        // Whoever gives them may have given the instance its name too.
        KeyPlace::File(_) | KeyPlace::Command(_) => {
            match Keys::load(&settings.keys, &draw(INSTANCE_LENGTH)?, &settings.state) {
                Err(KeyFailure::OtherInstance { named, .. }) => Keys::load(&settings.keys, &named, &settings.state),
                loaded => loaded,
            }
        }
    };
    let keys = keys.map_err(StateFailure::Keys)?;
    let genesis = Genesis {
        format: STORE_FORMAT,
        instance: keys.instance().to_owned(),
        lineage: draw(INSTANCE_LENGTH)?,
        created: clock.now().wall,
        restored: None,
    };
    let store = SledStore::open(folder, Start::OrCreate(genesis), store_settings).map_err(StateFailure::Store)?;
    if store.genesis().instance == keys.instance() {
        return Ok((store, keys));
    }
    // Another process made one between our look and the lock, and is gone again: its keys are the ones that count.
    let keys = Keys::load(&settings.keys, &store.genesis().instance, &settings.state).map_err(StateFailure::Keys)?;
    Ok((store, keys))
}

impl StateFailure {
    /// Whether another process has the state: a client may talk to it.
    #[must_use]
    pub fn is_locked(&self) -> bool {
        matches!(self, StateFailure::Store(OpenError::Locked { .. }))
    }
}

impl fmt::Display for StateFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            StateFailure::Lost { state, instances, keys } => write!(
                f,
                "there is no state in {}, but instance {} had its state there ({keys} has its keys): put it back, or \
                 `deployd restore` a backup. To begin anew, and to forget what is deployed, move these keys away first",
                state.display(),
                instances.join(", ")
            ),
            StateFailure::FileSystem { state, verdict } => write!(
                f,
                "{} lies on {verdict}. Choose another folder with --state, or let it in by its name: \
                 --file-system {}",
                state.display(),
                verdict.kind()
            ),
            StateFailure::Store(error) => write!(f, "{error}"),
            StateFailure::Keys(error) => write!(f, "{error}"),
            StateFailure::Disk(_) => f.write_str("the state folder cannot be looked at"),
            StateFailure::NoChance(why) => write!(f, "the machine gives no randomness: {why}"),
        }
    }
}

impl std::error::Error for StateFailure {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            // Their own words are ours already.
            StateFailure::Store(error) => error.source(),
            StateFailure::Keys(error) => error.source(),
            StateFailure::Disk(error) => Some(error),
            StateFailure::Lost { .. } | StateFailure::FileSystem { .. } | StateFailure::NoChance(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::SystemClock;
    use std::collections::BTreeMap;

    fn settings(home: &Path) -> Settings {
        let variable = |name: &str| (name == "HOME").then(|| home.as_os_str().to_owned());
        Settings {
            environment: BTreeMap::new(),
            ..Settings::of_environment(PathBuf::from("/bin/false"), "a test", None, &variable).unwrap()
        }
    }

    fn open(settings: &Settings) -> Result<State, StateFailure> {
        State::open(settings, &SystemClock::start().unwrap())
    }

    fn keys_folder(home: &Path, instance: &str) -> PathBuf {
        home.join(".config/deployd/keys").join(instance)
    }

    #[test]
    fn a_first_start_makes_an_instance_and_the_next_finds_it() {
        let home = tempfile::tempdir().unwrap();
        let settings = settings(home.path());
        let first = open(&settings).unwrap();
        let instance = first.instance().to_owned();
        assert_eq!(instance.len(), INSTANCE_LENGTH);
        assert_eq!(first.store.genesis().instance, instance);
        let locked = open(&settings).err().expect("one process has it");
        assert!(locked.is_locked() && locked.to_string().contains("a test"), "{locked}");
        drop(first);
        assert_eq!(open(&settings).unwrap().instance(), instance);
    }

    #[test]
    fn t22_an_empty_state_folder_whose_instance_has_keys_is_no_first_start() {
        let home = tempfile::tempdir().unwrap();
        let settings = settings(home.path());
        let instance = open(&settings).unwrap().instance().to_owned();
        std::fs::remove_dir_all(&settings.state).unwrap();
        let lost = open(&settings).err().expect("the state was lost").to_string();
        assert!(lost.contains(&instance) && lost.contains("restore"), "{lost}");
        assert!(!store_folder(&settings.state).exists(), "nothing is made");
        // Whoever means it moves the keys away.
        std::fs::remove_dir_all(keys_folder(home.path(), &instance)).unwrap();
        assert_ne!(open(&settings).unwrap().instance(), instance);
    }

    #[test]
    fn a_first_start_that_was_cut_goes_on_with_its_keys() {
        let home = tempfile::tempdir().unwrap();
        let settings = settings(home.path());
        let keys = Keys::create(&settings.keys, "abc", &settings.state).unwrap();
        assert_eq!(open(&settings).unwrap().instance(), keys.instance());
    }

    #[test]
    fn a_missing_key_refuses_and_says_which() {
        let home = tempfile::tempdir().unwrap();
        let settings = settings(home.path());
        let instance = open(&settings).unwrap().instance().to_owned();
        for which in ["digest", "encryption"] {
            let (key, away) = (keys_folder(home.path(), &instance).join(which), home.path().join("away"));
            std::fs::rename(&key, &away).unwrap();
            let refused = open(&settings).err().expect("a key is missing").to_string();
            assert!(refused.contains(&format!("the {which} key")) && refused.contains(&instance), "{refused}");
            std::fs::rename(&away, &key).unwrap();
        }
        open(&settings).unwrap();
    }

    #[test]
    fn keys_of_an_operator_name_their_instance() {
        let home = tempfile::tempdir().unwrap();
        let mut settings = settings(home.path());
        let file = home.path().join("keys.txt");
        std::fs::write(&file, Keys::new_text("ours").unwrap().as_bytes()).unwrap();
        std::fs::set_permissions(&file, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
        settings.keys = KeyPlace::File(file);
        assert_eq!(open(&settings).unwrap().instance(), "ours");
        assert_eq!(open(&settings).unwrap().instance(), "ours");
    }

    #[test]
    fn a_server_lets_only_named_file_systems_in() {
        let home = tempfile::tempdir().unwrap();
        let mut settings = settings(home.path());
        settings.file_systems = FileSystems::Refused(["overlay".to_owned()].into());
        let found = verdict(home.path()).unwrap();
        let judged = check_file_system(&settings);
        match found {
            Verdict::Sound { .. } => assert!(judged.unwrap().is_empty()),
            Verdict::ThrowAway { .. } => assert_eq!(judged.unwrap().len(), 1),
            Verdict::Unsound { kind: "overlay", .. } => {
                assert_eq!(judged.unwrap().len(), 1);
                settings.file_systems = FileSystems::Refused([].into());
                let refused = check_file_system(&settings).unwrap_err().to_string();
                assert!(refused.contains("--file-system overlay"), "{refused}");
            }
            other => assert!(judged.unwrap_err().to_string().contains(other.kind())),
        }
    }
}
