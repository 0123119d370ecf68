//! What is done with an event, a start by hand and one person of a sweep: which cases it reaches, and which
//! policies open one. A state machine without input or output: each step is a question with a method
//! `answer` that leads to the next step, up to a decision. The daemon, policy tests, the back-test and the dry
//! run differ in how they answer, and in nothing else.
//!
//! | file | what |
//! |---|---|
//! | `event` | the case whose effect caused an event; open cases that an event reaches |
//! | `opening` | the person is read; the policy is asked; the case opens or is there |
//! | `sweep` | one person of a sweep: due, picked, without an open case |

mod event;
mod opening;
mod sweep;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use super::input::{OpenedBy, Opening};
use super::opening::{Stopped, applicant};
use crate::model::{CaseId, Event, Failure, Subject, SubjectKind, SubjectRef, Timestamp, Verdict};
use crate::policy::tree::{Standing, Sweep};
use crate::policy::{Mode, Policy, PolicySet};

pub use event::{AskCases, AskConcerned, AskEchoes, AskJoin, Heard};
pub use opening::{AskOpen, AskPerson, AskTaken, Lookup, Taken};
pub use sweep::{AskFirstSeen, AskOpened};

/// A question, or the decision.
#[derive(Debug)]
pub enum Step {
    /// Which effects of cases are known of an account.
    Echoes(AskEchoes),
    /// Which cases about the event's subject are open, and which policies they follow.
    Concerned(AskConcerned),
    /// Which cases about somebody are open.
    Cases(AskCases),
    /// Hand the event to a case.
    Join(AskJoin),
    /// Read the person.
    Person(AskPerson),
    /// Whether a sweep's case for this person and this run was opened before.
    Opened(AskOpened),
    /// When a sweep first saw the person.
    FirstSeen(AskFirstSeen),
    /// Which open case has the key.
    Taken(AskTaken),
    /// Open a case.
    Open(AskOpen),
    Done(Decision),
}

#[derive(Debug)]
pub enum Decision {
    /// An effect of this case caused the event: it triggers nothing.
    OwnChange(CaseId),
    /// The event is looked at again later.
    Later(Failure),
    Answered {
        answers: Vec<Answered>,
        /// Who was read, but for those that a case opened with.
        people: Vec<Subject>,
    },
}

/// What one policy answered.
#[derive(Debug)]
pub struct Answered {
    pub policy: Arc<Policy>,
    /// Who was asked about, where that is not the event's own subject.
    pub about: Option<SubjectRef>,
    pub answer: Answer,
}

#[derive(Debug)]
pub enum Answer {
    NotAsked(NotAsked),
    NoSubject(String),
    /// It is not known how the person was or whether a case is open.
    Unknown(SubjectRef),
    Disabled,
    Clause(Stopped),
    Where(Stopped),
    NotDue(Standing),
    CouldNotDecide(Stopped),
    /// A shadow policy would open this.
    Shadow(Box<Opening>),
    /// A start by hand or a sweep met an open case.
    AlreadyOpen(CaseId),
    Reached(CaseId, Heard),
    /// The open case cannot be read.
    Gone(CaseId),
    /// The same opening opened a case before.
    Duplicate,
    Opened(CaseId),
}

/// Why a policy is not asked at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotAsked {
    NotByHand,
    OtherSubject,
    OtherSource,
}

/// Whether the modes of policies count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Modes {
    AsWritten,
    /// Every policy is asked as if it were enforced.
    AllEnforced,
}

impl NotAsked {
    /// Why a policy is never asked about a person; without a kind, of any kind.
    pub fn of_person(policy: &Policy, kind: Option<SubjectKind>, source: &str) -> Option<Self> {
        if kind.is_some_and(|kind| kind != policy.subject) {
            return Some(Self::OtherSubject);
        }
        // Applicants are at no identity provider.
        let elsewhere = policy.subject != SubjectKind::Applicant && !policy.takes(source);
        elsewhere.then_some(Self::OtherSource)
    }

    pub fn sentence(self, policy: &Policy) -> String {
        match self {
            Self::NotByHand => "it is not started by hand".to_owned(),
            Self::OtherSubject => format!("it is about {}", policy.subject.one()),
            Self::OtherSource => format!("it is about people of {}", policy.sources.join(", ")),
        }
    }
}

impl Answer {
    /// As the decision log has it; none: it is not kept.
    pub fn verdict(&self) -> Option<Verdict> {
        Some(match self {
            Self::NotAsked(_) | Self::Unknown(_) | Self::NotDue(_) | Self::AlreadyOpen(_) => return None,
            Self::NoSubject(_) => Verdict::NoSubject,
            Self::Disabled => Verdict::Disabled,
            Self::Clause(_) => Verdict::Clause,
            Self::Where(_) => Verdict::Where,
            Self::CouldNotDecide(_) => Verdict::CouldNotDecide,
            Self::Shadow(_) => Verdict::Shadow,
            Self::Reached(_, heard) => heard.verdict(),
            Self::Gone(_) => Verdict::Gone,
            Self::Duplicate => Verdict::Duplicate,
            Self::Opened(_) => Verdict::Opened,
        })
    }

    /// The case, the clause or the error.
    pub fn detail(&self, policy: &Policy) -> String {
        match self {
            Self::NotAsked(why) => why.sentence(policy),
            Self::NoSubject(why) => why.clone(),
            Self::Unknown(whom) => format!("it is not known how {whom} was"),
            Self::Disabled => String::new(),
            Self::NotDue(Standing::Never) => "the person is never due".to_owned(),
            Self::NotDue(Standing::Due(_) | Standing::NotYet(_) | Standing::Unseen) => {
                "the person is not due yet".to_owned()
            }
            Self::Clause(stopped) | Self::Where(stopped) | Self::CouldNotDecide(stopped) => {
                stopped.says.clone()
            }
            Self::Shadow(_) => "a case would have opened".to_owned(),
            Self::AlreadyOpen(id) => format!("a case is open already: {id}"),
            Self::Reached(id, _) | Self::Gone(id) | Self::Opened(id) => id.to_string(),
            Self::Duplicate => "the same event opened a case before".to_owned(),
        }
    }
}

/// What is known so far.
#[derive(Debug)]
struct Intake {
    by: OpenedBy,
    whom: SubjectRef,
    modes: Modes,
    /// How often the event could not be dealt with.
    attempts: u32,
    now: Timestamp,
    sweeping: Option<Sweeping>,
    /// Policies to be asked yet.
    policies: VecDeque<Arc<Policy>>,
    people: BTreeMap<SubjectKind, Known>,
    answers: Vec<Answered>,
}

/// A sweep that looks at one person.
#[derive(Debug, Clone)]
struct Sweeping {
    sweep: Arc<Sweep>,
    nominal: Timestamp,
    /// Everything is asked, so that one no does not hide the next.
    thorough: bool,
}

/// Who was read.
#[derive(Debug, Clone)]
enum Known {
    Person(Box<Subject>),
    Never(String),
    Unknown,
}

/// The policies that are asked about an event.
pub fn asked_about(event: &Event, set: &PolicySet, modes: Modes) -> Vec<Arc<Policy>> {
    let policies = match modes {
        Modes::AsWritten => set.matching(event),
        Modes::AllEnforced => set.naming(event),
    };
    policies.into_iter().cloned().collect()
}

/// An event. `policies`: who is asked about it; `attempts`: how often it could not be dealt with before.
pub fn event(
    event: Event,
    policies: impl IntoIterator<Item = Arc<Policy>>,
    modes: Modes,
    attempts: u32,
    now: Timestamp,
) -> Step {
    let policies = policies.into_iter().collect();
    Step::Echoes(AskEchoes { intake: Box::new(Intake::of_event(event, policies, modes, attempts, now)) })
}

/// One policy is asked about an event and a person who was read for it. Open cases are no matter.
pub fn offer(policy: &Arc<Policy>, event: Event, subject: Subject, modes: Modes, now: Timestamp) -> Step {
    let mut intake = Intake::of_event(event, VecDeque::from([Arc::clone(policy)]), modes, 0, now);
    intake.people.insert(policy.subject, Known::Person(Box::new(subject)));
    Box::new(intake).next()
}

/// A person starts a case of a policy.
pub fn by_hand(policy: &Arc<Policy>, whom: SubjectRef, by: OpenedBy, modes: Modes, now: Timestamp) -> Step {
    let no = match policy.manual() {
        true => NotAsked::of_person(policy, Some(whom.kind), &whom.source),
        false => Some(NotAsked::NotByHand),
    };
    Intake::of_one(policy, whom, by, modes, now).unless(no, policy)
}

/// A sweep looks at one person. `thorough`: everything is asked, so that one no does not hide the next.
pub fn by_sweep(
    policy: &Arc<Policy>,
    sweep: &Arc<Sweep>,
    nominal: Timestamp,
    whom: SubjectRef,
    modes: Modes,
    thorough: bool,
    now: Timestamp,
) -> Step {
    let no = NotAsked::of_person(policy, Some(whom.kind), &whom.source);
    let by = OpenedBy::Sweep { schedule: sweep.schedule.clone(), nominal };
    let sweeping = Some(Sweeping { sweep: Arc::clone(sweep), nominal, thorough });
    let intake = Intake { sweeping, ..Intake::of_one(policy, whom, by, modes, now) };
    intake.unless(no, policy)
}

impl Intake {
    fn of_event(
        event: Event,
        policies: VecDeque<Arc<Policy>>,
        modes: Modes,
        attempts: u32,
        now: Timestamp,
    ) -> Self {
        Self {
            whom: event.subject.clone(),
            by: OpenedBy::Event(event),
            modes,
            attempts,
            now,
            sweeping: None,
            policies,
            people: BTreeMap::new(),
            answers: Vec::new(),
        }
    }

    fn of_one(policy: &Arc<Policy>, whom: SubjectRef, by: OpenedBy, modes: Modes, now: Timestamp) -> Self {
        Self {
            whom,
            by,
            modes,
            attempts: 0,
            now,
            sweeping: None,
            policies: VecDeque::from([Arc::clone(policy)]),
            people: BTreeMap::new(),
            answers: Vec::new(),
        }
    }

    fn unless(self, no: Option<NotAsked>, policy: &Arc<Policy>) -> Step {
        match no {
            Some(why) => {
                let answers =
                    vec![Answered { policy: Arc::clone(policy), about: None, answer: Answer::NotAsked(why) }];
                Step::Done(Decision::Answered { answers, people: Vec::new() })
            }
            None => Box::new(self).next(),
        }
    }

    /// The event as a policy gets it: the policy's kind of subject decides whom it is about.
    fn event_for(&self, policy: &Policy) -> Option<Event> {
        let OpenedBy::Event(event) = &self.by else { return None };
        let mut event = event.clone();
        event.subject.kind = policy.subject;
        Some(event)
    }

    /// The next policy is asked.
    fn next(mut self: Box<Self>) -> Step {
        let Some(policy) = self.policies.pop_front() else { return Step::Done(self.decision()) };
        if let Some(known) = self.people.get(&policy.subject) {
            let known = known.clone();
            return self.met(policy, known);
        }
        let event = self.event_for(&policy);
        if let (SubjectKind::Applicant, Some(event)) = (policy.subject, &event) {
            // In no identity provider yet: the event is all there is.
            let known = Known::Person(Box::new(applicant(event)));
            self.people.insert(policy.subject, known.clone());
            return self.met(policy, known);
        }
        let whom = SubjectRef { kind: policy.subject, ..self.whom.clone() };
        Step::Person(AskPerson { intake: self, policy, event, whom })
    }

    fn met(self: Box<Self>, policy: Arc<Policy>, known: Known) -> Step {
        match known {
            Known::Person(subject) if self.sweeping.is_some() => self.sweep(policy, *subject),
            Known::Person(subject) => self.offered(policy, *subject),
            Known::Never(why) => self.answered(policy, Answer::NoSubject(why)),
            Known::Unknown => {
                let whom = SubjectRef { kind: policy.subject, ..self.whom.clone() };
                self.answered(policy, Answer::Unknown(whom))
            }
        }
    }

    /// A policy has answered; the next one is asked.
    fn answered(mut self: Box<Self>, policy: Arc<Policy>, answer: Answer) -> Step {
        self.note(policy, answer);
        self.next()
    }

    fn note(&mut self, policy: Arc<Policy>, answer: Answer) {
        let read = match self.people.get(&policy.subject) {
            Some(Known::Person(person)) => Some(person.reference()),
            Some(Known::Never(_) | Known::Unknown) | None => None,
        };
        // Nearly all events are about the very person that is found.
        let about = read.filter(|about| *about != self.whom);
        self.answers.push(Answered { policy, about, answer });
    }

    fn decision(self) -> Decision {
        let opened: BTreeSet<SubjectKind> = self
            .answers
            .iter()
            .filter(|one| matches!(one.answer, Answer::Opened(_)))
            .map(|one| one.policy.subject)
            .collect();
        let read = self.people.into_iter().filter_map(|(kind, known)| match known {
            Known::Person(person) => Some((kind, *person)),
            Known::Never(_) | Known::Unknown => None,
        });
        let kept = read.filter(|(kind, _)| *kind != SubjectKind::Applicant && !opened.contains(kind));
        let people = kept.map(|(_, person)| person).collect();
        Decision::Answered { answers: self.answers, people }
    }

    /// Whether a policy that applies only says what it would do.
    fn only_watches(&self, policy: &Policy) -> bool {
        self.modes == Modes::AsWritten && policy.mode == Mode::Shadow
    }
}
