//! Answers about files: who set a value, why not there.

use crate::resolve;
use crate::server::api::question::{Explanation, Link, Misfit};
use crate::world::World;

/// Who set a value.
#[must_use]
pub fn explanation(explained: resolve::Explanation) -> Explanation {
    let link = |link: resolve::Link| Link {
        how: link.how.as_str().to_owned(),
        place: link.place.as_ref().map(Into::into),
        who: link.who,
        value: link.value,
    };
    Explanation {
        address: explained.address,
        kind: explained.kind,
        stands_in_for: explained.stands_in_for,
        path: explained.path.to_string(),
        value: explained.value,
        chain: explained.chain.into_iter().map(link).collect(),
        may_set: explained.may_set,
        owner: explained.owner,
    }
}

/// A requirement that a world cannot make.
#[must_use]
pub fn misfit(misfit: &resolve::Misfit, world: &World) -> Misfit {
    let names = |capabilities: &[crate::model::Capability]| {
        capabilities.iter().map(|capability| capability.as_str().to_owned()).collect()
    };
    Misfit {
        requirement: misfit.requirement.clone(),
        slug: misfit.slug.value.clone(),
        place: (&misfit.slug.place).into(),
        defined: (&misfit.defined).into(),
        needs: names(&misfit.needs),
        has: names(&misfit.has),
        lacks: misfit.lacks.iter().cloned().collect(),
        sentence: misfit.sentence(world),
        nearest: misfit.nearest.iter().map(|nearest| nearest.sentence(&misfit.slug, world)).collect(),
    }
}
