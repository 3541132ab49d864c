//! The router: all routes behind the layers that every request passes. From the outside in: headers of every answer,
//! panics, requests at once, the guard, the time of an answer.

use super::access::{Access, guard};
use super::document;
use super::refusal::Refusal;
use super::routes::routes;
use super::serving::Serving;
use super::settings::Limits;
use axum::extract::{Request, State};
use axum::http::{HeaderValue, header};
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Router};
use std::any::Any;
use std::sync::Arc;
use tokio::sync::Semaphore;
use tower_http::catch_panic::CatchPanicLayer;
use utoipa::openapi::OpenApi;

/// The OpenAPI document of all routes.
#[must_use]
pub fn openapi() -> OpenApi {
    document::complete(routes().split_for_parts().1)
}

/// All routes, behind their layers.
pub fn router(serving: &Arc<Serving>) -> Router {
    let access: Arc<Access> = Arc::clone(&serving.access);
    let requests = Arc::new(Semaphore::new(serving.limits.requests_max));
    let (router, _) = routes().split_for_parts();
    router
        .fallback(async || Refusal::no_such_path())
        .method_not_allowed_fallback(async || Refusal::no_such_method())
        .layer(from_fn_with_state(serving.limits.clone(), in_time))
        .layer(from_fn_with_state(access, guard))
        .layer(from_fn_with_state(requests, at_once))
        .layer(Extension(serving.limits.clone()))
        .layer(CatchPanicLayer::custom(caught))
        .layer(from_fn(guarded_headers))
        .with_state(Arc::clone(serving))
}

/// An answer's head comes in time; what it streams then may go on.
async fn in_time(State(limits): State<Limits>, request: Request, next: Next) -> Response {
    match tokio::time::timeout(limits.answer_within, next.run(request)).await {
        Ok(response) => response,
        Err(_) => Refusal::too_long().into_response(),
    }
}

/// Only so many requests are answered at once; streams have a limit of their own.
async fn at_once(State(requests): State<Arc<Semaphore>>, request: Request, next: Next) -> Response {
    match requests.try_acquire() {
        Ok(_held) => next.run(request).await,
        Err(_) => Refusal::busy().into_response(),
    }
}

/// One request's panic is that request's.
#[expect(clippy::needless_pass_by_value, reason = "the layer's signature")]
fn caught(panic: Box<dyn Any + Send + 'static>) -> Response {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    let text = text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_default();
    tracing::error!(panic = text, "a request ended in a panic");
    Refusal::bug().into_response()
}

/// What every answer says to browsers: take it for what it is, keep it to yourself, show it in nobody's frame.
async fn guarded_headers(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    let said = [
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::X_FRAME_OPTIONS, "DENY"),
        (
            header::CONTENT_SECURITY_POLICY,
            "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
        ),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::CACHE_CONTROL, "no-store"),
        (header::HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
        (header::HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    ];
    for (name, value) in said {
        headers.insert(name, HeaderValue::from_static(value));
    }
    response
}
