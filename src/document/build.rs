//! From parser events to trees.

use super::budget::Budget;
use super::line::Line;
use super::open::{Key, Open, Seen, count_nodes, duplicate, glued, key_of, stretch};
use super::trap::{self, Mend, Mended};
use super::tree::{Document, Entry, Map, Node, Scalar, Shape, Style};
use crate::diagnostic::{Diagnostic, Diagnostics, Place};
use granit_parser::{ErrorKind, Event, Parser, ScalarStyle, Span, StrInput};
use std::collections::BTreeMap;
use std::sync::Arc;

/// A longer reference is marked by its beginning alone: each is looked through, and a line may be full of them.
const REFERENCE_SHOWN_MAX: usize = 200;

/// Reads the events of one file.
pub(super) struct Builder<'t, 'b> {
    file: &'b Arc<str>,
    text: &'t str,
    budget: &'b Budget,
    /// What was mended: what is wrong there was told before.
    mended: &'b Arc<[Mended]>,
    parser: Parser<'t, StrInput<'t>>,
    pub documents: Vec<Document>,
    pub found: Diagnostics,
    open: Vec<Open>,
    root: Option<Node>,
    anchors: BTreeMap<usize, Anchored>,
    nodes: usize,
    repeated: usize,
    started: usize,
    first_line: u32,
    /// The last scalar, if it is plain and fills several lines.
    long_plain: Option<Place>,
    /// Whether a value of this document could not be had.
    lost: bool,
}

/// What an anchor names: its node once that is whole.
enum Anchored {
    Open,
    Whole { node: Node, nodes: usize },
}

/// Reading cannot go on.
pub(super) enum Stop {
    /// The budget is used up.
    Budget,
    /// It can, with the text mended.
    Mend(Box<Diagnostic>, Mend),
}

impl<'t, 'b> Builder<'t, 'b> {
    pub fn new(file: &'b Arc<str>, text: &'t str, budget: &'b Budget, mended: &'b Arc<[Mended]>) -> Builder<'t, 'b> {
        let options = granit_parser::options! {
            disallow_directives: true,
            emit_comments: false,
            emit_unresolved_aliases: true,
            // One more than ours, so that ours is the one that is told.
            flow_nesting_limit: budget.depth_max + 1,
            block_nesting_limit: budget.depth_max + 1,
        };
        Builder {
            file,
            text,
            budget,
            mended,
            parser: Parser::new_from_str_with_options(text, options),
            documents: Vec::new(),
            found: Diagnostics::new(),
            open: Vec::new(),
            root: None,
            anchors: BTreeMap::new(),
            nodes: 0,
            repeated: 0,
            started: 0,
            first_line: 1,
            long_plain: None,
            lost: false,
        }
    }

    /// Reads to the end of the file, past documents that break off.
    pub fn read_all(&mut self, may_mend: bool) -> Result<(), Stop> {
        while let Some(event) = self.parser.next_event() {
            let step = match event {
                Ok((event, span)) => self.take(event, span),
                Err(error) => self.broken(&error, may_mend),
            };
            if let Err(stop) = step {
                self.close_document(false, u32::MAX);
                return Err(stop);
            }
            if self.found.len() >= self.budget.mistakes_max {
                self.close_document(false, u32::MAX);
                let detail = format!("{} mistakes are told; there may be more", self.budget.mistakes_max);
                self.found
                    .push(Diagnostic::error("over-budget", "more than is read", detail).at(&self.start_of_file()));
                return Err(Stop::Budget);
            }
        }
        Ok(())
    }

    fn start_of_file(&self) -> Place {
        Place::new(self.file, 1, 1, 1)
    }

    /// Tells where the parser stopped, and goes on behind the document.
    fn broken(&mut self, error: &granit_parser::ScanError, may_mend: bool) -> Result<(), Stop> {
        if *error.kind() == ErrorKind::RecursionLimitExceeded {
            return self.too_deep(&Span::empty(*error.marker()));
        }
        let innermost = self.open.last().map(|open| match open {
            Open::List { place, .. } | Open::Map { place, .. } => place,
        });
        let trap = trap::explain(self.file, self.text, error, innermost);
        // A second mistake where we changed something is of our making.
        let place = trap.diagnostic.place.as_ref();
        let told = place.is_some_and(|place| self.mended.iter().any(|mended| mended.touches(place)));
        match trap.mend {
            _ if told => {}
            Some(mend) if may_mend => return Err(Stop::Mend(Box::new(trap.diagnostic), mend)),
            _ => self.found.push(trap.diagnostic),
        }
        self.drop_swallowed();
        self.close_document(false, error.marker().line() as u32);
        self.parser.proceed_next_document().map(|_| ()).map_err(|_| Stop::Budget)
    }

    /// A plain scalar of several lines right before the break has swallowed the line that broke: it is not what was
    /// meant.
    fn drop_swallowed(&mut self) {
        let Some(Open::Map { map, .. }) = self.open.last_mut() else { return };
        let swallowed = map.entries.last().is_some_and(|last| Some(&last.value.place) == self.long_plain.as_ref());
        if swallowed {
            map.entries.pop();
        }
    }

    fn take(&mut self, event: Event<'t>, span: Span) -> Result<(), Stop> {
        match event {
            Event::DocumentStart(..) => {
                self.started += 1;
                self.first_line = span.start.line() as u32;
                if self.started > self.budget.documents_max {
                    return self.refuse(&span, format!("a file has at most {} documents", self.budget.documents_max));
                }
            }
            Event::DocumentEnd => self.close_document(true, span.end.line() as u32),
            Event::Scalar(text, style, anchor, tag) => {
                self.refuse_tag(tag.is_some(), &span);
                self.count(&span)?;
                let node = self.scalar(&text, style, &span);
                let long = style == ScalarStyle::Plain && span.start.line() != span.end.line();
                self.long_plain = long.then(|| node.place.clone());
                self.refuse_nul(&text, &node.place);
                self.remember(anchor, &node, 1);
                self.add(node);
            }
            Event::SequenceStart(_, anchor, tag) => {
                self.refuse_tag(tag.is_some(), &span);
                let place = self.place(&span);
                self.start(Open::List { place, anchor, items: Vec::new() }, anchor, &span)?;
            }
            Event::MappingStart(_, anchor, tag) => {
                self.refuse_tag(tag.is_some(), &span);
                let (place, map) = (self.place(&span), Map::default());
                let open =
                    Open::Map { place, anchor, map, key: Key::Awaited, merges: Vec::new(), seen: Seen::default() };
                self.start(open, anchor, &span)?;
            }
            Event::SequenceEnd | Event::MappingEnd => self.end(&span)?,
            Event::Alias(anchor) => self.alias(anchor, &span)?,
            Event::UnresolvedAlias(name) => self.unresolved(&name, &span),
            _ => {}
        }
        Ok(())
    }

    fn place(&self, span: &Span) -> Place {
        let (start, end) = (&span.start, &span.end);
        let length = if start.line() == end.line() { end.col().saturating_sub(start.col()) } else { 1 };
        Place::new(self.file, start.line() as u32, start.col() as u32 + 1, length as u32)
    }

    fn scalar(&self, text: &str, style: ScalarStyle, span: &Span) -> Node {
        let raw = span.slice(self.text).unwrap_or_default();
        let style = match style {
            ScalarStyle::Plain if raw.is_empty() => Style::Nothing,
            ScalarStyle::Plain => Style::Plain,
            ScalarStyle::SingleQuoted | ScalarStyle::DoubleQuoted => Style::Quoted,
            ScalarStyle::Literal | ScalarStyle::Folded => Style::Block,
        };
        let marks = if text.contains("${") { self.marks(raw, span) } else { Box::default() };
        let text = if style == Style::Nothing { "" } else { text };
        Node { place: self.place(span), shape: Shape::Scalar(Scalar { text: text.into(), style, marks }) }
    }

    /// Where each `${` of a scalar stands in the file.
    fn marks(&self, raw: &str, span: &Span) -> Box<[Place]> {
        let mut marks = Vec::new();
        let (mut line, mut column) = (span.start.line() as u32, span.start.col() as u32 + 1);
        for (at, letter) in raw.char_indices() {
            if raw[at..].starts_with("${") {
                let mut shown = raw[at..].chars().take(REFERENCE_SHOWN_MAX).take_while(|letter| *letter != '\n');
                let length = shown.position(|letter| letter == '}').map_or(2, |end| end + 1);
                marks.push(Place::new(self.file, line, column, length as u32));
            }
            (line, column) = if letter == '\n' { (line + 1, 1) } else { (line, column + 1) };
        }
        marks.into_boxed_slice()
    }

    fn count(&mut self, span: &Span) -> Result<(), Stop> {
        self.nodes += 1;
        if self.nodes > self.budget.nodes_max {
            return self.refuse(span, format!("a file has at most {} values", self.budget.nodes_max));
        }
        Ok(())
    }

    fn refuse(&mut self, span: &Span, detail: String) -> Result<(), Stop> {
        let mistake = Diagnostic::error("over-budget", "more than is read", detail).at(&self.place(span));
        self.found.push(mistake.help("reading stopped here; nothing behind it was looked at"));
        Err(Stop::Budget)
    }

    fn too_deep(&mut self, span: &Span) -> Result<(), Stop> {
        self.refuse(span, format!("lists and maps go at most {} deep", self.budget.depth_max))
    }

    fn refuse_tag(&mut self, tagged: bool, span: &Span) {
        if !tagged {
            return;
        }
        let place = span.tag_span().map_or_else(|| self.place(span), |tag| self.place(&tag));
        self.found.push(trap::tag(&place));
    }

    /// `"\0"` is YAML; nothing that values are handed to can hold it.
    fn refuse_nul(&mut self, text: &str, place: &Place) {
        if text.bytes().any(|byte| byte == 0) {
            let detail = "NUL cannot stand in text";
            self.found.push(Diagnostic::error("bad-character", "character that cannot stand here", detail).at(place));
        }
    }

    fn start(&mut self, open: Open, anchor: usize, span: &Span) -> Result<(), Stop> {
        self.count(span)?;
        if self.open.len() >= self.budget.depth_max {
            return self.too_deep(span);
        }
        if anchor != 0 {
            self.anchors.insert(anchor, Anchored::Open);
        }
        self.open.push(open);
        Ok(())
    }

    fn end(&mut self, span: &Span) -> Result<(), Stop> {
        let Some(open) = self.open.pop() else { return Ok(()) };
        let (anchor, mut node) = match open {
            Open::List { place, anchor, items } => (anchor, Node { place, shape: Shape::List(items) }),
            Open::Map { place, anchor, mut map, merges, seen, .. } => {
                self.merge_in(&mut map, merges, seen);
                (anchor, Node { place, shape: Shape::Map(map) })
            }
        };
        stretch(&mut node, span);
        if anchor != 0 {
            let nodes = count_nodes(&node);
            // The copy that aliases are made from takes memory too, and anchors can nest.
            self.nodes += nodes;
            self.count(span)?;
            self.remember(anchor, &node, nodes);
        }
        self.add(node);
        Ok(())
    }

    fn remember(&mut self, anchor: usize, node: &Node, nodes: usize) {
        if anchor != 0 {
            self.anchors.insert(anchor, Anchored::Whole { node: node.clone(), nodes });
        }
    }

    /// Puts a whole value where it belongs: into the innermost list or map, or at the root.
    fn add(&mut self, node: Node) {
        match self.open.last_mut() {
            None => self.root = Some(node),
            Some(Open::List { items, .. }) => items.push(node),
            Some(Open::Map { map, key, merges, seen, .. }) => match std::mem::take(key) {
                Key::Awaited => *key = key_of(node, &mut self.found),
                Key::Bad => {}
                Key::Merge(place) => merges.push((place, node)),
                Key::Read(key) => match seen.first_place(map, &key.value) {
                    Some(first) => self.found.push(duplicate(&key, &first)),
                    None if glued(&key, &node) => {
                        let detail = "put a space behind the `:`";
                        self.found.push(Diagnostic::error("no-space", "no space behind `:`", detail).at(&key.place));
                    }
                    None => {
                        seen.note(map, &key.value);
                        map.entries.push(Entry { key, value: node });
                    }
                },
            },
        }
    }

    fn alias(&mut self, anchor: usize, span: &Span) -> Result<(), Stop> {
        let (node, nodes) = match self.anchors.get(&anchor) {
            Some(Anchored::Whole { node, nodes }) => (node.clone(), *nodes),
            Some(Anchored::Open) | None => {
                let detail = "this stands inside what it repeats";
                self.found.push(Diagnostic::error("alias-cycle", "anchor inside itself", detail).at(&self.place(span)));
                self.skip_value();
                return Ok(());
            }
        };
        self.repeated += nodes;
        self.nodes += nodes;
        self.count(span)?;
        if self.repeated > self.budget.repeated_max {
            return self.refuse(span, format!("aliases repeat at most {} values", self.budget.repeated_max));
        }
        self.add(node);
        Ok(())
    }

    /// An alias without an anchor: of another document, misspelled, or text that begins with `*`.
    fn unresolved(&mut self, name: &str, span: &Span) {
        let place = self.place(span);
        let is_word = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte));
        self.found.push(if !is_word {
            let line = Line::at(self.text, place.line);
            let from = line.byte_of_column(span.start.col());
            trap::unquoted(&line, '*', from, line.value_end(from), self.file)
        } else if let Some(first) = self.anchor_before(name, span) {
            let detail = format!("anchors end at ---: `&{name}` is of another document");
            Diagnostic::error("unknown-anchor", "unknown anchor", detail).at(&place).related(&first, "the anchor")
        } else {
            let detail = format!("no anchor `&{name}` stands before this");
            Diagnostic::error("unknown-anchor", "unknown anchor", detail)
                .at(&place)
                .help(format!("if it is text, quote it: \"*{name}\""))
        });
        self.skip_value();
    }

    /// A value that could not be had, and is told: its key is left out, so that nothing is said about it again.
    fn skip_value(&mut self) {
        self.lost = true;
        if let Some(Open::Map { key, .. }) = self.open.last_mut() {
            *key = match std::mem::take(key) {
                Key::Awaited => Key::Bad,
                Key::Read(_) | Key::Merge(_) | Key::Bad => Key::Awaited,
            };
        }
    }

    fn anchor_before(&self, name: &str, span: &Span) -> Option<Place> {
        let before = self.text.get(..span.start.byte_offset()?)?;
        let anchor = format!("&{name}");
        for (number, line) in (1..).zip(before.lines()) {
            let at = line.find(&anchor);
            if let Some(at) = at.filter(|at| line[at + anchor.len()..].chars().next().is_none_or(char::is_whitespace)) {
                let column = line[..at].chars().count() + 1;
                return Some(Place::new(self.file, number, column as u32, anchor.len() as u32));
            }
        }
        None
    }

    /// Adds what `<<` brings: keys that the map has itself win, earlier `<<` win over later ones.
    fn merge_in(&mut self, map: &mut Map, merges: Vec<(Place, Node)>, mut seen: Seen) {
        for (place, merged) in merges {
            let nodes = match merged.shape {
                Shape::List(items) => items,
                _ => vec![merged],
            };
            for node in nodes {
                let Shape::Map(more) = node.shape else {
                    let detail = "`<<` takes an alias of a map, or a list of them";
                    self.found.push(Diagnostic::error("bad-merge", "nothing to merge", detail).at(&place));
                    continue;
                };
                for entry in more.entries {
                    if seen.first_place(map, &entry.key.value).is_none() {
                        seen.note(map, &entry.key.value);
                        map.entries.push(entry);
                    }
                }
            }
        }
    }

    fn close_document(&mut self, complete: bool, last_line: u32) {
        while let Some(open) = self.open.pop() {
            // What was not read to its end is told as far as it goes; what had not begun is left out.
            match open {
                Open::List { items, .. } if items.is_empty() => self.skip_value(),
                Open::List { place, items, .. } => self.add(Node { place, shape: Shape::List(items) }),
                Open::Map { map, .. } if map.entries.is_empty() => self.skip_value(),
                Open::Map { place, map, .. } => self.add(Node { place, shape: Shape::Map(map) }),
            }
        }
        self.anchors.clear();
        let lost = std::mem::take(&mut self.lost);
        let Some(root) = self.root.take().filter(|root| !root.is_null()) else { return };
        let mended = self.mended.iter().any(|mended| (self.first_line..=last_line).contains(&mended.line));
        let whole = complete && !lost && !mended;
        self.documents.push(Document { root, whole, mended: Arc::clone(self.mended) });
    }
}
