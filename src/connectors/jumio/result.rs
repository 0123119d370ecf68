//! A finished run in our words: pure, from Jumio's answer to a proof.
//!
//! What an approval may rest on is read strictly: a judgement that is missing, of the wrong type or not one of
//! the four known words makes the answer unreadable, and an unreadable answer decides nothing. Labels are open
//! words, because Jumio adds to them without notice. Fields that nobody asked for are ignored.

use std::collections::BTreeMap;

use chrono::{DateTime, NaiveDate};
use serde::Deserialize;
use serde_json::Number;

use super::api::plain;
use crate::model::{Document, Judgement, Proof, Timestamp};

/// The answer. Note `workflow`: the status answer and the callback call it `workflowExecution`.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Details {
    pub(super) workflow: Workflow,
    pub(super) account: Account,
    completed_at: Option<Loose>,
    wiped_out_at: Option<Loose>,
    decision: Option<Decision>,
    capabilities: Option<BTreeMap<String, Option<Vec<Capability>>>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Workflow {
    pub(super) id: String,
    pub(super) status: String,
    pub(super) customer_internal_reference: Option<Loose>,
    definition_key: Option<Loose>,
}

#[derive(Deserialize)]
pub(super) struct Account {
    pub(super) id: String,
}

#[derive(Deserialize)]
struct Decision {
    #[serde(rename = "type")]
    word: Word,
    details: Option<Label>,
    risk: Option<Risk>,
}

#[derive(Deserialize)]
struct Label {
    label: Option<Loose>,
}

#[derive(Deserialize)]
struct Risk {
    score: Option<Loose>,
}

#[derive(Deserialize)]
struct Capability {
    decision: Decision,
    data: Option<Data>,
}

/// What capabilities know beside their judgement; each fills its own fields.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Data {
    #[serde(rename = "type")]
    kind: Option<Loose>,
    issuing_country: Option<Loose>,
    first_name: Option<Loose>,
    last_name: Option<Loose>,
    date_of_birth: Option<Loose>,
    date_of_birth_parts: Option<Parts>,
    expiry_date: Option<Loose>,
    face_search_findings: Option<Findings>,
}

#[derive(Deserialize)]
struct Parts {
    year: Option<Loose>,
    month: Option<Loose>,
    day: Option<Loose>,
}

#[derive(Deserialize)]
struct Findings {
    status: Option<Loose>,
    findings: Option<Vec<Loose>>,
}

impl Findings {
    /// The runs with the same face. A search that is still going on or failed tells none: who compares the
    /// list with a person's own runs must not take a part of it for the whole.
    fn whole(self) -> Vec<Loose> {
        match self.status.and_then(Loose::text) {
            Some(status) if status != "DONE" => Vec::new(),
            Some(_) | None => self.findings.unwrap_or_default(),
        }
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

#[derive(Deserialize, Clone, Copy)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
enum Word {
    Passed,
    Warning,
    Rejected,
    NotExecuted,
}

impl Word {
    fn judgement(self) -> Judgement {
        match self {
            Self::Passed => Judgement::Passed,
            Self::Warning => Judgement::Warning,
            Self::Rejected => Judgement::Rejected,
            Self::NotExecuted => Judgement::NotExecuted,
        }
    }

    fn as_str(self) -> &'static str {
        match self {
            Self::Passed => "PASSED",
            Self::Warning => "WARNING",
            Self::Rejected => "REJECTED",
            Self::NotExecuted => "NOT_EXECUTED",
        }
    }
}

/// A text or a number: Jumio documents one and sends the other in places.
#[derive(Deserialize, Clone)]
#[serde(untagged)]
pub(super) enum Loose {
    Text(String),
    Number(Number),
}

impl Loose {
    /// The text; none where the field is there but says nothing.
    pub(super) fn text(self) -> Option<String> {
        let text = match self {
            Self::Text(text) => text,
            Self::Number(number) => number.to_string(),
        };
        let text = text.trim();
        (!text.is_empty() && text != "N/A").then(|| text.to_owned())
    }

    fn date(self) -> Option<NaiveDate> {
        // Some fields carry a time behind the day.
        self.text()?.get(..10)?.parse().ok()
    }

    fn moment(self) -> Option<Timestamp> {
        Some(DateTime::parse_from_rfc3339(&self.text()?).ok()?.to_utc())
    }

    fn number(self) -> Option<f64> {
        self.text()?.parse().ok()
    }
}

impl Details {
    fn entries(&self) -> impl Iterator<Item = &Capability> {
        self.capabilities.iter().flat_map(BTreeMap::values).flatten().flatten()
    }

    /// Whether the data was deleted. A decision outlives the data, but without the checks it rests on it
    /// proves nothing; what was left of both counts as usual.
    pub(super) fn is_wiped(&self) -> bool {
        self.wiped_out_at.is_some() && (self.decision.is_none() || self.entries().next().is_none())
    }

    /// Whether the run is over without a single check having been made, though its status does not say so.
    /// The decision of such a run may be REJECTED with the highest risk, and nobody failed.
    pub(super) fn nobody_came(&self) -> bool {
        let Some(Decision { word, details, .. }) = &self.decision else { return false };
        let unmade = self.entries().all(|entry| matches!(entry.decision.word, Word::NotExecuted));
        let label = details.as_ref().and_then(|details| details.label.clone()).and_then(Loose::text);
        match word {
            Word::Passed => false,
            // No checks at all is also what a deleted result looks like.
            Word::Warning | Word::Rejected => unmade && self.entries().next().is_some(),
            // With another label Jumio failed, which is worth telling.
            Word::NotExecuted => {
                unmade && matches!(label.as_deref(), Some("SESSION_EXPIRED" | "TOKEN_EXPIRED"))
            }
        }
    }

    /// Whether the workflow is of the generation whose results never have a decision.
    pub(super) fn never_decides(&self) -> bool {
        let key = self.workflow.definition_key.clone().and_then(Loose::text);
        let older = key.and_then(|key| key.parse::<u32>().ok()).is_some_and(|key| key < 10_000);
        older && self.decision.is_none() && self.entries().next().is_some()
    }
}

/// The proof in the details of a finished run. None while the decision is not there yet.
pub(super) fn proof(details: Details) -> Option<Proof> {
    let Details { workflow, completed_at, decision, capabilities, .. } = details;
    let decision = decision?;
    let mut proof = Proof {
        decision: decision.word.judgement(),
        score: decision.risk.and_then(|risk| risk.score).and_then(Loose::number).filter(|score| {
            // -1 means that there is no score; as a number it would be the lowest risk of all.
            score.is_finite() && *score >= 0.0
        }),
        reasons: Vec::new(),
        checks: BTreeMap::new(),
        document: None,
        same_face: Vec::new(),
        completed_at: completed_at.and_then(Loose::moment),
    };
    let mut labels = Vec::new();
    for (name, entries) in capabilities.unwrap_or_default() {
        for Capability { decision, data } in entries.unwrap_or_default() {
            let judgement = decision.word.judgement();
            let worst = proof.checks.entry(name.clone()).or_insert(judgement);
            if severity(judgement) > severity(*worst) {
                *worst = judgement;
            }
            if judgement != Judgement::Passed {
                labels.push((severity(judgement), label(decision.word, decision.details)));
            }
            let Some(mut data) = data else { continue };
            let findings = data.face_search_findings.take().map(Findings::whole);
            for run in findings.into_iter().flatten().filter_map(Loose::text) {
                if run != workflow.id && !proof.same_face.contains(&run) {
                    proof.same_face.push(run);
                }
            }
            if name == "extraction" && proof.document.is_none() {
                proof.document = document(data);
            }
        }
    }
    // The gravest first; within a grade by capability, so that the order does not depend on Jumio's.
    labels.sort_by_key(|(severity, _)| std::cmp::Reverse(*severity));
    if proof.decision != Judgement::Passed {
        // Usually just the judgement's own word; a tenant's rule puts its reason here.
        let own = label(decision.word, decision.details);
        if own != decision.word.as_str() {
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

/// What the steps give as reasons for what did not pass.
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

fn label(word: Word, details: Option<Label>) -> String {
    details
        .and_then(|details| details.label?.text())
        .map_or_else(|| word.as_str().to_owned(), |label| plain(&label, LONGEST_LABEL))
}

/// How bad a judgement is for a check of which there are several: a check that was not made is worse than one
/// with doubts, because it says nothing at all.
fn severity(judgement: Judgement) -> u8 {
    match judgement {
        Judgement::Passed => 0,
        Judgement::Warning => 1,
        Judgement::NotExecuted => 2,
        Judgement::Rejected => 3,
    }
}

fn document(data: Data) -> Option<Document> {
    let parts = data.date_of_birth_parts.and_then(|parts| {
        let number = |part: Option<Loose>| part?.text()?.parse::<u32>().ok();
        let year = i32::try_from(number(parts.year)?).ok()?;
        NaiveDate::from_ymd_opt(year, number(parts.month)?, number(parts.day)?)
    });
    let document = Document {
        kind: data.kind.and_then(Loose::text),
        country: data.issuing_country.and_then(Loose::text),
        first_name: data.first_name.and_then(Loose::text),
        last_name: data.last_name.and_then(Loose::text),
        date_of_birth: data.date_of_birth.and_then(Loose::date).or(parts),
        expires_on: data.expiry_date.and_then(Loose::date),
    };
    (document != Document::default()).then_some(document)
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

    /// The addresses of all values in a document.
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

    /// Whether Jumio's answer says PASSED for every entry of a capability, read without the types above.
    fn says_passed(answer: &Value, capability: &str) -> bool {
        answer["capabilities"][capability].as_array().is_some_and(|entries| {
            !entries.is_empty() && entries.iter().all(|entry| entry["decision"]["type"] == "PASSED")
        })
    }

    proptest! {
        /// However an answer is damaged: no panic, and nothing passes that Jumio does not say passed.
        #[test]
        fn damage_never_passes(damage in proptest::collection::vec((any::<proptest::sample::Index>(), odd()), 0..4)) {
            let mut answer = passed();
            for (index, value) in damage {
                let mut found = Vec::new();
                places(&answer, "", &mut found);
                if let Some(place) = answer.pointer_mut(&found[index.index(found.len())]) {
                    *place = value;
                }
            }
            let Ok(details) = serde_json::from_value::<Details>(answer.clone()) else { return Ok(()) };
            if details.nobody_came() {
                assert_ne!(answer["decision"]["type"], "PASSED", "{answer}");
                assert!(!says_passed(&answer, "liveness"), "somebody was seen in {answer}");
            }
            let Some(proof) = proof(details) else { return Ok(()) };
            assert_eq!(proof.decision == Judgement::Passed, answer["decision"]["type"] == "PASSED", "{answer}");
            for (name, judgement) in &proof.checks {
                assert_eq!(*judgement == Judgement::Passed, says_passed(&answer, name), "{name} in {answer}");
            }
            assert!(proof.score.is_none_or(|score| score >= 0.0), "{answer}");
            assert!(proof.reasons.iter().all(|reason| reason.chars().count() <= LONGEST_LABEL), "{answer}");
        }
    }

    #[test]
    fn undamaged() {
        let proof = proof(serde_json::from_value(passed()).unwrap()).unwrap();
        assert_eq!(proof.reasons, ["REPEATED_FACE"]);
        assert_eq!(proof.same_face, ["earlier"]);
        assert_eq!(proof.checks.len(), 5);
    }
}
