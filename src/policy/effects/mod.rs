//! What a policy can do, to whom, and by which path: found in the compiled policy alone, before anything
//! happens. Pure; the order is the same for the same policy.
//!
//! | file | what |
//! |---|---|
//! | `site` | the effects of one step |
//! | `paths` | every chain of outcomes from the first step to an effect |
//! | `same` | what a step is, whatever it is called |
//! | `opens` | what opens a case and how often, and what another revision makes of it |
//! | `asks` | what people are asked for, and what another revision makes of it |
//! | `bounds` | limits, and what another revision makes of them |
//! | `diff` | what another revision can do more, less or otherwise |
//! | `details` | what is compared of a policy and not shown |
//! | `trail`, `heard` | what stands before an effect, and what the person has read by then |
//! | `pairing` | which step of one revision is which of another |
//! | `gate` | which edits a person has to release first |
//! | `show` | both as people read them |

mod asks;
mod bounds;
mod details;
mod diff;
mod gate;
pub(in crate::policy) mod heard;
mod opens;
mod pairing;
mod paths;
mod same;
mod show;
mod site;
mod trail;

use std::collections::BTreeSet;

use serde::Serialize;

use super::files::Revision;
use super::grammar::Rule;
use super::tree::{Limit, Mode, Policy, WhenExceeded};
use crate::model::{EffectKind, Fields, Nature, Span, SubjectKind};

pub use asks::Asks;
use details::Details;
pub use diff::{Change, Diff, Sign, diff};
pub use gate::{added_up, reasons, reasons_to_stay};
pub use paths::reachable;
pub use site::lets_in;

/// Whether an effect gives somebody access, or what other systems read as access.
pub fn gives_access(action: EffectKind) -> bool {
    action.nature().gives()
}

/// Whether an edit of the policy matters: it takes, gives, asks for proof or withholds.
pub fn matters(policy: &Policy) -> bool {
    reachable(policy, policy.graph.first).iter().any(|action| action.nature() != Nature::Tells)
}

/// Everything that a policy can do.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Sheet {
    pub policy: String,
    pub title: String,
    pub revision: Revision,
    pub mode: Mode,
    pub subject: SubjectKind,
    pub opens_on: Vec<Opens>,
    /// Every clause must hold for a case to open.
    pub only_if: Vec<String>,
    /// Every clause must hold for a case to go on.
    pub as_long_as: Vec<String>,
    pub cancelled_by: Vec<String>,
    /// Numbers and lists that clauses look at.
    pub settings: Fields,
    pub effects: Vec<Effect>,
    pub limits: Vec<Bound>,
    /// What people are asked for, and how long they have to answer.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub asks: Vec<Asks>,
    /// False: the policy branches so much that not every path was followed to its end. The effects are all
    /// here, some of their paths are not.
    pub complete: bool,
    /// To know steps again that have another name.
    #[serde(skip)]
    known: same::Known,
    #[serde(skip)]
    details: Details,
}

/// What opens a case.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Opens {
    /// Identity providers whose people it is about; empty: all.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub sources: BTreeSet<String>,
    /// `event registration.created`, `manual`, `sweep quarterly/1`.
    pub by: String,
    /// Whom a sweep looks at.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub only_if: Vec<String>,
    /// New cases in one run of a sweep.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub at_most: Option<u32>,
    /// When a sweep runs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub runs: Option<String>,
    /// When a person is due in it; none: in every run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub due: Option<String>,
    #[serde(skip)]
    pace: Option<opens::Pace>,
}

/// One effect, and every way to it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Effect {
    /// An effect, or `close`.
    pub verb: Rule,
    /// To whom or what: `registration`, `user`, `role ${event.role}`, `in hris`, `manager: report-suspended`.
    pub to: String,
    /// How many ways there are.
    pub paths: usize,
    /// The shortest first.
    pub ways: Vec<Way>,
    /// To whom or what, where steps are what they are instead of their names.
    #[serde(skip)]
    key: String,
}

/// One way from the trigger to an effect.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Way {
    /// The outcomes on the way, such as `proof rejected`, `sort fraud`; none: at once.
    pub path: Vec<String>,
    /// The step that does it.
    pub step: String,
    /// How long it can be undone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub grace: Option<Span>,
    /// People's decisions on the way.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub decided_by: Vec<Decided>,
    /// The step's own `if`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub only_if: Vec<String>,
    /// It lets somebody in of whom nobody knows who they are: by no pass, and by no person's decision.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub unproven: bool,
    /// The path, where steps are what they are instead of their names.
    #[serde(skip)]
    key: Vec<String>,
    #[serde(skip)]
    if_key: Vec<String>,
    /// How often the way goes back before it goes on.
    #[serde(skip)]
    tries: Vec<Tries>,
    #[serde(skip)]
    trail: trail::Trail,
    /// What it writes in another system.
    #[serde(skip)]
    body: Vec<String>,
    /// What the person has read before it.
    #[serde(skip)]
    heard: heard::Heard,
}

/// What is known of the person on a way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Proof {
    /// No proof was asked for yet.
    Unasked,
    /// The last one was not passed.
    Failed,
    /// They passed, or people decided.
    Given,
}

/// Going back to a step.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Tries {
    of: String,
    at_most: u32,
}

/// A human decision on the way to an effect.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Decided {
    pub step: String,
    pub decision: String,
    pub queue: String,
    /// How many different people must agree.
    pub people: u32,
}

/// A limit on a kind of effect.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Bound {
    pub action: EffectKind,
    /// `50`, `2%`, or whichever of two is larger.
    pub at_most: String,
    pub per: Span,
    pub when_exceeded: WhenExceeded,
    /// False: it holds because the policy states none.
    pub stated: bool,
    #[serde(skip)]
    limit: Limit,
}

/// The effects sheet of a policy.
pub fn effects(policy: &Policy) -> Sheet {
    let known = same::Known::of(policy);
    let (effects, complete) = paths::all(policy, &known);
    // A limit on what the policy never does says nothing about it.
    let does = |limit: &&Limit| limit.stated || effects.iter().any(|effect| effect.does(limit.action));
    Sheet {
        policy: policy.name.clone(),
        title: policy.title.clone(),
        revision: policy.revision.clone(),
        mode: policy.mode,
        subject: policy.subject,
        opens_on: policy.when.iter().map(|trigger| opens::of(policy, trigger)).collect(),
        only_if: policy.condition.clauses(),
        as_long_as: policy.as_long_as.iter().flat_map(super::script::Condition::clauses).collect(),
        cancelled_by: policy.cancel_when.iter().map(ToString::to_string).collect(),
        settings: policy.settings.clone(),
        limits: policy.limits.iter().filter(does).map(Bound::new).collect(),
        asks: asks::of(policy, &known),
        details: details::of(policy, &known),
        effects,
        complete,
        known,
    }
}

impl Sheet {
    /// Whether cases are opened at all. What a policy in shadow would do, it does not do.
    pub fn acts(&self) -> bool {
        self.mode == Mode::Enforce
    }
}

impl Effect {
    fn does(&self, kind: EffectKind) -> bool {
        self.verb.effect() == Some(kind)
    }

    /// To whom or what, without the attributes that it writes in another system.
    fn whom(&self) -> &str {
        let named = self.does(EffectKind::CreateUser) || self.does(EffectKind::UpdateUser);
        self.to.split_once(": ").filter(|_| named).map_or(&self.to, |(system, _)| system)
    }
}

impl Way {
    /// The outcomes in one line.
    pub fn line(&self) -> String {
        if self.path.is_empty() { "at once".to_owned() } else { self.path.join(" > ") }
    }

    /// How many people's words it takes.
    fn people(&self) -> u32 {
        self.decided_by.iter().map(|decided| decided.people.max(1)).sum()
    }
}
