//! The decision log: the answers of policies, with the values that they read.

use std::sync::Arc;

use crate::case::intake::{Answer, Answered};
use crate::case::{OpenedBy, Stopped};
use crate::model::{Clock, SubjectRef, Timestamp, Verdict};
use crate::policy::Policy;
use crate::policy::tree::Sweep;
use crate::store::{self, Asked, Commit, PolicyVerdict, Store, SweepRun};

use super::cases::{ApplyError, Cases};

/// Returns the verdict for the clause that stopped a policy, with its trace.
pub(super) fn stopped_said(policy: &Policy, verdict: Verdict, stopped: Stopped) -> PolicyVerdict {
    let said = PolicyVerdict::new(&policy.name, &policy.revision, verdict, stopped.says);
    PolicyVerdict { trace: Some(stopped.trace), ..said }
}

/// Returns a policy's verdict about one person in a sweep, as a record of the log.
pub(super) fn swept(
    at: Timestamp,
    subject: SubjectRef,
    sweep: &Sweep,
    nominal: Timestamp,
    said: PolicyVerdict,
) -> Asked {
    Asked {
        at,
        subject,
        event: format!("sweep:{}@{}", sweep.schedule, nominal.to_rfc3339()),
        kind: "sweep".to_owned(),
        also: Vec::new(),
        time: nominal,
        said,
    }
}

/// A handle on the decision log.
#[derive(Debug, Clone)]
pub struct DecisionLog {
    pub(super) cases: Cases,
    pub(super) store: Store,
    pub(super) clock: Arc<dyn Clock>,
}

impl DecisionLog {
    /// Returns the verdict to record for an answer, or `None` if it is not recorded. For a sweep of a shadow policy it
    /// includes the case that would open.
    pub(super) fn said(&self, answered: Answered) -> Result<Option<PolicyVerdict>, ApplyError> {
        let Answered { policy, about, answer } = answered;
        let Some(verdict) = answer.verdict() else { return Ok(None) };
        if let Answer::Clause(stopped) = &answer
            && stopped.trace.clauses.is_empty()
        {
            // Of an event: the log has the revision and the values.
            let said = PolicyVerdict::new(&policy.name, &policy.revision, verdict, String::new());
            return Ok(Some(PolicyVerdict { clause: stopped.clause, about, ..said }));
        }
        let detail = answer.detail(&policy);
        let said = PolicyVerdict::new(&policy.name, &policy.revision, verdict, detail);
        let said = PolicyVerdict { about, ..said };
        Ok(Some(match answer {
            Answer::Clause(stopped) | Answer::Where(stopped) | Answer::CouldNotDecide(stopped) => {
                PolicyVerdict { trace: Some(stopped.trace), ..said }
            }
            // For an event, the record has the event and the subject that was read; a sweep's subject is recorded only
            // here.
            Answer::Shadow(opening) if matches!(opening.by, OpenedBy::Sweep { .. }) => {
                PolicyVerdict { would_open: Some(Box::new(self.cases.would_open(*opening)?)), ..said }
            }
            Answer::NotAsked(_)
            | Answer::NoSubject(_)
            | Answer::Unknown(_)
            | Answer::Disabled
            | Answer::Shadow(_)
            | Answer::NotDue(_)
            | Answer::AlreadyOpen(_)
            | Answer::Reached(..)
            | Answer::Gone(_)
            | Answer::Duplicate
            | Answer::Opened(_) => said,
        }))
    }

    /// Records a policy's answer to a manual start.
    pub(super) async fn note_manual(
        &self,
        subject: SubjectRef,
        time: Timestamp,
        said: PolicyVerdict,
    ) -> Result<(), store::Error> {
        let asked = Asked {
            at: self.clock.now(),
            subject,
            event: format!("manual:{}", time.to_rfc3339()),
            kind: "manual".to_owned(),
            also: Vec::new(),
            time,
            said,
        };
        self.store.commit(Commit { asked: vec![asked], ..Commit::default() }).await
    }

    /// Records a policy's answer in a sweep about one due person.
    pub(super) async fn note_swept(
        &self,
        subject: SubjectRef,
        sweep: &Sweep,
        run: &SweepRun,
        said: PolicyVerdict,
    ) -> Result<(), store::Error> {
        let asked = vec![swept(self.clock.now(), subject, sweep, run.nominal, said)];
        self.store.commit(Commit { asked, ..Commit::default() }).await
    }
}
