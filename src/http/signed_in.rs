//! Pages for people who are signed in. They have the roles of the API, checked by the same `Access`; a cookie stands in
//! for the token. A form must come from a page of ours and repeat the session's secret.

use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, Method, Uri};
use axum::middleware::Next;
use axum::response::Response;

use super::connections::Standing;
use super::guard::{Gate, read};
use super::listen::Bounds;
use super::problem::Said;
use super::routes::Needs;
use super::sessions::{self, Signed};
use super::{AppState, Problem};

/// The field of a form, and the header of a script, that repeat the session's secret.
pub const FORM_KEY: &str = "form_key";
pub const FORM_KEY_HEADER: &str = "x-form-key";

/// What a refused request was.
#[derive(Debug, Clone)]
pub struct Asked {
    pub method: Method,
    pub uri: Uri,
    pub headers: HeaderMap,
    /// The session, if there is one.
    pub signed: Option<Signed>,
}

/// Why a page is not shown. The console answers with a page of its own.
#[derive(Debug)]
pub enum Refused {
    /// Nobody is signed in, or the session has ended. The form is what was typed.
    SignedOut {
        form: Bytes,
    },
    /// The request does not come from a page of ours.
    Foreign,
    Problem(Problem),
}

impl From<Problem> for Refused {
    fn from(problem: Problem) -> Self {
        Self::Problem(problem)
    }
}

pub(super) async fn guard_page(
    State((doors, gate)): State<(AppState, Gate)>,
    request: Request,
    next: Next,
) -> Response {
    let (parts, body) = request.into_parts();
    let mut asked = Asked {
        method: parts.method.clone(),
        uri: parts.uri.clone(),
        headers: parts.headers.clone(),
        signed: doors.signed(&parts.headers),
    };
    match doors.pass_page(gate, parts, body, &asked, next).await {
        Ok(mut response) => match response.extensions_mut().remove::<Said>() {
            // An error of the API is a page here.
            Some(said) => doors.refuse(&asked, Refused::Problem(said.into())),
            None => response,
        },
        Err(refused) => {
            if matches!(refused, Refused::SignedOut { .. } | Refused::Foreign) {
                asked.signed = None;
            }
            doors.refuse(&asked, refused)
        }
    }
}

impl AppState {
    /// Returns the session of a request.
    pub fn signed(&self, headers: &HeaderMap) -> Option<Signed> {
        self.sessions.find(headers, self.is_https(headers))
    }

    /// Whether the browser reaches the console by https.
    pub fn is_https(&self, headers: &HeaderMap) -> bool {
        sessions::is_https(headers, &self.engine.settings().public_url)
    }

    async fn pass_page(
        &self,
        gate: Gate,
        mut parts: Parts,
        body: Body,
        asked: &Asked,
        next: Next,
    ) -> Result<Response, Refused> {
        match (&asked.signed, gate.needs) {
            (Some(signed), Needs::Page(_)) => self.count_token(signed.grant.name())?,
            _ => self.count_stranger(parts.extensions.get().copied())?,
        }
        let changes = parts.method != Method::GET && parts.method != Method::HEAD;
        if changes && !self.is_ours(&parts.headers, gate.needs) {
            tracing::warn!(path = parts.uri.path(), "a form from a foreign page was refused");
            return Err(Refused::Foreign);
        }
        let bounds = parts.extensions.get::<Bounds>().copied().unwrap_or_default();
        let form = if changes { read(body, &parts, gate.largest, bounds).await? } else { Bytes::new() };
        if let Needs::Page(roles) = gate.needs {
            let Some(signed) = &asked.signed else { return Err(Refused::SignedOut { form }) };
            if changes && !repeats_key(signed, &parts.headers, &form) {
                tracing::warn!(path = parts.uri.path(), "a form without its session's secret was refused");
                return Err(Refused::Foreign);
            }
            let caller = self.access.permit(&signed.grant, roles)?;
            parts.extensions.insert(caller);
            parts.extensions.insert(signed.clone());
            if let Some(standing) = parts.extensions.get::<Standing>() {
                standing.known();
            }
        }
        Ok(next.run(Request::from_parts(parts, Body::from(form))).await)
    }

    /// A sign-in may come from a program without pages; a form of a session may not.
    fn is_ours(&self, headers: &HeaderMap, needs: Needs) -> bool {
        let ours = sessions::is_same_origin(headers, &self.engine.settings().public_url);
        ours.unwrap_or(needs == Needs::SignIn)
    }

    fn refuse(&self, asked: &Asked, refused: Refused) -> Response {
        use axum::response::IntoResponse as _;
        match (&self.console, refused) {
            (Some(console), refused) => console.refuse(self, asked, refused),
            (None, Refused::Problem(problem)) => problem.into_response(),
            (None, Refused::SignedOut { .. } | Refused::Foreign) => {
                Problem::new(axum::http::StatusCode::FORBIDDEN, "there is no console").into_response()
            }
        }
    }

    /// An unknown address: a page for a browser, a document for a program.
    pub(super) fn refuse_unknown(&self, asked: Asked, problem: Problem) -> Response {
        use axum::response::IntoResponse as _;
        let accepts = asked.headers.get(axum::http::header::ACCEPT).and_then(|value| value.to_str().ok());
        let browser = accepts.is_some_and(|accepts| accepts.contains("text/html"));
        if browser && self.console.is_some() {
            return self.refuse(&asked, Refused::Problem(problem));
        }
        problem.into_response()
    }
}

fn repeats_key(signed: &Signed, headers: &HeaderMap, form: &[u8]) -> bool {
    let header = headers.get(FORM_KEY_HEADER).and_then(|value| value.to_str().ok());
    let field =
        || url::form_urlencoded::parse(form).find(|(name, _)| name == FORM_KEY).map(|(_, value)| value);
    match header {
        Some(key) => signed.is_form_key(key),
        None => field().is_some_and(|key| signed.is_form_key(&key)),
    }
}
