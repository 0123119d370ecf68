//! Cases: what one input does to one person's way through one policy. Pure: same arguments, same answer;
//! no clock, disk, network or random number.
//!
//! | file | what |
//! |---|---|
//! | `intake` | an event, a start by hand, a person of a sweep: the questions and the decision |
//! | `opening` | whether an event concerns a case, and whether a policy opens one |
//! | `comparison` | whether a registration and a document name the same person |
//! | `compared` | what proofs rest on, and whether it is still so |
//! | `documents` | whether another person has shown the same document |
//! | `state` | a case as it is stored, and what it waits for |
//! | `input` | everything that can happen to a case, and why an input is refused |
//! | `entry` | the journal of a case |
//! | `links` | the person's and the vendor's addresses into a case |
//! | `identity` | derived names: of a case, of a person at a vendor |
//! | `calendar` | business days |
//! | `advance` | the one function: every legal pair of state and input |
//! | `transition` | one input being worked on: journal, calls, facts |
//! | `walk` | entering steps until one of them waits |
//! | `calling` | attempts of calls, how they end, when they are tried again |
//! | `verifying`, `session` | the person is asked; the vendor's session and its result |
//! | `paying` | how many sessions a person and a policy may start in a day |
//! | `enrolling` | what earlier runs left of a person at a provider |
//! | `judge` | a vendor's proof in the words of policies |
//! | `deciding` | who may decide: teams, persons, refusals |
//! | `quarantine` | a case whose stored past is damaged does nothing by itself |
//! | `reviewing`, `grace`, `stuck` | people decide; an adverse end waits; something failed for good |
//! | `waiting`, `overheard`, `recheck`, `outage_credit` | a step that asks nobody; events before it; the person read again; lost time given back |
//! | `doing`, `held`, `holding`, `echo`, `evidence` | effects; what a case holds; the events that our own effects cause; whose doing a change is |
//! | `limits` | how many effects a policy has had in a window |
//! | `migrating` | an open case moves to another revision |
//! | `order` | what an operator may tell a case |
//! | `mail` | who gets a mail, in which language, frozen |
//! | `recorded` | what a transition was decided from, so that it can be decided again |
//! | `forecast` | a case in plain words: what it waits for, what can be decided |

mod advance;
pub mod calendar;
mod calling;
mod compared;
pub mod comparison;
mod deciding;
mod documents;
mod doing;
mod echo;
mod enrolling;
pub mod entry;
mod evidence;
mod forecast;
mod grace;
mod held;
mod holding;
mod identity;
pub mod input;
pub mod intake;
mod judge;
mod limits;
pub mod links;
mod mail;
mod migrating;
mod opening;
mod order;
mod outage_credit;
mod overheard;
mod paying;
mod quarantine;
mod recheck;
mod recorded;
mod reviewing;
mod session;
pub mod state;
mod stuck;
mod transition;
mod verifying;
mod waiting;
mod walk;

pub use advance::{advance, gone, open};
pub use compared::fingerprints;
pub use echo::caused_by;
pub use entry::{Entry, Note};
pub use forecast::{decisions_allowed, waiting_for};
pub use holding::keeps;
pub use identity::{case_id, person, spread};
pub use input::{Decision, Input, OpenedBy, Opening, Operator, Order, Refused, RefusedDecision};
pub use limits::{Counters, LONGEST_WINDOW};
pub use links::{LinkKind, Links};
pub use migrating::{CannotMigrate, Migration, Mover, Preview, migrate};
pub use opening::{
    Decidable, Found, Offered, Stopped, applicant, case_key, concerns, decidable, decide, found, known_as,
    look_again_at, no_case, objection, offer, offer_enforced, opened_by, still_held,
};
pub use quarantine::quarantine;
pub use recorded::{Cause, Facts, Recorded};
pub use session::{moved_on, reading};
pub use state::{
    Case, Echo, HeardAs, Held, Hold, InGrace, Overheard, Pending, Placed, Purpose, Reviewing, State, Stretch,
    Stuck, Verifying, Waiting, Whose,
};

use std::collections::{BTreeMap, BTreeSet};

use chrono::TimeDelta;

use crate::model::{DocumentUse, EffectKind, Enrolment, Event, Pause, PollEvery, Timestamp};

/// What a decision may look at besides the case, the policy and the input.
#[derive(Debug, Clone, Copy)]
pub struct Context<'a> {
    pub now: Timestamp,
    pub links: &'a Links,
    /// Shown in mails.
    pub organization: &'a str,
    /// Kinds of effect whose limit is used up for this case's policy right now.
    pub over_limit: &'a BTreeSet<EffectKind>,
    /// What earlier cases left of the person at verification providers, by their names.
    pub enrolments: &'a BTreeMap<String, Enrolment>,
    /// Who has shown the document that a result is about, this person or another.
    pub documents: &'a [DocumentUse],
    /// What other cases hold against this person.
    pub others: &'a [Hold],
    /// When somebody could not answer, through no fault of theirs.
    pub pauses: &'a [Pause],
    /// Names of the sinks that events go to.
    pub sinks: &'a [String],
    /// How often a session is read while the person may be at it.
    pub poll_every: &'a PollEvery,
    /// How long an approval may take to invite the person by itself before we look.
    pub invite_grace: TimeDelta,
    /// How long an account that was made in a system may not be found there yet, by the system's name.
    pub consistency: &'a BTreeMap<String, TimeDelta>,
}

/// What one input did: the new state with its calls, what is written into the journal of the case, and
/// which limited effects were reached (each counts once, where its step is reached).
#[derive(Debug, Clone, PartialEq)]
pub struct Advance {
    pub case: Case,
    pub entries: Vec<Entry>,
    pub effects: Vec<EffectKind>,
    /// Events that come of it, for other policies.
    pub events: Vec<Event>,
    /// What is now known of the person at a provider, where that changed.
    pub enrolments: BTreeMap<String, Enrolment>,
    /// The documents that the person showed, for who keeps which person showed which.
    pub documents: Vec<DocumentUse>,
}
