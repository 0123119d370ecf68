//! Every route with its needs. The guard of a route checks them before any of the body is read, and a handler gets its
//! `Caller` only from the guard.

use axum::Router;
use axum::extract::State;
use axum::handler::Handler;
use axum::http::{Method, StatusCode};
use axum::middleware::from_fn_with_state;
use axum::routing::{MethodRouter, get, post};

use crate::api::cases::{MayReason, Reasoned};
use crate::config::Role;
use crate::engine::operators::Order;

use super::describe::{Describe, Description};
use super::extract::{Body, Path};
use super::guard::{Gate, guard};
use super::signed_in::guard_page;
use super::{
    AppState, Caller, cases, events, explain, hooks, migrations, openapi, person, plan, policies, revisions,
    subjects, watch,
};

/// A larger body is refused with 413.
const LARGEST_BODY: usize = 1 << 20;
/// A vendor's hint has a few ids; it is read before its sender is known.
const LARGEST_HINT: usize = 16 << 10;
/// A form of the console: a reason in percent-encoding and a few ids.
const LARGEST_FORM: usize = 32 << 10;
/// A policy tree has many files.
const LARGEST_TREE: usize = 16 << 20;

pub const CASES: &[Role] = &[Role::Viewer, Role::Desk, Role::Operator];
pub const POLICIES: &[Role] = &[Role::Viewer, Role::Author, Role::Operator];
pub const EXPLAIN: &[Role] = &[Role::Viewer, Role::Desk, Role::Author, Role::Operator];
pub const PRIVACY: &[Role] = &[Role::Privacy];
/// `admin` includes every role except raw identity data.
pub const ADMIN: &[Role] = &[];
/// Any token.
pub const ANY: &[Role] = &Role::ALL;

const NOT_FOUND: StatusCode = StatusCode::NOT_FOUND;
const CONFLICT: StatusCode = StatusCode::CONFLICT;

/// The credentials that a request must present before its body is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Needs {
    /// None: open to every client that reaches the listener.
    Nothing,
    /// A token with one of these roles, or with `admin`.
    Role(&'static [Role]),
    /// A person's link; a broken one gets a page that reports it.
    Link,
    /// The header that the identity provider's webhook shares with us.
    Webhook,
    /// A secret of a session in the query, and the cookie of the browser that was sent to it.
    Return,
    /// A signed-in person with one of these roles, or with `admin`.
    Page(&'static [Role]),
    /// None, and counted by address: the way to sign in.
    SignIn,
    /// A secret of a case in the path. Only the body identifies the case: up to 16 KiB are read first.
    Hint,
}

/// One method of one path. The handler's types define its input and answers.
#[derive(Debug)]
pub struct Route {
    pub method: Method,
    pub path: &'static str,
    pub needs: Needs,
    /// Most bytes of a body; 0: no body is read.
    pub largest: usize,
    /// Accepts an `Idempotency-Key`.
    pub change: bool,
    pub summary: &'static str,
    /// Statuses of its refusals, besides those of the guard and of the types.
    pub refuses: Vec<StatusCode>,
    pub(super) describe: fn(&mut Description),
    handler: MethodRouter<AppState>,
}

impl Route {
    /// A page of the console. No document describes it: programs use the API.
    pub fn page(
        method: Method,
        path: &'static str,
        needs: Needs,
        handler: MethodRouter<AppState>,
        summary: &'static str,
    ) -> Self {
        let largest = if method == Method::GET { 0 } else { LARGEST_FORM };
        let (describe, refuses) = (nothing as fn(&mut Description), Vec::new());
        Self { method, path, needs, largest, change: false, summary, refuses, describe, handler }
    }

    fn refusing(mut self, statuses: &[StatusCode]) -> Self {
        self.refuses.extend(statuses);
        self
    }
}

fn nothing(_: &mut Description) {}

fn reads<H, T>(path: &'static str, needs: Needs, handler: H, summary: &'static str) -> Route
where
    H: Handler<T, AppState> + Describe<T>,
    T: 'static,
{
    let (describe, handler) = (H::describe as fn(&mut Description), get(handler));
    let (method, refuses) = (Method::GET, Vec::new());
    Route { method, path, needs, largest: 0, change: false, summary, refuses, describe, handler }
}

fn takes<H, T>(path: &'static str, needs: Needs, handler: H, summary: &'static str) -> Route
where
    H: Handler<T, AppState> + Describe<T>,
    T: 'static,
{
    let (describe, handler) = (H::describe as fn(&mut Description), post(handler));
    let (method, refuses, largest) = (Method::POST, Vec::new(), LARGEST_BODY);
    Route { method, path, needs, largest, change: false, summary, refuses, describe, handler }
}

fn changes<H, T>(path: &'static str, roles: &'static [Role], handler: H, summary: &'static str) -> Route
where
    H: Handler<T, AppState> + Describe<T>,
    T: 'static,
{
    let change = takes(path, Needs::Role(roles), handler, summary);
    // A full disk closes the store before it stops the daemon.
    Route { change: true, ..change }.refusing(&[NOT_FOUND, CONFLICT, StatusCode::SERVICE_UNAVAILABLE])
}

fn orders(path: &'static str, order: Order, roles: &'static [Role], summary: &'static str) -> Route {
    let handler = move |doors: State<AppState>, id: Path<String>, caller: Caller, body: Body<Reasoned>| {
        cases::order(order, doors, id, caller, body)
    };
    changes(path, roles, handler, summary)
}

fn claims(path: &'static str, order: Order, summary: &'static str) -> Route {
    let handler = move |doors: State<AppState>, id: Path<String>, caller: Caller, body: Body<MayReason>| {
        cases::claim(order, doors, id, caller, body)
    };
    changes(path, &[Role::Desk], handler, summary)
}

/// Routes for the outside world: hooks and people's links.
pub(super) fn outside() -> Vec<Route> {
    vec![
        reads("/person.css", Needs::Nothing, person::style, "Style of the person's pages"),
        takes("/hooks/{provider}", Needs::Webhook, hooks::events, "Take events of an identity provider")
            .refusing(&[NOT_FOUND]),
        Route {
            largest: LARGEST_HINT,
            ..takes(
                "/hooks/{provider}/{secret}",
                Needs::Hint,
                hooks::hint,
                "Take a hint of a verification provider to read a result",
            )
        },
        reads("/v/{token}", Needs::Link, person::look, "Show the person's page; starts nothing"),
        Route {
            largest: LARGEST_FORM,
            ..takes("/v/{token}", Needs::Link, person::press, "Start or resume the person's verification")
        },
        reads(
            "/return/{provider}",
            Needs::Return,
            person::returned,
            "Take the result that a person's browser brings from a provider",
        ),
        reads("/v/{token}/back", Needs::Link, person::back, "Show the page after the vendor's session"),
    ]
}

/// Routes of the API and of monitoring. Monitoring is never refused: a refusal would look like a stopped daemon.
pub(super) fn inside() -> Vec<Route> {
    let mut routes = vec![
        reads("/metrics", Needs::Nothing, watch::metrics, "Read metrics"),
        reads("/livez", Needs::Nothing, watch::live, "Check that the daemon makes progress"),
        reads("/readyz", Needs::Nothing, watch::ready, "Check that the daemon can serve"),
        reads("/openapi.json", Needs::Role(ANY), openapi::show, "Read this document"),
        reads(
            "/v1/status",
            Needs::Role(EXPLAIN),
            watch::status,
            "Count open cases, and list what does not work",
        ),
        reads("/v1/openapi.json", Needs::Role(ANY), openapi::show, "Read this document"),
    ];
    routes.extend(of_people());
    routes.extend(of_policies());
    routes
}

/// Routes of cases, and of explanations about a person.
fn of_people() -> Vec<Route> {
    let (cases, explain, operator) = (Needs::Role(CASES), Needs::Role(EXPLAIN), &[Role::Operator]);
    vec![
        reads("/v1/cases", cases, cases::list, "List cases, newest first"),
        reads("/v1/filters", cases, cases::filters, "List the words that filters of cases accept"),
        changes("/v1/cases", operator, cases::start, "Open a case by hand"),
        reads("/v1/cases/{id}", cases, cases::show, "Show a case").refusing(&[NOT_FOUND]),
        reads("/v1/cases/{id}/journal", cases, cases::journal, "List the journal of a case")
            .refusing(&[NOT_FOUND]),
        changes("/v1/cases/{id}/decisions", &[Role::Desk], cases::decide, "Decide a review"),
        changes(
            "/v1/cases/{id}/migrate",
            operator,
            migrations::migrate,
            "Move an open case to another revision of its policy",
        ),
        orders("/v1/cases/{id}/retry", Order::Retry, operator, "Try a stuck case again"),
        orders("/v1/cases/{id}/cancel", Order::Cancel, operator, "End a case without effects"),
        orders("/v1/cases/{id}/remind", Order::Remind, operator, "Send the reminder now"),
        orders("/v1/cases/{id}/undo", Order::Undo, operator, "Undo an adverse effect that is in grace"),
        orders("/v1/cases/{id}/lift", Order::Lift, operator, "Lift what a case holds"),
        claims("/v1/cases/{id}/claim", Order::Claim, "Claim a review for 30 minutes"),
        claims("/v1/cases/{id}/release", Order::ReleaseClaim, "Release the claim of a review"),
        changes("/v1/events", &[Role::Source], events::receive, "Take CloudEvents"),
        reads(
            "/v1/explain",
            explain,
            explain::explain,
            "Explain why policies did or did not fire for a person",
        )
        .refusing(&[NOT_FOUND]),
        takes("/v1/explain", explain, explain::attempt, "Dry run: what policies would answer about a person")
            .refusing(&[NOT_FOUND]),
        reads("/v1/limits", cases, cases::over_limit, "List effects over a limit"),
        orders("/v1/limits/{id}/release", Order::Release, ADMIN, "Release an effect over a limit"),
        orders("/v1/limits/{id}/drop", Order::Drop, ADMIN, "Drop an effect over a limit"),
        reads("/v1/timers", cases, cases::timers, "List what open cases do by themselves in the next days"),
        reads("/v1/audit", cases, cases::audit, "Search the journals of all cases"),
        reads("/v1/holds", cases, cases::holds, "List suspensions and withheld roles"),
        reads("/v1/subjects", Needs::Role(PRIVACY), subjects::show, "Show everything about one person"),
        changes("/v1/subjects/erase", PRIVACY, subjects::erase, "Erase one person"),
    ]
}

/// Former paths. They are served, and no page or document lists them.
pub(super) fn former() -> Vec<Route> {
    vec![
        reads("/v1/held", Needs::Role(CASES), cases::over_limit, ""),
        orders("/v1/held/{id}/release", Order::Release, ADMIN, ""),
        orders("/v1/held/{id}/drop", Order::Drop, ADMIN, ""),
        claims("/v1/cases/{id}/take", Order::Claim, ""),
        claims("/v1/cases/{id}/give_back", Order::ReleaseClaim, ""),
    ]
}

fn of_policies() -> Vec<Route> {
    let policies = Needs::Role(POLICIES);
    vec![
        reads("/v1/policies", policies, policies::list, "List policies and the last reload"),
        reads(
            "/v1/policies/{name}",
            policies,
            revisions::running,
            "Show the revision that runs, or ran last",
        )
        .refusing(&[NOT_FOUND, CONFLICT]),
        reads("/v1/policies/{name}/revisions", policies, policies::revisions, "List revisions, newest first")
            .refusing(&[NOT_FOUND]),
        reads(
            "/v1/policies/{name}/shadow",
            policies,
            policies::shadow,
            "Compare a shadow policy with what happened",
        )
        .refusing(&[NOT_FOUND]),
        reads("/v1/policies/{name}/revisions/{revision}", policies, revisions::show, "Show a revision")
            .refusing(&[NOT_FOUND, CONFLICT]),
        reads(
            "/v1/policies/{name}/revisions/{revision}/source",
            policies,
            revisions::source,
            "Show the files and the steps of a revision",
        )
        .refusing(&[NOT_FOUND, CONFLICT]),
        reads("/v1/policies/{name}/diff", policies, revisions::diff, "Compare two revisions")
            .refusing(&[NOT_FOUND, CONFLICT]),
        reads(
            "/v1/policies/{name}/open_cases",
            policies,
            migrations::table,
            "Show where open cases would be in another revision",
        )
        .refusing(&[NOT_FOUND, CONFLICT]),
        changes("/v1/policies/{name}/release", ADMIN, revisions::release, "Release a parked revision"),
        changes("/v1/policies/{name}/reject", ADMIN, revisions::reject, "Reject a parked revision"),
        changes("/v1/policies/{name}/revert", ADMIN, revisions::revert, "Go back to an older revision"),
        changes("/v1/policies/reload", &[Role::Author], policies::reload, "Load the policy tree now"),
        Route {
            largest: LARGEST_TREE,
            ..takes(
                "/v1/plan",
                Needs::Role(&[Role::Author]),
                plan::plan,
                "Plan: what activating a tree would do",
            )
        },
        reads("/v1/providers", policies, watch::providers, "List providers with their outages"),
        reads("/v1/sweeps", policies, policies::sweeps, "List sweeps with their runs"),
    ]
}

/// Adds its guard to each route.
pub(super) fn guarded(doors: &AppState, routes: Vec<Route>) -> Router<AppState> {
    routes.into_iter().fold(Router::new(), |router, route| {
        let gate = Gate { needs: route.needs, largest: route.largest, change: route.change };
        let state = (doors.clone(), gate);
        let handler = match route.needs {
            Needs::Page(_) | Needs::SignIn => {
                route.handler.route_layer(from_fn_with_state(state, guard_page))
            }
            Needs::Nothing | Needs::Role(_) | Needs::Link | Needs::Webhook | Needs::Return | Needs::Hint => {
                route.handler.route_layer(from_fn_with_state(state, guard))
            }
        };
        router.route(route.path, handler)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_access_page_lists_every_route_with_its_roles() {
        let page = include_str!("../../docs/access.md");
        let routes: Vec<Route> = outside().into_iter().chain(inside()).collect();
        for route in &routes {
            let who = match route.needs {
                Needs::Nothing => "open".to_owned(),
                Needs::Link => "the person's link".to_owned(),
                Needs::Webhook => "shared header".to_owned(),
                Needs::Hint => "secret in the path".to_owned(),
                Needs::Return => "secret in the query, and a cookie".to_owned(),
                Needs::Page(_) | Needs::SignIn => panic!("docs/console.md has the pages"),
                Needs::Role(roles) if roles == ANY => "any token".to_owned(),
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
