//! The first page of a tour: the addresses of the running parts, and buttons for the simulated clock.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use tokio::sync::mpsc::UnboundedSender;

use super::page::{html, page};
use super::serving::Serving;

/// An address with its purpose.
#[derive(Debug, Clone)]
pub struct Row {
    pub name: &'static str,
    pub url: String,
    pub about: &'static str,
}

/// A button of the page.
#[derive(Debug, Clone, Copy)]
pub struct Key {
    pub key: char,
    pub label: &'static str,
}

/// What the page shows at each request.
#[derive(Debug, Clone)]
pub struct Shown {
    pub rows: Vec<Row>,
    /// The simulated time and its speed, as a sentence.
    pub clock: String,
}

#[derive(Clone)]
struct Front {
    show: Arc<dyn Fn() -> Shown + Send + Sync>,
    keys: &'static [Key],
    pressed: UnboundedSender<char>,
}

/// Serves the page; port 0 picks a free port. A pressed button is sent as its key.
pub async fn serve(
    address: SocketAddr,
    show: impl Fn() -> Shown + Send + Sync + 'static,
    keys: &'static [Key],
    pressed: UnboundedSender<char>,
) -> io::Result<Serving> {
    let front = Front { show: Arc::new(show), keys, pressed };
    let router = Router::new().route("/", get(overview)).route("/keys/{key}", post(press)).with_state(front);
    Serving::start("start page", address, router).await
}

/// The host that a browser asked for, if it is this machine. Another name may be a foreign page that was pointed here to
/// read the sign-in link.
fn host(headers: &HeaderMap) -> Option<&str> {
    let host = headers.get(header::HOST)?.to_str().ok()?;
    let name = host.rsplit_once(':').map_or(host, |(name, _)| name);
    ["127.0.0.1", "localhost"].contains(&name).then_some(host)
}

fn refused() -> Response {
    page(
        StatusCode::FORBIDDEN,
        "Not possible",
        "<p>Use the address that proofd dev prints, and its buttons.</p>",
    )
}

async fn overview(State(front): State<Front>, headers: HeaderMap) -> Response {
    if host(&headers).is_none() {
        return refused();
    }
    let Shown { rows, clock } = (front.show)();
    let rows: String = rows
        .iter()
        .map(|Row { name, url, about }| {
            format!("<tr><td><a href=\"{0}\">{name}</a><td>{about}<td>{0}</tr>", html(url))
        })
        .collect();
    let buttons: String = front
        .keys
        .iter()
        .map(|Key { key, label }| {
            format!("<form method=\"post\" action=\"/keys/{key}\"><button>{label}</button></form> ")
        })
        .collect();
    let body = format!(
        "<p>Everything runs on this machine. No real provider is called.</p><table>{rows}</table>\
         <h2>Clock</h2><p>{}</p>{buttons}",
        html(&clock)
    );
    page(StatusCode::OK, "Try your policies", &body)
}

/// Another site's page must not press a button: a browser names the origin of a form.
async fn press(State(front): State<Front>, Path(key): Path<char>, headers: HeaderMap) -> Response {
    let origin = headers.get(header::ORIGIN).map(|origin| origin.to_str().unwrap_or_default());
    let own = host(&headers).filter(|host| origin.is_none_or(|origin| origin == format!("http://{host}")));
    if own.is_none() || !front.keys.iter().any(|one| one.key == key) {
        return refused();
    }
    // Without a receiver the program ends, and so does this page.
    let _ = front.pressed.send(key);
    (StatusCode::SEE_OTHER, [(header::LOCATION, "/")]).into_response()
}
