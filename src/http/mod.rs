//! The HTTP room: hooks, the person's link, the API. Uses the engine and the configuration.
//!
//! | file | what |
//! |---|---|
//! | `routes` | every route, and what it needs before its body is read |
//! | `guard` | checks the needs of a route, and reads the body |
//! | `extract`, `answer` | inputs and answers of handlers, as types |
//! | `describe`, `openapi` | the API document, built from the routes and those types |
//! | `access` | tokens and their roles |
//! | `problem` | errors as RFC 9457 documents |
//! | `hooks` | requests of vendors |
//! | `events` | events of other programs |
//! | `person` | the page behind a person's link |
//! | `cases`, `migrations`, `policies`, `revisions`, `subjects`, `watch` | the API by subject |
//! | `plan` | what activating another tree would do |
//! | `explain` | why policies did or did not fire, and dry runs |
//! | `listen`, `connections`, `lingering` | sockets: their number, their time limits, and how they close |
//! | `limits` | rate limits per client |
//! | `exposition` | metrics in the formats of Prometheus |
//! | `repeat` | repeated changes |
//! | `sessions`, `signed_in` | sessions of people, and what a page of the console requires |

mod access;
pub mod answer;
pub mod cases;
mod connections;
mod describe;
pub mod events;
pub mod explain;
mod exposition;
pub mod extract;
mod guard;
mod hooks;
mod limits;
mod lingering;
mod listen;
pub mod migrations;
mod openapi;
pub mod person;
pub mod plan;
pub mod policies;
mod problem;
mod repeat;
pub mod revisions;
pub mod routes;
pub mod sessions;
pub mod signed_in;
pub mod subjects;
pub mod watch;

use std::path::Path;
use std::sync::Arc;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::middleware::map_response_with_state;
use axum::response::Response;

use crate::config::PersonPages;
use crate::engine::Engine;
use crate::engine::clock::System;
use crate::model::Clock;

pub use access::{Access, Caller, Grant};
pub use describe::{Describe, Description};
pub use listen::{Bounds, Listening, Stopped, listen, listen_on, listen_within};
pub use openapi::document;
pub use problem::Problem;
pub use routes::{Needs, Route};

/// State that the handlers share.
#[derive(Debug, Clone)]
pub struct AppState {
    engine: Engine,
    access: Arc<Access>,
    pages: Arc<person::Pages>,
    turns: Arc<repeat::Turns>,
    limits: Arc<limits::Limits>,
    bodies: guard::Bodies,
    sessions: Arc<sessions::Sessions>,
    console: Option<Arc<dyn Console>>,
}

/// The pages for people who decide and administer. They are a room above this one.
pub trait Console: std::fmt::Debug + Send + Sync {
    fn routes(&self) -> Vec<Route>;
    /// Answers a request that got no page.
    fn refuse(&self, doors: &AppState, asked: &signed_in::Asked, why: signed_in::Refused) -> Response;
}

impl AppState {
    pub fn new(engine: Engine, access: Access) -> Result<Self, String> {
        Ok(Self {
            access: Arc::new(access),
            pages: Arc::new(person::Pages::new(
                &engine.settings().organization,
                &PersonPages::default(),
                Path::new("."),
            )?),
            turns: Arc::new(repeat::Turns::default()),
            limits: Arc::new(limits::Limits::default()),
            bodies: guard::Bodies::default(),
            sessions: Arc::new(sessions::Sessions::new(Arc::new(System))),
            console: None,
            engine,
        })
    }

    /// Pages for people with another look.
    pub fn with_person_pages(self, pages: person::Pages) -> Self {
        Self { pages: Arc::new(pages), ..self }
    }

    /// Serves the console too.
    pub fn with_console(self, console: Arc<dyn Console>) -> Self {
        Self { console: Some(console), ..self }
    }

    /// Sessions end by another clock.
    pub fn with_sessions(self, clock: Arc<dyn Clock>) -> Self {
        Self { sessions: Arc::new(sessions::Sessions::new(clock)), ..self }
    }

    pub fn engine(&self) -> &Engine {
        &self.engine
    }

    pub fn access(&self) -> &Access {
        &self.access
    }

    pub fn sessions(&self) -> &sessions::Sessions {
        &self.sessions
    }

    /// Serves the routes for the outside world only: hooks and people's links.
    pub fn public(&self) -> Router {
        self.serve(routes::outside())
    }

    /// Serves everything on one listener.
    pub fn everything(&self) -> Router {
        self.serve(Self::routes().into_iter().chain(routes::former()).chain(self.pages()).collect())
    }

    /// Serves everything except the routes of `public`, if those have a listener of their own.
    pub fn private(&self) -> Router {
        self.serve(routes::inside().into_iter().chain(routes::former()).chain(self.pages()).collect())
    }

    /// Returns every route, without the former paths.
    pub fn routes() -> Vec<Route> {
        routes::outside().into_iter().chain(routes::inside()).collect()
    }

    fn pages(&self) -> Vec<Route> {
        self.console.iter().flat_map(|console| console.routes()).collect()
    }

    fn serve(&self, routes: Vec<Route>) -> Router {
        routes::guarded(self, routes)
            .fallback(problem::no_such_path)
            .method_not_allowed_fallback(problem::wrong_method)
            // The guards have read the body, up to the limit of its route.
            .layer(DefaultBodyLimit::disable())
            .layer(map_response_with_state(self.clone(), watch::dated))
            .with_state(self.clone())
    }
}
