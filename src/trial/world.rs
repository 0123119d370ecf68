//! Cases in a simulated world. Cases wake in the order of their times. Due calls begin in parallel, as in the daemon,
//! and then end at once, in sequence. All decisions use the daemon's functions.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::sync::Arc;

use chrono::TimeDelta;

use super::environment::Environment;
use super::outside::Outside;
use super::past::Undecided;
use super::story::{Happened, What, deed};
use super::terms::{Terms, here};
use crate::case::{
    Advance, Case, Cause, Counters, Facts, Hold, Input, Note, Purpose, Recorded, Refused, State, known_as,
};
use crate::model::{
    Action, Call, CaseId, DocumentUse, EffectKind, Enrolment, Event, Fingerprints, Pause, Subject,
    SubjectRef, Timestamp,
};
use crate::policy::{Policy, PolicySet};

/// The world took more turns than its terms allow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the cases never end")]
pub struct TooLong;

#[derive(Debug)]
pub(super) struct Kept {
    pub case: Case,
    pub policy: Arc<Policy>,
    /// The case follows its recorded path, so nothing becomes due on its own.
    pub led: bool,
    /// Why its further course is unknown.
    pub lost: Option<String>,
    knows: Option<(Timestamp, String)>,
    /// Its entry in the order of times.
    due: Option<Timestamp>,
}

/// An event, and how often it was deferred.
#[derive(Debug)]
pub(super) struct Received {
    pub event: Event,
    pub attempts: u32,
}

/// A limited effect whose step was reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reached {
    pub at: Timestamp,
    pub case: CaseId,
    pub action: EffectKind,
}

/// A policy that could not be evaluated for a person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Unasked {
    pub at: Timestamp,
    pub policy: String,
    pub subject: SubjectRef,
    /// The event's type.
    pub event: String,
}

/// A world of cases, simulated for a test or recorded.
#[derive(Debug)]
pub struct World<O = Outside> {
    pub now: Timestamp,
    pub environment: O,
    /// Everything that happened, in order.
    pub story: Vec<Happened>,
    pub reached: Vec<Reached>,
    pub(super) set: Arc<PolicySet>,
    pub(super) terms: Terms,
    pub(super) cases: BTreeMap<CaseId, Kept>,
    /// In the order of opening.
    pub(super) opened: Vec<CaseId>,
    due: BTreeSet<(Timestamp, CaseId)>,
    /// Calls in progress.
    pub(super) under_way: BTreeMap<(CaseId, u32), Call>,
    pub(super) open: HashMap<(String, String), CaseId>,
    /// Cases about a person that are open or still have holds.
    pub(super) about: HashMap<SubjectRef, Vec<CaseId>>,
    /// The same by the account id alone.
    pub(super) accounts: HashMap<String, Vec<CaseId>>,
    /// By person, then by provider.
    enrolments: HashMap<String, BTreeMap<String, Enrolment>>,
    /// Document uses.
    documents: Vec<DocumentUse>,
    pauses: Vec<Pause>,
    pub(super) counters: Counters,
    pub(super) inbox: VecDeque<Received>,
    /// Deferred events by retry time; the number keeps their order.
    pub(super) later: BTreeMap<(Timestamp, u64), Received>,
    pub(super) first_seen: BTreeMap<(String, String), Timestamp>,
    /// Policies that could not be evaluated, because the person's earlier record is unknown.
    pub(super) unasked: Vec<Unasked>,
    pub(super) undecided: Vec<Undecided>,
    turns: u64,
}

impl World {
    pub fn new(policies: impl IntoIterator<Item = Arc<Policy>>, now: Timestamp, terms: Terms) -> Self {
        Self::among(Outside::default(), Arc::new(PolicySet::new(policies)), now, terms)
    }

    /// Makes a provider, endpoint or system unavailable; clocks that wait for a provider stop.
    pub fn goes_down(&mut self, who: &str, until: Option<Timestamp>) {
        self.environment.goes_down(who, until);
        self.pauses.push(Pause { who: who.to_owned(), from: self.now, until });
    }

    pub fn comes_up(&mut self, who: &str) {
        self.environment.comes_up(who);
        let now = self.now;
        for pause in self.pauses.iter_mut().filter(|pause| pause.who == who) {
            pause.until = Some(pause.until.map_or(now, |until| until.min(now)));
        }
    }
}

impl<O: Environment> World<O> {
    pub fn among(environment: O, set: Arc<PolicySet>, now: Timestamp, terms: Terms) -> Self {
        Self {
            now,
            environment,
            story: Vec::new(),
            reached: Vec::new(),
            set,
            terms,
            cases: BTreeMap::new(),
            opened: Vec::new(),
            due: BTreeSet::new(),
            under_way: BTreeMap::new(),
            open: HashMap::new(),
            about: HashMap::new(),
            accounts: HashMap::new(),
            enrolments: HashMap::new(),
            documents: Vec::new(),
            pauses: Vec::new(),
            counters: Counters::default(),
            inbox: VecDeque::new(),
            later: BTreeMap::new(),
            first_seen: BTreeMap::new(),
            unasked: Vec::new(),
            undecided: Vec::new(),
            turns: 0,
        }
    }

    pub fn case(&self, id: &CaseId) -> Option<&Case> {
        self.cases.get(id).map(|kept| &kept.case)
    }

    /// Returns the cases in the order of opening.
    pub fn opened(&self) -> &[CaseId] {
        &self.opened
    }

    /// Sets a person's enrolment at a provider.
    pub fn enrol(&mut self, provider: &str, subject: &Subject, enrolment: Enrolment) {
        self.enrolments.entry(known_as(subject)).or_default().insert(provider.to_owned(), enrolment);
    }

    /// Sets a person's enrolment from before the record, unless one is known.
    pub(super) fn enrolled_before(&mut self, provider: &str, subject: &Subject, enrolment: &Enrolment) {
        let known = self.enrolments.entry(known_as(subject)).or_default();
        known.entry(provider.to_owned()).or_insert_with(|| enrolment.clone());
    }

    /// Adds outages.
    pub(super) fn paused(&mut self, pauses: &[Pause]) {
        self.pauses.extend(pauses.iter().cloned());
    }

    pub(super) fn not_asked_by(&mut self, policy: &Policy, event: String, subject: SubjectRef) {
        self.unasked.push(Unasked { at: self.now, policy: policy.name.clone(), subject, event });
    }

    /// Returns the fingerprints that earlier passes use here.
    pub fn fingerprints(&self) -> &Fingerprints {
        self.terms.links.fingerprints()
    }

    pub fn enrolment(&self, provider: &str, subject: &Subject) -> Option<&Enrolment> {
        self.enrolments.get(&known_as(subject))?.get(provider)
    }

    /// Sets the population, for limits that are shares of it.
    pub fn populated(&mut self, population: u64) {
        self.counters.populated("", population);
    }

    /// Lets time pass up to a moment, and processes everything due.
    pub fn run_until(&mut self, end: Timestamp) -> Result<(), TooLong> {
        loop {
            self.digest()?;
            let due = self.due.first().cloned();
            let again = self.later.first_key_value().map(|((at, _), _)| *at);
            if again.is_some_and(|at| at <= self.now) {
                self.inbox.extend(self.later.pop_first().map(|(_, received)| received));
            } else if let Some((_, id)) = due.as_ref().filter(|(at, _)| *at <= self.now) {
                self.touch(id)?;
            } else if let Some(((id, _), call)) = self.under_way.pop_first() {
                self.end(&id, &call)?;
            } else if let Some(at) = self.next_due().filter(|at| *at <= end) {
                self.now = at;
            } else {
                self.now = self.now.max(end);
                return Ok(());
            }
        }
    }

    /// Processes everything due now.
    pub fn settle(&mut self) -> Result<(), TooLong> {
        self.run_until(self.now)
    }

    /// Returns the next due time.
    pub fn next_due(&self) -> Option<Timestamp> {
        let due = self.due.first().map(|(at, _)| *at);
        due.into_iter().chain(self.later.first_key_value().map(|((at, _), _)| *at)).min()
    }

    /// Sends an event, and processes everything that follows at once.
    pub fn send(&mut self, event: Event) -> Result<(), TooLong> {
        self.inbox.push_back(Received { event, attempts: 0 });
        self.settle()
    }

    /// Applies one input to a case.
    pub fn apply(&mut self, id: &CaseId, input: Input) -> Result<Result<(), Refused>, TooLong> {
        let Some(kept) = self.cases.get(id).filter(|kept| kept.lost.is_none()) else {
            return Ok(Err(Refused::Stale));
        };
        let mut facts = self.facts(&kept.case.subject, Some(&kept.case), &kept.policy);
        if let Input::Outcome { outcome, .. } = &input {
            let of_it = self.documents.iter().filter(|shown| outcome.documents().contains(&shown.document));
            facts.documents = of_it.cloned().collect();
        }
        self.decide(id, &Recorded { cause: Cause::Input(input), facts })
    }

    /// Decides about a case from recorded inputs.
    pub(super) fn decide(
        &mut self,
        id: &CaseId,
        recorded: &Recorded,
    ) -> Result<Result<(), Refused>, TooLong> {
        self.turn()?;
        let Some(kept) = self.cases.get(id) else { return Ok(Err(Refused::Stale)) };
        let policy = Arc::clone(&kept.policy);
        let (first_new, held) = (kept.case.next_call, kept.case.holds.clone());
        match recorded.decide(Some(kept.case.clone()), &policy, &here(&self.terms, &recorded.facts)) {
            Ok(advance) => {
                self.keep(advance, policy, first_new, &held);
                Ok(Ok(()))
            }
            Err(refused) => Ok(Err(refused)),
        }
    }

    pub(super) fn keep(&mut self, advance: Advance, policy: Arc<Policy>, first_new: u32, held: &[Hold]) {
        let Advance { case, entries, effects, events, enrolments, documents } = advance;
        for action in effects {
            self.counters.count(&policy.name, action, self.now);
            self.reached.push(Reached { at: self.now, case: case.id.clone(), action });
        }
        for shown in documents {
            self.documents.retain(|one| one.document != shown.document || one.person != shown.person);
            self.documents.push(shown);
        }
        if !enrolments.is_empty() {
            self.enrolments.entry(known_as(&case.subject)).or_default().extend(enrolments);
        }
        self.inbox.extend(events.into_iter().map(|event| Received { event, attempts: 0 }));
        for entry in entries {
            let began = match &entry.note {
                Note::GraceBegan { until } => Some(*until),
                _ => None,
            };
            self.record(Some(&case.id), What::Entry(entry));
            let pending_adverse = case.pending_adverse.as_ref().or(match &case.state {
                State::Grace(grace) => Some(grace),
                _ => None,
            });
            if let (Some(until), Some(pending_adverse)) = (began, pending_adverse) {
                let deed = deed(&pending_adverse.action, &case, held);
                self.record(Some(&case.id), What::Did { deed, grace: Some(until) });
            }
        }
        let asked = case.calls.range(first_new..).filter(|(_, call)| {
            matches!(call.purpose, Purpose::Step | Purpose::Lift)
                && !matches!(call.action, Action::Mail { .. })
        });
        let mut deeds: Vec<String> = asked.map(|(_, call)| deed(&call.action, &case, held)).collect();
        // One event to several sinks is one effect.
        deeds.dedup();
        for deed in deeds {
            self.record(Some(&case.id), What::Did { deed, grace: None });
        }
        self.file(case, policy);
    }

    /// Stores a case and its next due time.
    fn file(&mut self, case: Case, policy: Arc<Policy>) {
        let id = case.id.clone();
        let (led, mut lost) = self.cases.get(&id).map_or((false, None), |kept| (kept.led, kept.lost.clone()));
        let knows = if led || case.is_closed() { None } else { self.environment.knows(&case, &policy) };
        lost = lost.or_else(|| knows.clone().filter(|(until, _)| *until < self.now).map(|(_, why)| why));
        let calls = case.calls.values().filter(|call| call.begun.is_none()).map(|call| call.due);
        let due = calls.chain(case.wake_at()).min().filter(|_| !led && lost.is_none());
        if case.is_closed() {
            let key = (case.policy.clone(), case.key.clone());
            if self.open.get(&key) == Some(&id) {
                self.open.remove(&key);
            }
        }
        if let Some(before) = self.cases.get(&id).and_then(|kept| kept.due) {
            self.due.remove(&(before, id.clone()));
        }
        if let Some(due) = due {
            self.due.insert((due, id.clone()));
        }
        self.cases.insert(id, Kept { case, policy, led, lost, knows, due });
    }

    /// Marks a case's further course as unknown.
    pub(super) fn lose(&mut self, id: &CaseId, why: String) {
        let Some(kept) = self.cases.get_mut(id) else { return };
        kept.lost = Some(why);
        if let Some(due) = kept.due.take() {
            self.due.remove(&(due, id.clone()));
        }
    }

    /// Sets whether a case follows its recorded path; otherwise it continues on its own.
    pub(super) fn lead(&mut self, id: &CaseId, led: bool) {
        let Some(kept) = self.cases.get_mut(id) else { return };
        kept.led = led;
        if led {
            kept.lost = None;
        }
        let (case, policy) = (kept.case.clone(), Arc::clone(&kept.policy));
        if !led {
            // Recorded ends of these calls do not apply to a case that left its path.
            let begun = case.calls.iter().filter(|(_, call)| call.begun.is_some());
            let calls = begun.filter_map(|(number, _)| Some(((id.clone(), *number), case.call(*number)?)));
            self.under_way.extend(calls);
        }
        self.file(case, policy);
    }

    pub(super) fn kept(&self, id: &CaseId) -> Option<&Kept> {
        self.cases.get(id)
    }

    /// Marks cases whose course is unknown before a moment.
    pub(super) fn lose_unknown(&mut self, at: Timestamp) {
        let unknown = |kept: &Kept| kept.knows.clone().filter(|(until, _)| *until < at).map(|(_, why)| why);
        let lost: Vec<_> = self
            .cases
            .iter()
            .filter(|(_, kept)| kept.lost.is_none() && !kept.led)
            .filter_map(|(id, kept)| Some((id.clone(), unknown(kept)?)))
            .collect();
        for (id, why) in lost {
            self.lose(&id, why);
        }
    }

    /// Processes what is due for one case: one call begins, or it wakes.
    fn touch(&mut self, id: &CaseId) -> Result<(), TooLong> {
        let now = self.now;
        let Some(kept) = self.cases.get(id) else { return Ok(()) };
        if let Some((_, why)) = kept.knows.clone().filter(|(until, _)| *until < now) {
            self.lose(id, why);
            return Ok(());
        }
        let due = kept.case.calls.iter().filter(|(_, call)| call.begun.is_none() && call.due <= now);
        let next = due.min_by_key(|(number, call)| (call.due, **number)).map(|(number, _)| *number);
        let refused = match next {
            Some(number) => self.begin(id, number)?,
            None => self.apply(id, Input::Wake)?.is_err(),
        };
        if refused && let Some(kept) = self.cases.get_mut(id) {
            // A refusal is retried a little later, unless the case is closed.
            if let Some(before) = kept.due.take() {
                self.due.remove(&(before, id.clone()));
            }
            if !kept.case.is_closed() {
                let later = now + TimeDelta::seconds(5);
                kept.due = Some(later);
                self.due.insert((later, id.clone()));
            }
        }
        Ok(())
    }

    /// Returns the external facts for a decision.
    pub(super) fn facts(&self, subject: &Subject, case: Option<&Case>, policy: &Policy) -> Facts {
        let since = case.map(|case| case.opened_at);
        let lasted =
            |pause: &&Pause| since.is_some_and(|since| pause.until.is_none_or(|until| until > since));
        Facts {
            now: self.now,
            over_limit: if self.terms.unlimited {
                BTreeSet::new()
            } else {
                self.counters.used_up(policy, self.now)
            },
            enrolments: self.enrolments.get(&known_as(subject)).cloned().unwrap_or_default(),
            documents: Vec::new(),
            others: self.others_holds(subject, case.map(|case| &case.id)),
            pauses: self.pauses.iter().filter(lasted).cloned().collect(),
            under: String::new(),
        }
    }

    pub(super) fn others_holds(&self, subject: &Subject, but: Option<&CaseId>) -> Vec<Hold> {
        let about = self.accounts.get(&subject.person()).into_iter().flatten().filter(|id| Some(*id) != but);
        about.filter_map(|id| self.cases.get(id)).flat_map(|kept| kept.case.holds.clone()).collect()
    }

    pub(super) fn turn(&mut self) -> Result<(), TooLong> {
        self.turns += 1;
        if self.turns > self.terms.most_turns { Err(TooLong) } else { Ok(()) }
    }

    /// Returns the number of turns so far.
    pub(super) fn turns(&self) -> u64 {
        self.turns
    }

    /// Adds a line that is in no journal.
    pub fn note(&mut self, case: Option<&CaseId>, text: String) {
        self.record(case, What::Text(text));
    }

    pub(super) fn record(&mut self, case: Option<&CaseId>, what: What) {
        self.story.push(Happened { at: self.now, case: case.cloned(), what });
    }
}
