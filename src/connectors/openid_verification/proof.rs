//! From `verified_claims` of a checked ID token to a proof. Pure. What is missing, unknown or odd is never a pass.

use std::collections::BTreeMap;

use chrono::{DateTime, NaiveDate, NaiveDateTime, TimeDelta};
use data_encoding::HEXLOWER;
use serde_json::{Map, Value};
use sha2::{Digest as _, Sha256};

use super::options::{Accept, Dialect, SubjectKind};
use crate::model::{Document, DocumentNumber, Judgement, Proof, Secret, Timestamp};

const NO_CLAIMS: &str = "no_verified_claims";
/// Several elements count: which of them is about the person is unknown.
const SEVERAL: &str = "several_verified_claims";
const NOT_VERIFIED: &str = "not_verified";
const NO_TIME: &str = "verification_time_missing";
const TOO_OLD: &str = "verification_too_old";

/// The provider compared the value that we sent and does not repeat it.
const MATCHED: &str = "MATCHED";

/// How long before the start of a session its verification may have begun: clocks differ.
const EARLIER: TimeDelta = TimeDelta::minutes(5);
const LATER: TimeDelta = TimeDelta::seconds(60);

/// What decides about a result.
#[derive(Debug, Clone, Copy)]
pub struct Rule<'a> {
    pub dialect: Dialect,
    pub accept: &'a Accept,
    pub subject: SubjectKind,
    /// When the session started.
    pub started: Timestamp,
    pub now: Timestamp,
}

/// Returns the proof in the claims of a checked ID token.
pub fn proof(token: &Map<String, Value>, rule: Rule<'_>) -> Proof {
    let elements = match token.get("verified_claims") {
        Some(Value::Array(elements)) => elements.as_slice(),
        Some(one @ Value::Object(_)) => std::slice::from_ref(one),
        Some(_) | None => &[],
    };
    let text = |name: &str| token.get(name).and_then(Value::as_str);
    let mut usable = elements.iter().filter_map(|element| Element::read(element, rule.accept));
    let (mut proof, process) = match (usable.next(), usable.next()) {
        (Some(element), None) => (element.judge(rule), element.process()),
        (Some(_), Some(_)) => (unclear(SEVERAL), None),
        (None, _) => (unclear(NO_CLAIMS), None),
    };
    // The provider's own record, and the person's id where it has one: shown by two people, they are recognized like
    // a document.
    let person = text("sub").filter(|_| rule.subject == SubjectKind::Stable);
    let shown = [("openid_process", process), ("openid_subject", person)];
    let issuer = text("iss").unwrap_or_default();
    proof.numbers.extend(shown.into_iter().filter_map(|(kind, id)| Some(number(kind, issuer, id?))));
    proof
}

fn unclear(reason: &str) -> Proof {
    Proof {
        decision: Judgement::Warning,
        score: None,
        reasons: vec![reason.to_owned()],
        checks: BTreeMap::new(),
        document: None,
        numbers: Vec::new(),
        fingerprints: Vec::new(),
        same_face: Vec::new(),
        completed_at: None,
    }
}

/// One element with a framework that counts.
struct Element<'a> {
    verification: &'a Map<String, Value>,
    claims: &'a Map<String, Value>,
}

impl<'a> Element<'a> {
    fn read(element: &'a Value, accept: &Accept) -> Option<Self> {
        let verification = element.get("verification")?.as_object()?;
        let claims = element.get("claims")?.as_object()?;
        let framework = verification.get("trust_framework")?.as_str()?;
        // The same framework is written with either character.
        let plain = |text: &str| text.replace('_', "-");
        let counts = accept.trust_framework.iter().any(|accepted| plain(accepted) == plain(framework));
        counts.then_some(Self { verification, claims })
    }

    fn judge(&self, rule: Rule<'_>) -> Proof {
        let level = self.verification.get("assurance_level");
        let levels = &rule.accept.assurance_level;
        let failed = match (level, rule.dialect) {
            _ if levels.is_empty() => false,
            (Some(Value::String(level)), _) => !levels.contains(level),
            (Some(Value::Null), Dialect::Okta) => true,
            (Some(_) | None, _) => return unclear(NO_CLAIMS),
        };
        let values: BTreeMap<&str, Claim<'_>> =
            self.claims.iter().map(|(name, value)| (name.as_str(), Claim::read(name, value))).collect();
        let mut proof = unclear("");
        proof.completed_at = self.time();
        proof.reasons = if failed {
            let null = |(name, claim): (&&str, &Claim<'_>)| match claim {
                Claim::Null => Some(format!("{NOT_VERIFIED}:{name}")),
                Claim::Value(_) | Claim::Matched | Claim::Odd => None,
            };
            let names: Vec<String> = values.iter().filter_map(null).collect();
            if names.is_empty() { vec![NOT_VERIFIED.to_owned()] } else { names }
        } else {
            self.age(rule).map(str::to_owned).into_iter().collect()
        };
        proof.decision = match (failed, proof.reasons.is_empty()) {
            (true, _) => Judgement::Rejected,
            (false, true) => Judgement::Passed,
            (false, false) => Judgement::Warning,
        };
        if failed {
            return proof;
        }
        let verified = |(name, claim): (&&str, &Claim<'_>)| match claim {
            Claim::Value(_) | Claim::Matched => Some(((*name).to_owned(), Judgement::Passed)),
            // A required check that is missing keeps the result from passing.
            Claim::Null | Claim::Odd => None,
        };
        proof.checks = values.iter().filter_map(verified).collect();
        let text = |name: &str| match values.get(name) {
            Some(Claim::Value(text)) => Some((*text).to_owned()),
            Some(Claim::Matched | Claim::Null | Claim::Odd) | None => None,
        };
        proof.document = Some(Document {
            first_name: text("given_name"),
            last_name: text("family_name"),
            date_of_birth: text("birthdate").and_then(|text| text.parse::<NaiveDate>().ok()),
            ..Document::default()
        });
        proof
    }

    fn time(&self) -> Option<Timestamp> {
        let text = self.verification.get("time")?.as_str()?;
        // Some vendors leave out the zone.
        let without_zone = || text.parse::<NaiveDateTime>().ok().map(|at| at.and_utc());
        DateTime::parse_from_rfc3339(text).ok().map(|at| at.to_utc()).or_else(without_zone)
    }

    /// Returns why the time of the verification keeps it from counting.
    fn age(&self, rule: Rule<'_>) -> Option<&'static str> {
        let Some(at) = self.time() else { return Some(NO_TIME) };
        let age = rule.accept.max_age.and_then(crate::model::Span::elapsed);
        let oldest = age.map_or(rule.started - EARLIER, |age| rule.now - age);
        (at < oldest || at > rule.now + LATER).then_some(TOO_OLD)
    }

    fn process(&self) -> Option<&'a str> {
        self.verification.get("verification_process")?.as_str()
    }
}

fn number(kind: &str, issuer: &str, id: &str) -> DocumentNumber {
    // A hash, because fingerprints ignore case and separators.
    let hash = Sha256::new().chain_update(issuer).chain_update([0]).chain_update(id).finalize();
    DocumentNumber { kind: Some(kind.to_owned()), country: None, number: Secret::new(HEXLOWER.encode(&hash)) }
}

/// A claim as the provider answers it.
enum Claim<'a> {
    Value(&'a str),
    Matched,
    Null,
    Odd,
}

impl<'a> Claim<'a> {
    fn read(name: &str, value: &'a Value) -> Self {
        match (name, value) {
            // These have members or items of their own, which are not compared.
            ("address" | "place_of_birth", Value::Object(members)) if !members.contains_key("value") => {
                if members.values().any(|value| !value.is_null()) {
                    Self::Matched
                } else {
                    Self::Null
                }
            }
            ("nationalities", Value::Array(items)) if items.iter().any(Value::is_string) => Self::Matched,
            (_, Value::Object(members)) => members.get("value").map_or(Self::Odd, Self::plain),
            (_, value) => Self::plain(value),
        }
    }

    fn plain(value: &'a Value) -> Self {
        match value {
            Value::Null => Self::Null,
            Value::String(text) if text == MATCHED => Self::Matched,
            Value::String(text) if !text.trim().is_empty() => Self::Value(text),
            Value::String(_) | Value::Object(_) | Value::Bool(_) | Value::Number(_) | Value::Array(_) => {
                Self::Odd
            }
        }
    }
}
