//! Translates a vendor's proof into a policy outcome. Stateless: takes a proof and returns a judgement.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::comparison::{Difference, Forms, compare};
use crate::model::{Judgement, Method, Proof, Subject, Timestamp};
use crate::policy::outcome::ProofOutcome;
use crate::policy::tree::Verification;

/// The result of a proof for the step.
#[derive(Debug, PartialEq)]
pub(super) struct Judged {
    /// `None`: the attempt ended without a result, and the person may try again.
    pub outcome: Option<ProofOutcome>,
    pub reasons: Vec<String>,
    /// Compared fields that do not match, including fields that could not be compared.
    pub mismatches: Vec<String>,
}

/// The fields that a policy compares.
#[derive(Debug, Clone, Copy)]
pub(super) struct Compared<'a> {
    pub fields: &'a [String],
    /// Fields that are skipped if they are not registered.
    pub optional: &'a [String],
}

const NOT_COMPARABLE: &str = "not_comparable";
const UNKNOWN_DECISION: &str = "unknown_decision";

/// Another person has shown the same document.
pub(super) const SEEN_BEFORE: &str = "document_seen_before";
/// The person's registered values changed since their face was enrolled.
pub(super) const CHANGED: &str = "changed_since_enrolled";

impl Judged {
    /// Turns a pass into a warning, which reviewers check, with a reason. A warning gets the reason too.
    pub fn doubt(&mut self, reason: &str) {
        match self.outcome {
            Some(ProofOutcome::Passed | ProofOutcome::Warning) => {
                self.outcome = Some(ProofOutcome::Warning);
                self.reasons.push(reason.to_owned());
            }
            Some(ProofOutcome::Rejected | ProofOutcome::NoResponse | ProofOutcome::Unavailable) | None => {}
        }
    }
}

/// The label under which a provider reports that it saw the same face in another run.
const REPEATED_FACE: &str = "REPEATED_FACE";

/// Clears a repeated-face warning that only the person's own earlier sessions caused. `own` are the person's known
/// runs.
fn forgive_own_face(proof: &Proof, own: &BTreeSet<String>) -> Option<Proof> {
    let only_the_face = proof.decision == Judgement::Warning
        && !proof.reasons.is_empty()
        && proof.reasons.iter().all(|reason| reason == REPEATED_FACE);
    let only_mine = !proof.same_face.is_empty() && proof.same_face.iter().all(|run| own.contains(run));
    if !(only_the_face && only_mine) {
        return None;
    }
    let mut forgiven = proof.clone();
    forgiven.decision = Judgement::Passed;
    forgiven.reasons.clear();
    // The only warning comes from the face search; its check passes.
    for check in forgiven.checks.values_mut().filter(|check| **check == Judgement::Warning) {
        *check = Judgement::Passed;
    }
    Some(forgiven)
}

/// Judges a proof. A pass counts only if all required checks passed and the document matches the registration.
/// Otherwise it is a warning, which reviewers check.
pub(super) fn judge(
    proof: &Proof,
    verification: &Verification,
    compared: Compared<'_>,
    subject: &Subject,
    own: &BTreeSet<String>,
) -> Judged {
    let forgiven = forgive_own_face(proof, own);
    let proof = forgiven.as_ref().unwrap_or(proof);
    // A selfie shows no document: the enrolled face was compared with a document earlier.
    let fields = if verification.method == Method::Authentication { &[] } else { compared.fields };
    let mut reasons = proof.reasons.clone();
    let differences = || compare(fields, compared.optional, subject, proof.document.as_ref());
    match proof.decision {
        Judgement::NotExecuted => Judged { outcome: None, reasons, mismatches: Vec::new() },
        Judgement::Unknown => {
            reasons.push(UNKNOWN_DECISION.to_owned());
            let mismatches = mismatched_fields(differences(), &mut reasons);
            Judged { outcome: Some(ProofOutcome::Warning), reasons, mismatches }
        }
        Judgement::Rejected => {
            Judged { outcome: Some(ProofOutcome::Rejected), reasons, mismatches: Vec::new() }
        }
        Judgement::Warning => {
            let mismatches = mismatched_fields(differences(), &mut reasons);
            Judged { outcome: Some(ProofOutcome::Warning), reasons, mismatches }
        }
        Judgement::Passed => {
            let before = reasons.len();
            reasons.extend(verification.require.iter().filter_map(|name| lacking(name, proof)));
            let mismatches = mismatched_fields(differences(), &mut reasons);
            let clean = reasons.len() == before && mismatches.is_empty();
            Judged {
                outcome: Some(if clean { ProofOutcome::Passed } else { ProofOutcome::Warning }),
                reasons,
                mismatches,
            }
        }
    }
}

/// Returns why a required check did not pass.
fn lacking(name: &str, proof: &Proof) -> Option<String> {
    match proof.checks.get(name) {
        Some(Judgement::Passed) => None,
        Some(Judgement::Unknown) => Some(format!("{UNKNOWN_DECISION}:{name}")),
        Some(Judgement::Warning | Judgement::Rejected | Judgement::NotExecuted) | None => {
            Some(format!("required_check_missing:{name}"))
        }
    }
}

/// Returns the fields that do not match, and adds a reason for each field that could not be compared.
fn mismatched_fields(differences: Vec<Difference>, reasons: &mut Vec<String>) -> Vec<String> {
    let unread = differences.iter().filter(|difference| difference.not_comparable);
    reasons.extend(unread.map(|difference| format!("{NOT_COMPARABLE}:{}", difference.field)));
    differences.into_iter().map(|difference| difference.field).collect()
}

/// Adds the compared forms of fields to the document data: both have the same visibility.
pub(super) fn with_forms(mut value: Value, forms: &[Forms]) -> Value {
    if let Some(document) = value.get_mut("document").and_then(Value::as_object_mut) {
        document.insert("compared".to_owned(), json!(forms));
    }
    value
}

/// Returns `steps.<id>` of a verification: every key is present, as null or an empty list if empty.
pub(super) fn record(
    outcome: Option<ProofOutcome>,
    judged: Option<&Judged>,
    proof: Option<&Proof>,
    at: Option<Timestamp>,
) -> Value {
    let document = proof.and_then(|proof| proof.document.clone()).unwrap_or_default();
    json!({
        "outcome": outcome.map(ProofOutcome::word),
        "reasons": judged.map_or(&[][..], |judged| &judged.reasons),
        "score": proof.and_then(|proof| proof.score),
        "checks": proof.map(|proof| json!(proof.checks)).unwrap_or_else(|| json!({})),
        "document": document,
        "mismatches": judged.map_or(&[][..], |judged| &judged.mismatches),
        "completed_at": proof.and_then(|proof| proof.completed_at).or(at),
    })
}
