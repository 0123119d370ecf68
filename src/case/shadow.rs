//! A case that is only thought: a shadow policy's, walked by the very functions of a real one. Nothing is
//! performed. What was really answered then is the answer; where nothing is known the walk stops and says so.

use serde_json::Value;

use super::entry::{Entry, Note};
use super::input::Input;
use super::recorded::Recorded;
use super::state::{Case, Proving, State};
use super::turn::Turn;
use super::{Advance, Here, advance};
use crate::model::{
    Action, Changed, Done, EffectKind, IdentityAction, IdentityChange, Outcome, ProvisioningAction,
    SessionAction, Timestamp,
};
use crate::policy::Policy;
use crate::policy::outcome::ProofOutcome;
use crate::policy::tree::Verify;

/// Longer than any path that the loader lets through.
const LONGEST: usize = 1_000;

/// How a real case's verification of the person ended.
#[derive(Debug, Clone, PartialEq)]
pub struct Answered {
    /// The verification's name, and what was compared: another one's answer says nothing.
    pub verification: String,
    pub compare: Vec<String>,
    pub outcome: String,
    pub at: Timestamp,
    /// What the step learned.
    pub learned: Value,
}

/// A real case's verification that the person has not answered yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Silent {
    pub verification: String,
    pub compare: Vec<String>,
    pub asked_at: Timestamp,
    /// Up to here there was no answer.
    pub until: Timestamp,
}

/// What is known of the person from the cases that were real.
#[derive(Debug, Clone, Default)]
pub struct Known {
    pub answers: Vec<Answered>,
    pub silent: Vec<Silent>,
}

/// What a shadow case would have done.
#[derive(Debug, Clone, PartialEq)]
pub struct Imagined {
    /// In order; no line says anything about the person.
    pub lines: Vec<Line>,
    pub end: End,
    /// What would have been done to the registration or the user.
    pub did: Vec<EffectKind>,
}

#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct Line {
    pub at: Timestamp,
    pub step: Option<String>,
    pub would: String,
}

#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
#[serde(tag = "end", rename_all = "snake_case")]
pub enum End {
    Closed {
        result: String,
        at: Timestamp,
    },
    /// An adverse effect would wait for its time, and nobody knows whether it would be contested.
    InGrace {
        result: Option<String>,
        until: Timestamp,
    },
    Stuck {
        because: String,
    },
    /// From here on nothing is known.
    Unknown {
        because: String,
    },
}

/// Walks a case from its opening as far as what is known leads. An effect is taken as done: that it was asked
/// for is what the shadow is about. Limits are not counted.
pub fn imagine(recorded: &Recorded, policy: &Policy, here: &Here<'_>, known: &Known) -> Imagined {
    let unknown = |because: &str| End::Unknown { because: because.to_owned() };
    let mut walk = Walk { policy, here: Here { now: recorded.facts.now, ..*here }, known, lines: Vec::new() };
    let Ok(opened) = recorded.decide(None, policy, &walk.here) else {
        return Imagined { lines: Vec::new(), end: unknown("it was not an opening"), did: Vec::new() };
    };
    let mut case = walk.told(opened, 1);
    for _ in 0..LONGEST {
        let next_call = case.next_call;
        match walk.on(&case) {
            Ok(advance) => case = walk.told(advance, next_call),
            Err(end) => {
                let mut did = case.settled.clone();
                if let State::Grace(grace) = &case.state {
                    did.extend(grace.action.ends());
                }
                return Imagined { lines: walk.lines, end, did };
            }
        }
    }
    Imagined { lines: walk.lines, end: unknown("the path does not come to rest"), did: case.settled }
}

struct Walk<'a> {
    policy: &'a Policy,
    here: Here<'a>,
    known: &'a Known,
    lines: Vec<Line>,
}

impl Walk<'_> {
    /// One input further, or the end of what is known.
    fn on(&mut self, case: &Case) -> Result<Advance, End> {
        let unknown = |because: String| Err(End::Unknown { because });
        match &case.state {
            State::Closed => Err(End::Closed {
                result: case.result.clone().unwrap_or_default(),
                at: case.closed_at.unwrap_or(self.here.now),
            }),
            State::Grace(grace) => Err(End::InGrace { result: case.result.clone(), until: grace.until }),
            State::Stuck(stuck) => Err(End::Stuck { because: stuck.reason.clone() }),
            State::Held { .. } => unknown("a limit would hold it".to_owned()),
            State::Reviewing(reviewing) => {
                unknown(format!("people of {} would be asked to decide", reviewing.queue))
            }
            State::Waiting(waiting) => {
                let what = waiting.event.as_ref().map_or("the time".to_owned(), ToString::to_string);
                unknown(format!("it would wait for {what} until {}", waiting.until.to_rfc3339()))
            }
            State::Proving(proving) => self.proving(case, proving),
            State::Calling { call, .. } => self.calling(case, *call),
        }
    }

    fn calling(&mut self, case: &Case, call: u32) -> Result<Advance, End> {
        let unknown = |because: String| End::Unknown { because };
        let Some(pending) = case.calls.get(&call) else {
            return Err(unknown("the step waits for nothing that could be answered".to_owned()));
        };
        let done = self.done(&pending.action)?;
        self.here.now = self.here.now.max(pending.due);
        let refused = |error: super::Refused| unknown(error.to_string());
        let begun =
            advance(case.clone(), self.policy, Input::Attempt { call }, &self.here).map_err(refused)?;
        let attempt = begun.case.calls.get(&call).map_or(1, |pending| pending.attempt);
        let outcome = Input::Outcome { call, attempt, outcome: Outcome::Done(done) };
        advance(begun.case, self.policy, outcome, &self.here).map_err(refused)
    }

    /// What the other side would have said, where it is always the same or is known.
    fn done(&self, action: &Action) -> Result<Done, End> {
        let already = false;
        Ok(match action {
            Action::Identity(IdentityAction::Read { .. }) => {
                // How they were then is not known; how they are now is something else.
                let because = "it would read the person again, and nobody did then".to_owned();
                return Err(End::Unknown { because });
            }
            Action::Identity(IdentityAction::Change { change, .. }) => {
                change.done(Changed { invited_at: Some(self.here.now), ..Changed::plain(already) })
            }
            Action::Verification { .. } => {
                return Err(End::Unknown { because: "the provider was not asked".to_owned() });
            }
            Action::Mail { .. } => Done::Sent,
            Action::Provisioning { account: ProvisioningAction::Create { .. }, .. } => {
                Done::Created { id: None, already }
            }
            Action::Provisioning { account: ProvisioningAction::Update { .. }, .. } => {
                Done::Applied { already, before: None }
            }
            Action::Request { endpoint, .. } => {
                return Err(End::Unknown { because: format!("what {endpoint} would answer") });
            }
            Action::Emit { .. } => Done::Emitted,
        })
    }

    fn proving(&mut self, case: &Case, proving: &Proving) -> Result<Advance, End> {
        let unknown = |because: String| Err(End::Unknown { because });
        let policy = self.policy;
        let before = self.here;
        let turn = Turn::new(case.clone(), policy, &before);
        let Ok(verify) = turn.verify_of(proving.step) else {
            return unknown("the step verifies nobody".to_owned());
        };
        let name = &verify.verification.name;
        // An answer is used once: a step that is taken again waits for a later one.
        let fits = |answer: &&Answered| {
            answer.verification == *name
                && answer.compare == verify.compared()
                && answer.at > proving.started_at
        };
        let Some(answer) = self.known.answers.iter().filter(fits).min_by_key(|answer| answer.at) else {
            if self.silent_for_all_of(proving, verify) {
                return Ok(self.given_up(case, proving, verify));
            }
            return unknown(format!("no live case asked this person for {name} and has an answer"));
        };
        let in_time = answer.at < proving.deadline;
        let Some(outcome) = ProofOutcome::of_word(&answer.outcome) else {
            return unknown(format!("the live case ended with {}", answer.outcome));
        };
        if in_time && outcome == ProofOutcome::NoResponse {
            return unknown(format!(
                "the live case gave up at {}; whether the person would have answered later is not known",
                answer.at.to_rfc3339()
            ));
        }
        let at = answer.at.min(proving.deadline);
        self.reminded(case, proving, verify, at);
        self.here.now = at;
        let here = self.here;
        let mut turn = Turn::new(case.clone(), policy, &here);
        if in_time {
            turn.learn(proving.step, answer.learned.clone());
            turn.leave_proving(proving.step, outcome, Vec::new());
        } else {
            turn.end_proving(proving, ProofOutcome::NoResponse);
        }
        Ok(turn.end())
    }

    /// Whether somebody who is asked still has been silent for at least as long as the shadow would have waited.
    fn silent_for_all_of(&self, proving: &Proving, verify: &Verify) -> bool {
        let patience = proving.deadline - proving.started_at;
        self.known.silent.iter().any(|silent| {
            let since = silent.asked_at.max(proving.started_at);
            silent.verification == verify.verification.name
                && silent.compare == verify.compared()
                && silent.until - since >= patience
        })
    }

    /// The deadline passes without an answer.
    fn given_up(&mut self, case: &Case, proving: &Proving, verify: &Verify) -> Advance {
        self.reminded(case, proving, verify, proving.deadline);
        self.here.now = proving.deadline;
        let here = self.here;
        let mut turn = Turn::new(case.clone(), self.policy, &here);
        turn.end_proving(proving, ProofOutcome::NoResponse);
        turn.end()
    }

    /// The reminders that would have gone out until the answer.
    fn reminded(&mut self, case: &Case, proving: &Proving, verify: &Verify, until: Timestamp) {
        let turn = Turn::new(case.clone(), self.policy, &self.here);
        let at = |after| turn.after(proving.started_at, after, None);
        let sent = verify.remind.iter().map(|one| (at(one.after), &one.template));
        let step = self.policy.step(proving.step).map(|step| step.path.clone());
        let lines: Vec<_> = sent
            .filter(|(at, _)| *at < until)
            .map(|(at, template)| Line { at, step: step.clone(), would: format!("send mail {template}") })
            .collect();
        self.lines.extend(lines);
    }

    /// Writes down what came of an input: what was noted, and what was newly asked for.
    fn told(&mut self, advance: Advance, next_call: u32) -> Case {
        self.lines.extend(advance.entries.iter().filter_map(line));
        let step = advance.case.step().and_then(|step| self.policy.step(step)).map(|step| step.path.clone());
        for pending in advance.case.calls.range(next_call..).map(|(_, pending)| pending) {
            if let Some(would) = asked(&pending.action) {
                self.lines.push(Line { at: pending.due, step: step.clone(), would });
            }
        }
        advance.case
    }
}

fn line(entry: &Entry) -> Option<Line> {
    let would = match &entry.note {
        Note::StepSkipped { clause } => format!("skip the step: {clause} does not hold"),
        Note::StepBegan { verb } if matches!(verb.as_str(), "verify" | "review" | "wait") => {
            format!("begin {verb}")
        }
        Note::StepEnded { outcome, .. } => format!("go on with {outcome}"),
        Note::GraceBegan { until } => format!("begin a grace period until {}", until.to_rfc3339()),
        Note::Reused { .. } => "use a recent pass".to_owned(),
        Note::Closed { result } => format!("close as {result}"),
        _ => return None,
    };
    Some(Line { at: entry.at, step: entry.step.clone(), would })
}

fn asked(action: &Action) -> Option<String> {
    let word = action.word();
    Some(match action {
        Action::Identity(IdentityAction::Read { .. })
        | Action::Identity(IdentityAction::Change { change: IdentityChange::EnsureInvited { .. }, .. })
        | Action::Verification { session: SessionAction::Read(_), .. } => return None,
        Action::Identity(IdentityAction::Change { change, .. }) => {
            change.role().map_or_else(|| word.to_owned(), |role| format!("{word} {role}"))
        }
        Action::Verification { session: SessionAction::Start(_), .. } => word.to_owned(),
        Action::Mail { message } => format!("send mail {}", message.template),
        Action::Provisioning { system, .. } => format!("{word} in {system}"),
        Action::Request { endpoint, .. } => format!("call {endpoint}"),
        Action::Emit { sink, .. } => format!("emit to {sink}"),
    })
}
