//! The OpenAPI document: what the routes say, and what is true of all of them. The guard reads from it which operation
//! needs which scope.

use super::access::{Known, Need, Needs, Of, Scope, WORLD};
use super::api::problem::{PROBLEM_JSON, Problem};
use axum::http::Method;
use utoipa::openapi::path::{HttpMethod, Operation, Parameter, ParameterBuilder, ParameterIn};
use utoipa::openapi::schema::{ObjectBuilder, SchemaType, Type};
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::{Content, InfoBuilder, OpenApi, Ref, RefOr, Required, ResponseBuilder};
use utoipa::{PartialSchema, ToSchema};

/// What the API is, for who reads its document.
const DESCRIPTION: &str = "Deploys a developer's service, and everything it needs, wherever it belongs. The command line \
speaks this API and no other. Every answer that is no success is a problem (RFC 9457). What changes something is durable \
when it is answered, and is not waited for: follow the events.";

/// Operations that may be repeated with an Idempotency-Key: all that change something, but `issue_token` and
/// `sign_in_link`, whose answers are shown once and kept by nobody, and `revoke_token`, whose second answer is that there
/// is none any more.
const REPEATABLE: &[&str] = &[
    "run",
    "apply",
    "stop",
    "down",
    "delete_stack",
    "pause",
    "resume",
    "retry",
    "rollback",
    "cancel",
    "approve",
    "consent",
    "adopt",
    "create_resource",
    "put_resource",
    "delete_resource",
    "set_secret",
    "remove_secret",
];
/// Operations that compare `If-Match`.
const CONDITIONAL: &[&str] = &["delete_stack", "put_resource", "delete_resource"];
/// Operations that make, where `If-None-Match: *` has a meaning.
const MAKES: &[&str] = &["put_resource"];
/// Operations that name a plan, which may be stale.
const NAMES_PLAN: &[&str] = &["apply", "approve", "consent"];

/// Completes what the routes say.
#[must_use]
pub fn complete(mut document: OpenApi) -> OpenApi {
    document.info = InfoBuilder::new().title("deployd").version("v1").description(Some(DESCRIPTION)).build();
    document.servers = None;
    let components = document.components.get_or_insert_default();
    let token = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).description(Some(
        "A token: of this user's own server it lies in the state folder, in the file `token`. Operations name the scope that \
         they need: `read`, `deploy`, `approve` or `admin`. One that is limited to worlds is refused what is of another.",
    ));
    components.add_security_scheme("token", SecurityScheme::Http(token.build()));
    let mut schemas = vec![(Problem::name().into_owned(), Problem::schema())];
    Problem::schemas(&mut schemas);
    components.schemas.extend(schemas);
    for (_, name, description) in PROBLEMS {
        let content = Content::builder().schema(Some(Ref::from_schema_name(Problem::name()))).build();
        let response = ResponseBuilder::new().description(*description).content(PROBLEM_JSON, content).build();
        components.responses.insert((*name).to_owned(), RefOr::T(response));
    }
    for item in document.paths.paths.values_mut() {
        let operations = [
            (HttpMethod::Get, &mut item.get),
            (HttpMethod::Put, &mut item.put),
            (HttpMethod::Post, &mut item.post),
            (HttpMethod::Delete, &mut item.delete),
        ];
        for (method, operation) in operations {
            if let Some(operation) = operation {
                complete_operation(&method, operation);
            }
        }
    }
    document
}

fn complete_operation(method: &HttpMethod, operation: &mut Operation) {
    let id = operation.operation_id.clone().unwrap_or_default();
    if REPEATABLE.contains(&id.as_str()) {
        header(
            operation,
            super::api::asks::IDEMPOTENCY_KEY,
            "Makes the request safe to repeat: the same key gives the same answer, and nothing twice, for 30 days. The same \
             key with another request is refused (422, `key-used`). A key is whoever's who sends it.",
        );
    }
    if CONDITIONAL.contains(&id.as_str()) {
        header(operation, "if-match", "Only if it is what was read: the ETag of that answer.");
    }
    if MAKES.contains(&id.as_str()) {
        header(operation, "if-none-match", "`*`: only if it is not there yet.");
    }
    let is_open = scope(operation).is_none();
    let of_path =
        |parameter: &RefOr<Parameter>| matches!(parameter, RefOr::T(it) if it.parameter_in == ParameterIn::Path);
    let of_path = operation.parameters.as_ref().is_some_and(|parameters| parameters.iter().any(of_path));
    let is_world = |parameter: &RefOr<Parameter>| matches!(parameter, RefOr::T(it) if it.parameter_in == ParameterIn::Path && it.name == "world");
    let of_world = operation.parameters.as_ref().is_some_and(|parameters| parameters.iter().any(is_world));
    let changes = !matches!(method, HttpMethod::Get);
    let shape = Shape {
        is_open,
        of_path: of_path || id == "check",
        has_body: operation.request_body.is_some(),
        changes: changes && !is_open,
        compares: CONDITIONAL.contains(&id.as_str()) || NAMES_PLAN.contains(&id.as_str()),
        passes: id == "kept_events",
        repeats: REPEATABLE.contains(&id.as_str()),
        of_world,
    };
    for status in statuses(&shape) {
        let response = RefOr::Ref(Ref::from_response_name(name_of(status)));
        operation.responses.responses.entry(status.to_string()).or_insert(response);
    }
}

/// What an operation is like, as far as what may go wrong follows from it.
struct Shape {
    is_open: bool,
    of_path: bool,
    has_body: bool,
    changes: bool,
    compares: bool,
    repeats: bool,
    passes: bool,
    /// Whether its path names a world, whose file may have mistakes.
    of_world: bool,
}

/// Everything that may go wrong: its status, what the document calls it, and what it means.
const PROBLEMS: &[(u16, &str, &str)] = &[
    (400, "BadRequest", "A parameter or a header is not what it should be, or the body is no JSON."),
    (401, "Unauthorized", "Nobody says who asks, or nobody has that token."),
    (403, "Forbidden", "The host or the origin is foreign, or a scope, a world, an approval or a consent is missing."),
    (404, "NotFound", "There is nothing of that name."),
    (408, "TooSlow", "The body did not come in time."),
    (409, "Conflict", "It contradicts what is: a second owner, a queue that is full, a rule."),
    (410, "Gone", "What it would go on after is not kept any more: begin again."),
    (412, "Moved", "What was read or shown has changed since."),
    (413, "TooLarge", "The body is too large."),
    (415, "NotJson", "The body does not say that it is JSON."),
    (
        422,
        "Mistakes",
        "The body is not what is asked for, the files have mistakes, or the key was used for another request.",
    ),
    (500, "Bug", "A mistake of deployd's own."),
    (503, "Unavailable", "It cannot be done now: ask again."),
    (507, "StoreFull", "There is no room in the state folder."),
];

fn name_of(status: u16) -> &'static str {
    let known = PROBLEMS.iter().find(|(known, _, _)| *known == status);
    known.expect("what may go wrong is described").1
}

/// What may go wrong with an operation of that shape.
fn statuses(shape: &Shape) -> Vec<u16> {
    let mut all = vec![400, 403, 500, 503];
    let also = [
        (!shape.is_open, &[401][..]),
        (shape.of_path, &[404]),
        (shape.has_body, &[408, 413, 415, 422]),
        (shape.changes, &[409, 507]),
        (shape.compares, &[412]),
        (shape.passes, &[410]),
        ((shape.repeats || shape.of_world) && !shape.has_body, &[422]),
    ];
    also.iter().filter(|(may, _)| *may).for_each(|(_, statuses)| all.extend_from_slice(statuses));
    all
}

/// Operations that are of no world, or of several, and show and take nothing but of their caller's own. What is not named
/// here, and whose path names no world, is refused to whoever is limited to worlds.
const OF_ONES_OWN: &[&str] = &[
    "server",
    "session",
    "tokens",
    "issue_token",
    "revoke_token",
    "events",
    "kept_events",
    "worlds",
    "repositories",
    "repository",
    "all_stacks",
    "check",
];

/// Which operation needs what.
///
/// # Panics
/// When an operation says none, or one that there is not: our own mistake, and the server does not start with it.
#[must_use]
pub fn needs(document: &OpenApi) -> Needs {
    let operations = document.paths.paths.iter().flat_map(|(path, item)| {
        let methods = [
            (Method::GET, &item.get),
            (Method::PUT, &item.put),
            (Method::POST, &item.post),
            (Method::DELETE, &item.delete),
        ];
        let present = methods.into_iter().filter_map(|(method, operation)| Some((method, operation.as_ref()?)));
        present.map(|(method, operation)| ((path.clone(), method), known(path, operation))).collect::<Vec<_>>()
    });
    Needs::new(operations)
}

/// What is demanded of a request for an operation.
fn known(path: &str, operation: &Operation) -> Known {
    let of_query = operation.parameters.iter().flatten().filter_map(|parameter| match parameter {
        RefOr::T(it) if it.parameter_in == ParameterIn::Query => Some(it.name.clone()),
        _ => None,
    });
    Known { need: need(path, operation), query: of_query.collect() }
}

/// What an operation needs; nothing where it is open to everybody.
fn need(path: &str, operation: &Operation) -> Option<Need> {
    let id = operation.operation_id.as_deref().unwrap_or_default();
    let of = match (path.split('/').any(|part| part == WORLD), OF_ONES_OWN.contains(&id)) {
        (true, _) => Of::World,
        (false, true) => Of::Own,
        (false, false) => Of::Everything,
    };
    scope(operation).map(|scope| Need { scope, of })
}

/// The scope that an operation needs; nothing where it is open to everybody.
fn scope(operation: &Operation) -> Option<Scope> {
    let security = serde_json::to_value(&operation.security).expect("security is JSON");
    let named = security.get(0).expect("every operation says what it needs");
    let token = named.get("token")?;
    let scope = token.get(0).and_then(|scope| Scope::of(scope.as_str()?));
    Some(scope.expect("an operation needs a scope that there is"))
}

fn header(operation: &mut Operation, name: &str, description: &str) {
    let text = ObjectBuilder::new().schema_type(SchemaType::Type(Type::String)).max_length(Some(128)).build();
    let parameter = ParameterBuilder::new()
        .name(name)
        .parameter_in(ParameterIn::Header)
        .required(Required::False)
        .description(Some(description))
        .schema(Some(text));
    operation.parameters.get_or_insert_default().push(RefOr::T(parameter.build()));
}
