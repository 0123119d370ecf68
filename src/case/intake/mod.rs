//! Intake of an event, a manual start or one person of a sweep: decides which cases it reaches and which policies open
//! one. A state machine without I/O: each step is a request with a method `answer` that returns the next step, up to a
//! decision. The daemon, policy tests, the back-test and the dry run differ only in how they answer.
//!
//! | file | what |
//! |---|---|
//! | `event` | the case whose effect caused an event; open cases that an event reaches |
//! | `opening` | reads the person, evaluates the policy, opens a case or joins an open one |
//! | `sweep` | one person of a sweep: due, selected, without an open case |

mod event;
mod opening;
mod sweep;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use super::input::{OpenedBy, Opening};
use super::opening::{Stopped, applicant};
use crate::model::{CaseId, Event, Failure, Fields, Subject, SubjectKind, SubjectRef, Timestamp, Verdict};
use crate::policy::tree::{Standing, Sweep};
use crate::policy::{Mode, Policy, PolicySet};

pub use event::{AskCases, AskConcerned, AskEchoes, AskJoin, Reaction};
pub use opening::{AskOpen, AskPerson, AskTaken, Lookup, Taken};
pub use sweep::{AskFirstSeen, AskOpened};

/// A request, or the decision.
#[derive(Debug)]
pub enum Step {
    /// Requests the known effects of cases on an account.
    Echoes(AskEchoes),
    /// Requests the open cases about the event's subject, with their policies.
    Concerned(AskConcerned),
    /// Requests the open cases about a subject.
    Cases(AskCases),
    /// Requests to hand the event to a case.
    Join(AskJoin),
    /// Requests a read of the person.
    Person(AskPerson),
    /// Requests whether this run of the sweep opened a case for the person before.
    Opened(AskOpened),
    /// Requests when a sweep first saw the person.
    FirstSeen(AskFirstSeen),
    /// Requests the open case with the key.
    Taken(AskTaken),
    /// Requests to open a case.
    Open(AskOpen),
    Done(Decision),
}

#[derive(Debug)]
pub enum Decision {
    /// An effect of this case caused the event, which triggers nothing.
    OwnChange(CaseId),
    /// The event is deferred.
    Later(Failure),
    Answered {
        answers: Vec<Answered>,
        /// The people that were read, except those of opened cases.
        people: Vec<Subject>,
        /// Of the people that were read, the fields that the conditions of answers by a clause name.
        named: Vec<Subject>,
        /// The time of the answers.
        at: Timestamp,
    },
}

/// The answer of one policy.
#[derive(Debug)]
pub struct Answered {
    pub policy: Arc<Policy>,
    /// The evaluated person, if different from the event's subject.
    pub about: Option<SubjectRef>,
    pub answer: Answer,
}

#[derive(Debug)]
pub enum Answer {
    NotAsked(NotAsked),
    NoSubject(String),
    /// The person's record then, or whether a case was open, is unknown.
    Unknown(SubjectRef),
    Disabled,
    Clause(Stopped),
    Where(Stopped),
    NotDue(Standing),
    CouldNotDecide(Stopped),
    /// A shadow policy would open this.
    Shadow(Box<Opening>),
    /// A manual start or a sweep met an open case.
    AlreadyOpen(CaseId),
    Reached(CaseId, Reaction),
    /// The open case cannot be read.
    Gone(CaseId),
    /// The same opening opened a case before.
    Duplicate,
    Opened(CaseId),
}

/// Why a policy is not evaluated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotAsked {
    NotByHand,
    OtherSubject,
    OtherSource,
}

/// Whether policy modes apply.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Modes {
    AsWritten,
    /// Evaluates every policy as enforced.
    AllEnforced,
}

impl NotAsked {
    /// Returns why a policy never applies to a person; without a kind, for any kind.
    pub fn of_person(policy: &Policy, kind: Option<SubjectKind>, source: &str) -> Option<Self> {
        if kind.is_some_and(|kind| kind != policy.subject) {
            return Some(Self::OtherSubject);
        }
        // Applicants are in no identity provider.
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
    /// Returns the verdict for the decision log; `None` if it is not recorded.
    pub fn verdict(&self) -> Option<Verdict> {
        Some(match self {
            Self::NotAsked(_) | Self::Unknown(_) | Self::NotDue(_) | Self::AlreadyOpen(_) => return None,
            Self::NoSubject(_) => Verdict::NoSubject,
            Self::Disabled => Verdict::Disabled,
            Self::Clause(_) => Verdict::Clause,
            Self::Where(_) => Verdict::Where,
            Self::CouldNotDecide(_) => Verdict::CouldNotDecide,
            Self::Shadow(_) => Verdict::Shadow,
            Self::Reached(_, reaction) => reaction.verdict(),
            Self::Gone(_) => Verdict::Gone,
            Self::Duplicate => Verdict::Duplicate,
            Self::Opened(_) => Verdict::Opened,
        })
    }

    /// Returns the case, the clause or the error.
    pub fn detail(&self, policy: &Policy) -> String {
        match self {
            Self::NotAsked(why) => why.sentence(policy),
            Self::NoSubject(why) => why.clone(),
            Self::Unknown(subject) => format!("it is not known how {subject} was"),
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

/// The state of an intake.
#[derive(Debug)]
struct Intake {
    by: OpenedBy,
    subject: SubjectRef,
    modes: Modes,
    /// How often the event was deferred.
    attempts: u32,
    now: Timestamp,
    sweeping: Option<Sweeping>,
    /// Policies that remain to be evaluated.
    policies: VecDeque<Arc<Policy>>,
    people: BTreeMap<SubjectKind, Known>,
    answers: Vec<Answered>,
}

/// A sweep's evaluation of one person.
#[derive(Debug, Clone)]
struct Sweeping {
    sweep: Arc<Sweep>,
    nominal: Timestamp,
    /// Evaluates all conditions, to report every objection.
    thorough: bool,
}

/// The result of reading the person.
#[derive(Debug, Clone)]
enum Known {
    Person(Arc<Subject>),
    Never(String),
    Unknown,
}

/// Returns the policies that an event is evaluated by.
pub fn asked_about(event: &Event, set: &PolicySet, modes: Modes) -> Vec<Arc<Policy>> {
    let policies = match modes {
        Modes::AsWritten => set.matching(event),
        Modes::AllEnforced => set.naming(event),
    };
    policies.into_iter().cloned().collect()
}

/// Starts the intake of an event. `policies`: the policies to evaluate; `attempts`: how often it was deferred before.
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

/// Evaluates one policy for an event and an already read person. Open cases are ignored.
pub fn offer(policy: &Arc<Policy>, event: Event, subject: Subject, modes: Modes, now: Timestamp) -> Step {
    let mut intake = Intake::of_event(event, VecDeque::from([Arc::clone(policy)]), modes, 0, now);
    intake.people.insert(policy.subject, Known::Person(Arc::new(subject)));
    Box::new(intake).next()
}

/// Starts the intake of a manual start.
pub fn by_hand(
    policy: &Arc<Policy>,
    subject: SubjectRef,
    by: OpenedBy,
    modes: Modes,
    now: Timestamp,
) -> Step {
    let no = match policy.manual() {
        true => NotAsked::of_person(policy, Some(subject.kind), &subject.source),
        false => Some(NotAsked::NotByHand),
    };
    Intake::of_one(policy, subject, by, modes, now).unless(no, policy)
}

/// Starts the intake of one person of a sweep. `thorough`: evaluates all conditions, to report every objection.
pub fn by_sweep(
    policy: &Arc<Policy>,
    sweep: &Arc<Sweep>,
    nominal: Timestamp,
    subject: SubjectRef,
    modes: Modes,
    thorough: bool,
    now: Timestamp,
) -> Step {
    let no = NotAsked::of_person(policy, Some(subject.kind), &subject.source);
    let by = OpenedBy::Sweep { schedule: sweep.schedule.clone(), nominal };
    let sweeping = Some(Sweeping { sweep: Arc::clone(sweep), nominal, thorough });
    let intake = Intake { sweeping, ..Intake::of_one(policy, subject, by, modes, now) };
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
            subject: event.subject.clone(),
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

    fn of_one(policy: &Arc<Policy>, subject: SubjectRef, by: OpenedBy, modes: Modes, now: Timestamp) -> Self {
        Self {
            subject,
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
                let (people, named, at) = (Vec::new(), Vec::new(), self.now);
                Step::Done(Decision::Answered { answers, people, named, at })
            }
            None => Box::new(self).next(),
        }
    }

    /// Returns the event for a policy: the policy's kind of subject applies.
    fn event_for(&self, policy: &Policy) -> Option<Event> {
        let OpenedBy::Event(event) = &self.by else { return None };
        let mut event = event.clone();
        event.subject.kind = policy.subject;
        Some(event)
    }

    /// Evaluates the next policy.
    fn next(mut self: Box<Self>) -> Step {
        let Some(policy) = self.policies.pop_front() else { return Step::Done(self.decision()) };
        if let Some(known) = self.people.get(&policy.subject) {
            let known = known.clone();
            return self.met(policy, known);
        }
        let event = self.event_for(&policy);
        if let (SubjectKind::Applicant, Some(event)) = (policy.subject, &event) {
            // An applicant is in no identity provider: the event is the only source.
            let known = Known::Person(Arc::new(applicant(event)));
            self.people.insert(policy.subject, known.clone());
            return self.met(policy, known);
        }
        let subject = SubjectRef { kind: policy.subject, ..self.subject.clone() };
        Step::Person(AskPerson { intake: self, policy, event, subject })
    }

    fn met(self: Box<Self>, policy: Arc<Policy>, known: Known) -> Step {
        match known {
            Known::Person(subject) if self.sweeping.is_some() => {
                self.sweep(policy, Arc::unwrap_or_clone(subject))
            }
            Known::Person(subject) => self.offered(policy, &subject),
            Known::Never(why) => self.answered(policy, Answer::NoSubject(why)),
            Known::Unknown => {
                let subject = SubjectRef { kind: policy.subject, ..self.subject.clone() };
                self.answered(policy, Answer::Unknown(subject))
            }
        }
    }

    /// Records a policy's answer and evaluates the next one.
    fn answered(mut self: Box<Self>, policy: Arc<Policy>, answer: Answer) -> Step {
        self.note(policy, answer);
        self.next()
    }

    fn note(&mut self, policy: Arc<Policy>, answer: Answer) {
        let read = match self.people.get(&policy.subject) {
            Some(Known::Person(person)) => Some(person.reference()),
            Some(Known::Never(_) | Known::Unknown) | None => None,
        };
        // Nearly all events are about the person that was read.
        let about = read.filter(|about| *about != self.subject);
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
            // An applicant is in the event.
            Known::Person(person) if kind != SubjectKind::Applicant => Some(person),
            Known::Person(_) | Known::Never(_) | Known::Unknown => None,
        });
        let (mut people, mut named) = (Vec::new(), Vec::new());
        for person in read {
            named.extend(named_fields(&person, &self.answers));
            if !opened.contains(&person.kind) {
                people.push(Arc::unwrap_or_clone(person));
            }
        }
        Decision::Answered { answers: self.answers, people, named, at: self.now }
    }

    /// Returns whether a matching policy only reports what it would do.
    fn only_watches(&self, policy: &Policy) -> bool {
        self.modes == Modes::AsWritten && policy.mode == Mode::Shadow
    }
}

/// Returns a person with only the fields that the conditions of answers by a clause name; `None`: they name none.
fn named_fields(person: &Subject, answers: &[Answered]) -> Option<Subject> {
    let mut fields = Fields::new();
    let answered = answers.iter().filter(|one| one.policy.subject == person.kind);
    for one in answered.filter(|one| matches!(one.answer, Answer::Clause(_))) {
        one.policy.condition.copy_named(person, &mut fields);
    }
    let Subject { source, kind, id, fields: _ } = person;
    (!fields.is_empty()).then(|| Subject { source: source.clone(), kind: *kind, id: id.clone(), fields })
}
