//! Cases: one person going through one policy, one input at a time. Pure: equal arguments give equal results, without
//! clock, disk, network or random numbers.
//!
//! | file | what |
//! |---|---|
//! | `intake` | an event, a manual start, a person of a sweep: the required reads and the decision |
//! | `opening` | whether an event concerns a case, and whether a policy opens one |
//! | `comparison` | whether a registration and a document name the same person |
//! | `compared` | values that proofs depend on, and whether they are unchanged |
//! | `documents` | whether another person has shown the same document |
//! | `state` | a case as it is stored, and what it waits for |
//! | `input` | all inputs of a case, and why an input is refused |
//! | `entry` | the journal of a case |
//! | `links` | the person's and the vendor's addresses into a case |
//! | `identity` | derived ids: of a case, of a person at a vendor |
//! | `calendar` | business days |
//! | `advance` | the entry point: every legal pair of state and input |
//! | `transition` | one input in progress: journal, calls, facts |
//! | `walk` | entering steps until one of them waits |
//! | `calling` | attempts of calls: start, end, retry |
//! | `verifying`, `session` | asking the person for proof; the vendor's session and its result |
//! | `paying` | how many sessions a person and a policy may start in a day |
//! | `enrolling` | data of earlier runs about a person at a provider |
//! | `judge` | translates a vendor's proof into a policy outcome |
//! | `coming` | what happens next if nobody acts |
//! | `deciding` | who may decide: teams, persons, refusals |
//! | `quarantine` | stops a case whose stored history is damaged |
//! | `possibly_performed` | calls of a store that was restored from a backup |
//! | `reviewing`, `grace`, `stuck` | reviews; adverse effects in grace; permanent failures |
//! | `waiting`, `overheard`, `recheck`, `outage_credit` | waits for events or times; events before a wait; rereading the person; time given back after outages |
//! | `doing`, `held`, `holding`, `echo`, `evidence` | effects; stored holds; placing and lifting; events caused by own effects; who made a change |
//! | `limits` | how many effects a policy has had in a window |
//! | `migrating` | an open case moves to another revision |
//! | `order` | operator orders on a case |
//! | `mail` | recipient, language and final text of mails |
//! | `recorded` | the inputs of a transition, for replay |
//! | `upcoming` | what happens by itself, and the orders that a state allows |
//! | `forecast` | a case in plain words: what it waits for, what can be decided |

mod advance;
pub mod calendar;
mod calling;
mod coming;
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
mod possibly_performed;
mod quarantine;
mod recheck;
mod recorded;
mod reviewing;
mod session;
pub mod state;
mod stuck;
mod transition;
mod upcoming;
mod urgency;
mod verifying;
mod waiting;
mod walk;

pub use advance::{advance, gone, open};
pub use coming::{Coming, coming};
pub use compared::fingerprints;
pub use deciding::may_decide;
pub use echo::caused_by;
pub use entry::{Entry, Note};
pub use forecast::{decision_rules, decisions_allowed, waiting_for};
pub use holding::keeps;
pub use identity::{case_id, person, spread};
pub use input::{Decision, Input, OpenedBy, Opening, Operator, Order, Press, Refused, RefusedDecision};
pub use limits::{Counters, LONGEST_WINDOW};
pub use links::{LinkKind, Links};
pub use migrating::{CannotMigrate, Migration, Mover, Preview, migrate};
pub use opening::{
    Decidable, Found, Offered, Stopped, applicant, case_key, concerns, decidable, found, known_as,
    look_again_at, no_case, objection, offer, offer_enforced, opened_by, still_held,
};
pub use possibly_performed::possibly_performed;
pub use quarantine::quarantine;
pub use recorded::{Cause, Facts, Recorded};
pub use session::{is_returned, moved_on, reading, verification};
pub use state::{
    Case, EarlierEvent, Echo, Held, Hold, InGrace, Pending, Placed, Purpose, RecordedEvent, Reviewing, State,
    Stretch, Stuck, Verifying, Waiting, Whose,
};
pub use upcoming::{Upcoming, follow, orders_allowed, upcoming};
pub use urgency::Urgency;

use std::collections::{BTreeMap, BTreeSet};

use chrono::TimeDelta;

use crate::model::{DocumentUse, EffectKind, Enrolment, Event, Pause, PollEvery, Timestamp};

/// Data for a decision besides the case, the policy and the input.
#[derive(Debug, Clone, Copy)]
pub struct Context<'a> {
    pub now: Timestamp,
    pub links: &'a Links,
    /// Shown in mails.
    pub organization: &'a str,
    /// Kinds of effect whose limit for this case's policy is used up now.
    pub over_limit: &'a BTreeSet<EffectKind>,
    /// Data of earlier cases about the person at verification providers, by provider name.
    pub enrolments: &'a BTreeMap<String, Enrolment>,
    /// Recorded uses of the document that a result is about, by this person or others.
    pub documents: &'a [DocumentUse],
    /// Other cases' holds on this person.
    pub others: &'a [Hold],
    /// Outages in which an answer was impossible.
    pub pauses: &'a [Pause],
    /// Names of the sinks for events.
    pub sinks: &'a [String],
    /// How often a session is read while the person may be using it.
    pub poll_every: &'a PollEvery,
    /// Verification providers that must be told what to verify.
    pub told: &'a BTreeSet<String>,
    /// How long the provider may take to send an invitation after an approval before it is checked.
    pub invite_grace: TimeDelta,
    /// How long a created account may be missing from reads, by system name.
    pub consistency: &'a BTreeMap<String, TimeDelta>,
}

/// The result of one input: the new state with its calls, the new journal entries, and the limited effects reached.
/// Each effect counts once, where its step is reached.
#[derive(Debug, Clone, PartialEq)]
pub struct Advance {
    pub case: Case,
    pub entries: Vec<Entry>,
    pub effects: Vec<EffectKind>,
    /// Emitted events, for other policies.
    pub events: Vec<Event>,
    /// New data about the person at a provider, where it changed.
    pub enrolments: BTreeMap<String, Enrolment>,
    /// Documents that the person showed, for the record of document uses.
    pub documents: Vec<DocumentUse>,
}
