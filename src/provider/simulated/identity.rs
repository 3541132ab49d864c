//! Names as a pure function of (instance id, identity).

use crate::model::{Digest, Identity};

/// The external name of one life: readable, unique, at most 63 bytes.
#[must_use]
pub fn name_of(instance: &str, identity: &Identity) -> String {
    let readable = format!("{}-{}", identity.address.stack, identity.address.short().replace('.', "-"));
    let unique = Digest::of_json("simulated-name", &(instance, identity)).short();
    let readable: String = readable.chars().take(50).collect();
    format!("{readable}-{unique}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_differ_by_instance_and_life() {
        let first = Identity::parse("laptop/guestbook/users.instance").unwrap();
        let second = first.successor().unwrap();
        assert_ne!(name_of("a", &first), name_of("a", &second));
        assert_ne!(name_of("a", &first), name_of("b", &first));
        assert!(name_of("a", &first).starts_with("guestbook-users-instance-"));
    }
}
