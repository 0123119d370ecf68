//! The Jumio connector against a scripted server: its requests, and how it interprets answers.

use std::sync::{Arc, Mutex};

use chrono::TimeDelta;
use proofd::connectors::Connector as _;
use proofd::connectors::jumio::{Hint, Jumio, Settings, Urls, Web, hint};
use proofd::engine::clock::Virtual;
use proofd::model::{FailureKind, Secret};
use serde_json::json;

use crate::perform::perform_at;
use url::Url;

mod accounts;
mod peer;
mod readings;
mod starts;
mod tokens;
mod vendor;

use peer::{ACCOUNT, Peer, RUN, call, failure, read, reply, start_of_test, token};

#[tokio::test]
async fn an_unreachable_host_is_unavailable() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let peer = Peer {
        base: format!("http://{}", listener.local_addr().unwrap()),
        seen: Arc::new(Mutex::new(Vec::new())),
    };
    drop(listener);
    let (jumio, _clock) = peer.connector();
    assert_eq!(failure(perform_at(&jumio, &call(read())).await).kind, FailureKind::Unavailable);
    let findings = jumio.examine().await;
    assert_eq!(findings.len(), 1);
    assert!(!findings[0].ok);
}

#[tokio::test]
async fn doctor_reports_each_problem() {
    // (account host, retrieval host, seconds that Jumio's clock is off) to the findings that are good
    for (account, retrieval, skew, expected) in [
        (404, 404, 0, [true, true, true, true]),
        (405, 400, 59, [true, true, true, true]),
        (403, 404, 0, [true, false, true, true]),
        (404, 401, -3_000, [true, true, false, false]),
        (404, 503, 3_000, [true, true, false, false]),
    ] {
        let date = (start_of_test() + TimeDelta::seconds(skew)).to_rfc2822().replace("+0000", "GMT");
        let peer = Peer::start(move |seen, before| {
            let mut answer = match seen.line.as_str() {
                line if line.contains("/oauth2/token") => token(before),
                line if line.starts_with("GET /account/") => reply(account, &json!({})),
                line if line.starts_with("GET /retrieval/") => reply(retrieval, &json!({})),
                line => panic!("an examination changes nothing, but: {line}"),
            };
            answer.headers.push(("date", date.clone()));
            answer
        })
        .await;
        let (jumio, _clock) = peer.connector();
        let findings = jumio.examine().await;
        let well: Vec<bool> = findings.iter().map(|finding| finding.ok).collect();
        assert_eq!(well, expected, "{account} {retrieval} {skew}: {findings:?}");
    }
}

#[test]
fn callbacks_give_hints() {
    let full = json!({
        "callbackSentAt": "2026-01-15T10:31:00.000Z",
        "userReference": "person-0001",
        "workflowExecution": {"id": RUN, "href": "https://evil.example.com/", "definitionKey": "10011",
            "status": "PROCESSED"},
        "account": {"id": ACCOUNT, "href": "https://evil.example.com/"}
    });
    let expected = Hint {
        account: Some(ACCOUNT.to_owned()),
        execution: RUN.to_owned(),
        status: Some("PROCESSED".to_owned()),
    };
    assert_eq!(hint(full.to_string().as_bytes()), Ok(expected));
    let least = json!({"workflowExecution": {"id": RUN, "status": 7}, "account": "?"});
    let expected = Hint { account: None, execution: RUN.to_owned(), status: None };
    assert_eq!(hint(least.to_string().as_bytes()), Ok(expected));
    for wrong in [
        &b""[..],
        b"[]",
        b"null",
        b"transactionStatus=DONE&scanReference=1",
        b"{}",
        br#"{"workflowExecution":{}}"#,
        br#"{"workflowExecution":{"id":7}}"#,
        br#"{"workflowExecution":{"id":""}}"#,
        br#"{"workflowExecution":{"id":"../../accounts"}}"#,
        br#"{"workflow":{"id":"22222222-2222-4222-8222-222222222222"}}"#,
        b"\xff\xfe",
    ] {
        assert!(hint(wrong).is_err(), "{}", String::from_utf8_lossy(wrong));
    }
    let deep = "[".repeat(100_000);
    assert!(hint(deep.as_bytes()).is_err());
}

#[test]
fn invalid_settings_are_refused() {
    let clock = || Arc::new(Virtual::new(start_of_test()));
    let good = || Settings {
        urls: Urls::region("emea-1").unwrap(),
        web: Web::region("emea-1"),
        client_id: "client".to_owned(),
        client_secret: Secret::new("CLIENTSECRET"),
        user_agent: "Example proofd/v1".to_owned(),
        starts_per_second: 1.0,
    };
    assert_eq!(good().urls.retrieval.as_str(), "https://retrieval.emea-1.jumio.ai/");
    let jumio = Jumio::new(good(), clock()).unwrap();
    assert!(!format!("{jumio:?} {:?}", good()).contains("CLIENTSECRET"));
    for region in ["", "EMEA-1", "evil.example.com/", "emea-1.evil"] {
        assert!(Urls::region(region).is_err(), "{region}");
    }
    let plain = Url::parse("http://account.example.com").unwrap();
    let wrong = [
        Settings { user_agent: " ".to_owned(), ..good() },
        Settings { user_agent: "a\nb".to_owned(), ..good() },
        Settings { client_id: String::new(), ..good() },
        Settings { client_secret: Secret::default(), ..good() },
        Settings { urls: Urls { account: plain, ..good().urls }, ..good() },
    ];
    for settings in wrong {
        let error = Jumio::new(settings, clock()).unwrap_err();
        assert!(!error.contains("CLIENTSECRET"), "{error}");
    }
}
