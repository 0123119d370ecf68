//! The story of a simulated world: journals of its cases, requests to others, and why a case did not open. Rendered as
//! readable lines.

use serde::Serialize;

use crate::case::{Case, Entry, Held, Hold, Note};
use crate::model::{Action, CaseId, Done, IdentityAction, IdentityChange, Outcome, Span, Timestamp};
use crate::policy::Policy;

/// One item of the story.
#[derive(Debug, Clone, PartialEq)]
pub struct Happened {
    pub at: Timestamp,
    pub case: Option<CaseId>,
    pub what: What,
}

#[derive(Debug, Clone, PartialEq)]
pub enum What {
    /// An entry as in the daemon's journal.
    Entry(Entry),
    /// An effect whose step was reached, with the end of its grace.
    Did {
        deed: String,
        grace: Option<Timestamp>,
    },
    /// A mail. `own`: the daemon's own notice to a team, not a mail of the policy.
    Sent {
        template: String,
        recipient: String,
        own: bool,
    },
    Destroyed(String),
    /// A line that is in no journal.
    Text(String),
}

/// One readable line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Line {
    pub at: Timestamp,
    /// Time since the start, for example `2d 3h`.
    pub after: String,
    pub step: Option<String>,
    pub text: String,
}

/// Returns the readable lines of a story, without purely technical items.
pub(super) fn lines(story: &[Happened], began: Timestamp) -> Vec<Line> {
    let line = |happened: &Happened| {
        let (step, text) = match &happened.what {
            What::Entry(entry) => (entry.step.clone(), note(&entry.note)?),
            What::Did { deed, grace: None } => (None, format!("effect: {deed}")),
            What::Did { deed, grace: Some(until) } => {
                (None, format!("effect: {deed}, in grace until {}", until.format("%Y-%m-%d %H:%M")))
            }
            What::Sent { template, recipient, own: false } => {
                (None, format!("sent: {template} to {recipient}"))
            }
            What::Sent { template, recipient, own: true } => {
                (None, format!("notified {recipient}: {template}"))
            }
            What::Destroyed(what) => (None, format!("destroyed: {what}")),
            What::Text(text) => (None, text.clone()),
        };
        Some(Line { at: happened.at, after: after(happened.at - began), step, text })
    };
    story.iter().filter_map(line).collect()
}

/// Returns a duration as `2d 3h 20m`, or `0m`.
pub(super) fn after(passed: chrono::TimeDelta) -> String {
    let seconds = passed.num_seconds();
    let parts = [("d", seconds / 86_400), ("h", seconds / 3_600 % 24), ("m", seconds / 60 % 60)];
    let parts: Vec<String> = parts
        .iter()
        .filter(|(_, number)| *number > 0)
        .map(|(unit, number)| format!("{number}{unit}"))
        .collect();
    if parts.is_empty() { "0m".to_owned() } else { parts.join(" ") }
}

fn note(note: &Note) -> Option<String> {
    Some(match note {
        Note::Opened { by } => format!("a case opened by {by}"),
        Note::Joined { event, .. } => format!("joined by {event}"),
        Note::StepBegan { verb } => format!("started {verb}"),
        Note::StepSkipped { clause } => format!("skipped, false: {clause}"),
        Note::StepEnded { outcome, reasons } if reasons.is_empty() => format!("outcome: {outcome}"),
        Note::StepEnded { outcome, reasons } => format!("outcome: {outcome} ({})", reasons.join(", ")),
        Note::AttemptFailed { failure, retry_at: None, .. } => format!("failed: {}", failure.reason),
        Note::AttemptFailed { attempt: 1, failure, .. } => format!("failed, retrying: {}", failure.reason),
        Note::SessionEnded { .. } => "the provider's session ended without a result".to_owned(),
        Note::SessionVoid { why, .. } => format!("the provider's session is void: {}", why.word()),
        Note::Agreed { text } => format!("the person agreed to the text {text}"),
        Note::Pressed => "the person pressed the button".to_owned(),
        Note::RemindersSkipped { count } => format!("{count} reminders skipped"),
        Note::Decided { decision, complete: true } => {
            format!("{} decided {}", decision.by.name, decision.decision)
        }
        Note::Decided { decision, complete: false } => {
            format!("{} decided {}; another person must agree", decision.by.name, decision.decision)
        }
        Note::Escalated { queue } => format!("escalated to {queue}"),
        Note::Ordered { operator } => {
            format!("{} ordered {:?}", operator.by.name, operator.order).to_lowercase()
        }
        Note::Migrated { by, .. } => format!("{by} moved the case to another revision"),
        Note::Held { action } => format!("over the limit for {}", action.word()),
        Note::Skipped { action } => format!("{} skipped, over its limit", action.word()),
        Note::HoldLifted { held, stays: true } => {
            format!("hold lifted: {}, which stays as it is", held_word(held))
        }
        Note::Paused { seconds } => {
            format!("deadlines extended by {}", Span::Elapsed(chrono::TimeDelta::seconds(*seconds)))
        }
        Note::ClockSetBack { seconds } => {
            let by = Span::Elapsed(chrono::TimeDelta::seconds(*seconds));
            format!("the clock was set back by {by}, with the deadlines that it had set")
        }
        Note::NoSink { kind } => format!("no sink for {kind}"),
        Note::FellBack { verification } => format!("nothing is enrolled; {verification} is used instead"),
        Note::Reused { .. } => "an earlier pass is reused".to_owned(),
        Note::StartRests { until } => {
            format!("too many sessions in a day; the next may start at {}", until.format("%Y-%m-%d %H:%M"))
        }
        Note::DocumentSeenBefore { .. } => "another person showed this document before".to_owned(),
        Note::LateDecision { decision } => format!("{} decided too late", decision.by.name),
        Note::DecisionRefused { refused } => {
            format!("a decision of {} is refused: {}", refused.by.name, refused.reason)
        }
        Note::Stuck { reason } => format!("stuck: {reason}"),
        Note::Contested => "the person objects".to_owned(),
        Note::Upheld { until } => format!("upheld; grace until {}", until.format("%Y-%m-%d %H:%M")),
        Note::Undone => "undone".to_owned(),
        Note::Closed { result } => format!("closed: {result}"),
        Note::CallAsked { .. }
        | Note::AttemptBegan { .. }
        | Note::AttemptFailed { .. }
        | Note::AttemptLost { .. }
        | Note::CallDone { .. }
        | Note::SessionStarted { .. }
        | Note::ReadingIgnored { .. }
        | Note::Hinted
        | Note::Returned
        | Note::HoldPlaced { .. }
        | Note::HoldLifted { .. }
        | Note::GraceBegan { .. }
        | Note::Destroyed { .. } => return None,
    })
}

/// Returns an effect in the words of a policy. `held`: the case's earlier holds.
pub(super) fn deed(action: &Action, case: &Case, held: &[Hold]) -> String {
    let word = action.word();
    let about = case.subject.kind.word();
    let holds = |holds: &[Hold], role: &str| {
        holds.iter().any(|hold| matches!(&hold.what, Held::Role(held) if held == role))
    };
    match action {
        Action::Identity(IdentityAction::Change { change, .. }) => match change {
            IdentityChange::RemoveRole { role } if holds(&case.holds, role) => format!("hold_role {role}"),
            IdentityChange::AssignRole { role } if holds(held, role) => format!("release_role {role}"),
            IdentityChange::RemoveRole { role } | IdentityChange::AssignRole { role } => {
                format!("{word} {role}")
            }
            IdentityChange::SetAttributes { attributes } => {
                let names: Vec<String> = attributes.keys().map(|name| format!("{about}.{name}")).collect();
                format!("{word} {}", names.join(", "))
            }
            IdentityChange::EnsureInvited { .. } => "invite".to_owned(),
            IdentityChange::Account(_) => word.to_owned(),
            IdentityChange::Approve
            | IdentityChange::Reject
            | IdentityChange::Delete
            | IdentityChange::Suspend { .. }
            | IdentityChange::Reinstate { .. } => format!("{word} {about}"),
        },
        Action::Provisioning { system, .. } => format!("{word} {system}"),
        Action::Request { endpoint, .. } => format!("{word} {endpoint}"),
        Action::Emit { event, .. } => {
            format!("{word} {}", event.get("type").and_then(serde_json::Value::as_str).unwrap_or_default())
        }
        Action::Identity(IdentityAction::Read { .. }) | Action::Verification { .. } | Action::Mail { .. } => {
            format!("{word} {about}")
        }
    }
}

/// Returns what an effect destroyed.
pub(super) fn destroyed(action: &Action, outcome: &Outcome) -> Option<String> {
    let (snapshot, _) = action.identity_change()?;
    let Outcome::Done(Done::Deleted { already: false } | Done::Rejected { already: false }) = outcome else {
        return None;
    };
    Some(format!("{} {}", action.word(), snapshot.subject.kind))
}

pub(super) fn held_word(held: &Held) -> String {
    match held {
        Held::Account => "account".to_owned(),
        Held::Role(role) => format!("role {role}"),
    }
}

/// Returns a mail's recipient in the words of a policy.
pub(super) fn recipient(email: &str, case: &Case, policy: &Policy) -> String {
    let person = case.seen.as_ref().unwrap_or(&case.subject);
    let manager = person.fields.get("manager").and_then(|manager| manager.get("email")?.as_str());
    let team = policy.people.teams.iter().find(|(_, team)| team.mail == email);
    match (case.subject.text("email"), manager, team) {
        (Some(own), ..) if own == email => "subject".to_owned(),
        (_, Some(manager), _) if manager == email => "manager".to_owned(),
        (_, _, Some((name, _))) => format!("team:{name}"),
        _ if policy.owner == email => "owner".to_owned(),
        _ => "another person".to_owned(),
    }
}
