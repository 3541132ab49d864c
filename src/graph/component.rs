//! What a component calls its nodes and the secrets that are made for it.

use super::rules::Component;
use crate::model::{Address, Name, Piece, SecretName, Value};

impl Component {
    /// The address of a node that is a part of it: `users.instance`; of a part of a definition, `site.bucket-policy`.
    #[must_use]
    pub fn part(&self, part: &str) -> Address {
        match &self.address.part {
            None => self.address.with_part(part),
            Some(own) => self.address.with_part(&format!("{own}-{part}")),
        }
    }

    /// The address of a replica, or of another node, of a further process: `worker.1`. The processes of what is not the
    /// stack itself are parts: `search.indexer-1`.
    #[must_use]
    pub fn process_part(&self, process: Option<&Name>, part: &str) -> Address {
        match process {
            None => self.part(part),
            Some(process) if self.is_stack() => {
                Address { name: process.clone(), part: None, ..self.address.clone() }.with_part(part)
            }
            Some(process) => self.part(&format!("{process}-{part}")),
        }
    }

    /// Whether it is what its stack is called after: the service itself, or a resource made without one.
    #[must_use]
    pub fn is_stack(&self) -> bool {
        self.address.part.is_none() && self.address.name == self.address.stack
    }

    /// The address that it was made under: what its data and its secrets are called after, so that a new name (`was:`)
    /// changes neither.
    #[must_use]
    pub fn made_as(&self) -> &Address {
        self.was.as_ref().unwrap_or(&self.address)
    }

    /// The name of a secret that is made for it once and kept: `guestbook/users.password`.
    #[must_use]
    pub fn made_secret(&self, key: &str) -> SecretName {
        let address = self.made_as();
        SecretName(format!("{}/{}.{key}", address.stack, address.short()))
    }

    /// A value that is a secret which was made for it.
    #[must_use]
    pub fn made_secret_piece(&self, key: &str, encode: bool) -> Piece {
        Piece::Secret { name: self.made_secret(key), key: None, encode }
    }

    /// What one of its fields holds.
    #[must_use]
    pub fn field(&self, key: &str) -> Option<&Value> {
        self.fields.get(key)
    }

    /// Its name without the letters that a database cannot have: `order_items`.
    #[must_use]
    pub fn identifier(&self) -> String {
        self.made_as().short().chars().map(|c| if c == '-' || c == '.' { '_' } else { c }).collect()
    }
}
