//! The doors: hooks, the person's link, the API. Knows the engine and configuration; asks nobody else.
//!
//! | file | what |
//! |---|---|
//! | `access` | tokens and what they may do |
//! | `problem` | errors as RFC 9457 documents |
//! | `hooks` | what vendors send |
//! | `events` | what other programs send |
//! | `person` | the page behind a person's link |
//! | `cases`, `migrations`, `policies`, `revisions`, `watch` | the API by subject |
//! | `plan` | what activating another tree would do |
//! | `explain` | why policies did or did not fire, and what they would say |
//! | `listen` | sockets, the time for a header, the end |
//! | `limits` | how much one client may ask |
//! | `repeat` | the same change sent twice |

mod access;
mod cases;
mod events;
mod explain;
mod hooks;
mod limits;
mod listen;
mod migrations;
mod person;
mod plan;
mod policies;
mod problem;
mod repeat;
mod revisions;
mod watch;

use std::sync::Arc;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::middleware::from_fn_with_state;
use axum::routing::{get, post};

use crate::engine::Engine;

use limits::{Door, meter};

pub use access::{Access, Caller, Grant};
pub use listen::{Listening, listen};
pub use problem::Problem;

/// Requests above this are refused with 413.
const LARGEST_BODY: usize = 1 << 20;

/// What the handlers share.
#[derive(Debug, Clone)]
pub struct Doors {
    engine: Engine,
    access: Arc<Access>,
    pages: Arc<person::Pages>,
    repeats: Arc<repeat::Repeats>,
    limits: Arc<limits::Limits>,
}

impl Doors {
    pub fn new(engine: Engine, access: Access) -> Result<Self, String> {
        Ok(Self {
            engine,
            access: Arc::new(access),
            pages: Arc::new(person::Pages::new()?),
            repeats: Arc::new(repeat::Repeats::default()),
            limits: Arc::new(limits::Limits::default()),
        })
    }

    /// What the outside world needs and nothing else: hooks and people's links.
    pub fn public(&self) -> Router {
        self.outside()
            .fallback(problem::no_such_path)
            .method_not_allowed_fallback(problem::wrong_method)
            .with_state(self.clone())
    }

    /// Everything on one listener.
    pub fn everything(&self) -> Router {
        self.outside()
            .merge(self.inside())
            .fallback(problem::no_such_path)
            .method_not_allowed_fallback(problem::wrong_method)
            .with_state(self.clone())
    }

    /// Everything but what `public` serves, where that has a listener of its own.
    pub fn private(&self) -> Router {
        self.inside()
            .fallback(problem::no_such_path)
            .method_not_allowed_fallback(problem::wrong_method)
            .with_state(self.clone())
    }

    fn outside(&self) -> Router<Self> {
        let hooks =
            self.metered(Door::Webhook, Router::new().route("/hooks/onelogin", post(hooks::onelogin)));
        let hints =
            self.metered(Door::Hint, Router::new().route("/hooks/jumio/{secret}", post(hooks::jumio)));
        let links = Router::new()
            .route("/v/{token}", get(person::look).post(person::press))
            .route("/v/{token}/back", get(person::back));
        Router::new()
            .route("/person.css", get(person::style))
            .merge(hooks)
            .merge(hints)
            .merge(self.metered(Door::Link, links))
            .layer(DefaultBodyLimit::max(LARGEST_BODY))
    }

    fn inside(&self) -> Router<Self> {
        let api = Router::new()
            .route("/v1/cases", get(cases::list).post(cases::start))
            .route("/v1/cases/{id}", get(cases::show))
            .route("/v1/cases/{id}/journal", get(cases::journal))
            .route("/v1/cases/{id}/decisions", post(cases::decide))
            .route("/v1/cases/{id}/migrate", post(migrations::migrate))
            .route("/v1/cases/{id}/{order}", post(cases::order))
            .route("/v1/events", post(events::receive))
            .route("/v1/explain", get(explain::explain).post(explain::attempt))
            .route("/v1/held", get(cases::held))
            .route("/v1/held/{id}/{order}", post(cases::held_order))
            .route("/v1/holds", get(cases::holds))
            .route("/v1/policies", get(policies::list))
            .route("/v1/policies/{name}", get(revisions::running))
            .route("/v1/policies/{name}/revisions", get(policies::revisions))
            .route("/v1/policies/{name}/shadow", get(policies::shadow))
            .route("/v1/policies/{name}/revisions/{revision}", get(revisions::show))
            .route("/v1/policies/{name}/diff", get(revisions::diff))
            .route("/v1/policies/{name}/{order}", post(revisions::order))
            .route("/v1/policies/reload", post(policies::reload))
            .route("/v1/plan", post(plan::plan).layer(DefaultBodyLimit::max(plan::LARGEST_TREE)))
            .route("/v1/sweeps", get(policies::sweeps));
        // What monitoring asks is never refused: it would look like the end of the daemon.
        Router::new()
            .route("/metrics", get(watch::metrics))
            .route("/livez", get(watch::live))
            .route("/readyz", get(watch::ready))
            .merge(self.metered(Door::Api, api))
            .layer(DefaultBodyLimit::max(LARGEST_BODY))
    }

    fn metered(&self, door: Door, routes: Router<Self>) -> Router<Self> {
        routes.layer(from_fn_with_state((self.clone(), door), meter))
    }
}
