//! Reads the settings of the gate, and watches them: a gate that is open is an alarm, and stops approvals.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use chrono::TimeDelta;

use super::Keycloak;
use super::events::Fact;
use super::events::Head;
use super::gate::{Gate, Way};
use super::poll::registered;
use super::wire::{Client, Execution, ExecutionConfig, Flow, Group, IdentityProviderLink, RealmSettings};
use crate::model::{Event, EventType, Failure, Origin, SubjectKind, Timestamp};

/// How often the gate is checked without a reason.
const LOOK_EVERY: TimeDelta = TimeDelta::minutes(3);
/// How long lost events are reported.
const REPORTED: TimeDelta = TimeDelta::hours(24);
/// Clients per request: a client has a few kilobytes.
const CLIENTS: usize = 100;
/// Most members of the pending group that are looked at when events are lost.
const MOST_WAITING: usize = 2_000;

/// What the operator has to know.
#[derive(Debug, Default)]
pub struct Watch(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    looked_at: Option<Timestamp>,
    gaps: Vec<String>,
    /// Why the gate could not be checked.
    unchecked: Option<String>,
    lost: Option<(Timestamp, Timestamp)>,
}

impl Watch {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns a sentence for each thing that a person must repair.
    pub fn alarms(&self) -> Vec<String> {
        let state = self.lock();
        let gaps =
            state.gaps.iter().map(|gap| format!("the gate is open: {gap}; nobody is approved meanwhile"));
        let unchecked = state.unchecked.iter();
        let unchecked = unchecked
            .map(|why| format!("the gate could not be checked: {why}; nobody is approved meanwhile"));
        let lost = state.lost.map(|(_, newest)| {
            format!(
                "stored events are gone that were there before (the newest was of {}); events may be missing: let Keycloak \
                 keep events for longer than any outage, and start the sweeps",
                newest.format("%F %T UTC")
            )
        });
        gaps.chain(unchecked).chain(lost).collect()
    }

    pub fn lost(&self, now: Timestamp, newest: Timestamp) {
        self.lock().lost = Some((now, newest));
    }
}

impl Keycloak {
    /// Checks the gate if it is time, or if something changed.
    pub(super) async fn guard(&self, changed: bool) {
        let now = self.clock.now();
        {
            let mut state = self.watch.lock();
            if state.lost.is_some_and(|(at, _)| now - at > REPORTED) {
                state.lost = None;
            }
            let lately = |at: Timestamp| (now - at).abs() < LOOK_EVERY;
            if !self.registrations || (!changed && state.looked_at.is_some_and(lately)) {
                return;
            }
        }
        // A check that fails is repeated at the next poll. What was found before stays known.
        if let Err(failure) = self.check_gate().await {
            let mut state = self.watch.lock();
            state.looked_at = None;
            if state.unchecked.is_none() {
                tracing::error!(
                    realm = self.name,
                    reason = failure.reason,
                    "checking the realm's gate failed"
                );
            }
            state.unchecked = Some(failure.reason);
        }
    }

    /// Reads and checks the gate now.
    pub(super) async fn check_gate(&self) -> Result<Vec<String>, Failure> {
        let gaps = self.gate().await?.gaps();
        let mut state = self.watch.lock();
        if gaps != state.gaps {
            for gap in &gaps {
                tracing::error!(realm = self.name, gap, "the realm's gate is open: new people can sign in");
            }
            if gaps.is_empty() {
                tracing::info!(realm = self.name, "the realm's gate is whole again");
            }
        }
        state.looked_at = Some(self.clock.now());
        state.unchecked = None;
        state.gaps.clone_from(&gaps);
        Ok(gaps)
    }

    pub(super) async fn settings(&self) -> Result<RealmSettings, Failure> {
        let settings: RealmSettings = self.api.must(&[], &[]).await?;
        // With any other right Keycloak answers with a few members and no error.
        if settings.browser_flow.is_none() {
            return Err(Failure::outage(
                "Keycloak shows no settings of the realm: the service account lacks the role view-realm of \
                 realm-management; give it back",
            ));
        }
        Ok(settings)
    }

    /// Returns the pending group; `None`: there is none.
    pub(super) async fn pending(&self) -> Result<Option<Group>, Failure> {
        let parts = self.pending_group.split('/').filter(|part| !part.is_empty());
        let path: Vec<&str> = ["group-by-path"].into_iter().chain(parts).collect();
        self.api.read(&path, &[]).await
    }

    async fn gate(&self) -> Result<Gate, Failure> {
        let settings = self.settings().await?;
        let group = self.pending().await?;
        let default: Vec<Group> = self.api.must(&["default-groups"], &[]).await?;
        let flows: Vec<Flow> = self.api.must(&["authentication", "flows"], &[]).await?;
        let by_id: BTreeMap<String, String> = flows.into_iter().map(|flow| (flow.id, flow.alias)).collect();
        let mut ways = vec![Way::new("the browser flow", settings.browser_flow.clone())];
        if settings.registration_allowed == Some(true) {
            ways.push(Way::new("the registration flow", settings.registration_flow.clone()));
        }
        ways.push(Way::new("the direct grant flow", settings.direct_grant_flow.clone()));
        if settings.reset_password_allowed == Some(true) {
            ways.push(Way::new("the reset credentials flow", settings.reset_credentials_flow.clone()));
        }
        let providers: Vec<IdentityProviderLink> =
            self.api.must(&["identity-provider", "instances"], &[("first", "0"), ("max", "1000")]).await?;
        ways.extend(providers.iter().filter(|provider| provider.enabled).map(Way::through));
        let clients = self.clients().await?;
        if clients.iter().any(|client| client.protocol.as_deref() == Some("docker-v2")) {
            ways.push(Way::new("the docker flow", settings.docker_authentication_flow.clone()));
        }
        for client in &clients {
            for (kind, flow) in &client.authentication_flow_binding_overrides {
                let name = format!("the {kind} flow of the client {}", client.client_id);
                let alias = by_id.get(flow).unwrap_or(flow);
                ways.extend(Some(Way::new(name, Some(alias.clone()))).filter(|_| !flow.is_empty()));
            }
        }
        let mut gate = Gate {
            path: self.pending_group.clone(),
            group,
            default_groups: default.into_iter().map(|group| group.id).collect(),
            ways,
            ..Gate::default()
        };
        let aliases: BTreeSet<String> = gate.ways.iter().filter_map(|way| way.flow.clone()).collect();
        for alias in aliases {
            let path = ["authentication", "flows", &alias, "executions"];
            let Some(lines): Option<Vec<Execution>> = self.api.read(&path, &[]).await? else { continue };
            for id in Gate::wanted_configs(&lines) {
                let config: Option<ExecutionConfig> =
                    self.api.read(&["authentication", "config", id], &[]).await?;
                gate.configs.insert(id.clone(), config.unwrap_or_default().config);
            }
            gate.flows.insert(alias, lines);
        }
        Ok(gate)
    }

    pub(super) async fn clients(&self) -> Result<Vec<Client>, Failure> {
        let mut found: Vec<Client> = Vec::new();
        loop {
            let (first, max) = (found.len().to_string(), CLIENTS.to_string());
            let query = [("first", first.as_str()), ("max", max.as_str())];
            let page: Vec<Client> = self.api.must(&["clients"], &query).await?;
            let full = page.len() >= CLIENTS;
            found.extend(page);
            if !full {
                break;
            }
        }
        found.retain(|client| client.enabled);
        Ok(found)
    }

    /// Returns an event for everybody who waits at the gate: their own may be lost. Who was reported before counts as
    /// seen.
    pub(super) async fn waiting_since(&self, now: Timestamp) -> Result<Vec<Event>, Failure> {
        if !self.registrations {
            return Ok(Vec::new());
        }
        let Some(group) = self.pending().await? else { return Ok(Vec::new()) };
        let members = self.members_of(&group.id, MOST_WAITING).await?;
        let event = |id: &str, created: Option<i64>| {
            let head = Head {
                source: &self.name,
                id,
                time: created.unwrap_or_else(|| now.timestamp_millis()),
                native: "WAITING".to_owned(),
                actor: None,
                actor_id: None,
                by_subject: false,
                origin: Origin::Others,
                ip: None,
                data: crate::model::Fields::new(),
            };
            registered(head.event(SubjectKind::Registration, id, Fact::new(EventType::REGISTRATION_CREATED)))
        };
        let members = members.iter().filter(|member| {
            let username = member.username.as_deref().unwrap_or_default();
            // Accounts of programs are in the group too. Nobody else has a name like this and no address.
            !(username.starts_with("service-account-") && member.email.is_none())
        });
        Ok(members.map(|member| event(&member.id, member.created_timestamp)).collect())
    }
}
