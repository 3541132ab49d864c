//! `Address` and `Identity`: where a resource stands, and which of its lives is meant.

use super::Name;
use serde::{Deserialize, Serialize};
use std::fmt;

/// The unit that queues, locks, deploys and rolls back: one service in one world, or one resource made without a
/// service. Written `world/stack`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct StackId {
    /// The world that the stack is in.
    pub world: Name,
    /// The service's name, or the resource's.
    pub stack: Name,
}

/// Where a resource stands: `staging/guestbook/users.instance`. An address is for ever; what stands there may be
/// replaced, and then has another [`Identity`].
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Address {
    /// The world.
    pub world: Name,
    /// The stack.
    pub stack: Name,
    /// What the stack's owner calls it: a requirement, a process, an entrypoint.
    pub name: Name,
    /// One of several concrete things that are made for one name: `instance`, `subnet-group`, a replica's number.
    pub part: Option<PartName>,
}

/// A part's name: like a [`Name`], and a number (`guestbook.1`) or a digest's first letters is one too.
pub type PartName = std::sync::Arc<str>;

/// One life of what stands at an address. Every external name, label and token is a pure function of (instance id,
/// identity); tokens of the step's digest too. Written `world/stack/name.part#2`; `#1` is left out.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Identity {
    /// Where.
    pub address: Address,
    /// Which life, from 1. It is raised durably before the create that needs it, and never goes back.
    pub incarnation: u32,
}

/// An incarnation cannot be raised any further.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IncarnationOverflow(pub Address);

/// Why a text is not an address or an identity.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotAnAddress(String);

impl StackId {
    /// Puts the two names together.
    #[must_use]
    pub fn new(world: Name, stack: Name) -> StackId {
        StackId { world, stack }
    }

    /// The address of a name of this stack.
    #[must_use]
    pub fn address(&self, name: Name) -> Address {
        Address { world: self.world.clone(), stack: self.stack.clone(), name, part: None }
    }
}

impl Address {
    /// The stack that this address belongs to.
    #[must_use]
    pub fn stack_id(&self) -> StackId {
        StackId { world: self.world.clone(), stack: self.stack.clone() }
    }

    /// The same place with a part: `users` → `users.instance`.
    #[must_use]
    pub fn with_part(&self, part: &str) -> Address {
        Address { part: Some(PartName::from(part)), ..self.clone() }
    }

    /// The address without its part: what the manifest calls it.
    #[must_use]
    pub fn whole(&self) -> Address {
        Address { part: None, ..self.clone() }
    }

    /// One life of this address.
    #[must_use]
    pub fn incarnation(&self, incarnation: u32) -> Identity {
        Identity { address: self.clone(), incarnation }
    }

    /// `name` or `name.part`: how screens of one stack call it.
    #[must_use]
    pub fn short(&self) -> String {
        match &self.part {
            Some(part) => format!("{}.{part}", self.name),
            None => self.name.to_string(),
        }
    }

    /// Reads `world/stack/name` or `world/stack/name.part`.
    ///
    /// # Errors
    /// When the text has another shape.
    pub fn parse(text: &str) -> Result<Address, NotAnAddress> {
        let bad = || NotAnAddress(text.to_owned());
        let mut parts = text.splitn(3, '/');
        let (world, stack, rest) = (parts.next(), parts.next(), parts.next());
        let (Some(world), Some(stack), Some(rest)) = (world, stack, rest) else { return Err(bad()) };
        let (name, part) = match rest.split_once('.') {
            Some((name, part)) => (name, Some(part)),
            None => (rest, None),
        };
        if part.is_some_and(|p| p.is_empty() || !p.chars().all(|c| matches!(c, 'a'..='z' | '0'..='9' | '-' | '_'))) {
            return Err(bad());
        }
        let name_of = |text: &str| Name::new(text).map_err(|_| bad());
        Ok(Address {
            world: name_of(world)?,
            stack: name_of(stack)?,
            name: name_of(name)?,
            part: part.map(PartName::from),
        })
    }
}

impl Identity {
    /// The next life at the same address.
    ///
    /// # Errors
    /// [`IncarnationOverflow`] after four thousand million lives.
    pub fn successor(&self) -> Result<Identity, IncarnationOverflow> {
        match self.incarnation.checked_add(1) {
            Some(incarnation) => Ok(Identity { address: self.address.clone(), incarnation }),
            None => Err(IncarnationOverflow(self.address.clone())),
        }
    }

    /// Reads `world/stack/name.part#2`.
    ///
    /// # Errors
    /// When the text has another shape.
    pub fn parse(text: &str) -> Result<Identity, NotAnAddress> {
        let (address, incarnation) = match text.split_once('#') {
            Some((address, number)) => (address, number.parse().map_err(|_| NotAnAddress(text.to_owned()))?),
            None => (text, 1),
        };
        Ok(Identity { address: Address::parse(address)?, incarnation })
    }
}

impl fmt::Display for StackId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.world, self.stack)
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{}", self.world, self.stack, self.name)?;
        match &self.part {
            Some(part) => write!(f, ".{part}"),
            None => Ok(()),
        }
    }
}

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.address)?;
        if self.incarnation == 1 { Ok(()) } else { write!(f, "#{}", self.incarnation) }
    }
}

impl fmt::Display for NotAnAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} is not an address (world/stack/name or world/stack/name.part)", self.0)
    }
}

impl std::error::Error for NotAnAddress {}

impl TryFrom<String> for Address {
    type Error = NotAnAddress;
    fn try_from(text: String) -> Result<Address, NotAnAddress> {
        Address::parse(&text)
    }
}

impl From<Address> for String {
    fn from(address: Address) -> String {
        address.to_string()
    }
}

impl TryFrom<String> for Identity {
    type Error = NotAnAddress;
    fn try_from(text: String) -> Result<Identity, NotAnAddress> {
        Identity::parse(&text)
    }
}

impl From<Identity> for String {
    fn from(identity: Identity) -> String {
        identity.to_string()
    }
}

impl std::str::FromStr for StackId {
    type Err = NotAnAddress;
    fn from_str(text: &str) -> Result<StackId, NotAnAddress> {
        let bad = || NotAnAddress(text.to_owned());
        let (world, stack) = text.split_once('/').ok_or_else(bad)?;
        Ok(StackId { world: Name::new(world).map_err(|_| bad())?, stack: Name::new(stack).map_err(|_| bad())? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_and_identities_read_back() {
        for text in ["staging/guestbook/users.instance", "laptop/guestbook/guestbook.1", "laptop/hello/web"] {
            assert_eq!(Address::parse(text).unwrap().to_string(), text);
        }
        let second = Identity::parse("laptop/guestbook/guestbook.1#2").unwrap();
        assert_eq!(second.incarnation, 2);
        assert_eq!(second.to_string(), "laptop/guestbook/guestbook.1#2");
        assert_eq!(Identity::parse("laptop/hello/web").unwrap().incarnation, 1);
        for bad in
            ["", "laptop", "laptop/hello", "laptop/hello/", "laptop/hello/web.", "laptop/hello/web.a/b", "a/b/c#x"]
        {
            assert!(Identity::parse(bad).is_err(), "{bad}");
        }
    }
}
