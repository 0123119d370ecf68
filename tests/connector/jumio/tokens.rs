//! Tokens: cached, refreshed before they expire, dropped when they are refused.

use base64::Engine as _;
use chrono::TimeDelta;
use proofd::model::FailureKind;
use serde_json::json;

use super::peer::{Peer, RUN, call, failure, read, reading, reply, start, start_of_test, token};
use crate::perform::perform_at;

/// A token is used for many calls, refreshed early, and dropped when it is refused; never in a loop.
#[tokio::test]
async fn tokens_are_reused_refreshed_and_dropped() {
    let status = json!({"workflowExecution": {"id": RUN, "status": "INITIATED"}});
    let peer = Peer::start(move |seen, before| match seen.header("authorization") {
        basic if basic.starts_with("Basic") => token(before),
        // The token of the fifth request is revoked at once.
        "Bearer token-4" => reply(401, &json!({})),
        _ => reply(200, &status),
    })
    .await;
    let (jumio, clock) = peer.connector();
    let tokens = || peer.lines().iter().filter(|line| line.contains("token")).count();
    for _ in 0..3 {
        reading(perform_at(&jumio, &call(read())).await);
    }
    assert_eq!(tokens(), 1);
    clock.advance(TimeDelta::minutes(56));
    reading(perform_at(&jumio, &call(read())).await);
    assert_eq!(tokens(), 3, "one refreshed early, one because the refreshed one was not accepted");
    assert_eq!(peer.last().header("authorization"), "Bearer token-6");
}

#[tokio::test]
async fn a_token_that_is_always_refused_needs_the_operator() {
    let peer = Peer::start(|seen, _| {
        // Every token request returns the same token, as Jumio does.
        if seen.line.contains("token") { token(0) } else { reply(401, &json!({})) }
    })
    .await;
    let (jumio, _clock) = peer.connector();
    let failure = failure(perform_at(&jumio, &call(start())).await);
    assert_eq!(failure.kind, FailureKind::Unavailable);
    assert!(failure.reason.contains("401"), "{}", failure.reason);
    assert_eq!(peer.lines().len(), 4, "two tokens, two tries, no loop: {:?}", peer.lines());
}

#[tokio::test]
async fn a_failed_token_request_is_reported() {
    let invalid = json!({"error": "invalid_client", "error_description": "Bad client CLIENTSECRET"});
    for (status, body, sentence) in [
        (401, invalid.clone(), "OAuth client"),
        (400, invalid, "OAuth client"),
        (503, json!({}), "503"),
        (429, json!({}), "429"),
        (200, json!({"token": "x"}), "token answer"),
        (200, json!("no object"), "token answer"),
    ] {
        let peer = Peer::start(move |_, _| reply(status, &body)).await;
        let (jumio, _clock) = peer.connector();
        let failure = failure(perform_at(&jumio, &call(read())).await);
        assert_eq!(failure.kind, FailureKind::Unavailable, "{status}");
        assert!(failure.reason.contains(sentence), "{status}: {}", failure.reason);
    }
}

/// The token's own expiry takes precedence over the answer's, because Jumio returns partly used tokens.
#[tokio::test]
async fn a_partly_used_token_is_refreshed_by_its_own_expiry() {
    let status = json!({"workflowExecution": {"id": RUN, "status": "INITIATED"}});
    let end = (start_of_test() + TimeDelta::minutes(5)).timestamp();
    let claims = base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(json!({"exp": end}).to_string());
    let granted = json!({"access_token": format!("e30.{claims}.x"), "expires_in": 3600});
    let peer =
        Peer::start(move |seen, _| reply(200, if seen.line.contains("/token") { &granted } else { &status }))
            .await;
    let (jumio, clock) = peer.connector();
    for (minutes, requests) in [(0, 2), (3, 3), (2, 5)] {
        clock.advance(TimeDelta::minutes(minutes));
        reading(perform_at(&jumio, &call(read())).await);
        assert_eq!(peer.lines().len(), requests, "{:?}", peer.lines());
    }
}
