//! How the words of our own types are described in the OpenAPI document: the types themselves know nothing of it.
//!
//! Each is a name for a schema, and is never made.

use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{AdditionalProperties, ObjectBuilder, OneOfBuilder, Schema, SchemaType, Type};
use utoipa::{PartialSchema, ToSchema};

macro_rules! described {
    ($($(#[doc = $doc:literal])+ $name:ident = $schema:expr;)+) => {$(
        $(#[doc = $doc])+
        pub enum $name {}

        impl PartialSchema for $name {
            fn schema() -> RefOr<Schema> {
                let description = concat!($($doc, "\n"),+).replace("\n ", " ").trim().to_owned();
                let schema: ObjectBuilder = $schema;
                schema.description(Some(description)).into()
            }
        }

        impl ToSchema for $name {}
    )+};
}

described! {
    /// What people call services, requirements, resources, worlds, slugs and outputs.
    Name = text().pattern(Some("^[a-z][a-z0-9_-]*$")).max_length(Some(40));
    /// A digest: what it names never changes.
    Digest = text().pattern(Some("^[0-9a-fA-F]{64}$"));
    /// Where a resource stands: `world/stack/name`, or `world/stack/name.part`.
    Address = text();
    /// One life of what stands at an address: `world/stack/name.part#2`; `#1` is left out.
    Identity = text();
    /// What a provider can make: `local/process`, `aws/rds`.
    Kind = text();
    /// Values by name. References stand as they are written: `${users.url}`. Never a secret.
    Fields = ObjectBuilder::new().additional_properties(Some(AdditionalProperties::FreeForm(true)));
    /// Texts by path, relative, with `/`.
    Texts = ObjectBuilder::new().additional_properties(Some(AdditionalProperties::RefOr(text().into())));
    /// Any JSON.
    Json = ObjectBuilder::new().schema_type(SchemaType::AnyValue);
    /// What kind of reason.
    WhyCode = words(&[
        "not_readable", "not_healthy", "exited", "command_failed", "refused", "missing", "too_long", "other",
    ]);
    /// How bad it is. Nothing is done until errors are mended.
    Severity = words(&["error", "warning", "note"]);
    /// How a stack is.
    StackState = words(&["CREATING", "AVAILABLE", "MIGRATING", "BROKEN", "STOPPED", "DELETING", "DELETED"]);
    /// Where a deployment is.
    DeploymentState = words(&[
        "QUEUED", "TRIGGERED", "AWAITING_APPROVAL", "WAITING", "AVAILABLE", "RUNNING", "DONE", "FAILED", "ROLLED_BACK",
        "SUPERSEDED", "CANCELLED",
    ]);
    /// How a deployment is run: as the evaluation says, only the version, everything at once, or every stage.
    Mode = words(&["evaluated", "nop", "quick", "full"]);
    /// What owns a stack: a second owner is refused.
    From = words(&["file", "rest", "project"]);
    /// What a consent allows.
    ConsentAct = words(&["delete", "replace", "shrink", "adopt", "recreate"]);
    /// What a step does.
    Act = words(&["create", "update", "replace", "retire", "delete", "adopt", "forget"]);
}

/// Who can mend it: the developer, or the systems engineer of a world or of a repository.
pub enum Owner {}

impl PartialSchema for Owner {
    fn schema() -> RefOr<Schema> {
        let of = |key: &str| Schema::from(ObjectBuilder::new().property(key, text()).required(key).build());
        OneOfBuilder::new()
            .item(Schema::from(words(&["developer"]).build()))
            .item(of("world"))
            .item(of("repository"))
            .description(Some("Who can mend it: the developer, or the systems engineer of a world or of a repository."))
            .into()
    }
}

impl ToSchema for Owner {}

fn text() -> ObjectBuilder {
    ObjectBuilder::new().schema_type(SchemaType::Type(Type::String))
}

fn words(words: &[&str]) -> ObjectBuilder {
    text().enum_values(Some(words.iter().copied()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{diagnostic, plan, state};
    use serde::Serialize;
    use std::collections::BTreeSet;

    /// The words that a schema knows.
    fn described<T: PartialSchema>() -> BTreeSet<String> {
        let schema = serde_json::to_value(T::schema()).unwrap();
        schema["enum"].as_array().unwrap().iter().map(|word| word.as_str().unwrap().to_owned()).collect()
    }

    /// The words that our own type has.
    fn written<T: Serialize>(all: &[T]) -> BTreeSet<String> {
        all.iter().map(|one| serde_json::to_value(one).unwrap().as_str().unwrap().to_owned()).collect()
    }

    #[test]
    fn words_are_those_of_our_own_types() {
        use state::{Mode as M, StackState as S, WhyCode as W};
        let whys =
            [W::NotReadable, W::NotHealthy, W::Exited, W::CommandFailed, W::Refused, W::Missing, W::TooLong, W::Other];
        assert_eq!(described::<WhyCode>(), written(&whys));
        let stacks = [S::Creating, S::Available, S::Migrating, S::Broken, S::Stopped, S::Deleting, S::Deleted];
        assert_eq!(described::<StackState>(), written(&stacks));
        assert_eq!(described::<Mode>(), written(&[M::Evaluated, M::Nop, M::Quick, M::Full]));
        use diagnostic::Severity as V;
        assert_eq!(described::<Severity>(), written(&[V::Error, V::Warning, V::Note]));
        use state::From as F;
        assert_eq!(described::<From>(), written(&[F::File, F::Rest, F::Project]));
        use state::ConsentAct as C;
        assert_eq!(described::<ConsentAct>(), written(&[C::Delete, C::Replace, C::Shrink, C::Adopt, C::Recreate]));
        use plan::Act as A;
        let acts = [A::Create, A::Update, A::Replace, A::Retire, A::Delete, A::Adopt, A::Forget];
        assert_eq!(described::<Act>(), written(&acts));
        use state::DeploymentState as D;
        let deployments = [
            D::Queued,
            D::Triggered,
            D::AwaitingApproval,
            D::Waiting,
            D::Available,
            D::Running,
            D::Done,
            D::Failed,
            D::RolledBack,
            D::Superseded,
            D::Cancelled,
        ];
        assert_eq!(described::<DeploymentState>(), written(&deployments));
    }
}
