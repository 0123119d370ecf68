//! A policy is asked whether it applies; what it said is kept with what it looked at.

use crate::case::{Opening, Stopped};
use crate::model::{Subject, Timestamp};
use crate::policy::Policy;
use crate::policy::tree::Sweep;
use crate::store::{self, Asked, Commit, PolicyVerdict, SweepRun};

use super::Engine;
use super::cases::ApplyError;

/// What stopped a policy, kept with what it looked at.
pub(super) fn stopped_said(policy: &Policy, verdict: &str, stopped: Stopped) -> PolicyVerdict {
    PolicyVerdict { trace: Some(stopped.trace), ..said(policy, verdict, stopped.says) }
}

pub(super) fn said(policy: &Policy, verdict: &str, detail: String) -> PolicyVerdict {
    PolicyVerdict {
        policy: policy.name.clone(),
        revision: policy.revision.clone(),
        verdict: verdict.to_owned(),
        detail,
        ..PolicyVerdict::default()
    }
}

/// What a policy said in a sweep about somebody.
pub(super) fn swept(
    at: Timestamp,
    subject: &Subject,
    sweep: &Sweep,
    nominal: Timestamp,
    said: PolicyVerdict,
) -> Asked {
    Asked {
        at,
        subject: subject.reference(),
        event: format!("sweep:{}@{}", sweep.schedule, nominal.to_rfc3339()),
        kind: "sweep".to_owned(),
        also: Vec::new(),
        time: nominal,
        said,
    }
}

impl Engine {
    /// A shadow policy applies: what it would have opened is kept, and nothing is opened.
    pub(super) fn shadowed(&self, policy: &Policy, opening: Opening) -> Result<PolicyVerdict, ApplyError> {
        let would_open = Some(Box::new(self.would_open(opening)?));
        let said = said(policy, "shadow", "a case would have opened".to_owned());
        Ok(PolicyVerdict { would_open, ..said })
    }

    /// What a policy said to somebody who started it by hand.
    pub(super) async fn note_manual(
        &self,
        subject: &Subject,
        time: Timestamp,
        said: PolicyVerdict,
    ) -> Result<(), store::Error> {
        let asked = Asked {
            at: self.now(),
            subject: subject.reference(),
            event: format!("manual:{}", time.to_rfc3339()),
            kind: "manual".to_owned(),
            also: Vec::new(),
            time,
            said,
        };
        self.0.store.commit(Commit { asked: vec![asked], ..Commit::default() }).await
    }

    /// What a policy said in a sweep about one of those who were due.
    pub(super) async fn note_swept(
        &self,
        subject: &Subject,
        sweep: &Sweep,
        run: &SweepRun,
        said: PolicyVerdict,
    ) -> Result<(), store::Error> {
        let asked = vec![swept(self.now(), subject, sweep, run.nominal, said)];
        self.0.store.commit(Commit { asked, ..Commit::default() }).await
    }

    pub(super) async fn note_shadow(
        &self,
        policy: &Policy,
        sweep: &Sweep,
        run: &SweepRun,
        opening: Opening,
    ) -> Result<(), store::Error> {
        let subject = opening.subject.clone();
        let said = match self.shadowed(policy, opening) {
            Ok(said) => said,
            Err(ApplyError::Store(error)) => return Err(error),
            Err(error) => said(policy, "shadow", format!("a case would have opened; {error}")),
        };
        self.note_swept(&subject, sweep, run, said).await
    }
}
