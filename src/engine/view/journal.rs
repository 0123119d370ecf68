//! Entries of a journal.

use crate::api::journal::{Entry, Note};
use crate::case;

impl From<case::Entry> for Entry {
    fn from(entry: case::Entry) -> Self {
        let case::Entry { number, at, step, note } = entry;
        Self { number, at, step, note: note.into() }
    }
}

impl From<case::Note> for Note {
    fn from(note: case::Note) -> Self {
        match note {
            case::Note::Opened { by } => Self::Opened { by },
            case::Note::ClockSetBack { seconds } => Self::ClockSetBack { seconds },
            case::Note::Joined { event, key } => Self::Joined { event, key },
            case::Note::StepBegan { verb } => Self::StepBegan { verb },
            case::Note::StepSkipped { clause } => Self::StepSkipped { clause },
            case::Note::StepEnded { outcome, reasons } => Self::StepEnded { outcome, reasons },
            case::Note::CallAsked { call, action } => Self::CallAsked { call, action },
            case::Note::AttemptBegan { call, attempt } => Self::AttemptBegan { call, attempt },
            case::Note::AttemptFailed { call, attempt, failure, retry_at } => {
                Self::AttemptFailed { call, attempt, failure, retry_at }
            }
            case::Note::AttemptLost { call, attempt } => Self::AttemptLost { call, attempt },
            case::Note::CallDone { call, detail } => Self::CallDone { call, detail },
            case::Note::SessionStarted { execution, attempt } => Self::SessionStarted { execution, attempt },
            case::Note::SessionEnded { execution } => Self::SessionEnded { execution },
            case::Note::SessionVoid { execution, why } => Self::SessionVoid { execution, why },
            case::Note::ReadingIgnored { execution } => Self::ReadingIgnored { execution },
            case::Note::Agreed { text } => Self::Agreed { text },
            case::Note::Pressed => Self::Pressed,
            case::Note::Hinted => Self::Hinted,
            case::Note::Returned => Self::Returned,
            case::Note::RemindersSkipped { count } => Self::RemindersSkipped { count },
            case::Note::Decided { decision, complete } => {
                Self::Decided { decision: decision.into(), complete }
            }
            case::Note::Escalated { queue } => Self::Escalated { queue },
            case::Note::Ordered { operator } => Self::Ordered { operator: operator.into() },
            case::Note::Migrated { from, to, by, reason } => {
                Self::Migrated { from: from.0, to: to.0, by, reason }
            }
            case::Note::Held { action } => Self::OverLimit { action },
            case::Note::Skipped { action } => Self::Skipped { action },
            case::Note::HoldPlaced { held } => Self::HoldPlaced { held: held.into() },
            case::Note::HoldLifted { held, stays } => Self::HoldLifted { held: held.into(), stays },
            case::Note::Paused { seconds } => Self::Paused { seconds },
            case::Note::NoSink { kind } => Self::NoSink { kind },
            case::Note::FellBack { verification } => Self::FellBack { verification },
            case::Note::Reused { case } => Self::Reused { case },
            case::Note::StartRests { until } => Self::StartRests { until },
            case::Note::DocumentSeenBefore { cases } => Self::DocumentSeenBefore { cases },
            case::Note::LateDecision { decision } => Self::LateDecision { decision: decision.into() },
            case::Note::DecisionRefused { refused } => Self::DecisionRefused { refused: refused.into() },
            case::Note::Stuck { reason } => Self::Stuck { reason },
            case::Note::GraceBegan { until } => Self::GraceBegan { until },
            case::Note::Contested => Self::Contested,
            case::Note::Upheld { until } => Self::Upheld { until },
            case::Note::Undone => Self::Undone,
            case::Note::Destroyed { call } => Self::Destroyed { call },
            case::Note::Closed { result } => Self::Closed { result },
        }
    }
}
