//! Collects the journal's records by person: `Interest` extracts relevant data from a record, on any thread; `Gatherer`
//! combines it in journal order.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use super::fingerprint::{WaitFingerprint, asking};
use super::{Asking, End, Happening, How, Moment, Past, PersonPast, Then};
use crate::case::{Case, Cause, Input, OpenedBy, Opening, Recorded, gone};
use crate::model::{
    CaseId, Done, EffectKind, Event, EventType, Outcome, Pause, Subject, SubjectKind, SubjectRef, Timestamp,
};
use crate::policy::{Policy, PolicySet, Revision};

/// The relevant part of the record.
#[derive(Debug)]
pub struct Interest {
    since: Timestamp,
    /// Events that a revision of the policies opens on, waits for or is cancelled by.
    kinds: BTreeSet<EventType>,
    /// Cases of these policies, or of all.
    policies: Option<BTreeSet<String>>,
    /// The active policies: people evaluated by these revisions need no second evaluation.
    running: PolicySet,
}

/// A case after an input, as in the journal.
#[derive(Debug)]
pub struct Changed<'a> {
    pub case: &'a Case,
    /// The outcome of the step that ended here.
    pub ended: Option<&'a str>,
    pub effects: &'a [EffectKind],
    pub recorded: Recorded,
    /// The case's revision, if available.
    pub policy: Option<&'a Policy>,
}

/// A consumed event.
#[derive(Debug)]
pub struct Consumed {
    pub key: String,
    pub at: Timestamp,
    /// An own effect caused the event.
    pub own: bool,
    /// The policies that evaluated it, with their revisions then.
    pub asked: Vec<(String, Revision)>,
    pub people: Vec<Subject>,
}

/// Data extracted from a record.
#[derive(Debug)]
pub struct Noted(What);

#[derive(Debug)]
enum What {
    Changed(Box<Change>),
    Seen {
        at: Timestamp,
        reference: SubjectRef,
        person: Option<Box<Subject>>,
        event: Option<String>,
    },
    Received(Box<Event>),
    /// An event that is no longer relevant.
    Over(String),
    /// A case opened before the period received an event.
    Joined {
        at: Timestamp,
        subject: SubjectRef,
        policy: String,
        event: String,
    },
    Consumed(Box<Consumed>),
    Watched {
        policy: String,
        recorded: Box<Recorded>,
    },
    Paused(Pause),
}

/// An input of a case.
#[derive(Debug)]
struct Change {
    case: CaseId,
    subject: SubjectRef,
    account: Option<String>,
    policy: String,
    recorded: Box<Recorded>,
    after: WaitFingerprint,
    how: How,
    asked: Option<(String, Timestamp)>,
    effects: Vec<EffectKind>,
    end: End,
    sessions: usize,
    as_now: bool,
}

impl Interest {
    /// Builds the filter. `others_answer`: answers in cases of other policies count too, as they do for a new policy.
    pub fn new(since: Timestamp, running: PolicySet, next: &[Arc<Policy>], others_answer: bool) -> Self {
        let (mut kinds, mut names) = (BTreeSet::new(), BTreeSet::new());
        for policy in running.policies.values().chain(next) {
            names.insert(policy.name.clone());
            kinds.extend(policy.reacts_to().cloned());
        }
        Self { since, kinds, policies: (!others_answer).then_some(names), running }
    }

    /// Returns whether the revision of a policy's cases is needed.
    pub fn wants(&self, policy: &str) -> bool {
        self.policies.as_ref().is_none_or(|names| names.contains(policy))
    }

    pub fn received(&self, event: Event) -> Option<Noted> {
        let mut names = std::iter::once(&event.kind).chain(&event.also);
        let concerns = names.any(|kind| self.kinds.contains(kind)) || gone(&event);
        concerns.then(|| Noted(What::Received(Box::new(event))))
    }

    pub fn is_recent(&self, at: Timestamp) -> bool {
        at >= self.since
    }

    pub fn consumed(&self, consumed: Consumed) -> Noted {
        if !self.is_recent(consumed.at) || consumed.own {
            return Noted(What::Over(consumed.key));
        }
        Noted(What::Consumed(Box::new(consumed)))
    }

    /// Extracts a person that a shadow policy's sweep selected, with the opening.
    pub fn watched(&self, policy: String, recorded: Recorded) -> Option<Noted> {
        let recent = self.is_recent(recorded.facts.now);
        recent.then(|| Noted(What::Watched { policy, recorded: Box::new(recorded) }))
    }

    pub fn paused(pause: Pause) -> Noted {
        Noted(What::Paused(pause))
    }

    pub fn changed(&self, changed: Changed<'_>) -> Option<Noted> {
        let Changed { case, ended, effects, recorded, policy } = changed;
        let at = recorded.facts.now;
        if at < self.since {
            return None;
        }
        let subject = case.subject.reference();
        if !self.wants(&case.policy) {
            return only_seen(at, subject, recorded);
        }
        let runs = self.running.policies.get(&case.policy);
        let step = policy.and_then(|policy| policy.step(case.step()?));
        Some(Noted(What::Changed(Box::new(Change {
            case: case.id.clone(),
            subject,
            account: account(&case.subject),
            policy: case.policy.clone(),
            recorded: Box::new(recorded),
            after: WaitFingerprint::of(case),
            how: super::fingerprint::ended(ended),
            asked: policy.and_then(|policy| asking(case, policy)),
            effects: effects.to_vec(),
            end: End::of(case, step, None),
            sessions: case.sessions.len(),
            as_now: runs.is_some_and(|policy| policy.revision == case.revision),
        }))))
    }
}

/// Extracts only the person's record from an irrelevant case.
fn only_seen(at: Timestamp, reference: SubjectRef, recorded: Recorded) -> Option<Noted> {
    let (person, event) = match recorded.cause {
        Cause::Opening(Opening { subject, by: OpenedBy::Event(event), .. }) => {
            (Some(Box::new(subject)), Some(event.key))
        }
        Cause::Opening(opening) => (Some(Box::new(opening.subject)), None),
        Cause::Input(Input::Outcome { outcome, .. }) => {
            let Outcome::Done(Done::Seen { subject }) = outcome else { return None };
            (subject, None)
        }
        _ => return None,
    };
    Some(Noted(What::Seen { at, reference, person, event }))
}

/// Returns the account of a person that is not a user.
fn account(person: &Subject) -> Option<String> {
    (person.kind != SubjectKind::User).then(|| person.account()).flatten()
}

/// Combines the extracted data.
#[derive(Debug)]
pub struct Gatherer<'a> {
    interest: &'a Interest,
    received: HashMap<String, Box<Event>>,
    moments: Vec<(SubjectRef, Moment)>,
    cases: HashMap<CaseId, Collected>,
    accounts: HashMap<SubjectRef, String>,
    /// People that were processed by revisions other than the active ones.
    otherwise: BTreeSet<SubjectRef>,
    names: BTreeMap<String, Arc<str>>,
    pauses: Vec<Pause>,
    events: usize,
    cut: bool,
}

/// The collected data of a case.
#[derive(Debug)]
struct Collected {
    subject: SubjectRef,
    opened_at: Timestamp,
    askings: Vec<Asking>,
    then: Then,
}

impl<'a> Gatherer<'a> {
    pub fn new(interest: &'a Interest) -> Self {
        Self {
            interest,
            received: HashMap::new(),
            moments: Vec::new(),
            cases: HashMap::new(),
            accounts: HashMap::new(),
            otherwise: BTreeSet::new(),
            names: BTreeMap::new(),
            pauses: Vec::new(),
            events: 0,
            cut: false,
        }
    }

    pub fn take(&mut self, noted: Noted) {
        match noted.0 {
            What::Received(event) => {
                self.received.insert(event.key.clone(), event);
            }
            What::Over(key) => {
                self.received.remove(&key);
            }
            What::Joined { at, subject, policy, event } => {
                let what = Happening::Joined { policy, event };
                self.moments.push((subject, Moment { at, what }));
            }
            What::Consumed(consumed) => self.consumed(*consumed),
            What::Seen { at, reference, person, event } => {
                if let Some(account) = person.as_deref().and_then(account) {
                    self.accounts.insert(reference.clone(), account);
                }
                let what = Happening::Seen { reference: reference.clone(), person, event };
                self.moments.push((reference, Moment { at, what }));
            }
            What::Watched { policy, recorded } => {
                if let Cause::Opening(opening) = &recorded.cause {
                    let (subject, at) = (opening.subject.reference(), recorded.facts.now);
                    self.moments
                        .push((subject, Moment { at, what: Happening::Watched { policy, recorded } }));
                }
            }
            What::Paused(pause) => {
                self.pauses.retain(|other| other.who != pause.who || other.from != pause.from);
                self.pauses.push(pause);
            }
            What::Changed(change) => self.changed(*change),
        }
    }

    fn consumed(&mut self, consumed: Consumed) {
        let Consumed { key, at, asked, people, .. } = consumed;
        for person in &people {
            if let Some(account) = account(person) {
                self.accounts.insert(person.reference(), account);
            }
        }
        let Some(event) = self.received.remove(&key) else { return };
        self.events += 1;
        let subject = event.subject.clone();
        let would_ask = self.interest.running.matching(&event);
        let was_asked = |policy: &&Arc<Policy>| {
            asked.iter().any(|(name, revision)| *name == policy.name && *revision == policy.revision)
        };
        if !would_ask.iter().all(was_asked) {
            self.otherwise.insert(subject.clone());
        }
        let what = Happening::Event { event, people };
        self.moments.push((subject, Moment { at, what }));
    }

    fn changed(&mut self, change: Change) {
        let Change {
            case,
            subject,
            account,
            policy,
            recorded,
            after,
            how,
            asked,
            effects,
            end,
            sessions,
            as_now,
        } = change;
        let at = recorded.facts.now;
        if let Some(account) = account {
            self.accounts.entry(subject.clone()).or_insert(account);
        }
        if !as_now {
            self.otherwise.insert(subject.clone());
        }
        let opened = matches!(recorded.cause, Cause::Opening(_));
        if !opened && !self.cases.contains_key(&case) {
            // It opened before the period.
            if let Cause::Input(Input::Event(event)) = recorded.cause {
                self.take(Noted(What::Joined { at, subject, policy, event: event.key }));
            }
            return;
        }
        let collected = self.cases.entry(case.clone()).or_insert_with(|| Collected {
            subject: subject.clone(),
            opened_at: at,
            askings: Vec::new(),
            then: Then { end: end.clone(), sessions: 0, did: Vec::new() },
        });
        collected.then.did.extend(effects.into_iter().map(|what| super::ProjectedEffect { what, at }));
        collected.then.sessions = sessions;
        collected.then.end = end;
        let open = collected.askings.last_mut().filter(|asking| asking.ended.is_none());
        match (open, asked) {
            // Outage credit moves the start; a repeated step has ended before.
            (Some(open), Some((what, _))) if open.what == what && how == How::Cut => {}
            (open, asked) => {
                if let Some(open) = open {
                    open.ended = Some((at, how));
                }
                collected.askings.extend(asked.map(|(what, began)| Asking { what, began, ended: None }));
            }
        }
        let what = if opened {
            let policy =
                Arc::clone(self.names.entry(policy).or_insert_with_key(|name| Arc::from(name.as_str())));
            Happening::Opened { case, policy, recorded, after }
        } else {
            Happening::Input { case, recorded, after }
        };
        self.moments.push((subject, Moment { at, what }));
    }

    /// Drops the oldest events if there are many more than the limit.
    pub fn cut_to(&mut self, most: usize) {
        if self.events > most + most / 4 {
            self.leave_out_oldest(self.events - most);
            self.cut = true;
        }
    }

    /// Returns the data by person, with at most this many events, the newest ones.
    pub fn gathered(mut self, to: Timestamp, most: usize) -> Past {
        let cut = self.events.checked_sub(most).filter(|over| *over > 0);
        if let Some(over) = cut {
            self.leave_out_oldest(over);
        }
        let from = self.moments.first().map_or(to, |(_, moment)| moment.at);
        let mut people = People { accounts: self.accounts, people: Vec::new(), places: HashMap::new() };
        let cases = self.cases.len();
        for (subject, moment) in self.moments {
            people.of(&subject).moments.push(moment);
        }
        for (id, collected) in self.cases {
            let person = people.of(&collected.subject);
            person.askings.insert(id.clone(), collected.askings);
            person.then.insert(id, collected.then);
        }
        for subject in &self.otherwise {
            if let Some(person) = people.known(subject) {
                person.otherwise = true;
            }
        }
        Past {
            people: people.people,
            pauses: self.pauses,
            from,
            to,
            events: self.events,
            cases,
            cut: self.cut || cut.is_some(),
        }
    }

    fn leave_out_oldest(&mut self, over: usize) {
        let is_event = |moment: &Moment| matches!(moment.what, Happening::Event { .. });
        let events = self.moments.iter().filter(|(_, moment)| is_event(moment));
        let Some(from) = events.map(|(_, moment)| moment.at).nth(over) else { return };
        self.cases.retain(|_, collected| collected.opened_at >= from);
        let cases = &self.cases;
        self.moments.retain(|(_, moment)| match &moment.what {
            Happening::Opened { case, .. } | Happening::Input { case, .. } => cases.contains_key(case),
            Happening::Event { .. }
            | Happening::Seen { .. }
            | Happening::Joined { .. }
            | Happening::Watched { .. } => moment.at >= from,
        });
        self.events = self.moments.iter().filter(|(_, moment)| is_event(moment)).count();
    }
}

/// People by their accounts, if they have one.
struct People {
    accounts: HashMap<SubjectRef, String>,
    people: Vec<PersonPast>,
    places: HashMap<String, usize>,
}

impl People {
    fn who(&self, subject: &SubjectRef) -> String {
        match (self.accounts.get(subject), subject.kind) {
            (Some(account), _) => account.clone(),
            (None, SubjectKind::User) => subject.person(),
            (None, _) => subject.to_string(),
        }
    }

    fn known(&mut self, subject: &SubjectRef) -> Option<&mut PersonPast> {
        let place = *self.places.get(&self.who(subject))?;
        self.people.get_mut(place)
    }

    fn of(&mut self, subject: &SubjectRef) -> &mut PersonPast {
        let who = self.who(subject);
        let next = self.people.len();
        let place = *self.places.entry(who).or_insert(next);
        if place == next {
            self.people.push(PersonPast::default());
        }
        &mut self.people[place]
    }
}
