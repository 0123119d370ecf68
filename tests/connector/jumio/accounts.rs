//! Starts for accounts with data on file: each method with each state of an account.

use proofd::model::{Action, FailureKind, Method};
use serde_json::{Value, json};

use super::peer::{ACCOUNT, Peer, Reply, call, failure, ordered, reply, session, started, token};
use crate::perform::perform_at;

const METHODS: [Method; 3] = [Method::Full, Method::Authentication, Method::ExistingId];

fn order(way: Method, on: Option<&str>) -> Action {
    ordered(|order| {
        order.method = way;
        order.account = on.map(str::to_owned);
    })
}

async fn answering(status: u16, body: String) -> Peer {
    Peer::start(move |seen, before| match seen.line.contains("/oauth2/token") {
        true => token(before),
        false => Reply { status, body: body.clone(), headers: Vec::new() },
    })
    .await
}

/// The account determines the request; the method does not change it.
#[tokio::test]
async fn each_method_sends_one_request_for_an_account() {
    for method in METHODS {
        let peer = answering(200, started().to_string()).await;
        let (jumio, _clock) = peer.connector();
        assert_eq!(session(perform_at(&jumio, &call(order(method, Some(ACCOUNT)))).await).account, ACCOUNT);
        assert_eq!(peer.last().line, format!("PUT /account/api/v1/accounts/{ACCOUNT}"));
        let sent = peer.last().json();
        assert_eq!(sent["workflowDefinition"], json!({"key": 10011}), "{method:?}");
        assert_eq!(sent["tokenLifetime"], "2d", "{method:?}");
    }
}

#[tokio::test]
async fn a_comparison_without_an_account_is_not_enrolled() {
    let peer = Peer::start(|_, before| token(before)).await;
    let (jumio, _clock) = peer.connector();
    for method in [Method::Authentication, Method::ExistingId] {
        let failure = failure(perform_at(&jumio, &call(order(method, None))).await);
        assert_eq!(failure.kind, FailureKind::NotEnrolled, "{method:?}");
    }
    assert_eq!(peer.lines(), Vec::<String>::new(), "an empty account would stay behind");
}

#[tokio::test]
async fn a_refused_start_reports_the_state_of_the_account() {
    use FailureKind::{NotEnrolled, Refused, Unavailable};
    let account = |text: &str| json!({"message": text, "httpStatus": 0, "requestURI": "/api/v1/accounts/x"});
    let other = |text: &str| json!({"title": text, "status": 0, "detail": text});
    // (status, body) to the failure kind for full, authentication, existing ID
    let rows: Vec<(u16, Value, [FailureKind; 3])> = vec![
        (404, account("Account not found"), [NotEnrolled; 3]),
        (404, other("Not Found"), [NotEnrolled; 3]),
        (404, Value::Null, [NotEnrolled; 3]),
        (404, json!({}), [NotEnrolled; 3]),
        (404, json!("<html>no such page</html>"), [Unavailable; 3]),
        (410, account("Gone"), [NotEnrolled; 3]),
        (400, account("Account was deleted"), [NotEnrolled; 3]),
        (422, other("The account does not exist"), [NotEnrolled; 3]),
        (400, json!({"error": "ACCOUNT_NOT_FOUND"}), [NotEnrolled; 3]),
        (412, account("Precondition failed"), [Refused, NotEnrolled, NotEnrolled]),
        (400, account("No enrolled face data found"), [Refused, NotEnrolled, NotEnrolled]),
        (400, account("No usable ID credential found"), [Refused, NotEnrolled, NotEnrolled]),
        (409, account("User isn't enrolled"), [Unavailable, NotEnrolled, NotEnrolled]),
        (422, other("FACEMAP has been wiped"), [Refused, NotEnrolled, NotEnrolled]),
        (400, account("Data is past the retention period"), [Refused, NotEnrolled, NotEnrolled]),
        (400, account("Liveness never passed"), [Refused, NotEnrolled, NotEnrolled]),
        (400, account("Missing consent for credential"), [Refused, NotEnrolled, NotEnrolled]),
        (400, json!({"code": "CREDENTIAL_NOT_FOUND"}), [Refused, NotEnrolled, NotEnrolled]),
        (
            400,
            json!({"errorCode": 7, "detail": "biometrics were removed"}),
            [Refused, NotEnrolled, NotEnrolled],
        ),
        // A fault of the request or the tenant: the fallback would hide it.
        (400, account("workflowDefinition.key is unknown"), [Refused; 3]),
        (400, account("workflowDefinition.credentials must not be empty"), [Refused; 3]),
        (400, account("tokenLifetime is invalid for the account, not a number"), [Refused; 3]),
        (400, account("callbackUrl not allowed for this account"), [Refused; 3]),
        (400, account("Authentication is not enabled for this account"), [Refused; 3]),
        (400, account("Existing credential not supported on channel WEB"), [Refused; 3]),
        (400, account("Bad Request"), [Refused; 3]),
        (400, Value::Null, [Refused; 3]),
        (409, account("Conflict"), [Unavailable; 3]),
        (422, json!({"title": ["No facemap"]}), [Refused; 3]),
        (400, json!("<html>no account</html>"), [Refused; 3]),
        // Not about the person, whatever the wording.
        (401, account("Account not found"), [Unavailable; 3]),
        (403, account("No credential for the account"), [Unavailable; 3]),
        (429, other("No more requests for this account"), [Unavailable; 3]),
        (500, account("Account not found"), [Unavailable; 3]),
        (503, account("No facemap is enrolled"), [Unavailable; 3]),
        (302, account("Account not found"), [Unavailable; 3]),
    ];
    for (status, body, kinds) in rows {
        let text = match &body {
            Value::Null => String::new(),
            Value::String(page) => page.clone(),
            body => body.to_string(),
        };
        let peer = answering(status, text).await;
        for (method, kind) in METHODS.into_iter().zip(kinds) {
            let (jumio, _clock) = peer.connector();
            let failure = failure(perform_at(&jumio, &call(order(method, Some(ACCOUNT)))).await);
            assert_eq!(failure.kind, kind, "{method:?} {status} {body}: {}", failure.reason);
        }
    }
}

/// A start on a new account uses no data on file, so none can be missing.
#[tokio::test]
async fn a_new_account_never_reports_missing_data() {
    for (status, text) in [(404, "Account not found"), (400, "No enrolled face data"), (410, "Gone")] {
        let peer = answering(status, reply(status, &json!({"message": text})).body).await;
        let (jumio, _clock) = peer.connector();
        let failure = failure(perform_at(&jumio, &call(order(Method::Full, None))).await);
        assert_eq!(failure.kind, FailureKind::Refused, "{status} {text}");
    }
}
