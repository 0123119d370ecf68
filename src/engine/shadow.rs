//! What a shadow policy would have done, person by person, against what happened.

use std::collections::{BTreeMap, BTreeSet};

use crate::api::all;
use crate::api::shadow::{LiveCase, ShadowCase, ShadowEnd, ShadowPerson, ShadowReport};
use crate::case::shadow::{Answered, End, Imagined, Known, Silent, imagine};
use crate::case::{Case, Recorded, State};
use crate::model::{CaseId, CaseState, SubjectRef, Timestamp, Verdict};
use crate::policy::Policy;
use crate::policy::tree::Verb;
use crate::store::{self, Asked, Class};

use super::Engine;
use super::cases::ApplyError;
use super::replay::here;

/// Nobody reads about more people than these at once.
const MOST_PEOPLE: usize = 1_000;
/// Openings that are looked through for them.
const MOST_OPENINGS: usize = 10_000;
/// Of one person, so many cases are compared.
const MOST_CASES: usize = 50;

impl Engine {
    /// None: there is no such policy.
    pub fn shadow_report(&self, name: &str, people: usize) -> Result<Option<ShadowReport>, store::Error> {
        let active = self.active();
        let Some(policy) = active.set.policies.get(name) else { return Ok(None) };
        let mut by_person: BTreeMap<SubjectRef, Vec<Asked>> = BTreeMap::new();
        let mut order = Vec::new();
        for asked in self.0.store.asked_of(name, Class::Match, MOST_OPENINGS)? {
            if asked.said.would_open.is_none() {
                continue;
            }
            let full = order.len() >= people.min(MOST_PEOPLE);
            match by_person.get_mut(&asked.subject) {
                Some(openings) => openings.push(asked),
                None if full => {}
                None => {
                    order.push(asked.subject.clone());
                    by_person.insert(asked.subject.clone(), vec![asked]);
                }
            }
        }
        let mut report = ShadowReport {
            policy: name.to_owned(),
            mode: policy.mode.into(),
            people: order.len(),
            would: BTreeMap::new(),
            happened: BTreeMap::new(),
            unknown: 0,
            items: Vec::new(),
        };
        for subject in order {
            let person =
                self.shadow_of(name, subject.clone(), by_person.remove(&subject).unwrap_or_default())?;
            for word in person.would.iter().flat_map(|case| &case.did) {
                *report.would.entry(*word).or_default() += 1;
            }
            for word in person.happened.iter().filter(|case| case.same_event).flat_map(|case| &case.did) {
                *report.happened.entry(*word).or_default() += 1;
            }
            report.unknown += usize::from(person.same.is_none());
            report.items.push(person);
        }
        Ok(Some(report))
    }

    fn shadow_of(
        &self,
        name: &str,
        subject: SubjectRef,
        mut openings: Vec<Asked>,
    ) -> Result<ShadowPerson, store::Error> {
        let live = self.live_cases(name, &subject)?;
        let known = self.known_from(&live);
        openings.reverse();
        let mut would: Vec<(String, ShadowCase)> = Vec::new();
        for asked in &openings {
            let Some(recorded) = asked.said.would_open.as_deref() else { continue };
            let key = key(recorded);
            // While a case of the same key is open, or nobody knows whether it is, an event joins it.
            let open = would.iter_mut().rev().find(|(other, case)| {
                *other == key && !matches!(&case.end, ShadowEnd::Closed { at, .. } if *at < asked.at)
            });
            match open {
                Some((_, case)) => case.joined += 1,
                None => would.push((key, self.shadow_case(asked, recorded, &known))),
            }
        }
        let would: Vec<_> = would.into_iter().map(|(_, case)| case).collect();
        let events: BTreeSet<_> = openings.iter().map(|asked| asked.event.as_str()).collect();
        let happened: Vec<_> = live
            .iter()
            .map(|(event, case)| LiveCase {
                case: case.id.clone(),
                policy: case.policy.clone(),
                state: case.standing(),
                result: case.result.clone(),
                did: case.settled.clone(),
                same_event: events.contains(event.as_str()),
            })
            .collect();
        let open = happened.iter().any(|case| case.same_event && case.state != CaseState::Closed);
        let known_to_the_end = would.iter().all(|case| matches!(case.end, ShadowEnd::Closed { .. }));
        let same = (known_to_the_end && !open).then(|| {
            let shadow = would.iter().flat_map(|case| &case.did);
            let real = happened.iter().filter(|case| case.same_event).flat_map(|case| &case.did);
            shadow.collect::<BTreeSet<_>>() == real.collect::<BTreeSet<_>>()
        });
        Ok(ShadowPerson { subject, would, happened, same })
    }

    fn shadow_case(&self, asked: &Asked, recorded: &Recorded, known: &Known) -> ShadowCase {
        let Imagined { lines, end, did } = self.imagined(asked, recorded, known).unwrap_or_else(|error| {
            Imagined { lines: Vec::new(), end: End::Unknown { because: error.to_string() }, did: Vec::new() }
        });
        ShadowCase {
            opened_at: asked.at,
            event: asked.event.clone(),
            revision: asked.said.revision.0.clone(),
            joined: 0,
            lines: all(lines),
            end: end.into(),
            did,
        }
    }

    fn imagined(&self, asked: &Asked, recorded: &Recorded, known: &Known) -> Result<Imagined, ApplyError> {
        let (name, revision) = (&asked.said.policy, &asked.said.revision);
        let active = self.active();
        let policy = match active.set.policies.get(name).filter(|policy| policy.revision == *revision) {
            Some(policy) => policy.clone(),
            None => self.0.rollout.revisions.get(name, revision)?,
        };
        let here = here(&self.0.settings, &self.0.links, &recorded.facts);
        Ok(imagine(recorded, &policy, &here, known))
    }

    /// The cases of other policies that something kept says were about the person, with the events that
    /// led to them.
    fn live_cases(&self, shadow: &str, subject: &SubjectRef) -> Result<Vec<(String, Case)>, store::Error> {
        let mut cases = Vec::new();
        let mut ids = BTreeSet::new();
        for policy in
            self.0.store.policies_asked(&subject.person())?.iter().filter(|policy| *policy != shadow)
        {
            for asked in self.0.store.asked(&subject.person(), policy, self.now(), MOST_CASES)? {
                let case =
                    matches!(asked.said.verdict, Verdict::Opened | Verdict::Joined | Verdict::Cancelled);
                if case && asked.subject == *subject && ids.insert(asked.said.detail.clone()) {
                    let case = self.0.store.case(&CaseId(asked.said.detail))?;
                    cases.extend(case.map(|case| (asked.event, case)));
                }
            }
        }
        Ok(cases)
    }

    /// What the live cases heard of the person.
    fn known_from(&self, live: &[(String, Case)]) -> Known {
        let mut known = Known::default();
        for (_, case) in live {
            // Where a proof was asked for again only the last answer is left, and it was not the first.
            if case.retries.values().any(|taken| *taken > 0) {
                continue;
            }
            let Ok(policy) = self.policy_of(case) else { continue };
            known.silent.extend(silent(case, &policy, self.now()));
            for step in &policy.steps {
                let (Verb::Verify(verify), Some(id)) = (&step.verb, &step.id) else { continue };
                let Some(learned) = case.steps.get(id) else { continue };
                let outcome = learned["outcome"].as_str();
                let at = learned["completed_at"].as_str().and_then(|at| at.parse().ok());
                let (Some(outcome), Some(at)) = (outcome, at) else { continue };
                known.answers.push(Answered {
                    verification: verify.verification.name.clone(),
                    compare: verify.compared(),
                    outcome: outcome.to_owned(),
                    at,
                    learned: learned.clone(),
                });
            }
        }
        known
    }
}

/// The verification that a case waits for, if nothing has come of it. Who has shown something already waits for us.
fn silent(case: &Case, policy: &Policy, now: Timestamp) -> Option<Silent> {
    let State::Proving(proving) = &case.state else { return None };
    let Verb::Verify(verify) = &policy.step(proving.step)?.verb else { return None };
    let nothing = proving.captured_at.is_none() && proving.late_until.is_none();
    nothing.then(|| Silent {
        verification: verify.verification.name.clone(),
        compare: verify.compared(),
        asked_at: proving.started_at,
        until: now,
    })
}

fn key(recorded: &Recorded) -> String {
    match &recorded.cause {
        crate::case::Cause::Opening(opening) => opening.key.clone(),
        crate::case::Cause::Input(_) | crate::case::Cause::Migration(_) => String::new(),
    }
}
