//! OpenID providers that verify people.
//!
//! | file | what |
//! |---|---|
//! | `claims` | requests and results in both dialects, without a server |
//! | `refusals` | what does not start a session |
//! | `tokens` | a real provider with every kind of faulty result |

mod claims;
mod refusals;
mod tokens;

use std::sync::Arc;

use proofd::connectors::VerificationProvider as _;
use proofd::connectors::openid_verification::{OpenId, Options, Settings};
use proofd::engine::clock::Scaled;
use proofd::model::{Clock, Failure, Method, ReadSession, Reading, Returned, Secret, Session, StartSession};
use serde_json::{Value, json};

use crate::openid_vendor::{Browser, SECRET, Vendor};

const REDIRECT: &str = "http://127.0.0.1:9/return/eid";

/// The options of a provider, with changes.
fn options(issuer: &str, change: &Value) -> Value {
    let mut options = json!({
        "issuer": issuer,
        "client_id": "proofd",
        "client_secret": SECRET,
        "dialect": "okta",
        "accept": {"trust_framework": ["IDV-DELEGATED"], "assurance_level": ["VERIFIED"]},
    });
    options.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
    options
}

fn connector(issuer: &str, change: &Value) -> OpenId {
    connector_at(issuer, change, Arc::new(Scaled::from_now(1)))
}

fn connector_at(issuer: &str, change: &Value, clock: Arc<dyn Clock>) -> OpenId {
    let options: Options = serde_json::from_value(options(issuer, change)).unwrap();
    let settings = Settings {
        name: "eid".to_owned(),
        redirect: REDIRECT.to_owned(),
        secret: Secret::new(SECRET),
        options,
    };
    OpenId::new(settings, clock).unwrap()
}

fn start(workflow: &str, reference: &str) -> StartSession {
    StartSession {
        workflow: workflow.to_owned(),
        method: Method::Full,
        account: None,
        reference: reference.to_owned(),
        person: "person-1".to_owned(),
        lifetime_seconds: 86_400,
        locale: Some("de-AT".to_owned()),
        callback_url: None,
        return_url: Some("http://127.0.0.1:9/v/token".to_owned()),
        require: ["given_name", "family_name", "birthdate"].map(str::to_owned).into(),
        registered: [("first_name", "Anna"), ("last_name", "Muster"), ("date_of_birth", "1990-01-31")]
            .map(|(field, value)| (field.to_owned(), value.to_owned()))
            .into(),
    }
}

fn read(session: &Session, returned: Option<Returned>) -> ReadSession {
    ReadSession {
        account: session.account.clone(),
        execution: session.execution.clone(),
        reference: session.reference.clone(),
        returns_by: session.returns_by,
        returned,
    }
}

/// Sends a browser through a session. None: it does not come back.
async fn comes_back(connector: &OpenId, session: &Session) -> Option<Returned> {
    let url = Browser::default().goes(&session.link, REDIRECT).await?;
    let (execution, returned) = connector.returned(url.split_once('?').unwrap().1).unwrap();
    assert_eq!(execution, session.execution);
    Some(returned)
}

/// A whole session that the vendor answers in the way of `play`.
async fn goes_through(connector: &OpenId, play: &str) -> Result<Reading, Failure> {
    let session = connector.start(&start(&format!("play_{play}"), &format!("case-1.{play}.1"))).await?;
    let returned = comes_back(connector, &session).await;
    connector.read(&read(&session, returned)).await
}

fn vendor(more: &Value) -> Option<Vendor> {
    Vendor::start(&[REDIRECT], more)
}
