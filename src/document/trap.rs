//! The mistakes of YAML that people fall into, each with an answer of its own, and how the text is mended where it is
//! certain what was meant, so that the mistakes behind it are found too.

use super::line::Line;
use crate::diagnostic::{Diagnostic, Place};
use granit_parser::{ErrorKind, ScanError};
use std::sync::Arc;

/// The codes of mistakes that can be mended.
pub(super) const MENDED_CODES: [&str; 5] = ["tab", "unquoted", "behind-quotes", "bad-escape", "list-behind-key"];

/// A mistake of syntax.
pub(super) struct Trap {
    /// What is said about it.
    pub diagnostic: Diagnostic,
    /// How reading can go on. Nothing where it is not certain what was meant.
    pub mend: Option<Mend>,
}

/// A change of one line, or of the beginnings of many. What stands in these lines then is ours, and no mistake in it is
/// told.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Mend {
    /// The bytes of one line, from and to, become letters that mean nothing to YAML.
    Blot { line: u32, from: usize, to: usize },
    /// Tabs in front of lines become two spaces each.
    Untab,
}

/// Where something was mended: some columns of a line, from 1.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Mended {
    pub line: u32,
    from: u32,
    to: u32,
}

impl Mended {
    /// Whether a place is in it, or holds it.
    pub fn touches(&self, place: &Place) -> bool {
        let end = place.column.saturating_add(place.length);
        place.line == self.line && place.column < self.to && end > self.from
    }
}

impl Mend {
    /// Where it changes the text.
    pub fn places(&self, text: &str) -> Vec<Mended> {
        match self {
            Mend::Blot { line, from, to } => {
                let it = Line::at(text, *line);
                let column = |at: usize| it.text.get(..at).map_or(1, |before| before.chars().count() as u32 + 1);
                vec![Mended { line: *line, from: column(*from), to: column(*to) }]
            }
            // Where the tabs were, columns are no longer what they were: all of these lines.
            Mend::Untab => {
                let tabbed = (1..).zip(text.lines()).filter(|(_, line)| has_tab(line));
                tabbed.map(|(line, _)| Mended { line, from: 1, to: u32::MAX }).collect()
            }
        }
    }
}

/// What is wrong where the parser stopped. `innermost` is the list or map that is open there.
pub(super) fn explain(file: &Arc<str>, text: &str, error: &ScanError, innermost: Option<&Place>) -> Trap {
    let marker = error.marker();
    let line = Line::at(text, marker.line() as u32);
    let at = line.byte_of_column(marker.col());
    if let Some(trap) = tab(file, text, error) {
        return trap;
    }
    if is_tag(error.kind()) {
        return Trap { diagnostic: tag(&line.place(file, at, line.word_end(at))), mend: None };
    }
    let trap = match error.kind() {
        ErrorKind::ExpectedFlowMappingSeparator | ErrorKind::ExpectedFlowSequenceSeparator => {
            reference_in_flow(file, &line, at).or_else(|| colon_in_flow(file, &line, at))
        }
        ErrorKind::InvalidColonPlacement
        | ErrorKind::UnexpectedEofFlowMapping
        | ErrorKind::UnexpectedEofFlowSequence => innermost.map(|place| not_closed(text, place)),
        ErrorKind::MissingAnchorOrAliasName | ErrorKind::UnexpectedCharacter { .. } => first_character(file, &line, at),
        ErrorKind::MappingValueNotAllowed => colon_in_value(file, text, &line, at),
        ErrorKind::InvalidTrailingDoubleQuotedScalar | ErrorKind::InvalidTrailingSingleQuotedScalar => {
            behind_quotes(file, &line, at)
        }
        ErrorKind::UnknownQuotedScalarEscape => bad_escape(file, &line, at),
        ErrorKind::BlockSequenceEntryNotAllowed => list_behind_key(file, &line, at),
        _ => None,
    };
    trap.unwrap_or_else(|| plainly(file, &line, at, error.kind()))
}

/// A tag; the format gives each value its type.
pub(super) fn tag(place: &Place) -> Diagnostic {
    Diagnostic::error("tag", "tag", "tags are not read: the format gives each value its type")
        .at(place)
        .help("leave it out, or quote the value if it begins with !")
}

fn tab(file: &Arc<str>, text: &str, error: &ScanError) -> Option<Trap> {
    let about_tabs = matches!(
        error.kind(),
        ErrorKind::TabInBlockIndentation
            | ErrorKind::TabInPlainScalar
            | ErrorKind::TabInIndentation
            | ErrorKind::TabAtBlockScalarStart
            | ErrorKind::TabNotAllowed
    );
    if !about_tabs {
        return None;
    }
    let first = (error.marker().line() as u32).max(1);
    let tabbed: Vec<u32> =
        (1..).zip(text.lines()).filter(|(_, line)| has_tab(line)).map(|(number, _)| number).collect();
    // The parser may stop at the end of the line before.
    let number = *tabbed.iter().find(|number| **number >= first).or(tabbed.last())?;
    let line = Line::at(text, number);
    let indent = line.text.len() - line.text.trim_start_matches([' ', '\t']).len();
    let from = line.text.find('\t')?;
    let detail = match tabbed.len() {
        1 => "tabs cannot indent".to_owned(),
        many => format!("tabs cannot indent; {many} lines begin with one"),
    };
    let diagnostic =
        Diagnostic::error("tab", "tab", detail).at(&line.place(file, from, indent)).help("indent with spaces");
    Some(Trap { diagnostic, mend: Some(Mend::Untab) })
}

/// Whether a line is indented with a tab.
pub(super) fn has_tab(line: &str) -> bool {
    let rest = line.trim_start_matches([' ', '\t']);
    !rest.is_empty() && line[..line.len() - rest.len()].contains('\t')
}

/// `{ URL: ${x.url} }`: the `{` of the reference opens a map.
fn reference_in_flow(file: &Arc<str>, line: &Line<'_>, at: usize) -> Option<Trap> {
    let dollar =
        at.checked_sub(1).filter(|dollar| line.text.get(*dollar..).is_some_and(|from| from.starts_with("${")))?;
    let end = dollar + line.text[dollar..].find('}')? + 1;
    let reference = &line.text[dollar..end];
    let diagnostic =
        Diagnostic::error("unquoted", "not quoted", format!("inside {{ }} and [ ] put quotes around {reference}"))
            .at(&line.place(file, dollar, end))
            .help(format!("write \"{reference}\""));
    // What follows it, as in `${a.b}/x`, is text of the same value.
    let to = line.flow_value_end(end);
    Some(Trap { diagnostic, mend: Some(line.blot(dollar, to)) })
}

/// A value that begins with a character that means something else there.
fn first_character(file: &Arc<str>, line: &Line<'_>, at: usize) -> Option<Trap> {
    let first = line.text[at..].chars().next()?;
    // The mark may stand behind the character, and behind words that the parser took for aliases.
    let (from, first) = match (first, at.checked_sub(1).map(|before| line.text.as_bytes()[before])) {
        ('*' | '&' | '@' | '`' | '%', _) => (at, first),
        (_, Some(before @ (b'*' | b'&'))) => (at - 1, char::from(before)),
        _ => return None,
    };
    let from = line.value_start(from).filter(|start| line.text[*start..].starts_with('*')).unwrap_or(from);
    let to = line.value_end(from);
    Some(Trap { diagnostic: unquoted(line, first, from, to, file), mend: Some(line.blot(from, to)) })
}

/// Text that begins with a character that is YAML's.
pub(super) fn unquoted(line: &Line<'_>, first: char, from: usize, to: usize, file: &Arc<str>) -> Diagnostic {
    Diagnostic::error("unquoted", "not quoted", format!("begins with {first}: quote it"))
        .at(&line.place(file, from, to))
        .help(format!("write {}", line.with_key(from, &quoted(&line.text[from..to]))))
}

/// `{ run: echo a: b }`.
fn colon_in_flow(file: &Arc<str>, line: &Line<'_>, at: usize) -> Option<Trap> {
    if !line.text[at..].starts_with(": ") {
        return None;
    }
    let from = line.value_start(at).filter(|from| *from < at)?;
    line.key_before(from)?;
    Some(quote_whole(file, line, from))
}

fn quote_whole(file: &Arc<str>, line: &Line<'_>, from: usize) -> Trap {
    let to = line.value_end(from);
    let key = line.key_before(from).unwrap_or_default();
    let what = if matches!(key, "run" | "test" | "prepare" | "command" | "undo") { "command" } else { "value" };
    let diagnostic =
        Diagnostic::error("unquoted", "not quoted", format!("quote the whole {what}: it has a `: ` in it"))
            .at(&line.place(file, from, to))
            .help(format!("write {}", line.with_key(from, &quoted(&line.text[from..to]))));
    Trap { diagnostic, mend: Some(line.blot(from, to)) }
}

fn not_closed(text: &str, place: &Place) -> Trap {
    let line = Line::at(text, place.line);
    let open = line.text.chars().nth(place.column.saturating_sub(1) as usize).unwrap_or('[');
    let diagnostic = Diagnostic::error("not-closed", "not closed", format!("this `{open}` is not closed")).at(place);
    Trap { diagnostic, mend: None }
}

/// `run: echo "a: b"`: the second `: ` begins another value. Or the line is indented too deep.
fn colon_in_value(file: &Arc<str>, text: &str, line: &Line<'_>, at: usize) -> Option<Trap> {
    let from = line.value_start(at)?;
    if from > at {
        return None;
    }
    if from == line.indent() && !line.text[..at].contains(": ") {
        let above = Line::above(text, line.number)?;
        let detail = "this is indented deeper than the line above, which has its value already";
        let diagnostic = Diagnostic::error("bad-indentation", "wrong indentation", detail)
            .at(&line.place(file, from, at))
            .related(&above.place(file, above.indent(), above.end()), "the line above");
        return Some(Trap { diagnostic, mend: None });
    }
    Some(quote_whole(file, line, from))
}

/// `cmd: "a" b`: text behind closing quotes.
fn behind_quotes(file: &Arc<str>, line: &Line<'_>, at: usize) -> Option<Trap> {
    let from = line.value_start(at)?;
    if from >= at || !line.text[from..].starts_with(['"', '\'']) {
        return None;
    }
    let to = line.value_end_unquoted(from);
    let detail = "the value ends with its quotes, and more stands behind them";
    let diagnostic = Diagnostic::error("behind-quotes", "text behind quotes", detail)
        .at(&line.place(file, at.min(to.saturating_sub(1)), to))
        .help(format!("quote the whole: write {}", line.with_key(from, &requoted(&line.text[from..to]))));
    Some(Trap { diagnostic, mend: Some(line.blot(from, to)) })
}

/// `"\d"`: a backslash in double quotes that escapes nothing.
fn bad_escape(file: &Arc<str>, line: &Line<'_>, at: usize) -> Option<Trap> {
    const ESCAPES: &str = "0abtnvfre \"/\\N_LPxuU\t";
    let mut letters = line.text[at..].char_indices();
    while let Some((backslash, letter)) = letters.next() {
        if letter != '\\' {
            continue;
        }
        let (_, escaped) = letters.next()?;
        if !ESCAPES.contains(escaped) {
            let from = at + backslash;
            let to = from + 1 + escaped.len_utf8();
            let detail = format!("`\\{escaped}` means nothing inside double quotes");
            let diagnostic = Diagnostic::error("bad-escape", "bad escape", detail)
                .at(&line.place(file, from, to))
                .help(format!("write `\\\\{escaped}`, or use single quotes"));
            return Some(Trap { diagnostic, mend: Some(line.blot(from, to)) });
        }
    }
    None
}

/// `key: - item`.
fn list_behind_key(file: &Arc<str>, line: &Line<'_>, at: usize) -> Option<Trap> {
    line.key_before(at)?;
    let to = line.value_end(at);
    let item = line.text[at..to].trim_start_matches('-').trim();
    let diagnostic = Diagnostic::error("list-behind-key", "list behind a key", "a list begins on a line of its own")
        .at(&line.place(file, at, to))
        .help(format!("write {}", line.with_key(at, &format!("[{item}]"))));
    Some(Trap { diagnostic, mend: Some(line.blot(at, to)) })
}

/// Everything else: what is wrong in our words, where the parser stopped.
fn plainly(file: &Arc<str>, line: &Line<'_>, at: usize, kind: &ErrorKind) -> Trap {
    use ErrorKind as E;
    let mistake = |code, summary, detail: &str| Diagnostic::error(code, summary, detail);
    let diagnostic = match kind {
        E::UnclosedFlowCollection { open } => {
            mistake("not-closed", "not closed", &format!("this `{open}` is not closed"))
        }
        E::UnclosedQuotedScalar | E::DocumentIndicatorInQuotedScalar => {
            mistake("not-closed", "not closed", "these quotes are not closed")
        }
        E::MismatchedFlowCollectionEnd { open, close } => {
            mistake("not-closed", "not closed", &format!("this `{open}` is closed by `{close}`"))
        }
        E::MisplacedFlowCollectionEnd => mistake("not-open", "not open", "nothing is open that this closes"),
        E::InvalidColonPlacement | E::UnexpectedEofFlowMapping | E::UnexpectedEofFlowSequence => {
            mistake("not-closed", "not closed", "a `{` or `[` before this is not closed")
        }
        E::ExpectedFlowMappingSeparator => mistake("bad-yaml", "not YAML", "a `,` or `}` is missing before this"),
        E::ExpectedFlowSequenceSeparator => mistake("bad-yaml", "not YAML", "a `,` or `]` is missing before this"),
        E::ExpectedBlockMappingKey | E::InvalidIndentation => {
            mistake("bad-indentation", "wrong indentation", "this is indented unlike the keys that it stands with")
        }
        E::ExpectedDocumentStart => {
            mistake("bad-indentation", "wrong indentation", "this is indented unlike what the document begins with")
        }
        E::ExpectedBlockSequenceEntry if line.text[at..].starts_with("- ") => {
            mistake("bad-indentation", "wrong indentation", "this is indented unlike the items above")
        }
        E::ExpectedBlockSequenceEntry => mistake("bad-yaml", "not YAML", "an item of a list begins with `- `"),
        E::SimpleKeyExpected if line.text[at..].contains(':') => {
            mistake("no-space", "no space behind `:`", "put a space behind the `:`")
        }
        E::SimpleKeyExpected => mistake("bad-yaml", "not YAML", "a key and `: ` are missing here"),
        E::CommentInterceptedScalar => {
            mistake("bad-yaml", "not YAML", "a comment cannot stand inside text of many lines")
        }
        E::InvalidBlockScalarHeader => {
            mistake("bad-yaml", "not YAML", "behind `|` or `>` the line ends: the text begins on the next one")
        }
        E::DirectiveDisallowed => {
            mistake("directive", "directive", "lines that begin with % are not read").help("leave it out")
        }
        E::BomInsideDocument => mistake(
            "bad-character",
            "character that cannot stand here",
            "a byte-order mark stands only at the beginning of a file",
        ),
        E::UnexpectedCharacter { character } => mistake(
            "bad-character",
            "character that cannot stand here",
            &format!("U+{:04X} cannot stand in a file", *character as u32),
        ),
        other => mistake("bad-yaml", "not YAML", &other.to_string()),
    };
    let to = match kind {
        E::SimpleKeyExpected | E::ExpectedBlockMappingKey | E::ExpectedDocumentStart => line.end(),
        E::ExpectedBlockSequenceEntry | E::DirectiveDisallowed => line.end(),
        _ => at,
    };
    Trap { diagnostic: diagnostic.at(&line.place(file, at, to)), mend: None }
}

fn is_tag(kind: &ErrorKind) -> bool {
    use ErrorKind as E;
    matches!(
        kind,
        E::UndeclaredTagHandle
            | E::ExpectedTagBang
            | E::InvalidGlobalTagCharacter
            | E::InvalidTagTerminator
            | E::MissingTagUri
            | E::UnclosedVerbatimTag
            | E::InvalidTagEscape
            | E::InvalidTagUtf8
            | E::InvalidTagUtf8LeadingByte
            | E::InvalidTagUtf8TrailingByte
    )
}

/// Text that has quotes around it already, and the same ones inside.
fn requoted(text: &str) -> String {
    let inside = text.get(1..text.len().saturating_sub(1)).unwrap_or_default();
    if text.len() > 1 && text.starts_with('\'') && text.ends_with('\'') { quoted(inside) } else { quoted(text) }
}

/// The text in quotes: double ones where that needs no escape.
fn quoted(text: &str) -> String {
    if text.contains(['"', '\\']) { format!("'{}'", text.replace('\'', "''")) } else { format!("\"{text}\"") }
}
