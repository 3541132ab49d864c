//! `KindRules`: how a kind behaves, as data. Rooms export theirs without their SDK and under no feature, so that
//! `check`, `explain` and `plan` for any world work anywhere.

use super::node::{HealthCheck, Node, Update};
use crate::diagnostic::{Diagnostics, Place};
use crate::model::{Address, Capability, Digest, FieldPath, Kind, Milliseconds, Name, SecretName, Value};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// How one kind behaves.
#[derive(Clone, Debug)]
pub struct KindRules {
    /// Which kind.
    pub kind: Kind,
    /// What a world must be able to do for it.
    pub capability: Capability,
    /// What a person reads about it: `a PostgreSQL server of this machine`.
    pub description: &'static str,
    /// Its fields, by path; `*` stands for any key. A field that is not here is an error of the definition.
    pub fields: BTreeMap<FieldPath, Field>,
    /// What it answers.
    pub outputs: Outputs,
    /// Whether deleting it loses what cannot be made again.
    pub data: Data,
    /// How long it is meant to be there.
    pub lifecycle: Lifecycle,
    /// What part it plays in a deployment.
    pub role: Role,
    /// Who rolls it.
    pub rollout: Rollout,
    /// What protects a create from being done twice (RELIABILITY.md D4).
    pub create: Create,
    /// How it is replaced when a fixed field changes.
    pub replace: Replace,
    /// How long it usually takes to be ready, for people: `usually 6 min`.
    pub usually: Milliseconds,
    /// How long it may settle before it counts as failed, where no health check says so.
    pub within: Milliseconds,
    /// The kinds of its nodes, where they are others than itself: what is said of this kind (a world's policy) is said of
    /// these.
    pub makes: &'static [&'static str],
    /// One component to its nodes. Pure; a kind that is made as it stands uses [`Expanded::one`].
    pub expand: fn(&Component, &WorldFields) -> (Expanded, Diagnostics),
}

/// How one field behaves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Field {
    /// What a change of it means.
    pub change: Change,
    /// Whether it is secret, whatever it is made of.
    pub secret: bool,
    /// Whether it must be there.
    pub required: bool,
    /// What it may hold.
    pub ty: FieldType,
}

/// What a change of a field means.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Change {
    /// It is changed where it stands (or, for a kind rolled by successors, by its next life).
    InPlace,
    /// What stands must be replaced.
    Fixed,
    /// It is changed where it stands, upwards only.
    GrowOnly,
    /// The kind answers it; nobody asks for it.
    Computed,
}

/// What a field may hold. An expression is let in everywhere: what it becomes is checked by its own type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FieldType {
    /// Text.
    Text,
    /// One of these texts.
    OneOf(&'static [&'static str]),
    /// A whole number from and to.
    Whole(i64, i64),
    /// true or false.
    Flag,
    /// A size: `10Gi`.
    Size,
    /// A span of time: `30s`.
    Duration,
    /// Values of one type in order.
    List(Box<FieldType>),
    /// Values of one type by any key.
    Map(Box<FieldType>),
    /// Anything: the kind looks itself.
    Any,
}

/// What a kind answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outputs {
    /// Always these.
    Fixed(BTreeMap<Name, Output>),
    /// Every one of its fields (`existing`).
    Fields,
    /// What is listed under its field `outputs` (`kubernetes/manifests`).
    Declared,
}

/// One output.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Output {
    /// Whether it is secret.
    pub secret: bool,
    /// What it is.
    pub ty: FieldType,
    /// Since when it is known.
    pub known: Known,
}

/// Since when an output is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Known {
    /// Before it is made: a pure function of its identity and fields.
    FromIdentity,
    /// Once it was made, perhaps long after the create was asked for.
    AfterCreate,
}

/// Whether something holds data.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Data {
    /// Deleting, replacing or shrinking it needs consent.
    HoldsData,
    /// It can be made again.
    Stateless,
}

/// How long something is meant to be there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Lifecycle {
    /// Until nobody wants it.
    Standing,
    /// It runs once for its `once_for`, and its end is what is recorded: migrations, tests, tasks.
    Once,
    /// Several lives are kept, one for each `once_for`, the newest so many: copies, images. Never taken away: what the
    /// running, good or target release uses.
    Kept(u32),
}

/// What part a kind plays.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// What services need: databases, folders, copies, addresses.
    Infrastructure,
    /// What runs a service's own code for as long as it is wanted.
    Workload,
    /// What sends traffic to workloads.
    Route,
    /// What runs a service's own code once.
    Task,
}

/// Who rolls it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Rollout {
    /// An update is one order; it rolls by itself if there is anything to roll.
    InPlace,
    /// The planner: a successor, then traffic, then the predecessor is retired.
    BySuccessor,
}

/// What protects a create from being done twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Create {
    /// Its name is a function of its identity, and is unique.
    ByName,
    /// The token in the order is.
    ByToken,
    /// Doing it twice is doing it once.
    Repeatable,
    /// Nothing is: after an unclear answer, wait this long and look before trying once more.
    AtMostOnce {
        /// Longer than the latest effect and the stalest listing together.
        grace: Milliseconds,
    },
}

/// How something is replaced.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Replace {
    /// The old goes before the new comes: they cannot stand side by side.
    DeleteFirst,
    /// The new is ready before the old goes.
    CreateFirst,
    /// Never: the report says what to do instead.
    Never,
}

/// What `resolve` hands to a kind's `expand`: one requirement, process, entrypoint or task of a stack, resolved.
#[derive(Clone, Debug)]
pub struct Component {
    /// Where: what the manifest calls it; a part of a definition has that name as its part.
    pub address: Address,
    /// The kind that was chosen.
    pub kind: Kind,
    /// Its fields with the definition's, the developer's and the world's values merged; references are symbolic.
    pub fields: Value,
    /// Where each came from, for what `expand` has to say about them.
    pub places: BTreeMap<FieldPath, Place>,
    /// What must be ready before any node of it, beyond what its fields refer to.
    pub after: Vec<Address>,
    /// When it counts as ready, if it was said.
    pub health: Option<HealthCheck>,
    /// How it is rolled, if it was said.
    pub update: Option<Update>,
    /// The digest of the service's files with `build`, `prepare` and `test`, where the kind runs them.
    pub content: Option<Digest>,
    /// Whether it holds data: the kind's, or the definition's `holds_data`.
    pub data: Data,
    /// Where it stood before (`was:`). Its nodes stood at the same parts of it, unless `expand` says otherwise.
    pub was: Option<Address>,
}

/// What the world says to a kind: the fields of its capability in the world's file, and the world's own.
#[derive(Clone, Debug, Default)]
pub struct WorldFields {
    /// The fields of the kind's capability: `{ context: staging, namespace: apps }`.
    pub capability: Value,
    /// `domain:` of the world; `localhost` for a laptop.
    pub domain: String,
    /// Every capability that the world has.
    pub capabilities: Vec<Capability>,
    /// The world's secret that opens a registry, by the registry's host.
    pub pull: BTreeMap<String, String>,
}

/// The nodes that were made of a component, and how its outputs are answered by them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Expanded {
    /// The nodes, each at the component's address or at a part of it.
    pub nodes: Vec<Node>,
    /// Each output of the component as a value over its nodes.
    pub outputs: BTreeMap<Name, Value>,
    /// Secrets that its fields or outputs use and that deployd makes once and keeps: their lengths.
    pub generate: BTreeMap<SecretName, u32>,
}

/// The rules of all kinds that this binary knows.
#[derive(Clone, Debug, Default)]
pub struct KindSet(BTreeMap<Kind, KindRules>);

impl KindSet {
    /// Collects the rooms' rules.
    ///
    /// # Panics
    /// If two rooms claim one kind: our bug, met at the first start.
    #[must_use]
    pub fn new(rules: impl IntoIterator<Item = KindRules>) -> KindSet {
        let mut set = BTreeMap::new();
        for rules in rules {
            let kind = rules.kind.clone();
            assert!(set.insert(kind.clone(), rules).is_none(), "two rooms make {kind}");
        }
        KindSet(set)
    }

    /// The rules of a kind.
    #[must_use]
    pub fn get(&self, kind: &Kind) -> Option<&KindRules> {
        self.0.get(kind)
    }

    /// Kinds as somebody names them, with those that they are made of: what is said of `aws/rds` concerns its instance.
    #[must_use]
    pub fn with_nodes(&self, named: BTreeSet<Kind>) -> BTreeSet<Kind> {
        let makes = named.iter().filter_map(|kind| self.get(kind)).flat_map(|rules| rules.makes.iter());
        let nodes: Vec<Kind> = makes.copied().map(Kind::fixed).collect();
        named.into_iter().chain(nodes).collect()
    }

    /// All, by kind.
    pub fn iter(&self) -> impl Iterator<Item = &KindRules> {
        self.0.values()
    }
}

impl KindRules {
    /// The rules of a kind of which nothing special is to be said: infrastructure that stands, is found by its name,
    /// can be made again, and is made as one node of what it is asked for.
    #[must_use]
    pub fn new(kind: &'static str, capability: &'static str, description: &'static str) -> KindRules {
        KindRules {
            kind: Kind::fixed(kind),
            capability: Capability::fixed(capability),
            description,
            fields: BTreeMap::new(),
            outputs: Outputs::Fixed(BTreeMap::new()),
            data: Data::Stateless,
            lifecycle: Lifecycle::Standing,
            role: Role::Infrastructure,
            rollout: Rollout::InPlace,
            create: Create::ByName,
            replace: Replace::DeleteFirst,
            usually: Milliseconds::seconds(2),
            within: Milliseconds::seconds(300),
            makes: &[],
            expand: |component, _| (Expanded::one(component, &[]), Diagnostics::new()),
        }
    }

    /// Fields by their paths.
    #[must_use]
    pub fn paths(fields: &[(&'static str, Field)]) -> BTreeMap<FieldPath, Field> {
        fields.iter().map(|(path, field)| (FieldPath::fixed(path), field.clone())).collect()
    }

    /// The rules of a field, by the longest path that covers it.
    #[must_use]
    pub fn field(&self, path: &FieldPath) -> Option<(&FieldPath, &Field)> {
        let covering = self.fields.iter().filter(|(rule, _)| path.is_covered_by(rule));
        covering.max_by_key(|(rule, _)| rule.keys().len())
    }

    /// The rules of an output. One that a kind answers for each of its ports is listed once, and covers
    /// `address-grpc` as `address`.
    #[must_use]
    pub fn output(&self, name: &Name) -> Option<&Output> {
        let Outputs::Fixed(outputs) = &self.outputs else { return None };
        outputs.get(name).or_else(|| outputs.get(name.split_once('-')?.0))
    }

    /// Whether what it answers is said by its fields, and is not a list of ours.
    #[must_use]
    pub fn answers_freely(&self) -> bool {
        !matches!(self.outputs, Outputs::Fixed(_))
    }

    /// Whether the planner makes a successor for each change.
    #[must_use]
    pub fn is_rolled(&self) -> bool {
        self.rollout == Rollout::BySuccessor
    }
}

impl Field {
    /// An optional field that is changed where it stands.
    #[must_use]
    pub fn in_place(ty: FieldType) -> Field {
        Field { change: Change::InPlace, secret: false, required: false, ty }
    }

    /// An optional field whose change replaces what stands.
    #[must_use]
    pub fn fixed(ty: FieldType) -> Field {
        Field { change: Change::Fixed, secret: false, required: false, ty }
    }

    /// An optional field that only grows.
    #[must_use]
    pub fn grow_only(ty: FieldType) -> Field {
        Field { change: Change::GrowOnly, secret: false, required: false, ty }
    }

    /// The same, but it must be there.
    #[must_use]
    pub fn required(self) -> Field {
        Field { required: true, ..self }
    }

    /// The same, but secret.
    #[must_use]
    pub fn secret(self) -> Field {
        Field { secret: true, ..self }
    }
}

impl Outputs {
    /// Fixed outputs that are known from the identity and the fields; none of them is secret.
    #[must_use]
    pub fn from_identity(names: &[&'static str]) -> Outputs {
        let output = |name: &&'static str| {
            (Name::fixed(name), Output { secret: false, ty: FieldType::Text, known: Known::FromIdentity })
        };
        Outputs::Fixed(names.iter().map(output).collect())
    }

    /// The same outputs, of which these are whole numbers.
    #[must_use]
    pub fn whole(mut self, names: &[&'static str]) -> Outputs {
        if let Outputs::Fixed(outputs) = &mut self {
            for name in names {
                let output = outputs.get_mut(*name).expect("it is one of the outputs");
                output.ty = FieldType::Whole(i64::MIN, i64::MAX);
            }
        }
        self
    }

    /// Fixed outputs, all known after create; the secret ones are named.
    #[must_use]
    pub fn after_create(names: &[&'static str], secret: &[&'static str]) -> Outputs {
        let output = |name: &&'static str| {
            (
                Name::fixed(name),
                Output { secret: secret.contains(name), ty: FieldType::Text, known: Known::AfterCreate },
            )
        };
        Outputs::Fixed(names.iter().map(output).collect())
    }
}

impl Expanded {
    /// One node at the component's own address with the component's fields, answering the given outputs itself.
    #[must_use]
    pub fn one(component: &Component, outputs: &[&'static str]) -> Expanded {
        let node = Node {
            address: component.address.clone(),
            kind: component.kind.clone(),
            fields: component.fields.clone(),
            needs: component.after.iter().cloned().map(super::Need::Ready).collect(),
            health: component.health.clone(),
            once_for: None,
            data: component.data,
            update: component.update.clone(),
            was: component.was.clone(),
        };
        let answered =
            outputs.iter().map(|name| (Name::fixed(name), Value::output(component.address.clone(), Name::fixed(name))));
        Expanded { outputs: answered.collect(), nodes: vec![node], generate: BTreeMap::new() }
    }
}
