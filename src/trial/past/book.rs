//! The environment of a back-test: people, providers and endpoints answer as recorded. Effects on people and mails
//! count as done: only the request matters.

use std::collections::{BTreeSet, HashMap, HashSet};

use chrono::TimeDelta;

use super::fingerprint::{Kind, WaitFingerprint, asking, kind};
use super::{Asking, Happening, How, Moment, PersonPast};
use crate::case::intake::Lookup;
use crate::case::{Case, Cause, Input, OpenedBy, Opening, State, gone};
use crate::model::{
    Action, Call, CaseId, Done, Event, IdentityAction, Outcome, Phase, ReadSession, Reading, SessionAction,
    Subject, SubjectKind, SubjectRef, Timestamp,
};
use crate::policy::Policy;
use crate::trial::environment::{Answer, Environment};
use crate::trial::outside::Outside;

/// How much earlier than recorded a question may be asked and still get the recorded answer.
const SOONER: TimeDelta = TimeDelta::days(1);
/// Maximum time between a press and the recorded session start that it maps to.
const SAME_PRESS: TimeDelta = TimeDelta::minutes(30);
/// Maximum delay until an available answer is read.
const READ_LATE: TimeDelta = TimeDelta::days(1);

/// The record of one person, as an environment.
#[derive(Debug)]
pub(super) struct Book<'a> {
    past: &'a PersonPast,
    to: Timestamp,
    /// Reads of each person, with their times.
    seen: HashMap<SubjectRef, Vec<(Timestamp, Option<&'a Subject>)>>,
    /// Ended calls of a kind, with their start times.
    ended: HashMap<Kind, Vec<Ended<'a>>>,
    /// Which case received which event.
    received: HashSet<(&'a CaseId, &'a str)>,
    /// The kind of each call of a case.
    asked: HashMap<(&'a CaseId, u32), &'a Kind>,
    /// Since when the recorded person differs from the simulated one.
    otherwise: Option<Timestamp>,
    /// Effects of the simulation that the record lacks, on this person.
    done: Vec<(SubjectRef, Action)>,
    /// Cases in which the last known value was assumed to be unchanged.
    pub assumed: BTreeSet<CaseId>,
}

#[derive(Debug)]
struct Ended<'a> {
    began: Timestamp,
    at: Timestamp,
    outcome: &'a Outcome,
}

impl<'a> Book<'a> {
    pub fn new(past: &'a PersonPast, to: Timestamp) -> Self {
        let mut book = Self {
            past,
            to,
            seen: HashMap::new(),
            ended: HashMap::new(),
            received: HashSet::new(),
            asked: HashMap::new(),
            otherwise: None,
            done: Vec::new(),
            assumed: BTreeSet::new(),
        };
        let mut opened: HashMap<&CaseId, (SubjectRef, &WaitFingerprint, HashMap<u32, Timestamp>)> =
            HashMap::new();
        for moment in &past.moments {
            let at = moment.at;
            match &moment.what {
                Happening::Opened { case, recorded, after, .. } => {
                    if let Cause::Opening(opening) = &recorded.cause {
                        let reference = opening.subject.reference();
                        opened.insert(case, (reference, after, HashMap::new()));
                        book.saw(at, opening.subject.reference(), Some(&opening.subject));
                    }
                }
                Happening::Input { case, recorded, after } => {
                    let Some((reference, before, begun)) = opened.get_mut(case) else { continue };
                    match &recorded.cause {
                        Cause::Input(Input::Event(event)) => {
                            book.received.insert((case, &event.key));
                        }
                        Cause::Input(Input::Attempt { call }) => {
                            begun.insert(*call, at);
                        }
                        Cause::Input(Input::Outcome { call, outcome, .. }) => {
                            let began = begun.get(call).copied().unwrap_or(at);
                            if let Some(kind) = before.kind(*call) {
                                book.asked.insert((case, *call), kind);
                                let ended = Ended { began, at, outcome };
                                book.ended.entry(kind.clone()).or_default().push(ended);
                            }
                            if let Outcome::Done(Done::Seen { subject }) = outcome {
                                let reference = reference.clone();
                                book.saw(at, reference, subject.as_deref());
                            }
                        }
                        _ => {}
                    }
                    *before = after;
                }
                Happening::Event { event, people } => {
                    for person in people {
                        book.saw(at, person.reference(), Some(person));
                    }
                    if gone(event) {
                        book.saw(event.time.min(at), event.subject.clone(), None);
                    }
                }
                Happening::Joined { .. } => {}
                Happening::Watched { recorded, .. } => {
                    if let Cause::Opening(opening) = &recorded.cause {
                        book.saw(at, opening.subject.reference(), Some(&opening.subject));
                    }
                }
                Happening::Seen { reference, person, .. } => {
                    book.saw(at, reference.clone(), person.as_deref())
                }
            }
        }
        book
    }

    fn saw(&mut self, at: Timestamp, reference: SubjectRef, person: Option<&'a Subject>) {
        self.seen.entry(reference).or_default().push((at, person));
    }

    /// Returns the person at a time, if equal reads before and after it prove the record. The flag reports that the
    /// last read was assumed to be unchanged.
    fn as_of(&self, reference: &SubjectRef, now: Timestamp) -> Option<(Option<&'a Subject>, bool)> {
        let seen = self.seen.get(reference)?;
        let before = seen.iter().rev().find(|(at, _)| *at <= now)?;
        if self.otherwise.is_some_and(|since| before.0 >= since) {
            return None;
        }
        // A read after a change that the simulation lacks is no evidence about the time before.
        let later = |at: &Timestamp| *at > now && self.otherwise.is_none_or(|since| *at < since);
        let after = seen.iter().find(|(at, _)| later(at));
        match after {
            _ if before.0 == now => Some((before.1, false)),
            Some((_, person)) if *person == before.1 => Some((before.1, false)),
            // The time of the change in between is unknown.
            Some(_) => None,
            None => Some((before.1, true)),
        }
    }

    /// Returns the person at a time, with the simulation's own effects applied.
    pub fn person_at(&self, reference: &SubjectRef, now: Timestamp) -> Option<(Option<Subject>, bool)> {
        let (person, assumed) = self.as_of(reference, now)?;
        let mut outside = Outside::default();
        outside.people.extend(person.cloned().map(|person| (reference.clone(), person)));
        for (_, action) in self.done.iter().filter(|(other, _)| other == reference) {
            let _ = outside.perform(action, now);
        }
        Some((outside.people.remove(reference), assumed))
    }

    /// Performs an effect on a person.
    fn effect(&mut self, case: &Case, action: &Action, now: Timestamp) -> Answer {
        let reference = case.subject.reference();
        let mut outside = Outside::default();
        let person = match self.person_at(&reference, now) {
            Some((person, _)) => person,
            None => Some(case.seen.clone().unwrap_or_else(|| case.subject.clone())),
        };
        outside.people.extend(person.map(|person| (reference.clone(), person)));
        let outcome = outside.perform(action, now);
        if matches!(outcome, Outcome::Done(_)) {
            self.done.push((reference, action.clone()));
        }
        Answer::Ended(outcome)
    }

    fn read(&mut self, case: &Case, reference: &SubjectRef, now: Timestamp) -> Answer {
        match self.person_at(reference, now) {
            Some((person, assumed)) => {
                if assumed && now < self.to {
                    self.assumed.insert(case.id.clone());
                }
                Answer::Ended(Outcome::Done(Done::Seen { subject: person.map(Box::new) }))
            }
            None if reference.kind == SubjectKind::Applicant => {
                Answer::Ended(Outcome::Done(Done::Seen { subject: Some(Box::new(case.subject.clone())) }))
            }
            None => Answer::NotKnown("the person changed then and was not read".to_owned()),
        }
    }

    fn start(&self, action: &Action, provider: &str, reference: &str, now: Timestamp) -> Answer {
        let ended = self.ended.get(&kind(action)).into_iter().flatten();
        let same = |ended: &&Ended<'_>| ended.began >= now - SAME_PRESS && ended.began <= now + SAME_PRESS;
        match ended.filter(same).min_by_key(|ended| (ended.began - now).abs()).map(|ended| ended.outcome) {
            Some(Outcome::Done(Done::Started { session })) => {
                // The session counts only with this call's reference.
                let mut session = session.clone();
                reference.clone_into(&mut session.reference);
                Answer::Ended(Outcome::Done(Done::Started { session }))
            }
            Some(outcome) => Answer::Ended(outcome.clone()),
            None => Answer::NotKnown(format!("{provider} started no session then")),
        }
    }

    fn result(&self, action: &Action, read: &ReadSession, now: Timestamp) -> Answer {
        let ReadSession { account, execution, reference, .. } = read;
        let readings = self.ended.get(&kind(action)).map(Vec::as_slice).unwrap_or_default().iter();
        let read = |ended: &Ended<'a>| match ended.outcome {
            Outcome::Done(Done::Read { reading }) if ended.at <= now => Some(reading),
            Outcome::Done(_) | Outcome::Failed(_) => None,
        };
        let newest = readings.filter_map(read).next_back();
        let reading = newest.map_or_else(
            || Reading {
                account: account.clone(),
                execution: execution.clone(),
                reference: Some(reference.clone()),
                phase: Phase::Waiting,
                proof: None,
                void: None,
            },
            |reading| Reading { reference: Some(reference.clone()), ..reading.clone() },
        );
        Answer::Ended(Outcome::Done(Done::Read { reading }))
    }

    fn request(&mut self, case: &Case, action: &Action, endpoint: &str, now: Timestamp) -> Answer {
        let ended = self.ended.get(&kind(action)).map(Vec::as_slice).unwrap_or_default();
        let before = ended.iter().rev().find(|ended| ended.at <= now);
        let after = ended.iter().find(|ended| ended.at > now);
        match (before, after) {
            // The answers before and after are equal.
            (Some(before), Some(after)) if before.outcome == after.outcome => {
                Answer::Ended(before.outcome.clone())
            }
            (Some(one), None) | (None, Some(one)) => {
                let outcome = one.outcome.clone();
                self.assumed.insert(case.id.clone());
                Answer::Ended(outcome)
            }
            _ => Answer::NotKnown(format!("the answer of {endpoint}")),
        }
    }

    /// Records that a recorded case changed the person and no simulated case did.
    pub fn done_only_then(&mut self, case: &CaseId, call: u32, at: Timestamp) {
        let Some(wanted) = self.asked.get(&(case, call)) else { return };
        let here = self.done.iter().any(|(_, action)| kind(action) == **wanted);
        if wanted.alters && !here {
            self.otherwise = Some(self.otherwise.map_or(at, |since| since.min(at)));
        }
    }

    /// Returns the recorded question that matches this one: same content, same person, at this time.
    fn same_question(&self, case: &Case, what: &str, began: Timestamp) -> Option<&'a Asking> {
        let own = self.past.askings.get(&case.id).into_iter().flatten();
        let all = self.past.askings.values().flatten();
        let same = |asking: &&Asking| {
            let over = asking.ended.is_some_and(|(at, _)| at <= began);
            asking.what == what && asking.began - SOONER <= began && !over
        };
        own.chain(all).find(same)
    }

    /// Returns the person as read for an event that opened a case.
    pub fn read_for(&self, event: &str, kind: SubjectKind) -> Option<&'a Subject> {
        let read = |moment: &'a Moment| match &moment.what {
            Happening::Seen { person, event: Some(by), .. } if by == event => person.as_deref(),
            Happening::Opened { recorded, .. } => match &recorded.cause {
                Cause::Opening(Opening { subject, by: OpenedBy::Event(by), .. }) if by.key == event => {
                    Some(subject)
                }
                _ => None,
            },
            _ => None,
        };
        self.past.moments.iter().filter_map(read).find(|person| person.kind == kind)
    }

    /// Returns the open question of a recorded case at a time.
    pub fn question(&self, case: &CaseId, at: Timestamp) -> Option<&'a str> {
        let asked = self.past.askings.get(case)?.iter();
        let now = |asking: &&Asking| asking.began <= at && asking.ended.is_none_or(|(ended, _)| ended >= at);
        asked.filter(now).map(|asking| asking.what.as_str()).next_back()
    }
}

impl Environment for Book<'_> {
    fn person(&mut self, reference: &SubjectRef, now: Timestamp) -> Lookup {
        match self.person_at(reference, now) {
            Some((person, _)) => Lookup::Read(person),
            None => Lookup::Unknown,
        }
    }

    fn perform(&mut self, case: &Case, call: &Call, now: Timestamp) -> Answer {
        let action = &call.action;
        match action {
            Action::Identity(IdentityAction::Read { subject }) => self.read(case, subject, now),
            Action::Identity(IdentityAction::Change { .. }) | Action::Provisioning { .. } => {
                self.effect(case, action, now)
            }
            Action::Verification { provider, session: SessionAction::Start(start) } => {
                self.start(action, provider, &start.reference, now)
            }
            Action::Verification { session: SessionAction::Read(read), .. } => self.result(action, read, now),
            Action::Mail { .. } => Answer::Ended(Outcome::Done(Done::Sent)),
            Action::Request { endpoint, .. } => self.request(case, action, endpoint, now),
            Action::Emit { .. } => Answer::Ended(Outcome::Done(Done::Emitted)),
        }
    }

    fn received(&self, case: &CaseId, event: &Event) -> bool {
        self.received.contains(&(case, event.key.as_str()))
    }

    fn knows(&self, case: &Case, policy: &Policy) -> Option<(Timestamp, String)> {
        if matches!(case.state, State::Grace(_)) {
            let why = "whether the person would have objected".to_owned();
            return Some((Timestamp::MIN_UTC, why));
        }
        let (what, began) = asking(case, policy)?;
        let Some(asking) = self.same_question(case, &what, began) else {
            return Some((Timestamp::MIN_UTC, format!("no {what} was recorded")));
        };
        let (at, how) = asking.ended?;
        Some(match how {
            How::Answered => (at + READ_LATE, format!("the answer to {what} came at another time")),
            How::Silence => (at, format!("whether {what} would have been answered later")),
            How::Cut => (at, format!("how {what} would have ended")),
        })
    }
}
