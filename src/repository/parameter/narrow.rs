//! Whether one schema lets through more than another: a child may only narrow.

use super::schema::{Additional, Schema};
use super::validate::Validator;
use crate::diagnostic::Place;
use crate::document::Spanned;
use crate::model::Value;

/// How a schema is wider than the one that it narrows.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Wider {
    /// Where it is.
    pub place: Place,
    /// In which way: ``maximum 1000 is more than 500``.
    pub how: String,
}

impl Schema {
    /// Every way in which this schema lets through more than `before`; none if it only narrows. What cannot be compared
    /// counts as wider.
    #[must_use]
    pub fn wider_than(&self, before: &Schema) -> Vec<Wider> {
        let mut wider = Vec::new();
        match self.only_values() {
            // The few values that are left are tried, whatever else is said.
            Some((values, place)) => wider.extend(values_wider(values, place, before)),
            None => self.compare(before, &mut wider),
        }
        wider
    }

    /// The values of `const` or `enum`.
    fn only_values(&self) -> Option<(&[Value], &Place)> {
        match (&self.constant, &self.one_of) {
            (Some(constant), _) => Some((std::slice::from_ref(&constant.value), &constant.place)),
            (None, Some(values)) => Some((&values.value, &values.place)),
            (None, None) => None,
        }
    }

    fn compare(&self, before: &Schema, wider: &mut Vec<Wider>) {
        let mut say = |place: &Place, how: String| wider.push(Wider { place: place.clone(), how });
        if let Some((values, _)) = before.only_values() {
            let values: Vec<String> = values.iter().map(Value::to_text).collect();
            say(&self.place, format!("it was one of {}", values.join(", ")));
            return;
        }
        match (&self.ty, &before.ty) {
            (Some(ty), Some(was)) if ty.value != was.value => {
                say(&ty.place, format!("it was {}, and is {}", was.value.noun(), ty.value.noun()));
                return;
            }
            (None, Some(was)) => say(&self.place, format!("it was {}, and is anything", was.value.noun())),
            _ => {}
        }
        let least = [
            ("minimum", &self.minimum, &before.minimum),
            ("minLength", &self.length_min, &before.length_min),
            ("minItems", &self.items_min, &before.items_min),
        ];
        for (key, now, was) in least {
            if let Some(was) = was
                && now.as_ref().is_none_or(|now| now.value < was.value)
            {
                let now_text = now.as_ref().map_or("nothing".to_owned(), |now| now.value.to_string());
                say(place_of(now, &self.place), format!("{key} {now_text} is less than {}", was.value));
            }
        }
        let most = [
            ("maximum", &self.maximum, &before.maximum),
            ("maxLength", &self.length_max, &before.length_max),
            ("maxItems", &self.items_max, &before.items_max),
        ];
        for (key, now, was) in most {
            if let Some(was) = was
                && now.as_ref().is_none_or(|now| now.value > was.value)
            {
                let now_text = now.as_ref().map_or("no limit".to_owned(), |now| now.value.to_string());
                say(place_of(now, &self.place), format!("{key} {now_text} is more than {}", was.value));
            }
        }
        if let Some(was) = &before.multiple_of
            && self.multiple_of.as_ref().is_none_or(|now| now.value % was.value != 0)
        {
            say(place_of(&self.multiple_of, &self.place), format!("not each is a multiple of {}", was.value));
        }
        if let Some(was) = &before.pattern
            && self.pattern.as_ref().map(|now| &now.value) != Some(&was.value)
        {
            say(place_of(&self.pattern, &self.place), format!("it had to match {}", was.value));
        }
        if before.items_unique.is_some() && self.items_unique.is_none() {
            say(&self.place, "its items had to differ".to_owned());
        }
        self.compare_formats(before, wider);
        self.compare_inside(before, wider);
    }

    fn compare_formats(&self, before: &Schema, wider: &mut Vec<Wider>) {
        let Some(was) = &before.format else { return };
        let mut say = |place: &Place, how: String| wider.push(Wider { place: place.clone(), how });
        if self.format.as_ref().map(|now| now.value) != Some(was.value) {
            say(place_of(&self.format, &self.place), format!("it was a {}", was.value.as_str()));
            return;
        }
        let amount = |bound: &Option<Spanned<String>>| bound.as_ref().and_then(|bound| was.value.amount(&bound.value));
        let text = |bound: &Option<Spanned<String>>| bound.as_ref().map_or("none", |bound| &bound.value).to_owned();
        let (least, least_was) = (amount(&self.format_minimum), amount(&before.format_minimum));
        if least_was.is_some_and(|was| least.is_none_or(|now| now < was)) {
            let how =
                format!("formatMinimum {} is less than {}", text(&self.format_minimum), text(&before.format_minimum));
            say(place_of(&self.format_minimum, &self.place), how);
        }
        let (most, most_was) = (amount(&self.format_maximum), amount(&before.format_maximum));
        if most_was.is_some_and(|was| most.is_none_or(|now| now > was)) {
            let how =
                format!("formatMaximum {} is more than {}", text(&self.format_maximum), text(&before.format_maximum));
            say(place_of(&self.format_maximum, &self.place), how);
        }
    }

    fn compare_inside(&self, before: &Schema, wider: &mut Vec<Wider>) {
        if let Some(was) = &before.items {
            match &self.items {
                Some(now) => wider.extend(now.wider_than(was)),
                None => wider.push(Wider { place: self.place.clone(), how: "its items were checked".to_owned() }),
            }
        }
        let beside = |schema: &Schema| match &schema.additional {
            Additional::As(additional) => Some((**additional).clone()),
            _ => None,
        };
        for (name, now) in &self.properties {
            match (before.properties.get(name), &before.additional) {
                (Some(was), _) => wider.extend(now.wider_than(was)),
                (None, Additional::As(was)) => wider.extend(now.wider_than(was)),
                (None, Additional::Nothing) => {
                    let how = format!("there could be no `{name}`");
                    wider.push(Wider { place: now.place.clone(), how });
                }
                (None, Additional::Any) => {}
            }
        }
        for (name, was) in &before.properties {
            if !self.properties.contains_key(name) && self.additional != Additional::Nothing {
                // What was said of it is gone: it is what any other property is.
                let checked = beside(self).is_some_and(|now| now.wider_than(was).is_empty());
                if !checked {
                    let how = format!("`{name}` was checked");
                    wider.push(Wider { place: self.place.clone(), how });
                }
            }
        }
        for name in before.required.difference(&self.required) {
            wider.push(Wider { place: self.place.clone(), how: format!("`{name}` had to be there") });
        }
        let closed = match (&self.additional, &before.additional) {
            (_, Additional::Any) | (Additional::Nothing, _) => true,
            (Additional::As(now), Additional::As(was)) => now.wider_than(was).is_empty(),
            (_, Additional::Nothing | Additional::As(_)) => false,
        };
        if !closed {
            wider.push(Wider { place: self.place.clone(), how: "there could be no other properties".to_owned() });
        }
    }
}

fn place_of<'p, T>(said: &'p Option<Spanned<T>>, otherwise: &'p Place) -> &'p Place {
    said.as_ref().map_or(otherwise, |said| &said.place)
}

fn values_wider(values: &[Value], place: &Place, before: &Schema) -> Vec<Wider> {
    let Ok(validator) = Validator::new(before) else { return Vec::new() }; // Told where it stands.
    let refused = values.iter().filter(|value| !validator.allows(value, before));
    let how = |value: &Value| format!("`{}` could not be set before", shown(value));
    refused.map(|value| Wider { place: place.clone(), how: how(value) }).collect()
}

fn shown(value: &Value) -> String {
    match value {
        Value::List(_) | Value::Map(_) | Value::Null => serde_json::to_string(value).unwrap_or_default(),
        known => known.to_text(),
    }
}
