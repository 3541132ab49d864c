//! From resolved components to nodes: each kind's `expand`, then references between components put in place.
//!
//! A component refers to another one by its address and an output's name. What that means is found out here: the output
//! is what the definition exports, which speaks of what the kind answers, which speaks of nodes. So nodes refer to nodes
//! only, and what is secret at the bottom is secret at the top.

use super::answer::Answers;
use super::check;
use super::node::{DesiredGraph, ExportedOutputs, Import, Need, Node};
use super::rules::{Component, Expanded, FieldType, KindRules, KindSet, Known, WorldFields};
use crate::diagnostic::{Diagnostic, Diagnostics, Place};
use crate::model::{Address, Capability, FieldPath, Kind, Name, Piece, SecretName, StackId, Value};
use std::collections::{BTreeMap, BTreeSet};

/// Everything that a stack asks for, resolved.
#[derive(Clone, Debug)]
pub struct StackAsked {
    /// Whose.
    pub stack: StackId,
    /// Its requirements, its processes as one service, its tasks and entrypoints.
    pub components: Vec<Asked>,
    /// What it uses of other stacks.
    pub imports: BTreeSet<Import>,
    /// Secrets that definitions have made: their lengths.
    pub generate: BTreeMap<SecretName, u32>,
    /// Components that could not be resolved: the mistake is told already, and nothing is said of who refers to them.
    pub unmade: BTreeSet<Address>,
}

/// One component, and what it is to others.
#[derive(Clone, Debug)]
pub struct Asked {
    /// The component.
    pub component: Component,
    /// What others may refer to: each output as a value, in which the component's own address stands for what its kind
    /// answers. `None` is all that the kind answers.
    pub exports: Option<ExportedOutputs>,
    /// Whether other stacks may refer to it.
    pub shared: bool,
}

/// What the world says to the kinds of each capability.
pub type WorldSays = BTreeMap<Capability, WorldFields>;

/// Makes the desired graph of a stack, and says what does not fit together. With errors, the graph is not to be used.
///
/// The time it takes grows with nodes and references, times a logarithm.
pub fn compile(asked: &StackAsked, kinds: &KindSet, world: &WorldSays) -> (DesiredGraph, Diagnostics) {
    let mut found = Diagnostics::new();
    let mut unmade = asked.unmade.clone();
    let mut expanded: Vec<Expanded> = Vec::with_capacity(asked.components.len());
    for asked in &asked.components {
        let (made, said) = expand(&asked.component, kinds, world);
        if said.has_errors() {
            // Its mistake is told, and whoever refers to it made no other.
            unmade.insert(asked.component.address.clone());
        }
        found.extend(said);
        expanded.push(made);
    }
    let mut putting = Putting {
        answers: Answers::new(&asked.components, &expanded),
        nodes_of: nodes_of(&asked.components, &expanded),
        kind_of: expanded.iter().flat_map(|made| &made.nodes).map(|node| (&node.address, &node.kind)).collect(),
        waits: asked.imports.iter().map(|import| (&import.of, import.wait)).collect(),
        unmade: &unmade,
        kinds,
        stack: &asked.stack,
        found,
    };
    let mut graph = DesiredGraph::empty(asked.stack.clone());
    graph.imports = asked.imports.clone();
    graph.generate = asked.generate.clone();
    for (asked, expanded) in asked.components.iter().zip(&expanded) {
        let component = &asked.component;
        for node in &expanded.nodes {
            let node = putting.node(node, component);
            if let Some(before) = graph.nodes.insert(node.address.clone(), node) {
                putting.found.push(twice(component, &before));
            }
        }
        if asked.shared {
            let outputs = putting.answers.all(&component.address);
            graph.exports.insert(component.address.clone(), outputs);
        }
        graph.generate.extend(expanded.generate.iter().map(|(name, length)| (name.clone(), *length)));
    }
    let mut found = putting.found;
    let cycles = putting.answers.into_cycles();
    // What is made of itself is not made, and whoever refers to it made no other mistake.
    found.extend(check::check(&graph, asked, kinds, cycles.is_empty().then_some(&unmade)));
    found.extend(cycles);
    (graph, found)
}

fn expand(component: &Component, kinds: &KindSet, world: &WorldSays) -> (Expanded, Diagnostics) {
    let mut found = Diagnostics::new();
    let Some(rules) = kinds.get(&component.kind) else { return (Expanded::default(), found) };
    let nothing = WorldFields::default();
    let (expanded, said) = (rules.expand)(component, world.get(&rules.capability).unwrap_or(&nothing));
    let is_known = |node: &Node| node.kind == component.kind || rules.makes.contains(&node.kind.as_str());
    debug_assert!(expanded.nodes.iter().all(is_known), "{} makes what its rules do not say", component.kind);
    for mut diagnostic in said {
        if diagnostic.place.is_none() {
            diagnostic.place = component.places.get(&FieldPath::root()).cloned();
        }
        found.push(diagnostic);
    }
    (expanded, found)
}

/// Each component with its nodes' addresses.
type NodesOf<'a> = BTreeMap<&'a Address, (&'a Component, Vec<&'a Address>)>;

fn nodes_of<'a>(components: &'a [Asked], expanded: &'a [Expanded]) -> NodesOf<'a> {
    let of = |(asked, expanded): (&'a Asked, &'a Expanded)| {
        let nodes = expanded.nodes.iter().map(|node| &node.address).collect();
        (&asked.component.address, (&asked.component, nodes))
    };
    components.iter().zip(expanded).map(of).collect()
}

/// What is known while references are put in place.
struct Putting<'a> {
    answers: Answers<'a>,
    nodes_of: NodesOf<'a>,
    kind_of: BTreeMap<&'a Address, &'a Kind>,
    waits: BTreeMap<&'a Address, bool>,
    unmade: &'a BTreeSet<Address>,
    kinds: &'a KindSet,
    stack: &'a StackId,
    found: Diagnostics,
}

impl Putting<'_> {
    fn node(&mut self, node: &Node, component: &Component) -> Node {
        let fields = self.fields(node, component);
        let mut needs = BTreeSet::new();
        for need in &node.needs {
            match need {
                Need::Ready(address) => self.ready(address, &node.address, &mut needs),
                Need::Name(_) => {
                    needs.insert(need.clone());
                }
            }
        }
        self.needs_of_references(&fields, &node.address, &mut needs);
        Node { fields, needs, was: node.was.clone().or_else(|| was(node, component)), ..node.clone() }
    }

    /// Ready of a component is ready of all of its nodes; of one that has none, of what it is after.
    fn ready(&self, address: &Address, of: &Address, needs: &mut BTreeSet<Need>) {
        match self.nodes_of.get(address) {
            Some((component, nodes)) if nodes.is_empty() => {
                // A definition's parts cannot be in a circle, and nothing else is after anything without nodes.
                component.after.iter().for_each(|after| self.ready(after, of, needs));
            }
            Some((_, nodes)) => {
                needs.extend(nodes.iter().filter(|node| **node != of).map(|node| Need::Ready((*node).clone())));
            }
            None => {
                needs.insert(Need::Ready(address.clone()));
            }
        }
    }

    fn needs_of_references(&self, fields: &Value, of: &Address, needs: &mut BTreeSet<Need>) {
        for piece in fields.pieces() {
            let Piece::Output { of: other, name, .. } = piece else { continue };
            if other == of {
                continue;
            }
            let waits = match self.kind_of.get(other) {
                Some(kind) => !self.is_known_from_identity(kind, name),
                None => self.waits.get(other).copied().unwrap_or(true),
            };
            let ready = Need::Ready(other.clone());
            if waits {
                needs.insert(ready);
            } else if !needs.contains(&ready) {
                needs.insert(Need::Name(other.clone()));
            }
        }
        // Ready says all that Name says.
        let covered: Vec<Need> = needs
            .iter()
            .filter(|need| matches!(need, Need::Name(address) if needs.contains(&Need::Ready(address.clone()))))
            .cloned()
            .collect();
        covered.iter().for_each(|need| {
            needs.remove(need);
        });
    }

    fn is_known_from_identity(&self, kind: &Kind, output: &Name) -> bool {
        let rules = self.kinds.get(kind);
        rules.and_then(|rules| rules.output(output)).is_some_and(|output| output.known == Known::FromIdentity)
    }

    /// The fields with references to components become references to nodes.
    fn fields(&mut self, node: &Node, component: &Component) -> Value {
        if node.fields.pieces().is_empty() {
            return node.fields.clone();
        }
        let rules = self.kinds.get(&node.kind);
        self.put(&node.fields, &FieldPath::root(), rules, component)
    }

    fn put(&mut self, value: &Value, path: &FieldPath, rules: Option<&KindRules>, component: &Component) -> Value {
        match value {
            Value::Map(map) => {
                let put =
                    map.iter().map(|(key, value)| (key.clone(), self.put(value, &path.join(key), rules, component)));
                Value::Map(put.collect())
            }
            Value::List(items) => {
                Value::List(items.iter().map(|item| self.put(item, path, rules, component)).collect())
            }
            Value::Expr(pieces) => {
                let known = self.answers.put(pieces, &component.address);
                let unknown = self.answers.take_unknown();
                for (of, name) in unknown.into_iter().filter(|(of, _)| !self.unmade.contains(of)) {
                    self.found.push(self.unknown_output(&of, &name, path, component));
                }
                match (&known, rules.and_then(|rules| rules.field(path))) {
                    // What is known now, and text is wanted: a port in a variable.
                    (Value::Whole(_) | Value::Flag(_), Some((_, field))) if field.ty == FieldType::Text => {
                        Value::Text(known.to_text())
                    }
                    _ => known,
                }
            }
            known => known.clone(),
        }
    }

    fn unknown_output(&self, of: &Address, name: &Name, path: &FieldPath, component: &Component) -> Diagnostic {
        let detail = format!("`{}` answers no `{name}`", of.short());
        let known = self.answers.names(of);
        let mut mistake = Diagnostic::error("unknown-output", "unknown output", detail);
        mistake.help.extend(match crate::diagnostic::did_you_mean(name, known.iter().map(|name| name.as_str())) {
            Some(near) => Some(near),
            None if known.is_empty() => None,
            None => {
                Some(format!("it answers {}", known.iter().map(|name| name.as_str()).collect::<Vec<_>>().join(", ")))
            }
        });
        mistake.place = place_of(component, path);
        debug_assert!(of.stack == self.stack.stack, "only outputs of this stack are looked up");
        mistake
    }
}

/// Where a node stood before, if its component has another name now, or its stack.
fn was(node: &Node, component: &Component) -> Option<Address> {
    let before = component.was.as_ref()?;
    let name = if node.address.name == component.address.name { &before.name } else { &node.address.name };
    Some(Address { stack: before.stack.clone(), name: name.clone(), ..node.address.clone() })
}

/// Where a field of a component stands; what holds it, or the component, where it has no place of its own.
pub(super) fn place_of(component: &Component, path: &FieldPath) -> Option<Place> {
    let mut path = Some(path.clone());
    while let Some(here) = path {
        if let Some(place) = component.places.get(&here) {
            return Some(place.clone());
        }
        path = here.parent();
    }
    None
}

fn twice(component: &Component, before: &Node) -> Diagnostic {
    let detail = format!("two things would stand at {}", before.address);
    let mut mistake = Diagnostic::error("duplicate-address", "duplicate address", detail);
    mistake.place = component.places.get(&FieldPath::root()).cloned();
    mistake.help("give one of them another name")
}
