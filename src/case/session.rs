//! The vendor's session of a person who is asked to prove who they are: start, readings, result. Only what
//! carries our own reference counts, and only for the session it belongs to.

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
    Action, Failure, FailureKind, Method, Phase, Proof, ReadSession, Reading, Session, SessionAction,
    StartSession, Timestamp,
};
use crate::policy::Policy;
use crate::policy::outcome::ProofOutcome;
use crate::policy::tree::Verb;

/// Seconds after the end of the capture at which the vendor wants to be asked; then every half hour.
const ASK_AFTER: [i64; 10] = [40, 60, 100, 160, 240, 340, 460, 600, 760, 940];
const THEN_EVERY: TimeDelta = TimeDelta::minutes(30);

/// Sessions of one step that may end without a result before people look at it.
const MOST_SESSIONS: u32 = 8;
const TOO_MANY: &str = "too_many_attempts";
/// Nothing of the person is at the provider that could be compared with, and the policy has no fallback.
pub(super) const NOT_ENROLLED: &str = "not_enrolled";

/// What vendors take as a link's life: five minutes to sixty days.
const LIFETIME_SECONDS: std::ops::RangeInclusive<i64> = 300..=60 * 86_400;

impl Transition<'_> {
    /// Starts a session for a person who waits at their page; where nothing of them is known that it could
    /// be compared with, nobody can be asked.
    pub fn begin_session(&mut self, mut proving: Verifying) {
        let step = proving.step;
        match self.pays(&proving) {
            Pays::Yes => {}
            Pays::Rests(until) => return self.rest(proving, until),
            Pays::Held => return self.hold_start(proving),
        }
        match self.start_session(&mut proving) {
            Ok(true) => self.case.state = State::Verifying(proving),
            Ok(false) => {
                let reasons = self.nobody_enrolled(step);
                self.leave_proving(step, ProofOutcome::Unavailable, reasons);
            }
            Err(trouble) => self.stick_with(step, trouble, None, Some(State::Verifying(proving))),
        }
    }

    /// False: there is nothing to compare with.
    fn start_session(&mut self, proving: &mut Verifying) -> Result<bool, Trouble> {
        let verify = self.verify_of(proving.step)?;
        if verify.verification.method != Method::Full && !proving.fell_back && !self.enrolled(verify) {
            let Some(fallback) = &verify.fallback else { return Ok(false) };
            proving.fell_back = true;
            self.note(Note::FellBack { verification: fallback.name.clone() });
        }
        let verification = in_use(proving, verify);
        let call = self.case.call_id(self.case.next_call);
        // One person, one account: only one that the provider has forgotten is left behind.
        let known = self.enrolment(&verification.provider).map(|enrolment| enrolment.account.clone());
        let account = known.filter(|account| !account.is_empty() && !proving.anew);
        let start = StartSession {
            workflow: verification.workflow.clone(),
            method: verification.method,
            account,
            // Each attempt puts its own number behind it.
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
        };
        let provider = verification.provider.clone();
        let action = Action::Verification { provider, session: SessionAction::Start(start) };
        self.pay(proving);
        proving.start = Some(self.ask(proving.step, action, Purpose::Start, self.now()));
        Ok(true)
    }

    /// A start whose end is not known is given up: nobody ever saw its link. A fresh one takes its place
    /// if the person still waits.
    pub fn restart_session(&mut self, call: u32) {
        let State::Verifying(mut proving) = self.case.state.clone() else { return };
        if proving.start != Some(call) {
            return;
        }
        proving.start = None;
        self.begin_session(proving);
    }

    pub fn session_started(&mut self, call: u32, action: &Action, session: Session) {
        // Kept in any case: a hint for it must find this case, where it is then judged.
        self.case.sessions.insert(session.execution.clone(), session.account.clone());
        self.case.attempts += 1;
        let attempt = self.case.attempts;
        self.note(Note::SessionStarted { execution: session.execution.clone(), attempt });
        if let Action::Verification { provider, .. } = action {
            self.remember_start(provider, &session);
        }
        let State::Verifying(mut proving) = self.case.state.clone() else { return };
        if proving.start != Some(call) {
            return;
        }
        proving.start = None;
        proving.sessions += 1;
        proving.session = Some(session);
        proving.poll_at = Some(self.now() + self.poll_every(&proving));
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
            // Our request is wrong, which says nothing about the person. They press again after the retry.
            FailureKind::Refused | FailureKind::Changed => {
                proving.start = None;
                self.stick_with(proving.step, reason, None, Some(State::Verifying(proving)));
            }
        }
    }

    /// The provider has forgotten the person, or their face: what the policy falls back to is asked, on a
    /// new account if need be. Each happens once.
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
                    let reasons = self.nobody_enrolled(step);
                    return self.leave_proving(step, ProofOutcome::Unavailable, reasons);
                }
                self.begin_session(proving);
            }
        }
    }

    /// Asks for the session's state, once at a time.
    pub fn ask_reading(&mut self, proving: &mut Verifying) {
        let Some(session) = &proving.session else { return };
        proving.poll_at = None;
        if let Some(call) = proving.read {
            return self.hasten(call);
        }
        let Ok(verify) = self.verify_of(proving.step) else { return };
        let action = read(in_use(proving, verify).provider.clone(), session);
        proving.read = Some(self.ask(proving.step, action, Purpose::Read, self.now()));
    }

    /// The vendor says that something may have changed. Only the current session is worth a look.
    pub fn hinted(&mut self, mut proving: Verifying, execution: &str) -> Result<(), Refused> {
        if proving.session.as_ref().is_none_or(|session| session.execution != execution) {
            return Err(Refused::Stale);
        }
        self.note(Note::Hinted);
        self.ask_reading(&mut proving);
        self.case.state = State::Verifying(proving);
        Ok(())
    }

    /// The provider refused to show the session, or could not be reached until the retries ran out.
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
                // The link was good when it was given out.
                proving.wanted = false;
                let at = self.next_poll(&mut proving, false);
                self.read_again(proving, at);
            }
            (Phase::Waiting | Phase::Capturing, _) if proving.late_until.is_some() => {
                self.end_proving(&proving, ProofOutcome::NoResponse);
            }
            (phase @ (Phase::Waiting | Phase::Capturing), _) => {
                // Known good just now: the page may send the person there.
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
                // Done without a word is not an answer; ask again.
                let at = self.next_vendor_poll(&mut proving);
                self.read_again(proving, at);
            }
            (Phase::Expired, _) => self.session_ended(proving, &session),
        }
    }

    fn read_again(&mut self, mut proving: Verifying, at: Timestamp) {
        proving.poll_at = Some(at);
        self.case.state = State::Verifying(proving);
    }

    /// A session that nobody is at is asked for less and less often: a press or a hint comes first anyway.
    fn next_poll(&self, proving: &mut Verifying, busy: bool) -> Timestamp {
        let doublings = if busy { 0 } else { proving.polls.min(5) };
        proving.polls = if busy { 0 } else { proving.polls + 1 };
        let every = self.poll_every(proving);
        self.now() + (every * (1 << doublings)).min(THEN_EVERY.max(every))
    }

    /// How often the provider in use is read.
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

    /// A session without a result: nobody failed, nobody passed, and the person may start another.
    fn session_ended(&mut self, mut proving: Verifying, session: &Session) {
        self.note(Note::SessionEnded { execution: session.execution.clone() });
        proving.session = None;
        proving.poll_at = None;
        proving.polls = 0;
        proving.captured_at = None;
        if proving.late_until.is_some() {
            return self.end_proving(&proving, ProofOutcome::NoResponse);
        }
        if proving.sessions >= MOST_SESSIONS {
            // A provider holds many tries against a person, and so many mean that something is wrong.
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
            // A selfie rests on what the face it was compared with rests on.
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
                // What was left out because it may be missing was not compared.
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
            None => self.session_ended(proving, session),
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

fn read(provider: String, session: &Session) -> Action {
    let read = ReadSession {
        account: session.account.clone(),
        execution: session.execution.clone(),
        reference: session.reference.clone(),
    };
    Action::Verification { provider, session: SessionAction::Read(read) }
}

/// What would be read of a person's session, where a capture is still waited for and nothing is being read.
pub fn reading(case: &Case, policy: &Policy) -> Option<Action> {
    let State::Verifying(proving) = &case.state else { return None };
    let Verb::Verify(verify) = &policy.step(proving.step)?.verb else { return None };
    let session = proving.session.as_ref()?;
    let waits = proving.captured_at.is_none() && proving.read.is_none();
    waits.then(|| read(in_use(proving, verify).provider.clone(), session))
}

/// Whether a reading says more than that the capture is still waited for.
pub fn moved_on(reading: &Reading, session: &Session) -> bool {
    belongs(reading, session) && !matches!(reading.phase, Phase::Waiting | Phase::Capturing)
}

/// A result counts only for the session it belongs to, and only if it carries the reference that we gave
/// out for it. An answer without a result need not carry it.
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
