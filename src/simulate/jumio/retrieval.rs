//! The vendor's retrieval host: status, details, steps, images and deletion.

use axum::Router;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, Uri, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{delete, get};
use serde_json::{Value, json};

use super::Simulator;
use super::api::{Host, answer, refuse};
use super::callback::pointers;
use super::execution::Status;
use super::knobs::{Expired, Wiped};
use super::result;
use super::token::Limited;
use super::world::World;

/// The shortest byte sequence with the start and end of a JPEG.
const IMAGE: &[u8] = &[0xff, 0xd8, 0xff, 0xe0, 0x00, 0x04, 0x00, 0x00, 0xff, 0xd9];

pub(super) fn routes() -> Router<Simulator> {
    let one = "/retrieval/api/v1/accounts/{account}/workflow-executions/{execution}";
    Router::new()
        .route("/retrieval/api/v1/accounts/{account}", delete(forget_account))
        .route(one, get(details).delete(forget_execution))
        .route(&format!("{one}/status"), get(status))
        .route(&format!("{one}/steps"), get(steps))
        .route(&format!("{one}/rules"), get(rules))
        .route(&format!("{one}/generate"), get(document))
        .route("/retrieval/api/v1/accounts/{account}/credentials/{credential}/parts/{part}", get(image))
}

type Place = Path<(String, String)>;

fn missing(uri: &Uri) -> Response {
    refuse(Host::Retrieval, 404, "Workflow execution not found", uri)
}

fn gone(world: &World, index: usize) -> bool {
    world.executions[index].wiped_out_at.is_some()
}

/// Reads one execution, if it exists and the request is permitted.
fn read(
    simulator: &Simulator,
    place: &(String, String),
    uri: &Uri,
    headers: &HeaderMap,
    limited: Option<Limited>,
    show: impl FnOnce(&mut World, usize) -> Response,
) -> Response {
    if let Some(refusal) = simulator.refusal(Host::Retrieval, headers, uri, limited) {
        return refusal;
    }
    simulator.act(|world, _| {
        match world.find(&place.1).filter(|index| world.executions[*index].account == place.0) {
            Some(index) if !(gone(world, index) && world.knobs.wiped == Wiped::Gone) => show(world, index),
            Some(_) | None => missing(uri),
        }
    })
}

async fn status(
    State(simulator): State<Simulator>,
    Path(place): Place,
    uri: Uri,
    headers: HeaderMap,
) -> Response {
    read(&simulator, &place, &uri, &headers, None, |world, index| {
        let one = &world.executions[index];
        let shown = match (one.status, &world.knobs.unknown_status) {
            (Status::AcquisitionStarted, _) if !world.knobs.report_started => Status::Initiated.name(),
            (Status::Acquired, Some(unknown)) => unknown,
            (status, _) => world.shown_status(status),
        };
        let (account, execution) = pointers(one, shown, &world.base, world.knobs.long_href);
        answer(200, &json!({"account": account, "workflowExecution": execution}))
    })
}

async fn details(
    State(simulator): State<Simulator>,
    Path(place): Place,
    uri: Uri,
    headers: HeaderMap,
) -> Response {
    let now = simulator.clock().now();
    read(&simulator, &place, &uri, &headers, Some(Limited::Retrieval), |world, index| {
        let one = &mut world.executions[index];
        let expired = matches!(one.status, Status::SessionExpired | Status::TokenExpired);
        let hidden = one.status == Status::Processed && one.hidden_reads > 0;
        if hidden {
            one.hidden_reads -= 1;
        }
        let wiped = one.wiped_out_at.is_some() && world.knobs.wiped == Wiped::NoDetails;
        let gone = hidden || wiped || (expired && world.knobs.expired == Expired::NotFound);
        let one = &world.executions[index];
        let detail = json!({"execution": one.execution, "status": one.status, "found": !gone});
        world.note(now, "details", &one.order.customer_internal_reference, !gone, detail);
        match gone {
            true => missing(&uri),
            false => {
                let mut details = result::details(one, &world.base, &world.knobs);
                if let Some(patch) = world.knobs.details_patch.as_ref().filter(|_| one.status.is_final()) {
                    merge(&mut details, patch);
                }
                answer(200, &details)
            }
        }
    })
}

/// Applies a JSON merge patch (RFC 7396).
fn merge(into: &mut Value, patch: &Value) {
    match (into, patch) {
        (Value::Object(fields), Value::Object(patch)) => {
            for (name, value) in patch {
                if value.is_null() {
                    fields.remove(name);
                } else {
                    merge(fields.entry(name.clone()).or_insert(Value::Null), value);
                }
            }
        }
        (into, patch) => *into = patch.clone(),
    }
}

async fn steps(
    State(simulator): State<Simulator>,
    Path(place): Place,
    uri: Uri,
    headers: HeaderMap,
) -> Response {
    read(&simulator, &place, &uri, &headers, Some(Limited::Retrieval), |world, index| {
        let one = &world.executions[index];
        match one.plan.kyx && one.status.is_final() && one.wiped_out_at.is_none() {
            true => answer(200, &result::steps(one, world.knobs.expired)),
            false => missing(&uri),
        }
    })
}

async fn rules(
    State(simulator): State<Simulator>,
    Path(place): Place,
    uri: Uri,
    headers: HeaderMap,
) -> Response {
    read(&simulator, &place, &uri, &headers, None, |_, _| answer(200, &json!({"rules": []})))
}

async fn document(
    State(simulator): State<Simulator>,
    Path(place): Place,
    uri: Uri,
    headers: HeaderMap,
) -> Response {
    read(&simulator, &place, &uri, &headers, None, |world, index| {
        let url = format!("{}/web/document/{}.pdf", world.base, world.executions[index].execution);
        answer(200, &json!({"presignedUrl": url}))
    })
}

async fn image(
    State(simulator): State<Simulator>,
    Path((account, credential, part)): Path<(String, String, String)>,
    uri: Uri,
    headers: HeaderMap,
) -> Response {
    if let Some(refusal) = simulator.refusal(Host::Retrieval, &headers, &uri, None) {
        return refusal;
    }
    simulator.act(|world, _| {
        let there = world
            .executions
            .iter()
            .filter(|one| one.account == account && one.wiped_out_at.is_none() && !one.deleted)
            .flat_map(|one| &one.credentials)
            .any(|one| {
                let known = result::classifiers(one.category).contains(&part.as_str());
                one.id == credential && one.captured && known && part != "FACEMAP"
            });
        match there {
            true => ([(header::CONTENT_TYPE, "image/jpeg")], IMAGE).into_response(),
            false => refuse(Host::Retrieval, 404, "Image not found", &uri),
        }
    })
}

async fn forget_account(
    State(simulator): State<Simulator>,
    Path(account): Path<String>,
    uri: Uri,
    headers: HeaderMap,
) -> Response {
    if let Some(refusal) = simulator.refusal(Host::Retrieval, &headers, &uri, None) {
        return refusal;
    }
    simulator.act(|world, now| match world.forget(&account, now) {
        true => answer(200, &json!({})),
        false => refuse(Host::Retrieval, 404, "Account not found", &uri),
    })
}

async fn forget_execution(
    State(simulator): State<Simulator>,
    Path(place): Place,
    uri: Uri,
    headers: HeaderMap,
) -> Response {
    let now = simulator.clock().now();
    read(&simulator, &place, &uri, &headers, None, |world, index| {
        let one = &mut world.executions[index];
        one.deleted = true;
        let one = &world.executions[index];
        let detail = json!({"account": one.account, "execution": one.execution});
        world.note(now, "delete", &one.order.customer_internal_reference, true, detail);
        answer(200, &json!({}))
    })
}
