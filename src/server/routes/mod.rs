//! The routes: each reads what is asked, calls one door, and shows the answer. None decides anything.
//!
//! What an operation needs (`security`) is what the guard demands; what may go wrong with every one of a shape is
//! documented by [`super::document`].

mod answer;
mod deployments;
mod events;
mod files;
mod health;
mod leave;
mod logs;
mod paths;
mod plans;
mod releases;
mod removal;
mod repositories;
mod resources;
mod secrets;
mod server;
mod stacks;
mod tokens;
mod wishes;
mod worlds;

use super::serving::Serving;
use std::sync::Arc;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

/// What handlers get.
pub(super) type Shared = axum::extract::State<Arc<Serving>>;

/// All routes, with their document.
#[must_use]
pub fn routes() -> OpenApiRouter<Arc<Serving>> {
    OpenApiRouter::default()
        .routes(routes!(health::root))
        .routes(routes!(health::health))
        .routes(routes!(health::ready))
        .routes(routes!(server::document))
        .routes(routes!(server::info))
        .routes(routes!(server::sign_in_link))
        .routes(routes!(server::session))
        .routes(routes!(server::backup))
        .routes(routes!(tokens::list, tokens::issue))
        .routes(routes!(tokens::revoke))
        .routes(routes!(events::events))
        .routes(routes!(events::kept))
        .routes(routes!(worlds::list))
        .routes(routes!(worlds::get))
        .routes(routes!(worlds::capabilities))
        .routes(routes!(worlds::slugs))
        .routes(routes!(worlds::slug))
        .routes(routes!(worlds::exports))
        .routes(routes!(repositories::list))
        .routes(routes!(repositories::get))
        .routes(routes!(secrets::list))
        .routes(routes!(secrets::set, secrets::remove))
        .routes(routes!(stacks::list_all))
        .routes(routes!(stacks::list))
        .routes(routes!(stacks::get, stacks::delete))
        .routes(routes!(wishes::run))
        .routes(routes!(wishes::stop))
        .routes(routes!(wishes::down))
        .routes(routes!(wishes::pause))
        .routes(routes!(wishes::resume))
        .routes(routes!(wishes::retry))
        .routes(routes!(wishes::rollback))
        .routes(routes!(deployments::list, deployments::apply))
        .routes(routes!(deployments::get))
        .routes(routes!(deployments::cancel))
        .routes(routes!(leave::approve))
        .routes(routes!(leave::consent))
        .routes(routes!(leave::adopt))
        .routes(routes!(plans::make))
        .routes(routes!(plans::get))
        .routes(routes!(releases::list))
        .routes(routes!(releases::get))
        .routes(routes!(releases::diff))
        .routes(routes!(releases::explain))
        .routes(routes!(logs::logs))
        .routes(routes!(resources::list, resources::create))
        .routes(routes!(resources::get, resources::put, resources::delete))
        .routes(routes!(files::check))
        .routes(routes!(files::explain))
        .routes(routes!(files::why_not))
}
