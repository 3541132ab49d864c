//! What fills a step's fields: outputs that are known and not secret are put in; secrets, secret outputs and what the
//! room fills in itself stay symbolic and travel beside the order. Substitution, not decision. Pure.

use crate::contract::{Plain, Seal};
use crate::model::{Address, Identity, Name, Piece, Value};
use crate::state::{Export, Phase, Record, Recorded, RecordedOutput, Why, WhyCode};
use std::collections::BTreeMap;

/// Where the answers to references are found.
#[derive(Clone, Copy)]
pub struct Answers<'a> {
    /// What is recorded of the stack.
    pub record: &'a Record,
    /// What other stacks offer.
    pub exports: &'a BTreeMap<Address, Export>,
    /// Which lives the references mean, where that is said.
    pub pins: &'a BTreeMap<Address, u32>,
}

/// The identity under which the outputs of an export are sealed: no life has the number 0.
#[must_use]
pub fn export_identity(of: &Address) -> Identity {
    of.incarnation(0)
}

impl<'a> Answers<'a> {
    /// What an address answers under a name, and the identity that it was sealed for.
    #[must_use]
    pub fn find(&self, of: &Address, name: &Name) -> Option<(Identity, &'a RecordedOutput)> {
        if of.stack_id() != self.record.stack.id {
            let output = self.exports.get(of)?.outputs.get(name)?;
            return Some((export_identity(of), output));
        }
        let in_charge = match self.pins.get(of) {
            Some(life) => self.record.owned.get(&of.incarnation(*life))?,
            None => {
                let lives = self.record.owned.range(of.incarnation(0)..=of.incarnation(u32::MAX));
                lives.rev().map(|(_, owned)| owned).find(|owned| !matches!(owned.phase, Phase::Leaving(_)))?
            }
        };
        Some((in_charge.identity.clone(), in_charge.outputs.get(name)?))
    }

    /// The value with every output that is known and not secret put in.
    #[must_use]
    pub fn fill(&self, value: &Value) -> Value {
        let filled: Result<Value, std::convert::Infallible> = value.fill(&mut |pieces| Ok(self.fill_pieces(pieces)));
        match filled {
            Ok(value) => value,
        }
    }

    fn fill_pieces(&self, pieces: &[Piece]) -> Value {
        if let [Piece::Output { of, name, encode: false }] = pieces
            && let Some(value) = self.plain(of, name)
        {
            return value.clone();
        }
        Value::expr(pieces.iter().map(|piece| self.fill_piece(piece)).collect())
    }

    fn fill_piece(&self, piece: &Piece) -> Piece {
        let Piece::Output { of, name, encode } = piece else { return piece.clone() };
        match self.plain(of, name).and_then(as_text) {
            Some(text) if *encode => Piece::Text(encoded(&text)),
            Some(text) => Piece::Text(text),
            None => piece.clone(),
        }
    }

    fn plain(&self, of: &Address, name: &Name) -> Option<&'a Value> {
        match &self.find(of, name)?.1.value {
            Recorded::Plain(value) => Some(value),
            Recorded::Sealed(_) => None,
        }
    }

    /// Opens the secret outputs that a filled value still refers to.
    ///
    /// # Errors
    /// Why one of them cannot be had now: it is not known yet, or does not open.
    pub fn open_outputs(&self, filled: &Value, seal: &dyn Seal) -> Result<BTreeMap<(Address, Name), Plain>, Why> {
        let mut opened = BTreeMap::new();
        for piece in filled.pieces() {
            let Piece::Output { of, name, .. } = piece else { continue };
            let Some((identity, output)) = self.find(of, name) else {
                return Err(Why::new(WhyCode::Missing, format!("{of} has not answered `{name}` yet")));
            };
            let plain = seal.open(&identity, name, output).map_err(|broken| {
                Why::new(WhyCode::Refused, format!("the recorded output `{name}` of {of}: {broken}"))
            })?;
            opened.insert((of.clone(), name.clone()), plain);
        }
        Ok(opened)
    }
}

/// A value as it stands inside a longer text.
fn as_text(value: &Value) -> Option<String> {
    match value {
        Value::Text(text) => Some(text.clone()),
        Value::Whole(number) => Some(number.to_string()),
        Value::Flag(flag) => Some(flag.to_string()),
        Value::Null | Value::List(_) | Value::Map(_) | Value::Expr(_) => None,
    }
}

fn encoded(text: &str) -> String {
    percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC).to_string()
}
