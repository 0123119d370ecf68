//! The SCIM connector against scim2-server.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use proofd::connectors::Connector as _;
use proofd::connectors::scim::{Scim, Settings};
use proofd::model::{Action, Call, Done, Fields, Outcome, ProvisioningAction, Secret};
use serde_json::{Value, json};

use super::{SCRIPT, python};
use crate::perform::perform_at;

const TOKEN: &str = "t0ken";
const URN: &str = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";

struct Server {
    child: Child,
    url: String,
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Server {
    fn start() -> Option<Self> {
        let mut command = Command::new(python()?);
        command.args([SCRIPT, "scim", TOKEN]).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn().unwrap();
        let mut port = String::new();
        BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut port).unwrap();
        let url = format!("http://127.0.0.1:{}/v2", port.trim());
        Some(Self { child, url })
    }

    fn connector(&self, token: &str) -> Arc<Scim> {
        let token = Secret::new(token);
        let url = self.url.parse().unwrap();
        Arc::new(Scim::new(Settings { name: "hris".to_owned(), url, token }).unwrap())
    }

    /// The account as the server stores it.
    async fn account(&self, id: &str) -> Value {
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        let request = client.get(format!("{}/Users/{id}", self.url)).bearer_auth(TOKEN);
        request.send().await.unwrap().json().await.unwrap()
    }
}

fn fields(value: Value) -> Fields {
    value.as_object().unwrap().clone()
}

fn create(external_id: &str, attributes: Value) -> Action {
    let (system, external_id) = ("hris".to_owned(), external_id.to_owned());
    Action::Provisioning {
        system,
        account: ProvisioningAction::Create { external_id, attributes: fields(attributes) },
    }
}

fn update(matching: Value, attributes: Value) -> Action {
    let system = "hris".to_owned();
    Action::Provisioning {
        system,
        account: ProvisioningAction::Update { matching: fields(matching), attributes: fields(attributes) },
    }
}

async fn perform(scim: &Arc<Scim>, action: Action, attempt: u32) -> Result<Done, String> {
    let attempt = crate::perform::attempt("c1", 1, attempt, proofd::model::Timestamp::UNIX_EPOCH);
    match perform_at(scim, &Call { attempt, action }).await {
        Outcome::Done(done) => Ok(done),
        Outcome::Failed(failure) => Err(format!("{:?}: {}", failure.kind, failure.reason)),
    }
}

fn applied(already: bool) -> Result<Done, String> {
    Ok(Done::Applied { already, before: None })
}

#[tokio::test(flavor = "multi_thread")]
async fn scim_accounts_are_created_and_changed() {
    let Some(server) = Server::start() else { return };
    let hris = server.connector(TOKEN);
    let findings = hris.examine().await;
    assert!(findings.len() == 2 && findings.iter().all(|finding| finding.ok), "{findings:?}");

    let jane = json!({
        "userName": "jane@example.com", "name.givenName": "Jane", "name.familyName": "O'Neil \"J\"",
        "email": "jane@example.com", "active": true, "title": "Lead", (format!("{URN}:department")): "IT",
    });
    let made = perform(&hris, create("u-01", jane.clone()), 1).await.unwrap();
    let Done::Created { id: Some(id), already: false } = made else { panic!("{made:?}") };
    let account = server.account(&id).await;
    for (path, expected) in [
        ("/externalId", json!("u-01")),
        ("/name", json!({"givenName": "Jane", "familyName": "O'Neil \"J\""})),
        ("/emails", json!([{"value": "jane@example.com", "type": "work", "primary": true}])),
        (&format!("/{URN}/department"), json!("IT")),
        ("/active", json!(true)),
    ] {
        assert_eq!(account.pointer(path), Some(&expected), "{account}");
    }

    // The answer was lost: the account is found again, even if the server would create another.
    let mut other_name = jane.clone();
    other_name["userName"] = json!("jane2@example.com");
    for (again, attempt) in [(jane.clone(), 2), (other_name, 1)] {
        let again = perform(&hris, create("u-01", again), attempt).await;
        assert_eq!(again, Ok(Done::Created { id: Some(id.clone()), already: true }));
    }
    let somebody_else = perform(&hris, create("u-02", jane), 1).await.unwrap_err();
    assert!(somebody_else.starts_with("Changed: hris has another account"), "{somebody_else}");

    let department = format!("{URN}:department");
    let change = || {
        update(
            json!({ "userName": "JANE@example.com", "active": true }),
            json!({ "email": "j@example.com", "title": null, (department.clone()): "HR", "name.givenName": "J." }),
        )
    };
    assert_eq!(perform(&hris, change(), 1).await, applied(false));
    assert_eq!(perform(&hris, change(), 2).await, applied(true));
    let account = server.account(&id).await;
    assert_eq!(account["emails"], json!([{"value": "j@example.com", "type": "work", "primary": true}]));
    assert_eq!((&account["title"], &account[URN]["department"]), (&json!(null), &json!("HR")));
    assert_eq!(account["name"], json!({"givenName": "J.", "familyName": "O'Neil \"J\""}));

    for matching in [
        json!({"externalId": "u-01"}),
        json!({"id": id}),
        json!({"email": "j@example.com"}),
        json!({"name.familyName": "O'Neil \"J\""}),
        json!({(department.clone()): "HR", "externalId": "u-01"}),
    ] {
        let (off, on) = (json!({ "active": false }), json!({ "active": true }));
        assert_eq!(perform(&hris, update(matching.clone(), off), 1).await, applied(false), "{matching}");
        assert_eq!(perform(&hris, update(matching, on), 1).await, applied(false));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn refusals_of_the_scim_server_are_classified() {
    let Some(server) = Server::start() else { return };
    let hris = server.connector(TOKEN);
    for (external_id, name) in [("u-1", "ada"), ("u-2", "ben")] {
        perform(&hris, create(external_id, json!({ "userName": name, "title": "Lead" })), 1).await.unwrap();
    }
    let off = || json!({ "active": false });
    for (action, expected) in [
        (create("u-3", json!({ "title": "no user name" })), "Refused: hris answered 400"),
        (
            create("u-3", json!({ "userName": "cyd", "nonsense": 1 })),
            "Refused: hris answered 400 (invalidSyntax)",
        ),
        (create("u-3", json!({ "userName": "ADA" })), "Changed: hris has another account"),
        (update(json!({ "title": "Lead" }), off()), "Refused: hris has several accounts"),
        (update(json!({ "userName": "nobody" }), off()), "Changed: hris has no account"),
        (update(json!({ "externalId": "U-1" }), off()), "Changed: hris has no account"),
        (
            update(json!({ "userName": "x\" or userName pr or userName eq \"" }), off()),
            "Changed: hris has no account",
        ),
        (update(json!({ "nonsense": "x" }), off()), "Refused: hris does not support the search"),
        (update(json!({ "userName": "ada" }), json!({ "nonsense": 1 })), "Refused: hris answered 400 ("),
        (
            update(json!({ "userName": "ada" }), json!({ "userName": "ben" })),
            "Refused: hris answered 409 (uniqueness)",
        ),
    ] {
        // The fourth attempt: before it, an account may be too new to be found.
        let why = perform(&hris, action.clone(), 4).await.expect_err(&format!("{action:?}"));
        assert!(why.starts_with(expected), "{action:?}: {why}");
    }
    let wrong = server.connector("wrong");
    let why = perform(&wrong, create("u-9", json!({ "userName": "x" })), 1).await.unwrap_err();
    assert!(why.starts_with("Unavailable: hris refused the credentials (401)"), "{why}");
    // The server's abilities are public; a search needs the token.
    let findings: Vec<_> = wrong.examine().await.into_iter().map(|finding| finding.ok).collect();
    assert_eq!(findings, [true, false]);
}
