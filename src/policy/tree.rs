//! The compiled policy. Steps are in a flat list; each refers to the next step and to the first step of each of its
//! branches. A case's position is one number, and walking needs no recursion.

use std::collections::BTreeMap;
use std::sync::Arc;

pub use super::choices::{IfAlreadyOpen, IfEmpty, IfMissed, Mode, WhenExceeded};
use super::diagnostic::Place;
pub use super::effect::{Effect, Notify, Recipient, Request, Resolved, Written};
use super::files::{Files, Revision};
use super::grammar::Rule;
pub use super::graph::StepIndex;
use super::graph::{Edge, Graph};
use super::outcome::{Ending, ProofOutcome, ReviewOutcome, WaitOutcome};
use super::people::People;
use super::script::{Condition, Function, Text};
use super::template::Templates;
use crate::model::{EffectKind, EventType, Fields, Method, Nature, Span, SubjectKind};

pub use super::sweep::{Due, DueField, NotATime, Standing, Sweep};

/// One policy at one revision.
#[derive(Debug)]
pub struct Policy {
    pub name: String,
    pub title: String,
    pub owner: String,
    /// BCP 47 language of mails if the person's language is unknown.
    pub language: Option<String>,
    pub mode: Mode,
    pub subject: SubjectKind,
    /// Identity providers whose people the policy covers; empty: all.
    pub sources: Vec<String>,
    pub when: Vec<Trigger>,
    /// All clauses must hold for a case to open.
    pub condition: Condition,
    pub if_already_open: IfAlreadyOpen,
    /// The key that distinguishes open cases; by default the subject's id.
    pub case_key: Option<Text>,
    pub cancel_when: Vec<EventType>,
    pub as_long_as: Option<Condition>,
    pub settings: Fields,
    pub limits: Vec<Limit>,
    pub keep: Keep,
    pub steps: Vec<Step>,
    /// The first step of a case, and the edges of each step.
    pub graph: Graph,
    /// Step ids to indexes.
    pub by_id: BTreeMap<String, StepIndex>,
    pub people: Arc<People>,
    pub templates: Templates,
    pub revision: Revision,
    /// All files that the revision hashes; loading them again gives this policy.
    pub files: Files,
}

impl Policy {
    /// Returns the step at an index of this same revision.
    pub fn step(&self, index: StepIndex) -> Option<&Step> {
        self.steps.get(usize::try_from(index.0).ok()?)
    }

    /// Reports whether the policy covers people of a source. Applicants have none.
    pub fn takes(&self, source: &str) -> bool {
        source.is_empty() || self.sources.is_empty() || self.sources.iter().any(|own| own == source)
    }

    /// Reports whether a person may open a case by hand.
    pub fn manual(&self) -> bool {
        self.when.iter().any(|trigger| matches!(trigger, Trigger::Manual))
    }

    /// Returns its sweeps, in the order of `when`.
    pub fn sweeps(&self) -> impl Iterator<Item = &Arc<Sweep>> {
        self.when.iter().filter_map(|trigger| match trigger {
            Trigger::Sweep(sweep) => Some(sweep),
            Trigger::Event(_) | Trigger::Manual => None,
        })
    }

    /// Returns the types of events that open or cancel its cases or that its steps wait for.
    pub fn reacts_to(&self) -> impl Iterator<Item = &EventType> {
        let opens = self.when.iter().filter_map(|trigger| match trigger {
            Trigger::Event(kind) => Some(kind),
            Trigger::Manual | Trigger::Sweep(_) => None,
        });
        opens.chain(&self.cancel_when).chain(self.awaits())
    }

    /// Returns the types of events that its steps wait for.
    pub fn awaits(&self) -> impl Iterator<Item = &EventType> {
        self.steps.iter().filter_map(|step| {
            if let Verb::Wait(Wait::For { event, .. }) = &step.verb { Some(event) } else { None }
        })
    }

    /// Returns the steps that request proof.
    pub fn verifies(&self) -> impl Iterator<Item = (&Step, &Verify)> {
        self.steps.iter().filter_map(|step| {
            if let Verb::Verify(verify) = &step.verb { Some((step, verify)) } else { None }
        })
    }

    /// Returns the steps that request a decision of a reviewer.
    pub fn reviews(&self) -> impl Iterator<Item = (&Step, &Review)> {
        self.steps.iter().filter_map(|step| {
            if let Verb::Review(review) = &step.verb { Some((step, review)) } else { None }
        })
    }

    /// Returns the edges of a step.
    pub fn on(&self, step: &Step) -> &[Edge] {
        self.graph.on(step.index)
    }
}

/// A trigger that opens a case.
#[derive(Debug)]
pub enum Trigger {
    Event(EventType),
    Manual,
    Sweep(Arc<Sweep>),
}

/// A limit: at most this many effects in a window.
#[derive(Debug, Clone, PartialEq)]
pub struct Limit {
    pub action: EffectKind,
    pub at_most: Amount,
    pub per: Span,
    pub when_exceeded: WhenExceeded,
    /// False for the default limits, which apply when a policy states none.
    pub stated: bool,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Amount {
    Count(u32),
    /// Percent of a population, such as `users`.
    Percent(f64),
    /// The larger of the two.
    Larger(u32, f64),
}

/// How long data is kept after a case closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Keep {
    pub case: Span,
    pub evidence: Span,
}

/// The periods of a policy that states none.
impl Default for Keep {
    fn default() -> Self {
        let days = |days| Span::Elapsed(chrono::TimeDelta::days(days));
        Self { case: days(730), evidence: days(30) }
    }
}

/// One step of a policy.
#[derive(Debug)]
pub struct Step {
    pub index: StepIndex,
    /// The readable path of the step: `proof`, `proof/rejected/sort`, `desk_review/desk`, `proof/passed/2`.
    pub path: String,
    pub id: Option<String>,
    /// The step is skipped if this condition is false.
    pub condition: Option<Condition>,
    pub retry: Option<Retry>,
    pub verb: Verb,
    /// Outcome to the first step of its branch. Complete for the verb.
    pub outcomes: BTreeMap<Ending, StepIndex>,
    /// The next step; none only if no step can follow.
    pub next: Option<StepIndex>,
    pub place: Place,
}

/// How calls of a step are retried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retry {
    pub attempts: u32,
    pub first: Span,
    pub longest: Span,
}

#[derive(Debug)]
pub enum Verb {
    Verify(Verify),
    Review(Review),
    Run {
        function: Function,
        returns: Vec<String>,
    },
    Wait(Wait),
    /// Calls a pure function that returns actions. Only the verbs in `may` are done.
    Act {
        function: Function,
        may: Vec<EffectKind>,
    },
    Approve,
    Reject {
        grace: Grace,
    },
    Delete {
        grace: Grace,
    },
    Do {
        block: String,
        target: StepIndex,
    },
    RetryFrom {
        step: StepIndex,
        at_most: u32,
        or_else: StepIndex,
    },
    Close {
        result: String,
    },
    /// One change or message without a variant of its own.
    Effect(Effect<Written>),
}

impl Verb {
    /// Returns the row of the verb in the grammar.
    pub fn rule(&self) -> Rule {
        match self {
            Self::Verify(_) => Rule::Effect(EffectKind::Verify),
            Self::Review(_) => Rule::Review,
            Self::Wait(_) => Rule::Wait,
            Self::Run { .. } => Rule::Run,
            Self::Act { .. } => Rule::Act,
            Self::Approve => Rule::Effect(EffectKind::Approve),
            Self::Reject { .. } => Rule::Effect(EffectKind::Reject),
            Self::Delete { .. } => Rule::Effect(EffectKind::Delete),
            Self::Do { .. } => Rule::Do,
            Self::RetryFrom { .. } => Rule::RetryFrom,
            Self::Close { .. } => Rule::Close,
            Self::Effect(effect) => Rule::Effect(effect.kind()),
        }
    }

    /// Returns the verb as the policy writes it.
    pub fn word(&self) -> &'static str {
        self.rule().word()
    }

    /// Returns the effect of the step itself, without those of its function.
    pub fn effect(&self) -> Option<EffectKind> {
        self.rule().effect()
    }

    /// Reports whether the step is one of these effects, or its function may return one.
    pub fn may_do(&self, kinds: &[EffectKind]) -> bool {
        self.effect().is_some_and(|kind| kinds.contains(&kind))
            || self.may().iter().any(|kind| kinds.contains(kind))
    }

    /// Returns the effects that its function may return.
    pub fn may(&self) -> &[EffectKind] {
        if let Self::Act { may, .. } = self { may } else { &[] }
    }

    /// Reports whether the step can change anything besides sending messages and requests. A function may.
    pub fn changes_something(&self) -> bool {
        !self.may().is_empty()
            || self.effect().is_some_and(|kind| !matches!(kind.nature(), Nature::Notifies | Nature::Asks))
    }

    /// Returns the function of a `run` or an `act`.
    pub fn function(&self) -> Option<&Function> {
        if let Self::Run { function, .. } | Self::Act { function, .. } = self { Some(function) } else { None }
    }

    /// Returns the time allowed for an answer, and how the step ends without one.
    pub fn deadline(&self) -> Option<(Span, Ending)> {
        match self {
            Self::Verify(verify) => Some((verify.answer_within, Ending::Proof(ProofOutcome::NoResponse))),
            Self::Review(review) => Some((review.answer_within, Ending::Review(ReviewOutcome::Overdue))),
            Self::Wait(Wait::For { answer_within, .. }) => {
                Some((*answer_within, Ending::Wait(WaitOutcome::TimedOut)))
            }
            Self::Wait(Wait::Until(_))
            | Self::Run { .. }
            | Self::Act { .. }
            | Self::Approve
            | Self::Reject { .. }
            | Self::Delete { .. }
            | Self::Do { .. }
            | Self::RetryFrom { .. }
            | Self::Close { .. }
            | Self::Effect(_) => None,
        }
    }

    /// Reports whether a case waits at the step for an answer, an event or a time.
    pub fn waits(&self) -> bool {
        matches!(self, Self::Wait(_)) || self.deadline().is_some()
    }

    /// Returns the recipients of its mails, besides the person who is asked for proof.
    pub fn recipients(&self) -> Vec<&Recipient> {
        match self {
            Self::Verify(verify) => verify.remind.iter().flat_map(|reminder| &reminder.also).collect(),
            Self::Effect(Effect::Notify(notify)) => notify.to.iter().collect(),
            Self::Review(_)
            | Self::Wait(_)
            | Self::Run { .. }
            | Self::Act { .. }
            | Self::Approve
            | Self::Reject { .. }
            | Self::Delete { .. }
            | Self::Do { .. }
            | Self::RetryFrom { .. }
            | Self::Close { .. }
            | Self::Effect(_) => Vec::new(),
        }
    }
}

/// What a case waits for without a request to a person.
#[derive(Debug)]
pub enum Wait {
    For { event: EventType, answer_within: Span },
    Until(Text),
}

/// How long an adverse effect can be undone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Grace {
    /// Zero only with a stated reason.
    pub length: Span,
}

#[derive(Debug)]
pub struct Verify {
    pub verification: Arc<Verification>,
    /// The verification to use if the person has not enrolled what the first one checks.
    pub fallback: Option<Arc<Verification>>,
    pub answer_within: Span,
    /// The template of the mail that carries the link.
    pub invite: String,
    pub remind: Vec<Reminder>,
    /// Registered fields that must match the document.
    pub compare: Vec<String>,
    /// Fields of `compare` that need not be registered.
    pub optional: Vec<String>,
    pub reuse_within: Option<Span>,
}

impl Step {
    /// Returns the display name: the id, or the path of a step without an id.
    pub fn name(&self) -> &str {
        self.id.as_ref().unwrap_or(&self.path)
    }
}

impl Verify {
    /// Returns the verification and its fallback.
    pub fn verifications(&self) -> impl Iterator<Item = &Arc<Verification>> {
        std::iter::once(&self.verification).chain(&self.fallback)
    }

    /// Returns the compared fields as texts that differ if the comparison differs.
    pub fn compared(&self) -> Vec<String> {
        let mark = |field| if self.optional.contains(field) { " if registered" } else { "" };
        self.compare.iter().map(|field| format!("{field}{}", mark(field))).collect()
    }
}

/// A mail at a time counted from the start of the step.
#[derive(Debug, Clone, PartialEq)]
pub struct Reminder {
    pub after: Span,
    pub template: String,
    /// Recipients besides the person.
    pub also: Vec<Recipient>,
}

/// A provider's workflow under the name that policies use.
#[derive(Debug, Clone, PartialEq)]
pub struct Verification {
    pub name: String,
    pub provider: String,
    /// The vendor's name of the workflow.
    pub workflow: String,
    pub method: Method,
    /// Capabilities that must each have passed.
    pub require: Vec<String>,
    pub fallback: Option<String>,
}

#[derive(Debug)]
pub struct Review {
    pub queue: String,
    pub show: Vec<String>,
    pub decisions: BTreeMap<String, DecisionRule>,
    /// The number of different people who must agree.
    pub people: u32,
    /// People who must not decide, as written: `subject`, `manager`, `sponsor`, `event.actor`.
    pub never: Vec<String>,
    pub answer_within: Span,
    pub escalate: Option<Escalate>,
}

impl Review {
    /// Returns the queue that decides, and the queue that the review escalates to.
    pub fn queues(&self) -> impl Iterator<Item = &str> {
        let above = self.escalate.as_ref().map(|escalate| escalate.queue.as_str());
        std::iter::once(self.queue.as_str()).chain(above)
    }

    /// Reports whether the rules of the review distinguish persons, which makes a token's name insufficient.
    pub fn compares_persons(&self) -> bool {
        self.people > 1 || !self.never.is_empty()
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DecisionRule {
    pub reason_required: bool,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Escalate {
    pub after: Span,
    pub queue: String,
}
