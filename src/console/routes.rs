//! Every page of the console with what it needs. The roles are those of the API routes that the page uses.

use std::sync::Arc;

use axum::http::Method;
use axum::response::Response;
use axum::routing::{get, post};

use crate::http::routes::{ANY, CASES};
use crate::http::signed_in::{Asked, Refused};
use crate::http::{AppState, Console, Needs, Route};

use super::{admin, assets, cases, login, refused, settings, templates};

/// The console, for `AppState::with_console`.
#[derive(Debug)]
pub struct Pages(());

/// Builds the console. The error is a template that does not compile.
pub fn pages() -> Result<Arc<dyn Console>, String> {
    templates::check()?;
    Ok(Arc::new(Pages(())))
}

impl Console for Pages {
    fn routes(&self) -> Vec<Route> {
        let page = |path, roles, handler, summary| {
            Route::page(Method::GET, path, Needs::Page(roles), handler, summary)
        };
        let form = |path, roles, handler, summary| {
            Route::page(Method::POST, path, Needs::Page(roles), handler, summary)
        };
        let open =
            |method, path, handler, summary| Route::page(method, path, Needs::SignIn, handler, summary);
        let mut routes = vec![
            Route::page(
                Method::GET,
                "/assets/{name}",
                Needs::Nothing,
                get(assets::show),
                "Style and scripts",
            ),
            open(Method::GET, "/login", get(login::show), "Sign in"),
            open(Method::POST, "/login", post(login::enter), "Sign in with a token"),
            open(Method::GET, "/login/{secret}", get(login::redeem), "Sign in with a one-time link"),
            form("/logout", ANY, post(login::leave), "Sign out"),
            form("/theme", ANY, post(settings::theme), "Choose the theme"),
            page("/cases", CASES, get(cases::list), "List cases"),
        ];
        routes.extend(admin::routes());
        routes
    }

    fn refuse(&self, doors: &AppState, asked: &Asked, why: Refused) -> Response {
        refused::refuse(doors, asked, why)
    }
}
