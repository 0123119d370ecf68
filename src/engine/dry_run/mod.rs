//! Dry runs: evaluate policies about one person. The policies of an edited tree are evaluated about recorded events;
//! any policies are evaluated about a made-up event or for their sweeps. The person's current record is read. Nothing
//! is recorded and nothing opens.
//!
//! | file | what |
//! |---|---|
//! | `question` | the question, and its check |
//! | `answers` | answers to the questions of the intake, without effect |
//! | `sweep` | whether sweeps would pick a person, by current state |

mod answers;
mod question;
mod sweep;

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::api::all;
use crate::api::bounds::EventLimit;
use crate::api::explain::{Answer, DryRun, DryRunAnswer, DryRunLine, Explained, Occasion, Then};
use crate::case::intake::{self, Answer as Said, Modes, NotAsked, Reaction, asked_about};
use crate::case::{Decidable, OpenedBy, Stopped, decidable};
use crate::model::{Clock, Event, Fields, Origin, Subject, SubjectKind, Timestamp, Verdict};
use crate::policy::diagnostic::{once, render};
use crate::policy::given::fault;
use crate::policy::tree::Trigger;
use crate::policy::{Diagnostic, Files, Known, Loaded, Mode, Policy, PolicySet, Severity, load, schema};
use crate::rollout::Rollout;
use crate::store::{AskedAbout, Store};

use super::cases::Cases;
use super::explain::{Explanations, reacts_to, traced};
use super::intake::Intake;
use super::metrics::Metrics;
use super::reasons::Reasons;
use super::sources::{Sources, Whom};
use answers::{Dry, would_be};
use question::{BY_HAND, BY_SWEEP, change, check, wrong};

pub use question::Untried;

/// The key of a made-up event.
const MADE_UP: &str = "made-up";

/// Most recorded events of a person that are searched.
const LOOKED_THROUGH: usize = 1_000;

/// The occasion that policies are evaluated for.
enum About {
    Hand,
    Sweep,
    /// Newest first.
    Recorded(Vec<Event>),
    MadeUp(Box<Event>),
}

/// The policies to evaluate, by the names that the tree declares. `None`: the policy has errors.
struct Asking {
    policies: BTreeMap<String, Option<Arc<Policy>>>,
    errors: Vec<Diagnostic>,
    text: String,
}

/// State that is the same for every policy.
struct Round<'a> {
    dry_run: &'a DryRun,
    whom: &'a Whom,
    about: About,
    now: Timestamp,
    raw_identity: bool,
    /// Subjects read so far, by kind and, for recorded events, by event.
    people: BTreeMap<(SubjectKind, Option<String>), Option<Subject>>,
}

/// A handle on dry runs.
#[derive(Debug, Clone)]
pub struct DryRuns {
    pub(super) known: Known,
    pub(super) store: Store,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) rollout: Rollout,
    pub(super) cases: Cases,
    pub(super) sources: Sources,
    pub(super) intake: Intake,
    pub(super) explanations: Explanations,
    pub(super) metrics: Arc<Metrics>,
}

impl DryRuns {
    /// Without `raw_identity`, values read from documents are left out.
    pub async fn run(&self, dry_run: &DryRun, raw_identity: bool) -> Result<DryRunAnswer, Untried> {
        let whom = self.sources.whom(dry_run.subject.as_str())?.map_err(Untried::Wrong)?;
        check(dry_run, whom.kind, &self.known.vocabulary)?;
        let mut asking = self.asking(dry_run).await?;
        if let Some(name) = &dry_run.policy {
            asking.policies.retain(|policy, _| policy == name);
            if asking.policies.is_empty() {
                return Err(Untried::Missing("policy"));
            }
        }
        let now = self.clock.now();
        let about = self.about(dry_run, &whom, now)?;
        let people = BTreeMap::new();
        let mut round = Round { dry_run, whom: &whom, about, now, raw_identity, people };
        let mut items = Vec::new();
        for (name, policy) in asking.policies {
            match policy {
                Some(policy) => items.extend(self.try_policy(&policy, &mut round).await?),
                None => items.push(DryRunLine::plain(Explained {
                    policy: name,
                    verdict: Answer::NotLoaded,
                    says: "it has errors and would not be active".to_owned(),
                    ..Explained::default()
                })),
            }
        }
        let Asking { errors, text, .. } = asking;
        Ok(DryRunAnswer {
            subject: dry_run.subject.clone().into(),
            at: now,
            items,
            next: None,
            errors: all(&errors),
            text,
        })
    }

    async fn asking(&self, dry_run: &DryRun) -> Result<Asking, Untried> {
        let Some(files) = &dry_run.files else {
            let active = self.rollout.active();
            let policies =
                active.set.policies.iter().map(|(name, policy)| (name.clone(), Some(Arc::clone(policy))));
            return Ok(Asking { policies: policies.collect(), errors: Vec::new(), text: String::new() });
        };
        let files: Files = files.iter().map(|(path, text)| (path.clone(), text.as_bytes())).collect();
        let known = self.known.clone();
        let loaded = tokio::task::spawn_blocking(move || (load(&files, &known), files)).await;
        let Ok((loaded, files)) = loaded else { return wrong("internal error while loading the tree") };
        let Loaded { set, diagnostics, declared, .. } = loaded;
        if declared.is_empty() {
            return wrong("no policy found in the files; a policy is a directory with a policy.yaml");
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

    fn about(&self, dry_run: &DryRun, whom: &Whom, now: Timestamp) -> Result<About, Untried> {
        let wanted = &dry_run.event;
        if let Some(type_) = &wanted.kind {
            if type_.as_str() == BY_HAND {
                return Ok(About::Hand);
            }
            if type_.as_str() == BY_SWEEP {
                return Ok(About::Sweep);
            }
            let mut event = Event {
                key: MADE_UP.to_owned(),
                near: Vec::new(),
                leaves: Vec::new(),
                kind: type_.clone(),
                also: Vec::new(),
                source: if whom.source.is_empty() { MADE_UP.to_owned() } else { whom.source.clone() },
                time: now,
                // Each policy sets the kind where the query leaves it out.
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
            self.recorded(&whom.person(), dry_run.at.map_or(now, |at| at.0), wanted.key.as_deref())?;
        for event in &mut events {
            if let Some(says) = fault("event", &schema::fields_of_event(&event.kind), &wanted.fields) {
                return wrong(says);
            }
            change(event, &wanted.fields);
        }
        Ok(About::Recorded(events))
    }

    /// Returns the recorded events of a person, newest first. An event that is requested by key must exist.
    fn recorded(&self, person: &str, until: Timestamp, key: Option<&str>) -> Result<Vec<Event>, Untried> {
        let about = AskedAbout { event: key, ..AskedAbout::person(person, until) };
        let events = self.store.events_of(about, LOOKED_THROUGH)?;
        if key.is_some() && events.is_empty() {
            return Err(Untried::Missing("event of this person; old events are removed from the record"));
        }
        Ok(events)
    }

    async fn try_policy(
        &self,
        policy: &Arc<Policy>,
        round: &mut Round<'_>,
    ) -> Result<Vec<DryRunLine>, Untried> {
        let base = self.base(policy);
        let no = |says: String| {
            let says = format!("not evaluated: {says}");
            Ok(vec![DryRunLine::plain(Explained { verdict: Answer::NotAsked, says, ..base.clone() })])
        };
        if let Some(why) = NotAsked::of_person(policy, round.whom.kind, &round.whom.source) {
            return no(why.sentence(policy));
        }
        let reacts = base.reacts_to.join(", ");
        let events: Vec<Option<Event>> = match &round.about {
            About::Sweep => return self.try_sweeps(policy, &base, round).await,
            About::Hand => vec![None],
            About::MadeUp(event) => vec![Some(fitted(event, policy))],
            About::Recorded(events) => {
                let last = round.dry_run.last.map_or(1, EventLimit::get);
                let set = PolicySet::new([Arc::clone(policy)]);
                let asked = |event: &Event| !asked_about(event, &set, Modes::AllEnforced).is_empty();
                let fitting = events.iter().map(|event| fitted(event, policy));
                fitting.filter(asked).take(last).map(Some).collect()
            }
        };
        if events.is_empty() {
            return no(format!(
                "no recorded event of this person triggers it (it reacts to {reacts}); \
                 only events that triggered a policy are recorded"
            ));
        }
        let mut tried = Vec::new();
        for event in events {
            tried.push(self.try_event(policy, event.as_ref(), &base, round).await?);
        }
        Ok(tried)
    }

    async fn try_event(
        &self,
        policy: &Arc<Policy>,
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
        let (modes, now) = (Modes::AllEnforced, round.now);
        let step = match event {
            Some(event) => {
                let asked = asked_about(event, &PolicySet::new([Arc::clone(policy)]), modes);
                intake::event(event.clone(), asked, modes, u32::MAX, now)
            }
            None => {
                let by = OpenedBy::Hand { by: String::new(), reason: String::new(), nonce: String::new() };
                intake::by_hand(policy, round.whom.reference(policy.subject), by, modes, now)
            }
        };
        let mut dry = Dry { policy, event, known: None, restarts: false };
        let mut answers = self.answers(step, &mut dry, round).await?;
        if let Some(person) = dry.known.clone() {
            tried.explained.subject = Some(person.reference());
            // The daemon would evaluate no policy; the answer of this one is shown all the same.
            let not_decidable = event.and_then(|event| Some((event, not_decidable(event, &person)?)));
            if let Some((event, why)) = not_decidable {
                tried.notes.push(why);
                let step = intake::offer(policy, event.clone(), person, modes, now);
                answers.retain(|answer| !matches!(answer, Said::NoSubject(_)));
                answers.extend(self.answers(step, &mut dry, round).await?);
            }
        }
        let last = answers.pop();
        for before in answers {
            let mut other = DryRunLine::plain(base.clone());
            self.tell(before, &dry, &mut other, round)?;
            tried.notes.push(format!("also: {}", other.explained.says));
        }
        match last {
            Some(answer) => self.tell(answer, &dry, &mut tried, round)?,
            None => {
                let kind = event.map(|event| event.kind.to_string()).unwrap_or_default();
                let reacts = base.reacts_to.join(", ");
                tried = DryRunLine::plain(base.clone());
                tried.explained.says = format!("not evaluated for {kind}; it reacts to {reacts}");
                return Ok(tried);
            }
        }
        if tried.explained.verdict != Answer::NotAsked {
            tried.notes.extend(of_mode(policy));
        }
        Ok(tried)
    }

    /// Formats an answer.
    fn tell(
        &self,
        answer: Said,
        dry: &Dry<'_>,
        tried: &mut DryRunLine,
        round: &Round<'_>,
    ) -> Result<(), Untried> {
        let policy = dry.policy;
        let (verdict, says, case) = match answer {
            Said::NotAsked(why) => {
                let reacts = tried.explained.reacts_to.join(", ");
                let says = format!("not evaluated: {}; it reacts to {reacts}", why.sentence(policy));
                (Answer::NotAsked, says, None)
            }
            Said::NoSubject(_) => {
                let says =
                    format!("no person to decide about: {}/{} does not exist", policy.subject, round.whom.id);
                (Answer::NoSubject, says, None)
            }
            Said::Clause(stopped) => {
                let stopped = dry.traced(stopped, round.now);
                stop(&mut tried.explained, Verdict::Clause, stopped, round.raw_identity);
                return Ok(());
            }
            Said::Where(stopped) => {
                stop(&mut tried.explained, Verdict::Where, stopped, round.raw_identity);
                return Ok(());
            }
            Said::CouldNotDecide(stopped) => {
                stop(&mut tried.explained, Verdict::CouldNotDecide, stopped, round.raw_identity);
                return Ok(());
            }
            Said::Opened(id) if id == would_be() => {
                (by_mode(policy, Answer::WouldOpen), "a case would open".to_owned(), None)
            }
            Said::Opened(id) => (Answer::Opened, format!("the event opened the open case {id}"), Some(id)),
            Said::Reached(id, Reaction::Joined) if dry.restarts => {
                let says = format!("the open case {id} would close and a new one open");
                (by_mode(policy, Answer::WouldRestart), says, Some(id))
            }
            Said::Reached(id, Reaction::Joined) => {
                let says = format!("the event would join the open case {id}");
                (by_mode(policy, Answer::WouldJoin), says, Some(id))
            }
            Said::Reached(id, Reaction::Cancelled) => {
                let says = format!("the event would close the open case {id}");
                (by_mode(policy, Answer::WouldCancel), says, Some(id))
            }
            Said::Reached(id, Reaction::Ignored) => {
                (Answer::Ignored, Verdict::Ignored.sentence(id.as_str()), Some(id))
            }
            Said::AlreadyOpen(id) => {
                let verdict = if dry.event.is_none() && matches!(round.about, About::Hand) {
                    by_mode(policy, Answer::Refused)
                } else {
                    Answer::OpenCase
                };
                (verdict, format!("a case is open already: {id}"), Some(id))
            }
            Said::Gone(id) => (Answer::Gone, format!("the open case {id} cannot be read"), None),
            other @ (Said::Unknown(_)
            | Said::Disabled
            | Said::NotDue(_)
            | Said::Shadow(_)
            | Said::Duplicate) => {
                let verdict = other.verdict().map_or(Answer::NotDue, Answer::from);
                (verdict, other.detail(policy), None)
            }
        };
        if let Some(id) = case {
            tried.explained.case = self.explanations.case_of(id.as_str(), false)?;
        }
        tried.explained.verdict = verdict;
        tried.explained.says = says;
        Ok(())
    }

    fn base(&self, policy: &Policy) -> Explained {
        let active = self.rollout.active();
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
        let about = AskedAbout {
            policy: Some(&policy.name),
            event: Some(&event.key),
            ..AskedAbout::person(person, self.clock.now())
        };
        let Some(found) = self.store.asked(about, 1)?.pop() else { return Ok(None) };
        let asked = Reasons::new(&self.rollout.revisions).of(found)?;
        Ok(Some(Then {
            at: asked.at,
            says: asked.said.verdict.sentence(&asked.said.detail),
            verdict: asked.said.verdict.into(),
        }))
    }
}

impl DryRunLine {
    fn plain(explained: Explained) -> Self {
        Self { explained, notes: Vec::new(), then: None }
    }
}

/// Programs that read only the verdict must not mistake it for an opened case.
fn by_mode(policy: &Policy, verdict: Answer) -> Answer {
    match policy.mode {
        Mode::Enforce => verdict,
        Mode::Shadow => Answer::Shadow,
        Mode::Disabled => Answer::Disabled,
    }
}

/// Returns a note if the policy's mode opens no cases.
fn of_mode(policy: &Policy) -> Option<String> {
    let says = match policy.mode {
        Mode::Enforce => return None,
        Mode::Shadow => "shadow mode: it opens no cases",
        Mode::Disabled => "disabled: it opens no cases",
    };
    Some(says.to_owned())
}

/// Returns the event as it is offered to one policy, which determines the subject's kind.
fn fitted(event: &Event, policy: &Policy) -> Event {
    let mut event = event.clone();
    let open = event.key == MADE_UP || event.kind.is_custom();
    if open {
        event.subject.kind = policy.subject;
    }
    event
}

/// Returns the event's type by the name that the policy uses.
fn named_as(policy: &Policy, event: &Event) -> String {
    let all = std::iter::once(&event.kind).chain(&event.also);
    let mut known =
        all.filter(|kind| policy.when.iter().any(|one| matches!(one, Trigger::Event(of) if of == *kind)));
    known.next().unwrap_or(&event.kind).to_string()
}

/// Returns why the daemon would evaluate no policy about the event now.
fn not_decidable(event: &Event, subject: &Subject) -> Option<String> {
    match decidable(event, subject) {
        Decidable::Yes => None,
        Decidable::NotYet => Some("policies are evaluated only after the address is confirmed".to_owned()),
        Decidable::Never(state) => {
            Some(format!("policies would not be evaluated now: the registration is {state}"))
        }
    }
}

fn stop(explained: &mut Explained, verdict: Verdict, stopped: Stopped, raw_identity: bool) {
    explained.verdict = verdict.into();
    explained.says = verdict.sentence(&stopped.says);
    (explained.clauses, explained.changes) = traced(stopped.trace, raw_identity);
}
