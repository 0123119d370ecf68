//! Whether the sweeps of a policy would pick somebody, as they are now.

use chrono::{SecondsFormat, TimeDelta};

use crate::api::explain::{DryRunLine, Explained, Occasion};
use crate::case::{Offered, Stopped, no_case, objection, offer_enforced};
use crate::model::{Fields, Subject, Timestamp};
use crate::policy::given::put_over;
use crate::policy::script::{Facts, Trace};
use crate::policy::tree::{Standing, Sweep};
use crate::policy::{Mode, Policy};

use super::super::Engine;
use super::super::explain::{sentence, traced};
use super::{Round, Untried, by_mode, of_mode};

/// Something that keeps somebody from being picked.
struct Objection {
    verdict: &'static str,
    says: String,
    trace: Trace,
}

impl Objection {
    fn by(verdict: &'static str, stopped: Stopped) -> Self {
        Self { verdict, says: sentence(verdict, &stopped.says), trace: stopped.trace }
    }
}

impl Engine {
    /// One answer for each sweep of the policy.
    pub(super) async fn try_sweeps(
        &self,
        policy: &Policy,
        base: &Explained,
        round: &mut Round<'_>,
    ) -> Result<Vec<DryRunLine>, Untried> {
        let plain = |verdict: &str, says: String| {
            let (verdict, base) = (verdict.to_owned(), base.clone());
            Ok(vec![DryRunLine::plain(Explained { verdict, says, ..base })])
        };
        if policy.sweeps().next().is_none() {
            let reacts = base.reacts_to.join(", ");
            return plain("not_asked", format!("not asked: it has no sweep; it reacts to {reacts}"));
        }
        let Some(mut subject) = self.person(policy, None, false, round).await? else {
            let nobody =
                format!("nobody to decide about: there is no {}/{} now", policy.subject, round.whom.id);
            return plain("no_subject", nobody);
        };
        put_over(&mut subject.fields, &round.attempt.person);
        policy.sweeps().map(|sweep| self.try_sweep(policy, sweep, &subject, base, round)).collect()
    }

    /// Everything that a run would ask is asked, so that one no does not hide the next.
    fn try_sweep(
        &self,
        policy: &Policy,
        sweep: &Sweep,
        subject: &Subject,
        base: &Explained,
        round: &Round<'_>,
    ) -> Result<DryRunLine, Untried> {
        let now = round.now;
        let (steps, this_case, settings) = (Fields::new(), no_case(policy), &policy.settings);
        let facts = Facts { event: None, subject, settings, steps: &steps, this_case: &this_case, now };
        let mut tried = DryRunLine::plain(base.clone());
        let mut objections = Vec::new();
        let stopped = |says| Stopped::by(&sweep.condition, says, &facts);
        match objection(&sweep.condition, &facts) {
            Ok(None) => {}
            Ok(Some(says)) => objections.push(Objection::by("where", stopped(says))),
            Err(says) => objections.push(Objection::by("could_not_decide", stopped(says))),
        }
        match self.due(policy, sweep, subject, now)? {
            Ok(says) => tried.notes.push(says),
            Err(objection) => objections.push(objection),
        }
        let offered = offer_enforced(policy, None, subject, now);
        let mut open = self.has_open(policy, subject)?;
        if let (None, Offered::Opens(key)) = (&open, &offered) {
            open = self.0.store.open_case(&policy.name, key)?;
        }
        if let Some(id) = open {
            let says = format!("there is an open case already: {id}");
            objections.push(Objection { verdict: "open_case", says, trace: Trace::default() });
            tried.explained.case = self.case_of(id.as_str(), false)?;
        }
        match offered {
            Offered::Clause(stopped) => objections.push(Objection::by("clause", stopped)),
            Offered::CouldNotDecide(stopped) => objections.push(Objection::by("could_not_decide", stopped)),
            Offered::Opens(_) | Offered::Disabled | Offered::Shadow(_) => {}
        }
        let explained = &mut tried.explained;
        explained.asked_at = Some(now);
        explained.event = Some(Occasion {
            key: format!("sweep:{}", sweep.schedule),
            kind: format!("sweep {}", sweep.schedule),
            time: now,
        });
        explained.subject = Some(subject.reference());
        let mut objections = objections.into_iter();
        match objections.next() {
            Some(Objection { verdict, says, trace }) => {
                explained.verdict = verdict.to_owned();
                explained.says = says;
                (explained.clauses, explained.changes) = traced(trace, round.raw_identity);
            }
            None => {
                explained.verdict = by_mode(policy, "would_open").to_owned();
                explained.says = "it would be picked, and a case would open".to_owned();
                tried.notes.extend(
                    sweep
                        .at_most
                        .map(|most| format!("one run opens {most} at most, for those who are due longest")),
                );
            }
        }
        tried.notes.extend(objections.map(|other| format!("also: {}", other.says)));
        if policy.mode != Mode::Disabled {
            tried
                .notes
                .extend(sweep.timetable.next(now).map(|next| format!("the next run is at {}", at(next))));
        }
        tried.notes.extend(of_mode(policy));
        Ok(tried)
    }

    /// Since when somebody is due, or what says that they are not.
    fn due(
        &self,
        policy: &Policy,
        sweep: &Sweep,
        subject: &Subject,
        now: Timestamp,
    ) -> Result<Result<String, Objection>, Untried> {
        let Some(due) = &sweep.due else { return Ok(Ok("due: everybody is, at every run".to_owned())) };
        let path = due.field.path();
        let standing = self.standing(policy, sweep, policy.mode == Mode::Shadow, now, subject)?;
        let not_due = |says: String| {
            let trace = sweep.trace_of_due(subject, None);
            Ok(Err(Objection { verdict: "not_due", says: format!("not due: {says}"), trace }))
        };
        let later = |when: Option<Timestamp>| match when {
            Some(when) => {
                // A run at that very time would be one.
                let first = sweep.timetable.next(when - TimeDelta::nanoseconds(1));
                let first = first.map(|run| format!("; the first run from then on is at {}", at(run)));
                format!("it will be at {}{}", at(when), first.unwrap_or_default())
            }
            None => "it never will be before the end of time".to_owned(),
        };
        match standing {
            Ok(Standing::Due(since)) => Ok(Ok(format!("due since {}", at(since)))),
            Ok(Standing::NotYet(when)) => not_due(later(when)),
            Ok(Standing::Never) => not_due(format!("{path} is empty, which says never (if_empty: never)")),
            Ok(Standing::Unseen) => {
                let seen = sweep.timetable.next(now).unwrap_or(now);
                let first =
                    format!("{path} is empty, and no run has seen this person; the next one counts as");
                match sweep.standing(&policy.name, subject, seen, Some(seen)) {
                    Ok(Standing::NotYet(when)) => not_due(format!("{first} its beginning: {}", later(when))),
                    _ => Ok(Ok(format!("due at once: {first} its date"))),
                }
            }
            Err(error) => Ok(Err(Objection {
                verdict: "could_not_decide",
                says: sentence("could_not_decide", &format!("{}: {error}", sweep.place)),
                trace: sweep.trace_of_due(subject, Some(error)),
            })),
        }
    }
}

fn at(time: Timestamp) -> String {
    time.to_rfc3339_opts(SecondsFormat::AutoSi, true)
}
