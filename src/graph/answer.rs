//! What a component's outputs are: values over nodes.

use super::expand::Asked;
use super::node::ExportedOutputs;
use super::rules::Expanded;
use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::model::{Address, FieldPath, Name, Piece, Value};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use std::collections::BTreeMap;

/// The outputs of all components of a stack. Each is worked out once, when it is first asked for.
pub(super) struct Answers<'a> {
    of: BTreeMap<&'a Address, (&'a Asked, &'a Expanded)>,
    known: BTreeMap<(Address, Name), Option<Value>>,
    /// What is being worked out: an output that is asked for again meanwhile is made of itself.
    going: Vec<(Address, Name)>,
    cycles: Diagnostics,
    unknown: Vec<(Address, Name)>,
}

impl<'a> Answers<'a> {
    pub fn new(components: &'a [Asked], expanded: &'a [Expanded]) -> Answers<'a> {
        let pairs = components.iter().zip(expanded).map(|(asked, made)| (&asked.component.address, (asked, made)));
        Answers {
            of: pairs.collect(),
            known: BTreeMap::new(),
            going: Vec::new(),
            cycles: Diagnostics::new(),
            unknown: Vec::new(),
        }
    }

    /// The names of a component's outputs.
    pub fn names(&self, of: &Address) -> Vec<Name> {
        match self.of.get(of) {
            Some((Asked { exports: Some(exports), .. }, _)) => exports.keys().cloned().collect(),
            Some((_, made)) => made.outputs.keys().cloned().collect(),
            None => Vec::new(),
        }
    }

    /// All outputs of a component.
    pub fn all(&mut self, of: &Address) -> ExportedOutputs {
        let names = self.names(of);
        let all = names.into_iter().filter_map(|name| Some((name.clone(), self.answer(of, &name)?))).collect();
        self.unknown.clear(); // What an export lacks was told with the definition.
        all
    }

    /// One output of a component; nothing, if it has none of that name.
    fn answer(&mut self, of: &Address, name: &Name) -> Option<Value> {
        let key = (of.clone(), name.clone());
        if let Some(known) = self.known.get(&key) {
            return known.clone();
        }
        if let Some(at) = self.going.iter().position(|going| *going == key) {
            self.cycle(at);
            return None;
        }
        self.going.push(key.clone());
        let answer = self.work_out(of, name);
        self.going.pop();
        self.known.insert(key, answer.clone());
        answer
    }

    fn work_out(&mut self, of: &Address, name: &Name) -> Option<Value> {
        let (asked, made) = *self.of.get(of)?;
        let Some(exports) = &asked.exports else {
            return Some(self.over_nodes(made.outputs.get(name)?, of));
        };
        // In an export the component's own address stands for its kind.
        let export = exports.get(name)?;
        let value = export.fill(&mut |pieces| {
            self.replace(pieces, &mut |answers, piece| match piece {
                Piece::Output { of: other, name, .. } if other == of => {
                    let own = made.outputs.get(name).map(|value| answers.over_nodes(value, of));
                    if own.is_none() {
                        answers.unknown.push((other.clone(), name.clone()));
                    }
                    own
                }
                _ => answers.of_another(piece, of),
            })
        });
        value.ok()
    }

    /// What a kind answers, in which its own address stands for its node.
    fn over_nodes(&mut self, value: &Value, of: &Address) -> Value {
        if value.references().iter().all(|other| *other == of) {
            return value.clone();
        }
        let filled =
            value.fill(&mut |pieces| self.replace(pieces, &mut |answers, piece| answers.of_another(piece, of)));
        filled.unwrap_or_else(|never| match never {})
    }

    /// What stands for a piece that refers to another component.
    fn of_another(&mut self, piece: &Piece, of: &Address) -> Option<Value> {
        let Piece::Output { of: other, name, .. } = piece else { return None };
        if other == of || !self.of.contains_key(other) {
            return None;
        }
        let answer = self.answer(other, name);
        if answer.is_none() && self.cycles.is_empty() {
            self.unknown.push((other.clone(), name.clone()));
        }
        answer
    }

    /// An expression of a component's fields, with what other components answer put in.
    pub fn put(&mut self, pieces: &[Piece], of: &Address) -> Value {
        let put = self.replace(pieces, &mut |answers, piece| answers.of_another(piece, of));
        put.unwrap_or_else(|never| match never {})
    }

    /// What was asked for and is not there, since the last time.
    pub fn take_unknown(&mut self) -> Vec<(Address, Name)> {
        std::mem::take(&mut self.unknown)
    }

    fn replace(
        &mut self,
        pieces: &[Piece],
        with: &mut dyn FnMut(&mut Answers<'a>, &Piece) -> Option<Value>,
    ) -> Result<Value, std::convert::Infallible> {
        let mut replaced = Vec::with_capacity(pieces.len());
        for piece in pieces {
            match with(self, piece) {
                None => replaced.push(piece.clone()),
                Some(value) if pieces.len() == 1 && !encodes(piece) => return Ok(value), // Alone it keeps its type.
                Some(Value::Expr(inside)) => {
                    replaced.extend(inside.into_iter().map(|inner| encoded(inner, encodes(piece))))
                }
                Some(value) => replaced.push(encoded(Piece::Text(value.to_text()), encodes(piece))),
            }
        }
        Ok(Value::expr(replaced))
    }

    fn cycle(&mut self, from: usize) {
        let names = self.going[from..].iter().chain([&self.going[from]]);
        let cycle: Vec<String> = names.map(|(of, name)| format!("{}.{name}", of.short())).collect();
        let detail = format!("these outputs are made of each other: {}", cycle.join(" → "));
        let mut mistake = Diagnostic::error("output-cycle", "outputs in a circle", detail);
        let place = |(asked, _): &(&Asked, &Expanded)| asked.component.places.get(&FieldPath::root()).cloned();
        mistake.place = self.of.get(&self.going[from].0).and_then(place);
        self.cycles.push(mistake);
    }

    /// The cycles that were met.
    pub fn into_cycles(self) -> Diagnostics {
        self.cycles
    }
}

fn encodes(piece: &Piece) -> bool {
    matches!(piece, Piece::Output { encode: true, .. } | Piece::Secret { encode: true, .. })
}

/// The piece inside a URL.
fn encoded(piece: Piece, encode: bool) -> Piece {
    match piece {
        piece if !encode => piece,
        Piece::Text(text) => Piece::Text(utf8_percent_encode(&text, NON_ALPHANUMERIC).to_string()),
        Piece::Output { of, name, .. } => Piece::Output { of, name, encode },
        Piece::Secret { name, key, .. } => Piece::Secret { name, key, encode },
        own @ Piece::Own(_) => own,
    }
}
