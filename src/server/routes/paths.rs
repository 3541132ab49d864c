//! The parameters of paths.

use crate::model::{Digest, Name, StackId};
use crate::server::api::schema;
use crate::state::DeploymentId;
use serde::Deserialize;
use utoipa::IntoParams;

/// A world.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub struct OfWorld {
    /// The world.
    #[param(value_type = schema::Name)]
    pub world: Name,
}

/// A stack of a world.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub struct OfStack {
    /// The world.
    #[param(value_type = schema::Name)]
    pub world: Name,
    /// The stack.
    #[param(value_type = schema::Name)]
    pub stack: Name,
}

/// A deployment of a stack.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub struct OfDeployment {
    /// The world.
    #[param(value_type = schema::Name)]
    pub world: Name,
    /// The stack.
    #[param(value_type = schema::Name)]
    pub stack: Name,
    /// The number of the deployment within the stack.
    #[param(minimum = 1, maximum = 9_007_199_254_740_991u64)]
    pub number: u64,
}

/// A plan of a stack.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub struct OfPlan {
    /// The world.
    #[param(value_type = schema::Name)]
    pub world: Name,
    /// The stack.
    #[param(value_type = schema::Name)]
    pub stack: Name,
    /// The plan.
    #[param(value_type = schema::Digest)]
    pub plan: Digest,
}

/// A release of a stack.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub struct OfRelease {
    /// The world.
    #[param(value_type = schema::Name)]
    pub world: Name,
    /// The stack.
    #[param(value_type = schema::Name)]
    pub stack: Name,
    /// The release: its digest, or what people call it (`81d0b77`, `81d0b77.2`).
    #[param(min_length = 1, max_length = 64)]
    pub release: String,
}

/// A resource of a world that is made without a service.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub struct OfResource {
    /// The world.
    #[param(value_type = schema::Name)]
    pub world: Name,
    /// The resource.
    #[param(value_type = schema::Name)]
    pub resource: Name,
}

/// A slug of a world.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub struct OfSlug {
    /// The world.
    #[param(value_type = schema::Name)]
    pub world: Name,
    /// The slug.
    #[param(value_type = schema::Name)]
    pub slug: Name,
}

/// A secret of a world.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub struct OfSecret {
    /// The world.
    #[param(value_type = schema::Name)]
    pub world: Name,
    /// The secret's name: `API_KEY`, `db-creds`; `guestbook/users.password` for one that deployd made, with `/` as `%2F`.
    #[param(min_length = 1, max_length = 128)]
    pub secret: String,
}

/// A repository.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub struct OfRepository {
    /// The repository.
    #[param(value_type = schema::Name)]
    pub repository: Name,
}

/// A token that was issued.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub struct OfToken {
    /// The token's name.
    #[param(value_type = schema::Name)]
    pub token: Name,
}

impl OfStack {
    /// The stack.
    pub fn id(self) -> StackId {
        StackId::new(self.world, self.stack)
    }
}

impl OfDeployment {
    /// The deployment.
    pub fn id(self) -> DeploymentId {
        DeploymentId { stack: StackId::new(self.world, self.stack), number: self.number }
    }
}

impl OfPlan {
    /// The stack.
    pub fn stack(&self) -> StackId {
        StackId::new(self.world.clone(), self.stack.clone())
    }
}

impl OfRelease {
    /// The stack.
    pub fn stack(&self) -> StackId {
        StackId::new(self.world.clone(), self.stack.clone())
    }
}

impl OfResource {
    /// Its stack.
    pub fn stack(&self) -> StackId {
        StackId::new(self.world.clone(), self.resource.clone())
    }
}
