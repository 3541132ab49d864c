//! Text that looks like a key, and what to write instead (T26). Nothing here ever repeats the text.

use crate::diagnostic::{Diagnostic, Place, has_key};

/// The code of these diagnostics. Renderers hide what stands at their places.
pub(super) const CODE: &str = crate::diagnostic::SECRET_IN_FILE;

/// Ends of names that say that a secret is in them.
const NAMES: [&str; 9] =
    ["PASSWORD", "PASSWD", "PASSPHRASE", "SECRET", "TOKEN", "API_KEY", "SECRET_KEY", "PRIVATE_KEY", "MASTER_KEY"];

/// The shortest text that is taken for a secret by its name alone: `debug` under `SESSION_SECRET` is a switch.
const NAMED_LENGTH_MIN: usize = 8;

/// A diagnostic if text that stands under a name looks like a key. `variable` is the environment variable that it
/// makes or could make.
pub(super) fn check(variable: &str, text: &str, place: &Place) -> Option<Diagnostic> {
    let variable = variable.to_ascii_uppercase().replace('-', "_");
    let detail = detail_of(&variable, text)?;
    let mistake = Diagnostic::error(CODE, "secret in a file", detail).at(place);
    Some(if detail == URL {
        mistake.help(format!(
            "write `${{secrets.{variable}_PASSWORD}}` for the password, and once: deployd secret set WORLD {variable}_PASSWORD"
        ))
    } else {
        mistake.help(format!("write secrets: [{variable}], and once: deployd secret set WORLD {variable}"))
    })
}

/// The same of a value of a definition, by the name of its field.
pub fn secret_in_definition(field: &str, text: &str, place: &Place) -> Option<Diagnostic> {
    let name = field.to_ascii_uppercase().replace('-', "_");
    let detail = detail_of(&name, text)?;
    let help = format!("write `${{secrets.{name}}}`, and once: deployd secret set WORLD {name}");
    Some(Diagnostic::error(CODE, "secret in a file", detail).at(place).help(help))
}

fn detail_of(variable: &str, text: &str) -> Option<&'static str> {
    let is_named = || names_a_secret(variable) && could_be_a_secret(text);
    shape_of(text).or_else(|| is_named().then_some("a secret cannot stand in a file that is shared"))
}

/// A diagnostic if a command has something in it that looks like a key. A URL with a password may be one of a test's own.
pub(super) fn check_command(text: &str, place: &Place) -> Option<Diagnostic> {
    let detail = has_key(text).then_some(KEY)?;
    let help = "write secrets: [NAME], let the command use $NAME, and once: deployd secret set WORLD NAME";
    Some(Diagnostic::error(CODE, "secret in a file", detail).at(place).help(help))
}

const KEY: &str = "this looks like a key, and a file is shared";
const URL: &str = "this URL has a password in it, and a file is shared";

fn shape_of(text: &str) -> Option<&'static str> {
    if text.contains("-----BEGIN") && text.contains("PRIVATE KEY-----") {
        return Some("this is a private key, and a file is shared");
    }
    if has_password(text) {
        return Some(URL);
    }
    has_key(text).then_some(KEY)
}

/// `scheme://user:password@host` with a password that is written out.
fn has_password(text: &str) -> bool {
    text.match_indices("://").any(|(at, _)| {
        let authority = text[at + 3..].split(['/', '?', '#', ' ', '\n']).next().unwrap_or_default();
        authority
            .rsplit_once('@')
            .and_then(|(user, _)| user.split_once(':'))
            .is_some_and(|(_, password)| !password.is_empty() && !password.contains('$'))
    })
}

fn names_a_secret(variable: &str) -> bool {
    NAMES
        .iter()
        .any(|name| variable.strip_suffix(name).is_some_and(|before| before.is_empty() || before.ends_with('_')))
}

/// Neither a path, nor an address, nor a sentence, nor something that is filled in.
fn could_be_a_secret(text: &str) -> bool {
    text.len() >= NAMED_LENGTH_MIN
        && !text.starts_with(['/', '.'])
        && !text.contains("://")
        && !text.contains('$')
        && !text.contains(char::is_whitespace)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn looks(variable: &str, text: &str) -> bool {
        check(variable, text, &Place::new(&"t".into(), 1, 1, 1)).is_some()
    }

    #[test]
    fn keys_are_seen_and_the_rest_is_let_be() {
        assert!(looks("X", "AKIAIOSFODNN7EXAMPLE"));
        assert!(looks("X", "ghp_0123456789abcdefghijABCDEFGHIJ456789"));
        assert!(looks("X", "-----BEGIN RSA PRIVATE KEY-----\nMIIE"));
        assert!(looks("DATABASE_URL", "postgres://app:hunter2@db/app"));
        assert!(looks("DB_PASSWORD", "correcthorse"));
        assert!(looks("X", "curl -H 'Authorization: sk_live_0123456789abcdef'"));
        for (variable, text) in [
            ("X", "info"),
            ("DATABASE_URL", "postgres://app:${secrets.DB}@db/app"),
            ("DATABASE_URL", "postgres://db/app"),
            ("DB_PASSWORD_FILE", "/run/secrets/db-password"),
            ("DB_PASSWORD", "/run/secrets/db-password"),
            ("TOKEN", "${secrets.TOKEN}"),
            ("SESSION_SECRET", "debug"),
            ("GIT_SHA", "0123456789abcdef0123456789abcdef01234567"),
            ("MONKEY", "bananabanana"),
            ("X", "AKIA is how keys of AWS begin"),
        ] {
            assert!(!looks(variable, text), "{variable}: {text}");
        }
    }
}
