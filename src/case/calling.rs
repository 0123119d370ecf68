//! Attempts of calls: start, end and retry. The call's purpose decides what an end means for the case.

use std::mem::discriminant;

use chrono::TimeDelta;

use super::entry::Note;
use super::identity::spread;
use super::input::Refused;
use super::state::{Pending, Purpose, State};
use super::transition::Transition;
use crate::model::{
    Action, Changed, Done, Failure, FailureKind, HttpRequest, IdentityAction, IdentityChange, Method,
    Outcome, ProvisioningAction, Repeat, SessionAction, Span, Timestamp,
};
use crate::policy::tree::{Retry, StepIndex};

/// Default retry. With half an hour between late attempts this is about two days; then the case is stuck. Attempts
/// during an outage do not count: an outage of any length ends no case.
const DEFAULT_RETRY: Retry = Retry {
    attempts: 100,
    first: Span::Elapsed(TimeDelta::seconds(30)),
    longest: Span::Elapsed(TimeDelta::minutes(30)),
};

/// Retry of a page. A later page has no value: the team has the mail.
const PAGE_RETRY: Retry = Retry {
    attempts: 12,
    first: Span::Elapsed(TimeDelta::seconds(5)),
    longest: Span::Elapsed(TimeDelta::minutes(5)),
};

/// A lost attempt may still arrive through a proxy; calls that read before they write wait this long.
const AFTER_A_LOSS: TimeDelta = TimeDelta::seconds(30);

/// How long after a pass "nothing is enrolled" means "not yet".
const NOT_YET: TimeDelta = TimeDelta::minutes(15);

/// Upper bound in seconds for a `Retry-After` of the other side.
const LONGEST_RETRY_AFTER: u32 = 3_600;

/// Largest jitter in percent; it keeps calls from all returning at the same moment.
const MOST_JITTER: u32 = 20;

/// Tolerated difference between the provider's clock and ours.
const CLOCK_SKEW: TimeDelta = TimeDelta::seconds(60);

impl Transition<'_> {
    pub fn begin_attempt(&mut self, number: u32) -> Result<(), Refused> {
        let (now, call) = (self.now(), self.case.call_id(number));
        let pending = self.case.calls.get_mut(&number).ok_or(Refused::Stale)?;
        if pending.begun.is_some() {
            return Err(Refused::Stale);
        }
        if pending.due > now {
            return Err(Refused::NotAwaited);
        }
        let doubted = pending.clone();
        if let Some(failure) = self.doubt(&doubted) {
            self.case.calls.remove(&number);
            self.failed_for_good(number, doubted, &failure);
            return Ok(());
        }
        let pending = self.case.calls.get_mut(&number).ok_or(Refused::Stale)?;
        pending.begun = Some(now);
        pending.attempt += 1;
        let attempt = pending.attempt;
        let purpose = pending.purpose;
        if let Action::Verification { session: SessionAction::Start(start), .. } = &mut pending.action {
            // Each attempt has its own reference: a session of a lost attempt must not match.
            start.reference = format!("{call}.{attempt}");
        }
        let action = pending.action.clone();
        self.case.will_echo(number, &action, now);
        self.will_change(purpose, &action);
        self.hold_tried(&action);
        if purpose != Purpose::Read {
            self.note(Note::AttemptBegan { call, attempt });
        }
        Ok(())
    }

    /// Makes a call due now that was planned beyond the longest possible wait, by a wrong clock.
    pub fn plan_anew(&mut self, number: u32) -> Result<(), Refused> {
        let (now, longest) = (self.now(), self.longest_wait(number));
        let pending = self.case.calls.get_mut(&number).ok_or(Refused::Stale)?;
        if pending.begun.is_some() || pending.due <= now + longest {
            return Err(Refused::NotAwaited);
        }
        pending.due = now;
        Ok(())
    }

    /// Removes the call from the case if this attempt of it is in progress.
    fn take(&mut self, number: u32, attempt: u32) -> Result<Pending, Refused> {
        match self.case.calls.get(&number) {
            Some(pending) if pending.begun.is_some() && pending.attempt == attempt => {
                self.case.calls.remove(&number).ok_or(Refused::Stale)
            }
            Some(_) | None => Err(Refused::Stale),
        }
    }

    pub fn end_attempt(&mut self, number: u32, attempt: u32, outcome: Outcome) -> Result<(), Refused> {
        let mut pending = self.take(number, attempt)?;
        pending.begun = None;
        self.case.has_echoed(number, pending.in_doubt, &outcome, self.context.now);
        match outcome {
            Outcome::Failed(failure) => self.failed(number, pending, failure),
            Outcome::Done(done) if fits(&pending.action, &done) => self.done(number, pending, done),
            Outcome::Done(_) => {
                let failure = Failure::refused("the connector answered another question");
                self.failed(number, pending, failure);
            }
        }
        Ok(())
    }

    /// Handles an attempt whose end is unknown because the daemon stopped during it.
    pub fn lose_attempt(&mut self, number: u32, attempt: u32) -> Result<(), Refused> {
        let mut pending = self.take(number, attempt)?;
        let call = self.case.call_id(number);
        self.note(Note::AttemptLost { call, attempt });
        if self.case.is_closed() && !pending.purpose.outlives() {
            return Ok(());
        }
        pending.begun = None;
        if once_only(&pending.action) {
            pending.in_doubt = true;
            let failure = Failure::refused("its end is not known, and it must not be repeated unseen");
            self.failed_for_good(number, pending, &failure);
            return Ok(());
        }
        match pending.purpose {
            Purpose::Start => self.restart_session(number),
            Purpose::Step
            | Purpose::Invite
            | Purpose::Reminder
            | Purpose::Read
            | Purpose::EnsureInvited
            | Purpose::Destroy
            | Purpose::Look
            | Purpose::Lift
            | Purpose::Page
            | Purpose::Uphold
            | Purpose::OwnerNotice => {
                pending.in_doubt = true;
                pending.due = self.now() + AFTER_A_LOSS.max(self.settles(&pending.action));
                self.case.calls.insert(number, pending);
            }
        }
        Ok(())
    }

    fn done(&mut self, number: u32, pending: Pending, done: Done) {
        let call = self.case.call_id(number);
        self.note(Note::CallDone { call: call.clone(), detail: detail(&pending.action, &done) });
        // The effect happened, independent of the case's current state.
        self.effect_done(&pending, &done);
        match (pending.purpose, done) {
            (Purpose::Start, Done::Started { session }) => {
                self.session_started(number, &pending.action, session);
            }
            (Purpose::Read, Done::Read { reading }) => self.session_read(number, reading),
            (Purpose::Step, Done::Approved { already, invited_at }) => {
                self.approved(&pending, already, invited_at);
            }
            (Purpose::Look, Done::Seen { subject }) => self.looked(number, subject),
            (Purpose::Step, Done::Answered { status, body }) => {
                if !self.answered(number, status, &body) {
                    self.step_call_done();
                }
            }
            (Purpose::Step | Purpose::EnsureInvited, _) => self.step_call_done(),
            (Purpose::Destroy, _) => self.destroyed(number),
            (Purpose::Invite | Purpose::Reminder | Purpose::OwnerNotice | Purpose::Lift, _)
            | (Purpose::Page | Purpose::Uphold, _) => {}
            // `fits` admits only sessions and persons for these.
            (Purpose::Start | Purpose::Read | Purpose::Look, _) => {}
        }
    }

    /// Continues after an approval. The provider sends the invitation itself; if it did not report one, a later call
    /// checks.
    fn approved(&mut self, pending: &Pending, already: bool, invited_at: Option<Timestamp>) {
        let State::Calling { step, .. } = self.case.state else { return };
        let invited = invited_at.is_some_and(|at| at >= pending.asked_at - CLOCK_SKEW);
        // A state that existed before our first attempt, and its invitation, came from elsewhere.
        let theirs = already && pending.attempt == 1 && !pending.in_doubt;
        if invited || theirs {
            return self.step_call_done();
        }
        let Some((snapshot, _)) = pending.action.identity_change() else { return self.step_call_done() };
        let since = pending.asked_at;
        let action = Action::change(snapshot.clone(), IdentityChange::EnsureInvited { since });
        let call = self.ask(step, action, Purpose::EnsureInvited, self.now() + self.context.invite_grace);
        self.case.state = State::Calling { step, call };
    }

    fn step_call_done(&mut self) {
        if let State::Calling { step, .. } = self.case.state {
            self.continue_if_done(step);
        }
    }

    /// Continues the step when all calls that it waits for are done, for example all of its mails.
    pub fn continue_if_done(&mut self, step: StepIndex) {
        let State::Calling { call, .. } = self.case.state else { return };
        let waits = |(number, pending): (&u32, &Pending)| match pending.purpose {
            Purpose::Step | Purpose::EnsureInvited => true,
            // A look from an earlier step does not block this one.
            Purpose::Look => *number == call,
            Purpose::Invite
            | Purpose::Reminder
            | Purpose::Start
            | Purpose::Read
            | Purpose::Destroy
            | Purpose::Lift
            | Purpose::Page
            | Purpose::Uphold
            | Purpose::OwnerNotice => false,
        };
        if self.case.calls.iter().any(waits) {
            return;
        }
        match &self.case.acting {
            Some(acting) if acting.step == step => self.act_on(step),
            Some(_) | None => self.walk_past(step),
        }
    }

    fn failed(&mut self, number: u32, mut pending: Pending, failure: Failure) {
        pending.outages += u32::from(failure.outage);
        if failure.written {
            self.confirm_written(&pending.action);
        }
        pending.last_failure = Some(failure.reason.clone());
        let retry_at = match failure.kind {
            FailureKind::Unavailable if once_only(&pending.action) => {
                pending.in_doubt = true;
                None
            }
            FailureKind::NotEnrolled if self.is_just_enrolled(&pending) => {
                self.retry_at(number, &pending, &failure)
            }
            FailureKind::Unavailable if !self.case.is_closed() || pending.purpose.outlives() => {
                self.retry_at(number, &pending, &failure)
            }
            FailureKind::Unavailable
            | FailureKind::Refused
            | FailureKind::Changed
            | FailureKind::NotEnrolled => None,
        };
        let note = Note::AttemptFailed {
            call: self.case.call_id(number),
            attempt: pending.attempt,
            failure: failure.clone(),
            retry_at,
        };
        self.note(note);
        match retry_at {
            Some(at) => {
                // The request may have taken effect without an answer: the next attempt reads before it acts.
                pending.in_doubt = true;
                pending.due = at;
                self.case.calls.insert(number, pending);
            }
            None => self.failed_for_good(number, pending, &failure),
        }
    }

    fn failed_for_good(&mut self, number: u32, pending: Pending, failure: &Failure) {
        if self.case.is_closed() {
            return;
        }
        let Some(step) = self.case.step() else { return };
        let reason = format!("{} failed: {}", pending.action.word(), failure.reason);
        if pending.purpose == Purpose::Step && self.request_failed(number, &pending) {
            return;
        }
        match pending.purpose {
            // A hold that could not be lifted stays on record, and can be lifted again.
            Purpose::Reminder | Purpose::OwnerNotice | Purpose::Lift | Purpose::Page | Purpose::Uphold => {}
            Purpose::Start => self.start_failed(number, failure, reason),
            Purpose::Read => self.read_failed(number),
            // No step waits for a look from an earlier step.
            Purpose::Look if self.overtaken(number) => {}
            Purpose::Look => {
                let interrupted = Some(self.case.state.clone());
                self.stick_with(step, reason, Some((number, pending)), interrupted);
            }
            Purpose::Step | Purpose::EnsureInvited | Purpose::Destroy | Purpose::Invite => {
                if self.waits_for(pending.purpose) {
                    let interrupted = Some(self.case.state.clone());
                    self.stick_with(step, reason, Some((number, pending)), interrupted);
                }
            }
        }
    }

    /// Returns whether the case still needs a call of this purpose; it may have left the step.
    fn waits_for(&self, purpose: Purpose) -> bool {
        let state = match &self.case.state {
            State::Stuck(stuck) => stuck.interrupted.as_deref(),
            other => Some(other),
        };
        match purpose {
            Purpose::Step | Purpose::EnsureInvited => matches!(state, Some(State::Calling { .. })),
            Purpose::Invite | Purpose::Reminder | Purpose::Start | Purpose::Read => {
                matches!(state, Some(State::Verifying(_)))
            }
            Purpose::Destroy => matches!(state, Some(State::Grace(_))),
            Purpose::Look | Purpose::Lift | Purpose::OwnerNotice | Purpose::Page | Purpose::Uphold => false,
        }
    }

    /// Returns whether the provider enrolled the person moments ago; not all of its parts may show it yet.
    fn is_just_enrolled(&self, pending: &Pending) -> bool {
        let Action::Verification { provider, session: SessionAction::Start(start) } = &pending.action else {
            return false;
        };
        let enrolled_at = self.enrolment(provider).and_then(|enrolment| enrolment.enrolled_at);
        let is_new = enrolled_at.is_some_and(|at| self.now() - at < NOT_YET);
        start.method != Method::Full && is_new && !self.case.is_closed()
    }

    /// Returns when a call is retried: waits double, with jitter from a hash instead of a random number, and not before
    /// the other side's `Retry-After`.
    fn retry_at(&self, number: u32, pending: &Pending, failure: &Failure) -> Option<Timestamp> {
        let retry = self.retry_of(pending.purpose);
        let tries = pending.attempt.saturating_sub(pending.forgiven);
        // A policy's own `retry` counts all attempts, and a page has no use days later.
        let unbounded = self.retry_of_step().is_none() && pending.purpose != Purpose::Page;
        let counted = if unbounded { tries.saturating_sub(pending.outages) } else { tries };
        if counted >= retry.attempts {
            return None;
        }
        let doubled = seconds(retry.first).saturating_mul(1 << tries.saturating_sub(1).min(30));
        let asked = i64::from(failure.retry_after_seconds.unwrap_or(0).min(LONGEST_RETRY_AFTER));
        let wait = doubled.min(seconds(retry.longest)).max(asked);
        let spread = spread(&self.case.call_id(number).to_string(), pending.attempt);
        let jitter = wait * i64::from(spread % (MOST_JITTER + 1)) / 100;
        Some(self.now() + TimeDelta::seconds(wait + jitter).max(self.settles(&pending.action)))
    }

    fn retry_of_step(&self) -> Option<Retry> {
        self.case.step().and_then(|step| self.policy.step(step)).and_then(|step| step.retry)
    }

    fn retry_of(&self, purpose: Purpose) -> Retry {
        let default = if purpose == Purpose::Page { PAGE_RETRY } else { DEFAULT_RETRY };
        self.retry_of_step().unwrap_or(default)
    }

    /// Returns the longest possible wait before an attempt. A later plan came from a wrong clock.
    fn longest_wait(&self, number: u32) -> TimeDelta {
        let Some(pending) = self.case.calls.get(&number) else { return TimeDelta::zero() };
        let retry = self.retry_of(pending.purpose);
        let wait = seconds(retry.longest).max(i64::from(LONGEST_RETRY_AFTER));
        let with_jitter = TimeDelta::seconds(wait + wait * i64::from(MOST_JITTER) / 100);
        with_jitter.max(self.context.invite_grace).max(self.settles(&pending.action))
    }

    /// Returns how long a created account may be missing from reads of its system.
    fn settles(&self, action: &Action) -> TimeDelta {
        let Action::Provisioning { system, account: ProvisioningAction::Create { .. } } = action else {
            return TimeDelta::zero();
        };
        self.context.consistency.get(system).copied().unwrap_or(TimeDelta::zero())
    }
}

fn seconds(span: Span) -> i64 {
    span.elapsed().map_or(86_400, |delta| delta.num_seconds()).max(1)
}

/// Returns whether an attempt with an unknown end may have done something that must not happen twice.
fn once_only(action: &Action) -> bool {
    matches!(action, Action::Request { request: HttpRequest { repeat: Repeat::None, .. }, .. })
}

/// Returns whether a result has the kind that the action expects.
fn fits(action: &Action, done: &Done) -> bool {
    if matches!(done, Done::Kept) {
        return action.hold().is_some_and(|change| !change.places);
    }
    match action {
        Action::Identity(IdentityAction::Read { .. }) => matches!(done, Done::Seen { .. }),
        Action::Identity(IdentityAction::Change { change, .. }) => {
            discriminant(done) == discriminant(&change.done(Changed::default()))
        }
        Action::Verification { session: SessionAction::Start(_), .. } => matches!(done, Done::Started { .. }),
        Action::Verification { session: SessionAction::Read(_), .. } => matches!(done, Done::Read { .. }),
        Action::Mail { .. } => matches!(done, Done::Sent),
        Action::Provisioning { account: ProvisioningAction::Create { .. }, .. } => {
            matches!(done, Done::Created { .. })
        }
        Action::Provisioning { account: ProvisioningAction::Update { .. }, .. } => {
            matches!(done, Done::Applied { .. })
        }
        Action::Request { .. } => matches!(done, Done::Answered { .. }),
        Action::Emit { .. } => matches!(done, Done::Emitted),
    }
}

fn detail(action: &Action, done: &Done) -> String {
    let already =
        |word: &str, already: bool| if already { format!("{word} already") } else { word.to_owned() };
    match done {
        Done::Sent => {
            if let Action::Mail { message } = action {
                format!("mail {} sent", message.template)
            } else {
                "sent".to_owned()
            }
        }
        Done::Started { .. } => "started".to_owned(),
        Done::Read { reading } => format!("read: {:?}", reading.phase).to_lowercase(),
        Done::Approved { already: so, .. } => already("approved", *so),
        Done::Invited { already: so } => already("invited", *so),
        Done::Rejected { already: so } => already("rejected", *so),
        Done::Deleted { already: so } => already("deleted", *so),
        Done::Seen { subject } => if subject.is_some() { "seen" } else { "not there" }.to_owned(),
        Done::Applied { already: so, .. } => already(action.word(), *so),
        Done::Kept => format!("{} left undone: another case holds it", action.word()),
        Done::Created { already: so, .. } => already("created", *so),
        Done::Answered { status, .. } => format!("answered with {status}"),
        Done::Emitted => "emitted".to_owned(),
    }
}
