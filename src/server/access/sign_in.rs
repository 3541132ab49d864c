//! Browsers: one-time links and the sessions that they open. In memory alone: who restarts the server signs in again.

use super::scope::{Caller, Scope};
use super::token::new_token;
use super::worlds::Worlds;
use crate::model::{Milliseconds, Wall};
use crate::state::Principal;
use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

/// How long a link is good: long enough to be clicked later in the hour, too short to be found in a scrollback.
const LINK_GOOD_FOR: Milliseconds = Milliseconds(60 * 60_000);
/// How long a browser stays signed in: a working day.
pub const SESSION_SECONDS: u64 = 12 * 60 * 60;
const SESSION_GOOD_FOR: Milliseconds = Milliseconds(SESSION_SECONDS * 1000);
/// Links that are out and browsers that are signed in: more than a user has; the oldest go.
const KEPT_MAX: usize = 64;

/// One-time links and sessions.
#[derive(Default)]
pub struct SignIns(Mutex<Kept>);

#[derive(Default)]
struct Kept {
    links: BTreeMap<[u8; 32], (Wall, Principal)>,
    sessions: BTreeMap<[u8; 32], Session>,
}

struct Session {
    expires: Wall,
    principal: Principal,
    csrf: [u8; 32],
}

/// What a browser gets that was signed in: shown once.
pub struct SignedIn {
    /// The cookie's value.
    pub session: Zeroizing<String>,
    /// What it must send with everything that changes something.
    pub csrf: Zeroizing<String>,
}

impl SignIns {
    /// A secret for a link that signs a browser in once, for that person, and until when it is good.
    ///
    /// # Errors
    /// When the machine gives no randomness.
    pub fn link(&self, principal: &Principal, now: Wall) -> std::io::Result<(Zeroizing<String>, Wall)> {
        let (secret, expires) = (new_token()?, now.plus(LINK_GOOD_FOR));
        let mut kept = self.kept();
        kept.links.retain(|_, (expires, _)| now < *expires);
        make_room(&mut kept.links, |(expires, _)| *expires);
        kept.links.insert(digest(&secret), (expires, principal.clone()));
        Ok((secret, expires))
    }

    /// Uses a link up.
    ///
    /// # Errors
    /// When the machine gives no randomness; the link is used up all the same.
    pub fn sign_in(&self, secret: &str, now: Wall) -> std::io::Result<Option<SignedIn>> {
        let mut kept = self.kept();
        // Found by its digest: how long that takes says nothing of the secret.
        let Some((expires, principal)) = kept.links.remove(&digest(secret)) else { return Ok(None) };
        if now >= expires {
            return Ok(None);
        }
        let signed_in = SignedIn { session: new_token()?, csrf: new_token()? };
        kept.sessions.retain(|_, session| now < session.expires);
        make_room(&mut kept.sessions, |session| session.expires);
        let session = Session { expires: now.plus(SESSION_GOOD_FOR), principal, csrf: digest(&signed_in.csrf) };
        kept.sessions.insert(digest(&signed_in.session), session);
        Ok(Some(signed_in))
    }

    /// Who is signed in by that cookie, and whether what it sent beside it is what it was given.
    #[must_use]
    pub fn caller(&self, session: &str, csrf: Option<&str>, now: Wall) -> Option<(Caller, bool)> {
        let kept = self.kept();
        let session = kept.sessions.get(&digest(session)).filter(|session| now < session.expires)?;
        let proved = csrf.is_some_and(|csrf| bool::from(digest(csrf).ct_eq(&session.csrf)));
        Some((Caller { principal: session.principal.clone(), scopes: Scope::all(), worlds: Worlds::All }, proved))
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        // What it guards is whole between any two lines.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn digest(secret: &str) -> [u8; 32] {
    *blake3::hash(secret.as_bytes()).as_bytes()
}

fn make_room<V>(kept: &mut BTreeMap<[u8; 32], V>, expires: impl Fn(&V) -> Wall) {
    while kept.len() >= KEPT_MAX {
        let oldest = kept.iter().min_by_key(|(_, value)| expires(value)).map(|(key, _)| *key);
        oldest.map(|key| kept.remove(&key));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_signs_in_once_and_for_a_time() {
        let (sign_ins, ann) = (SignIns::default(), Principal("browser:ann".into()));
        let (link, expires) = sign_ins.link(&ann, Wall(0)).unwrap();
        assert!(sign_ins.sign_in("deployd_other", Wall(1)).unwrap().is_none());
        let signed_in = sign_ins.sign_in(&link, Wall(1)).unwrap().unwrap();
        assert!(sign_ins.sign_in(&link, Wall(1)).unwrap().is_none(), "it is used up");

        let (caller, proved) = sign_ins.caller(&signed_in.session, Some(&signed_in.csrf), Wall(2)).unwrap();
        assert_eq!((caller.principal, proved), (ann.clone(), true));
        assert!(!sign_ins.caller(&signed_in.session, None, Wall(2)).unwrap().1);
        assert!(!sign_ins.caller(&signed_in.session, Some(&signed_in.session), Wall(2)).unwrap().1);
        assert!(sign_ins.caller(&signed_in.csrf, None, Wall(2)).is_none());
        assert!(sign_ins.caller(&signed_in.session, None, Wall(1).plus(SESSION_GOOD_FOR)).is_none());

        let (late, _) = sign_ins.link(&ann, Wall(0)).unwrap();
        assert!(sign_ins.sign_in(&late, expires).unwrap().is_none());
    }

    #[test]
    fn the_oldest_make_room() {
        let (sign_ins, ann) = (SignIns::default(), Principal("browser:ann".into()));
        let links: Vec<_> = (0..KEPT_MAX as u64 + 1).map(|at| sign_ins.link(&ann, Wall(at)).unwrap().0).collect();
        assert!(sign_ins.sign_in(&links[0], Wall(100)).unwrap().is_none());
        assert!(sign_ins.sign_in(&links[1], Wall(100)).unwrap().is_some());
    }
}
