//! Cases: what one input does to one person's way through one policy. Pure: same arguments, same answer;
//! no clock, disk, network or random number.
//!
//! | file | what |
//! |---|---|
//! | `comparison` | whether a registration and a document name the same person |
//! | `state` | a case as it is stored, and what it waits for |
//! | `input` | everything that can happen to a case, and why an input is refused |
//! | `entry` | the journal of a case |
//! | `links` | the person's and the vendor's addresses into a case |
//! | `advance` | the one function, split by state |

pub mod comparison;
pub mod entry;
pub mod input;
pub mod links;
pub mod state;

pub use entry::{Entry, Note};
pub use input::{Decision, Input, Opening, Operator, Order, Refused};
pub use links::{LinkKind, Links};
pub use state::{Case, Pending, Purpose, State};

use std::collections::BTreeSet;

use crate::model::Timestamp;
use crate::policy::tree::LimitedAction;

/// What a decision may look at besides the case, the policy and the input.
#[derive(Debug, Clone, Copy)]
pub struct Here<'a> {
    pub now: Timestamp,
    pub links: &'a Links,
    /// Shown in mails.
    pub organization: &'a str,
    /// Kinds of effect whose limit is used up for this case's policy right now.
    pub over_limit: &'a BTreeSet<LimitedAction>,
    /// The person's account at a verification provider, if an earlier case left one.
    pub account: Option<&'a str>,
}

/// What one input did: the new state with its calls, what is written into the journal of the case, and
/// which limited effects were reached (each counts once, where its step is reached).
#[derive(Debug, Clone, PartialEq)]
pub struct Advance {
    pub case: Case,
    pub entries: Vec<Entry>,
    pub effects: Vec<LimitedAction>,
}
