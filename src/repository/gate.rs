//! Gates: who may use an entrypoint.

use super::keys::{GATE, RULE};
use crate::diagnostic::{Diagnostic, Diagnostics, Place};
use crate::document::{Entry, Node, Spanned};
use crate::model::Name;
use ipnet::IpNet;

/// Who may use an entrypoint.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Gate {
    /// Its name, where it is written.
    pub name: Spanned<Name>,
    /// The repository that says it.
    pub repository: Name,
    /// Who is let in. Nobody where there is none; `None` takes a gate of an inherited repository away.
    pub allow: Option<Vec<GateRule>>,
    /// Whether it has mistakes: nobody knows whom it lets in, and it takes the place of an inherited one all the same.
    pub broken: bool,
}

/// One range that is let in.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct GateRule {
    /// `from`: the range of addresses.
    pub from: Spanned<IpNet>,
    /// `ports`; empty is every port.
    pub ports: Vec<u16>,
    /// Where the rule stands.
    pub place: Place,
}

impl Gate {
    pub(super) fn read(repository: &Name, entry: &Entry, found: &mut Diagnostics) -> Option<Gate> {
        let name = entry.key.name("a gate's name", found)?;
        let gate = |allow, broken| Some(Gate { name: name.clone(), repository: repository.clone(), allow, broken });
        if entry.value.is_null() {
            return gate(None, false);
        }
        match Gate::rules(&entry.value, found) {
            Some(rules) => gate(Some(rules), false),
            None => gate(None, true),
        }
    }

    fn rules(said: &Node, found: &mut Diagnostics) -> Option<Vec<GateRule>> {
        let map = said.map("a gate", found)?;
        GATE.check(map, found);
        let Some(allow) = map.get("allow") else {
            if GATE.lack(map, "allow") {
                let mistake = Diagnostic::error("missing-key", "missing key", "a gate says whom it lets in");
                found.push(mistake.at(&said.place).help("write allow: [ { from: 203.0.113.0/24 } ]"));
            }
            return None;
        };
        let items = allow.list("`allow`", found)?;
        let rules: Vec<GateRule> = items.iter().filter_map(|item| GateRule::read(item, found)).collect();
        (rules.len() == items.len()).then_some(rules)
    }
}

impl GateRule {
    fn read(item: &Node, found: &mut Diagnostics) -> Option<GateRule> {
        // A range alone is a rule for every port.
        if item.as_text().is_some() {
            return Some(GateRule { from: read_range(item, found)?, ports: Vec::new(), place: item.place.clone() });
        }
        let map = item.map("a rule of a gate", found)?;
        RULE.check(map, found);
        let Some(from) = map.get("from") else {
            if RULE.lack(map, "from") {
                let mistake = Diagnostic::error("missing-key", "missing key", "a rule of a gate says from where");
                found.push(mistake.at(&item.place).help("write { from: 203.0.113.0/24 }"));
            }
            return None;
        };
        let ports = match map.get("ports") {
            None => Vec::new(),
            Some(node) => {
                let items = node.list("`ports`", found)?;
                let ports: Vec<u16> = items
                    .iter()
                    .filter_map(|item| item.whole("a port", 1..=65535, found))
                    .map(|port| u16::try_from(port.value).expect("the range fits"))
                    .collect();
                if ports.len() != items.len() {
                    return None; // A rule without its ports would let in on every port.
                }
                ports
            }
        };
        Some(GateRule { from: read_range(from, found)?, ports, place: item.place.clone() })
    }

    /// Whether it lets in on one of these ports.
    #[must_use]
    pub fn is_for(&self, ports: &[u16]) -> bool {
        self.ports.is_empty() || self.ports.iter().any(|port| ports.contains(port))
    }
}

fn read_range(node: &Node, found: &mut Diagnostics) -> Option<Spanned<IpNet>> {
    let text = node.words("`from`", found)?;
    // One address alone is the range of it.
    let alone = |prefix: &str| format!("{}/{prefix}", text.value).parse::<IpNet>().ok();
    match text.value.parse::<IpNet>().ok().or_else(|| alone("32")).or_else(|| alone("128")) {
        Some(range) if range.network() == range.addr() => Some(node.spanned(range)),
        Some(range) => {
            let detail = format!("{range} has bits behind its prefix: the range is {}", range.trunc());
            let mistake = Diagnostic::error("bad-range", "not a range of addresses", detail).at(&node.place);
            found.push(mistake.help(format!("write {}", range.trunc())));
            None
        }
        None => {
            let detail = "`from` is a range of addresses, as in 203.0.113.0/24";
            found.push(Diagnostic::error("bad-range", "not a range of addresses", detail).at(&node.place));
            None
        }
    }
}
