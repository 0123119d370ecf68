//! Cases and entries without evidence, or as skeletons. Each function gives the same result when it is applied again.

use super::who::Who;
use crate::case::{Case, Entry, Note, Pending, State};
use crate::model::{Action, Failure, Fields, Forgotten, Message, SessionAction, Subject};
use crate::store::commit::Changed;

/// Removes from a case what an order removes. Returns whether the order concerns it.
pub(super) fn changed(changed: &mut Changed, who: &Who<'_>) -> bool {
    if !who.has_case(&changed.case.id) {
        return false;
    }
    changed.recorded = None;
    match who.class {
        Forgotten::Evidence => evidence(&mut changed.case),
        Forgotten::Case | Forgotten::Person => {
            skeleton(&mut changed.case, who);
            changed.entries.iter_mut().for_each(entry);
        }
    }
    true
}

/// Removes what was read from documents, the texts of mails and the links of sessions. What a case is found by stays.
fn evidence(case: &mut Case) {
    case.redacted = case.redacted.max(Some(Forgotten::Evidence));
    without_documents(&mut case.steps);
    case.calls.values_mut().for_each(pending);
    if let Some(grace) = &mut case.pending_adverse {
        action(&mut grace.action);
    }
    state(&mut case.state);
}

fn without_documents(members: &mut Fields) {
    members.remove("document");
    for value in members.values_mut() {
        if let Some(members) = value.as_object_mut() {
            without_documents(members);
        }
        let items = value.as_array_mut().into_iter().flatten();
        items.filter_map(|item| item.as_object_mut()).for_each(without_documents);
    }
}

fn pending(pending: &mut Pending) {
    action(&mut pending.action);
}

fn action(action: &mut Action) {
    match action {
        Action::Mail { message } => mail(message),
        Action::Verification { session: SessionAction::Read(read), .. } => read.returned = None,
        Action::Verification { session: SessionAction::Start(_), .. }
        | Action::Identity(_)
        | Action::Provisioning { .. }
        | Action::Request { .. }
        | Action::Emit { .. } => {}
    }
}

fn mail(message: &mut Message) {
    message.subject.clear();
    message.text.clear();
    message.html.clear();
}

fn state(state: &mut State) {
    match state {
        State::Verifying(verifying) => {
            if let Some(session) = &mut verifying.session {
                session.link.clear();
            }
        }
        State::Stuck(stuck) => {
            stuck.parked.iter_mut().for_each(|(_, parked)| pending(parked));
            if let Some(interrupted) = &mut stuck.interrupted {
                self::state(interrupted);
            }
        }
        State::Grace(grace) => action(&mut grace.action),
        State::Held { asked, .. } => {
            if let Some(session) = asked.as_mut().and_then(|asked| asked.session.as_mut()) {
                session.link.clear();
            }
        }
        State::Calling { .. } | State::Reviewing(_) | State::Waiting(_) | State::Closed => {}
    }
}

/// Leaves id, policy, revision, times, result and counters.
fn skeleton(case: &mut Case, who: &Who<'_>) {
    let reference = who.alias(&case.subject.reference());
    case.subject =
        Subject { source: reference.source, kind: reference.kind, id: reference.id, fields: Fields::new() };
    case.redacted = case.redacted.max(Some(who.class));
    case.state = State::Closed;
    case.key.clear();
    (case.event, case.seen, case.seen_at) = (None, None, None);
    (case.acting, case.stretch, case.pending_adverse, case.released) = (None, None, None, None);
    case.steps.clear();
    case.calls.clear();
    case.sessions.clear();
    case.holds.clear();
    case.compared.clear();
    case.echoes.clear();
}

/// Leaves words, times, numbers, and who decided.
fn entry(entry: &mut Entry) {
    match &mut entry.note {
        Note::StepEnded { reasons, .. } => reasons.clear(),
        Note::AttemptFailed { failure, .. } => {
            *failure = Failure { reason: String::new(), ..failure.clone() };
        }
        Note::CallDone { detail: text, .. }
        | Note::Opened { by: text }
        | Note::Stuck { reason: text }
        | Note::SessionStarted { execution: text, .. }
        | Note::SessionEnded { execution: text }
        | Note::SessionVoid { execution: text, .. }
        | Note::ReadingIgnored { execution: text }
        | Note::Migrated { reason: text, .. } => text.clear(),
        Note::Decided { decision, .. } | Note::LateDecision { decision } => decision.reason = None,
        Note::Ordered { operator } => operator.reason.clear(),
        Note::DecisionRefused { .. }
        | Note::ClockSetBack { .. }
        | Note::Joined { .. }
        | Note::StepBegan { .. }
        | Note::StepSkipped { .. }
        | Note::CallAsked { .. }
        | Note::AttemptBegan { .. }
        | Note::AttemptLost { .. }
        | Note::Agreed { .. }
        | Note::Pressed
        | Note::Hinted
        | Note::Returned
        | Note::RemindersSkipped { .. }
        | Note::Escalated { .. }
        | Note::Held { .. }
        | Note::Skipped { .. }
        | Note::HoldPlaced { .. }
        | Note::HoldLifted { .. }
        | Note::Paused { .. }
        | Note::NoSink { .. }
        | Note::FellBack { .. }
        | Note::Reused { .. }
        | Note::StartRests { .. }
        | Note::DocumentSeenBefore { .. }
        | Note::GraceBegan { .. }
        | Note::Contested
        | Note::Upheld { .. }
        | Note::Undone
        | Note::Destroyed { .. }
        | Note::Closed { .. } => {}
    }
}
