//! Requests to a named endpoint.

use std::sync::Arc;
use std::time::Duration;

use proofd::connectors::Connector as _;
use proofd::connectors::endpoint::{Endpoint, Settings};
use proofd::model::{Action, Fields, HttpRequest, ProvisioningAction, Repeat, Secret};
use serde_json::{Value, json};

use super::peer::{NEVER, PRIVATE, Peer, Reply, TOKEN, call, describe, reply, unused_address, with};
use crate::perform::perform_at;

fn endpoint(url: &str) -> Arc<Endpoint> {
    let settings = Settings {
        name: "desk".to_owned(),
        url: format!("{url}/api/SECRETPATH").parse().unwrap(),
        headers: vec![("X-Key".to_owned(), Secret::new(TOKEN))],
        timeout: Settings::DEFAULT_TIMEOUT,
    };
    Arc::new(Endpoint::new(settings).unwrap())
}

fn request(repeat: Repeat) -> Action {
    Action::Request {
        endpoint: "desk".to_owned(),
        request: HttpRequest {
            method: "POST".to_owned(),
            path: format!("/tickets?of={PRIVATE}"),
            body: Some(json!({ "who": PRIVATE })),
            repeat,
        },
    }
}

fn fields(value: Value) -> Fields {
    value.as_object().unwrap().clone()
}

fn create() -> Action {
    let attributes = fields(json!({ "mail": PRIVATE }));
    Action::Provisioning {
        system: "desk".to_owned(),
        account: ProvisioningAction::Create { external_id: "u-1".to_owned(), attributes },
    }
}

fn update() -> Action {
    let (matching, attributes) = (fields(json!({ "mail": PRIVATE })), fields(json!({ "active": false })));
    Action::Provisioning {
        system: "desk".to_owned(),
        account: ProvisioningAction::Update { matching, attributes },
    }
}

#[tokio::test]
async fn answers_are_classified() {
    let html = || "<html>no</html>".to_owned();
    let huge = || " ".repeat(10_000_000);
    let rows: Vec<(Action, Reply, &str)> = vec![
        (
            request(Repeat::Key),
            reply(200, json!({"id": 7})),
            r#"Answered { status: 200, body: Object {"id": Number(7)}"#,
        ),
        (request(Repeat::Key), reply(201, ""), "Answered { status: 201, body: Null"),
        (
            request(Repeat::Key),
            reply(200, html()),
            r#"Answered { status: 200, body: String("<html>no</html>")"#,
        ),
        (request(Repeat::Key), reply(404, json!({})), "Answered { status: 404"),
        (request(Repeat::Key), reply(401, ""), "Answered { status: 401"),
        (request(Repeat::Key), reply(409, ""), "Answered { status: 409"),
        (request(Repeat::Key), reply(408, ""), "Unavailable: desk answered 408"),
        (
            request(Repeat::Key),
            with(425, ("retry-after", "3"), ""),
            "Unavailable after 3 s: desk answered 425",
        ),
        (
            request(Repeat::Key),
            with(429, ("retry-after", "7"), ""),
            "Unavailable after 7 s: desk asks for fewer",
        ),
        (
            request(Repeat::Key),
            with(503, ("retry-after", "9"), html()),
            "Unavailable after 9 s: desk answered 503",
        ),
        (
            request(Repeat::Key),
            with(302, ("location", "/elsewhere"), ""),
            "Unavailable: desk answered 302 and redirects",
        ),
        (request(Repeat::Key), reply(200, huge()), "Unavailable: desk answered with more than 1 MiB"),
        (request(Repeat::Natural), reply(500, ""), "Unavailable: desk answered 500"),
        (request(Repeat::None), reply(200, ""), "Answered { status: 200"),
        (request(Repeat::None), reply(422, ""), "Answered { status: 422"),
        (
            request(Repeat::None),
            reply(500, ""),
            "Changed: the request to desk may have been executed (desk answered 500)",
        ),
        (create(), reply(201, json!({"id": "a7"})), r#"Created { id: Some("a7"), already: false }"#),
        (
            create(),
            reply(200, json!({"id": 7, "already": true})),
            r#"Created { id: Some("7"), already: true }"#,
        ),
        (create(), reply(204, ""), "Created { id: None, already: false }"),
        (create(), reply(409, json!({"detail": PRIVATE})), "Changed: desk answered 409"),
        (create(), reply(400, json!({"detail": PRIVATE})), "Refused: desk answered 400"),
        (create(), reply(404, ""), "Refused: desk answered 404"),
        (create(), reply(401, ""), "Unavailable: desk refused the credentials (401); correct them"),
        (create(), reply(403, ""), "Unavailable: desk refused the request"),
        (update(), reply(200, json!({"already": true})), "Applied { already: true, before: None }"),
        (update(), reply(204, ""), "Applied { already: false, before: None }"),
        (update(), reply(500, ""), "Unavailable: desk answered 500"),
    ];
    for (row, (action, reply, expected)) in rows.into_iter().enumerate() {
        let peer = Peer::start(vec![reply]).await;
        let ended = describe(&perform_at(&endpoint(&peer.url), &call(action, 1)).await);
        assert!(ended.starts_with(expected), "row {row}: {ended}");
        assert_eq!(peer.seen().len(), 1, "row {row}: {:?}", peer.lines());
    }
}

#[tokio::test]
async fn requests_have_the_expected_form() {
    let rows = [
        (
            request(Repeat::Key),
            "POST /api/SECRETPATH/tickets?of=ada.private@example.com",
            json!({"who": PRIVATE}),
            true,
        ),
        (
            request(Repeat::Natural),
            "POST /api/SECRETPATH/tickets?of=ada.private@example.com",
            json!({"who": PRIVATE}),
            false,
        ),
        (
            create(),
            "POST /api/SECRETPATH",
            json!({"externalId": "u-1", "attributes": {"mail": PRIVATE}}),
            true,
        ),
        (
            update(),
            "PATCH /api/SECRETPATH",
            json!({"match": {"mail": PRIVATE}, "attributes": {"active": false}}),
            true,
        ),
    ];
    for (action, line, body, keyed) in rows {
        let peer = Peer::start(vec![reply(500, "")]).await;
        let endpoint = endpoint(&peer.url);
        for attempt in [1, 2] {
            perform_at(&endpoint, &call(action.clone(), attempt)).await;
        }
        let seen = peer.seen();
        assert_eq!(seen.len(), 2);
        for seen in seen {
            assert_eq!((seen.line.as_str(), seen.json()), (line, body.clone()));
            assert_eq!(seen.header("x-key"), TOKEN);
            assert_eq!(seen.header("content-type"), "application/json");
            let expected = if keyed { ("c77.3", "c77-3") } else { ("", "") };
            assert_eq!((seen.header("idempotency-key"), seen.header("webhook-id")), expected, "{line}");
        }
    }
}

#[tokio::test]
async fn an_unsafe_request_is_not_repeated() {
    let peer = Peer::start(vec![reply(200, "")]).await;
    let endpoint = endpoint(&peer.url);
    let mut doubtful = call(request(Repeat::None), 1);
    doubtful.attempt.in_doubt = true;
    for call in [call(request(Repeat::None), 2), doubtful] {
        let ended = describe(&perform_at(&endpoint, &call).await);
        assert!(ended.starts_with("Changed") && ended.ends_with("check it by hand"), "{ended}");
    }
    for path in ["/../admin", "//evil.example", "/%2e%2e/x"] {
        let mut action = request(Repeat::Key);
        let Action::Request { request, .. } = &mut action else { panic!() };
        path.clone_into(&mut request.path);
        let ended = describe(&perform_at(&endpoint, &call(action, 1)).await);
        assert!(ended.starts_with("Refused: the request"), "{path}: {ended}");
    }
    assert_eq!(peer.lines(), Vec::<String>::new());
}

#[tokio::test]
async fn an_unreachable_endpoint_is_unavailable() {
    let ended = describe(&perform_at(&endpoint(&unused_address()), &call(request(Repeat::Key), 1)).await);
    assert!(ended.starts_with("Unavailable: no connection to desk"), "{ended}");
    let peer = Peer::start(vec![reply(NEVER, "")]).await;
    let settings = Settings {
        name: "desk".to_owned(),
        url: peer.url.parse().unwrap(),
        headers: Vec::new(),
        timeout: Duration::from_millis(50),
    };
    let silent = Arc::new(Endpoint::new(settings).unwrap());
    let ended = describe(&perform_at(&silent, &call(request(Repeat::Key), 1)).await);
    assert!(ended.starts_with("Unavailable: desk did not answer in time"), "{ended}");
    let ended = describe(&perform_at(&silent, &call(request(Repeat::None), 1)).await);
    assert!(ended.starts_with("Changed: the request to desk may have been executed"), "{ended}");
}

#[tokio::test]
async fn an_examination_sends_nothing() {
    let peer = Peer::start(vec![reply(200, "")]).await;
    for (url, ok) in [(peer.url.clone(), true), (unused_address(), false)] {
        let findings = endpoint(&url).examine().await;
        assert_eq!(findings.iter().map(|finding| finding.ok).collect::<Vec<_>>(), [ok], "{findings:?}");
        assert!(!format!("{findings:?}").contains("SECRETPATH"), "{findings:?}");
    }
    assert_eq!(peer.lines(), Vec::<String>::new());
}

#[test]
fn invalid_settings_are_refused() {
    for (url, says) in [
        ("ftp://x.example/", "such as https://"),
        ("mailto:x@y.example", "such as https://"),
        ("https://user:TOKENTEXT@x.example/", "remove user name and password"),
        ("https://x.example/#a", "#fragment"),
    ] {
        let settings = Settings {
            name: "desk".into(),
            url: url.parse().unwrap(),
            headers: vec![],
            timeout: Duration::ZERO,
        };
        let why = Endpoint::new(settings).unwrap_err();
        assert!(why.contains(says) && !why.contains(TOKEN), "{url}: {why}");
    }
}

/// A missing account may be only seconds old; the fourth attempt accepts that it is missing.
#[tokio::test]
async fn a_missing_account_is_searched_for_again() {
    for (attempt, expected) in [
        (1, "Unavailable: desk answered 404; the account may be too new"),
        (3, "Unavailable: desk answered 404; the account may be too new"),
        (4, "Changed: desk answered 404"),
    ] {
        let peer = Peer::start(vec![reply(404, "")]).await;
        let ended = describe(&perform_at(&endpoint(&peer.url), &call(update(), attempt)).await);
        assert!(ended.starts_with(expected), "attempt {attempt}: {ended}");
    }
}
