//! Converts a finished run: pure, from Jumio's answer to a proof.
//!
//! The basis of an approval is never guessed. A judgement that is missing, of another type or not one of the four known
//! words is `Unknown`, which is no pass; the policy decides whether that check is required. Labels are open words,
//! because Jumio adds to them without notice. A field of another type than documented counts as missing. Only the ids
//! of the run must be readable; otherwise the whole answer fails.

use std::collections::BTreeMap;

use chrono::DateTime;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Number, Value};

use super::api::plain;
use super::document::{self, Credential, Extracted};
use crate::model::{Judgement, Proof, Timestamp};

/// The answer. Note `workflow`: the status answer and the callback call it `workflowExecution`.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Details {
    pub(super) workflow: Workflow,
    pub(super) account: Account,
    #[serde(default, deserialize_with = "lenient")]
    completed_at: Option<Loose>,
    wiped_out_at: Option<Value>,
    #[serde(default, deserialize_with = "decision")]
    decision: Option<Decision>,
    #[serde(default, deserialize_with = "lenient")]
    credentials: Option<Vec<Credential>>,
    #[serde(default, deserialize_with = "capabilities")]
    capabilities: BTreeMap<String, Vec<Capability>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Workflow {
    pub(super) id: String,
    #[serde(default, deserialize_with = "lenient")]
    pub(super) status: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    pub(super) customer_internal_reference: Option<Loose>,
    #[serde(default, deserialize_with = "lenient")]
    definition_key: Option<Loose>,
}

#[derive(Deserialize)]
pub(super) struct Account {
    pub(super) id: String,
}

struct Decision {
    judgement: Judgement,
    label: Option<String>,
    score: Option<f64>,
}

/// One check of a run, about one or more of the captured credentials.
struct Capability {
    decision: Decision,
    /// `None`: unknown.
    credentials: Option<Vec<Credential>>,
    extracted: Option<Extracted>,
    same_face: Vec<Loose>,
}

/// Reads a field of another type than documented as if it were missing.
pub(super) fn lenient<'de, D: Deserializer<'de>, T: DeserializeOwned>(
    deserializer: D,
) -> Result<Option<T>, D::Error> {
    Value::deserialize(deserializer).map(taken)
}

fn taken<T: DeserializeOwned>(value: Value) -> Option<T> {
    serde_json::from_value(value).ok()
}

fn decision<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Decision>, D::Error> {
    let value = Value::deserialize(deserializer)?;
    // The value is null until a decision exists.
    Ok((!value.is_null()).then(|| Decision::read(&value)))
}

fn capabilities<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<BTreeMap<String, Vec<Capability>>, D::Error> {
    let all: Map<String, Value> = taken(Value::deserialize(deserializer)?).unwrap_or_default();
    let entries = |value: Value| match value {
        Value::Null => Vec::new(),
        Value::Array(items) => items.iter().map(Capability::read).collect(),
        // An entry that is not in a list has no known meaning.
        other => vec![Capability { decision: Decision::read(&Value::Null), ..Capability::read(&other) }],
    };
    Ok(all.into_iter().map(|(name, value)| (name, entries(value))).collect())
}

impl Decision {
    fn read(value: &Value) -> Self {
        let text = |place: &str| taken::<Loose>(value.pointer(place)?.clone())?.text();
        let judgement = match value.get("type").and_then(Value::as_str) {
            Some("PASSED") => Judgement::Passed,
            Some("WARNING") => Judgement::Warning,
            Some("REJECTED") => Judgement::Rejected,
            Some("NOT_EXECUTED") => Judgement::NotExecuted,
            Some(_) | None => Judgement::Unknown,
        };
        // -1 means that there is no score; as a number it would be the lowest risk of all.
        let score = text("/risk/score").and_then(|score| score.parse::<f64>().ok());
        let score = score.filter(|score| score.is_finite() && *score >= 0.0);
        Self { judgement, label: text("/details/label").map(|label| plain(&label, LONGEST_LABEL)), score }
    }

    /// Returns why the decision is no pass.
    fn reason(&self) -> String {
        self.label.clone().unwrap_or_else(|| word(self.judgement).to_owned())
    }
}

/// Returns Jumio's word for a judgement, which it also uses in place of a missing label.
fn word(judgement: Judgement) -> &'static str {
    match judgement {
        Judgement::Passed => "PASSED",
        Judgement::Warning => "WARNING",
        Judgement::Rejected => "REJECTED",
        Judgement::NotExecuted => "NOT_EXECUTED",
        Judgement::Unknown => "UNKNOWN",
    }
}

impl Capability {
    fn read(value: &Value) -> Self {
        let data = value.get("data").unwrap_or(&Value::Null);
        Self {
            decision: Decision::read(value.get("decision").unwrap_or(&Value::Null)),
            credentials: value.get("credentials").and_then(|list| taken(list.clone())),
            extracted: taken(data.clone()),
            same_face: same_face(data.get("faceSearchFindings").unwrap_or(&Value::Null)),
        }
    }
}

/// Returns the runs with the same face. A search that is in progress or failed returns none: a caller must not take a
/// part of the list for the whole.
fn same_face(findings: &Value) -> Vec<Loose> {
    let status = findings.get("status").and_then(|status| taken::<Loose>(status.clone())?.text());
    match status {
        Some(status) if status != "DONE" => Vec::new(),
        Some(_) | None => findings.get("findings").cloned().and_then(taken).unwrap_or_default(),
    }
}

#[derive(Deserialize)]
pub(super) struct Steps {
    steps: Option<Vec<Step>>,
}

#[derive(Deserialize)]
struct Step {
    decision: Option<StepDecision>,
}

#[derive(Deserialize)]
struct StepDecision {
    reasons: Option<Vec<Reason>>,
}

#[derive(Deserialize)]
struct Reason {
    label: Option<Loose>,
    #[serde(rename = "type")]
    word: Option<Loose>,
}

/// A text or a number: Jumio documents one and sometimes sends the other.
#[derive(Deserialize, Clone)]
#[serde(untagged)]
pub(super) enum Loose {
    Text(String),
    Number(Number),
}

impl Loose {
    /// Returns the text, or `None` if the field has no content.
    pub(super) fn text(self) -> Option<String> {
        let text = match self {
            Self::Text(text) => text,
            Self::Number(number) => number.to_string(),
        };
        let text = text.trim();
        (!text.is_empty() && text != "N/A").then(|| text.to_owned())
    }

    fn moment(self) -> Option<Timestamp> {
        Some(DateTime::parse_from_rfc3339(&self.text()?).ok()?.to_utc())
    }
}

impl Details {
    fn entries(&self) -> impl Iterator<Item = &Capability> {
        self.capabilities.values().flatten()
    }

    /// Returns whether the data was deleted. A decision outlives the data, but proves nothing without its checks; if
    /// both remain, they count as usual.
    pub(super) fn is_wiped(&self) -> bool {
        let wiped = self.wiped_out_at.as_ref().is_some_and(|at| !at.is_null());
        wiped && (self.decision.is_none() || self.entries().next().is_none())
    }

    /// Returns whether the run ended without a single check, though its status does not show it. The decision of such a
    /// run may be REJECTED with the highest risk, although no check failed.
    pub(super) fn has_no_checks(&self) -> bool {
        let Some(decision) = &self.decision else { return false };
        let unmade = self.entries().all(|entry| entry.decision.judgement == Judgement::NotExecuted);
        match decision.judgement {
            Judgement::Passed | Judgement::Unknown => false,
            // A deleted result also has no checks at all.
            Judgement::Warning | Judgement::Rejected => unmade && self.entries().next().is_some(),
            // With another label the failure is Jumio's and must be reported.
            Judgement::NotExecuted => {
                unmade && matches!(decision.label.as_deref(), Some("SESSION_EXPIRED" | "TOKEN_EXPIRED"))
            }
        }
    }

    /// Returns whether the workflow is of the generation whose results never have a decision.
    pub(super) fn never_decides(&self) -> bool {
        let key = self.workflow.definition_key.clone().and_then(Loose::text);
        let older = key.and_then(|key| key.parse::<u32>().ok()).is_some_and(|key| key < 10_000);
        older && self.decision.is_none() && self.entries().next().is_some()
    }
}

/// Checks that count for an identity document only if they examined one.
const OF_AN_ID: [&str; 4] = ["dataChecks", "extraction", "imageChecks", "similarity"];

/// Returns the proof in the details of a finished run, or `None` while the decision is missing.
pub(super) fn proof(details: Details) -> Option<Proof> {
    let Details { workflow, completed_at, decision, credentials, capabilities, .. } = details;
    let decision = decision?;
    let captured = credentials.unwrap_or_default();
    let mut proof = Proof {
        decision: decision.judgement,
        score: decision.score,
        reasons: Vec::new(),
        checks: BTreeMap::new(),
        document: None,
        numbers: Vec::new(),
        fingerprints: Vec::new(),
        same_face: Vec::new(),
        completed_at: completed_at.and_then(Loose::moment),
    };
    let mut labels = Vec::new();
    for (name, entries) in &capabilities {
        let Some(worst) =
            entries.iter().map(|entry| entry.decision.judgement).max_by_key(|one| severity(*one))
        else {
            continue;
        };
        let links: Vec<_> =
            entries.iter().map(|entry| document::is_of_id(entry.credentials.as_deref(), &captured)).collect();
        // A passed check of a bill is no passed check of an identity document.
        let another = |entry: &Capability| document::is_of_another(entry.credentials.as_deref(), &captured);
        // A selfie that is compared with a stored document has no document next to it.
        let only_others = OF_AN_ID.contains(&name.as_str())
            && links.iter().all(|link| *link == Some(false))
            && (name != "similarity" || entries.iter().any(another));
        let unmade = only_others && worst == Judgement::Passed;
        proof.checks.insert(name.clone(), if unmade { Judgement::NotExecuted } else { worst });
        for entry in entries {
            let judgement = entry.decision.judgement;
            if !matches!(judgement, Judgement::Passed | Judgement::Unknown) {
                labels.push((severity(judgement), entry.decision.reason()));
            }
            for run in entry.same_face.iter().cloned().filter_map(Loose::text) {
                if run != workflow.id && !proof.same_face.contains(&run) {
                    proof.same_face.push(run);
                }
            }
        }
        if name == "extraction" {
            let read =
                entries.iter().zip(links).filter_map(|(entry, link)| Some((link, entry.extracted.as_ref()?)));
            let read: Vec<_> = read.collect();
            proof.document = document::of_ids(&read, &captured);
            proof.numbers = document::numbers(&read, &captured);
        }
    }
    // The most severe first; equal ones by capability: the order does not depend on Jumio's.
    labels.sort_by_key(|(severity, _)| std::cmp::Reverse(*severity));
    if !matches!(proof.decision, Judgement::Passed | Judgement::Unknown) {
        // Usually just the judgement's own word; a tenant's rule puts its reason here.
        let own = decision.reason();
        if own != word(decision.judgement) {
            labels.push((0, own));
        }
    }
    for (_, label) in labels {
        if !proof.reasons.contains(&label) {
            proof.reasons.push(label);
        }
    }
    Some(proof)
}

/// Returns the reasons in the steps for checks that did not pass.
pub(super) fn reasons(steps: Steps) -> Vec<String> {
    let steps = steps.steps.into_iter().flatten().filter_map(|step| step.decision);
    steps
        .flat_map(|decision| decision.reasons.unwrap_or_default())
        .filter(|reason| !matches!(&reason.word, Some(Loose::Text(word)) if word == "PASSED"))
        .filter_map(|reason| reason.label?.text())
        .map(|label| plain(&label, LONGEST_LABEL))
        .collect()
}

const LONGEST_LABEL: usize = 100;

/// Ranks a judgement among several of one check. A check that was not made is worse than one with doubts, because it
/// has no result at all.
fn severity(judgement: Judgement) -> u8 {
    match judgement {
        Judgement::Passed => 0,
        Judgement::Warning => 1,
        Judgement::Unknown => 2,
        Judgement::NotExecuted => 3,
        Judgement::Rejected => 4,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{Just, Strategy, any, prop_oneof, proptest};
    use serde_json::{Value, json};

    use super::*;

    fn passed() -> Value {
        let check =
            |label: &str| json!([{"id": "1", "decision": {"type": "PASSED", "details": {"label": label}}}]);
        json!({
            "workflow": {"id": "run", "status": "PROCESSED", "customerInternalReference": "case-1.2.1"},
            "account": {"id": "account"},
            "completedAt": "2026-01-15T10:02:31.075Z",
            "decision": {"type": "PASSED", "details": {"label": "PASSED"}, "risk": {"score": 0.0}},
            "capabilities": {
                "liveness": check("OK"),
                "similarity": check("MATCH"),
                "usability": [
                    {"decision": {"type": "PASSED", "details": {"label": "OK"}}},
                    {"decision": {"type": "PASSED", "details": {"label": "OK"}}}
                ],
                "imageChecks": [{
                    "decision": {"type": "WARNING", "details": {"label": "REPEATED_FACE"}},
                    "data": {"faceSearchFindings": {"status": "DONE", "findings": ["earlier"]}}
                }],
                "extraction": [{
                    "decision": {"type": "PASSED", "details": {"label": "OK"}},
                    "data": {"type": "PASSPORT", "firstName": "ALEX", "dateOfBirth": "1990-01-01",
                        "dateOfBirthParts": {"year": "1990", "month": "01", "day": "01"}}
                }]
            }
        })
    }

    /// Collects the paths of all values in a document.
    fn places(value: &Value, at: &str, found: &mut Vec<String>) {
        found.push(at.to_owned());
        match value {
            Value::Object(fields) => {
                fields.iter().for_each(|(key, value)| places(value, &format!("{at}/{key}"), found));
            }
            Value::Array(items) => {
                items.iter().enumerate().for_each(|(n, value)| places(value, &format!("{at}/{n}"), found));
            }
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }

    fn odd() -> impl Strategy<Value = Value> {
        prop_oneof![
            Just(json!(null)),
            Just(json!([])),
            Just(json!({})),
            Just(json!([[]])),
            Just(json!({"type": "PASSED"})),
            prop_oneof![
                Just("PASSED"),
                Just("WARNING"),
                Just("REJECTED"),
                Just("NOT_EXECUTED"),
                Just("passed")
            ]
            .prop_map(Value::from),
            any::<String>().prop_map(Value::from),
            any::<bool>().prop_map(Value::from),
            any::<f64>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
        ]
    }

    /// Returns whether Jumio's answer has PASSED for every entry of a capability, read without the types above.
    fn says_passed(answer: &Value, capability: &str) -> bool {
        answer["capabilities"][capability].as_array().is_some_and(|entries| {
            !entries.is_empty() && entries.iter().all(|entry| entry["decision"]["type"] == "PASSED")
        })
    }

    proptest! {
        /// However an answer is damaged: no panic, and no check passes that Jumio did not pass.
        #[test]
        fn a_damaged_result_never_passes(damage in proptest::collection::vec((any::<proptest::sample::Index>(), odd()), 0..4)) {
            let mut answer = passed();
            for (index, value) in damage {
                let mut found = Vec::new();
                places(&answer, "", &mut found);
                if let Some(place) = answer.pointer_mut(&found[index.index(found.len())]) {
                    *place = value;
                }
            }
            let Ok(details) = serde_json::from_value::<Details>(answer.clone()) else { return Ok(()) };
            assert!(answer["workflow"]["id"].is_string() && answer["account"]["id"].is_string(), "{answer}");
            if details.has_no_checks() {
                assert_ne!(answer["decision"]["type"], "PASSED", "{answer}");
                assert!(!says_passed(&answer, "liveness"), "somebody was seen in {answer}");
            }
            let Some(proof) = proof(details) else { return Ok(()) };
            assert_eq!(proof.decision == Judgement::Passed, answer["decision"]["type"] == "PASSED", "{answer}");
            for (name, judgement) in &proof.checks {
                assert!(*judgement != Judgement::Passed || says_passed(&answer, name), "{name} in {answer}");
            }
            assert!(proof.score.is_none_or(|score| score >= 0.0), "{answer}");
            assert!(proof.reasons.iter().all(|reason| reason.chars().count() <= LONGEST_LABEL), "{answer}");
        }
    }

    #[test]
    fn an_undamaged_result_is_read_completely() {
        let proof = proof(serde_json::from_value(passed()).unwrap()).unwrap();
        assert_eq!(proof.reasons, ["REPEATED_FACE"]);
        assert_eq!(proof.same_face, ["earlier"]);
        assert_eq!(proof.checks.len(), 5);
    }
}
