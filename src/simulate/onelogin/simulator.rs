//! The simulator's handle: creation, serving, and control from within the process.

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use serde_json::Value;
use tokio::sync::Notify;

use super::answer::{Answer, Content, Refusal};
use super::control::{Edit, Happening, Login};
use super::crowd::Crowd;
use super::knobs::Knobs;
use super::registration::{Form, Registered};
use super::tenant::{ACCOUNT, Actor, Tenant};
use super::{courier, gate};
use crate::model::Clock;
use crate::simulate::Serving;
use crate::simulate::ledger::Ledger;

/// Options of a new tenant.
#[derive(Clone)]
pub struct Options {
    pub client_id: String,
    pub client_secret: String,
    pub subdomain: String,
    /// Slug of the moderated self-registration profile that exists from the start.
    pub profile: String,
    /// Names of the roles that exist from the start; ids count from 1001.
    pub roles: Vec<String>,
    /// Short names of the custom attributes that are defined from the start.
    pub custom_attributes: Vec<String>,
    /// Seed of tokens and pseudorandom ids: the same seed gives the same values.
    pub seed: u64,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            client_id: "sim-client".into(),
            client_secret: "sim-secret".into(),
            subdomain: "acme".into(),
            profile: "sign-up".into(),
            roles: vec!["Default".into(), "Staff".into()],
            custom_attributes: vec!["idv_status".into(), "idv_verified_at".into()],
            seed: 1,
        }
    }
}

impl std::fmt::Debug for Options {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Options")
            .field("subdomain", &self.subdomain)
            .field("seed", &self.seed)
            .finish_non_exhaustive()
    }
}

/// The error of a control method, as a sentence.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Mistake(String);

impl From<Refusal> for Mistake {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Control { message, .. } | Refusal::V2 { message, .. } => Self(message),
            other => match Answer::from(other).content {
                Content::Json(body) => Self(body.to_string()),
                Content::None | Content::Text(..) => Self("refused".into()),
            },
        }
    }
}

pub(super) struct Inner {
    pub clock: Arc<dyn Clock>,
    /// Notified when an event may be ready to broadcast.
    pub stirred: Notify,
    tenant: Mutex<Tenant>,
}

impl Inner {
    /// Runs a function on the tenant, advanced to the present.
    pub fn with<T>(&self, act: impl FnOnce(&mut Tenant) -> T) -> T {
        let mut tenant = self.tenant.lock().unwrap_or_else(PoisonError::into_inner);
        tenant.settle(self.clock.now());
        let waiting = tenant.outgoing.len();
        let done = act(&mut tenant);
        if tenant.outgoing.len() > waiting {
            self.stirred.notify_one();
        }
        done
    }
}

/// A simulated tenant. Clones share its state.
#[derive(Clone)]
pub struct Simulator {
    inner: Arc<Inner>,
}

impl std::fmt::Debug for Simulator {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Simulator").finish_non_exhaustive()
    }
}

impl Simulator {
    pub fn new(options: Options, clock: Arc<dyn Clock>, ledger: Ledger) -> Self {
        let tenant = Mutex::new(Tenant::new(options, clock.now(), ledger));
        Self { inner: Arc::new(Inner { clock, stirred: Notify::new(), tenant }) }
    }

    /// The routes of the tenant: API, public form, page and `/_sim`. Events are broadcast only while it is served by
    /// [`Simulator::serve`], or by [`Simulator::flush_webhook`].
    pub fn router(&self) -> Router {
        let inner = Arc::clone(&self.inner);
        Router::new().fallback(move |request: Request<Body>| gate::handle(Arc::clone(&inner), request))
    }

    /// Serves the tenant on an address; port 0 picks a free port.
    pub async fn serve(&self, address: SocketAddr) -> io::Result<Serving> {
        let serving = Serving::start("OneLogin", address, self.router()).await?;
        serving.beside(courier::run(Arc::clone(&self.inner)));
        Ok(serving)
    }

    pub fn knobs(&self) -> Knobs {
        self.inner.with(|tenant| tenant.knobs.clone())
    }

    /// Changes knobs: `simulator.turn(|knobs| knobs.licences = Some(1))`.
    pub fn turn(&self, change: impl FnOnce(&mut Knobs)) {
        self.inner.with(|tenant| change(&mut tenant.knobs));
    }

    /// Submits the public form.
    pub fn register(&self, form: Form) -> Result<Registered, Mistake> {
        Ok(self.inner.with(|tenant| tenant.register(form))?)
    }

    /// Clicks the link in the verification mail.
    pub fn verify_email(&self, registration: i64) -> Result<(), Mistake> {
        Ok(self.inner.with(|tenant| tenant.verify_email(registration))?)
    }

    fn human(&self, user: i64, action: &str) -> Result<(), Mistake> {
        self.inner.with(|tenant| tenant.human(user, action))?;
        Ok(())
    }

    /// An administrator approves the user in the portal.
    pub fn approve(&self, user: i64) -> Result<(), Mistake> {
        self.human(user, "approve")
    }

    pub fn reject(&self, user: i64) -> Result<(), Mistake> {
        self.human(user, "reject")
    }

    pub fn delete(&self, user: i64) -> Result<(), Mistake> {
        self.human(user, "delete")
    }

    /// The person accepts the invitation and sets a password.
    pub fn activate(&self, user: i64) -> Result<(), Mistake> {
        self.human(user, "activate")
    }

    /// An administrator locks the user until unlocked.
    pub fn lock(&self, user: i64) -> Result<(), Mistake> {
        self.human(user, "lock")
    }

    pub fn unlock(&self, user: i64) -> Result<(), Mistake> {
        self.human(user, "unlock")
    }

    pub fn suspend(&self, user: i64) -> Result<(), Mistake> {
        self.human(user, "suspend")
    }

    /// An administrator deactivates the account; the event is also emitted if the account was already suspended.
    pub fn deactivate(&self, user: i64) -> Result<(), Mistake> {
        self.human(user, "deactivate")
    }

    /// An administrator sends the invitation (again).
    pub fn invite(&self, user: i64) -> Result<(), Mistake> {
        self.human(user, "invite")
    }

    pub fn change_email(&self, user: i64, email: &str) -> Result<(), Mistake> {
        Ok(self.inner.with(|tenant| tenant.change_email(user, email))?)
    }

    /// An administrator puts the user into a role.
    pub fn grant(&self, user: i64, role: i64) {
        self.inner.with(|tenant| tenant.grant(user, role, Actor::Human));
    }

    pub fn revoke(&self, user: i64, role: i64) {
        self.inner.with(|tenant| tenant.revoke(user, role, Actor::Human));
    }

    /// The person registers an MFA device.
    pub fn register_device(&self, user: i64, factor: &str) {
        self.inner.with(|tenant| tenant.register_device(user, factor));
    }

    /// The id of a role.
    pub fn role(&self, name: &str) -> Option<i64> {
        self.inner.with(|tenant| tenant.roles.values().find(|role| role.name == name).map(|role| role.id))
    }

    pub fn add_role(&self, name: &str) -> i64 {
        self.inner.with(|tenant| tenant.add_role(name))
    }

    /// Defines a custom attribute by its short name.
    pub fn add_attribute(&self, shortname: &str) -> i64 {
        self.inner.with(|tenant| tenant.add_attribute(shortname, shortname))
    }

    /// Adds another moderated self-registration profile.
    pub fn add_profile(&self, name: &str, slug: &str) -> i64 {
        self.inner.with(|tenant| tenant.add_profile(name, slug))
    }

    /// An administrator removes a role and its grants.
    pub fn remove_role(&self, role: i64) {
        self.inner.with(|tenant| tenant.drop_role(role, Actor::Human));
    }

    /// An administrator lifts a suspension.
    pub fn reactivate(&self, user: i64) -> Result<(), Mistake> {
        self.human(user, "reactivate")
    }

    /// An administrator changes a record.
    pub fn edit(&self, user: i64, edit: &Edit) -> Result<(), Mistake> {
        Ok(self.inner.with(|tenant| tenant.edit(user, edit))?)
    }

    /// The user logs in; returns whether that succeeded. A suspended user always fails.
    pub fn login(&self, user: i64, login: Login) -> bool {
        self.inner.with(|tenant| tenant.login(user, login))
    }

    /// Emits an event of any type.
    pub fn happen(&self, what: Happening) -> Result<(), Mistake> {
        Ok(self.inner.with(|tenant| tenant.happen(what))?)
    }

    /// Adds a crowd of people and returns their ids.
    pub fn gather(&self, crowd: &Crowd) -> Vec<i64> {
        self.inner.with(|tenant| tenant.gather(crowd))
    }

    /// Adds active users with roles and returns their ids.
    pub fn seed_users(&self, count: u32) -> Vec<i64> {
        self.inner.with(|tenant| tenant.seed_users(count))
    }

    /// Invalidates the current token.
    pub fn expire_token(&self) {
        self.inner.with(|tenant| tenant.token = None);
    }

    /// The true state of a user; none if deleted.
    pub fn user(&self, id: i64) -> Option<Value> {
        self.inner.with(|tenant| Some(tenant.users.get(&id)?.truth(tenant.shortnames())))
    }

    pub fn users(&self) -> Vec<Value> {
        self.inner.with(|tenant| tenant.users.values().map(|user| user.truth(tenant.shortnames())).collect())
    }

    /// The true state of a registration, including deleted ones.
    pub fn registration(&self, id: i64) -> Option<Value> {
        self.inner.with(|tenant| Some(tenant.registrations.get(&id)?.truth()))
    }

    pub fn registrations(&self) -> Vec<Value> {
        self.inner.with(|tenant| tenant.registrations.values().map(|one| one.truth()).collect())
    }

    /// First and last name of the newest record with this mail address.
    pub fn name_of(&self, email: &str) -> Option<(String, String)> {
        self.inner.with(|tenant| {
            let registered = tenant
                .registrations
                .values()
                .rev()
                .map(|one| (&one.form.email, one.form.firstname.clone(), one.form.lastname.clone()));
            let users = tenant.users.values().rev().map(|user| {
                let text = |name: &Option<String>| name.clone().unwrap_or_default();
                (&user.email, text(&user.firstname), text(&user.lastname))
            });
            let mut people = users.chain(registered).filter(|(of, ..)| of.eq_ignore_ascii_case(email));
            people.next().map(|(_, first, last)| (first, last))
        })
    }

    /// All events, including those that the API does not show yet.
    pub fn events(&self) -> Vec<Value> {
        self.inner
            .with(|tenant| tenant.events.iter().map(|(_, event)| Value::Object(event.row(ACCOUNT))).collect())
    }

    /// Batches that were due: `{at, batch, events, statuses}`; no status = dropped, 0 = not reached.
    pub fn deliveries(&self) -> Vec<Value> {
        self.inner.with(|tenant| tenant.deliveries.clone())
    }

    pub fn ledger(&self) -> Ledger {
        self.inner.with(|tenant| tenant.ledger.clone())
    }

    /// Broadcasts all ready events now.
    pub async fn flush_webhook(&self) {
        courier::flush(&self.inner).await;
    }
}
