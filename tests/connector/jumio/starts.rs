//! Starting runs: the requests, and which answers are a session.

use super::peer::ordered;
use base64::Engine as _;
use chrono::TimeDelta;
use proofd::model::{Action, FailureKind};
use serde_json::json;

use super::peer::{
    ACCOUNT, Peer, RUN, call, failure, reply, restart, session, start, start_of_test, started, token,
};
use crate::perform::perform_at;

#[tokio::test]
async fn a_first_run_creates_an_account() {
    let peer = Peer::start(|seen, before| match seen.line.as_str() {
        "POST /auth/oauth2/token" => token(before),
        "POST /account/api/v1/accounts" => reply(200, &started()),
        _ => reply(500, &json!({})),
    })
    .await;
    let (jumio, _clock) = peer.connector();
    let session = session(perform_at(&jumio, &call(start())).await);
    assert_eq!(session.account, ACCOUNT);
    assert_eq!(session.execution, RUN);
    assert_eq!(session.link, started()["web"]["href"].as_str().unwrap());
    assert_eq!(session.reference, "case-1.2.1");
    assert_eq!(session.expires_at, start_of_test() + TimeDelta::days(2));

    let asked_for_token = peer.seen.lock().unwrap()[0].clone();
    let basic = base64::engine::general_purpose::STANDARD.encode("client:CLIENTSECRET");
    assert_eq!(asked_for_token.header("authorization"), format!("Basic {basic}"));
    assert_eq!(asked_for_token.header("content-type"), "application/x-www-form-urlencoded");
    assert_eq!(asked_for_token.body, b"grant_type=client_credentials");
    assert_eq!(asked_for_token.header("user-agent"), "Example proofd/v1");

    let sent = peer.last();
    assert_eq!(sent.header("authorization"), "Bearer token-0");
    assert_eq!(sent.header("user-agent"), "Example proofd/v1");
    assert_eq!(sent.header("accept"), "application/json");
    assert_eq!(sent.header("content-type"), "application/json");
    assert_eq!(
        sent.json(),
        json!({
            "customerInternalReference": "case-1.2.1",
            "userReference": "person-1",
            "workflowDefinition": {"key": 10011},
            "tokenLifetime": "2d",
            "callbackUrl": "https://idv.example.com/hooks/jumio/CALLBACKSECRET",
            "web": {
                "successUrl": "https://idv.example.com/done",
                "errorUrl": "https://idv.example.com/done",
                "locale": "de"
            }
        })
    );
}

#[tokio::test]
async fn a_later_run_uses_the_same_account() {
    let peer = Peer::start(|seen, before| match seen.line.as_str() {
        "POST /auth/oauth2/token" => token(before),
        line if line == format!("PUT /account/api/v1/accounts/{ACCOUNT}") => reply(201, &started()),
        _ => reply(500, &json!({})),
    })
    .await;
    let (jumio, _clock) = peer.connector();
    let session = session(perform_at(&jumio, &call(restart())).await);
    assert_eq!(session.account, ACCOUNT);
    assert_eq!(
        peer.last().json(),
        json!({
            "customerInternalReference": "case-1.2.1",
            "userReference": "person-1",
            "workflowDefinition": {"key": "authentication-at-acme"},
            "tokenLifetime": "2d"
        })
    );
}

/// Answers to a start that are no session.
#[tokio::test]
async fn an_answer_without_a_session_is_a_failure() {
    let no_link =
        json!({"account": {"id": ACCOUNT}, "workflowExecution": {"id": RUN}, "sdk": {"token": "SAMPLE"}});
    let mut script_link = started();
    script_link["web"]["href"] = "javascript:alert(1)".into();
    let mut elsewhere = started();
    elsewhere["web"]["href"] =
        "https://acme.web.amer-1.jumio.ai.evil.example/?authorizationToken=SAMPLE".into();
    let mut unprotected = started();
    unprotected["web"]["href"] = "http://acme.web.amer-1.jumio.ai/?authorizationToken=SAMPLE".into();
    let mut other_account = started();
    other_account["account"]["id"] = "11111111-1111-4111-8111-999999999999".into();
    let mut path_in_id = started();
    path_in_id["workflowExecution"]["id"] = "../status".into();
    let echo = json!({"message": "bad callbackUrl https://idv.example.com/hooks/jumio/CALLBACKSECRET here",
        "httpStatus": 400, "requestURI": "/api/v1/accounts"});
    let limit = json!({"title": "Too Many Requests", "status": 429, "detail": "Request limit exceeded"});
    use FailureKind::{NotEnrolled, Refused, Unavailable};
    for (action, status, body, kind, sentence) in [
        (start(), 200, no_link, Refused, "WEB channel"),
        (start(), 200, script_link, Unavailable, "not a web address"),
        (
            start(),
            200,
            elsewhere,
            Unavailable,
            "sends the person to acme.web.amer-1.jumio.ai.evil.example, which",
        ),
        (start(), 200, unprotected, Unavailable, "not an https address"),
        (start(), 200, path_in_id, Unavailable, "ids"),
        (restart(), 200, other_account, Unavailable, "another account"),
        (start(), 200, json!({"account": 7}), Unavailable, "'account'"),
        (start(), 400, echo, Refused, "bad callbackUrl […] here"),
        (
            start(),
            400,
            json!({"title": "query c4llbackTokenOfOurs1 in callbackUrl"}),
            Refused,
            "query […] in",
        ),
        (start(), 400, json!({"message": "", "detail": "second", "title": "third"}), Refused, ": second"),
        (start(), 400, json!({"message": {"no": "text"}}), Refused, "400"),
        (start(), 429, limit, Unavailable, "Request limit exceeded"),
        (start(), 500, json!(null), Unavailable, "500"),
        (start(), 302, json!(null), Unavailable, "302"),
        (start(), 403, json!({"message": "Forbidden"}), Unavailable, "permission"),
        (restart(), 404, json!({"message": "Not found"}), NotEnrolled, "404"),
        (restart(), 400, json!({"message": "No facemap is enrolled"}), NotEnrolled, "No facemap is enrolled"),
        (restart(), 422, json!({"title": "Unprocessable"}), Refused, "Unprocessable"),
    ] {
        let about = format!("{status} {body}");
        let peer =
            Peer::start(
                move |seen, before| {
                    if seen.line.contains("token") { token(before) } else { reply(status, &body) }
                },
            )
            .await;
        let (jumio, _clock) = peer.connector();
        let failure = failure(perform_at(&jumio, &call(action)).await);
        assert_eq!(failure.kind, kind, "{about}: {}", failure.reason);
        assert!(failure.reason.contains(sentence), "{about}: {}", failure.reason);
        assert!(!failure.reason.contains("SAMPLE"), "{about}: a link's token is shown");
    }
}

/// A start that Jumio would refuse without a reason is not sent.
#[tokio::test]
async fn an_invalid_start_is_not_sent() {
    let peer = Peer::start(|_, before| token(before)).await;
    let (jumio, _clock) = peer.connector();
    let long = "x".repeat(101);
    let far = format!("https://idv.example.com/{}", "x".repeat(255));
    let references = ["", &long, "a/b", "a|b", "a;b", "a%b", "{a}", "a`b", "a<b", "a\"b", "a\nb"];
    let mut orders: Vec<(Action, &str)> = Vec::new();
    for text in references {
        for which in ["reference", "person"] {
            let action = ordered(|order| {
                let field = if which == "reference" { &mut order.reference } else { &mut order.person };
                text.clone_into(field);
            });
            orders.push((action, "reference for Jumio"));
        }
    }
    for which in ["callback", "return", "workflow", "account"] {
        let action = ordered(|order| match which {
            "callback" => order.callback_url = Some(far.clone()),
            "return" => order.return_url = Some(far.clone()),
            "workflow" => order.workflow.clear(),
            _ => order.account = Some("../../x".to_owned()),
        });
        orders.push((action, if matches!(which, "callback" | "return") { "address for Jumio" } else { "" }));
    }
    for (action, sentence) in orders {
        let about = format!("{action:?}");
        let failure = failure(perform_at(&jumio, &call(action)).await);
        assert_eq!(failure.kind, FailureKind::Refused, "{about}");
        assert!(failure.reason.contains(sentence), "{about}: {}", failure.reason);
    }
    assert_eq!(peer.lines(), Vec::<String>::new());
}

#[tokio::test]
async fn retry_after_is_reported() {
    let peer = Peer::start(|seen, before| {
        let mut answer = reply(429, &json!({"title": "Too Many Requests"}));
        answer.headers.push(("retry-after", "17".to_owned()));
        if seen.line.contains("token") { token(before) } else { answer }
    })
    .await;
    let (jumio, _clock) = peer.connector();
    let failure = failure(perform_at(&jumio, &call(start())).await);
    assert_eq!((failure.kind, failure.retry_after_seconds), (FailureKind::Unavailable, Some(17)));
}
