//! Which keys a map may have, and what is said about the others.

use super::tree::{Entry, Map};
use crate::diagnostic::{Diagnostic, Diagnostics, nearest};

/// The keys of one map of a format.
#[derive(Clone, Copy, Debug)]
pub struct Keys {
    /// Whose keys they are, for messages: `a service`, `a health check`.
    pub of: &'static str,
    /// The keys that it has.
    pub known: &'static [&'static str],
    /// Keys that it does not have, and that people coming from elsewhere write: each with the answer.
    pub answers: &'static [(&'static str, Answer)],
}

/// What is said about a key that is not one of ours.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Answer {
    /// It is another word for this key of ours: ``did you mean `env`?``
    Means(&'static str),
    /// It is refused on purpose, with the reason.
    Refused(&'static str),
    /// It is refused on purpose, with the reason and what to write instead.
    RefusedFor(&'static str, &'static str),
    /// It will come.
    NotBuilt,
    /// It belongs to something that will come, and that has a name of its own.
    NotBuiltAs(&'static str),
    /// It is unknown, and this says what to write instead.
    Write(&'static str),
}

impl Keys {
    /// Says everything that is wrong with the keys of a map.
    pub fn check(&self, map: &Map, found: &mut Diagnostics) {
        for entry in &map.entries {
            let key = &*entry.key.value;
            if !self.known.contains(&key) {
                found.push(self.mistake(key).at(&entry.key.place));
            }
        }
    }

    /// Whether a map has no such key, and none for which it was said that this one may be meant: that is one mistake, and
    /// is told once.
    #[must_use]
    pub fn lack(&self, map: &Map, key: &str) -> bool {
        let means = |entry: &Entry| {
            let written = &*entry.key.value;
            let answer = self.answer(written);
            let ours = || nearest(written, self.known.iter().copied()).filter(|_| answer.is_none());
            !self.known.contains(&written)
                && match ours() {
                    Some(ours) => ours == key,
                    None => {
                        matches!(answer.or_else(|| self.near_answer(written)), Some(Answer::Means(ours)) if ours == key)
                    }
                }
        };
        map.get(key).is_none() && !map.entries.iter().any(means)
    }

    fn answer(&self, word: &str) -> Option<Answer> {
        self.answers.iter().find(|(known, _)| *known == word).map(|(_, answer)| *answer)
    }

    /// `enviroment` is nearer to a word from elsewhere than to one of ours.
    fn near_answer(&self, word: &str) -> Option<Answer> {
        nearest(word, self.answers.iter().map(|(word, _)| *word)).and_then(|word| self.answer(word))
    }

    fn mistake(&self, key: &str) -> Diagnostic {
        let unknown = || Diagnostic::error("unknown-key", "unknown key", format!("{} has no such key", self.of));
        let answer = self.answer(key);
        if let Some(ours) = nearest(key, self.known.iter().copied()).filter(|_| answer.is_none()) {
            return with_number(key, unknown()).help(format!("did you mean `{ours}`?"));
        }
        match answer.or_else(|| self.near_answer(key)) {
            Some(Answer::Means(ours)) => unknown().help(format!("did you mean `{ours}`?")),
            Some(Answer::Write(line)) => unknown().help(line),
            Some(Answer::Refused(why)) => refused(why),
            Some(Answer::RefusedFor(why, instead)) => refused(why).help(instead),
            Some(Answer::NotBuilt) => not_built(&format!("`{key}`")),
            Some(Answer::NotBuiltAs(what)) => not_built(what),
            None => with_number(key, unknown()).help(format!("its keys are {}", self.known.join(", "))),
        }
    }
}

/// A letter that only looks like one of ours is told by its number.
fn with_number(key: &str, mistake: Diagnostic) -> Diagnostic {
    match key.chars().find(|letter| !letter.is_ascii()) {
        Some(letter) => mistake.help(format!("`{letter}` is U+{:04X}, which no key has", u32::from(letter))),
        None => mistake,
    }
}

/// The diagnostic of what deployd refuses on purpose.
#[must_use]
pub fn refused(why: &str) -> Diagnostic {
    Diagnostic::error("refused-on-purpose", "refused on purpose", why)
}

/// The diagnostic of a part that deployd will have and has not yet, by its name: `` `canary` ``, `a UDP port`.
#[must_use]
pub fn not_built(what: &str) -> Diagnostic {
    Diagnostic::not_built(what)
}
