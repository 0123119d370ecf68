//! What is known of a person at a verification provider over several cases: the account, the enrolled face,
//! earlier runs, and passes that count again.

use std::collections::BTreeSet;

use serde_json::json;

use super::entry::Note;
use super::judge::{Judged, PASSED, record};
use super::state::Proving;
use super::turn::Turn;
use crate::model::{
    Enrolment, Event, EventType, Fields, Judgement, Method, Origin, Pass, Proof, Session, SubjectKind,
    SubjectRef,
};
use crate::policy::tree::{StepIndex, Verification, Verify};

/// The verification that a person is really asked for.
pub(super) fn in_use<'a>(proving: &Proving, verify: &'a Verify) -> &'a Verification {
    verify.fallback.as_deref().filter(|_| proving.fell_back).unwrap_or(&verify.verification)
}

impl Turn<'_> {
    pub fn enrolment(&self, provider: &str) -> Option<&Enrolment> {
        self.enrolments.get(provider).or_else(|| self.here.enrolments.get(provider))
    }

    pub fn enrolled(&self, verify: &Verify) -> bool {
        self.enrolment(&verify.verification.provider).is_some_and(|known| known.enrolled_at.is_some())
    }

    /// Whether a person can be asked at all.
    pub fn can_begin(&self, verify: &Verify) -> bool {
        verify.verification.method == Method::Full || verify.fallback.is_some() || self.enrolled(verify)
    }

    /// A pass that is recent enough, and of which nothing is missing, counts at once. So does one of the
    /// verification that the step would fall back to.
    pub fn reuse(&mut self, step: StepIndex, verify: &Verify) -> bool {
        let Some(within) = verify.reuse_within else { return false };
        let now = self.now();
        let counts = |pass: &Pass, verification: &Verification| {
            self.after(pass.at, within, None) >= now
                && covers(pass.method, verification.method)
                && verification.require.iter().all(|check| pass.checks.contains(check))
                && verify.compare.iter().all(|field| pass.compared.contains(field))
        };
        let accepted = std::iter::once(&verify.verification).chain(&verify.fallback);
        let found = accepted.filter_map(|verification| {
            let known = self.enrolment(&verification.provider)?;
            known.passes.iter().rev().find(|pass| counts(pass, verification))
        });
        let Some(pass) = found.max_by_key(|pass| pass.at).cloned() else { return false };
        let judged = Judged { outcome: Some(PASSED), reasons: Vec::new(), mismatches: Vec::new() };
        self.learn(step, record(Some(PASSED), Some(&judged), None, Some(pass.at)));
        self.note_at(Some(step), Note::Reused { case: pass.case });
        let ended = Note::StepEnded { outcome: PASSED.to_owned(), reasons: Vec::new() };
        self.note_at(Some(step), ended);
        true
    }

    fn change(&mut self, provider: &str, change: impl FnOnce(&mut Enrolment)) {
        let mut enrolment = self.enrolment(provider).cloned().unwrap_or_default();
        change(&mut enrolment);
        self.enrolments.insert(provider.to_owned(), enrolment);
    }

    pub fn remember_run(&mut self, provider: &str, session: &Session) {
        self.change(provider, |enrolment| enrolment.ran(session));
    }

    /// The provider says that nothing is there to compare with.
    pub fn forget_face(&mut self, provider: &str) {
        self.change(provider, |enrolment| enrolment.enrolled_at = None);
    }

    /// A full run that ended otherwise than by a pass: whose face it left is not known.
    pub fn distrust(&mut self, verification: &Verification) {
        if verification.method == Method::Full {
            self.change(&verification.provider, Enrolment::leave_account);
        }
    }

    pub fn remember_pass(
        &mut self,
        verification: &Verification,
        compared: &[String],
        proof: &Proof,
        session: &Session,
    ) {
        let passed = |(check, judgement): (&String, &Judgement)| {
            (*judgement == Judgement::Passed).then(|| check.clone())
        };
        let pass = Pass {
            at: self.now(),
            case: self.case.id.0.clone(),
            verification: verification.name.clone(),
            method: verification.method,
            checks: proof.checks.iter().filter_map(passed).collect(),
            compared: compared.to_vec(),
        };
        self.change(&verification.provider, |enrolment| {
            enrolment.ran(session);
            enrolment.passed(pass);
        });
        self.tell_pass(verification, session);
    }

    /// `verification.passed`, for whoever waits for it. A registration's account hears of it too.
    fn tell_pass(&mut self, verification: &Verification, session: &Session) {
        let subject = self.case.subject.reference();
        let account = self.case.subject.text("user_id").filter(|_| subject.kind != SubjectKind::User);
        let account = account.map(|id| SubjectRef { kind: SubjectKind::User, id: id.to_owned() });
        for subject in std::iter::once(subject).chain(account) {
            let mut fields = Fields::new();
            fields.insert(
                "data".to_owned(),
                json!({
                    "case": self.case.id,
                    "policy": self.case.policy,
                    "verification": verification.name,
                }),
            );
            self.events.push(Event {
                key: format!("proofd:passed:{}:{subject}", session.execution),
                near: Vec::new(),
                leaves: Vec::new(),
                kind: EventType::new(EventType::VERIFICATION_PASSED),
                also: Vec::new(),
                source: "proofd".to_owned(),
                time: self.now(),
                subject,
                actor: None,
                actor_id: None,
                by_subject: false,
                origin: Origin::Unknown,
                ip: None,
                fields,
            });
        }
    }

    /// Every run that is this person's own.
    pub fn own_runs(&self, provider: &str) -> BTreeSet<String> {
        let earlier = self.enrolment(provider).map(|known| known.runs.clone()).unwrap_or_default();
        self.case.sessions.keys().cloned().chain(earlier).collect()
    }
}

/// Whether a pass by one method is worth at least as much as one by the other.
fn covers(had: Method, wanted: Method) -> bool {
    match wanted {
        Method::Full => had == Method::Full,
        Method::ExistingId => had != Method::Authentication,
        Method::Authentication => true,
    }
}
