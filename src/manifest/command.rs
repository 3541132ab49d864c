//! `Command`: a command line, as it is started.

use std::fmt;

/// A command line.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Command {
    /// Words that are started as they are: the first is the program. Never empty.
    Words(Vec<String>),
    /// Text that goes to `sh -c`, since it has characters that mean something to a shell.
    Shell(String),
}

/// What makes a text the shell's. A word that needs none of them is the same with and without a shell.
const SHELL_CHARACTERS: &[char] =
    &['|', '&', ';', '<', '>', '(', ')', '$', '`', '\\', '"', '\'', '*', '?', '[', ']', '{', '}', '#', '~', '!', '\n'];

impl Command {
    /// Reads a command line that was written as text. Nothing comes of text without a word.
    #[must_use]
    pub fn of_text(text: &str) -> Option<Command> {
        let text = text.trim();
        let first = text.split_ascii_whitespace().next()?;
        // `PORT=80 ./server` sets a variable only in a shell.
        if text.contains(SHELL_CHARACTERS) || first.contains('=') {
            return Some(Command::Shell(text.to_owned()));
        }
        Some(Command::Words(text.split_ascii_whitespace().map(str::to_owned).collect()))
    }

    /// The quote of a shell's text that nothing closes: a shell ends with an error there, whatever else the text says. Texts
    /// in which quotes nest (substitutions, here-documents) are left to the shell.
    #[must_use]
    pub fn open_quote(text: &str) -> Option<char> {
        if ["$(", "${", "`", "<<", "$'"].iter().any(|nests| text.contains(nests)) {
            return None;
        }
        let (mut open, mut before) = (None, ' ');
        let mut characters = text.chars();
        while let Some(one) = characters.next() {
            match (open, one) {
                (None | Some('"'), '\\') => drop(characters.next()),
                (None, '\'' | '"') => open = Some(one),
                (None, '#') if before.is_whitespace() || before == ';' => {
                    characters.by_ref().find(|one| *one == '\n');
                }
                (Some(quote), one) if quote == one => open = None,
                _ => {}
            }
            before = one;
        }
        open
    }

    /// The words that are handed to the operating system.
    #[must_use]
    pub fn argv(&self) -> Vec<String> {
        match self {
            Command::Words(words) => words.clone(),
            Command::Shell(text) => vec!["sh".to_owned(), "-c".to_owned(), text.clone()],
        }
    }
}

impl fmt::Display for Command {
    /// As a person would type it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words = match self {
            Command::Shell(text) => return f.write_str(text),
            Command::Words(words) => words,
        };
        for (index, word) in words.iter().enumerate() {
            if index > 0 {
                f.write_str(" ")?;
            }
            let bare = !word.is_empty() && !word.contains(SHELL_CHARACTERS) && !word.contains(char::is_whitespace);
            if bare { f.write_str(word)? } else { write!(f, "'{}'", word.replace('\'', r"'\''"))? }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_split_or_goes_to_the_shell() {
        let words = Command::of_text("  python3  -m app ").unwrap();
        assert_eq!(words, Command::Words(vec!["python3".into(), "-m".into(), "app".into()]));
        for shell in ["a && b", "a > b", "FOO=1 ./x", "echo $PORT", "a 'b c'", "ls *.py"] {
            assert!(matches!(Command::of_text(shell), Some(Command::Shell(_))), "{shell}");
        }
        assert!(matches!(Command::of_text("./x --flag=1"), Some(Command::Words(_))));
        assert_eq!(Command::of_text(" \n "), None);
        let open = |text| Command::open_quote(text);
        assert_eq!((open("python -c 'pass"), open(r#"echo "it's"#)), (Some('\''), Some('"')));
        for closed in
            [r#"echo "it's" 'a "b' \' c"#, "echo a # don't", "echo a#b 'c'", r#"sh -c "$(cat '"')""#, "echo \"\\\"\""]
        {
            assert_eq!(open(closed), None, "{closed}");
        }
        assert_eq!(Command::Words(vec!["echo".into(), "it's".into()]).to_string(), r"echo 'it'\''s'");
    }
}
