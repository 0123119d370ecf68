//! A case as it is stored. Everything it waits for is a field: a restart loses nothing and a waiting case uses no
//! memory.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

pub use super::held::{Held, Hold, Placed, Whose};
use super::input::Decision;
use crate::model::{
    Action, Actor, Attempt, Call, CallId, CaseId, CaseState, EffectKind, Event, EventType, Fields, Forgotten,
    Session, Snapshot, Subject, Timestamp,
};
use crate::policy::Revision;
use crate::policy::tree::{Effect, Resolved, StepIndex};

/// One subject going through one policy.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Case {
    pub id: CaseId,
    pub policy: String,
    /// The revision of the case; only a migration changes it.
    pub revision: Revision,
    /// Distinguishes it from other open cases of its policy.
    pub key: String,
    pub subject: Subject,
    /// The opening event; `None` for a manual start or a sweep.
    pub event: Option<Event>,
    pub opened_at: Timestamp,
    pub state: State,
    /// `steps.<id>` for scripts and mails: results of finished steps.
    pub steps: Fields,
    /// Calls that have not ended, by number. They form the outbox.
    pub calls: BTreeMap<u32, Pending>,
    pub next_call: u32,
    pub next_entry: u64,
    /// How often each `retry_from` was taken.
    pub retries: BTreeMap<StepIndex, u32>,
    /// Verification sessions started, over all steps. The current one's callback path contains this number.
    pub attempts: u32,
    /// Links issued to the person; only the newest one works.
    pub links: u32,
    /// How often an adverse end was contested; determines the number of the next objection link.
    pub contests: u32,
    /// An adverse effect whose step was reached and whose grace period runs while the case walks to its end.
    pub pending_adverse: Option<InGrace>,
    /// Effects completed on the registration or the user, in order.
    pub settled: Vec<EffectKind>,
    /// Every vendor session of this case: execution id to account id.
    pub sessions: BTreeMap<String, String>,
    /// The word of the `close` that was reached.
    pub result: Option<String>,
    pub closed_at: Option<Timestamp>,
    /// The latest record of the person, for current decisions. `subject` keeps the record of the opening, which
    /// irreversible effects are checked against.
    #[serde(default)]
    pub seen: Option<Subject>,
    #[serde(default)]
    pub seen_at: Option<Timestamp>,
    /// Suspensions and roles that this case holds. They may outlive it.
    #[serde(default)]
    pub holds: Vec<Hold>,
    /// Remaining actions of an `act` function.
    pub acting: Option<Acting>,
    /// Registered fields that this case's proofs were compared with, with fingerprints of their values.
    #[serde(default)]
    pub compared: BTreeMap<String, String>,
    /// A step whose limit an operator released for this case.
    pub released: Option<StepIndex>,
    /// Refused and late decisions in the journal; bounded to protect the store.
    #[serde(default)]
    pub refusals: u32,
    /// Expected events of this case's own changes at the identity provider.
    #[serde(default)]
    pub echoes: Vec<Echo>,
    /// The current stretch of changes without a wait, with events that arrived during it.
    pub stretch: Option<Stretch>,
    /// What was removed of it; see `store::redact`.
    pub redacted: Option<Forgotten>,
}

/// The path between two waits of a case.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Stretch {
    /// When its first effect began.
    pub since: Timestamp,
    pub events: Vec<EarlierEvent>,
}

/// An event that a later wait may name.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EarlierEvent {
    pub key: String,
    pub kind: EventType,
    pub also: Vec<EventType>,
}

/// The state of a case. Each state defines what ends it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum State {
    /// A step's effects are in progress; the case continues after the last one. `call` is the newest.
    Calling {
        step: StepIndex,
        call: u32,
    },
    /// The person is asked for proof.
    Verifying(Verifying),
    /// Reviewers are asked to decide.
    Reviewing(Reviewing),
    /// The case waits for an event or a time, without asking a person.
    Waiting(Waiting),
    /// A limit stopped an effect; an administrator releases or drops it.
    Held {
        step: StepIndex,
        action: EffectKind,
        since: Timestamp,
        /// The verification of a person who pressed while the limit was used up.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        asked: Option<Box<Verifying>>,
    },
    /// A permanent failure; the owner retries or cancels.
    Stuck(Stuck),
    /// The path has ended; an adverse effect is in grace and can be undone.
    Grace(InGrace),
    Closed,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Verifying {
    pub step: StepIndex,
    /// Start of the step; deadlines and reminders count from here.
    pub started_at: Timestamp,
    pub deadline: Timestamp,
    /// Number of reminders sent or skipped.
    pub reminded: u32,
    /// When the next reminder is due.
    pub remind_at: Option<Timestamp>,
    /// The number in the person's link; a new link invalidates old ones.
    pub link: u32,
    /// The current vendor session.
    pub session: Option<Session>,
    /// When the session is read next.
    pub poll_at: Option<Timestamp>,
    /// Consecutive readings without activity of the person.
    pub polls: u32,
    /// When its capture was first seen as ended.
    pub captured_at: Option<Timestamp>,
    /// The last reading did not report whether the person must act.
    #[serde(default)]
    pub unclear: bool,
    /// The start call in progress.
    pub start: Option<u32>,
    /// The reading call in progress.
    pub read: Option<u32>,
    /// The person waits at their page for a session.
    pub wanted: bool,
    /// The language of the browser that pressed last (BCP 47).
    pub locale: Option<String>,
    /// The deadline has passed; the case waits until then for a result of the session only.
    pub late_until: Option<Timestamp>,
    /// Sessions started in this step.
    pub sessions: u32,
    /// The fallback is used: nothing is enrolled for the main verification.
    pub fell_back: bool,
    /// The account that the provider lost is not used again.
    pub anew: bool,
    /// Until when another session belongs to the same try: nobody came back from the one before.
    #[serde(default)]
    pub try_until: Option<Timestamp>,
    /// The person used up the day's sessions, and may start another from this time on.
    #[serde(default)]
    pub rests_until: Option<Timestamp>,
    /// Outages up to this time are credited.
    pub fair_until: Timestamp,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Waiting {
    pub step: StepIndex,
    pub started_at: Timestamp,
    /// `None`: waits for the time only.
    pub event: Option<EventType>,
    pub until: Timestamp,
    /// Outages up to this time are credited.
    pub fair_until: Timestamp,
}

/// Remaining actions of an `act` step.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Acting {
    pub step: StepIndex,
    pub left: Vec<Effect<Resolved>>,
}

/// Expected events of an own effect at the identity provider. Such an event neither triggers nor cancels anything.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Echo {
    pub call: u32,
    pub kinds: Vec<String>,
    pub role: Option<String>,
    pub from: Timestamp,
    /// `None`: the effect's end is unknown.
    pub until: Option<Timestamp>,
    /// The effect changed nothing: only an event that names proofd as its cause matches.
    #[serde(default)]
    pub silent: bool,
    /// Received events that this effect caused.
    #[serde(default)]
    pub heard: Vec<RecordedEvent>,
}

/// An event that an own effect caused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecordedEvent {
    pub key: String,
    pub kind: String,
    /// Its most specific name.
    pub name: String,
}

/// A reviewer's claim on a review, until a time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Assignee {
    #[serde(flatten)]
    pub by: Actor,
    pub until: Timestamp,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Reviewing {
    pub step: StepIndex,
    pub started_at: Timestamp,
    pub deadline: Timestamp,
    pub queue: String,
    pub escalate_at: Option<Timestamp>,
    /// Decisions so far, where two people must agree.
    pub given: Vec<Decision>,
    #[serde(default)]
    pub assignee: Option<Assignee>,
    /// Outages up to this time are credited.
    pub fair_until: Timestamp,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Stuck {
    pub step: StepIndex,
    pub since: Timestamp,
    /// A sentence without names, addresses or secrets.
    pub reason: String,
    /// The call that failed first; `None`: a script or a template failed.
    pub call: Option<u32>,
    /// Failed calls with their numbers, removed from the outbox until a retry. A list and not a map: numeric keys do
    /// not deserialize inside a tagged state.
    pub parked: Vec<(u32, Pending)>,
    /// The state to which a retry returns, if the step had begun to wait.
    pub interrupted: Option<Box<State>>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct InGrace {
    /// The step that requested the effect.
    pub step: StepIndex,
    /// The effect at the end of grace.
    pub action: Action,
    pub until: Timestamp,
    /// When the person objected; the clock is stopped until a decision.
    pub contested_at: Option<Timestamp>,
    /// The number in the objection link.
    pub link: u32,
    /// The call, once grace has ended.
    pub call: Option<u32>,
    /// Outages up to this time are credited.
    pub fair_until: Timestamp,
    /// The account is suspended only during grace; undoing the effect lifts the suspension.
    #[serde(default)]
    pub blocks: bool,
}

/// A call that has not ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Pending {
    pub action: Action,
    pub purpose: Purpose,
    /// When it is attempted next.
    pub due: Timestamp,
    /// Attempts that have begun.
    pub attempt: u32,
    /// When the current attempt began; `None`: no attempt is in progress.
    pub begun: Option<Timestamp>,
    /// An earlier attempt's end is unknown.
    #[serde(default)]
    pub in_doubt: bool,
    /// When it was first requested.
    pub asked_at: Timestamp,
    /// Attempts before a manual retry; they do not count against the bound on retries.
    #[serde(default)]
    pub forgiven: u32,
    /// Later attempts that failed because of an outage. They do not count either.
    #[serde(default)]
    pub outages: u32,
    /// Why the last attempt failed.
    #[serde(default)]
    pub last_failure: Option<String>,
}

/// The purpose of a call, which routes its outcome.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Purpose {
    /// The step waits for it.
    Step,
    /// The mail with the link; the step waits on after it was sent.
    Invite,
    Reminder,
    Start,
    Read,
    /// Checks for the invitation after an approval. The step waits for it.
    EnsureInvited,
    /// The destruction at the end of grace.
    Destroy,
    /// Reads the person again before a decision about them.
    Look,
    /// An operator lifts a hold, also one of a closed case.
    Lift,
    /// Pages a team in addition to its mail. The step does not wait for it, and its failure changes nothing.
    Page,
    /// Removes a withheld role that was granted again elsewhere.
    Uphold,
    /// Notifies the owner of a stuck case, or a team of a pending decision. Its failure changes nothing.
    OwnerNotice,
}

impl Purpose {
    /// Returns whether a call is still made after the case has ended.
    pub fn outlives(self) -> bool {
        matches!(self, Self::Lift | Self::Page)
    }
}

impl Case {
    /// Returns whether the provider delays the proof instead of the person: its answers fail, or do not report the
    /// session's progress.
    pub fn waits_for_provider(&self, proving: &Verifying) -> bool {
        let tried_again = |call: Option<u32>| {
            let pending = call.and_then(|call| self.calls.get(&call));
            pending.is_some_and(|pending| pending.attempt > u32::from(pending.begun.is_some()))
        };
        proving.unclear || tried_again(proving.read) || tried_again(proving.start)
    }

    /// Returns when the case itself acts next, independent of its calls.
    pub fn wake_at(&self) -> Option<Timestamp> {
        if self.calls.values().any(|pending| pending.purpose == Purpose::Look) {
            // The result of the look continues the case.
            return None;
        }
        match &self.state {
            State::Waiting(waiting) => Some(waiting.until),
            State::Closed | State::Calling { .. } | State::Held { .. } | State::Stuck(_) => None,
            State::Verifying(proving) => Some(proving.wake_at()),
            State::Reviewing(reviewing) => {
                Some(reviewing.escalate_at.map_or(reviewing.deadline, |at| at.min(reviewing.deadline)))
            }
            State::Grace(grace) => grace.runs().then_some(grace.until),
        }
    }

    /// Returns the state for lists and metrics.
    pub fn standing(&self) -> CaseState {
        match &self.state {
            State::Calling { .. } => CaseState::Running,
            State::Verifying(_) | State::Waiting(_) => CaseState::Waiting,
            State::Reviewing(_) => CaseState::InReview,
            State::Held { .. } => CaseState::OverLimit,
            State::Stuck(_) => CaseState::Stuck,
            State::Grace(_) => CaseState::InGrace,
            State::Closed => CaseState::Closed,
        }
    }

    pub fn state_word(&self) -> &'static str {
        self.standing().word()
    }

    /// Returns the time limit for an answer, a decision or an objection.
    pub fn due_at(&self) -> Option<Timestamp> {
        match &self.state {
            State::Verifying(proving) => Some(proving.deadline),
            State::Reviewing(reviewing) => Some(reviewing.deadline),
            State::Waiting(waiting) => Some(waiting.until),
            // A contested end has no time limit.
            State::Grace(grace) => grace.contested_at.is_none().then_some(grace.until),
            State::Calling { .. } | State::Held { .. } | State::Stuck(_) | State::Closed => None,
        }
    }

    /// Returns a call of the outbox for a connector.
    pub fn call(&self, number: u32) -> Option<Call> {
        let pending = self.calls.get(&number)?;
        Some(Call {
            attempt: Attempt {
                call: self.call_id(number),
                number: pending.attempt,
                // Only an earlier attempt is in doubt, never the current one.
                in_doubt: pending.in_doubt,
                asked_at: pending.asked_at,
            },
            action: pending.action.clone(),
        })
    }

    /// Returns the vendor session for the person's redirect, if one is known.
    pub fn session(&self) -> Option<&Session> {
        match &self.state {
            State::Verifying(proving) => proving.session.as_ref(),
            State::Calling { .. }
            | State::Reviewing(_)
            | State::Waiting(_)
            | State::Held { .. }
            | State::Stuck(_)
            | State::Grace(_)
            | State::Closed => None,
        }
    }

    /// Returns the current step.
    pub fn step(&self) -> Option<StepIndex> {
        match &self.state {
            State::Calling { step, .. } | State::Held { step, .. } => Some(*step),
            State::Verifying(proving) => Some(proving.step),
            State::Reviewing(reviewing) => Some(reviewing.step),
            State::Waiting(waiting) => Some(waiting.step),
            State::Stuck(stuck) => Some(stuck.step),
            State::Grace(grace) => Some(grace.step),
            State::Closed => None,
        }
    }

    /// Returns the current wait, also of a case stuck in it.
    pub fn waiting(&self) -> Option<&Waiting> {
        match self.beneath() {
            State::Waiting(waiting) => Some(waiting),
            _ => None,
        }
    }

    /// Returns the state to which a stuck case returns, else the current one.
    pub fn beneath(&self) -> &State {
        match &self.state {
            State::Stuck(stuck) => stuck.interrupted.as_deref().unwrap_or(&self.state),
            state => state,
        }
    }

    /// Returns calls that have not ended, including parked calls of a stuck case.
    pub fn open_calls(&self) -> impl Iterator<Item = (&u32, &Pending)> {
        let parked = match &self.state {
            State::Stuck(stuck) => stuck.parked.as_slice(),
            _ => &[],
        };
        self.calls.iter().chain(parked.iter().map(|(number, pending)| (number, pending)))
    }

    pub fn is_closed(&self) -> bool {
        matches!(self.state, State::Closed)
    }

    pub fn call_id(&self, number: u32) -> CallId {
        CallId { case: self.id.clone(), number }
    }

    /// Returns what the identity provider held when the case opened.
    pub fn snapshot(&self) -> Snapshot {
        let text = |field: &str| self.subject.text(field).map(str::to_owned);
        Snapshot {
            subject: self.subject.reference(),
            user_id: text("user_id"),
            profile_id: text("profile_id"),
            email: text("email"),
            created_at: text("created_at").and_then(|at| at.parse().ok()),
            compared: BTreeMap::new(),
        }
    }
}

impl Verifying {
    fn wake_at(&self) -> Timestamp {
        let end = self.late_until.unwrap_or(self.deadline);
        [self.poll_at, self.remind_at].into_iter().flatten().fold(end, Timestamp::min)
    }
}

impl InGrace {
    /// Returns whether the clock runs: no objection and no call.
    pub fn runs(&self) -> bool {
        self.contested_at.is_none() && self.call.is_none()
    }
}
