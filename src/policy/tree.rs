//! The compiled policy. Steps lie in a flat list; each knows the step after it and the first step of
//! each of its branches, so that a case's position is one number and walking needs no recursion.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

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

pub use super::sweep::{Due, DueField, IfEmpty, IfMissed, NotATime, Standing, Sweep};

/// Whether a policy acts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    Enforce,
    /// Opens no case and does nothing; what it would have opened is recorded, and walked when asked.
    Shadow,
    Disabled,
}

/// One policy at one revision.
#[derive(Debug)]
pub struct Policy {
    pub name: String,
    pub title: String,
    pub owner: String,
    /// BCP 47 language of mails where the person's is not known.
    pub language: Option<String>,
    pub mode: Mode,
    pub subject: SubjectKind,
    /// Identity providers whose people it is about; empty: all.
    pub sources: Vec<String>,
    pub when: Vec<Trigger>,
    /// All of it must hold for a case to open.
    pub condition: Condition,
    pub if_already_open: IfAlreadyOpen,
    /// What makes two open cases different; by default the subject's id.
    pub case_key: Option<Text>,
    pub cancel_when: Vec<EventType>,
    pub as_long_as: Option<Condition>,
    pub settings: Fields,
    pub limits: Vec<Limit>,
    pub keep: Keep,
    pub steps: Vec<Step>,
    /// Where a case begins, and the ways on from each step.
    pub graph: Graph,
    /// Step ids to steps.
    pub by_id: BTreeMap<String, StepIndex>,
    pub people: Arc<People>,
    pub templates: Templates,
    pub revision: Revision,
    /// Everything that the revision is the hash of; loading it again gives this policy.
    pub files: Files,
}

impl Policy {
    /// The step at an index of this very revision.
    pub fn step(&self, index: StepIndex) -> Option<&Step> {
        self.steps.get(usize::try_from(index.0).ok()?)
    }

    /// Whether it is about people of a source. Applicants have none.
    pub fn takes(&self, source: &str) -> bool {
        source.is_empty() || self.sources.is_empty() || self.sources.iter().any(|own| own == source)
    }

    /// Whether a person may open a case by hand.
    pub fn manual(&self) -> bool {
        self.when.iter().any(|trigger| matches!(trigger, Trigger::Manual))
    }

    /// Its sweeps, in the order of `when`.
    pub fn sweeps(&self) -> impl Iterator<Item = &Arc<Sweep>> {
        self.when.iter().filter_map(|trigger| match trigger {
            Trigger::Sweep(sweep) => Some(sweep),
            Trigger::Event(_) | Trigger::Manual => None,
        })
    }

    /// Types of events that open its cases, cancel them or are waited for.
    pub fn hears(&self) -> impl Iterator<Item = &EventType> {
        let opens = self.when.iter().filter_map(|trigger| match trigger {
            Trigger::Event(kind) => Some(kind),
            Trigger::Manual | Trigger::Sweep(_) => None,
        });
        opens.chain(&self.cancel_when).chain(self.awaits())
    }

    /// Types of events that its steps wait for.
    pub fn awaits(&self) -> impl Iterator<Item = &EventType> {
        self.steps.iter().filter_map(|step| {
            if let Verb::Wait(Wait::For { event, .. }) = &step.verb { Some(event) } else { None }
        })
    }

    /// The steps that ask for proof.
    pub fn verifies(&self) -> impl Iterator<Item = (&Step, &Verify)> {
        self.steps.iter().filter_map(|step| {
            if let Verb::Verify(verify) = &step.verb { Some((step, verify)) } else { None }
        })
    }

    /// The steps that ask people to decide.
    pub fn reviews(&self) -> impl Iterator<Item = (&Step, &Review)> {
        self.steps.iter().filter_map(|step| {
            if let Verb::Review(review) = &step.verb { Some((step, review)) } else { None }
        })
    }

    /// Every way on from a step.
    pub fn on(&self, step: &Step) -> &[Edge] {
        self.graph.on(step.index)
    }
}

/// How a case can start.
#[derive(Debug)]
pub enum Trigger {
    Event(EventType),
    Manual,
    Sweep(Arc<Sweep>),
}

/// What an event does to a case that is open already.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum IfAlreadyOpen {
    Attach,
    Restart,
    Cancel,
    OpenAnother,
}

/// At most so many effects in a window.
#[derive(Debug, Clone, PartialEq)]
pub struct Limit {
    pub action: EffectKind,
    pub at_most: Amount,
    pub per: Span,
    pub when_exceeded: WhenExceeded,
    /// False for the limits that hold when a policy states none.
    pub stated: bool,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Amount {
    Count(u32),
    /// Of a population, such as `users`.
    Percent(f64),
    /// Whichever of the two is larger.
    Larger(u32, f64),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WhenExceeded {
    /// The case waits until a person releases the effect.
    Ask,
    /// The effect is skipped and the case continues.
    Skip,
}

/// How long things are kept after a case closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Keep {
    pub case: Span,
    pub evidence: Span,
}

/// One line of a policy.
#[derive(Debug)]
pub struct Step {
    pub index: StepIndex,
    /// Where it stands, readable: `proof`, `proof/rejected/sort`, `desk_review/desk`, `proof/passed/2`.
    pub path: String,
    pub id: Option<String>,
    /// The step is left out if this does not hold.
    pub condition: Option<Condition>,
    pub retry: Option<Retry>,
    pub verb: Verb,
    /// Outcome to the first step of its branch. Complete for the verb.
    pub outcomes: BTreeMap<Ending, StepIndex>,
    /// The step after it; none only where nothing can come after.
    pub next: Option<StepIndex>,
    pub place: Place,
}

/// How calls of a step are tried again.
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
    /// Calls a pure function that returns actions, of which only the verbs in `may` are done.
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
    /// One change or message without a branch of its own kind.
    Effect(Effect<Written>),
}

impl Verb {
    /// Its row in the grammar.
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

    /// As the policy writes it.
    pub fn word(&self) -> &'static str {
        self.rule().word()
    }

    /// The effect that the step itself is.
    pub fn effect(&self) -> Option<EffectKind> {
        self.rule().effect()
    }

    /// Whether it is one of these effects, or a function of it may do one.
    pub fn may_do(&self, kinds: &[EffectKind]) -> bool {
        self.effect().is_some_and(|kind| kinds.contains(&kind))
            || self.may().iter().any(|kind| kinds.contains(kind))
    }

    /// The effects that its function may return.
    pub fn may(&self) -> &[EffectKind] {
        if let Self::Act { may, .. } = self { may } else { &[] }
    }

    /// Whether it changes anything but what people know. A function may.
    pub fn changes_something(&self) -> bool {
        !self.may().is_empty()
            || self.effect().is_some_and(|kind| !matches!(kind.nature(), Nature::Tells | Nature::Asks))
    }

    /// Its function.
    pub fn function(&self) -> Option<&Function> {
        if let Self::Run { function, .. } | Self::Act { function, .. } = self { Some(function) } else { None }
    }

    /// The time in which somebody or something has to answer, and how the step ends if nobody does.
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

    /// Whether a case rests at it until somebody or something answers, or a time comes.
    pub fn waits(&self) -> bool {
        matches!(self, Self::Wait(_)) || self.deadline().is_some()
    }

    /// Whom its mails are written to, besides the person who is asked for proof.
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

/// What a case waits for without anybody being asked.
#[derive(Debug)]
pub enum Wait {
    For { event: EventType, answer_within: Span },
    Until(Text),
}

/// How long an adverse end can be undone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Grace {
    /// Zero only with a stated reason.
    pub length: Span,
}

#[derive(Debug)]
pub struct Verify {
    pub verification: Arc<Verification>,
    /// What is asked instead where nothing is enrolled that the other could look at.
    pub fallback: Option<Arc<Verification>>,
    pub answer_within: Span,
    /// The template of the mail that carries the link.
    pub invite: String,
    pub remind: Vec<Reminder>,
    /// Registered fields that must agree with the document.
    pub compare: Vec<String>,
    /// Those of `compare` that need not be registered.
    pub optional: Vec<String>,
    pub reuse_within: Option<Span>,
}

impl Step {
    /// What people call it.
    pub fn name(&self) -> &str {
        self.id.as_ref().unwrap_or(&self.path)
    }
}

impl Verify {
    /// What is asked for, and what is asked instead where nothing is enrolled.
    pub fn verifications(&self) -> impl Iterator<Item = &Arc<Verification>> {
        std::iter::once(&self.verification).chain(&self.fallback)
    }

    /// What is compared, in words that differ if it does.
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
    /// Somebody besides the person who gets it too.
    pub also: Vec<Recipient>,
}

/// A provider's workflow under the name that policies use.
#[derive(Debug, Clone, PartialEq)]
pub struct Verification {
    pub name: String,
    pub provider: String,
    /// The vendor's name of it.
    pub workflow: String,
    pub method: Method,
    /// Capabilities that must themselves have passed.
    pub require: Vec<String>,
    pub fallback: Option<String>,
}

#[derive(Debug)]
pub struct Review {
    pub queue: String,
    pub show: Vec<String>,
    pub decisions: BTreeMap<String, DecisionRule>,
    /// How many different people must agree.
    pub people: u32,
    /// Who may not decide, as written: `subject`, `manager`, `sponsor`, `event.actor`.
    pub never: Vec<String>,
    pub answer_within: Span,
    pub escalate: Option<Escalate>,
}

impl Review {
    /// The queue that decides, and the one that it escalates to.
    pub fn queues(&self) -> impl Iterator<Item = &str> {
        let above = self.escalate.as_ref().map(|escalate| escalate.queue.as_str());
        std::iter::once(self.queue.as_str()).chain(above)
    }

    /// Whether the rules of the review tell persons apart, so that a token's name is not enough.
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
