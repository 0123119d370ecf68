//! Tokens, limits and faults: the checks before a request reaches its resource.

use chrono::TimeDelta;
use proofd::simulate::fault::{Fault, Mishap};
use proofd::simulate::onelogin::{Scope, TokenBurst};
use serde_json::json;

use super::tenant::{Tenant, got};

#[tokio::test]
async fn a_token_can_be_requested_in_four_forms_and_is_reused_until_expiry() {
    let mut tenant = Tenant::start().await;
    let url = format!("{}/auth/oauth2/v2/token", tenant.serving.url);
    let grant = json!({"grant_type": "client_credentials"});
    let odd = "client_id:sim-client, client_secret:sim-secret";
    let form = "grant_type=client_credentials&client_id=sim-client&client_secret=sim-secret";
    let client = &tenant.client;
    for (name, request) in [
        ("basic", client.post(&url).basic_auth("sim-client", Some("sim-secret")).json(&grant)),
        ("header", client.post(&url).header("authorization", odd).json(&grant)),
        ("form", client.post(&url).header("content-type", "application/x-www-form-urlencoded").body(form)),
        ("query", client.post(format!("{url}?grant_type=client_credentials")).header("authorization", odd)),
    ] {
        let got = got(request).await.unwrap();
        assert_eq!(
            (got.code, got.body["access_token"].as_str()),
            (200, Some(tenant.token.as_str())),
            "{name}"
        );
    }
    let wrong = got(client.post(&url).basic_auth("sim-client", Some("no")).json(&grant)).await.unwrap();
    let envelope =
        json!({"error": true, "code": 401, "type": "Unauthorized", "message": "Authentication Failure"});
    assert_eq!((wrong.code, wrong.body), (401, json!({"status": envelope})));

    for scheme in ["Bearer ", "bearer:", "BEARER "] {
        let users = format!("{}/api/2/users", tenant.serving.url);
        let request = client.get(users).header("authorization", format!("{scheme}{}", tenant.token));
        assert_eq!(got(request).await.unwrap().code, 200, "{scheme}");
    }
    tenant.clock.advance(TimeDelta::hours(10));
    let got = tenant.get("/api/2/users").await;
    assert_eq!(
        (got.code, got.body),
        (401, json!({"message": "Unauthorized", "name": "UnauthorizedError", "statusCode": 401}))
    );
    let old = std::mem::take(&mut tenant.token);
    tenant.login().await;
    assert_ne!(tenant.token, old);
    tenant.simulator.expire_token();
    assert_eq!(tenant.get("/api/1/events").await.code, 401);
}

#[tokio::test]
async fn the_hourly_limit_applies_to_v1_and_the_edge_limits_tokens() {
    let tenant = Tenant::start().await;
    tenant.turn(|knobs| {
        knobs.hourly_limit = 2;
        knobs.token_burst = Some(TokenBurst { requests: 2, seconds: 4 });
    });
    let first = tenant.get("/api/1/events").await;
    assert_eq!(first.headers["x-ratelimit-remaining"], "1");
    tenant.get("/api/1/events").await;
    let limit = tenant.get("/auth/rate_limit").await;
    let left = json!({"X-RateLimit-Limit": 2, "X-RateLimit-Remaining": 0, "X-RateLimit-Reset": 3600});
    assert_eq!(limit.body["data"], left);
    let over = tenant.get("/api/1/events").await;
    assert_eq!((over.code, &over.headers["x-ratelimit-reset"]), (429, &"3600".parse().unwrap()));
    let users = tenant.get("/api/2/users").await;
    assert!(users.code == 200 && !users.headers.contains_key("x-ratelimit-limit"));
    tenant.clock.advance(TimeDelta::hours(1));
    assert_eq!(tenant.get("/api/1/events").await.code, 200);

    let ask = || {
        let request = tenant.client.post(format!("{}/auth/oauth2/v2/token", tenant.serving.url));
        got(request
            .basic_auth("sim-client", Some("sim-secret"))
            .json(&json!({"grant_type": "client_credentials"})))
    };
    assert_eq!((ask().await.unwrap().code, ask().await.unwrap().code), (200, 200));
    let edge = ask().await.unwrap();
    assert_eq!(edge.code, 429);
    assert!(edge.headers["content-type"].to_str().unwrap().starts_with("text/html"));
    assert!(!edge.headers.contains_key("retry-after") && !edge.headers.contains_key("x-ratelimit-reset"));
    tenant.clock.advance(TimeDelta::seconds(5));
    assert_eq!(ask().await.unwrap().code, 200);
}

#[tokio::test]
async fn faults_apply_to_their_path_and_count() {
    let tenant = Tenant::start().await;
    let user = tenant.simulator.seed_users(1)[0];
    let path = format!("/api/2/users/{user}");
    let fault = |what| Fault { path: "/api/2/users".into(), count: Some(1), ..Fault::of(what) };
    for (what, code) in [
        (Mishap::Status(503), 503),
        (Mishap::Status(500), 500),
        (Mishap::Status(401), 401),
        (Mishap::Status(429), 429),
        (Mishap::Html, 200),
        (Mishap::Huge, 200),
        (Mishap::Truncated, 200),
        (Mishap::WrongTypes, 200),
        (Mishap::MissingFields, 200),
        (Mishap::ExtraFields, 200),
    ] {
        let good = tenant.get(&path).await.body;
        tenant.turn(|knobs| knobs.faults = vec![fault(what)]);
        assert_eq!(tenant.get("/api/1/events").await.code, 200, "another path is spared");
        let bad = tenant.get(&path).await;
        assert_eq!(bad.code, code, "{what:?}");
        assert_ne!(bad.body, good, "{what:?}");
        assert_eq!(tenant.get(&path).await.body, good, "{what:?} is over");
    }
    tenant.turn(|knobs| knobs.faults = vec![Fault { skip: 1, after_effect: true, ..fault(Mishap::Closed) }]);
    assert!(tenant.try_call("PUT", &path, Some(json!({"title": "A"}))).await.is_ok());
    assert!(tenant.try_call("PUT", &path, Some(json!({"title": "B"}))).await.is_err());
    assert_eq!(tenant.user(user, "title"), "B", "the request took effect, only its answer was lost");
    tenant.turn(|knobs| knobs.faults = vec![fault(Mishap::Closed)]);
    assert!(tenant.try_call("PUT", &path, Some(json!({"title": "C"}))).await.is_err());
    assert_eq!(tenant.user(user, "title"), "B");
    assert_eq!(tenant.applied().last().unwrap(), &("request.lost".to_owned(), false));

    tenant.turn(|knobs| knobs.faults = vec![Fault { delay_ms: 60_000, ..fault(Mishap::Slow) }]);
    let slow = tenant.get(&path);
    let turn = async {
        while !tenant.simulator.knobs().faults.iter().all(|fault| fault.count == Some(0)) {
            tokio::task::yield_now().await;
        }
        tenant.clock.advance(TimeDelta::minutes(1));
    };
    let (slow, ()) = futures::future::join(slow, turn).await;
    assert_eq!(slow.code, 200);
}

#[tokio::test]
async fn credentials_have_a_scope_and_an_owner() {
    let mut tenant = Tenant::start().await;
    let (_, user) = tenant.applicant();
    let set_state = format!("/api/1/users/{user}/set_state");
    let update = format!("/api/2/users/{user}");
    for (scope, reads, updates, sets_state) in [
        (Scope::AuthenticationOnly, 403, 403, 403),
        (Scope::ReadUsers, 200, 403, 403),
        (Scope::ManageUsers, 200, 200, 403),
        (Scope::ManageAll, 200, 200, 200),
    ] {
        tenant.turn(|knobs| knobs.scope = scope);
        assert_eq!(tenant.get(&update).await.code, reads, "{scope:?}");
        assert_eq!(tenant.call("PUT", &update, json!({"title": "x"})).await.code, updates, "{scope:?}");
        assert_eq!(tenant.call("PUT", &set_state, json!({"state": 1})).await.code, sets_state, "{scope:?}");
    }
    tenant.turn(|knobs| knobs.credential_orphaned = true);
    assert_eq!(tenant.get(&update).await.code, 500);
    tenant.turn(|knobs| knobs.credential_orphaned = false);

    let old = tenant.token.clone();
    let revoke = tenant.client.post(format!("{}/auth/oauth2/revoke", tenant.serving.url));
    let revoke = revoke.basic_auth("sim-client", Some("sim-secret")).json(&json!({"access_token": old}));
    assert_eq!(got(revoke).await.unwrap().code, 200);
    assert_eq!(tenant.get(&update).await.code, 401);
    tenant.login().await;
    assert_ne!(tenant.token, old);
}

#[tokio::test]
async fn a_hanging_request_ends_with_the_simulator() {
    let tenant = Tenant::start().await;
    let what = Mishap::Hang;
    let fault = Fault { ..Fault::of(what) };
    tenant.turn(|knobs| knobs.faults = vec![fault]);
    let url = format!("{}/api/2/users", tenant.serving.url);
    let hanging = tokio::spawn(tenant.client.get(url).send());
    while tenant.get("/_sim/requests").await.body.get("GET /api/2/users").is_none() {
        tokio::task::yield_now().await;
    }
    assert!(!hanging.is_finished());
    tenant.serving.stop().await;
    // The request ends, with any result; without the stop it would not.
    assert!(hanging.await.is_ok());
}
