//! The connector against the real server: what it reads, what it does, and what it says of a realm.
//!
//! | file | what |
//! |---|---|
//! | `deeds` | events: one person, one deed after the other, by whom |
//! | `polling` | both streams: registrations, ties, overlap, lost events |
//! | `verbs` | every change: first, again, changed meanwhile, gone |
//! | `people` | subjects, roles by every way, the population |
//! | `gates` | gates with gaps: noticed, reported, nothing approved |
//! | `errors` | errors name the thing, and decide nothing |
//! | `doctor` | findings of a realm that is right, and of realms that are not |

mod deeds;
mod doctor;
mod errors;
mod gates;
mod people;
mod polling;
mod verbs;

use std::collections::BTreeMap;
use std::sync::Arc;

use chrono::TimeDelta;
use proofd::connectors::IdentityProvider as _;
use proofd::connectors::keycloak::{Invitation, Keycloak, Settings};
use proofd::engine::clock::System;
use proofd::model::{
    Attempt, CallId, CaseId, Changed, Clock as _, Event, Failure, IdentityChange, Origin, Secret, Snapshot,
    Subject, SubjectKind, SubjectRef, Timestamp,
};

use crate::admin::Realm;
use crate::server::SECRET;

/// The name of the connector in the tests.
const NAME: &str = "staff";

/// A connector to a realm, and its position in the realm's events.
struct Bench {
    realm: Realm,
    connector: Keycloak,
    cursor: Option<String>,
}

fn settings(realm: &Realm) -> Settings {
    let attributes = ["verified_at", "exempt_until", "service_account", "department", "cost_center"];
    Settings {
        name: NAME.to_owned(),
        url: realm.keycloak.url.parse().unwrap(),
        realm: realm.name.clone(),
        client_id: "proofd".to_owned(),
        client_secret: Secret::new(SECRET),
        registrations: true,
        pending_group: "/proofd-pending".to_owned(),
        state_attribute: "proofd_state".to_owned(),
        invite: Invitation {
            client_id: Some("portal".to_owned()),
            redirect_uri: Some(crate::page::CALLBACK.to_owned()),
            seconds: 86_400,
        },
        attributes: attributes.map(|name| (name.to_owned(), name.to_owned())).into(),
        organizations: false,
        poll_every: TimeDelta::seconds(1),
        lookback: TimeDelta::seconds(1),
    }
}

fn connector(settings: Settings) -> Keycloak {
    Keycloak::new(settings, Arc::new(System)).unwrap()
}

impl Bench {
    async fn at(realm: &Realm) -> Self {
        Self::with(realm, settings(realm)).await
    }

    async fn with(realm: &Realm, settings: Settings) -> Self {
        let mut bench = Self { realm: realm.clone(), connector: connector(settings), cursor: None };
        bench.polled().await.unwrap();
        bench
    }

    /// All events that are new, page by page.
    async fn polled(&mut self) -> Result<Vec<Event>, Failure> {
        let mut events = Vec::new();
        loop {
            let page = self.connector.poll(self.cursor.as_deref()).await?;
            self.cursor = page.cursor;
            events.extend(page.events);
            if !page.more {
                return Ok(events);
            }
        }
    }

    /// The new events about a person, in words.
    async fn events_of(&mut self, id: &str) -> Vec<String> {
        let events = self.polled().await.unwrap();
        events.iter().filter(|event| event.subject.id == id).map(words).collect()
    }

    async fn subject(&self, kind: SubjectKind, id: &str) -> Option<Subject> {
        self.connector.subject(&reference(kind, id), None).await.unwrap()
    }

    async fn user(&self, id: &str) -> Subject {
        self.subject(SubjectKind::User, id).await.expect("the person exists")
    }

    async fn registration(&self, id: &str) -> Subject {
        self.subject(SubjectKind::Registration, id).await.expect("the person exists")
    }

    /// What a case that opens now knows of a person.
    async fn snapshot(&self, kind: SubjectKind, id: &str) -> Snapshot {
        let subject = self.subject(kind, id).await.expect("the person exists");
        let text = |field: &str| subject.text(field).map(str::to_owned);
        Snapshot {
            subject: subject.reference(),
            user_id: text("user_id"),
            profile_id: text("profile_id"),
            email: text("email"),
            created_at: text("created_at").map(|at| at.parse().unwrap()),
            compared: BTreeMap::new(),
        }
    }

    async fn does(&self, snapshot: &Snapshot, change: &IdentityChange) -> Result<Changed, Failure> {
        self.connector.change(&attempt(1, now()), snapshot, change).await
    }

    /// A change of a user by what is known of them now.
    async fn changes(&self, id: &str, change: IdentityChange) -> Result<Changed, Failure> {
        let snapshot = self.snapshot(SubjectKind::User, id).await;
        self.does(&snapshot, &change).await
    }
}

fn now() -> Timestamp {
    System.now()
}

fn reference(kind: SubjectKind, id: &str) -> SubjectRef {
    SubjectRef { source: NAME.to_owned(), kind, id: id.to_owned() }
}

fn attempt(number: u32, asked_at: Timestamp) -> Attempt {
    let call = CallId { case: CaseId("c".to_owned()), number: 1 };
    Attempt { call, number, in_doubt: number > 1, asked_at }
}

/// An event in words: its type, what changed, and who did it.
fn words(event: &Event) -> String {
    let field = |name: &str| event.fields.get(name).and_then(|value| value.as_str()).map(str::to_owned);
    let by = match (event.origin, event.by_subject) {
        (Origin::Ours, _) => "ours",
        (_, true) => "the person",
        (Origin::Others | Origin::Unknown, false) => "others",
    };
    let what = ["role", "attribute", "old", "new_value", "reason_text"];
    let what: Vec<_> = what.into_iter().filter_map(field).collect();
    let words = [vec![event.kind.to_string()], what, vec![format!("by {by}")]].concat();
    words.join(" ")
}

fn role(role: &str, given: bool) -> IdentityChange {
    let role = role.to_owned();
    if given { IdentityChange::AssignRole { role } } else { IdentityChange::RemoveRole { role } }
}

fn set(attributes: serde_json::Value) -> IdentityChange {
    IdentityChange::SetAttributes { attributes: attributes.as_object().unwrap().clone() }
}

const SUSPEND: IdentityChange = IdentityChange::Suspend { end_sessions: true };
const REINSTATE: IdentityChange = IdentityChange::Reinstate { to: None };
