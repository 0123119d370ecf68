//! Data about a person at a verification provider across cases: the account, the enrolled face, earlier runs, and
//! reusable passes.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::compared;
use super::entry::Note;
use super::judge::{Judged, record};
use super::state::Verifying;
use super::transition::Transition;
use crate::model::{
    Enrolment, Event, EventType, Fields, Judgement, Method, Origin, Pass, Proof, Session, SubjectKind,
    SubjectRef,
};
use crate::policy::outcome::ProofOutcome;
use crate::policy::tree::{StepIndex, Verb, Verification, Verify};

/// Returns the verification in use: the main one or the fallback.
pub(super) fn in_use<'a>(proving: &Verifying, verify: &'a Verify) -> &'a Verification {
    verify.fallback.as_deref().filter(|_| proving.fell_back).unwrap_or(&verify.verification)
}

/// The source of proofd's own events.
const PROOFD: &str = "proofd";

impl Transition<'_> {
    pub fn enrolment(&self, provider: &str) -> Option<&Enrolment> {
        self.enrolments.get(provider).or_else(|| self.context.enrolments.get(provider))
    }

    /// Returns whether the provider holds something that a new run can be compared with. A face counts only while the
    /// person's registered values match those of its document.
    pub fn enrolled(&self, verify: &Verify) -> bool {
        match verify.verification.method {
            Method::Authentication => self.face(&verify.verification.provider, verify).is_some(),
            Method::Full | Method::ExistingId => {
                self.enrolment(&verify.verification.provider).is_some_and(|known| known.enrolled_at.is_some())
            }
        }
    }

    /// Returns what the enrolled face was compared with, if those values are unchanged and complete. `None`: the face
    /// proves nothing for this step.
    pub fn face(&self, provider: &str, verify: &Verify) -> Option<BTreeMap<String, String>> {
        let known = self.enrolment(provider)?;
        let since = known.enrolled_at?;
        let (person, prints) = (self.person_now(), self.context.links.fingerprints());
        let passes: Vec<_> = known.passes.iter().filter(|pass| pass.at >= since).collect();
        let whole = passes.iter().all(|pass| compared::unchanged(pass, person, prints))
            && passes.iter().any(|pass| compared::covers(pass, verify, person));
        whole.then(|| passes.into_iter().flat_map(|pass| pass.compared.clone()).collect())
    }

    /// Returns whether the person must be read before a step that may use an earlier pass.
    pub fn must_know(&self, verb: &Verb) -> bool {
        let Verb::Verify(verify) = verb else { return false };
        let leans = |verification: &Verification| {
            let passed = self.enrolment(&verification.provider).is_some_and(|known| !known.passes.is_empty());
            passed && (verify.reuse_within.is_some() || verification.method == Method::Authentication)
        };
        self.can_reread()
            && std::iter::once(&verify.verification).chain(&verify.fallback).any(|one| leans(one.as_ref()))
    }

    /// Returns whether the verification can start for this person.
    pub fn can_begin(&self, verify: &Verify) -> bool {
        verify.verification.method == Method::Full || verify.fallback.is_some() || self.enrolled(verify)
    }

    /// Reuses a recent pass with all required checks and fields, if the person's registered values are unchanged. A
    /// pass of the fallback verification counts too.
    pub fn reuse(&mut self, step: StepIndex, verify: &Verify) -> bool {
        let Some(within) = verify.reuse_within else { return false };
        let now = self.now();
        let (person, prints) = (self.person_now(), self.context.links.fingerprints());
        let counts = |pass: &Pass, verification: &Verification| {
            self.after(pass.at, within, None) >= now
                && covers(pass.method, verification.method)
                && verification.require.iter().all(|check| pass.checks.contains(check))
                && compared::unchanged(pass, person, prints)
                && compared::covers(pass, verify, person)
        };
        let accepted = std::iter::once(&verify.verification).chain(&verify.fallback);
        let found = accepted.filter_map(|verification| {
            let known = self.enrolment(&verification.provider)?;
            known.passes.iter().rev().find(|pass| counts(pass, verification))
        });
        let Some(pass) = found.max_by_key(|pass| pass.at).cloned() else { return false };
        let judged =
            Judged { outcome: Some(ProofOutcome::Passed), reasons: Vec::new(), mismatches: Vec::new() };
        self.learn(step, record(Some(ProofOutcome::Passed), Some(&judged), None, Some(pass.at)));
        self.note_at(Some(step), Note::Reused { case: pass.case });
        self.rest_on(pass.compared);
        let ended = Note::StepEnded { outcome: ProofOutcome::Passed.word().to_owned(), reasons: Vec::new() };
        self.note_at(Some(step), ended);
        true
    }

    pub fn change(&mut self, provider: &str, change: impl FnOnce(&mut Enrolment)) {
        let mut enrolment = self.enrolment(provider).cloned().unwrap_or_default();
        change(&mut enrolment);
        self.enrolments.insert(provider.to_owned(), enrolment);
    }

    pub fn remember_run(&mut self, provider: &str, session: &Session) {
        self.change(provider, |enrolment| enrolment.ran(session));
    }

    /// Handles the provider's report that no face is enrolled.
    pub fn forget_face(&mut self, provider: &str) {
        self.change(provider, |enrolment| enrolment.enrolled_at = None);
    }

    /// Handles a full run without a pass: the face that it left has an unknown owner.
    pub fn distrust(&mut self, verification: &Verification) {
        if verification.method == Method::Full {
            self.change(&verification.provider, Enrolment::leave_account);
        }
    }

    pub fn remember_pass(
        &mut self,
        verification: &Verification,
        compared: BTreeMap<String, String>,
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
            compared,
        };
        self.change(&verification.provider, |enrolment| {
            enrolment.ran(session);
            enrolment.passed(pass);
        });
        self.emit_pass(verification, session);
    }

    /// Takes over the values of another case's pass that this case waited for or opened on.
    pub fn passed_elsewhere(&mut self, event: &Event) {
        if event.kind.as_str() != EventType::VERIFICATION_PASSED || event.source != PROOFD {
            return;
        }
        let case = event.fields.get("data").and_then(|data| data.get("case")).and_then(Value::as_str);
        let passes = self.context.enrolments.values().flat_map(|known| &known.passes);
        let of_case = passes.filter(|pass| Some(pass.case.as_str()) == case);
        let compared = of_case.max_by_key(|pass| pass.at).map(|pass| pass.compared.clone());
        self.rest_on(compared.unwrap_or_default());
    }

    /// Emits `verification.passed`, for the subject and for a registration's account.
    fn emit_pass(&mut self, verification: &Verification, session: &Session) {
        let subject = self.case.subject.reference();
        let account = self.case.subject.text("user_id").filter(|_| subject.kind != SubjectKind::User);
        let account =
            account.map(|id| SubjectRef { kind: SubjectKind::User, id: id.to_owned(), ..subject.clone() });
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
                source: PROOFD.to_owned(),
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

    /// Returns every run of this person at the provider.
    pub fn own_runs(&self, provider: &str) -> BTreeSet<String> {
        let earlier = self.enrolment(provider).map(|known| known.runs.clone()).unwrap_or_default();
        self.case.sessions.keys().cloned().chain(earlier).collect()
    }
}

/// Returns whether a pass by one method is at least as strong as one by the other.
fn covers(had: Method, wanted: Method) -> bool {
    match wanted {
        Method::Full => had == Method::Full,
        Method::ExistingId => had != Method::Authentication,
        Method::Authentication => true,
    }
}
