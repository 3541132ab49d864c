//! Tokens: made of chance, compared by their digests in constant time, never kept as they are.

use super::scope::{Caller, Scope};
use super::worlds::Worlds;
use crate::model::Wall;
use crate::state::Principal;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use std::collections::BTreeSet;
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

/// What a token begins with, so that scanners for leaked secrets know it.
const PREFIX: &str = "deployd_";
/// 32 bytes: nobody guesses them.
const TOKEN_BYTES: usize = 32;

/// What one token gives.
#[derive(Clone, Debug)]
pub struct Grant {
    digest: blake3::Hash,
    principal: Principal,
    scopes: BTreeSet<Scope>,
    expires: Option<Wall>,
}

/// The tokens that a server knows, by their digests.
#[derive(Clone, Debug, Default)]
pub struct Tokens(Vec<Grant>);

/// A new token.
///
/// # Errors
/// When the machine gives no randomness.
pub fn new_token() -> std::io::Result<Zeroizing<String>> {
    let mut bytes = Zeroizing::new([0; TOKEN_BYTES]);
    getrandom::fill(bytes.as_mut_slice()).map_err(|error| std::io::Error::other(error.to_string()))?;
    let mut token = Zeroizing::new(String::with_capacity(PREFIX.len() + TOKEN_BYTES * 4 / 3 + 1));
    token.push_str(PREFIX);
    URL_SAFE_NO_PAD.encode_string(bytes.as_slice(), &mut token);
    Ok(token)
}

/// What a token is known by.
pub(super) fn digest_of(token: &str) -> blake3::Hash {
    blake3::hash(token.as_bytes())
}

impl Grant {
    /// What a token gives: to whom, for what, and until when.
    #[must_use]
    pub fn new(token: &str, principal: Principal, scopes: BTreeSet<Scope>, expires: Option<Wall>) -> Grant {
        Grant { digest: digest_of(token), principal, scopes, expires }
    }
}

impl Tokens {
    /// Tokens that give these.
    #[must_use]
    pub fn new(grants: Vec<Grant>) -> Tokens {
        Tokens(grants)
    }

    /// Who has that token, if anybody and if it has not expired. Takes the same time whatever it is: all are compared.
    #[must_use]
    pub fn caller(&self, token: &str, now: Wall) -> Option<Caller> {
        let digest = digest_of(token);
        let mut found = None;
        for grant in &self.0 {
            let same = bool::from(grant.digest.as_bytes().ct_eq(digest.as_bytes()));
            let good = grant.expires.is_none_or(|expires| now < expires);
            if same && good {
                found = Some(Caller {
                    principal: grant.principal.clone(),
                    scopes: grant.scopes.clone(),
                    worlds: Worlds::All,
                });
            }
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_known_until_they_expire() {
        let token = new_token().unwrap();
        assert!(token.starts_with(PREFIX) && token.len() == PREFIX.len() + 43);
        assert_ne!(*token, *new_token().unwrap());
        let grant = Grant::new(&token, Principal("token:ci".into()), [Scope::Read].into(), Some(Wall(100)));
        assert!(!format!("{grant:?}").contains(&token[PREFIX.len()..]), "a grant cannot print its token");
        let tokens = Tokens::new(vec![grant]);
        let caller = tokens.caller(&token, Wall(99)).unwrap();
        assert_eq!((caller.principal.0.as_str(), caller.scopes), ("token:ci", [Scope::Read].into()));
        assert_eq!(tokens.caller(&token, Wall(100)), None);
        assert_eq!(tokens.caller(&token[1..], Wall(0)), None);
        assert_eq!(tokens.caller("", Wall(0)), None);
    }
}
