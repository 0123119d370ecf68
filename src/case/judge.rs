//! A vendor's proof in the words of policies. Knows no state: a proof goes in, a judgement comes out.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::comparison::{Difference, Forms, compare};
use crate::model::{Judgement, Method, Proof, Subject, Timestamp};
use crate::policy::outcome::ProofOutcome;
use crate::policy::tree::Verification;

/// What a proof means for the step.
#[derive(Debug, PartialEq)]
pub(super) struct Judged {
    /// None: the attempt ended without a result, and the person may try again.
    pub outcome: Option<ProofOutcome>,
    pub reasons: Vec<String>,
    /// Compared fields that do not agree, those that could not be compared among them.
    pub mismatches: Vec<String>,
}

/// What a policy wants compared.
#[derive(Debug, Clone, Copy)]
pub(super) struct Compared<'a> {
    pub fields: &'a [String],
    /// Of these what was not registered is not compared.
    pub optional: &'a [String],
}

const NOT_COMPARABLE: &str = "not_comparable";
const UNKNOWN_DECISION: &str = "unknown_decision";

/// Another person has shown the same document.
pub(super) const SEEN_BEFORE: &str = "document_seen_before";
/// The person is registered otherwise than when their face was enrolled.
pub(super) const CHANGED: &str = "changed_since_enrolled";

impl Judged {
    /// Takes away a pass, for a reason; people look. What did not pass gets the reason too.
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

/// Somebody who tries twice is seen twice: a warning only because of this person's own earlier sessions is
/// not held against them. `own` are the person's runs that we know of.
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
    // The only warning there is comes from the face search; it stands in for its check.
    for check in forgiven.checks.values_mut().filter(|check| **check == Judgement::Warning) {
        *check = Judgement::Passed;
    }
    Some(forgiven)
}

/// A pass counts only if everything that the policy's people require passed too and the document agrees
/// with what was registered; otherwise it is a warning, which people look at.
pub(super) fn judge(
    proof: &Proof,
    verification: &Verification,
    compared: Compared<'_>,
    subject: &Subject,
    own: &BTreeSet<String>,
) -> Judged {
    let forgiven = forgive_own_face(proof, own);
    let proof = forgiven.as_ref().unwrap_or(proof);
    // A selfie shows no document: it is compared with a face, and that one came with a document once.
    let fields = if verification.method == Method::Authentication { &[] } else { compared.fields };
    let mut reasons = proof.reasons.clone();
    let differences = || compare(fields, compared.optional, subject, proof.document.as_ref());
    match proof.decision {
        Judgement::NotExecuted => Judged { outcome: None, reasons, mismatches: Vec::new() },
        Judgement::Unknown => {
            reasons.push(UNKNOWN_DECISION.to_owned());
            let mismatches = told(differences(), &mut reasons);
            Judged { outcome: Some(ProofOutcome::Warning), reasons, mismatches }
        }
        Judgement::Rejected => {
            Judged { outcome: Some(ProofOutcome::Rejected), reasons, mismatches: Vec::new() }
        }
        Judgement::Warning => {
            let mismatches = told(differences(), &mut reasons);
            Judged { outcome: Some(ProofOutcome::Warning), reasons, mismatches }
        }
        Judgement::Passed => {
            let before = reasons.len();
            reasons.extend(verification.require.iter().filter_map(|name| lacking(name, proof)));
            let mismatches = told(differences(), &mut reasons);
            let clean = reasons.len() == before && mismatches.is_empty();
            Judged {
                outcome: Some(if clean { ProofOutcome::Passed } else { ProofOutcome::Warning }),
                reasons,
                mismatches,
            }
        }
    }
}

/// Why a required check is no pass.
fn lacking(name: &str, proof: &Proof) -> Option<String> {
    match proof.checks.get(name) {
        Some(Judgement::Passed) => None,
        Some(Judgement::Unknown) => Some(format!("{UNKNOWN_DECISION}:{name}")),
        Some(Judgement::Warning | Judgement::Rejected | Judgement::NotExecuted) | None => {
            Some(format!("required_check_missing:{name}"))
        }
    }
}

/// The fields that do not agree. Why one could not even be compared goes to the reasons.
fn told(differences: Vec<Difference>, reasons: &mut Vec<String>) -> Vec<String> {
    let unread = differences.iter().filter(|difference| difference.not_comparable);
    reasons.extend(unread.map(|difference| format!("{NOT_COMPARABLE}:{}", difference.field)));
    differences.into_iter().map(|difference| difference.field).collect()
}

/// Puts the forms in which fields were compared beside what was read from the document: who may not see the
/// one sees none of the other.
pub(super) fn with_forms(mut value: Value, forms: &[Forms]) -> Value {
    if let Some(document) = value.get_mut("document").and_then(Value::as_object_mut) {
        document.insert("compared".to_owned(), json!(forms));
    }
    value
}

/// `steps.<id>` of a verification: every key is always there, empty as null or as an empty list.
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
