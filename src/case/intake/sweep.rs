//! Evaluates one person of a sweep: due, selected by the sweep's and the policy's clauses, and without an open case of
//! the policy.

use std::sync::Arc;

use super::event::{AskCases, Of};
use super::opening::AskTaken;
use super::{Answer, Intake, Step};
use crate::case::identity::case_id;
use crate::case::input::Opening;
use crate::case::opening::{Offered, Stopped, case_key, no_case, objection};
use crate::model::{CaseId, Fields, Subject, Timestamp};
use crate::policy::Policy;
use crate::policy::script::Facts;
use crate::policy::tree::{NotATime, Standing, Sweep};

/// Requests whether this run opened the case before an interruption. It may be closed.
#[derive(Debug)]
pub struct AskOpened {
    intake: Box<Intake>,
    policy: Arc<Policy>,
    subject: Subject,
    pub case: CaseId,
}

impl AskOpened {
    pub fn answer(self, opened: bool) -> Step {
        let Self { intake, policy, subject, case: _ } = self;
        if opened {
            return intake.answered(policy, Answer::Duplicate);
        }
        intake.is_due(policy, subject)
    }
}

/// Requests when a sweep of the policy first saw a person whose date is empty.
#[derive(Debug)]
pub struct AskFirstSeen {
    intake: Box<Intake>,
    policy: Arc<Policy>,
    subject: Subject,
    /// The sweep's own clauses hold: a run records the person as seen now, if not seen before.
    pub picked: bool,
}

impl AskFirstSeen {
    pub fn policy(&self) -> &Arc<Policy> {
        &self.policy
    }

    pub fn person(&self) -> String {
        self.subject.person()
    }

    /// Continues with the time. `None`: never seen.
    pub fn answer(self, seen: Option<Timestamp>) -> Step {
        let Self { intake, policy, subject, picked: _ } = self;
        let standing = intake.stands(&policy, &subject, seen);
        intake.judge(policy, subject, standing)
    }
}

/// The results for a person before open cases are checked.
#[derive(Debug)]
pub(super) struct Looked {
    pub(super) policy: Arc<Policy>,
    pub(super) subject: Subject,
    objections: Vec<Answer>,
    /// `None`: the policy's own clauses do not hold.
    key: Option<String>,
}

/// Evaluates the sweep's conditions and date for a person.
struct Asked<'a> {
    sweep: &'a Sweep,
    facts: Facts<'a>,
}

impl Asked<'_> {
    fn due(&self, standing: Result<Standing, NotATime>) -> Option<Answer> {
        match standing {
            Ok(Standing::Due(_)) => None,
            Ok(standing @ (Standing::NotYet(_) | Standing::Never | Standing::Unseen)) => {
                Some(Answer::NotDue(standing))
            }
            Err(error) => {
                let says = format!("{}: {error}", self.sweep.place);
                let trace = self.sweep.trace_of_due(self.facts.subject, Some(error));
                Some(Answer::CouldNotDecide(Stopped { says, clause: None, trace }))
            }
        }
    }

    fn picked(&self) -> Option<Answer> {
        let condition = &self.sweep.condition;
        match objection(condition, &self.facts) {
            Ok(no) => no.map(|says| Answer::Where(Stopped::by(condition, says, &self.facts))),
            Err(says) => Some(Answer::CouldNotDecide(Stopped::by(condition, says, &self.facts))),
        }
    }
}

impl Intake {
    /// Runs a function on the facts for the sweep's clauses; `None` without a sweep.
    fn with_facts<T>(
        &self,
        policy: &Policy,
        subject: &Subject,
        ask: impl FnOnce(&Asked<'_>) -> T,
    ) -> Option<T> {
        let sweep = &self.sweeping.as_ref()?.sweep;
        let (steps, this_case) = (Fields::new(), no_case(policy));
        let (settings, now) = (&policy.settings, self.now);
        let facts = Facts { event: None, subject, settings, steps: &steps, this_case: &this_case, now };
        Some(ask(&Asked { sweep, facts }))
    }

    pub(super) fn sweep(self: Box<Self>, policy: Arc<Policy>, subject: Subject) -> Step {
        let key = self.with_facts(&policy, &subject, |asked| case_key(&policy, &asked.facts));
        match key {
            Some(Ok(key)) => {
                let case = case_id(&policy.name, &key, &self.by);
                Step::Opened(AskOpened { intake: self, policy, subject, case })
            }
            Some(Err(_)) | None => self.is_due(policy, subject),
        }
    }

    fn stands(
        &self,
        policy: &Policy,
        subject: &Subject,
        seen: Option<Timestamp>,
    ) -> Result<Standing, NotATime> {
        let Some(sweeping) = &self.sweeping else { return Ok(Standing::Never) };
        sweeping.sweep.standing(&policy.name, subject, sweeping.nominal, seen)
    }

    fn is_due(self: Box<Self>, policy: Arc<Policy>, subject: Subject) -> Step {
        let standing = self.stands(&policy, &subject, None);
        if standing == Ok(Standing::Unseen) {
            let picked = self.with_facts(&policy, &subject, |asked| asked.picked().is_none());
            let picked = picked.unwrap_or(false);
            return Step::FirstSeen(AskFirstSeen { intake: self, policy, subject, picked });
        }
        self.judge(policy, subject, standing)
    }

    fn judge(
        self: Box<Self>,
        policy: Arc<Policy>,
        subject: Subject,
        standing: Result<Standing, NotATime>,
    ) -> Step {
        let objections = self
            .with_facts(&policy, &subject, |asked| [asked.due(standing), asked.picked()])
            .unwrap_or_default();
        let mut objections: Vec<Answer> = objections.into_iter().flatten().collect();
        let thorough = self.sweeping.as_ref().is_some_and(|sweeping| sweeping.thorough);
        let mut key = None;
        if thorough || objections.is_empty() {
            match self.offer(&policy, None, &subject) {
                Offered::Opens(of) | Offered::Shadow(of) => key = Some(of),
                Offered::Disabled => objections.push(Answer::Disabled),
                Offered::Clause(stopped) => objections.push(Answer::Clause(stopped)),
                Offered::CouldNotDecide(stopped) => objections.push(Answer::CouldNotDecide(stopped)),
            }
        }
        if !thorough && !objections.is_empty() {
            objections.truncate(1);
            return self.objected(&policy, objections);
        }
        let looked = Looked { policy, subject, objections, key };
        Step::Cases(AskCases { intake: self, of: Of::Policy(Box::new(looked)) })
    }

    fn objected(mut self: Box<Self>, policy: &Arc<Policy>, objections: Vec<Answer>) -> Step {
        for objection in objections {
            self.note(Arc::clone(policy), objection);
        }
        self.next()
    }

    /// Continues with `open`: a case of the policy about the person, with any key.
    pub(super) fn looked(self: Box<Self>, looked: Looked, open: Option<CaseId>) -> Step {
        let Looked { policy, subject, mut objections, key } = looked;
        match (open, key) {
            (None, Some(key)) => {
                let opening = Opening { subject, by: self.by.clone(), key };
                Step::Taken(AskTaken { intake: self, policy, opening, objections })
            }
            (open, _) => {
                objections.extend(open.map(Answer::AlreadyOpen));
                self.objected(&policy, objections)
            }
        }
    }
}
