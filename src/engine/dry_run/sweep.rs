//! Returns whether the sweeps of a policy would pick a person, by current state.

use std::sync::Arc;

use chrono::{SecondsFormat, TimeDelta};

use crate::api::explain::{Answer, DryRunLine, Explained, Occasion};
use crate::case::intake::{self, Answer as Said, Modes};
use crate::model::{Subject, Timestamp};
use crate::policy::tree::{Standing, Sweep};
use crate::policy::{Mode, Policy};

use super::super::explain::traced;
use super::super::sweep::standing;
use super::answers::Dry;
use super::{DryRuns, Round, Untried, by_mode, of_mode};

/// Ranks answers: reasons that last come before temporary ones.
fn rank(answer: &Said) -> u8 {
    match answer {
        Said::Where(_) | Said::CouldNotDecide(_) => 0,
        Said::NotDue(_) => 1,
        Said::AlreadyOpen(_) | Said::Gone(_) => 2,
        Said::NotAsked(_)
        | Said::NoSubject(_)
        | Said::Unknown(_)
        | Said::Disabled
        | Said::Clause(_)
        | Said::Shadow(_)
        | Said::Reached(..)
        | Said::Duplicate
        | Said::Opened(_) => 3,
    }
}

impl DryRuns {
    /// Returns one answer for each sweep of the policy.
    pub(super) async fn try_sweeps(
        &self,
        policy: &Arc<Policy>,
        base: &Explained,
        round: &mut Round<'_>,
    ) -> Result<Vec<DryRunLine>, Untried> {
        if policy.sweeps().next().is_none() {
            let says = format!("not evaluated: it has no sweep; it reacts to {}", base.reacts_to.join(", "));
            return Ok(vec![DryRunLine::plain(Explained { says, ..base.clone() })]);
        }
        let mut lines = Vec::new();
        for sweep in policy.sweeps() {
            lines.push(self.try_sweep(policy, sweep, base, round).await?);
            if lines.iter().any(|line: &DryRunLine| line.explained.verdict == Answer::NoSubject) {
                break;
            }
        }
        Ok(lines)
    }

    /// Evaluates everything that a run would evaluate: one negative answer does not hide the next.
    async fn try_sweep(
        &self,
        policy: &Arc<Policy>,
        sweep: &Arc<Sweep>,
        base: &Explained,
        round: &mut Round<'_>,
    ) -> Result<DryRunLine, Untried> {
        let (now, whom) = (round.now, round.whom.reference(policy.subject));
        let step = intake::by_sweep(policy, sweep, now, whom, Modes::AllEnforced, true, now);
        let mut dry = Dry { policy, event: None, known: None, restarts: false };
        let mut answers = self.answers(step, &mut dry, round).await?;
        let mut tried = DryRunLine::plain(base.clone());
        let Some(subject) = &dry.known else {
            for answer in answers {
                self.tell(answer, &dry, &mut tried, round)?;
            }
            return Ok(tried);
        };
        tried.explained.asked_at = Some(now);
        tried.explained.event = Some(Occasion {
            key: format!("sweep:{}", sweep.schedule),
            kind: format!("sweep {}", sweep.schedule),
            time: now,
        });
        tried.explained.subject = Some(subject.reference());
        let due = self.due(policy, sweep, subject, now)?;
        if let Ok(since) = &due {
            tried.notes.push(since.clone());
        }
        answers.sort_by_key(rank);
        let mut told = Vec::new();
        for answer in answers {
            let mut line = DryRunLine::plain(base.clone());
            match (answer, &due) {
                (Said::NotDue(_), Err(says)) => {
                    line.explained.verdict = Answer::NotDue;
                    line.explained.says.clone_from(says);
                    let trace = sweep.trace_of_due(subject, None);
                    (line.explained.clauses, line.explained.changes) = traced(trace, round.raw_identity);
                }
                (Said::Opened(_), _) => {
                    line.explained.verdict = by_mode(policy, Answer::WouldOpen);
                    line.explained.says = "it would be selected, and a case would open".to_owned();
                    let most = |most| {
                        format!("one run opens at most {most} cases, for the people who are due longest")
                    };
                    tried.notes.extend(sweep.at_most.map(most));
                }
                (answer, _) => self.tell(answer, &dry, &mut line, round)?,
            }
            told.push(line.explained);
        }
        let case = told.iter().find_map(|said| said.case.clone());
        let mut told = told.into_iter();
        if let Some(first) = told.next() {
            let Explained { verdict, says, clauses, changes, .. } = first;
            tried.explained = Explained { verdict, says, clauses, changes, case, ..tried.explained };
        }
        tried.notes.extend(told.map(|other| format!("also: {}", other.says)));
        if policy.mode != Mode::Disabled {
            tried
                .notes
                .extend(sweep.timetable.next(now).map(|next| format!("the next run is at {}", at(next))));
        }
        tried.notes.extend(of_mode(policy));
        Ok(tried)
    }

    /// Returns since when a person is due, or when they will be.
    fn due(
        &self,
        policy: &Policy,
        sweep: &Sweep,
        subject: &Subject,
        now: Timestamp,
    ) -> Result<Result<String, String>, Untried> {
        let Some(due) = &sweep.due else { return Ok(Ok("due: everyone is due at every run".to_owned())) };
        let path = due.field.path();
        let standing = standing(&self.store, policy, sweep, policy.mode == Mode::Shadow, now, subject)?;
        let later = |when: Option<Timestamp>| match when {
            Some(when) => {
                // A run at exactly that time counts.
                let first = sweep.timetable.next(when - TimeDelta::nanoseconds(1));
                let first = first.map(|run| format!("; the first run after that is at {}", at(run)));
                format!("due at {}{}", at(when), first.unwrap_or_default())
            }
            None => "never due".to_owned(),
        };
        let says = match standing {
            Ok(Standing::Due(since)) => return Ok(Ok(format!("due since {}", at(since)))),
            Ok(Standing::NotYet(when)) => later(when),
            Ok(Standing::Never) => format!("{path} is empty, and `if_empty` is never"),
            Ok(Standing::Unseen) => {
                let seen = sweep.timetable.next(now).unwrap_or(now);
                let first = format!("{path} is empty, and no run has read this person; the next run sets");
                match sweep.standing(&policy.name, subject, seen, Some(seen)) {
                    Ok(Standing::NotYet(when)) => format!("{first} the start: {}", later(when)),
                    Ok(Standing::Due(_) | Standing::Never | Standing::Unseen) | Err(_) => {
                        return Ok(Ok(format!("due at once: {first} the date")));
                    }
                }
            }
            Err(error) => error.to_string(),
        };
        Ok(Err(format!("not due: {says}")))
    }
}

fn at(time: Timestamp) -> String {
    time.to_rfc3339_opts(SecondsFormat::AutoSi, true)
}
