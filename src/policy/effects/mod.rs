//! The effects sheet: the effects of a policy, their targets and the paths to them. Derived from the compiled policy
//! alone. Pure; the order is the same for the same policy.
//!
//! | file | what |
//! |---|---|
//! | `site` | the effects of one step |
//! | `paths` | every chain of outcomes from the first step to an effect |
//! | `same` | the identity of a step, independent of its name |
//! | `opens` | what opens a case and how often, and its comparison |
//! | `asks` | requests to people, and their comparison |
//! | `bounds` | limits, and their comparison |
//! | `diff` | the difference between the effects of two revisions |
//! | `details` | what is compared and not shown |
//! | `trail`, `notified` | the steps before an effect, and the mail that the person has received by then |
//! | `pairing` | the pairs of corresponding steps of two revisions |
//! | `gate` | which edits a person must release first |
//! | `show` | the text form of sheets and differences |

mod asks;
mod bounds;
mod details;
mod diff;
mod gate;
pub(in crate::policy) mod notified;
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

/// Reports whether an effect gives a person access, or a value that other systems treat as access.
pub fn gives_access(action: EffectKind) -> bool {
    action.nature().gives()
}

/// Reports whether edits of the policy matter: it takes, gives, requests proof or withholds.
pub fn matters(policy: &Policy) -> bool {
    reachable(policy, policy.graph.first).iter().any(|action| action.nature() != Nature::Notifies)
}

/// All effects that a policy can have.
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
    /// Every clause must hold for a case to continue.
    pub as_long_as: Vec<String>,
    pub cancelled_by: Vec<String>,
    /// Numbers and lists that clauses read.
    pub settings: Fields,
    pub effects: Vec<Effect>,
    pub limits: Vec<Bound>,
    /// How long data is kept after a case has closed.
    pub kept: Kept,
    /// Requests to people, and the time for an answer.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub asks: Vec<Asks>,
    /// False: the policy has too many branches to follow every path. All effects are listed, but not all paths.
    pub complete: bool,
    /// Identifies renamed steps.
    #[serde(skip)]
    known: same::Known,
    #[serde(skip)]
    details: Details,
}

/// A trigger that opens a case.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Opens {
    /// Identity providers whose people it covers; empty: all.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub sources: BTreeSet<String>,
    /// `event registration.created`, `manual`, `sweep quarterly/1`.
    pub by: String,
    /// Clauses that select the people of a sweep.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub only_if: Vec<String>,
    /// The maximum number of new cases in one run of a sweep.
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

/// How long data is kept after a case has closed: spans such as `2y`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Kept {
    pub case: String,
    pub evidence: String,
}

/// One effect, and every path to it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Effect {
    /// An effect, or `close`.
    pub verb: Rule,
    /// The target: `registration`, `user`, `role ${event.role}`, `in hris`, `manager: report-suspended`.
    pub to: String,
    /// The number of paths.
    pub paths: usize,
    /// The paths, shortest first.
    pub ways: Vec<Way>,
    /// The target, with step names replaced by the content of the steps.
    #[serde(skip)]
    key: String,
}

/// One path from the trigger to an effect.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Way {
    /// The outcomes on the path, such as `proof rejected`, `sort fraud`; empty: at once.
    pub path: Vec<String>,
    /// The step with the effect.
    pub step: String,
    /// How long it can be undone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub grace: Option<Span>,
    /// Decisions of reviewers on the path.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub decided_by: Vec<Decided>,
    /// The step's own `if`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub only_if: Vec<String>,
    /// It admits a person without proof of identity: neither by a pass nor by a reviewer's decision.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub unproven: bool,
    /// The path, with step names replaced by the content of the steps.
    #[serde(skip)]
    key: Vec<String>,
    #[serde(skip)]
    if_key: Vec<String>,
    /// How often the path goes back before it continues.
    #[serde(skip)]
    tries: Vec<Tries>,
    #[serde(skip)]
    trail: trail::Trail,
    /// The values that it writes in another system.
    #[serde(skip)]
    body: Vec<String>,
    /// The mail that the person has received before it.
    #[serde(skip)]
    notified: notified::Notified,
}

/// What a path has proven about the person's identity.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Proof {
    /// No proof was requested yet.
    Unasked,
    /// The last verification was not passed.
    Failed,
    /// The person passed, or reviewers decided.
    Given,
}

/// Going back to a step.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Tries {
    of: String,
    at_most: u32,
}

/// A reviewer's decision on the path to an effect.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Decided {
    pub step: String,
    pub decision: String,
    pub queue: String,
    /// The number of different people who must agree.
    pub people: u32,
}

/// A limit on a kind of effect.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Bound {
    pub action: EffectKind,
    /// `50`, `2%`, or the larger of two.
    pub at_most: String,
    pub per: Span,
    pub when_exceeded: WhenExceeded,
    /// False: a default limit, because the policy states none.
    pub stated: bool,
    #[serde(skip)]
    limit: Limit,
}

/// Returns the effects sheet of a policy.
pub fn effects(policy: &Policy) -> Sheet {
    let known = same::Known::of(policy);
    let (effects, complete) = paths::all(policy, &known);
    // A default limit on an effect that the policy does not have is left out.
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
        kept: Kept { case: policy.keep.case.to_string(), evidence: policy.keep.evidence.to_string() },
        limits: policy.limits.iter().filter(does).map(Bound::new).collect(),
        asks: asks::of(policy, &known),
        details: details::of(policy, &known),
        effects,
        complete,
        known,
    }
}

impl Sheet {
    /// Reports whether cases are opened at all. A policy in shadow has no effects.
    pub fn acts(&self) -> bool {
        self.mode == Mode::Enforce
    }
}

impl Effect {
    fn does(&self, kind: EffectKind) -> bool {
        self.verb.effect() == Some(kind)
    }

    /// Returns the target, without the attributes that it writes in another system.
    fn target(&self) -> &str {
        let named = self.does(EffectKind::CreateUser) || self.does(EffectKind::UpdateUser);
        self.to.split_once(": ").filter(|_| named).map_or(&self.to, |(system, _)| system)
    }
}

impl Way {
    /// Returns the outcomes in one line.
    pub fn line(&self) -> String {
        if self.path.is_empty() { "at once".to_owned() } else { self.path.join(" > ") }
    }

    /// Returns the number of people who must decide.
    fn people(&self) -> u32 {
        self.decided_by.iter().map(|decided| decided.people.max(1)).sum()
    }
}
