//! Entries of a case's journal as sentences, for the demo, `dev` and `case show`.

use super::when;
use crate::api::holds::HoldTarget;
use crate::api::journal::{Decision, Note, OrderWord};
use crate::model::{CaseState, Fields};

/// An entry as a sentence; none for an entry that only matters to `--raw`.
pub fn headline(note: &Note, step: Option<&str>, steps: &Fields) -> Option<String> {
    Some(match note {
        Note::Opened { by } => format!("a case opens: {}", by.trim_start_matches("event ")),
        Note::ClockSetBack { .. } => "the clock was set back; deadlines moved with it".to_owned(),
        Note::Joined { event, .. } => format!("{event} joined the open case"),
        Note::StepBegan { .. }
        | Note::StepSkipped { .. }
        | Note::CallAsked { .. }
        | Note::AttemptBegan { .. }
        | Note::Hinted
        | Note::Pressed
        | Note::Returned
        | Note::ReadingIgnored { .. } => return None,
        Note::Agreed { text } => format!("the person agreed to the text {text} about their data"),
        Note::StepEnded { outcome, reasons } => step_ended(step, outcome, reasons, steps),
        Note::AttemptFailed { failure, retry_at: Some(retry), .. } => {
            format!("an attempt failed: {}; the next one is at {}", failure.reason, when::stamp(*retry))
        }
        Note::AttemptFailed { failure, retry_at: None, .. } => format!("failed: {}", failure.reason),
        Note::AttemptLost { .. } => "an attempt was interrupted by a stop of the daemon".to_owned(),
        Note::CallDone { detail, .. } => return done(detail),
        Note::SessionStarted { attempt, .. } => {
            format!("pressed the button; session {attempt} at the provider is ready")
        }
        Note::SessionEnded { .. } => {
            "left the provider's page; the session expired, the link still works".to_owned()
        }
        Note::SessionVoid { why, .. } => {
            format!("a result was discarded and does not count as a try: {}", why.word())
        }
        Note::RemindersSkipped { count } => format!("{count} missed reminders are left out"),
        Note::Decided { decision, complete } => decided(decision, *complete),
        Note::Escalated { queue } => format!("nobody decided in time; now also in the queue {queue}"),
        Note::Ordered { operator } => {
            format!("{} {} ({})", operator.by.name, ordered(operator.order), operator.reason)
        }
        Note::Migrated { by, reason, .. } => {
            format!("{by} moved the case to another revision of its policy ({reason})")
        }
        Note::OverLimit { action } => {
            format!("{} is over its limit; an administrator decides", action.word())
        }
        Note::Skipped { action } => format!("{} is over its limit and is left out", action.word()),
        Note::Stuck { reason } => format!("stuck: {reason}"),
        Note::GraceBegan { until } => {
            format!("will be carried out at {}, unless somebody objects", when::stamp(*until))
        }
        Note::HoldPlaced { held } => format!("hold placed: {}", target(held)),
        Note::HoldLifted { held, stays } => lifted(held, *stays),
        Note::Paused { seconds } => paused(*seconds),
        Note::NoSink { kind } => format!("{kind} was not sent: no event sink is configured"),
        Note::FellBack { verification } => format!("no face is enrolled; {verification} is used instead"),
        Note::Reused { .. } => "a recent pass is reused".to_owned(),
        Note::StartRests { until } => {
            format!("too many sessions today; the button works again at {}", when::stamp(*until))
        }
        Note::DocumentSeenBefore { .. } => "another person showed this document before".to_owned(),
        Note::LateDecision { decision } => {
            format!("{} decided after the end: {}; nothing changes", decision.by.name, decision.decision)
        }
        Note::DecisionRefused { refused } => {
            format!("a decision of {} was refused: {}", refused.by.name, plain(&refused.reason))
        }
        Note::Contested => "the person objects; the owner decides".to_owned(),
        Note::Upheld { until } => {
            format!("the objection was rejected; grace goes on until {}", when::stamp(*until))
        }
        Note::Undone => "undone before it happened".to_owned(),
        Note::Destroyed { .. } => "carried out: the record is removed at the identity provider".to_owned(),
        Note::Closed { result } => format!("case closed: {result}"),
    })
}

fn step_ended(step: Option<&str>, outcome: &str, reasons: &[String], steps: &Fields) -> String {
    let mut why: Vec<String> = reasons.iter().map(|word| reason(word)).collect();
    if outcome == "warning" && why.is_empty() {
        why.extend(differences(step, steps));
    }
    let why = if why.is_empty() { String::new() } else { format!(" ({})", why.join(", ")) };
    format!("{}: {}{why}", step.unwrap_or("the step"), plain(outcome))
}

fn decided(decision: &Decision, complete: bool) -> String {
    let more = if complete { "" } else { "; another person must agree" };
    let reason = decision.reason.as_deref().unwrap_or("no reason given");
    format!("{} decides: {} ({reason}){more}", decision.by.name, decision.decision)
}

fn lifted(held: &HoldTarget, stays: bool) -> String {
    match stays {
        false => format!("hold lifted: {}", target(held)),
        true => format!("hold ended: {}, which something else still holds", target(held)),
    }
}

fn paused(seconds: i64) -> String {
    let length = when::span(chrono::TimeDelta::seconds(seconds));
    format!("deadlines moved by {length}: the provider or the daemon was down")
}

/// The end of a call; none for a read, whose result stands in another entry.
fn done(detail: &str) -> Option<String> {
    if detail.starts_with("read") || matches!(detail, "started" | "seen" | "not there") {
        return None;
    }
    let already = |text: String| match detail.ends_with(" already") {
        true => format!("{text} (it was so already)"),
        false => text,
    };
    let word = detail.trim_end_matches(" already");
    if let Some(template) = word.strip_prefix("mail ").and_then(|rest| rest.strip_suffix(" sent")) {
        return Some(match template {
            // proofd's own notices, which no policy names.
            "review" => "the team of the queue is notified by mail".to_owned(),
            "stuck" | "contested" => "the owner of the policy is notified by mail".to_owned(),
            template => format!("a mail is sent: {template}"),
        });
    }
    if let Some(status) = word.strip_prefix("answered with ") {
        return Some(format!("an HTTP endpoint was called and answered with status {status}"));
    }
    Some(match word {
        "approved" => already("the registration is approved".to_owned()),
        "invited" => already("the invitation is sent".to_owned()),
        "rejected" => already("the registration is rejected".to_owned()),
        "deleted" => already("the record is deleted".to_owned()),
        "set" => already("attributes are written".to_owned()),
        "suspend" => already("the account is suspended".to_owned()),
        "reinstate" => already("the account is reinstated".to_owned()),
        "remove_role" => already("the role is removed".to_owned()),
        "assign_role" => already("the role is assigned".to_owned()),
        "created" => already("the account is created".to_owned()),
        "emitted" => "an event is sent to the event sinks".to_owned(),
        other => already(plain(other)),
    })
}

fn target(held: &HoldTarget) -> String {
    match held {
        HoldTarget::Account => "the account is suspended".to_owned(),
        HoldTarget::Role(role) => format!("the role {role} is withheld"),
    }
}

fn ordered(order: OrderWord) -> &'static str {
    match order {
        OrderWord::Retry => "retries",
        OrderWord::Cancel => "cancels the case",
        OrderWord::Release => "releases what was over its limit",
        OrderWord::Drop => "drops what was over its limit",
        OrderWord::Undo => "undoes it",
        OrderWord::Remind => "sends the reminder",
        OrderWord::Claim => "claims the review",
        OrderWord::ReleaseClaim => "releases the claim",
        OrderWord::Lift => "lifts the holds",
    }
}

/// A state as people read it.
pub fn state(state: CaseState) -> &'static str {
    match state {
        CaseState::Running => "running",
        CaseState::Waiting => "waiting",
        CaseState::InReview => "in review",
        CaseState::InGrace => "in grace",
        CaseState::OverLimit => "over limit",
        CaseState::Stuck => "stuck",
        CaseState::Closed => "closed",
    }
}

/// A word of a program as people read it.
pub fn plain(word: &str) -> String {
    word.replace('_', " ")
}

/// How the document of a verification differs from the registration. `steps` has the latest result of each step.
pub fn differences(step: Option<&str>, steps: &Fields) -> Option<String> {
    let id = step?.rsplit('/').next()?;
    let fields = steps.get(id)?.get("mismatches")?.as_array()?;
    let fields: Vec<_> = fields.iter().filter_map(|field| field.as_str()).map(plain).collect();
    (!fields.is_empty()).then(|| format!("the document and the registration differ in {}", fields.join(", ")))
}

/// A reason: labels stay as the provider writes them, words of proofd are spelled out.
pub fn reason(word: &str) -> String {
    match word.split_once(':') {
        Some(("not_comparable", field)) => format!("{} cannot be compared", plain(field)),
        Some(("required_check_missing", check)) => format!("the required check {check} is missing"),
        Some(_) | None => word.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::headline;
    use crate::api::journal::Note;

    fn says(note: serde_json::Value) -> Option<String> {
        let steps = json!({"proof": {"mismatches": ["last_name"]}});
        headline(&serde_json::from_value::<Note>(note).unwrap(), Some("proof"), steps.as_object().unwrap())
    }

    #[test]
    fn entries_are_sentences() {
        let call = json!({"case": "c1", "number": 1});
        for (note, expected) in [
            (
                json!({"what": "opened", "by": "event registration.created"}),
                Some("a case opens: registration.created"),
            ),
            (json!({"what": "step_began", "verb": "verify"}), None),
            (
                json!({"what": "step_ended", "outcome": "no_response", "reasons": []}),
                Some("proof: no response"),
            ),
            (
                json!({"what": "step_ended", "outcome": "warning", "reasons": ["not_comparable:last_name", "NOT_POSSIBLE"]}),
                Some("proof: warning (last name cannot be compared, NOT_POSSIBLE)"),
            ),
            (
                json!({"what": "step_ended", "outcome": "warning", "reasons": []}),
                Some("proof: warning (the document and the registration differ in last name)"),
            ),
            (
                json!({"what": "call_done", "call": call, "detail": "mail proof-invite sent"}),
                Some("a mail is sent: proof-invite"),
            ),
            (
                json!({"what": "call_done", "call": call, "detail": "mail review sent"}),
                Some("the team of the queue is notified by mail"),
            ),
            (json!({"what": "call_done", "call": call, "detail": "read: pending"}), None),
            (
                json!({"what": "call_done", "call": call, "detail": "approved already"}),
                Some("the registration is approved (it was so already)"),
            ),
            (
                json!({"what": "call_done", "call": call, "detail": "answered with 201"}),
                Some("an HTTP endpoint was called and answered with status 201"),
            ),
            (
                json!({"what": "over_limit", "action": "delete"}),
                Some("delete is over its limit; an administrator decides"),
            ),
            (json!({"what": "closed", "result": "approved"}), Some("case closed: approved")),
        ] {
            assert_eq!(says(note.clone()).as_deref(), expected, "{note}");
        }
    }
}
