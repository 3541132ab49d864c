//! Why a service cannot go to a world, as data.

use crate::diagnostic::{Diagnostic, Place};
use crate::document::Spanned;
use crate::model::{Capability, Name};
use crate::world::World;
use std::collections::BTreeSet;

/// A requirement that a world cannot make.
#[derive(Clone, PartialEq, Eq, Debug, serde::Serialize)]
pub struct Misfit {
    /// What the manifest calls it.
    pub requirement: Name,
    /// The slug, where it is required.
    #[serde(serialize_with = "spanned")]
    pub slug: Spanned<Name>,
    /// Where it is defined.
    pub defined: Place,
    /// The capabilities that would do, any one of them.
    pub needs: Vec<Capability>,
    /// The capabilities that the world has.
    pub has: Vec<Capability>,
    /// Outputs that the manifest refers to and that what could stand in does not offer.
    pub lacks: BTreeSet<Name>,
    /// The nearest changes that would do, the smallest first.
    pub nearest: Vec<Nearest>,
}

/// A change that would do.
#[derive(Clone, PartialEq, Eq, Debug, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Nearest {
    /// Require this slug instead: the world can make it.
    Require(Name),
    /// Let ancestors stand in, in the world's file.
    StandIns(Place),
    /// Give the world this capability.
    Capability(Capability),
}

fn spanned<S: serde::Serializer>(name: &Spanned<Name>, serializer: S) -> Result<S::Ok, S::Error> {
    use serde::Serialize;
    (&name.value, &name.place).serialize(serializer)
}

impl Misfit {
    /// What it needs, in a sentence: ``users needs `aws` (postgres-rds-highmem, repositories/acme/postgres.yaml:11); edge
    /// has deploy:docker``.
    #[must_use]
    pub fn sentence(&self, world: &World) -> String {
        let has: Vec<&str> = self.has.iter().map(Capability::as_str).collect();
        let at = format!("{}, {}:{}", self.slug.value, self.defined.file, self.defined.line);
        format!("{} needs {} ({at}); {} has {}", self.requirement, self.needed(), world.name.value, has.join(", "))
    }

    fn needed(&self) -> String {
        let needs: Vec<String> = self.needs.iter().map(|need| format!("`{need}`")).collect();
        match needs.is_empty() {
            true => "what no capability gives".to_owned(),
            false => needs.join(" or "),
        }
    }

    /// As the mistake at its requirement.
    pub(super) fn diagnostic(&self, world: &World) -> Diagnostic {
        let has: Vec<&str> = self.has.iter().map(Capability::as_str).collect();
        let mut detail =
            format!("`{}` needs {}; {} has {}", self.slug.value, self.needed(), world.name.value, has.join(", "));
        if !self.lacks.is_empty() {
            let lacks: Vec<&str> = self.lacks.iter().map(Name::as_str).collect();
            detail.push_str(&format!("; what could stand in offers no {}", lacks.join(", ")));
        }
        let mistake = Diagnostic::error("cannot-be-made", "cannot be made here", detail).at(&self.slug.place);
        let mistake = mistake.related(&self.defined, "it is defined here");
        let or = |at: usize| if at == 0 { "" } else { "or " };
        let nearest = self.nearest.iter().enumerate();
        nearest
            .map(|(at, nearest)| format!("{}{}", or(at), nearest.sentence(&self.slug, world)))
            .fold(mistake, Diagnostic::help)
    }
}

/// Whether a world is a simulated one: it plays what others have.
fn plays(world: &World) -> bool {
    world.capability_names().any(|capability| capability.as_str() == "deploy:simulated")
}

impl Nearest {
    /// As a line of help.
    #[must_use]
    pub fn sentence(&self, slug: &Spanned<Name>, world: &World) -> String {
        let name = &world.name.value;
        match self {
            Nearest::Require(slug) => format!("require `{slug}` instead, which {name} can make"),
            Nearest::StandIns(place) => format!("set stand_ins: true in {}:{}", place.file, place.line),
            Nearest::Capability(capability) if plays(world) => {
                format!("let {name} play it: deploy:simulated: {{ plays: [{capability}] }}, in {}", world.file)
            }
            // A world runs services in one way: what needs another is for another world.
            Nearest::Capability(capability) if capability.as_str().starts_with("deploy:") => {
                format!(
                    "deploy it to a world that has {capability}, or give `{}` a choice that {name} can make",
                    slug.value
                )
            }
            Nearest::Capability(capability) => format!("give {name} the capability {capability}, in {}", world.file),
        }
    }
}
