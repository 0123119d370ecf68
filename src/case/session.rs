//! The vendor's session of a person: start, readings, result. A result counts only with proofd's own reference, and
//! only for its session.

use std::collections::BTreeMap;

use chrono::TimeDelta;

use super::compared;
use super::comparison::{canonical, forms};
use super::enrolling::in_use;
use super::entry::Note;
use super::identity::person;
use super::input::Refused;
use super::judge::{CHANGED, Compared, Judged, SEEN_BEFORE, judge, record, with_forms};
use super::links::LinkKind;
use super::paying::Pays;
use super::state::{Case, Purpose, State, Verifying};
use super::transition::{Transition, Trouble};
use crate::model::{
    Action, Failure, FailureKind, Method, Phase, Proof, ReadSession, Reading, Returned, Session,
    SessionAction, StartSession, Timestamp, Void,
};
use crate::policy::Policy;
use crate::policy::outcome::ProofOutcome;
use crate::policy::tree::{Verb, Verification};

/// Seconds after the end of the capture at which the vendor expects readings; then every half hour.
const ASK_AFTER: [i64; 10] = [40, 60, 100, 160, 240, 340, 460, 600, 760, 940];
const THEN_EVERY: TimeDelta = TimeDelta::minutes(30);

/// Sessions of one step that may end without a result before a reviewer must look.
const MOST_SESSIONS: u32 = 8;
const TOO_MANY: &str = "too_many_attempts";
/// The provider has nothing of the person to compare with, and the policy has no fallback.
pub(super) const NOT_ENROLLED: &str = "not_enrolled";

/// Range of link lifetimes that vendors accept, in seconds: five minutes to sixty days.
const LIFETIME_SECONDS: std::ops::RangeInclusive<i64> = 300..=60 * 86_400;

impl Transition<'_> {
    /// Starts a session for a person who waits at their page. Without anything to compare with the step ends as
    /// unavailable.
    pub fn begin_session(&mut self, mut proving: Verifying) {
        let step = proving.step;
        let pays = if self.goes_on(&proving) { Pays::Yes } else { self.pays(&proving) };
        match pays {
            Pays::Yes => {}
            Pays::Rests(until) => return self.rest(proving, until),
            Pays::Held => return self.hold_start(proving),
        }
        match self.start_session(&mut proving) {
            Ok(true) => self.case.state = State::Verifying(proving),
            Ok(false) => {
                let reasons = self.record_not_enrolled(step);
                self.leave_proving(step, ProofOutcome::Unavailable, reasons);
            }
            Err(trouble) => self.stick_with(step, trouble, None, Some(State::Verifying(proving))),
        }
    }

    /// Requests a session start. Returns false if there is nothing to compare with.
    fn start_session(&mut self, proving: &mut Verifying) -> Result<bool, Trouble> {
        let verify = self.verify_of(proving.step)?;
        if verify.verification.method != Method::Full && !proving.fell_back && !self.enrolled(verify) {
            let Some(fallback) = &verify.fallback else { return Ok(false) };
            proving.fell_back = true;
            self.note(Note::FellBack { verification: fallback.name.clone() });
        }
        let verification = in_use(proving, verify);
        let call = self.case.call_id(self.case.next_call);
        // One person has one account; a new one replaces only an account that the provider lost.
        let known = self.enrolment(&verification.provider).map(|enrolment| enrolment.account.clone());
        let account = known.filter(|account| !account.is_empty() && !proving.anew);
        let registered_needed = self.context.told.contains(&verification.provider);
        let registered =
            |field: &String| Some((field.clone(), self.case.subject.registered(field)?.to_owned()));
        let start = StartSession {
            workflow: verification.workflow.clone(),
            method: verification.method,
            account,
            // Each attempt appends its own number.
            reference: format!("{call}.1"),
            person: person(&self.case.subject.reference()),
            lifetime_seconds: (proving.deadline - self.now())
                .num_seconds()
                .clamp(*LIFETIME_SECONDS.start(), *LIFETIME_SECONDS.end()),
            locale: proving.locale.clone(),
            callback_url: self.context.links.callback(
                &verification.provider,
                &self.case.id,
                self.case.attempts + 1,
            ),
            return_url: Some(self.context.links.person(&self.case.id, LinkKind::Verify, proving.link)),
            require: if registered_needed { verification.require.clone() } else { Vec::new() },
            registered: verify.compare.iter().filter(|_| registered_needed).filter_map(registered).collect(),
        };
        let provider = verification.provider.clone();
        let action = Action::Verification { provider, session: SessionAction::Start(start) };
        if !self.goes_on(proving) {
            self.pay(proving);
        }
        proving.start = Some(self.ask(proving.step, action, Purpose::Start, self.now()));
        Ok(true)
    }

    /// Gives up a start with an unknown end: its link was never shown. A new start replaces it if the person still
    /// waits.
    pub fn restart_session(&mut self, call: u32) {
        let State::Verifying(mut proving) = self.case.state.clone() else { return };
        if proving.start != Some(call) {
            return;
        }
        proving.start = None;
        self.begin_session(proving);
    }

    pub fn session_started(&mut self, call: u32, action: &Action, session: Session) {
        // Stored in every case: a hint for the session must find this case.
        self.case.sessions.insert(session.execution.clone(), session.account.clone());
        self.case.attempts += 1;
        let attempt = self.case.attempts;
        self.note(Note::SessionStarted { execution: session.execution.clone(), attempt });
        let current = match &self.case.state {
            State::Verifying(proving) if proving.start == Some(call) => Some(proving.clone()),
            _ => None,
        };
        let same_try = current.as_ref().is_some_and(|proving| self.goes_on(proving));
        if let Action::Verification { provider, .. } = action {
            match same_try {
                true => self.remember_run(provider, &session),
                false => self.remember_start(provider, &session),
            }
        }
        let Some(mut proving) = current else { return };
        proving.start = None;
        if !same_try {
            proving.sessions += 1;
            proving.try_until = session.returns_by;
        }
        proving.poll_at = Some(session.returns_by.unwrap_or(self.now() + self.poll_every(&proving)));
        proving.session = Some(session);
        proving.polls = 0;
        proving.captured_at = None;
        proving.unclear = false;
        proving.wanted = false;
        self.case.state = State::Verifying(proving);
    }

    pub fn start_failed(&mut self, call: u32, failure: &Failure, reason: Trouble) {
        let State::Verifying(mut proving) = self.case.state.clone() else { return };
        if proving.start != Some(call) {
            return;
        }
        match failure.kind {
            FailureKind::Unavailable => self.end_proving(&proving, ProofOutcome::Unavailable),
            FailureKind::NotEnrolled => self.not_enrolled(proving, reason),
            // proofd's request was wrong, which is no result about the person. They press again after the retry.
            FailureKind::Refused | FailureKind::Changed => {
                proving.start = None;
                self.stick_with(proving.step, reason, None, Some(State::Verifying(proving)));
            }
        }
    }

    /// Handles a provider that lost the person or their face: uses the fallback, on a new account if needed. Each
    /// happens once.
    fn not_enrolled(&mut self, mut proving: Verifying, reason: Trouble) {
        proving.start = None;
        let step = proving.step;
        let Ok(verify) = self.verify_of(step) else { return };
        let verification = in_use(&proving, verify);
        match verification.method {
            Method::Full if proving.anew => {
                self.stick_with(step, reason, None, Some(State::Verifying(proving)));
            }
            Method::Full => {
                proving.anew = true;
                self.begin_session(proving);
            }
            Method::Authentication | Method::ExistingId => {
                self.forget_face(&verification.provider);
                if proving.fell_back {
                    let reasons = self.record_not_enrolled(step);
                    return self.leave_proving(step, ProofOutcome::Unavailable, reasons);
                }
                self.begin_session(proving);
            }
        }
    }

    /// Requests the session's state, one reading at a time.
    pub fn ask_reading(&mut self, proving: &mut Verifying) {
        let Some(session) = &proving.session else { return };
        proving.poll_at = None;
        if let Some(call) = proving.read {
            return self.hasten(call);
        }
        let Ok(verify) = self.verify_of(proving.step) else { return };
        let action = read(in_use(proving, verify).provider.clone(), session, None);
        proving.read = Some(self.ask(proving.step, action, Purpose::Read, self.now()));
    }

    /// Returns whether a new session belongs to the same try of the person as the one before.
    fn goes_on(&self, proving: &Verifying) -> bool {
        proving.try_until.is_some_and(|until| self.now() < until)
    }

    /// Returns whether the reading in progress exchanges what the person's browser brought back.
    pub fn is_returned(&self, proving: &Verifying) -> bool {
        is_returned(&self.case, proving)
    }

    /// Handles the return of the person's browser. What it brought is exchanged once, for the current session only.
    pub fn returned(
        &mut self,
        mut proving: Verifying,
        execution: &str,
        returned: Returned,
    ) -> Result<(), Refused> {
        let current = |session: &&Session| session.execution == execution && session.returns_by.is_some();
        let session = proving.session.as_ref().filter(current).ok_or(Refused::Stale)?;
        if self.is_returned(&proving) {
            return Err(Refused::Stale);
        }
        let verify = self.verify_of(proving.step).map_err(|_| Refused::WrongPolicy)?;
        let action = read(in_use(&proving, verify).provider.clone(), session, Some(returned));
        self.note(Note::Returned);
        self.drop_calls(|purpose| purpose == Purpose::Read);
        proving.poll_at = None;
        proving.read = Some(self.ask(proving.step, action, Purpose::Read, self.now()));
        self.case.state = State::Verifying(proving);
        Ok(())
    }

    /// Handles a hint of the vendor. Only the current session is read.
    pub fn hinted(&mut self, mut proving: Verifying, execution: &str) -> Result<(), Refused> {
        if proving.session.as_ref().is_none_or(|session| session.execution != execution) {
            return Err(Refused::Stale);
        }
        self.note(Note::Hinted);
        self.ask_reading(&mut proving);
        self.case.state = State::Verifying(proving);
        Ok(())
    }

    /// Handles a refused reading, or one whose retries are used up.
    pub fn read_failed(&mut self, call: u32) {
        let State::Verifying(proving) = self.case.state.clone() else { return };
        if proving.read == Some(call) {
            self.end_proving(&proving, ProofOutcome::Unavailable);
        }
    }

    pub fn session_read(&mut self, call: u32, reading: Reading) {
        let State::Verifying(mut proving) = self.case.state.clone() else { return };
        if proving.read != Some(call) {
            return;
        }
        proving.read = None;
        let Some(session) = proving.session.clone() else {
            self.case.state = State::Verifying(proving);
            return;
        };
        if !belongs(&reading, &session) {
            self.note(Note::ReadingIgnored { execution: reading.execution });
            return self.read_again(proving, self.now() + THEN_EVERY);
        }
        proving.unclear = reading.phase == Phase::Unclear;
        match (reading.phase, reading.proof) {
            (Phase::Unclear, _) => {
                // The link was valid when it was issued.
                proving.wanted = false;
                let at = self.next_poll(&mut proving, false);
                self.read_again(proving, at);
            }
            (Phase::Waiting | Phase::Capturing, _) if proving.late_until.is_some() => {
                self.end_proving(&proving, ProofOutcome::NoResponse);
            }
            (phase @ (Phase::Waiting | Phase::Capturing), _) => {
                // The link is confirmed valid: the page may redirect the person.
                proving.wanted = false;
                let at = self.next_poll(&mut proving, phase == Phase::Capturing);
                self.read_again(proving, at);
            }
            (Phase::Processing, _) => {
                proving.wanted = false;
                let at = self.next_vendor_poll(&mut proving);
                self.read_again(proving, at);
            }
            (Phase::Done, Some(proof)) => self.judged(proving, &session, &proof),
            (Phase::Done, None) => {
                // A finished session without a result is read again.
                let at = self.next_vendor_poll(&mut proving);
                self.read_again(proving, at);
            }
            (Phase::Expired, _) => self.session_ended(proving, &session, reading.void),
        }
    }

    fn read_again(&mut self, mut proving: Verifying, at: Timestamp) {
        proving.poll_at = Some(at);
        self.case.state = State::Verifying(proving);
    }

    /// Returns when an idle session is read next, with growing intervals: a press or a hint triggers earlier.
    fn next_poll(&self, proving: &mut Verifying, busy: bool) -> Timestamp {
        if let Some(by) = proving.session.as_ref().and_then(|session| session.returns_by) {
            return by.max(self.now() + THEN_EVERY);
        }
        let doublings = if busy { 0 } else { proving.polls.min(5) };
        proving.polls = if busy { 0 } else { proving.polls + 1 };
        let every = self.poll_every(proving);
        self.now() + (every * (1 << doublings)).min(THEN_EVERY.max(every))
    }

    /// Returns how often the provider in use is read.
    fn poll_every(&self, proving: &Verifying) -> TimeDelta {
        match self.verify_of(proving.step) {
            Ok(verify) => self.context.poll_every.of(&in_use(proving, verify).provider),
            Err(_) => self.context.poll_every.otherwise,
        }
    }

    fn next_vendor_poll(&self, proving: &mut Verifying) -> Timestamp {
        let now = self.now();
        let captured = *proving.captured_at.get_or_insert(now);
        ASK_AFTER
            .iter()
            .map(|seconds| captured + TimeDelta::seconds(*seconds))
            .find(|at| *at > now)
            .unwrap_or(now + THEN_EVERY)
    }

    /// Handles a session without a result: no pass and no failure; the person may start another.
    fn session_ended(&mut self, proving: Verifying, session: &Session, void: Option<Void>) {
        let execution = session.execution.clone();
        match void {
            Some(why) => {
                self.note(Note::SessionVoid { execution, why });
                self.give_back(&proving);
            }
            None => self.note(Note::SessionEnded { execution }),
        }
        let mut proving = proving.without_session();
        proving.try_until = None;
        if proving.late_until.is_some() {
            return self.end_proving(&proving, ProofOutcome::NoResponse);
        }
        if proving.sessions >= MOST_SESSIONS {
            // Providers count many tries against a person, and so many indicate a problem.
            let judged = Judged { outcome: None, reasons: vec![TOO_MANY.to_owned()], mismatches: Vec::new() };
            self.learn(
                proving.step,
                record(Some(ProofOutcome::Warning), Some(&judged), None, Some(self.now())),
            );
            return self.leave_proving(proving.step, ProofOutcome::Warning, judged.reasons);
        }
        if proving.wanted {
            return self.begin_session(proving);
        }
        self.case.state = State::Verifying(proving);
    }

    fn judged(&mut self, proving: Verifying, session: &Session, proof: &Proof) {
        let verify = match self.verify_of(proving.step) {
            Ok(verify) => verify,
            Err(trouble) => return self.stick(proving.step, trouble),
        };
        let verification = in_use(&proving, verify);
        let own = self.own_runs(&verification.provider);
        let wanted = Compared { fields: &verify.compare, optional: &verify.optional };
        let mut judged = judge(proof, verification, wanted, &self.case.subject, &own);
        if self.document_elsewhere(proof) {
            judged.doubt(SEEN_BEFORE);
        }
        let compared = match verification.method {
            // A selfie depends on the same values as the face it was compared with.
            Method::Authentication => self.face(&verification.provider, verify).unwrap_or_else(|| {
                judged.doubt(CHANGED);
                BTreeMap::new()
            }),
            Method::Full | Method::ExistingId => {
                compared::fingerprints(self.context.links.fingerprints(), &verify.compare, &self.case.subject)
            }
        };
        match judged.outcome {
            Some(ProofOutcome::Passed) => {
                // Optional fields without a value were not compared.
                let kept = |field: &String| {
                    canonical(field, &self.case.subject).is_some() || !verify.optional.contains(field)
                };
                let agreed = compared.iter().filter(|(field, _)| kept(field));
                let agreed = agreed.map(|(field, print)| (field.clone(), print.clone())).collect();
                self.remember_pass(verification, agreed, proof, session);
            }
            Some(_) => self.distrust(verification),
            None => {}
        }
        if judged.outcome.is_some() {
            self.rest_on(compared);
        }
        match judged.outcome {
            None => self.session_ended(proving, session, None),
            Some(outcome) => {
                let value = record(Some(outcome), Some(&judged), Some(proof), Some(self.now()));
                let forms = forms(&verify.compare, &self.case.subject, proof.document.as_ref());
                let value = if proof.document.is_some() { with_forms(value, &forms) } else { value };
                self.learn(proving.step, value);
                self.leave_proving(proving.step, outcome, judged.reasons);
            }
        }
    }
}

fn read(provider: String, session: &Session, returned: Option<Returned>) -> Action {
    let read = ReadSession {
        account: session.account.clone(),
        execution: session.execution.clone(),
        reference: session.reference.clone(),
        returns_by: session.returns_by,
        returned,
    };
    Action::Verification { provider, session: SessionAction::Read(read) }
}

/// Returns whether the reading in progress exchanges what the person's browser brought back.
pub fn is_returned(case: &Case, proving: &Verifying) -> bool {
    let reading = proving.read.and_then(|call| case.calls.get(&call));
    reading.is_some_and(|pending| pending.action.exchanges())
}

impl Verifying {
    /// Drops the current session and its reading.
    pub(super) fn without_session(self) -> Self {
        let (session, read, poll_at, polls, captured_at) = (None, None, None, 0, None);
        Self { session, read, poll_at, polls, captured_at, ..self }
    }
}

/// Returns the reading of a person's session that a poll would request, while a capture is pending and no reading is in
/// progress.
pub fn reading(case: &Case, policy: &Policy) -> Option<Action> {
    let State::Verifying(proving) = &case.state else { return None };
    let session = proving.session.as_ref()?;
    let waits = proving.captured_at.is_none() && proving.read.is_none();
    let provider = verification(case, policy)?.provider.clone();
    waits.then(|| read(provider, session, None))
}

/// Returns the verification in use of a case that waits for one.
pub fn verification<'a>(case: &Case, policy: &'a Policy) -> Option<&'a Verification> {
    let State::Verifying(proving) = &case.state else { return None };
    let Verb::Verify(verify) = &policy.step(proving.step)?.verb else { return None };
    Some(in_use(proving, verify))
}

/// Returns whether a reading shows progress beyond a pending capture.
pub fn moved_on(reading: &Reading, session: &Session) -> bool {
    belongs(reading, session) && !matches!(reading.phase, Phase::Waiting | Phase::Capturing)
}

/// Returns whether a reading belongs to the session. A result must carry the issued reference; an answer without a
/// result need not.
fn belongs(reading: &Reading, session: &Session) -> bool {
    let reference = match (&reading.reference, reading.phase) {
        (Some(reference), _) => *reference == session.reference,
        (None, Phase::Done) => false,
        (None, Phase::Waiting | Phase::Capturing | Phase::Processing | Phase::Expired | Phase::Unclear) => {
            true
        }
    };
    reading.account == session.account && reading.execution == session.execution && reference
}
