//! Cases in a made-up world. Cases wake in the order of their times. Calls begin when they fall due, side by
//! side as in the daemon, and then end at once, one after the other. Every decision is made by the same
//! functions as in the daemon.

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
    /// It goes the way that it really went, so nothing falls due by itself.
    pub led: bool,
    /// Why nobody knows how it goes on.
    pub lost: Option<String>,
    knows: Option<(Timestamp, String)>,
    /// Where it stands in the order of times.
    due: Option<Timestamp>,
}

/// An event, and how often it could not be dealt with.
#[derive(Debug)]
pub(super) struct Heard {
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

/// A policy that could not be asked about somebody.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Unasked {
    pub at: Timestamp,
    pub policy: String,
    pub subject: SubjectRef,
    /// The event's type.
    pub event: String,
}

/// A world of cases: made up for a test, or as it really was.
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
    /// In the order in which they were opened.
    pub(super) opened: Vec<CaseId>,
    due: BTreeSet<(Timestamp, CaseId)>,
    /// Calls that have begun and not ended.
    pub(super) under_way: BTreeMap<(CaseId, u32), Call>,
    pub(super) open: HashMap<(String, String), CaseId>,
    /// Cases about a person that are open or still hold something.
    pub(super) about: HashMap<SubjectRef, Vec<CaseId>>,
    /// The same by the id alone, under which an account is known.
    pub(super) accounts: HashMap<String, Vec<CaseId>>,
    /// By person, and then by provider.
    enrolments: HashMap<String, BTreeMap<String, Enrolment>>,
    /// Who has shown which document.
    documents: Vec<DocumentUse>,
    pauses: Vec<Pause>,
    pub(super) counters: Counters,
    pub(super) inbox: VecDeque<Heard>,
    /// Events that could not be dealt with, by when they are looked at again; the number keeps their order.
    pub(super) later: BTreeMap<(Timestamp, u64), Heard>,
    pub(super) first_seen: BTreeMap<(String, String), Timestamp>,
    /// Policies that could not be asked, because nobody knows the person as they were.
    pub(super) unasked: Vec<Unasked>,
    pub(super) undecided: Vec<Undecided>,
    turns: u64,
}

impl World {
    pub fn new(policies: impl IntoIterator<Item = Arc<Policy>>, now: Timestamp, terms: Terms) -> Self {
        Self::among(Outside::default(), Arc::new(PolicySet::new(policies)), now, terms)
    }

    /// A provider, endpoint or system does not answer; the clocks of those who wait for a provider stand.
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

    /// The cases in the order in which they opened.
    pub fn opened(&self) -> &[CaseId] {
        &self.opened
    }

    /// What earlier runs left of a person at a provider.
    pub fn enrol(&mut self, provider: &str, subject: &Subject, enrolment: Enrolment) {
        self.enrolments.entry(known_as(subject)).or_default().insert(provider.to_owned(), enrolment);
    }

    /// What was known of somebody before anything of them is recorded here.
    pub(super) fn enrolled_before(&mut self, provider: &str, subject: &Subject, enrolment: &Enrolment) {
        let known = self.enrolments.entry(known_as(subject)).or_default();
        known.entry(provider.to_owned()).or_insert_with(|| enrolment.clone());
    }

    /// Times in which somebody could not answer.
    pub(super) fn paused(&mut self, pauses: &[Pause]) {
        self.pauses.extend(pauses.iter().cloned());
    }

    pub(super) fn not_asked_by(&mut self, policy: &Policy, event: String, subject: SubjectRef) {
        self.unasked.push(Unasked { at: self.now, policy: policy.name.clone(), subject, event });
    }

    /// What passes of earlier cases are known by here.
    pub fn fingerprints(&self) -> &Fingerprints {
        self.terms.links.fingerprints()
    }

    pub fn enrolment(&self, provider: &str, subject: &Subject) -> Option<&Enrolment> {
        self.enrolments.get(&known_as(subject))?.get(provider)
    }

    /// How many people there are, for limits that are a share of them.
    pub fn populated(&mut self, population: u64) {
        self.counters.populated("", population);
    }

    /// Time passes up to a moment, with everything that falls due in it.
    pub fn run_until(&mut self, end: Timestamp) -> Result<(), TooLong> {
        loop {
            self.digest()?;
            let due = self.due.first().cloned();
            let again = self.later.first_key_value().map(|((at, _), _)| *at);
            if again.is_some_and(|at| at <= self.now) {
                self.inbox.extend(self.later.pop_first().map(|(_, heard)| heard));
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

    /// Everything that is due now.
    pub fn settle(&mut self) -> Result<(), TooLong> {
        self.run_until(self.now)
    }

    /// The next moment at which something falls due.
    pub fn next_due(&self) -> Option<Timestamp> {
        let due = self.due.first().map(|(at, _)| *at);
        due.into_iter().chain(self.later.first_key_value().map(|((at, _), _)| *at)).min()
    }

    /// Takes an event in, and everything that comes of it at once.
    pub fn send(&mut self, event: Event) -> Result<(), TooLong> {
        self.inbox.push_back(Heard { event, attempts: 0 });
        self.settle()
    }

    /// Hands one input to a case.
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

    /// Decides about a case from what is given.
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
        self.inbox.extend(events.into_iter().map(|event| Heard { event, attempts: 0 }));
        for entry in entries {
            let began = match &entry.note {
                Note::GraceBegan { until } => Some(*until),
                _ => None,
            };
            self.tell(Some(&case.id), What::Entry(entry));
            let pending_adverse = case.pending_adverse.as_ref().or(match &case.state {
                State::Grace(grace) => Some(grace),
                _ => None,
            });
            if let (Some(until), Some(pending_adverse)) = (began, pending_adverse) {
                let deed = deed(&pending_adverse.action, &case, held);
                self.tell(Some(&case.id), What::Did { deed, grace: Some(until) });
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
            self.tell(Some(&case.id), What::Did { deed, grace: None });
        }
        self.file(case, policy);
    }

    /// Puts a case back, where its next time belongs.
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

    /// From here on nobody knows how a case goes on.
    pub(super) fn lose(&mut self, id: &CaseId, why: String) {
        let Some(kept) = self.cases.get_mut(id) else { return };
        kept.lost = Some(why);
        if let Some(due) = kept.due.take() {
            self.due.remove(&(due, id.clone()));
        }
    }

    /// Whether a case is led the way that it really went; if it is no more, it goes on by itself.
    pub(super) fn lead(&mut self, id: &CaseId, led: bool) {
        let Some(kept) = self.cases.get_mut(id) else { return };
        kept.led = led;
        if led {
            kept.lost = None;
        }
        let (case, policy) = (kept.case.clone(), Arc::clone(&kept.policy));
        if !led {
            // How these ended then is not what is answered to a case that went another way since.
            let begun = case.calls.iter().filter(|(_, call)| call.begun.is_some());
            let calls = begun.filter_map(|(number, _)| Some(((id.clone(), *number), case.call(*number)?)));
            self.under_way.extend(calls);
        }
        self.file(case, policy);
    }

    pub(super) fn kept(&self, id: &CaseId) -> Option<&Kept> {
        self.cases.get(id)
    }

    /// Cases of which nothing is known up to a moment are lost before it.
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

    /// Does what is due of one case: one call begins, or it wakes.
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
            // It does not want it now; looked at again a little later, unless it is over.
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

    /// What a decision may know from elsewhere.
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

    /// How many turns it took so far.
    pub(super) fn turns(&self) -> u64 {
        self.turns
    }

    /// Something worth a line that is in no journal.
    pub fn say(&mut self, case: Option<&CaseId>, text: String) {
        self.tell(case, What::Said(text));
    }

    pub(super) fn tell(&mut self, case: Option<&CaseId>, what: What) {
        self.story.push(Happened { at: self.now, case: case.cloned(), what });
    }
}
