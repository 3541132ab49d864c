//! Sealing what providers answer, before it is recorded.

use super::envelope::Binding;
use super::keys::Keys;
use crate::contract::{Outputs, Plain, Seal, SealBroken};
use crate::model::{Digest, Identity, Name, canonical_json};
use crate::state::{Recorded, RecordedOutput};
use std::collections::BTreeMap;

/// Each output is bound to its identity, its name and the digest that is recorded beside it: one that is put under
/// another name, another resource or another digest does not open. A whole record that is put back is found out by
/// looking at the resource anew, which the engine does before it acts.
impl Seal for Keys {
    fn seal(&self, identity: &Identity, outputs: &Outputs) -> BTreeMap<Name, RecordedOutput> {
        let plain = outputs.plain.iter().map(|(name, value)| {
            let digest = self.output_digest("plain", &canonical_json(value));
            (name.clone(), RecordedOutput { digest, value: Recorded::Plain(value.clone()) })
        });
        let secret = outputs.secret.iter().map(|(name, value)| {
            let digest = self.output_digest("secret", value.expose().as_bytes());
            let sealed = Keys::seal(
                self,
                Binding { row: &row(identity, name), version: &digest.to_string() },
                value.expose().as_bytes(),
            );
            (name.clone(), RecordedOutput { digest, value: Recorded::Sealed(sealed) })
        });
        plain.chain(secret).collect()
    }

    fn open(&self, identity: &Identity, name: &Name, output: &RecordedOutput) -> Result<Plain, SealBroken> {
        let Recorded::Sealed(sealed) = &output.value else {
            return Err(SealBroken(format!("output {name} of {identity} is not sealed")));
        };
        let at = Binding { row: &row(identity, name), version: &output.digest.to_string() };
        let bytes = Keys::open(self, at, sealed)?;
        let text = std::str::from_utf8(&bytes).map_err(|_| SealBroken("it is not text".to_owned()))?;
        Ok(Plain::new(text.to_owned()))
    }
}

impl Keys {
    fn output_digest(&self, purpose: &str, value: &[u8]) -> Digest {
        self.digest_key().digest([b"output ", purpose.as_bytes(), &[0], value].concat())
    }
}

fn row(identity: &Identity, name: &Name) -> String {
    format!("output/{identity}/{name}")
}

#[cfg(test)]
mod tests {
    use super::super::keys::KeyPlace;
    use super::*;
    use crate::model::Value;

    #[test]
    fn secret_outputs_open_for_their_identity_and_name_alone() {
        let home = tempfile::tempdir().unwrap();
        let keys = Keys::create(&KeyPlace::Folder(home.path().join("keys")), "abc", home.path()).unwrap();
        let identity = Identity::parse("laptop/guestbook/users").unwrap();
        let (url, host) = (Name::fixed("url"), Name::fixed("host"));
        let outputs = Outputs {
            plain: [(host.clone(), Value::Text("localhost".to_owned()))].into(),
            secret: [
                (url.clone(), Plain::new("postgres://app:hunter2@localhost".to_owned())),
                (Name::fixed("password"), Plain::new("hunter2".to_owned())),
            ]
            .into(),
        };
        let recorded = Seal::seal(&keys, &identity, &outputs);
        assert_eq!(recorded[&host].value, Recorded::Plain(Value::Text("localhost".to_owned())));
        let json = serde_json::to_string(&recorded).unwrap();
        assert!(!json.contains("hunter2"), "{json}");

        let open = |identity: &Identity, name: &Name, output| Seal::open(&keys, identity, name, output);
        assert_eq!(open(&identity, &url, &recorded[&url]).unwrap().expose(), "postgres://app:hunter2@localhost");
        open(&identity.successor().unwrap(), &url, &recorded[&url]).unwrap_err();
        open(&identity, &host, &recorded[&url]).unwrap_err();
        open(&identity, &host, &recorded[&host]).unwrap_err();
        let other_digest = RecordedOutput { digest: recorded[&host].digest, ..recorded[&url].clone() };
        open(&identity, &url, &other_digest).unwrap_err();

        // The digests of the same outputs are the same: an unchanged resource is seen to be unchanged.
        let again = Seal::seal(&keys, &identity, &outputs);
        assert_eq!(again[&url].digest, recorded[&url].digest);
        assert_ne!(again[&url].value, recorded[&url].value);
    }
}
