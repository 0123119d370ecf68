//! Whether cases open in a made-up world: events in the order of the daemon's intake, starts by hand, sweeps.

use std::sync::Arc;

use super::cue::START_REASON;
use super::others::{Others, Person};
use super::past::Undecided;
use super::story::after;
use super::terms::here;
use super::world::{Heard, TooLong, World};
use crate::case::{
    self, Case, Cause, Found, Input, Offered, OpenedBy, Opening, Recorded, concerns, found, gone,
    look_again_at, opened_by,
};
use crate::model::{CaseId, Event, Fields, Subject, SubjectKind};
use crate::policy::script::{Facts, Verdict};
use crate::policy::tree::{IfAlreadyOpen, Standing, Sweep};
use crate::policy::{Mode, Policy};

impl<O: Others> World<O> {
    pub(super) fn digest(&mut self) -> Result<(), TooLong> {
        while let Some(Heard { event, attempts }) = self.inbox.pop_front() {
            if let Some(reason) = self.consider(&event, attempts)? {
                self.turn()?;
                let at = look_again_at(self.now, attempts);
                let after = after(at - self.now);
                self.say(None, format!("{}: {reason}; looked at again in {after}", event.kind));
                let heard = Heard { event, attempts: attempts + 1 };
                self.later.insert((at, self.turns()), heard);
            }
        }
        Ok(())
    }

    /// What the daemon does with an event, in the same order; why it is looked at again, if it is.
    fn consider(&mut self, event: &Event, attempts: u32) -> Result<Option<String>, TooLong> {
        if let Some(cause) = self.cause(event) {
            self.join(&cause, event)?;
            self.say(None, format!("{}: the daemon caused it itself", event.kind));
            if gone(event) {
                self.gone_by_our_doing(event)?;
            }
            return Ok(None);
        }
        for id in self.about.get(&event.subject).cloned().unwrap_or_default() {
            let Some(kept) = self.cases.get(&id) else { continue };
            if !kept.case.is_closed() && concerns(&kept.case, &kept.policy, event) {
                self.join(&id, event)?;
            }
        }
        let policies = if self.terms.enforced { self.set.naming(event) } else { self.set.matching(event) };
        let policies: Vec<Arc<Policy>> = policies.into_iter().cloned().collect();
        for policy in policies {
            let mut event = event.clone();
            event.subject.kind = policy.subject;
            let person = match policy.subject {
                SubjectKind::Applicant => Person::Known(Some(case::applicant(&event))),
                SubjectKind::Registration | SubjectKind::User => {
                    self.outside.person(&event.subject, self.now)
                }
            };
            let found = match person {
                Person::Known(person) => found(&event, person, attempts),
                Person::Later(reason) => return Ok(Some(reason)),
                Person::NotKnown => {
                    self.not_asked(&policy, &event, event.subject.clone());
                    continue;
                }
            };
            match found {
                Found::Person(subject) => self.offer(&policy, &event, subject)?,
                Found::Later(reason) => return Ok(Some(reason.to_owned())),
                Found::Never(why) => self.say(None, format!("{}: {why}; no case opened", event.kind)),
            }
        }
        Ok(None)
    }

    /// One case destroyed the person's record; the others have nobody left to be about.
    fn gone_by_our_doing(&mut self, event: &Event) -> Result<(), TooLong> {
        for id in self.about.get(&event.subject).cloned().unwrap_or_default() {
            let others = |case: &Case| !case.is_closed() && !case.explains(event);
            if self.case(&id).is_some_and(others) {
                self.join(&id, event)?;
            }
        }
        Ok(())
    }

    fn cause(&self, event: &Event) -> Option<CaseId> {
        let about = self.accounts.get(&event.subject.person()).into_iter().flatten();
        let known = about.filter_map(|id| Some((id, self.cases.get(id)?)));
        let echoes = known.flat_map(|(id, kept)| kept.case.echoes.iter().map(move |echo| (id, echo)));
        case::caused_by(echoes, event).cloned()
    }

    pub(super) fn offer(
        &mut self,
        policy: &Arc<Policy>,
        event: &Event,
        subject: Subject,
    ) -> Result<(), TooLong> {
        let Some(key) = self.key(policy, Some(event), &subject) else { return Ok(()) };
        if let Some(id) = self.open.get(&(policy.name.clone(), key.clone())).cloned() {
            if self.case(&id).is_some_and(|case| opened_by(case, event)) {
                return Ok(());
            }
            // `restart` and `cancel` are decided by the case; `open_another` with the same key joins too.
            return self.join(&id, event);
        }
        self.open_case(policy, Opening { subject, by: OpenedBy::Event(event.clone()), key })
    }

    /// The key of the case that would open, if one would.
    pub(super) fn key(
        &mut self,
        policy: &Policy,
        event: Option<&Event>,
        subject: &Subject,
    ) -> Option<String> {
        let offered = if self.terms.enforced || event.is_none() && policy.mode == Mode::Enforce {
            case::offer_enforced(policy, event, subject, self.now)
        } else {
            case::offer(policy, event, subject, self.now)
        };
        let verdict = match offered {
            Offered::Opens(key) => return Some(key),
            Offered::Disabled => "the policy is disabled".to_owned(),
            Offered::Shadow(_) => "a case would have opened (shadow)".to_owned(),
            Offered::Clause(stopped) => format!("does not hold: {}", stopped.says),
            Offered::CouldNotDecide(stopped) => {
                let because = stopped.says.clone();
                self.undecided.push(Undecided { policy: policy.name.clone(), because });
                format!("could not decide: {}", stopped.says)
            }
        };
        self.say(None, format!("no case opened: {verdict}"));
        None
    }

    /// A person opens a case by hand.
    pub fn start_by_hand(&mut self, policy: &Arc<Policy>, subject: Subject, by: &str) -> Result<(), TooLong> {
        let Some(key) = self.key(policy, None, &subject) else { return Ok(()) };
        let taken = self.open.contains_key(&(policy.name.clone(), key.clone()));
        if taken && policy.if_already_open != IfAlreadyOpen::OpenAnother {
            self.say(None, "no case opened: there is an open case already".to_owned());
            return Ok(());
        }
        let by = OpenedBy::Hand {
            by: by.to_owned(),
            reason: START_REASON.to_owned(),
            nonce: self.now.to_rfc3339(),
        };
        self.open_case(policy, Opening { subject, by, key })?;
        self.settle()
    }

    /// The policy's first sweep looks at one person now.
    pub fn sweep(&mut self, policy: &Arc<Policy>, subject: Subject) -> Result<(), TooLong> {
        let Some(sweep) = policy.sweeps().next().cloned() else {
            self.say(None, "the policy has no sweep".to_owned());
            return Ok(());
        };
        let why = self.not_due(policy, &sweep, &subject);
        if let Some(why) = why {
            self.say(None, format!("no case opened: {why}"));
            return Ok(());
        }
        let about = self.about.get(&subject.reference()).cloned().unwrap_or_default();
        let taken = about
            .iter()
            .any(|id| self.case(id).is_some_and(|case| case.policy == policy.name && !case.is_closed()));
        let Some(key) = self.key(policy, None, &subject) else { return Ok(()) };
        if taken || self.open.contains_key(&(policy.name.clone(), key.clone())) {
            self.say(None, "no case opened: there is an open case already".to_owned());
            return Ok(());
        }
        let by = OpenedBy::Sweep { schedule: sweep.schedule.clone(), nominal: self.now };
        self.open_case(policy, Opening { subject, by, key })?;
        self.settle()
    }

    /// Why a sweep leaves somebody out; none: they are due.
    pub(super) fn not_due(&mut self, policy: &Policy, sweep: &Sweep, subject: &Subject) -> Option<String> {
        let whose = (policy.name.clone(), subject.person());
        let seen = *self.first_seen.entry(whose).or_insert(self.now);
        match sweep.standing(&policy.name, subject, self.now, Some(seen)) {
            Ok(Standing::Due(_)) => {}
            Ok(Standing::NotYet(_) | Standing::Unseen) => {
                return Some("the person is not due yet".to_owned());
            }
            Ok(Standing::Never) => return Some("the person is never due".to_owned()),
            Err(error) => return Some(error.to_string()),
        }
        let (steps, this_case) = (Fields::new(), case::no_case(policy));
        let (settings, now) = (&policy.settings, self.now);
        let facts = Facts { event: None, subject, settings, steps: &steps, this_case: &this_case, now };
        match sweep.condition.decide(&facts) {
            Ok(Verdict::Holds) => None,
            Ok(Verdict::Fails { clause, place }) => Some(format!("{place}: does not hold: {clause}")),
            Err(error) => Some(format!("could not decide: {error}")),
        }
    }

    pub(super) fn open_case(&mut self, policy: &Arc<Policy>, opening: Opening) -> Result<(), TooLong> {
        let facts = self.facts(&opening.subject, None, policy);
        self.open_from(policy, &Recorded { cause: Cause::Opening(opening), facts })
    }

    /// Opens a case from what is given. Nothing happens if it was opened before.
    pub(super) fn open_from(&mut self, policy: &Arc<Policy>, recorded: &Recorded) -> Result<(), TooLong> {
        let Cause::Opening(opening) = &recorded.cause else { return Ok(()) };
        let id = case::case_id(&policy.name, &opening.key, &opening.by);
        if self.cases.contains_key(&id) {
            return Ok(());
        }
        self.turn()?;
        let Ok(advance) = recorded.decide(None, policy, &here(&self.terms, &recorded.facts)) else {
            return Ok(());
        };
        let case = &advance.case;
        self.opened.push(id.clone());
        self.open.insert((policy.name.clone(), case.key.clone()), id.clone());
        self.about.entry(case.subject.reference()).or_default().push(id.clone());
        self.accounts.entry(case.subject.person()).or_default().push(id);
        self.keep(advance, Arc::clone(policy), 0, &[]);
        Ok(())
    }

    pub(super) fn join(&mut self, id: &CaseId, event: &Event) -> Result<(), TooLong> {
        let Some(kept) = self.cases.get(id) else { return Ok(()) };
        let led = kept.led;
        if led && self.outside.heard(id, event) {
            return Ok(());
        }
        if kept.lost.is_some() {
            // Whether it is open still, and this joins it, or it is not, and this opens another.
            let (policy, subject) = (Arc::clone(&kept.policy), kept.case.subject.reference());
            self.not_asked(&policy, event, subject);
            return Ok(());
        }
        match self.apply(id, Input::Event(event.clone()))? {
            Ok(()) => {}
            Err(refused) => self.say(Some(id), format!("{} is ignored: {refused}", event.kind)),
        }
        if led {
            // It never heard of this then, and goes on by itself.
            self.lead(id, false);
        }
        Ok(())
    }
}
