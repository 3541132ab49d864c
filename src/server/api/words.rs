//! Words that all bodies use: moments, reasons, places, and how the words of our own types are documented.

use crate::model::Wall;
use crate::state;
use serde::{Deserialize, Serialize};
use std::fmt;
use utoipa::ToSchema;
use utoipa::openapi::schema::{ObjectBuilder, SchemaType, Type};
use utoipa::openapi::{RefOr, Schema};

/// A moment: RFC 3339, UTC, with milliseconds.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Moment(pub Wall);

/// Why something is as it is, for people; the code is for machines.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct Why {
    /// What kind of reason: `not_healthy`, `missing`, `refused`, ...
    #[schema(value_type = super::schema::WhyCode)]
    pub code: state::WhyCode,
    /// One sentence.
    pub text: String,
    /// More lines, such as the last ones that a process wrote.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub details: Vec<String>,
    /// What to do, if there is something: a command, or a sentence.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub way_out: Option<String>,
}

/// A stretch of one line of a file.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize, ToSchema)]
pub struct Place {
    /// The file, relative to its source, or to the folder of worlds and repositories.
    pub file: String,
    /// The line, from 1.
    #[schema(minimum = 1, maximum = 4_294_967_295u64)]
    pub line: u32,
    /// The first character of the stretch, from 1.
    #[schema(minimum = 1, maximum = 4_294_967_295u64)]
    pub column: u32,
    /// How many characters.
    #[schema(minimum = 1, maximum = 4_294_967_295u64)]
    pub length: u32,
}

impl From<state::Why> for Why {
    fn from(why: state::Why) -> Why {
        Why { code: why.code, text: why.text, details: why.details, way_out: why.way_out }
    }
}

impl From<&crate::diagnostic::Place> for Place {
    fn from(place: &crate::diagnostic::Place) -> Place {
        Place { file: place.file.to_string(), line: place.line, column: place.column, length: place.length }
    }
}

impl From<Wall> for Moment {
    fn from(wall: Wall) -> Moment {
        Moment(wall)
    }
}

impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let milliseconds = i64::try_from(self.0.0).unwrap_or(i64::MAX);
        match jiff::Timestamp::from_millisecond(milliseconds) {
            Ok(timestamp) => write!(f, "{timestamp:.3}"),
            // A clock beyond the year 9999: shown as it is counted rather than not at all.
            Err(_) => write!(f, "{}", self.0.0),
        }
    }
}

impl From<Moment> for String {
    fn from(moment: Moment) -> String {
        moment.to_string()
    }
}

impl TryFrom<String> for Moment {
    type Error = String;
    fn try_from(text: String) -> Result<Moment, String> {
        let timestamp: jiff::Timestamp = text.parse().map_err(|_| format!("{text:?} is not a moment of RFC 3339"))?;
        let milliseconds = u64::try_from(timestamp.as_millisecond()).map_err(|_| format!("{text} is before 1970"))?;
        Ok(Moment(Wall(milliseconds)))
    }
}

impl utoipa::PartialSchema for Moment {
    fn schema() -> RefOr<Schema> {
        let text = ObjectBuilder::new().schema_type(SchemaType::Type(Type::String));
        let text = text.description(Some("A moment: RFC 3339, UTC, with milliseconds."));
        text.format(Some(utoipa::openapi::SchemaFormat::Custom("date-time".to_owned())))
            .examples(["2026-11-20T12:31:07.000Z"])
            .into()
    }
}

impl ToSchema for Moment {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_read_back() {
        let moment = Moment(Wall(1_795_091_467_042));
        assert_eq!(moment.to_string(), "2026-11-19T12:31:07.042Z");
        assert_eq!(Moment::try_from(moment.to_string()), Ok(moment));
        assert!(Moment::try_from("yesterday".to_owned()).is_err());
        assert!(Moment::try_from("1960-01-01T00:00:00Z".to_owned()).is_err());
    }
}
