//! People in tests: they register, follow their mails and complete the vendor's page. Tests read their state from the
//! daemon and the simulators.
#![allow(dead_code, reason = "every test file uses its own part of it")]

use proofd::simulate::applicant::{Applicant, Led, agreement};
use proofd::simulate::jumio::{Execution, Outcome, Script};
use proofd::simulate::ledger::System;
use proofd::simulate::onelogin::Registered;
use reqwest::header::LOCATION;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use super::World;
use super::openid::{Browser, Vendor};

/// A registered person.
pub struct Person {
    pub applicant: Applicant,
    pub registered: Registered,
}

pub fn rejects(label: &str) -> Script {
    Script { outcome: Outcome::Reject, labels: vec![label.to_owned()], ..Script::default() }
}

pub fn passes() -> Script {
    Script::default()
}

pub fn forges() -> Script {
    rejects("imageChecks:MANIPULATED_DOCUMENT")
}

pub fn blurs() -> Script {
    rejects("usability:BLURRED")
}

/// A valid document in a name that was not registered.
pub fn other_name() -> Script {
    let mut script = Script::default();
    script.extraction.insert("lastName".to_owned(), "SOKOLOFF-IVANOV".into());
    script
}

pub fn ends(outcome: Outcome) -> Script {
    Script { outcome, ..Script::default() }
}

impl Person {
    pub fn id(&self) -> i64 {
        self.registered.user_id.expect("the form made a user")
    }
}

impl World {
    pub fn registers(&self, first_name: &str) -> Person {
        self.registers_from(first_name, "partner.test")
    }

    pub fn registers_from(&self, first_name: &str, domain: &str) -> Person {
        let email = format!("{}@{domain}", first_name.to_lowercase());
        let applicant = Applicant::new(first_name, "Tester", &email).unwrap();
        let registered = applicant.register(&self.town).unwrap();
        Person { applicant, registered }
    }

    /// Waits for the link of the invitation.
    pub async fn link(&self, person: &Person) -> String {
        let what = format!("an invitation for {}", person.applicant.first_name);
        self.until(&what, async |world| person.applicant.link(&world.town)).await
    }

    /// Waits for a link that is not `old`.
    pub async fn newer_link(&self, person: &Person, old: &str) -> String {
        self.until("a new link", async |world| person.applicant.link(&world.town).filter(|link| link != old))
            .await
    }

    /// Presses the button and reaches the vendor; returns the execution.
    pub async fn presses(&self, person: &Person, link: &str) -> String {
        match person.applicant.press(&self.town, link).await.unwrap() {
            Led::Vendor { execution } => execution,
            Led::Page(status, text) => {
                panic!("a page instead of the vendor: {status} {text}\n{}", self.log())
            }
        }
    }

    /// Presses the button and returns the address of an OpenID vendor.
    pub async fn presses_to(&self, browser: &mut Browser, link: &str, vendor: &Vendor) -> String {
        let page = browser.send(Method::GET, link).await.text().await.unwrap();
        let agreed = agreement(&page).map(|version| ("agree", version));
        let mut response = browser.submit(link, agreed.as_slice()).await;
        for _ in 0..200 {
            let to = response.headers().get(LOCATION).map(|to| to.to_str().unwrap().to_owned());
            match to {
                Some(to) if to.starts_with(&vendor.issuer) => return to,
                Some(_) | None if response.status().is_client_error() => break,
                Some(_) | None => tokio::time::sleep(std::time::Duration::from_millis(50)).await,
            }
            response = browser.send(Method::GET, &format!("{link}?wait=1")).await;
        }
        panic!("{}: {}\n{}", response.status(), response.text().await.unwrap(), self.log())
    }

    pub async fn goes_through(&self, person: &Person, script: Script) -> String {
        let link = self.link(person).await;
        self.goes_through_by(person, &link, script).await
    }

    pub async fn goes_through_by(&self, person: &Person, link: &str, script: Script) -> String {
        let execution = self.presses(person, link).await;
        person.applicant.prove(&self.town, &execution, script).unwrap();
        execution
    }

    pub fn execution(&self, execution: &str) -> Execution {
        self.town.jumio.execution(execution).expect("a known run")
    }

    /// The sheet of the person's case.
    pub async fn sheet(&self, person: &Person) -> Option<Value> {
        let name = format!("{} Tester", person.applicant.first_name);
        let line = self.case_of(&name).await?;
        Some(self.get(&format!("/v1/cases/{}", line["id"].as_str().unwrap())).await)
    }

    /// Waits until the person's case is in a state; returns its sheet.
    pub async fn until_state(&self, person: &Person, state: &str) -> Value {
        let last = std::cell::RefCell::new(Value::Null);
        let what = format!("{} in state {state}", person.applicant.first_name);
        self.until(&what, async |world| {
            let sheet = world.sheet(person).await?;
            last.replace(sheet.clone());
            (sheet["state"] == state).then_some(sheet)
        })
        .await
    }

    pub async fn until_closed(&self, person: &Person, result: &str) -> Value {
        let sheet = self.until_state(person, "closed").await;
        assert_eq!(sheet["result"], result, "{sheet}");
        sheet
    }

    /// The entries of a case's journal, in order.
    pub async fn journal(&self, case: &Value) -> Vec<Value> {
        let path = format!("/v1/cases/{}/journal?limit=1000", case["id"].as_str().unwrap());
        self.get(&path).await["items"].as_array().unwrap().clone()
    }

    pub async fn decides(&self, case: &Value, decision: &str) -> (StatusCode, Value) {
        let path = format!("/v1/cases/{}/decisions", case["id"].as_str().unwrap());
        self.post(&path, json!({ "decision": decision, "reason": "seen in a video call" })).await
    }

    pub async fn orders(&self, case: &Value, order: &str) -> (StatusCode, Value) {
        let path = format!("/v1/cases/{}/{order}", case["id"].as_str().unwrap());
        self.post(&path, json!({ "reason": "a test" })).await
    }

    /// The person's state at the identity provider, and the number of invitations sent.
    pub fn standing(&self, person: &Person) -> (&'static str, u64) {
        let Some(user) = self.town.onelogin.user(person.id()) else { return ("deleted", 0) };
        let word = match user["state"].as_i64() {
            Some(0) => "unapproved",
            Some(1) => "approved",
            Some(2) => "rejected",
            _ => "something else",
        };
        (word, user["invitations_sent"].as_u64().unwrap_or(0))
    }

    /// Number of applied changes of this kind to the person at the identity provider.
    pub fn applied(&self, what: &str, person: &Person) -> usize {
        let id = person.id().to_string();
        let records = self.town.ledger.records();
        records
            .iter()
            .filter(|one| one.system == System::OneLogin && one.applied)
            .filter(|one| one.what == what && one.subject == id)
            .count()
    }

    /// Subjects of the mails to a person, oldest first.
    pub fn subjects(&self, person: &Person) -> Vec<String> {
        let mails = self.town.mailbox.mails_to(&person.applicant.email);
        mails.into_iter().map(|mail| mail.subject).collect()
    }
}
