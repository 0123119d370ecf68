//! The daemon, a realm, the simulated verification provider and a mailbox: people from the form to the end. What
//! happened is read from Keycloak as an administrator sees it, and not from the daemon.
//!
//! The daemon has the system's clock, as it does wherever a system is not simulated. So the policies are the shipped
//! ones with seconds instead of days.
//!
//! | file | what |
//! |---|---|
//! | `registration` | a registration in a real browser; rejected, silent, approved by hand |
//! | `roles` | a role is withheld, given back, revoked |
//! | `accounts` | an account is suspended and reinstated |
//! | `sweep` | a sweep over a thousand people |
//! | `both` | two identity providers and two verification providers |

mod accounts;
mod both;
mod registration;
mod roles;
mod sweep;

use std::path::Path;
use std::time::Duration;

use proofd::simulate::applicant::{Applicant, Led};
use proofd::simulate::jumio::Script;
use serde_json::{Value, json};

use crate::admin::Realm;
use crate::person::Person;
use crate::server::{SECRET, keycloak};
use crate::world::{World, edit_shipped};

pub struct Scene {
    pub world: World,
    pub realm: Realm,
}

/// How long a case may take to its end.
const PATIENCE: Duration = Duration::from_secs(60);

/// Text of a file of the policy tree, and its replacement.
type Edit<'a> = (&'a str, &'a str, &'a str);

impl Scene {
    /// A realm, and a configuration with the shipped policies. None: there is no Keycloak, which is printed.
    pub async fn set(name: &str, edits: &[Edit<'_>]) -> Option<Self> {
        let keycloak = keycloak().await?;
        let world = World::new(1, Path::new("policies"), "").await;
        let (mailbox, smtp) = (&world.town.mailbox, world.town.mailbox_served.smtp);
        let realm = keycloak.realm_with_mail(name, mailbox, smtp).await;
        connect(&world, &realm);
        let scene = Self { world, realm };
        for (file, from, to) in edits {
            edit_shipped(&scene.world.policies().join(file), from, to);
        }
        Some(scene)
    }

    /// Somebody registers and is refused at the end of the form, as everybody is.
    pub async fn registers(&self, first_name: &str) -> (Person, String) {
        let mut person = Person::new(&self.realm, first_name);
        person.registers().await;
        let id = self.realm.id(&person.name).await;
        (person, id)
    }

    /// Somebody with an account, who signed in.
    pub async fn employs(&self, first_name: &str) -> (Person, String) {
        let mut person = Person::new(&self.realm, first_name);
        let id = self.realm.employs(&person.name, &person.password).await;
        self.realm.changes(&id, json!({"email": person.email, "lastName": person.last_name})).await;
        self.realm.changes(&id, json!({"firstName": person.first_name})).await;
        assert!(person.signs_in().await, "{}", person.browser.text());
        (person, id)
    }

    /// Waits for the person's link in a mail of the daemon after the first `seen` mails, and proves with it.
    pub async fn proves(&self, person: &Person, seen: usize, script: Script) {
        let link = person.link_after(seen, "/v/").await;
        self.proves_by(person, &link, script).await;
    }

    pub async fn proves_by(&self, person: &Person, link: &str, script: Script) {
        let applicant = Applicant::new(&person.first_name, &person.last_name, &person.email).unwrap();
        match applicant.press(&self.world.town, link).await.unwrap() {
            Led::Vendor { execution } => applicant.prove(&self.world.town, &execution, script).unwrap(),
            Led::Page(status, text) => panic!("a page instead of the vendor: {status} {text}"),
        }
    }

    /// Waits until the newest case is closed, and asserts its result.
    pub async fn ends(&self, policy: &str, subject: &str, result: &str) -> Value {
        let closed = self.world.until_about(policy, subject, "closed");
        let Ok(sheet) = tokio::time::timeout(PATIENCE, closed).await else {
            let sheet = self.world.case_about(policy, subject).await.unwrap_or_default();
            let journal = json!(self.world.journal(&sheet).await);
            panic!("{policy} about {subject} is not closed: {sheet:#}\n{journal:#}");
        };
        assert_eq!(sheet["result"], result, "{sheet:#}");
        sheet
    }
}

/// Puts Keycloak in the place of the simulated identity provider.
pub fn connect(world: &World, realm: &Realm) {
    let config = std::fs::read_to_string(world.config()).unwrap();
    let (before, rest) = config.split_once("  onelogin:\n").unwrap();
    let (_, after) = rest.split_once("  jumio:\n").unwrap();
    let keycloak = format!("{}  jumio:\n    starts_per_second: 50\n", staff(realm));
    std::fs::write(world.config(), format!("{before}{keycloak}{after}")).unwrap();
    world.town.jumio.turn(|knobs| {
        knobs.rate_limits = false;
        knobs.processing_seconds = 1;
    });
}

/// The realm in the configuration, with the name `staff`.
fn staff(realm: &Realm) -> String {
    let (url, name) = (&realm.keycloak.url, &realm.name);
    format!(
        "  keycloak:
    staff:
      url: {url}
      realm: {name}
      client_secret: {SECRET}
      poll_every: 1s
      attributes: {{verified_at: verified_at, exempt_until: exempt_until, service_account: service_account}}
"
    )
}

/// Seconds instead of days, for what a person or an operator is given time for.
pub fn grace(text: &str) -> String {
    text.replace("grace: 7d", "grace: 3s").replace("grace: 30d", "grace: 3s")
}

/// What proofd did to somebody, oldest first: administrators' events by its client.
pub async fn ours(realm: &Realm, id: &str) -> Vec<String> {
    let client = realm.get("/clients?clientId=proofd").await[0]["id"].as_str().unwrap().to_owned();
    let mut done = realm.done(&format!("users/{id}")).await;
    done.retain(|(_, by)| *by == client);
    done.into_iter().rev().map(|(what, _)| what).collect()
}
