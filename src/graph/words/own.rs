//! What a room puts in itself.

use crate::model::{Piece, Value};

/// The value with each [`Piece::Own`] that `own` knows replaced by what it answers. Others stay for the room to fill in
/// when it makes the thing.
#[must_use]
pub fn fill_own(value: &Value, own: &dyn Fn(&str) -> Option<Value>) -> Value {
    let filled = value.fill(&mut |pieces| Ok::<Value, std::convert::Infallible>(fill_pieces(pieces, own)));
    match filled {
        Ok(filled) => filled,
        Err(never) => match never {},
    }
}

fn fill_pieces(pieces: &[Piece], own: &dyn Fn(&str) -> Option<Value>) -> Value {
    if let [Piece::Own(name)] = pieces
        && let Some(value) = own(name)
    {
        return value; // A reference alone keeps its type.
    }
    let mut filled = Vec::with_capacity(pieces.len());
    for piece in pieces {
        match piece {
            Piece::Own(name) => match own(name) {
                Some(Value::Expr(inside)) => filled.extend(inside),
                Some(value) => filled.push(Piece::Text(value.to_text())),
                None => filled.push(piece.clone()),
            },
            other => filled.push(other.clone()),
        }
    }
    Value::expr(filled)
}
