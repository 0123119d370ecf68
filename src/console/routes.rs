//! Every page of the console with what it needs. The roles are those of the API routes that the page uses.

use std::sync::Arc;

use axum::http::Method;
use axum::response::Response;
use axum::routing::{MethodRouter, get, post};

use crate::config::Role;
use crate::engine::operators::Order;
use crate::http::extract::Path;
use crate::http::routes::{ADMIN, ANY, CASES, EXPLAIN};
use crate::http::signed_in::{Asked, Refused};
use crate::http::{AppState, Console, Needs, Route};

use super::form::Form;
use super::visit::Visit;
use super::{
    admin, assets, case, cases, home, limits, live, login, people, queue, refused, settings, templates,
};

/// The console, for `AppState::with_console`.
#[derive(Debug)]
pub struct Pages(());

/// Builds the console. The error is a template that does not compile.
pub fn pages() -> Result<Arc<dyn Console>, String> {
    templates::check()?;
    Ok(Arc::new(Pages(())))
}

fn page(
    path: &'static str,
    roles: &'static [Role],
    handler: MethodRouter<AppState>,
    summary: &'static str,
) -> Route {
    Route::page(Method::GET, path, Needs::Page(roles), handler, summary)
}

fn form(
    path: &'static str,
    roles: &'static [Role],
    handler: MethodRouter<AppState>,
    summary: &'static str,
) -> Route {
    Route::page(Method::POST, path, Needs::Page(roles), handler, summary)
}

/// An order on a case, as the API has it.
fn order(path: &'static str, roles: &'static [Role], order: Order) -> Route {
    let handler = move |visit: Visit, id: Path<String>, fields: Form<case::Ordered>| {
        case::order(order, visit, id, fields)
    };
    form(path, roles, post(handler), "Order on a case")
}

impl Console for Pages {
    fn routes(&self) -> Vec<Route> {
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
            page("/", EXPLAIN, get(home::show), "What needs a person now"),
            page("/queue", &[Role::Desk], get(queue::show), "Reviews, one after another"),
            page("/cases", CASES, get(cases::list), "List cases"),
            page("/cases/{id}", CASES, get(case::show), "One case"),
            page("/cases/{id}/live", CASES, get(live::case), "Tell that a case changed"),
            form("/cases/{id}/decisions", &[Role::Desk], post(case::decide), "Decide a review"),
            order("/cases/{id}/claim", &[Role::Desk], Order::Claim),
            order("/cases/{id}/release", &[Role::Desk], Order::ReleaseClaim),
            order("/cases/{id}/remind", &[Role::Operator], Order::Remind),
            order("/cases/{id}/retry", &[Role::Operator], Order::Retry),
            order("/cases/{id}/undo", &[Role::Operator], Order::Undo),
            order("/cases/{id}/lift", &[Role::Operator], Order::Lift),
            order("/cases/{id}/cancel", &[Role::Operator], Order::Cancel),
            page("/people/{subject}", CASES, get(people::person), "One person"),
            page("/holds", CASES, get(people::holds), "Suspensions and withheld roles"),
            page("/limits", CASES, get(limits::show), "What limits stopped"),
            form("/limits", ADMIN, post(limits::decide), "Release or drop what limits stopped"),
            order("/limits/{id}/release", ADMIN, Order::Release),
            order("/limits/{id}/drop", ADMIN, Order::Drop),
        ];
        routes.extend(admin::routes());
        routes
    }

    fn refuse(&self, doors: &AppState, asked: &Asked, why: Refused) -> Response {
        refused::refuse(doors, asked, why)
    }
}
