//! The SCIM connector against scripted answers: valid, unusual and missing ones. `python_peers` tests a real
//! server.

use proofd::connectors::Connector as _;
use proofd::connectors::scim::{Scim, Settings};
use proofd::model::{Action, Call, Fields, ProvisioningAction, Secret};
use serde_json::{Value, json};
use std::sync::Arc;

use super::peer::{PRIVATE, Peer, Reply, TOKEN, call, describe, reply, unused_address, with};
use crate::perform::perform_at;

fn scim(url: &str) -> Arc<Scim> {
    let url = format!("{url}/v2/").parse().unwrap();
    Arc::new(Scim::new(Settings { name: "hris".to_owned(), url, token: Secret::new(TOKEN) }).unwrap())
}

fn fields(value: Value) -> Fields {
    value.as_object().unwrap().clone()
}

fn create(attempt: u32) -> Call {
    let attributes = fields(json!({ "userName": PRIVATE, "name.givenName": "Ada" }));
    call(
        Action::Provisioning {
            system: "hris".to_owned(),
            account: ProvisioningAction::Create { external_id: "u-1".to_owned(), attributes },
        },
        attempt,
    )
}

fn update_with(matching: Value, attributes: Value, attempt: u32) -> Call {
    let (matching, attributes) = (fields(matching), fields(attributes));
    call(
        Action::Provisioning {
            system: "hris".to_owned(),
            account: ProvisioningAction::Update { matching, attributes },
        },
        attempt,
    )
}

fn update(attempt: u32) -> Call {
    update_with(json!({ "userName": PRIVATE }), json!({ "active": false }), attempt)
}

fn list(resources: &[Value]) -> Reply {
    reply(200, json!({ "totalResults": resources.len(), "Resources": resources }))
}

fn account(external_id: &str) -> Value {
    json!({"id": "a7", "externalId": external_id, "userName": PRIVATE, "active": true, "meta": {"version": "W/\"4\""}})
}

fn inactive() -> Value {
    json!({"id": "a7", "userName": PRIVATE, "active": "False"})
}

fn error(status: u16, scim_type: &str) -> Reply {
    let schemas = ["urn:ietf:params:scim:api:messages:2.0:Error"];
    let status_text = status.to_string();
    reply(
        status,
        json!({ "schemas": schemas, "status": status_text, "scimType": scim_type, "detail": PRIVATE }),
    )
}

fn html(status: u16) -> Reply {
    reply(status, "<html>portal</html>")
}

const LOOK: &str = "GET /v2/Users?filter=externalId+eq+%22u-1%22&count=10";
const POST: &str = "POST /v2/Users";
const FIND: &str = "GET /v2/Users?filter=userName+eq+%22ada.private%40example.com%22&count=10";
const PATCH: &str = "PATCH /v2/Users/a7";
const BACK: &str = "GET /v2/Users/a7";

async fn check(row: usize, call: Call, replies: Vec<Reply>, expected: &str, lines: &[&str]) {
    let peer = Peer::start(replies).await;
    let ended = describe(&perform_at(&scim(&peer.url), &call).await);
    assert!(ended.starts_with(expected), "row {row}: {ended}");
    assert_eq!(peer.lines(), lines, "row {row}");
    for seen in peer.seen() {
        assert_eq!(seen.header("authorization"), format!("Bearer {TOKEN}"), "row {row}");
    }
}

#[tokio::test]
async fn an_account_is_created_once() {
    let none = || list(&[]);
    let made = || reply(201, account("u-1"));
    let conflict = || error(409, "uniqueness");
    let mut doubtful = create(1);
    doubtful.attempt.in_doubt = true;
    let two = || list(&[account("u-1"), account("u-1")]);
    let rows: Vec<(Call, Vec<Reply>, &str, &[&str])> = vec![
        (create(1), vec![none(), made()], r#"Created { id: Some("a7"), already: false }"#, &[LOOK, POST]),
        (create(2), vec![list(&[account("u-1")])], r#"Created { id: Some("a7"), already: true }"#, &[LOOK]),
        (
            doubtful.clone(),
            vec![list(&[account("u-1")])],
            r#"Created { id: Some("a7"), already: true }"#,
            &[LOOK],
        ),
        // Another of our requests was first, or another person has the user name.
        (
            create(1),
            vec![none(), conflict(), list(&[account("u-1")])],
            r#"Created { id: Some("a7"), already: true }"#,
            &[LOOK, POST, LOOK],
        ),
        (
            create(1),
            vec![none(), conflict(), none()],
            "Changed: hris has another account",
            &[LOOK, POST, LOOK],
        ),
        (create(1), vec![two()], "Changed: hris has several accounts", &[LOOK]),
        // Some servers answer an empty search with SCIM's 404 instead of an empty list.
        (create(1), vec![error(404, "x"), made()], "Created", &[LOOK, POST]),
        (
            create(1),
            vec![reply(404, json!({"message": "no route"}))],
            "Refused: hris answered a search of accounts with 404 and without a SCIM answer",
            &[LOOK],
        ),
        (create(1), vec![reply(404, "")], "Refused: hris answered a search of accounts with 404", &[LOOK]),
        (create(1), vec![html(404)], "Unavailable: hris answered 404 with something that is not", &[LOOK]),
        // An id with another spelling is another account.
        (create(1), vec![list(&[account("U-1")]), made()], "Created", &[LOOK, POST]),
        // A server that ignores filters answers with other accounts; such an answer does not count.
        (create(1), vec![list(&[account("u-2")]), made()], "Created", &[LOOK, POST]),
        (
            create(2),
            vec![list(&[account("u-2")])],
            "Changed: hris does not support a search by externalId",
            &[LOOK],
        ),
        (create(1), vec![error(400, "invalidFilter"), made()], "Created", &[LOOK, POST]),
        (doubtful, vec![error(400, "invalidFilter")], "Changed: hris does not support a search", &[LOOK]),
        (
            create(1),
            vec![error(501, "x"), conflict(), error(501, "x")],
            "Changed: hris has another",
            &[LOOK, POST, LOOK],
        ),
    ];
    for (row, (call, replies, expected, lines)) in rows.into_iter().enumerate() {
        check(row, call, replies, expected, lines).await;
    }
}

/// If the answer does not contain the account, only a search result counts.
#[tokio::test]
async fn creation_answers_without_the_account_are_confirmed_by_search() {
    let none = || list(&[]);
    let rows: Vec<(Call, Vec<Reply>, &str, &[&str])> = vec![
        (create(1), vec![none(), reply(201, ""), list(&[account("u-1")])], "Created", &[LOOK, POST, LOOK]),
        (
            create(1),
            vec![none(), html(200), none()],
            "Unavailable: hris answered 200 without an account",
            &[LOOK, POST, LOOK],
        ),
        (
            create(1),
            vec![none(), reply(201, json!({"id": ".."})), none()],
            "Unavailable: hris answered 201",
            &[LOOK, POST, LOOK],
        ),
        (
            create(1),
            vec![none(), reply(201, account("u-9"))],
            "Changed: hris created an account with another",
            &[LOOK, POST],
        ),
        (
            create(1),
            vec![none(), error(400, "invalidValue")],
            "Refused: hris answered 400 (invalidValue)",
            &[LOOK, POST],
        ),
        (create(1), vec![none(), error(400, PRIVATE)], "Refused: hris answered 400", &[LOOK, POST]),
        (
            create(1),
            vec![none(), html(404)],
            "Unavailable: hris answered 404 with something that is not SCIM",
            &[LOOK, POST],
        ),
        (
            create(1),
            vec![none(), with(503, ("retry-after", "8"), "")],
            "Unavailable after 8 s: hris answered 503",
            &[LOOK, POST],
        ),
    ];
    for (row, (call, replies, expected, lines)) in rows.into_iter().enumerate() {
        check(row, call, replies, expected, lines).await;
    }
}

#[tokio::test]
async fn invalid_answers_are_classified() {
    let rows: Vec<(Reply, &str)> = vec![
        (html(200), "Unavailable: hris answered with something that is not JSON"),
        (reply(200, "[]"), "Unavailable: hris answered with something that is not a list"),
        (reply(200, "{}"), "Unavailable: hris answered with something that is not a list"),
        (
            reply(200, json!({"totalResults": 3})),
            "Unavailable: hris answered with something that is not a list",
        ),
        (reply(200, json!({"totalResults": 1, "Resources": 7})), "Unavailable: hris answered with something"),
        (
            reply(200, json!({"totalResults": 1, "Resources": [{"externalId": "u-1", "userName": PRIVATE}]})),
            "Unavailable: hris answered",
        ),
        (reply(200, " ".repeat(10_000_000)), "Unavailable: hris answered with more than 1 MiB"),
        (reply(401, ""), "Unavailable: hris refused the credentials (401)"),
        (html(403), "Unavailable: hris refused the request (403)"),
        (with(429, ("retry-after", "7"), html(1).2), "Unavailable after 7 s: hris asks for fewer"),
        (html(400), "Unavailable: hris answered 400 with something that is not SCIM"),
        (html(502), "Unavailable: hris answered 502"),
        (
            with(302, ("location", "/login"), ""),
            "Unavailable: hris answered 302 and redirects are not followed",
        ),
    ];
    for (row, (reply, expected)) in rows.into_iter().enumerate() {
        check(row, create(1), vec![reply.clone()], expected, &[LOOK]).await;
        check(row, update(1), vec![reply], expected, &[FIND]).await;
    }
    let ended = describe(&perform_at(&scim(&unused_address()), &create(1)).await);
    assert!(ended.starts_with("Unavailable: no connection to hris"), "{ended}");
}

/// A missing account may be only seconds old, which is assumed for a few attempts.
#[tokio::test]
async fn a_missing_account_is_searched_for_again() {
    let none = || list(&[]);
    let gone = || error(404, "x");
    let (active, ok) = (|| list(&[account("u-1")]), || reply(204, ""));
    let rows: Vec<(Call, Vec<Reply>, &str, &[&str])> = vec![
        (update(1), vec![none()], "Unavailable: hris has no account that matches yet", &[FIND]),
        (update(3), vec![gone()], "Unavailable: hris has no account that matches yet", &[FIND]),
        (update(4), vec![none()], "Changed: hris has no account that matches", &[FIND]),
        (update(4), vec![gone()], "Changed: hris has no account that matches", &[FIND]),
        (update(1), vec![active(), gone()], "Unavailable: hris does not show the account", &[FIND, PATCH]),
        (update(4), vec![active(), gone()], "Changed: the account in hris no longer exists", &[FIND, PATCH]),
        (update(1), vec![active(), ok(), gone()], "Unavailable: hris does not show", &[FIND, PATCH, BACK]),
        (
            update(4),
            vec![active(), ok(), gone()],
            "Changed: the account in hris no longer exists",
            &[FIND, PATCH, BACK],
        ),
    ];
    for (row, (call, replies, expected, lines)) in rows.into_iter().enumerate() {
        check(row, call, replies, expected, lines).await;
    }
}

#[tokio::test]
async fn an_account_is_changed_and_read_back() {
    let active = || list(&[account("u-1")]);
    let back = |value: Value| reply(200, value);
    let ok = || reply(204, "");
    let all: &[&str] = &[FIND, PATCH, BACK];
    let other = json!({"id": "b8", "userName": "somebody.else@example.com", "active": true});
    let many = reply(200, json!({"totalResults": 2, "Resources": [account("u-1")]}));
    let rows: Vec<(Call, Vec<Reply>, &str, &[&str])> = vec![
        (update(1), vec![active(), ok(), back(inactive())], "Applied { already: false, before: None }", all),
        (update(1), vec![active(), back(inactive()), back(inactive())], "Applied { already: false", all),
        (update(1), vec![list(&[inactive()])], "Applied { already: true, before: None }", &[FIND]),
        (update(1), vec![list(&[account("1"), account("2")])], "Refused: hris has several accounts", &[FIND]),
        (update(1), vec![many], "Refused: hris has several accounts", &[FIND]),
        // No other account is ever changed, whatever the server answers.
        (
            update(1),
            vec![list(std::slice::from_ref(&other))],
            "Refused: hris does not support the search",
            &[FIND],
        ),
        (update(1), vec![list(&[other, account("u-1")]), ok(), back(inactive())], "Applied", all),
        (update(1), vec![error(400, "invalidFilter")], "Refused: hris does not support the search", &[FIND]),
        (
            update(1),
            vec![active(), error(412, "x")],
            "Unavailable: the account in hris changed",
            &[FIND, PATCH],
        ),
        (
            update(1),
            vec![active(), html(404)],
            "Unavailable: hris answered with something that is not JSON",
            &[FIND, PATCH],
        ),
        (
            update(1),
            vec![active(), error(400, "mutability")],
            "Refused: hris answered 400 (mutability)",
            &[FIND, PATCH],
        ),
        (
            update(1),
            vec![active(), error(409, "uniqueness")],
            "Refused: hris answered 409 (uniqueness)",
            &[FIND, PATCH],
        ),
        (
            update(1),
            vec![active(), error(501, "x")],
            "Refused: hris does not support this (501)",
            &[FIND, PATCH],
        ),
        (
            update(1),
            vec![active(), ok(), back(account("u-1"))],
            "Unavailable: hris accepted the change but does not show it yet: active",
            all,
        ),
        (
            update(4),
            vec![active(), ok(), back(account("u-1"))],
            "Refused: hris accepts the change but does not keep it: active",
            all,
        ),
        (update(1), vec![active(), ok(), html(200)], "Unavailable: hris answered with something", all),
    ];
    for (row, (call, replies, expected, lines)) in rows.into_iter().enumerate() {
        check(row, call, replies, expected, lines).await;
    }
}

#[tokio::test]
async fn requests_have_the_expected_form() {
    let urn = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";
    let peer = Peer::start(vec![list(&[account("u-1")]), reply(500, "")]).await;
    let attributes = json!({
        "active": true, "title": null, "name.givenName": "Ada", "email": "new@example.com", "nickName": null,
        (format!("{urn}:department")): "IT",
    });
    perform_at(&scim(&peer.url), &update_with(json!({ "userName": PRIVATE }), attributes, 1)).await;
    let patch = &peer.seen()[1];
    assert_eq!(patch.header("content-type"), "application/scim+json");
    assert_eq!(patch.header("if-match"), "W/\"4\"");
    // Values that already match are not written again.
    let operations = json!([
        {"op": "replace", "path": "name.givenName", "value": "Ada"},
        {"op": "replace", "path": "emails", "value": [{"value": "new@example.com", "type": "work", "primary": true}]},
        {"op": "replace", "path": (format!("{urn}:department")), "value": "IT"},
    ]);
    assert_eq!(patch.json()["Operations"], operations);

    let hostile = "x\" or userName pr and title eq \"\\";
    let peer = Peer::start(vec![list(&[])]).await;
    let matching = json!({ "title": hostile, "active": true, "email": "a@b", "name.familyName": "O'Neil" });
    perform_at(&scim(&peer.url), &update_with(matching, json!({ "active": false }), 1)).await;
    let line = &peer.lines()[0];
    let url = url::Url::parse(&format!("http://x{}", line.strip_prefix("GET ").unwrap())).unwrap();
    let (_, filter) = url.query_pairs().find(|(name, _)| name == "filter").unwrap();
    assert_eq!(
        filter,
        r#"title eq "x\" or userName pr and title eq \"\\" and active eq true and emails.value eq "a@b" and name.familyName eq "O'Neil""#
    );
}

#[tokio::test]
async fn invalid_changes_are_not_sent() {
    let attributes = || json!({ "active": false });
    let empty = call(
        Action::Provisioning {
            system: "hris".into(),
            account: ProvisioningAction::Create { external_id: " ".into(), attributes: fields(attributes()) },
        },
        1,
    );
    for (call, says) in [
        (empty, "needs an id"),
        (update_with(json!({}), attributes(), 1), "'match' has no attributes"),
        (update_with(json!({ "userName": null }), attributes(), 1), "is empty"),
        (update_with(json!({ "userName": "" }), attributes(), 1), "is empty"),
        (update_with(json!({ "a b": "x" }), attributes(), 1), "not the name of a SCIM attribute"),
        (update_with(json!({ "userName": "x" }), json!({ "id": "7" }), 1), "read-only"),
        (update_with(json!({ "userName": "x" }), json!({}), 1), "no attribute"),
    ] {
        let peer = Peer::start(vec![reply(200, "")]).await;
        let ended = describe(&perform_at(&scim(&peer.url), &call).await);
        assert!(ended.starts_with("Refused") && ended.contains(says), "{says}: {ended}");
        assert_eq!(peer.lines(), Vec::<String>::new());
    }
}

#[tokio::test]
async fn doctor_reports_missing_features() {
    let service = |patch: bool| reply(200, json!({ "patch": { "supported": patch } }));
    let rows: Vec<(Vec<Reply>, &[bool])> = vec![
        (vec![service(true), list(&[])], &[true, true]),
        (vec![service(false), list(&[])], &[true, false, true]),
        (vec![reply(401, "")], &[false, false]),
        (vec![html(200), list(&[])], &[false, true]),
        (vec![service(true), list(&[account("u-1")])], &[true, false]),
        (vec![error(404, "x"), error(400, "invalidFilter")], &[false, false]),
        (vec![reply(404, ""), reply(404, "")], &[false, false]),
    ];
    for (row, (replies, expected)) in rows.into_iter().enumerate() {
        let peer = Peer::start(replies).await;
        let findings = scim(&peer.url).examine().await;
        assert_eq!(
            findings.iter().map(|one| one.ok).collect::<Vec<_>>(),
            expected,
            "row {row}: {findings:?}"
        );
        assert!(peer.lines().iter().all(|line| line.starts_with("GET")), "row {row}");
    }
    assert_eq!(scim(&unused_address()).examine().await.len(), 1);
}

#[test]
fn invalid_settings_are_refused() {
    for (url, token, says) in [
        ("https://x.example/v2?a=b", TOKEN, "?query"),
        ("ldap://x.example/", TOKEN, "such as https://"),
        ("https://x.example/v2", "", "bearer token"),
        ("https://x.example/v2", "a\nb", "bearer token"),
    ] {
        let settings = Settings { name: "hris".into(), url: url.parse().unwrap(), token: Secret::new(token) };
        let why = Scim::new(settings).unwrap_err();
        assert!(why.contains(says), "{url}: {why}");
    }
}
