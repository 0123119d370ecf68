//! Opens cases in a simulated world: events, manual starts and sweeps use the daemon's intake, and the world answers
//! its requests.

use std::sync::Arc;

use super::environment::Environment;
use super::past::Undecided;
use super::stimulus::START_REASON;
use super::story::after;
use super::terms::here;
use super::world::{Kept, Received, TooLong, World};
use crate::case::intake::{self, Answer, Answered, Decision, Step, Taken};
use crate::case::{self, Case, Cause, Input, OpenedBy, Opening, Recorded, look_again_at};
use crate::model::{CaseId, Event, SubjectRef};
use crate::policy::Policy;

impl<O: Environment> World<O> {
    pub(super) fn digest(&mut self) -> Result<(), TooLong> {
        while let Some(Received { event, attempts }) = self.inbox.pop_front() {
            if let Some(reason) = self.consider(&event, attempts)? {
                self.turn()?;
                let at = look_again_at(self.now, attempts);
                let after = after(at - self.now);
                self.note(None, format!("{}: {reason}; retry in {after}", event.kind));
                let received = Received { event, attempts: attempts + 1 };
                self.later.insert((at, self.turns()), received);
            }
        }
        Ok(())
    }

    /// Processes an event. Returns why it is deferred, if it is.
    fn consider(&mut self, event: &Event, attempts: u32) -> Result<Option<String>, TooLong> {
        let modes = self.terms.modes;
        let policies = intake::asked_about(event, &self.set, modes);
        let mut step = intake::event(event.clone(), policies, modes, attempts, self.now);
        loop {
            step = match step {
                Step::Done(decision) => return Ok(self.decided(Some(event), decision)),
                question => self.answer(question)?,
            };
        }
    }

    /// Answers a request of the intake.
    pub(super) fn answer(&mut self, step: Step) -> Result<Step, TooLong> {
        Ok(match step {
            Step::Echoes(ask) => {
                let about = self.accounts.get(&ask.person()).into_iter().flatten();
                // A case on its recorded path was informed in the record about the events that it caused.
                let free = about.filter_map(|id| Some((id, self.cases.get(id).filter(|kept| !kept.led)?)));
                ask.answer(free.flat_map(|(id, kept)| kept.case.echoes.iter().map(move |echo| (id, echo))))
            }
            Step::Concerned(ask) => {
                let open = self.open_about(ask.about());
                ask.answer(open.into_iter().map(|kept| (&kept.case, &kept.policy)))
            }
            Step::Cases(ask) => {
                let open = self.open_about(&ask.about());
                ask.answer(open.into_iter().map(|kept| &kept.case))
            }
            Step::Join(ask) => {
                let reaction = self.join(&ask.case, &ask.event)?;
                ask.answer(reaction)
            }
            Step::Person(ask) => {
                let person = self.environment.person(&ask.subject, self.now);
                ask.answer(person, self.now)
            }
            Step::Opened(ask) => {
                let opened = self.cases.contains_key(&ask.case);
                ask.answer(opened)
            }
            Step::FirstSeen(ask) => {
                let whose = (ask.policy().name.clone(), ask.person());
                let seen = match ask.picked {
                    true => Some(*self.first_seen.entry(whose).or_insert(self.now)),
                    false => self.first_seen.get(&whose).copied(),
                };
                ask.answer(seen)
            }
            Step::Taken(ask) => {
                let key = (ask.policy().name.clone(), ask.key().to_owned());
                match self.open.get(&key).and_then(|id| self.cases.get(id)) {
                    None => ask.answer(Taken::Nobody),
                    Some(kept) if kept.lost.is_some() => ask.answer(Taken::Unknown),
                    Some(kept) => ask.answer(Taken::Case(&kept.case)),
                }
            }
            Step::Open(ask) => {
                let opened = self.open_case(ask.policy(), ask.opening.clone())?;
                ask.answer(opened)
            }
            Step::Done(decision) => Step::Done(decision),
        })
    }

    /// Returns the open cases about a subject whose further course is known.
    fn open_about(&self, subject: &SubjectRef) -> Vec<&Kept> {
        let about = self.about.get(subject).into_iter().flatten().filter_map(|id| self.cases.get(id));
        about.filter(|kept| kept.lost.is_none() && !kept.case.is_closed()).collect()
    }

    /// Records why no case opened; returns why the event is deferred, if it is.
    pub(super) fn decided(&mut self, event: Option<&Event>, decision: Decision) -> Option<String> {
        match decision {
            Decision::Later(failure) => return Some(failure.reason),
            Decision::OwnChange(_) => {
                let kind = event.map(|event| format!("{}: ", event.kind)).unwrap_or_default();
                self.note(None, format!("{kind}ignored, the daemon caused it"));
            }
            Decision::Answered { answers, .. } => {
                for answered in answers {
                    self.answered(event, answered);
                }
            }
        }
        None
    }

    fn answered(&mut self, event: Option<&Event>, answered: Answered) {
        let Answered { policy, answer, .. } = answered;
        let detail = answer.detail(&policy);
        let why = match answer {
            Answer::Opened(_) | Answer::Reached(..) | Answer::Duplicate => return,
            Answer::Unknown(subject) => {
                let by = event.map_or("manual or sweep".to_owned(), |event| event.kind.to_string());
                return self.not_asked_by(&policy, by, subject);
            }
            Answer::NoSubject(why) => {
                let kind = event.map(|event| format!("{}: ", event.kind)).unwrap_or_default();
                return self.note(None, format!("{kind}{why}; no case opened"));
            }
            Answer::CouldNotDecide(stopped) => {
                let because = stopped.says;
                self.undecided.push(Undecided { policy: policy.name.clone(), because });
                format!("could not decide: {detail}")
            }
            Answer::Disabled => "the policy is disabled".to_owned(),
            Answer::Shadow(_) => "a case would have opened (shadow)".to_owned(),
            Answer::Clause(_) | Answer::Where(_) => format!("false: {detail}"),
            Answer::AlreadyOpen(_) => "a case is open already".to_owned(),
            Answer::NotAsked(_) | Answer::NotDue(_) | Answer::Gone(_) => detail,
        };
        self.note(None, format!("no case opened: {why}"));
    }

    /// Starts a case manually, by a person.
    pub fn start_by_hand(
        &mut self,
        policy: &Arc<Policy>,
        subject: SubjectRef,
        by: &str,
    ) -> Result<(), TooLong> {
        let by = OpenedBy::Hand {
            by: by.to_owned(),
            reason: START_REASON.to_owned(),
            nonce: self.now.to_rfc3339(),
        };
        self.drive(intake::by_hand(policy, subject, by, self.terms.modes, self.now))
    }

    /// Evaluates one person by the policy's first sweep, now.
    pub fn sweep(&mut self, policy: &Arc<Policy>, subject: SubjectRef) -> Result<(), TooLong> {
        let Some(sweep) = policy.sweeps().next() else {
            self.note(None, "the policy has no sweep".to_owned());
            return Ok(());
        };
        let (modes, now) = (self.terms.modes, self.now);
        self.drive(intake::by_sweep(policy, sweep, now, subject, modes, false, now))
    }

    /// Runs the intake of a manual start or a sweep.
    fn drive(&mut self, mut step: Step) -> Result<(), TooLong> {
        loop {
            step = match step {
                Step::Done(decision) => {
                    if let Some(reason) = self.decided(None, decision) {
                        self.note(None, format!("no case opened: {reason}"));
                    }
                    return self.settle();
                }
                question => self.answer(question)?,
            };
        }
    }

    fn open_case(&mut self, policy: &Arc<Policy>, opening: Opening) -> Result<Option<CaseId>, TooLong> {
        let facts = self.facts(&opening.subject, None, policy);
        self.open_from(policy, &Recorded { cause: Cause::Opening(opening), facts })
    }

    /// Opens a case from recorded inputs. `None`: it was opened before.
    pub(super) fn open_from(
        &mut self,
        policy: &Arc<Policy>,
        recorded: &Recorded,
    ) -> Result<Option<CaseId>, TooLong> {
        let Cause::Opening(opening) = &recorded.cause else { return Ok(None) };
        let id = case::case_id(&policy.name, &opening.key, &opening.by);
        if self.cases.contains_key(&id) {
            return Ok(None);
        }
        self.turn()?;
        let Ok(advance) = recorded.decide(None, policy, &here(&self.terms, &recorded.facts)) else {
            return Ok(None);
        };
        let case = &advance.case;
        self.opened.push(id.clone());
        self.open.insert((policy.name.clone(), case.key.clone()), id.clone());
        self.about.entry(case.subject.reference()).or_default().push(id.clone());
        self.accounts.entry(case.subject.person()).or_default().push(id.clone());
        self.keep(advance, Arc::clone(policy), 0, &[]);
        Ok(Some(id))
    }

    pub(super) fn join(&mut self, id: &CaseId, event: &Event) -> Result<intake::Reaction, TooLong> {
        let Some(kept) = self.cases.get(id).filter(|kept| kept.lost.is_none()) else {
            return Ok(intake::Reaction::Ignored);
        };
        let led = kept.led;
        if led && self.environment.received(id, event) {
            return Ok(intake::Reaction::Joined);
        }
        let reaction = match self.apply(id, Input::Event(event.clone()))? {
            Ok(()) if self.case(id).is_some_and(Case::is_closed) => intake::Reaction::Cancelled,
            Ok(()) => intake::Reaction::Joined,
            Err(refused) => {
                self.note(Some(id), format!("{} is ignored: {refused}", event.kind));
                intake::Reaction::Ignored
            }
        };
        if led {
            // The case did not receive this in the record; it continues on its own.
            self.lead(id, false);
        }
        Ok(reaction)
    }
}
