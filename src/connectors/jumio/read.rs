//! Reads a run: first its status, then, only if it is finished, its result.
//!
//! The order matters. An abandoned run may have the decision REJECTED with the highest risk. A decision is therefore
//! never read before the status, neither in the status answer nor in the details.

use reqwest::StatusCode;
use serde::Deserialize;

use super::api::{Api, Host, parse, refusal};
use super::is_id;
use super::result::{Details, Loose, Steps, lenient, proof, reasons};
use crate::model::{Failure, FailureKind, Judgement, Phase, Proof, Reading};

#[derive(Deserialize)]
struct Status {
    account: Option<Account>,
    #[serde(rename = "workflowExecution")]
    execution: Run,
}

#[derive(Deserialize)]
struct Account {
    id: String,
}

#[derive(Deserialize)]
struct Run {
    id: String,
    #[serde(default, deserialize_with = "lenient")]
    status: Option<String>,
}

/// The check whose reasons are only in the steps.
const AUTHENTICATION: &str = "authentication";

pub(super) async fn read(api: &Api, account: &str, execution: &str) -> Result<Reading, Failure> {
    if !is_id(account) || !is_id(execution) {
        return Err(Failure::refused("reading a result of Jumio: the ids are not ids of Jumio"));
    }
    let run = ["api", "v1", "accounts", account, "workflow-executions", execution];
    let answer = api.get(Host::Retrieval, &[&run[..], &["status"]].concat()).await?;
    if answer.status == StatusCode::NOT_FOUND {
        // Just after a start this is temporary: it ends a step only when its retries are exhausted.
        return Err(Failure::unavailable(
            "reading a result: Jumio does not have the run (404): it is too new, deleted, or of another \
                tenant",
        ));
    }
    if !answer.status.is_success() {
        return Err(refusal(&answer));
    }
    let status: Status = parse(&answer, "the status answer")?;
    if status.execution.id != execution || status.account.is_some_and(|stated| stated.id != account) {
        return Err(Failure::unavailable("Jumio's status answer is about another run"));
    }
    let reading = |phase, reference, proof| Reading {
        account: account.to_owned(),
        execution: execution.to_owned(),
        reference,
        phase,
        proof,
        void: None,
    };
    match phase(status.execution.status.as_deref()) {
        Phase::Done => {}
        unfinished => return Ok(reading(unfinished, None, None)),
    }

    let answer = api.get(Host::Retrieval, &run).await?;
    if answer.status == StatusCode::NOT_FOUND {
        // Jumio reports "processed" shortly before the result is readable.
        return Ok(reading(Phase::Processing, None, None));
    }
    if !answer.status.is_success() {
        return Err(refusal(&answer));
    }
    let details: Details = parse(&answer, "the result")?;
    if details.workflow.id != execution || details.account.id != account {
        return Err(Failure::unavailable("Jumio's result is about another run"));
    }
    let reference = details.workflow.customer_internal_reference.clone().and_then(Loose::text);
    match phase(details.workflow.status.as_deref()) {
        Phase::Done => {}
        unfinished => return Ok(reading(unfinished, reference, None)),
    }
    let mut proof = match conclusion(details)? {
        Conclusion::Proof(proof) => proof,
        Conclusion::NotYet => return Ok(reading(Phase::Processing, reference, None)),
        Conclusion::NobodyCame => return Ok(reading(Phase::Expired, reference, None)),
    };
    if proof.decision != Judgement::Passed && proof.checks.contains_key(AUTHENTICATION) {
        explain(api, &run, &mut proof).await?;
    }
    Ok(reading(Phase::Done, reference, Some(proof)))
}

/// The conclusion from the details of a run whose status is "processed".
enum Conclusion {
    Proof(Box<Proof>),
    NotYet,
    NobodyCame,
}

/// Concludes from the details. A result without content is an error: it must become neither a pass nor a rejection.
/// Waiting for it would look like a person who does not answer.
fn conclusion(details: Details) -> Result<Conclusion, Failure> {
    if details.is_wiped() {
        return Err(Failure::refused(
            "Jumio deleted the run's data before its result was read; a new verification is needed. Check \
                that the tenant's retention leaves time to read",
        ));
    }
    if details.never_decides() {
        return Err(Failure::refused(
            "results of this older workflow of Jumio have no decision; use the newer workflow (10014 for \
                9, 10011 for 3)",
        ));
    }
    if details.has_no_checks() {
        return Ok(Conclusion::NobodyCame);
    }
    let Some(proof) = proof(details) else { return Ok(Conclusion::NotYet) };
    if proof.decision == Judgement::Rejected && proof.checks.is_empty() {
        return Err(Failure::refused(
            "Jumio rejected the run without a failed check: its data was deleted, or nothing was checked. \
                Check it by hand",
        ));
    }
    Ok(Conclusion::Proof(Box::new(proof)))
}

/// Adds the reasons that only the steps contain. Older workflows have no steps; missing reasons do not delay a result.
async fn explain(api: &Api, run: &[&str], proof: &mut Proof) -> Result<(), Failure> {
    let answer = api.get(Host::Retrieval, &[run, &["steps"]].concat()).await?;
    if !answer.status.is_success() {
        let failure = refusal(&answer);
        return if failure.kind == FailureKind::Refused { Ok(()) } else { Err(failure) };
    }
    for reason in reasons(parse::<Steps>(&answer, "the list of steps")?) {
        if !proof.reasons.contains(&reason) {
            proof.reasons.push(reason);
        }
    }
    Ok(())
}

/// Converts Jumio's status word. A word that is missing or unknown is neither a result nor an end, and does not show
/// whether the person has to act.
fn phase(status: Option<&str>) -> Phase {
    match status {
        Some("INITIATED") => Phase::Waiting,
        Some("ACQUISITION_STARTED") => Phase::Capturing,
        Some("ACQUIRED") => Phase::Processing,
        Some("PROCESSED") => Phase::Done,
        Some("SESSION_EXPIRED" | "TOKEN_EXPIRED") => Phase::Expired,
        Some(_) | None => Phase::Unclear,
    }
}
