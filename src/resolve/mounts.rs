//! Volumes of a service, where its room mounts them.

use super::building::Building;
use super::fields::Fields;
use crate::document::Spanned;
use crate::model::{Address, FieldPath, Name, Value};

impl Building<'_> {
    /// Puts the volumes among what a service requires into its fields: each by what it is called there.
    pub fn mounts(&self, required: &[(&Spanned<Name>, Address)], fields: &mut Fields) {
        for (name, address) in required {
            let Some(about) = self.about.get(address) else { continue };
            if about.choice.as_str() != "deploy/volume" {
                continue;
            }
            let rules = self.offers.kinds.get(&about.kind);
            if rules.and_then(|rules| rules.output(&Name::fixed("volume"))).is_none() {
                continue; // The room tells the path, and mounts nothing.
            }
            let Some(volume) = self.components.iter().find(|asked| asked.component.address == *address) else {
                continue;
            };
            let here = FieldPath::root().join("mounts").join(&name.value);
            fields.put(here.join("volume"), Value::output(address.clone(), Name::fixed("volume")), &name.place);
            for (key, field) in [("at", "mount"), ("access", "access")] {
                if let Some(value) = volume.component.field(field) {
                    fields.put(here.join(key), value.clone(), &name.place);
                }
            }
        }
    }
}
