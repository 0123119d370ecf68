//! The doors: hooks, the person's link, the API. Knows the engine and configuration; asks nobody else.
//!
//! | file | what |
//! |---|---|
//! | `access` | tokens and what they may do |
//! | `problem` | errors as RFC 9457 documents |
//! | `hooks` | what vendors send |
//! | `events` | what other programs send |
//! | `person` | the page behind a person's link |
//! | `cases`, `policies`, `watch` | the API by subject |
//! | `listen` | sockets, limits of requests, the end |

mod access;
mod cases;
mod events;
mod hooks;
mod listen;
mod person;
mod policies;
mod problem;
mod repeat;
mod watch;

use std::sync::Arc;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::routing::{get, post};

use crate::engine::Engine;

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
}

impl Doors {
    pub fn new(engine: Engine, access: Access) -> Result<Self, String> {
        Ok(Self {
            engine,
            access: Arc::new(access),
            pages: Arc::new(person::Pages::new()?),
            repeats: Arc::new(repeat::Repeats::default()),
        })
    }

    /// What the outside world needs and nothing else: hooks and people's links.
    pub fn public(&self) -> Router {
        Self::outside()
            .fallback(problem::no_such_path)
            .method_not_allowed_fallback(problem::wrong_method)
            .with_state(self.clone())
    }

    /// Everything on one listener.
    pub fn everything(&self) -> Router {
        Self::outside()
            .merge(Self::inside())
            .fallback(problem::no_such_path)
            .method_not_allowed_fallback(problem::wrong_method)
            .with_state(self.clone())
    }

    /// Everything but what `public` serves, where that has a listener of its own.
    pub fn private(&self) -> Router {
        Self::inside()
            .fallback(problem::no_such_path)
            .method_not_allowed_fallback(problem::wrong_method)
            .with_state(self.clone())
    }

    fn outside() -> Router<Self> {
        Router::new()
            .route("/hooks/onelogin", post(hooks::onelogin))
            .route("/hooks/jumio/{secret}", post(hooks::jumio))
            .route("/v/{token}", get(person::look).post(person::press))
            .route("/v/{token}/back", get(person::back))
            .route("/person.css", get(person::style))
            .layer(DefaultBodyLimit::max(LARGEST_BODY))
    }

    fn inside() -> Router<Self> {
        Router::new()
            .route("/v1/cases", get(cases::list).post(cases::start))
            .route("/v1/cases/{id}", get(cases::show))
            .route("/v1/cases/{id}/journal", get(cases::journal))
            .route("/v1/cases/{id}/decisions", post(cases::decide))
            .route("/v1/cases/{id}/{order}", post(cases::order))
            .route("/v1/events", post(events::receive))
            .route("/v1/held", get(cases::held))
            .route("/v1/held/{id}/{order}", post(cases::held_order))
            .route("/v1/holds", get(cases::holds))
            .route("/v1/policies", get(policies::list))
            .route("/v1/policies/{name}/revisions", get(policies::revisions))
            .route("/v1/policies/reload", post(policies::reload))
            .route("/v1/sweeps", get(policies::sweeps))
            .route("/metrics", get(watch::metrics))
            .route("/livez", get(watch::live))
            .route("/readyz", get(watch::ready))
            .layer(DefaultBodyLimit::max(LARGEST_BODY))
    }
}
