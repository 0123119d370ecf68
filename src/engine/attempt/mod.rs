//! What policies would say to a person: those of an edited tree about events that were recorded, or any about
//! an event that never happened, or whether their sweeps would pick the person. The person is read as they are now; nothing is recorded, nothing is opened.
//!
//! | file | what |
//! |---|---|
//! | `question` | what is asked, and whether it can be |
//! | `sweep` | whether sweeps would pick somebody, as they are now |

mod question;
mod sweep;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::api::all;
use crate::api::bounds::EventLimit;
use crate::api::explain::{DryRun, DryRunAnswer, DryRunLine, Explained, Occasion, Then};
use crate::case::{Decidable, Offered, Stopped, applicant, decidable, offer_enforced};
use crate::model::{Event, EventType, FailureKind, Fields, Origin, Subject, SubjectKind, Timestamp};
use crate::policy::diagnostic::{once, render};
use crate::policy::given::{fault, put_over};
use crate::policy::tree::{IfAlreadyOpen, Trigger};
use crate::policy::{Diagnostic, Files, Loaded, Mode, Policy, Severity, load, schema};

use super::Engine;
use super::explain::{reacts_to, sentence, traced};
use super::sources::Whom;
use question::{BY_HAND, BY_SWEEP, change, check, wrong};

pub use question::Untried;

/// Recorded events of a person that are looked through, for each policy.
const LOOKED_THROUGH: usize = 1_000;

/// What policies are asked about.
enum About {
    Hand,
    Sweep,
    /// Newest first.
    Recorded(Vec<Event>),
    MadeUp(Box<Event>),
}

/// The policies that are asked, by the names that the tree declares. None: it has errors.
struct Asking {
    policies: BTreeMap<String, Option<Arc<Policy>>>,
    errors: Vec<Diagnostic>,
    text: String,
}

/// What is the same for every policy.
struct Round<'a> {
    attempt: &'a DryRun,
    whom: &'a Whom,
    about: About,
    now: Timestamp,
    raw_identity: bool,
    /// Who was read already, by kind and, for recorded events, by event.
    people: BTreeMap<(SubjectKind, Option<String>), Option<Subject>>,
}

impl Engine {
    /// Without `raw_identity` what was read from documents is left out.
    pub async fn try_policies(&self, attempt: &DryRun, raw_identity: bool) -> Result<DryRunAnswer, Untried> {
        let whom = self.whom(attempt.subject.as_str())?.map_err(Untried::Wrong)?;
        check(attempt, whom.kind, &self.0.settings.rollout.known.vocabulary)?;
        let mut asking = self.asking(attempt).await?;
        if let Some(name) = &attempt.policy {
            asking.policies.retain(|policy, _| policy == name);
            if asking.policies.is_empty() {
                return Err(Untried::Missing("policy"));
            }
        }
        let now = self.now();
        let about = self.about(attempt, &whom, now)?;
        let people = BTreeMap::new();
        let mut round = Round { attempt, whom: &whom, about, now, raw_identity, people };
        let mut items = Vec::new();
        for (name, policy) in asking.policies {
            match policy {
                Some(policy) => items.extend(self.try_policy(&policy, &mut round).await?),
                None => items.push(DryRunLine::plain(Explained {
                    policy: name,
                    verdict: "not_loaded".to_owned(),
                    says: "it has errors and would not run".to_owned(),
                    ..Explained::default()
                })),
            }
        }
        let Asking { errors, text, .. } = asking;
        Ok(DryRunAnswer {
            subject: attempt.subject.clone().into(),
            at: now,
            items,
            next: None,
            errors: all(&errors),
            text,
        })
    }

    async fn asking(&self, attempt: &DryRun) -> Result<Asking, Untried> {
        let Some(files) = &attempt.files else {
            let active = self.active();
            let policies =
                active.set.policies.iter().map(|(name, policy)| (name.clone(), Some(Arc::clone(policy))));
            return Ok(Asking { policies: policies.collect(), errors: Vec::new(), text: String::new() });
        };
        let files: Files = files.iter().map(|(path, text)| (path.clone(), text.as_bytes())).collect();
        let known = self.0.settings.rollout.known.clone();
        let loaded = tokio::task::spawn_blocking(move || (load(&files, &known), files)).await;
        let Ok((loaded, files)) = loaded else { return wrong("loading the tree failed inside") };
        let Loaded { set, diagnostics, declared, .. } = loaded;
        if declared.is_empty() {
            return wrong("there is no policy in the files; each has a folder with a policy.yaml");
        }
        let errors: Vec<_> = once(&diagnostics)
            .into_iter()
            .filter(|found| found.severity == Severity::Error)
            .cloned()
            .collect();
        let policies = declared.into_iter().map(|name| {
            let policy = set.policies.get(&name).cloned();
            (name, policy)
        });
        let text = render(&errors, &files, false);
        Ok(Asking { policies: policies.collect(), errors, text })
    }

    fn about(&self, attempt: &DryRun, whom: &Whom, now: Timestamp) -> Result<About, Untried> {
        let wanted = &attempt.event;
        if let Some(type_) = &wanted.kind {
            if type_.as_str() == BY_HAND {
                return Ok(About::Hand);
            }
            if type_.as_str() == BY_SWEEP {
                return Ok(About::Sweep);
            }
            let mut event = Event {
                key: "made-up".to_owned(),
                near: Vec::new(),
                leaves: Vec::new(),
                kind: type_.clone(),
                also: Vec::new(),
                source: if whom.source.is_empty() { "made-up".to_owned() } else { whom.source.clone() },
                time: now,
                // By policy, where it was not said.
                subject: whom.reference(whom.kind.unwrap_or(SubjectKind::User)),
                actor: None,
                actor_id: None,
                by_subject: false,
                origin: Origin::Unknown,
                ip: None,
                fields: Fields::new(),
            };
            change(&mut event, &wanted.fields);
            return Ok(About::MadeUp(Box::new(event)));
        }
        let mut events =
            self.recorded(&whom.person(), attempt.at.map_or(now, |at| at.0), wanted.key.as_deref())?;
        for event in &mut events {
            if let Some(says) = fault("event", &schema::fields_of_event(&event.kind), &wanted.fields) {
                return wrong(says);
            }
            change(event, &wanted.fields);
        }
        Ok(About::Recorded(events))
    }

    /// What was recorded of a person, newest first. The event with a key has to be there.
    fn recorded(&self, person: &str, until: Timestamp, key: Option<&str>) -> Result<Vec<Event>, Untried> {
        let store = &self.0.store;
        let mut keys = BTreeSet::new();
        for policy in store.policies_asked(person)? {
            let asked = store.asked(person, &policy, until, LOOKED_THROUGH)?;
            let wanted = asked.into_iter().filter(|asked| key.is_none_or(|key| asked.event == key));
            keys.extend(wanted.map(|asked| (std::cmp::Reverse(asked.at), asked.event)));
        }
        let mut seen = BTreeSet::new();
        let mut events = Vec::new();
        for (_, key) in keys {
            if seen.insert(key.clone()) {
                events.extend(store.event(&key)?);
            }
        }
        if key.is_some() && events.is_empty() {
            return Err(Untried::Missing(
                "event of this person; what policies were asked about long ago is forgotten",
            ));
        }
        Ok(events)
    }

    async fn try_policy(&self, policy: &Policy, round: &mut Round<'_>) -> Result<Vec<DryRunLine>, Untried> {
        let base = self.base(policy);
        let no = |verdict: &str, says: String| {
            let (verdict, base) = (verdict.to_owned(), base.clone());
            Ok(vec![DryRunLine::plain(Explained { verdict, says, ..base })])
        };
        if round.whom.kind.is_some_and(|kind| kind != policy.subject) {
            return no("not_asked", format!("not asked: it is about {}", policy.subject.one()));
        }
        if policy.subject != SubjectKind::Applicant && !policy.takes(&round.whom.source) {
            return no(
                "not_asked",
                format!("not asked: it is about people of {}", policy.sources.join(", ")),
            );
        }
        let reacts = base.reacts_to.join(", ");
        let events: Vec<Option<Event>> = match &round.about {
            About::Sweep => return self.try_sweeps(policy, &base, round).await,
            About::Hand if policy.manual() => vec![None],
            About::Hand => {
                return no(
                    "not_asked",
                    format!("not asked: it is not started by hand; it reacts to {reacts}"),
                );
            }
            About::MadeUp(event) => {
                let event = fitted(event, policy);
                if !names(policy, &event) {
                    return no("not_asked", format!("not asked about {}; it reacts to {reacts}", event.kind));
                }
                vec![Some(event)]
            }
            About::Recorded(events) => {
                let last = round.attempt.last.map_or(1, EventLimit::get);
                let fitting = events.iter().map(|event| fitted(event, policy));
                fitting.filter(|event| names(policy, event)).take(last).map(Some).collect()
            }
        };
        if events.is_empty() {
            return no(
                "not_asked",
                format!(
                    "not asked: no event that it reacts to is recorded of this person (it reacts to {reacts}); \
                 only events that some policy was asked about then are"
                ),
            );
        }
        let mut tried = Vec::new();
        for event in events {
            tried.push(self.try_event(policy, event.as_ref(), &base, round).await?);
        }
        Ok(tried)
    }

    async fn try_event(
        &self,
        policy: &Policy,
        event: Option<&Event>,
        base: &Explained,
        round: &mut Round<'_>,
    ) -> Result<DryRunLine, Untried> {
        let mut tried = DryRunLine::plain(base.clone());
        let explained = &mut tried.explained;
        explained.asked_at = Some(round.now);
        explained.event = Some(match event {
            Some(event) => {
                Occasion { key: event.key.clone(), kind: named_as(policy, event), time: event.time }
            }
            None => Occasion { key: BY_HAND.to_owned(), kind: BY_HAND.to_owned(), time: round.now },
        });
        let recorded = matches!(round.about, About::Recorded(_));
        if let Some(event) = event.filter(|_| recorded) {
            tried.then = self.then(&round.whom.person(), policy, event)?;
        }
        let Some(mut subject) = self.person(policy, event, recorded, round).await? else {
            explained.verdict = "no_subject".to_owned();
            explained.says =
                format!("nobody to decide about: there is no {}/{} now", policy.subject, round.whom.id);
            return Ok(tried);
        };
        put_over(&mut subject.fields, &round.attempt.person);
        explained.subject = Some(subject.reference());
        tried.notes.extend(event.and_then(|event| not_decidable(event, &subject)));
        match offer_enforced(policy, event, &subject, round.now) {
            Offered::Opens(key) => self.would_be(policy, &key, event, &mut tried)?,
            Offered::Clause(stopped) => stop(explained, "clause", stopped, round.raw_identity),
            Offered::CouldNotDecide(stopped) => {
                stop(explained, "could_not_decide", stopped, round.raw_identity);
            }
            // Asked as if it were enforced, so that it says something.
            Offered::Disabled | Offered::Shadow(_) => {}
        }
        tried.notes.extend(of_mode(policy));
        Ok(tried)
    }

    fn would_be(
        &self,
        policy: &Policy,
        key: &str,
        event: Option<&Event>,
        tried: &mut DryRunLine,
    ) -> Result<(), Untried> {
        let open = self.0.store.open_case(&policy.name, key)?;
        let (verdict, says) = match (&open, event, policy.if_already_open) {
            (None, ..) | (Some(_), None, IfAlreadyOpen::OpenAnother) => {
                ("would_open", "a case would open".to_owned())
            }
            (Some(id), None, _) => ("refused", format!("there is an open case already: {id}")),
            (Some(id), Some(_), IfAlreadyOpen::Restart) => {
                ("would_restart", format!("the open case {id} would end and another begin"))
            }
            (Some(id), Some(_), IfAlreadyOpen::Cancel) => {
                ("would_cancel", format!("the event would end the open case {id}"))
            }
            (Some(id), Some(_), IfAlreadyOpen::Attach | IfAlreadyOpen::OpenAnother) => {
                ("would_join", format!("the event would join the open case {id}"))
            }
        };
        if let Some(id) = open {
            tried.explained.case = self.case_of(id.as_str(), false)?;
        }
        tried.explained.verdict = by_mode(policy, verdict).to_owned();
        tried.explained.says = says;
        Ok(())
    }

    fn base(&self, policy: &Policy) -> Explained {
        let active = self.active();
        let runs = active.set.policies.get(&policy.name);
        Explained {
            policy: policy.name.clone(),
            title: policy.title.clone(),
            mode: Some(policy.mode.into()),
            revision: Some(policy.revision.0.clone()),
            revised_since: runs.is_some_and(|runs| runs.revision != policy.revision),
            reacts_to: reacts_to(policy),
            ..Explained::default()
        }
    }

    fn then(&self, person: &str, policy: &Policy, event: &Event) -> Result<Option<Then>, Untried> {
        let asked = self.0.store.asked(person, &policy.name, self.now(), LOOKED_THROUGH)?;
        Ok(asked.into_iter().find(|asked| asked.event == event.key).map(|asked| Then {
            at: asked.at,
            says: sentence(&asked.said.verdict, &asked.said.detail),
            verdict: asked.said.verdict,
        }))
    }

    /// The person as they are now.
    async fn person(
        &self,
        policy: &Policy,
        event: Option<&Event>,
        recorded: bool,
        round: &mut Round<'_>,
    ) -> Result<Option<Subject>, Untried> {
        // In no identity provider yet: the event is all there is.
        if policy.subject == SubjectKind::Applicant {
            return Ok(event.map(applicant));
        }
        let reference = match event {
            Some(event) => event.subject.clone(),
            None => round.whom.reference(policy.subject),
        };
        let event = event.filter(|_| recorded);
        let key = (policy.subject, event.map(|event| event.key.clone()));
        if let Some(subject) = round.people.get(&key) {
            return Ok(subject.clone());
        }
        let source = self.provider_of(&reference.source).map_err(Untried::Wrong)?;
        let subject = source.subject(&reference, event).await.map_err(|failure| match failure.kind {
            FailureKind::Refused => Untried::Wrong(failure.reason),
            FailureKind::Unavailable | FailureKind::Changed | FailureKind::NotEnrolled => {
                self.0.metrics.connector_failed(&reference.source);
                Untried::Unreachable(failure.reason)
            }
        })?;
        round.people.insert(key, subject.clone());
        Ok(subject)
    }
}

impl DryRunLine {
    fn plain(explained: Explained) -> Self {
        Self { explained, notes: Vec::new(), then: None }
    }
}

/// Programs that read the verdict alone must not take it for a case.
fn by_mode(policy: &Policy, verdict: &'static str) -> &'static str {
    match policy.mode {
        Mode::Enforce => verdict,
        Mode::Shadow => "shadow",
        Mode::Disabled => "disabled",
    }
}

/// What the policy's mode makes of a yes.
fn of_mode(policy: &Policy) -> Option<String> {
    let says = match policy.mode {
        Mode::Enforce => return None,
        Mode::Shadow => "it runs as a shadow: it opens nothing",
        Mode::Disabled => "it is disabled: it opens nothing",
    };
    Some(says.to_owned())
}

/// An event as it is handed to one policy, which says what kind of person it is about.
fn fitted(event: &Event, policy: &Policy) -> Event {
    let mut event = event.clone();
    let open = event.key == "made-up" || event.kind.as_str().starts_with("custom.");
    if open {
        event.subject.kind = policy.subject;
    }
    event
}

/// Whether one of its triggers names the event.
fn names(policy: &Policy, event: &Event) -> bool {
    let named = |kind: &EventType| *kind == event.kind || event.also.contains(kind);
    event.subject.kind == policy.subject
        && policy.when.iter().any(|trigger| matches!(trigger, Trigger::Event(kind) if named(kind)))
}

/// The event's type by the name that the policy knows it by.
fn named_as(policy: &Policy, event: &Event) -> String {
    let all = std::iter::once(&event.kind).chain(&event.also);
    let mut known =
        all.filter(|kind| policy.when.iter().any(|one| matches!(one, Trigger::Event(of) if of == *kind)));
    known.next().unwrap_or(&event.kind).to_string()
}

/// Why the daemon would not ask any policy about the event now.
fn not_decidable(event: &Event, subject: &Subject) -> Option<String> {
    match decidable(event, subject) {
        Decidable::Yes => None,
        Decidable::NotYet => Some("no policy is asked before the address is confirmed".to_owned()),
        Decidable::Never(state) => {
            Some(format!("no policy would be asked about it now: the registration is {state}"))
        }
    }
}

fn stop(explained: &mut Explained, verdict: &str, stopped: Stopped, raw_identity: bool) {
    explained.verdict = verdict.to_owned();
    explained.says = sentence(verdict, &stopped.says);
    (explained.clauses, explained.changes) = traced(stopped.trace, raw_identity);
}
