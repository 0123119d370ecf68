//! The doors: hooks, the person's link, the API. Knows the engine and configuration; asks nobody else.
//!
//! | file | what |
//! |---|---|
//! | `routes` | every route, and what it needs before its body is read |
//! | `guard` | checks that, and reads the body |
//! | `extract`, `answer` | what handlers take and answer, as types |
//! | `describe`, `openapi` | the document of the API, made of the routes and of those types |
//! | `access` | tokens and what they may do |
//! | `problem` | errors as RFC 9457 documents |
//! | `hooks` | what vendors send |
//! | `events` | what other programs send |
//! | `person` | the page behind a person's link |
//! | `cases`, `migrations`, `policies`, `revisions`, `watch` | the API by subject |
//! | `plan` | what activating another tree would do |
//! | `explain` | why policies did or did not fire, and what they would say |
//! | `listen`, `connections`, `lingering` | sockets: how many, for how long, and how they end |
//! | `limits` | how much one client may ask |
//! | `repeat` | the same change sent twice |

mod access;
mod answer;
mod cases;
mod connections;
mod describe;
mod events;
mod explain;
mod extract;
mod guard;
mod hooks;
mod limits;
mod lingering;
mod listen;
mod migrations;
mod openapi;
mod person;
mod plan;
mod policies;
mod problem;
mod repeat;
mod revisions;
mod routes;
mod watch;

use std::sync::Arc;

use axum::Router;
use axum::extract::DefaultBodyLimit;

use crate::engine::Engine;

pub use access::{Access, Caller, Grant};
pub use describe::{Describe, Description};
pub use listen::{Bounds, Listening, listen, listen_within};
pub use openapi::document;
pub use problem::Problem;
pub use routes::{Needs, Route};

/// What the handlers share.
#[derive(Debug, Clone)]
pub struct AppState {
    engine: Engine,
    access: Arc<Access>,
    pages: Arc<person::Pages>,
    turns: Arc<repeat::Turns>,
    limits: Arc<limits::Limits>,
    bodies: guard::Bodies,
}

impl AppState {
    pub fn new(engine: Engine, access: Access) -> Result<Self, String> {
        Ok(Self {
            engine,
            access: Arc::new(access),
            pages: Arc::new(person::Pages::new()?),
            turns: Arc::new(repeat::Turns::default()),
            limits: Arc::new(limits::Limits::default()),
            bodies: guard::Bodies::default(),
        })
    }

    /// What the outside world needs and nothing else: hooks and people's links.
    pub fn public(&self) -> Router {
        self.serve(routes::outside())
    }

    /// Everything on one listener.
    pub fn everything(&self) -> Router {
        self.serve(Self::routes().into_iter().chain(routes::former()).collect())
    }

    /// Everything but what `public` serves, where that has a listener of its own.
    pub fn private(&self) -> Router {
        self.serve(routes::inside().into_iter().chain(routes::former()).collect())
    }

    /// Every route there is.
    pub fn routes() -> Vec<Route> {
        routes::outside().into_iter().chain(routes::inside()).collect()
    }

    fn serve(&self, routes: Vec<Route>) -> Router {
        routes::guarded(self, routes)
            .fallback(problem::no_such_path)
            .method_not_allowed_fallback(problem::wrong_method)
            // The guards have read what there is of a body, up to the limit of its route.
            .layer(DefaultBodyLimit::disable())
            .with_state(self.clone())
    }
}
