//! A case as it is stored. Everything it waits for is a field, so a restart forgets nothing and a waiting
//! case costs no memory.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

pub use super::held::{Held, Hold, Placed, Whose};
use super::input::Decision;
use crate::model::{
    Action, Actor, Attempt, Call, CallId, CaseId, CaseState, EffectKind, Event, EventType, Fields, Session,
    Snapshot, Subject, Timestamp,
};
use crate::policy::Revision;
use crate::policy::tree::{Effect, Resolved, StepIndex};

/// One subject going through one policy.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Case {
    pub id: CaseId,
    pub policy: String,
    /// The revision it opened with, and keeps.
    pub revision: Revision,
    /// What makes it different from other open cases of its policy.
    pub key: String,
    pub subject: Subject,
    /// What opened it; none for a manual start.
    pub event: Option<Event>,
    pub opened_at: Timestamp,
    pub state: State,
    /// `steps.<id>` for scripts and mails: what finished steps learned.
    pub steps: Fields,
    /// Calls that have not ended, by number. The outbox is made of these.
    pub calls: BTreeMap<u32, Pending>,
    pub next_call: u32,
    pub next_entry: u64,
    /// How often each `retry_from` was taken.
    pub retries: BTreeMap<StepIndex, u32>,
    /// Verification sessions started, over all steps. The callback path of the current one carries it.
    pub attempts: u32,
    /// Links given out to the person; only the newest one works.
    pub links: u32,
    /// How often an adverse end was contested; makes the number of the next contest link.
    pub contests: u32,
    /// An adverse effect whose step was reached and whose grace period runs while the case walks to its end.
    pub pending_adverse: Option<InGrace>,
    /// What has really been done to the registration or the user, in order.
    pub settled: Vec<EffectKind>,
    /// Every vendor session of this case: execution id to account id.
    pub sessions: BTreeMap<String, String>,
    /// The word of the `close` that was reached.
    pub result: Option<String>,
    pub closed_at: Option<Timestamp>,
    /// The person as they were read last, for what is decided now; `subject` stays what it was at the
    /// opening, which is what an effect that cannot be undone is measured against.
    #[serde(default)]
    pub seen: Option<Subject>,
    #[serde(default)]
    pub seen_at: Option<Timestamp>,
    /// Suspensions and roles that this case holds. They may outlive it.
    #[serde(default)]
    pub holds: Vec<Hold>,
    /// What is left of the actions that an `act` function returned.
    #[serde(default)]
    pub acting: Option<Acting>,
    /// Registered fields that this case's proofs were compared with, with the fingerprint of what they were.
    #[serde(default)]
    pub compared: BTreeMap<String, String>,
    /// A step whose limit a person has lifted for this case.
    #[serde(default)]
    pub released: Option<StepIndex>,
    /// Refused and late decisions in the journal; it is bounded, so that nobody fills the store with them.
    #[serde(default)]
    pub refusals: u32,
    /// The marks that our own changes leave at the identity provider.
    #[serde(default)]
    pub echoes: Vec<Echo>,
    /// Since when the case changes things without waiting, and what happened meanwhile.
    #[serde(default)]
    pub stretch: Option<Stretch>,
}

/// The way between two waits of a case.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Stretch {
    /// When its first effect began.
    pub since: Timestamp,
    pub events: Vec<Overheard>,
}

/// An event that a later wait may be for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Overheard {
    pub key: String,
    pub kind: EventType,
    pub also: Vec<EventType>,
}

/// Where a case is. Every state says what ends it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum State {
    /// A step's effects are on their way; when the last one is done the case moves on. `call` is the newest.
    Calling {
        step: StepIndex,
        call: u32,
    },
    /// A person is asked to prove who they are.
    Verifying(Verifying),
    /// People are asked to decide.
    Reviewing(Reviewing),
    /// An event or a time is waited for, and nobody is asked.
    Waiting(Waiting),
    /// A limit stopped an effect; an admin releases or drops it.
    Held {
        step: StepIndex,
        action: EffectKind,
        since: Timestamp,
        /// The person who is asked for a proof and pressed when no more could be started.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        asked: Option<Box<Verifying>>,
    },
    /// Something failed for good; its owner retries or cancels.
    Stuck(Stuck),
    /// The path has ended; an adverse effect waits for its time and can be undone.
    Grace(InGrace),
    Closed,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Verifying {
    pub step: StepIndex,
    /// Deadlines and reminders count from here.
    pub started_at: Timestamp,
    pub deadline: Timestamp,
    /// Reminders that were sent or skipped.
    pub reminded: u32,
    /// When the next reminder is due.
    pub remind_at: Option<Timestamp>,
    /// The number in the person's link; a new link makes old ones dead.
    pub link: u32,
    /// The current vendor session.
    pub session: Option<Session>,
    /// When the session is to be read next.
    pub poll_at: Option<Timestamp>,
    /// How often in a row it was read without anybody being at it.
    pub polls: u32,
    /// When its capture was first seen to have ended.
    pub captured_at: Option<Timestamp>,
    /// The last reading did not say whether the person has to do anything.
    #[serde(default)]
    pub unclear: bool,
    /// The start that is under way.
    pub start: Option<u32>,
    /// The reading that is under way.
    pub read: Option<u32>,
    /// The person waits at their page for a session to be sent to.
    pub wanted: bool,
    /// The language of the browser that pressed last (BCP 47).
    pub locale: Option<String>,
    /// The deadline has come and only a result of the session is waited for, until then.
    pub late_until: Option<Timestamp>,
    /// Sessions started in this step.
    pub sessions: u32,
    /// Nothing is enrolled that the verification could look at, so its fallback is used.
    pub fell_back: bool,
    /// The account that the provider has forgotten is not used again.
    pub anew: bool,
    /// The person has started as many sessions as anybody may in a day, and may start another from here on.
    #[serde(default)]
    pub rests_until: Option<Timestamp>,
    /// Up to when pauses were looked at.
    pub fair_until: Timestamp,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Waiting {
    pub step: StepIndex,
    pub started_at: Timestamp,
    /// None: only for the time.
    pub event: Option<EventType>,
    pub until: Timestamp,
    /// Up to when pauses were looked at.
    pub fair_until: Timestamp,
}

/// The rest of an `act` step.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Acting {
    pub step: StepIndex,
    pub left: Vec<Effect<Resolved>>,
}

/// Events that an effect of ours causes at the identity provider, and when to expect them. Such an event
/// neither triggers nor cancels anything.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Echo {
    pub call: u32,
    pub kinds: Vec<String>,
    pub role: Option<String>,
    pub from: Timestamp,
    /// None: the effect is not known to have ended.
    pub until: Option<Timestamp>,
    /// It changed nothing, so only an event that names us as its cause is its own.
    #[serde(default)]
    pub silent: bool,
    /// The events that it was heard as.
    #[serde(default)]
    pub heard: Vec<HeardAs>,
}

/// An event that one of our own effects caused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeardAs {
    pub key: String,
    pub kind: String,
    /// Its most exact name.
    pub name: String,
}

/// Somebody who took a review keeps it for themselves for a while.
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
    /// Up to when pauses were looked at.
    pub fair_until: Timestamp,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Stuck {
    pub step: StepIndex,
    pub since: Timestamp,
    /// A sentence without names, addresses or secrets.
    pub reason: String,
    /// The call that failed first; none: a script or a template.
    pub call: Option<u32>,
    /// The calls that failed, with their numbers, out of the outbox until somebody says retry. A list and
    /// not a map: numbers as keys do not survive being read as part of a tagged state.
    pub parked: Vec<(u32, Pending)>,
    /// What the case goes back to on retry, if the step had begun to wait.
    pub interrupted: Option<Box<State>>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct InGrace {
    /// The step that asked for the effect.
    pub step: StepIndex,
    /// The effect that happens when the time is up.
    pub action: Action,
    pub until: Timestamp,
    /// Since when the person contests it; the clock stands and people decide.
    pub contested_at: Option<Timestamp>,
    /// The number in the contest link.
    pub link: u32,
    /// The call, once the time was up.
    pub call: Option<u32>,
    /// Up to when pauses were looked at.
    pub fair_until: Timestamp,
    /// The account was suspended only for the time until then; undoing the end lets it go.
    #[serde(default)]
    pub blocks: bool,
}

/// A call that has not ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Pending {
    pub action: Action,
    pub purpose: Purpose,
    /// When it is to be attempted.
    pub due: Timestamp,
    /// Attempts that have begun.
    pub attempt: u32,
    /// When the current attempt began; none: no attempt is under way.
    pub begun: Option<Timestamp>,
    /// An earlier attempt's end is not known.
    #[serde(default)]
    pub in_doubt: bool,
    /// When it was first asked for.
    pub asked_at: Timestamp,
    /// Attempts that do not count against the bound on retries: those before a person said retry.
    #[serde(default)]
    pub forgiven: u32,
    /// Attempts since then that failed because the other side served nobody. They do not count either.
    #[serde(default)]
    pub outages: u32,
    /// Why the last attempt failed.
    #[serde(default)]
    pub last_failure: Option<String>,
}

/// What a call is for, so that its outcome finds its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Purpose {
    /// The step waits for it.
    Step,
    /// The mail with the link; the step goes on waiting when it is out.
    Invite,
    Reminder,
    Start,
    Read,
    /// Is the invitation out after an approval? The step waits for it.
    EnsureInvited,
    /// The destruction at the end of a grace period.
    Destroy,
    /// The person is read again before something is decided about them.
    Look,
    /// An operator lifts a hold, also one that a closed case left.
    Lift,
    /// A team is called besides its mail. Nothing waits for it, and its failure changes nothing.
    Page,
    /// A role that the case withholds was given again by somebody; it is taken away again.
    Uphold,
    /// Tells the owner that the case is stuck, or a team that it has to decide. Its failure changes nothing.
    OwnerNotice,
}

impl Purpose {
    /// Whether a call is made although the case has ended.
    pub fn outlives(self) -> bool {
        matches!(self, Self::Lift | Self::Page)
    }
}

impl Case {
    /// Whether it is the provider who keeps a proof waiting, and not the person: its answers fail, or do not
    /// say how far the session is.
    pub fn waits_for_provider(&self, proving: &Verifying) -> bool {
        let tried_again = |call: Option<u32>| {
            let pending = call.and_then(|call| self.calls.get(&call));
            pending.is_some_and(|pending| pending.attempt > u32::from(pending.begun.is_some()))
        };
        proving.unclear || tried_again(proving.read) || tried_again(proving.start)
    }

    /// When the case itself has something to do next, whatever becomes of its calls.
    pub fn wake_at(&self) -> Option<Timestamp> {
        if self.calls.values().any(|pending| pending.purpose == Purpose::Look) {
            // What comes of the look is what the case goes on with.
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

    /// For lists and metrics.
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

    /// Until when somebody can still answer, decide or contest.
    pub fn due_at(&self) -> Option<Timestamp> {
        match &self.state {
            State::Verifying(proving) => Some(proving.deadline),
            State::Reviewing(reviewing) => Some(reviewing.deadline),
            State::Waiting(waiting) => Some(waiting.until),
            // While people decide about a contest there is no time by which it must happen.
            State::Grace(grace) => grace.contested_at.is_none().then_some(grace.until),
            State::Calling { .. } | State::Held { .. } | State::Stuck(_) | State::Closed => None,
        }
    }

    /// A call of the outbox as a connector is handed it.
    pub fn call(&self, number: u32) -> Option<Call> {
        let pending = self.calls.get(&number)?;
        Some(Call {
            attempt: Attempt {
                call: self.call_id(number),
                number: pending.attempt,
                // What is in doubt is an earlier attempt, never the one under way.
                in_doubt: pending.in_doubt,
                asked_at: pending.asked_at,
            },
            action: pending.action.clone(),
        })
    }

    /// The vendor session that the person can be sent to, as far as is known.
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

    /// The step the case is at.
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

    /// The wait that the case is in, also while it is stuck in it.
    pub fn waiting(&self) -> Option<&Waiting> {
        match self.beneath() {
            State::Waiting(waiting) => Some(waiting),
            _ => None,
        }
    }

    /// The state that a stuck case goes back to, else the one it is in.
    pub fn beneath(&self) -> &State {
        match &self.state {
            State::Stuck(stuck) => stuck.interrupted.as_deref().unwrap_or(&self.state),
            state => state,
        }
    }

    /// Calls that have not ended, with those that are out of the outbox until somebody says retry.
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

    /// What the identity provider held when the case opened.
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
    /// Whether the clock runs: nobody contests it and the effect is not on its way.
    pub fn runs(&self) -> bool {
        self.contested_at.is_none() && self.call.is_none()
    }
}
