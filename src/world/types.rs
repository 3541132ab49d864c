//! `World`: everything that a world's file can say.

use super::policy::PolicyFile;
use super::secret::SecretSource;
use crate::diagnostic::Place;
use crate::document::{Map, Spanned};
use crate::model::{Capability, FieldPath, Kind, Name, Value};
use std::collections::BTreeMap;
use std::sync::Arc;

/// A named place that exposes capabilities, and that tracks everything in it.
///
/// What was not written is `None` or empty, so that origins can tell what was said; the methods give the defaults.
#[derive(Clone, Debug)]
pub struct World {
    /// `world`: its name, which is its file's too.
    pub name: Spanned<Name>,
    /// The file, as the person knows it.
    pub file: Arc<str>,
    /// `description`.
    pub description: Option<Spanned<String>>,
    /// `labels`.
    pub labels: BTreeMap<String, Spanned<String>>,
    /// `capabilities`, in the order of the file; what a simulated one plays comes behind it.
    pub capabilities: Vec<WorldCapability>,
    /// `repositories`, in the order of the file; none written is `builtin`.
    pub repositories: Vec<Spanned<Name>>,
    /// `resources`: the world's own, by name.
    pub resources: BTreeMap<Name, WorldResource>,
    /// `domain`.
    pub domain: Option<Spanned<String>>,
    /// `gates`, where an entrypoint names none.
    pub gates: Vec<Spanned<Name>>,
    /// `secrets`, by name; those that are not named come from the store.
    pub secrets: BTreeMap<String, SecretSource>,
    /// `pull`: what opens a registry, by its host.
    pub pull: BTreeMap<String, PullSecret>,
    /// `stand_ins`; `None` is no.
    pub stand_ins: Option<Spanned<bool>>,
    /// `allow`: what is not given by default; `root`.
    pub allow: Vec<Spanned<String>>,
    /// `trust`: projects that may deploy to `deploy:local` from git or webhooks.
    pub trust: Vec<Spanned<String>>,
    /// `policy`.
    pub policy: PolicyFile,
}

/// Something that a world can do.
#[derive(Clone, Debug)]
pub struct WorldCapability {
    /// Which capability.
    pub capability: Spanned<Capability>,
    /// Its settings, typed: `{ context: staging, namespace: apps }`.
    pub settings: Value,
    /// Where each setting stands.
    pub places: BTreeMap<FieldPath, Place>,
    /// The capability that plays this one, if it is not real.
    pub played_by: Option<Capability>,
}

/// A resource of the world itself: used with `of:`.
#[derive(Clone, Debug)]
pub struct WorldResource {
    /// Its name, where it is written.
    pub name: Spanned<Name>,
    /// `use`: the slug.
    pub slug: Spanned<Name>,
    /// `with`: what is set of it.
    pub with: Map,
}

/// What opens a registry.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PullSecret {
    /// The registry's host, where it is written.
    pub registry: Spanned<String>,
    /// `secret`: the world's secret that holds user and password.
    pub secret: Spanned<String>,
}

/// The domain of a world that says none and runs services on this machine: names under it always mean this machine.
pub(super) const LOCAL_DOMAIN: &str = "localhost";

impl World {
    /// Every capability, in order; what is played counts.
    pub fn capability_names(&self) -> impl Iterator<Item = &Capability> {
        self.capabilities.iter().map(|capability| &capability.capability.value)
    }

    /// One capability.
    #[must_use]
    pub fn capability(&self, wanted: &Capability) -> Option<&WorldCapability> {
        self.capabilities.iter().find(|capability| capability.capability.value == *wanted)
    }

    /// The capability by which services run here: of a simulated world, the one that it plays.
    #[must_use]
    pub fn deploy(&self) -> Option<&WorldCapability> {
        let deploys = || self.capabilities.iter().filter(|capability| capability.capability.is_deploy());
        deploys().find(|capability| capability.played_by.is_some()).or_else(|| deploys().next())
    }

    /// The room's word of the capability by which services run: `kubernetes`.
    #[must_use]
    pub fn deploy_room(&self) -> Option<&str> {
        self.deploy()?.capability.as_str().strip_prefix("deploy:")
    }

    /// A kind as this world makes it: `deploy/service` is `local/service` where services run by `deploy:local`. Nothing
    /// where no service can run.
    #[must_use]
    pub fn kind_here(&self, kind: &Kind) -> Option<Kind> {
        match kind.provider() {
            "deploy" => Kind::new(&format!("{}/{}", self.deploy_room()?, kind.thing())).ok(),
            _ => Some(kind.clone()),
        }
    }

    /// Whether services run on this machine.
    #[must_use]
    pub fn is_local(&self) -> bool {
        self.deploy_room() == Some("local")
    }

    /// The domain of entrypoints that name no host; `localhost` where services run on this machine and none is said.
    #[must_use]
    pub fn domain(&self) -> Option<&str> {
        match &self.domain {
            Some(domain) => Some(&domain.value),
            None if self.is_local() => Some(LOCAL_DOMAIN),
            None => None,
        }
    }

    /// Whether a nearer ancestor may stand in for what this world cannot make.
    #[must_use]
    pub fn has_stand_ins(&self) -> bool {
        self.stand_ins.as_ref().is_some_and(|flag| flag.value)
    }

    /// Whether that is allowed here although it is not by default: `root`.
    #[must_use]
    pub fn allows(&self, what: &str) -> bool {
        self.allow.iter().any(|allowed| allowed.value == what)
    }

    /// What its people decided, as plans read it.
    #[must_use]
    pub fn policy(&self) -> crate::plan::Policy {
        self.policy.policy()
    }
}
