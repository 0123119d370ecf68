//! The pages for a person who plays the applicant: the vendor's web client behind `web.href`.

use axum::Router;
use axum::extract::{Form, Path, Query, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use serde::Deserialize;

use super::Simulator;
use super::execution::{Execution, Holder, Script};
use super::knobs::Redirect;
use super::memory::Account;
use super::plays::{self, Play};
use super::world::Refusal;
use crate::simulate::page::{html, page, table};

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
    #[serde(default)]
    first_name: String,
    #[serde(default)]
    last_name: String,
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
    let sessions = table(
        &["started (UTC)", "reference", "workflow", "status", ""],
        &rows,
        "No sessions yet. A person starts one with the button behind their link.",
    );
    let kept = table(
        &["account", "person", "face on file", "document on file", "kept until (UTC)"],
        &accounts,
        "Nothing yet.",
    );
    let body = format!(
        "<p>A verification vendor. A session ends as the person in front of the camera decides.</p>\
         <h2>Sessions</h2>{sessions}<h2>Remembered</h2>{kept}"
    );
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
        Some((one, done, world.knobs.redirect, account, world.holder(index)))
    });
    let Some((one, done, redirect, account, holder)) = opened else {
        return page(StatusCode::UNAUTHORIZED, "Credentials in invalid state.", "");
    };
    if let Err(refusal) = done {
        return ended(&one, redirect, Some(&refusal));
    }
    page(StatusCode::OK, "Verify your identity (simulated)", &choices(&link.token, &one, account, holder))
}

/// The choices of a person in front of the camera, each with a sentence.
fn choices(token: &str, one: &Execution, account: Option<Account>, holder: Option<Holder>) -> String {
    let document = one.plan.takes_document();
    let asks = if document { "a document and a selfie" } else { "a selfie only" };
    let enrolled = account.and_then(|account| account.face);
    let enrolled = enrolled.map_or_else(|| "no face".to_owned(), |face| format!("the face of {face}"));
    let Holder { first_name, last_name } = holder.unwrap_or_default();
    let field = |name: &str, label: &str, value: &str| {
        format!("<label>{label} <input name=\"{name}\" value=\"{}\"></label>", html(value))
    };
    let row = |play: &Play| {
        let Play { action, button, sentence, .. } = play;
        let first = if *action == plays::PASS { " class=\"first\"" } else { "" };
        format!(
            "<tr><td><button{first} formaction=\"/web/v4/app/{action}\">{button}</button><td>{sentence}</tr>"
        )
    };
    let rows = |plays: &[Play]| plays.iter().filter(|play| play.fits(document)).map(row).collect::<String>();
    let names = if document {
        let names = [
            field("first_name", "First name on the document", &first_name),
            field("last_name", "Last name on the document", &last_name),
        ];
        format!(
            "<p>The document has the registered name. Change it to show another one.</p>{}",
            names.concat()
        )
    } else {
        String::new()
    };
    let labels: String = plays::labels().map(|label| format!("<option value=\"{label}\">")).collect();
    format!(
        "<p>This check takes {asks}. On file: {}. Reference {}.</p>\
         <form method=\"post\" action=\"/web/v4/app/pass\">\
         <input type=\"hidden\" name=\"authorizationToken\" value=\"{}\">{names}<table>{}</table>\
         <h2>Any label of the vendor</h2><p>Several labels are separated by commas.</p>\
         <label>Labels <input name=\"label\" list=\"labels\" size=\"50\"></label>\
         <datalist id=\"labels\">{labels}</datalist>\
         <label>Whose face <input name=\"face\" placeholder=\"empty: the person's own\"></label>\
         <table>{}</table></form>",
        html(&enrolled),
        html(&one.order.customer_internal_reference),
        html(token),
        rows(plays::USUAL),
        rows(plays::LABELED),
    )
}

async fn act(
    State(simulator): State<Simulator>,
    Path(action): Path<String>,
    headers: HeaderMap,
    Form(answers): Form<Answers>,
) -> Response {
    let labels: Vec<String> =
        answers.label.split([',', ' ']).filter(|label| !label.is_empty()).map(str::to_owned).collect();
    let named = |mut script: Script| {
        for (field, name) in [("firstName", &answers.first_name), ("lastName", &answers.last_name)] {
            let name = name.trim();
            if !name.is_empty() {
                script.extraction.entry(field).or_insert_with(|| name.to_uppercase().into());
            }
        }
        script
    };
    let face = answers.face.trim();
    let done = simulator.act(|world, now| {
        let index = world.by_link(&answers.token)?;
        let done = match action.as_str() {
            "capture" => world.capture(index, now),
            "expire" => world.expire(index, now),
            "abandon" => world.touch(index, now),
            // A plain pass leaves the script to the mock dialect of the reference.
            plays::PASS
                if face.is_empty() && answers.first_name.is_empty() && answers.last_name.is_empty() =>
            {
                world.finish(index, None, now)
            }
            plays::PASS if !face.is_empty() => world.finish(index, Some(named(Script::face_of(face))), now),
            other => world.finish(index, Some(named(plays::script(other, labels.clone())?)), now),
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
