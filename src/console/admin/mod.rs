//! Pages for people who own policies.
//!
//! | file | what |
//! |---|---|
//! | `policies`, `policy` | the list; one policy: effects, path, source, revisions |
//! | `changes` | review of parked revisions |
//! | `explain` | why policies did or did not fire for a person, and dry runs |
//! | `sweeps`, `calendar`, `providers`, `audit` | what ran, what comes, what answers, what happened |
//! | `source`, `compare` | files and differences of files, line by line |

mod audit;
mod calendar;
mod changes;
mod compare;
mod explain;
mod policies;
mod policy;
mod providers;
mod source;
mod sweeps;

use axum::http::Method;
use axum::routing::{MethodRouter, get, post};

use crate::config::Role;
use crate::http::routes::{ADMIN, CASES, EXPLAIN, POLICIES};
use crate::http::{AppState, Needs, Route};

/// The pages with the roles of the API routes that they use.
pub(super) fn routes() -> Vec<Route> {
    let page = |path, roles: &'static [Role], handler: MethodRouter<AppState>, summary| {
        Route::page(Method::GET, path, Needs::Page(roles), handler, summary)
    };
    let form = |path, roles: &'static [Role], handler: MethodRouter<AppState>, summary| {
        Route::page(Method::POST, path, Needs::Page(roles), handler, summary)
    };
    vec![
        page("/policies", POLICIES, get(policies::list), "List policies"),
        page("/policies/{name}", POLICIES, get(policy::show), "Show a policy"),
        form("/policies/{name}/revert", ADMIN, post(policy::revert), "Go back to an older revision"),
        form("/policies/reload", &[Role::Author], post(policies::reload), "Load the policy tree now"),
        page("/changes", POLICIES, get(changes::list), "List parked revisions"),
        page("/changes/{name}", POLICIES, get(changes::show), "Review a parked revision"),
        form("/changes/{name}/release", ADMIN, post(changes::release), "Release a parked revision"),
        form("/changes/{name}/reject", ADMIN, post(changes::reject), "Reject a parked revision"),
        page("/explain", EXPLAIN, get(explain::show), "Explain decisions of policies about a person"),
        page("/sweeps", POLICIES, get(sweeps::list), "List sweeps"),
        page("/calendar", CASES, get(calendar::show), "Show timers ahead"),
        page("/providers", POLICIES, get(providers::list), "List providers"),
        page("/audit", CASES, get(audit::search), "Search journals"),
        page("/audit/export", CASES, get(audit::export), "Export a search of journals as CSV"),
    ]
}
