//! Details of a policy that the edit gate compares and the effects sheet does not show. They are the requests to people
//! and providers, the code that decides, and the recipients of notifications.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::same::Known;
use crate::model::{Method, Span};
use crate::policy::grammar::Rule;
use crate::policy::people::{Calendar, People};
use crate::policy::script::{Condition, Data, Text};
use crate::policy::tree::{
    Effect, IfAlreadyOpen, IfMissed, Policy, Recipient, Review, Step, StepIndex, Trigger, Verb, Verification,
    Verify, Wait,
};

#[derive(Debug, Clone, PartialEq)]
pub(super) struct Details {
    pub stops: Vec<Stop>,
    pub code: Code,
    pub if_already_open: IfAlreadyOpen,
    /// The address for objections and stuck cases.
    pub owner: Option<String>,
    /// The teams that get mail, and their addresses.
    pub team_mails: BTreeMap<String, String>,
    /// The teams that get mail or decide, and the endpoints through which they are called.
    pub called: BTreeMap<String, Option<String>>,
    pub if_missed: Vec<IfMissed>,
    /// Web addresses in its mails.
    pub addresses: BTreeSet<String>,
}

/// A step, reduced to what the gate compares.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Stop {
    pub index: StepIndex,
    pub id: Option<String>,
    pub path: String,
    pub verb: Rule,
    /// What the step does, independent of its id.
    pub word: String,
    /// The function that it calls, as written.
    pub call: Option<String>,
    pub kind: StopKind,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum StopKind {
    Check(Check),
    Panel(Panel),
    /// Waits for an event, up to this long.
    Pause(Span),
    Other,
}

/// A verification as a step requests it.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Check {
    /// The verification and its fallback.
    pub by: Vec<Kind>,
    pub compare: BTreeSet<String>,
    /// Fields of `compare` that need not be registered.
    pub optional: BTreeSet<String>,
    pub reuse_within: Option<Span>,
    pub answer_within: Span,
    pub invite: String,
    /// True if the mail shows the link in every case.
    pub link: bool,
    /// When reminders with the link go to the person.
    pub reminders: Vec<Span>,
}

/// A provider's workflow and the capabilities that must pass in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Kind {
    pub name: String,
    pub provider: String,
    pub workflow: String,
    pub method: Method,
    pub require: BTreeSet<String>,
}

/// A review: the people who decide.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Panel {
    pub people: u32,
    pub never: BTreeSet<String>,
    pub show: BTreeSet<String>,
    /// Decisions that need a reason.
    pub reasons: BTreeSet<String>,
    pub decisions: BTreeSet<String>,
    pub queue: Desk,
    pub escalate: Option<Desk>,
    /// How long the first queue decides alone.
    pub escalate_after: Option<Span>,
    pub answer_within: Span,
    pub calendar: Option<Calendar>,
}

/// A queue with its team.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Desk {
    pub queue: String,
    pub team: String,
    pub mail: String,
}

/// The code that determines which people a policy covers and which path a case takes.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Code {
    /// Clauses, calls, and the texts and values of effects.
    pub texts: Vec<String>,
    /// Script files that are called, without comments and spaces.
    pub scripts: BTreeMap<String, String>,
    pub case_key: Option<String>,
}

impl Details {
    pub fn stop(&self, at: StepIndex) -> Option<&Stop> {
        self.stops.get(usize::try_from(at.0).ok()?).filter(|stop| stop.index == at)
    }

    pub fn kind(&self, at: StepIndex) -> Option<&StopKind> {
        self.stop(at).map(|stop| &stop.kind)
    }

    pub fn name(&self, at: StepIndex) -> &str {
        self.stop(at).map_or("", Stop::name)
    }
}

impl Stop {
    pub fn name(&self) -> &str {
        self.id.as_ref().unwrap_or(&self.path)
    }
}

impl Check {
    /// Returns the fields that must match for a pass.
    pub fn compared(&self) -> BTreeSet<String> {
        self.compare.difference(&self.optional).cloned().collect()
    }

    /// Returns how many reminders with the link are sent within a time.
    pub fn reminders_within(&self, time: Span) -> usize {
        self.reminders.iter().filter(|after| super::diff::length(**after) < super::diff::length(time)).count()
    }
}

impl StopKind {
    pub fn answer_within(&self) -> Option<Span> {
        match self {
            Self::Check(check) => Some(check.answer_within),
            Self::Panel(panel) => Some(panel.answer_within),
            Self::Pause(span) => Some(*span),
            Self::Other => None,
        }
    }
}

pub(super) fn of(policy: &Policy, known: &Known) -> Details {
    let people = &policy.people;
    let stop = |step: &Step| Stop {
        index: step.index,
        id: step.id.clone(),
        path: step.path.clone(),
        verb: step.verb.rule(),
        word: known.word(step.index).to_owned(),
        call: step.verb.function().map(|function| function.source().to_owned()),
        kind: match &step.verb {
            Verb::Verify(verify) => StopKind::Check(check(policy, verify)),
            Verb::Review(review) => StopKind::Panel(panel(people, review)),
            Verb::Wait(Wait::For { answer_within, .. }) => StopKind::Pause(*answer_within),
            Verb::Wait(Wait::Until(_))
            | Verb::Run { .. }
            | Verb::Act { .. }
            | Verb::Approve
            | Verb::Reject { .. }
            | Verb::Delete { .. }
            | Verb::Do { .. }
            | Verb::RetryFrom { .. }
            | Verb::Close { .. }
            | Verb::Effect(_) => StopKind::Other,
        },
    };
    Details {
        stops: policy.steps.iter().map(stop).collect(),
        code: Code::of(policy),
        if_already_open: policy.if_already_open,
        owner: match policy.owner.strip_prefix("team:") {
            Some(team) => people.teams.get(team).map(|team| team.mail.clone()),
            None => Some(policy.owner.clone()),
        },
        team_mails: team_mails(policy),
        called: endpoints(policy),
        addresses: policy.templates.addresses(),
        if_missed: policy.sweeps().map(|sweep| sweep.if_missed).collect(),
    }
}

fn check(policy: &Policy, verify: &Verify) -> Check {
    let shows = |template: &str| policy.templates.always_shows(template, "link");
    let reminders = verify.remind.iter().filter(|reminder| shows(&reminder.template));
    Check {
        by: verify.verifications().map(|by| kind(by)).collect(),
        compare: verify.compare.iter().cloned().collect(),
        optional: verify.optional.iter().cloned().collect(),
        reuse_within: verify.reuse_within,
        answer_within: verify.answer_within,
        invite: verify.invite.clone(),
        link: shows(&verify.invite),
        reminders: reminders.map(|reminder| reminder.after).collect(),
    }
}

fn kind(by: &Verification) -> Kind {
    Kind {
        name: by.name.clone(),
        provider: by.provider.clone(),
        workflow: by.workflow.clone(),
        method: by.method,
        require: by.require.iter().cloned().collect(),
    }
}

fn panel(people: &People, review: &Review) -> Panel {
    let desk = |queue: &str| {
        let team = people.queues.get(queue).map(|queue| queue.team.clone()).unwrap_or_default();
        let mail = people.teams.get(&team).map(|team| team.mail.clone()).unwrap_or_default();
        Desk { queue: queue.to_owned(), team, mail }
    };
    let needs = review.decisions.iter().filter(|(_, rule)| rule.reason_required);
    let calendar = people.queues.get(&review.queue).and_then(|queue| queue.calendar.as_deref());
    Panel {
        people: review.people.max(1),
        never: review.never.iter().cloned().collect(),
        show: review.show.iter().cloned().collect(),
        reasons: needs.map(|(word, _)| word.clone()).collect(),
        decisions: review.decisions.keys().cloned().collect(),
        queue: desk(&review.queue),
        escalate: review.escalate.as_ref().map(|escalate| desk(&escalate.queue)),
        escalate_after: review.escalate.as_ref().map(|escalate| escalate.after),
        answer_within: review.answer_within,
        calendar: people.calendars.get(calendar.unwrap_or("default")).cloned(),
    }
}

fn team_mails(policy: &Policy) -> BTreeMap<String, String> {
    let mail = |team: &str| Some((team.to_owned(), policy.people.teams.get(team)?.mail.clone()));
    readers(policy).into_iter().filter_map(mail).collect()
}

fn endpoints(policy: &Policy) -> BTreeMap<String, Option<String>> {
    let queues = policy.reviews().flat_map(|(_, review)| review.queues());
    let team = |queue: &str| policy.people.queues.get(queue).map(|queue| queue.team.as_str());
    let teams = queues.filter_map(team).chain(readers(policy));
    let call = |team: &str| Some((team.to_owned(), policy.people.teams.get(team)?.call.clone()));
    teams.filter_map(call).collect()
}

/// Returns the teams that get mail.
fn readers(policy: &Policy) -> BTreeSet<&str> {
    policy.steps.iter().flat_map(|step| step.verb.recipients()).filter_map(Recipient::team).collect()
}

impl Code {
    fn of(policy: &Policy) -> Self {
        let mut texts = policy.condition.clauses();
        texts.extend(policy.as_long_as.iter().flat_map(Condition::clauses));
        for trigger in &policy.when {
            match trigger {
                Trigger::Sweep(sweep) => texts.extend(sweep.condition.clauses()),
                Trigger::Event(_) | Trigger::Manual => {}
            }
        }
        let case_key = policy.case_key.as_ref().map(Text::source);
        texts.extend(case_key.clone());
        policy.steps.iter().for_each(|step| of_step(step, &mut texts));
        let file = |(path, bytes): (&String, &std::sync::Arc<[u8]>)| {
            path.ends_with(".rhai").then(|| (path.clone(), bare(&String::from_utf8_lossy(bytes))))
        };
        let mut left: BTreeMap<String, String> = policy.files.0.iter().filter_map(file).collect();
        let mut scripts = BTreeMap::new();
        // Scripts can call other scripts.
        while let Some(path) = left.keys().find(|path| calls(&texts, &scripts, path)).cloned() {
            scripts.extend(left.remove_entry(&path));
        }
        Self { texts, scripts, case_key }
    }

    /// Reports whether the code accesses a value of a list by position. Otherwise the list's order is irrelevant.
    pub fn counts(&self, name: &str) -> bool {
        let by_place = |text: &String| {
            ["[", ".first", ".last", ".get(", ".index"].iter().any(|by| text.contains(&format!("{name}{by}")))
        };
        self.texts.iter().chain(self.scripts.values()).any(by_place)
    }

    /// Reports whether the code reads a setting; otherwise only mails show it.
    pub fn reads(&self, name: &str) -> bool {
        let word = |text: &str, name: &str| {
            let part = |c: char| c.is_alphanumeric() || c == '_';
            text.match_indices(name).any(|(at, _)| {
                let (before, after) =
                    (text[..at].chars().next_back(), text[at + name.len()..].chars().next());
                !before.is_some_and(part) && !after.is_some_and(part)
            })
        };
        let whole = |text: &str| {
            text.match_indices("settings").any(|(at, found)| !text[at + found.len()..].starts_with('.'))
        };
        let dotted = format!("settings.{name}");
        self.texts.iter().any(|text| word(text, &dotted) || text.contains(&format!("settings?.{name}")))
            || (self.texts.iter().any(|text| whole(text))
                && self.texts.iter().chain(self.scripts.values()).any(|text| word(text, name)))
    }
}

fn of_step(step: &Step, texts: &mut Vec<String>) {
    texts.extend(step.condition.iter().flat_map(Condition::clauses));
    match &step.verb {
        Verb::Run { function, .. } | Verb::Act { function, .. } => texts.push(function.source().to_owned()),
        Verb::Wait(Wait::Until(until)) => texts.push(until.source()),
        Verb::Effect(effect) => match effect {
            Effect::Role { role, .. } => texts.push(role.source()),
            Effect::Set(data) | Effect::CreateUser { attributes: data, .. } | Effect::Emit { data, .. } => {
                texts.push(data.source());
            }
            Effect::UpdateUser { matching, attributes, .. } => {
                texts.extend([matching, attributes].map(Data::source));
            }
            Effect::Call(request) => {
                texts.extend(request.path.as_ref().map(Text::source));
                texts.extend(request.body.as_ref().map(Data::source));
            }
            Effect::Notify(_)
            | Effect::Suspend { .. }
            | Effect::Reinstate
            | Effect::Account(_)
            | Effect::Invite => {}
        },
        Verb::Verify(_)
        | Verb::Review(_)
        | Verb::Wait(Wait::For { .. })
        | Verb::Approve
        | Verb::Reject { .. }
        | Verb::Delete { .. }
        | Verb::Do { .. }
        | Verb::RetryFrom { .. }
        | Verb::Close { .. } => {}
    }
}

/// Returns the call prefix of a script file in policies.
pub(super) fn called(path: &str) -> String {
    format!("{}::", path.rsplit('/').next().unwrap_or(path).trim_end_matches(".rhai"))
}

fn calls(texts: &[String], scripts: &BTreeMap<String, String>, path: &str) -> bool {
    let call = called(path);
    texts.iter().chain(scripts.values()).any(|text| text.contains(&call))
}

/// Returns code without comments, and without spaces outside of texts: its behavior is the same.
pub(super) fn bare(code: &str) -> String {
    let (mut written, mut rest) = (String::new(), code);
    while let Some(c) = rest.chars().next() {
        let end = match c {
            '/' if rest.starts_with("//") => {
                rest = &rest[rest.find('\n').unwrap_or(rest.len())..];
                continue;
            }
            '/' if rest.starts_with("/*") => {
                rest = &rest[rest.find("*/").map_or(rest.len(), |at| at + 2)..];
                continue;
            }
            '"' | '`' | '\'' => quoted(rest, c),
            c if c.is_whitespace() => {
                rest = rest.trim_start();
                let part = |c: char| c.is_alphanumeric() || c == '_';
                // Two adjacent words stay separate.
                if written.ends_with(part) && rest.starts_with(part) {
                    written.push(' ');
                }
                continue;
            }
            c => c.len_utf8(),
        };
        written.push_str(&rest[..end]);
        rest = &rest[end..];
    }
    written
}

/// Returns the length of a quoted text with its quotes.
fn quoted(text: &str, quote: char) -> usize {
    let mut escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            c if c == quote => return at + c.len_utf8(),
            _ => {}
        }
    }
    text.len()
}

/// Renders a value for readers.
pub(super) fn shown(value: Option<&Value>) -> String {
    value.map_or_else(|| "nothing".to_owned(), ToString::to_string)
}
