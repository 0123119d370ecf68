//! Records of the journal, in their order, to the past of each person.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use super::outlook::{Outlook, asking, ended};
use super::{Asking, Happening, How, Moment, Past, PersonPast};
use crate::case::{Case, Cause, Entry, Input, Recorded, gone};
use crate::model::{
    CaseId, Done, Event, EventType, Outcome, Pause, Subject, SubjectKind, SubjectRef, Timestamp,
};
use crate::policy::Policy;
use crate::policy::tree::{Trigger, Verb, Wait};

/// Takes in what concerns some policies.
#[derive(Debug)]
pub struct Gatherer {
    since: Timestamp,
    /// Events that some revision of the policies opens on, waits for or is cancelled by.
    kinds: BTreeSet<EventType>,
    /// Cases of these, or of all of them.
    policies: Option<BTreeSet<String>>,
    received: HashMap<String, Event>,
    moments: Vec<(SubjectRef, Moment)>,
    cases: HashMap<CaseId, Told>,
    /// The account behind a registration.
    accounts: HashMap<SubjectRef, String>,
    names: BTreeMap<String, Arc<str>>,
    pauses: Vec<Pause>,
    events: usize,
    to: Timestamp,
}

/// A case so far.
#[derive(Debug)]
struct Told {
    subject: SubjectRef,
    opened_at: Timestamp,
    askings: Vec<Asking>,
}

impl Gatherer {
    /// `revisions`: all that are to be compared. `others_answer`: what cases of other policies were answered
    /// counts too, as it does where a policy is new.
    pub fn new<'a>(
        since: Timestamp,
        revisions: impl IntoIterator<Item = &'a Arc<Policy>>,
        others_answer: bool,
    ) -> Self {
        let (mut kinds, mut names) = (BTreeSet::new(), BTreeSet::new());
        for policy in revisions {
            names.insert(policy.name.clone());
            kinds.extend(policy.cancel_when.iter().cloned());
            kinds.extend(policy.when.iter().filter_map(|trigger| match trigger {
                Trigger::Event(kind) => Some(kind.clone()),
                Trigger::Manual | Trigger::Sweep(_) => None,
            }));
            kinds.extend(policy.steps.iter().filter_map(|step| match &step.verb {
                Verb::Wait(Wait::For { event, .. }) => Some(event.clone()),
                _ => None,
            }));
        }
        Self {
            since,
            kinds,
            policies: (!others_answer).then_some(names),
            received: HashMap::new(),
            moments: Vec::new(),
            cases: HashMap::new(),
            accounts: HashMap::new(),
            names: BTreeMap::new(),
            pauses: Vec::new(),
            events: 0,
            to: since,
        }
    }

    pub fn received(&mut self, event: Event) {
        if self.concerns(&event) {
            self.received.insert(event.key.clone(), event);
        }
    }

    fn concerns(&self, event: &Event) -> bool {
        let mut names = std::iter::once(&event.kind).chain(&event.also);
        names.any(|kind| self.kinds.contains(kind)) || gone(event)
    }

    /// An event was dealt with. `own`: it was only what one of our effects caused.
    pub fn consumed(&mut self, key: &str, at: Timestamp, own: bool, people: &[Subject]) {
        let event = self.received.remove(key);
        for person in people {
            self.known(person);
        }
        let Some(event) = event.filter(|_| at >= self.since && !own) else { return };
        self.to = self.to.max(at);
        self.events += 1;
        let subject = event.subject.clone();
        let what = Happening::Event { event: Box::new(event), people: people.to_vec() };
        self.moments.push((subject, Moment { at, what }));
    }

    /// A case after something reached it. `policy`: the one that it follows.
    pub fn changed(&mut self, case: &Case, entries: &[Entry], recorded: Recorded, policy: Option<&Policy>) {
        let at = recorded.facts.now;
        if at < self.since {
            return;
        }
        self.to = self.to.max(at);
        let subject = case.subject.reference();
        self.known(&case.subject);
        if self.policies.as_ref().is_some_and(|names| !names.contains(&case.policy)) {
            self.only_seen(subject, recorded);
            return;
        }
        let after = Outlook::of(case);
        let opened = matches!(recorded.cause, Cause::Opening(_));
        let recorded = Box::new(recorded);
        let what = if opened {
            let told = Told { subject: subject.clone(), opened_at: at, askings: Vec::new() };
            self.cases.insert(case.id.clone(), told);
            let policy = match self.names.get(&case.policy) {
                Some(name) => Arc::clone(name),
                None => {
                    let name: Arc<str> = Arc::from(case.policy.as_str());
                    self.names.insert(case.policy.clone(), Arc::clone(&name));
                    name
                }
            };
            Happening::Opened { case: case.id.clone(), policy, recorded, after }
        } else if self.cases.contains_key(&case.id) {
            Happening::Input { case: case.id.clone(), recorded, after }
        } else {
            // It opened before what is looked at.
            return;
        };
        self.moments.push((subject, Moment { at, what }));
        let Some(told) = self.cases.get_mut(&case.id) else { return };
        let asked = policy.and_then(|policy| asking(case, policy));
        let open = told.askings.last_mut().filter(|asking| asking.ended.is_none());
        match (open, asked) {
            // Time that is given back moves the beginning; a step that is taken again has ended before.
            (Some(open), Some((what, _))) if open.what == what && ended(entries) == How::Cut => {}
            (open, asked) => {
                if let Some(open) = open {
                    open.ended = Some((at, ended(entries)));
                }
                told.askings.extend(asked.map(|(what, began)| Asking { what, began, ended: None }));
            }
        }
    }

    pub fn paused(&mut self, pause: Pause) {
        self.pauses.retain(|other| other.who != pause.who || other.from != pause.from);
        self.pauses.push(pause);
    }

    /// Of a case of no interest only what it read of the person counts.
    fn only_seen(&mut self, whom: SubjectRef, recorded: Recorded) {
        let at = recorded.facts.now;
        let person = match recorded.cause {
            Cause::Opening(opening) => Some(Box::new(opening.subject)),
            Cause::Input(Input::Outcome { outcome: Outcome::Done(Done::Seen { subject }), .. }) => subject,
            _ => return,
        };
        let what = Happening::Seen { whom: whom.clone(), person };
        self.moments.push((whom, Moment { at, what }));
    }

    fn known(&mut self, person: &Subject) {
        if person.kind != SubjectKind::User
            && let Some(account) = person.text("user_id")
        {
            self.accounts.entry(person.reference()).or_insert_with(|| account.to_owned());
        }
    }

    /// Everything of one person together; at most so many events, the newest.
    pub fn gathered(mut self, to: Timestamp, most: usize) -> Past {
        let cut = self.events.checked_sub(most).filter(|over| *over > 0);
        if let Some(over) = cut {
            self.leave_out_oldest(over);
        }
        let from = self.moments.first().map_or(to, |(_, moment)| moment.at);
        let accounts = &self.accounts;
        let who = |subject: &SubjectRef| match (accounts.get(subject), subject.kind) {
            (Some(account), _) => account.clone(),
            (None, SubjectKind::User) => subject.id.clone(),
            (None, _) => subject.to_string(),
        };
        let mut people: Vec<PersonPast> = Vec::new();
        let mut places: HashMap<String, usize> = HashMap::new();
        let mut place = |subject: &SubjectRef, people: &mut Vec<PersonPast>| {
            *places.entry(who(subject)).or_insert_with(|| {
                people.push(PersonPast::default());
                people.len() - 1
            })
        };
        let cases = self.cases.len();
        for (subject, moment) in self.moments {
            let place = place(&subject, &mut people);
            if let Some(person) = people.get_mut(place) {
                person.moments.push(moment);
            }
        }
        for (id, told) in self.cases {
            let place = place(&told.subject, &mut people);
            if let Some(person) = people.get_mut(place) {
                person.askings.insert(id, told.askings);
            }
        }
        Past { people, pauses: self.pauses, from, to, events: self.events, cases, cut: cut.is_some() }
    }

    fn leave_out_oldest(&mut self, over: usize) {
        let events = self.moments.iter().filter(|(_, moment)| matches!(moment.what, Happening::Event { .. }));
        let Some(from) = events.map(|(_, moment)| moment.at).nth(over) else { return };
        self.cases.retain(|_, told| told.opened_at >= from);
        let cases = &self.cases;
        self.moments.retain(|(_, moment)| match &moment.what {
            Happening::Opened { case, .. } | Happening::Input { case, .. } => cases.contains_key(case),
            Happening::Event { .. } | Happening::Seen { .. } => moment.at >= from,
        });
        self.events =
            self.moments.iter().filter(|(_, moment)| matches!(moment.what, Happening::Event { .. })).count();
    }
}
