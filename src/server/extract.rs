//! What handlers take out of a request, each refused as a problem: paths, queries, bodies, and the headers that make a
//! request conditional or safe to repeat.

use super::access::Caller;
use super::api::asks::IDEMPOTENCY_KEY;
use super::refusal::Refusal;
use super::settings::Limits;
use super::strict_json;
use crate::contract::RowVersion;
use crate::engine::By;
use axum::body::to_bytes;
use axum::extract::{FromRequest, FromRequestParts, Json, Path, Query, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue, header};
use serde::de::DeserializeOwned;

/// The parameters of a path.
pub struct Named<T>(pub T);

/// The parameters of a query.
pub struct Asked<T>(pub T);

/// A body.
pub struct Sent<T>(pub T);

/// A body, or its default where none was sent.
pub struct MaySend<T>(pub T);

/// `If-Match` and `If-None-Match`.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Conditions {
    /// Only if the row is one of these.
    pub only_if: Option<ETags>,
    /// Only if the row is none of these.
    pub unless: Option<ETags>,
}

/// Some ETags.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum ETags {
    /// `*`: whatever there is.
    Any,
    /// One of these versions. Others (weak ones, those of something else) are never met.
    Of(Vec<RowVersion>),
}

/// The longest Idempotency-Key: a UUID has 36 letters.
const KEY_LENGTH_MAX: usize = 128;

impl<S: Send + Sync, T: DeserializeOwned + Send> FromRequestParts<S> for Named<T> {
    type Rejection = Refusal;
    async fn from_request_parts(head: &mut Parts, state: &S) -> Result<Self, Refusal> {
        match Path::from_request_parts(head, state).await {
            Ok(Path(named)) => Ok(Named(named)),
            Err(rejection) => {
                let text = rejection.body_text();
                Err(Refusal::bad_parameter(text.trim_start_matches("Invalid URL: ")))
            }
        }
    }
}

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for Asked<T> {
    type Rejection = Refusal;
    async fn from_request_parts(head: &mut Parts, state: &S) -> Result<Self, Refusal> {
        match Query::from_request_parts(head, state).await {
            Ok(Query(asked)) => Ok(Asked(asked)),
            Err(rejection) => {
                let text = rejection.body_text();
                Err(Refusal::bad_parameter(text.trim_start_matches("Failed to deserialize query string: ")))
            }
        }
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Caller {
    type Rejection = Refusal;
    async fn from_request_parts(head: &mut Parts, _: &S) -> Result<Self, Refusal> {
        head.extensions.get::<Caller>().cloned().ok_or_else(Refusal::no_token)
    }
}

/// Who asks, and under which key. The engine tells one caller's key from another's.
impl<S: Send + Sync> FromRequestParts<S> for By {
    type Rejection = Refusal;
    async fn from_request_parts(head: &mut Parts, state: &S) -> Result<Self, Refusal> {
        let Caller { principal, .. } = Caller::from_request_parts(head, state).await?;
        let name = HeaderName::from_static(IDEMPOTENCY_KEY);
        let Some(value) = only(&head.headers, &name)? else { return Ok(By { principal, once: None }) };
        let key = value.to_str().unwrap_or_default();
        if key.is_empty() || key.len() > KEY_LENGTH_MAX || !key.bytes().all(|byte| byte.is_ascii_graphic()) {
            let detail = format!("{name}: 1 to {KEY_LENGTH_MAX} visible letters of ASCII");
            return Err(Refusal::bad_parameter(detail));
        }
        Ok(By { principal, once: Some(key.to_owned()) })
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Conditions {
    type Rejection = Refusal;
    async fn from_request_parts(head: &mut Parts, _: &S) -> Result<Self, Refusal> {
        let only_if = etags(&head.headers, &header::IF_MATCH)?;
        let unless = etags(&head.headers, &header::IF_NONE_MATCH)?;
        Ok(Conditions { only_if, unless })
    }
}

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Sent<T> {
    type Rejection = Refusal;
    async fn from_request(request: Request, _: &S) -> Result<Self, Refusal> {
        body(request).await.and_then(|bytes| read(&bytes)).map(Sent)
    }
}

impl<S: Send + Sync, T: DeserializeOwned + Default> FromRequest<S> for MaySend<T> {
    type Rejection = Refusal;
    async fn from_request(request: Request, _: &S) -> Result<Self, Refusal> {
        let bytes = body(request).await?;
        if bytes.is_empty() { Ok(MaySend(T::default())) } else { read(&bytes).map(MaySend) }
    }
}

/// Reads a body whole, within its size and its time.
async fn body(request: Request) -> Result<axum::body::Bytes, Refusal> {
    let limits = request.extensions().get::<Limits>().cloned().unwrap_or_default();
    let too_large = || Refusal::too_large(limits.body_bytes_max);
    // What says beforehand that it is too large is not read at all.
    let told = request.headers().get(header::CONTENT_LENGTH).and_then(|told| told.to_str().ok()?.parse::<u64>().ok());
    if told.is_some_and(|told| usize::try_from(told).is_ok_and(|told| told > limits.body_bytes_max)) {
        return Err(too_large());
    }
    let reading = to_bytes(request.into_body(), limits.body_bytes_max);
    match tokio::time::timeout(limits.body_within, reading).await {
        Err(_) => Err(Refusal::too_slow()),
        Ok(Ok(bytes)) => Ok(bytes),
        Ok(Err(error)) => {
            let source = std::error::Error::source(&error);
            match source.is_some_and(|source| source.is::<http_body_util::LengthLimitError>()) {
                true => Err(too_large()),
                false => Err(Refusal::bad_json("the body ended before it was whole")),
            }
        }
    }
}

fn read<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Refusal> {
    if bytes.iter().all(u8::is_ascii_whitespace) {
        return Err(Refusal::bad_json("there is no body"));
    }
    strict_json::check(bytes).map_err(|mistake| match mistake {
        strict_json::Mistake::Syntax(text) => Refusal::bad_json(text),
        strict_json::Mistake::Repeated(text) => Refusal::bad_body(text),
    })?;
    // A list would be read as an object whose fields come in order.
    if bytes.trim_ascii_start().first() != Some(&b'{') {
        return Err(Refusal::bad_body("a body is an object"));
    }
    Json::<T>::from_bytes(bytes).map(|Json(sent)| sent).map_err(|rejection| {
        // It is JSON, as was checked: what is wrong with it is what it says.
        let text = rejection.body_text();
        let said = PREFIXES.iter().find_map(|prefix| text.strip_prefix(prefix)).unwrap_or(&text);
        Refusal::bad_body(said)
    })
}

/// What the reader puts before what it has to say.
const PREFIXES: [&str; 2] =
    ["Failed to deserialize the JSON body into the target type: ", "Failed to parse the request body as JSON: "];

fn only<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Result<Option<&'h HeaderValue>, Refusal> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (value, None) => Ok(value),
        _ => Err(Refusal::bad_parameter(format!("{name}: it stands once"))),
    }
}

fn etags(headers: &HeaderMap, name: &HeaderName) -> Result<Option<ETags>, Refusal> {
    let Some(value) = only(headers, name)? else { return Ok(None) };
    let text = value.to_str().unwrap_or_default().trim();
    if text == "*" {
        return Ok(Some(ETags::Any));
    }
    let mut versions = Vec::new();
    for tag in text.split(',').map(str::trim) {
        let inner = tag.trim_start_matches("W/").strip_prefix('"').and_then(|tag| tag.strip_suffix('"'));
        let Some(inner) = inner else {
            return Err(Refusal::bad_parameter(format!("{name}: it is `*`, or ETags in quotes")));
        };
        // A weak one is another state that only looks the same.
        versions.extend(inner.parse().ok().filter(|_| !tag.starts_with("W/")).map(RowVersion));
    }
    Ok(Some(ETags::Of(versions)))
}

/// The ETag of a row.
#[must_use]
pub fn etag(version: RowVersion) -> String {
    format!("\"{}\"", version.0)
}

impl ETags {
    /// Whether a row is one of these.
    #[must_use]
    pub fn has(&self, version: Option<RowVersion>) -> bool {
        match (self, version) {
            (_, None) => false,
            (ETags::Any, Some(_)) => true,
            (ETags::Of(versions), Some(version)) => versions.contains(&version),
        }
    }
}
