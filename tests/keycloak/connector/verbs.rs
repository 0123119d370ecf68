//! Every change: first, again, after somebody else did it, and after the person is gone.

use std::collections::BTreeMap;

use chrono::TimeDelta;
use proofd::connectors::IdentityProvider as _;
use proofd::model::{AccountChange, Changed, Failure, FailureKind, IdentityChange, SubjectKind, Timestamp};
use reqwest::Method;
use serde_json::json;

use super::{Bench, REINSTATE, SUSPEND, attempt, now, role, set};
use crate::person::Person;
use crate::server::keycloak;

const APPROVE: IdentityChange = IdentityChange::Approve;
const REJECT: IdentityChange = IdentityChange::Reject;
const DELETE: IdentityChange = IdentityChange::Delete;
const FACTORS: IdentityChange = IdentityChange::Account(AccountChange::RemoveFactors);
const SESSIONS: IdentityChange = IdentityChange::Account(AccountChange::EndSessions);

fn invited(since: Timestamp) -> IdentityChange {
    IdentityChange::EnsureInvited { since }
}

/// A result in words.
fn words(result: &Result<Changed, Failure>) -> String {
    match result {
        Ok(Changed { already: true, .. }) => "already".to_owned(),
        Ok(Changed { already: false, .. }) => "done".to_owned(),
        Err(failure) => format!("{:?}: {}", failure.kind, failure.reason),
    }
}

async fn registered(bench: &Bench, name: &str) -> (Person, String) {
    let mut person = Person::new(&bench.realm, name);
    person.registers().await;
    let id = bench.realm.id(&person.name).await;
    (person, id)
}

async fn hired(bench: &Bench, name: &str) -> (Person, String) {
    let person = Person::new(&bench.realm, name);
    let id = bench.realm.employs(&person.name, &person.password).await;
    (person, id)
}

#[tokio::test(flavor = "multi_thread")]
async fn an_approved_registration_is_invited_and_can_sign_in() {
    let Some(keycloak) = keycloak().await else { return };
    let realm = keycloak.example();
    let mut bench = Bench::at(&realm).await;
    let (mut ada, id) = registered(&bench, "Adele").await;
    // Tries before the approval count as failures; approval clears them.
    realm.sets_password(&id, "forgotten").await;
    let snapshot = bench.snapshot(SubjectKind::Registration, &id).await;
    let registration = bench.registration(&id).await;
    assert_eq!(registration.text("state"), Some("not_reviewed"));
    assert_eq!(registration.text("profile"), Some("portal"));
    assert_eq!(registration.text("user_id"), Some(&*id));

    let since = now();
    assert_eq!(
        words(&bench.does(&snapshot, &invited(since)).await),
        "Changed: it is no longer approved; not invited"
    );
    for expected in ["done", "already"] {
        assert_eq!(words(&bench.does(&snapshot, &APPROVE).await), expected);
    }
    assert!(realm.groups_of(&id).await.is_empty());
    assert_eq!(bench.registration(&id).await.text("state"), Some("approved"));
    // Invited with the approval.
    assert_eq!(words(&bench.does(&snapshot, &invited(since)).await), "already");
    assert_eq!(ada.mails().len(), 1, "one invitation");
    let link = ada.keycloak_link(0).await;
    ada.acts_on(&link).await;
    ada.password = "forgotten".to_owned();
    assert!(ada.signs_in().await, "{}", ada.browser.text());
    // Another invitation, for another reason. Keycloak's clock is known by the whole seconds of its tokens.
    tokio::time::sleep(std::time::Duration::from_millis(2_500)).await;
    assert_eq!(words(&bench.does(&snapshot, &invited(now())).await), "done");
    for verb in [REJECT, DELETE] {
        let told = words(&bench.does(&snapshot, &verb).await);
        assert!(told.starts_with("Changed: it was approved meanwhile"), "{told}");
    }
    let told = bench.events_of(&id).await;
    assert_eq!(told.first().map(String::as_str), Some("registration.created by the person"), "{told:?}");
    assert!(told.contains(&"user.activated by ours".to_owned()), "{told:?}");
}

/// Each refusal by the gate counts as a failed sign-in. Approval ends the lock that follows.
#[tokio::test(flavor = "multi_thread")]
async fn an_approval_removes_the_lock_of_failed_sign_ins() {
    let Some(keycloak) = keycloak().await else { return };
    let realm = keycloak.realm("kc-locks").await;
    realm.ask(Method::PUT, "", Some(json!({"failureFactor": 2, "waitIncrementSeconds": 600}))).await;
    let mut bench = Bench::at(&realm).await;
    let (ada, id) = registered(&bench, "Ada").await;
    realm.sets_password(&id, &ada.password).await;
    realm.changes(&id, json!({"emailVerified": true, "requiredActions": []})).await;
    for _ in 0..3 {
        assert!(!ada.elsewhere().signs_in().await);
    }
    assert_eq!(bench.user(&id).await.text("status"), Some("locked"));
    assert!(bench.events_of(&id).await.contains(&"user.locked by others".to_owned()));
    let snapshot = bench.snapshot(SubjectKind::Registration, &id).await;
    assert_eq!(words(&bench.does(&snapshot, &APPROVE).await), "done");
    assert_eq!(bench.user(&id).await.text("status"), Some("active"));
    assert!(ada.elsewhere().signs_in().await);

    // A lock of somebody who is suspended meanwhile: lifting the suspension would end it too.
    for _ in 0..3 {
        let mut ada = ada.elsewhere();
        ada.password = "wrong".to_owned();
        assert!(!ada.signs_in().await);
    }
    let suspended = bench.changes(&id, SUSPEND).await.unwrap();
    assert_eq!(suspended.before.as_deref(), Some("locked"));
    let waits = bench.changes(&id, REINSTATE).await.unwrap_err();
    assert_eq!(waits.kind, FailureKind::Unavailable, "{}", waits.reason);
    assert!(waits.retry_after_seconds.is_some_and(|seconds| seconds > 60), "{waits:?}");
    realm.ask(Method::DELETE, &format!("/attack-detection/brute-force/users/{id}"), None).await;
    assert_eq!(words(&bench.changes(&id, REINSTATE).await), "done");
}

/// A permanent lock is Keycloak's: it is not lifted as if it were a suspension.
#[tokio::test(flavor = "multi_thread")]
async fn a_permanent_lock_is_kept() {
    let Some(keycloak) = keycloak().await else { return };
    let realm = keycloak.realm("kc-permanent").await;
    realm.ask(Method::PUT, "", Some(json!({"failureFactor": 2, "permanentLockout": true}))).await;
    let mut bench = Bench::at(&realm).await;
    let (pia, id) = hired(&bench, "Pia").await;
    bench.polled().await.unwrap();
    for _ in 0..3 {
        let mut pia = pia.elsewhere();
        pia.password = "wrong".to_owned();
        assert!(!pia.signs_in().await);
    }
    assert!(bench.events_of(&id).await.contains(&"user.locked by others".to_owned()));
    assert_eq!(bench.user(&id).await.text("status"), Some("locked"));
    let suspended = bench.changes(&id, SUSPEND).await.unwrap();
    assert_eq!((suspended.already, suspended.before.as_deref()), (true, Some("locked")));
    assert_eq!(words(&bench.changes(&id, REINSTATE).await), "already");
    assert_eq!(bench.user(&id).await.text("status"), Some("locked"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_registration_is_rejected_and_deleted() {
    let Some(keycloak) = keycloak().await else { return };
    let realm = keycloak.example();
    let bench = Bench::at(&realm).await;
    let (mut rob, id) = registered(&bench, "Robert").await;
    let snapshot = bench.snapshot(SubjectKind::Registration, &id).await;
    let before = realm.user(&rob.name).await.unwrap();
    for expected in ["done", "already"] {
        assert_eq!(words(&bench.does(&snapshot, &REJECT).await), expected);
    }
    let after = realm.user(&rob.name).await.unwrap();
    for kept in ["username", "email", "firstName", "lastName", "emailVerified", "requiredActions", "enabled"]
    {
        assert_eq!(before[kept], after[kept], "{kept}");
    }
    assert_eq!(bench.registration(&id).await.text("state"), Some("rejected"));
    assert_eq!(
        words(&bench.does(&snapshot, &APPROVE).await),
        "Changed: it was rejected meanwhile; not approved"
    );
    realm.sets_password(&id, &rob.password).await;
    assert!(!rob.signs_in().await);

    let asked_at = now();
    for (number, expected) in [(1, "done"), (2, "already"), (3, "already")] {
        let told = bench.connector.change(&attempt(number, asked_at), &snapshot, &DELETE).await;
        assert_eq!(words(&told), expected, "attempt {number}");
    }
    assert_eq!(realm.user(&rob.name).await, None);
    let gone = "Changed: it is gone; somebody deleted it";
    for verb in [APPROVE, REJECT, invited(asked_at)] {
        assert_eq!(words(&bench.does(&snapshot, &verb).await), gone, "{verb:?}");
    }
    assert!(bench.subject(SubjectKind::Registration, &id).await.is_none());
    assert!(bench.subject(SubjectKind::User, &id).await.is_none());
    // The name and the address are free again; the same person is somebody else now.
    let mut again = rob.elsewhere();
    again.registers().await;
    assert_ne!(realm.id(&rob.name).await, id);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deletion_is_attributed_by_its_client() {
    let Some(keycloak) = keycloak().await else { return };
    let realm = keycloak.example();
    let bench = Bench::at(&realm).await;
    let (_, id) = registered(&bench, "Dell").await;
    let snapshot = bench.snapshot(SubjectKind::Registration, &id).await;
    let asked_at = now();
    realm.deletes(&id).await;
    for number in [1, 2] {
        let told = bench.connector.change(&attempt(number, asked_at), &snapshot, &DELETE).await;
        assert_eq!(words(&told), "Changed: it is gone already; somebody else deleted it", "attempt {number}");
    }
    // A deletion of long ago says nothing about this request.
    let later = asked_at + TimeDelta::hours(1);
    let told = words(&bench.connector.change(&attempt(2, later), &snapshot, &DELETE).await);
    assert!(told.starts_with("Changed: it is gone, and whether proofd deleted it is not known"), "{told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_that_differs_from_the_case_is_not_changed() {
    let Some(keycloak) = keycloak().await else { return };
    let realm = keycloak.example();
    let bench = Bench::at(&realm).await;
    let (_, id) = registered(&bench, "Chang").await;
    let known = bench.snapshot(SubjectKind::Registration, &id).await;
    let compared = |value: &str| BTreeMap::from([("first_name".to_owned(), Some(value.to_owned()))]);
    let moved = [
        ("mail address", proofd::model::Snapshot { email: Some("other@x.test".into()), ..known.clone() }),
        ("creation time", proofd::model::Snapshot { created_at: None, ..known.clone() }),
        ("first_name", proofd::model::Snapshot { compared: compared("Chung"), ..known.clone() }),
    ];
    for (what, snapshot) in &moved {
        for verb in [APPROVE, REJECT, DELETE] {
            let told = words(&bench.does(snapshot, &verb).await);
            assert!(told.starts_with(&format!("Changed: its {what} changed")), "{verb:?}: {told}");
        }
    }
    // A corrected mail address stops no protection of a user.
    realm.leaves(&id, "proofd-pending").await;
    let (_, snapshot) = &moved[0];
    assert_eq!(words(&bench.does(snapshot, &SUSPEND).await), "done");
    let same = proofd::model::Snapshot { compared: compared("Chang"), ..known };
    assert_eq!(words(&bench.does(&same, &SUSPEND).await), "already");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_is_suspended_and_reinstated() {
    let Some(keycloak) = keycloak().await else { return };
    let realm = keycloak.example();
    let bench = Bench::at(&realm).await;
    let (mut sue, id) = hired(&bench, "Susan").await;
    assert!(sue.signs_in().await);
    assert_eq!(realm.sessions(&id).await, 1);
    let suspended = bench.changes(&id, SUSPEND).await.unwrap();
    assert_eq!((suspended.already, suspended.before.as_deref()), (false, Some("active")));
    assert_eq!(bench.user(&id).await.text("status"), Some("suspended"));
    assert_eq!(realm.sessions(&id).await, 0);
    assert!(!sue.elsewhere().signs_in().await && !sue.has_session().await);
    let again = bench.changes(&id, SUSPEND).await.unwrap();
    assert_eq!((again.already, again.before.as_deref()), (true, Some("suspended")));
    let told = words(&bench.does(&bench.snapshot(SubjectKind::User, &id).await, &invited(now())).await);
    assert_eq!(told, "Changed: the account was disabled meanwhile; not invited");
    for expected in ["done", "already"] {
        assert_eq!(words(&bench.changes(&id, REINSTATE).await), expected);
    }
    assert!(!sue.has_session().await, "the session of before does not come back");
    assert!(sue.signs_in().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn sessions_and_factors_end() {
    let Some(keycloak) = keycloak().await else { return };
    let realm = keycloak.example();
    let bench = Bench::at(&realm).await;
    let (mut sam, id) = hired(&bench, "Sammy").await;
    assert!(sam.signs_in().await);
    for _ in 0..2 {
        assert_eq!(words(&bench.changes(&id, SESSIONS).await), "done");
        assert_eq!(realm.sessions(&id).await, 0);
    }
    let secret = json!({"value": "JBSWY3DPEHPK3PXP"}).to_string();
    let data = json!({"subType": "totp", "digits": 6, "counter": 0, "period": 30, "algorithm": "HmacSHA1"});
    let otp = json!({"type": "otp", "userLabel": "phone", "secretData": secret, "credentialData": data.to_string()});
    let imported = json!({"username": format!("{}-f", sam.name), "enabled": true, "credentials": [otp,
        {"type": "password", "value": "Passw0rd!"}]});
    realm.ask(Method::POST, "/users", Some(imported)).await;
    let id = realm.id(&format!("{}-f", sam.name)).await;
    for expected in ["done", "already"] {
        assert_eq!(words(&bench.changes(&id, FACTORS).await), expected);
    }
    let left = realm.get(&format!("/users/{id}/credentials")).await;
    assert_eq!(left.as_array().unwrap().len(), 1, "{left}");
    assert_eq!(left[0]["type"], "password");
}

#[tokio::test(flavor = "multi_thread")]
async fn roles_are_assigned_and_revoked_by_name() {
    let Some(keycloak) = keycloak().await else { return };
    let realm = keycloak.example();
    let bench = Bench::at(&realm).await;
    let (_, id) = hired(&bench, "Rollo").await;
    for name in ["privileged", "portal/approver"] {
        for (given, expected) in
            [(false, "already"), (true, "done"), (true, "already"), (false, "done"), (false, "already")]
        {
            assert_eq!(words(&bench.changes(&id, role(name, given)).await), expected, "{name} {given}");
        }
    }
    // A role by a group, alone and beside one's own.
    realm.joins(&id, "administrators").await;
    assert_eq!(words(&bench.changes(&id, role("privileged", true)).await), "already");
    let held = words(&bench.changes(&id, role("privileged", false)).await);
    assert!(held.starts_with("Refused: the role is held by the group /administrators;"), "{held}");
    realm.grants(&id, "privileged").await;
    let held = words(&bench.changes(&id, role("privileged", false)).await);
    assert!(
        held.starts_with("Refused: the role was taken away, but is still held by the group /administrators"),
        "{held}"
    );
    realm.leaves(&id, "administrators").await;
    assert_eq!(words(&bench.changes(&id, role("privileged", false)).await), "already");
    for (name, why) in [
        ("no-such-role", "Keycloak has no role named"),
        ("portal/no-such-role", "Keycloak has no role named"),
        ("realm-management/manage-users", "is a right in this realm"),
        ("default-roles-proofd-example", "is the one that everybody has"),
        ("proofd-pending", "is the realm's gate"),
    ] {
        for given in [true, false] {
            let told = words(&bench.changes(&id, role(name, given)).await);
            assert!(told.starts_with("Refused: ") && told.contains(why), "{name}: {told}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn attributes_are_set_and_nothing_else_changes() {
    let Some(keycloak) = keycloak().await else { return };
    let realm = keycloak.example();
    let bench = Bench::at(&realm).await;
    let (person, id) = hired(&bench, "Setty").await;
    let first = json!({"verified_at": "2026-11-30T12:00:00Z", "attributes.cost_center": 4711});
    for (attributes, expected) in [
        (first.clone(), "done"),
        (first, "already"),
        (json!({"department": "  R&D "}), "done"),
        (json!({"attributes.department": "R&D"}), "already"),
        (json!({"attributes.cost_center": null}), "done"),
    ] {
        assert_eq!(words(&bench.changes(&id, set(attributes.clone())).await), expected, "{attributes}");
    }
    let user = realm.user(&person.name).await.unwrap();
    assert_eq!((&user["firstName"], &user["lastName"]), (&json!("Ada"), &json!("Lovelace")));
    assert_eq!(
        (&user["email"], &user["emailVerified"]),
        (&json!(format!("{}@mail.example", person.name)), &json!(true))
    );
    assert_eq!(user["attributes"], json!({"department": ["R&D"], "verified_at": ["2026-11-30T12:00:00Z"]}));
    let subject = bench.user(&id).await;
    assert_eq!(
        (subject.text("department"), subject.text("verified_at")),
        (Some("R&D"), Some("2026-11-30T12:00:00Z"))
    );
    for (attributes, why) in [
        (json!({"title": "x"}), "no attribute is configured for title"),
        (json!({"attributes.unknown": "x"}), "user profile has no attribute unknown"),
        (json!({"attributes.disabledReason": "x"}), "keep it for themselves"),
        (json!({"attributes.proofd_state": "x"}), "keep it for themselves"),
        (json!({"department": ["x"]}), "to a text, a number, true or false only"),
        (json!({"department": "x".repeat(300)}), "refused the account's department as invalid"),
    ] {
        let told = words(&bench.changes(&id, set(attributes)).await);
        assert!(told.starts_with("Refused: ") && told.contains(why), "{told}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn realm_administrators_are_not_changed() {
    let Some(keycloak) = keycloak().await else { return };
    let realm = keycloak.example();
    let bench = Bench::at(&realm).await;
    let (_, id) = hired(&bench, "Root").await;
    let management =
        realm.get("/clients?clientId=realm-management").await[0]["id"].as_str().unwrap().to_owned();
    let right = realm.get(&format!("/clients/{management}/roles/view-users")).await;
    let path = format!("/users/{id}/role-mappings/clients/{management}");
    realm.ask(Method::POST, &path, Some(json!([{"id": right["id"], "name": right["name"]}]))).await;
    let verbs = [
        SUSPEND,
        REINSTATE,
        SESSIONS,
        FACTORS,
        DELETE,
        role("privileged", true),
        role("privileged", false),
        set(json!({"department": "x"})),
    ];
    for verb in verbs {
        let result = bench.changes(&id, verb.clone()).await;
        let failure = result.expect_err("an administrator was changed");
        assert_eq!(failure.kind, FailureKind::Refused, "{verb:?}: {}", failure.reason);
        assert!(failure.reason.contains("it administers this realm"), "{verb:?}: {}", failure.reason);
    }
    // proofd's own account is one too.
    let own = realm.get("/clients?clientId=proofd").await[0]["id"].as_str().unwrap().to_owned();
    let own =
        realm.get(&format!("/clients/{own}/service-account-user")).await["id"].as_str().unwrap().to_owned();
    assert!(words(&bench.changes(&own, SUSPEND).await).contains("it administers this realm"));
}
