//! Requests and results in both dialects, as data: `tests/data/openid/requests.json` and `results.json`.

use std::collections::BTreeMap;

use proofd::connectors::openid_verification::{Accept, Dialect, Names, Rule, SubjectKind, claims, proof};
use proofd::model::{Judgement, Timestamp};
use serde::Deserialize;
use serde_json::{Value, json};

#[derive(Deserialize)]
struct Request {
    dialect: Dialect,
    accept: Accept,
    #[serde(default)]
    names: Names,
    require: Vec<String>,
    #[serde(default)]
    registered: BTreeMap<String, String>,
    claims: Value,
}

#[test]
fn a_claims_request_contains_exactly_what_is_required() {
    let rows: Vec<Request> = serde_json::from_str(include_str!("../../data/openid/requests.json")).unwrap();
    for row in rows {
        let made = claims(row.dialect, &row.accept, row.names, &row.require, &row.registered);
        assert_eq!(made, row.claims);
    }
}

#[derive(Deserialize)]
struct Results {
    started: Timestamp,
    now: Timestamp,
    accept: BTreeMap<String, Accept>,
    rows: Vec<Row>,
}

#[derive(Deserialize)]
struct Row {
    name: String,
    /// The names of accepts, each of a dialect: `okta` or `ida`, then anything.
    #[serde(rename = "in")]
    within: Vec<String>,
    /// The value of `verified_claims`; left out: there is none.
    #[serde(default)]
    verified_claims: Option<Value>,
    decision: Judgement,
    #[serde(default)]
    reasons: Vec<String>,
    #[serde(default)]
    checks: Vec<String>,
    /// First name, last name, date of birth.
    #[serde(default)]
    document: [Option<String>; 3],
}

#[test]
fn only_a_complete_result_passes() {
    let results: Results = serde_json::from_str(include_str!("../../data/openid/results.json")).unwrap();
    for row in &results.rows {
        for within in &row.within {
            let dialect = if within.starts_with("okta") { Dialect::Okta } else { Dialect::Ida };
            let mut token = json!({"iss": "https://idv.example.com", "sub": "s"});
            if let Some(value) = &row.verified_claims {
                token["verified_claims"] = value.clone();
            }
            let rule = Rule {
                dialect,
                accept: &results.accept[within],
                subject: SubjectKind::Transient,
                started: results.started,
                now: results.now,
            };
            let found = proof(token.as_object().unwrap(), rule);
            let name = format!("{} in {within}", row.name);
            assert_eq!(found.decision, row.decision, "{name}: {:?}", found.reasons);
            assert_eq!(found.reasons, row.reasons, "{name}");
            assert_eq!(found.checks.keys().cloned().collect::<Vec<_>>(), row.checks, "{name}");
            let document = found.document.unwrap_or_default();
            let born = document.date_of_birth.map(|day| day.to_string());
            assert_eq!([document.first_name, document.last_name, born], row.document, "{name}");
        }
    }
}

/// A person's id, and the provider's own record, are recognized when another person shows them.
#[test]
fn the_providers_person_id_is_recorded_as_a_document() {
    let accept = Accept { trust_framework: vec!["f".to_owned()], assurance_level: Vec::new(), max_age: None };
    let token = |sub: &str, process: Value| {
        let verification =
            json!({"trust_framework": "f", "time": "2026-11-30T12:00:00Z", "verification_process": process});
        json!({"iss": "i", "sub": sub, "verified_claims": {"verification": verification, "claims": {}}})
    };
    let numbers = |subject, token: &Value| -> Vec<String> {
        let now = "2026-11-30T12:00:00Z".parse().unwrap();
        let rule = Rule { dialect: Dialect::Ida, accept: &accept, subject, started: now, now };
        let found = proof(token.as_object().unwrap(), rule).numbers;
        found.into_iter().map(|one| one.number.expose().to_owned()).collect()
    };
    let stable = |sub: &str, process: &str| numbers(SubjectKind::Stable, &token(sub, json!(process)));
    assert_eq!(stable("a", "p").len(), 2);
    assert_eq!(stable("a", "p"), stable("a", "p"));
    assert_ne!(stable("a", "p")[1], stable("A", "p")[1], "a `sub` has upper and lower case");
    assert_eq!(numbers(SubjectKind::Transient, &token("a", json!("p"))).len(), 1);
    assert_eq!(numbers(SubjectKind::Transient, &token("a", Value::Null)).len(), 0);
}
