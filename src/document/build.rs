//! From parser events to trees.

use super::budget::Budget;
use super::trap;
use super::tree::{Document, Entry, Map, Node, Scalar, Shape, Spanned, Style};
use crate::diagnostic::{Diagnostic, Diagnostics, Place};
use granit_parser::{Event, Parser, ScalarStyle, Span, StrInput};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Reads all documents of a file, and goes on after a broken one.
///
/// A document that breaks off is returned as far as it was read, and is not [`Document::whole`]. Empty documents
/// between others are left out. What breaks the budget ends the reading: documents before it are returned.
pub fn read(file: &Arc<str>, bytes: &[u8], budget: &Budget) -> (Vec<Document>, Diagnostics) {
    let mut found = Diagnostics::new();
    let Some(text) = decode(file, bytes, budget, &mut found) else { return (Vec::new(), found) };
    let mut builder = Builder::new(file, text, budget, found);
    builder.read_all();
    (builder.documents, builder.found)
}

/// The bytes as text: short enough, UTF-8, without the mark that some editors put first.
fn decode<'t>(file: &Arc<str>, bytes: &'t [u8], budget: &Budget, found: &mut Diagnostics) -> Option<&'t str> {
    let start = Place::new(file, 1, 1, 1);
    if bytes.len() > budget.bytes_max {
        let detail = format!("the file has {} bytes; at most {} are read", bytes.len(), budget.bytes_max);
        found.push(Diagnostic::error("too-big", "file too big", detail).at(&start));
        return None;
    }
    match std::str::from_utf8(bytes) {
        Ok(text) => Some(text.strip_prefix('\u{feff}').unwrap_or(text)),
        Err(error) => {
            let before = String::from_utf8_lossy(&bytes[..error.valid_up_to()]);
            let line = before.matches('\n').count() + 1;
            let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
            let detail = format!("the byte 0x{:02x} is not UTF-8", bytes[error.valid_up_to()]);
            let place = Place::new(file, line as u32, column as u32, 1);
            found.push(Diagnostic::error("not-utf-8", "not UTF-8", detail).at(&place).help("save the file as UTF-8"));
            None
        }
    }
}

/// A list or map that is being read.
enum Open {
    List { place: Place, anchor: usize, items: Vec<Node> },
    Map { place: Place, anchor: usize, map: Map, key: Option<Spanned<Box<str>>>, merges: Vec<Node>, seen: Seen },
}

/// The keys of a map so far; a set only where looking through them would take long.
#[derive(Default)]
struct Seen(BTreeSet<Box<str>>);

struct Builder<'t, 'b> {
    file: Arc<str>,
    text: &'t str,
    budget: &'b Budget,
    parser: Parser<'t, StrInput<'t>>,
    documents: Vec<Document>,
    found: Diagnostics,
    open: Vec<Open>,
    root: Option<Node>,
    anchors: BTreeMap<usize, Anchored>,
    nodes: usize,
    repeated: usize,
    started: usize,
}

/// What an anchor names: its node once that is whole.
enum Anchored {
    Open,
    Whole { node: Node, nodes: usize },
}

/// Reading cannot go on.
struct Stop;

impl<'t, 'b> Builder<'t, 'b> {
    fn new(file: &Arc<str>, text: &'t str, budget: &'b Budget, found: Diagnostics) -> Builder<'t, 'b> {
        let options = granit_parser::options! {
            emit_comments: false,
            emit_unresolved_aliases: true,
            // One more than ours, so that ours is the one that is told.
            flow_nesting_limit: budget.depth_max + 1,
            block_nesting_limit: budget.depth_max + 1,
        };
        Builder {
            file: Arc::clone(file),
            text,
            budget,
            parser: Parser::new_from_str_with_options(text, options),
            documents: Vec::new(),
            found,
            open: Vec::new(),
            root: None,
            anchors: BTreeMap::new(),
            nodes: 0,
            repeated: 0,
            started: 0,
        }
    }

    fn read_all(&mut self) {
        while let Some(event) = self.parser.next_event() {
            let step = match event {
                Ok((event, span)) => self.take(event, span),
                Err(error) => self.broken(&error),
            };
            if step.is_err() || self.found.len() >= self.budget.mistakes_max {
                self.close_document(false);
                return;
            }
        }
    }

    /// Tells where the parser stopped, and goes on behind the document.
    fn broken(&mut self, error: &granit_parser::ScanError) -> Result<(), Stop> {
        self.found.push(trap::explain(&self.file, self.text, error));
        self.close_document(false);
        match self.parser.proceed_next_document() {
            Ok(_) => Ok(()),
            Err(_) => Err(Stop),
        }
    }

    fn take(&mut self, event: Event<'t>, span: Span) -> Result<(), Stop> {
        match event {
            Event::DocumentStart(..) => {
                self.started += 1;
                if self.started > self.budget.documents_max {
                    return self.refuse(&span, format!("a file has at most {} documents", self.budget.documents_max));
                }
            }
            Event::DocumentEnd => self.close_document(true),
            Event::Scalar(text, style, anchor, tag) => {
                self.refuse_tag(tag.is_some(), &span);
                self.count(&span)?;
                let node = self.scalar(&text, style, &span);
                self.remember(anchor, &node, 1);
                self.add(node, &span)?;
            }
            Event::SequenceStart(_, anchor, tag) => {
                self.refuse_tag(tag.is_some(), &span);
                let place = self.place(&span);
                self.start(Open::List { place, anchor, items: Vec::new() }, anchor, &span)?;
            }
            Event::MappingStart(_, anchor, tag) => {
                self.refuse_tag(tag.is_some(), &span);
                let (place, map) = (self.place(&span), Map::default());
                let open = Open::Map { place, anchor, map, key: None, merges: Vec::new(), seen: Seen::default() };
                self.start(open, anchor, &span)?;
            }
            Event::SequenceEnd | Event::MappingEnd => self.end(&span)?,
            Event::Alias(anchor) => self.alias(anchor, &span)?,
            Event::UnresolvedAlias(name) => self.unresolved(&name, &span)?,
            _ => {}
        }
        Ok(())
    }

    fn place(&self, span: &Span) -> Place {
        let (start, end) = (&span.start, &span.end);
        let length = if start.line() == end.line() { end.col().saturating_sub(start.col()) } else { 1 };
        Place::new(&self.file, start.line() as u32, start.col() as u32 + 1, length as u32)
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
        let mut letters = raw.char_indices();
        while let Some((at, letter)) = letters.next() {
            if raw[at..].starts_with("${") {
                let first = raw[at..].lines().next().unwrap_or_default();
                let length = first.find('}').map_or(2, |end| first[..=end].chars().count());
                marks.push(Place::new(&self.file, line, column, length as u32));
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
        Err(Stop)
    }

    fn refuse_tag(&mut self, tagged: bool, span: &Span) {
        if !tagged {
            return;
        }
        let place = span.tag_span().map_or_else(|| self.place(span), |tag| self.place(&tag));
        let detail = "tags are not read: the format gives each value its type";
        self.found.push(Diagnostic::error("tag", "tag", detail).at(&place).help("leave it out"));
    }

    fn start(&mut self, open: Open, anchor: usize, span: &Span) -> Result<(), Stop> {
        self.count(span)?;
        if self.open.len() >= self.budget.depth_max {
            return self.refuse(span, format!("lists and maps go at most {} deep", self.budget.depth_max));
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
        self.add(node, span)
    }

    fn remember(&mut self, anchor: usize, node: &Node, nodes: usize) {
        if anchor != 0 {
            self.anchors.insert(anchor, Anchored::Whole { node: node.clone(), nodes });
        }
    }

    /// Puts a whole value where it belongs: into the innermost list or map, or at the root.
    fn add(&mut self, node: Node, span: &Span) -> Result<(), Stop> {
        match self.open.last_mut() {
            None => self.root = Some(node),
            Some(Open::List { items, .. }) => items.push(node),
            Some(Open::Map { map, key, merges, seen, .. }) => match key.take() {
                None => *key = Some(key_of(node, &mut self.found)),
                Some(key) if &*key.value == "<<" => merges.push(node),
                Some(key) => match seen.first_place(map, &key.value) {
                    Some(first) => self.found.push(duplicate(&key, &first)),
                    None => {
                        seen.note(map, &key.value);
                        map.entries.push(Entry { key, value: node });
                    }
                },
            },
        }
        let _ = span;
        Ok(())
    }

    fn alias(&mut self, anchor: usize, span: &Span) -> Result<(), Stop> {
        let (node, nodes) = match self.anchors.get(&anchor) {
            Some(Anchored::Whole { node, nodes }) => (node.clone(), *nodes),
            Some(Anchored::Open) | None => {
                let detail = "this stands inside what it repeats";
                self.found.push(Diagnostic::error("alias-cycle", "anchor inside itself", detail).at(&self.place(span)));
                (self.scalar("", ScalarStyle::Plain, &Span::empty(span.start)), 1)
            }
        };
        self.repeated += nodes;
        self.nodes += nodes;
        self.count(span)?;
        if self.repeated > self.budget.repeated_max {
            return self.refuse(span, format!("aliases repeat at most {} values", self.budget.repeated_max));
        }
        self.add(node, span)
    }

    fn unresolved(&mut self, name: &str, span: &Span) -> Result<(), Stop> {
        let detail = format!("no anchor `&{name}` stands before this in its document");
        self.found.push(Diagnostic::error("unknown-anchor", "unknown anchor", detail).at(&self.place(span)));
        let node = self.scalar("", ScalarStyle::Plain, &Span::empty(span.start));
        self.add(node, span)
    }

    /// Adds what `<<` brings: keys that the map has itself win, earlier `<<` win over later ones.
    fn merge_in(&mut self, map: &mut Map, merges: Vec<Node>, mut seen: Seen) {
        for merged in merges {
            let nodes = match merged.shape {
                Shape::List(items) => items,
                _ => vec![merged],
            };
            for node in nodes {
                let Shape::Map(more) = node.shape else {
                    let detail = "`<<` takes an alias of a map, or a list of them";
                    self.found.push(Diagnostic::error("bad-merge", "nothing to merge", detail).at(&node.place));
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

    fn close_document(&mut self, whole: bool) {
        while let Some(open) = self.open.pop() {
            let node = match open {
                Open::List { place, items, .. } => Node { place, shape: Shape::List(items) },
                Open::Map { place, map, .. } => Node { place, shape: Shape::Map(map) },
            };
            // Whatever the unfinished key was, its value was not read to the end: what stands in it is told as far as it goes.
            let span = Span::default();
            if self.add(node, &span).is_err() {
                return;
            }
        }
        self.anchors.clear();
        if let Some(root) = self.root.take().filter(|root| !root.is_null()) {
            self.documents.push(Document { root, whole });
        }
    }
}

impl Seen {
    /// Where the map has that key already.
    fn first_place(&self, map: &Map, key: &str) -> Option<Place> {
        let there = if map.entries.len() <= 16 { map.entry(key).is_some() } else { self.0.contains(key) };
        if there { map.entry(key).map(|entry| entry.key.place.clone()) } else { None }
    }

    /// Takes note of a key that is about to be added.
    fn note(&mut self, map: &Map, key: &str) {
        if map.entries.len() == 16 {
            self.0.extend(map.keys().map(Box::from));
        }
        if map.entries.len() >= 16 {
            self.0.insert(key.into());
        }
    }
}

fn key_of(node: Node, found: &mut Diagnostics) -> Spanned<Box<str>> {
    let place = node.place;
    match node.shape {
        Shape::Scalar(scalar) if scalar.style != Style::Nothing => Spanned { value: scalar.text, place },
        _ => {
            found.push(Diagnostic::error("bad-key", "not a key", "a key is a word; this is none").at(&place));
            Spanned { value: Box::from(""), place }
        }
    }
}

fn duplicate(key: &Spanned<Box<str>>, first: &Place) -> Diagnostic {
    let detail = format!("`{}` stands here twice", key.value);
    Diagnostic::error("duplicate-key", "duplicate key", detail).at(&key.place).related(first, "first here")
}

/// A flow collection on one line is pointed at as a whole, a block collection at its first key or item.
fn stretch(node: &mut Node, end: &Span) {
    if end.end.line() as u32 == node.place.line {
        let length = (end.end.col() as u32 + 1).saturating_sub(node.place.column);
        node.place.length = length.max(node.place.length);
        return;
    }
    let first = match &node.shape {
        Shape::Map(map) => map.entries.first().map(|entry| &entry.key.place),
        Shape::List(items) => items.first().map(|item| &item.place),
        Shape::Scalar(_) => None,
    };
    if let Some(first) = first.filter(|first| first.line == node.place.line && first.column == node.place.column) {
        node.place.length = first.length;
    }
}

fn count_nodes(node: &Node) -> usize {
    1 + match &node.shape {
        Shape::Scalar(_) => 0,
        Shape::List(items) => items.iter().map(count_nodes).sum(),
        Shape::Map(map) => map.entries.iter().map(|entry| 1 + count_nodes(&entry.value)).sum(),
    }
}
