//! What the recorded past says of revisions before they run.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

use chrono::TimeDelta;

use crate::model::{EventType, Timestamp};
use crate::policy::tree::Verb;
use crate::policy::{Policy, PolicySet, Revision};
use crate::store;
use crate::store::page::{CaseThen, ConsumedThen, Page};
use crate::trial::Terms;
use crate::trial::past::{Changed, Consumed, Gatherer, Interest, Noted, Past, PolicyPast, back_test};

use super::Engine;
use super::intake::OWN_CHANGE;
use super::replay::INVITE_GRACE;

/// Events that are walked at once; of more, the newest.
const MOST_EVENTS: usize = 150_000;
/// Nobody's cases take as many turns.
const MOST_TURNS: u64 = 20_000;

/// Effect to the people whom edits would have newly met.
pub type Newly = BTreeMap<String, usize>;

/// One policy before and after an edit; none: it is not there.
#[derive(Debug, Clone)]
pub struct Edited {
    pub name: String,
    pub before: Option<Arc<Policy>>,
    pub after: Option<Arc<Policy>>,
    /// What runs while the edit waits: mostly what was before.
    pub runs: Option<Arc<Policy>>,
    /// What the edits just before it would have done, which were let pass.
    pub earlier: Newly,
    /// The revision from which small changes are added up.
    pub began: Option<Revision>,
    /// The past spoke against it before; that stands.
    pub judged: bool,
    /// It waits for what the past says. The others only belong to the same edit.
    pub judge: bool,
}

impl Edited {
    pub fn new(name: &str, before: Option<Arc<Policy>>, after: Option<Arc<Policy>>) -> Self {
        let (runs, earlier) = (before.clone(), Newly::new());
        let began = None;
        Self { name: name.to_owned(), runs, before, after, earlier, began, judged: false, judge: false }
    }

    /// Whether others may hear of its verifications.
    fn verifies(&self) -> bool {
        self.before.iter().chain(&self.after).any(|policy| verifies(policy))
    }
}

pub(super) fn verifies(policy: &Policy) -> bool {
    policy.steps.iter().any(|step| matches!(step.verb, Verb::Verify(_)))
}

/// Whether it acts on verifications of other policies.
pub(super) fn hears_of_passes(policy: &Policy) -> bool {
    policy.hears().any(|kind| kind.as_str() == EventType::VERIFICATION_PASSED)
}

/// Policies that nobody edits and that hear of what edited ones verify. They are walked with them.
fn hearers(edited: &[Edited], running: &PolicySet) -> Vec<Edited> {
    if !edited.iter().any(Edited::verifies) {
        return Vec::new();
    }
    let others = running.policies.values().filter(|policy| edited.iter().all(|one| one.name != policy.name));
    let hearers = others.filter(|policy| hears_of_passes(policy));
    hearers.map(|policy| Edited::new(&policy.name, Some(policy.clone()), Some(policy.clone()))).collect()
}

/// How far a look at the past is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    /// For another one to end.
    Waiting,
    /// The journal is read; so many records.
    Reading { records: usize },
    /// So many people of all.
    Walking { done: usize, of: usize },
}

/// What is told of progress; called from several threads.
pub type Told = dyn Fn(Progress) + Send + Sync;

/// Whether the answer is still wanted.
pub type Wanted = dyn Fn() -> bool + Send + Sync;

/// What the past says.
#[derive(Debug, Clone, Default)]
pub struct Foreseen {
    pub span: Span,
    pub policies: BTreeMap<String, Arc<PolicyPast>>,
}

/// What was looked at.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Span {
    pub from: Timestamp,
    pub to: Timestamp,
    pub events: usize,
    pub cases: usize,
    pub people: usize,
    /// There was more; the oldest was left out.
    pub cut: bool,
}

impl Engine {
    /// Walks what was recorded with what runs and with what is to run. It takes a while and blocks.
    pub fn foresee(&self, edited: &[Edited], told: &Told, wanted: &Wanted) -> Result<Foreseen, store::Error> {
        let hearers = hearers(edited, &self.active().set);
        let walked = [edited, &hearers].concat();
        let past = self.past(&walked, told, wanted)?;
        let side = |of: fn(&Edited) -> &Option<Arc<Policy>>| {
            Arc::new(PolicySet::new(walked.iter().filter_map(|edited| of(edited).clone())))
        };
        let (running, next) = (side(|edited| &edited.before), side(|edited| &edited.after));
        let of = past.people.len();
        let done = |done: usize| told(Progress::Walking { done, of });
        let mut policies = back_test(&past, &running, &next, &self.past_terms(), &done, wanted);
        if !wanted() {
            return Err(store::Error::Closed);
        }
        let span = Span {
            from: past.from,
            to: past.to,
            events: past.events,
            cases: past.cases,
            people: of,
            cut: past.cut,
        };
        let heard_by: Vec<PolicyPast> = policies
            .extract_if(.., |past| hearers.iter().any(|hearer| hearer.name == past.policy))
            .filter(|past| past.different > 0)
            .collect();
        for past in &mut policies {
            if edited.iter().any(|edited| edited.name == past.policy && edited.verifies()) {
                past.heard_by.clone_from(&heard_by);
            }
        }
        let policies = policies.into_iter().map(|past| (past.policy.clone(), Arc::new(past))).collect();
        Ok(Foreseen { span, policies })
    }

    /// What is the same for every decision, as it is for those that were recorded.
    pub fn past_terms(&self) -> Terms {
        let settings = &self.0.settings;
        Terms {
            links: self.0.links.clone(),
            organization: settings.organization.clone(),
            sinks: settings.sinks.clone(),
            poll_every: settings.poll_every.clone(),
            invite_grace: INVITE_GRACE,
            consistency: settings.consistency.clone(),
            enforced: false,
            // What a limit would have held is what is to be seen.
            unlimited: true,
            most_turns: MOST_TURNS,
        }
    }

    /// What was recorded about these policies.
    pub fn past(&self, edited: &[Edited], told: &Told, wanted: &Wanted) -> Result<Past, store::Error> {
        let now = self.now();
        let since = now - self.0.settings.look_back.max(TimeDelta::hours(1));
        let running = PolicySet::new(edited.iter().filter_map(|edited| edited.before.clone()));
        let next: Vec<_> = edited.iter().filter_map(|edited| edited.after.clone()).collect();
        let others_answer = edited.iter().any(|edited| edited.before.is_none());
        let interest = Interest::new(since, running, &next, others_answer);
        let compiled = Compiled { engine: self, policies: Mutex::new(HashMap::new()) };
        let (mut gatherer, mut records) = (Gatherer::new(&interest), 0);
        self.0.store.history(&|commit| picked(&interest, &compiled, commit), &mut |noted: Vec<Noted>| {
            noted.into_iter().for_each(|noted| gatherer.take(noted));
            records += 1;
            if records % 4_096 == 0 {
                told(Progress::Reading { records });
            }
            gatherer.cut_to(MOST_EVENTS);
            wanted()
        })?;
        Ok(gatherer.gathered(now, MOST_EVENTS))
    }
}

/// What of a commit matters, in its order.
fn picked(interest: &Interest, compiled: &Compiled<'_>, commit: Page) -> Vec<Noted> {
    let mut noted = Vec::new();
    for changed in commit.cases {
        let CaseThen { case, ended, effects, recorded: Some(recorded) } = changed else {
            continue;
        };
        let wanted = interest.wants(&case.policy) && interest.is_recent(recorded.facts.now);
        let policy = if wanted { compiled.get(&case.policy, &case.revision) } else { None };
        let (case, ended, effects) = (&case, ended.as_deref(), effects.as_slice());
        noted.extend(interest.changed(Changed { case, ended, effects, recorded, policy: policy.as_deref() }));
    }
    noted.extend(commit.received.into_iter().filter_map(|event| interest.received(event)));
    for consumed in commit.consumed {
        let own = consumed.verdicts.iter().any(|said| said.verdict == OWN_CHANGE);
        let asked =
            consumed.verdicts.iter().map(|said| (said.policy.clone(), said.revision.clone())).collect();
        let ConsumedThen { key, at, people, .. } = consumed;
        noted.push(interest.consumed(Consumed { key, at, own, asked, people }));
    }
    noted.extend(commit.pauses.into_iter().map(Interest::paused));
    noted
}

/// The revisions that recorded cases followed.
struct Compiled<'a> {
    engine: &'a Engine,
    policies: Mutex<HashMap<Revision, Option<Arc<Policy>>>>,
}

impl Compiled<'_> {
    fn get(&self, name: &str, revision: &Revision) -> Option<Arc<Policy>> {
        let mut policies = self.policies.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(policy) = policies.get(revision) {
            return policy.clone();
        }
        let inner = &self.engine.0;
        // Not with those that open cases follow, which are kept.
        let policy = inner.revisions.peek(name, revision, &inner.store, &inner.settings.known).ok();
        policies.insert(revision.clone(), policy.clone());
        policy
    }
}
