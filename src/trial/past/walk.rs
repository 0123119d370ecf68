//! Replays one person's record with other policies.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::book::Book;
use super::fingerprint::WaitFingerprint;
use super::{Happening, Moment, PersonPast, Projected};
use crate::case::intake::{self, Lookup, Step};
use crate::case::{Case, Cause, Input, OpenedBy, Order, Press, Recorded, State};
use crate::model::{CaseId, Event, Outcome, Pause, Subject, SubjectRef, Timestamp};
use crate::policy::{Policy, PolicySet};
use crate::trial::story::Happened;
use crate::trial::terms::Terms;
use crate::trial::world::{TooLong, World};

/// The result for one person.
#[derive(Debug)]
pub struct Walked {
    pub results: Vec<Projected>,
    /// Journals, and why cases did not open.
    pub story: Vec<Happened>,
    pub undecided: Vec<Undecided>,
    /// The person's cases never end; their results are omitted.
    pub endless: bool,
}

/// A clause that failed while deciding whether a case opens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Undecided {
    pub policy: String,
    pub because: String,
}

/// Replays one person's record with a set of policies, up to the end of the record.
pub fn walk(
    past: &PersonPast,
    set: &Arc<PolicySet>,
    pauses: &[Pause],
    to: Timestamp,
    terms: &Terms,
) -> Walked {
    let began = past.moments.first().map_or(to, |moment| moment.at);
    let mut world = World::among(Book::new(past, to), Arc::clone(set), began, terms.clone());
    world.paused(pauses);
    let mut walk = Walk { past, world, handled: BTreeSet::new(), emitted: BTreeSet::new() };
    let endless = walk.all(to).is_err();
    let results = walk.results();
    let undecided = walk.world.undecided;
    Walked { results, story: walk.world.story, undecided, endless }
}

/// Returns one person's recorded cases of the selected policies.
pub(super) fn as_it_was(past: &PersonPast, counts: impl Fn(&str) -> bool) -> Vec<Projected> {
    let of = |moment: &Moment| {
        let Happening::Opened { case, policy, recorded, .. } = &moment.what else { return None };
        let (Cause::Opening(opening), Some(then)) = (&recorded.cause, past.then.get(case)) else {
            return None;
        };
        counts(policy).then(|| Projected::as_it_was(case, policy, opening, moment.at, then))
    };
    past.moments.iter().filter_map(of).collect()
}

struct Walk<'a> {
    past: &'a PersonPast,
    world: World<Book<'a>>,
    /// Processed openings: policy and event.
    handled: BTreeSet<(String, String)>,
    /// Own events of cases on their recorded paths; they arrive at their recorded times.
    emitted: BTreeSet<String>,
}

impl Walk<'_> {
    fn all(&mut self, to: Timestamp) -> Result<(), TooLong> {
        for moment in &self.past.moments {
            self.world.run_until(moment.at.max(self.world.now))?;
            self.happens(moment)?;
        }
        self.world.run_until(to.max(self.world.now))?;
        self.world.lose_unknown(to);
        Ok(())
    }

    fn happens(&mut self, moment: &Moment) -> Result<(), TooLong> {
        match &moment.what {
            Happening::Opened { case, policy, recorded, after } => {
                let policy = self.world.set.policies.get(&**policy).cloned();
                policy.map_or(Ok(()), |policy| self.opens(&policy, recorded, Some((case, after))))
            }
            Happening::Input { case, recorded, after } => self.reaches(case, recorded, after),
            Happening::Event { event, people } => self.event(event, people, moment.at),
            Happening::Joined { policy, event } => {
                self.handled.insert((policy.clone(), event.clone()));
                Ok(())
            }
            Happening::Watched { policy, recorded } => {
                let policy = self.world.set.policies.get(policy).cloned();
                policy.map_or(Ok(()), |policy| self.opens(&policy, recorded, None))
            }
            Happening::Seen { .. } => Ok(()),
        }
    }

    /// Handles a recorded or possible opening: decides again with the person as read for it. `then`: the case, and its
    /// wait fingerprint afterwards.
    fn opens(
        &mut self,
        policy: &Arc<Policy>,
        recorded: &Recorded,
        then: Option<(&CaseId, &WaitFingerprint)>,
    ) -> Result<(), TooLong> {
        let Cause::Opening(opening) = &recorded.cause else { return Ok(()) };
        let (modes, now, subject) = (self.world.terms.modes, self.world.now, opening.subject.reference());
        let (mut step, event) = match &opening.by {
            OpenedBy::Event(event) => {
                self.handled.insert((policy.name.clone(), event.key.clone()));
                let asked = intake::asked_about(event, &self.world.set, modes);
                if self.unfounded(event) || asked.iter().all(|other| other.name != policy.name) {
                    return Ok(());
                }
                let person = opening.subject.clone();
                (intake::offer(policy, event.clone(), person, modes, now), Some(event))
            }
            by @ OpenedBy::Hand { .. } => (intake::by_hand(policy, subject, by.clone(), modes, now), None),
            OpenedBy::Sweep { schedule, nominal } => {
                let Some(sweep) = policy.sweeps().find(|sweep| sweep.schedule == *schedule) else {
                    return Ok(());
                };
                (intake::by_sweep(policy, sweep, *nominal, subject, modes, false, now), None)
            }
        };
        for (provider, enrolment) in &recorded.facts.enrolments {
            self.world.enrolled_before(provider, &opening.subject, enrolment);
        }
        let decision = loop {
            step = match step {
                Step::Done(decision) => break decision,
                Step::Person(ask) => ask.answer(Lookup::Read(Some(opening.subject.clone())), now),
                // For an empty date the first sight counted, and the person was due by it.
                Step::FirstSeen(ask) => ask.answer(Some(Timestamp::MIN_UTC)),
                Step::Open(ask) if ask.opening.key == opening.key => {
                    let opened = self.world.open_from(policy, recorded)?;
                    if let Some((id, after)) = then {
                        self.keep_in_step(id, after);
                        self.as_then(id);
                    }
                    ask.answer(opened)
                }
                question => self.world.answer(question)?,
            };
        };
        // There is no retry: the recorded read is the only one.
        let _ = self.world.decided(event, decision);
        Ok(())
    }

    /// Defers events of a case on its recorded path to their recorded times.
    fn as_then(&mut self, id: &CaseId) {
        if self.world.kept(id).is_none_or(|kept| !kept.led) {
            return;
        }
        let emitted = self.world.inbox.drain(..).map(|received| received.event.key);
        self.emitted.extend(emitted);
    }

    /// Returns whether an own event has no cause in the replay, or was handled already. A case opened before the record
    /// is not replayed, and its recorded events count.
    fn unfounded(&self, event: &Event) -> bool {
        let data_text = |key: &str| event.fields.get("data").and_then(|data| data.get(key)?.as_str());
        let set = |by: &str| self.world.set.policies.contains_key(by);
        let walked = |case: &str| self.past.then.contains_key(&CaseId(case.to_owned()));
        let ours = event.source == "proofd" && data_text("policy").is_some_and(set);
        ours && data_text("case").is_some_and(walked) && !self.emitted.contains(&event.key)
    }

    /// Keeps a case on its recorded path while its wait fingerprint is equal.
    fn keep_in_step(&mut self, id: &CaseId, after: &WaitFingerprint) {
        let same = self.world.case(id).is_some_and(|case| WaitFingerprint::of(case) == *after);
        if self.world.kept(id).is_some_and(|kept| kept.led != same) {
            self.world.lead(id, same);
        }
    }

    /// Handles a recorded input of a case.
    fn reaches(&mut self, id: &CaseId, recorded: &Recorded, after: &WaitFingerprint) -> Result<(), TooLong> {
        if self.world.kept(id).is_some_and(|kept| kept.led) {
            // A recorded migration has no effect here: the case's revision is fixed.
            if let Cause::Input(Input::Event(event)) = &recorded.cause {
                if self.unfounded(event) {
                    self.world.lead(id, false);
                    return Ok(());
                }
                let policy = self.world.case(id).map(|case| case.policy.clone()).unwrap_or_default();
                self.handled.insert((policy, event.key.clone()));
            }
            if matches!(recorded.cause, Cause::Input(_)) && self.world.decide(id, recorded)?.is_err() {
                self.world.lead(id, false);
                return Ok(());
            }
            self.keep_in_step(id, after);
            self.as_then(id);
            return Ok(());
        }
        let Cause::Input(input) = &recorded.cause else { return Ok(()) };
        self.done_then(id, input);
        let question = self.world.environment.question(id, self.world.now).map(str::to_owned);
        for other in self.others(id) {
            self.apply_input(&other, input, question.as_deref())?;
        }
        Ok(())
    }

    /// Returns cases that continue on their own and receive the recorded inputs: the same case, and cases without a
    /// recorded counterpart.
    fn others(&self, id: &CaseId) -> Vec<CaseId> {
        let free = |other: &&CaseId| {
            let none_then = !self.past.askings.contains_key(*other);
            (*other == id || none_then)
                && self.world.kept(other).is_some_and(|kept| !kept.led && kept.lost.is_none())
        };
        self.world.opened().iter().filter(free).cloned().collect()
    }

    /// Passes a person's recorded input to a case that asks the same question.
    fn apply_input(&mut self, id: &CaseId, input: &Input, question: Option<&str>) -> Result<(), TooLong> {
        let Some((case, policy)) = self.world.kept(id).map(|kept| (&kept.case, Arc::clone(&kept.policy)))
        else {
            return Ok(());
        };
        let asks = super::fingerprint::asking(case, &policy).map(|(what, _)| what);
        let same = asks.is_some() && asks.as_deref() == question;
        let input = match (input, &case.state) {
            (Input::Press(press), State::Verifying(proving)) if same => {
                Input::Press(Press { link: proving.link, ..press.clone() })
            }
            (Input::Decision(_), State::Reviewing(_)) if same => input.clone(),
            (Input::Operator(operator), _) if operator.order == Order::Cancel => {
                let why = "whether the case would have been canceled, as it was then".to_owned();
                self.world.lose(id, why);
                return Ok(());
            }
            (Input::Operator(_), _) if same => input.clone(),
            // A recorded reading triggers a reading.
            (
                Input::Hint { .. } | Input::Return { .. } | Input::Outcome { .. },
                State::Verifying(proving),
            ) => match &proving.session {
                Some(session) if proving.read.is_none() => {
                    Input::Hint { execution: session.execution.clone() }
                }
                _ => return Ok(()),
            },
            _ => return Ok(()),
        };
        // An input that a case refuses would not have been given.
        let _ = self.world.apply(id, input)?;
        self.world.settle()
    }

    /// Handles a consumed event. Policies whose case opened by it or received it are in the record.
    fn event(&mut self, event: &Event, people: &[Subject], at: Timestamp) -> Result<(), TooLong> {
        if self.unfounded(event) {
            return Ok(());
        }
        let modes = self.world.terms.modes;
        let mut policies = intake::asked_about(event, &self.world.set, modes);
        policies.retain(|policy| !self.handled.contains(&(policy.name.clone(), event.key.clone())));
        // The record ends with the last attempt at an event.
        let mut step = intake::event(event.clone(), policies, modes, u32::MAX, self.world.now);
        let mut assumed = BTreeSet::new();
        let decision = loop {
            step = match step {
                Step::Done(decision) => break decision,
                Step::Person(ask) => {
                    let (lookup, is_assumed) = self.person_of(&ask.subject, event, people, at);
                    if is_assumed {
                        assumed.insert(ask.subject.kind);
                    }
                    ask.answer(lookup, self.world.now)
                }
                Step::Open(ask) => {
                    let is_assumed = assumed.contains(&ask.opening.subject.kind);
                    let before = self.world.opened().len();
                    let step = self.world.answer(Step::Open(ask))?;
                    let opened = self.world.opened().get(before..).unwrap_or_default().to_vec();
                    self.world.environment.assumed.extend(opened.into_iter().filter(|_| is_assumed));
                    step
                }
                question => self.world.answer(question)?,
            };
        };
        let _ = self.world.decided(Some(event), decision);
        self.world.settle()
    }

    /// Returns the person as read for an event, or as known at its time. The flag reports that the last read was
    /// assumed to be unchanged.
    fn person_of(
        &self,
        subject: &SubjectRef,
        event: &Event,
        people: &[Subject],
        at: Timestamp,
    ) -> (Lookup, bool) {
        let read = people.iter().find(|person| person.kind == subject.kind);
        if let Some(person) = read.or_else(|| self.world.environment.read_for(&event.key, subject.kind)) {
            return (Lookup::Read(Some(person.clone())), false);
        }
        match self.world.environment.person_at(subject, at) {
            Some((person, assumed)) => (Lookup::Read(person), assumed),
            None => (Lookup::Unknown, false),
        }
    }

    /// Records that a recorded case changed the person without a counterpart in the replay: later reads do not apply
    /// here.
    fn done_then(&mut self, id: &CaseId, input: &Input) {
        if let Input::Outcome { call, outcome: Outcome::Done(_), .. } = input {
            self.world.environment.done_only_then(id, *call, self.world.now);
        }
    }

    fn results(&self) -> Vec<Projected> {
        let of = |id: &CaseId| {
            let kept = self.world.kept(id)?;
            let case: &Case = &kept.case;
            let reached = self.world.reached.iter().filter(|reached| reached.case == *id);
            let did = reached
                .map(|reached| super::projected::ProjectedEffect { what: reached.action, at: reached.at });
            let assumed = self.world.environment.assumed.contains(id);
            Some(Projected::of(case, &kept.policy, kept.lost.as_deref(), did.collect(), assumed))
        };
        let unasked = self.world.unasked.iter().filter_map(|unasked| {
            let policy = self.world.set.policies.get(&unasked.policy)?;
            Some(Projected::unasked(policy, unasked.subject.clone(), unasked.at, unasked.event.clone()))
        });
        self.world.opened().iter().filter_map(of).chain(unasked).collect()
    }
}
