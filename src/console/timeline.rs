//! A case's journal in words.

use serde::Serialize;

use crate::api::holds::HoldTarget;
use crate::api::journal::{Entry, Note, OrderWord};
use crate::model::Timestamp;

use super::words::{capital, plain, span};

/// One line of the timeline.
#[derive(Debug, Serialize)]
pub struct Line {
    number: u64,
    at: Timestamp,
    text: String,
    /// What somebody wrote, shown as a quotation.
    quote: Option<String>,
    step: Option<String>,
    /// `good`, `bad`, `person` (somebody did it), or nothing.
    tone: &'static str,
    /// The entry's word and fields, for the technical view.
    technical: Option<String>,
}

/// Returns the lines, oldest first. The plain view leaves out what only a technician looks for.
pub fn lines(entries: &[Entry], technical: bool) -> Vec<Line> {
    entries
        .iter()
        .filter(|entry| technical || !is_technical(&entry.note))
        .map(|entry| line(entry, technical))
        .collect()
}

fn line(entry: &Entry, technical: bool) -> Line {
    Line {
        number: entry.number,
        at: entry.at,
        text: capital(&text(&entry.note)),
        quote: quote(&entry.note),
        step: entry.step.clone(),
        tone: tone(&entry.note),
        technical: technical.then(|| fields(&entry.note)),
    }
}

/// The entry as `word key=value ...`.
fn fields(note: &Note) -> String {
    let Ok(serde_json::Value::Object(fields)) = serde_json::to_value(note) else { return String::new() };
    let field = |(key, value): (String, serde_json::Value)| match (key.as_str(), value) {
        ("what", serde_json::Value::String(word)) => word,
        (_, serde_json::Value::String(text)) => format!("{key}={text}"),
        (_, value) => format!("{key}={value}"),
    };
    fields.into_iter().map(field).collect::<Vec<_>>().join(" ")
}

fn is_technical(note: &Note) -> bool {
    matches!(
        note,
        Note::StepSkipped { .. }
            | Note::StepBegan { .. }
            | Note::CallAsked { .. }
            | Note::AttemptBegan { .. }
            | Note::ReadingIgnored { .. }
            | Note::Hinted
            | Note::Skipped { .. }
            | Note::NoSink { .. }
    )
}

fn tone(note: &Note) -> &'static str {
    match note {
        Note::Stuck { .. } | Note::AttemptFailed { .. } | Note::AttemptLost { .. } => "bad",
        Note::OverLimit { .. } | Note::GraceBegan { .. } | Note::HoldPlaced { .. } => "warn",
        Note::DecisionRefused { .. } | Note::SessionVoid { .. } | Note::DocumentSeenBefore { .. } => "bad",
        Note::Decided { .. } | Note::LateDecision { .. } | Note::Ordered { .. } | Note::Migrated { .. } => {
            "person"
        }
        Note::Pressed | Note::Agreed { .. } | Note::Contested | Note::Returned => "person",
        Note::Closed { .. } | Note::HoldLifted { .. } | Note::Undone => "good",
        _ => "",
    }
}

fn quote(note: &Note) -> Option<String> {
    let given = match note {
        Note::Decided { decision, .. } | Note::LateDecision { decision } => decision.reason.clone(),
        Note::Ordered { operator } => Some(operator.reason.clone()),
        Note::Migrated { reason, .. } | Note::Stuck { reason } => Some(reason.clone()),
        _ => None,
    };
    given.filter(|text| !text.trim().is_empty())
}

fn held(target: &HoldTarget) -> String {
    match target {
        HoldTarget::Account => "the account".to_owned(),
        HoldTarget::Role(role) => format!("the role {role}"),
    }
}

fn text(note: &Note) -> String {
    match note {
        Note::Opened { by } => format!("the case was opened by {by}"),
        Note::ClockSetBack { seconds } => {
            format!("the clock was set back by {}; deadlines moved with it", length(*seconds))
        }
        Note::Joined { event, .. } => format!("the event {event} joined the case"),
        Note::StepBegan { verb } => format!("the step began: {}", plain(verb)),
        Note::StepSkipped { clause } => format!("the step was skipped, because this is false: {clause}"),
        Note::StepEnded { outcome, reasons } => step_ended(outcome, reasons),
        Note::CallAsked { action, .. } => format!("{} was requested", action_word(action)),
        Note::AttemptBegan { attempt, .. } => format!("attempt {attempt} began"),
        Note::AttemptFailed { attempt, failure, retry_at, .. } => {
            let next = if retry_at.is_some() { "it is tried again" } else { "it is not tried again" };
            format!("attempt {attempt} failed: {}; {next}", failure.reason)
        }
        Note::AttemptLost { attempt, .. } => format!("the result of attempt {attempt} is not known yet"),
        Note::CallDone { detail, .. } => done(detail),
        Note::SessionStarted { attempt, .. } => format!("verification session {attempt} started"),
        Note::SessionEnded { .. } => "the session ended without a result; another may start".to_owned(),
        Note::SessionVoid { why, .. } => {
            format!("the session is void ({}) and does not count against the person", plain(why.word()))
        }
        Note::ReadingIgnored { .. } => "a result of another session was ignored".to_owned(),
        Note::Agreed { text } => format!("the person agreed to the text {text} about their data"),
        Note::Pressed => "the person pressed the button of the link".to_owned(),
        Note::Hinted => "the provider announced a result".to_owned(),
        Note::Returned => "the person came back from the provider".to_owned(),
        Note::RemindersSkipped { count } => format!("{count} reminders were skipped"),
        Note::Decided { decision, complete } => {
            let rest = if *complete { "" } else { "; another person must agree" };
            format!("{} decided: {}{rest}", decision.by.name, plain(&decision.decision))
        }
        Note::Escalated { queue } => format!("escalated to the queue {queue}"),
        Note::Ordered { operator } => format!("{} {}", operator.by.name, ordered(operator.order)),
        Note::Migrated { by, .. } => format!("{by} moved the case to another revision of its policy"),
        Note::OverLimit { action } => format!("a limit stopped {}", plain(action.word())),
        Note::Skipped { action } => format!("{} was not necessary", plain(action.word())),
        Note::HoldPlaced { held: target } => format!("hold placed on {}", held(target)),
        Note::HoldLifted { held: target, stays: false } => format!("hold lifted from {}", held(target)),
        Note::HoldLifted { held: target, stays: true } => {
            format!("hold lifted, but {} is still held elsewhere", held(target))
        }
        Note::Paused { seconds } => format!("deadlines moved by {}, because of an outage", length(*seconds)),
        Note::NoSink { kind } => format!("no sink is configured for the event {kind}"),
        Note::FellBack { verification } => format!("no face is enrolled; {verification} is used instead"),
        Note::Reused { .. } => "a recent pass was reused".to_owned(),
        Note::StartRests { .. } => "the person used up the sessions of a day".to_owned(),
        Note::DocumentSeenBefore { cases } => {
            format!("another person has shown this document before, in {} cases", cases.len())
        }
        Note::LateDecision { decision } => {
            let (by, decision) = (&decision.by.name, plain(&decision.decision));
            format!("{by} decided {decision} after the close; nothing changed")
        }
        Note::DecisionRefused { refused } => {
            let (by, decision, why) = (&refused.by.name, plain(&refused.decision), plain(&refused.reason));
            format!("the decision {decision} of {by} was refused: {why}")
        }
        Note::Stuck { .. } => "the case is stuck".to_owned(),
        Note::GraceBegan { .. } => "the grace period began".to_owned(),
        Note::Contested => "the person objected; the clock is stopped".to_owned(),
        Note::Upheld { .. } => "the objection was rejected; the grace period continues".to_owned(),
        Note::Undone => "the effect was undone before it happened".to_owned(),
        Note::Destroyed { .. } => "the grace period ended and the effect was done".to_owned(),
        Note::Closed { result } => format!("closed: {}", plain(result)),
    }
}

fn step_ended(outcome: &str, reasons: &[String]) -> String {
    let reasons: Vec<_> = reasons.iter().map(|reason| plain(reason)).collect();
    let why = if reasons.is_empty() { String::new() } else { format!(" ({})", reasons.join(", ")) };
    format!("result: {}{why}", plain(outcome))
}

fn length(seconds: i64) -> String {
    span(chrono::TimeDelta::seconds(seconds))
}

fn action_word(action: &str) -> String {
    match action {
        "notify" => "a mail".to_owned(),
        other => plain(other),
    }
}

/// What a connector reports is one of its own words, or a sentence.
fn done(detail: &str) -> String {
    if detail.is_empty() { "done".to_owned() } else { format!("done: {}", plain(detail)) }
}

fn ordered(order: OrderWord) -> &'static str {
    match order {
        OrderWord::Retry => "tried the failed step again",
        OrderWord::Cancel => "canceled the case",
        OrderWord::Release => "released what the limit stopped",
        OrderWord::Drop => "dropped what the limit stopped",
        OrderWord::Undo => "undid the effect in grace",
        OrderWord::Remind => "sent the reminder",
        OrderWord::Claim => "claimed the review",
        OrderWord::ReleaseClaim => "released the claim",
        OrderWord::Lift => "lifted the holds",
    }
}
