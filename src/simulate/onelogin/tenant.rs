//! The tenant's state and its scheduled changes. This module must not know HTTP.

use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

use chrono::TimeDelta;
use serde_json::{Value, json};

use super::Options;
use super::events::{Event, Named};
use super::knobs::Knobs;
use super::registration::{Profile, Registration};
use super::text::{hex, uuid};
use super::user::{User, state, status};
use crate::model::Timestamp;
use crate::simulate::ledger::{Ledger, Record, System};

pub(super) const ACCOUNT: i64 = 100_001;

/// The originator of a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Actor {
    /// The holder of the API credential.
    Api,
    /// An administrator in the portal.
    Human,
    /// The person the record is about.
    Person,
}

impl Actor {
    fn system(self) -> &'static str {
        match self {
            Self::Api => "API",
            Self::Human | Self::Person => "",
        }
    }

    fn noun(self) -> &'static str {
        match self {
            Self::Api => "user",
            Self::Human => "human",
            Self::Person => "person",
        }
    }
}

#[derive(Debug, Clone)]
pub(super) struct Role {
    pub id: i64,
    pub name: String,
    pub admins: BTreeSet<i64>,
    pub apps: BTreeSet<i64>,
}

#[derive(Debug, Clone)]
pub(super) struct Attribute {
    pub id: i64,
    pub name: String,
    pub shortname: String,
}

/// A role grant that was answered but is not visible yet.
#[derive(Debug, Clone)]
pub(super) struct Grant {
    pub user: i64,
    pub role: i64,
    pub due: Timestamp,
}

/// An event that is waiting for a broadcast.
#[derive(Clone)]
pub(super) struct Outgoing {
    pub ready_at: Timestamp,
    pub event: Event,
}

/// The state of a tenant. No `Debug`: it contains personal data and a token.
pub(super) struct Tenant {
    pub now: Timestamp,
    pub options: Options,
    pub knobs: Knobs,
    pub ledger: Ledger,
    pub users: BTreeMap<i64, User>,
    pub roles: BTreeMap<i64, Role>,
    pub attributes: BTreeMap<i64, Attribute>,
    pub profiles: BTreeMap<i64, Profile>,
    pub registrations: BTreeMap<i64, Registration>,
    pub mappings: BTreeMap<i64, Value>,
    pub events: Vec<(Timestamp, Event)>,
    pub grants: Vec<Grant>,
    /// Users with a scheduled change.
    pub restless: BTreeSet<i64>,
    pub burnt_emails: BTreeSet<String>,
    pub outgoing: VecDeque<Outgoing>,
    pub batches: u32,
    pub deliveries: Vec<Value>,
    pub token: Option<(String, Timestamp)>,
    pub token_requests: VecDeque<Timestamp>,
    pub hour_began: Timestamp,
    pub hour_calls: u32,
    pub requests: BTreeMap<String, u64>,
    /// Number of records that this tenant wrote; other simulators share the ledger.
    pub recorded: Cell<u64>,
    counter: u64,
    next: BTreeMap<&'static str, i64>,
}

impl Tenant {
    pub fn new(options: Options, now: Timestamp, ledger: Ledger) -> Self {
        let mut tenant = Self {
            now,
            knobs: Knobs::default(),
            ledger,
            users: BTreeMap::new(),
            roles: BTreeMap::new(),
            attributes: BTreeMap::new(),
            profiles: BTreeMap::new(),
            registrations: BTreeMap::new(),
            mappings: BTreeMap::new(),
            events: Vec::new(),
            grants: Vec::new(),
            restless: BTreeSet::new(),
            burnt_emails: BTreeSet::new(),
            outgoing: VecDeque::new(),
            batches: 0,
            deliveries: Vec::new(),
            token: None,
            token_requests: VecDeque::new(),
            hour_began: now,
            hour_calls: 0,
            requests: BTreeMap::new(),
            recorded: Cell::new(0),
            counter: 0,
            next: BTreeMap::from([
                ("user", 5001),
                ("role", 1001),
                ("attribute", 789),
                ("profile", 8),
                ("field", 31),
                ("registration", 701),
                ("mapping", 301),
                ("event", 900_001),
            ]),
            options: options.clone(),
        };
        for name in &options.roles {
            tenant.add_role(name);
        }
        for shortname in &options.custom_attributes {
            tenant.add_attribute(shortname, shortname);
        }
        tenant.add_profile("Sign-up", &options.profile);
        tenant
    }

    pub fn id(&mut self, kind: &'static str) -> i64 {
        let next = self.next.entry(kind).or_insert(1);
        *next += 1;
        *next - 1
    }

    /// The next pseudorandom text.
    pub fn random(&mut self, purpose: &str) -> String {
        self.counter += 1;
        hex(self.options.seed, purpose, self.counter)
    }

    pub fn add_role(&mut self, name: &str) -> i64 {
        let id = self.id("role");
        let role = Role { id, name: name.into(), admins: BTreeSet::new(), apps: BTreeSet::new() };
        self.roles.insert(id, role);
        id
    }

    pub fn add_attribute(&mut self, name: &str, shortname: &str) -> i64 {
        let id = self.id("attribute");
        self.attributes.insert(id, Attribute { id, name: name.into(), shortname: shortname.into() });
        id
    }

    pub fn add_profile(&mut self, name: &str, slug: &str) -> i64 {
        let id = self.id("profile");
        self.profiles.insert(id, Profile::moderated(id, name, slug));
        id
    }

    pub fn shortnames(&self) -> impl Iterator<Item = &str> {
        self.attributes.values().map(|attribute| attribute.shortname.as_str())
    }

    /// Sets the time and applies all due changes.
    pub fn settle(&mut self, now: Timestamp) {
        self.now = now;
        let due: Vec<Grant> = self.grants.iter().filter(|grant| grant.due <= now).cloned().collect();
        self.grants.retain(|grant| grant.due > now);
        for grant in due {
            self.put_in_role(grant.user, grant.role);
        }
        let users = &mut self.users;
        self.restless.retain(|id| {
            let Some(user) = users.get_mut(id) else { return false };
            if user.status_settles_at.is_some_and(|at| at <= now) {
                user.status_settles_at = None;
                user.status = status::PASSWORD_PENDING;
            }
            if user.status == status::LOCKED && user.locked_until.is_some_and(|at| at <= now) {
                user.locked_until = None;
                user.status = user.status_before_lock;
            }
            user.status_settles_at.is_some() || user.locked_until.is_some()
        });
        if now - self.hour_began >= TimeDelta::hours(1) {
            self.hour_began = now;
            self.hour_calls = 0;
        }
    }

    /// Puts a user into a role if the tenant lets the user keep it.
    pub fn put_in_role(&mut self, user: i64, role: i64) -> bool {
        let strict = self.knobs.ineligible_grants_dropped;
        match self.users.get_mut(&user) {
            Some(user) if !strict || may_hold_roles(user) => user.roles.insert(role),
            Some(_) | None => false,
        }
    }

    /// Number of licenses in use.
    pub fn licensed(&self) -> usize {
        self.users.values().filter(|user| user.state == state::APPROVED).count()
    }

    pub fn licence_is_free(&self) -> bool {
        self.knobs.licences.is_none_or(|all| self.licensed() < all as usize)
    }

    pub fn named_role(&self, id: i64) -> Option<Named> {
        self.roles.get(&id).map(|role| Named { id, name: role.name.clone() })
    }

    /// Emits an event about a user to the log and the receiver.
    pub fn emit(&mut self, type_id: i64, actor: Actor, user: Option<Named>) {
        self.emit_event(Event { type_id, user, ..Event::default() }, actor);
    }

    pub fn emit_event(&mut self, event: Event, actor: Actor) {
        let id = self.id("event");
        let by = match actor {
            Actor::Api | Actor::Human => Some(Named { id: 1, name: "Tenant Admin".into() }),
            Actor::Person => event.user.clone(),
        };
        let event = Event {
            id,
            uuid: uuid(self.options.seed, id.unsigned_abs()),
            created_at: self.now,
            actor: by,
            actor_system: actor.system(),
            ipaddr: event.ipaddr.or_else(|| Some("192.0.2.10".into())),
            client_id: event
                .client_id
                .or_else(|| (actor == Actor::Api).then(|| self.options.client_id.clone())),
            ..event
        };
        if self.knobs.webhook.url.is_some() {
            let ready_at = self.now + TimeDelta::seconds(self.knobs.webhook.delay_s.into());
            self.outgoing.push_back(Outgoing { ready_at, event: event.clone() });
        }
        let visible_at = self.now + TimeDelta::seconds(self.knobs.event_delay_s.into());
        self.events.push((visible_at, event));
    }

    /// Records a change request.
    pub fn record(&self, actor: Actor, verb: &str, subject: i64, applied: bool, detail: Value) {
        self.record_as(format!("{}.{verb}", actor.noun()), subject.to_string(), applied, detail);
    }

    pub fn record_as(&self, what: String, subject: String, applied: bool, detail: Value) {
        self.recorded.set(self.recorded.get() + 1);
        let detail = if detail.is_null() { json!({}) } else { detail };
        self.ledger.append(Record { at: self.now, system: System::OneLogin, what, subject, applied, detail });
    }
}

/// Whether a user keeps roles: only approved and activated users do.
pub(super) fn may_hold_roles(user: &User) -> bool {
    user.state == state::APPROVED && (status::ACTIVE..=status::AWAITING_RESET).contains(&user.status)
}
