//! People with an account: changes to their accounts, their cases by policy, and the desk's actions.
#![allow(dead_code, reason = "every test file uses its own part of it")]

use chrono::DateTime;
use proofd::model::Timestamp;
use proofd::simulate::applicant::Applicant;
use proofd::simulate::jumio::{Execution, Script};
use proofd::simulate::ledger::{Record, System};
use proofd::simulate::onelogin::{Crowd, Edit, Login, Registered};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use super::World;
use super::people::{Person, passes};

/// The attribute with the date of the last proof in the simulated tenant.
pub const VERIFIED_AT: &str = "idv_verified_at";
pub const EXEMPT_UNTIL: &str = "idv_exempt_until";

pub const DESK: &str = "t-desk";
pub const SECOND: &str = "t-desk-2";
pub const THIRD: &str = "t-desk-3";

impl World {
    /// A person with an account and a manager, created without events.
    pub fn employs(&self) -> Person {
        let crowd = Crowd { count: 2, people_per_manager: 2, ..Crowd::default() };
        let ids = self.town.onelogin.gather(&crowd);
        let id = ids[1];
        // Managers only receive mail; the exemption keeps policies from asking them for a proof.
        let custom_attributes = [(EXEMPT_UNTIL.to_owned(), "2199-12-31".to_owned())].into();
        let edit = Edit { custom_attributes, ..Edit::default() };
        self.town.onelogin.edit(ids[0], &edit).unwrap();
        let record = self.town.onelogin.user(id).unwrap();
        let text = |name: &str| record[name].as_str().unwrap().to_owned();
        let applicant = Applicant::new(&text("firstname"), &text("lastname"), &text("email")).unwrap();
        Person { applicant, registered: Registered { registration_id: 0, user_id: Some(id) } }
    }

    /// A person who proved their identity once on request of the help desk; the vendor knows the face since.
    pub async fn employs_proven(&self) -> Person {
        let person = self.employs();
        let case = self.starts("support-reverification", &person).await;
        self.goes_through(&person, passes()).await;
        self.until_case(&case, "closed").await;
        person
    }

    /// The account at the identity provider.
    pub fn account(&self, person: &Person) -> Value {
        self.town.onelogin.user(person.id()).expect("the account is there")
    }

    pub fn manager(&self, person: &Person) -> String {
        let manager = self.account(person)["manager_user_id"].as_i64().unwrap();
        self.town.onelogin.user(manager).unwrap()["email"].as_str().unwrap().to_owned()
    }

    /// The account's status: `active`, `suspended` or another.
    pub fn status(&self, person: &Person) -> &'static str {
        match self.account(person)["status"].as_i64() {
            Some(1) => "active",
            Some(2) => "suspended",
            _ => "something else",
        }
    }

    pub fn sessions(&self, person: &Person) -> u64 {
        self.account(person)["sessions"].as_u64().unwrap()
    }

    pub fn attribute(&self, person: &Person, name: &str) -> Option<String> {
        self.account(person)["custom_attributes"][name].as_str().map(str::to_owned)
    }

    /// The date of the person's proof at the identity provider.
    pub fn verified_at(&self, person: &Person) -> Option<Timestamp> {
        let text = self.attribute(person, VERIFIED_AT)?;
        Some(DateTime::parse_from_rfc3339(&text).unwrap_or_else(|error| panic!("{text}: {error}")).to_utc())
    }

    pub fn has_role(&self, person: &Person, role: &str) -> bool {
        let role = self.town.onelogin.role(role).expect("a known role");
        self.account(person)["role_ids"].as_array().unwrap().contains(&json!(role))
    }

    /// An administrator grants a role in the portal.
    pub fn grants(&self, person: &Person, role: &str) {
        let role = self.town.onelogin.role(role).unwrap_or_else(|| self.town.onelogin.add_role(role));
        self.town.onelogin.grant(person.id(), role);
    }

    pub fn revokes(&self, person: &Person, role: &str) {
        if let Some(role) = self.town.onelogin.role(role) {
            self.town.onelogin.revoke(person.id(), role);
        }
    }

    pub fn logs_in(&self, person: &Person, risk_score: Option<i64>) -> bool {
        let login = Login {
            risk_score,
            risk_reasons: risk_score.map(|_| "Infrequent access".to_owned()),
            ..Login::default()
        };
        self.town.onelogin.login(person.id(), login)
    }

    /// The applied changes to an account by the daemon, oldest first; `status` shows the requested one.
    pub fn done_to(&self, person: &Person) -> Vec<String> {
        self.records(person).into_iter().map(|record| record.what).collect()
    }

    fn records(&self, person: &Person) -> Vec<Record> {
        let id = person.id().to_string();
        let ours = |one: &Record| {
            one.system == System::OneLogin
                && one.applied
                && one.subject == id
                && one.what.starts_with("user.")
        };
        self.town.ledger.records().into_iter().filter(ours).collect()
    }

    /// The newest case of a policy for a subject.
    pub async fn case_about(&self, policy: &str, subject: &str) -> Option<Value> {
        let page = self.get(&format!("/v1/cases?policy={policy}&subject={subject}&limit=200")).await;
        let cases = page["items"].as_array().unwrap();
        let newest = cases.iter().max_by_key(|case| case["opened_at"].as_str().unwrap().to_owned())?;
        Some(self.get(&format!("/v1/cases/{}", newest["id"].as_str().unwrap())).await)
    }

    /// Waits until the newest case of a policy for an account is in a state; returns its sheet.
    pub async fn until_in(&self, policy: &str, person: &Person, state: &str) -> Value {
        let subject = format!("user/{}", person.id());
        self.until_about(policy, &subject, state).await
    }

    pub async fn until_about(&self, policy: &str, subject: &str, state: &str) -> Value {
        let what = format!("{policy} about {subject} {state}");
        let found = self.until(&what, async |world| {
            let sheet = world.case_about(policy, subject).await?;
            (sheet["state"] == state || sheet["state"] == "stuck").then_some(sheet)
        });
        let sheet = found.await;
        assert_eq!(sheet["state"], state, "{sheet:#}\n{:#}", json!(self.journal(&sheet).await));
        sheet
    }

    /// Waits until a case is in a state.
    pub async fn until_case(&self, id: &str, state: &str) -> Value {
        self.until(&format!("case {id} {state}"), async |world| {
            let sheet = world.get(&format!("/v1/cases/{id}")).await;
            (sheet["state"] == state).then_some(sheet)
        })
        .await
    }

    /// Waits until the case is closed and asserts its result.
    pub async fn until_result(&self, policy: &str, person: &Person, result: &str) -> Value {
        let sheet = self.until_in(policy, person, "closed").await;
        assert_eq!(sheet["result"], result, "{sheet}");
        sheet
    }

    /// The help desk opens a case for an account.
    pub async fn starts(&self, policy: &str, person: &Person) -> String {
        let subject = json!({ "type": "user", "id": person.id().to_string() });
        let start = json!({ "policy": policy, "subject": subject, "reason": "lost phone, ticket 4711" });
        let (status, answer) = self.ask(Method::POST, "/v1/cases", "t-operator", Some(start)).await;
        assert_eq!(status, StatusCode::CREATED, "{answer}");
        answer["id"].as_str().unwrap().to_owned()
    }

    /// Waits for the newest mail with this subject; returns its link.
    pub async fn link_in(&self, person: &Person, subject: &str) -> String {
        let what = format!("a link in {subject:?} for {}", person.applicant.email);
        self.until(&what, async |world| {
            let mails = world.town.mailbox.mails_to(&person.applicant.email);
            let mail = mails.iter().rev().find(|mail| mail.subject == subject)?;
            mail.links.iter().find(|link| link.contains("/v/")).cloned()
        })
        .await
    }

    /// Follows a link with a selfie.
    pub async fn shows_face(&self, person: &Person, link: &str, script: Script) -> Execution {
        let done = person.applicant.reverify(&self.town, link, script).await.unwrap();
        done.unwrap_or_else(|| panic!("a page instead of the vendor\n{}", self.log()))
    }

    /// Waits for a mail with this subject to an address; returns the number of such mails.
    pub async fn until_mail(&self, to: &str, subject: &str) -> usize {
        self.until(&format!("{subject:?} to {to}"), async |world| {
            let mails = world.town.mailbox.mails_to(to);
            let count = mails.iter().filter(|mail| mail.subject.contains(subject)).count();
            (count > 0).then_some(count)
        })
        .await
    }

    /// A member of the desk decides a review.
    pub async fn decides_as(&self, token: &str, case: &Value, decision: &str) -> (StatusCode, Value) {
        let path = format!("/v1/cases/{}/decisions", case["id"].as_str().unwrap());
        let decision = json!({ "decision": decision, "reason": "seen in a video call" });
        self.ask(Method::POST, &path, token, Some(decision)).await
    }

    pub async fn orders_as(&self, token: &str, case: &Value, order: &str) -> (StatusCode, Value) {
        let path = format!("/v1/cases/{}/{order}", case["id"].as_str().unwrap());
        self.ask(Method::POST, &path, token, Some(json!({ "reason": "a test" }))).await
    }

    /// The kinds of a case's journal entries, oldest first.
    pub async fn words(&self, case: &Value) -> Vec<String> {
        let journal = self.journal(case).await;
        journal.iter().map(|entry| entry["what"].as_str().unwrap().to_owned()).collect()
    }

    /// The events of a type that the sink collected.
    pub fn events(&self, kind: &str) -> Vec<Value> {
        let notes = self.town.office.notes("event");
        notes.into_iter().map(|note| note.body).filter(|event| event["type"] == kind).collect()
    }

    /// The holds on an account, as the daemon lists them.
    pub async fn holds_on(&self, person: &Person) -> Vec<Value> {
        self.get(&format!("/v1/holds?subject={}", person.id())).await["items"].as_array().unwrap().clone()
    }
}
