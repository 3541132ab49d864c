//! Diagnostics as machines read them.

use super::Diagnostic;
use serde::ser::SerializeStruct;
use serde::{Serialize, Serializer};

impl Serialize for Diagnostic {
    /// `code`, `severity`, `place`, `summary`, `detail`, `help`, `related`, `owner`; what is empty is left out. `help` is
    /// one text with a line for each.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Related<'d> {
            place: &'d super::Place,
            what: &'d str,
        }
        let mut fields = serializer.serialize_struct("Diagnostic", 8)?;
        fields.serialize_field("code", &self.code)?;
        fields.serialize_field("severity", &self.severity)?;
        match &self.place {
            Some(place) => fields.serialize_field("place", place)?,
            None => fields.skip_field("place")?,
        }
        fields.serialize_field("summary", self.summary)?;
        fields.serialize_field("detail", &self.detail)?;
        match self.help.as_slice() {
            [] => fields.skip_field("help")?,
            lines => fields.serialize_field("help", &lines.join("\n"))?,
        }
        if self.related.is_empty() {
            fields.skip_field("related")?;
        } else {
            let related: Vec<_> = self.related.iter().map(|(place, what)| Related { place, what }).collect();
            fields.serialize_field("related", &related)?;
        }
        fields.serialize_field("owner", &self.owner)?;
        fields.end()
    }
}
