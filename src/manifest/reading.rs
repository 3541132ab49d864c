//! What all readers of this module share: where mistakes go, and how plain text, names, paths and commands are read.

use super::{Command, NotARelativePath, RelativePath, Scope, Text, TextPart, secret_text};
use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::document::{Node, Shape, Spanned};
use crate::model::Name;

/// One reading of one map.
pub(super) struct Reading<'f> {
    /// Where mistakes go.
    pub found: &'f mut Diagnostics,
    /// How many folders lie above the manifest in its source.
    pub depth: u32,
    /// What references may name.
    pub scope: Scope,
}

impl Reading<'_> {
    pub fn push(&mut self, diagnostic: Diagnostic) {
        self.found.push(diagnostic);
    }

    /// Text that is not empty and in which references are not read.
    pub fn text(&mut self, node: &Node, what: &str) -> Option<Spanned<String>> {
        let text = node.words(what, self.found)?;
        if let Some(mark) = node.as_scalar().and_then(|scalar| scalar.marks.first()) {
            let detail = format!("{what} is taken as it is written");
            let help = "references stand in values of `env`, `files` and `with`";
            self.push(Diagnostic::error("no-reference-here", "no reference here", detail).at(mark).help(help));
            return None;
        }
        Some(text.map(str::to_owned))
    }

    pub fn name(&mut self, node: &Node, what: &str) -> Option<Spanned<Name>> {
        self.text(node, what)?.name(what, self.found)
    }

    pub fn paths(&mut self, node: &Node, what: &str) -> Vec<Spanned<RelativePath>> {
        let mut paths = Vec::new();
        for item in self.items(node, what) {
            paths.extend(self.path(item, what));
        }
        paths
    }

    /// The items of a list, where one alone may stand without the list.
    pub fn items<'n>(&mut self, node: &'n Node, what: &str) -> &'n [Node] {
        match &node.shape {
            Shape::List(items) => items,
            Shape::Scalar(_) if !node.is_null() => std::slice::from_ref(node),
            _ => {
                self.push(node.mistake("expected-list", "expected a list", what, "a list"));
                &[]
            }
        }
    }

    /// A path relative to the manifest that stays in its source.
    pub fn path(&mut self, node: &Node, what: &str) -> Option<Spanned<RelativePath>> {
        let text = self.text(node, what)?;
        let detail = match RelativePath::read(&text.value, self.depth) {
            Ok(path) => return Some(node.spanned(path)),
            Err(NotARelativePath::Absolute) => format!("{what} is a path relative to this file"),
            Err(NotARelativePath::BadCharacter) => format!("{what} has a character that paths cannot have"),
            Err(NotARelativePath::Git) => format!("{what} may not reach into .git"),
            Err(NotARelativePath::Leaves) => format!("{what} may not leave the repository"),
        };
        self.push(Diagnostic::error("bad-path", "not a path of the repository", detail).at(&node.place));
        None
    }

    /// A command line: text, or a list of words.
    pub fn command(&mut self, node: &Node, what: &str) -> Option<Spanned<Command>> {
        if let Shape::List(words) = &node.shape {
            return self.word_list(node, words, what);
        }
        if node.as_map().is_some() {
            let detail = format!("{what} is a command line, or a list of its words; this is a map");
            let mut mistake = Diagnostic::error("expected-command", "expected a command", detail).at(&node.place);
            if node.as_map().is_some_and(|map| map.entries.len() == 1) {
                mistake = mistake.help("quote the whole command: it has a `: ` in it");
            }
            self.push(mistake);
            return None;
        }
        let text = node.words(what, self.found)?;
        self.refuse_references(node);
        secret_text::check_command(text.value, &node.place).into_iter().for_each(|mistake| self.push(mistake));
        if let Some(quote) = Command::open_quote(text.value) {
            let detail = format!("{what} opens a {quote} that nothing closes");
            let mistake = Diagnostic::error("open-quote", "a quote is not closed", detail).at(&node.place);
            self.push(mistake.help(format!("close it, or write \\{quote} for one that is meant")));
            return None;
        }
        Command::of_text(text.value).map(|command| node.spanned(command))
    }

    fn word_list(&mut self, node: &Node, words: &[Node], what: &str) -> Option<Spanned<Command>> {
        let mut read = Vec::with_capacity(words.len());
        for word in words {
            self.refuse_references(word);
            let text = word.text("each word of a command", self.found)?.value;
            secret_text::check_command(text, &word.place).into_iter().for_each(|mistake| self.push(mistake));
            if text.starts_with('$') && text.len() > 1 && !text.contains("${") {
                let detail = format!("a list of words is started without a shell: `{text}` stays as it is");
                let help = "write the command as text, and the shell fills it in";
                self.push(Diagnostic::warning("no-shell", "no shell here", detail).at(&word.place).help(help));
            }
            read.push(text.to_owned());
        }
        if read.first().is_none_or(String::is_empty) {
            let detail = format!("{what} needs a program to start");
            self.push(Diagnostic::error("empty-text", "empty text", detail).at(&node.place));
            return None;
        }
        Some(node.spanned(Command::Words(read)))
    }

    /// `$X` in a command is the shell's; what only we could fill in would show in the process list.
    fn refuse_references(&mut self, node: &Node) {
        let Some(scalar) = node.as_scalar() else { return };
        for (place, (at, _)) in scalar.marks.iter().zip(scalar.text.match_indices("${")) {
            let inside = scalar.text[at + 2..].split('}').next().unwrap_or_default();
            let is_ours = inside.contains('.') || matches!(inside, "world" | "service");
            if !is_ours || inside.contains(char::is_whitespace) {
                continue;
            }
            let variable: String =
                inside.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' }).collect();
            let detail = format!("`${{{inside}}}` in a command would show in the process list");
            self.push(
                Diagnostic::error("reference-in-command", "reference in a command", detail)
                    .at(place)
                    .help(format!("write `${variable}` here, and env: {{ {variable}: \"${{{inside}}}\" }}")),
            );
        }
    }

    /// Text in which references are read.
    pub fn filled(&mut self, node: &Node, what: &str) -> Option<Spanned<Text>> {
        node.text(what, self.found)?;
        Some(node.spanned(Text::read(node, self.scope, self.found)))
    }

    /// Reads the references of every scalar inside, for the mistakes in them; `see` is given each name.
    pub fn references(&mut self, node: &Node, see: &mut dyn FnMut(&Node, Text)) {
        match &node.shape {
            Shape::Scalar(_) => see(node, Text::read(node, self.scope, self.found)),
            Shape::List(items) => items.iter().for_each(|item| self.references(item, see)),
            Shape::Map(map) => map.entries.iter().for_each(|entry| self.references(&entry.value, see)),
        }
    }
}

/// Whether the text is all text, and what it says.
pub(super) fn plain_of(text: &Text) -> Option<&str> {
    match text.parts.as_slice() {
        [TextPart::Plain(plain)] => Some(plain),
        _ => None,
    }
}
