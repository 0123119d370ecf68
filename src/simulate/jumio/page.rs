//! The pages for a person who plays the applicant: the vendor's web client behind `web.href`.

use axum::Router;
use axum::extract::{Form, Path, Query, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use serde::Deserialize;

use super::Simulator;
use super::execution::{Execution, Outcome, Script};
use super::knobs::Redirect;
use super::memory::Account;
use super::world::Refusal;
use crate::simulate::page::{html, page};

pub(super) fn routes() -> Router<Simulator> {
    Router::new()
        .route("/", get(overview))
        .route("/web/v4/app", get(open))
        .route("/web/v4/app/{action}", post(act))
}

#[derive(Debug, Deserialize)]
struct Link {
    #[serde(rename = "authorizationToken")]
    token: String,
}

#[derive(Debug, Deserialize)]
struct Answers {
    #[serde(rename = "authorizationToken")]
    token: String,
    #[serde(default)]
    label: String,
    #[serde(default)]
    face: String,
}

async fn overview(State(simulator): State<Simulator>) -> Response {
    let rows: String = simulator
        .executions()
        .iter()
        .rev()
        .map(|one| {
            let link = one.href.as_ref().filter(|_| !one.status.is_final());
            let link = link.map_or_else(String::new, |href| format!("<a href=\"{}\">play</a>", html(href)));
            let reference = html(&one.order.customer_internal_reference);
            format!(
                "<tr><td>{}<td>{reference}<td>{}<td>{}<td>{link}",
                one.created_at.format("%F %T"),
                one.order.key,
                one.status.name()
            )
        })
        .collect();
    let accounts: String = simulator.accounts().iter().map(remembered).collect();
    let head = "<tr><th>account<th>person<th>face on file<th>document on file<th>kept until";
    let body = format!("<table>{rows}</table><h2>Remembered</h2><table>{head}{accounts}</table>");
    page(StatusCode::OK, "Simulated Jumio", &body)
}

/// A table row with an account's data on file.
fn remembered(account: &Account) -> String {
    let or_none = |text: &Option<String>| text.as_ref().map_or_else(|| "none".to_owned(), |text| html(text));
    let until = match (account.wiped, account.kept_until) {
        (true, _) => "wiped".to_owned(),
        (false, Some(at)) => at.format("%F %T").to_string(),
        (false, None) => String::new(),
    };
    format!(
        "<tr><td>{}<td>{}<td>{}<td>{}<td>{until}",
        html(&account.account),
        html(&account.holder),
        or_none(&account.face),
        or_none(&account.document)
    )
}

async fn open(State(simulator): State<Simulator>, Query(link): Query<Link>) -> Response {
    let opened = simulator.act(|world, now| {
        let index = world.by_link(&link.token)?;
        let done = world.touch(index, now);
        let one = world.executions[index].clone();
        let account = world.account(&one.account);
        Some((one, done, world.knobs.redirect, account))
    });
    let Some((one, done, redirect, account)) = opened else {
        return page(StatusCode::UNAUTHORIZED, "Credentials in invalid state.", "");
    };
    if let Err(refusal) = done {
        return ended(&one, redirect, Some(&refusal));
    }
    let token = html(&link.token);
    let button = |action: &str, text: &str, field: &str| {
        format!(
            "<form method=post action=\"/web/v4/app/{action}\"><input type=hidden name=authorizationToken \
             value=\"{token}\">{field}<button>{text}</button></form>"
        )
    };
    let label = "<input name=label placeholder=LABEL>";
    let named = "<input name=face placeholder=\"whose face (optional)\">";
    let document = one.plan.takes_document();
    let asks = if document { "a document and a selfie" } else { "a selfie only" };
    let enrolled = account.and_then(|account| account.face);
    let enrolled = enrolled.map_or_else(|| "no face".to_owned(), |face| format!("the face of {face}"));
    let body = [
        format!("<p>Reference {}</p>", html(&one.order.customer_internal_reference)),
        format!("<p>This check takes {asks}. On file: {}.</p>", html(&enrolled)),
        button("capture", "Take one picture", ""),
        button("pass", if document { "Pass" } else { "Show my own face" }, named),
        button("mismatch", "Show another face", ""),
        button("poor", "Show a face that cannot be seen well", label),
        button("warn", "Warn with label", label),
        button("reject", "Reject with label", label),
        button("abandon", "Close the tab (expires in 15 minutes)", ""),
        button("expire", "Let it expire now", ""),
    ]
    .concat();
    page(StatusCode::OK, "Verify your identity (simulated)", &body)
}

async fn act(
    State(simulator): State<Simulator>,
    Path(action): Path<String>,
    headers: HeaderMap,
    Form(answers): Form<Answers>,
) -> Response {
    let labels = answers.label.split([',', ' ']).filter(|label| !label.is_empty());
    let script =
        |outcome| Script { outcome, labels: labels.map(str::to_owned).collect(), ..Script::default() };
    let face = answers.face.trim();
    let done = simulator.act(|world, now| {
        let index = world.by_link(&answers.token)?;
        let done = match action.as_str() {
            "capture" => world.capture(index, now),
            "pass" if face.is_empty() => world.finish(index, None, now),
            "pass" => world.finish(index, Some(Script::face_of(face)), now),
            "poor" => world.finish(index, Some(script(Outcome::PoorImage)), now),
            "warn" => world.finish(index, Some(script(Outcome::Warn)), now),
            "reject" => world.finish(index, Some(script(Outcome::Reject)), now),
            "mismatch" => world.finish(index, Some(script(Outcome::FaceMismatch)), now),
            "expire" => world.expire(index, now),
            "abandon" => world.touch(index, now),
            _ => return None,
        };
        Some((world.executions[index].clone(), done, world.knobs.redirect))
    });
    let Some((one, done, redirect)) = done else {
        return page(StatusCode::UNAUTHORIZED, "Credentials in invalid state.", "");
    };
    match (done, action.as_str()) {
        (Err(refusal), _) => ended(&one, redirect, Some(&refusal)),
        (Ok(()), "abandon") => page(StatusCode::OK, "You left", "<p>You may close this page.</p>"),
        (Ok(()), "capture") => {
            let back = headers.get(header::REFERER).and_then(|value| value.to_str().ok());
            let back = one.href.as_deref().or(back).unwrap_or("/");
            (StatusCode::SEE_OTHER, [(header::LOCATION, back)]).into_response()
        }
        (Ok(()), "expire") => ended(&one, redirect, Some(&(412, "Acquisition expired.".into()))),
        (Ok(()), _) => ended(&one, redirect, None),
    }
}

/// Redirects the browser to the start's address, or shows a final page.
fn ended(one: &Execution, redirect: Redirect, refusal: Option<&Refusal>) -> Response {
    let target = if refusal.is_some() { &one.order.error_url } else { &one.order.success_url };
    let status = if refusal.is_some() { "ERROR" } else { "SUCCESS" };
    let Some(mut url) = target.as_ref().and_then(|target| url::Url::parse(target).ok()) else {
        return match refusal {
            Some((code, message)) => {
                let code = StatusCode::from_u16(*code).unwrap_or(StatusCode::GONE);
                page(code, "This link cannot be used", &format!("<p>{}</p>", html(message)))
            }
            None => page(StatusCode::OK, "Thank you", "<p>You may close this page.</p>"),
        };
    };
    url.query_pairs_mut()
        .append_pair("accountId", &one.account)
        .append_pair("workflowExecutionId", &one.execution)
        .append_pair("acquisitionStatus", status)
        .append_pair("customerInternalReference", &one.order.customer_internal_reference);
    match redirect {
        Redirect::Documented if refusal.is_some() => {
            url.query_pairs_mut().append_pair("errorCode", "9210");
        }
        Redirect::Documented => {}
        Redirect::Observed => {
            url.query_pairs_mut()
                .append_pair("transactionReference", &one.execution)
                .append_pair("transactionStatus", status);
            if refusal.is_some() {
                url.query_pairs_mut().append_pair("publicErrorCode", "J000412");
            }
        }
    }
    (StatusCode::SEE_OTHER, [(header::LOCATION, url.as_str())]).into_response()
}
