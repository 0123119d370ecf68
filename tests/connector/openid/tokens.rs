//! A real provider, npm oidc-provider, which also plays every kind of faulty result. None of them is a pass.

use std::sync::Arc;

use chrono::TimeDelta;
use proofd::connectors::VerificationProvider as _;
use proofd::engine::clock::{Scaled, Virtual};
use proofd::model::{Clock as _, FailureKind, Judgement, Phase, Returned, Void};
use serde_json::json;

use super::{REDIRECT, comes_back, connector, connector_at, goes_through, read, start, vendor};
use crate::openid_vendor::Browser;

/// A play, the judgement, its reasons, and the required claims that are verified.
type Row = (&'static str, Judgement, &'static [&'static str], usize);

const RESULTS: [Row; 12] = [
    ("pass", Judgement::Passed, &[], 3),
    ("fuzzy", Judgement::Passed, &[], 3),
    ("extra", Judgement::Passed, &[], 4),
    ("other", Judgement::Passed, &[], 3),
    // Whether what matched is enough is for the policy: nothing of it can be compared.
    ("matched", Judgement::Passed, &[], 3),
    ("partial", Judgement::Passed, &[], 2),
    ("fail", Judgement::Rejected, &["not_verified:birthdate"], 0),
    ("null", Judgement::Warning, &["no_verified_claims"], 0),
    ("absent", Judgement::Warning, &["no_verified_claims"], 0),
    ("PS256", Judgement::Passed, &[], 3),
    ("ES256", Judgement::Passed, &[], 3),
    ("EdDSA", Judgement::Passed, &[], 3),
];

/// Faults of a token, and why the session is void.
const FAULTS: [(&str, Void); 29] = [
    ("issuer", Void::Issuer),
    ("issuer_slash", Void::Issuer),
    ("audience", Void::Audience),
    ("audience_shared", Void::Audience),
    ("party", Void::Audience),
    ("nonce", Void::Nonce),
    ("no_nonce", Void::Nonce),
    ("signature", Void::Signature),
    ("tampered", Void::Signature),
    ("confused", Void::Key),
    ("kid", Void::Key),
    ("none", Void::Algorithm),
    ("none_upper", Void::Algorithm),
    ("hs", Void::Algorithm),
    ("hs_public", Void::Algorithm),
    ("crit", Void::Malformed),
    ("expired", Void::Time),
    ("no_exp", Void::Time),
    ("future", Void::Time),
    ("not_yet", Void::Time),
    ("stale", Void::Time),
    ("no_iat", Void::Time),
    ("odd_exp", Void::Malformed),
    ("no_sub", Void::Malformed),
    ("garbage", Void::Malformed),
    ("two_parts", Void::Malformed),
    ("huge", Void::Malformed),
    ("no_token", Void::Malformed),
    ("replayed", Void::Nonce),
];

#[tokio::test(flavor = "multi_thread")]
async fn results_are_judged_in_both_dialects() {
    let Some(vendor) = vendor(&json!({})) else { return };
    for dialect in ["okta", "ida"] {
        let connector = connector(&vendor.issuer, &json!({"dialect": dialect, "scopes": ["openid"]}));
        for (play, judgement, reasons, checks) in RESULTS {
            let reading = goes_through(&connector, play).await.unwrap();
            let proof = reading.proof.unwrap_or_else(|| panic!("{dialect} {play}: {:?}", reading.void));
            assert_eq!(reading.phase, Phase::Done, "{dialect} {play}");
            assert_eq!(reading.reference.as_deref(), Some(format!("case-1.{play}.1").as_str()));
            assert_eq!((proof.decision, proof.checks.len()), (judgement, checks), "{dialect} {play}");
            assert_eq!(proof.reasons, reasons, "{dialect} {play}");
            let named = proof.document.as_ref().and_then(|document| document.first_name.as_deref());
            let expected = match play {
                "other" => Some("Petra"),
                "matched" | "fail" | "null" | "absent" => None,
                _ => Some("Anna"),
            };
            assert_eq!(named, expected, "{dialect} {play}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_invalid_id_token_is_void() {
    let Some(vendor) = vendor(&json!({})) else { return };
    let connector = connector(&vendor.issuer, &json!({}));
    // A token to replay.
    assert_eq!(goes_through(&connector, "pass").await.unwrap().phase, Phase::Done);
    for (play, why) in FAULTS {
        let reading = goes_through(&connector, play).await.unwrap();
        assert_eq!((reading.phase, reading.void), (Phase::Expired, Some(why)), "{play}");
        assert_eq!(reading.proof, None, "{play}");
    }
    // Algorithms that are not configured are refused, whatever the provider publishes.
    let strict = super::connector(&vendor.issuer, &json!({"algorithms": ["RS256"]}));
    for play in ["PS256", "ES256", "EdDSA"] {
        assert_eq!(goes_through(&strict, play).await.unwrap().void, Some(Void::Algorithm), "{play}");
    }
}

/// A provider changes its keys. Invented key names do not load it.
#[tokio::test(flavor = "multi_thread")]
async fn keys_are_reloaded_at_most_once_a_minute() {
    let Some(vendor) = vendor(&json!({})) else { return };
    let clock = Virtual::new(Scaled::from_now(1).now());
    let connector = connector_at(&vendor.issuer, &json!({}), Arc::new(clock.clone()));
    let reads = async || vendor.seen().await["jwks"].as_i64().unwrap();
    for (play, later, void, read) in [
        ("pass", 0, None, 1),
        ("kid", 0, Some(Void::Key), 1),
        ("new_key", 0, Some(Void::Key), 1),
        ("new_key", 61, None, 2),
        ("kid", 0, Some(Void::Key), 2),
        ("new_key", 0, None, 2),
    ] {
        clock.advance(TimeDelta::seconds(later));
        assert_eq!(goes_through(&connector, play).await.unwrap().void, void, "{play}");
        assert_eq!(reads().await, read, "{play}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_code_is_exchanged_once_for_its_own_session() {
    let Some(vendor) = vendor(&json!({})) else { return };
    let connector = connector(&vendor.issuer, &json!({}));
    let session = connector.start(&start("play_pass", "case-1.2.1")).await.unwrap();
    let other = connector.start(&start("play_pass", "case-2.2.1")).await.unwrap();
    // Without the browser there is no result, and nothing is sent.
    let before = vendor.seen().await;
    let waits = connector.read(&read(&session, None)).await.unwrap();
    assert_eq!((waits.phase, waits.proof), (Phase::Waiting, None));
    assert_eq!(vendor.seen().await, before);

    let returned = comes_back(&connector, &session).await.unwrap();
    // The code of one session in another: its verifier is wrong.
    let stolen = connector.read(&read(&other, Some(returned.clone()))).await.unwrap();
    assert_eq!(stolen.void, Some(Void::Code));

    let session = connector.start(&start("play_pass", "case-1.3.1")).await.unwrap();
    let returned = comes_back(&connector, &session).await.unwrap();
    let ask = read(&session, Some(returned.clone()));
    assert_eq!(connector.read(&ask).await.unwrap().phase, Phase::Done);
    let again = connector.read(&ask).await.unwrap();
    assert_eq!((again.phase, again.void), (Phase::Expired, Some(Void::Code)));

    // Another provider's answer: its code is not sent to this one.
    let tokens = vendor.seen().await["token"].clone();
    for issuer in [Some("https://evil.example.com".to_owned()), None] {
        let Returned::Code { code, .. } = returned.clone() else { panic!("{returned:?}") };
        let foreign = read(&session, Some(Returned::Code { code, issuer }));
        assert_eq!(connector.read(&foreign).await.unwrap().void, Some(Void::Issuer));
    }
    assert_eq!(vendor.seen().await["token"], tokens);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_end_without_a_result_is_attributed_to_person_or_provider() {
    let Some(vendor) = vendor(&json!({})) else { return };
    let connector = connector(&vendor.issuer, &json!({}));
    for (play, phase, void) in [
        ("silent", Phase::Waiting, None),
        ("denied", Phase::Expired, None),
        ("down", Phase::Expired, Some(Void::Provider)),
        ("broken", Phase::Expired, Some(Void::Provider)),
    ] {
        let reading = goes_through(&connector, play).await.unwrap();
        assert_eq!((reading.phase, reading.void, reading.proof), (phase, void, None), "{play}");
    }
    // The provider's outage, or our credentials: tried again, and no result about anybody.
    for play in ["token_503", "token_html", "token_401"] {
        let failure = goes_through(&connector, play).await.unwrap_err();
        assert_eq!(failure.kind, FailureKind::Unavailable, "{play}");
        assert!(!failure.reason.contains("Anna"), "{play}: {}", failure.reason);
    }
}

/// The request is pushed; with `par: never` it is in the person's address instead.
#[tokio::test(flavor = "multi_thread")]
async fn the_pushed_request_binds_the_session() {
    let Some(vendor) = vendor(&json!({})) else { return };
    let secrets = ["state", "nonce", "code_challenge"];
    let mut found = Vec::new();
    for (par, reference) in [("required", "case-1.2.1"), ("required", "case-1.2.2"), ("never", "case-1.2.3")]
    {
        let connector = connector(&vendor.issuer, &json!({"par": par}));
        let session = connector.start(&start("idv_flow_7", reference)).await.unwrap();
        let pushed = session.link.contains("request_uri=");
        assert_eq!((pushed, session.link.contains("client_id=proofd")), (par == "required", true));
        assert_eq!(session.link.contains("code_challenge="), !pushed);
        let url = Browser::default().goes(&session.link, REDIRECT).await.unwrap();
        assert!(!url.contains("error="), "{url}");
        let seen = vendor.seen().await["requests"].as_array().unwrap().last().unwrap().clone();
        assert_eq!(seen["scope"], "openid profile identity_assurance idv_flow_7");
        assert_eq!(
            (&seen["code_challenge_method"], &seen["login_hint"]),
            (&json!("S256"), &json!("person-1"))
        );
        assert_eq!(seen["ui_locales"], "de-AT");
        for name in secrets {
            let secret = seen[name].as_str().unwrap().to_owned();
            assert_eq!(secret.len(), 43, "{name}");
            assert!(!found.contains(&secret) && !secret.contains("case"), "{name}");
            found.push(secret);
        }
    }
}
