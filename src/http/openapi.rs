//! The API document: OpenAPI 3.1, built from the routes, the checks of their guards, and the types of their handlers.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use axum::http::{Method, StatusCode};
use utoipa::openapi::header::HeaderBuilder;
use utoipa::openapi::path::{
    HttpMethod, Operation, OperationBuilder, ParameterBuilder, ParameterIn, PathsBuilder,
};
use utoipa::openapi::security::{
    ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme,
};
use utoipa::openapi::{
    ComponentsBuilder, ContentBuilder, InfoBuilder, License, ObjectBuilder, OpenApi, OpenApiBuilder,
    PathItem, Ref, Required, Response, ResponseBuilder, Type,
};

use super::answer::{self, Text};
use super::describe::Description;
use super::routes::{Needs, Route};
use super::{AppState, Problem};
use crate::api::problem;
use crate::config::Role;

const TOKEN: &str = "token";
const WEBHOOK: &str = "webhook";
const PROBLEM: &str = "application/problem+json";

static TEXT: LazyLock<Result<String, String>> =
    LazyLock::new(|| serde_json::to_string(&document()).map_err(|error| error.to_string()));

/// Answers with the document.
pub async fn show() -> Result<Text<answer::OpenApi>, Problem> {
    TEXT.as_ref().map(|text| Text::new(text.as_str())).map_err(|error| Problem::internal(error))
}

/// Builds the document: every route with its parameters, answers and needs.
pub fn document() -> OpenApi {
    let mut components = ComponentsBuilder::new()
        .security_scheme(TOKEN, {
            let token = HttpBuilder::new().scheme(HttpAuthScheme::Bearer);
            let description = "A token of `access.tokens`. A requirement names the role that the token needs; one of \
                        them is enough.";
            SecurityScheme::Http(token.description(Some(description)).build())
        })
        .security_scheme(WEBHOOK, {
            let description = "The header that `webhook` of the connector names, with its value.";
            SecurityScheme::ApiKey(ApiKey::Header(ApiKeyValue::with_description("Authorization", description)))
        });
    let mut paths = PathsBuilder::new();
    let mut schemas = Vec::new();
    let mut refusals = BTreeSet::new();
    for route in AppState::routes() {
        let known = known(&route);
        schemas.extend(known.schemas.iter().cloned());
        refusals.extend(known.refusals.iter().copied());
        paths = paths.path(route.path, PathItem::new(method(&route), operation(&route, known)));
    }
    for status in refusals {
        components = components.response(name_of(status), refusal(status));
    }
    let mut problems = Description::default();
    problems.named::<problem::Problem>();
    schemas.extend(problems.schemas);
    components = components.schemas_from_iter(schemas);
    let description = "Identity proofing as policy files. Errors are RFC 9457 problem documents. Lists are paged \
        by `cursor` and `limit`. Changes accept an `Idempotency-Key`: a repeated request with the same key \
        has no second effect. Later versions may add members to answers.";
    let info =
        InfoBuilder::new().title("proofd").version(env!("CARGO_PKG_VERSION")).description(Some(description));
    let license = License::new(env!("CARGO_PKG_LICENSE"));
    let info = info.license(Some(license)).build();
    OpenApiBuilder::new().info(info).paths(paths.build()).components(Some(components.build())).build()
}

fn method(route: &Route) -> HttpMethod {
    if route.method == Method::POST { HttpMethod::Post } else { HttpMethod::Get }
}

/// Describes a route from its handler's types, its definition and its guard.
fn known(route: &Route) -> Description {
    let mut known = Description::default();
    (route.describe)(&mut known);
    known.refusals.extend(&route.refuses);
    known.refusals.extend(guarded(route));
    known
}

fn operation(route: &Route, mut known: Description) -> Operation {
    let mut operation = OperationBuilder::new()
        .tag(tag(route.path))
        .summary(Some(route.summary))
        .operation_id(Some(id(route)))
        .request_body(known.body);
    for name in variables(route.path) {
        operation = operation.parameter(variable(name));
    }
    for parameter in known.parameters {
        operation = operation.parameter(parameter);
    }
    if route.change {
        operation = operation.parameter(idempotency_key());
    }
    for status in known.refusals {
        match known.answers.get_mut(&status.as_u16()) {
            // The media type distinguishes them.
            Some(answer) => answer.content.extend(refusal(status).content),
            None => operation = operation.response(status.as_str(), Ref::from_response_name(name_of(status))),
        }
    }
    for (status, answer) in known.answers {
        operation = operation.response(status.to_string(), answer);
    }
    for requirement in requirements(route.needs) {
        operation = operation.security(requirement);
    }
    operation.build()
}

/// Returns the statuses with which a route's guard may refuse.
fn guarded(route: &Route) -> Vec<StatusCode> {
    let mut statuses = match route.needs {
        Needs::Nothing | Needs::Page(_) | Needs::SignIn => vec![],
        Needs::Role(_) => {
            vec![StatusCode::UNAUTHORIZED, StatusCode::FORBIDDEN, StatusCode::TOO_MANY_REQUESTS]
        }
        Needs::Webhook => vec![StatusCode::UNAUTHORIZED, StatusCode::TOO_MANY_REQUESTS],
        Needs::Link => vec![StatusCode::TOO_MANY_REQUESTS],
        Needs::Hint | Needs::Return => vec![StatusCode::NOT_FOUND, StatusCode::TOO_MANY_REQUESTS],
    };
    if route.largest > 0 {
        statuses.extend([
            StatusCode::BAD_REQUEST,
            StatusCode::REQUEST_TIMEOUT,
            StatusCode::PAYLOAD_TOO_LARGE,
            StatusCode::SERVICE_UNAVAILABLE,
        ]);
    }
    if route.change {
        statuses.extend([StatusCode::BAD_REQUEST, StatusCode::UNPROCESSABLE_ENTITY]);
    }
    statuses
}

/// Returns a name such as `NotFound`.
fn name_of(status: StatusCode) -> String {
    status.canonical_reason().unwrap_or_default().replace(' ', "")
}

fn refusal(status: StatusCode) -> Response {
    let content = ContentBuilder::new().schema(Some(Ref::from_schema_name("Problem"))).build();
    let description = status.canonical_reason().unwrap_or_default();
    let response = ResponseBuilder::new().description(description).content(PROBLEM, content);
    let seconds = || ObjectBuilder::new().schema_type(Type::Integer).minimum(Some(1)).build();
    let word = || ObjectBuilder::new().schema_type(Type::String).build();
    match status {
        StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE => {
            let description = "Seconds to wait before the next attempt";
            response.header(
                "Retry-After",
                HeaderBuilder::new().schema(Some(seconds())).description(Some(description)).build(),
            )
        }
        StatusCode::UNAUTHORIZED => {
            response.header("WWW-Authenticate", HeaderBuilder::new().schema(Some(word())).build())
        }
        _ => response,
    }
    .build()
}

/// Returns alternatives: one requirement is enough.
fn requirements(needs: Needs) -> Vec<SecurityRequirement> {
    let none: [&str; 0] = [];
    match needs {
        Needs::Nothing | Needs::Link | Needs::Hint | Needs::Return | Needs::Page(_) | Needs::SignIn => vec![],
        Needs::Webhook => vec![SecurityRequirement::new(WEBHOOK, none)],
        Needs::Role(roles) => {
            let roles: BTreeSet<Role> = roles.iter().copied().chain([Role::Admin]).collect();
            roles.into_iter().map(|role| SecurityRequirement::new(TOKEN, [role.word()])).collect()
        }
    }
}

/// Returns the names of a path's variable parts.
fn variables(path: &str) -> impl Iterator<Item = &str> {
    path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'))
}

fn variable(name: &str) -> ParameterBuilder {
    let description = match name {
        "id" => "Id of a case",
        "name" => "Name of a policy",
        "revision" => "The first digits of a revision, or `running`, `waiting` or `last`",
        "token" => "Token of a person's link",
        "provider" => "Name of a provider",
        "secret" => "Secret of a case",
        _ => "",
    };
    ParameterBuilder::new()
        .name(name)
        .parameter_in(ParameterIn::Path)
        .required(Required::True)
        .description(Some(description))
        .schema(Some(ObjectBuilder::new().schema_type(Type::String).min_length(Some(1))))
}

fn idempotency_key() -> ParameterBuilder {
    let text = ObjectBuilder::new().schema_type(Type::String).pattern(Some("^[!-~]{1,255}$"));
    ParameterBuilder::new()
        .name("Idempotency-Key")
        .parameter_in(ParameterIn::Header)
        .description(Some("Key of the change; a repeated request with the same key has no second effect"))
        .schema(Some(text))
}

/// Returns the part of the API that an operation belongs to.
fn tag(path: &str) -> &str {
    let mut parts = path.split('/').skip(1).filter(|part| *part != "v1");
    match parts.next().unwrap_or_default() {
        "v" | "person.css" => "person",
        "metrics" | "livez" | "readyz" => "monitoring",
        "openapi.json" => "document",
        part => part,
    }
}

/// Returns an id such as `post_v1_cases_id_retry`.
fn id(route: &Route) -> String {
    let path = route.path.replace(['{', '}'], "").replace(['/', '.'], "_");
    format!("{}{path}", route.method.as_str().to_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_operation_is_documented() {
        let routes = AppState::routes();
        let ids: BTreeSet<_> = routes.iter().map(id).collect();
        assert_eq!(ids.len(), routes.len(), "{ids:?}");
        for route in &routes {
            assert!(!route.summary.is_empty(), "{}", route.path);
            for name in variables(route.path) {
                let description = variable(name).build().description;
                assert!(
                    description.is_some_and(|description| !description.is_empty()),
                    "{}: {name}",
                    route.path
                );
            }
        }
    }

    #[test]
    fn the_committed_openapi_document_is_current() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/openapi.json");
        let generated = serde_json::to_string_pretty(&document()).unwrap() + "\n";
        if std::env::var_os("UPDATE_EXPECTED").is_some() {
            std::fs::write(path, &generated).unwrap();
        }
        let committed = std::fs::read_to_string(path).unwrap_or_default();
        assert!(committed == generated, "docs/openapi.json is old: run with UPDATE_EXPECTED=1");
    }
}
