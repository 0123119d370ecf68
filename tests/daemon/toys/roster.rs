//! A toy identity provider: people and events in one JSON file.

use std::path::PathBuf;
use std::sync::Arc;

use chrono::{TimeDelta, Utc};
use futures::FutureExt as _;
use futures::future::BoxFuture;
use proofd::config::SecretSource;
use proofd::connectors::options::{self, Site, Target};
use proofd::connectors::registry::Provider;
use proofd::connectors::{
    Connector, Finding, IdentityOptions, IdentityProvider, Page, People, WebhookRefused,
};
use proofd::model::{
    Attempt, Changed, Clock, EffectKind, Event, EventType, Failure, Fields, IdentityChange, IdentityWords,
    Origin, Pattern, Snapshot, Subject, SubjectKind, SubjectRef, User,
};
use reqwest::header::HeaderMap;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

pub const PROVIDER: Provider = Provider::identity::<Options>(
    "roster",
    IdentityWords {
        events: Pattern { regex: "[a-z]+", matches: is_word, expected: "a word, such as roster.alarm" },
        risk_scores: "a roster sends no scores",
        settable: &[],
        refuses: |effect, _| match effect {
            EffectKind::Suspend | EffectKind::Reinstate => None,
            _ => Some("a roster has nothing but a status"),
        },
        refuses_role: |_| None,
        never_sends: |event| (event == "user.locked").then_some("a roster has no locks"),
    },
)
.several();

fn is_word(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_lowercase())
}

/// A file with people.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Roster")]
pub struct Options {
    /// Path of the file.
    file: PathBuf,
    /// The expected value of the header `x-roster` in its hook.
    key: SecretSource,
}

impl options::Options for Options {
    fn secrets(&self) -> Vec<(String, &SecretSource)> {
        vec![("key".to_owned(), &self.key)]
    }

    fn addresses(&self) -> Vec<Target> {
        Vec::new()
    }
}

impl IdentityOptions for Options {
    fn mapped(&self) -> Vec<String> {
        Vec::new()
    }

    fn build(&self, site: &Site<'_>) -> anyhow::Result<Arc<dyn IdentityProvider>> {
        Ok(Arc::new(Roster {
            name: site.name.to_owned(),
            file: site.base.join(&self.file),
            key: site.secret("key", &self.key)?.expose().to_owned(),
            clock: Arc::clone(site.clock),
        }))
    }
}

struct Roster {
    name: String,
    file: PathBuf,
    key: String,
    clock: Arc<dyn Clock>,
}

impl std::fmt::Debug for Roster {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Roster({})", self.name)
    }
}

impl Roster {
    fn read(&self) -> Result<Value, Failure> {
        let text =
            std::fs::read(&self.file).map_err(|error| Failure::unavailable(error.kind().to_string()))?;
        serde_json::from_slice(&text).map_err(|_| Failure::unavailable("the roster is no JSON"))
    }

    fn person(&self, id: &str) -> Result<Option<Subject>, Failure> {
        let roster = self.read()?;
        let Some(status) = roster["people"][id].as_str() else { return Ok(None) };
        let text = |text: &str| Some(text.to_owned());
        let user = User {
            id: id.to_owned(),
            username: text(id),
            email: Some(format!("{id}@{}.example", self.name)),
            email_domain: Some(format!("{}.example", self.name)),
            first_name: text("Anna"),
            last_name: text("Muster"),
            status: text(status),
            state: None,
            roles: Vec::new(),
            groups: Vec::new(),
            manager: None,
            department: None,
            title: None,
            created_at: Some("2026-01-01T00:00:00Z".parse::<chrono::DateTime<Utc>>().unwrap()),
            last_login_at: None,
            verified_at: None,
            exempt_until: None,
            service_account: None,
            locale: None,
            attributes: Fields::new(),
        };
        Ok(Some(Subject::from(user).from_source(&self.name)))
    }

    fn set(&self, id: &str, to: &str) -> Result<Changed, Failure> {
        let mut roster = self.read()?;
        let before = roster["people"][id].as_str().map(str::to_owned);
        if before.is_none() {
            return Err(Failure::changed("nobody has this id in the roster"));
        }
        roster["people"][id] = json!(to);
        std::fs::write(&self.file, roster.to_string()).map_err(|_| Failure::unavailable("not written"))?;
        Ok(Changed { already: before.as_deref() == Some(to), before, invited_at: None })
    }

    fn event(&self, number: usize, record: &Value) -> Event {
        Event {
            key: format!("{}:{number}", self.name),
            near: Vec::new(),
            leaves: Vec::new(),
            kind: EventType::new(format!("roster.{}", record["type"].as_str().unwrap())),
            also: Vec::new(),
            source: self.name.clone(),
            time: self.clock.now(),
            subject: SubjectRef {
                source: self.name.clone(),
                kind: SubjectKind::User,
                id: record["person"].as_str().unwrap().to_owned(),
            },
            actor: None,
            actor_id: None,
            by_subject: false,
            origin: Origin::Others,
            ip: None,
            fields: Fields::new(),
        }
    }
}

impl Connector for Roster {
    fn examine(&self) -> BoxFuture<'_, Vec<Finding>> {
        async {
            let ok = self.read().is_ok();
            vec![Finding { ok, what: "roster".to_owned(), detail: String::new() }]
        }
        .boxed()
    }
}

impl IdentityProvider for Roster {
    fn poll_every(&self) -> TimeDelta {
        TimeDelta::seconds(10)
    }

    fn poll<'a>(&'a self, cursor: Option<&'a str>) -> BoxFuture<'a, Result<Page, Failure>> {
        async move {
            let from = cursor.map_or(0, |cursor| cursor.parse::<usize>().unwrap());
            let roster = self.read()?;
            let events = roster["events"].as_array().unwrap();
            let new = events.iter().enumerate().skip(from);
            Ok(Page {
                events: new.map(|(number, record)| self.event(number, record)).collect(),
                cursor: Some(events.len().to_string()),
                more: false,
            })
        }
        .boxed()
    }

    fn anew(&self, _: &str) -> Option<String> {
        None
    }

    fn is_webhook(&self, headers: &HeaderMap) -> bool {
        headers.get("x-roster").is_some_and(|given| given.as_bytes() == self.key.as_bytes())
    }

    fn webhook(&self, _: &HeaderMap, body: &[u8]) -> Result<Vec<Event>, WebhookRefused> {
        let record: Value =
            serde_json::from_slice(body).map_err(|_| WebhookRefused::Malformed("no JSON".to_owned()))?;
        Ok(vec![self.event(usize::MAX, &record)])
    }

    fn subject<'a>(
        &'a self,
        reference: &'a SubjectRef,
        _: Option<&'a Event>,
    ) -> BoxFuture<'a, Result<Option<Subject>, Failure>> {
        async { self.person(&reference.id) }.boxed()
    }

    fn change<'a>(
        &'a self,
        _: &'a Attempt,
        snapshot: &'a Snapshot,
        change: &'a IdentityChange,
    ) -> BoxFuture<'a, Result<Changed, Failure>> {
        async move {
            match change {
                IdentityChange::Suspend { .. } => self.set(&snapshot.subject.id, "suspended"),
                IdentityChange::Reinstate { .. } => self.set(&snapshot.subject.id, "active"),
                other => panic!("a roster said that it does not do this: {other:?}"),
            }
        }
        .boxed()
    }

    fn population<'a>(&'a self, _: Option<&'a str>) -> BoxFuture<'a, Result<People, Failure>> {
        async {
            let roster = self.read()?;
            let ids = roster["people"].as_object().unwrap().keys();
            let people = ids.filter_map(|id| self.person(id).transpose()).collect::<Result<_, _>>()?;
            Ok(People { people, next: None })
        }
        .boxed()
    }

    fn population_size(&self) -> BoxFuture<'_, Result<u64, Failure>> {
        async { Ok(self.read()?["people"].as_object().unwrap().len() as u64) }.boxed()
    }
}
