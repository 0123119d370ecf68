//! Events of one person: what administrators, the person and proofd do, one after the other.

use proofd::model::{AccountChange, IdentityChange};
use reqwest::Method;
use serde_json::{Value, json};

use super::{Bench, REINSTATE, SUSPEND, role, set};
use crate::person::Person;
use crate::server::keycloak;

/// Something that happens to one person.
#[derive(Debug)]
enum Deed {
    /// By an administrator: a request with `{id}`, `{role:NAME}`, `{group:NAME}` and `{portal}` in its path and body.
    Admin(Method, &'static str, Value),
    /// By proofd.
    Ours(IdentityChange),
    SignsIn,
    MistakesPassword,
    /// The read of a case or a sweep, which the connector remembers.
    IsRead,
}

use Deed::{Admin, IsRead, MistakesPassword, Ours, SignsIn};

const NOTHING: Value = Value::Null;

/// Deeds about roles, each with the events that it makes.
fn roles_turn() -> Vec<(Deed, Vec<&'static str>)> {
    let granted = || json!(["{role:privileged}"]);
    let realm_roles = "/users/{id}/role-mappings/realm";
    let portal_roles = "/users/{id}/role-mappings/clients/{portal}";
    let console = "/ui-ext/role-mapping-delete/users/{id}";
    let member = "/users/{id}/groups/{group:administrators}";
    vec![
        // Roles, with nothing known of the person before.
        (Admin(Method::POST, realm_roles, granted()), vec!["user.role_granted privileged by others"]),
        (Admin(Method::DELETE, realm_roles, granted()), vec!["user.role_revoked privileged by others"]),
        (
            Admin(Method::POST, portal_roles, json!(["{role:portal/approver}"])),
            vec!["user.role_granted portal/approver by others"],
        ),
        (
            Admin(Method::DELETE, portal_roles, json!(["{role:portal/approver}"])),
            vec!["user.role_revoked portal/approver by others"],
        ),
        (Admin(Method::DELETE, realm_roles, granted()), vec!["user.role_revoked privileged by others"]),
        (Admin(Method::POST, realm_roles, granted()), vec!["user.role_granted privileged by others"]),
        // The console's way to take a role names no role; without an earlier read it is not known which one.
        (
            Admin(Method::POST, console, json!(["{console:privileged}"])),
            vec!["keycloak.DELETE_REALM_ROLE_MAPPING by others"],
        ),
        (IsRead, vec![]),
        (Admin(Method::POST, realm_roles, granted()), vec!["user.role_granted privileged by others"]),
        (Admin(Method::POST, realm_roles, granted()), vec!["keycloak.CREATE_REALM_ROLE_MAPPING by others"]),
        (
            Admin(Method::POST, console, json!(["{console:privileged}"])),
            vec!["user.role_revoked privileged by others"],
        ),
        // Revoking a role that is not held is a decision against it, also while proofd withholds it.
        (Admin(Method::DELETE, realm_roles, granted()), vec!["user.role_revoked privileged by others"]),
        // Roles by a group, beside one's own.
        (Admin(Method::PUT, member, NOTHING), vec!["user.role_granted privileged by others"]),
        (Admin(Method::POST, realm_roles, granted()), vec!["keycloak.CREATE_REALM_ROLE_MAPPING by others"]),
        (Admin(Method::DELETE, member, NOTHING), vec!["keycloak.DELETE_GROUP_MEMBERSHIP by others"]),
        (Admin(Method::DELETE, realm_roles, granted()), vec!["user.role_revoked privileged by others"]),
        (Admin(Method::PUT, member, NOTHING), vec!["user.role_granted privileged by others"]),
        (Admin(Method::DELETE, member, NOTHING), vec!["user.role_revoked privileged by others"]),
        (Ours(role("privileged", true)), vec!["user.role_granted privileged by ours"]),
        (Ours(role("privileged", false)), vec!["user.role_revoked privileged by ours"]),
        (Ours(role("portal/approver", true)), vec!["user.role_granted portal/approver by ours"]),
        (Ours(role("portal/approver", false)), vec!["user.role_revoked portal/approver by ours"]),
    ]
}

/// Deeds about the account.
fn account_changes() -> Vec<(Deed, Vec<&'static str>)> {
    vec![
        (Admin(Method::PUT, "/users/{id}", json!({"enabled": false})), vec!["user.suspended by others"]),
        (
            Admin(Method::PUT, "/users/{id}", json!({"enabled": false})),
            vec!["keycloak.UPDATE_USER by others"],
        ),
        (Admin(Method::PUT, "/users/{id}", json!({"enabled": true})), vec!["user.activated by others"]),
        (Ours(SUSPEND), vec!["user.suspended by ours", "session.revoked by ours"]),
        (Ours(REINSTATE), vec!["user.activated by ours"]),
        (
            Admin(Method::PUT, "/users/{id}", json!({"lastName": "Byron"})),
            vec!["user.attribute_changed last_name Lovelace Byron by others"],
        ),
        (Ours(set(json!({"department": "R&D"}))), vec!["user.attribute_changed department R&D by ours"]),
        (
            Admin(
                Method::PUT,
                "/users/{id}/reset-password",
                json!({"type": "password", "value": "Passw0rd!"}),
            ),
            vec!["credential.changed by others"],
        ),
        (SignsIn, vec!["login.succeeded by the person"]),
        (MistakesPassword, vec!["login.failed invalid_user_credentials by others"]),
        (Admin(Method::POST, "/users/{id}/logout", NOTHING), vec!["session.revoked by others"]),
        (Ours(IdentityChange::Account(AccountChange::EndSessions)), vec!["session.revoked by ours"]),
        // A confirmation mail of an administrator: only Keycloak has a name for it.
        (
            Admin(Method::PUT, "/users/{id}/send-verify-email", NOTHING),
            vec!["keycloak.ACTION_USER by others"],
        ),
        (
            Admin(Method::PUT, "/users/{id}/groups/{group:proofd-pending}", NOTHING),
            vec!["keycloak.CREATE_GROUP_MEMBERSHIP by others"],
        ),
        (
            Admin(Method::DELETE, "/users/{id}/groups/{group:proofd-pending}", NOTHING),
            vec!["user.activated by others", "keycloak.DELETE_GROUP_MEMBERSHIP by others"],
        ),
        (
            Admin(Method::DELETE, "/users/{id}", NOTHING),
            vec!["user.deleted by others", "registration.deleted by others"],
        ),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn each_change_emits_its_events() {
    let Some(keycloak) = keycloak().await else { return };
    let realm = keycloak.example();
    let mut bench = Bench::at(&realm).await;
    let mut ann = Person::new(&realm, "Annabel");
    let id = realm.employs(&ann.name, &ann.password).await;
    let made = bench.events_of(&id).await;
    assert_eq!(
        made,
        ["user.created by others", "user.activated by others", "keycloak.DELETE_GROUP_MEMBERSHIP by others",]
    );
    ann.password = "Passw0rd!".to_owned();
    for (number, (deed, events)) in roles_turn().into_iter().chain(account_changes()).enumerate() {
        match &deed {
            Admin(method, path, body) => {
                let path = filled(&bench, &id, path).await;
                let body = roles(&bench, body).await;
                bench.realm.ask(method.clone(), &path, Some(body).filter(|body| !body.is_null())).await;
            }
            Ours(change) => {
                bench.changes(&id, change.clone()).await.unwrap();
            }
            SignsIn => assert!(ann.elsewhere().signs_in().await),
            MistakesPassword => {
                let mut ann = ann.elsewhere();
                ann.password = "wrong".to_owned();
                assert!(!ann.signs_in().await);
            }
            IsRead => {
                // The read must be older than the clock's uncertainty when the next deed happens.
                bench.user(&id).await;
                tokio::time::sleep(std::time::Duration::from_secs(4)).await;
            }
        }
        assert_eq!(bench.events_of(&id).await, events, "row {number}: {deed:?}");
    }
    assert_eq!(bench.connector.skipped(), 0);
}

async fn filled(bench: &Bench, id: &str, path: &str) -> String {
    let mut path = path.replace("{id}", id);
    if path.contains("{portal}") {
        path = path.replace("{portal}", &portal(bench).await);
    }
    if let Some((_, rest)) = path.clone().split_once("{group:") {
        let (name, _) = rest.split_once('}').unwrap();
        let group = bench.realm.group(name).await;
        path = path.replace(&format!("{{group:{name}}}"), &group);
    }
    path
}

async fn portal(bench: &Bench) -> String {
    let found = bench.realm.get("/clients?clientId=portal").await;
    found[0]["id"].as_str().unwrap().to_owned()
}

/// A body whose items `{role:NAME}` are replaced by roles, and `{console:NAME}` by what the console sends for one.
async fn roles(bench: &Bench, body: &Value) -> Value {
    let Value::Array(items) = body else { return body.clone() };
    let mut roles = Vec::new();
    for item in items {
        let item = item.as_str().unwrap().trim_matches(['{', '}']);
        let (kind, name) = item.split_once(':').unwrap();
        let role = match name.split_once('/') {
            Some((_, role)) => {
                bench.realm.get(&format!("/clients/{}/roles/{role}", portal(bench).await)).await
            }
            None => bench.realm.get(&format!("/roles/{name}")).await,
        };
        roles.push(match kind {
            "role" => json!({"id": role["id"], "name": role["name"]}),
            _ => json!({"roleId": role["id"], "roleName": role["name"]}),
        });
    }
    Value::Array(roles)
}
