//! Parameters put into a manifest's words of a definition, before they are read as such: `replicas: "${with.count}"` is
//! a number then.

use super::with::With;
use crate::document::{Entry, Map, Node, Scalar, Shape, Style};
use crate::model::Value;

/// The words with every `${with.X}` whose value is known put in. One that is made of references stays, and is put in
/// when the text around it is.
pub(super) fn substitute(map: &Map, with: &With) -> Map {
    let put = |entry: &Entry| match COMMANDS.contains(&&*entry.key.value) {
        true => entry.clone(),
        false => Entry { key: entry.key.clone(), value: node(&entry.value, with) },
    };
    Map { entries: map.entries.iter().map(put).collect() }
}

/// Commands may be a shell's: what a developer sets is never put into them. The reader says to use `env`.
const COMMANDS: [&str; 2] = ["run", "command"];

fn node(written: &Node, with: &With) -> Node {
    let shape = match &written.shape {
        Shape::Map(map) => Shape::Map(substitute(map, with)),
        Shape::List(items) => Shape::List(items.iter().map(|item| node(item, with)).collect()),
        Shape::Scalar(text) if text.marks.is_empty() => return written.clone(),
        Shape::Scalar(text) => match alone(text, with) {
            Some(value) => return value_node(value, written),
            None => Shape::Scalar(inside(text, written, with)),
        },
    };
    Node { place: written.place.clone(), shape }
}

/// The value, if the whole is one `${with.X}` that is known.
fn alone<'w>(scalar: &Scalar, with: &'w With) -> Option<&'w Value> {
    let path = scalar.text.strip_prefix("${with.")?.strip_suffix('}')?;
    known(path, with)
}

fn known<'w>(path: &str, with: &'w With) -> Option<&'w Value> {
    if path.contains(['$', '{', '}']) {
        return None;
    }
    let path: Vec<String> = path.split('.').map(str::to_owned).collect();
    with.at(&path).filter(|value| value.is_known())
}

/// A value as it would have been written at that place.
fn value_node(value: &Value, at: &Node) -> Node {
    let scalar = |text: String, style| Shape::Scalar(Scalar { text: text.into(), style, marks: Box::default() });
    let shape = match value {
        Value::Null => scalar(String::new(), Style::Nothing),
        Value::Flag(_) | Value::Whole(_) => scalar(value.to_text(), Style::Plain),
        Value::List(items) => Shape::List(items.iter().map(|item| value_node(item, at)).collect()),
        Value::Map(map) => {
            let entry = |(key, value): (&String, &Value)| Entry {
                key: at.spanned(key.as_str().into()),
                value: value_node(value, at),
            };
            Shape::Map(Map { entries: map.iter().map(entry).collect() })
        }
        Value::Text(text) => {
            let (text, marks) = escaped(text);
            Shape::Scalar(Scalar {
                text: text.into(),
                style: Style::Quoted,
                marks: vec![at.place.clone(); marks].into(),
            })
        }
        Value::Expr(_) => unreachable!("only known values are put in"),
    };
    Node { place: at.place.clone(), shape }
}

/// A text that is read as text: a dollar sign in it is meant as it is. With it, how many marks it needs.
fn escaped(text: &str) -> (String, usize) {
    let escaped = text.replace('$', "$$");
    let marks = escaped.matches("${").count();
    (escaped, marks)
}

/// A text with parameters among other things.
fn inside(scalar: &Scalar, at: &Node, with: &With) -> Scalar {
    let mut text = String::with_capacity(scalar.text.len());
    let mut marks = Vec::new();
    let mut rest = &*scalar.text;
    let mut old_marks = scalar.marks.iter();
    while let Some(begin) = rest.find("${") {
        let (before, from) = rest.split_at(begin);
        text.push_str(before);
        let mark = old_marks.next().unwrap_or(&at.place);
        let is_escaped = before.ends_with('$');
        let end = from.find('}').map_or(from.len(), |end| end + 1);
        let reference = &from[..end];
        let path = reference.strip_prefix("${with.").and_then(|path| path.strip_suffix('}'));
        match path.filter(|_| !is_escaped).and_then(|path| known(path, with)) {
            Some(value) if !matches!(value, Value::List(_) | Value::Map(_)) => {
                let (put, count) = escaped(&value.to_text());
                text.push_str(&put);
                marks.extend(vec![at.place.clone(); count]);
            }
            _ => {
                text.push_str(reference);
                marks.push(mark.clone());
            }
        }
        rest = &from[end..];
    }
    text.push_str(rest);
    Scalar { text: text.into(), style: scalar.style, marks: marks.into() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::{self, Budget};
    use crate::resolve::with::{Set, SetBy};

    #[test]
    fn what_is_known_is_put_in_and_dollars_stay_dollars() {
        let file = "t.yaml".into();
        let text = b"a: \"${with.n}\"\nb: \"x ${with.t} ${users.url} $${with.n}\"\nc: \"${with.e}\"\n";
        let (documents, _) = document::read(&file, text, &Budget::default());
        let map = documents[0].root.as_map().unwrap();
        let place = map.get("a").unwrap().place.clone();
        let set = |value| Set { value, place: place.clone(), by: SetBy::With };
        let mut with = With::default();
        with.values.insert(crate::model::Name::fixed("n"), set(Value::Whole(3)));
        with.values.insert(crate::model::Name::fixed("t"), set(Value::from("5$ ${x}")));
        with.values.insert(crate::model::Name::fixed("e"), set(Value::Expr(Vec::new())));
        let put = substitute(map, &with);
        let scalar = |key: &str| put.get(key).unwrap().as_scalar().unwrap().clone();
        assert_eq!(scalar("a").whole(), Some(3));
        assert_eq!(&*scalar("b").text, "x 5$$ $${x} ${users.url} $${with.n}");
        assert_eq!(scalar("b").marks.len(), 3);
        assert_eq!(&*scalar("c").text, "${with.e}");
    }
}
