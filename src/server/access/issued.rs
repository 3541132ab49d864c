//! Tokens for others than the user who runs the server: named, limited in what they may do and for how long, shown once,
//! revoked at once (THREATS.md T24). They lie in the state folder by their digests alone.
//!
//! They are no part of a backup: who restores one issues new tokens.

use super::scope::{Caller, Scope};
use super::token::{digest_of, new_token};
use super::worlds::Worlds;
use crate::model::{Milliseconds, Name, Wall};
use crate::server::place;
use crate::state::Principal;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use subtle::ConstantTimeEq;
use tokio::sync::watch;
use zeroize::Zeroizing;

/// What the principal of an issued token begins with.
const TOKEN: &str = "token:";

/// The file in the state folder.
const FILE: &str = "tokens";
/// The largest such file: many times what [`KEPT_MAX`] tokens need.
const FILE_BYTES_MAX: u64 = 1024 * 1024;
/// Tokens at once: each request is compared with all of them.
pub const KEPT_MAX: usize = 100;
/// The longest that a token may be good.
pub const DAYS_MAX: u16 = 90;
/// How long one is good where nobody says.
pub const DAYS: u16 = 30;
/// The file's format. An older deployd, which knows nothing of a token's worlds, must not let one in everywhere: it refuses
/// the file.
const FORMAT: u32 = 2;
/// The oldest that is read: before tokens were limited to worlds.
const FORMAT_MIN: u32 = 1;

/// The tokens that were issued.
pub struct Issued {
    file: PathBuf,
    kept: Mutex<Vec<Token>>,
    revoked: watch::Sender<u64>,
}

/// One of them, without what it is.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Token {
    /// Its name: who has it is `token:<name>` in history.
    pub name: Name,
    /// What it gives.
    pub scopes: BTreeSet<Scope>,
    /// In which worlds.
    #[serde(default)]
    pub worlds: Worlds,
    /// When it was issued.
    pub made: Wall,
    /// By whom.
    pub by: Principal,
    /// Until when it is good.
    pub expires: Wall,
    digest: String,
}

#[derive(Serialize, Deserialize)]
struct Kept {
    format: u32,
    tokens: Vec<Token>,
}

/// Why none was issued.
#[derive(Debug)]
pub enum NotIssued {
    /// There is one of that name.
    Taken,
    /// There are too many.
    TooMany,
    /// The file cannot be written, or there is no randomness.
    Io(io::Error),
}

impl Issued {
    /// Those that lie in a state folder.
    ///
    /// # Errors
    /// The file is there and cannot be read: it is never taken for none, and never written over.
    pub fn open(state: &Path) -> io::Result<Issued> {
        let file = state.join(FILE);
        let odd = |why: String| io::Error::new(io::ErrorKind::InvalidData, format!("{}: {why}", file.display()));
        let kept = match place::read(&file, FILE_BYTES_MAX)? {
            None => Vec::new(),
            Some(text) => match serde_json::from_str::<Kept>(&text) {
                Ok(Kept { format: FORMAT_MIN..=FORMAT, tokens }) => tokens,
                Ok(Kept { format, .. }) => return Err(odd(format!("format {format} is of a newer deployd"))),
                Err(error) => return Err(odd(error.to_string())),
            },
        };
        Ok(Issued { file, kept: Mutex::new(kept), revoked: watch::Sender::new(0) })
    }

    /// Issues one. Durable when this returns.
    ///
    /// # Errors
    /// [`NotIssued`]; nothing has changed then.
    pub fn issue(
        &self,
        name: Name,
        scopes: BTreeSet<Scope>,
        worlds: Worlds,
        days: u16,
        by: Principal,
        now: Wall,
    ) -> Result<(Zeroizing<String>, Token), NotIssued> {
        let mut kept = self.kept();
        let mut next: Vec<Token> = kept.iter().filter(|token| now < token.expires).cloned().collect();
        if next.iter().any(|token| token.name == name) {
            return Err(NotIssued::Taken);
        }
        if next.len() >= KEPT_MAX {
            return Err(NotIssued::TooMany);
        }
        let secret = new_token().map_err(NotIssued::Io)?;
        let expires = now.plus(Milliseconds::seconds(u64::from(days) * 24 * 3600));
        let digest = digest_of(&secret).to_hex().to_string();
        let token = Token { name, scopes, worlds, made: now, by, expires, digest };
        next.push(token.clone());
        self.write(&next).map_err(NotIssued::Io)?;
        *kept = next;
        Ok((secret, token))
    }

    /// Those that are good, sorted by name.
    #[must_use]
    pub fn list(&self, now: Wall) -> Vec<Token> {
        let mut good: Vec<Token> = self.kept().iter().filter(|token| now < token.expires).cloned().collect();
        good.sort_by(|one, other| one.name.cmp(&other.name));
        good
    }

    /// Revokes one: nobody is let in by it any more when this returns. Whether there was one.
    ///
    /// # Errors
    /// The file cannot be written: then it is still good.
    pub fn revoke(&self, name: &Name) -> io::Result<bool> {
        let mut kept = self.kept();
        let next: Vec<Token> = kept.iter().filter(|token| token.name != *name).cloned().collect();
        if next.len() == kept.len() {
            return Ok(false);
        }
        self.write(&next)?;
        *kept = next;
        self.revoked.send_modify(|count| *count += 1);
        Ok(true)
    }

    /// Hears when a token was revoked: what is open for whoever had it ends then.
    #[must_use]
    pub fn revocations(&self) -> watch::Receiver<u64> {
        self.revoked.subscribe()
    }

    /// Whether somebody who was let in would still be. Who came in otherwise than by an issued token is.
    #[must_use]
    pub fn still(&self, caller: &Caller, now: Wall) -> bool {
        let Some(name) = caller.principal.0.strip_prefix(TOKEN) else { return true };
        let gives = |token: &Token| token.scopes == caller.scopes && token.worlds == caller.worlds;
        self.kept().iter().any(|token| token.name.as_str() == name && now < token.expires && gives(token))
    }

    /// Who has that token, if anybody. Takes the same time whatever it is: all are compared.
    #[must_use]
    pub fn caller(&self, token: &str, now: Wall) -> Option<Caller> {
        let digest = digest_of(token).to_hex();
        let mut found = None;
        for token in self.kept().iter() {
            let same = bool::from(token.digest.as_bytes().ct_eq(digest.as_bytes()));
            if same && now < token.expires {
                let principal = Principal(format!("{TOKEN}{}", token.name));
                found = Some(Caller { principal, scopes: token.scopes.clone(), worlds: token.worlds.clone() });
            }
        }
        found
    }

    fn write(&self, tokens: &[Token]) -> io::Result<()> {
        let kept = Kept { format: FORMAT, tokens: tokens.to_vec() };
        let text = serde_json::to_string(&kept).expect("tokens are JSON");
        place::write(&self.file, &text)
    }

    /// What is guarded here is whole between calls, whoever panicked.
    fn kept(&self) -> MutexGuard<'_, Vec<Token>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::MetadataExt as _;

    const DAY: u64 = 24 * 3600 * 1000;

    fn issue(issued: &Issued, name: &'static str, days: u16) -> Result<Zeroizing<String>, NotIssued> {
        let by = Principal("cli:ann".to_owned());
        issued.issue(Name::fixed(name), [Scope::Read].into(), Worlds::All, days, by, Wall(0)).map(|(secret, _)| secret)
    }

    #[test]
    fn t24_tokens_are_kept_by_their_digests_and_outlive_the_server() {
        let state = tempfile::tempdir().unwrap();
        let issued = Issued::open(state.path()).unwrap();
        let secret = issue(&issued, "ci", 1).unwrap();
        let text = std::fs::read_to_string(state.path().join(FILE)).unwrap();
        assert!(!text.contains(&secret["deployd_".len()..]), "{text}");
        assert_eq!(std::fs::metadata(state.path().join(FILE)).unwrap().mode() & 0o777, 0o600);

        let again = Issued::open(state.path()).unwrap();
        let caller = again.caller(&secret, Wall(DAY - 1)).unwrap();
        assert_eq!((caller.principal.0.as_str(), caller.scopes), ("token:ci", [Scope::Read].into()));
        assert_eq!(again.caller(&secret, Wall(DAY)), None, "it has expired");
        assert_eq!(again.list(Wall(DAY)), []);
        assert!(matches!(issue(&again, "ci", 1), Err(NotIssued::Taken)));

        assert!(again.revoke(&Name::fixed("ci")).unwrap());
        assert_eq!(again.caller(&secret, Wall(1)), None);
        assert!(!again.revoke(&Name::fixed("ci")).unwrap());
        assert_eq!(Issued::open(state.path()).unwrap().caller(&secret, Wall(1)), None, "it does not come back");
    }

    #[test]
    fn t24_a_file_that_cannot_be_read_is_not_taken_for_none() {
        let state = tempfile::tempdir().unwrap();
        for bad in ["", "{", "{\"format\":3,\"tokens\":[]}", "{\"format\":1,\"tokens\":[{}]}"] {
            std::fs::write(state.path().join(FILE), bad).unwrap();
            let refused = Issued::open(state.path()).err().expect("it cannot be read").to_string();
            assert!(refused.contains("tokens"), "{refused}");
            assert_eq!(std::fs::read_to_string(state.path().join(FILE)).unwrap(), bad);
        }
    }

    #[test]
    fn t24_worlds_outlive_the_server_and_files_of_before_are_read() {
        let state = tempfile::tempdir().unwrap();
        let issued = Issued::open(state.path()).unwrap();
        let only = Worlds::Only([Name::fixed("staging")].into());
        let by = Principal("cli:ann".to_owned());
        let (secret, _) = issued.issue(Name::fixed("ci"), [Scope::Read].into(), only.clone(), 1, by, Wall(0)).unwrap();
        let again = Issued::open(state.path()).unwrap();
        let caller = again.caller(&secret, Wall(1)).unwrap();
        assert_eq!(caller.worlds, only);
        assert!(again.still(&caller, Wall(1)));
        // Issued anew under its name, but for all worlds: what was opened with the first one is not its.
        assert!(!again.still(&Caller { worlds: Worlds::All, ..caller }, Wall(1)));

        let text = std::fs::read_to_string(state.path().join(FILE)).unwrap();
        let before = text.replace("\"format\":2", "\"format\":1").replace(",\"worlds\":[\"staging\"]", "");
        assert_ne!(text.len(), before.len());
        std::fs::write(state.path().join(FILE), before).unwrap();
        let old = Issued::open(state.path()).unwrap();
        assert_eq!(old.caller(&secret, Wall(1)).unwrap().worlds, Worlds::All);
    }

    #[test]
    fn there_are_not_too_many_at_once() {
        let state = tempfile::tempdir().unwrap();
        let issued = Issued::open(state.path()).unwrap();
        let by = || Principal("cli:ann".to_owned());
        let name = |number: usize| Name::new(format!("t{number}")).unwrap();
        for number in 0..KEPT_MAX {
            issued.issue(name(number), [Scope::Read].into(), Worlds::All, 1, by(), Wall(0)).unwrap();
        }
        let more = issued.issue(name(KEPT_MAX), [Scope::Read].into(), Worlds::All, 1, by(), Wall(0));
        assert!(matches!(more, Err(NotIssued::TooMany)));
        // Those that have expired make room.
        issued.issue(name(KEPT_MAX), [Scope::Read].into(), Worlds::All, 1, by(), Wall(DAY)).unwrap();
        assert_eq!(issued.list(Wall(DAY)).len(), 1);
    }
}
