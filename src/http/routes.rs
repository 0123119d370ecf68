//! Every route with what it needs. The guard of a route checks that before anything of the body is read, and
//! a handler gets its `Caller` from the guard alone.

use axum::Json;
use axum::Router;
use axum::extract::rejection::JsonRejection;
use axum::extract::{Path, State};
use axum::handler::Handler;
use axum::http::Method;
use axum::middleware::from_fn_with_state;
use axum::routing::{MethodRouter, get, post};

use crate::config::Role;
use crate::engine::desk::Order;

use super::cases::WithReason;
use super::guard::{Gate, guard};
use super::revisions::PolicyOrder;
use super::{
    Caller, Doors, cases, events, explain, hooks, migrations, person, plan, policies, revisions, watch,
};

/// A larger body is refused with 413.
const LARGEST_BODY: usize = 1 << 20;
/// A vendor's hint has a handful of ids; it is read before it is known whose it is.
const LARGEST_HINT: usize = 16 << 10;
/// A policy tree has many files.
const LARGEST_TREE: usize = 16 << 20;

const CASES: &[Role] = &[Role::Viewer, Role::Desk, Role::Operator];
const POLICIES: &[Role] = &[Role::Viewer, Role::Author, Role::Operator];
const EXPLAIN: &[Role] = &[Role::Viewer, Role::Desk, Role::Author, Role::Operator];
/// `admin` has every role but that of raw identity data.
const ADMIN: &[Role] = &[];

/// What a request must show before its body is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Needs {
    /// Nothing: open to everybody who reaches the listener.
    Nothing,
    /// A token with one of these roles, or with `admin`.
    Role(&'static [Role]),
    /// A person's link; a broken one gets a page that says so.
    Link,
    /// The header that the identity provider's webhook shares with us.
    Webhook,
    /// A secret of a case in the path. Which case, only the body says: up to 16 KiB are read first.
    Hint,
}

/// One method of one path.
#[derive(Debug)]
pub struct Route {
    pub method: Method,
    pub path: &'static str,
    pub needs: Needs,
    /// Bytes of a body that are read at most; 0: none are.
    pub largest: usize,
    /// Takes an `Idempotency-Key`.
    pub change: bool,
    handler: MethodRouter<Doors>,
}

fn reads<H: Handler<T, Doors>, T: 'static>(path: &'static str, needs: Needs, handler: H) -> Route {
    Route { method: Method::GET, path, needs, largest: 0, change: false, handler: get(handler) }
}

fn takes<H: Handler<T, Doors>, T: 'static>(path: &'static str, needs: Needs, handler: H) -> Route {
    let largest = LARGEST_BODY;
    Route { method: Method::POST, path, needs, largest, change: false, handler: post(handler) }
}

fn changes<H: Handler<T, Doors>, T: 'static>(
    path: &'static str,
    roles: &'static [Role],
    handler: H,
) -> Route {
    Route { change: true, ..takes(path, Needs::Role(roles), handler) }
}

type Reasoned = Result<Json<WithReason>, JsonRejection>;

fn orders(path: &'static str, order: Order, roles: &'static [Role]) -> Route {
    let handler = move |doors: State<Doors>, id: Path<String>, caller: Caller, body: Reasoned| {
        cases::order(order, doors, id, caller, body)
    };
    changes(path, roles, handler)
}

fn orders_policy(path: &'static str, order: PolicyOrder) -> Route {
    let handler = move |doors: State<Doors>, name: Path<String>, caller: Caller, body| {
        revisions::order(order, doors, name, caller, body)
    };
    changes(path, ADMIN, handler)
}

/// What the outside world needs: hooks and people's links.
pub(super) fn outside() -> Vec<Route> {
    vec![
        reads("/person.css", Needs::Nothing, person::style),
        takes("/hooks/{provider}", Needs::Webhook, hooks::events),
        Route { largest: LARGEST_HINT, ..takes("/hooks/{provider}/{secret}", Needs::Hint, hooks::hint) },
        reads("/v/{token}", Needs::Link, person::look),
        Route { largest: 0, ..takes("/v/{token}", Needs::Link, person::press) },
        reads("/v/{token}/back", Needs::Link, person::back),
    ]
}

/// The API, and what monitoring asks. Monitoring is never refused: it would look like the end of the daemon.
pub(super) fn inside() -> Vec<Route> {
    let cases = Needs::Role(CASES);
    let policies = Needs::Role(POLICIES);
    let explain = Needs::Role(EXPLAIN);
    vec![
        reads("/metrics", Needs::Nothing, watch::metrics),
        reads("/livez", Needs::Nothing, watch::live),
        reads("/readyz", Needs::Nothing, watch::ready),
        reads("/v1/cases", cases, cases::list),
        changes("/v1/cases", &[Role::Operator], cases::start),
        reads("/v1/cases/{id}", cases, cases::show),
        reads("/v1/cases/{id}/journal", cases, cases::journal),
        changes("/v1/cases/{id}/decisions", &[Role::Desk], cases::decide),
        changes("/v1/cases/{id}/migrate", &[Role::Operator], migrations::migrate),
        orders("/v1/cases/{id}/retry", Order::Retry, &[Role::Operator]),
        orders("/v1/cases/{id}/cancel", Order::Cancel, &[Role::Operator]),
        orders("/v1/cases/{id}/remind", Order::Remind, &[Role::Operator]),
        orders("/v1/cases/{id}/undo", Order::Undo, &[Role::Operator]),
        orders("/v1/cases/{id}/lift", Order::Lift, &[Role::Operator]),
        orders("/v1/cases/{id}/take", Order::Take, &[Role::Desk]),
        orders("/v1/cases/{id}/give_back", Order::GiveBack, &[Role::Desk]),
        changes("/v1/events", &[Role::Source], events::receive),
        reads("/v1/explain", explain, explain::explain),
        takes("/v1/explain", explain, explain::attempt),
        reads("/v1/held", cases, cases::held),
        orders("/v1/held/{id}/release", Order::Release, ADMIN),
        orders("/v1/held/{id}/drop", Order::Drop, ADMIN),
        reads("/v1/holds", cases, cases::holds),
        reads("/v1/policies", policies, policies::list),
        reads("/v1/policies/{name}", policies, revisions::running),
        reads("/v1/policies/{name}/revisions", policies, policies::revisions),
        reads("/v1/policies/{name}/shadow", policies, policies::shadow),
        reads("/v1/policies/{name}/revisions/{revision}", policies, revisions::show),
        reads("/v1/policies/{name}/diff", policies, revisions::diff),
        orders_policy("/v1/policies/{name}/release", PolicyOrder::Release),
        orders_policy("/v1/policies/{name}/revert", PolicyOrder::Revert),
        changes("/v1/policies/reload", &[Role::Author], policies::reload),
        Route { largest: LARGEST_TREE, ..takes("/v1/plan", Needs::Role(&[Role::Author]), plan::plan) },
        reads("/v1/sweeps", policies, policies::sweeps),
    ]
}

/// Puts each route behind its guard.
pub(super) fn guarded(doors: &Doors, routes: Vec<Route>) -> Router<Doors> {
    routes.into_iter().fold(Router::new(), |router, route| {
        let gate = Gate { needs: route.needs, largest: route.largest, change: route.change };
        let layer = from_fn_with_state((doors.clone(), gate), guard);
        router.route(route.path, route.handler.route_layer(layer))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_on_access_has_every_route_with_its_roles() {
        let page = include_str!("../../docs/access.md");
        let routes: Vec<Route> = outside().into_iter().chain(inside()).collect();
        for route in &routes {
            let who = match route.needs {
                Needs::Nothing => "open".to_owned(),
                Needs::Link => "the person's link".to_owned(),
                Needs::Webhook => "shared header".to_owned(),
                Needs::Hint => "secret in the path".to_owned(),
                Needs::Role(roles) => {
                    roles.iter().map(|role| role.word()).chain(["admin"]).collect::<Vec<_>>().join(", ")
                }
            };
            let line = format!("| `{} {}` | {who} |", route.method, route.path);
            assert!(page.contains(&line), "docs/access.md lacks {line}");
        }
        let rows = page.lines().filter(|line| line.starts_with("| `GET ") || line.starts_with("| `POST "));
        assert_eq!(rows.count(), routes.len());
    }
}
